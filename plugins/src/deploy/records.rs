//! What the deploy plugin keeps: every deploy, and what is live where.

use super::driver::Handle;
use super::params::{self, Params};
use super::strategy::Step;
use chrono::{DateTime, Utc};
use commands::ledger::{self, Entry};
use commands::store::Read;
use commands::table::{Table, Versioned};
use commands::text;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What is live, by target.
pub const LIVE: Table<Live> = Table::new("deploy/live/");

/// Every deploy, by target and number.
pub const DEPLOYS: Table<Deploy> = Table::new("deploy/runs/");

/// A service in an environment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Target {
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: String,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.service, self.environment)
    }
}

/// An exact commit, and the name that people know it by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The whole hash.
    pub commit: String,
    /// The tag, branch or hash that it was found under.
    pub reference: String,
    /// What it is shipped with.
    #[serde(default, skip_serializing_if = "Params::is_empty")]
    pub params: Params,
    /// What was built of the commit, as its driver names it: `sha256:…`. Nothing where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact: Option<String>,
}

impl Release {
    /// As much of the hash as tells commits apart in practice, and as can be typed.
    pub fn short(&self) -> &str {
        self.commit.get(..12).unwrap_or(&self.commit)
    }

    /// Whether the same is shipped: the same commit, with the same params, and as the same artifact as far as that is known.
    /// Its name may be another.
    pub fn is(&self, other: &Release) -> bool {
        let rebuilt = self.artifact.as_ref().zip(other.artifact.as_ref()).is_some_and(|(this, that)| this != that);
        self.commit == other.commit && self.params == other.params && !rebuilt
    }

    /// The release with what it is shipped with, fit to be shown.
    pub fn full(&self) -> String {
        match params::said(&self.params) {
            none if none.is_empty() => self.to_string(),
            some => format!("{self} with {}", text::code(&text::cut(&some, 60))),
        }
    }

    /// What names it in a line, where a deploy of this number has shipped it: its hash, or, as that says neither what it was
    /// shipped with nor what was built of it, the deploy.
    pub fn word(&self, number: u64) -> String {
        let plain = self.params.is_empty() && self.artifact.is_none();
        if plain { self.short().to_owned() } else { format!("#{number}") }
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seven = self.commit.get(..7).unwrap_or(&self.commit);
        if self.commit.starts_with(&self.reference) {
            f.write_str(seven)
        } else {
            write!(f, "{} ({seven})", self.reference)
        }
    }
}

/// What is live in one place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Live {
    /// The release.
    pub release: Release,
    /// The deploy that made it so.
    pub deploy: u64,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The colour that everybody is served by, where there are two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colour: Option<String>,
    /// What the other colour had when this went live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Release>,
    /// The first later deploy of which nobody knows how far it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<u64>,
}

impl Live {
    /// The same, in doubt since this deploy, unless an earlier one has put it in doubt already.
    pub fn in_doubt(&self, deploy: u64) -> Live {
        Live { doubt: self.doubt.or(Some(deploy)), ..self.clone() }
    }
}

/// One deploy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deploy {
    /// Its number: that of its act.
    pub number: u64,
    /// What is shipped.
    pub release: Release,
    /// Who ships it.
    pub who: String,
    /// When it began.
    pub began: DateTime<Utc>,
    /// How it stands.
    pub state: Progress,
    /// The name of its log.
    pub log: String,
    /// Its steps, where it has more than shipping and one check: what a later start goes on from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<Step>,
    /// Which of them is being taken, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub at: usize,
    /// When what is under way was begun, where it is a step, or what is put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken_at: Option<DateTime<Utc>>,
    /// Why these steps lead back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<String>,
    /// The targets that were shipped to and well, and have not got back what was live.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<String>,
    /// How the config said that it is shipped, as a digest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub how: String,
    /// The deploy that it goes back from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<u64>,
    /// What people had of it, where it did not work and that was found out at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fared: Option<Fared>,
}

/// What people had of a deploy that did not work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fared {
    /// Nobody was served by it.
    Nobody,
    /// Some were, until what was live before was put back, well.
    Back,
    /// Some are, or by something else that is not well: it was not put back, or not well.
    Left,
    /// Nobody knows.
    Doubt,
}

impl Deploy {
    /// What is left of a limit for what is under way.
    pub fn left(&self, limit: Duration, now: DateTime<Utc>) -> Duration {
        let ran = (now - self.taken_at.unwrap_or(self.began)).to_std().unwrap_or_default();
        limit.saturating_sub(ran)
    }

    /// What finds its work again, while it is under way.
    pub fn handle(&self) -> Option<&Handle> {
        if let Progress::Running(handle) = &self.state { Some(handle) } else { None }
    }
}

fn is_first(at: &usize) -> bool {
    *at == 0
}

/// How a deploy stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Progress {
    /// It is under way, and this finds it again.
    Running(Handle),
    /// It is or was live.
    Good {
        /// When it ended.
        at: DateTime<Utc>,
    },
    /// It did not work, and this is why.
    Bad {
        /// When it ended.
        at: DateTime<Utc>,
        /// A sentence.
        why: String,
    },
    /// Nobody knows how it came out.
    Unknown {
        /// Since when.
        at: DateTime<Utc>,
        /// What is known: a sentence.
        why: String,
    },
}

/// The name of a deploy's record: those of one target lie together, in order.
pub fn name(target: &Target, number: u64) -> String {
    format!("{target}/{number:012}")
}

/// The deploys of one target, newest first.
///
/// # Errors
/// When the store can not be read.
pub async fn history(store: &dyn Read, target: &Target, limit: usize) -> anyhow::Result<Vec<Deploy>> {
    let found = DEPLOYS.scan_back(store, &format!("{target}/"), None, limit).await?;
    Ok(found.into_iter().map(|(_, deploy)| deploy.value).collect())
}

/// What the ledger says of an act when it began.
///
/// # Errors
/// When the store can not be read, or the entry is damaged.
pub async fn act(store: &dyn Read, number: u64) -> anyhow::Result<Option<Entry>> {
    let record = store.get(&ledger::key(number)).await?;
    record.map(|record| Entry::read(&record.value)).transpose()
}

/// What is live at one target, and the version of that record (0 where nothing is).
///
/// # Errors
/// When the store can not be read.
pub async fn live(store: &dyn Read, target: &Target) -> anyhow::Result<(Option<Live>, u64)> {
    Ok(match LIVE.get(store, target).await? {
        Some(Versioned { value, version }) => (Some(value), version),
        None => (None, 0),
    })
}
