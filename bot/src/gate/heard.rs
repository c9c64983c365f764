//! What people say to each other, as far as it becomes Deckhand's: messages on which somebody asks for a command, marks that
//! say one, and what becomes of messages afterwards.

use super::{Ask, Bot, Said};
use crate::gate::people::Speaker;
use chrono::{DateTime, Utc};
use commands::cx::{Call, Cx, Who};
use commands::ledger::Place;
use commands::message::{ARGUMENT, Follows, MESSAGES, Message};
use commands::parse::quote;
use commands::store::{Batch, Read};
use std::sync::Arc;
use tokio::sync::mpsc;

impl Bot {
    /// The line which says a command that somebody asks for on a message, and what keeps the message: it is to be committed
    /// before the line is said. Where policy does not let them, there is nothing to keep: the line says so.
    ///
    /// # Errors
    /// When it can not be written as JSON.
    pub fn on_message(&self, command: &str, message: Message, by: &Speaker) -> anyhow::Result<(String, Batch)> {
        let line = format!("{command} {ARGUMENT}:{}", quote(&message.name()));
        let who = self.people.who(by);
        let may = self
            .parse(&line)
            .is_ok_and(|said| self.decide(&self.question(&who, said.command, &said.args, &message.place)).allowed);
        let mut batch = Batch::default();
        if !may {
            return Ok((line, batch));
        }
        let redact = |text: &str| self.world.redactor.redact(text).into_owned();
        let asked_by = Some(who.name);
        let mut message = Message { text: redact(&message.text), called: redact(&message.called), asked_by, ..message };
        message.attachments.iter_mut().for_each(|file| file.name = redact(&file.name));
        MESSAGES.put_in(&mut batch, message.name(), &message)?;
        Ok((line, batch))
    }

    /// Somebody has marked a message: where a plugin knows what they say by that, they say it, as any other line, and the
    /// answer is posted where the message stands. What is for their eyes alone is not: they have asked for nothing. Returns
    /// whether somebody else's mark on it says nothing more: not where these may not say it.
    ///
    /// # Errors
    /// When a plugin can not find that out, or it can not be kept.
    pub async fn marked(self: &Arc<Bot>, message: Message, by: &Speaker) -> anyhow::Result<bool> {
        let mut settled = true;
        let place = Place { message: String::new(), ..message.place.clone() };
        for plugged in &self.plugins {
            let Some(line) = plugged.plugin.marked(&self.unasked(), &message).await? else { continue };
            let (line, keeps) = self.on_message(&line, message.clone(), by)?;
            settled &= !keeps.writes.is_empty();
            self.world.store.commit(keeps).await?;
            let ask = Ask { said: Said::Line(line), speaker: by.clone(), place: place.clone() };
            let mut replies = self.ask(ask);
            let mut last = None;
            while let Some(reply) = replies.recv().await {
                last = Some(reply);
            }
            if let Some(reply) = last.filter(|reply| !reply.only_you) {
                self.tell(&place, reply).await?;
            }
        }
        Ok(settled)
    }

    /// Where on this platform a mark means something to a plugin.
    ///
    /// # Errors
    /// When a plugin can not find that out.
    pub async fn listens(&self, platform: &str) -> anyhow::Result<Vec<Place>> {
        let mut all = Vec::new();
        for plugged in &self.plugins {
            all.extend(plugged.plugin.listens(&self.unasked()).await?);
        }
        all.retain(|place| place.platform == platform);
        Ok(all)
    }

    /// What the plugins follow of what people say on this platform.
    ///
    /// # Errors
    /// When a plugin can not find that out.
    pub async fn follows(&self, platform: &str) -> anyhow::Result<Follows> {
        let mut all = Follows::default();
        for plugged in &self.plugins {
            let follows = plugged.plugin.follows(&self.unasked()).await?;
            all.messages.extend(follows.messages.into_iter().filter(|place| place.platform == platform));
            all.channels.extend(follows.channels.into_iter().filter(|place| place.platform == platform));
        }
        Ok(all)
    }

    /// The message of this name says something else since `at`, or nothing any more.
    pub async fn revised(&self, message: &str, says: Option<&str>, at: DateTime<Utc>) {
        let _others_wait = self.revising.lock().await;
        let says = says.map(|says| self.world.redactor.redact(says));
        // Whoever is about to keep it finds that it has changed.
        if let Err(error) = self.rewrite(message, says.as_deref(), at).await {
            tracing::warn!(message, "a message that has changed can not be kept: {error:#}");
        }
        for plugged in &self.plugins {
            if let Err(stop) = plugged.plugin.revised(&self.unasked(), message, says.as_deref(), at).await {
                tracing::warn!(message, "that a message was changed can not be noted: {stop}");
            }
        }
    }

    /// Keeps what a message says since `at`, where it is kept, and says nothing newer.
    async fn rewrite(&self, name: &str, says: Option<&str>, at: DateTime<Utc>) -> anyhow::Result<()> {
        let Some(found) = MESSAGES.get(&*self.world.ports.store, name).await? else { return Ok(()) };
        let mut message = found.value;
        match says {
            Some(_) if message.edited.is_some_and(|edited| edited >= at) => return Ok(()),
            Some(says) => {
                says.clone_into(&mut message.text);
                message.edited = Some(at);
            }
            None => message.deleted = Some(at),
        }
        let mut batch = Batch::default();
        batch.expect(MESSAGES.key(name), found.version);
        MESSAGES.put_in(&mut batch, name, &message)?;
        self.world.store.commit(batch).await?;
        Ok(())
    }

    /// A call of nobody's.
    fn unasked(&self) -> Cx {
        let call = Call::unasked(Who::deckhand(), Place::default());
        // Nobody is there to see how far it is.
        Cx::new(self.world.clone(), call, None, mpsc::unbounded_channel().0, self.stopping.clone())
    }
}

/// Removes, with the batch, the messages that were heard before `then`.
pub async fn forget(store: &dyn Read, then: DateTime<Utc>, batch: &mut Batch) -> anyhow::Result<()> {
    for (name, message) in MESSAGES.scan(store, "", usize::MAX).await? {
        if message.value.heard < then {
            batch.delete(MESSAGES.key(name));
        }
    }
    Ok(())
}
