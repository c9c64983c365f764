//! What the plugin keeps: the alerts that fire, and which of them nobody is to be woken by.

use chrono::{DateTime, Utc};
use commands::offer::Alert;
use commands::store::Read;
use commands::table::{Table, Versioned};
use commands::text;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The alerts that fire, by fingerprint.
pub const FIRING: Table<Firing> = Table::new("alerts/firing/");

/// The last silence of each alert, by fingerprint.
pub const SILENCES: Table<Silence> = Table::new("alerts/silences/");

/// An alert that fires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Firing {
    /// What names it, alone of all.
    pub fingerprint: String,
    /// What it is called.
    pub name: String,
    /// How bad it is, in the words of who sent it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub severity: String,
    /// What it is about, where that is known.
    pub service: Option<String>,
    /// Where, where that is known.
    pub environment: Option<String>,
    /// What is wrong, in the words of who sent it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub says: String,
    /// All of its labels.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// Where more is to be seen: an `https://` address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<String>,
    /// Since when it fires.
    pub since: DateTime<Utc>,
    /// When Deckhand was told of it.
    pub told: DateTime<Utc>,
    /// The act that took it in.
    pub act: u64,
    /// Who sent it.
    pub from: Source,
    /// Whether it was told to nobody, as it was silenced when it came.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub silent: bool,
}

/// Who sends alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// Prometheus' Alertmanager.
    Alertmanager,
    /// Any other program.
    Program,
}

/// That nobody is to be woken by an alert for a while.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// What the alert is called.
    pub name: String,
    /// What it is about, where that is known.
    #[serde(default)]
    pub service: Option<String>,
    /// Where, where that is known.
    #[serde(default)]
    pub environment: Option<String>,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Who said so.
    pub who: String,
    /// Why.
    pub because: String,
    /// What Alertmanager calls it, where it is Alertmanager that is silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

impl Firing {
    /// Its name and the beginning of its fingerprint, fit to be shown.
    pub fn title(&self) -> String {
        format!("{} ({})", text::cut(&text::plain(&self.name), 60), self.short())
    }

    /// As much of the fingerprint as tells alerts apart in practice, and as can be typed.
    pub fn short(&self) -> &str {
        self.fingerprint.get(..6).unwrap_or(&self.fingerprint)
    }

    /// It as other plugins are told of it.
    pub fn offered(self, silenced: Option<DateTime<Utc>>) -> Alert {
        Alert {
            fingerprint: self.fingerprint,
            name: self.name,
            severity: self.severity,
            service: self.service,
            environment: self.environment,
            since: self.since,
            says: self.says,
            labels: self.labels,
            silenced,
            act: self.act,
        }
    }
}

/// All alerts that fire, newest first.
///
/// # Errors
/// When the store can not be read.
pub async fn firing(store: &dyn Read) -> anyhow::Result<Vec<Versioned<Firing>>> {
    let all = FIRING.scan(store, "", usize::MAX).await?;
    let mut all: Vec<_> = all.into_iter().map(|(_, firing)| firing).collect();
    all.sort_by(|one, other| (other.value.since, &other.value.name).cmp(&(one.value.since, &one.value.name)));
    Ok(all)
}

/// The silence of an alert, while it lasts.
///
/// # Errors
/// When the store can not be read.
pub async fn silence(
    store: &dyn Read,
    fingerprint: &str,
    now: DateTime<Utc>,
) -> anyhow::Result<Option<Versioned<Silence>>> {
    Ok(SILENCES.get(store, fingerprint).await?.filter(|silence| silence.value.until > now))
}
