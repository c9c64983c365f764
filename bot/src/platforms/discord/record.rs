//! What is kept of an interaction that may change something: that it was taken, and which message answers it.
//!
//! So it is done once, however often Discord sends it, and its message is found again after a restart, when the token
//! of the interaction is long over.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use commands::clock::Clock;
use commands::store::{Batch, CommitError, Read, Store};
use commands::table::Table;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const TAKEN: Table<Taken> = Table::new("discord/taken/");

/// How long it is kept, in days: nothing that was begun is under way for longer.
const KEPT_DAYS: i64 = 14;

/// How long those that are told wait for others, to be noted down together: the disk is not asked for each. Who is killed
/// meanwhile tells the same once more, in the same message.
const TOGETHER: Duration = Duration::from_millis(50);

/// An interaction that was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Taken {
    /// The token that it is answered with, for 15 minutes; empty once the answer stands in a message of the bot's own.
    pub token: String,
    /// The channel, or the thread, of the message that answers.
    pub channel: String,
    /// The message that answers, once Discord has given it an id.
    pub message: Option<String>,
    /// Who asked, by Discord's id.
    pub asker: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether the last word has been shown.
    pub told: bool,
}

impl Taken {
    /// From now on, the answer stands in this message of the bot's own.
    pub fn moved(&mut self, channel: String, message: String) {
        self.token.clear();
        (self.channel, self.message) = (channel, Some(message));
    }
}

/// All that were taken.
pub struct Records {
    store: Arc<dyn Store>,
    clock: Clock,
    /// Those whose last word has been shown, which is not noted down yet.
    told: Mutex<Vec<String>>,
}

impl Records {
    /// Those in this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Records {
        Records { store, clock, told: Mutex::default() }
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Where it is all kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Notes durably that the interaction `id` is taken, along with what else the batch has; neither, and false, if it was
    /// taken before.
    ///
    /// # Errors
    /// When the store can not write.
    pub async fn take(&self, id: &str, taken: &Taken, mut batch: Batch) -> Result<bool> {
        batch.expect(TAKEN.key(id), 0);
        TAKEN.put_in(&mut batch, id, taken)?;
        match self.store.commit(batch).await {
            Ok(_) => Ok(true),
            Err(CommitError::Conflict { .. }) => Ok(false),
            Err(CommitError::Broken(error)) => Err(error),
        }
    }

    /// What is kept of the interaction `id`.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn get(&self, id: &str) -> Result<Option<Taken>> {
        Ok(TAKEN.get(&*self.store, id).await?.map(|taken| taken.value))
    }

    /// Changes what is kept of the interaction `id`; nothing where it was never kept.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn change(&self, id: &str, change: impl FnOnce(&mut Taken)) -> Result<()> {
        let Some(mut taken) = self.get(id).await? else { return Ok(()) };
        change(&mut taken);
        let mut batch = Batch::default();
        TAKEN.put_in(&mut batch, id, &taken)?;
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Notes that the last word of the interaction `id` has been shown, soon: together with others.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn told(&self, id: &str) -> Result<()> {
        let told = || self.told.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let first = {
            let mut told = told();
            told.push(id.to_owned());
            told.len() == 1
        };
        if !first {
            return Ok(());
        }
        tokio::time::sleep(TOGETHER).await;
        let ids = std::mem::take(&mut *told());
        let mut batch = Batch::default();
        for id in ids {
            if let Some(taken) = self.get(&id).await? {
                TAKEN.put_in(&mut batch, &id, &Taken { told: true, ..taken })?;
            }
        }
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Those whose last word was never shown, with their interactions' ids.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn untold(&self) -> Result<Vec<(String, Taken)>> {
        let all = TAKEN.scan(&*self.store, "", usize::MAX).await?;
        Ok(all.into_iter().map(|(id, taken)| (id, taken.value)).filter(|(_, taken)| !taken.told).collect())
    }
}

/// Forgets, with the batch, those that are long over.
///
/// # Errors
/// When the store can not be read.
pub async fn forget(store: &dyn Read, now: DateTime<Utc>, batch: &mut Batch) -> Result<()> {
    let over = now - TimeDelta::days(KEPT_DAYS);
    for (id, taken) in TAKEN.scan(store, "", usize::MAX).await? {
        if taken.value.at < over {
            batch.delete(TAKEN.key(&id));
        }
    }
    Ok(())
}
