//! The rules of docs/jobs.md, as tables.

use super::*;

fn schedule(line: &str, zone: &str) -> Schedule {
    Schedule::parse(line, zone.parse().unwrap()).unwrap()
}

/// The moments after `after` until `until`, as clocks in the zone show them.
fn runs(line: &str, zone: &str, after: &str, until: &str) -> Vec<String> {
    let schedule = schedule(line, zone);
    let [after, until] = [after, until].map(|at| DateTime::parse_from_rfc3339(at).unwrap().to_utc());
    let runs = std::iter::successors(schedule.next(after), |run| schedule.next(*run));
    let local = runs.take_while(|run| *run <= until).map(|run| run.with_timezone(&schedule.zone()));
    local.map(|run| run.format("%d %H:%M%:z").to_string()).collect()
}

#[test]
fn fields_are_those_of_crontab() {
    let after = "2026-11-21T00:12:30Z"; // A Saturday.
    let table = [
        ("* * * * *", "2026-11-21 00:13"),
        ("12 * * * *", "2026-11-21 01:12"),
        ("*/20 * * * *", "2026-11-21 00:20"),
        ("5-59/20 * * * *", "2026-11-21 00:25"),
        ("10,50,40-45/5 3 * * *", "2026-11-21 03:10"),
        ("0 0 * * *", "2026-11-22 00:00"),
        ("0 9 * * 0", "2026-11-22 09:00"),
        ("0 9 * * 7", "2026-11-22 09:00"),
        ("0 9 * * Sun", "2026-11-22 09:00"),
        ("0 9 * * 1", "2026-11-23 09:00"),
        ("0 9 * * mon-fri", "2026-11-23 09:00"),
        ("0 9 * * 5-7", "2026-11-21 09:00"),
        ("0 9 * * fri-sun", "2026-11-21 09:00"),
        ("0 9 * * tue,THU", "2026-11-24 09:00"),
        ("0 9 * JAN *", "2027-01-01 09:00"),
        ("0 9 1 feb-apr/2 *", "2027-02-01 09:00"),
        ("0 9 31 * *", "2026-12-31 09:00"),
        ("0 0 29 2 *", "2028-02-29 00:00"),
        // Both days are named: one of them is enough.
        ("0 9 13 * fri", "2026-11-27 09:00"),
        ("0 9 22 * fri", "2026-11-22 09:00"),
        // A field that begins with `*` names no day: both have to match, as crontab(5) has it.
        ("0 9 */2 * mon", "2026-11-23 09:00"),
        ("0 9 */2 * sun", "2026-11-29 09:00"),
        ("0 9 24 * */2", "2026-11-24 09:00"),
        ("0 9 23 * */2", "2027-01-23 09:00"),
        ("0 0 29 2 */7", "2032-02-29 00:00"),
        ("@hourly", "2026-11-21 01:00"),
        ("@daily", "2026-11-22 00:00"),
        ("@weekly", "2026-11-22 00:00"),
        ("@monthly", "2026-12-01 00:00"),
        ("@yearly", "2027-01-01 00:00"),
        ("  0\t9  *  *  1 ", "2026-11-23 09:00"),
    ];
    let after = DateTime::parse_from_rfc3339(after).unwrap().to_utc();
    for (line, expected) in table {
        let next = schedule(line, "UTC").next(after).unwrap();
        assert_eq!(next.format("%F %H:%M").to_string(), expected, "{line}");
    }
}

#[test]
fn rarest_day_is_found() {
    let after = DateTime::parse_from_rfc3339("2072-03-01T00:00:00Z").unwrap().to_utc();
    let next = schedule("0 0 29 2 */7", "UTC").next(after).unwrap();
    assert_eq!(next.format("%F %A").to_string(), "2088-02-29 Sunday");
    let next = schedule("0 0 29 2 */7", "UTC").next(next).unwrap();
    assert_eq!(next.format("%F %A").to_string(), "2128-02-29 Sunday");
}

