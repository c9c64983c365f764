//! A deploy before it is one: what is to be shipped where, and by which program.

use super::driver::Work;
use super::logs;
use super::params::{self, Known};
use super::records::{LIVE, Live, Release, Target};
use super::settings::{Host, Names, Service};
use commands::act::{Act, Permit};
use commands::ledger::Draft;
use commands::text;
use std::time::Duration;

/// The verb of an act that goes back.
pub(super) const BACK: &str = "deploy.rollback";

/// The fact that names the targets that are on it already.
const ON_ALREADY: &str = "on it already";

/// The targets that were on it already when an act began.
pub(super) fn on_already(draft: &Draft) -> Vec<String> {
    let names = draft.facts.get(ON_ALREADY).and_then(|fact| fact.as_str()).unwrap_or_default();
    names.split(", ").filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// What is to be shipped where, looked at before anything changes.
pub(super) struct Plan<'a> {
    pub service: &'a Service,
    pub target: Target,
    pub release: Release,
    /// What is live before, and the version of that record.
    pub before: (Option<Live>, u64),
    pub way: Way,
    pub why: String,
    /// The targets that are on it already, and are left as they are.
    pub on: Vec<String>,
}

/// Whether it is something new, or what was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    Forward,
    Back,
}

/// Which of the two an act is.
pub(super) fn way(permit: &Permit) -> Way {
    if permit.entry().draft.verb == BACK { Way::Back } else { Way::Forward }
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

    /// The deploy that it goes back from: the one that put what is live in doubt, else the one that made it so.
    pub fn over(&self) -> Option<u64> {
        self.before.0.as_ref().filter(|_| self.way == Way::Back).map(|live| live.doubt.unwrap_or(live.deploy))
    }

    pub fn names(&self) -> Names<'_> {
        self.names_of(&self.release)
    }

    /// Whether the health check can tell what is shipped from what was live before.
    pub fn tells(&self) -> bool {
        tells(self.service, &self.target, &self.release, self.before.0.as_ref().map(|live| &live.release))
    }

    /// What the placeholders stand for when this release is at its target.
    pub fn names_of<'a>(&'a self, release: &'a Release) -> Names<'a> {
        names(&self.service.params, &self.target, release)
    }

    /// The targets that it is shipped to.
    pub fn rest(&self) -> Vec<Host> {
        let hosts = self.service.hosts(&self.target.environment).iter();
        hosts.filter(|host| !self.on.contains(&host.name)).cloned().collect()
    }

    /// Which targets are on it already; nothing where none is known to be.
    pub fn already(&self) -> Option<String> {
        let all = text::plural(self.service.hosts(&self.target.environment).len(), "target");
        let named = || text::cut(&self.on.join(", "), 300);
        (!self.on.is_empty()).then(|| format!("{} ({} of {all})", named(), self.on.len()))
    }

    /// What has changed in the config since what it goes back to was shipped: sentences.
    pub fn since(&self) -> Option<String> {
        self.service.params.since(&self.release.params).filter(|_| self.way == Way::Back)
    }

    /// What is asked for, and agreed to.
    pub fn act(&self) -> Act {
        let Target { service, environment } = &self.target;
        let live = self.before.0.as_ref().map_or_else(|| "nothing".to_owned(), |live| live.release.full());
        let release = &self.release;
        let with = params::said(&release.params);
        let shown = if with.is_empty() { String::new() } else { format!(" with {}", text::code(&with)) };
        let (verb, says) = match self.way {
            Way::Forward => ("deploy.ship", format!("Ship `{service}` {release}{shown} to")),
            Way::Back => (BACK, format!("Roll `{service}` back to {release}{shown} in")),
        };
        let mut act = Act {
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
        };
        if !with.is_empty() {
            act.facts.push(("params", with));
        }
        act.facts.extend(release.artifact.iter().map(|artifact| ("artifact", artifact.clone())));
        if let Some(since) = self.since() {
            act.says = format!("{} {since}", act.says);
        }
        if let Some(already) = self.already() {
            act.says = format!("{} On it already, and left so: {already}.", act.says);
            act.facts.push((ON_ALREADY, self.on.join(", ")));
        }
        act
    }
}

