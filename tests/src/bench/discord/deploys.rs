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

/// Ships so many services at once, and returns for each how long after the end of its program its last state was shown.
///
/// # Errors
/// When one of them is not live in the end.
pub async fn run(bot: &Bot, count: usize) -> Result<Vec<Duration>> {
    let work = bot.work.as_ref().context("only Deckhand deploys")?;
    bot.discord.state().knobs.unlimited = false;
    bot.discord.state().requests.clear();
    let mut asked = HashMap::new();
    for number in 0..count {
        let (who, channel) = lane(number);
        let said = bot.discord.say(who, &channel, &format!("/deploy ship {} staging v1", Work::service(number)))?;
        asked.insert(said["id"].as_str().context("an interaction has an id")?.to_owned(), number);
    }
    let began = Instant::now();
    let mut shown = HashMap::new();
    while shown.len() < count {
        ensure!(began.elapsed() < PATIENCE, "only {} of {count} deploys have shown their last state", shown.len());
        tokio::time::sleep(Duration::from_millis(100)).await;
        for request in std::mem::take(&mut bot.discord.state().requests) {
            let number = interaction(&request.path).and_then(|id| asked.get(id));
            let content = request.body.to_string();
            if let Some(number) = number.filter(|_| request.status < 300 && content.contains("is live since")) {
                shown.insert(*number, at(request.at));
            }
            ensure!(!content.contains("is not live"), "a deploy has failed: {content}");
        }
        drop(bot.discord.read());
    }
    let late = shown.into_iter().map(|(number, shown)| {
        let ended = fs::metadata(work.end(number))?.modified()?;
        Ok(shown.duration_since(ended).unwrap_or_default())
    });
    late.collect()
}

/// A moment as files know it.
fn at(moment: Instant) -> SystemTime {
    SystemTime::now() - moment.elapsed()
}
