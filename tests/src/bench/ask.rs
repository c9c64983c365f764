//! How long a reading command takes, from the line to the last reply, and whether a long ledger makes it slower.

use super::{Figure, Goal};
use crate::stage::world::World;
use anyhow::{Context, Result, ensure};
use bot::assembly::{self, Surroundings};
use bot::gate::people::{CONSOLE, Speaker};
use bot::gate::{Ask, Bot, Said};
use bot::store::SledStore;
use chrono::{TimeDelta, Utc};
use commands::clock::Clock;
use commands::ledger::{Draft, Phase, Place};
use commands::reply::{Outcome, Reply};
use commands::store::{Batch, Store};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The commands that are measured, and how much longer each may take with the long ledger: without the store, with a few
/// records, with a page of the ledger or of the deploys.
const LINES: [(&str, f64); 6] = [
    ("/whoami", 1.2),
    ("/deploy status", 1.2),
    ("/audit", 1.2),
    ("/deploy history hello staging", 1.5),
    ("/deploy live hello", 1.5),
    ("/changes 30d", 1.5),
];

/// How many acts the short ledger has, and the long one.
const ACTS: [u64; 2] = [100, 10_000];

/// How often each line is said to each bot, at most.
const TIMES: usize = 10_000;

/// How long each line is measured, at most.
const LONGEST: Duration = Duration::from_secs(30);

/// How many acts go into the ledger with one commit.
const TOGETHER: u64 = 250;

/// The demo's people and rules, with a service in two environments.
const CONFIG: &str = r#"
environments = ["staging", "production"]
[people.ana]
roles = ["deployer"]
[people.dan]
roles = ["developer"]
[[policy]]
allow = "* effect=reads"
to = ["deployer", "developer"]
[[policy]]
allow = "deploy * env=staging"
to = ["deployer", "developer"]
[[policy]]
allow = "deploy * env=production"
to = ["deployer"]
[deploy]
[services.hello]
repository = "/srv/hello"
[services.hello.deploy]
command = ["./ship", "{environment}", "{commit}"]
"#;

/// Measures all lines, with bots that keep their stores under `folder`.
///
/// # Errors
/// When a bot can not be made, or an answer is not what it should be.
pub async fn run(folder: &Path, tell: impl FnMut(Figure) -> Result<()>) -> Result<()> {
    measure(folder, &LINES, LONGEST, tell).await
}

/// Measures these lines, each with its goal, for so long at the most, and tells each figure as soon as it is there.
///
/// # Errors
/// As [`run`].
pub async fn measure(
    folder: &Path,
    lines: &[(&str, f64)],
    longest: Duration,
    mut tell: impl FnMut(Figure) -> Result<()>,
) -> Result<()> {
    let [few, many] = ACTS;
    let short = bot(&folder.join("short"), few).await?;
    let long = bot(&folder.join("long"), many).await?;
    for (line, goal) in lines {
        let (mut with_few, mut with_many) = (Vec::new(), Vec::new());
        let began = Instant::now();
        // By turns: a slow moment of the machine is to hit both.
        while with_few.len() < TIMES && began.elapsed() < longest {
            with_few.push(ask(&short, line).await?);
            with_many.push(ask(&long, line).await?);
        }
        with_few.sort_unstable();
        with_many.sort_unstable();
        for (name, percent) in [("p50", 50), ("p99", 99)] {
            let at = with_few.len() * percent / 100;
            let (few_took, many_took) = (with_few[at], with_many[at]);
            tell(Figure {
                what: format!("`{line}` {name}, {many} acts on the ledger"),
                measured: shown(many_took),
                against: format!("{few} acts: {}", shown(few_took)),
                ratio: many_took.as_secs_f64() / few_took.as_secs_f64(),
                goal: Goal::AtMost(*goal),
            })?;
        }
    }
    Ok(())
}

fn shown(took: Duration) -> String {
    format!("{:.0} µs", took.as_secs_f64() * 1e6)
}

