//! Figures that nobody else keeps: what programs push, and what is asked again and again of sources that forget.
//!
//! They are counts, on which nothing rests: one record a day and name, of pairs of a second of that day and a figure.

use super::Metrics;
use super::asked::{Asked, Said};
use super::series::{Point, Series, median};
use super::source::{Answer, Query};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};
use commands::cx::{Cx, Ports};
use commands::store::{Batch, Read};
use commands::table::Table;
use futures::future::join_all;
use std::ops::Range;

/// The job that asks.
pub const JOB: &str = "samples";

const SAMPLES: Table<Vec<(u32, f64)>> = Table::new("counts/metrics/samples/");

/// How often what forgets is asked.
pub const EVERY: TimeDelta = TimeDelta::minutes(1);

/// How old the newest figure may be to stand for a moment.
const RECENT: TimeDelta = TimeDelta::days(2);

/// How long they are kept, in days.
const KEPT: i64 = 400;

/// The most figures of a name in a day: one in ten seconds.
const MOST: usize = 8_640;

/// How often another replica is given way before it is given up.
const TRIES: usize = 5;

/// The name of a day's record. A name has no slash in it.
fn name(of: &str, day: NaiveDate) -> String {
    format!("{of}/{day}")
}

/// Keeps figures, each under its name. What is no number is not kept.
///
/// # Errors
/// When the store can not be read or written.
pub async fn keep(cx: &Cx, at: DateTime<Utc>, figures: &[(String, f64)]) -> anyhow::Result<()> {
    let (day, second) = (at.date_naive(), at.time().num_seconds_from_midnight());
    for attempt in 1.. {
        let mut batch = Batch::default();
        for (of, figure) in figures.iter().filter(|(_, figure)| figure.is_finite()) {
            let found = SAMPLES.get(cx.store(), name(of, day)).await?;
            let (mut row, version) = found.map(|found| (found.value, found.version)).unwrap_or_default();
            row.push((second, *figure));
            row.sort_by_key(|(second, _)| *second);
            let full = row.len().saturating_sub(MOST);
            row.drain(..full);
            batch.expect(SAMPLES.key(name(of, day)), version);
            SAMPLES.put_in(&mut batch, name(of, day), &row)?;
            batch.delete(SAMPLES.key(name(of, day - TimeDelta::days(KEPT))));
        }
        match cx.keep_counts(batch).await {
            Err(error) if attempt == TRIES => return Err(error),
            Err(_) => {}
            Ok(()) => break,
        }
    }
    Ok(())
}

/// What was kept under a name within a span.
///
/// # Errors
/// When the store can not be read.
pub async fn over(store: &dyn Read, of: &str, span: &Range<DateTime<Utc>>) -> anyhow::Result<Series> {
    let mut points = Vec::new();
    let days = span.start.date_naive().iter_days().take_while(|day| *day <= span.end.date_naive());
    for day in days {
        let Some(row) = SAMPLES.get(store, name(of, day)).await? else { continue };
        let midnight = day.and_time(NaiveTime::MIN).and_utc();
        let point = |(second, value): (u32, f64)| Point { at: midnight + TimeDelta::seconds(second.into()), value };
        points.extend(row.value.into_iter().map(point).filter(|point| span.contains(&point.at)));
    }
    Ok(Series { name: String::new(), points })
}

/// The same, as a source answers; without a series where there is nothing.
///
/// # Errors
/// When the store can not be read, as the rest of a sentence about the source.
pub async fn answer(ports: &Ports, of: &str, span: &Range<DateTime<Utc>>, query: &Query) -> Result<Answer, String> {
    let series = over(&*ports.store, of, span).await.map_err(|error| {
        tracing::error!("what was kept of {of} can not be read: {error:#}");
        "has figures that can not be read; Deckhand's log says why".to_owned()
    })?;
    let apart = series.points.windows(2).map(|pair| (pair[1].at - pair[0].at).num_seconds() as f64).collect();
    let step = median(apart).map_or(EVERY, |seconds| TimeDelta::seconds(seconds as i64)).max(TimeDelta::seconds(1));
    let series = Some(series).filter(|series| !series.points.is_empty()).into_iter().collect();
    Ok(Answer::of(series, step, query))
}

/// The newest figure up to a moment, as a source answers.
///
/// # Errors
/// As [`answer`].
pub async fn before(ports: &Ports, of: &str, at: DateTime<Utc>, query: &Query) -> Result<Answer, String> {
    let mut answer = answer(ports, of, &(at - RECENT..at + TimeDelta::seconds(1)), query).await?;
    answer.series.iter_mut().for_each(|it| _ = it.points.drain(..it.points.len().saturating_sub(1)));
    Ok(answer)
}

impl Metrics {
    /// Asks for what is kept, and keeps it. What can not be asked for is a gap.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub(super) async fn sample(&self, cx: &Cx) -> anyhow::Result<()> {
        let (ports, now) = (cx.ports(), cx.now());
        let kept = self.settings.measures.iter().filter(|measure| measure.keeps);
        let asked = kept.map(async |measure| {
            let asked = Asked::of(measure, &Said::default(), ports).ok()?;
            let answer =
                asked.at(ports, now).await.inspect_err(|stop| tracing::debug!("{}: {stop}", measure.name)).ok()?;
            let figure = answer.series.first().and_then(Series::summary)?.last;
            Some((measure.name.clone(), figure))
        });
        let figures: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
        if figures.is_empty() {
            return Ok(());
        }
        let _turn = self.keeping.lock().await;
        keep(cx, now, &figures).await
    }
}
