//! Work that nobody asked for: jobs that run on a schedule, each run once, across restarts.
//!
//! A job's next run lies in the store at `jobs/<name>`. It is written there again when the run begins, so that one that
//! a crash interrupts is told from one that was missed, and it moves on in the same commit as whatever the run changes.
//! Of several replicas the holder of the lease `jobs` runs them; one that has lost it without knowing can not commit,
//! since its successor has written the records anew.

mod plugged;
mod record;
mod watches;

use anyhow::{Context, anyhow};
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::clock::Clock;
use commands::store::{Batch, Lease, Store};
pub use config::Schedule;
use futures::FutureExt;
use futures::future::BoxFuture;
pub use plugged::plugged;
use record::Record;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
pub use watches::watch;

/// How long we sleep at most before we look at the clock again: somebody may have set it.
const LOOK: Duration = Duration::from_secs(60);

/// How long the lease is taken for, and how often it is renewed or asked for.
const LEASE: Duration = Duration::from_secs(60);
const RENEW: Duration = Duration::from_secs(20);

/// How late a run may be and still count as on time: long enough for an upgrade, or for another replica to take over.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// The pauses after a run that failed, in minutes. After the last one it is left until the next is due.
const PAUSES: [i64; 3] = [1, 5, 15];

/// The work of one run: what it wants to change, and the messages it [stages](crate::outbox::stage), are in the batch.
/// It may begin more than once for a run that is due only once, so what it does elsewhere is idempotent for each `due`.
pub type Work = Box<dyn Fn(Run) -> BoxFuture<'static, anyhow::Result<Batch>> + Send + Sync>;

/// Something to do on a schedule.
pub struct Job {
    /// What it is called, alone of all jobs.
    pub name: String,
    /// When it runs.
    pub schedule: Schedule,
    /// What becomes of the runs that it misses.
    pub missed: Missed,
    /// What it does.
    pub run: Work,
}

/// What to do about runs that came due while Deckhand was down, asleep, or still busy with the one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missed {
    /// Nothing: the next run is the next one that is on time.
    Skip,
    /// One run, late, stands for all of them.
    #[default]
    Once,
    /// Each of them runs, late, in order.
    All,
}

/// One run of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// When it was to be: the latest such time, where it stands for several.
    pub due: DateTime<Utc>,
    /// How many earlier runs it stands for besides itself.
    pub missed: u32,
    /// Whether its time is more than two minutes ago, or it stands for earlier ones.
    pub late: bool,
}

impl Run {
    /// What a late run tells people about itself; nothing when it is on time.
    pub fn excuse(&self, zone: Tz) -> Option<String> {
        let due = self.due.with_timezone(&zone).format("%Y-%m-%d %H:%M");
        let besides = match self.missed {
            0 => String::new(),
            1 => ", and stands for one earlier run too".to_owned(),
            missed => format!(", and stands for {missed} earlier runs too"),
        };
        self.late.then(|| format!("This is late: it was due on {due} ({zone}){besides}."))
    }
}

/// Keeps `jobs` running until `shutdown`, while it holds the lease as `holder`. A run that is interrupted, by this or
/// by a crash, begins again at the next start.
pub async fn keep(jobs: Vec<Job>, store: Arc<dyn Store>, clock: Clock, holder: String, shutdown: CancellationToken) {
    let jobs: Vec<Arc<Job>> = jobs.into_iter().map(Arc::new).collect();
    let keeper = Keeper { store, clock, holder, lease: "jobs" };
    loop {
        let mut lease = tokio::select! {
            () = shutdown.cancelled() => return,
            lease = keeper.take() => lease,
        };
        let mut running = JoinSet::new();
        for job in &jobs {
            running.spawn(keeper.clone().follow(job.clone()));
        }
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = keeper.hold(&mut lease) => tracing::warn!("lost the lease of the jobs: another replica runs them now"),
        }
        running.shutdown().await;
        if shutdown.is_cancelled() {
            if let Err(error) = keeper.store.release(&lease).await {
                tracing::warn!("could not give back the lease of the jobs, which ends by itself: {error:#}");
            }
            return;
        }
    }
}

#[derive(Clone)]
struct Keeper {
    store: Arc<dyn Store>,
    clock: Clock,
    holder: String,
    /// What is leased.
    lease: &'static str,
}

