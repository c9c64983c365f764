//! Completion: what may be typed at the cursor.
//!
//! It takes two steps, [`spot`] and [`Spot::complete`], so that the bot can fetch live values in between, and leave out
//! what the asker may not do.

mod place;
mod rank;

use crate::args::Args;
use crate::line::{self, Word};
use crate::parse::{self, Mistake};
use crate::registry::Registry;
use crate::spec::{ArgSpec, CommandSpec, Kind};
use crate::value::{self, Value};
use crate::vocabulary::Vocabulary;
use chrono::{DateTime, Utc};
use place::Place;
pub use rank::rank;
use serde::Serialize;

/// How many suggestions are offered at once: as many as Discord shows.
const MOST: usize = 25;

/// Something that may be written as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// What is written.
    pub value: String,
    /// What it is, in a few words; may be empty. What people wrote gets in through [`crate::text::plain`].
    pub about: String,
}

impl Choice {
    /// A choice.
    pub fn new(value: impl Into<String>, about: impl Into<String>) -> Choice {
        Choice { value: value.into(), about: about.into() }
    }
}

/// A way to go on, and the line after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Suggestion {
    /// What is shown.
    pub label: String,
    /// What it is, in a few words; may be empty.
    pub about: String,
    /// The whole line once it is taken.
    pub line: String,
    /// Where the cursor stands then, in characters.
    pub cursor: usize,
}

/// An argument of the command that is being typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Its name.
    pub text: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Whether the command can not do without it.
    pub required: bool,
    /// Whether it stands in the line.
    pub given: bool,
    /// Whether the cursor is in it.
    pub current: bool,
}

/// All that is shown while a line is typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Completion {
    /// The ways to go on, the likeliest first.
    pub suggestions: Vec<Suggestion>,
    /// The arguments of the command, once it is known.
    pub usage: Vec<Usage>,
    /// What the command does; empty while it is not known.
    pub about: &'static str,
    /// What is wrong, once the line can not become right by typing on.
    pub problem: Option<String>,
}

/// What is being typed at the cursor.
#[derive(Debug, Clone)]
pub struct Spot {
    /// The command, once its name is whole.
    pub command: Option<&'static CommandSpec>,
    /// The arguments that the rest of the line gives, as far as they are right.
    pub given: Args,
    /// What the word at the cursor is.
    pub slot: Slot,
    /// What of it stands before the cursor, without quotes.
    pub typed: String,
    /// What is wrong with the line, once it can not become right by typing on.
    pub problem: Option<String>,
    line: Vec<char>,
    word: Word,
    /// Where what is typed begins, in characters: with a name of several words, at the first of them.
    from: usize,
    /// The arguments that stand elsewhere in the line, right or wrong.
    taken: Vec<&'static str>,
}

