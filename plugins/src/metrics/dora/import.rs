//! What a team did before it had Deckhand, or does elsewhere: deployments, commits and incidents from files of CSV.

use super::{Deployment, Target, Trouble};
use chrono::{DateTime, Utc};
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::ledger::Entry;
use commands::moment;
use commands::offer::{Came, Change};
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::store::Read;
use commands::table::Table;
use commands::text;
use commands::vocabulary::Vocabulary;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What can be imported.
pub const IMPORT: &str = "dora";

const DEPLOYMENTS: Table<Deployed> = Table::new("metrics/dora/deployments/");
const COMMITS: Table<Vec<Change>> = Table::new("metrics/dora/commits/");
const INCIDENTS: Table<Incident> = Table::new("metrics/dora/incidents/");

/// When something was imported last.
const LAST: Table<DateTime<Utc>> = Table::new("metrics/dora/imported");

/// How many records are kept at once.
const CHUNK: usize = 1_000;

/// How many are read at once.
pub const PAGE: usize = 500;

/// How many mistakes are told at once.
const TOLD: usize = 10;

/// The most commits of one deployment: they are one record.
const MOST_COMMITS: usize = 1_000;

/// The longest name of anything, in bytes.
const LONGEST: usize = 200;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Deployed {
    began: DateTime<Utc>,
    ended: DateTime<Utc>,
    came: Came,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    back_over: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Incident {
    opened: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resolved: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deployment: Option<String>,
}

/// What a file holds, by the names of the records.
#[derive(Debug, PartialEq)]
enum Rows {
    Deployments(BTreeMap<String, Deployed>),
    Commits(BTreeMap<String, Vec<Change>>),
    Incidents(BTreeMap<String, Incident>),
}

/// The columns that each kind of file can have; those that have to be there come first, and the first one that no other kind
/// has tells which it is.
const KINDS: [(&str, &str, &[&str], &[&str]); 3] = [
    ("deployments", "ended", &["service", "environment", "id", "ended"], &["began", "outcome", "back_over", "commit"]),
    ("commits", "committed", &["service", "environment", "deployment", "commit", "committed"], &["merged"]),
    ("incidents", "opened", &["service", "environment", "id", "opened"], &["resolved", "deployment"]),
];

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
        verb: "metrics.import",
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
    let text = format!(
        "Deckhand was stopped in the middle of #{} ({} {}). A part of it was kept: import the same file again, and nothing is taken twice.",
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

/// Whether this is what a deploy of Deckhand's own is called.
fn is_own(id: &str) -> bool {
    id.starts_with('#')
}

async fn keep(cx: &Cx, permit: &Permit, rows: Rows) -> Result<usize> {
    let count = match rows {
        Rows::Deployments(rows) => put_all(permit, &DEPLOYMENTS, rows).await?,
        Rows::Incidents(rows) => put_all(permit, &INCIDENTS, rows).await?,
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
            put_all(permit, &COMMITS, all).await?
        }
    };
    LAST.put(permit, "", &cx.now())?;
    permit.note(text::plural(count, "record"));
    Ok(count)
}

async fn put_all<T: Serialize + DeserializeOwned>(
    permit: &Permit,
    table: &Table<T>,
    rows: BTreeMap<String, T>,
) -> Result<usize> {
    for (at, (name, row)) in rows.iter().enumerate() {
        table.put(permit, name, row)?;
        if at % CHUNK == CHUNK - 1 {
            permit.save().await?;
        }
    }
    Ok(rows.len())
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

/// What is in a file: the kind, how many rows, and the records; or every mistake.
fn read_file(text: &str, vocabulary: &Vocabulary) -> Result<(&'static str, usize, Rows), Vec<String>> {
    let mut reader =
        csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.trim_start_matches('\u{feff}').as_bytes());
    let head = reader.headers().map_err(|error| vec![told(&error)])?.clone();
    let (kind, _, needed, more) = KINDS
        .into_iter()
        .find(|(_, tells, ..)| head.iter().any(|column| column == *tells))
        .ok_or_else(|| vec![unknown_head()])?;
    let known = |column: &&str| needed.contains(column) || more.contains(column);
    let missing = needed.iter().find(|column| !head.iter().any(|it| it == **column));
    let odd = head.iter().find(|column| !known(column));
    if let Some(mistake) =
        missing.map(|column| format!("Line 1: a file of {kind} has to have the column `{column}`.")).or_else(|| {
            odd.map(|column| format!("Line 1: a file of {kind} has no column {}. Take it out.", text::code(column)))
        })
    {
        return Err(vec![mistake]);
    }
    let mut rows = match kind {
        "deployments" => Rows::Deployments(BTreeMap::new()),
        "commits" => Rows::Commits(BTreeMap::new()),
        _ => Rows::Incidents(BTreeMap::new()),
    };
    let (mut mistakes, mut count) = (Vec::new(), 0);
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                mistakes.push(told(&error));
                continue;
            }
        };
        let line = record.position().map_or(0, csv::Position::line);
        let cell = |column: &str| {
            let at = head.iter().position(|it| it == column);
            at.and_then(|at| record.get(at)).unwrap_or_default()
        };
        match (Row { cell: &cell, vocabulary }).sort_into(&mut rows) {
            Ok(()) => count += 1,
            Err(mistake) => mistakes.push(format!("Line {line}: {mistake}")),
        }
    }
    if mistakes.is_empty() { Ok((kind, count, rows)) } else { Err(mistakes) }
}

