//! A reply as a message of Discord: what fits into its limits is shown, and what does not goes whole into a file.

mod blocks;
mod buttons;
mod files;
mod form;
mod markdown;
#[cfg(test)]
mod tests;

use super::rest::Upload;
use commands::reply::{Outcome, Reply, State, Tone};
use files::Files;
use markdown::{escape, fit, units};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};
use unicode_width::UnicodeWidthStr;

pub use form::form;

// Discord's limits (its documentation under "Message" and "Embed limits"), in units: see `markdown::units`.
/// The content of a message that a bot writes.
const CONTENT: usize = 2_000;
/// All text of all embeds of a message.
const EMBEDS: usize = 6_000;
/// An embed's description.
const DESCRIPTION: usize = 4_096;
/// An embed's title, and the name of a field.
const TITLE: usize = 256;
/// The value of a field.
const VALUE: usize = 1_024;
/// The files of a message.
const FILES: usize = 10;
/// The fields of an embed.
const FIELDS: usize = 25;

/// How many people one message calls by name. Discord allows 100; this many always leave room for the sentence.
const CALLED: usize = 25;
/// The most of a name that Discord does not know, in units.
const CALL: usize = 40;
/// A value of at most so many columns may stand beside the next one.
const BESIDE: usize = 24;
/// What the name or the value of a field is where there is none: Discord refuses an empty one.
const NOTHING: &str = "\u{200B}";
/// What is said when something is cut.
const CUT: &str = "Cut at `…`: the whole answer is in `answer.txt`.";

/// A message as it goes to Discord.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// The fields of the message: content, embeds, components, `allowed_mentions`, attachments; no flags. All of them are
    /// always there, so that an edit also clears what the state before had.
    pub body: Value,
    /// What is uploaded with it.
    pub files: Vec<Upload>,
}

/// `reply` as a message. `uploads` are the reply's own files, read; `people` has the Discord id of each person by name.
///
/// A sentence is content; a card, or what is too long for content, is an embed. What does not fit there gives way in this
/// order: output, table, fields, text. It is then whole in `answer.txt`, which the message says.
pub fn message(reply: &Reply, uploads: Vec<Upload>, people: &HashMap<String, String>) -> Message {
    match fitted(reply, uploads.clone(), people, FILES) {
        // A place is kept for the whole answer.
        (_, true) => fitted(reply, uploads, people, FILES - 1).0,
        (message, false) => message,
    }
}

/// The message with so many of its own files at the most, and whether something was cut, so that the whole answer goes along.
fn fitted(reply: &Reply, uploads: Vec<Upload>, people: &HashMap<String, String>, most: usize) -> (Message, bool) {
    let calls = calls(reply, people);
    let buttons = buttons::rows(&reply.buttons);
    let mut files = Files::new(&reply.files, uploads, most);
    let mut notes: Vec<String> = [buttons.note, files.note.take()].into_iter().flatten().collect();
    let mut cut = buttons.cut || calls.cut;
    if cut {
        notes.push(CUT.to_owned());
    }
    let mut content = calls.shown;
    let mut embed = None;
    if let Some(sentence) = sentence(reply, &notes, CONTENT - units(&content) - 1) {
        content = format!("{content} {sentence}").trim().to_owned();
    } else {
        let (mut drawn, overflown) = draw(reply, &notes);
        if overflown && !cut {
            notes.push(CUT.to_owned());
            cut = true;
            (drawn, _) = draw(reply, &notes);
        }
        embed = Some(drawn);
    }
    if cut {
        files.add_answer(reply);
    }
    let (attachments, files) = files.named();
    if content.is_empty() && embed.is_none() && files.is_empty() {
        // Discord refuses a message with nothing in it.
        "(no words)".clone_into(&mut content);
    }
    let body = json!({
        "content": content,
        "embeds": embed.into_iter().collect::<Vec<_>>(),
        "components": buttons.rows,
        "allowed_mentions": calls.allowed,
        "attachments": attachments,
    });
    (Message { body, files }, cut)
}

/// Whom a message calls.
struct Calls {
    shown: String,
    allowed: Value,
    cut: bool,
}

/// The mentions of those whose devices are to ring; nobody else's ever does. Who is not known on Discord is only named.
fn calls(reply: &Reply, people: &HashMap<String, String>) -> Calls {
    let mut called = HashSet::new();
    let names: Vec<_> = reply.calls.iter().filter(|name| called.insert(*name)).collect();
    let (mut shown, mut users, mut cut) = (Vec::new(), Vec::new(), false);
    for name in names.iter().take(CALLED) {
        let id =
            people.get(*name).filter(|id| (1..=20).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit()));
        if let Some(id) = id {
            shown.push(format!("<@{id}>"));
            users.extend((!users.contains(id)).then(|| id.clone()));
        } else {
            let (name, cut_short) = fit(&format!("@{name}"), CALL);
            shown.push(name);
            cut |= cut_short;
        }
    }
    if names.len() > CALLED {
        shown.push("…".to_owned());
        cut = true;
    }
    let allowed = if users.is_empty() { json!({ "parse": [] }) } else { json!({ "parse": [], "users": users }) };
    Calls { shown: shown.join(" "), allowed, cut }
}

/// What is still free of a description and of all embeds, in units, and whether something found no room.
struct Room {
    block: usize,
    total: usize,
    cut: bool,
}

impl Room {
    fn new(block: usize, total: usize) -> Room {
        Room { block, total, cut: false }
    }

