//! One shard: a connection after the other, and the session that goes on through them.

use super::connection::{Connection, Socket};
use super::pace::{Turn, between};
use super::payload::{Session, Then, address};
use super::{Ended, Gap, Listener, Shared, ask};
use crate::platforms::discord::health::Stage;
use chrono::{DateTime, Utc};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};
use tokio_tungstenite::connect_async_with_config;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_util::sync::CancellationToken;

/// How much is read at a time, in bytes: an interaction or two. All of it is cleared before each read, and with more than
/// this, the 128 KiB of the library's own default, most of the time of a short message goes there.
const READ_AT_ONCE: usize = 8 * 1024;

/// The longest message that is read, in bytes.
const LONGEST_MESSAGE: usize = 16 * 1024 * 1024;

/// How often in a row a session is tried to be resumed; with the pauses between, about two minutes, after which Discord
/// has forgotten it, too.
const RESUMES: u32 = 8;

/// A shard, and what it has to remember from one connection to the next.
pub struct Shard {
    /// Its number, and how many there are.
    pub shard: [u32; 2],
    pub shared: Arc<Shared>,
    pub listener: Arc<Listener>,
    /// Where sessions begin.
    url: String,
    /// The session, and the number of its last event.
    pub session: Option<Session>,
    pub sequence: Option<u64>,
    /// When anything was last heard of it while it was ready.
    pub heard: DateTime<Utc>,
    /// When the session before it was last heard of.
    left: Option<DateTime<Utc>>,
    /// When the connection became ready.
    pub ready: Option<Instant>,
    /// How often in a row a connection was lost before it had settled.
    losses: u32,
    /// How often in a row resuming did not work.
    resumes: u32,
}

/// How a connection ended.
pub struct Lost {
    pub then: Then,
    /// For the log.
    pub why: String,
    /// The least pause before the next one.
    pub pause: Duration,
}

impl Lost {
    pub fn new(then: Then, why: impl Into<String>) -> Lost {
        Lost { then, why: why.into(), pause: Duration::ZERO }
    }
}

impl Shard {
    pub fn new(shard: [u32; 2], url: String, shared: Arc<Shared>, listener: Arc<Listener>) -> Shard {
        let heard = shared.clock.now();
        Shard {
            shard,
            shared,
            listener,
            url,
            session: None,
            sequence: None,
            heard,
            left: None,
            ready: None,
            losses: 0,
            resumes: 0,
        }
    }

    /// Keeps the shard connected until `stop` is cancelled.
    pub async fn keep(mut self, stop: CancellationToken) -> Result<(), Ended> {
        let shared = self.shared.clone();
        let mut known = true;
        while let Some(lost) = self.connect(known, &stop).await {
            known = false;
            shared.health.set(self.shard[0], Stage::Away);
            let settled = self.ready.take().is_some_and(|since| since.elapsed() >= shared.pace.settled);
            self.losses = if settled { 1 } else { self.losses.saturating_add(1) };
            match lost.then {
                Then::End(ended) => return Err(ended),
                Then::Resume => {}
                Then::Anew => self.forget(),
            }
            let pause = shared.pace.pause(self.losses).max(lost.pause);
            tracing::warn!("shard {} has lost Discord: {}; it connects again in {pause:.1?}", self.shard[0], lost.why);
            if stop.run_until_cancelled(sleep(pause)).await.is_none() {
                break;
            }
            shared.health.reconnects();
        }
        Ok(())
    }

    /// One connection from its beginning to its end; nothing when we have ended it. What Discord said at the start is
    /// still `known` for the first one.
    async fn connect(&mut self, known: bool, stop: &CancellationToken) -> Option<Lost> {
        let shared = self.shared.clone();
        if self.resumes >= RESUMES {
            self.forget();
        }
        let turn = match self.session {
            Some(_) => None,
            None => match stop.run_until_cancelled(self.prepare(known, &shared)).await? {
                Ok(turn) => Some(turn),
                Err(lost) => return Some(lost),
            },
        };
        // Where the session's own address does not answer, the common one may.
        let own = self.session.as_ref().filter(|_| self.resumes == 0);
        let url = own.map_or(&self.url, |session| &session.resume_gateway_url);
        self.resumes += u32::from(self.session.is_some());
        match stop.run_until_cancelled(dial(url, shared.pace.patience)).await? {
            Ok(socket) => Connection::new(self, socket).stand(turn, stop).await,
            Err(why) => Some(Lost::new(Then::Resume, why)),
        }
    }

    /// Waits for the turn to begin a session, having asked Discord where and how many.
    async fn prepare<'a>(&mut self, known: bool, shared: &'a Shared) -> Result<Turn<'a>, Lost> {
        if !known {
            let found = ask(&shared.rest).await.map_err(|ended| {
                let why = ended.to_string();
                let then = if matches!(ended, Ended::Refused(_)) { Then::End(ended) } else { Then::Resume };
                Lost::new(then, why)
            })?;
            shared.starts.update(&found.session_start_limit);
            self.url = found.url;
        }
        Ok(shared.starts.turn(self.shard[0], &shared.health).await)
    }

    /// The connection hears what Discord sends, in a new session or in the one before.
    pub fn is_ready(&mut self, session: Option<Session>) {
        let number = self.shard[0];
        if let Some(session) = session {
            self.session = Some(session);
            tracing::info!("shard {number} is connected to Discord");
        } else {
            tracing::info!("shard {number} is connected to Discord again, and has missed nothing");
        }
        self.resumes = 0;
        self.ready = Some(Instant::now());
        self.heard = self.shared.clock.now();
        self.shared.health.set(number, Stage::Ready);
        if let Some(from) = self.left.take() {
            (self.listener.away)(Gap { from, until: self.heard });
        }
    }

    /// How long to wait after Discord has called the session invalid.
    pub fn invalid_pause(&self) -> Duration {
        between(self.shared.pace.invalid)
    }

    /// The session can not be resumed.
    fn forget(&mut self) {
        if self.session.take().is_some() {
            self.left = self.left.or(Some(self.heard));
        }
        self.sequence = None;
        self.resumes = 0;
    }
}

/// Opens a WebSocket there.
pub async fn dial(url: &str, patience: Duration) -> Result<Socket, String> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST_MESSAGE))
        .max_frame_size(Some(LONGEST_MESSAGE))
        .read_buffer_size(READ_AT_ONCE);
    match timeout(patience, connect_async_with_config(address(url), Some(config), true)).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(error)) => Err(format!("it can not be connected to: {error}")),
        Err(_) => Err("it does not answer".to_owned()),
    }
}
