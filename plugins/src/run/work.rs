//! One run of a task, from its arguments to the last word on how it went.

use super::records::{LAST, RUNS, Run, State, name};
use super::settings::{BECAUSE, Task, undo_of};
use super::{Runbooks, show};
use crate::declared::{is_free, plain};
use crate::program::{self, Board, Cancel, Shown};
use crate::words;
use anyhow::Context;
use chrono::TimeDelta;
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::ledger;
use commands::parse;
use commands::ports::{Exit, Program};
use commands::reply::Reply;
use commands::spec::Effect;
use commands::stop::{Result, Stop};
use commands::text;
use commands::value::Value;

/// A task with the arguments that it is asked for with.
pub(super) struct Asked<'a> {
    pub task: &'a Task,
    /// Every argument that was given or has a default, in the order of the spec.
    pub values: Vec<(&'static str, Value)>,
    pub service: Option<String>,
    pub environment: Option<String>,
    pub why: String,
}

/// How a run ended.
pub(super) struct Ended {
    pub good: bool,
    /// A sentence without its full stop.
    pub how: String,
}

impl<'a> Asked<'a> {
    pub fn read(cx: &Cx, task: &'a Task) -> Asked<'a> {
        let invocation = cx.invocation();
        let given = |name: &str| invocation.and_then(|invocation| invocation.args.get(name)).cloned();
        let default =
            |name: &str| task.defaults.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let values =
            task.spec.args.iter().filter_map(|arg| Some((arg.name, given(arg.name).or_else(|| default(arg.name))?)));
        let owned = |name: Option<&str>| name.map(str::to_owned);
        Asked {
            values: values.collect(),
            service: owned(invocation.and_then(|invocation| invocation.service())),
            environment: owned(invocation.and_then(|invocation| invocation.environment())),
            why: given(BECAUSE).map(|why| why.to_string()).unwrap_or_default(),
            task,
        }
    }

    fn value(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }

    /// What stands for a name in a program's words.
    fn word(&self, name: &str) -> Option<String> {
        self.value(name).map(plain)
    }

    /// What it is run with; why is told apart.
    pub fn with(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.values.iter().filter(|(name, _)| *name != BECAUSE).map(|(name, value)| (*name, value.to_string()))
    }

    /// The arguments as they would be said.
    pub fn said(&self) -> String {
        let said = self.with().map(|(name, value)| format!("{name}:{}", parse::quote(&value)));
        said.collect::<Vec<_>>().join(" ")
    }

    /// What it is one of: a task for a service and an environment is run once at a time.
    pub fn target(&self) -> String {
        let place = [&self.service, &self.environment].into_iter().flatten();
        place.fold(self.task.name.to_owned(), |target, place| target + "/" + place)
    }

    /// The program's argument vector: each argument is a part of one element, whatever stands in it.
    ///
    /// # Errors
    /// A refusal when a text or a number would be taken for an option, because it begins with `-`.
    pub fn argv(&self) -> Result<Vec<String>> {
        let mut argv = Vec::new();
        let mut options = true;
        for word in &self.task.command {
            let Some(filled) = words::fill(word, |name| self.word(name)) else { continue };
            options &= word != "--";
            let first = words::names(word).first().copied().filter(|_| word.starts_with('{')).unwrap_or_default();
            // What the operator wrote (a choice) is meant as it is; names of the config begin with no `-`.
            let free = self.task.spec.args.iter().any(|arg| arg.name == first && is_free(arg.kind));
            if options && free && filled.starts_with('-') {
                return Err(Stop::refuse(format!(
                    "`{first}` is {}, and a program takes what begins with `-` for an option. Nothing was done. Begin it with something else.",
                    text::code(&filled)
                )));
            }
            argv.push(filled);
        }
        Ok(argv)
    }

    fn program(&self, who: &str) -> Result<Program> {
        let filled =
            |(name, value): (&String, &String)| Some((name.clone(), words::fill(value, |name| self.word(name))?));
        let told = [("DECKHAND_TASK", self.task.name), ("DECKHAND_WHO", who)];
        let told = told.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned()));
        Ok(Program {
            argv: self.argv()?,
            folder: self.task.folder.clone(),
            environment: told.chain(self.task.variables.iter().filter_map(filled)).collect(),
            limit: self.task.limit,
        })
    }

    pub fn undo(&self) -> Option<String> {
        let value = |name: &str| self.value(name).map(|value| parse::quote(&value.to_string()));
        self.task.undo.as_ref().map(|undo| undo_of(undo, value))
    }

    fn act(&self) -> Act {
        let said = self.said();
        Act {
            verb: self.task.verb,
            object: if said.is_empty() { self.task.name.to_owned() } else { said },
            service: self.service.clone(),
            environment: self.environment.clone(),
            says: format!("Run {}.", text::code(format!("{} {}", self.task.name, self.said()).trim_end())),
            facts: self.with().collect(),
            undo: self.undo(),
            state: Some(LAST.key(self.target())),
            why: self.why.clone(),
            danger: false,
        }
    }
}

/// The name of a run's log.
pub(super) fn log_name(task: &str, number: u64) -> String {
    format!("run-{number}-{task}.log")
}

