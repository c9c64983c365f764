//! What people say to each other, kept in the timeline: with its time, its author and copies of what went with it, and with
//! what became of it afterwards.

use super::records::{
    Entry, Kind, QUOTED, Quoted, RECENT, REMOVED, Revision, Standing, TIMELINE, entry_name, name, noted_by, quoted,
};
use super::{Change, Incidents, act, enter, meant, same_channel, show};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::cx::Cx;
use commands::ledger::Place;
use commands::message::{Attachment, Follows, MESSAGES, Message};
use commands::offer::incident::Stage;
use commands::parse::quote;
use commands::ports::KEPT;
use commands::reply::{FileRef, Reply};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use futures::future;
use http::Request;
use serde::Deserialize;
use std::collections::HashSet;
use std::time::Duration;

/// How many files of a message are copied, how large each may be, and how large all together, in bytes.
const MOST_FILES: usize = 10;
const LARGEST: u64 = 8 * 1024 * 1024;
const LARGEST_ALL: u64 = 25 * 1024 * 1024;

/// For how long after its end the messages of an incident are looked at again.
const LATELY: TimeDelta = TimeDelta::days(7);

/// How long a file is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// What files begin with that can be shown as pictures, and the endings of their names.
const PICTURES: [(&[u8], &str); 4] =
    [(b"\x89PNG", "png"), (b"\xFF\xD8\xFF", "jpg"), (b"GIF8", "gif"), (b"RIFF", "webp")];

#[derive(Deserialize)]
struct QuoteArgs {
    message: String,
    remove: Option<String>,
    number: Option<u64>,
}

/// A copy of a file: what it was called, and what is in it.
struct Copy {
    name: String,
    bytes: Bytes,
}

impl Incidents {
    pub(super) async fn quote(&self, cx: &Cx) -> Result<Reply> {
        let QuoteArgs { message: name, remove, number } = cx.args()?;
        let it = meant(cx, number).await?;
        let place = QUOTED.get(cx.store(), quoted(&name, it.number)).await?;
        if remove.is_some() {
            let Some(place) = place else {
                return Err(Stop::refuse(format!(
                    "That message does not stand in the timeline of #{}, so nothing was taken out.",
                    it.number
                )));
            };
            return self.unquote(cx, &it, &name, &place.value).await;
        }
        if let Some(place) = place {
            return Err(Stop::refuse(format!(
                "That message stands in the timeline of #{} already: entry #{}.",
                it.number,
                noted_by(&place.value)
            )));
        }
        if let Some(removed) = REMOVED.get(cx.store(), quoted(&name, it.number)).await? {
            return self.put_back(cx, &it, &name, removed.value).await;
        }
        let found = MESSAGES.get(cx.store(), &name).await?;
        let own = |message: &Message| message.asked_by.as_ref().is_none_or(|who| who == cx.who());
        let Some(message) = found.filter(|found| own(&found.value)) else {
            return Err(Stop::refuse(format!(
                "There is no message {}, so nothing was kept. Choose `Add to timeline` in the menu of a message, or say what was said: `/incident note text:\"…\" at:14:02`.",
                text::code(&name)
            )));
        };
        if message.value.text.trim().is_empty() && message.value.attachments.is_empty() {
            return Err(Stop::refuse(
                "That message says nothing that could be kept. `/incident note` notes what matters.",
            ));
        }
        // What can not be had any more is known before anything is written; and what is written is what it says by then.
        let copied = copy(cx, &message.value.attachments).await;
        let Versioned { value, version } = MESSAGES.get(cx.store(), &name).await?.unwrap_or(message);
        self.keep_message(cx, &it, &value, version, copied).await
    }

