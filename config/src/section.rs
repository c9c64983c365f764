//! One table of the file, read key by key: every mistake is noted, none stops the reading.

use crate::{
    LARGEST, Place, Problems, Schedule, contents, duration, names,
    problem::{quoted, quoted_list, visible},
    suggest::suggest,
    tree::{Entry, Node, Table, Text, Tree, Value},
};
use chrono_tz::Tz;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::RangeInclusive,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// What is wrong, and what to do instead.
pub(crate) type Mistake = (String, String);

/// One table of the config. A reading method gives `None`, or what is empty, when the key is absent; so it does when the
/// value is wrong, and then it has noted a [`Problem`](crate::Problem). What is read is owned: keep it, and let the section go.
pub struct Section<'a> {
    tree: &'a Tree,
    table: &'a Table,
    /// Where the table starts, in bytes.
    at: usize,
    /// What it is called in messages, such as `services.hello.deploy`; empty for the whole file.
    title: String,
    /// Whether it is one of the tables of a list.
    listed: bool,
    problems: Problems,
    /// The keys that were asked for, there or not.
    asked: Mutex<BTreeSet<String>>,
}

/// For plugins and platforms.
impl<'a> Section<'a> {
    /// Whether the key is there, whatever its value.
    pub fn has(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// Where the key's value stands; without one, where the section starts.
    pub fn place(&self, key: &str) -> Place {
        self.tree.place(self.value_at(key))
    }

    /// Notes that something is wrong with the value of `key`: what is wrong, as in "there is no role `deployr`", and
    /// what to do instead, as in "write `deployer`".
    pub fn problem(&self, key: &str, what: impl Into<String>, instead: impl Into<String>) {
        self.note(self.value_at(key), what.into(), instead.into());
    }

    /// A text.
    pub fn text(&self, key: &str) -> Option<String> {
        self.text_node(key).map(|text| text.value.clone())
    }

    /// A text that must be there and hold more than blanks; `""` where it does not.
    pub fn required_text(&self, key: &str) -> String {
        if !self.has(key) {
            self.missing(key, "\"…\"");
        }
        let text = self.text(key).unwrap_or_default();
        if !text.trim().is_empty() {
            return text;
        }
        if self.text_node(key).is_some() {
            self.problem(key, format!("`{key}` is empty"), format!("write `{key} = \"…\"`"));
        }
        String::new()
    }

    /// A list of texts.
    pub fn texts(&self, key: &str) -> Vec<String> {
        self.text_nodes(key).into_iter().map(|(_, text)| text.value.clone()).collect()
    }

    /// A list of texts that must be there and hold at least one.
    pub fn required_texts(&self, key: &str) -> Vec<String> {
        if !self.has(key) {
            self.missing(key, "[\"…\"]");
        }
        let texts = self.texts(key);
        if texts.is_empty() && self.is_empty_list(key) {
            self.problem(key, format!("`{key}` is empty"), format!("write `{key} = [\"…\"]`"));
        }
        texts
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &str) -> Option<bool> {
        self.value(key, &Wanted::Boolean, |value| if let Value::Boolean(it) = value { Some(*it) } else { None })
    }

    /// A whole number within the range.
    pub fn integer(&self, key: &str, range: RangeInclusive<i64>) -> Option<i64> {
        let wanted = Wanted::Integer(range.clone());
        let number = self.value(key, &wanted, |value| if let Value::Integer(it) = value { Some(*it) } else { None })?;
        if !range.contains(&number) {
            self.problem(key, format!("`{key}` is {number}"), wanted.instead(key));
        }
        range.contains(&number).then_some(number)
    }

    /// A number, whole or not.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.value(key, &Wanted::Number, |value| match value {
            Value::Integer(it) => Some(*it as f64),
            Value::Fraction(it) => Some(*it),
            _ => None,
        })
    }

    /// A duration such as `15m`, as [`duration::parse`] reads it.
    pub fn duration(&self, key: &str) -> Option<Duration> {
        let text = self.text_node(key)?;
        let refuse = |instead| self.refuse(key, text, "is no duration", instead);
        duration::read(&text.value).map_err(refuse).ok()
    }

    /// A line of crontab, as [`Schedule::parse`] reads it, on the clocks of `zone`.
    pub fn schedule(&self, key: &str, zone: Tz) -> Option<Schedule> {
        let text = self.text_node(key)?;
        let refuse = |wrong: String| {
            let wrong = if text.is_from_outside() { format!("{} is no schedule", text.shown()) } else { wrong };
            self.problem(key, wrong.trim_end_matches('.'), format!("write for example `{key} = \"0 17 * * fri\"`"));
        };
        Schedule::parse(&text.value, zone).map_err(refuse).ok()
    }

    /// A path: `~/` is the home folder, and a relative one starts from the folder of the config.
    pub fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text_node(key)?;
        let refuse = |instead: &str| self.refuse(key, text, "is no path", instead.into());
        self.tree.path(&text.value).map_err(refuse).ok()
    }

    /// The text of another file of the operator's, at most 1 MiB long. It is read once, at the start.
    pub fn file(&self, key: &str) -> Option<String> {
        let path = self.path(key)?;
        let read = match contents(&path) {
            Ok(text) if text.len() > LARGEST => Err(("it is larger than 1 MiB".to_owned(), "write a smaller one")),
            read => read,
        };
        let refuse = |(what, instead)| self.problem(key, format!("`{}`: {what}", path.display()), instead);
        read.map_err(refuse).ok()
    }

    /// A time zone, as in `Europe/Paris`.
    pub fn zone(&self, key: &str) -> Option<Tz> {
        let text = self.text_node(key)?;
        let refuse = |_| self.refuse(key, text, "is no time zone", "write one as in `Asia/Seoul` or `UTC`".into());
        text.value.parse().map_err(refuse).ok()
    }

    /// An address that starts with `http://` or `https://` and names a host.
    pub fn url(&self, key: &str) -> Option<String> {
        let text = self.text_node(key)?;
        let url: Option<http::Uri> = text.value.parse().ok();
        let good = url.is_some_and(|url| {
            matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some_and(|host| !host.is_empty())
        });
        if !good {
            self.refuse(key, text, "is no web address", "write it as in `https://host/path`".into());
        }
        good.then(|| text.value.clone())
    }

    /// One of a few words.
    pub fn choice(&self, key: &str, choices: &[&str]) -> Option<String> {
        let text = self.text_node(key)?;
        let good = choices.contains(&text.value.as_str());
        if !good {
            let instead = names::nearest(&text.value, choices.iter().copied());
            self.refuse(key, text, &format!("is no `{key}`"), instead);
        }
        good.then(|| text.value.clone())
    }

    /// Names of what is `known`, where `noun` is what they name, as in "environment".
    pub fn names(&self, key: &str, noun: &str, known: &[String]) -> Vec<String> {
        let nearest = |text: &Text| names::nearest(&text.value, known.iter().map(String::as_str));
        self.texts_each(key, |text| {
            let strange = !known.contains(&text.value);
            strange.then(|| (format!("there is no {noun} {}", text.shown()), nearest(text)))
        })
    }

    /// A table of texts by any keys.
    pub fn text_map(&self, key: &str) -> BTreeMap<String, String> {
        let Some(table) = self.table(key) else { return BTreeMap::new() };
        table.table.entries.keys().filter_map(|key| Some((key.clone(), table.text(key)?))).collect()
    }

    /// All keys, in the order of the alphabet.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.table.entries.keys().map(String::as_str)
    }

    /// Whether there is a table of this name, where something else may stand as well.
    pub fn is_table(&self, key: &str) -> bool {
        self.entry(key).is_some_and(|entry| matches!(entry.node.value, Value::Table(_)))
    }

    /// A table within this one.
    pub fn table(&self, key: &str) -> Option<Section<'a>> {
        let wanted = Wanted::Table(self.title_of(key));
        let table = self.value(key, &wanted, |value| if let Value::Table(it) = value { Some(it) } else { None })?;
        let at = self.entry(key)?.key_at;
        Some(self.inner(table, at, self.title_of(key)))
    }

    /// The tables by name within the table `key`, in the order of the file.
    pub fn tables(&self, key: &str) -> Vec<(String, Section<'a>)> {
        self.table(key).map(|table| table.only_tables()).unwrap_or_default()
    }

    /// The tables by name that this one is made of, in the order of the file. Each name has to be a good one `of` such a
    /// thing, as in "a check".
    pub fn named_tables(&self, of: &str) -> Vec<(String, Section<'a>)> {
        let found = self.only_tables();
        for (name, section) in &found {
            names::mistake(of, name).into_iter().for_each(|mistake| section.problem_at_start(mistake));
        }
        found
    }

    fn only_tables(&self) -> Vec<(String, Section<'a>)> {
        for (name, entry) in &self.table.entries {
            if !matches!(entry.node.value, Value::Table(_)) {
                self.mismatch(name, &entry.node, &Wanted::Table(self.title_of(name)));
            }
        }
        self.tables_here()
    }

    /// The tables of the list `[[key]]`, in the order of the file.
    pub fn list(&self, key: &str) -> Vec<Section<'a>> {
        let title = self.title_of(key);
        let wanted = Wanted::Tables(title.clone());
        let list = self.value(key, &wanted, |value| if let Value::List(it) = value { Some(it) } else { None });
        let mut sections = Vec::new();
        for node in list.into_iter().flatten() {
            match &node.value {
                Value::Table(table) => {
                    sections.push(Self { listed: true, ..self.inner(table, node.at, title.clone()) })
                }
                _ => self.mismatch(key, node, &wanted),
            }
        }
        sections
    }

    /// The section as it stands in the file but for these keys, in one way whatever its order and its blanks; what was put in
    /// from outside stands there by its name. It tells one way to write something from another.
    pub fn written(&self, except: &[&str]) -> String {
        self.table.written(except)
    }

    /// Notes every key that nobody asked for. To be called when all is read.
    pub fn finish(self) {
        self.unknown_keys(|_| true);
    }
}

