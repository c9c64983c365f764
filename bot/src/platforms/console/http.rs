//! The console's HTTP: the page, and the local API that the page and the command line share.

use super::messages::Message;
use super::page::{self, ASSETS};
use super::visits::Visits;
use super::{Console, Unheard, place, session};
use crate::gate::Said;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use commands::complete::Completion;
use commands::ledger;
use commands::parse;
use commands::ports::{Files, KEPT};
use commands::reply;
use commands::stop::Stop;
use futures::{Stream, StreamExt, stream};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::Path as FilePath;
use std::sync::Arc;
use tokio::sync::broadcast;
use tower_http::services::ServeDir;

/// The longest request body, in bytes.
const LONGEST_BODY: usize = 256 * 1024;

/// The longest body with a file in it, in bytes.
const LONGEST_IMPORT: usize = 128 * 1024 * 1024;

/// The most of a log that is shown at once, in bytes.
const LONGEST_LOG: usize = 8 * 1024 * 1024;

type Shared = State<Arc<Console>>;

/// Everything that the console serves.
pub fn router(console: Arc<Console>) -> Router {
    let api = Router::new()
        .route("/api/session", get(about))
        .route("/api/channels/{channel}/messages", get(messages))
        .route("/api/events", get(events))
        .route("/api/ask", post(ask))
        .route("/api/press", post(press))
        .route("/api/say", post(say))
        .route("/api/complete", post(complete))
        .route("/api/advise", post(advise))
        .route("/api/commands", get(commands))
        .route("/files/{name}", get(file))
        .route_layer(middleware::from_fn_with_state(console.clone(), signed_in));
    let operator = Router::new()
        .route("/api/link", post(link))
        .route("/api/enroll", post(enroll))
        .route("/api/backup", post(backup))
        .route("/api/import", post(import).layer(axum::extract::DefaultBodyLimit::max(LONGEST_IMPORT)))
        .route("/api/ledger/verify", post(verify))
        .route("/api/ledger/export", post(export))
        .route_layer(middleware::from_fn_with_state(console.clone(), operator));
    let mut router = Router::new().merge(api).merge(operator).route("/signin", get(sign_in));
    for (path, kind, content) in ASSETS {
        router = router.route(path, get(move || asset(kind, content)));
    }
    router = match &console.settings.demo {
        Some(folder) => demo(router, folder, &console.settings.links),
        None => router,
    };
    router
        .fallback(|| async { failed(StatusCode::NOT_FOUND, "There is nothing here. The console is at `/`.") })
        .layer(axum::extract::DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn_with_state(console.clone(), guarded))
        .with_state(console)
}

/// The demo's sites, one an environment, each as its `current` release has it; and what their visitors were answered lately.
fn demo(mut router: Router<Arc<Console>>, folder: &FilePath, environments: &[String]) -> Router<Arc<Console>> {
    let visits = Arc::new(Visits::default());
    for name in environments {
        let site = ServeDir::new(folder.join(name).join("current"));
        let (counting, environment) = (visits.clone(), name.clone());
        let count = move |request: Request, next: Next| {
            let (visits, environment) = (counting.clone(), environment.clone());
            async move { visits.count(&environment, request, next).await }
        };
        let site = tower::ServiceBuilder::new()
            .layer(middleware::map_response(async |mut response: Response<_>| {
                response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
                response
            }))
            .layer(middleware::from_fn(count))
            .service(site);
        router = router.nest_service(&format!("/demo/{name}"), site);
    }
    let environments = environments.to_vec();
    router.route("/demo/visits.json", get(move || async move { Json(visits.told(&environments)) }))
}

