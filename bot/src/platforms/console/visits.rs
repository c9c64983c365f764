//! What visitors of the demo's pages were answered in the last minute: what the demo's measures are about.

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// For how long a visit counts.
const LATELY: Duration = Duration::from_secs(60);

/// The most visits of an environment that are counted: nobody fills the memory by calling again and again.
const MOST: usize = 10_000;

/// The page that says how a release is.
const HEALTH: &str = "/health.txt";

/// The longest one that is looked at, in bytes.
const LONGEST: usize = 4_096;

/// The visits of each environment.
#[derive(Default)]
pub struct Visits(Mutex<HashMap<String, VecDeque<Visit>>>);

struct Visit {
    at: Instant,
    took: Duration,
    /// Whether it was answered that something is broken.
    failed: bool,
    /// How long the page was that was answered, in bytes.
    page: Option<u64>,
}

impl Visits {
    /// Answers a visitor of an environment, and counts it.
    pub async fn count(&self, environment: &str, request: Request, next: Next) -> Response {
        let asks_for_health = request.uri().path() == HEALTH;
        let began = Instant::now();
        let (head, mut body) = next.run(request).await.into_parts();
        let took = began.elapsed();
        let has = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let long = has(header::CONTENT_LENGTH).and_then(|value| value.parse().ok());
        let is_page = head.status == StatusCode::OK && has(header::CONTENT_TYPE).is_some_and(|it| it.contains("html"));
        let mut failed = head.status.is_server_error();
        if asks_for_health && head.status == StatusCode::OK {
            let said = to_bytes(body, LONGEST).await.unwrap_or_default();
            failed |= !said.starts_with(b"ok");
            body = Body::from(said);
        }
        self.note(environment, Visit { at: began, took, failed, page: long.filter(|_| is_page) });
        Response::from_parts(head, body)
    }

    fn note(&self, environment: &str, visit: Visit) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let visits = all.entry(environment.to_owned()).or_default();
        while visits.len() >= MOST || visits.front().is_some_and(|first| first.at.elapsed() >= LATELY) {
            visits.pop_front();
        }
        visits.push_back(visit);
    }

    /// What the last minute came to in each of these environments: how many visits, how many of them failed, how many seconds an
    /// answer took, and how many bytes a page had; nothing where there was none.
    pub fn told(&self, environments: &[String]) -> Value {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |name: &String| {
            let lately = all.get(name).into_iter().flatten().filter(|visit| visit.at.elapsed() < LATELY);
            let lately: Vec<_> = lately.collect();
            let seconds: Vec<_> = lately.iter().map(|visit| visit.took.as_secs_f64()).collect();
            let pages: Vec<_> = lately.iter().filter_map(|visit| Some(visit.page? as f64)).collect();
            let failed = lately.iter().filter(|visit| visit.failed).count();
            let told =
                json!({ "visits": lately.len(), "failed": failed, "seconds": mean(&seconds), "bytes": mean(&pages) });
            (name.clone(), told)
        };
        Value::Object(environments.iter().map(told).collect::<Map<_, _>>())
    }
}

fn mean(figures: &[f64]) -> Option<f64> {
    (!figures.is_empty()).then(|| figures.iter().sum::<f64>() / figures.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::Router;
    use axum::middleware;
    use axum::response::{Html, IntoResponse};
    use axum::routing::get;
    use std::sync::Arc;
    use tower::ServiceExt;

    #[tokio::test(start_paused = true)]
    async fn the_last_minute_is_counted_by_environment() {
        let visits = Arc::new(Visits::default());
        let counting = visits.clone();
        let router: Router = Router::new()
            .route("/", get(|| async { ([(header::CONTENT_LENGTH, "13")], Html("Good morning.")) }))
            .route("/broken", get(|| async { StatusCode::BAD_GATEWAY.into_response() }))
            .route(HEALTH, get(|| async { "can not reach the database\n" }))
            .layer(middleware::from_fn(move |request: Request, next: Next| {
                let visits = counting.clone();
                async move { visits.count("staging", request, next).await }
            }));
        let visit = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).unwrap();
            let answer = router.clone().oneshot(request).await.unwrap();
            to_bytes(answer.into_body(), LONGEST).await.unwrap()
        };
        let names = ["staging".to_owned(), "production".to_owned()];
        let told = || visits.told(&names)["staging"].clone();
        assert_eq!(
            visits.told(&names)["production"],
            json!({ "visits": 0, "failed": 0, "seconds": null, "bytes": null })
        );
        assert_eq!(visit("/").await, "Good morning.");
        tokio::time::advance(Duration::from_secs(30)).await;
        assert_eq!(visit(HEALTH).await, "can not reach the database\n");
        visit("/broken").await;
        visit("/nothing").await;
        assert_eq!(told(), json!({ "visits": 4, "failed": 2, "seconds": 0.0, "bytes": 13.0 }));
        tokio::time::advance(Duration::from_secs(31)).await;
        assert_eq!(told(), json!({ "visits": 3, "failed": 2, "seconds": 0.0, "bytes": null }));
    }
}
