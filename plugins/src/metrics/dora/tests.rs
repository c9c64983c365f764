//! The edge cases of DORA's measures.

mod at_once;

use super::book::Book;
use super::middle::Middle;
use super::rules::LeadFrom;
use super::tally::Figures;
use super::{Deployment, Trouble};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use commands::offer::{Came, Change};
use std::ops::RangeInclusive;

/// Minutes after Monday, 2 March 2026, 00:00 UTC.
fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_409_600 + 60 * minutes, 0).unwrap()
}

const DAY: i64 = 24 * 60;

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// The four weeks from then on.
fn four_weeks() -> RangeInclusive<NaiveDate> {
    date("2026-03-02")..=date("2026-03-29")
}

/// A deployment that took five minutes, ended then, and brought commits, each so many minutes old by then.
fn live(id: &str, ended: i64, ages: &[i64]) -> Deployment {
    let change = |(number, age): (usize, &i64)| Change {
        commit: format!("{id}-{number}"),
        committed: at(ended - age),
        merged: Some(at(ended - age / 2)),
    };
    Deployment {
        id: id.to_owned(),
        began: at(ended - 5),
        ended: at(ended),
        came: Came::Live,
        back_over: None,
        changes: Some(ages.iter().enumerate().map(change).collect()),
    }
}

fn back(id: &str, ended: i64, over: &str) -> Deployment {
    Deployment { back_over: Some(over.to_owned()), ..live(id, ended, &[]) }
}

fn came(id: &str, ended: i64, came: Came) -> Deployment {
    Deployment { came, changes: None, ..live(id, ended, &[]) }
}

fn trouble(since: i64, resolved: Option<i64>, cause: Option<&str>) -> Trouble {
    Trouble { since: at(since), resolved: resolved.map(at), cause: cause.map(str::to_owned) }
}

fn figures(deployments: Vec<Deployment>, troubles: &[Trouble], span: &RangeInclusive<NaiveDate>, zone: Tz) -> Figures {
    let mut book = Book::new(zone, LeadFrom::Commit);
    deployments.into_iter().for_each(|deployment| book.add(deployment));
    book.over(span, date("2026-06-01"), troubles)
}

fn middle(value: f64, n: usize) -> Option<Middle> {
    Some(Middle { value, n })
}

#[test]
fn nothing_is_no_data_and_not_nought() {
    let it = figures(vec![], &[], &four_weeks(), Tz::UTC);
    let nothing = Figures { days: 28, week: middle(0.0, 4), ..Figures::default() };
    assert_eq!(it, nothing);
    // What failed to get to anybody is no deployment; nor is what ended nobody knows how.
    let it = figures(vec![came("1", 10, Came::Failed), came("2", 20, Came::Unknown)], &[], &four_weeks(), Tz::UTC);
    assert_eq!(it, Figures { never: 1, unknown: 1, ..nothing });
    // Deployments without incidents fail in nought of them, and recovery is still not measured.
    let it = figures(vec![live("1", 10, &[60])], &[], &four_weeks(), Tz::UTC);
    assert_eq!((it.deployments, it.failed, it.recovery), (1, 0, None));
}

#[test]
fn lead_times_are_those_of_changes() {
    let first = Deployment { changes: None, ..live("1", 10, &[]) };
    for (what, deployments, lead, early, without) in [
        ("the first deployment ever: nobody knows what it brought", vec![first.clone()], None, 0, 1),
        ("one run with many commits", vec![live("1", 10, &[60, 10, 20])], middle(1_200.0, 3), 0, 0),
        ("an even number", vec![live("1", 10, &[10, 20, 40, 60])], middle(1_800.0, 4), 0, 0),
        ("two deployments", vec![live("1", 10, &[10]), live("2", 90, &[20, 90])], middle(1_200.0, 3), 0, 0),
        ("deployed before it was committed", vec![live("1", 10, &[-5, 30])], middle(1_800.0, 1), 1, 0),
        ("committed at the very moment", vec![live("1", 10, &[0])], middle(0.0, 1), 0, 0),
        (
            "a commit that is shipped again after a failure counts when it got live",
            vec![came("1", 10, Came::Failed), live("2", 30, &[60])],
            middle(3_600.0, 1),
            0,
            0,
        ),
        (
            "a commit that goes live again after a rollback counts once",
            vec![
                live("1", 10, &[60]),
                back("2", 20, "1"),
                Deployment { id: "3".to_owned(), ended: at(90), ..live("1", 10, &[60]) },
            ],
            middle(3_600.0, 1),
            0,
            0,
        ),
        (
            "what was put back at once brought nothing",
            vec![Deployment { came: Came::PutBack, ..live("1", 10, &[60]) }],
            None,
            0,
            0,
        ),
    ] {
        let it = figures(deployments, &[], &four_weeks(), Tz::UTC);
        assert_eq!((it.lead, it.early, it.without_changes), (lead, early, without), "{what}");
    }
    // What becomes known later counts from then on, once.
    let mut book = Book::new(Tz::UTC, LeadFrom::Commit);
    book.add(first);
    assert_eq!(book.open_since(at(0)), Some(at(10)));
    for _ in 0..2 {
        book.add(live("1", 10, &[60]));
        let it = book.over(&four_weeks(), date("2026-06-01"), &[]);
        assert_eq!((it.deployments, it.lead, it.without_changes), (1, middle(3_600.0, 1), 0));
    }
    assert_eq!(book.open_since(at(0)), None);
    let mut book = Book::new(Tz::UTC, LeadFrom::Merge);
    book.add(live("1", 10, &[60]));
    assert_eq!(book.over(&four_weeks(), date("2026-06-01"), &[]).lead, middle(1_800.0, 1));
}

