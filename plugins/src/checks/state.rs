//! What a row of good and bad tries says: up, down, or flapping between them.

use super::settings::Rule;
use chrono::{DateTime, TimeDelta, Utc};
use commands::table::Table;
use serde::{Deserialize, Serialize};

/// How each check stands, by service, environment and name.
pub const STATES: Table<State> = Table::new("checks/state/");

/// How many changes within [`WINDOW`] are flapping.
pub const MANY: usize = 4;

/// How far back changes count, and how long it has to be steady before flapping is over.
pub const WINDOW: TimeDelta = TimeDelta::minutes(30);

/// How a check stands. What is in it survives a restart, but for the row that is being counted.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Whether it is up; unknown until the tries agree.
    pub up: Option<bool>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// Whether flapping was told, and is not over.
    #[serde(default)]
    pub flapping: bool,
    /// When it has changed, within [`WINDOW`].
    #[serde(default)]
    changes: Vec<DateTime<Utc>>,
    /// The tries in a row that speak against `up`.
    #[serde(skip)]
    against: u32,
    /// The first of them.
    #[serde(skip)]
    from: DateTime<Utc>,
}

/// What people are to be told, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It is down.
    Down,
    /// It is up again, after so long.
    Up(TimeDelta),
    /// It goes up and down; no more is told until it is steady.
    Flapping,
    /// It has been up, or down, for the whole window.
    Steady(bool),
}

impl State {
    /// Takes in one try, made at `now`.
    pub fn hear(&mut self, good: bool, now: DateTime<Utc>, rule: &Rule) -> Option<News> {
        self.changes.retain(|at| now - *at < WINDOW);
        if self.up == Some(good) {
            self.against = 0;
            return self.steady();
        }
        if self.against == 0 {
            self.from = now;
        }
        self.against += 1;
        // One good try is enough to begin with.
        let enough = if self.up.is_none() && good {
            1
        } else if good {
            rule.rise
        } else {
            rule.fall
        };
        if self.against < enough {
            return self.steady();
        }
        self.change(good)
    }

    /// How it stands, in a word.
    pub fn word(&self) -> &'static str {
        match self.up {
            None => "not known",
            Some(true) => "up",
            Some(false) => "down",
        }
    }

    /// It became so when the row began that showed it.
    fn change(&mut self, good: bool) -> Option<News> {
        let before = self.up.replace(good);
        let since = std::mem::replace(&mut self.since, self.from);
        self.against = 0;
        if before.is_none() {
            return (!good).then_some(News::Down);
        }
        self.changes.push(self.from);
        if self.flapping {
            return None;
        }
        if self.changes.len() >= MANY {
            self.flapping = true;
            return Some(News::Flapping);
        }
        Some(if good { News::Up(self.from - since) } else { News::Down })
    }

    fn steady(&mut self) -> Option<News> {
        let over = self.flapping && self.changes.is_empty();
        self.flapping &= !over;
        self.up.filter(|_| over).map(News::Steady)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const RULE: Rule =
        Rule { fall: 3, rise: 2, interval: Duration::from_secs(30), down_interval: Duration::from_secs(120) };

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    /// Hears a try every 30 seconds, `+` good, `-` bad, and tells what was said at which of them.
    fn play(state: &mut State, from: i64, tries: &str) -> Vec<(i64, News)> {
        let each = tries.chars().zip(0..);
        each.filter_map(|(each, n)| Some((n, state.hear(each == '+', at(from + n * 30), &RULE)?))).collect()
    }

    #[test]
    fn a_change_is_told_once_when_enough_agree() {
        let up = |seconds| News::Up(TimeDelta::seconds(seconds));
        let cases = [
            ("++++", vec![]),
            ("+--+--+", vec![]),
            ("+---", vec![(3, News::Down)]),
            ("+------", vec![(3, News::Down)]),
            ("+---+-+-", vec![(3, News::Down)]),
            // Down since the first bad one, up since the first good one.
            ("+---++++", vec![(3, News::Down), (5, up(90))]),
            ("---", vec![(2, News::Down)]),
            ("--+--", vec![]),
        ];
        for (tries, told) in cases {
            assert_eq!(play(&mut State::default(), 1_000, tries), told, "{tries}");
        }
    }

    #[test]
    fn flapping_is_told_once_and_so_is_its_end() {
        let mut state = State::default();
        let told = play(&mut state, 0, &format!("+{}", "---++".repeat(10)));
        assert_eq!(told.iter().map(|(_, news)| *news).filter(|news| *news == News::Flapping).count(), 1, "{told:?}");
        assert_eq!(told.last().map(|(_, news)| *news), Some(News::Flapping), "{told:?}");
        assert_eq!(told.len(), 4);
        let last = (state.since - DateTime::UNIX_EPOCH).num_seconds();
        let told = play(&mut state, last + 60, &"+".repeat(200));
        assert_eq!(told, [(58, News::Steady(true))]);
    }

    #[test]
    fn a_restart_forgets_only_the_row_that_is_being_counted() {
        let mut state = State::default();
        play(&mut state, 0, "+---+");
        let mut again: State = serde_json::from_str(&serde_json::to_string(&state).unwrap()).unwrap();
        assert_eq!((again.up, again.since), (Some(false), at(30)));
        assert_eq!(play(&mut again, 300, "++"), [(1, News::Up(TimeDelta::seconds(270)))]);
    }
}
