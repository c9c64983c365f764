//! When an answer comes, who sees it, and what Discord may do to it on its way.

use super::{ANSWERED, CALLBACK, DEFERRED, House, words};
use commands::store::Read;
use serde_json::json;
use std::time::Duration;
use tests::discord::knobs::{Fault, Scope};
use tests::discord::state::What;
use tests::memory::Fault as Disk;

const ORIGINAL: &str = "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original";
const SHIP: &str = "/deploy ship hello staging v1";

#[tokio::test(start_paused = true)]
async fn a_quick_answer_is_the_acknowledgement() {
    let house = House::new().await;
    let told = house.say("ana", "/deploy status").await;
    assert_eq!(house.acknowledged(&told.id).1, ANSWERED);
    assert_eq!(told.course(), [(What::Posted, false)]);
    let told = house.say("ana", "/whoami").await;
    told.assert_only(&house, "ana", "You are `ana`");
    assert_eq!((house.acknowledged(&told.id).1, house.requests(CALLBACK), house.requests(ORIGINAL)), (ANSWERED, 2, 0));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn it_is_acknowledged_in_time_however_slow_the_disk_is() {
    for slow in [0, 1_400, 1_600, 15_000] {
        let house = House::new().await;
        house.stage.store.fail_next([Disk::Slow(Duration::from_millis(slow))]);
        let told = house.say("ana", SHIP).await;
        let (took, kind) = house.acknowledged(&told.id);
        assert!(kind == DEFERRED && took < Duration::from_millis(100), "{slow} ms: callback {kind} after {took:?}");
        // One message, from the first word to the last.
        assert!(told.seen.iter().all(|seen| seen.message == told.seen[0].message), "{slow} ms");
        assert!(words(told.last()).contains("v1 (1111111) is live"), "{slow} ms: {}", words(told.last()));
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_for_the_asker_alone_however_late_it_comes() {
    let house = House::new().await;
    let told = house.say_in("lounge", "dan", "/deploy ship hello production v1").await;
    told.assert_only(&house, "dan", "dan may not say");
    // It was deferred as one that everybody sees: that message goes, and the asker has one of their own.
    house.stage.store.fail_next([Disk::Slow(Duration::from_secs(5))]);
    let told = house.say_in("lounge", "dan", "/deploy ship hello production v1").await;
    assert_eq!(house.acknowledged(&told.id).1, DEFERRED);
    assert_eq!(told.course(), [(What::Deleted, false), (What::Posted, true)]);
    assert_eq!(told.last().only, Some(house.user("dan")));
    assert!(words(told.last()).contains("dan may not say"));
    assert_eq!(house.finish().await, "");
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_written_down_is_not_done() {
    let house = House::new().await;
    house.stage.store.fail_next([Disk::Refused("the disk is full".to_owned())]);
    let told = house.say("ana", SHIP).await;
    assert!(words(told.last()).contains("so nothing was done"), "{}", words(told.last()));
    assert_eq!(house.finish().await, "");
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_the_acknowledgement_the_answer_comes_once() {
    for (fault, times) in [
        (Fault::Status(502), 1),
        (Fault::Status(503), 2),
        (Fault::Limited(Scope::User, Duration::from_millis(500)), 1),
        (Fault::Limited(Scope::Global, Duration::from_millis(500)), 1),
        // It was carried out, and its answer is lost: the second try is refused with 40060.
        (Fault::Cut, 1),
        (Fault::Slow(Duration::from_millis(1_500)), 1),
        (Fault::Away, 2),
    ] {
        let house = House::new().await;
        house.at(|state| state.knobs.plan(CALLBACK, times, fault));
        let told = house.say("ana", "/deploy status").await;
        assert_eq!(told.course(), [(What::Posted, false)], "{fault:?}");
        house.at(|state| state.knobs.plan(CALLBACK, times, fault));
        let told = house.say("ana", SHIP).await;
        assert!(words(told.last()).contains("is live"), "{fault:?}: {}", words(told.last()));
        assert_eq!(told.seen.iter().filter(|seen| seen.what == What::Posted).count(), 1, "{fault:?}");
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_too_late_for_discord_stands_in_a_message_of_its_own() {
    let house = House::new().await;
    let asked = house.unheard("ana", SHIP);
    let id = super::id(&asked);
    house.at(|state| state.interactions.get_mut(&id).unwrap().expired = true);
    house.discord().deliver(asked);
    let told = house.told(id.clone()).await;
    assert!(words(told.last()).contains("is live") && told.last().interaction.is_none());
    assert_eq!(told.last().channel, house.channel("ops"));
    assert_eq!(house.at(|state| state.interactions.remove(&id).unwrap().acknowledged), None);
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn whatever_becomes_of_an_edit_the_last_state_arrives() {
    for (fault, times) in [
        (Fault::Status(502), 3),
        // More than any request is tried: the outbox takes over.
        (Fault::Status(500), 10),
        (Fault::Limited(Scope::User, Duration::from_secs(10)), 1),
        (Fault::Limited(Scope::Shared, Duration::from_secs(4)), 2),
        (Fault::Limited(Scope::Global, Duration::from_secs(4)), 1),
        (Fault::Cut, 2),
        (Fault::Slow(Duration::from_secs(9)), 1),
        (Fault::Away, 3),
    ] {
        let house = House::new().await;
        house.at(|state| state.knobs.plan(ORIGINAL, times, fault));
        let mut told = house.say("ana", SHIP).await;
        house.pass(30).await;
        told.seen.extend(house.discord().read());
        assert!(words(told.last()).contains("is live"), "{fault:?}: {}", words(told.last()));
        assert!(told.seen.iter().all(|seen| seen.message == told.seen[0].message), "{fault:?}");
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn states_that_could_not_be_shown_in_time_are_left_out() {
    let house = House::new().await;
    let message = house.under_way("ana").await;
    let before = house.requests(ORIGINAL);
    // A state is drawn every minute. Of those that are drawn while Discord lets nobody edit, the last is worth a request.
    house.at(|state| state.knobs.plan(ORIGINAL, 1, Fault::Limited(Scope::User, Duration::from_secs(5 * 60 - 10))));
    house.pass(6 * 60 - 10).await;
    assert_eq!(house.requests(ORIGINAL) - before, 2);
    let seen = house.end().await;
    assert!(words(seen.last().unwrap()).contains("is live"));
    assert!(seen.iter().all(|seen| seen.message == message));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_crowd_is_served_within_discords_limits() {
    let service = |number: usize| {
        format!(
            "[services.s{number}]\nrepository = \"/srv/hello\"\n[services.s{number}.deploy]\ncommand = [\"./ship\", \"{{commit}}\"]\n"
        )
    };
    let house = House::with(&(1..=32).map(service).collect::<String>()).await;
    let ids: Vec<_> = (1..=32)
        .map(|number| {
            let who = ["ana", "ben", "chloe"][number % 3];
            let channel = ["ops", "ops/story", "lounge"][number % 2];
            house.begin_in(channel, who, &format!("/deploy ship s{number} staging v1"))
        })
        .collect();
    for id in &ids {
        house.stage.until_told(id).await.unwrap();
    }
    let late: Vec<_> =
        ids.iter().map(|id| house.acknowledged(id).0).filter(|took| *took > Duration::from_secs(2)).collect();
    assert!(late.is_empty(), "{late:?}");
    let ends = house.discord().read().into_iter().filter(|seen| words(seen).contains("is live since")).count();
    assert_eq!((ends, house.acts().await), (32, 32));
    assert_eq!(house.at(|state| state.requests.iter().filter(|request| request.status == 429).count()), 0);
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_last_word_brings_its_log() {
    let house = House::new().await;
    let told = house.say("ana", SHIP).await;
    let (first, last) = (&told.seen[0], told.last());
    assert_eq!(
        (&first.body["attachments"], &last.body["attachments"][0]["filename"]),
        (&json!([]), &json!("Log_of_1.txt"))
    );
    let log = house.at(|state| state.messages[&last.message].files["Log_of_1.txt"].clone());
    assert!(String::from_utf8(log).unwrap().contains("./ship staging"));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_secret_is_shown_to_its_owner_alone_however_late_it_comes() {
    for slow in [0, 5] {
        let house = House::with("[[policy]]\nallow = \"enroll\"\nto = [\"deployer\"]").await;
        house.stage.store.fail_next([Disk::Slow(Duration::from_secs(slow))]);
        let told = house.say("ana", "/enroll").await;
        assert!(words(told.last()).contains("otpauth://") && told.last().only == Some(house.user("ana")));
        let open = house.at(|state| state.messages.values().filter(|message| message.only.is_none()).count());
        let kept = house.stage.store.scan("outbox/", None, 10).await.unwrap();
        assert_eq!((open, kept.len()), (0, 0), "{slow} s");
        house.finish().await;
    }
}
