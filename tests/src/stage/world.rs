//! The world that a transcript plays in: programs, two environments and what they are asked for, as plain data with knobs.

mod launcher;

use super::BEGINS;
use super::alertmanager::{self, Alertmanager};
use super::figures::Figures;
use super::mortal::Deaths;
use super::repository::{ELSEWHERE, Repository, commit};
use super::ships::{self, Ships};
use crate::github::{self, GitHub};
use anyhow::{Result, bail};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use commands::act::Permit;
use commands::clock::Clock;
use commands::ports::{Dial, Exit, Files, Mirrors, Publication, Pushed, Wire};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::sync::watch;

/// Everything that is not Deckhand. Cheap to clone; all clones are the same world.
#[derive(Clone, Default)]
pub struct World(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    repository: Repository,
    /// What is live, by environment.
    live: BTreeMap<String, String>,
    /// Commits that are not well once they are live.
    sick: BTreeSet<String>,
    /// Commits that are not well at one place: `staging/web2`.
    sick_at: BTreeSet<(String, String)>,
    /// What the next programs do; without one, a program ships its commit.
    scripts: VecDeque<Script>,
    running: BTreeMap<u32, watch::Sender<Option<Exit>>>,
    next_group: u32,
    logs: BTreeMap<String, String>,
    pictures: BTreeMap<String, Bytes>,
    /// What stands at some addresses; nothing where it is gone.
    served: BTreeMap<String, Option<Bytes>>,
    unknown: Vec<String>,
    github: GitHub,
    ships: Ships,
    alertmanager: Alertmanager,
    figures: Figures,
    /// What a CI command answers by exit status, by commit and check.
    ci: BTreeMap<(String, String), i32>,
    clock: Option<Clock>,
    /// Which doors are shut (`db.example:5432`, `http://shop.example/`), and which hosts do not answer.
    shut: BTreeSet<String>,
    /// How long an answer of the shop takes.
    slow: Duration,
    /// What the checking program says, and its exit status.
    says: Option<(i32, String)>,
    /// What Deckhand is killed by.
    deaths: Arc<Deaths>,
    /// The artifact that programs say they have shipped.
    builds: Option<String>,
}

impl State {
    fn now(&self) -> DateTime<Utc> {
        self.clock.as_ref().map(Clock::now).unwrap_or_default()
    }
}

/// What a program does.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Script {
    /// It ends with this status, having changed nothing.
    Fails(i32),
    /// It goes on until it is told to end.
    Hangs,
    /// It can not be started.
    Missing,
    /// It says so many lines, and ends with this status: 0 ships its commit.
    Says(u32, i32),
}

impl World {
    /// Keeps a picture under this name.
    pub fn keep_picture(&self, name: &str, bytes: &'static [u8]) {
        self.state().pictures.insert(name.to_owned(), Bytes::from_static(bytes));
    }

    /// Puts a file at this address, or says that it is gone from there.
    pub fn serve(&self, address: &str, bytes: Option<Bytes>) {
        self.state().served.insert(address.to_owned(), bytes);
    }

    /// The picture, or the text, that is kept under this name.
    pub fn kept(&self, name: &str) -> Option<Bytes> {
        self.state().pictures.get(name).cloned()
    }

