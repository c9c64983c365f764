//! What the operator wrote about runbooks: tasks, each a program with typed arguments, which become commands.

use super::schedule::{self, Scheduled};
use super::words;
use crate::program::OnStop;
use chrono::DateTime;
use commands::parse;
use commands::plugin::{Line, Setup};
use commands::registry::{LONGEST_ABOUT, MOST, Registry, is_name};
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, Need};
use commands::value::Value;
use commands::vocabulary::Vocabulary;
use config::{Section, quoted};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The sub-commands of `/run` that are Deckhand's own: no task can be called like one.
const OWN: [&str; 2] = ["cancel", "list"];

/// The argument that every task has that changes anything, unless it declares one itself.
pub const BECAUSE: &str = "because";

/// What an argument may be.
const KINDS: [&str; 9] =
    ["service", "environment", "person", "ref", "choice", "duration", "percent", "integer", "text"];

/// The whole of it.
#[derive(Debug, Default)]
pub struct Settings {
    /// What becomes of a program when Deckhand is stopped.
    pub on_stop: OnStop,
    /// How long a program has between TERM and KILL.
    pub grace: Duration,
    /// The tasks, in the order of the file.
    pub tasks: Vec<Task>,
    /// The tasks that run on a schedule.
    pub schedule: Vec<Scheduled>,
}

/// A task.
#[derive(Debug)]
pub struct Task {
    /// What it is called: the sub-command of `/run`.
    pub name: &'static str,
    /// Its command.
    pub spec: CommandSpec,
    /// The verb of its acts: `run.restart-workers`.
    pub verb: &'static str,
    /// The program and its arguments, with `{names}` in them.
    pub command: Vec<String>,
    /// Where the program runs.
    pub folder: PathBuf,
    /// What is added to the program's environment, with `{names}` in it.
    pub variables: BTreeMap<String, String>,
    /// How long the program may take.
    pub limit: Duration,
    /// What stands for arguments that are left out.
    pub defaults: Vec<(&'static str, Value)>,
    /// The line that undoes it, with `{names}` in it.
    pub undo: Option<String>,
    /// The same with samples, and where it stands.
    pub undo_line: Option<Line>,
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let mut settings = Settings { grace: Duration::from_secs(10), ..Settings::default() };
        let Some(section) = setup.section() else { return settings };
        settings.on_stop = OnStop::read(&section);
        settings.grace = section.duration("grace").unwrap_or(settings.grace);
        let tasks = section.tables("tasks");
        if tasks.len() + OWN.len() > MOST {
            let what = format!(
                "there are {} tasks, and may be {}: chat shows no more sub-commands",
                tasks.len(),
                MOST - OWN.len()
            );
            section.problem("tasks", what, "make fewer tasks of them, with an argument that says which");
        }
        settings.tasks = tasks.into_iter().filter_map(|(name, one)| task(setup, name, one)).collect();
        settings.schedule = schedule::read(setup, &section, &settings.tasks);
        section.finish();
        settings
    }
}

/// Commands are data that lives as long as Deckhand: what the config makes of them is leaked, once, when it is read.
pub fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// An argument of a task.
struct Arg {
    spec: ArgSpec,
    default: Option<Value>,
}

fn task(setup: &Setup<'_>, name: String, section: Section<'_>) -> Option<Task> {
    if !is_name(&name) {
        let what = format!("{} can not be the name of a task", quoted(&name));
        section.problem("", what, "write up to 32 of a-z, 0-9 and `-`, a letter first");
    } else if OWN.contains(&name.as_str()) {
        section.problem("", format!("`/run {name}` is Deckhand's own command"), "call the task something else");
    }
    let effect = match section.choice("effect", &["changes", "danger", "reads"]).as_deref() {
        Some("reads") => Effect::Reads,
        Some("danger") => Effect::Danger,
        _ => Effect::Changes,
    };
    let about = described(&section, format!("Run `{name}`"));
    let vocabulary = setup.vocabulary();
    let args = args(&section, effect, &vocabulary);
    let command = section.required_texts("command");
    check_command(&section, &command, &args);
    let variables = section.text_map("variables");
    variables.values().for_each(|value| check_names(&section, "variables", value, &args));
    let undo = section.text("undo");
    let place = section.place("undo");
    undo.iter().for_each(|undo| check_names(&section, "undo", undo, &args));
    let folder = section.path("folder").unwrap_or_else(|| setup.config.folder.clone());
    let limit = section.duration("limit").unwrap_or(Duration::from_secs(15 * 60));
    section.finish();
    if command.is_empty() {
        return None;
    }
    let sample = |name: &str| {
        let arg = args.iter().find(|arg| arg.spec.name == name)?;
        Some(parse::quote(&sample(arg, &vocabulary)))
    };
    let undo_line = undo.as_deref().map(|undo| Line { text: undo_of(undo, sample), place, unasked: false });
    let name = leak(name);
    let spec = CommandSpec {
        name: leak(format!("run {name}")),
        about: leak(about),
        args: args.iter().map(|arg| arg.spec).collect::<Vec<_>>().leak(),
        need: Need::Rule,
        effect,
        urgent: false,
        examples: vec![example(name, &args, sample)].leak(),
    };
    let defaults = args.into_iter().filter_map(|arg| Some((arg.spec.name, arg.default?))).collect();
    let verb = leak(format!("run.{name}"));
    Some(Task { name, spec, verb, command, folder, variables, limit, defaults, undo, undo_line })
}

