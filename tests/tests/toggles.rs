//! Flags under pressure: several people turn the same one at the same moment.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use bot::gate::Bot;
use commands::ledger::{Phase, Query};
use commands::reply::Outcome;
use futures::future::join_all;
use plugins::flags::model::SETTINGS;
use std::sync::Arc;
use tests::alone::{self, say};
use tests::memory::{Fault, MemoryStore};
use tests::stage::world::World;

const CONFIG: &str = r#"
environments = ["staging", "production"]
[people.ana]
roles = ["deployer"]
[people.ben]
roles = ["deployer"]
[people.chloe]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[flags]
"#;

fn stand() -> (Arc<Bot>, Arc<MemoryStore>) {
    let clock = alone::clock();
    let store = Arc::new(MemoryStore::new(clock.clone()));
    (alone::bot(CONFIG, plugins::ALL, &clock, store.clone(), &Arc::new(World::new())), store)
}

/// The acts of this verb that were done.
async fn done(store: &MemoryStore, verb: &str) -> Vec<u64> {
    let query = Query { verb: Some(verb.to_owned()), ..Query::default() };
    let all = query.run(store, usize::MAX).await.unwrap();
    all.iter().filter(|entry| entry.draft.phase == Phase::Did).map(|entry| entry.act()).collect()
}

#[tokio::test(start_paused = true)]
async fn of_two_who_turn_a_flag_at_the_same_moment_one_wins_and_the_other_is_told() {
    let (bot, store) = stand();
    say(&bot, "ana", "/flag create banner").await;
    let lines = [
        ("ana", "/flag on banner staging percent:10"),
        ("ben", "/flag on banner staging percent:20"),
        ("chloe", "/flag on banner staging percent:30"),
    ];
    let told = join_all(lines.iter().map(|(who, line)| say(&bot, who, line))).await;
    let won: Vec<_> = told.iter().filter(|reply| reply.outcome == Outcome::Done).collect();
    let acts = done(&store, "flags.on").await;
    assert_eq!((won.len(), acts.len()), (1, 1), "{told:#?}");
    let lost = told.iter().filter(|reply| reply.text.starts_with("Somebody else changed the same thing"));
    assert_eq!(lost.count(), 2, "{told:#?}");
    let setting = SETTINGS.get(&*store, "staging/banner").await.unwrap().unwrap().value;
    assert_eq!(setting.changed.map(|changed| changed.act), Some(acts[0]));
    assert!(won[0].card.as_ref().is_some_and(|card| card.title == "banner: on in staging"));
}

#[tokio::test(start_paused = true)]
async fn elsewhere_at_the_same_moment_is_in_nobodys_way() {
    let (bot, store) = stand();
    say(&bot, "ana", "/flag create banner").await;
    say(&bot, "ana", "/flag create other").await;
    let lines = [
        ("ana", "/flag on banner staging"),
        ("ben", "/flag on other staging"),
        ("chloe", "/flag set banner production percent:5"),
    ];
    let told = join_all(lines.iter().map(|(who, line)| say(&bot, who, line))).await;
    assert!(told.iter().all(|reply| reply.outcome == Outcome::Done), "{told:#?}");
    assert_eq!(done(&store, "flags").await.len(), 5);
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_written_is_not_served() {
    let (bot, store) = stand();
    say(&bot, "ana", "/flag create banner").await;
    store.fail_next([Fault::Refused("the disk is full".to_owned())]);
    let told = say(&bot, "ana", "/flag on banner staging").await;
    assert!(told.outcome == Outcome::Broken && told.text.contains("nothing was done"), "{told:#?}");
    let shown = say(&bot, "ben", "/flag list").await;
    assert_eq!(shown.table.unwrap().rows[0][1], "–");
    let told = say(&bot, "ana", "/flag on banner staging").await;
    assert_eq!(told.outcome, Outcome::Done);
    let shown = say(&bot, "ben", "/flag list").await;
    assert_eq!(shown.table.unwrap().rows[0][1], "staging");
}
