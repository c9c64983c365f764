//! What a team did before it had Deckhand, or does elsewhere: deployments, commits and incidents from files of CSV.

use super::rows::{Deployed, Incident, Rows, TOLD, is_own, read_file};
use super::{Deployment, Target, Trouble};
use chrono::{DateTime, Utc};
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::ledger::Entry;
use commands::offer::Change;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::store::Read;
use commands::table::Table;
use commands::text;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What can be imported.
pub const IMPORT: &str = "dora";

const DEPLOYMENTS: Table<Deployed> = Table::new("metrics/dora/deployments/");
const COMMITS: Table<Vec<Change>> = Table::new("metrics/dora/commits/");
const INCIDENTS: Table<Incident> = Table::new("metrics/dora/incidents/");

/// What each import has put in the place of what, by its act and the number of the part: whole keys, and the records that
/// were there.
const TAKEN: Table<Vec<(String, Option<String>)>> = Table::new("metrics/dora/taken/");

/// What the acts are called that take in, and that take an import back.
const TAKE_IN: &str = "metrics.import";
const TAKE_BACK: &str = "metrics.unimport";

/// The acts of which a part may have been kept.
pub const VERBS: [&str; 2] = [TAKE_IN, TAKE_BACK];

#[derive(Deserialize)]
struct TakeBackArgs {
    number: u64,
}

/// When something was imported last.
const LAST: Table<DateTime<Utc>> = Table::new("metrics/dora/imported");

/// How many records are kept at once.
const CHUNK: usize = 1_000;

/// How many are read at once.
pub const PAGE: usize = 500;

/// The most commits of one deployment: they are one record.
const MOST_COMMITS: usize = 1_000;

/// Takes in the text of a file. What is there already is not taken twice.
///
/// # Errors
/// A refusal with every mistake and its line; then nothing was taken.
pub async fn import(cx: &Cx, text: &str) -> Result<Reply> {
    let (kind, count, rows) = read_file(text, &cx.ports().vocabulary).map_err(|mistakes| refused(&mistakes))?;
    let mistakes = match &rows {
        Rows::Deployments(rows) => gone_back_from_nothing(cx.store(), rows).await?,
        Rows::Commits(rows) => brought_by_nothing(cx.store(), rows).await?,
        Rows::Incidents(_) => Vec::new(),
    };
    if !mistakes.is_empty() {
        return Err(refused(&mistakes));
    }
    let act = Act {
        verb: TAKE_IN,
        object: format!("{} of {kind}", text::plural(count, "row")),
        facts: vec![("kind", kind.to_owned()), ("rows", count.to_string())],
        ..Act::default()
    };
    let records = cx.act(act, async |permit| keep(cx, permit, rows).await).await?;
    let says = format!("{} of {kind} taken in, as {}.", text::plural(count, "row"), text::plural(records, "record"));
    Ok(Reply::say(format!("{says} `/metrics dora` counts them from now on; the same file again changes nothing.")))
}

/// Settles an import that was cut off.
///
/// # Errors
/// When the ledger can not be written.
pub async fn cut_off(cx: &Cx, doing: Entry) -> Result<Reply> {
    let next = match &*doing.draft.verb {
        TAKE_BACK => "A part of it was done: say it again, and it goes on.",
        _ => "A part of it was kept: import the same file again, and nothing is taken twice.",
    };
    let text = format!(
        "Deckhand was stopped in the middle of #{} ({} {}). {next}",
        doing.seq, doing.draft.verb, doing.draft.object
    );
    let note = text.clone();
    cx.resume(doing, async move |permit| {
        permit.failed(note);
        Ok(())
    })
    .await?;
    Ok(Reply::say(text))
}

