//! What the operator wrote about incidents: `[incidents]`, and `[services.X.incidents]`.

use crate::calendar::Calendar;
use chrono::{DateTime, TimeDelta, Utc};
use commands::ledger::Place;
use commands::plugin::Setup;
use config::{Config, Schedule, Section, quoted};
use std::collections::BTreeMap;
use std::time::Duration;

/// The shortest and the longest time between two reminders.
const SHORTEST_PACE: Duration = Duration::from_secs(1);
const LONGEST_PACE: Duration = Duration::from_secs(7 * 86_400);

/// When it is told what is still open, where the config does not say.
const DAILY: &str = "0 9 * * mon-fri";

/// What leaves a note by itself, where the config does not say: breaking the glass is for emergencies.
const NOTED: &str = "freeze.break";

/// The whole of it.
#[derive(Debug)]
pub struct Settings {
    /// Where every incident is told, wherever it is talked about.
    pub tell: Vec<Place>,
    /// Where each is talked about.
    pub room: Room,
    /// What becomes of changes of what an open incident affects.
    pub guard: Guard,
    /// Up to which severity an incident guards what it affects.
    pub guarded: u8,
    /// How far back it is looked for what changed before an incident.
    pub lately: TimeDelta,
    /// How often people are reminded.
    pub remind: Remind,
    /// When it is told what is still open.
    pub daily: Option<Schedule>,
    /// The acts, by their verbs, that leave a note by themselves.
    pub notes: Vec<String>,
    /// How bad an incident is that an alert of this severity opens; other alerts open none.
    pub alerts: BTreeMap<String, u8>,
    /// Who is on call where a service does not say.
    on_call: OnCall,
    /// Who is on call for each service.
    services: BTreeMap<String, OnCall>,
    /// Which services each depends on.
    depends_on: BTreeMap<String, Vec<String>>,
}

/// Where an incident is talked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// In a thread under its card, where there are threads.
    Thread,
    /// In a channel of its own, where there are any; else in a thread.
    Channel,
    /// In the channel in which it was opened.
    None,
}

/// How often people are reminded.
#[derive(Debug)]
pub struct Remind {
    /// How long it rests until it is asked (again) who leads.
    pub lead: TimeDelta,
    /// How long it rests until it is asked (again) how bad it is.
    pub severity: TimeDelta,
    /// How often either is asked at the most.
    pub times: u8,
    /// After how long without an update people are reminded of one: for SEV1, SEV2 and SEV3.
    pub updates: [TimeDelta; 3],
}

/// What becomes of changes of what an open incident affects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// They are refused.
    Refuse,
    /// They go on, and whoever asks for them is told.
    Warn,
    /// Nothing.
    Off,
}

/// Who is on call: whom the event of a calendar names that goes on, else these people.
#[derive(Debug, Default)]
struct OnCall {
    people: Vec<String>,
    calendar: Option<Calendar>,
    /// Everybody whom an event may name.
    known: Vec<String>,
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let config = setup.config;
        let mut settings = Settings {
            tell: Vec::new(),
            room: Room::Thread,
            guard: Guard::Refuse,
            guarded: 2,
            lately: TimeDelta::hours(6),
            remind: Remind::default(),
            daily: Schedule::parse(DAILY, config.zone).ok(),
            notes: vec![NOTED.to_owned()],
            alerts: BTreeMap::new(),
            on_call: OnCall::default(),
            services: BTreeMap::new(),
            depends_on: BTreeMap::new(),
        };
        for (name, service) in &config.services {
            settings.depends_on.insert(name.clone(), service.depends_on.clone());
            let people = service.owners.iter().flat_map(|owner| people_of(config, owner)).collect();
            settings.services.insert(name.clone(), OnCall { people, ..OnCall::default() });
        }
        for (name, section) in setup.services() {
            let own = OnCall::read(config, &section);
            section.finish();
            if !own.is_nobody() {
                settings.services.insert(name, own);
            }
        }
        let Some(section) = setup.section() else { return settings };
        settings.tell = setup.places(&section, "channel");
        settings.room = match section.choice("room", &["thread", "channel", "none"]).as_deref() {
            Some("channel") => Room::Channel,
            Some("none") => Room::None,
            _ => Room::Thread,
        };
        if section.has("thread") {
            let instead = "write `room = \"thread\"` for `thread = true`, `room = \"none\"` for `thread = false`";
            section.problem("thread", "`thread` is called `room` now", instead);
        }
        settings.guard = match section.choice("guard", &["refuse", "warn", "off"]).as_deref() {
            Some("warn") => Guard::Warn,
            Some("off") => Guard::Off,
            _ => Guard::Refuse,
        };
        if let Some(severity) = section.integer("guarded", 1..=4) {
            settings.guarded = u8::try_from(severity).unwrap_or(settings.guarded);
        }
        if let Some(lately) = section.duration("lately") {
            settings.lately =
                TimeDelta::from_std(lately.min(Duration::from_secs(30 * 86_400))).unwrap_or(settings.lately);
        }
        if let Some(remind) = section.table("remind") {
            settings.remind.read(remind);
        }
        if section.has("daily") {
            settings.daily = section.schedule("daily", config.zone);
        }
        if section.has("notes") {
            settings.notes = section.texts("notes");
        }
        settings.alerts = section.table("alerts").map(alerts).unwrap_or_default();
        if !settings.alerts.is_empty() && !section.has("channel") {
            let what = "no channel is named in which alerts open incidents";
            section.problem("alerts", what, "write `channel = \"…\"` in `[incidents]`");
        }
        settings.on_call = OnCall::read(config, &section);
        section.finish();
        settings
    }

    /// The neighbours of these services, each with what makes it one: what they depend on, and what depends on them.
    pub fn neighbours(&self, services: &[String]) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for (name, needs) in &self.depends_on {
            if services.contains(name) {
                let others = needs.iter().filter(|other| !services.contains(other));
                others.for_each(|other| _ = found.insert(other.clone(), format!("which {name} depends on")));
            } else if let Some(service) = needs.iter().find(|other| services.contains(other)) {
                found.entry(name.clone()).or_insert_with(|| format!("which depends on {service}"));
            }
        }
        found
    }

    /// Whom to call for these services at this moment, each once.
    pub fn on_call(&self, services: &[String], now: DateTime<Utc>) -> Vec<String> {
        let of = |service: &String| self.services.get(service).map(|on_call| on_call.at(now)).unwrap_or_default();
        let mut found: Vec<_> = services.iter().flat_map(of).collect();
        if found.is_empty() {
            found = self.on_call.at(now);
        }
        let mut seen = std::collections::BTreeSet::new();
        found.retain(|person| seen.insert(person.clone()));
        found
    }
}

