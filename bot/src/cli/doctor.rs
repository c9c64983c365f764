//! `deckhand doctor`: looks at an installation from end to end, and says what to mend.

use super::client::Client;
use super::say_line;
use super::{Placed, store_folder};
use crate::assembly;
use crate::platforms::{discord, irc};
use crate::store::{OpenError, SledStore};
use anyhow::Result;
use commands::clock::Clock;
use commands::ledger::{self, Verdict};
use serde_json::json;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// One thing looked at: what it is, and how it is; or what to mend.
type Finding = (&'static str, Result<String, String>);

pub(super) async fn doctor(place: &Placed) -> Result<u8> {
    let config = place.config();
    let data = place.data(config.as_ref().map(|(config, _)| config))?;
    let mut findings: Vec<Finding> = vec![("git", git()), ("data", folder(&data))];
    findings.push((
        "config",
        match &config {
            None => Ok("none is named, so this is the demo's".to_owned()),
            Some((config, problems)) => {
                assembly::plan(config, plugins::ALL, problems);
                let count = problems.list().len();
                if count == 0 {
                    Ok("it is fine".to_owned())
                } else {
                    Err(format!("it has {count} mistakes: `deckhand check` tells them all"))
                }
            }
        },
    ));
    findings.extend(state(&data).await);
    findings.push(("backups", backups(&data)));
    let mut sick = 0;
    for (what, how) in findings {
        let (sign, how) = match how {
            Ok(how) => ("✓", how),
            Err(how) => {
                sick += 1;
                ("✗", how)
            }
        };
        say_line(format_args!("{sign} {what}: {how}."));
    }
    Ok(u8::from(sick > 0))
}

fn git() -> Result<String, String> {
    match std::process::Command::new("git").arg("--version").output() {
        Ok(output) if output.status.success() => Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned()),
        _ => Err("it can not be started, and deploys need it: install `git`".to_owned()),
    }
}

fn folder(data: &Path) -> Result<String, String> {
    let shown = data.display();
    match std::fs::metadata(data) {
        Err(_) => Err(format!("{shown} is not there yet: start `deckhand` once")),
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            Err(format!("others can look into {shown}: `chmod 700 {shown}`"))
        }
        Ok(_) => Ok(format!("{shown}, for its owner alone")),
    }
}

/// The database and the ledger: of the running bot, or as they lie there.
async fn state(data: &Path) -> Vec<Finding> {
    let folder = store_folder(data);
    if !folder.exists() {
        return vec![("bot", Err("it has never run here: start `deckhand`".to_owned()))];
    }
    match SledStore::open(&folder, Clock::at(chrono::Utc::now())) {
        Ok(store) => {
            let verdict = ledger::verify(&store).await.map_err(|error| format!("{error:#}"));
            vec![("bot", Err("it is not running: start `deckhand`".to_owned())), ("ledger", verdict.and_then(told))]
        }
        Err(OpenError::InUse { .. }) => match running(data).await {
            Ok(findings) => findings,
            Err(error) => vec![("bot", Err(format!("it holds its data, but can not be reached: {error:#}")))],
        },
        Err(error) => vec![("database", Err(error.to_string().trim_end_matches('.').to_owned()))],
    }
}

/// What the running bot says of itself.
async fn running(data: &Path) -> Result<Vec<Finding>> {
    let client = Client::at(data)?;
    let session = client.session().await?;
    let version = session["version"].as_str().unwrap_or("?");
    let mut findings: Vec<Finding> = vec![("bot", Ok(format!("version {version} is running and answers")))];
    for (name, report) in client.platforms().await? {
        findings.push(match &*name {
            discord::NAME => ("discord", discord::health::diagnosis(&report)),
            network => ("irc", irc::health::diagnosis(network, &report)),
        });
    }
    findings.push(("ledger", told(client.post("/api/ledger/verify", &json!({})).await?.json().await?)));
    Ok(findings)
}

fn told(verdict: Verdict) -> Result<String, String> {
    match verdict {
        Verdict::Sound { entries, .. } => Ok(format!("sound, {entries} entries")),
        Verdict::Bad { seq, why } => Err(format!(
            "entry {seq} is not as it was written: {why}. Restore a backup, and find out who could write to the data"
        )),
    }
}

fn backups(data: &Path) -> Result<String, String> {
    let names = std::fs::read_dir(data.join("backups")).into_iter().flatten();
    let newest = names.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).max();
    newest.map_or_else(|| Ok("none yet; one is made every day".to_owned()), |name| Ok(format!("the newest is {name}")))
}
