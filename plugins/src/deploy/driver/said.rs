//! What work has said that is done elsewhere: fetched once it has ended, and kept as its log, as the output of a program is.

use super::{End, Run, Work};
use bytes::Bytes;
use commands::ports::Http;
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

/// How long all texts of work that has gone well may take, and of any other: then a way back waits for them, and so does
/// whoever is to be told.
const WELL: Duration = Duration::from_secs(20);
const NOT_WELL: Duration = Duration::from_secs(5);

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

/// Adds to the log of the work what its run has said, which is called so, unless that stands there: the end of some work is
/// met again after a restart.
pub async fn keep(run: &Run<'_>, name: &str, said: &str) {
    let log = &run.work.log;
    let kept = match run.ports.files.tail(log, LOG).await {
        Ok(so_far) => match with(&so_far.unwrap_or_default(), &heading(&run.work, name), said) {
            Some(log_now) => run.permit.keep_text(log, &log_now).await,
            None => Ok(()),
        },
        // Written anew, it would have lost what earlier steps have said.
        Err(error) => Err(error),
    };
    if let Err(error) = kept {
        run.board.line(format!("Its log could not be kept: {error:#}"));
    }
}

/// How the lines begin under which runs have said something.
const HEADING: &str = "== Run ";

/// The heading of a run: a service may call the runs of all steps alike.
fn heading(work: &Work<'_>, name: &str) -> String {
    let hosts: Vec<_> = work.hosts.iter().map(|host| host.name.as_str()).collect();
    let places = Some(hosts.join(", ")).filter(|hosts| !hosts.is_empty());
    let onto = places.as_deref().or(work.colour).map(|places| format!(", onto {places}")).unwrap_or_default();
    let back = if work.back { ", back" } else { "" };
    format!("{HEADING}{}{onto}{back}", text::plain(name))
}

/// A log with what was said under this heading; nothing where it has that.
fn with(so_far: &str, heading: &str, said: &str) -> Option<String> {
    if so_far.lines().any(|line| line == heading) {
        return None;
    }
    let mut log = format!("{so_far}{heading}\n");
    for line in said.trim_end().lines() {
        // No run says in another's name.
        let aside = if line.starts_with(HEADING) { " " } else { "" };
        log.extend([aside, line, "\n"]);
    }
    Some(log)
}

/// Until when what was said by work with this end, which has come now, is fetched at the most.
pub fn until(end: &End) -> Instant {
    Instant::now() + if matches!(end, End::Good) { WELL } else { NOT_WELL }
}

/// Asks again for what was not fetched, though not for long: until then.
pub struct Again(Instant);

impl Again {
    /// For one text from now on, and until `end` at the most.
    pub fn until(end: Instant) -> Again {
        Again(end.min(Instant::now() + PATIENCE))
    }

    /// Waits before the next try.
    ///
    /// # Errors
    /// Why it was not fetched, where there is no other.
    pub async fn after(&self, unfetched: Unfetched) -> Result<(), String> {
        match unfetched {
            Unfetched::Yet(_) if Instant::now() + AGAIN < self.0 => {
                sleep(AGAIN).await;
                Ok(())
            }
            Unfetched::Yet(why) | Unfetched::Ever(why) => Err(why),
        }
    }
}

/// The end of the text that a request reads. `who` is asked, as the beginning of a sentence: "The service".
pub async fn end_of(http: &Http, request: &Request<()>, who: &str) -> Result<String, Unfetched> {
    let answer = read(http, request, who, None).await?;
    let length: Option<usize> =
        answer.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let range = match length {
        // Not every store takes a range that counts from the end.
        Some(length) if length > MOST => format!("bytes={}-", length - MOST),
        // What comes in chunks does not say how long it is.
        None if answer.body().len() > MOST => format!("bytes=-{MOST}"),
        _ => return Ok(String::from_utf8_lossy(answer.body()).into_owned()),
    };
    let end = match read(http, request, who, Some(range)).await {
        Err(Unfetched::Yet(why)) => return Err(Unfetched::Yet(why)),
        end => end.ok().filter(|end| end.status() == StatusCode::PARTIAL_CONTENT),
    };
    Ok(match &end {
        Some(end) => {
            let end = String::from_utf8_lossy(end.body());
            let lines = end.split_once('\n').map_or(&*end, |(_, lines)| lines);
            format!("(What came before is not kept.)\n{lines}")
        }
        // Not everybody takes a range; the beginning is better than nothing.
        None => format!("{}\n(What comes after is not kept.)", String::from_utf8_lossy(answer.body())),
    })
}

