//! The transcripts' people on IRC: they say the same lines there, choose by numbers, and the same things are done.

use super::transcript::Line;
use super::world::World;
use super::{BEGINS, Life, MOMENT, PATIENCE, direct, live, unfinished};
use crate::irc::{NETWORK, Network};
use crate::memory::MemoryStore;
use anyhow::{Context, Result, bail};
use bot::gate::Bot;
use bot::platforms::irc::{Irc, settings};
use bot::platforms::{Platform, Probe};
use commands::clock::Clock;
use commands::parse;
use commands::store::{Read, Store};
use config::{Config, Problems};
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The longest line that a client sends.
const LONGEST: usize = 400;

/// The stage, with a network on it.
pub struct OnIrc {
    config: String,
    /// What time it is.
    pub clock: Clock,
    /// What outlives the bot.
    pub store: Arc<MemoryStore>,
    /// Everything that is neither Deckhand nor the network.
    pub world: World,
    /// The network.
    pub network: Network,
    secrets: super::codes::Secrets,
    life: Life,
    irc: Arc<Irc>,
    looked: usize,
}

impl OnIrc {
    /// A stage for this config, whose people and channels are on the network, too.
    ///
    /// # Errors
    /// When the config has mistakes.
    pub async fn new(config: &str, channels: &[String]) -> Result<OnIrc> {
        OnIrc::with(config, channels, "", Network::default()).await
    }

    /// The same, with further lines in the network's section, on this network.
    ///
    /// # Errors
    /// When the config has mistakes.
    pub async fn with(config: &str, channels: &[String], more: &str, network: Network) -> Result<OnIrc> {
        let clock = Clock::at(BEGINS.parse()?);
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let world = World::new();
        let config = moved(config, channels, more);
        let (life, irc) = begin(&config, &clock, store.clone(), &world, &network).await?;
        let secrets = super::codes::Secrets::default();
        Ok(OnIrc { config, clock, store, world, network, secrets, life, irc, looked: 0 })
    }

    /// Plays a line, and waits until it is answered.
    ///
    /// # Errors
    /// When it can not be played.
    pub async fn play(&mut self, line: Line) -> Result<()> {
        match line {
            Line::Said { who, channel, what } => self.say(&who, &channel, &what).await,
            // What is offered changes nothing; the platform's own tests look at it.
            Line::Typed { .. } => Ok(()),
            Line::Direction(direction) => self.direct(&direction).await,
        }
    }

    async fn say(&mut self, who: &str, channel: &str, what: &str) -> Result<()> {
        self.network.arrive(who);
        // A thread is a tag there: people talk in the channel.
        let channel = format!("#{}", channel.split('/').next().unwrap_or(channel));
        let before = (self.taken().await?.0, self.network.state().said.len());
        match what.strip_prefix('[').and_then(|label| label.split_once(']')) {
            Some((label, form)) => {
                let filled = self.secrets.filled(form, who, self.clock.now())?;
                let number =
                    self.network.choice(who, label).with_context(|| format!("there is no choice [{label}]"))?;
                self.network.say(who, &channel, &format!("!{number}"));
                if !filled.is_empty() {
                    self.fill(who, number, &filled).await?;
                }
            }
            None => {
                let line = self.secrets.put_in(what, who, self.clock.now())?;
                let line = line.replace("\\u{202e}", "\u{202e}").replace("\\u{200b}", "\u{200b}");
                // What does not fit into a line, or is more than one, nobody can send.
                if line.len() > LONGEST || line.contains("\\n") {
                    return Ok(());
                }
                self.network.say(who, &channel, &format!("!{}", self.understood(&line)));
            }
        }
        self.until_told(before).await?;
        self.look();
        Ok(())
    }

    /// The line with every argument named; as it is where it can not be read.
    fn understood(&self, line: &str) -> String {
        let (bot, now) = (&self.life.bot, self.clock.now());
        let parsed = parse::parse(line, &bot.registry, &bot.world.ports.vocabulary, now);
        parsed.map_or_else(|_| line.trim_start_matches('/').to_owned(), |said| said.line())
    }

    /// Answers what Deckhand asks in private, input by input.
    async fn fill(&self, who: &str, number: u32, filled: &[(String, String)]) -> Result<()> {
        let id = self.json(&format!("irc/choices/{NETWORK}")).await?["data"]["open"]
            .as_array()
            .and_then(|open| open.iter().find(|choice| choice[0] == number)?[1].as_str().map(str::to_owned))
            .context("the choice is open")?;
        let form = self.json(&format!("buttons/{id}")).await?["data"]["form"]["inputs"].clone();
        for input in form.as_array().context("the button has a form")? {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let value = filled.iter().find(|(name, _)| input["name"] == **name).map_or("-", |(_, value)| value);
            self.network.say(who, "deckhand", value);
        }
        Ok(())
    }

    async fn json(&self, key: &str) -> Result<Value> {
        let record = self.store.get(key).await?.with_context(|| format!("there is no {key}"))?;
        Ok(serde_json::from_slice(&record.value)?)
    }

