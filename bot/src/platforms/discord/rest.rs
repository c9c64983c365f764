//! Requests to Discord's REST API: in turn, as its limits ask for, and again where that does nothing twice.

mod multipart;

use super::limiter::{Limiter, Route, Turn};
use anyhow::anyhow;
use bytes::Bytes;
use commands::ports::Wire;
use commands::redact::Redactor;
use commands::text;
use http::{Method, header};
use serde_json::{Value, json};
use std::fmt;
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout_at};

/// The form that Discord asks for; with another one its proxies may refuse.
const AGENT: &str = concat!("DiscordBot (deckhand, ", env!("CARGO_PKG_VERSION"), ")");

/// How long one try may take; a first answer to an interaction has a third of its time.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a call may take with all its waiting and trying again; one that uploads may take it for a single try.
const DEADLINE: Duration = Duration::from_secs(60);

/// After this time Discord takes no first answer to an interaction any more.
const ACKNOWLEDGE: Duration = Duration::from_secs(3);

/// How often one call is sent at most.
const TRIES: u32 = 5;

/// The first pause between two tries, in milliseconds; each is twice the one before, and halved at most, by chance.
const FIRST_PAUSE: u64 = 500;

/// The longest answer that is read, in bytes.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;

/// Discord's code for a first answer to an interaction that has one.
const ACKNOWLEDGED: u64 = 40060;

/// Discord's REST API, as one bot.
pub struct Rest {
    wire: Arc<dyn Wire>,
    api: String,
    token: String,
    limiter: Limiter,
}

/// One request.
#[derive(Clone)]
pub struct Request {
    /// GET, POST, PATCH, PUT or DELETE.
    pub method: Method,
    /// What follows the API's address: `/channels/1/messages`.
    pub path: String,
    /// The JSON body.
    pub body: Option<Value>,
    /// What is uploaded with it.
    pub files: Vec<Upload>,
}

/// A file on its way to Discord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upload {
    /// Its name, as people see it.
    pub name: String,
    /// What is in it.
    pub bytes: Bytes,
}

/// Why a request did not do what it asked for.
#[derive(Debug)]
pub enum RestError {
    /// Nobody answered, or not in a way that settles it: trying again later may help.
    Away(anyhow::Error),
    /// Discord refuses this very request: its status, its own error code (0 without one), and its words.
    Refused {
        /// The status of the answer; 0 where the request can not be written, and nothing was sent.
        status: u16,
        /// Discord's own code, such as 10008 for a message that is not there.
        code: u64,
        /// What Discord says, and of a form the first field that is wrong.
        message: String,
    },
}

/// What a try came to that did not bring what was asked for.
enum Setback {
    /// Discord asks to wait this long; nothing was done.
    Wait(Duration),
    /// Nothing has left this machine.
    Unsent(anyhow::Error),
    /// It may have been done, or not.
    Doubtful(anyhow::Error),
    /// Another try would bring nothing else.
    Settled(RestError),
}

impl Request {
    /// A request without a body.
    pub fn new(method: Method, path: impl Into<String>) -> Request {
        Request { method, path: path.into(), body: None, files: Vec::new() }
    }

    /// The same, with this body.
    pub fn body(mut self, body: Value) -> Request {
        self.body = Some(body);
        self
    }

    /// The same, with these files.
    pub fn files(mut self, files: Vec<Upload>) -> Request {
        self.files = files;
        self
    }

    /// Whether to send it twice does no more than to send it once.
    fn repeatable(&self, route: &Route) -> bool {
        // With `enforce_nonce` Discord answers with the message that it has under the nonce. Of two first answers to an
        // interaction it refuses the second.
        let known = |body: &Value| body["enforce_nonce"] == true && !body["nonce"].is_null();
        self.method != Method::POST || route.acknowledges() || self.body.as_ref().is_some_and(known)
    }
}

/// Without what is secret: its path may have an interaction's token, its body what people wrote.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Request({})", Route::of(&self.method, &self.path).shape())
    }
}

impl fmt::Display for RestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RestError::Away(error) => write!(f, "Discord is away: {error:#}"),
            RestError::Refused { status, code, message } => {
                write!(f, "Discord refuses ({status}, code {code}): {message}")
            }
        }
    }
}

