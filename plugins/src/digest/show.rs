//! How digests look.

use super::records::Digest;
use chrono::{DateTime, Utc};
use commands::cx::Cx;
use commands::moment;
use commands::offer::Section;
use commands::reply::{Button, FileRef, Reply, Tone};
use commands::table::Versioned;
use commands::text;
use std::ops::Range;

/// The most lines of a section: the rest is counted.
const MOST: usize = 12;

/// All that a digest tells.
pub struct Whole {
    /// Its parts.
    pub sections: Vec<Section>,
    /// A picture of how measures went, where there are any.
    pub picture: Option<FileRef>,
}

/// A digest of this time.
pub fn digest(name: &str, digest: &Digest, span: &Range<DateTime<Utc>>, whole: &Whole, cx: &Cx) -> Reply {
    let Whole { sections, picture } = whole;
    let at = |at| moment::show(at, cx.now(), digest.clocks());
    let title = format!("Digest {name}: {} to {}", at(span.start), at(span.end));
    let nothing = if sections.is_empty() { "Nothing happened that anybody has to know of." } else { "" };
    let mut reply = Reply::card(Tone::Plain, title, nothing);
    reply.files.extend(picture.clone());
    sections.iter().fold(reply, |reply, section| {
        let mut lines: Vec<_> = section.lines.iter().take(MOST).cloned().collect();
        if section.lines.len() > MOST {
            lines.push(format!("And {} more.", section.lines.len() - MOST));
        }
        reply.field(section.title.clone(), lines.join("\n"))
    })
}

/// The same, when it was due some time ago.
pub fn late(reply: Reply, digest: &Digest, cx: &Cx) -> Reply {
    let due = moment::show(digest.due, cx.now(), digest.clocks());
    let text = format!("This is late: it was due at {due}. {}", reply.text).trim_end().to_owned();
    Reply { text, ..reply }
}

/// "`0 9 * * mon` on the clocks of Asia/Seoul".
pub fn when(digest: &Digest) -> String {
    format!("{} on the clocks of {}", text::code(&digest.cron), digest.zone)
}

/// That it is told from now on.
pub fn added(name: &str, digest: &Digest, cx: &Cx) -> Reply {
    let next = moment::show(digest.due, cx.now(), digest.clocks());
    Reply::say(format!("The digest `{name}` is told {}; next at {next}.", when(digest)))
        .button(Button::new("Show what it would tell now", format!("digest show name:{name}")))
}

/// All of them.
pub fn list(all: &[(String, Versioned<Digest>)], cx: &Cx) -> Reply {
    if all.is_empty() {
        return Reply::say(
            "There is no digest yet. `/digest add morning cron:\"0 9 * * mon-fri\"` tells one in this channel.",
        );
    }
    let row = |(name, Versioned { value, .. }): &(String, Versioned<Digest>)| {
        let next = match value.paused {
            true => "paused".to_owned(),
            false => moment::show(value.due, cx.now(), value.clocks()),
        };
        [name.clone(), value.cron.clone(), value.zone.clone(), text::plain(&value.place.channel), next]
    };
    Reply::card(Tone::Plain, text::plural(all.len(), "digest"), "")
        .table(["Digest", "When", "Zone", "Channel", "Next"], all.iter().map(row).collect())
}
