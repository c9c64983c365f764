//! The built program as an operator has it: an installation of its own, started, asked, signalled, and always ended.

use crate::deploys::serve;
use rustix::process::{Pid, Signal, kill_process, test_kill_process_group};
use serde_json::Value;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

/// How long anything may take before a drill gives up on it.
const PATIENCE: Duration = Duration::from_secs(120);

/// The program `deckhand`, which lies beside the test's own.
///
/// # Panics
/// When it has not been built.
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a program");
    let built = test.parent().and_then(Path::parent).expect("a test lies in target/*/deps").join("deckhand");
    assert!(built.exists(), "{} is missing: run `cargo build -p bot`", built.display());
    built
}

/// Waits until `done` gives something.
///
/// # Panics
/// When that takes too long.
pub fn until<T>(what: &str, mut done: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = done() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// As [`until`], where finding out waits for something itself.
///
/// # Panics
/// As [`until`].
pub async fn until_async<T>(what: &str, mut done: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = done().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A port that nobody listens on. It is below those that the system gives to whoever connects to somewhere, so that it
/// is still free when Deckhand has been away for a while.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 600).unwrap_or(0) * 16;
    let mut ports = std::iter::from_fn(|| Some(20_000 + first + NEXT.fetch_add(1, Ordering::Relaxed) % 2_000));
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("some port is free")
}

/// One installation: its folder, its data, its port, and its config unless it is the demo.
pub struct Home {
    folder: tempfile::TempDir,
    listen: SocketAddr,
    hooks: SocketAddr,
    config: Option<PathBuf>,
}

impl Home {
    /// The demo.
    pub fn demo() -> Home {
        let folder = tempfile::Builder::new().prefix("deckhand-").tempdir().expect("a temporary folder");
        let [listen, hooks] = [(); 2].map(|()| SocketAddr::from(([127, 0, 0, 1], free_port())));
        Home { folder, listen, hooks, config: None }
    }

    /// An installation with this config, in which `{listen}`, `{hooks}` and `{data}` are filled in.
    pub fn with(config: &str) -> Home {
        let mut home = Home::demo();
        home.write_config(config);
        home
    }

    /// Another config in the place of the one before.
    pub fn write_config(&mut self, config: &str) {
        let file = self.path("deckhand.toml");
        let data = self.data().display().to_string();
        let config = config.replace("{listen}", &self.listen.to_string()).replace("{hooks}", &self.hooks.to_string());
        write(&file, config.replace("{data}", &data));
        self.config = Some(file);
    }

    /// Where a file of this name lies.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where its data lies.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Where its console listens.
    pub fn listen(&self) -> SocketAddr {
        self.listen
    }

    /// Where it listens to programs, if its config says so.
    pub fn hooks(&self) -> SocketAddr {
        self.hooks
    }

    /// The address of one of its console's pages.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.listen)
    }

    /// `deckhand` with these words, for this installation.
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(words).env("HOME", self.folder.path()).env("NO_COLOR", "1").env_remove("RUST_LOG");
        command.env("DECKHAND_DATA", self.data()).env("DECKHAND_LISTEN", self.listen.to_string());
        match &self.config {
            Some(file) => command.env("DECKHAND_CONFIG", file),
            None => command.env_remove("DECKHAND_CONFIG"),
        };
        command
    }

    /// Runs `deckhand` with these words to its end.
    pub fn run(&self, words: &[&str]) -> Ran {
        let output = self.command(words).stdin(Stdio::null()).output().expect("deckhand can be run");
        Ran::of(&output)
    }

    /// Says a line, and returns how that ended.
    pub fn say(&self, line: &str) -> Ran {
        self.run(&["say", line])
    }

    /// Says a line, and does not wait for the answer.
    pub fn begin(&self, words: &[&str]) -> Begun {
        let mut command = self.command(words);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Begun(Some(command.spawn().expect("deckhand can be run")))
    }

    /// Starts the bot, and waits until it says that it is there.
    ///
    /// # Panics
    /// When it ends instead.
    pub fn start(&self) -> Deckhand {
        self.start_with(&[])
    }

    /// As [`Home::start`], with these environment variables.
    ///
    /// # Panics
    /// As [`Home::start`].
    pub fn start_with(&self, variables: &[(&str, &str)]) -> Deckhand {
        let log = File::options().create(true).append(true).open(self.path("stderr")).expect("a log");
        let mut command = self.command(&[]);
        command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn().expect("deckhand can be run");
        let mut out = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut greeting = String::new();
        let link = loop {
            let from = greeting.len();
            if out.read_line(&mut greeting).unwrap_or(0) == 0 {
                let _ = child.wait();
                panic!("deckhand did not start: {greeting}\n{}", self.log());
            }
            if let Some(link) = greeting[from..].trim().strip_prefix("http") {
                break format!("http{link}");
            }
        };
        Deckhand { child: Some(child), _out: out, link }
    }

    /// What the bot has written to its log until now.
    pub fn log(&self) -> String {
        fs::read_to_string(self.path("stderr")).unwrap_or_default()
    }

    /// The token that lets the command line in.
    ///
    /// # Panics
    /// When the bot has not been started.
    pub fn token(&self) -> String {
        let door = fs::read_to_string(self.data().join("console.json")).expect("the bot has been started");
        let door: Value = serde_json::from_str(&door).expect("it is JSON");
        door["token"].as_str().expect("it has a token").to_owned()
    }

    /// The messages of the channel `ops` as ana sees them.
    ///
    /// # Panics
    /// When the bot does not answer.
    pub async fn messages(&self) -> Vec<Value> {
        self.messages_in("ops").await
    }

    /// The messages of a channel, or of a thread, as ana sees them.
    ///
    /// # Panics
    /// As [`Home::messages`].
    pub async fn messages_in(&self, channel: &str) -> Vec<Value> {
        let path = format!("/api/channels/{}/messages?limit=200&as=ana", channel.replace('/', "%2F"));
        let request = client().get(self.url(&path)).bearer_auth(self.token());
        let answer = request.send().await.expect("the bot answers");
        let page: Value = answer.json().await.expect("it is JSON");
        page["messages"].as_array().expect("a page has messages").clone()
    }

    /// Deckhand's messages among them.
    ///
    /// # Panics
    /// As [`Home::messages`].
    pub async fn answers(&self) -> Vec<Value> {
        self.messages().await.into_iter().filter(|message| message["from"] == "deckhand").collect()
    }

    /// The entries of the ledger, as they are exported.
    ///
    /// # Panics
    /// When it is not.
    pub fn ledger(&self) -> Vec<Value> {
        let exported = self.run(&["audit", "export"]);
        assert_eq!(exported.code, Some(0), "{exported:?}");
        exported.json().into_iter().map(|mut line| line["entry"].take()).collect()
    }

    /// Asserts that the ledger's chain is sound.
    ///
    /// # Panics
    /// When it is not.
    pub fn assert_sound(&self) {
        let verified = self.run(&["audit", "verify"]);
        assert!(verified.code == Some(0) && verified.out.starts_with("The ledger is sound: "), "{verified:?}");
    }
}

