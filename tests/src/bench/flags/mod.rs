//! What serving flags costs, against Unleash Edge with the same flags and the same requests in the same run: the processor's
//! time per request, which a busy machine changes least; requests per second, latency and memory beside it.

mod hubs;
mod streams;

use super::{Figure, Goal};
use anyhow::{Result, ensure};
use http::{Method, StatusCode};
use hubs::Hub;
use reqwest::{Client, RequestBuilder, Response};
use std::path::Path;
use std::time::Instant;

/// How much of everything there is.
pub struct Size {
    /// How many flags Edge is measured with.
    pub flags: usize,
    /// How many flags many are.
    pub many: usize,
    /// How many pages listen.
    pub listeners: usize,
    /// How often a flag is turned.
    pub toggles: usize,
    /// How many times each connection asks, for what is cheap and for what is not.
    pub times: [usize; 2],
}

impl Size {
    /// As the benchmark is meant.
    pub const FULL: Size = Size { flags: 1_000, many: 100_000, listeners: 10_000, toggles: 100, times: [2_000, 150] };

    /// Enough to see that it works.
    pub const SMALL: Size = Size { flags: 1_000, many: 5_000, listeners: 500, toggles: 10, times: [100, 10] };
}

/// How many connections ask at once.
const CONNECTIONS: usize = 16;

/// How often a line of chat is said.
const SAYS: usize = 30;

