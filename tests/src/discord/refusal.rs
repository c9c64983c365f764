//! How Discord says no.

use serde_json::{Map, Value, json};

/// An answer that refuses: a status, Discord's own code, its words, and for a form what is wrong with which field.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The status of the answer.
    pub status: u16,
    /// Discord's own code (Discord's reference, "JSON Error Codes").
    pub code: u64,
    message: &'static str,
    errors: Value,
}

impl Refusal {
    const fn new(status: u16, code: u64, message: &'static str) -> Refusal {
        Refusal { status, code, message, errors: Value::Null }
    }

    /// Whether the body that was sent breaks Discord's rules: no bot should send it.
    pub fn is_about_the_body(&self) -> bool {
        [INVALID_FORM, EMPTY_MESSAGE.code, INVALID_JSON.code].contains(&self.code)
    }

    /// The answer's body.
    pub fn body(&self) -> Value {
        let mut body = json!({ "code": self.code, "message": self.message });
        if !self.errors.is_null() {
            body["errors"] = self.errors.clone();
        }
        body
    }
}

/// The code of a body that breaks the rules.
pub const INVALID_FORM: u64 = 50035;

pub const UNAUTHORIZED: Refusal = Refusal::new(401, 0, "401: Unauthorized");
pub const NOT_FOUND: Refusal = Refusal::new(404, 0, "404: Not Found");
pub const UNKNOWN_APPLICATION: Refusal = Refusal::new(404, 10002, "Unknown Application");
pub const UNKNOWN_CHANNEL: Refusal = Refusal::new(404, 10003, "Unknown Channel");
pub const UNKNOWN_GUILD: Refusal = Refusal::new(404, 10004, "Unknown Guild");
pub const UNKNOWN_MEMBER: Refusal = Refusal::new(404, 10007, "Unknown Member");
pub const UNKNOWN_MESSAGE: Refusal = Refusal::new(404, 10008, "Unknown Message");
pub const UNKNOWN_USER: Refusal = Refusal::new(404, 10013, "Unknown User");
pub const UNKNOWN_WEBHOOK: Refusal = Refusal::new(404, 10015, "Unknown Webhook");
pub const UNKNOWN_INTERACTION: Refusal = Refusal::new(404, 10062, "Unknown interaction");
pub const UNKNOWN_COMMAND: Refusal = Refusal::new(404, 10063, "Unknown application command");
pub const TOO_MANY_COMMANDS: Refusal =
    Refusal::new(400, 30032, "Maximum number of application commands reached (100).");
pub const TOO_MANY_CHANNELS: Refusal = Refusal::new(400, 30013, "Maximum number of guild channels reached (500).");
pub const ALREADY_ACKNOWLEDGED: Refusal = Refusal::new(400, 40060, "Interaction has already been acknowledged.");
pub const MISSING_ACCESS: Refusal = Refusal::new(403, 50001, "Missing Access");
pub const EDIT_OF_ANOTHERS: Refusal = Refusal::new(403, 50005, "Cannot edit a message authored by another user");
pub const EMPTY_MESSAGE: Refusal = Refusal::new(400, 50006, "Cannot send an empty message");
pub const MISSING_PERMISSIONS: Refusal = Refusal::new(403, 50013, "Missing Permissions");
pub const INVALID_WEBHOOK_TOKEN: Refusal = Refusal::new(401, 50027, "Invalid Webhook Token");
pub const INVALID_JSON: Refusal = Refusal::new(400, 50109, "The request body contains invalid JSON.");
pub const THREAD_EXISTS: Refusal = Refusal::new(400, 160_004, "A thread has already been created for this message");

/// What is wrong with a form, field by field.
#[derive(Debug, Default)]
pub struct Form(Vec<(String, &'static str, String)>);

impl Form {
    /// Notes that the field at `at` (as in `embeds.0.title`) is wrong.
    pub fn wrong(&mut self, at: &str, code: &'static str, message: impl Into<String>) {
        self.0.push((at.to_owned(), code, message.into()));
    }

    /// Notes it unless `holds`.
    pub fn expect(&mut self, holds: bool, at: &str, code: &'static str, message: impl Into<String>) {
        if !holds {
            self.wrong(at, code, message);
        }
    }

    /// The length of a text, if there is one. It is counted in UTF-16, which is never less than what Discord counts.
    pub fn length(&mut self, at: &str, text: &Value, least: usize, most: usize) -> usize {
        let length = text.as_str().map_or(0, |text| text.encode_utf16().count());
        let message = format!("Must be between {least} and {most} in length.");
        self.expect((least..=most).contains(&length), at, "BASE_TYPE_BAD_LENGTH", message);
        length
    }

    /// The items of a list, if there is one.
    pub fn items<'a>(&mut self, at: &str, list: &'a Value, most: usize) -> &'a [Value] {
        let items = list.as_array().map_or(&[][..], Vec::as_slice);
        self.expect(items.len() <= most, at, "BASE_TYPE_BAD_LENGTH", format!("Must be {most} or fewer in length."));
        items
    }

    /// Nothing, or the refusal.
    ///
    /// # Errors
    /// When anything was wrong.
    pub fn end(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut errors = Value::Object(Map::new());
        for (at, code, message) in self.0 {
            let field = at.split('.').filter(|key| !key.is_empty()).fold(&mut errors, |level, key| &mut level[key]);
            let mut told = field["_errors"].as_array().cloned().unwrap_or_default();
            told.push(json!({ "code": code, "message": message }));
            field["_errors"] = told.into();
        }
        Err(Refusal { errors, ..Refusal::new(400, INVALID_FORM, "Invalid Form Body") })
    }
}
