//! What people say to each other on Discord, as far as Deckhand hears of it: a message that somebody chose in its menu, and,
//! where Discord lets it read messages, pins, marks, edits and deletions.

use super::incoming::Heard;
use super::{Callback, Discord, NAME, leaf, unheard};
use crate::gate;
use crate::gate::people::Speaker;
use crate::platforms::discord::rest::{Request, RestError};
use chrono::{DateTime, Utc};
use commands::ledger::Place;
use commands::message::{Attachment, Follows, Message};
use commands::store::Batch;
use http::Method;
use serde::Deserialize;
use serde_json::Value;
use serenity::model::channel::MessageType;
use std::sync::Arc;

/// The mark by which people keep a message, and as it stands in a path.
const PIN: &str = "📌";
const PIN_IN_PATH: &str = "%F0%9F%93%8C";

/// How many messages that were kept are looked at again after a silence.
const MOST_LOOKED_AT: usize = 200;

/// Among how many of a channel's newest messages it is looked for marks, and of how many people: as many as Discord gives at
/// once.
const MOST_MESSAGES: usize = 100;
const MOST_PEOPLE: usize = 100;

/// Of how many of those who have marked a message it is looked up whether they may.
const MOST_TRIED: usize = 10;

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
    #[serde(default)]
    reactions: Vec<Marks>,
}

