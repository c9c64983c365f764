//! What a command is, as data: declared once by its plugin; everything that describes a command is a view of this.

use crate::plugin::{Plugin, Setup};
use std::sync::Arc;

/// One plugin: what it is called, what one can say to it, and how it is made.
pub struct PluginSpec {
    /// The name of its section in the config; it is on when that section stands there.
    pub name: &'static str,
    /// One sentence for the manual.
    pub about: &'static str,
    /// Its commands, in the order in which help shows them; behind them come [`Plugin::commands`].
    pub commands: &'static [CommandSpec],
    /// Reads its part of the config, reports every mistake to [`Setup`], and touches nothing else.
    pub start: fn(&mut Setup) -> Arc<dyn Plugin>,
}

/// One command.
#[derive(Debug, Clone, Copy)]
pub struct CommandSpec {
    /// One to three lower-case words: command, group, sub-command (`deploy ship`).
    pub name: &'static str,
    /// What it does, in at most 100 characters, beginning with a verb.
    pub about: &'static str,
    /// Its arguments: the required ones first, in the order in which they may be given without their names.
    pub args: &'static [ArgSpec],
    /// Who may say it.
    pub need: Need,
    /// What it does to the world.
    pub effect: Effect,
    /// Whether it starts at once, although another change of the same service and environment is under way, and no guard
    /// is asked: for a command that ends or answers that change, or settles who may change anything. One that goes back asks
    /// nobody for a yes or an approval, either.
    pub urgent: bool,
    /// What it is called in the menu of a message, where it can be asked for on one: its first argument,
    /// [`crate::message::ARGUMENT`], then names that message, and no other is required.
    pub on_message: Option<&'static str>,
    /// Whole lines that work, without the slash; at least one.
    pub examples: &'static [&'static str],
}

impl CommandSpec {
    /// What commands that only look have in common; the rest is to be filled in.
    pub const READS: CommandSpec = CommandSpec {
        name: "",
        about: "",
        args: &[],
        need: Need::Rule,
        effect: Effect::Reads,
        urgent: false,
        on_message: None,
        examples: &[],
    };

    /// What commands that change something have in common; the rest is to be filled in.
    pub const CHANGES: CommandSpec = CommandSpec { effect: Effect::Changes, ..CommandSpec::READS };

    /// Whether it is a way out that can not wait: neither a yes nor the approval of others is asked for.
    pub fn stops(&self) -> bool {
        self.urgent && self.effect == Effect::GoesBack
    }
}

/// One argument of a command.
#[derive(Debug, Clone, Copy)]
pub struct ArgSpec {
    /// Lower-case, by Discord's pattern for option names.
    pub name: &'static str,
    /// What it is, in at most 100 characters.
    pub about: &'static str,
    /// What may be written.
    pub kind: Kind,
    /// Whether the command can not do without it.
    pub required: bool,
    /// Whether what is given is shown to nobody and kept nowhere: lines are written without it.
    pub secret: bool,
    /// Whether it is given by its name alone: words without a name are for the others.
    pub named: bool,
}

impl ArgSpec {
    /// An argument that must be given.
    pub const fn required(name: &'static str, kind: Kind, about: &'static str) -> ArgSpec {
        ArgSpec { name, about, kind, required: true, secret: false, named: false }
    }

    /// An argument that may be left out.
    pub const fn optional(name: &'static str, kind: Kind, about: &'static str) -> ArgSpec {
        ArgSpec { name, about, kind, required: false, secret: false, named: false }
    }

    /// A text that may be left out, and that is shown to nobody: a one-time code.
    pub const fn secret(name: &'static str, about: &'static str) -> ArgSpec {
        ArgSpec { name, about, kind: Kind::Text, required: false, secret: true, named: false }
    }

    /// The same, given by its name alone.
    pub const fn by_name(self) -> ArgSpec {
        ArgSpec { named: true, ..self }
    }
}

/// What may be written as an argument; [`crate::value::Value`] is what comes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// A service that the config names.
    Service,
    /// An environment that the config names.
    Environment,
    /// A person that the config names, with or without a leading `@`.
    Person,
    /// A git ref: a tag, a branch or a commit; whether it exists is the plugin's to say.
    Ref,
    /// A command's name (`deploy ship`).
    Command,
    /// A length of time: `90s`, `15m`, `2h`, `1h30m`, `7d`, `2w`.
    Duration,
    /// A moment: `14:00`, `yesterday`, `2026-03-01`, `2026-03-01 14:00`, `2h ago`, or RFC 3339.
    Time,
    /// A moment to come: `17:00` (the next one), `tomorrow 9:00`, `friday 17:00`, `2026-03-06 17:00`, `2h`, or RFC 3339.
    Later,
    /// A share of 100, with or without `%`; fractions are fine.
    Percent,
    /// A whole number within these bounds, both included.
    Integer(i64, i64),
    /// Any text of one line.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
}

/// Who may say a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Anyone at all: for commands that explain Deckhand and show nothing that policy protects.
    Nothing,
    /// Whom a rule of the policy allows.
    Rule,
}

/// What a command does to the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Nothing changes.
    Reads,
    /// Something changes, and is on the ledger.
    Changes,
    /// Something goes back to how it was before, and is on the ledger: a way out, which guards leave open where they can.
    GoesBack,
    /// Something changes that is hard to take back: a yes is asked for first.
    Danger,
}
