//! What metrics say in a digest: DORA's line of each service; and `/metrics digest`, a digest of metrics alone.

use super::Metrics;
use super::catalog::NONE;
use super::dora::{self, Target};
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::{Cx, Ports};
use commands::offer;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use serde::Deserialize;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

/// How far back is told of where nobody says.
const USUAL: Duration = Duration::from_secs(86_400);

/// The shortest time that is told of, and the longest, as that of digests.
const LONG: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(35 * 86_400);

#[derive(Deserialize)]
struct DigestArgs {
    last: Option<Duration>,
}

impl Metrics {
    /// How the measures of this channel went, and DORA's figures, now.
    pub(super) async fn digest_now(&self, cx: &Cx) -> Result<Reply> {
        let DigestArgs { last } = cx.args()?;
        let last = last.unwrap_or(USUAL);
        if !LONG.contains(&last) {
            return Err(Stop::refuse("That is no time for a digest. Write `last` from `1m` to `35d`."));
        }
        let span = offer::before(cx.now(), last);
        let overview = self.overview_of(cx.ports(), &cx.call().place, span.clone()).await?;
        let dora = self.dora_lines(cx.ports(), &span).await?;
        if overview.is_none() && dora.is_empty() {
            return Err(Stop::refuse(format!("There is nothing to tell. {NONE}")));
        }
        let title = format!("Metrics over {}", config::duration::show(last));
        let lines = overview.as_ref().map(|overview| overview.lines.join("\n")).unwrap_or_default();
        let mut reply = Reply::card(Tone::Plain, title, lines);
        reply.files.extend(overview.and_then(|overview| overview.picture));
        Ok(if dora.is_empty() { reply } else { reply.field("DORA", dora.join("\n")) })
    }

    /// A line of each service that was deployed, to the last environment in the order of promotion.
    ///
    /// # Errors
    /// When the deployments can not be read.
    pub(super) async fn dora_lines(&self, ports: &Ports, span: &Range<DateTime<Utc>>) -> anyhow::Result<Vec<String>> {
        let Some(environment) = ports.vocabulary.environments.last() else { return Ok(Vec::new()) };
        let date = |at: DateTime<Utc>| at.with_timezone(&ports.vocabulary.zone).date_naive();
        // The end of a span is not in it.
        let days = date(span.start)..=date(span.end - TimeDelta::milliseconds(1));
        let mut lines = Vec::new();
        for service in &ports.vocabulary.services {
            let target = Target { service: service.clone(), environment: environment.clone() };
            let figures = self.figures(ports, &target, &days).await?;
            if figures.deployments > 0 {
                lines.push(dora::line(&target, &figures, self.settings.rules));
            }
        }
        Ok(lines)
    }
}
