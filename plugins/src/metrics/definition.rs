//! What a measure is, as somebody says it in the config or in chat, and what is wrong with it.

use super::chart::Limits;
use super::settings::SERVICE;
use super::source::Source;
use super::unit;
use super::variable::{Takes, Variable};
use crate::words;
use commands::offer::Better;
use commands::vocabulary::Vocabulary;
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

    /// All that is wrong with it, beside these sources and names.
    pub fn mistakes(&self, sources: &Sources, vocabulary: &Vocabulary) -> Vec<Mistake> {
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
        if let Some(service) = self.service.as_ref().filter(|service| !vocabulary.services.contains(service)) {
            let what = format!("there is no service {}", quoted(service));
            mistakes.push(Mistake::new(SERVICE, what, "write one that there is, or take it out"));
        }
        mistakes.extend(self.wrong_unit());
        mistakes.extend(self.wrong_limits());
        let known = known.map(Arc::as_ref);
        for variable in &self.variables {
            let wrong = variable.wrong(&self.query, known, vocabulary);
            let (what, instead) = match wrong.or_else(|| self.leads_nowhere(variable, known?)) {
                Some(wrong) => wrong,
                None => continue,
            };
            mistakes
                .push(Mistake { variable: Some(variable.name.clone()), ..Mistake::new("variables", what, instead) });
        }
        mistakes
    }

    /// A choice with which the query is not one of its source any more.
    fn leads_nowhere(&self, variable: &Variable, source: &dyn Source) -> Option<(String, String)> {
        let Takes::Choices(choices) = &variable.takes else { return None };
        let filled = |choice: &str| {
            words::fill_known(&self.query, |name| (name == variable.name).then(|| choice.to_owned().into()))
        };
        source.mistake(&self.query).is_none().then_some(())?;
        choices.iter().find_map(|choice| {
            let (what, instead) = source.mistake(&filled(choice))?;
            Some((format!("with {}, {what}", quoted(choice)), instead))
        })
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
