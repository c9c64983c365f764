//! A departure: for each that is ready, in order, what the config says is said as the one who called it ready.
//!
//! It is said as that person, not as Deckhand: nobody gets through a train what they may not ship themselves, and the ledger
//! names who answers for it. Each is a saying of its own, which begins one act at the most; so a departure that was cut off
//! just goes on.

use super::records::{Entry, Leaving, Outcome, State, TRAINS};
use super::settings::{OnHold, Train};
use super::{Standing, Station, act, show, stayed};
use chrono::{DateTime, Utc};
use commands::act::{Act, Permit, begun_by, has_begun};
use commands::cx::{Cx, Saying};
use commands::ledger::Phase;
use commands::reply::{self, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use std::time::Duration;

/// How often an act is looked at that was begun before a restart.
const LOOK: Duration = Duration::from_secs(1);

/// Whether something leaves now: it is ready, and not held.
pub(super) fn leaves(train: &Train, state: &State, entry: &Entry) -> bool {
    let held = |entry: &Entry| state.hold.as_ref().is_some_and(|hold| hold.who == entry.who);
    entry.ready && !(train.on_hold == OnHold::LeaveWithout && held(entry))
}

impl Station {
    pub(super) async fn go(&self, cx: &Cx, it: Standing<'_>) -> Result<Reply> {
        let Standing { train, state, .. } = it;
        let name = train.name;
        if let Some(closed) = &state.closed {
            return Err(Stop::refuse(format!(
                "{} has closed the train `{name}`: {}. It did not leave; `/train open {name}` opens it.",
                text::plain(&closed.who),
                text::plain(&closed.why)
            )));
        }
        if let Some(hold) = state.hold.as_ref().filter(|_| train.on_hold == OnHold::Wait) {
            return Err(Stop::refuse(format!(
                "{} holds the train `{name}`: {}. It did not leave; `/train open {name}` ends the hold.",
                text::plain(&hold.who),
                text::plain(&hold.why)
            )));
        }
        let ready: Vec<_> =
            state.aboard.iter().filter(|entry| leaves(train, &state, entry)).map(ToString::to_string).collect();
        if ready.is_empty() {
            return Err(Stop::refuse(format!(
                "Nothing aboard the train `{name}` is ready, so it did not leave. `/train list {name}` shows what is aboard."
            )));
        }
        let says = format!("Ship {} to `{}`.", text::plain(&ready.join(", ")), train.environment);
        let act = Act { facts: vec![("leaves", ready.join("; "))], ..act("train.depart", train, says) };
        cx.act(act, async |permit| self.depart(cx, permit, train).await).await
    }

    /// Begins a departure, or goes on with one.
    pub(super) async fn depart(&self, cx: &Cx, permit: &Permit, train: &Train) -> Result<Reply> {
        let Standing { mut state, version, .. } = self.standing(cx, train.name).await?;
        let under_way = state.leaving.take().filter(|leaving| leaving.act == permit.act());
        let mut leaving = match under_way {
            Some(leaving) => leaving,
            None => {
                let (leave, stay) = state.aboard.clone().into_iter().partition(|entry| leaves(train, &state, entry));
                let leave: Vec<Entry> = leave;
                state.aboard = stay;
                self.next(cx, train, &mut state);
                permit.expect(TRAINS.key(train.name), version);
                let entries = leave.into_iter().map(|entry| (entry, None)).collect();
                Leaving { act: permit.act(), began: cx.now(), entries }
            }
        };
        let stays: Vec<_> = state.aboard.iter().map(ToString::to_string).collect();
        save(permit, train, &mut state, &leaving).await?;
        for at in 0..leaving.entries.len() {
            let (entry, None) = &leaving.entries[at] else { continue };
            cx.progress(show::leaving(train, &leaving, &stays, false));
            let outcome = ship(cx, permit.act(), leaving.began, train, entry).await?;
            leaving.entries[at].1 = Some(outcome.ok_or_else(|| left(train, &leaving, &stays))?);
            save(permit, train, &mut state, &leaving).await?;
        }
        state.aboard.splice(0..0, stayed(&leaving.entries));
        state.leaving = None;
        TRAINS.put(permit, train.name, &state)?;
        let gone = leaving.entries.iter().filter(|(_, outcome)| *outcome == Some(Outcome::Left)).count();
        let note = format!("{gone} of {} left", leaving.entries.len());
        if gone == leaving.entries.len() {
            permit.note(note)
        } else {
            permit.failed(note)
        }
        Ok(show::leaving(train, &leaving, &stays, true))
    }
}

async fn save(permit: &Permit, train: &Train, state: &mut State, leaving: &Leaving) -> Result<()> {
    state.leaving = Some(leaving.clone());
    TRAINS.put(permit, train.name, state)?;
    permit.save().await
}

fn left(train: &Train, leaving: &Leaving, stays: &[String]) -> Stop {
    let reply = show::leaving(train, leaving, stays, false);
    let text = format!("{} Deckhand is being stopped; this goes on when it is back.", reply.text);
    Stop::Left(Box::new(Reply { text, ..reply }))
}

/// Says what ships an entry, or waits for what was said before a restart; nothing comes of it when Deckhand stops.
async fn ship(cx: &Cx, act: u64, since: DateTime<Utc>, train: &Train, entry: &Entry) -> Result<Option<Outcome>> {
    let once = format!("train/{}/{act}/{}", train.name, entry.service);
    if !has_begun(cx.store(), &once).await? {
        let saying = Saying {
            who: entry.who.clone(),
            places: train.places.clone(),
            line: train.line(&entry.service, &entry.commit),
            reason: format!("the train `{}` leaves", train.name),
            once: once.clone(),
            from: None,
        };
        match cx.say(saying).await {
            Ok(reply) if reply.outcome == reply::Outcome::Done => return Ok(Some(Outcome::Left)),
            Ok(reply) => return Ok(Some(Outcome::Stayed(why(&reply)))),
            Err(Stop::Left(_)) => return Ok(None),
            Err(Stop::Broken(error)) => return Ok(Some(Outcome::Stayed(format!("{error:#}")))),
            // It has begun a moment ago.
            Err(Stop::Refused(_)) => {}
        }
    }
    loop {
        let found = begun_by(cx.store(), &once, &entry.who, since).await?;
        match found.map(|entry| entry.draft) {
            Some(draft) if draft.phase == Phase::Did => return Ok(Some(Outcome::Left)),
            Some(draft) if draft.phase == Phase::Failed => return Ok(Some(Outcome::Stayed(draft.note))),
            Some(_) => {}
            None => return Ok(Some(Outcome::Stayed("what became of it is not on the ledger".to_owned()))),
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = cx.stopping().cancelled() => return Ok(None),
        }
    }
}

/// Why a reply says that something was not done.
fn why(reply: &Reply) -> String {
    match &reply.card {
        // A question has a message of its own, and whoever answers it ships.
        Some(card) if card.tone == Tone::Warn => "policy asks for an answer first, in a message of its own".to_owned(),
        _ => reply.text.lines().next().unwrap_or_default().to_owned(),
    }
}
