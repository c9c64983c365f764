//! What the operator wrote about alerts: who may send them, what they are about, and where they are told.

use super::alertmanager::Alertmanager;
use commands::ledger::Place;
use commands::plugin::Setup;
use config::Section;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::time::Duration;

/// The fewest letters of a token that nobody guesses.
const SHORTEST_TOKEN: usize = 16;

/// The whole of it.
pub struct Settings {
    /// Where alerts are told that are about no service, or about one with no channel of its own.
    tell: Vec<Place>,
    /// The SHA-256 of what programs have to show.
    token: Option<[u8; 32]>,
    /// The labels that name a service, and those that name an environment, the first that is there first.
    labels: [Vec<String>; 2],
    /// What an environment is called in labels, where it is another name.
    aliases: BTreeMap<String, String>,
    /// After how long of hearing nothing of it an alert is over.
    pub forget: Duration,
    /// Where Alertmanager is asked.
    pub alertmanager: Option<Alertmanager>,
    services: BTreeMap<String, Service>,
}

/// What is said of one service.
struct Service {
    /// The labels that mean it.
    labels: BTreeMap<String, String>,
    tell: Vec<Place>,
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let mut settings = Settings {
            tell: Vec::new(),
            token: None,
            labels: [vec!["service".to_owned()], vec!["environment".to_owned(), "env".to_owned()]],
            aliases: BTreeMap::new(),
            forget: Duration::from_secs(24 * 3600),
            alertmanager: None,
            services: BTreeMap::new(),
        };
        if let Some(section) = setup.section() {
            settings.tell = setup.places(&section, "channel");
            settings.token = token(&section, setup.config.hooks.is_some());
            for (key, labels) in ["service_labels", "environment_labels"].into_iter().zip(&mut settings.labels) {
                if section.has(key) {
                    *labels = section.required_texts(key);
                }
            }
            settings.aliases = section.text_map("environments");
            for meant in settings.aliases.values().filter(|meant| !setup.config.environments.contains(meant)) {
                let what = format!("there is no environment {}", config::quoted(meant));
                section.problem("environments", what, "write `label = \"environment\"`, with one that there is");
            }
            settings.forget = section.duration("forget").unwrap_or(settings.forget);
            settings.alertmanager = section.table("alertmanager").and_then(Alertmanager::read);
            section.finish();
        }
        for (name, section) in setup.services() {
            let service = Service { labels: section.text_map("labels"), tell: setup.places(&section, "channel") };
            section.finish();
            settings.services.insert(name, service);
        }
        settings
    }

    /// Whether a program has shown the token.
    pub fn lets_in(&self, shown: &str) -> bool {
        // Digests are compared: how long that takes tells nothing of the token.
        self.token.is_some_and(|token| token == digest(shown))
    }

    /// Where an alert about this service is told.
    pub fn tell(&self, service: Option<&str>) -> &[Place] {
        let own = service.and_then(|service| self.services.get(service)).map(|service| &*service.tell);
        own.filter(|own| !own.is_empty()).unwrap_or(&self.tell)
    }

    /// The service and the environment that labels mean: names of the config, or nothing.
    pub fn about(
        &self,
        labels: &BTreeMap<String, String>,
        services: &[String],
        environments: &[String],
    ) -> (Option<String>, Option<String>) {
        let [of_service, of_environment] = &self.labels;
        let named = |names: &[String], known: &[String]| {
            let found = names.iter().filter_map(|name| labels.get(name));
            let found = found.map(|value| self.aliases.get(value).unwrap_or(value));
            found.into_iter().find(|value| known.contains(value)).cloned()
        };
        let means = |(_, service): &(&String, &Service)| {
            !service.labels.is_empty() && service.labels.iter().all(|(name, value)| labels.get(name) == Some(value))
        };
        let declared = self.services.iter().find(means).map(|(name, _)| name.clone());
        (declared.or_else(|| named(of_service, services)), named(of_environment, environments))
    }
}

/// Reads `token`; without one, nobody is let in.
fn token(section: &Section<'_>, listens: bool) -> Option<[u8; 32]> {
    let token = section.required_text("token");
    if section.has("token") && token.len() < SHORTEST_TOKEN {
        let what = format!("a token of fewer than {SHORTEST_TOKEN} characters can be guessed");
        section.problem("token", what, "write `token = \"${ALERTS_TOKEN}\"`, made by `openssl rand -hex 32`");
    }
    if !listens {
        let instead = "write a section `[hooks]` with `listen = \"127.0.0.1:7879\"`";
        section.problem("token", "alerts are to come in, and nobody listens to them", instead);
    }
    (!token.is_empty()).then(|| digest(&token))
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text).into()
}
