//! The driver `webhook`: any service that ships over HTTP, told to start, asked how it stands, and told to end, by requests
//! that the config spells out.

use super::{Begun, Driver, End, Ending, Found, Handle, Run, Work};
use crate::deploy::artifact;
use crate::deploy::settings::{Names, Placeholders};
use crate::deploy::source::callbacks::Callback;
use crate::deploy::source::github::Home;
use crate::program::Board;
use crate::words;
use async_trait::async_trait;
use bytes::Bytes;
use commands::cx::Ports;
use commands::plugin::Setup;
use commands::text;
use config::Section;
use http::{Method, Request, Response, header};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How much of an answer is read.
const LIMIT: usize = 1 << 20;

/// For how long the service may say nothing useful before the run counts as lost from sight.
const BLIND: Duration = Duration::from_secs(5 * 60);

/// What stands for the run's id in an address.
const ID: &str = "{id}";

/// What stands for the address where the service calls back.
const CALLBACK: &str = "{callback}";

#[derive(Debug)]
struct Service {
    start: Template,
    /// Where the answer to the start has the run's id: a JSON pointer.
    id: String,
    poll: Poll,
    cancel: Option<Template>,
    callback: Option<Callback>,
}

/// How the service is asked how a run stands.
#[derive(Debug)]
struct Poll {
    request: Template,
    every: Duration,
    /// Where the answer has the state: a JSON pointer.
    state: String,
    good: Vec<String>,
    failed: Vec<String>,
    /// The states of a run under way; any other where none are named.
    running: Vec<String>,
    /// The states of a run that has not begun.
    waiting: Vec<String>,
    /// Where the answer says why, and where more is to be seen: JSON pointers.
    says: Option<String>,
    link: Option<String>,
    /// Where the answer names the artifact that was shipped: a JSON pointer.
    artifact: Option<String>,
}

/// A request, before its placeholders are filled.
#[derive(Clone)]
struct Template {
    method: Method,
    url: String,
    headers: BTreeMap<String, String>,
    body: Option<Value>,
}

impl std::fmt::Debug for Template {
    // Headers may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?} {:?}", self.method, self.url, self.headers.keys(), self.body)
    }
}

/// How a run stands.
enum Standing {
    Running(String),
    Over(End),
}

/// Reads `start`, `poll`, `cancel` and `callback`.
pub(super) fn read(setup: &Setup<'_>, section: &Section<'_>, home: &Home<'_>) -> Option<Arc<dyn Driver>> {
    for key in ["start", "poll"].into_iter().filter(|key| !section.has(key)) {
        let what = format!("a service is to ship it, and `{key}` does not say how it is asked");
        section.problem("driver", what, format!("write a table `{key}` with a `url` within this section"));
    }
    let start = section.table("start").map(|start| {
        let template = template(&start, "POST", &[CALLBACK], home.placeholders);
        let tells = template.texts().iter().any(|text| text.contains(CALLBACK));
        if tells != section.has("callback") {
            let (what, instead) = match tells {
                true => ("nothing stands for `{callback}`", "write a table `callback` with `url` and `secret`"),
                false => ("the service is not told where to call back", "write `{callback}` into the `body`"),
            };
            start.problem("body", what, instead);
        }
        let id = pointer(&start, "id").unwrap_or_else(|| "/id".to_owned());
        start.finish();
        (template, id)
    });
    let poll = section.table("poll").map(|poll| {
        let request = template(&poll, "GET", &[ID], home.placeholders);
        let state = pointer(&poll, "state").unwrap_or_else(|| "/state".to_owned());
        let (good, failed) = (poll.required_texts("good"), poll.required_texts("failed"));
        let every = poll.duration("every").unwrap_or(Duration::from_secs(5));
        if every < Duration::from_secs(1) {
            poll.problem("every", "the service would be asked all the time", "write `every = \"1s\"` or more");
        }
        let [says, link, artifact] = ["says", "link", "artifact"].map(|key| pointer(&poll, key));
        let found = Poll {
            request,
            every,
            state,
            good,
            failed,
            running: poll.texts("running"),
            waiting: poll.texts("waiting"),
            says,
            link,
            artifact,
        };
        poll.finish();
        found
    });
    let cancel = section.table("cancel").map(|cancel| {
        let found = template(&cancel, "POST", &[ID], home.placeholders);
        cancel.finish();
        found
    });
    let callback = section.table("callback").and_then(|callback| {
        let found = Callback::read(&callback, setup.config.hooks.is_some(), home.callbacks);
        callback.finish();
        found
    });
    let (start, id) = start?;
    Some(Arc::new(Service { start, id, poll: poll?, cancel, callback }))
}

