//! Routes by which a bot answers an interaction: the callback, and the webhook of its token.

use super::{Answer, Call, ok};
use crate::discord::message::{self, EPHEMERAL, LOADING};
use crate::discord::refusal::{
    ALREADY_ACKNOWLEDGED, Form, INVALID_WEBHOOK_TOKEN, Refusal, UNKNOWN_INTERACTION, UNKNOWN_MESSAGE, UNKNOWN_WEBHOOK,
};
use crate::discord::state::{Interaction, Kind, Seen, State, What};
use crate::discord::{body::File, limits};
use serde_json::{Value, json};
use std::time::Duration;

/// How long a bot may take to acknowledge an interaction.
const ACKNOWLEDGE_WITHIN: Duration = Duration::from_secs(3);

/// How long its token is good.
const TOKEN_LIVES: Duration = Duration::from_secs(15 * 60);

/// The types of callbacks.
const MESSAGE: u64 = 4;
const DEFERRED_MESSAGE: u64 = 5;
const DEFERRED_UPDATE: u64 = 6;
const UPDATE: u64 = 7;
const CHOICES: u64 = 8;
const FORM: u64 = 9;

pub fn callback(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let (id, token) = (call.id("interaction_id"), call.id("interaction_token"));
    if state.interactions.get(id).is_none_or(|asked| asked.token != token) {
        return Err(UNKNOWN_INTERACTION);
    }
    let created = acknowledge(state, id, &call.body, &call.files)?;
    if call.asks("with_response") {
        return ok(described(state, id, call.body["type"].as_u64().unwrap_or(0), created));
    }
    Ok(Answer::Empty)
}

