//! What a book comes to, kept on the disk: it can be told right after a start, before the book is read again, as long as nothing
//! has happened since. They are counts, on which nothing rests: the book is always made of what really happened.

use super::book::Book;
use super::middle::{Packed, Row};
use super::rules::LeadFrom;
use super::tally::{Day, Link, Tally};
use super::{Key, Target, Trouble};
use anyhow::Context;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use commands::cx::Cx;
use commands::offer::{self, Came};
use commands::store::{Batch, Read};
use commands::table::{Table, Versioned};
use serde::{Deserialize, Serialize};

/// What is kept of a book besides its days, by its target.
const HEADS: Table<Head> = Table::new("counts/metrics/dora/head/");

/// What is kept of its days, by its target and the date.
const DAYS: Table<KeptDay> = Table::new("counts/metrics/dora/day/");

/// By which rules is counted: one more for every change in Deckhand after which a book comes to something else, so that nothing is
/// told after an upgrade that was counted by the old ones.
const MADE: u32 = 1;

/// The most letters that a head, or the figures of a day, are kept in: each is one record. Who has more of them is told what the
/// book says, once it is read.
const LONGEST: usize = 160_000;

/// A book as it stands, but for its days.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// By which rules it was counted; 0 where it was not noted yet.
    #[serde(default)]
    made: u32,
    /// The name of the zone.
    zone: String,
    lead_from: LeadFrom,
    /// The version of what had been imported.
    imported: u64,
    /// Until when deployments had been asked for.
    pub until: DateTime<Utc>,
    first: Option<DateTime<Utc>>,
    left: Vec<(Key, DateTime<Utc>)>,
    open: Vec<Key>,
    unknown: Vec<(String, DateTime<Utc>)>,
    /// The deployments that ended shortly before: what is told of them again is no news.
    recent: Vec<String>,
    /// What went wrong, beside the deployments.
    links: Vec<Link>,
}

/// What is kept of a day.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptDay {
    reached: usize,
    back: usize,
    never: usize,
    early: usize,
    untimed: usize,
    lead: Vec<Packed>,
    recovery: Vec<Packed>,
}

impl KeptDay {
    fn of(day: &Day) -> KeptDay {
        let mut day = day.clone();
        day.sort();
        let Day { reached, back, never, early, untimed, .. } = day;
        let [lead, recovery] = [&day.lead, &day.recovery].map(|row| Packed::all(&row.figures));
        KeptDay { reached, back, never, early, untimed, lead, recovery }
    }

    fn day(self) -> Day {
        let KeptDay { reached, back, never, early, untimed, lead, recovery } = self;
        let [lead, recovery] = [lead, recovery].map(|kept| Row { kept, ..Row::default() });
        Day { reached, back, never, early, untimed, lead, recovery, unsorted: false }
    }

    /// How many letters its figures are kept in.
    fn letters(&self) -> usize {
        self.lead.iter().chain(&self.recovery).map(Packed::letters).sum()
    }
}

impl Head {
    /// What stands in a book.
    pub fn of(book: &Book, lead_from: LeadFrom, imported: u64, until: DateTime<Utc>, troubles: &[Trouble]) -> Head {
        let Tally { zone, first, left, open, unknown, .. } = &book.tally;
        let mut unknown: Vec<_> = unknown.iter().map(|(id, at)| (id.clone(), *at)).collect();
        unknown.sort();
        let mut recent = book.since(until - super::LATE - super::OVERLAP);
        recent.sort();
        Head {
            made: MADE,
            zone: zone.name().to_owned(),
            lead_from,
            imported,
            until,
            first: *first,
            left: left.iter().map(|(key, at)| (key.clone(), *at)).collect(),
            open: open.iter().cloned().collect(),
            unknown,
            recent,
            links: troubles.iter().map(|trouble| book.link(trouble)).collect(),
        }
    }

    /// Whether it says what a book of this kind would.
    pub fn fits(&self, zone: Tz, lead_from: LeadFrom, imported: u64) -> bool {
        self.zone == zone.name() && (self.made, self.lead_from, self.imported) == (MADE, lead_from, imported)
    }

    /// Whether it says the same as another, whenever either was written.
    fn says(&self, other: &Head) -> bool {
        let at = |head: &Head| Head { until: DateTime::UNIX_EPOCH, recent: Vec::new(), ..head.clone() };
        at(self) == at(other)
    }

    /// Since when deployments have to be asked for of which something may have become known.
    pub fn open_since(&self, not_before: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let open = self.open.iter().map(|(at, _)| *at).chain(self.unknown.iter().map(|(_, at)| *at));
        open.filter(|at| *at >= not_before).min()
    }

