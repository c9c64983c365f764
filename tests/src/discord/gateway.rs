//! Discord's gateway: sessions that outlive their connections, and the WebSocket that carries them.

use super::{Discord, objects};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// How many events of a session are kept for a resume.
const KEPT: usize = 10_000;

/// The intents that ask for guilds, for messages and reactions in them, and for what messages say.
const GUILDS: u64 = 1;
const MESSAGES: u64 = 1 << 9;
const REACTIONS: u64 = 1 << 10;
const CONTENT: u64 = 1 << 15;

/// The operations (Discord's reference, "Gateway Opcodes").
const DISPATCH: u64 = 0;
const HEARTBEAT: u64 = 1;
const IDENTIFY: u64 = 2;
const RESUME: u64 = 6;
const RECONNECT: u64 = 7;
const INVALID_SESSION: u64 = 9;
const HELLO: u64 = 10;
const ACKNOWLEDGED: u64 = 11;

/// The gateway, with its knobs and what it has seen.
#[derive(Debug)]
pub struct Gateway {
    /// How many shards it recommends.
    pub shards: u64,
    /// How many of them may identify at once.
    pub max_concurrency: u64,
    /// How many may identify until the limit is reset.
    pub remaining: u64,
    /// When that is.
    pub reset_after: Duration,
    /// How often it wants to hear a heartbeat.
    pub heartbeat: Duration,
    /// Whether it acknowledges heartbeats.
    pub acknowledges: bool,
    /// Whether it accepts connections only to drop them.
    pub drops: bool,
    /// Whether the bot may read what messages say.
    pub content: bool,
    /// The code with which it closes instead of welcoming who identifies.
    pub refuses: Option<u16>,
    /// How long two shards of one bucket must leave between their identifies.
    pub spacing: Duration,
    /// How many of the next events get lost.
    pub lost: usize,
    /// How many of the next events come twice.
    pub doubled: usize,
    /// How many connections there have been.
    pub connects: usize,
    /// When which shard has identified.
    pub identifies: Vec<(Instant, u64)>,
    /// How many sessions were resumed.
    pub resumes: usize,
    /// How many heartbeats have come.
    pub heartbeats: usize,
    /// How many events there was no session for.
    pub missed: usize,
    sessions: BTreeMap<String, Session>,
}

impl Default for Gateway {
    fn default() -> Gateway {
        Gateway {
            shards: 1,
            max_concurrency: 1,
            remaining: 1_000,
            reset_after: Duration::from_secs(24 * 3_600),
            heartbeat: Duration::from_millis(41_250),
            acknowledges: true,
            drops: false,
            content: true,
            refuses: None,
            spacing: Duration::from_secs(5),
            lost: 0,
            doubled: 0,
            connects: 0,
            identifies: Vec::new(),
            resumes: 0,
            heartbeats: 0,
            missed: 0,
            sessions: BTreeMap::new(),
        }
    }
}

/// What a shard has identified for, until it ends.
#[derive(Debug)]
struct Session {
    shard: u64,
    shards: u64,
    intents: u64,
    sequence: u64,
    sent: VecDeque<(u64, String)>,
    /// The connection that carries it now.
    line: Option<UnboundedSender<Frame>>,
}

/// What goes out to a client.
#[derive(Debug, Clone)]
enum Frame {
    Text(String),
    Close(u16),
    Cut,
}

/// How the gateway leaves its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// It asks them to reconnect and resume (operation 7).
    Reconnect,
    /// It says that their sessions are invalid (operation 9), and whether they may be resumed.
    Invalid(bool),
    /// It closes their connections with this code.
    Close(u16),
    /// Their connections break.
    Cut,
}

impl Gateway {
    /// How many shards are connected now.
    pub fn connected(&self) -> usize {
        self.sessions.values().filter(|session| session.line.as_ref().is_some_and(|line| !line.is_closed())).count()
    }

    /// How often the next event is delivered.
    pub(super) fn copies(&mut self) -> usize {
        if self.lost > 0 {
            self.lost -= 1;
            return 0;
        }
        let twice = self.doubled > 0;
        self.doubled -= usize::from(twice);
        1 + usize::from(twice)
    }

    /// Sends an event to the shards that have this guild, or to all. A session without a connection keeps it for later.
    pub(super) fn dispatch(&mut self, event: &str, guild: Option<&str>, data: &Value) {
        let guild: Option<u64> = guild.and_then(|guild| guild.parse().ok());
        let has = |session: &&mut Session| guild.is_none_or(|id| (id >> 22) % session.shards == session.shard);
        let mut reached = false;
        for session in self.sessions.values_mut().filter(has) {
            session.dispatch(event, data);
            reached = true;
        }
        self.missed += usize::from(!reached);
    }

