//! How records lie in sled's tree.
//!
//! - `k` and the key hold the record: its version (8 bytes, big endian), a byte that says how the value lies, and the
//!   value or, when it is long, the number of its chunks (4 bytes).
//! - `c`, the key, a zero byte, the version and a number hold one chunk of a long value. sled would put a page that grows
//!   beyond a quarter of a segment into a file of its own, which it never syncs; chunks keep every page well below that.
//! - `h` holds the head: the last revision and the end of the ledger's chain.

use anyhow::{Context, bail, ensure};
use bytes::Bytes;
use commands::ledger::GENESIS;
use commands::store::Record;
use serde::{Deserialize, Serialize};
use sled::{IVec, Tree};
use std::collections::HashMap;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// sled splits a leaf when it has more than 16 items: 17 of these, with their keys, stay below a quarter of
/// [`SEGMENT`].
const CHUNK: usize = 16 * 1024;

/// The size of sled's segments: 256 of the longest keys, which is what an inner page holds, fit into a quarter of one.
pub(super) const SEGMENT: usize = 2 * 1024 * 1024;

const RECORD: u8 = b'k';
const PART: u8 = b'c';
const HEAD: &[u8] = b"h";

const WHOLE: u8 = 0;
const CHUNKED: u8 = 1;

/// How far the store has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Head {
    /// The last revision; 0 in a new store.
    pub revision: u64,
    /// How many entries the ledger has.
    pub entries: u64,
    /// The hash of the last of them.
    pub last: String,
}

impl Head {
    pub(super) fn new() -> Head {
        Head { revision: 0, entries: 0, last: GENESIS.to_owned() }
    }
}

/// The records of one database.
#[derive(Clone)]
pub(super) struct Records(Tree);

impl Records {
    pub(super) fn new(tree: Tree) -> Records {
        Records(tree)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn head(&self) -> anyhow::Result<Option<Head>> {
        guarded(|| {
            let found = self.0.get(HEAD)?;
            found.map(|raw| serde_json::from_slice(&raw).context("the head is not readable")).transpose()
        })
    }

    pub(super) fn get(&self, key: &str) -> anyhow::Result<Option<Record>> {
        guarded(|| self.load(key))
    }

    /// Records whose keys begin with `prefix` and come after `after`.
    pub(super) fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<(String, Record)>> {
        let lower = match after.filter(|after| *after >= prefix) {
            Some(after) => Bound::Excluded(record_key(after)),
            None => Bound::Included(record_key(prefix)),
        };
        let range = (lower, Bound::Excluded(end_of(prefix)));
        guarded(|| if is_void(&range) { Ok(Vec::new()) } else { self.take(self.0.range(range.clone()), limit) })
    }

    /// Records whose keys begin with `prefix` and come before `before`, last first.
    pub(super) fn scan_back(
        &self,
        prefix: &str,
        before: Option<&str>,
        limit: usize,
    ) -> anyhow::Result<Vec<(String, Record)>> {
        let end = end_of(prefix);
        let upper = before.map(record_key).filter(|before| *before < end).unwrap_or(end);
        let range = (Bound::Included(record_key(prefix)), Bound::Excluded(upper));
        guarded(|| if is_void(&range) { Ok(Vec::new()) } else { self.take(self.0.range(range.clone()).rev(), limit) })
    }

    fn take(
        &self,
        found: impl Iterator<Item = sled::Result<(IVec, IVec)>>,
        limit: usize,
    ) -> anyhow::Result<Vec<(String, Record)>> {
        let mut records = Vec::new();
        for item in found {
            if records.len() == limit {
                break;
            }
            let (raw_key, raw) = item?;
            let key = std::str::from_utf8(&raw_key[1..]).context("a key is not text")?.to_owned();
            // A long value may have been replaced since the range was read: then the record is read anew.
            if let Some(record) = self.decode(&key, &raw)?.map_or_else(|| self.load(&key), |found| Ok(Some(found)))? {
                records.push((key, record));
            }
        }
        Ok(records)
    }

    fn load(&self, key: &str) -> anyhow::Result<Option<Record>> {
        let mut seen = None;
        loop {
            let Some(raw) = self.0.get(record_key(key))? else { return Ok(None) };
            if let Some(record) = self.decode(key, &raw)? {
                return Ok(Some(record));
            }
            let version = version_of(key, &raw)?;
            ensure!(seen != Some(version), "the value of {key} is not complete");
            seen = Some(version);
        }
    }

    /// The record, unless its chunks have gone.
    fn decode(&self, key: &str, raw: &[u8]) -> anyhow::Result<Option<Record>> {
        let version = version_of(key, raw)?;
        let value = match chunks_of(key, raw)? {
            None => Bytes::copy_from_slice(&raw[9..]),
            Some(count) => {
                let mut value = Vec::with_capacity(count as usize * CHUNK);
                for number in 0..count {
                    let Some(part) = self.0.get(part_key(key, version, number))? else { return Ok(None) };
                    value.extend_from_slice(&part);
                }
                Bytes::from(value)
            }
        };
        Ok(Some(Record { value, version }))
    }
}

/// Changes to a tree that have yet to be applied, together with what they leave visible of it.
pub(super) struct Staged<'a> {
    records: &'a Records,
    writes: HashMap<Vec<u8>, Option<Vec<u8>>>,
    size: u64,
}

