//! What programs push, and nobody scrapes: a query is the name that it is pushed under.

use super::{Answer, Query, Source};
use crate::metrics::samples;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use commands::registry::is_name;
use commands::text;
use config::Section;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

struct Pushed;

/// It has nothing to be configured: who may push is said in `[metrics.push]`.
pub(super) fn read(_section: &Section<'_>, _folder: &Path) -> Option<Arc<dyn Source>> {
    Some(Arc::new(Pushed))
}

#[async_trait]
impl Source for Pushed {
    fn mistake(&self, query: &str) -> Option<(String, String)> {
        let instead = "write up to 32 of a-z, 0-9 and `-`, a letter first";
        (!is_name(query)).then(|| (format!("nothing can be pushed under {}", text::code(query)), instead.to_owned()))
    }

    fn takes(&self, name: &str, query: &str) -> bool {
        name == query
    }

    fn nothing(&self, query: &Query) -> String {
        format!("has no figure of this time: no program has pushed {}.", text::code(&query.text))
    }

    async fn at(&self, ports: &Ports, query: &Query, at: DateTime<Utc>) -> Result<Answer, String> {
        samples::before(ports, &query.text, at, query).await
    }

    async fn over(&self, ports: &Ports, query: &Query, span: &Range<DateTime<Utc>>) -> Result<Answer, String> {
        samples::answer(ports, &query.text, span, query).await
    }
}
