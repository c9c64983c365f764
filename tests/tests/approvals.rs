//! Approvals under pressure: everybody answers at the same moment, and Deckhand is killed in between.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use bot::gate::Bot;
use bot::gate::approval;
use commands::clock::Clock;
use commands::ledger::{Phase, Query};
use commands::reply::Outcome;
use commands::store::{Read, Store};
use futures::future::join_all;
use std::sync::Arc;
use std::time::Duration;
use tests::alone::{self, say};
use tests::browser::{Browser, keys};
use tests::memory::{Fault, MemoryStore};
use tests::program::Home;
use tests::stage::world::World;

const CONFIG: &str = r#"
environments = ["production"]
[people.ana]
roles = ["deployer"]
[people.ben]
roles = ["deployer"]
[people.chloe]
roles = ["deployer"]
[people.dan]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
approve = 2
[deploy]
[services.hello]
repository = "/srv/hello"
[services.hello.deploy]
command = ["./ship"]
"#;

const SHIP: &str = "/deploy ship hello production v1";

fn bot(clock: &Clock, store: &Arc<dyn Store>, world: &Arc<World>) -> Arc<Bot> {
    alone::bot(CONFIG, plugins::ALL, clock, store.clone(), world)
}

fn stand() -> (Clock, Arc<dyn Store>, Arc<World>) {
    let clock = alone::clock();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    (clock, store, Arc::new(World::new()))
}

/// The names of the requests that are open.
async fn open(store: &dyn Read, clock: &Clock) -> Vec<String> {
    approval::open(store, clock.now()).await.unwrap().into_iter().map(|(id, _)| id).collect()
}

/// How many deploys were begun.
async fn begun(store: &dyn Read) -> usize {
    entries(store, "deploy.ship", Phase::Doing).await
}

/// How many entries of this verb and phase are on the ledger.
async fn entries(store: &dyn Read, verb: &str, phase: Phase) -> usize {
    let all = Query { verb: Some(verb.to_owned()), ..Query::default() }.run(store, usize::MAX).await.unwrap();
    all.iter().filter(|entry| entry.draft.phase == phase).count()
}

