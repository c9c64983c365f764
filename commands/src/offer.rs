//! What one plugin has for another: it offers it here, and the other asks here. Neither names the other.

pub mod incident;

use crate::cx::Ports;
use crate::plugin::Plugin;
use crate::reply::Button;
use crate::stop;
use crate::text;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use incident::{Account, Incident};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// What a plugin can tell of a service in an environment; by default, nothing.
#[async_trait]
pub trait Offers: Send + Sync {
    /// What is live there.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn live(&self, _ports: &Ports, _service: &str, _environment: &str) -> anyhow::Result<Option<Live>> {
        Ok(None)
    }

    /// The exact commit that a ref of a service means now; nothing where this plugin does not know the service.
    ///
    /// # Errors
    /// A refusal that says what there is, when it means nothing.
    async fn commit(&self, _ports: &Ports, _service: &str, _reference: &str) -> stop::Result<Option<String>> {
        Ok(None)
    }

    /// What people should know before they touch it: a sentence each, safe to show, such as who has locked it.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn notes(&self, _ports: &Ports, _service: &str, _environment: &str) -> anyhow::Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Where it holds changes back until somebody says how things stand.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn held(&self, _ports: &Ports) -> anyhow::Result<Vec<Held>> {
        Ok(Vec::new())
    }

    /// What was measured of it within a span of time, a value for each measure that was taken at all.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn measures(
        &self,
        _ports: &Ports,
        _service: &str,
        _environment: &str,
        _span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Vec<Measure>> {
        Ok(Vec::new())
    }

    /// The incidents that are not over, and those that were not at some moment since `since`; the newest first.
    ///
    /// # Errors
    /// When they can not be read.
    async fn incidents(&self, _ports: &Ports, _since: DateTime<Utc>) -> anyhow::Result<Vec<Incident>> {
        Ok(Vec::new())
    }

    /// All that is known of the incident of this number.
    ///
    /// # Errors
    /// When it can not be read.
    async fn incident(&self, _ports: &Ports, _number: u64) -> anyhow::Result<Option<Account>> {
        Ok(None)
    }

    /// What can be said next once an incident is over: a button for each.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn after_incident(&self, _ports: &Ports, _incident: &Incident) -> anyhow::Result<Vec<Button>> {
        Ok(Vec::new())
    }

    /// The deployments that ended within a span of time, oldest first; `changes` of one may still become known later.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn deployments(
        &self,
        _ports: &Ports,
        _service: &str,
        _environment: &str,
        _span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Vec<Deployment>> {
        Ok(Vec::new())
    }

    /// What it has for a digest of a span of time, without names of people.
    ///
    /// # Errors
    /// When it can not be found out: the digest says so, and goes on.
    async fn digest(&self, _ports: &Ports, _span: Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
        Ok(Vec::new())
    }

    /// Whether it takes alerts in at all: where nobody does, that none fires says nothing.
    fn takes_alerts(&self) -> bool {
        false
    }

    /// The alerts that fire, newest first: all of them, or those of a service, of an environment, or of both.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn alerts(
        &self,
        _ports: &Ports,
        _service: Option<&str>,
        _environment: Option<&str>,
    ) -> anyhow::Result<Vec<Alert>> {
        Ok(Vec::new())
    }
}

/// What is live of a service in an environment.
#[derive(Debug, Clone, PartialEq)]
pub struct Live {
    /// What, as people know it: `v2 (3f2c1ab)`.
    pub release: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The act that made it so.
    pub act: u64,
}

/// A service in an environment where changes are held back.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: String,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Why, and what is to be said: safe to show.
    pub says: String,
}

/// A deployment that has ended.
#[derive(Debug, Clone, PartialEq)]
pub struct Deployment {
    /// The number of its act.
    pub act: u64,
    /// The commit that was shipped.
    pub commit: String,
    /// What it brought, besides what was live before; nothing where that is not known.
    pub changes: Option<Vec<Change>>,
    /// When it began.
    pub began: DateTime<Utc>,
    /// When it ended.
    pub ended: DateTime<Utc>,
    /// How it ended.
    pub came: Came,
    /// The act of the deployment that it went back from.
    pub back_over: Option<u64>,
}