/// What is live, as a part of a sentence.
pub(super) fn stands(live: Option<&Live>) -> String {
    match live {
        None => "nothing is live".to_owned(),
        Some(Live { release, doubt: None, .. }) => format!("{} is live", release.full()),
        Some(Live { release, doubt: Some(number), .. }) => {
            format!("{} was live before #{number}, of which nobody knows how it ended", release.full())
        }
    }
}

/// Whether the health check can tell what is shipped from what was live before. Of the very same release there is nothing to
/// tell.
pub(super) fn tells(service: &Service, target: &Target, release: &Release, before: Option<&Release>) -> bool {
    let Some(check) = service.health.as_ref().filter(|check| check.tells_releases()) else { return false };
    let asks = |release| {
        let names = names(&service.params, target, release);
        check.probe.texts().into_iter().map(|(_, text)| names.fill(text)).collect::<Vec<_>>()
    };
    before.is_none_or(|before| {
        before.commit == release.commit && before.params == release.params || asks(before) != asks(release)
    })
}

pub(super) fn names<'a>(known: &'a Known, target: &'a Target, release: &'a Release) -> Names<'a> {
    Names {
        service: &target.service,
        environment: &target.environment,
        commit: &release.commit,
        reference: &release.reference,
        host: None,
        colour: None,
        weight: None,
        artifact: release.artifact.as_deref(),
        params: &release.params,
        known,
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
        known: &service.params,
        hosts: service.hosts(&target.environment).iter().collect(),
        colour: None,
        back: false,
        log: logs::whole(target, act),
        limit: service.limit,
        grace,
    }
}

/// The most logs that a message has as files.
const LOGS: usize = 9;

/// The logs of a deploy, as far as there are any, with what they are called: those of the targets first that `why` names.
pub(super) fn logs(service: &Service, target: &Target, number: u64, why: &str) -> Vec<(String, String)> {
    let (log, hosts) = (logs::whole(target, number), service.hosts(&target.environment));
    let switches =
        service.strategy.switch().map(|_| (format!("Switches of #{number}"), logs::part(&log, logs::SWITCH)));
    let (first, rest): (Vec<_>, Vec<_>) = hosts.iter().partition(|host| why.contains(&format!("`{}`", host.name)));
    let of_host = |host: &Host| (format!("Log of #{number} on {}", host.name), logs::part(&log, &host.name));
    let room = LOGS - 1 - usize::from(switches.is_some());
    let of_hosts: Vec<_> = first.into_iter().chain(rest).take(room).map(of_host).collect();
    // One program may ship to all targets.
    std::iter::once((format!("Log of #{number}"), log)).chain(of_hosts).chain(switches).collect()
}

/// The logs that `why` is about, each with what its lines begin with where there are several places: those of the targets that
/// it names, or of a switch that failed. Where it names none, all there are.
pub(super) fn blamed(service: &Service, target: &Target, number: u64, why: &str) -> Vec<(String, String)> {
    let (log, hosts) = (logs::whole(target, number), service.hosts(&target.environment));
    let of = |host: &Host| (format!("{}: ", host.name), logs::part(&log, &host.name));
    let named: Vec<_> = hosts.iter().filter(|host| why.contains(&format!("`{}`", host.name))).map(of).collect();
    match () {
        () if why.contains(logs::SWITCHING) => vec![(String::new(), logs::part(&log, logs::SWITCH))],
        // One program may ship to all targets.
        () if named.is_empty() => std::iter::once((String::new(), log.clone())).chain(hosts.iter().map(of)).collect(),
        () => std::iter::once((String::new(), log.clone())).chain(named).collect(),
    }
}
