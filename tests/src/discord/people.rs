//! What people do: each act becomes an interaction, and reaches the bot by one of three ways.

use super::state::{Interaction, Kind, State};
use super::{Discord, objects, typed};
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use commands::ports::Wire;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The key that Discord signs with here, as 32 bytes. It is no secret.
const KEY: [u8; 32] = *b"a key that stands in for another";

/// How long the endpoint may take, as Discord waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// How interactions reach the bot.
#[derive(Clone)]
pub enum Way {
    /// Through the gateway, to the shard of the guild.
    Gateway,
    /// As a signed request to this address. An answer of 200 is the callback; 202 means that the callback comes by itself.
    Endpoint(Arc<dyn Wire>, String),
    /// As raw JSON, to this function.
    Hear(Arc<dyn Fn(String) + Send + Sync>),
}

/// The public half of the key that requests to an endpoint are signed with, in hexadecimal digits.
pub fn public_key() -> String {
    hex(SigningKey::from_bytes(&KEY).verifying_key().as_bytes())
}

/// The signature of a request to an endpoint, in hexadecimal digits.
pub fn signature(timestamp: &str, body: &str) -> String {
    hex(&SigningKey::from_bytes(&KEY).sign(format!("{timestamp}{body}").as_bytes()).to_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Discord {
    /// Somebody sends a line: a command that is registered. Returns the interaction.
    ///
    /// # Errors
    /// When Discord's client would not let them.
    pub fn say(&self, who: &str, channel: &str, line: &str) -> Result<Value> {
        let asked = {
            let mut state = self.state();
            let (_, place) = here(&state, who, channel)?;
            let guild = state.channels[&place].guild.clone();
            let data = typed::data(&state, &guild, line, false)?;
            interaction(&mut state, Kind::Command, who, channel, data, None)?
        };
        Ok(self.deliver(asked))
    }

    /// Somebody has typed this much of a line, and is to be offered choices. Returns the interaction.
    ///
    /// # Errors
    /// When there is nothing at the cursor that the bot could be asked about.
    pub fn type_in(&self, who: &str, channel: &str, line: &str) -> Result<Value> {
        let asked = {
            let mut state = self.state();
            let (_, place) = here(&state, who, channel)?;
            let guild = state.channels[&place].guild.clone();
            let data = typed::data(&state, &guild, line, true)?;
            let asks = data.to_string().contains("\"focused\":true");
            ensure!(asks, "no option is being typed in `{line}`");
            interaction(&mut state, Kind::Autocomplete, who, channel, data, None)?
        };
        Ok(self.deliver(asked))
    }

    /// Somebody presses the button of this label on a message. Returns the interaction.
    ///
    /// # Errors
    /// When the message is not there for them, or has no such button that can be pressed.
    pub fn press(&self, who: &str, message: &str, label: &str) -> Result<Value> {
        self.touch(who, message, |part| {
            let ours = part["label"] == label && part["type"] == 2 && part["disabled"] != true;
            ours.then(|| json!({ "component_type": 2, "custom_id": part["custom_id"], "id": part["id"] }))
        })
        .with_context(|| format!("{who} can not press [{label}]"))
    }

    /// Somebody chooses the option of this label in a select of a message. Returns the interaction.
    ///
    /// # Errors
    /// When the message is not there for them, or has no such option.
    pub fn choose(&self, who: &str, message: &str, label: &str) -> Result<Value> {
        self.touch(who, message, |part| {
            let option = part["options"].as_array()?.iter().find(|option| option["label"] == label)?;
            Some(json!({
                "component_type": part["type"], "custom_id": part["custom_id"], "id": part["id"],
                "values": [option["value"]],
            }))
        })
        .with_context(|| format!("{who} can not choose {label}"))
    }

    fn touch(&self, who: &str, message: &str, part: impl Fn(&Value) -> Option<Value>) -> Result<Value> {
        let asked = {
            let mut state = self.state();
            let there = state.messages.get(message).context("the message is gone")?;
            let (user, body) = (state.user(who).context("there is nobody of this name")?, there.body.clone());
            ensure!(there.only.as_deref().is_none_or(|only| only == user), "{who} does not see this message");
            let rows = body["components"].as_array().into_iter().flatten();
            let mut parts = rows.flat_map(|row| row["components"].as_array().into_iter().flatten());
            let data = parts.find_map(part).context("the message has nothing like this")?;
            let channel = body["channel_id"].as_str().unwrap_or_default().to_owned();
            interaction(&mut state, Kind::Component, who, &channel, data, Some(body))?
        };
        Ok(self.deliver(asked))
    }

    /// Somebody fills in the form that an interaction was answered with: values by the labels or names of its inputs.
    /// Returns the interaction.
    ///
    /// # Errors
    /// When there is no such form or input, or a value is longer or shorter than the input takes.
    pub fn fill(&self, interaction_id: &str, values: &[(&str, &str)]) -> Result<Value> {
        let asked = {
            let mut state = self.state();
            let shown = state.interactions.get(interaction_id).context("there is no such interaction")?.clone();
            let form = shown.answer.context("it was not answered with a form")?;
            let mut left: Vec<_> = values.to_vec();
            let rows: Result<Vec<_>> =
                form["components"].as_array().into_iter().flatten().map(|row| filled(row, &mut left)).collect();
            let data = json!({ "custom_id": form["custom_id"], "components": rows? });
            ensure!(left.is_empty(), "the form has no inputs for {left:?}");
            let message = shown.json["message"].clone();
            let who = state.users[&shown.user].clone();
            let message = (!message.is_null()).then_some(message);
            interaction(&mut state, Kind::Form, &who, &shown.channel, data, message)?
        };
        Ok(self.deliver(asked))
    }

    /// Delivers any JSON as an interaction, however odd.
    pub fn deliver(&self, asked: Value) -> Value {
        let (way, times) = {
            let mut state = self.state();
            let times = state.gateway.copies();
            (state.way.clone(), times)
        };
        for _ in 0..times {
            match &way {
                Way::Gateway => {
                    let guild = asked["guild_id"].as_str().unwrap_or_default();
                    self.state().gateway.dispatch("INTERACTION_CREATE", Some(guild), &asked);
                }
                Way::Hear(hear) => hear(asked.to_string()),
                Way::Endpoint(wire, url) => {
                    tokio::spawn(self.clone().post(wire.clone(), url.clone(), asked.clone()));
                }
            }
        }
        asked
    }

    /// Sends an interaction to an endpoint, signed, and takes its answer as the callback if it is one.
    async fn post(self, wire: Arc<dyn Wire>, url: String, asked: Value) {
        let (body, timestamp) = (asked.to_string(), self.state().clock.now().timestamp().to_string());
        let request = http::Request::post(&url)
            .header("content-type", "application/json")
            .header("x-signature-ed25519", signature(&timestamp, &body))
            .header("x-signature-timestamp", timestamp)
            .body(Bytes::from(body));
        let answer = match request {
            Ok(request) => wire.send(request, PATIENCE, 1024 * 1024).await,
            Err(error) => Err(error.into()),
        };
        let mut state = self.state();
        match answer {
            Ok(answer) if answer.status() == 200 => {
                let body = serde_json::from_slice(answer.body()).unwrap_or_default();
                let id = asked["id"].as_str().unwrap_or_default();
                if let Err(refusal) = super::routes::interactions::acknowledge(&mut state, id, &body, &[]) {
                    state.amiss.push(format!("the endpoint's answer is refused: {}", refusal.body()));
                }
            }
            Ok(answer) if answer.status() == 202 => {}
            Ok(answer) => state.amiss.push(format!("the endpoint answered {} to an interaction", answer.status())),
            Err(error) => state.amiss.push(format!("the endpoint did not answer: {error:#}")),
        }
        drop(state);
        self.changed();
    }
}

/// A row of a form, with what was filled in.
fn filled(row: &Value, left: &mut Vec<(&str, &str)>) -> Result<Value> {
    let labelled = row["type"] == 18;
    let input = if labelled { &row["component"] } else { &row["components"][0] };
    let label = if labelled { &row["label"] } else { &input["label"] };
    let at = left.iter().position(|(name, _)| *label == *name || input["custom_id"] == *name);
    let value = at.map_or(input["value"].as_str().unwrap_or_default(), |at| left.remove(at).1);
    let length = value.chars().count() as u64;
    let (least, most) = (input["min_length"].as_u64().unwrap_or(0), input["max_length"].as_u64().unwrap_or(4_000));
    let empty = value.is_empty() && input["required"] == false;
    let least = least.max(u64::from(input["required"] != false));
    ensure!(empty || (least..=most).contains(&length), "{label} takes {least} to {most} characters, not {length}");
    let input = json!({ "type": 4, "id": 2, "custom_id": input["custom_id"], "value": value });
    Ok(match labelled {
        true => json!({ "type": 18, "id": 1, "component": input }),
        false => json!({ "type": 1, "id": 1, "components": [input] }),
    })
}

/// The ids of a person and of a channel, by their names; a channel may be named by its id.
fn here(state: &State, who: &str, channel: &str) -> Result<(String, String)> {
    let user = state.user(who).with_context(|| format!("there is nobody called {who}"))?;
    let place = if state.channels.contains_key(channel) { Some(channel) } else { state.channel(channel) };
    Ok((user.to_owned(), place.with_context(|| format!("there is no channel {channel}"))?.to_owned()))
}

/// An interaction, kept and ready to be delivered.
pub(super) fn interaction(
    state: &mut State,
    kind: Kind,
    who: &str,
    channel: &str,
    data: Value,
    message: Option<Value>,
) -> Result<Value> {
    let (user, channel) = here(state, who, channel)?;
    let guild = state.channels[&channel].guild.clone();
    let member = state.guilds.get(&guild).is_some_and(|guild| guild.members.contains_key(&user));
    ensure!(member, "{who} is not in this guild");
    let id = state.id();
    // It need not be hard to guess here, only as long as one that is.
    let token = format!("aW50ZXJhY3Rpb24.{id}.{}", id.repeat(2));
    let mut asked = json!({
        "id": id, "application_id": state.application, "type": kind as u8, "data": data, "guild_id": guild,
        "guild": { "id": guild, "locale": "en-US", "features": [] },
        "channel": objects::acting_channel(state, &channel), "channel_id": channel,
        "member": objects::acting_member(state, &guild, &user), "token": token, "version": 1,
        "app_permissions": objects::app_permissions(), "locale": "en-US", "guild_locale": "en-US",
        "entitlements": [], "authorizing_integration_owners": { "0": guild }, "context": 0,
        "attachment_size_limit": 10 * 1024 * 1024,
    });
    if let Some(message) = message {
        asked["message"] = message;
    }
    let record = Interaction {
        kind,
        user,
        channel,
        json: asked.clone(),
        token,
        at: Instant::now(),
        acknowledged: None,
        original: None,
        waiting: false,
        only: false,
        answer: None,
        expired: false,
    };
    state.interactions.insert(id, record);
    Ok(asked)
}
