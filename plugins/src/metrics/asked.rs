//! A measure as somebody asks for it: with everything that its query leaves open filled in.

use super::settings::{ENVIRONMENT, Measure, SERVICE};
use super::source::{Answer, Query};
use super::variable::Variable;
use crate::words;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use commands::parse;
use commands::reply::{Outcome, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use commands::vocabulary::Vocabulary;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// What a command says of it, besides the measure's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    #[serde(default)]
    pub env: Option<String>,
    #[serde(default)]
    pub service: Option<String>,
    #[serde(default)]
    pub with: Option<String>,
}

impl Said {
    /// It as it is typed, each part with a blank before it.
    pub fn line(&self) -> String {
        let arg =
            |(name, value): (&str, &Option<String>)| value.as_ref().map(|it| format!(" {name}:{}", parse::quote(it)));
        [("env", &self.env), ("service", &self.service), ("with", &self.with)].into_iter().filter_map(arg).collect()
    }
}

/// A measure as it is asked for.
pub struct Asked {
    /// The measure.
    pub measure: Arc<Measure>,
    /// What its source is asked.
    pub query: Query,
    /// The service that it is about.
    pub service: Option<String>,
    /// The environment that it is about.
    pub environment: Option<String>,
    /// What else was left open, as it was filled in.
    chosen: Vec<(String, String)>,
}

impl Asked {
    /// This measure.
    ///
    /// # Errors
    /// A refusal that says what is missing.
    pub fn of(measure: &Arc<Measure>, said: &Said, ports: &Ports) -> Result<Asked> {
        let mut names = Vec::new();
        let service = service(measure, said.service.as_ref())?;
        if let Some(service) = &service {
            names.push((SERVICE.to_owned(), service.clone()));
        }
        let environment = environment(measure, said.env.as_ref(), ports)?;
        if let Some(environment) = &environment {
            names.push((ENVIRONMENT.to_owned(), environment.clone()));
        }
        let chosen = chosen(measure, said.with.as_deref(), &ports.vocabulary)?;
        let spelt = |variable: &Variable, value: &str| (variable.name.clone(), variable.spelt(value, &*measure.source));
        names.extend(measure.variables.iter().zip(&chosen).map(|(variable, (_, value))| spelt(variable, value)));
        let text = filled(&measure.query, &names);
        let query = Query { text, names, unit: measure.unit.clone(), better: measure.limits.better };
        Ok(Asked { measure: measure.clone(), query, service, environment, chosen })
    }

    /// What it is called, with what it is about.
    pub fn title(&self) -> String {
        let name = self.measure.called();
        let fixed = self.measure.service.is_some();
        let of = self.service.as_ref().filter(|_| !fixed).map(|service| format!(" of {service}")).unwrap_or_default();
        let place = self.environment.as_ref().map(|place| format!(" in {place}")).unwrap_or_default();
        let chosen: String = self.chosen.iter().map(|(name, value)| format!(", {name} {value}")).collect();
        format!("{name}{of}{place}{chosen}")
    }

    /// A line that asks for it once more: `metrics chart latency env:production`.
    pub fn line(&self, command: &str) -> String {
        let mut line = format!("metrics {command} {}", self.measure.name);
        let arg = |name: &str, value: &Option<String>| value.as_ref().map(|value| format!(" {name}:{value}"));
        line.extend(arg("env", &self.environment));
        line.extend(arg("service", &self.service.clone().filter(|_| self.measure.mentions(SERVICE))));
        let chosen: Vec<_> = self.chosen.iter().map(|(name, value)| format!("{name}={value}")).collect();
        line.extend((!chosen.is_empty()).then(|| format!(" with:\"{}\"", chosen.join(","))));
        line
    }

    /// How it went over a span of time.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn over(&self, ports: &Ports, span: &Range<DateTime<Utc>>) -> Result<Answer> {
        let found = self.measure.source.over(ports, &self.query, span).await;
        let mut answer = found.map_err(|met| self.trouble(&met))?;
        // What nobody asked for is not counted, whatever the source thinks of time; it may begin at a step of its own.
        let around = span.start - answer.step..=span.end + answer.step;
        answer.series.iter_mut().for_each(|it| it.points.retain(|point| around.contains(&point.at)));
        Ok(answer)
    }

    /// How it stands at a moment.
    ///
    /// # Errors
    /// What is in the way.
    pub async fn at(&self, ports: &Ports, at: DateTime<Utc>) -> Result<Answer> {
        self.measure.source.at(ports, &self.query, at).await.map_err(|met| self.trouble(&met))
    }

    fn trouble(&self, met: &str) -> Stop {
        let text = format!("The source `{}` {}.", self.measure.source_name, met.trim_end_matches(['.', '?']));
        let reply = Reply::card(Tone::Bad, format!("{}: no answer", self.title()), text);
        Stop::Refused(Box::new(reply.outcome(Outcome::Broken)))
    }
}

