//! Drill: Deckhand is killed, stopped or told to cancel in the middle of a real deploy, and tells the truth about it.

use serde_json::{Value, json};
use std::time::Duration;
use tests::deploys::{config, end_of, last_word};
use tests::drill;
use tests::program::{Home, Ran, Service, until, until_async};

const SERVICE: &str = r#"
command = ["./ship.sh", "{commit}"]
limit = "1m"
health = { url = "{health}", contains = "{commit}", tries = 2, pause = "1s" }
"#;

fn installation(on_stop: &str) -> (Home, Service) {
    let mut home = Home::demo();
    let service = Service::make(&home);
    let how = format!("grace = \"1s\"\non_stop = \"{on_stop}\"\n");
    home.write_config(&config(&how, &SERVICE.replace("{health}", &service.health)));
    (home, service)
}

/// The first answer that is under way.
async fn under_way(home: &Home) -> Value {
    let shown = async || home.answers().await.into_iter().rfind(|message| message["reply"]["state"] == "progress");
    until_async("the deploy is shown", shown).await
}

#[tokio::test]
async fn killed_at_any_moment_it_tells_the_truth_and_runs_nothing_twice() {
    let (home, service) = installation("end");
    let mut deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    for round in 0..drill::rounds(6) {
        let (reference, was_live) = (if round % 2 == 0 { "v2" } else { "v1" }, service.live());
        // Some end before the kill, some while Deckhand is away, some after it is back.
        service.how(["sleep 0.2", "sleep 1", "sleep 2.5; echo late", "sleep 0.5; exit 3"][round as usize % 4]);
        let (runs, entries) = (service.runs().len(), home.ledger().len());
        let said = home.begin(&["say", &format!("deploy ship app staging {reference}")]);
        let message = under_way_or_over(&home, entries).await;
        drill::wait_up_to(Duration::from_millis(1200));
        deckhand.kill();
        drop(said.end());
        if round % 3 == 0 {
            std::thread::sleep(Duration::from_millis(1500));
        }
        deckhand = home.start();
        if round % 3 == 1 {
            // Killed again, while it waits or looks.
            drill::wait_up_to(Duration::from_millis(600));
            deckhand.kill();
            deckhand = home.start();
        }
        let what = format!("round {round}");
        let reply = last_word(&home, &message).await;
        let is_live = service.live() == service.commit(reference);
        let doing =
            home.ledger().into_iter().nth(entries).unwrap_or_else(|| panic!("{what}: nothing is on the ledger"));
        assert_eq!(doing["phase"], "doing", "{what}");
        let end = end_of(&home, &doing["seq"]);
        assert_eq!(end, if is_live { "did" } else { "failed" }, "{what}: {reply:#}");
        let tone = if is_live { "good" } else { "bad" };
        assert_eq!(reply["card"]["tone"], tone, "{what}: {reply:#}");
        if !is_live {
            assert_eq!(service.live(), was_live, "{what}");
        }
        assert_eq!(service.runs().len(), runs + 1, "{what}: its program ran {} times", service.runs().len() - runs);
        let status = home.say("deploy status");
        let short = &service.live()[..7];
        assert!(
            status.out.contains(short) && !status.out.contains("under way"),
            "{what}: {short} is live, but {}",
            status.out
        );
        let about = home
            .answers()
            .await
            .iter()
            .filter(|message| message.to_string().contains(&format!("\"#{}\"", doing["seq"])))
            .count();
        assert_eq!(about, 1, "{what}: more than one message tells of it");
    }
    home.assert_sound();
    // And the next one is like any other.
    service.how("");
    assert_eq!(home.say("deploy ship app staging v3").code, Some(0));
    deckhand.stop();
}

/// The id of the answer to a deploy that has just been asked for, once its program was started.
async fn under_way_or_over(home: &Home, entries: usize) -> Value {
    let last = async || home.answers().await.pop().filter(|message| message["reply"]["card"]["tone"] == "working");
    let message = until_async("the deploy is shown", last).await;
    assert!(home.ledger().len() > entries, "it is shown before it is on the ledger");
    message["id"].clone()
}

#[tokio::test]
async fn a_program_that_is_still_there_is_waited_for_and_can_be_cancelled() {
    let (home, service) = installation("end");
    let deckhand = home.start();
    service.how("sleep 50");
    let said = home.begin(&["say", "deploy ship app staging v1"]);
    service.wait_for_runs(1);
    let id = under_way(&home).await["id"].clone();
    deckhand.kill();
    let lost = said.end();
    assert!(lost.code == Some(2) && lost.err.contains("whether it is done stands on the ledger"), "{lost:?}");
    let deckhand = home.start();
    let waiting = async || {
        home.answers()
            .await
            .into_iter()
            .find(|message| message["id"] == id && message.to_string().contains("still running"))
    };
    until_async("the message says that it is waited for", waiting).await;
    assert!(home.say("deploy status").out.contains("#1 is under way"));
    assert!(service.is_running());
    let cancelled = home.run(&["say", "--as", "ben", "deploy cancel app staging"]);
    assert_eq!(cancelled.code, Some(0), "{cancelled:?}");
    let reply = last_word(&home, &id).await;
    assert_eq!(reply["card"]["tone"], "bad", "{reply:#}");
    until("the program is gone", || (!service.is_running()).then_some(()));
    assert_eq!((service.runs().len(), end_of(&home, &json!(1))), (1, "failed".to_owned()));
    home.assert_sound();
    deckhand.stop();
}

