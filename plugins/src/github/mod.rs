//! GitHub's REST API: what is read is asked for again where that helps, and an error says what can be done about it.

pub mod webhooks;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use commands::act::Permit;
use commands::cx::Ports;
use commands::text;
use config::Section;
use http::{Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::fmt;
use std::io;
use std::time::Duration;
use webhooks::{News, Webhooks};

/// The version of the API that is spoken: a date, as GitHub's "API Versions" has it.
const VERSION: &str = "2022-11-28";

/// Where GitHub itself is; a GitHub of one's own is at `https://host/api/v3`.
const PUBLIC: &str = "https://api.github.com";

/// How long one answer may take. GitHub ends what takes longer than 10 seconds itself.
const TIMEOUT: Duration = Duration::from_secs(12);

/// How much of an answer is read: a hundred check runs with their outputs.
const LIMIT: usize = 8 << 20;

/// How long to wait before each further try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// The longest that GitHub may ask for, with `Retry-After`, and get: somebody is waiting.
const PATIENCE: Duration = Duration::from_secs(10);

/// How many things a page of a list holds: as many as GitHub gives.
const PAGE: usize = 100;

/// The shortest secret of webhooks: GitHub calls for one with high entropy.
const SHORTEST_SECRET: usize = 16;

/// How many pages are read.
const PAGES: usize = 10;

/// GitHub, and who Deckhand is there.
#[derive(Clone)]
pub struct GitHub {
    /// The section of the config that it is read from: there the operator mends what is wrong with the token.
    section: &'static str,
    api: String,
    token: Option<String>,
    webhooks: Option<Webhooks>,
}

impl Default for GitHub {
    fn default() -> GitHub {
        GitHub { section: "deploy.github", api: PUBLIC.to_owned(), token: None, webhooks: None }
    }
}

impl fmt::Debug for GitHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GitHub").field("api", &self.api).finish_non_exhaustive()
    }
}

/// Part of what GitHub says when it refuses.
#[derive(Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    message: String,
}

/// Why GitHub did not do what it was asked to.
#[derive(Debug)]
pub struct Fault {
    /// The status of its answer, if one came.
    pub status: Option<u16>,
    /// GitHub's own words.
    pub message: String,
    /// What it says of the parts that it does not take.
    pub detail: String,
    /// A sentence without its full stop: what is wrong, and what can be done about it.
    pub says: String,
    /// Whether it is sure that nothing was done.
    pub done_nothing: bool,
}

/// What became of one try.
enum Tried<T> {
    Got(T),
    /// It is no use to ask again.
    Failed(String),
    /// It may go better after this while.
    Later(String, Option<Duration>),
}

impl GitHub {
    /// Reads `token` and `api` of the section that is called like this.
    pub fn read(section: &Section<'_>, name: &'static str) -> GitHub {
        let token = section.required_text("token");
        let api = section.url("api").unwrap_or_else(|| PUBLIC.to_owned());
        if config::address::is_in_the_clear(&api) {
            section.problem("api", "the token would be sent for everybody to read", "begin it with `https://`");
        }
        if token.bytes().any(|byte| !byte.is_ascii_graphic()) {
            section.problem("token", "this is no token of GitHub's", "write `token = \"${GITHUB_TOKEN}\"`");
        }
        let token = Some(token).filter(|token| !token.is_empty());
        GitHub { section: name, api: api.trim_end_matches('/').to_owned(), token, webhooks: None }
    }

    /// Reads `secret`, too, by which GitHub signs webhooks. `listens` is whether Deckhand listens to programs.
    pub fn with_webhooks(mut self, section: &Section<'_>, listens: bool) -> GitHub {
        self.webhooks = section.text("secret").map(|secret| {
            if secret.len() < SHORTEST_SECRET {
                let what = format!("a secret of fewer than {SHORTEST_SECRET} characters can be guessed");
                section.problem(
                    "secret",
                    what,
                    "write `secret = \"${GITHUB_SECRET}\"`, made by `openssl rand -hex 32`",
                );
            }
            if !listens {
                let instead = "write a section `[hooks]` with `listen = \"127.0.0.1:7879\"`, or take this out";
                section.problem("secret", "GitHub is to send webhooks, and nobody listens to them", instead);
            }
            Webhooks::new(&secret)
        });
        self
    }

