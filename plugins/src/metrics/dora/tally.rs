//! What the deployments of a book come to, day by day, and what is told of any days from that alone: as fast of a year as of a
//! week, and without the book.

use super::middle::{Middle, Part, Row, middle_of_sorted};
use super::{Key, Trouble};
use chrono::{DateTime, Datelike, NaiveDate, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::RangeInclusive;

/// What a book comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Tally {
    /// On whose clocks its days are.
    pub zone: Tz,
    /// The days on which something ended.
    pub days: BTreeMap<NaiveDate, Day>,
    /// When the first deployment ended that got to people.
    pub first: Option<DateTime<Utc>>,
    /// Those that were left as they were, not well, and since when: whatever goes live next makes them good.
    pub left: BTreeMap<Key, DateTime<Utc>>,
    /// Those of which it is not known yet what they brought.
    pub open: BTreeSet<Key>,
    /// Those that ended nobody knows how.
    pub unknown: HashMap<String, DateTime<Utc>>,
}

/// What ended on one day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Day {
    /// How many deployments got to people.
    pub reached: usize,
    /// How many of these went back.
    pub back: usize,
    /// How many never got to anybody.
    pub never: usize,
    /// The lead times of what went live, in seconds.
    pub lead: Row,
    /// In how many seconds those of its deployments were made good that failed.
    pub recovery: Vec<u32>,
    /// Whether these have to be put in order.
    pub unsorted: bool,
    /// How many changes were live before they were committed.
    pub early: usize,
    /// Of how many changes it is not known when they came to the branch.
    pub untimed: usize,
}

/// Something that went wrong, beside the deployments of a book.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Link {
    /// What went wrong.
    pub trouble: Trouble,
    /// The deployment that brought it about.
    pub deployment: Option<Key>,
    /// Since when that failed, and when it was made good, by what is known of deployments alone.
    pub failed: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// The deployments that began while it was open; without those that went back, which are counted anyway.
    pub during: Vec<Key>,
}

/// What there is to tell of a span of days. What is nothing was not measured, which is not nought.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// How many days.
    pub days: usize,
    /// How many deployments got to people.
    pub deployments: usize,
    /// On how many of the days.
    pub days_with: usize,
    /// One day with a deployment in how many days, since the first deployment there is.
    pub one_in: f64,
    /// On how many days of a week, of the whole weeks in the span since then.
    pub week: Option<Middle>,
    /// How many deployments on a day that has any.
    pub a_day: Option<Middle>,
    /// Seconds from a change to its being live.
    pub lead: Option<Middle>,
    /// How many changes were live before they were committed, and so are left out.
    pub early: usize,
    /// How many changes are left out because it is not known when they came to the branch.
    pub untimed: usize,
    /// Of how many deployments it is not known what they brought.
    pub without_changes: usize,
    /// How many deployments failed.
    pub failed: usize,
    /// Seconds from a failed deployment to its being made good.
    pub recovery: Option<Middle>,
    /// How many failed deployments are not made good yet, and so are left out.
    pub open: usize,
    /// How many deployments were there only because of an incident or a failed deployment.
    pub rework: usize,
    /// How many deployments never got to anybody, and so are none.
    pub never: usize,
    /// How many ended nobody knows how.
    pub unknown: usize,
    /// How many incidents there were.
    pub incidents: usize,
    /// How many of these have a cause that is no deployment of these, as somebody has said.
    pub elsewhere: usize,
    /// How many of these began before there was any deployment that could have brought them about.
    pub unlinked: usize,
}

impl Day {
    /// Puts its figures in order.
    pub fn sort(&mut self) {
        self.lead.figures.sort_unstable();
        self.recovery.sort_unstable();
        self.unsorted = false;
    }
}

impl Tally {
    /// That of an empty book.
    pub fn new(zone: Tz) -> Tally {
        Tally {
            zone,
            days: BTreeMap::new(),
            first: None,
            left: BTreeMap::new(),
            open: BTreeSet::new(),
            unknown: HashMap::new(),
        }
    }

    /// The day on which something ended then.
    pub fn date(&self, at: DateTime<Utc>) -> NaiveDate {
        at.with_timezone(&self.zone).date_naive()
    }

