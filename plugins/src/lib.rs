//! What Deckhand can do: one folder a plugin. A plugin names no other plugin and no platform, and reaches the world
//! only through what the contract in `commands` hands it.

pub mod alerts;
mod calendar;
pub mod checks;
mod declared;
pub mod deploy;
pub mod digest;
pub mod flags;
pub mod freeze;
mod github;
pub mod incidents;
pub mod lock;
pub mod metrics;
pub mod postmortem;
mod probe;
mod program;
pub mod run;
pub mod train;
mod words;

use commands::spec::PluginSpec;

/// Every plugin there is. One is on when its section stands in the config.
pub static ALL: &[&PluginSpec] = &[
    &deploy::SPEC,
    &lock::SPEC,
    &freeze::SPEC,
    &checks::SPEC,
    &run::SPEC,
    &train::SPEC,
    &flags::SPEC,
    &metrics::SPEC,
    &digest::SPEC,
    &alerts::SPEC,
    &incidents::SPEC,
    &postmortem::SPEC,
];
