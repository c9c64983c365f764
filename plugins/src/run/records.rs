//! What the run plugin keeps: every run, and the last one of each kind.

use chrono::{DateTime, Utc};
use commands::ports::Group;
use commands::table::Table;
use serde::{Deserialize, Serialize};

/// Every run, by number.
pub const RUNS: Table<Run> = Table::new("run/runs/");

/// The number of the last run of a task for a service and an environment: once it moves on, an older one's undo is stale.
pub const LAST: Table<u64> = Table::new("run/last/");

/// One run of a task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its number: that of its act.
    pub number: u64,
    /// The task.
    pub task: String,
    /// Its arguments, as they would be said.
    pub said: String,
    /// Who runs it.
    pub who: String,
    /// When it began.
    pub began: DateTime<Utc>,
    /// When it has taken too long.
    pub until: DateTime<Utc>,
    /// How it stands.
    pub state: State,
    /// The name of its log.
    pub log: String,
}

/// How a run stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Its program is about to be started.
    Starting,
    /// Its program is under way.
    Running(Group),
    /// It has ended.
    Ended {
        /// When.
        at: DateTime<Utc>,
        /// Whether it went well.
        good: bool,
        /// How, as a sentence.
        how: String,
    },
}

/// The name of a run's record: all lie in order.
pub fn name(number: u64) -> String {
    format!("{number:012}")
}
