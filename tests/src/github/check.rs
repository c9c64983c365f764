//! Holds requests and answers against GitHub's own OpenAPI description, where the variable `GITHUB_OPENAPI` names it.

use jsonschema::Draft;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

/// GitHub's description, read once for all tests of a program.
static DESCRIPTION: LazyLock<Option<Check>> = LazyLock::new(Check::read);

/// The description.
pub struct Check {
    api: Value,
}

impl Check {
    /// The check, if there is a description; it says so once if there is none.
    pub fn get() -> Option<&'static Check> {
        DESCRIPTION.as_ref()
    }

    #[expect(clippy::print_stderr, reason = "whoever runs the tests is told what they did not check")]
    fn read() -> Option<Check> {
        let Some(file) = std::env::var_os("GITHUB_OPENAPI") else {
            eprintln!("Nothing was held against GitHub's description: set GITHUB_OPENAPI to its api.github.com.json.");
            return None;
        };
        let text = std::fs::read_to_string(file).expect("GITHUB_OPENAPI names a file");
        Some(Check { api: serde_json::from_str(&text).expect("GitHub's description is JSON") })
    }

    /// What in a request is not as described, or not described at all.
    pub fn request(&self, method: &str, template: &str, query: &HashMap<String, String>, body: &Value) -> Vec<String> {
        let what = format!("{method} {template}");
        let Some(operation) = self.operation(method, template) else {
            return vec![format!("GitHub's description has no {what}")];
        };
        let parameters: Vec<_> =
            operation["parameters"].as_array().into_iter().flatten().map(|it| self.found(it)).collect();
        let known = |name: &&String| parameters.iter().any(|it| it["in"] == "query" && it["name"] == **name);
        let mut amiss: Vec<_> =
            query.keys().filter(|name| !known(name)).map(|name| format!("{what} has no parameter `{name}`")).collect();
        let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
        match (body.is_null(), schema.is_null()) {
            (true, _) => {}
            (false, true) => amiss.push(format!("{what} has no body")),
            (false, false) => amiss.extend(self.hold(schema, body, true, &what)),
        }
        amiss
    }

    /// What in an answer is not as described. The stand-in may leave out what no client of ours reads.
    pub fn answer(&self, method: &str, template: &str, status: u16, body: &Value) -> Vec<String> {
        let what = format!("the answer {status} to {method} {template}");
        let Some(operation) = self.operation(method, template) else { return Vec::new() };
        let responses = &operation["responses"];
        // What any request can meet is described at few of them.
        if status >= 400 && responses[status.to_string()].is_null() {
            return Vec::new();
        }
        let found = self.found(&responses[status.to_string()]);
        let schema = &found["content"]["application/json"]["schema"];
        // Objects are held as closed, so one that is two at once is held against the first: what is added may be left out.
        let schema = schema["allOf"].get(0).unwrap_or(schema);
        match (found.is_null(), schema.is_null()) {
            (true, _) => vec![format!("{what} is not described")],
            (_, true) => {
                if body.is_null() {
                    Vec::new()
                } else {
                    vec![format!("{what} has no body")]
                }
            }
            _ => self.hold(schema, body, false, &what),
        }
    }

    fn operation(&self, method: &str, template: &str) -> Option<&Value> {
        self.api["paths"].get(template)?.get(method.to_lowercase())
    }

    /// What a reference stands for; anything else stands for itself.
    fn found<'a>(&'a self, it: &'a Value) -> &'a Value {
        let name = it["$ref"].as_str().and_then(|name| name.strip_prefix('#'));
        name.and_then(|place| self.api.pointer(place)).unwrap_or(it)
    }

    fn hold(&self, schema: &Value, body: &Value, whole: bool, what: &str) -> Vec<String> {
        let mut parts = BTreeMap::new();
        let mut root = self.plain(schema, whole, &mut parts);
        root["components"] = json!({ "schemas": parts.into_iter().collect::<Map<_, _>>() });
        let options = jsonschema::options().with_draft(Draft::Draft4);
        let validator = options.build(&root).unwrap_or_else(|error| panic!("{what} can not be held: {error}"));
        let told = |error: jsonschema::ValidationError<'_>| {
            let told: String = error.to_string().chars().take(600).collect();
            format!("{what}, at {}: {told}", error.instance_path)
        };
        validator.iter_errors(body).map(told).collect()
    }

    /// A schema of OpenAPI 3.0 as one of JSON Schema: `nullable` written out, objects closed, and without `required` where
    /// parts may be left out. What it refers to is put into `parts`.
    fn plain(&self, schema: &Value, whole: bool, parts: &mut BTreeMap<String, Value>) -> Value {
        let rules = match schema {
            Value::Object(rules) => rules,
            Value::Array(list) => return list.iter().map(|it| self.plain(it, whole, parts)).collect(),
            other => return other.clone(),
        };
        if let Some(name) = rules.get("$ref").and_then(Value::as_str) {
            let short = name.trim_start_matches("#/components/schemas/").to_owned();
            if !parts.contains_key(&short) {
                parts.insert(short.clone(), Value::Null);
                let part = self.plain(self.found(schema), whole, parts);
                parts.insert(short, part);
            }
            return json!({ "$ref": name });
        }
        let kept = rules.iter().filter(|(name, _)| whole || *name != "required" || !rules["required"].is_array());
        let mut plain: Map<_, _> = kept.map(|(name, it)| (name.clone(), self.plain(it, whole, parts))).collect();
        if plain.contains_key("properties") && plain.get("type") == Some(&json!("object")) {
            plain.entry("additionalProperties").or_insert(json!(false));
        }
        if rules.get("nullable") == Some(&json!(true)) {
            return json!({ "anyOf": [plain, { "type": "null" }] });
        }
        Value::Object(plain)
    }
}