    /// Whether what is told of a deployment is known.
    pub fn knows(&self, it: &offer::Deployment) -> bool {
        let id = super::of_act(it.act);
        let is_open = || self.open.iter().any(|(_, open)| *open == id);
        match it.came {
            Came::Unknown => self.unknown.iter().any(|(unknown, _)| *unknown == id),
            _ => self.recent.binary_search(&id).is_ok() && !(it.changes.is_some() && is_open()),
        }
    }

    /// What went wrong, beside the deployments; nothing where something of it is not known.
    pub fn links(&self, troubles: &[Trouble]) -> Option<Vec<Link>> {
        troubles.iter().map(|trouble| self.links.iter().find(|link| link.trouble == *trouble).cloned()).collect()
    }

    /// Whether it can be kept.
    fn is_short(&self) -> bool {
        serde_json::to_vec(self).is_ok_and(|kept| kept.len() <= LONGEST)
    }

    fn tally(&self, zone: Tz) -> Tally {
        Tally {
            first: self.first,
            left: self.left.iter().cloned().collect(),
            open: self.open.iter().cloned().collect(),
            unknown: self.unknown.iter().cloned().collect(),
            ..Tally::new(zone)
        }
    }
}

/// What names begin with that are of a target.
fn of(target: &Target) -> String {
    format!("{}/{}", target.service, target.environment)
}

/// What is kept of a target's book, but for its days.
///
/// # Errors
/// When the store can not be read.
pub async fn head(store: &dyn Read, target: &Target) -> anyhow::Result<Option<Versioned<Head>>> {
    HEADS.get(store, of(target)).await
}

/// What it came to; nothing where it has been kept anew since its head was read: its days may be of another book than that.
///
/// # Errors
/// When the store can not be read, or something else has been written there.
pub async fn tally(
    store: &dyn Read,
    target: &Target,
    head: &Versioned<Head>,
    zone: Tz,
) -> anyhow::Result<Option<Tally>> {
    let mut tally = head.value.tally(zone);
    for (name, found) in DAYS.scan(store, &format!("{}/", of(target)), usize::MAX).await? {
        let date: NaiveDate = name.rsplit('/').next().unwrap_or_default().parse().context("a day has its date")?;
        tally.days.insert(date, found.value.day());
    }
    // Whatever is kept is kept with its head.
    let now = HEADS.get(store, of(target)).await?;
    Ok(now.is_some_and(|now| now.version == head.version).then_some(tally))
}

