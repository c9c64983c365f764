//! Hints for whoever writes about what went wrong: a question, and where there is one another wording, so that the text
//! tells of what tools and surroundings did, and judges nobody. Text in, at most one hint out.
//!
//! The rules are data, in `english` and `korean`. What they rest on: "avoid evaluating what should or should not have
//! been done", ask "what" and "how" instead of "who" and "why" (PagerDuty's and Etsy's guides), no finger pointing, no
//! animated language (Google's SRE workbook, chapter 10). Verbs such as "failed to" are no blame by themselves, since
//! machines fail too: they count behind a person alone.

mod english;
mod korean;
#[cfg(test)]
mod tests;

use regex::Regex;
use std::ops::Range;
use std::sync::LazyLock;

/// A hint for the writer, and for nobody else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hint {
    /// The rule that speaks.
    pub rule: &'static str,
    /// Where the sentence stands that it is about, in bytes of the text.
    pub at: Range<usize>,
    /// What to ask oneself.
    pub asks: &'static str,
    /// Another wording of the sentence, where one can be made of its words.
    pub instead: Option<String>,
}

impl Hint {
    /// The text with the other wording in it.
    pub fn applied(&self, text: &str) -> Option<String> {
        let instead = self.instead.as_ref()?;
        Some(format!("{}{instead}{}", text.get(..self.at.start)?, text.get(self.at.end..)?))
    }
}

/// What a text is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What happened, and what led to it.
    Story,
    /// Where we got lucky: what could have happened belongs there.
    Luck,
    /// What is to be done.
    Actions,
}

/// A rule. In its patterns, `{person}` stands for somebody who does something; it is a hit only where no other word does
/// it (see [`Language::acts`]). Quotations and code are not looked at.
struct Rule {
    /// What the config calls it; the same in every language.
    name: &'static str,
    /// What it looks for in a sentence.
    finds: &'static str,
    /// What makes a sentence harmless all the same; nothing where it is empty.
    unless: &'static str,
    /// Where it looks.
    looks: Looks,
    asks: &'static str,
    /// Patterns and what to put in their place, the first that is found.
    instead: &'static [(&'static str, &'static str)],
}

/// In which parts of a document a rule looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looks {
    Everywhere,
    /// Where it is not about luck.
    ButLuck,
    AtActions,
}

/// A language's rules, the graver ones first, and what it needs to tell who does something.
struct Language {
    rules: &'static [Rule],
    /// Those who can do something, as a regular expression; `{own}` stands for those of the config.
    people: &'static str,
    /// What `{person}` stands for, with `{people}` in it.
    person: &'static str,
    /// Whether the person of a match does what is said, and nothing else: given the sentence, the place of the person in it
    /// and the end of the match.
    acts: fn(&str, Range<usize>, usize) -> bool,
}

/// What a team adds in its config.
#[derive(Debug, Default)]
pub struct Lists {
    /// Who else counts as a person: `the vendor`.
    pub people: Vec<String>,
    /// Further words that judge.
    pub words: Vec<String>,
    /// Rules that are not wanted.
    pub off: Vec<String>,
    /// The names of people, which stand for no role in a document.
    pub names: Vec<String>,
}

/// The rules of every language. Their patterns take a dozen megabytes, and are made ready when the first text is looked at.
pub struct Hints(LazyLock<Vec<Ready>, Box<dyn FnOnce() -> Vec<Ready> + Send>>);

/// A rule with its patterns.
struct Ready {
    name: &'static str,
    finds: Regex,
    unless: Option<Regex>,
    looks: Looks,
    asks: &'static str,
    instead: Vec<(Regex, &'static str)>,
    acts: fn(&str, Range<usize>, usize) -> bool,
}

/// The rule about people's names, which is made of the config.
pub const NAME: &str = "name";
/// The rule that a team's own words join.
const JUDGEMENT: &str = "judgement";

/// The names of all rules, as the config may say them.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = LANGUAGES.iter().flat_map(|language| language.rules).map(|rule| rule.name).collect();
    names.push(NAME);
    names.sort_unstable();
    names.dedup();
    names
}

const LANGUAGES: [&Language; 2] = [&english::LANGUAGE, &korean::LANGUAGE];

