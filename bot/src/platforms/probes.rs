//! What probes ask over HTTP: whether the process works, whether what is said on the platforms is heard, and what the bot
//! counts of itself.

use super::Probe;
use crate::gate::Bot;
use crate::meters;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// `/healthz` is 200 while the process works; `/readyz` while every platform of `probes` is heard too, or 503. Its answer
/// has their reports by name. One that is not in the config is not waited for.
pub fn routes<S: Clone + Send + Sync + 'static>(probes: Vec<Arc<dyn Probe>>) -> Router<S> {
    let ready = move || {
        let ready = probes.iter().all(|probe| probe.ready());
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        let mut report = Map::from_iter([("ready".to_owned(), Value::Bool(ready))]);
        report.extend(probes.iter().map(|probe| (probe.name().to_owned(), probe.report())));
        let answer = (status, axum::Json(report)).into_response();
        async { answer }
    };
    Router::new().route("/healthz", get(async || axum::Json(json!({ "alive": true })))).route("/readyz", get(ready))
}

/// `/metrics`: what the bot counts of itself, for Prometheus.
pub fn metrics<S: Clone + Send + Sync + 'static>(bot: Arc<Bot>, probes: Vec<Arc<dyn Probe>>) -> Router<S> {
    let told = move || {
        let meters = &bot.meters;
        bot.waiting().into_iter().for_each(|(queue, waiting)| meters.waits(queue, waiting));
        probes.iter().for_each(|probe| meters.hears(&**probe));
        let answer = match meters.told() {
            Ok(told) => ([(header::CONTENT_TYPE, meters::KIND)], told).into_response(),
            Err(error) => {
                tracing::error!("what is counted can not be told: {error:#}");
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        };
        async { answer }
    };
    Router::new().route("/metrics", get(told))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use tower::ServiceExt;

    /// A platform that is heard, or is not.
    struct Heard(&'static str, bool);

    impl Probe for Heard {
        fn name(&self) -> &str {
            self.0
        }

        fn ready(&self) -> bool {
            self.1
        }

        fn report(&self) -> Value {
            json!({ "ready": self.1 })
        }
    }

    #[tokio::test]
    async fn probes_answer_with_their_status() {
        for (platforms, path, expected) in [
            (vec![], "/readyz", 200),
            (vec![("one", false)], "/healthz", 200),
            (vec![("one", false)], "/readyz", 503),
            (vec![("one", true), ("two", false)], "/readyz", 503),
            (vec![("one", true), ("two", true)], "/readyz", 200),
        ] {
            let probes = platforms.iter().map(|(name, ready)| Arc::new(Heard(name, *ready)) as Arc<dyn Probe>);
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = routes::<()>(probes.collect()).oneshot(request).await.unwrap();
            assert_eq!(answer.status(), expected, "{path} {platforms:?}");
            let body: Value = serde_json::from_slice(&to_bytes(answer.into_body(), 10_000).await.unwrap()).unwrap();
            for (name, ready) in platforms.iter().filter(|_| path == "/readyz") {
                assert_eq!(body[name]["ready"], *ready);
            }
        }
    }
}
