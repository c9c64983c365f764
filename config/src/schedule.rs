//! When something happens again and again: a line of five fields as in crontab(5), on the wall clock of a time zone.
//!
//! The `cron` crate matches the fields. What a day is (day of month *or* weekday), and which moment a time on the wall
//! clock stands for when clocks are moved, is decided here; docs/jobs.md has the rules.

use chrono::{DateTime, Datelike, Days, MappedLocalTime, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta};
use chrono::{TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use cron::TimeUnitSpec;
use std::fmt;

/// How many days to look ahead for one that matches. The rarest are leap days on a given weekday: forty years apart
/// where they lie around a year like 2100.
const HORIZON: usize = 41 * 366;

/// The longest line that is read at all; anything longer is no schedule.
const LONGEST: usize = 500;

/// Times on the wall clock of a zone.
#[derive(Debug, Clone)]
pub struct Schedule {
    line: String,
    zone: Tz,
    fields: cron::Schedule,
    /// Whether a day has to match both of its fields; otherwise one of them is enough.
    both_days: bool,
    /// Whether the hour or the minute begins with `*`: a rhythm goes on while clocks are moved back.
    rhythm: bool,
}

impl Schedule {
    /// Reads five fields, or `@hourly`, `@daily`, `@weekly`, `@monthly`, `@yearly`.
    ///
    /// # Errors
    /// A sentence for whoever wrote the line: what is wrong with it, and what to write instead.
    pub fn parse(line: &str, zone: Tz) -> Result<Schedule, String> {
        if line.len() > LONGEST {
            return Err(format!("A schedule has at most {LONGEST} characters: write five fields, like `0 3 * * *`."));
        }
        let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
        let fields = if line.starts_with('@') { shorthand(&line)? } else { &line };
        let words: Vec<&str> = fields.split(' ').filter(|word| !word.is_empty()).collect();
        let &[minute, hour, day, month, weekday] = words.as_slice() else {
            return Err(format!(
                "A schedule has five fields (minute, hour, day of month, month, weekday), and {} has {}: \
                 every day at 3:00 is `0 3 * * *`.",
                quote(&line),
                words.len(),
            ));
        };
        let quartz = format!(
            "0 {} {} {} {} {}",
            MINUTE.read(minute)?,
            HOUR.read(hour)?,
            DAY.read(day)?,
            MONTH.read(month)?,
            WEEKDAY.read(weekday)?
        );
        let schedule = Schedule {
            fields: quartz.parse().map_err(|error| format!("{} is no schedule: {error}.", quote(&line)))?,
            both_days: day.starts_with('*') || weekday.starts_with('*'),
            rhythm: minute.starts_with('*') || hour.starts_with('*'),
            zone,
            line,
        };
        if schedule.after(DateTime::UNIX_EPOCH.naive_utc()).is_none() {
            return Err(format!(
                "{} never comes, because no month named there has such a day: write another day or month.",
                quote(&schedule.line)
            ));
        }
        Ok(schedule)
    }

    /// The first moment after `after`; nothing where the calendar ends.
    pub fn next(&self, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let now = after.with_timezone(&self.zone).naive_local();
        let first = self.find(now, after, |local| self.first(local));
        if !self.rhythm {
            return first;
        }
        // The first time round of an hour that comes twice: what is already past on the wall clock comes once more.
        let again = self.last(now) - after;
        let last = self.find(now - again, after, |local| self.last(local));
        first.into_iter().chain(last).min()
    }

    /// The zone whose clocks it goes by.
    pub fn zone(&self) -> Tz {
        self.zone
    }

    /// The first moment after `after` that a matching wall-clock time after `from` stands for. `moment` never
    /// decreases, so that the first one found is the earliest.
    fn find(
        &self,
        from: NaiveDateTime,
        after: DateTime<Utc>,
        moment: impl Fn(NaiveDateTime) -> DateTime<Utc>,
    ) -> Option<DateTime<Utc>> {
        let times = std::iter::successors(self.after(from), |local| self.after(*local));
        times.map(moment).find(|moment| *moment > after)
    }

    /// The first moment at which clocks show `local`; where they skip it, the moment at which they do so.
    fn first(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self.zone.from_local_datetime(&local) {
            MappedLocalTime::Single(moment) => moment.to_utc(),
            MappedLocalTime::Ambiguous(first, second) => first.min(second).to_utc(),
            MappedLocalTime::None => self.skip(local),
        }
    }

    /// The same, but the last moment where there are two.
    fn last(&self, local: NaiveDateTime) -> DateTime<Utc> {
        match self.zone.from_local_datetime(&local) {
            MappedLocalTime::Ambiguous(first, second) => first.max(second).to_utc(),
            _ => self.first(local),
        }
    }

    /// The moment at which clocks jump over `local`, to the second.
    fn skip(&self, local: NaiveDateTime) -> DateTime<Utc> {
        // No offset and no jump is longer than a day, so two days to each side hold the moment.
        let (mut before, mut past) = (local.and_utc() - TimeDelta::days(2), local.and_utc() + TimeDelta::days(2));
        while past - before > TimeDelta::seconds(1) {
            let middle = before + TimeDelta::seconds((past - before).num_seconds() / 2);
            if middle.with_timezone(&self.zone).naive_local() > local { past = middle } else { before = middle }
        }
        past
    }

    /// The first matching time after `local` on a wall clock that nobody moves.
    fn after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let start = local.with_second(0)?.with_nanosecond(0)?.checked_add_signed(TimeDelta::minutes(1))?;
        if self.matches_day(start.date())
            && let Some(time) = self.time_from(start.time())
        {
            return Some(start.date().and_time(time));
        }
        let tomorrow = start.date().checked_add_days(Days::new(1))?;
        let day = tomorrow.iter_days().take(HORIZON).find(|day| self.matches_day(*day))?;
        Some(day.and_time(self.time_from(NaiveTime::MIN)?))
    }

    /// The rule of crontab(5): where both fields name days, one of them is enough.
    fn matches_day(&self, date: NaiveDate) -> bool {
        let day = self.fields.days_of_month().includes(date.day());
        let weekday = self.fields.days_of_week().includes(date.weekday().number_from_sunday());
        let fits = if self.both_days { day && weekday } else { day || weekday };
        fits && self.fields.months().includes(date.month())
    }

    /// The first matching time of a day that is not before `time`.
    fn time_from(&self, time: NaiveTime) -> Option<NaiveTime> {
        self.fields.hours().range(time.hour()..).find_map(|hour| {
            let earliest = if hour == time.hour() { time.minute() } else { 0 };
            let minute = self.fields.minutes().range(earliest..).next()?;
            NaiveTime::from_hms_opt(hour, minute, 0)
        })
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.line, self.zone)
    }
}