#[test]
fn a_failed_deployment_fails_once_and_is_made_good_at_its_last() {
    let two = || vec![live("1", 10, &[]), live("2", 100, &[])];
    for (what, deployments, troubles, failed, recovery, open, rework, elsewhere) in [
        ("nothing went wrong", two(), vec![], 0, None, 0, 0, 0),
        ("rolled back", vec![live("1", 10, &[]), back("2", 40, "1")], vec![], 1, middle(1_800.0, 1), 0, 1, 0),
        ("put back at once", vec![came("1", 10, Came::PutBack)], vec![], 1, middle(300.0, 1), 0, 0, 0),
        (
            "an incident that nobody links is of the last one before",
            two(),
            vec![trouble(50, Some(70), None)],
            1,
            middle(3_600.0, 1),
            0,
            0,
            0,
        ),
        (
            "one that began before it had ended is not its own",
            two(),
            vec![trouble(99, Some(130), None)],
            1,
            middle(7_200.0, 1),
            0,
            0,
            0,
        ),
        ("an incident before any deployment", two(), vec![trouble(5, Some(6), None)], 0, None, 0, 0, 0),
        (
            "two incidents on one deployment",
            two(),
            vec![trouble(20, Some(30), None), trouble(40, Some(70), None)],
            1,
            middle(3_600.0, 1),
            0,
            0,
            0,
        ),
        ("an incident that is open", two(), vec![trouble(120, None, None)], 1, None, 1, 0, 0),
        (
            "one is over, one is not",
            two(),
            vec![trouble(20, Some(30), None), trouble(40, None, Some("1"))],
            1,
            None,
            1,
            1,
            0,
        ),
        ("an incident of a flag", two(), vec![trouble(120, Some(130), Some("#77"))], 0, None, 0, 0, 1),
        (
            "an incident of what never got to anybody",
            vec![came("1", 10, Came::Failed)],
            vec![trouble(20, Some(30), Some("1"))],
            0,
            None,
            0,
            0,
            1,
        ),
        (
            "an incident of an earlier one",
            two(),
            vec![trouble(120, Some(130), Some("1"))],
            1,
            middle(7_200.0, 1),
            0,
            0,
            0,
        ),
        (
            "rolled back, and over later still",
            vec![live("1", 10, &[]), back("2", 40, "1")],
            vec![trouble(20, Some(70), Some("1"))],
            1,
            middle(3_600.0, 1),
            0,
            1,
            0,
        ),
        (
            "put back at once, and an incident is about it",
            vec![came("1", 10, Came::PutBack)],
            vec![trouble(6, Some(65), Some("1"))],
            1,
            middle(3_600.0, 1),
            0,
            0,
            0,
        ),
        (
            "a hotfix began in the incident",
            vec![live("1", 10, &[]), live("2", 60, &[])],
            vec![trouble(20, Some(65), None)],
            1,
            middle(3_300.0, 1),
            0,
            1,
            0,
        ),
        ("left unwell", vec![live("1", 10, &[]), came("2", 60, Came::Left)], vec![], 1, None, 1, 0, 0),
        (
            "left unwell, until something else goes live",
            vec![came("1", 10, Came::Left), came("2", 20, Came::Failed), live("3", 65, &[])],
            vec![],
            1,
            middle(3_600.0, 1),
            0,
            0,
            0,
        ),
        (
            "left unwell, and rolled back",
            vec![came("1", 10, Came::Left), back("2", 65, "1")],
            vec![],
            1,
            middle(3_600.0, 1),
            0,
            1,
            0,
        ),
        (
            "left unwell, and its incident is over",
            vec![came("1", 10, Came::Left)],
            vec![trouble(12, Some(70), None)],
            1,
            middle(3_600.0, 1),
            0,
            0,
            0,
        ),
        (
            "gone back from what ended nobody knows how",
            vec![live("1", 10, &[]), came("2", 20, Came::Unknown), back("3", 40, "2")],
            vec![],
            0,
            None,
            0,
            1,
            0,
        ),
        (
            "gone back from what never got to anybody",
            vec![came("1", 10, Came::Failed), back("2", 40, "1")],
            vec![],
            0,
            None,
            0,
            1,
            0,
        ),
        (
            "gone back at the same minute, and named before it",
            vec![back("a", 40, "b"), live("b", 40, &[])],
            vec![],
            1,
            middle(0.0, 1),
            0,
            1,
            0,
        ),
        (
            "an incident that is opened after the rollback, and open",
            vec![live("1", -60, &[]), live("2", 10, &[]), back("3", 40, "2")],
            vec![trouble(42, None, None)],
            1,
            middle(1_800.0, 1),
            0,
            1,
            0,
        ),
        (
            "an incident that is over before its deployment has ended",
            vec![live("1", 10, &[])],
            vec![trouble(6, Some(8), Some("1"))],
            1,
            middle(120.0, 1),
            0,
            0,
            0,
        ),
        (
            "what a rollback goes back from was before these days",
            vec![live("1", -DAY, &[]), back("2", 40, "1")],
            vec![],
            0,
            None,
            0,
            1,
            0,
        ),
    ] {
        let it = figures(deployments, &troubles, &four_weeks(), Tz::UTC);
        assert_eq!(
            (it.failed, it.recovery, it.open, it.rework, it.elsewhere),
            (failed, recovery, open, rework, elsewhere),
            "{what}"
        );
    }
}

