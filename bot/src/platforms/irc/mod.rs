//! IRC: lines, numbered choices and questions in private. Each network is a platform of its own.

mod answer;
pub mod dial;
mod forms;
pub mod health;
mod incoming;
mod link;
mod message;
mod pace;
mod platform;
mod questions;
pub mod record;
pub mod render;
mod say;
pub mod settings;
mod who;

use crate::gate::people::Speaker;
use crate::gate::{Ask, Bot, Said, buttons};
use crate::outbox;
use answer::Answer;
use commands::ledger::Place;
use commands::parse::{self, Invocation};
use commands::spec::Effect;
use commands::store::Store;
use config::Config;
use dial::Dial;
use forms::Filling;
use health::Health;
use incoming::Heard;
use link::{Event, Haste, Link};
use message::{Message, same};
use pace::Bucket;
use questions::Open;
use record::{Records, Taken};
use render::Look;
use settings::Settings;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use who::{Crowd, Seat};

/// The table of the networks, under `[chat]`.
pub const SECTION: &str = "irc";

/// How many lines from one host are taken at once, and how long one takes after that.
const PATIENCE: (u32, Duration) = (20, Duration::from_secs(1));

/// The same for all strangers together: whoever makes Deckhand talk keeps those waiting who are on call.
const STRANGERS: (u32, Duration) = (4, Duration::from_secs(20));

/// The most hosts and nicks that are remembered at once.
const REMEMBERED: usize = 1_000;

/// One network at work.
pub struct Irc {
    bot: Arc<Bot>,
    link: Arc<Link>,
    health: Arc<Health>,
    records: Records,
    crowd: Crowd,
    settings: Settings,
    look: Look,
    /// The ids of people, by their names.
    people: HashMap<String, String>,
    /// The first words of all commands.
    commands: HashSet<String>,
    /// The console's channels where it is told what becomes of messages to ours.
    consoles: HashMap<String, String>,
    strangers: Mutex<Bucket>,
    known: Mutex<Known>,
}

/// What is remembered as long as the bot lives.
#[derive(Default)]
struct Known {
    /// The nicks that were last seen of those whom the server vouches for, by their ids.
    nicks: HashMap<String, String>,
    /// The lines that wait for a `!more`, with where they go, by whoever may ask for them.
    rests: HashMap<String, (&'static str, String, Vec<String>)>,
    questions: Vec<Open>,
    forms: Vec<Filling>,
    hosts: HashMap<String, (Bucket, bool)>,
    /// By nick, when the line before has been taken.
    turns: HashMap<String, oneshot::Receiver<()>>,
    /// The last stage that was shown of a message.
    stages: HashMap<String, String>,
    /// Channels that take no messages: until when they are left alone, and why.
    closed: HashMap<String, (Instant, String)>,
    /// Channels and people of whom it was told that they take no messages.
    deaf: HashSet<String>,
    /// How many messages wait, by whom they wait for.
    held: BTreeMap<String, usize>,
}

/// Where something was said, and by whom.
#[derive(Clone)]
struct Spoken {
    seat: Arc<Seat>,
    /// The channel; `@` and the speaker's id in private.
    channel: String,
    /// Whether the server may have cut its end off.
    full: bool,
}

impl Irc {
    /// A network in front of this bot, which is reached by `dial`.
    pub fn new(
        bot: Arc<Bot>,
        store: Arc<dyn Store>,
        settings: Settings,
        config: &Config,
        dial: Arc<dyn Dial>,
    ) -> Arc<Irc> {
        let ids = |(name, person): (&String, &config::Person)| {
            Some((name.clone(), person.ids.get(&settings.network)?.clone()))
        };
        let people = config.people.iter().filter_map(ids).collect();
        let look = Look { colours: settings.colours, console: config.console.public_url.clone() };
        let consoles = consoles(config, &settings);
        let clock = bot.world.ports.clock.clone();
        let health = Health::new(&settings.network, &settings.channels, clock.clone());
        Arc::new(Irc {
            link: Link::new(settings.clone(), dial, health.clone()),
            records: Records::new(&settings.network, store, clock),
            crowd: Crowd::default(),
            strangers: Mutex::new(Bucket::new(STRANGERS.0, STRANGERS.1)),
            known: Mutex::default(),
            commands: bot.registry.iter().filter_map(|it| it.name.split(' ').next()).map(str::to_owned).collect(),
            health,
            bot,
            settings,
            look,
            people,
            consoles,
        })
    }