/// For the core's own part.
impl<'a> Section<'a> {
    /// The top level of the file.
    pub(crate) fn top(tree: &'a Tree, problems: &Problems) -> Self {
        let (problems, asked) = (problems.clone(), Mutex::default());
        Self { tree, table: &tree.root, at: 0, title: String::new(), listed: false, problems, asked }
    }

    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// Whether all of the file was understood, so that what is missing really is.
    pub(crate) fn whole(&self) -> bool {
        self.tree.whole()
    }

    /// The tables by name in this one, in the order of the file; what is no table is passed over.
    pub(crate) fn tables_here(&self) -> Vec<(String, Section<'a>)> {
        let mut tables: Vec<_> = self.table.entries.iter().collect();
        tables.sort_by_key(|(_, entry)| entry.key_at);
        let section = |(name, entry): (&String, &'a Entry)| match &entry.node.value {
            Value::Table(table) => Some((name.clone(), self.inner(table, entry.key_at, self.title_of(name)))),
            _ => None,
        };
        tables.into_iter().filter_map(section).collect()
    }

    /// A text that knows whether it came from outside.
    pub(crate) fn text_node(&self, key: &str) -> Option<&'a Text> {
        self.value(key, &Wanted::Text, |value| if let Value::Text(text) = value { Some(text) } else { None })
    }

    /// A list of texts, with the place of each; each must pass the check and may stand there only once.
    pub(crate) fn texts_each(&self, key: &str, check: impl Fn(&Text) -> Option<Mistake>) -> Vec<String> {
        let mut texts: Vec<String> = Vec::new();
        for (at, text) in self.text_nodes(key) {
            if let Some((what, instead)) = check(text) {
                self.note(at, what, text.instead(instead));
            }
            if texts.contains(&text.value) {
                self.note(at, format!("{} stands here twice", text.shown()), "keep one of them".into());
            } else {
                texts.push(text.value.clone());
            }
        }
        texts
    }

    /// Whether the key holds a list without anything in it.
    pub(crate) fn is_empty_list(&self, key: &str) -> bool {
        matches!(self.peek(key).map(|entry| &entry.node.value), Some(Value::List(list)) if list.is_empty())
    }

    /// Notes what is wrong with a text, which is shown only as it stands in the file.
    pub(crate) fn refuse(&self, key: &str, text: &Text, why: &str, instead: String) {
        self.problem(key, format!("{} {why}", text.shown()), text.instead(instead));
    }

    /// Where the section starts, which is where its name stands.
    pub(crate) fn start(&self) -> Place {
        self.tree.place(self.at)
    }

    /// Notes something at the start of the section.
    pub(crate) fn problem_at_start(&self, (what, instead): Mistake) {
        self.note(self.at, what, instead);
    }

    /// Notes that a key must be there.
    pub(crate) fn missing(&self, key: &str, example: &str) {
        if self.whole() {
            self.note(self.at, format!("{} has no `{key}`", self.heading()), format!("write `{key} = {example}`"));
        }
    }

    /// Notes something at the key itself rather than at its value.
    pub(crate) fn problem_at_key(&self, key: &str, what: String, instead: String) {
        self.note(self.peek(key).map_or(self.at, |entry| entry.key_at), what, instead);
    }

    /// Notes a key that means nothing, with the known one that may have been meant.
    pub(crate) fn unknown<'k>(&self, key: &str, what: String, known: impl IntoIterator<Item = &'k str>) {
        let known: Vec<_> = known.into_iter().collect();
        let instead = match (suggest(key, known.iter().copied()), known.len()) {
            (Some(meant), _) => format!("write `{meant}`, or take it out"),
            (None, 0) => "take it out".into(),
            (None, _) => format!("take it out, or write one of {}", quoted_list(known)),
        };
        self.problem_at_key(key, what, instead);
    }

    /// As [`Section::finish`], but tables belong to other readers.
    pub(crate) fn finish_except_tables(self) {
        self.unknown_keys(|value| !matches!(value, Value::Table(_)));
    }
}

