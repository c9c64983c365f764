//! How the ways in to Discord stand, for probes, for the watchdog and for `deckhand doctor`.

use crate::platforms::Probe;
use chrono::{DateTime, NaiveDate, Utc};
use commands::clock::Clock;
use commands::text;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

/// How long a heartbeat may wait for its acknowledgement before its shard no longer counts as ready.
const LATE: Duration = Duration::from_secs(5);

/// Takes one interaction, as Discord wrote it, and returns at once; false when it can not be read.
pub type Hear = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What is known of the ways in.
pub struct Health {
    clock: Clock,
    known: Mutex<Known>,
}

/// How a shard stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// It has not been ready yet.
    Connecting,
    /// It hears what Discord sends.
    Ready,
    /// It was ready, and has lost its connection.
    Away,
}

struct Known {
    shards: Vec<Shard>,
    quiet_since: Instant,
    /// Whether there is a gateway to wait for.
    gateway: bool,
    reconnects: u64,
    identifies: (NaiveDate, u64),
    received: u64,
    handled: u64,
    garbled: u64,
}

struct Shard {
    stage: Stage,
    since: DateTime<Utc>,
    /// When the heartbeat was sent that is not acknowledged yet.
    waits_since: Option<Instant>,
    acknowledged: Option<DateTime<Utc>>,
    round_trip: Option<Duration>,
}

impl Shard {
    fn is_ready(&self) -> bool {
        self.stage == Stage::Ready && self.waits_since.is_none_or(|since| since.elapsed() < LATE)
    }

    fn report(&self) -> Value {
        let stage = match self.stage {
            Stage::Connecting => "connecting",
            Stage::Ready => "ready",
            Stage::Away => "away",
        };
        json!({
            "state": stage,
            "since": self.since,
            "ready": self.is_ready(),
            "acknowledged": self.acknowledged,
            "round_trip_ms": self.round_trip.map(|trip| u64::try_from(trip.as_millis()).unwrap_or(u64::MAX)),
        })
    }
}

impl Probe for Health {
    fn name(&self) -> &str {
        super::NAME
    }

    fn ready(&self) -> bool {
        Health::ready(self)
    }

    fn report(&self) -> Value {
        Health::report(self)
    }

    fn heartbeat_age(&self) -> Option<Duration> {
        let known = self.known();
        let oldest = known.shards.iter().filter_map(|shard| shard.acknowledged).min()?;
        (self.clock.now() - oldest).to_std().ok()
    }
}

impl Health {
    /// Nothing has happened yet. Without a `gateway` there is none to wait for.
    pub fn new(clock: Clock, gateway: bool) -> Arc<Health> {
        let known = Known {
            shards: Vec::new(),
            quiet_since: Instant::now(),
            gateway,
            reconnects: 0,
            identifies: (clock.now().date_naive(), 0),
            received: 0,
            handled: 0,
            garbled: 0,
        };
        Arc::new(Health { clock, known: Mutex::new(known) })
    }

    /// Whether whatever Discord sends is heard: all shards are ready, and their heartbeats acknowledged.
    pub fn ready(&self) -> bool {
        let known = self.known();
        !known.gateway || (!known.shards.is_empty() && known.shards.iter().all(Shard::is_ready))
    }

    /// All of it, as JSON.
    pub fn report(&self) -> Value {
        let ready = self.ready();
        let known = self.known();
        let held = known.quiet_since.saturating_duration_since(Instant::now());
        json!({
            "ready": ready,
            "gateway": known.gateway.then(|| json!({
                "shards": known.shards.iter().map(Shard::report).collect::<Vec<_>>(),
                "waits_until": (!held.is_zero()).then(|| self.clock.now() + held),
                "reconnects": known.reconnects,
                "identifies_today": known.identifies_on(self.clock.now().date_naive()),
            })),
            "interactions": {
                "received": known.received,
                "handled": known.handled,
                "unreadable": known.received - known.handled + known.garbled,
            },
        })
    }

