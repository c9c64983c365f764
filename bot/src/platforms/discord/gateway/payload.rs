//! What goes over the gateway, as JSON: <https://discord.com/developers/docs/events/gateway-events>.

use super::Ended;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use serenity::constants::{GATEWAY_VERSION, Opcode, close_codes};
use serenity::model::gateway::GatewayIntents;
use std::borrow::Cow;

/// What is told where Discord does not know the token.
pub const BAD_TOKEN: &str = "Discord does not accept Deckhand's token. Make a new one on your application's page Bot in Discord's developer portal, and write it to `token` under `[chat.discord]`";

/// A payload of Discord.
#[derive(Deserialize)]
pub struct Envelope<'a> {
    #[serde(rename = "op")]
    pub opcode: Opcode,
    /// The number of an event in its session.
    #[serde(rename = "s", default)]
    pub sequence: Option<u64>,
    /// An event's name.
    #[serde(rename = "t", default, borrow)]
    pub event: Option<Cow<'a, str>>,
    /// What is in it, as it was sent: what can not be read has to be seen, too.
    #[serde(rename = "d", default, borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    /// What is in it, as JSON text.
    pub fn raw(&self) -> &'a str {
        self.data.map_or("null", RawValue::get)
    }

    /// What is in it.
    pub fn read<T: Deserialize<'a>>(&self) -> serde_json::Result<T> {
        serde_json::from_str(self.raw())
    }
}

/// Discord's first word.
#[derive(Deserialize)]
pub struct Hello {
    /// Milliseconds between two heartbeats.
    pub heartbeat_interval: u64,
}

/// A session, and what it is resumed with.
#[derive(Debug, Clone, Deserialize)]
pub struct Session {
    #[serde(rename = "session_id")]
    pub id: String,
    pub resume_gateway_url: String,
}

/// The address of a gateway, with what we speak there.
pub fn address(url: &str) -> String {
    format!("{}/?v={GATEWAY_VERSION}&encoding=json", url.trim_end_matches('/'))
}

/// A heartbeat, with the number of the last event.
pub fn heartbeat(sequence: Option<u64>) -> Value {
    json!({ "op": u8::from(Opcode::Heartbeat), "d": sequence })
}

/// Begins a session. Interactions need no intents; whoever reads messages asks for those of servers, for reactions, and for
/// what messages say.
pub fn identify(token: &str, shard: [u32; 2], messages: bool) -> Value {
    let reads =
        GatewayIntents::GUILD_MESSAGES | GatewayIntents::GUILD_MESSAGE_REACTIONS | GatewayIntents::MESSAGE_CONTENT;
    let intents = if messages { reads } else { GatewayIntents::empty() };
    json!({
        "op": u8::from(Opcode::Identify),
        "d": {
            "token": token,
            "intents": intents.bits(),
            "compress": false,
            "shard": shard,
            "properties": { "os": std::env::consts::OS, "browser": "deckhand", "device": "deckhand" },
        },
    })
}

/// Goes on with a session.
pub fn resume(token: &str, session: &Session, sequence: Option<u64>) -> Value {
    json!({
        "op": u8::from(Opcode::Resume),
        "d": { "token": token, "session_id": session.id, "seq": sequence },
    })
}

/// What can be done after Discord has closed a connection.
#[derive(Debug, PartialEq, Eq)]
pub enum Then {
    /// The session goes on.
    Resume,
    /// Another session begins.
    Anew,
    /// Nothing.
    End(Ended),
}

/// What Discord's close codes mean: <https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway>.
pub fn closed(code: u16) -> Then {
    /// The one that serenity does not name.
    const INVALID_API_VERSION: u16 = 4012;
    match code {
        close_codes::INVALID_SEQUENCE | close_codes::SESSION_TIMEOUT => Then::Anew,
        close_codes::AUTHENTICATION_FAILED => Then::End(Ended::Refused(BAD_TOKEN.to_owned())),
        close_codes::SHARDING_REQUIRED => Then::End(Ended::Away(
            "Discord wants more shards than it recommended when Deckhand started. Start Deckhand again, and it asks anew".to_owned(),
        )),
        close_codes::INVALID_SHARD
        | INVALID_API_VERSION
        | close_codes::INVALID_GATEWAY_INTENTS => Then::End(Ended::Refused(format!(
            "Discord does not take the way in which Deckhand connects (close code {code}). Install a newer Deckhand"
        ))),
        close_codes::DISALLOWED_GATEWAY_INTENTS => Then::End(Ended::Refused(
            "Discord does not let Deckhand read messages. Switch on Message Content Intent on your application's page Bot in Discord's developer portal, or take `messages = true` out of `[chat.discord]`".to_owned(),
        )),
        _ => Then::Resume,
    }
}
