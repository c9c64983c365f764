//! The timeline: what people note, what is told and what changes, page by page and one by one.

use super::records::{Entry, Kind, Revision, Standing, TIMELINE, noted_by, timeline_of};
use super::{Change, Incidents, act, check_moment, enter, keep, look, meant, quote, same_channel, show};
use chrono::{DateTime, SecondsFormat, Utc};
use commands::act::Act;
use commands::cx::Cx;
use commands::offer::incident::Todo;
use commands::parse::{self, LONGEST_LINE};
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use serde::Deserialize;

/// How many entries a page shows: as many as a phone does without much scrolling.
const PAGE: usize = 10;

/// How wide the lines are of an entry that is shown whole: what a phone shows without breaking them.
const WRAPPED: usize = 72;

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
    entry: Option<u64>,
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
            let told =
                Reply::say(format!("{} {who}, {when}: {}", show::label(&it.incident, it.number), text::plain(&text)))
                    .field("Entry", format!("#{entry}"));
            if is_cut(&text) { told.button(whole(it.number, entry)) } else { told }
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
        let TimelineArgs { number, candidates, before, entry } = cx.args()?;
        let it = meant(cx, number).await?;
        if candidates.is_some() {
            return self.candidates(cx, &it).await;
        }
        if let Some(entry) = entry {
            return one(cx, &it, entry).await;
        }
        let prefix = timeline_of(it.number);
        let from = before.as_ref().map(|before| format!("{prefix}{before}"));
        let mut page = TIMELINE.scan_back(cx.store(), &prefix, from.as_deref(), PAGE + 1).await?;
        let more = page.len() > PAGE;
        page.truncate(PAGE);
        let first = page.last().and_then(|(name, _)| name.strip_prefix(&prefix)).map(str::to_owned);
        let mut rows = Vec::new();
        let mut more_of_one = None;
        for (name, Versioned { value: mut entry, .. }) in page.into_iter().rev() {
            keep::settle(cx.store(), &mut entry).await?;
            more_of_one = more_of_one.or_else(|| entry.has_more().then(|| entry.number(&name)));
            rows.push(row(cx, &name, &entry));
        }
        let says = match (rows.len(), before) {
            (0, _) => "Nothing stands there.",
            (_, None) => "The newest, oldest of them first.",
            (_, Some(_)) => "What was before that, oldest first.",
        };
        let more_of_one = more_of_one.map(|entry| {
            format!(
                " `/incident timeline entry:{entry} number:{}` shows all of an entry: its files, what it said before.",
                it.number
            )
        });
        let says = format!("{says}{}", more_of_one.unwrap_or_default());
        let title = format!("Timeline of {}", show::headline(&it));
        let mut reply = Reply::card(Tone::Plain, title, says).table(["#", "When", "Who", "What"], rows);
        if let (true, Some(first)) = (more, first) {
            let line = format!("incident timeline number:{} before:{first}", it.number);
            reply = reply.button(Button::new("Earlier", line));
        }
        Ok(reply.button(Button::new("Candidates", format!("incident timeline number:{} candidates:yes", it.number))))
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
            let again = format!("incident todo text:{}{more} number:{}", parse::quote(&todo.text), it.number);
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
    if entry.kind == Kind::Quote {
        return Err(Stop::refuse(format!(
            "Entry #{number} is what {} said, so it was not changed. Add a note: `/incident note`; or take it out: `/incident quote message:{} remove:yes number:{}`.",
            show::who(&entry.who),
            entry.message.map(|message| message.name).unwrap_or_default(),
            it.number
        )));
    }
    if !matches!(entry.kind, Kind::Note | Kind::Update) {
        return Err(Stop::refuse(format!(
            "Entry #{number} is what happened, and not somebody's words, so it was not changed. Add a note: `/incident note`."
        )));
    }
    let before = std::mem::replace(&mut entry.text, text.clone());
    entry.revisions.push(Revision { text: before.clone(), by: cx.who().to_owned(), at: cx.now() });
    let undo = format!("incident amend entry:{number} text:{} number:{}", parse::quote(&before), it.number);
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

