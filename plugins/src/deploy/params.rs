//! What a release is shipped with beside its commit: values that the config declares, and that people give as `params:`.

use crate::declared::{self, Declared, KINDS, is_free, leak};
use chrono::{DateTime, Utc};
use commands::complete::Choice;
use commands::registry::{MOST, Registry};
use commands::spec::Kind;
use commands::stop::{Result, Stop};
use commands::text;
use commands::value::Value;
use commands::vocabulary::Vocabulary;
use config::Section;
use config::suggest::suggest;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The names and values that a release is shipped with, as they are said.
pub(crate) type Params = BTreeMap<String, String>;

/// What one service may be shipped with.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Vec<Param>);

#[derive(Debug, Clone)]
struct Param {
    declared: Declared,
    /// What stands for it where it is left out, as it is said.
    default: Option<String>,
}

impl Known {
    /// Nothing at all.
    #[cfg(test)]
    pub const NONE: Known = Known(Vec::new());

    /// Reads `[params.NAME]`, noting every mistake; `taken` are the names that stand for something else.
    pub fn read(section: &Section<'_>, taken: &[&str], vocabulary: &Vocabulary) -> Known {
        let tables = section.tables("params");
        if tables.len() > MOST {
            section.problem("params", format!("there are {}, and may be {MOST}", tables.len()), "take some out");
        }
        let param = |(name, table): (String, Section<'_>)| {
            declared::check_name(&table, "", &name, false);
            if taken.contains(&name.as_str()) {
                table.problem("", format!("`{{{name}}}` stands for something else"), "call it something else");
            }
            if !table.has("default") && table.boolean("required") != Some(true) {
                table.problem(
                    "",
                    "nothing stands for it where it is left out",
                    "write a `default`, or `required = true`",
                );
            }
            // A param is no place and nobody: what is shipped where stands in the line itself.
            let declared = Declared::read(table, leak(name), &KINDS[3..], vocabulary)?;
            let default = declared.default.as_ref().map(ToString::to_string);
            Some(Param { declared, default })
        };
        Known(tables.into_iter().filter_map(param).collect())
    }

    /// What they are called.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|param| param.declared.spec.name)
    }

    /// What stands for a name, as programs read it, in a release that was shipped with `params`, maybe before the config
    /// declared it.
    pub fn value<'a>(&'a self, params: &'a Params, name: &str) -> Option<Cow<'a, str>> {
        let param = self.0.iter().find(|param| param.declared.spec.name == name)?;
        let said = params.get(name).or(param.default.as_ref()).map_or("", String::as_str);
        Some(match (param.declared.spec.kind, config::duration::parse(said)) {
            (Kind::Duration, Ok(time)) => declared::plain(&Value::Duration(time)).into(),
            _ => said.into(),
        })
    }

    /// What a release is to be shipped with, where this is given.
    ///
    /// # Errors
    /// A refusal that says what is wrong, and what may be given.
    pub fn take(&self, service: &str, given: &str, vocabulary: &Vocabulary, now: DateTime<Utc>) -> Result<Params> {
        let mut params = Params::new();
        for (name, value) in split(given).map_err(|wrong| Stop::refuse(format!("{wrong} {}", self.instead(service))))? {
            let Some(param) = self.0.iter().find(|param| param.declared.spec.name == name) else {
                return Err(Stop::refuse(self.unknown(service, &name)));
            };
            let kind = param.declared.spec.kind;
            let read = Value::read(kind, &value, &Registry::default(), vocabulary, now);
            let read = read.map_err(|wrong| Stop::refuse(format!("`{name}`: {wrong} Nothing was done.")))?;
            let said = read.to_string();
            if is_free(kind) && said.starts_with('-') {
                return Err(Stop::refuse(format!(
                    "`{name}` is {}, and a program takes what begins with `-` for an option. Nothing was done. Begin it with something else.",
                    text::code(&said)
                )));
            }
            if params.insert(name.clone(), said).is_some() {
                return Err(Stop::refuse(format!("`{name}` stands twice in `params`. Nothing was done. Keep one.")));
            }
        }
        for Param { declared, default } in &self.0 {
            let name = declared.spec.name;
            match default {
                _ if params.contains_key(name) => {}
                Some(default) => _ = params.insert(name.to_owned(), default.clone()),
                None => {
                    let wrong = format!("`{service}` is shipped with `{name}`, and it is missing. Nothing was done.");
                    return Err(Stop::refuse(format!("{wrong} {}", self.instead(service))));
                }
            }
        }
        Ok(params)
    }

    /// What a release that was shipped with `params` then meets in the config of today, where that has changed: sentences.
    pub fn since(&self, params: &Params) -> Option<String> {
        let says = |(name, value): (&String, &String)| {
            let (shown, param) =
                (text::code(&pair(name, value)), self.0.iter().find(|it| it.declared.spec.name == *name));
            match param.map(|param| param.declared.spec.kind) {
                None => Some(format!("The config has no param `{name}` any more, so {shown} is left out.")),
                Some(Kind::Choice(words)) if !words.contains(&value.as_str()) => {
                    Some(format!("The config does not offer {shown} any more; it is used as it was then."))
                }
                Some(_) => None,
            }
        };
        let says: Vec<_> = params.iter().filter_map(says).collect();
        (!says.is_empty()).then(|| says.join(" "))
    }

    /// What may be written for `params:`.
    pub fn choices(&self) -> Vec<Choice> {
        let choice = |param: &Param| {
            let spec = param.declared.spec;
            let values = match spec.kind {
                Kind::Choice(words) => words.iter().map(|word| (*word).to_owned()).collect(),
                _ => vec![param.default.clone().unwrap_or_default()],
            };
            let pair = |value| Choice { value: pair(spec.name, value), about: spec.about.to_owned() };
            values.iter().map(|value| pair(value)).collect::<Vec<_>>()
        };
        self.0.iter().flat_map(choice).collect()
    }

    fn unknown(&self, service: &str, name: &str) -> String {
        let (shown, name) = (text::code(name), text::plain(name));
        let wrong = format!("`{service}` is shipped with no {shown}. Nothing was done.");
        match suggest(&name, self.names()) {
            Some(meant) => format!("{wrong} Did you mean `{meant}`?"),
            None => format!("{wrong} {}", self.instead(service)),
        }
    }

    fn instead(&self, service: &str) -> String {
        if self.0.is_empty() {
            return format!(
                "Leave `params` out, or have the operator declare it under `[services.{service}.deploy.params]`."
            );
        }
        let sample = self.0.iter().map(|param| {
            let sample = match (&param.default, param.declared.spec.kind) {
                (Some(default), _) => default.clone(),
                (None, Kind::Choice([first, ..])) => (*first).to_owned(),
                (None, _) => "…".to_owned(),
            };
            pair(param.declared.spec.name, &sample)
        });
        format!("Write it as in `params:\"{}\"`.", sample.collect::<Vec<_>>().join(" "))
    }
}

