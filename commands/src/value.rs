//! What an argument says, once its text is read.

use crate::moment;
use crate::registry::Registry;
use crate::spec::Kind;
use crate::text;
use crate::vocabulary::Vocabulary;
use chrono::{DateTime, SecondsFormat, Utc};
use std::fmt;
use std::time::Duration;

/// The longest ref, in bytes: what file systems that keep refs as files can bear, with room for `refs/heads/`.
pub const MAX_REF: usize = 200;

/// One argument's value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A text, a ref, a choice, or a name of something that there is.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A share of 100.
    Percent(f64),
    /// A length of time.
    Duration(Duration),
    /// A moment.
    Time(DateTime<Utc>),
}

impl Value {
    /// Reads what a person wrote for an argument of this kind. Names are taken whatever their case.
    ///
    /// # Errors
    /// Sentences that say what is wrong and what to write instead.
    pub fn read(
        kind: Kind,
        text: &str,
        registry: &Registry,
        vocabulary: &Vocabulary,
        now: DateTime<Utc>,
    ) -> Result<Value, String> {
        if let Some((at, name)) = text::odd_character(text) {
            return Err(format!("There is {name} at character {} of the value. Take it out.", at + 1));
        }
        let shown = text::code(text);
        match kind {
            Kind::Service | Kind::Environment | Kind::Person | Kind::Command | Kind::Choice(_) => {
                let names = names(kind, registry, vocabulary);
                named(kind, text, &names)
            }
            Kind::Ref => match wrong_with_ref(text) {
                None => Ok(Value::Text(text.to_owned())),
                Some(wrong) => Err(format!("{shown} is no ref: it {wrong}. Name a tag, a branch or a commit.")),
            },
            Kind::Duration => config::duration::parse(text).map(Value::Duration).map_err(|wrong| format!("{wrong}.")),
            Kind::Time => moment::read(text, vocabulary.zone, now).map(Value::Time),
            Kind::Later => moment::read_later(text, vocabulary.zone, now).map(Value::Time),
            Kind::Percent => percent(text).map(Value::Percent).ok_or_else(|| {
                format!("{shown} is no percentage. Write a number from 0 to 100: `25`, `25%` or `12.5`.")
            }),
            Kind::Integer(least, most) => match text.parse() {
                Ok(number) if (least..=most).contains(&number) => Ok(Value::Integer(number)),
                _ => Err(format!("{shown} does not fit here. Write {}.", whole_number(least, most))),
            },
            Kind::Text if text.trim().is_empty() => {
                Err("There is nothing in it. Write a text, or leave it out.".into())
            }
            Kind::Text => Ok(Value::Text(text.to_owned())),
        }
    }

    /// The value as JSON that serde reads back into the type of its kind.
    pub(crate) fn to_json(&self) -> serde_json::Result<serde_json::Value> {
        match self {
            Value::Text(text) => serde_json::to_value(text),
            Value::Integer(number) => serde_json::to_value(number),
            Value::Percent(share) => serde_json::to_value(share),
            Value::Duration(duration) => serde_json::to_value(duration),
            Value::Time(time) => serde_json::to_value(time),
        }
    }
}

/// The form that can be typed again, without quotes.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Text(text) => f.write_str(text),
            Value::Integer(number) => number.fmt(f),
            Value::Percent(share) => share.fmt(f),
            Value::Duration(duration) => f.write_str(&config::duration::show(*duration)),
            Value::Time(time) => f.write_str(&time.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        }
    }
}

/// Whether a value of this kind is a name out of a known list.
pub(crate) fn is_name(kind: Kind) -> bool {
    matches!(kind, Kind::Service | Kind::Environment | Kind::Person | Kind::Command | Kind::Choice(_))
}

/// The names that there are, for a kind whose values are names.
pub(crate) fn names<'a>(kind: Kind, registry: &'a Registry, vocabulary: &'a Vocabulary) -> Vec<&'a str> {
    match kind {
        Kind::Service | Kind::Environment | Kind::Person => vocabulary.names(kind).iter().map(String::as_str).collect(),
        Kind::Command => registry.iter().map(|spec| spec.name).chain(registry.groups()).collect(),
        Kind::Choice(words) => words.to_vec(),
        Kind::Ref | Kind::Duration | Kind::Time | Kind::Later | Kind::Percent | Kind::Integer(..) | Kind::Text => {
            Vec::new()
        }
    }
}

/// What a kind is called, in words.
pub(crate) fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Service => "service",
        Kind::Environment => "environment",
        Kind::Person => "person",
        Kind::Ref => "ref",
        Kind::Command => "command",
        Kind::Duration => "duration",
        Kind::Time | Kind::Later => "time",
        Kind::Percent => "percentage",
        Kind::Integer(..) => "number",
        Kind::Text => "text",
        Kind::Choice(_) => "choice",
    }
}

/// What can be written for a kind, as a sentence: "One of `staging`, `production`."
pub(crate) fn what_fits(kind: Kind, registry: &Registry, vocabulary: &Vocabulary) -> String {
    match kind {
        Kind::Command => "`/help` lists them.".into(),
        _ if is_name(kind) => one_of(names(kind, registry, vocabulary).into_iter()),
        Kind::Ref => "Name a tag, a branch or a commit.".into(),
        Kind::Duration => "Write it like `90s`, `15m`, `1h30m` or `7d`.".into(),
        Kind::Time => "Write it like `14:00`, `yesterday`, `2026-03-01 14:00` or `2h ago`.".into(),
        Kind::Later => "Write it like `17:00`, `tomorrow 9:00`, `friday 17:00`, `2026-03-06 17:00` or `2h`.".into(),
        Kind::Percent => "Write a number from 0 to 100.".into(),
        Kind::Integer(least, most) => format!("Write {}.", whole_number(least, most)),
        _ => "Write a text, in quotes if it has spaces.".into(),
    }
}

