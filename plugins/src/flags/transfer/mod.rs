//! Flags as files: written for other services and read from them. What a file can not say is named, never dropped unsaid.

mod arrange;
mod export;
mod flagd;
mod import;
mod own;
mod source;
mod unleash;

use super::model::{Flag, Segment, State};
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind};
pub use source::read_places;
use std::collections::BTreeMap;

/// How a file is written.
const FORMATS: &[&str] = &["deckhand", "unleash", "flagd"];

const FROM: ArgSpec =
    ArgSpec::required("from", Kind::Text, "A file of an export, or an address that the config allows");
const INTO: ArgSpec = ArgSpec::optional("env", Kind::Environment, "Only into this one; each into its own if left out");

/// What writes flags to a file.
pub const EXPORT: CommandSpec = CommandSpec {
    name: "flag export",
    about: "Write flags to a file, for Deckhand, Unleash or flagd",
    args: &[
        ArgSpec::optional("format", Kind::Choice(FORMATS), "For whom; for Deckhand if left out"),
        ArgSpec::optional("env", Kind::Environment, "How they stand there; Unleash and flagd take one"),
        ArgSpec::optional("like", Kind::Text, "Only those with this in their key, or with this tag"),
        ArgSpec::optional("shares", Kind::Choice(&["yes", "no"]), "Whether flagd draws shares anew; no if left out"),
    ],
    examples: &["flag export", "flag export unleash env:production", "flag export flagd env:staging shares:yes"],
    ..CommandSpec::READS
};

/// What shows what an import would change.
pub const PLAN: CommandSpec = CommandSpec {
    name: "flag import plan",
    about: "Show what would change if flags were read from a file of Deckhand or Unleash",
    args: &[FROM, INTO],
    examples: &[
        "flag import plan flags-deckhand-19.json",
        "flag import plan from:https://files.example.com/unleash.json env:staging",
    ],
    ..CommandSpec::READS
};

/// What reads them.
pub const APPLY: CommandSpec = CommandSpec {
    name: "flag import apply",
    about: "Read flags from a file, just as a plan has shown it",
    args: &[FROM, ArgSpec::required("plan", Kind::Text, "What the plan is called"), INTO],
    examples: &["flag import apply flags-deckhand-19.json 1b7d02c94e55"],
    ..CommandSpec::CHANGES
};

/// What takes that back.
pub const UNDO: CommandSpec = CommandSpec {
    name: "flag import undo",
    about: "Take an import back, but for what was changed since",
    args: &[ArgSpec::required("number", Kind::Integer(1, i64::MAX), "The import")],
    effect: Effect::GoesBack,
    examples: &["flag import undo 17"],
    ..CommandSpec::CHANGES
};

/// Flags on their way, whatever the file looks like.
#[derive(Debug, Clone, Default)]
pub struct Bundle {
    /// What each is, by key.
    pub flags: BTreeMap<String, Flag>,
    /// How each stands, by environment and key.
    pub states: BTreeMap<(String, String), State>,
    /// The segments that they go by, by the number that the states have.
    pub segments: BTreeMap<i32, Known>,
    /// What is not on its way with them: a sentence each.
    pub lost: Vec<String>,
}

/// A segment as a file has it.
#[derive(Debug, Clone)]
pub enum Known {
    /// In full.
    Whole(Segment),
    /// By its name alone, as Unleash exports them.
    Name(String),
}

impl Known {
    fn name(&self) -> &str {
        match self {
            Known::Whole(segment) => &segment.name,
            Known::Name(name) => name,
        }
    }
}

/// The names as code, at most ten of them.
fn named<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.into_iter().collect();
    let shown: Vec<_> = names.iter().take(10).map(|name| commands::text::code(name)).collect();
    let more = names.len().saturating_sub(shown.len());
    if more > 0 { format!("{} and {more} more", shown.join(", ")) } else { shown.join(", ") }
}
