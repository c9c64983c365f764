//! The transcripts' people on Discord: they say the same lines there, as interactions, and the same things are done.

use super::transcript::Line;
use super::world::World;
use super::{BEGINS, Life, MOMENT, PATIENCE, direct, live, unfinished};
use crate::discord::people::Way;
use crate::discord::talk::Ear;
use crate::discord::{Discord, state};
use crate::memory::MemoryStore;
use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use bot::assembly;
use bot::gate::Bot;
use bot::platforms::Platform;
use bot::platforms::discord::register::{self, Scope};
use bot::platforms::discord::rest::Rest;
use bot::platforms::discord::{self as platform, settings};
use bytes::Bytes;
use commands::clock::Clock;
use commands::parse;
use commands::ports::{Files, Wire};
use commands::store::{Read, Store};
use commands::views;
use config::{Config, Problems};
use http::{Request, Response};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The stage, with Discord on it.
pub struct Elsewhere {
    config: String,
    /// What time it is.
    pub clock: Clock,
    /// What outlives the bot.
    pub store: Arc<MemoryStore>,
    /// Everything that is neither Deckhand nor Discord.
    pub world: World,
    /// Discord.
    pub discord: Discord,
    secrets: super::codes::Secrets,
    life: Life,
    ours: Arc<platform::Discord>,
}

/// The way to Discord of one life of the bot: it ends with that.
struct MortalWire {
    discord: Discord,
    dead: CancellationToken,
}

#[async_trait]
impl Wire for MortalWire {
    async fn send(&self, request: Request<Bytes>, timeout: Duration, limit: usize) -> Result<Response<Bytes>> {
        if self.dead.is_cancelled() {
            std::future::pending::<()>().await;
        }
        self.discord.send(request, timeout, limit).await
    }
}

impl Elsewhere {
    /// A stage for this config, whose people and channels are on Discord, too. `{role NAME}` in it becomes the id of a role
    /// there.
    ///
    /// # Errors
    /// When the config has mistakes.
    pub async fn new(config: &str, channels: &[String]) -> Result<Elsewhere> {
        let clock = Clock::at(BEGINS.parse()?);
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let (world, discord) = (World::new(), Discord::new(clock.clone()));
        let config = moved(config, channels, &discord);
        let (life, ours) = begin(&config, &clock, store.clone(), &world, &discord).await?;
        Ok(Elsewhere { config, clock, store, world, discord, secrets: super::codes::Secrets::default(), life, ours })
    }

    /// Plays a line, and waits until it is answered.
    ///
    /// # Errors
    /// When it can not be played.
    pub async fn play(&mut self, line: Line) -> Result<()> {
        match line {
            Line::Said { who, channel, what } => self.say(&who, &channel, &what).await,
            // What is offered changes nothing; Discord's own tests look at it.
            Line::Typed { .. } => Ok(()),
            Line::Direction(direction) => self.direct(&direction).await,
        }
    }

    async fn say(&mut self, who: &str, channel: &str, what: &str) -> Result<()> {
        if self.discord.state().user(who).is_none() {
            self.discord.add_member(who, &[]);
        }
        let asked = match what.strip_prefix('[').and_then(|label| label.split_once(']')) {
            Some((label, form)) => {
                let filled = self.secrets.filled(form, who, self.clock.now())?;
                // A button that was pressed may have given way to the answer: there is nothing left to press.
                let Some(asked) = self.press(who, label, &filled).await? else { return Ok(()) };
                asked
            }
            None => {
                let line = self.secrets.put_in(what, who, self.clock.now())?;
                // What is no command, or has a mistake in it, Discord lets nobody send.
                let Some(line) = self.understood(&line) else { return Ok(()) };
                self.discord.say(who, channel, &line)?
            }
        };
        let id = asked["id"].as_str().context("an interaction has an id")?.to_owned();
        self.until_told(&id).await?;
        self.look();
        Ok(())
    }

