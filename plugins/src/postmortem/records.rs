//! What the plugin keeps: a record a post-mortem with the newest wording of its sections, every earlier wording, and the
//! action items.

use anyhow::Context;
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use commands::ledger::{self, Entry, Place};
use commands::store::Read;
use commands::table::{Table, Versioned};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The post-mortems, by the number of the act that started them.
pub const DOCUMENTS: Table<Document> = Table::new("postmortem/documents/");

/// The post-mortem of an incident, by the incident's number: there is one.
pub const ABOUT: Table<u64> = Table::new("postmortem/incidents/");

/// Every wording that a section has had: `NUMBER/SECTION/VERSION`.
pub const PAST: Table<Wording> = Table::new("postmortem/past/");

/// The action items, by post-mortem and the act that added them: `NUMBER/ITEM`.
pub const ITEMS: Table<Item> = Table::new("postmortem/items/");

/// A post-mortem.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Document {
    pub number: u64,
    pub title: String,
    pub service: Option<String>,
    pub environment: Option<String>,
    /// As people say it: `sev1`.
    pub severity: Option<String>,
    /// The incident that it is about; a near miss and a success have none.
    pub incident: Option<u64>,
    pub stage: Stage,
    /// Who started it, and where: there it is told.
    pub by: String,
    pub place: Place,
    pub started: DateTime<Utc>,
    /// Until when it is to be reviewed.
    pub due: Option<DateTime<Utc>>,
    /// Who took part in the response, and what stands for them in the text.
    #[serde(default)]
    pub roles: BTreeMap<String, String>,
    pub sections: BTreeMap<String, Wording>,
    /// What its charts show, fit to be shown.
    #[serde(default)]
    pub charts: Vec<String>,
    #[serde(default)]
    pub meeting: Option<Meeting>,
    /// Who found it good, and when.
    #[serde(default)]
    pub approved: Option<String>,
    #[serde(default)]
    pub reviewed: Option<DateTime<Utc>>,
    #[serde(default)]
    pub published: Option<Published>,
    /// How often its review was reminded of, and when last.
    #[serde(default)]
    pub reminded: Reminded,
}

/// The same without its texts, which most of those who look at all of them do not need: it is read four times as fast.
pub const HEADS: Table<Head> = Table::new("postmortem/documents/");

/// What is known of a post-mortem at a glance. It is read alone, and never written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    pub number: u64,
    pub title: String,
    pub service: Option<String>,
    pub stage: Stage,
    pub by: String,
    pub started: DateTime<Utc>,
    pub due: Option<DateTime<Utc>>,
    #[serde(default)]
    pub reviewed: Option<DateTime<Utc>>,
    #[serde(default)]
    pub reminded: Reminded,
}

/// How far a post-mortem is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Draft,
    InReview,
    Reviewed,
    Closed,
}

impl Stage {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Stage::Draft => "draft",
            Stage::InReview => "in review",
            Stage::Reviewed => "reviewed",
            Stage::Closed => "closed",
        }
    }

    /// What a post-mortem is: `a draft`.
    pub fn predicate(self) -> &'static str {
        if self == Stage::Draft { "a draft" } else { self.words() }
    }
}

/// The wording of a section.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    pub text: String,
    /// How often it has been changed: 0 as the form filled it in.
    pub version: u32,
    pub who: String,
    pub at: DateTime<Utc>,
}

/// When people talk about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meeting {
    pub at: DateTime<Utc>,
    pub minutes: u32,
    /// Who leads it: nobody who took part in the response.
    pub facilitator: String,
}

/// Where it can be read outside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Published {
    /// Empty where no commit was made of it, like the two below.
    pub branch: String,
    pub commit: String,
    pub path: String,
    pub at: DateTime<Utc>,
    /// The pull request or the issue.
    #[serde(default)]
    pub url: Option<String>,
    /// The number of the issue, where it is one.
    #[serde(default)]
    pub issue: Option<u64>,
}

/// How often something was reminded of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reminded {
    pub times: u32,
    pub last: Option<DateTime<Utc>>,
}

/// Something that is to be done, and can be seen to be done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Item {
    pub number: u64,
    pub what: String,
    pub kind: String,
    pub owner: String,
    pub due: NaiveDate,
    /// By what one can see that it is done; empty while nobody has said.
    pub until: String,
    pub state: ItemState,
    #[serde(default)]
    pub reminded: Reminded,
    #[serde(default)]
    pub issue: Option<Issue>,
}

