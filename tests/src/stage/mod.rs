//! The stage of the transcripts: Deckhand as it is, in a world of plain data, with time that passes when we say so.

mod alertmanager;
mod codes;
pub mod elsewhere;
mod figures;
mod mortal;
pub mod on_irc;
mod programs;
mod repository;
mod ships;
mod shown;
mod talk;
pub mod transcript;
pub mod world;

use anyhow::{Context, Result, bail};
use async_trait::async_trait;
use bot::assembly::{self, Surroundings};
use bot::configured;
use bot::gate::people::{CONSOLE, Speaker};
use bot::gate::{Ask, Bot, Replies, Said};
use bot::jobs::{self, Schedule};
use bot::outbox;
use bot::platforms::{Platform, PostError};
use bot::settle::{self, Platforms};
use bot::upkeep;
use chrono::{DateTime, Utc};
use commands::clock::Clock;
use commands::ledger::{self, Place, Query, Verdict};
use commands::reply::{Button, Reply, State};
use commands::store::Store;
use config::Config;
use mortal::Mortal;
use programs::Heard;
use shown::shown;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use transcript::Line;
use world::World;

use crate::memory::MemoryStore;

/// When every transcript begins: a Monday morning.
pub(crate) const BEGINS: &str = "2026-03-02T09:00:00Z";

/// How long a call may take before the next line is played over it.
const PATIENCE: Duration = Duration::from_secs(20);

/// Short enough to change nothing, long enough for everything that can go on without time to have gone on.
const MOMENT: Duration = Duration::from_millis(1);

/// Deckhand on its stage.
pub struct Stage {
    config: String,
    clock: Clock,
    store: Arc<dyn Store>,
    world: World,
    board: Arc<Board>,
    secrets: codes::Secrets,
    life: Life,
    calls: Vec<Call>,
}

/// One life of the bot, from a start to a kill.
struct Life {
    bot: Arc<Bot>,
    programs: Option<Heard>,
    dead: CancellationToken,
}

/// A call that has not come to its last reply.
struct Call {
    number: usize,
    place: Place,
    begun: DateTime<Utc>,
    replies: Replies,
    done: bool,
}

/// The platform of the stage: what Deckhand posts or edits without being asked.
#[derive(Default)]
struct Board(Mutex<Posted>);

#[derive(Default)]
struct Posted {
    news: Vec<String>,
    seen: Vec<String>,
    buttons: Vec<Button>,
    asked: usize,
    unanswered: Vec<(Place, DateTime<Utc>)>,
}

/// The board as one life of the bot has it.
struct Seat {
    board: Arc<Board>,
    dead: CancellationToken,
}

impl Board {
    /// How it joins a life of the bot.
    fn join(
        self: &Arc<Board>,
    ) -> impl Fn(&Arc<Bot>, &Config, &Arc<dyn Store>, &CancellationToken) -> Arc<dyn Platform> {
        let board = self.clone();
        move |_, _, _, dead| Arc::new(Seat { board: board.clone(), dead: dead.clone() })
    }

    fn posted(&self) -> MutexGuard<'_, Posted> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Seat {
    /// What is posted, for a bot that lives: a dead one waits for ever.
    async fn posted(&self) -> MutexGuard<'_, Posted> {
        if self.dead.is_cancelled() {
            std::future::pending::<()>().await;
        }
        self.board.posted()
    }
}

#[async_trait]
impl Platform for Seat {
    fn name(&self) -> &str {
        CONSOLE
    }

    async fn post(&self, channel: &str, reply: &Reply, once: &str) -> Result<String, PostError> {
        let mut posted = self.posted().await;
        if !posted.seen.iter().any(|seen| seen == once) {
            posted.seen.push(once.to_owned());
            posted.buttons.extend(reply.buttons.clone());
            posted.news.push(format!("  in #{channel}, unasked:"));
            posted.news.extend(shown(reply));
        }
        let place = posted.seen.iter().position(|seen| seen == once).unwrap_or_default();
        Ok(format!("m{}", place + 1))
    }

    async fn edit(&self, place: &Place, reply: &Reply) -> Result<(), PostError> {
        let mut posted = self.posted().await;
        if reply.state == State::Final {
            posted.unanswered.retain(|(unanswered, _)| unanswered != place);
        }
        posted.buttons.extend(reply.buttons.clone());
        posted.news.push(format!("  in place of [{}]:", place.message));
        posted.news.extend(shown(reply));
        Ok(())
    }