/// A bot whose service has been shipped once, with so many acts on its ledger.
async fn bot(folder: &Path, acts: u64) -> Result<Arc<Bot>> {
    let (config, problems) = config::parse(CONFIG, "bench.toml", folder, &|_| None);
    let plan = assembly::plan(&config, plugins::ALL, &problems);
    ensure!(problems.is_empty(), "the config has mistakes:\n{problems}");
    let clock = Clock::at(Utc::now());
    let store = Arc::new(SledStore::open(folder, clock.clone())?);
    let world = Arc::new(World::new());
    let (wire, dial, launcher, files, mirrors) = (world.clone(), world.clone(), world.clone(), world.clone(), world);
    let bot = plan.build(Surroundings { clock, store: store.clone(), wire, dial, launcher, files, mirrors });
    ask(&bot, "/deploy ship hello staging v1").await?;
    fill(&*store, acts - 1).await?;
    Ok(bot)
}

/// Puts deploys on the ledger and into the history, as a team's months would.
async fn fill(store: &dyn Store, acts: u64) -> Result<()> {
    let mut batch = Batch::default();
    for act in 0..acts {
        // The first one stands there already; each takes two entries.
        let doing = 2 * act + 3;
        let at = Utc::now() - TimeDelta::minutes(i64::try_from(acts - act).unwrap_or(0));
        let environment = ["staging", "production"][usize::from(act % 4 == 0)];
        let who = ["ana", "ben", "chloe", "dan"][usize::try_from(act % 4).unwrap_or(0)];
        let commit = ["1", "2"][usize::from(act % 8 < 4)].repeat(40);
        let release = serde_json::json!({ "commit": commit, "reference": format!("v{act}") });
        let deploy = serde_json::json!({
            "number": doing, "release": release, "who": who, "began": at, "state": { "good": { "at": at } },
            "log": format!("deploy-{doing}-hello-{environment}.log"),
        });
        let live = serde_json::json!({ "release": release, "deploy": doing, "since": at });
        for (key, data) in [
            (format!("deploy/runs/hello/{environment}/{doing:012}"), deploy),
            (format!("deploy/live/hello/{environment}"), live),
        ] {
            batch.put(key, serde_json::json!({ "schema": 1, "data": data }).to_string());
        }
        let entry = |phase, of| Draft {
            at,
            phase,
            of,
            verb: "deploy.ship".to_owned(),
            object: format!("hello v{act} (3f2c1ab)"),
            service: Some("hello".to_owned()),
            environment: Some(environment.to_owned()),
            who: who.to_owned(),
            place: Place { platform: CONSOLE.to_owned(), channel: "ops".to_owned(), message: act.to_string() },
            why: "the weekly release".to_owned(),
            note: String::new(),
            undo: Some("deploy rollback service:hello env:staging to:3f2c1ab".to_owned()),
            state: Some(format!("deploy/live/hello/{environment}")),
            digest: "0".repeat(64),
            facts: serde_json::Map::new(),
        };
        batch.enter(entry(Phase::Doing, None)).enter(entry(Phase::Did, Some(doing)));
        if act % TOGETHER == TOGETHER - 1 || act == acts - 1 {
            let commit = store.commit(std::mem::take(&mut batch)).await.map_err(anyhow::Error::from)?;
            let last = commit.entries.last().context("the store wrote no entry")?;
            ensure!(last.seq == doing + 1, "the ledger is numbered otherwise than this fills it");
        }
    }
    Ok(())
}

/// Says a line, and returns how long the last reply took.
pub(super) async fn ask(bot: &Arc<Bot>, line: &str) -> Result<Duration> {
    let ask = Ask {
        said: Said::Line(line.to_owned()),
        speaker: Speaker::console("ana"),
        place: Place { platform: CONSOLE.to_owned(), channel: "ops".to_owned(), message: "1".to_owned() },
    };
    let began = Instant::now();
    let (mut replies, mut reply) = (bot.ask(ask), Reply::default());
    while let Some(next) = replies.recv().await {
        reply = next;
    }
    let took = began.elapsed();
    ensure!(reply.outcome == Outcome::Done, "`{line}` was answered: {}", reply.text);
    Ok(took)
}