/// Reads a request, in which `own` stand for something beside what always does.
fn template(section: &Section<'_>, method: &str, own: &[&str], placeholders: &Placeholders) -> Template {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let method = section.choice("method", &methods).unwrap_or_else(|| method.to_owned());
    if !section.has("url") {
        section.required_text("url");
    }
    let url = section.url("url").unwrap_or_default();
    let check = |key, text: &str| {
        let text = own.iter().fold(text.to_owned(), |text, own| text.replace(own, ""));
        placeholders.check(section, key, &text);
    };
    check("url", &url);
    let headers = section.text_map("headers");
    for (name, value) in &headers {
        check("headers", value);
        let good = name.parse::<header::HeaderName>().is_ok() && value.parse::<header::HeaderValue>().is_ok();
        if !good {
            section.problem(
                "headers",
                format!("`{name}` can not be sent as a header"),
                "write one as in `Authorization`",
            );
        }
    }
    let body = section.text("body").and_then(|text| {
        let read = serde_json::from_str(&text);
        let refuse = |error: serde_json::Error| {
            section.problem(
                "body",
                format!("this is no JSON: {error}"),
                "write JSON, as in `'{\"commit\": \"{commit}\"}'`",
            );
        };
        let body = read.map_err(refuse).ok()?;
        each_text(&body, &mut |text| check("body", text));
        Some(body)
    });
    Template { method: method.parse().unwrap_or(Method::POST), url, headers, body }
}

/// A JSON pointer, as RFC 6901 has it.
fn pointer(section: &Section<'_>, key: &str) -> Option<String> {
    let found = section.text(key)?;
    if !found.starts_with('/') {
        section.problem(
            key,
            "this is no JSON pointer",
            format!("write `{key} = \"/a/b\"`, for `{{\"a\": {{\"b\": …}}}}`"),
        );
    }
    Some(found)
}

fn each_text(value: &Value, tell: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => tell(text),
        Value::Array(list) => list.iter().for_each(|it| each_text(it, tell)),
        Value::Object(map) => map.values().for_each(|it| each_text(it, tell)),
        _ => {}
    }
}

/// What stands for something in the requests of one run alone.
#[derive(Debug, Clone, Copy, Default)]
struct Own<'a> {
    /// The run's id.
    id: &'a str,
    /// What the service knows a start by that comes twice.
    key: Option<&'a str>,
    /// Where the service calls back.
    callback: &'a str,
}

impl Template {
    /// All texts but the address.
    fn texts(&self) -> Vec<String> {
        let mut texts: Vec<_> = self.headers.values().cloned().collect();
        self.body.iter().for_each(|body| each_text(body, &mut |text| texts.push(text.to_owned())));
        texts
    }

    fn address(&self, names: &Names<'_>, id: &str) -> String {
        let parts: Vec<_> = self.url.split(ID).map(|part| names.fill_address(part)).collect();
        parts.join(&words::encoded(id))
    }

    /// The request. What is put in stays what it is: within a string of the JSON, within a part of the address.
    fn fill(&self, names: &Names<'_>, own: Own<'_>) -> http::Result<Request<Bytes>> {
        let Own { id, key, callback } = own;
        // An address of ours has nothing in it that stands for something.
        let fill = |text: &str| names.fill(&text.replace(CALLBACK, callback));
        let mut request = Request::builder().method(self.method.clone()).uri(self.address(names, id));
        for (name, value) in &self.headers {
            request = request.header(name, fill(value));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let Some(body) = &self.body else { return request.body(Bytes::new()) };
        let body = filled(body, &|text| if text == ID { id.to_owned() } else { fill(text) });
        request.header(header::CONTENT_TYPE, "application/json").body(Bytes::from(body.to_string()))
    }
}

fn filled(value: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text)),
        Value::Array(list) => list.iter().map(|it| filled(it, fill)).collect(),
        Value::Object(map) => map.iter().map(|(name, it)| (name.clone(), filled(it, fill))).collect(),
        other => other.clone(),
    }
}

