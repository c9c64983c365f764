//! The file as a tree of values that know where they stand.

use crate::{
    Env, Place, Problem, Problems,
    problem::{quoted, visible},
    secret,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};
use toml::de::{DeString, DeTable, DeValue};

/// What `toml` says of a key given twice; it keeps the first.
const DOUBLED: &str = "duplicate key";

/// The parsed file.
#[derive(Default)]
pub(crate) struct Tree {
    pub root: Table,
    /// What relative paths start from.
    pub folder: PathBuf,
    /// What `~/` stands for.
    pub home: Option<PathBuf>,
    shown_as: PathBuf,
    text: String,
    /// Where each line starts, in bytes.
    lines: Vec<usize>,
    /// The lines that are no TOML or set a key again.
    broken: BTreeSet<usize>,
    /// Whether some of the file is no TOML: what seems to be missing may stand there.
    torn: bool,
}

#[derive(Default)]
pub(crate) struct Table {
    pub entries: BTreeMap<String, Entry>,
}

impl Table {
    /// As it stands in the file but for these keys, in the order of the alphabet.
    pub fn written(&self, except: &[&str]) -> String {
        let entries = self.entries.iter().filter(|(key, _)| !except.contains(&key.as_str()));
        let entries = entries.map(|(key, entry)| format!("{}={}", in_quotes(key), entry.node.value.written()));
        format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
    }
}

/// A key with its value.
pub(crate) struct Entry {
    /// Where the key starts, in bytes.
    pub key_at: usize,
    pub node: Node,
}

pub(crate) struct Node {
    /// Where the value starts, in bytes.
    pub at: usize,
    pub value: Value,
}

pub(crate) enum Value {
    Text(Text),
    Integer(i64),
    Fraction(f64),
    Boolean(bool),
    List(Vec<Node>),
    Table(Table),
    /// What no setting is: a date.
    Other(&'static str),
    /// A text with a `${…}` that stands for nothing, as has been told.
    Unknown,
}

/// A text as TOML has it.
pub(crate) fn in_quotes(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

impl Value {
    /// As it stands in the file; what comes from outside by its name.
    pub fn written(&self) -> String {
        match self {
            Self::Text(text) => in_quotes(text.written()),
            Self::Integer(number) => number.to_string(),
            Self::Fraction(number) => number.to_string(),
            Self::Boolean(boolean) => boolean.to_string(),
            Self::List(list) => {
                format!("[{}]", list.iter().map(|node| node.value.written()).collect::<Vec<_>>().join(","))
            }
            Self::Table(table) => table.written(&[]),
            Self::Other(_) | Self::Unknown => self.kind().to_owned(),
        }
    }

    /// What it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "a text",
            Self::Integer(_) => "a number",
            Self::Fraction(_) => "a fraction",
            Self::Boolean(_) => "true or false",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
            Self::Unknown => "unknown",
        }
    }
}

pub(crate) struct Text {
    pub value: String,
    /// The text as it stands in the file, when some of the value came from outside.
    written: Option<String>,
}

impl Text {
    /// For messages: the text as it stands in the file, never what was put in from outside.
    pub fn shown(&self) -> String {
        quoted(self.written())
    }

    /// The text as it stands in the file.
    pub fn written(&self) -> &str {
        self.written.as_ref().unwrap_or(&self.value)
    }

    /// Whether some of the value was put in from outside.
    pub fn is_from_outside(&self) -> bool {
        self.written.is_some()
    }

    /// For messages: what to write instead, unless that could give away what was put in from outside.
    pub fn instead(&self, instead: String) -> String {
        if self.is_from_outside() { "change what it stands for".into() } else { instead }
    }
}

impl Tree {
    fn empty(shown_as: &str, folder: &Path) -> Self {
        Self { folder: folder.into(), shown_as: shown_as.into(), ..Self::default() }
    }

