//! `deckhand import`: a file of somebody else's records, taken in by the running bot.

use super::Placed;
use super::client::Client;
use super::say_line;
use anyhow::{Context, Result};
use commands::reply::Reply;
use serde_json::json;
use std::path::PathBuf;

/// Take in what a team did before it had Deckhand. The same file again changes nothing.
#[derive(clap::Args)]
pub struct Import {
    /// What it is: `dora` for deployments, commits or incidents as CSV
    what: String,
    /// The file
    file: PathBuf,
}

pub(super) async fn import(place: &Placed, Import { what, file }: Import) -> Result<u8> {
    let bytes = std::fs::read(&file).with_context(|| format!("{} can not be read", file.display()))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{} is no text in UTF-8", file.display()))?;
    let answer = Client::find(place)?.post("/api/import", &json!({ "what": what, "text": text })).await?;
    let reply: Reply = answer.json().await.context("the bot's answer can not be read")?;
    say_line(reply.text);
    Ok(0)
}
