//! The gateway: what Discord sends us over WebSockets, a connection a shard, each kept alive and resumed.
//!
//! The loop is our own: serenity's hides unacknowledged heartbeats and events that it can not read, resumes at the wrong
//! address, and connects again without a pause.

mod connection;
mod pace;
mod payload;
mod shard;
#[cfg(test)]
mod tests;

pub use pace::Pace;

use super::health::{Health, Hear};
use super::rest::{Request, Rest, RestError};
use chrono::{DateTime, Utc};
use commands::clock::Clock;
use http::Method;
use pace::Starts;
use serenity::model::gateway::BotGateway;
use shard::Shard;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

/// What the gateway is run with.
pub struct Settings {
    /// The bot's token.
    pub token: String,
    /// Whether it asks for what happens to people's messages.
    pub messages: bool,
    /// How long no heartbeat of any shard may be acknowledged before [`Gateway::run`] gives up.
    pub silence: Duration,
    /// How fast it may be.
    pub pace: Pace,
}

/// Takes an event: its name, and its `d` as it was sent.
pub type Happens = Arc<dyn Fn(&str, &str) + Send + Sync>;

/// Whom the gateway tells.
pub struct Listener {
    /// Takes each interaction: the `d` of its event, as it was sent.
    pub hear: Hear,
    /// Takes every other event.
    pub happens: Happens,
    /// Is told when a session could not be resumed: what was sent meanwhile is lost.
    pub away: Arc<dyn Fn(Gap) + Send + Sync>,
}

/// A time in which a shard has not heard what Discord sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// When it last heard anything of the session that ended.
    pub from: DateTime<Utc>,
    /// When the next one was ready.
    pub until: DateTime<Utc>,
}

/// Why the gateway is at its end: a sentence for the operator.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// Discord will not let us in as we are: nothing that a restart mends.
    Refused(String),
    /// Discord does not answer: a supervisor should start Deckhand again.
    Away(String),
}

impl std::fmt::Display for Ended {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Ended::Refused(why) | Ended::Away(why)) = self;
        f.write_str(why)
    }
}

impl std::error::Error for Ended {}

/// The gateway, found but not yet connected to.
pub struct Gateway {
    shared: Shared,
    silence: Duration,
    found: BotGateway,
}

/// What all shards share.
struct Shared {
    rest: Arc<Rest>,
    token: String,
    messages: bool,
    pace: Pace,
    clock: Clock,
    health: Arc<Health>,
    starts: Starts,
}

impl Gateway {
    /// Asks Discord where its gateway is, and how many shards it wants. No other address is ever tried.
    ///
    /// # Errors
    /// When Discord does not say.
    pub async fn find(
        rest: Arc<Rest>,
        settings: Settings,
        clock: Clock,
        health: Arc<Health>,
    ) -> Result<Gateway, Ended> {
        let found = ask(&rest).await?;
        let Settings { token, messages, silence, pace } = settings;
        let starts = Starts::new(&found.session_start_limit, &pace);
        Ok(Gateway { shared: Shared { rest, token, messages, pace, clock, health, starts }, silence, found })
    }

    /// Listens until `stop` is cancelled, then takes its leave of Discord.
    ///
    /// # Errors
    /// When Discord refuses us for good, or no heartbeat was acknowledged for the time of [`Settings::silence`].
    pub async fn run(self, listener: Listener, stop: CancellationToken) -> Result<(), Ended> {
        let Gateway { shared, silence, found } = self;
        let (shared, listener) = (Arc::new(shared), Arc::new(listener));
        let (count, health) = (found.shards.max(1), shared.health.clone());
        health.expect(count);
        let stop = stop.child_token();
        let mut shards = JoinSet::new();
        for number in 0..count {
            let shard = Shard::new([number, count], found.url.clone(), shared.clone(), listener.clone());
            shards.spawn(shard.keep(stop.clone()));
        }
        let ended = tokio::select! {
            ended = first_end(&mut shards) => ended,
            () = silent(&health, silence) => Err(Ended::Away(format!(
                "Discord has acknowledged no heartbeat for {}, so Deckhand ends, for its supervisor to start it again",
                config::duration::show(silence)
            ))),
        };
        stop.cancel();
        while shards.join_next().await.is_some() {}
        ended
    }
}

/// What `GET /gateway/bot` says.
async fn ask(rest: &Rest) -> Result<BotGateway, Ended> {
    let why = match rest.call(Request::new(Method::GET, "/gateway/bot")).await {
        Ok(answer) => match serde_json::from_value(answer) {
            Ok(found) => return Ok(found),
            Err(error) => format!("its answer can not be read: {error}"),
        },
        Err(RestError::Refused { status: 401, .. }) => return Err(Ended::Refused(payload::BAD_TOKEN.to_owned())),
        Err(RestError::Refused { status, message, .. }) => format!("it answered {status} {message:?}"),
        Err(RestError::Away(error)) => format!("{error:#}"),
    };
    Err(Ended::Away(format!(
        "Discord does not say where its gateway is (GET /gateway/bot): {why}. Check this machine's network and `api` under `[chat.discord]`, and start Deckhand again"
    )))
}

/// Waits for the first shard that fails, or for all to end.
async fn first_end(shards: &mut JoinSet<Result<(), Ended>>) -> Result<(), Ended> {
    while let Some(ended) = shards.join_next().await {
        ended.map_err(|error| Ended::Away(format!("a shard has failed: {error}")))??;
    }
    Ok(())
}

/// Waits until no heartbeat was acknowledged for so long.
async fn silent(health: &Health, silence: Duration) {
    loop {
        let until = health.quiet_since() + silence;
        if until <= Instant::now() {
            return;
        }
        sleep_until(until).await;
    }
}
