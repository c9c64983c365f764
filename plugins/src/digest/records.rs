//! What the digest plugin keeps: each digest, and what customers said.

use anyhow::anyhow;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use commands::ledger::Place;
use commands::store::Read;
use commands::table::{Table, Versioned};
use config::Schedule;
use serde::{Deserialize, Serialize};

/// The digests, by name.
pub const DIGESTS: Table<Digest> = Table::new("digest/digests/");

/// What customers said, by the number of the act that kept it.
pub const VOICES: Table<Voice> = Table::new("digest/voices/");

/// How many are read at once.
const PAGE: usize = 100;

/// A digest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Digest {
    /// When it is told: a line of crontab.
    pub cron: String,
    /// On whose clocks.
    pub zone: String,
    /// In which channel.
    pub place: Place,
    /// Who added it.
    pub who: String,
    /// When it is told next. It moves on in the batch that it is told with.
    pub due: DateTime<Utc>,
    /// Until when it has told of what happened.
    pub until: DateTime<Utc>,
    /// Whether it is not told for now.
    #[serde(default)]
    pub paused: bool,
}

/// What a customer said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Voice {
    /// When it was kept.
    pub at: DateTime<Utc>,
    /// Of which service.
    pub service: String,
    /// In their words: not fit to be shown as they are.
    pub text: String,
}

impl Digest {
    /// The clocks that it goes by: those of UTC where there is no such zone any more.
    pub fn clocks(&self) -> Tz {
        self.zone.parse().unwrap_or(Tz::UTC)
    }

    /// When it is told.
    ///
    /// # Errors
    /// When the line was fit to be read once, and is not any more.
    pub fn schedule(&self) -> anyhow::Result<Schedule> {
        Schedule::parse(&self.cron, self.clocks()).map_err(|error| anyhow!("{error}"))
    }
}

/// All digests, by name.
///
/// # Errors
/// When the store can not be read.
pub async fn all(store: &dyn Read) -> anyhow::Result<Vec<(String, Versioned<Digest>)>> {
    DIGESTS.scan(store, "", usize::MAX).await
}

/// The digests that are due, last name first.
///
/// # Errors
/// When the store can not be read.
pub async fn due(store: &dyn Read, now: DateTime<Utc>) -> anyhow::Result<Vec<(String, Versioned<Digest>)>> {
    let (mut due, mut before) = (Vec::new(), None::<String>);
    loop {
        let page = DIGESTS.scan_back(store, "", before.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { return Ok(due) };
        before = Some(last.clone());
        due.extend(page.into_iter().filter(|(_, it)| !it.value.paused && it.value.due <= now));
        // Others are answered meanwhile.
        tokio::task::yield_now().await;
    }
}
