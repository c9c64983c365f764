//! A network as a platform: what Deckhand says there without being asked, and what is told after a restart.

use super::link::{Haste, Unsaid};
use super::{Irc, render, tag};
use crate::outbox::{self, Outgoing, What};
use crate::platforms::{Platform, PostError};
use anyhow::anyhow;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::ledger::Place;
use commands::reply::{Outcome, Reply, State};
use commands::store::Batch;
use commands::text;
use std::time::Duration;
use tokio::time::Instant;

/// What is said so long after it happened says when that was.
const LATE: TimeDelta = TimeDelta::minutes(10);

/// How long a channel that took no message is left alone.
const CLOSED: Duration = Duration::from_secs(60);

/// How often what waits for a channel is tried again.
const TRY_EVERY: Duration = Duration::from_secs(30);

impl Irc {
    /// Says a message of which it is known, by its `id`, whether it may have been said before: then it says so.
    pub(super) async fn deliver(
        &self,
        id: &str,
        command: &'static str,
        target: &str,
        reply: &Reply,
        before: &str,
        asker: &str,
    ) -> Result<(), Unsaid> {
        if !self.link.is_on() {
            return Err(Unsaid::Away);
        }
        if let Some(why) = self.closed(target) {
            return Err(Unsaid::Refused(why));
        }
        let again = self.records.trying(id).await.unwrap_or_else(|error| {
            tracing::error!("whether a message was said before can not be looked up: {error:#}");
            false
        });
        let again = if again { "(perhaps again) " } else { "" };
        let said = self.say(Haste::Now, command, target, reply, &format!("{again}{before}"), asker).await;
        match &said {
            Err(Unsaid::Lost) => return said,
            Err(Unsaid::Refused(why)) => self.close_channel(target, why),
            Err(Unsaid::Away) => {}
            Ok(()) => _ = self.known().deaf.remove(target),
        }
        if let Err(error) = self.records.settled(id, said.is_ok()).await {
            tracing::error!("that a message was told can not be noted down: {error:#}");
        }
        said
    }

    /// Why nothing is said in this channel now.
    fn closed(&self, channel: &str) -> Option<String> {
        let mut known = self.known();
        known.closed.retain(|_, (until, _)| *until > Instant::now());
        known.closed.get(channel).map(|(_, why)| why.clone())
    }

    fn close_channel(&self, channel: &str, why: &str) {
        if self.settings.channels.iter().any(|(name, _)| name == channel) {
            let closed = (Instant::now() + CLOSED, why.to_owned());
            self.known().closed.insert(channel.to_owned(), closed);
        }
    }

    /// Keeps a message that was refused until it is taken, and says where it is.
    async fn hold(&self, id: &str, to: &str, what: What, unsaid: Unsaid) -> Result<(), PostError> {
        let why = match unsaid {
            Unsaid::Away | Unsaid::Lost => return Err(PostError::Away(anyhow!("the network is not connected"))),
            Unsaid::Refused(why) => why,
        };
        let is_person = to.starts_with('@');
        // Who has no account never comes back as the same.
        if is_person && to.contains('!') {
            self.records.settled(id, true).await.map_err(PostError::Away)?;
            return Err(PostError::Refused(anyhow!("the server refuses it: {why}")));
        }
        let first = self.known().deaf.insert(to.to_owned());
        self.records.hold(id, to, what).await.map_err(PostError::Away)?;
        if first {
            let why = self.health.why_not_in(to).unwrap_or(why);
            tracing::warn!(network = self.settings.network, to, "messages are not taken, and wait: {why}");
            if let Some(console) = self.consoles.get(to) {
                let text = format!(
                    "{to} on {} does not take what I say there: {why}. It waits, and is said once it is taken. `deckhand doctor` says what to mend.",
                    self.settings.network
                );
                let reply = Reply::say(text).outcome(Outcome::Broken);
                self.stage(Outgoing::post(self.records.now(), crate::gate::people::CONSOLE, console, reply)).await;
            }
        }
        self.count_held().await;
        Ok(())
    }

    /// Puts a message into the outbox.
    pub(super) async fn stage(&self, message: Outgoing) {
        let mut batch = Batch::default();
        let staged = match outbox::stage(&mut batch, &message) {
            Ok(()) => self.records.store().commit(batch).await.map(drop).map_err(anyhow::Error::from),
            Err(error) => Err(error),
        };
        if let Err(error) = staged {
            tracing::error!(platform = message.platform, "a message can not be put into the outbox: {error:#}");
        }
    }

    /// Looks at what waits, after a start and after each change.
    pub(super) async fn count_held(&self) {
        match self.records.held().await {
            Ok(held) => {
                self.health.wait(held.clone());
                self.known().held = held;
            }
            Err(error) => tracing::error!("what waits can not be read: {error:#}"),
        }
    }

