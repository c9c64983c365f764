//! A Discord in memory, for tests: REST and gateway as Discord's reference has them, plain data behind them, knobs for
//! what goes wrong, and people who act.
//!
//! ```ignore
//! let discord = Discord::new(clock);                        // one guild, one channel `general`, the bot
//! discord.add_channel("ops");
//! discord.add_member("ana", &["deployer"]);                 // roles come to be by being named
//! discord.come_by(Way::Hear(Arc::new(move |raw| bot.hear(&raw))));
//! // the bot talks to it through `Arc::new(discord.clone()) as Arc<dyn Wire>`: no socket, paused time
//! let asked = discord.say("ana", "ops", "/deploy ship hello staging v1")?;
//! let seen = discord.next().await;                          // what people see next; or `read()` for all there is
//! discord.press("ben", &seen.message, "Yes, do it")?;
//! discord.state().knobs.plan("PATCH /channels/{channel_id}/messages/{message_id}", 1, Fault::Status(502));
//! discord.finish();                                         // fails on what was refused, unknown or not read
//! ```
//!
//! For real clients, [`Discord::serve`] puts the same on loopback sockets. Time is tokio's, paused or not.

pub mod check;
pub mod gateway;
pub mod knobs;
pub mod limiter;
pub mod people;
pub mod state;

mod body;

mod limits;
mod message;
mod objects;
mod refusal;
mod routes;
mod serve;
pub mod talk;
mod typed;

use crate::routes::find;
use anyhow::{Result, bail};
use async_trait::async_trait;
use bytes::Bytes;
use check::Check;
use commands::clock::Clock;
use commands::ports::Wire;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use knobs::{Fault, Scope};
use limiter::Told;
use people::Way;
use refusal::{INVALID_JSON, NOT_FOUND, UNAUTHORIZED};
use routes::{Answer, Call, Route};
use serde_json::{Value, json};
use state::{Access, Channel, Guild, Received, Seen, State};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

pub use serve::Served;

/// How long a test waits for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// The whole of it. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Discord(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    changed: Notify,
    check: Option<&'static Check>,
}

impl Discord {
    /// A guild with one channel, `general`, and the bot in it.
    pub fn new(clock: Clock) -> Discord {
        let mut state = State::new(clock);
        let id = state.id();
        let roles = [(id.clone(), "@everyone".to_owned())].into();
        let members = [(state.application.clone(), Vec::new())].into();
        state.guilds.insert(id, Guild { name: "house".to_owned(), roles, members, lets_make: true });
        let inner = Inner { state: Mutex::new(state), changed: Notify::new(), check: Check::get() };
        let discord = Discord(Arc::new(inner));
        discord.add_channel("general");
        discord
    }

    /// Everything that is known, to be looked at and changed.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The id of the first guild.
    pub fn guild(&self) -> String {
        self.state().guilds.keys().next().cloned().unwrap_or_default()
    }

    /// A new text channel in the first guild; returns its id.
    pub fn add_channel(&self, name: &str) -> String {
        let guild = self.guild();
        let mut state = self.state();
        let id = state.id();
        let channel = Channel { guild, name: name.to_owned(), parent: None, access: Access::Write, made: Value::Null };
        state.channels.insert(id.clone(), channel);
        id
    }

    /// The id of the role of this name in the first guild; it comes to be if it is not there.
    pub fn role(&self, name: &str) -> String {
        let guild = self.guild();
        let mut state = self.state();
        let roles = &state.guilds[&guild].roles;
        if let Some((id, _)) = roles.iter().find(|(_, role)| *role == name) {
            return id.clone();
        }
        let id = state.id();
        let guild = state.guilds.get_mut(&guild).into_iter();
        guild.for_each(|guild| _ = guild.roles.insert(id.clone(), name.to_owned()));
        id
    }

    /// A new member of the first guild with these roles; returns their id.
    pub fn add_member(&self, name: &str, roles: &[&str]) -> String {
        let (guild, roles) = (self.guild(), roles.iter().map(|role| self.role(role)).collect());
        let mut state = self.state();
        let id = state.id();
        state.users.insert(id.clone(), name.to_owned());
        let guild = state.guilds.get_mut(&guild).into_iter();
        guild.for_each(|guild: &mut Guild| _ = guild.members.insert(id.clone(), Vec::clone(&roles)));
        id
    }