    /// A world whose repository has the releases v1, v2 and v3 and the branch `main`; v3 is sick.
    pub fn new() -> World {
        let world = World::default();
        {
            let mut state = world.state();
            state.sick.insert(commit('3'));
            state.next_group = 100;
            state.clock = BEGINS.parse().ok().map(Clock::at);
        }
        world
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Carries out a stage direction; false if it is none of the world's.
    pub fn direct(&self, direction: &str) -> bool {
        let mut state = self.state();
        let words: Vec<_> = direction.split(' ').collect();
        match words[..] {
            ["the", "next", "program", "hangs"] => state.scripts.push_back(Script::Hangs),
            ["the", "next", "program", "says", lines, "lines"] => match lines.parse() {
                Ok(lines) => state.scripts.push_back(Script::Says(lines, 0)),
                Err(_) => return false,
            },
            ["the", "next", "program", "says", lines, "lines", "and", "fails"] => match lines.parse() {
                Ok(lines) => state.scripts.push_back(Script::Says(lines, 1)),
                Err(_) => return false,
            },
            ["the", "next", "program", "is", "missing"] => state.scripts.push_back(Script::Missing),
            ["the", "next", "program", "fails", "with", status] => match status.parse() {
                Ok(status) => state.scripts.push_back(Script::Fails(status)),
                Err(_) => return false,
            },
            ["the", "programs", "ship", "the", "artifact", artifact] => state.builds = Some(artifact.to_owned()),
            ["the", "programs", "name", "no", "artifact"] => state.builds = None,
            ["the", "program", "ends", how @ ("well" | "badly")] => {
                let exit = Exit::Status(i32::from(how == "badly"));
                state.running.values().for_each(|ended| _ = ended.send_replace(Some(exit)));
            }
            ["Deckhand", "will", "be", "killed", "as", "soon", "as", "an", "act", "has", "ended"] => {
                state.deaths.after_an_end.store(true, Ordering::Relaxed);
            }
            ["Deckhand", "will", "be", "killed", "right", "before", "an", "act", "has", "ended"] => {
                state.deaths.before_an_end.store(true, Ordering::Relaxed);
            }
            // On the stage of the console they are shown.
            ["GitHub", "shows", ..] | ["the", "repository", "shows", ..] => {}
            [place, "is", "gone"] => _ = state.shut.insert(place.to_owned()),
            [place, "is", "back"] => _ = state.shut.remove(place),
            ["the", "shop", "takes", milliseconds, "ms"] => match milliseconds.parse() {
                Ok(milliseconds) => state.slow = Duration::from_millis(milliseconds),
                Err(_) => return false,
            },
            ["check_queue", "says", status, ..] => match status.parse() {
                Ok(status) => state.says = Some((status, words[3..].join(" "))),
                Err(_) => return false,
            },
            [tag, "is", how @ ("sick" | "well"), "at", place] => {
                let Some(commit) = state.repository.tagged(tag) else { return false };
                let at = (place.to_owned(), commit);
                if how == "sick" {
                    state.sick_at.insert(at)
                } else {
                    state.sick_at.remove(&at)
                };
            }
            ["the", "CI", "command", "answers", status, "for", check, "of", tag] => {
                let Some(commit) = state.repository.tagged(tag) else { return false };
                let Ok(status) = status.parse() else { return false };
                state.ci.insert((commit, check.to_owned()), status);
            }
            _ => {
                let now = state.now();
                return state.repository.direct(&words)
                    || state.ships.direct(direction)
                    || state.alertmanager.direct(direction, now)
                    || state.figures.direct(direction, now)
                    || state.github.direct(direction, now);
            }
        }
        true
    }

    /// What Deckhand is killed by.
    pub(super) fn deaths(&self) -> Arc<Deaths> {
        self.state().deaths.clone()
    }

    /// What stands outside, where a direction asks to see it: `GitHub shows the issue 1`.
    pub(super) fn shown(&self, direction: &str) -> Option<Vec<String>> {
        let state = self.state();
        match direction.split(' ').collect::<Vec<_>>()[..] {
            ["GitHub", "shows", "the", "issue", number] => state.github.state.issue(number.parse().ok()?),
            ["the", "repository", "shows", branch] => state.repository.shown(branch),
            _ => None,
        }
    }

    /// The webhooks that have arrived by now, to be handed on.
    pub fn webhooks(&self) -> Vec<http::Request<Bytes>> {
        let mut state = self.state();
        let now = state.now();
        let mut all = state.github.webhooks(now);
        all.extend(state.ships.calls());
        all.extend(state.alertmanager.messages());
        all
    }

    /// What is amiss at the end: programs still running, and things asked of the world that it does not know.
    pub fn amiss(&self) -> Vec<String> {
        let state = self.state();
        let running = state.running.keys().map(|group| format!("the program {group} is still running"));
        let scripts = state.scripts.iter().map(|script| format!("no program was there to play {script:?}"));
        state
            .unknown
            .iter()
            .cloned()
            .chain(running)
            .chain(scripts)
            .chain(state.github.amiss())
            .chain(state.ships.amiss())
            .chain(state.alertmanager.amiss())
            .chain(state.figures.amiss())
            .collect()
    }
}

impl World {
    /// What GitHub answers; nothing where its answer never comes.
    fn ask_github(&self, request: &http::Request<Bytes>) -> Option<http::Response<Bytes>> {
        let mut state = self.state();
        let now = state.now();
        let answer = state.github.answer(request, now);
        (!state.github.is_silent()).then_some(answer)
    }

