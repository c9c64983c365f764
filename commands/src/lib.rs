//! The language between people and plugins, and the contract a plugin signs.
//!
//! It knows no network, no disk, no wall clock and no platform: what it needs of them stands behind the traits of
//! [`ports`] and [`store`].

pub mod act;
pub mod args;
pub mod clock;
pub mod complete;
pub mod cx;
pub mod ledger;
pub mod line;
pub mod message;
pub mod moment;
pub mod offer;
pub mod parse;
pub mod plugin;
pub mod policy;
pub mod ports;
pub mod redact;
pub mod registry;
pub mod reply;
pub mod route;
pub mod spec;
pub mod stop;
pub mod store;
pub mod table;
pub mod text;
pub mod value;
pub mod views;
pub mod vocabulary;

#[cfg(test)]
mod sample;
