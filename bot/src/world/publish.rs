//! Files put into a git repository as one commit on a branch, by the system's git and without a working tree.

use super::mirrors::said;
use anyhow::{Context, Result, bail};
use chrono::SecondsFormat;
use commands::ports::{Exit, Launcher, Output, Program, Publication, Pushed};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Where a commit is put together.
const INDEX: &str = "index-of-deckhand";

/// How long one step of git may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What every call of git is told: no hooks of this machine, no clean-up at the wrong moment, no signature that would ask for
/// a passphrase.
const ALWAYS: [&str; 6] = ["-c", "core.hooksPath=/dev/null", "-c", "gc.auto=0", "-c", "commit.gpgSign=false"];

/// A repository that is published to, as far as it is known here.
pub struct Desk {
    folder: PathBuf,
    launcher: Arc<dyn Launcher>,
    environment: BTreeMap<String, String>,
}

impl Desk {
    /// For this repository, in a folder of its own under `folder`.
    ///
    /// # Errors
    /// When the folder can not be made.
    pub fn new(folder: &Path, launcher: &Arc<dyn Launcher>, wanted: &Publication) -> Result<Desk> {
        let name = format!("{:x}", Sha256::digest(&wanted.repository));
        let folder = folder.join(format!("to-{}", name.get(..32).unwrap_or(&name))).with_extension("git");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        // Locks that a crash of the machine has left would be in the way for ever; whoever comes here comes alone.
        for locked in [INDEX.to_owned(), head(&wanted.base), head(&wanted.branch)] {
            let _ = std::fs::remove_file(folder.join(format!("{locked}.lock")));
        }
        let at = wanted.at.to_rfc3339_opts(SecondsFormat::Secs, true);
        let index = folder.join(INDEX).to_string_lossy().into_owned();
        let (name, email) = wanted.author.clone();
        let environment = [
            ("GIT_TERMINAL_PROMPT", "0".to_owned()),
            ("GIT_ALLOW_PROTOCOL", "file:git:http:https:ssh".to_owned()),
            ("GIT_INDEX_FILE", index),
            ("GIT_AUTHOR_NAME", name.clone()),
            ("GIT_AUTHOR_EMAIL", email.clone()),
            ("GIT_AUTHOR_DATE", at.clone()),
            ("GIT_COMMITTER_NAME", name),
            ("GIT_COMMITTER_EMAIL", email),
            ("GIT_COMMITTER_DATE", at),
        ];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).into();
        Ok(Desk { folder, launcher: launcher.clone(), environment })
    }

    /// Commits and pushes. What stands on the branch as it should stand already is not committed again.
    ///
    /// # Errors
    /// When the repository can not be read, or git not be run.
    pub async fn publish(&self, wanted: &Publication) -> Result<Pushed> {
        self.git(&["init", "--bare", "--quiet", "--template="]).await?;
        let parent = self.parent(wanted).await?;
        let tree = self.tree(wanted, parent.as_deref()).await?;
        if let Some(parent) = &parent
            && self.git(&["rev-parse", &format!("{parent}^{{tree}}")]).await? == tree
        {
            return Ok(Pushed::Commit(parent.clone()));
        }
        let mut commits = vec!["commit-tree", &tree, "-m", &wanted.message];
        commits.extend(parent.iter().flat_map(|parent| ["-p", parent]));
        let commit = self.git(&commits).await?;
        let target = format!("{commit}:refs/heads/{}", wanted.branch);
        let output = self.run(&["push", "--quiet", "--", &wanted.repository, &target]).await?;
        match output.exit {
            Exit::Status(0) => Ok(Pushed::Commit(commit)),
            Exit::Status(_) => Ok(Pushed::Refused(refusal(&output.stderr))),
            other => bail!("git was {other}"),
        }
    }

    /// The commit to build on: the branch where it is, unless all of it is in the base already; the base; nothing where the
    /// repository is empty.
    async fn parent(&self, wanted: &Publication) -> Result<Option<String>> {
        let Publication { repository, base, branch, .. } = wanted;
        let (base, branch) = (head(base), head(branch));
        let listed = self.git(&["ls-remote", "--", repository, &base, &branch]).await?;
        let has = |name: &str| listed.lines().any(|line| line.split_once('\t').is_some_and(|(_, own)| own == name));
        let mut found = BTreeMap::new();
        for name in [&base, &branch].into_iter().filter(|name| has(name)) {
            let here = format!("+{name}:{name}");
            self.git(&["fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--", repository, &here]).await?;
            found.insert(name, self.git(&["rev-parse", "--verify", name]).await?);
        }
        let (base, branch) = (found.remove(&base), found.remove(&branch));
        let (Some(base), Some(branch)) = (&base, &branch) else { return Ok(branch.or(base)) };
        let merged = self.run(&["merge-base", "--is-ancestor", branch, base]).await?.exit == Exit::Status(0);
        Ok(Some(if merged { base } else { branch }.clone()))
    }

    /// The tree of `parent` with the files in it.
    async fn tree(&self, wanted: &Publication, parent: Option<&str>) -> Result<String> {
        self.git(&["read-tree", parent.unwrap_or("--empty")]).await?;
        let before = self.git(&["ls-files", "-z", "--", &format!(":(literal){}/", wanted.folder)]).await?;
        for path in before.split('\0').filter(|path| !path.is_empty()) {
            // Git takes nothing out without a working tree, and looks at none for this.
            self.git(&["--work-tree=.", "update-index", "--force-remove", "--", path]).await?;
        }
        for (path, bytes) in &wanted.files {
            let file = self.folder.join("file-of-deckhand");
            tokio::fs::write(&file, bytes).await?;
            let blob = self.git(&["hash-object", "-w", "--no-filters", "--", &file.to_string_lossy()]).await?;
            self.git(&["update-index", "--add", "--cacheinfo", &format!("100644,{blob},{path}")]).await?;
        }
        self.git(&["write-tree"]).await
    }

    async fn git(&self, arguments: &[&str]) -> Result<String> {
        let output = self.run(arguments).await?;
        match output.exit {
            Exit::Status(0) => Ok(output.stdout.trim().to_owned()),
            Exit::Status(_) => bail!("git says: {}", said(&output.stderr)),
            other => bail!("git was {other}"),
        }
    }

    async fn run(&self, arguments: &[&str]) -> Result<Output> {
        let argv = ["git"].iter().chain(&ALWAYS).chain(arguments).map(|word| (*word).to_owned()).collect();
        let (folder, environment) = (self.folder.clone(), self.environment.clone());
        self.launcher.read(Program { argv, folder, environment, limit: LIMIT }).await.context("git can not be run")
    }
}

