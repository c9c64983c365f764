//! Action items as issues at GitHub: opened there, closed there once they are done here, and done here once they are closed
//! there. Nobody waits for GitHub: a job does it, and tries again for as long as GitHub is in the way.

use super::document::without_names;
use super::items;
use super::records::{self, DOCUMENTS, Document, ITEMS, Issue, Item, ItemState, Reminded, Trouble, item_name, name};
use super::settings::Tracker;
use super::{Postmortems, show};
use anyhow::Context;
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::ledger::Entry;
use commands::plugin::nothing_kept;
use commands::reply::{Reply, Tone};
use commands::stop::Result;
use commands::table::Versioned;
use commands::text;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The verb of opening one: after a restart, it is told by it what was being done.
pub const OPENS: &str = "postmortems.issue";

/// Every how many minutes it is looked whether issues were closed, and how many are looked at then: 1,200 requests an hour
/// at the most, of the 5,000 that a token has.
const LOOKS_EVERY: u32 = 5;
const LOOKS: usize = 100;

/// How much longer is waited after each further try, and the longest wait.
const PAUSE: TimeDelta = TimeDelta::minutes(5);
const LONGEST_PAUSE: TimeDelta = TimeDelta::hours(1);

/// After how many failures in a row others are tried all the same.
const EVERYBODYS: u32 = 3;

/// The longest title, in columns.
const TITLE: usize = 120;

/// How many closed issues are remembered until they are looked at; what is beyond that is found by the next look at all.
const REMEMBERED: usize = 1_000;

/// The issues of which a webhook says that they were closed, until somebody has looked.
#[derive(Default)]
pub struct Closed {
    numbers: Mutex<BTreeSet<u64>>,
    news: Notify,
}

impl Closed {
    /// Notes one.
    pub fn note(&self, number: u64) {
        let mut numbers = self.numbers();
        if numbers.len() < REMEMBERED {
            numbers.insert(number);
        }
        self.news.notify_one();
    }

    /// Those that were noted since this was asked last, as soon as there are any.
    async fn next(&self) -> BTreeSet<u64> {
        self.news.notified().await;
        std::mem::take(&mut self.numbers())
    }

