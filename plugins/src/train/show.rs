//! How trains look in chat.

use super::records::{Leaving, Outcome, State};
use super::settings::{OnHold, Train};
use chrono::{DateTime, Utc};
use commands::cx::Cx;
use commands::moment;
use commands::reply::{Button, Form, Input, Look, Reply, Tone};
use commands::text;

/// A moment on the team's clocks.
pub(super) fn at(cx: &Cx, moment: DateTime<Utc>) -> String {
    moment::show(moment, cx.now(), cx.ports().vocabulary.zone)
}

/// When it leaves, in a sentence without its full stop.
fn leaves(cx: &Cx, train: &Train, state: &State) -> String {
    if let Some(closed) = &state.closed {
        return format!("{} has closed it: {}", text::plain(&closed.who), sentence(&closed.why));
    }
    let hold =
        state.hold.as_ref().map(|hold| format!("; {} holds it: {}", text::plain(&hold.who), sentence(&hold.why)));
    let due = match &state.due {
        Some((due, _)) => format!("The next departure for `{}` is {}", train.environment, at(cx, *due)),
        None => format!("It leaves for `{}` when somebody says `/train go {}`", train.environment, train.name),
    };
    due + &hold.unwrap_or_default()
}

fn sentence(words: &str) -> String {
    text::plain(words).trim_end_matches('.').to_owned()
}

/// A train with all that is aboard.
pub(super) fn train(cx: &Cx, train: &Train, state: &State, says: &str) -> Reply {
    let tone = if state.hold.is_some() || state.closed.is_some() { Tone::Warn } else { Tone::Plain };
    let says = format!("{says} {}.", leaves(cx, train, state));
    let reply = Reply::card(tone, format!("Train {}", train.name), says.trim());
    let row = |entry: &super::records::Entry| {
        let how = if entry.ready { "ready" } else { "not ready yet" };
        [text::plain(&entry.to_string()), text::plain(&entry.who), how.to_owned()]
    };
    let rows: Vec<_> = state.aboard.iter().map(row).collect();
    if rows.is_empty() { reply.field("Aboard", "nothing yet") } else { reply.table(["What", "Whose", "How"], rows) }
}

/// What is said before it leaves, calling those who are not ready.
pub(super) fn announced(cx: &Cx, it: &Train, state: &State) -> Reply {
    let (held, closed) = (state.hold.is_some(), state.closed.is_some());
    let says = if closed || held && it.on_hold == OnHold::Wait {
        "It does not leave before it is opened again."
    } else {
        "All aboard."
    };
    let mut reply = train(cx, it, state, says);
    let late = state.aboard.iter().filter(|entry| !entry.ready).map(|entry| entry.who.clone());
    reply.calls = late.collect();
    reply.calls.dedup();
    if !reply.calls.is_empty() {
        reply = reply.button(Button::new("Ready", format!("train ready train:{}", it.name)).look(Look::Main));
    }
    if held || closed {
        return reply.button(open_again(it));
    }
    let because = Input { name: "because".to_owned(), label: "Why".to_owned(), most: 300, ..Input::default() };
    let form = Form { title: format!("Hold the train {}", it.name), inputs: vec![because] };
    reply.button(Button::new("Hold", format!("train hold train:{}", it.name)).look(Look::Danger).form(form))
}

/// A departure, as far as it has come.
pub(super) fn leaving(train: &Train, leaving: &Leaving, stays: &[String], over: bool) -> Reply {
    let left = leaving.entries.iter().filter(|(_, outcome)| *outcome == Some(Outcome::Left)).count();
    let all = leaving.entries.len();
    let (tone, says) = match (over, left) {
        (false, _) => (Tone::Working, format!("{left} of {all} have left for `{}` so far.", train.environment)),
        (true, left) if left == all => (Tone::Good, format!("All of it has left for `{}`.", train.environment)),
        (true, left) => (
            Tone::Bad,
            format!(
                "{left} of {all} left for `{}`; what stayed is aboard for the next time, and not ready.",
                train.environment
            ),
        ),
    };
    let row = |(entry, outcome): &(super::records::Entry, Option<Outcome>)| {
        let how = match outcome {
            None => "has still to leave".to_owned(),
            Some(Outcome::Left) => "left".to_owned(),
            Some(Outcome::Stayed(why)) => format!("stayed: {}", text::cut(&text::plain(why), 160)),
        };
        [text::plain(&entry.to_string()), text::plain(&entry.who), how]
    };
    let rows = leaving.entries.iter().map(row).collect();
    let how = match (over, left) {
        (false, _) => "leaving",
        (true, 0) => "did not leave",
        (true, _) => "left",
    };
    let title = format!("Train {}: {how}", train.name);
    let reply = Reply::card(tone, title, says).field("Departure", format!("#{}", leaving.act));
    let reply = reply.table(["What", "Whose", "How"], rows);
    if stays.is_empty() { reply } else { reply.field("Stays aboard", text::plain(&stays.join("; "))) }
}

/// A row of the list of all trains.
pub(super) fn row(cx: &Cx, train: &Train, state: &State) -> [String; 4] {
    let due = state.due.as_ref().map_or_else(|| "–".to_owned(), |(due, _)| at(cx, *due));
    let ready = state.aboard.iter().filter(|entry| entry.ready).count();
    let how = match (&state.closed, &state.hold) {
        (Some(closed), _) => format!("closed by {}", text::plain(&closed.who)),
        (None, Some(hold)) => format!("held by {}", text::plain(&hold.who)),
        (None, None) => "open".to_owned(),
    };
    let name = format!("{} to {}", train.name, train.environment);
    [name, due, format!("{}, {ready} ready", state.aboard.len()), how]
}

pub(super) fn list(rows: Vec<[String; 4]>) -> Reply {
    match rows.len() {
        0 => Reply::say("The config declares no train: see `[train.trains.NAME]` in the manual."),
        _ => Reply::card(Tone::Plain, "Trains", "").table(["Train", "Leaves", "Aboard", "How"], rows),
    }
}

/// Ends a hold, or opens what was closed.
pub(super) fn open_again(train: &Train) -> Button {
    Button::new("Open it again", format!("train open train:{}", train.name))
}
