//! `/metrics dora` over 100,000 deployments with 1,000,000 commits against the same over 1,000 with 10,000: the books are
//! written on, and not made anew; right after a start, what they came to is on the disk.

use super::ask::ask;
use super::deploys::{built_on, opened};
use super::{Figure, Goal, median};
use anyhow::{Result, anyhow};
use bot::gate::Bot;
use bot::jobs;
use chrono::{TimeDelta, Utc};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Few and many deployments, all within the time that is asked for.
const DEPLOYMENTS: [usize; 2] = [1_000, 100_000];

/// How many commits each of them brings.
const COMMITS: usize = 10;

/// How many rows are imported at once: an import is held in memory.
const ROWS: usize = 200_000;

/// What is asked.
const LINE: &str = "/metrics dora app last:90d";

/// How often it is asked right after a start.
const STARTS: usize = 21;

/// How often it is asked with its books read.
const TURNS: usize = 200;

const CONFIG: &str = r#"
environments = ["production"]

[people.ana]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "127.0.0.1:0"

[metrics]

[services.app]
"#;

/// Measures it, and tells each figure as soon as it is there; everything is kept under `scratch`.
///
/// # Errors
/// When what is imported is not taken in.
pub async fn run(scratch: &Path, mut tell: impl FnMut(Figure) -> Result<()>) -> Result<()> {
    let mut bots = Vec::new();
    for count in DEPLOYMENTS {
        let folder = scratch.join(format!("dora {count}"));
        fs::create_dir_all(&folder)?;
        let store = opened(&folder)?;
        let bot = built_on(CONFIG, &folder, store.clone())?;
        fill(&bot, count).await?;
        kept(&bot).await?;
        bots.push((bot, folder, store));
    }
    // They take turns: a slow moment of the machine is to hit both.
    let mut first = [const { Vec::new() }; DEPLOYMENTS.len()];
    let mut read = first.clone();
    for _ in 0..STARTS {
        for ((_, folder, store), took) in bots.iter().zip(&mut first) {
            // Whoever starts has nothing but what is on the disk.
            let started = built_on(CONFIG, folder, store.clone())?;
            took.push(ask(&started, LINE).await?.as_secs_f64());
        }
    }
    for _ in 0..TURNS {
        for ((bot, ..), took) in bots.iter().zip(&mut read) {
            took.push(ask(bot, LINE).await?.as_secs_f64());
        }
    }
    for (what, took) in [("the first time after a start", first), ("its books read", read)] {
        let [few, many] = took.map(median);
        tell(Figure {
            what: format!("`{LINE}` over 100,000 deployments with 1,000,000 commits, {what}"),
            measured: format!("{:.2} ms", many * 1e3),
            against: format!("1,000 with 10,000: {:.2} ms", few * 1e3),
            ratio: many / few,
            goal: Goal::AtMost(2.0),
        })?;
    }
    Ok(())
}

/// Lets the bot keep what its books come to, as it does all the time.
async fn kept(bot: &Arc<Bot>) -> Result<()> {
    let done = CancellationToken::new();
    let keeping = tokio::spawn(jobs::watch(bot.clone(), "bench".to_owned(), done.clone()));
    while bot.world.store.scan("counts/metrics/dora/head/", None, 1).await?.is_empty() {
        sleep(Duration::from_millis(20)).await;
    }
    done.cancel();
    Ok(keeping.await?)
}

/// So many deployments over the last 89 days, one in twenty of which is gone back from.
async fn fill(bot: &Arc<Bot>, count: usize) -> Result<()> {
    let (now, apart) = (Utc::now(), TimeDelta::days(89) / i32::try_from(count)?);
    let ended = |number: usize| now - apart * i32::try_from(count - number).unwrap_or(i32::MAX);
    let deployments = "service,environment,id,ended,back_over\n";
    let commits = "service,environment,deployment,commit,committed\n";
    let (mut rows, mut text) = (0, deployments.to_owned());
    for number in 0..count {
        let over = if number % 20 == 19 { (number - 1).to_string() } else { String::new() };
        writeln!(text, "app,production,{number},{},{over}", ended(number).to_rfc3339())?;
    }
    import(bot, &text).await?;
    text = commits.to_owned();
    for number in 0..count {
        for commit in 0..COMMITS {
            let age = TimeDelta::minutes(i64::try_from((number * 7_919 + commit * 104_729) % 20_000)?);
            writeln!(text, "app,production,{number},{number}-{commit},{}", (ended(number) - age).to_rfc3339())?;
            rows += 1;
        }
        if rows >= ROWS || number + 1 == count {
            import(bot, &text).await?;
            (rows, text) = (0, commits.to_owned());
        }
    }
    Ok(())
}

async fn import(bot: &Arc<Bot>, text: &str) -> Result<()> {
    bot.import("dora", text).await.map(|_| ()).map_err(|stop| anyhow!("{stop}"))
}
