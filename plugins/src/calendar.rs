//! iCalendar files (RFC 5545), whose events are freezes for one plugin, and say who is on call for another.
//!
//! Repetitions are counted on the wall clock of the event's zone and turned into moments afterwards, so that an event at
//! midnight is at midnight on both sides of a change of clocks.

use chrono::{DateTime, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use commands::text;
use icalendar::rrule::RRuleSet;
use icalendar::{Calendar as File, Component, Event as Read, Property};

/// How many repetitions of one event are looked at: more than can be going on at one moment.
const MOST: u16 = 400;

const DAY: &str = "%Y%m%d";
const TIME: &str = "%Y%m%dT%H%M%S";

/// A time at which something is the case: a freeze, or an event of a calendar.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Its first moment.
    pub from: DateTime<Utc>,
    /// The first moment after it.
    pub until: DateTime<Utc>,
    /// What the calendar calls it.
    pub name: Option<String>,
}

/// The events of a file.
#[derive(Debug, Clone)]
pub struct Calendar {
    events: Vec<Event>,
}

#[derive(Debug, Clone)]
struct Event {
    name: String,
    zone: Tz,
    /// When it begins, on the wall clock of its zone; what the type calls UTC is that clock.
    starts: RRuleSet,
    lasts: Lasts,
}

/// How long an event lasts, on the clock or on the calendar: a day may have 23 hours.
#[derive(Debug, Clone, Copy)]
enum Lasts {
    Time(TimeDelta),
    Days(u64),
}

impl Calendar {
    /// Reads a file. Days, and times without a zone, are meant in the calendar's own zone, else in `zone`. Events that are
    /// cancelled are left out, and so are those with a time of the day that are marked as free (`TRANSPARENT`); holidays
    /// are marked so in most calendars, and count.
    ///
    /// # Errors
    /// What is wrong, as a sentence without its full stop.
    pub fn read(file: &str, zone: Tz) -> Result<Calendar, String> {
        let file = file.trim_start_matches('\u{feff}').trim_start();
        if !file.starts_with("BEGIN:VCALENDAR") {
            return Err("this is no iCalendar file".to_owned());
        }
        let file: File = file.parse().map_err(|_| "this is no whole iCalendar file".to_owned())?;
        let zone = file.get_timezone().and_then(|name| name.parse().ok()).unwrap_or(zone);
        // A repetition that was moved is an event of its own, and is taken out of the series.
        let moved: Vec<_> = file
            .events()
            .filter_map(|event| Some((event.get_uid()?, event.properties().get("RECURRENCE-ID")?)))
            .collect();
        let read = |event: &Read| {
            let name = event.get_summary().unwrap_or("an event");
            let moved = moved
                .iter()
                .filter(|(uid, _)| event.properties().get("RECURRENCE-ID").is_none() && event.get_uid() == Some(uid));
            let read = Event::read(name, event, zone, moved.map(|(_, at)| *at));
            read.map_err(|wrong| format!("the event \"{}\" {wrong}", text::plain(name)))
        };
        let events = file.events().filter(|event| counts(event)).map(read).collect::<Result<_, _>>()?;
        Ok(Calendar { events })
    }

    /// What its events are called.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|event| event.name.as_str())
    }

    /// The event that goes on at `moment`; of several, the one that ends last.
    pub fn at(&self, moment: DateTime<Utc>) -> Option<Span> {
        let spans =
            self.events.iter().flat_map(|event| event.spans(moment - event.lasts.longest(), Some(moment), MOST));
        spans.filter(|span| span.from <= moment && moment < span.until).max_by_key(|span| span.until)
    }

    /// The next event that begins after `moment`.
    pub fn next(&self, moment: DateTime<Utc>) -> Option<Span> {
        let spans = self.events.iter().flat_map(|event| event.spans(moment, None, 2));
        spans.filter(|span| span.from > moment).min_by_key(|span| span.from)
    }
}

