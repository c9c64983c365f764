//! What all plugins offer together: who asks need not know who has it.

use super::chart::{Chart, Overview, Wanted};
use super::incident::{Account, Incident};
use super::{Alert, Deployment, Held, Live, Measure, Offers, Section};
use crate::complete::Choice;
use crate::cx::Ports;
use crate::ledger::Place;
use crate::plugin::Plugin;
use crate::reply::Button;
use crate::stop;
use crate::text;
use chrono::{DateTime, Utc};
use std::ops::Range;
use std::sync::Arc;

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

    /// Pictures of measures over a span of time.
    ///
    /// # Errors
    /// As [`Offers::charts`].
    pub async fn charts(&self, ports: &Ports, wanted: &Wanted, span: Range<DateTime<Utc>>) -> stop::Result<Vec<Chart>> {
        let mut charts = Vec::new();
        for offers in self.all() {
            charts.extend(offers.charts(ports, wanted, span.clone()).await?);
        }
        Ok(charts)
    }

    /// The measures that can be drawn.
    pub async fn chartable(&self, ports: &Ports) -> Vec<Choice> {
        let mut measures = Vec::new();
        for offers in self.all() {
            measures.extend(offers.chartable(ports).await);
        }
        measures
    }

    /// How the measures went that a channel watches.
    ///
    /// # Errors
    /// As [`Offers::overview`].
    pub async fn overview(
        &self,
        ports: &Ports,
        place: &Place,
        span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Option<Overview>> {
        for offers in self.all() {
            if let Some(overview) = offers.overview(ports, place, span.clone()).await? {
                return Ok(Some(overview));
            }
        }
        Ok(None)
    }

    /// Whether anybody takes alerts in.
    pub fn takes_alerts(&self) -> bool {
        self.all().any(Offers::takes_alerts)
    }

    /// Tells all who follow issues there that one was closed, and says whether anybody does.
    pub fn issue_closed(&self, repository: &str, number: u64) -> bool {
        // Everybody is told, and not only the first.
        self.all().filter(|offers| offers.issue_closed(repository, number)).count() > 0
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
