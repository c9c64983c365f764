//! A post-mortem as Markdown: the form in which it is kept outside, with roles in the place of names.

use super::pictures;
use super::records::{Document, Item, ItemState};
use super::settings::Settings;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use regex::{Captures, Regex};
use std::collections::BTreeMap;
use std::fmt::Write;

/// What stands for somebody whose role nobody knows.
const SOMEBODY: &str = "an engineer";

/// The same before a particle of Korean's, and which particles then follow: it ends in a vowel.
const SOMEBODY_KO: &str = "엔지니어";
const PARTICLES: [(&str, &str); 4] = [
    ("엔지니어이 ", "엔지니어가 "),
    ("엔지니어은 ", "엔지니어는 "),
    ("엔지니어을 ", "엔지니어를 "),
    ("엔지니어과 ", "엔지니어와 "),
];

/// The whole document. Nobody is named in it, unless the config says what the owner of an action item is called at GitHub.
/// `beside` is the folder beside it in which its charts lie.
pub fn markdown(document: &Document, items: &[Item], settings: &Settings, zone: Tz, beside: Option<&str>) -> String {
    let keeps_names = settings.publish.as_ref().is_some_and(|publish| publish.names);
    let nameless = |text: &str| match keeps_names {
        true => text.to_owned(),
        false => without_names(text, &document.roles, &settings.people),
    };
    let mut page = format!("# {}\n\n", one_line(&nameless(&document.title)));
    for (name, value) in facts(document, zone) {
        let _ = writeln!(page, "- **{name}:** {value}");
    }
    let charts = pictures::markdown(&document.charts, beside);
    let mut rest = (!charts.is_empty()).then_some(charts);
    for asked in &settings.sections {
        let text = nameless(&document.wording(&asked.name).text);
        let text = if text.is_empty() { "*Nothing yet.*".to_owned() } else { below(&text) };
        let _ = write!(page, "\n## {}\n\n{text}\n", one_line(&asked.title));
        if let Some(charts) = rest.take_if(|_| asked.name == pictures::SECTION) {
            let _ = write!(page, "\n{charts}\n");
        }
    }
    // A team's own sections may have no place for them.
    if let Some(charts) = rest {
        let _ = write!(page, "\n## Charts\n\n{charts}\n");
    }
    if !items.is_empty() {
        page.push_str("\n## Action items\n\n| # | What | Kind | Owner | Due | Done when | State |\n|---|---|---|---|---|---|---|\n");
    }
    for item in items {
        let state = match &item.state {
            ItemState::Open => match item.issue.as_ref().and_then(|issue| settings.tracker.as_ref()?.address(issue)) {
                Some(address) => format!("[open]({address})"),
                None => "open".to_owned(),
            },
            ItemState::Done { at } => format!("done {}", at.format("%Y-%m-%d")),
            ItemState::Dropped { why, .. } => format!("dropped: {}", cell(&nameless(why))),
        };
        let Item { number, what, kind, owner, due, until, .. } = item;
        let (what, until) = (cell(&nameless(what)), cell(&nameless(until)));
        let owner = settings.logins.get(owner).map_or_else(|| nameless(owner), |login| format!("`{login}`"));
        let _ = writeln!(page, "| {number} | {what} | {kind} | {} | {due} | {until} | {state} |", cell(&owner));
    }
    if !document.roles.is_empty() {
        page.push_str("\n## Roles\n\n");
        let mut roles: Vec<_> = document.roles.values().collect();
        roles.sort();
        roles.dedup();
        for role in roles {
            let _ = writeln!(page, "- {}", one_line(role));
        }
    }
    page
}

fn facts(document: &Document, zone: Tz) -> Vec<(&'static str, String)> {
    let mut facts = vec![("Post-mortem", format!("#{}, {}", document.number, document.stage.words()))];
    let optional = [
        ("Severity", document.severity.clone()),
        ("Service", document.service.clone()),
        ("Environment", document.environment.clone()),
        ("Incident", document.incident.map(|number| format!("#{number}"))),
    ];
    facts.extend(optional.into_iter().filter_map(|(name, value)| Some((name, one_line(&value?)))));
    facts.push(("Started", both_clocks(document.started, zone)));
    facts
}

/// A moment in UTC, and on the team's clocks where these are others.
pub fn both_clocks(at: DateTime<Utc>, zone: Tz) -> String {
    let utc = at.format("%Y-%m-%d %H:%M UTC").to_string();
    match zone {
        Tz::UTC => utc,
        zone => format!("{utc} ({})", at.with_timezone(&zone).format("%H:%M %Z")),
    }
}

