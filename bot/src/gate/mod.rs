//! The gate: the whole life of a call, from a line said in chat to the last reply.

pub mod approval;
pub mod buttons;
pub mod codes;
pub mod completion;
pub mod consent;
mod foresight;
pub mod grants;
pub mod heard;
mod import;
pub mod lanes;
pub mod people;
pub mod post;
pub mod queue;
pub mod refusal;
pub mod rooms;
mod saying;
mod understanding;

use crate::meters::Meters;
use crate::settle::Platforms;
use anyhow::Context;
use async_trait::async_trait;
use buttons::Dresser;
use commands::args::Args;
use commands::cx::{Call, Cx, Foresight, Voice, Who, World};
use commands::ledger::Place;
use commands::parse::Invocation;
use commands::plugin::{Guarded, Plugin};
use commands::policy::{Decision, Policy, Question};
use commands::registry::Registry;
use commands::reply::{Outcome, Reply, State, Tone};
use commands::spec::{CommandSpec, Effect, PluginSpec};
use commands::stop::{Result, Stop};
use commands::store::Batch;
use commands::text;
use futures::FutureExt;
use lanes::Lanes;
use people::{People, Speaker};
use refusal::Refused;
use rooms::Rooms;
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, RwLock, Weak};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use understanding::{Meant, Pressed, Understood};

/// How many calls of one person in one channel may wait.
const PERSON_BOUND: usize = 8;

/// How many changes of one service in one environment may wait.
const TARGET_BOUND: usize = 16;

/// How long a person's next line in a channel waits for the one before: what takes longer has shown that it is under way.
const PATIENCE: Duration = Duration::from_secs(1);

/// A plugin at work.
pub struct Plugged {
    /// What it declares.
    pub spec: &'static PluginSpec,
    /// What it does.
    pub plugin: Arc<dyn Plugin>,
}

/// Deckhand at work: it takes what is said on any platform, and answers.
pub struct Bot {
    /// Every command there is.
    pub registry: Registry,
    /// The plugins that are on; Deckhand's own commands come first.
    pub plugins: Vec<Plugged>,
    /// Who may do what.
    pub policy: Policy,
    /// Who is who.
    pub people: People,
    /// Which channel is which.
    pub rooms: Rooms,
    /// What stands behind every call.
    pub world: Arc<World>,
    /// What it counts of itself.
    pub meters: Arc<Meters>,
    grants: RwLock<Vec<commands::policy::Rule>>,
    refused: Mutex<HashMap<String, Refused>>,
    persons: Lanes<(String, Place), ()>,
    targets: Lanes<queue::Target, queue::Change>,
    platforms: OnceLock<Platforms>,
    carrying: approval::Carrying,
    /// Held while a changed message is taken in: one after the other.
    revising: tokio::sync::Mutex<()>,
    stopping: CancellationToken,
    calls: TaskTracker,
}

/// Something said.
#[derive(Debug, Clone)]
pub struct Ask {
    /// What.
    pub said: Said,
    /// By whom.
    pub speaker: Speaker,
    /// Where, and which message answers.
    pub place: Place,
}

/// What somebody said.
#[derive(Debug, Clone)]
pub enum Said {
    /// A line.
    Line(String),
    /// A press of a button.
    Press {
        /// The button's name.
        id: String,
        /// What its form was filled with, by the inputs' names.
        filled: Vec<(String, String)>,
    },
}

/// The replies to one call, each in place of the one before. The call goes on when nobody listens.
pub type Replies = mpsc::UnboundedReceiver<Reply>;

impl Bot {
    /// Puts a bot together.
    pub fn new(
        registry: Registry,
        plugins: Vec<Plugged>,
        policy: Policy,
        people: People,
        rooms: Rooms,
        world: World,
        meters: Arc<Meters>,
    ) -> Arc<Bot> {
        let bot = Arc::new(Bot {
            registry,
            plugins,
            policy,
            people,
            rooms,
            world: Arc::new(world),
            meters,
            grants: RwLock::default(),
            refused: Mutex::default(),
            persons: Lanes::new(PERSON_BOUND),
            targets: Lanes::new(TARGET_BOUND),
            platforms: OnceLock::new(),
            carrying: approval::Carrying::default(),
            revising: tokio::sync::Mutex::default(),
            stopping: CancellationToken::new(),
            calls: TaskTracker::new(),
        });
        let itself: Weak<Bot> = Arc::downgrade(&bot);
        // They are set here alone, on a world that was just handed over.
        let _ = bot.world.foresight.set(itself.clone() as Weak<dyn Foresight>);
        let _ = bot.world.voice.set(itself as Weak<dyn Voice>);
        bot
    }

