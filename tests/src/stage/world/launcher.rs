//! The programs of the world: what they say, what they ship, and how they end.

use super::{Script, World};
use anyhow::{Result, bail};
use async_trait::async_trait;
use commands::ports::{Exit, Group, Launcher, Output, Program, Running};
use serde_json::Value;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

impl World {
    fn git(&self, arguments: &[&str]) -> Output {
        let mut state = self.state();
        state.repository.git(arguments).unwrap_or_else(|| {
            state.unknown.push(format!("git was asked {arguments:?}"));
            Output { exit: Exit::Status(128), stdout: String::new(), stderr: String::new() }
        })
    }

    /// What `ping` answers.
    fn ping(&self, host: &str) -> Output {
        let answers = !self.state().shut.contains(host);
        let stdout = "1 packets transmitted\nrtt min/avg/max/mdev = 0.034/0.034/0.034/0.000 ms\n".to_owned();
        Output { exit: Exit::Status(i32::from(!answers)), stdout, stderr: String::new() }
    }

    fn write(&self, log: &str, line: &str) {
        let mut state = self.state();
        let text = state.logs.entry(log.to_owned()).or_default();
        text.push_str(line);
        text.push('\n');
    }

    /// Plays a program to its end.
    async fn play(&self, program: &Program, script: Option<Script>, told: &mpsc::Sender<String>, log: &str) -> Exit {
        let line = program.argv.join(" ");
        self.write(log, &line);
        // A test that does not look at the lines has closed the channel.
        let _ = told.send(line).await;
        match script {
            Some(Script::Fails(status)) => Exit::Status(status),
            Some(Script::Hangs | Script::Missing) => std::future::pending().await,
            Some(Script::Says(lines, status)) if status != 0 => {
                self.talk(lines, told, log).await;
                Exit::Status(status)
            }
            None | Some(Script::Says(..)) => {
                if let Some(Script::Says(lines, _)) = script {
                    self.talk(lines, told, log).await;
                }
                tokio::time::sleep(Duration::from_secs(2)).await;
                let builds = self.state().builds.clone();
                builds.iter().for_each(|artifact| self.write(log, &format!("artifact: {artifact}")));
                self.ship(program);
                Exit::Status(0)
            }
        }
    }

    /// Writes so many long lines, which nobody should believe.
    async fn talk(&self, lines: u32, told: &mpsc::Sender<String>, log: &str) {
        for line in 1..=lines {
            let says = format!("{line} of {lines}: @everyone ``` <@1> {}", "=".repeat(120));
            self.write(log, &says);
            let _ = told.send(says).await;
        }
    }

    /// Makes what a program was to ship live: at its target, at its colour, or in the whole environment, which serves what
    /// the colour has that was given everything.
    fn ship(&self, program: &Program) {
        let extra = program.argv.iter().skip_while(|word| *word != "--extra-vars").nth(1);
        let extra: Value = extra.and_then(|extra| serde_json::from_str(extra).ok()).unwrap_or_default();
        let told = |name: &str| {
            let extra = || extra[name.to_lowercase()].as_str().map(str::to_owned);
            program.environment.get(name).cloned().or_else(extra)
        };
        let environment = told("DECKHAND_ENVIRONMENT").unwrap_or_default();
        let part = told("DECKHAND_TARGET").or_else(|| told("DECKHAND_COLOUR"));
        let place = part.map_or_else(|| environment.clone(), |part| format!("{environment}/{part}"));
        let live = &mut self.state().live;
        match told("DECKHAND_WEIGHT").as_deref() {
            None => _ = live.insert(place, told("DECKHAND_COMMIT").unwrap_or_default()),
            Some("100") => _ = live.get(&place).cloned().map(|commit| live.insert(environment, commit)),
            Some(_) => {}
        }
    }
}

