//! What applications are served, over the clients that they already have: Unleash's client and frontend APIs, and
//! OpenFeature's OFREP.

mod context;
pub mod face;
pub mod issuing;
mod ofrep;
mod settings;
mod stream;
mod tokens;
mod unleash;
pub mod usage;

pub use settings::Settings;

use crate::flags::snapshot::{Live, Served};
use bytes::Bytes;
use commands::cx::{Cx, Ports};
use commands::route::{Answer, Body, Incoming, Route};
use commands::store::Read;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokens::{Keyring, Kind, Known};
use tokio::time::Instant;
use unleash_types::client_features::Context;
use usage::{Counter, Usage};

/// The longest body with a context, in bytes: a person's whole profile fits.
const CONTEXT: usize = 64 << 10;

/// The longest body with counts, in bytes: 10,000 flags' fit.
const COUNTS: usize = 1 << 20;

/// How many bytes of a key are read: none is longer than 100.
const LONGEST_KEY: usize = 300;

/// How long a browser may remember which pages may ask, in seconds: what Chromium takes at most.
const REMEMBER: &str = "7200";

/// Whose words an answer is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Protocol {
    /// Unleash's.
    Unleash,
    /// OpenFeature's remote evaluation protocol, version 0.3.
    Ofrep,
}

/// A route: who may ask, and in whose words.
struct Door {
    name: &'static str,
    method: Method,
    path: &'static str,
    longest: usize,
    protocol: Protocol,
    /// The kind of token that it takes; any where none is named.
    kind: Option<Kind>,
    /// Whether pages ask it from browsers.
    pages: bool,
}

/// What asks nothing but whose token it is.
const DOOR: Door = Door {
    name: "",
    method: Method::POST,
    path: "",
    longest: CONTEXT,
    protocol: Protocol::Unleash,
    kind: Some(Kind::Frontend),
    pages: true,
};

/// Servers, which ask no browser's leave.
const SERVERS: Door = Door { kind: Some(Kind::Backend), pages: false, ..DOOR };

/// OpenFeature's, on servers and pages: both are told nothing but values.
const OPENFEATURE: Door = Door { protocol: Protocol::Ofrep, kind: None, ..DOOR };

static DOORS: [Door; 12] = [
    Door { name: "definitions", method: Method::GET, path: "/api/client/features", longest: 0, ..SERVERS },
    Door { name: "definitions stream", method: Method::GET, path: "/api/client/streaming", longest: 0, ..SERVERS },
    Door { name: "client register", path: "/api/client/register", ..SERVERS },
    Door { name: "client metrics", path: "/api/client/metrics", longest: COUNTS, ..SERVERS },
    Door { name: "toggles", method: Method::GET, path: "/api/frontend", longest: 0, ..DOOR },
    Door { name: "toggles of a body", path: "/api/frontend", ..DOOR },
    Door { name: "frontend register", path: "/api/frontend/client/register", ..DOOR },
    Door { name: "frontend metrics", path: "/api/frontend/client/metrics", longest: COUNTS, ..DOOR },
    Door { name: "evaluate", path: "/ofrep/v1/evaluate/flags/{key}", ..OPENFEATURE },
    Door { name: "evaluate all", path: "/ofrep/v1/evaluate/flags", ..OPENFEATURE },
    Door { name: "evaluate all of them", path: "/ofrep/v1/evaluate/flags/", ..OPENFEATURE },
    Door { name: "stream", method: Method::GET, path: "/ofrep/v1/stream", longest: 0, ..OPENFEATURE },
];

/// What a browser asks before a page's request, by the path of what the page asks for.
const PREFLIGHT: [(&str, &str); 6] = [
    ("may toggles", "/api/frontend"),
    ("may register", "/api/frontend/client/register"),
    ("may metrics", "/api/frontend/client/metrics"),
    ("may evaluate", "/ofrep/v1/evaluate/flags/{key}"),
    ("may evaluate all", "/ofrep/v1/evaluate/flags"),
    ("may stream", "/ofrep/v1/stream"),
];

/// The routes.
pub fn routes() -> Vec<Route> {
    let door = |door: &Door| Route {
        name: door.name,
        method: door.method.clone(),
        path: door.path.to_owned(),
        longest: door.longest,
    };
    let preflight =
        |(name, path): (&'static str, &str)| Route { name, method: Method::OPTIONS, path: path.to_owned(), longest: 0 };
    DOORS.iter().map(door).chain(PREFLIGHT.into_iter().map(preflight)).collect()
}

/// What serves applications.
pub struct Serving {
    settings: Settings,
    keyring: Arc<Keyring>,
    counter: Counter,
}

/// A request of somebody who has shown a token.
struct Asked<'a> {
    ports: &'a Ports,
    incoming: &'a Incoming,
    known: Arc<Known>,
    served: Arc<Served>,
}

impl Serving {
    /// Serves as the config has it.
    pub fn new(settings: Settings) -> Serving {
        Serving { settings, keyring: Arc::default(), counter: Counter::default() }
    }

