//! Prometheus, and whatever answers as it does (Thanos, Mimir, VictoriaMetrics): a query is PromQL.

use super::endpoint::{Endpoint, Lost, encoded};
use super::{Answer, MOST, Query, Source};
use crate::metrics::series::{Point, Series};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::Ports;
use commands::offer::Better;
use commands::text;
use config::Section;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The most points of a series that it gives in one answer.
const PAGE: i64 = 11_000;

/// The most answers that are asked for: a month, minute by minute, is four.
const PAGES: i64 = 4;

/// The steps that are asked for, in seconds: round ones, so that what is asked again is asked for the same moments.
const STEPS: [i64; 16] = [1, 5, 10, 15, 30, 60, 120, 180, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 86_400];

/// Up to this step, in seconds, less than a whole answer is asked for; from here on several are.
const FINE: i64 = 60;

struct Prometheus {
    endpoint: Endpoint,
    /// No two points of one series are nearer to each other than this.
    scrape: i64,
}

/// Reads `url`, `authorization`, `timeout` and `interval`.
pub(super) fn read(section: &Section<'_>, _folder: &Path) -> Option<Arc<dyn Source>> {
    let interval = section.duration("interval").unwrap_or(Duration::from_secs(15));
    let scrape = i64::try_from(interval.as_secs()).unwrap_or(15);
    Some(Arc::new(Prometheus { endpoint: Endpoint::read(section)?, scrape }))
}

/// Every answer of its API.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    data: Option<Data>,
    #[serde(default, rename = "errorType")]
    kind: String,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
#[serde(tag = "resultType", content = "result", rename_all = "lowercase")]
enum Data {
    Matrix(Vec<Found>),
    Vector(Vec<Found>),
    Scalar((f64, String)),
    String(serde::de::IgnoredAny),
}

#[derive(Debug, PartialEq, Deserialize)]
struct Found {
    metric: Labels,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    value: Option<(f64, String)>,
}

/// All labels of a series: what it is, whatever it is called.
type Labels = BTreeMap<String, String>;

#[async_trait]
impl Source for Prometheus {
    fn span(&self, long: Duration) -> String {
        format!("{}s", long.as_secs())
    }

    async fn at(&self, ports: &Ports, query: &Query, at: DateTime<Utc>) -> Result<Answer, String> {
        let series = self.instant(ports, &query.text, at).await?;
        Ok(Answer::of(series, TimeDelta::seconds(self.scrape), query))
    }

    async fn over(&self, ports: &Ports, query: &Query, span: &Range<DateTime<Utc>>) -> Result<Answer, String> {
        let step = step((span.end - span.start).num_seconds(), self.scrape);
        let apart = TimeDelta::seconds(step);
        match self.range(ports, &query.text, span, step).await {
            Ok(series) => Ok(Answer::of(series, apart, query)),
            Err(Lost::TooLong) => self.worst(ports, query, span, step).await,
            Err(lost) => Err(lost.into()),
        }
    }
}

impl Prometheus {
    async fn instant(&self, ports: &Ports, query: &str, at: DateTime<Utc>) -> Result<Vec<Series>, Lost> {
        let path = format!("/api/v1/query?query={}&time={}", encoded(query), at.timestamp());
        Ok(series(self.ask(ports, &path).await?))
    }

    /// Asked for page by page, where one does not hold it.
    async fn range(
        &self,
        ports: &Ports,
        query: &str,
        span: &Range<DateTime<Utc>>,
        step: i64,
    ) -> Result<Vec<Series>, Lost> {
        let (mut from, end) = (round_up(span.start.timestamp(), step), span.end.timestamp());
        let mut found = Vec::new();
        while from <= end {
            let to = end.min(from + (PAGE - 1) * step);
            let path = format!("/api/v1/query_range?query={}&start={from}&end={to}&step={step}", encoded(query));
            found.extend(self.ask(ports, &path).await?);
            from = to - (to - from) % step + step;
        }
        Ok(series(joined(found)))
    }

