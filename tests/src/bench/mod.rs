//! What is measured by hand: `scripts/bench` prints it.

pub mod commits;
