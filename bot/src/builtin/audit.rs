//! `/audit` and `/changes`: the ledger, read.

use chrono::{DateTime, TimeDelta, Utc};
use commands::act;
use commands::cx::Cx;
use commands::ledger::{Draft, Entry, Phase, Query};
use commands::reply::{Button, Reply, Tone};
use commands::stop::Result;
use commands::text;
use std::collections::HashSet;

/// How many acts a page shows: as many as a phone does without much scrolling.
const PAGE: usize = 10;

/// How far `/changes` looks back where nobody says.
const LATELY: TimeDelta = TimeDelta::hours(24);

#[derive(serde::Deserialize)]
struct AuditArgs {
    service: Option<String>,
    env: Option<String>,
    person: Option<String>,
    verb: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    before: Option<u64>,
}

pub(super) async fn audit(cx: &Cx) -> Result<Reply> {
    let AuditArgs { service, env: environment, person, verb, since, until, before } = cx.args()?;
    let all = cx.invocation().is_none_or(|said| said.args.iter().next().is_none());
    let query = Query { service, environment, person, verb, since, until, before };
    let (acts, more) = query.acts(cx.store(), PAGE).await?;
    if acts.is_empty() {
        let text = match all {
            true => "Nothing stands on the ledger yet: nobody has changed anything.",
            false => "Nothing on the ledger fits. `/audit` alone shows the newest entries.",
        };
        return Ok(Reply::say(text));
    }
    let zone = cx.ports().vocabulary.zone;
    let today = cx.now().with_timezone(&zone).date_naive();
    let row = |entry: &Entry| {
        let at = entry.draft.at.with_timezone(&zone);
        let day = if at.date_naive() == today { "%H:%M" } else { "%Y-%m-%d %H:%M" };
        let place = entry.draft.environment.as_deref().unwrap_or("–");
        let undo = entry.draft.undo.as_deref().map_or_else(|| "–".to_owned(), |line| format!("/{line}"));
        let what = format!("{} {}", entry.draft.verb, text::plain(&entry.draft.object));
        let why = if entry.draft.why.is_empty() { "–".to_owned() } else { text::plain(&entry.draft.why) };
        [
            format!("#{}", entry.act()),
            at.format(day).to_string(),
            who(&entry.draft),
            what,
            place.to_owned(),
            entry.draft.phase.word().to_owned(),
            why,
            undo,
        ]
    };
    let rows: Vec<_> = acts.iter().map(row).collect();
    let says = format!("{}, newest first, times in {zone}.", text::plural(rows.len(), "act"));
    let head = ["#", "When", "Who", "What", "Where", "How", "Why", "Undo"];
    let reply = Reply::card(Tone::Plain, "Ledger", says).table(head, rows);
    Ok(match (more, acts.last(), cx.invocation()) {
        (true, Some(last), Some(said)) => {
            let mut next = said.clone();
            let before = i64::try_from(last.seq).unwrap_or(i64::MAX);
            next.args.set(next.command, "before", commands::value::Value::Integer(before));
            reply.button(Button::new("Older", next.line()))
        }
        _ => reply,
    })
}

#[derive(serde::Deserialize)]
struct ChangesArgs {
    since: Option<DateTime<Utc>>,
    service: Option<String>,
    env: Option<String>,
}

pub(super) async fn changes(cx: &Cx) -> Result<Reply> {
    let ChangesArgs { since, service, env: environment } = cx.args()?;
    let since = since.unwrap_or_else(|| cx.now() - LATELY);
    let query = Query { service, environment, since: Some(since), ..Query::default() };
    let (acts, more) = query.acts(cx.store(), PAGE).await?;
    let zone = cx.ports().vocabulary.zone;
    let from = since.with_timezone(&zone).format("%Y-%m-%d %H:%M %Z");
    if acts.is_empty() {
        return Ok(Reply::say(format!("Nothing has changed since {from}.")));
    }
    let count = if more { format!("More than {PAGE} changes") } else { text::plural(acts.len(), "change") };
    let mut reply = Reply::card(Tone::Plain, format!("{count} since {from}"), "Newest first.");
    let mut seen = HashSet::new();
    for entry in &acts {
        let draft = &entry.draft;
        let how = match draft.phase {
            Phase::Did => String::new(),
            Phase::Doing => " (under way)".to_owned(),
            Phase::Failed => " (failed)".to_owned(),
        };
        let place = draft.environment.as_deref().map(|env| format!(" in `{env}`")).unwrap_or_default();
        let what = format!("{} {}{place}{how}", draft.verb, text::code(&draft.object));
        let by_hand = draft.by_hand().map(|how| format!(". Way back: {}", text::plain(how))).unwrap_or_default();
        let what = what + &by_hand;
        let who = who(draft);
        reply = reply.field(format!("#{} {who}, {}", entry.act(), text::ago(draft.at, cx.now())), what);
        // Only the newest change of a thing can be taken back by its own undo line: an older one has been overtaken.
        if seen.insert(&draft.state) {
            reply.buttons.extend(act::way_back(cx.store(), entry).await?);
        }
    }
    if more {
        let all = format!("The rest: `/audit since:\"{}\"`.", since.with_timezone(&zone).format("%Y-%m-%d %H:%M"));
        reply.text = format!("{} {all}", reply.text);
    }
    Ok(reply)
}

/// Who did it, and who approved it.
fn who(draft: &Draft) -> String {
    let by = draft.approved_by().into_iter().map(text::plain).collect::<Vec<_>>().join(", ");
    let who = text::plain(&draft.who);
    if by.is_empty() { who } else { format!("{who} (approved by {by})") }
}
