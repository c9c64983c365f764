//! What Deckhand adds to a deploy: the time from the line to its last reply against the same commands in a loop of a shell,
//! its memory while a program talks without end, and what a long history costs those who look at it.

use super::ask::{self, ask};
use super::process::Server;
use super::{Figure, Goal, median};
use crate::deploys::{config, free_port};
use crate::sshd::Sshd;
use anyhow::{Context, Result, ensure};
use bot::assembly::{self, Surroundings};
use bot::gate::Bot;
use bot::store::SledStore;
use bot::world::{Clones, Folder, Internet, Programs};
use chrono::Utc;
use commands::clock::Clock;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How many targets there are, and how often each case has its turn at the most.
const TARGETS: [(usize, usize); 2] = [(1, 25), (50, 7)];

/// How often it has its turn at the least: the one in the middle counts.
const TURNS: usize = 3;

/// What is asked about a history, and how much longer it may take with the long one.
const LINES: [(&str, f64); 3] =
    [("/deploy history hello staging", 1.5), ("/deploy live hello", 1.5), ("/changes 30d", 1.5)];

/// How much a program says, in bytes.
const SAYS: [usize; 2] = [1 << 20, 100 << 20];

/// How long a deploy that says so much may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the targets are reached, by Deckhand and by a shell.
struct Way {
    name: &'static str,
    /// What the service's section has beside its targets.
    keys: String,
    /// What the loop does for each target.
    body: String,
    against: &'static str,
    /// Whether the loop's connections outlive it, as no deploy's does: that is told beside, and is no goal.
    keeps: bool,
}

/// Measures deploys of `true`, what is asked about a history, and then `deckhand` in the folder `programs`; everything is kept
/// under `scratch`. Each case takes no more turns once it has had `longest`. Each figure is told as soon as it is there.
///
/// # Errors
/// When a deploy does not go well, or a figure can not be told.
pub async fn run(
    programs: &Path,
    scratch: &Path,
    longest: Duration,
    mut tell: impl FnMut(Figure) -> Result<()>,
) -> Result<()> {
    let repository = scratch.join("app");
    repository_at(&repository)?;
    let sshd = Sshd::start();
    let sockets = tempfile::tempdir()?;
    for (case, way) in ways(&sshd, sockets.path()).into_iter().enumerate() {
        for (targets, turns) in TARGETS {
            let folder = scratch.join(format!("case {case} of {targets}"));
            fs::create_dir_all(&folder)?;
            for figure in added(&way, (targets, turns, longest), &folder, &repository).await? {
                tell(figure)?;
            }
        }
    }
    tell(flood(programs, scratch, &repository)?)?;
    ask::measure(scratch, &LINES, longest / 4, tell).await
}

/// Connections that are kept have their sockets in `sockets`, whose path has to be short.
fn ways(sshd: &Sshd, sockets: &Path) -> Vec<Way> {
    let (port, key, known) = (sshd.port(), sshd.key(), sshd.known_hosts());
    let options = format!("-T -F none -p {port} -i '{}' -o UserKnownHostsFile='{}'", key.display(), known.display());
    let kept = format!("{options} -o ControlMaster=auto -o ControlPersist=60 -o ControlPath={}/%C", sockets.display());
    let keys = format!(
        "driver = \"ssh\"\ncommand = [\"true\"]\nssh = {{ known_hosts = '{}', port = {port}, identity = '{}' }}\n",
        known.display(),
        key.display()
    );
    let over = |against, options: &str, keeps| {
        let body = format!("ssh {options} 127.0.0.1 true");
        Way { name: "over ssh", keys: keys.clone(), body, against, keeps }
    };
    let local = "command = [\"/bin/true\"]\n".to_owned();
    vec![
        Way { name: "here", keys: local, body: "/bin/true".to_owned(), against: "a shell's loop", keeps: false },
        over("a loop that connects each time", &options, false),
        over("a loop that keeps its connections", &kept, true),
    ]
}

/// A repository with the tag `v1`.
fn repository_at(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let commit = ["-c", "user.name=ana", "-c", "user.email=ana@example.invalid", "commit", "--quiet", "--allow-empty"];
    for words in [&["init", "--quiet"][..], &[&commit[..], &["--message", "v1"]].concat(), &["tag", "v1"]] {
        let git =
            Command::new("git").arg("-C").arg(folder).args(words).env("GIT_CONFIG_GLOBAL", "/dev/null").status()?;
        ensure!(git.success(), "git {words:?} failed");
    }
    Ok(())
}

