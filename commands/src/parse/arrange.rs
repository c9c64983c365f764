//! Gives each word of a line to the argument that it is for: first those with names, then the others in their order.

use super::Mistake;
use crate::line::Word;
use crate::moment;
use crate::registry::Registry;
use crate::spec::{ArgSpec, CommandSpec, Kind};
use crate::text;
use crate::value::{self, PLAIN_LETTERS};
use crate::vocabulary::Vocabulary;
use std::ops::Range;

/// The text of an argument, and where it stands.
pub(crate) struct Given {
    pub arg: &'static ArgSpec,
    pub text: String,
    /// Where its word or words stand, in characters of the line.
    pub at: Range<usize>,
    /// Where the text begins.
    pub text_at: usize,
}

/// The arguments that the words behind a command's name give, in the order of the line.
pub(crate) fn arrange(
    command: &'static CommandSpec,
    line: &[char],
    words: &[Word],
    registry: &Registry,
    vocabulary: &Vocabulary,
) -> Result<Vec<Given>, Mistake> {
    let mut given = named(command, words)?;
    let is_given = |arg: &&ArgSpec| given.iter().any(|given: &Given| given.arg.name == arg.name);
    let mut free: Vec<_> = command.args.iter().filter(|arg| !arg.named && !is_given(arg)).collect();
    let (mut at, mut behind_name) = (0, false);
    while at < words.len() {
        if option(command, &words[at]).is_some() {
            at += 1;
            continue;
        }
        check_word(command, &words[at..], free.first().map(|arg| arg.kind))?;
        if free.is_empty() {
            return Err(too_many(command, words, at));
        }
        if behind_name {
            no_name_in_text(&free, &words[at], vocabulary)?;
        }
        let arg = free.remove(meant_for(&free, &words[at], vocabulary));
        unambiguous(command, arg, &words[at], &given, vocabulary)?;
        let plain = words[at..].iter().take_while(|word| option(command, word).is_none()).count();
        let count = match arg.kind {
            Kind::Text if runs_on(arg, &free) => plain,
            Kind::Command => words_of_command(&words[at..at + plain], registry),
            Kind::Time | Kind::Later => words_of_moment(&words[at..at + plain]),
            _ => 1,
        };
        given.push(together(command, arg, line, &words[at..at + count])?);
        behind_name = !vocabulary.names(arg.kind).is_empty();
        at += count;
    }
    given.sort_by_key(|given| given.at.start);
    Ok(given)
}

/// Which of the arguments that are `free` a nameless word is for: the first, unless that takes a name that the word is not,
/// and another takes the one that it is. So `live hello staging` and `live staging hello` are the same.
pub(crate) fn meant_for(free: &[&ArgSpec], word: &Word, vocabulary: &Vocabulary) -> usize {
    let is_name = |arg: &&ArgSpec| vocabulary.knows(arg.kind, &word.text);
    let takes_names = |arg: &&&ArgSpec| !vocabulary.names(arg.kind).is_empty();
    match free.first().filter(takes_names) {
        Some(first) if !is_name(first) => free.iter().position(is_name).unwrap_or(0),
        _ => 0,
    }
}

/// Refuses a name behind a name, where a text is to follow: whether `lock take staging hello moving` locks `hello` or all of
/// `staging` must not hang on the order of the arguments.
fn no_name_in_text(free: &[&ArgSpec], word: &Word, vocabulary: &Vocabulary) -> Result<(), Mistake> {
    let text = free.first().filter(|arg| arg.kind == Kind::Text && word.is_plain());
    let named = free.iter().find(|arg| vocabulary.knows(arg.kind, &word.text));
    let Some((text, named)) = text.zip(named) else { return Ok(()) };
    let (name, shown) = (named.name, text::code(&word.text));
    let instead = crate::line::quote(&word.text);
    let what = format!(
        "{shown} may be the `{name}`, or begin `{0}`. Write `{name}:{instead}`, or put all of the text in quotes: `{0}:\"…\"`.",
        text.name
    );
    Err(Mistake::new(word.at.clone(), what))
}

/// Refuses a nameless word for an argument that may be left out, when one before that is named only later in the line: the
/// word may well have been meant for that one (`ship hello staging v2 ref:v1`). A name of what the argument takes was not
/// meant for one that takes something else.
fn unambiguous(
    command: &CommandSpec,
    arg: &ArgSpec,
    word: &Word,
    given: &[Given],
    vocabulary: &Vocabulary,
) -> Result<(), Mistake> {
    let is_name = vocabulary.knows(arg.kind, &word.text);
    let before = command.args.iter().take_while(|other| other.name != arg.name);
    let named_later = before
        .filter(|other| !is_name || other.kind == arg.kind)
        .filter_map(|other| given.iter().find(|given| given.arg.name == other.name && given.at.start > word.at.start));
    let Some(later) = named_later.last().filter(|_| !arg.required) else { return Ok(()) };
    let (shown, name) = (text::code(&word.text), later.arg.name);
    let what = format!(
        "{shown} at character {} may be meant as `{name}`, which stands again at character {}. Keep one, or name what it is, as in `{}:{}`.",
        word.at.start + 1,
        later.at.start + 1,
        arg.name,
        crate::line::quote(&text::cut(&word.text, 20))
    );
    Err(Mistake::new(word.at.clone(), what))
}

