//! How many durable commits a second the store makes, against what the same disk can do bare.

use anyhow::Context;
use bot::store::SledStore;
use chrono::Utc;
use commands::clock::Clock;
use commands::store::{Batch, Store};
use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many commits wait together in the busy case.
const TOGETHER: usize = 64;

/// How often each case has its turn: a slow moment of the disk is to hit each of them.
const TURNS: u32 = 10;

/// How long a turn is.
const TURN: Duration = Duration::from_millis(400);

/// Durable writes a second.
pub struct Commits {
    /// A bare loop: 4 KiB appended to a file, then `fdatasync`.
    pub bare: f64,
    /// Commits of 4 KiB, one after the other.
    pub alone: f64,
    /// Commits of 4 KiB, 64 at once.
    pub together: f64,
}

impl fmt::Display for Commits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Commits { bare, alone, together } = self;
        writeln!(f, "append + fdatasync   {bare:>8.0} /s")?;
        writeln!(f, "commits, alone       {alone:>8.0} /s   ratio {:.2} (goal 0.6)", alone / bare)?;
        writeln!(f, "commits, {TOGETHER} at once {together:>8.0} /s   ratio {:.2} (goal 5)", together / bare)
    }
}

/// Measures all three in new files under `folder`, in turns.
///
/// # Errors
/// When the disk or the store fails.
pub async fn run(folder: &Path) -> anyhow::Result<Commits> {
    let store = Arc::new(SledStore::open(&folder.join("store"), Clock::at(Utc::now()))?);
    let mut sum = Commits { bare: 0.0, alone: 0.0, together: 0.0 };
    for _ in 0..TURNS {
        sum.bare += bare(&folder.join("bare"))?;
        sum.alone += commits(&store, 1).await?;
        sum.together += commits(&store, TOGETHER).await?;
    }
    let mean = |sum: f64| sum / f64::from(TURNS);
    Ok(Commits { bare: mean(sum.bare), alone: mean(sum.alone), together: mean(sum.together) })
}

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
