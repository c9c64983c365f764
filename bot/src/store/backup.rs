//! Backups: everything in a store as lines of JSON, for any engine to write and any engine to read.
//!
//! The first line says what the file is. Each line after it is a record: its key `k`, its version `r`, and its value, as
//! `v` when it is text and as `b`, in base64, when it is not; a line with neither removes the key. First come the records
//! as they were found, then all changes that were committed meanwhile: read in this order they are the store as it was at
//! the end. The last line counts them and has the SHA-256 of all lines before, so that a file that was cut is not taken
//! for a whole one.

use anyhow::{Context, bail, ensure};
use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use commands::ledger::{self, Verdict};
use commands::store::{Batch, Read, Record, Store};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Lines, Write};
use std::path::Path;

/// What the first line calls it.
const FORMAT: &str = "deckhand-backup";

/// The version of what is described above.
const VERSION: u32 = 1;

/// The store's own note of the last backup. It is written when all records have been read: once it comes by in the
/// changes, all that were committed until then have.
const NOTE: &str = "backup/last";

/// How many records are read, or written, at once.
const PAGE: usize = 256;

/// How many bytes of values a restore writes at once, give or take the last.
const LOAD: usize = 512 * 1024;

/// What a backup or a restore has carried.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Lines of records and changes.
    pub lines: u64,
    /// The revision that the store had at the end.
    pub revision: u64,
    /// When the backup was made.
    pub made: DateTime<Utc>,
}

/// What an engine offers so that a backup can be put into it.
#[async_trait]
pub trait Restore: Read {
    /// Writes records with the versions that they have, and removes those that are nothing. Until the end is sealed, the
    /// engine must not take the store for a whole one.
    async fn load(&self, records: Vec<(String, Option<Record>)>) -> anyhow::Result<()>;

    /// Ends the restore: later revisions are above `revision`, and the ledger goes on after the entry `entries`, whose
    /// hash is `last`.
    async fn seal(&self, revision: u64, entries: u64, last: String) -> anyhow::Result<()>;
}

#[derive(Serialize, Deserialize)]
struct Header {
    format: String,
    version: u32,
    made: DateTime<Utc>,
    deckhand: String,
}

