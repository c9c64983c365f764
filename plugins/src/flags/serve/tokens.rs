//! Tokens: what an application shows to be served, and for which project and environment it is.
//!
//! A token is looked up by its SHA-256, and only that is stored: neither a copy of the store nor the time that a lookup
//! takes tells anything about a token.

use anyhow::Context;
use chrono::{DateTime, Utc};
use commands::store::{Change, Read, Watch};
use commands::table::Table;
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// The tokens, by name.
pub const TOKENS: Table<Token> = Table::new(PREFIX);

const PREFIX: &str = "flags/token/";

/// A token, without what makes it one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Token {
    /// Whose flags it shows: a project's, or `*` for all.
    pub project: String,
    /// Where.
    pub environment: String,
    /// For whom it is.
    pub kind: Kind,
    /// The SHA-256 of the whole token, in hexadecimal digits.
    pub digest: String,
    /// Who made it.
    pub made_by: String,
    /// When.
    pub made: DateTime<Utc>,
}

/// For whom a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// For servers: they are shown whole definitions, with all that is in them.
    Backend,
    /// For pages and apps, where anybody can read it: they are shown what their user gets, and nothing else.
    Frontend,
}

impl Kind {
    /// Their words, as they are typed and stored.
    pub const WORDS: &'static [&'static str] = &["backend", "frontend"];

    /// Its word.
    pub fn word(self) -> &'static str {
        Kind::WORDS[self as usize]
    }

    /// The kind that a word means.
    pub fn of(word: &str) -> Option<Kind> {
        serde_json::from_value(word.into()).ok()
    }
}

