//! What a plugin is handed with each call: who says what and where, and the ways to the world.

use crate::act::Act;
use crate::clock::Clock;
use crate::ledger::{Draft, Place};
use crate::offer::Offered;
use crate::parse::Invocation;
use crate::policy::Asks;
use crate::ports::{Dial, Files, Http, Mirrors, Processes};
use crate::redact::Redactor;
use crate::reply::{Reply, State};
use crate::stop::Result;
use crate::store::{Batch, Read, Store};
use crate::vocabulary::Vocabulary;
use anyhow::Context;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use config::DECKHAND;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Where it is kept what was counted: see [`Cx::keep_counts`].
pub const COUNTS: &str = "counts/";

/// One call of a command, or one piece of work that nobody asked for. Cheap to clone.
#[derive(Clone)]
pub struct Cx(Arc<Inner>);

struct Inner {
    call: Call,
    invocation: Option<Invocation>,
    world: Arc<World>,
    replies: mpsc::UnboundedSender<Reply>,
    stopping: CancellationToken,
    fences: Mutex<Vec<(String, u64)>>,
    saying: OnceLock<String>,
}

/// Who calls, and where.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who.
    pub who: Who,
    /// The channel, and the message that answers.
    pub place: Place,
    /// What they have said yes to.
    pub agreed: Option<Agreed>,
    /// What policy asks for first, whatever the command's own effect.
    pub asks: Asks,
    /// The request, by its name, that others have approved, and that is carried out now.
    pub request: Option<String>,
}

impl Call {
    /// Work that nobody asked for, or that `who` asked for before.
    pub fn unasked(who: Who, place: Place) -> Call {
        Call { who, place, agreed: None, asks: Asks::default(), request: None }
    }
}

/// An act that somebody has said yes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The act's digest.
    pub digest: String,
    /// Its facts, to tell what has changed since.
    pub facts: Vec<(String, String)>,
    /// Whether the yes came with a one-time code.
    pub proven: bool,
}

/// A person as policy sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who {
    /// Their name in the config; for somebody it does not know, the platform's name and id (`console:frank`).
    pub name: String,
    /// Their roles.
    pub roles: Vec<String>,
    /// Whether the config knows them.
    pub known: bool,
    /// Where the platform can not tell who this is: what they can do so that it can.
    pub unproven: Option<&'static str>,
}

impl Who {
    /// Whether the config knows neither them nor any role of theirs.
    pub fn is_stranger(&self) -> bool {
        !self.known && self.roles.is_empty()
    }

    /// Deckhand itself, for work that nobody asked for.
    pub fn deckhand() -> Who {
        Who { name: DECKHAND.to_owned(), roles: Vec::new(), known: true, unproven: None }
    }

    /// Whether it is Deckhand itself, which no person can be called like.
    pub fn is_deckhand(&self) -> bool {
        self.known && self.name == DECKHAND
    }
}

/// What reading the world needs; free for everybody.
#[derive(Clone)]
pub struct Ports {
    /// What time it is.
    pub clock: Clock,
    /// The store, to read.
    pub store: Arc<dyn Read>,
    /// HTTP.
    pub http: Http,
    /// Connections that are only tried.
    pub dial: Arc<dyn Dial>,
    /// Programs.
    pub processes: Processes,
    /// Kept logs.
    pub files: Arc<dyn Files>,
    /// Mirrors of repositories that are elsewhere.
    pub mirrors: Arc<dyn Mirrors>,
    /// The names that the config gives, and the team's time zone.
    pub vocabulary: Arc<Vocabulary>,
    /// What plugins have for each other.
    pub offered: Offered,
}

/// What stands behind every call. The bot makes one; a plugin sees only [`Ports`] of it, and changes things through
/// [`Cx::act`].
pub struct World {
    /// The ways to read.
    pub ports: Ports,
    /// The store, to write.
    pub store: Arc<dyn Store>,
    /// What takes secrets out of texts.
    pub redactor: Redactor,
    /// Who asks for a yes.
    pub consent: Arc<dyn Consent>,
    /// Who takes messages that nobody waits for.
    pub outbox: Arc<dyn Outbox>,
    /// Who tells beforehand what would become of a line; set once the bot stands.
    pub foresight: OnceLock<Weak<dyn Foresight>>,
    /// Who says lines that nobody types; set once the bot stands.
    pub voice: OnceLock<Weak<dyn Voice>>,
}

impl World {
    /// Takes the secrets out of a ledger entry.
    pub(crate) fn redact(&self, draft: &mut Draft) {
        let texts = [&mut draft.object, &mut draft.why, &mut draft.note];
        for text in texts.into_iter().chain(draft.undo.as_mut()) {
            *text = self.redactor.redact(text).into_owned();
        }
        draft.facts.values_mut().for_each(|fact| self.redactor.redact_json(fact));
    }
}

