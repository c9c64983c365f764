//! What is kept of IRC: what was taken and is not told yet, which numbers stand for which buttons, what was asked in private,
//! and what waits for somewhere that does not take it.

use crate::outbox::{self, Outgoing, What};
use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use commands::clock::Clock;
use commands::reply::Button;
use commands::store::{Batch, Read, Store};
use commands::table::Table;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const TAKEN: Table<Taken> = Table::new("irc/taken/");
const CHOICES: Table<Choices> = Table::new("irc/choices/");
const TRIED: Table<DateTime<Utc>> = Table::new("irc/tried/");
const FORMS: Table<Asked> = Table::new("irc/forms/");
const HELD: Table<Held> = Table::new("irc/held/");

/// How long what was taken is kept, in days: nothing that was begun is under way for longer.
const KEPT_DAYS: i64 = 14;

/// The highest number of a choice; after it they begin anew.
const HIGHEST: u32 = 99;

/// The most messages that wait at once for those who do not take them; beyond this, the oldest are dropped.
const MOST_HELD: usize = 100;

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

/// A form that was begun in private.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// The number of the choice that began it.
    pub number: u32,
    /// When.
    pub at: DateTime<Utc>,
}

/// A message that waits: whoever or whatever it is for does not take it now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Held {
    /// The channel, or `@` and the id of a person.
    pub to: String,
    /// The message.
    pub what: What,
    /// When it was written; what it answers, when that was said.
    pub at: DateTime<Utc>,
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

    /// Notes that the message `id` is about to be said: from now on it may have been heard. False where it was before, or
    /// where that can not be known.
    pub async fn trying(&self, id: &str) -> Result<bool> {
        if TRIED.get(&*self.store, self.name(id)).await?.is_some() {
            return Ok(true);
        }
        let mut batch = Batch::default();
        TRIED.put_in(&mut batch, self.name(id), &self.now())?;
        self.store.commit(batch).await?;
        Ok(false)
    }

    /// Notes what has become of a message that was tried: it was said, or surely was not.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn settled(&self, id: &str, said: bool) -> Result<()> {
        let mut batch = Batch::default();
        batch.delete(TRIED.key(self.name(id)));
        if let Some(taken) = self.get(id).await?.filter(|_| said) {
            TAKEN.put_in(&mut batch, self.name(id), &Taken { told: true, ..taken })?;
        }
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Keeps what is known of the line `id`, and puts what is to be said of it into the outbox.
    ///
    /// # Errors
    /// When the store can not write.
    pub async fn later(&self, id: &str, taken: &Taken, message: &Outgoing) -> Result<()> {
        let mut batch = Batch::default();
        TAKEN.put_in(&mut batch, self.name(id), taken)?;
        outbox::stage(&mut batch, message)?;
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Keeps the message `id` until `to` takes messages. A later state of it takes the place of an earlier one.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn hold(&self, id: &str, to: &str, what: What) -> Result<()> {
        let mut batch = Batch::default();
        let held = HELD.scan(&*self.store, &self.name(""), usize::MAX).await?;
        let name = self.name(id);
        let others = held.iter().map(|(other, _)| other).filter(|other| **other != name);
        let over = (others.clone().count() + 1).saturating_sub(MOST_HELD);
        for oldest in others.take(over) {
            tracing::error!(network = self.network, "too many messages wait: the oldest is dropped");
            batch.delete(HELD.key(oldest));
        }
        // It is held again after each try: how long it has waited is told by what does not change.
        let since = match &what {
            What::Post { .. } | What::Under { .. } => outbox::written(id),
            What::Edit { .. } => self.get(id).await?.map(|taken| taken.at),
        };
        HELD.put_in(&mut batch, name, &Held { to: to.to_owned(), what, at: since.unwrap_or_else(|| self.now()) })?;
        self.store.commit(batch).await?;
        Ok(())
    }

    /// How many messages wait, by whom they wait for.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn held(&self) -> Result<BTreeMap<String, usize>> {
        let mut counts = BTreeMap::new();
        for (_, held) in HELD.scan(&*self.store, &self.name(""), usize::MAX).await? {
            *counts.entry(held.value.to).or_default() += 1;
        }
        Ok(counts)
    }

    /// Puts the messages that wait for `to` back into the outbox.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn release(&self, to: &str) -> Result<()> {
        let mut batch = Batch::default();
        let prefix = self.name("");
        let held = HELD.scan(&*self.store, &prefix, usize::MAX).await?;
        for (name, held) in held.into_iter().filter(|(_, held)| held.value.to == to) {
            // A post keeps its id: by that it is known whether it was said.
            let id = match held.value.what {
                What::Post { .. } | What::Under { .. } => name[prefix.len()..].to_owned(),
                What::Edit { .. } => outbox::next_id(self.now()),
            };
            let message = Outgoing { id, platform: self.network.clone(), what: held.value.what, at: held.value.at };
            outbox::stage(&mut batch, &message)?;
            batch.expect(HELD.key(&name), held.version).delete(HELD.key(&name));
        }
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Keeps that the person `id` is asked something in private.
    ///
    /// # Errors
    /// When the store can not write.
    pub async fn asks(&self, id: &str, number: u32) -> Result<()> {
        let mut batch = Batch::default();
        FORMS.put_in(&mut batch, self.name(id), &Asked { number, at: self.now() })?;
        self.store.commit(batch).await?;
        Ok(())
    }

    /// Takes away what the person `id` was asked in private, and returns it.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub async fn asked(&self, id: &str) -> Result<Option<Asked>> {
        let Some(asked) = FORMS.get(&*self.store, self.name(id)).await? else { return Ok(None) };
        let mut batch = Batch::default();
        batch.delete(FORMS.key(self.name(id)));
        self.store.commit(batch).await?;
        Ok(Some(asked.value))
    }

    /// Those whose last word was never said, and does not wait to be, by their ids.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn untold(&self) -> Result<Vec<(String, Taken)>> {
        let prefix = self.name("");
        let all = TAKEN.scan(&*self.store, &prefix, usize::MAX).await?;
        let held = HELD.scan(&*self.store, &prefix, usize::MAX).await?;
        let is_held = |name: &str| held.iter().any(|(held, _)| held == name);
        let untold = all.into_iter().filter(|(name, taken)| !taken.value.told && !is_held(name));
        Ok(untold.map(|(name, taken)| (name[prefix.len()..].to_owned(), taken.value)).collect())
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
    for (name, tried) in TRIED.scan(store, "", usize::MAX).await? {
        if tried.value < over {
            batch.delete(TRIED.key(&name));
        }
    }
    for (name, asked) in FORMS.scan(store, "", usize::MAX).await? {
        if asked.value.at < over {
            batch.delete(FORMS.key(&name));
        }
    }
    for (name, held) in HELD.scan(store, "", usize::MAX).await? {
        if held.value.at < over {
            tracing::error!(to = held.value.to, "a message has waited for {KEPT_DAYS} days, and is dropped");
            batch.delete(HELD.key(&name));
        }
    }
    Ok(())
}