    /// Joins the platforms on which it speaks without being asked. To be called once, at the start.
    pub(crate) fn join_platforms(&self, platforms: &Platforms) {
        let _ = self.platforms.set(platforms.clone());
    }

    /// The platforms, by name; none before they were joined.
    pub(crate) fn platforms(&self) -> &Platforms {
        static NONE: LazyLock<Platforms> = LazyLock::new(Platforms::default);
        self.platforms.get().unwrap_or(&NONE)
    }

    /// Takes a call, and answers it.
    pub fn ask(self: &Arc<Bot>, ask: Ask) -> Replies {
        let (said, replies) = mpsc::unbounded_channel();
        let bot = self.clone();
        self.calls.spawn(async move {
            let (inner, mut progress) = mpsc::unbounded_channel();
            let (mut dresser, over) = (Dresser::default(), CancellationToken::new());
            let work = async {
                let last = AssertUnwindSafe(bot.answer(&ask, inner)).catch_unwind().await;
                over.cancel();
                last
            };
            // Beside the work: it does not wait until the buttons of a message are kept.
            let telling = async {
                loop {
                    let reply = tokio::select! {
                        biased;
                        Some(reply) = progress.recv() => reply,
                        () = over.cancelled() => return,
                    };
                    bot.send(reply, &mut dresser, &said).await;
                }
            };
            let (last, ()) = tokio::join!(work, telling);
            bot.send(last.unwrap_or_else(|_| panicked()), &mut dresser, &said).await;
        });
        replies
    }

    /// How many commands wait for their turn: people's own in a channel, and changes of a service and environment.
    pub(crate) fn waiting(&self) -> [(&'static str, usize); 2] {
        [("person", self.persons.waiting()), ("target", self.targets.waiting())]
    }

    /// Cancelled when Deckhand is about to stop.
    pub fn stopping(&self) -> &CancellationToken {
        &self.stopping
    }

    /// Lets no new call in, tells those under way to come to an end, and waits for them.
    pub async fn stop(&self) {
        self.stopping.cancel();
        self.calls.close();
        self.calls.wait().await;
    }

    /// Hides what is secret, gives buttons their names, and lets the reply out.
    async fn send(&self, mut reply: Reply, dresser: &mut Dresser, to: &mpsc::UnboundedSender<Reply>) {
        // What hands over a secret is not a place where one slipped in.
        if !reply.once {
            self.clean(&mut reply);
        }
        if let Err(error) = self.dress(&mut reply, dresser).await {
            tracing::error!("buttons can not be kept: {error:#}");
            reply.buttons.clear();
        }
        // The platform may have gone; the work is done all the same.
        let _ = to.send(reply);
    }

    async fn dress(&self, reply: &mut Reply, dresser: &mut Dresser) -> anyhow::Result<()> {
        let mut batch = Batch::default();
        dresser.dress(reply, &mut batch, self.world.ports.clock.now())?;
        if batch.writes.is_empty() {
            return Ok(());
        }
        let store = self.world.store.clone();
        // An answer to a question reads, too, but is waited for.
        let reads = |said: Invocation| said.command.effect == Effect::Reads && !said.command.urgent;
        let reads = |line: &str| self.parse(line).is_ok_and(reads);
        if reply.buttons.iter().all(|button| reads(&button.line)) {
            // The next page is not worth the wait for a disk: should its button be lost in a crash, a press says so.
            self.calls.spawn(async move {
                if let Err(error) = store.commit(batch).await {
                    tracing::warn!("a button can not be kept: {:#}", anyhow::Error::from(error));
                }
            });
            return Ok(());
        }
        store.commit(batch).await?;
        Ok(())
    }

    /// Takes the secrets out of a reply.
    pub(crate) fn clean(&self, reply: &mut Reply) {
        redact(reply, |text| self.world.redactor.redact(text).into_owned());
    }

    /// Lets `work` go on until it has ended, even when Deckhand is to stop.
    pub(crate) fn spawn<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        self.calls.spawn(work)
    }

    /// The plugin whose acts have this verb.
    pub(crate) fn plugin_of(&self, verb: &str) -> Arc<dyn Plugin> {
        let name = verb.split('.').next().unwrap_or_default();
        let plugged = self.plugins.iter().find(|plugged| plugged.spec.name == name).or(self.plugins.first());
        plugged.map_or_else(|| Arc::new(Nobody) as Arc<dyn Plugin>, |plugged| plugged.plugin.clone())
    }

