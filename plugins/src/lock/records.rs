//! What the lock plugin keeps: locks, who waits for them, and the tokens that fence off a lock's earlier holder.

use anyhow::Result;
use chrono::{DateTime, Utc};
use commands::act::Permit;
use commands::ledger::Place;
use commands::store::Read;
use commands::table::Table;
use serde::{Deserialize, Serialize};

/// The locks, by scope.
pub const LOCKS: Table<Lock> = Table::new("lock/held/");

/// The people who wait, by environment and the act that put them in line.
pub const WAITS: Table<Wait> = Table::new("lock/waits/");

/// Who was the last to hold each lock. The record moves on when somebody else gets it, and not when its lease is renewed
/// or it is given back: what the last holder has begun may go on until then.
pub const TOKENS: Table<Token> = Table::new("lock/tokens/");

/// The last act on an environment's locks: of two changes at the same moment one is refused, whatever their scopes.
const EDITS: Table<u64> = Table::new("lock/edits/");

/// What is locked: one service in an environment, or all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The environment.
    pub environment: String,
    /// The service; all of them where there is none.
    pub service: Option<String>,
}

impl Scope {
    /// Whether a change of this service and environment is in it; one that names neither concerns no lock, and one that
    /// names only one of them may be about any of the other.
    pub fn covers(&self, service: Option<&str>, environment: Option<&str>) -> bool {
        let named = service.is_some() || environment.is_some();
        let same = |own: Option<&str>, other: Option<&str>| own.is_none() || other.is_none() || own == other;
        named && same(Some(&self.environment), environment) && same(self.service.as_deref(), service)
    }

    /// Whether one can not be locked beside the other.
    pub fn meets(&self, other: &Scope) -> bool {
        self.covers(other.service.as_deref(), Some(&other.environment))
    }

    /// The arguments that name it.
    pub fn args(&self) -> String {
        let service = self.service.iter().map(|service| format!(" service:{service}"));
        service.fold(format!("env:{}", self.environment), |args, service| args + &service)
    }

    /// The name of its record: no service is called `*`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.environment, self.service.as_deref().unwrap_or("*"))
    }
}

/// As it stands in a sentence.
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.service {
            Some(service) => write!(f, "`{service}` in `{}`", self.environment),
            None => write!(f, "all of `{}`", self.environment),
        }
    }
}

/// A lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    /// What it locks.
    pub scope: Scope,
    /// Who holds it.
    pub who: String,
    /// Why.
    pub why: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// When it ends, whatever happens.
    pub until: DateTime<Utc>,
    /// Where it was taken.
    pub place: Place,
    /// To whom its holder offers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offered: Option<String>,
}

/// Somebody in line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wait {
    /// What they want to lock.
    pub scope: Scope,
    /// Who.
    pub who: String,
    /// What for.
    pub why: String,
    /// Where they are told.
    pub place: Place,
    /// Since when they have been told that it is their turn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub told: Option<DateTime<Utc>>,
}

/// The last holder of a lock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Who.
    pub who: String,
    /// The act by which they got it.
    pub act: u64,
}

/// The locks and the waiting people of one environment, as they stood together at one moment.
pub struct Book {
    environment: String,
    edits: u64,
    /// The locks; those whose time is over too, until they are cleared away.
    pub locks: Vec<Lock>,
    /// Who waits, in order, by the names of their records.
    pub waits: Vec<(String, Wait)>,
}

impl Book {
    /// Reads it.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn read(store: &dyn Read, environment: &str) -> Result<Book> {
        // What is read after the count of edits is at least as new: a change that is based on less is refused.
        let edits = EDITS.get(store, environment).await?.map_or(0, |edits| edits.version);
        let prefix = format!("{environment}/");
        let locks = LOCKS.scan(store, &prefix, usize::MAX).await?.into_iter().map(|(_, lock)| lock.value).collect();
        let waits = WAITS.scan(store, &prefix, usize::MAX).await?;
        let waits = waits.into_iter().map(|(name, wait)| (name, wait.value)).collect();
        Ok(Book { environment: environment.to_owned(), edits, locks, waits })
    }

    /// Makes the act fail when the environment's locks have changed since the book was read.
    ///
    /// # Errors
    /// When it can not be written as JSON.
    pub fn edit(&self, permit: &Permit) -> Result<()> {
        permit.expect(EDITS.key(&self.environment), self.edits);
        EDITS.put(permit, &self.environment, &permit.act())
    }

    /// The lock of exactly this scope.
    pub fn exact(&self, scope: &Scope, now: DateTime<Utc>) -> Option<&Lock> {
        self.locks.iter().find(|lock| lock.scope == *scope && lock.until > now)
    }

    /// The lock that keeps `who` from locking `scope`.
    pub fn blocks(&self, scope: &Scope, who: &str, now: DateTime<Utc>) -> Option<&Lock> {
        self.locks.iter().find(|lock| lock.scope.meets(scope) && lock.who != who && lock.until > now)
    }
}

/// The name of a waiting person's record: in the order in which they came.
pub fn wait_name(environment: &str, act: u64) -> String {
    format!("{environment}/{act:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_binds_what_could_touch_it_and_nothing_else() {
        let scope =
            |service: Option<&str>| Scope { environment: "live".to_owned(), service: service.map(str::to_owned) };
        let (whole, one) = (scope(None), scope(Some("hello")));
        for (service, environment, by_whole, by_one) in [
            (Some("hello"), Some("live"), true, true),
            (Some("other"), Some("live"), true, false),
            (Some("hello"), Some("test"), false, false),
            // What names no service, or no environment, may be about any.
            (None, Some("live"), true, true),
            (Some("hello"), None, true, true),
            (Some("other"), None, true, false),
            (None, Some("test"), false, false),
            (None, None, false, false),
        ] {
            let found = (whole.covers(service, environment), one.covers(service, environment));
            assert_eq!(found, (by_whole, by_one), "{service:?} {environment:?}");
        }
    }
}
