//! The job runner, across restarts, failures, replicas and clocks that jump.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use anyhow::{Context, bail};
use bot::jobs::{self, Job, Missed, Run, Schedule};
use bot::outbox::{self, Outgoing};
use chrono::{DateTime, Utc};
use commands::clock::Clock;
use commands::reply::Reply;
use commands::store::{Batch, Read, Store};
use futures::FutureExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::memory::{Fault, MemoryStore};
use tokio::task::JoinHandle;
use tokio::time::sleep;

const MINUTE: Duration = Duration::from_secs(60);

/// What outlives a restart, and a job's view of it: each run stages one message, so that what it did can be counted.
#[derive(Clone)]
struct World {
    clock: Clock,
    store: Arc<MemoryStore>,
    /// When each run began, whatever came of it.
    begun: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn at(time: &str) -> World {
        let clock = Clock::at(moment(time));
        let store = Arc::new(MemoryStore::new(clock.clone()));
        World { clock, store, begun: Arc::default() }
    }

    fn start(&self, holder: &str, jobs: Vec<Job>) -> Deckhand {
        let keep = jobs::keep(jobs, self.store.clone(), self.clock.clone(), holder.to_owned(), Default::default());
        Deckhand(tokio::spawn(keep))
    }

    async fn until(&self, time: &str) {
        sleep((moment(time) - self.clock.now()).to_std().unwrap()).await;
    }

    /// A job that takes `lasting` and fails the first `failures` times.
    fn job(&self, name: &str, line: &str, missed: Missed, lasting: Duration, failures: usize) -> Job {
        let (world, name, left) = (self.clone(), name.to_owned(), Arc::new(AtomicUsize::new(failures)));
        let label = name.clone();
        let run = move |run: Run| {
            let (world, label, left) = (world.clone(), label.clone(), left.clone());
            async move {
                world.begun.lock().unwrap().push(hours(world.clock.now()));
                sleep(lasting).await;
                if left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
                    bail!("there is no disk");
                }
                let late = if run.late { " late" } else { "" };
                let text = format!("{label} {}+{}{late}", hours(run.due), run.missed);
                let mut batch = Batch::default();
                outbox::stage(&mut batch, &Outgoing::post(world.clock.now(), "console", "ops", Reply::say(text)))?;
                Ok(batch)
            }
            .boxed()
        };
        Job { name, schedule: Schedule::parse(line, "UTC".parse().unwrap()).unwrap(), missed, run: Box::new(run) }
    }

    fn hourly(&self, missed: Missed) -> Vec<Job> {
        vec![self.job("tick", "0 * * * *", missed, Duration::ZERO, 0)]
    }

    /// What the runs have committed so far, in order.
    async fn done(&self) -> Vec<String> {
        let records = self.store.scan("outbox/console/", None, 1000).await.unwrap();
        let texts = records.iter().map(|(_, record)| {
            let message: serde_json::Value = serde_json::from_slice(&record.value).unwrap();
            message["what"]["post"]["reply"]["text"].as_str().context("no text").unwrap().to_owned()
        });
        texts.collect()
    }

    fn begun(&self) -> Vec<String> {
        self.begun.lock().unwrap().clone()
    }
}

/// A running one. It can be killed, but does not stop by itself.
struct Deckhand(JoinHandle<()>);

impl Deckhand {
    async fn kill(self) {
        self.0.abort();
        assert!(self.0.await.unwrap_err().is_cancelled());
        sleep(Duration::from_millis(1)).await; // What it had started ends too.
    }
}

fn moment(time: &str) -> DateTime<Utc> {
    let time = if time.contains('T') { time.to_owned() } else { format!("2026-11-21T{time}") };
    DateTime::parse_from_rfc3339(&format!("{time}Z")).unwrap().to_utc()
}

fn hours(at: DateTime<Utc>) -> String {
    at.format("%H:%M").to_string()
}

#[tokio::test(start_paused = true)]
async fn first_start_waits_for_the_next_run() {
    let world = World::at("12:30:00");
    let _deckhand = world.start("a", world.hourly(Missed::All));
    world.until("12:59:59").await;
    assert_eq!(world.begun(), [""; 0]);
    world.until("15:00:01").await;
    assert_eq!(world.begun(), ["13:00", "14:00", "15:00"]);
    assert_eq!(world.done().await, ["tick 13:00+0", "tick 14:00+0", "tick 15:00+0"]);
}

