//! The engine on sled: one machine, nothing to install.

use super::backup::{self, Report, Restore};
use super::committer::Committer;
use super::disk::{self, Disk};
use super::folder::{Folder, Mark, OpenError};
use super::records::{Head, Records, SEGMENT, told};
use super::{check, leases};
use anyhow::Context;
use async_trait::async_trait;
use commands::clock::Clock;
use commands::store::{Batch, Commit, CommitError, Lease, Read, Record, Store, Watch};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How much memory sled may fill with pages. What is asked for every day is a few records, which fit; more would only keep
/// what nobody reads again.
const CACHE: u64 = 2 * 1024 * 1024;

/// A store in a folder of its own. A commit is acknowledged when it is on the disk.
pub struct SledStore {
    committer: Arc<Committer>,
    clock: Clock,
    // After what uses it: the folder is free for another process once sled has let go of it.
    folder: Folder,
}

impl SledStore {
    /// Opens the database in `folder`, or creates it where there is none; `clock` is what leases go by.
    ///
    /// # Errors
    /// When it can not be opened as it was left: it is then never replaced by an empty one.
    pub fn open(folder: &Path, clock: Clock) -> Result<SledStore, OpenError> {
        let folder = Folder::take(folder)?;
        let path = folder.path().to_owned();
        let failed = |error| OpenError::from_io(&path, error);
        let mark = folder.mark()?;
        if mark.is_some() && !folder.has_db() {
            return Err(OpenError::damaged(&path, "its file `db` is missing or empty"));
        }
        folder.remove_unfinished().map_err(failed)?;
        disk::sync_folder(&path).map_err(failed)?;
        let db = open_sled(&path)?;
        let head = match found_head(&db, &path)? {
            Some(head) => head,
            None if mark.is_some() => return Err(OpenError::damaged(&path, "what was in it is gone")),
            None => Head::new(),
        };
        match mark {
            None if head.revision > 0 => return Err(OpenError::damaged(&path, "the file `format` in it is missing")),
            Some(Mark { revision }) if head.revision < revision => {
                let why = format!("it had come to revision {revision}, but ends at {}", head.revision);
                return Err(OpenError::damaged(&path, why));
            }
            _ => {}
        }
        let committer = Committer::new(db, Disk::open(&path).map_err(failed)?, head.clone());
        if mark.is_none() {
            committer.seal(head).map_err(|error| failed(std::io::Error::other(format!("{error:#}"))))?;
        }
        disk::sync_folder(&path).map_err(failed)?;
        folder.set_mark(&Mark { revision: committer.revision() }).map_err(failed)?;
        Ok(SledStore { committer: Arc::new(committer), clock, folder })
    }

    /// Makes a database in `folder` from a backup. Until that has come to its end, [`SledStore::open`] refuses it.
    ///
    /// # Errors
    /// When `file` is no whole backup - then `folder` is not touched -, or there is data already.
    pub async fn restore(file: &Path, folder: &Path, clock: Clock) -> anyhow::Result<Report> {
        backup::check(file).with_context(|| format!("{} can not be restored", file.display()))?;
        let store = SledStore::open(folder, clock)?;
        backup::restore(file, &store).await
    }

    /// Saves what waits, accepts nothing more, and ends the watches. Dropping the store does the same.
    pub fn close(&self) {
        self.committer.close();
        // It only makes a later check sharper; what is saved is safe without it.
        if let Err(error) = self.folder.set_mark(&Mark { revision: self.committer.revision() }) {
            tracing::warn!(%error, "could not write down how far the database has come");
        }
    }
}

impl Drop for SledStore {
    fn drop(&mut self) {
        self.close();
    }
}

#[async_trait]
impl Read for SledStore {
    async fn get(&self, key: &str) -> anyhow::Result<Option<Record>> {
        self.committer.records().get(key)
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> anyhow::Result<Vec<(String, Record)>> {
        self.committer.records().scan(prefix, after, limit)
    }

    async fn scan_back(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<(String, Record)>> {
        self.committer.records().scan_back(prefix, before, limit)
    }

    fn watch(&self, prefix: &str) -> Watch {
        Watch::new(self.committer.watch(prefix))
    }
}

#[async_trait]
impl Store for SledStore {
    async fn commit(&self, batch: Batch) -> Result<Commit, CommitError> {
        check(&batch).map_err(CommitError::Broken)?;
        self.committer.commit(batch).await
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> anyhow::Result<Option<Lease>> {
        leases::take(self, self.clock.now(), name, holder, ttl).await
    }

    async fn release(&self, lease: &Lease) -> anyhow::Result<()> {
        leases::give_back(self, lease).await
    }
}

#[async_trait]
impl Restore for SledStore {
    async fn load(&self, records: Vec<(String, Option<Record>)>) -> anyhow::Result<()> {
        self.committer.load(&records)
    }

    async fn seal(&self, revision: u64, entries: u64, last: String) -> anyhow::Result<()> {
        self.committer.seal(Head { revision, entries, last })
    }
}

fn open_sled(path: &Path) -> Result<sled::Db, OpenError> {
    // No flushing in the background: the committer flushes, and syncs after it.
    let config = sled::Config::new().path(path).cache_capacity(CACHE).segment_size(SEGMENT).flush_every_ms(None);
    for patience in (0..100).rev() {
        match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(Ok(db)) => return Ok(db),
            // Our own lock is held, so it is a thread of a store that this process has just closed: it will be gone soon.
            Ok(Err(sled::Error::Io(error))) if patience > 0 && error.to_string().contains("could not acquire lock") => {
                thread::sleep(Duration::from_millis(20));
            }
            Ok(Err(sled::Error::Io(error))) if error.kind() != std::io::ErrorKind::UnexpectedEof => {
                return Err(OpenError::from_io(path, error));
            }
            Ok(Err(error)) => return Err(OpenError::damaged(path, in_short(&error))),
            Err(panic) => return Err(OpenError::damaged(path, told(&*panic))),
        }
    }
    Err(OpenError::InUse { folder: path.to_owned(), pid: None })
}

/// What sled says, less what it adds for its own developers.
fn in_short(error: &sled::Error) -> String {
    let said = error.to_string();
    said.split(" at file offset").next().unwrap_or(&said).trim_end_matches('.').to_owned()
}

/// The head of what sled has opened; nothing in an empty database.
fn found_head(db: &sled::Db, path: &Path) -> Result<Option<Head>, OpenError> {
    let records = Records::new((**db).clone());
    match records.head() {
        Ok(None) if !records.is_empty() => {
            Err(OpenError::damaged(path, "a restore into it did not come to its end, and can be repeated"))
        }
        Ok(head) => Ok(head),
        Err(error) => Err(OpenError::damaged(path, format!("{error:#}"))),
    }
}
