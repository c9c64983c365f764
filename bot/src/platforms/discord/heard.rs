//! What people say to each other on Discord, as far as Deckhand hears of it: a message that somebody chose in its menu, and,
//! where Discord lets it read messages, pins, marks, edits and deletions.

use super::{Discord, NAME, leaf};
use crate::gate::people::Speaker;
use crate::platforms::discord::rest::{Request, RestError};
use chrono::{DateTime, Utc};
use commands::ledger::Place;
use commands::message::{Attachment, Message};
use http::Method;
use serde::Deserialize;
use serenity::model::channel::{ChannelType, MessageType};
use std::sync::Arc;

/// The mark by which people keep a message.
const PIN: &str = "📌";

/// A message, as Discord writes it; of one that is edited, only what has changed needs to be there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Raw {
    id: String,
    #[serde(default)]
    channel_id: String,
    #[serde(default, rename = "type")]
    kind: Option<MessageType>,
    #[serde(flatten)]
    said: Said,
    timestamp: Option<DateTime<Utc>>,
    edited_timestamp: Option<DateTime<Utc>>,
    author: Option<Author>,
    member: Option<Member>,
    guild_id: Option<String>,
    message_reference: Option<Reference>,
    /// What it forwards of elsewhere.
    #[serde(default)]
    message_snapshots: Vec<Snapshot>,
}