#[tokio::test(start_paused = true)]
async fn all_approve_and_the_asker_asks_again_at_once_and_it_is_done_once() {
    let (clock, store, world) = stand();
    let bot = bot(&clock, &store, &world);
    assert_eq!(say(&bot, "ana", SHIP).await.outcome, Outcome::Refused);
    let [id] = &open(&*store, &clock).await[..] else { panic!("one request") };
    let line = format!("/approve {id}");
    let lines = [("ben", &*line), ("chloe", &line), ("dan", &line), ("ben", &line), ("ana", SHIP), ("chloe", &line)];
    let told = join_all(lines.iter().map(|(who, line)| say(&bot, who, line))).await;
    assert_eq!(begun(&*store).await, 1, "{told:#?}");
    assert!(open(&*store, &clock).await.is_empty(), "nothing is asked for anew: {told:#?}");
    assert_eq!(say(&bot, "dan", &line).await.outcome, Outcome::Refused, "what was done is not done again");
    assert_eq!(begun(&*store).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_approval_and_a_rejection_at_once_are_one_of_the_two() {
    let (clock, store, world) = stand();
    let bot = bot(&clock, &store, &world);
    say(&bot, "ana", SHIP).await;
    let [id] = &open(&*store, &clock).await[..] else { panic!("one request") };
    say(&bot, "ben", &format!("/approve {id}")).await;
    let (approve, reject) = (format!("/approve {id}"), format!("/reject {id} because:no"));
    let (approved, rejected) = tokio::join!(say(&bot, "chloe", &approve), say(&bot, "dan", &reject));
    let done = begun(&*store).await;
    assert_eq!(done == 1, approved.outcome == Outcome::Done, "{approved:?}");
    assert_eq!(done == 0, rejected.outcome == Outcome::Done, "{rejected:?}");
    assert_eq!(done + entries(&*store, "approval.reject", Phase::Did).await, 1, "one of the two is on the ledger");
    assert!(open(&*store, &clock).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_approved_just_before_a_kill_is_not_lost() {
    let clock = Clock::at("2026-03-02T09:00:00Z".parse().unwrap());
    let memory = Arc::new(MemoryStore::new(clock.clone()));
    let (store, world): (Arc<dyn Store>, _) = (memory.clone(), Arc::new(World::new()));
    let first = bot(&clock, &store, &world);
    say(&first, "ana", SHIP).await;
    let [id] = &open(&*store, &clock).await[..] else { panic!("one request") };
    let line = format!("/approve {id}");
    say(&first, "ben", &line).await;
    // The last approval is on the disk, and Deckhand is killed before the act is.
    memory.fail_next([Fault::None, Fault::LostBefore]);
    let never = tokio::time::timeout(Duration::from_secs(60), say(&first, "chloe", &line)).await;
    assert!(never.is_err() && memory.faults_left() == 0, "{never:?}");
    assert_eq!((begun(&*store).await, open(&*store, &clock).await.len()), (0, 1));
    let second = bot(&clock, &store, &world);
    let told = say(&second, "ben", &line).await;
    assert_eq!((told.outcome, begun(&*store).await), (Outcome::Done, 1), "{told:?}");
    // Killed once the act is on the disk, it is not approved any more: the next start settles it.
    say(&second, "ana", SHIP.replace("v1", "v2").as_str()).await;
    let [id] = &open(&*store, &clock).await[..] else { panic!("one request") };
    let line = format!("/approve {id}");
    say(&second, "ben", &line).await;
    memory.fail_next([Fault::None, Fault::LostAfter]);
    let never = tokio::time::timeout(Duration::from_secs(60), say(&second, "chloe", &line)).await;
    assert!(never.is_err() && memory.faults_left() == 0, "{never:?}");
    assert_eq!((begun(&*store).await, open(&*store, &clock).await.len()), (2, 0));
    let third = bot(&clock, &store, &world);
    assert_eq!(say(&third, "dan", &line).await.outcome, Outcome::Refused);
    assert_eq!(begun(&*store).await, 2);
}

#[tokio::test]
async fn on_the_page_a_card_asks_for_an_approval_or_for_why_not() {
    let config = r#"
environments = ["staging"]
[people.ben]
roles = ["deployer"]
[people.ana]
roles = ["deployer"]
[people.dan]
[[policy]]
allow = "*"
to = ["deployer"]
approve = 1
[console]
listen = "{listen}"
speak_as = ["ben", "ana"]
"#;
    let home = Home::with(config);
    let deckhand = home.start();
    let mut page = Browser::start(390, 844).await;
    page.goto(&deckhand.link).await;
    page.wait("document.querySelector('#line')").await;
    let grant = r#"/grant person:dan may:"audit" for:2h because:"a look at <b>it</b>""#;
    assert_eq!(home.run(&["say", "--as", "ana", grant]).code, Some(1), "it waits for an approval");
    let open = "[...document.querySelectorAll('.buttons > button')].filter((it) => it.innerText === ";
    page.wait(&format!("{open}'Reject').length === 1")).await;
    page.script(&format!("{open}'Reject')[0].click()")).await;
    page.wait("document.activeElement.matches('.asks textarea[name=because]')").await;
    page.keys("not while I look").await;
    page.keys(keys::TAB).await;
    page.keys(keys::ENTER).await;
    page.wait("document.body.innerText.includes('ben has rejected it: not while I look.')").await;
    page.wait(&format!("{open}'Approve').length === 0")).await;
    assert_eq!(home.run(&["say", "--as", "ana", grant]).code, Some(1), "it is asked for anew");
    page.wait(&format!("{open}'Approve').length === 1")).await;
    page.script(&format!("{open}'Approve')[0].click()")).await;
    page.wait("document.body.innerText.includes('Approved by ben')").await;
    page.wait("document.body.innerText.includes('as far as you may do it yourself')").await;
    let done: Vec<_> = home.ledger().into_iter().filter(|entry| entry["phase"] == "did").collect();
    let [rejected, did] = &done[..] else { panic!("{done:?}") };
    assert_eq!(
        (&rejected["verb"], &rejected["who"], &rejected["why"]),
        (&"approval.reject".into(), &"ben".into(), &"not while I look".into()),
        "{rejected}"
    );
    assert_eq!((&did["who"], &did["facts"]["approved by"]), (&"ana".into(), &serde_json::json!(["ben"])), "{did}");
    assert_eq!(page.console().await, [""; 0], "the browser complains");
    deckhand.stop();
}
