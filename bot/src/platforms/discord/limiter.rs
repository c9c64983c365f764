//! Discord's rate limits, kept before they are hit: which request waits, for how long, and which one never does.
//!
//! Requests of one bucket go one after the other, in the order in which they came. So each answer says exactly what is
//! left, nothing has to be counted here, and all that is worth remembering of a bucket is until when it is closed.

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, sleep_until};

/// Discord's global limit: this many requests in a second.
const GLOBAL: usize = 50;

/// How many bad answers (401, 403, 429) within [`MEMORY`] are too many. At 10,000 Discord shuts out the whole address.
const TOO_MANY_BAD: usize = 1_000;

/// How long Discord counts a bad answer.
const MEMORY: Duration = Duration::from_secs(600);

/// How far apart requests are while there are too many bad answers: at most 600 more of them in ten minutes.
const SLOW: Duration = Duration::from_secs(1);

/// How long to wait when Discord says "too many", and not for how long.
const UNTOLD: Duration = Duration::from_secs(1);

/// The shortest and the longest wait that is believed. The longest that Discord asks for is a day: 200 new commands.
const SHORTEST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// From this many buckets on, those that are not needed are forgotten.
const MANY: usize = 256;

/// What a request's method and path say about the limits that hold for it.
#[derive(PartialEq, Eq)]
pub struct Route {
    kind: Kind,
    /// The method, and the path with a `:` in place of all that differs from call to call: fit for a log.
    shape: String,
    /// The top-level resource, which has its limits for itself: a channel, a guild, or a webhook with its token.
    resource: String,
}

/// Which limits hold for a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The first answer to an interaction. It is sent once, within 3 s or in vain, so it stands in no queue.
    Acknowledgement,
    /// What follows it, through the interaction's own token: limited for each token.
    Interaction,
    /// All else, in the bot's name: limited by bucket, and globally.
    Bot,
}

impl Route {
    /// The route of a request to `path`, such as `/channels/1/messages?limit=5`.
    pub fn of(method: &Method, path: &str) -> Route {
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let segments: Vec<&str> = path.split('/').skip(1).collect();
        let (kind, named) = match segments[..] {
            ["interactions", _, _, "callback"] => (Kind::Acknowledgement, 3),
            // Deckhand uses no other webhooks than those that come with an interaction.
            ["webhooks", _, _, ..] => (Kind::Interaction, 3),
            ["channels" | "guilds" | "webhooks", _, ..] => (Kind::Bot, 2),
            _ => (Kind::Bot, 0),
        };
        let literal = |segment: &str| segment.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'-' | b'@'));
        let mut shape = format!("{method} ");
        for (place, segment) in segments.iter().enumerate() {
            let fixed = place == 0 || (place >= named && literal(segment));
            shape.push('/');
            shape.push_str(if fixed { segment } else { ":" });
        }
        Route { kind, shape, resource: segments[..named.min(segments.len())].join("/") }
    }

    /// The route as it may stand in a log: without ids and tokens.
    pub fn shape(&self) -> &str {
        &self.shape
    }

    /// Whether it is the first answer to an interaction.
    pub fn acknowledges(&self) -> bool {
        self.kind == Kind::Acknowledgement
    }

    /// Whether the request goes out in the bot's name. Otherwise the interaction's token in its path is enough.
    pub fn needs_token(&self) -> bool {
        self.kind == Kind::Bot
    }

    /// The interaction's token in the path, which is as secret as the bot's own.
    pub fn secret(&self) -> Option<&str> {
        (self.kind != Kind::Bot).then(|| self.resource.rsplit('/').next()).flatten()
    }
}

/// The right to send the next request of a bucket; whoever holds it is alone, until it is dropped.
pub struct Turn {
    route: Route,
    /// When the bucket is open; an acknowledgement has none.
    open_at: Option<OwnedMutexGuard<Instant>>,
}

impl Turn {
    /// Whose turn it is.
    pub fn route(&self) -> &Route {
        &self.route
    }
}

/// All the limits of one bot.
pub struct Limiter {
    buckets: Mutex<Buckets>,
    /// When the last requests under the global limit were sent. Its lock is the queue of those that wait for it.
    sent: tokio::sync::Mutex<Recent>,
    /// Until when Discord has stopped all that is under the global limit.
    stopped: Mutex<Instant>,
    /// When the last bad answers came.
    bad: Mutex<Recent>,
    /// When the next request may go while there are too many of them. Its lock is the queue of those that wait for it.
    slow: tokio::sync::Mutex<Instant>,
}

