//! A store in memory: the contract of [`commands::store`] to the letter, with faults as knobs.
//!
//! It outlives the tasks that use it, as a disk does: dropping those and starting others on it is a restart.

use anyhow::anyhow;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use commands::clock::Clock;
use commands::ledger::{Entry, GENESIS};
use commands::store::{Batch, Change, Commit, CommitError, Lease, MAX_VALUE, Read, Record, Store, Watch};
use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound::{Excluded, Included, Unbounded};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// The longest key that a store takes, in bytes.
const MAX_KEY: usize = 1024;

/// What happens to one commit.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// Nothing out of the ordinary.
    None,
    /// It takes this long.
    Slow(Duration),
    /// Nothing is written, and the caller is told so with this sentence: the disk is full.
    Refused(String),
    /// Nothing is written, and the caller never hears of it: the process is killed before the commit.
    LostBefore,
    /// All is written, and the caller never hears of it: the process is killed after the commit.
    LostAfter,
}

/// The store. Its leases run by the clock that it is given.
pub struct MemoryStore {
    clock: Clock,
    state: Mutex<State>,
}

struct State {
    records: BTreeMap<String, Record>,
    revision: u64,
    /// The number and the hash of the last entry of the ledger.
    head: (u64, String),
    leases: BTreeMap<String, Lease>,
    watchers: Vec<(String, mpsc::UnboundedSender<Change>)>,
    faults: VecDeque<Fault>,
}

impl MemoryStore {
    /// An empty store.
    pub fn new(clock: Clock) -> MemoryStore {
        let state = State {
            records: BTreeMap::new(),
            revision: 0,
            head: (0, GENESIS.to_owned()),
            leases: BTreeMap::new(),
            watchers: Vec::new(),
            faults: VecDeque::new(),
        };
        MemoryStore { clock, state: Mutex::new(state) }
    }

    /// What happens to the next commits, one after the other; those after them are well again.
    pub fn fail_next(&self, faults: impl IntoIterator<Item = Fault>) {
        self.state().faults.extend(faults);
    }

