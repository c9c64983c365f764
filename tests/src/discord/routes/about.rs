//! Routes about the bot itself, and about the guilds it is in.

use super::{Answer, Call, ok};
use crate::discord::people::public_key;
use crate::discord::refusal::{
    MISSING_PERMISSIONS, Refusal, TOO_MANY_CHANNELS, UNKNOWN_GUILD, UNKNOWN_MEMBER, UNKNOWN_USER,
};
use crate::discord::state::{Access, Channel, State};
use crate::discord::{limits, objects};
use serde_json::{Value, json};

/// The most channels of a guild.
const MOST_CHANNELS: usize = 500;

pub fn gateway(state: &mut State, _: &Call) -> Result<Answer, Refusal> {
    ok(json!({ "url": state.gateway_url }))
}

pub fn gateway_bot(state: &mut State, _: &Call) -> Result<Answer, Refusal> {
    let gateway = &state.gateway;
    ok(json!({
        "url": state.gateway_url,
        "shards": gateway.shards,
        "session_start_limit": {
            "total": 1_000,
            "remaining": gateway.remaining,
            "reset_after": gateway.reset_after.as_millis() as u64,
            "max_concurrency": gateway.max_concurrency,
        },
    }))
}

pub fn me(state: &mut State, _: &Call) -> Result<Answer, Refusal> {
    let mut me = objects::user(state, &state.application);
    me["mfa_enabled"] = true.into();
    me["locale"] = "en-US".into();
    me["verified"] = true.into();
    ok(me)
}

pub fn my_guilds(state: &mut State, _: &Call) -> Result<Answer, Refusal> {
    let guilds = state.guilds.iter().map(|(id, guild)| {
        json!({
            "id": id, "name": guild.name, "icon": null, "banner": null, "owner": false,
            "permissions": objects::app_permissions(), "features": [],
        })
    });
    ok(guilds.collect())
}

pub fn user(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let id = call.id("user_id");
    if !state.users.contains_key(id) {
        return Err(UNKNOWN_USER);
    }
    ok(objects::user(state, id))
}

/// Opens the private channel with somebody; it is there only once.
pub fn private_channel(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let whom = call.body["recipient_id"].as_str().unwrap_or_default();
    let name = format!("@{}", state.users.get(whom).ok_or(UNKNOWN_USER)?);
    let id = match state.channel(&name) {
        Some(id) => id.to_owned(),
        None => {
            let id = state.id();
            let private =
                Channel { guild: String::new(), name, parent: None, access: Access::Write, made: Value::Null };
            state.channels.insert(id.clone(), private);
            id
        }
    };
    ok(objects::channel(state, &id, &state.channels[&id]))
}

pub fn application(state: &mut State, _: &Call) -> Result<Answer, Refusal> {
    ok(objects::application(state, &public_key()))
}

pub fn guild(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    ok(objects::guild(state, known_guild(state, call)?))
}

pub fn channels(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let guild = known_guild(state, call)?;
    let here = state.channels.iter().filter(|(_, it)| it.guild == guild && it.parent.is_none());
    ok(here.map(|(id, it)| objects::channel(state, id, it)).collect())
}

/// Makes a channel. Its name is written as Discord writes those of text channels.
pub fn make_channel(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let guild = known_guild(state, call)?.to_owned();
    limits::channel(&call.body)?;
    if !state.guilds[&guild].lets_make {
        return Err(MISSING_PERMISSIONS);
    }
    if state.channels.values().filter(|it| it.guild == guild && it.parent.is_none()).count() >= MOST_CHANNELS {
        return Err(TOO_MANY_CHANNELS);
    }
    let name = call.body["name"].as_str().unwrap_or_default().to_lowercase().replace(' ', "-");
    let (id, made) = (state.id(), call.body.clone());
    let channel = Channel { guild, name, parent: None, access: Access::Write, made };
    let body = objects::channel(state, &id, &channel);
    state.channels.insert(id, channel);
    Ok(Answer::Json(201, body))
}

pub fn roles(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    ok(objects::roles(state, known_guild(state, call)?))
}

pub fn member(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let (guild, user) = (known_guild(state, call)?, call.id("user_id"));
    if !state.guilds[guild].members.contains_key(user) {
        return Err(UNKNOWN_MEMBER);
    }
    ok(objects::member(state, guild, user))
}

fn known_guild<'a>(state: &State, call: &'a Call) -> Result<&'a str, Refusal> {
    let id = call.id("guild_id");
    if state.guilds.contains_key(id) { Ok(id) } else { Err(UNKNOWN_GUILD) }
}