impl Limiter {
    /// Limits of which nothing is known yet.
    pub fn new() -> Limiter {
        let now = Instant::now();
        Limiter {
            buckets: Mutex::default(),
            sent: tokio::sync::Mutex::new(Recent::new(GLOBAL, Duration::from_secs(1))),
            stopped: Mutex::new(now),
            bad: Mutex::new(Recent::new(TOO_MANY_BAD, MEMORY)),
            slow: tokio::sync::Mutex::new(now),
        }
    }

    /// Waits in line until a request of `route` could be sent.
    pub async fn turn(&self, route: Route) -> Turn {
        if route.kind == Kind::Acknowledgement {
            return Turn { route, open_at: None };
        }
        let open_at = loop {
            let bucket = lock(&self.buckets).of(&route);
            let open_at = bucket.clone().lock_owned().await;
            // While we stood in line, Discord may have told that the route belongs to another bucket.
            if Arc::ptr_eq(&bucket, &lock(&self.buckets).of(&route)) {
                break open_at;
            }
        };
        sleep_until(*open_at).await;
        if route.kind == Kind::Bot {
            self.while_stopped().await;
        }
        Turn { route, open_at: Some(open_at) }
    }

    /// Waits until the request whose turn it is may leave, and counts it as sent.
    pub async fn leave(&self, turn: &Turn) {
        let Some(open_at) = &turn.open_at else { return };
        sleep_until(**open_at).await;
        self.slowly().await;
        // Discord's documentation, "Rate Limits": "Interaction endpoints are not bound to the bot's Global Rate Limit."
        if turn.route.kind == Kind::Bot {
            self.globally().await;
        }
    }

    /// Learns from an answer and its JSON. After a 429 it says how long to wait; the request has not been carried out.
    pub fn learn(&self, turn: &mut Turn, answer: &Response<Bytes>, body: &Value) -> Option<Duration> {
        let (headers, now) = (answer.headers(), Instant::now());
        let limited = answer.status() == StatusCode::TOO_MANY_REQUESTS;
        let scope = text(headers, "x-ratelimit-scope").unwrap_or_default();
        if matches!(answer.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) || (limited && scope != "shared")
        {
            self.count_bad(now);
        }
        let spent = text(headers, "x-ratelimit-remaining") == Some("0");
        let mut closed = seconds(headers, "x-ratelimit-reset-after").filter(|_| spent);
        let mut wait = None;
        if limited {
            let told = body["retry_after"].as_f64().and_then(span).or_else(|| seconds(headers, "retry-after"));
            let told = told.or(closed).unwrap_or(UNTOLD).clamp(SHORTEST, LONGEST);
            // An answer without Discord's JSON comes from the proxies before it, which limit the whole address.
            let global = scope == "global"
                || text(headers, "x-ratelimit-global") == Some("true")
                || body["global"] == true
                || !body.is_object();
            // What is shared is limited for everybody: no fault of ours.
            if scope == "shared" {
                tracing::debug!("Discord limits {} for everybody: waits {told:?}", turn.route.shape);
            } else {
                tracing::warn!(global, "Discord limits {}: waits {told:?}", turn.route.shape);
            }
            if global {
                let mut stopped = lock(&self.stopped);
                *stopped = (*stopped).max(now + told);
            } else {
                closed = Some(told);
            }
            wait = Some(told);
        }
        self.close(turn, text(headers, "x-ratelimit-bucket"), closed.map(|closed| now + closed));
        wait
    }

    /// Notes to which bucket the route belongs, and until when it is closed.
    fn close(&self, turn: &mut Turn, bucket: Option<&str>, until: Option<Instant>) {
        let Some(open_at) = turn.open_at.as_deref_mut() else { return };
        if let Some(until) = until {
            *open_at = until;
        }
        let mut buckets = lock(&self.buckets);
        if bucket.is_some_and(|bucket| buckets.join(&turn.route, bucket)) {
            // Another route's requests may have had this bucket before. If one is under way, its answer tells more.
            if let Ok(mut other) = buckets.of(&turn.route).try_lock() {
                *other = (*other).max(*open_at);
            }
        }
    }

