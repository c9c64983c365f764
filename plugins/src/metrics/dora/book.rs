//! What deployments come to, day by day, kept as they come in: a year of them is told as fast as a week.

use super::rules::LeadFrom;
use super::{Deployment, Trouble};
use chrono::{DateTime, Datelike, NaiveDate, Utc, Weekday};
use chrono_tz::Tz;
use commands::offer::{Came, Change};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;

/// When something ended, and its id: what is ordered by this is ordered by time.
type Key = (DateTime<Utc>, String);

/// The deployments of one service to one environment.
pub struct Book {
    zone: Tz,
    lead_from: LeadFrom,
    days: BTreeMap<NaiveDate, Day>,
    /// Those that got to people.
    reached: BTreeMap<Key, Reached>,
    /// Every deployment that is in the book.
    ended: HashMap<String, DateTime<Utc>>,
    /// Those that failed by what is known of deployments alone: since when, and when it was made good.
    failed: HashMap<Key, (DateTime<Utc>, DateTime<Utc>)>,
    /// Those that were left as they were, not well, and since when: whatever goes live next makes them good.
    left: BTreeMap<Key, DateTime<Utc>>,
    /// When it was gone back from deployments that are not in the book, or not yet.
    gone_back: HashMap<String, DateTime<Utc>>,
    /// Those of which it is not known yet what they brought.
    open: BTreeSet<Key>,
    /// Those that ended nobody knows how.
    unknown: HashMap<String, DateTime<Utc>>,
    /// The commits that have been live, each as a hash of its hash: a million of them is held easily.
    commits: HashSet<u64>,
    /// When the last one ended of which it is known what it brought.
    learned: DateTime<Utc>,
    /// Whether all of it became known in the order in which it happened.
    in_order: bool,
}

/// What ended on one day.
#[derive(Debug, Default)]
struct Day {
    /// How many deployments got to people.
    reached: usize,
    /// How many of these went back.
    back: usize,
    /// How many never got to anybody.
    never: usize,
    /// The lead times of what went live, in seconds, in order.
    lead: Vec<u32>,
    /// In how many seconds those of its deployments were made good that failed, in order.
    recovery: Vec<u32>,
    /// Whether these have to be put in order.
    unsorted: bool,
    /// How many changes were live before they were committed.
    early: usize,
    /// Of how many changes it is not known when they came to the branch.
    untimed: usize,
}

#[derive(Debug)]
struct Reached {
    began: DateTime<Utc>,
    /// Whether it stayed.
    stayed: bool,
    /// What it went back over.
    back_over: Option<String>,
}

/// A middle, and of how many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Middle {
    /// The median.
    pub value: f64,
    /// Of how many.
    pub n: usize,
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

impl Book {
    /// An empty book on the clocks of this zone.
    pub fn new(zone: Tz, lead_from: LeadFrom) -> Book {
        Book {
            zone,
            lead_from,
            days: BTreeMap::new(),
            reached: BTreeMap::new(),
            ended: HashMap::new(),
            failed: HashMap::new(),
            left: BTreeMap::new(),
            gone_back: HashMap::new(),
            open: BTreeSet::new(),
            unknown: HashMap::new(),
            commits: HashSet::new(),
            learned: DateTime::UNIX_EPOCH,
            in_order: true,
        }
    }

    /// Whether all of it became known in the order in which it happened. Where it did not, a book that is made anew may say
    /// something else: a commit counts where it was live first, and whatever went live next makes good what was left unwell.
    pub fn is_in_order(&self) -> bool {
        self.in_order
    }

    /// Since when deployments have to be asked for of which something may have become known.
    pub fn open_since(&self, not_before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let open = self.open.iter().map(|(at, _)| *at).find(|at| *at >= not_before);
        open.into_iter().chain(self.unknown.values().copied().filter(|at| *at >= not_before)).min()
    }

    /// Takes a deployment in, or what has become known of one; those of a day and later come after those before.
    pub fn add(&mut self, it: Deployment) {
        let key = (it.ended, it.id.clone());
        if self.ended.contains_key(&it.id) {
            if let Some(changes) = it.changes.filter(|_| self.open.remove(&key)) {
                self.learn(it.ended, &changes);
            }
            return;
        }
        self.unknown.remove(&it.id);
        let day = self.days.entry(it.ended.with_timezone(&self.zone).date_naive()).or_default();
        match it.came {
            Came::Unknown => _ = self.unknown.insert(it.id, it.ended),
            Came::Failed => {
                day.never += 1;
                self.ended.insert(it.id, it.ended);
            }
            Came::Live | Came::PutBack | Came::Left => {
                let (live, back) = (it.came == Came::Live, it.back_over.is_some());
                self.in_order &= self.reached.last_key_value().is_none_or(|((last, _), _)| *last <= it.ended);
                day.reached += 1;
                day.back += usize::from(back);
                let reached =
                    Reached { began: it.began, stayed: it.came != Came::PutBack, back_over: it.back_over.clone() };
                self.reached.insert(key.clone(), reached);
                match it.came {
                    // What was live before was put back within it.
                    Came::PutBack => self.fail(key.clone(), it.began, it.ended),
                    Came::Left => _ = self.left.insert(key.clone(), it.began),
                    _ => {
                        for (key, since) in std::mem::take(&mut self.left) {
                            self.fail(key, since, it.ended);
                        }
                    }
                }
                if let Some(at) = self.gone_back.remove(&it.id) {
                    self.fail(key.clone(), it.ended, at);
                }
                self.ended.insert(it.id, it.ended);
                if let Some(over) = it.back_over {
                    self.go_back(over, it.ended);
                }
                match it.changes.filter(|_| live) {
                    Some(changes) => self.learn(it.ended, &changes),
                    // What goes back brings nothing.
                    None if live && !back => _ = self.open.insert(key),
                    None => {}
                }
            }
        }
    }

