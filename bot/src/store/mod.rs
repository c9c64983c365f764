//! Where the state lies: the engine on sled, and what every engine shares - its limits, leases, and backups.

pub mod backup;
mod committer;
mod disk;
mod folder;
mod leases;
mod records;
mod sled_store;

pub use folder::OpenError;
pub use sled_store::SledStore;

use anyhow::{bail, ensure};
use commands::store::{Batch, MAX_VALUE};

/// The longest key that a store takes, in bytes.
pub const MAX_KEY: usize = 1024;

/// What the keys begin with that only an engine writes: the ledger and its indexes.
const LEDGER: &str = "ledger";

/// Checks a batch before anything is done with it: the same for every engine.
fn check(batch: &Batch) -> anyhow::Result<()> {
    for (key, value) in &batch.writes {
        check_size(key, value.as_deref().unwrap_or_default())?;
        ensure!(!key.starts_with(LEDGER), "`{key}` was not written: only a ledger entry goes on the ledger.");
    }
    Ok(())
}

/// Checks what is to be written at one key.
fn check_size(key: &str, value: &[u8]) -> anyhow::Result<()> {
    ensure!(!key.is_empty(), "Nothing was written: a key must not be empty.");
    if key.len() > MAX_KEY {
        let start: String = key.chars().take(40).collect();
        bail!("Nothing was written: the key `{start}…` is {} bytes long; at most {MAX_KEY} fit.", key.len());
    }
    let (size, most) = (value.len(), MAX_VALUE);
    ensure!(size <= most, "Nothing was written: the value of `{key}` is {size} bytes long; at most {most} fit.");
    Ok(())
}

#[cfg(test)]
mod tests;