/// The three commits of a run: its first due time is written, it begins, it has ended. Killed at any of them, before or
/// after, and started again half a minute later, the run is there once, whatever the policy: it was not missed.
#[tokio::test(start_paused = true)]
async fn kill_at_every_commit_and_start_again() {
    for missed in [Missed::Skip, Missed::Once, Missed::All] {
        for commit in 0..3 {
            for fault in [Fault::LostBefore, Fault::LostAfter] {
                let world = World::at("12:57:00");
                world.store.fail_next(std::iter::repeat_n(Fault::None, commit).chain([fault.clone()]));
                let deckhand = world.start("a", world.hourly(missed));
                // The first commit is lost before the run is due, the others when it is.
                world.until(if commit == 0 { "12:57:30" } else { "13:00:30" }).await;
                assert_eq!(world.store.faults_left(), 0, "{missed:?} {commit} {fault:?}");
                deckhand.kill().await;

                let _deckhand = world.start("b", world.hourly(missed));
                world.until("13:59:59").await;
                assert_eq!(world.done().await, ["tick 13:00+0"], "{missed:?} {commit} {fault:?}");
            }
        }
    }
}

/// Killed at 13:00 and started again at 15:10: a run that had begun is not missed; one that had not is.
#[tokio::test(start_paused = true)]
async fn kill_and_start_again_hours_later() {
    let (begin, end) = (1, 2);
    let table: [(usize, Fault, Missed, &[&str]); 9] = [
        (begin, Fault::LostBefore, Missed::Skip, &["tick 16:00+0"]),
        (begin, Fault::LostBefore, Missed::Once, &["tick 15:00+2 late", "tick 16:00+0"]),
        (
            begin,
            Fault::LostBefore,
            Missed::All,
            &["tick 13:00+0 late", "tick 14:00+0 late", "tick 15:00+0 late", "tick 16:00+0"],
        ),
        (end, Fault::LostBefore, Missed::Skip, &["tick 13:00+0 late", "tick 16:00+0"]),
        (end, Fault::LostBefore, Missed::Once, &["tick 13:00+0 late", "tick 15:00+1 late", "tick 16:00+0"]),
        (
            end,
            Fault::LostBefore,
            Missed::All,
            &["tick 13:00+0 late", "tick 14:00+0 late", "tick 15:00+0 late", "tick 16:00+0"],
        ),
        (end, Fault::LostAfter, Missed::Skip, &["tick 13:00+0", "tick 16:00+0"]),
        (end, Fault::LostAfter, Missed::Once, &["tick 13:00+0", "tick 15:00+1 late", "tick 16:00+0"]),
        (
            end,
            Fault::LostAfter,
            Missed::All,
            &["tick 13:00+0", "tick 14:00+0 late", "tick 15:00+0 late", "tick 16:00+0"],
        ),
    ];
    for (commit, fault, missed, expected) in table {
        let world = World::at("12:59:30");
        world.store.fail_next(std::iter::repeat_n(Fault::None, commit).chain([fault.clone()]));
        let deckhand = world.start("a", world.hourly(missed));
        world.until("13:00:30").await;
        deckhand.kill().await;
        world.until("15:10:00").await;
        let _deckhand = world.start("b", world.hourly(missed));
        world.until("16:00:30").await;
        assert_eq!(world.done().await, expected, "{commit} {fault:?} {missed:?}");
    }
}

/// A run that stands for others keeps its due time over a crash: what it did elsewhere is found again under it.
#[tokio::test(start_paused = true)]
async fn interrupted_run_keeps_its_due_time() {
    let world = World::at("12:30:00");
    let deckhand = world.start("a", world.hourly(Missed::Once));
    world.until("12:31:00").await;
    deckhand.kill().await;
    world.until("15:10:00").await;
    world.store.fail_next([Fault::None, Fault::LostBefore]);
    let deckhand = world.start("b", world.hourly(Missed::Once));
    world.until("15:20:00").await;
    assert_eq!(world.done().await, [""; 0]);
    deckhand.kill().await;
    world.until("17:10:00").await;
    let _deckhand = world.start("c", world.hourly(Missed::Once));
    world.until("17:20:00").await;
    assert_eq!(world.done().await, ["tick 15:00+2 late", "tick 17:00+1 late"]);
}