#[derive(Serialize, Deserialize)]
struct Line {
    k: String,
    r: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    v: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    b: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Footer {
    lines: u64,
    revision: u64,
    sha256: String,
}

/// Writes everything in `store` to `file`, while others go on changing it. The file is there when it is whole and on the
/// disk, and not before; only its owner can read it.
///
/// # Errors
/// When the store can not be read, or the file not be written.
pub async fn backup(store: &dyn Store, made: DateTime<Utc>, file: &Path) -> anyhow::Result<Report> {
    let mut new = file.as_os_str().to_owned();
    new.push(".new");
    let new = Path::new(&new);
    let done = write(store, made, new).await;
    let done = done.and_then(|report| {
        fs::rename(new, file)?;
        sync_parent(file)?;
        Ok(report)
    });
    if done.is_err() {
        // What was begun is of no use to anybody.
        let _ = fs::remove_file(new);
    }
    done.with_context(|| format!("no backup was written to {}", file.display()))
}

/// Puts a backup into an empty store, and checks its ledger.
///
/// # Errors
/// When the file is no whole backup - then nothing has been written -, the store is not empty, or the ledger that came
/// with it is not sound.
pub async fn restore(file: &Path, store: &dyn Restore) -> anyhow::Result<Report> {
    let about = || format!("{} was not restored", file.display());
    let report = check(file).with_context(about)?;
    let is_empty = store.scan("", None, 1).await?.is_empty();
    ensure!(is_empty, "{}: there is data already. Move it away first; nothing was changed", about());
    let mut lines = Source::open(file)?;
    lines.next()?;
    let (mut page, mut size) = (Vec::new(), 0);
    for _ in 0..report.lines {
        let line = lines.next()?.context("the file was changed while it was read").with_context(about)?;
        let (key, record) = parse(&line).with_context(about)?;
        size += record.as_ref().map_or(0, |record| record.value.len());
        page.push((key, record));
        if page.len() == PAGE || size >= LOAD {
            store.load(std::mem::take(&mut page)).await?;
            size = 0;
        }
    }
    store.load(page).await?;
    match ledger::verify(store).await? {
        Verdict::Sound { entries, head } => store.seal(report.revision, entries, head).await?,
        Verdict::Bad { seq, why } => bail!("{}: entry {seq} of its ledger is not as it was written: {why}", about()),
    }
    Ok(report)
}

async fn write(store: &dyn Store, made: DateTime<Utc>, file: &Path) -> anyhow::Result<Report> {
    let mut out = Sink::create(file)?;
    let deckhand = env!("CARGO_PKG_VERSION").to_owned();
    out.line(&Header { format: FORMAT.to_owned(), version: VERSION, made, deckhand })?;
    let mut lines = 0;
    let mut changes = store.watch("");
    let mut after = None::<String>;
    loop {
        let page = store.scan("", after.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        after = Some(last.clone());
        for (key, record) in page {
            out.line(&line(key, record.version, Some(&record.value)))?;
            lines += 1;
        }
        // An engine on this machine answers at once: others get their turn here.
        tokio::task::yield_now().await;
    }
    let mut note = Batch::default();
    note.put(NOTE, serde_json::to_vec(&serde_json::json!({ "at": made }))?);
    let revision = store.commit(note).await?.revision;
    loop {
        let change = changes.next().await.context("the store was closed")?;
        let is_last = change.revision == revision;
        out.line(&line(change.key, change.revision, change.value.as_ref()))?;
        lines += 1;
        if is_last {
            break;
        }
    }
    out.end(lines, revision)?;
    Ok(Report { lines, revision, made })
}

fn line(key: String, version: u64, value: Option<&Bytes>) -> Line {
    let (v, b) = match value.map(|value| std::str::from_utf8(value)) {
        None => (None, None),
        Some(Ok(text)) => (Some(text.to_owned()), None),
        Some(Err(_)) => (None, value.map(|value| BASE64.encode(value))),
    };
    Line { k: key, r: version, v, b }
}

fn parse(line: &str) -> anyhow::Result<(String, Option<Record>)> {
    let Line { k, r, v, b } = serde_json::from_str(line).context("a line in it is not a record")?;
    let value = match (v, b) {
        (Some(text), _) => Some(Bytes::from(text)),
        (None, Some(coded)) => Some(Bytes::from(BASE64.decode(coded).context("a value in it is not base64")?)),
        (None, None) => None,
    };
    Ok((k, value.map(|value| Record { value, version: r })))
}

/// Reads all of a backup and checks that it is whole.
///
/// # Errors
/// When it can not be read, was cut off or edited, or comes from a newer version.
pub fn check(file: &Path) -> anyhow::Result<Report> {
    let mut source = Source::open(file)?;
    let first = source.next()?.context("the file is empty")?;
    let header: Header = serde_json::from_str(&first).ok().context("it is no backup of Deckhand's")?;
    ensure!(header.format == FORMAT, "it is no backup of Deckhand's");
    ensure!(header.version <= VERSION, "a newer Deckhand made it (version {}): use that one", header.version);
    let (mut lines, mut hash) = (0, Sha256::new());
    let mut line = first;
    while let Some(next) = source.next()? {
        hash.update(line.as_bytes());
        hash.update(b"\n");
        line = next;
        lines += 1;
    }
    let footer: Footer = serde_json::from_str(&line).ok().context("its end is missing: it was cut off")?;
    // The last line is not one of those that it counts.
    ensure!(lines == footer.lines + 1, "it has {} records where {} were written", lines - 1, footer.lines);
    ensure!(format!("{:x}", hash.finalize()) == footer.sha256, "it is not as it was written: its SHA-256 differs");
    Ok(Report { lines: footer.lines, revision: footer.revision, made: header.made })
}

struct Source(Lines<BufReader<File>>);

impl Source {
    fn open(file: &Path) -> anyhow::Result<Source> {
        let opened = File::open(file).with_context(|| format!("{} can not be read", file.display()))?;
        Ok(Source(BufReader::new(opened).lines()))
    }

    fn next(&mut self) -> anyhow::Result<Option<String>> {
        self.0.next().transpose().context("the file can not be read")
    }
}

struct Sink {
    file: BufWriter<File>,
    hash: Sha256,
}

impl Sink {
    fn create(file: &Path) -> anyhow::Result<Sink> {
        let mut options = File::options();
        options.create(true).truncate(true).write(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        Ok(Sink { file: BufWriter::new(options.open(file)?), hash: Sha256::new() })
    }

    fn line(&mut self, content: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(content)?;
        text.push(b'\n');
        self.hash.update(&text);
        Ok(self.file.write_all(&text)?)
    }

    fn end(mut self, lines: u64, revision: u64) -> anyhow::Result<()> {
        let sha256 = format!("{:x}", self.hash.clone().finalize());
        self.line(&Footer { lines, revision, sha256 })?;
        Ok(self.file.into_inner().map_err(|error| error.into_error())?.sync_all()?)
    }
}

fn sync_parent(file: &Path) -> anyhow::Result<()> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(File::open(parent)?.sync_all()?)
}