    /// Waits until the last word of the answer to this interaction has been shown, but not for ever.
    ///
    /// # Errors
    /// When what is kept of it can not be read.
    pub async fn until_told(&self, id: &str) -> Result<()> {
        let began = tokio::time::Instant::now();
        while began.elapsed() < PATIENCE && !self.is_told(id).await? {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(MOMENT).await;
        Ok(())
    }

    /// The line with every argument named, as Discord sends it.
    fn understood(&self, line: &str) -> Option<String> {
        let (bot, now) = (&self.life.bot, self.clock.now());
        let parsed = parse::parse(line, &bot.registry, &bot.world.ports.vocabulary, now).ok()?;
        Some(format!("/{}", parsed.line()))
    }

    /// Presses the newest button of this label that there is for `who`, and fills its form.
    async fn press(&self, who: &str, label: &str, filled: &[(String, String)]) -> Result<Option<Value>> {
        let message = {
            let state = self.discord.state();
            let user = state.user(who).map(str::to_owned);
            let seen = state.messages.iter().filter(|(_, message)| message.only.is_none() || message.only == user);
            let mut drawn = seen.filter(|(_, message)| state::labels(&message.body).contains(&label));
            drawn.next_back().map(|(id, _)| id.clone())
        };
        let Some(message) = message else { return Ok(None) };
        let asked = self.discord.press(who, &message, label)?;
        if filled.is_empty() {
            return Ok(Some(asked));
        }
        let id = asked["id"].as_str().context("an interaction has an id")?;
        self.discord.until("the form is shown", |state| state.interactions[id].answer.clone()).await;
        let filled: Vec<_> = filled.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.discord.fill(id, &filled).map(Some)
    }

    /// Whether the last word of the answer to this interaction has been shown.
    async fn is_told(&self, id: &str) -> Result<bool> {
        let kept = self.store.get(&format!("discord/taken/{id}")).await?;
        if let Some(record) = kept {
            let kept: Value = serde_json::from_slice(&record.value)?;
            return Ok(kept["data"]["told"] == true);
        }
        let state = self.discord.state();
        let interaction = &state.interactions[id];
        Ok(interaction.acknowledged.is_some() && !interaction.waiting)
    }

    async fn direct(&mut self, direction: &str) -> Result<()> {
        let Elsewhere { config, store, world, secrets, life, .. } = self;
        if direct(direction, life, config, world, secrets, &**store).await? {
            self.begin().await?;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.look();
        Ok(())
    }

    /// Kills the bot where it stands.
    pub fn kill(&self) {
        self.life.dead.cancel();
    }

    /// Begins another life of the bot.
    ///
    /// # Errors
    /// When it can not begin.
    pub async fn begin(&mut self) -> Result<()> {
        let store = self.store.clone();
        (self.life, self.ours) = begin(&self.config, &self.clock, store, &self.world, &self.discord).await?;
        Ok(())
    }

    /// The bot's ear for interactions.
    pub fn ear(&self) -> Arc<dyn Fn(&str) -> bool + Send + Sync> {
        let ours = self.ours.clone();
        Arc::new(move |raw| ours.hear(raw))
    }

    /// The ledger, a line for each entry, as transcripts have it.
    ///
    /// # Errors
    /// When it can not be read.
    pub async fn ledger(&self) -> Result<String> {
        super::ledger_of(&*self.store).await
    }

    /// Reads what people saw.
    fn look(&mut self) {
        for seen in self.discord.read() {
            self.secrets.look_at(&seen.body.to_string());
        }
    }

    /// Lets everything come to its end, and returns the ledger.
    ///
    /// # Errors
    /// What was left unfinished, or was not as Discord wants it.
    pub async fn finish(mut self) -> Result<String> {
        tokio::time::sleep(Duration::from_secs(10)).await;
        self.look();
        let mut amiss = self.world.amiss();
        amiss.extend(self.discord.amiss());
        amiss.extend(unanswered(&self.discord));
        amiss.extend(ringing(&self.discord));
        amiss.extend(unfinished(&*self.store, "outbox/").await?);
        if !amiss.is_empty() {
            bail!("{}", amiss.join("; "));
        }
        self.ledger().await
    }
}

/// What was said and never acknowledged. (Discord takes no acknowledgement after 3 seconds.)
fn unanswered(discord: &Discord) -> Vec<String> {
    let state = discord.state();
    let silent = state.interactions.iter().filter(|(_, asked)| asked.acknowledged.is_none());
    silent.map(|(id, asked)| format!("the interaction {id} was never acknowledged: {}", asked.json["data"])).collect()
}

/// Messages that leave it to Discord whose devices ring.
fn ringing(discord: &Discord) -> Vec<String> {
    let state = discord.state();
    let messages = state.requests.iter().filter_map(|request| {
        let body = request.body.get("data").unwrap_or(&request.body);
        (body.get("content").is_some() || body.get("embeds").is_some()).then_some(body)
    });
    let rings = messages.filter(|body| body["allowed_mentions"]["parse"] != json!([]));
    rings.map(|body| format!("a message says not whom it calls: {body}")).collect()
}

async fn begin(
    text: &str,
    clock: &Clock,
    store: Arc<dyn Store>,
    world: &World,
    discord: &Discord,
) -> Result<(Life, Arc<platform::Discord>)> {
    let joined = OnceLock::new();
    let join = |bot: &Arc<Bot>, config: &Config, store: &Arc<dyn Store>, dead: &CancellationToken| {
        let settings = settings::read(config, &Problems::default()).expect("the config has `[chat.discord]`");
        let reads = settings.messages;
        let wire = Arc::new(MortalWire { discord: discord.clone(), dead: dead.clone() });
        let rest = Arc::new(Rest::new(wire, settings.api.clone(), settings.token.clone()));
        let files: Arc<dyn Files> = Arc::new(world.clone());
        let ours = platform::Discord::new(bot.clone(), rest, store.clone(), files, settings, config);
        let (follows, end) = (ours.clone(), dead.clone());
        let follow = move |event: &str, raw: &str| {
            if !end.is_cancelled() {
                follows.happens(event, raw);
            }
        };
        // Without the intents, Discord tells nothing of messages.
        discord.tell(reads.then(|| Arc::new(follow) as Ear));
        let (hears, dead) = (ours.clone(), dead.clone());
        // What Discord sends to a bot that has been killed reaches nobody.
        discord.come_by(Way::Hear(Arc::new(move |raw| _ = !dead.is_cancelled() && hears.hear(&raw))));
        joined.get_or_init(|| ours).clone() as Arc<dyn Platform>
    };
    let life = live(text, clock, &store, world, &join).await?;
    let ours = joined.get().context("the bot is not on Discord")?.clone();
    let (config, problems) = config::parse(text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
    let plan = assembly::plan(&config, plugins::ALL, &problems);
    let settings = plan.discord.context("the config has no `[chat.discord]`")?;
    let rest = Rest::new(Arc::new(discord.clone()), settings.api.clone(), settings.token.clone());
    let wanted = views::discord::registration(life.bot.plugins.iter().map(|it| it.spec), Some(&life.bot.policy));
    register::register(&rest, &settings.application, Scope::Guild, &settings.guilds, &wanted).await?;
    ours.catch_up().await;
    Ok((life, ours))
}

/// The config, with everybody and every channel of it on Discord.
fn moved(config: &str, channels: &[String], discord: &Discord) -> String {
    let mut text = String::new();
    let mut ids = HashMap::new();
    for line in config.lines() {
        let named = line.split_once("{role ").and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
        match named {
            Some((before, (role, after))) => text += &format!("{before}{}{after}\n", discord.role(role)),
            None => text += &format!("{line}\n"),
        }
        if let Some(name) = line.strip_prefix("[people.").and_then(|rest| rest.strip_suffix(']')) {
            let id = ids.entry(name.to_owned()).or_insert_with(|| discord.add_member(name, &[]));
            text += &format!("discord = \"{id}\"\n");
        }
    }
    for name in channels {
        let id = discord.add_channel(name);
        match name.split_once('/') {
            Some((parent, _)) => {
                let mut state = discord.state();
                let parent = state.channel(parent).map(str::to_owned);
                state.channels.get_mut(&id).into_iter().for_each(|thread| thread.parent.clone_from(&parent));
            }
            None => text += &format!("\n[channels.{name}]\ndiscord = \"{id}\"\n"),
        }
    }
    let (guild, state) = (discord.guild(), discord.state());
    let (token, application) = (&state.token, &state.application);
    let section = "[chat.discord]\n";
    let own = format!("{section}token = \"{token}\"\napplication = \"{application}\"\nguilds = [\"{guild}\"]\n");
    if text.contains(section) { text.replacen(section, &own, 1) } else { format!("{text}\n{own}") }
}
