//! Incidents, as one plugin tells another of them.

use crate::ledger::Place;
use crate::reply::FileRef;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// An incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its number: that of the act that opened it.
    pub number: u64,
    /// What is wrong, in people's words: not fit to be shown as it is.
    pub title: String,
    /// How bad it is: from 1, the worst, to 4; nothing while nobody has said.
    pub severity: Option<u8>,
    /// How far it has come.
    pub stage: Stage,
    /// The services that it affects.
    pub services: Vec<String>,
    /// The environments in which it does.
    pub environments: Vec<String>,
    /// When what was the case.
    pub clocks: Clocks,
    /// The act that is said to have brought it about, such as a deploy.
    pub cause: Option<u64>,
    /// Where it is talked about.
    pub place: Place,
}

/// How far an incident has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// People suffer from it.
    #[default]
    Open,
    /// Nobody suffers from it any more, and what brought it about is still there.
    Mitigated,
    /// It is over.
    Resolved,
}

/// The five clocks of an incident. All but the third can be set by people, who say why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// When it began, which is not when it was reported; nothing while nobody has said.
    pub started: Option<DateTime<Utc>>,
    /// When somebody, or a program, noticed.
    pub detected: DateTime<Utc>,
    /// When it was opened here.
    pub declared: DateTime<Utc>,
    /// Since when nobody suffers from it.
    pub mitigated: Option<DateTime<Utc>>,
    /// Since when it is over.
    pub resolved: Option<DateTime<Utc>>,
}

/// All that is known of an incident: what a post-mortem begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct Account {
    /// The incident.
    pub incident: Incident,
    /// What was last told of it, in people's words.
    pub update: Option<String>,
    /// Who has done what in it, the commander first: the role, and the person. Who handed a role over is in it, too.
    pub roles: Vec<(&'static str, String)>,
    /// What happened, oldest first.
    pub timeline: Vec<Event>,
    /// What is left to be done.
    pub todos: Vec<Todo>,
}

/// Something that happened in an incident.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// When.
    pub at: DateTime<Utc>,
    /// Who told it.
    pub who: String,
    /// What, in their words: not fit to be shown as it is.
    pub text: String,
    /// The act that it is, where it is more than words.
    pub act: Option<u64>,
    /// Where it was said, where that is known.
    pub place: Option<Place>,
    /// Where a browser finds what was said.
    pub link: Option<String>,
    /// Copies of what went with it: files that stay for good.
    pub files: Vec<FileRef>,
}

/// Something that an incident leaves to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Todo {
    /// Its number: that of the act that noted it.
    pub number: u64,
    /// What, in people's words.
    pub text: String,
    /// Who does it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// When it should be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<DateTime<Utc>>,
}

impl Incident {
    /// Whether a change of this service and environment touches what it affects. One that names neither touches nothing, and
    /// one that names only one of them may be about any of the other; an incident that affects nothing known is touched by
    /// nothing.
    pub fn concerns(&self, service: Option<&str>, environment: Option<&str>) -> bool {
        let among = |names: &[String], name: Option<&str>| {
            names.is_empty() || name.is_none_or(|name| names.iter().any(|it| it == name))
        };
        let known = !self.services.is_empty() || !self.environments.is_empty();
        let named = service.is_some() || environment.is_some();
        known && named && among(&self.services, service) && among(&self.environments, environment)
    }

    /// Since when people suffer from it, as far as anybody knows.
    pub fn since(&self) -> DateTime<Utc> {
        self.clocks.started.unwrap_or(self.clocks.detected).min(self.clocks.detected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incident(services: &[&str], environments: &[&str]) -> Incident {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let at = DateTime::UNIX_EPOCH;
        let clocks = Clocks { started: None, detected: at, declared: at, mitigated: None, resolved: None };
        let (services, environments) = (names(services), names(environments));
        Incident {
            number: 1,
            title: "down".to_owned(),
            severity: None,
            stage: Stage::Open,
            services,
            environments,
            clocks,
            cause: None,
            place: Place::default(),
        }
    }

    #[test]
    fn an_incident_concerns_what_could_touch_it_and_nothing_else() {
        let (both, service, nothing) = (incident(&["hello"], &["live"]), incident(&["hello"], &[]), incident(&[], &[]));
        for (service_of, environment, by_both, by_service) in [
            (Some("hello"), Some("live"), true, true),
            (Some("hello"), Some("test"), false, true),
            (Some("other"), Some("live"), false, false),
            (Some("hello"), None, true, true),
            (None, Some("live"), true, true),
            (None, Some("test"), false, true),
            (None, None, false, false),
        ] {
            let found = (both.concerns(service_of, environment), service.concerns(service_of, environment));
            assert_eq!(found, (by_both, by_service), "{service_of:?} {environment:?}");
            assert!(!nothing.concerns(service_of, environment));
        }
    }
}
