//! What a book comes to, kept on the disk: it can be told right after a start, before the book is read again, as long as nothing
//! has happened since. They are counts, on which nothing rests: the book is always made of what really happened.

use super::book::Book;
use super::middle::{self, Ends, Packed, Row};
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
use std::ops::RangeInclusive;

/// What is kept of a book besides its days, by its target.
const HEADS: Table<Head> = Table::new("counts/metrics/dora/head/");

/// What is kept of its days, by its target and the date.
const DAYS: Table<KeptDay> = Table::new("counts/metrics/dora/day/");

/// The figures of a part of a day's lead times, by the name of the day and the number of the part.
const PARTS: Table<String> = Table::new("counts/metrics/dora/part/");

/// By which rules is counted: one more for every change in Deckhand after which a book comes to something else, so that nothing is
/// told after an upgrade that was counted by the old ones.
const MADE: u32 = 2;

/// The most letters that a head, or a day, is kept in: each is one record. Who has more is told what the book says, once it is
/// read.
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
    /// Whose figures are kept apart: most of them nobody looks at.
    lead: Vec<Ends>,
    recovery: Vec<u32>,
}

impl KeptDay {
    /// What is kept of a day, and the figures of its parts.
    fn of(day: &Day) -> (KeptDay, Vec<String>) {
        let mut day = day.clone();
        day.sort();
        let Day { reached, back, never, early, untimed, recovery, .. } = day;
        let (lead, parts) = Packed::all(&day.lead.figures);
        (KeptDay { reached, back, never, early, untimed, lead, recovery }, parts)
    }

    fn day(self) -> Day {
        let KeptDay { reached, back, never, early, untimed, lead, recovery } = self;
        let lead = Row { kept: lead.into_iter().map(Packed::new).collect(), ..Row::default() };
        Day { reached, back, never, early, untimed, lead, recovery, unsorted: false }
    }
}

/// Whether it can be kept as a record.
fn is_short(record: &impl Serialize) -> bool {
    serde_json::to_vec(record).is_ok_and(|kept| kept.len() <= LONGEST)
}

