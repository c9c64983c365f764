//! Discord as the tests of the renderer know it: what it refuses, and what its apps read in markdown.

use super::super::Message;
use serde_json::Value;
use std::collections::{HashMap, HashSet};

/// Fails where Discord would refuse the message, by its documentation. Lengths are the larger of its two ways to count.
pub(super) fn limits(message: &Message) {
    let body = &message.body;
    let keys: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["content", "embeds", "components", "allowed_mentions", "attachments"]);
    within(&body["content"], 0, 2_000);
    let (embeds, rows) = (list(&body["embeds"]), list(&body["components"]));
    let attachments = list(&body["attachments"]);
    let blank = body["content"].as_str().unwrap().trim().is_empty();
    assert!(!blank || !embeds.is_empty() || !attachments.is_empty(), "an empty message");
    assert!(embeds.len() <= 10 && embeds.iter().map(embed).sum::<usize>() <= 6_000);
    components(rows);
    assert_eq!(body["allowed_mentions"]["parse"], Value::Array(Vec::new()));
    let users: Vec<_> = body["allowed_mentions"].get("users").map(list).unwrap_or_default().to_vec();
    let unique: HashSet<_> = users.iter().collect();
    assert!(users.len() <= 100 && unique.len() == users.len(), "{users:?}");
    let content = body["content"].as_str().unwrap();
    assert!(users.iter().all(|id| content.contains(&format!("<@{}>", id.as_str().unwrap()))), "{content}");

    assert!(attachments.len() <= 10 && attachments.len() == message.files.len());
    let mut names = HashSet::new();
    for (place, (said, file)) in attachments.iter().zip(&message.files).enumerate() {
        assert!(said["id"] == place && said["filename"] == *file.name && names.insert(&file.name), "{said}");
        let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        assert!((1..=120).contains(&file.name.len()) && file.name.bytes().all(safe) && !file.name.starts_with('.'));
        assert!(said.get("description").is_none_or(|text| within(text, 1, 1_024) > 0));
        assert!(file.bytes.len() <= 10 * 1024 * 1024, "{} is too large", file.name);
    }
    assert!(message.files.iter().map(|file| file.bytes.len()).sum::<usize>() <= 24 * 1024 * 1024);
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

/// The length of a text, which is between these and of which something is seen.
fn within(text: &Value, least: usize, most: usize) -> usize {
    let text = text.as_str().unwrap();
    let length = text.encode_utf16().count();
    assert!((least..=most).contains(&length), "{length} units, not {least} to {most}: {text}");
    assert!(least == 0 || !text.trim().is_empty(), "blank: {text:?}");
    length
}

/// The length of all text of an embed.
fn embed(embed: &Value) -> usize {
    let fields = embed.get("fields").map(list).unwrap_or_default();
    assert!(fields.len() <= 25);
    assert!(embed.get("title").or(embed.get("description")).is_some() || !fields.is_empty(), "an empty embed");
    let fields = fields.iter().map(|field| within(&field["name"], 1, 256) + within(&field["value"], 1, 1_024));
    let title = embed.get("title").map_or(0, |title| within(title, 1, 256));
    fields.sum::<usize>() + title + embed.get("description").map_or(0, |text| within(text, 1, 4_096))
}

fn components(rows: &[Value]) {
    assert!(rows.len() <= 5);
    let mut names = HashSet::new();
    for row in rows {
        let inside = list(&row["components"]);
        assert!(row["type"] == 1 && !inside.is_empty());
        for component in inside {
            within(&component["custom_id"], 1, 100);
            assert!(names.insert(component["custom_id"].as_str().unwrap().to_owned()), "twice: {component}");
            if component["type"] == 2 {
                assert!(inside.len() <= 5 && [1, 2, 4].contains(&component["style"].as_u64().unwrap()));
                within(&component["label"], 1, 80);
                continue;
            }
            assert!(component["type"] == 3 && inside.len() == 1, "{component}");
            within(&component["placeholder"], 1, 150);
            let options = list(&component["options"]);
            assert!((1..=25).contains(&options.len()));
            for option in options {
                within(&option["label"], 1, 100);
                within(&option["value"], 1, 100);
                assert!(names.insert(option["value"].as_str().unwrap().to_owned()), "twice: {option}");
            }
        }
    }
}

