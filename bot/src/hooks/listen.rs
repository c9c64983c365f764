//! Listens to programs: bodies are bounded, slow ones are not waited for, and no more are let in at once than can be held.

use super::{Found, Hooks, too_long};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use commands::route::{self, Answer};
use futures::stream;
use http::{HeaderValue, StatusCode, header};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

/// How many requests are held at once. Others wait, unread.
const AT_ONCE: usize = 64;

/// How long one may wait: when a flag has changed, all pages that are open ask at once, and none may be turned away.
const QUEUED: Duration = Duration::from_secs(5);

/// How many answers may flow at once: each page that is open listens for changes, at the cost of some kilobytes.
const FLOWS: usize = 20_000;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(10);

/// What listens.
#[derive(Clone)]
struct Listener {
    hooks: Arc<Hooks>,
    requests: Arc<Semaphore>,
    flows: Arc<Semaphore>,
}

/// Everything that programs may ask for, for a listener of its own.
pub fn router(hooks: Arc<Hooks>) -> Router {
    let (requests, flows) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(Semaphore::new(FLOWS)));
    Router::new().fallback(take).with_state(Listener { hooks, requests, flows })
}

async fn take(State(listener): State<Listener>, request: Request) -> Response {
    let place = tokio::time::timeout(QUEUED, listener.requests.clone().acquire_owned());
    let Ok(Ok(_held)) = place.await else { return listener.send(busy()) };
    let (head, body) = request.into_parts();
    let found = match listener.hooks.find(&head.method, head.uri.path()) {
        Ok(found) => found,
        Err(refusal) => return listener.send(*refusal),
    };
    let answer = match read(&found, body).await {
        Ok(body) => listener.hooks.serve(found, Request::from_parts(head, body)).await,
        Err(refusal) => refusal,
    };
    listener.send(answer)
}

/// The body, when it is not too long and does not take too long.
async fn read(found: &Found, body: Body) -> Result<Bytes, Answer> {
    let longest = found.owned.route.longest;
    match tokio::time::timeout(PATIENCE, to_bytes(body, longest)).await {
        Ok(Ok(body)) => Ok(body),
        // Whoever breaks off does not read the answer.
        Ok(Err(_)) => Err(too_long(longest)),
        Err(_) => Err(Answer::refused(StatusCode::REQUEST_TIMEOUT, "The body did not arrive within 10 seconds.")),
    }
}

fn busy() -> Answer {
    let what = "Too many ask at once, so this was not looked at. Ask again in a moment.";
    Answer::refused(StatusCode::SERVICE_UNAVAILABLE, what).header(header::RETRY_AFTER, HeaderValue::from_static("1"))
}

impl Listener {
    /// The answer on its way out. No browser is to guess what it is, and nobody keeps it unless it says so.
    fn send(&self, answer: Answer) -> Response {
        let Answer { status, headers, body } = answer;
        let body = match body {
            route::Body::Whole(bytes) => Body::from(bytes),
            route::Body::Flow(pieces) => match self.flows.clone().try_acquire_owned() {
                Ok(held) => flowing(pieces, held),
                Err(_) => return self.send(busy()),
            },
        };
        let mut response = Response::new(body);
        (*response.status_mut(), *response.headers_mut()) = (status, headers);
        let headers = response.headers_mut();
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
        response
    }
}

/// A body that goes on as long as pieces come and somebody reads them.
fn flowing(pieces: mpsc::Receiver<Bytes>, held: OwnedSemaphorePermit) -> Body {
    let pieces = stream::unfold((pieces, held), |(mut pieces, held)| async {
        let piece = pieces.recv().await?;
        Some((Ok::<_, Infallible>(piece), (pieces, held)))
    });
    Body::from_stream(pieces)
}
