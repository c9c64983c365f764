//! Mirrors of git repositories that are elsewhere: bare, beside the store, fetched when somebody asks for a commit that they
//! lack.

use super::publish::Desk;
use anyhow::{Result, bail};
use async_trait::async_trait;
use commands::act::Permit;
use commands::ports::{Exit, Launcher, Mirrors, Program, Publication, Pushed};
use commands::text;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, HashMap};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The most bytes that one mirror may take.
const LARGEST: u64 = 1 << 30;

/// How often its size is looked at while it grows.
const LOOK: Duration = Duration::from_millis(500);

/// How long one fetch may take.
const LIMIT: Duration = Duration::from_secs(15 * 60);

/// How long whoever asks waits for a fetch; it goes on without them.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long no new fetch is made after one.
const REST: Duration = Duration::from_secs(10);

/// What is fetched. Commits that no ref leads to any more stay: they may be live.
const REFS: [&str; 2] = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"];

/// A folder of mirrors. Cheap to clone; all clones are the same.
#[derive(Clone)]
pub struct Clones(Arc<Inner>);

struct Inner {
    folder: PathBuf,
    launcher: Arc<dyn Launcher>,
    largest: u64,
    publishing: tokio::sync::Mutex<()>,
    known: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Last>>>>,
}

/// When a repository was fetched last, and what went wrong.
type Last = Option<(Instant, Option<String>)>;

impl Clones {
    /// Mirrors in `folder`, which is made when the first one is, by the system's git.
    pub fn new(folder: PathBuf, launcher: Arc<dyn Launcher>) -> Clones {
        Clones(Arc::new(Inner {
            folder,
            launcher,
            largest: LARGEST,
            publishing: tokio::sync::Mutex::default(),
            known: Mutex::default(),
        }))
    }
}

#[async_trait]
impl Mirrors for Clones {
    async fn mirror(&self, repository: &str, commits: &[&str]) -> Result<Option<PathBuf>> {
        let (inner, repository) = (self.0.clone(), repository.to_owned());
        let commits: Vec<_> = commits.iter().map(|&commit| commit.to_owned()).collect();
        let found = tokio::spawn(async move { inner.mirror(&repository, &commits).await });
        match tokio::time::timeout(PATIENCE, found).await {
            Ok(found) => found?,
            Err(_) => bail!("it is still being fetched; ask again in a minute"),
        }
    }

    async fn publish(&self, _permit: &Permit, wanted: &Publication) -> Result<Pushed> {
        // One at a time: they share an index.
        let _turn = self.0.publishing.lock().await;
        Desk::new(&self.0.folder, &self.0.launcher, wanted)?.publish(wanted).await
    }
}

impl Inner {
    async fn mirror(&self, repository: &str, commits: &[String]) -> Result<Option<PathBuf>> {
        let known =
            self.known.lock().unwrap_or_else(PoisonError::into_inner).entry(repository.to_owned()).or_default().clone();
        // One at a time: who comes second finds what the first has fetched.
        let mut last = known.lock().await;
        let name = format!("{:x}", Sha256::digest(repository));
        let folder = self.folder.join(name.get(..32).unwrap_or(&name)).with_extension("git");
        if self.has(&folder, commits).await? {
            return Ok(Some(folder));
        }
        if last.as_ref().is_none_or(|(at, _)| at.elapsed() >= REST) {
            let failed = self.fetch(repository, &folder).await.err().map(|error| format!("{error:#}"));
            *last = Some((Instant::now(), failed));
        }
        if let Some((_, Some(failed))) = &*last {
            bail!("{failed}");
        }
        Ok(self.has(&folder, commits).await?.then_some(folder))
    }

