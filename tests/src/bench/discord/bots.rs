//! The bots as processes, each with a stand-in of its own.

use super::AT_ONCE;
use crate::bench::process::Server;
use crate::discord::gateway::Leave;
use crate::discord::state::State;
use crate::discord::{Discord, Served};
use anyhow::{Context, Result, bail, ensure};
use chrono::Utc;
use commands::clock::Clock;
use std::fmt::Write;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Who asks, and in how many channels. A person's lines in a channel are carried out in their order, so as many lanes
/// are needed as there are interactions at once.
const PEOPLE: [&str; 5] = ["ana", "ben", "chloe", "dan", "eve"];

/// How many services there are, in four environments: together as many as are deployed at once.
const SERVICES: usize = AT_ONCE / 4;

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a bot is left alone with what it does after its start.
const SETTLE: Duration = Duration::from_secs(1);

/// What a deploy runs: it says a line twice a second, and when it ends, a file tells when that was.
const PROGRAM: &str = "#!/bin/sh\n\
    for step in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do echo \"step $step of 16\"; sleep 0.5; done\n\
    : > \"$1.end\"\n";

/// Deckhand's config, but for people and services.
const CONFIG: &str = r#"
data = "{data}"
environments = ["dev", "test", "staging", "production"]
[chat.discord]
token = "{token}"
application = "{application}"
guilds = ["{guild}"]
api = "{api}"
[console]
listen = "127.0.0.1:0"
[[policy]]
allow = "* effect=reads"
to = ["deployer"]
[[policy]]
allow = "deploy *"
to = ["deployer"]
[[policy]]
allow = "grant"
to = ["deployer"]
[[policy]]
allow = "revoke"
to = ["deployer"]
[deploy]
"#;

/// A bot, and the Discord that it talks to.
pub struct Bot {
    /// What it is called.
    pub name: &'static str,
    /// Its Discord.
    pub discord: Discord,
    /// What it can deploy: Deckhand alone can.
    pub work: Option<Work>,
    command: Command,
    /// The file that it complains to.
    log: PathBuf,
    process: Option<Server>,
    _served: Served,
}

/// The person and the channel of a lane.
pub fn lane(number: usize) -> (&'static str, String) {
    (PEOPLE[number % PEOPLE.len()], format!("ops-{}", number / PEOPLE.len() + 1))
}

/// `deckhand`, which lies in the folder `programs`, and then the others, which `scripts/setup` has put beside that.
///
/// # Errors
/// When one of them is not there, or `scratch` takes no files.
pub async fn all(programs: &Path, scratch: &Path) -> Result<Vec<Bot>> {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers");
    let installed = programs.parent().context("the programs lie in the target directory")?.join("peers");
    let serenity = Command::new(installed.join("serenity/release/bare-serenity"));
    let (mut js, script) = (Command::new("node"), installed.join("discord_js/bot.mjs"));
    fs::copy(sources.join("discord_js/bot.mjs"), &script).context("discord.js is missing: run `scripts/setup`")?;
    js.arg(script);
    let mut py = Command::new("python3");
    py.arg(sources.join("discord_py/bot.py")).env("PYTHONPATH", installed.join("discord_py"));
    Ok(vec![
        Bot::deckhand(programs, scratch).await?,
        Bot::other("bare serenity", serenity, "", scratch).await?,
        Bot::other("discord.js", js, "/api", scratch).await?,
        Bot::other("discord.py", py, "/api", scratch).await?,
    ])
}

impl Bot {
    async fn deckhand(programs: &Path, scratch: &Path) -> Result<Bot> {
        let (discord, served) = stand_in().await;
        let work = Work::make(scratch.join("work"))?;
        let file = scratch.join("deckhand.toml");
        fs::write(&file, config(&discord, &served.api(), &scratch.join("data"), &work)?)?;
        let mut command = Command::new(programs.join("deckhand"));
        command.args(["serve", "--config"]).arg(file).env_remove("RUST_LOG");
        Bot::new("Deckhand", discord, served, command, Some(work), scratch)
    }

    /// A bot whose last argument is Discord's address, up to and with this path.
    async fn other(name: &'static str, mut command: Command, path: &str, scratch: &Path) -> Result<Bot> {
        let (discord, served) = stand_in().await;
        command.arg(format!("http://{}{path}", served.rest)).env("DISCORD_TOKEN", &discord.state().token);
        Bot::new(name, discord, served, command, None, scratch)
    }

    fn new(
        name: &'static str,
        discord: Discord,
        served: Served,
        mut command: Command,
        work: Option<Work>,
        scratch: &Path,
    ) -> Result<Bot> {
        let log = scratch.join(format!("{name}.log"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log)?);
        Ok(Bot { name, discord, work, command, log, process: None, _served: served })
    }