/// Which deployments go back from one that is neither in the file nor was taken in before.
async fn gone_back_from_nothing(store: &dyn Read, rows: &BTreeMap<String, Deployed>) -> anyhow::Result<Vec<String>> {
    let mut mistakes = Vec::new();
    for (name, row) in rows {
        let Some(over) = row.back_over.as_deref().filter(|over| !is_own(over)) else { continue };
        let mut parts = name.splitn(3, '/');
        let (service, environment) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        let other = format!("{service}/{environment}/{over}");
        if !rows.contains_key(&other) && DEPLOYMENTS.get(store, &other).await?.is_none() {
            let (id, over) = (text::code(parts.next().unwrap_or_default()), text::code(over));
            mistakes.push(format!(
                "{id} goes back over {over}, which is no deployment of `{service}` in `{environment}`. Import that one too."
            ));
        }
    }
    Ok(mistakes)
}

/// Which commits are of deployments that were not taken in: they would be counted nowhere.
async fn brought_by_nothing(store: &dyn Read, rows: &BTreeMap<String, Vec<Change>>) -> anyhow::Result<Vec<String>> {
    let mut mistakes = Vec::new();
    for name in rows.keys() {
        if DEPLOYMENTS.get(store, name).await?.is_none() {
            let (target, id) = parted(name);
            mistakes
                .push(format!("{} is no deployment {target}. Import the file of deployments first.", text::code(id)));
        }
    }
    Ok(mistakes)
}

/// The target that a record's name is of, in words, and what is behind it.
fn parted(name: &str) -> (String, &str) {
    let mut parts = name.splitn(3, '/');
    let mut part = || parts.next().unwrap_or_default();
    let (service, environment) = (part(), part());
    (format!("of `{service}` in `{environment}`"), part())
}

async fn keep(cx: &Cx, permit: &Permit, rows: Rows) -> Result<usize> {
    let count = match rows {
        Rows::Deployments(rows) => put_all(cx.store(), permit, &DEPLOYMENTS, rows).await?,
        Rows::Incidents(rows) => put_all(cx.store(), permit, &INCIDENTS, rows).await?,
        Rows::Commits(rows) => {
            let mut all = BTreeMap::new();
            for (name, new) in rows {
                let mut changes = COMMITS.get(cx.store(), &name).await?.map(|kept| kept.value).unwrap_or_default();
                changes.retain(|change| new.iter().all(|other| other.commit != change.commit));
                changes.extend(new);
                if changes.len() > MOST_COMMITS {
                    let name = text::code(&name);
                    return Err(Stop::refuse(format!(
                        "{name} has more than {MOST_COMMITS} commits, which is no deployment of one service."
                    )));
                }
                all.insert(name, changes);
            }
            put_all(cx.store(), permit, &COMMITS, all).await?
        }
    };
    LAST.put(permit, "", &cx.now())?;
    permit.note(text::plural(count, "record"));
    permit.undo(Some(format!("metrics unimport number:{}", permit.act())));
    Ok(count)
}

async fn put_all<T: Serialize + DeserializeOwned>(
    store: &dyn Read,
    permit: &Permit,
    table: &Table<T>,
    rows: BTreeMap<String, T>,
) -> Result<usize> {
    let rows: Vec<_> = rows.into_iter().collect();
    for (number, part) in rows.chunks(CHUNK).enumerate() {
        let mut was = Vec::with_capacity(part.len());
        for (name, row) in part {
            let before = store.get(&table.key(name)).await?;
            was.push((table.key(name), before.map(|record| String::from_utf8_lossy(&record.value).into_owned())));
            table.put(permit, name, row)?;
        }
        TAKEN.put(permit, format!("{}{number:06}", parts_of(permit.act())), &was)?;
        permit.save().await?;
    }
    Ok(rows.len())
}

