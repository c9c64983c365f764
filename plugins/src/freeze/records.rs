//! What the freeze plugin keeps: freezes that people made, and for whom one is lifted.

use super::window::{Scope, When};
use crate::calendar::Span;
use chrono::{DateTime, Utc};
use commands::act::Permit;
use commands::ledger::Place;
use commands::store::Read;
use commands::table::Table;
use serde::{Deserialize, Serialize};

/// The freezes that people made, by the number of the act.
pub const FREEZES: Table<Freeze> = Table::new("freeze/made/");

/// For whom a freeze is lifted, by the number of the act.
pub const LIFTS: Table<Lift> = Table::new("freeze/lifted/");

/// A freeze that somebody made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Freeze {
    /// What it binds.
    pub scope: Scope,
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// The first moment after it.
    pub until: DateTime<Utc>,
    /// Who made it.
    pub who: String,
    /// Why.
    pub why: String,
    /// Where.
    pub place: Place,
}

/// A freeze is lifted for one person.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lift {
    /// For what.
    pub scope: Scope,
    /// For whom.
    pub who: String,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Why.
    pub why: String,
}

/// A freeze, whoever made it, during one of its times.
#[derive(Debug, Clone)]
pub struct Frozen {
    /// What it binds.
    pub scope: Scope,
    /// When.
    pub span: Span,
    /// Why.
    pub why: String,
    /// The number and the maker of one that somebody made; nothing for one of the config.
    pub made: Option<(u64, Freeze)>,
}

/// The name of a record.
pub fn name(act: u64) -> String {
    format!("{act:016x}")
}

/// The freezes that people made, and their numbers.
///
/// # Errors
/// When the store can not be read.
pub async fn made(store: &dyn Read) -> anyhow::Result<Vec<(u64, Freeze)>> {
    let found = FREEZES.scan(store, "", usize::MAX).await?;
    Ok(found
        .into_iter()
        .filter_map(|(name, freeze)| Some((u64::from_str_radix(&name, 16).ok()?, freeze.value)))
        .collect())
}

/// Whom a freeze is lifted for now.
///
/// # Errors
/// When the store can not be read.
pub async fn lifts(store: &dyn Read, now: DateTime<Utc>) -> anyhow::Result<Vec<Lift>> {
    let found = LIFTS.scan(store, "", usize::MAX).await?.into_iter().map(|(_, lift)| lift.value);
    Ok(found.filter(|lift| lift.until > now).collect())
}

/// Stages the end of every record that is over, so that the tables stay small.
///
/// # Errors
/// When the store can not be read.
pub async fn prune(store: &dyn Read, now: DateTime<Utc>, permit: &Permit) -> anyhow::Result<()> {
    let freezes = FREEZES.scan(store, "", usize::MAX).await?;
    freezes.iter().filter(|(_, it)| it.value.until <= now).for_each(|(name, _)| permit.delete(FREEZES.key(name)));
    let lifts = LIFTS.scan(store, "", usize::MAX).await?;
    lifts.iter().filter(|(_, it)| it.value.until <= now).for_each(|(name, _)| permit.delete(LIFTS.key(name)));
    Ok(())
}

impl Freeze {
    /// When it holds.
    pub fn when(&self) -> When {
        When::Once(self.from, self.until)
    }
}