impl Event {
    fn read<'a>(
        name: &str,
        event: &Read,
        zone: Tz,
        moved: impl Iterator<Item = &'a Property>,
    ) -> Result<Event, String> {
        let start = event.properties().get("DTSTART").ok_or("has no beginning")?;
        let zone = zone_of(start, zone)?;
        let wall = |property: &Property| {
            let own = zone_of(property, zone)?;
            let values = property.value().split(',').map(|value| on_wall(value, own, zone));
            values
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| format!("has no time in `{}`", text::plain(property.value())))
        };
        let starts = wall(start)?[0];
        let mut set = format!("DTSTART:{}Z\n", starts.format(TIME));
        match event.property_value("RRULE") {
            Some(rule) => set += &format!("RRULE:{}\n", until_on_wall(rule, zone)),
            None => set += &format!("RDATE:{}Z\n", starts.format(TIME)),
        }
        for key in ["RDATE", "EXDATE"] {
            let several = event.multi_properties().get(key).into_iter().flatten();
            for property in event.properties().get(key).into_iter().chain(several) {
                wall(property)?.iter().for_each(|at| set += &format!("{key}:{}Z\n", at.format(TIME)));
            }
        }
        for property in moved {
            wall(property)?.iter().for_each(|at| set += &format!("EXDATE:{}Z\n", at.format(TIME)));
        }
        let starts_set = set.parse().map_err(|error| format!("repeats in a way that can not be read: {error}"))?;
        let ends = event.properties().get("DTEND").map(wall).transpose()?.map(|ends| ends[0]);
        let lasts = lasts(event, start, starts, ends).ok_or("ends before it begins")?;
        Ok(Event { name: name.to_owned(), zone, starts: starts_set, lasts })
    }

    /// At most `limit` of its repetitions that begin between these moments, or a day around them.
    fn spans(&self, after: DateTime<Utc>, before: Option<DateTime<Utc>>, limit: u16) -> Vec<Span> {
        let wall = |at: DateTime<Utc>| {
            let local = at.with_timezone(&self.zone).naive_local();
            icalendar::rrule::Tz::UTC.from_utc_datetime(&local)
        };
        let starts = self.starts.clone().after(wall(after));
        let starts = before.into_iter().fold(starts, |starts, before| starts.before(wall(before)));
        let moment = |local: NaiveDateTime| {
            // A time that a change of clocks leaves out is an hour later.
            let found = self.zone.from_local_datetime(&local).earliest();
            found
                .or_else(|| self.zone.from_local_datetime(&(local + TimeDelta::hours(1))).earliest())
                .map(|at| at.to_utc())
        };
        let span = |start: NaiveDateTime| {
            let from = moment(start)?;
            let until = match self.lasts {
                Lasts::Time(time) => from + time,
                Lasts::Days(days) => moment(start.checked_add_days(Days::new(days))?)?,
            };
            Some(Span { from, until, name: Some(self.name.clone()) })
        };
        starts.all(limit).dates.into_iter().filter_map(|start| span(start.naive_utc())).collect()
    }
}

impl Lasts {
    fn longest(self) -> TimeDelta {
        match self {
            Lasts::Time(time) => time,
            Lasts::Days(days) => TimeDelta::days(i64::try_from(days).unwrap_or(0)) + TimeDelta::hours(2),
        }
    }
}

/// Whether an event says that nobody is there.
fn counts(event: &Read) -> bool {
    let is = |key: &str, value: &str| event.property_value(key).is_some_and(|it| it.eq_ignore_ascii_case(value));
    let all_day = event.property_value("DTSTART").is_some_and(|start| start.len() == 8);
    !is("STATUS", "CANCELLED") && (all_day || !is("TRANSP", "TRANSPARENT"))
}

/// The zone that a property's times are in.
fn zone_of(property: &Property, zone: Tz) -> Result<Tz, String> {
    match property.params().get("TZID") {
        _ if property.value().ends_with('Z') => Ok(Tz::UTC),
        None => Ok(zone),
        Some(name) => name.value().trim_matches('"').parse().map_err(|_| {
            format!("is in the zone `{}`, which is no name of the IANA database", text::plain(name.value()))
        }),
    }
}