/// A run that takes the whole program down is not begun for ever.
#[tokio::test(start_paused = true)]
async fn run_that_kills_is_left_after_four_tries() {
    let world = World::at("12:59:30");
    let slow = || vec![world.job("slow", "0 * * * *", Missed::Once, 10 * MINUTE, 0)];
    for _ in 0..6 {
        let deckhand = world.start("a", slow());
        sleep(2 * MINUTE).await;
        deckhand.kill().await;
    }
    assert_eq!(world.begun(), ["13:00", "13:01", "13:03", "13:05"]);
    let _deckhand = world.start("a", slow());
    world.until("14:30:00").await;
    assert_eq!(world.done().await, ["slow 14:00+0"]);
}

#[tokio::test(start_paused = true)]
async fn failure_is_retried_and_then_left() {
    let table: [(&str, usize, &[&str], &[&str]); 4] = [
        ("0 * * * *", 1, &["13:00", "13:01", "14:00"], &["x 13:00+0", "x 14:00+0"]),
        ("0 * * * *", 3, &["13:00", "13:01", "13:06", "13:21", "14:00"], &["x 13:00+0 late", "x 14:00+0"]),
        ("0 * * * *", 4, &["13:00", "13:01", "13:06", "13:21", "14:00"], &["x 14:00+0"]),
        // The next run comes before the second try: that one is the try.
        ("0,3,30 13 * * *", 2, &["13:00", "13:01", "13:03", "13:30"], &["x 13:03+0", "x 13:30+0"]),
    ];
    for (line, failures, begun, done) in table {
        let world = World::at("12:59:30");
        let job = || vec![world.job("x", line, Missed::Once, Duration::ZERO, failures)];
        let _deckhand = world.start("a", job());
        world.until("14:00:30").await;
        assert_eq!((world.begun(), world.done().await), (own(begun), own(done)), "{line} {failures}");
    }
}

