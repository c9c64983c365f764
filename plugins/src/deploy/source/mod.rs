//! Where releases come from: refs and commits in git, other services that call back, and what CI says of a commit.

pub mod callbacks;
pub mod ci;
pub mod commits;
pub mod git;

use super::settings::Placeholders;
use crate::github::GitHub;
use callbacks::Callbacks;

/// What drivers and gates have to know of a service beside its section: where it is at GitHub, as far as the config tells.
#[derive(Debug, Clone, Copy)]
pub struct Home<'a> {
    /// GitHub.
    pub github: &'a GitHub,
    /// The service's repository there, `owner/name`.
    pub repository: Option<&'a str>,
    /// The names that stand for something in its section.
    pub placeholders: &'a Placeholders,
    /// The runs that services call back about.
    pub callbacks: &'a Callbacks,
}