    async fn keep_message(
        &self,
        cx: &Cx,
        it: &Standing,
        message: &Message,
        version: u64,
        (copies, missing): (Vec<Copy>, Vec<String>),
    ) -> Result<Reply> {
        let name = message.name();
        let what = format!("Keep what {} said", author(message));
        let undo = format!("incident quote message:{} remove:yes number:{}", quote(&name), it.number);
        let change = Change { at: message.at, ..Change::now(cx, "incidents.quote", what).undo(undo) };
        let key = quoted(&name, it.number);
        let kept = Act {
            facts: vec![("message", name.clone()), ("text", message.text.clone())],
            state: Some(QUOTED.key(&key)),
            ..act(it, &change, cx)
        };
        let told = |entry: u64, files: &[FileRef]| {
            let head = format!(
                "{} {}, {}",
                show::label(&it.incident, it.number),
                author(message),
                show::moment(cx, message.at)
            );
            let mut told = Reply::say(format!("{head}: {}", words(&message.text))).field("Entry", format!("#{entry}"));
            if !files.is_empty() {
                told = told
                    .field("Copied", files.iter().map(|file| text::plain(&file.title)).collect::<Vec<_>>().join(", "));
            }
            if !missing.is_empty() {
                told = told.field("Not copied", missing.join("; "));
            }
            if !message.followed {
                told = told.field("Later changes of it", "are not seen here");
            }
            told
        };
        let (entry, files) = cx
            .act(kept, async |permit| {
                let mut files = Vec::new();
                for (number, file) in copies.into_iter().enumerate() {
                    let name = format!("{KEPT}{}-{}.{}", permit.act(), number + 1, ending(&file.bytes));
                    cx.ports().files.keep_picture(&name, file.bytes).await?;
                    files.push(FileRef { title: file.name, name, series: Vec::new() });
                }
                let entry = Entry {
                    at: message.at,
                    kind: Kind::Quote,
                    who: message.who.clone(),
                    text: message.text.clone(),
                    place: message.place.clone(),
                    message: Some(Quoted {
                        name: name.clone(),
                        called: message.called.clone(),
                        link: message.link.clone(),
                        files: files.clone(),
                        missing: missing.clone(),
                        edited: message.edited,
                        deleted: message.deleted,
                    }),
                    ..Entry::by(cx)
                };
                enter(permit, it.number, &entry)?;
                permit.expect(QUOTED.key(&key), 0);
                // It may be edited or deleted at this very moment.
                permit.expect(MESSAGES.key(&name), version);
                QUOTED.put(permit, &key, &entry_name(it.number, entry.at, permit.act()))?;
                self.tell(cx, permit, it, &told(permit.act(), &files), false)?;
                Ok((permit.act(), files))
            })
            .await?;
        Ok(told(entry, &files))
    }

    /// Takes a message out of the timeline again; it stays beside it, for the act that undoes this.
    async fn unquote(&self, cx: &Cx, it: &Standing, name: &str, place: &str) -> Result<Reply> {
        let (key, number) = (quoted(name, it.number), noted_by(place));
        let Some(entry) = TIMELINE.get(cx.store(), place).await? else {
            return Err(anyhow::anyhow!("the message {name} has no entry at {place}").into());
        };
        let undo = format!("incident quote message:{} number:{}", quote(name), it.number);
        let change = Change::now(cx, "incidents.unquote", format!("Take entry #{number} out")).undo(undo);
        let gone = Act { state: Some(QUOTED.key(&key)), ..act(it, &change, cx) };
        let told = Reply::say(format!("Entry #{number} does not stand in the timeline of #{} any more.", it.number));
        cx.act(gone, async |permit| {
            permit.expect(TIMELINE.key(place), entry.version);
            permit.delete(TIMELINE.key(place));
            permit.delete(QUOTED.key(&key));
            REMOVED.put(permit, &key, &(place.to_owned(), entry.value))?;
            self.tell(cx, permit, it, &told, false)
        })
        .await?;
        Ok(told)
    }

    /// Puts a message back that was taken out, as it stood, with its files and what it said before.
    async fn put_back(&self, cx: &Cx, it: &Standing, name: &str, (place, entry): (String, Entry)) -> Result<Reply> {
        let (key, number) = (quoted(name, it.number), noted_by(&place));
        let undo = format!("incident quote message:{} remove:yes number:{}", quote(name), it.number);
        let change = Change::now(cx, "incidents.quote", format!("Put entry #{number} back")).undo(undo);
        let back = Act { state: Some(QUOTED.key(&key)), ..act(it, &change, cx) };
        let told = Reply::say(format!("Entry #{number} stands in the timeline of #{} again.", it.number));
        cx.act(back, async |permit| {
            permit.expect(QUOTED.key(&key), 0);
            QUOTED.put(permit, &key, &place)?;
            TIMELINE.put(permit, &place, &entry)?;
            permit.delete(REMOVED.key(&key));
            self.tell(cx, permit, it, &told, false)
        })
        .await?;
        Ok(told)
    }
}

