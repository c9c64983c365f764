//! What a plugin signs: how it is made, and what it does when it is called.

use crate::args::Args;
use crate::complete::Choice;
use crate::cx::{Cx, Ports};
use crate::ledger::{self, Entry};
use crate::message::{Follows, Message};
use crate::offer::Offers;
use crate::parse::Invocation;
use crate::reply::Reply;
use crate::route::{Answer, Incoming, Route};
use crate::spec::{ArgSpec, CommandSpec};
use crate::stop::Result;
use crate::value::Value;
use crate::vocabulary::Vocabulary;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use config::{Config, Place, Problems, Schedule, Section};
use serde::Serialize;

/// A plugin at work. One stands for the whole life of the bot, and is called from many tasks at once.
#[async_trait]
pub trait Plugin: Send + Sync {
    /// Carries out one of its commands; the reply is the last one.
    ///
    /// # Errors
    /// [`crate::stop::Stop::Refused`] for what the asker can mend, [`crate::stop::Stop::Broken`] for the rest.
    async fn run(&self, cx: &Cx) -> Result<Reply>;

    /// The commands that it makes of its part of the config. They join those that its spec declares, in every view.
    fn commands(&self) -> Vec<CommandSpec> {
        Vec::new()
    }

    /// The lines that its part of the config makes it offer or say by itself: each has to be one that can be read.
    fn lines(&self) -> Vec<Line> {
        Vec::new()
    }

    /// What may be written for an argument whose kind alone does not know, the likeliest first.
    async fn complete(&self, _arg: &ArgSpec, _given: &Args, _ports: &Ports) -> Vec<Choice> {
        Vec::new()
    }

    /// What a line of its own leaves unsaid and is known all the same, as further arguments: policy, queues and guards go by
    /// them as if they had been typed. What was typed stays.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn implies(&self, _said: &Invocation, _ports: &Ports) -> anyhow::Result<Vec<(&'static str, Value)>> {
        Ok(Vec::new())
    }

    /// Looks at a call of any plugin's command that changes something, before it runs.
    ///
    /// # Errors
    /// What it can not find out denies: the gate fails closed.
    async fn guard(&self, _cx: &Cx) -> anyhow::Result<Guarded> {
        Ok(Guarded::Allow)
    }

    /// Whether `newer` makes `waiting` pointless, which the same person has said before, and which still waits in line for
    /// the same service and environment: then it takes its place.
    fn replaces(&self, _newer: &Invocation, _waiting: &Invocation) -> bool {
        false
    }

    /// Its jobs, as its part of the config has them.
    fn jobs(&self) -> Vec<Job> {
        Vec::new()
    }

    /// Does the run of one of its jobs that came due at `due`. Nobody reads a reply; the actor is Deckhand itself. After a
    /// crash it may begin again for the same `due`.
    ///
    /// # Errors
    /// Whatever is in the way: it is tried again a few times.
    async fn work(&self, _cx: &Cx, job: &str, _due: DateTime<Utc>) -> Result<()> {
        Err(anyhow::anyhow!("the job `{job}` is declared, but nothing carries it out").into())
    }

    /// Keeps watch: work that goes on all the time at a pace of its own, such as a check every few seconds. It returns when
    /// `cx.stopping()` is cancelled; of several replicas one keeps watch. The actor is Deckhand itself.
    async fn watch(&self, _cx: &Cx) {}

    /// What somebody says by pinning a message, or by marking it with a pin: the line, less the message, of one of its commands
    /// that are [offered on messages](CommandSpec::on_message). Nothing where that means nothing to it.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn marked(&self, _cx: &Cx, _message: &Message) -> anyhow::Result<Option<String>> {
        Ok(None)
    }

    /// Channels and threads in which a [mark](Self::marked) means something at this moment.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn listens(&self, _cx: &Cx) -> anyhow::Result<Vec<ledger::Place>> {
        Ok(Vec::new())
    }

    /// What it follows of what people say.
    ///
    /// # Errors
    /// When it can not be found out.
    async fn follows(&self, _cx: &Cx) -> anyhow::Result<Follows> {
        Ok(Follows::default())
    }

    /// Takes notice of a message, by its [name](Message::name), that says something else since `at`, or nothing any more. One
    /// is told after the other, but not always in the order of their moments. The actor is Deckhand itself; most messages mean
    /// nothing to any plugin.
    ///
    /// # Errors
    /// What went wrong: it is not tried again.
    async fn revised(&self, _cx: &Cx, _message: &str, _says: Option<&str>, _at: DateTime<Utc>) -> Result<()> {
        Ok(())
    }

    /// What programs may ask of it over HTTP, as its part of the config has it.
    fn routes(&self) -> Vec<Route> {
        Vec::new()
    }

    /// Answers a program that asks for one of its routes, within ten seconds; what flows may go on after that. The actor is
    /// Deckhand itself. The same request may come twice, late, or from anybody: the plugin looks first whom it is from.
    ///
    /// # Errors
    /// What went wrong here: the program is told that something has, and the log what.
    async fn serve(&self, _cx: &Cx, route: &str, _incoming: Incoming) -> anyhow::Result<Answer> {
        anyhow::bail!("the route `{route}` is declared, but nothing answers it")
    }

    /// What of its own can be read from a file that the operator has: the names.
    fn imports(&self) -> &'static [&'static str] {
        &[]
    }

    /// Takes in the text of such a file. The actor is Deckhand itself, on the operator's behalf. The same text may come twice.
    ///
    /// # Errors
    /// A refusal with every mistake and its line, and nothing is taken in.
    async fn import(&self, _cx: &Cx, what: &str, _text: &str) -> Result<Reply> {
        Err(anyhow::anyhow!("`{what}` is said to be importable, but nothing takes it in").into())
    }

    /// What somebody might ask themselves who is writing `text` as this argument, and has not sent it yet. It is shown to them
    /// alone, on platforms that see people write; nothing is kept, and nothing depends on it.
    async fn advise(&self, _arg: &ArgSpec, _text: &str, _given: &Args, _ports: &Ports) -> Option<Advice> {
        None
    }

    /// What it has for other plugins.
    fn offers(&self) -> Option<&dyn Offers> {
        None
    }

    /// Settles an act that an earlier run of Deckhand began and did not end: finds out how the world stands, and ends
    /// it with [`Cx::resume`], never doing it again. The reply takes the place of the act's message.
    ///
    /// # Errors
    /// As [`Plugin::run`].
    async fn reconcile(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        nothing_kept(cx, doing).await
    }
}