impl<'a> Section<'a> {
    fn inner(&self, table: &'a Table, at: usize, title: String) -> Self {
        let (problems, asked) = (self.problems.clone(), Mutex::default());
        Self { tree: self.tree, table, at, title, listed: false, problems, asked }
    }

    fn title_of(&self, key: &str) -> String {
        let dot = if self.title.is_empty() { "" } else { "." };
        format!("{}{dot}{}", self.title, visible(key))
    }

    /// The section's heading as it stands in the file.
    fn heading(&self) -> String {
        if self.listed { format!("`[[{}]]`", self.title) } else { format!("`[{}]`", self.title) }
    }

    fn asked(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.asked().insert(key.into());
        self.peek(key)
    }

    /// The entry, without counting as a reader of it.
    fn peek(&self, key: &str) -> Option<&'a Entry> {
        self.table.entries.get(key)
    }

    fn value_at(&self, key: &str) -> usize {
        self.peek(key).map_or(self.at, |entry| entry.node.at)
    }

    fn note(&self, at: usize, what: String, instead: String) {
        self.tree.note(at, what, instead, &self.problems);
    }

    /// What `take` makes of the value; nothing is taken from a value of a wrong kind, which is noted.
    fn value<T>(&self, key: &str, wanted: &Wanted, take: impl FnOnce(&'a Value) -> Option<T>) -> Option<T> {
        let node = &self.entry(key)?.node;
        let taken = take(&node.value);
        if taken.is_none() {
            self.mismatch(key, node, wanted);
        }
        taken
    }

    fn text_nodes(&self, key: &str) -> Vec<(usize, &'a Text)> {
        let list =
            self.value(key, &Wanted::Texts, |value| if let Value::List(list) = value { Some(list) } else { None });
        let mut texts = Vec::new();
        for node in list.into_iter().flatten() {
            match &node.value {
                Value::Text(text) => texts.push((node.at, text)),
                _ => self.mismatch(key, node, &Wanted::Texts),
            }
        }
        texts
    }

    /// Notes a value of a wrong kind. Where only quotes or brackets are wrong, the right line is written out.
    fn mismatch(&self, key: &str, node: &Node, wanted: &Wanted) {
        let is_bare = |text: &Text| match wanted {
            Wanted::Boolean => text.value.parse::<bool>().is_ok(),
            Wanted::Integer(_) => text.value.parse::<i64>().is_ok(),
            Wanted::Number => text.value.parse::<f64>().is_ok_and(f64::is_finite),
            _ => false,
        };
        let instead = match (wanted, &node.value) {
            (_, Value::Unknown) => return,
            (Wanted::Text | Wanted::Texts, Value::Integer(number)) => format!("write it in quotes, `\"{number}\"`"),
            (Wanted::Texts, Value::Text(text)) => format!("write `{key} = [\"{}\"]`", visible(text.written())),
            (_, Value::Text(text)) if !text.is_from_outside() && is_bare(text) => "write it without quotes".into(),
            _ => wanted.instead(key),
        };
        self.note(node.at, format!("{} is {}, not {wanted}", quoted(key), node.value.kind()), instead);
    }

    fn unknown_keys(&self, of: impl Fn(&Value) -> bool) {
        let asked = self.asked().clone();
        for (key, entry) in &self.table.entries {
            if !asked.contains(key) && of(&entry.node.value) {
                let what = format!("{} has no setting {}", self.heading(), quoted(key));
                self.unknown(key, what, asked.iter().map(String::as_str));
            }
        }
    }
}

