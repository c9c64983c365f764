//! Deckhand's text in Discord's markdown: `` `code` `` is code, a whole link is a link, and all else is what it says.

use commands::text;
use unicode_width::UnicodeWidthStr;

/// How long a text is where Discord limits it: in UTF-16 code units. Its API counts code points (discord-api-docs, issue
/// 1315), its apps count code units; no text has fewer of these, so what fits by them fits by both.
pub(super) fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// `text` escaped, or as much of its beginning as fits with a `…` after it; and whether it was cut.
pub(super) fn fit(text: &str, limit: usize) -> (String, bool) {
    fit_as(text, limit, escape)
}

/// The same for a place without markdown, such as the label of a button.
pub(super) fn shorten(text: &str, limit: usize) -> (String, bool) {
    fit_as(text, limit, |text| text.chars().map(seen).collect())
}

fn fit_as(text: &str, limit: usize, written: impl Fn(&str) -> String) -> (String, bool) {
    let mut columns = text.width().max(text.chars().count());
    // What fits has at most two columns a unit (Korean); so a long text need not be looked at whole.
    let most = 2 * limit;
    if columns <= most {
        let whole = written(text);
        if units(&whole) <= limit {
            return (whole, false);
        }
    }
    columns = columns.min(most);
    while columns > 0 {
        let shown = written(&cut(text, columns));
        let size = units(&shown);
        if size <= limit {
            return (shown, true);
        }
        // As if its signs were spread evenly, which they nearly are.
        columns = (columns * limit / size).min(columns - 1);
    }
    ("…".chars().take(limit).collect(), true)
}

/// `text` cut to so many columns. Code in which the cut falls is closed.
fn cut(text: &str, columns: usize) -> String {
    let mut shown = text::cut(text, columns);
    if shown == text {
        return shown;
    }
    let kept = shown.len().saturating_sub('…'.len_utf8());
    let on_its_line = shown.rsplit('\n').next().unwrap_or_default();
    let opened = on_its_line.matches('`').count() % 2 == 1;
    let closes = text.get(kept..).is_some_and(|rest| rest.lines().next().is_some_and(|line| line.contains('`')));
    if opened && closes {
        shown.push('`');
    }
    shown
}

/// `text` as markdown that shows just this.
///
/// A backslash takes its meaning from any sign. Those that open a block do so only at the start of a line and before a
/// space, so `#3` and `-1` stay as they are. [`link`] says what becomes of links.
pub(super) fn escape(text: &str) -> String {
    let mut shown = String::with_capacity(text.len() + text.len() / 4);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            shown.push('\n');
        }
        let line = line.strip_suffix('\r').unwrap_or(line);
        let opener = line.trim_start();
        shown.extend(line[..line.len() - opener.len()].chars().map(seen));
        let rest = escape_opener(opener, &mut shown);
        escape_inline(rest, &mut shown);
    }
    shown
}

/// Writes what would open a heading, a quote, a list or small print, and returns the rest of the line.
fn escape_opener<'a>(line: &'a str, shown: &mut String) -> &'a str {
    let digits = line.len() - line.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let (number, sign) = line.split_at(digits);
    let opens = if number.is_empty() { sign.starts_with(['#', '>', '-', '+']) } else { sign.starts_with('.') };
    if !opens || sign[1..].starts_with(char::is_alphanumeric) {
        return line;
    }
    shown.push_str(number);
    shown.push('\\');
    shown.push_str(&sign[..1]);
    &sign[1..]
}

