//! Leases on any store with conditions: a record a lease, compared and swapped.

use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use commands::store::{Batch, CommitError, Lease, Store};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What lies at `lease/<name>`. It stays when a lease is given back, so that the token grows on.
#[derive(Serialize, Deserialize)]
struct Held {
    /// Nobody when it was given back.
    holder: Option<String>,
    token: u64,
    until: DateTime<Utc>,
}

/// Takes or renews the lease `name` for `holder` until `ttl` from `now`; nothing when another holds it.
pub(super) async fn take(
    store: &dyn Store,
    now: DateTime<Utc>,
    name: &str,
    holder: &str,
    ttl: Duration,
) -> anyhow::Result<Option<Lease>> {
    let until = TimeDelta::from_std(ttl).ok().and_then(|ttl| now.checked_add_signed(ttl));
    let until = until.with_context(|| format!("the lease {name} can not last {ttl:?}"))?;
    loop {
        let (found, version) = read(store, name).await?;
        let token = match &found {
            Some(held) if held.until <= now || held.holder.is_none() => held.token + 1,
            Some(held) if held.holder.as_deref() != Some(holder) => return Ok(None),
            Some(held) => held.token,
            None => 1,
        };
        let held = Held { holder: Some(holder.to_owned()), token, until };
        if write(store, name, version, &held).await? {
            return Ok(Some(Lease { name: name.to_owned(), holder: holder.to_owned(), token, until }));
        }
    }
}

/// Gives a lease back, unless it has moved on.
pub(super) async fn give_back(store: &dyn Store, lease: &Lease) -> anyhow::Result<()> {
    loop {
        let (found, version) = read(store, &lease.name).await?;
        let Some(held) = found else { return Ok(()) };
        if held.holder.as_deref() != Some(&lease.holder) || held.token != lease.token {
            return Ok(());
        }
        if write(store, &lease.name, version, &Held { holder: None, ..held }).await? {
            return Ok(());
        }
    }
}

async fn read(store: &dyn Store, name: &str) -> anyhow::Result<(Option<Held>, u64)> {
    let Some(record) = store.get(&key(name)).await? else { return Ok((None, 0)) };
    let held = serde_json::from_slice(&record.value).with_context(|| format!("the lease {name} is not readable"))?;
    Ok((Some(held), record.version))
}

/// Writes it if nobody else has meanwhile.
async fn write(store: &dyn Store, name: &str, version: u64, held: &Held) -> anyhow::Result<bool> {
    let mut batch = Batch::default();
    batch.expect(key(name), version).put(key(name), serde_json::to_vec(held)?);
    match store.commit(batch).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict { .. }) => Ok(false),
        Err(CommitError::Broken(error)) => Err(error),
    }
}

fn key(name: &str) -> String {
    format!("lease/{name}")
}
