//! The ledger: who changed what, when, why, and how to undo it, in a chain of hashes that shows every later edit.
//!
//! An act is two entries: *doing*, written before anything changes, and *did* or *failed* once it has ended. An entry
//! lies in the store at `ledger/<seq>` as 64 hexadecimal digits of its hash, a line feed, and its body in JSON. The hash
//! is SHA-256 over the body's bytes, and the body holds the hash of the entry before: checking the chain needs nothing
//! but these bytes, whatever version of Deckhand wrote them.

use crate::store::{Read, Record, Writes};
use anyhow::{Context, bail};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The hash that the first entry carries as the one before.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Where the entries lie.
pub const PREFIX: &str = "ledger/";

/// Where the marks of acts lie that have begun and not ended.
const OPEN: &str = "ledger-open/";

/// Where the indexes lie.
const INDEX: &str = "ledger-by/";

/// What an entry says, before it has its place in the chain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// When.
    pub at: DateTime<Utc>,
    /// Where in its act it stands.
    pub phase: Phase,
    /// The number of the act's *doing*; nothing on a *doing*, which is its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<u64>,
    /// What was done: `deploy.ship`.
    pub verb: String,
    /// To what: `hello v2 (3f2c1ab)`.
    pub object: String,
    /// The service it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The environment it concerns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// Who: a person's name in the config, or `deckhand` for what nobody asked for.
    pub who: String,
    /// Where it was said.
    pub place: Place,
    /// Why, in their words.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
    /// What came of it, in a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// The line that undoes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
    /// The key of the record that shows how the changed thing stands: while that is as it was, so is the undo line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The act's digest: what exactly was agreed to.
    pub digest: String,
    /// Whatever else the plugin wants to find again.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub facts: serde_json::Map<String, serde_json::Value>,
}

/// The fact that names who approved an act.
pub(crate) const APPROVED_BY: &str = "approved by";

/// The fact that says how to go back, where that is done by hand and no line does it.
pub const BY_HAND: &str = "by hand";

impl Draft {
    /// How to go back, where that is done by hand: in words, not fit to be shown as they are.
    pub fn by_hand(&self) -> Option<&str> {
        self.facts.get(BY_HAND).and_then(serde_json::Value::as_str)
    }

    /// Who approved it, where that was needed.
    pub fn approved_by(&self) -> Vec<&str> {
        let names = self.facts.get(APPROVED_BY).and_then(serde_json::Value::as_array);
        names.into_iter().flatten().filter_map(serde_json::Value::as_str).collect()
    }
}

/// How the note of an act begins that is closed as *failed*, because nobody knows how it ended.
pub const NOT_KNOWN: &str = "not known: ";

/// Where in its act an entry stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// It is about to be done; without an end after it, it is unfinished.
    Doing,
    /// It was done.
    Did,
    /// It was not done, or not wholly: the note says.
    Failed,
}

impl Phase {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Phase::Doing => "doing",
            Phase::Did => "did",
            Phase::Failed => "failed",
        }
    }
}

/// Where something is said: enough to find the message again and edit it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Place {
    /// The platform's name.
    pub platform: String,
    /// The channel, by the platform's id of it; a thread's is `<channel>/<thread>`.
    pub channel: String,
    /// The message that answers, by the platform's id of it; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}

/// An entry in its place in the chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its number: 1, 2, 3 …
    pub seq: u64,
    /// The hash of the entry before.
    pub prev: String,
    /// Its own hash.
    pub hash: String,
    /// What it says.
    pub draft: Draft,
}

#[derive(Serialize, Deserialize)]
struct Body {
    seq: u64,
    prev: String,
    #[serde(flatten)]
    draft: Draft,
}

impl Entry {
    /// Gives `draft` its place after the entry `seq - 1`, whose hash is `prev`, and returns it with what a store has to
    /// write (and, where there is no value, to remove): the entry itself, its index keys, and the mark of an open act.
    ///
    /// # Errors
    /// When a fact can not be written as JSON.
    pub fn link(draft: Draft, seq: u64, prev: &str) -> anyhow::Result<(Entry, Writes)> {
        let body = serde_json::to_string(&Body { seq, prev: prev.to_owned(), draft: draft.clone() })?;
        let entry = Entry { seq, prev: prev.to_owned(), hash: hash(body.as_bytes()), draft };
        let mut writes = vec![(key(seq), Some(Bytes::from(format!("{}\n{body}", entry.hash))))];
        writes.extend(entry.indexes().into_iter().map(|key| (key, Some(Bytes::new()))));
        let open = (entry.draft.phase == Phase::Doing).then(Bytes::new);
        writes.push((format!("{OPEN}{:016x}", entry.act()), open));
        Ok((entry, writes))
    }

