//! A bot with flags, in process, and its HTTP as an application has it.

use axum::Router;
use axum::body::{Body, to_bytes};
use bot::gate::Bot;
use bot::hooks::{Hooks, router};
use bytes::Bytes;
use commands::reply::Reply;
use commands::store::{Batch, Store};
use http::{HeaderMap, Request, Response};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tests::alone::{self, say};
use tests::flags::stage;
use tests::memory::MemoryStore;
use tests::program::until_async;
use tests::stage::world::World;
use tower::ServiceExt;
use unleash_types::client_features::ClientFeatures;

const CONFIG: &str = r#"
environments = ["staging", "production"]
[people.ana]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[flags]
projects = ["default", "shop"]
[flags.serve]
rate = 1000000
origins = ["https://shop.example.com"]
"#;

/// A bot with flags.
pub struct Desk {
    pub bot: Arc<Bot>,
    pub store: Arc<dyn Store>,
    pub router: Router,
}

/// An answer, read to its end.
pub struct Told {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Told {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl Desk {
    pub fn new() -> Desk {
        Desk::with(CONFIG)
    }

    pub fn with(config: &str) -> Desk {
        let clock = alone::clock();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let bot = alone::bot(config, plugins::ALL, &clock, store.clone(), &Arc::new(World::new()));
        let router = router(Hooks::new(&bot));
        Desk { bot, store, router }
    }

    /// The last reply to what ana says, and says yes to.
    pub async fn say(&self, line: &str) -> Reply {
        let reply = say(&self.bot, "ana", line).await;
        match reply.buttons.first().filter(|button| button.label.starts_with("Yes")) {
            Some(yes) => say(&self.bot, "ana", &format!("/{}", yes.line)).await,
            None => reply,
        }
    }

    /// A new token.
    pub async fn token(&self, name: &str, environment: &str, kind: &str, project: &str) -> String {
        let reply = self.say(&format!("/flag token make {name} {environment} {kind} {project}")).await;
        assert!(reply.once && reply.only_you, "{reply:?}");
        reply.fields[0].value.trim_matches('`').to_owned()
    }

    /// Puts features in the place of all that there is in `staging`, and waits until they are served to this token.
    pub async fn load(&self, features: &ClientFeatures, token: &str) {
        let mut batch = Batch::default();
        stage(&mut batch, "staging", features).unwrap();
        self.store.commit(batch).await.unwrap();
        let wanted = features.features.len();
        until_async("the features are served", async || {
            let told = self.get("/api/client/features", token).await;
            (told.json()["features"].as_array().unwrap().len() == wanted).then_some(())
        })
        .await;
    }

    pub async fn send(&self, request: Request<Body>) -> Response<Body> {
        self.router.clone().oneshot(request).await.unwrap()
    }

    /// A request with these headers, and what it is answered.
    pub async fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Told {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.send(request.body(body.into()).unwrap()).await;
        let (head, body) = answer.into_parts();
        let body = tokio::time::timeout(Duration::from_secs(30), to_bytes(body, 100 << 20)).await.unwrap().unwrap();
        Told { status: head.status.as_u16(), headers: head.headers, body }
    }

    pub async fn get(&self, path: &str, token: &str) -> Told {
        self.ask("GET", path, &[("authorization", token)], Body::empty()).await
    }

    pub async fn post(&self, path: &str, token: &str, body: impl Into<Body>) -> Told {
        self.ask("POST", path, &[("authorization", token), ("content-type", "application/json")], body).await
    }
}

/// What the frontend API lists as on, by name.
pub fn toggles(told: &Told) -> BTreeMap<String, Value> {
    assert_eq!(told.status, 200, "{:?}", told.body);
    let toggles = told.json()["toggles"].as_array().unwrap().clone();
    toggles.into_iter().map(|toggle| (toggle["name"].as_str().unwrap().to_owned(), toggle)).collect()
}
