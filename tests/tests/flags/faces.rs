//! Every face on the wire: who is let in, what they are told instead, and how little is sent again.

use crate::desk::{Desk, toggles};
use axum::body::Body;
use commands::reply::Outcome;
use serde_json::{Value, json};
use tests::program::until_async;

const ORIGIN: &str = "https://shop.example.com";

/// Somebody for whom a flag is evaluated.
fn user(id: &str) -> String {
    json!({ "context": { "targetingKey": id, "userId": id } }).to_string()
}

async fn desk_with_a_flag() -> Desk {
    let desk = Desk::new();
    for line in ["/flag create checkout-v2", "/flag on checkout-v2 staging"] {
        let reply = desk.say(line).await;
        assert_eq!(reply.outcome, Outcome::Done, "{line}: {reply:?}");
    }
    desk
}

#[tokio::test]
async fn who_shows_no_good_token_is_refused_in_the_protocols_own_words() {
    let desk = desk_with_a_flag().await;
    let backend = desk.token("api", "staging", "backend", "default").await;
    let frontend = desk.token("web", "staging", "frontend", "default").await;
    let gone = desk.token("old", "staging", "frontend", "default").await;
    let (all_but_last, last) = frontend.split_at(frontend.len() - 1);
    let wrong = format!("{all_but_last}{}", if last == "0" { "1" } else { "0" });
    let reply = desk.say("/flag token revoke old").await;
    assert_eq!(reply.outcome, Outcome::Done, "{reply:?}");
    for (token, features, frontend_api, ofrep) in [
        ("", 401, 401, 401),
        ("nonsense", 401, 401, 401),
        (&wrong, 401, 401, 401),
        (&gone, 401, 401, 401),
        ("default:production.0", 401, 401, 401),
        (&backend, 200, 403, 200),
        (&frontend, 403, 200, 200),
    ] {
        let told = desk.get("/api/client/features", token).await;
        assert_eq!(told.status, features, "{token}");
        assert!(features == 200 || told.json()["details"][0]["message"].is_string(), "{:?}", told.body);
        let told = desk.get("/api/frontend?userId=1", token).await;
        assert_eq!(told.status, frontend_api, "{token}");
        let told = desk.post("/ofrep/v1/evaluate/flags/checkout-v2", token, user("1")).await;
        assert_eq!(told.status, ofrep, "{token}");
        assert!(ofrep == 200 || told.json()["errorDetails"].as_str().unwrap().contains("token"), "{:?}", told.body);
        assert!(token.len() < 20 || !String::from_utf8_lossy(&told.body).contains(token), "no token is told again");
    }
    // OpenFeature's clients show it in one of two other ways.
    for header in [("authorization", format!("Bearer {frontend}")), ("x-api-key", frontend)] {
        let told = desk.ask("POST", "/ofrep/v1/evaluate/flags", &[(header.0, &header.1)], user("1")).await;
        assert_eq!(told.status, 200, "{header:?}");
    }
    // Nothing of a token but its hash is stored.
    let stored = desk.store.scan("", None, usize::MAX).await.unwrap();
    let secret = backend.rsplit('.').next().unwrap();
    let holds = |value: &[u8]| String::from_utf8_lossy(value).contains(secret);
    let found: Vec<_> = stored.iter().filter(|(_, record)| holds(&record.value)).map(|(key, _)| key).collect();
    assert!(found.is_empty(), "{found:?}");
}

#[tokio::test]
async fn a_token_shows_its_own_environment_and_project_alone() {
    let desk = desk_with_a_flag().await;
    for line in ["/flag create basket project:shop", "/flag on basket production because:x", "/flag on basket staging"]
    {
        desk.say(line).await;
    }
    for (name, environment, project, keys) in [
        ("a", "staging", "default", &["checkout-v2"][..]),
        ("b", "staging", "shop", &["basket"]),
        ("c", "staging", "", &["basket", "checkout-v2"]),
        ("d", "production", "default", &[]),
    ] {
        let token = desk.token(name, environment, "frontend", project).await;
        let told = toggles(&desk.get("/api/frontend", &token).await);
        assert_eq!(told.keys().map(String::as_str).collect::<Vec<_>>(), keys, "{name}");
    }
    let token = desk.token("e", "staging", "backend", "shop").await;
    let told = desk.post("/ofrep/v1/evaluate/flags/checkout-v2", &token, user("1")).await;
    assert_eq!((told.status, &told.json()["errorCode"]), (404, &json!("FLAG_NOT_FOUND")));
}

