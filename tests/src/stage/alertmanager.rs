//! Prometheus' Alertmanager as plain data with knobs: what it notifies of, and its API, version 2, as far as that is used.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{Method, Request, Response};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Where it is.
pub const HOST: &str = "alertmanager.example";

const TOKEN: &str = "alerts_of_the_tests_0123456789";

/// Alertmanager, and a program that sends alerts in Deckhand's own form.
#[derive(Debug, Default)]
pub struct Alertmanager {
    /// Its alerts that fire, by name: since when, and their labels.
    alerts: BTreeMap<String, (DateTime<Utc>, Value)>,
    silences: Vec<Silence>,
    /// What is to be sent.
    messages: Vec<Request<Bytes>>,
    away: bool,
    /// Whether the next answer gets lost, after what was asked has been done.
    mute: bool,
    /// What the next answer says, after what was asked has been done.
    fault: Option<u16>,
    amiss: Vec<String>,
}

#[derive(Debug)]
struct Silence {
    told: Value,
    ended: bool,
}

impl Silence {
    fn is_active(&self, now: DateTime<Utc>) -> bool {
        let ends = self.told["endsAt"].as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        !self.ended && ends.is_some_and(|ends| ends > now)
    }

    fn fits(&self, labels: &Value) -> bool {
        let matchers = self.told["matchers"].as_array().cloned().unwrap_or_default();
        matchers.iter().all(|it| labels[it["name"].as_str().unwrap_or_default()] == it["value"])
    }
}

impl Alertmanager {
    /// Carries out a stage direction; false if it is none of Alertmanager's.
    pub fn direct(&mut self, direction: &str, now: DateTime<Utc>) -> bool {
        let words: Vec<_> = direction.split(' ').collect();
        match words[..] {
            ["Alertmanager", "says", "that", ref names @ .., "fires", "for", service, "in", environment]
            | ["Alertmanager", "says", "that", ref names @ .., "fire", "for", service, "in", environment] => {
                let names: Vec<_> = names.iter().filter(|name| **name != "and").collect();
                for name in &names {
                    let labels = json!({
                        "alertname": name, "severity": "critical", "job": service, "env": environment, "instance": "10.0.0.7:80",
                    });
                    self.alerts.entry((**name).to_owned()).or_insert((now - TimeDelta::seconds(30), labels));
                }
                let sent: Vec<_> = names.iter().map(|name| self.sent(name, "firing")).collect();
                self.notify(&sent);
            }
            ["Alertmanager", "says", "that", name, "is", "over"] => {
                let sent = self.sent(name, "resolved");
                self.alerts.remove(name);
                self.notify(&[sent]);
            }
            ["Alertmanager", "says", "nothing", "of", "it,", "but", name, "is", "over"] => _ = self.alerts.remove(name),
            [
                "Alertmanager",
                "says",
                "nothing",
                "of",
                "it,",
                "but",
                name,
                "fires",
                "for",
                service,
                "in",
                environment,
            ] => {
                let labels = json!({ "alertname": name, "severity": "critical", "job": service, "env": environment });
                self.alerts.insert(name.to_owned(), (now, labels));
            }
            ["somebody", "ends", "all", "silences", "at", "Alertmanager"] => {
                self.silences.iter_mut().for_each(|silence| silence.ended = true);
            }
            ["Alertmanager", "is", "away"] => self.away = true,
            ["Alertmanager", "is", "there", "again"] => self.away = false,
            ["Alertmanager's", "next", "answer", "is", "lost"] => self.mute = true,
            ["Alertmanager", "answers", status, "next"] => self.fault = status.parse().ok(),
            ["Alertmanager", "says", "that", count, "alerts", "fire", "at", "once"] => {
                let count = count.parse().unwrap_or_default();
                let alert = |at: u32| {
                    json!({
                        "status": "firing", "labels": { "alertname": format!("Flood{at}") }, "startsAt": now.to_rfc3339(),
                        "fingerprint": format!("{at:016x}"),
                    })
                };
                self.notify(&(0..count).map(alert).collect::<Vec<_>>());
            }
            ["a", "program", "sends", ..] => {
                let body = words[3..].join(" ");
                self.send("/hooks/alerts", TOKEN, body);
            }
            ["somebody", "without", "the", "token", "sends", ..] => {
                self.send("/hooks/alerts", "guessed", words[5..].join(" "));
            }
            _ => return false,
        }
        true
    }

