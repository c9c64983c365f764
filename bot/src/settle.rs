//! After a start: every act that an earlier run left open is settled by its plugin, and told in its own message.

use crate::gate::Bot;
use crate::gate::buttons::Dresser;
use crate::platforms::Platform;
use commands::cx::{Call, Cx};
use commands::ledger::{self, Entry, Place};
use commands::reply::Reply;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The platforms, by name.
pub type Platforms = HashMap<String, Arc<dyn Platform>>;

/// Begins to settle what is open, and returns the messages that will tell of it. Changes of the same services and
/// environments queue up behind it from the moment that this returns.
///
/// # Errors
/// When the ledger can not be read.
pub async fn settle(bot: &Arc<Bot>, platforms: &Platforms) -> anyhow::Result<Vec<Place>> {
    bot.join_platforms(platforms);
    let open = ledger::open(&*bot.world.ports.store).await?;
    let places = open.iter().map(|entry| entry.draft.place.clone()).collect();
    for entry in open {
        tracing::warn!(act = entry.seq, verb = entry.draft.verb, "this act was left open, and is settled now");
        bot.settle(entry);
    }
    Ok(places)
}

impl Bot {
    fn settle(self: &Arc<Bot>, doing: Entry) {
        let turn = self.join(&doing);
        let bot = self.clone();
        self.spawn(async move {
            if let Some(turn) = &turn {
                // What is settled is taken out of no line.
                let _ = turn.turn(|_| {}).await;
            }
            let place = doing.draft.place.clone();
            let mut dresser = Dresser::default();
            let (progress, mut replies) = mpsc::unbounded_channel();
            let work = bot.settle_one(doing, progress);
            tokio::pin!(work);
            let last = loop {
                tokio::select! {
                    biased;
                    Some(reply) = replies.recv() => bot.show(&place, reply, &mut dresser).await,
                    last = &mut work => break last,
                }
            };
            if let Err(error) = bot.tell(&place, last).await {
                tracing::error!("how an open act ended can not be told: {error:#}");
            }
        });
    }

    async fn settle_one(&self, doing: Entry, progress: mpsc::UnboundedSender<Reply>) -> Reply {
        let draft = &doing.draft;
        let who = self.people.named(&draft.who);
        let call = Call::unasked(who, draft.place.clone());
        let cx = Cx::new(self.world.clone(), call, None, progress, self.stopping().clone());
        let plugin = self.plugin_of(&draft.verb);
        let settled = plugin.reconcile(&cx, doing).await;
        settled.unwrap_or_else(|stop| {
            tracing::error!("an open act could not be settled: {stop}");
            stop.into_reply()
        })
    }
}