#[test]
fn an_incident_without_a_deployment_is_not_one_of_another_cause() {
    let troubles = [trouble(5, Some(6), None), trouble(7, Some(8), Some("#77")), trouble(20, Some(30), None)];
    let it = figures(vec![live("1", 10, &[])], &troubles, &four_weeks(), Tz::UTC);
    assert_eq!((it.incidents, it.unlinked, it.elsewhere, it.failed), (3, 1, 1, 1));
}

#[test]
fn days_and_weeks_are_those_of_the_teams_clocks() {
    let on = |days: &[i64]| days.iter().map(|day| live(&day.to_string(), day * DAY + 12 * 60, &[])).collect::<Vec<_>>();
    let span = |from: &str, to: &str| date(from)..=date(to);
    for (what, deployments, span, days, with, week) in [
        ("whole weeks", on(&[0, 1, 7, 21]), four_weeks(), 28, 4, middle(1.0, 4)),
        (
            "weeks that are not whole are left out",
            on(&[0, 3, 4, 5]),
            span("2026-03-03", "2026-03-15"),
            13,
            3,
            middle(0.0, 1),
        ),
        ("before the first deployment there are no weeks", on(&[10, 14, 15]), four_weeks(), 28, 3, middle(1.0, 2)),
        ("no whole week", on(&[0, 3]), span("2026-03-03", "2026-03-08"), 6, 1, None),
        ("a month of 28 days", on(&[-28, -1, 0]), span("2026-02-01", "2026-02-28"), 28, 1, middle(0.0, 3)),
        ("a month of 31 days", on(&[0, 8, 29, 30]), span("2026-03-01", "2026-03-31"), 31, 3, middle(0.5, 4)),
        (
            "twice on a day is one day",
            vec![live("1", 60, &[]), live("2", 120, &[])],
            four_weeks(),
            28,
            1,
            middle(0.0, 4),
        ),
    ] {
        let it = figures(deployments, &[], &span, Tz::UTC);
        assert_eq!((it.days, it.days_with, it.week), (days, with, week), "{what}");
    }
    assert_eq!(figures(on(&[10, 14, 15]), &[], &four_weeks(), Tz::UTC).one_in, 6.0);
    // The running week is not whole on its Sunday, and is the day after.
    let mut book = Book::new(Tz::UTC, LeadFrom::Commit);
    on(&[0, 1, 21, 22, 23]).into_iter().for_each(|deployment| book.add(deployment));
    let weeks = |book: &mut Book, today: &str| book.over(&four_weeks(), date(today), &[]).week.map(|week| week.n);
    assert_eq!((weeks(&mut book, "2026-03-29"), weeks(&mut book, "2026-03-30")), (Some(3), Some(4)));
    // At 15:30 UTC it is the next day in Seoul; in Berlin clocks go forward on 29 March 2026, so that the day has 23 hours.
    let on_days = |zone: Tz, minutes: &[i64]| {
        let deployments = minutes.iter().map(|at| live(&at.to_string(), *at, &[])).collect();
        figures(deployments, &[], &four_weeks(), zone).days_with
    };
    assert_eq!(on_days(Tz::UTC, &[60, 15 * 60 + 30]), 1);
    assert_eq!(on_days(Tz::Asia__Seoul, &[60, 15 * 60 + 30]), 2);
    let last = 27 * DAY;
    assert_eq!(on_days(Tz::Europe__Berlin, &[last - 61, last - 59, last + 22 * 60 - 1]), 2);
    assert_eq!(
        on_days(Tz::Europe__Berlin, &[last + 22 * 60 - 1, last + 22 * 60]),
        1,
        "30 March is not among these days"
    );
}
