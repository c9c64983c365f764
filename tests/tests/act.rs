//! What an act promises: what is not written is not done, and state and ledger never disagree.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use async_trait::async_trait;
use bot::gate::post::Post;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta};
use commands::act::{self, Act, Permit};
use commands::clock::Clock;
use commands::cx::{Call, Consent, Consented, Cx, Ports, Who, World};
use commands::ledger::{self, Phase, Place, Query};
use commands::offer::Offered;
use commands::ports::{Http, Processes};
use commands::redact::Redactor;
use commands::reply::{Button, Reply};
use commands::stop::{Result, Stop};
use commands::store::{Batch, Read, Store};
use commands::vocabulary::Vocabulary;
use std::sync::{Arc, OnceLock};
use tests::contract::draft;
use tests::memory::{Fault, MemoryStore};
use tests::stage;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

struct Yes;

#[async_trait]
impl Consent for Yes {
    async fn ask(&self, _: &Cx, _: &Act) -> Result<Consented> {
        Ok(Consented::default())
    }
}

struct No;

#[async_trait]
impl Consent for No {
    async fn ask(&self, _: &Cx, act: &Act) -> Result<Consented> {
        Err(Stop::refuse(format!("{}?", act.says)))
    }
}

fn stand(consent: Arc<dyn Consent>) -> (Arc<MemoryStore>, Cx) {
    let clock = Clock::at(DateTime::UNIX_EPOCH);
    let store = Arc::new(MemoryStore::new(clock.clone()));
    let around = Arc::new(stage::world::World::new());
    let ports = Ports {
        clock,
        store: store.clone(),
        http: Http::new(around.clone()),
        dial: around.clone(),
        processes: Processes::new(around.clone()),
        files: around.clone(),
        mirrors: around,
        vocabulary: Arc::new(Vocabulary::of_examples()),
        offered: Offered::default(),
    };
    let redactor = Redactor::new(vec!["hunter2-hunter2".to_owned()]);
    let outbox = Arc::new(Post { redactor: redactor.clone() });
    let world = Arc::new(World {
        ports,
        store: store.clone(),
        redactor,
        consent,
        outbox,
        foresight: OnceLock::new(),
        voice: OnceLock::new(),
    });
    let call = Call::unasked(Who::deckhand(), Place::default());
    let cx = Cx::new(world, call, None, mpsc::unbounded_channel().0, CancellationToken::new());
    (store, cx)
}

fn paint() -> Act {
    Act { verb: "wall.paint", object: "north wall".to_owned(), says: "Paint it".to_owned(), ..Act::default() }
}

async fn paint_it(permit: &Permit) -> Result<()> {
    permit.put("wall", "blue");
    permit.note("two coats");
    Ok(())
}

/// The phases on the ledger, oldest first, the last note, and what stands at `wall`.
async fn stands(store: &MemoryStore) -> (Vec<Phase>, String, Option<Bytes>) {
    let read: &dyn Store = store;
    let mut entries = Query::default().run(read, 100).await.unwrap();
    entries.reverse();
    let note = entries.last().map(|entry| entry.draft.note.clone()).unwrap_or_default();
    let wall = read.get("wall").await.unwrap().map(|record| record.value);
    (entries.iter().map(|entry| entry.draft.phase).collect(), note, wall)
}