    /// How the link stands.
    pub fn health(&self) -> Arc<Health> {
        self.health.clone()
    }

    /// Keeps the link until `stop`, and answers what is said.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        self.count_held().await;
        let (events, mut happens) = mpsc::unbounded_channel();
        let listen = async {
            while let Some(event) = happens.recv().await {
                self.hear(event).await;
            }
        };
        let keep = self.link.run(events, stop);
        tokio::select! {
            _ = async { tokio::join!(listen, keep) } => {}
            () = self.keep_trying() => {}
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn place(&self, channel: &str, message: &str) -> Place {
        Place { platform: self.settings.network.clone(), channel: channel.to_owned(), message: message.to_owned() }
    }

    fn speaker(&self, seat: &Seat) -> Speaker {
        let unproven = (!seat.proven).then(|| self.settings.identity.way_in());
        Speaker { platform: self.settings.network.clone(), id: seat.id.clone(), roles: Vec::new(), unproven }
    }

    async fn hear(self: &Arc<Self>, event: Event) {
        let message = match event {
            Event::Heard(message) => message,
            Event::On => return,
            Event::Off => {
                self.crowd.forget();
                self.known().nicks.clear();
                return self.void(None, "the link to the network broke").await;
            }
        };
        self.crowd.hear(&message, self.settings.identity);
        let nick = message.nick().unwrap_or_default();
        match &*message.command {
            "PRIVMSG" => self.listen(message),
            "JOIN" if same(nick, &self.link.nick()) => {
                let here = self.settings.channels.iter().find(|(channel, _)| same(channel, message.param(0)));
                if let Some((channel, _)) = here {
                    self.release(channel).await;
                }
            }
            "NICK" => {
                self.known().nicks.retain(|_, known| !same(known, nick) && !same(known, message.param(0)));
                self.void(Some(nick), "the nick of whoever was asked has changed").await;
            }
            "QUIT" => {
                self.known().nicks.retain(|_, known| !same(known, nick));
                self.void(Some(nick), "whoever was asked has left the network").await;
            }
            "ACCOUNT" => {
                self.known().nicks.retain(|_, known| !same(known, nick));
                self.void(Some(nick), "whoever was asked has logged in or out").await;
            }
            _ => {}
        }
    }

    /// Lets a message be taken, after those that came before it from the same nick.
    fn listen(self: &Arc<Self>, message: Message) {
        let Some(nick) = message.nick().filter(|nick| !same(nick, &self.link.nick())) else { return };
        let own = self.link.nick();
        let private = same(message.param(0), &own);
        let here = self.settings.channels.iter().find(|(channel, _)| same(channel, message.param(0)));
        // What begins with this is a request of a client to ours, such as CTCP: it is not answered, so nobody can make
        // Deckhand flood.
        if (!private && here.is_none()) || message.param(1).starts_with('\u{1}') {
            return;
        }
        let Some(heard) = incoming::read(message.param(1), private, &own) else { return };
        if !self.has_patience(&message) {
            return;
        }
        let channel = here.map(|(channel, _)| channel.clone());
        let (done, turn) = oneshot::channel();
        let before = {
            let mut known = self.known();
            if known.turns.len() > REMEMBERED {
                known.turns.clear();
            }
            known.turns.insert(nick.to_lowercase(), turn)
        };
        let irc = self.clone();
        self.bot.spawn(async move {
            let seat = irc.crowd.sender(&message, &irc.link, irc.settings.identity).await;
            if let Some(before) = before {
                // It is over when its end is gone.
                let _ = before.await;
            }
            let Some(seat) = seat else { return };
            let channel = channel.unwrap_or_else(|| format!("@{}", seat.id));
            let spoken = Spoken { seat, channel, full: message.full };
            if message.utf8 {
                irc.take(spoken, heard).await;
            } else {
                irc.note(
                    &spoken,
                    "That was not UTF-8, so nothing was done. Set your client to UTF-8, and say it again.",
                );
            }
            drop(done);
        });
    }

    /// Whether a host has not said too much lately; it is told once when it has.
    fn has_patience(&self, message: &Message) -> bool {
        let host = message.from.rsplit('@').next().unwrap_or_default().to_owned();
        let mut known = self.known();
        if known.hosts.len() > REMEMBERED {
            known.hosts.clear();
        }
        let (bucket, told) = known.hosts.entry(host).or_insert_with(|| (Bucket::new(PATIENCE.0, PATIENCE.1), false));
        let has = bucket.try_take();
        let tell = !has && !*told;
        *told = !has;
        drop(known);
        if tell && let Some(nick) = message.nick() {
            let text = "You say more than I can take: this was not done. Wait a few seconds.".to_owned();
            self.link.mention(Haste::Now, "NOTICE", nick, &[text]);
        }
        has
    }

    async fn take(self: &Arc<Self>, spoken: Spoken, heard: Heard) {
        let Spoken { seat, channel, .. } = &spoken;
        if self.bot.people.who(&self.speaker(seat)).is_stranger()
            && !self.strangers.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).try_take()
        {
            return tracing::info!(who = seat.id, "strangers say more than is answered");
        }
        if seat.proven
            && let Some(nick) = seat.nick()
        {
            self.known().nicks.insert(seat.id.clone(), nick);
            self.release(&format!("@{}", seat.id)).await;
        }
        let heard = match heard {
            Heard::Words(text) => match self.fill(&spoken, &text).await {
                true => return,
                false => Heard::Line(format!("/{text}")),
            },
            heard => heard,
        };
        match heard {
            Heard::Line(line) => self.line(spoken, line).await,
            Heard::Choice(number) => self.choose(spoken, number).await,
            Heard::More => self.more(seat, channel),
            Heard::Cancel => self.cancel(&spoken).await,
            Heard::Words(_) => {}
        }
    }