/// Params as people write them.
pub(super) fn said(params: &Params) -> String {
    params.iter().map(|(name, value)| pair(name, value)).collect::<Vec<_>>().join(" ")
}

fn pair(name: &str, value: &str) -> String {
    let plain = !value.is_empty() && !value.contains(|letter: char| letter.is_whitespace() || letter == '\'');
    if plain { format!("{name}={value}") } else { format!("{name}='{}'", value.replace('\'', "''")) }
}

/// The names and values of what [`said`] has written, or a person: `level=debug note='it''s late'`.
///
/// # Errors
/// A sentence that says what is wrong.
pub(super) fn split(text: &str) -> std::result::Result<Vec<(String, String)>, String> {
    let (mut pairs, mut rest) = (Vec::new(), text.trim_start());
    while !rest.is_empty() {
        let wrong = || format!("{} is no `name=value`. Nothing was done.", text::code(rest));
        let (name, after) = rest.split_once('=').ok_or_else(wrong)?;
        if name.is_empty() || name.contains(char::is_whitespace) {
            return Err(wrong());
        }
        let (value, after) = match after.strip_prefix('\'') {
            Some(quoted) => until_quote(quoted).ok_or_else(wrong)?,
            None => {
                let end = after.find(char::is_whitespace).unwrap_or(after.len());
                (after[..end].to_owned(), &after[end..])
            }
        };
        pairs.push((name.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

/// The text up to the quote that closes it, in which two stand for one, and what follows.
fn until_quote(text: &str) -> Option<(String, &str)> {
    let (mut value, mut rest) = (String::new(), text);
    loop {
        let (before, after) = rest.split_once('\'')?;
        value.push_str(before);
        match after.strip_prefix('\'') {
            Some(after) => {
                value.push('\'');
                rest = after;
            }
            None => return (after.is_empty() || after.starts_with(char::is_whitespace)).then_some((value, after)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_read_again_whatever_is_in_it() {
        for value in ["debug", "", "two words", "it's", "'", "a=b", "{commit}", "; rm -rf /", "\u{202e}x"] {
            let params = Params::from([("a".to_owned(), value.to_owned()), ("b".to_owned(), "1".to_owned())]);
            let read: Params = split(&said(&params)).unwrap().into_iter().collect();
            assert_eq!(read, params, "{}", said(&params));
        }
    }

    #[test]
    fn what_is_no_pair_is_refused() {
        for wrong in ["debug", "=x", "a b=c", "a='x", "a='x'y", "a=1 b"] {
            assert!(split(wrong).is_err(), "{wrong}");
        }
    }
}