    /// Parses the text as far as it goes, and notes what is no TOML and which `${…}` stand for nothing.
    pub fn parse(text: &str, shown_as: &str, folder: &Path, env: Env, problems: &Problems) -> Self {
        let home = env("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let lines = [0].into_iter().chain(text.match_indices('\n').map(|(end, _)| end + 1)).collect();
        let mut tree = Self { home, lines, text: text.into(), ..Self::empty(shown_as, folder) };
        let (root, mut errors) = DeTable::parse_recoverable(text);
        // One error a line: the further ones are mostly its echo.
        errors.sort_by_key(|error| error.span().map(|span| span.start));
        for error in errors {
            let doubled = error.message() == DOUBLED;
            if tree.torn && doubled {
                // A heading that was lost in the tear makes those below it seem doubled.
                continue;
            }
            tree.torn |= !doubled;
            let span = error.span().unwrap_or_default();
            let place = tree.place(span.start);
            if tree.broken.insert(place.line) {
                let (what, instead) = match text.get(span) {
                    Some(key) if doubled => (format!("{} is given twice", quoted(key)), "keep one of them"),
                    _ => (format!("this is no TOML: {}", visible(error.message())), "correct this line"),
                };
                problems.push(Problem { place, what, instead: instead.into() });
            }
        }
        let root = Builder { tree: &tree, env, problems }.table(root.get_ref());
        Self { root, ..tree }
    }

    /// Line and column of a byte.
    pub fn place(&self, at: usize) -> Place {
        let line = self.lines.partition_point(|start| *start <= at).max(1);
        let start = self.lines.get(line - 1).copied().unwrap_or_default();
        let before = self.text.get(start..at).unwrap_or_default();
        let column = before.trim_start_matches('\u{feff}').chars().count() + 1;
        Place { file: Some(self.shown_as.clone()), line, column }
    }

    /// The file, as it was named.
    pub fn file(&self) -> &Path {
        &self.shown_as
    }

    /// Whether all of the file is TOML, so that what is missing really is.
    pub fn whole(&self) -> bool {
        !self.torn
    }

    /// Notes a problem, except on a line that is no TOML.
    pub fn note(&self, at: usize, what: String, instead: String, problems: &Problems) {
        let place = self.place(at);
        if !self.broken.contains(&place.line) {
            problems.push(Problem { place, what, instead });
        }
    }

    /// A path of the file as one that can be opened, or what to write instead.
    pub fn path(&self, written: &str) -> Result<PathBuf, &'static str> {
        if written.trim().is_empty() || written.chars().any(char::is_control) {
            return Err("write a path without control characters");
        }
        match (written.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => Ok(home.join(rest)),
            (Some(_), None) => Err("write the whole path: HOME is not set, so `~` means nothing"),
            (None, _) => Ok(self.folder.join(written)),
        }
    }
}

/// Turns what `toml` read into nodes.
struct Builder<'a> {
    tree: &'a Tree,
    env: Env<'a>,
    problems: &'a Problems,
}

impl Builder<'_> {
    fn table(&self, table: &DeTable) -> Table {
        let entry = |(key, value): (&toml::Spanned<DeString>, &toml::Spanned<DeValue>)| {
            let entry = Entry { key_at: key.span().start, node: self.node(value) };
            (key.get_ref().clone().into_owned(), entry)
        };
        Table { entries: table.iter().map(entry).collect() }
    }

    fn node(&self, value: &toml::Spanned<DeValue>) -> Node {
        let at = value.span().start;
        let value = match value.get_ref() {
            DeValue::String(text) => self.text(text, at),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or(Value::Other("a number too great"), Value::Integer),
            DeValue::Boolean(boolean) => Value::Boolean(*boolean),
            DeValue::Array(list) => Value::List(list.iter().map(|value| self.node(value)).collect()),
            DeValue::Table(table) => Value::Table(self.table(table)),
            DeValue::Float(number) => {
                let number = number.as_str().parse().ok().filter(|number: &f64| number.is_finite());
                number.map_or(Value::Other("no number that there is"), Value::Fraction)
            }
            DeValue::Datetime(_) => Value::Other("a date"),
        };
        Node { at, value }
    }

    fn text(&self, written: &str, at: usize) -> Value {
        match secret::expand(written, self.env, &|path| self.tree.path(path)) {
            Ok(expanded) => {
                let from_outside = !expanded.secrets.is_empty();
                for secret in expanded.secrets.iter().filter(|secret| secret.chars().count() >= secret::SHORTEST) {
                    self.problems.hide(secret);
                }
                Value::Text(Text { value: expanded.text, written: from_outside.then(|| written.into()) })
            }
            Err((what, instead)) => {
                self.tree.note(at, what, instead, self.problems);
                Value::Unknown
            }
        }
    }
}
