//! What metrics say in a digest: how measures went against the time before, and DORA's line of each service.

use super::Metrics;
use super::asked::{Asked, Said};
use super::dora::{self, Target};
use super::series::{Series, Summary};
use super::settings::{Measure, SERVICE};
use super::story::change;
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::Ports;
use commands::offer::Section;
use commands::text;
use futures::future::join_all;
use std::ops::Range;
use std::sync::Arc;

/// The most measures of a digest: who reads more?
const MOST: usize = 20;

impl Metrics {
    /// Its sections. What a source can not say is a line like others: a digest does not hide it.
    ///
    /// # Errors
    /// When the deployments can not be read.
    pub(super) async fn sections(&self, ports: &Ports, span: &Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
        let told = |it: &&Arc<Measure>| it.source.remembers() && !it.mentions(SERVICE);
        let measures = self.settings.measures.iter().filter(told).take(MOST);
        let lines = join_all(measures.map(|measure| self.line(ports, measure, span))).await;
        let measures = Section { title: "Measures".to_owned(), lines };
        let dora = Section { title: "DORA".to_owned(), lines: self.dora_lines(ports, span).await? };
        Ok([measures, dora].into_iter().filter(|section| !section.lines.is_empty()).collect())
    }

    /// "`latency`: 152 ms on average, +4 % against the time before; at most 430 ms."
    async fn line(&self, ports: &Ports, measure: &Arc<Measure>, span: &Range<DateTime<Utc>>) -> String {
        let name = text::code(&measure.name);
        let asked = match Asked::of(&self.settings, &measure.name, &Said::default(), ports) {
            Ok(asked) => asked,
            Err(stop) => return format!("{name}: {stop}"),
        };
        let before = span.start - (span.end - span.start)..span.start;
        let (is, was) = match futures::future::try_join(asked.over(ports, span), asked.over(ports, &before)).await {
            Ok(both) => both,
            Err(stop) => return format!("{name}: no figures. {stop}"),
        };
        let unit = &measure.unit;
        let one = |series: &[Series]| if let [series] = series { series.summary() } else { None };
        match (is.series.len(), one(&is.series), one(&was.series)) {
            (0, ..) => format!("{name}: no figures in this time."),
            (_, Some(is), Some(was)) => {
                let change = change(unit, was.mean, is.mean);
                format!(
                    "{name}: {} on average, {change} against the time before; {}.",
                    unit.show(is.mean),
                    extremes(measure, &is)
                )
            }
            (_, Some(is), None) => {
                format!("{name}: {} on average, none to compare with; {}.", unit.show(is.mean), extremes(measure, &is))
            }
            (many, None, _) if many > 1 => {
                format!("{name}: {} series; `/{}` shows them.", is.found, asked.line("chart"))
            }
            _ => format!("{name}: no figures in this time."),
        }
    }

    async fn dora_lines(&self, ports: &Ports, span: &Range<DateTime<Utc>>) -> anyhow::Result<Vec<String>> {
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

/// Between what it moved.
fn extremes(measure: &Measure, summary: &Summary) -> String {
    format!("{} to {}", measure.unit.show(summary.min), measure.unit.show(summary.max))
}
