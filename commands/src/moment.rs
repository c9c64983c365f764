//! Moments as people write and read them, in the team's zone.

use crate::text;
use chrono::{
    DateTime, Datelike, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Timelike, Utc, Weekday,
};
use chrono_tz::Tz;

/// Reads `14:00` (the last one), `today`, `monday` (the last one), `2026-03-01`, `2026-03-01 14:00`, `2h ago`, `2h` or
/// RFC 3339. A time that a change of clocks leaves out is right after it; one that comes twice is the first.
///
/// # Errors
/// A sentence that says what to write instead.
pub(crate) fn read(text: &str, zone: Tz, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    let found = written_out(text).or_else(|| by_clock(text, zone, now)).or_else(|| by_date(text, zone, now));
    found.or_else(|| before_now(text, now)).ok_or_else(|| {
        format!(
            "{} is no time. Write it like `14:00`, `yesterday`, `monday`, `2026-03-01`, `2026-03-01 14:00` or `2h ago`.",
            text::code(text)
        )
    })
}

/// Reads a moment to come: `now`, `17:00` (the next one), `tomorrow`, `friday 17:00` (the next one), `2026-03-06 17:00`,
/// `2h`, `in 2h` or RFC 3339. A date that is past stays one: whether that makes sense is for the asker's command to say.
///
/// # Errors
/// A sentence that says what to write instead.
pub(crate) fn read_later(text: &str, zone: Tz, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    let found = written_out(text).or_else(|| next_clock(text, zone, now)).or_else(|| next_date(text, zone, now));
    found.or_else(|| after_now(text, now)).ok_or_else(|| {
        format!(
            "{} is no time to come. Write it like `17:00`, `tomorrow 9:00`, `friday 17:00`, `2026-03-06 17:00` or `2h`.",
            text::code(text)
        )
    })
}

/// Whether this is the time of a day: `17:00`.
pub(crate) fn is_clock(text: &str) -> bool {
    clock(text).is_some()
}

/// Whether this is a day: `friday`, `tomorrow`, `2026-03-06`.
pub(crate) fn is_day(text: &str) -> bool {
    let word = text.to_ascii_lowercase();
    ["today", "yesterday", "tomorrow"].contains(&&*word) || weekday(&word).is_some() || calendar_day(&word).is_some()
}

/// Reads a date of a config: `2026-12-24`, which is its first moment, or `2026-12-24 17:00`.
pub fn on_calendar(text: &str, zone: Tz) -> Option<DateTime<Utc>> {
    let (day, time) = text.split_once(' ').unwrap_or((text, "00:00"));
    resolve(calendar_day(day)?.and_time(clock(time)?), zone)
}

/// A moment as people say it: `17:00 UTC`, and on another day than `now` `Fri 6 Mar, 17:00 UTC`.
pub fn show(at: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> String {
    let (at, now) = (at.with_timezone(&zone), now.with_timezone(&zone));
    let format = match (at.date_naive() == now.date_naive(), at.year() == now.year()) {
        (true, _) => "%H:%M %Z",
        (false, true) => "%a %-d %b, %H:%M %Z",
        (false, false) => "%a %-d %b %Y, %H:%M %Z",
    };
    at.format(format).to_string()
}

fn next_clock(text: &str, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let time = clock(text)?;
    let today = now.with_timezone(&zone).date_naive();
    let at = resolve(today.and_time(time), zone)?;
    if at > now { Some(at) } else { resolve(today.succ_opt()?.and_time(time), zone) }
}

fn next_date(text: &str, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let today = now.with_timezone(&zone).date_naive();
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let time = if time.is_empty() { NaiveTime::MIN } else { clock(time)? };
    let word = day.to_ascii_lowercase();
    let day = match word.as_str() {
        "now" => return text.eq_ignore_ascii_case("now").then_some(now),
        "today" => today,
        "tomorrow" => today.succ_opt()?,
        word => match weekday(word) {
            Some(weekday) => {
                let ahead = weekday.days_since(today.weekday());
                let day = today.checked_add_days(Days::new(ahead.into()))?;
                let past = resolve(day.and_time(time), zone)? <= now;
                if past { day.checked_add_days(Days::new(7))? } else { day }
            }
            None => calendar_day(word)?,
        },
    };
    resolve(day.and_time(time), zone)
}

fn after_now(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let length = text.strip_prefix("in ").map_or(text, str::trim_start);
    let length = config::duration::parse(length).ok()?;
    now.checked_add_signed(TimeDelta::from_std(length).ok()?)
}

fn written_out(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc())
}