/// A query with its names filled in. What they stand for is a service, an environment, or what a variable takes, none of which
/// has a letter that ends what it stands in.
pub fn filled(query: &str, names: &[(String, String)]) -> String {
    words::fill_known(query, |wanted| {
        names.iter().find(|(name, _)| name == wanted).map(|(_, value)| Cow::Borrowed(value.as_str()))
    })
}

fn service(measure: &Measure, said: Option<&String>) -> Result<Option<String>> {
    match (&measure.service, said) {
        (Some(own), Some(said)) if own != said => Err(Stop::refuse(format!(
            "{} is about `{own}`. Leave `service` out, or take another measure: `/metrics list service:{said}`.",
            text::code(&measure.name)
        ))),
        (Some(own), _) => Ok(Some(own.clone())),
        (None, said) => match (measure.mentions(SERVICE), said) {
            (true, None) => Err(Stop::refuse(format!(
                "{} is there for every service. Say which: `service:…`.",
                text::code(&measure.name)
            ))),
            (false, Some(_)) => Err(Stop::refuse(format!(
                "{} is about no service in particular. Leave `service` out.",
                text::code(&measure.name)
            ))),
            (_, said) => Ok(said.cloned()),
        },
    }
}

/// The environment: the last one in the order of promotion, where nobody says and it matters.
fn environment(measure: &Measure, said: Option<&String>, ports: &Ports) -> Result<Option<String>> {
    match (measure.mentions(ENVIRONMENT), said) {
        (false, Some(_)) => Err(Stop::refuse(format!(
            "{} does not tell environments apart. Leave `env` out.",
            text::code(&measure.name)
        ))),
        (false, None) => Ok(None),
        (true, said) => Ok(said.cloned().or_else(|| ports.vocabulary.environments.last().cloned())),
    }
}

/// `quantile=0.5,window=10m`, and what is usual of what is not said; in the order of the variables.
fn chosen(measure: &Measure, said: Option<&str>, vocabulary: &Vocabulary) -> Result<Vec<(String, String)>> {
    let name = text::code(&measure.name);
    let usual = |variable: &Variable| (variable.name.clone(), variable.usual().to_owned());
    let mut chosen: Vec<_> = measure.variables.iter().map(usual).collect();
    for part in said.unwrap_or_default().split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').map_or((part, ""), |(key, value)| (key.trim(), value.trim()));
        let Some(at) = measure.variables.iter().position(|variable| variable.name == key) else {
            let names: Vec<_> = measure.variables.iter().map(|variable| &*variable.name).collect();
            let instead = match names.as_slice() {
                [] => "It leaves nothing open: leave `with` out.".to_owned(),
                names => format!("It leaves open {}.", text::list(names)),
            };
            return Err(Stop::refuse(format!("{name} does not know {}. {instead}", text::code(key))));
        };
        let variable = &measure.variables[at];
        chosen[at].1 = variable.value(value, &*measure.source, vocabulary).map_err(|instead| {
            Stop::refuse(format!(
                "{} of {name} can not be {}. Write {instead}, as in `with:\"{}={}\"`.",
                text::code(key),
                text::code(value),
                variable.name,
                variable.usual(),
            ))
        })?;
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_known_names_are_filled_in_and_only_once() {
        let names = [("environment", "production"), ("service", "{environment}")];
        let names = names.map(|(name, value)| (name.to_owned(), value.to_owned()));
        for (text, expected) in [
            ("up{env=\"{environment}\"}", "up{env=\"production\"}"),
            ("{service} {{environment}}", "{environment} {production}"),
            ("{quantile} {", "{quantile} {"),
            ("", ""),
        ] {
            assert_eq!(filled(text, &names), expected);
        }
    }
}
