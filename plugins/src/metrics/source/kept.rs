//! A source that forgets, with what Deckhand keeps of it: asked every minute, it knows how things stood.

use super::{Answer, Query, Source};
use crate::metrics::samples;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use std::ops::Range;
use std::sync::Arc;

/// The source, and the name that its figures are kept under.
struct Kept {
    inner: Arc<dyn Source>,
    name: String,
}

/// This source, whose figures are kept under the name of their measure.
pub fn kept(inner: Arc<dyn Source>, name: &str) -> Arc<dyn Source> {
    Arc::new(Kept { inner, name: name.to_owned() })
}

#[async_trait]
impl Source for Kept {
    async fn at(&self, ports: &Ports, query: &Query, at: DateTime<Utc>) -> Result<Answer, String> {
        // What it says of another moment than now is what was kept.
        if ports.clock.now() - at > samples::EVERY {
            return samples::before(ports, &self.name, at, query).await;
        }
        self.inner.at(ports, query, at).await
    }

    async fn over(&self, ports: &Ports, query: &Query, span: &Range<DateTime<Utc>>) -> Result<Answer, String> {
        samples::answer(ports, &self.name, span, query).await
    }
}