/// How often something was put on a message, by what it is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Marks {
    emoji: Emoji,
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

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
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

    /// Something in the menu of a message: a line about that message.
    pub(super) async fn choose(self: Arc<Self>, heard: Heard, label: &str, raw: Raw) {
        let guild = heard.guild.clone().unwrap_or_default();
        let message = self.message(raw, &guild, &heard.channel);
        let said = match self.bot.registry.on_message(label) {
            Some(command) => self.bot.on_message(command.name, message, &heard.speaker),
            None => Ok((label.to_owned(), Batch::default())),
        };
        match said {
            Ok((line, keeps)) => self.ask(heard, &line, gate::Said::Line(line.clone()), None, keeps).await,
            Err(error) => {
                tracing::error!("a message can not be written as JSON: {error:#}");
                let text = "Deckhand can not keep this message, so nothing was done. Say what it says in a command instead; if this goes on, tell the operator.";
                let told = self.only_you(text);
                unheard(self.call_back(&heard.id, &heard.token, Callback::Message, told, false).await);
            }
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

    /// Follows a mark, where marks mean something: what was marked is read at Discord, for the event does not say it.
    async fn mark(&self, guild: &str, channel: &str, message: &str, by: &Speaker) -> anyhow::Result<()> {
        let listens = self.bot.listens(NAME).await?;
        let Some(place) = listens.into_iter().find(|place| leaf(&place.channel) == channel) else { return Ok(()) };
        self.marked(guild, &place.channel, message, by).await.map(drop)
    }

    /// Takes a mark on a message of this channel; false where another mark on it may still say something.
    async fn marked(&self, guild: &str, channel: &str, message: &str, by: &Speaker) -> anyhow::Result<bool> {
        match self.look::<Raw>(&format!("/channels/{}/messages/{message}", leaf(channel))).await? {
            Some(raw) => self.bot.marked(self.message(raw, guild, channel), by).await,
            None => Ok(true),
        }
    }

    /// What stands at this path; nothing where it is gone, or may not be seen.
    async fn look<T: serde::de::DeserializeOwned>(&self, path: &str) -> anyhow::Result<Option<T>> {
        match self.rest.call(Request::new(Method::GET, path)).await {
            Ok(found) => Ok(Some(serde_json::from_value(found)?)),
            Err(RestError::Refused { status: 403 | 404, .. }) => Ok(None),
            Err(error) => Err(anyhow::anyhow!("{:?}", super::PostError::from(error))),
        }
    }

    /// Looks what has become of messages that were kept, and what was marked, while nobody was listening: of incidents that are
    /// not over, or whatever else is followed.
    pub async fn catch_up(&self) {
        if !self.settings.messages {
            return;
        }
        // Whoever stops Deckhand need not wait for it: the next start looks again.
        if let Some(Err(error)) = self.bot.stopping().run_until_cancelled(self.look_back()).await {
            tracing::warn!("what happened on Discord meanwhile can not be caught up with: {error:#}");
        }
    }

    async fn look_back(&self) -> anyhow::Result<()> {
        let Follows { mut messages, channels } = self.bot.follows(NAME).await?;
        let older = messages.len().saturating_sub(MOST_LOOKED_AT);
        if older > 0 {
            tracing::warn!("{older} kept messages are not looked at again: {MOST_LOOKED_AT} are the most");
        }
        for place in messages.split_off(older) {
            self.look_again(&place).await?;
        }
        for place in channels {
            self.look_for_marks(&place.channel).await?;
        }
        Ok(())
    }

    /// Looks whether a message was edited, or is gone.
    async fn look_again(&self, place: &Place) -> anyhow::Result<()> {
        let Place { channel, message, .. } = place;
        let name = format!("{NAME}-{message}");
        let path = format!("/channels/{}/messages/{message}", leaf(channel));
        match self.rest.call(Request::new(Method::GET, path)).await {
            Ok(found) => {
                let raw: Raw = serde_json::from_value(found)?;
                if let Some(at) = raw.edited_timestamp {
                    self.bot.revised(&name, Some(&raw.said().0), at).await;
                }
                Ok(())
            }
            // With its thread, a message is gone, too.
            Err(RestError::Refused { status: 404, .. }) => {
                self.bot.revised(&name, None, self.records.now()).await;
                Ok(())
            }
            Err(RestError::Refused { .. }) => Ok(()),
            Err(error) => Err(anyhow::anyhow!("{:?}", super::PostError::from(error))),
        }
    }

    /// Looks which of the newest messages of a channel were marked.
    async fn look_for_marks(&self, channel: &str) -> anyhow::Result<()> {
        let here = leaf(channel);
        let place: Option<Value> = self.look(&format!("/channels/{here}")).await?;
        let guild = place.and_then(|place| place["guild_id"].as_str().map(str::to_owned));
        let Some(guild) = guild.filter(|guild| self.settings.guilds.contains(guild)) else { return Ok(()) };
        let newest: Option<Vec<Raw>> = self.look(&format!("/channels/{here}/messages?limit={MOST_MESSAGES}")).await?;
        let newest = newest.unwrap_or_default();
        for raw in newest.into_iter().rev() {
            let is_pin = raw.kind == Some(MessageType::PinsAdd);
            let is_marked = raw.reactions.iter().any(|it| it.emoji.name.as_deref() == Some(PIN));
            let (whose, message) = match (is_pin, is_marked) {
                (true, _) => (raw.author.into_iter().collect(), raw.message_reference.and_then(|it| it.message_id)),
                (false, true) => {
                    let path =
                        format!("/channels/{here}/messages/{}/reactions/{PIN_IN_PATH}?limit={MOST_PEOPLE}", raw.id);
                    (self.look::<Vec<Author>>(&path).await?.unwrap_or_default(), Some(raw.id))
                }
                (false, false) => continue,
            };
            let Some(message) = message else { continue };
            self.first_who_may(&guild, channel, &message, whose).await?;
        }
        Ok(())
    }

    /// Takes the mark of the first of these who may, whom the config knows before all others: Discord does not say in which
    /// order they came. Whoever has left the server has no say any more.
    async fn first_who_may(
        &self,
        guild: &str,
        channel: &str,
        message: &str,
        mut whose: Vec<Author>,
    ) -> anyhow::Result<()> {
        whose.sort_by_key(|author| !self.bot.people.who(&speaker(&author.id, Vec::new())).known);
        for Author { id, .. } in whose.into_iter().take(MOST_TRIED) {
            let Some(member) = self.look::<Member>(&format!("/guilds/{guild}/members/{id}")).await? else { continue };
            if self.marked(guild, channel, message, &speaker(&id, member.roles)).await? {
                break;
            }
        }
        Ok(())
    }
}

fn speaker(id: &str, roles: Vec<String>) -> Speaker {
    Speaker { platform: NAME.to_owned(), id: id.to_owned(), roles, unproven: None }
}

/// An event; nothing where it is not as Discord describes it.
fn parsed<'a, T: Deserialize<'a>>(event: &str, raw: &'a str) -> Option<T> {
    serde_json::from_str(raw).inspect_err(|error| tracing::warn!("a {event} can not be read: {error}")).ok()
}