/// One commit of a deployment.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Change {
    /// The commit.
    pub commit: String,
    /// When it was committed.
    pub committed: DateTime<Utc>,
    /// When it came to the branch that was shipped, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<DateTime<Utc>>,
}

/// How a deployment ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Came {
    /// It went live.
    Live,
    /// It was not well, and what was live before was put back at once.
    PutBack,
    /// It got to people, was not well, and was left so.
    Left,
    /// It never got to anybody.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// A part of a digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// What it is about: "Deploys".
    pub title: String,
    /// A line each, safe to show.
    pub lines: Vec<String>,
}

/// Something that watches a service says that it is not well, and has not taken it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What names it, alone of all alerts that fire: the same as long as its labels are.
    pub fingerprint: String,
    /// What it is called: `HighErrorRate`.
    pub name: String,
    /// How bad it is, in the words of who sent it: `critical`; empty where they do not say.
    pub severity: String,
    /// The service that it is about, where that is known.
    pub service: Option<String>,
    /// The environment that it is about, where that is known.
    pub environment: Option<String>,
    /// Since when it fires.
    pub since: DateTime<Utc>,
    /// What is wrong, in the words of who sent it; may be empty. Like all of its texts it is not fit to be shown as it is.
    pub says: String,
    /// All of its labels.
    pub labels: BTreeMap<String, String>,
    /// Until when nobody is to be woken by it, where somebody has silenced it.
    pub silenced: Option<DateTime<Utc>>,
    /// The act `alerts.fire` that took it in: a newer one means that it was over in between.
    pub act: u64,
}

/// One measure of a service over a span of time.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Measure {
    /// What it is called, alone of all measures of the service: `page: latency`.
    pub name: String,
    /// Its unit, as it stands behind a number: `ms`, `%`; empty where it is a count.
    pub unit: String,
    /// Which way is good.
    pub better: Better,
    /// The mean over the span.
    pub value: f64,
    /// Of how many samples.
    pub samples: u32,
    /// How much of a difference says nothing, in its unit.
    pub noise: f64,
}

/// Which way a measure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Better {
    /// More is better: requests that went well.
    Higher,
    /// Less is better: time, errors.
    Lower,
}

impl std::fmt::Display for Measure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = if self.value.abs() < 10.0 && self.value.fract() != 0.0 { 1 } else { 0 };
        let space = if self.unit.is_empty() || self.unit == "%" { "" } else { " " };
        write!(f, "{:.digits$}{space}{}", self.value, self.unit)
    }
}

/// The span of time that ends at `until`.
pub fn before(until: DateTime<Utc>, long: std::time::Duration) -> Range<DateTime<Utc>> {
    until - TimeDelta::from_std(long).unwrap_or(TimeDelta::MAX)..until
}

/// Everything that the plugins offer. Cheap to clone.
#[derive(Clone, Default)]
pub struct Offered(Arc<Vec<Arc<dyn Plugin>>>);

impl Offered {
    /// What these plugins offer.
    pub fn new(plugins: impl IntoIterator<Item = Arc<dyn Plugin>>) -> Offered {
        Offered(Arc::new(plugins.into_iter().collect()))
    }

    /// What is live of a service in an environment, by the first that knows.
    ///
    /// # Errors
    /// As [`Offers::live`].
    pub async fn live(&self, ports: &Ports, service: &str, environment: &str) -> anyhow::Result<Option<Live>> {
        for offers in self.all() {
            if let Some(live) = offers.live(ports, service, environment).await? {
                return Ok(Some(live));
            }
        }
        Ok(None)
    }

    /// The exact commit that a ref of a service means now, by the first that knows the service.
    ///
    /// # Errors
    /// As [`Offers::commit`].
    pub async fn commit(&self, ports: &Ports, service: &str, reference: &str) -> stop::Result<Option<String>> {
        for offers in self.all() {
            if let Some(commit) = offers.commit(ports, service, reference).await? {
                return Ok(Some(commit));
            }
        }
        Ok(None)
    }

