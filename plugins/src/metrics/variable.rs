//! What a query leaves open: names that stand for values of a type, so that whoever asks can choose and never writes a query.

use super::settings::{ENVIRONMENT, SERVICE};
use super::source::Source;
use crate::words;
use commands::registry::is_name;
use commands::text;
use commands::vocabulary::Vocabulary;
use config::{Section, duration, quoted};
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;
use std::time::Duration;

/// What a variable may be, as the config has it.
const KINDS: [&str; 6] = ["choice", "duration", "number", "service", "environment", "word"];

/// From which span of time to which, in seconds, where nobody says: no source knows more than 400 days.
const SPANS: RangeInclusive<u64> = 1..=400 * 86_400;

/// From which number to which, where nobody says: figures are exact up to here.
const NUMBERS: RangeInclusive<f64> = -1e15..=1e15;

/// The longest word.
const LONGEST: usize = 64;

/// Spans of time that are offered.
const USUAL_SPANS: [u64; 8] = [60, 300, 900, 1_800, 3_600, 21_600, 86_400, 7 * 86_400];

/// A name in a query that stands for something.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Variable {
    /// The name, without its braces.
    pub name: String,
    /// What it may stand for.
    #[serde(flatten)]
    pub takes: Takes,
    /// What it stands for where nobody says; of choices the first, where this is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub default: String,
}

/// What a variable may stand for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Takes {
    /// One of these.
    Choices(Vec<String>),
    /// A span of time, in seconds.
    Duration(RangeInclusive<u64>),
    /// A number, whole or not.
    Number(RangeInclusive<f64>),
    /// A name of the config.
    Known(Known),
    /// A word of letters that mean nothing to the source.
    Word(()),
}

/// What has names in the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Known {
    /// A service.
    Service,
    /// An environment.
    Environment,
}

impl Known {
    fn names(self, vocabulary: &Vocabulary) -> &[String] {
        match self {
            Known::Service => &vocabulary.services,
            Known::Environment => &vocabulary.environments,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Known::Service => SERVICE,
            Known::Environment => ENVIRONMENT,
        }
    }
}

impl Takes {
    /// What is written, in the one way that it is shown and kept.
    ///
    /// # Errors
    /// What to write instead.
    fn read(&self, said: &str, source: &dyn Source, vocabulary: &Vocabulary) -> Result<String, String> {
        let one_of = |names: &[String]| match names.iter().find(|name| *name == said) {
            Some(name) => Ok(name.clone()),
            None => Err(format!("one of {}", text::list(names))),
        };
        match self {
            Takes::Choices(choices) => one_of(choices),
            Takes::Known(known) => one_of(known.names(vocabulary)),
            Takes::Duration(range) => match duration::parse(said) {
                Ok(long) if range.contains(&long.as_secs()) => Ok(duration::show(long)),
                _ => Err(format!("a span of time from `{}` to `{}`", span(*range.start()), span(*range.end()))),
            },
            Takes::Number(range) => match said.parse::<f64>() {
                Ok(number) if range.contains(&number) => Ok(number.to_string()),
                _ if *range == NUMBERS => Err("a number".to_owned()),
                _ => Err(format!("a number from `{}` to `{}`", range.start(), range.end())),
            },
            Takes::Word(()) => {
                let more = source.letters();
                let fits = |letter: char| letter.is_ascii_alphanumeric() || more.contains(letter);
                let good = (1..=LONGEST).contains(&said.len())
                    && said.chars().all(fits)
                    // What begins with a dash is an option to programs, and two dots lead out of a folder.
                    && !said.starts_with('-')
                    && !said.contains("..");
                let more: Vec<_> = more.chars().map(|letter| format!("`{letter}`")).collect();
                let instead = format!("a word of a-z, A-Z, 0-9, {}, not with a `-` first", more.join(", "));
                good.then(|| said.to_owned()).ok_or(instead)
            }
        }
    }

    /// What it may be, in a few words, which are read by [`Takes::of`] too, but for choices.
    fn shown(&self) -> String {
        match self {
            Takes::Choices(choices) => choices.join("|"),
            Takes::Duration(range) if *range == SPANS => "duration".to_owned(),
            Takes::Duration(range) => format!("{}..{}", span(*range.start()), span(*range.end())),
            Takes::Number(range) if *range == NUMBERS => "number".to_owned(),
            Takes::Number(range) => format!("{}..{}", range.start(), range.end()),
            Takes::Known(known) => known.word().to_owned(),
            Takes::Word(()) => "word".to_owned(),
        }
    }