    /// What takes its webhooks, where they are to come.
    pub fn webhooks(&self) -> Option<&Webhooks> {
        self.webhooks.as_ref()
    }

    /// The news of a repository, `owner/name`.
    pub fn news_of(&self, repository: &str) -> News {
        News::new(self.webhooks.as_ref().map(|webhooks| webhooks.news_of(repository)))
    }

    /// Whether there is a token.
    pub fn is_set_up(&self) -> bool {
        self.token.is_some()
    }

    /// Reads a list page by page. `path` begins with `/` and has no `page` of its own; `items` takes the list out of an
    /// answer.
    ///
    /// # Errors
    /// A sentence without its full stop: why the list is not known, and what can be done about it.
    pub async fn list<P: DeserializeOwned, T>(
        &self,
        ports: &Ports,
        path: &str,
        items: impl Fn(P) -> Vec<T>,
    ) -> Result<Vec<T>, String> {
        let mut all = Vec::new();
        let and = if path.contains('?') { '&' } else { '?' };
        for page in 1..=PAGES {
            let found = items(self.get(ports, &format!("{path}{and}per_page={PAGE}&page={page}")).await?);
            let last = found.len() < PAGE;
            all.extend(found);
            if last {
                return Ok(all);
            }
        }
        Err(format!("GitHub has more than {} there, which is more than is read", PAGE * PAGES))
    }

    /// Reads what is at `path`, which begins with `/`. An answer that may be better a moment later is asked for again.
    ///
    /// # Errors
    /// A sentence without its full stop: why it is not known, and what can be done about it.
    pub async fn get<T: DeserializeOwned>(&self, ports: &Ports, path: &str) -> Result<T, String> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let (why, asked) = match self.try_once(ports, path).await {
                Tried::Got(found) => return Ok(found),
                Tried::Failed(why) => return Err(why),
                Tried::Later(why, asked) => (why, asked),
            };
            let Some(pause) = pauses.next() else { return Err(why) };
            match asked {
                Some(asked) if asked > PATIENCE => return Err(why),
                asked => tokio::time::sleep(asked.unwrap_or(pause)).await,
            }
        }
    }

    async fn try_once<T: DeserializeOwned>(&self, ports: &Ports, path: &str) -> Tried<T> {
        let request = match self.request(Method::GET, path, Bytes::new()) {
            Ok(request) => request,
            Err(error) => return Tried::Failed(format!("GitHub can not be asked for {}: {error}", text::code(path))),
        };
        let answer = match ports.http.read(request, TIMEOUT, LIMIT).await {
            Ok(answer) => answer,
            Err(error) => {
                let why = text::plain(&format!("{error:#}"));
                return Tried::Later(format!("GitHub could not be asked: {why}"), None);
            }
        };
        if answer.status() == StatusCode::OK {
            return match serde_json::from_slice(answer.body()) {
                Ok(found) => Tried::Got(found),
                Err(error) => Tried::Failed(format!("GitHub's answer can not be read: {error}")),
            };
        }
        let why = self.refusal(&answer, ports.clock.now());
        let after = seconds(&answer, "retry-after").and_then(|seconds| u64::try_from(seconds).ok());
        match answer.status().as_u16() {
            500..=599 => Tried::Later(why, after.map(Duration::from_secs)),
            403 | 429 if after.is_some() => Tried::Later(why, after.map(Duration::from_secs)),
            _ => Tried::Failed(why),
        }
    }

    /// The address to which GitHub sends whoever asks for what is at `path`: a file in a store elsewhere, where it is for a
    /// minute. Whoever asks there has no token to show.
    ///
    /// # Errors
    /// Whatever is in the way.
    pub async fn elsewhere(&self, ports: &Ports, path: &str) -> Result<String, Fault> {
        let request = self.request(Method::GET, path, Bytes::new());
        let request = request.map_err(|error| fault(None, format!("GitHub can not be asked: {error}"), true))?;
        let answer = ports.http.read(request, TIMEOUT, LIMIT).await.map_err(|error| unheard(&error))?;
        let place = answer.headers().get(header::LOCATION).and_then(|place| place.to_str().ok());
        match place.filter(|_| answer.status().is_redirection()) {
            Some(place) if !config::address::is_in_the_clear(place) => Ok(place.to_owned()),
            Some(_) => Err(fault(Some(400), "GitHub names an address that is not safe to ask".to_owned(), true)),
            None => {
                let says = self.refusal(&answer, ports.clock.now());
                Err(fault(Some(answer.status().as_u16()), says, true))
            }
        }
    }

    /// Asks for something to be made at `path`: see [`GitHub::send`].
    ///
    /// # Errors
    /// As [`GitHub::send`].
    pub async fn post<T: DeserializeOwned>(
        &self,
        ports: &Ports,
        permit: &Permit,
        path: &str,
        body: &Value,
    ) -> Result<T, Fault> {
        self.send(ports, permit, Method::POST, path, body).await
    }

    /// Asks for something to be done at `path`, which begins with `/`; a `body` of null is none. It is asked once: again
    /// only where GitHub has said that it wants to be asked later.
    ///
    /// # Errors
    /// Whatever is in the way, and whether it may have been done all the same.
    pub async fn send<T: DeserializeOwned>(
        &self,
        ports: &Ports,
        permit: &Permit,
        method: Method,
        path: &str,
        body: &Value,
    ) -> Result<T, Fault> {
        let bytes = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let mut pauses = PAUSES.into_iter();
        loop {
            let request = self.request(method.clone(), path, bytes.clone());
            let request = request.map_err(|error| fault(None, format!("GitHub can not be asked: {error}"), true))?;
            let answer = ports.http.send(permit, request, TIMEOUT, LIMIT).await.map_err(|error| unheard(&error))?;
            if answer.status().is_success() {
                let body = if answer.body().is_empty() { b"null" } else { &answer.body()[..] };
                let read = serde_json::from_slice(body);
                return read.map_err(|error| {
                    let status = Some(answer.status().as_u16());
                    fault(status, format!("GitHub's answer can not be read: {error}"), false)
                });
            }
            let after = seconds(&answer, "retry-after").and_then(|after| u64::try_from(after).ok());
            let pause = after.map(Duration::from_secs).filter(|after| *after <= PATIENCE);
            match (answer.status().as_u16(), pause, pauses.next()) {
                (403 | 429, Some(pause), Some(_)) => tokio::time::sleep(pause).await,
                (status, ..) => {
                    let says = self.refusal(&answer, ports.clock.now());
                    let (message, detail) = (said(&answer), String::from_utf8_lossy(answer.body()).into_owned());
                    return Err(Fault { message, detail, ..fault(Some(status), says, status < 500) });
                }
            }
        }
    }

    /// The address of a page for people, which begins with `/`.
    pub fn page(&self, path: &str) -> String {
        match self.api.strip_suffix("/api/v3") {
            Some(own) => format!("{own}{path}"),
            None => format!("https://github.com{path}"),
        }
    }

    fn refusal(&self, answer: &Response<Bytes>, now: DateTime<Utc>) -> String {
        refusal(answer, now, self.section)
    }

    fn request(&self, method: Method, path: &str, body: Bytes) -> http::Result<Request<Bytes>> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.api))
            .header(header::ACCEPT, "application/vnd.github+json")
            .header(header::USER_AGENT, "deckhand")
            .header("x-github-api-version", VERSION);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(body)
    }
}

