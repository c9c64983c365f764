//! What the stand-in knows: guilds, channels, people, messages, interactions and commands, as plain data.

use super::gateway::Gateway;
use super::knobs::Knobs;
use super::limiter::Limiter;
use super::people::Way;
use super::talk::Ear;
use commands::clock::Clock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// The first millisecond of Discord's ids (Discord's reference, "Snowflakes").
const EPOCH: i64 = 1_420_070_400_000;

/// All of it. Everything is found by its id, a snowflake written in digits.
pub struct State {
    /// What time it is.
    pub clock: Clock,
    /// The application's id, which is also that of its bot user.
    pub application: String,
    /// What the bot signs in with.
    pub token: String,
    /// Every guild.
    pub guilds: BTreeMap<String, Guild>,
    /// Every person's name.
    pub users: BTreeMap<String, String>,
    /// Every channel and thread.
    pub channels: BTreeMap<String, Channel>,
    /// Every message that is there.
    pub messages: BTreeMap<String, Message>,
    /// Every interaction that there has been.
    pub interactions: BTreeMap<String, Interaction>,
    /// Every registered command.
    pub commands: Vec<Command>,
    /// Every request that has come in, in order.
    pub requests: Vec<Received>,
    /// What goes wrong on purpose.
    pub knobs: Knobs,
    /// The gateway and its sessions.
    pub gateway: Gateway,
    /// What is amiss: it fails the test in `finish`.
    pub amiss: Vec<String>,
    /// What the bot did that people can see, and the test has not read.
    pub(super) unread: VecDeque<Seen>,
    pub(super) limiter: Limiter,
    pub(super) way: Way,
    /// Who is told of what is no interaction, where that comes by no gateway.
    pub(super) ear: Option<Ear>,
    /// The address under which real clients reach the gateway.
    pub(super) gateway_url: String,
    /// How many ids there are.
    ids: i64,
}

/// A guild: what people call a server.
#[derive(Debug, Clone, Default)]
pub struct Guild {
    /// Its name.
    pub name: String,
    /// Its roles' names; the one with the guild's own id is @everyone.
    pub roles: BTreeMap<String, String>,
    /// Its members, and the ids of their roles.
    pub members: BTreeMap<String, Vec<String>>,
    /// Whether the bot may make channels in it.
    pub lets_make: bool,
}

/// A text channel, or a thread.
#[derive(Debug, Clone)]
pub struct Channel {
    /// Where it is.
    pub guild: String,
    /// Its name, without `#`; `@` and a person's name where it is the private one with them.
    pub name: String,
    /// The channel that it is a thread of.
    pub parent: Option<String>,
    /// What the bot may do in it.
    pub access: Access,
    /// What it was made with, where the bot has made it: its topic, its category, and who may do what in it.
    pub made: Value,
}

/// What the bot may do in a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// See it and write.
    Write,
    /// See it; writing is refused with 50013.
    Read,
    /// Nothing; everything is refused with 50001.
    None,
}

/// A message.
#[derive(Debug, Clone)]
pub struct Message {
    /// As Discord gives it to the bot.
    pub body: Value,
    /// The one who alone sees it.
    pub only: Option<String>,
    /// The interaction whose token may edit it.
    pub interaction: Option<String>,
    /// Its uploaded files, by name.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Who has put which emoji on it.
    pub marks: Vec<(String, String)>,
}

impl Message {
    /// Somebody puts an emoji on it.
    pub fn mark(&mut self, emoji: &str, user: &str) {
        self.marks.push((emoji.to_owned(), user.to_owned()));
        let mut counts = BTreeMap::<&str, usize>::new();
        self.marks.iter().for_each(|(emoji, _)| *counts.entry(emoji).or_default() += 1);
        let reaction = |(emoji, count): (&&str, &usize)| {
            json!({
                "emoji": { "id": null, "name": emoji }, "count": count, "me": false, "me_burst": false, "burst_colors": [],
                "count_details": { "burst": 0, "normal": count },
            })
        };
        self.body["reactions"] = counts.iter().map(reaction).collect();
    }
}

/// The kinds of interactions, by Discord's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A command that was sent.
    Command = 2,
    /// A press of a button, or a choice in a select.
    Component = 3,
    /// A command that is being typed.
    Autocomplete = 4,
    /// A form that was sent.
    Form = 5,
}