/// The undo line with `value` for each name; a word that names what was left out is left out.
pub fn undo_of(undo: &str, value: impl Fn(&str) -> Option<String>) -> String {
    let words: Vec<_> = undo.split_whitespace().filter_map(|word| words::fill(word, &value)).collect();
    words.join(" ").trim_start_matches('/').to_owned()
}

fn example(task: &str, args: &[Arg], sample: impl Fn(&str) -> Option<String>) -> &'static str {
    let shown = args.iter().filter(|arg| arg.spec.required || arg.default.is_some());
    let words = shown.filter_map(|arg| Some(format!(" {}:{}", arg.spec.name, sample(arg.spec.name)?)));
    leak(format!("run {task}{}", words.collect::<String>()))
}

/// A value that an argument takes.
fn sample(arg: &Arg, vocabulary: &Vocabulary) -> String {
    let first = |names: &[String]| names.first().cloned().unwrap_or_default();
    if let Some(default) = &arg.default {
        return default.to_string();
    }
    match arg.spec.kind {
        Kind::Service => first(&vocabulary.services),
        Kind::Environment => first(&vocabulary.environments),
        Kind::Person => first(&vocabulary.people),
        Kind::Ref => "main".to_owned(),
        Kind::Choice(words) => words.first().map_or_else(String::new, |word| (*word).to_owned()),
        Kind::Duration => "5m".to_owned(),
        Kind::Percent => "10".to_owned(),
        Kind::Integer(least, _) => least.to_string(),
        _ => "a text".to_owned(),
    }
}

/// The `about` of a section, fit for every view of the table; `otherwise` where there is none.
fn described(section: &Section<'_>, otherwise: String) -> String {
    let about = section.text("about").unwrap_or(otherwise);
    if !(1..=LONGEST_ABOUT).contains(&about.chars().count()) || !about.starts_with(char::is_uppercase) {
        let what = format!("`about` is not 1 to {LONGEST_ABOUT} characters that begin with a capital");
        section.problem("about", what, "write it shorter, as in `about = \"Restart the workers\"`");
    }
    about
}

/// The arguments: the required ones first, which is the order in which they may be given without their names.
fn args(section: &Section<'_>, effect: Effect, vocabulary: &Vocabulary) -> Vec<Arg> {
    let mut args: Vec<Arg> = Vec::new();
    for one in section.list("args") {
        let name = one.required_text("name");
        if !name.is_empty() && !is_name(&name) {
            let what = format!("{} can not be the name of an argument", quoted(&name));
            one.problem("name", what, "write up to 32 of a-z, 0-9 and `-`, a letter first");
        }
        if args.iter().any(|arg| arg.spec.name == name) {
            one.problem("name", format!("there is another argument {}", quoted(&name)), "call it something else");
        }
        args.extend(arg(one, leak(name), vocabulary));
    }
    if effect != Effect::Reads && args.iter().all(|arg| arg.spec.name != BECAUSE) {
        let spec = ArgSpec::optional(BECAUSE, Kind::Text, "Why, for the ledger");
        args.push(Arg { spec, default: None });
    }
    if args.len() > MOST {
        section.problem("args", format!("there are {} arguments, and may be {MOST}", args.len()), "take some out");
    }
    args.sort_by_key(|arg| !arg.spec.required);
    args
}

