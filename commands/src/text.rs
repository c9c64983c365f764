//! People's text made safe to show and cut to fit, and the small words that sentences are built of.

use chrono::{DateTime, Utc};
use regex::Regex;
use std::borrow::Cow;
use std::sync::LazyLock;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The most columns that [`code`] shows: a name, a value, a piece of a line.
const CODE: usize = 60;
/// The most columns that [`plain`] shows: a reason, an error's chain of causes.
const PLAIN: usize = 500;
/// The most columns that [`line()`] and [`to_say`] show.
const LINE: usize = 200;
/// The most items that [`list`] names.
const LISTED: usize = 25;
/// The most code points that are shown of one character as people see it. A kiss between two people with skin tones has
/// ten; a letter under a hundred accents would cover the lines above it.
const CLUSTER: usize = 12;
/// What stands where something hostile stood.
const REPLACED: char = '\u{FFFD}';

/// What parts the lines of a text where all of it stands on one.
const NEW_LINE: char = '⏎';

/// How wide a tab is, in a text that people write.
const TAB: &str = "    ";

/// What comes along when something is pasted, cannot be seen, and changes nothing when it is left out: spaces and joiners
/// without a width, marks of a direction, and what isolates a name from the direction around it.
const UNSEEN: [char; 11] = [
    '\u{ad}', '\u{61c}', '\u{200b}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{2066}', '\u{2067}', '\u{2068}',
    '\u{2069}', '\u{feff}',
];

/// A text of several lines as one, from which [`lines_of`] makes the same text again: an argument of a command is one line.
/// A tab is four spaces; what is pasted along and cannot be seen is left out.
pub fn as_line(text: &str) -> String {
    let seen = text.trim().replace(UNSEEN, "").replace('\t', TAB);
    seen.lines().map(str::trim_end).collect::<Vec<_>>().join(&NEW_LINE.to_string())
}

/// The lines of a text that stands on one.
pub fn lines_of(line: &str) -> String {
    line.split(NEW_LINE).map(str::trim_end).collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// `text` as inline code that it can not break out of, at most 60 columns wide.
pub fn code(text: &str) -> String {
    code_within(text, CODE)
}

/// A line that somebody is to say, as [`code`]: at most 200 columns wide, since what is cut can not be said.
pub fn to_say(line: &str) -> String {
    code_within(&format!("/{}", line.trim_start_matches('/')), LINE)
}

fn code_within(text: &str, columns: usize) -> String {
    let inner = cut(&harmless(text).replace('`', "'"), columns);
    // Two backticks in a row would open code instead of being an empty one.
    if inner.is_empty() { "` `".to_owned() } else { format!("`{inner}`") }
}

/// `text` as a part of a sentence: on one line, without backticks, at most 500 columns wide.
pub fn plain(text: &str) -> String {
    cut(&plain_whole(text), PLAIN)
}

/// The same, however long it is: to be told from what [`plain`] shows of it.
pub fn plain_whole(text: &str) -> String {
    harmless(text).replace('`', "'")
}

/// People's words, however long, for preformatted display: in lines of at most so many columns, broken between words where
/// that is possible.
pub fn wrapped(text: &str, columns: usize) -> String {
    let mut lines = Vec::new();
    for given in text.lines() {
        let mut line = String::new();
        for word in harmless(given).split_inclusive(' ') {
            if !line.is_empty() && line.width() + word.trim_end().width() > columns {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
            }
            for cluster in word.graphemes(true) {
                if line.width() + cluster.trim_end().width() > columns {
                    lines.push(std::mem::take(&mut line));
                }
                line.push_str(cluster);
            }
        }
        lines.push(line.trim_end().to_owned());
    }
    lines.join("\n")
}

/// A line of a program's output for preformatted display, at most 200 columns wide: without colours, with the tabs as a
/// terminal shows them, and of a line that was written over again and again (a progress bar) the last state.
pub fn line(text: &str) -> String {
    let shown = without_sequences(text);
    let last = shown.trim_end().rsplit('\r').next().unwrap_or_default();
    let mut line = String::new();
    for part in last.split('\t') {
        let part = harmless(part);
        line.push_str(&part);
        line.extend(std::iter::repeat_n(' ', 8 - part.width() % 8));
    }
    cut(line.trim_end(), LINE)
}

/// `text`, or as much of it as fits into so many columns with a `…` at its end. It is cut between characters as people
/// see them; one of Chinese, Japanese or Korean takes two columns.
pub fn cut(text: &str, columns: usize) -> String {
    let (mut used, mut kept) = (0, 0);
    for cluster in text.graphemes(true) {
        // What can not be seen takes room too, or there would be no end of it.
        used += cluster.width().max(1);
        if used > columns {
            return format!("{}…", text[..kept].trim_end());
        }
        if used < columns {
            kept += cluster.len();
        }
    }
    text.to_owned()
}

/// The first character that can deceive a reader, if there is one: its place in characters, counted from 0, and its name
/// with its code point, such as "a right-to-left override (U+202E)". These are control characters, line breaks, changes
/// of the writing direction and characters that can not be seen. A joiner or a variation selector where a script or an
/// emoji needs it is none.
pub fn odd_character(text: &str) -> Option<(usize, String)> {
    neighbours(text).enumerate().find_map(|(place, (before, letter, after))| {
        let name = odd(before, letter, after)?;
        Some((place, format!("{name} (U+{:04X})", u32::from(letter))))
    })
}

/// A number of things: "1 entry", "3 entries".
pub fn plural(n: usize, noun: &str) -> String {
    if n == 1 {
        return format!("1 {noun}");
    }
    match noun.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{n} {stem}ies"),
        _ if ["s", "x", "z", "ch", "sh"].iter().any(|end| noun.ends_with(end)) => format!("{n} {noun}es"),
        _ => format!("{n} {noun}s"),
    }
}