    /// Hands an interaction on, and counts it. What is received but not handled shows in the [`report`](Health::report),
    /// whatever became of it.
    pub fn hear(&self, hear: &Hear, raw: &str) {
        self.known().received += 1;
        if hear(raw) {
            self.known().handled += 1;
            return;
        }
        let known = self.known();
        let (received, handled) = (known.received, known.handled);
        drop(known);
        tracing::warn!("of {received} interactions that Discord sent, {handled} could be read");
    }

    /// Counts what Discord sent that can not even be told for an interaction.
    pub(super) fn garbled(&self, what: &str) {
        self.known().garbled += 1;
        tracing::warn!("Discord sent what can not be read: {what}");
    }

    /// From now on there are so many shards, and silence begins.
    pub(super) fn expect(&self, shards: u32) {
        let since = self.clock.now();
        let shard =
            || Shard { stage: Stage::Connecting, since, waits_since: None, acknowledged: None, round_trip: None };
        let mut known = self.known();
        known.shards = (0..shards).map(|_| shard()).collect();
        known.quiet_since = Instant::now();
    }

    /// The shard has become ready, or is lost.
    pub(super) fn set(&self, shard: u32, stage: Stage) {
        let now = self.clock.now();
        self.shard(shard, |shard| {
            shard.waits_since = None;
            // One that was never ready is not away: it still connects.
            if shard.stage != stage && (shard.stage, stage) != (Stage::Connecting, Stage::Away) {
                (shard.stage, shard.since) = (stage, now);
            }
        });
    }

    /// The shard has sent a heartbeat.
    pub(super) fn beat(&self, shard: u32) {
        self.shard(shard, |shard| shard.waits_since = Some(Instant::now()));
    }

    /// Its heartbeat was acknowledged.
    pub(super) fn acknowledged(&self, shard: u32) {
        let now = self.clock.now();
        self.shard(shard, |shard| {
            shard.acknowledged = Some(now);
            shard.round_trip = shard.waits_since.take().map(|sent| sent.elapsed()).or(shard.round_trip);
        });
        self.excuse(Duration::ZERO);
    }

    /// Silence is no fault for so long.
    pub(super) fn excuse(&self, time: Duration) {
        let mut known = self.known();
        known.quiet_since = known.quiet_since.max(Instant::now() + time);
    }

    /// Since when nobody has acknowledged a heartbeat.
    pub(super) fn quiet_since(&self) -> Instant {
        self.known().quiet_since
    }

    /// A shard connects again.
    pub(super) fn reconnects(&self) {
        self.known().reconnects += 1;
    }

    /// A shard has begun a session.
    pub(super) fn identifies(&self) {
        let today = self.clock.now().date_naive();
        let mut known = self.known();
        known.identifies = (today, known.identifies_on(today) + 1);
    }

