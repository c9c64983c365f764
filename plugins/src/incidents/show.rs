//! How incidents look in chat.

use super::Change;
use super::change::LONGEST;
use super::records::{Incident, Kind, LED, Role, SEVERITY_SAID, Standing, name};
use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::cx::Cx;
use commands::moment;
use commands::offer::incident::Stage;
use commands::reply::{Button, Form, Input, Look, Reply, Tone};
use commands::text;

/// The longest title that is shown, in columns.
const LONGEST_TITLE: usize = 120;

/// A moment as people say it.
pub(super) fn moment(cx: &Cx, at: DateTime<Utc>) -> String {
    moment::show(at, cx.now(), cx.ports().vocabulary.zone)
}

/// By when something is to be done: a day, which has its evening, or a moment.
pub(super) fn due(cx: &Cx, at: DateTime<Utc>) -> String {
    let local = at.with_timezone(&cx.ports().vocabulary.zone);
    match local.time() == NaiveTime::MIN {
        true => local.format("%a %-d %b %Y").to_string(),
        false => moment(cx, at),
    }
}

/// A moment with its date, in UTC and on the team's clocks.
pub(super) fn both(cx: &Cx, at: DateTime<Utc>) -> String {
    let zone = cx.ports().vocabulary.zone;
    let utc = at.format("%Y-%m-%d %H:%M UTC").to_string();
    if zone == Tz::UTC {
        return utc;
    }
    let local = at.with_timezone(&zone);
    let format = if local.date_naive() == at.date_naive() { "%H:%M %Z" } else { "%Y-%m-%d %H:%M %Z" };
    format!("{utc} ({})", local.format(format))
}

/// A length of time in words: `1h 20m`, in whole minutes where it is longer than one.
pub(super) fn span(span: TimeDelta) -> String {
    let seconds = u64::try_from(span.num_seconds()).unwrap_or(0);
    let whole = if seconds >= 60 { seconds - seconds % 60 } else { seconds };
    config::duration::show(std::time::Duration::from_secs(whole))
}

/// What it is called in a sentence: `SEV1 #41 (nobody can pay)`.
pub(super) fn named(it: &Standing) -> String {
    let title = text::cut(&text::plain(&it.incident.title), LONGEST_TITLE);
    format!("{} ({title})", label(&it.incident, it.number))
}

/// How bad it is and its number: `SEV1 #41`.
pub(super) fn label(incident: &Incident, number: u64) -> String {
    incident.severity.map_or_else(|| format!("Incident #{number}"), |severity| format!("SEV{severity} #{number}"))
}

/// What stands over every message about it.
pub(super) fn headline(it: &Standing) -> String {
    let title = text::cut(&text::plain(&it.incident.title), LONGEST_TITLE);
    format!("{}: {title}", label(&it.incident, it.number))
}

pub(super) fn tone(incident: &Incident) -> Tone {
    match incident.stage {
        Stage::Open => Tone::Warn,
        Stage::Mitigated => Tone::Plain,
        Stage::Resolved => Tone::Good,
    }
}

/// What it affects, in words.
pub(super) fn affected(incident: &Incident) -> String {
    let list = |names: &[String]| text::plain(&names.join(", "));
    match (&incident.services[..], &incident.environments[..]) {
        ([], []) => "not known yet".to_owned(),
        ([], environments) => format!("all of {}", list(environments)),
        (services, []) => list(services),
        (services, environments) => format!("{} in {}", list(services), list(environments)),
    }
}

/// How it stands, in sentences.
pub(super) fn stands(cx: &Cx, it: &Standing) -> String {
    let Incident { stage, phase, clocks, .. } = &it.incident;
    let since = it.incident.offered(it.number).since();
    let how = match (stage, clocks.mitigated, clocks.resolved) {
        (Stage::Resolved, _, Some(resolved)) => format!("Over after {}.", span(resolved - since)),
        (Stage::Mitigated, Some(mitigated), _) => format!("Mitigated after {}, not over yet.", span(mitigated - since)),
        _ => format!("Open since {}.", moment(cx, since)),
    };
    let phase = phase.as_ref().filter(|_| *stage == Stage::Open);
    let phase = phase.map_or_else(String::new, |phase| format!(" {}.", text::capital(phase)));
    let is_over = *stage == Stage::Resolved;
    let lead = match it.incident.commander() {
        Some(commander) => format!(" {} {}.", text::plain(commander), if is_over { "led" } else { "leads" }),
        None if is_over => " Nobody led.".to_owned(),
        None => " Nobody leads yet.".to_owned(),
    };
    let severity = match it.incident.severity {
        Some(_) => "",
        None if is_over => " Nobody has said how bad it was.",
        None => " Nobody has said how bad it is.",
    };
    format!("{how}{phase}{lead}{severity}")
}

