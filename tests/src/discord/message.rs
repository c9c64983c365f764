//! Messages as they come to be, and change.

use super::body::File;
use super::limits;
use super::objects;
use super::refusal::{EMPTY_MESSAGE, Refusal, UNKNOWN_MESSAGE};
use super::state::{Kind, Message, Seen, State, What};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The flag of a message that only one person sees.
pub const EPHEMERAL: u64 = 64;
/// The flag of one whose content has not come.
pub const LOADING: u64 = 128;

/// A message without content, by the bot, as an answer to `interaction` if there is one. It is not kept yet.
pub fn blank(state: &mut State, channel: &str, interaction: Option<&str>, only: bool) -> Message {
    let id = state.id();
    let mut body = json!({
        "type": 0, "content": "", "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
        "timestamp": objects::moment(state), "edited_timestamp": null, "flags": if only { EPHEMERAL } else { 0 },
        "components": [], "id": id, "channel_id": channel, "author": objects::user(state, &state.application),
        "pinned": false, "mention_everyone": false, "tts": false,
    });
    let asked = interaction.and_then(|id| Some((id, state.interactions.get(id)?)));
    if let Some((id, asked)) = asked {
        body["application_id"] = state.application.as_str().into();
        body["webhook_id"] = state.application.as_str().into();
        let owners = asked.json["authorizing_integration_owners"].clone();
        let mut metadata = json!({
            "id": id, "type": asked.kind as u8, "user": objects::user(state, &asked.user),
            "authorizing_integration_owners": owners.clone(),
        });
        match asked.json["message"]["id"].as_str() {
            Some(message) if asked.kind == Kind::Component => metadata["interacted_message_id"] = message.into(),
            // A form was opened by a press, which was an interaction of its own.
            Some(message) => {
                metadata["triggering_interaction_metadata"] = json!({
                    "id": id, "type": Kind::Component as u8, "user": objects::user(state, &asked.user),
                    "authorizing_integration_owners": owners, "interacted_message_id": message,
                });
            }
            None => body["type"] = 20.into(),
        }
        body["interaction_metadata"] = metadata;
    }
    Message {
        only: asked.filter(|_| only).map(|(_, asked)| asked.user.clone()),
        body,
        interaction: interaction.map(str::to_owned),
        files: BTreeMap::new(),
        marks: Vec::new(),
    }
}

/// Checks what a request wants a message to be, and puts it there: what it does not name stays.
///
/// # Errors
/// What Discord would refuse.
pub fn fill(state: &mut State, message: &mut Message, wanted: &Value, files: &[File]) -> Result<(), Refusal> {
    let sizes: Vec<_> = files.iter().map(|file| file.bytes.len()).collect();
    limits::message(wanted, &sizes)?;
    let mut body = message.body.clone();
    if let Some(content) = wanted.get("content") {
        body["content"] = content.as_str().unwrap_or_default().into();
    }
    if let Some(embeds) = wanted.get("embeds") {
        body["embeds"] = embeds.as_array().into_iter().flatten().map(embed).collect();
    }
    if let Some(rows) = wanted.get("components") {
        body["components"] = numbered(rows);
    }
    if let Some(nonce) = wanted.get("nonce").filter(|nonce| !nonce.is_null()) {
        body["nonce"] = nonce.clone();
    }
    attach(state, message, &mut body, wanted, files);
    let holds = |name: &str| body[name].as_array().is_some_and(|list| !list.is_empty());
    if body["content"] == "" && !holds("embeds") && !holds("attachments") && !holds("components") {
        return Err(EMPTY_MESSAGE);
    }
    let allowed = |kind: &str| match wanted.get("allowed_mentions") {
        Some(allowed) => allowed["parse"].as_array().is_some_and(|kinds| kinds.iter().any(|it| it == kind)),
        None => true,
    };
    let content = body["content"].as_str().unwrap_or_default().to_owned();
    let named = &wanted["allowed_mentions"]["users"];
    let called = |id: &&String| {
        let listed = named.as_array().is_some_and(|list| list.iter().any(|it| it == id.as_str()));
        content.contains(&format!("<@{id}>")) && (allowed("users") || listed)
    };
    let called: Vec<_> = state.users.keys().filter(called).map(|id| objects::user(state, id)).collect();
    let everyone = content.contains("@everyone") || content.contains("@here");
    body["mention_everyone"] = (everyone && allowed("everyone")).into();
    body["mentions"] = called.into();
    body["flags"] = (body["flags"].as_u64().unwrap_or(0) & !LOADING).into();
    message.body = body;
    Ok(())
}

