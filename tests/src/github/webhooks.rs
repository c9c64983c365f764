//! The webhooks of the stand-in: what GitHub tells of itself, signed as "Validating webhook deliveries" has it, and what can
//! become of that on its way.

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, Mac};
use http::Request;
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::VecDeque;

/// What they are signed with. Tests write it into their configs.
pub const SECRET: &str = "webhooks_of_the_tests_0123456789";

/// What GitHub has to send.
#[derive(Default)]
pub struct Webhooks {
    /// Whether it sends any.
    on: bool,
    /// What is under way, and when it arrives.
    sent: Vec<(DateTime<Utc>, Request<Bytes>)>,
    /// What becomes of the next ones.
    fates: VecDeque<Fate>,
    /// The last one that was not lost.
    last: Option<Request<Bytes>>,
    count: u64,
}

/// What becomes of a webhook on its way.
#[derive(Debug)]
enum Fate {
    Lost,
    Doubled,
    Late(TimeDelta),
}

impl Webhooks {
    /// Carries out a stage direction; false if it is none of theirs.
    pub fn direct(&mut self, direction: &str, now: DateTime<Utc>) -> bool {
        let words: Vec<_> = direction.split(' ').collect();
        let ended = json!({ "action": "completed", "workflow_run": { "id": 7_000, "conclusion": "success" } });
        match words[..] {
            ["GitHub", "sends", "webhooks"] => self.on = true,
            ["the", "next", "webhook", "is", "lost"] => self.fates.push_back(Fate::Lost),
            ["the", "next", "webhook", "is", "doubled"] => self.fates.push_back(Fate::Doubled),
            ["the", "next", "webhook", "comes", seconds, "seconds", "late"] => match seconds.parse() {
                Ok(seconds) => self.fates.push_back(Fate::Late(TimeDelta::seconds(seconds))),
                Err(_) => return false,
            },
            ["somebody", "forges", "a", "webhook"] => {
                let forged = self.request("workflow_run", "acme/hello", ended, Some("a secret of somebody else's"));
                self.sent.push((now, forged));
            }
            ["somebody", "sends", "a", "webhook", "without", "a", "signature"] => {
                let unsigned = self.request("workflow_run", "acme/hello", ended, None);
                self.sent.push((now, unsigned));
            }
            ["somebody", "sends", "the", "last", "webhook", "again"] => {
                self.sent.extend(self.last.clone().map(|last| (now, last)));
            }
            ["a", "webhook", "of", "another", "repository", "comes"] => {
                let foreign = self.request("workflow_run", "acme/elsewhere", ended, Some(SECRET));
                self.sent.push((now, foreign));
            }
            _ => return false,
        }
        true
    }

    /// Sends one about a repository.
    pub fn send(&mut self, event: &str, repository: &str, what: Value, now: DateTime<Utc>) {
        if !self.on {
            return;
        }
        let request = self.request(event, repository, what, Some(SECRET));
        let late = match self.fates.pop_front() {
            Some(Fate::Lost) => return,
            Some(Fate::Doubled) => {
                self.sent.push((now, request.clone()));
                TimeDelta::zero()
            }
            Some(Fate::Late(late)) => late,
            None => TimeDelta::zero(),
        };
        self.last = Some(request.clone());
        self.sent.push((now + late, request));
    }

    /// What has arrived by now, to be handed on.
    pub fn arrived(&mut self, now: DateTime<Utc>) -> Vec<Request<Bytes>> {
        let arrived = self.sent.extract_if(.., |(at, _)| *at <= now);
        arrived.map(|(_, request)| request).collect()
    }

    fn request(&mut self, event: &str, repository: &str, mut what: Value, secret: Option<&str>) -> Request<Bytes> {
        self.count += 1;
        what["repository"] = json!({ "full_name": repository, "private": true });
        what["sender"] = json!({ "login": "ana", "type": "User" });
        let body = what.to_string();
        let mut request = Request::post("/hooks/github")
            .header("user-agent", "GitHub-Hookshot/0123456")
            .header("content-type", "application/json")
            .header("x-github-event", event)
            .header("x-github-delivery", format!("00000000-0000-4000-8000-{:012}", self.count));
        if let Some(secret) = secret {
            let mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key may be of any length");
            let mac = mac.chain_update(&body).finalize().into_bytes();
            let digits: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
            request = request.header("x-hub-signature-256", format!("sha256={digits}"));
        }
        request.body(Bytes::from(body)).expect("its headers are plain")
    }
}
