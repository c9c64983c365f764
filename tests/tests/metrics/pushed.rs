//! Drill: programs push figures to the built program, which charts them; nobody else's are taken.

use super::say;
use serde_json::json;
use tests::program::{Home, client};

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

[hooks]
listen = "{hooks}"

[metrics.push]
token = "a token of the drill"

[metrics.sources.shop]
kind = "pushed"

[metrics.measures.sold]
source = "shop"
query = "orders"
better = "higher"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_is_pushed_is_charted() {
    let home = Home::with(CONFIG);
    let deckhand = home.start();
    let push = async |token: &str, body: String| {
        let request = client().post(format!("http://{}/metrics/push", home.hooks())).bearer_auth(token).body(body);
        let answer = request.send().await.expect("the listener answers");
        (answer.status().as_u16(), answer.text().await.expect("it has a body"))
    };
    assert_eq!(say(&home, "metrics show sold")["card"]["title"], "sold: no figures");
    let token = "a token of the drill";
    for (token, body, status, says) in [
        ("another", json!({ "orders": 12 }).to_string(), 401, "The token is not that of"),
        ("", json!({ "orders": 12 }).to_string(), 401, "The token is not that of"),
        (token, "orders 12".to_owned(), 400, "This is no JSON of figures by their names"),
        (token, json!({ "orders": "@everyone" }).to_string(), 400, "This is no JSON of figures by their names"),
        (
            token,
            json!({ "orders": 12, "rm -rf": 1 }).to_string(),
            422,
            "No measure is about `rm -rf`. Nothing was kept.",
        ),
        (token, "x".repeat(20_000), 413, "The body is longer than"),
        (token, json!({ "orders": 12 }).to_string(), 200, "{\"kept\":1}"),
    ] {
        let (found, told) = push(token, body.clone()).await;
        assert!(found == status && told.contains(says), "{body:.60}: {found} {told}");
    }
    assert_eq!(say(&home, "metrics show sold")["card"]["title"], "sold: 12");
    // Many at once lose none.
    let all =
        futures::future::join_all((0..20).map(|number| push(token, json!({ "orders": number }).to_string()))).await;
    assert!(all.iter().all(|(status, _)| *status == 200), "{all:?}");
    let chart = say(&home, "metrics chart sold last:1h");
    assert_eq!(chart["files"][0]["series"].as_array().map(Vec::len), Some(21), "{chart}");
    deckhand.kill();
    let deckhand = home.start();
    let chart = say(&home, "metrics chart sold last:1h");
    assert_eq!(
        chart["files"][0]["series"].as_array().map(Vec::len),
        Some(21),
        "what was kept outlives a kill: {chart}"
    );
    deckhand.stop();
    home.assert_sound();
}