    /// What one more part of the description may take, after a line break.
    fn left(&self) -> usize {
        self.block.min(self.total).saturating_sub(1)
    }

    /// Makes room for a part of the description, which fits.
    fn part(&mut self, (shown, cut): (String, bool)) -> String {
        self.block = self.block.saturating_sub(units(&shown) + 1);
        self.total = self.total.saturating_sub(units(&shown) + 1);
        self.cut |= cut;
        shown
    }
}

/// The reply as the content of a message, where it is no card and fits whole.
fn sentence(reply: &Reply, notes: &[String], limit: usize) -> Option<String> {
    if reply.card.is_some() || !reply.fields.is_empty() || units(&reply.text) > limit {
        return None;
    }
    let mut room = Room::new(limit, limit);
    let (shown, _) = parts(reply, notes, &mut room);
    (!room.cut).then_some(shown)
}

/// The reply as an embed, and whether something of it was cut.
fn draw(reply: &Reply, notes: &[String]) -> (Value, bool) {
    let mut room = Room::new(DESCRIPTION, EMBEDS);
    let mut embed = json!({});
    if let Some(card) = &reply.card {
        let (title, cut) = fit(&one_line(&signed(reply, &card.title)), TITLE);
        room.total -= units(&title);
        room.cut |= cut;
        if !title.is_empty() {
            embed["title"] = title.into();
        }
    }
    let (description, fields) = parts(reply, notes, &mut room);
    if !description.is_empty() {
        embed["description"] = description.into();
    }
    if !fields.is_empty() {
        embed["fields"] = fields.into();
    }
    if embed.as_object().is_none_or(serde_json::Map::is_empty) {
        embed["description"] = NOTHING.into();
    }
    if let Some(colour) = colour(reply) {
        embed["color"] = colour.into();
    }
    (embed, room.cut)
}

/// The description and the fields, the last of which to give way are served first.
fn parts(reply: &Reply, notes: &[String], room: &mut Room) -> (String, Vec<Value>) {
    let notes = room.part((escape(&notes.join("\n")), false));
    let text = if reply.card.is_some() { reply.text.clone() } else { signed(reply, &reply.text) };
    let text = room.part(fit(text.trim(), room.left()));
    let fields = fields(reply, room);
    let table = room.part(reply.table.as_ref().map(|grid| blocks::table(grid, room.left())).unwrap_or_default());
    let output = room.part(blocks::tail(&reply.output, room.left()));
    let mut parts = vec![text, table, output, notes];
    parts.retain(|part| !part.is_empty());
    (parts.join("\n"), fields)
}

/// The fields as far as they fit. One that says how many more there are stands in the place of the rest.
fn fields(reply: &Reply, room: &mut Room) -> Vec<Value> {
    /// Room for saying so.
    const MORE: usize = 32;
    let mut shown = Vec::new();
    for (place, field) in reply.fields.iter().enumerate() {
        let (name, name_cut) = fit(&one_line(&field.name), TITLE);
        let (value, value_cut) = fit(field.value.trim(), VALUE);
        let filled = |text: String| if text.is_empty() { NOTHING.to_owned() } else { text };
        let (name, value) = (filled(name), filled(value));
        let size = units(&name) + units(&value);
        let more = reply.fields.len() - place;
        if size + MORE > room.total || (place + 1 == FIELDS && more > 1) {
            if MORE <= room.total {
                shown.push(json!({ "name": "…", "value": format!("{more} more") }));
                room.total -= MORE;
            }
            room.cut = true;
            break;
        }
        room.total -= size;
        room.cut |= name_cut || value_cut;
        let beside = !value.contains('\n') && value.width() <= BESIDE;
        shown.push(json!({ "name": name, "value": value, "inline": beside }));
    }
    shown
}

/// `text` after the sign for how it stands, as on a terminal: colours alone do not tell everybody.
fn signed(reply: &Reply, text: &str) -> String {
    let sign = match (reply.state, reply.outcome, reply.card.as_ref().map(|card| card.tone)) {
        (State::Progress, ..) => "…",
        (_, Outcome::Refused, Some(Tone::Warn)) => "?",
        (_, Outcome::Refused | Outcome::Broken, _) | (_, _, Some(Tone::Bad)) => "✗",
        (_, _, Some(Tone::Warn)) => "!",
        (_, _, Some(Tone::Good)) => "✓",
        _ => return text.to_owned(),
    };
    format!("{sign} {text}").trim_end().to_owned()
}

/// The colour of the embed's edge; none for a mere fact.
fn colour(reply: &Reply) -> Option<u32> {
    const BLUE: u32 = 0x34_98DB;
    const GREEN: u32 = 0x2E_CC71;
    const YELLOW: u32 = 0xF1_C40F;
    const RED: u32 = 0xE7_4C3C;
    let tone = reply.card.as_ref().map_or(Tone::Plain, |card| card.tone);
    match (reply.state, tone, reply.outcome) {
        (State::Progress, ..) | (_, Tone::Working, _) => Some(BLUE),
        (_, Tone::Good, _) => Some(GREEN),
        (_, Tone::Warn, _) | (_, Tone::Plain, Outcome::Refused) => Some(YELLOW),
        (_, Tone::Bad, _) | (_, Tone::Plain, Outcome::Broken) => Some(RED),
        (_, Tone::Plain, Outcome::Done) => None,
    }
}

/// `text` on one line.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r']).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}
