//! The outbox, across outages of the platform, refusals, restarts, and a store that is broken.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use anyhow::anyhow;
use async_trait::async_trait;
use bot::outbox::{self, Outgoing};
use bot::platforms::console::Board;
use bot::platforms::console::messages::Messages;
use bot::platforms::{Platform, PostError};
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::POSTED;
use commands::clock::Clock;
use commands::cx::Thread;
use commands::ledger::Place;
use commands::reply::{Card, Reply, Tone};
use commands::store::{Batch, CommitError, Read, Store};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tests::memory::{Fault, MemoryStore};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

/// How the platform takes the next call.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Mood {
    /// As it should.
    Well,
    /// It can not be reached.
    Away,
    /// It does not want this one.
    Refuses,
    /// It takes it, and its answer is lost.
    TakesAndAway,
    /// It takes it, and never answers.
    TakesAndHangs,
}

/// A platform that keeps the promise of `once`, and remembers what stands in it and when it was called.
#[derive(Default)]
struct Chat {
    moods: Mutex<VecDeque<Mood>>,
    posted: Mutex<HashMap<String, String>>,
    shown: Mutex<Vec<String>>,
    calls: Mutex<Vec<Instant>>,
}

impl Chat {
    async fn take(&self, show: impl FnOnce() -> String) -> Result<(), PostError> {
        self.calls.lock().unwrap().push(Instant::now());
        let mood = self.moods.lock().unwrap().pop_front().unwrap_or(Mood::Well);
        match mood {
            Mood::Away => return Err(PostError::Away(anyhow!("nobody answers"))),
            Mood::Refuses => return Err(PostError::Refused(anyhow!("there is no such channel"))),
            Mood::Well | Mood::TakesAndAway | Mood::TakesAndHangs => self.shown.lock().unwrap().push(show()),
        }
        match mood {
            Mood::TakesAndAway => Err(PostError::Away(anyhow!("the line is dead"))),
            Mood::TakesAndHangs => std::future::pending().await,
            _ => Ok(()),
        }
    }

    fn shown(&self) -> Vec<String> {
        self.shown.lock().unwrap().clone()
    }

    fn expect(&self, moods: &[Mood]) {
        self.moods.lock().unwrap().extend(moods);
    }
}

#[async_trait]
impl Platform for Chat {
    fn name(&self) -> &'static str {
        "chat"
    }

    async fn post(&self, channel: &str, reply: &Reply, once: &str) -> Result<String, PostError> {
        let known = self.posted.lock().unwrap().get(once).cloned();
        if let Some(id) = known {
            return Ok(id);
        }
        let show = || {
            let mut posted = self.posted.lock().unwrap();
            let id = format!("m{}", posted.len() + 1);
            posted.insert(once.to_owned(), id);
            format!("{channel}: {}", reply.text)
        };
        self.take(show).await?;
        Ok(self.posted.lock().unwrap()[once].clone())
    }

    async fn edit(&self, place: &Place, reply: &Reply) -> Result<(), PostError> {
        self.take(|| format!("{} {} is now: {}", place.channel, place.message, reply.text)).await
    }

    async fn unanswered(&self) -> anyhow::Result<Vec<(Place, DateTime<Utc>)>> {
        Ok(Vec::new())
    }

    async fn open_thread(&self, place: &Place, title: &str) -> Result<String, PostError> {
        self.take(|| format!("{} {} has the thread: {title}", place.channel, place.message)).await?;
        Ok(format!("{}/{}", place.channel, place.message))
    }
}

struct World {
    clock: Clock,
    store: Arc<MemoryStore>,
    chat: Arc<Chat>,
}

impl World {
    fn new() -> World {
        let clock = Clock::at("2026-11-21T12:00:00Z".parse().unwrap());
        World { store: Arc::new(MemoryStore::new(clock.clone())), clock, chat: Arc::default() }
    }