#[tokio::test]
async fn what_a_client_has_is_not_sent_again_until_it_changes() {
    let desk = desk_with_a_flag().await;
    let backend = desk.token("api", "staging", "backend", "").await;
    let frontend = desk.token("web", "staging", "frontend", "").await;
    for (method, path, token, body, other) in [
        ("GET", "/api/client/features", &backend, String::new(), None),
        ("GET", "/api/frontend?userId=1", &frontend, String::new(), Some("/api/frontend?userId=2")),
        ("POST", "/api/frontend", &frontend, user("1"), None),
        ("POST", "/ofrep/v1/evaluate/flags", &frontend, user("1"), None),
    ] {
        // Whoever asks again because a stream says so, says that.
        let because = if path.starts_with("/ofrep") { format!("{path}?flagConfigEtag=x") } else { path.to_owned() };
        let first = desk.ask(method, path, &[("authorization", token)], body.clone()).await;
        let etag = first.header("etag").to_owned();
        assert!(first.status == 200 && etag.len() > 10, "{path}");
        for (known, status) in [
            (etag.clone(), 304),
            (format!("W/{etag}"), 304),
            (format!("\"x\", {etag}"), 304),
            ("\"x\"".to_owned(), 200),
            (String::new(), 200),
        ] {
            let headers = [("authorization", token.as_str()), ("if-none-match", known.as_str())];
            let again = desk.ask(method, &because, &headers, body.clone()).await;
            assert_eq!((again.status, again.header("etag")), (status, etag.as_str()), "{path} {known}");
            assert_eq!(again.body.is_empty(), status == 304);
            if let Some(other) = other.filter(|_| status == 304) {
                let told = desk.ask(method, other, &headers, body.clone()).await;
                assert_eq!(told.status, 200, "somebody else's is another answer");
            }
        }
        let state = if toggles(&desk.get("/api/frontend", &frontend).await).is_empty() { "on" } else { "off" };
        desk.say(&format!("/flag {state} checkout-v2 staging")).await;
        let headers = [("authorization", token.as_str()), ("if-none-match", etag.as_str())];
        let changed = desk.ask(method, path, &headers, body).await;
        assert_eq!(changed.status, 200, "{path}");
    }
}

#[tokio::test]
async fn time_alone_changes_what_goes_by_dates() {
    let desk = desk_with_a_flag().await;
    let backend = desk.token("api", "staging", "backend", "").await;
    let after = json!([{ "contextName": "currentTime", "operator": "DATE_AFTER", "value": "2026-03-02T10:00:00Z" }]);
    let strategy = json!({ "name": "default", "constraints": after });
    let feature = json!({ "name": "late", "enabled": true, "strategies": [strategy] });
    let none = json!({ "name": "checkout-v2", "enabled": false, "strategies": [] });
    desk.load(&serde_json::from_value(json!({ "version": 2, "features": [none, feature] })).unwrap(), &backend).await;
    let frontend = desk.token("web", "staging", "frontend", "").await;
    let at = |time: &str| format!("/api/frontend?currentTime={time}");
    let first = desk.get(&at("2026-03-02T09:59:00Z"), &frontend).await;
    let headers = [("authorization", frontend.as_str()), ("if-none-match", first.header("etag"))];
    let same = desk.ask("GET", &at("2026-03-02T09:59:30Z"), &headers, Body::empty()).await;
    let later = desk.ask("GET", &at("2026-03-02T10:00:01Z"), &headers, Body::empty()).await;
    assert_eq!((same.status, later.status), (304, 200));
    assert!(toggles(&later).contains_key("late"));
    assert!(toggles(&desk.get("/api/frontend", &frontend).await).is_empty(), "it is nine o'clock");
}

