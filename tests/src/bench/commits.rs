//! How many durable commits a second the store makes, against what the same disk can do bare.

use super::{Figure, Goal, median};
use anyhow::Context;
use bot::store::SledStore;
use chrono::Utc;
use commands::clock::Clock;
use commands::store::{Batch, Store};
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many commits wait together in the busy case.
const TOGETHER: usize = 64;

/// How often each case has its turn. Disks have their moods, so the turns are short, and the one in the middle counts.
const TURNS: u32 = 60;

/// How long a turn is.
const TURN: Duration = Duration::from_millis(100);

/// Measures a bare loop of 4 KiB appended and `fdatasync`, commits of 4 KiB one after the other, and many at once, in turns,
/// in new files under `folder`.
///
/// # Errors
/// When the disk or the store fails.
pub async fn run(folder: &Path) -> anyhow::Result<[Figure; 2]> {
    let store = Arc::new(SledStore::open(&folder.join("store"), Clock::at(Utc::now()))?);
    let [mut raw, mut alone, mut together] = [const { Vec::new() }; 3];
    for _ in 0..TURNS {
        raw.push(bare(&folder.join("bare"))?);
        alone.push(commits(&store, 1).await?);
        together.push(commits(&store, TOGETHER).await?);
    }
    let [raw, alone, together] = [raw, alone, together].map(median);
    let figure = |how: &str, commits: f64, goal| Figure {
        what: format!("durable commits of 4 KiB, {how}"),
        measured: format!("{commits:.0} /s"),
        against: format!("4 KiB append + fdatasync in a loop: {raw:.0} /s"),
        ratio: commits / raw,
        goal: Goal::AtLeast(goal),
    };
    Ok([figure(&format!("{TOGETHER} at once"), together, 5.0), figure("alone", alone, 0.6)])
}

/// Durable writes a second.
fn bare(file: &Path) -> anyhow::Result<f64> {
    let mut file = File::options().create(true).append(true).open(file)?;
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < TURN {
        file.write_all(&[b'x'; 4096])?;
        file.sync_data()?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

async fn commits(store: &Arc<SledStore>, tasks: usize) -> anyhow::Result<f64> {
    let start = Instant::now();
    let running: Vec<_> = (0..tasks).map(|task| tokio::spawn(commit_for(Arc::clone(store), task, start))).collect();
    let mut count = 0_u32;
    for task in running {
        count += task.await.context("a task of the benchmark failed")??;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

async fn commit_for(store: Arc<SledStore>, task: usize, start: Instant) -> anyhow::Result<u32> {
    let mut count = 0;
    while start.elapsed() < TURN {
        let mut batch = Batch::default();
        batch.put(format!("bench/{task}/{}", count % 100), vec![b'x'; 4096]);
        store.commit(batch).await?;
        count += 1;
    }
    Ok(count)
}