impl std::error::Error for RestError {}

impl Rest {
    /// The API at this address, without a slash at its end, for the bot with this token.
    pub fn new(wire: Arc<dyn Wire>, api: String, token: String) -> Rest {
        Rest { wire, api, token, limiter: Limiter::new() }
    }

    /// Sends `request` when its turn has come, and returns the JSON of the answer; null where it has none. It takes a
    /// minute at most, or 3 s where it is the first answer to an interaction.
    ///
    /// A first answer is repeated when nobody knows whether it arrived. If it had, this is success, with null.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn call(&self, request: Request) -> Result<Value, RestError> {
        let route = Route::of(&request.method, &request.path);
        let (deadline, shape) = (deadline(&route), route.shape().to_owned());
        match timeout_at(deadline, self.limiter.turn(route)).await {
            Ok(turn) => self.carry_out(turn, request, deadline).await,
            Err(_) => Err(late(&shape)),
        }
    }

    /// Waits, as long as it takes, until a request of this method to this path could be sent right now. So an edit can
    /// be drawn when it leaves, and what was to be shown meanwhile need never be sent.
    ///
    /// Nothing else of its bucket is sent until the place is used or dropped.
    pub async fn ready(&self, method: &Method, path: &str) -> Ready<'_> {
        Ready { rest: self, turn: self.limiter.turn(Route::of(method, path)).await }
    }

    async fn carry_out(&self, mut turn: Turn, request: Request, deadline: Instant) -> Result<Value, RestError> {
        let tries = timeout_at(deadline, self.try_until(&mut turn, request, deadline)).await;
        tries.unwrap_or_else(|_| Err(late(turn.route().shape())))
    }

    async fn try_until(&self, turn: &mut Turn, request: Request, deadline: Instant) -> Result<Value, RestError> {
        let repeatable = request.repeatable(turn.route());
        let patience = match turn.route().acknowledges() {
            _ if !request.files.is_empty() => DEADLINE,
            true => ACKNOWLEDGE / 3,
            false => PATIENCE,
        };
        let request = self.wired(turn.route(), request)?;
        let (mut tries, mut doubtful) = (0, false);
        loop {
            self.limiter.leave(turn).await;
            tries += 1;
            let (wait, error) = match self.once(turn, request.clone(), patience).await {
                Ok(answer) => return Ok(answer),
                Err(Setback::Settled(RestError::Refused { code: ACKNOWLEDGED, .. })) if doubtful => {
                    return Ok(Value::Null);
                }
                Err(Setback::Settled(error)) => return Err(error),
                Err(Setback::Doubtful(error)) if !repeatable => return Err(RestError::Away(error)),
                Err(Setback::Doubtful(error)) => {
                    doubtful = true;
                    (pause(tries), error)
                }
                Err(Setback::Unsent(error)) => (pause(tries), error),
                Err(Setback::Wait(wait)) => (wait, anyhow!("it asks to wait {wait:?}")),
            };
            if tries == TRIES || Instant::now() + wait >= deadline {
                return Err(RestError::Away(error));
            }
            tracing::debug!("{} again in {wait:?}: {error}", turn.route().shape());
            sleep(wait).await;
        }
    }

    async fn once(&self, turn: &mut Turn, request: http::Request<Bytes>, patience: Duration) -> Result<Value, Setback> {
        let answer = match self.wire.send(request, patience, LONGEST_ANSWER).await {
            Ok(answer) => answer,
            Err(error) => {
                let told = anyhow!("{}", self.clean(turn.route(), &format!("{error:#}")));
                return Err(if refused(&error) { Setback::Unsent(told) } else { Setback::Doubtful(told) });
            }
        };
        let body = match answer.body() {
            body if body.is_empty() => Ok(Value::Null),
            body => serde_json::from_slice(body),
        };
        let known = body.as_ref().unwrap_or(&Value::Null);
        if let Some(wait) = self.limiter.learn(turn, &answer, known) {
            return Err(Setback::Wait(wait));
        }
        let status = answer.status();
        if status.is_server_error() {
            return Err(Setback::Doubtful(anyhow!("it answers {status}")));
        }
        if status.is_success() {
            return body
                .map_err(|_| Setback::Settled(RestError::Away(anyhow!("its answer is cut off, or is no JSON"))));
        }
        let code = known["code"].as_u64().unwrap_or_default();
        let message = text::plain(&self.clean(turn.route(), &words(known)));
        Err(Setback::Settled(RestError::Refused { status: status.as_u16(), code, message }))
    }

    /// `request` as it goes over the wire.
    fn wired(&self, route: &Route, request: Request) -> Result<http::Request<Bytes>, RestError> {
        let Request { method, path, body, files } = request;
        let (kind, body) = match (body, &files[..]) {
            (None, []) => (None, Bytes::new()),
            (Some(body), []) => (Some("application/json".to_owned()), Bytes::from(body.to_string())),
            (body, files) => {
                let (kind, body) = multipart::form(&body.unwrap_or_else(|| json!({})).to_string(), files);
                (Some(kind), body)
            }
        };
        let mut wired = http::Request::builder().method(method).uri(format!("{}{path}", self.api));
        wired = wired.header(header::USER_AGENT, AGENT);
        if let Some(kind) = kind {
            wired = wired.header(header::CONTENT_TYPE, kind);
        }
        if route.needs_token() {
            wired = wired.header(header::AUTHORIZATION, format!("Bot {}", self.token));
        }
        // Neither the path nor the token can be told: both may be secret.
        let wrong = |_| RestError::Refused {
            status: 0,
            code: 0,
            message: format!(
                "{} was not sent: its path or the bot's token has characters that no request takes",
                route.shape()
            ),
        };
        wired.body(body).map_err(wrong)
    }

    /// `text` without the tokens, whoever has put them there.
    fn clean(&self, route: &Route, text: &str) -> String {
        let secrets = std::iter::once(self.token.as_str()).chain(route.secret());
        Redactor::new(secrets.map(str::to_owned).collect()).redact(text).into_owned()
    }
}

