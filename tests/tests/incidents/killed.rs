//! Drill: Deckhand is killed at any moment of an incident, while people note what happens and reminders fall due every few
//! seconds. No note that was acknowledged is lost, no reminder is, and nothing is there twice.
//! `scripts/drill incidents --rounds 50 killed` runs longer. What a commit that is cut off does to reminders is in
//! `reminders.rs`.

#![allow(clippy::print_stdout, reason = "the figures are for whoever runs it with --nocapture")]

use bot::store::SledStore;
use chrono::{DateTime, TimeDelta, Utc};
use commands::clock::Clock;
use commands::store::{Batch, Store};
use plugins::incidents::records::INCIDENTS;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tests::drill::{rounds, wait_up_to};
use tests::program::{Home, until, until_async};

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
remind = { lead = "3s", severity = "4s", times = 100, sev1 = "3s" }
daily = "* * * * *"
"#;

/// How many incidents nobody leads: each is asked about.
const UNLED: usize = 4;

/// What is said of what is due.
const REMINDERS: [&str; 4] =
    ["Nobody leads.", "Nobody has said how bad it is:", "An update is due", "This is still not over."];

/// What is told once a day elsewhere, and every minute here.
const STILL_OPEN: &str = "still open";

/// Between two questions of one kind, as the config has it.
const PAUSE: TimeDelta = TimeDelta::seconds(3);

#[tokio::test]
async fn nothing_of_an_incident_is_lost_or_doubled_by_a_kill() {
    let home = Home::with(CONFIG);
    let mut deckhand = home.start();
    for number in 0..UNLED {
        let opened = home.say(&format!("incident open \"page {number} is slow\""));
        assert_eq!(opened.code, Some(0), "{opened:?}");
    }
    // Of one it is known how bad it is: updates of it are due.
    let opened = home.say("incident open \"nobody can pay\" sev:1");
    assert_eq!(opened.code, Some(0), "{opened:?}");
    deckhand.stop();
    let_daily_fall_due(&home).await;
    deckhand = home.start();
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
    // What a loaded machine did not come to between two kills falls due now.
    until("everything has fallen due", || {
        let asked = nobody_is_asked_twice(&home);
        (asked.len() == REMINDERS.len() && asked.values().all(|count| *count > 0)).then_some(())
    });
    for number in ledger_of(&home, "incidents.open").keys() {
        let over = home.say(&format!("incident resolve number:{}", number.trim_start_matches('#')));
        assert_eq!(over.code, Some(0), "{over:?}");
    }
    // Nothing more is asked; what was on its way is delivered.
    let mut reminders = (BTreeMap::new(), BTreeMap::new());
    until_async("every reminder is told", async || {
        reminders = (noted(&home), told(&home).await);
        (reminders.0 == reminders.1).then_some(())
    })
    .await;
    notes_stand_once(&home, rounds, &acknowledged);
    every_act_has_one_end(&home);
    let asked = nobody_is_asked_twice(&home);
    println!(
        "{rounds} kills, {} of {rounds} notes acknowledged; reminders that fell due, each told once: {asked:?}, by incident {:?}",
        acknowledged.len(),
        reminders.1
    );
    let asked: usize = asked.values().sum();
    assert!(asked > rounds as usize / 2, "only {asked} reminders fell due in {rounds} rounds");
    home.assert_sound();
    deckhand.stop();
}

/// Says of every incident that it was to be told by now that it is still open: the first time that is after four hours, and
/// from then on as the config has it, every minute here.
async fn let_daily_fall_due(home: &Home) {
    let store = SledStore::open(&home.data().join("store"), Clock::at(Utc::now())).unwrap();
    let mut batch = Batch::default();
    for (name, found) in INCIDENTS.scan(&store, "", usize::MAX).await.unwrap() {
        let mut incident = found.value;
        incident.reminders.open = Some(Utc::now());
        INCIDENTS.put_in(&mut batch, name, &incident).unwrap();
    }
    store.commit(batch).await.unwrap();
    store.close();
}

