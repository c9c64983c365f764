//! Where figures come from: one trait, a file a kind. A new kind is its file and its line in `KINDS`.

mod endpoint;
mod graphite;
mod json;
mod kept;
mod program;
mod prometheus;
mod pushed;

pub use endpoint::UNASKED;
pub use kept::kept;

use super::markers::Marker;
use super::series::Series;
use super::unit::Unit;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Permit;
use commands::cx::Ports;
use commands::offer::Better;
use commands::text;
use config::Section;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// The most lines that are drawn: more can not be told apart.
pub const MOST: usize = super::chart::MOST;

/// Something that has figures.
#[async_trait]
pub trait Source: Send + Sync {
    /// What is wrong with a query of it in the config, if that can be told: what, and what to write instead.
    fn mistake(&self, _query: &str) -> Option<(String, String)> {
        None
    }

    /// Whether what it does depends on this name, besides the query.
    fn mentions(&self, _name: &str) -> bool {
        false
    }

    /// What a word may have in a query of it, besides a-z, A-Z and 0-9: nothing that ends what the word stands in.
    fn letters(&self) -> &'static str {
        "-_.:/"
    }

    /// How it reads a span of time in a query.
    fn span(&self, long: Duration) -> String {
        long.as_secs().to_string()
    }

    /// What is said where it answers, and has nothing: the rest of a sentence about it, and more.
    fn nothing(&self, query: &Query) -> String {
        let query = text::code(&query.text);
        format!(
            "answers, and has no series for this query: {query}. Nothing is measured there, or the query is not right any more."
        )
    }

    /// Whether it knows how things stood before.
    fn remembers(&self) -> bool {
        true
    }

    /// Whether measures of it may be defined in chat.
    fn is_open(&self) -> bool {
        true
    }

    /// Whether what programs push under this name is for this query of it.
    fn takes(&self, _name: &str, _query: &str) -> bool {
        false
    }

    /// Which acts of the ledger are marked at it, each by its verb or by the first part of one.
    fn markers(&self) -> &[String] {
        &[]
    }

    /// What is marked at it between these seconds, each with its own.
    ///
    /// # Errors
    /// As [`Source::at`].
    async fn marked(&self, _ports: &Ports, _seconds: RangeInclusive<i64>) -> Result<Vec<(i64, String)>, String> {
        Ok(Vec::new())
    }

    /// Marks something at it; false where it takes other markers, and not this one.
    ///
    /// # Errors
    /// As [`Source::at`].
    async fn mark(&self, _ports: &Ports, _permit: &Permit, _marker: &Marker) -> Result<bool, String> {
        Err("takes no markers".to_owned())
    }

    /// How it stands at a moment: series of one figure each. One that does not remember says how it stands now.
    ///
    /// # Errors
    /// What is in the way, as the rest of a sentence about the source, safe to show.
    async fn at(&self, ports: &Ports, query: &Query, at: DateTime<Utc>) -> Result<Answer, String>;

    /// How it went over a span of time.
    ///
    /// # Errors
    /// As [`Source::at`].
    async fn over(&self, _ports: &Ports, _query: &Query, _span: &Range<DateTime<Utc>>) -> Result<Answer, String> {
        Err("knows how things stand now, and not how they stood before".to_owned())
    }
}

/// What a source is asked.
#[derive(Debug, Clone)]
pub struct Query {
    /// The measure's query, with its variables filled in.
    pub text: String,
    /// What the variables stand for.
    pub names: Vec<(String, String)>,
    /// The measure's unit.
    pub unit: Unit,
    /// Which way it is good.
    pub better: Better,
}

/// What a source answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// At most [`MOST`] series.
    pub series: Vec<Series>,
    /// How many there are in all.
    pub found: usize,
    /// How far apart two figures usually are.
    pub step: TimeDelta,
}

impl Answer {
    /// Of more series than can be shown those that stand worst.
    pub fn of(mut series: Vec<Series>, step: TimeDelta, query: &Query) -> Answer {
        let found = series.len();
        let badness = |series: &Series| match (series.summary(), query.better) {
            (None, _) => f64::NEG_INFINITY,
            (Some(summary), Better::Lower) => summary.max,
            (Some(summary), Better::Higher) => -summary.min,
        };
        if found > MOST {
            series.sort_by(|one, other| badness(other).total_cmp(&badness(one)));
            series.truncate(MOST);
        }
        series.sort_by(|one, other| one.name.cmp(&other.name));
        Answer { series, found, step }
    }
}

type Read = fn(&Section<'_>, &Path) -> Option<Arc<dyn Source>>;

/// Every kind of source there is, and how it reads its section.
const KINDS: [(&str, Read); 5] = [
    ("prometheus", prometheus::read),
    ("graphite", graphite::read),
    ("json", json::read),
    ("program", program::read),
    ("pushed", pushed::read),
];

/// Reads `[metrics.sources.NAME]`, noting every mistake; `folder` is where programs run.
pub fn read(section: &Section<'_>, folder: &Path) -> Option<Arc<dyn Source>> {
    let kinds = KINDS.map(|(name, _)| name);
    if !section.has("kind") {
        let instead = format!("write `kind = \"…\"`, with one of {}", kinds.join(", "));
        section.problem("kind", "it is not said what kind of source this is", instead);
    }
    let kind = section.choice("kind", &kinds)?;
    KINDS.iter().find(|(name, _)| *name == kind).and_then(|(_, read)| read(section, folder))
}
