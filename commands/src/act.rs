//! The only way to change anything: an act stands on the ledger before it is done, and again when it has ended.

use crate::cx::{Consented, Cx, Thread, World};
use crate::ledger::{APPROVED_BY, Draft, Entry, Phase, Place, Query};
use crate::reply::{Button, Reply};
use crate::stop::{Result, Stop};
use crate::store::{Batch, CommitError, Read};
use crate::table::Table;
use anyhow::Context;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::{Arc, Mutex, MutexGuard};

/// The fact that names the [`crate::cx::Saying`] that an act was begun by.
pub const SAID_ONCE: &str = "said once";

/// The fact that names the records on which the right to an act rests, and their versions: whoever goes on with it after a
/// restart rests on them as well.
pub const RESTS_ON: &str = "rests on";

/// Where it is kept when each saying has begun its act.
const SAID: &str = "said/";

fn said_key(once: &str) -> String {
    format!("{SAID}{once}")
}

/// Stages that the sayings are forgotten that began their acts before `then`: nobody says them again.
///
/// # Errors
/// When the store can not be read.
pub async fn forget_sayings(store: &dyn Read, then: DateTime<Utc>, batch: &mut Batch) -> anyhow::Result<()> {
    for (key, record) in store.scan(SAID, None, usize::MAX).await? {
        let at = std::str::from_utf8(&record.value).ok().and_then(|at| DateTime::parse_from_rfc3339(at).ok());
        if at.is_some_and(|at| at < then) {
            batch.delete(key);
        }
    }
    Ok(())
}

/// Whether the saying of this name has begun its act.
///
/// # Errors
/// When the store can not be read.
pub async fn has_begun(store: &dyn Read, once: &str) -> anyhow::Result<bool> {
    Ok(store.get(&said_key(once)).await?.is_some())
}

/// The newest entry of the act that the saying of this name has begun, as `who`, not before `since`.
///
/// # Errors
/// When the store can not be read.
pub async fn begun_by(store: &dyn Read, once: &str, who: &str, since: DateTime<Utc>) -> anyhow::Result<Option<Entry>> {
    let query = Query { person: Some(who.to_owned()), since: Some(since), ..Query::default() };
    let entries = query.run(store, usize::MAX).await?;
    Ok(entries.into_iter().find(|entry| entry.draft.facts.get(SAID_ONCE).is_some_and(|said| said == once)))
}

/// The button that takes an act back, good for as long as what it changed stands as it does now; nothing where there is no
/// way back.
///
/// # Errors
/// When the store can not be read.
pub async fn way_back(store: &dyn Read, entry: &Entry) -> anyhow::Result<Option<Button>> {
    let (Some(undo), Some(state)) = (&entry.draft.undo, &entry.draft.state) else { return Ok(None) };
    let version = store.get(state).await?.map_or(0, |record| record.version);
    Ok(Some(Button::new(format!("Undo #{}", entry.act()), undo).drawn_from(state, version)))
}

/// Where a message stands that was posted for something, and the thread under it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// The message.
    pub message: Place,
    /// The thread, or the channel of its own; nothing on a platform that has neither.
    pub thread: Option<Place>,
}

/// What was posted with [`Permit::open_thread`], by the name that it was given there.
pub const POSTED: Table<Posted> = Table::new("posted/");

