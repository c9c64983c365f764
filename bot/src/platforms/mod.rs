//! What every chat platform can do for the rest of Deckhand.

pub mod console;
pub mod discord;

use async_trait::async_trait;
use commands::ledger::Place;
use commands::reply::Reply;

/// A chat platform: it renders a [`Reply`] as well as it can, and drops what it can not.
#[async_trait]
pub trait Platform: Send + Sync {
    /// Its name, as it stands in a [`Place`].
    fn name(&self) -> &'static str;

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

    /// Opens a thread under the message there, and returns the channel that it is.
    ///
    /// # Errors
    /// When the platform is away, or refuses.
    async fn open_thread(&self, place: &Place, title: &str) -> Result<String, PostError>;
}

/// Why a platform did not do it.
#[derive(Debug)]
pub enum PostError {
    /// It can not be reached, or asks us to wait: trying again may help.
    Away(anyhow::Error),
    /// It never will: there is no such channel, or we may not write there.
    Refused(anyhow::Error),
}
