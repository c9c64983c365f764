//! What measures say to whoever asks: a deploy's verdict holds what is after it against what was before, a digest shows both.

use super::Metrics;
use super::asked::{Asked, Said};
use super::settings::{ENVIRONMENT, Measure, SERVICE};
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use commands::offer::{self, Offers, Section};
use futures::future::join_all;
use std::ops::Range;
use std::sync::Arc;

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
        self.sections(ports, &span).await
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
        let asked = match Asked::of(&self.settings, &measure.name, &said, ports) {
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
