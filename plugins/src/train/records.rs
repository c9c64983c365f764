//! What the train plugin keeps: one record a train, of who is aboard, what holds it, and the departure under way.

use chrono::{DateTime, Utc};
use commands::table::Table;
use serde::{Deserialize, Serialize};

/// The trains, by name.
pub const TRAINS: Table<State> = Table::new("train/trains/");

/// How a train stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// When it leaves by itself, and the schedule that this is from.
    pub due: Option<(DateTime<Utc>, String)>,
    /// Of the announcements before it leaves, the shortest time that was announced, in seconds.
    pub announced: Option<u64>,
    /// Who rides, in the order in which they leave: one entry a service.
    pub aboard: Vec<Entry>,
    /// Who holds it.
    pub hold: Option<Hold>,
    /// Whether that has been told at the time at which it should have left.
    pub told_held: bool,
    /// Who has closed it.
    pub closed: Option<Hold>,
    /// Those who are leaving.
    pub leaving: Option<Leaving>,
}

/// Something that rides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The service.
    pub service: String,
    /// The exact commit.
    pub commit: String,
    /// The name that it was found under.
    pub reference: String,
    /// Whose it is: they ship it.
    pub who: String,
    /// Whether they have said that it is ready.
    pub ready: bool,
}

impl std::fmt::Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} ({})", self.service, self.reference, self.commit.get(..7).unwrap_or(&self.commit))
    }
}

/// What keeps a train from leaving, or from taking anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Who said so.
    pub who: String,
    /// Why.
    pub why: String,
}

/// A departure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leaving {
    /// The number of its act.
    pub act: u64,
    /// When it began.
    pub began: DateTime<Utc>,
    /// What leaves, in order, and what became of it so far.
    pub entries: Vec<(Entry, Option<Outcome>)>,
}

/// What became of something that was to leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It left.
    Left,
    /// It stayed, and this is why, in a sentence.
    Stayed(String),
}
