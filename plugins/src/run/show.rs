//! How runs look in chat.

use super::records::{Run, State};
use super::work::{Asked, Ended};
use crate::program::{Cancel, Shown, seconds};
use chrono::{DateTime, Utc};
use commands::ports::Exit;
use commands::reply::{Button, Look, Outcome, Reply, Tone};
use commands::text;
use std::time::Duration;

fn card(tone: Tone, how: &str, asked: &Asked<'_>, number: u64, says: impl Into<String>) -> Reply {
    let reply = Reply::card(tone, format!("{}: {how}", asked.task.name), says).field("Run", format!("#{number}"));
    arguments(reply, asked)
}

fn arguments(reply: Reply, asked: &Asked<'_>) -> Reply {
    let reply = asked.with().fold(reply, |reply, (name, value)| reply.field(name, text::plain(&value)));
    if asked.why.is_empty() { reply } else { reply.field("Because", text::plain(&asked.why)) }
}

pub(super) fn under_way(asked: &Asked<'_>, number: u64, elapsed: Duration, shown: &Shown) -> Reply {
    let says = format!("The program is running, for {} now.", seconds(elapsed));
    card(Tone::Working, "running", asked, number, says).output(shown.output()).button(cancel(number, ""))
}

pub(super) fn ended(asked: &Asked<'_>, number: u64, ended: &Ended, output: String) -> Reply {
    let says = format!("{}.", ended.how.trim_end_matches('.'));
    match ended.good {
        true => card(Tone::Good, "done", asked, number, says).output(output),
        false => card(Tone::Bad, "not done", asked, number, says).output(output).outcome(Outcome::Broken),
    }
}

/// What a task has shown that changes nothing.
pub(super) fn looked(asked: &Asked<'_>, exit: Exit, output: String) -> Reply {
    let title = |how: &str| format!("{}: {how}", asked.task.name);
    let reply = match exit {
        Exit::Status(0) => Reply::card(Tone::Good, title("done"), "It ended well."),
        exit => {
            Reply::card(Tone::Bad, title("not done"), format!("Its program failed: {exit}.")).outcome(Outcome::Broken)
        }
    };
    arguments(reply, asked).output(output)
}

pub(super) fn left(asked: &Asked<'_>, number: u64) -> Reply {
    let says = "Deckhand is being stopped, and the program goes on without it. This message is continued when Deckhand is back.";
    card(Tone::Warn, "running", asked, number, says).outcome(Outcome::Broken)
}

fn again(tone: Tone, how: &str, task: &str, said: &str, number: u64, says: String) -> Reply {
    let reply = Reply::card(tone, format!("{task}: {how}"), says).field("Run", format!("#{number}"));
    if said.is_empty() { reply } else { reply.field("With", text::plain(said)) }
}

pub(super) fn settled(task: &str, said: &str, number: u64, how: &str) -> Reply {
    let says = format!("{}.", how.trim_end_matches('.'));
    again(Tone::Warn, "cut off", task, said, number, says).outcome(Outcome::Broken)
}

pub(super) fn waited_for(task: &str, said: &str, number: u64) -> Reply {
    let says = "Deckhand was restarted in the middle of this. Its program is still running, and is waited for.";
    again(Tone::Working, "running", task, said, number, says.to_owned()).button(cancel(number, ""))
}

pub(super) fn left_again(task: &str, said: &str, number: u64) -> Reply {
    let says = "Deckhand is being stopped again, and this still goes on. This message is continued when it is back.";
    again(Tone::Warn, "running", task, said, number, says.to_owned())
}

/// Ends this very run: pressed late, it does not hit the next one.
pub(super) fn cancel(number: u64, what: &str) -> Button {
    let label = format!("Cancel {what}");
    Button::new(label.trim_end(), format!("run cancel number:{number}")).look(Look::Danger)
}

/// Undoes a run, as long as there was no later one of the same.
pub(super) fn undo(line: String, key: String, version: u64) -> Button {
    Button::new("Undo", line).drawn_from(key, version)
}

pub(super) fn list(tasks: &[&str], runs: Vec<Run>, under_way: &[(String, Cancel)], now: DateTime<Utc>) -> Reply {
    let tasks: Vec<_> = tasks.iter().map(|task| text::code(&format!("/{task}"))).collect();
    let says = match tasks.len() {
        0 => "The config declares no task: see `[run.tasks.NAME]` in the manual.".to_owned(),
        _ => format!("{}: {}.", text::plural(tasks.len(), "task"), tasks.join(", ")),
    };
    let row = |run: &Run| {
        let how = match &run.state {
            State::Ended { good: true, .. } => "done".to_owned(),
            State::Ended { how, .. } => text::cut(&text::plain(how), 80),
            State::Starting | State::Running(_) => "under way".to_owned(),
        };
        let what = text::cut(&text::plain(format!("{} {}", run.task, run.said).trim_end()), 60);
        [format!("#{}", run.number), what, text::plain(&run.who), text::ago(run.began, now), how]
    };
    let rows: Vec<_> = runs.iter().map(row).collect();
    let reply = Reply::card(Tone::Plain, "Tasks", says);
    let reply = if rows.is_empty() { reply } else { reply.table(["Run", "What", "Who", "When", "How"], rows) };
    under_way.iter().fold(reply, |reply, (_, run)| reply.button(cancel(run.number, &format!("#{}", run.number))))
}
