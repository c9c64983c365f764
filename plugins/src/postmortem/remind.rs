//! Reminders of reviews and action items: the day before they are due, on the day, and after it less and less often. Each is an act that
//! keeps what was told together with the message, so that none is lost or told twice.

use super::records::{self, DOCUMENTS, Document, ITEMS, Item, ItemState, Reminded, item_name, name};
use super::{Postmortems, act, items, show};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike, Utc, Weekday};
use chrono_tz::Tz;
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::reply::{Button, Look, Reply, Tone};
use commands::stop::Result;
use commands::text;
use serde::Deserialize;
use std::collections::BTreeMap;

/// The hours of the day in which somebody is reminded, on the team's clocks.
const WORKING: std::ops::Range<u32> = 9..18;

/// How long after a reminder of something late the next one comes.
const WEEK: TimeDelta = TimeDelta::days(7);

/// How many rows are shown.
const MOST: usize = 25;

/// Whether it is time to remind of something that is due then: in the morning of the working day before, in that of the last
/// day, when it is late, and then every week; in working hours alone.
pub fn is_time(due: DateTime<Utc>, reminded: &Reminded, now: DateTime<Utc>, zone: Tz) -> bool {
    let here = now.with_timezone(&zone);
    if is_weekend(here.date_naive()) || !WORKING.contains(&here.hour()) {
        return false;
    }
    let last_day = due.with_timezone(&zone).date_naive();
    let before = last_day.iter_days().rev().skip(1).find(|day| !is_weekend(*day)).unwrap_or(last_day);
    let moments = [on(before, WORKING.start, zone), on(last_day, WORKING.start, zone), due];
    let is_new = |moment: &DateTime<Utc>| *moment <= now && reminded.last.is_none_or(|last| last < *moment);
    moments.iter().any(is_new) || now >= due && reminded.last.is_none_or(|last| now - last >= WEEK)
}

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

/// An hour of a day on the team's clocks.
fn on(day: NaiveDate, hour: u32, zone: Tz) -> DateTime<Utc> {
    let time = day.and_time(NaiveTime::from_hms_opt(hour, 0, 0).unwrap_or(NaiveTime::MIN));
    zone.from_local_datetime(&time).earliest().map_or_else(|| time.and_utc(), |at| at.with_timezone(&Utc))
}

impl Postmortems {
    /// Reminds of whatever it is time for.
    pub(super) async fn remind(&self, cx: &Cx) -> Result<()> {
        let zone = cx.ports().vocabulary.zone;
        for head in records::heads(cx.store()).await? {
            let due = head.due.filter(|_| head.waits_for_review());
            if due.is_some_and(|due| is_time(due, &head.reminded, cx.now(), zone))
                && let Some(found) = DOCUMENTS.get(cx.store(), name(head.number)).await?
            {
                self.remind_of_review(cx, found.value, found.version).await?;
            }
        }
        let mut documents: BTreeMap<u64, Document> = BTreeMap::new();
        for (of, found) in records::items(cx.store(), None).await? {
            let (item, version) = (found.value, found.version);
            let is_open = item.state == ItemState::Open;
            if !is_open || !is_time(evening(&item, zone), &item.reminded, cx.now(), zone) {
                continue;
            }
            if let std::collections::btree_map::Entry::Vacant(free) = documents.entry(of)
                && let Some(document) = DOCUMENTS.get(cx.store(), name(of)).await?
            {
                free.insert(document.value);
            }
            if let Some(document) = documents.get(&of) {
                self.remind_of_item(cx, document, item, version).await?;
            }
        }
        Ok(())
    }

    async fn remind_of_review(&self, cx: &Cx, mut document: Document, version: u64) -> Result<()> {
        let (number, due) = (document.number, document.due.unwrap_or_else(|| cx.now()));
        let how = if due < cx.now() { "was" } else { "is" };
        let says = format!(
            "Its review {how} due {}, and it is {}.",
            show::at(due, cx),
            if document.stage == records::Stage::Draft { "a draft" } else { "waiting for somebody to read it" }
        );
        let mut told = Reply::card(Tone::Warn, show::title(&document), says)
            .button(Button::new("Show", format!("postmortem show number:{number}")).look(Look::Main));
        told.calls.extend(here(cx, &document.by));
        document.reminded = again(&document.reminded, cx.now());
        let reminds = act("postmortems.remind", &document);
        cx.act(reminds, async |permit| {
            permit.expect(DOCUMENTS.key(name(number)), version);
            DOCUMENTS.put(permit, name(number), &document)?;
            self.tell(permit, &document, &told)
        })
        .await
    }

    async fn remind_of_item(&self, cx: &Cx, document: &Document, mut item: Item, version: u64) -> Result<()> {
        let is_late = item.due < cx.now().with_timezone(&cx.ports().vocabulary.zone).date_naive();
        let owner = here(cx, &item.owner);
        let says = match (&owner, is_late) {
            (None, _) => format!(
                "Its owner is no longer here. Give it another: `/postmortem action change item:{} owner:…`.",
                item.number
            ),
            (Some(_), true) => "It is late. Is it done, or does it need another day?".to_owned(),
            (Some(_), false) => "It is due soon.".to_owned(),
        };
        let mut told = items::told(cx, &item, &says);
        told.card = told.card.map(|card| commands::reply::Card { tone: Tone::Warn, ..card });
        told.calls.extend(owner);
        item.reminded = again(&item.reminded, cx.now());
        let record = item_name(document.number, item.number);
        let reminds = Act {
            object: format!("#{} of #{}: {}", item.number, document.number, text::cut(&item.what, 80)),
            state: Some(ITEMS.key(&record)),
            ..act("postmortems.remind", document)
        };
        cx.act(reminds, async |permit| {
            permit.expect(ITEMS.key(&record), version);
            ITEMS.put(permit, &record, &item)?;
            self.tell(permit, document, &told)
        })
        .await
    }

