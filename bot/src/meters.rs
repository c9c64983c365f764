//! What the bot counts of itself, as Prometheus scrapes it.

use crate::platforms::Probe;
use async_trait::async_trait;
use commands::reply::Outcome;
use commands::store::{Batch, Commit, CommitError, Lease, Read, Record, Store, Watch};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::time::Instant;

/// What Prometheus' own format is called on the web.
pub const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Up to how many seconds commands take: from an answer at once to a deploy.
const TAKES: [f64; 11] = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 600.0];

/// Up to how many seconds a commit takes: disks answer in milliseconds, or something is wrong with them.
const COMMITS: [f64; 9] = [0.000_3, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0];

/// Everything that is counted. Names of commands are the registry's own: nothing that anybody types becomes a label.
pub struct Meters {
    registry: Registry,
    commands: Family<Answered, Counter>,
    took: Family<Said, Histogram>,
    denials: Counter,
    waiting: Family<Line, Gauge>,
    ready: Family<OnPlatform, Gauge>,
    heartbeat: Family<OnPlatform, Gauge<f64, AtomicU64>>,
    commits: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    command: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Said {
    command: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Line {
    queue: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OnPlatform {
    platform: String,
}

impl Default for Meters {
    fn default() -> Meters {
        let mut registry = Registry::with_prefix("deckhand");
        let meters = Meters {
            commands: Family::default(),
            took: Family::new_with_constructor(|| Histogram::new(TAKES)),
            denials: Counter::default(),
            waiting: Family::default(),
            ready: Family::default(),
            heartbeat: Family::default(),
            commits: Histogram::new(COMMITS),
            registry: Registry::default(),
        };
        let seconds = Unit::Seconds;
        registry.register("commands", "Commands that were answered, and how", meters.commands.clone());
        registry.register_with_unit(
            "command",
            "From a command to its last reply",
            seconds.clone(),
            meters.took.clone(),
        );
        registry.register("denials", "Commands that policy denied", meters.denials.clone());
        registry.register("waiting", "Commands that wait for their turn", meters.waiting.clone());
        registry.register("platform_ready", "Whether what is said there is heard", meters.ready.clone());
        let about = "Since the last heartbeat that was acknowledged";
        registry.register_with_unit("heartbeat_age", about, seconds.clone(), meters.heartbeat.clone());
        let about = "From a change to its being on the disk";
        registry.register_with_unit("store_commit", about, seconds, meters.commits.clone());
        Meters { registry, ..meters }
    }
}

impl Meters {
    /// Counts a command that was answered; `command` is nothing where it was not understood.
    pub fn answered(&self, command: Option<&'static str>, outcome: Outcome, took: Duration) {
        let command = command.unwrap_or("unknown");
        let outcome = match outcome {
            Outcome::Done => "done",
            Outcome::Refused => "refused",
            Outcome::Broken => "broken",
        };
        self.commands.get_or_create(&Answered { command, outcome }).inc();
        self.took.get_or_create(&Said { command }).observe(took.as_secs_f64());
    }

    /// Counts a command that policy denied.
    pub fn denied(&self) {
        self.denials.inc();
    }

    /// Notes how many commands wait for their turn, in a queue of this kind.
    pub fn waits(&self, queue: &'static str, waiting: usize) {
        self.waiting.get_or_create(&Line { queue }).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Notes how the link to a platform stands.
    pub fn hears(&self, probe: &dyn Probe) {
        let platform = OnPlatform { platform: probe.name().to_owned() };
        self.ready.get_or_create(&platform).set(i64::from(probe.ready()));
        if let Some(age) = probe.heartbeat_age() {
            self.heartbeat.get_or_create(&platform).set(age.as_secs_f64());
        }
    }

    /// All of it.
    ///
    /// # Errors
    /// When it can not be written: a mistake of ours.
    pub fn told(&self) -> anyhow::Result<String> {
        let mut told = String::new();
        text::encode(&mut told, &self.registry)?;
        Ok(told)
    }
}

/// A store whose commits are timed.
pub struct Timed {
    store: Arc<dyn Store>,
    meters: Arc<Meters>,
}

impl Timed {
    /// This store, timed by these meters.
    pub fn new(store: Arc<dyn Store>, meters: Arc<Meters>) -> Timed {
        Timed { store, meters }
    }
}

#[async_trait]
impl Read for Timed {
    async fn get(&self, key: &str) -> anyhow::Result<Option<Record>> {
        self.store.get(key).await
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> anyhow::Result<Vec<(String, Record)>> {
        self.store.scan(prefix, after, limit).await
    }

    async fn scan_back(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<(String, Record)>> {
        self.store.scan_back(prefix, before, limit).await
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.store.watch(prefix)
    }
}

#[async_trait]
impl Store for Timed {
    async fn commit(&self, batch: Batch) -> Result<Commit, CommitError> {
        let began = Instant::now();
        let done = self.store.commit(batch).await;
        self.meters.commits.observe(began.elapsed().as_secs_f64());
        done
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> anyhow::Result<Option<Lease>> {
        self.store.lease(name, holder, ttl).await
    }

    async fn release(&self, lease: &Lease) -> anyhow::Result<()> {
        self.store.release(lease).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_as_prometheus_reads_it() {
        let meters = Meters::default();
        meters.answered(Some("deploy ship"), Outcome::Done, Duration::from_millis(5));
        meters.answered(None, Outcome::Refused, Duration::ZERO);
        meters.denied();
        meters.waits("target", 2);
        let told = meters.told().unwrap();
        for line in [
            "# TYPE deckhand_commands counter",
            "deckhand_commands_total{command=\"deploy ship\",outcome=\"done\"} 1",
            "deckhand_commands_total{command=\"unknown\",outcome=\"refused\"} 1",
            "deckhand_command_seconds_bucket{le=\"0.01\",command=\"deploy ship\"} 1",
            "deckhand_command_seconds_count{command=\"deploy ship\"} 1",
            "deckhand_denials_total 1",
            "deckhand_waiting{queue=\"target\"} 2",
            "# UNIT deckhand_store_commit_seconds seconds",
        ] {
            assert!(told.lines().any(|it| it == line), "{line}\n{told}");
        }
        assert!(told.ends_with("# EOF\n"));
    }
}
