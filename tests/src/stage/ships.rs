//! A service of somebody's that ships over HTTP, as plain data with knobs: what the driver `webhook` is told to ask.

use bytes::Bytes;
use http::{Method, Request, Response};
use serde_json::{Value, json};
use std::collections::VecDeque;

/// Where it is.
pub const HOST: &str = "ships.example";

/// The service.
#[derive(Debug, Default)]
pub struct Ships {
    runs: Vec<Run>,
    /// In which states the next runs stay; without one, a run succeeds when it is asked for the second time.
    next: VecDeque<String>,
    /// The artifact that its runs have built.
    builds: Option<String>,
    /// What the next request is answered with, after it was carried out.
    fault: Option<u16>,
    /// How many questions about a run that is over are answered with 502, after the first.
    forgets: u32,
    shipped: Vec<(String, String)>,
    /// Where it calls back now, and whether that gets lost.
    calls: Vec<String>,
    loses: bool,
    /// Whether it keeps no logs.
    logless: bool,
    /// Whether who asks it for a log gets no answer.
    mute: bool,
    amiss: Vec<String>,
}

#[derive(Debug)]
struct Run {
    told: Value,
    state: String,
    asked: u32,
    is_told: bool,
}

impl Ships {
    /// Carries out a stage direction; false if it is none of the service's.
    pub fn direct(&mut self, direction: &str) -> bool {
        let words: Vec<_> = direction.split(' ').collect();
        match words[..] {
            ["the", "service's", "next", "run", "stays", state] => self.next.push_back(state.to_owned()),
            ["the", "service's", "run", "is", state] => {
                self.runs.iter_mut().filter(|run| run.state != "failed").for_each(|run| run.state = state.to_owned());
                let address = self.runs.last().and_then(|run| run.told["callback"].as_str()).map(str::to_owned);
                self.calls.extend(address.filter(|_| !std::mem::take(&mut self.loses)));
            }
            ["the", "service's", "next", "callback", "is", "lost"] => self.loses = true,
            ["somebody", "calls", "back", address] => self.calls.push(address.to_owned()),
            ["the", "service", "builds", artifact] => self.builds = Some(artifact.to_owned()),
            ["the", "service", "answers", "502", count, "times", "once", "its", "run", "is", "over"] => {
                self.forgets = count.parse().unwrap_or_default();
            }
            ["the", "service", "keeps", "no", "logs"] => self.logless = true,
            ["the", "service", "is", "mute", "about", "logs"] => self.mute = true,
            ["the", "service", "answers", status, "next"] => self.fault = status.parse().ok(),
            _ => return false,
        }
        true
    }

    /// Whether it never answers this request.
    pub fn is_mute(&self, request: &Request<Bytes>) -> bool {
        self.mute && request.uri().path().ends_with("/log")
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.headers().get("authorization").is_none_or(|given| given != "Bearer s3cr3t-t0k3n") {
            self.amiss.push("the service was asked without its token".to_owned());
        }
        let (status, body) = self.decide(request);
        let status = self.fault.take().unwrap_or(status);
        let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
        let body = Bytes::from(body);
        Response::builder().status(status).body(body).unwrap_or_default()
    }

    fn decide(&mut self, request: &Request<Bytes>) -> (u16, Value) {
        let path: Vec<_> = request.uri().path().split('/').skip(1).collect();
        let run = |text: &str| text.parse::<usize>().ok().and_then(|id| id.checked_sub(1));
        match (request.method(), &path[..]) {
            (&Method::POST, ["runs"]) => {
                if !request.headers().contains_key("idempotency-key") {
                    self.amiss.push("a run was started without a key".to_owned());
                }
                let told = serde_json::from_slice(request.body()).unwrap_or_default();
                let state = self.next.pop_front().unwrap_or_else(|| "queued".to_owned());
                self.runs.push(Run { told, state, asked: 0, is_told: false });
                (201, json!({ "run": { "id": self.runs.len() } }))
            }
            (&Method::GET, ["runs", id]) => match run(id).and_then(|id| self.runs.get_mut(id)) {
                None => (404, json!({ "error": "no such run" })),
                Some(run) => {
                    run.asked += 1;
                    if run.state == "queued" && run.asked > 1 {
                        run.state = "succeeded".to_owned();
                    }
                    if run.is_told && self.forgets > 0 {
                        self.forgets -= 1;
                        return (502, json!({}));
                    }
                    run.is_told = run.state == "succeeded";
                    if run.state == "succeeded" {
                        let told = |name: &str| run.told[name].as_str().unwrap_or_default().to_owned();
                        self.shipped.push((told("environment"), told("commit")));
                    }
                    let says = if run.state == "failed" { "disk `full` @everyone" } else { "" };
                    let page = format!("https://ships.example/{id}");
                    (200, json!({ "state": run.state, "message": says, "page": page, "digest": self.builds }))
                }
            },
            (&Method::GET, ["runs", _, "log"]) if self.logless => (404, json!({})),
            (&Method::GET, ["runs", id, "log"]) => match run(id).and_then(|id| self.runs.get(id)) {
                None => (404, json!({ "error": "no such run" })),
                Some(run) => {
                    let lines =
                        (1..=8).map(|line| format!("\u{1b}[32m{line}\u{1b}[0m of run {id} @everyone ``` <@1>\n"));
                    (
                        200,
                        json!(format!(
                            "{}It is {}, with the key s3cr3t-t0k3n.\n",
                            lines.collect::<String>(),
                            run.state
                        )),
                    )
                }
            },
            (&Method::DELETE, ["runs", id]) => match run(id).and_then(|id| self.runs.get_mut(id)) {
                None => (404, json!({ "error": "no such run" })),
                Some(run) => {
                    if run.state != "stuck" {
                        run.state = "failed".to_owned();
                    }
                    (202, json!({}))
                }
            },
            _ => {
                self.amiss.push(format!("the service was asked {} {}", request.method(), request.uri()));
                (404, json!({}))
            }
        }
    }

    /// What its runs have shipped since that was asked last, as environments and commits.
    pub fn shipped(&mut self) -> Vec<(String, String)> {
        std::mem::take(&mut self.shipped)
    }

    /// What it calls back with, since that was asked last.
    pub fn calls(&mut self) -> Vec<Request<Bytes>> {
        let call = |address: String| Request::post(address).body(Bytes::from_static(b"{}")).ok();
        std::mem::take(&mut self.calls).into_iter().filter_map(call).collect()
    }

    /// What was asked of it that nobody should ask.
    pub fn amiss(&self) -> Vec<String> {
        self.amiss.clone()
    }
}
