//! What an incident has to tell a post-mortem: its clocks, how long what took, the timeline, and who had which role.

use super::document::both_clocks;
use super::form::{Clock, Event, Known, Measured, Span, Told};
use super::records::{Item, ItemState, Reminded};
use chrono::{DateTime, Days, Utc};
use chrono_tz::Tz;
use commands::cx::Ports;
use commands::offer::incident::{Account, Clocks, Todo};
use commands::text;
use std::collections::BTreeMap;

/// What somebody is called who told something and had no role.
const RESPONDER: &str = "responder";

/// How long there is for what an incident left to be done, where nobody said.
const FORTNIGHT: Days = Days::new(14);

/// Who took part, and what stands for them: the first role of each.
pub fn roles(account: &Account) -> BTreeMap<String, String> {
    let mut roles = BTreeMap::new();
    for (role, person) in &account.roles {
        roles.entry(person.clone()).or_insert_with(|| (*role).to_owned());
    }
    for event in account.timeline.iter().filter(|event| event.act.is_none()) {
        roles.entry(event.who.clone()).or_insert_with(|| RESPONDER.to_owned());
    }
    roles.remove(config::DECKHAND);
    roles
}

/// What the templates can speak of.
pub async fn known(ports: &Ports, account: &Account) -> Known {
    let told = told(account, ports.vocabulary.zone);
    Known { incident: Some(told), measures: measures(ports, account).await, ..Known::default() }
}

fn told(account: &Account, zone: Tz) -> Told {
    let incident = &account.incident;
    Told {
        number: incident.number,
        title: text::plain(&incident.title),
        lasted: incident.clocks.resolved.map(|end| lasted(incident.since(), end)),
        clocks: clocks(&incident.clocks, zone),
        spans: spans(&incident.clocks),
        timeline: account.timeline.iter().map(|event| entry(event, incident.since(), zone)).collect(),
    }
}

/// What an incident left to be done, as action items; nobody has said yet by what one can see that they are done.
pub fn items(account: &Account, by: &str, now: DateTime<Utc>, zone: Tz) -> Vec<Item> {
    let item = |todo: &Todo| {
        let due = todo.due.unwrap_or(now).with_timezone(&zone).date_naive();
        let due = if todo.due.is_some() { due } else { due.checked_add_days(FORTNIGHT).unwrap_or(due) };
        Item {
            number: todo.number,
            what: text::cut(todo.text.trim(), 300),
            kind: "repair".to_owned(),
            owner: todo.owner.clone().unwrap_or_else(|| by.to_owned()),
            due,
            until: String::new(),
            state: ItemState::Open,
            reminded: Reminded::since(now),
            issue: None,
        }
    };
    account.todos.iter().map(item).collect()
}

fn clocks(clocks: &Clocks, zone: Tz) -> Vec<Clock> {
    let all = [
        ("Started", clocks.started),
        ("Detected", Some(clocks.detected)),
        ("Declared", Some(clocks.declared)),
        ("Mitigated", clocks.mitigated),
        ("Resolved", clocks.resolved),
    ];
    let clock =
        |(name, at): (&str, Option<DateTime<Utc>>)| Some(Clock { name: name.to_owned(), at: both_clocks(at?, zone) });
    all.into_iter().filter_map(clock).collect()
}

type FromUntil = (DateTime<Utc>, DateTime<Utc>);

fn spans(clocks: &Clocks) -> Vec<Span> {
    let began = clocks.started.unwrap_or(clocks.detected);
    let all = [
        ("From start to detection", clocks.started.map(|started| (started, clocks.detected))),
        ("From start to mitigation", clocks.mitigated.map(|end| (began, end))),
        ("From start to end", clocks.resolved.map(|end| (began, end))),
    ];
    let span = |(name, span): (&str, Option<FromUntil>)| {
        let (from, until) = span?;
        Some(Span { name: name.to_owned(), lasted: lasted(from, until) })
    };
    all.into_iter().filter_map(span).collect()
}

/// How long it was: `14 minutes`, `2 hours 5 minutes`, `3 days 1 hour`.
fn lasted(from: DateTime<Utc>, until: DateTime<Utc>) -> String {
    let minutes = usize::try_from((until - from).num_minutes()).unwrap_or_default();
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let parts = match days {
        0 => [(hours, "hour"), (minutes, "minute")],
        _ => [(days, "day"), (hours, "hour")],
    };
    let shown: Vec<_> = parts.into_iter().filter(|(n, _)| *n > 0).map(|(n, noun)| text::plural(n, noun)).collect();
    if shown.is_empty() { "less than a minute".to_owned() } else { shown.join(" ") }
}

/// An entry of the timeline: the day stands there where it is another than the one on which it began.
fn entry(event: &commands::offer::incident::Event, began: DateTime<Utc>, zone: Tz) -> Event {
    let other_day = event.at.date_naive() != began.date_naive();
    let utc = event.at.format(if other_day { "%Y-%m-%d %H:%M UTC" } else { "%H:%M UTC" }).to_string();
    let at = match zone {
        Tz::UTC => utc,
        zone => format!("{utc} ({})", event.at.with_timezone(&zone).format("%H:%M %Z")),
    };
    let act = event.act.map_or_else(String::new, |act| format!(" (#{act})"));
    let link = event.link.clone().filter(|link| is_plain(link));
    Event { at, says: format!("{}{act}", text::plain(&event.text)), link }
}

/// Whether an address can stand in a link of Markdown as it is.
fn is_plain(link: &str) -> bool {
    link.starts_with("https://") && link.bytes().all(|byte| byte.is_ascii_graphic() && !b"()<>[]`\\".contains(&byte))
}