/// Whether an argument that stands without its name takes all words up to the next option: the last text, unless the
/// command still needs one of those that are `later` free.
pub(crate) fn runs_on(arg: &ArgSpec, later: &[&ArgSpec]) -> bool {
    arg.kind == Kind::Text && !later.iter().any(|arg| arg.required || arg.kind == Kind::Text)
}

/// The argument that a word names.
pub(crate) fn option(command: &CommandSpec, word: &Word) -> Option<&'static ArgSpec> {
    let key = word.key.as_ref()?;
    command.args.iter().find(|arg| arg.name.eq_ignore_ascii_case(key))
}

fn named(command: &CommandSpec, words: &[Word]) -> Result<Vec<Given>, Mistake> {
    let mut named: Vec<Given> = Vec::new();
    for (word, arg) in words.iter().filter_map(|word| Some((word, option(command, word)?))) {
        let name = arg.name;
        if named.iter().any(|given| given.arg.name == name) {
            let what = format!("`{name}` stands twice (characters {}-{}). Keep one.", word.at.start + 1, word.at.end);
            return Err(Mistake::new(word.at.clone(), what));
        }
        closed(word)?;
        if word.text.is_empty() && !word.quoted {
            let what = format!("`{name}:` is empty. Write its value right behind the colon, without a space.");
            return Err(Mistake::new(word.at.clone(), what));
        }
        named.push(Given { arg, text: word.text.clone(), at: word.at.clone(), text_at: word.text_at });
    }
    Ok(named)
}

/// The text of several words as they stand in the line; of one word, what it says.
fn together(command: &CommandSpec, arg: &'static ArgSpec, line: &[char], words: &[Word]) -> Result<Given, Mistake> {
    let [first, rest @ ..] = words else { return Err(Mistake::new(line.len()..line.len(), "A value is missing.")) };
    closed(first)?;
    for (place, word) in rest.iter().enumerate() {
        // In the middle of a text much looks like an option; only what nearly is one of this command is refused.
        if let Some((name, _)) = looks_like_option(word).filter(|(name, _)| option_near(command, name).is_some()) {
            return Err(no_option(command, word, &name, rest.get(place + 1)));
        }
    }
    let at = first.at.start..rest.last().unwrap_or(first).at.end;
    if rest.is_empty() && first.key.is_none() {
        return Ok(Given { arg, text: first.text.clone(), at, text_at: first.text_at });
    }
    Ok(Given { arg, text: line[at.clone()].iter().collect(), text_at: at.start, at })
}

pub(crate) fn words_of_command(words: &[Word], registry: &Registry) -> usize {
    let groups = registry.groups();
    let name = |count: usize| {
        let words = words[..count].iter().map(|word| word.text.trim_start_matches('/').to_ascii_lowercase());
        words.collect::<Vec<_>>().join(" ")
    };
    let most = words.len().min(3);
    if let Some(count) = (1..=most).rev().find(|count| registry.find(&name(*count)).is_some()) {
        return count;
    }
    // Behind a group, another word is a misspelt command; a number is the next argument.
    let group = (1..=most).rev().find(|count| groups.contains(name(*count).as_str()));
    let another = |count: usize| words.get(count).is_some_and(|word| word.text.starts_with(char::is_alphabetic));
    group.map_or(1, |count| if another(count) { count + 1 } else { count })
}

/// A day and a time of the day are one moment: `friday 17:00`.
pub(crate) fn words_of_moment(words: &[Word]) -> usize {
    match words {
        [day, time, ..] if day.is_plain() && moment::is_day(&day.text) && moment::is_clock(&time.text) => 2,
        _ => 1,
    }
}

/// Refuses a word without a known name that looks like an option all the same: a misspelt option must never become the
/// value of another.
pub(crate) fn check_word(command: &CommandSpec, words: &[Word], kind: Option<Kind>) -> Result<(), Mistake> {
    let [word, after @ ..] = words else { return Ok(()) };
    let Some((name, value)) = looks_like_option(word) else { return Ok(()) };
    let is_text = kind == Some(Kind::Text);
    if let Some((place, letter)) = value::foreign_character(&name) {
        if is_text && !name.contains(|c: char| c.is_ascii_alphabetic()) {
            return Ok(());
        }
        let place = word.at.start + place;
        let what = format!("There is {letter} at character {} in an option's name. {PLAIN_LETTERS}", place + 1);
        return Err(Mistake::new(place..place + 1, what));
    }
    let is_prose = is_text && value.is_empty() && word.key.is_some() && option_near(command, &name).is_none();
    if is_prose { Ok(()) } else { Err(no_option(command, word, &name, after.first())) }
}