/// A place at the head of the line.
pub struct Ready<'a> {
    rest: &'a Rest,
    turn: Turn,
}

impl Ready<'_> {
    /// Sends `request` as [`Rest::call`] does, at once if it is of the method and path that the place was taken for.
    ///
    /// # Errors
    /// See [`RestError`].
    pub async fn call(self, request: Request) -> Result<Value, RestError> {
        let Ready { rest, turn } = self;
        let route = Route::of(&request.method, &request.path);
        if route != *turn.route() {
            drop(turn);
            return rest.call(request).await;
        }
        let deadline = deadline(&route);
        rest.carry_out(turn, request, deadline).await
    }
}

fn deadline(route: &Route) -> Instant {
    Instant::now() + if route.acknowledges() { ACKNOWLEDGE } else { DEADLINE }
}

fn late(shape: &str) -> RestError {
    RestError::Away(anyhow!("{shape} was not done in time"))
}

/// Whether nobody took the connection, so that nothing was sent.
fn refused(error: &anyhow::Error) -> bool {
    let kinds = error.chain().filter_map(|cause| cause.downcast_ref::<std::io::Error>()).map(|error| error.kind());
    kinds.into_iter().any(|kind| kind == ErrorKind::ConnectionRefused)
}

/// How long to wait after so many tries that failed.
fn pause(tries: u32) -> Duration {
    let half = (FIRST_PAUSE << (tries - 1)) / 2;
    let chance = getrandom::u64().map_or(half, |chance| chance % (half + 1));
    Duration::from_millis(half + chance)
}

/// What Discord says, and of a form that it refuses the first field that is wrong.
fn words(body: &Value) -> String {
    let message = body["message"].as_str().unwrap_or("without a word");
    let mut path = Vec::new();
    match first_fault(&body["errors"], &mut path) {
        Some(fault) => format!("{message}: {}: {fault}", path.join(".")),
        None => message.to_owned(),
    }
}

/// The words at the first `_errors` of a refused form, and the path to it.
fn first_fault<'a>(errors: &'a Value, path: &mut Vec<&'a str>) -> Option<&'a str> {
    for (name, inner) in errors.as_object()? {
        if name == "_errors" {
            return inner[0]["message"].as_str();
        }
        path.push(name);
        if let Some(fault) = first_fault(inner, path) {
            return Some(fault);
        }
        path.pop();
    }
    None
}

#[cfg(test)]
mod tests;