/// The name of a branch in full.
fn head(branch: &str) -> String {
    format!("refs/heads/{branch}")
}

/// Why a push was refused: in the words of the other side, where it has any.
fn refusal(stderr: &str) -> String {
    let remote = stderr.lines().filter_map(|line| line.strip_prefix("remote:")).map(str::trim);
    match remote.filter(|line| !line.is_empty()).collect::<Vec<_>>()[..] {
        [] => said(stderr),
        ref lines => said(&lines.join(" ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Folder, Programs};
    use commands::redact::Redactor;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    struct Home {
        folder: tempfile::TempDir,
        launcher: Arc<dyn Launcher>,
    }

    impl Home {
        fn new() -> Home {
            let folder = tempfile::tempdir().unwrap();
            let logs = Arc::new(Folder::new(&folder.path().join("logs")).unwrap());
            let launcher = Arc::new(Programs::new(logs, Redactor::new(Vec::new())));
            let home = Home { folder, launcher };
            home.git(&["init", "--quiet", "--bare", "--initial-branch=main", "origin.git"]);
            home
        }

        fn git(&self, arguments: &[&str]) -> String {
            let set = ["user.name=ana", "user.email=ana@example.com", "commit.gpgsign=false"].map(|set| ["-c", set]);
            let folder = self.folder.path();
            let done = Command::new("git").args(set.concat()).args(arguments).current_dir(folder).output().unwrap();
            assert!(done.status.success(), "{arguments:?}: {done:?}");
            String::from_utf8(done.stdout).unwrap().trim().to_owned()
        }

        /// A first commit on `main`, by somebody else.
        fn begin(&self) {
            let origin = self.folder.path().join("origin.git");
            self.git(&["clone", "--quiet", &origin.to_string_lossy(), "desk"]);
            std::fs::write(self.folder.path().join("desk/README.md"), "hello\n").unwrap();
            self.git(&["-C", "desk", "add", "."]);
            self.git(&["-C", "desk", "commit", "--quiet", "-m", "Say hello"]);
            self.git(&["-C", "desk", "push", "--quiet", "origin", "HEAD:refs/heads/main"]);
        }

        async fn publish(&self, text: &str) -> Result<Pushed> {
            self.publish_with(text, &[]).await
        }

        async fn publish_with(&self, text: &str, pictures: &[&str]) -> Result<Pushed> {
            let pictures = pictures.iter().map(|name| (format!("docs/7/{name}"), "a picture".into()));
            let wanted = Publication {
                repository: self.folder.path().join("origin.git").to_string_lossy().into_owned(),
                base: "main".to_owned(),
                branch: "postmortem/7".to_owned(),
                files: std::iter::once(("docs/7.md".to_owned(), text.to_owned().into())).chain(pictures).collect(),
                folder: "docs/7".to_owned(),
                message: "Publish post-mortem #7".to_owned(),
                author: ("Deckhand".to_owned(), "deckhand@localhost".to_owned()),
                at: chrono::DateTime::UNIX_EPOCH,
            };
            Desk::new(&self.folder.path().join("mirrors"), &self.launcher, &wanted)?.publish(&wanted).await
        }

        fn shows(&self, what: &str) -> String {
            self.git(&["-C", "origin.git", "show", "--no-show-signature", what])
        }
    }

    #[tokio::test]
    async fn it_is_a_commit_on_a_branch_once_and_again_when_it_changes() {
        let home = Home::new();
        home.begin();
        let Pushed::Commit(first) = home.publish("# One\n결제 지연\n").await.unwrap() else { panic!("refused") };
        assert_eq!(home.shows("postmortem/7:docs/7.md"), "# One\n결제 지연");
        assert_eq!(home.shows("postmortem/7:README.md"), "hello");
        // As after a kill between the push and its end on the ledger.
        assert_eq!(home.publish("# One\n결제 지연\n").await.unwrap(), Pushed::Commit(first.clone()));
        let Pushed::Commit(second) = home.publish("# Two\n").await.unwrap() else { panic!("refused") };
        assert_eq!(home.git(&["-C", "origin.git", "rev-parse", "postmortem/7~1"]), first);
        // Merged, and changed on: it goes on from there.
        home.git(&["-C", "origin.git", "update-ref", "refs/heads/main", &second]);
        let Pushed::Commit(third) = home.publish("# Three\n").await.unwrap() else { panic!("refused") };
        assert_eq!(home.git(&["-C", "origin.git", "rev-parse", &format!("{third}~1")]), second);
        assert_eq!(
            home.git(&["-C", "origin.git", "log", "--format=%an %s", "-1", "postmortem/7"]),
            "Deckhand Publish post-mortem #7"
        );
    }

    #[tokio::test]
    async fn locks_of_one_that_was_cut_off_are_in_nobodys_way() {
        let home = Home::new();
        home.begin();
        home.publish("# One\n").await.unwrap();
        let desk = std::fs::read_dir(home.folder.path().join("mirrors")).unwrap().next().unwrap().unwrap().path();
        for locked in ["index-of-deckhand", "refs/heads/main", "refs/heads/postmortem/7"] {
            std::fs::create_dir_all(desk.join(locked).parent().unwrap()).unwrap();
            std::fs::write(desk.join(format!("{locked}.lock")), "").unwrap();
        }
        home.publish("# Two\n").await.unwrap();
        assert_eq!(home.shows("postmortem/7:docs/7.md"), "# Two");
    }

    #[tokio::test]
    async fn what_does_not_go_with_it_any_more_is_taken_away() {
        let home = Home::new();
        home.begin();
        let files = || home.git(&["-C", "origin.git", "ls-tree", "-r", "--name-only", "postmortem/7"]);
        home.publish_with("# One\n", &["chart-1.png", "결제 \".png"]).await.unwrap();
        assert_eq!(files().lines().count(), 4, "{}", files());
        home.publish_with("# One\n", &["chart-1.png"]).await.unwrap();
        assert_eq!(files(), "README.md\ndocs/7.md\ndocs/7/chart-1.png");
    }

    #[tokio::test]
    async fn an_empty_repository_takes_it_and_one_that_refuses_is_told_in_its_words() {
        let home = Home::new();
        assert!(matches!(home.publish("# One\n").await.unwrap(), Pushed::Commit(_)));
        let hook = home.folder.path().join("origin.git/hooks/pre-receive");
        std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
        std::fs::write(&hook, "#!/bin/sh\necho 'branches are locked until Monday'\nexit 1\n").unwrap();
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
        let refused = home.publish("# Two\n").await.unwrap();
        assert_eq!(refused, Pushed::Refused("branches are locked until Monday".to_owned()));
        assert_eq!(home.shows("postmortem/7:docs/7.md"), "# One");
        std::fs::remove_dir_all(home.folder.path().join("origin.git")).unwrap();
        let gone = format!("{:#}", home.publish("# Three\n").await.unwrap_err());
        assert!(gone.starts_with("git says: ") && gone.contains("origin.git"), "{gone}");
    }
}
