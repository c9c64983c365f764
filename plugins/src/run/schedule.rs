//! Tasks that run on a schedule: Deckhand says them by itself, as policy allows it, and tells the channel.

use super::settings::Task;
use crate::declared::leak;
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::{Cx, Saying};
use commands::ledger::Place;
use commands::plugin::{Job, Line, Setup};
use commands::spec::Effect;
use commands::stop::{Result, Stop};
use config::{DECKHAND, Schedule, Section, quoted};

/// How late a run may be without a word about it.
const LATE: TimeDelta = TimeDelta::minutes(2);

/// A task on a schedule.
#[derive(Debug)]
pub struct Scheduled {
    /// The name of its job.
    pub job: &'static str,
    pub schedule: Schedule,
    /// What Deckhand says.
    pub line: Line,
    /// Where.
    pub places: Vec<Place>,
}

/// Reads `[[run.schedule]]`, noting every mistake.
pub fn read(setup: &Setup<'_>, section: &Section<'_>, tasks: &[Task]) -> Vec<Scheduled> {
    let mut all: Vec<Scheduled> = Vec::new();
    for one in section.list("schedule") {
        let name = one.required_text("task");
        let task = tasks.iter().find(|task| task.name == name);
        if task.is_none() && !name.is_empty() {
            let nearest = config::suggest::suggest(&name, tasks.iter().map(|task| task.name));
            let instead = nearest.map_or("declare it first".to_owned(), |name| format!("write `{name}`"));
            one.problem("task", format!("there is no task {}", quoted(&name)), instead);
        }
        if task.is_some_and(|task| task.spec.effect == Effect::Danger) {
            one.problem("task", "this task asks for a yes, and nobody is there to give it", "let people say it");
        }
        if !one.has("cron") {
            one.required_text("cron");
        }
        let schedule = one.schedule("cron", one.zone("zone").unwrap_or(setup.config.zone));
        let arguments = one.text("args").unwrap_or_default();
        one.required_text("channel");
        let places = setup.places(&one, "channel");
        let place = one.place(if one.has("args") { "args" } else { "task" });
        one.finish();
        let (Some(task), Some(schedule)) = (task, schedule) else { continue };
        let same = all.iter().filter(|other| other.job.split('/').next() == Some(task.name)).count();
        let text = format!("{} {arguments}", task.spec.name).trim_end().to_owned();
        let line = Line { text, place, unasked: true };
        all.push(Scheduled { job: leak(format!("{}/{same}", task.name)), schedule, line, places });
    }
    all
}

impl Scheduled {
    pub fn job(&self) -> Job {
        Job { name: self.job, schedule: self.schedule.clone() }
    }

    /// Says it for the run that came due at `due`, once.
    pub async fn say(&self, cx: &Cx, due: DateTime<Utc>) -> Result<()> {
        let at = due.with_timezone(&self.schedule.zone()).format("%Y-%m-%d %H:%M %Z");
        let reason = match cx.now() - due > LATE {
            true => format!("by schedule, late, for it was due on {at}"),
            false => "by schedule".to_owned(),
        };
        let once = format!("run/{}/{}", self.job, due.timestamp());
        let line = self.line.text.clone();
        let saying = Saying { who: DECKHAND.to_owned(), places: self.places.clone(), line, reason, once, from: None };
        match cx.say(saying).await {
            // What became of it was told in the channel. An act that goes on without Deckhand is settled at the next start, and
            // one that had begun before is not begun twice.
            Ok(_) | Err(Stop::Left(_) | Stop::Refused(_)) => Ok(()),
            Err(broken) => Err(broken),
        }
    }
}