/// The most of a text that is looked at, in bytes: more than a section may hold.
const LONGEST: usize = 16 * 1024;

impl Hints {
    /// The rules, with a team's own words.
    pub fn new(lists: Lists) -> Hints {
        // A pattern that can not be read is a mistake of ours, since a team's words are taken as they are; the tests find it.
        Hints(LazyLock::new(Box::new(move || Hints::ready(&lists).unwrap_or_default())))
    }

    fn ready(lists: &Lists) -> Result<Vec<Ready>, regex::Error> {
        let mut ready = Vec::new();
        let most = LANGUAGES.iter().map(|language| language.rules.len()).max().unwrap_or_default();
        // The graver rules of every language come first.
        for place in 0..most {
            for language in LANGUAGES {
                if let Some(rule) = language.rules.get(place) {
                    ready.push(language.ready(rule, lists)?);
                }
            }
        }
        if !lists.words.is_empty() {
            let words = format!("(?i){}", either(&lists.words));
            ready.push(plain(JUDGEMENT, &words, english::JUDGES)?);
        }
        let people = match lists.names.is_empty() {
            true => r"@[A-Za-z][\w.-]+".to_owned(),
            false => format!(r"@[A-Za-z][\w.-]+|(?i:{})", either(&lists.names)),
        };
        let found = format!("(?P<who>{people})");
        let mut name = plain(NAME, &found, "Who reads this in a year: does the name help them, or the role?")?;
        name.instead.push((Regex::new(&people)?, "the engineer"));
        name.acts = is_somebody;
        ready.push(name);
        ready.retain(|rule| !lists.off.iter().any(|off| off == rule.name));
        Ok(ready)
    }

    /// The gravest thing in `text` that is worth a question.
    pub fn first(&self, text: &str, part: Part) -> Option<Hint> {
        let masked = masked(&text[..text.floor_char_boundary(LONGEST)]);
        self.gravest(text, &masked, &sentences(&masked), part)
    }

    /// Every sentence of `text`, with the gravest thing in it that is worth a question.
    pub fn each(&self, text: &str, part: Part) -> Vec<(Range<usize>, Option<Hint>)> {
        let masked = masked(&text[..text.floor_char_boundary(LONGEST)]);
        let hint = |at: Range<usize>| (at.clone(), self.gravest(text, &masked, &[at], part));
        sentences(&masked).into_iter().map(hint).collect()
    }

    fn gravest(&self, text: &str, masked: &str, sentences: &[Range<usize>], part: Part) -> Option<Hint> {
        self.0.iter().filter(|rule| rule.looks_at(part)).find_map(|rule| {
            let at = sentences.iter().find(|at| rule.hits(&masked[(*at).clone()]))?.clone();
            let instead = rule.reword(&text[at.clone()]);
            Some(Hint { rule: rule.name, at, asks: rule.asks, instead })
        })
    }
}

impl Language {
    fn ready(&self, rule: &'static Rule, lists: &Lists) -> Result<Ready, regex::Error> {
        let own: Vec<_> = lists.people.iter().chain(&lists.names).map(|name| regex::escape(name)).collect();
        let own: String = own.iter().map(|name| format!("|{name}")).collect();
        let people = self.people.replace("{own}", &own);
        let person = self.person.replace("{people}", &people);
        let regex = |pattern: &str| {
            Regex::new(&format!("(?i){}", pattern.replace("{person}", &person).replace("{people}", &people)))
        };
        let instead = rule.instead.iter().map(|(pattern, instead)| Ok((regex(pattern)?, *instead)));
        Ok(Ready {
            name: rule.name,
            finds: regex(rule.finds)?,
            unless: (!rule.unless.is_empty()).then(|| regex(rule.unless)).transpose()?,
            looks: rule.looks,
            asks: rule.asks,
            instead: instead.collect::<Result<_, regex::Error>>()?,
            acts: self.acts,
        })
    }
}

impl Ready {
    fn looks_at(&self, part: Part) -> bool {
        match self.looks {
            Looks::Everywhere => true,
            Looks::ButLuck => part != Part::Luck,
            Looks::AtActions => part == Part::Actions,
        }
    }

