//! Discord: slash commands, buttons and forms, over the gateway or the HTTP endpoint, with the same answers.

mod answer;
pub mod endpoint;
pub mod gateway;
pub mod health;
mod heard;
pub mod incoming;
mod limiter;
pub mod record;
pub mod register;
pub mod render;
pub mod rest;
mod rooms;
pub mod run;
pub mod settings;

use super::{Platform, PostError};
use crate::gate::buttons::{self, Drawn};
use crate::gate::{Ask, Bot, Said, consent};
use answer::Answer;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use commands::ledger::Place;
use commands::parse;
use commands::ports::{Files, KEPT};
use commands::reply::{self, Reply, State};
use commands::spec::Effect;
use commands::store::{Batch, Store};
use commands::text;
use config::Config;
use http::Method;
use incoming::{Heard, Unreadable, What};
use record::{Records, Taken};
use render::Message;
use rest::{Request, Rest, RestError, Upload};
use serde_json::{Value, json};
use settings::Settings;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};

/// The platform's name.
pub const NAME: &str = "discord";

/// How many interactions are remembered, so that one that Discord sends twice is answered once.
const REMEMBERED: usize = 10_000;

/// The most of a file that is attached, in bytes: less than Discord takes.
const LONGEST_FILE: usize = 8 * 1024 * 1024;

/// How long an interaction's token is good for, less a minute to be sure.
const TOKEN_MINUTES: i64 = 14;

/// The longest name of a thread, in characters.
const LONGEST_TITLE: usize = 100;

/// The most that is offered while something is typed, and its longest label and value, in characters.
const MOST_CHOICES: usize = 25;
const LONGEST_CHOICE: usize = 100;

/// Discord's flag for a message that only the asker sees.
const EPHEMERAL: u64 = 64;

/// Discord's code for a message that is not there (any more).
const UNKNOWN_MESSAGE: u64 = 10_008;

/// Discord's code for a message that has a thread already.
const THREAD_EXISTS: u64 = 160_004;

/// The commands that answer a question.
const ANSWERS: [&str; 2] = [consent::CONFIRM, consent::DECLINE];

/// How an interaction is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Callback {
    Message = 4,
    Later = 5,
    UpdateLater = 6,
    Update = 7,
    Choices = 8,
    Form = 9,
}

/// Discord at work.
pub struct Discord {
    bot: Arc<Bot>,
    rest: Arc<Rest>,
    records: Records,
    files: Arc<dyn Files>,
    settings: Settings,
    /// The Discord ids of people, by their names.
    people: HashMap<String, String>,
    seen: Mutex<Seen>,
}

/// The interactions that were heard lately, by their numbers: texts that stay, each between others that go, would leave the
/// memory of those in pieces too small to be used again.
#[derive(Default)]
struct Seen {
    ids: HashSet<u64>,
    order: VecDeque<u64>,
}

impl Seen {
    /// Whether this one is new; it is not from now on.
    fn is_new(&mut self, id: u64) -> bool {
        if !self.ids.insert(id) {
            return false;
        }
        self.order.push_back(id);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        true
    }
}

impl Discord {
    /// Discord in front of this bot.
    pub fn new(
        bot: Arc<Bot>,
        rest: Arc<Rest>,
        store: Arc<dyn Store>,
        files: Arc<dyn Files>,
        settings: Settings,
        config: &Config,
    ) -> Arc<Discord> {
        let ids = config.people.iter().filter_map(|(name, person)| Some((name.clone(), person.ids.get(NAME)?.clone())));
        let records = Records::new(store, bot.world.ports.clock.clone());
        Arc::new(Discord { people: ids.collect(), bot, rest, records, files, settings, seen: Mutex::default() })
    }

