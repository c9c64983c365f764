//! Drivers: how a release gets to where it runs. The deploy model knows none of them; each is one file, and a line in
//! [`ALL`].

mod ansible;
mod command;
mod github;
mod said;
mod ssh;
mod webhook;

use super::logs;
use super::params::Known;
use super::plan::names;
use super::records::{Release, Target};
use super::settings::{Host, Names};
use super::source::Home;
use crate::program::Board;
use async_trait::async_trait;
use commands::act::Permit;
use commands::cx::Ports;
use commands::plugin::Setup;
use config::Section;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Every driver: what `driver = "…"` calls it, and what reads its part of a service's `deploy` section.
pub const ALL: [(&str, Read); 5] = [
    ("command", command::read),
    ("ssh", ssh::read),
    ("github", github::read),
    ("ansible", ansible::read),
    ("webhook", webhook::read),
];

/// Reads what a driver needs of `[services.NAME.deploy]`, noting every mistake; nothing where it can not work without.
pub type Read = fn(&Setup<'_>, &Section<'_>, &Home<'_>) -> Option<Arc<dyn Driver>>;

/// How a release gets to where it runs.
#[async_trait]
pub trait Driver: Debug + Send + Sync {
    /// What it would do, for a plan: "runs `./ship staging 2222222`".
    fn says(&self, work: &Work<'_>) -> String;

    /// What does the work, in a word, as in "its program was ended".
    fn worker(&self) -> &'static str {
        "program"
    }

    /// Plays the work without changing anything, and says in a few lines what it would change; nothing where it can not.
    async fn rehearse(&self, _ports: &Ports, _work: &Work<'_>) -> Option<Result<String, String>> {
        None
    }

    /// Begins the work. What it returns is saved before anything is waited for, and followed then.
    ///
    /// # Errors
    /// When nothing was begun: a sentence.
    async fn begin<'a>(&'a self, run: &'a Run<'a>) -> Result<Begun<'a>, String>;

    /// Finds work again that an earlier start of Deckhand began, by its handle; without one by the act's number, as the
    /// work left its mark before the handle was saved. It may take a while, and is broken off when Deckhand stops.
    async fn find<'a>(&'a self, run: &'a Run<'a>, handle: Option<&Handle>) -> Found<'a>;

    /// Looks, without touching anything, at work of which nobody knew how it ended: whether it has gone well or has failed
    /// after all; by the act's number, where the handle was not saved. Nothing comes of it as long as that can not be told.
    async fn outcome(&self, _ports: &Ports, _work: &Work<'_>, _handle: &Handle) -> Option<End> {
        None
    }

    /// Which artifact was shipped by work that has ended well: what was built of the commit, by a name that no other build
    /// has, such as a digest. Nothing where the config does not say how to know it.
    ///
    /// # Errors
    /// Where it should be known and is not.
    async fn artifact(
        &self,
        _ports: &Ports,
        _work: &Work<'_>,
        _handle: Option<&Handle>,
    ) -> Result<Option<String>, Unsaid> {
        Ok(None)
    }
}

/// What a driver is to do.
#[derive(Debug, Clone)]
pub struct Work<'a> {
    /// The number of the act: whatever the driver makes in the world is marked with it, so that it is found again.
    pub act: u64,
    /// The service and the environment.
    pub target: &'a Target,
    /// The service's repository.
    pub repository: &'a str,
    /// What is shipped.
    pub release: &'a Release,
    /// What it may be shipped with.
    pub known: &'a Known,
    /// Onto which of the environment's targets; none where it has none, and is one whole.
    pub hosts: Vec<&'a Host>,
    /// The colour that is shipped to, where the environment has two.
    pub colour: Option<&'a str>,
    /// Whether it puts back what was live before, as what this act has shipped is not well.
    pub back: bool,
    /// The name of its log; with targets, each has its own: see [`Work::log_of`].
    pub log: String,
    /// How long it may take.
    pub limit: Duration,
    /// How long it has between being asked to end and being made to.
    pub grace: Duration,
}