/// What somebody says by marking a message: that it is to be kept, where an incident is talked about that is not over.
pub(super) async fn marked(cx: &Cx, message: &Message) -> anyhow::Result<Option<String>> {
    let open = Standing::open(cx.store()).await?;
    let own = open.iter().find(|it| it.home() != &it.incident.place && same_channel(it.home(), &message.place));
    let mut here = open.iter().filter(|it| same_channel(&it.incident.place, &message.place));
    let alone = here.next().filter(|_| here.next().is_none());
    let Some(it) = own.or(alone).filter(|it| it.incident.stage != Stage::Resolved) else { return Ok(None) };
    let key = quoted(&message.name(), it.number);
    // A mark that is still on a message which somebody has taken out does not put it back.
    let known = QUOTED.get(cx.store(), &key).await?.is_some() || REMOVED.get(cx.store(), &key).await?.is_some();
    Ok((!known).then(|| format!("incident quote number:{}", it.number)))
}

/// Where the incidents are talked about that are not over.
pub(super) async fn listens(cx: &Cx) -> anyhow::Result<Vec<Place>> {
    let mut places: Vec<Place> = Vec::new();
    for it in Standing::open(cx.store()).await? {
        for place in [it.home(), &it.incident.place] {
            if !places.iter().any(|other| same_channel(other, place)) {
                places.push(place.clone());
            }
        }
    }
    Ok(places)
}

/// The threads of the incidents that are not over, and the messages that stand in their timelines, or in those of incidents
/// that have ended lately. In the channel that a thread hangs under there are marks that were there before the incident.
pub(super) async fn follows(cx: &Cx) -> anyhow::Result<Follows> {
    let mut follows = Follows::default();
    let open = Standing::open(cx.store()).await?;
    let own = open.iter().filter(|it| !same_channel(it.home(), &it.incident.place));
    follows.channels.extend(own.map(|it| it.home().clone()));
    let lately = cx.now() - LATELY;
    let newest = Standing::newest(cx.store(), RECENT).await?;
    let young = newest.iter().filter(|it| it.incident.clocks.resolved.is_none_or(|resolved| resolved >= lately));
    let young: HashSet<_> = young.map(|it| name(it.number)).collect();
    if young.is_empty() {
        return Ok(follows);
    }
    for (key, place) in QUOTED.scan(cx.store(), "", usize::MAX).await? {
        if !key.rsplit('/').next().is_some_and(|incident| young.contains(incident)) {
            continue;
        }
        let entry = TIMELINE.get(cx.store(), &place.value).await?.map(|entry| entry.value);
        let stands = entry.filter(|entry| entry.message.as_ref().is_some_and(|message| message.deleted.is_none()));
        follows.messages.extend(stands.map(|entry| entry.place));
    }
    Ok(follows)
}

/// A message was edited, or deleted: wherever it stands, what it said before is kept beside what it says now.
pub(super) async fn revised(cx: &Cx, message: &str, says: Option<&str>, at: DateTime<Utc>) -> Result<()> {
    let mut all = Ok(());
    for (_, place) in QUOTED.scan(cx.store(), &format!("{message}/"), usize::MAX).await? {
        let revised = match revise(cx, &place.value, says, at).await {
            // Somebody has changed the entry at this moment.
            Err(Stop::Refused(_)) => revise(cx, &place.value, says, at).await,
            revised => revised,
        };
        all = all.and(revised);
    }
    all
}