    /// How many of the faults have not happened yet: a test that ends with some has not tested what it meant to.
    pub fn faults_left(&self) -> usize {
        self.state().faults.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Read for MemoryStore {
    async fn get(&self, key: &str) -> anyhow::Result<Option<Record>> {
        Ok(self.state().records.get(key).cloned())
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> anyhow::Result<Vec<(String, Record)>> {
        let start = after.filter(|after| *after >= prefix).map_or(Included(prefix), Excluded);
        let state = self.state();
        let found = state.records.range::<str, _>((start, Unbounded));
        Ok(found.take_while(|(key, _)| key.starts_with(prefix)).take(limit).map(owned).collect())
    }

    async fn scan_back(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<(String, Record)>> {
        let end = end_of(prefix);
        let end = match (before, end.as_deref()) {
            (Some(before), Some(end)) => Excluded(before.min(end)),
            (before, end) => before.or(end).map_or(Unbounded, Excluded),
        };
        let state = self.state();
        let found = state.records.range::<str, _>((Unbounded, end)).rev();
        Ok(found.take_while(|(key, _)| key.starts_with(prefix)).take(limit).map(owned).collect())
    }

    fn watch(&self, prefix: &str) -> Watch {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.state().watchers.push((prefix.to_owned(), sender));
        Watch::new(receiver)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn commit(&self, batch: Batch) -> Result<Commit, CommitError> {
        // A disk lets other tasks run before and after it has written.
        tokio::task::yield_now().await;
        let fault = self.state().faults.pop_front().unwrap_or(Fault::None);
        let commit = match &fault {
            Fault::Refused(why) => return Err(CommitError::Broken(anyhow!("{why}"))),
            Fault::LostBefore => std::future::pending().await,
            Fault::Slow(long) => {
                tokio::time::sleep(*long).await;
                self.state().commit(batch)?
            }
            Fault::LostAfter | Fault::None => self.state().commit(batch)?,
        };
        if fault == Fault::LostAfter {
            std::future::pending::<()>().await;
        }
        tokio::task::yield_now().await;
        Ok(commit)
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> anyhow::Result<Option<Lease>> {
        let now = self.clock.now();
        let mut state = self.state();
        let token = match state.leases.get(name) {
            Some(lease) if lease.until > now && lease.holder != holder => return Ok(None),
            Some(lease) if lease.until > now => lease.token,
            lapsed => lapsed.map_or(0, |lease| lease.token) + 1,
        };
        let lease = Lease { name: name.to_owned(), holder: holder.to_owned(), token, until: now + ttl };
        state.leases.insert(name.to_owned(), lease.clone());
        Ok(Some(lease))
    }

    async fn release(&self, lease: &Lease) -> anyhow::Result<()> {
        let mut state = self.state();
        let held = state.leases.get_mut(&lease.name);
        if let Some(held) = held.filter(|held| held.token == lease.token && held.holder == lease.holder) {
            // It stays, over, so that the next one's token is higher.
            held.until = DateTime::<Utc>::MIN_UTC;
        }
        Ok(())
    }
}

impl State {
    fn commit(&mut self, batch: Batch) -> Result<Commit, CommitError> {
        for (key, version) in batch.expect {
            let found = self.records.get(&key).map_or(0, |record| record.version);
            if found != version {
                return Err(CommitError::Conflict { key, found });
            }
        }
        let mut writes: BTreeMap<String, Option<Bytes>> = batch.writes.into_iter().collect();
        let (mut seq, mut prev) = self.head.clone();
        let mut entries = Vec::new();
        for draft in batch.entries {
            seq += 1;
            let (entry, written) = Entry::link(draft, seq, &prev).map_err(CommitError::Broken)?;
            prev = entry.hash.clone();
            writes.extend(written);
            entries.push(entry);
        }
        writes.iter().try_for_each(|(key, value)| check(key, value.as_ref())).map_err(CommitError::Broken)?;

        self.head = (seq, prev);
        self.revision += 1;
        for (key, value) in writes {
            self.write(key, value);
        }
        Ok(Commit { revision: self.revision, entries })
    }

    fn write(&mut self, key: String, value: Option<Bytes>) {
        let version = self.revision;
        let old = match value.clone() {
            Some(value) => self.records.insert(key.clone(), Record { value, version }),
            None => self.records.remove(&key),
        };
        if value.is_none() && old.is_none() {
            return; // Nothing was there, and nothing has changed.
        }
        self.watchers.retain(|(prefix, sender)| {
            let change = || Change { key: key.clone(), value: value.clone(), revision: version };
            if key.starts_with(prefix) { sender.send(change()).is_ok() } else { !sender.is_closed() }
        });
    }
}

fn check(key: &str, value: Option<&Bytes>) -> anyhow::Result<()> {
    let length = value.map_or(0, Bytes::len);
    match key.len() {
        0 => Err(anyhow!("a key is empty; nothing was written")),
        1..=MAX_KEY if length <= MAX_VALUE => Ok(()),
        1..=MAX_KEY => Err(anyhow!("{key} has {length} bytes, and at most {MAX_VALUE} fit; nothing was written")),
        long => Err(anyhow!("a key has {long} bytes, and at most {MAX_KEY} fit; nothing was written")),
    }
}

fn owned((key, record): (&String, &Record)) -> (String, Record) {
    (key.clone(), record.clone())
}

/// The first string after all those that begin with `prefix`; nothing when those are the last ones there can be.
fn end_of(prefix: &str) -> Option<String> {
    let mut end = prefix.to_owned();
    while let Some(last) = end.pop() {
        // UTF-8 sorts as its characters do, so the next character (past the surrogates, which are none) is the bound.
        if let Some(next) = (last as u32 + 1..=char::MAX as u32).find_map(char::from_u32) {
            end.push(next);
            return Some(end);
        }
    }
    None
}
