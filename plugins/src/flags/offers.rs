//! What flags say in a digest: which were changed, and which somebody should look at.

use super::Flags;
use super::snapshot::ALL;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use commands::ledger::{Phase, Query};
use commands::offer::{Offers, Section};
use commands::text;
use std::collections::BTreeMap;
use std::ops::Range;

/// How many acts are looked at.
const ACTS: usize = 5_000;

/// How many flags are named.
const NAMED: usize = 10;

#[async_trait]
impl Offers for Flags {
    async fn digest(&self, ports: &Ports, span: Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
        let mut lines = self.changed_lines(ports, &span).await?;
        let stale = self.look_for_stale(ports).await?;
        if !stale.is_empty() {
            let names: Vec<_> = stale.iter().take(NAMED).map(|it| format!("`{}` ({})", it.key, it.why)).collect();
            let more = stale.len().saturating_sub(names.len());
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            lines.push(format!("{}: {}{more}.", text::plural(stale.len(), "stale flag"), names.join(", ")));
        }
        let flags = Section { title: "Flags".to_owned(), lines };
        let experiments = Section { title: "Experiments".to_owned(), lines: self.experiments(ports, &span).await? };
        Ok([flags, experiments].into_iter().filter(|section| !section.lines.is_empty()).collect())
    }
}

impl Flags {
    /// A line for each flag that was changed in an environment, the most often first.
    async fn changed_lines(&self, ports: &Ports, span: &Range<DateTime<Utc>>) -> anyhow::Result<Vec<String>> {
        let query = Query {
            verb: Some("flags".to_owned()),
            since: Some(span.start),
            until: Some(span.end),
            ..Query::default()
        };
        let (acts, more) = query.acts(&*ports.store, ACTS).await?;
        let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
        for entry in acts {
            let draft = entry.draft;
            let flag = draft.facts.get("flag").and_then(|flag| flag.as_str());
            // What changed how a flag stands says from what.
            let changes = draft.phase == Phase::Did && draft.facts.contains_key("before");
            if let (Some(flag), Some(environment), true) = (flag, draft.environment, changes) {
                *counts.entry((flag.to_owned(), environment)).or_default() += 1;
            }
        }
        let snapshot = self.live.get(ports).await?;
        let all = counts.len();
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let line = |((key, environment), count): ((String, String), usize)| {
            let on = snapshot.served(&environment, ALL).and_then(|it| it.find(&key)).is_some_and(|it| it.on);
            let is = if on { "on" } else { "off" };
            format!("`{key}` in `{environment}`: {}, is {is} now.", text::plural(count, "change"))
        };
        let mut lines: Vec<_> = counts.into_iter().take(NAMED).map(line).collect();
        if all > NAMED || more {
            lines.push(format!(
                "{} were changed in all{}.",
                text::plural(all, "flag"),
                if more { ", and more" } else { "" }
            ));
        }
        Ok(lines)
    }
}