    /// What people should know before they touch it.
    ///
    /// # Errors
    /// As [`Offers::notes`].
    pub async fn notes(&self, ports: &Ports, service: &str, environment: &str) -> anyhow::Result<Vec<String>> {
        let mut notes = Vec::new();
        for offers in self.all() {
            notes.extend(offers.notes(ports, service, environment).await?);
        }
        Ok(notes)
    }

    /// Where changes are held back.
    ///
    /// # Errors
    /// As [`Offers::held`].
    pub async fn held(&self, ports: &Ports) -> anyhow::Result<Vec<Held>> {
        let mut held = Vec::new();
        for offers in self.all() {
            held.extend(offers.held(ports).await?);
        }
        Ok(held)
    }

    /// Everything that was measured of it.
    ///
    /// # Errors
    /// As [`Offers::measures`].
    pub async fn measures(
        &self,
        ports: &Ports,
        service: &str,
        environment: &str,
        span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Vec<Measure>> {
        let mut measures = Vec::new();
        for offers in self.all() {
            measures.extend(offers.measures(ports, service, environment, span.clone()).await?);
        }
        Ok(measures)
    }

    /// The incidents that are not over, and those that were not since `since`; the newest first.
    ///
    /// # Errors
    /// As [`Offers::incidents`].
    pub async fn incidents(&self, ports: &Ports, since: DateTime<Utc>) -> anyhow::Result<Vec<Incident>> {
        let mut incidents = Vec::new();
        for offers in self.all() {
            incidents.extend(offers.incidents(ports, since).await?);
        }
        Ok(incidents)
    }

    /// All that is known of the incident of this number.
    ///
    /// # Errors
    /// As [`Offers::incident`].
    pub async fn incident(&self, ports: &Ports, number: u64) -> anyhow::Result<Option<Account>> {
        for offers in self.all() {
            if let Some(account) = offers.incident(ports, number).await? {
                return Ok(Some(account));
            }
        }
        Ok(None)
    }

    /// What can be said next once an incident is over.
    ///
    /// # Errors
    /// As [`Offers::after_incident`].
    pub async fn after_incident(&self, ports: &Ports, incident: &Incident) -> anyhow::Result<Vec<Button>> {
        let mut buttons = Vec::new();
        for offers in self.all() {
            buttons.extend(offers.after_incident(ports, incident).await?);
        }
        Ok(buttons)
    }

    /// The deployments of a service to an environment that ended within a span of time, oldest first.
    ///
    /// # Errors
    /// As [`Offers::deployments`].
    pub async fn deployments(
        &self,
        ports: &Ports,
        service: &str,
        environment: &str,
        span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Vec<Deployment>> {
        let mut deployments = Vec::new();
        for offers in self.all() {
            deployments.extend(offers.deployments(ports, service, environment, span.clone()).await?);
        }
        deployments.sort_by_key(|deployment| (deployment.ended, deployment.act));
        Ok(deployments)
    }

    /// The parts of a digest of a span of time. What could not be found out is a part like others, so that it is said.
    pub async fn digest(&self, ports: &Ports, span: Range<DateTime<Utc>>) -> Vec<Section> {
        let mut sections = Vec::new();
        for offers in self.all() {
            match offers.digest(ports, span.clone()).await {
                Ok(found) => sections.extend(found),
                Err(error) => {
                    let line = format!("This part could not be found out: {}.", text::plain(&format!("{error:#}")));
                    sections.push(Section { title: "Missing".to_owned(), lines: vec![line] });
                }
            }
        }
        sections
    }

    /// Whether anybody takes alerts in.
    pub fn takes_alerts(&self) -> bool {
        self.all().any(Offers::takes_alerts)
    }

    /// The alerts that fire.
    ///
    /// # Errors
    /// As [`Offers::alerts`].
    pub async fn alerts(
        &self,
        ports: &Ports,
        service: Option<&str>,
        environment: Option<&str>,
    ) -> anyhow::Result<Vec<Alert>> {
        let mut alerts = Vec::new();
        for offers in self.all() {
            alerts.extend(offers.alerts(ports, service, environment).await?);
        }
        Ok(alerts)
    }

    fn all(&self) -> impl Iterator<Item = &dyn Offers> {
        self.0.iter().filter_map(|plugin| plugin.offers())
    }
}
