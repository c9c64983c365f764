//! What the operator wrote about deploys: how each service is shipped, and how it shows that it is well.

use super::driver::{self, Driver};
use super::logs;
use super::params::{Known, Params};
use super::records::Target;
use super::source::Home;
use super::source::callbacks::Callbacks;
use super::source::ci::Ci;
use super::strategy::{self, Strategy};
use super::verdict::{self, settings::Verdict};
use crate::github::{self, GitHub};
use crate::probe::Probe;
use crate::program::OnStop;
use crate::words;
use commands::act::Act;
use commands::plugin::Setup;
use config::Section;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The names that stand for something everywhere.
const PLACEHOLDERS: [&str; 9] =
    ["service", "environment", "commit", "ref", "artifact", "target", "host", "colour", "weight"];

/// What a service's section says of whether and where it may be shipped, and of what comes after: not of how.
const BESIDE: [&str; 5] = ["ci", "environments", "limit", "unsafe_back", "verdict"];

/// The whole of it.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// What becomes of a deploy under way when Deckhand is stopped.
    pub on_stop: OnStop,
    /// Whether a release has to have been live and well in the environment before.
    pub in_order: bool,
    /// How long a program has between TERM and KILL.
    pub grace: Duration,
    /// How long work may wait before it begins; then people are told that it has not.
    pub start_within: Duration,
    /// GitHub, for what asks it.
    pub github: GitHub,
    /// The runs that services call back about.
    pub callbacks: Callbacks,
    /// Whether any service does.
    pub is_called: bool,
    /// The services that can be deployed, by name.
    pub services: BTreeMap<String, Service>,
    /// Where what is shipped is watched for a while.
    pub verdicts: BTreeMap<Target, Verdict>,
}

/// How one service is shipped.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its git repository: a path or an address.
    pub repository: String,
    /// How the config says it is shipped, as a digest: what a plan rests on.
    pub how: String,
    /// What ships it.
    pub driver: Arc<dyn Driver>,
    /// What it may be shipped with.
    pub params: Known,
    /// How long that may take.
    pub limit: Duration,
    /// Where it can be deployed.
    pub environments: Vec<String>,
    /// Onto which targets, by environment; an environment that is not here is one whole.
    pub targets: BTreeMap<String, Vec<Host>>,
    /// Which files make a commit unsafe to go back over, as git's `glob` path patterns.
    pub unsafe_back: Vec<String>,
    /// How it shows that it is well.
    pub health: Option<Health>,
    /// Which checks of continuous integration it has to have passed.
    pub ci: Option<Ci>,
    /// How all that people are served shows that it is well, where that is seen elsewhere.
    pub balancer: Option<Health>,
    /// In which steps a release comes to all targets.
    pub strategy: Strategy,
}

/// A target: one of several places within an environment that a release is shipped to.
#[derive(Debug, Clone)]
pub struct Host {
    /// What it is called: `web1`.
    pub name: String,
    /// Where it is reached; its name where the config does not say.
    pub address: String,
    /// What its program's environment has beside the service's own.
    pub variables: BTreeMap<String, String>,
    /// Which of two colours it belongs to.
    pub colour: Option<String>,
}

impl Service {
    /// The targets in an environment.
    pub fn hosts(&self, environment: &str) -> &[Host] {
        self.targets.get(environment).map_or(&[], Vec::as_slice)
    }
}

/// A check that a release is live and well.
#[derive(Debug, Clone)]
pub struct Health {
    /// What is tried, with `{names}` in its texts.
    pub probe: Probe,
    /// How often it is tried.
    pub tries: u32,
    /// How long to wait between two tries.
    pub pause: Duration,
    /// How long one try may take.
    pub timeout: Duration,
}

/// What the placeholders stand for in one deploy.
#[derive(Debug, Clone, Copy)]
pub struct Names<'a> {
    /// The service.
    pub service: &'a str,
    /// The environment.
    pub environment: &'a str,
    /// The exact commit.
    pub commit: &'a str,
    /// The ref that it was found under.
    pub reference: &'a str,
    /// One of the environment's targets.
    pub host: Option<&'a Host>,
    /// Its colour, or the one that is switched to.
    pub colour: Option<&'a str>,
    /// The share of the load that the colour gets, in percent.
    pub weight: Option<&'a str>,
    /// What was built of the commit, where that is known beforehand.
    pub artifact: Option<&'a str>,
    /// What the release is shipped with.
    pub params: &'a Params,
    /// What it may be shipped with.
    pub known: &'a Known,
}