    /// What stands behind the `in` of `window=5m in 1m..1h`.
    fn of(said: &str) -> Option<Takes> {
        Some(match said {
            "duration" => Takes::Duration(SPANS),
            "number" => Takes::Number(NUMBERS),
            SERVICE => Takes::Known(Known::Service),
            ENVIRONMENT => Takes::Known(Known::Environment),
            "word" => Takes::Word(()),
            said => {
                let (least, most) = said.split_once("..").map(|(least, most)| (least.trim(), most.trim()))?;
                let number = |said: &str| said.parse::<f64>().ok().filter(|number| number.is_finite());
                match (number(least), number(most)) {
                    (Some(least), Some(most)) => Takes::Number(least..=most),
                    _ => {
                        let seconds = |said: &str| duration::parse(said).ok().map(|long| long.as_secs());
                        Takes::Duration(seconds(least)?..=seconds(most)?)
                    }
                }
            }
        })
    }

    /// Whether nothing fits it.
    fn is_empty(&self) -> bool {
        match self {
            Takes::Choices(choices) => choices.is_empty(),
            Takes::Duration(range) => range.is_empty(),
            Takes::Number(range) => range.is_empty(),
            Takes::Known(_) | Takes::Word(()) => false,
        }
    }
}

fn span(seconds: u64) -> String {
    duration::show(Duration::from_secs(seconds))
}

/// What is wrong with a variable, and what to write instead.
pub type Wrong = (String, String);

impl Variable {
    /// Reads a key of the table `variables`: a list of texts, or a table that has its `kind`.
    pub fn read(table: &Section<'_>, name: &str) -> Option<Variable> {
        if !table.is_table(name) {
            let takes = Takes::Choices(table.required_texts(name));
            return Some(Variable { name: name.to_owned(), takes, default: String::new() });
        }
        let section = table.table(name)?;
        if !section.has("kind") {
            section.required_text("kind");
        }
        let kind = section.choice("kind", &KINDS)?;
        let seconds = |key, otherwise: &u64| section.duration(key).map_or(*otherwise, |it| it.as_secs());
        let takes = match kind.as_str() {
            "choice" => Takes::Choices(section.required_texts("choices")),
            "duration" => Takes::Duration(seconds("min", SPANS.start())..=seconds("max", SPANS.end())),
            "number" => Takes::Number(
                section.number("min").unwrap_or(*NUMBERS.start())..=section.number("max").unwrap_or(*NUMBERS.end()),
            ),
            SERVICE => Takes::Known(Known::Service),
            ENVIRONMENT => Takes::Known(Known::Environment),
            _ => Takes::Word(()),
        };
        let default = match takes {
            Takes::Number(_) => section.number("default").map(|number| number.to_string()),
            _ => section.text("default"),
        };
        section.finish();
        Some(Variable { name: name.to_owned(), takes, default: default.unwrap_or_default() })
    }

    /// What it stands for where nobody says.
    pub fn usual(&self) -> &str {
        match &self.takes {
            Takes::Choices(choices) if self.default.is_empty() => choices.first().map_or("", String::as_str),
            _ => &self.default,
        }
    }

    /// What somebody says for it, in the one way that it is shown.
    ///
    /// # Errors
    /// What to write instead.
    pub fn value(&self, said: &str, source: &dyn Source, vocabulary: &Vocabulary) -> Result<String, String> {
        self.takes.read(said, source, vocabulary)
    }

    /// What a value is in the query: a span of time as the source reads it.
    pub fn spelt(&self, value: &str, source: &dyn Source) -> String {
        match (&self.takes, duration::parse(value)) {
            (Takes::Duration(_), Ok(long)) => source.span(long),
            _ => value.to_owned(),
        }
    }