    /// What the deployments of these days come to, beside what went wrong meanwhile. `today` is not over yet.
    pub fn over(&mut self, span: &RangeInclusive<NaiveDate>, today: NaiveDate, links: &[Link]) -> Figures {
        self.days.range_mut(span.clone()).filter(|(_, day)| day.unsorted).for_each(|(_, day)| day.sort());
        let on = |at: &DateTime<Utc>| span.contains(&at.with_timezone(&self.zone).date_naive());
        let days: Vec<_> = self.days.range(span.clone()).map(|(date, day)| (*date, day)).collect();
        let with: Vec<_> = days.iter().filter(|(_, day)| day.reached > 0).collect();
        let sum = |of: fn(&Day) -> usize| days.iter().map(|(_, day)| of(day)).sum::<usize>();
        let told = self.told(&on, links);
        let here = || links.iter().filter(|link| on(&link.trouble.since));
        let alone =
            |caused: bool| here().filter(move |it| it.deployment.is_none() && it.trouble.cause.is_some() == caused);
        let lead = days.iter().flat_map(|(_, day)| day.lead.parts()).collect();
        let recovery = days.iter().map(|(_, day)| &day.recovery).chain([&told.recovery]);
        let recovery = recovery.map(|figures| Part::Plain(figures)).collect();
        Figures {
            days: length(span),
            deployments: sum(|day| day.reached),
            days_with: with.len(),
            one_in: if with.is_empty() { 0.0 } else { length(&self.known(span)) as f64 / with.len() as f64 },
            week: middle(weeks(&self.known(span), today, with.iter().map(|(date, _)| *date))),
            a_day: middle(with.iter().map(|(_, day)| day.reached as f64).collect()),
            lead: middle_of_sorted(lead, &[]),
            early: sum(|day| day.early),
            untimed: sum(|day| day.untimed),
            without_changes: self.open.iter().filter(|(at, _)| on(at)).count(),
            failed: sum(|day| day.recovery.len()).saturating_sub(told.instead.len()) + told.recovery.len() + told.open,
            recovery: middle_of_sorted(recovery, &told.instead),
            open: told.open,
            rework: sum(|day| day.back) + in_trouble(&on, links),
            never: sum(|day| day.never),
            unknown: self.unknown.values().filter(|at| on(at)).count(),
            incidents: here().count(),
            elsewhere: alone(true).count(),
            unlinked: alone(false).count(),
        }
    }

    /// The part of a span since the first deployment there is: of what was before nothing is known.
    fn known(&self, span: &RangeInclusive<NaiveDate>) -> RangeInclusive<NaiveDate> {
        let first = self.first.map(|at| self.date(at));
        first.map_or_else(|| span.clone(), |first| first.max(*span.start())..=*span.end())
    }

    /// What incidents tell of deployments of these days. One that two incidents are about failed once, until the later is over.
    fn told(&self, on: &dyn Fn(&DateTime<Utc>) -> bool, links: &[Link]) -> Told {
        let mut failed: BTreeMap<&Key, (DateTime<Utc>, Option<DateTime<Utc>>)> = BTreeMap::new();
        let mut told = Told::default();
        for link in links {
            let Some(key) = link.deployment.as_ref().filter(|key| on(&key.0)) else { continue };
            let trouble = &link.trouble;
            let (since, over) = failed.entry(key).or_insert_with(|| match link.failed {
                Some((since, until)) => {
                    told.instead.push(seconds(since, until));
                    (since, Some(until))
                }
                None => (key.0, trouble.resolved),
            });
            // What was made good before an incident that nobody links with it stays so.
            if trouble.cause.is_none() && link.failed.is_some_and(|(_, good)| good <= trouble.since) {
                continue;
            }
            // An incident may begin before its deployment has ended.
            *since = (*since).min(trouble.since);
            *over = over.zip(trouble.resolved).map(|(one, other)| one.max(other));
        }
        told.recovery = failed.values().filter_map(|(since, until)| Some(seconds(*since, (*until)?))).collect();
        let left = self.left.keys().filter(|key| on(&key.0) && !failed.contains_key(key)).count();
        told.open = failed.len() - told.recovery.len() + left;
        told.recovery.sort_unstable();
        told.instead.sort_unstable();
        told
    }
}

/// How many deployments of these days began while an incident was open that a deployment had brought about.
fn in_trouble(on: &dyn Fn(&DateTime<Utc>) -> bool, links: &[Link]) -> usize {
    let about = links.iter().filter(|link| link.deployment.is_some());
    about.flat_map(|link| &link.during).filter(|key| on(&key.0)).collect::<BTreeSet<_>>().len()
}

/// What incidents tell of failed deployments.
#[derive(Default)]
struct Told {
    /// In how many seconds they were made good, in order.
    recovery: Vec<u32>,
    /// What was known of these without the incidents, in order.
    instead: Vec<u32>,
    /// How many are not made good yet.
    open: usize,
}

fn length(span: &RangeInclusive<NaiveDate>) -> usize {
    usize::try_from((*span.end() - *span.start()).num_days() + 1).unwrap_or(0)
}

/// So many seconds; none where the clocks were set back.
pub fn seconds(since: DateTime<Utc>, until: DateTime<Utc>) -> u32 {
    u32::try_from((until - since).num_seconds()).unwrap_or(0)
}

/// On how many days of each whole week there was something, Monday to Sunday; weeks that are not whole are left out, and so is
/// the one that is not over yet, even on its Sunday.
fn weeks(span: &RangeInclusive<NaiveDate>, today: NaiveDate, days: impl Iterator<Item = NaiveDate>) -> Vec<f64> {
    let monday = |date: NaiveDate| date.week(Weekday::Mon).checked_first_day();
    let (start, end) = (*span.start(), *span.end());
    let firsts = start.iter_days().take_while(|date| *date <= end).filter(|date| date.weekday() == Weekday::Mon);
    let whole = firsts
        .filter(|date| date.week(Weekday::Mon).checked_last_day().is_some_and(|last| last <= end && last < today));
    let mut weeks: BTreeMap<NaiveDate, usize> = whole.map(|first| (first, 0)).collect();
    for date in days {
        if let Some(count) = monday(date).and_then(|first| weeks.get_mut(&first)) {
            *count += 1;
        }
    }
    weeks.into_values().map(|count| count as f64).collect()
}

fn middle(figures: Vec<f64>) -> Option<Middle> {
    let n = figures.len();
    crate::metrics::series::median(figures).map(|value| Middle { value, n })
}
