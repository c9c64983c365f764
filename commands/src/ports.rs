//! The ways out into the world: programs, HTTP and files. What only reads is free; what may change anything takes a
//! [`Permit`]. The bot puts the real ones behind these traits, the tests put plain data there.

use crate::act::Permit;
use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// HTTP, as plain requests and responses.
#[async_trait]
pub trait Wire: Send + Sync {
    /// Sends `request` and reads at most `limit` bytes of the answer's body, all within `timeout`. Redirects are not
    /// followed.
    async fn send(
        &self,
        request: http::Request<Bytes>,
        timeout: Duration,
        limit: usize,
    ) -> anyhow::Result<http::Response<Bytes>>;
}

/// HTTP for plugins.
#[derive(Clone)]
pub struct Http(Arc<dyn Wire>);

impl Http {
    /// HTTP over this wire.
    pub fn new(wire: Arc<dyn Wire>) -> Http {
        Http(wire)
    }

    /// Reads at most 64 KiB from `url`, all within `timeout`.
    ///
    /// # Errors
    /// When the address is none, nobody answers in time, or the connection breaks.
    pub async fn get(&self, url: &str, timeout: Duration) -> anyhow::Result<http::Response<Bytes>> {
        let request = http::Request::get(url).body(Bytes::new())?;
        self.0.send(request, timeout, 64 * 1024).await
    }

    /// Sends a request that reads (`GET`, `HEAD`), with headers of its own; see [`Wire::send`].
    ///
    /// # Errors
    /// When nobody answers in time, or the connection breaks; and when the request's method may change something.
    pub async fn read(
        &self,
        request: http::Request<Bytes>,
        timeout: Duration,
        limit: usize,
    ) -> anyhow::Result<http::Response<Bytes>> {
        anyhow::ensure!(request.method().is_safe(), "a {} may change something: it takes a permit", request.method());
        self.0.send(request, timeout, limit).await
    }

    /// Sends a request that may change the world; see [`Wire::send`].
    ///
    /// # Errors
    /// When nobody answers in time, or the connection breaks: then it may have been carried out all the same.
    pub async fn send(
        &self,
        _permit: &Permit,
        request: http::Request<Bytes>,
        timeout: Duration,
        limit: usize,
    ) -> anyhow::Result<http::Response<Bytes>> {
        self.0.send(request, timeout, limit).await
    }
}

/// Tries whether somebody listens.
#[async_trait]
pub trait Dial: Send + Sync {
    /// Opens a TCP connection to `address` (`host:port`, `[::1]:port`) and closes it again, having sent nothing; all within
    /// `timeout`. Every address that a name stands for is tried.
    async fn dial(&self, address: &str, timeout: Duration) -> anyhow::Result<()>;
}

/// A program to run: an argument vector, never a line for a shell.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// Where it runs.
    pub folder: PathBuf,
    /// What is added to the environment, which is otherwise empty but for `PATH`, `HOME`, `LANG`, `TZ`, `TMPDIR` and
    /// `SSH_AUTH_SOCK`: Deckhand's own secrets do not leak into what it runs.
    pub environment: BTreeMap<String, String>,
    /// How long it may take.
    pub limit: Duration,
}

/// What became of a program that was run to its end.
#[derive(Debug, Clone, PartialEq)]
pub struct Output {
    /// How it ended.
    pub exit: Exit,
    /// What it wrote to its standard output; at most 1 MiB.
    pub stdout: String,
    /// What it wrote to its standard error; at most 64 KiB.
    pub stderr: String,
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this status; 0 is success.
    Status(i32),
    /// By this signal, which Deckhand did not send.
    Signal(i32),
    /// It took longer than its limit, and was ended with its whole process group.
    TimedOut,
    /// Somebody cancelled it, and it was ended with its whole process group.
    Cancelled,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Exit::Status(status) => write!(f, "exit status {status}"),
            Exit::Signal(signal) => write!(f, "ended by signal {signal}"),
            Exit::TimedOut => f.write_str("ended because it took too long"),
            Exit::Cancelled => f.write_str("ended on request"),
        }
    }
}

/// Starts programs.
#[async_trait]
pub trait Launcher: Send + Sync {
    /// Runs `program` to its end.
    async fn read(&self, program: Program) -> anyhow::Result<Output>;

    /// Starts `program` in a process group of its own, its output going line by line to the file `log` of
    /// [`Files`] (so that it goes on when Deckhand does not) and from there to [`Running::lines`]. When `cancel` is
    /// cancelled or the limit is over, the whole group gets TERM, and KILL after `grace`.
    async fn spawn(
        &self,
        program: Program,
        log: &str,
        grace: Duration,
        cancel: CancellationToken,
    ) -> anyhow::Result<Running>;

    /// Whether the group's leader is still at work. What it has left behind on purpose, a service that it started, does not
    /// count.
    fn alive(&self, group: &Group) -> bool;

    /// The process group that writes to this log of [`Files`]: one that an earlier run of Deckhand has started, and was
    /// killed before it could note which.
    fn writing_to(&self, log: &str) -> Option<Group>;

