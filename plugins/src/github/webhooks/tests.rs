//! Which webhooks are taken, and whom they wake.

use super::*;
use bytes::Bytes;
use commands::route::Body;

/// The secret, body and signature of GitHub's own example, in "Validating webhook deliveries".
const SECRET: &str = "It's a Secret to Everybody";
const EXAMPLE: (&str, &str) =
    ("Hello, World!", "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17");

fn signed(body: &str) -> String {
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap().chain_update(body).finalize().into_bytes();
    format!("sha256={}", mac.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
}

fn incoming(event: &str, kind: &str, signature: Option<&str>, body: &str) -> Incoming {
    let request = http::Request::post("/hooks/github").header("x-github-event", event).header("content-type", kind);
    let request = signature.into_iter().fold(request, |request, it| request.header("x-hub-signature-256", it));
    Incoming { parts: BTreeMap::new(), request: request.body(Bytes::from(body.to_owned())).unwrap() }
}

fn answered(webhooks: &Webhooks, incoming: &Incoming) -> (u16, String) {
    let Answer { status, body, .. } = webhooks.take(incoming, |repository, _| repository == "acme/hello");
    let Body::Whole(body) = body else { panic!("an answer that flows") };
    (status.as_u16(), String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test(start_paused = true)]
async fn nothing_is_read_that_is_not_signed_and_nothing_is_taken_twice() {
    let webhooks = Webhooks::new(SECRET);
    let _news = webhooks.news_of("Acme/Hello");
    let [ours, foreign, odd] =
        [r#"{"repository":{"full_name":"acme/hello"}}"#, r#"{"repository":{"full_name":"x`/@everyone"}}"#, "[]"];
    let [closed, labelled, elsewhere] = [
        r#"{"action":"closed","issue":{"number":3},"repository":{"full_name":"acme/hello"}}"#,
        r#"{"action":"labeled","issue":{"number":3},"repository":{"full_name":"acme/hello"}}"#,
        r#"{"action":"closed","issue":{"number":3},"repository":{"full_name":"acme/elsewhere"}}"#,
    ];
    let json = "application/json";
    for (event, kind, signature, body, status, says) in [
        ("ping", json, Some(EXAMPLE.1.to_owned()), EXAMPLE.0, 200, "It arrives."),
        ("ping", json, Some(EXAMPLE.1.to_uppercase()), EXAMPLE.0, 401, "signature is not that"),
        ("ping", json, Some(EXAMPLE.1.replace('7', "8")), EXAMPLE.0, 401, "signature is not that"),
        ("ping", json, Some(EXAMPLE.1[..40].to_owned()), EXAMPLE.0, 401, "signature is not that"),
        ("ping", json, Some("sha256=".to_owned()), EXAMPLE.0, 401, "signature is not that"),
        ("ping", json, None, EXAMPLE.0, 401, "not signed"),
        ("workflow_run", "application/x-www-form-urlencoded", Some(signed(ours)), ours, 415, "content type"),
        ("push", json, Some(signed(ours)), ours, 200, "Nothing waits for `push`"),
        ("workflow_run", json, Some(signed(odd)), odd, 400, "names no repository"),
        ("workflow_run", json, Some(signed(foreign)), foreign, 200, "`x'/@everyone` is waited for"),
        ("workflow_run", json, Some(signed(ours)), ours, 200, "`acme/hello` is looked at"),
        ("workflow_run", json, Some(signed(ours)), ours, 200, "came before"),
        ("issues", json, Some(signed(closed)), closed, 200, "Issue 3 of `acme/hello` is looked at"),
        ("issues", json, Some(signed(closed)), closed, 200, "came before"),
        ("issues", json, Some(signed(labelled)), labelled, 200, "changes no action item"),
        ("issues", json, Some(signed(elsewhere)), elsewhere, 200, "changes no action item"),
        // The event is not signed either.
        ("check_run", json, Some(signed(ours)), ours, 200, "came before"),
    ] {
        let told = answered(&webhooks, &incoming(event, kind, signature.as_deref(), body));
        assert!(told.0 == status && told.1.contains(says), "{event} {signature:?}: {told:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_is_woken_by_what_comes_during_a_look_and_looks_less_often_where_it_comes() {
    let webhooks = Webhooks::new(SECRET);
    let mut news = News::new(Some(webhooks.news_of("acme/hello")));
    let look = Duration::from_secs(5);
    let mut waits = async |comes: Option<&str>, after: u64| {
        let began = Instant::now();
        let come = async {
            sleep(Duration::from_secs(after)).await;
            let comes = comes.map(|id| format!(r#"{{"repository":{{"full_name":"acme/hello"}},"id":"{id}"}}"#));
            let take = |body: String| {
                answered(&webhooks, &incoming("status", "application/json", Some(&signed(&body)), &body))
            };
            assert!(comes.map(take).is_none_or(|(status, _)| status == 200));
        };
        tokio::join!(news.wait(look), come);
        began.elapsed().as_secs()
    };
    assert_eq!(waits(None, 0).await, 5, "as often as without webhooks");
    assert_eq!(waits(Some("1"), 3).await, 3, "woken");
    assert_eq!(waits(None, 0).await, 30, "slower, now that they come");
    assert_eq!(waits(Some("2"), 0).await, 1, "not more often than once a second");
    assert_eq!(waits(Some("2"), 2).await, 30, "a doubled one wakes nobody");
    sleep(BELIEVED).await;
    assert_eq!(waits(None, 0).await, 5, "none came for a while");
    assert_eq!(News::new(None).wait(look).await, ());
}