impl Runbooks {
    /// Runs a task.
    pub(super) async fn carry_out(&self, cx: &Cx, asked: &Asked<'_>) -> Result<Reply> {
        let program = asked.program(cx.who())?;
        if asked.task.spec.effect == Effect::Reads {
            return look(cx, asked, program).await;
        }
        self.check_alone(cx, asked).await?;
        let ran = cx.act(asked.act(), async |permit| {
            let number = permit.act();
            let registered = self.under_way.register_alone(&asked.target(), number);
            let registered = registered.ok_or_else(|| under_way(asked, "somebody else's"))?;
            match self.work(cx, permit, asked, program, &registered.cancel).await? {
                Some(ended) => Ok((number, ended)),
                None => Err(Stop::Left(Box::new(show::left(asked, number)))),
            }
        });
        let (number, ended) = ran.await?;
        let log = log_name(asked.task.name, number);
        let reply = show::ended(asked, number, &ended, program::tail(cx, &log).await);
        let undo = asked.undo().filter(|_| ended.good);
        let reply = match undo {
            Some(undo) => {
                let version = LAST.get(cx.store(), asked.target()).await?.map_or(0, |last| last.version);
                reply.button(show::undo(undo, LAST.key(asked.target()), version))
            }
            None => reply,
        };
        Ok(reply.file(format!("Log of #{number}"), log))
    }

    /// Refuses a second run of the same task for the same service and environment while one is under way, or was cut off
    /// and is not settled.
    async fn check_alone(&self, cx: &Cx, asked: &Asked<'_>) -> Result<()> {
        let same = |draft: &ledger::Draft| {
            draft.verb == asked.task.verb && draft.service == asked.service && draft.environment == asked.environment
        };
        match ledger::open(cx.store()).await?.iter().find(|entry| same(&entry.draft)) {
            Some(other) => Err(under_way(asked, &format!("{}'s run #{}", text::plain(&other.draft.who), other.seq))),
            None => Ok(()),
        }
    }

    async fn work(
        &self,
        cx: &Cx,
        permit: &Permit,
        asked: &Asked<'_>,
        mut program: Program,
        cancel: &Cancel,
    ) -> Result<Option<Ended>> {
        let number = permit.act();
        program.environment.insert("DECKHAND_ACT".to_owned(), number.to_string());
        let log = log_name(asked.task.name, number);
        let mut run = Run {
            number,
            task: asked.task.name.to_owned(),
            said: asked.said(),
            who: cx.who().to_owned(),
            began: cx.now(),
            until: cx.now() + TimeDelta::from_std(asked.task.limit).unwrap_or(TimeDelta::MAX),
            state: State::Starting,
            log: log.clone(),
        };
        RUNS.put(permit, name(number), &run)?;
        permit.save().await?;
        let grace = self.settings.grace;
        let ended = match cx.ports().processes.spawn(permit, program, &log, grace, cancel.token.clone()).await {
            Err(error) => {
                Ended { good: false, how: format!("Its program could not be started, so nothing was done: {error:#}") }
            }
            Ok(running) => {
                run.state = State::Running(running.group.clone());
                RUNS.put(permit, name(number), &run)?;
                if let Err(stop) = permit.save().await {
                    // A program that nobody would find again after a crash does not go on.
                    cancel.token.cancel();
                    let _ = running.exit.await;
                    return Err(stop);
                }
                let (board, on_stop) = (Board::default(), self.settings.on_stop);
                let end = program::ended(running, |line| board.line(line));
                let draw = |elapsed, shown: &Shown| show::under_way(asked, number, elapsed, shown);
                match program::follow(cx, &board, on_stop, &cancel.token, end, draw).await {
                    None => return Ok(None),
                    Some(Exit::Status(0)) => {
                        let took = (cx.now() - run.began).to_std().unwrap_or_default();
                        Ended { good: true, how: format!("It ended well after {}", program::seconds(took)) }
                    }
                    Some(Exit::Cancelled) => Ended { good: false, how: cancel.why("program", None) },
                    Some(exit) => Ended { good: false, how: format!("Its program failed: {exit}") },
                }
            }
        };
        keep(cx, permit, &asked.target(), run, &ended)?;
        Ok(Some(ended))
    }
}

/// Stages how a run ended.
pub(super) fn keep(cx: &Cx, permit: &Permit, target: &str, mut run: Run, ended: &Ended) -> Result<()> {
    run.state = State::Ended { at: cx.now(), good: ended.good, how: ended.how.clone() };
    RUNS.put(permit, name(run.number), &run)?;
    LAST.put(permit, target, &run.number)?;
    match ended.good {
        true => permit.note(&ended.how),
        false => permit.failed(&ended.how),
    }
    Ok(())
}

/// Runs a task that changes nothing: it stands on no ledger, and keeps no log.
async fn look(cx: &Cx, asked: &Asked<'_>, program: Program) -> Result<Reply> {
    let read = cx.ports().processes.read(program).await;
    let output = read.with_context(|| format!("The program of `{}` could not be started", asked.task.name))?;
    let shown = program::last_lines(output.stdout.lines().chain(output.stderr.lines()));
    Ok(show::looked(asked, output.exit, shown))
}

fn under_way(asked: &Asked<'_>, whose: &str) -> Stop {
    Stop::refuse(format!(
        "`{}` is under way already: {whose}. It was not run a second time. Say it again when that has ended; `/run list` shows it.",
        asked.task.name
    ))
}

#[cfg(test)]
#[path = "work/tests.rs"]
mod tests;