impl Head {
    /// What stands in a book.
    pub fn of(book: &Book, lead_from: LeadFrom, imported: u64, until: DateTime<Utc>, troubles: &[Trouble]) -> Head {
        let Tally { zone, first, left, open, unknown, .. } = &book.tally;
        let mut unknown: Vec<_> = unknown.iter().map(|(id, at)| (id.clone(), *at)).collect();
        unknown.sort();
        // What was imported is not told again: the version of it all says whether there is more.
        let mut recent = book.since(until - super::LATE - super::OVERLAP);
        recent.retain(|id| id.starts_with('#'));
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

/// What it came to on these days; nothing where it has been kept anew since its head was read: its days may be of another book
/// than that.
///
/// # Errors
/// When the store can not be read, or something else has been written there.
pub async fn tally(
    store: &dyn Read,
    target: &Target,
    head: &Versioned<Head>,
    zone: Tz,
    span: &RangeInclusive<NaiveDate>,
) -> anyhow::Result<Option<Tally>> {
    let mut tally = head.value.tally(zone);
    let next = span.end().succ_opt().map(|next| day_name(target, next));
    let days = usize::try_from((*span.end() - *span.start()).num_days() + 1)?;
    for (name, found) in DAYS.scan_back(store, &format!("{}/", of(target)), next.as_deref(), days).await? {
        let date: NaiveDate = name.rsplit('/').next().unwrap_or_default().parse().context("a day has its date")?;
        if span.contains(&date) {
            tally.days.insert(date, found.value.day());
        }
    }
    let lead: Vec<_> = tally.days.values().flat_map(|day| day.lead.parts()).collect();
    if let Some(middle) = middle::around_middle(&lead) {
        for (date, day) in &mut tally.days {
            for (number, part) in day.lead.kept.iter_mut().enumerate().filter(|(_, part)| part.reaches(&middle)) {
                let kept = PARTS.get(store, part_name(target, *date, number)).await?;
                if kept.and_then(|kept| part.read(&kept.value)).is_none() {
                    return Ok(None);
                }
            }
        }
    }
    // Whatever is kept is kept with its head.
    let now = store.get(&HEADS.key(of(target))).await?;
    Ok(now.is_some_and(|now| now.version == head.version).then_some(tally))
}

/// What a day is kept as.
fn day_name(target: &Target, date: NaiveDate) -> String {
    format!("{}/{date}", of(target))
}

/// What a part of its lead times is kept as.
fn part_name(target: &Target, date: NaiveDate, number: usize) -> String {
    format!("{}/{number:05}", day_name(target, date))
}

/// Keeps what a book comes to, as far as it has changed.
///
/// # Errors
/// When the store can not be read or written.
pub async fn keep(cx: &Cx, target: &Target, book: &mut Book, head: &Head) -> anyhow::Result<()> {
    if let Some(batch) = changes(cx.store(), target, book, head).await? {
        cx.keep_counts(batch).await?;
    }
    book.changed.clear();
    Ok(())
}

/// What has to be written of a book, beside what is kept.
async fn changes(store: &dyn Read, target: &Target, book: &Book, head: &Head) -> anyhow::Result<Option<Batch>> {
    let was = HEADS.get(store, of(target)).await?.map(|found| found.value);
    // Without its head nothing of it is read.
    let mut without = Batch::default();
    without.delete(HEADS.key(of(target)));
    if !is_short(head) {
        return Ok(was.map(|_| without));
    }
    let of_this = was.filter(|was| was.fits(book.tally.zone, head.lead_from, head.imported));
    let mut batch = Batch::default();
    let dates = match &of_this {
        Some(was) if book.changed.is_empty() && was.says(head) => return Ok(None),
        Some(_) => book.changed.clone(),
        None => {
            // What was kept of another book may have days that this one has not. What is written again below stays.
            for prefix in [DAYS.key(of(target)), PARTS.key(of(target))] {
                let old = store.scan(&format!("{prefix}/"), None, usize::MAX).await?;
                old.into_iter().for_each(|(key, _)| _ = batch.delete(key));
            }
            book.tally.days.keys().copied().collect()
        }
    };
    let is_new = of_this.is_none();
    let mut all_short = true;
    for date in dates {
        let (day, parts) = KeptDay::of(&book.tally.days[&date]);
        all_short &= is_short(&day);
        // A start makes the whole book anew, and most of it is what it was.
        let name = day_name(target, date);
        if is_new || DAYS.get(store, &name).await?.is_none_or(|there| there.value != day) {
            DAYS.put_in(&mut batch, name, &day)?;
        }
        for (number, part) in parts.into_iter().enumerate() {
            let name = part_name(target, date, number);
            if is_new || PARTS.get(store, &name).await?.is_none_or(|there| there.value != part) {
                PARTS.put_in(&mut batch, name, &part)?;
            }
        }
    }
    if !all_short {
        return Ok(Some(without));
    }
    HEADS.put_in(&mut batch, of(target), head)?;
    Ok(Some(batch))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use async_trait::async_trait;
    use chrono::TimeDelta;
    use commands::offer::Change;
    use commands::store::{Record, Watch};
    use std::collections::BTreeMap;

    /// Where books are kept; when days are read, they may have been kept anew since their head was.
    #[derive(Default)]
    pub struct Shelf {
        records: std::sync::Mutex<BTreeMap<String, Record>>,
        kept_meanwhile: bool,
    }

    impl Shelf {
        async fn keep(&self, book: &mut Book, head: &Head) {
            let batch = changes(self, &target(), book, head).await.unwrap().unwrap_or_default();
            book.changed.clear();
            let mut records = self.records.lock().unwrap();
            for (key, value) in batch.writes {
                let version = records.get(&key).map_or(1, |record| record.version + 1);
                match value {
                    Some(value) => _ = records.insert(key, Record { value, version }),
                    None => _ = records.remove(&key),
                }
            }
        }

        async fn tally(&self, zone: Tz, span: &RangeInclusive<NaiveDate>) -> Option<Tally> {
            let head = head(self, &target()).await.unwrap()?;
            tally(self, &target(), &head, zone, span).await.unwrap()
        }

        /// What is read of a book on these days, after it was kept beside what was kept before.
        pub async fn read_again(&self, book: &mut Book, head: &Head, span: &RangeInclusive<NaiveDate>) -> Tally {
            self.keep(book, head).await;
            self.tally(book.tally.zone, span).await.unwrap()
        }
    }

    fn deployment(act: u64, ended: DateTime<Utc>, came: Came) -> offer::Deployment {
        let began = ended - TimeDelta::minutes(1);
        offer::Deployment { act, commit: String::new(), changes: None, began, ended, came, back_over: None }
    }

    fn target() -> Target {
        Target { service: "hello".to_owned(), environment: "production".to_owned() }
    }

    #[async_trait]
    impl Read for Shelf {
        async fn get(&self, key: &str) -> anyhow::Result<Option<Record>> {
            Ok(self.records.lock().unwrap().get(key).cloned())
        }

        async fn scan(&self, prefix: &str, _: Option<&str>, _: usize) -> anyhow::Result<Vec<(String, Record)>> {
            let records = self.records.lock().unwrap();
            Ok(records
                .iter()
                .filter(|(key, _)| key.starts_with(prefix))
                .map(|(k, it)| (k.clone(), it.clone()))
                .collect())
        }

        async fn scan_back(
            &self,
            prefix: &str,
            before: Option<&str>,
            limit: usize,
        ) -> anyhow::Result<Vec<(String, Record)>> {
            let mut found = self.scan(prefix, None, limit).await?;
            found.retain(|(key, _)| before.is_none_or(|before| &**key < before));
            if self.kept_meanwhile {
                self.records.lock().unwrap().values_mut().for_each(|record| record.version += 1);
            }
            Ok(found.into_iter().rev().take(limit).collect())
        }

        fn watch(&self, _prefix: &str) -> Watch {
            Watch::new(tokio::sync::mpsc::unbounded_channel().1)
        }
    }

    #[test]
    fn who_deploys_a_thousand_times_a_day_has_a_head_that_is_kept() {
        for (deployments, is_short) in [(2_500, true), (10_000, true), (100_000, false)] {
            let book = Book::new(Tz::UTC, LeadFrom::Commit);
            let ids = (0..deployments).map(crate::metrics::dora::of_act);
            let head =
                Head { recent: ids.collect(), ..Head::of(&book, LeadFrom::Commit, 0, DateTime::UNIX_EPOCH, &[]) };
            assert_eq!(super::is_short(&head), is_short, "{deployments}");
        }
    }

    #[test]
    fn what_is_told_again_is_no_news_and_all_else_is() {
        let at = |minute: i64| DateTime::UNIX_EPOCH + TimeDelta::minutes(minute);
        let it = |act: u64, minute: i64, came: Came, known: bool| offer::Deployment {
            changes: known.then(Vec::new),
            ..deployment(act, at(minute), came)
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

    #[tokio::test]
    async fn days_are_not_told_with_the_head_of_another_book() {
        let mut book = Book::new(Tz::UTC, LeadFrom::Commit);
        let head = Head::of(&book, LeadFrom::Commit, 0, DateTime::UNIX_EPOCH, &[]);
        let span = NaiveDate::MIN..=NaiveDate::MIN;
        for kept_meanwhile in [false, true] {
            let shelf = Shelf { kept_meanwhile, ..Shelf::default() };
            shelf.keep(&mut book, &head).await;
            assert_eq!(shelf.tally(Tz::UTC, &span).await.is_none(), kept_meanwhile);
        }
    }

    #[tokio::test]
    async fn a_day_whose_figures_are_not_all_there_is_not_told() {
        let at = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let mut book = Book::new(Tz::UTC, LeadFrom::Commit);
        let change = Change { commit: "1111111".to_owned(), committed: DateTime::UNIX_EPOCH, merged: None };
        book.add(offer::Deployment { changes: Some(vec![change]), ..deployment(1, at, Came::Live) }.into());
        let head = Head::of(&book, LeadFrom::Commit, 0, at, &[]);
        let span = at.date_naive()..=at.date_naive();
        let shelf = Shelf::default();
        let mut tally = shelf.read_again(&mut book, &head, &span).await;
        assert_eq!(tally.over(&span, at.date_naive(), &[]).lead.map(|it| it.value), Some(86_400.0));
        let part = PARTS.key(part_name(&target(), at.date_naive(), 0));
        shelf.records.lock().unwrap().remove(&part).unwrap();
        assert_eq!(shelf.tally(Tz::UTC, &span).await, None);
    }
}
