//! That the running books say what one made at once does.

use super::{DAY, date, four_weeks, live, trouble};
use crate::metrics::dora::book::Book;
use crate::metrics::dora::kept::{Head, tests::Shelf};
use crate::metrics::dora::middle::Middle;
use crate::metrics::dora::rules::LeadFrom;
use crate::metrics::dora::tally::Figures;
use crate::metrics::dora::{Deployment, Trouble};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc, Weekday};
use chrono_tz::Tz;
use commands::offer::Came;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Numbers that look random, the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) % sides) as i64
    }
}

/// The same figures, made at once, in the plainest way.
fn at_once(deployments: &[Deployment], troubles: &[Trouble], span: &RangeInclusive<NaiveDate>) -> Figures {
    let on = |at: DateTime<Utc>| span.contains(&at.date_naive());
    let median = |mut figures: Vec<f64>| {
        figures.sort_by(f64::total_cmp);
        let n = figures.len();
        (n > 0).then(|| Middle { value: (figures[(n - 1) / 2] + figures[n / 2]) / 2.0, n })
    };
    let reached: Vec<_> = deployments.iter().filter(|it| matches!(it.came, Came::Live | Came::PutBack)).collect();
    let here: Vec<_> = reached.iter().filter(|it| on(it.ended)).collect();
    let mut by_day = BTreeMap::<NaiveDate, f64>::new();
    here.iter().for_each(|it| *by_day.entry(it.ended.date_naive()).or_default() += 1.0);
    let first = reached.iter().map(|it| it.ended.date_naive()).min().unwrap_or(*span.start()).max(*span.start());
    let mut weeks = BTreeMap::<NaiveDate, f64>::new();
    for day in span.start().iter_days().take_while(|day| day <= span.end()) {
        let monday = day.week(Weekday::Mon).first_day();
        if monday >= first && monday + TimeDelta::days(6) <= *span.end() {
            *weeks.entry(monday).or_default() += if by_day.contains_key(&day) { 1.0 } else { 0.0 };
        }
    }
    let (mut seen, mut lead, mut early) = (BTreeSet::new(), Vec::new(), 0);
    for it in reached.iter().filter(|it| it.came == Came::Live) {
        for change in it.changes.iter().flatten().filter(|change| seen.insert(change.commit.clone())) {
            let seconds = (it.ended - change.committed).num_seconds();
            match seconds < 0 {
                _ if !on(it.ended) => {}
                true => early += 1,
                false => lead.push(seconds as f64),
            }
        }
    }
    let cause = |trouble: &Trouble| match &trouble.cause {
        Some(cause) => reached.iter().copied().find(|it| it.id == *cause),
        None => {
            let mut it = deployments.iter().rev().find(|it| it.came == Came::Live && it.ended < trouble.since)?;
            while let Some(over) = &it.back_over {
                it = deployments.iter().find(|other| other.id == *over)?;
            }
            Some(it)
        }
    };
    let mut failed = BTreeMap::<&str, (DateTime<Utc>, Option<DateTime<Utc>>)>::new();
    for it in &here {
        if it.came == Came::PutBack {
            failed.insert(&it.id, (it.began, Some(it.ended)));
        } else if let Some(back) = reached.iter().find(|back| back.back_over.as_ref() == Some(&it.id)) {
            failed.insert(&it.id, (it.ended, Some(back.ended)));
        }
    }
    for trouble in troubles {
        if let Some(it) = cause(trouble).filter(|it| on(it.ended)) {
            let entry = failed.entry(&it.id).or_insert((it.ended, trouble.resolved));
            let back = reached.iter().find(|back| back.back_over.as_ref() == Some(&it.id));
            if trouble.cause.is_none() && back.is_some_and(|back| back.ended <= trouble.since) {
                continue;
            }
            entry.0 = entry.0.min(trouble.since);
            entry.1 = entry.1.zip(trouble.resolved).map(|(one, other)| one.max(other));
        }
    }
    let in_trouble = |it: &Deployment| {
        let open =
            |trouble: &&Trouble| it.began >= trouble.since && trouble.resolved.is_none_or(|over| it.began < over);
        troubles.iter().filter(|trouble| cause(trouble).is_some()).any(|trouble| open(&trouble))
    };
    let recovery: Vec<_> =
        failed.values().filter_map(|(since, until)| Some((*until.as_ref()? - *since).num_seconds() as f64)).collect();
    let ended = |came: Came| deployments.iter().filter(|it| it.came == came && on(it.ended)).count();
    Figures {
        days: (*span.end() - *span.start()).num_days() as usize + 1,
        deployments: here.len(),
        days_with: by_day.len(),
        one_in: match by_day.len() {
            0 => 0.0,
            days => ((*span.end() - first).num_days() + 1) as f64 / days as f64,
        },
        week: median(weeks.into_values().collect()),
        a_day: median(by_day.into_values().collect()),
        lead: median(lead),
        early,
        untimed: 0,
        without_changes: here
            .iter()
            .filter(|it| it.came == Came::Live && it.back_over.is_none() && it.changes.is_none())
            .count(),
        failed: failed.len(),
        open: failed.len() - recovery.len(),
        recovery: median(recovery),
        rework: here.iter().filter(|it| it.back_over.is_some() || in_trouble(it)).count(),
        never: ended(Came::Failed),
        unknown: ended(Came::Unknown),
        incidents: troubles.iter().filter(|trouble| on(trouble.since)).count(),
        elsewhere: troubles.iter().filter(|it| on(it.since) && cause(it).is_none() && it.cause.is_some()).count(),
        unlinked: troubles.iter().filter(|it| on(it.since) && cause(it).is_none() && it.cause.is_none()).count(),
    }
}

