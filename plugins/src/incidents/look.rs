//! The commands that change nothing: which incidents there are, and how one stands.

use super::records::{Incident, Standing};
use super::{meant, show};
use chrono::{DateTime, Utc};
use commands::complete::Choice;
use commands::cx::Cx;
use commands::offer::incident::{Stage, Todo};
use commands::reply::{Button, Reply, Tone};
use commands::stop::Result;
use commands::store::Read;
use commands::text;
use serde::Deserialize;

/// How many incidents a list shows.
const LISTED: usize = 20;

/// How many things to do a card shows.
const TODOS: usize = 5;

#[derive(Deserialize)]
struct ListArgs {
    all: Option<String>,
    service: Option<String>,
}

#[derive(Deserialize)]
struct ShowArgs {
    number: Option<u64>,
}

pub(super) async fn list(cx: &Cx) -> Result<Reply> {
    let ListArgs { all, service } = cx.args()?;
    let mut found = match all {
        Some(_) => Standing::newest(cx.store(), usize::MAX).await?,
        None => {
            let mut open = Standing::open(cx.store()).await?;
            open.reverse();
            open
        }
    };
    let there = found.len();
    // One that names no service may be about any.
    let about =
        |it: &Standing, service: &String| it.incident.services.is_empty() || it.incident.services.contains(service);
    found.retain(|it| service.as_ref().is_none_or(|service| about(it, service)));
    if let Some(service) = service.filter(|_| found.is_empty() && there > 0) {
        let others = text::plural(there, "other incident");
        return Ok(Reply::say(format!("None affects `{service}`: there is {others}, which `/incident list` shows.")));
    }
    if found.is_empty() {
        let text = match all {
            Some(_) => "There was no incident yet. `/incident open` opens one.",
            None => "No incident is open. `/incident list all:yes` shows those that are over.",
        };
        return Ok(Reply::say(text));
    }
    let title = format!("{}{}", text::plural(found.len(), "incident"), if all.is_none() { " open" } else { "" });
    let more = found.len().saturating_sub(LISTED);
    let says = if more > 0 { format!("The newest {LISTED}.") } else { String::new() };
    let row = |it: &Standing| {
        [
            show::label(&it.incident, it.number),
            text::cut(&text::plain(&it.incident.title), 60),
            show::affected(&it.incident),
            stage(cx, it),
            it.incident.commander().map_or_else(|| "nobody".to_owned(), text::plain),
        ]
    };
    let rows = found.iter().take(LISTED).map(row).collect();
    let tone = if all.is_none() { Tone::Warn } else { Tone::Plain };
    Ok(Reply::card(tone, title, says).table(["#", "What", "Affects", "How", "Leads"], rows))
}

fn stage(cx: &Cx, it: &Standing) -> String {
    let Incident { stage, clocks, .. } = &it.incident;
    let long = |until: Option<DateTime<Utc>>| {
        show::span(until.unwrap_or_else(|| cx.now()) - it.incident.offered(it.number).since())
    };
    match stage {
        Stage::Open => format!("open for {}", long(None)),
        Stage::Mitigated => format!("mitigated after {}", long(clocks.mitigated)),
        Stage::Resolved => format!("over after {}, {}", long(clocks.resolved), show::moment(cx, clocks.declared)),
    }
}

pub(super) async fn show(cx: &Cx) -> Result<Reply> {
    let ShowArgs { number } = cx.args()?;
    let it = meant(cx, number).await?;
    let mut reply = Reply::card(show::tone(&it.incident), show::headline(&it), show::stands(cx, &it));
    reply = reply.field("Affects", show::affected(&it.incident));
    if let Some(update) = &it.incident.update {
        let said = text::plain(&update.text);
        reply = reply.field(format!("{}, {}", show::who(&update.who), text::ago(update.at, cx.now())), said);
    }
    for (role, who) in show::roles(&it.incident) {
        reply = reply.field(role, who);
    }
    let clocks = &it.incident.clocks;
    for (word, at) in [
        ("Started", clocks.started),
        ("Detected", Some(clocks.detected)),
        ("Declared", Some(clocks.declared)),
        ("Mitigated", clocks.mitigated),
        ("Resolved", clocks.resolved),
    ] {
        reply = reply.field(word, at.map_or_else(|| "not known".to_owned(), |at| show::both(cx, at)));
    }
    if let Some(cause) = it.incident.cause {
        reply = reply.field("Brought about by", format!("#{cause}"));
    }
    for todo in it.incident.todos.iter().take(TODOS) {
        reply = reply.field(format!("To do #{}", todo.number), todo_words(cx, todo));
    }
    if let Some(due) = it.incident.reminders.update {
        reply = reply.field("Next update due", show::moment(cx, due));
    }
    reply.buttons = show::next(&it);
    Ok(reply.button(Button::new("Timeline", format!("incident timeline number:{}", it.number))))
}

/// Something to do, in words.
pub(super) fn todo_words(cx: &Cx, todo: &Todo) -> String {
    let owner = todo.owner.as_ref().map_or_else(|| "nobody yet".to_owned(), |owner| text::plain(owner));
    let due = todo.due.map_or_else(String::new, |due| format!(", by {}", show::due(cx, due)));
    format!("{} ({owner}{due})", text::plain(&todo.text))
}

/// The incidents that may be meant: those that are open first, then the newest.
pub(super) async fn numbers(store: &dyn Read) -> anyhow::Result<Vec<Choice>> {
    let mut found = Standing::newest(store, LISTED).await?;
    found.sort_by_key(|it| it.incident.stage == Stage::Resolved);
    let choice = |it: &Standing| Choice::new(it.number.to_string(), text::cut(&text::plain(&it.incident.title), 60));
    Ok(found.iter().map(choice).collect())
}