    /// What the shop answers: `ok` and the path, unless it is gone.
    async fn shop(&self, path: &str) -> Result<http::Response<Bytes>> {
        let (slow, gone) = {
            let state = self.state();
            (state.slow, state.shut.contains("shop.example"))
        };
        tokio::time::sleep(slow).await;
        let (status, body) =
            if gone { (503, "no `@everyone`\u{202e}\n".to_owned()) } else { (200, format!("ok {path}\n")) };
        Ok(http::Response::builder().status(status).body(Bytes::from(body))?)
    }
}

#[async_trait]
impl Dial for World {
    async fn dial(&self, address: &str, _timeout: Duration) -> Result<()> {
        if self.state().shut.contains(address) {
            bail!("Connection refused (os error 111)");
        }
        Ok(())
    }
}

#[async_trait]
impl Wire for World {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        timeout: Duration,
        limit: usize,
    ) -> Result<http::Response<Bytes>> {
        if Figures::is_asked(request.uri()) && self.state().figures.is_slow() {
            tokio::time::sleep(timeout).await;
            anyhow::bail!("no answer within {}", config::duration::show(timeout));
        }
        let address = request.uri().to_string();
        if let Some(path) = address.strip_prefix("http://shop.example/") {
            return self.shop(path).await;
        }
        if request.uri().host().is_some_and(|host| github::HOSTS.contains(&host)) {
            return match self.ask_github(&request) {
                Some(answer) => Ok(answer.map(|body| body.slice(..body.len().min(limit)))),
                None => std::future::pending().await,
            };
        }
        if self.state().ships.is_mute(&request) {
            tokio::time::sleep(timeout).await;
            bail!("no answer within {}", config::duration::show(timeout));
        }
        let mut state = self.state();
        if let Some(bytes) = state.served.get(&address) {
            let status = if bytes.is_some() { 200 } else { 404 };
            let body = bytes.clone().unwrap_or_default();
            return Ok(http::Response::builder().status(status).body(body)?);
        }
        if request.uri().host() == Some(ships::HOST) {
            return Ok(state.ships.answer(&request));
        }
        if request.uri().host() == Some(alertmanager::HOST) {
            let now = state.now();
            return state.alertmanager.answer(&request, now);
        }
        if Figures::is_asked(request.uri()) {
            let host = request.uri().host().unwrap_or_default();
            anyhow::ensure!(!state.shut.contains(host), "connection refused");
            return Ok(state.figures.answer(&request));
        }
        let now = state.now();
        let mut shipped = state.github.shipped(now);
        shipped.extend(state.ships.shipped());
        state.live.extend(shipped);
        let Some(environment) =
            address.strip_prefix("http://hello.example/").and_then(|rest| rest.strip_suffix("/health"))
        else {
            state.unknown.push(format!("{} {address} was asked for", request.method()));
            bail!("there is nothing at {address}");
        };
        let body = match state.live.get(environment) {
            None => return Ok(http::Response::builder().status(404).body(Bytes::new())?),
            Some(commit)
                if state.sick.contains(commit) || state.sick_at.contains(&(environment.to_owned(), commit.clone())) =>
            {
                "can not reach the database\n".to_owned()
            }
            Some(commit) => format!("ok {commit}\n"),
        };
        Ok(http::Response::new(Bytes::from(body)))
    }
}

#[async_trait]
impl Mirrors for World {
    async fn mirror(&self, repository: &str, commits: &[&str]) -> Result<Option<PathBuf>> {
        let mut state = self.state();
        if repository != ELSEWHERE {
            state.unknown.push(format!("a mirror of {repository} was asked for"));
        }
        Ok(state.repository.mirrored(commits)?.then(|| PathBuf::from("/srv/hello")))
    }

    async fn publish(&self, _permit: &Permit, wanted: &Publication) -> Result<Pushed> {
        let pushed = self.state().repository.publish(wanted)?;
        match pushed {
            Some(pushed) => Ok(pushed),
            None => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Files for World {
    async fn tail(&self, name: &str, limit: usize) -> Result<Option<String>> {
        let state = self.state();
        Ok(state.logs.get(name).map(|text| text[text.len().saturating_sub(limit)..].to_owned()))
    }

    async fn picture(&self, name: &str) -> Result<Option<Bytes>> {
        Ok(self.state().pictures.get(name).cloned())
    }

    async fn keep_picture(&self, name: &str, bytes: Bytes) -> Result<()> {
        self.state().pictures.insert(name.to_owned(), bytes);
        Ok(())
    }

    async fn keep_text(&self, name: &str, text: String) -> Result<()> {
        self.state().logs.insert(name.to_owned(), text);
        Ok(())
    }
}
