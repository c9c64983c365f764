//! The one place that writes: it takes all batches that wait, and puts them on the disk with one flush.
//!
//! sled deadlocks when many tasks flush it at once, and a sync costs the same for one batch as for a hundred.

use super::check_size;
use super::disk::Disk;
use super::records::{Head, Records, Staged, guarded, told};
use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use commands::ledger::Entry;
use commands::store::{Batch, Change, Commit, CommitError, Record};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use tokio::sync::{mpsc, oneshot};

/// How many bytes one flush takes at most, unless a single batch has more: nobody waits for the megabytes of others.
const GROUP: usize = 512 * 1024;

type Outcome = Result<Commit, CommitError>;

/// A key and its new value, or that it has none any more.
type Write = (String, Option<Bytes>);

pub(super) struct Committer {
    db: sled::Db,
    records: Records,
    queue: Mutex<Queue>,
    /// Signalled when no worker is at work any more.
    idle: Condvar,
    state: Mutex<State>,
    watchers: Mutex<Vec<Watcher>>,
}

#[derive(Default)]
struct Queue {
    waiting: Vec<(Batch, oneshot::Sender<Outcome>)>,
    working: bool,
    closed: bool,
}

struct State {
    head: Head,
    disk: Disk,
    /// Why nothing more is accepted.
    broken: Option<String>,
}

struct Watcher {
    prefix: String,
    changes: mpsc::UnboundedSender<Change>,
}

impl Committer {
    pub(super) fn new(db: sled::Db, disk: Disk, head: Head) -> Committer {
        Committer {
            records: Records::new((*db).clone()),
            db,
            queue: Mutex::default(),
            idle: Condvar::new(),
            state: Mutex::new(State { head, disk, broken: None }),
            watchers: Mutex::default(),
        }
    }

    pub(super) fn records(&self) -> &Records {
        &self.records
    }

    pub(super) fn revision(&self) -> u64 {
        held(&self.state).head.revision
    }

    pub(super) fn watch(&self, prefix: &str) -> mpsc::UnboundedReceiver<Change> {
        let (changes, seen) = mpsc::unbounded_channel();
        if !held(&self.queue).closed {
            held(&self.watchers).push(Watcher { prefix: prefix.to_owned(), changes });
        }
        seen
    }

    /// Waits its turn and returns when the batch is on the disk, or nothing of it is.
    pub(super) async fn commit(self: &Arc<Self>, batch: Batch) -> Outcome {
        let (answer, outcome) = oneshot::channel();
        {
            let mut queue = held(&self.queue);
            if queue.closed {
                return Err(broken("Nothing was saved: Deckhand is shutting down."));
            }
            queue.waiting.push((batch, answer));
            if !queue.working {
                queue.working = true;
                // A worker lives while there is work, rather than for ever on a thread of its own: tokio's paused clock
                // stands still for it, so that no test's time runs on while a commit is under way.
                let worker = Worker { committer: Arc::clone(self), done: false };
                tokio::task::spawn_blocking(move || worker.run());
            }
        }
        let lost = "The store failed or was shut down while this was being saved, so it does not count as done.";
        outcome.await.unwrap_or_else(|_| Err(broken(lost)))
    }

