//! The files that go with a message: safely named, no larger than Discord takes, and the whole answer where it was cut.

use super::blocks;
use super::markdown::shorten;
use crate::platforms::discord::rest::Upload;
use bytes::Bytes;
use commands::reply::{FileRef, Reply};
use commands::text;
use serde_json::{Value, json};

/// The largest file that Discord takes everywhere, in bytes.
const LARGEST: usize = 10 * 1024 * 1024;
/// All files but the answer, in bytes: a whole request has 25 MiB.
const TOGETHER: usize = 14 * 1024 * 1024;
/// Less of a file than this, in bytes, is not worth showing.
const WORTH: usize = 1_024;
/// The description of a file, in units.
const DESCRIPTION: usize = 1_024;
/// The longest name of a file before its ending, in bytes of ASCII.
const STEM: usize = 80;
/// The longest ending of a name, in bytes of ASCII.
const ENDING: usize = 10;
/// How many names of files the note has.
const NAMED: usize = 3;

/// What goes with one message.
pub(super) struct Files {
    uploads: Vec<(Upload, String)>,
    /// What is to be said about files that are not there.
    pub note: Option<String>,
}

impl Files {
    /// The reply's own files, as `files` calls them, so many at the most.
    pub fn new(files: &[FileRef], uploads: Vec<Upload>, most: usize) -> Files {
        let (mut kept, mut left_out, mut room) = (Vec::new(), Vec::new(), TOGETHER);
        for upload in uploads {
            let bytes = (kept.len() < most).then(|| end(&upload.bytes, room.min(LARGEST))).flatten();
            let Some(bytes) = bytes else {
                left_out.push(text::code(base(&upload.name)));
                continue;
            };
            room -= bytes.len();
            let title = files.iter().find(|file| {
                base(&file.name) == base(&upload.name)
                    || upload.name.rsplit_once('.').is_some_and(|(stem, _)| stem == file.title)
            });
            let title = title.map(|file| file.title.clone()).unwrap_or_default();
            kept.push((Upload { name: upload.name, bytes }, title));
        }
        Files { uploads: kept, note: note(&left_out) }
    }

    /// Puts the whole of `reply` before the others.
    pub fn add_answer(&mut self, reply: &Reply) {
        let whole = Bytes::from(whole(reply));
        let bytes = end(&whole, LARGEST).unwrap_or_default();
        self.uploads.insert(0, (Upload { name: "answer.txt".to_owned(), bytes }, "The whole answer".to_owned()));
    }

    /// The files under names that differ, and what the message says about them.
    pub fn named(self) -> (Vec<Value>, Vec<Upload>) {
        let (mut said, mut files): (Vec<Value>, Vec<Upload>) = Default::default();
        for (id, (upload, title)) in self.uploads.into_iter().enumerate() {
            let safe = safe(&upload.name);
            let names = std::iter::once(safe.clone()).chain((2..).map(|number| numbered(&safe, number)));
            let name = names.into_iter().find(|name| files.iter().all(|file| file.name != *name)).unwrap_or(safe);
            let mut attachment = json!({ "id": id, "filename": name });
            if !title.trim().is_empty() {
                attachment["description"] = shorten(title.trim(), DESCRIPTION).0.into();
            }
            said.push(attachment);
            files.push(Upload { name, bytes: upload.bytes });
        }
        (said, files)
    }
}

fn note(left_out: &[String]) -> Option<String> {
    let more = left_out.len().saturating_sub(NAMED);
    let names = left_out.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    let names = if more > 0 { format!("{names} and {more} more") } else { names };
    let what = text::plural(left_out.len(), "file");
    (!left_out.is_empty()).then(|| format!("There is no room for {what}: {names}."))
}

/// The file whole, or the end of it after a line that says so; nothing if it can not be cut because it is no text.
fn end(bytes: &Bytes, limit: usize) -> Option<Bytes> {
    /// Room for the line.
    const LINE: usize = 100;
    /// A line longer than this, in bytes, is cut itself.
    const LONG: usize = 4_096;
    if bytes.len() <= limit {
        return Some(bytes.clone());
    }
    // As git tells text from the rest.
    let is_text = !bytes.iter().take(8_000).any(|byte| *byte == 0);
    if !is_text || limit < WORTH {
        return None;
    }
    let mut start = bytes.len() - (limit - LINE);
    let ending = &bytes[start..];
    let next_line = ending.iter().take(LONG).position(|byte| *byte == b'\n').map(|place| place + 1);
    // A single line is cut between characters: the bytes after the first of one begin with the bits 10.
    let next_character = ending.iter().position(|byte| byte & 0xC0 != 0x80);
    start += next_line.filter(|place| *place < ending.len()).or(next_character).unwrap_or_default();
    let mut shown = format!("Cut here: {start} bytes before this are more than Discord takes.\n").into_bytes();
    shown.extend_from_slice(&bytes[start..]);
    Some(shown.into())
}

/// The last part of a path.
fn base(name: &str) -> &str {
    name.rsplit(['/', '\\']).next().unwrap_or_default()
}

/// A name that no app or disk stumbles over: ASCII, with an ending by which apps know how to show the file.
fn safe(name: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '_' };
    let mut name: Vec<char> = base(name).chars().map(plain).collect();
    name.dedup_by(|letter, before| *letter == '_' && *before == '_');
    let name: String = name.into_iter().collect();
    let (stem, ending) = name.rsplit_once('.').filter(|(_, ending)| !ending.is_empty()).unwrap_or((&name, "txt"));
    let ending = &ending[..ending.len().min(ENDING)];
    let stem = stem.trim_matches(['_', '.', '-']);
    let stem = if stem.is_empty() { "file" } else { &stem[..stem.len().min(STEM)] };
    format!("{stem}.{ending}")
}

/// The name with a number before its ending.
fn numbered(name: &str, number: usize) -> String {
    let (stem, ending) = name.rsplit_once('.').unwrap_or((name, "txt"));
    format!("{stem}-{number}.{ending}")
}

/// All that the reply says, as plain text.
fn whole(reply: &Reply) -> String {
    let mut parts: Vec<String> = reply.card.iter().map(|card| card.title.clone()).collect();
    parts.push(reply.text.clone());
    parts.push(reply.calls.iter().map(|name| format!("@{name}")).collect::<Vec<_>>().join(" "));
    let field = |name: &str, value: &str| format!("{name}: {value}");
    parts.push(reply.fields.iter().map(|one| field(&one.name, &one.value)).collect::<Vec<_>>().join("\n"));
    parts.extend(reply.table.as_ref().map(|grid| blocks::columns(grid).join("\n")));
    parts.push(reply.output.clone());
    parts.push(
        reply.buttons.iter().map(|one| field(&one.label, &format!("/{}", one.line))).collect::<Vec<_>>().join("\n"),
    );
    parts.retain(|part| !part.trim().is_empty());
    parts.join("\n\n") + "\n"
}
