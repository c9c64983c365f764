//! Action items: what is to be done, by whom, until when, and by what one can see that it is done.

use super::hints::Part;
use super::records::{self, DOCUMENTS, Document, ITEMS, Issue, Item, ItemState, Reminded, item_name};
use super::{Postmortems, document, show};
use chrono::{DateTime, NaiveDate, Utc};
use commands::act::{Act, Permit};
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::store::Read;
use commands::table::Versioned;
use commands::text;
use serde::Deserialize;

/// The longest text of an item, in columns.
const LONGEST: usize = 300;

/// What stands where nobody has said by what one can see that an item is done.
const MISSING: &str = "nobody has said yet";

/// The most items of one post-mortem: more are never done.
const MOST: usize = 25;

#[derive(Deserialize)]
struct Adds {
    number: u64,
    what: String,
    owner: String,
    due: DateTime<Utc>,
    kind: String,
    until: String,
}

#[derive(Deserialize)]
struct Changes {
    item: u64,
    owner: Option<String>,
    due: Option<DateTime<Utc>>,
    until: Option<String>,
    because: Option<String>,
}

/// An item, and the post-mortem that it is of.
struct Found {
    document: Document,
    item: Versioned<Item>,
}

impl Postmortems {
    pub(super) async fn add(&self, cx: &Cx) -> Result<Reply> {
        let Adds { number, what, owner, due, kind, until } = cx.args()?;
        let Versioned { value: document, version } = document(cx, Some(number)).await?;
        is_not_closed(&document)?;
        let others = records::items(cx.store(), Some(number)).await?;
        if others.len() >= MOST {
            return Err(Stop::refuse(format!(
                "Post-mortem #{number} has {MOST} action items, which is the most, so nothing was added. What matters most of them?"
            )));
        }
        let mut item = Item {
            number: 0,
            what: text::cut(what.trim(), LONGEST),
            kind,
            owner,
            due: day_of(cx, due),
            until: text::cut(until.trim(), LONGEST),
            state: ItemState::Open,
            reminded: Reminded::since(cx.now()),
            issue: None,
        };
        let facts = vec![
            ("owner", item.owner.clone()),
            ("due", item.due.to_string()),
            ("kind", item.kind.clone()),
            ("until", item.until.clone()),
        ];
        let adds = Act { facts, ..act("postmortems.action", &document, &item) };
        cx.act(adds, async |permit| {
            item.number = permit.act();
            permit.undo(Some(format!("postmortem action drop item:{} because:\"added by mistake\"", item.number)));
            // Whoever closes it at this very moment has not seen this one.
            permit.expect(DOCUMENTS.key(records::name(number)), version);
            ITEMS.put(permit, item_name(number, item.number), &item)?;
            tell(cx, permit, &document, &item)
        })
        .await?;
        let soon = self.settings.tracker.as_ref().map_or_else(String::new, |tracker| {
            format!(" It becomes an issue of {} within a minute.", text::code(&tracker.repository))
        });
        let title = text::code(&document.title);
        let says = format!("Action item #{} is in post-mortem #{number}, {title}.{soon}", item.number);
        let reply = Reply::say(says).only_you();
        let hint = self.look(&document, &item.what, Part::Actions);
        Ok(hint.into_iter().fold(reply, |reply, hint| show::hinted(reply, &item.what, &hint, |_| String::new())))
    }
}