    fn start(&self) -> JoinHandle<()> {
        tokio::spawn(outbox::deliver(self.chat.clone(), self.store.clone(), Default::default()))
    }

    async fn say(&self, texts: &[&str]) {
        for text in texts {
            let mut batch = Batch::default();
            outbox::stage(&mut batch, &Outgoing::post(self.clock.now(), "chat", "ops", Reply::say(*text))).unwrap();
            self.store.commit(batch).await.unwrap();
        }
    }

    async fn left(&self) -> usize {
        self.store.scan("outbox/", None, 1000).await.unwrap().len()
    }
}

async fn kill(running: JoinHandle<()>) {
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
}

#[tokio::test(start_paused = true)]
async fn delivers_in_order_and_at_once() {
    let world = World::new();
    world.say(&["one", "two"]).await;
    let running = world.start();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(world.chat.shown(), ["ops: one", "ops: two"]);
    world.say(&["three"]).await;
    sleep(Duration::from_millis(1)).await;
    assert_eq!(world.chat.shown(), ["ops: one", "ops: two", "ops: three"]);

    let texts: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    world.say(&texts.iter().map(String::as_str).collect::<Vec<_>>()).await;
    sleep(Duration::from_millis(1)).await;
    let expected: Vec<String> = texts.iter().map(|text| format!("ops: {text}")).collect();
    assert_eq!(world.chat.shown()[3..], expected);
    assert_eq!(world.left().await, 0);
    kill(running).await;
}

/// Whatever goes wrong with the first of three, nothing overtakes it, and nothing is said twice.
#[tokio::test(start_paused = true)]
async fn keeps_order_through_trouble() {
    use Mood::{Away, Refuses, TakesAndAway, Well};
    let all = ["ops: one", "ops: two", "ops: three"];
    let table: [(&[Mood], &[&str]); 5] = [
        (&[Away, Away, Away], &all),
        (&[Well, Away, Well, Away], &all),
        (&[TakesAndAway], &all),
        (&[TakesAndAway, TakesAndAway, Away, Well], &all),
        (&[Refuses, Away, Well, Refuses], &["ops: two"]),
    ];
    for (moods, expected) in table {
        let world = World::new();
        world.chat.expect(moods);
        world.say(&["one", "two", "three"]).await;
        let running = world.start();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.chat.shown(), expected, "{moods:?}");
        assert_eq!((world.left().await, world.chat.moods.lock().unwrap().len()), (0, 0), "{moods:?}");
        kill(running).await;
    }
}