impl<'a> Staged<'a> {
    pub(super) fn new(records: &'a Records) -> Staged<'a> {
        Staged { records, writes: HashMap::new(), size: 0 }
    }

    /// How many bytes it writes, give or take.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// The version that `key` has; 0 when it is not there.
    pub(super) fn version(&self, key: &str) -> anyhow::Result<u64> {
        self.raw(key)?.map_or(Ok(0), |raw| version_of(key, &raw))
    }

    /// Writes or removes the record at `key`, with the chunks that belong to it.
    pub(super) fn write(&mut self, key: &str, version: u64, value: Option<&[u8]>) -> anyhow::Result<()> {
        if let Some(old) = self.raw(key)? {
            let old_version = version_of(key, &old)?;
            for number in 0..chunks_of(key, &old)?.unwrap_or(0) {
                self.put(part_key(key, old_version, number), None);
            }
        }
        let Some(value) = value else {
            self.put(record_key(key), None);
            return Ok(());
        };
        let mut raw = version.to_be_bytes().to_vec();
        if value.len() <= CHUNK {
            raw.push(WHOLE);
            raw.extend_from_slice(value);
        } else {
            let mut count = 0_u32;
            for part in value.chunks(CHUNK) {
                self.put(part_key(key, version, count), Some(part.to_vec()));
                count += 1;
            }
            raw.push(CHUNKED);
            raw.extend_from_slice(&count.to_be_bytes());
        }
        self.put(record_key(key), Some(raw));
        Ok(())
    }

    pub(super) fn write_head(&mut self, head: Option<&Head>) -> anyhow::Result<()> {
        let raw = head.map(serde_json::to_vec).transpose()?;
        self.put(HEAD.to_vec(), raw);
        Ok(())
    }

    /// Gives all of it to sled at once; it is on disk only after a flush and a sync.
    pub(super) fn apply(self) -> anyhow::Result<()> {
        let mut batch = sled::Batch::default();
        for (key, value) in self.writes {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        guarded(|| Ok(self.records.0.apply_batch(batch.clone())?))
    }

    fn raw(&self, key: &str) -> anyhow::Result<Option<IVec>> {
        let key = record_key(key);
        match self.writes.get(&key) {
            Some(staged) => Ok(staged.as_deref().map(IVec::from)),
            None => guarded(|| Ok(self.records.0.get(&key)?)),
        }
    }

    fn put(&mut self, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.size += (key.len() + value.as_ref().map_or(0, Vec::len)) as u64;
        self.writes.insert(key, value);
    }
}

/// sled panics on some kinds of damage where it should return an error; this makes it one.
pub(super) fn guarded<T>(work: impl Fn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| bail!("the database is damaged: {}", told(&*panic)))
}

/// What a panic said.
pub(super) fn told(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("sled gave up without a word")
}

fn record_key(key: &str) -> Vec<u8> {
    [&[RECORD], key.as_bytes()].concat()
}

fn part_key(key: &str, version: u64, number: u32) -> Vec<u8> {
    [&[PART], key.as_bytes(), &[0], &version.to_be_bytes(), &number.to_be_bytes()].concat()
}

/// The first key after all that begin with `prefix`.
fn end_of(prefix: &str) -> Vec<u8> {
    // The byte 0xff is in no UTF-8 text: nothing that continues the prefix reaches it.
    let mut end = record_key(prefix);
    end.push(0xff);
    end
}

/// Whether nothing can lie in a range: sled is not asked about those.
fn is_void(range: &(Bound<Vec<u8>>, Bound<Vec<u8>>)) -> bool {
    let (Bound::Included(from) | Bound::Excluded(from), Bound::Included(to) | Bound::Excluded(to)) = range else {
        return false;
    };
    from >= to
}

fn version_of(key: &str, raw: &[u8]) -> anyhow::Result<u64> {
    let bytes = raw.first_chunk().with_context(|| format!("the record of {key} is cut short"))?;
    Ok(u64::from_be_bytes(*bytes))
}

fn chunks_of(key: &str, raw: &[u8]) -> anyhow::Result<Option<u32>> {
    match raw.get(8) {
        Some(&WHOLE) => Ok(None),
        Some(&CHUNKED) => match raw[9..].try_into() {
            Ok(count) => Ok(Some(u32::from_be_bytes(count))),
            Err(_) => bail!("the record of {key} is cut short"),
        },
        _ => bail!("the record of {key} is damaged, or was written by a newer version"),
    }
}
