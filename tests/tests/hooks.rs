//! What programs ask over HTTP: who is let in, how far, and what they are told instead.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use async_trait::async_trait;
use axum::body::{Body as Sent, to_bytes};
use axum::response::Response;
use bot::gate::Bot;
use bot::hooks::{Hooks, router};
use bytes::Bytes;
use commands::cx::Cx;
use commands::plugin::Plugin;
use commands::reply::Reply;
use commands::route::{Answer, Incoming, Route};
use commands::spec::PluginSpec;
use commands::stop::Result;
use config::Section;
use futures::StreamExt;
use futures::future::join_all;
use http::{Method, Request, StatusCode};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tests::alone;
use tests::memory::MemoryStore;
use tests::stage::world::World;
use tokio::sync::mpsc;
use tower::ServiceExt;

/// How many requests are held at once.
const AT_ONCE: usize = 64;

/// A plugin that programs ask for all that a route can do.
struct Parrot;

static PARROT: PluginSpec = PluginSpec {
    name: "parrot",
    about: "Says what it was told.",
    commands: &[],
    start: |setup| {
        setup.section().into_iter().for_each(Section::finish);
        Arc::new(Parrot)
    },
};

static ALL: [&PluginSpec; 1] = [&PARROT];

#[async_trait]
impl Plugin for Parrot {
    async fn run(&self, _cx: &Cx) -> Result<Reply> {
        Ok(Reply::say("It has no commands."))
    }

    fn routes(&self) -> Vec<Route> {
        let route = |name, method, path: &str| Route { name, method, path: path.to_owned(), longest: 10 };
        vec![
            route("said", Method::POST, "/said/{who}"),
            route("flow", Method::GET, "/flow"),
            route("slow", Method::GET, "/slow"),
            route("broken", Method::GET, "/broken"),
            route("panics", Method::GET, "/panics"),
            route("forgotten", Method::GET, "/forgotten"),
        ]
    }

    async fn serve(&self, cx: &Cx, route: &str, incoming: Incoming) -> anyhow::Result<Answer> {
        match route {
            "said" => {
                let said = String::from_utf8_lossy(incoming.request.body()).into_owned();
                let told = json!({ "by": cx.who(), "who": incoming.parts["who"], "said": said });
                Ok(Answer::json(StatusCode::OK, &told))
            }
            "flow" => {
                let (pieces, flow) = mpsc::channel(1);
                tokio::spawn(async move {
                    for piece in ["one ", "two ", "three"] {
                        pieces.send(Bytes::from(piece)).await.unwrap();
                    }
                });
                Ok(Answer::flow("text/event-stream", flow))
            }
            "slow" => std::future::pending().await,
            "panics" => panic!("the parrot has fallen off its perch"),
            "forgotten" => anyhow::bail!("a secret: {}", "s3cr3t-t0k3n"),
            other => anyhow::bail!("the parrot does not know `{other}`"),
        }
    }
}

fn bot() -> Arc<Bot> {
    let clock = alone::clock();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    alone::bot("[parrot]", &ALL, &clock, store, &Arc::new(World::new()))
}

fn request(method: &str, path: &str, body: impl Into<Sent>) -> Request<Sent> {
    Request::builder().method(method).uri(path).body(body.into()).unwrap()
}

async fn told(response: Response) -> String {
    String::from_utf8_lossy(&to_bytes(response.into_body(), 10_000).await.unwrap()).into_owned()
}

#[tokio::test(start_paused = true)]
async fn every_request_is_answered_with_what_is_wrong_with_it() {
    let router = router(Hooks::new(&bot()));
    let late = || Sent::from_stream(futures::stream::pending::<std::result::Result<Bytes, std::io::Error>>());
    for (method, path, body, status, says) in [
        ("POST", "/said/ana", Sent::from("hello"), 200, r#"{"by":"deckhand","who":"ana","said":"hello"}"#),
        ("POST", "/said/%2E%2E?x=1", Sent::from("0123456789"), 200, r#""who":"%2E%2E","said":"0123456789""#),
        ("POST", "/said/ana", Sent::from("01234567890"), 413, "longer than 10 bytes"),
        ("POST", "/said/ana", late(), 408, "did not arrive"),
        ("GET", "/said/ana", Sent::empty(), 405, "This takes POST, and nothing else."),
        ("POST", "/said", Sent::from("hello"), 404, "There is nothing here"),
        ("POST", "/said/", Sent::from("hello"), 404, "There is nothing here"),
        ("GET", "/flow", Sent::empty(), 200, "one two three"),
        ("HEAD", "/flow", Sent::empty(), 200, ""),
        ("GET", "/slow", Sent::empty(), 500, "Deckhand's log says why"),
        ("GET", "/broken", Sent::empty(), 500, "Deckhand's log says why"),
        ("GET", "/panics", Sent::empty(), 500, "Deckhand's log says why"),
        ("GET", "/forgotten", Sent::empty(), 500, "This did not work here; Deckhand's log says why."),
    ] {
        let answer = router.clone().oneshot(request(method, path, body)).await.unwrap();
        assert_eq!(answer.status(), status, "{method} {path}");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff", "{method} {path}");
        assert_eq!(answer.headers().get("allow").is_some(), status == 405, "{method} {path}");
        let told = told(answer).await;
        assert!(told.contains(says) && !told.contains("s3cr3t"), "{method} {path}: {told}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_more_are_held_at_once_than_can_be_and_a_flow_holds_no_place() {
    let router = router(Hooks::new(&bot()));
    // Each is held until its time is over.
    let slow = (0..AT_ONCE + 3).map(|_| router.clone().oneshot(request("GET", "/slow", Sent::empty())));
    let answers = join_all(slow).await;
    let count = |status: u16| answers.iter().filter(|answer| answer.as_ref().unwrap().status() == status).count();
    assert_eq!((count(500), count(503)), (AT_ONCE, 3));
    let mut flows = Vec::new();
    for _ in 0..AT_ONCE + 3 {
        let answer = router.clone().oneshot(request("GET", "/flow", Sent::empty())).await.unwrap();
        assert_eq!(answer.status(), 200);
        flows.push(answer.into_body().into_data_stream());
    }
    assert_eq!(flows[0].next().await.unwrap().unwrap(), "one ", "a piece is there before the rest");
}

#[tokio::test]
async fn who_stops_takes_nothing_more() {
    let bot = bot();
    let hooks = Hooks::new(&bot);
    bot.stop().await;
    let request = Request::post("/said/ana").body(Bytes::from("hello")).unwrap();
    let answered = tokio::time::timeout(Duration::from_secs(5), hooks.answer(request)).await.unwrap();
    assert_eq!(answered.status, StatusCode::SERVICE_UNAVAILABLE);
}