/// A message with a thread is posted once, and so is what goes into the thread, wherever that is.
#[tokio::test(start_paused = true)]
async fn a_thread_is_opened_under_its_message_and_what_is_for_one_that_is_gone_goes_above() {
    use Mood::{Away, Refuses, Well};
    let (card, opened) = ("ops: card", "ops m1 has the thread: story");
    let table: [(&[Mood], &[&str], Option<&str>); 6] = [
        (&[Well, Well, Well], &[card, opened, "ops/m1: more"], Some("ops/m1")),
        (&[Away, Well, Well, Well], &[card, opened, "ops/m1: more"], Some("ops/m1")),
        (&[Well, Away, Away, Well, Well], &[card, opened, "ops/m1: more"], Some("ops/m1")),
        (&[Well, Well, Refuses, Well], &[card, opened, "ops: more"], Some("ops/m1")),
        (&[Well, Refuses, Refuses, Well], &[card, "ops: more"], None),
        (&[Well, Well, Refuses, Refuses], &[card, opened], Some("ops/m1")),
    ];
    for (moods, expected, thread) in table {
        let world = World::new();
        world.chat.expect(moods);
        let post = |channel: &str, text: &str| Outgoing::post(world.clock.now(), "chat", channel, Reply::say(text));
        let with = Thread { name: "story/1".to_owned(), title: "story".to_owned(), channel: None };
        for message in [post("ops", "card").with(with), post("ops/m1", "more")] {
            let mut batch = Batch::default();
            outbox::stage(&mut batch, &message).unwrap();
            world.store.commit(batch).await.unwrap();
        }
        let running = world.start();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(world.chat.shown(), expected, "{moods:?}");
        let posted = POSTED.get(&*world.store, "story/1").await.unwrap().unwrap().value;
        assert_eq!(posted.message.message, "m1", "{moods:?}");
        assert_eq!(posted.thread.map(|thread| thread.channel).as_deref(), thread, "{moods:?}");
        assert_eq!((world.left().await, world.chat.moods.lock().unwrap().len()), (0, 0), "{moods:?}");
        kill(running).await;
    }
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_to_a_minute_and_begin_anew() {
    let world = World::new();
    world.chat.expect(&[Mood::Away; 10]);
    world.say(&["one"]).await;
    let running = world.start();
    sleep(Duration::from_secs(600)).await;
    assert_eq!(world.chat.shown(), ["ops: one"]);
    world.chat.expect(&[Mood::Away]);
    world.say(&["two"]).await;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.chat.shown(), ["ops: one", "ops: two"]);

    let calls = world.chat.calls.lock().unwrap().clone();
    let pauses: Vec<u64> = calls.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64().floor() as u64).collect();
    let most = [2, 4, 8, 16, 32, 60, 60, 60, 60, 60];
    for (pause, most) in pauses.iter().zip(most) {
        assert!((most / 2..=most).contains(pause), "{pauses:?}");
    }
    assert!((1..=2).contains(pauses.last().unwrap()), "{pauses:?}");
    kill(running).await;
}

/// Killed at each point between taking a message up and having taken it off, and started again.
#[tokio::test(start_paused = true)]
async fn restart_in_the_middle() {
    let table = [
        (Mood::TakesAndHangs, Fault::None),
        (Mood::Well, Fault::LostBefore),
        (Mood::Well, Fault::LostAfter),
        (Mood::Well, Fault::Refused("the disk is full".to_owned())),
        (Mood::Away, Fault::None),
    ];
    for (mood, fault) in table {
        let world = World::new();
        world.say(&["one", "two"]).await;
        world.chat.expect(&[mood]);
        world.store.fail_next([fault.clone()]);
        let running = world.start();
        sleep(Duration::from_millis(1)).await;
        kill(running).await;
        let running = world.start();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(world.chat.shown(), ["ops: one", "ops: two"], "{mood:?} {fault:?}");
        assert_eq!((world.left().await, world.store.faults_left()), (0, 0), "{mood:?} {fault:?}");
        kill(running).await;
    }
}

#[tokio::test(start_paused = true)]
async fn store_that_recovers() {
    let world = World::new();
    world.say(&["one", "two"]).await;
    world.store.fail_next([Fault::Refused("the disk is full".to_owned())]);
    let running = world.start();
    sleep(Duration::from_millis(500)).await;
    assert_eq!((world.chat.shown(), world.left().await), (vec!["ops: one".to_owned()], 2), "it waits first");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.chat.shown(), ["ops: one", "ops: two"]);
    assert_eq!((world.left().await, world.store.faults_left()), (0, 0));
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn edits_what_stands() {
    let world = World::new();
    let place = Place { platform: "chat".to_owned(), channel: "ops".to_owned(), message: "m7".to_owned() };
    let mut batch = Batch::default();
    outbox::stage(&mut batch, &Outgoing::edit(world.clock.now(), place, Reply::say("done"))).unwrap();
    world.store.commit(batch).await.unwrap();
    let running = world.start();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(world.chat.shown(), ["ops m7 is now: done"]);
    kill(running).await;
}

