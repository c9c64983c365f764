//! The names that the config gives: what arguments may say.

use crate::spec::Kind;
use chrono_tz::Tz;
use config::Config;

/// The services, environments and people that there are, and the zone that times of the day are meant in.
#[derive(Debug, Clone, PartialEq)]
pub struct Vocabulary {
    /// The services, in the order in which they are shown.
    pub services: Vec<String>,
    /// The environments, in the order of promotion.
    pub environments: Vec<String>,
    /// The people, by their names in the config.
    pub people: Vec<String>,
    /// The team's time zone.
    pub zone: Tz,
}

impl Vocabulary {
    /// The names that a config gives.
    pub fn of(config: &Config) -> Vocabulary {
        Vocabulary {
            services: config.services.keys().cloned().collect(),
            environments: config.environments.clone(),
            people: config.people.keys().cloned().collect(),
            zone: config.zone,
        }
    }

    /// The names that an argument of a kind may say, where the config gives them.
    pub(crate) fn names(&self, kind: Kind) -> &[String] {
        match kind {
            Kind::Service => &self.services,
            Kind::Environment => &self.environments,
            Kind::Person => &self.people,
            _ => &[],
        }
    }

    /// Whether a word names one of those that a kind takes, whatever its case.
    pub(crate) fn knows(&self, kind: Kind, word: &str) -> bool {
        self.names(kind).iter().any(|name| name.eq_ignore_ascii_case(word.trim_start_matches('@')))
    }

    /// The names that the commands' examples are written with, which are the demo's.
    pub fn of_examples() -> Vocabulary {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Vocabulary {
            services: names(&["hello"]),
            environments: names(&["staging", "production"]),
            people: names(&["ana", "ben", "chloe", "dan", "eve"]),
            zone: Tz::UTC,
        }
    }
}
