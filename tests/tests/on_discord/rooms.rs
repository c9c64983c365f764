//! Incidents with a channel of their own: made once, seen by those who see the channel that they were opened in, and a thread
//! where none can be made.

use super::{House, words};
use serde_json::json;
use std::time::Duration;
use tests::discord::knobs::{Fault, Scope};
use tests::discord::state::{Channel, Seen, State};

const CHANNELS: &str = "[incidents]\nroom = \"channel\"\n[[policy]]\nallow = \"incident *\"\nto = [\"deployer\"]\nin = [\"ops\"]\n[services.pay]\nowners = [\"ben\"]\n";

const OPEN: &str = "/incident open title:\"Nobody can <@1> pay!\" service:pay";

/// The channels whose names begin so, by their ids.
fn rooms(state: &State) -> Vec<(String, String)> {
    let made = state.channels.iter().filter(|(_, channel)| channel.name.starts_with("inc-1"));
    made.map(|(id, channel)| (id.clone(), channel.name.clone())).collect()
}

/// Opens an incident; returns its channel, and all that was seen.
async fn opened(house: &House) -> (String, Vec<Seen>) {
    let mut seen = house.say("ana", OPEN).await.seen;
    house.pass(5).await;
    seen.extend(house.discord().read());
    let made = house.at(|state| rooms(state));
    assert_eq!(made.len(), 1, "{made:?}");
    assert_eq!(made[0].1, "inc-1-nobody-can-1-pay");
    (made[0].0.clone(), seen)
}

#[tokio::test(start_paused = true)]
async fn an_incident_has_a_channel_where_policy_is_that_of_the_one_it_was_opened_in() {
    let house = House::with(CHANNELS).await;
    let ops = house.channel("ops");
    let overwrites = json!([{ "id": house.discord().guild(), "type": 0, "allow": "0", "deny": "1024" }]);
    house.at(|state| {
        let made = json!({ "parent_id": "1100000000000000077", "permission_overwrites": overwrites });
        state.channels.get_mut(&ops).unwrap().made = made;
    });
    let (room, seen) = opened(&house).await;
    let made = house.at(|state| state.channels[&room].made.clone());
    assert_eq!((&made["parent_id"], &made["permission_overwrites"]), (&json!("1100000000000000077"), &overwrites));
    let rung = seen.iter().filter(|seen| seen.body["mentions"].as_array().is_some_and(|calls| !calls.is_empty()));
    let rung: Vec<_> = rung.map(|seen| (seen.channel.clone(), words(seen))).collect();
    assert!(rung.len() == 1 && rung[0].0 == room && rung[0].1.contains("is talked about here"), "{rung:?}");
    assert!(
        seen.iter().any(|seen| seen.channel == ops && words(seen).contains("Nobody leads yet")),
        "the card is in #ops"
    );
    let told = house.say_in(&room, "ana", "/incident note text:\"the pool is exhausted\"").await;
    assert!(words(told.last()).contains("the pool is exhausted"), "{}", words(told.last()));
    let mut seen = house.say("ana", "/incident resolve number:1").await.seen;
    house.pass(3).await;
    seen.extend(house.discord().read());
    assert!(seen.iter().any(|seen| seen.channel == room && words(seen).contains("Over after")), "{seen:?}");
    let told = house.say_in(&room, "ana", "/incident note text:\"it was v2\"").await;
    assert!(words(told.last()).contains("it was v2"), "it is meant in its channel once it is over, too");
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn a_channel_that_was_made_before_a_kill_is_found_again() {
    let mut house = House::with(CHANNELS).await;
    // It is made, and nobody hears of it.
    house.at(|state| state.knobs.plan("POST /guilds/{guild_id}/channels", 1, Fault::Cut));
    let mut seen = house.say("ana", OPEN).await.seen;
    house.pass(1).await;
    house.restart().await;
    house.pass(10).await;
    seen.extend(house.discord().read());
    assert_eq!((house.at(|state| rooms(state).len()), house.requests("POST /guilds/{guild_id}/channels")), (1, 1));
    let room = house.at(|state| rooms(state)[0].0.clone());
    let here = seen.iter().filter(|seen| seen.channel == room && words(seen).contains("is talked about here"));
    assert_eq!(here.count(), 1, "{seen:?}");
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn where_no_channel_can_be_made_there_is_a_thread_and_why_is_said() {
    for (full, told) in [(false, "Manage Channels"), (true, "500 channels")] {
        let house = House::with(CHANNELS).await;
        if full {
            for number in 0..500 {
                house.discord().add_channel(&format!("c{number}"));
            }
        } else {
            house.at(|state| state.guilds.values_mut().for_each(|guild| guild.lets_make = false));
        }
        house.discord().state().knobs.expect(if full { 30013 } else { 50013 });
        let mut seen = house.say("ana", OPEN).await.seen;
        house.pass(5).await;
        let thread = house.thread("Incident #1");
        seen.extend(house.discord().read());
        assert!(seen.iter().any(|seen| seen.channel == thread && words(seen).contains(told)), "{seen:?}");
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_is_called_is_called_where_discord_makes_no_channel_for_an_hour() {
    let hour = Duration::from_secs(3_600);
    for (fault, times) in [(Fault::Limited(Scope::Shared, hour), 1), (Fault::Status(503), 2)] {
        let house = House::with(CHANNELS).await;
        house.at(|state| state.knobs.plan("POST /guilds/{guild_id}/channels", times, fault));
        let mut seen = house.say("ana", OPEN).await.seen;
        house.pass(15).await;
        seen.extend(house.discord().read());
        let thread = house.thread("Incident #1");
        let rung = |seen: &&Seen| seen.body["mentions"].as_array().is_some_and(|calls| !calls.is_empty());
        assert_eq!(seen.iter().filter(rung).count(), 1, "{fault:?}: {seen:?}");
        assert!(
            seen.iter().any(|seen| seen.channel == thread && words(seen).contains("There is no channel")),
            "{seen:?}"
        );
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_thread_of_its_channel_an_incident_is_meant_too() {
    let house = House::with(CHANNELS).await;
    let (room, _) = opened(&house).await;
    house.say("ana", "/incident open title:\"search is slow\" another:yes").await;
    house.pass(5).await;
    house.discord().read();
    let thread = "1400000000000000001";
    house.at(|state| {
        let parent = &state.channels[&room];
        let name = "what the database says".to_owned();
        let (guild, access) = (parent.guild.clone(), parent.access);
        let inside = Channel { guild, name, parent: Some(room.clone()), access, made: json!(null) };
        state.channels.insert(thread.to_owned(), inside);
    });
    let told = house.say_in(thread, "ana", "/incident note text:\"the pool is exhausted\"").await;
    assert!(words(told.last()).contains("#1") && words(told.last()).contains("the pool is"), "{}", words(told.last()));
    house.pass(3).await;
    house.discord().read();
    house.finish().await;
}
