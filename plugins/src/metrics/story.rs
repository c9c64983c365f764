//! The sentences that a person would write below a chart: how it stands, against what, since when, and right after what.

use super::chart::Limits;
use super::events::Event;
use super::series::{Point, Series, Summary};
use super::unit::Unit;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::moment;
use commands::offer::Better;
use commands::text;
use std::ops::Range;

/// How many times its usual distance from the middle something has to move before it has moved at all. 1.4826 of these
/// distances are a standard deviation, where figures are spread as they usually are.
const USUAL: f64 = 3.0 * 1.4826;

/// The least part of itself by which something has to move.
const LEAST: f64 = 0.05;

/// From which part of the greatest move on another one is taken to be the same.
const SAME: f64 = 0.9;

/// How many figures before and after there have to be to tell whether it moved.
const ENOUGH: usize = 3;

/// What there is to tell of one line.
pub struct Told<'a> {
    /// Its figures.
    pub series: &'a Series,
    /// The same, at another time, and what that is called: "yesterday".
    pub earlier: Option<(&'a str, Option<Summary>)>,
    /// The span that is told of.
    pub span: &'a Range<DateTime<Utc>>,
    /// How far apart figures usually are.
    pub step: TimeDelta,
    /// What they are measured in.
    pub unit: &'a Unit,
    /// From where on it is not well.
    pub limits: Limits,
    /// What happened meanwhile.
    pub events: &'a [Event],
    /// What time it is, and on which clocks.
    pub now: DateTime<Utc>,
    pub zone: Tz,
}

impl Told<'_> {
    /// All there is to say, the most important first.
    pub fn sentences(&self) -> Vec<String> {
        let Some(summary) = self.series.summary() else { return vec![self.nothing()] };
        let mut said = vec![self.standing(&summary)];
        said.extend(self.moved());
        said.extend(self.beyond());
        said.extend(self.extreme(&summary));
        said.extend(self.odd());
        said.extend(self.missing());
        said
    }

    /// Whether there are figures to the end.
    pub fn is_current(&self) -> bool {
        let last = self.series.finite().last();
        last.is_some_and(|last| self.span.end - last.at <= self.step * 2)
    }

    fn at(&self, at: DateTime<Utc>) -> String {
        moment::show(at, self.now, self.zone)
    }

    fn nothing(&self) -> String {
        match self.series.points.len() {
            0 => "There are no figures in this time.".to_owned(),
            1 => "The only figure in this time is no number.".to_owned(),
            many => format!("None of its {many} figures in this time is a number."),
        }
    }

    /// "152 ms now, 146 ms on average over 6h: +4 % against yesterday (140 ms)."
    fn standing(&self, summary: &Summary) -> String {
        let last = self.series.finite().last().map_or(self.span.end, |point| point.at);
        let when = match (self.is_current(), self.now - self.span.end < TimeDelta::minutes(2)) {
            (true, true) => "now".to_owned(),
            (true, false) => "at the end".to_owned(),
            (false, _) => format!("at {}", self.at(last)),
        };
        let mut said = format!(
            "{} {when}, {} on average over {}",
            self.unit.show(summary.last),
            self.unit.show(summary.mean),
            span(self.span.end - self.span.start)
        );
        match &self.earlier {
            None => said.push('.'),
            Some((word, None)) => said += &format!(". There are no figures of {word} to compare with."),
            Some((word, Some(earlier))) => {
                let change = change(self.unit, earlier.mean, summary.mean);
                said += &format!(": {change} against {word} ({}).", self.unit.show(earlier.mean));
            }
        }
        said
    }

    /// "It rose by 210 ms right after #412 `deploy.ship hello v2` (14:02 UTC)."
    fn moved(&self) -> Option<String> {
        let long = self.span.end - self.span.start;
        let window = (long / 12).max(self.step * 5).min(TimeDelta::hours(1)).min(long / 2);
        let moving = self.events.iter().filter(|event| event.moves());
        let moves = moving.filter_map(|event| Some((event, self.shift(event, window)?)));
        let moves: Vec<_> = moves.collect();
        let most = moves.iter().map(|(_, shift)| shift.abs()).reduce(f64::max)?;
        // Of several that come right before the same move the last one is the nearest to it.
        let (event, shift) = moves.into_iter().rfind(|(_, shift)| shift.abs() >= SAME * most)?;
        let way = if shift > 0.0 { "rose" } else { "fell" };
        let by = self.unit.show_difference(shift.abs()).trim_start_matches('+').to_owned();
        Some(format!("It {way} by {by} right after {} ({}).", event.shown(), self.at(event.ended)))
    }

    /// By how much the middle of the figures after an event is away from that before, if that is more than usual.
    fn shift(&self, event: &Event, window: TimeDelta) -> Option<f64> {
        let before = self.series.within(&(event.began - window..event.began));
        let after = self.series.within(&(event.ended..event.ended + window));
        moved_unusually(&before, &after)?.then_some(after.middle()?.0 - before.middle()?.0)
    }

    /// "It was bad (300 ms and more) for 12 minutes, from 14:02 UTC on."
    fn beyond(&self) -> Option<String> {
        let Limits { better, warn, bad } = self.limits;
        let words = [(bad, "bad"), (warn, "worth a look")];
        words.into_iter().find_map(|(limit, word)| {
            let reached: Vec<Point> =
                self.series.finite().filter(|point| self.limits.reached(limit, point.value)).collect();
            let first = reached.first()?;
            let long = self.step * i32::try_from(reached.len()).unwrap_or(i32::MAX);
            let and = if better == Better::Lower { "more" } else { "less" };
            let limit = self.unit.show(limit.unwrap_or_default());
            Some(format!("It was {word} ({limit} and {and}) for {}, first at {}.", span(long), self.at(first.at)))
        })
    }

    fn extreme(&self, summary: &Summary) -> Option<String> {
        let (word, value, at) = match self.limits.better {
            Better::Lower => ("Highest", summary.max, summary.max_at),
            Better::Higher => ("Lowest", summary.min, summary.min_at),
        };
        let flat = summary.min == summary.max;
        (!flat).then(|| format!("{word}: {} at {}.", self.unit.show(value), self.at(at)))
    }

    /// What is no number.
    fn odd(&self) -> Option<String> {
        let points = &self.series.points;
        let none = points.iter().filter(|point| point.value.is_nan()).count();
        let infinite = points.iter().filter(|point| point.value.is_infinite()).count();
        let parts = [(none, "no number"), (infinite, "infinite")];
        let parts = parts.into_iter().filter(|(count, _)| *count > 0);
        let parts: Vec<_> = parts.map(|(count, what)| format!("{count} {what}")).collect();
        let all = points.len();
        (!parts.is_empty()).then(|| format!("Of {all} figures are left out: {}.", parts.join(", ")))
    }

    /// "There are no figures from 14:10 UTC to 14:25 UTC."
    fn missing(&self) -> Option<String> {
        let gaps = self.series.gaps(self.span, self.step);
        let longest = gaps.iter().max_by_key(|gap| gap.end - gap.start)?;
        let more = match gaps.len() - 1 {
            0 => String::new(),
            1 => ", and once more".to_owned(),
            more => format!(", and {more} times more"),
        };
        Some(format!("There are no figures from {} to {}{more}.", self.at(longest.start), self.at(longest.end)))
    }
}