fn by_clock(text: &str, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let time = clock(text)?;
    let today = now.with_timezone(&zone).date_naive();
    let at = resolve(today.and_time(time), zone)?;
    if at <= now { Some(at) } else { resolve(today.pred_opt()?.and_time(time), zone) }
}

fn by_date(text: &str, zone: Tz, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let today = now.with_timezone(&zone).date_naive();
    let (day, time) = text.split_once([' ', 'T']).unwrap_or((text, ""));
    let day = match day.to_ascii_lowercase().as_str() {
        "today" => today,
        "yesterday" => today.pred_opt()?,
        word => match weekday(word) {
            Some(weekday) => {
                let back = today.weekday().days_since(weekday);
                today.checked_sub_days(Days::new(back.into()))?
            }
            None => calendar_day(word)?,
        },
    };
    let time = if time.is_empty() { NaiveTime::MIN } else { clock(time)? };
    resolve(day.and_time(time), zone)
}

fn before_now(text: &str, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let length = text.strip_suffix("ago").map_or(text, str::trim_end);
    let length = config::duration::parse(length).ok()?;
    now.checked_sub_signed(TimeDelta::from_std(length).ok()?)
}

/// `14:00` or `14:00:30`.
fn clock(text: &str) -> Option<NaiveTime> {
    // The formats alone would take signs, spaces and leap seconds too.
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    match text.len() {
        4 | 5 if plain => NaiveTime::parse_from_str(text, "%H:%M").ok(),
        7 | 8 if plain && !text.ends_with("60") => NaiveTime::parse_from_str(text, "%H:%M:%S").ok(),
        _ => None,
    }
}

/// `2026-03-01`.
fn calendar_day(text: &str) -> Option<NaiveDate> {
    let plain = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-');
    if plain { NaiveDate::parse_from_str(text, "%Y-%m-%d").ok() } else { None }
}

/// A day of the week, in full or by its first three letters.
fn weekday(word: &str) -> Option<Weekday> {
    let names = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
    let full = names.iter().any(|name| word == *name || word == &name[..3]);
    if full { word.parse().ok() } else { None }
}

fn resolve(local: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    if let Some(time) = zone.from_local_datetime(&local).earliest() {
        return Some(time.to_utc());
    }
    // Clocks are changed on whole minutes, and by a day at most: Samoa left out 30 December 2011.
    let minute = local.with_second(0)?;
    (1..=24 * 60 + 60).find_map(|skipped| {
        let later = minute.checked_add_signed(TimeDelta::minutes(skipped))?;
        zone.from_local_datetime(&later).earliest().map(|time| time.to_utc())
    })
}

#[cfg(test)]
mod tests {
    use super::{read, read_later};
    use chrono::{DateTime, Utc};
    use chrono_tz::Tz;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    #[test]
    fn moments_are_read_in_the_teams_zone() {
        // A Thursday, 15:30 in Seoul.
        let now = at("2026-03-05T06:30:00Z");
        for (text, expected) in [
            ("14:00", "2026-03-05T05:00:00Z"),
            ("9:05", "2026-03-05T00:05:00Z"),
            ("14:00:30", "2026-03-05T05:00:30Z"),
            ("15:30", "2026-03-05T06:30:00Z"),
            ("15:31", "2026-03-04T06:31:00Z"),
            ("today", "2026-03-04T15:00:00Z"),
            ("Yesterday", "2026-03-03T15:00:00Z"),
            ("yesterday 14:00", "2026-03-04T05:00:00Z"),
            ("thursday", "2026-03-04T15:00:00Z"),
            ("monday", "2026-03-01T15:00:00Z"),
            ("fri", "2026-02-26T15:00:00Z"),
            ("2026-03-01", "2026-02-28T15:00:00Z"),
            ("2026-03-01 14:00", "2026-03-01T05:00:00Z"),
            ("2026-03-01T14:00:01", "2026-03-01T05:00:01Z"),
            ("2030-01-01", "2029-12-31T15:00:00Z"),
            ("2h ago", "2026-03-05T04:30:00Z"),
            ("2h", "2026-03-05T04:30:00Z"),
            ("1h30m ago", "2026-03-05T05:00:00Z"),
            ("2026-03-01T14:00:00+02:00", "2026-03-01T12:00:00Z"),
            ("2026-03-01T14:00:00Z", "2026-03-01T14:00:00Z"),
        ] {
            assert_eq!(read(text, Tz::Asia__Seoul, now), Ok(at(expected)), "{text}");
        }
    }

