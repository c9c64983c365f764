//! Views of the table of commands: whatever describes a command to someone is made here, from its one declaration.

pub mod console;
pub mod discord;
pub mod help;
pub mod manual;
pub mod words;

use crate::spec::{Effect, Kind, Need};
use crate::text;

/// What may be written as an argument of this kind, in a few words.
fn fits(kind: Kind) -> String {
    match kind {
        Kind::Service => "a service".to_owned(),
        Kind::Environment => "an environment".to_owned(),
        Kind::Person => "a person, with or without `@`".to_owned(),
        Kind::Ref => "a tag, a branch or a commit".to_owned(),
        Kind::Command => "a command, or a group of them".to_owned(),
        Kind::Duration => "`90s`, `15m`, `1h30m`, `7d`".to_owned(),
        Kind::Time => "`14:00`, `yesterday`, `2026-03-01`, `2h ago`".to_owned(),
        Kind::Later => "`17:00`, `tomorrow 9:00`, `friday 17:00`, `2026-03-06`, `2h`".to_owned(),
        Kind::Percent => "0 to 100, with or without `%`".to_owned(),
        Kind::Integer(i64::MIN, i64::MAX) => "a whole number".to_owned(),
        Kind::Integer(i64::MIN, most) => format!("a whole number, at most {most}"),
        Kind::Integer(least, i64::MAX) => format!("a whole number, at least {least}"),
        Kind::Integer(least, most) => format!("a whole number from {least} to {most}"),
        Kind::Text => "any text".to_owned(),
        Kind::Choice(choices) => text::list(choices),
    }
}

/// What a command does to the world, as a sentence.
fn does(effect: Effect) -> &'static str {
    match effect {
        Effect::Reads => "It changes nothing.",
        Effect::Changes => "It changes something, which the ledger keeps.",
        Effect::GoesBack => "It goes back to how something was, which the ledger keeps; a freeze lets it through.",
        Effect::Danger => {
            "It changes something that is hard to take back, so it asks for a yes first; the ledger keeps it."
        }
    }
}

/// Who may say a command, as a sentence.
fn may(need: Need) -> &'static str {
    match need {
        Need::Nothing => "Anyone may say it.",
        Need::Rule => "Whom a rule of the policy allows may say it.",
    }
}