    /// From now on, interactions reach the bot by this way.
    pub fn come_by(&self, way: Way) {
        self.state().way = way;
    }

    /// Everything that people see and the test has not read.
    pub fn read(&self) -> Vec<Seen> {
        self.state().unread.drain(..).collect()
    }

    /// What people see next.
    ///
    /// # Panics
    /// When nothing comes.
    pub async fn next(&self) -> Seen {
        self.until("people see something", |state| state.unread.pop_front()).await
    }

    /// Waits until `done` gives something.
    ///
    /// # Panics
    /// When that takes too long.
    pub async fn until<T>(&self, what: &str, mut done: impl FnMut(&mut State) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            let changed = self.0.changed.notified();
            if let Some(found) = done(&mut self.state()) {
                return found;
            }
            if tokio::time::timeout_at(began + PATIENCE, changed).await.is_err() {
                panic!("waited in vain until {what}; amiss: {:?}", self.state().amiss);
            }
        }
    }

    fn changed(&self) {
        self.0.changed.notify_waiters();
    }

    /// What is amiss: requests that no route knows, bodies that were refused or are not as described, what was planned and
    /// did not happen, and what the test has not read.
    pub fn amiss(&self) -> Vec<String> {
        let state = self.state();
        let unread = state.unread.iter().map(|seen| format!("{:?} was not read: {}", seen.what, seen.body));
        state.amiss.iter().cloned().chain(state.knobs.left()).chain(unread).collect()
    }

    /// Makes sure that nothing is amiss.
    ///
    /// # Panics
    /// When something is.
    pub fn finish(&self) {
        let amiss = self.amiss();
        assert!(amiss.is_empty(), "{}", amiss.join("\n"));
    }

    /// Answers a request; nothing when the connection is to break.
    async fn answer(&self, request: Request<Bytes>) -> Option<Response<Bytes>> {
        let at = Instant::now();
        let path = path(request.uri().path());
        let Some((route, parameters)) = find(routes::ROUTES, request.method().as_str(), &path) else {
            self.state().amiss.push(format!("no route knows {} {path}", request.method()));
            return Some(response(NOT_FOUND.status, HeaderMap::new(), &NOT_FOUND.body()));
        };
        let fault = self.state().knobs.next(&route.name());
        if fault == Some(Fault::Away) {
            return None;
        }
        let query = request.uri().query().unwrap_or_default().split('&').filter_map(|pair| pair.split_once('='));
        let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let read = body::read(text("content-type"), request.body());
        let readable = read.is_some();
        let body::Body { json, files } = read.unwrap_or_default();
        let call = Call { path: parameters, query, body: json, files };
        let (status, headers, body) = self.decide(route, &call, text("authorization"), readable, fault);
        self.note(route, Received { at, route: route.name(), path, body: call.body, status }, &body);
        match fault {
            Some(Fault::Slow(long)) => tokio::time::sleep(long).await,
            Some(Fault::Cut) => return None,
            _ => {}
        }
        Some(response(status, headers, &body))
    }

    /// The status, headers and JSON of the answer to a call.
    fn decide(
        &self,
        route: &'static Route,
        call: &Call,
        authorization: &str,
        readable: bool,
        fault: Option<Fault>,
    ) -> (u16, HeaderMap, Value) {
        let mut state = self.state();
        let mut headers = HeaderMap::new();
        match fault {
            Some(Fault::Limited(scope, after)) => {
                let told = Told { bucket: "planned".to_owned(), limit: 5, remaining: 0, after, over: Some(scope) };
                return limited(scope, after, &told);
            }
            Some(Fault::Status(status)) => return (status, headers, Value::Null),
            _ => {}
        }
        if !route.is_open() && authorization != format!("Bot {}", state.token) {
            return (401, headers, UNAUTHORIZED.body());
        }
        let unlimited = state.knobs.unlimited;
        let told = (!unlimited).then(|| state.limiter.count(&route.name(), &call.major())).flatten();
        if let Some(told) = told {
            if let Some(scope) = told.over {
                return limited(scope, told.after, &told);
            }
            headers = told.headers();
        }
        let answer = if readable { (route.handler)(&mut state, call) } else { Err(INVALID_JSON) };
        match answer {
            Ok(Answer::Json(status, body)) => (status, headers, body),
            Ok(Answer::Empty) => (204, headers, Value::Null),
            Err(refusal) => {
                let told = format!("{} was refused: {} for {}", route.name(), refusal.body(), call.body);
                if !state.knobs.expects(refusal.code) && refusal.is_about_the_body() {
                    state.amiss.push(told);
                }
                (refusal.status, headers, refusal.body())
            }
        }
    }

    /// Writes a request down, holds it and its answer against Discord's description, and wakes who waits.
    fn note(&self, route: &Route, received: Received, answer: &Value) {
        let mut wrong = Vec::new();
        let (closed, status) = (!self.state().knobs.lenient, received.status);
        if let Some(check) = self.0.check.filter(|_| status < 500) {
            let refused = (400..500).contains(&status);
            let request =
                if refused { Vec::new() } else { check.request(route.method, route.template, &received.body, closed) };
            wrong.extend(request);
            wrong.extend(check.answer(route.method, route.template, status, answer));
        }
        let mut state = self.state();
        state.amiss.extend(wrong);
        state.requests.push(received);
        drop(state);
        self.changed();
    }
}

