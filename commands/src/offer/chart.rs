//! Figures over a span of time as a picture, with the words that go with it.

use crate::reply::FileRef;

/// What is to be drawn.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The measure of this name; without one every measure that is about the service.
    pub measure: Option<String>,
    /// The service, where a measure is there for every one.
    pub service: Option<String>,
    /// The environment, where a measure tells them apart; without one the last in the order of promotion.
    pub environment: Option<String>,
}

/// One measure over a span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    /// What it shows: `latency in production`. It may hold people's words, and is not fit to be shown as it is.
    pub title: String,
    /// What a person would say of it, or what is in the way; safe to show.
    pub says: String,
    /// The picture, a PNG; nothing where there are no figures. It is kept for some days only: who wants it for longer takes
    /// its bytes ([`crate::ports::Files::picture`]).
    pub picture: Option<FileRef>,
}

/// Several measures over a span of time.
#[derive(Debug, Clone, PartialEq)]
pub struct Overview {
    /// A line of each, safe to show: how it went against the time before, or what is in the way.
    pub lines: Vec<String>,
    /// One picture of them all; nothing where there are no figures.
    pub picture: Option<FileRef>,
}
