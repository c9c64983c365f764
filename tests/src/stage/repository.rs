//! The one repository of the stage, as plain data: a commit a release, one after the other, and what git says of them.

use super::BEGINS;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use commands::ports::{Exit, Output, Publication, Pushed};
use std::collections::BTreeMap;

/// Where it lies on this machine.
const HERE: &str = "/srv/hello";

/// Its address, for those who do not have it on their machine.
pub const ELSEWHERE: &str = "https://git.example/hello.git";

/// A commit: its digit, author, subject and file.
type Commit = (char, &'static str, &'static str, &'static str);

/// The history: one commit a release, one after the other.
const HISTORY: [Commit; 3] = [
    ('1', "ana", "Say hello", "page.html"),
    ('2', "eve `@everyone`\u{202e}", "Say it **louder**", "page.html"),
    ('3', "ben", "Keep who was greeted", "migrations/0003.sql"),
];

/// The repository, with its knobs.
pub struct Repository {
    /// Its tags and branches, and their commits.
    refs: BTreeMap<String, String>,
    gone: bool,
    /// Why it takes nothing.
    locked: bool,
    /// Whether the next push arrives, and nobody ever hears of it.
    silent: bool,
    /// What was put on its branches, and in how many commits.
    published: BTreeMap<String, Vec<(String, Bytes)>>,
    commits: usize,
}

impl Default for Repository {
    /// With the releases v1, v2 and v3 and the branch `main`.
    fn default() -> Repository {
        let refs = [("refs/tags/v1", '1'), ("refs/tags/v2", '2'), ("refs/tags/v3", '3'), ("refs/heads/main", '3')];
        let refs = refs.map(|(name, digit)| (name.to_owned(), commit(digit))).into();
        Repository { refs, gone: false, locked: false, silent: false, published: BTreeMap::new(), commits: 0 }
    }
}

impl Repository {
    /// Carries out a stage direction; false if it is none of the repository's.
    pub fn direct(&mut self, words: &[&str]) -> bool {
        match *words {
            ["the", "repository", "is", "gone"] => self.gone = true,
            ["the", "repository", "is", "back"] => self.gone = false,
            ["the", "repository", "is", "locked"] => self.locked = true,
            ["the", "repository", "is", "open"] => self.locked = false,
            ["the", "next", "push", "hangs"] => self.silent = true,
            ["the", kind @ ("branch" | "tag"), name, "moves", "to", tag] => {
                let Some(commit) = self.tagged(tag) else { return false };
                let folder = if kind == "tag" { "tags" } else { "heads" };
                self.refs.insert(format!("refs/{folder}/{name}"), commit);
            }
            _ => return false,
        }
        true
    }

    /// What stands on a branch that was published.
    pub fn shown(&self, branch: &str) -> Option<Vec<String>> {
        let mut lines = Vec::new();
        for (path, bytes) in self.published.get(branch)? {
            lines.push(format!("{path}:"));
            match std::str::from_utf8(bytes) {
                Ok(text) => lines.extend(text.lines().map(|line| format!("| {line}"))),
                Err(_) => lines.push("| (a picture)".to_owned()),
            }
        }
        Some(lines)
    }

    /// Takes files on a branch: the same ones are the same commit. Nothing comes of it where its answer never arrives.
    ///
    /// # Errors
    /// What git says while the repository is gone.
    pub fn publish(&mut self, wanted: &Publication) -> anyhow::Result<Option<Pushed>> {
        anyhow::ensure!(!self.gone, "git says: fatal: '{}' does not appear to be a git repository", wanted.repository);
        if self.locked {
            return Ok(Some(Pushed::Refused("branches are locked until Monday".to_owned())));
        }
        let stands = self.published.insert(wanted.branch.clone(), wanted.files.clone());
        self.commits += usize::from(stands.as_ref() != Some(&wanted.files));
        let pushed = Pushed::Commit(format!("dec4{:03}{}", self.commits, "0".repeat(33)));
        Ok((!std::mem::take(&mut self.silent)).then_some(pushed))
    }

    /// The commit of a tag.
    pub fn tagged(&self, tag: &str) -> Option<String> {
        self.refs.get(&format!("refs/tags/{tag}")).cloned()
    }

    /// What git answers; nothing where it is asked what it does not know.
    pub fn git(&self, arguments: &[&str]) -> Option<Output> {
        let fail = |stderr: &str| Output { exit: Exit::Status(128), stdout: String::new(), stderr: stderr.to_owned() };
        let well = |stdout: String| Output { exit: Exit::Status(0), stdout, stderr: String::new() };
        Some(match arguments {
            _ if self.gone => fail("fatal: '/srv/hello' does not appear to be a git repository\n"),
            ["ls-remote", "--tags", "--heads", "--sort=-v:refname", "--", HERE | ELSEWHERE] => {
                well(self.refs.iter().rev().map(|(name, commit)| format!("{commit}\t{name}\n")).collect())
            }
            ["-C", HERE, "rev-list", "--left-right", "--count", range, "--"] => {
                let (here, there) = range.split_once("...").unwrap_or_default();
                let count = |from: &str, to: &str| between(&format!("{from}..{to}"), &[]).count();
                well(format!("{}\t{}\n", count(there, here), count(here, there)))
            }
            ["-C", HERE, "rev-parse", "--verify", "--quiet", "--end-of-options", wanted] => {
                let wanted = wanted.trim_end_matches("^{commit}");
                HISTORY
                    .iter()
                    .map(|(digit, ..)| commit(*digit))
                    .find(|commit| commit.starts_with(wanted))
                    .map_or_else(|| fail(""), well)
            }
            ["-C", HERE, "log", "--full-history", "--no-show-signature", "--name-only", .., range, "--", pattern] => {
                well(between(range, &[pattern]).map(|(.., file)| format!("{file}\0")).collect())
            }
            ["-C", HERE, "log", "--topo-order", "--no-show-signature", _, _, range, "--"] => {
                let line = |(digit, ..): &Commit| {
                    let before = HISTORY.iter().take_while(|(other, ..)| other != digit).last();
                    let parent = before.map(|(digit, ..)| commit(*digit)).unwrap_or_default();
                    format!("{}\0{parent}\0{}\n", commit(*digit), committed(*digit))
                };
                well(between(range, &[]).map(line).collect())
            }
            ["-C", HERE, "log", "--full-history", "--no-show-signature", _, _, range, "--", patterns @ ..] => {
                let line =
                    |(digit, author, subject, _): &Commit| format!("{}\0\0{author}\0{subject}\n", commit(*digit));
                well(between(range, patterns).map(line).collect())
            }
            _ => return None,
        })
    }

    /// Whether a mirror of it has all these commits.
    ///
    /// # Errors
    /// What git says while the repository is gone.
    pub fn mirrored(&self, commits: &[&str]) -> anyhow::Result<bool> {
        anyhow::ensure!(
            !self.gone,
            "git says: fatal: unable to access '{ELSEWHERE}': Could not resolve host: git.example"
        );
        Ok(commits.iter().all(|wanted| HISTORY.iter().any(|(digit, ..)| commit(*digit).starts_with(*wanted))))
    }
}

/// The commit of this digit.
pub fn commit(digit: char) -> String {
    String::from(digit).repeat(40)
}

/// The second at which the commit of this digit was made: one a day, the last one on the day before the stage begins.
fn committed(digit: char) -> i64 {
    let begins = BEGINS.parse::<DateTime<Utc>>().unwrap_or_default();
    let days = HISTORY.len() - HISTORY.iter().take_while(|(other, ..)| *other != digit).count();
    begins.timestamp() - 86_400 * days as i64
}

/// The commits of `from..to`, newest first, and of those the ones that fit patterns of whole folders.
fn between(range: &str, patterns: &[&str]) -> impl Iterator<Item = &'static Commit> {
    let (from, to) = range.split_once("..").unwrap_or_default();
    let place = |commit: &str| HISTORY.iter().position(|(digit, ..)| commit.starts_with(*digit)).map_or(0, |at| at + 1);
    let folder = |pattern: &&str| pattern.trim_start_matches(":(top,glob)").trim_end_matches("**").to_owned();
    let folders: Vec<_> = patterns.iter().map(folder).collect();
    let fits = move |file: &str| folders.is_empty() || folders.iter().any(|folder| file.starts_with(folder));
    HISTORY.iter().take(place(to)).skip(place(from)).rev().filter(move |(.., file)| fits(file))
}
