//! What the operator wrote about freezes: windows that come again, dates, and calendars.

use super::window::{Scope, When};
use crate::calendar::Calendar;
use chrono_tz::Tz;
use commands::moment;
use commands::plugin::Setup;
use config::{Section, quoted};
use std::time::Duration;

/// The longest window of a rhythm: the days of a long holiday.
const LONGEST_WINDOW: Duration = Duration::from_secs(31 * 86_400);

/// The whole of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a freeze is lifted for somebody when they do not say.
    pub lift: Duration,
    /// How long it may be lifted at the most.
    pub longest_lift: Duration,
    /// The freezes.
    pub windows: Vec<Window>,
}

/// A freeze of the config.
#[derive(Debug, Clone)]
pub struct Window {
    /// What it binds.
    pub scope: Scope,
    /// When.
    pub when: When,
    /// Why.
    pub why: String,
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let (lift, longest_lift) = (Duration::from_secs(30 * 60), Duration::from_secs(4 * 3600));
        let mut settings = Settings { lift, longest_lift, windows: Vec::new() };
        let Some(section) = setup.section() else { return settings };
        settings.longest_lift = section.duration("longest_break").unwrap_or(longest_lift);
        settings.lift = section.duration("break").unwrap_or(lift.min(settings.longest_lift));
        if settings.lift > settings.longest_lift {
            let longest = config::duration::show(settings.longest_lift);
            let what = format!("a freeze is lifted for {longest} at the most");
            section.problem("break", what, "write less, or a longer `longest_break`");
        }
        settings.windows = section.list("windows").into_iter().filter_map(|one| window(setup, one)).collect();
        section.finish();
        settings
    }
}

fn window(setup: &Setup<'_>, section: Section<'_>) -> Option<Window> {
    let zone = section.zone("zone").unwrap_or(setup.config.zone);
    let scope = Scope {
        environments: section.names("environments", "environment", &setup.config.environments),
        services: section.names("services", "service", &setup.vocabulary().services),
    };
    let ways: Vec<_> = ["cron", "from", "calendar"].into_iter().filter(|key| section.has(key)).collect();
    let when = match ways[..] {
        ["cron"] => rhythm(&section, zone),
        ["from"] => once(&section, zone),
        ["calendar"] => events(&section, zone),
        _ => {
            let what = "a window says in one way when it is";
            section.problem(
                ways.get(1).unwrap_or(&""),
                what,
                "write `cron` and `for`, `from` and `until`, or `calendar`",
            );
            return None;
        }
    };
    let why = section.required_text("because");
    section.finish();
    Some(Window { scope, when: when?, why })
}

fn rhythm(section: &Section<'_>, zone: Tz) -> Option<When> {
    let schedule = section.schedule("cron", zone);
    if !section.has("for") {
        section.problem("cron", "it is not said how long each window lasts", "write `for = \"63h\"` beside it");
    }
    let lasts = section.duration("for")?;
    if lasts > LONGEST_WINDOW {
        section.problem(
            "for",
            "a window that comes again lasts 31 days at the most",
            "write less, or `from` and `until`",
        );
    }
    Some(When::Rhythm(Box::new(schedule?), lasts))
}

fn once(section: &Section<'_>, zone: Tz) -> Option<When> {
    let read = |key: &str| {
        let text = section.required_text(key);
        let at = moment::on_calendar(&text, zone);
        if at.is_none() && !text.is_empty() {
            let instead = format!("write `{key} = \"2026-12-24\"` or `{key} = \"2026-12-24 17:00\"`");
            section.problem(key, format!("{} is no date", quoted(&text)), instead);
        }
        at
    };
    let (from, until) = (read("from"), read("until"));
    let (from, until) = (from?, until?);
    if until <= from {
        section.problem(
            "until",
            "it ends before it begins",
            "write a later `until`: a day is meant from its first moment on",
        );
    }
    Some(When::Once(from, until))
}

fn events(section: &Section<'_>, zone: Tz) -> Option<When> {
    let text = section.file("calendar")?;
    let wrong = |what: String| section.problem("calendar", what, "export it again, or name another file");
    Calendar::read(&text, zone).map_err(wrong).ok().map(When::Events)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with these lines of `[freeze]`.
    fn wrong(lines: &str) -> String {
        let text = format!("environments = [\"live\"]\n[services.hello]\n[freeze]\n{lines}");
        let (config, problems) = config::parse(&text, "deckhand.toml", std::path::Path::new("/nowhere"), &|_| None);
        Settings::read(&Setup { name: "freeze", config: &config, problems: problems.clone() });
        problems.to_string()
    }

    #[test]
    fn mistakes_are_told_with_what_to_write() {
        let window = |lines: &str| wrong(&format!("[[freeze.windows]]\nbecause = \"sale\"\n{lines}"));
        for (lines, told) in [
            ("cron = \"0 17 * * fri\"\nfor = \"63h\"\nzone = \"Europe/Berlin\"", ""),
            ("from = \"2026-12-24 17:00\"\nuntil = \"2027-01-02\"\nservices = [\"hello\"]", ""),
            ("", "a window says in one way when it is; write `cron` and `for`"),
            ("cron = \"@weekly\"\nfor = \"1h\"\nfrom = \"2026-12-24\"", "a window says in one way"),
            ("cron = \"0 25 * * *\"\nfor = \"1h\"", "`25` is no hour"),
            ("cron = \"@daily\"", "it is not said how long each window lasts; write `for = \"63h\"`"),
            ("cron = \"@daily\"\nfor = \"5w\"", "lasts 31 days at the most"),
            ("from = \"24.12.2026\"\nuntil = \"2027-01-02\"", "`24.12.2026` is no date; write `from = \"2026-12-24\"`"),
            ("from = \"2026-12-24\"", "has no `until`"),
            ("from = \"2026-12-24\"\nuntil = \"2026-12-24\"", "it ends before it begins"),
            ("calendar = \"holidays.ics\"", "`/nowhere/holidays.ics`: there is no such file"),
            ("cron = \"@daily\"\nfor = \"1h\"\nzone = \"Atlantis\"", "`Atlantis` is no time zone"),
            (
                "cron = \"@daily\"\nfor = \"1h\"\nenvironments = [\"life\"]",
                "there is no environment `life`; write `live`",
            ),
            ("cron = \"@daily\"\nfor = \"1h\"\nservice = \"hello\"", "has no setting `service`"),
        ] {
            let found = window(lines);
            assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{lines}\n{found}");
        }
        assert!(wrong("break = \"9h\"").contains("a freeze is lifted for 4h at the most"));
        assert!(
            wrong("[[freeze.windows]]\nfrom = \"2026-12-24\"\nuntil = \"2027-01-02\"").contains("has no `because`")
        );
    }
}