/// What the word at the cursor is.
#[derive(Debug, Clone, Copy)]
pub enum Slot {
    /// Nothing that can be completed.
    Nothing,
    /// A part of the command's name.
    Command,
    /// The value in `name:value`.
    Named(&'static ArgSpec),
    /// A word without a name: a value of this argument, where one is left, or an option's name that is not whole yet.
    Free(Option<&'static ArgSpec>),
    /// A later word of a text that stands without quotes, or an option's name that is not whole yet.
    Text(&'static ArgSpec),
}

/// Finds what is being typed in `line` at `cursor`, counted in characters.
pub fn spot(line: &str, cursor: usize, registry: &Registry, vocabulary: &Vocabulary, now: DateTime<Utc>) -> Spot {
    let chars = match parse::readable(line) {
        Ok(chars) => chars,
        Err(mistake) => return Spot { problem: Some(mistake.what), ..Spot::nothing(Vec::new(), Word::empty(0)) },
    };
    let (words, here) = place::words_around(&chars, cursor);
    let mut spot = Spot::nothing(chars, words[here].clone());
    match parse::find_command(&words[..here], registry) {
        Ok((command, count)) => {
            let place = Place::find(command, &words[count..], here - count, registry, vocabulary);
            let read = |kind, text: &str| Value::read(kind, text, registry, vocabulary, now).ok();
            spot.stand_in(command, &place, read);
        }
        Err(_) => spot.stand_in_name(&words, here, registry),
    }
    let mistake = parse::parse(line, registry, vocabulary, now).err();
    spot.problem = mistake.filter(|mistake| spot.is_final(mistake, registry, vocabulary)).map(|mistake| mistake.what);
    spot
}

/// What the kind of an argument alone knows; live values are the plugin's to add.
pub fn choices(kind: Kind, registry: &Registry, vocabulary: &Vocabulary) -> Vec<Choice> {
    let table = |table: &[(&str, &str)]| table.iter().map(|(value, about)| Choice::new(*value, *about)).collect();
    match kind {
        Kind::Command => registry.iter().map(|command| Choice::new(command.name, command.about)).collect(),
        Kind::Duration => {
            table(&[("15m", "15 minutes"), ("1h", "an hour"), ("8h", "8 hours"), ("1d", "a day"), ("1w", "a week")])
        }
        Kind::Time => table(&[("1h ago", ""), ("today", "since midnight"), ("yesterday", ""), ("1w ago", "")]),
        Kind::Later => table(&[("1h", "in an hour"), ("17:00", ""), ("tomorrow 9:00", ""), ("monday 8:00", "")]),
        Kind::Percent => table(&[("1", ""), ("5", ""), ("10", ""), ("25", ""), ("50", ""), ("100", "")]),
        _ => value::names(kind, registry, vocabulary).into_iter().map(|name| Choice::new(name, "")).collect(),
    }
}

impl Spot {
    fn nothing(line: Vec<char>, word: Word) -> Spot {
        let from = word.at.start;
        Spot {
            command: None,
            given: Args::default(),
            slot: Slot::Nothing,
            typed: String::new(),
            problem: None,
            line,
            word,
            from,
            taken: Vec::new(),
        }
    }

    /// The argument at the cursor, if it is one.
    pub fn arg(&self) -> Option<&'static ArgSpec> {
        match self.slot {
            Slot::Named(arg) | Slot::Text(arg) => Some(arg),
            Slot::Free(arg) => arg,
            Slot::Nothing | Slot::Command => None,
        }
    }

    /// What kind of value can be completed at the cursor, if any: a command's name is one of [`Kind::Command`].
    pub fn kind(&self) -> Option<Kind> {
        match self.slot {
            Slot::Command => Some(Kind::Command),
            Slot::Named(arg) | Slot::Free(Some(arg)) => Some(arg.kind),
            Slot::Nothing | Slot::Free(None) | Slot::Text(_) => None,
        }
    }

    /// Completes with these choices: those of its [`Spot::kind`], and live ones.
    pub fn complete(self, choices: &[Choice]) -> Completion {
        let about = self.command.map_or("", |command| command.about);
        Completion { suggestions: self.suggestions(choices), usage: self.usage(), about, problem: self.problem }
    }

    fn stand_in_name(&mut self, words: &[Word], here: usize, registry: &Registry) {
        let before_all = here == 0 && words[0].at.is_empty() && words.len() > 1;
        if here >= 3 || before_all || !words[..=here].iter().all(Word::is_plain) {
            return;
        }
        let typed: Vec<_> = words[..=here].iter().map(|word| word.text.to_ascii_lowercase()).collect();
        self.slot = Slot::Command;
        self.typed = typed.join(" ");
        self.from = words[0].at.start;
        self.command = registry.find(&self.typed);
        // The end of the name may stand behind the cursor already, and gives way to another.
        let begun: Vec<_> = registry.iter().filter(|command| command.name.starts_with(&self.typed)).collect();
        let is_next =
            |place: usize, word: &Word| begun.iter().any(|it| it.name.split(' ').nth(place) == Some(&word.text));
        let rest = words.iter().enumerate().skip(here + 1).take_while(|(place, word)| is_next(*place, word));
        self.word.at.end = rest.last().map_or(self.word.at.end, |(_, word)| word.at.end);
    }

    fn stand_in(&mut self, command: &'static CommandSpec, place: &Place, read: impl Fn(Kind, &str) -> Option<Value>) {
        self.command = Some(command);
        self.slot = place.slot;
        if let Some((from, typed)) = place.typed() {
            self.from = from;
            self.typed = match self.kind() {
                Some(Kind::Person) => typed.trim_start_matches('@').to_owned(),
                Some(Kind::Command) => typed.trim_start_matches('/').to_owned(),
                _ => typed,
            };
        }
        for arg in command.args {
            let Some(text) = place.given(arg, &self.line) else { continue };
            self.taken.push(arg.name);
            if let Some(value) = read(arg.kind, &text) {
                self.given.set(command, arg.name, value);
            }
        }
    }

    /// Whether typing on can not mend the mistake: nothing is only missing yet, and the word at the cursor is finished,
    /// or on its way to nothing.
    fn is_final(&self, mistake: &Mistake, registry: &Registry, vocabulary: &Vocabulary) -> bool {
        if mistake.at.is_empty() {
            return false;
        }
        let in_word = self.word.at.start < mistake.at.end && mistake.at.start < self.word.at.end;
        let is_here = in_word || matches!(self.slot, Slot::Command);
        !is_here || !self.has_hope(registry, vocabulary)
    }

    /// Whether what stands before the cursor is the beginning of something.
    fn has_hope(&self, registry: &Registry, vocabulary: &Vocabulary) -> bool {
        let begins = |name: &str, typed: &str| name.to_lowercase().starts_with(&typed.to_lowercase());
        let fits = |kind| {
            let names = value::names(kind, registry, vocabulary);
            !value::is_name(kind) || names.iter().any(|name| begins(name, &self.typed))
        };
        match self.slot {
            Slot::Nothing => false,
            Slot::Text(_) => true,
            Slot::Command | Slot::Named(_) => self.kind().is_some_and(fits),
            Slot::Free(_) => {
                self.kind().is_some_and(fits)
                    || self.options().iter().any(|option| begins(&option.value, &self.word.text))
            }
        }
    }

    fn suggestions(&self, choices: &[Choice]) -> Vec<Suggestion> {
        let values = if self.kind().is_some() { rank(&self.typed, choices) } else { Vec::new() };
        let values = values.into_iter().map(|choice| self.put(choice, self.from, &self.written(&choice.value), true));
        let options = self.options();
        let names = rank(&self.word.text, &options);
        let names = names.into_iter().map(|option| self.put(option, self.word.at.start, &option.value, false));
        values.chain(names).take(MOST).collect()
    }

    /// The options that may be named at the cursor.
    fn options(&self) -> Vec<Choice> {
        let Some(command) = self.command else { return Vec::new() };
        let current = match self.slot {
            // The second word of a name has no option's name before it.
            Slot::Free(arg) if self.word.is_plain() => {
                arg.filter(|_| self.from < self.word.at.start).map(|arg| arg.name)
            }
            Slot::Text(arg) if self.word.is_plain() => Some(arg.name),
            _ => return Vec::new(),
        };
        let left = command.args.iter().filter(|arg| !self.taken.contains(&arg.name) && current != Some(arg.name));
        left.map(|arg| Choice::new(format!("{}:", arg.name), arg.about)).collect()
    }

    /// How `value` is written at the cursor.
    fn written(&self, value: &str) -> String {
        let looks_like_option = value.starts_with(['-', '—', '–']) || value.contains([':', '=']);
        match self.slot {
            Slot::Free(Some(arg)) if arg.kind == Kind::Command => value.to_owned(),
            Slot::Free(Some(_)) if !looks_like_option => line::quote(value),
            Slot::Free(Some(arg)) | Slot::Named(arg) => format!("{}:{}", arg.name, line::quote(value)),
            Slot::Command | Slot::Free(None) | Slot::Text(_) | Slot::Nothing => value.to_owned(),
        }
    }

    /// The line with `written` between `from` and the end of the word at the cursor, and a space after what is whole.
    fn put(&self, choice: &Choice, from: usize, written: &str, whole: bool) -> Suggestion {
        let after = &self.line[self.word.at.end..];
        let mut line: Vec<char> = self.line[..from].iter().copied().chain(written.chars()).collect();
        let mut cursor = line.len();
        if whole {
            cursor += 1;
            if !after.first().is_some_and(|next| next.is_whitespace()) {
                line.push(' ');
            }
        }
        let line = line.iter().chain(after).collect();
        Suggestion { label: choice.value.clone(), about: choice.about.clone(), line, cursor }
    }

    fn usage(&self) -> Vec<Usage> {
        let args = self.command.map_or(&[][..], |command| command.args);
        let usage = |arg: &'static ArgSpec| {
            let current = self.arg().is_some_and(|current| current.name == arg.name);
            let given = self.taken.contains(&arg.name) || (current && !self.typed.is_empty());
            Usage { text: arg.name, about: arg.about, required: arg.required, given, current }
        };
        args.iter().map(usage).collect()
    }
}

#[cfg(test)]
mod tests;