    /// Ends a process group that an earlier run of Deckhand left: TERM, and KILL after `grace`.
    async fn end(&self, group: &Group, grace: Duration);
}

/// A process group, told apart from a later one with the same number.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Group {
    /// The process id of its leader.
    pub id: u32,
    /// When the leader started, in the kernel's clock ticks since boot; 0 where the system does not tell.
    pub started: u64,
}

/// A program under way.
#[derive(Debug)]
pub struct Running {
    /// Its process group.
    pub group: Group,
    /// Its output, standard output and error together, a line at a time, cut at 4,000 characters; it ends with the
    /// program. Lines that are not taken in time are dropped here, and stay in the log.
    pub lines: mpsc::Receiver<String>,
    /// How it ended.
    pub exit: oneshot::Receiver<Exit>,
}

/// Programs for plugins.
#[derive(Clone)]
pub struct Processes(Arc<dyn Launcher>);

impl Processes {
    /// Programs started by this launcher.
    pub fn new(launcher: Arc<dyn Launcher>) -> Processes {
        Processes(launcher)
    }

    /// Runs a program that changes nothing (`git rev-parse`), to its end.
    ///
    /// # Errors
    /// When it can not be started.
    pub async fn read(&self, program: Program) -> anyhow::Result<Output> {
        self.0.read(program).await
    }

    /// Starts a program that changes the world; see [`Launcher::spawn`].
    ///
    /// # Errors
    /// When it can not be started.
    pub async fn spawn(
        &self,
        _permit: &Permit,
        program: Program,
        log: &str,
        grace: Duration,
        cancel: CancellationToken,
    ) -> anyhow::Result<Running> {
        self.0.spawn(program, log, grace, cancel).await
    }

    /// Whether a process group is still there.
    pub fn alive(&self, group: &Group) -> bool {
        self.0.alive(group)
    }

    /// The process group that writes to a log; see [`Launcher::writing_to`].
    pub fn writing_to(&self, log: &str) -> Option<Group> {
        self.0.writing_to(log)
    }

    /// Ends a process group that an earlier run left.
    pub async fn end(&self, _permit: &Permit, group: &Group, grace: Duration) {
        self.0.end(group, grace).await;
    }
}

/// Keeps mirrors of git repositories that are elsewhere, to be read. What is fetched lies in Deckhand's own folder: nothing
/// changes in the world.
#[async_trait]
pub trait Mirrors: Send + Sync {
    /// The folder of a bare mirror of `repository` that has these commits (hashes, or beginnings of them); nothing where
    /// the repository itself does not have them all. It is fetched when one is missing, though not again and again.
    ///
    /// # Errors
    /// When it can not be fetched, or not in time: the rest of a sentence about the repository.
    async fn mirror(&self, repository: &str, commits: &[&str]) -> anyhow::Result<Option<PathBuf>>;

    /// Puts files into a repository, as one commit on a branch. Said twice, it is done once: what stands there already as it
    /// should is left as it is.
    ///
    /// # Errors
    /// When the repository can not be read: the rest of a sentence about it.
    async fn publish(&self, permit: &Permit, wanted: &Publication) -> anyhow::Result<Pushed>;
}

/// Files that are to stand on a branch of a repository.
#[derive(Debug, Clone, PartialEq)]
pub struct Publication {
    /// A URL that git knows, or an absolute path.
    pub repository: String,
    /// The branch that a new one starts from.
    pub base: String,
    /// The branch that they go to.
    pub branch: String,
    /// Their paths in it, and what they hold.
    pub files: Vec<(String, Bytes)>,
    /// The folder in it that is theirs: of what it held before, nothing else stays.
    pub folder: String,
    /// What the commit says.
    pub message: String,
    /// Whose name stands in it, and their address.
    pub author: (String, String),
    /// The time that stands in it.
    pub at: DateTime<Utc>,
}

/// What became of a publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// It stands there, as of this commit.
    Commit(String),
    /// The repository has refused it, in its own words: fit to be shown.
    Refused(String),
}

/// What the names of files begin with that stay for good, and are shown as they are: others go when they are old.
pub const KEPT: &str = "kept-";

/// Files that Deckhand keeps beside the store: logs too long for a message, and copies of what people have sent.
#[async_trait]
pub trait Files: Send + Sync {
    /// The last `limit` bytes of a file, from the beginning of a line on; nothing where there is none.
    async fn tail(&self, name: &str, limit: usize) -> anyhow::Result<Option<String>>;

    /// The bytes of a picture, or of any file of which a part is worth nothing; nothing where there is none.
    async fn picture(&self, name: &str) -> anyhow::Result<Option<Bytes>>;

    /// Keeps a picture, or any file whose name begins with [`KEPT`], in place of what was there. It lies in Deckhand's own
    /// folder: nothing changes in the world.
    async fn keep_picture(&self, name: &str, bytes: Bytes) -> anyhow::Result<()>;

    /// Keeps a text under this name, as [`Files::keep_picture`] keeps a picture.
    async fn keep_text(&self, name: &str, text: String) -> anyhow::Result<()>;
}
