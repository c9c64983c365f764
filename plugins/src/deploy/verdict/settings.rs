//! What the operator wrote about verdicts: `[services.X.deploy.verdict]`.

use crate::deploy::records::Target;
use commands::plugin::Setup;
use config::Section;
use std::time::Duration;

/// How what is shipped to one place is watched.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    /// For how long after it went live; as long a time before it is what it is held against.
    pub lasts: Duration,
    /// How often it is looked at.
    pub every: Duration,
    /// By how many percent of its value before a measure may be worse.
    pub worse: f64,
    /// Whether Deckhand goes back by itself.
    pub back: bool,
}

/// Reads it from a service's `[services.X.deploy]`, for every environment that it is for; by default the last one.
pub fn read(setup: &Setup<'_>, service: &str, section: &Section<'_>) -> Vec<(Target, Verdict)> {
    let Some(section) = section.table("verdict") else { return Vec::new() };
    let known = &setup.config.environments;
    let mut environments = section.names("env", "environment", known);
    if environments.is_empty() {
        environments.extend(known.last().cloned());
    }
    let lasts = section.duration("for").unwrap_or(Duration::from_secs(600));
    if lasts > Duration::from_secs(3_600) {
        section.problem("for", "what was measured is not remembered for that long", "write an hour or less");
    }
    let verdict = Verdict {
        lasts,
        every: section.duration("every").unwrap_or(Duration::from_secs(30)),
        worse: section.integer("worse", 1..=1_000).and_then(|worse| u16::try_from(worse).ok()).map_or(50.0, f64::from),
        back: section.choice("on_bad", &["ask", "rollback"]).as_deref() == Some("rollback"),
    };
    if verdict.every > verdict.lasts {
        section.problem("every", "it would not be looked at before its time is over", "write less than `for`");
    }
    section.finish();
    let here = |environment| (Target { service: service.to_owned(), environment }, verdict.clone());
    environments.into_iter().map(here).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let cases = [
            ("", ""),
            ("for = \"30m\"\nenv = [\"staging\"]\nevery = \"10s\"\nworse = 20\non_bad = \"rollback\"", ""),
            ("for = \"2h\"", "deckhand.toml:3:7: what was measured is not remembered for that long"),
            ("env = [\"prod\"]", "deckhand.toml:3:8: there is no environment `prod`"),
            ("every = \"20m\"", "deckhand.toml:3:9: it would not be looked at before its time is over"),
            ("worse = 0", "deckhand.toml:3:9: `worse` is 0"),
            ("on_bad = \"roll\"", "deckhand.toml:3:10: `roll` is no `on_bad`"),
            ("fro = \"5m\"", "deckhand.toml:3:1: `[services.hello.deploy.verdict]` has no setting `fro`"),
        ];
        for (text, told) in cases {
            let text =
                format!("environments = [\"staging\", \"production\"]\n[services.hello.deploy.verdict]\n{text}\n");
            let (config, problems) = config::parse(&text, "deckhand.toml", Path::new("/srv"), &|_| None);
            let setup = Setup { name: "deploy", config: &config, problems: problems.clone() };
            let found: Vec<_> =
                setup.services().iter().flat_map(|(name, section)| read(&setup, name, section)).collect();
            assert_eq!(found.len(), 1);
            assert!(problems.is_empty() == told.is_empty() && problems.to_string().contains(told), "{text}{problems}");
        }
    }
}