/// The time of a deploy against that of the loop, and of one that asks git for the exact commit first, as Deckhand does. They
/// take turns: a slow moment of the machine is to hit all.
async fn added(
    way: &Way,
    (targets, turns, longest): (usize, usize, Duration),
    folder: &Path,
    repository: &Path,
) -> Result<[Figure; 2]> {
    let bot = bot(&way.keys, targets, folder, repository)?;
    let looped = format!("i=0; while [ $i -lt {targets} ]; do {} || exit 1; i=$((i+1)); done", way.body);
    let exact =
        format!("git ls-remote --tags --heads --sort=-v:refname -- '{}' > /dev/null || exit 1", repository.display());
    let (mut ours, mut bare, mut asking, since) = (Vec::new(), Vec::new(), Vec::new(), Instant::now());
    for turn in 0..=turns {
        if turn > TURNS && since.elapsed() > longest {
            break;
        }
        let took = ask(&bot, "/deploy ship app staging v1").await?.as_secs_f64();
        let times = [took, shell(&looped)?, shell(&format!("{exact}\n{looped}"))?];
        // The first turn warms both up.
        if turn > 0 {
            for (all, time) in [&mut ours, &mut bare, &mut asking].into_iter().zip(times) {
                all.push(time);
            }
        }
    }
    let what = format!("a deploy of `true`, {}, targets: {targets}, turns: {}", way.name, ours.len());
    let ours = median(ours);
    let figure = |against: String, theirs: f64| Figure {
        what: what.clone(),
        measured: format!("{:.1} ms", ours * 1e3),
        against: format!("{against}: {:.1} ms", theirs * 1e3),
        ratio: ours / theirs,
        goal: if way.keeps { Goal::None } else { Goal::AtMost(1.3) },
    };
    let asks = format!("{}, which asks git for the commit first", way.against);
    Ok([figure(way.against.to_owned(), median(bare)), figure(asks, median(asking))])
}

/// How long a script takes, in seconds.
fn shell(script: &str) -> Result<f64> {
    let began = Instant::now();
    let shell = Command::new("sh").args(["-c", script]).stdin(Stdio::null()).stderr(Stdio::null()).status()?;
    ensure!(shell.success(), "`{script}` failed");
    Ok(began.elapsed().as_secs_f64())
}

/// A bot in the real world, for a service with so many targets.
fn bot(keys: &str, targets: usize, folder: &Path, repository: &Path) -> Result<Arc<Bot>> {
    let mut section = format!("{keys}[services.app.deploy.targets.staging]\n");
    for target in 1..=targets {
        writeln!(section, "web{target} = {{ host = \"127.0.0.1\" }}")?;
    }
    built(&filled(&config("", &section), folder, repository, "127.0.0.1:0"), folder)
}

/// A bot of this config, which keeps everything in `folder`.
pub(super) fn built(text: &str, folder: &Path) -> Result<Arc<Bot>> {
    built_on(text, folder, opened(folder)?)
}

/// The store in `folder`.
pub(super) fn opened(folder: &Path) -> Result<Arc<SledStore>> {
    Ok(Arc::new(SledStore::open(&folder.join("store"), Clock::at(Utc::now()))?))
}

/// The same, on a store that is open.
pub(super) fn built_on(text: &str, folder: &Path, store: Arc<SledStore>) -> Result<Arc<Bot>> {
    let (config, problems) = config::parse(text, "bench.toml", folder, &|_| None);
    let plan = assembly::plan(&config, plugins::ALL, &problems);
    ensure!(problems.is_empty(), "the config has mistakes:\n{problems}");
    let clock = Clock::at(Utc::now());
    let files = Arc::new(Folder::new(&folder.join("files"))?);
    let internet = Arc::new(Internet::new()?);
    let launcher = Arc::new(Programs::new(files.clone(), plan.redactor().clone()));
    let mirrors = Arc::new(Clones::new(folder.join("mirrors"), launcher.clone()));
    Ok(plan.build(Surroundings { clock, store, wire: internet.clone(), dial: internet, launcher, files, mirrors }))
}

fn filled(config: &str, folder: &Path, repository: &Path, listen: &str) -> String {
    let config = config.replace("{data}", &folder.join("data").display().to_string()).replace("{listen}", listen);
    config.replace("repository = \"app\"", &format!("repository = '{}'", repository.display()))
}

/// The most memory that `deckhand` has had when a program said much, against when it said little.
fn flood(programs: &Path, scratch: &Path, repository: &Path) -> Result<Figure> {
    let mut peaks = Vec::new();
    for bytes in SAYS {
        let folder = scratch.join(format!("says {bytes}"));
        fs::create_dir_all(&folder)?;
        let says = format!("yes 'a line of a log that goes on, as logs do' | head -c {bytes}");
        let keys = format!("command = ['sh', '-c', \"{says}\"]\n");
        let listen = format!("127.0.0.1:{}", free_port());
        let file = folder.join("deckhand.toml");
        fs::write(&file, filled(&config("", &keys), &folder, repository, &listen))?;
        let deckhand = || {
            let mut deckhand = Command::new(programs.join("deckhand"));
            deckhand.env("DECKHAND_CONFIG", &file).env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::null());
            deckhand.stderr(Stdio::null());
            deckhand
        };
        let server = Server(deckhand().spawn().context("deckhand can not be started")?);
        let began = Instant::now();
        while !deckhand().args(["say", "deploy ship app staging v1"]).status()?.success() {
            ensure!(began.elapsed() < PATIENCE, "a program that says {bytes} bytes could not be shipped with");
            std::thread::sleep(Duration::from_millis(100));
        }
        peaks.push(server.peak()?);
    }
    let mebi = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    Ok(Figure {
        what: "the most memory (VmHWM), with a log of 100 MiB".to_owned(),
        measured: mebi(peaks[1]),
        against: format!("with one of 1 MiB: {}", mebi(peaks[0])),
        ratio: peaks[1] / peaks[0],
        goal: Goal::AtMost(1.1),
    })
}
