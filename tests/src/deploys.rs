//! What the drills and the measures of deploys share: the config of one service, a small server of files, and how an act
//! ended.

use crate::program::{Home, until, until_async};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;

const HEAD: &str = r#"
environments = ["staging"]
data = "{data}"

[people.ana]
roles = ["deployer"]

[people.ben]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"
channels = ["ops"]

[lock]

[deploy]
"#;

const SERVICE: &str = r#"
[services.app]
repository = "app"

[services.app.deploy]
"#;

/// A config in which ana and ben may do everything with the service `app` in `staging`: `deploy` is what stands in
/// `[deploy]`, and `service` in `[services.app.deploy]`.
pub fn config(deploy: &str, service: &str) -> String {
    [HEAD, deploy, SERVICE, service].concat()
}

/// Serves files of a folder over HTTP, on a thread of its own: always this one, or the one that the path names. A file
/// that is not there is empty. Returns the port.
///
/// # Panics
/// When no port is free.
pub fn serve(folder: PathBuf, always: Option<&'static str>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    std::thread::spawn(move || {
        for mut socket in listener.incoming().flatten() {
            let mut asked = [0; 4096];
            let read = socket.read(&mut asked).unwrap_or(0);
            let line = String::from_utf8_lossy(&asked[..read]);
            let name = line.split([' ', '/']).nth(2).unwrap_or_default();
            let text = std::fs::read_to_string(folder.join(always.unwrap_or(name))).unwrap_or_default();
            let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", text.len());
            // Whoever asks may have gone, or have been killed.
            let _ = socket.write_all((head + &text).as_bytes());
        }
    });
    port
}

/// A port that nobody listens on now.
///
/// # Panics
/// When there is none.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr()).expect("a port is free").port()
}

/// How the act of this number ended, as the ledger has it, once it has an end.
///
/// # Panics
/// When that takes too long, or it has more than one.
pub fn end_of(home: &Home, act: &Value) -> String {
    let ends = until("the act has an end", || {
        let entries = home.ledger();
        let ends = entries.iter().filter(|entry| entry["of"] == *act && entry["phase"] != "doing");
        let ends: Vec<_> = ends.map(|entry| entry["phase"].as_str().unwrap_or_default().to_owned()).collect();
        Some(ends).filter(|ends| !ends.is_empty())
    });
    assert_eq!(ends.len(), 1, "act {act} has ended more than once: {ends:?}");
    ends[0].clone()
}

/// Waits for the last word in the message of this id.
///
/// # Panics
/// When there is none for too long.
pub async fn last_word(home: &Home, id: &Value) -> Value {
    let message = until_async("the message tells how it ended", async || {
        let found = home.answers().await.into_iter().find(|message| message["id"] == *id);
        // What it says when it is stopped (again) is not the last word.
        let goes_on = |message: &Value| message.to_string().contains("is continued when");
        found.filter(|message| message["reply"]["state"] == "final" && !goes_on(message))
    });
    message.await["reply"].clone()
}