#[test]
fn moved_clocks() {
    let spring = ("Europe/Berlin", "2026-03-28T23:30:00Z", "2026-03-29T02:30:00Z"); // 02:00 becomes 03:00.
    let autumn = ("Europe/Berlin", "2026-10-24T23:30:00Z", "2026-10-25T02:00:00Z"); // 03:00 becomes 02:00.
    let boston = ("America/New_York", "2026-11-01T04:00:00Z", "2026-11-01T07:00:00Z"); // 02:00 becomes 01:00.
    let half = ("Australia/Lord_Howe", "2026-10-03T14:30:00Z", "2026-10-03T16:30:00Z"); // 02:00 becomes 02:30.
    let back = ("Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T16:00:00Z"); // 02:00 becomes 01:30.
    let samoa = ("Pacific/Apia", "2011-12-29T20:00:00Z", "2011-12-31T09:00:00Z"); // The 30th does not come.
    let brazil = ("America/Sao_Paulo", "2018-11-03T04:00:00Z", "2018-11-05T04:00:00Z"); // 00:00 becomes 01:00.
    let beirut = ("Asia/Beirut", "2026-03-28T12:00:00Z", "2026-03-29T22:00:00Z"); // 00:00 becomes 01:00.
    let midnight = ("Asia/Beirut", "2026-10-24T19:00:00Z", "2026-10-24T22:30:00Z"); // 00:00 becomes 23:00.
    let newfoundland = ("America/St_Johns", "2010-11-07T01:00:00Z", "2010-11-07T04:00:00Z"); // 00:01 becomes 23:01.
    let korea = ("Asia/Seoul", "2026-03-28T17:00:00Z", "2026-03-29T18:00:00Z");
    let table = [
        // A time that does not come: once, right after the gap.
        ("30 2 * * *", spring, "29 03:00+02:00"),
        ("0,15,30 2 * * *", spring, "29 03:00+02:00"),
        ("*/15 2 * * *", spring, "29 03:00+02:00"),
        ("0 2,3 * * *", spring, "29 03:00+02:00"),
        ("30 2,3 * * *", spring, "29 03:00+02:00, 29 03:30+02:00"),
        ("30 * * * *", spring, "29 01:30+01:00, 29 03:00+02:00, 29 03:30+02:00, 29 04:30+02:00"),
        ("0 3 * * *", spring, "29 03:00+02:00"),
        (
            "*/30 * * * *",
            spring,
            "29 01:00+01:00, 29 01:30+01:00, 29 03:00+02:00, 29 03:30+02:00, 29 04:00+02:00, 29 04:30+02:00",
        ),
        ("15 2 * * *", half, "04 02:30+11:00"),
        ("0 0 * * *", brazil, "04 01:00-02:00, 05 00:00-02:00"),
        ("@daily", beirut, "29 01:00+03:00, 30 00:00+03:00"),
        ("0 9 * * *", samoa, "31 00:00+14:00, 31 09:00+14:00"),
        ("0 9 * * fri", samoa, "31 00:00+14:00"),
        ("0 */12 * * *", samoa, "29 12:00-10:00, 31 00:00+14:00, 31 12:00+14:00"),
        // A time that comes twice: the first time, if it is fixed.
        ("30 2 * * *", autumn, "25 02:30+02:00"),
        ("0,30 2,3 * * *", autumn, "25 02:00+02:00, 25 02:30+02:00, 25 03:00+01:00"),
        ("30 1 * * *", boston, "01 01:30-04:00"),
        ("45 1 * * *", back, "05 01:45+11:00"),
        ("30 23 * * *", midnight, "24 23:30+03:00"),
        ("0 0 * * *", newfoundland, "07 00:00-02:30"),
        // Each time, if it is a rhythm.
        ("0 * * * *", autumn, "25 02:00+02:00, 25 02:00+01:00, 25 03:00+01:00"),
        ("*/30 2 * * *", autumn, "25 02:00+02:00, 25 02:30+02:00, 25 02:00+01:00, 25 02:30+01:00"),
        ("30 */2 * * *", autumn, "25 02:30+02:00, 25 02:30+01:00"),
        ("*/30 * * * *", back, "05 01:30+11:00, 05 01:30+10:30, 05 02:00+10:30, 05 02:30+10:30"),
        ("0 * * * *", midnight, "24 23:00+03:00, 24 23:00+02:00, 25 00:00+02:00"),
        (
            "*/30 * * * *",
            newfoundland,
            "06 23:00-02:30, 06 23:30-02:30, 07 00:00-02:30, 06 23:30-03:30, 07 00:00-03:30, 07 00:30-03:30",
        ),
        ("30 2 * * *", korea, "29 02:30+09:00, 30 02:30+09:00"),
    ];
    for (line, (zone, after, until), expected) in table {
        assert_eq!(runs(line, zone, after, until).join(", "), expected, "{line} in {zone}");
    }
}

/// Whatever the schedule and wherever clocks are moved, runs only go forward, and asking from any moment between
/// two of them gives the second.
#[test]
fn runs_go_forward() {
    let zones = ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns"];
    let lines = ["30 2 * * *", "*/45 0-2 * * *", "1 0,1,2 * * *", "0 */6 * * *", "*/25 1-2 * * *"];
    let start = DateTime::parse_from_rfc3339("2009-12-31T12:00:00Z").unwrap().to_utc();
    for zone in zones {
        for line in lines {
            let schedule = schedule(line, zone);
            let mut last = start;
            while last < start + TimeDelta::days(730) {
                let next = schedule.next(last).unwrap();
                assert!(next > last, "{line} in {zone}: {next} does not come after {last}");
                let between = last + (next - last) / 2;
                assert_eq!(schedule.next(between), Some(next), "{line} in {zone} after {between}");
                assert_eq!(schedule.next(next - TimeDelta::seconds(1)), Some(next), "{line} in {zone}");
                last = next;
            }
        }
    }
}

