//! Since when a source does not answer: each is asked every few minutes, so that whoever is told that it does not hears for how
//! long.

use super::Metrics;
use super::asked::{Asked, Said};
use super::source::UNASKED;
use chrono::{DateTime, Utc};
use commands::cx::{Cx, Ports};
use commands::moment;
use commands::store::Batch;
use commands::table::Table;
use std::collections::BTreeMap;

/// The job that asks, and how often.
pub const JOB: &str = "reach";
pub const EVERY: &str = "*/5 * * * *";

/// Since when each source was seen not to answer, by its name. It is a count, on which nothing rests.
const SILENT: Table<DateTime<Utc>> = Table::new("counts/metrics/silent/");

impl Metrics {
    /// Asks each source for one measure, and notes which do not answer.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub(super) async fn look_at_sources(&self, cx: &Cx) -> anyhow::Result<()> {
        let mut first: BTreeMap<String, Asked> = BTreeMap::new();
        for measure in self.catalog(cx.ports()).await?.measures {
            if let Ok(asked) = Asked::of(&measure, &Said::default(), cx.ports()) {
                first.entry(measure.source_name.clone()).or_insert(asked);
            }
        }
        for (source, asked) in first {
            // Whatever it says, it is not silent: a query may be wrong, or a password.
            let met = asked.at(cx.ports(), cx.now()).await.err();
            let silent = met.is_some_and(|stop| stop.to_string().contains(UNASKED));
            let found = SILENT.get(cx.store(), &source).await?;
            if silent == found.is_some() {
                continue;
            }
            let mut batch = Batch::default();
            match silent {
                true => SILENT.put_in(&mut batch, &source, &cx.now())?,
                false => _ = batch.delete(SILENT.key(&source)),
            }
            cx.keep_counts(batch).await?;
        }
        Ok(())
    }

    /// " It has been so since 07:10 UTC.", where a source was seen not to answer before.
    pub(super) async fn silent_since(&self, ports: &Ports, source: &str) -> String {
        let found = SILENT.get(&*ports.store, source).await.ok().flatten();
        let since = found.map(|found| moment::show(found.value, ports.clock.now(), ports.vocabulary.zone));
        since.map(|since| format!(" It has been so since {since}.")).unwrap_or_default()
    }
}
