//! One connection to the gateway: its first words, its heartbeats, and what comes in between.

use super::pace::{Turn, between};
use super::payload::{Envelope, Hello, Session, Then, closed, heartbeat, identify, resume};
use super::shard::{Lost, Shard};
use futures::{SinkExt, StreamExt};
use serde_json::Value;
use serenity::constants::Opcode;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};
use tokio_util::sync::CancellationToken;

/// The shortest and the longest time between two heartbeats that we take from Discord.
const HEARTBEATS: [Duration; 2] = [Duration::from_millis(10), Duration::from_secs(300)];

/// How long taking leave may last.
const LEAVE: Duration = Duration::from_secs(1);

/// Any code but 1000 and 1001 leaves the session as it is, to be resumed.
const BACK_SOON: CloseCode = CloseCode::Library(4000);

pub type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// A connection of a shard.
pub struct Connection<'a> {
    shard: &'a mut Shard,
    socket: Socket,
    /// Whether a heartbeat waits for its acknowledgement.
    waits: bool,
}

impl<'a> Connection<'a> {
    pub fn new(shard: &'a mut Shard, socket: Socket) -> Connection<'a> {
        Connection { shard, socket, waits: false }
    }

    /// Stands until it is lost; nothing when we have ended it. With a `turn` a session begins, without one it goes on.
    pub async fn stand(mut self, turn: Option<Turn<'_>>, stop: &CancellationToken) -> Option<Lost> {
        let lost = match stop.run_until_cancelled(self.greet(turn)).await {
            Some(Ok(every)) => self.listen(every, stop).await,
            Some(Err(lost)) => Some(lost),
            None => None,
        };
        let (code, reason) = if lost.is_some() { (BACK_SOON, "back soon") } else { (CloseCode::Normal, "") };
        // Whoever does not answer any more does not hear this either.
        let _ = timeout(LEAVE, self.socket.close(Some(CloseFrame { code, reason: reason.into() }))).await;
        lost
    }

    /// Hears Discord's first word, says who we are, and returns the time between two heartbeats.
    async fn greet(&mut self, turn: Option<Turn<'_>>) -> Result<Duration, Lost> {
        let patience = self.shard.shared.pace.patience;
        let Ok(first) = timeout(patience, self.next()).await else {
            return Err(Lost::new(Then::Resume, "it does not say hello"));
        };
        let first = first?;
        let hello = serde_json::from_str::<Envelope>(&first).and_then(|envelope| envelope.read::<Hello>());
        let hello = hello.map_err(|error| Lost::new(Then::Resume, format!("it does not say hello: {error}")))?;
        let token = &self.shard.shared.token;
        let who = match &self.shard.session {
            Some(session) => resume(token, session, self.shard.sequence),
            None => identify(token, self.shard.shard, self.shard.shared.messages),
        };
        self.send(who).await?;
        if let Some(turn) = turn {
            turn.spend();
            self.shard.shared.health.identifies();
        }
        Ok(Duration::from_millis(hello.heartbeat_interval).clamp(HEARTBEATS[0], HEARTBEATS[1]))
    }

    async fn listen(&mut self, every: Duration, stop: &CancellationToken) -> Option<Lost> {
        // The first one at any time, so that not all bots of the world beat at once after Discord was away.
        let mut beat = interval_at(Instant::now() + between([Duration::ZERO, every]), every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let patience = Instant::now() + self.shard.shared.pace.patience;
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => return None,
                () = sleep_until(patience), if self.shard.ready.is_none() => {
                    Err(Lost::new(Then::Resume, "it does not become ready"))
                }
                _ = beat.tick() => self.beat().await,
                heard = self.next() => match heard {
                    Ok(text) => self.take(&text).await,
                    Err(lost) => Err(lost),
                },
            };
            if let Err(lost) = ended {
                return Some(lost);
            }
        }
    }

    /// Sends a heartbeat, unless the one before was never acknowledged: then nobody is there.
    async fn beat(&mut self) -> Result<(), Lost> {
        if self.waits {
            return Err(Lost::new(Then::Resume, "a heartbeat was not acknowledged"));
        }
        self.waits = true;
        self.shard.shared.health.beat(self.shard.shard[0]);
        self.send(heartbeat(self.shard.sequence)).await
    }

    /// Does what Discord's payload asks for.
    async fn take(&mut self, text: &str) -> Result<(), Lost> {
        if self.shard.ready.is_some() {
            self.shard.heard = self.shard.shared.clock.now();
        }
        let envelope: Envelope = match serde_json::from_str(text) {
            Ok(envelope) => envelope,
            Err(error) => {
                self.shard.shared.health.garbled(&format!("a payload of the gateway: {error}"));
                return Ok(());
            }
        };
        match envelope.opcode {
            Opcode::Dispatch => self.event(&envelope),
            Opcode::Heartbeat => self.send(heartbeat(self.shard.sequence)).await,
            Opcode::HeartbeatAck => {
                self.waits = false;
                self.shard.shared.health.acknowledged(self.shard.shard[0]);
                Ok(())
            }
            Opcode::Reconnect => Err(Lost::new(Then::Resume, "it asks to connect again")),
            Opcode::InvalidSession => {
                let then = if envelope.read().unwrap_or(false) { Then::Resume } else { Then::Anew };
                let pause = self.shard.invalid_pause();
                Err(Lost { pause, ..Lost::new(then, "it calls the session invalid") })
            }
            _ => Ok(()),
        }
    }

    fn event(&mut self, envelope: &Envelope) -> Result<(), Lost> {
        match envelope.event.as_deref() {
            Some("READY") => {
                let session = envelope.read::<Session>();
                let session =
                    session.map_err(|error| Lost::new(Then::Anew, format!("its session can not be read: {error}")))?;
                self.shard.is_ready(Some(session));
            }
            Some("RESUMED") => self.shard.is_ready(None),
            Some("INTERACTION_CREATE") => {
                self.shard.shared.health.hear(&self.shard.listener.hear, envelope.raw());
            }
            Some(event) => (self.shard.listener.happens)(event, envelope.raw()),
            None => {}
        }
        self.shard.sequence = envelope.sequence.or(self.shard.sequence);
        Ok(())
    }

    /// The next payload.
    async fn next(&mut self) -> Result<Utf8Bytes, Lost> {
        loop {
            match self.socket.next().await {
                Some(Ok(Message::Text(text))) => return Ok(text),
                Some(Ok(Message::Binary(_))) => self.shard.shared.health.garbled("a payload that is no text"),
                Some(Ok(Message::Close(Some(frame)))) => {
                    let code = u16::from(frame.code);
                    let reason = frame.reason.as_str();
                    return Err(Lost::new(closed(code), format!("it closed the connection ({code} {reason:?})")));
                }
                Some(Ok(Message::Close(None))) | None => {
                    return Err(Lost::new(Then::Resume, "it closed the connection"));
                }
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Lost::new(Then::Resume, format!("the connection broke: {error}"))),
            }
        }
    }

    async fn send(&mut self, payload: Value) -> Result<(), Lost> {
        let patience = self.shard.shared.pace.patience;
        match timeout(patience, self.socket.send(Message::text(payload.to_string()))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Lost::new(Then::Resume, format!("the connection broke: {error}"))),
            Err(_) => Err(Lost::new(Then::Resume, "it takes nothing any more")),
        }
    }
}
