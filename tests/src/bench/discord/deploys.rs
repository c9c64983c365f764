//! Many deploys at once that edit their progress, under Discord's own limits: how late the last state of each is shown.

use super::bots::{Bot, Work, lane};
use super::load::interaction;
use anyhow::{Context, Result, ensure};
use std::collections::HashMap;
use std::fs;
use std::time::{Duration, SystemTime};
use tokio::time::Instant;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What came out.
#[derive(Default)]
pub struct Deploys {
    /// How long after the end of its program the last state of each was shown.
    pub late: Vec<Duration>,
    /// How many edits of messages there were.
    pub edits: usize,
    /// How many requests were more than Discord allows.
    pub refused: usize,
}

/// Ships so many services at once.
///
/// # Errors
/// When one of them is not live in the end.
pub async fn run(bot: &Bot, count: usize) -> Result<Deploys> {
    let work = bot.work.as_ref().context("only Deckhand deploys")?;
    bot.discord.state().knobs.unlimited = false;
    bot.discord.state().requests.clear();
    let mut asked = HashMap::new();
    for number in 0..count {
        let (who, channel) = lane(number);
        let said = bot.discord.say(who, &channel, &format!("/deploy ship {} v1", Work::target(number)))?;
        asked.insert(said["id"].as_str().context("an interaction has an id")?.to_owned(), number);
    }
    let (began, mut deploys) = (Instant::now(), Deploys::default());
    let mut shown = HashMap::new();
    while shown.len() < count {
        ensure!(began.elapsed() < PATIENCE, "only {} of {count} deploys have shown their last state", shown.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
        for request in std::mem::take(&mut bot.discord.state().requests) {
            let content = request.body.to_string();
            ensure!(!content.contains("is not live"), "a deploy has failed: {content}");
            deploys.refused += usize::from(request.status == 429);
            let number = interaction(&request.path).and_then(|id| asked.get(id)).filter(|_| request.status < 300);
            let Some(number) = number.filter(|_| request.route.starts_with("PATCH ")) else { continue };
            deploys.edits += 1;
            if content.contains("is live since") {
                shown.insert(*number, SystemTime::now() - request.at.elapsed());
            }
        }
        drop(bot.discord.read());
    }
    for (number, shown) in shown {
        let ended = fs::metadata(work.end(number))?.modified()?;
        deploys.late.push(shown.duration_since(ended).unwrap_or_default());
    }
    Ok(deploys)
}
