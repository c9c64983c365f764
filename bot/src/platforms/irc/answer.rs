//! The life of one answer: a line at each stage, and the last word to its end.

use super::link::{Haste, Unsaid};
use super::record::Taken;
use super::render::{self, Drawn};
use super::who::Seat;
use super::{Irc, tag};
use crate::gate::Replies;
use crate::outbox::Outgoing;
use commands::ledger::Place;
use commands::reply::{Outcome, Reply, State};
use std::sync::Arc;

/// The answer to one line.
pub(super) struct Answer {
    pub irc: Arc<Irc>,
    pub seat: Arc<Seat>,
    /// Their nick when they asked.
    pub nick: String,
    /// Where the line was said, and its id.
    pub place: Place,
    /// The name of the command, where the line only reads: then no record is kept of it.
    pub reads: Option<&'static str>,
}

impl Answer {
    /// Tells the replies, from the first stage to the last word.
    pub async fn tell(self, mut replies: Replies) {
        let mut stage = None;
        while let Some(mut reply) = replies.recv().await {
            // Only the latest state is worth a line.
            while let Ok(later) = replies.try_recv() {
                reply = later;
            }
            if reply.state == State::Final {
                return self.end(&reply, stage.is_some()).await;
            }
            let now = render::stage_of(&reply);
            if stage.as_ref() != Some(&now) {
                self.stage(&reply).await;
                stage = Some(now);
            }
        }
    }

    async fn stage(&self, reply: &Reply) {
        let Some((command, target)) = self.target(reply) else { return };
        let Some(numbers) = self.irc.numbers(reply).await else { return };
        let drawn = render::stage(reply, &numbers, &self.irc.look);
        self.irc.mention(command, &target, &drawn, &format!("{} ", tag(&self.place.message)));
    }

    /// Where it is told: in the channel, or to the asker alone; nowhere once they have gone.
    fn target(&self, reply: &Reply) -> Option<(&'static str, String)> {
        match (self.place.channel.starts_with('@'), reply.only_you) {
            (true, _) => Some(("PRIVMSG", self.seat.nick()?)),
            (false, true) => Some(("NOTICE", self.seat.nick()?)),
            (false, false) => Some(("PRIVMSG", self.place.channel.clone())),
        }
    }

    async fn end(self, reply: &Reply, staged: bool) {
        let irc = &self.irc;
        // Questions that wait for a yes are known before anybody can say it.
        irc.remember(&self.seat, &self.place.channel, reply);
        let told = match self.target(reply) {
            None => Err(Unsaid::Away),
            Some((_, nick)) if reply.once && !irc.crowd.is(&nick, &self.seat.id, &irc.link).await => {
                Err(Unsaid::Refused("whoever asked may be somebody else by now".to_owned()))
            }
            Some((command, target)) => {
                let name = self.seat.nick().unwrap_or_else(|| self.nick.clone());
                let before = if staged { format!("{} ", tag(&self.place.message)) } else { String::new() };
                let before =
                    if target.starts_with(['#', '&', '+', '!']) { format!("{before}{name}: ") } else { before };
                match self.reads {
                    Some(_) => irc.say(Haste::Idle, command, &target, reply, &before, &self.seat.id).await,
                    None => irc.deliver(&self.place.message, command, &target, reply, &before, &self.seat.id).await,
                }
            }
        };
        if let Err(unsaid) = told {
            self.untold(reply, unsaid).await;
        }
    }

    /// The last word did not get through: it is said, or at least told of, when it can be.
    async fn untold(&self, reply: &Reply, unsaid: Unsaid) {
        let Irc { settings, records, .. } = &*self.irc;
        tracing::warn!(network = settings.network, "an answer did not get through: {unsaid:?}");
        if let Unsaid::Refused(why) = unsaid {
            if reply.once {
                return;
            }
            self.aside(reply, &why);
            if self.reads.is_some() {
                return;
            }
        }
        let later = match (self.reads, reply.once) {
            (None, false) => reply.clone(),
            // What was read then may be wrong by the time that it is said.
            (Some(command), _) => broken(format!(
                "The link to the network broke, so you may not have seen the answer to `/{command}`. Say it again."
            )),
            (None, true) => broken(
                "The link to the network broke before you saw the answer, and what it held is shown once only. \
                 Say the command again."
                    .to_owned(),
            ),
        };
        let taken = Taken {
            channel: self.place.channel.clone(),
            nick: self.nick.clone(),
            id: self.seat.id.clone(),
            at: records.now(),
            told: false,
        };
        let later = Reply { only_you: reply.only_you, ..later };
        let message = Outgoing::edit(records.now(), self.place.clone(), later);
        if let Err(error) = records.later(&self.place.message, &taken, &message).await {
            tracing::error!("an answer can not be kept for later: {error:#}");
        }
    }

    /// Tells the asker what the channel does not take.
    fn aside(&self, reply: &Reply, why: &str) {
        let Some(nick) = self.seat.nick().filter(|_| !reply.only_you) else { return };
        let channel = &self.place.channel;
        let head = vec![format!("{channel} does not take my answer ({why}):")];
        self.irc.mention("NOTICE", &nick, &Drawn { lines: head, choices: String::new() }, "");
        let drawn = render::whole(reply, &[], &self.irc.look);
        let first = drawn.lines.into_iter().take(3).collect();
        self.irc.mention("NOTICE", &nick, &Drawn { lines: first, ..drawn }, "");
    }
}

fn broken(text: String) -> Reply {
    Reply::say(text).outcome(Outcome::Broken)
}
