//! Drill: Deckhand is killed at any moment of an incident, while people note what happens. No note that was acknowledged is
//! lost, and none is doubled. `scripts/drill incidents --rounds 200 killed` runs longer; the first reminder comes after two
//! minutes, so that a run is about reminders, too, from 600 rounds on. What a commit that is cut off does to them is in
//! `reminders.rs`.

#![allow(clippy::print_stdout, reason = "the figures are for whoever runs it with --nocapture")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tests::drill::{rounds, wait_up_to};
use tests::program::{Home, until_async};

const CONFIG: &str = r#"
environments = ["production"]
data = "{data}"

[people.ana]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"
channels = ["ops"]

[incidents]
"#;

/// How many incidents nobody leads: each is asked about.
const INCIDENTS: usize = 4;

#[tokio::test]
async fn nothing_of_an_incident_is_lost_or_doubled_by_a_kill() {
    let home = Home::with(CONFIG);
    let mut deckhand = home.start();
    for number in 0..INCIDENTS {
        let opened = home.say(&format!("incident open \"page {number} is slow\""));
        assert_eq!(opened.code, Some(0), "{opened:?}");
    }
    let (rounds, mut acknowledged) = (rounds(15), BTreeSet::new());
    for round in 0..rounds {
        let said = home.begin(&["say", &format!("incident note \"round {round}.\" number:1")]);
        wait_up_to(Duration::from_millis(600));
        deckhand.kill();
        let said = said.end();
        if said.code == Some(0) {
            acknowledged.insert(round);
        }
        deckhand = home.start();
    }
    // What was on its way is delivered.
    until_async("every reminder is told", async || {
        let (noted, told) = reminders(&home).await;
        (noted == told).then_some(())
    })
    .await;
    let ledger = home.ledger();
    let text = |entry: &Value| entry["facts"]["text"].as_str().map(str::to_owned);
    let mut notes: BTreeMap<String, usize> = BTreeMap::new();
    for note in ledger.iter().filter(|entry| entry["verb"] == "incidents.note" && entry["phase"] == "did") {
        *notes.entry(text(note).unwrap()).or_default() += 1;
    }
    for round in 0..rounds {
        let count = notes.get(&format!("round {round}.")).copied().unwrap_or(0);
        assert!(count <= 1, "the note of round {round} stands there {count} times");
        assert!(count == 1 || !acknowledged.contains(&round), "the note of round {round} is lost");
    }
    let open: BTreeSet<_> =
        ledger.iter().filter(|entry| entry["phase"] == "doing").map(|it| it["seq"].as_u64()).collect();
    let ended = ledger.iter().filter(|entry| entry["phase"] != "doing").map(|it| it["of"].as_u64()).collect();
    assert_eq!(open, ended, "every act has one end");
    let (noted, _) = reminders(&home).await;
    println!("{rounds} kills, {} of {rounds} notes acknowledged, {noted} reminders", acknowledged.len());
    home.assert_sound();
    deckhand.stop();
}

/// How many reminders stand on the ledger, and how many were told.
async fn reminders(home: &Home) -> (usize, usize) {
    let noted = home.ledger();
    let noted = noted.iter().filter(|entry| entry["verb"] == "incidents.remind" && entry["phase"] == "did").count();
    let mut told = 0;
    for card in home.answers().await {
        let thread = home.messages_in(&format!("ops/{}", card["id"].as_str().unwrap_or_default())).await;
        let says = |message: &&Value| {
            let text = message["reply"]["text"].as_str().unwrap_or_default();
            text.contains("Nobody leads.") || text.contains("Nobody has said how bad it is:")
        };
        told += thread.iter().filter(says).count();
    }
    (noted, told)
}