fn arg(section: Section<'_>, name: &'static str, vocabulary: &Vocabulary) -> Option<Arg> {
    let required = section.boolean("required").unwrap_or(false);
    let kind = kind(&section);
    let default = kind.and_then(|kind| default(&section, kind, vocabulary));
    if required && default.is_some() {
        section.problem("default", "an argument that must be given has no default", "take out one of the two");
    }
    let mut about = described(&section, format!("The {}", name.replace('-', " ")));
    if let Some(default) = &default {
        let with = format!("{about} ({default} if left out)");
        about = if with.chars().count() <= LONGEST_ABOUT { with } else { about };
    }
    section.finish();
    let spec = ArgSpec { name, about: leak(about), kind: kind?, required, secret: false };
    Some(Arg { spec, default })
}

fn kind(section: &Section<'_>) -> Option<Kind> {
    if !section.has("kind") {
        section.required_text("kind");
    }
    Some(match section.choice("kind", &KINDS)?.as_str() {
        "service" => Kind::Service,
        "environment" => Kind::Environment,
        "person" => Kind::Person,
        "ref" => Kind::Ref,
        "duration" => Kind::Duration,
        "percent" => Kind::Percent,
        "integer" => {
            let least = section.integer("min", i64::MIN..=i64::MAX).unwrap_or(0);
            let most = section.integer("max", i64::MIN..=i64::MAX).unwrap_or(i64::MAX);
            if least > most {
                section.problem("max", "no number is that small and that great at once", "write a greater `max`");
            }
            Kind::Integer(least, most)
        }
        "choice" => {
            let words = section.required_texts("choices");
            if words.iter().any(|word| !(1..=LONGEST_ABOUT).contains(&word.chars().count())) {
                section.problem(
                    "choices",
                    "a choice is empty, or too long",
                    format!("write 1 to {LONGEST_ABOUT} characters"),
                );
            }
            Kind::Choice(words.into_iter().map(leak).collect::<Vec<_>>().leak())
        }
        _ => Kind::Text,
    })
}

fn default(section: &Section<'_>, kind: Kind, vocabulary: &Vocabulary) -> Option<Value> {
    if !section.has("default") {
        return None;
    }
    if matches!(kind, Kind::Service | Kind::Environment) {
        // Locks, freezes and queues look at what was said.
        section.problem("default", "what a task changes is always said", "write `required = true` instead");
        return None;
    }
    let text = match kind {
        Kind::Integer(..) => section.integer("default", i64::MIN..=i64::MAX)?.to_string(),
        _ => section.text("default")?,
    };
    // No time is read here, so no clock is needed.
    let read = Value::read(kind, &text, &Registry::default(), vocabulary, DateTime::UNIX_EPOCH);
    read.map_err(|said| {
        let (what, instead) = said.split_once(". ").unwrap_or((&said, "write one that fits"));
        section.problem(
            "default",
            what.trim_end_matches('.'),
            instead.trim_end_matches('.').replacen("Write", "write", 1),
        );
    })
    .ok()
}

/// A program takes a word that begins with `-` for an option: where a number could be one, that is told here, and of a text
/// when it is given.
fn check_command(section: &Section<'_>, command: &[String], args: &[Arg]) {
    if command.first().is_some_and(|program| !words::names(program).is_empty()) {
        section.problem("command", "the program itself can not be an argument", "write its name or path first");
    }
    command.iter().for_each(|word| check_names(section, "command", word, args));
    for word in command.iter().take_while(|word| *word != "--").filter(|word| word.starts_with('{')) {
        let negative = |arg: &&Arg| matches!(arg.spec.kind, Kind::Integer(least, _) if least < 0);
        let first = words::names(word).first().and_then(|name| args.iter().find(|arg| arg.spec.name == *name));
        if let Some(arg) = first.filter(negative) {
            let name = arg.spec.name;
            let what = format!("`{name}` may be below zero, and a program takes `-1` for an option");
            section.problem("command", what, format!("write `--` before it, or `--{name}={{{name}}}`"));
        }
    }
}

/// Notes a `{name}` that stands for nothing.
fn check_names(section: &Section<'_>, key: &str, text: &str, args: &[Arg]) {
    for name in words::names(text) {
        if args.iter().all(|arg| arg.spec.name != name) {
            let known = args.iter().map(|arg| arg.spec.name);
            let known: Vec<_> = known.map(|name| format!("`{{{name}}}`")).collect();
            section.problem(
                key,
                format!("nothing stands for `{{{name}}}`"),
                format!("write one of {}", known.join(", ")),
            );
        }
    }
}

#[cfg(test)]
#[path = "settings/tests.rs"]
mod tests;
