//! Reads a line into an invocation, or says what is wrong with it, where, and what to type instead.

pub(crate) mod arrange;

use crate::args::Args;
use crate::line::{self, Word};
use crate::registry::{Registry, word_after};
use crate::spec::{ArgSpec, CommandSpec, Kind};
use crate::text;
use crate::value::{self, PLAIN_LETTERS, Value};
use crate::vocabulary::Vocabulary;
use arrange::Given;
use chrono::{DateTime, Utc};
use std::ops::Range;
use unicode_width::UnicodeWidthStr;

pub use crate::line::quote;

/// The longest line, in characters: one with a text from a form, of which Discord's hold 4,000, and its quotes.
pub const LONGEST_LINE: usize = 8_000;

/// A command with its arguments.
#[derive(Debug, Clone)]
pub struct Invocation {
    /// The command.
    pub command: &'static CommandSpec,
    /// Its arguments.
    pub args: Args,
}

/// Why a line can not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where, in characters of the line; empty where something is missing.
    pub at: Range<usize>,
    /// Sentences for the person who typed it: what is wrong and what to type instead.
    pub what: String,
}

/// The longest line, in columns, under which a mistake is pointed out: what a screen shows without breaking it.
const POINTABLE: usize = 100;

impl Mistake {
    /// The line with the mistake underlined, in two lines; nothing where the line is too long for that, or holds what can
    /// not be shown.
    pub fn pointed_out(&self, line: &str) -> String {
        let columns =
            |range: Range<usize>| line.chars().skip(range.start).take(range.len()).collect::<String>().width();
        let odd = text::odd_character(line).is_some() || line.contains('`');
        if odd || line.width() > POINTABLE || self.at.is_empty() {
            return String::new();
        }
        let (before, wrong) = (columns(0..self.at.start), columns(self.at.clone()));
        format!("{line}\n{}{}", " ".repeat(before), "^".repeat(wrong.max(1)))
    }

    pub(crate) fn new(at: Range<usize>, what: impl Into<String>) -> Mistake {
        Mistake { at, what: what.into() }
    }
}

impl Invocation {
    /// The value of its first argument that is a service.
    pub fn service(&self) -> Option<&str> {
        self.first_of(Kind::Service)
    }

    /// The value of its first argument that is an environment.
    pub fn environment(&self) -> Option<&str> {
        self.first_of(Kind::Environment)
    }

    fn first_of(&self, kind: Kind) -> Option<&str> {
        let given = self.command.args.iter().filter(|arg| arg.kind == kind).find_map(|arg| self.args.get(arg.name));
        given.and_then(|value| if let Value::Text(text) = value { Some(text.as_str()) } else { None })
    }

    /// The one way to write it, without a slash and with every argument's name. It reads as the same invocation, at any
    /// time; but what is secret is left out.
    pub fn line(&self) -> String {
        let secret = |name: &str| self.command.args.iter().any(|arg| arg.name == name && arg.secret);
        self.args.iter().filter(|(name, _)| !secret(name)).fold(self.command.name.to_owned(), |line, (name, value)| {
            format!("{line} {name}:{}", quote(&value.to_string()))
        })
    }
}

/// The line that a chat message says to Deckhand: the whole message when it begins with a slash and a letter. What is
/// quoted or stands as code begins otherwise, and a path such as `/etc/hosts` is no command either.
pub fn command_in(message: &str) -> Option<&str> {
    let line = message.trim_end();
    let first = line.strip_prefix('/')?.split_whitespace().next()?;
    let is_word = first.starts_with(char::is_alphabetic) && !first.contains('/');
    (is_word && line[1..].starts_with(first)).then_some(line)
}

/// The command that a line names, whatever follows.
pub fn command_of(line: &str, registry: &Registry) -> Option<&'static CommandSpec> {
    let line = readable(line).ok()?;
    find_command(&line::words(&line, slash(&line)), registry).ok().map(|(command, _)| command)
}

/// Reads a line, with or without its slash. Arguments are named (`env:staging`), or stand in the order of the spec; a
/// text that stands last by position takes the rest of the line.
///
/// # Errors
/// The first mistake in it.
pub fn parse(
    line: &str,
    registry: &Registry,
    vocabulary: &Vocabulary,
    now: DateTime<Utc>,
) -> Result<Invocation, Mistake> {
    let line = readable(line)?;
    let words = line::words(&line, slash(&line));
    let (command, used) = find_command(&words, registry)?;
    let given = arrange::arrange(command, &line, &words[used..], registry, vocabulary)?;
    let mut args = Args::default();
    for given in &given {
        let value = Value::read(given.arg.kind, &given.text, registry, vocabulary, now);
        let ill_typed = |what| ill_typed(given, misplaced(command, given, registry, vocabulary).unwrap_or(what));
        args.set(command, given.arg.name, value.map_err(ill_typed)?);
    }
    match command.args.iter().find(|arg| arg.required && args.get(arg.name).is_none()) {
        Some(arg) => Err(arrange::missing(command, arg, line.len(), registry, vocabulary)),
        None => Ok(Invocation { command, args }),
    }
}

/// Where the words of a line begin: behind its slash.
pub(crate) fn slash(line: &[char]) -> usize {
    let start = line.iter().position(|c| !c.is_whitespace()).unwrap_or(0);
    if line.get(start) == Some(&'/') { start + 1 } else { start }
}

