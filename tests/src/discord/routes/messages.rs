//! Routes of channels, messages and threads.

use super::{Answer, Call, ok};
use crate::discord::refusal::{
    EDIT_OF_ANOTHERS, MISSING_ACCESS, MISSING_PERMISSIONS, Refusal, THREAD_EXISTS, UNKNOWN_CHANNEL, UNKNOWN_MESSAGE,
};
use crate::discord::state::{Access, Channel, Seen, State, What};
use crate::discord::{limits, message, objects};
use chrono::DateTime;
use serde_json::Value;

/// How long a nonce is remembered, in seconds: Discord says "the past few minutes".
const NONCE: i64 = 5 * 60;

pub fn channel(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = reach(state, call, Access::Read)?;
    ok(objects::channel(state, id, &state.channels[id]))
}

pub fn list(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = reach(state, call, Access::Read)?;
    let limit = call.query.get("limit").and_then(|limit| limit.parse().ok()).unwrap_or(50);
    let here = state.messages.values().rev().filter(|it| it.only.is_none() && it.body["channel_id"] == id);
    ok(here.take(limit).map(|message| message.body.clone()).collect())
}

pub fn get(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = find(state, call, Access::Read)?;
    ok(state.messages[id].body.clone())
}

pub fn create(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = reach(state, call, Access::Write)?;
    if call.body["enforce_nonce"] == true
        && let Some(there) = with_nonce(state, id, &call.body["nonce"])
    {
        return ok(there);
    }
    let mut new = message::blank(state, id, None, false);
    message::fill(state, &mut new, &call.body, &call.files)?;
    ok(message::keep(state, new, What::Posted))
}

/// The message that was posted with this nonce.
fn with_nonce(state: &State, channel: &str, nonce: &Value) -> Option<Value> {
    let now = state.clock.now().timestamp();
    let young = |body: &Value| {
        let at = body["timestamp"].as_str().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        at.is_some_and(|at| now - at.timestamp() <= NONCE)
    };
    let mut bodies = state.messages.values().rev().map(|message| &message.body);
    bodies.find(|it| !nonce.is_null() && it["nonce"] == *nonce && it["channel_id"] == channel && young(it)).cloned()
}

pub fn edit(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = find(state, call, Access::Read)?;
    if state.messages[id].body["author"]["id"] != state.application.as_str() {
        return Err(EDIT_OF_ANOTHERS);
    }
    ok(message::edit(state, id, &call.body, &call.files, What::Edited)?)
}

pub fn delete(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = find(state, call, Access::Read)?;
    message::remove(state, id);
    Ok(Answer::Empty)
}

/// Who has put an emoji on a message.
pub fn marks(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = find(state, call, Access::Read)?;
    let marks = state.messages[id].marks.iter().filter(|(emoji, _)| in_path(emoji) == call.id("emoji_name"));
    ok(marks.map(|(_, user)| objects::user(state, user)).collect())
}

/// An emoji as it stands in a path.
fn in_path(emoji: &str) -> String {
    emoji.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

pub fn thread_from(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = find(state, call, Access::Write)?;
    open(state, call, id.to_owned())
}

pub fn thread(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    reach(state, call, Access::Write)?;
    let id = state.id();
    open(state, call, id)
}

fn open(state: &mut State, call: &Call, id: String) -> Result<Answer, Refusal> {
    limits::thread(&call.body)?;
    if state.channels.contains_key(&id) {
        return Err(THREAD_EXISTS);
    }
    let parent = call.id("channel_id").to_owned();
    let name = call.body["name"].as_str().unwrap_or_default().to_owned();
    let thread = Channel {
        guild: state.channels[&parent].guild.clone(),
        name,
        parent: Some(parent),
        access: Access::Write,
        made: Value::Null,
    };
    let body = objects::channel(state, &id, &thread);
    let message = call.id("message_id").to_owned();
    let channel = id.clone();
    state.channels.insert(id, thread);
    state.see(Seen { what: What::Thread, channel, message, only: None, interaction: None, body: body.clone() });
    Ok(Answer::Json(201, body))
}

/// The channel of a request, if the bot may do this much in it.
fn reach<'a>(state: &State, call: &'a Call, wanted: Access) -> Result<&'a str, Refusal> {
    let id = call.id("channel_id");
    match state.channels.get(id).map(|channel| channel.access) {
        None => Err(UNKNOWN_CHANNEL),
        Some(Access::None) => Err(MISSING_ACCESS),
        Some(Access::Read) if wanted == Access::Write => Err(MISSING_PERMISSIONS),
        Some(_) => Ok(id),
    }
}

/// The message of a request. Those that only one person sees are not to be found here.
fn find<'a>(state: &State, call: &'a Call, wanted: Access) -> Result<&'a str, Refusal> {
    let (channel, id) = (reach(state, call, wanted)?, call.id("message_id"));
    let there = state.messages.get(id).filter(|it| it.only.is_none() && it.body["channel_id"] == channel);
    there.map(|_| id).ok_or(UNKNOWN_MESSAGE)
}
