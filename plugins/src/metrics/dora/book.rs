//! The deployments of one service to one environment, written on as they come in, and what they come to.

use super::rules::LeadFrom;
use super::tally::{Day, Figures, Link, Tally, seconds};
use super::{Deployment, Key, Trouble};
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use commands::offer::{Came, Change};
use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::RangeInclusive;

/// The deployments of one service to one environment.
pub struct Book {
    lead_from: LeadFrom,
    /// What they come to.
    pub tally: Tally,
    /// The days that have changed since they were kept.
    pub changed: BTreeSet<NaiveDate>,
    /// Those that got to people.
    reached: BTreeMap<Key, Reached>,
    /// Every deployment that is in the book.
    ended: HashMap<String, DateTime<Utc>>,
    /// Those that failed by what is known of deployments alone: since when, and when it was made good.
    failed: HashMap<Key, (DateTime<Utc>, DateTime<Utc>)>,
    /// When it was gone back from deployments that are not in the book, or not yet.
    gone_back: HashMap<String, DateTime<Utc>>,
    /// The commits that have been live, each as a hash of its hash: a million of them is held easily.
    commits: HashSet<u64>,
    /// When the last one ended of which it is known what it brought.
    learned: DateTime<Utc>,
    /// Whether all of it became known in the order in which it happened.
    in_order: bool,
}

#[derive(Debug)]
struct Reached {
    began: DateTime<Utc>,
    /// Whether it stayed.
    stayed: bool,
    /// What it went back over.
    back_over: Option<String>,
}

impl Book {
    /// An empty book on the clocks of this zone.
    pub fn new(zone: Tz, lead_from: LeadFrom) -> Book {
        Book {
            lead_from,
            tally: Tally::new(zone),
            changed: BTreeSet::new(),
            reached: BTreeMap::new(),
            ended: HashMap::new(),
            failed: HashMap::new(),
            gone_back: HashMap::new(),
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
        let open = self.tally.open.iter().map(|(at, _)| *at).find(|at| *at >= not_before);
        open.into_iter().chain(self.tally.unknown.values().copied().filter(|at| *at >= not_before)).min()
    }

    /// Takes a deployment in, or what has become known of one; those of a day and later come after those before.
    pub fn add(&mut self, it: Deployment) {
        let key = (it.ended, it.id.clone());
        if self.ended.contains_key(&it.id) {
            if let Some(changes) = it.changes.filter(|_| self.tally.open.remove(&key)) {
                self.learn(it.ended, &changes);
            }
            return;
        }
        self.tally.unknown.remove(&it.id);
        match it.came {
            Came::Unknown => _ = self.tally.unknown.insert(it.id, it.ended),
            Came::Failed => {
                self.day(it.ended).never += 1;
                self.ended.insert(it.id, it.ended);
            }
            Came::Live | Came::PutBack | Came::Left => {
                let (live, back) = (it.came == Came::Live, it.back_over.is_some());
                self.in_order &= self.reached.last_key_value().is_none_or(|((last, _), _)| *last <= it.ended);
                let day = self.day(it.ended);
                day.reached += 1;
                day.back += usize::from(back);
                let first = self.tally.first.map_or(it.ended, |first| first.min(it.ended));
                self.tally.first = Some(first);
                let reached =
                    Reached { began: it.began, stayed: it.came != Came::PutBack, back_over: it.back_over.clone() };
                self.reached.insert(key.clone(), reached);
                match it.came {
                    // What was live before was put back within it.
                    Came::PutBack => self.fail(key.clone(), it.began, it.ended),
                    Came::Left => _ = self.tally.left.insert(key.clone(), it.began),
                    _ => {
                        for (key, since) in std::mem::take(&mut self.tally.left) {
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
                    None if live && !back => _ = self.tally.open.insert(key),
                    None => {}
                }
            }
        }
    }

    /// The day of what ended then, which is about to change.
    fn day(&mut self, ended: DateTime<Utc>) -> &mut Day {
        let date = self.tally.date(ended);
        self.changed.insert(date);
        self.tally.days.entry(date).or_default()
    }

    /// The deployments that ended since then.
    pub fn since(&self, since: DateTime<Utc>) -> Vec<String> {
        self.ended.iter().filter(|(_, at)| **at >= since).map(|(id, _)| id.clone()).collect()
    }

    /// What the deployments of these days come to, beside what went wrong meanwhile. `today` is not over yet.
    pub fn over(&mut self, span: &RangeInclusive<NaiveDate>, today: NaiveDate, troubles: &[Trouble]) -> Figures {
        let links: Vec<_> = troubles.iter().map(|trouble| self.link(trouble)).collect();
        self.tally.over(span, today, &links)
    }

    /// What went wrong, beside the deployments.
    pub fn link(&self, trouble: &Trouble) -> Link {
        let deployment = self.brought_about(trouble);
        let failed = deployment.as_ref().and_then(|key| self.failed.get(key).copied());
        let during = if deployment.is_some() { self.during(trouble) } else { Vec::new() };
        Link { trouble: trouble.clone(), deployment, failed, during }
    }

    /// The deployments that began while it was open. Those that went back are counted elsewhere.
    fn during(&self, trouble: &Trouble) -> Vec<Key> {
        let since = self.reached.range((trouble.since, String::new())..);
        // They go one after the other: what comes now began later still.
        let during = since.take_while(|(_, it)| trouble.resolved.is_none_or(|over| it.began < over));
        let here = during.filter(|(_, it)| it.back_over.is_none() && it.began >= trouble.since);
        here.map(|(key, _)| key.clone()).collect()
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
        let at = key.0;
        if let (Entry::Vacant(vacant), true) = (self.failed.entry(key), since <= until) {
            vacant.insert((since, until));
            let day = self.day(at);
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
        let date = self.tally.date(ended);
        self.changed.insert(date);
        let day = self.tally.days.entry(date).or_default();
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
                Some(Ok(seconds)) => day.lead.figures.push(seconds),
            }
        }
        day.unsorted = true;
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
}
