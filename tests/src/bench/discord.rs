//! Deckhand on Discord, against the smallest bots that others' libraries make: a release build of each talks to the
//! stand-in over loopback, in turns, and is asked the same way.

mod bots;
mod deploys;
mod load;

use super::{Figure, Goal, HEAD, median};
use anyhow::Result;
use bots::Bot;
use deploys::Deploys;
use load::Case;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// How many turns the bots take: a slow moment of the machine is to hit all of them.
const ROUNDS: usize = 10;

/// How many interactions a bot gets in one turn.
const TURN: usize = 500;

/// How many interactions are under way at once, and how many deploys.
const AT_ONCE: usize = 64;

/// How often each bot is started for the time that it takes.
const STARTS: usize = 9;

/// What the issue wants: the memory that Deckhand may have, how soon it is to be there, and how late a last state may come.
const MEMORY: f64 = 40.0 * 1024.0 * 1024.0;
const START: f64 = 0.1;
const LATE: Duration = Duration::from_secs(3);

/// What came out for one bot.
struct Measured {
    bot: Bot,
    cases: Vec<Case>,
    starts: Vec<f64>,
    /// In bytes, when it has done all that it was asked.
    memory: f64,
}

/// Measures `deckhand` in the folder `programs`, and the bots of `tests/peers`, with their data under `scratch`. Returns
/// what `scripts/bench discord` prints.
///
/// # Errors
/// When one of them does not start, or answers what it should not.
pub async fn run(programs: &Path, scratch: &Path) -> Result<String> {
    let mut all = Vec::new();
    for bot in bots::all(programs, scratch).await? {
        let cases = if bot.is_ours() { Case::deckhand() } else { Case::ping() };
        all.push(Measured { bot, cases, starts: Vec::new(), memory: f64::NAN });
    }
    for _ in 0..STARTS {
        for one in &mut all {
            one.starts.push(one.bot.start().await?.as_secs_f64());
            one.bot.end().await;
        }
    }
    for one in &mut all {
        one.bot.start().await?;
        one.bot.settle().await?;
    }
    for _ in 0..ROUNDS {
        for one in &mut all {
            for case in &mut one.cases {
                load::alone(&one.bot, case, TURN).await?;
                load::together(&one.bot, case, TURN, AT_ONCE).await?;
            }
        }
    }
    for one in &mut all {
        one.memory = one.bot.memory()?;
        if !one.bot.is_ours() {
            one.bot.end().await;
        }
    }
    let deploys = deploys::run(&all[0].bot, AT_ONCE).await?;
    all[0].bot.end().await;
    table(&all, &deploys)
}

/// What came out, and then what was wanted of it.
fn table(all: &[Measured], deploys: &Deploys) -> Result<String> {
    let mut out = String::from(
        "| bot | asked | acknowledged, alone: p50 / p99 | done, alone: p50 / p99 | acknowledged, 64 at once: p50 / p99 \
         | done, 64 at once | processor time each | memory at the end | start |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    for one in all {
        for case in &one.cases {
            let both = |taken: &[Duration]| format!("{} / {}", micro(part(taken, 50)), micro(part(taken, 99)));
            let load::Part { alone, together, .. } = &case.part;
            let (name, asked) = (one.bot.name, case.name);
            let (acknowledged, done, crowded) =
                (both(&alone.acknowledged), both(&alone.done), both(&together.acknowledged));
            let (rate, each) = (rate(case), micro(cpu(case)));
            let (memory, start) = (mebi(one.memory), milli(median(one.starts.clone())));
            writeln!(
                out,
                "| {name} | {asked} | {acknowledged} | {done} | {crowded} | {rate:.0} /s | {each} | {memory} | {start} |"
            )?;
        }
    }
    writeln!(out, "\n{HEAD}")?;
    for figure in figures(all, deploys) {
        writeln!(out, "{figure}")?;
    }
    Ok(out)
}

/// What the issue wants.
fn figures(all: &[Measured], deploys: &Deploys) -> Vec<Figure> {
    let [ours, bare, others @ ..] = all else { return Vec::new() };
    let mut figures = Vec::new();
    let acknowledged = |case: &Case| part(&case.part.alone.acknowledged, 50);
    let done = |case: &Case| part(&case.part.alone.done, 50);
    for case in &ours.cases {
        figures.push(against("acknowledged", case, bare, acknowledged, Goal::AtMost(1.3)));
        figures.push(against("done", case, bare, done, if case.reads { Goal::AtMost(1.5) } else { Goal::None }));
    }
    for (case, other) in ours.cases.iter().flat_map(|case| others.iter().map(move |other| (case, other))) {
        let ahead = || if case.reads { Goal::AtMost(1.0) } else { Goal::None };
        figures.push(against("acknowledged", case, other, acknowledged, ahead()));
        figures.push(against("done", case, other, done, ahead()));
        figures.push(Figure {
            what: format!("{}, 64 at once, done", case.name),
            measured: format!("{:.0} /s", rate(case)),
            against: format!("{}: {:.0} /s", other.bot.name, rate(&other.cases[0])),
            ratio: rate(case) / rate(&other.cases[0]),
            goal: if case.reads { Goal::AtLeast(1.0) } else { Goal::None },
        });
    }
    let (start, last) = (median(ours.starts.clone()), part(&deploys.late, 100).as_secs_f64());
    let wanted = |what: String, show: fn(f64) -> String, is: f64, goal: f64| Figure {
        what,
        measured: show(is),
        against: format!("what is wanted: {}", show(goal)),
        ratio: is / goal,
        goal: Goal::AtMost(1.0),
    };
    let Deploys { late, edits, refused } = deploys;
    let count = late.len();
    let together =
        format!("{count} deploys at once, {edits} edits, {refused} too many: their last states at the latest");
    figures.push(wanted("memory at the end".to_owned(), mebi, ours.memory, MEMORY));
    figures.push(wanted("start, until Discord says READY".to_owned(), milli, start, START));
    figures.push(wanted(together, milli, last, LATE.as_secs_f64()));
    figures
}

fn against(what: &str, case: &Case, other: &Measured, of: impl Fn(&Case) -> Duration, goal: Goal) -> Figure {
    let (ours, theirs) = (of(case), of(&other.cases[0]));
    Figure {
        what: format!("{}, alone, {what} p50", case.name),
        measured: micro(ours),
        against: format!("{}: {}", other.bot.name, micro(theirs)),
        ratio: ours.as_secs_f64() / theirs.as_secs_f64(),
        goal,
    }
}

/// The one at this hundredth, of those in order.
fn part(taken: &[Duration], hundredth: usize) -> Duration {
    let mut taken = taken.to_vec();
    taken.sort_unstable();
    let at = (taken.len() * hundredth / 100).min(taken.len().saturating_sub(1));
    taken.get(at).copied().unwrap_or_default()
}

/// How many were done in a second, in the turn in the middle.
fn rate(case: &Case) -> f64 {
    median(case.part.rates.clone())
}

fn cpu(case: &Case) -> Duration {
    case.part.cpu / u32::try_from(case.part.together.done.len().max(1)).unwrap_or(u32::MAX)
}

fn micro(took: Duration) -> String {
    format!("{:.0} µs", took.as_secs_f64() * 1e6)
}

fn milli(seconds: f64) -> String {
    format!("{:.0} ms", seconds * 1e3)
}

fn mebi(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}
