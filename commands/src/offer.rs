//! What one plugin has for another: it offers it here, and the other asks here. Neither names the other.

pub mod chart;
pub mod incident;
mod offered;

use crate::complete::Choice;
use crate::cx::Ports;
use crate::ledger::Place;
use crate::reply::Button;
use crate::stop;
use async_trait::async_trait;
use chart::{Chart, Overview, Wanted};
use chrono::{DateTime, TimeDelta, Utc};
use incident::{Account, Incident};
use std::collections::BTreeMap;
use std::ops::Range;

pub use offered::Offered;

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

    /// Pictures of measures over a span of time: of the one of this name, or of those about the service. A source that can
    /// not be asked is a chart without a picture, which says so.
    ///
    /// # Errors
    /// A refusal that says what there is, where there is no such measure, or it leaves more open than was said.
    async fn charts(&self, _ports: &Ports, _wanted: &Wanted, _span: Range<DateTime<Utc>>) -> stop::Result<Vec<Chart>> {
        Ok(Vec::new())
    }

    /// The measures that [`Offers::charts`] knows, for completion.
    async fn chartable(&self, _ports: &Ports) -> Vec<Choice> {
        Vec::new()
    }

    /// How the measures went that a channel watches; all there are, where it watches none.
    ///
    /// # Errors
    /// When the store can not be read.
    async fn overview(
        &self,
        _ports: &Ports,
        _place: &Place,
        _span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Option<Overview>> {
        Ok(None)
    }

    /// Takes notice that an issue of a repository at GitHub, `owner/name`, was closed, and says whether it follows issues there.
    /// Who said so may be mistaken: how the issue stands is still to be asked.
    fn issue_closed(&self, _repository: &str, _number: u64) -> bool {
        false
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
