//! After a start: every act that an earlier run left open is settled by its plugin, and every message that it left
//! without a last word gets one.

use crate::gate::Bot;
use crate::gate::buttons::Dresser;
use crate::outbox;
use crate::platforms::Platform;
use chrono::{DateTime, Utc};
use commands::cx::{Call, Cx};
use commands::ledger::{self, Entry, NOT_KNOWN, Phase, Place, Query};
use commands::reply::{Button, Outcome, Reply, Tone};
use commands::store::Read;
use commands::text;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::mpsc;

/// The platforms, by name.
pub type Platforms = HashMap<String, Arc<dyn Platform>>;

/// Begins to settle what is open, each act in its own message, and ends the messages of all that is not. Changes of the
/// same services and environments queue up behind what is settled from the moment that this returns.
///
/// # Errors
/// When the store can not be read or written.
pub async fn settle(bot: &Arc<Bot>, platforms: &Platforms) -> anyhow::Result<()> {
    bot.join_platforms(platforms);
    let store = &*bot.world.ports.store;
    let open = ledger::open(store).await?;
    for platform in platforms.values() {
        let ending = outbox::ending(store, platform.name()).await?;
        for (place, begun) in platform.unanswered().await? {
            let told = open.iter().any(|entry| same(&entry.draft.place, &place)) || ending.contains(&place.message);
            if !told {
                bot.tell(&place, last_word(store, &place, begun).await?).await?;
            }
        }
    }
    for entry in open {
        tracing::warn!(act = entry.seq, verb = entry.draft.verb, "this act was left open, and is settled now");
        bot.settle(entry);
    }
    Ok(())
}

/// Whether both are the same message: its channel may have changed, where a platform tells the story in another one.
fn same(one: &Place, other: &Place) -> bool {
    one.platform == other.platform && one.message == other.message
}

/// How the call that was `begun` then ended, whose message Deckhand did not come to end: as the ledger has it.
async fn last_word(store: &dyn Read, place: &Place, begun: DateTime<Utc>) -> anyhow::Result<Reply> {
    let entries = Query { since: Some(begun), ..Query::default() }.run(store, usize::MAX).await?;
    let ended = |entry: &&Entry| entry.draft.phase != Phase::Doing && same(&entry.draft.place, place);
    let Some(entry) = entries.iter().find(ended) else {
        let text =
            "Deckhand was stopped before this was done. Nothing was changed. Say it again if it is still wanted.";
        return Ok(Reply::card(Tone::Warn, "Cut off", text).outcome(Outcome::Broken));
    };
    let draft = &entry.draft;
    let (tone, how, outcome) = match draft.phase {
        Phase::Failed if draft.note.starts_with(NOT_KNOWN) => (Tone::Warn, "ended nobody knows how", Outcome::Broken),
        Phase::Failed => (Tone::Bad, "failed", Outcome::Broken),
        _ => (Tone::Good, "is done", Outcome::Done),
    };
    let place = draft.environment.as_deref().map(|env| format!(" in `{env}`")).unwrap_or_default();
    let what = format!("{} {}{place}", draft.verb, text::code(&draft.object));
    let says = format!("{what} {how}. Deckhand was stopped before it could tell more here.");
    let mut reply = Reply::card(tone, format!("{} {how}", draft.verb), says)
        .field("Act", format!("#{}", entry.act()))
        .outcome(outcome);
    if !draft.note.is_empty() {
        reply = reply.field("Note", both_ends(&draft.note));
    }
    let (Some(undo), Some(state)) = (&draft.undo, &draft.state) else { return Ok(reply) };
    let version = store.get(state).await?.map_or(0, |record| record.version);
    Ok(reply.button(Button::new(format!("Undo #{}", entry.act()), undo).drawn_from(state, version)))
}

/// A note, fit to be shown: of a long one what it begins with, and what it says is to be done next.
fn both_ends(note: &str) -> String {
    const END: usize = 240;
    let letters: Vec<_> = note.chars().collect();
    if letters.len() <= 2 * END {
        return text::plain(note);
    }
    let part = |letters: &[char]| text::plain(&letters.iter().collect::<String>());
    format!("{} … {}", part(&letters[..END]), part(&letters[letters.len() - END..]))
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