    /// How a flag is used in an environment; nothing where nobody has evaluated it.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn usage(&self, store: &dyn Read, environment: &str, key: &str) -> anyhow::Result<Option<Usage>> {
        self.counter.of(store, environment, key).await
    }

    /// Keeps how flags are used, until Deckhand stops.
    pub async fn keep(&self, cx: &Cx) {
        self.counter.keep(cx).await;
    }

    /// Answers a request for one of [`routes`].
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn answer(&self, cx: &Cx, live: &Arc<Live>, route: &str, incoming: Incoming) -> anyhow::Result<Answer> {
        let Some(door) = DOORS.iter().find(|door| door.name == route) else {
            return Ok(self.for_pages(preflight(&incoming), &incoming));
        };
        let answer = match self.enter(cx, live, door, &incoming).await? {
            Ok(asked) => self.serve(cx, live, door, &asked).await?,
            Err(refusal) => *refusal,
        };
        Ok(if door.pages { self.for_pages(answer, &incoming) } else { answer })
    }

    async fn serve(&self, cx: &Cx, live: &Arc<Live>, door: &Door, asked: &Asked<'_>) -> anyhow::Result<Answer> {
        Ok(match door.name {
            "definitions" => unleash::definitions(asked),
            "definitions stream" => self.stream(cx, live, asked, stream::definitions).await?,
            "client register" | "frontend register" => unleash::register(asked),
            "client metrics" | "frontend metrics" => unleash::metrics(asked, &self.counter),
            "toggles" => unleash::toggles(asked, Ok(context::of_query(asked.query()))),
            "toggles of a body" => unleash::toggles(asked, context::of_body(asked.incoming.request.body())),
            "evaluate" => ofrep::one(asked, &self.counter),
            "evaluate all" | "evaluate all of them" => ofrep::all(asked, self.settings.url.as_deref()),
            _ => self.stream(cx, live, asked, stream::refetch).await?,
        })
    }

    async fn stream(&self, cx: &Cx, live: &Arc<Live>, asked: &Asked<'_>, draw: stream::Draw) -> anyhow::Result<Answer> {
        let listener = stream::Listener {
            live: live.clone(),
            keyring: self.keyring.clone(),
            known: asked.known.clone(),
            ports: asked.ports.clone(),
            stopping: cx.stopping().clone(),
            draw,
        };
        let last = asked.incoming.header("last-event-id").map(str::to_owned);
        listener.listen(last).await
    }

    /// Finds out whose request it is, or what they are told instead.
    async fn enter<'a>(
        &self,
        cx: &'a Cx,
        live: &Live,
        door: &Door,
        incoming: &'a Incoming,
    ) -> anyhow::Result<Result<Asked<'a>, Box<Answer>>> {
        let ticket = (door.name == "stream").then(|| ticket(incoming)).flatten();
        let known = match (token(incoming), ticket) {
            (Some(token), _) => self.keyring.find(cx.store(), token).await?,
            (None, Some(ticket)) => self.keyring.by_ticket(cx.store(), &ticket).await?,
            (None, None) => {
                let what = "This takes a token, in the header `Authorization`: `/flag token make` makes one.";
                return Ok(Err(Box::new(door.protocol.refused(StatusCode::UNAUTHORIZED, what))));
            }
        };
        let Some(known) = known else {
            let what =
                "This token is not known: it is wrong, or was revoked. `/flag token list` shows those that are good.";
            return Ok(Err(Box::new(door.protocol.refused(StatusCode::UNAUTHORIZED, what))));
        };
        if let Some(kind) = door.kind.filter(|kind| *kind != known.token.kind) {
            let (wanted, is) = (kind.word(), known.token.kind.word());
            let what =
                format!("This takes a {wanted} token, and this is a {is} one: `/flag token make` makes another.");
            return Ok(Err(Box::new(door.protocol.refused(StatusCode::FORBIDDEN, &what))));
        }
        if let Some(wait) = known.take(self.settings.rate, Instant::now(), cx.now()) {
            return Ok(Err(Box::new(door.protocol.busy(self.settings.rate, wait))));
        }
        let snapshot = live.get(cx.ports()).await?;
        let Some(served) = snapshot.served(&known.token.environment, &known.token.project) else {
            let what = "The environment or project of this token is not in Deckhand's config any more.";
            return Ok(Err(Box::new(door.protocol.refused(StatusCode::FORBIDDEN, what))));
        };
        Ok(Ok(Asked { ports: cx.ports(), incoming, served: served.clone(), known }))
    }

    /// The same, for a page that may ask: its browser hands it on to no other.
    fn for_pages(&self, answer: Answer, incoming: &Incoming) -> Answer {
        let answer = answer.header(header::VARY, HeaderValue::from_static("origin"));
        let Some(origin) = incoming.request.headers().get(header::ORIGIN) else { return answer };
        if !origin.to_str().is_ok_and(|origin| self.settings.allows(origin)) {
            return answer;
        }
        let told = HeaderValue::from_static("etag, retry-after");
        answer
            .header(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone())
            .header(header::ACCESS_CONTROL_EXPOSE_HEADERS, told)
    }
}