/// What is about to be changed. Everything in it is part of its digest: a yes to one act is no yes to another.
#[derive(Debug, Clone, Default)]
pub struct Act {
    /// What is done: `deploy.ship`.
    pub verb: &'static str,
    /// To what: `hello v2 (3f2c1ab)`.
    pub object: String,
    /// The service it concerns.
    pub service: Option<String>,
    /// The environment it concerns.
    pub environment: Option<String>,
    /// What a person who is asked for a yes is told: a sentence each.
    pub says: String,
    /// What exactly is agreed to: the resolved commit, the parameters.
    pub facts: Vec<(&'static str, String)>,
    /// The line that undoes it, where that is known beforehand.
    pub undo: Option<String>,
    /// The key of the record that shows how the changed thing stands.
    pub state: Option<String>,
    /// Why, in the asker's words.
    pub why: String,
    /// Whether it is hard to take back, whatever its command's effect: a yes is asked for first.
    pub danger: bool,
}

impl Act {
    /// SHA-256 over what would be done. Why it is done, and how it would be undone, may change without voiding a yes.
    pub fn digest(&self) -> String {
        let parts = serde_json::json!([self.verb, self.object, self.service, self.environment, self.facts]);
        format!("{:x}", Sha256::digest(parts.to_string()))
    }
}

/// The proof that an act stands on the ledger as *doing*. Whatever changes the world asks for one, and it can be had
/// nowhere but in [`Cx::act`] and [`Cx::resume`].
///
/// Changes of Deckhand's own state are staged on it, and are committed in one batch with the end of the act.
///
/// Handed one, a plugin can pass it on:
///
/// ```
/// fn change(permit: &commands::act::Permit) { permit.note("done") }
/// ```
///
/// It can not make one:
///
/// ```compile_fail
/// fn forge() -> commands::act::Permit { commands::act::Permit(unreachable!()) }
/// ```
#[derive(Clone)]
pub struct Permit(Arc<Inner>);

struct Inner {
    entry: Entry,
    world: Arc<World>,
    fences: Vec<(String, u64)>,
    staged: Mutex<Staged>,
}

#[derive(Default)]
struct Staged {
    batch: Batch,
    note: String,
    undo: Option<String>,
    state: Option<String>,
    failed: bool,
}

impl Permit {
    /// The number of the act on the ledger: it names whatever the act makes.
    pub fn act(&self) -> u64 {
        self.0.entry.seq
    }

    /// The *doing* that it stands on.
    pub fn entry(&self) -> &Entry {
        &self.0.entry
    }

    /// Writes `value` at `key` when the act ends.
    pub fn put(&self, key: impl Into<String>, value: impl Into<Bytes>) {
        self.staged().batch.put(key, value);
    }

    /// Removes `key` when the act ends.
    pub fn delete(&self, key: impl Into<String>) {
        self.staged().batch.delete(key);
    }

    /// Asks that `key` still have this version when the staged changes are committed; 0 means no such key.
    pub fn expect(&self, key: impl Into<String>, version: u64) {
        self.staged().batch.expect(key, version);
    }

    /// Stages what was put together elsewhere: writes, and the versions that they rest on.
    pub fn stage(&self, batch: Batch) {
        let Batch { expect, writes, .. } = batch;
        let staged = &mut self.staged().batch;
        staged.expect.extend(expect);
        staged.writes.extend(writes);
    }

    /// Says in a sentence what came of it, for the ledger.
    pub fn note(&self, note: impl Into<String>) {
        self.staged().note = note.into();
    }

    /// Gives the line that undoes it, once that is known; nothing where there is nothing to go back to.
    pub fn undo(&self, line: Option<String>) {
        self.staged().undo = line;
    }

    /// Gives the key of the record that shows how the changed thing stands, where that is known only now: see [`Act::state`].
    pub fn state(&self, key: impl Into<String>) {
        self.staged().state = Some(key.into());
    }

    /// Ends the act as *failed*, with this note, although what is staged is to be kept.
    pub fn failed(&self, note: impl Into<String>) {
        let mut staged = self.staged();
        staged.failed = true;
        staged.note = note.into();
    }

    /// Says `reply` in the channel of `place` when the act ends, or with the next [`Permit::save`]: to people who are not
    /// waiting for an answer. A place on no platform, such as a job's own, is nobody's: nothing is said there.
    ///
    /// # Errors
    /// When it can not be kept.
    pub fn say(&self, place: &Place, reply: Reply) -> Result<()> {
        if !place.platform.is_empty() {
            let world = &self.0.world;
            world.outbox.stage(&mut self.staged().batch, world.ports.clock.now(), place, reply)?;
        }
        Ok(())
    }

    /// Says `reply` in the channel of `place`, as [`Permit::say`] does, and opens a thread under it, where the platform has
    /// any. Once that is done, it stands under `name` in [`POSTED`].
    ///
    /// # Errors
    /// When it can not be kept.
    pub fn open_thread(&self, place: &Place, name: &str, title: &str, reply: Reply) -> Result<()> {
        self.post(place, Thread { name: name.to_owned(), title: title.to_owned(), channel: None }, reply)
    }

    /// Says `reply` in the channel of `place`, as [`Permit::say`] does, and makes a channel of its own for it, which is called
    /// as [`Thread::channel`] says; those whom it calls are called there. Where the platform has no such channels, or makes none
    /// now, there is a thread under it, with this title. Once that is done, it stands under `name` in [`POSTED`].
    ///
    /// # Errors
    /// When it can not be kept.
    pub fn open_channel(&self, place: &Place, name: &str, channel: &str, title: &str, reply: Reply) -> Result<()> {
        let channel = Some(channel.to_owned());
        self.post(place, Thread { name: name.to_owned(), title: title.to_owned(), channel }, reply)
    }