async fn read(
    http: &Http,
    request: &Request<()>,
    who: &str,
    range: Option<String>,
) -> Result<Response<Bytes>, Unfetched> {
    let mut asks = Request::get(request.uri());
    for (name, value) in request.headers() {
        asks = asks.header(name, value);
    }
    if let Some(range) = range {
        asks = asks.header(header::RANGE, range);
    }
    let asks = asks.body(Bytes::new()).map_err(|error| Unfetched::Ever(format!("It can not be asked for: {error}")))?;
    // One byte more tells whether there is more.
    let answer = http.read(asks, TIMEOUT, MOST + 1).await;
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

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use commands::ports::Wire;
    use std::sync::Arc;

    /// A store that has one text.
    struct Store {
        text: Vec<u8>,
        /// Whether it says how long that is.
        says: bool,
        /// Whether it takes ranges.
        ranges: bool,
        /// What it answers to a range that it does not take.
        otherwise: u16,
    }

    #[async_trait]
    impl Wire for Store {
        async fn send(
            &self,
            request: Request<Bytes>,
            _timeout: Duration,
            limit: usize,
        ) -> anyhow::Result<Response<Bytes>> {
            let range =
                request.headers().get(header::RANGE).and_then(|range| range.to_str().ok()?.strip_prefix("bytes="));
            let from = range.filter(|_| self.ranges).and_then(|range| match range.strip_prefix('-') {
                Some(last) => Some(self.text.len() - last.parse::<usize>().ok()?),
                None => range.strip_suffix('-')?.parse().ok(),
            });
            let (status, text) = match (range, from) {
                (_, Some(from)) => (206, &self.text[from..]),
                (Some(_), None) => (self.otherwise, &self.text[..]),
                (None, None) => (200, &self.text[..]),
            };
            let mut answer = Response::builder().status(status);
            if self.says {
                answer = answer.header(header::CONTENT_LENGTH, text.len());
            }
            Ok(answer.body(Bytes::copy_from_slice(&text[..text.len().min(limit)]))?)
        }
    }

    async fn fetched(lines: usize, says: bool, ranges: bool, otherwise: u16) -> String {
        let text = (1..=lines).map(|line| format!("{line:07}\n")).collect::<String>().into_bytes();
        let http = Http::new(Arc::new(Store { text, says, ranges, otherwise }));
        let request = Request::get("https://ships.example/runs/1/log").body(()).expect("a request");
        end_of(&http, &request, "The service").await.expect("it is fetched")
    }

    #[tokio::test]
    async fn of_a_long_text_the_end_is_kept_whether_or_not_it_says_its_length() {
        let (whole, long) = (MOST / 8, 3 * MOST / 16);
        for says in [true, false] {
            let text = fetched(whole, says, true, 200).await;
            assert!(text.starts_with("0000001\n") && text.ends_with(&format!("{whole:07}\n")), "whole, {says}");

            let text = fetched(long, says, true, 200).await;
            assert!(text.starts_with("(What came before is not kept.)\n"), "{says}");
            assert!(text.ends_with(&format!("\n{long:07}\n")) && text.len() <= MOST + 32, "{says}");

            for otherwise in [200, 416] {
                let text = fetched(long, says, false, otherwise).await;
                assert!(text.starts_with("0000001\n"), "{says} {otherwise}");
                assert!(text.ends_with("\n(What comes after is not kept.)"), "{says} {otherwise}");
            }
        }
    }

    #[test]
    fn what_a_run_says_is_kept_once_and_in_no_other_name() {
        let first = with("", "== Run 1", "one\n== Run 1, back\nRun 1\n").expect("it is new");
        assert_eq!(first, "== Run 1\none\n == Run 1, back\nRun 1\n");
        assert_eq!(with(&first, "== Run 1", "one"), None);
        assert_eq!(with(&first, "== Run 1, back", "two"), Some(format!("{first}== Run 1, back\ntwo\n")));
    }
}