#[async_trait]
impl Driver for Service {
    fn worker(&self) -> &'static str {
        "job"
    }

    fn says(&self, work: &Work<'_>) -> String {
        let Template { method, .. } = &self.start;
        format!("asks {} {}", text::plain(method.as_str()), text::code(&self.start.address(&work.names(None), "")))
    }

    async fn begin<'a>(&'a self, run: &'a Run<'a>) -> Result<Begun<'a>, String> {
        let work = &run.work;
        // The same act may ship twice: what is new, and back what was there before.
        let key = format!("deckhand-{}-{}", work.act, work.release.short());
        let callback = self.callback.as_ref().map(|callback| callback.address(work.target, work.act));
        let own = Own { id: "", key: Some(&key), callback: callback.as_deref().unwrap_or_default() };
        let request = self.start.fill(&work.names(None), own).map_err(|error| error.to_string())?;
        let answer = match run.ports.http.send(run.permit, request, TIMEOUT, LIMIT).await {
            Ok(answer) => answer,
            Err(error) if is_refused(&error) => {
                return Err(format!("the service could not be reached: {}", text::plain(&format!("{error:#}"))));
            }
            Err(error) => return Ok(lost(format!("no answer came: {}", text::plain(&format!("{error:#}"))))),
        };
        let status = answer.status();
        if status.is_client_error() {
            return Err(format!("the service answered {}{}", status.as_u16(), quoted(&answer)));
        }
        if !status.is_success() {
            return Ok(lost(format!("the service answered {}", status.as_u16())));
        }
        let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        match word(&body, &self.id) {
            Some(id) => Ok(Begun { handle: Handle::new(&id), end: Box::pin(self.follow(run, id)) }),
            None => Ok(lost(format!("its answer has no id at {}", text::code(&self.id)))),
        }
    }

    async fn find<'a>(&'a self, run: &'a Run<'a>, handle: Option<&Handle>) -> Found<'a> {
        match handle.and_then(Handle::read::<String>) {
            Some(id) => Found::Running(Box::pin(self.follow(run, id)) as Ending<'a>),
            None => Found::Over(unknown("Deckhand was stopped while the service was being asked".to_owned())),
        }
    }

    async fn outcome(&self, ports: &Ports, work: &Work<'_>, handle: &Handle) -> Option<End> {
        let answer = self.ask(ports, work, &handle.read::<String>()?).await?;
        match self.standing(&answer, &Board::default()) {
            Ok(Standing::Over(end)) => Some(end),
            _ => None,
        }
    }

    async fn artifact(
        &self,
        ports: &Ports,
        work: &Work<'_>,
        handle: Option<&Handle>,
    ) -> Result<Option<String>, String> {
        let Some(place) = &self.poll.artifact else { return Ok(None) };
        let answer = match handle.and_then(Handle::read::<String>) {
            Some(id) => self.ask(ports, work, &id).await,
            None => None,
        };
        let body: Value = answer.and_then(|answer| serde_json::from_slice(answer.body()).ok()).unwrap_or_default();
        let found = word(&body, place).and_then(|word| artifact::named(&word));
        let unsaid = || format!("The service has not said at {} which artifact it has shipped", text::code(place));
        found.map(Some).ok_or_else(unsaid)
    }
}

impl Service {
    /// Asks the service for what it says of a run, without changing anything.
    async fn ask(&self, ports: &Ports, work: &Work<'_>, id: &str) -> Option<Response<Bytes>> {
        let request = self.poll.request.fill(&work.names(None), Own { id, ..Own::default() }).ok()?;
        // What might change something is not sent unasked.
        ports.http.read(request, TIMEOUT, LIMIT).await.ok()
    }

    async fn follow(&self, run: &Run<'_>, id: String) -> End {
        let began = Instant::now();
        let (mut seen_at, mut told) = (began, String::new());
        let mut news = self.callback.as_ref().map(|callback| callback.news_of(run.work.target, run.work.act));
        loop {
            match self.look(run, &id).await {
                Ok(Standing::Over(end)) => return end,
                Ok(Standing::Running(state)) => {
                    if state != told {
                        run.board.line(state.clone());
                        told = state;
                    }
                    seen_at = Instant::now();
                }
                Err(why) if seen_at.elapsed() > BLIND => return unknown(why),
                Err(why) => run.board.line(why),
            }
            let left = run.work.limit.saturating_sub(began.elapsed());
            let pause = async {
                match &mut news {
                    Some(news) => news.wait(self.poll.every).await,
                    None => tokio::time::sleep(self.poll.every).await,
                }
            };
            tokio::select! {
                biased;
                () = run.cancel.cancelled() => return self.cancel(run, &id, None).await,
                () = tokio::time::sleep(left) => {
                    let limit = config::duration::show(run.work.limit);
                    return self.cancel(run, &id, Some(format!("It took longer than {limit}"))).await;
                }
                () = pause => {}
            }
        }
    }

