//! Programs: each from an argument vector, in a process group of its own, with an environment of its own.

use super::Folder;
use anyhow::{Context, Result};
use async_trait::async_trait;
use commands::ports::{Exit, Group, Launcher, Output, Program, Running};
use commands::redact::Redactor;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// What a program may see of Deckhand's own environment: what it needs to find things, and nothing that is secret.
const PASSED_ON: [&str; 6] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSH_AUTH_SOCK"];

/// The most that is kept of a reading program's standard output and standard error, in bytes.
const OUTPUT: (u64, u64) = (1024 * 1024, 64 * 1024);

/// How often a log is looked at for new lines.
const TAIL: Duration = Duration::from_millis(100);

/// The longest line that is handed on, in characters.
const LINE: usize = 4_000;

/// Starts real programs, with their logs in a folder.
pub struct Programs {
    logs: Arc<Folder>,
    redactor: Redactor,
}

impl Programs {
    /// Programs whose logs lie in `logs`, in which `redactor` hides what is secret as soon as a program has ended.
    pub fn new(logs: Arc<Folder>, redactor: Redactor) -> Programs {
        Programs { logs, redactor }
    }
}

fn command(program: &Program) -> Result<Command> {
    let (name, arguments) = program.argv.split_first().context("a program without a name can not be started")?;
    // A program in a relative path is meant from the folder where it runs, whatever Deckhand's own is.
    let local = name.contains('/') && !name.starts_with('/');
    let path = if local { program.folder.join(name) } else { PathBuf::from(name) };
    let mut command = Command::new(path);
    command.args(arguments).current_dir(&program.folder).env_clear().stdin(Stdio::null()).process_group(0);
    command.envs(PASSED_ON.iter().filter_map(|name| Some((name, std::env::var_os(name)?))));
    command.envs(&program.environment);
    Ok(command)
}

fn start(mut command: Command, program: &Program) -> Result<(Child, Group)> {
    let child = command.spawn().with_context(|| format!("`{}` can not be started", program.argv[0]))?;
    let id = child.id().context("the program ended before it had a number")?;
    Ok((child, Group { id, started: started(id).unwrap_or(0) }))
}

/// Starts a program that writes to `log`, and opens that where it will write.
fn start_with_log(program: &Program, log: &Path) -> Result<(Child, Group, tokio::fs::File)> {
    let file = private().append(true).open(log);
    let file = file.with_context(|| format!("the log {} can not be opened", log.display()))?;
    let mut output = std::fs::File::open(log)?;
    // What an earlier program of the same deploy wrote is not told again.
    output.seek(SeekFrom::End(0))?;
    let mut command = command(program)?;
    command.stdout(file.try_clone()?).stderr(file);
    let (child, group) = start(command, program)?;
    Ok((child, group, tokio::fs::File::from_std(output)))
}

#[async_trait]
impl Launcher for Programs {
    async fn read(&self, program: Program) -> Result<Output> {
        let mut command = command(&program)?;
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let (mut child, group) = start(command, &program)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let all = async { tokio::join!(some(stdout, OUTPUT.0), some(stderr, OUTPUT.1), child.wait()) };
        match tokio::time::timeout(program.limit, all).await {
            Ok((stdout, stderr, status)) => Ok(Output { exit: exit(status?), stdout, stderr }),
            Err(_) => {
                signal(&group, Signal::KILL);
                Ok(Output { exit: Exit::TimedOut, stdout: String::new(), stderr: String::new() })
            }
        }
    }

    async fn spawn(&self, program: Program, log: &str, grace: Duration, cancel: CancellationToken) -> Result<Running> {
        let (log, limit) = (self.logs.path(log)?, program.limit);
        let written = log.clone();
        // Starting a program holds up its thread until it has begun: a deploy to fifty targets would hold up everybody.
        let started = tokio::task::spawn_blocking(move || start_with_log(&program, &written));
        let (child, group, output) = started.await.context("a program was not started")??;
        let (lines, told) = mpsc::channel(256);
        let (ended, exit) = oneshot::channel();
        let tail = CancellationToken::new();
        let following = tokio::spawn(follow(output, lines, tail.clone()));
        let (watched, redactor) = (group.clone(), self.redactor.clone());
        tokio::spawn(async move {
            let exit = watch(child, &watched, limit, grace, cancel).await;
            tail.cancel();
            // The last lines come before the end.
            let _ = following.await;
            let scrubbed = tokio::task::spawn_blocking(move || scrub(&log, &redactor)).await;
            if let Ok(Err(error)) = scrubbed {
                tracing::error!("a log could not be cleared of secrets: {error:#}");
            }
            let _ = ended.send(exit);
        });
        Ok(Running { group, lines: told, exit })
    }

    fn alive(&self, group: &Group) -> bool {
        match started(group.id) {
            Some(started) => started == group.started || group.started == 0,
            None if Path::new("/proc/self/stat").exists() => false,
            None => exists(group),
        }
    }