    /// Finishes what waits and accepts nothing more; the watches end.
    pub(super) fn close(&self) {
        let mut queue = held(&self.queue);
        queue.closed = true;
        while queue.working {
            queue = self.idle.wait(queue).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        drop(queue);
        held(&self.watchers).clear();
    }

    /// Writes records as a backup has them, with their versions. Until [`Committer::seal`] the database has no head, and
    /// can not be opened.
    pub(super) fn load(&self, records: &[(String, Option<Record>)]) -> anyhow::Result<()> {
        let mut state = held(&self.state);
        let mut staged = Staged::new(&self.records);
        staged.write_head(None)?;
        for (key, record) in records {
            let value = record.as_ref().map(|record| &record.value[..]);
            check_size(key, value.unwrap_or_default())?;
            staged.write(key, record.as_ref().map_or(0, |record| record.version), value)?;
        }
        self.save(&mut state, staged)
    }

    /// Sets the head, which ends a restore.
    pub(super) fn seal(&self, head: Head) -> anyhow::Result<()> {
        let mut state = held(&self.state);
        let mut staged = Staged::new(&self.records);
        staged.write_head(Some(&head))?;
        self.save(&mut state, staged)?;
        state.head = head;
        Ok(())
    }

    fn commit_group(&self, group: Vec<(Batch, oneshot::Sender<Outcome>)>) {
        let (batches, answers): (Vec<_>, Vec<_>) = group.into_iter().unzip();
        let mut state = held(&self.state);
        let outcomes = match self.commit_all(&mut state, batches) {
            Ok(outcomes) => outcomes,
            Err(why) => answers.iter().map(|_| Err(broken(&format!("{why:#}")))).collect(),
        };
        for (answer, outcome) in answers.into_iter().zip(outcomes) {
            // Whoever asked may have gone; what is done stays done.
            let _ = answer.send(outcome);
        }
    }

    /// Stages every batch whose conditions hold, and saves them together. sled's batches are atomic, so each of them is.
    fn commit_all(&self, state: &mut State, batches: Vec<Batch>) -> anyhow::Result<Vec<Outcome>> {
        let mut head = state.head.clone();
        let mut staged = Staged::new(&self.records);
        let mut changes = Vec::new();
        let mut outcomes = Vec::with_capacity(batches.len());
        for batch in batches {
            outcomes.push(stage(&mut staged, &mut head, &mut changes, batch)?);
        }
        if !staged.is_empty() {
            staged.write_head(Some(&head))?;
            self.save(state, staged)?;
            state.head = head;
        }
        self.publish(changes);
        Ok(outcomes)
    }

    fn save(&self, state: &mut State, staged: Staged<'_>) -> anyhow::Result<()> {
        if let Some(why) = &state.broken {
            bail!("Nothing was saved: {why}");
        }
        state.disk.reserve(staged.size())?;
        let saved = staged.apply().and_then(|()| {
            guarded(|| Ok(self.db.flush()?))?;
            Ok(state.disk.sync()?)
        });
        saved.map_err(|error| {
            let why = format!(
                "the disk failed in an earlier save ({error:#}), so that what is on it is uncertain. Look at the disk of \
                 the data directory and its room, then restart Deckhand."
            );
            tracing::error!(%error, "the store has failed, and accepts nothing until a restart");
            state.broken = Some(why);
            error.context("The disk failed while this was being saved, so it does not count as done. Restart Deckhand")
        })
    }

    fn publish(&self, changes: Vec<Change>) {
        let mut watchers = held(&self.watchers);
        watchers.retain(|watcher| !watcher.changes.is_closed());
        for change in changes {
            for watcher in watchers.iter().filter(|watcher| change.key.starts_with(&watcher.prefix)) {
                // It may have been dropped this moment.
                let _ = watcher.changes.send(change.clone());
            }
        }
    }
}

/// Checks one batch against the tree and what is staged already, and stages it.
fn stage(staged: &mut Staged<'_>, head: &mut Head, changes: &mut Vec<Change>, batch: Batch) -> anyhow::Result<Outcome> {
    for (key, version) in &batch.expect {
        let found = staged.version(key)?;
        if found != *version {
            return Ok(Err(CommitError::Conflict { key: key.clone(), found }));
        }
    }
    let (entries, linked) = match link(&batch, head) {
        Ok(linked) => linked,
        Err(error) => return Ok(Err(CommitError::Broken(error))),
    };
    let writes = last_writes(batch.writes.into_iter().chain(linked));
    if writes.is_empty() {
        return Ok(Ok(Commit { revision: head.revision, entries }));
    }
    head.revision += 1;
    head.entries += entries.len() as u64;
    if let Some(last) = entries.last() {
        head.last.clone_from(&last.hash);
    }
    for (key, value) in writes {
        let is_there = staged.version(&key)? != 0;
        if value.is_some() || is_there {
            staged.write(&key, head.revision, value.as_deref())?;
            changes.push(Change { key, value, revision: head.revision });
        }
    }
    Ok(Ok(Commit { revision: head.revision, entries }))
}

/// Gives a batch's entries their places in the chain, with what is to be written for them.
fn link(batch: &Batch, head: &Head) -> anyhow::Result<(Vec<Entry>, Vec<Write>)> {
    let mut entries = Vec::with_capacity(batch.entries.len());
    let mut writes = Vec::new();
    let (mut seq, mut last) = (head.entries, head.last.clone());
    for draft in &batch.entries {
        seq += 1;
        let (entry, written) = Entry::link(draft.clone(), seq, &last)?;
        for (key, value) in &written {
            check_size(key, value.as_deref().unwrap_or_default()).context("The ledger entry is too long")?;
        }
        last.clone_from(&entry.hash);
        entries.push(entry);
        writes.extend(written);
    }
    Ok((entries, writes))
}

/// The writes without those that a later one to the same key makes void.
fn last_writes(writes: impl Iterator<Item = Write>) -> Vec<Write> {
    let writes: Vec<Write> = writes.collect();
    let last: HashMap<String, usize> = writes.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
    writes.into_iter().enumerate().filter(|(at, (key, _))| last[key] == *at).map(|(_, write)| write).collect()
}

/// Works until nothing waits.
struct Worker {
    committer: Arc<Committer>,
    /// Whether it has given up its place: there may be another worker by the time this one is dropped.
    done: bool,
}

impl Worker {
    fn run(mut self) {
        while let Some(group) = self.next() {
            let committer = &self.committer;
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| committer.commit_group(group))) {
                let why = format!("the store failed ({}). Restart Deckhand.", told(&*panic));
                tracing::error!(why, "the store accepts nothing until a restart");
                held(&committer.state).broken = Some(why);
            }
        }
    }

    /// The next group; when there is none, this worker is done.
    fn next(&mut self) -> Option<Vec<(Batch, oneshot::Sender<Outcome>)>> {
        let mut queue = held(&self.committer.queue);
        let mut size = 0;
        let fits = queue.waiting.iter().take_while(|(batch, _)| {
            size += size_of(batch);
            size <= GROUP
        });
        let count = fits.count().max(1).min(queue.waiting.len());
        let group: Vec<_> = queue.waiting.drain(..count).collect();
        if group.is_empty() {
            queue.working = false;
            self.done = true;
            self.committer.idle.notify_all();
            return None;
        }
        Some(group)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A runtime that ends drops what it has not started: whoever waits is told, and the next runtime starts anew.
        if !self.done {
            let mut queue = held(&self.committer.queue);
            queue.working = false;
            queue.waiting.clear();
            self.committer.idle.notify_all();
        }
    }
}

