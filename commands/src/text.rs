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
    cut(&harmless(text).replace('`', "'"), PLAIN)
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
fn without_sequences(text: &str) -> Cow<'_, str> {
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
mod tests {
    use super::*;

    /// Hostile or merely unusual text that no function may stumble over.
    fn texts() -> Vec<String> {
        let mut texts: Vec<String> = [
            "",
            " ",
            "`",
            "``",
            "`` ` ``",
            "a",
            "hello",
            "안녕하세요",
            "e\u{301}te\u{301}",
            "👨‍👩‍👧‍👦 family",
            "🏳️‍🌈",
            "1️⃣",
            "مرحبا",
            "\u{202E}evil",
            "\u{FEFF}",
            "a\nb\r\nc\td",
            "\x1b[31mred\x1b[0m",
            "\x1b]0;title\x07x",
            "\0\x01\x02",
            "\u{301}",
            "\u{200D}\u{200D}",
            "\u{FFFD}\u{202E}\u{FFFD}",
            "🏴\u{E0067}\u{E007F}",
        ]
        .map(str::to_owned)
        .into();
        texts
            .extend(["a", "`", "한", "\t", "👍🏽", "\u{202E}", "a\u{301}", "\r", "\x1b["].map(|unit| unit.repeat(1_000)));
        texts.push(format!("a{}", "\u{301}".repeat(10_000)));
        texts
    }

    #[test]
    fn a_line_to_say_is_shown_whole_and_can_not_break_out() {
        let line = format!("deploy rollback service:hello env:production to:{}", "1".repeat(40));
        assert_eq!(to_say(&line), format!("`/{line}`"));
        assert_eq!(to_say("/help `x`"), "`/help 'x'`");
        assert!(to_say(&"x".repeat(10_000)).chars().count() <= LINE + 2);
    }

    #[test]
    fn code_can_not_be_left() {
        let cases = [
            ("hello", "`hello`"),
            ("a`b` c", "`a'b' c`"),
            ("", "` `"),
            ("a\nb\tc", "`a b c`"),
            ("\u{202E}gpj.exe\u{202C}", "`\u{FFFD}gpj.exe\u{FFFD}`"),
            ("pay\u{200B}\u{200B}\u{2060}load", "`pay\u{FFFD}load`"),
            ("\x1b[31mred", "`\u{FFFD}[31mred`"),
            ("👩‍🚀 한국어 é", "`👩‍🚀 한국어 é`"),
        ];
        for (text, shown) in cases {
            assert_eq!(code(text), shown, "{text:?}");
        }
        assert_eq!(code(&"x".repeat(61)), format!("`{}…`", "x".repeat(59)));
        assert_eq!(code(&"한".repeat(31)), format!("`{}…`", "한".repeat(29)));
        for text in texts() {
            let shown = code(&text);
            let inner = shown.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap();
            assert!(!inner.is_empty() && !inner.contains('`') && inner.width() <= 60, "{shown:?}");
            assert!(odd_character(inner).is_none(), "{shown:?}");
        }
    }

    #[test]
    fn plain_text_stays_on_its_line() {
        assert_eq!(plain("no `code`,\n  here"), "no 'code',   here");
        assert_eq!(plain(&"x".repeat(501)), format!("{}…", "x".repeat(499)));
        assert_eq!(plain(&format!("a{}b", "\u{301}".repeat(1_000))), format!("a{}b", "\u{301}".repeat(CLUSTER - 1)));
        for text in texts() {
            let shown = plain(&text);
            assert!(!shown.contains('`') && shown.width() <= 500 && odd_character(&shown).is_none(), "{shown:?}");
        }
    }

