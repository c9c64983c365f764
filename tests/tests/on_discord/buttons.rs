//! Buttons, forms and choices: one press does one thing, for whoever may, and explains itself to everybody else alone.

use super::{House, UPDATED_LATER, id, words};
use bot::gate::buttons::Dresser;
use bot::outbox::{self, Outgoing};
use commands::reply::{Button, Reply};
use commands::store::{Batch, Store};
use serde_json::json;
use std::time::Duration;
use tests::discord::people::Way;
use tests::discord::state::{Seen, What};

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

/// Production asks for a yes, or for a code where it says so.
fn asks(how: &str) -> String {
    format!("[[policy]]\nallow = \"deploy ship env=production\"\nto = [\"deployer\"]\n{how}\n")
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_presses_of_one_button_do_one_thing() {
    let house = House::new().await;
    let message = house.under_way("ana").await;
    let people = ["ana", "ben", "chloe", "dan", "eve"];
    let presses: Vec<_> =
        (0..10_000).map(|at| id(&house.discord().press(people[at % 5], &message, "Cancel").unwrap())).collect();
    house.pass(60).await;
    for press in &presses {
        let (took, _) = house.acknowledged(press);
        assert!(took < Duration::from_secs(3), "{took:?}");
    }
    // Everybody sees the deploy and what ended it; all else is between Deckhand and whoever pressed.
    let told = house.discord().read().iter().filter(|seen| seen.what == What::Posted && seen.only.is_some()).count();
    let open = house.at(|state| state.messages.values().filter(|message| message.only.is_none()).count());
    assert_eq!((told, open), (9_999, 2));
    let ledger = house.finish().await;
    let cancelled = ledger.lines().filter(|line| line.contains(" doing ") && line.contains("deploy.cancel")).count();
    assert_eq!(cancelled, 1, "{ledger}");
}

#[tokio::test(start_paused = true)]
async fn a_press_that_does_nothing_explains_itself_to_the_presser_alone() {
    let house = House::new().await;
    house.say("ana", "/deploy ship hello staging v1").await;
    let message = house.say("ana", "/deploy ship hello staging v2").await.last().message.clone();
    let button = "Rollback to v1 (1111111)";
    let foreign = {
        house.at(|state| state.gateway.lost = 1);
        let mut pressed = house.discord().press("ben", &message, button).unwrap();
        pressed["data"]["custom_id"] = "f".repeat(24).into();
        house.discord().deliver(pressed.clone());
        house.told(id(&pressed)).await
    };
    foreign.assert_only(&house, "ben", "button");
    // Without the right to it: it can still be pressed by others.
    house.press("eve", &message, button).await.assert_only(&house, "eve", "eve");
    house.press("ben", &message, button).await;
    house.press("ana", &message, button).await.assert_only(&house, "ana", "ben pressed this button");
    // What it was drawn from does not stand any more.
    let message = house.say("ana", "/deploy ship hello staging v2").await.last().message.clone();
    house.say("ana", "/deploy ship hello staging v1").await;
    house.press("ben", &message, button).await.assert_only(&house, "ben", "Things have changed");
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn buttons_outlive_a_restart() {
    let mut house = House::new().await;
    house.say("ana", "/deploy ship hello staging v1").await;
    let message = house.say("ana", "/deploy ship hello staging v2").await.last().message.clone();
    house.restart().await;
    let told = house.press("ben", &message, "Rollback to v1 (1111111)").await;
    assert!(words(told.last()).contains("v1 (1111111) is live"), "{}", words(told.last()));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_question_takes_its_place() {
    for (label, says) in [("Yes, do it", "v1 (1111111) is live"), ("No", "You said no to this")] {
        let house = House::with(&asks("confirm = true")).await;
        let question = house.say("ana", "/deploy ship hello production v1").await.last().message.clone();
        house.press("ben", &question, label).await.assert_only(&house, "ben", "This question was put to ana");
        let told = house.press("ana", &question, label).await;
        assert_eq!(house.acknowledged(&told.id).1, UPDATED_LATER);
        assert!(told.seen.iter().all(|seen| seen.message == question && seen.what == What::Edited), "{:?}", told.seen);
        assert!(words(told.last()).contains(says), "{}", words(told.last()));
        assert!(!told.last().labels().contains(&label));
        house.finish().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_code_is_asked_for_in_a_form() {
    let mut house = House::with(&asks("code = \"15m\"")).await;
    house.direct(&format!("ana has enrolled with the secret {SECRET}")).await;
    let question = house.say("ana", "/deploy ship hello production v1").await.last().message.clone();
    let button = "Yes, with a code";
    // She closes the form: Discord says nothing of that, and the question is as open as before.
    let form = house.press("ana", &question, button).await;
    assert_eq!(form.course(), [(What::Form, true)]);
    assert_eq!(house.requests("PATCH /channels/{channel_id}/messages/{message_id}"), 0);
    let told = house.fill(&question, button, "000000").await;
    told.assert_only(&house, "ana", "This code is wrong");
    let code = bot::gate::codes::code_at(SECRET, house.stage.clock.now()).unwrap();
    let told = house.fill(&question, button, &code).await;
    assert!(told.seen.iter().all(|seen| seen.message == question), "{:?}", told.seen);
    assert!(words(told.last()).contains("v1 (1111111) is live"), "{}", words(told.last()));
    // Nobody has seen the code, and it stands in no message.
    let leaks = house.at(|state| state.messages.values().any(|message| message.body.to_string().contains(&code)));
    assert!(!leaks);
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_typed_is_offered_as_it_is_now_and_as_far_as_one_may() {
    let service = |number: usize| {
        format!(
            "[services.s{number}]\nrepository = \"/srv/hello\"\n[services.s{number}.deploy]\ncommand = [\"./ship\"]\n"
        )
    };
    let house = House::with(&(0..40).map(service).collect::<String>()).await;
    let offered = async |who: &str, channel: &str, line: &str| -> Vec<String> {
        house.discord().type_in(who, channel, line).unwrap();
        let choices = house.discord().next().await.body["choices"].as_array().unwrap().clone();
        choices.iter().map(|choice| choice["value"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(offered("ana", "ops", "/deploy ship service:he").await, ["hello"]);
    assert_eq!(offered("ana", "ops", "/deploy ship service:").await.len(), 25);
    assert_eq!(offered("ana", "ops", "/deploy ship service:hello env:").await, ["staging", "production"]);
    assert_eq!(offered("dan", "ops", "/deploy ship service:hello env:").await, ["production"]);
    for (who, channel) in [("dan", "lounge"), ("eve", "ops")] {
        assert_eq!(offered(who, channel, "/deploy ship service:hello env:").await, [""; 0], "{who} in #{channel}");
    }
    assert!(offered("ana", "ops", "/deploy ship service:hello env:staging ref:").await.contains(&"v2".to_owned()));
    house.stage.world.direct("the branch main moves to v1");
    assert!(offered("ana", "ops", "/deploy ship service:hello env:staging ref:ma").await.contains(&"main".to_owned()));
    // Whoever types in a place that is not served is offered nothing, and not kept waiting.
    house.at(|state| state.gateway.lost = 1);
    let mut typed = house.discord().type_in("ana", "ops", "/deploy ship service:he").unwrap();
    typed["guild_id"] = "1".into();
    house.discord().deliver(typed);
    assert_eq!(house.discord().next().await.body, json!({ "choices": [] }));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn both_ways_in_lead_to_the_same_answers() {
    let mut heard = Vec::new();
    for over_http in [false, true] {
        let house = House::with(&asks("confirm = true")).await;
        if over_http {
            let endpoint = super::ways::endpoint(&house);
            house.discord().come_by(Way::Endpoint(endpoint, "https://bot.example/interactions".to_owned()));
        }
        let mut seen = house.say("ana", "/deploy ship hello staging v1").await.seen;
        seen.extend(house.say("eve", "/deploy status").await.seen);
        let question = house.say("ana", "/deploy ship hello production v1").await;
        seen.extend(house.press("ben", &question.last().message, "No").await.seen);
        seen.extend(house.press("ana", &question.last().message, "No").await.seen);
        house.discord().type_in("ana", "ops", "/deploy ship service:he").unwrap();
        seen.push(house.discord().next().await);
        let told = |seen: &Seen| (seen.what, seen.only.is_some(), words(seen), seen.labels().join(", "));
        heard.push((seen.iter().map(told).collect::<Vec<_>>(), house.finish().await));
    }
    assert!(heard[0].0.len() > 6 && heard[0] == heard[1], "{heard:#?}");
}

#[tokio::test(start_paused = true)]
async fn many_buttons_become_a_list_and_a_choice_is_a_press() {
    let house = House::new().await;
    let ship = |tag: &str| Button::new(format!("Ship {tag}"), format!("deploy ship hello staging {tag}"));
    let page = |number: usize| Button::new(format!("Page {number}"), format!("help page:{number}"));
    let buttons = ["v1", "v2"].map(ship).into_iter().chain((0..20).map(page)).collect();
    let mut reply = Reply { buttons, ..Reply::say("What is it to be?") };
    let (mut batch, now) = (Batch::default(), house.stage.clock.now());
    Dresser::default().dress(&mut reply, &mut batch, now).unwrap();
    outbox::stage(&mut batch, &Outgoing::post(now, "discord", house.channel("ops"), reply)).unwrap();
    house.stage.store.commit(batch).await.unwrap();
    let drawn = house.discord().next().await;
    assert_eq!((drawn.body["components"][0]["components"][0]["type"].as_u64(), drawn.labels().len()), (Some(3), 22));
    let chosen = house.discord().choose("eve", &drawn.message, "Ship v2").unwrap();
    house.told(id(&chosen)).await.assert_only(&house, "eve", "eve");
    let chosen = house.discord().choose("ben", &drawn.message, "Ship v2").unwrap();
    let told = house.told(id(&chosen)).await;
    assert!(words(told.last()).contains("v2 (2222222) is live"), "{}", words(told.last()));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn whom_a_question_waits_for_is_called_and_nobody_else() {
    let house = House::with(&asks("confirm = true")).await;
    let line = "/deploy ship hello production v1 because:\"@everyone <@1>\"";
    let asked = house.say("ana", line).await;
    assert_eq!((&asked.last().body["mentions"], &asked.last().body["mention_everyone"]), (&json!([]), &json!(false)));
    house.pass(7 * 60).await;
    let seen = house.discord().read();
    let called = seen[0].body["mentions"].as_array().unwrap();
    assert_eq!((seen.len(), called.len(), called[0]["id"].as_str()), (1, 1, Some(&*house.user("ana"))));
    assert_eq!(seen[0].body["mention_everyone"], false);
    // The answer to the reminder takes its place.
    let told = house.press("ana", &seen[0].message, "Yes, do it").await;
    assert!(words(told.last()).contains("is live") && told.last().message == seen[0].message);
    house.finish().await;
}