/// Whether something has moved by more than it usually does; nothing where there are too few figures to tell.
pub fn moved_unusually(before: &Series, after: &Series) -> Option<bool> {
    if [before, after].iter().any(|figures| figures.finite().count() < ENOUGH) {
        return None;
    }
    let ((was, spread), (is, _)) = (before.middle()?, after.middle()?);
    let shift = (is - was).abs();
    Some(shift > USUAL * spread && shift > LEAST * was.abs() && shift > 0.0)
}

/// "+4 %", "+1.2 points", "from nought".
pub fn change(unit: &Unit, was: f64, is: f64) -> String {
    if was == is {
        return "no change".to_owned();
    }
    if unit.in_points() {
        return unit.show_difference(is - was);
    }
    let part = (is - was) / was.abs() * 100.0;
    match part {
        part if !part.is_finite() => format!("{} from nought", if is > was { "up" } else { "down" }),
        part if part.abs() >= 1_000.0 => format!("{} times as much", super::unit::number(is / was)),
        part if part.abs() < 0.5 => "less than ±1 %".to_owned(),
        part => format!("{part:+.0} %"),
    }
}

/// A span of time in words: "6 hours", "90 minutes".
pub fn span(long: TimeDelta) -> String {
    let seconds = long.num_seconds();
    let units = [(86_400, "day"), (3_600, "hour"), (60, "minute")];
    let unit = units.into_iter().find(|(size, _)| seconds >= 2 * size || seconds == *size);
    let (size, noun) = unit.unwrap_or((1, "second"));
    text::plural(usize::try_from((seconds + size / 2) / size).unwrap_or(0), noun)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_772_701_200 + 60 * minute, 0).unwrap()
    }

    fn told(values: &[f64], better: Better, events: &[Event], earlier: Option<Option<Summary>>) -> String {
        let points = values.iter().enumerate().map(|(at, value)| Point { at: minute(at as i64), value: *value });
        let series = Series { name: String::new(), points: points.filter(|point| point.value != -1.0).collect() };
        let span = minute(0)..minute(values.len() as i64);
        let told = Told {
            series: &series,
            earlier: earlier.map(|summary| ("yesterday", summary)),
            span: &span,
            step: TimeDelta::minutes(1),
            unit: &Unit::of("s"),
            limits: Limits { better, warn: Some(0.3), bad: Some(0.5) },
            events,
            now: minute(values.len() as i64),
            zone: Tz::UTC,
        };
        told.sentences().join(" ")
    }

    fn event(at: i64) -> Event {
        Event {
            act: if at == 29 { 29 } else { 7 },
            began: minute(at - 1),
            ended: minute(at),
            what: "deploy.ship hello v2".to_owned(),
        }
    }

    fn summary(mean: f64) -> Summary {
        Summary { min: mean, min_at: minute(0), mean, max: mean, max_at: minute(0), last: mean, count: 1 }
    }

    #[test]
    fn it_says_what_a_person_would() {
        let flat = [0.1; 60];
        let steps: Vec<f64> = (0..60).map(|at| if at < 30 { 0.14 } else { 0.35 } + f64::from(at % 3) / 1e3).collect();
        let well = Better::Lower;
        for (values, events, earlier, expected) in [
            (&flat[..], vec![event(30)], None, "100 ms now, 100 ms on average over 1 hour."),
            (
                &flat,
                vec![],
                Some(Some(summary(0.08))),
                "100 ms now, 100 ms on average over 1 hour: +25 % against yesterday (80 ms).",
            ),
            (
                &flat,
                vec![],
                Some(Some(summary(0.0))),
                "100 ms now, 100 ms on average over 1 hour: up from nought against yesterday (0 s).",
            ),
            (
                &flat,
                vec![],
                Some(None),
                "100 ms now, 100 ms on average over 1 hour. There are no figures of yesterday to compare with.",
            ),
            (
                &steps,
                vec![event(12), event(30)],
                None,
                "352 ms now, 246 ms on average over 1 hour. It rose by 210 ms right after #7 `deploy.ship hello v2` (09:30 UTC). It was worth a look (300 ms and more) for 30 minutes, first at 09:30 UTC. Highest: 352 ms at 09:32 UTC.",
            ),
            (
                &steps,
                vec![event(30), Event { what: "lock.take hello".to_owned(), ..event(30) }],
                None,
                "352 ms now, 246 ms on average over 1 hour. It rose by 210 ms right after #7 `deploy.ship hello v2` (09:30 UTC). It was worth a look (300 ms and more) for 30 minutes, first at 09:30 UTC. Highest: 352 ms at 09:32 UTC.",
            ),
            (
                &steps,
                vec![event(27), event(29)],
                None,
                "352 ms now, 246 ms on average over 1 hour. It rose by 209 ms right after #29 `deploy.ship hello v2` (09:29 UTC). It was worth a look (300 ms and more) for 30 minutes, first at 09:30 UTC. Highest: 352 ms at 09:32 UTC.",
            ),
            (&[f64::NAN; 4], vec![], None, "None of its 4 figures in this time is a number."),
            (&[], vec![], None, "There are no figures in this time."),
            (
                &[0.1, 0.1, f64::NAN, f64::INFINITY, 0.1, -1.0, -1.0, -1.0, -1.0, -1.0],
                vec![],
                None,
                "100 ms at 09:04 UTC, 100 ms on average over 10 minutes. Of 5 figures are left out: 1 no number, 1 infinite. There are no figures from 09:04 UTC to 09:10 UTC, and once more.",
            ),
        ] {
            assert_eq!(told(values, well, &events, earlier), expected);
        }
    }

    #[test]
    fn of_too_few_figures_nothing_is_called_unusual() {
        let series = |values: &[f64]| {
            let point = |(at, value): (usize, &f64)| Point { at: minute(at as i64), value: *value };
            Series { name: String::new(), points: values.iter().enumerate().map(point).collect() }
        };
        for (before, after, moved) in [
            (&[1.0][..], &[9.0][..], None),
            (&[1.0; 9], &[9.0, 9.0], None),
            (&[1.0, 1.0, f64::NAN], &[9.0; 3], None),
            (&[1.0; 3], &[9.0; 3], Some(true)),
            (&[1.0, 5.0, 9.0], &[4.0, 6.0, 8.0], Some(false)),
            (&[1.0; 3], &[1.0; 3], Some(false)),
        ] {
            assert_eq!(moved_unusually(&series(before), &series(after)), moved, "{before:?} {after:?}");
        }
    }

    #[test]
    fn a_change_is_said_in_what_it_is_measured_in() {
        for (unit, was, is, said) in [
            ("s", 0.1, 0.104, "+4 %"),
            ("s", 0.1, 0.05, "-50 %"),
            ("s", 0.1, 0.1, "no change"),
            ("s", 0.1, 0.1001, "less than ±1 %"),
            ("s", 0.0, 0.1, "up from nought"),
            ("s", 0.0, -0.1, "down from nought"),
            ("s", 0.1, 3.0, "30 times as much"),
            ("s", -2.0, -1.0, "+50 %"),
            ("share", 0.02, 0.03, "+1 point"),
        ] {
            assert_eq!(change(&Unit::of(unit), was, is), said, "{was} to {is} {unit}");
        }
    }
}
