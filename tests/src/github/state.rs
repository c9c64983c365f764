//! What GitHub knows, as plain data; and the knobs.

use super::issues::{Issue, Pull};
use super::logs::Logs;
use super::refusal;
use super::runs::{Deployment, Run, Script};
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Everything that is known.
pub struct State {
    /// The repositories, by `owner/name`.
    pub repositories: BTreeMap<String, Repository>,
    /// Where its files are: the beginning of their addresses.
    pub files: String,
}

/// A repository.
#[derive(Clone, Default)]
pub struct Repository {
    /// The commits that were pushed.
    pub commits: Vec<String>,
    /// The check runs, by commit.
    pub checks: BTreeMap<String, Vec<CheckRun>>,
    /// The last status of each context, by commit.
    pub statuses: BTreeMap<String, Vec<Status>>,
    /// The deployments, oldest first.
    pub deployments: Vec<Deployment>,
    /// The runs of its one workflow, `deploy.yml`, oldest first.
    pub runs: Vec<Run>,
    /// What the next runs do; without one, a run goes well.
    pub scripts: VecDeque<Script>,
    /// What runs have shipped since that was asked last: environments and commits.
    pub shipped: Vec<(String, String)>,
    /// What has happened since webhooks were last sent: the names of events, and what they tell.
    pub events: Vec<(&'static str, Value)>,
    /// What the next runs upload, by name and digest.
    pub uploads: Vec<(String, Option<String>)>,
    /// What the jobs of its runs say, and how that is kept.
    pub logs: Logs,
    /// The issues, by their numbers from 1.
    pub issues: Vec<Issue>,
    /// The pull requests, by their numbers from 1.
    pub pulls: Vec<Pull>,
    /// Whether there can be no issues.
    pub issueless: bool,
    /// Whether the workflow can not be dispatched.
    pub undispatchable: bool,
    /// Whether it is an older GitHub, which does not say which run it has started.
    pub silent: bool,
}

/// A check run.
#[derive(Debug, Clone)]
pub struct CheckRun {
    /// What it is called.
    pub name: String,
    /// How it ended; nothing while it is at work.
    pub ended: Option<(String, DateTime<Utc>)>,
}

/// A commit status.
#[derive(Debug, Clone)]
pub struct Status {
    /// What it is about.
    pub context: String,
    /// `success`, `pending`, `failure` or `error`.
    pub state: String,
    /// Since when.
    pub at: DateTime<Utc>,
}

impl Default for State {
    /// One repository, `acme/hello`, with the three commits of the stage's world.
    fn default() -> State {
        let commits = ['1', '2', '3'].map(|digit| String::from(digit).repeat(40)).to_vec();
        let hello = Repository { commits, ..Repository::default() };
        let files = "https://files.github.example".to_owned();
        State { repositories: [("acme/hello".to_owned(), hello)].into(), files }
    }
}

impl State {
    /// Carries out a stage direction about the repository `acme/hello`; false if it is none.
    pub fn direct(&mut self, direction: &str, now: DateTime<Utc>) -> bool {
        let Some(repository) = self.repositories.get_mut("acme/hello") else { return false };
        if repository.direct(direction, now) || repository.direct_issues(direction, now) {
            return true;
        }
        let words: Vec<_> = direction.split(' ').collect();
        let (said, days) = match words[..] {
            [.., days, "days", "ago"] => match days.parse() {
                Ok(days) => (&words[..words.len() - 3], days),
                Err(_) => return false,
            },
            _ => (&words[..], 0),
        };
        let at = now - TimeDelta::days(days);
        let Some(commit) = said.get(3).and_then(|tag| Some(tag.strip_prefix('v')?.repeat(40))) else { return false };
        match said {
            ["the", "check", name, _, "begins"] => repository.check(&commit, name, None),
            ["the", "check", name, _, "ends", "with", conclusion] => {
                repository.check(&commit, name, Some(((*conclusion).to_owned(), at)));
            }
            ["the", "status", context, _, "is", state] => {
                let statuses = repository.statuses.entry(commit).or_default();
                statuses.retain(|status| status.context != *context);
                statuses.push(Status { context: (*context).to_owned(), state: (*state).to_owned(), at });
            }
            // From a workflow of its own, under the same name.
            ["another", "check", name, _, "ends", "with", conclusion] => {
                let ended = Some(((*conclusion).to_owned(), at));
                let runs = repository.checks.entry(commit).or_default();
                runs.push(CheckRun { name: (*name).to_owned(), ended });
            }
            ["hundreds", "of", "checks", _, "end", "well"] => {
                for number in 0..250 {
                    repository.check(&commit, &format!("many-{number}"), Some(("success".to_owned(), at)));
                }
            }
            _ => return false,
        }
        true
    }
}

impl Repository {
    fn check(&mut self, commit: &str, name: &str, ended: Option<(String, DateTime<Utc>)>) {
        let runs = self.checks.entry(commit.to_owned()).or_default();
        runs.retain(|run| run.name != name);
        runs.push(CheckRun { name: name.to_owned(), ended });
    }
}

/// What goes wrong with the next request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// GitHub answers so, with a page of HTML.
    Trouble(u16),
    /// The secondary rate limit: come back later.
    Secondary(Duration),
    /// The primary rate limit is spent until then.
    Spent(Duration),
    /// What is made next of this kind, by the end of its path, is made, and the answer is lost on the way.
    Lost(&'static str),
    /// It is made, and the answer never comes.
    Silent(&'static str),
    /// It has trouble so many times, when it is asked for artifacts.
    Artifacts(u32),
}

/// The fault that a stage direction is about: `GitHub answers 502 next`.
pub fn fault(direction: &str) -> Option<Fault> {
    let words: Vec<_> = direction.split(' ').collect();
    let seconds = |text: &str| text.parse().map(Duration::from_secs).ok();
    match words[..] {
        ["the", "answer", "to", "the", "next", what, "is", "lost"] => made(what).map(Fault::Lost),
        ["the", "answer", "to", "the", "next", what, "never", "comes"] => made(what).map(Fault::Silent),
        ["GitHub", "answers", status, "next"] => status.parse().ok().map(Fault::Trouble),
        ["GitHub", "answers", "502", times, "times", "about", "artifacts"] => times.parse().ok().map(Fault::Artifacts),
        ["GitHub", "wants", "a", "pause", "of", s, "seconds"] => seconds(s).map(Fault::Secondary),
        ["GitHub's", "rate", "limit", "is", "spent", "for", s, "seconds"] => seconds(s).map(Fault::Spent),
        _ => None,
    }
}

/// The end of the path at which something of this kind is made.
fn made(what: &str) -> Option<&'static str> {
    let all = [("dispatch", "/dispatches"), ("deployment", "/deployments"), ("issue", "/issues")];
    all.into_iter().find(|(name, _)| *name == what).map(|(_, path)| path)
}

impl Fault {
    /// What GitHub answers then.
    pub fn answer(&self, now: DateTime<Utc>) -> (u16, Value, Vec<(&'static str, String)>) {
        match self {
            Fault::Trouble(status) => (*status, Value::String("<html>Unicorn!</html>".to_owned()), Vec::new()),
            Fault::Lost(_) | Fault::Silent(_) | Fault::Artifacts(_) => Fault::Trouble(502).answer(now),
            Fault::Secondary(pause) => {
                let (status, body) = refusal(403, "You have exceeded a secondary rate limit.");
                (status, body, vec![("retry-after", pause.as_secs().to_string())])
            }
            Fault::Spent(until) => {
                let (status, body) = refusal(403, "API rate limit exceeded for user ID 1.");
                let resets = (now + *until).timestamp().to_string();
                (status, body, vec![("x-ratelimit-remaining", "0".to_owned()), ("x-ratelimit-reset", resets)])
            }
        }
    }
}