impl Default for Remind {
    fn default() -> Remind {
        let minutes = TimeDelta::minutes;
        Remind { lead: minutes(2), severity: minutes(5), times: 5, updates: [30, 60, 240].map(minutes) }
    }
}

impl Remind {
    fn read(&mut self, section: Section<'_>) {
        let [sev1, sev2, sev3] = &mut self.updates;
        let spans = [
            ("lead", &mut self.lead),
            ("severity", &mut self.severity),
            ("sev1", sev1),
            ("sev2", sev2),
            ("sev3", sev3),
        ];
        for (key, span) in spans {
            let Some(given) = section.duration(key) else { continue };
            if given < SHORTEST_PACE || given > LONGEST_PACE {
                section.problem(key, "nobody can be reminded at this pace", "write a time from `1s` to `7d`");
            }
            *span = TimeDelta::from_std(given).unwrap_or(*span);
        }
        if let Some(times) = section.integer("times", 0..=100) {
            self.times = u8::try_from(times).unwrap_or(self.times);
        }
        section.finish();
    }
}

impl OnCall {
    fn read(config: &Config, section: &Section<'_>) -> OnCall {
        let known: Vec<_> = config.people.keys().cloned().collect();
        let people = section.names("on_call", "person", &known);
        let calendar = section.file("on_call_calendar").and_then(|text| {
            let wrong = |what: String, instead: &str| section.problem("on_call_calendar", what, instead);
            let read = Calendar::read(&text, config.zone);
            let calendar = read.map_err(|what| wrong(what, "export it again, or name another file")).ok()?;
            for stranger in calendar.names().filter(|event| named_in(&known, event).is_none()) {
                let what = format!("the event {} names nobody of the config", quoted(stranger));
                wrong(what, "write the name of somebody of `[people]` into its title");
            }
            Some(calendar)
        });
        OnCall { people, calendar, known }
    }

    fn is_nobody(&self) -> bool {
        self.people.is_empty() && self.calendar.is_none()
    }

    fn at(&self, now: DateTime<Utc>) -> Vec<String> {
        let event = self.calendar.as_ref().and_then(|calendar| calendar.at(now)?.name);
        let named = event.and_then(|event| named_in(&self.known, &event).map(str::to_owned));
        named.map_or_else(|| self.people.clone(), |person| vec![person])
    }
}

/// How bad an incident is, by the severity of the alert that opens it.
fn alerts(section: Section<'_>) -> BTreeMap<String, u8> {
    let keys: Vec<_> = section.keys().map(str::to_owned).collect();
    let severity = |key: String| {
        let severity = u8::try_from(section.integer(&key, 1..=4)?).ok()?;
        Some((key, severity))
    };
    let found = keys.into_iter().filter_map(severity).collect();
    section.finish();
    found
}

/// Whose name stands in the title of an event, as a word.
fn named_in<'a>(known: &'a [String], event: &str) -> Option<&'a str> {
    let words: Vec<_> = event.split(|c: char| !c.is_alphanumeric() && !"-_.".contains(c)).collect();
    known.iter().find(|name| words.iter().any(|word| word.eq_ignore_ascii_case(name))).map(String::as_str)
}

