//! Replies on a terminal.

use super::say_line;
use commands::reply::{FileRef, Grid, Outcome, Reply, State, Tone, sparkline};
use std::io::IsTerminal;
use unicode_width::UnicodeWidthStr;

/// The most figures of a picture that are shown, each as a column.
const COLUMNS: usize = 60;

/// A terminal on which the states of one answer follow each other.
#[derive(Default)]
pub struct Screen {
    shown: String,
}

impl Screen {
    /// Shows a reply. Of a progress that says what it said before, only the new lines of output are shown.
    pub fn show(&mut self, reply: &Reply) {
        let text = match reply.state {
            State::Final => whole(reply),
            State::Progress => progress(reply),
        };
        if text != self.shown && !text.is_empty() {
            say_line(&text);
        }
        self.shown = text;
    }
}

fn progress(reply: &Reply) -> String {
    let title = reply.card.as_ref().map_or(&*reply.text, |card| &card.title);
    match reply.output.lines().last() {
        Some(line) => format!("{} {title}: {line}", mark(reply)),
        None => format!("{} {title}", mark(reply)),
    }
}

fn whole(reply: &Reply) -> String {
    let mut parts = Vec::new();
    match &reply.card {
        Some(card) => parts.extend([format!("{} {}", mark(reply), card.title), reply.text.clone()]),
        None => parts.push(format!("{} {}", mark(reply), reply.text)),
    }
    parts.extend(reply.fields.iter().map(|field| format!("  {}: {}", field.name, field.value.replace('\n', "\n    "))));
    parts.extend(reply.table.as_ref().map(table));
    parts.extend(
        (!reply.output.is_empty())
            .then(|| reply.output.lines().map(|line| format!("  | {line}")).collect::<Vec<_>>().join("\n")),
    );
    parts.extend(reply.files.iter().map(file));
    parts.extend(reply.buttons.iter().map(|button| {
        let inputs = button.form.iter().flat_map(|form| &form.inputs);
        inputs.fold(format!("  {}: /{}", button.label, button.line), |line, input| format!("{line} {}:…", input.name))
    }));
    parts.retain(|part| !part.is_empty());
    parts.join("\n")
}

/// A file by its name; of a picture of figures, these.
fn file(file: &FileRef) -> String {
    let line = sparkline(&file.series, COLUMNS).map(|line| format!(" {line}")).unwrap_or_default();
    format!("  [{}: {}]{line}", file.title, file.name)
}

/// One sign for how it stands; coloured where a person looks.
fn mark(reply: &Reply) -> String {
    let tone = reply.card.as_ref().map(|card| card.tone);
    let (sign, colour) = match (reply.state, reply.outcome, tone) {
        (State::Progress, ..) => ("…", 36),
        (_, Outcome::Refused, Some(Tone::Warn)) => ("?", 33),
        (_, Outcome::Refused, _) => ("✗", 33),
        (_, Outcome::Broken, _) | (_, _, Some(Tone::Bad)) => ("✗", 31),
        (_, _, Some(Tone::Warn)) => ("!", 33),
        (_, _, Some(Tone::Good)) => ("✓", 32),
        _ => ("•", 36),
    };
    let plain = !std::io::stdout().is_terminal() || std::env::var_os("NO_COLOR").is_some();
    if plain { sign.to_owned() } else { format!("\u{1b}[{colour}m{sign}\u{1b}[0m") }
}

/// A table in columns; a character of Korean takes two.
fn table(grid: &Grid) -> String {
    let rows: Vec<_> = std::iter::once(&grid.head).chain(&grid.rows).collect();
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.width()).max().unwrap_or(0);
    let widths: Vec<_> = (0..grid.head.len()).map(width).collect();
    let line = |row: &&Vec<String>| {
        let cells = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell}{}", " ".repeat(width.saturating_sub(cell.width()))));
        format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use commands::reply::{Button, Form, Input};

    #[test]
    fn a_reply_on_a_terminal() {
        let reply = Reply::card(Tone::Good, "hello in staging: v2 is live", "v2 is live since 09:00.")
            .field("Deploy", "#3")
            .table(
                ["서비스", "Live"],
                vec![["결제".to_owned(), "v1".to_owned()], ["hello".to_owned(), "v2".to_owned()]],
            )
            .output("one\ntwo")
            .picture("p95", "p95.png", vec![1.0, 2.0, 8.0])
            .button(Button::new("Rollback", "deploy rollback hello staging"))
            .button(Button::new("Yes", "confirm question:3fa2").form(Form {
                title: "Yes".to_owned(),
                inputs: vec![Input { name: "code".to_owned(), ..Input::default() }],
            }));
        let expected = "✓ hello in staging: v2 is live\nv2 is live since 09:00.\n  Deploy: #3\n  서비스  Live\n  결제    v1\n  hello   v2\n  | one\n  | two\n  [p95: p95.png] ▁▂█ (1 to 8)\n  Rollback: /deploy rollback hello staging\n  Yes: /confirm question:3fa2 code:…";
        assert_eq!(whole(&reply), expected);
    }
}
