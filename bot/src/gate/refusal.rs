//! What somebody is told whom policy refuses.

use commands::cx::Who;
use commands::policy::Step;
use commands::text;
use config::DECKHAND;

/// The last thing that policy refused somebody.
#[derive(Debug, Clone)]
pub struct Refused {
    /// The line.
    pub line: String,
    /// What each rule said.
    pub trace: Vec<Step>,
    /// To whom it is allowed.
    pub who_may: Vec<String>,
}

/// What somebody is told whom policy refuses.
pub fn told(who: &Who, refused: &Refused) -> String {
    let line = text::code(&format!("/{}", refused.line));
    let name = text::plain(&who.name);
    if who.is_stranger() {
        return stranger(who);
    }
    if who.is_deckhand() {
        let others = match &refused.who_may[..] {
            [] => String::new(),
            some => format!(" It is allowed to {}: one of them can say it.", text::list(some)),
        };
        return format!(
            "No rule allows Deckhand to say {line} by itself, so nothing was done.{others} The operator allows it with a rule `to = [\"{DECKHAND}\"]`."
        );
    }
    format!("{name} may not say {line}. {} `/why` shows each rule.", whom(&refused.who_may))
}

/// What somebody is told whom the config does not know; who else may do what is not for them to see.
pub fn stranger(who: &Who) -> String {
    format!("{} Nothing was done. {}", unknown(who), way_in(who))
}

/// What is to be said first to somebody whom the config does not know.
pub fn unknown(who: &Who) -> String {
    format!("Deckhand does not know you: you are {}.", text::code(&who.name))
}

/// How somebody whom the config does not know becomes known.
pub fn way_in(who: &Who) -> &'static str {
    who.unproven.unwrap_or("The operator adds you under `people` in the config.")
}

/// To whom it is allowed instead.
pub fn whom(who_may: &[String]) -> String {
    match who_may {
        [] => "No rule allows it to anyone, here and now.".to_owned(),
        some => format!("It is allowed to {}: ask one of them, or for a `/grant`.", text::list(some)),
    }
}