    fn numbers(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.numbers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An issue, as GitHub tells of it.
#[derive(Deserialize)]
struct Seen {
    number: u64,
    state: String,
    #[serde(default)]
    state_reason: Option<String>,
    #[serde(default)]
    closed_at: Option<DateTime<Utc>>,
    #[serde(default)]
    body: Option<String>,
}

/// What is to be done at GitHub about an item.
#[derive(Debug, PartialEq)]
enum Step {
    /// It has no issue yet.
    Open,
    /// Its issue stands otherwise than it does.
    Tell,
    /// Somebody may have closed its issue.
    Look,
}

/// What an item needs next, if anything.
fn step(item: &Item) -> Option<Step> {
    let is_open = item.state == ItemState::Open;
    match &item.issue {
        Some(Issue { number: Some(_), closed, .. }) if *closed == is_open => Some(Step::Tell),
        Some(Issue { number: Some(_), .. }) => is_open.then_some(Step::Look),
        _ => is_open.then_some(Step::Open),
    }
}

impl Trouble {
    /// When it is tried again.
    fn again(&self) -> DateTime<Utc> {
        let times = i32::try_from(self.times).unwrap_or(i32::MAX);
        self.at + PAUSE.checked_mul(times).unwrap_or(LONGEST_PAUSE).min(LONGEST_PAUSE)
    }
}

fn trouble(item: &Item) -> Option<&Trouble> {
    item.issue.as_ref()?.trouble.as_ref()
}

impl Postmortems {
    /// Brings issues and items to the same state, as far as GitHub lets it: it stops at the first thing that is in the way,
    /// which would be in the way of the next item as well.
    pub(super) async fn follow(&self, cx: &Cx, due: DateTime<Utc>) -> Result<()> {
        let Some(tracker) = &self.settings.tracker else { return Ok(()) };
        let mut all = records::items(cx.store(), None).await?;
        all.retain(|(_, found)| step(&found.value).is_some());
        // What has just failed would fail for the next item, too; what goes on failing is that item's own trouble.
        let waits = |item: &Item| trouble(item).filter(|it| cx.now() < it.again()).map(|it| it.times);
        if all.iter().any(|(_, found)| waits(&found.value).is_some_and(|times| times <= EVERYBODYS)) {
            return Ok(());
        }
        all.retain(|(_, found)| waits(&found.value).is_none());
        // What has failed before stands last, so that it is not for ever in the way of what may go well.
        all.sort_by_key(|(_, found)| trouble(&found.value).map_or(0, |it| it.times));
        let (mut looks, changes): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|(_, found)| step(&found.value) == Some(Step::Look));
        for (of, found) in changes {
            let is_new = step(&found.value) == Some(Step::Open);
            let went_well = match is_new {
                true => self.open(cx, tracker, of, found).await?,
                false => self.tell_github(cx, tracker, of, found).await?,
            };
            if !went_well {
                return Ok(());
            }
        }
        if !due.minute().is_multiple_of(LOOKS_EVERY) || looks.is_empty() {
            return Ok(());
        }
        let turn = usize::try_from(due.timestamp() / 60 / i64::from(LOOKS_EVERY)).unwrap_or_default();
        let first = turn.wrapping_mul(LOOKS) % looks.len();
        looks.rotate_left(first);
        for (of, found) in looks.into_iter().take(LOOKS) {
            if !self.look_at(cx, tracker, of, found).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Looks at issues as soon as a webhook says that they were closed.
    pub(super) async fn follow_closed(&self, cx: &Cx) {
        let Some(tracker) = &self.settings.tracker else { return };
        while let Some(numbers) = cx.stopping().run_until_cancelled(self.closed.next()).await {
            if let Err(stop) = self.look_at_closed(cx, tracker, &numbers).await {
                // The job looks again at all of them.
                tracing::warn!("closed issues can not be looked at: {stop}");
            }
        }
    }

    async fn look_at_closed(&self, cx: &Cx, tracker: &Tracker, numbers: &BTreeSet<u64>) -> Result<()> {
        let is_one = |issue: &Issue| {
            let is_there = issue.repository.eq_ignore_ascii_case(&tracker.repository);
            is_there && issue.number.is_some_and(|number| numbers.contains(&number))
        };
        for (of, found) in records::items(cx.store(), None).await? {
            let is_waiting = step(&found.value) == Some(Step::Look) && found.value.issue.as_ref().is_some_and(is_one);
            if is_waiting && !self.look_at(cx, tracker, of, found).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Opens an issue for an item; false where GitHub is in the way.
    async fn open(&self, cx: &Cx, tracker: &Tracker, of: u64, found: Versioned<Item>) -> Result<bool> {
        let document = document(cx, of).await?;
        let facts = vec![("repository", tracker.repository.clone())];
        let opens = Act { facts, ..items::act(OPENS, &document, &found.value) };
        cx.act(opens, async |permit| self.bring(cx, permit, tracker, &document, found.value.number).await).await
    }

    /// Goes on with an opening that was cut off: an issue that was opened by then is found, and no second one is opened.
    pub(super) async fn settle_issue(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        let mut numbers = doing.draft.object.split(['#', ' ', ':']).filter_map(|part| part.parse().ok());
        let (item, of): (Option<u64>, Option<u64>) = (numbers.next(), numbers.next());
        let (Some(item), Some(of), Some(tracker)) = (item, of, &self.settings.tracker) else {
            return nothing_kept(cx, doing).await;
        };
        let document = document(cx, of).await?;
        cx.resume(doing, async |permit| self.bring(cx, permit, tracker, &document, item).await).await?;
        Ok(Reply::say(format!("Deckhand was stopped while it opened an issue for action item #{item}.")))
    }

    /// Finds the issue of an item, or opens it, and keeps which it is; false where GitHub is in the way.
    async fn bring(&self, cx: &Cx, permit: &Permit, tracker: &Tracker, of: &Document, item: u64) -> Result<bool> {
        let found = ITEMS.get(cx.store(), item_name(of.number, item)).await?.context("the item is kept")?;
        let brought = self.brought(cx, permit, tracker, of, &found.value).await;
        // Somebody may have changed it while GitHub was asked.
        let Versioned { value: mut now, version } =
            ITEMS.get(cx.store(), item_name(of.number, item)).await?.context("the item is kept")?;
        let went_well = match brought {
            Ok(seen) => {
                permit.note(format!("{}#{}", tracker.repository, seen.number));
                now.issue = Some(Issue {
                    repository: tracker.repository.clone(),
                    number: Some(seen.number),
                    closed: seen.state == "closed",
                    trouble: None,
                });
                true
            }
            Err(why) => {
                let what = format!("It could not be opened as an issue of {}", text::code(&tracker.repository));
                self.note_trouble(cx, permit, of, &mut now, &what, why)?;
                false
            }
        };
        items::put(permit, of, version, &now)?;
        Ok(went_well)
    }

    async fn brought(
        &self,
        cx: &Cx,
        permit: &Permit,
        tracker: &Tracker,
        of: &Document,
        item: &Item,
    ) -> Result<Seen, String> {
        let Tracker { github, repository, .. } = tracker;
        let found = records::mark(cx.store(), item.number).await;
        let (mark, since) = found.map_err(|error| text::plain(&format!("{error:#}")))?;
        let all: Vec<Seen> = github
            .list(cx.ports(), &format!("/repos/{repository}/issues?state=all&since={since}"), |page| page)
            .await?;
        if let Some(seen) = all.into_iter().find(|seen| seen.body.as_ref().is_some_and(|body| body.contains(&mark))) {
            return Ok(seen);
        }
        let path = format!("/repos/{repository}/issues");
        let mut asked = self.as_issue(tracker, of, item, &mark);
        let mut made = github.post(cx.ports(), permit, &path, &asked).await;
        // Somebody whom the repository does not know can not be assigned: the issue is opened all the same.
        if matches!(&made, Err(fault) if fault.status == Some(422)) && asked["assignees"].is_array() {
            asked["assignees"].take();
            made = github.post(cx.ports(), permit, &path, &without_nulls(asked)).await;
        }
        made.map_err(|fault| fault.says)
    }

    /// What GitHub is told of an item: nobody is named but by the name that the config gives them there.
    fn as_issue(&self, tracker: &Tracker, of: &Document, item: &Item, mark: &str) -> Value {
        let nameless = |text: &str| without_names(text, &of.roles, &self.settings.people);
        // As code, nobody is called by it, and nothing is linked to.
        let quoted = |text: &str| format!("`{}`", text::plain(&nameless(text)));
        let login = tracker.logins.get(&item.owner);
        let owner = login.map_or_else(|| nameless(&item.owner), |login| format!("`{login}`"));
        let until = if item.until.is_empty() { "nobody has said yet".to_owned() } else { quoted(&item.until) };
        let body = format!(
            "- **What:** {}\n- **Done when:** {until}\n- **Owner:** {owner}\n- **Due:** {}\n- **Kind:** {}\n\nAction item {} of the post-mortem {}. It is done there once this is closed.\n\n<!-- {mark} -->\n",
            quoted(&item.what),
            item.due,
            item.kind,
            item.number,
            quoted(&of.title),
        );
        let title = text::cut(&text::plain(&nameless(&item.what)), TITLE);
        without_nulls(json!({ "title": title, "body": body, "assignees": login.map(|login| [login]) }))
    }

    /// Tells GitHub that an item is done, dropped, or open again; false where GitHub is in the way.
    async fn tell_github(&self, cx: &Cx, tracker: &Tracker, of: u64, found: Versioned<Item>) -> Result<bool> {
        let (document, Versioned { value: mut item, version }) = (document(cx, of).await?, found);
        let Some(path) = path(&item) else { return Ok(true) };
        let (closed, state) = match item.state {
            ItemState::Open => (false, json!({ "state": "open" })),
            ItemState::Done { .. } => (true, json!({ "state": "closed", "state_reason": "completed" })),
            ItemState::Dropped { .. } => (true, json!({ "state": "closed", "state_reason": "not_planned" })),
        };
        let tells = items::act("postmortems.issue-state", &document, &item);
        cx.act(tells, async |permit| {
            let told: Result<Seen, _> = tracker.github.send(cx.ports(), permit, Method::PATCH, &path, &state).await;
            let went_well = told.is_ok();
            match told {
                Ok(_) => set(&mut item, |issue| (issue.closed, issue.trouble) = (closed, None)),
                Err(fault) => {
                    let what = format!("Its issue {} could not be changed", link(tracker, &item));
                    self.note_trouble(cx, permit, &document, &mut item, &what, fault.says)?;
                }
            }
            items::put(permit, &document, version, &item)?;
            Ok(went_well)
        })
        .await
    }

    /// Ends an item whose issue somebody has closed; false where GitHub is in the way.
    async fn look_at(&self, cx: &Cx, tracker: &Tracker, of: u64, found: Versioned<Item>) -> Result<bool> {
        let Versioned { value: mut item, version } = found;
        let Some(path) = path(&item) else { return Ok(true) };
        let seen: Result<Seen, String> = tracker.github.get(cx.ports(), &path).await;
        match seen {
            Ok(seen) if seen.state != "closed" && trouble(&item).is_none() => Ok(true),
            Ok(seen) if seen.state != "closed" => {
                let document = document(cx, of).await?;
                set(&mut item, |issue| issue.trouble = None);
                let sees = items::act("postmortems.issue-state", &document, &item);
                cx.act(sees, async |permit| items::put(permit, &document, version, &item)).await?;
                Ok(true)
            }
            Ok(seen) => self.end_by(cx, tracker, of, Versioned { value: item, version }, seen).await,
            Err(why) => {
                let document = document(cx, of).await?;
                let looks = items::act("postmortems.issue-state", &document, &item);
                cx.act(looks, async |permit| {
                    let what = format!("Its issue {} could not be looked at", link(tracker, &item));
                    self.note_trouble(cx, permit, &document, &mut item, &what, why)?;
                    items::put(permit, &document, version, &item)
                })
                .await?;
                Ok(false)
            }
        }
    }

    /// An issue that was closed ends its item: as done, or as dropped where GitHub was told that it is not planned.
    async fn end_by(&self, cx: &Cx, tracker: &Tracker, of: u64, found: Versioned<Item>, seen: Seen) -> Result<bool> {
        let (document, Versioned { value: mut item, version }) = (document(cx, of).await?, found);
        let at = seen.closed_at.unwrap_or_else(|| cx.now());
        let is_done = !matches!(seen.state_reason.as_deref(), Some("not_planned" | "duplicate"));
        let (verb, how) = match is_done {
            true => ("postmortems.action-done", "It is done"),
            false => ("postmortems.action-drop", "It is dropped"),
        };
        let says = format!("{how}: its issue {} was closed.", link(tracker, &item));
        item.state = match is_done {
            true => ItemState::Done { at },
            false => ItemState::Dropped { at, why: "its issue was closed as not planned".to_owned() },
        };
        item.reminded = Reminded::default();
        set(&mut item, |issue| (issue.closed, issue.trouble) = (true, None));
        let undo = Some(format!("postmortem action reopen item:{}", item.number));
        let ends = Act { undo, ..items::act(verb, &document, &item) };
        cx.act(ends, async |permit| {
            items::put(permit, &document, version, &item)?;
            permit.say(&document.place, items::told(cx, &item, &says))
        })
        .await?;
        Ok(true)
    }

    /// Keeps what is in the way, and tells it once: people are not told again of what they know.
    fn note_trouble(
        &self,
        cx: &Cx,
        permit: &Permit,
        of: &Document,
        item: &mut Item,
        what: &str,
        why: String,
    ) -> Result<()> {
        permit.failed(why.clone());
        let before = trouble(item);
        let is_news = before.is_none_or(|before| before.why != why);
        let times = before.map_or(1, |before| before.times.saturating_add(1));
        if is_news {
            let says = format!("{what}. {why}. Deckhand tries again by itself, at least once an hour.");
            let told = Reply::card(Tone::Warn, format!("Action item #{}", item.number), says)
                .field("What", text::plain(&item.what))
                .field("Owner", show::owner(cx, &item.owner));
            self.tell(permit, of, &told)?;
        }
        let issue = item.issue.get_or_insert_default();
        issue.trouble = Some(Trouble { at: cx.now(), times, why });
        Ok(())
    }
}

async fn document(cx: &Cx, number: u64) -> Result<Document> {
    let found = DOCUMENTS.get(cx.store(), name(number)).await?;
    Ok(found.context("an item's post-mortem is kept")?.value)
}

fn set(item: &mut Item, change: impl FnOnce(&mut Issue)) {
    if let Some(issue) = &mut item.issue {
        change(issue);
    }
}

fn path(item: &Item) -> Option<String> {
    let issue = item.issue.as_ref()?;
    Some(format!("/repos/{}/issues/{}", issue.repository, issue.number?))
}

/// The issue of an item, as its address.
fn link(tracker: &Tracker, item: &Item) -> String {
    item.issue.as_ref().and_then(|issue| tracker.address(issue)).unwrap_or_default()
}

fn without_nulls(mut body: Value) -> Value {
    if let Some(parts) = body.as_object_mut() {
        parts.retain(|_, part| !part.is_null());
    }
    body
}
