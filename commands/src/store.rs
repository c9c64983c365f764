//! The contract of the store: an ordered key-value store with atomic, durable batches that carry their ledger entries.

use crate::ledger::{Draft, Entry};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::time::Duration;
use tokio::sync::mpsc;

/// The longest value that a store takes, in bytes.
pub const MAX_VALUE: usize = 256 * 1024;

/// A value and when it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The value.
    pub value: Bytes,
    /// The revision of the commit that wrote it; revisions only grow, and none is 0.
    pub version: u64,
}

/// Reading is free: this half of the store is open to everybody.
#[async_trait]
pub trait Read: Send + Sync {
    /// The record at `key`.
    async fn get(&self, key: &str) -> anyhow::Result<Option<Record>>;

    /// At most `limit` records whose keys begin with `prefix` and come after the key `after`, in the order of their
    /// bytes.
    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> anyhow::Result<Vec<(String, Record)>>;

    /// The same backwards: at most `limit` records that come before the key `before`, last first.
    async fn scan_back(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<(String, Record)>>;

    /// Every change to keys that begin with `prefix` that is committed from now on, each once, in the order of commits.
    fn watch(&self, prefix: &str) -> Watch;
}

/// The whole store. A plugin never holds one: it stages changes on a [`crate::act::Permit`].
#[async_trait]
pub trait Store: Read {
    /// All of `batch` or nothing of it. It returns only when the batch is on disk (for a cluster: agreed upon).
    async fn commit(&self, batch: Batch) -> Result<Commit, CommitError>;

    /// Takes or renews the lease `name` for `holder` until `ttl` from now; nothing when another holds it. The token
    /// grows with every change of holder.
    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> anyhow::Result<Option<Lease>>;

    /// Gives a lease back; one that has moved on is left alone.
    async fn release(&self, lease: &Lease) -> anyhow::Result<()>;
}

/// Keys and their new values; nothing removes the key.
pub type Writes = Vec<(String, Option<Bytes>)>;

/// What is to change together.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Keys and the versions that they must have; 0 means that there must be no such key.
    pub expect: Vec<(String, u64)>,
    /// What is written. The last write to a key counts.
    pub writes: Writes,
    /// What goes on the ledger, in this order.
    pub entries: Vec<Draft>,
}

impl Batch {
    /// Asks that `key` have this version; 0 means that there must be no such key.
    pub fn expect(&mut self, key: impl Into<String>, version: u64) -> &mut Batch {
        self.expect.push((key.into(), version));
        self
    }

    /// Writes `value` at `key`.
    pub fn put(&mut self, key: impl Into<String>, value: impl Into<Bytes>) -> &mut Batch {
        self.writes.push((key.into(), Some(value.into())));
        self
    }

    /// Removes `key`, if it is there.
    pub fn delete(&mut self, key: impl Into<String>) -> &mut Batch {
        self.writes.push((key.into(), None));
        self
    }

    /// Puts `draft` on the ledger.
    pub fn enter(&mut self, draft: Draft) -> &mut Batch {
        self.entries.push(draft);
        self
    }
}

/// What became of a batch.
#[derive(Debug, Clone)]
pub struct Commit {
    /// The version of everything that it wrote.
    pub revision: u64,
    /// Its ledger entries as they stand in the chain.
    pub entries: Vec<Entry>,
}

/// Why a batch was not committed. In both cases nothing of it was.
#[derive(Debug)]
pub enum CommitError {
    /// A key did not have the version that the batch expected.
    Conflict {
        /// The key.
        key: String,
        /// The version that it has.
        found: u64,
    },
    /// The store could not do it.
    Broken(anyhow::Error),
}

impl From<CommitError> for anyhow::Error {
    fn from(error: CommitError) -> anyhow::Error {
        match error {
            CommitError::Conflict { key, found } => anyhow::anyhow!("{key} has changed meanwhile (version {found})"),
            CommitError::Broken(error) => error,
        }
    }
}

/// One committed change.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// What stands there now; nothing if it was removed.
    pub value: Option<Bytes>,
    /// The revision of the commit.
    pub revision: u64,
}

/// The changes under a prefix, as they are committed.
#[derive(Debug)]
pub struct Watch(mpsc::UnboundedReceiver<Change>);

impl Watch {
    /// For engines: what is sent to the other end comes out of this one.
    pub fn new(changes: mpsc::UnboundedReceiver<Change>) -> Watch {
        Watch(changes)
    }

    /// The next change; nothing when the store has closed.
    pub async fn next(&mut self) -> Option<Change> {
        self.0.recv().await
    }
}

/// The right to be the one who does something, for a while.
#[derive(Debug, Clone, PartialEq)]
pub struct Lease {
    /// What it is for.
    pub name: String,
    /// Who has it.
    pub holder: String,
    /// Grows with every change of holder: what an outdated holder sends can be told from what the present one does.
    pub token: u64,
    /// When it ends unless it is renewed.
    pub until: DateTime<Utc>,
}