/// A day or a time that is meant in the zone `own`, on the wall clock of `zone`.
fn on_wall(value: &str, own: Tz, zone: Tz) -> Option<NaiveDateTime> {
    if let Ok(day) = NaiveDate::parse_from_str(value, DAY) {
        return Some(day.and_time(NaiveTime::MIN));
    }
    let local = NaiveDateTime::parse_from_str(value.trim_end_matches('Z'), TIME).ok()?;
    if own == zone {
        Some(local)
    } else {
        Some(own.from_local_datetime(&local).earliest()?.with_timezone(&zone).naive_local())
    }
}

/// The rule with its last moment on the wall clock of `zone`: a day is in it to its end.
fn until_on_wall(rule: &str, zone: Tz) -> String {
    let part = |part: &str| match part.split_once('=') {
        Some((key, value)) if key.eq_ignore_ascii_case("UNTIL") => {
            let own = if value.ends_with('Z') { Tz::UTC } else { zone };
            let end = if value.len() == 8 { NaiveTime::from_hms_opt(23, 59, 59) } else { None };
            let until = on_wall(value, own, zone).map(|until| end.map_or(until, |end| until.date().and_time(end)));
            until.map_or_else(|| part.to_owned(), |until| format!("UNTIL={}Z", until.format(TIME)))
        }
        _ => part.to_owned(),
    };
    rule.split(';').map(part).collect::<Vec<_>>().join(";")
}

/// How long the first of an event's repetitions lasts: where it does not say, a day, or no time at all.
fn lasts(event: &Read, start: &Property, starts: NaiveDateTime, ends: Option<NaiveDateTime>) -> Option<Lasts> {
    let time = match (ends, event.property_value("DURATION")) {
        (Some(ends), _) => ends - starts,
        (None, Some(written)) => duration(written)?,
        (None, None) if start.value().len() == 8 => TimeDelta::days(1),
        (None, None) => TimeDelta::zero(),
    };
    if time < TimeDelta::zero() {
        return None;
    }
    Some(match start.value().len() {
        8 => Lasts::Days(u64::try_from(time.num_days()).ok()?.max(1)),
        _ => Lasts::Time(time),
    })
}

