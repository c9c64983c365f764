//! Marking what was changed at a source from which others draw as well, such as Graphite's events.

use super::Metrics;
use super::events::Event;
use super::source::Source;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::cx::Cx;
use commands::ledger::{Entry, Phase, Query};
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::store::Batch;
use commands::table::Table;
use commands::text;
use serde::{Deserialize, Serialize};

/// The job that marks.
pub const JOB: &str = "markers";

/// What an act that marks is called.
pub const VERB: &str = "metrics.mark";

/// How far the ledger was looked at for each source. It is a count, on which nothing rests: what a source has already is asked
/// of the source, so that nothing is marked twice.
const LOOKED: Table<Looked> = Table::new("counts/metrics/markers/");

/// How long what was changed is still marked, where a source can not be reached before.
const KEPT: TimeDelta = TimeDelta::days(14);

/// The most that is marked in one act.
const MOST: usize = 200;

/// How long the words of a marker may be.
const COLUMNS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Looked {
    /// The newest entry that was looked at.
    seq: u64,
    /// When it was written.
    at: DateTime<Utc>,
}

/// Something that was changed, as a source is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marker {
    /// When it ended, in seconds.
    pub second: i64,
    /// What it was, on one line: `#412 deploy.ship hello v2 (3f2c1ab)`.
    pub what: String,
    /// Words to find it by: its verb, the service, the environment.
    pub tags: Vec<String>,
}

impl Marker {
    fn of(entry: &Entry) -> Marker {
        let draft = &entry.draft;
        let what = format!("#{} {}", entry.act(), Event::of(entry, draft.at).what);
        let tags = [Some(&draft.verb), draft.service.as_ref(), draft.environment.as_ref()];
        Marker {
            second: draft.at.timestamp(),
            what: text::cut(&text::plain(&what), COLUMNS),
            tags: tags.into_iter().flatten().cloned().collect(),
        }
    }
}

impl Metrics {
    /// Marks what was changed since the last look, at each source that wants it. A source that can not be reached is tried again
    /// in a minute, and stops nothing else.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub(super) async fn mark(&self, cx: &Cx) -> Result<()> {
        for (name, source) in &self.settings.sources {
            let Some(source) = source.as_deref().filter(|source| !source.markers().is_empty()) else { continue };
            match mark(cx, name, source).await {
                Ok(()) => {}
                Err(Stop::Refused(why)) => tracing::warn!(source = name, "changes are not marked yet: {}", why.text),
                Err(broken) => return Err(broken),
            }
        }
        Ok(())
    }
}

/// Settles an act that was cut off: what is missing is seen at the next look.
///
/// # Errors
/// When the ledger can not be written.
pub async fn cut_off(cx: &Cx, doing: Entry) -> Result<Reply> {
    let note = "Deckhand was stopped meanwhile; what is missing is marked by the next run.";
    cx.resume(doing, async |permit| {
        permit.failed(note);
        Ok(())
    })
    .await?;
    Ok(Reply::say(note))
}

async fn mark(cx: &Cx, name: &str, source: &dyn Source) -> Result<()> {
    let found = LOOKED.get(cx.store(), name).await?;
    let looked = found.as_ref().map(|found| found.value);
    let since = looked.map(|looked| looked.at.max(cx.now() - KEPT));
    // A source that is new is told of what comes.
    let limit = if since.is_some() { usize::MAX } else { 1 };
    let entries = Query { since, ..Query::default() }.run(cx.store(), limit).await?;
    let newest = entries.first().map(|entry| Looked { seq: entry.seq, at: entry.draft.at });
    let newest = newest.or(looked).unwrap_or(Looked { seq: 0, at: cx.now() });
    if Some(newest) == looked {
        return Ok(());
    }
    if let Some(looked) = looked {
        let is_new = |entry: &&Entry| entry.seq > looked.seq && wants(source.markers(), entry);
        let markers: Vec<_> = entries.iter().rev().filter(is_new).map(Marker::of).collect();
        post(cx, name, source, markers).await?;
    }
    let mut batch = Batch::default();
    batch.expect(LOOKED.key(name), found.map_or(0, |found| found.version));
    LOOKED.put_in(&mut batch, name, &newest)?;
    cx.keep_counts(batch).await?;
    Ok(())
}

/// Whether an entry is the end of an act that is to be marked: by its whole verb, or by what stands before the point.
fn wants(verbs: &[String], entry: &Entry) -> bool {
    let draft = &entry.draft;
    let named =
        |verb: &String| *verb == draft.verb || draft.verb.split_once('.').is_some_and(|(first, _)| first == verb);
    draft.phase != Phase::Doing && verbs.iter().any(named)
}

/// Marks what the source does not have yet.
async fn post(cx: &Cx, name: &str, source: &dyn Source, markers: Vec<Marker>) -> Result<()> {
    let seconds = || markers.iter().map(|marker| marker.second);
    let (Some(first), Some(last)) = (seconds().min(), seconds().max()) else { return Ok(()) };
    let there = told(name, source.marked(cx.ports(), first..=last).await)?;
    let missing: Vec<_> =
        markers.iter().filter(|it| !there.contains(&(it.second, it.what.clone()))).take(MOST).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let act = Act {
        verb: VERB,
        object: format!("{} at {name}", text::plural(missing.len(), "change")),
        facts: vec![("marked", missing.iter().map(|it| &*it.what).collect::<Vec<_>>().join("; "))],
        ..Act::default()
    };
    cx.act(act, async |permit| {
        for marker in &missing {
            told(name, source.mark(cx.ports(), permit, marker).await)?;
        }
        Ok(())
    })
    .await?;
    if missing.len() == MOST {
        return Err(Stop::refuse(format!("there are more than {MOST} at once; the others follow")));
    }
    Ok(())
}

fn told<T>(name: &str, answer: Result<T, String>) -> Result<T> {
    answer.map_err(|met| Stop::refuse(format!("The source `{name}` {met}.")))
}
