//! Messages of people that a command can be about: kept under a name, by which a line says which is meant.

use crate::ledger::Place;
use crate::table::Table;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// The messages that somebody has asked for a command on, by [`Message::name`]. What a command makes of one, it keeps
/// itself: those that were heard long ago are forgotten.
pub const MESSAGES: Table<Message> = Table::new("messages/");

/// The argument that names the message, in a command that is offered on messages: see [`crate::spec::CommandSpec::on_message`].
pub const ARGUMENT: &str = "message";

/// A message of somebody, as its platform has it. All texts are people's own words: not fit to be shown as they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Where it stands.
    pub place: Place,
    /// When it was said.
    pub at: DateTime<Utc>,
    /// Who said it: their name in the config, else the platform's name and id (`console:frank`).
    pub who: String,
    /// What they are called where they said it.
    pub called: String,
    /// What was said; it may have several lines.
    pub text: String,
    /// Where a browser finds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// What goes with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// Whether its platform tells when it is edited or deleted: see [`crate::plugin::Plugin::revised`].
    #[serde(default)]
    pub followed: bool,
    /// When it was edited there last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited: Option<DateTime<Utc>>,
    /// When it was deleted there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deleted: Option<DateTime<Utc>>,
    /// Who has asked for a command on it: nobody else can name it. Anybody, where nobody has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_by: Option<String>,
    /// When Deckhand heard of it.
    pub heard: DateTime<Utc>,
}

/// What a plugin follows of what people say: a platform that has not listened for a while looks what has become of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Follows {
    /// Messages that were kept: their edits and deletions are [noted](crate::plugin::Plugin::revised).
    pub messages: Vec<Place>,
    /// Channels and threads of its own: a [mark](crate::plugin::Plugin::marked) there was meant for it, whenever it was made.
    pub channels: Vec<Place>,
}

/// A file that goes with a message, as long as its platform keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    /// What its sender called it.
    pub name: String,
    /// How large it is, in bytes.
    pub size: u64,
    /// Where it can be had, perhaps not for long.
    pub url: String,
}

impl Message {
    /// Its name: one word, which no other message has.
    pub fn name(&self) -> String {
        format!("{}-{}", self.place.platform, self.place.message)
    }
}
