//! Bare bots on the usual libraries, each with its own unchanged client: they register, defer, edit and resume against the
//! stand-in, which thereby proves itself.
#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use chrono::Utc;
use commands::clock::Clock;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tests::discord::gateway::Leave;
use tests::discord::state::{State, What};
use tests::discord::{Discord, Served};

/// Where the sources of the bots lie.
fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("peers")
}

/// Where `scripts/setup` has put what the bots need: beside the tests' own programs.
fn installed(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let path = test.ancestors().nth(3).unwrap().join("peers").join(name);
    assert!(path.exists(), "{} is missing: run `scripts/setup`", path.display());
    path
}

/// A bot that runs until it is dropped.
struct Bot(Child);

impl Drop for Bot {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

impl Bot {
    /// Starts one, and waits until it says that it is ready.
    async fn start(mut command: Command, token: &str) -> Bot {
        command.env("DISCORD_TOKEN", token).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?} can not be run: {error}"));
        let out = child.stdout.take().unwrap();
        let bot = Bot(child);
        let first = tokio::task::spawn_blocking(move || BufReader::new(out).lines().next());
        let first = tokio::time::timeout(std::time::Duration::from_secs(60), first).await.expect("it says something");
        assert_eq!(first.unwrap().and_then(Result::ok).as_deref(), Some("ready"));
        bot
    }
}

/// A Discord with `ana`, on loopback.
async fn discord() -> (Discord, Served) {
    let discord = Discord::new(Clock::at(Utc::now()));
    discord.add_member("ana", &[]);
    discord.state().knobs.lenient = true;
    let served = discord.serve().await;
    (discord, served)
}

/// A bot that has registered `ping` answers it late; then again, when the gateway has left and it has resumed.
async fn holds(discord: &Discord, command: Command) {
    let token = discord.state().token.clone();
    let bot = Bot::start(command, &token).await;
    ping(discord).await;
    for (resumes, how) in [(1, Leave::Reconnect), (2, Leave::Cut)] {
        discord.leave(how);
        // Said while it is away.
        ping(discord).await;
        let resumed = |state: &mut State| (state.gateway.resumes == resumes).then_some(());
        discord.until(&format!("the bot has resumed after {how:?}"), resumed).await;
    }
    assert_eq!(discord.state().gateway.identifies.len(), 1);
    drop(bot);
    discord.finish();
}

async fn ping(discord: &Discord) {
    let asked = discord.say("ana", "general", "/ping").unwrap();
    let id = asked["id"].as_str().unwrap();
    let seen = discord.next().await;
    assert_eq!((seen.what, seen.text(), seen.interaction.as_deref()), (What::Posted, "pong", Some(id)));
    let acknowledged = discord.state().interactions[id].acknowledged;
    assert_eq!(acknowledged.map(|(_, kind)| kind), Some(5), "it was deferred");
}

#[tokio::test]
async fn discord_js() {
    let (discord, served) = discord().await;
    let folder = installed("discord_js");
    fs::copy(sources().join("discord_js/bot.mjs"), folder.join("bot.mjs")).unwrap();
    let mut command = Command::new("node");
    command.arg(folder.join("bot.mjs")).arg(format!("http://{}/api", served.rest));
    holds(&discord, command).await;
}

#[tokio::test]
async fn discord_py() {
    let (discord, served) = discord().await;
    let mut command = Command::new("python3");
    command.arg(sources().join("discord_py/bot.py")).arg(format!("http://{}/api", served.rest));
    command.env("PYTHONPATH", installed("discord_py")).env("PYTHONDONTWRITEBYTECODE", "1");
    holds(&discord, command).await;
}

#[tokio::test]
async fn serenity() {
    let (discord, served) = discord().await;
    let mut command = Command::new(installed("serenity").join("release/bare-serenity"));
    command.arg(format!("http://{}", served.rest));
    holds(&discord, command).await;
}
