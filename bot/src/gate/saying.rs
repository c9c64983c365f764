//! What Deckhand says by itself, or for somebody who is not there: a line through the gate, answered in a message of its own.

use super::Bot;
use super::buttons::Dresser;
use crate::outbox::{self, Outgoing};
use async_trait::async_trait;
use commands::act;
use commands::cx::{Call, Cx, Saying, Voice, Who};
use commands::ledger::Place;
use commands::reply::{Outcome, Reply, State, Tone};
use commands::stop::{Result, Stop};
use commands::store::Batch;
use commands::text;
use config::DECKHAND;
use tokio::sync::mpsc;

#[async_trait]
impl Voice for Bot {
    async fn say(&self, saying: Saying) -> Result<Reply> {
        if act::has_begun(&*self.world.store, &saying.once).await? {
            return Err(act::said_before());
        }
        let place = self.begin(&saying).await;
        let (progress, mut replies) = mpsc::unbounded_channel();
        let shows = async {
            let mut dresser = Dresser::default();
            while let Some(mut reply) = replies.recv().await {
                // A platform that is slower than the work is shown the newest.
                while let Ok(newer) = replies.try_recv() {
                    reply = newer;
                }
                self.show(&place, reply, &mut dresser).await;
            }
        };
        let (done, ()) = tokio::join!(self.speak(&saying, place.clone(), progress), shows);
        let left = matches!(done, Err(Stop::Left(_)));
        let reply = done.unwrap_or_else(|stop| {
            if let Stop::Broken(error) = &stop {
                tracing::error!(who = saying.who, line = saying.line, "{error:?}");
            }
            stop.into_reply()
        });
        // Everybody in the channel is to know what became of it.
        let reply = Reply { state: State::Final, only_you: false, ..reply };
        let mut shown = reply.clone();
        if reply.outcome == Outcome::Refused {
            // It takes the place of the message that says what it is about.
            shown.text = format!("{} It was not done.\n{}", told(&saying), reply.text);
        }
        for other in saying.places.iter().skip(1) {
            self.tell(other, shown.clone()).await?;
        }
        self.tell(&place, shown).await?;
        if left { Err(Stop::Left(Box::new(reply))) } else { Ok(reply) }
    }
}

impl Bot {
    /// Posts the message that tells of it. Without one (the platform is away), what becomes of it is told in a new one.
    async fn begin(&self, saying: &Saying) -> Place {
        let Some(first) = saying.places.first().cloned() else { return Place::default() };
        let mut reply = Reply { state: State::Progress, ..Reply::card(Tone::Working, "Said by itself", told(saying)) };
        self.clean(&mut reply);
        let Some(platform) = self.platforms().get(&*first.platform) else { return first };
        match platform.post(&first.channel, &reply, &outbox::next_id(self.world.ports.clock.now())).await {
            Ok(message) => Place { message, ..first },
            Err(error) => {
                tracing::warn!(channel = first.channel, "what is said by itself can not be shown yet: {error:?}");
                first
            }
        }
    }

    async fn speak(&self, saying: &Saying, place: Place, progress: mpsc::UnboundedSender<Reply>) -> Result<Reply> {
        self.check_stopping()?;
        let who = if saying.who == DECKHAND { Who::deckhand() } else { self.people.named(&saying.who) };
        let invocation = self.whole(self.parse(&saying.line)?).await?;
        let asks = self.permit(&invocation, &who, &place)?.asks;
        let call = Call { asks, ..Call::unasked(who, place.clone()) };
        let cx = Cx::new(self.world.clone(), call, Some(invocation), progress, self.stopping.clone());
        cx.is_said_once(&saying.once);
        if let Some((key, version)) = &saying.from {
            cx.fence(key.clone(), *version);
        }
        self.perform(&cx, &place, None, None).await
    }

    /// Shows how far something is; a platform that is away misses nothing but that.
    pub(crate) async fn show(&self, place: &Place, mut reply: Reply, dresser: &mut Dresser) {
        self.clean(&mut reply);
        reply.state = State::Progress;
        if let Err(error) = self.dress(&mut reply, dresser).await {
            tracing::error!("buttons can not be kept: {error:#}");
            reply.buttons.clear();
        }
        if !place.message.is_empty()
            && let Some(platform) = self.platforms().get(&*place.platform)
            && let Err(error) = platform.edit(place, &reply).await
        {
            tracing::warn!("progress can not be shown: {error:?}");
        }
    }

    /// Tells how something ended, in its message, or in a new one where it has none; a place on no platform is nobody's.
    pub(crate) async fn tell(&self, place: &Place, mut reply: Reply) -> anyhow::Result<()> {
        if place.platform.is_empty() {
            return Ok(());
        }
        self.clean(&mut reply);
        let (store, now) = (&self.world.store, self.world.ports.clock.now());
        let mut batch = Batch::default();
        Dresser::default().dress(&mut reply, &mut batch, now)?;
        let message = match place.message.is_empty() {
            true => Outgoing::post(now, &*place.platform, &*place.channel, reply),
            false => Outgoing::edit(now, place.clone(), reply),
        };
        outbox::stage(&mut batch, &message)?;
        store.commit(batch).await?;
        Ok(())
    }
}

/// Who says what, and what for.
fn told(saying: &Saying) -> String {
    let who = if saying.who == DECKHAND { "Deckhand".to_owned() } else { text::plain(&saying.who) };
    format!("{who} says {}: {}.", text::code(&format!("/{}", saying.line)), saying.reason)
}
