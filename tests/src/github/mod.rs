//! A GitHub in memory, for tests: plain data behind GitHub's REST API as its reference has it, and knobs for what goes
//! wrong. What is asked of it that it does not know, or that GitHub's own description does not have, fails the test.

mod check;
pub mod issues;
pub mod logs;
pub mod prism;
mod routes;
pub mod runs;
mod serve;
pub mod state;
pub mod webhooks;

use crate::routes::find;
use bytes::Bytes;
use check::Check;
use chrono::{DateTime, Utc};
use http::{HeaderMap, Request, Response};
use serde_json::{Value, json};
use state::{Fault, State};
use std::collections::HashMap;
use webhooks::Webhooks;

pub use routes::templates;
pub use serve::Served;

/// Where it is, and where it has its files.
pub const HOSTS: [&str; 2] = ["api.github.com", "files.github.example"];

/// The token that it takes. Tests write it into their configs.
pub const TOKEN: &str = "ghp_of_the_tests_0123456789";

/// The whole of it.
#[derive(Default)]
pub struct GitHub {
    /// Everything that is known, to be looked at and changed.
    pub state: State,
    faults: Vec<Fault>,
    webhooks: Webhooks,
    asked: Vec<Request<Bytes>>,
    silent: bool,
    amiss: Vec<String>,
}

/// A request that has found its route.
pub struct Call {
    path: HashMap<&'static str, String>,
    query: HashMap<String, String>,
    body: Value,
    now: DateTime<Utc>,
}

impl Call {
    fn at(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// The part of a list that a page of it holds.
    fn page<T>(&self, all: Vec<T>) -> Vec<T> {
        let number = |name: &str, otherwise| self.query.get(name).and_then(|it| it.parse().ok()).unwrap_or(otherwise);
        let (size, page): (usize, usize) = (number("per_page", 30).clamp(1, 100), number("page", 1).max(1));
        all.into_iter().skip((page - 1) * size).take(size).collect()
    }
}

/// An answer: its status and its JSON, null for none.
pub type Answer = (u16, Value);

/// An answer that refuses, in GitHub's words.
pub fn refusal(status: u16, message: &str) -> Answer {
    let page = "https://docs.github.com/rest";
    (status, json!({ "message": message, "documentation_url": page, "status": status.to_string() }))
}

impl GitHub {
    /// Carries out a stage direction; false if it is none of GitHub's.
    pub fn direct(&mut self, direction: &str, now: DateTime<Utc>) -> bool {
        match state::fault(direction) {
            Some(fault) => {
                self.faults.push(fault);
                true
            }
            None => self.webhooks.direct(direction, now) || self.state.direct(direction, now),
        }
    }

    /// Answers a request at this moment.
    pub fn answer(&mut self, request: &Request<Bytes>, now: DateTime<Utc>) -> Response<Bytes> {
        if logs::is_file(request) {
            return self.file(request);
        }
        let known = |it: &Request<Bytes>| {
            (it.method(), it.uri(), it.body()) == (request.method(), request.uri(), request.body())
        };
        if !self.asked.iter().any(known) {
            self.asked.push(request.clone());
        }
        let (status, body, told) = self.decide(request, now);
        let mut answer = Response::builder().status(status).header("content-type", "application/json; charset=utf-8");
        for (name, value) in told {
            answer = answer.header(name, value);
        }
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        answer.body(body).unwrap_or_default()
    }