/// The SHA-256 of a token, in hexadecimal digits.
pub fn digest(token: &str) -> String {
    digest_of(token.as_bytes())
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub fn digest_of(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

/// A new token in Unleash's form, `project:environment.secret`.
///
/// # Errors
/// When the machine has no random numbers.
pub fn make(project: &str, environment: &str) -> anyhow::Result<String> {
    let mut secret = [0; 32];
    getrandom::fill(&mut secret).map_err(|error| anyhow::anyhow!("there are no random numbers: {error}"))?;
    let secret: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{project}:{environment}.{secret}"))
}

/// A token that is good, and how much it is used.
#[derive(Debug)]
pub struct Known {
    /// Its name.
    pub name: String,
    /// What it is.
    pub token: Token,
    /// What names it in the address of a stream, where a browser can send no header: it tells when something has changed,
    /// and shows nothing.
    pub ticket: String,
    /// When the last request that is within the rate is over.
    spent: Mutex<Option<Instant>>,
    /// When it was last used, in seconds of Unix time; 0 before that.
    used: AtomicI64,
}

impl Known {
    fn of(name: String, token: Token) -> Known {
        let ticket = digest(&format!("stream {}", token.digest));
        Known { name, token, ticket: ticket[..32].to_owned(), spent: Mutex::default(), used: AtomicI64::new(0) }
    }

    /// Takes a request on it: nothing where that is within `rate` requests a second (as many may come at once), else how
    /// long to wait.
    pub fn take(&self, rate: u32, now: Instant, at: DateTime<Utc>) -> Option<Duration> {
        self.used.store(at.timestamp(), Ordering::Relaxed);
        let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let until = spent.unwrap_or(now).max(now);
        let wait = (until - now).checked_sub(Duration::from_secs(1));
        if wait.is_none_or(|wait| wait.is_zero()) {
            *spent = Some(until + Duration::from_secs(1) / rate);
            return None;
        }
        wait
    }

    /// When it was last used, as far as this run of Deckhand knows.
    pub fn used(&self) -> Option<DateTime<Utc>> {
        DateTime::from_timestamp(self.used.load(Ordering::Relaxed), 0).filter(|at| *at > DateTime::UNIX_EPOCH)
    }
}

/// The tokens that are good now. A request sees every change that was committed before it.
#[derive(Default)]
pub struct Keyring(OnceCell<Mutex<Ring>>);

struct Ring {
    changes: Watch,
    named: BTreeMap<String, Arc<Known>>,
    by_digest: HashMap<String, Arc<Known>>,
    by_ticket: HashMap<String, Arc<Known>>,
}

impl Keyring {
    /// The token that is written so.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn find(&self, store: &dyn Read, token: &str) -> anyhow::Result<Option<Arc<Known>>> {
        let digest = digest(token);
        self.with(store, |ring| ring.by_digest.get(&digest).cloned()).await
    }

    /// The token that a stream's address names.
    ///
    /// # Errors
    /// As [`Keyring::find`].
    pub async fn by_ticket(&self, store: &dyn Read, ticket: &str) -> anyhow::Result<Option<Arc<Known>>> {
        self.with(store, |ring| ring.by_ticket.get(ticket).cloned()).await
    }

    /// All of them, by name.
    ///
    /// # Errors
    /// As [`Keyring::find`].
    pub async fn all(&self, store: &dyn Read) -> anyhow::Result<Vec<Arc<Known>>> {
        self.with(store, |ring| ring.named.values().cloned().collect()).await
    }

    async fn with<T>(&self, store: &dyn Read, look: impl FnOnce(&Ring) -> T) -> anyhow::Result<T> {
        let ring = self.0.get_or_try_init(|| Ring::read(store)).await?;
        let mut ring = ring.lock().unwrap_or_else(PoisonError::into_inner);
        ring.catch_up();
        Ok(look(&ring))
    }
}

impl Ring {
    async fn read(store: &dyn Read) -> anyhow::Result<Mutex<Ring>> {
        // Watched before it is read, so that nothing falls between.
        let changes = store.watch(PREFIX);
        let tokens = TOKENS.scan(store, "", usize::MAX).await.context("the tokens can not be read")?;
        let mut ring = Ring { changes, named: BTreeMap::new(), by_digest: HashMap::new(), by_ticket: HashMap::new() };
        tokens.into_iter().for_each(|(name, token)| ring.put(name, Some(token.value)));
        Ok(Mutex::new(ring))
    }

    /// Takes in what has been committed meanwhile.
    fn catch_up(&mut self) {
        while let Some(Some(Change { key, value, .. })) = self.changes.next().now_or_never() {
            let Some(name) = TOKENS.name(&key) else { continue };
            // One that can not be read is good for nothing.
            let token = value.and_then(|value| TOKENS.decode(&value).ok());
            self.put(name.to_owned(), token);
        }
    }

    fn put(&mut self, name: String, token: Option<Token>) {
        if let Some(gone) = self.named.remove(&name) {
            self.by_digest.remove(&gone.token.digest);
            self.by_ticket.remove(&gone.ticket);
        }
        if let Some(token) = token {
            let known = Arc::new(Known::of(name.clone(), token));
            self.by_digest.insert(known.token.digest.clone(), known.clone());
            self.by_ticket.insert(known.ticket.clone(), known.clone());
            self.named.insert(name, known);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Known {
        let token = Token {
            project: "default".to_owned(),
            environment: "production".to_owned(),
            kind: Kind::Frontend,
            digest: digest("default:production.s3cr3t"),
            made_by: "ana".to_owned(),
            made: DateTime::UNIX_EPOCH,
        };
        Known::of("web".to_owned(), token)
    }

    #[test]
    fn a_token_is_unleashs_and_no_two_are_the_same() {
        let (one, other) = (make("default", "production").unwrap(), make("default", "production").unwrap());
        let secret = one.strip_prefix("default:production.").unwrap();
        assert!(secret.len() == 64 && secret.bytes().all(|byte| byte.is_ascii_hexdigit()), "{one}");
        assert_ne!(one, other);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_good_for_so_many_requests_a_second() {
        let (known, at) = (known(), DateTime::UNIX_EPOCH + Duration::from_secs(9));
        let now = Instant::now();
        let taken = (0..50).filter(|_| known.take(10, now, at).is_none()).count();
        assert_eq!(taken, 11, "as many as a second's may come at once, and the next one begins");
        let wait = known.take(10, now, at).unwrap();
        assert_eq!(wait, Duration::from_millis(100));
        assert_eq!(known.take(10, now + wait, at), None);
        assert!(known.take(10, now + wait, at).is_some());
        assert_eq!(known.used(), Some(at));
        // Whoever waited for long has no more than a second's.
        let later = now + Duration::from_secs(3_600);
        assert_eq!((0..50).filter(|_| known.take(10, later, at).is_none()).count(), 11);
    }
}
