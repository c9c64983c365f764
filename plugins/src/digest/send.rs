//! Telling digests: each once for the time at which it is due, whatever is restarted meanwhile.

use super::act;
use super::records::{self, DIGESTS, Digest};
use super::show::{self, Whole};
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::Cx;
use commands::offer::Section;
use commands::offer::chart::Overview;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use futures::{StreamExt, stream};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

/// How late a digest may be without a word about it.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// For how many it is found out at once what there is to tell: sources take their time.
const ASKED_AT_ONCE: usize = 64;

/// How many are told at once. They are few: whoever says something meanwhile waits for no more than these.
const TOLD_AT_ONCE: usize = 4;

/// The longest time that a digest tells of.
const LONGEST: TimeDelta = TimeDelta::days(35);

/// Tells every digest that is due.
///
/// # Errors
/// The first thing that was in the way: what was told is not told again.
pub async fn due(cx: &Cx) -> Result<()> {
    let now = cx.now();
    let all = records::due(cx.store(), now).await?;
    // Those that are due together tell of the same time, and it is found out once.
    let mut found: HashMap<Range<DateTime<Utc>>, Vec<Section>> = HashMap::new();
    for (_, digest) in &all {
        if let Entry::Vacant(new) = found.entry(span(&digest.value, digest.value.due)) {
            let sections = cx.ports().offered.digest(cx.ports(), new.key().clone()).await;
            new.insert(sections);
        }
    }
    let found = &found;
    let find_out = async |(name, digest): (String, Versioned<Digest>)| {
        let span = span(&digest.value, digest.value.due);
        let sections = found.get(&span).cloned().unwrap_or_default();
        let whole = whole(cx, &digest.value, &span, sections).await;
        (name, digest, span, whole)
    };
    let tell = async |(name, digest, span, whole): (String, Versioned<Digest>, Range<DateTime<Utc>>, Whole)| {
        let due = digest.value.due;
        let told = show::digest(&name, &digest.value, &span, &whole, cx);
        let told = if now - due > LATE { show::late(told, &digest.value, cx) } else { told };
        let next = digest.value.schedule()?.next(now).unwrap_or(due);
        say(cx, &name, &digest, Digest { due: next, until: due, ..digest.value.clone() }, told, "digest.tell").await
    };
    let whole = stream::iter(all).map(find_out).buffer_unordered(ASKED_AT_ONCE);
    let told: Vec<Result<()>> = whole.map(tell).buffer_unordered(TOLD_AT_ONCE).collect().await;
    told.into_iter()
        .find_map(|told| match told {
            // Somebody changed or removed it at this moment: whatever it is now is looked at in a minute.
            Err(Stop::Refused(_)) | Ok(()) => None,
            Err(broken) => Some(broken),
        })
        .map_or(Ok(()), Err)
}

/// What it would tell now.
pub async fn preview(cx: &Cx, name: &str, digest: &Digest) -> Reply {
    let span = span(digest, cx.now());
    let sections = cx.ports().offered.digest(cx.ports(), span.clone()).await;
    show::digest(name, digest, &span, &whole(cx, digest, &span, sections).await, cx)
}

/// All that it tells: how the measures of its channel went comes first.
async fn whole(cx: &Cx, digest: &Digest, span: &Range<DateTime<Utc>>, mut sections: Vec<Section>) -> Whole {
    let overview = cx.ports().offered.overview(cx.ports(), &digest.place, span.clone()).await;
    let overview = overview.unwrap_or_else(|error| {
        let line = format!("They could not be found out: {}.", text::plain(&format!("{error:#}")));
        Some(Overview { lines: vec![line], picture: None })
    });
    let Some(Overview { lines, picture }) = overview else { return Whole { sections, picture: None } };
    sections.insert(0, Section { title: "Measures".to_owned(), lines });
    Whole { sections, picture }
}

/// Tells it now.
///
/// # Errors
/// When it can not be kept, or was changed at this moment.
pub async fn now(cx: &Cx, name: String, found: Versioned<Digest>) -> Result<Reply> {
    let told = preview(cx, &name, &found.value).await;
    let next = Digest { until: cx.now(), ..found.value.clone() };
    say(cx, &name, &found, next, told, "digest.run").await?;
    Ok(Reply::say(format!("The digest `{name}` is told in its channel, and again when it is due.")))
}

/// Tells it in its channel, and moves it on: both or neither.
async fn say(
    cx: &Cx,
    name: &str,
    found: &Versioned<Digest>,
    next: Digest,
    told: Reply,
    verb: &'static str,
) -> Result<()> {
    cx.act(act(verb, name), async |permit| {
        permit.expect(DIGESTS.key(name), found.version);
        DIGESTS.put(permit, name, &next)?;
        permit.say(&next.place, told)
    })
    .await
}

/// The time that it tells of, up to `until`: since it last did, and not for longer than anybody reads of.
fn span(digest: &Digest, until: DateTime<Utc>) -> Range<DateTime<Utc>> {
    digest.until.max(until - LONGEST).min(until)..until
}
