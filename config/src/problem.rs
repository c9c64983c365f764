//! What is wrong with the config: where, what, and what to write instead.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    fmt,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Where something stands in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file as the operator named it.
    pub file: Option<PathBuf>,
    /// The line, from 1; 0 is the file as a whole.
    pub line: usize,
    /// The column in characters, from 1; 0 is the file as a whole.
    pub column: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { file, line, column } = self;
        match (file, line) {
            (Some(file), 0) => write!(f, "{}", file.display()),
            (Some(file), _) => write!(f, "{}:{line}:{column}", file.display()),
            (None, 0) => write!(f, "config"),
            (None, _) => write!(f, "config:{line}:{column}"),
        }
    }
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where it stands.
    pub place: Place,
    /// What is wrong, as in "there is no role `deployr`".
    pub what: String,
    /// What to do about it, as in "write `deployer`".
    pub instead: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Problem { place, what, instead } = self;
        write!(f, "{place}: {what}; {instead}")
    }
}

/// Everything that is wrong, gathered by all who read the config. Clones share one list.
#[derive(Clone, Debug, Default)]
pub struct Problems(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    found: BTreeSet<Problem>,
    /// The longest first, so that one secret within another leaves no rest.
    secrets: Vec<String>,
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.found.fmt(f)
    }
}

impl Problems {
    /// Adds a problem, once. A secret of the config that slipped into its words is blotted out.
    pub fn push(&self, mut problem: Problem) {
        let mut state = self.state();
        for secret in &state.secrets {
            for words in [&mut problem.what, &mut problem.instead] {
                if words.contains(secret) {
                    *words = words.replace(secret, "[secret]");
                }
            }
        }
        state.found.insert(problem);
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.state().found.is_empty()
    }

    /// All problems in the order of their places, each once.
    pub fn list(&self) -> Vec<Problem> {
        self.state().found.iter().cloned().collect()
    }

    /// Keeps a secret out of all problems that follow.
    pub(crate) fn hide(&self, secret: &str) {
        let mut state = self.state();
        if !state.secrets.iter().any(|known| known == secret) {
            state.secrets.push(secret.into());
            state.secrets.sort_by_key(|secret| Reverse(secret.len()));
        }
    }

    /// What [`Problems::hide`] was given.
    pub(crate) fn secrets(&self) -> Vec<String> {
        self.state().secrets.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One problem a line, in order.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.list().iter().try_for_each(|problem| writeln!(f, "{problem}"))
    }
}

/// How much of somebody's text a message repeats, in characters.
const SHOWN: usize = 60;

/// Somebody's text as it may stand in a message: in backticks, cut when long, with whatever is invisible, turns the
/// direction of writing or breaks the line shown by its code point.
pub fn quoted(text: &str) -> String {
    format!("`{}`", visible(text))
}

/// As [`quoted`], without the backticks.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::new();
    for (i, c) in text.chars().enumerate() {
        match c {
            _ if i == SHOWN => {
                shown.push('…');
                break;
            }
            '\'' | '"' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// Words as a list for reading: "`a`, `b`, `c`".
pub(crate) fn quoted_list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(file: &str, line: usize, column: usize, what: &str) -> Problem {
        let place = Place { file: Some(file.into()), line, column };
        Problem { place, what: what.into(), instead: "write `x`".into() }
    }

    #[test]
    fn problems_are_told_once_and_in_the_order_of_the_file() {
        let problems = Problems::default();
        assert!(problems.is_empty());
        let shared = problems.clone();
        for (line, column, what) in [(10, 1, "c"), (2, 30, "b"), (2, 4, "a"), (10, 1, "c"), (0, 0, "the file")] {
            shared.push(problem("d.toml", line, column, what));
        }
        assert!(!problems.is_empty());
        let told = "d.toml: the file; write `x`\nd.toml:2:4: a; write `x`\nd.toml:2:30: b; write `x`\n\
                    d.toml:10:1: c; write `x`\n";
        assert_eq!(problems.to_string(), told);
        assert_eq!(Place::default().to_string(), "config");
        assert_eq!(Place { file: None, line: 3, column: 4 }.to_string(), "config:3:4");
    }

    #[test]
    fn a_secret_is_blotted_out_also_where_it_holds_another() {
        let problems = Problems::default();
        problems.hide("hunter2");
        problems.hide("hunter2-and-more");
        problems.push(problem("d.toml", 1, 1, "`hunter2-and-more` or `hunter2` is no number"));
        assert_eq!(problems.list()[0].what, "`[secret]` or `[secret]` is no number");
    }

    #[test]
    fn a_text_is_shown_as_what_it_is() {
        for (text, shown) in [
            ("plain", "`plain`"),
            ("it's \"so\" \\ 한국어 é 🚀", "`it's \"so\" \\ 한국어 é 🚀`"),
            ("a\u{202e}b\u{200b}c\u{feff}", r"`a\u{202e}b\u{200b}c\u{feff}`"),
            ("a\nb\tc\u{1b}[31m", r"`a\nb\tc\u{1b}[31m`"),
        ] {
            assert_eq!(quoted(text), shown);
        }
        assert_eq!(quoted(&"x".repeat(61)), format!("`{}…`", "x".repeat(60)));
    }
}
