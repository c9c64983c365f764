//! By which definitions DORA's measures are taken: `[metrics.dora]`.

use config::Section;
use serde::{Deserialize, Serialize};

/// The definitions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rules {
    /// What the change fail rate counts.
    pub fails: Fails,
    /// From when on a change waits.
    pub lead_from: LeadFrom,
}

/// What the change fail rate counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Fails {
    /// Deployments that failed, as dora.dev has it.
    #[default]
    Deployments,
    /// Incidents, as GitLab has it: it can be more than 100 %.
    Incidents,
}

/// From when on a change waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeadFrom {
    /// From its commit, as dora.dev has it.
    #[default]
    Commit,
    /// From its merge, as GitLab has it.
    Merge,
}

impl Rules {
    /// Reads the table `dora` of the section.
    pub fn read(section: &Section<'_>) -> Rules {
        let Some(table) = section.table("dora") else { return Rules::default() };
        let gitlab = table.choice("definitions", &["dora", "gitlab"]).as_deref() == Some("gitlab");
        let merge = match table.choice("lead-from", &["commit", "merge"]).as_deref() {
            Some(from) => from == "merge",
            None => gitlab,
        };
        table.finish();
        Rules {
            fails: if gitlab { Fails::Incidents } else { Fails::Deployments },
            lead_from: if merge { LeadFrom::Merge } else { LeadFrom::Commit },
        }
    }
}
