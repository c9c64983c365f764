//! GitHub's webhooks: each wakes whatever looks at its repository. What has happened is asked from GitHub all the same, so
//! that one that is lost, doubled, late or forged changes nothing.

use commands::route::{Answer, Incoming, Route};
use commands::text;
use hmac::{Hmac, Mac};
use http::{Method, StatusCode};
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

/// The route.
pub const NAME: &str = "github";

/// The longest body that is read: a tenth of it is plenty for any of [`EVENTS`], and GitHub sends no more than 25 MB.
const LONGEST: usize = 1 << 20;

/// What may be news of a run, or of a commit's checks, and of an issue. A job of a run is a check run, too.
const EVENTS: [&str; 8] =
    ["workflow_run", "workflow_job", "check_run", "check_suite", "status", "deployment", "deployment_status", ISSUES];

/// What is told of issues.
const ISSUES: &str = "issues";

/// How many webhooks are remembered, 32 bytes each, so that a doubled one costs no look. After a restart one costs a look
/// again, and nothing more.
const REMEMBERED: usize = 10_000;

/// How long to wait between two looks at the least, however many webhooks come: a run of many jobs sends several a second.
const PACE: Duration = Duration::from_secs(1);

/// How much longer one may wait between two looks where webhooks come in.
const SLOWER: u32 = 6;

/// For how long it is believed, after one has come, that others would.
const BELIEVED: Duration = Duration::from_secs(30 * 60);

/// What takes GitHub's webhooks. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Webhooks {
    secret: Arc<str>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// When the last webhook of a repository came, for those who look at it.
    heard: BTreeMap<String, watch::Sender<Option<Instant>>>,
    seen: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl State {
    /// Whether this one is new; it is not from now on.
    fn is_new(&mut self, signature: [u8; 32]) -> bool {
        if !self.seen.insert(signature) {
            return false;
        }
        self.order.push_back(signature);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

/// What every event has; and what those of issues have besides.
#[derive(Deserialize)]
struct Event {
    repository: Repository,
    #[serde(default)]
    action: String,
    issue: Option<Issue>,
}

#[derive(Deserialize)]
struct Issue {
    number: u64,
}

#[derive(Deserialize)]
struct Repository {
    full_name: String,
}

impl Webhooks {
    /// Takes those that are signed with `secret`.
    pub fn new(secret: &str) -> Webhooks {
        Webhooks { secret: secret.into(), state: Arc::default() }
    }

    /// Where GitHub sends them.
    pub fn route() -> Route {
        Route { name: NAME, method: Method::POST, path: "/hooks/github".to_owned(), longest: LONGEST }
    }

    /// The news of a repository, `owner/name`, from now on.
    pub fn news_of(&self, repository: &str) -> watch::Receiver<Option<Instant>> {
        // GitHub's names are the same in any case.
        self.state().heard.entry(repository.to_lowercase()).or_default().subscribe()
    }

    /// Takes one. GitHub shows the answer beside the delivery, in the webhook's settings. `closed` is told of an issue that was
    /// closed, by its repository and number, and says whether anybody follows it.
    pub fn take(&self, incoming: &Incoming, closed: impl Fn(&str, u64) -> bool) -> Answer {
        let signature = match self.signature(incoming) {
            Ok(signature) => signature,
            Err(what) => return Answer::refused(StatusCode::UNAUTHORIZED, what),
        };
        if !incoming.header("content-type").is_some_and(|kind| kind.starts_with("application/json")) {
            let what = "This is no JSON, so it was not read: choose the content type `application/json` at GitHub.";
            return Answer::refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, what);
        }
        let event = incoming.header("x-github-event").unwrap_or_default();
        if event == "ping" {
            return told(format!("It arrives. Let GitHub send these events: {}.", EVENTS.join(", ")));
        }
        if !EVENTS.contains(&event) {
            return told(format!(
                "Nothing waits for {}. These are waited for: {}.",
                text::code(event),
                EVENTS.join(", ")
            ));
        }
        let Ok(Event { repository, action, issue }) = serde_json::from_slice(incoming.request.body()) else {
            return Answer::refused(StatusCode::BAD_REQUEST, "It names no repository, so nothing was looked at.");
        };
        let mut state = self.state();
        if !state.is_new(signature) {
            return told("This one came before, so nothing was looked at again.".to_owned());
        }
        let name = text::code(&repository.full_name);
        if event == ISSUES {
            drop(state);
            let followed = issue.filter(|issue| action == "closed" && closed(&repository.full_name, issue.number));
            return told(match followed {
                Some(Issue { number }) => format!("Issue {number} of {name} is looked at, if it is an action item's."),
                None => "This changes no action item, so nothing was looked at.".to_owned(),
            });
        }
        let heard = state.heard.get(&repository.full_name.to_lowercase());
        let Some(heard) = heard.filter(|heard| heard.receiver_count() > 0) else {
            return told(format!("Nothing at {name} is waited for at the moment."));
        };
        heard.send_replace(Some(Instant::now()));
        told(format!("What runs at {name} is looked at."))
    }

    /// The signature, if it is GitHub's, by "Validating webhook deliveries"; it is compared in constant time, before
    /// anything else is read. The number of a delivery is not signed: so it is the signature that names one.
    fn signature(&self, incoming: &Incoming) -> Result<[u8; 32], &'static str> {
        const UNSIGNED: &str = "It is not signed, so it was not read: write the `secret` of `[deploy.github]` into the webhook's settings at GitHub.";
        const FORGED: &str = "Its signature is not that of the `secret` of `[deploy.github]`, so it was not read.";
        let given = incoming.header("x-hub-signature-256").ok_or(UNSIGNED)?;
        let signature = given.strip_prefix("sha256=").and_then(unhexed).ok_or(FORGED)?;
        let mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).map_err(|_| FORGED)?;
        let checked = mac.chain_update(incoming.request.body()).verify_slice(&signature);
        checked.map(|()| signature).map_err(|_| FORGED)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

fn told(says: String) -> Answer {
    Answer::json(StatusCode::OK, &json!({ "says": says }))
}

/// 32 bytes in hexadecimal digits.
fn unhexed(text: &str) -> Option<[u8; 32]> {
    let digits = text.bytes().map(|byte| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()));
    let digits: Vec<u8> = digits.collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte * 16 + digit)).collect();
    if digits.len() == 64 { bytes.try_into().ok() } else { None }
}

/// The news of a repository, for one who looks at it again and again.
pub struct News(Option<watch::Receiver<Option<Instant>>>);

impl News {
    /// News from here; without any, one has to look.
    pub fn new(heard: Option<watch::Receiver<Option<Instant>>>) -> News {
        News(heard)
    }

    /// Waits between two looks: for `look` where nothing tells, else until a webhook comes, or longer. One that came during
    /// the last look counts.
    pub async fn wait(&mut self, look: Duration) {
        let Some(heard) = &mut self.0 else { return sleep(look).await };
        sleep(PACE).await;
        let fed = heard.borrow().is_some_and(|at| at.elapsed() < BELIEVED);
        let longest = if fed { look * SLOWER } else { look };
        tokio::select! {
            biased;
            Ok(()) = heard.changed() => {}
            () = sleep(longest.saturating_sub(PACE)) => {}
        }
    }
}

#[cfg(test)]
mod tests;
