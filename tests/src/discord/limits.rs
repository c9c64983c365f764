//! What Discord refuses in messages, forms, choices and commands (Discord's reference, "Message Resource", "Components",
//! "Application Commands").

use super::refusal::{Form, Refusal};
use super::talk::ON_MESSAGE;
use serde_json::Value;
use std::collections::BTreeSet;

/// The types of components.
const ROW: u64 = 1;
const BUTTON: u64 = 2;
const STRING_SELECT: u64 = 3;
const TEXT_INPUT: u64 = 4;
const OTHER_SELECTS: std::ops::RangeInclusive<u64> = 5..=8;
const LABEL: u64 = 18;

/// The style of a button that opens an address.
const LINK: u64 = 5;

/// The most bytes of all files of one message that a bot may upload.
const LARGEST_UPLOAD: usize = 10 * 1024 * 1024;

/// A message to be created or edited, with files of these sizes.
///
/// # Errors
/// What Discord would refuse.
pub fn message(body: &Value, files: &[usize]) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.expect(body.is_object(), "", "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType");
    form.length("content", &body["content"], 0, 2_000);
    let embeds = form.items("embeds", &body["embeds"], 10);
    let all: usize = embeds.iter().enumerate().map(|(at, one)| embed(&mut form, &format!("embeds.{at}"), one)).sum();
    form.expect(all <= 6_000, "embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000");
    components(&mut form, &body["components"]);
    attachments(&mut form, &body["attachments"], files);
    if body.get("nonce").is_some_and(Value::is_string) {
        form.length("nonce", &body["nonce"], 0, 25);
    }
    let mentions = &body["allowed_mentions"];
    for (kind, list) in [("users", &mentions["users"]), ("roles", &mentions["roles"])] {
        let named = form.items(&format!("allowed_mentions.{kind}"), list, 100).len();
        let parsed = mentions["parse"].as_array().is_some_and(|parse| parse.iter().any(|it| it == kind));
        let message = format!("parse:[\"{kind}\"] and {kind}: [ids...] are mutually exclusive.");
        form.expect(!parsed || named == 0, "allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", message);
    }
    form.end()
}

/// How many letters an embed has.
fn embed(form: &mut Form, at: &str, embed: &Value) -> usize {
    let optional = [("title", 256), ("description", 4_096)];
    let mut all: usize =
        optional.map(|(name, most)| form.length(&format!("{at}.{name}"), &embed[name], 0, most)).iter().sum();
    all += form.length(&format!("{at}.footer.text"), &embed["footer"]["text"], 0, 2_048);
    all += form.length(&format!("{at}.author.name"), &embed["author"]["name"], 0, 256);
    for (number, field) in form.items(&format!("{at}.fields"), &embed["fields"], 25).iter().enumerate() {
        let at = format!("{at}.fields.{number}");
        all += form.length(&format!("{at}.name"), &field["name"], 1, 256);
        all += form.length(&format!("{at}.value"), &field["value"], 1, 1_024);
    }
    let colour = embed["color"].as_u64().unwrap_or(0) <= 0xff_ffff;
    form.expect(
        colour,
        &format!("{at}.color"),
        "NUMBER_TYPE_MAX",
        "int value should be less than or equal to 16777215.",
    );
    all
}

fn attachments(form: &mut Form, listed: &Value, files: &[usize]) {
    let told = form.items("attachments", listed, 10);
    form.expect(files.len() <= 10, "attachments", "BASE_TYPE_BAD_LENGTH", "Must be 10 or fewer in length.");
    let size = files.iter().sum::<usize>() <= LARGEST_UPLOAD;
    form.expect(size, "attachments", "FILE_TOO_LARGE", "The files are larger than 10 MiB together.");
    for (number, one) in told.iter().enumerate() {
        form.length(&format!("attachments.{number}.description"), &one["description"], 0, 1_024);
    }
}

