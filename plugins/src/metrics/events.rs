//! What happened meanwhile: acts on the ledger, which stand on a chart's axis of time and in what is said of it.

use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::ledger::{self, Entry, Phase, Query};
use commands::moment;
use commands::store::Read;
use commands::text;
use std::ops::Range;

/// The most entries of a span that are looked at.
const LOOKED_AT: usize = 2_000;

/// For how long an act may have been under way, at most.
const LONGEST: TimeDelta = TimeDelta::days(2);

/// What the acts are called that change what runs: only these can be why something moves.
const MOVES: [&str; 5] = ["config.change", "deploy.rollback", "deploy.ship", "flags.", "run."];

/// What else is a mark: since when, and until when, something was so. An incident has many acts besides, which would hide it.
const STANDS: [&str; 9] = [
    "alerts.fire",
    "alerts.resolve",
    "checks.",
    "freeze.",
    "incidents.affect",
    "incidents.mitigate",
    "incidents.open",
    "incidents.reopen",
    "incidents.resolve",
];

/// An act that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its number.
    pub act: u64,
    /// When it began.
    pub began: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// What it was: `deploy.ship hello v2 (3f2c1ab)`. It holds people's words, and is not fit to be shown as it is.
    pub what: String,
}

impl Event {
    /// What an entry says that ends an act.
    pub fn of(entry: &Entry, began: DateTime<Utc>) -> Event {
        let failed = if entry.draft.phase == Phase::Failed { ", failed" } else { "" };
        let what = format!("{} {}{failed}", entry.draft.verb, entry.draft.object);
        Event { act: entry.act(), began, ended: entry.draft.at, what }
    }

    /// Whether something can move because of it.
    pub fn moves(&self) -> bool {
        MOVES.iter().any(|verb| self.what.starts_with(verb))
    }

    /// It in a sentence: "#412 `deploy.ship hello v2`".
    pub fn shown(&self) -> String {
        format!("#{} {}", self.act, text::code(&self.what))
    }
}

/// What happened within a span.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Events {
    /// The acts, oldest first.
    pub all: Vec<Event>,
    /// Where there was too much to look at it all: since when it was.
    pub since: Option<DateTime<Utc>>,
}

impl Events {
    /// That what is older is not marked, where that is so.
    pub fn cut(&self, now: DateTime<Utc>, zone: Tz) -> Option<String> {
        let since = moment::show(self.since?, now, zone);
        Some(format!(
            "Changes before {since} are not marked: only the newest {LOOKED_AT} entries of the ledger are looked at."
        ))
    }
}

/// The acts that ended within a span, are marks, and concern this service and environment (or, where none is named, any), oldest
/// first. What concerns neither any service nor any environment is nobody's business here.
///
/// # Errors
/// When the ledger can not be read.
pub async fn within(
    store: &dyn Read,
    span: &Range<DateTime<Utc>>,
    service: Option<&str>,
    environment: Option<&str>,
) -> anyhow::Result<Events> {
    let query = Query { since: Some(span.start), until: Some(span.end), ..Query::default() };
    // One more than is looked at tells whether there are more.
    let mut entries = query.run(store, LOOKED_AT + 1).await?;
    let more = entries.len() > LOOKED_AT;
    entries.truncate(LOOKED_AT);
    entries.reverse();
    let concerns = |entry: &&Entry| {
        let (of, at) = (entry.draft.service.as_deref(), entry.draft.environment.as_deref());
        let same = |is: Option<&str>, wanted: Option<&str>| is.is_none() || wanted.is_none() || is == wanted;
        let is_mark = MOVES.iter().chain(&STANDS).any(|verb| entry.draft.verb.starts_with(verb));
        is_mark && (of.is_some() || at.is_some()) && same(of, service) && same(at, environment)
    };
    let mut events = Vec::new();
    for entry in entries.iter().filter(|entry| entry.draft.phase != Phase::Doing).filter(concerns) {
        let began = match store.get(&ledger::key(entry.act())).await? {
            Some(doing) => Entry::read(&doing.value)?.draft.at,
            None => entry.draft.at,
        };
        events.push(Event::of(entry, began));
    }
    let since = entries.first().filter(|_| more).map(|entry| entry.draft.at);
    Ok(Events { all: events, since })
}

/// The act that the entry of this number is of; nothing where there is none, or where it has not ended.
///
/// # Errors
/// When the ledger can not be read.
pub async fn act(store: &dyn Read, number: u64) -> anyhow::Result<Option<Event>> {
    let Some(record) = store.get(&ledger::key(number)).await? else { return Ok(None) };
    // The entry that ends an act means the act.
    let number = Entry::read(&record.value)?.act();
    let Some(record) = store.get(&ledger::key(number)).await? else { return Ok(None) };
    let doing = Entry::read(&record.value)?;
    let began = doing.draft.at;
    if doing.draft.phase != Phase::Doing {
        // It was done elsewhere, and is only known.
        return Ok(Some(Event::of(&doing, began)));
    }
    let since = Query {
        since: Some(began),
        until: Some(began + LONGEST),
        person: Some(doing.draft.who.clone()),
        verb: Some(doing.draft.verb.clone()),
        ..Query::default()
    };
    let ends = since.run(store, usize::MAX).await?;
    Ok(ends.iter().find(|entry| entry.draft.of == Some(number)).map(|entry| Event::of(entry, began)))
}
