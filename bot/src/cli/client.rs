//! The local API, seen from the command line.

use super::Placed;
use anyhow::{Context, Result, bail};
use commands::reply::Reply;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::path::Path;

/// What the running bot leaves for the command line, in a file that only its owner can read.
#[derive(Serialize, Deserialize)]
pub struct Door {
    /// Where the console listens.
    pub address: String,
    /// What lets the bearer in.
    pub token: String,
}

/// The bot did not take what was asked, because of how it was asked: a sentence that says what to write instead.
#[derive(Debug)]
pub struct Mistaken(String);

impl std::fmt::Display for Mistaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Mistaken {}

/// A way to the running bot.
pub struct Client {
    http: reqwest::Client,
    door: Door,
}

impl Client {
    /// The bot that `place` means.
    ///
    /// # Errors
    /// When none has left its door there.
    pub fn find(place: &Placed) -> Result<Client> {
        let config = place.config();
        Client::at(&place.data(config.as_ref().map(|(config, _)| config))?)
    }

    /// The bot whose data lies there.
    ///
    /// # Errors
    /// As [`Client::find`].
    pub fn at(data: &Path) -> Result<Client> {
        let file = super::door_file(data);
        let text = std::fs::read_to_string(&file);
        let text = text.with_context(|| {
            format!(
                "no Deckhand has run here (there is no {}): start `deckhand`, or name its `--config`",
                file.display()
            )
        })?;
        let door = serde_json::from_str(&text).with_context(|| format!("{} can not be read", file.display()))?;
        Ok(Client { http: reqwest::Client::builder().no_proxy().build()?, door })
    }

    /// Says a line, and hands each reply to `hear`; the last one comes back.
    ///
    /// # Errors
    /// When the bot can not be reached, or does not take the line.
    pub async fn say(
        &self,
        line: &str,
        person: Option<&str>,
        channel: Option<&str>,
        mut hear: impl FnMut(&Reply),
    ) -> Result<Reply> {
        let body = json!({ "line": line, "as": person, "channel": channel });
        let mut answer = self.post("/api/say", &body).await?;
        let (mut rest, mut last) = (Vec::new(), None);
        // A connection that breaks is an answer without its last word.
        while let Ok(Some(chunk)) = answer.chunk().await {
            rest.extend_from_slice(&chunk);
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                let reply: Reply = serde_json::from_slice(&line).context("the bot's answer can not be read")?;
                hear(&reply);
                last = Some(reply);
            }
        }
        last.filter(|reply| reply.state == commands::reply::State::Final).context(
            "the bot went away before its last word: whether it is done stands on the ledger (`deckhand say audit`)",
        )
    }

    /// What can be typed next.
    ///
    /// # Errors
    /// When the bot can not be reached.
    pub async fn complete(&self, line: &str, cursor: usize, person: Option<&str>, channel: &str) -> Result<Value> {
        let body = json!({ "line": line, "cursor": cursor, "as": person, "channel": channel });
        Ok(self.post("/api/complete", &body).await?.json().await?)
    }

    /// A new one-time link.
    ///
    /// # Errors
    /// When the bot can not be reached.
    pub async fn link(&self) -> Result<String> {
        let answer: Value = self.post("/api/link", &json!({})).await?.json().await?;
        Ok(answer["link"].as_str().unwrap_or_default().to_owned())
    }

    /// Who and what the console knows.
    ///
    /// # Errors
    /// When the bot can not be reached.
    pub async fn session(&self) -> Result<Value> {
        let request = self.http.get(self.url("/api/session")).bearer_auth(&self.door.token);
        Ok(self.checked(request).await?.json().await?)
    }

    /// The reports of the platforms that are connected, by name.
    ///
    /// # Errors
    /// When the bot can not be reached.
    pub async fn platforms(&self) -> Result<Map<String, Value>> {
        // Its status is for probes: what is not ready has a report, too.
        let mut answer: Map<_, _> = self.answer(self.http.get(self.url("/readyz"))).await?.json().await?;
        answer.retain(|_, report| report.is_object());
        Ok(answer)
    }

    /// Posts JSON, and returns the answer unless it is an error.
    ///
    /// # Errors
    /// When the bot can not be reached, or says no: its sentence.
    pub async fn post(&self, path: &str, body: &Value) -> Result<reqwest::Response> {
        self.checked(self.http.post(self.url(path)).bearer_auth(&self.door.token).json(body)).await
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.door.address)
    }

    async fn answer(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        request
            .send()
            .await
            .map_err(|_| anyhow::anyhow!("Deckhand does not answer at {}: start it with `deckhand`", self.door.address))
    }

    async fn checked(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        let answer = self.answer(request).await?;
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or_default();
        let said = body["error"].as_str().map_or_else(|| format!("the bot answered {status}"), str::to_owned);
        if status == reqwest::StatusCode::BAD_REQUEST {
            return Err(Mistaken(said).into());
        }
        bail!("{said}")
    }
}
