//! The durable outbox: messages that nobody waits for, delivered in order and once, whenever their platform is there.
//!
//! A message lies at `outbox/<platform>/<id>`, staged in the same batch as the change that it tells of, until the
//! platform has it. One that may have been posted just before a crash is posted again under the same key, which the
//! platform knows.

use crate::platforms::{Platform, PostError};
use anyhow::Context;
use chrono::{DateTime, Utc};
use commands::act::{POSTED, Posted};
use commands::cx::Thread;
use commands::ledger::Place;
use commands::reply::{Outcome, Reply, State};
use commands::store::{Batch, CommitError, Read, Record, Store};
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The shape of a record, for those who come after.
const SCHEMA: u32 = 1;

/// How many messages are read at a time.
const PAGE: usize = 32;

/// The first and the longest pause between two tries, in milliseconds; each is halved at most, by chance.
const FIRST_PAUSE: u64 = 2_000;
const LONGEST_PAUSE: u64 = 60_000;

/// How long a channel of its own is waited for, twice: whoever is called is called without it.
const CHANNEL_PATIENCE: Duration = Duration::from_secs(5);

/// A message on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outgoing {
    /// Sorts after those of all messages before it.
    pub id: String,
    /// The platform's name.
    pub platform: String,
    /// What is to be said, and where.
    pub what: What,
    /// When it was written.
    pub at: DateTime<Utc>,
}

/// What is to be said, and where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// A new message.
    Post {
        /// The channel, by the platform's id of it.
        channel: String,
        /// The message. Its buttons have been given their ids: what they were drawn from is not kept here.
        reply: Reply,
        /// The thread that is to be opened under it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thread: Option<Thread>,
    },
    /// Another text for a message that stands.
    Edit {
        /// The message.
        place: Place,
        /// What it says from now on.
        reply: Reply,
    },
    /// A new message in the thread under one that stands.
    Under {
        /// The message that stands.
        place: Place,
        /// What the thread is called, where it is opened now.
        title: String,
        /// The message.
        reply: Reply,
    },
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    schema: u32,
    #[serde(flatten)]
    message: T,
}

impl Outgoing {
    /// A new message for `channel`, written `now`.
    pub fn post(now: DateTime<Utc>, platform: impl Into<String>, channel: impl Into<String>, reply: Reply) -> Outgoing {
        let what = What::Post { channel: channel.into(), reply, thread: None };
        Outgoing { id: next_id(now), platform: platform.into(), what, at: now }
    }

    /// The same, with a thread under it.
    pub fn with(mut self, opened: Thread) -> Outgoing {
        if let What::Post { thread, .. } = &mut self.what {
            *thread = Some(opened);
        }
        self
    }

    /// Another text for the message at `place`, written `now`.
    pub fn edit(now: DateTime<Utc>, place: Place, reply: Reply) -> Outgoing {
        Outgoing { id: next_id(now), platform: place.platform.clone(), what: What::Edit { place, reply }, at: now }
    }

    /// A message in the thread under the one at `place`, written `now`.
    pub fn under(now: DateTime<Utc>, place: Place, title: String, reply: Reply) -> Outgoing {
        let platform = place.platform.clone();
        Outgoing { id: next_id(now), platform, what: What::Under { place, title, reply }, at: now }
    }
}

