//! Typed arguments that the config declares, for tasks as for deploys: what each may be, what stands for one that is left
//! out, and how programs read it.

use chrono::DateTime;
use commands::registry::{LONGEST_ABOUT, Registry, is_name};
use commands::spec::{ArgSpec, Kind};
use commands::value::Value;
use commands::vocabulary::Vocabulary;
use config::{Section, quoted};

/// What an argument may be.
pub(crate) const KINDS: [&str; 9] =
    ["service", "environment", "person", "ref", "choice", "duration", "percent", "integer", "text"];

/// Commands are data that lives as long as Deckhand: what the config makes of them is leaked, once, when it is read.
pub(crate) fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

/// An argument that the config declares.
#[derive(Debug, Clone)]
pub(crate) struct Declared {
    /// What it is called, and what may be written.
    pub spec: ArgSpec,
    /// What stands for it where it is left out.
    pub default: Option<Value>,
}

impl Declared {
    /// Reads the keys `kind`, of which these are taken, `required`, `default`, `about` and those of its kind, noting every
    /// mistake.
    pub fn read(section: Section<'_>, name: &'static str, kinds: &[&str], vocabulary: &Vocabulary) -> Option<Declared> {
        let required = section.boolean("required").unwrap_or(false);
        let kind = kind(&section, kinds);
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
        let spec = ArgSpec { required, ..ArgSpec::optional(name, kind?, leak(about)) };
        Some(Declared { spec, default })
    }

    /// A value that it takes.
    pub fn sample(&self, vocabulary: &Vocabulary) -> String {
        let first = |names: &[String]| names.first().cloned().unwrap_or_default();
        if let Some(default) = &self.default {
            return default.to_string();
        }
        match self.spec.kind {
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
}

/// Whether what is written for this kind could be taken for an option, where a program reads it: what the operator wrote (a
/// choice) is meant as it is, and names of the config begin with no `-`.
pub(crate) fn is_free(kind: Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Integer(..))
}

/// A value as programs read it: a duration in seconds.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::Duration(duration) => duration.as_secs().to_string(),
        other => other.to_string(),
    }
}

/// Notes what can not be the name of an argument, and one that stands there `twice`.
pub(crate) fn check_name(section: &Section<'_>, key: &str, name: &str, twice: bool) {
    if !name.is_empty() && !is_name(name) {
        let what = format!("{} can not be the name of an argument", quoted(name));
        section.problem(key, what, "write up to 32 of a-z, 0-9 and `-`, a letter first");
    }
    if twice {
        section.problem(key, format!("there is another argument {}", quoted(name)), "call it something else");
    }
}

/// The `about` of a section, fit for every view of the table; `otherwise` where there is none.
pub(crate) fn described(section: &Section<'_>, otherwise: String) -> String {
    let about = section.text("about").unwrap_or(otherwise);
    if !(1..=LONGEST_ABOUT).contains(&about.chars().count()) || !about.starts_with(char::is_uppercase) {
        let what = format!("`about` is not 1 to {LONGEST_ABOUT} characters that begin with a capital");
        section.problem("about", what, "write it shorter, as in `about = \"Restart the workers\"`");
    }
    about
}

fn kind(section: &Section<'_>, kinds: &[&str]) -> Option<Kind> {
    if !section.has("kind") {
        section.required_text("kind");
    }
    Some(match section.choice("kind", kinds)?.as_str() {
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