/// The message that the entry of this name is says something else since `at`, or nothing any more.
async fn revise(cx: &Cx, name: &str, says: Option<&str>, at: DateTime<Utc>) -> Result<()> {
    let Some(found) = TIMELINE.get(cx.store(), name).await? else { return Ok(()) };
    let Some(entry) = after(found.value, says, at) else { return Ok(()) };
    let incident = name.split('/').next().and_then(|number| u64::from_str_radix(number, 16).ok()).unwrap_or_default();
    let act = Act {
        verb: "incidents.revise",
        object: format!("#{incident}"),
        facts: vec![("entry", noted_by(name).to_string()), ("text", says.unwrap_or("(deleted)").to_owned())],
        ..Act::default()
    };
    cx.act(act, async |permit| {
        permit.expect(TIMELINE.key(name), found.version);
        permit.note(format!("entry #{} was {}", noted_by(name), if says.is_some() { "edited" } else { "deleted" }));
        Ok(TIMELINE.put(permit, name, &entry)?)
    })
    .await
}

/// The entry of a message that says something else since `at`, or nothing any more; nothing where that is known. Edits are
/// not always told in their order: one that came before another stands among what was said before.
fn after(mut entry: Entry, says: Option<&str>, at: DateTime<Utc>) -> Option<Entry> {
    let quoted = entry.message.as_mut()?;
    let Some(says) = says else {
        if quoted.deleted.is_some() {
            return None;
        }
        quoted.deleted = Some(at);
        return Some(entry);
    };
    if quoted.edited.is_some_and(|edited| edited >= at) {
        let known = entry.revisions.iter().any(|revision| revision.at == at);
        let next = entry.revisions.iter().position(|revision| revision.at > at).filter(|_| !known)?;
        let until = std::mem::replace(&mut entry.revisions[next].at, at);
        let late = Revision { text: says.to_owned(), by: entry.who.clone(), at: until };
        entry.revisions.insert(next + 1, late);
        return Some(entry);
    }
    if says == entry.text {
        return None;
    }
    quoted.edited = Some(at);
    let before = std::mem::replace(&mut entry.text, says.to_owned());
    entry.revisions.push(Revision { text: before, by: entry.who.clone(), at });
    Some(entry)
}

/// Who said it, as they are shown: whom the config does not know, by what they are called.
fn author(message: &Message) -> String {
    shown_as(&message.who, &message.called)
}

/// Somebody by their name in the config, else by what they were called.
pub(super) fn shown_as(who: &str, called: &str) -> String {
    let is_stranger = who.contains(':') && !called.trim().is_empty();
    if is_stranger { format!("{} ({})", text::cut(&text::plain(called), 40), text::plain(who)) } else { show::who(who) }
}

/// People's words on one line, safe to show.
pub(super) fn words(said: &str) -> String {
    if said.trim().is_empty() { "(no words)".to_owned() } else { text::plain(&text::as_line(said)) }
}

/// Copies of what goes with a message, as far as they are within bounds, and what is missing, each with its reason.
async fn copy(cx: &Cx, attachments: &[Attachment]) -> (Vec<Copy>, Vec<String>) {
    let (mut wanted, mut missing, mut all) = (Vec::new(), Vec::new(), 0);
    for file in attachments {
        let size = file.size;
        let why = match () {
            () if wanted.len() == MOST_FILES => format!("{MOST_FILES} files of a message are copied at the most"),
            () if size > LARGEST => format!("it has {}, and {} are the most", bytes(size), bytes(LARGEST)),
            () if all + size > LARGEST_ALL => format!("{} of a message are copied at the most", bytes(LARGEST_ALL)),
            () => {
                all += size;
                wanted.push(file);
                continue;
            }
        };
        missing.push(format!("{}: {why}", title(&file.name)));
    }
    let mut copies = Vec::new();
    let fetched = future::join_all(wanted.iter().map(|file| fetch(cx, file))).await;
    for (file, fetched) in wanted.into_iter().zip(fetched) {
        match fetched {
            Ok(bytes) => copies.push(Copy { name: title(&file.name), bytes }),
            Err(why) => missing.push(format!("{}: {why}", title(&file.name))),
        }
    }
    (copies, missing)
}