    fn count_bad(&self, now: Instant) {
        let mut bad = lock(&self.bad);
        let before = bad.full_until(now).is_some();
        bad.push(now);
        if !before && bad.full_until(now).is_some() {
            tracing::error!(
                "{TOO_MANY_BAD} requests were refused (401, 403, 429) within 10 minutes, at 10,000 Discord shuts this \
                 address out: only one a second from now on; check the bot's token and its permissions"
            );
        }
    }

    async fn while_stopped(&self) {
        loop {
            let stopped = *lock(&self.stopped);
            if stopped <= Instant::now() {
                return;
            }
            sleep_until(stopped).await;
        }
    }

    async fn globally(&self) {
        let mut sent = self.sent.lock().await;
        loop {
            self.while_stopped().await;
            match sent.full_until(Instant::now()) {
                Some(until) => sleep_until(until).await,
                None => break,
            }
        }
        sent.push(Instant::now());
    }

    async fn slowly(&self) {
        if lock(&self.bad).full_until(Instant::now()).is_some() {
            let mut next = self.slow.lock().await;
            sleep_until(*next).await;
            *next = Instant::now() + SLOW;
        }
    }
}

/// When a bucket is open. The lock around it is the queue of its requests.
type Bucket = Arc<tokio::sync::Mutex<Instant>>;

#[derive(Default)]
struct Buckets {
    /// Discord's names of buckets, by the shape of a route. The first name stays: which routes share a bucket is all that
    /// is asked of it.
    names: HashMap<String, String>,
    /// By name, or by shape as long as there is none, and by top-level resource, which the name does not tell.
    open: HashMap<(String, String), Bucket>,
    /// How many there may be before those that are not needed are forgotten, less [`MANY`].
    kept: usize,
}

impl Buckets {
    fn of(&mut self, route: &Route) -> Bucket {
        let now = Instant::now();
        if self.open.len() >= self.kept + MANY {
            // Of a bucket that is open nothing is lost: the next answer tells all about it.
            let needed = |bucket: &Bucket| {
                Arc::strong_count(bucket) > 1 || bucket.try_lock().is_ok_and(|open_at| *open_at > now)
            };
            self.open.retain(|_, bucket| needed(bucket));
            self.kept = self.open.len();
            self.open.shrink_to(self.kept + MANY);
        }
        let name = self.names.get(&route.shape).unwrap_or(&route.shape).clone();
        let bucket = self.open.entry((name, route.resource.clone()));
        bucket.or_insert_with(|| Arc::new(tokio::sync::Mutex::new(now))).clone()
    }

    /// Notes that the route belongs to the bucket of this name, and says whether that is news. Its queues move along.
    fn join(&mut self, route: &Route, name: &str) -> bool {
        if self.names.contains_key(&route.shape) {
            return false;
        }
        self.names.insert(route.shape.clone(), name.to_owned());
        let moved: Vec<_> = self.open.extract_if(|(name, _), _| *name == route.shape).collect();
        for ((_, resource), bucket) in moved {
            self.open.entry((name.to_owned(), resource)).or_insert(bucket);
        }
        true
    }
}

/// The last few moments at which something happened.
struct Recent {
    moments: VecDeque<Instant>,
    most: usize,
    span: Duration,
}

impl Recent {
    fn new(most: usize, span: Duration) -> Recent {
        Recent { moments: VecDeque::new(), most, span }
    }

    fn push(&mut self, now: Instant) {
        if self.moments.len() == self.most {
            self.moments.pop_front();
        }
        self.moments.push_back(now);
    }

    /// Until when it will have happened the most times within the span, if it has.
    fn full_until(&self, now: Instant) -> Option<Instant> {
        let oldest = self.moments.front().filter(|_| self.moments.len() == self.most)?;
        Some(*oldest + self.span).filter(|until| *until > now)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn seconds(headers: &HeaderMap, name: &str) -> Option<Duration> {
    span(text(headers, name)?.parse().ok()?)
}

/// So many seconds, where that is a span of time that can be believed.
fn span(seconds: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(seconds).ok().map(|span| span.min(LONGEST))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

#[cfg(test)]
mod tests;