    /// Takes an interaction, as Discord wrote it, and answers it. It returns at once; false when the interaction can
    /// not be read.
    pub fn hear(self: &Arc<Self>, raw: &str) -> bool {
        let discord = self.clone();
        match incoming::read(raw) {
            Ok(heard) => {
                self.bot.spawn(async move { discord.take(heard).await });
                true
            }
            Err(unreadable) => {
                tracing::warn!("an interaction can not be read: {}", unreadable.why);
                self.bot.spawn(async move { discord.excuse(unreadable).await });
                false
            }
        }
    }

    /// Tells whoever did what can not be read that nothing came of it.
    async fn excuse(&self, unreadable: Unreadable) {
        let Some((id, token)) = unreadable.way_back else { return };
        let text = "Deckhand could not read what Discord sent, so nothing was done. Say the command again; if this goes on, tell the operator: `deckhand doctor` counts it.";
        let _ = self.call_back(&id, &token, Callback::Message, self.only_you(text), false).await;
    }

    async fn take(self: Arc<Self>, mut heard: Heard) {
        if heard.application != self.settings.application {
            tracing::warn!(application = heard.application, "an interaction is meant for another application");
            return;
        }
        let is_new = |id| self.seen.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).is_new(id);
        if heard.id.parse().is_ok_and(|id| !is_new(id)) {
            tracing::info!(id = heard.id, "Discord sent an interaction twice; it is answered once");
            return;
        }
        let served = heard.guild.as_ref().is_some_and(|guild| self.settings.guilds.contains(guild));
        if !served {
            let text = "Deckhand does not serve this place, so nothing was done. Its operator lists the servers that it serves under `[chat.discord]` in the config.";
            let answer = if matches!(heard.what, What::Typing(_)) {
                self.call_back(
                    &heard.id,
                    &heard.token,
                    Callback::Choices,
                    (json!({ "choices": [] }), Vec::new()),
                    false,
                )
                .await
            } else {
                self.call_back(&heard.id, &heard.token, Callback::Message, self.only_you(text), false).await
            };
            return unheard(answer);
        }
        heard.channel = self.whole(heard.channel).await;
        match heard.what.clone() {
            What::Typing(line) => unheard(self.offer(&heard, &line).await),
            What::Line(line) => self.ask(heard, &line, Said::Line(line.clone()), None, Batch::default()).await,
            What::Menu { label, message } => self.choose(heard, &label, *message).await,
            What::Press { id, on } => {
                let button = self.button(&id).await;
                if let Some(form) = button.as_ref().and_then(|button| button.form.as_ref()) {
                    let form = (render::form(&id, form), Vec::new());
                    return unheard(self.call_back(&heard.id, &heard.token, Callback::Form, form, false).await);
                }
                self.press(heard, button, Said::Press { id, filled: Vec::new() }, on).await;
            }
            What::Form { id, filled, on } => {
                let button = self.button(&id).await;
                self.press(heard, button, Said::Press { id, filled }, on).await;
            }
        }
    }

    async fn button(&self, id: &str) -> Option<Drawn> {
        let found = buttons::find(&**self.records.store(), id).await;
        // What can not be looked up now is told by the gate, which looks again.
        found.ok().flatten().map(|button| button.value)
    }

    /// A press. The answer to a question takes the question's place, all else is a message of its own.
    async fn press(self: Arc<Self>, heard: Heard, button: Option<Drawn>, said: Said, on: Option<String>) {
        let line = button.map(|button| button.line).unwrap_or_default();
        let answers = ANSWERS.contains(&line.split(' ').next().unwrap_or_default());
        self.ask(heard, &line, said, on.filter(|_| answers), Batch::default()).await;
    }

    /// Whether this line changes nothing, so that doing it twice does no harm.
    fn reads(&self, line: &str) -> bool {
        let found = parse::command_of(line, &self.bot.registry);
        found.is_some_and(|command| command.effect == Effect::Reads && !command.urgent)
    }

    /// Asks the gate for `said`, which comes to this line, once what it is about is kept.
    async fn ask(self: Arc<Self>, heard: Heard, line: &str, said: Said, in_place_of: Option<String>, keeps: Batch) {
        let reads = self.reads(line);
        let place = Place { platform: NAME.to_owned(), channel: heard.channel.clone(), message: heard.id.clone() };
        let ask = Ask { said, speaker: heard.speaker.clone(), place };
        let taken = Taken {
            token: heard.token.clone(),
            channel: heard.channel.clone(),
            message: in_place_of.clone(),
            asker: heard.speaker.id.clone(),
            at: self.records.now(),
            told: false,
        };
        let (discord, bot, there) = (self.clone(), self.bot.clone(), ask.clone());
        // What may take its time is promised at once. What is refused at once is for the asker's eyes alone, which a
        // promise could not say.
        let at_once = async { !reads && bot.welcomes(&there).await };
        let begin = async move |promised: Option<String>| {
            if reads {
                if !keeps.writes.is_empty() {
                    discord.records.store().commit(keeps).await?;
                }
                return Ok(Some(discord.bot.ask(ask)));
            }
            // What Discord sends twice is done once, be it in another life of Deckhand.
            let taken = Taken { message: promised.or(taken.message), ..taken };
            match discord.records.take(&ask.place.message, &taken, keeps).await? {
                true => Ok(Some(discord.bot.ask(ask))),
                false => Ok(None),
            }
        };
        Answer::new(self, heard, !reads, in_place_of.is_some()).tell(begin, at_once).await;
    }

    /// What can be typed next.
    async fn offer(&self, heard: &Heard, line: &str) -> Result<Value, RestError> {
        let who = self.bot.people.who(&heard.speaker);
        let place = Place { platform: NAME.to_owned(), channel: heard.channel.clone(), message: String::new() };
        let offered = self.bot.complete(line, line.chars().count(), &who, &place).await;
        let fits = offered.suggestions.iter().filter(|it| it.label.encode_utf16().count() <= LONGEST_CHOICE);
        let choice = |it: &commands::complete::Suggestion| {
            let shown = if it.about.is_empty() { it.label.clone() } else { format!("{} ({})", it.label, it.about) };
            json!({ "name": text::cut(&text::line(&shown), LONGEST_CHOICE / 2), "value": it.label })
        };
        let choices: Vec<_> = fits.take(MOST_CHOICES).map(choice).collect();
        self.call_back(&heard.id, &heard.token, Callback::Choices, (json!({ "choices": choices }), Vec::new()), false)
            .await
    }

    /// Answers an interaction, and returns what Discord made of it: the message, where that is asked for.
    async fn call_back(
        &self,
        id: &str,
        token: &str,
        kind: Callback,
        (data, files): (Value, Vec<Upload>),
        told: bool,
    ) -> Result<Value, RestError> {
        let path = format!("/interactions/{id}/{token}/callback?with_response={told}");
        let body = json!({ "type": kind as u8, "data": data });
        self.rest.call(Request::new(Method::POST, path).body(body).files(files)).await
    }

    /// A sentence for the asker alone.
    fn only_you(&self, text: &str) -> (Value, Vec<Upload>) {
        let Message { mut body, files } = render::message(&Reply::refuse(text), Vec::new(), &self.people);
        body["flags"] = EPHEMERAL.into();
        (body, files)
    }

    /// A reply as a message, with its files once it is the last.
    async fn rendered(&self, reply: &Reply) -> Message {
        let mut uploads = Vec::new();
        if reply.state == State::Final {
            for file in &reply.files {
                let read = match reply::picture(&file.name) {
                    None if file.name.starts_with(KEPT) => {
                        self.files.picture(&file.name).await.map(|bytes| (file.title.clone(), bytes))
                    }
                    Some(_) => self.files.picture(&file.name).await.map(|bytes| (file.name.clone(), bytes)),
                    None => {
                        let text = self.files.tail(&file.name, LONGEST_FILE).await;
                        text.map(|text| (format!("{}.txt", file.title), text.map(Bytes::from)))
                    }
                };
                match read {
                    Ok((name, Some(bytes))) if !bytes.is_empty() => uploads.push(Upload { name, bytes }),
                    // Discord takes no empty file.
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(file = file.name, "a file can not be attached: {error:#}");
                        let bytes = "Deckhand could not read this file just now: ask its operator for it.\n".into();
                        uploads.push(Upload { name: format!("{}.txt", file.title), bytes });
                    }
                }
            }
        }
        render::message(reply, uploads, &self.people)
    }

    /// Posts a message of the bot's own, and returns its id.
    async fn say(&self, channel: &str, reply: &Reply, nonce: &str) -> Result<String, RestError> {
        let Message { mut body, files } = self.rendered(reply).await;
        body["nonce"] = nonce.into();
        body["enforce_nonce"] = true.into();
        let path = format!("/channels/{}/messages", leaf(channel));
        let posted = self.rest.call(Request::new(Method::POST, path).body(body).files(files)).await?;
        Ok(posted["id"].as_str().unwrap_or_default().to_owned())
    }

    /// As [`Discord::say`], or to `asker` alone: what only they are to see, and what the bot may not write in the channel.
    /// Returns the channel, too.
    async fn say_somewhere(
        &self,
        channel: &str,
        asker: &str,
        reply: &Reply,
        nonce: &str,
    ) -> Result<(String, String), RestError> {
        if !reply.only_you {
            match self.say(channel, reply, nonce).await {
                Err(RestError::Refused { status: 403 | 404, .. }) => {}
                posted => return Ok((leaf(channel).to_owned(), posted?)),
            }
        }
        let request = Request::new(Method::POST, "/users/@me/channels").body(json!({ "recipient_id": asker }));
        let private = self.rest.call(request).await?["id"].as_str().unwrap_or_default().to_owned();
        let message = self.say(&private, reply, nonce).await?;
        Ok((private, message))
    }

    /// Puts `reply` in the place of a message of the bot's own.
    async fn change(&self, channel: &str, message: &str, reply: &Reply) -> Result<(), RestError> {
        self.put(format!("/channels/{}/messages/{message}", leaf(channel)), reply).await
    }

    /// Puts `reply` in the place of the message at this path.
    async fn put(&self, path: String, reply: &Reply) -> Result<(), RestError> {
        let Message { body, files } = self.rendered(reply).await;
        self.rest.call(Request::new(Method::PATCH, path).body(body).files(files)).await.map(drop)
    }
}

