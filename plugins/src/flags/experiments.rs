//! What the experiments of a span of time came to: rollouts that ended or are held, each with how and why.

use super::Flags;
use super::model::setting_name;
use super::rollout::ROLLOUTS;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use commands::ledger::{Draft, Phase, Query};
use commands::text;
use std::collections::BTreeMap;
use std::ops::Range;

/// How many acts are looked at.
const ACTS: usize = 5_000;

/// The acts by which a rollout goes on or ends.
const VERBS: [&str; 3] = ["flags.step", "flags.abort", "flags.hold"];

impl Flags {
    /// A line for each rollout that ended within the span, or is held since then.
    ///
    /// # Errors
    /// When the ledger can not be read.
    pub(super) async fn experiments(&self, ports: &Ports, span: &Range<DateTime<Utc>>) -> anyhow::Result<Vec<String>> {
        let query = Query {
            verb: Some("flags".to_owned()),
            since: Some(span.start),
            until: Some(span.end),
            ..Query::default()
        };
        let (acts, _) = query.acts(&*ports.store, ACTS).await?;
        // The newest come first, and only the last act of each rollout says what it came to.
        let mut last: BTreeMap<(String, String), Draft> = BTreeMap::new();
        for entry in acts {
            let draft = entry.draft;
            let key = draft.facts.get("flag").and_then(|flag| flag.as_str()).map(str::to_owned);
            let counts = draft.phase == Phase::Did && VERBS.contains(&&*draft.verb);
            if let (Some(key), Some(environment), true) = (key, draft.environment.clone(), counts) {
                last.entry((environment, key)).or_insert(draft);
            }
        }
        let mut lines = Vec::new();
        for ((environment, key), draft) in last {
            let goes_on = ROLLOUTS.get(&*ports.store, setting_name(&environment, &key)).await?;
            let what = draft.object.strip_prefix(&format!("{key}: ")).unwrap_or(&draft.object);
            let came = match (&*draft.verb, goes_on.map(|rollout| rollout.value)) {
                ("flags.abort", _) => format!("was taken back ({})", text::plain(what)),
                ("flags.hold", Some(held)) => {
                    let at = held.steps.get(held.done.saturating_sub(1)).copied().unwrap_or_default();
                    format!("is held at {at} %")
                }
                ("flags.step", None) => format!("came to its end ({})", text::plain(what)),
                _ => continue,
            };
            let why = if draft.why.is_empty() { String::new() } else { format!(": {}", text::code(&draft.why)) };
            lines.push(format!("The rollout of `{key}` in `{environment}` {came}{why}."));
        }
        Ok(lines)
    }
}