    /// Whether it is the one that is measured against the others.
    pub fn is_ours(&self) -> bool {
        self.work.is_some()
    }

    /// Starts it, and returns how long it took until the gateway had welcomed it.
    ///
    /// # Errors
    /// When it can not be started, or the gateway never hears of it.
    pub async fn start(&mut self) -> Result<Duration> {
        let began = Instant::now();
        let child = self.command.spawn().with_context(|| format!("{} is missing: run `scripts/setup`", self.name))?;
        let mut process = Server(child);
        while self.discord.state().gateway.connected() == 0 {
            if let Some(status) = process.0.try_wait()? {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("{} has ended at its start: {status}\n{log}", self.name);
            }
            ensure!(began.elapsed() < PATIENCE, "{} does not come to the gateway", self.name);
            sleep(Duration::from_micros(500)).await;
        }
        let took = began.elapsed();
        self.process = Some(process);
        let registered = |state: &mut State| (!state.commands.is_empty()).then_some(());
        self.discord.until("the commands are registered", registered).await;
        Ok(took)
    }

    /// Lets it come to rest after its start, and forgets what it did for that.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn settle(&mut self) -> Result<()> {
        sleep(SETTLE).await;
        self.discord.state().requests.clear();
        self.memory().map(drop)
    }

    /// Ends it, and the gateway's session with it.
    pub async fn end(&mut self) {
        self.process = None;
        self.discord.until("it has gone", |state| (state.gateway.connected() == 0).then_some(())).await;
        self.discord.leave(Leave::Invalid(false));
    }

    /// What its process has used of the processor.
    ///
    /// # Errors
    /// When it does not run.
    pub fn cpu(&self) -> Result<Duration> {
        self.process()?.cpu()
    }

    /// The memory that its process has, in bytes.
    ///
    /// # Errors
    /// When it does not run.
    pub fn memory(&self) -> Result<f64> {
        self.process()?.memory()
    }

    fn process(&self) -> Result<&Server> {
        self.process.as_ref().with_context(|| format!("{} does not run", self.name))
    }
}

/// A Discord with people and channels enough, which sets no limits.
async fn stand_in() -> (Discord, Served) {
    let discord = Discord::new(Clock::at(Utc::now()));
    PEOPLE.iter().for_each(|name| _ = discord.add_member(name, &[]));
    let mut channels: Vec<_> = (0..AT_ONCE).map(|number| lane(number).1).collect();
    channels.dedup();
    channels.iter().for_each(|name| _ = discord.add_channel(name));
    let served = discord.serve().await;
    {
        let mut state = discord.state();
        state.knobs.unlimited = true;
        state.gateway.spacing = Duration::ZERO;
    }
    (discord, served)
}

/// Deckhand's config.
fn config(discord: &Discord, api: &str, data: &Path, work: &Work) -> Result<String> {
    let guild = discord.guild();
    let state = discord.state();
    let mut config = CONFIG
        .replace("{data}", &data.display().to_string())
        .replace("{token}", &state.token)
        .replace("{application}", &state.application)
        .replace("{guild}", &guild)
        .replace("{api}", api);
    for name in PEOPLE {
        let id = state.user(name).context("everybody is a member")?;
        writeln!(config, "[people.{name}]\nroles = [\"deployer\"]\ndiscord = \"{id}\"")?;
    }
    let folder = work.0.display();
    for number in 0..SERVICES {
        writeln!(config, "[services.service-{number}]\nrepository = \"{folder}/app\"")?;
        writeln!(config, "[services.service-{number}.deploy]")?;
        writeln!(config, "command = [\"{folder}/ship\", \"{folder}/service-{number} {{environment}}\"]")?;
    }
    Ok(config)
}

/// The services that can be deployed, in one folder: a git repository for all of them, and a program that ships them.
pub struct Work(PathBuf);

impl Work {
    fn make(folder: PathBuf) -> Result<Work> {
        let repository = folder.join("app");
        fs::create_dir_all(&repository)?;
        for words in ["init --quiet", "commit --quiet --allow-empty --message v1", "tag v1"] {
            let mut git = Command::new("git");
            git.args(["-c", "user.name=ana", "-c", "user.email=ana@example.invalid", "-C"]).arg(&repository);
            git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
            ensure!(git.args(words.split(' ')).status()?.success(), "`git {words}` has failed");
        }
        let program = folder.join("ship");
        fs::write(&program, PROGRAM)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
        Ok(Work(folder))
    }

    /// A service and an environment, as a command names them.
    pub fn target(number: usize) -> String {
        let environment = ["dev", "test", "staging", "production"][number / SERVICES % 4];
        format!("service-{} {environment}", number % SERVICES)
    }

    /// The file that comes to be when a target's program has ended.
    pub fn end(&self, number: usize) -> PathBuf {
        self.0.join(format!("{}.end", Work::target(number)))
    }
}
