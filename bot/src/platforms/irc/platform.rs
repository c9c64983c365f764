//! A network as a platform: what Deckhand says there without being asked, and what is told after a restart.

use super::link::Unsaid;
use super::{Irc, away, render, short, tag};
use crate::platforms::{Platform, PostError};
use anyhow::anyhow;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::ledger::Place;
use commands::reply::{Reply, State};

impl Irc {
    /// What stands before a message that may have been said before.
    fn perhaps(&self, once: &str) -> &'static str {
        if self.known().tried.iter().any(|tried| tried == once) { "(perhaps again) " } else { "" }
    }

    /// Notes how a message of the outbox went.
    fn tried(&self, once: &str, said: Result<(), Unsaid>) -> Result<(), PostError> {
        let mut known = self.known();
        known.tried.retain(|tried| tried != once);
        if matches!(said, Err(Unsaid::Lost)) {
            known.tried.push(once.to_owned());
        }
        said.map_err(|unsaid| match unsaid {
            Unsaid::Away | Unsaid::Lost => away(),
            Unsaid::Refused(why) => PostError::Refused(anyhow!("the server refuses it: {why}")),
        })
    }
}

#[async_trait]
impl Platform for Irc {
    fn name(&self) -> &str {
        &self.settings.network
    }

    async fn post(&self, channel: &str, reply: &Reply, once: &str) -> Result<String, PostError> {
        let again = self.perhaps(once);
        let (target, thread) = channel.split_once('/').map_or((channel, None), |(channel, id)| (channel, Some(id)));
        let before = thread.map(|id| format!("[#{id}] ")).unwrap_or_default();
        let target = match target.strip_prefix('@') {
            Some(id) => self.find(id, None).await?,
            None => target.to_owned(),
        };
        let said = self.say("PRIVMSG", &target, reply, &format!("{again}{before}"), channel).await;
        self.tried(once, said).map(|()| once.to_owned())
    }

    async fn edit(&self, place: &Place, reply: &Reply) -> Result<(), PostError> {
        let taken = self.records.get(&place.message).await.map_err(PostError::Away)?;
        let (nick, id) = taken.map_or_else(Default::default, |taken| (Some(taken.nick), taken.id));
        let private = place.channel.strip_prefix('@');
        let (command, target) = match (private, reply.only_you) {
            (Some(id), _) => ("PRIVMSG", self.find(id, nick.as_deref()).await?),
            (None, true) => ("NOTICE", self.find(&id, nick.as_deref()).await?),
            (None, false) => ("PRIVMSG", place.channel.clone()),
        };
        let before = format!("{} ", tag(&place.message));
        if reply.state == State::Progress {
            let stage = render::stage_of(reply);
            let shown = self.known().stages.insert(place.message.clone(), stage.clone());
            if shown.as_ref() != Some(&stage) {
                let numbers = self.numbers(reply).await.unwrap_or_default();
                let drawn = render::stage(reply, &numbers, self.settings.colours);
                self.mention(command, &target, &drawn, &before);
            }
            return Ok(());
        }
        self.known().stages.remove(&place.message);
        let again = self.perhaps(&place.message);
        let name = nick.filter(|_| private.is_none()).map(|nick| format!("{nick}: ")).unwrap_or_default();
        let said = self.say(command, &target, reply, &format!("{again}{before}{name}"), &id).await;
        self.tried(&place.message, said)?;
        self.records.told(&place.message).await.map_err(PostError::Away)
    }

    async fn unanswered(&self) -> anyhow::Result<Vec<(Place, DateTime<Utc>)>> {
        let untold = self.records.untold().await?;
        Ok(untold.into_iter().map(|(id, taken)| (self.place(&taken.channel, &id), taken.at)).collect())
    }

    async fn open_thread(&self, place: &Place, _title: &str) -> Result<String, PostError> {
        let channel = place.channel.split('/').next().unwrap_or_default();
        Ok(format!("{channel}/{}", short(&place.message)))
    }
}
