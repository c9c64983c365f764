//! Why a call ends early: because of what was asked, or because something does not work.

use crate::reply::{Outcome, Reply, Tone};

/// What a handler returns.
pub type Result<T, E = Stop> = std::result::Result<T, E>;

/// Why a call ends early.
#[derive(Debug)]
pub enum Stop {
    /// It is not done, and the asker can do something about it: the reply says what.
    Refused(Box<Reply>),
    /// Deckhand is stopping, and the act goes on without it: it stays open on the ledger, and the next start settles it.
    Left(Box<Reply>),
    /// Something on our side or in the world does not work.
    Broken(anyhow::Error),
}

impl Stop {
    /// A refusal in a sentence that says what is wrong and what to type instead.
    pub fn refuse(text: impl Into<String>) -> Stop {
        Reply::refuse(text).into()
    }

    /// What the asker is told.
    pub fn into_reply(self) -> Reply {
        match self {
            Stop::Refused(reply) | Stop::Left(reply) => *reply,
            Stop::Broken(error) => {
                let text = format!("{}.", sentence(&error));
                Reply::card(Tone::Bad, "This did not work", text).outcome(Outcome::Broken)
            }
        }
    }
}

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Stop::Refused(reply) | Stop::Left(reply) => f.write_str(&reply.text),
            Stop::Broken(error) => f.write_str(&sentence(error)),
        }
    }
}

/// The chain of causes, without a full stop.
fn sentence(error: &anyhow::Error) -> String {
    format!("{error:#}").trim_end_matches('.').to_owned()
}

impl From<Reply> for Stop {
    fn from(reply: Reply) -> Stop {
        Stop::Refused(Box::new(Reply { outcome: Outcome::Refused, ..reply }))
    }
}

impl From<anyhow::Error> for Stop {
    fn from(error: anyhow::Error) -> Stop {
        Stop::Broken(error)
    }
}