    #[test]
    fn moments_to_come_are_the_next_ones() {
        // A Thursday, 15:30 in Seoul.
        let now = at("2026-03-05T06:30:00Z");
        for (text, expected) in [
            ("now", "2026-03-05T06:30:00Z"),
            ("17:00", "2026-03-05T08:00:00Z"),
            ("15:30", "2026-03-06T06:30:00Z"),
            ("9:05", "2026-03-06T00:05:00Z"),
            ("today 17:00", "2026-03-05T08:00:00Z"),
            ("tomorrow", "2026-03-05T15:00:00Z"),
            ("tomorrow 9:00", "2026-03-06T00:00:00Z"),
            ("Friday 17:00", "2026-03-06T08:00:00Z"),
            ("thursday 17:00", "2026-03-05T08:00:00Z"),
            ("thursday 9:00", "2026-03-12T00:00:00Z"),
            ("thu", "2026-03-11T15:00:00Z"),
            ("2026-03-06 17:00", "2026-03-06T08:00:00Z"),
            ("2026-03-01", "2026-02-28T15:00:00Z"),
            ("2h", "2026-03-05T08:30:00Z"),
            ("in 2h", "2026-03-05T08:30:00Z"),
            ("2026-03-06T17:00:00+02:00", "2026-03-06T15:00:00Z"),
        ] {
            assert_eq!(read_later(text, Tz::Asia__Seoul, now), Ok(at(expected)), "{text}");
        }
        for text in ["", "soon", "yesterday", "2h ago", "25:00", "now 9:00", "friday noon", "9999999999999w"] {
            let sentence = read_later(text, Tz::Asia__Seoul, now).unwrap_err();
            assert!(sentence.contains("is no time to come. Write it like `17:00`"), "{text}: {sentence}");
        }
    }

    #[test]
    fn a_moment_is_shown_with_its_day_where_that_is_another() {
        let now = at("2026-03-05T06:30:00Z");
        for (moment, shown) in [
            ("2026-03-05T14:59:00Z", "23:59 KST"),
            ("2026-03-05T15:00:00Z", "Fri 6 Mar, 00:00 KST"),
            ("2027-03-05T15:00:00Z", "Sat 6 Mar 2027, 00:00 KST"),
        ] {
            assert_eq!(super::show(at(moment), now, Tz::Asia__Seoul), shown);
        }
    }

    #[test]
    fn what_is_no_moment_is_told_with_what_to_write() {
        let wrong =
            ["", "noon", "25:00", "14:60", "14:00:60", "14", "+4:00", "2026-02-30", "02026-3-01", "2026-3-1", "ago"];
        for text in wrong.into_iter().chain(["-2h ago", "yesterday noon", "mo", "9999999999999w ago"]) {
            let sentence = read(text, Tz::UTC, at("2026-03-05T06:30:00Z")).unwrap_err();
            assert!(sentence.contains("is no time. Write it like `14:00`, `yesterday`"), "{text}: {sentence}");
        }
    }

    #[test]
    fn a_change_of_clocks_neither_loses_a_moment_nor_makes_two() {
        let now = at("2026-12-01T00:00:00Z");
        for (zone, text, expected) in [
            // 02:00 to 03:00 does not exist: right after it.
            (Tz::Europe__Berlin, "2026-03-29 02:30", "2026-03-29T01:00:00Z"),
            (Tz::Europe__Berlin, "2026-03-29 02:00:59", "2026-03-29T01:00:00Z"),
            // 02:30 comes twice: the first.
            (Tz::Europe__Berlin, "2026-10-25 02:30", "2026-10-25T00:30:00Z"),
            // Half an hour is left out.
            (Tz::Australia__Lord_Howe, "2026-10-04 02:10", "2026-10-03T15:30:00Z"),
            // Midnight itself is left out.
            (Tz::Africa__Cairo, "2026-04-24", "2026-04-23T22:00:00Z"),
            // A whole day is left out.
            (Tz::Pacific__Apia, "2011-12-30 12:00", "2011-12-30T10:00:00Z"),
        ] {
            assert_eq!(read(text, zone, now), Ok(at(expected)), "{zone} {text}");
        }
    }
}
