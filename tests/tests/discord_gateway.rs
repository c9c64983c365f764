//! The stand-in's gateway, spoken to over a real WebSocket.
#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use chrono::Utc;
use commands::clock::Clock;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::time::Duration;
use tests::discord::Discord;
use tests::discord::gateway::Leave;
use tests::discord::state::Command;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// How long a frame may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client of the gateway that says what it is told.
struct Client(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Client {
    /// A connection that has been welcomed.
    async fn connect(discord: &Discord) -> Client {
        let served = gateway_of(discord).await;
        let (socket, _) = tokio_tungstenite::connect_async(format!("{served}/?v=10&encoding=json")).await.unwrap();
        let mut client = Client(socket);
        assert_eq!(client.hear().await["op"], 10);
        client
    }

    async fn say(&mut self, op: u64, data: Value) {
        self.0.send(Message::text(json!({ "op": op, "d": data }).to_string())).await.unwrap();
    }

    /// The next frame; `{"closed": code}` for the end, with 1006 where nobody said why.
    async fn hear(&mut self) -> Value {
        match tokio::time::timeout(PATIENCE, self.0.next()).await.expect("the gateway says something") {
            Some(Ok(Message::Text(text))) => serde_json::from_str(text.as_str()).unwrap(),
            Some(Ok(Message::Close(Some(close)))) => json!({ "closed": u16::from(close.code) }),
            _ => json!({ "closed": 1006 }),
        }
    }

    /// Identifies as a shard, and returns the session.
    async fn identify(&mut self, token: &str, shard: [u64; 2]) -> String {
        self.say(2, json!({ "token": token, "intents": 0, "shard": shard, "properties": {} })).await;
        let ready = self.hear().await;
        assert_eq!((&ready["t"], &ready["s"], &ready["d"]["shard"]), (&json!("READY"), &json!(1), &json!(shard)));
        ready["d"]["session_id"].as_str().unwrap().to_owned()
    }

    async fn resume(&mut self, token: &str, session: &str, seq: u64) {
        self.say(6, json!({ "token": token, "session_id": session, "seq": seq })).await;
    }
}

/// The address that `GET /gateway` tells.
async fn gateway_of(discord: &Discord) -> String {
    use commands::ports::Wire;
    let token = discord.state().token.clone();
    let request = http::Request::get("https://discord.com/api/v10/gateway")
        .header("authorization", format!("Bot {token}"))
        .body(bytes::Bytes::new());
    let answer = discord.send(request.unwrap(), PATIENCE, 1024).await.unwrap();
    serde_json::from_slice::<Value>(answer.body()).unwrap()["url"].as_str().unwrap().to_owned()
}

/// A Discord whose guild has `ana` and the command `/ping`, and the bot's token.
fn discord() -> (Discord, String) {
    let discord = Discord::new(Clock::at(Utc::now()));
    discord.add_member("ana", &[]);
    let ping = json!({ "id": "1", "name": "ping", "description": "Answer" });
    discord.state().commands.push(Command { guild: None, body: ping });
    discord.state().gateway.spacing = Duration::ZERO;
    let token = discord.state().token.clone();
    (discord, token)
}

#[tokio::test]
async fn a_session_is_resumed_with_what_was_missed() {
    let (discord, token) = discord();
    let _served = discord.serve().await;
    let mut first = Client::connect(&discord).await;
    let session = first.identify(&token, [0, 1]).await;
    let one = discord.say("ana", "general", "/ping").unwrap();
    let heard = first.hear().await;
    assert_eq!((&heard["t"], &heard["s"], &heard["d"]), (&json!("INTERACTION_CREATE"), &json!(2), &one));
    discord.leave(Leave::Cut);
    assert_eq!(first.hear().await["closed"], 1006);
    let two = discord.say("ana", "general", "/ping").unwrap();
    let mut second = Client::connect(&discord).await;
    second.resume(&token, &session, 2).await;
    assert_eq!(second.hear().await["d"], two);
    assert_eq!(second.hear().await["t"], "RESUMED");
    second.say(1, json!(4)).await;
    assert_eq!(second.hear().await["op"], 11);
    // Who closes with 1000 ends the session.
    second
        .0
        .close(Some(tokio_tungstenite::tungstenite::protocol::CloseFrame { code: 1000.into(), reason: "".into() }))
        .await
        .unwrap();
    discord.until("the session is over", |state| (state.gateway.connected() == 0).then_some(())).await;
    let mut third = Client::connect(&discord).await;
    third.resume(&token, &session, 4).await;
    let invalid = third.hear().await;
    assert_eq!((&invalid["op"], &invalid["d"]), (&json!(9), &json!(false)));
    let gateway = &discord.state().gateway;
    assert_eq!((gateway.connects, gateway.identifies.len(), gateway.resumes, gateway.heartbeats), (3, 1, 1, 1));
}

#[tokio::test]
async fn it_leaves_in_every_way() {
    for (how, heard, lives) in [
        (Leave::Reconnect, json!({ "op": 7, "d": null, "s": null, "t": null }), true),
        (Leave::Invalid(true), json!({ "op": 9, "d": true }), true),
        (Leave::Invalid(false), json!({ "op": 9, "d": false }), false),
        (Leave::Close(4000), json!({ "closed": 4000 }), true),
        (Leave::Close(4009), json!({ "closed": 4009 }), false),
    ] {
        let (discord, token) = discord();
        let _served = discord.serve().await;
        let mut client = Client::connect(&discord).await;
        let session = client.identify(&token, [0, 1]).await;
        discord.leave(how);
        assert_eq!(client.hear().await, heard, "{how:?}");
        let mut next = Client::connect(&discord).await;
        next.resume(&token, &session, 1).await;
        let resumed = next.hear().await["t"] == "RESUMED";
        assert_eq!(resumed, lives, "{how:?}");
    }
}

#[tokio::test]
async fn who_may_not_identify_is_sent_away() {
    for (token, shard, refuses, spacing, heard) in [
        ("wrong", [0, 1], None, 0, json!({ "closed": 4004 })),
        ("", [3, 2], None, 0, json!({ "closed": 4010 })),
        ("", [0, 1], Some(4014), 0, json!({ "closed": 4014 })),
        ("", [0, 1], None, 5, json!({ "op": 9, "d": false })),
    ] {
        let (discord, right) = discord();
        let _served = discord.serve().await;
        discord.state().gateway.refuses = refuses;
        if spacing > 0 {
            Client::connect(&discord).await.identify(&right, [0, 1]).await;
            discord.state().gateway.spacing = Duration::from_secs(spacing);
        }
        let mut client = Client::connect(&discord).await;
        let token = if token.is_empty() { &right } else { token };
        client.say(2, json!({ "token": token, "intents": 0, "shard": shard })).await;
        assert_eq!(client.hear().await, heard, "{token} {shard:?}");
    }
}

#[tokio::test]
async fn events_reach_their_shard_and_get_lost_or_doubled() {
    let (discord, token) = discord();
    let _served = discord.serve().await;
    let shard = (discord.guild().parse::<u64>().unwrap() >> 22) % 2;
    let (mut ours, mut other) = (Client::connect(&discord).await, Client::connect(&discord).await);
    ours.identify(&token, [shard, 2]).await;
    other.identify(&token, [1 - shard, 2]).await;
    discord.state().gateway.lost = 1;
    discord.say("ana", "general", "/ping").unwrap();
    discord.state().gateway.doubled = 1;
    let twice = discord.say("ana", "general", "/ping").unwrap();
    let once = discord.say("ana", "general", "/ping").unwrap();
    for expected in [&twice, &twice, &once] {
        assert_eq!(ours.hear().await["d"], *expected);
    }
    other.say(1, Value::Null).await;
    assert_eq!(other.hear().await["op"], 11, "the other shard hears of nothing");
    discord.state().gateway.acknowledges = false;
    ours.say(1, Value::Null).await;
    discord.until("the heartbeat has come", |state| (state.gateway.heartbeats == 2).then_some(())).await;
    discord.leave(Leave::Cut);
    assert_eq!(ours.hear().await["closed"], 1006, "it was not acknowledged");
}
