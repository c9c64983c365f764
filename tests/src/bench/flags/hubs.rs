//! The programs that serve flags: Deckhand, and Unleash Edge with what Deckhand serves.

use crate::bench::process::Server;
use crate::deploys::free_port;
use crate::flags;
use anyhow::{Context, Result, ensure};
use bot::store::SledStore;
use chrono::Utc;
use commands::clock::Clock;
use commands::store::{Batch, Store};
use http::{Method, StatusCode};
use reqwest::{Client, RequestBuilder};
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Edge's tokens, for its offline mode: for servers and for pages.
const EDGE_TOKENS: [&str; 2] = ["*:staging.0123456789abcdef01234567", "*:staging.89abcdef0123456789abcdef"];

/// How many flags are written into a store at once.
const AT_ONCE: usize = 500;

/// How long a program may take to be there.
const PATIENCE: Duration = Duration::from_secs(120);

/// A program that serves flags.
pub struct Hub {
    /// What it is called.
    pub name: &'static str,
    /// The program.
    pub server: Server,
    /// Where programs ask it, without `http://`.
    pub address: String,
    /// The token of a server.
    pub backend: String,
    /// The token of a page.
    pub frontend: String,
    /// How long it took from its start until it served all definitions.
    pub started: Duration,
    say: Option<(PathBuf, PathBuf)>,
}

/// Flags of all kinds: for everybody, for a share, for some countries, with payloads.
fn features(numbers: std::ops::Range<usize>) -> Result<unleash_types::client_features::ClientFeatures> {
    let feature = |at: usize| {
        let key = format!("flag-{at:04}");
        let rollout = json!({ "rollout": "50", "stickiness": "default", "groupId": key });
        let country = json!([{ "contextName": "country", "operator": "IN", "values": ["kr", "fr", "de"] }]);
        let strategy = match at % 3 {
            0 => json!({ "name": "default" }),
            1 => json!({ "name": "flexibleRollout", "parameters": rollout }),
            _ => json!({ "name": "flexibleRollout", "parameters": rollout, "constraints": country }),
        };
        let variant = |name: &str| {
            let payload = json!({ "type": "string", "value": name });
            json!({ "name": name, "weight": 500, "stickiness": "default", "payload": payload })
        };
        let variants = if at.is_multiple_of(10) { vec![variant("blue"), variant("red")] } else { Vec::new() };
        json!({ "name": key, "enabled": true, "project": "default", "strategies": [strategy], "variants": variants })
    };
    let features: Vec<_> = numbers.map(feature).collect();
    Ok(serde_json::from_value(json!({ "version": 2, "features": features }))?)
}

/// Deckhand with so many flags.
///
/// # Errors
/// When it does not start.
pub async fn deckhand(programs: &Path, data: &Path, count: usize) -> Result<Hub> {
    fs::create_dir_all(data)?;
    {
        let store = SledStore::open(&data.join("store"), Clock::at(Utc::now()))?;
        for first in (0..count).step_by(AT_ONCE) {
            let mut batch = Batch::default();
            flags::stage(&mut batch, "staging", &features(first..count.min(first + AT_ONCE))?)?;
            store.commit(batch).await.map_err(anyhow::Error::from)?;
        }
        store.close();
    }
    let (listen, hooks) = (free_port(), free_port());
    let file = data.join("deckhand.toml");
    let config = format!(
        r#"environments = ["staging", "production"]
data = '{}'
[people.ana]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[console]
listen = "127.0.0.1:{listen}"
channels = ["ops"]
[hooks]
listen = "127.0.0.1:{hooks}"
[flags]
[flags.serve]
rate = 1000000
origins = ["*"]
"#,
        data.display()
    );
    fs::write(&file, config)?;
    let program = programs.join("deckhand");
    let command = || {
        let mut command = Command::new(&program);
        command.env("DECKHAND_CONFIG", &file).env_remove("RUST_LOG").stdin(Stdio::null());
        command
    };
    let child = command().stdout(Stdio::null()).stderr(Stdio::null()).spawn().context("deckhand can not be started")?;
    let (server, began) = (Server(child), Instant::now());
    let mut tokens = Vec::new();
    while tokens.len() < 2 {
        ensure!(began.elapsed() < PATIENCE, "deckhand makes no token");
        let kind = ["backend", "frontend"][tokens.len()];
        let said = command().args(["say", &format!("flag token make {kind} staging {kind}")]).output()?;
        let told = String::from_utf8_lossy(&said.stdout).into_owned();
        tokens.extend(told.split(['`', ' ', '\n']).find(|word| word.starts_with("*:")).map(str::to_owned));
    }
    let [backend, frontend] = tokens.try_into().ok().context("there are two tokens")?;
    let address = format!("127.0.0.1:{hooks}");
    let say = Some((program, file));
    let mut hub = Hub { name: "Deckhand", server, address, backend, frontend, started: Duration::ZERO, say };
    hub.is_there().await?;
    hub.started = began.elapsed();
    Ok(hub)
}

