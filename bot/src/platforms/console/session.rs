//! Who may use the console: a one-time link, then a cookie; and for the command line a token in a file of the operator's.

use anyhow::Result;
use chrono::{DateTime, TimeDelta, Utc};
use commands::store::{Batch, Read, Store};
use commands::table::Table;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// The cookie's name.
pub const COOKIE: &str = "deckhand";

/// How long a browser stays signed in.
const SESSION_DAYS: i64 = 30;

/// How long a link can be used that was asked for later; the first one waits for whoever started Deckhand.
const LINK_MINUTES: i64 = 15;

/// A browser that is signed in, by the hash of its cookie.
const SESSIONS: Table<Session> = Table::new("console/sessions/");

#[derive(Debug, Serialize, Deserialize)]
struct Session {
    until: DateTime<Utc>,
}

/// The doors to the console.
pub struct Doors {
    store: Arc<dyn Store>,
    token: String,
    links: Mutex<HashMap<String, Option<DateTime<Utc>>>>,
}

impl Doors {
    /// Doors with a fresh token for the command line.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn new(store: Arc<dyn Store>) -> Result<Doors> {
        Ok(Doors { store, token: secret()?, links: Mutex::default() })
    }

    /// What lets the command line in.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// A new word for a one-time link, good for a while or (without `now`) until it is used.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub fn link(&self, now: Option<DateTime<Utc>>) -> Result<String> {
        let word = secret()?;
        let until = now.map(|now| now + TimeDelta::minutes(LINK_MINUTES));
        self.links().insert(hash(&word), until);
        Ok(word)
    }

    /// Trades a link's word for a cookie, once.
    ///
    /// # Errors
    /// When the session can not be written.
    pub async fn sign_in(&self, word: &str, now: DateTime<Utc>) -> Result<Option<String>> {
        let Some(until) = self.links().remove(&hash(word)) else { return Ok(None) };
        if until.is_some_and(|until| until <= now) {
            return Ok(None);
        }
        let cookie = secret()?;
        let mut batch = Batch::default();
        SESSIONS.put_in(&mut batch, hash(&cookie), &Session { until: now + TimeDelta::days(SESSION_DAYS) })?;
        self.store.commit(batch).await?;
        Ok(Some(cookie))
    }

    /// Whether the bearer of this token is the command line.
    pub fn is_token(&self, token: &str) -> bool {
        // Hashes are compared, so that the time it takes tells nothing about the token.
        hash(token) == hash(&self.token)
    }

    /// Whether this cookie belongs to a browser that is signed in.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn is_session(&self, cookie: &str, now: DateTime<Utc>) -> Result<bool> {
        let session = SESSIONS.get(&*self.store, hash(cookie)).await?;
        Ok(session.is_some_and(|session| session.value.until > now))
    }

    fn links(&self) -> MutexGuard<'_, HashMap<String, Option<DateTime<Utc>>>> {
        self.links.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

/// The cookie as a browser is to keep it: not for scripts, and not for requests that another page causes.
pub fn set_cookie(cookie: &str) -> String {
    format!("{COOKIE}={cookie}; HttpOnly; SameSite=Strict; Path=/; Max-Age={}", SESSION_DAYS * 24 * 3600)
}

/// Removes, with the batch, the sessions that are over.
pub async fn forget(store: &dyn Read, now: DateTime<Utc>, batch: &mut Batch) -> Result<()> {
    for (name, session) in SESSIONS.scan(store, "", usize::MAX).await? {
        if session.value.until <= now {
            batch.delete(SESSIONS.key(name));
        }
    }
    Ok(())
}

fn secret() -> Result<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("there are no random numbers: {error}"))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn hash(word: &str) -> String {
    format!("{:x}", Sha256::digest(word))
}
