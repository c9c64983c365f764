//! The stage: fakes, transcripts, and drills against real servers.

pub mod alone;
pub mod bench;
pub mod browser;
pub mod contract;
pub mod deploys;
pub mod discord;
pub mod drill;
pub mod flags;
pub mod github;
pub mod irc;
pub mod ircd;
pub mod memory;
pub mod program;
pub mod routes;
pub mod sshd;
pub mod stage;
pub mod team;