impl Names<'_> {
    /// `text` with every placeholder replaced, in one pass: what stands in for one is not looked at again.
    pub fn fill(&self, text: &str) -> String {
        words::fill_known(text, |name| self.value(name))
    }

    /// An address with every placeholder replaced. What people may choose freely is percent-encoded, so that it can not
    /// change the address's shape; a host is the operator's own, and may have a port.
    pub fn fill_address(&self, url: &str) -> String {
        words::fill_known(url, |name| match name {
            "host" => self.value(name),
            _ => self.value(name).map(|value| words::encoded(&value).into()),
        })
    }

    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        let own = match name {
            "service" => Some(self.service),
            "environment" => Some(self.environment),
            "commit" => Some(self.commit),
            "ref" => Some(self.reference),
            "artifact" => Some(self.artifact.unwrap_or_default()),
            "target" => self.host.map(|host| &*host.name),
            "host" => self.host.map(|host| &*host.address),
            "colour" => self.colour,
            "weight" => self.weight,
            _ => return self.known.value(self.params, name),
        };
        own.map(Cow::Borrowed)
    }
}

impl Health {
    /// Whether it can tell one release from another: only then does it say that one is live.
    pub fn tells_releases(&self) -> bool {
        self.names(&["{commit}", "{ref}", "{artifact}"])
    }

    /// Whether it can tell one target, or colour, from another.
    pub fn tells_places(&self) -> bool {
        self.names(&["{target}", "{host}", "{colour}"])
    }

    fn names(&self, names: &[&str]) -> bool {
        self.probe.texts().iter().any(|(_, text)| names.iter().any(|name| text.contains(name)))
    }
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let mut settings =
            Settings { grace: Duration::from_secs(10), start_within: Duration::from_secs(30), ..Settings::default() };
        if let Some(section) = setup.section() {
            settings.on_stop = OnStop::read(&section);
            settings.in_order = section.boolean("in_order").unwrap_or(false);
            settings.grace = section.duration("grace").unwrap_or(settings.grace);
            settings.start_within = section.duration("start_within").unwrap_or(settings.start_within);
            settings.github = section
                .table("github")
                .map(|section| {
                    let github = GitHub::read(&section, "deploy.github");
                    let github = github.with_webhooks(&section, setup.config.hooks.is_some());
                    section.finish();
                    github
                })
                .unwrap_or_default();
            section.finish();
        }
        for (name, section) in setup.services() {
            settings.verdicts.extend(verdict::settings::read(setup, &name, &section));
            settings.is_called |= section.has("callback");
            let found = service(setup, &name, section, &settings.github, &settings.callbacks);
            settings.services.extend(found.map(|service| (name, service)));
        }
        settings
    }
}

/// Tells one from another in a plan that somebody was shown, by the digest that acts have; it keeps nobody from anything.
/// Every part has a name, so that no other version of Deckhand takes one plan for another.
pub(super) fn digest(value: &Value) -> String {
    let act = Act { facts: vec![("part", value.to_string())], ..Act::default() };
    act.digest().chars().take(8).collect()
}

fn service(
    setup: &Setup<'_>,
    name: &str,
    section: Section<'_>,
    github: &GitHub,
    callbacks: &Callbacks,
) -> Option<Service> {
    let repository = setup.config.services.get(name).and_then(|service| service.repository.clone());
    if repository.is_none() {
        section.problem(
            "command",
            "this service names no git repository",
            "write `repository = \"path or address\"` above, under the service itself",
        );
    }
    let at_github = at_github(&section, repository.as_deref());
    let params = Known::read(&section, &PLACEHOLDERS, &setup.vocabulary());
    let placeholders = Placeholders::with(&params);
    let home = Home { github, repository: at_github.as_deref(), placeholders: &placeholders, callbacks };
    let names = driver::ALL.map(|(name, _)| name);
    let chosen = section.choice("driver", &names);
    // Of a driver that there is not, nobody knows what it needs and takes.
    let unknown = chosen.is_none() && section.has("driver");
    let chosen = chosen.as_deref().unwrap_or(names[0]);
    let found = driver::ALL.iter().find(|(name, _)| *name == chosen).filter(|_| !unknown);
    let driver = found.and_then(|(_, read)| read(setup, &section, &home));
    let environments = section.names("environments", "environment", &setup.config.environments);
    let environments = if environments.is_empty() { setup.config.environments.clone() } else { environments };
    let ci = section.table("ci").and_then(|ci| Ci::read(ci, &environments, &home, &setup.config.folder));
    let repository = located(setup, repository.unwrap_or_default());
    let limit = section.duration("limit").unwrap_or(Duration::from_secs(15 * 60));
    let targets = targets(&section, &environments, &placeholders);
    let unsafe_back = section.texts("unsafe_back");
    let [health, balancer] = ["health", "balancer"]
        .map(|key| section.table(key).and_then(|section| health(section, &setup.config.folder, &placeholders)));
    let strategy = strategy::read(setup, &section, &targets, &placeholders);
    let how = digest(&json!({ "repository": repository, "deploy": section.written(&BESIDE) }));
    if !unknown {
        section.finish();
    }
    let driver = driver.filter(|_| !repository.is_empty())?;
    Some(Service {
        repository,
        how,
        driver,
        params,
        limit,
        environments,
        targets,
        strategy,
        unsafe_back,
        health,
        balancer,
        ci,
    })
}

