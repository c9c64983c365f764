//! `POST /metrics/push`: figures that nobody scrapes, such as a shop's orders, from whoever has the token.

use super::Metrics;
use super::samples;
use commands::cx::Cx;
use commands::route::{Answer, Incoming, Route};
use commands::text;
use config::Section;
use http::{Method, StatusCode};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The route's name.
const NAME: &str = "push";

/// The longest body, in bytes: a few names, each with a figure.
const LONGEST: usize = 16 * 1024;

/// The shortest token: a shorter one can be guessed.
const SHORTEST: usize = 16;

/// Who may push. Only the token's SHA-256 is held against what comes, so that the time it takes tells nothing of it.
pub struct Push([u8; 32]);

impl Push {
    /// Reads the table `push` of the section; nothing where there is none.
    pub fn read(section: &Section<'_>) -> Option<Push> {
        let table = section.table("push")?;
        let token = table.required_text("token");
        if !token.is_empty() && token.len() < SHORTEST {
            let instead = format!("write at least {SHORTEST} characters, as in `\"${{METRICS_PUSH_TOKEN}}\"`");
            table.problem("token", "it can be guessed", instead);
        }
        table.finish();
        Some(Push(Sha256::digest(token).into()))
    }

    /// Where programs push.
    pub fn route() -> Route {
        Route { name: NAME, method: Method::POST, path: "/metrics/push".to_owned(), longest: LONGEST }
    }

    fn lets_in(&self, incoming: &Incoming) -> bool {
        let token = incoming.header("authorization").and_then(|header| header.strip_prefix("Bearer "));
        token.is_some_and(|token| <[u8; 32]>::from(Sha256::digest(token)) == self.0)
    }
}

impl Metrics {
    /// Takes what is pushed: a document of JSON, figures by their names. All of it, or nothing.
    ///
    /// # Errors
    /// When it can not be kept.
    pub(super) async fn pushed(&self, cx: &Cx, incoming: &Incoming) -> anyhow::Result<Answer> {
        if !self.settings.push.as_ref().is_some_and(|push| push.lets_in(incoming)) {
            let what = "The token is not that of `[metrics.push]`: send it as `Authorization: Bearer …`.";
            return Ok(Answer::refused(StatusCode::UNAUTHORIZED, what));
        }
        let Ok(figures) = serde_json::from_slice::<BTreeMap<String, f64>>(incoming.request.body()) else {
            let what = "This is no JSON of figures by their names, as in `{\"orders\": 12}`. Nothing was kept.";
            return Ok(Answer::refused(StatusCode::BAD_REQUEST, what));
        };
        let catalog = self.catalog(cx.ports()).await?;
        let taken = |name: &String| catalog.measures.iter().any(|it| it.source.takes(name, &it.query));
        if let Some(name) = figures.keys().find(|name| !taken(name)) {
            let what = format!("No measure is about {}. Nothing was kept.", text::code(name));
            return Ok(Answer::refused(StatusCode::UNPROCESSABLE_ENTITY, &what));
        }
        let figures: Vec<_> = figures.into_iter().collect();
        let _turn = self.keeping.lock().await;
        samples::keep(cx, cx.now(), &figures).await?;
        Ok(Answer::json(StatusCode::OK, &serde_json::json!({ "kept": figures.len() })))
    }
}
