//! One-time codes on the stage: people's apps, which show the code of the moment.

use anyhow::{Context, Result};
use bot::gate::codes::{self, ENROLLED, Enrolled};
use chrono::{DateTime, Utc};
use commands::store::{Batch, Store};
use std::collections::HashMap;

/// The secret in each person's app, by name.
#[derive(Default)]
pub struct Secrets(HashMap<String, String>);

/// The name of the app that has taken the secret that was shown last.
const NEW: &str = "(new)";

impl Secrets {
    /// Lets somebody have this secret, in their app and in Deckhand's store.
    ///
    /// # Errors
    /// When it can not be written.
    pub async fn enroll(&mut self, store: &dyn Store, who: &str, secret: &str) -> Result<()> {
        self.0.insert(who.to_owned(), secret.to_owned());
        let mut batch = Batch::default();
        ENROLLED.put_in(&mut batch, who, &Enrolled::new(secret.to_owned()))?;
        store.commit(batch).await?;
        Ok(())
    }

    /// Remembers a secret that an answer shows.
    pub fn look_at(&mut self, answer: &str) {
        let secret = answer.split_once("otpauth://").and_then(|(_, url)| url.split_once("secret="));
        if let Some((_, secret)) = secret {
            let is_base32 = |letter: &char| letter.is_ascii_uppercase() || ('2'..='7').contains(letter);
            self.0.insert(NEW.to_owned(), secret.chars().take_while(is_base32).collect());
        }
    }

    /// What a form is filled with: ` code = (now), reason = because`.
    ///
    /// # Errors
    /// As [`Secrets::put_in`].
    pub fn filled(&self, form: &str, who: &str, now: DateTime<Utc>) -> Result<Vec<(String, String)>> {
        let inputs = form.split(',').filter_map(|input| input.split_once('='));
        inputs.map(|(name, value)| Ok((name.trim().to_owned(), self.put_in(value.trim(), who, now)?))).collect()
    }

    /// The text with codes in place of `(now)`, of `(5m ago)` or `(in 5m)`, all from the app of `who`, and of `(new)`, the
    /// code of the secret that was shown last.
    ///
    /// # Errors
    /// When there is no such secret.
    pub fn put_in(&self, text: &str, who: &str, now: DateTime<Utc>) -> Result<String> {
        let Some((before, rest)) = text.split_once('(') else { return Ok(text.to_owned()) };
        let Some((when, after)) = rest.split_once(')') else { return Ok(text.to_owned()) };
        let span = |text: &str| config::duration::parse(text).ok();
        let at = match when {
            "now" | "new" => Some(now),
            _ => match (when.strip_suffix(" ago").and_then(span), when.strip_prefix("in ").and_then(span)) {
                (Some(ago), _) => Some(now - ago),
                (_, Some(later)) => Some(now + later),
                _ => None,
            },
        };
        let Some(at) = at else { return Ok(text.to_owned()) };
        let app = if when == "new" { NEW } else { who };
        let secret = self.0.get(app).with_context(|| format!("{app} has no secret"))?;
        Ok(format!("{before}{}{after}", codes::code_at(secret, at)?))
    }
}