    async fn answer(&self, ask: &Ask, progress: mpsc::UnboundedSender<Reply>) -> Reply {
        let (began, command) = (Instant::now(), OnceLock::new());
        let reply = match self.carry_out(ask, progress, &command).await {
            Ok(reply) => Reply { state: State::Final, ..reply },
            Err(stop) => {
                if let Stop::Broken(error) = &stop {
                    tracing::error!(who = ask.speaker.id, channel = ask.place.channel, "{error:?}");
                }
                stop.into_reply()
            }
        };
        self.meters.answered(command.get().copied(), reply.outcome, began.elapsed());
        reply
    }

    /// Notes the name of the command once it is understood.
    async fn carry_out(
        &self,
        ask: &Ask,
        progress: mpsc::UnboundedSender<Reply>,
        command: &OnceLock<&'static str>,
    ) -> Result<Reply> {
        self.check_stopping()?;
        let who = self.people.who(&ask.speaker);
        let here = (who.name.clone(), Place { message: String::new(), ..ask.place.clone() });
        let turn = self.persons.join(here, &who.name, (), |()| false);
        let turn = turn.map_err(|lanes::Full(waiting)| {
            Stop::refuse(format!("{waiting} of your commands are waiting in this channel, so this one was not taken. Say it again when they are done."))
        })?;
        // Nobody can be taken out of this line.
        let _ = turn.turn(|ahead| _ = progress.send(behind_own(ahead))).await;
        let understood = match self.understand(ask, &who).await? {
            Meant::Call(understood) => *understood,
            Meant::Answered(reply) => return Ok(*reply),
        };
        let Understood { invocation, who, room, agreed, carried, pressed } = understood;
        // It is understood once.
        let _ = command.set(invocation.command.name);
        let invocation = self.whole(invocation).await?;
        let done = async {
            let asks = self.permit(&invocation, &who, &room)?.asks;
            let request = carried.as_ref().map(|carried| carried.id.clone());
            let call = Call { who, place: ask.place.clone(), agreed, asks, request };
            let cx = Cx::new(self.world.clone(), call, Some(invocation), progress, self.stopping.clone());
            self.perform(&cx, &room, Some(turn), pressed).await
        };
        match (done.await, &carried) {
            (Err(Stop::Refused(reply)), Some(carried)) => {
                Err(carried.refused(*reply, self.world.ports.vocabulary.zone).into())
            }
            (done, _) => done,
        }
    }

    /// Does what policy allows: in its line, past the guards. It was said in `room`; `turn` is the asker's own there.
    async fn perform(
        &self,
        cx: &Cx,
        room: &Place,
        mut turn: Option<lanes::Place<(String, Place), ()>>,
        pressed: Option<Pressed>,
    ) -> Result<Reply> {
        let invocation = cx.invocation().context("nothing was said")?;
        let place = self.queue(invocation, cx)?;
        if let Some(place) = &place {
            turn = None;
            self.wait(place, cx).await?;
            // The wait may have been long: what was allowed when it began may not be any more.
            self.check_stopping()?;
            self.permit(invocation, &cx.call().who, room)?;
        }
        if let Some((id, button)) = &pressed {
            self.press(id, button, cx).await?;
        }
        let warnings = self.guards(cx).await?;
        let mut work = self.plugin(invocation.command).run(cx);
        let reply = tokio::select! {
            biased;
            reply = &mut work => reply,
            () = tokio::time::sleep(PATIENCE) => {
                drop(turn);
                work.await
            }
        };
        drop(place);
        Ok(warned(reply?, &warnings))
    }

    fn check_stopping(&self) -> Result<()> {
        match self.stopping.is_cancelled() {
            true => Err(Stop::refuse("Deckhand is stopping, so this was not done. Say it again once it is back.")),
            false => Ok(()),
        }
    }

