//! Unleash's client API, for servers, which evaluate by themselves; and its frontend API, for pages, which are told.

use super::usage::{Count, Counter};
use super::{Asked, Protocol};
use bytes::Bytes;
use commands::route::{Answer, Body};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use std::collections::HashMap;
use unleash_types::client_features::Context;

/// The definitions, as they were written when they last changed.
pub fn definitions(asked: &Asked<'_>) -> Answer {
    let served = &asked.served;
    asked.tagged(&served.etag, || served.definitions.clone())
}

/// What is on for somebody.
pub fn toggles(asked: &Asked<'_>, context: Result<Context, String>) -> Answer {
    let context = match context {
        Ok(context) => asked.complete(context),
        Err(what) => return Protocol::Unleash.refused(StatusCode::BAD_REQUEST, &what),
    };
    asked.evaluated(|| {
        let mut body = String::with_capacity(asked.served.flags.len() * 128);
        body.push_str(r#"{"toggles":["#);
        for flag in &asked.served.flags {
            let outcome = flag.face().outcome(&asked.served, flag, &context);
            if outcome.is_on() {
                body.push_str(&outcome.answers().unleash);
                body.push(',');
            }
        }
        body.truncate(body.trim_end_matches(',').len());
        body.push_str("]}");
        Bytes::from(body)
    })
}

/// An application says that it is there. What it uses is known from what it counts; nothing is kept of it.
pub fn register(asked: &Asked<'_>) -> Answer {
    match serde_json::from_slice::<Told>(asked.incoming.request.body()) {
        Ok(_) => accepted(),
        Err(error) => unread(&error),
    }
}

/// What an application has counted. What it says of flags that there are not is counted nowhere.
pub fn metrics(asked: &Asked<'_>, counter: &Counter) -> Answer {
    let told: Told = match serde_json::from_slice(asked.incoming.request.body()) {
        Ok(told) => told,
        Err(error) => return unread(&error),
    };
    let environment = &asked.known.token.environment;
    let toggles = told.bucket.map(|bucket| bucket.toggles).unwrap_or_default();
    for (key, Toggle { yes, no }) in toggles {
        if asked.served.find(&key).is_some() && (yes > 0 || no > 0) {
            counter.count(environment, &key, &told.app_name, Count { yes, no }, asked.ports.clock.now());
        }
    }
    accepted()
}

/// As much of what an application tells as is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Told {
    app_name: String,
    bucket: Option<Bucket>,
}

#[derive(Deserialize)]
struct Bucket {
    #[serde(default)]
    toggles: HashMap<String, Toggle>,
}

#[derive(Deserialize)]
struct Toggle {
    #[serde(default)]
    yes: u64,
    #[serde(default)]
    no: u64,
}

fn accepted() -> Answer {
    Answer { status: StatusCode::ACCEPTED, headers: HeaderMap::new(), body: Body::Whole(Bytes::new()) }
}

fn unread(error: &serde_json::Error) -> Answer {
    Protocol::Unleash.refused(StatusCode::BAD_REQUEST, &format!("The body is not what this takes: {error}."))
}
