//! Holds requests and answers against Discord's own OpenAPI description, where the variable `DISCORD_OPENAPI` names it.

use jsonschema::{Draft, Registry, Validator};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

/// The name under which the description is known to its own references.
const NAME: &str = "urn:discord";

/// Where the description contradicts Discord's documentation, or what Discord does: the place, what should stand there, and
/// why.
const CORRECTIONS: &[(&str, &str, &str)] = &[
    (
        "/components/schemas/MessageAttachmentRequest/properties/id",
        r#"{ "type": ["string", "integer"] }"#,
        "the reference, \"Uploading Files\", numbers new files: `\"id\": 0`",
    ),
    (
        "/components/schemas/InnerErrors/properties/_errors/items",
        r#"{ "type": "object", "properties": { "code": { "type": "string" }, "message": { "type": "string" } } }"#,
        "the reference, \"Error Messages\", names what is wrong with a field by a word: `\"code\": \"BASE_TYPE_CHOICES\"`",
    ),
    (
        "/components/schemas/ApplicationCommandCreateRequest/properties/default_member_permissions",
        r#"{ "type": ["string", "null"] }"#,
        "the reference, \"Application Command Object\": a bit set, written as a string",
    ),
    (
        "/components/schemas/ChannelPermissionOverwriteRequest/properties/allow",
        r#"{ "type": ["string", "null"] }"#,
        "the reference, \"Overwrite Object\": a bit set, written as a string",
    ),
    (
        "/components/schemas/ChannelPermissionOverwriteRequest/properties/deny",
        r#"{ "type": ["string", "null"] }"#,
        "the same",
    ),
    (
        "/components/schemas/ApplicationCommandUpdateRequest/properties/default_member_permissions",
        r#"{ "type": ["string", "null"] }"#,
        "the same",
    ),
    (
        "/components/schemas/ApplicationCommandPatchRequestPartial/properties/default_member_permissions",
        r#"{ "type": ["string", "null"] }"#,
        "the same",
    ),
];

/// Discord's description, read once for all tests of a program.
static DESCRIPTION: LazyLock<Option<Check>> = LazyLock::new(Check::read);

/// The description, and what of it has been used.
pub struct Check {
    api: Value,
    /// The description as it is, and closed.
    registries: [Registry; 2],
    validators: Mutex<HashMap<(String, bool), Arc<Validator>>>,
}

impl Check {
    /// The check, if there is a description; it says so once if there is none.
    pub fn get() -> Option<&'static Check> {
        DESCRIPTION.as_ref()
    }

    #[expect(clippy::print_stderr, reason = "whoever runs the tests is told what they did not check")]
    fn read() -> Option<Check> {
        let Some(file) = std::env::var_os("DISCORD_OPENAPI") else {
            eprintln!("Nothing was held against Discord's description: set DISCORD_OPENAPI to its openapi.json.");
            return None;
        };
        let text = std::fs::read_to_string(file).expect("DISCORD_OPENAPI names a file");
        let mut api: Value = serde_json::from_str(&text).expect("Discord's description is JSON");
        for (place, instead, _) in CORRECTIONS {
            let wrong = api.pointer_mut(place).unwrap_or_else(|| panic!("{place} needs no correction any more"));
            *wrong = serde_json::from_str(instead).expect("a correction is JSON");
        }
        let mut closed = api.clone();
        close(&mut closed["components"]["schemas"]);
        close(&mut closed["paths"]);
        let registry = |api| Registry::try_new(NAME, Draft::Draft202012.create_resource(api)).expect("it has a name");
        let registries = [registry(api.clone()), registry(closed)];
        Some(Check { api, registries, validators: Mutex::default() })
    }

    /// What in a request is not as described; with `closed`, so is all that is not described.
    pub fn request(&self, method: &str, template: &str, body: &Value, closed: bool) -> Vec<String> {
        let at = format!(
            "/paths/{}/{}/requestBody/content/application~1json/schema",
            escaped(template),
            method.to_lowercase()
        );
        if body.is_null() {
            return Vec::new();
        }
        self.hold(&at, body, closed, &format!("{method} {template}"))
    }

    /// What in an answer is not as described.
    pub fn answer(&self, method: &str, template: &str, status: u16, body: &Value) -> Vec<String> {
        let operation = format!("/paths/{}/{}", escaped(template), method.to_lowercase());
        let class = format!("{}XX", status / 100);
        let known = [status.to_string(), class].into_iter().map(|status| format!("{operation}/responses/{status}"));
        let Some(mut at) = known.into_iter().find(|at| self.api.pointer(at).is_some()) else {
            return vec![format!("{method} {template} never answers {status}")];
        };
        if let Some(shared) = self.api.pointer(&at).and_then(|it| it["$ref"].as_str()) {
            at = shared.trim_start_matches('#').to_owned();
        }
        if body.is_null() {
            return Vec::new();
        }
        self.hold(
            &format!("{at}/content/application~1json/schema"),
            body,
            true,
            &format!("the answer to {method} {template}"),
        )
    }

    fn hold(&self, at: &str, body: &Value, closed: bool, what: &str) -> Vec<String> {
        if self.api.pointer(at).is_none() {
            return vec![format!("{what} has no body in Discord's description")];
        }
        let validator = self.validator(at, closed);
        let errors = validator.iter_errors(body).map(|error| {
            let mut told = error.to_string();
            told.truncate(told.char_indices().nth(600).map_or(told.len(), |(at, _)| at));
            format!("{what}, at {}: {told}", error.instance_path)
        });
        errors.collect()
    }

    fn validator(&self, at: &str, closed: bool) -> Arc<Validator> {
        let mut known = self.validators.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let compile = || {
            let place = at.replace('{', "%7B").replace('}', "%7D");
            let schema = json!({ "$ref": format!("{NAME}#{place}") });
            let options = jsonschema::options()
                .with_draft(Draft::Draft202012)
                .with_registry(self.registries[usize::from(closed)].clone());
            Arc::new(options.build(&schema).unwrap_or_else(|error| panic!("{at} can not be used: {error}")))
        };
        known.entry((at.to_owned(), closed)).or_insert_with(compile).clone()
    }
}

/// A path as a part of a JSON pointer.
fn escaped(template: &str) -> String {
    template.replace('~', "~0").replace('/', "~1")
}

/// Closes every object that is described: what is not described there is a mistake, too. What is put together from several
/// (`allOf`) stays open, and so does the description of errors, which is used only so.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(rules) => {
            if rules.contains_key("properties") && rules.get("type") == Some(&json!("object")) {
                rules.entry("additionalProperties").or_insert(json!(false));
            }
            let inner = rules.iter_mut().filter(|(name, _)| !matches!(name.as_str(), "allOf" | "Error"));
            inner.for_each(|(_, inner)| close(inner));
        }
        Value::Array(list) => list.iter_mut().for_each(close),
        _ => {}
    }
}