    /// Reads an entry and checks its own hash.
    ///
    /// # Errors
    /// When the bytes are no entry, or not the ones that were hashed.
    pub fn read(bytes: &[u8]) -> anyhow::Result<Entry> {
        let text = std::str::from_utf8(bytes).context("it is not text")?;
        let (stated, body) = text.split_once('\n').context("it has no hash")?;
        let found = hash(body.as_bytes());
        if stated != found {
            bail!("its hash is {stated}, but its content hashes to {found}");
        }
        let Body { seq, prev, draft } = serde_json::from_str(body).context("its body is not an entry")?;
        Ok(Entry { seq, prev, hash: found, draft })
    }

    /// The number of the act that it belongs to: that of the act's *doing*.
    pub fn act(&self) -> u64 {
        self.draft.of.unwrap_or(self.seq)
    }

    fn indexes(&self) -> Vec<String> {
        let draft = &self.draft;
        let mut keys = vec![index_key(By::Person(&draft.who), self.seq), index_key(By::Verb(&draft.verb), self.seq)];
        keys.extend(draft.service.as_deref().map(|service| index_key(By::Service(service), self.seq)));
        keys.extend(draft.environment.as_deref().map(|env| index_key(By::Environment(env), self.seq)));
        keys
    }
}

/// The key of entry `seq`.
pub fn key(seq: u64) -> String {
    format!("{PREFIX}{seq:016x}")
}

fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[derive(Clone, Copy)]
enum By<'a> {
    Service(&'a str),
    Environment(&'a str),
    Person(&'a str),
    Verb(&'a str),
}

fn index_prefix(by: By<'_>) -> String {
    // A name may hold any character: its length keeps one index from running into the next.
    let (kind, value) = match by {
        By::Service(value) => ("service", value),
        By::Environment(value) => ("environment", value),
        By::Person(value) => ("person", value),
        By::Verb(value) => ("verb", value),
    };
    format!("{INDEX}{kind}/{}/{value}/", value.len())
}

fn index_key(by: By<'_>, seq: u64) -> String {
    format!("{}{seq:016x}", index_prefix(by))
}

/// Which entries are wanted. An empty query wants all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct Query {
    /// Only this service's.
    pub service: Option<String>,
    /// Only this environment's.
    pub environment: Option<String>,
    /// Only this person's.
    pub person: Option<String>,
    /// Only this verb's (`deploy.ship`), or those of a whole plugin (`deploy`).
    pub verb: Option<String>,
    /// Only from this moment on.
    pub since: Option<DateTime<Utc>>,
    /// Only before this moment.
    pub until: Option<DateTime<Utc>>,
    /// Only before this entry: the way to the next page.
    pub before: Option<u64>,
}

impl Query {
    /// At most `limit` entries that fit, newest first.
    ///
    /// # Errors
    /// When the store can not be read, or an entry in the way is damaged.
    pub async fn run(&self, store: &dyn Read, limit: usize) -> anyhow::Result<Vec<Entry>> {
        const PAGE: usize = 128;
        let index = self.index().map(index_prefix);
        let prefix = index.as_deref().unwrap_or(PREFIX);
        let mut before = self.before.map(|seq| format!("{prefix}{seq:016x}"));
        let mut found = Vec::new();
        loop {
            let want = if self.plain() { limit.min(PAGE) } else { PAGE };
            let page = store.scan_back(prefix, before.as_deref(), want).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            before = Some(last.clone());
            for (key, record) in page {
                let entry = match &index {
                    None => read(&key, &record)?,
                    Some(_) => get(store, key.rsplit('/').next().unwrap_or_default()).await?,
                };
                if self.since.is_some_and(|since| entry.draft.at < since) {
                    return Ok(found);
                }
                if self.fits(&entry.draft) {
                    found.push(entry);
                    if found.len() == limit {
                        return Ok(found);
                    }
                }
            }
        }
    }

    /// The newest entry of each act that fits, newest first: at most `limit`, and whether there are more.
    ///
    /// # Errors
    /// As [`Query::run`].
    pub async fn acts(mut self, store: &dyn Read, limit: usize) -> anyhow::Result<(Vec<Entry>, bool)> {
        let mut acts: Vec<Entry> = Vec::new();
        loop {
            // An act is at most two entries.
            let page = self.run(store, 2 * limit + 2).await?;
            let Some(last) = page.last() else { return Ok((acts, false)) };
            self.before = Some(last.seq);
            for entry in page {
                if acts.iter().any(|other| other.act() == entry.act()) {
                    continue;
                }
                if acts.len() == limit {
                    return Ok((acts, true));
                }
                acts.push(entry);
            }
        }
    }

    /// The index that leaves the fewest entries to look at.
    fn index(&self) -> Option<By<'_>> {
        let verb = self.verb.as_deref().filter(|verb| verb.contains('.'));
        (self.person.as_deref().map(By::Person))
            .or(verb.map(By::Verb))
            .or(self.service.as_deref().map(By::Service))
            .or(self.environment.as_deref().map(By::Environment))
    }

    /// Whether every entry of the range fits, so that no more need be read than are wanted.
    fn plain(&self) -> bool {
        let parts = [&self.service, &self.environment, &self.person, &self.verb];
        self.until.is_none() && parts.into_iter().flatten().count() <= usize::from(self.index().is_some())
    }

    fn fits(&self, draft: &Draft) -> bool {
        let same = |want: &Option<String>, is: Option<&str>| want.is_none() || want.as_deref() == is;
        let verb = self.verb.as_ref().is_none_or(|want| {
            draft.verb == *want || draft.verb.split_once('.').is_some_and(|(plugin, _)| plugin == want)
        });
        same(&self.service, draft.service.as_deref())
            && same(&self.environment, draft.environment.as_deref())
            && same(&self.person, Some(&draft.who))
            && self.until.is_none_or(|until| draft.at < until)
            && verb
    }
}

async fn get(store: &dyn Read, seq: &str) -> anyhow::Result<Entry> {
    let key = format!("{PREFIX}{seq}");
    let record = store.get(&key).await?.with_context(|| format!("{key} is in an index, but not on the ledger"))?;
    read(&key, &record)
}

fn read(key: &str, record: &Record) -> anyhow::Result<Entry> {
    Entry::read(&record.value).with_context(|| format!("{key} is damaged: run `deckhand audit verify`"))
}

/// The *doing* of every act that has not ended, oldest first.
///
/// # Errors
/// When the store can not be read, or one of them is damaged.
pub async fn open(store: &dyn Read) -> anyhow::Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (key, _) in store.scan(OPEN, None, usize::MAX).await? {
        entries.push(get(store, key.trim_start_matches(OPEN)).await?);
    }
    Ok(entries)
}