/// Lets nothing in that another page caused, or that took a foreign name for us (DNS rebinding); and tells the browser
/// what the page may do.
async fn guarded(State(console): Shared, request: Request, next: Next) -> Response {
    if let Some(refusal) = refusal(&console, request.method(), request.headers()) {
        return refusal;
    }
    let demo = request.uri().path().starts_with("/demo/");
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    let policy = if demo { page::DEMO_POLICY } else { page::POLICY };
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Why a request is not let in, if so.
fn refusal(console: &Console, method: &Method, headers: &HeaderMap) -> Option<Response> {
    let public = console.settings.public.as_deref();
    let is_public = |host: &str| public.and_then(|url| Some(url.split_once("://")?.1)) == Some(host);
    let own = |host: &str| own_host(console, host) || is_public(host);
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
    if !text(header::HOST).is_some_and(own) {
        return Some(failed(
            StatusCode::MISDIRECTED_REQUEST,
            "Deckhand's console is not known by this name. Use the address that it printed at its start.",
        ));
    }
    let local = |origin: &str| origin.strip_prefix("http://").is_some_and(|host| own_host(console, host));
    let origin = text(header::ORIGIN).map(|origin| local(origin) || public == Some(origin));
    let site = text(HeaderName::from_static("sec-fetch-site"));
    let navigates = *method == Method::GET && text(HeaderName::from_static("sec-fetch-mode")) == Some("navigate");
    if origin == Some(false) || (matches!(site, Some("cross-site" | "same-site")) && !navigates) {
        return Some(failed(StatusCode::FORBIDDEN, "Another site asked for this, so it was not done."));
    }
    None
}

/// Whether `host` (of a request's `Host` or `Origin`) is a name of the address that we listen on.
fn own_host(console: &Console, host: &str) -> bool {
    let listen = console.settings.listen;
    let name = host.strip_suffix(&format!(":{}", listen.port())).or((listen.port() == 80).then_some(host));
    let local = listen.ip().is_loopback() || listen.ip().is_unspecified();
    name.is_some_and(|name| {
        name == listen.ip().to_string() || (local && ["localhost", "127.0.0.1", "[::1]"].contains(&name))
    })
}

/// Lets in the command line alone: what it asks for is the operator's, who can read its token.
async fn operator(State(console): Shared, request: Request, next: Next) -> Response {
    if has_token(&console, request.headers()) {
        return next.run(request).await;
    }
    failed(StatusCode::FORBIDDEN, "Only the command line may ask for this, on the machine where Deckhand runs.")
}

fn has_token(console: &Console, headers: &HeaderMap) -> bool {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    bearer.is_some_and(|token| console.doors.is_token(token))
}

/// Lets in who has a cookie, or the command line's token.
async fn signed_in(State(console): Shared, request: Request, next: Next) -> Response {
    let headers = request.headers();
    if has_token(&console, headers) {
        return next.run(request).await;
    }
    let now = console.bot.world.ports.clock.now();
    if let Some(cookie) = cookie(headers) {
        match console.doors.is_session(cookie, now).await {
            Ok(true) => return next.run(request).await,
            Ok(false) => {}
            Err(error) => return Unheard::Broken(error).into_response(),
        }
    }
    failed(
        StatusCode::UNAUTHORIZED,
        "You are not signed in. Say `deckhand link` in a terminal, and open the address that it prints.",
    )
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split("; ")).filter_map(|pair| pair.split_once('='));
    pairs.find_map(|(name, value)| (name == session::COOKIE).then_some(value))
}

#[derive(Deserialize)]
struct SignIn {
    word: String,
}

async fn sign_in(State(console): Shared, Query(SignIn { word }): Query<SignIn>) -> Response {
    let now = console.bot.world.ports.clock.now();
    match console.doors.sign_in(&word, now).await {
        Ok(Some(cookie)) => {
            let headers = [(header::LOCATION, "/".to_owned()), (header::SET_COOKIE, session::set_cookie(&cookie))];
            (StatusCode::SEE_OTHER, headers).into_response()
        }
        // The page itself says how to get another link.
        Ok(None) => (StatusCode::SEE_OTHER, [(header::LOCATION, "/")]).into_response(),
        Err(error) => Unheard::Broken(error).into_response(),
    }
}

async fn asset(kind: &'static str, content: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind)], content).into_response()
}

#[derive(Deserialize)]
struct As {
    r#as: Option<String>,
}

async fn about(State(console): Shared) -> Response {
    let settings = &console.settings;
    let people: Vec<_> = settings.people.iter().map(|name| console.bot.people.named(name)).collect();
    let people: Vec<_> = people.iter().map(|who| json!({"name": who.name, "roles": who.roles})).collect();
    let demo = settings.demo.is_some();
    let links: Vec<_> =
        settings.links.iter().map(|name| json!({"title": name, "url": format!("/demo/{name}/")})).collect();
    Json(json!({
        "person": settings.people.first(),
        "people": people,
        "demo": demo,
        "channels": settings.channels,
        "links": if demo { links } else { Vec::new() },
        "version": env!("CARGO_PKG_VERSION"),
        "build": env!("CARGO_PKG_VERSION"),
    }))
    .into_response()
}

#[derive(Deserialize)]
struct Pages {
    before: Option<String>,
    limit: Option<usize>,
    r#as: Option<String>,
}

