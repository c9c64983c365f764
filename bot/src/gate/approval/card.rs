//! How a request for approval looks.

use super::{APPROVE, REJECT, Request};
use crate::gate::codes;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use commands::reply::{Button, Form, Input, Look, Reply, Tone};
use commands::text;

/// The most characters of a reason.
const REASON: usize = 300;

/// A request as those see it who can approve it.
pub fn card(id: &str, request: &Request, zone: Tz) -> Reply {
    let who = text::plain(&request.who);
    let text = format!("{}\n{who} asks for it. Nothing is done until others have approved it.", request.says);
    let mut reply = Reply::card(Tone::Warn, format!("Approval {id} is needed"), text);
    if !request.why.is_empty() {
        reply = reply.field("Because", text::plain(&request.why));
    }
    for (name, value) in &request.facts {
        reply = reply.field(text::capital(name), text::code(value));
    }
    reply = reply.field("Needs", needs(request));
    if !request.given.is_empty() {
        reply = reply.field("Approved by", names(&request.given));
    }
    reply
        .field("Until", clock(request.until, request.at, zone))
        .button(approve(id, request.code))
        .button(Button::new("Reject", format!("{REJECT} request:{id}")).look(Look::Danger).form(reason()))
}

/// What a request needs in all.
pub(super) fn needs(request: &Request) -> String {
    request.needs.join(", and ")
}

/// The button that approves the request `id`, with a code or without.
pub(super) fn approve(id: &str, code: bool) -> Button {
    let button = Button::new("Approve", format!("{APPROVE} request:{id}")).look(Look::Main);
    if code { button.form(codes::form("code", "Approve with a code")) } else { button }
}

fn reason() -> Form {
    let input = Input {
        name: "because".to_owned(),
        label: "Why".to_owned(),
        hint: "what has to change first".to_owned(),
        long: true,
        most: REASON,
        ..Input::default()
    };
    Form { title: "Reject, or withdraw your own".to_owned(), inputs: vec![input] }
}

/// People's names, as in "ana, ben and chloe".
pub(super) fn names(people: &[String]) -> String {
    let named: Vec<_> = people.iter().map(|name| text::plain(name)).collect();
    match named.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => named.concat(),
    }
}

/// The time of day; with the day where that is not the one of `seen`.
pub(super) fn clock(at: DateTime<Utc>, seen: DateTime<Utc>, zone: Tz) -> String {
    let (at, seen) = (at.with_timezone(&zone), seen.with_timezone(&zone));
    let shape = if at.date_naive() == seen.date_naive() { "%H:%M %Z" } else { "%Y-%m-%d %H:%M %Z" };
    at.format(shape).to_string()
}
