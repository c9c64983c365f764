use super::{What, read};
use serde_json::{Value, json};

fn interaction(kind: u8, data: Value) -> Value {
    json!({
        "id": "11", "application_id": "7", "type": kind, "token": "t0k", "version": 1,
        "guild_id": "3", "channel_id": "5", "channel": { "id": "5", "type": 0, "name": "ops" },
        "member": { "user": { "id": "4711", "username": "ana" }, "roles": ["90", "91"], "nick": "everyone" },
        "data": data,
    })
}

fn what(kind: u8, data: Value) -> What {
    read(&interaction(kind, data).to_string()).unwrap().what
}

#[test]
fn a_command_is_a_line_with_every_option_named_and_quoted() {
    let option = |name: &str, kind: u8, value: Value| json!({ "name": name, "type": kind, "value": value });
    let sub = |name: &str, kind: u8, options: Value| json!([{ "name": name, "type": kind, "options": options }]);
    let table = [
        (json!({ "name": "help" }), "/help"),
        (
            json!({ "name": "help", "options": [option("command", 3, json!("deploy ship"))] }),
            "/help command:\"deploy ship\"",
        ),
        (
            json!({ "name": "deploy", "options": sub("ship", 1, json!([option("service", 3, json!("hello"))])) }),
            "/deploy ship service:hello",
        ),
        (
            json!({ "name": "flag", "options": sub("rollout", 2, sub("set", 1, json!([option("share", 10, json!(12.5)), option("n", 4, json!(-3))]))) }),
            "/flag rollout set share:12.5 n:-3",
        ),
        (
            json!({ "name": "grant", "options": [option("because", 3, json!("say \"hi\" env:production; rm -rf /"))] }),
            "/grant because:\"say \\\"hi\\\" env:production; rm -rf /\"",
        ),
    ];
    for (data, line) in table {
        assert_eq!(what(2, data.clone()), What::Line(line.to_owned()), "{data}");
    }
}

#[test]
fn the_word_that_is_typed_stands_last() {
    let typing = |value: &str| {
        let options = json!([
            { "name": "service", "type": 3, "value": value, "focused": true },
            { "name": "env", "type": 3, "value": "staging" },
        ]);
        what(4, json!({ "name": "deploy", "options": [{ "name": "ship", "type": 1, "options": options }] }))
    };
    assert_eq!(typing("he"), What::Typing("/deploy ship env:staging service:he".to_owned()));
    assert_eq!(typing(""), What::Typing("/deploy ship env:staging service:".to_owned()));
    assert_eq!(typing("two words"), What::Typing("/deploy ship env:staging service:\"two words\"".to_owned()));
}

#[test]
fn a_press_a_choice_and_a_form_name_their_button() {
    let press = what(3, json!({ "custom_id": "abc", "component_type": 2 }));
    assert_eq!(press, What::Press { id: "abc".to_owned(), on: None });
    let choice = what(3, json!({ "custom_id": "menu", "component_type": 3, "values": ["def"] }));
    assert_eq!(choice, What::Press { id: "def".to_owned(), on: None });
    let row = json!({ "type": 1, "components": [{ "type": 4, "custom_id": "code", "value": "123 456" }] });
    let label = json!({ "type": 18, "component": { "type": 4, "custom_id": "why", "value": "" } });
    let form = what(5, json!({ "custom_id": "abc", "components": [row, label] }));
    let filled = vec![("code".to_owned(), "123 456".to_owned()), ("why".to_owned(), String::new())];
    assert_eq!(form, What::Form { id: "abc".to_owned(), filled, on: None });
}

#[test]
fn who_and_where_are_ids() {
    let heard = read(&interaction(2, json!({ "name": "help" })).to_string()).unwrap();
    assert_eq!((&*heard.speaker.id, &*heard.channel, heard.guild.as_deref()), ("4711", "5", Some("3")));
    assert_eq!(heard.speaker.roles, ["90", "91"]);
    let mut thread = interaction(2, json!({ "name": "help" }));
    thread["channel"] = json!({ "id": "6", "type": 11, "parent_id": "5" });
    assert_eq!(read(&thread.to_string()).unwrap().channel, "5/6");
    // A category is a parent, too, and no channel.
    thread["channel"] = json!({ "id": "6", "type": 0, "parent_id": "2" });
    assert_eq!(read(&thread.to_string()).unwrap().channel, "6");
}

#[test]
fn what_can_not_be_read_says_why_and_is_answered_where_it_can_be() {
    let good = interaction(2, json!({ "name": "help" }));
    let broken = |path: &str, value: Value| {
        let mut broken = good.clone();
        *broken.pointer_mut(path).unwrap() = value;
        read(&broken.to_string()).unwrap_err()
    };
    let table = [
        broken("/type", json!(77)),
        broken("/type", json!("two")),
        broken("/member", json!(null)),
        broken("/member/user/id", json!("ana")),
        broken("/channel_id", json!({})),
        broken("/data", json!({ "options": [] })),
        broken("/data", json!({ "name": "x", "options": [{ "name": "who", "type": 6, "value": "4711" }] })),
        broken("/data", json!({ "name": "x", "options": [{ "name": "n", "type": 4, "value": "many" }] })),
    ];
    for unreadable in table {
        assert_eq!(unreadable.way_back, Some(("11".to_owned(), "t0k".to_owned())), "{}", unreadable.why);
    }
    for garbage in ["", "[]", "null", "{\"id\":", "{\"id\":11}"] {
        assert_eq!(read(garbage).unwrap_err().way_back, None, "{garbage}");
    }
}