#[tokio::test]
async fn pages_may_ask_where_the_operator_says_so() {
    let desk = desk_with_a_flag().await;
    let token = desk.token("web", "staging", "frontend", "").await;
    for (path, method) in
        [("/api/frontend", "GET"), ("/ofrep/v1/evaluate/flags", "POST"), ("/ofrep/v1/evaluate/flags/x", "POST")]
    {
        for (origin, allowed) in [(ORIGIN, ORIGIN), ("https://evil.example.com", "")] {
            let asks = [
                ("origin", origin),
                ("access-control-request-method", method),
                ("access-control-request-headers", "authorization,if-none-match"),
            ];
            let told = desk.ask("OPTIONS", path, &asks, Body::empty()).await;
            assert_eq!((told.status, told.header("access-control-allow-origin")), (204, allowed), "{path} {origin}");
            assert_eq!(told.header("access-control-allow-headers"), "authorization,if-none-match");
            // A refusal has to reach the page, too.
            for token in [&token, "wrong"] {
                let body = if method == "GET" { String::new() } else { user("1") };
                let told = desk.ask(method, path, &[("origin", origin), ("authorization", token)], body).await;
                assert_eq!(told.header("access-control-allow-origin"), allowed, "{path} {origin}");
                assert!(allowed.is_empty() || told.header("access-control-expose-headers").contains("etag"));
                assert_eq!(told.header("vary"), "origin");
            }
        }
    }
    let told = desk.ask("GET", "/api/client/features", &[("origin", ORIGIN)], Body::empty()).await;
    assert_eq!(told.header("access-control-allow-origin"), "", "no page has any business here");
}

