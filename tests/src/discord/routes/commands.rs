//! Routes of application commands, of a guild and of all.

use super::{Answer, Call, ok};
use crate::discord::limits;
use crate::discord::refusal::{MISSING_ACCESS, Refusal, TOO_MANY_COMMANDS, UNKNOWN_APPLICATION, UNKNOWN_COMMAND};
use crate::discord::state::{Command, State};
use crate::discord::talk::ON_MESSAGE;
use serde_json::{Map, Value, json};

/// The most chat-input commands of an application, in a guild or everywhere, and the most in the menu of a message.
const MOST: usize = 100;
const MOST_ON_MESSAGES: usize = 5;

pub fn list(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let guild = scope(state, call)?;
    let localised = call.asks("with_localizations");
    let here = state.commands.iter().filter(|command| command.guild == guild);
    ok(here.map(|command| if localised { command.body.clone() } else { plain(&command.body) }).collect())
}

pub fn get(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let at = place(state, call)?;
    ok(state.commands[at].body.clone())
}

pub fn create(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let guild = scope(state, call)?;
    let (status, body) = upsert(state, guild, &call.body)?;
    Ok(Answer::Json(status, body))
}

pub fn replace(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let guild = scope(state, call)?;
    let wanted = call.body.as_array().cloned().unwrap_or_default();
    wanted.iter().try_for_each(limits::command)?;
    let of = |kind: u64| wanted.iter().filter(|command| kind_of(command) == kind).count();
    if of(1) > MOST || of(ON_MESSAGE) > MOST_ON_MESSAGES {
        return Err(TOO_MANY_COMMANDS);
    }
    let stays = |command: &Command| wanted.iter().any(|wanted| same(wanted, &command.body));
    state.commands.retain(|command| command.guild != guild || stays(command));
    let bodies: Result<Vec<_>, _> =
        wanted.iter().map(|wanted| upsert(state, guild.clone(), wanted).map(|(_, body)| body)).collect();
    ok(bodies?.into())
}

pub fn edit(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let at = place(state, call)?;
    let mut body = state.commands[at].body.clone();
    for (name, value) in call.body.as_object().into_iter().flatten() {
        body[name] = value.clone();
    }
    limits::command(&body)?;
    body["version"] = state.id().into();
    state.commands[at].body = clean(body);
    ok(state.commands[at].body.clone())
}

pub fn delete(state: &mut State, call: &Call) -> Result<Answer, Refusal> {
    let at = place(state, call)?;
    state.commands.remove(at);
    Ok(Answer::Empty)
}

/// Puts a command in the place of the one of its name, or beside the others; 201 when it is new.
fn upsert(state: &mut State, guild: Option<String>, wanted: &Value) -> Result<(u16, Value), Refusal> {
    limits::command(wanted)?;
    let (id, version) = (state.id(), state.id());
    let mut body = json!({
        "id": id, "application_id": state.application, "version": version, "default_member_permissions": null,
        "type": 1, "nsfw": false, "name": "", "description": "", "name_localizations": null,
        "description_localizations": null, "dm_permission": true, "contexts": null, "integration_types": [0],
    });
    if let Some(guild) = &guild {
        body["guild_id"] = guild.as_str().into();
    }
    for (name, value) in wanted.as_object().into_iter().flatten() {
        // What is null has its default.
        if !value.is_null() {
            body[name] = value.clone();
        }
    }
    let mut body = clean(body);
    let there = state.commands.iter_mut().find(|it| it.guild == guild && same(&it.body, wanted));
    if let Some(there) = there {
        body["id"] = there.body["id"].clone();
        there.body = body.clone();
        return Ok((200, body));
    }
    let kind = kind_of(wanted);
    let most = if kind == ON_MESSAGE { MOST_ON_MESSAGES } else { MOST };
    if state.commands.iter().filter(|it| it.guild == guild && kind_of(&it.body) == kind).count() >= most {
        return Err(TOO_MANY_COMMANDS);
    }
    state.commands.push(Command { guild, body: body.clone() });
    Ok((201, body))
}

/// The type of a command; one that is typed where it does not say.
fn kind_of(command: &Value) -> u64 {
    command["type"].as_u64().unwrap_or(1)
}

/// Whether both are the same command: one that is typed and one in a menu may have one name.
fn same(one: &Value, other: &Value) -> bool {
    kind_of(one) == kind_of(other) && one["name"] == other["name"]
}

/// A command as Discord gives it back: in its options, what is false, empty or null is left out.
fn clean(mut body: Value) -> Value {
    fn options(body: &mut Map<String, Value>) {
        if body.get("options").and_then(Value::as_array).is_some_and(Vec::is_empty) {
            body.remove("options");
        }
        for option in body.get_mut("options").and_then(Value::as_array_mut).into_iter().flatten() {
            let Value::Object(option) = option else { continue };
            option.retain(|name, value| {
                let default = value == &json!(false) && matches!(name.as_str(), "required" | "autocomplete");
                !(value.is_null() || default)
            });
            options(option);
        }
    }
    body.as_object_mut().into_iter().for_each(options);
    body
}

/// A command without its localisations, as Discord lists it unless asked.
fn plain(body: &Value) -> Value {
    let mut body = body.clone();
    fn strip(body: &mut Map<String, Value>) {
        body.retain(|name, _| !name.ends_with("_localizations"));
        let options = body.get_mut("options").and_then(Value::as_array_mut);
        options.into_iter().flatten().filter_map(Value::as_object_mut).for_each(strip);
    }
    body.as_object_mut().into_iter().for_each(strip);
    body
}

/// The guild that a route is about, if it is about one.
fn scope(state: &State, call: &Call) -> Result<Option<String>, Refusal> {
    if call.id("application_id") != state.application {
        return Err(UNKNOWN_APPLICATION);
    }
    match call.path.get("guild_id") {
        Some(guild) if !state.guilds.contains_key(guild) => Err(MISSING_ACCESS),
        guild => Ok(guild.cloned()),
    }
}

fn place(state: &State, call: &Call) -> Result<usize, Refusal> {
    let (guild, id) = (scope(state, call)?, call.id("command_id"));
    let place = state.commands.iter().position(|command| command.guild == guild && command.body["id"] == id);
    place.ok_or(UNKNOWN_COMMAND)
}
