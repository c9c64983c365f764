//! What people are shown of work under way: the last lines, a link, a word about each target.

use commands::text;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard};

/// How many of the last lines are kept.
pub const LINES: usize = 6;

/// Whoever does the work writes on it at any time; it is looked at when a message is drawn. It holds the last of each, so
/// it does not grow with the work.
#[derive(Debug, Default)]
pub struct Board(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    shown: Shown,
    changed: bool,
}

/// How a board looks at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shown {
    /// The last lines of its output.
    pub lines: VecDeque<String>,
    /// Where more is to be seen: the address of a run.
    pub link: Option<String>,
    /// How each target stands: "ok 5, changed 2".
    pub hosts: BTreeMap<String, String>,
    /// What it waits for before it begins, as the end of a sentence; nothing once it has begun.
    pub waits: Option<String>,
    /// Whether it should have begun by now.
    pub late: bool,
}

impl Shown {
    /// What has not begun although it should have: what it waits for.
    pub fn not_begun(&self) -> Option<&str> {
        self.waits.as_deref().filter(|_| self.late)
    }

    /// The last lines, fit to be shown.
    pub fn output(&self) -> String {
        self.lines.iter().map(|line| text::line(line)).collect::<Vec<_>>().join("\n")
    }
}

impl Board {
    /// A line of output.
    pub fn line(&self, line: String) {
        self.change(|shown| {
            shown.lines.push_back(line);
            shown.lines.drain(..shown.lines.len().saturating_sub(LINES));
        });
    }

    /// Where more is to be seen.
    pub fn link(&self, address: impl Into<String>) {
        let address = Some(address.into());
        if self.shown().link != address {
            self.change(|shown| shown.link = address);
        }
    }

    /// How a target stands, in a few words.
    pub fn host(&self, name: &str, says: impl Into<String>) {
        self.change(|shown| _ = shown.hosts.insert(name.to_owned(), says.into()));
    }

    /// What it waits for before it begins: "no runner at GitHub has taken its run".
    pub fn waits(&self, what: impl Into<String>) {
        let what = Some(what.into());
        if self.shown().waits != what {
            self.change(|shown| shown.waits = what);
        }
    }

    /// It has begun.
    pub fn begun(&self) {
        if self.shown().waits.is_some() {
            self.change(|shown| shown.waits = None);
        }
    }

    /// It should have begun by now.
    pub fn late(&self) {
        let mut state = self.state();
        state.shown.late = true;
        state.changed |= state.shown.waits.is_some();
    }

    /// How it looks now.
    pub fn shown(&self) -> Shown {
        self.state().shown.clone()
    }

    /// Whether anything has changed since this was asked last.
    pub fn has_changed(&self) -> bool {
        std::mem::take(&mut self.state().changed)
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        let mut state = self.state();
        change(&mut state.shown);
        state.changed = true;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_last_of_each_and_says_once_that_it_has_changed() {
        let board = Board::default();
        assert!(!board.has_changed());
        (0..1_000).for_each(|number| board.line(number.to_string()));
        board.host("web1", "begun");
        board.host("web1", "ok");
        assert!(board.has_changed() && !board.has_changed());
        let shown = board.shown();
        assert_eq!((shown.lines.len(), &*shown.lines[0], &*shown.hosts["web1"]), (LINES, "994", "ok"));
    }
}
