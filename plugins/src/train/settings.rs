//! What the operator wrote about trains: what they take where, when they leave, and what leaving is.

use commands::ledger::Place;
use commands::plugin::{Line, Setup};
use config::{Schedule, Section, quoted};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is said for each entry, where the config does not say.
const LINE: &str = "deploy ship service:{service} env:{env} ref:{commit}";

/// What stands for something in that line.
const NAMES: [&str; 3] = ["service", "env", "commit"];

/// The trains, by name.
pub type Trains = BTreeMap<&'static str, Train>;

/// A train.
#[derive(Debug)]
pub struct Train {
    pub name: &'static str,
    /// What it takes.
    pub services: Vec<String>,
    /// Where it goes.
    pub environment: String,
    /// When it leaves by itself.
    pub schedule: Option<Schedule>,
    /// How long before that it is announced, the longest first.
    pub announce: Vec<Duration>,
    /// Where it is told.
    pub places: Vec<Place>,
    pub on_hold: OnHold,
    /// What is said for each entry.
    pub line: String,
    /// What has to be possible to say, and where it stands in the config.
    pub lines: Vec<Line>,
}

/// What a hold does at the time of departure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnHold {
    /// The train waits.
    Wait,
    /// It leaves without what belongs to whoever holds it.
    LeaveWithout,
}

impl Train {
    /// What is said to ship a service's commit.
    pub fn line(&self, service: &str, commit: &str) -> String {
        // Names and hashes hold no braces: nothing is replaced twice.
        self.line.replace("{service}", service).replace("{env}", &self.environment).replace("{commit}", commit)
    }
}

/// Reads `[train]`, noting every mistake.
pub fn read(setup: &Setup<'_>) -> Trains {
    let Some(section) = setup.section() else { return Trains::new() };
    let trains = section.tables("trains").into_iter().map(|(name, one)| train(setup, name, one));
    let trains = trains.map(|train| (train.name, train)).collect();
    section.finish();
    trains
}

fn train(setup: &Setup<'_>, name: String, section: Section<'_>) -> Train {
    if !commands::registry::is_name(&name) {
        let what = format!("{} can not be the name of a train", quoted(&name));
        section.problem("", what, "write up to 32 of a-z, 0-9 and `-`, a letter first");
    }
    let environment = section.required_text("env");
    if !environment.is_empty() && !setup.config.environments.contains(&environment) {
        let instead = format!("write one of: {}", setup.config.environments.join(", "));
        section.problem("env", format!("there is no environment {}", quoted(&environment)), instead);
    }
    let schedule = section.schedule("cron", section.zone("zone").unwrap_or(setup.config.zone));
    section.required_text("channel");
    let on_hold = match section.choice("on_hold", &["wait", "leave-without"]).as_deref() {
        Some("leave-without") => OnHold::LeaveWithout,
        _ => OnHold::Wait,
    };
    let services = services(setup, &section);
    // Jobs are known by names that live as long as Deckhand: this is leaked, once, when the config is read.
    let name: &'static str = Box::leak(name.into_boxed_str());
    let line = section.text("line").unwrap_or_else(|| LINE.to_owned());
    check_line(&section, &line);
    let mut train = Train {
        name,
        services,
        environment,
        announce: announced(&section),
        places: setup.places(&section, "channel"),
        on_hold,
        line: line.trim_start_matches('/').to_owned(),
        lines: Vec::new(),
        schedule,
    };
    let place = section.place(if section.has("line") { "line" } else { "env" });
    let ships = train.services.iter().map(|service| train.line(service, &"1".repeat(40)));
    let ships = ships.map(|text| Line { text, place: place.clone(), unasked: false });
    let goes = Line { text: format!("train go train:{name}"), place: section.place("cron"), unasked: true };
    train.lines = ships.chain(train.schedule.is_some().then_some(goes)).collect();
    section.finish();
    train
}

/// The services that it takes: all that have a repository, or those that are named.
fn services(setup: &Setup<'_>, section: &Section<'_>) -> Vec<String> {
    let with = || {
        let services = setup.config.services.iter();
        services.filter(|(_, service)| service.repository.is_some()).map(|(name, _)| name.clone())
    };
    let named = section.texts("services");
    for wrong in named.iter().filter(|name| with().all(|service| service != **name)) {
        let what = format!("there is no service {} with a repository", quoted(wrong));
        section.problem("services", what, format!("write some of: {}", with().collect::<Vec<_>>().join(", ")));
    }
    if named.is_empty() { with().collect() } else { named }
}

fn announced(section: &Section<'_>) -> Vec<Duration> {
    let mut announce = Vec::new();
    for text in section.texts("announce") {
        match config::duration::parse(&text) {
            Ok(before) => announce.push(before),
            Err(wrong) => section.problem("announce", wrong, "write for example `announce = [\"1h\", \"10m\"]`"),
        }
    }
    announce.sort();
    announce.reverse();
    announce
}

fn check_line(section: &Section<'_>, line: &str) {
    for name in line.split('{').skip(1).filter_map(|rest| Some(rest.split_once('}')?.0)) {
        if !NAMES.contains(&name) {
            let what = format!("nothing stands for `{{{name}}}`");
            section.problem("line", what, "write some of `{service}`, `{env}`, `{commit}`");
        }
    }
    if !line.contains("{commit}") || !line.contains("{service}") {
        let what = "it does not say what leaves";
        section.problem("line", what, format!("write `{{service}}` and `{{commit}}` in it, as in `{LINE}`"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is wrong with these lines of a train.
    fn wrong(lines: &str) -> String {
        let text = format!(
            "environments = [\"live\"]\n[services.hello]\nrepository = \"/srv/hello\"\n[services.bare]\n[train.trains.weekly]\n{lines}"
        );
        let (config, problems) = config::parse(&text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
        read(&Setup { name: "train", config: &config, problems: problems.clone() });
        problems.to_string()
    }

    #[test]
    fn mistakes_are_told_with_what_to_write() {
        let train = |lines: &str| wrong(&format!("env = \"live\"\nchannel = \"ops\"\n{lines}"));
        for (lines, told) in [
            ("cron = \"0 17 * * fri\"\nannounce = [\"1h\", \"10m\"]\nservices = [\"hello\"]", ""),
            ("cron = \"0 25 * * *\"", "`25` is no hour"),
            ("services = [\"bare\"]", "there is no service `bare` with a repository; write some of: hello"),
            ("announce = [\"soon\"]", "write for example `announce = "),
            ("on_hold = \"go\"", "`go` is no `on_hold`"),
            ("line = \"deploy ship service:{service} ref:{comit}\"", "nothing stands for `{comit}`"),
            ("line = \"deploy promote service:{service} env:{env}\"", "it does not say what leaves"),
            ("when = \"now\"", "has no setting `when`"),
        ] {
            let found = train(lines);
            assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{lines}\n{found}");
        }
        assert!(wrong("env = \"life\"\nchannel = \"ops\"").contains("there is no environment `life`"));
        assert!(wrong("env = \"live\"\nchannel = \"opps\"").contains("there is no channel `opps`"));
        assert!(wrong("env = \"live\"").contains("has no `channel`"));
    }
}
