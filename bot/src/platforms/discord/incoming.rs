//! An interaction of Discord as what Deckhand hears: a line, a press, or a word that is being typed.

use super::heard;
use crate::gate::people::Speaker;
use commands::line::quote;
use serde::Deserialize;
use serde_json::Value;
use serenity::model::application::{CommandDataOption, CommandDataOptionValue, CommandType, InteractionType};
use serenity::model::channel::{ChannelType, PartialChannel};
use serenity::model::id::{ApplicationId, ChannelId, GuildId, InteractionId, MessageId, RoleId, UserId};
use std::collections::HashMap;

/// An interaction, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Its id.
    pub id: String,
    /// What it is answered with, for 15 minutes.
    pub token: String,
    /// The application that it is meant for.
    pub application: String,
    /// The server that it comes from; none in a private message.
    pub guild: Option<String>,
    /// Deckhand's name of the channel: its id; that of a thread is `<channel>/<thread>`.
    pub channel: String,
    /// Who.
    pub speaker: Speaker,
    /// What.
    pub what: What,
}

/// What somebody did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// Said a line.
    Line(String),
    /// Pressed a button, or chose it from a menu.
    Press {
        /// Its id.
        id: String,
        /// The message that it stands on, if everybody sees that.
        on: Option<String>,
    },
    /// Filled the form of a button.
    Form {
        /// The button's id.
        id: String,
        /// The inputs and what was put into them.
        filled: Vec<(String, String)>,
        /// The message that the button stands on, if everybody sees that.
        on: Option<String>,
    },
    /// Chose something in the menu of a message.
    Menu {
        /// What it is called there.
        label: String,
        /// The message.
        message: Box<heard::Raw>,
    },
    /// Is typing a line, and stands at its end.
    Typing(String),
}

/// An interaction that can not be read; with what is needed to say so, where that much of it could be.
#[derive(Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its id and token.
    pub way_back: Option<(String, String)>,
    /// What is wrong with it.
    pub why: String,
}

#[derive(Deserialize)]
struct Raw {
    id: InteractionId,
    application_id: ApplicationId,
    #[serde(rename = "type")]
    kind: InteractionType,
    token: String,
    guild_id: Option<GuildId>,
    channel: Option<PartialChannel>,
    channel_id: Option<ChannelId>,
    member: Option<Member>,
    user: Option<User>,
    #[serde(default)]
    data: Data,
    message: Option<Message>,
}

#[derive(Deserialize)]
struct Member {
    user: User,
    #[serde(default)]
    roles: Vec<RoleId>,
}

#[derive(Deserialize)]
struct User {
    id: UserId,
}

#[derive(Deserialize)]
struct Message {
    id: MessageId,
    #[serde(default)]
    flags: u64,
}

impl Message {
    /// Its id, if everybody sees it.
    fn seen_by_all(self) -> Option<String> {
        (self.flags & super::EPHEMERAL == 0).then(|| self.id.to_string())
    }
}

#[derive(Deserialize, Default)]
struct Data {
    name: Option<String>,
    #[serde(rename = "type")]
    kind: Option<CommandType>,
    target_id: Option<String>,
    #[serde(default)]
    resolved: Resolved,
    #[serde(default)]
    options: Vec<CommandDataOption>,
    custom_id: Option<String>,
    #[serde(default)]
    values: Vec<String>,
    #[serde(default)]
    components: Value,
}

#[derive(Deserialize, Default)]
struct Resolved {
    #[serde(default)]
    messages: HashMap<String, heard::Raw>,
}

#[derive(Deserialize)]
struct WayBack {
    id: String,
    token: String,
}

/// Reads an interaction.
///
/// # Errors
/// When it is not what Discord's documentation describes, or of a kind that Deckhand never asks for.
pub fn read(raw: &str) -> Result<Heard, Unreadable> {
    understand(raw).map_err(|why| {
        let way_back = serde_json::from_str::<WayBack>(raw).ok().map(|way| (way.id, way.token));
        Unreadable { way_back, why }
    })
}

