//! Flags that go through files: whole, in part, in halves, and from elsewhere.

use bot::gate::Bot;
use commands::reply::{Outcome, Reply};
use commands::store::Store;
use serde_json::{Value, json};
use std::sync::Arc;
use tests::alone::{self, say};
use tests::memory::MemoryStore;
use tests::stage::world::World;

const CONFIG: &str = r#"
environments = ["staging", "production"]
[people.ana]
roles = ["deployer"]
[people.ben]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[flags]
"#;

/// What a flag can have, but for segments: their numbers are another store's own.
const LINES: [&str; 9] = [
    "/flag create parent about:\"what the others need\" tags:cart,beta owner:ben",
    "/flag create cart needs:parent kind:experiment expires:2027-03-01",
    "/flag create gone permanent:yes",
    "/flag on parent staging",
    "/flag set cart staging percent:25 when:\"country in kr,jp and version >= 2.1.0\" sticky:plan",
    "/flag set cart staging variants:red=30:#f00,blue=70:#00f",
    "/flag on cart staging",
    "/flag on gone staging",
    "/flag off gone staging",
];

/// A bot with nothing in its store, whose files are those of this world.
fn empty(world: &Arc<World>) -> Arc<Bot> {
    let clock = alone::clock();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    alone::bot(CONFIG, plugins::ALL, &clock, store, world)
}

async fn done(bot: &Arc<Bot>, line: &str) -> Reply {
    let reply = say(bot, "ana", line).await;
    assert_eq!(reply.outcome, Outcome::Done, "{line}: {reply:?}");
    reply
}

async fn full(world: &Arc<World>) -> Arc<Bot> {
    let bot = empty(world);
    for line in LINES {
        done(&bot, line).await;
    }
    bot
}

/// Writes an export, and returns the name of its file.
async fn export(bot: &Arc<Bot>, line: &str) -> String {
    let reply = done(bot, line).await;
    reply.files.first().unwrap().name.clone()
}

fn text(world: &World, name: &str) -> String {
    String::from_utf8(world.kept(name).unwrap().to_vec()).unwrap()
}

/// Reads a file as its plan says.
async fn import(bot: &Arc<Bot>, name: &str) -> Reply {
    let plan = done(bot, &format!("/flag import plan {name}")).await;
    let line = plan.buttons.first().unwrap_or_else(|| panic!("{plan:?}")).line.clone();
    done(bot, &format!("/{line}")).await
}