    /// What may be said for it, as far as there is something to choose from.
    pub fn offers(&self, vocabulary: &Vocabulary) -> Vec<String> {
        let mut offered = vec![self.usual().to_owned()];
        match &self.takes {
            Takes::Choices(choices) => offered.extend(choices.iter().cloned()),
            Takes::Known(known) => offered.extend(known.names(vocabulary).iter().cloned()),
            Takes::Duration(range) => {
                offered.extend(USUAL_SPANS.into_iter().filter(|it| range.contains(it)).map(span));
            }
            Takes::Number(range) if *range != NUMBERS => {
                offered.extend([range.start(), range.end()].map(ToString::to_string));
            }
            Takes::Number(_) | Takes::Word(()) => {}
        }
        let mut seen = Vec::new();
        offered.retain(|it| {
            !it.is_empty() && !seen.contains(it) && {
                seen.push(it.clone());
                true
            }
        });
        offered
    }

    /// What it may stand for, for people.
    pub fn shown(&self) -> String {
        match &self.takes {
            Takes::Choices(choices) => text::list(choices),
            takes => format!("{} in {}", text::code(self.usual()), takes.shown()),
        }
    }

    /// What is wrong with it in this query, beside this source; nothing where that is not known.
    pub fn wrong(&self, query: &str, source: Option<&dyn Source>, vocabulary: &Vocabulary) -> Option<Wrong> {
        let Variable { name, takes, .. } = self;
        let wrong = |what: String, instead: &str| Some((what, instead.to_owned()));
        if [SERVICE, ENVIRONMENT].contains(&&**name) {
            let what = format!("`{{{name}}}` stands for what the command says");
            return wrong(what, "take it out, or call it something else");
        }
        if !is_name(name) {
            let what = format!("{} is no name for a variable", quoted(name));
            return wrong(what, "write small letters, digits and dashes");
        }
        if !words::names(query).contains(&&**name) && !source.is_some_and(|source| source.mentions(name)) {
            let instead = format!("write `{{{name}}}` in the query, or take it out");
            return wrong("the query does not have it".to_owned(), &instead);
        }
        if takes.is_empty() {
            let instead = match takes {
                Takes::Choices(_) => "write what there is to choose from",
                _ => "write the smaller one first",
            };
            return wrong(format!("{} can stand for nothing", quoted(name)), instead);
        }
        if let Takes::Choices(choices) = takes
            && let Some(odd) = choices.iter().find(|text| is_odd(text))
        {
            let what = format!("{} can not be chosen in chat", quoted(odd));
            return wrong(what, "write texts without `,`, `=`, quotes, and a `\\` at their end");
        }
        let source = source?;
        let usual = self.usual();
        if usual.is_empty() {
            let what = format!("it is not said what {} stands for where nobody says", quoted(name));
            return wrong(what, "write a `default`");
        }
        if let Err(instead) = self.value(usual, source, vocabulary) {
            let what = format!("{} can not be {}", quoted(name), quoted(usual));
            return Some((what, format!("write {instead}")));
        }
        None
    }
}

/// Whether a text could end what it stands in, or what says it in chat.
fn is_odd(text: &str) -> bool {
    let slashes = text.len() - text.trim_end_matches('\\').len();
    text.is_empty()
        || slashes % 2 == 1
        || text.contains(|letter: char| letter.is_control() || ",=\"'`".contains(letter))
}

/// Variables as they are said in one line: `quantile=0.95|0.5, window=5m in 1m..1h, peer=hello in service`.
///
/// # Errors
/// The part that can not be read.
pub fn read_all(said: &str) -> Result<Vec<Variable>, String> {
    let parts = said.split(',').map(str::trim).filter(|part| !part.is_empty());
    let variable = |part: &str| {
        let (name, rest) = part.split_once('=').ok_or_else(|| part.to_owned())?;
        let (takes, default) = match rest.rsplit_once(" in ") {
            Some((default, takes)) => (Takes::of(takes.trim()).ok_or_else(|| part.to_owned())?, default.trim()),
            None => (Takes::Choices(rest.split('|').map(|choice| choice.trim().to_owned()).collect()), ""),
        };
        Ok(Variable { name: name.trim().to_owned(), takes, default: default.to_owned() })
    };
    parts.map(variable).collect()
}