/// The text with roles in the place of people: of everybody who has one, of all others of the config, and of whoever is
/// called with an `@`.
pub fn without_names(text: &str, roles: &BTreeMap<String, String>, people: &[String]) -> String {
    let mut names: Vec<_> = roles.keys().chain(people).collect();
    // The longer one first: `ana-maria` is not `ana`.
    names.sort_by_key(|name| (std::cmp::Reverse(name.len()), name.as_str()));
    names.dedup();
    let names: Vec<_> = names.into_iter().map(|name| regex::escape(name)).collect();
    let known = if names.is_empty() { String::new() } else { format!("|(?-u:\\b)(?:{})(?-u:\\b)", names.join("|")) };
    // What is made of escaped names is always a pattern.
    let Ok(pattern) = Regex::new(&format!(r"(?i)@[a-z][\w-]*(?-u:\b){known}")) else { return text.to_owned() };
    let role = |found: &Captures<'_>| {
        let name = found[0].trim_start_matches('@').to_lowercase();
        let role = roles.iter().find(|(person, _)| person.to_lowercase() == name).map(|(_, role)| role.as_str());
        let (start, end) = found.get(0).map_or((0, 0), |found| (found.start(), found.end()));
        // An `@` in the middle of a word calls nobody: an address, a digest of an image. Nor does a package of a registry,
        // unless it is called like somebody.
        let is_part = text[..start].ends_with(|before: char| before.is_ascii_alphanumeric());
        let is_known = role.is_some() || people.iter().any(|person| person.to_lowercase() == name);
        if found[0].starts_with('@') && (is_part || (!is_known && text[end..].starts_with('/'))) {
            return found[0].to_owned();
        }
        let korean = text[end..].starts_with(|next| ('가'..='힣').contains(&next));
        if korean && role.is_none() {
            return SOMEBODY_KO.to_owned();
        }
        let role = role.map_or_else(|| SOMEBODY.to_owned(), |role| format!("the {role}"));
        match begins_sentence(&text[..start]) {
            true => commands::text::capital(&role),
            false => role,
        }
    };
    let replaced = pattern.replace_all(text, role).into_owned();
    PARTICLES.iter().fold(replaced, |text, (wrong, right)| text.replace(wrong, right))
}

fn begins_sentence(before: &str) -> bool {
    let bare = before.trim_end_matches([' ', '-', '*', '#']);
    bare.is_empty() || bare.ends_with(['.', '!', '?', '\n'])
}

/// The text of a section: what is a heading in it stands below the section's own.
fn below(text: &str) -> String {
    let line = |line: &str| if line.starts_with('#') { format!("##{line}") } else { line.to_owned() };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A cell of a table, which it can not break out of.
fn cell(text: &str) -> String {
    one_line(text).replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postmortem::form::usual;
    use crate::postmortem::records::{Reminded, Stage, Wording};
    use commands::ledger::Place;

    #[test]
    fn roles_stand_for_people_and_words_stay_words() {
        let roles = BTreeMap::from([("ana".to_owned(), "commander".to_owned())]);
        let people = ["ana", "ben", "dan"].map(str::to_owned);
        for (text, expected) in [
            ("ana rolled back.", "The commander rolled back."),
            ("Then Ana and ben looked.", "Then the commander and an engineer looked."),
            ("It was red. @ana saw it.", "It was red. The commander saw it."),
            ("@frank.b told @ben", "An engineer.b told an engineer"),
            ("The bench and a banana in the Danube.", "The bench and a banana in the Danube."),
            ("14:02에 ben이 롤백했다.", "14:02에 엔지니어가 롤백했다."),
            ("- ana: looks", "- The commander: looks"),
            ("hello@sha256:abc from ops@example.com", "hello@sha256:abc from ops@example.com"),
            ("@types/node by (@frank)", "@types/node by (an engineer)"),
            ("@ben/@dan and ana/@ben looked", "An engineer/an engineer and the commander/an engineer looked"),
            ("그리고@ben이 봤다.", "그리고엔지니어가 봤다."),
        ] {
            assert_eq!(without_names(text, &roles, &people), expected);
        }
    }

    #[test]
    fn the_page_names_nobody() {
        let at: DateTime<Utc> = "2026-03-02T14:02:00Z".parse().unwrap();
        let wording = |text: &str| Wording { text: text.to_owned(), version: 1, who: "ana".to_owned(), at };
        let document = Document {
            number: 7,
            title: "Checkout | slow".to_owned(),
            service: Some("hello".to_owned()),
            environment: None,
            severity: Some("sev1".to_owned()),
            incident: Some(41),
            stage: Stage::Reviewed,
            by: "ana".to_owned(),
            place: Place::default(),
            started: at,
            due: None,
            roles: BTreeMap::from([("ana".to_owned(), "commander".to_owned())]),
            sections: BTreeMap::from([("summary".to_owned(), wording("# ana rolled back.\nThen it was well."))]),
            charts: vec!["latency of [hello]".to_owned()],
            meeting: None,
            approved: None,
            reviewed: None,
            published: None,
            reminded: Reminded::default(),
        };
        let item = Item {
            number: 9,
            what: "Show @ben the lag | now".to_owned(),
            kind: "detect".to_owned(),
            owner: "ana".to_owned(),
            due: at.date_naive(),
            until: "it is shown".to_owned(),
            state: ItemState::Open,
            reminded: Reminded::default(),
            issue: None,
        };
        let sections = usual().into_iter().take(2).collect();
        let settings = Settings { sections, people: vec!["ana".to_owned()], ..Settings::default() };
        let page = markdown(&document, &[item], &settings, Tz::UTC, Some("2026-03-02-7"));
        let expected = "# Checkout | slow\n\n\
            - **Post-mortem:** #7, reviewed\n- **Severity:** sev1\n- **Service:** hello\n- **Incident:** #41\n\
            - **Started:** 2026-03-02 14:02 UTC\n\n\
            ## Summary\n\n### The commander rolled back.\nThen it was well.\n\n\
            ## Impact\n\n*Nothing yet.*\n\n![latency of  hello ](2026-03-02-7/chart-1.png)\n\n\
            ## Action items\n\n| # | What | Kind | Owner | Due | Done when | State |\n|---|---|---|---|---|---|---|\n\
            | 9 | Show an engineer the lag \\| now | detect | The commander | 2026-03-02 | it is shown | open |\n\n\
            ## Roles\n\n- commander\n";
        assert_eq!(page, expected);
    }

    #[test]
    fn cells_and_headings_stay_where_they_are() {
        assert_eq!(cell("a | b\n| c"), "a \\| b \\| c");
        assert_eq!(below("# One\ntext\n## Two"), "### One\ntext\n#### Two");
    }
}
