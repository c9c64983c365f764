//! The commands that look and change nothing: what would be shipped, what is live, what was, and what lies between.

pub mod compare;
pub mod history;
pub mod preview;
pub mod status;