fn own(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// One job fails, one panics, one takes for ever: the fourth does not notice.
#[tokio::test(start_paused = true)]
async fn jobs_do_not_wait_for_each_other() {
    let world = World::at("12:59:30");
    let mut panicking = world.job("panics", "* * * * *", Missed::Once, Duration::ZERO, 0);
    panicking.run = Box::new(|_| panic!("what a job does is its own affair"));
    let mut panicking_later = world.job("panics-later", "* * * * *", Missed::Once, Duration::ZERO, 0);
    panicking_later.run = Box::new(|_| async { panic!("what a job does is its own affair") }.boxed());
    let jobs = vec![
        panicking,
        panicking_later,
        world.job("fails", "* * * * *", Missed::Once, Duration::ZERO, usize::MAX),
        world.job("slow", "* * * * *", Missed::Once, 1000 * MINUTE, 0),
        world.job("steady", "*/5 * * * *", Missed::Once, Duration::ZERO, 0),
    ];
    let _deckhand = world.start("a", jobs);
    world.until("13:10:01").await;
    assert_eq!(world.done().await, ["steady 13:00+0", "steady 13:05+0", "steady 13:10+0"]);
}

/// A panic is a failure like any other: the run is tried again.
#[tokio::test(start_paused = true)]
async fn panic_is_retried() {
    let world = World::at("12:59:30");
    let mut job = world.job("x", "0 * * * *", Missed::Once, Duration::ZERO, 0);
    let (work, panicked) = (job.run, AtomicUsize::new(0));
    job.run = Box::new(move |run| match panicked.fetch_add(1, Ordering::SeqCst) {
        0 => panic!("what a job does is its own affair"),
        1 => async { panic!("what a job does is its own affair") }.boxed(),
        _ => work(run),
    });
    let _deckhand = world.start("a", vec![job]);
    world.until("13:30:00").await;
    assert_eq!((world.begun(), world.done().await), (own(&["13:06"]), own(&["x 13:00+0 late"])));
}

/// A run on time that stands for earlier ones says so as well.
#[tokio::test(start_paused = true)]
async fn start_just_when_a_run_is_due() {
    let world = World::at("12:30:00");
    let deckhand = world.start("a", world.hourly(Missed::Once));
    world.until("12:31:00").await;
    deckhand.kill().await;
    world.until("15:00:30").await;
    let _deckhand = world.start("a", world.hourly(Missed::Once));
    world.until("15:30:00").await;
    assert_eq!(world.done().await, ["tick 15:00+2 late"]);
}

/// A run that takes longer than the time to the next one: those it misses are missed as if Deckhand had been down.
#[tokio::test(start_paused = true)]
async fn run_does_not_overlap_itself() {
    let world = World::at("12:59:30");
    let _deckhand = world.start("a", vec![world.job("slow", "*/10 * * * *", Missed::Once, 25 * MINUTE, 0)]);
    world.until("13:51:00").await;
    assert_eq!(world.begun(), ["13:00", "13:25", "13:50"]);
    assert_eq!(world.done().await, ["slow 13:00+0", "slow 13:20+1 late"]);
}

#[tokio::test(start_paused = true)]
async fn one_of_two_replicas_runs_them() {
    let world = World::at("12:30:00");
    let first = world.start("a", world.hourly(Missed::All));
    sleep(Duration::from_secs(1)).await;
    let second = world.start("b", world.hourly(Missed::All));
    world.until("14:59:30").await;
    first.kill().await; // The lease ends after the run is due, and the run is still on time.
    world.until("16:30:00").await;
    let expected = ["tick 13:00+0", "tick 14:00+0", "tick 15:00+0", "tick 16:00+0"];
    assert_eq!(world.done().await, expected);
    second.kill().await;
}

/// Whoever has lost the lease stops, even in the middle of a run.
#[tokio::test(start_paused = true)]
async fn lost_lease_ends_what_runs() {
    let world = World::at("12:59:30");
    let _deckhand = world.start("a", vec![world.job("slow", "0 * * * *", Missed::Once, 5 * MINUTE, 0)]);
    world.until("13:01:00").await;
    let lease = world.store.lease("jobs", "a", MINUTE).await.unwrap().unwrap();
    world.store.release(&lease).await.unwrap();
    assert!(world.store.lease("jobs", "b", 60 * MINUTE).await.unwrap().is_some());
    world.until("14:00:30").await;
    assert_eq!((world.begun(), world.done().await), (own(&["13:00"]), vec![]));
    world.until("14:02:00").await;
    assert_eq!(world.begun(), ["13:00", "14:01"], "it is taken up again when the other one is gone");
}

#[tokio::test(start_paused = true)]
async fn shutdown_gives_the_lease_back() {
    let world = World::at("12:30:00");
    let stop = Default::default();
    let (store, clock) = (world.store.clone(), world.clock.clone());
    let keep = jobs::keep(world.hourly(Missed::All), store, clock, "a".to_owned(), Clone::clone(&stop));
    let running = tokio::spawn(keep);
    sleep(MINUTE).await;
    assert_eq!(world.store.lease("jobs", "b", MINUTE).await.unwrap(), None);
    stop.cancel();
    running.await.unwrap();
    assert!(world.store.lease("jobs", "b", MINUTE).await.unwrap().is_some());
}

/// Somebody else has begun the same run meanwhile: what ours wanted to change is not changed.
#[tokio::test(start_paused = true)]
async fn outdated_run_can_not_commit() {
    let world = World::at("12:59:30");
    let _deckhand = world.start("a", vec![world.job("slow", "0 * * * *", Missed::Once, 5 * MINUTE, 0)]);
    world.until("13:02:00").await;
    let record = world.store.get("jobs/slow").await.unwrap().unwrap();
    let mut batch = Batch::default();
    batch.put("jobs/slow", record.value);
    world.store.commit(batch).await.unwrap();
    world.until("13:05:30").await;
    assert_eq!(world.done().await, [""; 0]);
    world.until("13:30:00").await;
    assert_eq!(world.done().await, ["slow 13:00+0 late"], "it is run again, once");
}

/// What is not written is not done: a run that can not be written down does not begin.
#[tokio::test(start_paused = true)]
async fn nothing_begins_while_the_store_is_broken() {
    let world = World::at("12:59:30");
    let full = || Fault::Refused("the disk is full".to_owned());
    world.store.fail_next([Fault::None, full(), full()]);
    let _deckhand = world.start("a", world.hourly(Missed::Once));
    world.until("13:01:59").await;
    assert_eq!((world.begun(), world.store.faults_left()), (vec![], 0));
    world.until("13:05:00").await;
    assert_eq!(world.done().await, ["tick 13:00+0"]);
}

/// A commit that the store refuses is a failed run, and is tried again as a whole.
#[tokio::test(start_paused = true)]
async fn refused_commit_is_a_failure() {
    let world = World::at("12:59:30");
    world.store.fail_next([Fault::None, Fault::None, Fault::Refused("the disk is full".to_owned())]);
    let _deckhand = world.start("a", world.hourly(Missed::Once));
    world.until("13:30:00").await;
    assert_eq!(world.begun(), ["13:00", "13:01"]);
    assert_eq!(world.done().await, ["tick 13:00+0"]);
}

#[tokio::test(start_paused = true)]
async fn clock_that_jumps() {
    let world = World::at("12:30:00");
    let _deckhand = world.start("a", world.hourly(Missed::Once));
    sleep(MINUTE).await;
    // The machine slept: what came due meanwhile is noticed within a minute.
    world.clock.set(moment("15:10:00"));
    sleep(MINUTE).await;
    assert_eq!(world.done().await, ["tick 15:00+2 late"]);
    // A small correction does not run anything twice.
    world.clock.set(moment("14:58:00"));
    sleep(10 * MINUTE).await;
    assert_eq!(world.done().await, ["tick 15:00+2 late"]);
    // A clock that was years ahead does not stop the jobs for years.
    world.clock.set(moment("2031-01-01T00:00:30"));
    sleep(2 * MINUTE).await;
    world.clock.set(moment("16:30:00"));
    sleep(MINUTE).await;
    world.until("17:00:30").await;
    let done = world.done().await;
    assert_eq!(done.len(), 3, "{done:?}");
    assert_eq!(done[2], "tick 17:00+0");
}

/// With another schedule, or a record that nobody can read, a job starts anew: nothing runs at once.
#[tokio::test(start_paused = true)]
async fn starts_anew() {
    let world = World::at("12:30:00");
    let deckhand = world.start("a", world.hourly(Missed::All));
    world.until("12:31:00").await;
    deckhand.kill().await;

    world.until("15:10:00").await;
    let deckhand = world.start("a", vec![world.job("tick", "30 * * * *", Missed::All, Duration::ZERO, 0)]);
    world.until("15:30:30").await;
    assert_eq!(world.done().await, ["tick 15:30+0"]);
    deckhand.kill().await;

    let mut batch = Batch::default();
    batch.put("jobs/tick", "{\"schema\":1,");
    world.store.commit(batch).await.unwrap();
    world.until("18:10:00").await;
    let _deckhand = world.start("a", vec![world.job("tick", "30 * * * *", Missed::All, Duration::ZERO, 0)]);
    world.until("18:30:30").await;
    assert_eq!(world.done().await, ["tick 15:30+0", "tick 18:30+0"]);
}

#[test]
fn late_run_says_so() {
    let due = moment("2026-07-01T12:00:00");
    let run = Run { due, missed: 0, late: false };
    let zone = || "Europe/Berlin".parse().unwrap();
    assert_eq!(run.excuse(zone()), None);
    let table = [
        (0, "This is late: it was due on 2026-07-01 14:00 (Europe/Berlin)."),
        (1, "This is late: it was due on 2026-07-01 14:00 (Europe/Berlin), and stands for one earlier run too."),
        (2, "This is late: it was due on 2026-07-01 14:00 (Europe/Berlin), and stands for 2 earlier runs too."),
    ];
    for (missed, expected) in table {
        assert_eq!(Run { missed, late: true, ..run }.excuse(zone()).as_deref(), Some(expected));
    }
}
