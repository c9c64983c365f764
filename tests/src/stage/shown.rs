//! Replies as transcripts show them.

use commands::reply::{Button, Outcome, Reply, State, Tone};

/// A reply as a transcript shows it.
pub(super) fn shown(reply: &Reply) -> Vec<String> {
    let tone = match (reply.state, reply.outcome, reply.card.as_ref().map(|card| card.tone)) {
        (State::Progress, ..) => "…",
        (_, Outcome::Refused, Some(Tone::Warn)) => "?",
        (_, Outcome::Refused, _) => "✗",
        (_, Outcome::Broken, _) | (_, _, Some(Tone::Bad)) => "✗✗",
        (_, _, Some(Tone::Warn)) => "!",
        (_, _, Some(Tone::Good)) => "✓",
        _ => "•",
    };
    let mut lines: Vec<String> = Vec::new();
    let mut add = |text: &str| lines.extend(text.lines().map(|line| format!("    {line}").trim_end().to_owned()));
    reply.card.iter().for_each(|card| add(&card.title));
    add(&reply.text);
    // What is shown once was made by chance.
    let value = |value: &str| if reply.once { "(made by chance)".to_owned() } else { value.to_owned() };
    reply.fields.iter().for_each(|field| add(&format!("{}: {}", field.name, value(&field.value))));
    if let Some(table) = &reply.table {
        std::iter::once(&table.head).chain(&table.rows).for_each(|row| add(&format!("| {} |", row.join(" | "))));
    }
    reply.output.lines().for_each(|line| add(&format!("> {line}")));
    reply.files.iter().for_each(|file| add(&format!("file: {} ({})", file.title, file.name)));
    reply
        .buttons
        .iter()
        .for_each(|button| add(&format!("[{}] /{}{}", button.label, masked(&button.line), asks(button))));
    reply.calls.iter().for_each(|person| add(&format!("calls {person}")));
    if let Some(first) = lines.first_mut() {
        *first = format!("  {tone} {}", first.trim_start());
    }
    if reply.only_you && reply.state == State::Final {
        let once = if reply.once { ", once" } else { "" };
        lines.push(format!("    (only you see this{once})"));
    }
    lines
}

/// A question's name is made by chance: it is not compared.
fn masked(line: &str) -> String {
    match line.split_once("question:") {
        Some((before, name)) => format!("{before}question:{}", "?".repeat(name.chars().count())),
        None => line.to_owned(),
    }
}

/// What a button asks for.
fn asks(button: &Button) -> String {
    let inputs = button.form.iter().flat_map(|form| &form.inputs).map(|input| input.name.as_str());
    let names = inputs.collect::<Vec<_>>().join(", ");
    if names.is_empty() { names } else { format!(" (asks for: {names})") }
}