/// The path of a request behind `/api/v10`.
fn path(whole: &str) -> String {
    let rest = whole.strip_prefix("/api").unwrap_or(whole);
    let version = rest.strip_prefix("/v").and_then(|rest| rest.split_once('/'));
    let bare = version.filter(|(number, _)| number.parse::<u8>().is_ok()).map(|(_, rest)| format!("/{rest}"));
    bare.unwrap_or_else(|| rest.to_owned()).replace("%40", "@")
}

/// An answer of 429.
fn limited(scope: Scope, after: Duration, told: &Told) -> (u16, HeaderMap, Value) {
    let mut headers = told.headers();
    let name = match scope {
        Scope::User => "user",
        Scope::Shared => "shared",
        Scope::Global => "global",
    };
    headers.insert("x-ratelimit-scope", HeaderValue::from_static(name));
    headers.insert("retry-after", HeaderValue::from(after.as_secs_f64().ceil() as u64));
    if scope == Scope::Global {
        headers.insert("x-ratelimit-global", HeaderValue::from_static("true"));
    }
    let message = "You are being rate limited.";
    let body =
        json!({ "message": message, "retry_after": after.as_secs_f64(), "global": scope == Scope::Global, "code": 0 });
    (429, headers, body)
}

impl Told {
    /// As headers (Discord's reference, "Header Format").
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let after = format!("{:.3}", self.after.as_secs_f64());
        let values = [
            ("x-ratelimit-limit", self.limit.to_string()),
            ("x-ratelimit-remaining", self.remaining.to_string()),
            ("x-ratelimit-reset-after", after),
            ("x-ratelimit-bucket", self.bucket.clone()),
        ];
        for (name, value) in values {
            headers.extend(HeaderValue::try_from(value).ok().map(|value| (http::HeaderName::from_static(name), value)));
        }
        headers
    }
}

fn response(status: u16, headers: HeaderMap, body: &Value) -> Response<Bytes> {
    let text = if body.is_null() { String::new() } else { body.to_string() };
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    *response.headers_mut() = headers;
    if !body.is_null() {
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
    }
    response
}

#[async_trait]
impl Wire for Discord {
    async fn send(&self, request: Request<Bytes>, timeout: Duration, limit: usize) -> Result<Response<Bytes>> {
        let Ok(answer) = tokio::time::timeout(timeout, self.answer(request)).await else {
            bail!("nobody answered in time")
        };
        match answer {
            Some(answer) if answer.body().len() > limit => bail!("the answer is longer than {limit} bytes"),
            Some(answer) => Ok(answer),
            None => bail!("the connection broke"),
        }
    }
}
