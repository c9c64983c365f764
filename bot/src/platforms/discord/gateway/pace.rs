//! How fast the gateway may be: pauses between connections, and the sessions that Discord allows.

use crate::platforms::discord::health::Health;
use serenity::model::gateway::SessionStartLimit;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep, sleep_until};

/// The most sessions that are begun at once, whatever Discord allows.
const MOST_AT_ONCE: u64 = 64;

/// The times of the gateway. The default ones are for Discord; a test has shorter ones.
#[derive(Debug, Clone)]
pub struct Pace {
    /// Between two sessions that are begun in one of Discord's buckets: <https://discord.com/developers/docs/events/gateway#rate-limiting>.
    pub starts: Duration,
    /// The second pause after a connection is lost. The first is none, and each later one is twice as long.
    pub pause: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// How long a connection stands before the pauses begin anew.
    pub settled: Duration,
    /// The shortest and the longest wait after Discord called a session invalid.
    pub invalid: [Duration; 2],
    /// How long to connect, Discord's first word, and becoming ready may take, each.
    pub patience: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        let seconds = Duration::from_secs;
        Pace {
            starts: seconds(5),
            pause: seconds(1),
            longest: seconds(60),
            settled: seconds(60),
            invalid: [seconds(1), seconds(5)],
            patience: seconds(20),
        }
    }
}

impl Pace {
    /// How long to wait when so many connections in a row did not settle: a half or more of it is up to chance, so that
    /// not all shards of the world come at once.
    pub fn pause(&self, losses: u32) -> Duration {
        let Some(doublings) = losses.checked_sub(2) else { return Duration::ZERO };
        let whole = self.pause.saturating_mul(2_u32.saturating_pow(doublings)).min(self.longest);
        between([whole / 2, whole])
    }
}

/// A random time between these.
pub fn between([least, most]: [Duration; 2]) -> Duration {
    // Without chance, the middle is as good as any.
    let chance = getrandom::u32().unwrap_or(u32::MAX / 2);
    least + most.saturating_sub(least).mul_f64(f64::from(chance) / f64::from(u32::MAX))
}

/// The sessions that may be begun: some at once, `starts` apart, and about a thousand a day.
pub struct Starts {
    apart: Duration,
    /// When a session was last begun in each bucket.
    buckets: Vec<Arc<tokio::sync::Mutex<Option<Instant>>>>,
    budget: Mutex<Budget>,
}

/// What Discord said about the day's sessions, less those begun since.
struct Budget {
    remaining: u64,
    total: u64,
    resets: Instant,
}

/// A shard's turn to begin a session; until it is spent or dropped, no other shard of its bucket has one.
pub struct Turn<'a> {
    last: OwnedMutexGuard<Option<Instant>>,
    starts: &'a Starts,
}

impl Starts {
    pub fn new(limit: &SessionStartLimit, pace: &Pace) -> Starts {
        let buckets = (0..limit.max_concurrency.clamp(1, MOST_AT_ONCE)).map(|_| Arc::default()).collect();
        Starts { apart: pace.starts, buckets, budget: Mutex::new(Budget::of(limit)) }
    }

    /// What Discord says by now.
    pub fn update(&self, limit: &SessionStartLimit) {
        *self.budget() = Budget::of(limit);
    }

    /// Waits until this shard may begin a session.
    pub async fn turn(&self, shard: u32, health: &Health) -> Turn<'_> {
        let bucket = self.buckets[shard as usize % self.buckets.len()].clone();
        let last = bucket.lock_owned().await;
        if let Some(last) = *last {
            sleep_until(last + self.apart).await;
        }
        while let Some(wait) = self.wait() {
            health.excuse(wait);
            tracing::warn!(
                "Discord's limit of sessions is nearly used up: shard {shard} waits for {}, until there are new ones",
                config::duration::show(wait)
            );
            sleep(wait).await;
        }
        Turn { last, starts: self }
    }

    /// How long to wait, where the limit is nearly used up: who exceeds it gets his token reset by Discord.
    fn wait(&self) -> Option<Duration> {
        let mut budget = self.budget();
        let left = budget.resets.saturating_duration_since(Instant::now());
        if left.is_zero() {
            budget.remaining = budget.total;
            budget.resets = Instant::now() + Duration::from_secs(24 * 60 * 60);
        }
        (budget.remaining <= budget.total / 100).then_some(left)
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Budget {
    fn of(limit: &SessionStartLimit) -> Budget {
        let resets = Instant::now() + Duration::from_millis(limit.reset_after);
        Budget { remaining: limit.remaining, total: limit.total, resets }
    }
}

impl Turn<'_> {
    /// A session is begun now.
    pub fn spend(mut self) {
        *self.last = Some(Instant::now());
        let mut budget = self.starts.budget();
        budget.remaining = budget.remaining.saturating_sub(1);
    }
}