#[tokio::test]
async fn a_hostile_context_is_refused_or_taken_and_harms_nobody() {
    let desk = desk_with_a_flag().await;
    let token = desk.token("api", "staging", "backend", "").await;
    desk.say("/flag create half").await;
    desk.say("/flag on half staging percent:50").await;
    let deep = format!(r#"{{"context":{}1{}}}"#, r#"{"a":"#.repeat(10_000), "}".repeat(10_000));
    let long = json!({ "context": { "targetingKey": "가".repeat(15_000) } }).to_string();
    let huge = json!({ "context": { "targetingKey": "x".repeat(70_000) } }).to_string();
    let odd =
        json!({ "context": { "targetingKey": "\u{202e}'; rm -rf /\n<@1>", "": null, "a\u{0}": [1, { "b": 2 }] } });
    for (key, body, status, code) in [
        ("half", user("1"), 200, ""),
        ("half", long, 200, ""),
        ("half", odd.to_string(), 200, ""),
        ("half", huge, 413, ""),
        ("half", deep, 400, "PARSE_ERROR"),
        ("half", "{".to_owned(), 400, "PARSE_ERROR"),
        ("half", "[]".to_owned(), 400, "PARSE_ERROR"),
        ("half", r#"{"context":[]}"#.to_owned(), 400, "INVALID_CONTEXT"),
        ("half", r#"{"context":{"targetingKey":{}}}"#.to_owned(), 400, "INVALID_CONTEXT"),
        ("half", "{}".to_owned(), 400, "TARGETING_KEY_MISSING"),
        ("checkout-v2", "{}".to_owned(), 200, ""),
        ("%63heckout-v2", user("1"), 200, ""),
        ("unknown", user("1"), 404, "FLAG_NOT_FOUND"),
        ("..%2F..%2Fetc", user("1"), 404, "FLAG_NOT_FOUND"),
        ("%ff%00%0a", user("1"), 404, "FLAG_NOT_FOUND"),
    ] {
        let told = desk.post(&format!("/ofrep/v1/evaluate/flags/{key}"), &token, body.clone()).await;
        assert_eq!(told.status, status, "{key}: {:?}", told.body);
        if !code.is_empty() {
            assert_eq!((&told.json()["errorCode"], told.json()["errorDetails"].is_string()), (&json!(code), true));
            assert!(told.json()["key"].is_string());
        }
        if status == 400 && code != "TARGETING_KEY_MISSING" {
            let told = desk.post("/ofrep/v1/evaluate/flags", &token, body).await;
            assert_eq!((told.status, &told.json()["errorCode"]), (400, &json!(code)));
        }
    }
    // Of all flags, only those that need it are not told to somebody without a name.
    let told = desk.post("/ofrep/v1/evaluate/flags", &token, "{}").await.json();
    let codes: Vec<_> = told["flags"].as_array().unwrap().iter().map(|flag| flag["errorCode"].as_str()).collect();
    assert_eq!(codes, [None, Some("TARGETING_KEY_MISSING")], "{told}");
}

#[tokio::test]
async fn a_pattern_that_is_meant_to_explode_does_not() {
    let desk = desk_with_a_flag().await;
    let token = desk.token("api", "staging", "backend", "").await;
    let refused = desk.say("/flag set checkout-v2 staging when:\"path matches a{1000}{1000}\"").await;
    assert!(refused.outcome == Outcome::Refused && refused.text.contains("is no pattern"), "{refused:?}");
    // An engine that goes back tries each of the 2^4000 ways to share out the letters.
    let set = desk.say("/flag set checkout-v2 staging when:\"path matches ^(x+x+)+y$\"").await;
    assert_eq!(set.outcome, Outcome::Done, "{set:?}");
    for (path, on) in [("x".repeat(4_000), false), ("x".repeat(4_000) + "y", true)] {
        let body = json!({ "context": { "targetingKey": "1", "path": path } }).to_string();
        let told = desk.post("/ofrep/v1/evaluate/flags/checkout-v2", &token, body).await;
        assert_eq!((told.status, &told.json()["value"]), (200, &json!(on)), "{:?}", told.body);
    }
}

#[tokio::test]
async fn more_than_a_token_is_good_for_waits() {
    let desk = Desk::with(
        "environments = [\"staging\"]\n[people.ana]\nroles = [\"deployer\"]\n[[policy]]\nallow = \"*\"\nto = [\"deployer\"]\n[flags]\n[flags.serve]\nrate = 1",
    );
    let token = desk.token("api", "staging", "backend", "").await;
    let mut told = Vec::new();
    for _ in 0..5 {
        told.push(desk.get("/api/client/features", &token).await);
    }
    let busy: Vec<_> = told.iter().filter(|told| told.status == 429).collect();
    assert!(!busy.is_empty() && busy[0].header("retry-after") == "1", "{}", busy.len());
    let other = desk.token("other", "staging", "backend", "").await;
    assert_eq!(desk.get("/api/client/features", &other).await.status, 200, "each token for itself");
}

#[tokio::test]
async fn what_applications_count_is_kept_and_bounded() {
    let desk = desk_with_a_flag().await;
    let backend = desk.token("api", "staging", "backend", "").await;
    let frontend = desk.token("web", "staging", "frontend", "").await;
    let bucket = |yes: Value| {
        let toggles =
            json!({ "checkout-v2": { "yes": yes, "no": 2, "variants": { "x": 1 } }, "nobody-knows-it": { "yes": 1 } });
        json!({ "appName": "shop", "instanceId": "i", "bucket": { "start": "2026-03-02T09:00:00Z", "toggles": toggles } })
    };
    for (path, token, body, status) in [
        ("/api/client/metrics", &backend, bucket(json!(3)).to_string(), 202),
        ("/api/frontend/client/metrics", &frontend, bucket(json!(4)).to_string(), 202),
        ("/api/client/metrics", &frontend, bucket(json!(3)).to_string(), 403),
        ("/api/client/metrics", &backend, bucket(json!("many")).to_string(), 400),
        ("/api/client/metrics", &backend, "[]".to_owned(), 400),
        ("/api/client/register", &backend, json!({ "appName": "shop", "strategies": ["default"] }).to_string(), 202),
        ("/api/frontend/client/register", &frontend, json!({ "appName": "shop" }).to_string(), 202),
        ("/api/client/register", &backend, "{}".to_owned(), 400),
    ] {
        assert_eq!(desk.post(path, token, body.clone()).await.status, status, "{path} {body}");
    }
    for id in 0..1_000 {
        desk.post("/ofrep/v1/evaluate/flags/checkout-v2", &backend, user(&id.to_string())).await;
        desk.post("/ofrep/v1/evaluate/flags/nobody-knows-it", &backend, user(&id.to_string())).await;
    }
    desk.post("/ofrep/v1/evaluate/flags", &backend, user("1")).await;
    let shown = desk.say("/flag show checkout-v2").await;
    let asked = shown.fields.iter().find(|field| field.name == "Asked for in staging").unwrap();
    assert_eq!(asked.value, "on 1007 times and off 4, last just now, by shop");
    // It is kept at the end of the minute, or when Deckhand stops.
    let dead = tokio_util::sync::CancellationToken::new();
    let watch = tokio::spawn(bot::jobs::watch(desk.bot.clone(), "test".to_owned(), dead.clone()));
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    dead.cancel();
    watch.await.unwrap();
    let kept = until_async("it is kept", async || {
        let kept = desk.store.scan("counts/", None, 10).await.unwrap();
        Some(kept).filter(|kept| !kept.is_empty())
    })
    .await;
    assert_eq!(kept.len(), 1, "{kept:?}");
    let usage: Value = serde_json::from_slice(&kept[0].1.value).unwrap();
    assert_eq!(kept[0].0, "counts/flags/staging/checkout-v2");
    assert_eq!(
        (&usage["data"]["yes"], &usage["data"]["no"], &usage["data"]["apps"]),
        (&json!(1_007), &json!(4), &json!(["shop"]))
    );
}
