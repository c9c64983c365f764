//! Which limits a route has, and what is remembered of them.

use super::*;

fn route(line: &str) -> Route {
    let (method, path) = line.split_once(' ').unwrap();
    Route::of(&method.parse().unwrap(), path)
}

#[test]
fn a_route_is_its_shape_and_its_top_level_resource() {
    use Kind::{Acknowledgement, Bot, Interaction};
    let table = [
        (
            "POST /interactions/11/aW50ZXI/callback",
            Acknowledgement,
            "POST /interactions/:/:/callback",
            "interactions/11/aW50ZXI",
        ),
        (
            "POST /interactions/11/t/callback?with_response=true",
            Acknowledgement,
            "POST /interactions/:/:/callback",
            "interactions/11/t",
        ),
        (
            "PATCH /webhooks/1/aW50ZXI/messages/@original",
            Interaction,
            "PATCH /webhooks/:/:/messages/@original",
            "webhooks/1/aW50ZXI",
        ),
        ("PATCH /webhooks/1/token/messages/22", Interaction, "PATCH /webhooks/:/:/messages/:", "webhooks/1/token"),
        ("POST /webhooks/1/token", Interaction, "POST /webhooks/:/:", "webhooks/1/token"),
        ("GET /webhooks/1", Bot, "GET /webhooks/:", "webhooks/1"),
        ("POST /channels/5/messages", Bot, "POST /channels/:/messages", "channels/5"),
        ("GET /channels/5/messages?limit=3", Bot, "GET /channels/:/messages", "channels/5"),
        (
            "PUT /channels/5/messages/6/reactions/%F0%9F%94%A5/@me",
            Bot,
            "PUT /channels/:/messages/:/reactions/:/@me",
            "channels/5",
        ),
        ("GET /guilds/7/members/8", Bot, "GET /guilds/:/members/:", "guilds/7"),
        ("PATCH /applications/1/guilds/7/commands/9", Bot, "PATCH /applications/:/guilds/:/commands/:", ""),
        ("GET /gateway/bot", Bot, "GET /gateway/bot", ""),
        ("GET /users/@me", Bot, "GET /users/@me", ""),
        ("GET ", Bot, "GET ", ""),
    ];
    for (line, kind, shape, resource) in table {
        let route = route(line);
        assert_eq!((route.kind, route.shape(), route.resource.as_str()), (kind, shape, resource), "of {line}");
        assert_eq!(route.needs_token(), kind == Bot, "of {line}");
        let secret = (kind != Bot).then(|| resource.rsplit('/').next().unwrap());
        assert_eq!(route.secret(), secret, "of {line}");
    }
}

