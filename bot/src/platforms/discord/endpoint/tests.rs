//! Which requests the endpoint lets in.

use super::*;
use axum::http::request::Builder;
use chrono::DateTime;
use serde_json::Value;
use tower::ServiceExt;

/// The time of every test.
const NOW: i64 = 1_800_000_000;

/// The public key of RFC 8032's first test, section 7.1, with whose secret one everything here is signed.
const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

const COMMAND: &str = r#"{"type":2,"id":"1"}"#;

/// What is signed at `NOW`, and its signature.
const SIGNED: &str = "7cfbe71f85755d27cbff30764feeeeec08743ce9e06b24977639462941e20a897015e6cf9978851c9eca39f9ca601713dab2195fe7d09bf4c2727c5d9204c206";
const PING: &str = r#"{"type":1,"id":"2"}"#;
const SIGNED_PING: &str = "ee8240016eec9f43caf800866aacdb494af9d2f998c65476c201fcec66cf7322cf0cc2df4fa15b22d156d327d439bba90511840e8567fc3b2e99717fdbd1470e";
const SIGNED_HALF: &str = "c24bbced42f598588d19a7890dc2287111b89af070fe782b0db17c82d545ae860ea0593aabe4305aa38e0c57fdb18a0880c414edc5cc98e725c000986d79590f";
const SIGNED_FF_FE: &str = "ea1c5aea19a8ab837307c8f87497d0da9b473f8b6431e988bec9a3b3377eb950125f3c4083cddc482fb6bb5bb8ac43f4e2f186e6d313b3fa2697b82ec5bf1c01";
const SIGNED_NOTHING: &str = "60df3017dd5cb8183ab414e18897cba3cb4cb3968fe3c034e496073ad92b770ce6d1fc19bb6577f73cf2d9bc82b9a184a67cb32877e51ce1cc91bf19aeb8de09";
const SIGNED_MIB: &str = "85b0fff1b51c8ba9be598ff619288b662c438e0494c1f1d2c73ad70ed9dc0ddf20d8317e4ab4052f7a183904b924972e5890816df898d08892cf03cfc2140405";
const SIGNED_LONGER: &str = "38ca782e4ce4c13374d4102de74d3e634d5305c9014f6d972c2bc22d4293983a83d6b3159e59818263fbc067a71e4333009063321c26670188acea2fb064e604";

/// `COMMAND`, signed at other times.
const TIMES: [(&str, &str, u16); 5] = [
    (
        "1799999700",
        "e51be807e247b04a1cb1386bb34175897a454e36a905d02c3af059c0a855a983af84adeecd135dd9f88f6441fcdb19a7124873f883add0eff1af6c0a5caea30b",
        202,
    ),
    (
        "1799999699",
        "89f0dbc390a9b011b00262fc8e9cdaa2bb3138393cdeb1ce9df005503ee61f791af7b918dbc8027e8c8c1c189d72d697cc10d27d4a1567fb209ba580c31fc108",
        401,
    ),
    (
        "1800000300",
        "2b3e8a2a3b36f376c483f3ecdd6d82abe5a98e055e1a07193d9f8ce67ab756070ce06faf8ecb37d4525bb45a20dbf50019c564b6b141404e6ce58093baf77002",
        202,
    ),
    (
        "1800000301",
        "c0511bea2b85f69f6c5f2249f6d463cd80cf2439bbce2f971ae4c71fe81fc2208baec6c020d29223df9af14756fac94e2c14367d64b24c4f4602ad2d18a6a408",
        401,
    ),
    (
        "soon",
        "e939f2ba96b82170a179341ee17896d1a8b4da7e041ecb61a17dbdd2e001bb26be763d669d4b6946a5780c28c4f80ed6371b62f8ec7732c95e4a161e36c8d404",
        401,
    ),
];

fn key(hex: &str) -> [u8; 32] {
    let bytes: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).unwrap()).collect();
    bytes.try_into().unwrap()
}

/// An endpoint, what it has heard, and its router.
struct Stage {
    heard: Arc<Mutex<Vec<String>>>,
    health: Arc<Health>,
    clock: Clock,
    router: Router,
}

impl Stage {
    fn new() -> Stage {
        Stage::with(KEY)
    }

    fn with(public_key: &str) -> Stage {
        let clock = Clock::at(DateTime::from_timestamp(NOW, 0).unwrap());
        let health = Health::new(clock.clone(), false);
        let heard = Arc::new(Mutex::new(Vec::new()));
        let ear = heard.clone();
        let hear: Hear = Arc::new(move |raw| {
            ear.lock().unwrap().push(raw.to_owned());
            raw.starts_with("{\"type\"")
        });
        let router = router(Endpoint::new(key(public_key), clock.clone(), health.clone(), hear).unwrap());
        Stage { heard, health, clock, router }
    }

    async fn ask(&self, request: Builder, body: impl Into<Body>) -> (u16, Value) {
        let answer = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 100_000).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    async fn post(&self, signature: &str, timestamp: &str, body: impl Into<Body>) -> (u16, Value) {
        let request = Request::post("/interactions")
            .header("x-signature-ed25519", signature)
            .header("x-signature-timestamp", timestamp);
        self.ask(request, body).await
    }

    fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

#[tokio::test(start_paused = true)]
async fn it_lets_in_what_discord_has_signed_and_nothing_else() {
    let now = NOW.to_string();
    let mib = " ".repeat(1024 * 1024);
    let longer = " ".repeat(1024 * 1024 + 1);
    let forged = SIGNED.replacen('7', "8", 1);
    let cases: [(&str, &str, &str, &[u8], u16); 14] = [
        ("good", SIGNED, &now, COMMAND.as_bytes(), 202),
        ("half of its JSON", SIGNED_HALF, &now, br#"{"type":2"#, 202),
        ("no body", SIGNED_NOTHING, &now, b"", 202),
        ("the longest body", SIGNED_MIB, &now, mib.as_bytes(), 202),
        ("no UTF-8", SIGNED_FF_FE, &now, b"\xff\xfe", 400),
        ("forged", &forged, &now, COMMAND.as_bytes(), 401),
        ("of another body", SIGNED_PING, &now, COMMAND.as_bytes(), 401),
        ("of another time", SIGNED, "1800000001", COMMAND.as_bytes(), 401),
        ("truncated", &SIGNED[..126], &now, COMMAND.as_bytes(), 401),
        ("with half a byte", &SIGNED[..127], &now, COMMAND.as_bytes(), 401),
        ("longer", &format!("{SIGNED}00"), &now, COMMAND.as_bytes(), 401),
        ("no hexadecimal digits", &"zz".repeat(64), &now, COMMAND.as_bytes(), 401),
        ("none", "", &now, COMMAND.as_bytes(), 401),
        ("of a body that is too long", SIGNED_LONGER, &now, longer.as_bytes(), 413),
    ];
    for (what, signature, timestamp, body, expected) in cases {
        let stage = Stage::new();
        let (status, answer) = stage.post(signature, timestamp, body.to_vec()).await;
        assert_eq!(status, expected, "{what}: {answer}");
        assert_eq!(answer["error"].is_string(), expected != 202, "{what}: {answer}");
        let heard = if expected == 202 { vec![String::from_utf8(body.to_vec()).unwrap()] } else { Vec::new() };
        assert_eq!(stage.heard(), heard, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_timestamp_is_within_five_minutes() {
    for (timestamp, signature, expected) in TIMES {
        assert_eq!(Stage::new().post(signature, timestamp, COMMAND).await.0, expected, "{timestamp}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_of_another_application_is_of_no_use() {
    // The key of RFC 8032's second test.
    let stage = Stage::with("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    assert_eq!(stage.post(SIGNED, &NOW.to_string(), COMMAND).await.0, 401);
    assert!(stage.heard().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_was_taken_is_not_taken_again_however_its_signature_is_written() {
    let stage = Stage::new();
    let now = NOW.to_string();
    assert_eq!(stage.post(SIGNED, &now, COMMAND).await.0, 202);
    for again in [SIGNED, &SIGNED.to_uppercase()] {
        assert_eq!(stage.post(again, &now, COMMAND).await.0, 401);
    }
    let (ahead, signed_ahead, _) = TIMES[2];
    assert_eq!(stage.post(signed_ahead, ahead, COMMAND).await.0, 202, "another time makes another request");
    for seconds in [299, 300, 1] {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        let late = stage.clock.now().timestamp() - NOW;
        assert_eq!(stage.post(signed_ahead, ahead, COMMAND).await.0, 401, "after {late} s");
    }
    assert_eq!(stage.heard().len(), 2);
}

#[test]
fn what_is_remembered_has_an_end() {
    let digest = |count: usize| {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&count.to_le_bytes());
        digest
    };
    let mut seen = Seen::default();
    for count in 0..=REMEMBERED {
        assert!(seen.is_new(NOW, digest(count)));
    }
    assert_eq!((seen.order.len(), seen.digests.len()), (REMEMBERED, REMEMBERED));
    assert!(!seen.is_new(NOW, digest(1)));
    assert!(seen.is_new(NOW, digest(0)), "the oldest had to go");
    assert!(seen.is_new(NOW + 2 * WINDOW + 1, digest(1)));
    assert_eq!((seen.order.len(), seen.digests.len()), (1, 1), "what is past its window is forgotten");
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_and_not_handed_on() {
    let stage = Stage::new();
    assert_eq!(stage.post(SIGNED_PING, &NOW.to_string(), PING).await, (200, json!({ "type": 1 })));
    assert!(stage.heard().is_empty());
    assert_eq!(stage.post(SIGNED, &NOW.to_string(), PING).await.0, 401, "Discord tries this, to see that we look");
}

#[tokio::test(start_paused = true)]
async fn what_can_not_be_read_is_counted() {
    let stage = Stage::new();
    let now = NOW.to_string();
    stage.post(SIGNED, &now, COMMAND).await;
    stage.post(SIGNED_NOTHING, &now, "").await;
    stage.post(SIGNED_FF_FE, &now, b"\xff\xfe".to_vec()).await;
    stage.post("forged", &now, COMMAND).await;
    let counts = stage.health.report()["interactions"].clone();
    assert_eq!(counts, json!({ "received": 2, "handled": 1, "unreadable": 2 }));
}

#[tokio::test(start_paused = true)]
async fn bodies_without_an_end_are_not_waited_for() {
    let endless = || futures::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
    let stage = Stage::new();
    let now = NOW.to_string();
    assert_eq!(stage.post(SIGNED, &now, Body::from_stream(endless())).await.0, 413);
    let mute = futures::stream::pending::<std::io::Result<Vec<u8>>>();
    assert_eq!(stage.post(SIGNED, &now, Body::from_stream(mute)).await.0, 408);
}

#[tokio::test(start_paused = true)]
async fn the_rest_says_what_it_is() {
    let stage = Stage::new();
    for (method, path, expected) in [
        ("GET", "/interactions", 200),
        ("HEAD", "/interactions", 200),
        ("PUT", "/interactions", 405),
        ("POST", "/interactions", 401),
        ("GET", "/healthz", 200),
        ("GET", "/readyz", 200),
        ("GET", "/", 404),
        ("POST", "/interactions/", 404),
    ] {
        let request = Request::builder().method(method).uri(path);
        assert_eq!(stage.ask(request, "").await.0, expected, "{method} {path}");
    }
}