    fn writing_to(&self, log: &str) -> Option<Group> {
        let log = self.logs.path(log).ok()?.canonicalize().ok()?;
        let opened = |id: &u32, fd| std::fs::read_link(format!("/proc/{id}/fd/{fd}")).is_ok_and(|file| file == log);
        let processes =
            std::fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        let id = processes.into_iter().find(|id| opened(id, 1) || opened(id, 2))?;
        let id = u32::try_from(stat(id, GROUP)?).ok()?;
        Some(Group { id, started: started(id).unwrap_or(0) })
    }

    async fn end(&self, group: &Group, grace: Duration) {
        signal(group, Signal::TERM);
        let gone = async {
            while exists(group) {
                tokio::time::sleep(TAIL).await;
            }
        };
        if tokio::time::timeout(grace, gone).await.is_err() {
            signal(group, Signal::KILL);
        }
    }
}

/// Waits for the program; at its limit, or when cancelled, ends its whole group.
async fn watch(mut child: Child, group: &Group, limit: Duration, grace: Duration, cancel: CancellationToken) -> Exit {
    let why = tokio::select! {
        status = child.wait() => return status.map_or(Exit::Status(-1), exit),
        () = tokio::time::sleep(limit) => Exit::TimedOut,
        () = cancel.cancelled() => Exit::Cancelled,
    };
    signal(group, Signal::TERM);
    // Its children may outlive the leader, so the group is what is waited for.
    let gone = async {
        let _ = child.wait().await;
        while exists(group) {
            tokio::time::sleep(TAIL).await;
        }
    };
    if tokio::time::timeout(grace, gone).await.is_err() {
        signal(group, Signal::KILL);
        let _ = child.wait().await;
    }
    why
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Status(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::Status(-1),
    }
}

fn pid(group: &Group) -> Option<Pid> {
    i32::try_from(group.id).ok().and_then(Pid::from_raw)
}

/// Whether anybody of the group is there: its leader, or what that has left behind.
fn exists(group: &Group) -> bool {
    pid(group).is_some_and(|pid| test_kill_process_group(pid).is_ok())
}

fn signal(group: &Group, signal: Signal) {
    if let Some(pid) = pid(group) {
        // Gone already is what was wanted.
        let _ = kill_process_group(pid, signal);
    }
}

/// Fields of proc(5)'s `stat`, counted from 1 as there: a process's group, and when it was started, in clock ticks since
/// boot.
const GROUP: usize = 5;
const STARTED: usize = 22;

fn started(id: u32) -> Option<u64> {
    stat(id, STARTED)
}

/// A number of the process's `stat`. The second field, the program's name in parentheses, may itself hold spaces and
/// parentheses.
fn stat(id: u32, field: usize) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(field - 3)?.parse().ok()
}

