//! What people say to each other: messages with files, the menu over them, marks, pins, edits and deletions.

use super::people::{Way, interaction};
use super::state::{Kind, Message, State};
use super::{Discord, objects};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The types of messages: one that somebody has typed, and the one that tells of a pin.
const TYPED: u8 = 0;
const PINNED: u8 = 6;

/// The type of commands that stand in the menu of a message.
pub(super) const ON_MESSAGE: u64 = 3;

/// Who hears events that are no interactions, where they come by no gateway: their names, and their JSON.
pub type Ear = Arc<dyn Fn(&str, &str) + Send + Sync>;

impl Discord {
    /// Somebody writes a message, with files of these names and sizes. Returns its id; the address of each file stands in
    /// its attachments.
    ///
    /// # Errors
    /// When there is no such person or channel.
    pub fn write(&self, who: &str, channel: &str, text: &str, files: &[(&str, usize)]) -> Result<String> {
        let mut state = self.state();
        let user = state.user(who).with_context(|| format!("there is nobody called {who}"))?.to_owned();
        let place = if state.channels.contains_key(channel) { Some(channel) } else { state.channel(channel) };
        let channel = place.with_context(|| format!("there is no channel {channel}"))?.to_owned();
        let mut body = blank(&mut state, &user, &channel, TYPED);
        body["content"] = text.into();
        let id = body["id"].as_str().unwrap_or_default().to_owned();
        let attachment = |(number, (name, size)): (usize, &(&str, usize))| {
            let url = format!("https://cdn.discordapp.com/attachments/{channel}/{id}/{number}?ex=6a&is=69&hm=5e");
            json!({ "id": format!("{id}{number}"), "filename": name, "size": size, "url": url, "proxy_url": url })
        };
        body["attachments"] = files.iter().enumerate().map(attachment).collect();
        keep(&mut state, body.clone());
        drop(state);
        self.event("MESSAGE_CREATE", body);
        Ok(id)
    }

    /// Somebody chooses what has this label in the menu of a message. Returns the interaction.
    ///
    /// # Errors
    /// When the message is not there, or its menu has nothing of this label.
    pub fn choose_on(&self, who: &str, message: &str, label: &str) -> Result<Value> {
        let asked = {
            let mut state = self.state();
            let body = state.messages.get(message).context("the message is gone")?.body.clone();
            let offered =
                |command: &&super::state::Command| command.body["type"] == ON_MESSAGE && command.body["name"] == label;
            let command = state.commands.iter().find(offered).with_context(|| format!("no menu has [{label}]"))?;
            let mut data = json!({
                "id": command.body["id"], "name": label, "type": ON_MESSAGE, "target_id": message,
                "resolved": { "messages": { message: body.clone() } },
            });
            if let Some(guild) = &command.guild {
                data["guild_id"] = guild.as_str().into();
            }
            let channel = body["channel_id"].as_str().unwrap_or_default().to_owned();
            interaction(&mut state, Kind::Command, who, &channel, data, None)?
        };
        Ok(self.deliver(asked))
    }

    /// The author of a message edits it.
    pub fn rewrite(&self, message: &str, text: &str) {
        let body = {
            let mut state = self.state();
            let at = objects::moment(&state);
            let Some(there) = state.messages.get_mut(message) else { return };
            there.body["content"] = text.into();
            there.body["edited_timestamp"] = at.into();
            there.body.clone()
        };
        self.event("MESSAGE_UPDATE", body);
    }

    /// Somebody deletes a message.
    pub fn delete(&self, message: &str) {
        let gone = self.state().messages.remove(message);
        if let Some(gone) = gone {
            self.event("MESSAGE_DELETE", json!({ "id": message, "channel_id": gone.body["channel_id"] }));
        }
    }

    /// Somebody pins a message: it changes, and a message tells of it.
    pub fn pin(&self, who: &str, message: &str) {
        let (changed, told) = {
            let mut state = self.state();
            let Some(user) = state.user(who).map(str::to_owned) else { return };
            let Some(there) = state.messages.get_mut(message) else { return };
            there.body["pinned"] = true.into();
            let changed = there.body.clone();
            let channel = changed["channel_id"].as_str().unwrap_or_default().to_owned();
            let mut told = blank(&mut state, &user, &channel, PINNED);
            told["message_reference"] = json!({ "type": 0, "message_id": message, "channel_id": channel });
            keep(&mut state, told.clone());
            (changed, told)
        };
        self.event("MESSAGE_UPDATE", changed);
        self.event("MESSAGE_CREATE", told);
    }

    /// Somebody marks a message with an emoji.
    pub fn react(&self, who: &str, message: &str, emoji: &str) {
        let data = {
            let mut state = self.state();
            let Some(user) = state.user(who).map(str::to_owned) else { return };
            let Some(there) = state.messages.get_mut(message) else { return };
            there.mark(emoji, &user);
            let (user, there) = (&*user, &state.messages[message]);
            let guild = &state.channels[there.body["channel_id"].as_str().unwrap_or_default()].guild;
            json!({
                "user_id": user, "channel_id": there.body["channel_id"], "message_id": message, "type": 0,
                "member": objects::member(&state, guild, user), "emoji": { "id": null, "name": emoji }, "burst": false,
            })
        };
        self.event("MESSAGE_REACTION_ADD", data);
    }

    /// From now on, events that are no interactions are told to this, and not sent through the gateway.
    pub fn tell(&self, ear: Option<Ear>) {
        self.state().ear = ear;
    }

    /// Tells of something that has happened in a channel.
    fn event(&self, event: &str, mut data: Value) {
        let ear = {
            let mut state = self.state();
            let channel = data["channel_id"].as_str().unwrap_or_default();
            let guild = state.channels.get(channel).map(|channel| channel.guild.clone()).unwrap_or_default();
            data["guild_id"] = guild.as_str().into();
            if let Some(author) = data["author"]["id"].as_str() {
                let mut member = objects::member(&state, &guild, author);
                member.as_object_mut().map(|member| member.remove("user"));
                data["member"] = member;
            }
            if matches!(state.way, Way::Gateway) {
                state.gateway.dispatch_messages(event, &guild, &data);
            }
            state.ear.clone()
        };
        if let Some(ear) = ear {
            ear(event, &data.to_string());
        }
    }
}

/// A message of somebody's.
fn blank(state: &mut State, user: &str, channel: &str, kind: u8) -> Value {
    let id = state.id();
    json!({
        "type": kind, "content": "", "mentions": [], "mention_roles": [], "attachments": [], "embeds": [],
        "timestamp": objects::moment(state), "edited_timestamp": null, "flags": 0, "components": [], "id": id,
        "channel_id": channel, "author": objects::user(state, user), "pinned": false, "mention_everyone": false,
        "tts": false,
    })
}

fn keep(state: &mut State, body: Value) {
    let id = body["id"].as_str().unwrap_or_default().to_owned();
    state
        .messages
        .insert(id, Message { body, only: None, interaction: None, files: BTreeMap::new(), marks: Vec::new() });
}
