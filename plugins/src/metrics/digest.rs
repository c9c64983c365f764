//! What metrics say in a digest: DORA's line of each service.

use super::Metrics;
use super::dora::{self, Target};
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::Ports;
use std::ops::Range;

impl Metrics {
    /// A line of each service that was deployed, to the last environment in the order of promotion.
    ///
    /// # Errors
    /// When the deployments can not be read.
    pub(super) async fn dora_lines(&self, ports: &Ports, span: &Range<DateTime<Utc>>) -> anyhow::Result<Vec<String>> {
        let Some(environment) = ports.vocabulary.environments.last() else { return Ok(Vec::new()) };
        let date = |at: DateTime<Utc>| at.with_timezone(&ports.vocabulary.zone).date_naive();
        // The end of a span is not in it.
        let days = date(span.start)..=date(span.end - TimeDelta::milliseconds(1));
        let mut lines = Vec::new();
        for service in &ports.vocabulary.services {
            let target = Target { service: service.clone(), environment: environment.clone() };
            let figures = self.figures(ports, &target, &days).await?;
            if figures.deployments > 0 {
                lines.push(dora::line(&target, &figures, self.settings.rules));
            }
        }
        Ok(lines)
    }
}