/// The name and the value of `name:value`, `name=value`, `--name=value` or `--name`.
fn looks_like_option(word: &Word) -> Option<(String, String)> {
    if let Some(key) = &word.key {
        return Some((key.clone(), word.text.clone()));
    }
    if word.quoted || word.open.is_some() {
        return None;
    }
    // Phones make one long dash of two.
    let dashed = ["--", "—", "–"].iter().find_map(|dash| word.text.strip_prefix(dash));
    let bare = dashed.unwrap_or(&word.text);
    let (name, value) = bare.split_once('=').unwrap_or((bare, ""));
    let is_name =
        name.starts_with(char::is_alphabetic) && name.chars().all(|c| c.is_alphanumeric() || "-_".contains(c));
    let is_option = is_name && (dashed.is_some() || bare.contains('='));
    is_option.then(|| (name.to_owned(), value.to_owned()))
}

/// The option that was probably meant by a name: one that is spelt nearly so, or one of the kind that it names.
pub(crate) fn option_near(command: &CommandSpec, name: &str) -> Option<&'static ArgSpec> {
    let near = config::suggest::suggest(name, command.args.iter().map(|arg| arg.name));
    let by_name = near.and_then(|near| command.args.iter().find(|arg| arg.name == near));
    by_name.or_else(|| {
        let kinds = || command.args.iter().map(|arg| value::noun(arg.kind));
        let near = config::suggest::suggest(name, kinds())?;
        command.args.iter().find(|arg| value::noun(arg.kind) == near)
    })
}

fn no_option(command: &CommandSpec, word: &Word, name: &str, after: Option<&Word>) -> Mistake {
    if let Some(arg) = command.args.iter().find(|arg| arg.name.eq_ignore_ascii_case(name)) {
        let value = word.text.split_once('=').map(|(_, value)| value.to_owned());
        let value = value.or_else(|| after.map(|word| word.text.clone())).unwrap_or_else(|| "…".to_owned());
        let instead = text::code(&format!("{}:{}", arg.name, crate::line::quote(&value)));
        return Mistake::new(word.at.clone(), format!("Options are written with a colon. Write {instead}."));
    }
    let mut what = format!("`{}` has no option {}.", command.name, text::code(name));
    if let Some(arg) = option_near(command, name) {
        what += &format!(" Did you mean `{}`?", arg.name);
    }
    what += &format!(" {}", takes(command));
    if word.key.is_some() {
        what += " If it is a text, put it in quotes.";
    }
    Mistake::new(word.at.clone(), what)
}

fn takes(command: &CommandSpec) -> String {
    match command.args {
        [] => "It takes none.".to_owned(),
        args => {
            format!("It takes {}.", args.iter().map(|arg| format!("`{}`", arg.name)).collect::<Vec<_>>().join(", "))
        }
    }
}

fn too_many(command: &CommandSpec, words: &[Word], at: usize) -> Mistake {
    let word = &words[at];
    let shown = text::code(&word.text);
    let place = word.at.start + 1;
    let text_before = at.checked_sub(1).and_then(|before| option(command, &words[before]));
    let instead = match text_before.filter(|arg| arg.kind == Kind::Text) {
        Some(arg) => format!("Put all of `{0}` in quotes: `{0}:\"…\"`.", arg.name),
        None => takes(command),
    };
    Mistake::new(
        word.at.clone(),
        format!("{shown} at character {place} is one too many for `{}`. {instead}", command.name),
    )
}

fn closed(word: &Word) -> Result<(), Mistake> {
    let Some(open) = word.open else { return Ok(()) };
    let what =
        format!("The quote at character {} is not closed. End it with the same, and go on behind a space.", open + 1);
    Err(Mistake::new(word.at.clone(), what))
}

/// The mistake of a required argument that is not given.
pub(super) fn missing(
    command: &CommandSpec,
    arg: &ArgSpec,
    end: usize,
    registry: &Registry,
    vocabulary: &Vocabulary,
) -> Mistake {
    let what = match arg.kind {
        Kind::Person => "who?".to_owned(),
        Kind::Duration => "how long?".to_owned(),
        Kind::Time | Kind::Later => "when?".to_owned(),
        Kind::Text => {
            let about = text::plain(arg.about).to_lowercase();
            // "which train?", and "what it is called."
            let is_question = ["which", "why"].iter().any(|word| about.starts_with(word));
            about + if is_question { "?" } else { "." }
        }
        Kind::Choice(_) => "which?".to_owned(),
        kind => format!("which {}?", value::noun(kind)),
    };
    let fits = value::what_fits(arg.kind, registry, vocabulary);
    let example = command.examples.first().map(|line| format!(" For example: `/{line}`")).unwrap_or_default();
    Mistake::new(end..end, format!("`{}` needs `{}`: {what} {fits}{example}", command.name, arg.name))
}