/// Acknowledges an interaction, and returns the message that has come or changed by that. The answer to an interaction
/// that was sent over HTTP comes here too.
///
/// # Errors
/// When it has been acknowledged, when it took too long, or when the answer is none.
pub fn acknowledge(state: &mut State, id: &str, body: &Value, files: &[File]) -> Result<Option<Value>, Refusal> {
    let asked = state.interactions.get(id).cloned().ok_or(UNKNOWN_INTERACTION)?;
    let took = asked.at.elapsed();
    if asked.acknowledged.is_some() {
        return Err(ALREADY_ACKNOWLEDGED);
    }
    if took > ACKNOWLEDGE_WITHIN || asked.expired {
        return Err(UNKNOWN_INTERACTION);
    }
    let kind = body["type"].as_u64().unwrap_or(0);
    let on = asked.json["message"]["id"].as_str().map(str::to_owned);
    let fits = match kind {
        MESSAGE | DEFERRED_MESSAGE => asked.kind != Kind::Autocomplete,
        DEFERRED_UPDATE | UPDATE => on.is_some(),
        CHOICES => asked.kind == Kind::Autocomplete,
        FORM => matches!(asked.kind, Kind::Command | Kind::Component),
        _ => false,
    };
    let mut form = Form::default();
    form.expect(fits, "type", "BASE_TYPE_CHOICES", format!("{kind} does not answer an interaction of this kind."));
    form.end()?;
    let data = &body["data"];
    let only = data["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0;
    let mut shown = None;
    let original = match kind {
        MESSAGE | DEFERRED_MESSAGE => {
            let mut new = message::blank(state, &asked.channel, Some(id), only);
            let message = new.body["id"].as_str().map(str::to_owned);
            if kind == MESSAGE {
                message::fill(state, &mut new, data, files)?;
                shown = Some(message::keep(state, new, What::Posted));
            } else {
                new.body["flags"] = (new.body["flags"].as_u64().unwrap_or(0) | LOADING).into();
                message.clone().and_then(|message| state.messages.insert(message, new));
            }
            message
        }
        UPDATE => {
            let on = on.unwrap_or_default();
            shown = Some(message::edit(state, &on, data, files, What::Edited)?);
            Some(on)
        }
        DEFERRED_UPDATE => on,
        _ => {
            if kind == FORM {
                limits::modal(data)?
            } else {
                limits::choices(data)?
            }
            let what = if kind == FORM { What::Form } else { What::Choices };
            show(state, id, &asked, what, data);
            None
        }
    };
    if let Some(asked) = state.interactions.get_mut(id) {
        asked.acknowledged = Some((took, kind));
        asked.original = original;
        asked.waiting = kind == DEFERRED_MESSAGE;
        asked.only = only;
        asked.answer = (kind == FORM || kind == CHOICES).then(|| data.clone());
    }
    Ok(shown)
}

/// Lets somebody see a form or choices.
fn show(state: &mut State, id: &str, asked: &Interaction, what: What, data: &Value) {
    let seen = Seen {
        what,
        channel: asked.channel.clone(),
        message: id.to_owned(),
        only: Some(asked.user.clone()),
        interaction: Some(id.to_owned()),
        body: data.clone(),
    };
    state.see(seen);
}

/// What a callback is answered with that asks for an answer.
fn described(state: &State, id: &str, kind: u64, message: Option<Value>) -> Value {
    let asked = &state.interactions[id];
    let mut interaction = json!({
        "id": id, "type": asked.kind as u8, "channel_id": asked.channel, "guild_id": asked.json["guild_id"],
    });
    if let Some(original) = &asked.original {
        interaction["response_message_id"] = original.as_str().into();
        interaction["response_message_loading"] = asked.waiting.into();
        interaction["response_message_ephemeral"] = asked.only.into();
    }
    let mut body = json!({ "interaction": interaction });
    if let Some(message) = message {
        body["resource"] = json!({ "type": kind, "message": message });
    }
    body
}

pub fn follow_up(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = open(state, call)?;
    let asked = state.interactions[&id].clone();
    if asked.waiting {
        // The first message takes the place of the one that was being thought about, and is seen by whom that one is.
        return resolve(state, &id, &asked, call);
    }
    let only = call.body["flags"].as_u64().unwrap_or(0) & EPHEMERAL != 0;
    let mut new = message::blank(state, &asked.channel, Some(&id), only);
    message::fill(state, &mut new, &call.body, &call.files)?;
    ok(message::keep(state, new, What::Posted))
}

pub fn get(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let (_, message) = find(state, call)?;
    ok(state.messages[&message].body.clone())
}

pub fn edit(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let (id, message) = find(state, call)?;
    let asked = state.interactions[&id].clone();
    if asked.waiting && asked.original.as_ref() == Some(&message) {
        return resolve(state, &id, &asked, call);
    }
    ok(message::edit(state, &message, &call.body, &call.files, What::Edited)?)
}

pub fn delete(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let (id, message) = find(state, call)?;
    message::remove(state, &message);
    state.interactions.get_mut(&id).into_iter().for_each(|asked| asked.waiting = false);
    Ok(Answer::Empty)
}

/// Gives a deferred answer its content.
fn resolve(state: &mut State, id: &str, asked: &Interaction, call: &Call) -> Result<Answer, Refusal> {
    let original = asked.original.as_deref().unwrap_or_default();
    let body = message::edit(state, original, &call.body, &call.files, What::Posted)?;
    state.interactions.get_mut(id).into_iter().for_each(|asked| asked.waiting = false);
    ok(body)
}

/// The interaction whose webhook a request uses, if that is still open.
fn open(state: &State, call: &Call) -> Result<String, Refusal> {
    if call.id("webhook_id") != state.application {
        return Err(UNKNOWN_WEBHOOK);
    }
    let id = state.by_token(call.id("webhook_token")).ok_or(INVALID_WEBHOOK_TOKEN)?;
    let asked = &state.interactions[&id];
    if asked.expired || asked.at.elapsed() > TOKEN_LIVES {
        return Err(INVALID_WEBHOOK_TOKEN);
    }
    if asked.acknowledged.is_none() { Err(UNKNOWN_WEBHOOK) } else { Ok(id) }
}

/// The interaction and the message of a request: `@original`, or one by its id that came by this token.
fn find(state: &State, call: &Call) -> Result<(String, String), Refusal> {
    let id = open(state, call)?;
    let asked = &state.interactions[&id];
    let message = match call.path.get("message_id") {
        Some(message) => Some(message.clone()),
        None => asked.original.clone(),
    };
    let ours = |message: &String| {
        let known = state.messages.get(message);
        known.is_some_and(|it| it.interaction.as_ref() == Some(&id)) || asked.original.as_ref() == Some(message)
    };
    let message = message.filter(|it| state.messages.contains_key(it) && ours(it)).ok_or(UNKNOWN_MESSAGE)?;
    Ok((id, message))
}