/// How Ansible ends with this status, on two hosts.
fn recap(status: i32) -> String {
    let failed = u8::from(status == 2);
    format!(
        "\nPLAY RECAP *****\nweb1 : ok=3 changed=2 unreachable=0 failed=0 skipped=1\nweb2 : ok=2 changed=0 unreachable=0 failed={failed} skipped=0\n"
    )
}

#[async_trait]
impl Launcher for World {
    async fn read(&self, program: Program) -> Result<Output> {
        let argv: Vec<_> = program.argv.iter().map(String::as_str).collect();
        match argv.split_first() {
            Some((&"git", arguments)) => Ok(self.git(arguments)),
            Some((&"ansible-playbook", arguments)) if arguments.contains(&"--check") => {
                Ok(Output { exit: Exit::Status(0), stdout: recap(0), stderr: String::new() })
            }
            Some((&"./ci", [commit, check])) => {
                let asked = ((*commit).to_owned(), (*check).to_owned());
                let status = self.state().ci.get(&asked).copied().unwrap_or(3);
                let stdout = format!("https://ci.example/{check}\n");
                Ok(Output { exit: Exit::Status(status), stdout, stderr: String::new() })
            }
            Some((&"ping", ["-n", "-q", "-c", "1", "-W", _, "--", host])) => Ok(self.ping(host)),
            Some((&"check_queue", _)) => {
                let (status, says) = self.state().says.clone().unwrap_or_default();
                Ok(Output { exit: Exit::Status(status), stdout: format!("{says}\n"), stderr: String::new() })
            }
            Some((&"./look", arguments)) => {
                let stdout = format!("looked at {}\n", arguments.join(" "));
                Ok(Output { exit: Exit::Status(0), stdout, stderr: String::new() })
            }
            _ => {
                self.state().unknown.push(format!("a program was read: {argv:?}"));
                bail!("there is no program {argv:?} here")
            }
        }
    }

    async fn spawn(&self, program: Program, log: &str, _grace: Duration, cancel: CancellationToken) -> Result<Running> {
        let (script, id) = {
            let mut state = self.state();
            state.next_group += 1;
            (state.scripts.pop_front(), state.next_group)
        };
        if script == Some(Script::Missing) {
            bail!("`{}` can not be started: No such file or directory (os error 2)", program.argv[0]);
        }
        let (ended, mut end) = watch::channel(None);
        self.state().running.insert(id, ended);
        let (told, lines) = mpsc::channel(256);
        let (done, exit) = oneshot::channel();
        let (world, log) = (self.clone(), log.to_owned());
        tokio::spawn(async move {
            let told_to_end = end.wait_for(Option::is_some);
            let exit = tokio::select! {
                exit = world.play(&program, script, &told, &log) => exit,
                () = cancel.cancelled() => Exit::Cancelled,
                () = tokio::time::sleep(program.limit) => Exit::TimedOut,
                ended = told_to_end => ended.ok().and_then(|exit| *exit).unwrap_or(Exit::Status(-1)),
            };
            if script == Some(Script::Hangs) && exit == Exit::Status(0) {
                world.ship(&program);
            }
            if let ("ansible-playbook", Exit::Status(status)) = (&*program.argv[0], exit) {
                for line in recap(status).lines() {
                    world.write(&log, line);
                    let _ = told.send(line.to_owned()).await;
                }
            }
            world.state().running.remove(&id);
            // Deckhand may have been killed meanwhile.
            let _ = done.send(exit);
        });
        Ok(Running { group: Group { id, started: 1 }, lines, exit })
    }

    fn alive(&self, group: &Group) -> bool {
        self.state().running.contains_key(&group.id)
    }

    fn writing_to(&self, _log: &str) -> Option<Group> {
        // On this stage nobody is killed between a program's start and the note of its number.
        None
    }

    async fn end(&self, group: &Group, _grace: Duration) {
        if let Some(ended) = self.state().running.remove(&group.id) {
            ended.send_replace(Some(Exit::Cancelled));
        }
    }
}
