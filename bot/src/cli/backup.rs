//! `deckhand backup` and `deckhand restore`.

use super::Placed;
use super::client::Client;
use super::say_line;
use crate::store::{OpenError, SledStore, backup as archive};
use anyhow::{Result, anyhow};
use commands::clock::Clock;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Write everything that Deckhand knows to a file.
#[derive(clap::Args)]
pub struct Backup {
    /// The file to write
    file: PathBuf,
}

/// Put a backup in place of data that is lost.
#[derive(clap::Args)]
pub struct Restore {
    /// The backup
    file: PathBuf,
}

pub(super) async fn backup(place: &Placed, Backup { file }: Backup) -> Result<u8> {
    let data = place.data_there()?;
    let file = std::path::absolute(file)?;
    let now = chrono::Utc::now();
    let lines = match SledStore::open(&super::store_folder(&data), Clock::at(now)) {
        Ok(store) => archive::backup(&store, now, &file).await?.lines,
        Err(OpenError::InUse { .. }) => {
            let report: Value = Client::at(&data)?.post("/api/backup", &json!({ "file": file })).await?.json().await?;
            report["lines"].as_u64().unwrap_or_default()
        }
        Err(error) => return Err(anyhow!("{error}")),
    };
    say_line(format_args!("{} is a whole backup of {lines} records. `deckhand restore` takes it.", file.display()));
    Ok(0)
}

pub(super) async fn restore(place: &Placed, Restore { file }: Restore) -> Result<u8> {
    let config = place.config();
    let data = place.data(config.as_ref().map(|(config, _)| config))?;
    let folder = super::store_folder(&data);
    let now = chrono::Utc::now();
    let report = SledStore::restore(&file, &folder, Clock::at(now)).await?;
    say_line(format_args!(
        "{} records of {} were restored into {}; the ledger is sound.",
        report.lines,
        report.made.format("%Y-%m-%d %H:%M UTC"),
        folder.display()
    ));
    Ok(0)
}