/// Microseconds since 1970 in hexadecimal digits; where that would not be more than the last one, the next number.
pub fn next_id(now: DateTime<Utc>) -> String {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let now = u64::try_from(now.timestamp_micros()).unwrap_or(0);
    let next = |last: u64| now.max(last + 1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
    format!("{:016x}", next(last.unwrap_or_else(|last| last)))
}

/// When the message of this id was written, where it is one of ours.
pub fn written(id: &str) -> Option<DateTime<Utc>> {
    let micros = u64::from_str_radix(id, 16).ok().and_then(|micros| i64::try_from(micros).ok());
    micros.and_then(DateTime::from_timestamp_micros)
}

/// Puts `message` into the outbox when `batch` is committed. Should there be one with its id already, which only a
/// clock that was set back can bring about, the batch does not go through.
///
/// # Errors
/// When it can not be written as JSON.
pub fn stage(batch: &mut Batch, message: &Outgoing) -> anyhow::Result<()> {
    let key = format!("{}{}", prefix(&message.platform), message.id);
    let record = serde_json::to_vec(&Envelope { schema: SCHEMA, message })?;
    batch.expect(&key, 0).put(key, record);
    Ok(())
}

/// The messages of `platform` whose last text is on its way.
///
/// # Errors
/// When the store can not be read.
pub async fn ending(store: &dyn Read, platform: &str) -> anyhow::Result<HashSet<String>> {
    let staged = store.scan(&prefix(platform), None, usize::MAX).await?;
    let last = |(_, record): (String, Record)| match serde_json::from_slice::<Envelope<Outgoing>>(&record.value) {
        Ok(Envelope { message: Outgoing { what: What::Edit { place, reply }, .. }, .. })
            if reply.state == State::Final =>
        {
            Some(place.message)
        }
        _ => None,
    };
    Ok(staged.into_iter().filter_map(last).collect())
}

fn prefix(platform: &str) -> String {
    format!("outbox/{platform}/")
}

/// Delivers what is staged for `platform`, in order, until `shutdown`.
pub async fn deliver(platform: Arc<dyn Platform>, store: Arc<dyn Store>, shutdown: CancellationToken) {
    // Wherever this stops, the record is still there or the message has been delivered.
    shutdown.run_until_cancelled_owned(deliver_all(&*platform, &*store)).await;
}

async fn deliver_all(platform: &dyn Platform, store: &dyn Store) {
    let prefix = prefix(platform.name());
    let mut watch = store.watch(&prefix);
    let mut pause = FIRST_PAUSE;
    loop {
        // Whatever was announced until now is in the page that comes next.
        while watch.next().now_or_never().flatten().is_some() {}
        match deliver_page(platform, store, &prefix, &mut pause).await {
            Ok(0) => {
                if watch.next().await.is_none() {
                    return; // The store has closed: the bot is going down.
                }
            }
            Ok(_) => {}
            Err(error) => {
                let wait = with_jitter(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
                tracing::warn!(platform = platform.name(), "will deliver messages in {wait:?}: {error:#}");
                tokio::time::sleep(wait).await;
            }
        }
    }
}

/// Delivers the oldest messages, one after the other, and returns how many they were.
async fn deliver_page(
    platform: &dyn Platform,
    store: &dyn Store,
    prefix: &str,
    pause: &mut u64,
) -> anyhow::Result<usize> {
    let page = store.scan(prefix, None, PAGE).await.context("the outbox can not be read")?;
    let count = page.len();
    for (key, record) in page {
        let mut done = Batch::default();
        let again = *pause > FIRST_PAUSE;
        match send(platform, &record, &mut done, again).await {
            Ok(()) => *pause = FIRST_PAUSE,
            Err(PostError::Away(error)) => return Err(error),
            Err(PostError::Refused(error)) => {
                tracing::error!(platform = platform.name(), key, "a message is dropped: {error:#}");
            }
        }
        remove(store, key, record.version, done).await?;
    }
    Ok(count)
}

/// Delivers a message, perhaps `again`; what is to be remembered of it goes into `done`.
async fn send(platform: &dyn Platform, record: &Record, done: &mut Batch, again: bool) -> Result<(), PostError> {
    let envelope = serde_json::from_slice::<Envelope<Outgoing>>(&record.value);
    let Outgoing { id, what, .. } = match envelope.context("it can not be read") {
        Ok(Envelope { schema: SCHEMA, message }) => message,
        Ok(Envelope { schema, .. }) => {
            let error = anyhow::anyhow!("another version of Deckhand wrote it (schema {schema})");
            return Err(PostError::Refused(error));
        }
        Err(error) => return Err(PostError::Refused(error)),
    };
    match what {
        What::Post { channel, reply, thread: None } => post(platform, &channel, &reply, &id).await.map(drop),
        What::Post { channel, reply, thread: Some(thread) } => {
            let posted = post_with(platform, channel, reply, &thread, (&id, again)).await?;
            POSTED.put_in(done, &thread.name, &posted).map_err(PostError::Refused)
        }
        What::Edit { place, reply } => platform.edit(&place, &reply).await,
        What::Under { place, title, reply } => match post_under(platform, &place, &title, &reply, &id).await {
            Err(PostError::Refused(error)) => {
                tracing::info!(platform = platform.name(), "nothing is said in a thread: {error:#}");
                Ok(())
            }
            posted => posted,
        },
    }
}

/// Posts a message with a channel of its own or a thread under it, where the platform has any.
async fn post_with(
    platform: &dyn Platform,
    channel: String,
    mut reply: Reply,
    thread: &Thread,
    (once, again): (&str, bool),
) -> Result<Posted, PostError> {
    let place = |channel, message| Place { platform: platform.name().to_owned(), channel, message };
    let own = match &thread.channel {
        Some(name) => {
            let open = platform.open_channel(&channel, name, &thread.title, once);
            let late = |_| Err(PostError::Away(anyhow::anyhow!("{} makes none now", platform.name())));
            tokio::time::timeout(CHANNEL_PATIENCE, open).await.unwrap_or_else(late)
        }
        None => Ok(None),
    };
    let refused = match own {
        Ok(Some(own)) => {
            let card = Reply { calls: Vec::new(), ..reply.clone() };
            let message = post(platform, &channel, &card, once).await?;
            // Whoever is called comes to where it is talked about.
            let here = Reply { calls: reply.calls, ..Reply::say(format!("{} is talked about here.", thread.title)) };
            post(platform, &own, &here, &format!("{once}-here")).await?;
            return Ok(Posted { message: place(channel, message), thread: Some(place(own, String::new())) });
        }
        Ok(None) => None,
        Err(PostError::Refused(error)) => Some(error),
        // One that was made, of which nobody has heard, is found by the next try. Nobody waits for longer than that.
        Err(PostError::Away(error)) if again => Some(error),
        Err(away) => return Err(away),
    };
    // A try before may have posted it without calls, and then it is not posted again.
    let calls = if refused.is_some() { std::mem::take(&mut reply.calls) } else { Vec::new() };
    let message = place(channel.clone(), post(platform, &channel, &reply, once).await?);
    let opened = match platform.open_thread(&message, &thread.title).await {
        Ok(channel) => Some(place(channel, String::new())),
        Err(PostError::Refused(error)) => {
            tracing::info!(thread.name, "no thread was opened: {error:#}");
            None
        }
        Err(away) => return Err(away),
    };
    if let Some(error) = refused {
        tracing::warn!(thread.name, "no channel was made: {error:#}");
        let told = format!("There is no channel for {}, so it is talked about here: {error:#}.", thread.title);
        let here = opened.as_ref().map_or(&channel, |opened| &opened.channel);
        let told = Reply { calls, ..Reply::say(told).outcome(Outcome::Broken) };
        post(platform, here, &told, &format!("{once}-here")).await?;
    }
    Ok(Posted { message, thread: opened })
}

/// Posts a message in the thread under another one, or in the thread that this one is in: a thread has none in it.
async fn post_under(
    platform: &dyn Platform,
    place: &Place,
    title: &str,
    reply: &Reply,
    once: &str,
) -> Result<(), PostError> {
    let thread = match place.channel.contains('/') {
        true => place.channel.clone(),
        false => platform.open_thread(place, title).await?,
    };
    platform.post(&thread, reply, once).await.map(drop)
}

/// Posts a message; where the thread that it was for is gone, in the channel that the thread hung under.
async fn post(platform: &dyn Platform, channel: &str, reply: &Reply, once: &str) -> Result<String, PostError> {
    match (platform.post(channel, reply, once).await, channel.split_once('/')) {
        (Err(PostError::Refused(error)), Some((parent, _))) => {
            tracing::warn!(channel, "a thread can not be written to, so its channel is: {error:#}");
            platform.post(parent, reply, once).await
        }
        (posted, _) => posted,
    }
}

async fn remove(store: &dyn Store, key: String, version: u64, mut batch: Batch) -> anyhow::Result<()> {
    batch.expect(&key, version).delete(key);
    match store.commit(batch).await {
        Ok(_) => Ok(()),
        // Another replica has delivered it as well, under the same key, and was first to say so.
        Err(CommitError::Conflict { .. }) => Ok(()),
        Err(CommitError::Broken(error)) => Err(error.context("a delivered message can not be taken off the outbox")),
    }
}

/// Between the half and the whole of `pause` milliseconds: not all of those who wait come back at once.
fn with_jitter(pause: u64) -> Duration {
    let half = pause / 2;
    let chance = getrandom::u64().map_or(half, |chance| chance % (half + 1));
    Duration::from_millis(half + chance)
}