impl<'a> Work<'a> {
    /// What the placeholders stand for, at one target or for the environment as a whole.
    pub fn names(&self, host: Option<&'a Host>) -> Names<'a> {
        let colour = host.and_then(|host| host.colour.as_deref()).or(self.colour);
        Names { host, colour, ..names(self.known, self.target, self.release) }
    }

    /// What a program at one target is told in its environment.
    pub fn told(&self, host: Option<&'a Host>) -> BTreeMap<String, String> {
        let names = self.names(host);
        let told = [
            ("DECKHAND_SERVICE", names.service),
            ("DECKHAND_ENVIRONMENT", names.environment),
            ("DECKHAND_COMMIT", names.commit),
            ("DECKHAND_REF", names.reference),
            ("DECKHAND_REPOSITORY", self.repository),
        ];
        let artifact = names.artifact.map(|artifact| ("DECKHAND_ARTIFACT", artifact));
        let target = host.map(|host| ("DECKHAND_TARGET", &*host.name));
        let colour = names.colour.map(|colour| ("DECKHAND_COLOUR", colour));
        let told = told.into_iter().chain(artifact).chain(target).chain(colour);
        let told = told.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let param = |name: &str| {
            let value = self.known.value(&self.release.params, name)?;
            Some((format!("DECKHAND_PARAM_{}", name.to_ascii_uppercase().replace('-', "_")), value.into_owned()))
        };
        told.chain(self.known.names().filter_map(param)).collect()
    }

    /// What a service knows a start by that comes twice. One act may ship several times: to one place after the other, and
    /// back what was there before. Numbers of acts are another Deckhand's, too: `hash` is that of the act's entry.
    pub fn key(&self, hash: &str) -> String {
        let Release { commit, params, artifact, .. } = self.release;
        let hosts: Vec<_> = self.hosts.iter().map(|host| &host.name).collect();
        let what = json!([hash, commit, params, artifact, hosts, self.colour, self.back]);
        let digest = format!("{:x}", Sha256::digest(what.to_string()));
        format!("deckhand-{}-{}", self.act, digest.get(..16).unwrap_or(&digest))
    }

    /// The log of one target.
    pub fn log_of(&self, host: Option<&Host>) -> String {
        host.map_or_else(|| self.log.clone(), |host| logs::part(&self.log, &host.name))
    }

    /// Its targets, or the environment as a whole.
    pub fn places(&self) -> Vec<Option<&'a Host>> {
        if self.hosts.is_empty() { vec![None] } else { self.hosts.iter().copied().map(Some).collect() }
    }
}

/// Work that is being done.
pub struct Run<'a> {
    /// The ways into the world.
    pub ports: &'a Ports,
    /// The right to change it.
    pub permit: &'a Permit,
    /// What is to be done.
    pub work: Work<'a>,
    /// Cancelled when it is to end before its time: gracefully, and after [`Work::grace`] firmly.
    pub cancel: CancellationToken,
    /// What people are shown of it.
    pub board: Board,
}

/// What finds work again after Deckhand was started anew: a small value that means something to its driver alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Handle(Value);

impl Handle {
    /// A handle that holds `value`.
    pub fn new(value: impl Serialize) -> Handle {
        Handle(serde_json::to_value(value).unwrap_or_default())
    }

    /// What it holds, if this driver made it.
    pub fn read<T: DeserializeOwned>(&self) -> Option<T> {
        serde_json::from_value(self.0.clone()).ok()
    }
}

/// The end of some work, which comes when it is there.
pub type Ending<'a> = Pin<Box<dyn Future<Output = End> + Send + 'a>>;

/// Work that has begun.
pub struct Begun<'a> {
    /// What finds it again.
    pub handle: Handle,
    /// Its end; work is followed while this is waited for.
    pub end: Ending<'a>,
}

/// How some work ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Well.
    Good,
    /// Not well; a sentence without a full stop: "Its program failed: exit status 3".
    Failed(String),
    /// It was cancelled; what was left behind, where something was: a sentence without a full stop.
    Cancelled {
        /// "Its program goes on on `web1`, which can not be reached".
        left_behind: Option<String>,
    },
    /// Nobody can tell. As long as the work may go on, a health check that finds its release settles nothing: what comes
    /// after it may change that again, and meet what is shipped next.
    Unknown {
        /// What is known, as a sentence without a full stop.
        says: String,
        /// What a person looks at to find out, where the work may still go on; nothing where it is over, so that only what
        /// is live can tell.
        settle: Option<String>,
    },
}

/// Why it is not known which artifact was shipped: a sentence without a full stop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsaid {
    /// It should have been said, and never will be.
    Never(String),
    /// Who knows it can not be asked now.
    Unheard(String),
}

impl Unsaid {
    /// What a person looks at to find out.
    pub const SETTLE: &str = "A look at what ships it";
}

impl From<Unsaid> for End {
    fn from(unsaid: Unsaid) -> End {
        match unsaid {
            Unsaid::Never(why) => End::Failed(why),
            Unsaid::Unheard(says) => End::Unknown { says, settle: Some(Unsaid::SETTLE.to_owned()) },
        }
    }
}

/// What became of work that an earlier start began.
pub enum Found<'a> {
    /// It still goes on.
    Running(Ending<'a>),
    /// It is over, or nobody can tell.
    Over(End),
    /// It surely never began.
    Never,
}
