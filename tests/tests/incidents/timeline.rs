//! A page of a long timeline takes no longer than one of a short one, and all that may belong there is offered.

use bot::gate::Bot;
use bot::store::SledStore;
use chrono::{DateTime, TimeDelta, Utc};
use commands::ledger::Place;
use commands::reply::Reply;
use commands::store::{Batch, Store};
use plugins::incidents::records::{Entry, Kind, TIMELINE, entry_name};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tests::alone::{self, say};
use tests::stage::world::World;

const CONFIG: &str = r#"
environments = ["production"]
[people.ana]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[incidents]
"#;

/// A config in which what is frozen is of a service.
const FREEZES: &str = r#"
environments = ["production"]
[people.ana]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[services.hello]
[freeze]
[incidents]
"#;

/// More acts than are looked at at once.
const ACTS: usize = 70;

/// How often each page is asked for.
const ROUNDS: usize = 200;

/// Puts so many notes into the timeline of an incident.
async fn fill(store: &dyn Store, incident: u64, count: u64, from: DateTime<Utc>) {
    let mut batch = Batch::default();
    for number in 0..count {
        let at = from + TimeDelta::seconds(i64::try_from(number).unwrap());
        let text = format!("note {number}: the pool of the second node is exhausted again");
        let entry = Entry {
            at,
            kind: Kind::Note,
            who: "ana".to_owned(),
            text,
            about: None,
            place: Place::default(),
            message: None,
            revisions: Vec::new(),
        };
        TIMELINE.put_in(&mut batch, entry_name(incident, at, number + 100), &entry).unwrap();
        if batch.writes.len() == 1_000 {
            store.commit(std::mem::take(&mut batch)).await.unwrap();
        }
    }
    store.commit(batch).await.unwrap();
}

/// The page, and how long it took.
async fn page(bot: &Arc<Bot>, line: &str) -> (Reply, Duration) {
    let began = Instant::now();
    let reply = say(bot, "ana", line).await;
    (reply, began.elapsed())
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "the figures are for whoever runs it with --nocapture")]
async fn a_page_of_a_long_timeline_is_as_fast_as_one_of_a_short_one() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), alone::clock());
    let store: Arc<dyn Store> = Arc::new(SledStore::open(folder.path(), clock.clone()).unwrap());
    let bot = alone::bot(CONFIG, plugins::ALL, &clock, store.clone(), &Arc::new(World::new()));
    let lines = ["slow pages", "no logins"].map(|title| format!("incident open {title} another:yes"));
    for line in &lines {
        say(&bot, "ana", line).await;
    }
    let from = clock.now() - TimeDelta::days(1);
    fill(&*store, 1, 99, from).await;
    fill(&*store, 3, 9_999, from).await;
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (times, line) in [(&mut short, "incident timeline 1"), (&mut long, "incident timeline 3")] {
            let (reply, took) = page(&bot, line).await;
            let rows = reply.table.unwrap().rows;
            assert_eq!(rows.len(), 10);
            times.push(took);
        }
    }
    let (short, long) = (median(short), median(long));
    println!("a page of 100 entries: {short:?}; of 10,000: {long:?}");
    assert!(long < short * 3 / 2, "a page of 10,000 entries takes {long:?}, one of 100 {short:?}");
    let mut seen = 0;
    let mut line = "incident timeline 3".to_owned();
    loop {
        let (reply, _) = page(&bot, &line).await;
        seen += reply.table.unwrap().rows.len();
        let Some(earlier) = reply.buttons.into_iter().find(|button| button.label == "Earlier") else { break };
        line = earlier.line;
    }
    assert_eq!(seen, 10_000, "every entry stands on one page");
}

#[tokio::test]
async fn every_act_is_offered_however_many_are_kept_already() {
    let (folder, clock) = (tempfile::tempdir().unwrap(), alone::clock());
    let store: Arc<dyn Store> = Arc::new(SledStore::open(folder.path(), clock.clone()).unwrap());
    let bot = alone::bot(FREEZES, plugins::ALL, &clock, store, &Arc::new(World::new()));
    for number in 0..ACTS {
        say(&bot, "ana", &format!("freeze add 2h because:\"reason {number}\" service:hello")).await;
    }
    say(&bot, "ana", "incident open \"slow pages\" service:hello").await;
    let mut kept = BTreeSet::new();
    loop {
        let reply = say(&bot, "ana", "incident timeline candidates:yes").await;
        let says = reply.text;
        let older = ACTS - kept.len();
        match older {
            0 => assert!(says.starts_with("The ledger has nothing more"), "{says}"),
            61.. => assert!(says.contains("More than 55 older ones"), "{says}"),
            6.. => assert!(says.contains(&format!("{} older ones", older - 5)), "{says}"),
            _ => assert!(!says.contains("older"), "{says}"),
        }
        for button in &reply.buttons {
            say(&bot, "ana", &button.line).await;
            assert!(kept.insert(button.line.clone()), "{} is offered again", button.line);
        }
        if reply.buttons.is_empty() {
            break;
        }
    }
    assert_eq!(kept.len(), ACTS);
}