/// The acts of this verb that were done, by what they are about: when each was.
fn ledger_of(home: &Home, verb: &str) -> BTreeMap<String, Vec<Value>> {
    let mut found: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for entry in home.ledger().into_iter().filter(|entry| entry["verb"] == verb && entry["phase"] == "did") {
        let opened = verb == "incidents.open";
        let about = if opened { format!("#{}", entry["of"]) } else { entry["object"].as_str().unwrap().to_owned() };
        found.entry(about).or_default().push(entry);
    }
    found
}

/// How often each incident was asked about, as the ledger has it: each act may ask for two things at once.
fn noted(home: &Home) -> BTreeMap<String, usize> {
    let count = |(about, acts): (String, Vec<Value>)| (about, acts.len());
    ledger_of(home, "incidents.remind").into_iter().map(count).collect()
}

/// How often each incident was asked about, as people saw it.
async fn told(home: &Home) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    for card in home.answers().await {
        let thread = home.messages_in(&format!("ops/{}", card["id"].as_str().unwrap_or_default())).await;
        for message in &thread {
            let text = message["reply"]["text"].as_str().unwrap_or_default();
            if REMINDERS.iter().any(|reminder| text.contains(reminder)) {
                let title = message["reply"]["card"]["title"].as_str().unwrap_or_default();
                let number = title.split(['#', ':']).nth(1).unwrap_or_default();
                *told.entry(format!("#{number}")).or_default() += 1;
            }
        }
    }
    told
}

/// That the same was not asked of the same incident sooner than the config has it; returns how often each was asked.
fn nobody_is_asked_twice(home: &Home) -> BTreeMap<&'static str, usize> {
    let mut all = BTreeMap::new();
    for (about, acts) in ledger_of(home, "incidents.remind") {
        for question in ["lead", "severity", "update", STILL_OPEN] {
            let asks = |act: &&Value| act["note"].as_str().is_some_and(|note| note.contains(question));
            let at = |act: &Value| act["at"].as_str().unwrap().parse::<DateTime<Utc>>().unwrap();
            let times: Vec<_> = acts.iter().filter(asks).map(at).collect();
            // The act ends a moment after it was looked what is due. What is still open is told at each full minute, however
            // late the one before was.
            let soon = times.windows(2).find(|pair| pair[1] - pair[0] < PAUSE - TimeDelta::seconds(2));
            assert!(soon.is_none() || question == STILL_OPEN, "{question} was asked twice of {about}: {soon:?}");
            let minutes = times.first().zip(times.last()).map_or(0, |(first, last)| (*last - *first).num_minutes());
            let most = usize::try_from(minutes).unwrap() + 3;
            assert!(
                question != STILL_OPEN || times.len() <= most,
                "{question} was told too often of {about}: {times:?}"
            );
            *all.entry(question).or_default() += times.len();
        }
    }
    all
}

fn notes_stand_once(home: &Home, rounds: u32, acknowledged: &BTreeSet<u32>) {
    let text = |entry: &Value| entry["facts"]["text"].as_str().map(str::to_owned);
    let mut notes: BTreeMap<String, usize> = BTreeMap::new();
    for note in ledger_of(home, "incidents.note").into_values().flatten() {
        *notes.entry(text(&note).unwrap()).or_default() += 1;
    }
    for round in 0..rounds {
        let count = notes.get(&format!("round {round}.")).copied().unwrap_or(0);
        assert!(count <= 1, "the note of round {round} stands there {count} times");
        assert!(count == 1 || !acknowledged.contains(&round), "the note of round {round} is lost");
    }
}

fn every_act_has_one_end(home: &Home) {
    let ledger = home.ledger();
    let open: BTreeSet<_> =
        ledger.iter().filter(|entry| entry["phase"] == "doing").map(|it| it["seq"].as_u64()).collect();
    let ended: Vec<_> = ledger.iter().filter(|entry| entry["phase"] != "doing").map(|it| it["of"].as_u64()).collect();
    let once: BTreeSet<_> = ended.iter().copied().collect();
    assert_eq!((ended.len(), &once), (open.len(), &open), "every act has one end");
}
