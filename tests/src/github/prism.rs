//! Prism, which holds requests against GitHub's own description of its API: somebody else's reading of it, beside our own in
//! `check.rs`.

use crate::sshd::peer;
use bytes::Bytes;
use http::Request;
use reqwest::Client;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// How long it may take to read the description.
const PATIENCE: Duration = Duration::from_secs(180);

/// What it finds wrong where the description itself is: GitHub's manual documents a range of dates there, which the
/// description has as one date.
const MISTAKEN: [&str; 2] = ["query", "created"];

/// A prism on loopback, until it is dropped.
pub struct Prism {
    child: Child,
    address: String,
    client: Client,
}

impl Prism {
    /// Starts one with those of the description's operations whose paths are `templates`: all of them take minutes to read.
    ///
    /// # Panics
    /// When it is not installed, or does not start.
    pub fn start(scratch: &Path, templates: &[&str]) -> Prism {
        let described = peer("github").join("node_modules/@octokit/openapi/generated/api.github.com.json");
        let text = std::fs::read_to_string(&described).expect("GitHub's description is there: run scripts/setup");
        let mut api: Value = serde_json::from_str(&text).expect("GitHub's description is JSON");
        let paths = api["paths"].as_object_mut().expect("it has paths");
        paths.retain(|path, _| templates.contains(&path.as_str()));
        assert_eq!(paths.len(), templates.len(), "the description has all of {templates:?}");
        api.as_object_mut().expect("it is an object").remove("x-webhooks");
        let file = scratch.join("github.json");
        std::fs::write(&file, api.to_string()).expect("the description can be written");
        let port =
            TcpListener::bind(("127.0.0.1", 0)).and_then(|free| free.local_addr()).expect("a port is free").port();
        let mut child = Command::new("node")
            .arg(peer("prism").join("node_modules/.bin/prism"))
            .args(["mock", "--errors", "--host", "127.0.0.1", "--port", &port.to_string()])
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .expect("node is there: run scripts/setup");
        let out = BufReader::new(child.stdout.take().expect("its output is a pipe"));
        let (tell, told) = mpsc::channel();
        // It goes on reading, for who writes to a pipe that nobody reads comes to a halt.
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).filter(|line| line.contains("listening")).for_each(|_| _ = tell.send(()));
        });
        // A redirect that it makes up leads nowhere.
        let client = Client::builder().redirect(reqwest::redirect::Policy::none()).build();
        let client = client.expect("a client needs nothing");
        let prism = Prism { child, address: format!("http://127.0.0.1:{port}"), client };
        told.recv_timeout(PATIENCE).expect("prism listens; is it installed? scripts/setup does that");
        prism
    }

    /// What is wrong with a request, in prism's words.
    ///
    /// # Panics
    /// When prism does not answer.
    pub async fn violations(&self, request: &Request<Bytes>) -> Option<String> {
        let what = format!("{} {}", request.method(), request.uri());
        let mut headers = request.headers().clone();
        // The description knows GitHub's own media type by its other name alone.
        headers.insert("accept", http::HeaderValue::from_static("application/json"));
        headers.remove("host");
        let sent = self.client.request(request.method().clone(), format!("{}{}", self.address, request.uri()));
        let answer = sent.headers(headers).body(request.body().clone()).send().await.expect("prism answers");
        let told = answer.headers().get("sl-violations").and_then(|told| told.to_str().ok()).map(str::to_owned);
        let (status, body) = (answer.status(), answer.text().await.unwrap_or_default());
        let found = told.or_else(|| {
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            body.get("validation").map(Value::to_string)
        });
        match found {
            Some(found) => {
                let all: Vec<Value> = serde_json::from_str(&found).unwrap_or_default();
                // The answers that it makes up are not ours.
                let ours = |it: &&Value| it["location"][0] != "response" && it["location"] != json!(MISTAKEN);
                let wrong: Vec<_> = all.iter().filter(ours).collect();
                (!wrong.is_empty()).then(|| format!("{what}: {wrong:?}"))
            }
            None if status.is_client_error() || status.is_server_error() => Some(format!("{what}: {status} {body}")),
            None => None,
        }
    }
}

impl Drop for Prism {
    fn drop(&mut self) {
        // Ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