    /// Notes that it was gone back from a deployment then. One that never got to anybody can not fail.
    fn go_back(&mut self, over: String, until: DateTime<Utc>) {
        match self.ended.get(&over).copied() {
            // Of what ended at the very same time, either may come first.
            None => _ = self.gone_back.insert(over, until),
            Some(at) if self.reached.contains_key(&(at, over.clone())) => self.fail((at, over), at, until),
            Some(_) => {}
        }
    }

    /// Notes that a deployment failed, since when, and when it was made good; once.
    fn fail(&mut self, key: Key, since: DateTime<Utc>, until: DateTime<Utc>) {
        let day = self.days.entry(key.0.with_timezone(&self.zone).date_naive()).or_default();
        if let (Entry::Vacant(vacant), true) = (self.failed.entry(key), since <= until) {
            vacant.insert((since, until));
            day.recovery.push(seconds(since, until));
            day.unsorted = true;
        }
    }

    /// Takes in what a deployment brought that ended then. A commit counts once, however often it is shipped.
    fn learn(&mut self, ended: DateTime<Utc>, changes: &[Change]) {
        if !changes.is_empty() {
            self.in_order &= self.learned <= ended;
            self.learned = self.learned.max(ended);
        }
        let day = self.days.entry(ended.with_timezone(&self.zone).date_naive()).or_default();
        for change in changes {
            let mut hasher = DefaultHasher::new();
            change.commit.hash(&mut hasher);
            if !self.commits.insert(hasher.finish()) {
                continue;
            }
            let since = match self.lead_from {
                LeadFrom::Commit => Some(change.committed),
                LeadFrom::Merge => change.merged,
            };
            match since.map(|since| u32::try_from((ended - since).num_seconds())) {
                None => day.untimed += 1,
                Some(Err(_)) => day.early += 1,
                Some(Ok(seconds)) => day.lead.push(seconds),
            }
        }
        day.unsorted = true;
    }

    /// What the deployments of these days come to, beside what went wrong meanwhile. `today` is not over yet.
    pub fn over(&mut self, span: &RangeInclusive<NaiveDate>, today: NaiveDate, troubles: &[Trouble]) -> Figures {
        for (_, day) in self.days.range_mut(span.clone()).filter(|(_, day)| day.unsorted) {
            day.lead.sort_unstable();
            day.recovery.sort_unstable();
            day.unsorted = false;
        }
        let on = |at: &DateTime<Utc>| span.contains(&at.with_timezone(&self.zone).date_naive());
        let days: Vec<_> = self.days.range(span.clone()).map(|(date, day)| (*date, day)).collect();
        let with: Vec<_> = days.iter().filter(|(_, day)| day.reached > 0).collect();
        let sum = |of: fn(&Day) -> usize| days.iter().map(|(_, day)| of(day)).sum::<usize>();
        let links: Vec<_> = troubles.iter().map(|trouble| (trouble, self.brought_about(trouble))).collect();
        let told = self.told(&on, &links);
        let in_trouble = self.in_trouble(&on, &links);
        let here = || links.iter().filter(|(trouble, _)| on(&trouble.since));
        let lead: Vec<&[u32]> = days.iter().map(|(_, day)| &*day.lead).collect();
        let recovery: Vec<&[u32]> = days.iter().map(|(_, day)| &*day.recovery).chain([&*told.recovery]).collect();
        Figures {
            days: length(span),
            deployments: sum(|day| day.reached),
            days_with: with.len(),
            one_in: if with.is_empty() { 0.0 } else { length(&self.known(span)) as f64 / with.len() as f64 },
            week: middle(weeks(&self.known(span), today, with.iter().map(|(date, _)| *date))),
            a_day: middle(with.iter().map(|(_, day)| day.reached as f64).collect()),
            lead: middle_of_sorted(&lead, &[]),
            early: sum(|day| day.early),
            untimed: sum(|day| day.untimed),
            without_changes: self.open.iter().filter(|(at, _)| on(at)).count(),
            failed: sum(|day| day.recovery.len()) - told.instead.len() + told.recovery.len() + told.open,
            recovery: middle_of_sorted(&recovery, &told.instead),
            open: told.open,
            rework: sum(|day| day.back) + in_trouble,
            never: sum(|day| day.never),
            unknown: self.unknown.values().filter(|at| on(at)).count(),
            incidents: here().count(),
            elsewhere: here().filter(|(trouble, it)| it.is_none() && trouble.cause.is_some()).count(),
            unlinked: here().filter(|(trouble, it)| it.is_none() && trouble.cause.is_none()).count(),
        }
    }