/// Edge by itself, with what this hub serves.
///
/// # Errors
/// When it is not installed, or does not start.
pub async fn edge(programs: &Path, scratch: &Path, of: &Hub) -> Result<Hub> {
    let peers = programs.parent().context("a folder of programs has a parent")?.join("peers");
    let program = peers.join("unleash_edge/bin/unleash-edge");
    ensure!(program.exists(), "{} is missing: `scripts/bench flags` installs it", program.display());
    let file = scratch.join("definitions.json");
    fs::write(&file, of.is_there().await?)?;
    let port = free_port();
    let [backend, frontend] = EDGE_TOKENS.map(str::to_owned);
    let mut command = Command::new(program);
    command.args(["--port", &port.to_string(), "offline", "--client-tokens", &backend, "--frontend-tokens", &frontend]);
    command.arg("--bootstrap-file").arg(&file);
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
    let (server, began) = (Server(child), Instant::now());
    let address = format!("127.0.0.1:{port}");
    let name = "Unleash Edge 19.15.1";
    let mut hub = Hub { name, server, address, backend, frontend, started: Duration::ZERO, say: None };
    hub.is_there().await?;
    hub.started = began.elapsed();
    Ok(hub)
}

impl Hub {
    /// A request; `{user}` in the path is somebody else each time.
    pub fn asks(&self, client: &Client, (method, path): &(Method, &str), user: usize) -> RequestBuilder {
        let url = format!("http://{}{}", self.address, path.replace("{user}", &user.to_string()));
        let token = if path.starts_with("/api/client") { &self.backend } else { &self.frontend };
        let request = client.request(method.clone(), url).header("authorization", token);
        // Pages ask, and so do their browsers.
        let request = request.header("origin", "https://shop.example.com");
        if *method != Method::POST {
            return request;
        }
        request.json(&json!({ "context": { "targetingKey": user.to_string(), "country": "kr", "appName": "shop" } }))
    }

    /// The definitions, once it serves them.
    async fn is_there(&self) -> Result<String> {
        let (began, client) = (Instant::now(), Client::builder().no_proxy().build()?);
        loop {
            let asked = self.asks(&client, &(Method::GET, "/api/client/features"), 0).send().await;
            if let Some(answer) = asked.ok().filter(|answer| answer.status() == StatusCode::OK) {
                return Ok(answer.text().await?);
            }
            ensure!(began.elapsed() < PATIENCE, "{} does not serve flags", self.name);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Says a line in chat, and returns how long it took, with the start of the program that says it.
    ///
    /// # Errors
    /// When it is not done.
    pub async fn said(&self, line: &str) -> Result<Duration> {
        let (program, config) = self.say.as_ref().context("only Deckhand is talked to")?;
        let mut command = tokio::process::Command::new(program);
        command.env("DECKHAND_CONFIG", config).args(["say", line]).stdin(Stdio::null()).stdout(Stdio::null());
        let began = Instant::now();
        ensure!(command.status().await?.success(), "`{line}` was not done");
        Ok(began.elapsed())
    }
}