/// A question to whoever is writing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// The question.
    pub asks: String,
    /// What it is about, as it reads now.
    pub reads: String,
    /// The same in other words; nothing where there are none.
    pub instead: Option<String>,
    /// The whole text with these in it.
    pub whole: Option<String>,
}

/// Settles an act that changes nothing but what is committed with its end: nothing of it was kept.
///
/// # Errors
/// When the ledger can not be written.
pub async fn nothing_kept(cx: &Cx, doing: Entry) -> Result<Reply> {
    let text = format!(
        "Deckhand was stopped in the middle of #{} ({} {}). Nothing of it was kept.",
        doing.seq, doing.draft.verb, doing.draft.object
    );
    let note = text.clone();
    cx.resume(doing, async move |permit| {
        permit.failed(note);
        Ok(())
    })
    .await?;
    Ok(Reply::say(text))
}

/// A line that the config makes a plugin say, with samples where a call fills something in.
#[derive(Debug, Clone)]
pub struct Line {
    /// The line, without a slash.
    pub text: String,
    /// Where it stands in the config.
    pub place: Place,
    /// Whether Deckhand says it by itself, so that policy has to allow it that.
    pub unasked: bool,
}

/// Work that runs on a schedule without being asked for, once, across restarts.
#[derive(Debug, Clone)]
pub struct Job {
    /// What it is called, alone of all jobs of its plugin.
    pub name: &'static str,
    /// When it runs. Of several runs that were missed, the last is made up for.
    pub schedule: Schedule,
}

/// What a guard says of a call.
#[derive(Debug, Clone, PartialEq)]
pub enum Guarded {
    /// It has nothing against it.
    Allow,
    /// It may begin, and go on, as long as the record at `key` has this version, on which the right to it rests.
    While {
        /// The record's key.
        key: String,
        /// Its version; 0 for no such record.
        version: u64,
    },
    /// It goes on, and the asker is told this.
    Warn(String),
    /// It stops, and the asker is told why, and what can be done about it.
    Deny(Box<Reply>),
}

/// What a plugin is made from: its part of the config, and where it reports what is wrong there.
pub struct Setup<'a> {
    /// The plugin's name.
    pub name: &'static str,
    /// All that the operator wrote.
    pub config: &'a Config,
    /// Where every mistake is noted.
    pub problems: Problems,
}

impl<'a> Setup<'a> {
    /// The names that the config gives.
    pub fn vocabulary(&self) -> Vocabulary {
        Vocabulary::of(self.config)
    }

    /// The plugin's own section of the config.
    pub fn section(&self) -> Option<Section<'a>> {
        self.config.section(self.name, &self.problems)
    }

    /// Where what is told in the channel goes that `key` of a section names: to every platform that has it.
    pub fn places(&self, section: &Section<'_>, key: &str) -> Vec<ledger::Place> {
        let Some(name) = section.text(key).filter(|name| !name.is_empty()) else { return Vec::new() };
        let found = self.config.channel(&name);
        if found.is_empty() {
            let instead = format!("write one that there is, or a section `[channels.{name}]` with its ids");
            section.problem(key, format!("there is no channel {}", config::quoted(&name)), instead);
        }
        let place = |(platform, channel)| ledger::Place { platform, channel, message: String::new() };
        found.into_iter().map(place).collect()
    }

    /// The plugin's section in each service that has one.
    pub fn services(&self) -> Vec<(String, Section<'a>)> {
        self.config.service_sections(self.name, &self.problems)
    }
}