    /// Sends an event about a message to those sessions that have asked for it, and may read what it says.
    pub(super) fn dispatch_messages(&mut self, event: &str, guild: &str, data: &Value) {
        let wanted = CONTENT | if event == "MESSAGE_REACTION_ADD" { REACTIONS } else { MESSAGES };
        let guild: u64 = guild.parse().unwrap_or_default();
        let has = |session: &&mut Session| {
            (guild >> 22) % session.shards == session.shard && session.intents & wanted == wanted
        };
        self.sessions.values_mut().filter(has).for_each(|session| session.dispatch(event, data));
    }

    fn leave(&mut self, how: Leave) {
        let frame = match how {
            Leave::Reconnect => Frame::Text(json!({ "op": RECONNECT, "d": null, "s": null, "t": null }).to_string()),
            Leave::Invalid(resumable) => Frame::Text(json!({ "op": INVALID_SESSION, "d": resumable }).to_string()),
            Leave::Close(code) => Frame::Close(code),
            Leave::Cut => Frame::Cut,
        };
        for line in self.sessions.values().filter_map(|session| session.line.as_ref()) {
            // Who has gone already can not be left.
            _ = line.send(frame.clone());
        }
        if matches!(how, Leave::Invalid(false) | Leave::Close(4007 | 4009)) {
            self.sessions.clear();
        }
    }
}

impl Session {
    fn dispatch(&mut self, event: &str, data: &Value) {
        self.sequence += 1;
        let frame = json!({ "op": DISPATCH, "t": event, "s": self.sequence, "d": data }).to_string();
        self.sent.push_back((self.sequence, frame.clone()));
        if self.sent.len() > KEPT {
            self.sent.pop_front();
        }
        self.send(frame);
    }

    fn send(&self, frame: String) {
        // Without a connection, the frame waits in `sent`.
        self.line.iter().for_each(|line| _ = line.send(Frame::Text(frame.clone())));
    }
}

/// Whether somebody gave the bot's token; Discord takes it with the word that REST wants before it, too.
fn is_token(given: &Value, token: &str) -> bool {
    given.as_str().is_some_and(|given| given.strip_prefix("Bot ").unwrap_or(given) == token)
}

impl Discord {
    /// The gateway leaves all its clients.
    pub fn leave(&self, how: Leave) {
        self.state().gateway.leave(how);
    }

    /// One connection, from its handshake to its end.
    pub(super) async fn connection(self, stream: TcpStream) {
        let (drops, heartbeat) = {
            let mut state = self.state();
            state.gateway.connects += 1;
            (state.gateway.drops, state.gateway.heartbeat)
        };
        let Ok(mut socket) = tokio_tungstenite::accept_async(stream).await else { return };
        let hello = json!({ "op": HELLO, "d": { "heartbeat_interval": heartbeat.as_millis() as u64 } });
        if drops || socket.send(Message::text(hello.to_string())).await.is_err() {
            return;
        }
        let (line, mut frames) = unbounded_channel();
        let mut session = None;
        self.converse(&mut socket, &line, &mut frames, &mut session).await;
        let mut state = self.state();
        let current = session.and_then(|id| state.gateway.sessions.get_mut(&id));
        current
            .filter(|it| it.line.as_ref().is_some_and(|it| it.same_channel(&line)))
            .into_iter()
            .for_each(|it| it.line = None);
        drop(state);
        self.changed();
    }

    async fn converse(
        &self,
        socket: &mut WebSocketStream<TcpStream>,
        line: &UnboundedSender<Frame>,
        frames: &mut UnboundedReceiver<Frame>,
        session: &mut Option<String>,
    ) {
        loop {
            tokio::select! {
                frame = frames.recv() => match frame {
                    Some(Frame::Text(text)) => if socket.send(Message::text(text)).await.is_err() { return },
                    Some(Frame::Close(code)) => {
                        let close = CloseFrame { code: code.into(), reason: "".into() };
                        // Either way the connection is over.
                        _ = socket.close(Some(close)).await;
                        return;
                    }
                    Some(Frame::Cut) | None => return,
                },
                said = socket.next() => match said {
                    Some(Ok(Message::Text(text))) => self.hear(text.as_str(), line, session),
                    Some(Ok(Message::Close(close))) => return self.closed(close, session),
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return,
                },
            }
        }
    }

