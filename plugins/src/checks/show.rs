//! How the health of services looks in chat.

use super::settings::{Check, Settings};
use super::state::{MANY, News, State, WINDOW};
use super::watch::Known;
use crate::probe::{Probe, Seen};
use chrono::{DateTime, TimeDelta, Utc};
use commands::offer::Live;
use commands::reply::{Button, Reply, Tone};
use commands::text;
use std::time::Duration;

/// The most columns of what a check says, in a table.
const SAYS: usize = 60;

/// How a service is in one place, for a table.
pub struct Glance {
    service: String,
    environment: String,
    live: String,
    health: String,
    tone: Tone,
}

/// A span of time in its two greatest units: `45s`, `6m30s`, `2h5m`, `3d4h`.
fn span(time: TimeDelta) -> String {
    let seconds = u64::try_from(time.num_seconds()).unwrap_or(0);
    let coarse = match seconds {
        0..3_600 => seconds,
        3_600..86_400 => seconds / 60 * 60,
        _ => seconds / 3_600 * 3_600,
    };
    config::duration::show(Duration::from_secs(coarse))
}

/// How a service is in one place. `looked_now` is whether the checks have just been run.
pub fn glance(
    service: &str,
    environment: &str,
    live: Option<Live>,
    states: &[(String, Known)],
    looked_now: bool,
    now: DateTime<Utc>,
) -> Glance {
    let live = live.map_or_else(|| "–".to_owned(), |live| format!("{}, {}", live.release, text::ago(live.since, now)));
    let up = states.iter().filter(|(_, known)| known.state.up == Some(true)).count();
    let mut words: Vec<_> = states.iter().filter_map(|(name, known)| trouble(name, known, looked_now, now)).collect();
    let known = states.iter().filter(|(_, known)| known.state.up.is_some()).count();
    let tone = match () {
        () if states.iter().any(|(_, known)| known.state.up == Some(false)) => Tone::Bad,
        () if !words.is_empty() => Tone::Warn,
        () if states.is_empty() || known < states.len() => Tone::Plain,
        () => Tone::Good,
    };
    if words.is_empty() {
        words.push(match states.iter().map(|(_, known)| &known.state).max_by_key(|state| state.since) {
            None => "no checks".to_owned(),
            Some(_) if known == 0 => "not looked at yet".to_owned(),
            Some(_) if known < states.len() => format!("{up} of {} up, others not looked at yet", states.len()),
            Some(last) if up == 1 => format!("up for {}", span(now - last.since)),
            Some(last) => format!("all {up} up for {}", span(now - last.since)),
        });
    }
    let (service, environment) = (service.to_owned(), environment.to_owned());
    Glance { service, environment, live, health: words.join("; "), tone }
}

/// What is wrong with a check, if anything is.
fn trouble(name: &str, Known { state, last, .. }: &Known, looked_now: bool, now: DateTime<Utc>) -> Option<String> {
    let met = match last {
        Some(Err(met)) => Some(text::cut(met, SAYS)),
        _ => None,
    };
    let says = match (&met, looked_now, last) {
        (Some(met), true, _) => format!(": just now {met}"),
        (Some(met), false, _) => format!(": {met}"),
        (None, true, Some(Ok(()))) => ": well just now".to_owned(),
        _ => String::new(),
    };
    match state {
        State { flapping: true, .. } => Some(format!("{name} is flapping, {} now{says}", state.word())),
        State { up: Some(false), since, .. } => Some(format!("{name} is down for {}{says}", span(now - *since))),
        _ => met.map(|_| format!("{name}{says}")),
    }
}

/// What is live where, and whether it is well.
pub fn status(glances: &[Glance], service: Option<&str>, environment: Option<&str>) -> Reply {
    let count = |tone| glances.iter().filter(|glance| glance.tone == tone).count();
    let (down, doubtful) = (count(Tone::Bad), count(Tone::Warn));
    let (tone, title) = match (down, doubtful, count(Tone::Good)) {
        (0, 0, 0) => (Tone::Plain, "What is live".to_owned()),
        (0, 0, good) if good == glances.len() => (Tone::Good, "All is well".to_owned()),
        (0, 0, _) => (Tone::Good, "All that is checked is well".to_owned()),
        (0, doubtful, _) => (Tone::Warn, format!("{doubtful} of {} to look at", glances.len())),
        (down, ..) => (Tone::Bad, format!("{down} of {} down", glances.len())),
    };
    let mut sorted: Vec<_> = glances.iter().collect();
    sorted.sort_by_key(|glance| match glance.tone {
        Tone::Bad => 0,
        Tone::Warn => 1,
        _ => 2,
    });
    let row = |glance: &&Glance| {
        [format!("{} / {}", glance.service, glance.environment), glance.live.clone(), glance.health.clone()]
    };
    let reply = Reply::card(tone, title, "").table(["Service", "Live", "Health"], sorted.iter().map(row).collect());
    reply.button(look(service, environment))
}

