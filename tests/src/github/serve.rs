//! The stand-in on a loopback socket, for the built program.

use super::GitHub;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use chrono::Utc;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The longest body of a request, in bytes.
const LONGEST: usize = 1 << 20;

/// A GitHub that listens, until it is dropped.
pub struct Served {
    github: Arc<Mutex<GitHub>>,
    /// What takes the place of `https://api.github.com`.
    pub api: String,
    task: JoinHandle<()>,
}

impl Served {
    /// Listens on loopback.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Served {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let api = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let github = Arc::new(Mutex::new(GitHub::default()));
        let shared = github.clone();
        let router = Router::new().fallback(async move |request: Request<Body>| {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, LONGEST).await.unwrap_or_default();
            lock(&shared).answer(&Request::from_parts(head, body), Utc::now()).map(Body::from)
        });
        let task = tokio::spawn(async move { axum::serve(listener, router).await.expect("loopback serves") });
        Served { github, api, task }
    }

    /// Everything that is known, to be looked at and changed.
    pub fn github(&self) -> MutexGuard<'_, GitHub> {
        lock(&self.github)
    }
}

fn lock(github: &Mutex<GitHub>) -> MutexGuard<'_, GitHub> {
    github.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Drop for Served {
    fn drop(&mut self) {
        self.task.abort();
    }
}