#[tokio::test]
async fn told_to_stop_it_ends_the_program_and_says_so() {
    let (home, service) = installation("end");
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    service.how("sleep 50 & sleep 50");
    let said = home.begin(&["say", "deploy ship app staging v2"]);
    service.wait_for_runs(2);
    let id = under_way(&home).await["id"].clone();
    let took = deckhand.stop();
    assert!(took < Duration::from_secs(10), "it took {took:?} to stop");
    // Whoever has taken its processes over still has to note that they are dead.
    until("nothing of the program is left", || (!service.is_running()).then_some(()));
    let told: Ran = said.end();
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(
        told.out.contains("v2 (") && told.out.contains("is not live") && told.out.contains("still live and well"),
        "{told:?}"
    );
    let _deckhand = home.start();
    let reply = last_word(&home, &id).await;
    assert!(reply["card"]["title"].as_str().is_some_and(|title| title.contains("is not live")), "{reply:#}");
    assert_eq!(home.ledger().iter().filter(|entry| entry["phase"] == "failed").count(), 1);
    home.assert_sound();
}

#[tokio::test]
async fn told_to_stop_it_hands_over_and_finishes_the_story_later() {
    for away in [Duration::from_millis(100), Duration::from_millis(2500)] {
        let (home, service) = installation("hand-over");
        let deckhand = home.start();
        service.how("sleep 2; echo done");
        let said = home.begin(&["say", "deploy ship app staging v1"]);
        service.wait_for_runs(1);
        let id = under_way(&home).await["id"].clone();
        deckhand.stop();
        assert!(service.is_running(), "the program was not left alone");
        let told = said.end();
        assert!(told.out.contains("the program goes on without it"), "{told:?}");
        std::thread::sleep(away);
        let _deckhand = home.start();
        let reply = last_word(&home, &id).await;
        assert_eq!(
            (&reply["card"]["tone"], &reply["outcome"]),
            (&json!("good"), &json!("done")),
            "{away:?}: {reply:#}"
        );
        assert_eq!((service.runs().len(), end_of(&home, &json!(1))), (1, "did".to_owned()), "{away:?}");
        assert!(home.say("deploy status").out.contains("v1 ("));
        home.assert_sound();
    }
}

#[tokio::test]
async fn a_cancel_ends_the_whole_group_even_one_that_does_not_listen() {
    let (home, service) = installation("end");
    let _deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    for (round, how) in
        ["sleep 50 & sleep 50", "trap '' TERM; (trap '' TERM; sleep 50) & sleep 50; sleep 50"].into_iter().enumerate()
    {
        service.how(how);
        let said = home.begin(&["say", "deploy ship app staging v2"]);
        service.wait_for_runs(2 + round);
        under_way(&home).await;
        let cancelled = home.run(&["say", "--as", "ben", "deploy", "cancel", "app", "staging"]);
        assert!(cancelled.code == Some(0) && cancelled.out.contains("is being ended"), "{how}: {cancelled:?}");
        let told = said.end();
        assert_eq!(told.code, Some(2), "{how}");
        assert!(told.out.contains("ben") && told.out.contains("is still live and well"), "{how}: {told:?}");
        until("the group is gone", || (!service.is_running()).then_some(()));
    }
    let none = home.say("deploy cancel app staging");
    assert!(none.code == Some(1) && none.out.contains("there is nothing to cancel"), "{none:?}");
    assert_eq!(service.live(), service.commit("v1"));
}

#[tokio::test]
async fn killed_just_as_its_program_is_started_it_claims_nothing_that_is_not_so() {
    let (home, service) = installation("end");
    let mut deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    for round in 0..drill::rounds(6) {
        // It has ended, or is still at work, when Deckhand is back.
        service.how(if round % 2 == 0 { "sleep 0.1" } else { "sleep 1.5" });
        let reference = if round % 2 == 0 { "v2" } else { "v1" };
        let (runs, entries) = (service.runs().len(), home.ledger().len());
        let said = home.begin(&["say", &format!("deploy ship app staging {reference}")]);
        if round % 3 == 0 {
            drill::wait_up_to(Duration::from_millis(200));
        } else {
            // The moment that matters is short: when the program has begun, and Deckhand is about to write down which it is.
            while service.runs().len() == runs {
                std::thread::sleep(Duration::from_micros(100));
            }
        }
        deckhand.kill();
        drop(said.end());
        deckhand = home.start();
        let what = format!("round {round}");
        let acts: Vec<_> = home.ledger().into_iter().skip(entries).filter(|entry| entry["phase"] == "doing").collect();
        for act in &acts {
            end_of(&home, &act["seq"]);
            last_word(&home, &act["place"]["message"]).await;
        }
        let settled =
            async || home.answers().await.iter().all(|message| message["reply"]["state"] == "final").then_some(());
        until_async("no message is left open", settled).await;
        let ran = service.runs().len() - runs;
        assert!(ran <= acts.len() && acts.len() <= 1, "{what}: its program ran {ran} times in {} acts", acts.len());
        let status = home.say("deploy status").out;
        let is_so = status.contains(&service.live()[..7]) || status.contains("is not known");
        assert!(is_so, "{what}: {} is live, but {status}", service.live());
    }
    home.assert_sound();
    deckhand.stop();
}