fn look(service: Option<&str>, environment: Option<&str>) -> Button {
    let arg = |name: &str, value: Option<&str>| value.map(|value| format!(" {name}:{value}")).unwrap_or_default();
    Button::new("Look now", format!("status{}{} now:yes", arg("service", service), arg("env", environment)))
}

/// A change, for the ledger.
pub fn note(state: &State, seen: &Seen, news: News) -> String {
    match (news, &seen.well) {
        (News::Up(_), _) => "up again".to_owned(),
        (News::Down, Err(met)) => met.clone(),
        _ => format!("{} now", state.word()),
    }
}

/// What the channel is told when a check changes.
pub fn news(check: &Check, state: &State, seen: &Seen, news: News, live: Option<&Live>, now: DateTime<Utc>) -> Reply {
    let Check { service, environment, name, rule, .. } = check;
    let met = seen.well.as_ref().err().map(|met| format!("It {met}.")).unwrap_or_default();
    let window = span(WINDOW);
    let (tone, how, says) = match news {
        News::Down => {
            let row = text::plural(rule.fall as usize, "time");
            let met = met.trim_end_matches('.');
            (Tone::Bad, "is down".to_owned(), format!("{met}, {row} in a row, for {} now.", span(now - state.since)))
        }
        News::Up(down) => (Tone::Good, "is up again".to_owned(), format!("It was down for {}.", span(down))),
        News::Flapping => (
            Tone::Warn,
            "is flapping".to_owned(),
            format!(
                "It went up and down {MANY} times within {window}, and is {} now. {met} No more is told until it has been steady for {window}.",
                state.word()
            )
            .replace("  ", " "),
        ),
        News::Steady(up) => {
            let tone = if up { Tone::Good } else { Tone::Bad };
            (tone, format!("is steady: {}", state.word()), format!("It has been {} for {}. {met}", state.word(), span(now - state.since)))
        }
    };
    let reply = Reply::card(tone, format!("{service} in {environment}: {name} {how}"), says.trim_end());
    let reply = match live {
        Some(live) => reply.field("Live", format!("{}, {} (#{})", live.release, text::ago(live.since, now), live.act)),
        None => reply,
    };
    reply.button(look(Some(service), Some(environment)))
}

/// The services, and whom to ask about each.
pub fn services(settings: &Settings) -> Reply {
    if settings.services.is_empty() {
        return Reply::say("There are no services. The operator writes each as a section `[services.NAME]`.");
    }
    let row = |(name, service): (&String, &config::Service)| {
        let checks = settings.checks.iter().filter(|check| check.service == *name).count();
        [
            name.clone(),
            or_none(text::cut(&text::plain(&service.about), SAYS)),
            or_none(owners(service)),
            checks.to_string(),
        ]
    };
    let rows = settings.services.iter().map(row).collect();
    Reply::card(Tone::Plain, text::plural(settings.services.len(), "service"), "")
        .table(["Service", "About", "Owners", "Checks"], rows)
}

/// All that is known of a service.
pub fn service(
    name: &str,
    known: &config::Service,
    checks: &[&Check],
    glances: &[Glance],
    notes: Vec<(String, String)>,
) -> Reply {
    let mut reply = Reply::card(Tone::Plain, name, text::plain(&known.about))
        .field("Owners", or_none(owners(known)))
        .field("Repository", known.repository.as_deref().map_or_else(|| "–".to_owned(), text::code));
    let described: Vec<_> = checks.iter().map(|check| describe(check)).collect();
    reply = reply.field("Checks", or_none(text::cut(&described.join("; "), 500)));
    for (environment, note) in notes {
        reply = reply.field(format!("In {environment}"), note);
    }
    if !glances.is_empty() {
        let row = |glance: &Glance| [glance.environment.clone(), glance.live.clone(), glance.health.clone()];
        reply = reply.table(["Environment", "Live", "Health"], glances.iter().map(row).collect());
    }
    reply.button(look(Some(name), None))
}

fn describe(check: &Check) -> String {
    let kind = match &check.probe {
        Probe::Icmp { host } => format!("ping {}", text::code(host)),
        Probe::Tcp { address } => format!("TCP {}", text::code(address)),
        Probe::Http { url, .. } => format!("HTTP {}", text::code(url)),
        Probe::Program { argv, .. } => format!("program {}", text::code(argv.first().map_or("", String::as_str))),
    };
    let every = config::duration::show(check.rule.interval);
    format!("{} in {}: {kind} every {every}", check.name, check.environment)
}

fn owners(service: &config::Service) -> String {
    service.owners.iter().map(|owner| text::plain(owner)).collect::<Vec<_>>().join(", ")
}

fn or_none(text: String) -> String {
    if text.is_empty() { "–".to_owned() } else { text }
}