/// What is in a file, or why it can not be had.
async fn fetch(cx: &Cx, file: &Attachment) -> std::result::Result<Bytes, String> {
    let request = Request::get(&file.url).body(Bytes::new()).map_err(|_| "its address is none".to_owned())?;
    let limit = usize::try_from(LARGEST).unwrap_or(usize::MAX);
    let answer = cx.ports().http.read(request, PATIENCE, limit).await.map_err(|error| {
        tracing::info!(file.url, "an attachment can not be had: {error:#}");
        "it could not be had".to_owned()
    })?;
    match (answer.status().as_u16(), answer.into_body()) {
        (200, bytes) if bytes.len() as u64 == file.size => Ok(bytes),
        (200, bytes) => Err(format!("only {} of its {} bytes came", bytes.len(), file.size)),
        (status, _) => Err(format!("it is not there any more (status {status})")),
    }
}

/// What a file is called: a short word without anything that could deceive.
fn title(name: &str) -> String {
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let title = text::cut(&text::plain(base), 80);
    if title.trim().is_empty() { "file".to_owned() } else { title }
}

/// The ending of a copy's name, by what is in it: what it is called says nothing.
fn ending(bytes: &[u8]) -> &'static str {
    let picture = PICTURES
        .iter()
        .find(|(begins, ending)| bytes.starts_with(begins) && (*ending != "webp" || bytes.get(8..12) == Some(b"WEBP")));
    match picture {
        Some((_, ending)) => ending,
        None if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) => "txt",
        None => "bin",
    }
}

/// A size as people read it.
fn bytes(size: u64) -> String {
    match size {
        0..1_048_576 => format!("{} KB", size.div_ceil(1024)),
        _ => format!("{} MB", size.div_ceil(1_048_576)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_what_is_in_it_whatever_it_is_called() {
        for (bytes, wanted) in [
            (&b"\x89PNG\r\n\x1a\n...."[..], "png"),
            (b"\xFF\xD8\xFF\xE0", "jpg"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
            (b"RIFF\0\0\0\0WAVEfmt ", "bin"),
            (b"<svg onload=alert(1)>", "txt"),
            (b"<script>alert(1)</script>", "txt"),
            (b"", "txt"),
            (b"\x7fELF\0", "bin"),
        ] {
            assert_eq!(ending(bytes), wanted, "{bytes:?}");
        }
    }

    /// An entry of a message that said "a" when it was kept, after these edits: what it says, and what it said before, each
    /// with the second of its end.
    fn edited(edits: &[(&str, i64)]) -> (String, Vec<(String, i64)>) {
        let at = |second: i64| DateTime::from_timestamp(second, 0).unwrap();
        let (files, missing) = (Vec::new(), Vec::new());
        let quoted = Quoted {
            name: "chat-1".into(),
            called: "ben".into(),
            link: None,
            files,
            missing,
            edited: None,
            deleted: None,
        };
        let mut entry = Entry {
            at: at(0),
            kind: Kind::Quote,
            who: "ben".to_owned(),
            text: "a".to_owned(),
            about: None,
            place: Place::default(),
            message: Some(quoted),
            revisions: Vec::new(),
        };
        for (says, second) in edits {
            entry = after(entry.clone(), Some(says), at(*second)).unwrap_or(entry);
        }
        let before = entry.revisions.into_iter().map(|revision| (revision.text, revision.at.timestamp()));
        (entry.text, before.collect())
    }

    #[test]
    fn the_newest_edit_stands_and_each_is_kept_in_whatever_order_they_are_told() {
        let (b, c, d) = (("b", 1), ("c", 2), ("d", 3));
        let all = ("d".to_owned(), [("a", 1), ("b", 2), ("c", 3)].map(|(text, at)| (text.to_owned(), at)).to_vec());
        for order in [[b, c, d], [b, d, c], [c, b, d], [c, d, b], [d, b, c], [d, c, b]] {
            assert_eq!(edited(&order), all, "{order:?}");
            let twice: Vec<_> = order.iter().chain(&order).copied().collect();
            assert_eq!(edited(&twice), all, "{order:?}, each told twice");
        }
    }

    #[test]
    fn the_name_of_a_file_deceives_nobody() {
        for (name, wanted) in [
            ("pool.png", "pool.png"),
            ("../../etc/passwd", "passwd"),
            ("..\\boot.ini", "boot.ini"),
            ("", "file"),
            ("gnp.\u{202e}exe", "gnp.\u{fffd}exe"),
        ] {
            assert_eq!(title(name), wanted, "{name:?}");
        }
    }
}
