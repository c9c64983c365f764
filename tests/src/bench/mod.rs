//! What is measured by hand: `scripts/bench` prints it as a table.

pub mod ask;
pub mod commits;
pub mod deploys;
pub mod discord;
pub mod dora;
pub mod find;
pub mod flags;
pub mod hints;
pub mod metrics;
pub mod process;

use std::fmt;

/// One line of the table: something measured, beside what it is measured against in the same run.
pub struct Figure {
    /// What is measured.
    pub what: String,
    /// What came out.
    pub measured: String,
    /// What it is compared with, and what came out there.
    pub against: String,
    /// The one divided by the other.
    pub ratio: f64,
    /// What the ratio should be.
    pub goal: Goal,
}

/// What a ratio should be.
pub enum Goal {
    /// As much as this, or more.
    AtLeast(f64),
    /// As much as this, or less.
    AtMost(f64),
    /// It is only printed.
    None,
}

/// The heading of the table.
pub const HEAD: &str = "| what | measured | against | ratio | goal |\n|---|---|---|---|---|";

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figure { what, measured, against, ratio, .. } = self;
        write!(f, "| {what} | {measured} | {against} | {ratio:.2} | ")?;
        match self.goal {
            Goal::AtLeast(goal) => write!(f, "≥ {goal}{} |", missed(*ratio < goal)),
            Goal::AtMost(goal) => write!(f, "≤ {goal}{} |", missed(*ratio > goal)),
            Goal::None => f.write_str("– |"),
        }
    }
}

fn missed(is: bool) -> &'static str {
    if is { ", **missed**" } else { "" }
}

/// The one in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
