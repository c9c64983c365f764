//! The command line: one file a verb.
#![allow(clippy::print_stderr, reason = "a terminal is where these verbs speak")]

mod audit;
mod backup;
mod chat;
mod check;
mod client;
mod commands;
mod doctor;
mod enroll;
mod hidden;
mod import;
mod render;
mod say;
mod serve;

use crate::platforms::discord;
use anyhow::{Context, Result, bail};
use clap::{Args, Parser, Subcommand};
use config::{Config, Problems};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Deckhand, an extra pair of hands in your team's chat
#[derive(Parser)]
#[command(name = "deckhand", version, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    verb: Option<Verb>,
    #[command(flatten)]
    place: Placed,
}

/// The exit status of a program that a closed pipe has ended, as shells have it: 128 + SIGPIPE.
const PIPE_CLOSED: i32 = 141;

/// Which Deckhand is meant.
#[derive(Args, Clone, Default)]
struct Placed {
    /// The config (also: DECKHAND_CONFIG); without one, the demo
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Verb {
    /// Run the bot (what happens without a verb)
    Serve,
    /// Say one line to the running bot; ends with 0 when it is done, 1 when it was refused, 2 when something is broken
    Say(say::Say),
    /// A terminal to the running bot
    Chat(chat::Chat),
    /// Tell every mistake in the config, with its line and what to write instead
    Check,
    /// Print every command there is
    Commands(commands::Commands),
    /// Prove the ledger, or print it
    Audit(audit::Audit),
    /// Write everything that Deckhand knows to a file, while it runs or not
    Backup(backup::Backup),
    /// Put a backup in place of data that is lost
    Restore(backup::Restore),
    /// Take in what a team did before it had Deckhand, from a file
    Import(import::Import),
    /// Set up somebody's one-time codes, in place of those that they had
    Enroll(enroll::Enroll),
    /// Print a new one-time link to the console of the running bot
    Link,
    /// Look for what is wrong with this installation, end to end
    Doctor,
}

/// Reads the command line, and does what it says.
pub fn main() -> ExitCode {
    let line = Line::parse();
    // One thread: a call waits more than it computes, and handing its tasks from thread to thread cost a quick answer three
    // times what answering did (`scripts/bench discord`). What blocks has threads of its own.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("deckhand: no threads can be started: {error}");
            return ExitCode::from(2);
        }
    };
    let code = runtime.block_on(run(line)).unwrap_or_else(|error| {
        eprintln!("deckhand: {error:#}");
        // A supervisor leaves alone what ends with 2: starting it again would mend nothing.
        if error.is::<client::Mistaken>() || discord::run::is_away(&error) { 1 } else { 2 }
    });
    ExitCode::from(code)
}

async fn run(line: Line) -> Result<u8> {
    let place = &line.place;
    match line.verb.unwrap_or(Verb::Serve) {
        Verb::Serve => serve::serve(place).await,
        Verb::Say(say) => say::say(place, say).await,
        Verb::Chat(chat) => chat::chat(place, chat).await,
        Verb::Check => check::check(place),
        Verb::Commands(commands) => commands::print(place, &commands),
        Verb::Audit(audit) => audit::audit(place, audit).await,
        Verb::Backup(backup) => backup::backup(place, backup).await,
        Verb::Restore(restore) => backup::restore(place, restore).await,
        Verb::Import(import) => import::import(place, import).await,
        Verb::Enroll(enroll) => enroll::enroll(place, enroll).await,
        Verb::Link => client::Client::find(place)?.link().await.map(|link| {
            say_line(link);
            0
        }),
        Verb::Doctor => doctor::doctor(place).await,
    }
}

impl Placed {
    /// The config file, if one is named.
    fn file(&self) -> Option<PathBuf> {
        self.config.clone().or_else(|| std::env::var_os("DECKHAND_CONFIG").map(PathBuf::from))
    }

    /// The config of a real installation; nothing for the demo.
    fn config(&self) -> Option<(Config, Problems)> {
        self.file().map(|file| config::load(&file, &environment))
    }

    /// The folder of everything that Deckhand keeps: what the config says, else `DECKHAND_DATA`, else the place that
    /// systemd gives (`STATE_DIRECTORY`), else the user's own (XDG Base Directory Specification).
    fn data(&self, config: Option<&Config>) -> Result<PathBuf> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let written = config.and_then(|config| config.data.clone());
        let found = written.or_else(|| variable("DECKHAND_DATA")).or_else(|| variable("STATE_DIRECTORY"));
        let found = found.or_else(|| Some(variable("XDG_DATA_HOME")?.join("deckhand")));
        let found = found.or_else(|| Some(variable("HOME")?.join(".local/share/deckhand")));
        let found = found
            .context("it is not clear where to keep data: write `data = \"…\"` in the config, or set DECKHAND_DATA")?;
        Ok(std::path::absolute(found)?)
    }

    /// The same folder, where Deckhand has run: what only reads must not make an empty database and find it sound.
    fn data_there(&self) -> Result<PathBuf> {
        let config = self.config();
        let data = self.data(config.as_ref().map(|(config, _)| config))?;
        if !store_folder(&data).exists() {
            bail!("there is no data in {}: start `deckhand` there once, or name the right `--config`", data.display());
        }
        Ok(data)
    }
}

fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Where the database lies.
fn store_folder(data: &Path) -> PathBuf {
    data.join("store")
}

/// Where the command line finds the running bot.
fn door_file(data: &Path) -> PathBuf {
    data.join("console.json")
}

/// Prints a line for whoever reads it. When nobody does any more (`| head`), the verb is over, as it is for other programs.
fn say_line(line: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(PIPE_CLOSED);
    }
}

/// Prints what is wrong with a config.
fn print_problems(problems: &Problems) {
    for problem in problems.list() {
        eprintln!("{problem}");
    }
    eprintln!("{}.", ::commands::text::plural(problems.list().len(), "mistake"));
}
