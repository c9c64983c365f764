//! Callbacks: a service that ships over HTTP says that there is news of a run, instead of being asked again and again. Like a
//! webhook, a callback wakes and proves nothing: how the run stands is asked all the same.

use crate::deploy::records::Target;
use commands::route::{Answer, Incoming, Route};
use config::Section;
use hmac::{Hmac, Mac};
use http::{Method, StatusCode};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// The route.
pub const NAME: &str = "callback";

/// Where it begins; a run's own secret follows.
const PATH: &str = "/hooks/deploys/";

/// The part of the route's path that is the secret.
const SECRET: &str = "secret";

/// The longest body that is taken: what stands in it is not read.
const LONGEST: usize = 1 << 20;

/// The fewest letters of a secret that nobody guesses.
const SHORTEST: usize = 16;

/// How long to wait between two looks at the least, however often the service calls.
const PACE: Duration = Duration::from_secs(1);

/// How much longer one may wait between two looks where the service calls.
const SLOWER: u32 = 6;

/// Who waits for a callback, by the SHA-256 of a run's secret: neither the map nor the time of a lookup tells a secret.
type Waiting = HashMap<[u8; 32], watch::Sender<()>>;

/// All runs that wait for a callback. Cheap to clone; all clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Callbacks(Arc<Mutex<Waiting>>);

/// How one service calls back.
#[derive(Clone)]
pub struct Callback {
    /// Where Deckhand is reached from outside, without the last slash.
    base: String,
    /// What runs' secrets are made of, so that they are the same after a restart.
    secret: String,
    all: Callbacks,
}

impl std::fmt::Debug for Callback {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Callback({})", self.base)
    }
}

/// The news of one run, as long as somebody waits for them.
pub struct News {
    heard: watch::Receiver<()>,
    key: [u8; 32],
    all: Callbacks,
}

impl Callbacks {
    /// Where services call back.
    pub fn route() -> Route {
        Route { name: NAME, method: Method::POST, path: format!("{PATH}{{{SECRET}}}"), longest: LONGEST }
    }

    /// Takes one, and wakes whoever looks at its run.
    pub fn take(&self, incoming: &Incoming) -> Answer {
        let secret = incoming.parts.get(SECRET).map(String::as_str).unwrap_or_default();
        match self.waiting().get(&key(secret)) {
            Some(heard) => {
                heard.send_replace(());
                Answer::json(StatusCode::OK, &json!({ "says": "The run is looked at." }))
            }
            None => Answer::refused(StatusCode::NOT_FOUND, "No run that is waited for is called back here."),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Callback {
    /// Reads `url` and `secret`, noting every mistake; `listens` is whether Deckhand listens to programs.
    pub fn read(section: &Section<'_>, listens: bool, all: &Callbacks) -> Option<Callback> {
        let secret = section.required_text("secret");
        if section.has("secret") && secret.len() < SHORTEST {
            let what = format!("a secret of fewer than {SHORTEST} characters can be guessed");
            let instead = "write `secret = \"${SHIPS_SECRET}\"`, made by `openssl rand -hex 32`";
            section.problem("secret", what, instead);
        }
        if !section.has("url") {
            section.required_text("url");
        }
        let base = section.url("url")?.trim_end_matches('/').to_owned();
        if config::address::is_in_the_clear(&base) {
            section.problem("url", "a run's secret would be sent for everybody to read", "begin it with `https://`");
        }
        if !listens {
            let instead = "write a section `[hooks]` with `listen = \"127.0.0.1:7879\"`, or take this out";
            section.problem("url", "the service is to call back, and nobody listens to it", instead);
        }
        Some(Callback { base, secret, all: all.clone() })
    }

    /// Where the run of this act is called back: nobody who does not know the secret can tell it.
    pub fn address(&self, target: &Target, act: u64) -> String {
        format!("{}{PATH}{}", self.base, self.of_run(target, act))
    }

    /// The news of the run of this act, from now on.
    pub fn news_of(&self, target: &Target, act: u64) -> News {
        let (key, (told, heard)) = (key(&self.of_run(target, act)), watch::channel(()));
        self.all.waiting().insert(key, told);
        News { heard, key, all: self.all.clone() }
    }

    fn of_run(&self, target: &Target, act: u64) -> String {
        // Any key is good for HMAC.
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes());
        let digest = mac.map(|mac| mac.chain_update(format!("callback of {target} #{act}")).finalize().into_bytes());
        digest.map(|digest| format!("{digest:x}")).unwrap_or_default()
    }
}

impl News {
    /// Waits between two looks: until the service calls, or for longer than `look`, as calls get lost.
    pub async fn wait(&mut self, look: Duration) {
        sleep(PACE).await;
        tokio::select! {
            biased;
            Ok(()) = self.heard.changed() => {}
            () = sleep((look * SLOWER).saturating_sub(PACE)) => {}
        }
    }
}

impl Drop for News {
    fn drop(&mut self) {
        self.all.waiting().remove(&self.key);
    }
}

fn key(secret: &str) -> [u8; 32] {
    Sha256::digest(secret).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_has_an_address_of_its_own_which_outlives_a_restart() {
        let callback = |secret: &str| Callback {
            base: "https://deckhand.example".to_owned(),
            secret: secret.to_owned(),
            all: Callbacks::default(),
        };
        let target = Target { service: "hello".to_owned(), environment: "staging".to_owned() };
        let other = Target { environment: "production".to_owned(), ..target.clone() };
        let address = callback("a").address(&target, 7);
        assert!(
            address.starts_with("https://deckhand.example/hooks/deploys/") && address.len() == 39 + 64,
            "{address}"
        );
        assert_eq!(callback("a").address(&target, 7), address);
        for another in
            [callback("b").address(&target, 7), callback("a").address(&target, 8), callback("a").address(&other, 7)]
        {
            assert_ne!(another, address);
        }
    }
}
