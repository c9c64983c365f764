//! What the operator wrote about runbooks: tasks, each a program with typed arguments, which become commands.

use super::schedule::{self, Scheduled};
use crate::declared::{self, Declared, KINDS, described, leak};
use crate::program::OnStop;
use crate::words;
use commands::parse;
use commands::plugin::{Line, Setup};
use commands::registry::{MOST, is_name};
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
        Some(parse::quote(&arg.sample(&vocabulary)))
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
        on_message: None,
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

fn example(task: &str, args: &[Declared], sample: impl Fn(&str) -> Option<String>) -> &'static str {
    let shown = args.iter().filter(|arg| arg.spec.required || arg.default.is_some());
    let words = shown.filter_map(|arg| Some(format!(" {}:{}", arg.spec.name, sample(arg.spec.name)?)));
    leak(format!("run {task}{}", words.collect::<String>()))
}

/// The arguments: the required ones first, which is the order in which they may be given without their names.
fn args(section: &Section<'_>, effect: Effect, vocabulary: &Vocabulary) -> Vec<Declared> {
    let mut args: Vec<Declared> = Vec::new();
    for one in section.list("args") {
        let name = one.required_text("name");
        declared::check_name(&one, "name", &name, args.iter().any(|arg| arg.spec.name == name));
        args.extend(Declared::read(one, leak(name), &KINDS, vocabulary));
    }
    if effect != Effect::Reads && args.iter().all(|arg| arg.spec.name != BECAUSE) {
        let spec = ArgSpec::optional(BECAUSE, Kind::Text, "Why, for the ledger");
        args.push(Declared { spec, default: None });
    }
    if args.len() > MOST {
        section.problem("args", format!("there are {} arguments, and may be {MOST}", args.len()), "take some out");
    }
    args.sort_by_key(|arg| !arg.spec.required);
    args
}

/// A program takes a word that begins with `-` for an option: where a number could be one, that is told here, and of a text
/// when it is given.
fn check_command(section: &Section<'_>, command: &[String], args: &[Declared]) {
    if command.first().is_some_and(|program| !words::names(program).is_empty()) {
        section.problem("command", "the program itself can not be an argument", "write its name or path first");
    }
    command.iter().for_each(|word| check_names(section, "command", word, args));
    for word in command.iter().take_while(|word| *word != "--").filter(|word| word.starts_with('{')) {
        let negative = |arg: &&Declared| matches!(arg.spec.kind, Kind::Integer(least, _) if least < 0);
        let first = words::names(word).first().and_then(|name| args.iter().find(|arg| arg.spec.name == *name));
        if let Some(arg) = first.filter(negative) {
            let name = arg.spec.name;
            let what = format!("`{name}` may be below zero, and a program takes `-1` for an option");
            section.problem("command", what, format!("write `--` before it, or `--{name}={{{name}}}`"));
        }
    }
}

/// Notes a `{name}` that stands for nothing.
fn check_names(section: &Section<'_>, key: &str, text: &str, args: &[Declared]) {
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