    /// Of more series than can be read those that stand worst, picked out over there.
    async fn worst(
        &self,
        ports: &Ports,
        query: &Query,
        span: &Range<DateTime<Utc>>,
        step: i64,
    ) -> Result<Answer, String> {
        let text = &query.text;
        let count = self.instant(ports, &format!("count({text})"), span.end).await?;
        let found = count.first().and_then(Series::summary).map_or(0.0, |summary| summary.last) as usize;
        let long = (span.end - span.start).num_seconds().max(step);
        let (pick, reach) = match query.better {
            Better::Lower => ("topk", "max_over_time"),
            Better::Higher => ("bottomk", "min_over_time"),
        };
        // Labels alone tell one series from another; steps of a thousandth of the span find the worst well enough.
        let (apart, end) = ((long / 1_000).max(step), span.end.timestamp());
        let picked = format!("({text}) and {pick}({MOST}, {reach}(({text})[{long}s:{apart}s] @ {end}))");
        let series = self.range(ports, &picked, span, step).await?;
        Ok(Answer { found: found.max(series.len()), ..Answer::of(series, TimeDelta::seconds(step), query) })
    }

    async fn ask(&self, ports: &Ports, path: &str) -> Result<Vec<Found>, Lost> {
        let heard = self.endpoint.get(ports, path).await?;
        let Envelope { data, kind, error } = heard.json("Prometheus")?;
        match data {
            Some(Data::Matrix(found) | Data::Vector(found)) => Ok(found),
            Some(Data::Scalar(value)) => {
                Ok(vec![Found { metric: Labels::new(), values: Vec::new(), value: Some(value) }])
            }
            Some(Data::String(_)) => Err(Lost::Told("answers with words instead of figures".to_owned())),
            None => Err(Lost::Told(refusal(&kind, &error, heard.status.as_u16()))),
        }
    }
}

/// The name of a metric, among its labels.
const NAME: &str = "__name__";

/// The series of several pages, each once: not every page has every series, so that only its labels tell which it is.
fn joined(pages: Vec<Found>) -> Vec<Found> {
    let mut joined: BTreeMap<Labels, Vec<(f64, String)>> = BTreeMap::new();
    for Found { metric, values, value } in pages {
        joined.entry(metric).or_default().extend(values.into_iter().chain(value));
    }
    joined.into_iter().map(|(metric, values)| Found { metric, values, value: None }).collect()
}

/// The series, called by their labels; by the metric's name as well where there are several metrics.
fn series(found: Vec<Found>) -> Vec<Series> {
    let several = found.windows(2).any(|pair| pair[0].metric.get(NAME) != pair[1].metric.get(NAME));
    found.into_iter().map(|it| it.series(several)).collect()
}

impl Found {
    fn series(self, with_name: bool) -> Series {
        let labels = self.metric.iter().filter(|(name, _)| with_name || *name != NAME);
        let name = labels.map(|(name, value)| format!("{name}=\"{value}\"")).collect::<Vec<_>>().join(", ");
        Series { name, points: self.values.iter().chain(&self.value).filter_map(point).collect() }
    }
}

/// `NaN`, `+Inf` and `-Inf` are figures that are no numbers, and stay what they are.
fn point((seconds, value): &(f64, String)) -> Option<Point> {
    let at = DateTime::from_timestamp_millis((seconds * 1e3).round() as i64)?;
    Some(Point { at, value: value.parse().ok()? })
}

/// What it has against a query, in its own words.
fn refusal(kind: &str, error: &str, status: u16) -> String {
    let says = text::code(error);
    match kind {
        "bad_data" | "bad_response" => format!("does not understand the query: {says}"),
        "execution" => format!("can not work the query out: {says}"),
        "timeout" | "canceled" => format!("gave up on the query, which takes too long: {says}"),
        "unavailable" | "internal" => format!("is in trouble: {says}"),
        _ => format!("answers {status} without figures: {says}"),
    }
}