/// An HTTP client that follows no redirect and knows no proxy.
///
/// # Panics
/// Never, as long as there is TLS.
pub fn client() -> reqwest::Client {
    let builder = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    builder.build().expect("there is TLS")
}

/// How a run of the command line ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Its exit code; nothing when a signal ended it.
    pub code: Option<i32>,
    /// What it printed.
    pub out: String,
    /// What it complained of.
    pub err: String,
}

impl Ran {
    fn of(output: &Output) -> Ran {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ran { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// What it printed, as one JSON a line.
    ///
    /// # Panics
    /// When it is something else.
    pub fn json(&self) -> Vec<Value> {
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.out.lines().map(parse).collect()
    }
}

/// A run of the command line that is under way; it goes with the drill.
pub struct Begun(Option<Child>);

impl Begun {
    /// Waits for its end.
    ///
    /// # Panics
    /// When it was waited for before.
    pub fn end(mut self) -> Ran {
        let child = self.0.take().expect("it is waited for once");
        Ran::of(&child.wait_with_output().expect("it can be waited for"))
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            // Ended already is what is wanted.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The bot, running; it goes with the drill.
pub struct Deckhand {
    child: Option<Child>,
    // Whoever prints to a pipe that nobody holds is killed by it.
    _out: BufReader<ChildStdout>,
    /// The one-time link that it has printed.
    pub link: String,
}

impl Deckhand {
    /// Its process.
    ///
    /// # Panics
    /// When it has been ended.
    pub fn id(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// How much memory it has, in KiB.
    ///
    /// # Panics
    /// When it does not run.
    pub fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("proc(5) has it");
        line.trim().trim_end_matches(" kB").parse().expect("it is a number")
    }

    /// Kills it where it stands.
    ///
    /// # Panics
    /// When it had ended by itself: then it has failed.
    pub fn kill(mut self) {
        self.signal(Signal::KILL);
        let status = self.child.take().expect("it runs").wait().expect("it can be waited for");
        assert_eq!(status.code(), None, "it ended by itself");
    }

    /// Tells it to stop, and waits until it has; the time that it took comes back.
    ///
    /// # Panics
    /// When it does not stop, or not well.
    pub fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.signal(Signal::TERM);
        let child = self.child.as_mut().expect("it runs");
        let status = until("it has stopped", || child.try_wait().expect("it can be waited for"));
        self.child = None;
        assert_eq!(status.code(), Some(0), "it did not stop well");
        began.elapsed()
    }

    /// Sends it a signal.
    ///
    /// # Panics
    /// When it has been ended.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("it is a process");
        kill_process(pid, signal).expect("it runs");
    }
}

impl Drop for Deckhand {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
            // Ended already is what is wanted.
            let _ = kill_process(pid, Signal::TERM);
        }
        let began = Instant::now();
        while matches!(child.try_wait(), Ok(None)) && began.elapsed() < Duration::from_secs(5) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let _ = child.wait();
    }
}