/// What a message says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Said {
    content: Option<String>,
    #[serde(default)]
    attachments: Vec<File>,
    #[serde(default)]
    embeds: Vec<Embed>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Snapshot {
    message: Said,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Author {
    id: String,
    #[serde(default)]
    username: String,
    global_name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Member {
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Reference {
    message_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct File {
    #[serde(default)]
    filename: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    url: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Embed {
    title: Option<String>,
    description: Option<String>,
}

/// A mark that somebody has put on a message.
#[derive(Deserialize)]
struct Reaction {
    user_id: String,
    channel_id: String,
    message_id: String,
    guild_id: Option<String>,
    member: Option<Member>,
    emoji: Emoji,
}

#[derive(Deserialize)]
struct Emoji {
    name: Option<String>,
}

/// Messages that are gone.
#[derive(Deserialize)]
struct Gone {
    id: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
    guild_id: Option<String>,
}

#[derive(Deserialize)]
struct Channel {
    id: String,
    #[serde(rename = "type")]
    kind: ChannelType,
    parent_id: Option<String>,
}

/// Something that has happened to a message.
enum Event {
    /// It was marked by somebody.
    Marked { guild: String, channel: String, message: String, by: Speaker },
    /// It says something else.
    Edited { message: String, says: String, at: DateTime<Utc> },
    /// They are gone.
    Deleted { messages: Vec<String> },
}

impl Said {
    /// What its author typed, else what stands in its cards, as messages of other bots have it.
    fn says(&self) -> String {
        let typed = self.content.as_ref().filter(|typed| !typed.trim().is_empty());
        let cards = || {
            let parts = self.embeds.iter().flat_map(|embed| [&embed.title, &embed.description]);
            parts.flatten().map(String::as_str).collect::<Vec<_>>().join("\n")
        };
        typed.cloned().unwrap_or_else(cards)
    }
}

impl Raw {
    /// What it says itself, and what it forwards.
    fn said(self) -> (String, Vec<File>) {
        let all =
            std::iter::once(self.said).chain(self.message_snapshots.into_iter().map(|forwarded| forwarded.message));
        let (mut says, mut files) = (Vec::new(), Vec::new());
        for said in all {
            says.push(said.says());
            files.extend(said.attachments);
        }
        says.retain(|says| !says.is_empty());
        (says.join("\n"), files)
    }
}

impl Discord {
    /// A message of Discord's in Deckhand's terms; `channel` is Deckhand's name of where it stands.
    pub(super) fn message(&self, raw: Raw, guild: &str, channel: &str) -> Message {
        let (id, timestamp, edited, author) = (raw.id.clone(), raw.timestamp, raw.edited_timestamp, raw.author.clone());
        let (says, attachments) = raw.said();
        let author = author.unwrap_or_else(|| Author { id: String::new(), username: String::new(), global_name: None });
        let who = self.bot.people.who(&speaker(&author.id, Vec::new()));
        let file = |File { filename, size, url }| Attachment { name: filename, size, url };
        let now = self.records.now();
        Message {
            link: Some(format!("https://discord.com/channels/{guild}/{}/{id}", leaf(channel))),
            place: Place { platform: NAME.to_owned(), channel: channel.to_owned(), message: id },
            at: timestamp.unwrap_or(now),
            who: who.name,
            called: author.global_name.unwrap_or(author.username),
            text: says,
            attachments: attachments.into_iter().map(file).collect(),
            followed: self.settings.messages,
            edited,
            deleted: None,
            asked_by: None,
            heard: now,
        }
    }

    /// Takes an event of the gateway, of this name and as Discord wrote it, and returns at once.
    pub fn happens(self: &Arc<Self>, event: &str, raw: &str) {
        let Some(happened) = self.read(event, raw) else { return };
        let discord = self.clone();
        self.bot.spawn(async move {
            match happened {
                Event::Marked { guild, channel, message, by } => {
                    if let Err(error) = discord.mark(&guild, &channel, &message, &by).await {
                        tracing::warn!(message, "a mark can not be followed: {error:#}");
                    }
                }
                Event::Edited { message, says, at } => {
                    discord.bot.revised(&format!("{NAME}-{message}"), Some(&says), at).await;
                }
                Event::Deleted { messages } => {
                    for message in messages {
                        discord.bot.revised(&format!("{NAME}-{message}"), None, discord.records.now()).await;
                    }
                }
            }
        });
    }

    /// What an event says, where it is about a message of a server that is served.
    fn read(&self, event: &str, raw: &str) -> Option<Event> {
        let served = |guild: Option<String>| guild.filter(|guild| self.settings.guilds.contains(guild));
        match event {
            "MESSAGE_REACTION_ADD" => {
                let Reaction { user_id, channel_id, message_id, guild_id, member, emoji } = parsed(event, raw)?;
                let guild = served(guild_id).filter(|_| emoji.name.as_deref() == Some(PIN))?;
                let by = speaker(&user_id, member.map(|member| member.roles).unwrap_or_default());
                Some(Event::Marked { guild, channel: channel_id, message: message_id, by })
            }
            // A pin is told as a message of its own, by whom pinned it.
            "MESSAGE_CREATE" => {
                let Raw { channel_id, kind, author, member, guild_id, message_reference, .. } = parsed(event, raw)?;
                let guild = served(guild_id).filter(|_| kind == Some(MessageType::PinsAdd))?;
                let by = speaker(&author?.id, member.map(|member| member.roles).unwrap_or_default());
                Some(Event::Marked { guild, channel: channel_id, message: message_reference?.message_id?, by })
            }
            "MESSAGE_UPDATE" => {
                let raw: Raw = parsed(event, raw)?;
                // Without this, only a link of it was unfolded, or it was pinned.
                let at = raw.edited_timestamp.filter(|_| raw.said.content.is_some())?;
                served(raw.guild_id.clone())?;
                Some(Event::Edited { message: raw.id.clone(), says: raw.said().0, at })
            }
            "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => {
                let Gone { id, ids, guild_id } = parsed(event, raw)?;
                served(guild_id)?;
                Some(Event::Deleted { messages: ids.into_iter().chain(id).collect() })
            }
            _ => None,
        }
    }

    /// Follows a mark: what was marked is read at Discord, for the event does not say it.
    async fn mark(&self, guild: &str, channel: &str, message: &str, by: &Speaker) -> anyhow::Result<()> {
        let get = async |path: String| match self.rest.call(Request::new(Method::GET, path)).await {
            Ok(found) => Ok(Some(found)),
            Err(RestError::Refused { status: 403 | 404, .. }) => Ok(None),
            Err(error) => Err(anyhow::anyhow!("{:?}", super::PostError::from(error))),
        };
        let Some(found) = get(format!("/channels/{channel}/messages/{message}")).await? else { return Ok(()) };
        let Some(place) = get(format!("/channels/{channel}")).await? else { return Ok(()) };
        let (raw, place): (Raw, Channel) = (serde_json::from_value(found)?, serde_json::from_value(place)?);
        let thread = [ChannelType::NewsThread, ChannelType::PublicThread, ChannelType::PrivateThread];
        let channel = match place.parent_id.filter(|_| thread.contains(&place.kind)) {
            Some(parent) => format!("{parent}/{}", place.id),
            None => place.id,
        };
        self.bot.marked(self.message(raw, guild, &channel), by).await
    }
}

fn speaker(id: &str, roles: Vec<String>) -> Speaker {
    Speaker { platform: NAME.to_owned(), id: id.to_owned(), roles, unproven: None }
}

/// An event; nothing where it is not as Discord describes it.
fn parsed<'a, T: Deserialize<'a>>(event: &str, raw: &'a str) -> Option<T> {
    serde_json::from_str(raw).inspect_err(|error| tracing::warn!("a {event} can not be read: {error}")).ok()
}
