//! Streams that tell when flags have changed (server-sent events): pages ask again, Unleash's servers take what comes.

use super::tokens::{Keyring, Known};
use crate::flags::snapshot::{Live, Served};
use bytes::Bytes;
use commands::cx::Ports;
use commands::route::Answer;
use http::{HeaderName, HeaderValue};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How long nothing is sent at the most: proxies close what is silent for a minute.
const BEAT: Duration = Duration::from_secs(20);

/// What a client is told, in pieces: what is served now, and whether it is the first that it hears.
pub type Draw = fn(&Served, bool) -> Vec<Bytes>;

/// Who listens, and to what.
pub struct Listener {
    pub live: Arc<Live>,
    pub keyring: Arc<Keyring>,
    pub known: Arc<Known>,
    pub ports: Ports,
    pub stopping: CancellationToken,
    pub draw: Draw,
}

/// OFREP's event, by which a page asks again.
pub fn refetch(served: &Served, _first: bool) -> Vec<Bytes> {
    let etag = served.etag.trim_matches('"');
    let data = json!({ "type": "refetchEvaluation", "etag": etag });
    vec![Bytes::from(format!("id: {etag}\nevent: message\ndata: {data}\n\n"))]
}

/// Unleash's event, with all definitions.
pub fn definitions(served: &Served, first: bool) -> Vec<Bytes> {
    let event = if first { "unleash-connected" } else { "unleash-updated" };
    let head = format!("id: {}\nevent: {event}\ndata: ", served.etag.trim_matches('"'));
    // All who listen share the same bytes. JSON as it is written here has no line breaks.
    vec![Bytes::from(head), served.definitions.clone(), Bytes::from_static(b"\n\n")]
}

impl Listener {
    /// Tells from now on whenever something changes. Whoever has not heard the `last` is told at once: they may have asked
    /// before it changed, and listened after.
    ///
    /// # Errors
    /// When the store can not be read.
    pub async fn listen(self, last: Option<String>) -> anyhow::Result<Answer> {
        // Registered before what is served is looked at, so that no change falls between.
        let mut revision = self.live.follow(&self.ports).await?;
        let (pieces, flow) = mpsc::channel(4);
        tokio::spawn(async move {
            let (mut told, mut first) = (last.map(|last| format!("\"{last}\"")), true);
            let mut sent = pieces.send(Bytes::from_static(b"retry: 1000\n\n")).await;
            while sent.is_ok() && self.is_good().await {
                let Ok(snapshot) = self.live.get(&self.ports).await else { return };
                let token = &self.known.token;
                let Some(served) = snapshot.served(&token.environment, &token.project) else { return };
                if told.as_ref() != Some(&served.etag) {
                    told = Some(served.etag.clone());
                    for piece in (self.draw)(served, std::mem::take(&mut first)) {
                        sent = pieces.send(piece).await;
                    }
                }
                tokio::select! {
                    () = self.stopping.cancelled() => return,
                    () = pieces.closed() => return,
                    _ = revision.changed() => {}
                    // Only so is it found out that nobody listens any more.
                    () = sleep(BEAT) => sent = pieces.send(Bytes::from_static(b":\n\n")).await,
                }
            }
        });
        // nginx, for one, would gather what comes.
        let buffering = HeaderName::from_static("x-accel-buffering");
        Ok(Answer::flow("text/event-stream", flow).header(buffering, HeaderValue::from_static("no")))
    }

    /// Whether the token still is.
    async fn is_good(&self) -> bool {
        let found = self.keyring.by_ticket(&*self.ports.store, &self.known.ticket).await;
        found.is_ok_and(|found| found.is_some())
    }
}