/// The text with its first letter as a capital.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().into_iter().flat_map(char::to_uppercase).chain(letters).collect()
}

/// How long before `to` the moment `from` was: "just now", "3 minutes ago", "2 days ago"; "in 3 minutes" when it is
/// still to come. Months have 30 days here, years 365.
pub fn ago(from: DateTime<Utc>, to: DateTime<Utc>) -> String {
    let seconds = (to - from).num_seconds();
    let minutes = seconds.unsigned_abs() / 60;
    let (hours, days) = (minutes / 60, minutes / (60 * 24));
    let (n, noun) = match () {
        () if minutes == 0 => return "just now".to_owned(),
        () if hours == 0 => (minutes, "minute"),
        () if days == 0 => (hours, "hour"),
        () if days < 60 => (days, "day"),
        () if days < 2 * 365 => (days / 30, "month"),
        () => (days / 365, "year"),
    };
    let span = plural(usize::try_from(n).unwrap_or(usize::MAX), noun);
    if seconds < 0 { format!("in {span}") } else { format!("{span} ago") }
}

/// The items as code, to choose from: "`a`, `b` or `c`". After 25 of them it says how many more there are.
pub fn list<S: AsRef<str>>(items: &[S]) -> String {
    let mut shown: Vec<String> = items.iter().take(LISTED).map(|item| code(item.as_ref())).collect();
    if items.len() > LISTED {
        shown.push(format!("{} more", items.len() - LISTED));
    }
    match shown.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} or {last}", others.join(", ")),
    }
}

/// `text` with whatever could deceive a reader replaced: a line break or a tab by a space, a run of anything else by
/// one replacement character.
fn harmless(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for (before, letter, after) in neighbours(text) {
        match odd(before, letter, after) {
            None => safe.push(letter),
            Some(_) if letter.is_whitespace() => safe.push(' '),
            Some(_) if safe.ends_with(REPLACED) => {}
            Some(_) => safe.push(REPLACED),
        }
    }
    safe.graphemes(true).flat_map(|cluster| cluster.chars().take(CLUSTER)).collect()
}

/// `text` without the sequences by which a program colours its output, moves the cursor, names the window or links.
pub fn without_sequences(text: &str) -> Cow<'_, str> {
    static SEQUENCE: LazyLock<Result<Regex, regex::Error>> = LazyLock::new(|| {
        Regex::new(
            r"(?x)
            (?: \x1B\[ | \x{9B} ) [0-?]* [\ -/]* [@-~]                          # ECMA-48 5.4: a control sequence
            | (?: \x1B[\]PX^_] | [\x{9D}\x{90}\x{98}\x{9E}\x{9F}] )
              [^\x07\x1B\x{9C}]* (?: \x07 | \x1B\\ | \x{9C} )                   # 5.6: a control string and its end
            | \x1B [\ -/]* [0-~]                                                # ECMA-35 13.2: an escape sequence
            ",
        )
    });
    match &*SEQUENCE {
        Ok(sequence) => sequence.replace_all(text, ""),
        Err(_) => Cow::Borrowed(text),
    }
}

