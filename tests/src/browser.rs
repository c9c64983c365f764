//! A real browser, headless, told what to do over W3C WebDriver.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The key under which WebDriver hands out elements (W3C WebDriver, 12.1).
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// How long the page may take to show what is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// Keys that are no characters (W3C WebDriver, 17.4.2).
pub mod keys {
    /// The Enter key.
    pub const ENTER: &str = "\u{e007}";
    /// The Tab key.
    pub const TAB: &str = "\u{e004}";
    /// The Escape key.
    pub const ESCAPE: &str = "\u{e00c}";
    /// Held until the next null.
    pub const SHIFT: &str = "\u{e008}";
    /// The space bar, where it presses a button.
    pub const SPACE: &str = " ";
}

/// One browser with a profile of its own; it goes with the drill.
pub struct Browser {
    driver: Child,
    session: String,
    http: reqwest::Client,
    profile: tempfile::TempDir,
}

impl Browser {
    /// Starts one whose window has this size, in pixels.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(width: u32, height: u32) -> Browser {
        let profile = tempfile::tempdir().expect("a temporary folder");
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").and_then(|probe| probe.local_addr()).expect("a port").port();
        let driver = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let driver = driver.expect("chromedriver is missing: run `scripts/setup`");
        let http = reqwest::Client::builder().no_proxy().build().expect("there is TLS");
        let mut browser = Browser { driver, session: format!("http://127.0.0.1:{port}"), http, profile };
        let ready = async |browser: &mut Browser| browser.try_call("GET", "/status", &Value::Null).await.ok();
        browser.until("chromedriver answers", ready).await;
        let arguments = json!([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--force-color-profile=srgb",
            format!("--window-size={width},{height}"),
            format!("--user-data-dir={}", browser.profile.path().display()),
        ]);
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        }}});
        let session = browser.call("POST", "/session", &wanted).await;
        let id = session["sessionId"].as_str().expect("a session has an id");
        browser.session = format!("http://127.0.0.1:{port}/session/{id}");
        browser.size(width, height).await;
        browser
    }

    /// Gives the page exactly this size, in CSS pixels; below 500 it is a phone.
    pub async fn size(&mut self, width: u32, height: u32) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.cdp("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    /// Whether the system is said to be dark.
    pub async fn dark(&mut self, dark: bool) {
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.cdp("Emulation.setEmulatedMedia", features).await;
    }

    async fn cdp(&mut self, command: &str, parameters: Value) {
        self.call("POST", "/goog/cdp/execute", &json!({ "cmd": command, "params": parameters })).await;
    }

    /// Opens a page.
    pub async fn goto(&mut self, url: &str) {
        self.call("POST", "/url", &json!({ "url": url })).await;
    }

    /// Loads the page again.
    pub async fn reload(&mut self) {
        self.call("POST", "/refresh", &json!({})).await;
    }

    /// Where it is.
    pub async fn url(&mut self) -> String {
        self.call("GET", "/url", &Value::Null).await.as_str().unwrap_or_default().to_owned()
    }

    /// Opens another tab and goes there; the tab that was left comes back, to return to.
    pub async fn tab(&mut self) -> String {
        let left = self.call("GET", "/window", &Value::Null).await;
        let new = self.call("POST", "/window/new", &json!({ "type": "tab" })).await;
        self.switch(new["handle"].as_str().expect("a tab has a handle")).await;
        left.as_str().expect("a tab has a handle").to_owned()
    }

    /// Closes the tab, and goes to that other one.
    pub async fn close(&mut self, other: &str) {
        self.call("DELETE", "/window", &Value::Null).await;
        self.switch(other).await;
    }

    /// Goes to a tab.
    pub async fn switch(&mut self, handle: &str) {
        self.call("POST", "/window", &json!({ "handle": handle })).await;
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub async fn keys(&mut self, keys: &str) {
        let mut shift = false;
        let mut actions = Vec::new();
        for key in keys.chars() {
            if key.to_string() == keys::SHIFT {
                shift = true;
                actions.push(json!({ "type": "keyDown", "value": key }));
                continue;
            }
            actions.push(json!({ "type": "keyDown", "value": key }));
            actions.push(json!({ "type": "keyUp", "value": key }));
            if std::mem::take(&mut shift) {
                actions.push(json!({ "type": "keyUp", "value": keys::SHIFT }));
            }
        }
        let source = json!({ "type": "key", "id": "keyboard", "actions": actions });
        self.call("POST", "/actions", &json!({ "actions": [source] })).await;
    }

    /// Clicks on the element that a CSS selector finds.
    pub async fn click(&mut self, css: &str) {
        let found = self.call("POST", "/element", &json!({ "using": "css selector", "value": css })).await;
        let id = found[ELEMENT].as_str().expect("an element has an id").to_owned();
        self.call("POST", &format!("/element/{id}/click"), &json!({})).await;
    }

    /// What a function's body gives when it is run in the page.
    pub async fn script(&mut self, body: &str) -> Value {
        self.call("POST", "/execute/sync", &json!({ "script": body, "args": [] })).await
    }

    /// The text that the elements found by a CSS selector show.
    pub async fn texts(&mut self, css: &str) -> Vec<String> {
        let found =
            self.script(&format!("return [...document.querySelectorAll({css:?})].map((each) => each.innerText)")).await;
        found.as_array().into_iter().flatten().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    }

    /// Waits until an expression is true in the page, and shows the page's text where it never is.
    ///
    /// # Panics
    /// When it never is.
    pub async fn wait(&mut self, expression: &str) {
        let began = Instant::now();
        while self.script(&format!("return Boolean({expression})")).await != true {
            let page = if began.elapsed() > PATIENCE {
                self.script("return document.body.innerText").await
            } else {
                Value::Null
            };
            assert!(
                page.is_null(),
                "waited in vain for `{expression}` on this page:\n{}",
                page.as_str().unwrap_or_default()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The cookies that the page's address has.
    pub async fn cookies(&mut self) -> Value {
        self.call("GET", "/cookie", &Value::Null).await
    }

    /// What the browser has written to its console since it was asked last.
    pub async fn console(&mut self) -> Vec<String> {
        let log = self.call("POST", "/se/log", &json!({ "type": "browser" })).await;
        let text = |entry: &Value| {
            format!("{}: {}", entry["level"].as_str().unwrap_or("?"), entry["message"].as_str().unwrap_or("?"))
        };
        log.as_array().into_iter().flatten().map(text).collect()
    }

    /// A picture of what is to be seen, as PNG.
    pub async fn screenshot(&mut self) -> Vec<u8> {
        let picture = self.call("GET", "/screenshot", &Value::Null).await;
        BASE64.decode(picture.as_str().unwrap_or_default()).expect("a picture is in base64")
    }

    async fn until<T>(&mut self, what: &str, mut done: impl AsyncFnMut(&mut Browser) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = done(self).await {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain until {what}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn call(&mut self, method: &str, path: &str, body: &Value) -> Value {
        self.try_call(method, path, body).await.unwrap_or_else(|error| panic!("WebDriver: {method} {path}: {error}"))
    }

    async fn try_call(&mut self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let url = format!("{}{path}", self.session);
        let request = match method {
            "GET" => self.http.get(url),
            "DELETE" => self.http.delete(url),
            _ => self.http.post(url).json(body),
        };
        let answer = request.send().await.map_err(|error| error.to_string())?;
        let is_well = answer.status().is_success();
        let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
        let value = answer["value"].take();
        if is_well { Ok(value) } else { Err(value["message"].as_str().unwrap_or("no reason is given").to_owned()) }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        // The browser outlives its driver. Its processes are known by the profile, which nobody else has.
        let profile = self.profile.path().display().to_string();
        for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let line = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let id = process.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
            if let Some(id) = id.filter(|_| String::from_utf8_lossy(&line).contains(&profile)) {
                // It may have gone with another one of them.
                let _ = kill_process(id, Signal::KILL);
            }
        }
    }
}
