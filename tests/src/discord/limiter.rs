//! Discord's rate limits: buckets of requests, told in headers, and a limit over all of them.

use super::knobs::Scope;
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// How many requests a second a bot may make over all routes but those of interactions (Discord's reference, "Global Rate
/// Limit").
const GLOBAL: u32 = 50;

/// The limits of routes, by the beginning of their names: how many requests, in which time. They are what Discord's headers
/// have been seen to say; Discord promises none of them. A route that is not here has the last.
const LIMITS: &[(&str, u32, Duration)] = &[
    ("PATCH /webhooks/", 5, Duration::from_secs(2)),
    ("POST /webhooks/", 5, Duration::from_secs(2)),
    ("DELETE /webhooks/", 5, Duration::from_secs(2)),
    ("POST /channels/{channel_id}/messages", 5, Duration::from_secs(5)),
    ("PATCH /channels/{channel_id}/messages", 5, Duration::from_secs(5)),
    ("DELETE /channels/{channel_id}/messages", 5, Duration::from_secs(1)),
    ("", 50, Duration::from_secs(1)),
];

/// How much of each limit is used.
#[derive(Debug, Default)]
pub struct Limiter {
    buckets: HashMap<(String, String), Bucket>,
    global: Option<Bucket>,
    /// How many requests were refused.
    pub refused: usize,
}

#[derive(Debug, Clone)]
struct Bucket {
    used: u32,
    ends: Instant,
}

/// What the headers of an answer say.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// The opaque name of the bucket.
    pub bucket: String,
    /// How many requests it holds.
    pub limit: u32,
    /// How many are left.
    pub remaining: u32,
    /// When it is full again.
    pub after: Duration,
    /// Whose limit is used up; nothing while none is.
    pub over: Option<Scope>,
}

impl Limiter {
    /// Counts a request of this route, for this channel, guild or token. A callback has no limit.
    pub fn count(&mut self, route: &str, major: &str) -> Option<Told> {
        if route.ends_with("/callback") {
            return None;
        }
        let (name, limit, window) =
            LIMITS.iter().find(|(begin, ..)| route.starts_with(begin)).copied().unwrap_or_default();
        let now = Instant::now();
        let global = match () {
            () if route.contains(" /webhooks/") => false,
            () => !fill(self.global.get_or_insert(Bucket { used: 0, ends: now }), GLOBAL, Duration::from_secs(1)),
        };
        let key = (if name.is_empty() { route } else { name }.to_owned(), major.to_owned());
        let bucket = self.buckets.entry(key).or_insert(Bucket { used: 0, ends: now });
        let over = match (global, fill(bucket, limit, window)) {
            (true, _) => Some(Scope::Global),
            (false, false) => Some(Scope::User),
            (false, true) => None,
        };
        self.refused += usize::from(over.is_some());
        let ends = if global { self.global.as_ref().map_or(now, |global| global.ends) } else { bucket.ends };
        let told = Told {
            bucket: named(if name.is_empty() { route } else { name }),
            limit,
            remaining: limit - bucket.used,
            after: ends - now,
            over,
        };
        if self.buckets.len() > 10_000 {
            self.buckets.retain(|_, bucket| bucket.ends > now);
        }
        Some(told)
    }
}

/// Takes one of a bucket's requests; false when it has none.
fn fill(bucket: &mut Bucket, limit: u32, window: Duration) -> bool {
    let now = Instant::now();
    if bucket.ends <= now {
        *bucket = Bucket { used: 0, ends: now + window };
    }
    let room = bucket.used < limit;
    bucket.used += u32::from(room);
    room
}

/// A name that tells nothing, as Discord's do.
fn named(route: &str) -> String {
    let hash = route.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3) // FNV-1a
    });
    format!("{hash:016x}")
}
