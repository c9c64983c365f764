//! Questions that wait for a yes: they are void when whoever was asked may be somebody else.

use super::Irc;
use super::message::same;
use super::who::Seat;
use crate::gate::people::Speaker;
use crate::gate::{Ask, Said, consent};
use crate::outbox::Outgoing;
use commands::ledger::Place;
use commands::reply::{Outcome, Reply};
use std::sync::Arc;

/// The most questions that are remembered: each ends by itself after a while.
const MOST: usize = 200;

/// A question that is open.
pub(super) struct Open {
    /// The nick of whoever was asked, then.
    nick: String,
    speaker: Speaker,
    channel: String,
    /// The line that ends it.
    decline: String,
}

/// The name of the question that a line answers.
fn question(line: &str) -> Option<&str> {
    line.split("question:").nth(1).and_then(|rest| rest.split(' ').next()).filter(|name| !name.is_empty())
}

impl Irc {
    /// Remembers the question that a reply asks, if it asks one.
    pub(super) fn remember(&self, seat: &Arc<Seat>, channel: &str, reply: &Reply) {
        let line = |line: &str| line.trim_start_matches('/').to_owned();
        let declines = |text: &str| text.split(' ').next() == Some(consent::DECLINE);
        let decline = reply.buttons.iter().map(|button| line(&button.line)).find(|text| declines(text));
        let (Some(decline), Some(nick)) = (decline, seat.nick()) else { return };
        let open = Open { nick, speaker: self.speaker(seat), channel: channel.to_owned(), decline };
        let mut known = self.known();
        if known.questions.len() >= MOST {
            known.questions.remove(0);
        }
        known.questions.push(open);
    }

    /// A line that answers a question: it is not open any more.
    pub(super) fn close(&self, line: &str) {
        if let Some(name) = question(line) {
            self.known().questions.retain(|open| question(&open.decline) != Some(name));
        }
    }

    /// Ends, out loud, what is open for `nick`, or for everybody: `why` says what has happened.
    pub(super) async fn void(self: &Arc<Self>, nick: Option<&str>, why: &str) {
        let is_theirs = |theirs: &str| nick.is_none_or(|nick| same(nick, theirs));
        let (questions, forms) = {
            let mut known = self.known();
            let questions: Vec<_> = known.questions.extract_if(.., |open| is_theirs(&open.nick)).collect();
            let forms: Vec<_> = known.forms.extract_if(.., |form| is_theirs(form.nick())).collect();
            (questions, forms)
        };
        for open in questions {
            let said = Said::Line(format!("/{}", open.decline));
            let place = self.place(&open.channel, "");
            // It is asked here and now, so whatever is said next comes after it.
            let mut replies = self.bot.ask(Ask { said, speaker: open.speaker, place: place.clone() });
            let (irc, why) = (self.clone(), why.to_owned());
            self.bot.spawn(async move {
                let mut last = None;
                while let Some(reply) = replies.recv().await {
                    last = Some(reply);
                }
                // One that was answered meanwhile is nobody's loss.
                if last.is_some_and(|reply| reply.outcome == Outcome::Done) {
                    let text = format!(
                        "{}'s question is void: {why}. Nothing was done. Say the command again if it is still wanted.",
                        open.nick
                    );
                    irc.tell(place, Reply::say(text).outcome(Outcome::Refused)).await;
                }
            });
        }
        for form in forms {
            self.forget_form(form.id()).await;
            let text = format!("What {} was asked in private is void: {why}. Nothing was done.", form.nick());
            self.tell(self.place(form.channel(), ""), Reply::say(text).outcome(Outcome::Refused)).await;
        }
    }

    /// Says this in a channel, be it once the link is up again.
    async fn tell(&self, place: Place, reply: Reply) {
        self.stage(Outgoing::post(self.records.now(), place.platform, place.channel, reply)).await;
    }
}
