//! Whom an answer calls, it calls with a message that is new: for what is edited, no device rings.

use super::{House, words};
use serde_json::Value;

const INCIDENTS: &str = "[incidents]\n[[policy]]\nallow = \"incident *\"\nto = [\"deployer\"]\n";

/// Whether a request makes a new message that calls this person.
fn rings(route: &str, body: &Value, id: &str) -> bool {
    let body = match route {
        super::CALLBACK if body["type"] == super::ANSWERED => &body["data"],
        "POST /webhooks/{webhook_id}/{webhook_token}" | "POST /channels/{channel_id}/messages" => body,
        _ => return false,
    };
    let named = body["allowed_mentions"]["users"].as_array().is_some_and(|users| users.iter().any(|user| user == id));
    named && body["content"].as_str().is_some_and(|content| content.contains(&format!("<@{id}>")))
}

#[tokio::test(start_paused = true)]
async fn who_is_called_hears_of_it_once_although_the_answer_was_promised() {
    let house = House::with(INCIDENTS).await;
    house.say("ana", "/incident open title:\"nobody can pay\"").await;
    house.pass(3).await;
    house.discord().read();
    let thread = house.thread("Incident #1");
    let ben = house.user("ben");
    for (line, calls) in [
        ("/incident lead person:ben", 1),
        ("/incident role role:scribe person:ben", 1),
        ("/incident role role:scribe person:ben remove:yes", 0),
        ("/incident todo text:\"an alert\" owner:ben", 1),
    ] {
        let before = house.at(|state| state.requests.len());
        let told = house.say_in(&thread, "ana", line).await;
        let rung = house.at(|state| {
            let new = state.requests[before..].iter();
            new.filter(|request| request.status < 300 && rings(&request.route, &request.body, &ben)).count()
        });
        assert_eq!(rung, calls, "{line}: {:?}", told.seen.iter().map(words).collect::<Vec<_>>());
    }
    house.finish().await;
}
