//! Drill: the built program takes alerts in from a real Alertmanager, tells them, and silences one there from chat.

use reqwest::StatusCode;
use serde_json::{Value, json};
use std::fs::File;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use tests::program::{Home, client, until, until_async, write};
use tests::team::filled;

const TOKEN: &str = "alerts_of_the_drill_0123456789";

const CONFIG: &str = r#"
environments = ["staging", "production"]
data = "{data}"

[people.ana]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"

[hooks]
listen = "{hooks}"

[channels.ops]
console = "ops"

[services.hello]

[alerts]
channel = "ops"
token = "{token}"
[alerts.alertmanager]
url = "{alertmanager}"
every = "1s"
"#;

/// Debian's `prometheus-alertmanager`, which notifies at once. It ends with the drill.
struct Alertmanager {
    child: Child,
    url: String,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    fn start(port: u16, hooks: &str) -> Alertmanager {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let config = format!(
            r#"
route: {{ receiver: deckhand, group_by: [environment], group_wait: 1s, group_interval: 1s, repeat_interval: 1h }}
receivers:
- name: deckhand
  webhook_configs:
  - url: {hooks}/hooks/alertmanager
    send_resolved: true
    http_config: {{ authorization: {{ credentials: {TOKEN} }} }}
"#
        );
        write(&folder.path().join("config"), config);
        let log = File::create(folder.path().join("log")).expect("a file");
        let child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", folder.path().join("config").display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .args(["--cluster.listen-address=", "--log.level=warn"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let child =
            child.unwrap_or_else(|error| panic!("prometheus-alertmanager is missing ({error}): run `scripts/setup`"));
        Alertmanager { child, url: format!("http://127.0.0.1:{port}"), _folder: folder }
    }

    /// What it answers, once it does.
    async fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.url);
        until_async("Alertmanager answers", async || client().get(&url).send().await.ok()?.json().await.ok()).await
    }

    /// Sends alerts as Prometheus does; they end at `ends`.
    async fn send(&self, names: &[&str], ends: &str) {
        let alert = |name: &&str| {
            json!({
                "labels": { "alertname": name, "severity": "critical", "service": "hello", "environment": "production" },
                "annotations": { "summary": "5 % of requests fail" },
                "endsAt": ends,
            })
        };
        let alerts: Vec<_> = names.iter().map(alert).collect();
        let sent = client().post(format!("{}/api/v2/alerts", self.url)).json(&alerts).send().await;
        assert_eq!(sent.expect("Alertmanager answers").status(), StatusCode::OK);
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        // Ended already is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The last reply to a line of ana's.
fn say(home: &Home, line: &str) -> Value {
    let ran = home.run(&["say", "--json", line]);
    ran.json().pop().unwrap_or_else(|| panic!("nothing was said to {line}: {ran:?}"))
}

/// Waits until the list of alerts has, or has not, this in it.
fn until_listed(home: &Home, what: &str, there: bool) -> Value {
    until(&format!("{what} is listed: {there}"), || {
        let list = say(home, "alert list");
        (list.to_string().contains(what) == there).then_some(list)
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_alertmanager_says_is_told_and_silenced_there() {
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port is free").port();
    let home = Home::with(&filled(CONFIG, &[("alertmanager", &format!("http://127.0.0.1:{port}")), ("token", TOKEN)]));
    let deckhand = home.start();
    let alertmanager = Alertmanager::start(port, &format!("http://{}", home.hooks()));
    assert_eq!(alertmanager.get("/api/v2/alerts").await, json!([]));

    let unknown = client().post(format!("http://{}/hooks/alertmanager", home.hooks())).body("{}").send().await;
    assert_eq!(unknown.expect("Deckhand answers").status(), StatusCode::UNAUTHORIZED);

    let far = "2099-01-01T00:00:00Z";
    alertmanager.send(&["HighErrorRate", "DiskFull"], far).await;
    until_listed(&home, "HighErrorRate", true);
    until_listed(&home, "DiskFull", true);

    // A silence from chat is one at Alertmanager, of this very alert.
    let silenced = say(&home, "alert silence HighErrorRate 2h the database is being moved");
    assert_eq!(silenced["outcome"], "done", "{silenced}");
    let silences = alertmanager.get("/api/v2/silences").await;
    assert_eq!(
        (&silences[0]["createdBy"], &silences[0]["status"]["state"]),
        (&json!("ana"), &json!("active")),
        "{silences}"
    );
    assert!(
        silences[0]["comment"].as_str().is_some_and(|it| it.starts_with("the database is being moved (Deckhand #"))
    );
    let state = async |name: &str| {
        let alerts = alertmanager.get("/api/v2/alerts").await;
        let alerts = alerts.as_array().cloned().unwrap_or_default();
        alerts.into_iter().find(|it| it["labels"]["alertname"] == name).map(|it| it["status"]["state"].clone())
    };
    until_async("it is suppressed", async || (state("HighErrorRate").await? == "suppressed").then_some(())).await;
    assert_eq!(state("DiskFull").await, Some(json!("active")));

    let ended = say(&home, "alert unsilence HighErrorRate");
    assert_eq!(ended["outcome"], "done", "{ended}");
    until_async("it is active again", async || (state("HighErrorRate").await? == "active").then_some(())).await;

    // One that was made there is shown here.
    let made = json!({
        "matchers": [{ "name": "alertname", "value": "DiskFull", "isRegex": false, "isEqual": true }],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": far, "createdBy": "ben", "comment": "mine",
    });
    let sent = client().post(format!("{}/api/v2/silences", alertmanager.url)).json(&made).send().await;
    assert_eq!(sent.expect("Alertmanager answers").status(), StatusCode::OK);
    until("the silence that was made there is shown", || {
        say(&home, "alert show DiskFull").to_string().contains("not from here").then_some(())
    });

    alertmanager.send(&["HighErrorRate"], "2020-01-01T00:00:00Z").await;
    until_listed(&home, "HighErrorRate", false);
    until_listed(&home, "DiskFull", true);
    let told = home.messages().await;
    let told = Value::from(told).to_string();
    assert!(told.contains("HighErrorRate") && told.contains("is over"), "{told}");
    deckhand.stop();
    let verbs: Vec<_> = home.ledger().iter().filter_map(|entry| entry["verb"].as_str().map(str::to_owned)).collect();
    for verb in ["alerts.fire", "alerts.silence", "alerts.unsilence", "alerts.resolve"] {
        assert!(verbs.iter().any(|it| it == verb), "{verb} {verbs:?}");
    }
    home.assert_sound();
}
