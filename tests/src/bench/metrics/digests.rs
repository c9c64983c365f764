//! A thousand digests in as many channels, due at the same minute, and somebody who goes on asking meanwhile: all of the same
//! measures, each of its own, and each of its own from a source that is silent.

use crate::bench::process::Server;
use crate::bench::{Figure, Goal};
use crate::program::client;
use anyhow::{Context, Result, ensure};
use axum::Router;
use chrono::{DateTime, TimeDelta, Timelike, Utc};
use reqwest::Client;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// How many digests there are.
const DIGESTS: usize = 1_000;

/// How many measures each of them tells of, in lines and in a picture.
const MEASURES: usize = 6;

/// Of what they tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Case {
    /// All of the same.
    Shared,
    /// Each of its own, so that there are as many pictures as digests.
    Own,
    /// Each of its own, from a source that takes connections, and says nothing.
    Silent,
}

impl Case {
    fn says(self) -> &'static str {
        match self {
            Case::Shared => "all of the same 6 measures",
            Case::Own => "each of 6 measures of its own, with a picture of its own",
            Case::Silent => "each of a measure of its own, from a source that is silent",
        }
    }

    /// How many measures there are.
    fn measures(self) -> usize {
        if self == Case::Shared { MEASURES } else { DIGESTS }
    }

    /// Which of them a channel watches.
    fn watched(self, number: usize) -> Vec<usize> {
        match self {
            Case::Shared => Vec::new(),
            Case::Own => (0..MEASURES).map(|more| (number + more) % DIGESTS).collect(),
            Case::Silent => vec![number],
        }
    }
}

/// How long they may take, as the issue has it.
const LONGEST: Duration = Duration::from_secs(60);

/// How often somebody asks meanwhile.
const PACE: Duration = Duration::from_millis(50);

/// The token that figures are pushed with.
const PUSH: &str = "of a measurement, and nothing else";

/// How long it is waited for anything.
const PATIENCE: Duration = Duration::from_secs(240);

/// A Deckhand of its own, as somebody talks to it.
struct Desk {
    listen: SocketAddr,
    hooks: SocketAddr,
    token: String,
    client: Client,
    _server: Server,
}

impl Desk {
    async fn start(programs: &Path, scratch: &Path, case: Case, source: SocketAddr) -> Result<Desk> {
        let free = || TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let (listen, hooks) = (free()?, free()?);
        let data = scratch.join(format!("digests {case:?}"));
        fs::create_dir_all(&data)?;
        let file = scratch.join("digests.toml");
        fs::write(&file, config(listen, hooks, &data, case, source))?;
        let mut command = Command::new(programs.join("deckhand"));
        command.env("DECKHAND_CONFIG", &file).env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null());
        let server = Server(command.stderr(fs::File::create(scratch.join("digests.log"))?).spawn()?);
        let began = Instant::now();
        let token = loop {
            let door = fs::read(data.join("console.json")).unwrap_or_default();
            let door: Value = serde_json::from_slice(&door).unwrap_or_default();
            if let Some(token) = door["token"].as_str() {
                break token.to_owned();
            }
            ensure!(began.elapsed() < PATIENCE, "it does not start");
            sleep(Duration::from_millis(20)).await;
        };
        let desk = Desk { listen, hooks, token, client: client(), _server: server };
        while desk.say("ops", "whoami").await.is_err() {
            ensure!(began.elapsed() < PATIENCE, "it does not answer");
            sleep(Duration::from_millis(20)).await;
        }
        Ok(desk)
    }

    /// Says a line in a channel, to the last reply.
    async fn say(&self, channel: &str, line: &str) -> Result<Duration> {
        let began = Instant::now();
        let request = self.client.post(format!("http://{}/api/say", self.listen)).bearer_auth(&self.token);
        let request = request.json(&json!({ "line": line, "channel": channel, "as": "ana" }));
        let answer = request.send().await?.error_for_status()?.text().await?;
        let last: Value = serde_json::from_str(answer.lines().last().context("it answers")?)?;
        ensure!(last["outcome"] == "done", "{line}: {last}");
        Ok(began.elapsed())
    }

    /// Pushes a figure of each measure, as a program does.
    async fn push(&self, case: Case, figure: f64) -> Result<()> {
        let figures: BTreeMap<_, _> = (0..case.measures()).map(|number| (format!("m{number}"), figure)).collect();
        let request = self.client.post(format!("http://{}/metrics/push", self.hooks)).bearer_auth(PUSH);
        request.json(&figures).send().await?.error_for_status()?;
        Ok(())
    }

    /// When the digest of a channel was posted, if it was.
    async fn told(&self, channel: &str) -> Result<Option<DateTime<Utc>>> {
        let address = format!("http://{}/api/channels/{channel}/messages?limit=5&as=ana", self.listen);
        let page: Value = self.client.get(address).bearer_auth(&self.token).send().await?.json().await?;
        let messages = page["messages"].as_array().context("a page has messages")?;
        let is_digest = |message: &&Value| message.to_string().contains("\"title\":\"Digest ");
        let at = messages.iter().find(is_digest).and_then(|message| message["at"].as_str());
        Ok(at.map(str::parse).transpose()?)
    }
}

