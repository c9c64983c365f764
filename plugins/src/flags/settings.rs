//! What the operator wrote about feature flags.

use super::model::DEFAULT_PROJECT;
use super::{serve, transfer};
use commands::ledger::Place;
use commands::plugin::Setup;
use config::{Schedule, Section, quoted};
use std::time::Duration;

/// When the owners of stale flags are told, where the config does not say.
const DIGEST: &str = "0 9 * * mon";

/// The whole of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where changes are told.
    pub tell: Vec<Place>,
    /// By how many percent of the users a flag goes up at once without a warning.
    pub step: u8,
    /// The environments where turning a flag up is asked about first.
    pub production: Vec<String>,
    /// After how long of standing the same way for everybody a flag is stale.
    pub stale_after: Duration,
    /// When the flags' channel is told of those.
    pub digest: Option<Schedule>,
    /// The projects that flags may belong to, the usual one first.
    pub projects: Vec<String>,
    /// Below which addresses files may be fetched that are imported.
    pub import_from: Vec<String>,
    /// How applications are served.
    pub serve: serve::Settings,
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let environments = &setup.config.environments;
        let mut settings = Settings {
            tell: Vec::new(),
            step: 25,
            production: environments.last().cloned().into_iter().collect(),
            stale_after: Duration::from_secs(30 * 86_400),
            digest: Schedule::parse(DIGEST, setup.config.zone).ok(),
            projects: vec![DEFAULT_PROJECT.to_owned()],
            import_from: Vec::new(),
            serve: serve::Settings::read(None),
        };
        let Some(section) = setup.section() else { return settings };
        settings.tell = setup.places(&section, "channel");
        if let Some(step) = section.integer("step", 1..=100) {
            settings.step = u8::try_from(step).unwrap_or(settings.step);
        }
        settings.stale_after = section.duration("stale_after").unwrap_or(settings.stale_after);
        if section.has("digest") {
            settings.digest = section.schedule("digest", setup.config.zone);
        }
        if section.has("production") {
            settings.production = section.names("production", "environment", environments);
        }
        if section.has("projects") {
            settings.projects = projects(&section);
        }
        settings.import_from = transfer::read_places(&section);
        settings.serve = serve::Settings::read(section.table("serve"));
        section.finish();
        settings
    }
}

fn projects(section: &Section<'_>) -> Vec<String> {
    let projects = section.required_texts("projects");
    for name in projects.iter().filter(|name| super::model::wrong_with_key(name).is_some()) {
        let what = format!("{} is no name of a project: it is part of tokens", quoted(name));
        section.problem("projects", what, "write letters, digits, `-`, `_` and `.` only");
    }
    projects
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_what_to_write() {
        for (lines, told) in [
            ("", ""),
            ("step = 10\nproduction = [\"live\"]\nprojects = [\"default\", \"shop\"]", ""),
            ("step = 0", "`step` is 0"),
            ("production = [\"life\"]", "there is no environment `life`; write `live`"),
            ("projects = [\"a:b\"]", "`a:b` is no name of a project"),
            ("import_from = [\"https://files.example.com/flags/\"]", ""),
            ("import_from = [\"https://files.example.com/flags\"]", "is no address of a folder"),
            ("import_from = [\"file:///etc/\"]", "is no address of a folder"),
            ("channel = \"opps\"", "there is no channel `opps`"),
            ("steps = 3", "has no setting `steps`"),
        ] {
            let text = format!("environments = [\"test\", \"live\"]\n[flags]\n{lines}");
            let (config, problems) = config::parse(&text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
            let settings = Settings::read(&Setup { name: "flags", config: &config, problems: problems.clone() });
            let found = problems.to_string();
            assert!(if told.is_empty() { found.is_empty() } else { found.contains(told) }, "{lines}\n{found}");
            assert!(!found.is_empty() || settings.production == ["live"]);
        }
    }
}