#[async_trait]
impl Platform for Discord {
    fn name(&self) -> &str {
        NAME
    }

    async fn post(&self, channel: &str, reply: &Reply, once: &str) -> Result<String, PostError> {
        let reply = Reply { state: State::Final, ..reply.clone() };
        Ok(self.say(channel, &reply, once).await?)
    }

    async fn edit(&self, place: &Place, reply: &Reply) -> Result<(), PostError> {
        let Some(taken) = self.records.get(&place.message).await.map_err(PostError::Away)? else {
            self.change(&place.channel, &place.message, reply).await?;
            self.ring(&place.channel, &place.message, reply).await;
            return Ok(());
        };
        match self.change_answer(&taken, reply).await {
            Ok(()) => self.ring(&taken.channel, &place.message, reply).await,
            // It is gone, out of reach, or was never shown: the story is told in a new one.
            Err(RestError::Refused { status: 401 | 403 | 404, .. }) => {
                let once = format!("e{}", place.message);
                let (channel, message) = self.say_somewhere(&taken.channel, &taken.asker, reply, &once).await?;
                let change = |taken: &mut Taken| taken.moved(channel, message);
                self.records.change(&place.message, change).await.map_err(PostError::Away)?;
            }
            Err(error) => return Err(error.into()),
        }
        if reply.state == State::Final {
            self.records.change(&place.message, |taken| taken.told = true).await.map_err(PostError::Away)?;
        }
        Ok(())
    }

