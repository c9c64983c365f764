//! What a measure is, as somebody says it in the config or in chat, and what is wrong with it.

use super::chart::Limits;
use super::settings::{ENVIRONMENT, SERVICE};
use super::source::Source;
use super::unit;
use crate::words;
use commands::offer::Better;
use commands::registry::is_name;
use config::quoted;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The sources of the config by their names; nothing of one that was not understood, as has been told.
pub type Sources = BTreeMap<String, Option<Arc<dyn Source>>>;

/// What a measure is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Definition {
    /// What it says, in a few words.
    pub about: String,
    /// Where its figures come from.
    pub source: String,
    /// What the source is asked, with `{names}` in it.
    pub query: String,
    /// The word of its unit; empty where it is a bare number.
    pub unit: String,
    /// Which way is good, where that was said.
    pub better: Option<Better>,
    /// From where on somebody should look.
    pub warn: Option<f64>,
    /// From where on it is bad.
    pub bad: Option<f64>,
    /// Whom to ask about it.
    pub owner: String,
    /// The service that it is about.
    pub service: Option<String>,
    /// What else the query leaves open.
    pub variables: Vec<Variable>,
}

/// A name in a query that stands for one of a few words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// The name, without its braces.
    pub name: String,
    /// What it may stand for; the first where nobody says.
    pub choices: Vec<String>,
}

/// Something that is wrong with a definition.
#[derive(Debug, PartialEq)]
pub struct Mistake {
    /// Which part of it.
    pub key: &'static str,
    /// Which of the variables, where it is one.
    pub variable: Option<String>,
    /// What is wrong.
    pub what: String,
    /// What to write instead.
    pub instead: String,
}

impl Mistake {
    fn new(key: &'static str, what: impl Into<String>, instead: impl Into<String>) -> Mistake {
        Mistake { key, variable: None, what: what.into(), instead: instead.into() }
    }
}

impl Definition {
    /// From where on it is not well; less is better where nobody says.
    pub fn limits(&self) -> Limits {
        Limits { better: self.better.unwrap_or(Better::Lower), warn: self.warn, bad: self.bad }
    }

    /// All that is wrong with it, beside these sources; `knows` tells which services there are.
    pub fn mistakes(&self, sources: &Sources, knows: impl Fn(&str) -> bool) -> Vec<Mistake> {
        let mut mistakes = Vec::new();
        let source = sources.get(&self.source);
        if source.is_none() && !self.source.is_empty() {
            let names: Vec<_> = sources.keys().map(|name| quoted(name)).collect();
            let instead = match names.as_slice() {
                [] => format!("write a section `[metrics.sources.{}]`", self.source),
                names => format!("write one of {}", names.join(", ")),
            };
            mistakes.push(Mistake::new("source", format!("there is no source {}", quoted(&self.source)), instead));
        }
        let known = source.and_then(Option::as_ref);
        if let Some((what, instead)) = known.and_then(|source| source.mistake(&self.query)) {
            mistakes.push(Mistake::new("query", what, instead));
        }
        if let Some(service) = self.service.as_deref().filter(|service| !knows(service)) {
            let what = format!("there is no service {}", quoted(service));
            mistakes.push(Mistake::new(SERVICE, what, "write one that there is, or take it out"));
        }
        mistakes.extend(self.wrong_unit());
        mistakes.extend(self.wrong_limits());
        mistakes.extend(self.variables.iter().filter_map(|it| it.mistake(&self.query)));
        mistakes
    }

    fn wrong_unit(&self) -> Option<Mistake> {
        let odd = |letter: char| letter.is_control() || letter == '`';
        let wrong = self.unit.chars().count() > unit::LONGEST || self.unit.contains(odd);
        let instead = format!("write at most {} letters, as in `ms`, `%` or `req/s`", unit::LONGEST);
        wrong.then(|| Mistake::new("unit", format!("{} is no unit", quoted(&self.unit)), instead))
    }

    fn wrong_limits(&self) -> Option<Mistake> {
        let limits = self.limits();
        if self.better.is_none() && (self.warn.is_some() || self.bad.is_some()) {
            let key = if self.bad.is_some() { "bad" } else { "warn" };
            let what = "it is not said on which side of this it is well";
            return Some(Mistake::new(key, what, "write `lower` or `higher` as `better`"));
        }
        let (warn, bad) = (self.warn?, self.bad?);
        let (more, way) = if limits.better == Better::Lower { ("more", "lower") } else { ("less", "higher") };
        let what = format!("what is bad begins before what needs a look, where `{way}` is better");
        let wrong = limits.reached(Some(bad), warn);
        wrong.then(|| Mistake::new("bad", what, format!("write {more} than `warn`, or turn `better` round")))
    }
}

impl Variable {
    fn mistake(&self, query: &str) -> Option<Mistake> {
        let Variable { name, choices } = self;
        let odd = |text: &&String| {
            text.is_empty() || text.contains(|letter: char| letter.is_control() || ",=\"".contains(letter))
        };
        let (what, instead) = match choices.iter().find(odd) {
            _ if [SERVICE, ENVIRONMENT].contains(&&**name) => (
                format!("`{{{name}}}` stands for what the command says"),
                "take it out, or call it something else".to_owned(),
            ),
            _ if !is_name(name) => (
                format!("{} is no name for a variable", quoted(name)),
                "write small letters, digits and dashes".to_owned(),
            ),
            _ if !words::names(query).contains(&&**name) => {
                ("the query does not have it".to_owned(), format!("write `{{{name}}}` in the query, or take it out"))
            }
            _ if choices.is_empty() => {
                (format!("{} can stand for nothing", quoted(name)), "write what there is to choose from".to_owned())
            }
            Some(text) => (
                format!("{} can not be chosen in chat", quoted(text)),
                "write texts without `,`, `=` and quotes".to_owned(),
            ),
            None => return None,
        };
        Some(Mistake { variable: Some(name.clone()), ..Mistake::new("variables", what, instead) })
    }
}

/// Variables as they are said in one line: `quantile=0.95|0.5, instance=a|b`.
///
/// # Errors
/// What can not be read.
pub fn variables(said: &str) -> Result<Vec<Variable>, String> {
    let parts = said.split(',').map(str::trim).filter(|part| !part.is_empty());
    let variable = |part: &str| {
        let (name, choices) = part.split_once('=').ok_or_else(|| part.to_owned())?;
        let choices = choices.split('|').map(|choice| choice.trim().to_owned()).collect();
        Ok(Variable { name: name.trim().to_owned(), choices })
    };
    parts.map(variable).collect()
}

/// The same, back as one line.
pub fn said(variables: &[Variable]) -> String {
    variables.iter().map(|it| format!("{}={}", it.name, it.choices.join("|"))).collect::<Vec<_>>().join(", ")
}