    async fn line(self: &Arc<Self>, spoken: Spoken, line: String) {
        let ports = &self.bot.world.ports;
        let parsed = parse::parse(&line, &self.bot.registry, &ports.vocabulary, ports.clock.now());
        if parsed.is_err()
            && let Some(typed) = line.strip_suffix('?')
        {
            return self.offer(&spoken, typed).await;
        }
        let reads = parsed.as_ref().ok().and_then(reads);
        if parsed.is_ok() && reads.is_none() && !self.may_change(&spoken) {
            return;
        }
        self.close(&line);
        self.ask(spoken, Said::Line(line), reads).await;
    }

    /// Whether the speaker is somebody, and was heard whole; they are told what to do where not.
    fn may_change(&self, spoken: &Spoken) -> bool {
        let text = if !spoken.seat.proven {
            let way_in = self.settings.identity.way_in();
            format!("Nothing was done. {way_in} Until then you can read what strangers may.")
        } else if spoken.full {
            "Nothing was done: this is as long as a line can be, and its end may be missing. Say it shorter.".to_owned()
        } else {
            return true;
        };
        self.note(spoken, &text);
        false
    }

    async fn choose(self: &Arc<Self>, spoken: Spoken, number: u32) {
        let found = match self.records.choice(number).await {
            Ok(Some(id)) => {
                buttons::find(&**self.records.store(), &id).await.map(|button| button.map(|it| (id, it.value)))
            }
            Ok(None) => Ok(None),
            Err(error) => Err(error),
        };
        let (id, button) = match found {
            Ok(Some(found)) => found,
            Ok(None) => {
                let text = format!(
                    "Nothing was done: `!{number}` is not open any more. Say the command again to get new choices."
                );
                return self.note(&spoken, &text);
            }
            Err(error) => {
                tracing::error!("a choice can not be looked up: {error:#}");
                return self.note(&spoken, "Nothing was done: Deckhand can not read its data now. Tell its operator.");
            }
        };
        let ports = &self.bot.world.ports;
        let parsed = parse::parse(&button.line, &self.bot.registry, &ports.vocabulary, ports.clock.now());
        let reads = parsed.as_ref().ok().and_then(reads);
        if reads.is_none() && !self.may_change(&spoken) {
            return;
        }
        match button.form {
            Some(form) => self.begin_form(spoken, number, id, form, button.line).await,
            None => {
                self.close(&button.line);
                self.ask(spoken, Said::Press { id, filled: Vec::new() }, reads).await;
            }
        }
    }