#[tokio::test(start_paused = true)]
async fn state_and_ledger_change_together() {
    let (store, cx) = stand(Arc::new(Yes));
    cx.act(paint(), paint_it).await.unwrap();
    assert_eq!(stands(&store).await, (vec![Phase::Doing, Phase::Did], "two coats".to_owned(), Some("blue".into())));
    assert!(ledger::open(&*store).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn without_a_yes_nothing_is_written() {
    let (store, cx) = stand(Arc::new(No));
    let stop = cx.act::<()>(paint(), async |_| panic!("it must not run")).await.unwrap_err();
    assert_eq!(stop.to_string(), "Paint it?");
    assert_eq!(stands(&store).await, (vec![], String::new(), None));
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_written_is_not_done() {
    let (store, cx) = stand(Arc::new(Yes));
    store.fail_next([Fault::Refused("the disk is full".to_owned())]);
    let stop = cx.act::<()>(paint(), async |_| panic!("it must not run")).await.unwrap_err();
    assert_eq!(stop.to_string(), "The ledger can not be written, so nothing was done: the disk is full");
    assert_eq!(stands(&store).await, (vec![], String::new(), None));
}

#[tokio::test(start_paused = true)]
async fn an_end_that_can_not_be_written_leaves_the_act_open() {
    let (store, cx) = stand(Arc::new(Yes));
    store.fail_next([Fault::None, Fault::Refused("the disk is full".to_owned())]);
    let stop = cx.act(paint(), paint_it).await.unwrap_err();
    assert_eq!(stop.to_string(), "Act #1 has ended, but the ledger could not be written: the disk is full");
    let open = ledger::open(&*store).await.unwrap();
    assert_eq!(open.iter().map(|entry| entry.seq).collect::<Vec<_>>(), [1]);
    // The next start settles it.
    cx.resume(open[0].clone(), async |permit| {
        permit.failed("found again");
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(stands(&store).await, (vec![Phase::Doing, Phase::Failed], "found again".to_owned(), None));
    assert!(ledger::open(&*store).await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_keeps_nothing_and_a_failure_what_it_staged() {
    let (store, cx) = stand(Arc::new(Yes));
    let refused = cx.act(paint(), async |permit| {
        permit.put("wall", "red");
        Err::<(), _>(Stop::refuse("There is no red left."))
    });
    refused.await.unwrap_err();
    assert_eq!(stands(&store).await, (vec![Phase::Doing, Phase::Failed], "There is no red left.".to_owned(), None));
    let failed = cx.act(Act { undo: Some("wall wash".to_owned()), ..paint() }, async |permit| {
        permit.put("wall", "half red");
        permit.failed("it ran out in the middle");
        Ok(())
    });
    failed.await.unwrap();
    let (phases, note, wall) = stands(&store).await;
    assert_eq!((phases.len(), &*note, wall), (4, "it ran out in the middle", Some("half red".into())));
    let last = Query::default().run(&*store, 1).await.unwrap().remove(0);
    assert_eq!(last.draft.undo, None, "what failed is not undone by the line that would have undone it");
}

#[tokio::test(start_paused = true)]
async fn of_two_at_the_same_moment_one_is_told() {
    let (store, cx) = stand(Arc::new(Yes));
    let (shared, other) = (cx.clone(), store.clone());
    let act = shared.act(paint(), async move |permit| {
        permit.expect("wall", 0);
        permit.put("wall", "blue");
        let mut batch = Batch::default();
        batch.put("wall", "green");
        other.commit(batch).await.map_err(anyhow::Error::from)?;
        Ok(())
    });
    let stop = act.await.unwrap_err();
    assert!(stop.to_string().starts_with("Somebody else changed the same thing"), "{stop}");
    let note = "wall was changed by someone else at the same moment".to_owned();
    assert_eq!(stands(&store).await, (vec![Phase::Doing, Phase::Failed], note, Some("green".into())));
}

#[tokio::test(start_paused = true)]
async fn what_is_handed_over_stays_open() {
    let (store, cx) = stand(Arc::new(Yes));
    let left = cx.act(paint(), async |permit| {
        permit.put("wall", "half blue");
        permit.save().await?;
        Err::<(), _>(Stop::Left(Box::default()))
    });
    left.await.unwrap_err();
    assert_eq!(stands(&store).await, (vec![Phase::Doing], String::new(), Some("half blue".into())));
    assert_eq!(ledger::open(&*store).await.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn secrets_do_not_reach_the_ledger() {
    let (store, cx) = stand(Arc::new(Yes));
    let act = Act {
        object: "hunter2-hunter2".to_owned(),
        why: "use hunter2-hunter2".to_owned(),
        facts: vec![("key", "hunter2-hunter2".to_owned())],
        ..paint()
    };
    let painted = cx.act(act, async |permit| {
        permit.note("with hunter2-hunter2");
        permit.undo(Some("wash hunter2-hunter2".to_owned()));
        Ok(())
    });
    painted.await.unwrap();
    for (_, line) in ledger::export(&*store, None).await.unwrap() {
        assert!(!line.contains("hunter2") && line.contains("[secret]"), "{line}");
    }
}

/// What waits in the outbox, as it lies there.
async fn outbox(store: &MemoryStore) -> Vec<serde_json::Value> {
    let lying = store.scan("outbox/", None, 100).await.unwrap();
    lying.iter().map(|(_, record)| serde_json::from_slice(&record.value).unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_is_said_is_told_once_it_has_happened_and_only_then() {
    let (store, cx) = stand(Arc::new(Yes));
    let ops = Place { platform: "console".to_owned(), channel: "ops".to_owned(), message: "7".to_owned() };
    let says = || Reply::say("Blue, with hunter2-hunter2.").button(Button::new("Wash it", "wall wash"));
    let refused = cx.act(paint(), async |permit| {
        permit.say(&ops, says())?;
        Err::<(), _>(Stop::refuse("There is no blue left."))
    });
    refused.await.unwrap_err();
    assert!(outbox(&store).await.is_empty());
    let painted = cx.act(paint(), async |permit| {
        permit.say(&ops, says())?;
        // A job has no place of its own.
        permit.say(&Place::default(), says())?;
        assert!(outbox(&store).await.is_empty());
        Ok(())
    });
    painted.await.unwrap();
    let told = outbox(&store).await;
    assert_eq!(told.len(), 1);
    let post = &told[0]["what"]["post"];
    assert_eq!((&post["channel"], &post["reply"]["text"]), (&"ops".into(), &"Blue, with [secret].".into()));
    let button = post["reply"]["buttons"][0]["id"].as_str().unwrap();
    let kept = store.get(&format!("buttons/{button}")).await.unwrap().unwrap();
    assert!(String::from_utf8_lossy(&kept.value).contains("wall wash"));
}

#[tokio::test(start_paused = true)]
async fn an_act_whose_right_is_lost_does_not_begin_or_goes_no_further() {
    let (store, cx) = stand(Arc::new(Yes));
    let take = async || {
        let mut batch = Batch::default();
        batch.put("brush", "somebody's");
        store.commit(batch).await.unwrap().revision
    };
    cx.fence("brush", take().await);
    let painted = cx.act(paint(), async |permit| {
        permit.step().await?;
        take().await;
        permit.step().await
    });
    let stop = painted.await.unwrap_err();
    assert!(stop.to_string().starts_with("What allowed this was lost"), "{stop}");
    assert_eq!(stands(&store).await.0, [Phase::Doing, Phase::Failed]);
    let stop = cx.act::<()>(paint(), async |_| panic!("it must not run")).await.unwrap_err();
    assert!(stop.to_string().starts_with("What allowed this was lost"), "{stop}");
    assert_eq!(stands(&store).await.0.len(), 2, "it never began");
}

#[tokio::test(start_paused = true)]
async fn without_an_act_only_what_was_counted_is_kept() {
    let (store, cx) = stand(Arc::new(Yes));
    cx.act(paint(), paint_it).await.unwrap();
    let before = stands(&store).await;
    let [mut counts, mut wall, mut expects, mut gone, mut entry] = [(); 5].map(|()| Batch::default());
    counts.put("counts/wall", "2");
    wall.put("counts/wall", "3").put("wall", "red");
    expects.put("counts/wall", "3").expect("wall", 0);
    gone.delete("wall");
    entry.put("counts/wall", "3").enter(draft("hello"));
    cx.keep_counts(counts).await.unwrap();
    for refused in [wall, expects, gone, entry] {
        assert!(cx.keep_counts(refused.clone()).await.is_err(), "{refused:?}");
    }
    assert_eq!(stands(&store).await, before, "neither the wall nor the ledger has changed");
    assert_eq!(store.get("counts/wall").await.unwrap().unwrap().value, "2");
}

#[test]
fn a_digest_is_of_what_is_done_not_of_why() {
    let digest = |act: Act| act.digest();
    let same = [Act { why: "because".to_owned(), ..paint() }, Act { undo: Some("wash".to_owned()), ..paint() }];
    same.into_iter().for_each(|act| assert_eq!(digest(act), digest(paint())));
    let others = [
        Act { verb: "wall.wash", ..paint() },
        Act { object: "south wall".to_owned(), ..paint() },
        Act { service: Some("north wall".to_owned()), ..paint() },
        Act { environment: Some("north wall".to_owned()), ..paint() },
        Act { facts: vec![("colour", "blue".to_owned())], ..paint() },
    ];
    others.into_iter().for_each(|act| assert_ne!(digest(act.clone()), digest(paint()), "{act:?}"));
}

#[tokio::test(start_paused = true)]
async fn a_saying_begins_one_act_and_is_forgotten_once_it_is_old() {
    let (store, cx) = stand(Arc::new(Yes));
    cx.is_said_once("wall/monday");
    cx.act(paint(), paint_it).await.unwrap();
    let again = cx.act::<()>(paint(), async |_| panic!("it must not run")).await.unwrap_err();
    assert!(again.to_string().starts_with("This was begun before"), "{again}");
    let forget = async |then| {
        let mut batch = Batch::default();
        act::forget_sayings(&*store, then, &mut batch).await.unwrap();
        store.commit(batch).await.unwrap();
        act::has_begun(&*store, "wall/monday").await.unwrap()
    };
    let said = DateTime::UNIX_EPOCH;
    assert!(forget(said).await, "it is not old yet");
    assert!(!forget(said + TimeDelta::seconds(1)).await);
}
