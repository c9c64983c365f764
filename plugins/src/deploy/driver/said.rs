//! What work has said that is done elsewhere: fetched once it has ended, and kept as its log, as the output of a program is.

use super::Run;
use bytes::Bytes;
use commands::cx::Ports;
use commands::text;
use http::{Request, Response, StatusCode, header};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// The most that is fetched of one text, in bytes: its end, as that tells what went wrong.
pub const MOST: usize = 2 << 20;

/// The most that a log has of such texts, in bytes.
pub const LOG: usize = 8 << 20;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(12);

/// How long a text may take to be there after the end of what has said it, and how often it is asked for.
const PATIENCE: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(2);

/// Why a text was not fetched.
#[derive(Debug)]
pub enum Unfetched {
    /// It may be there a moment later: a sentence without its full stop.
    Yet(String),
    /// It is no use to ask again.
    Ever(String),
}

/// Adds to the log of the work what was said under this heading, unless that stands there: the end of some work is met again
/// after a restart.
pub async fn keep(run: &Run<'_>, heading: &str, said: &str) {
    let so_far = run.ports.files.tail(&run.work.log, LOG).await.ok().flatten().unwrap_or_default();
    if so_far.lines().any(|line| line == heading) {
        return;
    }
    let log = format!("{so_far}{heading}\n{}\n", said.trim_end());
    if let Err(error) = run.permit.keep_text(&run.work.log, &log).await {
        run.board.line(format!("Its log could not be kept: {error:#}"));
    }
}

/// Asks again for what was not fetched, though not for long.
pub struct Again(Instant);

impl Again {
    /// From now on.
    pub fn begin() -> Again {
        Again(Instant::now())
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// Why it was not fetched, where there is no other.
    pub async fn after(&self, unfetched: Unfetched) -> Result<(), String> {
        match unfetched {
            Unfetched::Yet(_) if self.0.elapsed() < PATIENCE => {
                sleep(AGAIN).await;
                Ok(())
            }
            Unfetched::Yet(why) | Unfetched::Ever(why) => Err(why),
        }
    }
}

/// The end of the text that a request reads. `who` is asked, as the beginning of a sentence: "The service".
pub async fn end_of(ports: &Ports, request: &Request<()>, who: &str) -> Result<String, Unfetched> {
    let answer = read(ports, request, who, None).await?;
    let length = answer.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let whole: usize = length.unwrap_or(answer.body().len());
    if whole <= MOST {
        return Ok(String::from_utf8_lossy(answer.body()).into_owned());
    }
    // Not everybody takes a range; the beginning is better than nothing.
    let end = read(ports, request, who, Some(whole - MOST)).await?;
    let body = String::from_utf8_lossy(end.body());
    Ok(match (end.status(), body.split_once('\n')) {
        (StatusCode::PARTIAL_CONTENT, Some((_, lines))) => format!("(What came before is not kept.)\n{lines}"),
        _ => format!("{body}\n(What comes after is not kept.)"),
    })
}

async fn read(
    ports: &Ports,
    request: &Request<()>,
    who: &str,
    from: Option<usize>,
) -> Result<Response<Bytes>, Unfetched> {
    let mut asks = Request::get(request.uri());
    for (name, value) in request.headers() {
        asks = asks.header(name, value);
    }
    if let Some(from) = from {
        asks = asks.header(header::RANGE, format!("bytes={from}-"));
    }
    let asks = asks.body(Bytes::new()).map_err(|error| Unfetched::Ever(format!("It can not be asked for: {error}")))?;
    let answer = ports.http.read(asks, TIMEOUT, MOST).await;
    let answer = answer
        .map_err(|error| Unfetched::Yet(format!("{who} could not be asked: {}", text::plain(&format!("{error:#}")))))?;
    match answer.status() {
        status if status.is_success() => Ok(answer),
        status @ (StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS) => {
            Err(Unfetched::Yet(format!("{who} answered {}", status.as_u16())))
        }
        status if status.is_server_error() => Err(Unfetched::Yet(format!("{who} answered {}", status.as_u16()))),
        status => Err(Unfetched::Ever(format!("{who} answered {}", status.as_u16()))),
    }
}