/// Weeks of deployments of all kinds, one after the other, and incidents.
fn year(dice: &mut Dice) -> (Vec<Deployment>, Vec<Trouble>) {
    let (mut deployments, mut troubles) = (Vec::<Deployment>::new(), Vec::new());
    let (mut minute, mut last) = (-7 * DAY, None::<String>);
    for number in 0..300_usize {
        minute += 6 + dice.roll(400);
        let id = number.to_string();
        let ages: Vec<_> = (0..dice.roll(5)).map(|_| dice.roll(10_000) - 50).collect();
        let mut it = live(&id, minute, &ages);
        // Some of what was shipped before is shipped once more.
        let earlier = number.checked_sub(1 + dice.roll(6) as usize).and_then(|at| deployments[at].changes.as_ref());
        let again: Vec<_> = earlier.into_iter().flatten().take(dice.roll(3) as usize).cloned().collect();
        it.changes.iter_mut().for_each(|changes| changes.extend(again.clone()));
        match dice.roll(12) {
            0 => it.came = Came::Failed,
            1 => it.came = Came::PutBack,
            2 => it.came = Came::Unknown,
            3 => it.changes = None,
            4 if last.is_some() => (it.back_over, it.changes) = (last.take(), Some(vec![])),
            _ => {}
        }
        if it.came == Came::Live {
            last = Some(id.clone());
        }
        if dice.roll(10) == 0 {
            let resolved = (dice.roll(4) > 0).then(|| minute + 2 + dice.roll(900));
            let cause = [None, Some(id), Some("a flag".to_owned())][dice.roll(3) as usize].clone();
            troubles.push(trouble(minute + 1, resolved, cause.as_deref()));
        }
        deployments.push(it);
    }
    (deployments, troubles)
}

/// A book that is written on as things become known, and made anew once that is not in their order.
struct Running {
    book: Book,
    /// What is known of each, by its number.
    known: BTreeMap<usize, Deployment>,
    made_anew: usize,
}

impl Running {
    fn add(&mut self, number: usize, it: Deployment) {
        self.book.add(it.clone());
        self.known.insert(number, it);
        if !self.book.is_in_order() {
            self.book = Book::new(Tz::UTC, LeadFrom::Commit);
            self.known.values().for_each(|it| self.book.add(it.clone()));
            self.made_anew += 1;
        }
    }
}

#[tokio::test]
async fn a_book_that_is_written_on_says_what_one_made_at_once_does() {
    let mut made_anew = 0;
    for seed in 0..50 {
        let dice = &mut Dice(seed);
        let (deployments, troubles) = year(dice);
        let book = Book::new(Tz::UTC, LeadFrom::Commit);
        let mut running = Running { book, known: BTreeMap::new(), made_anew: 0 };
        let shelf = Shelf::default();
        let head = |book: &Book, written: usize| {
            Head::of(book, LeadFrom::Commit, 0, deployments[written - 1].ended, &troubles)
        };
        // What these brought becomes known later, whichever is first.
        let mut late = BTreeSet::new();
        let mut written = 0;
        while written < deployments.len() {
            // What was asked for before comes once more.
            let again = written.saturating_sub(dice.roll(9) as usize);
            let until = (written + 1 + dice.roll(40) as usize).min(deployments.len());
            for (number, it) in deployments.iter().enumerate().take(until).skip(again) {
                if number >= written && dice.roll(10) == 0 {
                    late.insert(number);
                }
                let changes = it.changes.clone().filter(|_| !late.contains(&number));
                running.add(number, Deployment { changes, ..it.clone() });
            }
            written = until;
            let span = date("2026-02-20")..=date("2026-03-02") + TimeDelta::days(dice.roll(60));
            let told = running.book.over(&span, date("2028-01-01"), &troubles);
            let head = head(&running.book, written);
            let mut kept = shelf.read_again(&mut running.book, &head, &span).await;
            let links = head.links(&troubles).unwrap();
            assert_eq!(kept.over(&span, date("2028-01-01"), &links), told, "as it was kept: seed {seed}, {span:?}");
            late.retain(|number| {
                let is_known = written == deployments.len() || dice.roll(2) == 0;
                if is_known {
                    running.add(*number, deployments[*number].clone());
                }
                !is_known
            });
        }
        for span in [four_weeks(), date("2026-02-01")..=date("2026-12-31"), date("2026-03-10")..=date("2026-03-10")] {
            let expected = at_once(&deployments, &troubles, &span);
            assert_eq!(running.book.over(&span, date("2028-01-01"), &troubles), expected, "seed {seed}, {span:?}");
            let head = head(&running.book, written);
            let mut kept = shelf.read_again(&mut running.book, &head, &span).await;
            let links = head.links(&troubles).unwrap();
            assert_eq!(kept.over(&span, date("2028-01-01"), &links), expected, "as it was kept: seed {seed}, {span:?}");
        }
        let whole = deployments.iter().filter(|it| it.ended.weekday() == Weekday::Mon).count();
        assert!(whole > 0, "there is something on every kind of day");
        made_anew += running.made_anew;
    }
    assert!(made_anew > 0, "things become known out of their order");
}
