//! What a file of deployments, commits or incidents has: its columns, its rows, and every mistake with its line.

use chrono::{DateTime, Utc};
use commands::moment;
use commands::offer::{Came, Change};
use commands::text;
use commands::vocabulary::Vocabulary;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many mistakes are told at once.
pub const TOLD: usize = 10;

/// The longest name of anything, in bytes.
const LONGEST: usize = 200;

/// A deployment that was taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Deployed {
    pub began: DateTime<Utc>,
    pub ended: DateTime<Utc>,
    pub came: Came,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back_over: Option<String>,
}

/// An incident that was taken in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Incident {
    pub opened: DateTime<Utc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resolved: Option<DateTime<Utc>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployment: Option<String>,
}

/// What a file holds, by the names of the records.
#[derive(Debug, PartialEq)]
pub enum Rows {
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

/// Whether this is what a deploy of Deckhand's own is called.
pub fn is_own(id: &str) -> bool {
    id.starts_with('#')
}

/// What is in a file: the kind, how many rows, and the records; or every mistake.
pub fn read_file(text: &str, vocabulary: &Vocabulary) -> Result<(&'static str, usize, Rows), Vec<String>> {
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
pub struct Row<'a> {
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