    /// A client that closes with 1000 or 1001 ends its session.
    fn closed(&self, close: Option<CloseFrame>, session: &mut Option<String>) {
        let ends = close.is_some_and(|close| [1000, 1001].contains(&u16::from(close.code)));
        if let Some(id) = session.take_if(|_| ends) {
            self.state().gateway.sessions.remove(&id);
        }
    }

    /// What a client says.
    fn hear(&self, text: &str, line: &UnboundedSender<Frame>, session: &mut Option<String>) {
        let said: Value = serde_json::from_str(text).unwrap_or_default();
        let answer = match said["op"].as_u64() {
            Some(HEARTBEAT) => {
                let mut state = self.state();
                state.gateway.heartbeats += 1;
                state.gateway.acknowledges.then(|| Frame::Text(json!({ "op": ACKNOWLEDGED }).to_string()))
            }
            Some(IDENTIFY) => self.identify(&said["d"], line, session),
            Some(RESUME) => self.resume(&said["d"], line, session),
            Some(_) => None,
            None => Some(Frame::Close(4002)),
        };
        // A connection that is over hears no answer.
        answer.into_iter().for_each(|frame| _ = line.send(frame));
        self.changed();
    }

    /// Begins a session: READY, and the guilds of the shard where they are asked for.
    fn identify(&self, said: &Value, line: &UnboundedSender<Frame>, session: &mut Option<String>) -> Option<Frame> {
        let mut state = self.state();
        let (shard, shards) = (said["shard"][0].as_u64().unwrap_or(0), said["shard"][1].as_u64().unwrap_or(1));
        let now = Instant::now();
        let gateway = &mut state.gateway;
        let bucket = |shard: u64| shard % gateway.max_concurrency.max(1);
        let near = |(at, other): &(Instant, u64)| bucket(*other) == bucket(shard) && *at + gateway.spacing > now;
        let soon = gateway.identifies.iter().any(near);
        gateway.identifies.push((now, shard));
        gateway.remaining = gateway.remaining.saturating_sub(1);
        if let Some(code) = gateway.refuses {
            return Some(Frame::Close(code));
        }
        if soon {
            return Some(Frame::Text(json!({ "op": INVALID_SESSION, "d": false }).to_string()));
        }
        if !is_token(&said["token"], &state.token) {
            return Some(Frame::Close(4004));
        }
        if shards == 0 || shard >= shards {
            return Some(Frame::Close(4010));
        }
        let id = state.id();
        let here = |guild: &&String| guild.parse::<u64>().is_ok_and(|guild| (guild >> 22) % shards == shard);
        let guilds: Vec<_> = state.guilds.keys().filter(here).cloned().collect();
        let ready = json!({
            "v": 10, "user": objects::user(&state, &state.application), "session_id": id, "session_type": "normal",
            "resume_gateway_url": state.gateway_url, "shard": [shard, shards], "private_channels": [],
            "guilds": guilds.iter().map(|id| json!({ "id": id, "unavailable": true })).collect::<Value>(),
            "application": { "id": state.application, "flags": 0 },
        });
        let intents = said["intents"].as_u64().unwrap_or(0);
        if intents & CONTENT != 0 && !state.gateway.content {
            return Some(Frame::Close(4014));
        }
        let mut begun =
            Session { shard, shards, intents, sequence: 0, sent: VecDeque::new(), line: Some(line.clone()) };
        begun.dispatch("READY", &ready);
        if intents & GUILDS != 0 {
            guilds.iter().for_each(|id| begun.dispatch("GUILD_CREATE", &objects::guild_create(&state, id)));
        }
        state.gateway.sessions.insert(id.clone(), begun);
        *session = Some(id);
        None
    }

    /// Goes on with a session: everything after the sequence number is sent again.
    fn resume(&self, said: &Value, line: &UnboundedSender<Frame>, session: &mut Option<String>) -> Option<Frame> {
        let mut state = self.state();
        let known = is_token(&said["token"], &state.token);
        let id = said["session_id"].as_str().unwrap_or_default();
        let from = said["seq"].as_u64().unwrap_or(0);
        let Some(resumed) = state.gateway.sessions.get_mut(id).filter(|it| known && from <= it.sequence) else {
            return Some(Frame::Text(json!({ "op": INVALID_SESSION, "d": false }).to_string()));
        };
        resumed.line = Some(line.clone());
        resumed.sent.iter().filter(|(number, _)| *number > from).for_each(|(_, frame)| resumed.send(frame.clone()));
        resumed.dispatch("RESUMED", &json!({}));
        *session = Some(id.to_owned());
        state.gateway.resumes += 1;
        None
    }
}