    fn decide(&mut self, request: &Request<Bytes>, now: DateTime<Utc>) -> (u16, Value, Vec<(&'static str, String)>) {
        if let Some(wrong) = manners(request.headers()) {
            self.amiss.push(format!("{} {}: {wrong}", request.method(), request.uri()));
        }
        let bearer = format!("Bearer {TOKEN}");
        if request.headers().get("authorization").is_none_or(|given| *given != *bearer) {
            let (status, body) = refusal(401, "Bad credentials");
            return (status, body, Vec::new());
        }
        let path = request.uri().path();
        let lost = match self.faults.first_mut() {
            Some(Fault::Artifacts(left)) => {
                if path.ends_with("/artifacts") {
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        self.faults.remove(0);
                    }
                    return Fault::Trouble(502).answer(now);
                }
                false
            }
            Some(Fault::Lost(what) | Fault::Silent(what)) => request.method() == "POST" && path.ends_with(*what),
            Some(_) => return self.faults.remove(0).answer(now),
            None => false,
        };
        let (method, path) = (request.method().as_str(), request.uri().path());
        let Some((route, parameters)) = find(routes::ROUTES, method, path) else {
            self.amiss.push(format!("GitHub was asked {method} {path}, which it does not know here"));
            let (status, body) = refusal(404, "Not Found");
            return (status, body, Vec::new());
        };
        let body = if request.body().is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(request.body()).unwrap_or_else(|error| {
                self.amiss.push(format!("{method} {path} has a body that is no JSON: {error}"));
                Value::Null
            })
        };
        let call = Call { path: parameters, query: query(request), body, now };
        if let Some(check) = Check::get() {
            self.amiss.extend(check.request(method, route.template, &call.query, &call.body));
        }
        let (status, body) = match self.state.repositories.get_mut(&format!("{}/{}", call.at("owner"), call.at("repo")))
        {
            Some(repository) => {
                repository.advance(now);
                (route.handler)(repository, &call)
            }
            None => refusal(404, "Not Found"),
        };
        if let Some(check) = Check::get() {
            let body = if status == 302 { &Value::Null } else { &body };
            self.amiss.extend(check.answer(method, route.template, status, body));
        }
        if let (302, Some(place)) = (status, body.as_str()) {
            return (status, Value::Null, vec![("location", format!("{}{place}", self.state.files))]);
        }
        if lost {
            let fault = self.faults.remove(0);
            self.silent |= matches!(fault, Fault::Silent(_));
            return fault.answer(now);
        }
        (status, body, Vec::new())
    }

    /// The webhooks that have arrived by now, to be handed on.
    pub fn webhooks(&mut self, now: DateTime<Utc>) -> Vec<Request<Bytes>> {
        for (name, repository) in &mut self.state.repositories {
            repository.advance(now);
            for (event, what) in std::mem::take(&mut repository.events) {
                self.webhooks.send(event, name, what, now);
            }
        }
        self.webhooks.arrived(now)
    }

    /// What runs have shipped by now, as environments and commits.
    pub fn shipped(&mut self, now: DateTime<Utc>) -> Vec<(String, String)> {
        let all = self.state.repositories.values_mut().flat_map(|repository| {
            repository.advance(now);
            std::mem::take(&mut repository.shipped)
        });
        all.collect()
    }

    /// The runs that there were, oldest first: the environment and the commit of each.
    pub fn runs(&self) -> Vec<(String, String)> {
        self.state.repositories.values().flat_map(|repository| repository.runs.iter().map(runs::Run::ships)).collect()
    }

    /// How many runs have begun since then.
    pub fn begun_since(&self, then: DateTime<Utc>) -> usize {
        self.state.repositories.values().flat_map(|it| &it.runs).filter(|run| run.began > then).count()
    }

    /// Lets the next runs be like any other.
    pub fn forget_scripts(&mut self) {
        self.state.repositories.values_mut().for_each(|repository| repository.scripts.clear());
    }

    /// Whether the last answer never comes.
    pub fn is_silent(&mut self) -> bool {
        std::mem::take(&mut self.silent)
    }

    /// What it was asked, each once.
    pub fn asked(&self) -> &[Request<Bytes>] {
        &self.asked
    }

    /// What was asked of it that no client should ask.
    pub fn amiss(&self) -> Vec<String> {
        let left = self.faults.iter().map(|fault| format!("nobody asked GitHub while it was to answer {fault:?}"));
        self.amiss.iter().cloned().chain(left).collect()
    }
}

/// What is wrong with a request's headers, by "Getting started with the REST API".
fn manners(headers: &HeaderMap) -> Option<&'static str> {
    let is = |name: &str, wanted: &str| headers.get(name).is_some_and(|given| given == wanted);
    if !headers.contains_key("user-agent") {
        return Some("GitHub refuses requests without a User-Agent");
    }
    if !is("accept", "application/vnd.github+json") {
        return Some("GitHub recommends `Accept: application/vnd.github+json`");
    }
    (!is("x-github-api-version", "2022-11-28")).then_some("it names no version of the API")
}

fn query(request: &Request<Bytes>) -> HashMap<String, String> {
    let pairs = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), value.replace("%3E", ">").replace("%3A", ":"))).collect()
}
