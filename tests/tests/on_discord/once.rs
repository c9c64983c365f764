//! What is done once, however often Discord sends it, and what is told once, whatever is killed in between.

use super::{CALLBACK, House, id, words};
use bot::outbox::{self, Outgoing};
use commands::reply::Reply;
use commands::store::{Batch, Read, Store};
use futures::FutureExt;
use std::time::Duration;
use tests::discord::knobs::{Fault, Scope};
use tests::discord::state::What;
use tests::memory::Fault as Disk;

const POST: &str = "POST /channels/{channel_id}/messages";
const SHIP: &str = "/deploy ship hello staging v1";

/// Puts these sentences into the outbox, for #ops.
async fn stage(house: &House, sentences: &[&str]) {
    for sentence in sentences {
        let mut batch = Batch::default();
        let post = Outgoing::post(house.stage.clock.now(), "discord", house.channel("ops"), Reply::say(*sentence));
        outbox::stage(&mut batch, &post).unwrap();
        house.stage.store.commit(batch).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_discord_sends_twice_is_done_once() {
    for line in [SHIP, "/deploy status"] {
        let house = House::new().await;
        house.at(|state| state.gateway.doubled = 1);
        let told = house.say("ana", line).await;
        house.pass(5).await;
        let posted = told.seen.iter().filter(|seen| seen.what == What::Posted).count();
        assert_eq!((posted, house.requests(CALLBACK)), (1, 1), "{line}");
        assert!(house.acts().await <= 1);
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn also_when_deckhand_was_killed_in_between() {
    let mut house = House::new().await;
    let told = house.say("ana", SHIP).await;
    let asked = house.interaction(&told.id).json;
    house.restart().await;
    house.discord().deliver(asked.clone());
    house.pass(30).await;
    assert_eq!(house.discord().read().len(), 0);
    // A button's, too.
    house.say("ana", "/deploy ship hello staging v2").await;
    let drawn = house.say("ana", "/changes since:today").await.last().message.clone();
    let pressed = house.discord().press("ben", &drawn, "Undo #3").unwrap();
    house.told(id(&pressed)).await;
    house.restart().await;
    house.discord().deliver(pressed);
    house.pass(30).await;
    assert_eq!((house.discord().read().len(), house.acts().await), (0, 3));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_never_answered_is_ended_after_a_restart() {
    for minutes in [0, 20] {
        let mut house = House::new().await;
        // That it was taken is written, and nothing comes after it.
        house.stage.store.fail_next([Disk::LostAfter]);
        let asked = house.begin("ana", SHIP);
        house.pass(2).await;
        house.stage.kill();
        house.pass(minutes * 60).await;
        house.stage.begin().await.unwrap();
        house.pass(5).await;
        let seen = house.discord().read();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(words(&seen[0]).contains("stopped before this was done. Nothing was changed"), "{}", words(&seen[0]));
        assert_eq!(seen[0].interaction.as_ref(), Some(&asked), "{minutes}");
        let thinks = house.interaction(&asked).waiting;
        assert!(!thinks || minutes >= 15, "Discord still says that Deckhand is thinking, after {minutes} minutes");
        // It is told once.
        house.restart().await;
        house.pass(5).await;
        assert_eq!((house.discord().read().len(), house.acts().await), (0, 0));
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_deploy_that_was_interrupted_is_told_of_in_its_own_message() {
    let mut house = House::new().await;
    let message = house.under_way("ana").await;
    house.restart().await;
    house.pass(2).await;
    let seen = house.end().await;
    assert!(seen.iter().all(|seen| seen.message == message && seen.what == What::Edited), "{seen:?}");
    assert!(words(seen.last().unwrap()).contains("is live"), "{}", words(seen.last().unwrap()));
    assert_eq!(house.acts().await, 1);
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn last_words_are_noted_down_together() {
    let house = House::new().await;
    let mut changes = house.stage.store.watch("discord/taken/");
    let asked = [house.begin("ana", SHIP), house.begin("ben", "/deploy ship hello production v1")];
    for id in &asked {
        house.told(id.clone()).await;
    }
    // Each was noted down twice: that it was taken, in which message, and that its last word was said.
    let mut noted = Vec::new();
    while let Some(Some(change)) = changes.next().now_or_never() {
        noted.push(change.revision);
    }
    assert_eq!(noted.len(), 4, "{noted:?}");
    assert_eq!(noted[2], noted[3], "{noted:?}");
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_outbox_delivers_in_order_and_once_whatever_happens() {
    for fault in [
        Fault::Away,
        Fault::Status(502),
        Fault::Cut,
        Fault::Slow(Duration::from_secs(11)),
        Fault::Limited(Scope::User, Duration::from_secs(3)),
        Fault::Limited(Scope::Shared, Duration::from_secs(3)),
    ] {
        let house = House::new().await;
        // Longer than one call tries.
        house.at(|state| state.knobs.plan(POST, 12, fault));
        stage(&house, &["one", "two", "three"]).await;
        house.pass(10 * 60).await;
        let seen: Vec<_> = house.discord().read().iter().map(words).collect();
        assert_eq!(seen, ["one", "two", "three"], "{fault:?}");
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_picture_comes_whole() {
    // The first bytes of any PNG: no text, and not to be taken for one.
    const PICTURE: &[u8] = b"\x89PNG\r\n\x1a\n\0\xff\xfe";
    let house = House::new().await;
    house.stage.world.keep_picture("latency.png", PICTURE);
    let reply = Reply::say("p95 152 ms").file("Latency of hello", "latency.png").file("Not kept", "gone.png");
    let mut batch = Batch::default();
    let post = Outgoing::post(house.stage.clock.now(), "discord", house.channel("ops"), reply);
    outbox::stage(&mut batch, &post).unwrap();
    house.stage.store.commit(batch).await.unwrap();
    house.pass(10).await;
    let seen = house.discord().read();
    assert_eq!(seen.len(), 1, "{seen:?}");
    let message = house.at(|state| state.messages[&seen[0].message].clone());
    let files: Vec<_> = message.files.iter().map(|(name, bytes)| (name.as_str(), &bytes[..])).collect();
    assert_eq!(files, [("latency.png", PICTURE)]);
    assert_eq!(seen[0].body["attachments"][0]["description"], "Latency of hello");
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_posted_just_before_a_kill_is_not_posted_again() {
    let mut house = House::new().await;
    // The second commit would note that it was posted: the process is killed before it.
    house.stage.store.fail_next([Disk::None, Disk::LostBefore]);
    stage(&house, &["one"]).await;
    house.pass(1).await;
    assert_eq!(house.stage.store.faults_left(), 0);
    house.restart().await;
    house.pass(10).await;
    let seen: Vec<_> = house.discord().read().iter().map(words).collect();
    assert_eq!((seen, house.requests(POST)), (vec!["one".to_owned()], 2));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_second_start_registers_nothing() {
    let mut house = House::new().await;
    let writes = |house: &House| {
        house.at(|state| {
            let of_commands = |route: &str| route.contains("/commands") && !route.starts_with("GET");
            state.requests.iter().filter(|request| of_commands(&request.route)).count()
        })
    };
    let first = writes(&house);
    house.restart().await;
    assert!(first > 0 && writes(&house) == first, "{first}, then {}", writes(&house));
    house.finish().await;
}