async fn messages(
    State(console): Shared,
    Path(channel): Path<String>,
    Query(pages): Query<Pages>,
) -> Result<Response, Unheard> {
    console.check_channel(&channel).await?;
    let who = console.person(pages.r#as.as_deref())?;
    let limit = pages.limit.unwrap_or(50).clamp(1, 200);
    let page = console.messages.page(&channel, pages.before.as_deref(), limit, &who.name).await?;
    Ok(Json(json!({ "messages": page })).into_response())
}

async fn events(State(console): Shared, Query(As { r#as }): Query<As>) -> Result<Response, Unheard> {
    let who = console.person(r#as.as_deref())?;
    let stopping = console.bot.stopping().clone();
    let news = follow(console.messages.subscribe(), who.name).take_until(stopping.cancelled_owned());
    Ok(Sse::new(news).keep_alive(KeepAlive::default()).into_response())
}

/// What `person` may see of the news. One who falls too far behind is cut off, comes back, and starts from a fresh page.
fn follow(news: broadcast::Receiver<Message>, person: String) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((news, person), |(mut news, person)| async move {
        loop {
            let message = news.recv().await.ok()?;
            if message.visible_to(&person) {
                let event = Event::default().event("message").json_data(&message).ok()?;
                return Some((Ok(event), (news, person)));
            }
        }
    })
}

#[derive(Deserialize)]
struct Line {
    line: String,
    channel: Option<String>,
    r#as: Option<String>,
}

impl Line {
    fn channel<'a>(&'a self, console: &'a Console) -> &'a str {
        self.channel.as_deref().or(console.settings.channels.first().map(String::as_str)).unwrap_or_default()
    }
}

async fn ask(State(console): Shared, Json(line): Json<Line>) -> Result<Response, Unheard> {
    let who = console.person(line.r#as.as_deref())?;
    console.hear(Said::Line(line.line.clone()), &who, line.channel(&console)).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

#[derive(Deserialize)]
struct Press {
    id: String,
    channel: String,
    r#as: Option<String>,
    /// What the button's form was filled with.
    #[serde(default)]
    filled: BTreeMap<String, String>,
}

async fn press(State(console): Shared, Json(press): Json<Press>) -> Result<Response, Unheard> {
    let who = console.person(press.r#as.as_deref())?;
    let said = Said::Press { id: press.id, filled: press.filled.into_iter().collect() };
    console.hear(said, &who, &press.channel).await?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// As `ask`, but the replies are the answer, one JSON a line. What is said on a command line is always a command.
async fn say(State(console): Shared, Json(line): Json<Line>) -> Result<Response, Unheard> {
    let who = console.person(line.r#as.as_deref())?;
    let said = format!("/{}", line.line.trim_start().trim_start_matches('/'));
    if parse::command_in(&said).is_none() {
        let what = "This is no command, and nobody was asked. Begin with the name of one; `help` shows them all.";
        return Err(Unheard::Mistake(what.to_owned()));
    }
    let replies = console.hear(Said::Line(said), &who, line.channel(&console)).await?;
    let lines = stream::unfold(replies, |mut replies| async {
        let reply = replies.recv().await?;
        let line = serde_json::to_string(&reply).map(|json| Bytes::from(json + "\n"));
        Some((line, replies))
    });
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

#[derive(Deserialize)]
struct Unfinished {
    line: String,
    cursor: usize,
    channel: String,
    r#as: Option<String>,
}

async fn complete(State(console): Shared, Json(typed): Json<Unfinished>) -> Result<Response, Unheard> {
    let who = console.person(typed.r#as.as_deref())?;
    if !typed.line.starts_with('/') {
        // People talk to each other here, too.
        return Ok(Json(Completion::default()).into_response());
    }
    Ok(Json(console.bot.complete(&typed.line, typed.cursor, &who, &place(&typed.channel)).await).into_response())
}

/// What somebody is writing into a form.
#[derive(Deserialize)]
struct Written {
    /// The line of the form's button.
    line: String,
    /// The argument that it becomes.
    name: String,
    text: String,
    channel: String,
    r#as: Option<String>,
}

async fn advise(State(console): Shared, Json(written): Json<Written>) -> Result<Response, Unheard> {
    let who = console.person(written.r#as.as_deref())?;
    let Written { line, name, text, channel, .. } = written;
    let line = format!("/{}", line.trim_start_matches('/'));
    Ok(Json(console.bot.advise(&line, &name, &text, &who, &place(&channel)).await).into_response())
}

async fn commands(State(console): Shared, Query(As { r#as }): Query<As>) -> Result<Response, Unheard> {
    let who = console.person(r#as.as_deref())?;
    let channel = console.settings.channels.first().cloned().unwrap_or_default();
    let reachable = console.bot.reachable(&who, &place(&channel));
    Ok(Json(commands::views::console::commands(&reachable)).into_response())
}

async fn link(State(console): Shared) -> Result<Response, Unheard> {
    let now = console.bot.world.ports.clock.now();
    let word = console.doors.link(Some(now))?;
    Ok(Json(json!({ "link": console.link(&word) })).into_response())
}

#[derive(Deserialize)]
struct Enroll {
    person: String,
    /// The first code of the secret that was asked for before.
    code: Option<String>,
}

async fn enroll(State(console): Shared, Json(Enroll { person, code }): Json<Enroll>) -> Result<Response, Unheard> {
    let told = match console.bot.enroll(&person, code.as_deref()).await {
        Ok(Some(offer)) => json!({ "secret": offer.secret, "url": offer.url }),
        Ok(None) => json!({}),
        Err(Stop::Broken(error)) => return Err(Unheard::Broken(error)),
        Err(stop) => return Err(Unheard::Mistake(stop.to_string())),
    };
    Ok(Json(told).into_response())
}

#[derive(Deserialize)]
struct Backup {
    file: std::path::PathBuf,
}

async fn backup(State(console): Shared, Json(Backup { file }): Json<Backup>) -> Result<Response, Unheard> {
    let world = &console.bot.world;
    let report = crate::store::backup::backup(&*world.store, world.ports.clock.now(), &file).await?;
    Ok(Json(json!({ "lines": report.lines, "revision": report.revision })).into_response())
}

#[derive(Deserialize)]
struct Import {
    what: String,
    text: String,
}

async fn import(State(console): Shared, Json(Import { what, text }): Json<Import>) -> Result<Response, Unheard> {
    match console.bot.import(&what, &text).await {
        Ok(reply) => Ok(Json(reply).into_response()),
        Err(Stop::Broken(error)) => Err(Unheard::Broken(error)),
        Err(stop) => Err(Unheard::Mistake(stop.to_string())),
    }
}

async fn verify(State(console): Shared) -> Result<Response, Unheard> {
    Ok(Json(ledger::verify(&*console.bot.world.ports.store).await?).into_response())
}

async fn export(State(console): Shared) -> Response {
    let pages = stream::unfold((console, None::<String>), |(console, after)| async move {
        let page = ledger::export(&*console.bot.world.ports.store, after.as_deref()).await;
        let text = page.map(|lines| {
            (
                lines.iter().map(|(_, line)| format!("{line}\n")).collect::<String>(),
                lines.last().map(|(key, _)| key.clone()),
            )
        });
        match text {
            Ok((_, None)) => None,
            Ok((text, last)) => Some((Ok(Bytes::from(text)), (console, last))),
            Err(error) => Some((Err(std::io::Error::other(error)), (console, None))),
        }
    });
    ([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(pages)).into_response()
}

/// A kept file. Of the pictures, an SVG is one too: the policy that goes with every answer lets it run nothing.
async fn file(State(console): Shared, Path(name): Path<String>) -> Response {
    if let Some(kind) = reply::picture(&name) {
        return match console.files.picture(&name).await {
            Ok(Some(bytes)) => ([(header::CONTENT_TYPE, kind)], bytes).into_response(),
            Ok(None) => {
                failed(StatusCode::NOT_FOUND, "There is no such picture: it was never kept, or it has been cleaned up.")
            }
            Err(error) => failed(StatusCode::BAD_REQUEST, &format!("{error:#}")),
        };
    }
    // What people have sent is saved, and never shown by the browser as something of Deckhand's own.
    if name.starts_with(KEPT) {
        return match console.files.picture(&name).await {
            Ok(Some(bytes)) => {
                let headers =
                    [(header::CONTENT_TYPE, "application/octet-stream"), (header::CONTENT_DISPOSITION, "attachment")];
                (headers, bytes).into_response()
            }
            Ok(None) => failed(StatusCode::NOT_FOUND, "There is no such file: it was never kept."),
            Err(error) => failed(StatusCode::BAD_REQUEST, &format!("{error:#}")),
        };
    }
    match console.files.tail(&name, LONGEST_LOG).await {
        Ok(Some(text)) => {
            let text = console.bot.world.redactor.redact(&text).into_owned();
            ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], text).into_response()
        }
        Ok(None) => {
            failed(StatusCode::NOT_FOUND, "There is no such file: it was never kept, or it has been cleaned up.")
        }
        Err(error) => failed(StatusCode::BAD_REQUEST, &format!("{error:#}")),
    }
}

fn failed(status: StatusCode, what: &str) -> Response {
    (status, Json(json!({ "error": what }))).into_response()
}

impl IntoResponse for Unheard {
    fn into_response(self) -> Response {
        match self {
            Unheard::Mistake(what) => failed(StatusCode::BAD_REQUEST, &what),
            Unheard::Broken(error) => {
                tracing::error!("{error:?}");
                failed(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    &format!("This did not work, and nothing was done: {error:#}."),
                )
            }
        }
    }
}