/// The same, back as one line.
pub fn said(variables: &[Variable]) -> String {
    let said = |it: &Variable| match &it.takes {
        Takes::Choices(choices) => format!("{}={}", it.name, choices.join("|")),
        takes => format!("{}={} in {}", it.name, it.default, takes.shown()),
    };
    variables.iter().map(said).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::source::{Answer, Query};
    use chrono::{DateTime, Utc};
    use commands::cx::Ports;

    /// A source that has nothing of its own.
    struct Plain;

    #[async_trait::async_trait]
    impl Source for Plain {
        async fn at(&self, _ports: &Ports, _query: &Query, _at: DateTime<Utc>) -> Result<Answer, String> {
            Err("has nothing".to_owned())
        }
    }

    fn one(said: &str) -> Variable {
        let all = read_all(said).unwrap();
        assert_eq!(super::said(&all), said);
        let kept = serde_json::to_string(&all).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Variable>>(&kept).unwrap(), all, "{kept}");
        all.into_iter().next().unwrap()
    }

    #[test]
    fn what_is_chosen_fits_its_type_and_ends_nothing() {
        let vocabulary = Vocabulary::of_examples();
        for (variable, good, bad) in [
            ("q=0.95|0.5", &[("0.5", "0.5")][..], &["0.50", "", "0.95|0.5"][..]),
            ("w=5m in 1m..1h", &[("60s", "1m"), ("1h", "1h")], &["59s", "61m", "5", "5m]) or up", "-5m"]),
            ("w=5m in duration", &[("400d", "400d")], &["0s", "401d"]),
            ("n=0.95 in 0..1", &[("1", "1"), ("5e-1", "0.5")], &["1.01", "NaN", "inf", "0.5) or up", "0x1", ""]),
            ("n=1 in number", &[("-7.5", "-7.5")], &["1e16", "-inf"]),
            ("s=hello in service", &[("hello", "hello")], &["hell", "hello\"", "HELLO"]),
            ("e=staging in environment", &[("production", "production")], &["prod", "*"]),
            (
                "p=web1 in word",
                &[("/checkout", "/checkout"), ("web1:9100", "web1:9100")],
                &["", "a\"}", "a'b", "a`b", "a\\", "a b", "a,b", "a{b", "-f", "../x", "a\n", "é", "a)", "*", "a#b"],
            ),
        ] {
            let it = one(variable);
            for (said, read) in good {
                assert_eq!(it.value(said, &Plain, &vocabulary).as_deref(), Ok(*read), "{variable}: {said}");
            }
            for said in bad {
                assert!(it.value(said, &Plain, &vocabulary).is_err(), "{variable}: {said}");
            }
            assert!(it.wrong(&format!("f({{{}}})", it.name), Some(&Plain), &vocabulary).is_none(), "{variable}");
        }
        let long = "x".repeat(LONGEST + 1);
        assert!(one("p=web1 in word").value(&long, &Plain, &vocabulary).is_err());
    }

    #[test]
    fn what_is_kept_from_before_there_were_types_is_a_list() {
        let kept = r#"{"name":"quantile","choices":["0.95","0.5"]}"#;
        let it: Variable = serde_json::from_str(kept).unwrap();
        assert_eq!((it.usual(), said(std::slice::from_ref(&it)).as_str()), ("0.95", "quantile=0.95|0.5"));
        assert_eq!(serde_json::to_string(&it).unwrap(), kept);
    }

    #[test]
    fn what_is_wrong_with_one_is_told() {
        for (said, what) in [
            ("q=a|b'c", "`b'c` can not be chosen"),
            ("q=a\\", "`a\\` can not be chosen"),
            ("q=", "can not be chosen"),
            ("q=5m in 1h..1m", "can stand for nothing"),
            ("q=2h in 1m..1h", "`q` can not be `2h`"),
            ("q= in number", "it is not said what `q` stands for"),
            ("q=helo in service", "`q` can not be `helo`"),
            ("other=1", "the query does not have it"),
            ("service=1", "stands for what the command says"),
            ("Q=1", "is no name"),
        ] {
            let it = read_all(said).unwrap().remove(0);
            let wrong = it.wrong("f({q})", Some(&Plain), &Vocabulary::of_examples());
            assert!(wrong.as_ref().is_some_and(|(told, _)| told.contains(what)), "{said}: {wrong:?}");
        }
        for said in ["quantile", "q=1 in 2", "q=1 in 1m..5", "q=1 in text"] {
            assert_eq!(read_all(said), Err(said.to_owned()));
        }
        let escaped = read_all("q=a\\\\").unwrap().remove(0);
        assert_eq!(escaped.wrong("f({q})", Some(&Plain), &Vocabulary::of_examples()), None);
    }
}
