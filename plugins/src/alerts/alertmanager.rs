//! Alertmanager's API, version 2: what it knows of its alerts, and silences.

use super::records::Firing;
use crate::words;
use anyhow::{Context, bail};
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Permit;
use commands::cx::Ports;
use commands::ledger::Entry;
use commands::text;
use config::Section;
use http::{Method, Request, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

/// How much of an answer is read: thousands of alerts.
const LIMIT: usize = 16 << 20;

/// Where it is, and who asks.
pub struct Alertmanager {
    url: String,
    /// The header that says who asks; a secret.
    authorization: Option<String>,
    /// How often it is asked.
    pub every: Duration,
    timeout: Duration,
    /// What it calls Deckhand, where it is to be asked for alerts whose notifications got lost.
    receiver: Option<String>,
}

/// What it says of its alerts.
#[derive(Default)]
pub struct Alerts {
    /// By fingerprint, until when each is silenced, where it is.
    pub known: HashMap<String, Option<DateTime<Utc>>>,
    /// Those that fire and are meant for Deckhand, as a notification has them.
    pub meant: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Known {
    fingerprint: String,
    status: Status,
    #[serde(default)]
    starts_at: Option<DateTime<Utc>>,
    #[serde(default)]
    receivers: Vec<Receiver>,
}

#[derive(Deserialize)]
struct Receiver {
    name: String,
}

/// For how long an alert has to have fired until its notification counts as lost: Alertmanager groups for some minutes.
const LOST: TimeDelta = TimeDelta::minutes(10);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    #[serde(default)]
    silenced_by: Vec<String>,
    #[serde(default)]
    state: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Silenced {
    id: String,
    ends_at: DateTime<Utc>,
    comment: String,
    status: State,
}

#[derive(Deserialize)]
struct State {
    state: String,
}

#[derive(Deserialize)]
struct Made {
    #[serde(rename = "silenceID")]
    id: String,
}

impl Alertmanager {
    /// Reads `url`, `authorization`, `every`, `timeout` and `receiver`.
    pub fn read(section: Section<'_>) -> Option<Alertmanager> {
        if !section.has("url") {
            section.required_text("url");
        }
        let url = section.url("url");
        let authorization = section.text("authorization");
        if authorization.as_ref().is_some_and(|it| http::HeaderValue::from_str(it).is_err()) {
            section.problem("authorization", "this can not be sent", "write for example `\"Bearer ${ALERTS_TOKEN}\"`");
        } else if authorization.is_some() && url.as_deref().is_some_and(config::address::is_in_the_clear) {
            let instead = "begin the `url` with `https://`";
            section.problem("authorization", "it would be sent for everybody to read", instead);
        }
        let every = section.duration("every").unwrap_or(Duration::from_secs(30));
        if every < Duration::from_secs(1) {
            section.problem("every", "it would be asked all the time", "write `every = \"1s\"` or more");
        }
        let timeout = section.duration("timeout").unwrap_or(Duration::from_secs(10));
        let receiver = section.text("receiver");
        section.finish();
        let url = url?.trim_end_matches('/').to_owned();
        Some(Alertmanager { url, authorization, every, timeout, receiver })
    }

    /// The alerts that it has.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn alerts(&self, ports: &Ports) -> anyhow::Result<Alerts> {
        let told: Vec<Value> = self.get(ports, "/api/v2/alerts").await?;
        let silences: HashMap<_, _> = self.silences(ports).await?.into_iter().map(|it| (it.id, it.ends_at)).collect();
        let mut alerts = Alerts::default();
        for mut told in told {
            let it = Known::deserialize(&told)?;
            let until = it.status.silenced_by.iter().filter_map(|id| silences.get(id)).max().copied();
            let is_meant = it.receivers.iter().any(|receiver| Some(&receiver.name) == self.receiver.as_ref());
            let is_late = it.starts_at.is_some_and(|since| ports.clock.now() - since >= LOST);
            if is_meant && is_late && it.status.state == "active" {
                told["status"] = json!("firing");
                alerts.meant.push(told);
            }
            alerts.known.insert(it.fingerprint, until);
        }
        Ok(alerts)
    }

    /// The ids of the silences that are not over.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn silent(&self, ports: &Ports) -> anyhow::Result<HashSet<String>> {
        let silences = self.silences(ports).await?.into_iter();
        Ok(silences.filter(|it| it.status.state != "expired").map(|it| it.id).collect())
    }

    /// The id of the silence that the act of this entry has made, where it has, and whether it is silent still.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn made_by(&self, ports: &Ports, entry: &Entry) -> anyhow::Result<Option<(String, bool)>> {
        let mark = mark(entry);
        let found = self.silences(ports).await?.into_iter().filter(|it| it.comment.ends_with(&mark));
        let found = found.map(|it| (it.id, it.status.state != "expired"));
        Ok(found.max_by_key(|(_, silent)| *silent))
    }

    /// Whether the silence of this id is one still.
    ///
    /// # Errors
    /// When it does not say.
    pub async fn is_silent(&self, ports: &Ports, id: &str) -> anyhow::Result<bool> {
        Ok(self.silent(ports).await?.contains(id))
    }

    /// Silences this very alert, instead of a silence that there is, and returns the silence's id. The comment finds it again.
    ///
    /// # Errors
    /// When it was not silenced, or nobody knows.
    pub async fn silence(
        &self,
        ports: &Ports,
        permit: &Permit,
        alert: &Firing,
        (until, because): (DateTime<Utc>, &str),
        instead_of: Option<&str>,
    ) -> anyhow::Result<String> {
        let matcher = |(name, value): (&String, &String)| json!({ "name": name, "value": value, "isRegex": false, "isEqual": true });
        let mut body = json!({
            "matchers": alert.labels.iter().map(matcher).collect::<Vec<_>>(),
            "startsAt": permit.entry().draft.at,
            "endsAt": until,
            "createdBy": permit.entry().draft.who,
            "comment": format!("{because} {}", mark(permit.entry())),
        });
        if let Some(id) = instead_of {
            body["id"] = json!(id);
        }
        let request = self.request(Method::POST, "/api/v2/silences", Some(body))?;
        let sent = ports.http.send(permit, request, self.timeout, LIMIT).await;
        let is_lost = sent.as_ref().map_or(true, |answer| answer.status().is_server_error());
        // It may have come through all the same: a proxy gives up before Alertmanager does.
        if is_lost && let Ok(Some((id, true))) = self.made_by(ports, permit.entry()).await {
            return Ok(id);
        }
        Ok(read::<Made>(&sent.context("it can not be asked")?)?.id)
    }

    /// Ends a silence. One that has ended already is none to end.
    ///
    /// # Errors
    /// When it did not take that.
    pub async fn unsilence(&self, ports: &Ports, permit: &Permit, id: &str) -> anyhow::Result<()> {
        let path = format!("/api/v2/silence/{}", words::encoded(id));
        let request = self.request(Method::DELETE, &path, None)?;
        let answer = ports.http.send(permit, request, self.timeout, LIMIT).await.context("it can not be asked")?;
        if !answer.status().is_success() && self.is_silent(ports, id).await? {
            bail!("it answers {}", said(&answer));
        }
        Ok(())
    }

    async fn silences(&self, ports: &Ports) -> anyhow::Result<Vec<Silenced>> {
        self.get(ports, "/api/v2/silences").await
    }

    async fn get<T: DeserializeOwned>(&self, ports: &Ports, path: &str) -> anyhow::Result<T> {
        let request = self.request(Method::GET, path, None)?;
        read(&ports.http.read(request, self.timeout, LIMIT).await.context("it can not be asked")?)
    }

    fn request(&self, method: Method, path: &str, body: Option<Value>) -> anyhow::Result<Request<Bytes>> {
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        Ok(match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Bytes::from(body.to_string()))?
            }
            None => request.body(Bytes::new())?,
        })
    }
}

/// What marks a silence as made by the act of this entry. Numbers of acts are another Deckhand's, too.
fn mark(entry: &Entry) -> String {
    let ours = entry.hash.get(..12).unwrap_or(&entry.hash);
    format!("(Deckhand #{} {ours})", entry.seq)
}

fn read<T: DeserializeOwned>(answer: &http::Response<Bytes>) -> anyhow::Result<T> {
    if !answer.status().is_success() {
        bail!("it answers {}", said(answer));
    }
    serde_json::from_slice(answer.body()).context("it answers something that is not Alertmanager's")
}

/// The status of an answer, and the beginning of what it says.
fn said(answer: &http::Response<Bytes>) -> String {
    let body = String::from_utf8_lossy(&answer.body()[..answer.body().len().min(1_000)]).into_owned();
    let body = if body.trim().is_empty() { String::new() } else { format!(": {}", text::code(body.trim())) };
    format!("{}{body}", answer.status().as_u16())
}

/// The labels as people write them, fit to be shown.
pub fn labels(labels: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = labels.iter().map(|(name, value)| format!("{name}={value}")).collect();
    text::cut(&text::plain(&pairs.join(", ")), 400)
}