/// An embed as Discord gives it back.
fn embed(wanted: &Value) -> Value {
    let mut embed = json!({ "type": "rich" });
    for (name, value) in wanted.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null()) {
        embed[name] = value.clone();
    }
    for field in embed["fields"].as_array_mut().into_iter().flatten() {
        field["inline"] = (field["inline"] == true).into();
    }
    if wanted["fields"].is_null() {
        embed.as_object_mut().map(|embed| embed.remove("fields"));
    }
    embed
}

/// Components as Discord gives them back: each has a number.
fn numbered(rows: &Value) -> Value {
    let mut next = 0;
    let mut number = |part: &Value| {
        let mut part = part.clone();
        next += 1;
        part["id"] = next.into();
        if part["type"] == 3 {
            part["min_values"] = part["min_values"].as_u64().unwrap_or(1).into();
            part["max_values"] = part["max_values"].as_u64().unwrap_or(1).into();
        }
        part
    };
    let rows = rows.as_array().into_iter().flatten().map(|row| {
        let mut row = number(row);
        row["components"] = row["components"].as_array().into_iter().flatten().map(&mut number).collect();
        row
    });
    rows.collect()
}

/// Uploads become attachments. Where the request lists attachments, those that were there and are not listed go.
fn attach(state: &mut State, message: &mut Message, body: &mut Value, wanted: &Value, files: &[File]) {
    let listed = wanted.get("attachments").and_then(Value::as_array);
    let is =
        |one: &Value, id: &str| one["id"] == id || one["id"].as_u64().is_some_and(|number| number.to_string() == id);
    let told = |id: &str| listed.into_iter().flatten().find(|one| is(one, id));
    let before = body["attachments"].as_array().cloned().unwrap_or_default();
    let kept = |one: &Value| listed.is_none() || told(one["id"].as_str().unwrap_or_default()).is_some();
    let mut attachments: Vec<Value> = before.into_iter().filter(kept).collect();
    for file in files {
        let told = told(&file.number.to_string());
        let name = told.and_then(|one| one["filename"].as_str()).unwrap_or(&file.name).to_owned();
        let id = state.id();
        let url =
            format!("https://cdn.discordapp.com/attachments/{}/{id}/file", body["channel_id"].as_str().unwrap_or(""));
        let mut one = json!({ "id": id, "filename": name, "size": file.bytes.len(), "url": url, "proxy_url": url });
        if let Some(description) = told.and_then(|one| one["description"].as_str()) {
            one["description"] = description.into();
        }
        attachments.push(one);
        message.files.insert(name, file.bytes.clone());
    }
    message.files.retain(|name, _| attachments.iter().any(|one| one["filename"] == name.as_str()));
    body["attachments"] = attachments.into();
}

/// Changes the message `id` to what a request wants, lets people see it, and returns it.
///
/// # Errors
/// What Discord would refuse.
pub fn edit(state: &mut State, id: &str, wanted: &Value, files: &[File], what: What) -> Result<Value, Refusal> {
    let mut message = state.messages.get(id).cloned().ok_or(UNKNOWN_MESSAGE)?;
    fill(state, &mut message, wanted, files)?;
    if what == What::Edited {
        message.body["edited_timestamp"] = objects::moment(state).into();
    }
    Ok(keep(state, message, what))
}

/// Keeps a message, lets people see it, and returns it.
pub fn keep(state: &mut State, message: Message, what: What) -> Value {
    let body = message.body.clone();
    state.see(seen(&message, what));
    state.messages.insert(text(&body, "id"), message);
    body
}

/// Removes a message, and lets people see that.
pub fn remove(state: &mut State, id: &str) {
    if let Some(message) = state.messages.remove(id) {
        state.see(seen(&message, What::Deleted));
    }
}

fn seen(message: &Message, what: What) -> Seen {
    Seen {
        what,
        channel: text(&message.body, "channel_id"),
        message: text(&message.body, "id"),
        only: message.only.clone(),
        interaction: message.interaction.clone(),
        body: message.body.clone(),
    }
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}