/// The characters of `text`, each with the ones before and after it.
fn neighbours(text: &str) -> impl Iterator<Item = (Option<char>, char, Option<char>)> {
    let before = std::iter::once(None).chain(text.chars().map(Some));
    let after = text.chars().skip(1).map(Some).chain([None]);
    before.zip(text.chars()).zip(after).map(|((before, letter), after)| (before, letter, after))
}

/// What `letter` is called if it can deceive a reader in this place: control characters, changes of direction and
/// whatever Unicode calls `Default_Ignorable_Code_Point` or an annotation mark.
fn odd(before: Option<char>, letter: char, after: Option<char>) -> Option<&'static str> {
    if letter.is_ascii_graphic() || letter == ' ' || is_in_place(before, letter, after) {
        return None;
    }
    Some(match letter {
        '\0' => "a null character",
        '\t' => "a tab",
        '\n' | '\u{85}' => "a line break",
        '\r' => "a carriage return",
        '\u{1B}' => "an escape character",
        letter if letter.is_control() => "a control character",
        '\u{AD}' => "a soft hyphen",
        '\u{34F}' => "a combining grapheme joiner",
        '\u{61C}' | '\u{200E}' | '\u{200F}' => "a direction mark",
        '\u{115F}' | '\u{1160}' | '\u{3164}' | '\u{FFA0}' => "a Hangul filler",
        '\u{180B}'..='\u{180D}' | '\u{180F}' | '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' => {
            "a variation selector"
        }
        '\u{200B}' => "a zero-width space",
        '\u{200C}' => "a zero-width non-joiner",
        '\u{200D}' => "a zero-width joiner",
        '\u{2028}' => "a line separator",
        '\u{2029}' => "a paragraph separator",
        '\u{202A}' => "a left-to-right embedding",
        '\u{202B}' => "a right-to-left embedding",
        '\u{202C}' => "a pop directional formatting",
        '\u{202D}' => "a left-to-right override",
        '\u{202E}' => "a right-to-left override",
        '\u{2060}' => "a word joiner",
        '\u{2066}' => "a left-to-right isolate",
        '\u{2067}' => "a right-to-left isolate",
        '\u{2068}' => "a first strong isolate",
        '\u{2069}' => "a pop directional isolate",
        '\u{FEFF}' => "a zero-width no-break space",
        '\u{FFF9}'..='\u{FFFB}' => "an annotation mark",
        '\u{E0000}'..='\u{E007F}' => "a tag character",
        '\u{17B4}' | '\u{17B5}' | '\u{180E}' | '\u{2061}'..='\u{206F}' | '\u{FFF0}'..='\u{FFF8}' => {
            "an invisible character"
        }
        '\u{1BCA0}'..='\u{1BCA3}' | '\u{1D173}'..='\u{1D17A}' | '\u{E0080}'..='\u{E0FFF}' => "an invisible character",
        _ => return None,
    })
}

/// Whether an invisible character stands where writing needs it: a joiner inside an emoji or after a letter of a script
/// that joins (Persian words need the non-joiner, Sinhala the joiner), one variation selector after an emoji, a digit
/// of a keycap, or a Han or Mongolian letter.
fn is_in_place(before: Option<char>, letter: char, after: Option<char>) -> bool {
    let Some(before) = before else { return false };
    match letter {
        '\u{200D}' if after.is_some_and(is_pictograph) => is_pictograph(before) || before == '\u{FE0F}',
        '\u{200C}' | '\u{200D}' => {
            matches!(before, '\u{620}'..='\u{DFF}' | '\u{1000}'..='\u{109F}' | '\u{1780}'..='\u{18AA}')
        }
        '\u{FE0E}' | '\u{FE0F}' => is_pictograph(before) || after == Some('\u{20E3}'),
        '\u{180B}'..='\u{180D}' | '\u{180F}' => matches!(before, '\u{1820}'..='\u{18AA}'),
        '\u{E0100}'..='\u{E01EF}' => {
            matches!(before, '\u{3400}'..='\u{9FFF}' | '\u{F900}'..='\u{FAFF}' | '\u{20000}'..='\u{3FFFF}')
        }
        _ => false,
    }
}

/// Whether a character is or may be drawn as an emoji: the blocks that hold them.
fn is_pictograph(letter: char) -> bool {
    matches!(letter, '©' | '®' | '‼' | '⁉' | '™' | 'ℹ' | '〰' | '〽' | '㊗' | '㊙')
        || matches!(letter, '\u{2190}'..='\u{2BFF}' | '\u{1F000}'..='\u{1FAFF}')
}

#[cfg(test)]
mod tests;