pub(super) async fn change(cx: &Cx) -> Result<Reply> {
    let Changes { item, owner, due, until, .. } = cx.args()?;
    let Found { document, item: Versioned { value: before, version } } = open(cx, item).await?;
    let mut item = before.clone();
    item.owner = owner.unwrap_or(item.owner);
    item.due = due.map_or(item.due, |due| day_of(cx, due));
    item.until = until.map_or(item.until, |until| text::cut(until.trim(), LONGEST));
    if item == before {
        return Err(Stop::refuse("Nothing would change. Say `owner:…`, `due:…` or `until:…`."));
    }
    item.reminded = Reminded::since(cx.now());
    // Who has left can not be named again, nor a day that is over: a line that restores half of it is none.
    let gone = !cx.ports().vocabulary.people.contains(&before.owner);
    let over = before.due <= day_of(cx, cx.now());
    let parts = [
        (item.owner != before.owner).then(|| (!gone).then(|| format!(" owner:{}", before.owner))),
        (item.due != before.due).then(|| (!over).then(|| format!(" due:{}", before.due))),
        (item.until != before.until).then(|| (!before.until.is_empty()).then(|| until_arg(&before.until))),
    ];
    let undo: Option<String> = parts.into_iter().flatten().collect();
    let undo = undo.map(|parts| format!("postmortem action change item:{}{parts}", before.number));
    let facts = vec![("owner", item.owner.clone()), ("due", item.due.to_string()), ("until", item.until.clone())];
    let changes = Act { facts, undo, ..act("postmortems.action-change", &document, &item) };
    cx.act(changes, async |permit| {
        put(permit, &document, version, &item)?;
        tell(cx, permit, &document, &item)
    })
    .await?;
    Ok(Reply::say(format!("Action item #{} is changed.", item.number)).only_you())
}

pub(super) async fn done(cx: &Cx) -> Result<Reply> {
    end(cx, |cx, _| ItemState::Done { at: cx.now() }, "postmortems.action-done", "It is done.").await
}

pub(super) async fn drop(cx: &Cx) -> Result<Reply> {
    let state = |cx: &Cx, why: String| ItemState::Dropped { at: cx.now(), why: text::cut(&why, LONGEST) };
    end(cx, state, "postmortems.action-drop", "It is dropped, and stays in the document with its reason.").await
}

async fn end(cx: &Cx, state: impl Fn(&Cx, String) -> ItemState, verb: &'static str, says: &str) -> Result<Reply> {
    let Changes { item, because, .. } = cx.args()?;
    let Found { document, item: Versioned { value: mut item, version } } = open(cx, item).await?;
    let why = because.unwrap_or_default();
    item.state = state(cx, why.clone());
    let undo = Some(format!("postmortem action reopen item:{}", item.number));
    let ends = Act { undo, why, ..act(verb, &document, &item) };
    cx.act(ends, async |permit| put(permit, &document, version, &item)).await?;
    let left = open_of(cx.store(), document.number).await?.len();
    let reply = told(cx, &item, says);
    let close = Button::new("Close the post-mortem", format!("postmortem close number:{}", document.number));
    let is_last = left == 0 && document.stage == records::Stage::Reviewed;
    Ok(if is_last { reply.button(close) } else { reply })
}

pub(super) async fn reopen(cx: &Cx) -> Result<Reply> {
    let Changes { item, .. } = cx.args()?;
    let Found { document, item: Versioned { value: mut item, version } } = find(cx, item).await?;
    if item.state == ItemState::Open {
        return Err(Stop::refuse(format!("Action item #{} is open, so nothing was changed.", item.number)));
    }
    is_not_closed(&document)?;
    (item.state, item.reminded) = (ItemState::Open, Reminded::since(cx.now()));
    let reopens = act("postmortems.action-reopen", &document, &item);
    cx.act(reopens, async |permit| put(permit, &document, version, &item)).await?;
    Ok(told(cx, &item, "It is to be done again."))
}

/// Refuses what would leave something to be done behind a closed post-mortem.
fn is_not_closed(document: &Document) -> Result<()> {
    match document.stage {
        records::Stage::Closed => Err(Stop::refuse(format!(
            "Post-mortem #{} is closed, so nothing was changed. `/postmortem reopen {0}` opens it again.",
            document.number
        ))),
        _ => Ok(()),
    }
}

/// The open items of a post-mortem.
///
/// # Errors
/// When the store can not be read.
pub async fn open_of(store: &dyn Read, document: u64) -> anyhow::Result<Vec<Item>> {
    let items = records::items(store, Some(document)).await?.into_iter().map(|(_, item)| item.value);
    Ok(items.filter(|item| item.state == ItemState::Open).collect())
}

