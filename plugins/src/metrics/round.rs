//! A round: what many ask the same source at the same time. They wait for it together, so that a source that is silent or slow
//! keeps none of them for longer than one alone.

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

/// For how long it is known when a round was over.
const KEPT: Duration = Duration::from_secs(300);

/// Until when each source is waited for, by its name and by what its round is about.
#[derive(Default)]
pub struct Rounds(Mutex<HashMap<(String, DateTime<Utc>), Instant>>);

impl Rounds {
    /// What comes of asking this source; nothing where the round is over before.
    pub async fn within<T>(
        &self,
        source: &str,
        round: DateTime<Utc>,
        long: Duration,
        asking: impl Future<Output = T>,
    ) -> Option<T> {
        let until = {
            let mut rounds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            rounds.retain(|_, until| until.elapsed() < KEPT);
            *rounds.entry((source.to_owned(), round)).or_insert_with(|| Instant::now() + long)
        };
        if Instant::now() >= until {
            return None;
        }
        timeout_at(until, asking).await.ok()
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
    use tokio::time::sleep;

    #[tokio::test(start_paused = true)]
    async fn a_silent_source_is_waited_for_once_and_others_are_not_kept() {
        let (rounds, now, began) = (Rounds::default(), DateTime::UNIX_EPOCH, Instant::now());
        let ask = async |source: &str, takes: u64| {
            rounds.within(source, now, TOLD, async { sleep(Duration::from_secs(takes)).await }).await
        };
        // A hundred, ten at a time, each of which gives up after nine seconds by itself.
        let mut came = 0;
        for _ in 0..10 {
            came += join_all((0..10).map(|_| ask("silent", 9))).await.into_iter().flatten().count();
        }
        assert_eq!((came, began.elapsed()), (20, TOLD), "the third ten are cut off at the round's end");
        assert_eq!(ask("quick", 1).await, Some(()));
        let next = now + chrono::TimeDelta::minutes(1);
        assert_eq!(rounds.within("silent", next, TOLD, async {}).await, Some(()), "the next round begins anew");
    }
}
