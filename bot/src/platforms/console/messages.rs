//! The console's memory: every message of its channels, in the store, and live to whoever looks.

use crate::outbox;
use anyhow::{Context, Result};
use chrono::{DateTime, Utc};
use commands::clock::Clock;
use commands::reply::{Reply, State};
use commands::store::{Batch, Store};
use commands::table::Table;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::broadcast;

const MESSAGES: Table<Message> = Table::new("console/messages/");

/// The answers that have not come to their last word, as they were begun, so that a restart finds them.
const ASKED: Table<Message> = Table::new("console/asked/");

/// How many messages a slow reader may fall behind before it has to start over.
const BEHIND: usize = 1_024;

/// One message of a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Sorts after the messages before it.
    pub id: String,
    /// The channel; that of a thread is `<channel>/<id of the message it hangs under>`.
    pub channel: String,
    /// When it was said.
    pub at: DateTime<Utc>,
    /// By whom: a person, or `deckhand`.
    pub from: String,
    /// What a person said.
    pub text: Option<String>,
    /// What Deckhand answered.
    pub reply: Option<Reply>,
    /// The message that it answers.
    pub answers: Option<String>,
    /// Who alone sees it.
    pub only: Option<String>,
    /// Whether it said something else before.
    pub edited: bool,
    /// The thread under it.
    pub thread: Option<Thread>,
}

/// The thread under a message.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// How many messages are in it.
    pub replies: u32,
}

impl Message {
    /// Whether `person` may see it.
    pub fn visible_to(&self, person: &str) -> bool {
        self.only.as_deref().is_none_or(|only| only == person)
    }
}

/// All messages.
pub struct Messages {
    store: Arc<dyn Store>,
    clock: Clock,
    live: broadcast::Sender<Message>,
    /// The latest state of messages that are still changing; only their ends go to the store.
    changing: Mutex<HashMap<String, Message>>,
}

impl Messages {
    /// The messages in this store.
    pub fn new(store: Arc<dyn Store>, clock: Clock) -> Messages {
        Messages { store, clock, live: broadcast::channel(BEHIND).0, changing: Mutex::default() }
    }

    /// A new message, which nobody has seen yet.
    pub fn draft(&self, channel: &str, from: &str) -> Message {
        let at = self.clock.now();
        Message {
            id: outbox::next_id(at),
            channel: channel.to_owned(),
            at,
            from: from.to_owned(),
            text: None,
            reply: None,
            answers: None,
            only: None,
            edited: false,
            thread: None,
        }
    }

    /// Every change from now on: new messages, and new states of old ones.
    pub fn subscribe(&self) -> broadcast::Receiver<Message> {
        self.live.subscribe()
    }

    /// Keeps what somebody said and shows it, and keeps in mind that `answer` is to answer it.
    ///
    /// # Errors
    /// As [`Messages::keep`].
    pub async fn ask(&self, line: &Message, answer: &Message) -> Result<()> {
        let mut batch = Batch::default();
        ASKED.put_in(&mut batch, name(&answer.channel, &answer.id), answer)?;
        self.keep_in(batch, line).await
    }

    /// Keeps a message and shows it.
    ///
    /// # Errors
    /// When the store can not write; then nobody sees it.
    pub async fn keep(&self, message: &Message) -> Result<()> {
        self.keep_in(Batch::default(), message).await
    }

    async fn keep_in(&self, mut batch: Batch, message: &Message) -> Result<()> {
        let name = name(&message.channel, &message.id);
        MESSAGES.put_in(&mut batch, &name, &kept(message))?;
        match &message.reply {
            Some(reply) if reply.state == State::Progress => {
                ASKED.put_in(&mut batch, &name, &Message { reply: None, ..message.clone() })?;
            }
            Some(_) => _ = batch.delete(ASKED.key(&name)),
            None => {}
        }
        let root = self.grow_thread(message, &mut batch).await?;
        self.store.commit(batch).await?;
        self.changing().remove(&message.id);
        for changed in std::iter::once(message.clone()).chain(root) {
            // Nobody may be looking.
            let _ = self.live.send(changed);
        }
        Ok(())
    }

