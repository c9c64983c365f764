//! What the drills on the store share: a process that commits without end, the check of what it leaves, and disks in a
//! file, to cut their power or to fill them.

use crate::contract::draft;
use anyhow::{Context, bail, ensure};
use bot::store::SledStore;
use bytes::Bytes;
use chrono::Utc;
use commands::clock::Clock;
use commands::ledger::{self, Verdict};
use commands::store::{Batch, Read, Store};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How many tasks commit at once.
const TASKS: u64 = 4;

/// How many of its last changes a task leaves in place.
const KEPT: u64 = 8;

/// How many rounds a drill is to have: `DECKHAND_ROUNDS`, or `usual`.
///
/// # Panics
/// When that is no number.
pub fn rounds(usual: u32) -> u32 {
    std::env::var("DECKHAND_ROUNDS").map_or(usual, |rounds| rounds.parse().expect("DECKHAND_ROUNDS is no number"))
}

/// Waits for a random while of less than `most`.
pub fn wait_up_to(most: Duration) {
    let random = RandomState::new().build_hasher().finish() % 1000;
    thread::sleep(most * u32::try_from(random).unwrap_or(0) / 1000);
}

/// Commits change after change from four tasks, and prints the task and the number of each when it is acknowledged.
///
/// # Errors
/// When the store can not be opened, or a commit fails.
pub async fn hammer(folder: &Path) -> anyhow::Result<()> {
    let store = SledStore::open(folder, Clock::at(Utc::now()))?;
    let commit = async |task: u64| -> anyhow::Result<()> {
        let mut number = count(&store, task).await?;
        loop {
            number += 1;
            store.commit(change(task, number)).await?;
            writeln!(std::io::stdout(), "{task} {number}")?;
        }
    };
    futures::future::try_join_all((0..TASKS).map(commit)).await?;
    Ok(())
}

/// The change `number` of `task`: several keys and an entry, which must all be there or not at all.
fn change(task: u64, number: u64) -> Batch {
    let mut batch = Batch::default();
    batch.put(count_key(task), number.to_string()).enter(draft("hello"));
    for side in ["left", "right"] {
        batch.put(side_key(side, task, number), content(task, number));
        batch.delete(side_key(side, task, number.saturating_sub(KEPT)));
    }
    batch
}

/// Some bytes: now and then many, as a kept log or a picture has.
fn content(task: u64, number: u64) -> Bytes {
    let size = if number.is_multiple_of(50) { 60_000 } else { 20 + number * 37 % 1500 };
    Bytes::from_iter((0..size).map(|at| (at * 31 + number * 7 + task) as u8))
}

fn count_key(task: u64) -> String {
    format!("count/{task}")
}

fn side_key(side: &str, task: u64, number: u64) -> String {
    format!("{side}/{task}/{number:016x}")
}

async fn count(store: &impl Read, task: u64) -> anyhow::Result<u64> {
    let found = store.get(&count_key(task)).await?;
    found.map_or(Ok(0), |record| Ok(std::str::from_utf8(&record.value)?.parse()?))
}

/// The last change of each task that was acknowledged.
pub type Acknowledged = BTreeMap<u64, u64>;

/// Opens the database in `folder` and checks that every acknowledged change is there, that each change is there as a
/// whole or not at all, and that the ledger has exactly one entry for each.
///
/// # Errors
/// When it can not be opened, or one of these is not so.
pub async fn check(folder: &Path, acknowledged: &Acknowledged) -> anyhow::Result<()> {
    let store = SledStore::open(folder, Clock::at(Utc::now()))?;
    let mut total = 0;
    for task in 0..TASKS {
        let count = count(&store, task).await?;
        let last = acknowledged.get(&task).copied().unwrap_or(0);
        ensure!(count >= last, "task {task}: change {last} was acknowledged, but {count} is the last that is there");
        for side in ["left", "right"] {
            let found = store.scan(&format!("{side}/{task}/"), None, usize::MAX).await?;
            let kept = (count.saturating_sub(KEPT) + 1)..=count;
            let keys = kept.clone().map(|number| side_key(side, task, number));
            ensure!(
                found.iter().map(|(key, _)| key.clone()).eq(keys),
                "task {task}: {side} has other keys than {kept:?}"
            );
            for ((key, record), number) in found.iter().zip(kept) {
                ensure!(record.value == content(task, number), "{key} is not what was written");
            }
        }
        total += count;
    }
    match ledger::verify(&store).await? {
        Verdict::Sound { entries, .. } => ensure!(entries == total, "{total} changes, but {entries} entries"),
        Verdict::Bad { seq, why } => bail!("entry {seq} of the ledger: {why}"),
    }
    Ok(())
}

/// A process that runs [`hammer`].
pub struct Hammer {
    child: Child,
    reader: Option<JoinHandle<Acknowledged>>,
}