/// The step, in seconds, at which a span of so many seconds is asked for: as fine as what is there, in as many answers as
/// it may take.
fn step(long: i64, scrape: i64) -> i64 {
    let steps = || STEPS.into_iter().filter(|step| *step >= scrape);
    let in_one = steps().find(|step| *step <= FINE.max(scrape) && long / step < PAGE);
    let in_several = || steps().find(|step| *step >= FINE && long / step < PAGE * PAGES);
    in_one.or_else(in_several).unwrap_or_else(|| (long / (PAGE * PAGES)).max(scrape) + 1)
}

fn round_up(second: i64, step: i64) -> i64 {
    second + (step - second.rem_euclid(step)) % step
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_is_fine_and_the_pages_are_few() {
        let day = 86_400;
        for (long, scrape, wanted) in [
            (60, 1, 1),
            (6 * 3_600, 15, 15),
            (day, 15, 15),
            (2 * day, 15, 30),
            (7 * day, 15, 60),
            (30 * day, 15, 60),
            (90 * day, 15, 180),
            (400 * day, 15, 900),
            (day, 300, 300),
            (3_653 * day, 1, 7_200),
            (3_653 * day, 60 * day, 5_184_001),
        ] {
            assert_eq!(step(long, scrape), wanted, "{long} s, a point every {scrape} s");
            assert!(long / step(long, scrape) < PAGE * PAGES);
        }
    }

    #[test]
    fn a_series_is_one_on_all_pages() {
        let found = |name: &str, job: &str, second: f64| Found {
            metric: [("__name__", name), ("job", job)]
                .map(|(label, value)| (label.to_owned(), value.to_owned()))
                .into(),
            values: vec![(second, "1".to_owned())],
            value: None,
        };
        // On the second page one metric is alone, and would be called by its other labels only.
        let pages = vec![found("a", "x", 1.0), found("b", "x", 1.0), found("a", "x", 2.0)];
        let told: Vec<_> = series(joined(pages)).into_iter().map(|it| (it.name, it.points.len())).collect();
        let expected = [(r#"__name__="a", job="x""#, 2), (r#"__name__="b", job="x""#, 1)];
        assert_eq!(told, expected.map(|(name, points)| (name.to_owned(), points)));
    }

    #[test]
    fn figures_are_read_whatever_they_are() {
        let read = |json: &str| -> Vec<Series> {
            match serde_json::from_str::<Envelope>(json).unwrap().data {
                Some(Data::Matrix(found) | Data::Vector(found)) => series(found),
                _ => Vec::new(),
            }
        };
        let matrix = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"up","job":"a","instance":"b"},
            "values":[[1.5,"1"],[2,"NaN"],[3,"+Inf"],[4,"-Inf"],[5,"x"],[6,"1e-3"]]}]}}"#;
        let series = read(matrix);
        assert_eq!(series[0].name, r#"instance="b", job="a""#);
        let values: Vec<_> = series[0].points.iter().map(|point| point.value.to_string()).collect();
        assert_eq!(values, ["1", "NaN", "inf", "-inf", "0.001"]);
        assert_eq!(series[0].points[0].at.timestamp_millis(), 1_500);
        let two = r#"{"status":"success","data":{"resultType":"vector","result":[
            {"metric":{"__name__":"a","job":"x"},"value":[1,"1"]},{"metric":{"__name__":"b","job":"x"},"value":[1,"2"]}]}}"#;
        let names: Vec<_> = read(two).into_iter().map(|series| series.name).collect();
        assert_eq!(names, [r#"__name__="a", job="x""#, r#"__name__="b", job="x""#]);
        let vector = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{},"value":[7,"2"]}]}}"#;
        assert_eq!(read(vector)[0].points[0].value, 2.0);
        assert_eq!(read(r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#), []);
    }
}
