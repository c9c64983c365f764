//! Streams: a change is told at once, to whom it concerns, as long as the token is good.

use crate::desk::Desk;
use axum::body::{Body, BodyDataStream};
use commands::reply::Outcome;
use futures::StreamExt;
use http::Request;
use serde_json::json;
use std::time::Duration;

/// What a stream tells, event by event.
struct Events {
    body: BodyDataStream,
    read: String,
}

impl Events {
    async fn open(desk: &Desk, path: &str, headers: &[(&str, &str)]) -> Events {
        let mut request = Request::get(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = desk.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        assert_eq!(answer.headers()["x-accel-buffering"], "no", "no proxy may gather it");
        Events { body: answer.into_body().into_data_stream(), read: String::new() }
    }

    /// The next event; nothing when the stream has ended.
    async fn next(&mut self) -> Option<String> {
        loop {
            while let Some((event, rest)) = self.read.split_once("\n\n") {
                let (event, rest) = (event.to_owned(), rest.to_owned());
                self.read = rest;
                if event.contains("data: ") {
                    return Some(event);
                }
            }
            let piece =
                tokio::time::timeout(Duration::from_secs(60), self.body.next()).await.expect("something comes")?;
            self.read.push_str(std::str::from_utf8(&piece.unwrap()).unwrap());
        }
    }

    /// Whether nothing has come.
    async fn is_silent(&mut self) -> bool {
        tokio::time::timeout(Duration::from_millis(300), self.next()).await.is_err()
    }
}

#[tokio::test]
async fn a_page_hears_of_each_change_and_of_no_other() {
    let desk = Desk::new();
    let token = desk.token("web", "staging", "frontend", "default").await;
    let bulk = desk.post("/ofrep/v1/evaluate/flags", &token, "{}").await.json();
    let stream = &bulk["eventStreams"][0];
    assert_eq!((&stream["type"], stream["inactivityDelaySec"].as_u64()), (&json!("sse"), Some(120)));
    let path = stream["endpoint"]["requestUri"].as_str().unwrap();
    assert!(!path.contains(token.rsplit('.').next().unwrap()), "an address stands in logs: the token does not");
    let mut events = Events::open(&desk, path, &[]).await;
    let first = events.next().await.unwrap();
    assert!(first.contains(r#"{"type":"refetchEvaluation","etag":""#) && first.contains("event: message"), "{first}");
    desk.say("/flag create a").await;
    let second = events.next().await.unwrap();
    assert_ne!(first, second);
    desk.say("/flag create b project:shop").await;
    desk.say("/flag on a production").await;
    assert!(events.is_silent().await, "of another project and environment");
    desk.say("/flag on a staging").await;
    let third = events.next().await.unwrap();
    // Whoever comes back is told what they have missed, and only that.
    let id = |event: &str| event.lines().next().unwrap().strip_prefix("id: ").unwrap().to_owned();
    let mut back = Events::open(&desk, path, &[("last-event-id", &id(&second))]).await;
    assert_eq!(back.next().await.unwrap(), third);
    let mut current = Events::open(&desk, path, &[("last-event-id", &id(&third))]).await;
    assert!(current.is_silent().await);
    // A token that is revoked is good for no stream either.
    assert_eq!(desk.say("/flag token revoke web").await.outcome, Outcome::Done);
    desk.say("/flag off a staging").await;
    assert_eq!(events.next().await, None);
    assert_eq!(desk.ask("GET", path, &[], Body::empty()).await.status, 401);
}

#[tokio::test]
async fn a_server_hears_the_definitions_themselves() {
    let desk = Desk::new();
    let token = desk.token("api", "staging", "backend", "").await;
    desk.say("/flag create a").await;
    let mut events = Events::open(&desk, "/api/client/streaming", &[("authorization", &token)]).await;
    for (line, event, enabled) in [
        ("/flag on a staging", "unleash-connected", false),
        ("/flag off a staging", "unleash-updated", true),
        ("", "unleash-updated", false),
    ] {
        let told = events.next().await.unwrap();
        let (head, data) = told.split_once("\ndata: ").unwrap();
        assert!(head.ends_with(event), "{head}");
        let data: serde_json::Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["features"][0]["enabled"], json!(enabled), "{line}");
        if !line.is_empty() {
            desk.say(line).await;
        }
    }
}

#[tokio::test]
async fn a_stream_ends_when_deckhand_stops() {
    let desk = Desk::new();
    let token = desk.token("web", "staging", "frontend", "").await;
    let mut events = Events::open(&desk, "/ofrep/v1/stream", &[("authorization", &token)]).await;
    assert!(events.next().await.is_some());
    let bot = desk.bot.clone();
    tokio::spawn(async move { bot.stop().await });
    assert_eq!(events.next().await, None);
}
