//! What keeps Deckhand running: the gate, the store, the platforms, jobs, and the program itself.

pub mod assembly;
pub mod builtin;
pub mod cli;
pub mod configured;
pub mod demo;
pub mod gate;
pub mod hooks;
pub mod jobs;
pub mod meters;
pub mod outbox;
pub mod platforms;
pub mod settle;
pub mod store;
pub mod upkeep;
pub mod world;
