//! The line of a service and environment: changes of it run one after the other, and who waits sees where they stand.

use super::lanes::{self, Gone, Standing};
use super::{Bot, Plugged};
use chrono::{DateTime, Utc};
use commands::cx::{Cx, InLine};
use commands::ledger::Entry;
use commands::parse::Invocation;
use commands::reply::{Button, Reply, Tone};
use commands::spec::{CommandSpec, Effect};
use commands::stop::{Result, Stop};
use commands::text;

/// The command that gives up a place in line.
pub const LEAVE: &str = "queue leave";

/// A service and an environment: what changes of one wait for.
pub type Target = (String, String);

/// A change's place in line.
pub type Turn = lanes::Place<Target, Change>;

/// A change that stands in line.
#[derive(Debug, Clone)]
pub struct Change {
    /// What it is, as it would be said; of an act that is settled after a start, its verb and object.
    pub line: String,
    /// What was said; nothing for an act that is settled.
    pub said: Option<Invocation>,
    /// Since when it stands there.
    pub since: DateTime<Utc>,
}

impl Bot {
    /// A place in the line of what an open act changes.
    pub(crate) fn join(&self, doing: &Entry) -> Option<Turn> {
        let draft = &doing.draft;
        let target = (draft.service.clone()?, draft.environment.clone()?);
        let line = format!("{} {}", draft.verb, draft.object);
        let change = Change { line, said: None, since: self.world.ports.clock.now() };
        self.targets.join(target, &draft.who, change, |_| false).ok()
    }

    /// A place in the line of what the call changes, where it changes a service in an environment.
    pub(super) fn queue(&self, invocation: &Invocation, cx: &Cx) -> Result<Option<Turn>> {
        let (Some(service), Some(environment)) = (invocation.service(), invocation.environment()) else {
            return Ok(None);
        };
        if !serial(invocation.command) {
            return Ok(None);
        }
        let target = (service.to_owned(), environment.to_owned());
        let line = format!("/{}", invocation.line());
        let change = Change { line, said: Some(invocation.clone()), since: cx.now() };
        let replaces = |older: &Change| older.said.as_ref().is_some_and(|older| self.replaces(invocation, older));
        let joined = self.targets.join(target, cx.who(), change, replaces).map_err(|lanes::Full(waiting)| {
            Stop::refuse(format!(
                "{waiting} changes of `{service}` in `{environment}` are waiting, so this one was not taken. Say it again later."
            ))
        });
        joined.map(Some)
    }

    /// Waits for the turn of a call, and shows where it stands meanwhile.
    pub(super) async fn wait(&self, turn: &Turn, cx: &Cx) -> Result<()> {
        let (service, environment) = turn.key();
        let told = turn.turn(|ahead| {
            let standing = self.targets.standing(turn.key());
            let leave = leave(service, environment, turn.number());
            let button = Button::new("Leave the line", leave).only_for(cx.who());
            cx.progress(waiting(ahead, &standing, service, environment).button(button));
        });
        told.await.map_err(|gone| not_done(gone).into())
    }

    /// Whether the plugin of both says that `older`, which waits, is pointless once `newer` does.
    fn replaces(&self, newer: &Invocation, older: &Invocation) -> bool {
        let declares = |plugged: &&Plugged, command: &CommandSpec| {
            plugged.spec.commands.iter().any(|other| other.name == command.name)
        };
        let both = |plugged: &&Plugged| declares(plugged, newer.command) && declares(plugged, older.command);
        self.plugins.iter().find(both).is_some_and(|plugged| plugged.plugin.replaces(newer, older))
    }

    /// What stands in the line of a service and environment: the first is under way.
    pub fn line(&self, service: &str, environment: &str) -> Vec<InLine> {
        let standing = self.targets.standing(&(service.to_owned(), environment.to_owned()));
        let in_line = |Standing { number, person, what }: Standing<Change>| InLine {
            who: person,
            line: what.line,
            since: what.since,
            leave: leave(service, environment, number),
        };
        standing.into_iter().map(in_line).collect()
    }

    /// The services and environments that something stands in line for, in order.
    pub fn lines(&self) -> Vec<Target> {
        let mut targets = self.targets.keys();
        targets.sort();
        targets
    }

    /// Takes what `who` waits with out of a line: all of it, or what has this number. Returns what it was.
    pub fn leave(&self, target: &Target, who: &str, number: Option<u64>) -> Vec<String> {
        let own = |it: &Standing<Change>| it.person == who && number.is_none_or(|number| number == it.number);
        self.targets.leave(target, own).into_iter().map(|it| it.what.line).collect()
    }
}

/// Whether calls of this command wait for other changes of the same service and environment, and guards are asked.
pub(super) fn serial(command: &CommandSpec) -> bool {
    command.effect != Effect::Reads && !command.urgent
}

fn leave(service: &str, environment: &str, number: u64) -> String {
    format!("{LEAVE} service:{service} env:{environment} number:{number}")
}

/// Where somebody stands with so many ahead of them.
pub fn place(ahead: usize) -> String {
    match ahead {
        0 => "under way".to_owned(),
        1 => "next".to_owned(),
        2 => "second".to_owned(),
        3 => "third".to_owned(),
        more => format!("number {more}"),
    }
}

fn waiting(ahead: usize, standing: &[Standing<Change>], service: &str, environment: &str) -> Reply {
    let names = |it: &Standing<Change>| text::plain(&it.person);
    let first = standing.first().map_or_else(
        || format!("Another change of `{service}` in `{environment}` is under way."),
        |first| {
            format!(
                "{}'s {} is under way, and changes of `{service}` in `{environment}` go one after the other.",
                names(first),
                text::code(&first.what.line)
            )
        },
    );
    let before: Vec<_> = standing.iter().take(ahead).skip(1).map(names).collect();
    let after = if before.is_empty() { String::new() } else { format!(", after {}", before.join(", ")) };
    let place = place(ahead);
    let title = format!("Waiting: {place} in line");
    Reply::card(Tone::Working, title, format!("{first} You are {place} in line{after}."))
}

/// What becomes of a call that has given up its place.
fn not_done(gone: Gone<Change>) -> Reply {
    match gone {
        Gone::Left => Reply::card(Tone::Plain, "Left the line", "You left the line, so this was not done."),
        Gone::Replaced(newer) => {
            let says = format!("Your newer {} takes its place in line, so this was not done.", text::code(&newer.line));
            Reply::card(Tone::Plain, "Replaced", says)
        }
    }
}
