//! Acts that leave a note by themselves, such as a freeze that somebody breaks: in the timeline of the incident that they
//! touch, or, where none is open, as a question whether there is one: the one that is opened for it takes the note.

use super::records::{Entry, Kind, Standing, name};
use super::{Incidents, enter, lately, show};
use chrono::TimeDelta;
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::ledger::{self, Phase, Query};
use commands::offer::incident::Incident;
use commands::parse::quote;
use commands::reply::{Button, Look, Reply, Tone};
use commands::stop::Result;
use commands::table::Table;
use commands::text;
use serde::{Deserialize, Serialize};

/// The last act that was looked at, of each verb.
const NOTICED: Table<u64> = Table::new("incidents/noticed/");

/// Notes that wait for an incident to be opened, by the number of the act that they are of.
const WAITING: Table<Waiting> = Table::new("incidents/waiting/");

/// A note of an act that touched no incident.
#[derive(Serialize, Deserialize)]
pub(super) struct Waiting {
    service: Option<String>,
    environment: Option<String>,
    entry: Entry,
}

/// How old an act may be that leaves a note: what happened while Deckhand was away for long, nobody waits for.
const OLDEST: TimeDelta = TimeDelta::hours(1);

impl Incidents {
    /// Notes what was done since the last look.
    pub(super) async fn notice(&self, cx: &Cx) -> Result<()> {
        for verb in &self.settings.notes {
            let query = Query { verb: Some(verb.clone()), since: Some(cx.now() - OLDEST), ..Query::default() };
            let noticed = NOTICED.get(cx.store(), verb).await?;
            let (last, mut version) = noticed.map_or((0, 0), |noticed| (noticed.value, noticed.version));
            let mut acts = query.run(cx.store(), usize::MAX).await?;
            acts.retain(|entry| entry.draft.phase == Phase::Did && entry.seq > last);
            for entry in acts.iter().rev() {
                self.note_of(cx, verb, entry, version).await?;
                version = NOTICED.get(cx.store(), verb).await?.map_or(0, |noticed| noticed.version);
            }
        }
        Ok(())
    }

    async fn note_of(&self, cx: &Cx, verb: &str, done: &ledger::Entry, version: u64) -> Result<()> {
        let draft = &done.draft;
        let (service, environment) = (draft.service.as_deref(), draft.environment.as_deref());
        let open = Standing::open(cx.store()).await?;
        let touches = |it: &&Standing| it.incident.offered(it.number).concerns(service, environment);
        let touched: Vec<_> = open.iter().filter(touches).collect();
        let why = if draft.why.is_empty() { String::new() } else { format!(", because: {}", text::plain(&draft.why)) };
        let words = format!("{}{why}", lately::words(done));
        let entry = Entry {
            at: draft.at,
            kind: Kind::Act,
            who: draft.who.clone(),
            text: words.clone(),
            about: Some(done.act()),
            place: draft.place.clone(),
            message: None,
            revisions: Vec::new(),
        };
        let act = Act {
            verb: "incidents.notice",
            object: format!("#{}", done.act()),
            service: draft.service.clone(),
            environment: draft.environment.clone(),
            ..Act::default()
        };
        cx.act(act, async |permit| {
            permit.expect(NOTICED.key(verb), version);
            NOTICED.put(permit, verb, &done.seq)?;
            for it in &touched {
                enter(permit, it.number, &entry)?;
                let says = format!("{}: {words}. It stands in the timeline.", show::who(&draft.who));
                permit.say(it.home(), Reply::card(Tone::Warn, show::headline(it), says))?;
            }
            if touched.is_empty() {
                self.let_wait(cx, permit, done, entry).await?;
                let nowhere = self.settings.tell.is_empty().then_some(&draft.place);
                self.settings
                    .tell
                    .iter()
                    .chain(nowhere)
                    .try_for_each(|place| permit.say(place, asked(done, &words)))?;
            }
            Ok(())
        })
        .await
    }

    /// Keeps a note for the incident that is opened for it, and forgets those that nothing was opened for.
    async fn let_wait(&self, cx: &Cx, permit: &Permit, done: &ledger::Entry, entry: Entry) -> anyhow::Result<()> {
        for (name, waits) in WAITING.scan(cx.store(), "", usize::MAX).await? {
            if waits.value.entry.at < cx.now() - self.settings.lately {
                permit.delete(WAITING.key(name));
            }
        }
        let ledger::Draft { service, environment, .. } = done.draft.clone();
        WAITING.put(permit, name(done.act()), &Waiting { service, environment, entry })
    }

    /// The notes that wait for this incident.
    pub(super) async fn waiting(&self, cx: &Cx, incident: &Incident) -> anyhow::Result<Vec<(String, Waiting)>> {
        let from = incident.since() - self.settings.lately;
        let waiting = WAITING.scan(cx.store(), "", usize::MAX).await?.into_iter().map(|(name, it)| (name, it.value));
        let touches =
            |it: &Waiting| it.entry.at >= from && incident.concerns(it.service.as_deref(), it.environment.as_deref());
        Ok(waiting.filter(|(_, it)| touches(it)).collect())
    }
}

/// Puts notes that have waited into the timeline of an incident.
pub(super) fn take(permit: &Permit, incident: u64, waiting: &[(String, Waiting)]) -> anyhow::Result<()> {
    waiting.iter().try_for_each(|(name, waits)| {
        permit.delete(WAITING.key(name));
        enter(permit, incident, &waits.entry)
    })
}

/// The question whether what somebody did belongs to an incident that nobody has opened.
fn asked(done: &ledger::Entry, words: &str) -> Reply {
    let draft = &done.draft;
    let why = if draft.why.is_empty() { draft.verb.clone() } else { text::cut(&text::plain(&draft.why), 200) };
    let part =
        |name: &str, value: &Option<String>| value.as_ref().map_or_else(String::new, |it| format!(" {name}:{it}"));
    let at = part("service", &draft.service) + &part("env", &draft.environment);
    let line = format!("incident open title:{}{at}", quote(&why));
    let says =
        format!("{}: {words}. No incident is open for it; one that is opened takes this note.", show::who(&draft.who));
    let open = Button::new("Open an incident", line).look(Look::Main);
    Reply::card(Tone::Warn, format!("#{}: is this an incident?", done.act()), says).button(open)
}
