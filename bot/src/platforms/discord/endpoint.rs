//! The HTTP interactions endpoint: what Discord posts to us, let in by its signature alone.

#[cfg(test)]
mod tests;

use super::health::{Health, Hear};
use crate::platforms::probes;
use anyhow::{Context, Result};
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use commands::clock::Clock;
use serde::Deserialize;
use serde_json::json;
use serenity::interactions_endpoint::Verifier;
use serenity::model::application::InteractionType;
use sha2::{Digest, Sha256};
use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest body, in bytes: Discord's own are far shorter.
const LONGEST_BODY: usize = 1024 * 1024;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// How far a timestamp may be from our clock, in seconds.
const WINDOW: i64 = 300;

/// The most requests that are remembered, 48 bytes each, so that none is taken twice.
const REMEMBERED: usize = 100_000;

/// What listens to Discord over HTTP.
pub struct Endpoint {
    verifier: Verifier,
    clock: Clock,
    hear: Hear,
    health: Arc<Health>,
    seen: Mutex<Seen>,
}

/// The requests that are still in their window, by the digest of what was signed: the same signature can be written
/// in several ways.
#[derive(Default)]
struct Seen {
    digests: HashSet<[u8; 32]>,
    order: VecDeque<(i64, [u8; 32])>,
}

impl Seen {
    /// Whether this one is new; it is not from now on.
    fn is_new(&mut self, now: i64, digest: [u8; 32]) -> bool {
        // A timestamp may be ahead of our clock by one window, and stays good for another one.
        while self.order.front().is_some_and(|(taken, _)| taken + 2 * WINDOW < now) {
            self.forget_oldest();
        }
        if !self.digests.insert(digest) {
            return false;
        }
        self.order.push_back((now, digest));
        if self.order.len() > REMEMBERED {
            self.forget_oldest();
        }
        true
    }

    fn forget_oldest(&mut self) {
        if let Some((_, oldest)) = self.order.pop_front() {
            self.digests.remove(&oldest);
        }
    }
}

/// What tells a PING from the rest.
#[derive(Deserialize)]
struct Kind {
    #[serde(rename = "type")]
    kind: InteractionType,
}

impl Endpoint {
    /// Listens for what is signed with the application's key.
    ///
    /// # Errors
    /// When `public_key` is no Ed25519 key.
    pub fn new(public_key: [u8; 32], clock: Clock, health: Arc<Health>, hear: Hear) -> Result<Arc<Endpoint>> {
        let verifier = Verifier::try_new(public_key).context(
            "`public_key` under `[chat.discord]` is no Ed25519 key: copy it from your application's page General Information in Discord's developer portal",
        )?;
        Ok(Arc::new(Endpoint { verifier, clock, hear, health, seen: Mutex::default() }))
    }

    /// Lets a request in: its body, when Discord has signed it, lately, and once.
    async fn admit(&self, headers: &HeaderMap, body: Body) -> Result<String, Response> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(signature), Some(timestamp)) = (text("X-Signature-Ed25519"), text("X-Signature-Timestamp")) else {
            return Err(refused(StatusCode::UNAUTHORIZED, "This request is not signed, so nothing was done."));
        };
        let now = self.clock.now().timestamp();
        if !timestamp.parse::<i64>().is_ok_and(|then| now.abs_diff(then) <= WINDOW.unsigned_abs()) {
            return Err(refused(
                StatusCode::UNAUTHORIZED,
                "This request is older or newer than five minutes, so nothing was done. Check both clocks.",
            ));
        }
        let body = match tokio::time::timeout(PATIENCE, to_bytes(body, LONGEST_BODY)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) => return Err(refused(StatusCode::PAYLOAD_TOO_LARGE, "The body is longer than 1 MiB.")),
            Err(_) => return Err(refused(StatusCode::REQUEST_TIMEOUT, "The body did not arrive within 10 seconds.")),
        };
        if self.verifier.verify(signature, timestamp, &body).is_err() {
            return Err(refused(StatusCode::UNAUTHORIZED, "The signature is not Discord's, so nothing was done."));
        }
        let digest = Sha256::new().chain_update(timestamp).chain_update(&body).finalize().into();
        if !self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).is_new(now, digest) {
            return Err(refused(StatusCode::UNAUTHORIZED, "This request was taken before, so nothing was done."));
        }
        String::from_utf8(body.into()).map_err(|_| {
            self.health.garbled("an interaction over HTTP that is no UTF-8");
            refused(StatusCode::BAD_REQUEST, "The body is no UTF-8.")
        })
    }
}

/// `POST /interactions`, and what probes ask, for a listener of its own.
pub fn router(endpoint: Arc<Endpoint>) -> Router {
    let health = endpoint.health.clone();
    Router::new()
        .route("/interactions", post(take).get(about))
        .with_state(endpoint)
        .merge(probes::routes(vec![health]))
        .fallback(async || refused(StatusCode::NOT_FOUND, "There is nothing here but `POST /interactions`."))
}

/// Takes an interaction. It is answered through Discord's API, as one of the gateway is: Discord allows 202 for this.
async fn take(State(endpoint): State<Arc<Endpoint>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let raw = match endpoint.admit(&head.headers, body).await {
        Ok(raw) => raw,
        Err(refusal) => return refusal,
    };
    if serde_json::from_str::<Kind>(&raw).is_ok_and(|body| body.kind == InteractionType::Ping) {
        return Json(json!({ "type": 1 })).into_response();
    }
    endpoint.health.hear(&endpoint.hear, &raw);
    StatusCode::ACCEPTED.into_response()
}

async fn about() -> &'static str {
    "This is Deckhand's endpoint for Discord. Write its address as the Interactions Endpoint URL of your application in Discord's developer portal.\n"
}

fn refused(status: StatusCode, what: &str) -> Response {
    (status, Json(json!({ "error": what }))).into_response()
}
