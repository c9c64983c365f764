//! The timeline: what people note, what is told, what changes, and acts of the ledger that somebody keeps.

use super::records::{Entry, Kind, Revision, Standing, TIMELINE, noted_by, timeline_of};
use super::{Change, Incidents, act, check_moment, enter, lately, look, meant, same_channel, show};
use chrono::{DateTime, SecondsFormat, Utc};
use commands::act::Act;
use commands::cx::Cx;
use commands::ledger::{self, Phase, Query};
use commands::offer::incident::Todo;
use commands::parse::{LONGEST_LINE, quote};
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use serde::Deserialize;
use std::collections::HashSet;

/// How many entries a page shows: as many as a phone does without much scrolling.
const PAGE: usize = 10;

/// How many acts are offered at once to be kept.
const CANDIDATES: usize = 5;

/// The widest that an entry is shown in a page, in columns.
const WIDEST: usize = 500;

/// How many things to do an incident may leave.
const MOST_TODOS: usize = 50;

#[derive(Deserialize)]
struct NoteArgs {
    text: String,
    at: Option<DateTime<Utc>>,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct TimelineArgs {
    number: Option<u64>,
    candidates: Option<String>,
    before: Option<String>,
}

#[derive(Deserialize)]
struct KeepArgs {
    act: u64,
    cause: Option<String>,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct AmendArgs {
    entry: u64,
    text: String,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct TodoArgs {
    text: Option<String>,
    owner: Option<String>,
    due: Option<DateTime<Utc>>,
    done: Option<u64>,
    number: Option<u64>,
}

impl Incidents {
    pub(super) async fn note(&self, cx: &Cx) -> Result<Reply> {
        let NoteArgs { text, at: said_at, number } = cx.args()?;
        let it = meant(cx, number).await?;
        let at = said_at.unwrap_or_else(|| cx.now());
        check_moment(cx, at)?;
        let entry = Entry { at, text: text.clone(), ..Entry::by(cx) };
        let change = Change::now(cx, "incidents.note", "Note it".to_owned());
        let noted = Act {
            state: None,
            facts: vec![("text", text.clone()), ("at", said_at.map_or_else(String::new, |at| at.to_rfc3339()))],
            ..act(&it, &change, cx)
        };
        let told = |entry: u64| {
            let who = show::who(cx.who());
            let when = show::moment(cx, at);
            Reply::say(format!("{} {who}, {when}: {}", show::label(&it.incident, it.number), text::plain(&text)))
                .field("Entry", format!("#{entry}"))
        };
        let number = cx
            .act(noted, async |permit| {
                enter(permit, it.number, &entry)?;
                self.tell(cx, permit, &it, &told(permit.act()), false)?;
                Ok(permit.act())
            })
            .await?;
        Ok(told(number))
    }

    pub(super) async fn timeline(&self, cx: &Cx) -> Result<Reply> {
        let TimelineArgs { number, candidates, before } = cx.args()?;
        let it = meant(cx, number).await?;
        if candidates.is_some() {
            return self.candidates(cx, &it).await;
        }
        let prefix = timeline_of(it.number);
        let from = before.as_ref().map(|before| format!("{prefix}{before}"));
        let mut page = TIMELINE.scan_back(cx.store(), &prefix, from.as_deref(), PAGE + 1).await?;
        let more = page.len() > PAGE;
        page.truncate(PAGE);
        let first = page.last().and_then(|(name, _)| name.strip_prefix(&prefix)).map(str::to_owned);
        let rows: Vec<_> = page.iter().rev().map(|(name, entry)| row(cx, name, entry)).collect();
        let says = match (rows.len(), before) {
            (0, _) => "Nothing stands there.",
            (_, None) => "The newest, oldest of them first.",
            (_, Some(_)) => "What was before that, oldest first.",
        };
        let title = format!("Timeline of {}", show::headline(&it));
        let mut reply = Reply::card(Tone::Plain, title, says).table(["#", "When", "Who", "What"], rows);
        if let (true, Some(first)) = (more, first) {
            let line = format!("incident timeline number:{} before:{first}", it.number);
            reply = reply.button(Button::new("Earlier", line));
        }
        Ok(reply.button(Button::new("Candidates", format!("incident timeline number:{} candidates:yes", it.number))))
    }

    /// What stands on the ledger of what the incident affects, and not in its timeline.
    async fn candidates(&self, cx: &Cx, it: &Standing) -> Result<Reply> {
        let kept = kept(cx, it).await?;
        let mut acts = lately::acts(cx, &it.incident.offered(it.number), self.settings.lately).await?;
        acts.retain(|entry| !kept.contains(&entry.act()));
        let title = format!("Candidates for the timeline of #{}", it.number);
        if acts.is_empty() {
            let span = config::duration::show(self.settings.lately.to_std().unwrap_or_default());
            let says = format!(
                "The ledger has nothing more about what #{} affects, from {span} before it on. `/incident keep` keeps any other act.",
                it.number
            );
            return Ok(Reply::card(Tone::Plain, title, says));
        }
        let more = acts.len().saturating_sub(CANDIDATES);
        let more = if more > 0 { format!(" {more} older ones come when these are kept.") } else { String::new() };
        let mut reply = Reply::card(Tone::Plain, title, format!("Newest first. One press keeps an act.{more}"));
        for entry in acts.iter().take(CANDIDATES) {
            let head =
                format!("#{} {}, {}", entry.act(), show::who(&entry.draft.who), show::moment(cx, entry.draft.at));
            let line = format!("incident keep act:{} number:{}", entry.act(), it.number);
            reply = reply.field(head, lately::words(entry)).button(Button::new(format!("Keep #{}", entry.act()), line));
        }
        Ok(reply)
    }

    pub(super) async fn keep(&self, cx: &Cx) -> Result<Reply> {
        let KeepArgs { act: number, cause, number: incident } = cx.args()?;
        let mut it = meant(cx, incident).await?;
        let is_kept = kept(cx, &it).await?.contains(&number);
        if is_kept && (cause.is_none() || it.incident.cause == Some(number)) {
            return Err(Stop::refuse(format!("Act #{number} stands in the timeline of #{} already.", it.number)));
        }
        let Some(found) = find(cx, number).await? else {
            return Err(Stop::refuse(format!(
                "There is no act #{number} on the ledger, so nothing was kept. `/incident timeline candidates:yes` shows those that may belong there."
            )));
        };
        let words = lately::words(&found);
        let what = match cause {
            Some(_) => format!("Brought about by #{number}: {words}"),
            None => format!("Kept #{number}: {words}"),
        };
        it.incident.cause = cause.map(|_| number).or(it.incident.cause);
        let change = Change { at: found.draft.at, kind: Some(Kind::Act), ..Change::now(cx, "incidents.keep", what) };
        let told = show::changed(cx, &it, &change);
        let entry = Entry {
            at: found.draft.at,
            kind: Kind::Act,
            who: found.draft.who.clone(),
            text: words,
            about: Some(number),
            place: found.draft.place.clone(),
            revisions: Vec::new(),
        };
        let kept = act(&it, &change, cx);
        cx.act(kept, async |permit| {
            it.put(permit)?;
            if !is_kept {
                enter(permit, it.number, &entry)?;
            }
            self.tell(cx, permit, &it, &told, false)
        })
        .await?;
        Ok(told)
    }

    pub(super) async fn todo(&self, cx: &Cx) -> Result<Reply> {
        let TodoArgs { text, owner, due, done, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        if let Some(done) = done {
            let Some(at) = it.incident.todos.iter().position(|todo| todo.number == done) else {
                return Err(Stop::refuse(format!(
                    "Incident #{} has no #{done} to do, so nothing was changed. `/incident todo number:{0}` shows what it has.",
                    it.number
                )));
            };
            let todo = it.incident.todos.remove(at);
            let what = format!("Done: {}", text::plain(&todo.text));
            let owner = todo.owner.iter().map(|owner| format!(" owner:{owner}"));
            let due = todo.due.iter().map(|due| format!(" due:{}", due.to_rfc3339_opts(SecondsFormat::AutoSi, true)));
            let more: String = owner.chain(due).collect();
            let again = format!("incident todo text:{}{more} number:{}", quote(&todo.text), it.number);
            return self.change(cx, it, Change::now(cx, "incidents.done", what).undo(again)).await;
        }
        let Some(text) = text else { return Ok(todos(cx, &it)) };
        if it.incident.todos.len() >= MOST_TODOS {
            return Err(Stop::refuse(format!(
                "Incident #{} leaves {MOST_TODOS} things to do, and no more are kept. `/incident todo done:…` takes one off.",
                it.number
            )));
        }
        let called: Vec<_> = owner.clone().filter(|owner| owner != cx.who()).into_iter().collect();
        let todo = Todo { number: 0, text, owner, due };
        let what = format!("To do: {}", look::todo_words(cx, &todo));
        let change = Change::now(cx, "incidents.todo", what);
        let act = act(&it, &change, cx);
        let told = Reply { calls: called, ..show::changed(cx, &it, &change) };
        let here = same_channel(it.home(), &cx.call().place);
        let number = cx
            .act(act, async |permit| {
                it.incident.todos.push(Todo { number: permit.act(), ..todo });
                it.put(permit)?;
                permit.undo(Some(format!("incident todo done:{} number:{}", permit.act(), it.number)));
                self.tell(cx, permit, &it, &told, false)?;
                Ok(permit.act())
            })
            .await?;
        let told = if here { told } else { Reply { calls: Vec::new(), ..told } };
        Ok(told.field("Number", format!("#{number}")))
    }
}

/// Corrects the words of a note or an update; those that stood there are kept.
pub(super) async fn amend(cx: &Cx) -> Result<Reply> {
    let AmendArgs { entry: number, text, number: incident } = cx.args()?;
    let mut it = meant(cx, incident).await?;
    let all = TIMELINE.scan(cx.store(), &timeline_of(it.number), usize::MAX).await?;
    let found = all.into_iter().find(|(name, _)| noted_by(name) == number);
    let Some((name, Versioned { value: mut entry, version })) = found else {
        return Err(Stop::refuse(format!(
            "The timeline of #{} has no entry #{number}, so nothing was changed. `/incident timeline {0}` shows them with their numbers.",
            it.number
        )));
    };
    if !matches!(entry.kind, Kind::Note | Kind::Update) {
        return Err(Stop::refuse(format!(
            "Entry #{number} is what happened, and not somebody's words, so it was not changed. Add a note: `/incident note`."
        )));
    }
    let before = std::mem::replace(&mut entry.text, text.clone());
    entry.revisions.push(Revision { text: before.clone(), by: cx.who().to_owned(), at: cx.now() });
    let undo = format!("incident amend entry:{number} text:{} number:{}", quote(&before), it.number);
    let change = Change::now(cx, "incidents.amend", format!("Amend entry #{number}"));
    let change = Change { undo: (undo.chars().count() <= LONGEST_LINE).then_some(undo), ..change };
    let amended = Act {
        facts: vec![("entry", number.to_string()), ("text", text.clone()), ("before", before)],
        state: Some(TIMELINE.key(&name)),
        ..act(&it, &change, cx)
    };
    let update = it.incident.update.as_mut().filter(|update| entry.kind == Kind::Update && update.at == entry.at);
    let is_last = update.map(|update| update.text.clone_from(&text)).is_some();
    cx.act(amended, async |permit| {
        if is_last {
            it.put(permit)?;
        }
        permit.expect(TIMELINE.key(&name), version);
        Ok(TIMELINE.put(permit, &name, &entry)?)
    })
    .await?;
    Ok(Reply::say(format!(
        "Entry #{number} of #{} says now: {}. What it said before is kept.",
        it.number,
        text::plain(&text)
    )))
}

/// The acts that stand in the timeline.
async fn kept(cx: &Cx, it: &Standing) -> Result<HashSet<u64>> {
    let all = TIMELINE.scan(cx.store(), &timeline_of(it.number), usize::MAX).await?;
    Ok(all.iter().map(|(name, entry)| entry.value.about.unwrap_or_else(|| noted_by(name))).collect())
}

/// The newest entry of an act.
async fn find(cx: &Cx, act: u64) -> Result<Option<ledger::Entry>> {
    let Some(record) = cx.store().get(&ledger::key(act)).await? else { return Ok(None) };
    let doing = ledger::Entry::read(&record.value)?;
    if doing.draft.phase != Phase::Doing {
        return Ok(None);
    }
    let query = Query { verb: Some(doing.draft.verb.clone()), since: Some(doing.draft.at), ..Query::default() };
    let entries = query.run(cx.store(), usize::MAX).await?;
    Ok(entries.into_iter().find(|entry| entry.act() == act).or(Some(doing)))
}

fn row(cx: &Cx, name: &str, entry: &Versioned<Entry>) -> [String; 4] {
    let Versioned { value: entry, .. } = entry;
    let amended = if entry.revisions.is_empty() { "" } else { " (amended)" };
    let number = entry.about.unwrap_or_else(|| noted_by(name));
    [
        format!("#{number}"),
        show::moment(cx, entry.at),
        show::who(&entry.who),
        format!("{}{amended}", text::cut(&text::plain(&entry.text), WIDEST)),
    ]
}

fn todos(cx: &Cx, it: &Standing) -> Reply {
    if it.incident.todos.is_empty() {
        return Reply::say(format!(
            "Incident #{} leaves nothing to do so far. `/incident todo text:\"…\" number:{0}` notes something.",
            it.number
        ));
    }
    let row = |todo: &Todo| {
        let owner = todo.owner.as_ref().map_or_else(|| "nobody yet".to_owned(), |owner| text::plain(owner));
        let due = todo.due.map_or_else(|| "–".to_owned(), |due| show::moment(cx, due));
        [format!("#{}", todo.number), text::plain(&todo.text), owner, due]
    };
    let rows = it.incident.todos.iter().map(row).collect();
    Reply::card(Tone::Plain, format!("To do after {}", show::headline(it)), "").table(["#", "What", "Who", "By"], rows)
}
