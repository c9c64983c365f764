//! Where releases come from: refs and commits in git, GitHub and its webhooks, and what CI says of a commit.

pub mod callbacks;
pub mod ci;
pub mod commits;
pub mod git;
pub mod github;
pub mod webhooks;
