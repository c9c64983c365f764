//! OFREP's answers against its own OpenAPI description, version 0.3.0.

use crate::desk::Desk;
use jsonschema::{Draft, Validator};
use serde_json::{Value, json};

/// As the OpenFeature project publishes it, in JSON: <https://github.com/open-feature/protocol>, Apache-2.0.
const DESCRIPTION: &str = include_str!("ofrep/openapi.json");

/// The description of one of its schemas. As published, it rejects every value: one without a `value` is described as an
/// object that may have any, and a whole number is both an integer and a float, of which there may be one. Here the first
/// has none, and the second is a fraction.
fn schema(api: &Value, name: &str) -> Validator {
    let mut api = api.clone();
    let schemas = &mut api["components"]["schemas"];
    schemas["codeDefaultFlag"]["not"] = json!({ "required": ["value"] });
    schemas["floatFlag"]["properties"]["value"]["not"] = json!({ "type": "integer" });
    api["$ref"] = format!("#/components/schemas/{name}").into();
    jsonschema::options().with_draft(Draft::Draft202012).build(&api).unwrap()
}

fn variant(kind: &str, value: &str) -> Value {
    json!([{ "name": "v", "weight": 1000, "payload": { "type": kind, "value": value } }])
}

#[tokio::test]
async fn every_answer_is_as_described() {
    let api: Value = serde_json::from_str(DESCRIPTION).unwrap();
    assert_eq!(api["info"]["version"], "0.3.0");
    let desk = Desk::new();
    let token = desk.token("api", "staging", "backend", "default").await;
    let rollout = json!([{ "name": "flexibleRollout", "parameters": { "rollout": "50", "stickiness": "default", "groupId": "g" } }]);
    let features = json!([
        { "name": "off", "enabled": false, "variants": variant("string", "x") },
        { "name": "plain", "enabled": true },
        { "name": "half", "enabled": true, "strategies": rollout },
        { "name": "text", "enabled": true, "variants": variant("string", "") },
        { "name": "whole", "enabled": true, "variants": variant("number", "-7") },
        { "name": "float", "enabled": true, "variants": variant("number", "1.0") },
        { "name": "fraction", "enabled": true, "variants": variant("number", "0.5") },
        { "name": "object", "enabled": true, "variants": variant("json", "{\"a\":{}}") },
        { "name": "broken", "enabled": true, "variants": variant("json", "{") },
    ]);
    let features = serde_json::from_value(json!({ "version": 2, "features": features })).unwrap();
    desk.load(&features, &token).await;
    for (body, name) in [
        (r#"{"context":{"targetingKey":"42"}}"#, "bulkEvaluationSuccess"),
        ("{}", "bulkEvaluationSuccess"),
        ("[]", "bulkEvaluationFailure"),
        (r#"{"context":1}"#, "bulkEvaluationFailure"),
    ] {
        let told = desk.post("/ofrep/v1/evaluate/flags", &token, body).await.json();
        held(&schema(&api, name), &told);
        assert_eq!(told["flags"].is_array(), name.ends_with("Success"), "{told}");
    }
    for (key, body, name) in [
        ("off", "{}", "serverEvaluationSuccess"),
        ("plain", "{}", "serverEvaluationSuccess"),
        ("half", r#"{"context":{"targetingKey":"42"}}"#, "serverEvaluationSuccess"),
        ("half", "{}", "evaluationFailure"),
        ("text", r#"{"context":{"targetingKey":"42"}}"#, "serverEvaluationSuccess"),
        ("broken", r#"{"context":{"targetingKey":"42"}}"#, "evaluationFailure"),
        ("plain", "", "evaluationFailure"),
        ("unknown", "{}", "flagNotFound"),
    ] {
        let told = desk.post(&format!("/ofrep/v1/evaluate/flags/{key}"), &token, body).await.json();
        held(&schema(&api, name), &told);
    }
    let event = json!({ "type": "refetchEvaluation", "etag": "x" });
    held(&schema(&api, "sseEventData"), &event);
}

fn held(schema: &Validator, told: &Value) {
    let wrong: Vec<_> = schema.iter_errors(told).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{told}\n{wrong:#?}");
}