/// Takes a turn, and learns from an answer with these headers.
async fn answered(limiter: &Limiter, line: &str, headers: &[(&str, &str)]) {
    let mut turn = limiter.turn(route(line)).await;
    limiter.leave(&turn).await;
    let mut answer = Response::builder();
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    limiter.learn(&mut turn, &answer.body(Bytes::new()).unwrap(), &Value::Null);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_needed_is_forgotten() {
    let limiter = Limiter::new();
    let held = limiter.turn(route("PATCH /webhooks/1/held/messages/@original")).await;
    let closed = [("x-ratelimit-bucket", "edits"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset-after", "3600")];
    answered(&limiter, "PATCH /webhooks/1/closed/messages/@original", &closed).await;
    let mut most = 0;
    for number in 0..100_000 {
        let token = format!("PATCH /webhooks/1/token{number}/messages/@original");
        let left = [("x-ratelimit-bucket", "edits"), ("x-ratelimit-remaining", "4"), ("x-ratelimit-reset-after", "2")];
        answered(&limiter, &token, &left).await;
        most = most.max(lock(&limiter.buckets).open.len());
    }
    assert!(most <= MANY + 2, "{most} buckets at most after 100,000 interactions");
    let start = Instant::now();
    answered(&limiter, "PATCH /webhooks/1/closed/messages/@original", &[]).await;
    assert!(start.elapsed() > Duration::from_secs(3_599), "the closed one was kept: {:?}", start.elapsed());
    let second = limiter.turn(route("PATCH /webhooks/1/held/messages/@original"));
    assert!(tokio::time::timeout(SLOW, second).await.is_err(), "the one in use was kept");
    drop(held);
    let names = &lock(&limiter.buckets).names;
    assert_eq!(names.len(), 1, "one name for all tokens: {names:?}");
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_closed_buckets_is_forgotten_once_they_are_open() {
    let limiter = Limiter::new();
    let closed = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset-after", "2")];
    for number in 0..10_000 {
        answered(&limiter, &format!("POST /webhooks/1/token{number}"), &closed).await;
    }
    assert_eq!(lock(&limiter.buckets).open.len(), 10_000, "each is closed, and must be remembered");
    tokio::time::sleep(Duration::from_secs(3)).await;
    for number in 0..=2 * MANY {
        answered(&limiter, &format!("POST /webhooks/1/later{number}"), &[]).await;
    }
    let left = lock(&limiter.buckets).open.len();
    assert!(left <= 2 * MANY, "{left} are left");
}

#[tokio::test(start_paused = true)]
async fn headers_that_make_no_sense_close_nothing() {
    let odd = ["-1", "NaN", "inf", "-inf", "1e300", "soon", "", "0"];
    for reset in odd {
        let limiter = Limiter::new();
        let headers = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset-after", reset)];
        answered(&limiter, "POST /channels/1/messages", &headers).await;
        let start = Instant::now();
        answered(&limiter, "POST /channels/1/messages", &[]).await;
        assert_eq!(start.elapsed(), Duration::ZERO, "after {reset:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn routes_of_one_bucket_share_it_and_other_resources_do_not() {
    let limiter = Limiter::new();
    let headers =
        |left| [("x-ratelimit-bucket", "b"), ("x-ratelimit-remaining", left), ("x-ratelimit-reset-after", "5")];
    // Nobody knows yet that the two are one, and the second finds out that nothing is left for the first.
    answered(&limiter, "PATCH /channels/1/messages/2", &headers("1")).await;
    answered(&limiter, "PATCH /channels/1", &headers("0")).await;
    let start = Instant::now();
    answered(&limiter, "PATCH /channels/2/messages/2", &headers("1")).await;
    assert_eq!(start.elapsed(), Duration::ZERO, "another channel");
    answered(&limiter, "PATCH /channels/1/messages/2", &headers("1")).await;
    assert_eq!(start.elapsed(), Duration::from_secs(5), "the same channel");
}

#[tokio::test(start_paused = true)]
async fn those_who_stand_in_line_move_along_when_a_bucket_gets_its_name() {
    let limiter = Arc::new(Limiter::new());
    let mut first = limiter.turn(route("PATCH /channels/1/messages/2")).await;
    let (start, order) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let wait = |name: &'static str, line: &'static str| {
        let (limiter, order) = (limiter.clone(), order.clone());
        tokio::spawn(async move {
            let turn = limiter.turn(route(line)).await;
            order.lock().unwrap().push((name, start.elapsed().as_secs()));
            tokio::time::sleep(Duration::from_secs(1)).await;
            drop(turn);
        })
    };
    let second = wait("second", "PATCH /channels/1/messages/3");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let answer = Response::builder().header("x-ratelimit-bucket", "b").body(Bytes::new()).unwrap();
    limiter.learn(&mut first, &answer, &Value::Null);
    let third = wait("third", "PATCH /channels/1/messages/4");
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(first);
    second.await.unwrap();
    third.await.unwrap();
    assert_eq!(*order.lock().unwrap(), [("second", 2), ("third", 3)]);
}

#[tokio::test(start_paused = true)]
async fn those_who_stand_in_two_lines_of_one_bucket_become_one_line() {
    let limiter = Limiter::new();
    let named = Response::builder().header("x-ratelimit-bucket", "b").body(Bytes::new()).unwrap();
    let mut edit = limiter.turn(route("PATCH /channels/1/messages/2")).await;
    limiter.learn(&mut edit, &named, &Value::Null);
    let mut rename = limiter.turn(route("PATCH /channels/1")).await;
    let mut waits = std::pin::pin!(limiter.turn(route("PATCH /channels/1")));
    assert!(tokio::time::timeout(SLOW, &mut waits).await.is_err(), "its own line");
    limiter.learn(&mut rename, &named, &Value::Null);
    drop(rename);
    assert!(tokio::time::timeout(SLOW, &mut waits).await.is_err(), "the bucket's line");
    drop(edit);
    assert!(tokio::time::timeout(SLOW, &mut waits).await.is_ok(), "nobody is before it any more");
}