    /// Says it in the channels of the config, or where the post-mortem was started.
    pub(super) fn tell(&self, permit: &Permit, document: &Document, told: &Reply) -> Result<()> {
        match &self.settings.tell[..] {
            [] => permit.say(&document.place, told.clone()),
            places => places.iter().try_for_each(|place| permit.say(place, told.clone())),
        }
    }

    pub(super) async fn due(&self, cx: &Cx) -> Result<Reply> {
        let Asked { owner, service } = cx.args()?;
        let zone = cx.ports().vocabulary.zone;
        let documents: BTreeMap<_, _> =
            records::heads(cx.store()).await?.into_iter().map(|head| (head.number, head)).collect();
        let mut rows = Vec::new();
        for document in documents.values().filter(|document| document.waits_for_review()) {
            let Some(due) = document.due else { continue };
            let fits = owner.as_ref().is_none_or(|owner| *owner == document.by);
            if fits && (service.is_none() || document.service == service) {
                let what = format!("review of #{}", document.number);
                rows.push((due, what, text::plain(&document.title), show::owner(cx, &document.by)));
            }
        }
        for (of, item) in records::items(cx.store(), None).await? {
            let item = item.value;
            let of = documents.get(&of);
            let fits = owner.as_ref().is_none_or(|owner| *owner == item.owner);
            let same = service.is_none() || of.is_some_and(|document| document.service == service);
            if item.state == ItemState::Open && fits && same {
                let what = format!("item #{}", item.number);
                rows.push((evening(&item, zone), what, text::plain(&item.what), show::owner(cx, &item.owner)));
            }
        }
        if rows.is_empty() {
            return Ok(Reply::say("Nothing is open: no review is waited for, and no action item is to be done."));
        }
        rows.sort();
        let late = rows.iter().filter(|(due, ..)| *due < cx.now()).count();
        let tone = if late > 0 { Tone::Warn } else { Tone::Plain };
        let says = if late > 0 {
            format!("{late} of them late. What is due first stands first.")
        } else {
            "What is due first stands first.".to_owned()
        };
        let reply = Reply::card(tone, format!("{} open", rows.len()), says);
        let row = |(due, what, title, owner): &(DateTime<Utc>, String, String, String)| {
            let late = if *due < cx.now() { "late: " } else { "" };
            let due = due.with_timezone(&zone).date_naive();
            [what.clone(), text::cut(title, 60), owner.clone(), format!("{late}{}", show::day(due))]
        };
        Ok(reply.table(["Open", "What", "Who", "Due"], rows.iter().take(MOST).map(row).collect()))
    }
}

#[derive(Deserialize)]
struct Asked {
    owner: Option<String>,
    service: Option<String>,
}

fn again(reminded: &Reminded, now: DateTime<Utc>) -> Reminded {
    Reminded { times: reminded.times + 1, last: Some(now) }
}

/// Somebody who is still in the config.
fn here(cx: &Cx, who: &str) -> Option<String> {
    cx.ports().vocabulary.people.iter().find(|person| *person == who).cloned()
}

/// The end of the working day on which an item is due.
fn evening(item: &Item, zone: Tz) -> DateTime<Utc> {
    on(item.due, WORKING.end, zone)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When is reminded of something that is due then, as people read it in Seoul.
    fn told(due: &str, mut reminded: Reminded, from: &str, days: i64) -> Vec<String> {
        let (due, zone): (DateTime<Utc>, Tz) = (due.parse().unwrap(), "Asia/Seoul".parse().unwrap());
        let mut now: DateTime<Utc> = from.parse().unwrap();
        let (mut told, end) = (Vec::new(), now + TimeDelta::days(days));
        while now < end {
            if is_time(due, &reminded, now, zone) {
                told.push(now.with_timezone(&zone).format("%a %d %H:%M").to_string());
                reminded = again(&reminded, now);
            }
            now += TimeDelta::minutes(5);
        }
        told
    }

    #[test]
    fn reminders_come_before_when_and_after_and_let_people_sleep() {
        // Due on a Wednesday evening, and on a Monday's.
        assert_eq!(
            told("2026-03-04T09:00:00Z", Reminded::default(), "2026-02-26T00:00:00Z", 29),
            ["Tue 03 09:00", "Wed 04 09:00", "Thu 05 09:00", "Thu 12 09:00", "Thu 19 09:00", "Thu 26 09:00"]
        );
        assert_eq!(
            told("2026-03-09T09:00:00Z", Reminded::default(), "2026-03-03T00:00:00Z", 8),
            ["Fri 06 09:00", "Mon 09 09:00", "Tue 10 09:00"]
        );
        // Who has just been told of what is due today is not told again at once.
        let now = "2026-03-04T02:00:00Z";
        assert_eq!(told("2026-03-04T09:00:00Z", Reminded::since(now.parse().unwrap()), now, 2), ["Thu 05 09:00"]);
    }
}