/// Keeps what a book comes to, as far as it has changed.
///
/// # Errors
/// When the store can not be read or written.
pub async fn keep(cx: &Cx, target: &Target, book: &mut Book, head: &Head) -> anyhow::Result<()> {
    let was = HEADS.get(cx.store(), of(target)).await?.map(|found| found.value);
    let of_this = was.filter(|was| was.fits(book.tally.zone, head.lead_from, head.imported));
    let mut batch = Batch::default();
    let dates = match &of_this {
        Some(was) if book.changed.is_empty() && was.says(head) => return Ok(()),
        Some(_) => book.changed.clone(),
        None => {
            // What was kept of another book may have days that this one has not.
            let there = DAYS.scan(cx.store(), &format!("{}/", of(target)), usize::MAX).await?;
            let is_old = |name: &str| !book.tally.days.keys().any(|date| name.ends_with(&date.to_string()));
            let old = there.iter().filter(|(name, _)| is_old(name));
            old.for_each(|(name, _)| _ = batch.delete(DAYS.key(name)));
            book.tally.days.keys().copied().collect()
        }
    };
    let mut is_short = head.is_short();
    for date in dates {
        let day = KeptDay::of(&book.tally.days[&date]);
        is_short &= day.letters() <= LONGEST;
        let name = format!("{}/{date}", of(target));
        // A start makes the whole book anew, and most of it is what it was.
        let there = DAYS.get(cx.store(), &name).await?;
        if is_short && there.is_none_or(|there| there.value != day) {
            DAYS.put_in(&mut batch, name, &day)?;
        }
    }
    match is_short {
        true => HEADS.put_in(&mut batch, of(target), head)?,
        false => _ = batch.delete(HEADS.key(of(target))),
    }
    cx.keep_counts(batch).await?;
    book.changed.clear();
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use async_trait::async_trait;
    use chrono::TimeDelta;
    use commands::store::{Record, Watch};
    use std::sync::atomic::{AtomicU64, Ordering};

    /// What is read of a book again after it was kept.
    pub fn read_again(book: &Book, head: &Head) -> Tally {
        let head: Head = serde_json::from_str(&serde_json::to_string(head).unwrap()).unwrap();
        let mut tally = head.tally(book.tally.zone);
        for (date, day) in &book.tally.days {
            let kept = serde_json::to_string(&KeptDay::of(day)).unwrap();
            tally.days.insert(*date, serde_json::from_str::<KeptDay>(&kept).unwrap().day());
        }
        tally
    }

    #[test]
    fn who_deploys_a_thousand_times_a_day_has_a_head_that_is_kept() {
        for (deployments, is_short) in [(2_500, true), (10_000, true), (100_000, false)] {
            let book = Book::new(Tz::UTC, LeadFrom::Commit);
            let ids = (0..deployments).map(crate::metrics::dora::of_act);
            let head =
                Head { recent: ids.collect(), ..Head::of(&book, LeadFrom::Commit, 0, DateTime::UNIX_EPOCH, &[]) };
            assert_eq!(head.is_short(), is_short, "{deployments}");
        }
    }

    #[test]
    fn what_is_told_again_is_no_news_and_all_else_is() {
        let at = |minute: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        let it = |act: u64, minute: i64, came: Came, known: bool| offer::Deployment {
            act,
            commit: String::new(),
            changes: known.then(Vec::new),
            began: at(minute - 1),
            ended: at(minute),
            came,
            back_over: None,
        };
        let all = [it(1, 1, Came::Live, true), it(2, 2, Came::Live, false), it(3, 3, Came::Unknown, false)];
        let mut book = Book::new(Tz::UTC, LeadFrom::Commit);
        all.iter().for_each(|it| book.add(it.clone().into()));
        let trouble = Trouble { since: at(2), resolved: Some(at(9)), cause: None };
        let head = Head::of(&book, LeadFrom::Commit, 7, at(10), std::slice::from_ref(&trouble));
        assert!(all.iter().all(|it| head.knows(it)));
        for (what, news) in [
            ("another deployment", it(4, 9, Came::Live, false)),
            ("what one brought", it(2, 2, Came::Live, true)),
            ("how one ended", it(3, 3, Came::Live, false)),
            ("that one ended nobody knows how", it(4, 9, Came::Unknown, false)),
        ] {
            assert!(!head.knows(&news), "{what}");
        }
        assert_eq!(head.open_since(at(0)), Some(at(2)));
        assert!(head.links(std::slice::from_ref(&trouble)).is_some() && head.links(&[]).is_some());
        assert_eq!(head.links(&[Trouble { resolved: None, ..trouble }]), None);
        assert!(head.fits(Tz::UTC, LeadFrom::Commit, 7));
        for (zone, lead_from, imported) in
            [(Tz::Asia__Seoul, LeadFrom::Commit, 7), (Tz::UTC, LeadFrom::Merge, 7), (Tz::UTC, LeadFrom::Commit, 8)]
        {
            assert!(!head.fits(zone, lead_from, imported));
        }
        let before = Head { made: MADE - 1, ..head };
        assert!(!before.fits(Tz::UTC, LeadFrom::Commit, 7), "it was counted by other rules");
    }

    /// A store with the head of an empty book, which may be kept anew whenever its days are read.
    struct Shelved {
        head: Vec<u8>,
        version: AtomicU64,
        kept_meanwhile: bool,
    }

    #[async_trait]
    impl Read for Shelved {
        async fn get(&self, _key: &str) -> anyhow::Result<Option<Record>> {
            Ok(Some(Record { value: self.head.clone().into(), version: self.version.load(Ordering::SeqCst) }))
        }

        async fn scan(
            &self,
            _prefix: &str,
            _after: Option<&str>,
            _limit: usize,
        ) -> anyhow::Result<Vec<(String, Record)>> {
            self.version.fetch_add(self.kept_meanwhile.into(), Ordering::SeqCst);
            Ok(Vec::new())
        }

        async fn scan_back(
            &self,
            prefix: &str,
            before: Option<&str>,
            limit: usize,
        ) -> anyhow::Result<Vec<(String, Record)>> {
            self.scan(prefix, before, limit).await
        }

        fn watch(&self, _prefix: &str) -> Watch {
            Watch::new(tokio::sync::mpsc::unbounded_channel().1)
        }
    }

    #[tokio::test]
    async fn days_are_not_told_with_the_head_of_another_book() {
        let target = Target { service: "hello".to_owned(), environment: "production".to_owned() };
        let book = Book::new(Tz::UTC, LeadFrom::Commit);
        let head = Head::of(&book, LeadFrom::Commit, 0, DateTime::UNIX_EPOCH, &[]);
        let mut batch = Batch::default();
        HEADS.put_in(&mut batch, of(&target), &head).unwrap();
        let written = batch.writes.remove(0).1.unwrap();
        for kept_meanwhile in [false, true] {
            let store = Shelved { head: written.to_vec(), version: AtomicU64::new(1), kept_meanwhile };
            let head = super::head(&store, &target).await.unwrap().unwrap();
            let told = tally(&store, &target, &head, Tz::UTC).await.unwrap();
            assert_eq!(told.is_none(), kept_meanwhile);
        }
    }
}