/// What is wrong with a file that is no CSV, with its line.
fn told(error: &csv::Error) -> String {
    let line = error.position().map_or(1, csv::Position::line);
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!(
                "Line {line}: it has {}, and the first line has {expected_len}.",
                text::plural(*len as usize, "column")
            )
        }
        csv::ErrorKind::Utf8 { .. } => format!("Line {line}: it is not text in UTF-8."),
        _ => format!("Line {line}: it can not be read as CSV."),
    }
}

fn unknown_head() -> String {
    let heads = KINDS.map(|(kind, _, needed, _)| format!("{kind} begin with `{}`", needed.join(",")));
    format!("Line 1: it does not say what the file has. Files of {}.", heads.join(", of "))
}

/// One row, by the names of its columns.
struct Row<'a> {
    cell: &'a dyn Fn(&str) -> &'a str,
    vocabulary: &'a Vocabulary,
}

impl Row<'_> {
    fn sort_into(self, rows: &mut Rows) -> Result<(), String> {
        let (service, environment) = (self.known("service")?, self.known("environment")?);
        let id = |column: &str| Ok::<_, String>(format!("{service}/{environment}/{}", self.word(column)?));
        let column = match rows {
            Rows::Deployments(_) => Some("id"),
            Rows::Commits(_) => Some("deployment"),
            Rows::Incidents(_) => None,
        };
        if let Some(own) = column.map(|column| (self.cell)(column)).filter(|id| is_own(id)) {
            let own = text::code(own);
            return Err(format!(
                "{own} is what deploys of Deckhand's own are called. Write another id, without the `#`."
            ));
        }
        match rows {
            Rows::Deployments(rows) => {
                let ended = self.time("ended")?;
                let began = self.if_any("began", Row::time)?.unwrap_or(ended);
                if began > ended {
                    return Err("`began` is after `ended`.".to_owned());
                }
                let came = match (self.cell)("outcome") {
                    "" | "live" => Came::Live,
                    "put-back" => Came::PutBack,
                    "failed" => Came::Failed,
                    other => {
                        let other = text::code(other);
                        return Err(format!("{other} is no outcome. Write `live`, `put-back` or `failed`."));
                    }
                };
                let back_over = self.if_any("back_over", Row::word)?;
                rows.insert(id("id")?, Deployed { began, ended, came, back_over });
            }
            Rows::Commits(rows) => {
                let (committed, merged) = (self.time("committed")?, self.if_any("merged", Row::time)?);
                let change = Change { commit: self.word("commit")?, committed, merged };
                let changes = rows.entry(id("deployment")?).or_default();
                changes.retain(|other| other.commit != change.commit);
                changes.push(change);
            }
            Rows::Incidents(rows) => {
                let (opened, resolved) = (self.time("opened")?, self.if_any("resolved", Row::time)?);
                if resolved.is_some_and(|resolved| resolved < opened) {
                    return Err("`resolved` is before `opened`.".to_owned());
                }
                let deployment = self.if_any("deployment", Row::word)?;
                rows.insert(id("id")?, Incident { opened, resolved, deployment });
            }
        }
        Ok(())
    }

    /// A cell, where there is something in it.
    fn if_any<T>(&self, column: &str, read: fn(&Self, &str) -> Result<T, String>) -> Result<Option<T>, String> {
        if (self.cell)(column).is_empty() { Ok(None) } else { read(self, column).map(Some) }
    }

    /// The name of a service or an environment that there is: of others nobody could ask.
    fn known(&self, column: &str) -> Result<String, String> {
        let word = self.word(column)?;
        let Vocabulary { services, environments, .. } = self.vocabulary;
        let names = if column == "service" { services } else { environments };
        if names.contains(&word) {
            return Ok(word);
        }
        let names: Vec<_> = names.iter().take(TOLD).map(|name| text::code(name)).collect();
        Err(format!(
            "there is no {column} {}. Write one that the config has, such as {}.",
            text::code(&word),
            names.join(", ")
        ))
    }

    fn word(&self, column: &str) -> Result<String, String> {
        match (self.cell)(column) {
            "" => Err(format!("`{column}` is empty.")),
            word if word.len() > LONGEST => Err(format!("`{column}` is longer than {LONGEST} bytes.")),
            word if word.chars().any(char::is_control) => Err(format!("`{column}` has a control character in it.")),
            word if word.contains('/') && ["service", "environment"].contains(&column) => {
                Err(format!("{} is no {column}: it has a `/` in it.", text::code(word)))
            }
            word => Ok(word.to_owned()),
        }
    }

    fn time(&self, column: &str) -> Result<DateTime<Utc>, String> {
        let cell = (self.cell)(column);
        let exact = DateTime::parse_from_rfc3339(cell).ok().map(|at| at.to_utc());
        exact.or_else(|| moment::on_calendar(cell, self.vocabulary.zone)).ok_or_else(|| {
            format!(
                "{} is no time for `{column}`. Write it like `2026-03-01 14:00` or `2026-03-01T14:00:00Z`.",
                text::code(cell)
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono_tz::Tz;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn each_kind_of_file_is_known_by_its_columns() {
        let read =
            |text: &str| read_file(text, &Vocabulary { zone: Tz::Asia__Seoul, ..Vocabulary::of_examples() }).unwrap();
        let (kind, count, rows) = read(
            "\u{feff}id,service,environment,began,ended,outcome,back_over\n\
             \"a,1/x\",hello,production,2026-03-01T00:00:00Z,2026-03-01 10:00,put-back,\n\
             2,hello,production,,2026-03-01T02:00:00+01:00,,\"a,1/x\"\n\
             2,hello,production,,2026-03-01T02:00:00+01:00,live,\"a,1/x\"\n",
        );
        assert_eq!((kind, count), ("deployments", 3));
        let first = Deployed {
            began: at("2026-03-01T00:00:00Z"),
            ended: at("2026-03-01T01:00:00Z"),
            came: Came::PutBack,
            back_over: None,
        };
        let second =
            Deployed { began: first.ended, ended: first.ended, came: Came::Live, back_over: Some("a,1/x".to_owned()) };
        let named = |name: &str, it: Deployed| (format!("hello/production/{name}"), it);
        assert_eq!(rows, Rows::Deployments([named("a,1/x", first), named("2", second)].into()));

        let (kind, _, rows) = read(
            "service,environment,deployment,commit,committed,merged\n\
             hello,production,2,aaa,2026-02-01T00:00:00Z,\n\
             hello,production,2,bbb,2026-02-02T00:00:00Z,2026-02-03T00:00:00Z\n\
             hello,production,2,aaa,2026-02-04T00:00:00Z,\n",
        );
        let Rows::Commits(rows) = rows else { panic!("{kind}") };
        let commits: Vec<_> = rows["hello/production/2"].iter().map(|it| (&*it.commit, it.merged.is_some())).collect();
        assert_eq!(commits, [("bbb", true), ("aaa", false)]);

        let (kind, _, rows) = read(
            "service,environment,id,opened,resolved,deployment\n\
             hello,production,7,2026-02-01T00:00:00Z,,2\n",
        );
        let Rows::Incidents(rows) = rows else { panic!("{kind}") };
        let seven = &rows["hello/production/7"];
        assert_eq!((seven.resolved, seven.deployment.as_deref()), (None, Some("2")));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let long = "x".repeat(201);
        let head = "service,environment,id,ended,began,outcome";
        for (text, mistakes) in [
            (String::new(), &["Line 1: it does not say what the file has."][..]),
            ("a,b\n1,2\n".to_owned(), &["Line 1: it does not say what the file has."]),
            ("service,ended\n".to_owned(), &["Line 1: a file of deployments has to have the column `environment`."]),
            (format!("{head},rm -rf\n"), &["Line 1: a file of deployments has no column `rm -rf`. Take it out."]),
            (
                format!("{head}\nhello,production,1,yesterday,,\nhello,production,,2026-03-01,,\nhello,production\n"),
                &[
                    "Line 2: `yesterday` is no time for `ended`.",
                    "Line 3: `id` is empty.",
                    "Line 4: it has 2 columns, and",
                ],
            ),
            (
                format!("{head}\nhello,production,1,2026-03-01,2026-03-02,\nhello,production,1,2026-03-01,,good\n"),
                &[
                    "Line 2: `began` is after `ended`.",
                    "Line 3: `good` is no outcome. Write `live`, `put-back` or `failed`.",
                ],
            ),
            (
                format!("{head}\nhel/lo,production,1,2026-03-01,,\nhello,production,\"1\n2\",2026-03-01,,\n"),
                &["Line 2: `hel/lo` is no service", "Line 3: `id` has a control character"],
            ),
            (format!("{head}\n{long},production,1,2026-03-01,,\n"), &["Line 2: `service` is longer than 200 bytes."]),
            (
                format!("{head}\nHello,production,1,2026-03-01,,\nhello,prod,1,2026-03-01,,\n"),
                &["Line 2: there is no service `Hello`.", "Line 3: there is no environment `prod`."],
            ),
            (
                format!("{head}\nhello,production,#412,2026-03-01,,\n"),
                &["Line 2: `#412` is what deploys of Deckhand's own"],
            ),
            (
                "service,environment,deployment,commit,committed\nhello,production,#412,aaa,2026-03-01\n".to_owned(),
                &["Line 2: `#412` is what deploys of Deckhand's own"],
            ),
            (
                "service,environment,id,opened,resolved\nhello,production,1,2026-03-02,2026-03-01\n".to_owned(),
                &["Line 2: `resolved` is before `opened`."],
            ),
        ] {
            let told = read_file(&text, &Vocabulary::of_examples()).unwrap_err();
            assert_eq!(told.len(), mistakes.len(), "{text}\n{told:?}");
            for (told, mistake) in told.iter().zip(mistakes) {
                assert!(told.starts_with(mistake), "{text}\n{told}\n{mistake}");
            }
        }
    }
}
