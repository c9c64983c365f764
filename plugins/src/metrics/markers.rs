//! Marking what was changed at a source from which others draw as well, such as Graphite's events.

use super::Metrics;
use super::events::Event;
use super::source::Source;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::cx::{Cx, Ports};
use commands::ledger::{Entry, Phase, Query};
use commands::moment;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::store::{Batch, Read};
use commands::table::Table;
use commands::text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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

/// How many entries are read at once.
const PAGE: usize = 500;

/// After how many minutes a source that takes no markers is tried again, the last one from then on.
const PAUSES: [i64; 3] = [1, 5, 60];

/// How long the words of a marker may be.
const COLUMNS: usize = 200;

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Looked {
    /// The newest entry that was looked at.
    seq: u64,
}

/// Something that was changed, as a source is told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Marker {
    /// The entry that it is of.
    seq: u64,
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
            seq: entry.seq,
            second: draft.at.timestamp(),
            what: text::cut(&text::plain(&what), COLUMNS),
            tags: tags.into_iter().flatten().cloned().collect(),
        }
    }
}

/// A source that takes no markers.
pub struct Trouble {
    /// Since when.
    since: DateTime<Utc>,
    /// How often it was tried.
    times: usize,
    /// When it is tried again.
    again: DateTime<Utc>,
    /// Why, in a sentence.
    why: String,
}

/// By the names of the sources.
pub type Troubles = BTreeMap<String, Trouble>;

impl Metrics {
    /// Marks what was changed since the last look, at each source that wants it. A source that takes none is tried again, less and
    /// less often, and stops nothing else.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub(super) async fn mark(&self, cx: &Cx) -> Result<()> {
        for (name, source) in &self.settings.sources {
            let Some(source) = source.as_deref().filter(|source| !source.markers().is_empty()) else { continue };
            let mut troubles = self.troubles.lock().await;
            if troubles.get(name).is_some_and(|trouble| cx.now() < trouble.again) {
                continue;
            }
            let why = match mark(cx, name, source).await {
                Ok(()) => {
                    troubles.remove(name);
                    continue;
                }
                Err(Stop::Refused(why)) => why.text,
                Err(broken) => return Err(broken),
            };
            let (since, times) = troubles.get(name).map_or((cx.now(), 0), |trouble| (trouble.since, trouble.times));
            let pause = TimeDelta::minutes(PAUSES[times.min(PAUSES.len() - 1)]);
            if times == 0 {
                tracing::warn!(source = name, "changes are not marked for now: {why}");
            }
            troubles.insert(name.clone(), Trouble { since, times: times + 1, again: cx.now() + pause, why });
        }
        Ok(())
    }

    /// Which sources take no markers, in sentences.
    pub(super) async fn unmarked(&self, ports: &Ports) -> String {
        let at = |at| moment::show(at, ports.clock.now(), ports.vocabulary.zone);
        let told = |(name, it): (&String, &Trouble)| {
            format!("Changes are not marked at {} since {}: {}", text::code(name), at(it.since), it.why)
        };
        self.troubles.lock().await.iter().map(told).collect::<Vec<_>>().join(" ")
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
    let mut entries = match looked {
        Some(looked) => newer(cx.store(), looked.seq, cx.now() - KEPT).await?,
        // A source that is new is told of what comes.
        None => Query::default().run(cx.store(), 1).await?,
    };
    entries.reverse();
    let mut version = found.map_or(0, |found| found.version);
    if looked.is_some() {
        let markers: Vec<_> = entries.iter().filter(|entry| wants(source.markers(), entry)).map(Marker::of).collect();
        for part in markers.chunks(MOST) {
            post(cx, name, source, part).await?;
            if let Some(last) = part.last() {
                version = note(cx, name, version, last.seq).await?;
            }
        }
    }
    let newest = entries.last().map(|entry| entry.seq).or(looked.is_none().then_some(0));
    if let Some(seq) = newest {
        note(cx, name, version, seq).await?;
    }
    Ok(())
}

/// The entries after one, newest first; those that are too old are left out. They are found by their numbers: clocks go back.
async fn newer(store: &dyn Read, seq: u64, since: DateTime<Utc>) -> anyhow::Result<Vec<Entry>> {
    let (mut query, mut found) = (Query::default(), Vec::new());
    loop {
        let page = query.run(store, PAGE).await?;
        let Some(last) = page.last().map(|entry| entry.seq) else { return Ok(found) };
        let is_new = |entry: &Entry| entry.seq > seq && entry.draft.at >= since;
        let all = page.iter().all(is_new);
        found.extend(page.into_iter().filter(is_new));
        if !all {
            return Ok(found);
        }
        query.before = Some(last);
    }
}

/// Notes how far the ledger was looked at; returns the record's new version.
async fn note(cx: &Cx, name: &str, version: u64, seq: u64) -> anyhow::Result<u64> {
    let mut batch = Batch::default();
    batch.expect(LOOKED.key(name), version);
    LOOKED.put_in(&mut batch, name, &Looked { seq })?;
    cx.keep_counts(batch).await?;
    Ok(LOOKED.get(cx.store(), name).await?.map_or(0, |found| found.version))
}

/// Whether an entry is the end of an act that is to be marked: by its whole verb, or by what stands before the point. What is
/// done about metrics is no change.
fn wants(verbs: &[String], entry: &Entry) -> bool {
    let draft = &entry.draft;
    let (first, _) = draft.verb.split_once('.').unwrap_or((&draft.verb, ""));
    let named = |verb: &String| *verb == draft.verb || first == verb;
    draft.phase != Phase::Doing && first != "metrics" && verbs.iter().any(named)
}

/// Marks what the source does not have yet. What it refuses is stepped over, and noted.
async fn post(cx: &Cx, name: &str, source: &dyn Source, markers: &[Marker]) -> Result<()> {
    let seconds = || markers.iter().map(|marker| marker.second);
    let (Some(first), Some(last)) = (seconds().min(), seconds().max()) else { return Ok(()) };
    let there = told(name, source.marked(cx.ports(), first..=last).await)?;
    let missing: Vec<_> = markers.iter().filter(|it| !there.contains(&(it.second, it.what.clone()))).collect();
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
        let mut refused = 0;
        for marker in &missing {
            refused += usize::from(!told(name, source.mark(cx.ports(), permit, marker).await)?);
        }
        if refused > 0 {
            permit.note(format!("{} refused", text::plural(refused, "marker")));
        }
        Ok(())
    })
    .await
}

fn told<T>(name: &str, answer: Result<T, String>) -> Result<T> {
    answer.map_err(|met| Stop::refuse(format!("The source `{name}` {met}.")))
}
