//! The jobs that Deckhand does for itself: the daily backup, and looking after what is left open.

use crate::gate::{Bot, buttons, consent, heard};
use crate::jobs::{Job, Missed, Run, Schedule};
use crate::platforms::console::session;
use crate::platforms::discord::record;
use crate::platforms::irc;
use crate::store::backup;
use crate::world::Folder;
use anyhow::Context;
use chrono::TimeDelta;
use commands::act;
use commands::store::Batch;
use futures::FutureExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How long a button can be pressed, and a line can name a message, in days.
const BUTTON_DAYS: i64 = 30;

/// How long a program's log is kept, in days.
const LOG_DAYS: i64 = 90;

/// How long it is kept that Deckhand has said something by itself, in days: it is said again when Deckhand was stopped in
/// the middle, so this is longer than Deckhand is ever away.
const SAID_DAYS: i64 = 90;

/// The backup into `folder` of which the newest `keep` stay; a file is named after the day that it was due, so that a
/// run that is repeated writes the same one again.
pub fn backup(bot: &Arc<Bot>, schedule: Schedule, folder: PathBuf, keep: usize) -> Job {
    let bot = bot.clone();
    let zone = schedule.zone();
    let run = move |run: Run| {
        let (bot, folder) = (bot.clone(), folder.clone());
        async move {
            std::fs::create_dir_all(&folder).with_context(|| format!("{} can not be made", folder.display()))?;
            let file = folder.join(format!("deckhand-{}.jsonl", run.due.with_timezone(&zone).format("%Y-%m-%d-%H%M")));
            let world = &bot.world;
            let report = backup::backup(&*world.store, world.ports.clock.now(), &file).await?;
            tracing::info!(file = %file.display(), lines = report.lines, "a backup was made");
            prune(&folder, keep)?;
            Ok(Batch::default())
        }
        .boxed()
    };
    Job { name: "backup".to_owned(), schedule, missed: Missed::Once, run: Box::new(run) }
}

/// Removes the oldest backups until `keep` are left. Only files that Deckhand named are counted or touched.
fn prune(folder: &Path, keep: usize) -> anyhow::Result<()> {
    let names = std::fs::read_dir(folder)?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut backups: Vec<_> = names.filter(|name| name.starts_with("deckhand-") && name.ends_with(".jsonl")).collect();
    backups.sort_unstable();
    for old in &backups[..backups.len().saturating_sub(keep)] {
        std::fs::remove_file(folder.join(old)).with_context(|| format!("the old backup {old} can not be removed"))?;
    }
    Ok(())
}

/// Every minute: reminds people of questions that wait for them, and ends those that have waited too long.
pub fn reminders(bot: &Arc<Bot>, schedule: Schedule) -> Job {
    let bot = bot.clone();
    let run = move |_| {
        let bot = bot.clone();
        async move {
            let ports = &bot.world.ports;
            let mut batch = Batch::default();
            consent::tend(&*ports.store, ports.clock.now(), ports.vocabulary.zone, &mut batch).await?;
            Ok(batch)
        }
        .boxed()
    };
    Job { name: "reminders".to_owned(), schedule, missed: Missed::Once, run: Box::new(run) }
}

/// Every day: forgets old buttons and messages, old logs, what was said by itself long ago, browsers that were signed in long ago, and
/// interactions that are over.
pub fn cleaning(bot: &Arc<Bot>, schedule: Schedule, files: Arc<Folder>) -> Job {
    let bot = bot.clone();
    let run = move |_| {
        let (bot, files) = (bot.clone(), files.clone());
        async move {
            let ports = &bot.world.ports;
            let (store, now) = (&*ports.store, ports.clock.now());
            let mut batch = Batch::default();
            buttons::forget(store, now - TimeDelta::days(BUTTON_DAYS), &mut batch).await?;
            heard::forget(store, now - TimeDelta::days(BUTTON_DAYS), &mut batch).await?;
            act::forget_sayings(store, now - TimeDelta::days(SAID_DAYS), &mut batch).await?;
            session::forget(store, now, &mut batch).await?;
            record::forget(store, now, &mut batch).await?;
            irc::record::forget(store, now, &mut batch).await?;
            files.forget((now - TimeDelta::days(LOG_DAYS)).into())?;
            Ok(batch)
        }
        .boxed()
    };
    Job { name: "cleaning".to_owned(), schedule, missed: Missed::Once, run: Box::new(run) }
}