    #[test]
    fn output_is_shown_as_a_terminal_would() {
        let cases = [
            ("plain text", "plain text"),
            ("  indented  \r\n", "  indented"),
            ("a\tb\t\tc", "a       b               c"),
            ("한국\tb\tsixteen.", "한국    b       sixteen."),
            ("12345678\tb", "12345678        b"),
            ("\x1b[1;31merror\x1b[0m: \x1b[38;2;1;2;3mno\x1b[K", "error: no"),
            ("\u{9B}31mred", "red"),
            ("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\ there", "link there"),
            ("\x1b]0;title\x07shell\x1b(B\x1b7", "shell"),
            ("\x1b]0;a title without an end", "0;a title without an end"),
            ("\x1b[31", "31"),
            ("10%\r 20%\r100%\r\n", "100%"),
            ("a\x08b\0\u{202E}c\u{200B}", "a\u{FFFD}b\u{FFFD}c\u{FFFD}"),
            ("`code` stays", "`code` stays"),
            ("\r\n", ""),
            ("\t \t", ""),
        ];
        for (text, shown) in cases {
            assert_eq!(line(text), shown, "{text:?}");
        }
        assert_eq!(line(&"x".repeat(201)), format!("{}…", "x".repeat(199)));
        for text in texts() {
            let shown = line(&text);
            assert!(shown.width() <= 200 && odd_character(&shown).is_none(), "{shown:?}");
        }
    }

