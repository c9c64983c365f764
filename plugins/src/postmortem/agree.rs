//! From a draft to a closed post-mortem: the review and when it is due, the meeting, and the word of somebody else.

use super::records::{Document, Meeting, Reminded, Stage};
use super::{Postmortems, Said, act, calendar, document, items, keep, show, which};
use chrono::{DateTime, Datelike, Days, NaiveTime, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use commands::act::Act;
use commands::cx::Cx;
use commands::reply::{Button, Look, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use serde::Deserialize;
use std::time::Duration;

/// How long a meeting takes where nobody says, in minutes.
const HOUR: u32 = 60;

/// The longest meeting, in minutes.
const LONGEST: u32 = 8 * 60;

/// The hour of a day at whose end something is due, on the team's clocks.
const EVENING: u32 = 18;

#[derive(Deserialize)]
struct Meets {
    number: u64,
    at: DateTime<Utc>,
    with: Option<String>,
    r#for: Option<Duration>,
}

/// Until when a review is due: three days of the calendar for what was gravest, five working days for what was grave
/// (PagerDuty's guide), by the evening of that day; nothing for the rest.
pub fn due(severity: Option<&str>, from: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
    let today = from.with_timezone(&zone).date_naive();
    let day = match severity? {
        "sev1" => today.checked_add_days(Days::new(3))?,
        "sev2" => {
            let is_working = |day: &chrono::NaiveDate| !matches!(day.weekday(), Weekday::Sat | Weekday::Sun);
            today.iter_days().skip(1).filter(is_working).nth(4)?
        }
        _ => return None,
    };
    let evening = day.and_time(NaiveTime::from_hms_opt(EVENING, 0, 0)?);
    zone.from_local_datetime(&evening).earliest().map(|at| at.with_timezone(&Utc))
}

impl Postmortems {
    pub(super) async fn review(&self, cx: &Cx) -> Result<Reply> {
        let Versioned { value: mut document, version } = named(cx, &[Stage::Draft]).await?;
        let empty = |name: &str| document.wording(name).text.is_empty();
        let first = self.settings.sections.first().filter(|first| empty(&first.name));
        if let Some(first) = first {
            return Err(Stop::refuse(format!(
                "{} is empty, so there is nothing to review yet. Write it: `/postmortem edit {}`.",
                first.title, document.number
            )));
        }
        document.stage = Stage::InReview;
        let says = "It is handed over to be reviewed.";
        let told = Reply::card(Tone::Plain, show::title(&document), says)
            .button(Button::new("Approve", format!("postmortem approve number:{}", document.number)).look(Look::Main));
        let undo = back(&document, "draft");
        keep(
            cx,
            Act { undo, ..act("postmortems.review", &document) },
            version,
            &document,
            elsewhere(cx, &document, &told),
        )
        .await?;
        Ok(told)
    }

    pub(super) async fn meet(&self, cx: &Cx) -> Result<Reply> {
        let Meets { number, at, with, r#for } = cx.args()?;
        let Versioned { value: mut document, version } = document(cx, Some(number)).await?;
        let minutes = r#for.map_or(HOUR, |long| u32::try_from(long.as_secs() / 60).unwrap_or(u32::MAX));
        if minutes == 0 || minutes > LONGEST {
            return Err(Stop::refuse(
                "A meeting lasts from a minute to eight hours. Nothing was changed; say `for:1h`.",
            ));
        }
        let facilitator = match with {
            Some(with) => with,
            None => self.facilitator(&document).ok_or_else(|| {
                Stop::refuse("It is not said who leads the meeting, so nothing was changed. Say `with:…`: somebody who took no part in the response.")
            })?,
        };
        if let Some(role) = document.roles.get(&facilitator) {
            return Err(Stop::refuse(format!(
                "{} took part in the response ({}), so nothing was changed. Let somebody else lead the meeting: those who were in it can then speak freely.",
                text::plain(&facilitator),
                text::plain(role)
            )));
        }
        document.meeting = Some(Meeting { at, minutes, facilitator: facilitator.clone() });
        let facts = vec![("at", at.to_rfc3339()), ("with", facilitator.clone())];
        let meets = Act { facts, ..act("postmortems.meet", &document) };
        let file = format!("postmortem-{}.ics", document.number);
        let invitation = calendar::invitation(&document, cx.now());
        let number = keep(cx, meets, version, &document, None).await?;
        cx.ports().files.keep_text(&file, invitation).await?;
        let says = format!(
            "It is talked about {}, for {minutes} minutes, and {} leads it. The file is for your calendar.",
            show::at(at, cx),
            text::plain(&facilitator)
        );
        let mut reply = Reply::card(Tone::Good, show::title(&document), says).field("Meeting", format!("#{number}"));
        reply.calls.push(facilitator);
        Ok(reply.file("Meeting", file))
    }

    /// The first who may lead a meeting, and took no part in the response.
    fn facilitator(&self, document: &Document) -> Option<String> {
        let free = |name: &&String| !document.roles.contains_key(*name) && **name != document.by;
        self.settings.facilitators.iter().find(free).cloned()
    }

    pub(super) async fn approve(&self, cx: &Cx) -> Result<Reply> {
        let Versioned { value: mut document, version } = named(cx, &[Stage::InReview]).await?;
        if document.by == cx.who() {
            return Err(Stop::refuse(format!(
                "You have started post-mortem #{} yourself, so somebody else has to find it good. Nothing was changed.",
                document.number
            )));
        }
        (document.stage, document.approved) = (Stage::Reviewed, Some(cx.who().to_owned()));
        (document.reviewed, document.reminded) = (Some(cx.now()), Reminded::default());
        let says = "It is found good. Action items go on; it is closed when they are done.";
        let close = Button::new("Close", format!("postmortem close number:{}", document.number));
        let publish = Button::new("Publish", format!("postmortem publish number:{}", document.number));
        let told = Reply::card(Tone::Good, show::title(&document), says).button(publish.look(Look::Main)).button(close);
        let undo = back(&document, "in-review");
        keep(
            cx,
            Act { undo, ..act("postmortems.approve", &document) },
            version,
            &document,
            elsewhere(cx, &document, &told),
        )
        .await?;
        Ok(told)
    }

    pub(super) async fn close(&self, cx: &Cx) -> Result<Reply> {
        let Versioned { value: mut document, version } = named(cx, &[Stage::Reviewed]).await?;
        let open = items::open_of(cx.store(), document.number).await?;
        if let Some(first) = open.first() {
            return Err(Stop::refuse(format!(
                "{} of post-mortem #{} {} open, so it was not closed. The first is #{}: `/postmortem action done {3}`, or `/postmortem action drop item:{3} because:\"…\"`.",
                text::capital(&text::plural(open.len(), "action item")),
                document.number,
                if open.len() == 1 { "is" } else { "are" },
                first.number
            )));
        }
        document.stage = Stage::Closed;
        let undo = back(&document, "reviewed");
        keep(cx, Act { undo, ..act("postmortems.close", &document) }, version, &document, None).await?;
        Ok(Reply::card(Tone::Good, show::title(&document), "It is closed, with everything that was to be done."))
    }

    pub(super) async fn reopen(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let stages = [Stage::InReview, Stage::Reviewed, Stage::Closed];
        let Versioned { value: mut document, version } = named(cx, &stages).await?;
        let to = match said.to.as_deref() {
            Some("in-review") => Stage::InReview,
            Some("reviewed") => Stage::Reviewed,
            _ => Stage::Draft,
        };
        if to >= document.stage {
            return Err(Stop::refuse(format!(
                "Post-mortem #{} is {}, so there is nothing to take back to {}. `/postmortem reopen {0}` makes it a draft.",
                document.number,
                document.stage.predicate(),
                to.words()
            )));
        }
        document.stage = to;
        if to < Stage::Reviewed {
            (document.approved, document.reviewed) = (None, None);
        }
        keep(cx, act("postmortems.reopen", &document), version, &document, None).await?;
        let says = format!("It is {} again.", to.predicate());
        let reply = Reply::card(Tone::Plain, show::title(&document), says);
        let write = Button::new("Write", format!("postmortem edit number:{}", document.number));
        Ok(if to == Stage::Draft { reply.button(write) } else { reply })
    }
}

/// The post-mortem that is named, if it stands at one of these stages.
async fn named(cx: &Cx, stages: &[Stage]) -> Result<Versioned<Document>> {
    let said: Said = cx.args()?;
    if said.number.is_none() {
        let so: Vec<_> = stages.iter().map(|stage| stage.predicate()).collect();
        return which::meant(cx, &so.join(" or "), |stage| stages.contains(&stage)).await;
    }
    let found = document(cx, said.number).await?;
    let Document { stage, number, .. } = found.value;
    if stages.contains(&stage) {
        return Ok(found);
    }
    let next = match stage {
        Stage::Draft => format!("`/postmortem review {number}` hands it over"),
        Stage::InReview => format!("`/postmortem approve {number}` finds it good"),
        Stage::Reviewed => format!("`/postmortem close {number}` closes it"),
        Stage::Closed => format!("`/postmortem reopen {number}` makes it a draft again"),
    };
    Err(Stop::refuse(format!("Post-mortem #{number} is {}, so nothing was changed; {next}.", stage.predicate())))
}

/// The line that takes it back to this stage.
fn back(document: &Document, to: &str) -> Option<String> {
    Some(format!("postmortem reopen number:{} to:{to}", document.number))
}

/// What is told where it was started, unless that is here.
pub fn elsewhere<'a>(cx: &Cx, document: &Document, told: &'a Reply) -> Option<&'a Reply> {
    let here = &cx.call().place;
    let same = here.platform == document.place.platform && here.channel == document.place.channel;
    (!same).then_some(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_review_is_due_by_how_grave_it_was() {
        let zone: Tz = "Asia/Seoul".parse().unwrap();
        for (severity, from, expected) in [
            // A Friday at noon: the third day is a Monday, the fifth working day the Friday after.
            (Some("sev1"), "2026-03-06T03:00:00Z", Some("2026-03-09T09:00:00+00:00")),
            (Some("sev2"), "2026-03-06T03:00:00Z", Some("2026-03-13T09:00:00+00:00")),
            // It is Saturday in Seoul already.
            (Some("sev2"), "2026-03-06T20:00:00Z", Some("2026-03-13T09:00:00+00:00")),
            (Some("sev2"), "2026-03-08T03:00:00Z", Some("2026-03-13T09:00:00+00:00")),
            (Some("sev3"), "2026-03-06T03:00:00Z", None),
            (None, "2026-03-06T03:00:00Z", None),
        ] {
            let found = due(severity, from.parse().unwrap(), zone).map(|due| due.to_rfc3339());
            assert_eq!(found.as_deref(), expected, "{severity:?} {from}");
        }
    }

    #[test]
    fn an_evening_that_clocks_skip_or_repeat_is_one_all_the_same() {
        // Clocks moved while the days passed: it is six in the evening by the new ones.
        let zone: Tz = "Europe/Berlin".parse().unwrap();
        let found = due(Some("sev1"), "2026-03-27T12:00:00Z".parse().unwrap(), zone).unwrap();
        assert_eq!(found, "2026-03-30T16:00:00Z".parse::<DateTime<Utc>>().unwrap());
    }
}