/// Something that somebody did, and how the bot answered.
#[derive(Debug, Clone)]
pub struct Interaction {
    /// What it is.
    pub kind: Kind,
    /// Whose.
    pub user: String,
    /// Where.
    pub channel: String,
    /// As it was delivered to the bot.
    pub json: Value,
    /// What the bot answers with.
    pub token: String,
    /// When it was done.
    pub at: Instant,
    /// How long the bot took to acknowledge it, and with which type of callback.
    pub acknowledged: Option<(Duration, u64)>,
    /// The message that `@original` is.
    pub original: Option<String>,
    /// Whether the answer was deferred, and its content has not come.
    pub waiting: bool,
    /// Whether the first answer was for the asker alone.
    pub only: bool,
    /// The form or the choices that it was answered with.
    pub answer: Option<Value>,
    /// Whether its token is refused before its time.
    pub expired: bool,
}

/// A registered command.
#[derive(Debug, Clone)]
pub struct Command {
    /// The guild that it is registered in; everywhere without one.
    pub guild: Option<String>,
    /// As Discord gives it back.
    pub body: Value,
}

/// A request that has come in.
#[derive(Debug, Clone)]
pub struct Received {
    /// When.
    pub at: Instant,
    /// Its method and the template of its path, as in `PATCH /channels/{channel_id}`.
    pub route: String,
    /// Its path as it came.
    pub path: String,
    /// Its JSON body.
    pub body: Value,
    /// The status of the answer.
    pub status: u16,
}

/// Something that the bot did, as people see it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// What was done.
    pub what: What,
    /// The channel's id.
    pub channel: String,
    /// The message's id; that of the interaction where there is no message.
    pub message: String,
    /// The one who alone sees it.
    pub only: Option<String>,
    /// The interaction that it answers.
    pub interaction: Option<String>,
    /// The message, thread, form or choices.
    pub body: Value,
}

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// There is a new message, or the first content of one that was being thought about.
    Posted,
    /// A message has changed.
    Edited,
    /// A message is gone.
    Deleted,
    /// A thread was opened.
    Thread,
    /// A form was shown.
    Form,
    /// Choices were offered to somebody who is typing.
    Choices,
}

impl State {
    pub(super) fn new(clock: Clock) -> State {
        let mut state = State {
            application: String::new(),
            token: "stand-in.bot.token".to_owned(),
            guilds: BTreeMap::new(),
            users: BTreeMap::new(),
            channels: BTreeMap::new(),
            messages: BTreeMap::new(),
            interactions: BTreeMap::new(),
            commands: Vec::new(),
            requests: Vec::new(),
            knobs: Knobs::default(),
            gateway: Gateway::default(),
            amiss: Vec::new(),
            unread: VecDeque::new(),
            limiter: Limiter::default(),
            way: Way::Gateway,
            ear: None,
            gateway_url: "wss://gateway.discord.gg".to_owned(),
            ids: 0,
            clock,
        };
        state.application = state.id();
        state.users.insert(state.application.clone(), "deckhand".to_owned());
        state
    }

    /// A new id: a snowflake of this moment.
    pub fn id(&mut self) -> String {
        self.ids += 1;
        let since = self.clock.now().timestamp_millis() - EPOCH;
        ((since << 22) + self.ids).to_string()
    }

    /// The id of the member of this name.
    pub fn user(&self, name: &str) -> Option<&str> {
        self.users.iter().find(|(_, user)| *user == name).map(|(id, _)| id.as_str())
    }

    /// The id of the channel or thread of this name.
    pub fn channel(&self, name: &str) -> Option<&str> {
        self.channels.iter().find(|(_, channel)| channel.name == name).map(|(id, _)| id.as_str())
    }

    pub(super) fn see(&mut self, seen: Seen) {
        self.unread.push_back(seen);
    }

    /// Where an interaction with this token is.
    pub(super) fn by_token(&self, token: &str) -> Option<String> {
        let id = token.split('.').nth(1)?;
        self.interactions.get(id).filter(|interaction| interaction.token == token).map(|_| id.to_owned())
    }
}

impl Seen {
    /// The text of the message.
    pub fn text(&self) -> &str {
        self.body["content"].as_str().unwrap_or_default()
    }

    /// The labels of its buttons, and of the options of its selects.
    pub fn labels(&self) -> Vec<&str> {
        labels(&self.body)
    }
}

/// The labels of a message's buttons, and of the options of its selects.
pub fn labels(message: &Value) -> Vec<&str> {
    let rows = message["components"].as_array().into_iter().flatten();
    let parts = rows.flat_map(|row| row["components"].as_array().into_iter().flatten());
    let labelled = parts.flat_map(|part| match part["options"].as_array() {
        Some(options) => options.iter().collect(),
        None => vec![part],
    });
    labelled.filter_map(|part| part["label"].as_str()).collect()
}