    /// The part of a span since the first deployment there is: of what was before nothing is known.
    fn known(&self, span: &RangeInclusive<NaiveDate>) -> RangeInclusive<NaiveDate> {
        let first = self.reached.keys().next().map(|(at, _)| at.with_timezone(&self.zone).date_naive());
        first.map_or_else(|| span.clone(), |first| first.max(*span.start())..=*span.end())
    }

    /// The deployment that brought it about: the one that is said to have, or the last one that had gone live before. One that
    /// went back brings nothing about: it is that from which it went back, and so on.
    fn brought_about(&self, trouble: &Trouble) -> Option<Key> {
        if let Some(cause) = &trouble.cause {
            let key = (*self.ended.get(cause)?, cause.clone());
            return self.reached.contains_key(&key).then_some(key);
        }
        let before = self.reached.range(..(trouble.since, String::new())).rev();
        let (mut key, mut reached) = before.into_iter().find(|(_, reached)| reached.stayed)?;
        while let Some(over) = &reached.back_over {
            let earlier = self.reached.get_key_value(&(*self.ended.get(over)?, over.clone()));
            (key, reached) = earlier.filter(|(earlier, _)| *earlier < key)?;
        }
        Some(key.clone())
    }

    /// What incidents tell of deployments of these days. One that two incidents are about failed once, until the later is over.
    fn told(&self, on: &dyn Fn(&DateTime<Utc>) -> bool, links: &[(&Trouble, Option<Key>)]) -> Told {
        let mut failed: BTreeMap<&Key, (DateTime<Utc>, Option<DateTime<Utc>>)> = BTreeMap::new();
        let mut told = Told::default();
        for (trouble, deployment) in links {
            let Some(key) = deployment.as_ref().filter(|key| on(&key.0)) else { continue };
            let (since, over) = failed.entry(key).or_insert_with(|| match self.failed.get(key) {
                Some((since, until)) => {
                    told.instead.push(seconds(*since, *until));
                    (*since, Some(*until))
                }
                None => (key.0, trouble.resolved),
            });
            // What was made good before an incident that nobody links with it stays so.
            let good = self.failed.get(key).map(|(_, until)| *until);
            if trouble.cause.is_none() && good.is_some_and(|good| good <= trouble.since) {
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

    /// How many deployments of these days began while an incident was open that a deployment had brought about. Those that
    /// went back are counted elsewhere.
    fn in_trouble(&self, on: &dyn Fn(&DateTime<Utc>) -> bool, links: &[(&Trouble, Option<Key>)]) -> usize {
        let mut found = BTreeSet::new();
        for (trouble, _) in links.iter().filter(|(_, deployment)| deployment.is_some()) {
            let since = self.reached.range((trouble.since, String::new())..);
            for (key, reached) in since {
                // They go one after the other: what comes now began later still.
                if trouble.resolved.is_some_and(|over| reached.began >= over) {
                    break;
                }
                if reached.back_over.is_none() && reached.began >= trouble.since && on(&key.0) {
                    found.insert(key);
                }
            }
        }
        found.len()
    }
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

fn seconds(since: DateTime<Utc>, until: DateTime<Utc>) -> u32 {
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

/// The middle of many rows, each in order, without the figures of `less`, which are in them: it is found by halving, so that no
/// row has to be looked at whole.
fn middle_of_sorted(rows: &[&[u32]], less: &[u32]) -> Option<Middle> {
    let n = rows.iter().map(|row| row.len()).sum::<usize>() - less.len();
    let greatest = rows.iter().filter_map(|row| row.last()).max().filter(|_| n > 0)?;
    let up_to = |figure: u32| {
        let in_row = |row: &[u32]| row.partition_point(|other| *other <= figure);
        rows.iter().map(|row| in_row(row)).sum::<usize>() - in_row(less)
    };
    // The figure before which there are this many, counted from nought.
    let at = |place: usize| {
        let (mut low, mut high) = (0_u32, *greatest);
        while low < high {
            let half = low + (high - low) / 2;
            if up_to(half) > place { high = half } else { low = half + 1 }
        }
        low
    };
    let lower = at((n - 1) / 2);
    // Of an even number, the next one is the same, or the least that is greater.
    let upper = if n % 2 == 1 || up_to(lower) > n / 2 { lower } else { at(n / 2) };
    Some(Middle { value: f64::midpoint(lower.into(), upper.into()), n })
}
