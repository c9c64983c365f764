//! The stand-in on a loopback socket, for the built program.

use super::GitHub;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use chrono::Utc;
use reqwest::Client;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// The longest body of a request, in bytes.
const LONGEST: usize = 1 << 20;

/// How often it is looked whether there is a webhook to send.
const LOOK: Duration = Duration::from_millis(50);

/// A GitHub that listens, until it is dropped.
pub struct Served {
    github: Arc<Mutex<GitHub>>,
    /// What takes the place of `https://api.github.com`.
    pub api: String,
    answered: Arc<Mutex<Vec<String>>>,
    // They end with it.
    tasks: JoinSet<()>,
}

impl Served {
    /// Listens on loopback.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start() -> Served {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port is free");
        let api = format!("http://{}", listener.local_addr().expect("a listener has an address"));
        let mut github = GitHub::default();
        github.state.files.clone_from(&api);
        let github = Arc::new(Mutex::new(github));
        let shared = github.clone();
        let router = Router::new().fallback(async move |request: Request<Body>| {
            let (head, body) = request.into_parts();
            let body = to_bytes(body, LONGEST).await.unwrap_or_default();
            lock(&shared).answer(&Request::from_parts(head, body), Utc::now()).map(Body::from)
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.expect("loopback serves") });
        Served { github, api, answered: Arc::default(), tasks }
    }

    /// Sends its webhooks to this address from now on. One that nobody takes is lost: GitHub does not try again.
    pub fn send_webhooks(&mut self, to: SocketAddr) {
        let (github, answered, client) = (self.github.clone(), self.answered.clone(), Client::new());
        self.tasks.spawn(async move {
            loop {
                tokio::time::sleep(LOOK).await;
                let arrived = lock(&github).webhooks(Utc::now());
                for request in arrived {
                    let (head, body) = request.into_parts();
                    let sent = client.post(format!("http://{to}{}", head.uri)).headers(head.headers).body(body);
                    let told = match sent.send().await {
                        Ok(answer) => {
                            format!("{} {}", answer.status().as_u16(), answer.text().await.unwrap_or_default())
                        }
                        Err(error) => error.to_string(),
                    };
                    lock(&answered).push(told);
                }
            }
        });
    }

    /// How its webhooks were answered, status and body, or why they were not.
    pub fn answered(&self) -> Vec<String> {
        lock(&self.answered).clone()
    }

    /// Everything that is known, to be looked at and changed.
    pub fn github(&self) -> MutexGuard<'_, GitHub> {
        lock(&self.github)
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