    /// Says what waits for a channel or, after `@`, a person: they may take it now.
    pub(super) async fn release(&self, to: &str) {
        if !self.known().held.contains_key(to) {
            return;
        }
        {
            let mut known = self.known();
            known.closed.remove(to);
            // Whether a channel takes messages shows once it has taken one.
            let is_person = to.starts_with('@');
            is_person.then(|| known.deaf.remove(to));
        }
        if let Err(error) = self.records.release(to).await {
            tracing::error!(to, "what waits can not be put into the outbox: {error:#}");
        }
        self.count_held().await;
    }

    /// Tries, now and then, whether the channels take what waits for them.
    pub(super) async fn keep_trying(&self) {
        loop {
            tokio::time::sleep(TRY_EVERY).await;
            let waits: Vec<_> = self.known().held.keys().filter(|to| !to.starts_with('@')).cloned().collect();
            for channel in waits {
                if self.link.is_on() && self.closed(&channel).is_none() {
                    self.release(&channel).await;
                }
            }
        }
    }

    /// What stands before a message that is said long after it was written; its id tells when that was.
    fn late(&self, id: &str) -> String {
        let now = self.records.now();
        match outbox::written(id).filter(|written| now - written > LATE) {
            Some(written) => format!("({}) ", text::ago(written, now)),
            None => String::new(),
        }
    }
}

#[async_trait]
impl Platform for Irc {
    fn name(&self) -> &str {
        &self.settings.network
    }

    async fn post(&self, channel: &str, reply: &Reply, once: &str) -> Result<String, PostError> {
        let (target, thread) = channel.split_once('/').map_or((channel, None), |(channel, id)| (channel, Some(id)));
        let thread = thread.map(|id| format!("[#{id}] ")).unwrap_or_default();
        let nick = match target.strip_prefix('@') {
            Some(id) => self.find(id, None).await,
            None => Ok(target.to_owned()),
        };
        let said = match nick {
            Ok(nick) => {
                let before = format!("{}{thread}", self.late(once));
                self.deliver(once, "PRIVMSG", &nick, reply, &before, channel).await
            }
            Err(unsaid) => Err(unsaid),
        };
        if let Err(unsaid) = said {
            let what = What::Post { channel: channel.to_owned(), reply: reply.clone(), thread: None };
            self.hold(once, target, what, unsaid).await?;
        }
        Ok(once.to_owned())
    }

    async fn edit(&self, place: &Place, reply: &Reply) -> Result<(), PostError> {
        let taken = self.records.get(&place.message).await.map_err(PostError::Away)?;
        let (nick, id) = taken.map_or_else(Default::default, |taken| (Some(taken.nick), taken.id));
        // A thread is a tag here, which the message has.
        let channel = place.channel.split('/').next().unwrap_or_default();
        let private = channel.strip_prefix('@');
        let (command, to) = match (private, reply.only_you) {
            (None, true) => ("NOTICE", format!("@{id}")),
            _ => ("PRIVMSG", channel.to_owned()),
        };
        let target = match to.strip_prefix('@') {
            Some(id) => self.find(id, nick.as_deref()).await,
            None => Ok(to.clone()),
        };
        let before = format!("{} ", tag(&place.message));
        if reply.state == State::Progress {
            if let Ok(target) = target {
                self.show_stage(command, &target, place, reply).await;
            }
            return Ok(());
        }
        self.known().stages.remove(&place.message);
        let name = nick.filter(|_| private.is_none()).map(|nick| format!("{nick}: ")).unwrap_or_default();
        let said = match target {
            Ok(target) => self.deliver(&place.message, command, &target, reply, &format!("{before}{name}"), &id).await,
            Err(unsaid) => Err(unsaid),
        };
        let Err(unsaid) = said else { return Ok(()) };
        let what = What::Edit { place: place.clone(), reply: reply.clone() };
        self.hold(&place.message, &to, what, unsaid).await
    }

    async fn unanswered(&self) -> anyhow::Result<Vec<(Place, DateTime<Utc>)>> {
        let untold = self.records.untold().await?;
        Ok(untold.into_iter().map(|(id, taken)| (self.place(&taken.channel, &id), taken.at)).collect())
    }

    async fn open_thread(&self, _place: &Place, _title: &str) -> Result<String, PostError> {
        Err(PostError::Refused(anyhow::anyhow!("IRC has no threads")))
    }
}

impl Irc {
    /// One line at each stage of something that was begun before.
    async fn show_stage(&self, command: &'static str, target: &str, place: &Place, reply: &Reply) {
        let stage = render::stage_of(reply);
        let shown = self.known().stages.insert(place.message.clone(), stage.clone());
        if shown.as_ref() != Some(&stage) {
            let numbers = self.numbers(reply).await.unwrap_or_default();
            let drawn = render::stage(reply, &numbers, &self.look);
            self.mention(command, target, &drawn, &format!("{} ", tag(&place.message)));
        }
    }
}