/// "One of `a`, `b` or 3 more." of as many names as are read at a glance.
fn one_of<'a>(names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 8;
    let names: Vec<_> = names.map(text::code).collect();
    match names.len() {
        0 => "The config names none.".into(),
        1 => format!("There is only {}.", names[0]),
        count if count <= SHOWN => format!("One of {}.", names.join(", ")),
        count => format!("One of {} and {} more.", names[..SHOWN].join(", "), count - SHOWN),
    }
}

fn named(kind: Kind, text: &str, names: &[&str]) -> Result<Value, String> {
    let wanted = match kind {
        Kind::Person => text.strip_prefix('@').unwrap_or(text),
        Kind::Command => text.strip_prefix('/').unwrap_or(text),
        _ => text,
    };
    let same = names.iter().find(|name| **name == wanted);
    if let Some(name) = same.or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(wanted))) {
        return Ok(Value::Text((*name).to_owned()));
    }
    if let Some((at, letter)) = foreign_character(text) {
        return Err(format!("There is {letter} at character {} of the value. {PLAIN_LETTERS}", at + 1));
    }
    let nearest = config::suggest::suggest(wanted, names.iter().copied());
    let instead = match nearest {
        Some(name) => format!("Did you mean {}?", text::code(name)),
        None if kind == Kind::Command => "`/help` lists them.".to_owned(),
        None => one_of(names.iter().copied()),
    };
    Err(match kind {
        Kind::Choice(_) => format!("{} is not to choose from. {instead}", text::code(wanted)),
        _ => format!("There is no {} {}. {instead}", noun(kind), text::code(wanted)),
    })
}

/// What to do about a letter that only looks like one of a name.
pub(crate) const PLAIN_LETTERS: &str = "Names are in plain letters, a to z: type it again.";

/// The place (in characters) and the name of the first character that is not ASCII: in a name it may look like another.
pub(crate) fn foreign_character(text: &str) -> Option<(usize, String)> {
    let (at, c) = text.chars().enumerate().find(|(_, c)| !c.is_ascii())?;
    let script = match u32::from(c) {
        0x0370..=0x03ff | 0x1f00..=0x1fff => "a Greek letter",
        0x0400..=0x052f | 0x1c80..=0x1c8f | 0x2de0..=0x2dff | 0xa640..=0xa69f => "a Cyrillic letter",
        0x0530..=0x058f => "an Armenian letter",
        0x13a0..=0x13ff | 0xab70..=0xabbf => "a Cherokee letter",
        0xff01..=0xff5e => "a full-width letter",
        0x1d400..=0x1d7ff => "a mathematical letter",
        _ if c.is_alphabetic() => "a letter that is not a to z",
        _ => "a character that is not on the keyboard",
    };
    Some((at, format!("{script} (U+{:04X})", u32::from(c))))
}

/// What keeps `name` from being a ref by git-check-ref-format(1), or from being passed to git safely.
fn wrong_with_ref(name: &str) -> Option<String> {
    let has = |what: &str| Some(format!("has {what} in it"));
    let parts = || name.split('/');
    match name {
        "" => Some("is empty".into()),
        "@" => Some("is only `@`".into()),
        _ if name.len() > MAX_REF => Some(format!("is longer than {MAX_REF} bytes")),
        _ if name.starts_with('-') => Some("begins with `-`".into()),
        _ if name.starts_with('/') => Some("begins with `/`".into()),
        _ if name.ends_with('/') => Some("ends with `/`".into()),
        _ if name.ends_with('.') => Some("ends with `.`".into()),
        _ if name.contains("..") => has("`..`"),
        _ if name.contains("//") => has("`//`"),
        _ if name.contains("@{") => has("`@{`"),
        _ if parts().any(|part| part.ends_with(".lock")) => Some("ends with `.lock`".into()),
        _ if parts().any(|part| part.starts_with('.')) => Some("has a part that begins with `.`".into()),
        _ if name.contains(char::is_whitespace) => has("a space"),
        _ => name.chars().find(|c| "~^:?*[\\".contains(*c)).and_then(|c| has(&format!("`{c}`"))),
    }
}

fn percent(text: &str) -> Option<f64> {
    let number = text.strip_suffix('%').unwrap_or(text);
    // The type's own parser would take `inf`, `1e1` and `+5` too.
    let plain = number.chars().all(|c| c.is_ascii_digit() || c == '.');
    number.parse().ok().filter(|share| plain && (0.0..=100.0).contains(share))
}

fn whole_number(least: i64, most: i64) -> String {
    match (least, most) {
        (i64::MIN, i64::MAX) => "a whole number".into(),
        (_, i64::MAX) => format!("a whole number, at least {least}"),
        (i64::MIN, _) => format!("a whole number, at most {most}"),
        _ => format!("a whole number from {least} to {most}"),
    }
}

#[cfg(test)]
mod tests;