    async fn unanswered(&self) -> anyhow::Result<Vec<(Place, DateTime<Utc>)>> {
        let place = |id, channel| Place { platform: NAME.to_owned(), channel, message: id };
        let untold = self.records.untold().await?;
        Ok(untold.into_iter().map(|(id, taken)| (place(id, taken.channel), taken.at)).collect())
    }

    async fn open_thread(&self, place: &Place, title: &str) -> Result<String, PostError> {
        let taken = self.records.get(&place.message).await.map_err(PostError::Away)?;
        let channel = leaf(&place.channel);
        // An answer that has outlived its token goes on in its thread already.
        if let Some(moved) = taken.iter().find(|taken| taken.token.is_empty() && taken.channel != channel) {
            return Ok(format!("{channel}/{}", moved.channel));
        }
        let message = taken.and_then(|taken| taken.message).unwrap_or_else(|| place.message.clone());
        let body = json!({ "name": text::cut(&text::line(title), LONGEST_TITLE), "auto_archive_duration": 1440 });
        let path = format!("/channels/{channel}/messages/{message}/threads");
        match self.rest.call(Request::new(Method::POST, path).body(body)).await {
            Ok(thread) => Ok(format!("{channel}/{}", thread["id"].as_str().unwrap_or_default())),
            // It was opened a moment before a crash: the id of a thread is that of its message.
            Err(RestError::Refused { code: THREAD_EXISTS, .. }) => Ok(format!("{channel}/{message}")),
            Err(error) => Err(error.into()),
        }
    }