/// Takes back what was imported last: what was there before is there again.
///
/// # Errors
/// A refusal where it was not imported last.
pub async fn take_back(cx: &Cx) -> Result<Reply> {
    let TakeBackArgs { number } = cx.args()?;
    let newest = TAKEN.scan_back(cx.store(), "", None, 1).await?;
    let newest = newest.first().and_then(|(name, _)| name.split('/').next()?.parse::<u64>().ok());
    match newest {
        Some(newest) if newest == number => {}
        Some(newest) => {
            return Err(Stop::refuse(format!(
                "#{number} is not what was imported last, so nothing was taken back. That was #{newest}: `/metrics unimport {newest}`."
            )));
        }
        None => return Err(Stop::refuse("Nothing that was imported can be taken back.")),
    }
    let act = Act { verb: TAKE_BACK, object: format!("#{number}"), ..Act::default() };
    let count = cx
        .act(act, async |permit| {
            let mut count = 0;
            // The last part first: one that is cut off goes on where it was.
            while let Some((name, part)) = TAKEN.scan_back(cx.store(), &parts_of(number), None, 1).await?.pop() {
                count += part.value.len();
                for (key, was) in part.value {
                    match was {
                        Some(was) => permit.put(key, was),
                        None => permit.delete(key),
                    }
                }
                permit.delete(TAKEN.key(name));
                LAST.put(permit, "", &cx.now())?;
                permit.save().await?;
            }
            permit.note(text::plural(count, "record"));
            Ok(count)
        })
        .await?;
    let records = text::plural(count, "record");
    Ok(Reply::say(format!("What #{number} took in is taken back: {records} are as they were before it.")))
}

/// The beginning of the names of an import's parts.
fn parts_of(act: u64) -> String {
    format!("{act:012}/")
}

fn refused(mistakes: &[String]) -> Stop {
    let more = mistakes.len().saturating_sub(TOLD);
    let more = if more > 0 { format!("\n{more} more.") } else { String::new() };
    let told = mistakes[..mistakes.len().min(TOLD)].join("\n");
    Stop::refuse(format!("Nothing was taken in.\n{told}{more}"))
}

/// The version of what was imported last; 0 where nothing ever was.
///
/// # Errors
/// When the store can not be read.
pub async fn version(store: &dyn Read) -> anyhow::Result<u64> {
    Ok(LAST.get(store, "").await?.map_or(0, |last| last.version))
}

/// The deployments of a target that were imported.
///
/// # Errors
/// When the store can not be read.
pub async fn deployments(store: &dyn Read, target: &Target) -> anyhow::Result<Vec<Deployment>> {
    let prefix = format!("{}/{}/", target.service, target.environment);
    let mut commits: BTreeMap<_, _> = all(&COMMITS, store, &prefix).await?.into_iter().collect();
    let found = all(&DEPLOYMENTS, store, &prefix).await?;
    let deployment = |(name, it): (String, Deployed)| {
        let Deployed { began, ended, came, back_over } = it;
        let id = name[prefix.len()..].to_owned();
        Deployment { id, began, ended, came, back_over, changes: commits.remove(&name) }
    };
    Ok(found.into_iter().map(deployment).collect())
}

/// All records whose names begin so, a page at a time: others are answered meanwhile.
async fn all<T: Serialize + DeserializeOwned>(
    table: &Table<T>,
    store: &dyn Read,
    prefix: &str,
) -> anyhow::Result<Vec<(String, T)>> {
    let mut found: Vec<(String, T)> = Vec::new();
    loop {
        let before = found.last().map(|(name, _)| name.as_str());
        let page = table.scan_back(store, prefix, before, PAGE).await?;
        let last = page.len() < PAGE;
        found.extend(page.into_iter().map(|(name, it)| (name, it.value)));
        if last {
            return Ok(found);
        }
        tokio::task::yield_now().await;
    }
}

/// The incidents of a target that were imported, and were not over at this moment.
///
/// # Errors
/// When the store can not be read.
pub async fn troubles(store: &dyn Read, target: &Target, since: DateTime<Utc>) -> anyhow::Result<Vec<Trouble>> {
    let prefix = format!("{}/{}/", target.service, target.environment);
    let found = INCIDENTS.scan(store, &prefix, usize::MAX).await?.into_iter().map(|(_, it)| it.value);
    let there = found.filter(|it| it.resolved.is_none_or(|resolved| resolved >= since));
    Ok(there.map(|it| Trouble { since: it.opened, resolved: it.resolved, cause: it.deployment }).collect())
}