impl Hammer {
    /// Starts `program` on the database in `folder`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(program: &str, folder: &Path) -> anyhow::Result<Hammer> {
        let mut child = Command::new(program).arg(folder).stdout(Stdio::piped()).spawn().context(program.to_owned())?;
        let lines = BufReader::new(child.stdout.take().context("no pipe")?).lines();
        let read = move || {
            let numbers = lines.map_while(Result::ok).filter_map(|line| {
                let (task, number) = line.split_once(' ')?;
                Some((task.parse().ok()?, number.parse().ok()?))
            });
            // A task's numbers only grow: the last one counts.
            numbers.collect()
        };
        Ok(Hammer { child, reader: Some(thread::spawn(read)) })
    }

    /// Stops it where it stands: when this returns, none of its threads runs, not even inside the kernel.
    ///
    /// # Errors
    /// When it has ended by itself.
    pub fn freeze(&self) -> anyhow::Result<()> {
        kill_process(self.pid()?, Signal::STOP)?;
        let tasks = PathBuf::from(format!("/proc/{}/task", self.child.id()));
        let stopped = || -> anyhow::Result<bool> {
            for task in fs::read_dir(&tasks)? {
                let stat = fs::read_to_string(task?.path().join("stat"))?;
                let state = stat.rsplit(") ").next().and_then(|rest| rest.chars().next());
                match state {
                    Some('T') => {}
                    Some('Z') => bail!("it ended by itself"),
                    _ => return Ok(false),
                }
            }
            Ok(true)
        };
        while !stopped()? {
            thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    /// Kills it, and returns what was acknowledged until then.
    ///
    /// # Errors
    /// When it had already ended by itself: then it has failed.
    pub fn kill(mut self) -> anyhow::Result<Acknowledged> {
        kill_process(self.pid()?, Signal::KILL)?;
        let status = self.child.wait()?;
        ensure!(status.code().is_none(), "the process ended by itself: {status}");
        let reader = self.reader.take().context("it was read before")?;
        reader.join().map_err(|_| anyhow::anyhow!("its output could not be read"))
    }

    fn pid(&self) -> anyhow::Result<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).context("no process")
    }
}

impl Drop for Hammer {
    fn drop(&mut self) {
        // Where a drill fails, the process goes with it; mostly it has gone before.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Why there can be no disk in a file here: it takes root and a loop device.
///
/// # Panics
/// When only the program that makes filesystems is missing.
pub fn why_no_disks(scratch: &Path) -> Option<String> {
    let made = Command::new("mkfs.ext4").arg("-V").output();
    assert!(made.is_ok(), "mkfs.ext4 is missing: run `scripts/setup`, or `apt-get install e2fsprogs`");
    let tried = DiskFile::create(&scratch.join("probe"), 4).and_then(|disk| disk.mount(&scratch.join("probe.d")));
    tried.err().map(|error| format!("{error:#}"))
}

/// A filesystem (ext4) in a file.
pub struct DiskFile(PathBuf);

impl DiskFile {
    /// Makes one of this many MiB.
    ///
    /// # Errors
    /// When the file can not be written.
    pub fn create(file: &Path, mebibytes: u64) -> anyhow::Result<DiskFile> {
        File::create(file)?.set_len(mebibytes << 20)?;
        // Nothing is left for the kernel to write by and by: what is on the disk is there because somebody synced it.
        let eager = "lazy_itable_init=0,lazy_journal_init=0";
        run(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0", "-E", eager]).arg(file))?;
        Ok(DiskFile(file.to_owned()))
    }

    /// What is left of it when the power is cut this moment: what the filesystem has given to its disk, and nothing that
    /// is in memory only.
    ///
    /// # Errors
    /// When it can not be copied.
    pub fn cut_power(&self, copy: &Path) -> anyhow::Result<DiskFile> {
        run(Command::new("cp").arg("--sparse=always").arg(&self.0).arg(copy))?;
        Ok(DiskFile(copy.to_owned()))
    }

    /// Mounts it.
    ///
    /// # Errors
    /// When this machine does not let us.
    pub fn mount(&self, at: &Path) -> anyhow::Result<Mounted> {
        fs::create_dir_all(at)?;
        // `commit`: the journal is written when something is synced, and not of its own accord during a drill.
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop,commit=600"]).arg(&self.0).arg(at))?;
        Ok(Mounted(at.to_owned()))
    }
}

/// A mounted filesystem, until this is dropped.
pub struct Mounted(PathBuf);

impl Mounted {
    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Something may still have a file open after a failure: then it goes when that does.
        if run(Command::new("umount").arg(&self.0)).is_err() {
            let _ = run(Command::new("umount").arg("-l").arg(&self.0));
        }
    }
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(())
}
