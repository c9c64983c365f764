//! How a service is looked at: ICMP, a TCP connection, HTTP's status and content, or a program of the Nagios kind. This is
//! no plugin: it is what health checks of every plugin have in common.

mod perfdata;
mod settings;

use commands::cx::Ports;
use commands::ports::{Exit, Program};
use commands::text;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// What is tried, and what is well.
#[derive(Debug, Clone, PartialEq)]
pub enum Probe {
    /// One echo request by the system's `ping`: it is answered.
    Icmp {
        /// A name or an address.
        host: String,
    },
    /// A TCP connection: it is opened.
    Tcp {
        /// `host:port`.
        address: String,
    },
    /// An HTTP request: its status is one of these, and its body holds this text.
    Http {
        /// What is read.
        url: String,
        /// Which statuses are good.
        expect: Vec<RangeInclusive<u16>>,
        /// What the first 64 KiB of the body have to hold.
        contains: Option<String>,
    },
    /// A program that only looks, as Nagios runs them: exit status 0 is well, 1 a warning (well, but told), anything else is
    /// not. Its first line says how it is, and may hold figures behind a `|`.
    Program {
        /// The program and its arguments.
        argv: Vec<String>,
        /// Where it runs.
        folder: PathBuf,
    },
}

/// What one try has met.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Whether it is well; if not, a sentence's end that says what was met: `answered 503`. Safe to show.
    pub well: Result<(), String>,
    /// How long it took.
    pub took: Duration,
    /// What else was measured.
    pub figures: Vec<Figure>,
}

/// A figure that a check has measured.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is called.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit.
    pub unit: String,
}

/// Tries it once, within `timeout`.
pub async fn once(ports: &Ports, probe: &Probe, timeout: Duration) -> Seen {
    let began = Instant::now();
    let (mut measured, mut figures) = (None, Vec::new());
    let well = match probe {
        Probe::Icmp { host } => icmp(ports, host, timeout).await.map(|took| measured = took),
        Probe::Tcp { address } => tcp(ports, address, timeout).await,
        Probe::Http { url, expect, contains } => http(ports, url, expect, contains.as_deref(), timeout).await,
        Probe::Program { argv, folder } => program(ports, argv, folder, timeout, &mut figures).await,
    };
    Seen { well, took: measured.unwrap_or_else(|| began.elapsed()), figures }
}

/// How long the answer took, by `ping` itself.
async fn icmp(ports: &Ports, host: &str, timeout: Duration) -> Result<Option<Duration>, String> {
    let wait = format!("{:.3}", timeout.as_secs_f64().max(0.001));
    let argv = ["ping", "-n", "-q", "-c", "1", "-W", &wait, "--", host].map(str::to_owned).to_vec();
    // Looking up the name takes its time, too.
    let output = read(ports, argv, Path::new("/"), timeout + Duration::from_secs(1)).await?;
    match output.exit {
        Exit::Status(0) => Ok(round_trip(&output.stdout)),
        Exit::Status(1) => Err(format!("did not answer within {}", config::duration::show(timeout))),
        Exit::TimedOut => Err("could not be asked in time".to_owned()),
        // On machines without ping sockets for everybody, it needs a right of its own.
        _ if output.stderr.contains("Operation not permitted") => Err(
            "can not be asked: `ping` may not send echo requests here; the operator gives it `cap_net_raw`, or sets `net.ipv4.ping_group_range`"
                .to_owned(),
        ),
        _ => {
            let says = first_line(&output.stderr).trim_start_matches("ping: ");
            Err(format!("could not be asked: {}", text::code(says)))
        }
    }
}

/// The middle of `rtt min/avg/max/mdev = 0.034/0.034/0.034/0.000 ms`.
fn round_trip(output: &str) -> Option<Duration> {
    let line = output.lines().find(|line| line.contains("min/avg/max"))?;
    let milliseconds: f64 = line.split_once('=')?.1.trim().split('/').nth(1)?.parse().ok()?;
    Duration::try_from_secs_f64(milliseconds / 1e3).ok()
}

async fn tcp(ports: &Ports, address: &str, timeout: Duration) -> Result<(), String> {
    let dialled = ports.dial.dial(address, timeout).await;
    dialled.map_err(|error| format!("takes no connection: {}", text::plain(&format!("{error:#}"))))
}

async fn http(
    ports: &Ports,
    url: &str,
    expect: &[RangeInclusive<u16>],
    contains: Option<&str>,
    timeout: Duration,
) -> Result<(), String> {
    let answer = match ports.http.get(url, timeout).await {
        Ok(answer) => answer,
        Err(error) => return Err(format!("could not be asked: {}", text::plain(&format!("{error:#}")))),
    };
    let status = answer.status().as_u16();
    if !expect.iter().any(|good| good.contains(&status)) {
        return Err(format!("answered {status}"));
    }
    let body = String::from_utf8_lossy(answer.body());
    match contains {
        Some(wanted) if !body.contains(wanted) => {
            Err(format!("answered, but without {}: it says {}", text::code(wanted), text::code(first_line(&body))))
        }
        _ => Ok(()),
    }
}

async fn program(
    ports: &Ports,
    argv: &[String],
    folder: &Path,
    timeout: Duration,
    figures: &mut Vec<Figure>,
) -> Result<(), String> {
    let output = read(ports, argv.to_vec(), folder, timeout).await?;
    let (says, measured) = perfdata::read(&output.stdout);
    *figures = measured;
    let says = if says.is_empty() { first_line(&output.stderr) } else { says };
    match output.exit {
        Exit::Status(0 | 1) => Ok(()),
        Exit::Status(2) => Err(format!("says it is critical: {}", text::code(says))),
        Exit::Status(3) => Err(format!("does not know: {}", text::code(says))),
        Exit::TimedOut => Err(format!("took longer than {}", config::duration::show(timeout))),
        exit => Err(format!("failed with {exit}: {}", text::code(says))),
    }
}

async fn read(
    ports: &Ports,
    argv: Vec<String>,
    folder: &Path,
    limit: Duration,
) -> Result<commands::ports::Output, String> {
    // What a program says is read: it has to be in English, and with points in its numbers.
    let environment = BTreeMap::from([("LC_ALL".to_owned(), "C".to_owned())]);
    let program = Program { argv, folder: folder.to_owned(), environment, limit };
    let output = ports.processes.read(program).await;
    output.map_err(|error| format!("could not be asked: {}", text::plain(&format!("{error:#}"))))
}

fn first_line(text: &str) -> &str {
    text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
}
