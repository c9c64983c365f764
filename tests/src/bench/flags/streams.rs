//! How soon pages are told that a flag was turned in chat: a few of them, very many, and beside very many flags.

use super::hubs::{self, Hub};
use super::{Size, mebi, milli, shares};
use crate::bench::{Figure, Goal};
use anyhow::{Context, Result, bail};
use futures::future::{join_all, try_join_all};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// How many pages listen to a single flag being turned.
const FEW: usize = 20;

/// How many connections are opened at once.
const AT_ONCE: usize = 50;

/// How often a flag is turned where that takes long.
const SOME: usize = 5;

/// What is looked for in what comes.
const EVENT: &[u8] = b"refetchEvaluation";

/// How long somebody waits to be told.
const PATIENCE: Duration = Duration::from_secs(60);

/// A page that listens.
struct Page(TcpStream);

impl Page {
    /// Listens, once it has been told how flags are now.
    async fn open(hub: &Hub) -> Result<Page> {
        let mut stream = TcpStream::connect(&hub.address).await?;
        let head = format!(
            "GET /ofrep/v1/stream HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\n\r\n",
            hub.address, hub.frontend
        );
        stream.write_all(head.as_bytes()).await?;
        let mut page = Page(stream);
        page.told().await?;
        Ok(page)
    }

    /// Waits until it is told something, and says when that was.
    async fn told(&mut self) -> Result<Instant> {
        let (mut heard, mut piece) = (Vec::new(), [0; 512]);
        let hear = async {
            while !heard.windows(EVENT.len()).any(|part| part == EVENT) {
                match self.0.read(&mut piece).await? {
                    0 => bail!("the stream has ended: {}", String::from_utf8_lossy(&heard)),
                    many => heard.extend_from_slice(&piece[..many]),
                }
            }
            Ok(Instant::now())
        };
        tokio::time::timeout(PATIENCE, hear).await.context("nobody is told")?
    }
}

async fn open(hub: &Hub, count: usize) -> Result<Vec<Page>> {
    let mut pages = Vec::with_capacity(count);
    while pages.len() < count {
        let more = AT_ONCE.min(count - pages.len());
        pages.extend(try_join_all((0..more).map(|_| Page::open(hub))).await?);
    }
    Ok(pages)
}

/// Turns a flag, and returns how long each page took to be told and how long the line took, in seconds.
async fn turn(hub: &Hub, pages: &mut [Page], time: usize) -> Result<(Vec<f64>, f64)> {
    // Another share each time, so that there is something to tell.
    let line = format!("flag on flag-0001 staging percent:{}", time % 98 + 1);
    let began = Instant::now();
    let (told, said) = tokio::join!(join_all(pages.iter_mut().map(Page::told)), hub.said(&line));
    let told = told.into_iter().map(|at| Ok(at?.duration_since(began).as_secs_f64())).collect::<Result<_>>()?;
    Ok((told, said?.as_secs_f64()))
}

/// From a line in chat to a page that listens.
pub async fn toggle(hub: &Hub, times: usize) -> Result<Figure> {
    let mut pages = open(hub, FEW).await?;
    let (mut told, mut said) = (Vec::new(), Vec::new());
    for time in 0..times {
        let (each, line) = turn(hub, &mut pages, time).await?;
        told.extend(each);
        said.push(line);
    }
    let ([p50, p99], [line, _]) = (shares(told), shares(said));
    Ok(Figure {
        what: format!("from `deckhand say \"flag on …\"` (with the program's start) to {FEW} pages that listen"),
        measured: format!("p50 {}, p99 {}", milli(p50), milli(p99)),
        against: format!("until the line is answered: p50 {}", milli(line)),
        ratio: p50 / line,
        goal: Goal::None,
    })
}

/// Very many pages that listen.
pub async fn listeners(hub: &Hub, count: usize) -> Result<[Figure; 2]> {
    let (before, began) = (hub.server.memory()?, Instant::now());
    let mut pages = open(hub, count).await?;
    let (opened, after) = (began.elapsed().as_secs_f64(), hub.server.memory()?);
    let (mut last, mut first) = (Vec::new(), Vec::new());
    for time in 0..SOME {
        let (told, _) = turn(hub, &mut pages, 50 + time).await?;
        first.push(told.iter().copied().fold(f64::INFINITY, f64::min));
        last.push(told.into_iter().fold(0.0, f64::max));
    }
    let ([first, _], [last, _]) = (shares(first), shares(last));
    Ok([
        Figure {
            what: format!("memory with {count} pages that listen"),
            measured: format!("{} ({:.1} KiB each)", mebi(after), (after - before) / 1024.0 / count as f64),
            against: format!("before: {}; all there after {opened:.1} s", mebi(before)),
            ratio: after / before,
            goal: Goal::None,
        },
        Figure {
            what: format!("until the last of {count} pages is told, from the line in chat"),
            measured: milli(last),
            against: format!("until the first is: {}", milli(first)),
            ratio: last / first,
            goal: Goal::None,
        },
    ])
}

/// Very many flags.
pub async fn many(programs: &Path, data: &Path, size: &Size) -> Result<[Figure; 2]> {
    let few = hubs::deckhand(programs, &data.join("few"), size.flags).await?;
    let (few_started, few_memory, few_told) = (few.started, few.server.memory()?, told(&few).await?);
    drop(few);
    let hub = hubs::deckhand(programs, &data.join("many"), size.many).await?;
    let (memory, is) = (hub.server.memory()?, told(&hub).await?);
    Ok([
        Figure {
            what: format!("{} flags: memory, once all definitions were served", size.many),
            measured: format!("{}, {:.1} s after the start", mebi(memory), hub.started.as_secs_f64()),
            against: format!("{} flags: {}, {:.1} s", size.flags, mebi(few_memory), few_started.as_secs_f64()),
            ratio: memory / few_memory,
            goal: Goal::None,
        },
        Figure {
            what: format!("{} flags: from a line in chat to a page that listens", size.many),
            measured: milli(is),
            against: format!("{} flags: {}", size.flags, milli(few_told)),
            ratio: is / few_told,
            goal: Goal::None,
        },
    ])
}

/// How long one page usually takes to be told, in seconds.
async fn told(hub: &Hub) -> Result<f64> {
    let mut pages = open(hub, 1).await?;
    let mut all = Vec::new();
    for time in 0..SOME {
        all.extend(turn(hub, &mut pages, time).await?.0);
    }
    Ok(shares(all)[0])
}
