//! The life of one answer: a line at each stage, and the last word to its end.

use super::link::Unsaid;
use super::render::{self, Drawn};
use super::who::Seat;
use super::{Irc, tag};
use crate::gate::Replies;
use crate::outbox::{self, Outgoing};
use commands::ledger::Place;
use commands::reply::{Reply, State};
use commands::store::Batch;
use std::sync::Arc;

/// The answer to one line.
pub(super) struct Answer {
    pub irc: Arc<Irc>,
    pub seat: Arc<Seat>,
    /// Where the line was said, and its id.
    pub place: Place,
    /// Whether a record is kept of it.
    pub kept: bool,
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
        let drawn = render::stage(reply, &numbers, self.irc.settings.colours);
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
            None => Err(Unsaid::Refused("whoever asked has gone".to_owned())),
            Some((_, nick)) if reply.once && !irc.crowd.is(&nick, &self.seat.id, &irc.link).await => {
                Err(Unsaid::Refused("whoever asked may be somebody else by now".to_owned()))
            }
            Some((command, target)) => {
                let name = self.seat.nick().unwrap_or_else(|| "?".to_owned());
                let before = if staged { format!("{} ", tag(&self.place.message)) } else { String::new() };
                let before =
                    if target.starts_with(['#', '&', '+', '!']) { format!("{before}{name}: ") } else { before };
                irc.say(command, &target, reply, &before, &self.seat.id).await
            }
        };
        match told {
            Ok(()) if self.kept => {
                if let Err(error) = irc.records.told(&self.place.message).await {
                    tracing::warn!("that an answer was told can not be noted down: {error:#}");
                }
            }
            Ok(()) => {}
            Err(unsaid) => self.untold(reply, unsaid).await,
        }
    }

    /// The last word did not get through.
    async fn untold(&self, reply: &Reply, unsaid: Unsaid) {
        tracing::warn!(network = self.irc.settings.network, "an answer did not get through: {unsaid:?}");
        match unsaid {
            Unsaid::Refused(why) => {
                let Some(nick) = self.seat.nick().filter(|_| !reply.only_you && !reply.once) else { return };
                let channel = &self.place.channel;
                let drawn = Drawn {
                    lines: vec![format!("{channel} does not take my answer ({why}):")],
                    choices: String::new(),
                };
                self.irc.mention("NOTICE", &nick, &drawn, "");
                let drawn = render::whole(reply, &[], false);
                self.irc.mention(
                    "NOTICE",
                    &nick,
                    &Drawn { lines: drawn.lines.into_iter().take(3).collect(), ..drawn },
                    "",
                );
            }
            // What hands over a secret is not kept for later, and what only reads can be asked again.
            Unsaid::Away | Unsaid::Lost if self.kept && !reply.once => {
                let records = &self.irc.records;
                let mut batch = Batch::default();
                let message = Outgoing::edit(records.now(), self.place.clone(), reply.clone());
                let staged = match outbox::stage(&mut batch, &message) {
                    Ok(()) => records.store().commit(batch).await.map(drop).map_err(anyhow::Error::from),
                    Err(error) => Err(error),
                };
                if let Err(error) = staged {
                    tracing::error!("an answer can not be kept for later: {error:#}");
                }
            }
            Unsaid::Away | Unsaid::Lost => {}
        }
    }
}