impl Entry {
    /// Its number: that of the act that it is, or that noted it.
    pub(super) fn number(&self, name: &str) -> u64 {
        self.about.unwrap_or_else(|| noted_by(name))
    }

    /// Whether there is more of it than a row of the timeline shows.
    fn has_more(&self) -> bool {
        let goes_with =
            self.message.as_ref().is_some_and(|message| !message.files.is_empty() || !message.missing.is_empty());
        is_cut(&self.text) || !self.revisions.is_empty() || goes_with
    }

    /// Who it is of, as they are shown.
    fn author(&self) -> String {
        let called = self.message.as_ref().map_or("", |message| &message.called);
        quote::shown_as(&self.who, called)
    }
}

/// Whether a text is shown cut.
fn is_cut(text: &str) -> bool {
    text::plain(&text::as_line(text)) != text::plain_whole(&text::as_line(text))
}

/// The button that shows an entry whole.
fn whole(incident: u64, entry: u64) -> Button {
    Button::new("All of it", format!("incident timeline number:{incident} entry:{entry}"))
}

fn row(cx: &Cx, name: &str, entry: &Entry) -> [String; 4] {
    let mut words = quote::words(&entry.text);
    if is_cut(&entry.text) {
        words += " (cut)";
    }
    if !entry.revisions.is_empty() {
        words += if entry.kind == Kind::Quote { " (edited)" } else { " (amended)" };
    }
    if let Some(message) = &entry.message {
        if message.deleted.is_some() {
            words += " (deleted there)";
        }
        let files = message.files.len() + message.missing.len();
        if files > 0 {
            words += &format!(" (with {})", text::plural(files, "file"));
        }
    }
    [format!("#{}", entry.number(name)), show::moment(cx, entry.at), entry.author(), words]
}

/// One entry, whole.
async fn one(cx: &Cx, it: &Standing, number: u64) -> Result<Reply> {
    let all = TIMELINE.scan(cx.store(), &timeline_of(it.number), usize::MAX).await?;
    let found = all.into_iter().find(|(name, entry)| entry.value.number(name) == number);
    let Some((_, Versioned { value: mut entry, .. })) = found else {
        return Err(Stop::refuse(format!(
            "The timeline of #{} has no entry #{number}. `/incident timeline {0}` shows them with their numbers.",
            it.number
        )));
    };
    keep::settle(cx.store(), &mut entry).await?;
    let says = if is_cut(&entry.text) { String::new() } else { quote::words(&entry.text) };
    let mut reply = Reply::card(Tone::Plain, format!("Entry #{number} of {}", show::headline(it)), says);
    if is_cut(&entry.text) {
        reply = reply.output(text::wrapped(&entry.text, WRAPPED));
    }
    reply = reply.field("By", entry.author()).field("At", show::both(cx, entry.at));
    for before in &entry.revisions {
        let when = format!("Before {}", show::moment(cx, before.at));
        reply = reply.field(when, format!("{} ({} changed it)", quote::words(&before.text), show::who(&before.by)));
    }
    let Some(message) = entry.message else { return Ok(reply) };
    if let Some(deleted) = message.deleted {
        reply = reply.field("Deleted there", show::both(cx, deleted));
    }
    if let Some(link) = message.link {
        reply = reply.field("Said here", link);
    }
    if !message.missing.is_empty() {
        reply = reply.field("Not copied", message.missing.join("; "));
    }
    reply.files = message.files;
    Ok(reply)
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
        let due = todo.due.map_or_else(|| "–".to_owned(), |due| show::due(cx, due));
        [format!("#{}", todo.number), text::plain(&todo.text), owner, due]
    };
    let rows = it.incident.todos.iter().map(row).collect();
    Reply::card(Tone::Plain, format!("To do after {}", show::headline(it)), "").table(["#", "What", "Who", "By"], rows)
}