    /// Shows a new state of an answer to `asker`, and keeps it if it is the first or the last one.
    ///
    /// # Errors
    /// As [`Messages::keep`].
    pub async fn show(&self, message: &mut Message, reply: Reply, asker: &str) -> Result<()> {
        let first = message.reply.is_none();
        let last = reply.state == State::Final;
        if reply.only_you {
            message.only = Some(asker.to_owned());
        }
        message.edited |= !first && last;
        message.reply = Some(reply);
        if first || last {
            // People may have begun a thread under it meanwhile.
            let kept = self.get(&message.channel, &message.id).await?;
            message.thread = kept.and_then(|kept| kept.thread);
            self.keep(message).await?;
        } else {
            // Nobody may be looking.
            let _ = self.live.send(message.clone());
        }
        if !last {
            self.changing().insert(message.id.clone(), message.clone());
        }
        Ok(())
    }

    /// The answers that have not come to their last word, as they were begun.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn unanswered(&self) -> Result<Vec<Message>> {
        let asked = ASKED.scan(&*self.store, "", usize::MAX).await?;
        Ok(asked.into_iter().map(|(_, answer)| answer.value).collect())
    }

    /// The answer of this id as it was begun, where its last word is still to come.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn begun(&self, channel: &str, id: &str) -> Result<Option<Message>> {
        Ok(ASKED.get(&*self.store, name(channel, id)).await?.map(|answer| answer.value))
    }

    /// The message of this id.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn get(&self, channel: &str, id: &str) -> Result<Option<Message>> {
        let kept = MESSAGES.get(&*self.store, name(channel, id)).await?;
        Ok(kept.map(|message| self.latest(message.value)))
    }

    /// At most `limit` messages of a channel that `person` may see, oldest first: the newest, or those before the
    /// message `before`.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn page(&self, channel: &str, before: Option<&str>, limit: usize, person: &str) -> Result<Vec<Message>> {
        let prefix = format!("{channel}/");
        let mut before = before.map(|id| name(channel, id));
        let mut page = Vec::new();
        while page.len() < limit {
            let found = MESSAGES.scan_back(&*self.store, &prefix, before.as_deref(), limit).await?;
            let Some((last, _)) = found.last() else { break };
            before = Some(last.clone());
            // The messages of a channel's threads lie under it; they are on pages of their own.
            let own = found.into_iter().filter(|(name, _)| !name[prefix.len()..].contains('/'));
            let seen = own.map(|(_, message)| self.latest(message.value)).filter(|message| message.visible_to(person));
            page.extend(seen.take(limit - page.len()));
        }
        page.reverse();
        Ok(page)
    }

    fn latest(&self, kept: Message) -> Message {
        self.changing().get(&kept.id).cloned().unwrap_or(kept)
    }

    fn changing(&self) -> MutexGuard<'_, HashMap<String, Message>> {
        self.changing.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The first state of a message in a thread counts in the message that the thread hangs under.
    async fn grow_thread(&self, message: &Message, batch: &mut Batch) -> Result<Option<Message>> {
        let Some((channel, root)) = message.channel.split_once('/') else { return Ok(None) };
        if MESSAGES.get(&*self.store, name(&message.channel, &message.id)).await?.is_some() {
            return Ok(None);
        }
        let mut root = self.get(channel, root).await?.context("the message of this thread is gone")?;
        let replies = root.thread.unwrap_or_default().replies + 1;
        root.thread = Some(Thread { replies });
        self.changing().entry(root.id.clone()).and_modify(|changing| changing.thread = root.thread);
        MESSAGES.put_in(batch, name(channel, &root.id), &root)?;
        Ok(Some(root))
    }
}

/// The message as it is kept: what is shown once is not.
fn kept(message: &Message) -> Message {
    let once = message.reply.as_ref().filter(|reply| reply.once);
    let gone = |reply: &Reply| Reply {
        text: "This was shown once, and is not kept.".to_owned(),
        fields: Vec::new(),
        ..reply.clone()
    };
    Message { reply: once.map(gone).or(message.reply.clone()), ..message.clone() }
}

fn name(channel: &str, id: &str) -> String {
    format!("{channel}/{id}")
}