/// What was measured while people suffered from it, and as long before: of what is known to be affected.
async fn measures(ports: &Ports, account: &Account) -> Vec<Measured> {
    let incident = &account.incident;
    let end = incident.clocks.mitigated.or(incident.clocks.resolved).unwrap_or_else(|| ports.clock.now());
    let (began, mut measured) = (incident.since(), Vec::new());
    for service in &incident.services {
        for environment in &incident.environments {
            let during = ports.offered.measures(ports, service, environment, began..end).await;
            let before = ports.offered.measures(ports, service, environment, began - (end - began)..began).await;
            // A draft without figures is better than none: whoever writes it sees that they are missing.
            let (Ok(during), Ok(before)) = (during, before) else { continue };
            for one in during {
                let Some(then) = before.iter().find(|then| then.name == one.name) else { continue };
                let name = format!("{} of {service} in {environment}", text::plain(&one.name));
                measured.push(Measured { name, during: one.to_string(), before: then.to_string() });
            }
        }
    }
    measured
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postmortem::document::without_names;
    use crate::postmortem::form::{fill, usual};
    use commands::ledger::Place;
    use commands::offer::incident::{Event, Incident, Stage};

    fn at(time: &str) -> DateTime<Utc> {
        format!("2026-03-02T{time}:00Z").parse().unwrap()
    }

    fn account() -> Account {
        let clocks = Clocks {
            started: Some(at("14:02")),
            detected: at("14:05"),
            declared: at("14:06"),
            mitigated: Some(at("14:16")),
            resolved: Some(at("16:10")),
        };
        let incident = Incident {
            number: 41,
            title: "Checkout `slow`\nfor {{ all }}".to_owned(),
            severity: Some(1),
            stage: Stage::Resolved,
            services: vec!["hello".to_owned()],
            environments: vec!["production".to_owned()],
            clocks,
            cause: Some(40),
            place: Place::default(),
        };
        let event = |time: &str, who: &str, text: &str, act: Option<u64>| {
            let (who, text) = (who.to_owned(), text.to_owned());
            let link = (act.is_none()).then(|| "https://chat.example/1/2".to_owned());
            Event { at: at(time), who, text, act, place: None, link, files: Vec::new() }
        };
        let roles = vec![("commander", "ana".to_owned()), ("scribe", "ben".to_owned()), ("expert", "ana".to_owned())];
        let timeline = vec![
            event("14:05", "deckhand", "alert fired", Some(39)),
            event("14:08", "ben", "ana rolls back, @dan looks at the pool", None),
            event("14:09", "dan", "the pool is full", None),
        ];
        let todo = Todo { number: 55, text: "Alert on the pool".to_owned(), owner: None, due: None };
        Account { incident, update: None, roles, timeline, todos: vec![todo] }
    }

    #[test]
    fn a_draft_tells_what_is_known_and_names_nobody() {
        let (account, zone) = (account(), "Asia/Seoul".parse().unwrap());
        let roles = roles(&account);
        let known = Known { incident: Some(told(&account, zone)), ..Known::default() };
        let people = ["ana", "ben", "dan"].map(str::to_owned);
        let filled = usual().into_iter().map(|asked| fill(&asked.template, &known).unwrap());
        let filled: Vec<_> = filled.map(|text| without_names(&text, &roles, &people)).collect();
        assert_eq!(filled[0], "Checkout 'slow' for {{ all }}. It lasted 2 hours 8 minutes.");
        assert_eq!(
            filled[1],
            "- Started: 2026-03-02 14:02 UTC (23:02 KST)\n\
             - Detected: 2026-03-02 14:05 UTC (23:05 KST)\n\
             - Declared: 2026-03-02 14:06 UTC (23:06 KST)\n\
             - Mitigated: 2026-03-02 14:16 UTC (23:16 KST)\n\
             - Resolved: 2026-03-02 16:10 UTC (01:10 KST)\n\
             - From start to detection: 3 minutes\n\
             - From start to mitigation: 14 minutes\n\
             - From start to end: 2 hours 8 minutes"
        );
        assert_eq!(
            filled[2],
            "- 14:05 UTC (23:05 KST) alert fired (#39)\n\
             - 14:08 UTC (23:08 KST) the commander rolls back, the responder looks at the pool ([said there](https://chat.example/1/2))\n\
             - 14:09 UTC (23:09 KST) the pool is full ([said there](https://chat.example/1/2))"
        );
        let items = items(&account, "ana", at("16:20"), zone);
        assert_eq!(
            (items[0].number, items[0].owner.as_str(), items[0].due.to_string()),
            (55, "ana", "2026-03-17".to_owned())
        );
    }

    #[test]
    fn an_address_that_would_break_out_is_no_link() {
        for (link, is_one) in [
            ("https://discord.com/channels/1/2/3", true),
            ("http://chat.example/1", false),
            ("https://chat.example/) <script>", false),
            ("https://chat.example/`rm`", false),
            ("javascript:alert(1)", false),
        ] {
            assert_eq!(is_plain(link), is_one, "{link}");
        }
    }

    #[test]
    fn durations_are_as_exact_as_they_are_read() {
        let began = DateTime::UNIX_EPOCH;
        for (minutes, expected) in [
            (0, "less than a minute"),
            (1, "1 minute"),
            (125, "2 hours 5 minutes"),
            (1440, "1 day"),
            (4385, "3 days 1 hour"),
            (-5, "less than a minute"),
        ] {
            assert_eq!(lasted(began, began + chrono::TimeDelta::minutes(minutes)), expected);
        }
    }
}
