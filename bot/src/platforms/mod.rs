//! What every chat platform can do for the rest of Deckhand.

pub mod console;
pub mod discord;
pub mod irc;
pub mod probes;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::ledger::Place;
use commands::reply::Reply;
use config::{Config, Problems};
use serde_json::Value;
use std::time::Duration;

/// A chat platform: it renders a [`Reply`] as well as it can, and drops what it can not.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Its name, as it stands in a [`Place`].
    fn name(&self) -> &str;

    /// Posts once for each `once` key, however often it is called with it, and returns the message's id.
    ///
    /// # Errors
    /// When the platform is away, or refuses this message.
    async fn post(&self, channel: &str, reply: &Reply, once: &str) -> Result<String, PostError>;

    /// Puts `reply` in the place of the message there.
    ///
    /// # Errors
    /// When the platform is away, or refuses: the message is gone, or is not Deckhand's.
    async fn edit(&self, place: &Place, reply: &Reply) -> Result<(), PostError>;

    /// The messages whose calls an earlier life of Deckhand did not come to answer, each with the moment it was begun.
    ///
    /// # Errors
    /// When the store can not be read.
    async fn unanswered(&self) -> anyhow::Result<Vec<(Place, DateTime<Utc>)>>;

    /// Opens a thread under the message there, and returns the channel that it is.
    ///
    /// # Errors
    /// When the platform is away, or refuses.
    async fn open_thread(&self, place: &Place, title: &str) -> Result<String, PostError>;

    /// Makes a channel beside this one, once for each `once` key, of this name (see [`commands::cx::Thread::channel`]) and about
    /// this, and returns it as a part of that channel: `<channel>/<its own>`. Nothing on a platform that makes none.
    ///
    /// # Errors
    /// When the platform is away, or refuses.
    async fn open_channel(
        &self,
        _beside: &str,
        _name: &str,
        _title: &str,
        _once: &str,
    ) -> Result<Option<String>, PostError> {
        Ok(None)
    }
}

/// How the link to a platform stands.
pub trait Probe: Send + Sync {
    /// The platform's name.
    fn name(&self) -> &str;

    /// Whether what is said there is heard.
    fn ready(&self) -> bool;

    /// All of it, as JSON.
    fn report(&self) -> Value;

    /// For how long no heartbeat has been acknowledged, where there are heartbeats.
    fn heartbeat_age(&self) -> Option<Duration> {
        None
    }
}

/// Notes what stands under `[chat]` and is no platform. To be called once the platforms have read their parts.
pub fn finish(config: &Config, problems: &Problems) {
    let Some(chat) = config.section("chat", problems) else { return };
    for platform in [discord::NAME, irc::SECTION] {
        chat.has(platform);
    }
    chat.finish();
}

/// Why a platform did not do it.
#[derive(Debug)]
pub enum PostError {
    /// It can not be reached, or asks us to wait: trying again may help.
    Away(anyhow::Error),
    /// It never will: there is no such channel, or we may not write there.
    Refused(anyhow::Error),
}