/// A service to deploy: a git repository with the tags v1, v2 and v3, a program that does what `how.sh` says, and a
/// health check that tells what the program has made live.
pub struct Service {
    folder: PathBuf,
    /// Where its health check is read.
    pub health: String,
}

impl Service {
    /// The service in this installation's folder.
    ///
    /// # Panics
    /// When git is not there.
    pub fn make(home: &Home) -> Service {
        let folder = home.folder.path().to_owned();
        let repository = home.path("app");
        fs::create_dir_all(&repository).expect("a folder");
        git(&repository, &["init", "--quiet", "--initial-branch=main"]);
        for tag in ["v1", "v2", "v3"] {
            write(&repository.join("release"), tag);
            git(&repository, &["add", "--all"]);
            git(&repository, &["commit", "--quiet", "--message", tag]);
            git(&repository, &["tag", tag]);
        }
        let script = home.path("ship.sh");
        write(
            &script,
            "#!/bin/sh\necho \"$DECKHAND_REF $$\" >> runs\n. ./how.sh\necho \"$1\" > live.new\nmv live.new live\n",
        );
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).expect("its own file");
        let health = format!("http://127.0.0.1:{}/", serve(folder.clone(), Some("live")));
        let service = Service { folder, health };
        service.how("");
        service
    }

    /// What its program does, as lines of a shell, between saying that it runs and making the release live.
    pub fn how(&self, lines: &str) {
        write(&self.folder.join("how.sh"), lines);
    }

    /// The runs of its program: the ref and the process group of each.
    pub fn runs(&self) -> Vec<(String, i32)> {
        let text = fs::read_to_string(self.folder.join("runs")).unwrap_or_default();
        let run = |line: &str| {
            let (reference, group) = line.split_once(' ')?;
            Some((reference.to_owned(), group.parse().ok()?))
        };
        text.lines().filter_map(run).collect()
    }

    /// Waits until its program has been run so many times.
    ///
    /// # Panics
    /// When it is not.
    pub fn wait_for_runs(&self, count: usize) {
        until("the program runs", || (self.runs().len() >= count).then_some(()));
    }

    /// Whether anything of its last run is still there.
    pub fn is_running(&self) -> bool {
        let group = self.runs().last().and_then(|(_, group)| Pid::from_raw(*group));
        group.is_some_and(|group| test_kill_process_group(group).is_ok())
    }

    /// The commit that its program has made live.
    pub fn live(&self) -> String {
        fs::read_to_string(self.folder.join("live")).unwrap_or_default().trim().to_owned()
    }

    /// The commit of a tag.
    pub fn commit(&self, tag: &str) -> String {
        git(&self.folder.join("app"), &["rev-parse", tag])
    }
}

fn git(folder: &Path, words: &[&str]) -> String {
    let mut git = Command::new("git");
    git.args(["-c", "user.name=ana", "-c", "user.email=ana@example.invalid", "-C"]).arg(folder).args(words);
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    let output = git.output().expect("git is missing: run `scripts/setup`");
    assert!(output.status.success(), "git {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Writes a file.
///
/// # Panics
/// When it can not be written.
pub fn write(file: &Path, text: impl AsRef<[u8]>) {
    fs::write(file, text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
}

/// Reads a file, whatever is in it.
///
/// # Panics
/// When it is not there.
pub fn read(file: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut open = File::open(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    open.read_to_end(&mut bytes).expect("it can be read");
    bytes
}