    fn hits(&self, sentence: &str) -> bool {
        let does = |found: regex::Captures<'_>| {
            let end = found.get(0).map_or(0, |all| all.end());
            found.name("who").is_none_or(|who| (self.acts)(sentence, who.range(), end))
        };
        self.unless.as_ref().is_none_or(|unless| !unless.is_match(sentence))
            && self.finds.captures_iter(sentence).any(does)
    }

    /// The sentence in other words, beginning with a capital as sentences do.
    fn reword(&self, sentence: &str) -> Option<String> {
        let (pattern, instead) = self.instead.iter().find(|(pattern, _)| pattern.is_match(sentence))?;
        let reworded = pattern.replace(sentence, *instead);
        let reworded = reworded.trim_start().replace("  ", " ");
        let began = sentence.chars().next().is_some_and(char::is_uppercase);
        Some(if began { commands::text::capital(&reworded) } else { reworded }).filter(|it| it != sentence)
    }
}

/// A rule without a language.
fn plain(name: &'static str, finds: &str, asks: &'static str) -> Result<Ready, regex::Error> {
    Ok(Ready {
        name,
        finds: Regex::new(finds)?,
        unless: None,
        looks: Looks::Everywhere,
        asks,
        instead: Vec::new(),
        acts: |_, _, _| true,
    })
}

/// What begins with an `@` in the code of Java, Kotlin and others, and is said without quotes all the same.
const ANNOTATIONS: [&str; 14] = [
    "Async",
    "Autowired",
    "Bean",
    "Cacheable",
    "Component",
    "Entity",
    "GeneratedValue",
    "Lock",
    "Modifying",
    "Override",
    "Query",
    "Retryable",
    "Scheduled",
    "Transactional",
];

/// Whether it is somebody's name: neither part of an address, nor a package of a registry, nor code, nor linked to by whoever
/// owes them something.
fn is_somebody(sentence: &str, who: Range<usize>, _end: usize) -> bool {
    let (before, after) = (&sentence[..who.start], &sentence[who.end..]);
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let is_part = word.contains("://") || before.ends_with(|before: char| before.is_ascii_alphanumeric());
    let is_linked = before.ends_with('[') && after.contains("](");
    let Some(called) = sentence[who.clone()].strip_prefix('@') else { return true };
    let is_code = before.ends_with('@') || after.starts_with('(') || ANNOTATIONS.contains(&called);
    !is_part && !is_linked && !is_code && !after.starts_with('/')
}

/// Any of these, as whole words: what follows a name in Korean is no letter of it.
fn either(words: &[String]) -> String {
    let words: Vec<_> = words.iter().map(|word| regex::escape(word)).collect();
    let bound = |word: &String| if word.is_ascii() { format!(r"(?-u:\b){word}(?-u:\b)") } else { word.clone() };
    words.iter().map(bound).collect::<Vec<_>>().join("|")
}

/// The text with all that is quoted or code made unreadable, every byte staying where it is.
fn masked(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        // A line of a quotation, as Markdown has it.
        if line.trim_start().starts_with('>') {
            masked.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { '_' }));
            continue;
        }
        let mut closes = None;
        for (at, letter) in line.char_indices() {
            let opens = match letter {
                '"' | '`' => Some(letter),
                '“' => Some('”'),
                _ => None,
            };
            let inside = closes.is_some() || opens.is_some_and(|close| line[at + letter.len_utf8()..].contains(close));
            match inside {
                true => masked.extend(std::iter::repeat_n('_', letter.len_utf8())),
                false => masked.push(letter),
            }
            closes = match closes {
                Some(close) if close == letter => None,
                Some(close) => Some(close),
                None => opens.filter(|_| inside),
            };
        }
    }
    masked
}

/// Where the sentences of a text are, without what stands before a list's items.
fn sentences(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut begin = 0;
    let mut letters = text.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        let next = letters.peek().map(|(_, next)| *next);
        let ends = letter == '\n' || matches!(letter, '.' | '!' | '?') && next.is_none_or(char::is_whitespace);
        if ends || next.is_none() {
            let end = at + letter.len_utf8();
            let sentence = text[begin..end].trim_end();
            let bare = sentence.trim_start_matches(|c: char| c.is_whitespace() || "-*•|#".contains(c));
            if !bare.is_empty() {
                found.push(begin + sentence.len() - bare.len()..begin + sentence.len());
            }
            begin = end;
        }
    }
    found
}