#[tokio::test(start_paused = true)]
async fn what_is_exported_is_the_same_after_a_round_trip() {
    for format in ["deckhand", "unleash env:staging"] {
        let world = Arc::new(World::new());
        let line = format!("/flag export {format}");
        let name = export(&full(&world).await, &line).await;
        let before = text(&world, &name);
        let other = empty(&world);
        import(&other, &name).await;
        assert_eq!(text(&world, &export(&other, &line).await), before);
        let again = done(&other, &format!("/flag import plan {name}")).await;
        assert!(again.buttons.is_empty() && again.text.contains("there is nothing to import"), "{again:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_file_that_is_cut_anywhere_changes_nothing_and_is_told() {
    let world = Arc::new(World::new());
    let whole = text(&world, &export(&full(&world).await, "/flag export").await);
    let bot = empty(&world);
    for end in (0..whole.len() - 2).step_by(97).filter(|end| whole.is_char_boundary(*end)) {
        world.keep_picture("flags-cut.json", whole.as_bytes()[..end].to_vec().leak());
        let reply = say(&bot, "ana", "/flag import plan flags-cut.json").await;
        assert_eq!(reply.outcome, Outcome::Refused, "{end}: {reply:?}");
        assert!(reply.text.contains("is cut off: it ends in line"), "{end}: {}", reply.text);
    }
    assert!(done(&bot, "/flag list").await.text.contains("There are no flags yet"));
}

#[tokio::test(start_paused = true)]
async fn what_is_hostile_or_not_known_is_left_out_and_named() {
    let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
    let flag =
        |rest: &str| format!(r#"{{"kind":"release","project":"default","created":"2026-01-01T00:00:00Z"{rest}}}"#);
    let own = |flags: String| format!(r#"{{"deckhand":1,"flags":{{{flags}}}}}"#);
    for (file, told) in [
        ("\u{202e}".to_owned(), "is no JSON: line 1"),
        (deep, "is no JSON"),
        ("[]".to_owned(), "is neither Deckhand's nor Unleash's"),
        (r#"{"deckhand":2,"flags":{}}"#.to_owned(), "is of version 2"),
        (
            r#"{"$schema":"https://flagd.dev/schema/v0/flags.json","flags":{}}"#.to_owned(),
            "is flagd's, which is only written",
        ),
        (r#"{"features":[{"name":"a"}]}"#.to_owned(), "does not say of which environment it is"),
        (own(format!(r#""../etc":{}"#, flag(""))), "no address can carry"),
        (own(format!(r#""a":{}"#, flag(r#","needs":[{"feature":"nobody"}]"#))), "it needs a flag that is neither here"),
        (
            own(format!(r#""a":{}"#, flag(r#","environments":{"mars":{"on":true}}"#))),
            "there is no environment `mars` here",
        ),
        (
            own(format!(r#""a":{}"#, flag(r#","owner":"mallory","environments":{"staging":{"on":true}}"#))),
            "There is no person `mallory`",
        ),
        (
            own(format!(
                r#""a":{}"#,
                flag(r#","environments":{"staging":{"on":true,"strategies":[{"name":"default","segments":[7]}]}}"#)
            )),
            "the file lacks its segment",
        ),
    ] {
        let world = Arc::new(World::new());
        world.keep_picture("flags-x.json", file.clone().into_bytes().leak());
        let reply = say(&empty(&world), "ana", "/flag import plan flags-x.json").await;
        let heard = format!("{} {:?}", reply.text, reply.fields);
        assert!(heard.contains(told), "{told}\n{heard}");
    }
}

/// An export as Unleash writes it: strategies that are disabled, a segment by its name alone, tags, what is needed.
#[tokio::test(start_paused = true)]
async fn an_export_of_unleash_is_read() {
    let strategy = |flag: &str, order: u32, rest: Value| {
        let mut all = json!({ "name": "flexibleRollout", "id": "0b5c", "featureName": flag, "title": null, "sortOrder": order,
            "parameters": { "groupId": flag, "rollout": "50", "stickiness": "default" }, "variants": [], "segments": [] });
        all.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        all
    };
    let environment = |flag: &str, on: bool| json!({ "name": flag, "featureName": flag, "environment": "staging", "enabled": on, "variants": [] });
    let file = json!({ "project": "default", "environment": "staging", "data": {
        "features": [
            { "name": "cart", "type": "kill-switch", "description": "x", "project": "default", "stale": true },
            { "name": "asleep", "type": "release", "project": "shop", "stale": false },
            { "name": "lost", "type": "toggle", "project": "default" },
        ],
        "featureStrategies": [
            strategy("cart", 2, json!({ "segments": [3], "parameters": { "rollout": 100, "groupId": "cart" } })),
            strategy("cart", 1, json!({ "disabled": true })),
            strategy("asleep", 1, json!({ "disabled": true })),
            strategy("lost", 1, json!({ "segments": [4] })),
        ],
        "featureEnvironments": [environment("cart", true), environment("asleep", true), environment("lost", true)],
        "contextFields": [],
        "featureTags": [{ "featureName": "cart", "tagType": "simple", "tagValue": "beta" }],
        "segments": [{ "id": 3, "name": "asia" }, { "id": 4, "name": "mars" }],
        "tagTypes": [],
        "dependencies": [{ "feature": "cart", "dependencies": [{ "feature": "asleep", "enabled": false }] }],
    }});
    let world = Arc::new(World::new());
    world.keep_picture("flags-unleash.json", file.to_string().into_bytes().leak());
    let bot = empty(&world);
    done(&bot, "/segment create asia country = kr").await;
    let plan = done(&bot, "/flag import plan flags-unleash.json").await;
    let heard = format!("{:?}", plan.fields);
    for told in [
        "marked as stale is not kept: `cart`",
        "disabled are left out, of `asleep`, `cart`",
        "who is in the segment mars",
        "There is no project `shop` here",
        "no kind as that of `lost`",
    ] {
        assert!(heard.contains(told), "{told}\n{heard}");
    }
    import(&bot, "flags-unleash.json").await;
    let shown = format!("{:?}", done(&bot, "/flag show cart").await);
    for told in ["on for all of those in segment asia", "beta", "asleep off", "kill-switch"] {
        assert!(shown.contains(told), "{told}\n{shown}");
    }
    assert!(
        format!("{:?}", done(&bot, "/flag show asleep").await).contains("\"off\""),
        "no strategy of it is in force"
    );
}

#[tokio::test(start_paused = true)]
async fn flagd_is_written_what_it_can_say_and_the_rest_is_named() {
    let world = Arc::new(World::new());
    let bot = full(&world).await;
    for line in [
        "/flag create koreans",
        "/flag set koreans staging when:\"country in kr and user ends with .com\"",
        "/flag on koreans staging",
        "/flag create some",
        "/flag on some staging percent:25",
        "/flag create network",
        "/flag set network staging when:\"ip within 10.0.0.0/8\"",
        "/flag on network staging",
    ] {
        done(&bot, line).await;
    }
    let reply = done(&bot, "/flag export flagd env:staging").await;
    for told in
        ["`some`. The reason: a share of its users is drawn", "flagd can not compare networks", "it needs other flags"]
    {
        assert!(reply.text.contains(told), "{told}\n{}", reply.text);
    }
    let file: Value = serde_json::from_str(&text(&world, &reply.files[0].name)).unwrap();
    let flags = &file["flags"];
    assert_eq!(flags["parent"]["defaultVariant"], "on");
    assert_eq!(flags["gone"]["defaultVariant"], "off");
    assert_eq!(
        flags["koreans"]["targeting"],
        json!({ "if": [
            { "or": [{ "and": [
                { "in": [{ "var": "country" }, ["kr"]] },
                { "or": [{ "ends_with": [{ "var": "targetingKey" }, ".com"] }] },
            ] }] },
            "on",
            "off",
        ] })
    );
    assert!(flags["some"].is_null() && flags["network"].is_null() && flags["cart"].is_null());
    let name = export(&bot, "/flag export flagd env:staging shares:yes").await;
    let file: Value = serde_json::from_str(&text(&world, &name)).unwrap();
    assert_eq!(file["flags"]["some"]["targeting"], json!({ "fractional": [["on", 25], ["off", 75]] }));
}

#[tokio::test(start_paused = true)]
async fn many_flags_come_at_once_and_go_again() {
    let flags: serde_json::Map<_, _> = (0..2_000)
        .map(|at| {
            let flag = json!({ "kind": "release", "project": "default", "created": "2026-01-01T00:00:00Z",
                "environments": { "staging": { "on": true } } });
            (format!("flag-{at}"), flag)
        })
        .collect();
    let world = Arc::new(World::new());
    world.keep_picture("flags-many.json", json!({ "deckhand": 1, "flags": flags }).to_string().into_bytes().leak());
    let bot = empty(&world);
    let undo = import(&bot, "flags-many.json").await.buttons[0].line.clone();
    done(&bot, "/flag off flag-7 staging").await;
    let reply = done(&bot, &format!("/{undo}")).await;
    assert!(
        reply.text.contains(
            "1999 settings as before, 2000 new flags in the archive. What was changed since stays as it is: 1 change."
        ),
        "{}",
        reply.text
    );
}