impl Asked<'_> {
    fn query(&self) -> &str {
        self.incoming.request.uri().query().unwrap_or_default()
    }

    /// The context with what the server knows of it.
    fn complete(&self, mut context: Context) -> Context {
        let now = || self.ports.clock.now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
        context.current_time.get_or_insert_with(now);
        context.environment.get_or_insert_with(|| self.known.token.environment.clone());
        if context.remote_address.is_none() {
            // The proxy before Deckhand writes the last one; those before it were written by anybody.
            let last = self.incoming.header("x-forwarded-for").and_then(|all| all.rsplit(',').next());
            context.remote_address = last.map(|address| address.trim().to_owned());
        }
        context
    }

    /// Names the answer to this context, of these definitions.
    fn etag(&self) -> String {
        let mut hash = Sha256::new();
        match *self.incoming.request.method() {
            // What else stands in the address says why it is asked, and changes nothing.
            Method::POST => hash.update(self.incoming.request.body()),
            _ => hash.update(self.query()),
        }
        hash.update([0]);
        hash.update(self.incoming.header("x-forwarded-for").unwrap_or_default());
        format!("\"{}-{:.16}\"", self.served.etag.trim_matches('"'), format!("{:x}", hash.finalize()))
    }

    /// Answers with some JSON under its name, or that the client has it already.
    fn tagged(&self, etag: &str, body: impl FnOnce() -> Bytes) -> Answer {
        let wanted = self.incoming.header("if-none-match");
        let same = |known: &str| known.trim().trim_start_matches("W/") == etag;
        let answer = if wanted.is_some_and(|all| all.split(',').any(same)) {
            let headers = HeaderMap::new();
            Answer { status: StatusCode::NOT_MODIFIED, headers, body: Body::Whole(Bytes::new()) }
        } else {
            json_answer(body())
        };
        // A proxy keeps it for one token alone, and asks each time.
        let answer = answer.header(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        match HeaderValue::from_str(etag) {
            Ok(etag) => answer.header(header::ETAG, etag),
            Err(_) => answer,
        }
    }
}

impl Protocol {
    /// What was refused or went wrong.
    fn refused(self, status: StatusCode, what: &str) -> Answer {
        let body = match self {
            Protocol::Unleash => {
                let name = match status {
                    StatusCode::UNAUTHORIZED => "AuthenticationRequired",
                    StatusCode::FORBIDDEN => "NoAccessError",
                    StatusCode::TOO_MANY_REQUESTS => "RateLimitError",
                    _ => "BadDataError",
                };
                json!({ "name": name, "message": what, "details": [{ "message": what }] })
            }
            Protocol::Ofrep => json!({ "errorCode": "GENERAL", "errorDetails": what }),
        };
        Answer::json(status, &body)
    }

    fn busy(self, rate: u32, wait: Duration) -> Answer {
        let what = format!("A token is good for {rate} requests a second. Wait, or let the operator raise `rate`.");
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        let wait = HeaderValue::from_str(&seconds.to_string()).unwrap_or(HeaderValue::from_static("1"));
        self.refused(StatusCode::TOO_MANY_REQUESTS, &what).header(header::RETRY_AFTER, wait)
    }
}

fn json_answer(body: Bytes) -> Answer {
    let whole = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Body::Whole(body) };
    whole.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
}

/// The token that a request shows: Unleash's clients send it as it is, OpenFeature's as a bearer's or in a header of its own.
fn token(incoming: &Incoming) -> Option<&str> {
    let token = incoming.header("authorization").or_else(|| incoming.header("x-api-key"))?;
    let bare = match token.split_at_checked("bearer ".len()) {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer ") => token,
        _ => token,
    };
    Some(bare.trim()).filter(|token| !token.is_empty())
}

/// What stands for the token in a stream's address.
fn ticket(incoming: &Incoming) -> Option<String> {
    let query = incoming.request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "ticket").map(|(_, ticket)| ticket.into_owned())
}

/// What a browser is told that asks whether a page may ask.
fn preflight(incoming: &Incoming) -> Answer {
    let headers = HeaderMap::new();
    let answer = Answer { status: StatusCode::NO_CONTENT, headers, body: Body::Whole(Bytes::new()) };
    let answer = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST")),
        (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(REMEMBER)),
    ]
    .into_iter()
    .fold(answer, |answer, (name, value): (HeaderName, _)| answer.header(name, value));
    // Clients send headers of their own, which are read by nobody.
    match incoming.request.headers().get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
        Some(wanted) => answer.header(header::ACCESS_CONTROL_ALLOW_HEADERS, wanted.clone()),
        None => answer,
    }
}
