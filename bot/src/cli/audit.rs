//! `deckhand audit`: proves the ledger's chain, or prints the ledger.

use super::Placed;
use super::client::Client;
use super::say_line;
use crate::store::{OpenError, SledStore};
use anyhow::Result;
use commands::clock::Clock;
use commands::ledger::{self, Verdict};
use commands::store::Read;
use serde_json::{Value, json};
use std::io::Write;

/// Prove the ledger, or print it.
#[derive(clap::Args)]
pub struct Audit {
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Check every entry's hash, number and link to the one before; names the first bad entry
    Verify,
    /// Print every entry as a line of JSON
    Export,
}

pub(super) async fn audit(place: &Placed, audit: Audit) -> Result<u8> {
    let data = place.data_there()?;
    match (SledStore::open(&super::store_folder(&data), Clock::at(chrono::Utc::now())), audit.what) {
        // The bot is running, and reads its own ledger for us.
        (Err(OpenError::InUse { .. }), What::Verify) => {
            let verdict: Value = Client::at(&data)?.post("/api/ledger/verify", &json!({})).await?.json().await?;
            told(&serde_json::from_value(verdict)?)
        }
        (Err(OpenError::InUse { .. }), What::Export) => {
            let mut lines = Client::at(&data)?.post("/api/ledger/export", &json!({})).await?;
            let mut out = std::io::stdout().lock();
            while let Some(chunk) = lines.chunk().await? {
                out.write_all(&chunk)?;
            }
            Ok(0)
        }
        (Err(error), _) => Err(anyhow::anyhow!("{error}")),
        (Ok(store), What::Verify) => told(&ledger::verify(&store).await?),
        (Ok(store), What::Export) => export(&store).await,
    }
}

fn told(verdict: &Verdict) -> Result<u8> {
    match verdict {
        Verdict::Sound { entries, head } => {
            say_line(format_args!(
                "The ledger is sound: {}, each following from the one before.",
                ::commands::text::plural(usize::try_from(*entries)?, "entry")
            ));
            say_line(format_args!(
                "The last one's hash is {head}. Note it elsewhere: a later check can then prove that nothing was replaced."
            ));
            Ok(0)
        }
        Verdict::Bad { seq, why } => {
            say_line(format_args!("The ledger is not sound. The first bad entry is number {seq}: {why}."));
            Ok(1)
        }
    }
}

async fn export(store: &dyn Read) -> Result<u8> {
    let mut out = std::io::stdout().lock();
    let mut after = None;
    loop {
        let lines = ledger::export(store, after.as_deref()).await?;
        let Some((last, _)) = lines.last() else { return Ok(0) };
        after = Some(last.clone());
        for (_, line) in lines {
            writeln!(out, "{line}")?;
        }
    }
}