/// One thing that is asked for.
struct Case {
    what: &'static str,
    /// Of Deckhand: the method and path, `{user}` being somebody else each time.
    ours: (Method, &'static str),
    /// Of Edge.
    theirs: (Method, &'static str),
    /// Whether what was sent before is named.
    again: bool,
    times: usize,
    goal: f64,
}

fn cases([cheap, dear]: [usize; 2]) -> [Case; 5] {
    let (get, post) = (Method::GET, Method::POST);
    let case = |what, ours, theirs, again, times, goal| Case { what, ours, theirs, again, times, goal };
    let all = (get.clone(), "/api/frontend?userId={user}&properties[country]=kr");
    let definitions = (get.clone(), "/api/client/features");
    let one = (get, "/api/frontend/features/flag-0500?userId={user}&properties[country]=kr");
    let [ours_one, ours_all] =
        ["/ofrep/v1/evaluate/flags/flag-0500", "/ofrep/v1/evaluate/flags"].map(|path| (post.clone(), path));
    [
        case("one flag (OFREP; Edge: frontend API)", ours_one, one, false, cheap, 1.0),
        case("1,000 flags, frontend API", all.clone(), all.clone(), false, dear, 0.5),
        case("1,000 flags, OFREP (Edge: frontend API)", ours_all, all, false, dear, 0.5),
        case("definitions of 1,000 flags", definitions.clone(), definitions.clone(), false, dear, 0.1),
        case("the same, that the client has (304)", definitions.clone(), definitions, true, cheap, 0.05),
    ]
}

/// Measures `deckhand` in the folder `programs` against Edge in `peers/unleash_edge` beside it, with data under `scratch`.
///
/// # Errors
/// When one of them does not start or answer.
pub async fn run(programs: &Path, scratch: &Path, size: &Size) -> Result<Vec<Figure>> {
    let ours = hubs::deckhand(programs, &scratch.join("flags"), size.flags).await?;
    let theirs = hubs::edge(programs, scratch, &ours).await?;
    let mut figures = Vec::new();
    for case in cases(size.times) {
        let (is, was) = (cost(&ours, &case, &case.ours).await?, cost(&theirs, &case, &case.theirs).await?);
        figures.push(Figure {
            what: format!("{}: processor per request", case.what),
            measured: is.told(),
            against: format!("{}: {}", theirs.name, was.told()),
            ratio: is.cpu / was.cpu,
            goal: Goal::AtMost(case.goal),
        });
    }
    let (is, was) = (ours.server.memory()?, theirs.server.memory()?);
    figures.push(Figure {
        what: format!("memory (VmRSS) after that, {} flags", size.flags),
        measured: mebi(is),
        against: format!("{}: {}", theirs.name, mebi(was)),
        ratio: is / was,
        goal: Goal::None,
    });
    drop(theirs);
    figures.push(delay(&ours).await?);
    figures.push(streams::toggle(&ours, size.toggles).await?);
    figures.extend(streams::listeners(&ours, size.listeners).await?);
    drop(ours);
    figures.extend(streams::many(programs, &scratch.join("many"), size).await?);
    Ok(figures)
}

/// What is measured of one program in one case.
struct Cost {
    /// Of the processor, per request, in seconds.
    cpu: f64,
    per_second: f64,
    p50: f64,
    p99: f64,
}

impl Cost {
    fn told(&self) -> String {
        let Cost { cpu, per_second, p50, p99 } = self;
        format!("{:.0} µs ({per_second:.0}/s, p50 {}, p99 {})", cpu * 1e6, milli(*p50), milli(*p99))
    }
}

async fn cost(hub: &Hub, case: &Case, asked: &(Method, &'static str)) -> Result<Cost> {
    let client = Client::builder().no_proxy().pool_max_idle_per_host(CONNECTIONS).build()?;
    let first = hub.asks(&client, asked, 0).send().await?;
    ensure!(first.status().is_success(), "{}: {} answers {}", case.what, hub.name, first.status());
    let etag = first.headers().get("etag").filter(|_| case.again).cloned();
    let wanted = if case.again { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let (before, began) = (hub.server.cpu()?, Instant::now());
    let one = async |connection: usize| {
        let mut took = Vec::with_capacity(case.times);
        for time in 0..case.times {
            let began = Instant::now();
            let mut request = hub.asks(&client, asked, connection * case.times + time);
            if let Some(etag) = &etag {
                request = request.header("if-none-match", etag);
            }
            let answer = sent(request).await?;
            ensure!(answer.status() == wanted, "{}: {} answers {}", case.what, hub.name, answer.status());
            answer.bytes().await?;
            took.push(began.elapsed().as_secs_f64());
        }
        anyhow::Ok(took)
    };
    let took = futures::future::try_join_all((0..CONNECTIONS).map(one)).await?;
    let (cpu, over) = (hub.server.cpu()? - before, began.elapsed());
    let took = took.concat();
    let requests = took.len() as f64;
    let [p50, p99] = shares(took);
    Ok(Cost { cpu: cpu.as_secs_f64() / requests, per_second: requests / over.as_secs_f64(), p50, p99 })
}

/// Sends a request, anew where the server has just closed the connection: Edge does so with those that were idle for a moment.
async fn sent(request: RequestBuilder) -> Result<Response> {
    let again = request.try_clone();
    match (request.send().await, again) {
        (Err(error), Some(again)) if error.is_request() => Ok(again.send().await?),
        (answer, _) => Ok(answer?),
    }
}

/// How long chat takes while pages fetch all flags without end, against when nobody does.
async fn delay(hub: &Hub) -> Result<Figure> {
    let quiet = says(hub).await?;
    let client = Client::builder().no_proxy().build()?;
    let asks = async |user: usize| -> Result<()> {
        loop {
            let request = hub.asks(&client, &(Method::POST, "/ofrep/v1/evaluate/flags"), user);
            request.send().await?.bytes().await?;
        }
    };
    let busy = tokio::select! {
        broken = futures::future::try_join_all((0..CONNECTIONS).map(asks)) => return Err(broken.err().unwrap_or_else(|| anyhow::anyhow!("they never end"))),
        busy = says(hub) => busy?,
    };
    Ok(Figure {
        what: format!("`deckhand say whoami` while {CONNECTIONS} pages fetch all flags without end"),
        measured: milli(busy),
        against: format!("while nobody does: {}", milli(quiet)),
        ratio: busy / quiet,
        goal: Goal::None,
    })
}

/// How long a line of chat usually takes from the terminal, in seconds.
async fn says(hub: &Hub) -> Result<f64> {
    let mut took = Vec::new();
    for _ in 0..SAYS {
        took.push(hub.said("whoami").await?.as_secs_f64());
    }
    Ok(shares(took)[0])
}

/// The middle, and what 99 of 100 are within.
fn shares(mut values: Vec<f64>) -> [f64; 2] {
    values.sort_unstable_by(f64::total_cmp);
    [50, 99].map(|share| values.get(values.len().saturating_sub(1) * share / 100).copied().unwrap_or(f64::NAN))
}

fn milli(seconds: f64) -> String {
    format!("{:.1} ms", seconds * 1e3)
}

fn mebi(bytes: f64) -> String {
    format!("{:.1} MiB", bytes / f64::from(1 << 20))
}
