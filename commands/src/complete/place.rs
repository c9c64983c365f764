//! Where in a line the cursor is: the words around it, and which of them stand for which argument.

use super::Slot;
use crate::line::{self, Word};
use crate::parse::{self, arrange};
use crate::registry::Registry;
use crate::spec::{ArgSpec, CommandSpec, Kind};
use crate::vocabulary::Vocabulary;
use std::ops::Range;

impl Word {
    /// A word of which nothing is typed yet.
    pub(super) fn empty(at: usize) -> Word {
        Word { at: at..at, key: None, text: String::new(), text_at: at, quoted: false, open: None }
    }
}

/// The words of a line, and which of them the cursor is in: of that one, only what stands before the cursor. Between
/// two words it is an empty one.
pub(super) fn words_around(line: &[char], cursor: usize) -> (Vec<Word>, usize) {
    let start = parse::slash(line);
    let cursor = cursor.clamp(start.min(line.len()), line.len());
    let (mut words, here) = words_before(&line[..cursor], start);
    let all = line::words(line, start);
    let end =
        all.iter().find(|word| word.at.start < cursor && cursor <= word.at.end).map_or(cursor, |word| word.at.end);
    words.push(Word { at: here.at.start..end, ..here });
    let here = words.len() - 1;
    words.extend(all.into_iter().filter(|word| word.at.start >= end));
    (words, here)
}

/// The finished words of a line that ends at the cursor, and the one that is being typed.
fn words_before(line: &[char], start: usize) -> (Vec<Word>, Word) {
    let mut words = line::words(line, start);
    // A quote that is still open holds all that follows it.
    let open = words.iter().enumerate().find_map(|(place, word)| Some((place, word.open?)));
    if let Some((place, open)) = open {
        let first = words.swap_remove(place);
        words.truncate(place);
        let text = line[open + 1..].iter().collect();
        return (words, Word { text, text_at: open + 1, quoted: true, open: None, ..first });
    }
    let here = words.pop_if(|word| word.at.end == line.len());
    (words, here.unwrap_or_else(|| Word::empty(line.len())))
}

/// Which words of a line stand for which argument, and what the word at the cursor is among them.
pub(super) struct Place<'w> {
    pub slot: Slot,
    words: &'w [Word],
    here: usize,
    found: Vec<Found>,
}

/// An argument, and which words are its.
type Found = (&'static ArgSpec, Range<usize>);

impl<'w> Place<'w> {
    /// Finds it among the `words` behind a command's name. They go to the arguments as [`parse::parse`] gives them, but
    /// no mistake stops it.
    pub fn find(
        command: &'static CommandSpec,
        words: &'w [Word],
        here: usize,
        registry: &Registry,
        vocabulary: &Vocabulary,
    ) -> Place<'w> {
        let named = words.iter().enumerate();
        let mut found: Vec<Found> =
            named.filter_map(|(at, word)| Some((arrange::option(command, word)?, at..at + 1))).collect();
        let is_found = |arg: &&ArgSpec| found.iter().any(|(other, _)| other.name == arg.name);
        let mut free: Vec<_> = command.args.iter().filter(|arg| !arg.named && !is_found(arg)).collect();
        let mut at = 0;
        while at < words.len() {
            let nameless = words[at..].iter().take_while(|word| arrange::option(command, word).is_none()).count();
            let kind = free.first().map(|arg| arg.kind);
            if nameless == 0 || arrange::check_word(command, &words[at..], kind).is_err() {
                at += 1;
                continue;
            }
            if free.is_empty() {
                break;
            }
            let arg = free.remove(arrange::meant_for(&free, &words[at], vocabulary));
            let count = match arg.kind {
                Kind::Text if arrange::runs_on(arg, &free) => nameless,
                Kind::Time | Kind::Later => arrange::words_of_moment(&words[at..at + nameless]),
                Kind::Command => words_of_name(&words[at..at + nameless], here.checked_sub(at), registry),
                _ => 1,
            };
            found.push((arg, at..at + count));
            at += count;
        }
        let slot = slot(command, words, here, &found);
        Place { slot, words, here, found }
    }

    /// Where what is typed at the cursor begins, in characters of the line, and what it is.
    pub fn typed(&self) -> Option<(usize, String)> {
        let first = match self.slot {
            Slot::Nothing => return None,
            Slot::Named(_) => return Some((self.words[self.here].at.start, self.words[self.here].text.clone())),
            Slot::Free(Some(_)) => holding(&self.found, self.here).map_or(self.here, |(_, words)| words.start),
            Slot::Command | Slot::Free(None) | Slot::Text(_) => self.here,
        };
        let said = self.words[first..=self.here].iter().map(|word| match &word.key {
            Some(key) => format!("{key}:{}", word.text),
            None => word.text.clone(),
        });
        Some((self.words[first].at.start, said.collect::<Vec<_>>().join(" ")))
    }

    /// What the line gives to `arg` elsewhere than at the cursor.
    pub fn given(&self, arg: &ArgSpec, line: &[char]) -> Option<String> {
        let is_it = |(other, words): &&Found| other.name == arg.name && !words.contains(&self.here);
        let (_, words) = self.found.iter().find(is_it)?;
        Some(match &self.words[words.clone()] {
            [first, .., last] => line[first.at.start..last.at.end].iter().collect(),
            words => words.iter().map(|word| word.text.as_str()).collect(),
        })
    }
}

fn holding(found: &[Found], here: usize) -> Option<&Found> {
    found.iter().find(|(_, words)| words.contains(&here))
}

fn slot(command: &CommandSpec, words: &[Word], here: usize, found: &[Found]) -> Slot {
    let Some((arg, at)) = holding(found, here) else {
        let is_nothing = arrange::check_word(command, &words[here..], None).is_err();
        return if is_nothing { Slot::Nothing } else { Slot::Free(None) };
    };
    let first = found.iter().find(|(other, _)| other.name == arg.name);
    if first.is_some_and(|(_, first)| first != at) {
        // It stands twice.
        Slot::Nothing
    } else if arrange::option(command, &words[here]).is_some() {
        Slot::Named(arg)
    } else if arg.kind == Kind::Text && here > at.start {
        Slot::Text(arg)
    } else {
        Slot::Free(Some(arg))
    }
}

/// How many of the words name a command. Behind a group, the word that is not begun yet does too.
fn words_of_name(words: &[Word], here: Option<usize>, registry: &Registry) -> usize {
    let count = arrange::words_of_command(words, registry);
    let is_group = || {
        let name = words[..count].iter().map(|word| word.text.to_ascii_lowercase()).collect::<Vec<_>>().join(" ");
        registry.groups().contains(name.trim_start_matches('/'))
    };
    let begins_next = here == Some(count) && words.get(count).is_some_and(|word| word.text.is_empty());
    if begins_next && is_group() { count + 1 } else { count }
}
