//! What programs send: Alertmanager's notifications, and alerts in a form of our own.

use super::records::Source;
use chrono::{DateTime, Utc};
use commands::text;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The most alerts that one request may bring.
pub const MOST: usize = 1_000;

/// The most labels of an alert that are kept, and how long they and other texts may be.
const LABELS: usize = 64;
const LONGEST: usize = 1_000;

/// The alerts of one request.
#[derive(Debug, Default, PartialEq)]
pub struct Batch {
    pub heard: Vec<Heard>,
    /// How many more there were, which could not be read or were too many.
    pub left_out: usize,
}

/// An alert as it was sent.
#[derive(Debug, Clone, PartialEq)]
pub struct Heard {
    pub fingerprint: String,
    pub name: String,
    pub severity: String,
    pub says: String,
    pub labels: BTreeMap<String, String>,
    pub page: Option<String>,
    /// Since when it fires, by who sent it.
    pub since: Option<DateTime<Utc>>,
    /// Whether it does not fire any more.
    pub over: bool,
    pub from: Source,
}

/// A notification of Alertmanager, by "Configuration: webhook_config", version 4.
#[derive(Deserialize)]
struct Notification {
    version: String,
    /// Each is read for itself: what is wrong with one takes nothing from the others.
    alerts: Vec<Value>,
    /// How many Alertmanager has not sent, by its `max_alerts`.
    #[serde(rename = "truncatedAlerts", default)]
    truncated: usize,
}

#[derive(Deserialize)]
struct Sent {
    status: Status,
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(rename = "startsAt")]
    starts_at: DateTime<Utc>,
    #[serde(rename = "generatorURL", default)]
    generator: String,
    fingerprint: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Status {
    #[default]
    Firing,
    Resolved,
}

/// One alert in our own form.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Own {
    name: String,
    #[serde(default)]
    state: Status,
    #[serde(default)]
    id: String,
    #[serde(default)]
    severity: String,
    service: Option<String>,
    environment: Option<String>,
    #[serde(default)]
    says: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    page: Option<String>,
    since: Option<DateTime<Utc>>,
}

/// The alerts of a notification of Alertmanager, the first [`MOST`] of them. What is refused it sends never again, so all that
/// can be read is taken.
///
/// # Errors
/// A sentence that says what is wrong, for whoever looks at the sender's log.
pub fn of_alertmanager(body: &[u8]) -> Result<Batch, String> {
    let Notification { version, alerts, truncated } =
        serde_json::from_slice(body).map_err(|error| format!("This is no notification of Alertmanager: {error}."))?;
    if version != "4" {
        return Err(format!("Version {} of a notification is not known; 4 is.", text::code(&version)));
    }
    let heard = |sent: Sent| {
        let said = |names: &[&str]| names.iter().find_map(|name| sent.annotations.get(*name)).map(|it| short(it));
        let label = |name: &str| sent.labels.get(name).map(|it| short(it)).unwrap_or_default();
        Heard {
            fingerprint: sent.fingerprint.clone(),
            // An alert needs none there.
            name: Some(label("alertname"))
                .filter(|name| !name.trim().is_empty())
                .unwrap_or_else(|| "unnamed".to_owned()),
            severity: label("severity"),
            says: said(&["summary", "description", "message"]).unwrap_or_default(),
            page: page(said(&["runbook_url"]).as_deref().unwrap_or(&sent.generator)),
            since: Some(sent.starts_at),
            over: sent.status == Status::Resolved,
            labels: bounded(sent.labels),
            from: Source::Alertmanager,
        }
    };
    let all = alerts.len().saturating_add(truncated);
    let good = alerts.into_iter().filter_map(|sent| serde_json::from_value(sent).ok()).map(heard);
    let heard: Vec<_> = good.filter(|it| is_fingerprint(&it.fingerprint)).take(MOST).collect();
    Ok(Batch { left_out: all - heard.len(), heard })
}

/// The alerts that any other program sends.
///
/// # Errors
/// As [`of_alertmanager`]. A program reads what it is answered: one alert that is wrong refuses all.
pub fn of_a_program(body: &[u8], services: &[String], environments: &[String]) -> Result<Batch, String> {
    let wrong = |error: serde_json::Error| {
        format!(
            "This is no alert, nor a list of some: {error}. Send for example {{\"name\": \"DiskFull\", \"state\": \"firing\", \"service\": \"hello\"}}."
        )
    };
    let sent: Vec<Own> = match serde_json::from_slice(body).map_err(wrong)? {
        list @ Value::Array(_) => serde_json::from_value(list).map_err(wrong)?,
        one => vec![serde_json::from_value(one).map_err(wrong)?],
    };
    let known = |what: &str, named: &Option<String>, known: &[String]| match named {
        Some(name) if !known.contains(name) => {
            Err(format!("There is no {what} {}. There are: {}.", text::code(name), text::list(known)))
        }
        _ => Ok(()),
    };
    let heard = |own: Own| {
        known("service", &own.service, services)?;
        known("environment", &own.environment, environments)?;
        let mut labels = own.labels;
        labels.extend(own.service.map(|service| ("service".to_owned(), service)));
        labels.extend(own.environment.map(|environment| ("environment".to_owned(), environment)));
        let labels = bounded(labels);
        let parts = if own.id.is_empty() { serde_json::json!([own.name, labels]) } else { serde_json::json!([own.id]) };
        Ok(Heard {
            fingerprint: format!("{:x}", Sha256::digest(parts.to_string())).chars().take(16).collect(),
            name: short(&own.name),
            severity: short(&own.severity),
            says: short(&own.says),
            labels,
            page: own.page.as_deref().and_then(page),
            since: own.since,
            over: own.state == Status::Resolved,
            from: Source::Program,
        })
    };
    if sent.len() > MOST {
        return Err(format!("{} alerts at once are too many; send {MOST} at the most.", sent.len()));
    }
    if sent.iter().any(|own| own.name.trim().is_empty()) {
        return Err("An alert has no name, so none was taken in.".to_owned());
    }
    Ok(Batch { heard: sent.into_iter().map(heard).collect::<Result<_, String>>()?, left_out: 0 })
}

