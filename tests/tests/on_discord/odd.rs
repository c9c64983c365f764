//! What nobody should send, and what somebody will: broken interactions, and words that are meant to harm.

use super::{House, id, words};
use serde_json::{Value, json};

type Break = fn(&mut Value);

/// Interactions that can not be read, although it can be told whom to answer.
const BROKEN: &[(&str, Break)] = &[
    ("a kind that there is not", |asked| asked["type"] = 77.into()),
    ("a PING over the gateway", |asked| asked["type"] = 1.into()),
    ("a kind that is a word", |asked| asked["type"] = "command".into()),
    ("nobody", |asked| asked["member"] = Value::Null),
    ("an id that is a word", |asked| asked["member"]["user"]["id"] = "ana".into()),
    ("roles that are a number", |asked| asked["member"]["roles"] = 7.into()),
    ("no channel", |asked| {
        asked["channel"] = Value::Null;
        asked["channel_id"] = Value::Null;
    }),
    ("no name", |asked| asked["data"] = json!({ "id": "1", "type": 1 })),
    ("data that is a list", |asked| asked["data"] = json!([])),
    ("options that are a word", |asked| asked["data"]["options"] = "all".into()),
    ("an option of a kind that there is not", |asked| asked["data"]["options"][0]["options"][0]["type"] = 99.into()),
    ("an option that is a person", |asked| {
        asked["data"]["options"][0]["options"][0] = json!({ "type": 6, "name": "service", "value": "1" });
    }),
    ("an option without a value", |asked| asked["data"]["options"][0]["options"][0]["value"] = Value::Null),
    ("a form without a name", |asked| {
        asked["type"] = 5.into();
        asked["data"] = json!({ "components": [] });
    }),
    ("a press of nothing", |asked| {
        asked["type"] = 3.into();
        asked["data"] = json!({ "component_type": 2 });
    }),
];

#[tokio::test(start_paused = true)]
async fn whoever_sends_what_can_not_be_read_is_told_so() {
    let house = House::new().await;
    let ear = house.stage.ear();
    for (what, harm) in BROKEN {
        let mut asked = house.unheard("ana", "/deploy ship hello staging v1");
        harm(&mut asked);
        assert!(!ear(&asked.to_string()), "{what} was read");
        house.pass(2).await;
        let seen = house.discord().read();
        assert!(seen.len() == 1 && words(&seen[0]).contains("could not read"), "{what}: {seen:?}");
        assert_eq!(seen[0].only, Some(house.user("ana")), "{what}");
    }
    assert_eq!(house.finish().await, "");
}

#[tokio::test(start_paused = true)]
async fn what_says_not_even_whom_to_answer_is_passed_over() {
    let house = House::new().await;
    let ear = house.stage.ear();
    let before = house.at(|state| state.requests.len());
    let (deep, long) = ("[".repeat(100_000), format!("{{\"x\": \"{}\"}}", "x".repeat(10 * 1024 * 1024)));
    for raw in ["", "{", "null", "[]", "7", "\"x\"", "\u{0}", "{}", "{\"id\":\"1\"}", "{\"type\":2}", &deep, &long] {
        assert!(!ear(raw), "{raw:.40}");
    }
    house.pass(5).await;
    assert_eq!(house.at(|state| state.requests.len()), before);
    let told = house.say("ana", "/whoami").await;
    assert!(words(told.last()).contains("ana"));
    house.finish().await;
}

#[tokio::test(start_paused = true)]
async fn what_can_be_read_and_makes_no_sense_is_refused() {
    let cases: &[(&str, Break)] = &[
        ("a command that there is not", |asked| asked["data"] = json!({ "id": "1", "name": "sudo", "type": 1 })),
        ("a command of another bot", |asked| asked["data"] = json!({ "id": "1", "name": "deploy", "type": 1 })),
        ("an option that there is not", |asked| {
            asked["data"]["options"][0]["options"][0]["name"] = "force".into();
        }),
        ("an option that is too long", |asked| {
            asked["data"]["options"][0]["options"][0]["value"] = "x".repeat(10 * 1024 * 1024).into();
        }),
        ("lines within a line", |asked| {
            asked["data"]["options"][0]["options"][0]["value"] = "hello env:production\n/deploy ship".into();
        }),
        ("a button that was never drawn", |asked| {
            asked["type"] = 3.into();
            asked["data"] = json!({ "component_type": 2, "custom_id": "../../buttons" });
        }),
        ("a form that was never shown", |asked| {
            asked["type"] = 5.into();
            asked["data"] = json!({ "custom_id": "x", "components": [{ "type": 18, "component": { "type": 4, "custom_id": "code", "value": "123456" } }] });
        }),
    ];
    let house = House::new().await;
    for (what, change) in cases {
        let mut asked = house.unheard("ana", "/deploy ship hello staging v1");
        change(&mut asked);
        house.discord().deliver(asked.clone());
        let told = house.told(id(&asked)).await;
        assert_eq!(told.seen.len(), 1, "{what}: {:?}", told.seen);
        assert_eq!(told.last().only, Some(house.user("ana")), "{what}");
    }
    assert_eq!(house.finish().await, "");
}

#[tokio::test(start_paused = true)]
async fn words_that_are_meant_to_harm_are_shown_as_what_they_are() {
    let house =
        House::with("[[policy]]\nallow = \"deploy ship env=production\"\nto = [\"deployer\"]\nconfirm = true").await;
    let (ben, role) = (house.user("ben"), house.discord().role("release"));
    for (hostile, never) in [
        ("@everyone and @here".to_owned(), &["@everyone", "@here"][..]),
        (format!("<@{ben}> <@&{role}> <#1>"), &["<@", "<#"]),
        ("[your bank](https://evil.example)".to_owned(), &["](http"]),
        ("# Done\n> **ana** said ||yes||".to_owned(), &["\n# ", "\n> "]),
        ("`` ``` ` /confirm".to_owned(), &[]),
        ("\u{202e}gnp.exe\u{200b}\u{0007}".to_owned(), &["\u{202e}", "\u{200b}", "\u{0007}"]),
        ("x".repeat(6_000), &[]),
    ] {
        for line in [
            format!("/deploy ship service:hello env:staging ref:{}", quoted(&hostile)),
            format!("/deploy ship service:{} env:staging ref:v1", quoted(&hostile)),
            format!("/deploy ship service:hello env:production ref:v1 because:{}", quoted(&hostile)),
            format!("/why line:{}", quoted(&hostile)),
        ] {
            let told = house.say("ana", &line).await;
            for seen in &told.seen {
                assert_eq!(
                    (&seen.body["mentions"], &seen.body["mention_everyone"]),
                    (&json!([]), &json!(false)),
                    "{line}"
                );
                let shown = words(seen);
                // In a code span nothing has a meaning.
                let bare: String = shown.split('`').step_by(2).collect();
                let found = never.iter().find(|harm| bare.contains(**harm));
                assert!(found.is_none(), "{line:.80} shows {found:?}: {shown}");
            }
        }
    }
    house.finish().await;
}

/// A value as it is typed.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
