//! The stand-in for Discord, held against Discord's rules: what a bot sends, and what comes of it.
#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use anyhow::Result;
use bytes::Bytes;
use chrono::Utc;
use commands::clock::Clock;
use commands::ports::Wire;
use http::{Request, Response};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tests::discord::knobs::{Fault, Scope};
use tests::discord::people::Way;
use tests::discord::state::{Access, Seen, What};
use tests::discord::{Discord, people};

/// What is behind `/api/v10` in the address of Discord's API.
const API: &str = "https://discord.com/api/v10";

/// A Discord with `ana` and `ben` in `#ops`, whose bot hears interactions and does nothing by itself.
fn discord() -> Discord {
    let discord = Discord::new(Clock::at(Utc::now()));
    discord.add_channel("ops");
    discord.add_member("ana", &["deployer"]);
    discord.add_member("ben", &[]);
    discord.come_by(Way::Hear(Arc::new(|_| {})));
    discord
}

async fn send(discord: &Discord, method: &str, path: &str, body: Value) -> Result<Response<Bytes>> {
    let token = discord.state().token.clone();
    let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let request = Request::builder().method(method).uri(format!("{API}{path}"));
    let request = request.header("authorization", format!("Bot {token}")).header("content-type", "application/json");
    discord.send(request.body(bytes)?, Duration::from_secs(10), 1024 * 1024).await
}

fn header(answer: &Response<Bytes>, name: &str) -> String {
    String::from_utf8_lossy(answer.headers()[name].as_bytes()).into_owned()
}

/// The status and the JSON of the answer to a request.
async fn ask(discord: &Discord, method: &str, path: &str, body: Value) -> (u16, Value) {
    let answer = send(discord, method, path, body).await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
}

/// The same, for one that is refused: its status and Discord's code.
async fn refused(discord: &Discord, method: &str, path: &str, body: Value) -> (u16, u64) {
    let (status, body) = ask(discord, method, path, body).await;
    (status, body["code"].as_u64().unwrap_or(u64::MAX))
}

/// Registers `/note add text` and `/note env`, as a bot does at its start.
async fn register(discord: &Discord) {
    let application = discord.state().application.clone();
    let commands = json!([{ "name": "note", "type": 1, "description": "Notes", "options": [
        { "type": 1, "name": "add", "description": "Add one", "options": [
            { "type": 3, "name": "env", "description": "Where", "required": true, "autocomplete": true },
            { "type": 3, "name": "text", "description": "What", "required": false },
        ] },
    ] }]);
    let (status, registered) = ask(discord, "PUT", &format!("/applications/{application}/commands"), commands).await;
    assert_eq!((status, registered[0]["name"].as_str()), (200, Some("note")));
}

/// Where an interaction is called back, and where its webhook is.
fn ways(asked: &Value) -> (String, String) {
    let text = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let (id, token, application) = (text("id"), text("token"), text("application_id"));
    (format!("/interactions/{id}/{token}/callback"), format!("/webhooks/{application}/{token}"))
}