    fn post(&self, place: &Place, thread: Thread, reply: Reply) -> Result<()> {
        let world = &self.0.world;
        world.outbox.stage_thread(&mut self.staged().batch, world.ports.clock.now(), place, reply, thread)?;
        Ok(())
    }

    /// Says `reply` in the thread under a message, when the act ends; the thread is opened where there is none, and has this
    /// title then. On a platform without threads it is not said.
    ///
    /// # Errors
    /// When it can not be kept.
    pub fn say_under(&self, message: &Place, title: &str, reply: Reply) -> Result<()> {
        if !message.platform.is_empty() && !message.message.is_empty() {
            let world = &self.0.world;
            world.outbox.stage_under(&mut self.staged().batch, world.ports.clock.now(), message, title, reply)?;
        }
        Ok(())
    }

    /// Puts `reply` in the place of a message that was posted, when the act ends.
    ///
    /// # Errors
    /// When it can not be kept.
    pub fn redraw(&self, message: &Place, reply: Reply) -> Result<()> {
        let world = &self.0.world;
        world.outbox.stage_edit(&mut self.staged().batch, world.ports.clock.now(), message, reply)?;
        Ok(())
    }

    /// Asks whether the right that the act began with still stands: to be asked before each further step that changes the
    /// world.
    ///
    /// # Errors
    /// A refusal once it was lost: somebody took over the lock.
    pub async fn step(&self) -> Result<()> {
        for (key, version) in &self.0.fences {
            if self.0.world.store.get(key).await?.map_or(0, |record| record.version) != *version {
                return Err(lost());
            }
        }
        Ok(())
    }

    /// Commits what is staged so far, before the act has ended: what is needed to find it again after a crash.
    ///
    /// # Errors
    /// When a condition does not hold any more, or the store can not write.
    pub async fn save(&self) -> Result<()> {
        let batch = std::mem::take(&mut self.staged().batch);
        self.0.world.store.commit(batch).await.map_err(anyhow::Error::from)?;
        Ok(())
    }

    /// Keeps a text under this name, as [`crate::ports::Files::keep_text`] does, without the secrets in it: what a service has
    /// said may hold some.
    ///
    /// # Errors
    /// When it can not be written.
    pub async fn keep_text(&self, name: &str, text: &str) -> anyhow::Result<()> {
        let world = &self.0.world;
        world.ports.files.keep_text(name, world.redactor.redact(text).into_owned()).await
    }

    fn staged(&self) -> MutexGuard<'_, Staged> {
        self.0.staged.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

impl Cx {
    /// Does `act`: asks for a yes where one is needed, writes *doing*, runs `change`, and commits what it staged
    /// together with *did* or *failed*. What is not written is not done.
    ///
    /// # Errors
    /// [`Stop::Refused`] when a yes is missing or the change refuses; then nothing that it staged is kept.
    /// [`Stop::Broken`] when the ledger can not be written, or the change breaks.
    pub async fn act<T>(&self, act: Act, change: impl AsyncFnOnce(&Permit) -> Result<T>) -> Result<T> {
        let (doing, fences) = self.begin(act).await?;
        self.end(doing, fences, change).await
    }

    /// Goes on with an act that an earlier run of Deckhand left as *doing*, on the same terms: see [`Permit::step`].
    ///
    /// # Errors
    /// As [`Cx::act`].
    pub async fn resume<T>(&self, doing: Entry, change: impl AsyncFnOnce(&Permit) -> Result<T>) -> Result<T> {
        let fences = doing.draft.facts.get(RESTS_ON).cloned().unwrap_or_default();
        self.end(doing, serde_json::from_value(fences).unwrap_or_default(), change).await
    }

    async fn end<T>(
        &self,
        doing: Entry,
        fences: Vec<(String, u64)>,
        change: impl AsyncFnOnce(&Permit) -> Result<T>,
    ) -> Result<T> {
        let permit = Permit(Arc::new(Inner {
            staged: Mutex::new(Staged {
                undo: doing.draft.undo.clone(),
                state: doing.draft.state.clone(),
                ..Staged::default()
            }),
            fences,
            world: self.world().clone(),
            entry: doing,
        }));
        let result = change(&permit).await;
        if let Err(Stop::Left(_)) = &result {
            return result;
        }
        self.conclude(&permit, result.as_ref().err()).await?;
        result
    }