    async fn open_channel(
        &self,
        beside: &str,
        name: &str,
        title: &str,
        once: &str,
    ) -> Result<Option<String>, PostError> {
        self.make_room(beside, name, title, once).await.map(Some)
    }
}

/// What calls those whom a message calls that was edited, for which nothing rings.
fn call(calls: Vec<String>) -> Reply {
    Reply { calls, ..Reply::say("You are called in the message above.") }
}

impl Discord {
    /// Calls those whom the last state of a message calls that was edited: once, however often it is edited again.
    async fn ring(&self, channel: &str, message: &str, reply: &Reply) {
        if reply.calls.is_empty() || reply.only_you || reply.state != State::Final {
            return;
        }
        if let Err(error) = self.say(channel, &call(reply.calls.clone()), &format!("r{message}")).await {
            tracing::warn!("nobody is called: {:?}", PostError::from(error));
        }
    }

    /// Puts `reply` in the place of the answer to an interaction: by its token, as long as that is good, else as a message
    /// of the channel.
    async fn change_answer(&self, taken: &Taken, reply: &Reply) -> Result<(), RestError> {
        let Taken { token, channel, message, at, .. } = taken;
        let mut result =
            Err(RestError::Refused { status: 404, code: UNKNOWN_MESSAGE, message: "it was never shown".to_owned() });
        if !token.is_empty() && self.records.now() - *at < chrono::TimeDelta::minutes(TOKEN_MINUTES) {
            let original = message.as_deref().unwrap_or("@original");
            let path = format!("/webhooks/{}/{token}/messages/{original}", self.settings.application);
            result = self.put(path, reply).await;
        }
        match (result, message) {
            (Err(RestError::Refused { status: 401 | 404, .. }), Some(message)) => {
                self.change(channel, message, reply).await
            }
            (result, _) => result,
        }
    }
}

impl From<RestError> for PostError {
    fn from(error: RestError) -> PostError {
        match error {
            RestError::Away(error) => PostError::Away(error),
            RestError::Refused { status, code, message } => {
                PostError::Refused(anyhow::anyhow!("Discord refuses it: {message} ({status}, code {code})"))
            }
        }
    }
}

/// The channel that Discord knows: a thread is one of its own.
fn leaf(channel: &str) -> &str {
    channel.rsplit('/').next().unwrap_or(channel)
}

/// An answer that did not reach Discord: whoever asked sees Discord's own words for it.
fn unheard(answer: Result<Value, RestError>) {
    if let Err(error) = answer {
        tracing::warn!("an interaction could not be answered: {:?}", PostError::from(error));
    }
}