fn fault(status: Option<u16>, says: String, done_nothing: bool) -> Fault {
    Fault { status, message: String::new(), detail: String::new(), says, done_nothing }
}

/// No answer came. Where nobody took the connection, nothing can have been done.
fn unheard(error: &anyhow::Error) -> Fault {
    let kind = error.root_cause().downcast_ref::<io::Error>().map(io::Error::kind);
    let says = format!("GitHub could not be asked: {}", text::plain(&format!("{error:#}")));
    fault(None, says, kind == Some(io::ErrorKind::ConnectionRefused))
}

/// GitHub's own words, without a full stop.
fn said(answer: &Response<Bytes>) -> String {
    let refusal: Refusal = serde_json::from_slice(answer.body()).unwrap_or_default();
    text::plain(refusal.message.trim_end_matches('.'))
}

/// Why GitHub refused, and what can be done about it. GitHub's "Troubleshooting the REST API" has these meanings.
fn refusal(answer: &Response<Bytes>, now: DateTime<Utc>, section: &str) -> String {
    let status = answer.status().as_u16();
    let says = match said(answer) {
        empty if empty.is_empty() => String::new(),
        says => format!(" ({says})"),
    };
    let after = seconds(answer, "retry-after").and_then(|seconds| usize::try_from(seconds).ok());
    let spent = seconds(answer, "x-ratelimit-remaining") == Some(0);
    let resets = seconds(answer, "x-ratelimit-reset").and_then(|at| DateTime::from_timestamp(at, 0));
    match status {
        401 => format!("GitHub does not take the token{says}: the operator writes another at `[{section}]`"),
        403 | 429 if spent => {
            let when = resets.map(|at| format!("; it may again {}", text::ago(at, now))).unwrap_or_default();
            format!("GitHub answers no more, because Deckhand has asked it too often{when}")
        }
        403 | 429 if after.is_some() || status == 429 => {
            let when = after
                .map(|s| format!(", and not before {} have passed", text::plural(s, "second")))
                .unwrap_or_default();
            format!("GitHub wants to be asked less often{when}")
        }
        403 => format!("GitHub does not let the token do this{says}: the operator gives it the right at GitHub"),
        // What one has no right to see is not there, GitHub says.
        404 => format!(
            "GitHub knows no such thing, or the token has no right to see it{says}: the operator looks at the repository's name and the token's rights"
        ),
        422 => {
            format!("GitHub does not take what was asked of it{says}: is the commit pushed, and is every name right?")
        }
        // Issues can be turned off.
        410 => format!("GitHub has no such thing any more{says}: the operator looks at the repository's settings"),
        500..=599 => format!("GitHub has trouble of its own: it answered {status}"),
        _ => format!("GitHub answered {status}{says}"),
    }
}

