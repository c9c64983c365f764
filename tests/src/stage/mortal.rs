//! A store that can die under a bot, as it does when the bot is killed: from then on nothing comes back from it.

use anyhow::Result;
use async_trait::async_trait;
use commands::ledger::Phase;
use commands::store::{Batch, Commit, CommitError, Lease, Read, Record, Store, Watch};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// When a bot is killed by what it commits.
#[derive(Default)]
pub struct Deaths {
    /// Right before the next end of an act is committed: it stays open.
    pub before_an_end: AtomicBool,
    /// Right after it: nobody is told.
    pub after_an_end: AtomicBool,
}

/// The store of one life of the bot.
pub struct Mortal {
    /// The store that outlives it.
    pub store: Arc<dyn Store>,
    /// Cancelled when the bot is killed.
    pub dead: CancellationToken,
    /// What it dies of.
    pub deaths: Arc<Deaths>,
}

impl Mortal {
    /// Kills the bot, where that is what is to happen.
    async fn die_if(&self, wanted: &AtomicBool) {
        if wanted.swap(false, Ordering::Relaxed) {
            self.dead.cancel();
            self.live().await;
        }
    }

    /// Waits for ever once the bot is dead.
    async fn live(&self) {
        if self.dead.is_cancelled() {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Read for Mortal {
    async fn get(&self, key: &str) -> Result<Option<Record>> {
        self.live().await;
        self.store.get(key).await
    }

    async fn scan(&self, prefix: &str, after: Option<&str>, limit: usize) -> Result<Vec<(String, Record)>> {
        self.live().await;
        self.store.scan(prefix, after, limit).await
    }

    async fn scan_back(&self, prefix: &str, before: Option<&str>, limit: usize) -> Result<Vec<(String, Record)>> {
        self.live().await;
        self.store.scan_back(prefix, before, limit).await
    }

    fn watch(&self, prefix: &str) -> Watch {
        self.store.watch(prefix)
    }
}

#[async_trait]
impl Store for Mortal {
    async fn commit(&self, batch: Batch) -> Result<Commit, CommitError> {
        self.live().await;
        let ends = batch.entries.iter().any(|draft| draft.phase != Phase::Doing);
        if ends {
            self.die_if(&self.deaths.before_an_end).await;
        }
        let done = self.store.commit(batch).await?;
        if ends {
            self.die_if(&self.deaths.after_an_end).await;
        }
        Ok(done)
    }

    async fn lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>> {
        self.live().await;
        self.store.lease(name, holder, ttl).await
    }

    async fn release(&self, lease: &Lease) -> Result<()> {
        self.live().await;
        self.store.release(lease).await
    }
}