    /// How the run stands.
    async fn look(&self, run: &Run<'_>, id: &str) -> Result<Standing, String> {
        let request = self
            .poll
            .request
            .fill(&run.work.names(None), Own { id, ..Own::default() })
            .map_err(|error| error.to_string())?;
        let sent = if request.method().is_safe() {
            run.ports.http.read(request, TIMEOUT, LIMIT).await
        } else {
            run.ports.http.send(run.permit, request, TIMEOUT, LIMIT).await
        };
        let answer =
            sent.map_err(|error| format!("The service could not be asked: {}", text::plain(&format!("{error:#}"))))?;
        self.standing(&answer, &run.board)
    }

    /// How a run stands by what the service says of it.
    fn standing(&self, answer: &Response<Bytes>, board: &Board) -> Result<Standing, String> {
        if !answer.status().is_success() {
            return Err(format!("The service answered {}{}", answer.status().as_u16(), quoted(answer)));
        }
        let body: Value = serde_json::from_slice(answer.body())
            .map_err(|_| "The service answered something that is no JSON".to_owned())?;
        let Poll { state, good, failed, running, waiting, says, link, .. } = &self.poll;
        let state =
            word(&body, state).ok_or_else(|| format!("The service's answer has no state at {}", text::code(state)))?;
        let why = says.as_ref().and_then(|says| word(&body, says)).map(|why| text::plain(&why));
        let page = link.as_ref().and_then(|link| word(&body, link)).filter(|page| page.starts_with("https://"));
        page.into_iter().for_each(|page| board.link(page));
        let full = |says: String| why.iter().fold(says, |says, why| format!("{says} ({why})"));
        Ok(if good.contains(&state) {
            Standing::Over(End::Good)
        } else if failed.contains(&state) {
            Standing::Over(End::Failed(full(format!("The service says {}", text::code(&state)))))
        } else if waiting.contains(&state) {
            board.waits(format!("the service says {}", text::code(&state)));
            Standing::Running(full(state))
        } else if running.is_empty() || running.contains(&state) {
            board.begun();
            Standing::Running(full(state))
        } else {
            let says =
                full(format!("The service says {}, and the config does not say what that means", text::code(&state)));
            Standing::Over(unknown(says))
        })
    }

    /// Tells the service to end the run, where the config says how, and waits for that.
    async fn cancel(&self, run: &Run<'_>, id: &str, late: Option<String>) -> End {
        let goes_on = |why: &str| {
            let goes_on = format!("The service goes on with its run {}: {why}", text::code(id));
            unknown(late.iter().fold(goes_on, |goes_on, late| format!("{late}. {goes_on}")))
        };
        let Some(template) = &self.cancel else {
            return goes_on("the config has no `cancel` that would tell it to end");
        };
        let Ok(request) = template.fill(&run.work.names(None), Own { id, ..Own::default() }) else {
            return goes_on("`cancel` makes no good request");
        };
        match run.ports.http.send(run.permit, request, TIMEOUT, LIMIT).await {
            Err(error) => run
                .board
                .line(format!("The service could not be told to end it: {}", text::plain(&format!("{error:#}")))),
            Ok(answer) if !answer.status().is_success() => {
                run.board.line(format!(
                    "To the cancel the service answered {}{}",
                    answer.status().as_u16(),
                    quoted(&answer)
                ));
            }
            Ok(_) => {}
        }
        let began = Instant::now();
        while began.elapsed() <= run.work.grace {
            match self.look(run, id).await {
                Ok(Standing::Over(End::Good)) => return End::Good,
                Ok(Standing::Over(End::Failed(_))) => {
                    return late.map_or(End::Cancelled { left_behind: None }, End::Failed);
                }
                _ => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        }
        goes_on("it has not ended it in time")
    }
}

/// Whether nobody took the connection, so that nothing can have been done.
fn is_refused(error: &anyhow::Error) -> bool {
    error.root_cause().downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::ConnectionRefused)
}

/// A start of which nobody knows whether it was one.
fn lost(why: String) -> Begun<'static> {
    let end = unknown(format!("Whether the service has started it is not known: {why}"));
    Begun { handle: Handle::new(()), end: Box::pin(std::future::ready(end)) }
}

fn unknown(says: String) -> End {
    End::Unknown { says, settle: Some("A look at the service".to_owned()) }
}

/// A short text or number at a place of some JSON.
fn word(body: &Value, pointer: &str) -> Option<String> {
    match body.pointer(pointer)? {
        Value::String(text) if !text.is_empty() && text.len() <= 1_000 => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// The first line of what the service says.
fn quoted(answer: &Response<Bytes>) -> String {
    let body = String::from_utf8_lossy(answer.body());
    let line = body.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if line.is_empty() { String::new() } else { format!(": {}", text::code(line)) }
}

#[cfg(test)]
mod tests;
