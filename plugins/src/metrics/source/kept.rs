//! A source that forgets, with what Deckhand keeps of it: asked again and again, it knows how things stood.

use super::{Answer, Query, Source};
use crate::metrics::samples;
use crate::metrics::settings::Keeping;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// What is usually long enough for the next figure.
const SOON: Duration = Duration::from_secs(60);

/// The source, and how its figures are kept.
struct Kept {
    inner: Arc<dyn Source>,
    keeping: Keeping,
}

/// This source, whose figures are kept.
pub fn kept(inner: Arc<dyn Source>, keeping: Keeping) -> Arc<dyn Source> {
    Arc::new(Kept { inner, keeping })
}

#[async_trait]
impl Source for Kept {
    fn mentions(&self, name: &str) -> bool {
        self.inner.mentions(name)
    }

    fn nothing(&self, _query: &Query) -> String {
        nothing(self.keeping.every)
    }

    async fn at(&self, ports: &Ports, query: &Query, at: DateTime<Utc>) -> Result<Answer, String> {
        // What it says of another moment than now is what was kept.
        let ago = (ports.clock.now() - at).to_std().unwrap_or_default();
        if ago > self.keeping.every {
            return samples::before(ports, &self.keeping.name(query), at, query).await;
        }
        self.inner.at(ports, query, at).await
    }

    async fn over(&self, ports: &Ports, query: &Query, span: &Range<DateTime<Utc>>) -> Result<Answer, String> {
        samples::answer(ports, &self.keeping.name(query), span, query).await
    }
}

/// What is said where nothing was kept of a time, of a source that is asked so often.
fn nothing(every: Duration) -> String {
    let shown = config::duration::show(every);
    let again = if every > SOON { &shown } else { "a minute" };
    format!(
        "is asked every {shown}, and Deckhand keeps what it says. It has nothing of this time: say it again in {again}, or ask for a later time."
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_when_there_will_be_something() {
        for (seconds, again) in [(10, "in a minute,"), (60, "in a minute,"), (300, "in 5m,"), (86_400, "in 1d,")] {
            let said = nothing(Duration::from_secs(seconds));
            assert!(said.contains(again), "{said}");
        }
    }
}
