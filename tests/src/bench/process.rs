//! The program from outside: how large it is, how soon it is there, and how much memory it has when idle. Against a bare
//! axum server, built the same way, that answers one word.

use super::{Figure, Goal, median};
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How often each program is started for the time that it takes.
const STARTS: usize = 9;

/// How long a program is left alone before its memory is read.
const IDLE: Duration = Duration::from_secs(5);

/// The unit in which proc(5) counts the processor's time: `sysconf(_SC_CLK_TCK)` is 100 on every Linux of today.
const TICK: Duration = Duration::from_millis(10);

/// How long a start may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Measures `deckhand` against `bare`, both in the folder `programs`, with its data under `scratch`.
///
/// # Errors
/// When one of them does not start.
pub fn run(programs: &Path, scratch: &Path) -> Result<Vec<Figure>> {
    let [deckhand, bare] = ["deckhand", "bare"].map(|name| programs.join(name));
    let data = scratch.join("data");
    let (first, server) = start(&deckhand, &data)?;
    drop(server);
    let (mut starts, mut bare_starts) = (Vec::new(), Vec::new());
    for _ in 0..STARTS {
        starts.push(start(&deckhand, &data)?.0.as_secs_f64());
        bare_starts.push(start(&bare, &data)?.0.as_secs_f64());
    }
    let (_, server) = start(&deckhand, &data)?;
    let (_, bare_server) = start(&bare, &data)?;
    sleep(IDLE);
    let mebi = |bytes: f64| format!("{:.1} MiB", bytes / f64::from(1 << 20));
    let milli = |seconds: f64| format!("{:.0} ms", seconds * 1e3);
    let figure = |what: &str, show: &dyn Fn(f64) -> String, is: f64, bare: f64| Figure {
        what: what.to_owned(),
        measured: show(is),
        against: format!("a bare axum server: {}", show(bare)),
        ratio: is / bare,
        goal: Goal::None,
    };
    let (usual, bare_usual) = (median(starts), median(bare_starts));
    Ok(vec![
        figure("the first start: demo made, store made, page served", &milli, first.as_secs_f64(), bare_usual),
        figure("a later start, until the page is served", &milli, usual, bare_usual),
        figure("idle memory of the demo (VmRSS)", &mebi, server.memory()?, bare_server.memory()?),
        figure("size of the program", &mebi, size(&deckhand)?, size(&bare)?),
    ])
}

/// A program that ends with the measurement.
pub(super) struct Server(pub(super) Child);

impl Server {
    /// The memory that it has, in bytes.
    pub(super) fn memory(&self) -> Result<f64> {
        self.status("VmRSS:")
    }

    /// The most memory that it has had, in bytes.
    pub(super) fn peak(&self) -> Result<f64> {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).context("proc(5) has it")?;
        let kibi: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kibi * 1024.0)
    }

    /// What it has used of the processor, itself and the system for it.
    pub(super) fn cpu(&self) -> Result<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0.id()))?;
        // The program's name may have anything in it, but is the last thing in parentheses; utime and stime are the 14th
        // and 15th field.
        let (_, fields) = stat.rsplit_once(") ").context("proc(5) has its name")?;
        let ticks: Result<Vec<u32>, _> = fields.split(' ').skip(11).take(2).map(str::parse).collect();
        Ok(TICK * ticks?.iter().sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a program, and returns how long it took until it answered `GET /`.
fn start(program: &Path, data: &Path) -> Result<(Duration, Server)> {
    let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
    let began = Instant::now();
    let mut command = Command::new(program);
    command.env("DECKHAND_LISTEN", listen.to_string()).env("DECKHAND_DATA", data).env_remove("DECKHAND_CONFIG");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command
        .spawn()
        .with_context(|| format!("{} can not be started: `scripts/bench` builds it", program.display()))?;
    let mut server = Server(child);
    while !answers(listen) {
        if let Some(status) = server.0.try_wait()? {
            bail!("{} has ended at its start: {status}", program.display());
        }
        if began.elapsed() > PATIENCE {
            bail!("{} does not answer on {listen}", program.display());
        }
        sleep(Duration::from_micros(500));
    }
    Ok((began.elapsed(), server))
}

fn answers(listen: SocketAddr) -> bool {
    let Ok(mut stream) = TcpStream::connect(listen) else { return false };
    let mut start = [0; 12];
    let asked = write!(stream, "GET / HTTP/1.1\r\nHost: {listen}\r\nConnection: close\r\n\r\n");
    asked.and_then(|()| stream.read_exact(&mut start)).is_ok() && start == *b"HTTP/1.1 200"
}

fn size(program: &Path) -> Result<f64> {
    Ok(fs::metadata(program)?.len() as f64)
}