/// Asks for a yes to an act, a one-time code, or the approval of others, where they are needed.
#[async_trait]
pub trait Consent: Send + Sync {
    /// Returns when the act may begin, or stops the call with a question.
    async fn ask(&self, cx: &Cx, act: &Act) -> Result<Consented>;
}

/// What an act that may begin begins with.
#[derive(Debug, Default)]
pub struct Consented {
    /// Who approved it, for the ledger.
    pub approved_by: Vec<String>,
    /// What is committed with *doing*: an approval is good for one act.
    pub spends: Batch,
}

/// Tells what would become of a line, without doing it.
#[async_trait]
pub trait Foresight: Send + Sync {
    /// What policy and the guards say of `line`, were the caller of `cx` to say it now, in the same place.
    ///
    /// # Errors
    /// A refusal when the line can not be read; else what a guard could not find out.
    async fn would(&self, cx: &Cx, line: &str) -> Result<Foreseen>;

    /// What stands in the line of a service and environment, where changes go one after the other: the first is under way,
    /// the others wait.
    fn in_line(&self, service: &str, environment: &str) -> Vec<InLine>;
}

/// A change that stands in line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InLine {
    /// Whose it is.
    pub who: String,
    /// What they said, as they could say it again: people's own words, not fit to be shown as they are.
    pub line: String,
    /// Since when it stands there.
    pub since: DateTime<Utc>,
    /// The line with which they give the place up, as long as it waits.
    pub leave: String,
}

/// What would become of a line.
#[derive(Debug, Clone)]
pub struct Foreseen {
    /// Whether policy allows it.
    pub allowed: bool,
    /// What policy asks for first.
    pub asks: Asks,
    /// To whom policy allows it.
    pub who_may: Vec<String>,
    /// What the guards have against it, or warn of; a sentence or more each.
    pub in_the_way: Vec<String>,
}

/// A line that Deckhand says by itself, or for somebody who is not there to say it.
#[derive(Debug, Clone)]
pub struct Saying {
    /// As whom: a person of the config, or [`config::DECKHAND`]. Policy is asked as for everything that they say.
    pub who: String,
    /// The channels in which it is answered. The first has the message that tells how far it is; the others are told how it
    /// came out.
    pub places: Vec<Place>,
    /// The line.
    pub line: String,
    /// What it is said for, in a few words that are fit to be shown: "by schedule".
    pub reason: String,
    /// What names this very saying, alone of all there ever are: however often it is said, it begins one act at the most.
    pub once: String,
    /// The record that it rests on, and its version: nothing is begun once that has moved on.
    pub from: Option<(String, u64)>,
}

/// Says lines that nobody types, through the gate like everything that is said.
#[async_trait]
pub trait Voice: Send + Sync {
    /// Says it, waits for its end, and returns the last reply.
    ///
    /// # Errors
    /// [`crate::stop::Stop::Refused`] when it has begun its act before; [`crate::stop::Stop::Left`] when Deckhand stops, and
    /// the act goes on without it.
    async fn say(&self, saying: Saying) -> Result<Reply>;
}

/// Where people talk about a message: a thread that is to be opened under it, or a channel of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Thread {
    /// What it is found by, once it is open: see [`crate::act::POSTED`].
    pub name: String,
    /// What it is called for people.
    pub title: String,
    /// What a channel of its own is called: a word that no other has, and more of them where there is room, as in
    /// `inc-12 nobody can pay`. Without, it is a thread.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
}

/// Takes messages that nobody waits for, and delivers each once.
pub trait Outbox: Send + Sync {
    /// Puts `reply` on its way to the channel of `place` when `batch` is committed.
    ///
    /// # Errors
    /// When it can not be kept.
    fn stage(&self, batch: &mut Batch, at: DateTime<Utc>, place: &Place, reply: Reply) -> anyhow::Result<()>;

    /// The same, with a thread under it, or a channel of its own.
    ///
    /// # Errors
    /// When it can not be kept.
    fn stage_thread(
        &self,
        batch: &mut Batch,
        at: DateTime<Utc>,
        place: &Place,
        reply: Reply,
        thread: Thread,
    ) -> anyhow::Result<()>;

    /// Puts `reply` on its way to the thread under a message that stands.
    ///
    /// # Errors
    /// When it can not be kept.
    fn stage_under(
        &self,
        batch: &mut Batch,
        at: DateTime<Utc>,
        message: &Place,
        title: &str,
        reply: Reply,
    ) -> anyhow::Result<()>;

    /// Puts `reply` on its way into the place of a message that stands.
    ///
    /// # Errors
    /// When it can not be kept.
    fn stage_edit(&self, batch: &mut Batch, at: DateTime<Utc>, message: &Place, reply: Reply) -> anyhow::Result<()>;
}