    /// Asks the policy, and remembers its reasons when it refuses.
    fn permit(&self, invocation: &Invocation, who: &Who, place: &Place) -> Result<Decision> {
        let question = self.question(who, invocation.command, &invocation.args, place);
        let decision = self.decide(&question);
        if decision.allowed {
            return Ok(decision);
        }
        self.meters.denied();
        let refused =
            Refused { line: invocation.line(), trace: decision.trace, who_may: self.policy.who_may(&question) };
        let text = refusal::told(who, &refused);
        // Strangers are told why at once, and there may be any number of them.
        if !who.is_stranger() {
            self.refused.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).insert(who.name.clone(), refused);
        }
        Err(Stop::refuse(text))
    }

    /// The question whether `who` may say this command with these arguments, here and now.
    pub fn question<'a>(
        &'a self,
        who: &'a Who,
        command: &'a CommandSpec,
        args: &'a Args,
        place: &'a Place,
    ) -> Question<'a> {
        let (channel, now) = (self.rooms.name(place), self.world.ports.clock.now());
        Question { who, command, args, unfinished: false, channel, now }
    }

    /// The policy's answer, grants included.
    pub fn decide(&self, question: &Question<'_>) -> Decision {
        self.policy.decide(question, &self.grants.read().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    /// The commands that `who` may say there with some arguments or other.
    pub fn reachable(&self, who: &Who, place: &Place) -> Vec<&'static CommandSpec> {
        let none = Args::default();
        let may = |command: &&'static CommandSpec| {
            self.decide(&Question { unfinished: true, ..self.question(who, command, &none, place) }).allowed
        };
        self.registry.iter().filter(may).collect()
    }

    /// What policy last refused this person, since Deckhand was started.
    pub fn last_refusal(&self, who: &str) -> Option<Refused> {
        self.refused.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).get(who).cloned()
    }

    /// Reads the grants anew from the store.
    ///
    /// # Errors
    /// When they can not be read.
    pub async fn reload_grants(&self) -> anyhow::Result<()> {
        let rules = grants::rules(&*self.world.ports.store, &self.registry, &self.world.ports.vocabulary).await?;
        *self.grants.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = rules;
        Ok(())
    }

    async fn guards(&self, cx: &Cx) -> Result<Vec<String>> {
        let mut warnings = Vec::new();
        if cx.invocation().is_none_or(|invocation| !queue::serial(invocation.command)) {
            return Ok(warnings);
        }
        for Plugged { spec, plugin } in &self.plugins {
            let said = plugin.guard(cx).await;
            match said
                .with_context(|| format!("`{}` can not say whether this may be done now, so it was not", spec.name))?
            {
                Guarded::Allow => {}
                Guarded::While { key, version } => cx.fence(key, version),
                Guarded::Warn(reason) => warnings.push(reason),
                Guarded::Deny(reply) => return Err(Stop::from(*reply)),
            }
        }
        Ok(warnings)
    }

    /// The plugin that declares this command.
    pub fn plugin(&self, command: &CommandSpec) -> &dyn Plugin {
        let declares = |plugged: &&Plugged| plugged.spec.commands.iter().any(|other| other.name == command.name);
        // The registry is made of the plugins' commands: whatever can be parsed is declared by one.
        let plugged = self.plugins.iter().find(declares).or(self.plugins.first());
        plugged.map_or(&Nobody, |plugged| &*plugged.plugin)
    }
}

/// The handler of a command that nobody handles: a mistake of ours, and told as one.
pub struct Nobody;

#[async_trait]
impl Plugin for Nobody {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        Err(anyhow::anyhow!("`/{}` is declared, but nothing carries it out", cx.command()).into())
    }
}

/// What somebody is told whose own earlier command in the same channel is not done.
fn behind_own(ahead: usize) -> Reply {
    let text =
        format!("{} of yours in this channel first; this one comes after.", text::plural(ahead, "earlier command"));
    Reply { state: State::Progress, ..Reply::card(Tone::Working, "Waiting", text) }
}

fn warned(mut reply: Reply, warnings: &[String]) -> Reply {
    for warning in warnings {
        reply.text = format!("{}\nMind: {warning}", reply.text);
    }
    reply
}

fn panicked() -> Reply {
    let text = "Deckhand made a mistake of its own while doing this; the log has it. Whether something was changed stands on the ledger: `/audit`.";
    Reply::card(Tone::Bad, "This did not work", text).outcome(Outcome::Broken)
}

fn redact(reply: &mut Reply, hide: impl Fn(&str) -> String) {
    let Reply { text, card, fields, table, output, buttons, .. } = reply;
    let fields = fields.iter_mut().flat_map(|field| [&mut field.name, &mut field.value]);
    let cells = table.iter_mut().flat_map(|table| table.rows.iter_mut().flatten());
    let title = card.iter_mut().map(|card| &mut card.title);
    let labels = buttons.iter_mut().map(|button| &mut button.label);
    for place in [text, output].into_iter().chain(fields).chain(cells).chain(title).chain(labels) {
        *place = hide(place);
    }
}
