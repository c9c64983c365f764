//! What applications tell of the flags that they ask for: how often each was on and off, by which application, and when.
//!
//! It is counted in memory, and kept once a minute: whatever is told, there is one record a flag and environment.

use chrono::{DateTime, Utc};
use commands::cx::Cx;
use commands::store::{Batch, Read};
use commands::table::Table;
use commands::text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::sleep;

/// How each flag is used, by [`name`].
pub const USAGE: Table<Usage> = Table::new("counts/flags/");

/// How often it is kept.
const EVERY: Duration = Duration::from_secs(60);

/// How many applications are remembered for a flag: who uses it is asked when it is to go, and then a few names will do.
const APPS: usize = 20;

/// The longest name of an application that is kept, in bytes.
const LONGEST_APP: usize = 100;

/// How much of it is told about one environment, in columns.
const LONGEST_TOLD: usize = 200;

/// How many records are written at once.
const AT_ONCE: usize = 256;

/// How a flag is used in an environment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Usage {
    /// How often it was on.
    pub yes: u64,
    /// How often it was off.
    pub no: u64,
    /// When it was last evaluated.
    pub last: DateTime<Utc>,
    /// The applications that did, the first 20.
    pub apps: BTreeSet<String>,
}

/// How often a flag was on and off.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    /// How often it was on.
    pub yes: u64,
    /// How often it was off.
    pub no: u64,
}

/// The name of the record of a flag in an environment.
pub fn name(environment: &str, key: &str) -> String {
    format!("{environment}/{key}")
}

/// What has been counted since it was last kept.
#[derive(Default)]
pub struct Counter(Mutex<BTreeMap<String, Usage>>);

impl Counter {
    /// How a flag is used in an environment; nothing where nobody has evaluated it.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn of(&self, store: &dyn Read, environment: &str, key: &str) -> anyhow::Result<Option<Usage>> {
        let name = name(environment, key);
        let kept = USAGE.get(store, &name).await?.map(|usage| usage.value);
        let counted = self.counted().get(&name).cloned();
        Ok(match (kept, counted) {
            (Some(mut kept), Some(counted)) => {
                kept.add(counted);
                Some(kept)
            }
            (kept, counted) => kept.or(counted),
        })
    }

    /// Counts evaluations of a flag that there is, by an application that calls itself `app`.
    pub fn count(&self, environment: &str, key: &str, app: &str, count: Count, at: DateTime<Utc>) {
        let mut counted = self.counted();
        let usage = counted.entry(name(environment, key)).or_default();
        usage.add(Usage { yes: count.yes, no: count.no, last: at, apps: app_name(app).into_iter().collect() });
    }

    /// Keeps what is counted, until Deckhand stops. What was counted in the minute before it is killed is lost.
    pub async fn keep(&self, cx: &Cx) {
        loop {
            let stopping = cx.stopping().run_until_cancelled(sleep(EVERY)).await.is_none();
            if let Err(error) = self.flush(cx).await {
                tracing::warn!("how flags are used could not be kept, and is tried again in a minute: {error:#}");
            }
            if stopping {
                return;
            }
        }
    }

    async fn flush(&self, cx: &Cx) -> anyhow::Result<()> {
        loop {
            let counted: Vec<_> = {
                let mut counted = self.counted();
                std::iter::from_fn(|| counted.pop_first()).take(AT_ONCE).collect()
            };
            if counted.is_empty() {
                return Ok(());
            }
            if let Err(error) = write(cx, &counted).await {
                let mut waiting = self.counted();
                counted.into_iter().for_each(|(name, usage)| waiting.entry(name).or_default().add(usage));
                return Err(error);
            }
        }
    }

    fn counted(&self) -> MutexGuard<'_, BTreeMap<String, Usage>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn write(cx: &Cx, counted: &[(String, Usage)]) -> anyhow::Result<()> {
    let mut batch = Batch::default();
    for (name, usage) in counted {
        let mut kept = USAGE.get(cx.store(), name).await?.map(|usage| usage.value).unwrap_or_default();
        kept.add(usage.clone());
        USAGE.put_in(&mut batch, name, &kept)?;
    }
    cx.keep_counts(batch).await
}

impl Usage {
    /// In a few words: "on 12 times and off 3, last 2 minutes ago, by shop".
    pub fn told(&self, now: DateTime<Utc>) -> String {
        let apps: Vec<_> = self.apps.iter().map(|app| text::plain(app)).collect();
        let by = if apps.is_empty() { String::new() } else { format!(", by {}", apps.join(", ")) };
        let (yes, no, last) = (self.yes, self.no, text::ago(self.last, now));
        text::cut(&format!("on {yes} times and off {no}, last {last}{by}"), LONGEST_TOLD)
    }

    fn add(&mut self, more: Usage) {
        // Anybody may tell any number.
        self.yes = self.yes.saturating_add(more.yes);
        self.no = self.no.saturating_add(more.no);
        self.last = self.last.max(more.last);
        let room = APPS.saturating_sub(self.apps.len());
        let new: Vec<_> = more.apps.into_iter().filter(|app| !self.apps.contains(app)).take(room).collect();
        self.apps.extend(new);
    }
}

/// An application's name as it is kept; nothing where it has none.
fn app_name(app: &str) -> Option<String> {
    let mut end = app.len().min(LONGEST_APP);
    while !app.is_char_boundary(end) {
        end -= 1;
    }
    Some(app[..end].trim().to_owned()).filter(|app| !app.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_does_not_grow_with_what_is_told() {
        let counter = Counter::default();
        let at = DateTime::UNIX_EPOCH + Duration::from_secs(60);
        for app in 0..1_000 {
            let count = Count { yes: u64::MAX / 2, no: 1 };
            counter.count("production", "checkout", &format!("{app} {}", "가".repeat(10_000)), count, at);
        }
        let counted = counter.counted().clone();
        assert_eq!(counted.len(), 1);
        let usage = &counted["production/checkout"];
        assert_eq!((usage.yes, usage.no, usage.last, usage.apps.len()), (u64::MAX, 1_000, at, APPS));
        assert!(usage.apps.iter().all(|app| app.len() <= LONGEST_APP), "{:?}", usage.apps);
    }

    #[test]
    fn an_application_without_a_name_is_none() {
        for (app, kept) in [("web", Some("web")), (" web \n", Some("web")), ("", None), ("  ", None)] {
            assert_eq!(app_name(app).as_deref(), kept, "{app:?}");
        }
    }
}
