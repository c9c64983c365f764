//! A chart against the same picture by matplotlib: each in a process of its own, in turns.

use crate::bench::{Figure, Goal, median};
use anyhow::{Context, Result, ensure};
use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use commands::offer::Better;
use plugins::metrics::chart::{self, Chart, Limits, Line, Mark, Theme};
use plugins::metrics::series::{Point, Series};
use plugins::metrics::unit::Unit;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// How many lines there are, and points in each.
const SIZES: [(usize, usize); 2] = [(1, 1_000), (5, 10_000)];

/// How often each process has its turn.
const TURNS: usize = 5;

/// How often it draws in each.
const TIMES: usize = 7;

/// What a process that draws says of itself.
#[derive(Debug, Clone, Copy)]
struct Drawn {
    /// The median time of a picture, in seconds.
    took: f64,
    /// The most memory that the process has had, in bytes.
    peak: f64,
    /// From its start to its end, in seconds.
    whole: f64,
}

/// Draws a chart of so many lines and points several times, keeps it as `file`, and says the median in milliseconds and the
/// most memory in kB.
///
/// # Errors
/// When it can not be drawn or kept.
pub fn draw(lines: usize, points: usize, file: &Path) -> Result<String> {
    let chart = made_up(lines, points)?;
    let mut took = Vec::new();
    for _ in 0..TIMES {
        let began = Instant::now();
        fs::write(file, chart::png(&chart)?)?;
        took.push(began.elapsed().as_secs_f64());
    }
    let status = fs::read_to_string("/proc/self/status")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("proc(5) has it")?;
    Ok(format!("{:.3} {}", median(took) * 1e3, peak.trim().trim_end_matches(" kB")))
}

/// What `tests/peers/matplotlib/draw.py` makes up in the same way.
fn made_up(lines: usize, points: usize) -> Result<Chart> {
    let begin = DateTime::from_timestamp(1_772_701_200, 0).context("it is a time")?;
    let at = |number: usize| begin + TimeDelta::seconds(30 * number as i64);
    let line = |line: usize| {
        let value = |number: usize| {
            let x = number as f64;
            0.1 * (line + 1) as f64 + 0.03 * (x / 40.0).sin() + 0.01 * (x * 1.7 + line as f64).sin()
        };
        let points = (0..points).map(|number| Point { at: at(number), value: value(number) }).collect();
        Line { series: Series { name: format!("web{line}"), points }, faint: false }
    };
    Ok(Chart {
        title: "checkout-latency in production".to_owned(),
        span: begin..at(points),
        zone: Tz::UTC,
        lines: (0..lines).map(line).collect(),
        step: TimeDelta::seconds(30),
        unit: Unit::of("s"),
        limits: Limits { better: Better::Lower, warn: Some(0.4), bad: Some(0.5) },
        marks: vec![Mark { at: at(points / 2), says: "#412 deploy.ship hello v2".to_owned() }],
        theme: Theme::Light,
    })
}

/// Runs both, which take turns: a slow moment of the machine is to hit both.
pub(super) fn run(programs: &Path, scratch: &Path) -> Result<Vec<Figure>> {
    let peer = programs.join("../peers/matplotlib");
    ensure!(peer.exists(), "{} is missing: run `scripts/setup`", peer.display());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/matplotlib/draw.py");
    let mut figures = Vec::new();
    for (lines, points) in SIZES {
        let size = [lines.to_string(), points.to_string()];
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..TURNS {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg("draw").args(&size).arg(scratch.join("deckhand.png"));
            ours.push(drawn(&mut command)?);
            let mut command = Command::new("python3");
            command.arg(&script).args(&size).arg(scratch.join("matplotlib.png")).env("PYTHONPATH", &peer);
            theirs.push(drawn(command.env("MPLCONFIGDIR", scratch))?);
        }
        type Of = fn(&Drawn) -> f64;
        let parts: [(&str, Of, f64, &str, Goal); 3] = [
            ("a picture", |it| it.took, 1e3, "ms", Goal::AtMost(1.0)),
            ("the most memory of its process", |it| it.peak, 1.0 / f64::from(1 << 20), "MiB", Goal::AtMost(1.0)),
            ("a process that draws it seven times", |it| it.whole, 1e3, "ms", Goal::None),
        ];
        for (what, of, factor, unit, goal) in parts {
            let (is, was) = (median(ours.iter().map(of).collect()), median(theirs.iter().map(of).collect()));
            figures.push(Figure {
                what: format!("a chart of {lines} × {points} points: {what}"),
                measured: format!("{:.1} {unit}", is * factor),
                against: format!("matplotlib: {:.1} {unit}", was * factor),
                ratio: is / was,
                goal,
            });
        }
    }
    Ok(figures)
}

fn drawn(command: &mut Command) -> Result<Drawn> {
    let began = Instant::now();
    let output = command.output()?;
    let whole = began.elapsed().as_secs_f64();
    ensure!(output.status.success(), "nothing was drawn: {}", String::from_utf8_lossy(&output.stderr));
    let said = String::from_utf8(output.stdout)?;
    let (took, peak) = said.trim().split_once(' ').context("it says two figures")?;
    Ok(Drawn { took: took.parse::<f64>()? / 1e3, peak: peak.parse::<f64>()? * 1024.0, whole })
}