    /// The lines that were taken, and those of them whose last word was said.
    async fn taken(&self) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
        let (mut all, mut told) = (BTreeSet::new(), BTreeSet::new());
        for (key, record) in self.store.scan("irc/taken/", None, usize::MAX).await? {
            let kept: Value = serde_json::from_slice(&record.value)?;
            if kept["data"]["told"] == true {
                told.insert(key.clone());
            }
            all.insert(key);
        }
        Ok((all, told))
    }

    /// Waits until what was said after `before` is answered, but not for ever.
    async fn until_told(&self, (before, said): (BTreeSet<String>, usize)) -> Result<()> {
        let began = tokio::time::Instant::now();
        tokio::time::sleep(MOMENT).await;
        while began.elapsed() < PATIENCE {
            let (all, told) = self.taken().await?;
            let mut new = all.difference(&before).peekable();
            let answered = match new.peek() {
                Some(_) => new.all(|key| told.contains(key)),
                None => self.network.state().said.len() > said,
            };
            if answered {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        tokio::time::sleep(MOMENT).await;
        Ok(())
    }

    async fn direct(&mut self, direction: &str) -> Result<()> {
        let OnIrc { config, store, world, secrets, life, .. } = self;
        if direct(direction, life, config, world, secrets, &**store).await? {
            self.begin().await?;
        }
        tokio::time::sleep(Duration::from_secs(3)).await;
        self.look();
        Ok(())
    }

    /// How the link stands, as `/readyz` has it.
    pub fn report(&self) -> Value {
        self.irc.health().report()
    }

    /// What the console was told.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn board(&self) -> Result<Vec<String>> {
        let all = self.store.scan("outbox/console/", None, usize::MAX).await?;
        Ok(all.into_iter().map(|(_, record)| String::from_utf8_lossy(&record.value).into_owned()).collect())
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
        (self.life, self.irc) = begin(&self.config, &self.clock, store, &self.world, &self.network).await?;
        Ok(())
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
        let state = self.network.state();
        state.said[self.looked..].iter().for_each(|said| self.secrets.look_at(&said.text));
        self.looked = state.said.len();
    }

    /// Lets everything come to its end, and returns the ledger.
    ///
    /// # Errors
    /// What was left unfinished, or was not as a server wants it.
    pub async fn finish(mut self) -> Result<String> {
        tokio::time::sleep(Duration::from_secs(10)).await;
        self.look();
        let mut amiss = self.world.amiss();
        amiss.append(&mut self.network.state().amiss);
        let (taken, told) = self.taken().await?;
        amiss.extend(taken.difference(&told).map(|key| format!("{key} was not answered to its end")));
        // There is no console here.
        amiss.extend(unfinished(&*self.store, &format!("outbox/{NETWORK}/")).await?);
        if !amiss.is_empty() {
            bail!("{}", amiss.join("; "));
        }
        self.ledger().await
    }
}

async fn begin(
    text: &str,
    clock: &Clock,
    store: Arc<dyn Store>,
    world: &World,
    network: &Network,
) -> Result<(Life, Arc<Irc>)> {
    let joined = OnceLock::new();
    let join = |bot: &Arc<Bot>, config: &Config, store: &Arc<dyn Store>, dead: &CancellationToken| {
        let settings = settings::read(config, &Problems::default()).remove(0);
        let irc = Irc::new(bot.clone(), store.clone(), settings, config, Arc::new(network.clone()));
        tokio::spawn(irc.clone().run(dead.clone()));
        joined.get_or_init(|| irc).clone() as Arc<dyn Platform>
    };
    let before = network.state().connections;
    let life = live(text, clock, &store, world, &join).await?;
    if !network.state().knobs.down {
        network
            .until("Deckhand is on", |state| (state.connections > before && !state.joined.is_empty()).then_some(()))
            .await;
    }
    let irc = joined.get().context("the bot is not on the network")?.clone();
    Ok((life, irc))
}

/// The config, with everybody and every channel of it on the network. Its people have no roles but the config's.
fn moved(config: &str, channels: &[String], more: &str) -> String {
    let mut text = String::new();
    let mut people = BTreeSet::new();
    for line in config.lines() {
        let named = line.split_once("{role ").and_then(|(before, rest)| Some((before, rest.split_once('}')?)));
        match named {
            Some((before, (_, after))) => text += &format!("{before}100000000000000001{after}\n"),
            None => text += &format!("{line}\n"),
        }
        if let Some(name) = line.strip_prefix("[people.").and_then(|rest| rest.strip_suffix(']'))
            && people.insert(name.to_owned())
        {
            text += &format!("{NETWORK} = \"{name}\"\n");
        }
    }
    let names: BTreeSet<_> =
        channels.iter().map(|name| name.split('/').next().unwrap_or(name)).chain(["ops"]).collect();
    for name in &names {
        text += &format!("\n[channels.{name}]\n{NETWORK} = \"#{name}\"\n");
    }
    let list: Vec<_> = names.iter().map(|name| format!("\"#{name}\"")).collect();
    let pace = if more.contains("burst") { "" } else { "burst = 100\npace = \"1s\"\n" };
    text + &format!(
        "\n[chat.irc.{NETWORK}]\naddress = \"127.0.0.1:6667\"\ntls = false\nnick = \"deckhand\"\n{pace}channels = [{}]\n{more}",
        list.join(", ")
    )
}
