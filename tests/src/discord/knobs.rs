//! What goes wrong on purpose.

use std::time::Duration;

/// What a test has planned to go wrong with requests.
#[derive(Debug, Default)]
pub struct Knobs {
    /// Whether there are no rate limits, nor headers that tell of them.
    pub unlimited: bool,
    planned: Vec<Planned>,
    /// The codes of refusals that the test wants to see.
    expected: Vec<u64>,
    /// Whether a bot may send what Discord does not know, and ignores. The usual libraries do.
    pub lenient: bool,
}

#[derive(Debug)]
struct Planned {
    route: String,
    times: usize,
    fault: Fault,
}

/// What happens to a request instead of what should.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    /// It is answered 429, to be tried again after that long; nothing is done.
    Limited(Scope, Duration),
    /// It is answered with this status, without Discord's own error; nothing is done.
    Status(u16),
    /// It is carried out, and answered after that long.
    Slow(Duration),
    /// It is carried out, and the connection breaks before the answer.
    Cut,
    /// The connection is refused: nothing was sent.
    Away,
}

/// Whom a rate limit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// This bot on this route.
    User,
    /// Everybody in that channel or guild: Discord does not count it against the bot.
    Shared,
    /// This bot on all routes.
    Global,
}

impl Knobs {
    /// The next requests of a route, named as in `PATCH /channels/{channel_id}/messages/{message_id}`, or `*` for any.
    pub fn plan(&mut self, route: &str, times: usize, fault: Fault) {
        self.planned.push(Planned { route: route.to_owned(), times, fault });
    }

    /// A body that Discord refuses with this code is no fault of the bot's.
    pub fn expect(&mut self, code: u64) {
        self.expected.push(code);
    }

    pub(super) fn expects(&self, code: u64) -> bool {
        self.expected.contains(&code)
    }

    /// What happens to this request.
    pub(super) fn next(&mut self, route: &str) -> Option<Fault> {
        let planned = self.planned.iter_mut().find(|it| it.times > 0 && (it.route == route || it.route == "*"))?;
        planned.times -= 1;
        Some(planned.fault)
    }

    /// What was planned and has not happened.
    pub(super) fn left(&self) -> Vec<String> {
        let left = self.planned.iter().filter(|planned| planned.times > 0);
        left.map(|it| {
            format!("{:?} was planned {} more times for {}, which was not called", it.fault, it.times, it.route)
        })
        .collect()
    }
}
