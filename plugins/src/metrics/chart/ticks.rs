//! Where an axis has its ticks: at round times of the team's zone, and at round figures.

use chrono::{DateTime, Datelike, Days, Months, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use std::ops::Range;

/// The steps of less than a day, in seconds: each goes into a day.
const WITHIN_A_DAY: [i64; 15] = [1, 5, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 10_800, 21_600, 43_200];

/// A step of the axis of time.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Step {
    Seconds(i64),
    Days(u64),
    Months(u32),
}

const DAY: i64 = 86_400;

impl Step {
    /// About how long it is, in seconds.
    fn length(self) -> i64 {
        match self {
            Step::Seconds(seconds) => seconds,
            Step::Days(days) => i64::try_from(days).unwrap_or(i64::MAX).saturating_mul(DAY),
            Step::Months(months) => i64::from(months) * 30 * DAY,
        }
    }

    /// The last round time of the clocks that is not after `time`.
    fn floor(self, time: NaiveDateTime) -> Option<NaiveDateTime> {
        let midnight = time.date().and_time(NaiveTime::MIN);
        match self {
            Step::Seconds(seconds) => {
                let into = i64::from(time.time().num_seconds_from_midnight());
                midnight.checked_add_signed(TimeDelta::seconds(into - into % seconds))
            }
            Step::Days(1) => Some(midnight),
            // Weeks begin on Mondays, and so do spans of weeks.
            Step::Days(_) => midnight.checked_sub_days(Days::new(time.weekday().days_since(Weekday::Mon).into())),
            Step::Months(months) => {
                let month = time.month0() - time.month0() % months;
                time.date().with_day(1)?.with_month0(month)?.and_time(NaiveTime::MIN).into()
            }
        }
    }

    fn after(self, time: NaiveDateTime) -> Option<NaiveDateTime> {
        match self {
            Step::Seconds(seconds) => time.checked_add_signed(TimeDelta::seconds(seconds)),
            Step::Days(days) => time.checked_add_days(Days::new(days)),
            Step::Months(months) => time.checked_add_months(Months::new(months)),
        }
    }

    /// What stands at a tick. The first moment of a day is called by its date.
    fn label(self, time: NaiveDateTime) -> String {
        let format = match self {
            Step::Seconds(_) if time.time() == NaiveTime::MIN => "%-d %b",
            Step::Seconds(seconds) if seconds < 60 => "%H:%M:%S",
            Step::Seconds(_) => "%H:%M",
            Step::Days(_) => "%-d %b",
            Step::Months(_) if time.month0() == 0 => "%Y",
            Step::Months(_) => "%b",
        };
        time.format(format).to_string()
    }
}

/// A tick of the axis of time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeTick {
    /// When.
    pub at: DateTime<Utc>,
    /// What stands there.
    pub label: String,
}

/// At most `most` ticks within a span, at round times of the clocks of `zone`.
pub fn of_time(span: &Range<DateTime<Utc>>, zone: Tz, most: i64) -> Vec<TimeTick> {
    let steps = WITHIN_A_DAY.into_iter().map(Step::Seconds);
    let steps = steps.chain([1, 7, 14].map(Step::Days)).chain([1, 3, 6, 12].map(Step::Months));
    let long = (span.end - span.start).num_seconds();
    let Some(step) = steps.into_iter().find(|step| long / step.length() <= most) else { return Vec::new() };
    let local = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
    // A change of clocks may set them back beyond the span's end.
    let (mut next, end) = (step.floor(local(span.start)), local(span.end) + TimeDelta::hours(2));
    let mut ticks: Vec<TimeTick> = Vec::new();
    while let Some(time) = next.filter(|time| *time <= end) {
        // What the clocks leave out has no tick; what comes twice has its first.
        if let Some(at) = zone.from_local_datetime(&time).earliest().map(|at| at.to_utc())
            && (span.start..=span.end).contains(&at)
        {
            ticks.push(TimeTick { at, label: step.label(time) });
        }
        next = step.after(time);
    }
    ticks
}

/// The steps of an axis of figures, as parts of a power of ten.
const ROUND: [f64; 5] = [1.0, 2.0, 2.5, 5.0, 10.0];

/// The round figures that reach from `low` or below to `high` or above, with at most about `most` steps.
pub fn of_figures(low: f64, high: f64, most: u32) -> Vec<f64> {
    let wide = (high - low).max(f64::MIN_POSITIVE) / f64::from(most.max(1));
    let power = 10_f64.powf(wide.log10().floor());
    let step = ROUND.iter().map(|part| part * power).find(|step| *step >= wide * (1.0 - 1e-9)).unwrap_or(10.0 * power);
    let (first, last) = ((low / step + 1e-9).floor(), (high / step - 1e-9).ceil());
    let count = last - first;
    // Where figures are so great and so near to each other that there is nothing between them, there are no steps.
    if !(1.0..=1_000.0).contains(&count) {
        return vec![low, high];
    }
    (0..=count as u32).map(|number| (first + f64::from(number)) * step).collect()
}

