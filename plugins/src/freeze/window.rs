//! When something is frozen: a rhythm of the config, a span of time, or the events of a calendar.

use crate::calendar::{Calendar, Span};
use chrono::{DateTime, TimeDelta, Utc};
use config::Schedule;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a freeze binds: these services in these environments; all of them where none is named.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scope {
    /// The environments.
    pub environments: Vec<String>,
    /// The services.
    pub services: Vec<String>,
}

impl Scope {
    /// One of each at most.
    pub fn of(service: Option<&str>, environment: Option<&str>) -> Scope {
        let list = |name: Option<&str>| name.into_iter().map(str::to_owned).collect();
        Scope { environments: list(environment), services: list(service) }
    }

    /// Whether a change of this service and environment is in it; one that names neither concerns no freeze, and one that
    /// names only one of them may be about any of the other.
    pub fn covers(&self, service: Option<&str>, environment: Option<&str>) -> bool {
        let among = |names: &[String], name: Option<&str>| {
            names.is_empty() || name.is_none_or(|name| names.iter().any(|it| it == name))
        };
        let named = service.is_some() || environment.is_some();
        named && among(&self.environments, environment) && among(&self.services, service)
    }
}

/// As it stands in a sentence.
impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match (&self.services[..], &self.environments[..]) {
            ([], []) => f.write_str("everything"),
            ([], environments) => write!(f, "all of {}", list(environments)),
            (services, []) => write!(f, "{}", list(services)),
            (services, environments) => write!(f, "{} in {}", list(services), list(environments)),
        }
    }
}

/// When something is frozen.
#[derive(Debug, Clone)]
pub enum When {
    /// From each of these times on, for so long.
    Rhythm(Box<Schedule>, Duration),
    /// Once.
    Once(DateTime<Utc>, DateTime<Utc>),
    /// During each event.
    Events(Calendar),
}

impl When {
    /// The span that `moment` is in.
    pub fn at(&self, moment: DateTime<Utc>) -> Option<Span> {
        let inside = |span: &Span| span.from <= moment && moment < span.until;
        match self {
            When::Rhythm(schedule, lasts) => {
                let lasts = TimeDelta::from_std(*lasts).ok()?;
                let begins = std::iter::successors(schedule.next(moment - lasts), |begin| schedule.next(*begin));
                let mut begins = begins.take_while(|begin| *begin <= moment);
                let from = begins.next()?;
                // Where one runs into the next, it goes on.
                let last = begins.last().unwrap_or(from);
                Some(Span { from, until: last + lasts, name: None })
            }
            When::Once(from, until) => Some(Span { from: *from, until: *until, name: None }).filter(inside),
            When::Events(calendar) => calendar.at(moment),
        }
    }

    /// The first span that begins after `moment`.
    pub fn next(&self, moment: DateTime<Utc>) -> Option<Span> {
        match self {
            When::Rhythm(schedule, lasts) => {
                let from = schedule.next(moment)?;
                Some(Span { from, until: from + TimeDelta::from_std(*lasts).ok()?, name: None })
            }
            When::Once(from, until) => {
                Some(Span { from: *from, until: *until, name: None }).filter(|span| span.from > moment)
            }
            When::Events(calendar) => calendar.next(moment),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Tz;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn a_rhythm_holds_from_its_beginning_and_no_moment_longer() {
        let schedule = Schedule::parse("0 17 * * fri", Tz::Europe__Berlin).unwrap();
        let weekend = When::Rhythm(Box::new(schedule), Duration::from_secs(63 * 3600));
        for (moment, until) in [
            ("2026-03-06T15:59:59Z", None),
            ("2026-03-06T16:00:00Z", Some("2026-03-09T07:00:00Z")),
            ("2026-03-09T06:59:59Z", Some("2026-03-09T07:00:00Z")),
            ("2026-03-09T07:00:00Z", None),
        ] {
            assert_eq!(weekend.at(at(moment)).map(|span| span.until), until.map(at), "{moment}");
        }
        assert_eq!(weekend.next(at("2026-03-06T16:00:00Z")).unwrap().from, at("2026-03-13T16:00:00Z"));
        let hourly = When::Rhythm(Box::new(Schedule::parse("@hourly", Tz::UTC).unwrap()), Duration::from_secs(90 * 60));
        let span = hourly.at(at("2026-03-06T16:20:00Z")).unwrap();
        assert_eq!((span.from, span.until), (at("2026-03-06T15:00:00Z"), at("2026-03-06T17:30:00Z")));
    }

    #[test]
    fn a_freeze_binds_what_could_touch_it_and_nothing_else() {
        let scope =
            Scope { environments: vec!["live".to_owned()], services: vec!["hello".to_owned(), "shop".to_owned()] };
        for (service, environment, bound) in [
            (Some("hello"), Some("live"), true),
            (Some("shop"), None, true),
            (None, Some("live"), true),
            (Some("other"), Some("live"), false),
            (Some("hello"), Some("test"), false),
            (None, None, false),
        ] {
            assert_eq!(scope.covers(service, environment), bound, "{service:?} {environment:?}");
        }
        assert!(Scope::default().covers(Some("other"), None) && !Scope::default().covers(None, None));
    }
}