    fn shard(&self, number: u32, change: impl FnOnce(&mut Shard)) {
        let mut known = self.known();
        if let Some(shard) = usize::try_from(number).ok().and_then(|number| known.shards.get_mut(number)) {
            change(shard);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Known {
    fn identifies_on(&self, day: NaiveDate) -> u64 {
        if self.identifies.0 == day { self.identifies.1 } else { 0 }
    }
}

/// What a [`report`](Health::report) means for the operator: how Discord is heard, or what to mend.
///
/// # Errors
/// A sentence about what is wrong, and what to do.
pub fn diagnosis(report: &Value) -> Result<String, String> {
    let gateway = &report["gateway"];
    if let Some(until) = gateway["waits_until"].as_str() {
        return Err(format!(
            "it lets Deckhand begin no more sessions until {until}: leave Deckhand running, and look in its log for what ended so many"
        ));
    }
    let shards = gateway["shards"].as_array().map(Vec::as_slice).unwrap_or_default();
    if let Some((number, shard)) = shards.iter().enumerate().find(|(_, shard)| shard["ready"] == false) {
        let how = match shard["state"].as_str() {
            Some("ready") => "has a heartbeat that is not acknowledged, and was ready",
            Some("away") => "is away",
            _ => "connects",
        };
        let since = shard["since"].as_str().unwrap_or("?");
        return Err(format!(
            "shard {number} {how} since {since}: look at https://discordstatus.com, and at this machine's network"
        ));
    }
    if report["ready"] == false {
        return Err("it is not connected yet: ask again in a moment".to_owned());
    }
    let [received, unreadable] =
        ["received", "unreadable"].map(|key| report["interactions"][key].as_u64().unwrap_or(0));
    if unreadable > 0 {
        let count = text::plural(usize::try_from(unreadable).unwrap_or(usize::MAX), "interaction");
        return Err(format!(
            "ready, but {count} could not be read since the start: the log says why; a newer Deckhand may read them"
        ));
    }
    let received = text::plural(usize::try_from(received).unwrap_or(usize::MAX), "interaction");
    Ok(format!("ready, {received} since the start"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn health(gateway: bool) -> Arc<Health> {
        Health::new(Clock::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap()), gateway)
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_ready_while_every_shard_is_and_its_heartbeats_are_acknowledged() {
        let health = health(true);
        assert!(!health.ready(), "nothing is connected yet");
        health.expect(2);
        health.set(0, Stage::Ready);
        assert!(!health.ready(), "shard 1 is not");
        health.set(1, Stage::Ready);
        assert!(health.ready());
        health.beat(1);
        tokio::time::advance(LATE - Duration::from_millis(1)).await;
        assert!(health.ready(), "it may take a moment");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(!health.ready(), "nobody acknowledges");
        health.acknowledged(1);
        assert!(health.ready());
        assert_eq!(health.report()["gateway"]["shards"][1]["round_trip_ms"], 5_000);
        health.set(0, Stage::Away);
        assert!(!health.ready());
        health.set(7, Stage::Ready);
        assert_eq!(health.report()["gateway"]["shards"].as_array().unwrap().len(), 2, "there is no shard 7");
    }

    #[tokio::test(start_paused = true)]
    async fn it_counts_what_was_received_against_what_was_handled() {
        let health = health(false);
        let hear: Hear = Arc::new(|raw| raw == "good");
        for raw in ["good", "bad", "good"] {
            health.hear(&hear, raw);
        }
        health.garbled("half a frame");
        assert_eq!(
            health.report(),
            json!({
                "ready": true,
                "gateway": null,
                "interactions": { "received": 3, "handled": 2, "unreadable": 2 },
            })
        );
    }

    #[tokio::test(start_paused = true)]
    async fn sessions_are_counted_by_the_day_and_reconnects_for_good() {
        let health = health(true);
        health.identifies();
        health.identifies();
        health.reconnects();
        assert_eq!(health.report()["gateway"]["identifies_today"], 2);
        tokio::time::advance(Duration::from_secs(86_400)).await;
        assert_eq!(health.report()["gateway"]["identifies_today"], 0);
        health.identifies();
        assert_eq!(health.report()["gateway"]["identifies_today"], 1);
        assert_eq!(health.report()["gateway"]["reconnects"], 1);
    }

    #[tokio::test(start_paused = true)]
    async fn the_operator_is_told_what_to_mend() {
        let health = health(true);
        let told = || diagnosis(&health.report());
        let wrong = |words: &str| match told() {
            Err(why) => assert!(why.contains(words), "{why}"),
            Ok(fine) => panic!("{fine}"),
        };
        wrong("not connected yet");
        health.expect(2);
        wrong("shard 0 connects since 2027-01-15T08:00:00Z");
        health.set(0, Stage::Ready);
        health.set(1, Stage::Ready);
        assert_eq!(told(), Ok("ready, 0 interactions since the start".to_owned()));
        health.hear(&(Arc::new(|_: &str| true) as Hear), "{}");
        assert_eq!(told(), Ok("ready, 1 interaction since the start".to_owned()));
        health.garbled("half a frame");
        wrong("1 interaction could not be read");
        health.beat(1);
        tokio::time::advance(LATE).await;
        wrong("shard 1 has a heartbeat that is not acknowledged");
        health.set(1, Stage::Away);
        wrong("shard 1 is away since 2027-01-15T08:00:05Z");
        health.excuse(Duration::from_secs(60));
        wrong("no more sessions until 2027-01-15T08:01:05Z");
    }
}
