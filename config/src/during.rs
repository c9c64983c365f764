//! A time of the week, such as `Mon-Fri 09:00-18:00`, that a rule holds in.

use crate::problem::quoted;
use chrono::{DateTime, Datelike, Timelike};
use chrono_tz::Tz;
use std::{fmt, str::FromStr};

const DAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

/// Minutes of a day; as an end, the midnight after it.
const DAY: u16 = 24 * 60;

/// Days of the week, hours of the day, or both. Hours that end before they start end on the next day, and belong to the
/// day they start on: `Fri 22:00-06:00` reaches into Saturday, not into Friday's early morning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct During {
    /// Monday first.
    days: [bool; 7],
    /// The first minute of the day that is in it.
    from: u16,
    /// The first minute after it.
    until: u16,
    text: String,
}

impl During {
    /// Whether the moment is in it, by the clock on the wall where the moment was taken.
    pub fn contains(&self, moment: DateTime<Tz>) -> bool {
        let today = moment.weekday().num_days_from_monday() as usize;
        let yesterday = (today + 6) % 7;
        let minute = (moment.hour() * 60 + moment.minute()) as u16;
        if self.from < self.until {
            self.days[today] && (self.from..self.until).contains(&minute)
        } else {
            self.days[today] && minute >= self.from || self.days[yesterday] && minute < self.until
        }
    }

    /// As `parse`; the error is what to write instead, without the text itself.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let words: Vec<_> = text.split_whitespace().collect();
        let (days, hours) = match words[..] {
            [one] if one.contains(':') => (Some([true; 7]), hours(one)?),
            [one] => (days(one), (0, DAY)),
            [first, second] => (days(first), hours(second)?),
            _ => (None, (0, DAY)),
        };
        let days = days.ok_or("write days and hours as in `Mon-Fri 09:00-18:00`, `Sat,Sun` or `22:00-06:00`")?;
        Ok(Self { days, from: hours.0, until: hours.1, text: words.join(" ") })
    }
}

/// Reads `Mon-Fri 09:00-18:00`, `Sat,Sun` or `22:00-06:00`. The error is a sentence that says what to write instead.
impl FromStr for During {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::read(text).map_err(|instead| format!("{} is no time of the week; {instead}", quoted(text)))
    }
}

/// As it was written.
impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

fn days(text: &str) -> Option<[bool; 7]> {
    let number = |day: &str| DAYS.iter().position(|name| name.eq_ignore_ascii_case(day));
    let mut days = [false; 7];
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (mut day, last) = (number(first)?, number(last)?);
        days[day] = true;
        // A range may go over the end of the week.
        while day != last {
            day = (day + 1) % 7;
            days[day] = true;
        }
    }
    Some(days)
}

fn hours(text: &str) -> Result<(u16, u16), String> {
    let both = text.split_once('-').and_then(|(from, until)| Some((minute(from)?, minute(until)?)));
    match both {
        Some((from, until)) if from == until => Err("leave the hours out for the whole day".into()),
        Some((from, until)) if from < DAY => Ok((from, until)),
        _ => Err("write hours with two digits each, as in `09:00-18:00`, up to `24:00`".into()),
    }
}

fn minute(text: &str) -> Option<u16> {
    let two_digits = |text: &str| {
        let good = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        good.then(|| text.parse().ok()).flatten()
    };
    let (hour, minute) = text.split_once(':')?;
    let (hour, minute): (u16, u16) = (two_digits(hour)?, two_digits(minute)?);
    (minute < 60 && hour * 60 + minute <= DAY).then_some(hour * 60 + minute)
}

#[cfg(test)]
mod tests {
    use super::During;
    use chrono::TimeZone;
    use chrono_tz::{Asia, Europe, Tz};

    fn at(zone: Tz, day: u32, hour: u32, minute: u32) -> chrono::DateTime<Tz> {
        // 2 March 2026 is a Monday.
        zone.with_ymd_and_hms(2026, 3, day, hour, minute, 59).unwrap()
    }

    #[test]
    fn moments_are_in_it_or_not() {
        const MON: u32 = 2;
        const FRI: u32 = 6;
        const SAT: u32 = 7;
        const SUN: u32 = 8;
        for (text, day, hour, minute, inside) in [
            ("Mon-Fri 09:00-18:00", MON, 9, 0, true),
            ("Mon-Fri 09:00-18:00", MON, 8, 59, false),
            ("Mon-Fri 09:00-18:00", FRI, 17, 59, true),
            ("Mon-Fri 09:00-18:00", FRI, 18, 0, false),
            ("Mon-Fri 09:00-18:00", SAT, 12, 0, false),
            ("Sat,Sun", SAT, 0, 0, true),
            ("Sat,Sun", SUN, 23, 59, true),
            ("Sat,Sun", MON, 0, 0, false),
            ("22:00-06:00", MON, 22, 0, true),
            ("22:00-06:00", MON, 5, 59, true),
            ("22:00-06:00", MON, 6, 0, false),
            ("22:00-06:00", MON, 21, 59, false),
            ("Fri 22:00-06:00", SAT, 5, 59, true),
            ("Fri 22:00-06:00", FRI, 5, 59, false),
            ("Fri 22:00-06:00", SAT, 22, 0, false),
            ("Sun 22:00-06:00", MON + 7, 1, 0, true),
            ("Fri-Mon", SUN, 12, 0, true),
            ("Fri-Mon", MON, 12, 0, true),
            ("Fri-Mon", MON + 1, 12, 0, false),
            ("mon,WED-thu 00:00-24:00", MON + 2, 23, 59, true),
            ("mon,WED-thu 00:00-24:00", MON + 1, 23, 59, false),
            ("Sat 18:00-00:00", SAT, 23, 59, true),
            ("Sat 18:00-00:00", SUN, 0, 0, false),
        ] {
            let during: During = text.parse().unwrap();
            assert_eq!(during.contains(at(Tz::UTC, day, hour, minute)), inside, "{text} {day} {hour}:{minute}");
            assert_eq!(during.to_string(), text);
        }
    }

    #[test]
    fn it_goes_by_the_clock_on_the_wall() {
        let during: During = "Mon 09:00-10:00".parse().unwrap();
        let moment = at(Asia::Seoul, 2, 9, 30);
        assert!(during.contains(moment));
        assert!(!during.contains(moment.with_timezone(&Europe::Paris)));
    }

    #[test]
    fn a_mistake_is_told_with_what_to_write() {
        let form = "write days and hours as in `Mon-Fri 09:00-18:00`, `Sat,Sun` or `22:00-06:00`";
        let digits = "write hours with two digits each, as in `09:00-18:00`, up to `24:00`";
        for (text, instead) in [
            ("", form),
            ("always", form),
            ("Mon-", form),
            ("Mon,,Tue", form),
            ("Montag 09:00-18:00", form),
            ("Mon 09:00-18:00 UTC", form),
            ("Mon Tue", digits),
            ("09:00", digits),
            ("9:00-18:00", digits),
            ("09:00-24:01", digits),
            ("09:00-25:00", digits),
            ("09:60-10:00", digits),
            ("24:00-06:00", digits),
            ("+9:00-18:00", digits),
            ("09:00-18:00-19:00", digits),
            ("09:00-09:00", "leave the hours out for the whole day"),
        ] {
            assert_eq!(text.parse::<During>(), Err(format!("`{text}` is no time of the week; {instead}")));
        }
    }
}