fn config(listen: SocketAddr, hooks: SocketAddr, data: &Path, case: Case, source: SocketAddr) -> String {
    let channels: Vec<_> = std::iter::once("ops".to_owned()).chain((0..DIGESTS).map(channel)).collect();
    let measures: String = (0..case.measures())
        .map(|number| {
            format!("[metrics.measures.m{number}]\nsource = \"shop\"\nquery = \"m{number}\"\nbetter = \"lower\"\nwarn = 1e9\n")
        })
        .collect();
    let source = match case {
        Case::Silent => format!("kind = \"prometheus\"\nurl = \"http://{source}\"\n"),
        Case::Shared | Case::Own => "kind = \"pushed\"\n".to_owned(),
    };
    format!(
        "environments = [\"production\"]\ndata = '{}'\n[people.ana]\nroles = [\"deployer\"]\n[[policy]]\nallow = \"*\"\nto = [\"deployer\"]\n\
         [console]\nlisten = \"{listen}\"\nchannels = {channels:?}\n[digest]\n[services.app]\n\
         [hooks]\nlisten = \"{hooks}\"\n[metrics.push]\ntoken = \"{PUSH}\"\n[metrics.sources.shop]\n{source}{measures}",
        data.display()
    )
}

/// A Prometheus that has nothing, and says so until it falls silent.
async fn prometheus(silent: Arc<AtomicBool>) -> Result<SocketAddr> {
    let answer = move || {
        let silent = silent.clone();
        async move {
            if silent.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            r#"{"status":"success","data":{"resultType":"vector","result":[]}}"#
        }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().fallback(answer);
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

fn channel(number: usize) -> String {
    format!("c{number}")
}

pub(super) async fn run(programs: &Path, scratch: &Path, tell: &mut impl FnMut(Figure) -> Result<()>) -> Result<()> {
    for case in [Case::Shared, Case::Own, Case::Silent] {
        measure(programs, scratch, case).await?.into_iter().try_for_each(&mut *tell)?;
    }
    Ok(())
}

async fn measure(programs: &Path, scratch: &Path, case: Case) -> Result<Vec<Figure>> {
    let silent = Arc::<AtomicBool>::default();
    let desk = Desk::start(programs, scratch, case, prometheus(silent.clone()).await?).await?;
    for number in 0..DIGESTS {
        for measure in case.watched(number) {
            desk.say(&channel(number), &format!("metrics watch m{measure}")).await?;
        }
    }
    // Far enough ahead that all are added by then.
    let due = Utc::now() + TimeDelta::minutes(3);
    let due = due.with_second(0).and_then(|due| due.with_nanosecond(0)).context("it is a time")?;
    let cron = due.format("%-M %-H %-d %-m *");
    let mut quiet = Vec::new();
    for number in 0..DIGESTS {
        if number % 100 == 0 && case != Case::Silent {
            desk.push(case, number as f64).await?;
        }
        desk.say(&channel(number), &format!("digest add name:d{number} cron:\"{cron}\" zone:UTC")).await?;
    }
    ensure!(Utc::now() < due, "{DIGESTS} digests were not added in time");
    while quiet.len() < 100 {
        quiet.push(desk.say("ops", "whoami").await?);
        sleep(PACE).await;
    }
    sleep((due - Utc::now()).to_std().unwrap_or_default()).await;
    silent.store(true, Ordering::Relaxed);
    let (mut busy, mut next, mut last) = (Vec::new(), 0, due);
    let began = Instant::now();
    while next < DIGESTS {
        ensure!(began.elapsed() < PATIENCE, "only {next} digests were told");
        busy.push(desk.say("ops", "whoami").await?);
        while let Some(at) = if next < DIGESTS { desk.told(&channel(next)).await? } else { None } {
            (next, last) = (next + 1, last.max(at));
        }
        sleep(PACE).await;
    }
    let out = (last - due).to_std().unwrap_or_default();
    let at = |took: &[Duration], percent: usize| {
        let mut took: Vec<_> = took.iter().map(Duration::as_secs_f64).collect();
        took.sort_unstable_by(f64::total_cmp);
        took.get(took.len() * percent / 100).copied().unwrap_or(f64::NAN)
    };
    let ack = |percent: usize| Figure {
        what: format!("{}: `/whoami` over HTTP meanwhile, p{percent} of {}", case.says(), busy.len()),
        measured: format!("{:.1} ms", at(&busy, percent) * 1e3),
        against: format!("before: {:.1} ms", at(&quiet, percent) * 1e3),
        ratio: at(&busy, percent) / at(&quiet, percent),
        goal: Goal::None,
    };
    let told = Figure {
        what: format!("{DIGESTS} digests due at the same minute, {}: the last is posted", case.says()),
        measured: format!("{:.1} s after it", out.as_secs_f64()),
        against: format!("a minute: {} s", LONGEST.as_secs()),
        ratio: out.as_secs_f64() / LONGEST.as_secs_f64(),
        goal: Goal::AtMost(1.0),
    };
    Ok(vec![told, ack(50), ack(99)])
}
