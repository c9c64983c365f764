//! Buttons: lines behind opaque names, each good for one press, and only while what it was drawn from stands.

use anyhow::Result;
use chrono::{DateTime, Utc};
use commands::reply::{Button, Form, Reply};
use commands::store::{Batch, CommitError, Read, Store};
use commands::table::{Table, Versioned};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

const BUTTONS: Table<Drawn> = Table::new("buttons/");

/// A button as the gate keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drawn {
    /// What stands on it.
    pub label: String,
    /// What it says.
    pub line: String,
    /// What has to be filled in first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<Form>,
    /// The record that it was drawn from, and its version then.
    pub from: Option<(String, u64)>,
    /// Who alone may press it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only_for: Option<String>,
    /// Whether it may be pressed again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
    /// When it was drawn.
    pub at: DateTime<Utc>,
    /// Who pressed it, and when.
    pub pressed: Option<(String, DateTime<Utc>)>,
}

/// Gives the buttons of one call's replies their names.
#[derive(Debug, Default)]
pub struct Dresser(HashMap<Says, String>);

/// What tells one button from another: its line, its form, what it was drawn from, and whom it is for.
type Says = (String, Option<Form>, Option<(String, u64)>, Option<String>);

impl Dresser {
    /// Names every button of `reply`, and keeps the new ones with the batch: a button that stays through several replies
    /// keeps its name.
    pub fn dress(&mut self, reply: &mut Reply, batch: &mut Batch, at: DateTime<Utc>) -> Result<()> {
        for button in &mut reply.buttons {
            let Button { line, form, drawn_from, only_for, .. } = button.clone();
            let says = (line, form, drawn_from, only_for);
            let id = self.0.entry(says).or_default();
            if id.is_empty() {
                *id = name()?;
                BUTTONS.put_in(batch, &id, &drawn(button, at))?;
            }
            button.id.clone_from(id);
        }
        Ok(())
    }
}

fn drawn(button: &Button, at: DateTime<Utc>) -> Drawn {
    let Button { label, line, form, drawn_from: from, only_for, again, .. } = button.clone();
    Drawn { label, line, form, from, only_for, again, at, pressed: None }
}

/// 96 random bits: nobody guesses a button that they were not shown.
fn name() -> Result<String> {
    let mut bytes = [0; 12];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("there are no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// The button of this name.
pub async fn find(store: &dyn Read, id: &str) -> Result<Option<Versioned<Drawn>>> {
    let well_formed = id.len() == 24 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if well_formed { BUTTONS.get(store, id).await } else { Ok(None) }
}

/// Whether what the button was drawn from still stands.
pub async fn current(store: &dyn Read, button: &Drawn) -> Result<bool> {
    let Some((key, version)) = &button.from else { return Ok(true) };
    Ok(store.get(key).await?.map_or(0, |record| record.version) == *version)
}

/// Marks the button as pressed by `who`; false if somebody was faster.
pub async fn press(
    store: &Arc<dyn Store>,
    id: &str,
    button: &Versioned<Drawn>,
    who: &str,
    at: DateTime<Utc>,
) -> Result<bool> {
    let mut batch = Batch::default();
    let pressed = Drawn { pressed: Some((who.to_owned(), at)), ..button.value.clone() };
    batch.expect(BUTTONS.key(id), button.version);
    BUTTONS.put_in(&mut batch, id, &pressed)?;
    match store.commit(batch).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(CommitError::Broken(error)) => Err(error),
    }
}

/// Removes, with the batch, the buttons that were drawn before `then`.
pub async fn forget(store: &dyn Read, then: DateTime<Utc>, batch: &mut Batch) -> Result<()> {
    for (id, drawn) in BUTTONS.scan(store, "", usize::MAX).await? {
        if drawn.value.at < then {
            batch.delete(BUTTONS.key(id));
        }
    }
    Ok(())
}
