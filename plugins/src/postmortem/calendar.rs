//! The meeting as an iCalendar file (RFC 5545), for everybody's own calendar.

use super::records::Document;
use chrono::{DateTime, TimeDelta, Utc};
use icalendar::{Calendar, Component, Event, EventLike};

/// An invitation. The same meeting has one name for ever, so that a later file moves it.
pub fn invitation(document: &Document, now: DateTime<Utc>) -> String {
    let mut calendar = Calendar::new();
    if let Some(meeting) = &document.meeting {
        let until = meeting.at + TimeDelta::minutes(meeting.minutes.into());
        let mut event = Event::new();
        event
            .uid(&format!("postmortem-{}@deckhand", document.number))
            .timestamp(now)
            // Of two files with one name, calendars keep the one with the higher number.
            .sequence(u32::try_from((now - document.started).num_minutes().max(0)).unwrap_or(u32::MAX))
            .summary(&format!("Post-mortem #{}: {}", document.number, commands::text::plain(&document.title)))
            .description(&format!(
                "{} leads it. What happened counts, and not who did it.",
                commands::text::plain(&meeting.facilitator)
            ))
            .starts(meeting.at)
            .ends(until);
        calendar.push(event.done());
    }
    calendar.done().to_string()
}
