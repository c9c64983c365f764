//! What somebody says on IRC as what Deckhand hears: a line, a choice, the next page.

use super::message::unformatted;

/// What somebody said to Deckhand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// A line, with its slash.
    Line(String),
    /// The number of a choice.
    Choice(u32),
    /// The next page, please.
    More,
    /// What Deckhand asks in private is not to go on.
    Cancel,
    /// Words in private that are no command of their own: an answer, or else a line.
    Words(String),
}

/// Reads a message, said in private or in a channel; nothing where it is not meant for Deckhand, whose nick is `own`.
pub fn read(text: &str, private: bool, own: &str) -> Option<Heard> {
    let text = unformatted(text);
    let text = text.trim();
    if let Some(line) = text.strip_prefix('!') {
        return command(line);
    }
    if let Some(line) = addressed(text, own) {
        return command(line.trim_start_matches(['!', '/']));
    }
    match (private, text.strip_prefix('/')) {
        (false, _) => None,
        (true, Some(line)) => command(line),
        (true, None) => (!text.is_empty()).then(|| Heard::Words(text.to_owned())),
    }
}

/// What follows our nick and a colon or a comma.
fn addressed<'a>(text: &'a str, own: &str) -> Option<&'a str> {
    let (name, line) = text.split_at_checked(own.len())?;
    let line = line.strip_prefix([':', ','])?;
    name.eq_ignore_ascii_case(own).then(|| line.trim_start())
}

fn command(line: &str) -> Option<Heard> {
    match line {
        "more" => Some(Heard::More),
        "cancel" => Some(Heard::Cancel),
        _ if !line.is_empty() && line.len() <= 3 && line.bytes().all(|byte| byte.is_ascii_digit()) => {
            line.parse().ok().map(Heard::Choice)
        }
        // `!`, `!!` and `!?` are what people say to each other.
        _ => line.starts_with(char::is_alphabetic).then(|| Heard::Line(format!("/{line}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_meant_for_deckhand_is_heard() {
        let line = |line: &str| Some(Heard::Line(line.to_owned()));
        let words = |text: &str| Some(Heard::Words(text.to_owned()));
        let table = [
            ("!deploy ship hello staging v2", false, line("/deploy ship hello staging v2")),
            ("\u{02}!deploy\u{02} status", false, line("/deploy status")),
            ("Deckhand: deploy status", false, line("/deploy status")),
            ("deckhand, /help", false, line("/help")),
            ("deckhandy: help", false, None),
            ("deckhand is slow", false, None),
            ("/deploy status", false, None),
            ("/deploy status", true, line("/deploy status")),
            ("deploy status", true, words("deploy status")),
            ("!2", false, Some(Heard::Choice(2))),
            ("deckhand: 2", false, Some(Heard::Choice(2))),
            ("!2024 was a good year", false, None),
            ("!9999", false, None),
            ("!!!", false, None),
            ("!more", false, Some(Heard::More)),
            ("!cancel", true, Some(Heard::Cancel)),
            ("", true, None),
            ("한국어", false, None),
        ];
        for (text, private, heard) in table {
            assert_eq!(read(text, private, "deckhand"), heard, "{text:?}");
        }
    }
}