async fn some(from: Option<impl AsyncRead + Unpin>, limit: u64) -> String {
    let Some(mut from) = from else { return String::new() };
    let mut bytes = Vec::new();
    // A broken pipe ends the output as its end does.
    let _ = (&mut from).take(limit).read_to_end(&mut bytes).await;
    let _ = tokio::io::copy(&mut from, &mut tokio::io::sink()).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Hands on what is written to a log from where it was opened on, line by line, until `done` and the end is reached.
async fn follow(mut file: tokio::fs::File, lines: mpsc::Sender<String>, done: CancellationToken) -> Result<()> {
    let mut rest = Vec::new();
    loop {
        let last = done.is_cancelled();
        let mut chunk = Vec::with_capacity(64 * 1024);
        while file.read_buf(&mut chunk).await? > 0 {
            rest.append(&mut chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                hand_on(&lines, &line);
            }
            // A line without end is cut rather than collected.
            if rest.len() > 4 * LINE {
                hand_on(&lines, &std::mem::take(&mut rest));
            }
        }
        if last {
            if !rest.is_empty() {
                hand_on(&lines, &rest);
            }
            return Ok(());
        }
        tokio::select! {
            () = tokio::time::sleep(TAIL) => {}
            () = done.cancelled() => {}
        }
    }
}

/// A file that only its owner can read, made where it is not there.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

/// Writes the log anew without secrets, where it holds any.
fn scrub(log: &Path, redactor: &Redactor) -> Result<()> {
    let mut found = false;
    each_line(log, redactor, |line, hidden| {
        found |= line != hidden;
        Ok(())
    })?;
    if !found {
        return Ok(());
    }
    let beside = log.with_extension("new");
    let mut clean = BufWriter::new(private().write(true).truncate(true).open(&beside)?);
    each_line(log, redactor, |_, hidden| Ok(clean.write_all(hidden.as_bytes())?))?;
    clean.flush()?;
    Ok(std::fs::rename(&beside, log)?)
}

/// Takes each line of a log, as it is and without secrets. One without end is taken in pieces rather than collected.
fn each_line(log: &Path, redactor: &Redactor, mut take: impl FnMut(&str, &str) -> Result<()>) -> Result<()> {
    let mut reader = BufReader::new(std::fs::File::open(log)?);
    let mut line = Vec::new();
    while (&mut reader).take(64 * 1024).read_until(b'\n', &mut line)? > 0 {
        let text = String::from_utf8_lossy(&line);
        take(&text, &redactor.redact(&text))?;
        line.clear();
    }
    Ok(())
}

fn hand_on(lines: &mpsc::Sender<String>, line: &[u8]) {
    let line: String = String::from_utf8_lossy(line).trim_end().chars().take(LINE).collect();
    // Nobody keeps up with a flood of lines on a phone: what does not fit is in the log.
    let _ = lines.try_send(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn sh(script: &str) -> Program {
        Program {
            argv: ["sh", "-c", script].map(str::to_owned).to_vec(),
            folder: PathBuf::from("/"),
            environment: BTreeMap::from([("SHIPPED".to_owned(), "yes".to_owned())]),
            limit: Duration::from_secs(20),
        }
    }

    fn programs() -> (tempfile::TempDir, Programs) {
        let home = tempfile::tempdir().unwrap();
        let logs = Arc::new(Folder::new(home.path()).unwrap());
        (home, Programs::new(logs, Redactor::new(vec!["s3cr3t-t0k3n".to_owned()])))
    }

    #[tokio::test]
    async fn a_program_sees_what_it_is_given_and_no_secrets() {
        let (_home, programs) = programs();
        let output = programs.read(sh("echo $SHIPPED; echo oh >&2; env | grep -c CARGO; exit 3")).await.unwrap();
        assert_eq!((output.exit, &*output.stdout, &*output.stderr), (Exit::Status(3), "yes\n0\n", "oh\n"));
    }

    #[tokio::test]
    async fn lines_are_told_in_order_and_kept_and_only_from_this_program() {
        let (home, programs) = programs();
        std::fs::write(home.path().join("a.log"), "from before\n").unwrap();
        let running =
            programs.spawn(sh("echo one; echo two >&2; printf three"), "a.log", TAIL, CancellationToken::new()).await;
        let mut running = running.unwrap();
        let mut lines = Vec::new();
        while let Some(line) = running.lines.recv().await {
            lines.push(line);
        }
        assert_eq!(lines, ["one", "two", "three"]);
        assert_eq!(running.exit.await.unwrap(), Exit::Status(0));
        assert_eq!(std::fs::read_to_string(home.path().join("a.log")).unwrap(), "from before\none\ntwo\nthree");
    }

    #[tokio::test]
    async fn a_log_holds_no_secrets_once_its_program_has_ended() {
        let (home, programs) = programs();
        let running =
            programs.spawn(sh("echo one; echo key s3cr3t-t0k3n; printf last"), "a.log", TAIL, CancellationToken::new());
        running.await.unwrap().exit.await.unwrap();
        assert_eq!(std::fs::read_to_string(home.path().join("a.log")).unwrap(), "one\nkey [secret]\nlast");
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_cancel_ends_the_whole_group_even_one_that_does_not_listen() {
        let (_home, programs) = programs();
        for script in ["sleep 60 & sleep 60", "trap '' TERM; sleep 60 & while :; do sleep 1; done"] {
            let cancel = CancellationToken::new();
            let running =
                programs.spawn(sh(script), "a.log", Duration::from_millis(300), cancel.clone()).await.unwrap();
            assert!(programs.alive(&running.group));
            cancel.cancel();
            assert_eq!(running.exit.await.unwrap(), Exit::Cancelled, "{script}");
            // The last of the group may still wait to be reaped by the system.
            for _ in 0..50 {
                if !programs.alive(&running.group) {
                    break;
                }
                tokio::time::sleep(TAIL).await;
            }
            assert!(!programs.alive(&running.group), "{script}");
        }
    }

    #[tokio::test]
    async fn a_program_that_takes_too_long_is_ended() {
        let (_home, programs) = programs();
        let slow = Program { limit: Duration::from_millis(100), ..sh("sleep 60") };
        assert_eq!(programs.read(slow.clone()).await.unwrap().exit, Exit::TimedOut);
        let running = programs.spawn(slow, "a.log", TAIL, CancellationToken::new()).await.unwrap();
        assert_eq!(running.exit.await.unwrap(), Exit::TimedOut);
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told_by_name() {
        let (_home, programs) = programs();
        let none = Program { argv: vec!["no-such-program".to_owned()], ..sh("") };
        let error = programs.read(none).await.unwrap_err();
        assert!(format!("{error:#}").starts_with("`no-such-program` can not be started: "), "{error:#}");
    }

    #[test]
    fn another_process_with_the_same_number_is_not_the_same() {
        let (_home, programs) = programs();
        let own = std::process::id();
        let Some(started) = started(own) else { return };
        let leads = Group { id: own, started: started + 1 };
        assert!(!programs.alive(&leads));
    }
}
