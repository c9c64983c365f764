//! All 279 cases of Unleash's client specification, over each HTTP face that can tell them.

use crate::desk::{Desk, toggles};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use std::path::PathBuf;
use tests::sshd::peer;
use unleash_types::client_features::{ClientFeatures, ClientFeaturesDelta};

/// How many cases there are in version 6.1.0.
const CASES: usize = 279;

fn read(file: &PathBuf) -> Value {
    serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap()
}

/// What a file of the specification begins with: definitions, or the events that lead to them.
fn features(state: &Value) -> ClientFeatures {
    if state.get("events").is_none() {
        return serde_json::from_value(state.clone()).unwrap();
    }
    let delta: ClientFeaturesDelta = serde_json::from_value(state.clone()).unwrap();
    let mut features = ClientFeatures { version: 2, features: vec![], segments: None, query: None, meta: None };
    features.apply_delta(&delta);
    features
}

#[tokio::test]
async fn every_case_of_unleashs_specification_holds_on_every_face() {
    let folder = peer("flags_js").join("node_modules/@unleash/client-specification/specifications");
    let index = read(&folder.join("index.json"));
    let mut cases = 0;
    for name in index.as_array().unwrap() {
        let file = read(&folder.join(name.as_str().unwrap()));
        let desk = Desk::new();
        let backend = desk.token("backend", "staging", "backend", "default").await;
        let frontend = desk.token("frontend", "staging", "frontend", "default").await;
        desk.load(&features(&file["state"]), &backend).await;
        let none = vec![];
        let (flags, variants) = (file["tests"].as_array(), file["variantTests"].as_array());
        for (case, variant) in flags
            .unwrap_or(&none)
            .iter()
            .map(|case| (case, false))
            .chain(variants.unwrap_or(&none).iter().map(|case| (case, true)))
        {
            cases += 1;
            let told = format!("{name}: {}", case["description"]);
            on_the_frontend(&desk, &frontend, case, variant, &told).await;
            on_openfeatures(&desk, &backend, case, variant, &told).await;
        }
    }
    assert_eq!(cases, CASES);
}

/// Unleash's frontend API lists what is on, and the variant with it.
async fn on_the_frontend(desk: &Desk, token: &str, case: &Value, variant: bool, told: &str) {
    let (key, wanted) = (case["toggleName"].as_str().unwrap(), &case["expectedResult"]);
    let body = json!({ "context": case["context"] }).to_string();
    let found = toggles(&desk.post("/api/frontend", token, body).await);
    let Some(found) = found.get(key) else {
        let off = if variant { &wanted["feature_enabled"] } else { wanted };
        return assert_eq!(*off, json!(false), "{told}");
    };
    if variant {
        assert_eq!(found["variant"], *wanted, "{told}");
    } else {
        assert_eq!(*wanted, json!(true), "{told}");
    }
}

/// OFREP's value is the payload, where there is one; else whether it is on.
async fn on_openfeatures(desk: &Desk, token: &str, case: &Value, variant: bool, told: &str) {
    let (key, wanted) = (case["toggleName"].as_str().unwrap(), &case["expectedResult"]);
    let path = format!("/ofrep/v1/evaluate/flags/{}", utf8_percent_encode(key, NON_ALPHANUMERIC));
    let answer = desk.post(&path, token, json!({ "context": case["context"] }).to_string()).await;
    let found = answer.json();
    if answer.status != 200 {
        // Who is not named is no part of a share; and there may be no such flag.
        let code = found["errorCode"].as_str().unwrap();
        let missing = code == "TARGETING_KEY_MISSING" && case["context"].get("userId").is_none();
        assert!(missing || code == "FLAG_NOT_FOUND", "{told}: {found}");
        return;
    }
    if !variant {
        match found.get("value") {
            Some(Value::Bool(on)) => assert_eq!(json!(on), *wanted, "{told}: {found}"),
            // A flag with payloads has no value when it is off.
            Some(_) => assert_eq!(*wanted, json!(true), "{told}: {found}"),
            None => assert_eq!(*wanted, json!(false), "{told}: {found}"),
        }
    } else if wanted["enabled"] == json!(true) {
        assert_eq!(found["variant"], wanted["name"], "{told}: {found}");
        if wanted["payload"]["type"] == "string" {
            assert_eq!(found["value"], wanted["payload"]["value"], "{told}: {found}");
        }
    } else {
        assert!(["on", "off"].contains(&found["variant"].as_str().unwrap()), "{told}: {found}");
    }
}
