//! Runbooks: tasks that the operator has declared in the config, each a program with typed arguments, as commands.

mod reconcile;
mod records;
mod schedule;
mod settings;
mod show;
mod work;

use crate::program::UnderWay;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::Entry;
use commands::plugin::{Job, Line, Plugin};
use commands::reply::Reply;
use commands::spec::{ArgSpec, CommandSpec, Kind, PluginSpec};
use commands::stop::{Result, Stop};
use commands::text;
use records::RUNS;
use schedule::Scheduled;
use serde::Deserialize;
use settings::Settings;
use std::sync::Arc;
use work::Asked;

/// What can be said about runbooks, beside the tasks themselves.
pub static SPEC: PluginSpec = PluginSpec {
    name: "run",
    about: "Runs the tasks that the config declares: a program of yours, typed arguments, its output live.",
    commands: &[
        CommandSpec {
            name: "run cancel",
            about: "End a task that is under way",
            args: &[ArgSpec::optional(
                "number",
                Kind::Integer(1, i64::MAX),
                "Which run; its button fills this in, and where only one is under way it may be left out",
            )],
            urgent: true,
            examples: &["run cancel", "run cancel number:12"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "run list",
            about: "Show which tasks there are, what is under way, and how the last runs went",
            examples: &["run list"],
            ..CommandSpec::READS
        },
    ],
    start: |setup| Arc::new(Runbooks { settings: Settings::read(setup), under_way: UnderWay::default() }),
};

/// How many runs `/run list` shows.
const LISTED: usize = 10;

/// The plugin at work.
struct Runbooks {
    settings: Settings,
    /// What is under way, one run of each task for a service and an environment.
    under_way: UnderWay<String>,
}

#[derive(Deserialize)]
struct CancelArgs {
    number: Option<u64>,
}

#[async_trait]
impl Plugin for Runbooks {
    fn commands(&self) -> Vec<CommandSpec> {
        self.settings.tasks.iter().map(|task| task.spec).collect()
    }

    fn lines(&self) -> Vec<Line> {
        let undo = self.settings.tasks.iter().filter_map(|task| task.undo_line.clone());
        undo.chain(self.settings.schedule.iter().map(|scheduled| scheduled.line.clone())).collect()
    }

    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "run cancel" => self.cancel(cx).await,
            "run list" => self.list(cx).await,
            other => {
                let task = self.settings.tasks.iter().find(|task| task.spec.name == other);
                let task = task.ok_or_else(|| anyhow::anyhow!("the run plugin does not know `{other}`"))?;
                self.carry_out(cx, &Asked::read(cx, task)).await
            }
        }
    }

    async fn complete(&self, arg: &ArgSpec, _given: &Args, _ports: &Ports) -> Vec<Choice> {
        let all = self.under_way.all().into_iter();
        let choice =
            |(task, run): (String, crate::program::Cancel)| Choice { value: run.number.to_string(), about: task };
        if arg.name == "number" { all.map(choice).collect() } else { Vec::new() }
    }

    fn jobs(&self) -> Vec<Job> {
        self.settings.schedule.iter().map(Scheduled::job).collect()
    }

    async fn work(&self, cx: &Cx, job: &str, due: DateTime<Utc>) -> Result<()> {
        match self.settings.schedule.iter().find(|scheduled| scheduled.job == job) {
            Some(scheduled) => scheduled.say(cx, due).await,
            None => Ok(()),
        }
    }

    async fn reconcile(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        self.settle(cx, doing).await
    }
}

impl Runbooks {
    async fn cancel(&self, cx: &Cx) -> Result<Reply> {
        let CancelArgs { number } = cx.args()?;
        let all = self.under_way.all();
        let found = all.iter().filter(|(_, run)| number.is_none_or(|number| number == run.number)).collect::<Vec<_>>();
        let (what, run) = match (&found[..], number) {
            ([one], _) => one,
            ([], Some(number)) => {
                return Err(Stop::refuse(format!(
                    "Run #{number} is not under way, so nothing was done. `/run list` shows what is."
                )));
            }
            ([], None) => return Err(Stop::refuse("No task is under way, so there is nothing to cancel.")),
            (several, _) => {
                let refuse = Reply::refuse("Several tasks are under way. Nothing was done: say which one is to end.");
                let buttons = several.iter().map(|(what, run)| show::cancel(run.number, what));
                return Err(buttons.fold(refuse, Reply::button).into());
            }
        };
        let act = Act {
            verb: "run.cancel",
            object: format!("#{}", run.number),
            says: format!("Cancel run #{}, {}.", run.number, text::code(what)),
            facts: vec![("run", run.number.to_string())],
            ..Act::default()
        };
        cx.act(act, async |_| {
            run.end(cx.who());
            Ok(())
        })
        .await?;
        Ok(Reply::say(format!("Run #{} is being ended; its own message tells how it comes out.", run.number)))
    }

    async fn list(&self, cx: &Cx) -> Result<Reply> {
        let runs = RUNS.scan_back(cx.store(), "", None, LISTED).await?.into_iter().map(|(_, run)| run.value).collect();
        let names: Vec<_> = self.settings.tasks.iter().map(|task| task.spec.name).collect();
        Ok(show::list(&names, runs, &self.under_way.all(), cx.now()))
    }
}