/// Fails where Discord would refuse to open this form.
pub(super) fn form_limits(form: &Value) {
    within(&form["custom_id"], 1, 100);
    within(&form["title"], 1, 45);
    let rows = list(&form["components"]);
    assert!((1..=5).contains(&rows.len()));
    for row in rows {
        let [input] = list(&row["components"]) else { panic!("not one input: {row}") };
        assert!(row["type"] == 1 && input["type"] == 4 && [1, 2].contains(&input["style"].as_u64().unwrap()));
        within(&input["custom_id"], 1, 100);
        within(&input["label"], 1, 45);
        let most = usize::try_from(input["max_length"].as_u64().unwrap()).unwrap();
        assert!((1..=4_000).contains(&most) && input["min_length"].as_u64().unwrap() <= most as u64);
        assert!(input.get("placeholder").is_none_or(|text| within(text, 1, 100) > 0));
        assert!(input.get("value").is_none_or(|text| text.as_str().unwrap().chars().count() <= most));
    }
}

/// All that a person reads in a message that may call these.
pub(super) fn said(body: &Value, calls: &[String], people: &HashMap<String, String>) -> String {
    let called: Vec<String> = calls.iter().filter_map(|name| people.get(name)).map(|id| format!("<@{id}>")).collect();
    let mut said = vec![read(body["content"].as_str().unwrap(), &called)];
    for embed in list(&body["embeds"]) {
        for part in ["title", "description"] {
            said.extend(embed.get(part).map(|text| read(text.as_str().unwrap(), &[])));
        }
        for field in embed.get("fields").map(list).unwrap_or_default() {
            said.extend(["name", "value"].map(|part| read(field[part].as_str().unwrap(), &[])));
        }
    }
    for component in list(&body["components"]).iter().flat_map(|row| list(&row["components"])) {
        said.extend(component.get("label").map(|label| label.as_str().unwrap().to_owned()));
        let options = component.get("options").map(list).unwrap_or_default();
        said.extend(options.iter().map(|option| option["label"].as_str().unwrap().to_owned()));
    }
    said.join("\n")
}

/// What a person reads in this markdown. Fails where something has a meaning but code, whole links, bold text around
/// something plain, and calls of these.
pub(super) fn read(markdown: &str, calls: &[String]) -> String {
    let (mut said, mut rest, mut at_start) = (String::new(), markdown, true);
    while let Some(letter) = rest.chars().next() {
        let taken = if let Some(preformatted) = rest.strip_prefix("```\n") {
            let (lines, _) = preformatted.split_once("\n```").expect("an open block");
            said += lines;
            lines.len() + 8
        } else if let Some(code) = rest.strip_prefix('`') {
            let (code, after) = code.split_once('`').expect("open code");
            assert!(!code.is_empty() && !code.contains('\n') && !after.starts_with('`'), "{rest}");
            said += code;
            code.len() + 2
        } else if let Some(call) = calls.iter().find(|call| rest.starts_with(*call)) {
            call.len()
        } else if rest.starts_with("<http") {
            let (link, _) = rest[1..].split_once('>').expect("an open link");
            assert!(!link.contains(char::is_whitespace), "{link}");
            said += link;
            link.len() + 2
        } else if let Some(escaped) = rest.strip_prefix('\\') {
            let sign = escaped.chars().next().expect("a backslash at the end");
            assert!(sign.is_ascii_punctuation(), "a backslash is seen before {escaped}");
            said.push(sign);
            2
        } else if rest.starts_with("**") {
            2
        } else {
            assert!(!"*_~|[<@".contains(letter), "a sign with a meaning: {rest}");
            assert!(!rest.starts_with("http://") && !rest.starts_with("https://"), "a link with a preview: {rest}");
            assert!(!at_start || !opens(rest), "the start of a block: {rest}");
            assert!(!is_emoji(rest), "an emoji: {rest}");
            said.push(letter);
            letter.len_utf8()
        };
        rest = &rest[taken..];
        at_start = letter == '\n' || (at_start && letter.is_whitespace());
    }
    said
}

/// Whether a line starts a heading, a quote, small print or an item.
fn opens(line: &str) -> bool {
    let sign = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let signs = if sign.len() < line.len() { &["."][..] } else { &["#", "##", "###", "-#", ">", ">>>", "-", "*", "+"] };
    signs
        .iter()
        .any(|open| sign.strip_prefix(open).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\n'])))
}

fn is_emoji(text: &str) -> bool {
    let name = text.strip_prefix(':').and_then(|rest| rest.split_once(':')).map_or("", |(name, _)| name);
    let is_time = name.len() <= 2 && name.bytes().all(|byte| byte.is_ascii_digit());
    !is_time && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_+-~".contains(&byte))
}