/// Rows of buttons and selects.
fn components(form: &mut Form, rows: &Value) {
    let mut seen = BTreeSet::new();
    for (number, row) in form.items("components", rows, 5).iter().enumerate() {
        let at = format!("components.{number}");
        form.expect(row["type"] == ROW, &format!("{at}.type"), "UNION_TYPE_CHOICES", "A message holds rows.");
        let parts = form.items(&format!("{at}.components"), &row["components"], 5);
        form.expect(!parts.is_empty(), &format!("{at}.components"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5.");
        let alone = parts.len() == 1 || parts.iter().all(|part| part["type"] == BUTTON);
        form.expect(alone, &at, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "The specified component exceeds the maximum width");
        for (number, part) in parts.iter().enumerate() {
            component(form, &format!("{at}.components.{number}"), part, &mut seen);
        }
    }
}

fn component<'a>(form: &mut Form, at: &str, part: &'a Value, seen: &mut BTreeSet<&'a str>) {
    let kind = part["type"].as_u64().unwrap_or(0);
    let link = kind == BUTTON && part["style"] == LINK;
    if link {
        form.length(&format!("{at}.url"), &part["url"], 1, 512);
    } else {
        form.length(&format!("{at}.custom_id"), &part["custom_id"], 1, 100);
        let fresh = seen.insert(part["custom_id"].as_str().unwrap_or_default());
        let message = "Component custom id cannot be duplicated";
        form.expect(fresh, &format!("{at}.custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", message);
    }
    match kind {
        BUTTON => {
            let style = part["style"].as_u64().is_some_and(|style| (1..=5).contains(&style));
            form.expect(style, &format!("{at}.style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2, 3, 4, 5}.");
            let least = usize::from(part["emoji"].is_null());
            form.length(&format!("{at}.label"), &part["label"], least, 80);
        }
        STRING_SELECT => select(form, at, part),
        kind if OTHER_SELECTS.contains(&kind) => {}
        _ => form.wrong(&format!("{at}.type"), "UNION_TYPE_CHOICES", "Value must be one of {2, 3, 5, 6, 7, 8}."),
    }
}

fn select(form: &mut Form, at: &str, part: &Value) {
    let mut values = BTreeSet::new();
    let options = form.items(&format!("{at}.options"), &part["options"], 25);
    form.expect(!options.is_empty(), &format!("{at}.options"), "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 25.");
    form.length(&format!("{at}.placeholder"), &part["placeholder"], 0, 150);
    for (number, option) in options.iter().enumerate() {
        let at = format!("{at}.options.{number}");
        form.length(&format!("{at}.label"), &option["label"], 1, 100);
        form.length(&format!("{at}.value"), &option["value"], 1, 100);
        form.length(&format!("{at}.description"), &option["description"], 0, 100);
        let fresh = values.insert(option["value"].as_str().unwrap_or_default());
        form.expect(
            fresh,
            &format!("{at}.value"),
            "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
            "The value is used twice",
        );
    }
}

/// A form that is shown to somebody.
///
/// # Errors
/// What Discord would refuse.
pub fn modal(data: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.length("data.custom_id", &data["custom_id"], 1, 100);
    form.length("data.title", &data["title"], 1, 45);
    let rows = form.items("data.components", &data["components"], 5);
    form.expect(!rows.is_empty(), "data.components", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 5 in length.");
    let mut seen = BTreeSet::new();
    for (number, row) in rows.iter().enumerate() {
        let at = format!("data.components.{number}");
        let labelled = row["type"] == LABEL;
        let input = if labelled { &row["component"] } else { &row["components"][0] };
        let alone = labelled || row["components"].as_array().is_some_and(|parts| parts.len() == 1);
        form.expect(alone, &at, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "A row of a form holds one input.");
        form.expect(input["type"] == TEXT_INPUT, &at, "UNION_TYPE_CHOICES", "A row of a form holds a text input.");
        form.length(&format!("{at}.custom_id"), &input["custom_id"], 1, 100);
        let fresh = seen.insert(input["custom_id"].as_str().unwrap_or_default());
        form.expect(fresh, &at, "COMPONENT_CUSTOM_ID_DUPLICATED", "Component custom id cannot be duplicated");
        form.length(&format!("{at}.label"), if labelled { &row["label"] } else { &input["label"] }, 1, 45);
        form.length(&format!("{at}.placeholder"), &input["placeholder"], 0, 100);
        form.length(&format!("{at}.value"), &input["value"], 0, 4_000);
        let style = input["style"] == 1 || input["style"] == 2;
        form.expect(style, &format!("{at}.style"), "BASE_TYPE_CHOICES", "Value must be one of {1, 2}.");
    }
    form.end()
}

/// Choices that are offered to somebody who types.
///
/// # Errors
/// What Discord would refuse.
pub fn choices(data: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    for (number, choice) in form.items("data.choices", &data["choices"], 25).iter().enumerate() {
        named_value(&mut form, &format!("data.choices.{number}"), choice);
    }
    form.expect(data["choices"].is_array(), "data.choices", "BASE_TYPE_REQUIRED", "This field is required");
    form.end()
}

fn named_value(form: &mut Form, at: &str, choice: &Value) {
    form.length(&format!("{at}.name"), &choice["name"], 1, 100);
    if choice["value"].is_string() {
        form.length(&format!("{at}.value"), &choice["value"], 0, 100);
    }
}

/// The name of a thread, and all there is to one.
///
/// # Errors
/// What Discord would refuse.
pub fn thread(body: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.length("name", &body["name"], 1, 100);
    form.end()
}

/// A channel that is to be made.
///
/// # Errors
/// What Discord would refuse.
pub fn channel(body: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    form.length("name", &body["name"], 1, 100);
    form.length("topic", &body["topic"], 0, 1_024);
    form.end()
}

/// A command: one that is typed, or one in the menu of a message, which has a name and nothing else.
///
/// # Errors
/// What Discord would refuse.
pub fn command(body: &Value) -> Result<(), Refusal> {
    let mut form = Form::default();
    if body["type"] == ON_MESSAGE {
        form.length("name", &body["name"], 1, 32);
        for (field, code) in [
            ("description", "APPLICATION_COMMAND_CONTEXT_MENU_DESCRIPTION_NOT_ALLOWED"),
            ("options", "APPLICATION_COMMAND_CONTEXT_MENU_OPTIONS_NOT_ALLOWED"),
        ] {
            let empty =
                body[field].as_str().is_none_or(str::is_empty) && body[field].as_array().is_none_or(Vec::is_empty);
            form.expect(empty, field, code, "Context menu commands cannot have this");
        }
        return form.end();
    }
    let letters = option(&mut form, "", body, 0);
    form.expect(letters <= 8_000, "", "APPLICATION_COMMAND_TOO_LARGE", "Command exceeds maximum size (8000)");
    form.end()
}

/// A command or an option of one, and how many letters of names, descriptions and values it has.
fn option(form: &mut Form, at: &str, body: &Value, depth: usize) -> usize {
    let field = |name: &str| if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let name = body["name"].as_str().unwrap_or_default();
    let letters = |letter: char| letter.is_alphanumeric() || matches!(letter, '-' | '_' | '\'');
    let pattern = name.chars().all(letters) && name.to_lowercase() == name;
    form.expect(pattern, &field("name"), "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid");
    let mut all = form.length(&field("name"), &body["name"], 1, 32);
    all += form.length(&field("description"), &body["description"], 1, 100);
    for (number, choice) in form.items(&field("choices"), &body["choices"], 25).iter().enumerate() {
        named_value(form, &format!("{}.{number}", field("choices")), choice);
        all += choice.to_string().len();
    }
    let options = form.items(&field("options"), &body["options"], 25);
    form.expect(
        depth < 4,
        &field("options"),
        "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
        "Options are nested too deep",
    );
    let (mut names, mut optional) = (BTreeSet::new(), false);
    for (number, inner) in options.iter().enumerate() {
        let at = format!("{}.{number}", field("options"));
        let fresh = names.insert(inner["name"].as_str().unwrap_or_default());
        form.expect(fresh, &at, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", "Option name already exists");
        let required = inner["required"] == true;
        let message = "Required options must be placed before non-required options";
        form.expect(!(optional && required), &at, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message);
        optional |= !required;
        let both = inner["autocomplete"] == true && inner["choices"].as_array().is_some_and(|all| !all.is_empty());
        form.expect(
            !both,
            &at,
            "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID",
            "Choices and autocomplete exclude each other",
        );
        all += option(form, &at, inner, depth + 1);
    }
    all
}