/// The characters of a line that is short enough and hides nothing.
pub(crate) fn readable(line: &str) -> Result<Vec<char>, Mistake> {
    let chars: Vec<char> = line.chars().take(LONGEST_LINE + 1).collect();
    if chars.len() > LONGEST_LINE {
        let long = line.chars().count();
        let what = format!("The line has {long} characters, and may have {LONGEST_LINE}. Say it shorter.");
        return Err(Mistake::new(LONGEST_LINE..long, what));
    }
    if let Some((at, name)) = text::odd_character(line) {
        let instead = if matches!(chars[at], '\n' | '\r') { "A command is one line." } else { "Take it out." };
        return Err(Mistake::new(at..at + 1, format!("There is {name} at character {}. {instead}", at + 1)));
    }
    Ok(chars)
}

/// The command that the words begin with, and how many of them name it.
pub(crate) fn find_command(words: &[Word], registry: &Registry) -> Result<(&'static CommandSpec, usize), Mistake> {
    let plain: Vec<_> = words.iter().take(3).take_while(|word| word.is_plain()).collect();
    let name =
        |count: usize| plain[..count].iter().map(|word| word.text.to_ascii_lowercase()).collect::<Vec<_>>().join(" ");
    let found = (1..=plain.len()).rev().find_map(|count| Some((registry.find(&name(count))?, count)));
    if let Some(found) = found {
        return Ok(found);
    }
    let Some(first) = words.first() else {
        return Err(Mistake::new(0..0, "There is nothing in the line. `/help` shows what you can say."));
    };
    let groups = registry.groups();
    let group = (1..=plain.len()).rev().map(name).find(|name| groups.contains(name.as_str()));
    let known = group.as_ref().map_or(0, |group| group.split(' ').count());
    let at = match words.get(known) {
        Some(word) => word.at.clone(),
        None => first.at.start..words[known - 1].at.end,
    };
    if let Some((place, letter)) = words.get(known).and_then(|word| value::foreign_character(&word.text)) {
        let place = words[known].text_at + place;
        let what = format!("There is {letter} at character {} in a command's name. {PLAIN_LETTERS}", place + 1);
        return Err(Mistake::new(place..place + 1, what));
    }
    let what = match group {
        Some(group) => no_sub_command(&group, words.get(known), registry),
        None => no_command(&plain, &first.text, registry),
    };
    Err(Mistake::new(at, what))
}

fn no_sub_command(group: &str, wrong: Option<&Word>, registry: &Registry) -> String {
    let all: Vec<_> = registry.group(group).map(|spec| format!("/{}", spec.name)).collect();
    let Some(wrong) = wrong else {
        return format!("`/{group}` alone does nothing. Say {}.", text::list(&all));
    };
    let known = registry.group(group).filter_map(|spec| word_after(spec.name, group));
    let instead = match config::suggest::suggest(&wrong.text, known) {
        Some(word) => format!("Did you mean `/{group} {word}`?"),
        None => format!("Say {}.", text::list(&all)),
    };
    format!("There is no {} in `/{group}`. {instead}", text::code(&wrong.text))
}

fn no_command(plain: &[&Word], first: &str, registry: &Registry) -> String {
    let wrong = text::code(first);
    match meant(plain, registry) {
        Some(name) => format!("There is no command {wrong}. Did you mean `/{name}`?"),
        None => format!("There is no command {wrong}. `/help` shows what you can say."),
    }
}

/// The command that was probably meant, by all its words, by its first one, or by its last one (`/ship` of `/deploy
/// ship`).
fn meant(plain: &[&Word], registry: &Registry) -> Option<String> {
    let names = || registry.iter().map(|spec| spec.name);
    let whole = (1..=plain.len()).rev().find_map(|count| {
        let typed: Vec<_> = plain[..count].iter().map(|word| word.text.as_str()).collect();
        config::suggest::suggest(&typed.join(" "), names().filter(|name| name.split(' ').count() == count))
    });
    let first = plain.first()?.text.to_ascii_lowercase();
    let by_group = || config::suggest::suggest(&first, registry.groups());
    let by_end = || names().find(|name| name.rsplit(' ').next() == Some(first.as_str()));
    whole.or_else(by_group).or_else(by_end).map(str::to_owned)
}

/// What to tell of a name of something else that the command takes, too: `lock take hello staging`.
fn misplaced(command: &CommandSpec, given: &Given, registry: &Registry, vocabulary: &Vocabulary) -> Option<String> {
    let Given { arg, text, .. } = given;
    let things = [Kind::Service, Kind::Environment, Kind::Person];
    let is_one = |other: &&ArgSpec| {
        let names = || value::names(other.kind, registry, vocabulary);
        other.kind != arg.kind && things.contains(&other.kind) && names().contains(&&**text)
    };
    let other = command.args.iter().filter(|_| things.contains(&arg.kind)).find(is_one)?;
    let (wanted, found, name) = (value::noun(arg.kind), value::noun(other.kind), text::code(text));
    let instead = text::code(&format!("{}:{text}", other.name));
    Some(format!("There is no {wanted} {name}, but the {found} {name}. Write {instead}, and `{}:…`.", arg.name))
}

/// The mistake of a value that its kind does not take. What only looks like a name is told by its place in the line.
fn ill_typed(given: &Given, what: String) -> Mistake {
    let foreign = value::foreign_character(&given.text).filter(|_| value::is_name(given.arg.kind));
    let Some((place, letter)) = foreign else {
        let name = given.arg.name;
        let what = if given.text.trim().is_empty() { format!("`{name}` is empty. {what}") } else { what };
        return Mistake::new(given.at.clone(), what);
    };
    let place = (given.text_at + place).min(given.at.end.saturating_sub(1));
    Mistake::new(
        place..place + 1,
        format!("There is {letter} at character {} in `{}`. {PLAIN_LETTERS}", place + 1, given.arg.name),
    )
}

#[cfg(test)]
mod tests;