/// The people of the config that a name means: a person, or all who hold a role.
fn people_of(config: &Config, name: &str) -> Vec<String> {
    if config.people.contains_key(name) {
        return vec![name.to_owned()];
    }
    let holds = config.people.iter().filter(|(_, person)| person.roles.iter().any(|role| role == name));
    holds.map(|(person, _)| person.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with these lines, and the settings that came of them.
    fn read(lines: &str) -> (Settings, String) {
        let text = format!(
            "environments = [\"live\"]\n[people.ana]\nroles = [\"deployer\"]\n[people.ben]\nroles = [\"deployer\"]\n[people.dan]\n[services.hello]\nowners = [\"dan\", \"deployer\"]\n[services.shop]\n[incidents]\n{lines}"
        );
        let (config, problems) = config::parse(&text, "deckhand.toml", std::path::Path::new("/nowhere"), &|_| None);
        let settings = Settings::read(&Setup { name: "incidents", config: &config, problems: problems.clone() });
        (settings, problems.to_string())
    }

    #[test]
    fn mistakes_are_told_with_what_to_write() {
        for (lines, told) in [
            ("", ""),
            ("guard = \"warn\"\nguarded = 3\nlately = \"2h\"\ndaily = \"0 10 * * *\"\non_call = [\"ana\"]", ""),
            ("guard = \"on\"", "`on` is no `guard`"),
            ("room = \"channel\"", ""),
            ("room = \"thred\"", "write `thread`"),
            ("thread = false", "`thread` is called `room` now; write `room = \"thread\"`"),
            ("guarded = 5", "`guarded` is 5"),
            ("daily = \"0 25 * * *\"", "`25` is no hour"),
            ("on_call = [\"anna\"]", "there is no person `anna`"),
            ("on_call_calendar = \"oncall.ics\"", "`/nowhere/oncall.ics`: there is no such file"),
            ("channel = \"opps\"", "there is no channel `opps`"),
            ("severity = 1", "has no setting `severity`"),
            ("remind = { lead = \"1m\", severity = \"10m\", times = 3, sev1 = \"15m\" }", ""),
            ("remind = { lead = \"0s\" }", "`0s` is no duration"),
            ("remind = { lead = \"8d\" }", "nobody can be reminded at this pace"),
            ("remind = { sev4 = \"1h\" }", "has no setting `sev4`"),
            ("remind = { times = 1000 }", "`times` is 1000"),
            ("alerts = { critical = 1 }", "no channel is named in which alerts open incidents"),
            ("channel = \"ops\"\nalerts = { critical = 1, warning = 3 }", ""),
            ("channel = \"ops\"\nalerts = { critical = 5 }", "`critical` is 5"),
            ("[services.hello.incidents]\non_call = [\"zoe\"]", "there is no person `zoe`"),
        ] {
            let (_, found) = read(lines);
            assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{lines}\n{found}");
        }
    }

    #[test]
    fn those_are_called_who_are_on_call_else_the_owners() {
        let call = |lines: &str, services: &[&str]| {
            let (settings, problems) = read(lines);
            assert_eq!(problems, "");
            let services: Vec<_> = services.iter().map(|name| (*name).to_owned()).collect();
            settings.on_call(&services, DateTime::UNIX_EPOCH).join(" ")
        };
        assert_eq!(call("", &["hello"]), "dan ana ben");
        assert_eq!(call("", &["hello", "hello"]), "dan ana ben");
        assert_eq!(call("", &["shop"]), "");
        assert_eq!(call("on_call = [\"ana\"]", &["shop"]), "ana");
        assert_eq!(call("on_call = [\"ana\"]", &[]), "ana");
        assert_eq!(call("[services.hello.incidents]\non_call = [\"ben\"]", &["hello"]), "ben");
    }

    #[test]
    fn neighbours_are_what_a_service_depends_on_and_what_depends_on_it() {
        let mut settings = read("").0;
        let needs = [("shop", &["hello", "pay"][..]), ("hello", &["db"]), ("db", &["disk"]), ("pay", &["shop"])];
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        settings.depends_on = needs.iter().map(|(name, needs)| ((*name).to_owned(), names(needs))).collect();
        for (services, wanted) in [
            (&["hello"][..], "db (which hello depends on), shop (which depends on hello)"),
            (&["shop"], "hello (which shop depends on), pay (which shop depends on)"),
            (&["hello", "db"], "disk (which db depends on), shop (which depends on hello)"),
            (&["disk"], "db (which depends on disk)"),
            (&[], ""),
        ] {
            let found = settings.neighbours(&names(services));
            let found: Vec<_> = found.iter().map(|(name, why)| format!("{name} ({why})")).collect();
            assert_eq!(found.join(", "), wanted, "{services:?}");
        }
    }

    #[test]
    fn an_event_names_somebody_by_a_word_of_its_title() {
        let known = ["ana".to_owned(), "dan".to_owned()];
        for (event, named) in [
            ("ana", Some("ana")),
            ("On call: Dan (primary)", Some("dan")),
            ("Danube", None),
            ("banana", None),
            ("", None),
        ] {
            assert_eq!(named_in(&known, event), named, "{event}");
        }
    }
}