fn understand(raw: &str) -> Result<Heard, String> {
    let raw: Raw = serde_json::from_str(raw).map_err(|error| error.to_string())?;
    let (user, roles) = match (raw.member, raw.user) {
        (Some(member), _) => (member.user, member.roles),
        (None, Some(user)) => (user, Vec::new()),
        (None, None) => return Err("it says of nobody".to_owned()),
    };
    Ok(Heard {
        id: raw.id.to_string(),
        token: raw.token,
        application: raw.application_id.to_string(),
        guild: raw.guild_id.map(|guild| guild.to_string()),
        channel: channel(raw.channel, raw.channel_id).ok_or("it comes from no channel")?,
        speaker: Speaker {
            platform: super::NAME.to_owned(),
            id: user.id.to_string(),
            roles: roles.iter().map(ToString::to_string).collect(),
            unproven: None,
        },
        what: what(raw.kind, raw.data, raw.message.and_then(Message::seen_by_all))?,
    })
}

fn channel(channel: Option<PartialChannel>, id: Option<ChannelId>) -> Option<String> {
    let is_thread =
        |kind| matches!(kind, ChannelType::NewsThread | ChannelType::PublicThread | ChannelType::PrivateThread);
    match channel {
        Some(PartialChannel { id, kind, parent_id: Some(parent), .. }) if is_thread(kind) => {
            Some(format!("{parent}/{id}"))
        }
        Some(channel) => Some(channel.id.to_string()),
        None => id.map(|id| id.to_string()),
    }
}

fn what(kind: InteractionType, data: Data, on: Option<String>) -> Result<What, String> {
    let named = |id: Option<String>| id.ok_or_else(|| "it names no component".to_owned());
    match kind {
        InteractionType::Command if data.kind == Some(CommandType::Message) => menu(data),
        InteractionType::Command => Ok(What::Line(line(data)?)),
        InteractionType::Autocomplete => Ok(What::Typing(line(data)?)),
        InteractionType::Component => {
            let chosen = data.values.into_iter().next().or(data.custom_id);
            Ok(What::Press { id: named(chosen)?, on })
        }
        InteractionType::Modal => {
            let mut filled = Vec::new();
            inputs(&data.components, &mut filled);
            Ok(What::Form { id: named(data.custom_id)?, filled, on })
        }
        other => Err(format!("its kind, {}, is none that Deckhand asks for", u8::from(other))),
    }
}

/// What somebody chose in the menu of a message.
fn menu(mut data: Data) -> Result<What, String> {
    let label = data.name.ok_or("it names no command")?;
    let message = data.target_id.and_then(|id| data.resolved.messages.remove(&id));
    Ok(What::Menu { label, message: Box::new(message.ok_or("it says of no message")?) })
}

/// The line that a slash command says; the option that is being typed stands last.
fn line(data: Data) -> Result<String, String> {
    let mut line = format!("/{}", data.name.ok_or("it names no command")?);
    let mut options = data.options;
    // A group or a sub-command is the only option beside which nothing else stands.
    while let [CommandDataOption { value: CommandDataOptionValue::SubCommand(_), .. }]
    | [CommandDataOption { value: CommandDataOptionValue::SubCommandGroup(_), .. }] = options.as_slice()
    {
        let Some(CommandDataOption { name, value, .. }) = options.pop() else { break };
        line = format!("{line} {name}");
        if let CommandDataOptionValue::SubCommand(inner) | CommandDataOptionValue::SubCommandGroup(inner) = value {
            options = inner;
        }
    }
    let mut typed = None;
    for CommandDataOption { name, value, .. } in options {
        let given = match value {
            CommandDataOptionValue::String(text) => text,
            CommandDataOptionValue::Integer(number) => number.to_string(),
            CommandDataOptionValue::Number(number) => number.to_string(),
            CommandDataOptionValue::Boolean(yes) => yes.to_string(),
            CommandDataOptionValue::Autocomplete { value, .. } => {
                typed = Some((name, value));
                continue;
            }
            _ => return Err(format!("its option `{name}` is of a type that no command of Deckhand has")),
        };
        line = format!("{line} {name}:{}", quote(&given));
    }
    if let Some((name, value)) = typed {
        let value = if value.is_empty() { value } else { quote(&value) };
        line = format!("{line} {name}:{value}");
    }
    Ok(line)
}

/// The inputs of a form, wherever in it they stand: in rows, or (newer) in labels.
fn inputs(components: &Value, filled: &mut Vec<(String, String)>) {
    match components {
        Value::Array(items) => items.iter().for_each(|item| inputs(item, filled)),
        Value::Object(fields) => {
            if let (Some(Value::String(name)), Some(Value::String(value))) =
                (fields.get("custom_id"), fields.get("value"))
            {
                filled.push((name.clone(), value.clone()));
            }
            ["components", "component"].iter().filter_map(|key| fields.get(*key)).for_each(|it| inputs(it, filled));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
