//! Grants: rights that one person lends another for a while.

use chrono::{DateTime, Utc};
use commands::act::Permit;
use commands::policy::{Pattern, Rule};
use commands::registry::Registry;
use commands::store::Read;
use commands::table::Table;
use commands::vocabulary::Vocabulary;
use serde::{Deserialize, Serialize};

/// The grants, by the number of the act that made each.
pub const GRANTS: Table<Grant> = Table::new("grants/");

/// A right that is lent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// Who lends it.
    pub from: String,
    /// To whom.
    pub to: String,
    /// For what, as in a rule of the config: `deploy ship env=staging`.
    pub may: String,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Why.
    pub why: String,
}

/// The name under which the grant of this act is kept: in the order in which they were made.
pub fn name(act: u64) -> String {
    format!("{act:012}")
}

/// Stages the end of every grant that is over, so that the table stays small.
pub async fn prune(store: &dyn Read, now: DateTime<Utc>, permit: &Permit) -> anyhow::Result<()> {
    for (name, grant) in GRANTS.scan(store, "", usize::MAX).await? {
        if grant.value.until <= now {
            permit.delete(GRANTS.key(name));
        }
    }
    Ok(())
}

/// All grants as rules of the policy. One whose command is gone (its plugin was switched off) allows nothing.
pub async fn rules(store: &dyn Read, registry: &Registry, vocabulary: &Vocabulary) -> anyhow::Result<Vec<Rule>> {
    let grants = GRANTS.scan(store, "", usize::MAX).await?;
    let rule = |(name, grant): (String, commands::table::Versioned<Grant>)| {
        let Grant { from, to, may, until, .. } = grant.value;
        let pattern = Pattern::parse(&may, registry, vocabulary)
            .inspect_err(|error| tracing::warn!("grant {name}: {error}"))
            .ok()?;
        Some(Rule {
            source: format!("grant #{}", name.trim_start_matches('0')),
            allow: true,
            pattern,
            to: vec![to],
            channels: Vec::new(),
            during: None,
            confirm: false,
            code: None,
            approve: None,
            lender: Some(from),
            until: Some(until),
        })
    };
    Ok(grants.into_iter().filter_map(rule).collect())
}
