//! A program of the Nagios kind: a query is the name of a figure behind its `|`. What it says of its own health is for
//! health checks; here only the figure counts.

use super::{Answer, Query, Source};
use crate::metrics::asked::filled;
use crate::metrics::series::{Point, Series};
use crate::metrics::unit::Unit;
use crate::probe::{self, Probe};
use crate::words;
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::Ports;
use commands::text;
use config::Section;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

struct Plugin {
    probe: Probe,
    timeout: Duration,
}

/// Reads `program` and `timeout`.
pub(super) fn read(section: &Section<'_>, folder: &Path) -> Option<Arc<dyn Source>> {
    let argv = section.required_texts("program");
    let timeout = section.duration("timeout").unwrap_or(Duration::from_secs(10));
    let probe = Probe::Program { argv: (!argv.is_empty()).then_some(argv)?, folder: folder.to_owned() };
    Some(Arc::new(Plugin { probe, timeout }))
}

#[async_trait]
impl Source for Plugin {
    fn mentions(&self, name: &str) -> bool {
        self.probe.texts().iter().any(|(_, text)| words::names(text).contains(&name))
    }

    fn remembers(&self) -> bool {
        false
    }

    async fn at(&self, ports: &Ports, query: &Query, at: DateTime<Utc>) -> Result<Answer, String> {
        let fill = |text: &str| filled(text, &query.names);
        let probe = self.probe.filled(fill, fill);
        let seen = probe::once(ports, &probe, self.timeout).await;
        let Some(figure) = seen.figures.iter().find(|figure| figure.name == query.text) else {
            let there: Vec<_> = seen.figures.iter().map(|figure| &*figure.name).collect();
            return Err(match (seen.well, there.as_slice()) {
                (Err(met), []) => met,
                (Ok(()), []) => "gives no figures".to_owned(),
                (_, there) => format!("gives no figure {}, but {}", text::code(&query.text), text::list(there)),
            });
        };
        let unit = Unit::of(&figure.unit);
        // A figure without a unit is in the measure's own.
        let value = if figure.unit.is_empty() { Some(figure.value) } else { query.unit.of_other(&unit, figure.value) };
        let value = value.ok_or_else(|| {
            format!("gives the figure in {}, which is not the measure's unit", text::code(&figure.unit))
        })?;
        let series = Series { name: String::new(), points: vec![Point { at, value }] };
        Ok(Answer::of(vec![series], TimeDelta::minutes(1), query))
    }
}