/// About how many bytes a batch writes.
fn size_of(batch: &Batch) -> usize {
    const ENTRY: usize = 2048;
    let writes = batch.writes.iter().map(|(key, value)| key.len() + value.as_ref().map_or(0, Bytes::len));
    writes.sum::<usize>() + batch.entries.len() * ENTRY
}

fn broken(why: &str) -> CommitError {
    CommitError::Broken(anyhow!("{why}"))
}

/// A lock whose content is whole even if somebody panicked with it: each of them is changed in one step.
fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn open(folder: &Path) -> Arc<Committer> {
        let config = sled::Config::new().path(folder).flush_every_ms(None);
        let db = config.open().unwrap();
        Arc::new(Committer::new(db, Disk::open(folder).unwrap(), Head::new()))
    }

    fn batch() -> Batch {
        let mut batch = Batch::default();
        batch.put("a", "x");
        batch
    }

    fn why(outcome: Outcome) -> String {
        let Err(CommitError::Broken(error)) = outcome else { panic!("it was accepted: {outcome:?}") };
        format!("{error:#}")
    }

    #[tokio::test]
    async fn nothing_is_accepted_after_the_disk_has_failed() {
        let folder = tempfile::tempdir().unwrap();
        let committer = open(folder.path());
        committer.commit(batch()).await.unwrap();
        let mut watch = committer.watch("");
        // This device can not be synced.
        committer.state.lock().unwrap().disk = Disk::on(std::fs::File::open("/dev/null").unwrap());
        let first = why(committer.commit(batch()).await);
        assert!(first.contains("does not count as done. Restart Deckhand"), "{first}");
        committer.state.lock().unwrap().disk = Disk::open(folder.path()).unwrap();
        let later = why(committer.commit(batch()).await);
        assert!(later.starts_with("Nothing was saved: the disk failed in an earlier save"), "{later}");
        assert_eq!(committer.revision(), 1);
        assert!(watch.try_recv().is_err(), "a change was told that does not count");
        assert!(committer.records().get("a").is_ok(), "reading goes on");
    }

    #[test]
    fn a_worker_that_has_ended_leaves_the_next_one_alone() {
        let folder = tempfile::tempdir().unwrap();
        let committer = open(folder.path());
        let mut worker = Worker { committer: Arc::clone(&committer), done: false };
        assert!(worker.next().is_none());
        // Before it is dropped, somebody commits, and starts another.
        let (answer, mut outcome) = oneshot::channel();
        *held(&committer.queue) = Queue { waiting: vec![(batch(), answer)], working: true, closed: false };
        drop(worker);
        Worker { committer: Arc::clone(&committer), done: false }.run();
        assert!(outcome.try_recv().unwrap().is_ok());
    }

    #[test]
    fn a_runtime_that_ends_leaves_no_commit_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let committer = open(folder.path());
        for round in 1..=20 {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let commit = committer.commit(batch());
            // It is asked once and then left alone, with the runtime gone at once.
            runtime.block_on(async { futures::future::poll_immediate(std::pin::pin!(commit)).await });
            drop(runtime);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
            let next = runtime.block_on(async {
                tokio::time::timeout(std::time::Duration::from_secs(10), committer.commit(batch())).await
            });
            assert!(next.expect("a commit hangs").unwrap().revision >= round);
        }
        committer.close();
    }
}
