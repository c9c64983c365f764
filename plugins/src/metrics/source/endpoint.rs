//! What sources over HTTP have in common: an address, who asks, and what goes wrong.

use bytes::Bytes;
use commands::act::Permit;
use commands::cx::Ports;
use commands::text;
use config::Section;
use http::request::Builder;
use http::{Method, Request, Response, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::time::Duration;

/// How much of an answer is read.
const LIMIT: usize = 8 << 20;

/// What is said of a source that nobody could talk to.
pub const UNASKED: &str = "can not be asked: ";

/// Where it is asked.
pub struct Endpoint {
    url: String,
    /// The header that says who asks; a secret.
    authorization: Option<String>,
    timeout: Duration,
}

/// What came back.
pub struct Heard {
    pub status: StatusCode,
    body: Bytes,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Lost {
    /// It is too long to be read.
    TooLong,
    /// Anything else, as the rest of a sentence.
    Told(String),
}

impl From<Lost> for String {
    fn from(lost: Lost) -> String {
        match lost {
            Lost::TooLong => {
                format!("answers with more than {} MiB: ask for less time, or for fewer series", LIMIT >> 20)
            }
            Lost::Told(told) => told,
        }
    }
}

impl Endpoint {
    /// Reads `url`, `authorization` and `timeout`.
    pub fn read(section: &Section<'_>) -> Option<Endpoint> {
        let (written, url) = (section.required_text("url"), section.url("url"));
        let authorization = section.text("authorization");
        if authorization.as_ref().is_some_and(|it| http::HeaderValue::from_str(it).is_err()) {
            section.problem("authorization", "this can not be sent", "write for example `\"Bearer ${METRICS_TOKEN}\"`");
        } else if authorization.is_some() && url.as_deref().is_some_and(config::address::is_in_the_clear) {
            let instead = "begin the `url` with `https://`";
            section.problem("authorization", "it would be sent for everybody to read", instead);
        }
        let timeout = section.duration("timeout").unwrap_or(Duration::from_secs(10));
        let url = url.filter(|_| !written.is_empty())?.trim_end_matches('/').to_owned();
        Some(Endpoint { url, authorization, timeout })
    }

    /// Asks for what is at `path`, which begins with its `/`.
    pub async fn get(&self, ports: &Ports, path: &str) -> Result<Heard, Lost> {
        let request = self.request(Method::GET, path).body(Bytes::new()).map_err(|error| unasked(&error))?;
        heard(ports.http.read(request, self.timeout, LIMIT).await)
    }

    /// Posts a document of JSON to `path`.
    pub async fn post(&self, ports: &Ports, permit: &Permit, path: &str, body: &Value) -> Result<Heard, Lost> {
        let request = self.request(Method::POST, path).header(header::CONTENT_TYPE, "application/json");
        let request = request.body(body.to_string().into()).map_err(|error| unasked(&error))?;
        heard(ports.http.send(permit, request, self.timeout, LIMIT).await)
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        let request = Request::builder().method(method).uri(format!("{}{path}", self.url));
        let request = request.header(header::ACCEPT, "application/json");
        match &self.authorization {
            Some(authorization) => request.header(header::AUTHORIZATION, authorization),
            None => request,
        }
    }
}

fn unasked(error: &dyn std::fmt::Display) -> Lost {
    Lost::Told(format!("{UNASKED}{}", text::plain(&error.to_string())))
}

/// What came back, if it is an answer at all.
fn heard(answer: anyhow::Result<Response<Bytes>>) -> Result<Heard, Lost> {
    let answer = answer.map_err(|error| unasked(&format!("{error:#}")))?;
    let (status, body) = (answer.status(), answer.into_body());
    match status.as_u16() {
        _ if body.len() >= LIMIT => Err(Lost::TooLong),
        401 | 403 => Err(Lost::Told(format!(
            "does not let Deckhand in ({}): the operator looks at `authorization` in its section",
            status.as_u16()
        ))),
        300..=399 => Err(Lost::Told(format!(
            "sends Deckhand elsewhere ({}): the operator writes the `url` that is meant",
            status.as_u16()
        ))),
        _ => Ok(Heard { status, body }),
    }
}

impl Heard {
    /// The answer as JSON of this shape. `whose` is what should have answered: "Prometheus".
    pub fn json<T: DeserializeOwned>(&self, whose: &str) -> Result<T, Lost> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let begins = String::from_utf8_lossy(&self.body[..self.body.len().min(200)]).trim_start().to_lowercase();
            let what = match () {
                () if self.body.is_empty() => "with nothing".to_owned(),
                () if begins.starts_with('<') => {
                    format!("in HTML, and not as {whose} does: the operator looks at its `url`")
                }
                () if error.is_eof() => "with the beginning of an answer only".to_owned(),
                () => format!("with something that is not {whose}'s: {}", text::code(&begins)),
            };
            Lost::Told(format!("answers {} {what}", self.status.as_u16()))
        })
    }

    /// The words of an answer that is no JSON, for people.
    pub fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.body[..self.body.len().min(4_096)]).into_owned();
        let mut inside = false;
        let word = |letter: char| match letter {
            '<' | '>' => {
                inside = letter == '<';
                ' '
            }
            letter => {
                if inside {
                    ' '
                } else {
                    letter
                }
            }
        };
        let words: String = text.chars().map(word).collect();
        text::code(words.split_whitespace().collect::<Vec<_>>().join(" ").as_str())
    }
}

/// A text as it can stand in the query of an address.
pub fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, NON_ALPHANUMERIC)
}