/// All open items, to complete from.
///
/// # Errors
/// When the store can not be read.
pub async fn open_ones(ports: &Ports) -> anyhow::Result<Vec<Choice>> {
    let open = records::items(&*ports.store, None).await?.into_iter().map(|(_, item)| item.value);
    let choice = |item: Item| Choice {
        value: item.number.to_string(),
        about: format!("{} ({})", text::cut(&text::plain(&item.what), 60), text::plain(&item.owner)),
    };
    Ok(open.filter(|item| item.state == ItemState::Open).map(choice).collect())
}

async fn find(cx: &Cx, number: u64) -> Result<Found> {
    let all = records::items(cx.store(), None).await?;
    let Some((of, item)) = all.into_iter().find(|(_, item)| item.value.number == number) else {
        return Err(Stop::refuse(format!(
            "There is no action item #{number}, so nothing was changed. `/postmortem due` shows those that are open."
        )));
    };
    Ok(Found { document: document(cx, Some(of)).await?.value, item })
}

async fn open(cx: &Cx, number: u64) -> Result<Found> {
    let found = find(cx, number).await?;
    let how = match &found.item.value.state {
        ItemState::Open => return Ok(found),
        ItemState::Done { .. } => "done",
        ItemState::Dropped { .. } => "dropped",
    };
    Err(Stop::refuse(format!(
        "Action item #{number} is {how} already, so nothing was changed. `/postmortem action reopen {number}` makes it one that is to be done."
    )))
}

fn until_arg(until: &str) -> String {
    format!(" until:{}", commands::parse::quote(until))
}

/// The day on the team's calendar.
fn day_of(cx: &Cx, at: DateTime<Utc>) -> NaiveDate {
    at.with_timezone(&cx.ports().vocabulary.zone).date_naive()
}

/// An act on an item.
pub fn act(verb: &'static str, document: &Document, item: &Item) -> Act {
    let object = match item.number {
        0 => format!("for #{}: {}", document.number, text::cut(&item.what, 80)),
        number => format!("#{number} of #{}: {}", document.number, text::cut(&item.what, 80)),
    };
    Act {
        object,
        state: (item.number > 0).then(|| ITEMS.key(item_name(document.number, item.number))),
        ..super::act(verb, document)
    }
}

/// Keeps an item, on the condition that nobody else has changed it since it was read.
///
/// # Errors
/// When it can not be written as JSON.
pub fn put(permit: &Permit, document: &Document, version: u64, item: &Item) -> Result<()> {
    let name = item_name(document.number, item.number);
    permit.expect(ITEMS.key(&name), version);
    Ok(ITEMS.put(permit, &name, item)?)
}

/// Tells everybody, and calls whoever owns it now.
fn tell(cx: &Cx, permit: &Permit, document: &Document, item: &Item) -> Result<()> {
    let is_own = item.owner == cx.who();
    let says = match is_own {
        true => format!("It is for post-mortem #{}.", document.number),
        false => format!("{}, this is yours, for post-mortem #{}.", text::plain(&item.owner), document.number),
    };
    let mut reply = told(cx, item, &says);
    reply.calls.extend((!is_own).then(|| item.owner.clone()));
    permit.say(&document.place, reply)
}

/// An item as a card.
pub fn told(cx: &Cx, item: &Item, says: &str) -> Reply {
    let tone = if item.state == ItemState::Open { Tone::Plain } else { Tone::Good };
    let reply = Reply::card(tone, format!("Action item #{}", item.number), says)
        .field("What", text::plain(&item.what))
        .field("Done when", if item.until.is_empty() { MISSING.to_owned() } else { text::plain(&item.until) })
        .field("Owner", show::owner(cx, &item.owner))
        .field("Due", show::day(item.due))
        .field("Kind", item.kind.clone());
    let reply = match item.issue.as_ref().and_then(Issue::name) {
        Some(name) => reply.field("Issue", name),
        None => reply,
    };
    match item.state {
        ItemState::Open => reply.button(Button::new("Done", format!("postmortem action done item:{}", item.number))),
        _ => reply,
    }
}