    /// Asks the bot. Of what only reads, by the command that is named, nothing is kept.
    async fn ask(self: &Arc<Self>, spoken: Spoken, said: Said, reads: Option<&'static str>) {
        let Spoken { seat, channel, .. } = spoken.clone();
        let id = outbox::next_id(self.records.now());
        let nick = seat.nick().unwrap_or_default();
        if reads.is_none() {
            let (channel, nick) = (channel.clone(), nick.clone());
            let taken = Taken { channel, nick, id: seat.id.clone(), at: self.records.now(), told: false };
            if let Err(error) = self.records.keep(&id, &taken).await {
                tracing::error!("a line can not be noted down, so it was not taken: {error:#}");
                let text = "Nothing was done: Deckhand can not write down what it is asked. Its disk may be full: tell its operator.";
                return self.note(&spoken, text);
            }
        }
        let place = self.place(&channel, &id);
        let replies = self.bot.ask(Ask { said, speaker: self.speaker(&seat), place: place.clone() });
        let answer = Answer { irc: self.clone(), seat, nick, place, reads };
        self.bot.spawn(answer.tell(replies));
    }

    /// What can be typed next.
    async fn offer(&self, spoken: &Spoken, typed: &str) {
        let who = self.bot.people.who(&self.speaker(&spoken.seat));
        let place = self.place(&spoken.channel, "");
        let offered = self.bot.complete(typed, typed.chars().count(), &who, &place).await;
        let labels: Vec<_> = offered.suggestions.iter().map(|it| it.label.as_str()).collect();
        let text = match (labels.is_empty(), offered.problem) {
            (false, _) => format!("Next: {}", labels.join(" · ")),
            (true, Some(problem)) => problem,
            (true, None) => "Nothing can be offered here: `!help` lists all commands.".to_owned(),
        };
        self.note(spoken, &text);
    }
}

/// What ties the lines of one story together: it is the same after a restart.
fn tag(message: &str) -> String {
    format!("[#{}]", short(message))
}

/// The last letters of a message's id.
fn short(message: &str) -> &str {
    message.get(message.len().saturating_sub(4)..).unwrap_or(message)
}

/// The name of a command that only reads, and can wait.
fn reads(said: &Invocation) -> Option<&'static str> {
    (said.command.effect == Effect::Reads && !said.command.urgent).then_some(said.command.name)
}

/// For each channel of the network, the console's channel of the same name, or its first.
fn consoles(config: &Config, settings: &Settings) -> HashMap<String, String> {
    let room = |channel: &str| {
        let mut rooms = config.rooms.iter();
        rooms.find(|(_, ids)| ids.get(&settings.network).is_some_and(|id| id == channel)).map(|(name, _)| name)
    };
    let console = |(channel, _): &(String, Option<String>)| {
        let named = room(channel).filter(|name| config.channels.contains(name));
        Some((channel.clone(), named.or(config.channels.first())?.clone()))
    };
    settings.channels.iter().filter_map(console).collect()
}
