//! What is kept of IRC: what was taken and is not told yet, and which numbers stand for which buttons.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use commands::clock::Clock;
use commands::reply::Button;
use commands::store::{Batch, Read, Store};
use commands::table::Table;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const TAKEN: Table<Taken> = Table::new("irc/taken/");
const CHOICES: Table<Choices> = Table::new("irc/choices/");

/// How long what was taken is kept, in days: nothing that was begun is under way for longer.
const KEPT_DAYS: i64 = 14;

/// The highest number of a choice; after it they begin anew.
const HIGHEST: u32 = 99;

/// How many choices are open at once.
const OPEN: usize = 40;

/// A line that was taken, and may change something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Where it was said.
    pub channel: String,
    /// The nick of whoever said it, then.
    pub nick: String,
    /// Their id on the network.
    pub id: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Whether the last word has been said.
    pub told: bool,
}

/// The numbered choices of one network.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Choices {
    last: u32,
    open: Vec<(u32, String)>,
}

/// All that is kept of one network.
pub struct Records {
    network: String,
    store: Arc<dyn Store>,
    clock: Clock,
    /// Numbers are given one reply after the other.
    numbering: tokio::sync::Mutex<()>,
}

impl Records {
    /// Those of this network, in this store.
    pub fn new(network: &str, store: Arc<dyn Store>, clock: Clock) -> Records {
        Records { network: network.to_owned(), store, clock, numbering: tokio::sync::Mutex::default() }
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Where it is all kept.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    fn name(&self, of: &str) -> String {
        format!("{}/{of}", self.network)
    }

    /// Keeps what is known of the line `id`.
    ///
    /// # Errors
    /// When the store can not write.
    pub async fn keep(&self, id: &str, taken: &Taken) -> Result<()> {
        let mut batch = Batch::default();
        TAKEN.put_in(&mut batch, self.name(id), taken)?;
        self.store.commit(batch).await?;
        Ok(())
    }

    /// What is kept of the line `id`.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn get(&self, id: &str) -> Result<Option<Taken>> {
        Ok(TAKEN.get(&*self.store, self.name(id)).await?.map(|taken| taken.value))
    }

    /// Notes that the last word about the line `id` has been said.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn told(&self, id: &str) -> Result<()> {
        match self.get(id).await? {
            Some(taken) => self.keep(id, &Taken { told: true, ..taken }).await,
            None => Ok(()),
        }
    }

    /// Those whose last word was never said, by their ids.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn untold(&self) -> Result<Vec<(String, Taken)>> {
        let prefix = self.name("");
        let all = TAKEN.scan(&*self.store, &prefix, usize::MAX).await?;
        let untold = all.into_iter().filter(|(_, taken)| !taken.value.told);
        Ok(untold.map(|(name, taken)| (name.trim_start_matches(&prefix).to_owned(), taken.value)).collect())
    }

    /// A number for each button; one that has a number keeps it. They count over the whole network, so that one that was
    /// offered in private can be taken anywhere, and never means two things.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn number(&self, buttons: &[Button]) -> Result<Vec<u32>> {
        if buttons.is_empty() {
            return Ok(Vec::new());
        }
        let _turn = self.numbering.lock().await;
        let found = CHOICES.get(&*self.store, &self.network).await?;
        let before = found.map(|found| found.value).unwrap_or_default();
        let mut choices = before.clone();
        let mut numbers = Vec::new();
        for button in buttons {
            let known = choices.open.iter().find(|(_, id)| *id == button.id).map(|(number, _)| *number);
            numbers.push(known.unwrap_or_else(|| choices.add(&button.id)));
        }
        if choices != before {
            let mut batch = Batch::default();
            CHOICES.put_in(&mut batch, &self.network, &choices)?;
            self.store.commit(batch).await?;
        }
        Ok(numbers)
    }

    /// The button behind a number.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn choice(&self, number: u32) -> Result<Option<String>> {
        let found = CHOICES.get(&*self.store, &self.network).await?;
        let open = found.map(|found| found.value.open).unwrap_or_default();
        Ok(open.into_iter().find(|(open, _)| *open == number).map(|(_, id)| id))
    }
}

impl Choices {
    fn add(&mut self, id: &str) -> u32 {
        self.last = self.last % HIGHEST + 1;
        let number = self.last;
        self.open.retain(|(open, _)| *open != number);
        self.open.push((number, id.to_owned()));
        if self.open.len() > OPEN {
            self.open.remove(0);
        }
        number
    }
}

/// Forgets, with the batch, what is long over.
///
/// # Errors
/// When the store can not be read.
pub async fn forget(store: &dyn Read, now: DateTime<Utc>, batch: &mut Batch) -> Result<()> {
    let over = now - TimeDelta::days(KEPT_DAYS);
    for (name, taken) in TAKEN.scan(store, "", usize::MAX).await? {
        if taken.value.at < over {
            batch.delete(TAKEN.key(&name));
        }
    }
    Ok(())
}