fn shown(seen: &[Seen]) -> Vec<(What, String, bool)> {
    seen.iter().map(|seen| (seen.what, seen.text().to_owned(), seen.only.is_some())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_deferred_answer_is_filled_in_and_followed() {
    let discord = discord();
    register(&discord).await;
    let asked = discord.say("ana", "ops", "/note add staging it is late").unwrap();
    assert_eq!(asked["data"]["options"][0]["options"][1]["value"], "it is late");
    assert_eq!(asked["member"]["roles"], json!([discord.role("deployer")]));
    let (callback, webhook) = ways(&asked);
    let original = format!("{webhook}/messages/@original");
    // The webhook opens with the acknowledgement, which is good once.
    assert_eq!(refused(&discord, "PATCH", &original, json!({ "content": "x" })).await, (404, 10015));
    assert_eq!(ask(&discord, "POST", &callback, json!({ "type": 5, "data": { "flags": 64 } })).await.0, 204);
    assert_eq!(refused(&discord, "POST", &callback, json!({ "type": 5 })).await, (400, 40060));
    // The first follow-up takes the place of what was being thought about, and is as private as that.
    let (_, first) = ask(&discord, "POST", &webhook, json!({ "content": "one" })).await;
    assert_eq!(ask(&discord, "GET", &original, Value::Null).await.1, first);
    ask(&discord, "PATCH", &original, json!({ "content": "two" })).await;
    ask(&discord, "POST", &webhook, json!({ "content": "three" })).await;
    let seen = discord.read();
    let expected = [(What::Posted, "one", true), (What::Edited, "two", true), (What::Posted, "three", false)];
    assert_eq!(shown(&seen), expected.map(|(what, text, only)| (what, text.to_owned(), only)));
    // Only who asked can touch it, and the bot's own token can not reach it.
    assert!(discord.press("ben", &seen[0].message, "Go").is_err());
    let channel = &seen[0].channel;
    let path = format!("/channels/{channel}/messages/{}", seen[0].message);
    assert_eq!(refused(&discord, "PATCH", &path, json!({ "content": "x" })).await, (404, 10008));
    // After a quarter of an hour the token is worth nothing.
    tokio::time::sleep(Duration::from_secs(15 * 60 + 1)).await;
    assert_eq!(refused(&discord, "PATCH", &original, json!({ "content": "late" })).await, (401, 50027));
    discord.finish();
}

#[tokio::test(start_paused = true)]
async fn who_takes_longer_than_three_seconds_is_too_late() {
    let discord = discord();
    register(&discord).await;
    let (callback, _) = ways(&discord.say("ana", "ops", "/note add staging").unwrap());
    tokio::time::sleep(Duration::from_millis(3_001)).await;
    assert_eq!(refused(&discord, "POST", &callback, json!({ "type": 5 })).await, (404, 10062));
    assert_eq!(refused(&discord, "POST", "/interactions/1/2/callback", json!({ "type": 5 })).await, (404, 10062));
    discord.finish();
}

#[tokio::test(start_paused = true)]
async fn buttons_selects_forms_and_choices_come_back() {
    let discord = discord();
    register(&discord).await;
    let (callback, _) = ways(&discord.say("ana", "ops", "/note add staging").unwrap());
    let rows = json!([
        { "type": 1, "components": [{ "type": 2, "style": 1, "label": "Go", "custom_id": "a" }] },
        { "type": 1, "components": [{ "type": 3, "custom_id": "b", "options": [{ "label": "v1", "value": "1" }] }] },
    ]);
    let answer = json!({ "type": 4, "data": { "content": "hi", "components": rows } });
    let (status, told) = ask(&discord, "POST", &format!("{callback}?with_response=true"), answer).await;
    let message = told["resource"]["message"]["id"].as_str().unwrap().to_owned();
    assert_eq!((status, told["interaction"]["response_message_id"].as_str()), (200, Some(message.as_str())));
    assert_eq!(discord.next().await.labels(), ["Go", "v1"]);

    let chosen = discord.choose("ben", &message, "v1").unwrap();
    assert_eq!((&chosen["data"]["values"], &chosen["message"]["id"]), (&json!(["1"]), &json!(message)));
    assert_eq!(ask(&discord, "POST", &ways(&chosen).0, json!({ "type": 6 })).await.0, 204);

    let pressed = discord.press("ben", &message, "Go").unwrap();
    assert_eq!(pressed["data"]["custom_id"], "a");
    let input = json!({ "type": 4, "style": 1, "custom_id": "why", "label": "Why", "min_length": 2, "max_length": 5 });
    let form = json!({ "custom_id": "f", "title": "Why?", "components": [{ "type": 1, "components": [input] }] });
    assert_eq!(ask(&discord, "POST", &ways(&pressed).0, json!({ "type": 9, "data": form })).await.0, 204);
    assert_eq!(discord.next().await.what, What::Form);
    let id = pressed["id"].as_str().unwrap();
    for wrong in [&[("Who", "me")][..], &[("Why", "x")], &[("Why", "longer")], &[]] {
        assert!(discord.fill(id, wrong).is_err(), "{wrong:?}");
    }
    let filled = discord.fill(id, &[("Why", "late")]).unwrap();
    assert_eq!(filled["data"]["components"][0]["components"][0]["value"], "late");
    let update = json!({ "type": 7, "data": { "content": "done", "components": [] } });
    assert_eq!(ask(&discord, "POST", &ways(&filled).0, update).await.0, 204);
    assert_eq!(discord.next().await.text(), "done");
    assert!(discord.press("ben", &message, "Go").is_err(), "the button is gone");

    let typed = discord.type_in("ana", "ops", "/note add sta").unwrap();
    assert_eq!(typed["data"]["options"][0]["options"][0]["focused"], true);
    let choices = json!({ "type": 8, "data": { "choices": [{ "name": "staging", "value": "staging" }] } });
    assert_eq!(ask(&discord, "POST", &ways(&typed).0, choices).await.0, 204);
    assert_eq!(discord.next().await.body["choices"][0]["name"], "staging");
    discord.finish();
}

#[tokio::test(start_paused = true)]
async fn what_discord_would_refuse_is_refused() {
    let discord = discord();
    discord.state().knobs.expect(50035);
    discord.state().knobs.expect(50006);
    let channel = discord.state().channel("ops").unwrap().to_owned();
    let path = format!("/channels/{channel}/messages");
    let button = |id: usize| json!({ "type": 2, "style": 2, "label": "x", "custom_id": id.to_string() });
    let row = |ids: std::ops::Range<usize>| json!({ "type": 1, "components": ids.map(button).collect::<Vec<_>>() });
    let fields = |count: usize| -> Value { (0..count).map(|_| json!({ "name": "n", "value": "v" })).collect() };
    let options =
        |count: usize| -> Value { (0..count).map(|at| json!({ "label": "l", "value": at.to_string() })).collect() };
    let select =
        |count: usize| json!({ "type": 1, "components": [{ "type": 3, "custom_id": "s", "options": options(count) }] });
    let long = |length: usize| "x".repeat(length);
    for (fits, body) in [
        (true, json!({ "content": long(2_000) })),
        (false, json!({ "content": long(2_001) })),
        (false, json!({ "content": "🚀".repeat(1_001) })),
        (false, json!({ "content": "" })),
        (true, json!({ "embeds": [{ "title": long(256), "description": long(4_096) }] })),
        (false, json!({ "embeds": [{ "title": long(257) }] })),
        (false, json!({ "embeds": [{ "description": long(4_097) }] })),
        (false, json!({ "embeds": [{ "description": long(4_000) }, { "description": long(2_001) }] })),
        (true, json!({ "embeds": [{ "fields": fields(25) }] })),
        (false, json!({ "embeds": [{ "fields": fields(26) }] })),
        (false, json!({ "embeds": [{ "fields": [{ "name": "n", "value": long(1_025) }] }] })),
        (false, json!({ "embeds": [{ "fields": [{ "name": "", "value": "v" }] }] })),
        (true, json!({ "components": (0..5).map(|at| row(at * 5..at * 5 + 5)).collect::<Vec<_>>() })),
        (false, json!({ "components": (0..6).map(|at| row(at..at + 1)).collect::<Vec<_>>() })),
        (false, json!({ "components": [row(0..6)] })),
        (false, json!({ "components": [row(0..1), row(0..1)] })),
        (false, json!({ "components": [{ "type": 1, "components": [] }] })),
        (true, json!({ "components": [select(25)] })),
        (false, json!({ "components": [select(26)] })),
        (false, json!({ "content": "x", "nonce": long(26) })),
        (false, json!({ "content": "x", "allowed_mentions": { "parse": ["users"], "users": ["1"] } })),
    ] {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let (status, told) = ask(&discord, "POST", &path, body.clone()).await;
        assert_eq!(status == 200, fits, "{status} {told} for {body}");
        assert!(fits || told["code"] == 50035 || told["code"] == 50006, "{told}");
    }
    let (_, told) = ask(&discord, "POST", &path, json!({ "embeds": [{ "title": long(257) }] })).await;
    assert_eq!(told["errors"]["embeds"]["0"]["title"]["_errors"][0]["code"], "BASE_TYPE_BAD_LENGTH");
    discord.read();
    discord.finish();
}

#[tokio::test(start_paused = true)]
async fn a_message_calls_whom_it_may_call() {
    let discord = discord();
    let (channel, ana) = {
        let state = discord.state();
        (state.channel("ops").unwrap().to_owned(), state.user("ana").unwrap().to_owned())
    };
    let content = format!("<@{ana}> @everyone");
    for (allowed, calls, everyone) in [
        (json!({}), 1, true),
        (json!({ "allowed_mentions": { "parse": [] } }), 0, false),
        (json!({ "allowed_mentions": { "parse": [], "users": [ana] } }), 1, false),
        (json!({ "allowed_mentions": { "parse": ["everyone"] } }), 0, true),
    ] {
        let mut body = allowed.clone();
        body["content"] = content.as_str().into();
        let (_, message) = ask(&discord, "POST", &format!("/channels/{channel}/messages"), body).await;
        let told = (message["mentions"].as_array().map(Vec::len), message["mention_everyone"].as_bool());
        assert_eq!(told, (Some(calls), Some(everyone)), "{allowed}");
    }
    discord.read();
    discord.finish();
}

#[tokio::test(start_paused = true)]
async fn a_nonce_posts_once_and_a_thread_opens_once() {
    let discord = discord();
    let channel = discord.state().channel("ops").unwrap().to_owned();
    let path = format!("/channels/{channel}/messages");
    let once = json!({ "content": "x", "nonce": "n1", "enforce_nonce": true });
    let (_, first) = ask(&discord, "POST", &path, once.clone()).await;
    assert_eq!(ask(&discord, "POST", &path, once).await.1["id"], first["id"]);
    assert_eq!(discord.read().len(), 1);
    let id = first["id"].as_str().unwrap();
    let (status, thread) = ask(&discord, "POST", &format!("{path}/{id}/threads"), json!({ "name": "story" })).await;
    assert_eq!((status, &thread["id"], &thread["parent_id"]), (201, &first["id"], &json!(channel)));
    let again = refused(&discord, "POST", &format!("{path}/{id}/threads"), json!({ "name": "story" })).await;
    assert_eq!(again, (400, 160_004));
    let (status, _) = ask(&discord, "POST", &format!("/channels/{id}/messages"), json!({ "content": "in it" })).await;
    assert_eq!((status, discord.read().len()), (200, 2));
    discord.delete(id);
    assert_eq!(refused(&discord, "PATCH", &format!("{path}/{id}"), json!({ "content": "y" })).await, (404, 10008));
    for (access, code) in [(Access::Read, 50013), (Access::None, 50001)] {
        discord.state().channels.get_mut(&channel).unwrap().access = access;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(refused(&discord, "POST", &path, json!({ "content": "z" })).await, (403, code));
    }
    discord.finish();
}

#[tokio::test(start_paused = true)]
async fn commands_are_kept_by_name_and_scope() {
    let discord = discord();
    let guild = discord.guild();
    let application = discord.state().application.clone();
    let (all, here) = (
        format!("/applications/{application}/commands"),
        format!("/applications/{application}/guilds/{guild}/commands"),
    );
    let command =
        |about: &str| json!({ "name": "ping", "description": about, "description_localizations": { "ko": "핑" } });
    let (status, first) = ask(&discord, "POST", &all, command("one")).await;
    assert_eq!(status, 201);
    let (status, second) = ask(&discord, "POST", &all, command("two")).await;
    assert_eq!((status, &second["id"]), (200, &first["id"]));
    assert_eq!(ask(&discord, "POST", &here, command("here")).await.1["guild_id"], guild.as_str());
    let (_, listed) = ask(&discord, "GET", &all, Value::Null).await;
    assert_eq!((listed[0]["description"].as_str(), listed[0].get("description_localizations")), (Some("two"), None));
    let (_, listed) = ask(&discord, "GET", &format!("{all}?with_localizations=true"), Value::Null).await;
    assert_eq!(listed[0]["description_localizations"]["ko"], "핑");
    let id = first["id"].as_str().unwrap();
    let (_, edited) = ask(&discord, "PATCH", &format!("{all}/{id}"), json!({ "description": "three" })).await;
    assert_eq!((&edited["description"], &edited["id"]), (&json!("three"), &first["id"]));
    assert_eq!(ask(&discord, "DELETE", &format!("{all}/{id}"), Value::Null).await.0, 204);
    assert_eq!(refused(&discord, "DELETE", &format!("{all}/{id}"), Value::Null).await, (404, 10063));
    assert_eq!(ask(&discord, "PUT", &here, json!([])).await, (200, json!([])));
    discord.state().knobs.expect(50035);
    for wrong in [
        json!({ "name": "Ping", "description": "x" }),
        json!({ "name": "ping", "description": "" }),
        json!({ "name": "ping", "description": "x".repeat(101) }),
        json!({ "name": "ping", "description": "x", "options": vec![json!({ "type": 3, "name": "a", "description": "x" }); 2] }),
    ] {
        assert_eq!(refused(&discord, "POST", &all, wrong.clone()).await, (400, 50035), "{wrong}");
    }
    discord.finish();
}

#[tokio::test(start_paused = true)]
async fn limits_are_told_and_kept_for_each_token() {
    let discord = discord();
    register(&discord).await;
    let mut originals = Vec::new();
    for _ in 0..2 {
        let (callback, webhook) = ways(&discord.say("ana", "ops", "/note add staging").unwrap());
        ask(&discord, "POST", &callback, json!({ "type": 5 })).await;
        originals.push(format!("{webhook}/messages/@original"));
    }
    for original in &originals {
        for remaining in (0..5).rev() {
            let answer = send(&discord, "PATCH", original, json!({ "content": "x" })).await.unwrap();
            assert_eq!(
                (answer.status().as_u16(), header(&answer, "x-ratelimit-remaining")),
                (200, remaining.to_string())
            );
        }
        let answer = send(&discord, "PATCH", original, json!({ "content": "x" })).await.unwrap();
        assert_eq!((answer.status().as_u16(), header(&answer, "x-ratelimit-scope")), (429, "user".to_owned()));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(ask(&discord, "PATCH", &originals[0], json!({ "content": "x" })).await.0, 200);
    // Over all routes but those of interactions, fifty in a second.
    let mut statuses = Vec::new();
    for _ in 0..51 {
        statuses.push(ask(&discord, "GET", "/gateway", Value::Null).await.0);
    }
    assert_eq!(statuses.iter().filter(|status| **status == 429).count(), 1);
    discord.read();
    discord.finish();
}

#[tokio::test(start_paused = true)]
async fn what_is_planned_goes_wrong() {
    let discord = discord();
    let channel = discord.state().channel("ops").unwrap().to_owned();
    let (route, path) = ("POST /channels/{channel_id}/messages", format!("/channels/{channel}/messages"));
    let hello = json!({ "content": "hello" });
    for (fault, status, posted) in [
        (Fault::Limited(Scope::Shared, Duration::from_secs(3)), Some(429), 0),
        (Fault::Limited(Scope::Global, Duration::from_secs(3)), Some(429), 0),
        (Fault::Status(502), Some(502), 0),
        (Fault::Slow(Duration::from_secs(11)), None, 1),
        (Fault::Slow(Duration::from_secs(9)), Some(200), 1),
        (Fault::Cut, None, 1),
        (Fault::Away, None, 0),
    ] {
        discord.state().knobs.plan(route, 1, fault);
        let answer = send(&discord, "POST", &path, hello.clone()).await.ok();
        assert_eq!(
            (answer.map(|answer| answer.status().as_u16()), discord.read().len()),
            (status, posted),
            "{fault:?}"
        );
    }
    discord.state().knobs.plan(route, 1, Fault::Away);
    assert_eq!(discord.amiss().len(), 1, "what was planned has not happened");
}

#[tokio::test(start_paused = true)]
async fn what_is_amiss_is_told() {
    for (what, method, path, body) in [
        ("no route knows", "GET", "/guilds", Value::Null),
        ("was refused", "POST", "/channels/{ops}/messages", json!({ "content": "" })),
        ("was not read", "POST", "/channels/{ops}/messages", json!({ "content": "hi" })),
    ] {
        let discord = discord();
        let channel = discord.state().channel("ops").unwrap().to_owned();
        ask(&discord, method, &path.replace("{ops}", &channel), body).await;
        let amiss = discord.amiss();
        assert!(amiss.len() == 1 && amiss[0].contains(what), "{amiss:?}");
    }
    let discord = discord();
    discord.state().token = "another".to_owned();
    let request = Request::get(format!("{API}/users/@me")).header("authorization", "Bot x").body(Bytes::new()).unwrap();
    assert_eq!(discord.send(request, Duration::from_secs(1), 1024).await.unwrap().status(), 401);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_as_described_is_told() {
    if std::env::var_os("DISCORD_OPENAPI").is_none() {
        return println!("Discord's description was not used: set DISCORD_OPENAPI to its openapi.json.");
    }
    let discord = discord();
    let channel = discord.state().channel("ops").unwrap().to_owned();
    let odd = json!({ "content": "hi", "colour": "red" });
    ask(&discord, "POST", &format!("/channels/{channel}/messages"), odd).await;
    discord.read();
    let amiss = discord.amiss();
    assert!(amiss.len() == 1 && amiss[0].contains("colour"), "{amiss:?}");
    for path in [
        "/gateway",
        "/gateway/bot",
        "/users/@me",
        "/users/@me/guilds",
        "/applications/@me",
        "/guilds/{guild}",
        "/guilds/{guild}/channels",
        "/guilds/{guild}/roles",
        "/guilds/{guild}/members/{ana}",
        "/channels/{ops}",
        "/channels/{ops}/messages",
        "/users/{ana}",
    ] {
        let discord = self::discord();
        let (guild, ana, ops) = {
            let guild = discord.guild();
            let state = discord.state();
            (guild, state.user("ana").unwrap().to_owned(), state.channel("ops").unwrap().to_owned())
        };
        let path = path.replace("{guild}", &guild).replace("{ana}", &ana).replace("{ops}", &ops);
        assert_eq!(ask(&discord, "GET", &path, Value::Null).await.0, 200, "{path}");
        discord.finish();
    }
}

/// An endpoint that checks signatures, and answers everything with this status and JSON.
struct Endpoint(u16, Value);

#[async_trait::async_trait]
impl Wire for Endpoint {
    async fn send(&self, request: Request<Bytes>, _: Duration, _: usize) -> Result<Response<Bytes>> {
        let header = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
        let body = std::str::from_utf8(request.body())?;
        assert_eq!(header("x-signature-ed25519"), people::signature(&header("x-signature-timestamp"), body));
        Ok(Response::builder().status(self.0).body(Bytes::from(self.1.to_string()))?)
    }
}

#[tokio::test(start_paused = true)]
async fn interactions_reach_an_endpoint_signed() {
    let discord = discord();
    register(&discord).await;
    let pong = json!({ "type": 4, "data": { "content": "pong" } });
    discord.come_by(Way::Endpoint(Arc::new(Endpoint(200, pong)), "https://bot.example/".to_owned()));
    let asked = discord.say("ana", "ops", "/note add staging").unwrap();
    let seen = discord.next().await;
    assert_eq!((seen.text(), seen.interaction.as_deref()), ("pong", asked["id"].as_str()));
    discord.finish();
    discord.come_by(Way::Endpoint(Arc::new(Endpoint(401, Value::Null)), "https://bot.example/".to_owned()));
    discord.say("ana", "ops", "/note add staging").unwrap();
    let amiss = discord.until("the answer is amiss", |state| state.amiss.pop()).await;
    assert!(amiss.contains("401"), "{amiss}");
}
