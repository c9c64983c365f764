//! `/metrics compare`: how something went before and after a change that stands on the ledger.

use super::Metrics;
use super::asked::Said;
use super::chart;
use super::draw::{Drawing, empty, tone, with};
use super::events::{self, Event};
use super::series::{Series, Summary};
use super::story::{self, change};
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::Cx;
use commands::moment;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use serde::Deserialize;
use std::ops::Range;
use std::time::Duration;

/// How long before and after is looked at where nobody says.
const USUAL: Duration = Duration::from_secs(30 * 60);

/// The longest that makes sense to compare.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

#[derive(Deserialize)]
struct CompareArgs {
    measure: String,
    number: u64,
    within: Option<Duration>,
    #[serde(flatten)]
    said: Said,
}

impl Metrics {
    pub(super) async fn compare(&self, cx: &Cx) -> Result<Reply> {
        let CompareArgs { measure, number, within, said } = cx.args()?;
        let (ports, now) = (cx.ports(), cx.now());
        let asked = self.asked(ports, &measure, &said).await?;
        if !asked.measure.source.remembers() {
            let name = &asked.measure.source_name;
            return Err(Stop::refuse(format!(
                "The source `{name}` knows how things stand now, and not how they stood before a change."
            )));
        }
        let within = within.unwrap_or(USUAL);
        if !(Duration::from_secs(60)..=LONGEST).contains(&within) {
            return Err(Stop::refuse("That is no time to compare over. Write `within` from `1m` to `30d`."));
        }
        let within = TimeDelta::from_std(within).unwrap_or(TimeDelta::MAX);
        let Some(event) = events::act(cx.store(), number).await? else {
            return Err(Stop::refuse(format!(
                "There is no change #{number} that has ended. `/changes` shows what there is, with its numbers."
            )));
        };
        let before = event.began - within..event.began;
        let after = event.ended..(event.ended + within).min(now);
        if after.end - after.start < TimeDelta::minutes(1) {
            return Err(Stop::refuse(format!(
                "#{number} has only just ended: nothing can be said of what came after it. Ask again in a minute or two."
            )));
        }
        let span = before.start..after.end;
        let answer = asked.over(ports, &span).await?;
        if answer.series.is_empty() {
            return Ok(empty(&asked));
        }
        let mut events =
            events::within(&*ports.store, &span, asked.service.as_deref(), asked.environment.as_deref()).await?;
        // What is asked for is marked, whatever it is, and of the others those that are nearest.
        events.all.retain(|it| *it != event);
        events.all.push(event.clone());
        events.all.sort_by_key(|it| (it.ended - event.ended).abs());
        events.all.truncate(chart::MARKS);
        events.all.sort_by_key(|it| it.ended);
        let drawing = Drawing { asked: &asked, span, answer, earlier: None, events };
        let reply = compared(&drawing, &event, &before, &after, cx);
        Ok(with(reply, self.picture(ports, &drawing).await?))
    }
}

/// What the figures before and after come to.
fn compared(
    drawing: &Drawing<'_>,
    event: &Event,
    before: &Range<DateTime<Utc>>,
    after: &Range<DateTime<Utc>>,
    cx: &Cx,
) -> Reply {
    let asked = drawing.asked;
    let unit = &asked.measure.unit;
    let at = moment::show(event.ended, cx.now(), cx.ports().vocabulary.zone);
    let title = format!("{}, before and after #{}", asked.title(), event.act);
    let intro = format!("{} ended at {at}.", event.shown());
    let pairs: Vec<_> =
        drawing.answer.series.iter().map(|series| (series, series.within(before), series.within(after))).collect();
    if let [(_, was, is)] = pairs.as_slice() {
        let last = is.summary().map(|it| it.mean);
        return Reply::card(tone(asked, last), title, format!("{intro} {}", verdict(drawing, was, is, before, after)));
    }
    let mean = |summary: Option<Summary>| summary.map_or_else(|| "–".to_owned(), |it| unit.show(it.mean));
    let row = |(series, was, is): &(&Series, Series, Series)| {
        let (was, is) = (was.summary(), is.summary());
        let change = was.zip(is).map_or_else(|| "–".to_owned(), |(was, is)| change(unit, was.mean, is.mean));
        [commands::text::plain(&series.name), mean(was), mean(is), change]
    };
    let rows = pairs.iter().map(row).collect();
    Reply::card(Tone::Plain, title, intro).table(["Of", "Before", "After", "Change"], rows)
}

/// "121 ms on average over 30 minutes before it, 152 ms over 30 minutes after it: +26 %, more than it usually moves."
fn verdict(
    drawing: &Drawing<'_>,
    was: &Series,
    is: &Series,
    before: &Range<DateTime<Utc>>,
    after: &Range<DateTime<Utc>>,
) -> String {
    let unit = &drawing.asked.measure.unit;
    let spans = [before, after].map(|span| story::span(span.end - span.start));
    match (was.summary(), is.summary()) {
        (Some(one), Some(other)) => {
            format!(
                "{} on average over {} before it, {} over {} after it: {}, {}.",
                unit.show(one.mean),
                spans[0],
                unit.show(other.mean),
                spans[1],
                change(unit, one.mean, other.mean),
                match story::moved_unusually(was, is) {
                    None => "of too few figures to tell whether that is usual",
                    Some(true) => "more than it usually moves",
                    Some(false) => "within what is usual",
                }
            )
        }
        (None, Some(other)) => format!("There are no figures before it, and {} after it.", unit.show(other.mean)),
        (Some(one), None) => format!("{} on average before it, and no figures after it.", unit.show(one.mean)),
        (None, None) => "There are no figures before it and none after it.".to_owned(),
    }
}