/// The entries after the key `after`, a page of them, each with its key and as a line of JSON: `{"hash":…,"entry":…}`. The
/// entry's bytes are exactly those that were hashed, so that anybody can check the chain from an export.
///
/// # Errors
/// When the store can not be read, or an entry is damaged.
pub async fn export(store: &dyn Read, after: Option<&str>) -> anyhow::Result<Vec<(String, String)>> {
    let line = |(key, record): (String, Record)| {
        let entry = read(&key, &record)?;
        let text = String::from_utf8_lossy(&record.value);
        let body = text.split_once('\n').map_or("null", |(_, body)| body);
        Ok((key, format!("{{\"hash\":\"{}\",\"entry\":{body}}}", entry.hash)))
    };
    store.scan(PREFIX, after, 256).await?.into_iter().map(line).collect()
}

/// What a check of the whole chain found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every entry is as it was written; this many, and the hash of the last one.
    Sound {
        /// How many.
        entries: u64,
        /// The last one's hash: note it elsewhere, and a later check can prove that nothing before it was replaced.
        head: String,
    },
    /// The first entry that is not.
    Bad {
        /// The number that it has or should have.
        seq: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// Checks every entry's hash, number, and link to the one before.
///
/// # Errors
/// When the store can not be read.
pub async fn verify(store: &dyn Read) -> anyhow::Result<Verdict> {
    let (mut seq, mut head, mut after) = (0, GENESIS.to_owned(), None::<String>);
    loop {
        let page = store.scan(PREFIX, after.as_deref(), 512).await?;
        let Some((last, _)) = page.last() else { return Ok(Verdict::Sound { entries: seq, head }) };
        after = Some(last.clone());
        for (at, record) in &page {
            seq += 1;
            let bad = |why: String| Ok(Verdict::Bad { seq, why });
            if *at != key(seq) {
                return bad(format!("it is missing; the next one there is at {at}"));
            }
            match Entry::read(&record.value) {
                Err(error) => return bad(format!("{error:#}")),
                Ok(entry) if entry.seq != seq => return bad(format!("it says that it is number {}", entry.seq)),
                Ok(entry) if entry.prev != head => return bad("it does not follow from the entry before it".to_owned()),
                Ok(entry) => head = entry.hash,
            }
        }
    }
}