    fn sent(&self, name: &str, status: &str) -> Value {
        let (since, labels) = self.alerts.get(name).cloned().unwrap_or_default();
        json!({
            "status": status,
            "labels": labels,
            "annotations": { "summary": "5 % of requests fail `@everyone`\u{202e}", "runbook_url": format!("https://runbooks.example/{name}") },
            "startsAt": since.to_rfc3339(),
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example/graph",
            "fingerprint": fingerprint(name),
        })
    }

    fn notify(&mut self, alerts: &[Value]) {
        let body = json!({ "version": "4", "status": "firing", "receiver": "deckhand", "alerts": alerts });
        self.send("/hooks/alertmanager", TOKEN, body.to_string());
    }

    fn send(&mut self, path: &str, token: &str, body: String) {
        let request = Request::post(path).header("authorization", format!("Bearer {token}"));
        self.messages.extend(request.body(Bytes::from(body)));
    }

    /// What it and others send, since that was asked last.
    pub fn messages(&mut self) -> Vec<Request<Bytes>> {
        std::mem::take(&mut self.messages)
    }

    /// Answers a request.
    ///
    /// # Errors
    /// While it is away, or when its answer is lost.
    pub fn answer(&mut self, request: &Request<Bytes>, now: DateTime<Utc>) -> anyhow::Result<Response<Bytes>> {
        anyhow::ensure!(!self.away, "Connection refused (os error 111)");
        let (status, body) = self.decide(request, now);
        let status = self.fault.take().unwrap_or(status);
        anyhow::ensure!(!std::mem::take(&mut self.mute), "connection reset by peer");
        Ok(Response::builder().status(status).body(Bytes::from(body.to_string()))?)
    }

    fn decide(&mut self, request: &Request<Bytes>, now: DateTime<Utc>) -> (u16, Value) {
        let path: Vec<_> = request.uri().path().split('/').skip(1).collect();
        match (request.method(), &path[..]) {
            (&Method::GET, ["api", "v2", "alerts"]) => {
                let alert = |(name, (since, labels)): (&String, &(DateTime<Utc>, Value))| {
                    let silent =
                        self.silences.iter().enumerate().filter(|(_, it)| it.is_active(now) && it.fits(labels));
                    let ids: Vec<_> = silent.map(|(at, _)| id(at)).collect();
                    let state = if ids.is_empty() { "active" } else { "suppressed" };
                    json!({
                        "fingerprint": fingerprint(name), "labels": labels, "startsAt": since.to_rfc3339(),
                        "annotations": {}, "receivers": [{ "name": "deckhand" }],
                        "status": { "state": state, "silencedBy": ids },
                    })
                };
                (200, self.alerts.iter().map(alert).collect())
            }
            (&Method::GET, ["api", "v2", "silences"]) => {
                let silence = |(at, it): (usize, &Silence)| {
                    let state = if it.is_active(now) { "active" } else { "expired" };
                    let mut told = it.told.clone();
                    told["id"] = json!(id(at));
                    told["status"] = json!({ "state": state });
                    told
                };
                (200, self.silences.iter().enumerate().map(silence).collect())
            }
            (&Method::POST, ["api", "v2", "silences"]) => {
                let told: Value = serde_json::from_slice(request.body()).unwrap_or_default();
                for key in ["matchers", "startsAt", "endsAt", "createdBy", "comment"] {
                    if told[key].is_null() {
                        self.amiss.push(format!("Alertmanager was sent a silence without `{key}`"));
                    }
                }
                // One that is named gives way to this.
                let before = self.silences.iter().enumerate().position(|(at, _)| told["id"] == id(at));
                before.into_iter().for_each(|at| self.silences[at].ended = true);
                self.silences.push(Silence { told, ended: false });
                (200, json!({ "silenceID": id(self.silences.len() - 1) }))
            }
            (&Method::DELETE, ["api", "v2", "silence", wanted]) => {
                match self.silences.iter_mut().enumerate().find(|(at, _)| id(*at) == *wanted) {
                    Some((_, silence)) => {
                        silence.ended = true;
                        (200, Value::Null)
                    }
                    None => (404, json!("silence not found")),
                }
            }
            _ => {
                self.amiss.push(format!("Alertmanager was asked {} {}", request.method(), request.uri()));
                (404, Value::Null)
            }
        }
    }

    /// What was asked of it that nobody should ask.
    pub fn amiss(&self) -> Vec<String> {
        self.amiss.clone()
    }
}

fn id(at: usize) -> String {
    format!("5f3a0000-0000-4000-8000-00000000000{at}")
}

/// An alert's fingerprint: 16 hexadecimal digits, as they are there.
fn fingerprint(name: &str) -> String {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    format!("{:016x}", name.bytes().fold(0xcbf2_9ce4_8422_2325, mix))
}