fn escape_inline(line: &str, shown: &mut String) {
    let (mut rest, mut after_code) = (line, false);
    while let Some(letter) = rest.chars().next() {
        if let Some(code) = code(rest) {
            // Two pieces of code side by side would be one piece with backticks in it.
            if after_code {
                shown.push(' ');
            }
            shown.extend(code.chars().map(seen));
            rest = &rest[code.len()..];
            after_code = true;
            continue;
        }
        after_code = false;
        if let Some(link) = link(rest) {
            shown.extend(["<", link, ">"]);
            rest = &rest[link.len()..];
            continue;
        }
        let after = &rest[letter.len_utf8()..];
        let speaks = match letter {
            '\\' | '*' | '_' | '~' | '|' | '`' | '[' | '<' | '@' => true,
            ':' => after.starts_with("//") || is_emoji(after),
            _ => false,
        };
        if speaks {
            shown.push('\\');
        }
        shown.push(seen(letter));
        rest = after;
    }
}

/// The code at the start of `text`, with its backticks.
fn code(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('`')?;
    let end = inner.find(['`', '\n'])?;
    (end > 0 && inner[end..].starts_with('`')).then(|| &text[..end + 2])
}

/// The link at the start of `text`. It stays one, since it says itself where it goes, but in angle brackets, so that Discord
/// shows no preview: that would be the words and pictures of others under Deckhand's name. One with signs that an address
/// has only by mistake or to deceive (`@`, another script) is only text.
fn link(text: &str) -> Option<&str> {
    let after = text.strip_prefix("http")?;
    let address = after.strip_prefix('s').unwrap_or(after).strip_prefix("://")?;
    let scheme = text.len() - address.len();
    let end = text.find(|letter: char| letter.is_whitespace() || "<>`\"".contains(letter)).unwrap_or(text.len());
    let mut link = text[..end].trim_end_matches(['.', ',', ':', ';', '!', '?', '\'']);
    if !link.contains('(') {
        link = link.trim_end_matches([')', '.', ',']);
    }
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#[]!$&'()*+,;=%".contains(&byte);
    (link.len() > scheme && link.bytes().all(fine)).then_some(link)
}

/// Whether a colon before `after` opens the name of an emoji: `:100:` is one, the minutes of 09:00:12 are none.
fn is_emoji(after: &str) -> bool {
    let name = after.find(|letter: char| !letter.is_ascii_alphanumeric() && !"_+-~".contains(letter));
    let is_time = |name: &str| name.len() <= 2 && name.bytes().all(|byte| byte.is_ascii_digit());
    name.is_some_and(|end| after[end..].starts_with(':') && !is_time(&after[..end]))
}

/// `text` without the backticks around its code, for a place where they would be seen.
pub(super) fn unmarked(text: &str) -> String {
    let (mut shown, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find('`') {
        shown.push_str(&rest[..start]);
        rest = &rest[start..];
        let taken = code(rest).map_or("`", |code| code);
        shown.push_str(if taken.len() > 1 { &taken[1..taken.len() - 1] } else { taken });
        rest = &rest[taken.len()..];
    }
    shown + rest
}

/// What [`fenced`] adds, in units.
pub(super) const FENCE: usize = 8;

/// `lines` as preformatted text, which they can not leave.
pub(super) fn fenced(lines: &str) -> String {
    format!("```\n{}\n```", visible(lines).replace("```", "'''"))
}

/// `text` with what can not be seen replaced.
pub(super) fn visible(text: &str) -> String {
    text.chars().map(seen).collect()
}

/// `letter`, or a replacement for one that is not seen or turns the writing round. What others wrote has been through
/// [`commands::text`], which knows where a joiner is needed; this is for what has not, and leaves joiners alone.
fn seen(letter: char) -> char {
    match letter {
        '\n' | '\t' => letter,
        '\u{AD}' | '\u{34F}' | '\u{61C}' | '\u{115F}' | '\u{1160}' | '\u{180E}' | '\u{3164}' | '\u{FEFF}'
        | '\u{FFA0}' => '\u{FFFD}',
        '\u{200B}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' => '\u{FFFD}',
        '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E0FFF}' => '\u{FFFD}',
        letter if letter.is_control() => '\u{FFFD}',
        letter => letter,
    }
}