/// The issue at GitHub that stands for an action item.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issue {
    /// Where: `owner/name`.
    pub repository: String,
    /// Its number there; nothing while it could not be opened.
    pub number: Option<u64>,
    /// Whether it is closed there, as far as is known.
    pub closed: bool,
    /// What was in the way when GitHub was asked last.
    pub trouble: Option<Trouble>,
}

/// Why GitHub did not do what it was asked to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// When it was tried last, and how often in a row.
    pub at: DateTime<Utc>,
    pub times: u32,
    /// A sentence without its full stop.
    pub why: String,
}

/// How an action item stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemState {
    Open,
    Done { at: DateTime<Utc> },
    Dropped { at: DateTime<Utc>, why: String },
}

impl Reminded {
    /// Of what people have just been told.
    pub fn since(now: DateTime<Utc>) -> Reminded {
        Reminded { times: 0, last: Some(now) }
    }
}

impl Issue {
    /// As GitHub's people write it: `owner/name#34`.
    pub fn name(&self) -> Option<String> {
        Some(format!("{}#{}", self.repository, self.number?))
    }
}

impl Document {
    /// The wording of a section: an empty one where there is none.
    pub fn wording(&self, section: &str) -> Wording {
        let none = || Wording { text: String::new(), version: 0, who: String::new(), at: self.started };
        self.sections.get(section).cloned().unwrap_or_else(none)
    }

    /// What is known of it at a glance.
    pub fn head(&self) -> Head {
        Head {
            number: self.number,
            title: self.title.clone(),
            service: self.service.clone(),
            stage: self.stage,
            by: self.by.clone(),
            started: self.started,
            due: self.due,
            reviewed: self.reviewed,
            reminded: self.reminded.clone(),
        }
    }

    /// Whether it is still being worked on, so that its review is waited for.
    pub fn waits_for_review(&self) -> bool {
        self.stage < Stage::Reviewed
    }
}

impl Head {
    /// As [`Document::waits_for_review`].
    pub fn waits_for_review(&self) -> bool {
        self.stage < Stage::Reviewed
    }
}

/// The name of a record, in the order of the numbers.
pub fn name(number: u64) -> String {
    format!("{number:016x}")
}

/// The name of an item's record.
pub fn item_name(document: u64, item: u64) -> String {
    format!("{document:016x}/{item:016x}")
}

/// The name of an earlier wording's record.
pub fn past_name(document: u64, section: &str, version: u32) -> String {
    format!("{document:016x}/{section}/{version:08x}")
}

/// What is found again, at GitHub, that was made of the act of this number, and since when there can be such a thing. It
/// follows from the act's entry on the ledger, and nobody outside can guess it.
///
/// # Errors
/// When the ledger can not be read.
pub async fn mark(store: &dyn Read, act: u64) -> anyhow::Result<(String, String)> {
    let record = store.get(&ledger::key(act)).await?.context("its act is not on the ledger")?;
    let entry = Entry::read(&record.value)?;
    let digest = format!("{:x}", Sha256::digest(format!("found again: {}", entry.hash)));
    let since = entry.draft.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    Ok((format!("deckhand {}", digest.get(..32).unwrap_or(&digest)), since))
}

/// All post-mortems at a glance, the newest first.
///
/// # Errors
/// When the store can not be read.
pub async fn heads(store: &dyn Read) -> anyhow::Result<Vec<Head>> {
    let found = HEADS.scan_back(store, "", None, usize::MAX).await?;
    Ok(found.into_iter().map(|(_, found)| found.value).collect())
}

/// All post-mortems, the newest first.
///
/// # Errors
/// When the store can not be read.
pub async fn all(store: &dyn Read) -> anyhow::Result<Vec<Versioned<Document>>> {
    let found = DOCUMENTS.scan_back(store, "", None, usize::MAX).await?;
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

/// The action items of one post-mortem, or of all, in the order in which they were added.
///
/// # Errors
/// When the store can not be read.
pub async fn items(store: &dyn Read, document: Option<u64>) -> anyhow::Result<Vec<(u64, Versioned<Item>)>> {
    let prefix = document.map_or_else(String::new, |number| format!("{number:016x}/"));
    let found = ITEMS.scan(store, &prefix, usize::MAX).await?;
    let number = |name: &str| name.split('/').next().and_then(|hex| u64::from_str_radix(hex, 16).ok());
    Ok(found.into_iter().filter_map(|(name, item)| Some((number(&name)?, item))).collect())
}
