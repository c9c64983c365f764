//! Incidents, where a transcript can not go: kills at any moment, and timelines that are long.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

mod alarms;
mod configured;
mod killed;
mod page;
mod reminders;
mod timeline;
mod together;
