//! Figures that nobody else keeps: what programs push, and what is asked again and again of sources that forget.
//!
//! They are counts, on which nothing rests: one record an hour and name, of pairs of a second of its day and a figure.

use super::Metrics;
use super::asked::{Asked, Said};
use super::round::LOOKED;
use super::series::{Point, Series, median};
use super::settings::{ENVIRONMENT, Measure, SERVICE};
use super::source::{Answer, Query};
use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};
use commands::cx::{Cx, Ports};
use commands::store::{Batch, Read};
use commands::table::Table;
use futures::future::join_all;
use futures::{StreamExt, stream};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::Duration;
use tokio::time::sleep;

const SAMPLES: Table<Vec<(u32, f64)>> = Table::new("counts/metrics/samples/");

/// How far apart figures are taken to be, where there are too few to tell.
const USUAL: TimeDelta = TimeDelta::minutes(1);

/// How old the newest figure may be to stand for a moment.
const RECENT: TimeDelta = TimeDelta::days(2);

/// How long they are kept, in days.
const KEPT: i64 = 400;

/// The shortest time between two figures that are asked for: every one is written to the disk.
pub const SHORTEST: Duration = Duration::from_secs(10);

/// How many are asked for at once: a measure may be kept of each service in each environment.
const AT_ONCE: usize = 32;

/// The most figures of a name in an hour: one in ten seconds.
const MOST: usize = 360;

/// How many records a day can have: one an hour, and one of the whole day, as they were kept once.
const OF_A_DAY: usize = 25;

/// How often another replica is given way before it is given up.
const TRIES: usize = 5;

/// What the names of a day's records begin with. What they are of has no slash in it.
fn of_day(of: &str, day: NaiveDate) -> String {
    format!("{of}/{day}")
}

/// The name of the record of an hour.
fn name(of: &str, at: DateTime<Utc>) -> String {
    format!("{}T{:02}", of_day(of, at.date_naive()), at.hour())
}

/// Keeps figures, each under its name. What is no number is not kept.
///
/// # Errors
/// When the store can not be read or written.
pub async fn keep(cx: &Cx, at: DateTime<Utc>, figures: &[(String, f64)]) -> anyhow::Result<()> {
    let second = at.time().num_seconds_from_midnight();
    for attempt in 1.. {
        let mut batch = Batch::default();
        for (of, figure) in figures.iter().filter(|(_, figure)| figure.is_finite()) {
            let found = SAMPLES.get(cx.store(), name(of, at)).await?;
            let (mut row, version) = found.map(|found| (found.value, found.version)).unwrap_or_default();
            row.push((second, *figure));
            row.sort_by_key(|(second, _)| *second);
            let full = row.len().saturating_sub(MOST);
            row.drain(..full);
            batch.expect(SAMPLES.key(name(of, at)), version);
            SAMPLES.put_in(&mut batch, name(of, at), &row)?;
            if version == 0 {
                let old = of_day(of, at.date_naive() - TimeDelta::days(KEPT));
                let old = SAMPLES.scan(cx.store(), &old, OF_A_DAY).await?;
                old.iter().for_each(|(name, _)| _ = batch.delete(SAMPLES.key(name)));
            }
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
        let midnight = day.and_time(NaiveTime::MIN).and_utc();
        let point = |(second, value): (u32, f64)| Point { at: midnight + TimeDelta::seconds(second.into()), value };
        let rows = SAMPLES.scan(store, &of_day(of, day), OF_A_DAY).await?.into_iter().flat_map(|(_, row)| row.value);
        points.extend(rows.map(point).filter(|point| span.contains(&point.at)));
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
    let step = median(apart).map_or(USUAL, |seconds| TimeDelta::seconds(seconds as i64)).max(TimeDelta::seconds(1));
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
    /// Asks for what is kept, each measure at its own pace, until Deckhand is about to stop.
    pub(super) async fn keep_samples(&self, cx: &Cx) {
        let paces: BTreeSet<_> =
            self.settings.measures.iter().filter_map(|it| it.keeps.as_ref()).map(|it| it.every).collect();
        let followed = paces.into_iter().map(async |pace| {
            while cx.stopping().run_until_cancelled(sleep(until_next(cx.now(), pace))).await.is_some() {
                if let Err(error) = self.sample(cx, pace).await {
                    tracing::warn!("what is measured can not be kept: {error:#}");
                }
            }
        });
        join_all(followed).await;
    }

    /// Asks for what is kept at this pace, and keeps it. What can not be asked for is a gap.
    async fn sample(&self, cx: &Cx, pace: Duration) -> anyhow::Result<()> {
        let (ports, now) = (cx.ports(), cx.now());
        let kept = self.settings.measures.iter().filter_map(|it| Some((it, it.keeps.as_ref()?)));
        let asked = kept.filter(|(_, keeping)| keeping.every == pace).flat_map(|(measure, keeping)| {
            let all = each(measure, ports).into_iter().filter_map(|said| Asked::of(measure, &said, ports).ok());
            all.map(move |asked| (keeping.name(&asked.query), asked))
        });
        let asked: Vec<_> = asked.collect();
        let figures = stream::iter(asked).map(async |(name, asked)| {
            // A source that is silent keeps the others waiting for no longer than its round.
            let figure = figure(ports, &asked, now);
            self.rounds
                .within(&asked.measure.source_name, now, LOOKED, figure)
                .await
                .flatten()
                .map(|figure| (name, figure))
        });
        let figures: Vec<_> = figures.buffer_unordered(AT_ONCE).filter_map(async |figure| figure).collect().await;
        if figures.is_empty() {
            return Ok(());
        }
        let _turn = self.keeping.lock().await;
        keep(cx, now, &figures).await
    }
}

/// A measure in all that it is kept of: each service and each environment, where it tells them apart.
fn each(measure: &Measure, ports: &Ports) -> Vec<Said> {
    let open = |name: &str, values: &[String]| match measure.mentions(name) {
        true => values.iter().cloned().map(Some).collect(),
        false => vec![None],
    };
    let own = measure.service.is_some();
    let services = if own { vec![None] } else { open(SERVICE, &ports.vocabulary.services) };
    let environments = open(ENVIRONMENT, &ports.vocabulary.environments);
    let said = |service: &Option<String>, env: &Option<String>| Said {
        service: service.clone(),
        env: env.clone(),
        ..Said::default()
    };
    services.iter().flat_map(|service| environments.iter().map(move |env| said(service, env))).collect()
}

/// A figure as it stands now.
async fn figure(ports: &Ports, asked: &Asked, now: DateTime<Utc>) -> Option<f64> {
    let answer = asked.at(ports, now).await;
    let answer = answer.inspect_err(|stop| tracing::debug!("{}: {stop}", asked.title())).ok()?;
    Some(answer.series.first().and_then(Series::summary)?.last)
}

/// How long it is until the next time at this pace, on the clocks: what is asked every minute is asked when a minute begins.
fn until_next(now: DateTime<Utc>, pace: Duration) -> Duration {
    let pace = u64::try_from(pace.as_millis()).unwrap_or(u64::MAX).max(1);
    let past = now.timestamp_millis().rem_euclid(i64::try_from(pace).unwrap_or(i64::MAX));
    Duration::from_millis(pace - past.unsigned_abs().min(pace - 1))
}
