//! A deploy before it is one: what is to be shipped where, and by which program.

use super::driver::Work;
use super::records::{LIVE, Live, Release, Target};
use super::settings::{Host, Names, Service};
use commands::act::Act;
use std::time::Duration;

/// The verb of an act that goes back.
pub(super) const BACK: &str = "deploy.rollback";

/// What is to be shipped where, looked at before anything changes.
pub(super) struct Plan<'a> {
    pub service: &'a Service,
    pub target: Target,
    pub release: Release,
    /// What is live before, and the version of that record.
    pub before: (Option<Live>, u64),
    pub way: Way,
    pub why: String,
}

/// Whether it is something new, or what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Back,
}

impl Plan<'_> {
    /// What its driver is to do, as the act of this number; `release` is another than the plan's when it is put back.
    pub fn work<'a>(&'a self, number: u64, release: &'a Release, grace: Duration) -> Work<'a> {
        work(self.service, &self.target, release, number, grace)
    }

    /// Whether it takes more than shipping to one place and checking it.
    pub fn is_course(&self) -> bool {
        let hosts = self.service.hosts(&self.target.environment);
        !hosts.is_empty() || self.service.strategy.switch().is_some()
    }

    pub fn names(&self) -> Names<'_> {
        names(&self.target, &self.release)
    }

    /// What is asked for, and agreed to.
    pub fn act(&self) -> Act {
        let Target { service, environment } = &self.target;
        let live = self.before.0.as_ref().map_or_else(|| "nothing".to_owned(), |live| live.release.to_string());
        let release = &self.release;
        let (verb, says) = match self.way {
            Way::Forward => ("deploy.ship", format!("Ship `{service}` {release} to")),
            Way::Back => (BACK, format!("Roll `{service}` back to {release} in")),
        };
        Act {
            verb,
            object: format!("{service} {release}"),
            service: Some(service.clone()),
            environment: Some(environment.clone()),
            says: format!("{says} `{environment}`, where {}.", stands(self.before.0.as_ref())),
            facts: vec![
                ("commit", self.release.commit.clone()),
                ("ref", self.release.reference.clone()),
                ("live before", live),
            ],
            undo: None,
            state: Some(LIVE.key(&self.target)),
            why: self.why.clone(),
            danger: false,
        }
    }
}

/// What is live, as a part of a sentence.
pub(super) fn stands(live: Option<&Live>) -> String {
    match live {
        None => "nothing is live".to_owned(),
        Some(Live { release, doubt: None, .. }) => format!("{release} is live"),
        Some(Live { release, doubt: Some(number), .. }) => {
            format!("{release} was live before #{number}, of which nobody knows how it ended")
        }
    }
}

pub(super) fn names<'a>(target: &'a Target, release: &'a Release) -> Names<'a> {
    Names {
        service: &target.service,
        environment: &target.environment,
        commit: &release.commit,
        reference: &release.reference,
        host: None,
        colour: None,
        weight: None,
    }
}

/// What a service's driver is to do at all targets of an environment.
pub(super) fn work<'a>(
    service: &'a Service,
    target: &'a Target,
    release: &'a Release,
    act: u64,
    grace: Duration,
) -> Work<'a> {
    Work {
        act,
        target,
        repository: &service.repository,
        release,
        hosts: service.hosts(&target.environment).iter().collect(),
        colour: None,
        log: log_name(target, act),
        limit: service.limit,
        grace,
    }
}

/// The most logs that a message has as files.
const LOGS: usize = 8;

/// The logs of a deploy, with what they are called.
pub(super) fn logs(service: &Service, target: &Target, number: u64) -> Vec<(String, String)> {
    let (log, hosts) = (log_name(target, number), service.hosts(&target.environment));
    let stem = log.trim_end_matches(".log");
    let of_host = |host: &Host| (format!("Log of #{number} on {}", host.name), format!("{stem}.{}.log", host.name));
    let mut logs: Vec<_> = hosts.iter().take(LOGS).map(of_host).collect();
    if hosts.is_empty() {
        logs.push((format!("Log of #{number}"), log.clone()));
    }
    if service.strategy.switch().is_some() {
        logs.push((format!("Switches of #{number}"), format!("{stem}.switch.log")));
    }
    logs
}

/// The name of a deploy's log.
pub(super) fn log_name(target: &Target, number: u64) -> String {
    format!("deploy-{number}-{}-{}.log", target.service, target.environment)
}