/// `P1W`, `P2D`, `P1DT8H30M`.
fn duration(text: &str) -> Option<TimeDelta> {
    let (mut total, mut number) = (TimeDelta::zero(), String::new());
    for letter in text.trim_start_matches('+').strip_prefix('P')?.chars() {
        let unit = match letter {
            '0'..='9' => {
                number.push(letter);
                continue;
            }
            'T' => continue,
            'W' => 7 * 86_400,
            'D' => 86_400,
            'H' => 3_600,
            'M' => 60,
            'S' => 1,
            _ => return None,
        };
        total = total.checked_add(&TimeDelta::try_seconds(number.parse::<i64>().ok()?.checked_mul(unit)?)?)?;
        number.clear();
    }
    number.is_empty().then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        DateTime::parse_from_rfc3339(text).unwrap().to_utc()
    }

    fn calendar(events: &[&str]) -> Result<Calendar, String> {
        let events =
            events.iter().map(|event| format!("BEGIN:VEVENT\r\n{}\r\nEND:VEVENT\r\n", event.replace('\n', "\r\n")));
        let events: String = events.collect();
        Calendar::read(&format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n"), Tz::Europe__Berlin)
    }

    /// The name and the end of what goes on at this moment.
    fn on(calendar: &Calendar, moment: &str) -> Option<(String, String)> {
        let span = calendar.at(at(moment))?;
        Some((span.name.unwrap(), span.until.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)))
    }

    #[test]
    fn days_times_and_repetitions_are_found() {
        let calendar = calendar(&[
            "UID:1\nSUMMARY:Christmas\nDTSTART;VALUE=DATE:20201224\nDTEND;VALUE=DATE:20201227\nRRULE:FREQ=YEARLY;UNTIL=20301224\nTRANSP:TRANSPARENT",
            "UID:2\nSUMMARY:Stock-taking\nDTSTART;TZID=America/New_York:20260301T220000\nDURATION:PT4H\nRRULE:FREQ=WEEKLY;COUNT=5\nEXDATE;TZID=America/New_York:20260308T220000",
            "UID:3\nSUMMARY:Day off\nDTSTART;VALUE=DATE:20260329",
            "UID:4\nSUMMARY:Off\nSTATUS:CANCELLED\nDTSTART;VALUE=DATE:20260601",
            "UID:5\nSUMMARY:Lunch\nDTSTART:20260601T100000Z\nDTEND:20260601T110000Z\nTRANSP:TRANSPARENT",
            "UID:2\nSUMMARY:Stock-taking, late\nRECURRENCE-ID;TZID=America/New_York:20260322T220000\nDTSTART;TZID=America/New_York:20260323T220000\nDTEND;TZID=America/New_York:20260323T230000",
        ])
        .unwrap();
        let span = |name: &str, until: &str| Some((name.to_owned(), until.to_owned()));
        for (moment, expected) in [
            // Midnight in Berlin, of a calendar without a zone.
            ("2026-12-23T22:59:59Z", None),
            ("2026-12-23T23:00:00Z", span("Christmas", "2026-12-26T23:00:00Z")),
            ("2026-12-26T22:59:59Z", span("Christmas", "2026-12-26T23:00:00Z")),
            ("2026-12-26T23:00:00Z", None),
            ("2030-12-25T12:00:00Z", span("Christmas", "2030-12-26T23:00:00Z")),
            ("2031-12-25T12:00:00Z", None),
            ("2026-03-02T05:00:00Z", span("Stock-taking", "2026-03-02T07:00:00Z")),
            // Taken out of the series.
            ("2026-03-09T04:00:00Z", None),
            // The clocks of New York have been moved: the same time on the wall.
            ("2026-03-16T02:00:00Z", span("Stock-taking", "2026-03-16T06:00:00Z")),
            ("2026-03-16T01:59:59Z", None),
            // Moved by a day, and shortened.
            ("2026-03-23T03:00:00Z", None),
            ("2026-03-24T02:30:00Z", span("Stock-taking, late", "2026-03-24T03:00:00Z")),
            // The day has 23 hours in Berlin.
            ("2026-03-29T21:59:59Z", span("Day off", "2026-03-29T22:00:00Z")),
            ("2026-03-29T22:00:00Z", None),
            ("2026-06-01T10:30:00Z", None),
        ] {
            assert_eq!(on(&calendar, moment), expected, "{moment}");
        }
        let next = calendar.next(at("2026-04-01T00:00:00Z")).unwrap();
        assert_eq!((next.name.as_deref(), next.from), (Some("Christmas"), at("2026-12-23T23:00:00Z")));
    }

    #[test]
    fn what_can_not_be_read_is_told() {
        for (event, wrong) in [
            ("UID:1\nSUMMARY:Lost", "the event \"Lost\" has no beginning"),
            ("UID:1\nSUMMARY:Odd\nDTSTART:soon", "the event \"Odd\" has no time in `soon`"),
            (
                "UID:1\nSUMMARY:Far\nDTSTART;TZID=Middle-earth:20260301T100000",
                "the event \"Far\" is in the zone `Middle-earth`, which is no name of the IANA database",
            ),
            (
                "UID:1\nSUMMARY:Back\nDTSTART:20260301T100000Z\nDTEND:20260301T090000Z",
                "the event \"Back\" ends before it begins",
            ),
            (
                "UID:1\nSUMMARY:Never\nDTSTART:20260301T100000Z\nRRULE:FREQ=SOMETIMES",
                "the event \"Never\" repeats in a way",
            ),
        ] {
            let told = calendar(&[event]).unwrap_err();
            assert!(told.starts_with(wrong), "{told}");
        }
        for text in ["", "holidays", "BEGIN:VCALENDAR\nBEGIN:VEVENT\n"] {
            assert!(Calendar::read(text, Tz::UTC).unwrap_err().starts_with("this is no"), "{text}");
        }
    }

    #[test]
    fn durations_are_those_of_the_standard() {
        for (text, minutes) in [
            ("P1D", Some(1440)),
            ("PT8H30M", Some(510)),
            ("P1W", Some(10_080)),
            ("P1DT1H", Some(1500)),
            ("8H", None),
            ("P5", None),
            ("P9999999999999999999D", None),
        ] {
            assert_eq!(duration(text).map(|time| time.num_minutes()), minutes, "{text}");
        }
    }
}
