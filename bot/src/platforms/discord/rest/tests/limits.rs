//! Limits as Discord sets them: who waits, and who must not.

use super::*;
use futures::future::join_all;
use std::collections::HashMap;

/// A limit of `most` requests in `span` for each key, told in headers as Discord does.
struct Limit {
    most: u32,
    span: Duration,
    windows: HashMap<String, (Duration, u32)>,
}

impl Limit {
    fn new(most: u32, span: Duration) -> Limit {
        Limit { most, span, windows: HashMap::new() }
    }

    fn take(&mut self, key: &str, at: Duration) -> Answer {
        let window = self.windows.entry(key.to_owned()).or_insert((at, 0));
        if at >= window.0 + self.span {
            *window = (at, 0);
        }
        window.1 += 1;
        let (left, reset) = (self.most.saturating_sub(window.1).to_string(), (window.0 + self.span - at).as_secs_f64());
        let told = reset.to_string();
        let headers =
            [("x-ratelimit-bucket", "b"), ("x-ratelimit-remaining", &left), ("x-ratelimit-reset-after", &told)];
        let body = json!({ "retry_after": reset, "global": false });
        reply(if window.1 > self.most { 429 } else { 200 }, &headers, &body.to_string())
    }
}

#[tokio::test(start_paused = true)]
async fn sixty_four_tokens_have_five_edits_in_two_seconds_each() {
    let mut limit = Limit::new(5, Duration::from_secs(2));
    let (rest, wire) = bot(Duration::from_millis(30), move |sent| limit.take(&sent.line, sent.at));
    let calls =
        (0..64).flat_map(|token| (0..12).map(move |_| token)).map(|token| rest.call(edit(&format!("token{token}"))));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    let sent = wire.sent.lock().unwrap().clone();
    assert_eq!(sent.len(), 64 * 12, "nobody was told 429, or was dropped");
    for token in 0..64 {
        let of_token = |sent: &&Sent| sent.line.contains(&format!("/token{token}/"));
        let at: Vec<_> = sent.iter().filter(of_token).map(|sent| sent.at.as_millis()).collect();
        let windows: [Vec<u128>; 3] =
            std::array::from_fn(|n| at.iter().copied().filter(|at| at / 2_000 == n as u128).collect());
        assert_eq!(windows.each_ref().map(Vec::len), [5, 5, 2], "token {token} waited for another: {at:?}");
        assert!(windows[0].iter().all(|at| *at < 200), "the first five go as fast as they are answered: {at:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_state_arrives_and_each_is_fresh_when_it_leaves() {
    let mut limit = Limit::new(5, Duration::from_secs(2));
    let (rest, wire) = bot(Duration::from_millis(40), move |sent| limit.take(&sent.line, sent.at));
    let (progress, mut shown) = tokio::sync::watch::channel(0_u64);
    let path = "/webhooks/1/token/messages/@original";
    let shows = async {
        while shown.changed().await.is_ok() {
            let ready = rest.ready(&Method::PATCH, path).await;
            let state = *shown.borrow_and_update();
            ready.call(Request::new(Method::PATCH, path).body(json!({ "content": state }))).await.unwrap();
        }
    };
    let works = async move {
        for millis in (10..=9_000).step_by(10) {
            sleep(Duration::from_millis(10)).await;
            progress.send(millis).unwrap();
        }
    };
    tokio::join!(shows, works);
    let sent = wire.sent.lock().unwrap().clone();
    let states: Vec<_> = sent
        .iter()
        .map(|sent| {
            (
                sent.at.as_millis(),
                serde_json::from_slice::<Value>(sent.request.body()).unwrap()["content"].as_u64().unwrap(),
            )
        })
        .collect();
    let (last_at, last) = *states.last().unwrap();
    assert_eq!(last, 9_000);
    assert!(last_at <= 11_000, "the last state came late: {last_at} ms");
    assert!(states.len() <= 30, "{} edits in six windows of five", states.len());
    assert!(
        states.iter().all(|(at, state)| *state == 9_000 || at - u128::from(*state) <= 10),
        "each edit shows what was so when it left: {states:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_place_is_held_until_it_is_used_and_is_good_for_its_route_only() {
    let (rest, wire) = scripted(Vec::new());
    let ready = rest.ready(&Method::PATCH, "/channels/1/messages/2").await;
    let mut other = tokio::spawn({
        let rest = rest.clone();
        async move { rest.call(Request::new(Method::PATCH, "/channels/1/messages/3")).await }
    });
    assert!(tokio::time::timeout(Duration::from_secs(5), &mut other).await.is_err(), "the place is taken");
    ready.call(Request::new(Method::PATCH, "/channels/1/messages/2")).await.unwrap();
    other.await.unwrap().unwrap();
    let ready = rest.ready(&Method::PATCH, "/channels/1/messages/2").await;
    ready.call(Request::new(Method::PATCH, "/channels/1/messages/2").body(json!({}))).await.unwrap();
    let ready = rest.ready(&Method::PATCH, "/webhooks/1/token/messages/@original").await;
    ready.call(get("/channels/1/messages/2")).await.unwrap();
    let lines = lines(&wire);
    assert_eq!(lines[..2], ["PATCH /channels/1/messages/2", "PATCH /channels/1/messages/3"]);
    assert_eq!(lines[3], "GET /channels/1/messages/2");
    let authorization = wire.sent.lock().unwrap()[3].header("authorization").map(str::to_owned);
    assert!(authorization.is_some(), "another route's request goes its own way");
}

#[tokio::test(start_paused = true)]
async fn a_bucket_keeps_the_order_through_limits_and_failures() {
    let mut limit = Limit::new(3, Duration::from_secs(5));
    let mut count = 0;
    let (rest, wire) = bot(Duration::from_millis(20), move |sent| {
        count += 1;
        if count % 4 == 2 { reply(502, &[], "<html>") } else { limit.take("channel", sent.at) }
    });
    let post = |number: u32| {
        let body = json!({ "content": number, "nonce": number.to_string(), "enforce_nonce": true });
        rest.call(Request::new(Method::POST, "/channels/1/messages").body(body))
    };
    assert!(join_all((0..10).map(post)).await.iter().all(Result::is_ok));
    let mut order: Vec<u64> = wire
        .sent
        .lock()
        .unwrap()
        .iter()
        .map(|sent| serde_json::from_slice::<Value>(sent.request.body()).unwrap()["content"].as_u64().unwrap())
        .collect();
    assert!(order.len() > 10, "some were sent again");
    order.dedup();
    assert_eq!(order, (0..10).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_waits_for_nothing() {
    // Discord has stopped everything, and the token's own bucket is closed, too.
    let (rest, wire) = bot(Duration::from_millis(1), |sent| match sent.line.as_str() {
        "GET /users/@me" => too_many("global", 30.0),
        line if line.starts_with("PATCH") => too_many("user", 30.0),
        _ => reply(204, &[], ""),
    });
    let stopped = [
        tokio::spawn({
            let rest = rest.clone();
            async move { rest.call(get("/users/@me")).await }
        }),
        tokio::spawn({
            let rest = rest.clone();
            async move { rest.call(edit("token1")).await }
        }),
    ];
    sleep(Duration::from_millis(100)).await;
    let start = Instant::now();
    let calls = (0..1_000).map(|number| acknowledge(&format!("token{number}"))).map(|request| rest.call(request));
    assert!(join_all(calls).await.iter().all(Result::is_ok));
    assert_eq!(start.elapsed(), Duration::from_millis(1), "1,000 at once");
    assert_eq!(wire.sent.lock().unwrap().len(), 1_002);
    stopped.iter().for_each(|call| call.abort());
}

#[tokio::test(start_paused = true)]
async fn at_most_fifty_requests_a_second_in_the_bots_name() {
    let (rest, wire) = scripted(Vec::new());
    let calls = (0..220).map(|channel| rest.call(get(&format!("/channels/{channel}/messages"))));
    let edits = (0..200).map(|token| rest.call(edit(&format!("token{token}"))));
    let (calls, edits) = tokio::join!(join_all(calls), join_all(edits));
    assert!(calls.iter().chain(&edits).all(Result::is_ok));
    let sent = wire.sent.lock().unwrap();
    let at = |method: &str| -> Vec<Duration> {
        sent.iter().filter(|sent| sent.line.starts_with(method)).map(|sent| sent.at).collect()
    };
    assert!(at("PATCH").iter().all(|at| at.is_zero()), "an interaction's edits are not bound to the global limit");
    let gets = at("GET");
    assert_eq!(gets.len(), 220);
    assert!(gets.windows(51).all(|window| window[50] - window[0] >= Duration::from_secs(1)), "{gets:?}");
    assert_eq!(gets[219].as_secs(), 4, "nor slower than it must be");
}

#[tokio::test(start_paused = true)]
async fn a_429_is_obeyed_where_it_holds() {
    // Which answer the first GET gets; when it is sent again, when another channel's request and an edit go, in ms.
    let html = || reply(429, &[("retry-after", "4")], "<html>");
    let user = || too_many("user", 2.5);
    let bare = || reply(429, &[], "{}");
    type Make<'a> = &'a dyn Fn() -> Answer;
    let table: [(&str, Make, [u128; 3]); 9] = [
        ("route", &user, [2_500, 0, 0]),
        ("shared", &|| too_many("shared", 2.5), [2_500, 0, 0]),
        ("global", &|| too_many("global", 2.5), [2_500, 2_500, 0]),
        ("global by its body", &|| reply(429, &[], r#"{"retry_after":2,"global":true}"#), [2_000, 2_000, 0]),
        (
            "global by another header",
            &|| reply(429, &[("x-ratelimit-global", "true"), ("retry-after", "3")], "{}"),
            [3_000, 3_000, 0],
        ),
        (
            "global by its header",
            &|| reply(429, &[("x-ratelimit-scope", "global"), ("retry-after", "3")], "{}"),
            [3_000, 3_000, 0],
        ),
        ("from a proxy before Discord", &html, [4_000, 4_000, 0]),
        ("for nobody knows how long", &bare, [1_000, 0, 0]),
        ("for no time at all", &|| too_many("user", 0.0), [50, 0, 0]),
    ];
    for (name, answer, expected) in table {
        let (rest, wire) = scripted(vec![answer()]);
        let first = rest.call(get("/channels/1/messages"));
        let others = async {
            tokio::task::yield_now().await;
            tokio::join!(rest.call(get("/channels/2/messages")), rest.call(edit("token")))
        };
        let (first, (second, third)) = tokio::join!(first, others);
        assert!(first.is_ok() && second.is_ok() && third.is_ok(), "{name}");
        let sent = wire.sent.lock().unwrap();
        let at = |line: &str| sent.iter().rfind(|sent| sent.line == line).unwrap().at.as_millis();
        let seen = [
            at("GET /channels/1/messages"),
            at("GET /channels/2/messages"),
            at("PATCH /webhooks/1/token/messages/@original"),
        ];
        assert_eq!(seen, expected, "{name}");
        assert_eq!(sent.len(), 4, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_too_long_is_told_at_once() {
    let (rest, wire) = scripted(vec![too_many("shared", 1_336.57)]);
    assert_eq!(away(rest.call(get("/channels/1/messages")).await), "it asks to wait 1336.57s");
    assert_eq!(times(&wire), [0]);
    let told = away(rest.call(get("/channels/1/messages")).await);
    assert_eq!(told, "GET /channels/:/messages was not done in time", "the bucket stays closed");
    assert_eq!(times(&wire), [0], "and nothing is sent to it");
}

#[tokio::test(start_paused = true)]
async fn after_a_thousand_bad_answers_it_goes_slowly() {
    let refuse = |sent: &Sent| match sent.line.split(' ').next_back() {
        Some(path) if path.starts_with("/webhooks") || path.starts_with("/interactions") => reply(204, &[], ""),
        Some(path) if path.ends_with("/shared") => too_many("shared", 0.1),
        _ => reply(403, &[], r#"{"code":50001,"message":"Missing Access"}"#),
    };
    let (rest, wire) = bot(Duration::ZERO, refuse);
    let sent = || wire.sent.lock().unwrap().len();
    for _ in 0..100 {
        away(rest.call(get("/channels/1/shared")).await);
    }
    assert_eq!(sent(), 500);
    for number in 0..999 {
        assert_eq!(refusal(rest.call(get(&format!("/channels/{number}/messages"))).await).0, 403);
    }
    let start = Instant::now();
    join_all((0..40).map(|_| rest.call(edit("token")))).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "what is shared does not count, so one is missing yet");
    refusal(rest.call(get("/channels/1/messages")).await);
    let start = Instant::now();
    join_all((0..40).map(|token| rest.call(edit(&format!("token{token}"))))).await;
    assert_eq!(start.elapsed().as_secs(), 39, "one in a second");
    let start = Instant::now();
    join_all((0..40).map(|token| rest.call(acknowledge(&format!("token{token}"))))).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "what can not wait does not");
    let (before, start) = (sent(), Instant::now());
    while start.elapsed() < Duration::from_secs(500) {
        refusal(rest.call(get("/channels/1/messages")).await);
    }
    assert!(sent() - before <= 501, "far below 10,000 in ten minutes: {}", sent() - before);
    sleep(Duration::from_secs(601)).await;
    let start = Instant::now();
    join_all((0..40).map(|token| rest.call(edit(&format!("token{token}"))))).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "Discord has forgotten, and so have we");
}

#[tokio::test(start_paused = true)]
async fn a_global_stop_holds_for_a_place_that_was_taken_before() {
    let (rest, wire) = scripted(vec![too_many("global", 3.0)]);
    let ready = rest.ready(&Method::PATCH, "/channels/1/messages/2").await;
    let (first, second) = tokio::join!(rest.call(get("/users/@me")), async {
        sleep(Duration::from_millis(10)).await;
        ready.call(Request::new(Method::PATCH, "/channels/1/messages/2")).await
    });
    assert!(first.is_ok() && second.is_ok());
    assert_eq!(times(&wire), [0, 3_000, 3_000]);
}
