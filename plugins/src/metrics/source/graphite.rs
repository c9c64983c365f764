//! Graphite: a query is a target of its render API.

use super::endpoint::{Endpoint, encoded};
use super::{Answer, Query, Source};
use crate::metrics::markers::Marker;
use crate::metrics::series::{Point, Series};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Permit;
use commands::cx::Ports;
use commands::registry::is_name;
use config::Section;
use serde::Deserialize;
use serde_json::json;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The longest pause between two figures that is believed, in seconds: a year's.
const LONGEST_STEP: i64 = 366 * 24 * 3600;

/// How far back the newest figure is looked for.
const RECENT: TimeDelta = TimeDelta::minutes(10);

struct Graphite {
    endpoint: Endpoint,
    /// Which acts are marked among its events.
    markers: Vec<String>,
}

/// The tag of all events that are ours.
const TAG: &str = "deckhand";

/// Reads `url`, `authorization`, `timeout` and `markers`.
pub(super) fn read(section: &Section<'_>, _folder: &Path) -> Option<Arc<dyn Source>> {
    let markers = section.texts("markers");
    if let Some(odd) = markers.iter().find(|verb| verb.split('.').count() > 2 || !verb.split('.').all(is_name)) {
        let what = format!("{} is no verb of the ledger", config::quoted(odd));
        section.problem(
            "markers",
            what,
            "write for example `\"deploy\"` or `\"deploy.ship\"`, as `/changes` shows them",
        );
    }
    Some(Arc::new(Graphite { endpoint: Endpoint::read(section)?, markers }))
}

/// One of its events.
#[derive(Deserialize)]
struct Marked {
    when: i64,
    #[serde(default)]
    what: String,
}

#[derive(Deserialize)]
struct Found {
    target: String,
    /// Each a figure, or nothing where none was noted, and its second.
    datapoints: Vec<(Option<f64>, i64)>,
}

#[async_trait]
impl Source for Graphite {
    fn letters(&self) -> &'static str {
        "-_"
    }

    fn span(&self, long: Duration) -> String {
        format!("{}s", long.as_secs())
    }

    fn markers(&self) -> &[String] {
        &self.markers
    }

    async fn marked(&self, ports: &Ports, seconds: RangeInclusive<i64>) -> Result<Vec<(i64, String)>, String> {
        // Its ends may be left out.
        let (from, until) = (seconds.start() - 1, seconds.end() + 1);
        let path = format!("/events/get_data?tags={TAG}&from={from}&until={until}");
        let found: Vec<Marked> = self.endpoint.get(ports, &path).await?.json("Graphite")?;
        Ok(found.into_iter().map(|it| (it.when, it.what)).collect())
    }

    async fn mark(&self, ports: &Ports, permit: &Permit, marker: &Marker) -> Result<bool, String> {
        let tags: Vec<_> = [TAG].into_iter().chain(marker.tags.iter().map(String::as_str)).collect();
        // Older ones know tags as words in a row only.
        let event = json!({ "what": marker.what, "when": marker.second, "tags": tags.join(" "), "data": "" });
        let heard = self.endpoint.post(ports, permit, "/events/", &event).await?;
        match heard.status.as_u16() {
            200..=299 => Ok(true),
            400 | 413 | 422 => Ok(false),
            status => Err(format!("takes no markers ({status}): {}", heard.words())),
        }
    }

    async fn at(&self, ports: &Ports, query: &Query, at: DateTime<Utc>) -> Result<Answer, String> {
        let answer = self.over(ports, query, &(at - RECENT..at)).await?;
        let newest = |series: Series| Series { points: series.finite().last().into_iter().collect(), ..series };
        Ok(Answer { series: answer.series.into_iter().map(newest).collect(), ..answer })
    }

    async fn over(&self, ports: &Ports, query: &Query, span: &Range<DateTime<Utc>>) -> Result<Answer, String> {
        let (from, until) = (span.start.timestamp(), span.end.timestamp());
        let path = format!("/render?format=json&from={from}&until={until}&target={}", encoded(&query.text));
        let heard = self.endpoint.get(ports, &path).await?;
        if heard.status.is_client_error() {
            return Err(format!("does not understand the query: {}", heard.words()));
        }
        let found: Vec<Found> = heard.json("Graphite")?;
        let step =
            found.first().and_then(|it| it.datapoints.get(..2)).map_or(60, |pair| pair[1].1.saturating_sub(pair[0].1));
        // One target alone needs no name: it is the query.
        let alone = found.len() == 1;
        let series = found.into_iter().map(|it| it.series(alone)).collect();
        Ok(Answer::of(series, TimeDelta::seconds(step.clamp(1, LONGEST_STEP)), query))
    }
}

impl Found {
    fn series(self, alone: bool) -> Series {
        let point = |(value, second): (Option<f64>, i64)| {
            Some(Point { at: DateTime::from_timestamp(second, 0)?, value: value? })
        };
        let name = if alone { String::new() } else { self.target };
        Series { name, points: self.datapoints.into_iter().filter_map(point).collect() }
    }
}
