//! What programs ask over HTTP: each request finds its route, and the plugin that declared it answers.

mod listen;

pub use listen::router;

use crate::gate::Bot;
use anyhow::Context;
use bytes::Bytes;
use commands::cx::{Call, Cx, Who};
use commands::ledger::Place;
use commands::plugin::Plugin;
use commands::route::{Answer, Incoming, Route};
use http::{HeaderValue, Method, Request, StatusCode, header};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long an answer may be waited for. GitHub, for one, gives up after ten seconds.
const PATIENCE: Duration = Duration::from_secs(10);

/// All routes, and who answers.
pub struct Hooks {
    bot: Arc<Bot>,
    routes: Vec<Owned>,
}

/// A route of a plugin.
#[derive(Clone)]
struct Owned {
    route: Route,
    plugin: Arc<dyn Plugin>,
}

/// A route that a request has found, and what its parts in braces stand for.
struct Found {
    owned: Owned,
    parts: BTreeMap<String, String>,
}

impl Hooks {
    /// The routes of every plugin that is on.
    pub fn new(bot: &Arc<Bot>) -> Arc<Hooks> {
        let owned = |plugin: &Arc<dyn Plugin>| {
            let plugin = plugin.clone();
            plugin.routes().into_iter().map(move |route| Owned { route, plugin: plugin.clone() }).collect::<Vec<_>>()
        };
        let routes = bot.plugins.iter().flat_map(|plugged| owned(&plugged.plugin)).collect();
        Arc::new(Hooks { bot: bot.clone(), routes })
    }

    /// Answers a request whose body is there, whole.
    pub async fn answer(&self, request: Request<Bytes>) -> Answer {
        match self.find(request.method(), request.uri().path()) {
            Ok(found) if request.body().len() > found.owned.route.longest => too_long(found.owned.route.longest),
            Ok(found) => self.serve(found, request).await,
            Err(refusal) => *refusal,
        }
    }

    /// The route of a request, or what it is told instead.
    fn find(&self, method: &Method, path: &str) -> Result<Found, Box<Answer>> {
        let mut allowed = Vec::new();
        for owned in &self.routes {
            let Some(parts) = owned.route.fits(path) else { continue };
            let fits = owned.route.method == *method;
            if fits || (*method == Method::HEAD && owned.route.method == Method::GET) {
                let parts = parts.into_iter().map(|(name, part)| (name, part.to_owned())).collect();
                return Ok(Found { owned: owned.clone(), parts });
            }
            allowed.push(owned.route.method.as_str());
        }
        if allowed.is_empty() {
            let what = "There is nothing here. Look at the path of the address.";
            return Err(Box::new(Answer::refused(StatusCode::NOT_FOUND, what)));
        }
        let what = format!("This takes {}, and nothing else.", allowed.join(" or "));
        let refusal = Answer::refused(StatusCode::METHOD_NOT_ALLOWED, &what);
        Err(Box::new(match HeaderValue::from_str(&allowed.join(", ")) {
            Ok(allowed) => refusal.header(header::ALLOW, allowed),
            Err(_) => refusal,
        }))
    }

    /// Lets the plugin answer. An act that has begun comes to its end, whether or not anybody still waits for the answer.
    async fn serve(&self, found: Found, request: Request<Bytes>) -> Answer {
        if self.bot.stopping().is_cancelled() {
            return Answer::refused(
                StatusCode::SERVICE_UNAVAILABLE,
                "Deckhand is stopping. Ask again once it is back.",
            );
        }
        let Found { owned: Owned { route, plugin }, parts } = found;
        let call = Call::unasked(Who::deckhand(), Place::default());
        // Nobody is there to see how far it is.
        let nobody = mpsc::unbounded_channel().0;
        let cx = Cx::new(self.bot.world.clone(), call, None, nobody, self.bot.stopping().clone());
        let name = route.name;
        let work = self.bot.spawn(async move { plugin.serve(&cx, name, Incoming { parts, request }).await });
        let answer = match tokio::time::timeout(PATIENCE, work).await {
            Ok(done) => done.context("it was broken off").flatten(),
            Err(_) => Err(anyhow::anyhow!("it takes longer than {PATIENCE:?}")),
        };
        answer.unwrap_or_else(|error| {
            tracing::error!(route = name, "a program was not answered: {error:?}");
            Answer::refused(StatusCode::INTERNAL_SERVER_ERROR, "This did not work here; Deckhand's log says why.")
        })
    }
}

fn too_long(longest: usize) -> Answer {
    let what = format!("The body is longer than {longest} bytes, so it was not read.");
    Answer::refused(StatusCode::PAYLOAD_TOO_LARGE, &what)
}