/// The number in a header.
fn seconds(answer: &Response<Bytes>, header: &str) -> Option<i64> {
    answer.headers().get(header)?.to_str().ok()?.trim().parse().ok()
}

/// A repository's name at GitHub, `owner/name`, from the address that git knows it by.
pub fn named_by(address: &str) -> Option<&str> {
    let rest = ["https://github.com/", "ssh://git@github.com/", "git@github.com:"];
    let name = rest.iter().find_map(|start| address.strip_prefix(start))?;
    let name = name.trim_end_matches('/');
    Some(name.strip_suffix(".git").unwrap_or(name)).filter(|name| is_name(name))
}

/// Whether it is the name of a repository, `owner/name`, in the characters that GitHub allows there.
pub fn is_name(name: &str) -> bool {
    let good = |part: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        !part.is_empty() && part.bytes().all(plain) && part.bytes().any(|byte| byte != b'.')
    };
    name.split_once('/').is_some_and(|(owner, name)| good(owner) && good(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_known_by_its_address() {
        for (address, name) in [
            ("https://github.com/acme/hello", Some("acme/hello")),
            ("https://github.com/acme/hello.git", Some("acme/hello")),
            ("git@github.com:acme/hello.git", Some("acme/hello")),
            ("ssh://git@github.com/acme/he.llo/", Some("acme/he.llo")),
            ("https://github.com/acme", None),
            ("https://github.com/acme/../x", None),
            ("https://github.com/acme/a?b", None),
            ("https://github.com/acme/..", None),
            ("https://github.com.evil.example/acme/hello", None),
            ("/srv/hello", None),
        ] {
            assert_eq!(named_by(address), name, "{address}");
        }
    }

    #[test]
    fn a_refusal_says_what_can_be_done() {
        let now = DateTime::from_timestamp(1_000, 0).unwrap_or_default();
        let answer = |status: u16, headers: &[(&str, &str)], body: &'static str| {
            let start = Response::builder().status(status);
            let full = headers.iter().fold(start, |answer, (name, value)| answer.header(*name, *value));
            refusal(&full.body(Bytes::from(body)).unwrap_or_default(), now, "deploy.github")
        };
        for (says, status, headers, body) in [
            ("does not take the token (Bad credentials)", 401, &[][..], r#"{"message":"Bad credentials"}"#),
            ("may again in 10 minutes", 403, &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1600")], ""),
            ("less often, and not before 60 seconds", 403, &[("retry-after", "60")], ""),
            ("gives it the right", 403, &[("x-ratelimit-remaining", "9")], ""),
            ("the token has no right to see it (Not Found)", 404, &[], r#"{"message":"Not Found"}"#),
            ("(a'b)", 422, &[], r#"{"message":"a`b."}"#),
            ("answered 502", 502, &[], "<html>"),
        ] {
            let told = answer(status, headers, body);
            assert!(told.contains(says), "{status}: {told}");
        }
    }
}