    // What goes before a change and what comes after it stand apart from it: `act` is compiled once for each of dozens of
    // changes, and these are the most of it.

    /// Writes *doing*, once there is a yes where one is needed: the entry, and what the right to it rests on.
    async fn begin(&self, act: Act) -> Result<(Entry, Vec<(String, u64)>)> {
        let Consented { approved_by, spends: mut batch } = self.consent(&act).await?;
        let world = self.world();
        let mut doing = Draft {
            at: self.now(),
            phase: Phase::Doing,
            of: None,
            verb: act.verb.to_owned(),
            who: self.call().who.name.clone(),
            place: self.call().place.clone(),
            digest: act.digest(),
            facts: act.facts.iter().map(|(name, value)| ((*name).to_owned(), value.clone().into())).collect(),
            object: act.object,
            service: act.service,
            environment: act.environment,
            why: act.why,
            note: String::new(),
            undo: act.undo,
            state: act.state,
        };
        if !approved_by.is_empty() {
            doing.facts.insert(APPROVED_BY.to_owned(), approved_by.into());
        }
        let fences = self.fences();
        if !fences.is_empty() {
            doing.facts.insert(RESTS_ON.to_owned(), serde_json::json!(fences));
        }
        world.redact(&mut doing);
        batch.expect.extend(fences.iter().cloned());
        let once = self.saying().map(|once| {
            doing.facts.insert(SAID_ONCE.to_owned(), once.into());
            said_key(once)
        });
        if let Some(key) = &once {
            batch.expect(key, 0).put(key, self.now().to_rfc3339());
        }
        batch.enter(doing);
        let mut commit = match world.store.commit(batch).await {
            Ok(commit) => commit,
            Err(CommitError::Conflict { key, .. }) if once.as_ref() == Some(&key) => return Err(said_before()),
            Err(CommitError::Conflict { key, .. }) if fences.iter().all(|(fence, _)| *fence != key) => {
                return Err(spent());
            }
            Err(CommitError::Conflict { .. }) => return Err(lost()),
            Err(CommitError::Broken(error)) => {
                return Err(error.context("The ledger can not be written, so nothing was done").into());
            }
        };
        let entry = commit.entries.pop().context("the store wrote no entry")?;
        Ok((entry, fences))
    }

    /// Writes how the act ended: as *failed* where it stopped, and then nothing that it staged is kept.
    async fn conclude(&self, permit: &Permit, stopped: Option<&Stop>) -> Result<()> {
        let world = self.world();
        let Staged { mut batch, note, undo, state, failed } = std::mem::take(&mut *permit.staged());
        let doing = permit.entry().draft.clone();
        let mut end = Draft { of: Some(permit.act()), at: self.now(), note, undo, state, ..doing };
        end.phase = if failed || stopped.is_some() { Phase::Failed } else { Phase::Did };
        if let Some(stop) = stopped {
            batch = Batch::default();
            end.note = stop.to_string();
        }
        if end.phase == Phase::Failed {
            end.undo = None;
        }
        world.redact(&mut end);
        match world.store.commit(with(batch, end.clone())).await {
            Ok(_) => Ok(()),
            Err(CommitError::Conflict { key, .. }) if stopped.is_none() => {
                // Somebody else changed the same thing first: that is the end of this act, and it is told.
                end.phase = Phase::Failed;
                end.undo = None;
                end.note = format!("{key} was changed by someone else at the same moment");
                world.store.commit(with(Batch::default(), end)).await.map_err(anyhow::Error::from)?;
                Err(Stop::refuse(
                    "Somebody else changed the same thing at the same moment, so this was not done. Look at how it stands now, and say it again if it is still wanted.",
                ))
            }
            Err(error) => {
                let error = anyhow::Error::from(error);
                let act = permit.act();
                Err(error.context(format!("Act #{act} has ended, but the ledger could not be written")).into())
            }
        }
    }
}

/// What is said of a saying that has begun its act before.
pub fn said_before() -> Stop {
    Stop::refuse("This was begun before, and is not begun twice. `/audit` shows how it went.")
}

fn spent() -> Stop {
    Stop::refuse(
        "The request for this changed at this moment: it was carried out, withdrawn or rejected. Nothing was done now. `/audit` shows what was done.",
    )
}

fn lost() -> Stop {
    Stop::refuse(
        "What allowed this was lost at this moment: somebody took over a lock. Nothing more was done. Look at how things stand now.",
    )
}

fn with(mut batch: Batch, entry: Draft) -> Batch {
    batch.enter(entry);
    batch
}