impl Cx {
    /// A call. `stopping` is cancelled when Deckhand is about to stop.
    pub fn new(
        world: Arc<World>,
        call: Call,
        invocation: Option<Invocation>,
        replies: mpsc::UnboundedSender<Reply>,
        stopping: CancellationToken,
    ) -> Cx {
        Cx(Arc::new(Inner {
            call,
            invocation,
            world,
            replies,
            stopping,
            fences: Mutex::default(),
            saying: OnceLock::new(),
        }))
    }

    /// Who calls, and where.
    pub fn call(&self) -> &Call {
        &self.0.call
    }

    /// The name of the person who calls.
    pub fn who(&self) -> &str {
        &self.0.call.who.name
    }

    /// The command's name; empty for work that nobody asked for.
    pub fn command(&self) -> &'static str {
        self.0.invocation.as_ref().map_or("", |invocation| invocation.command.name)
    }

    /// What was said; nothing for work that nobody asked for.
    pub fn invocation(&self) -> Option<&Invocation> {
        self.0.invocation.as_ref()
    }

    /// The arguments.
    ///
    /// # Errors
    /// When `T` does not fit the command's [`crate::spec::ArgSpec`]s: a mistake in the plugin.
    pub fn args<T: DeserializeOwned>(&self) -> Result<T> {
        let invocation = self.invocation().context("this work has no arguments")?;
        let read = invocation.args.read();
        Ok(read.with_context(|| format!("the arguments of `{}` do not fit its handler", invocation.command.name))?)
    }

    /// What policy and the guards would say of `line`, were the same person to say it here and now. Nothing is done.
    ///
    /// # Errors
    /// As [`Foresight::would`].
    pub async fn would(&self, line: &str) -> Result<Foreseen> {
        let foresight = self.0.world.foresight.get().and_then(Weak::upgrade);
        foresight.context("nobody is there to ask what would become of a line")?.would(self, line).await
    }

    /// What stands in the line of a service and environment: see [`Foresight::in_line`].
    pub fn in_line(&self, service: &str, environment: &str) -> Vec<InLine> {
        let foresight = self.0.world.foresight.get().and_then(Weak::upgrade);
        foresight.map(|foresight| foresight.in_line(service, environment)).unwrap_or_default()
    }

    /// Says a line by itself: see [`Voice::say`].
    ///
    /// # Errors
    /// As [`Voice::say`].
    pub async fn say(&self, saying: Saying) -> Result<Reply> {
        let voice = self.0.world.voice.get().and_then(Weak::upgrade);
        voice.context("nobody is there to say a line")?.say(saying).await
    }

    /// Makes this the call of a [`Saying`] with this name: it begins one act at the most.
    pub fn is_said_once(&self, once: impl Into<String>) {
        // Whoever says it does so before anything else.
        let _ = self.0.saying.set(once.into());
    }

    /// The name of the [`Saying`] that this call is, where it is one: nobody is there who has just typed it.
    pub fn saying(&self) -> Option<&str> {
        self.0.saying.get().map(String::as_str)
    }

    /// The ways to read the world.
    pub fn ports(&self) -> &Ports {
        &self.0.world.ports
    }

    /// The store, to read.
    pub fn store(&self) -> &dyn Read {
        &*self.0.world.ports.store
    }

    /// Keeps what was counted: records under [`COUNTS`], which nobody said and nobody can undo, so that no act stands behind
    /// them, and on which nothing rests.
    ///
    /// # Errors
    /// When a record lies elsewhere, or the store can not write.
    pub async fn keep_counts(&self, batch: Batch) -> anyhow::Result<()> {
        let mut keys = batch.writes.iter().map(|(key, _)| key).chain(batch.expect.iter().map(|(key, _)| key));
        anyhow::ensure!(keys.all(|key| key.starts_with(COUNTS)), "only what is counted is kept without an act");
        anyhow::ensure!(batch.entries.is_empty(), "only an act stands on the ledger");
        self.0.world.store.commit(batch).await?;
        Ok(())
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        self.0.world.ports.clock.now()
    }

    /// Shows how far it is. The next reply takes the place of this one.
    pub fn progress(&self, reply: Reply) {
        // Nobody listening is no reason to stop: the work itself goes on, and its end is on the ledger.
        let _ = self.0.replies.send(Reply { state: State::Progress, ..reply });
    }

    /// Cancelled when Deckhand is about to stop, and the work has to come to an end or to be handed over.
    pub fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    /// Lets acts of this call begin, and go on, only while the record at `key` has this version: see
    /// [`crate::plugin::Guarded::While`].
    pub fn fence(&self, key: impl Into<String>, version: u64) {
        self.0.fences.lock().unwrap_or_else(PoisonError::into_inner).push((key.into(), version));
    }

    pub(crate) fn fences(&self) -> Vec<(String, u64)> {
        self.0.fences.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn world(&self) -> &Arc<World> {
        &self.0.world
    }

    pub(crate) async fn consent(&self, act: &Act) -> Result<Consented> {
        self.0.world.consent.ask(self, act).await
    }
}