    async fn unanswered(&self) -> Result<Vec<(Place, DateTime<Utc>)>> {
        Ok(self.posted().await.unanswered.clone())
    }

    async fn open_thread(&self, place: &Place, _title: &str) -> Result<String, PostError> {
        Ok(format!("{}/{}", place.channel, place.message))
    }
}

impl Stage {
    /// A stage for this config.
    ///
    /// # Errors
    /// When the config has mistakes.
    pub async fn new(config: &str) -> Result<Stage> {
        let begins: DateTime<Utc> = BEGINS.parse()?;
        let clock = Clock::at(begins);
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
        let (world, board) = (World::new(), Arc::<Board>::default());
        let life = live(config, &clock, &store, &world, &board.join()).await?;
        let secrets = codes::Secrets::default();
        Ok(Stage { config: config.to_owned(), clock, store, world, board, secrets, life, calls: Vec::new() })
    }

    /// Plays a line, and returns everything that is heard until it has been answered.
    ///
    /// # Errors
    /// When it can not be played.
    pub async fn play(&mut self, line: Line) -> Result<Vec<String>> {
        match line {
            Line::Said { who, channel, what } => self.say(&who, &channel, &what).await,
            Line::Typed { who, what } => Ok(self.offer(&who, &what).await),
            Line::Direction(direction) => self.direct(&direction).await,
        }
    }

