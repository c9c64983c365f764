//! The link to a server: made, kept, and made again. What is said through it counts once the server has read it.

mod delivery;
mod session;

use super::dial::Dial;
use super::health::Health;
use super::message::{Message, safe, word};
use super::pace::with_jitter;
use super::settings::Settings;
use delivery::Done;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// The first and the longest pause between two connections.
const FIRST_PAUSE: Duration = Duration::from_secs(2);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A link that held for so long was a good one: the next pause is the first again.
const GOOD: Duration = Duration::from_secs(60);

/// Why a message did not get through.
#[derive(Debug)]
pub enum Unsaid {
    /// The link is down: nothing of it was sent.
    Away,
    /// The link went down before the server had said that it read it: it may have been said or not.
    Lost,
    /// The server refuses it, in these words.
    Refused(String),
}

/// What the link tells of.
#[derive(Debug)]
pub enum Event {
    /// The server has sent this.
    Heard(Message),
    /// Deckhand is on.
    On,
    /// The link is down: who was who is not known any more.
    Off,
}

/// How soon something is to be sent: networks take a line in two seconds, and a page of help has many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// Before all that only reads.
    Now,
    /// When nothing else is to be said.
    Idle,
}

/// Something to be sent.
enum Job {
    /// A line that nobody waits for.
    Line(String),
    /// A message; `done` is told once the server has read all of it.
    Say { target: String, lines: VecDeque<String>, done: Done },
    /// What is left of a message that was begun.
    Rest { number: u64, lines: VecDeque<String> },
}

/// The link to one network.
pub struct Link {
    settings: Settings,
    dial: Arc<dyn Dial>,
    health: Arc<Health>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The way to the session that is on.
    jobs: Option<mpsc::UnboundedSender<(Haste, Job)>>,
    /// Our own nick.
    nick: String,
    /// Whether the server marks each message with the account of its sender.
    tags: bool,
}

impl Link {
    /// A link that is still to be made.
    pub fn new(settings: Settings, dial: Arc<dyn Dial>, health: Arc<Health>) -> Arc<Link> {
        let state = State { nick: settings.nick.clone(), ..State::default() };
        Arc::new(Link { settings, dial, health, state: Mutex::new(state) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Whether it is up.
    pub fn is_on(&self) -> bool {
        self.state().jobs.is_some()
    }

    /// Our own nick.
    pub fn nick(&self) -> String {
        self.state().nick.clone()
    }

    /// Whether the server marks each message with the account of its sender.
    pub fn tags_accounts(&self) -> bool {
        self.state().tags
    }

    /// Sends a line that nobody waits for; nowhere while the link is down.
    pub fn send(&self, line: &str) {
        if let Some(jobs) = &self.state().jobs {
            // A session that is ending sends nothing more.
            let _ = jobs.send((Haste::Now, Job::Line(safe(line))));
        }
    }

    /// Sends lines to a channel or a nick that nobody waits for.
    pub fn mention(&self, haste: Haste, command: &str, target: &str, lines: &[String]) {
        if let Some(jobs) = &self.state().jobs {
            for line in lines {
                // A session that is ending sends nothing more.
                let _ = jobs.send((haste, Job::Line(safe(&format!("{command} {} :{line}", word(target))))));
            }
        }
    }

    /// Says lines to a channel or a nick, and waits until the server has read them: a `PING` that was sent after them is
    /// answered. Servers take lines in order and refuse before they answer, so this holds on all of them. Where the link
    /// breaks before the answer, a server that sends lines back has told which were heard.
    ///
    /// # Errors
    /// When the link is or goes down, or the server refuses.
    pub async fn say(&self, haste: Haste, command: &str, target: &str, lines: &[String]) -> Result<(), Unsaid> {
        let target = word(target);
        let lines = lines.iter().map(|line| safe(&format!("{command} {target} :{line}"))).collect();
        let (done, said) = oneshot::channel();
        let job = Job::Say { target, lines, done };
        let sent = self.state().jobs.as_ref().is_some_and(|jobs| jobs.send((haste, job)).is_ok());
        if sent { said.await.unwrap_or(Err(Unsaid::Away)) } else { Err(Unsaid::Away) }
    }

    /// Keeps the link until `stop`, telling `events` what happens.
    pub async fn run(&self, events: mpsc::UnboundedSender<Event>, stop: CancellationToken) {
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let began = tokio::time::Instant::now();
            let why = match stop.run_until_cancelled(self.dial.dial()).await {
                None => return,
                Some(Ok(stream)) => self.session(stream, &events, &stop).await,
                Some(Err(error)) => format!("{error:#}"),
            };
            self.health.off(&why);
            // Whoever listens ends with the bot.
            let _ = events.send(Event::Off);
            if stop.is_cancelled() {
                return;
            }
            if began.elapsed() >= GOOD {
                pause = FIRST_PAUSE;
            }
            let wait = with_jitter(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            tracing::warn!(network = self.settings.network, "the link is down ({why}); the next try is in {wait:?}");
            if stop.run_until_cancelled(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }
}