    #[test]
    fn text_is_cut_between_characters() {
        let cases = [
            ("hello", 5, "hello"),
            ("hello", 4, "hel…"),
            ("hello", 1, "…"),
            ("", 1, ""),
            ("two words", 5, "two…"),
            ("한국어", 6, "한국어"),
            ("한국어", 5, "한국…"),
            ("한국어", 4, "한…"),
            ("e\u{301}te\u{301}!", 3, "e\u{301}t…"),
            ("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 4, "👨‍👩‍👧‍👦👨‍👩‍👧‍👦"),
            ("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 3, "👨‍👩‍👧‍👦…"),
            ("a\u{200B}\u{200B}\u{200B}", 3, "a\u{200B}…"),
        ];
        for (text, columns, shown) in cases {
            assert_eq!(cut(text, columns), shown, "{text} in {columns}");
        }
        for text in texts() {
            for columns in 1..70 {
                let shown = cut(&text, columns);
                assert!(shown == text || (shown.ends_with('…') && shown.width() <= columns), "{shown:?} in {columns}");
                assert!(text.starts_with(shown.trim_end_matches('…')), "{shown:?}");
            }
        }
    }

    #[test]
    fn odd_characters_are_named() {
        let cases = [
            ("a\u{202E}b", 1, "a right-to-left override (U+202E)"),
            ("한국\u{200B}", 2, "a zero-width space (U+200B)"),
            ("\0", 0, "a null character (U+0000)"),
            ("a\tb", 1, "a tab (U+0009)"),
            ("a\nb", 1, "a line break (U+000A)"),
            ("a\rb", 1, "a carriage return (U+000D)"),
            ("\x1b[0m", 0, "an escape character (U+001B)"),
            ("\x7f", 0, "a control character (U+007F)"),
            ("\u{80}", 0, "a control character (U+0080)"),
            ("in\u{AD}visible", 2, "a soft hyphen (U+00AD)"),
            ("a\u{200F}", 1, "a direction mark (U+200F)"),
            ("a\u{2028}", 1, "a line separator (U+2028)"),
            ("\u{2029}", 0, "a paragraph separator (U+2029)"),
            ("\u{202A}", 0, "a left-to-right embedding (U+202A)"),
            ("\u{202B}", 0, "a right-to-left embedding (U+202B)"),
            ("\u{202D}", 0, "a left-to-right override (U+202D)"),
            ("a\u{2066}b\u{2069}", 1, "a left-to-right isolate (U+2066)"),
            ("\u{2067}", 0, "a right-to-left isolate (U+2067)"),
            ("\u{2068}", 0, "a first strong isolate (U+2068)"),
            ("\u{2069}", 0, "a pop directional isolate (U+2069)"),
            ("a\u{34F}", 1, "a combining grapheme joiner (U+034F)"),
            ("\u{FFFA}", 0, "an annotation mark (U+FFFA)"),
            ("\u{1D173}", 0, "an invisible character (U+1D173)"),
            ("\u{E0FFF}", 0, "an invisible character (U+E0FFF)"),
            ("\u{FEFF}a", 0, "a zero-width no-break space (U+FEFF)"),
            ("a\u{3164}", 1, "a Hangul filler (U+3164)"),
            ("hi\u{E0061}", 2, "a tag character (U+E0061)"),
            ("a\u{2062}b", 1, "an invisible character (U+2062)"),
            ("pro\u{200D}d", 3, "a zero-width joiner (U+200D)"),
            ("pro\u{200C}d", 3, "a zero-width non-joiner (U+200C)"),
            ("\u{200D}👩", 0, "a zero-width joiner (U+200D)"),
            ("👩\u{200D}\u{200D}🚀", 1, "a zero-width joiner (U+200D)"),
            ("👩\u{200D}a", 1, "a zero-width joiner (U+200D)"),
            ("a\u{FE0F}", 1, "a variation selector (U+FE0F)"),
            ("❤\u{FE0F}\u{FE0F}", 2, "a variation selector (U+FE0F)"),
            ("❤\u{E0100}", 1, "a variation selector (U+E0100)"),
        ];
        for (text, place, name) in cases {
            assert_eq!(odd_character(text), Some((place, name.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn every_script_can_be_written() {
        let texts = [
            "",
            "Größe, naïve, Łódź, “quoted” – 1½ €",
            "한국어 메시지와 옛한글 ᄒᆞᆫ",
            "日本語、葛\u{E0100}城市",
            "مرحبا بالعالم",
            "می\u{200C}خواهم",
            "ශ්\u{200D}රී ලංකා",
            "हिन्दी, தமிழ், മലയാളം",
            "עברית",
            "ᠮᠣᠩᠭᠣᠯ\u{180B}",
            "👩‍🚀 👨🏻‍❤️‍💋‍👨🏻 🏳️‍🌈 🇰🇷 1️⃣ ❤️ ☎︎ 🤷🏽‍♀️",
            "∑ ≠ → █ ▒ ✔ \u{A0}",
        ];
        for text in texts {
            assert_eq!(odd_character(text), None, "{text}");
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn nouns_are_counted() {
        let cases = [
            (0, "entry", "0 entries"),
            (1, "entry", "1 entry"),
            (3, "entry", "3 entries"),
            (2, "day", "2 days"),
            (2, "key", "2 keys"),
            (2, "branch", "2 branches"),
            (2, "process", "2 processes"),
            (2, "switch", "2 switches"),
            (2, "fix", "2 fixes"),
            (2, "change", "2 changes"),
            (1, "process", "1 process"),
        ];
        for (n, noun, said) in cases {
            assert_eq!(plural(n, noun), said);
        }
    }

    #[test]
    fn spans_are_told_in_their_largest_unit() {
        const MINUTE: i64 = 60;
        const DAY: i64 = 24 * 60 * MINUTE;
        let cases = [
            (0, "just now"),
            (59, "just now"),
            (-59, "just now"),
            (MINUTE, "1 minute ago"),
            (3 * MINUTE + 59, "3 minutes ago"),
            (60 * MINUTE - 1, "59 minutes ago"),
            (60 * MINUTE, "1 hour ago"),
            (DAY - 1, "23 hours ago"),
            (DAY, "1 day ago"),
            (2 * DAY, "2 days ago"),
            (59 * DAY, "59 days ago"),
            (60 * DAY, "2 months ago"),
            (729 * DAY, "24 months ago"),
            (730 * DAY, "2 years ago"),
            (-3 * MINUTE, "in 3 minutes"),
            (-2 * DAY, "in 2 days"),
        ];
        let to = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
        for (seconds, said) in cases {
            assert_eq!(ago(to - chrono::TimeDelta::seconds(seconds), to), said, "{seconds} s");
        }
        assert!(ago(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC).ends_with("years ago"));
    }

    #[test]
    fn lists_end_with_or() {
        assert_eq!(list::<&str>(&[]), "");
        assert_eq!(list(&["a"]), "`a`");
        assert_eq!(list(&["a", "b"]), "`a` or `b`");
        assert_eq!(list(&["a".to_owned(), "b".to_owned(), "c`".to_owned()]), "`a`, `b` or `c'`");
        let many: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
        assert!(list(&many).ends_with("`24`, `25` or 15 more"), "{}", list(&many));
        assert!(list(&many[..25]).ends_with("`24` or `25`"));
    }
}
