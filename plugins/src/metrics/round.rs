//! A round: what many ask the same source at the same time. They wait for it together, so that a source that is silent or slow
//! keeps none of them for longer than one alone.
//!
//! Only the time counts in which somebody waits for that source: what is asked of it late, since another source was slow, is asked
//! all the same.

use chrono::{DateTime, Utc};
use std::collections::HashMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// How long digests that are due together wait for a source: twice as long as it may take for an answer, as sources are set up
/// usually.
pub const TOLD: Duration = Duration::from_secs(20);

/// How long what is looked at every minute waits for one.
pub const LOOKED: Duration = Duration::from_secs(45);

/// For how long it is known how long a source was waited for.
const KEPT: Duration = Duration::from_secs(300);

/// A source, by its name, and what its round is about.
type Of = (String, DateTime<Utc>);

/// How long each source may still be waited for.
#[derive(Default)]
pub struct Rounds(Mutex<HashMap<Of, Round>>);

struct Round {
    /// How long it may be waited for from `since` on.
    left: Duration,
    /// Since when it is waited for; where nobody waits, when the last one had waited.
    since: Instant,
    /// How many wait for it.
    waiting: usize,
}

/// Somebody who waits for a source, until he has an answer or is sent away.
struct Waiting<'r> {
    rounds: &'r Rounds,
    of: Of,
}

impl Rounds {
    /// What comes of asking this source; nothing where the round is over before.
    pub async fn within<T>(
        &self,
        source: &str,
        round: DateTime<Utc>,
        long: Duration,
        asking: impl Future<Output = T>,
    ) -> Option<T> {
        let (until, _waiting) = self.begin((source.to_owned(), round), long)?;
        timeout_at(until, asking).await.ok()
    }

    /// Until when somebody waits who asks now; nothing where the round is over.
    fn begin(&self, of: Of, long: Duration) -> Option<(Instant, Waiting<'_>)> {
        let now = Instant::now();
        let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rounds.retain(|_, it| it.waiting > 0 || it.since.elapsed() < KEPT);
        let it = rounds.entry(of.clone()).or_insert(Round { left: long, since: now, waiting: 0 });
        if it.waiting == 0 {
            it.since = now;
        }
        let until = it.since + it.left;
        if now >= until {
            return None;
        }
        it.waiting += 1;
        Some((until, Waiting { rounds: self, of }))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let mut rounds = self.rounds.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(it) = rounds.get_mut(&self.of) else { return };
        it.waiting -= 1;
        if it.waiting == 0 {
            it.left = it.left.saturating_sub(it.since.elapsed());
            it.since = Instant::now();
        }
    }
}

/// What is said of a source that has not answered in its round.
pub fn over(source: &str, long: Duration) -> String {
    format!(
        "The source `{source}` takes too long: all that was asked of it at once was waited for for {} s.",
        long.as_secs()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use tokio::time::{sleep, timeout};

    #[tokio::test(start_paused = true)]
    async fn a_silent_source_is_waited_for_once_and_others_are_not_kept() {
        let (rounds, now, began) = (Rounds::default(), DateTime::UNIX_EPOCH, Instant::now());
        let ask = async |source: &str, takes: u64| {
            rounds.within(source, now, TOLD, async { sleep(Duration::from_secs(takes)).await }).await
        };
        assert_eq!(ask("healthy", 0).await, Some(()));
        // A hundred, ten at a time, each of which gives up after nine seconds by itself.
        let mut came = 0;
        for _ in 0..10 {
            came += join_all((0..10).map(|_| ask("silent", 9))).await.into_iter().flatten().count();
        }
        assert_eq!((came, began.elapsed()), (20, TOLD), "the third ten are cut off at the round's end");
        assert_eq!(ask("silent", 0).await, None, "its round is over");
        assert_eq!(ask("healthy", 1).await, Some(()), "it was asked at the beginning, and not waited for since");
        assert_eq!(ask("quick", 1).await, Some(()));
        let next = now + chrono::TimeDelta::minutes(1);
        assert_eq!(rounds.within("silent", next, TOLD, async {}).await, Some(()), "the next round begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_sent_away_waits_no_longer() {
        let (rounds, now) = (Rounds::default(), DateTime::UNIX_EPOCH);
        let slow = rounds.within("slow", now, TOLD, std::future::pending::<()>());
        assert!(timeout(TOLD / 2, slow).await.is_err());
        sleep(TOLD).await;
        let again = rounds.within("slow", now, TOLD, sleep(TOLD / 4));
        assert_eq!(again.await, Some(()), "half of its time is left");
        assert_eq!(rounds.within("slow", now, TOLD, sleep(TOLD / 2)).await, None, "and now a quarter");
    }
}
