//! The driver `webhook`: any service that ships over HTTP, told to start, asked how it stands, and told to end, by requests
//! that the config spells out.

mod template;

use super::said::{self, Again};
use super::{Begun, Driver, End, Ending, Found, Handle, Run, Unsaid, Work};
use crate::deploy::artifact;
use crate::deploy::source::Home;
use crate::deploy::source::callbacks::Callback;
use crate::program::Board;
use async_trait::async_trait;
use bytes::Bytes;
use commands::cx::Ports;
use commands::plugin::Setup;
use commands::text;
use config::Section;
use http::{Method, Response};
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use template::{CALLBACK, ID, Own, Template, template};
use tokio::time::{Instant, timeout_at};

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// For how long the service is asked again what it has shipped, and how often.
const PATIENCE: Duration = Duration::from_secs(30);
const AGAIN: Duration = Duration::from_secs(2);

/// How much of an answer is read.
const LIMIT: usize = 1 << 20;

/// For how long the service may say nothing useful before the run counts as lost from sight.
const BLIND: Duration = Duration::from_secs(5 * 60);

#[derive(Debug)]
struct Service {
    start: Template,
    /// Where the answer to the start has the run's id: a JSON pointer.
    id: String,
    poll: Poll,
    cancel: Option<Template>,
    /// What reads the log of a run.
    log: Option<Template>,
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

/// How a run stands.
enum Standing {
    Running(String),
    Over(End),
}

/// Reads `start`, `poll`, `cancel`, `log` and `callback`.
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
        if artifact.is_some() && !request.method.is_safe() {
            let what =
                "the service is asked for the artifact once more, and that may change something with this `method`";
            poll.problem("artifact", what, "ask with `method = \"GET\"`");
        }
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
    let log = section.table("log").map(|log| {
        let found = template(&log, "GET", &[ID], home.placeholders);
        if found.method != Method::GET || found.body.is_some() {
            log.problem("url", "a log is read, and nothing else", "write `url` and `headers` alone");
        }
        log.finish();
        found
    });
    let callback = section.table("callback").and_then(|callback| {
        let found = Callback::read(&callback, setup.config.hooks.is_some(), home.callbacks);
        callback.finish();
        found
    });
    let (start, id) = start?;
    Some(Arc::new(Service { start, id, poll: poll?, cancel, log, callback }))
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
        let key = work.key(&run.permit.entry().hash);
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
            Some(id) => Ok(Begun { handle: Handle::new(&id), end: Box::pin(self.to_its_end(run, id)) }),
            None => Ok(lost(format!("its answer has no id at {}", text::code(&self.id)))),
        }
    }

    async fn find<'a>(&'a self, run: &'a Run<'a>, handle: Option<&Handle>) -> Found<'a> {
        match handle.and_then(Handle::read::<String>) {
            Some(id) => Found::Running(Box::pin(self.to_its_end(run, id)) as Ending<'a>),
            None => Found::Over(unknown("Deckhand was stopped while the service was being asked".to_owned())),
        }
    }

    async fn outcome(&self, ports: &Ports, work: &Work<'_>, handle: &Handle) -> Option<End> {
        let answer = self.ask(ports, work, &handle.read::<String>()?).await.ok()?;
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
    ) -> Result<Option<String>, Unsaid> {
        let Some(place) = &self.poll.artifact else { return Ok(None) };
        let Some(id) = handle.and_then(Handle::read::<String>) else {
            return Err(Unsaid::Unheard("Which run of the service it was is not known".to_owned()));
        };
        let began = Instant::now();
        let answer = loop {
            match self.ask(ports, work, &id).await {
                Ok(answer) => break answer,
                Err(_) if began.elapsed() < PATIENCE => tokio::time::sleep(AGAIN).await,
                Err(why) => {
                    return Err(Unsaid::Unheard(format!(
                        "It has ended well, but which artifact it has shipped is not known: {why}"
                    )));
                }
            }
        };
        let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
        let found = word(&body, place).and_then(|word| artifact::named(&word));
        let unsaid = || format!("The service has not said at {} which artifact it has shipped", text::code(place));
        found.map(Some).ok_or_else(|| Unsaid::Never(unsaid()))
    }
}

impl Service {
    /// Asks the service for what it says of a run, without changing anything.
    async fn ask(&self, ports: &Ports, work: &Work<'_>, id: &str) -> Result<Response<Bytes>, String> {
        let request = self.poll.request.fill(&work.names(None), Own { id, ..Own::default() });
        let request = request.map_err(|error| error.to_string())?;
        // What might change something is not sent unasked.
        let answer = ports.http.read(request, TIMEOUT, LIMIT).await;
        let answer = answer.map_err(|error| text::plain(&format!("it can not be asked: {error:#}")))?;
        if !answer.status().is_success() {
            return Err(format!("the service answered {}{}", answer.status().as_u16(), quoted(&answer)));
        }
        Ok(answer)
    }

    /// Follows a run, and keeps what it has said.
    async fn to_its_end(&self, run: &Run<'_>, id: String) -> End {
        let end = self.follow(run, &id).await;
        if let Some(log) = &self.log {
            let until = said::until(&end);
            let said = timeout_at(until, self.said(run, log, &id, until)).await;
            let said = said.unwrap_or_else(|_| Err("the service took too long".to_owned()));
            let said = said.unwrap_or_else(|why| format!("What it has said could not be fetched: {why}"));
            said::keep(run, &id, &said).await;
        }
        end
    }

    /// What a run has said that has ended.
    async fn said(&self, run: &Run<'_>, log: &Template, id: &str, until: Instant) -> Result<String, String> {
        let request = log.fill(&run.work.names(None), Own { id, ..Own::default() });
        let request = request.map_err(|error| error.to_string())?.map(drop);
        let again = Again::until(until);
        loop {
            match said::end_of(&run.ports.http, &request, "the service").await {
                Ok(said) => return Ok(said),
                Err(why) => again.after(why).await?,
            }
        }
    }

    async fn follow(&self, run: &Run<'_>, id: &str) -> End {
        let began = Instant::now();
        // Since when it says nothing useful: looks may be further apart than that may last.
        let (mut blind, mut told) = (None, String::new());
        let mut news = self.callback.as_ref().map(|callback| callback.news_of(run.work.target, run.work.act));
        loop {
            match self.look(run, id).await {
                Ok(Standing::Over(end)) => return end,
                Ok(Standing::Running(state)) => {
                    if state != told {
                        run.board.line(state.clone());
                        told = state;
                    }
                    blind = None;
                }
                Err(why) if blind.get_or_insert_with(Instant::now).elapsed() > BLIND => return unknown(why),
                Err(why) => run.board.line(why),
            }
            let left = run.work.limit.saturating_sub(began.elapsed());
            let pause = async {
                match &mut news {
                    Some(news) if blind.is_none() => news.wait(self.poll.every).await,
                    _ => tokio::time::sleep(self.poll.every).await,
                }
            };
            tokio::select! {
                biased;
                () = run.cancel.cancelled() => return self.cancel(run, id, None).await,
                () = tokio::time::sleep(left) => {
                    let limit = config::duration::show(run.work.limit);
                    return self.cancel(run, id, Some(format!("It took longer than {limit}"))).await;
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
