//! Measures what docs/benchmarks.md keeps, and prints it as a table; `bench discord` is the part with Discord, `bench
//! deploys` what Deckhand adds to a deploy (`bench deploys small`: fewer turns), `bench flags` what flags cost beside Unleash
//! Edge (`bench flags small`: less of it), `bench find` searching ten thousand post-mortems, `bench dora` DORA's measures over
//! many deployments, `bench metrics` charts, `bench digests` a thousand digests at once, `bench ask` the time from a line to its
//! last reply alone. `bench hints FOLDER [SAMPLE]` prints what the hints say of Markdown that others wrote.

use anyhow::Context;
use std::io::Write;
use std::time::Duration;
use tests::bench::{HEAD, ask, commits, deploys, discord, dora, find, flags, hints, metrics, process};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let programs = program.parent().context("a program lies in a folder")?;
    // Beside the programs, not under /tmp: that may be memory.
    let scratch = tempfile::Builder::new().prefix("bench-").tempdir_in(programs)?;
    let mut out = std::io::stdout();
    let part = std::env::args().nth(1);
    if part.as_deref() == Some("discord") {
        return Ok(write!(out, "{}", discord::run(programs, scratch.path()).await?)?);
    }
    if part.as_deref() == Some("draw") {
        // What `bench metrics` runs for each picture.
        let said: Vec<_> = std::env::args().skip(2).collect();
        let [lines, points, file] = said.as_slice() else { anyhow::bail!("draw LINES POINTS FILE") };
        return Ok(writeln!(out, "{}", metrics::draw(lines.parse()?, points.parse()?, file.as_ref())?)?);
    }
    if part.as_deref() == Some("hints") {
        let folder = std::env::args().nth(2).context("hints FOLDER [SAMPLE]")?;
        let sample = std::env::args().nth(3).map(|it| it.parse()).transpose()?.unwrap_or_default();
        return Ok(write!(out, "{}", hints::run(folder.as_ref(), sample)?)?);
    }
    writeln!(out, "{HEAD}")?;
    let small = std::env::args().nth(2).as_deref() == Some("small");
    let tell = |figure| Ok(writeln!(std::io::stdout(), "{figure}")?);
    if part.as_deref() == Some("metrics") {
        return metrics::charts(programs, scratch.path(), tell);
    }
    if part.as_deref() == Some("digests") {
        return metrics::digests(programs, scratch.path(), tell).await;
    }
    if part.as_deref() == Some("deploys") {
        let longest = Duration::from_secs(if small { 5 } else { 60 });
        return deploys::run(programs, scratch.path(), longest, tell).await;
    }
    if part.as_deref() == Some("dora") {
        return dora::run(scratch.path(), |figure| Ok(writeln!(out, "{figure}")?)).await;
    }
    if part.as_deref() == Some("find") {
        for figure in find::run(scratch.path(), find::TURNS).await? {
            writeln!(out, "{figure}")?;
        }
        return Ok(());
    }
    if part.as_deref() == Some("flags") {
        let size = if small { flags::Size::SMALL } else { flags::Size::FULL };
        for figure in flags::run(programs, scratch.path(), &size).await? {
            writeln!(out, "{figure}")?;
        }
        return Ok(());
    }
    if part.as_deref() != Some("ask") {
        for figure in process::run(programs, scratch.path())? {
            writeln!(out, "{figure}")?;
        }
        for figure in commits::run(scratch.path()).await? {
            writeln!(out, "{figure}")?;
        }
    }
    ask::run(scratch.path(), tell).await
}