    async fn say(&mut self, who: &str, channel: &str, what: &str) -> Result<Vec<String>> {
        let number = {
            let mut posted = self.board.posted();
            posted.asked += 1;
            posted.asked
        };
        let said = match what.strip_prefix('[').and_then(|label| label.split_once(']')) {
            Some((label, form)) => {
                let filled = self.secrets.filled(form, who, self.clock.now())?;
                let posted = self.board.posted();
                let button = posted.buttons.iter().rev().find(|button| button.label == label);
                let id = button.with_context(|| format!("there is no button [{label}]"))?.id.clone();
                Said::Press { id, filled }
            }
            None => {
                let line = self.secrets.put_in(what, who, self.clock.now())?;
                Said::Line(line.replace("\\u{202e}", "\u{202e}").replace("\\u{200b}", "\u{200b}").replace("\\n", "\n"))
            }
        };
        let speaker = Speaker::console(who);
        let place = Place { platform: CONSOLE.to_owned(), channel: channel.to_owned(), message: number.to_string() };
        let begun = self.clock.now();
        let replies = self.life.bot.ask(Ask { said, speaker, place: place.clone() });
        self.calls.push(Call { number, place, begun, replies, done: false });
        let began = tokio::time::Instant::now();
        let mut heard = Vec::new();
        while began.elapsed() < PATIENCE {
            heard.extend(self.listen(Some(number)).await);
            if self.calls.iter().all(|call| call.number != number) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(heard)
    }

    /// What completion offers at the end of what is typed.
    async fn offer(&self, who: &str, typed: &str) -> Vec<String> {
        let bot = &self.life.bot;
        let place = Place { platform: CONSOLE.to_owned(), channel: "ops".to_owned(), message: String::new() };
        let offered = bot.complete(typed, typed.chars().count(), &bot.people.named(who), &place).await;
        let usage = offered.usage.iter().map(|arg| match (arg.current, arg.required) {
            (true, _) => format!("<{}>", arg.text),
            (false, true) => arg.text.to_owned(),
            (false, false) => format!("[{}]", arg.text),
        });
        let usage = usage.collect::<Vec<_>>().join(" ");
        let mut lines = Vec::new();
        lines.extend((!usage.is_empty()).then(|| format!("  usage: {usage}")));
        lines.extend(offered.suggestions.iter().map(|it| format!("  › {}  ({}) → {}", it.label, it.about, it.line)));
        lines.extend(offered.problem.map(|problem| format!("  problem: {problem}")));
        lines.extend(lines.is_empty().then(|| "  nothing".to_owned()));
        lines
    }

    /// How long passes, where the direction is about that.
    fn span(direction: &str) -> Option<Result<Duration>> {
        let span = direction.strip_suffix(" pass").or(direction.strip_suffix(" passes"))?;
        let units = [("minutes", "m"), ("minute", "m"), ("hours", "h"), ("seconds", "s")];
        let short = units.iter().fold(span.replace(' ', ""), |span, (long, short)| span.replace(long, short));
        Some(config::duration::parse(&short).map_err(|error| anyhow::anyhow!(error)))
    }

    async fn direct(&mut self, direction: &str) -> Result<Vec<String>> {
        if direction == STOPPED {
            let stopping = self.life.bot.clone();
            stopping.stop().await;
            let heard = self.listen(None).await;
            self.begin_anew().await?;
            return Ok(heard);
        }
        if let Some(shown) = self.world.shown(direction) {
            return Ok(shown.iter().map(|line| format!("  {line}").trim_end().to_owned()).collect());
        }
        let Stage { config, store, world, secrets, life, .. } = self;
        if direct(direction, life, config, world, secrets, &**store).await? {
            self.begin_anew().await?;
        }
        // What it sets going may need a few seconds: a health check, a redraw.
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(self.listen(None).await)
    }

    /// Ends the bot's life, and begins another.
    async fn begin_anew(&mut self) -> Result<()> {
        self.life.dead.cancel();
        let cut_off = self.calls.drain(..).map(|call| (call.place, call.begun));
        self.board.posted().unanswered.extend(cut_off);
        self.life = live(&self.config, &self.clock, &self.store, &self.world, &self.board.join()).await?;
        Ok(())
    }

    /// What is heard at this moment; replies to other calls than `own` are told apart by their numbers.
    async fn listen(&mut self, own: Option<usize>) -> Vec<String> {
        tokio::time::sleep(MOMENT).await;
        let mut heard: Vec<_> = self.life.programs.iter().flat_map(Heard::take).collect();
        for call in &mut self.calls {
            while let Ok(reply) = call.replies.try_recv() {
                self.board.posted().buttons.extend(reply.buttons.clone());
                reply.fields.iter().for_each(|field| self.secrets.look_at(&field.value));
                if own != Some(call.number) {
                    heard.push(format!("  in [{}]:", call.number));
                }
                call.done = reply.state == State::Final;
                heard.extend(shown(&reply));
            }
        }
        self.calls.retain(|call| !call.done);
        heard.append(&mut self.board.posted().news);
        heard
    }

    /// Lets everything come to its end, and makes sure that it does.
    ///
    /// # Errors
    /// What was left unfinished, unread, or asked of the world that it does not know.
    pub async fn finish(&mut self) -> Result<Vec<String>> {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let heard = self.listen(None).await;
        let mut amiss = self.world.amiss();
        amiss.extend(self.calls.iter().map(|call| format!("call [{}] was not answered to its end", call.number)));
        let unanswered = self.board.posted().unanswered.clone();
        amiss.extend(
            unanswered.iter().map(|(place, _)| format!("call [{}] was cut off, and has no end", place.message)),
        );
        amiss.extend(unfinished(&*self.store, "outbox/").await?);
        if amiss.is_empty() { Ok(heard) } else { bail!("{}", amiss.join("; ")) }
    }

    /// The whole ledger, a line an entry.
    ///
    /// # Errors
    /// When it can not be read.
    pub async fn ledger(&self) -> Result<String> {
        ledger_of(&*self.store).await
    }
}

/// The direction that ends one life of the bot well, and begins another.
const STOPPED: &str = "Deckhand is stopped and started again";

/// Does what a direction says, wherever people talk. Returns whether that life of the bot is over, and another is to begin.
async fn direct(
    direction: &str,
    life: &Life,
    config: &mut String,
    world: &World,
    secrets: &mut codes::Secrets,
    store: &dyn Store,
) -> Result<bool> {
    if let Some(span) = Stage::span(direction) {
        tokio::time::sleep(span?).await;
    } else if let Some(span) = direction.strip_prefix("the clock is set back by ") {
        let back = Stage::span(&format!("{span} pass")).context("it is not said by how much")??;
        let clock = &life.bot.world.ports.clock;
        clock.set(clock.now() - back);
    } else if let Some((who, secret)) = direction.split_once(" has enrolled with the secret ") {
        secrets.enroll(store, who, secret).await?;
    } else if let Some(change) = direction.strip_suffix(" in the config, and Deckhand is started again") {
        *config = changed(config, change)?;
        life.dead.cancel();
        return Ok(true);
    } else if direction == "Deckhand is killed and started again" {
        life.dead.cancel();
        return Ok(true);
    } else if direction == STOPPED {
        life.bot.stop().await;
        life.dead.cancel();
        return Ok(true);
    } else if !talk::direct(direction, &life.bot, world).await? && !world.direct(direction) {
        bail!("nobody knows what this direction means");
    }
    Ok(false)
}

/// What is left in a store that should have come to its end; `outbox` is the prefix of the messages that should be gone.
async fn unfinished(store: &dyn Store, outbox: &str) -> Result<Vec<String>> {
    let open = ledger::open(store).await?;
    let mut amiss: Vec<_> = open.iter().map(|entry| format!("act #{} has no end", entry.seq)).collect();
    let left = store.scan(outbox, None, 1).await?;
    amiss.extend(left.iter().map(|(key, _)| format!("{key} was not delivered")));
    if let Verdict::Bad { seq, why } = ledger::verify(store).await? {
        amiss.push(format!("the ledger is not sound at {seq}: {why}"));
    }
    Ok(amiss)
}

/// A whole ledger, a line an entry.
async fn ledger_of(store: &dyn Store) -> Result<String> {
    let mut entries = Query::default().run(store, usize::MAX).await?;
    entries.reverse();
    let line = |entry: &ledger::Entry| {
        let draft = &entry.draft;
        let mut line = format!(
            "{} #{} {} {} {} {}",
            draft.at.format("%H:%M:%S"),
            entry.act(),
            draft.phase.word(),
            draft.who,
            draft.verb,
            draft.object
        );
        let parts = [
            ("in", draft.environment.clone().unwrap_or_default()),
            ("approved by", draft.approved_by().join(", ")),
            ("because", draft.why.clone()),
            ("note", draft.note.clone()),
            ("undo", draft.undo.clone().unwrap_or_default()),
        ];
        parts
            .iter()
            .filter(|(_, text)| !text.is_empty())
            .for_each(|(name, text)| line += &format!(" | {name}: {text}"));
        line + "\n"
    };
    Ok(entries.iter().map(line).collect())
}

/// The config with what a direction changes in it: "`limit = "3m"` becomes `limit = "5m"`", the first that there is.
fn changed(config: &str, change: &str) -> Result<String> {
    let (old, new) = change.split_once(" becomes ").context("a change of the config says what becomes what")?;
    let (old, new) = (old.trim_matches('`'), new.trim_matches('`'));
    if !config.contains(old) {
        bail!("the config has no `{old}`");
    }
    Ok(config.replacen(old, new, 1))
}

/// What joins a life of the bot as its platform.
type Join<'a> = &'a (dyn Fn(&Arc<Bot>, &Config, &Arc<dyn Store>, &CancellationToken) -> Arc<dyn Platform> + Sync);

async fn live(config: &str, clock: &Clock, store: &Arc<dyn Store>, world: &World, join: Join<'_>) -> Result<Life> {
    let environment = |name: &str| (name == "DECKHAND_TOKEN").then(|| "s3cr3t-t0k3n".to_owned());
    let (config, problems): (Config, _) = config::parse(config, "deckhand.toml", Path::new("/srv"), &environment);
    let plan = assembly::plan(&config, plugins::ALL, &problems);
    if !problems.is_empty() {
        bail!("the config has mistakes:\n{problems}");
    }
    let dead = CancellationToken::new();
    let store: Arc<dyn Store> = Arc::new(Mortal { store: store.clone(), dead: dead.clone(), deaths: world.deaths() });
    let bot = plan.build(Surroundings {
        clock: clock.clone(),
        store: store.clone(),
        wire: Arc::new(world.clone()),
        dial: Arc::new(world.clone()),
        launcher: Arc::new(world.clone()),
        files: Arc::new(world.clone()),
        mirrors: Arc::new(world.clone()),
    });
    bot.reload_grants().await?;
    configured::note(&bot, &config).await?;
    let platform = join(&bot, &config, &store, &dead);
    settle::settle(&bot, &Platforms::from([(platform.name().to_owned(), platform.clone())])).await?;
    tokio::spawn(outbox::deliver(platform, store.clone(), dead.clone()));
    let every_minute = Schedule::parse("* * * * *", config.zone).map_err(|error| anyhow::anyhow!(error))?;
    let reminders = upkeep::reminders(&bot, every_minute);
    let jobs = std::iter::once(reminders).chain(jobs::plugged(&bot)).collect();
    tokio::spawn(jobs::keep(jobs, store, clock.clone(), "stage".to_owned(), dead.clone()));
    tokio::spawn(jobs::watch(bot.clone(), "stage".to_owned(), dead.clone()));
    let programs = config.hooks.map(|_| Heard::begin(&bot, world, &dead));
    Ok(Life { bot, programs, dead })
}
