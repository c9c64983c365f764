//! What measures say to whoever asks: a deploy's verdict holds what is after it against what was before, a digest shows both.

use super::asked::{Asked, Said};
use super::settings::{ENVIRONMENT, Measure, SERVICE};
use super::{Metrics, choice};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::complete::Choice;
use commands::cx::Ports;
use commands::ledger::Place;
use commands::offer::chart::{Chart, Overview, Wanted};
use commands::offer::{self, Offers, Section};
use commands::stop::Result;
use futures::future::{join_all, try_join_all};
use std::ops::Range;
use std::sync::Arc;

/// The most measures of a service that are drawn at once.
const MOST: usize = 6;

/// How many times the middle distance from the middle is a standard deviation, where figures are spread as they usually are.
const DEVIATION: f64 = 1.4826;

#[async_trait]
impl Offers for Metrics {
    async fn measures(
        &self,
        ports: &Ports,
        service: &str,
        environment: &str,
        span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Vec<offer::Measure>> {
        let about = self.settings.measures.iter().filter(|it| it.in_verdicts && it.is_about(service));
        let taken = about.map(|it| self.taken(it, ports, service, environment, &span));
        Ok(join_all(taken).await.into_iter().flatten().collect())
    }

    async fn digest(&self, ports: &Ports, span: Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
        let lines = self.dora_lines(ports, &span).await?;
        Ok(if lines.is_empty() { Vec::new() } else { vec![Section { title: "DORA".to_owned(), lines }] })
    }

    async fn overview(
        &self,
        ports: &Ports,
        place: &Place,
        span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Option<Overview>> {
        self.overview_of(ports, place, span).await
    }

    async fn charts(&self, ports: &Ports, wanted: &Wanted, span: Range<DateTime<Utc>>) -> Result<Vec<Chart>> {
        let Wanted { measure, service, environment } = wanted;
        let catalog = self.catalog(ports).await?;
        let measures: Vec<_> = match (measure, service) {
            (Some(name), _) => vec![catalog.measure(name)?],
            (None, Some(service)) => catalog.measures.iter().filter(|it| it.is_about(service)).take(MOST).collect(),
            (None, None) => Vec::new(),
        };
        let charted = measures.into_iter().map(async |measure| {
            let open = |name: &str, value: &Option<String>| value.clone().filter(|_| measure.mentions(name));
            let said = Said { env: open(ENVIRONMENT, environment), service: open(SERVICE, service), with: None };
            self.charted(ports, &Asked::of(measure, &said, ports)?, &span).await
        });
        try_join_all(charted).await
    }

    async fn chartable(&self, ports: &Ports) -> Vec<Choice> {
        let Ok(catalog) = self.catalog(ports).await else { return Vec::new() };
        catalog.measures.iter().map(|it| choice(&it.name, &it.about)).collect()
    }
}

impl Metrics {
    /// What a measure came to; nothing where it was not measured, or its source can not be asked.
    async fn taken(
        &self,
        measure: &Arc<Measure>,
        ports: &Ports,
        service: &str,
        environment: &str,
        span: &Range<DateTime<Utc>>,
    ) -> Option<offer::Measure> {
        let open = |name: &str, value: &str| measure.mentions(name).then(|| value.to_owned());
        let said = Said { env: open(ENVIRONMENT, environment), service: open(SERVICE, service), with: None };
        let asked = match Asked::of(measure, &said, ports) {
            Ok(asked) => asked,
            Err(stop) => {
                tracing::warn!(measure = measure.name, "{stop}");
                return None;
            }
        };
        let answer = match asked.over(ports, span).await {
            Ok(answer) => answer,
            Err(stop) => {
                // Others may have something to say: a source in trouble is no reason to say nothing at all.
                tracing::warn!(measure = measure.name, "{stop}");
                return None;
            }
        };
        // Of several series none is the measure.
        let [series] = answer.series.as_slice() else {
            tracing::warn!(measure = measure.name, "it has {} series, and a verdict needs one", answer.series.len());
            return None;
        };
        let (summary, (_, spread)) = (series.summary()?, series.middle()?);
        let (factor, unit) = measure.unit.plain();
        Some(offer::Measure {
            name: measure.name.clone(),
            unit: unit.to_owned(),
            better: measure.limits.better,
            value: summary.mean * factor,
            samples: u32::try_from(summary.count).unwrap_or(u32::MAX),
            noise: DEVIATION * spread * factor,
        })
    }
}
