//! Flags as applications see them: Unleash's own specification and every face on the wire, in process; and the real
//! libraries, unmodified, against the built program.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod described;
mod desk;
mod faces;
mod libraries;
mod moments;
mod specification;
mod streams;
mod transfer;
