//! The jobs that Deckhand does for itself, over days that pass at once.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use bot::gate::Bot;
use bot::jobs::{self, Schedule};
use bot::store::{SledStore, backup};
use bot::upkeep;
use chrono_tz::Tz;
use commands::clock::Clock;
use commands::store::{Batch, Read, Store};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tests::alone;
use tests::contract;
use tests::memory::MemoryStore;
use tests::stage::world::World;
use tokio_util::sync::CancellationToken;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn bot(clock: &Clock, store: &Arc<MemoryStore>) -> Arc<Bot> {
    alone::bot("", &[], clock, store.clone(), &Arc::new(World::new()))
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test(start_paused = true)]
async fn a_backup_a_day_is_kept_and_each_can_be_restored() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("backups");
    let clock = alone::clock();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let mut batch = Batch::default();
    batch.put("wall", "blue").enter(contract::draft("hello"));
    store.commit(batch).await.unwrap();
    let bot = bot(&clock, &store);
    // Deckhand is started anew each day: no backup is made twice, and none is left out.
    for day in 1..=5 {
        let schedule = Schedule::parse("30 3 * * *", Tz::Asia__Seoul).unwrap();
        let stop = CancellationToken::new();
        let work = vec![upkeep::backup(&bot, schedule, folder.clone(), 3)];
        let keeping = tokio::spawn(jobs::keep(work, store.clone(), clock.clone(), format!("day {day}"), stop.clone()));
        tokio::time::sleep(DAY).await;
        stop.cancel();
        keeping.await.unwrap();
    }
    let kept = ["2026-03-05-0330", "2026-03-06-0330", "2026-03-07-0330"].map(|day| format!("deckhand-{day}.jsonl"));
    assert_eq!(files(&folder), kept);
    for name in kept {
        backup::check(&folder.join(&name)).unwrap();
        let restored = home.path().join(format!("{name}.store"));
        SledStore::restore(&folder.join(&name), &restored, clock.clone()).await.unwrap();
        let restored = SledStore::open(&restored, clock.clone()).unwrap();
        assert_eq!(restored.get("wall").await.unwrap().unwrap().value, "blue");
    }
}

#[tokio::test(start_paused = true)]
async fn only_deckhands_own_backups_are_ever_removed() {
    let home = tempfile::tempdir().unwrap();
    for name in ["precious.jsonl", "deckhand-notes.txt", "deckhand-2020-01-01-0330.jsonl"] {
        std::fs::write(home.path().join(name), "").unwrap();
    }
    let clock = alone::clock();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let bot = bot(&clock, &store);
    let job = upkeep::backup(&bot, Schedule::parse("30 3 * * *", Tz::UTC).unwrap(), home.path().to_owned(), 1);
    (job.run)(jobs::Run { due: clock.now(), missed: 0, late: false }).await.unwrap();
    assert_eq!(files(home.path()), ["deckhand-2026-03-02-0900.jsonl", "deckhand-notes.txt", "precious.jsonl"]);
}