/// How many digits behind the point the steps of these figures need.
pub fn digits(ticks: &[f64]) -> usize {
    let step = ticks.get(1).zip(ticks.first()).map_or(1.0, |(second, first)| second - first);
    (0..=6).find(|digits| is_whole(step * 10_f64.powi(*digits))).unwrap_or(6) as usize
}

fn is_whole(figure: f64) -> bool {
    (figure - figure.round()).abs() < 1e-6 * figure.abs().max(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn times_are_round_on_the_clocks_of_the_zone() {
        let cases = [
            (
                Tz::UTC,
                "2026-03-05T09:07:30Z",
                "2026-03-05T09:22:30Z",
                "09:08 09:10 09:12 09:14 09:16 09:18 09:20 09:22",
            ),
            (Tz::UTC, "2026-03-05T09:07:00Z", "2026-03-05T15:07:00Z", "10:00 11:00 12:00 13:00 14:00 15:00"),
            (Tz::Asia__Seoul, "2026-03-05T09:07:00Z", "2026-03-05T18:07:00Z", "20:00 22:00 6 Mar 02:00"),
            (Tz::Asia__Kolkata, "2026-03-05T00:00:00Z", "2026-03-06T00:00:00Z", "06:00 12:00 18:00 6 Mar"),
            (Tz::UTC, "2026-03-01T00:00:00Z", "2026-03-07T12:00:00Z", "1 Mar 2 Mar 3 Mar 4 Mar 5 Mar 6 Mar 7 Mar"),
            (Tz::UTC, "2026-03-01T00:00:00Z", "2026-03-31T00:00:00Z", "2 Mar 9 Mar 16 Mar 23 Mar 30 Mar"),
            (Tz::UTC, "2025-10-15T00:00:00Z", "2026-03-15T00:00:00Z", "Nov Dec 2026 Feb Mar"),
            // 02:00 does not exist; then the hour from two to three comes twice.
            (Tz::Europe__Berlin, "2026-03-29T00:00:00Z", "2026-03-29T04:30:00Z", "01:00 03:00 04:00 05:00 06:00"),
            (Tz::Europe__Berlin, "2026-10-24T23:00:00Z", "2026-10-25T03:30:00Z", "01:00 02:00 03:00 04:00"),
        ];
        for (zone, from, to, labels) in cases {
            let ticks = of_time(&(at(from)..at(to)), zone, 7);
            assert_eq!(ticks.iter().map(|tick| &*tick.label).collect::<Vec<_>>().join(" "), labels, "{from}");
            assert!(ticks.iter().all(|tick| (at(from)..=at(to)).contains(&tick.at)), "{ticks:?}");
        }
        assert_eq!(of_time(&(at("2026-03-05T09:00:00Z")..at("2026-03-05T09:00:00Z")), Tz::UTC, 7).len(), 1);
    }

    #[test]
    fn figures_are_round() {
        for (low, high, most, ticks) in [
            (0.0, 430.0, 5, "0 100 200 300 400 500"),
            (0.0, 1.0, 5, "0 0.2 0.4 0.6 0.8 1"),
            (120.0, 131.0, 5, "120 122.5 125 127.5 130 132.5"),
            (-3.0, 7.0, 5, "-4 -2 0 2 4 6 8"),
            (0.0, 0.05, 5, "0 0.01 0.02 0.03 0.04 0.05"),
        ] {
            let found = of_figures(low, high, most);
            let digits = digits(&found);
            let shown: Vec<_> = found.iter().map(|tick| format!("{tick:.digits$}")).collect();
            let shown: Vec<_> = shown
                .iter()
                .map(|tick| if tick.contains('.') { tick.trim_end_matches('0').trim_end_matches('.') } else { tick })
                .collect();
            assert_eq!(shown.join(" "), ticks, "{low} to {high}");
        }
        for (low, high) in
            [(1e300, 1.1e300), (1e16, 1e16 + 2.0), (0.0, f64::MIN_POSITIVE), (-f64::MAX / 4.0, f64::MAX / 4.0)]
        {
            let ticks = of_figures(low, high, 5);
            assert!((2..=8).contains(&ticks.len()) && ticks.iter().all(|tick| tick.is_finite()), "{low}: {ticks:?}");
        }
    }
}