/// Where nobody moves clocks, a schedule is the minutes that match, one by one.
#[test]
fn agrees_with_every_minute() {
    type Rule = fn(DateTime<Tz>) -> bool;
    let table: [(&str, Rule); 4] = [
        ("*/25 8-10 * * *", |at| at.minute() % 25 == 0 && (8..=10).contains(&at.hour())),
        ("7 0 1,15 * mon", |at| {
            at.minute() == 7
                && at.hour() == 0
                && (at.day() == 1 || at.day() == 15 || at.weekday().num_days_from_monday() == 0)
        }),
        ("0 12 */3 2-12/5 6,7", |at| {
            let weekend = at.weekday().num_days_from_monday() >= 5;
            at.minute() == 0 && at.hour() == 12 && at.day() % 3 == 1 && [2, 7, 12].contains(&at.month()) && weekend
        }),
        ("59 23 28-31 * *", |at| at.minute() == 59 && at.hour() == 23 && at.day() >= 28),
    ];
    let start = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
    for zone in ["Asia/Seoul", "Asia/Kathmandu"] {
        let mut lines = table.map(|(line, rule)| {
            let schedule = schedule(line, zone);
            (schedule.next(start).unwrap(), schedule, rule)
        });
        for minute in (1..730 * 24 * 60).map(|minute| start + TimeDelta::minutes(minute)) {
            let local = minute.with_timezone(&lines[0].1.zone());
            for (next, schedule, _) in lines.iter_mut().filter(|(_, _, rule)| rule(local)) {
                assert_eq!(*next, minute, "{schedule}");
                *next = schedule.next(minute).unwrap();
            }
        }
    }
}

#[test]
fn mistakes_are_told() {
    let table = [
        (
            "0 3 * *",
            "A schedule has five fields (minute, hour, day of month, month, weekday), and `0 3 * *` has 4: every day at 3:00 is `0 3 * * *`.",
        ),
        ("0 0 3 * * *", "`0 0 3 * * *` has 6"),
        ("", "`` has 0"),
        ("60 * * * *", "In the minute field, `60` is no minute: write 0 to 59."),
        ("* 24 * * *", "In the hour field, `24` is no hour: write 0 to 23."),
        ("0 0 0 * *", "In the day of month field, `0` is no day of month: write 1 to 31."),
        ("0 0 * 13 *", "In the month field, `13` is no month: write 1 to 12, or jan to dec."),
        ("0 0 * * 8", "In the weekday field, `8` is no weekday: write 0 to 7, or sun to sat."),
        ("0 0 * * monday", "`monday` is no weekday"),
        ("0 0 mon * *", "`mon` is no day of month"),
        ("+5 * * * *", "`+5` is no minute"),
        ("99999999999 * * * *", "is no minute"),
        ("1,,2 * * * *", "`` is no minute"),
        ("1- * * * *", "`` is no minute"),
        ("0 22-4 * * *", "In the hour field, `22-4` runs backwards: write `22-23,0-4`."),
        ("*/0 * * * *", "In the minute field, `0` is no step: write 1 to 59, like `*/2`."),
        ("*/90 * * * *", "`90` is no step"),
        ("*/x * * * *", "`x` is no step"),
        ("5/10 * * * *", "In the minute field, `5/10` has a step without a range: write `5-59/10`."),
        (
            "0 0 30 2 *",
            "`0 0 30 2 *` never comes, because no month named there has such a day: write another day or month.",
        ),
        ("0 0 31 4,6,9,11 *", "never comes"),
        (
            "@reboot",
            "There is no `@reboot`: write @hourly, @daily, @weekly, @monthly, @yearly, or five fields like `0 3 * * *`.",
        ),
        ("`\u{202e}x * * * *", "`'\\u{202e}x` is no minute"),
    ];
    for (line, expected) in table {
        let error = Schedule::parse(line, Tz::UTC).unwrap_err();
        assert!(error.contains(expected), "{line}: {error}");
    }
    let error = Schedule::parse(&"1,".repeat(50_000), Tz::UTC).unwrap_err();
    assert!(error.len() < 200, "{error}");
}

#[test]
fn shows_its_line_and_zone() {
    assert_eq!(schedule(" 0  9 * *  MON-fri", "Asia/Seoul").to_string(), "0 9 * * MON-fri (Asia/Seoul)");
}