fn is_fingerprint(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// The first labels, none of them long.
fn bounded(labels: BTreeMap<String, String>) -> BTreeMap<String, String> {
    labels.into_iter().take(LABELS).map(|(name, value)| (short(&name), short(&value))).collect()
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

fn page(address: &str) -> Option<String> {
    let good = address.starts_with("https://") && address.bytes().all(|byte| byte.is_ascii_graphic());
    good.then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_of_alertmanager_is_read() {
        let body = r#"{"version":"4","groupKey":"{}:{}","truncatedAlerts":0,"status":"firing","receiver":"deckhand",
            "groupLabels":{},"commonLabels":{},"commonAnnotations":{},"externalURL":"http://am:9093","alerts":[
            {"status":"resolved","labels":{"alertname":"HighErrorRate","severity":"critical","service":"hello"},
             "annotations":{"summary":"5 % fail"},"startsAt":"2026-03-02T08:59:00.5Z","endsAt":"2026-03-02T09:00:00Z",
             "generatorURL":"http://prometheus:9090/graph","fingerprint":"0f4a1c2b3d4e5f60"}]}"#;
        let heard = of_alertmanager(body.as_bytes()).unwrap().heard;
        let [it] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!((&*it.name, &*it.severity, &*it.says, it.over), ("HighErrorRate", "critical", "5 % fail", true));
        assert_eq!((&*it.fingerprint, it.page.as_deref()), ("0f4a1c2b3d4e5f60", None));
    }

    #[test]
    fn what_is_wrong_with_one_alert_takes_nothing_from_the_others() {
        let alert = |labels: Value, fingerprint: &str| {
            serde_json::json!({
                "status": "firing", "labels": labels, "startsAt": "2026-03-02T08:59:00Z", "fingerprint": fingerprint,
            })
        };
        let body = |alerts: Vec<Value>| {
            serde_json::json!({ "version": "4", "truncatedAlerts": 5, "alerts": alerts }).to_string().into_bytes()
        };
        let named = serde_json::json!({ "alertname": "HighErrorRate" });
        let some = vec![
            alert(serde_json::json!({ "job": "hello" }), "0f4a"),
            alert(named.clone(), "../x"),
            serde_json::json!({ "status": "firing" }),
            alert(named.clone(), "0f4b"),
        ];
        let Batch { heard, left_out } = of_alertmanager(&body(some)).unwrap();
        let names: Vec<_> = heard.iter().map(|it| (&*it.name, &*it.fingerprint)).collect();
        assert_eq!((names, left_out), (vec![("unnamed", "0f4a"), ("HighErrorRate", "0f4b")], 2 + 5));
        let many = (0..MOST + 3).map(|at| alert(named.clone(), &format!("{at:x}"))).collect();
        let Batch { heard, left_out } = of_alertmanager(&body(many)).unwrap();
        assert_eq!((heard.len(), left_out), (MOST, 3 + 5));
    }

    #[test]
    fn what_is_no_alert_is_refused_with_what_to_send() {
        let (services, environments) = (["hello".to_owned()], ["staging".to_owned()]);
        let own = |body: &str| of_a_program(body.as_bytes(), &services, &environments);
        for (body, says) in [
            ("", "no alert"),
            ("{}", "no alert"),
            (r#"{"name": ""}"#, "has no name"),
            (r#"{"name": "x", "stat": "firing"}"#, "no alert"),
            (r#"{"name": "x", "service": "shop`"}"#, "There is no service `shop'`. There are: `hello`."),
            (r#"{"name": "x", "environment": "prod"}"#, "There is no environment `prod`. There are: `staging`."),
        ] {
            let refused = own(body).unwrap_err();
            assert!(refused.contains(says), "{body}: {refused}");
        }
        assert!(of_alertmanager(br#"{"version":"3","alerts":[]}"#).unwrap_err().contains("`3`"));
        let one =
            own(r#"{"name": "DiskFull", "service": "hello", "page": "javascript:alert(1)"}"#).unwrap().heard.remove(0);
        assert_eq!((one.page, one.labels["service"].as_str()), (None, "hello"));
    }

    #[test]
    fn an_alert_is_the_same_by_its_labels_or_by_its_own_id() {
        let print =
            |body: &str| of_a_program(body.as_bytes(), &["a".to_owned()], &[]).unwrap().heard.remove(0).fingerprint;
        assert_eq!(print(r#"{"name": "x", "says": "1"}"#), print(r#"{"name": "x", "says": "2", "state": "resolved"}"#));
        assert_ne!(print(r#"{"name": "x"}"#), print(r#"{"name": "x", "service": "a"}"#));
        assert_eq!(print(r#"{"name": "x", "id": "7"}"#), print(r#"{"name": "y", "id": "7"}"#));
    }
}