/// The kind of value that a key should have.
enum Wanted {
    Text,
    Texts,
    Boolean,
    Integer(RangeInclusive<i64>),
    Number,
    /// With its title.
    Table(String),
    /// With the title of each.
    Tables(String),
}

impl Wanted {
    fn instead(&self, key: &str) -> String {
        match self {
            Self::Text => format!("write `{} = \"…\"`", visible(key)),
            Self::Texts => format!("write `{} = [\"…\"]`", visible(key)),
            Self::Boolean => "write `true` or `false`".into(),
            Self::Integer(range) if *range.end() == i64::MAX => format!("write at least {}", range.start()),
            Self::Integer(range) => format!("write a number from {} to {}", range.start(), range.end()),
            Self::Number => format!("write for example `{} = 0.5`", visible(key)),
            Self::Table(title) => format!("write `[{title}]` and what belongs to it below"),
            Self::Tables(title) => format!("write `[[{title}]]` and what belongs to it below"),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Text => "a text",
            Self::Texts => "a list of texts",
            Self::Boolean => "`true` or `false`",
            Self::Integer(_) => "a whole number",
            Self::Number => "a number",
            Self::Table(_) => "a table",
            Self::Tables(_) => "a list of tables",
        })
    }
}

#[cfg(test)]
mod tests;