/// A record that nobody can read, and another platform's messages, hold nothing up.
#[tokio::test(start_paused = true)]
async fn what_can_not_be_delivered_here() {
    let world = World::new();
    let mut batch = Batch::default();
    batch.put("outbox/chat/0", "{").put("outbox/chat/1", "{\"schema\":2}").put("outbox/chats/0", "theirs");
    let elsewhere = Outgoing::post(world.clock.now(), "irc", "ops", Reply::say("theirs"));
    outbox::stage(&mut batch, &elsewhere).unwrap();
    world.store.commit(batch).await.unwrap();
    world.say(&["one"]).await;
    let running = world.start();
    sleep(Duration::from_millis(1)).await;
    assert_eq!(world.chat.shown(), ["ops: one"]);
    assert_eq!(world.left().await, 2);
    kill(running).await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_it() {
    let world = World::new();
    world.chat.expect(&[Mood::TakesAndHangs]);
    world.say(&["one"]).await;
    let stop = Default::default();
    let running = tokio::spawn(outbox::deliver(world.chat.clone(), world.store.clone(), Clone::clone(&stop)));
    sleep(Duration::from_millis(1)).await;
    assert!(!running.is_finished());
    stop.cancel();
    running.await.unwrap();
    assert_eq!(world.left().await, 1);
}

#[test]
fn ids_only_grow() {
    let now: DateTime<Utc> = "2126-11-21T12:00:00Z".parse().unwrap();
    let clocks = [now, now, now + TimeDelta::microseconds(1), now - TimeDelta::days(9), now + TimeDelta::days(1)];
    let ids = clocks.map(|now| Outgoing::post(now, "chat", "ops", Reply::default()).id);
    assert!(ids.is_sorted_by(|a, b| a < b && a.len() == 16 && b.len() == 16), "{ids:?}");

    let threads = [(); 8].map(|()| {
        std::thread::spawn(move || [(); 100].map(|()| Outgoing::post(now, "chat", "ops", Reply::default()).id).to_vec())
    });
    let mut ids: Vec<String> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 800);
}

/// A message never takes the place of another one, and comes back from the store as it was.
#[tokio::test]
async fn staged_record() {
    let world = World::new();
    let card = Card { title: "v2 is live 🚀".to_owned(), tone: Tone::Good };
    let reply = Reply { card: Some(card), ..Reply::say("말했다") }.field("ref", "v2").output("a\nb");
    let message = Outgoing::post(world.clock.now(), "chat", "ops", reply);
    let batch = || {
        let mut batch = Batch::default();
        outbox::stage(&mut batch, &message).unwrap();
        batch
    };
    world.store.commit(batch()).await.unwrap();
    let (key, record) = world.store.scan("outbox/chat/", None, 2).await.unwrap().remove(0);
    assert_eq!(key, format!("outbox/chat/{}", message.id));
    assert_eq!(serde_json::from_slice::<Outgoing>(&record.value).unwrap(), message);
    assert!(matches!(world.store.commit(batch()).await, Err(CommitError::Conflict { key: at, .. }) if at == key));
}

/// A thread of the console goes with the message that it hangs under: what is for it then goes above, and holds nothing up.
#[tokio::test(start_paused = true)]
async fn the_console_writes_above_a_thread_that_is_gone() {
    let World { clock, store, .. } = World::new();
    let messages = Arc::new(Messages::new(store.clone(), clock.clone()));
    let running = tokio::spawn(outbox::deliver(Arc::new(Board(messages.clone())), store.clone(), Default::default()));
    let mut batch = Batch::default();
    for (channel, text) in [("ops/gone", "more"), ("ops", "other")] {
        outbox::stage(&mut batch, &Outgoing::post(clock.now(), "console", channel, Reply::say(text))).unwrap();
    }
    store.commit(batch).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    let page = messages.page("ops", None, 10, "ana").await.unwrap();
    let texts: Vec<_> = page.into_iter().filter_map(|message| Some(message.reply?.text)).collect();
    assert_eq!(texts, ["more", "other"]);
    kill(running).await;
}