/// An incident at a glance.
pub(super) fn card(cx: &Cx, it: &Standing, says: &str) -> Reply {
    let text = format!("{says} {}", stands(cx, it));
    let mut reply = Reply::card(tone(&it.incident), headline(it), text.trim()).field("Affects", affected(&it.incident));
    if let Some(started) = it.incident.clocks.started {
        reply = reply.field("Started", both(cx, started));
    }
    reply.buttons = next(it);
    reply
}

/// What can be said next with one press: what is missing first.
pub(super) fn next(it: &Standing) -> Vec<Button> {
    let Standing { number, incident, .. } = it;
    if incident.stage == Stage::Resolved {
        return Vec::new();
    }
    let key = name(*number);
    let mut buttons = Vec::new();
    if incident.commander().is_none() {
        let lead = Button::new("I lead", format!("incident lead number:{number}")).look(Look::Main);
        buttons.push(lead.drawn_from(LED.key(&key), 0));
    }
    if incident.severity.is_none() {
        let severity = |severity: u8| {
            let line = format!("incident sev sev:{severity} number:{number}");
            Button::new(format!("SEV{severity}"), line).drawn_from(SEVERITY_SAID.key(&key), 0)
        };
        buttons.extend([1, 2, 3].map(severity));
    }
    if buttons.is_empty() {
        buttons.push(update(*number));
        let (label, line) = match incident.stage {
            Stage::Open => ("Mitigated", "incident mitigate"),
            Stage::Mitigated | Stage::Resolved => ("Resolved", "incident resolve"),
        };
        let how = input("how", "What helped");
        let form = Form { title: format!("{label}: incident #{number}"), inputs: vec![how] };
        buttons.push(Button::new(label, format!("{line} number:{number}")).form(form));
    }
    buttons
}

/// The button that tells everybody how it stands.
pub(super) fn update(number: u64) -> Button {
    let how = input("text", "How it stands, for everybody");
    let form = Form { title: format!("Update on incident #{number}"), inputs: vec![how] };
    Button::new("Update", format!("incident update number:{number}")).look(Look::Main).form(form)
}

fn input(name: &str, label: &str) -> Input {
    Input { name: name.to_owned(), label: label.to_owned(), long: true, most: LONGEST, ..Input::default() }
}

/// A change of an incident, as everybody is told of it.
pub(super) fn changed(cx: &Cx, it: &Standing, change: &Change) -> Reply {
    let mut reply = Reply::card(tone(&it.incident), headline(it), format!("{}.", change.what));
    if !change.why.is_empty() {
        reply = reply.field("Because", text::plain(&change.why));
    }
    if cx.now() - change.at >= TimeDelta::minutes(1) {
        reply = reply.field("At", both(cx, change.at));
    }
    if change.kind == Some(Kind::Update) {
        reply = reply.field("Stands", stands(cx, it));
    }
    reply = reply.field("By", who(cx.who()));
    reply.buttons = next(it);
    reply
}

/// Who did something, as it is shown.
pub(super) fn who(name: &str) -> String {
    if name == config::DECKHAND { "Deckhand".to_owned() } else { text::plain(name) }
}

/// Who is called to a new incident, in a sentence.
pub(super) fn called(people: &[String]) -> String {
    let names: Vec<_> = people.iter().map(|person| text::plain(person)).collect();
    match names.len() {
        0 => String::new(),
        1 => format!("{} is called.", names[0]),
        _ => format!("{} are called.", names.join(", ")),
    }
}

/// Who does what, a line each role.
pub(super) fn roles(incident: &Incident) -> Vec<(String, String)> {
    let all = [Role::Commander, Role::Deputy, Role::Scribe, Role::Liaison, Role::Expert];
    let of = |role: Role| {
        let who = incident.roles.iter().filter(|(other, _)| *other == role).map(|(_, who)| text::plain(who));
        (text::capital(role.word()), who.collect::<Vec<_>>().join(", "))
    };
    all.into_iter().map(of).filter(|(_, who)| !who.is_empty()).collect()
}