impl Keeper {
    /// Waits until the lease is ours.
    async fn take(&self) -> Lease {
        loop {
            match self.store.lease(self.lease, &self.holder, LEASE).await {
                Ok(Some(lease)) => return lease,
                Ok(None) => {}
                Err(error) => tracing::warn!("could not take the lease of the {}: {error:#}", self.lease),
            }
            sleep(RENEW).await;
        }
    }

    /// Renews `lease` until it is lost.
    async fn hold(&self, lease: &mut Lease) {
        loop {
            sleep(RENEW).await;
            match self.store.lease(self.lease, &self.holder, LEASE).await {
                Ok(Some(renewed)) => *lease = renewed,
                Ok(None) => return,
                Err(error) if self.clock.now() >= lease.until => {
                    return tracing::warn!("could not renew the lease of the {} in time: {error:#}", self.lease);
                }
                Err(error) => tracing::warn!("could not renew the lease of the {} yet: {error:#}", self.lease),
            }
        }
    }

    async fn follow(self, job: Arc<Job>) {
        loop {
            if let Err(error) = self.step(&job).await {
                tracing::warn!(job = job.name, "will look at this job again in a minute: {error:#}");
                sleep(LOOK).await;
            }
        }
    }

    /// Does the next thing that `job` needs: to be written down, to wait, to be run, or to be left.
    async fn step(&self, job: &Job) -> anyhow::Result<()> {
        let now = self.clock.now();
        let stored = self.store.get(&Record::key(job)).await?;
        let version = stored.as_ref().map_or(0, |stored| stored.version);
        let Some(mut record) = stored.and_then(|stored| Record::read(&stored.value, job, now)) else {
            return self.put(job, version, Record::after(job, now, now)?).await.map(drop);
        };
        if now < record.start {
            let wait = (record.start - now).to_std()?;
            sleep(wait.min(LOOK)).await;
            return Ok(());
        }
        if record.tries > PAUSES.len() {
            tracing::error!(job = job.name, due = %record.due, "every try was interrupted: left until it is due again");
            return self.put(job, version, Record::after(job, record.due, now)?).await.map(drop);
        }
        if record.tries == 0 {
            record.catch_up(job, now).await;
            if job.missed == Missed::Skip && now - record.due > LATE {
                tracing::info!(job = job.name, due = %record.due, "missed, and skipped");
                return self.put(job, version, Record::after(job, now, now)?).await.map(drop);
            }
        }
        record.tries += 1;
        record.written = now;
        let version = self.put(job, version, record.clone()).await?;
        self.run(job, version, record).await
    }

    /// Runs what `record` says, and commits what comes of it together with the job's advance.
    async fn run(&self, job: &Job, version: u64, mut record: Record) -> anyhow::Result<()> {
        let Record { due, missed, tries, .. } = record;
        let run = Run { due, missed, late: missed > 0 || self.clock.now() - due > LATE };
        tracing::debug!(job = job.name, %due, missed, late = run.late, "runs");
        let work = AssertUnwindSafe(async { (job.run)(run).await }).catch_unwind().await;
        let done = match work.unwrap_or_else(|_| Err(anyhow!("it panicked"))) {
            Ok(batch) => self.commit(job, version, Record::after(job, due, self.clock.now())?, batch).await,
            Err(error) => Err(error),
        };
        let Err(error) = done else { return Ok(()) };

        let now = self.clock.now();
        let next = Record::after(job, due, now)?;
        let pause = PAUSES.get(tries - 1).map(|minutes| TimeDelta::minutes(*minutes));
        record.written = now;
        match pause.map(|pause| now + pause).filter(|again| *again < next.due) {
            Some(again) => {
                tracing::warn!(job = job.name, %due, %again, "failed, and will be tried again: {error:#}");
                record.start = again;
            }
            None => {
                tracing::error!(job = job.name, %due, next = %next.due, "failed, and is left until next time: {error:#}");
                record = next;
            }
        }
        self.put(job, version, record).await.map(drop)
    }

    async fn put(&self, job: &Job, version: u64, record: Record) -> anyhow::Result<u64> {
        self.commit(job, version, record, Batch::default()).await.context("its next run could not be written")
    }

    /// Commits `batch` with `record`, if the job's record still has this version, and returns the new one.
    async fn commit(&self, job: &Job, version: u64, record: Record, mut batch: Batch) -> anyhow::Result<u64> {
        let key = Record::key(job);
        batch.expect(&key, version).put(&key, serde_json::to_vec(&record)?);
        Ok(self.store.commit(batch).await?.revision)
    }
}
