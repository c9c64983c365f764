//! A reply as lines of text: what IRC lacks is given in words.

use super::message::{cut, safe};
use commands::reply::{FileRef, Grid, Outcome, Reply, State, Tone, sparkline};
use reqwest::Url;
use unicode_width::UnicodeWidthStr;

/// The widest table that is drawn in columns.
const WIDEST: usize = 90;

/// The most lines of an answer that are said at once; `!more` says the next.
pub const PAGE: usize = 8;

/// The most figures that a sparkline shows, each as a column.
const COLUMNS: usize = 40;

/// How replies look on a network.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// Whether titles are coloured.
    pub colours: bool,
    /// The address that people reach the console by, where that is known: for links.
    pub console: Option<String>,
}

/// One state of a reply, drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// Its lines, of any length; the first is the heading.
    pub lines: Vec<String>,
    /// What can be said next, with its numbers; empty where nothing can.
    pub choices: String,
}

/// Draws the whole of a reply. `numbers` are those of its buttons.
pub fn whole(reply: &Reply, numbers: &[u32], look: &Look) -> Drawn {
    let mut lines = Vec::new();
    let mut text = reply.text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned);
    let head = match &reply.card {
        Some(card) => Some(card.title.clone()),
        None => text.next(),
    };
    lines.extend(head.map(|head| heading(reply, &head, look)));
    lines.extend(text.map(|line| unmarked(&line)));
    let (long, short): (Vec<_>, Vec<_>) = reply.fields.iter().partition(|field| field.value.contains('\n'));
    let facts: Vec<_> = short.iter().map(|field| format!("{}: {}", field.name, field.value)).collect();
    lines.extend((!facts.is_empty()).then(|| unmarked(&facts.join(" · "))));
    for field in long {
        lines.push(unmarked(&format!("{}:", field.name)));
        lines.extend(field.value.lines().map(|line| unmarked(&format!("  {line}"))));
    }
    lines.extend(reply.table.iter().flat_map(table));
    lines.extend(reply.output.lines().map(|line| unmarked(&format!("> {line}"))));
    if reply.state == State::Final {
        lines.extend(reply.files.iter().map(|file| unmarked(&named(file, look))));
    }
    Drawn { lines: lines.iter().map(|line| tidy(line)).collect(), choices: choices(reply, numbers) }
}

/// Draws one stage of something under way: its heading, and the first words under it.
pub fn stage(reply: &Reply, numbers: &[u32], look: &Look) -> Drawn {
    let first = reply.text.lines().next().unwrap_or_default();
    let line = match &reply.card {
        Some(card) if first.is_empty() => heading(reply, &card.title, look),
        Some(card) => format!("{} – {}", heading(reply, &card.title, look), unmarked(first)),
        None => heading(reply, first, look),
    };
    Drawn { lines: vec![tidy(&line)], choices: choices(reply, numbers) }
}

/// What is said at once of what was drawn, in lines of at most `room` bytes, and the lines that are left.
pub fn page(drawn: &Drawn, before: &str, room: usize) -> (Vec<String>, Vec<String>) {
    let first = drawn.lines.first().map(|line| format!("{before}{line}"));
    let lines = first.iter().chain(drawn.lines.iter().skip(1));
    let mut said: Vec<_> = lines.flat_map(|line| cut(line, room)).collect();
    let rest = if said.len() > PAGE { said.split_off(PAGE - 1) } else { Vec::new() };
    said.extend((!rest.is_empty()).then(|| more(&rest)));
    said.extend(cut(&drawn.choices, room));
    (said, rest)
}

/// Says that there is more.
pub fn more(rest: &[String]) -> String {
    format!("… {} more lines: !more", rest.len())
}

/// What tells one stage from another: its words without their figures, which change all the time.
pub fn stage_of(reply: &Reply) -> String {
    let title = reply.card.as_ref().map_or("", |card| &card.title);
    let text = reply.text.lines().next().unwrap_or_default();
    title.chars().chain(text.chars().filter(|letter| !letter.is_ascii_digit())).collect()
}

/// Formatting of our own is put in after the text was made safe: [`tidy`] turns these back.
const BOLD: (char, &str) = ('\u{E000}', "\u{02}");
const COLOUR: (char, &str) = ('\u{E001}', "\u{03}");
const PLAIN: (char, &str) = ('\u{E002}', "\u{0F}");

fn heading(reply: &Reply, text: &str, look: &Look) -> String {
    let tone = reply.card.as_ref().map(|card| card.tone);
    let (sign, colour) = match (reply.state, reply.outcome, tone) {
        (State::Progress, ..) => ("…", "10"),
        (_, Outcome::Refused, Some(Tone::Warn)) => ("?", "07"),
        (_, Outcome::Refused, _) => ("✗", "07"),
        (_, Outcome::Broken, _) | (_, _, Some(Tone::Bad)) => ("✗✗", "04"),
        (_, _, Some(Tone::Warn)) => ("!", "07"),
        (_, _, Some(Tone::Good)) => ("✓", "03"),
        _ => ("•", "10"),
    };
    let text = unmarked(text);
    match look.colours && reply.card.is_some() {
        true => format!("{}{colour}{sign}{} {}{text}{}", COLOUR.0, PLAIN.0, BOLD.0, PLAIN.0),
        false => format!("{sign} {text}"),
    }
}

/// Text without the letters that stand for formatting of ours.
fn unmarked(text: &str) -> String {
    text.chars().filter(|letter| ![BOLD.0, COLOUR.0, PLAIN.0].contains(letter)).collect()
}

fn tidy(line: &str) -> String {
    let marks = [BOLD, COLOUR, PLAIN];
    marks.into_iter().fold(safe(line.trim_end()), |line, (mark, byte)| line.replace(mark, byte))
}

fn choices(reply: &Reply, numbers: &[u32]) -> String {
    let each =
        reply.buttons.iter().zip(numbers).map(|(button, number)| format!("!{number} {}", unmarked(&button.label)));
    tidy(&each.collect::<Vec<_>>().join(" · "))
}

fn table(grid: &Grid) -> Vec<String> {
    let rows: Vec<Vec<String>> = std::iter::once(&grid.head)
        .chain(&grid.rows)
        .map(|row| row.iter().map(|cell| unmarked(&cell.replace('\n', " / "))).collect())
        .collect();
    let widest =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<_> = (0..grid.head.len()).map(widest).collect();
    let wide = widths.iter().sum::<usize>() + 3 * widths.len() > WIDEST;
    let cell = |(cell, width): (&String, &usize)| {
        let blank = if wide { 0 } else { width.saturating_sub(cell.width()) };
        format!("{cell}{}", " ".repeat(blank))
    };
    let line =
        |row: &Vec<String>| row.iter().zip(&widths).map(cell).collect::<Vec<_>>().join(" | ").trim_end().to_owned();
    rows.iter().map(line).collect()
}

/// A file in words: what a picture shows, and where it is.
fn named(file: &FileRef, look: &Look) -> String {
    let FileRef { title, name, series } = file;
    let line = sparkline(series, COLUMNS).map(|line| format!("{title}: {line}"));
    let link = look.console.as_deref().and_then(|console| {
        let mut url = Url::parse(console).ok()?;
        url.path_segments_mut().ok()?.clear().extend(["files", name]);
        Some(url)
    });
    match (line, link) {
        (Some(line), Some(url)) => format!("{line} {url}"),
        (Some(line), None) => format!("{line}, on the console as {name}"),
        (None, Some(url)) => format!("{title}: {url}"),
        (None, None) => format!("{title} is on the console, as {name}."),
    }
}

#[cfg(test)]
mod tests;