fn shorthand(word: &str) -> Result<&'static str, String> {
    match word {
        "@hourly" => Ok("0 * * * *"),
        "@daily" | "@midnight" => Ok("0 0 * * *"),
        "@weekly" => Ok("0 0 * * 0"),
        "@monthly" => Ok("0 0 1 * *"),
        "@yearly" | "@annually" => Ok("0 0 1 1 *"),
        _ => Err(format!(
            "There is no {}: write @hourly, @daily, @weekly, @monthly, @yearly, or five fields like `0 3 * * *`.",
            quote(word)
        )),
    }
}

/// What may stand in one of the five fields.
struct Field {
    name: &'static str,
    first: u32,
    last: u32,
    names: &'static [&'static str],
}

const MINUTE: Field = Field { name: "minute", first: 0, last: 59, names: &[] };
const HOUR: Field = Field { name: "hour", first: 0, last: 23, names: &[] };
const DAY: Field = Field { name: "day of month", first: 1, last: 31, names: &[] };
const MONTH: Field = Field {
    name: "month",
    first: 1,
    last: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Field =
    Field { name: "weekday", first: 0, last: 7, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

impl Field {
    /// The field as the `cron` crate wants it: nothing but numbers, and weekdays from 1, which is Sunday.
    fn read(&self, text: &str) -> Result<String, String> {
        if text == "*" {
            return Ok("*".to_owned());
        }
        let mut numbers = Vec::new();
        for item in text.split(',') {
            let (range, step) = item.split_once('/').map_or((item, None), |(range, step)| (range, Some(step)));
            let (first, last) = self.range(range)?;
            let step = step.map_or(Ok(1), |step| self.step(range, step))?;
            numbers.extend((first..=last).step_by(step));
        }
        if self.last == WEEKDAY.last {
            numbers = numbers.into_iter().map(|day| day % 7 + 1).collect();
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(","))
    }

    fn range(&self, text: &str) -> Result<(u32, u32), String> {
        if text == "*" {
            return Ok((self.first, self.last));
        }
        let Some((first, last)) = text.split_once('-') else {
            return self.value(text).map(|value| (value, value));
        };
        let (start, mut end) = (self.value(first)?, self.value(last)?);
        if self.last == WEEKDAY.last && end == 0 && start > 0 {
            end = 7; // A range that ends with Sunday ends the week.
        }
        if start > end {
            return Err(format!(
                "In the {} field, {} runs backwards: write `{first}-{},{}-{last}`.",
                self.name,
                quote(text),
                self.last,
                self.first
            ));
        }
        Ok((start, end))
    }

    fn step(&self, range: &str, step: &str) -> Result<usize, String> {
        if range != "*" && !range.contains('-') {
            let whole = quote(&format!("{range}/{step}"));
            let instead = quote(&format!("{range}-{}/{step}", self.last));
            return Err(format!("In the {} field, {whole} has a step without a range: write {instead}.", self.name));
        }
        let number = number(step).filter(|number| (1..=self.last).contains(number));
        number.map(|number| number as usize).ok_or_else(|| {
            let Field { name, last, .. } = self;
            format!("In the {name} field, {} is no step: write 1 to {last}, like `*/2`.", quote(step))
        })
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let lower = text.to_ascii_lowercase();
        if let Some(position) = self.names.iter().position(|name| *name == lower) {
            return Ok(self.first + position as u32);
        }
        number(text).filter(|number| (self.first..=self.last).contains(number)).ok_or_else(|| {
            let Field { name, first, last, names } = self;
            let named = match names {
                [start, .., end] => format!(", or {start} to {end}"),
                _ => String::new(),
            };
            format!("In the {name} field, {} is no {name}: write {first} to {last}{named}.", quote(text))
        })
    }
}

fn number(text: &str) -> Option<u32> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

/// What somebody wrote, so that it can be shown: short, and without characters that do something.
fn quote(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown: String = text.chars().take(SHOWN).collect::<String>().escape_debug().to_string().replace('`', "'");
    if text.chars().count() > SHOWN {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[cfg(test)]
mod tests;