/// Reads `[targets.ENVIRONMENT.NAME]`.
fn targets(section: &Section<'_>, environments: &[String], placeholders: &Placeholders) -> BTreeMap<String, Vec<Host>> {
    let Some(section) = section.table("targets") else { return BTreeMap::new() };
    let host = |(name, section): (String, Section<'_>)| {
        let good = |part: char| part.is_ascii_alphanumeric() || "-_".contains(part);
        if name.is_empty() || name.len() > 40 || !name.chars().all(good) || name == logs::SWITCH {
            let what = format!("{name:?} is no name of a target");
            section.problem("host", what, "write up to 40 letters, digits, `-` and `_`, and not `switch`");
        }
        let address = section.text("host").unwrap_or_else(|| name.clone());
        let variables = section.text_map("variables");
        variables.values().for_each(|value| placeholders.check(&section, "variables", value));
        let colour = section.text("colour");
        section.finish();
        Host { name, address, variables, colour }
    };
    let all = environments.iter().map(|name| (name.clone(), section.tables(name).into_iter().map(host).collect()));
    let all = all.collect();
    section.finish();
    all
}

/// The service's repository at GitHub: as written, or as its address says.
fn at_github(section: &Section<'_>, address: Option<&str>) -> Option<String> {
    let Some(written) = section.text("github") else {
        return address.and_then(github::named_by).map(str::to_owned);
    };
    if !github::is_name(&written) {
        section.problem("github", "this is no repository's name", "write it as in `owner/name`");
    }
    Some(written).filter(|name| github::is_name(name))
}

/// A path is meant from the config's folder; an address (`https://…`, `host:path`) stays as it is.
fn located(setup: &Setup<'_>, repository: String) -> String {
    let address = repository.is_empty() || repository.contains(':');
    if address { repository } else { setup.config.folder.join(repository).to_string_lossy().into_owned() }
}

/// Reads `health` or `balancer`: a probe, and how often it is tried. Programs run in `folder`.
fn health(section: Section<'_>, folder: &Path, placeholders: &Placeholders) -> Option<Health> {
    let mut probe = Probe::read(&section, folder);
    if let (Some(Probe::Http { expect, .. }), false) = (&mut probe, section.has("expect")) {
        // Any page may answer with another good status; the one that speaks for a release answers with this.
        *expect = vec![200..=200];
    }
    for (key, text) in probe.iter().flat_map(Probe::texts) {
        placeholders.check(&section, key, text);
    }
    let tries = section.integer("tries", 1..=1_000).map_or(5, |tries| u32::try_from(tries).unwrap_or(5));
    let pause = section.duration("pause").unwrap_or(Duration::from_secs(1));
    let timeout = section.duration("timeout").unwrap_or(Duration::from_secs(5));
    section.finish();
    Some(Health { probe: probe?, tries, pause, timeout })
}

/// The names that stand for something in a service's commands, environment variables, addresses and texts.
#[derive(Debug, Clone)]
pub struct Placeholders(Vec<&'static str>);

impl Placeholders {
    fn with(known: &Known) -> Placeholders {
        Placeholders(PLACEHOLDERS.into_iter().chain(known.names()).collect())
    }

    /// Notes those in `text` that nothing stands for.
    pub fn check(&self, section: &Section<'_>, key: &str, text: &str) {
        for name in words::names(text).into_iter().filter(|name| !self.0.contains(name)) {
            let all: Vec<_> = self.0.iter().map(|name| format!("{{{name}}}")).collect();
            let instead = format!("write one of: {}", all.join(", "));
            section.problem(key, format!("nothing stands for `{{{name}}}`"), instead);
        }
    }
}

#[cfg(test)]
mod tests;