    async fn has(&self, folder: &Path, commits: &[String]) -> Result<bool> {
        if !folder.exists() {
            return Ok(false);
        }
        for commit in commits {
            let wanted = format!("{commit}^{{commit}}");
            let asked = ["rev-parse", "--verify", "--quiet", "--end-of-options", &wanted];
            if self.git(folder, &asked).await.is_err() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn fetch(&self, repository: &str, folder: &Path) -> Result<()> {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        // What was cut off leaves a folder that this mends. Without a template there are no hooks.
        self.git(folder, &["init", "--bare", "--quiet", "--template="]).await?;
        let how = ["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "http.lowSpeedLimit=1000"];
        let what =
            ["-c", "http.lowSpeedTime=30", "fetch", "--quiet", "--prune", "--no-tags", "--no-recurse-submodules"];
        let arguments = [&how[..], &what, &["--no-write-fetch-head", "--", repository], &REFS].concat();
        let done = tokio::select! {
            done = self.git(folder, &arguments) => done,
            () = self.outgrown(folder) => Ok(()),
        };
        if size(folder) > self.largest {
            std::fs::remove_dir_all(folder)?;
            bail!("it is larger than {} MiB", self.largest >> 20);
        }
        done
    }

    /// Ends when the folder has become larger than it may.
    async fn outgrown(&self, folder: &Path) {
        while size(folder) <= self.largest {
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn git(&self, folder: &Path, arguments: &[&str]) -> Result<()> {
        let environment = [("GIT_TERMINAL_PROMPT", "0"), ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh")];
        let output = self.launcher.read(Program {
            argv: std::iter::once("git").chain(arguments.iter().copied()).map(str::to_owned).collect(),
            folder: folder.to_owned(),
            environment: BTreeMap::from(environment.map(|(name, value)| (name.to_owned(), value.to_owned()))),
            limit: LIMIT,
        });
        let output = output.await?;
        match output.exit {
            Exit::Status(0) => Ok(()),
            Exit::Status(_) => bail!("git says: {}", said(&output.stderr)),
            other => bail!("git was {other}"),
        }
    }
}

/// What git says went wrong: its first line, fit to stand at the end of a sentence.
pub(super) fn said(stderr: &str) -> String {
    let said = stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
    text::plain(said.trim_end_matches('.'))
}

/// How many bytes the files of a folder take, as far as they can be read.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.file_type() {
            Ok(kind) if kind.is_dir() => size(&entry.path()),
            Ok(_) => entry.metadata().map_or(0, |found| found.len()),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Folder, Programs};
    use commands::redact::Redactor;
    use std::process::Command;

    struct Home {
        folder: tempfile::TempDir,
        clones: Clones,
    }

    impl Home {
        fn new() -> Home {
            let folder = tempfile::tempdir().unwrap();
            let logs = Arc::new(Folder::new(&folder.path().join("logs")).unwrap());
            let launcher = Arc::new(Programs::new(logs, Redactor::new(Vec::new())));
            let clones = Clones::new(folder.path().join("mirrors"), launcher);
            let home = Home { folder, clones };
            home.git(&["init", "--quiet", "--initial-branch=main", "origin"]);
            home
        }

        fn git(&self, arguments: &[&str]) -> String {
            let set = ["user.name=ana", "user.email=ana@example.com", "commit.gpgsign=false"].map(|set| ["-c", set]);
            let done = Command::new("git")
                .args(set.concat())
                .args(arguments)
                .current_dir(self.folder.path())
                .output()
                .unwrap();
            assert!(done.status.success(), "{arguments:?}: {done:?}");
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        }

        fn commit(&self, says: &str) -> String {
            self.git(&["-C", "origin", "commit", "--quiet", "--allow-empty", "-m", says]);
            self.git(&["-C", "origin", "rev-parse", "HEAD"])
        }

        fn address(&self) -> String {
            format!("file://{}", self.folder.path().join("origin").display())
        }
    }

    /// Time that has to pass before the next fetch; real programs run meanwhile, so it can not be paused.
    fn rested(clones: &Clones) {
        clones.0.known.lock().unwrap().clear();
    }

    #[tokio::test]
    async fn a_missing_commit_is_fetched_and_one_that_no_ref_leads_to_any_more_stays() {
        let home = Home::new();
        let (first, second) = (home.commit("one"), home.commit("two"));
        let mirror = home.clones.mirror(&home.address(), &[&first, &second]).await.unwrap().unwrap();
        assert!(!mirror.join("hooks").exists());
        home.git(&["-C", "origin", "reset", "--quiet", "--hard", &first]);
        let third = home.commit("three");
        let asked = home.clones.mirror(&home.address(), &[&third]).await.unwrap();
        assert_eq!(asked, None, "it was fetched a moment ago");
        rested(&home.clones);
        assert_eq!(home.clones.mirror(&home.address(), &[&second, &third]).await.unwrap(), Some(mirror.clone()));
        assert_eq!(home.clones.mirror(&home.address(), &[&third[..8]]).await.unwrap(), Some(mirror));
        rested(&home.clones);
        assert_eq!(home.clones.mirror(&home.address(), &["0123456789"]).await.unwrap(), None);
        std::fs::remove_dir_all(home.folder.path().join("origin")).unwrap();
        rested(&home.clones);
        assert!(home.clones.mirror(&home.address(), &[&first, &third]).await.unwrap().is_some(), "it is there already");
    }

    #[tokio::test]
    async fn what_is_not_there_is_told_and_not_asked_for_again_at_once() {
        let home = Home::new();
        let address = format!("file://{}/nowhere", home.folder.path().display());
        let error = |asked: Result<_>| format!("{:#}", asked.unwrap_err());
        let told = error(home.clones.mirror(&address, &["0123456"]).await);
        assert!(told.starts_with("git says: ") && told.contains("nowhere"), "{told}");
        std::fs::rename(home.folder.path().join("origin"), home.folder.path().join("nowhere")).unwrap();
        assert_eq!(error(home.clones.mirror(&address, &["0123456"]).await), told);
        rested(&home.clones);
        assert_eq!(home.clones.mirror(&address, &["0123456"]).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_address_that_would_run_a_program_is_not_followed() {
        let home = Home::new();
        let trace = home.folder.path().join("trace");
        for address in
            [format!("ext::sh -c 'touch {}'", trace.display()), format!("--upload-pack=touch {}:", trace.display())]
        {
            assert!(home.clones.mirror(&address, &["0123456"]).await.is_err(), "{address}");
        }
        assert!(!trace.exists());
    }

    #[tokio::test]
    async fn one_that_is_too_large_goes_away() {
        let mut home = Home::new();
        let commit = home.commit("one");
        Arc::get_mut(&mut home.clones.0).unwrap().largest = 100;
        let error = home.clones.mirror(&home.address(), &[&commit]).await.unwrap_err();
        assert_eq!(format!("{error:#}"), "it is larger than 0 MiB");
        assert_eq!(size(&home.folder.path().join("mirrors")), 0);
    }
}
