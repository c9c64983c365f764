//! What goes over the wire and when, on a clock that the tests own, against a Discord that is a function.

mod limits;

use super::*;
use async_trait::async_trait;
use http::Response;
use serde_json::json;
use std::sync::Mutex;

const TOKEN: &str = "MTk4NjIyNDgzNDcxOTI1MjQ4.hunter2";

/// A request that reached the wire.
#[derive(Debug, Clone)]
struct Sent {
    /// Since the beginning.
    at: Duration,
    line: String,
    request: http::Request<Bytes>,
}

impl Sent {
    fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name).map(|value| value.to_str().unwrap())
    }
}

type Answer = anyhow::Result<Response<Bytes>>;

/// A wire whose other end is a function of what was sent.
struct Fake<F> {
    start: Instant,
    latency: Duration,
    sent: Mutex<Vec<Sent>>,
    answer: Mutex<F>,
}

#[async_trait]
impl<F: FnMut(&Sent) -> Answer + Send> Wire for Fake<F> {
    async fn send(&self, request: http::Request<Bytes>, timeout: Duration, limit: usize) -> Answer {
        let line = format!("{} {}", request.method(), request.uri().path().trim_start_matches("/api/v10"));
        let sent = Sent { at: self.start.elapsed(), line, request };
        self.sent.lock().unwrap().push(sent.clone());
        sleep(self.latency.min(timeout)).await;
        anyhow::ensure!(self.latency < timeout, "no answer within {timeout:?}");
        let mut answer = (self.answer.lock().unwrap())(&sent)?;
        let cut = answer.body().slice(..answer.body().len().min(limit));
        *answer.body_mut() = cut;
        Ok(answer)
    }
}

/// A bot whose requests take `latency` and are answered by `answer`.
fn bot<F>(latency: Duration, answer: F) -> (Arc<Rest>, Arc<Fake<F>>)
where
    F: FnMut(&Sent) -> Answer + Send + 'static,
{
    let sent = Mutex::default();
    let wire = Arc::new(Fake { start: Instant::now(), latency, sent, answer: Mutex::new(answer) });
    (Arc::new(Rest::new(wire.clone(), "https://discord.com/api/v10".to_owned(), TOKEN.to_owned())), wire)
}

/// A bot whose requests are answered at once, with these answers one after the other, and then with 204.
fn scripted(mut answers: Vec<Answer>) -> (Arc<Rest>, Arc<Fake<impl FnMut(&Sent) -> Answer>>) {
    bot(Duration::ZERO, move |_| if answers.is_empty() { reply(204, &[], "") } else { answers.remove(0) })
}

fn reply(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut answer = Response::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    Ok(answer.body(Bytes::from(body.to_owned()))?)
}

fn too_many(scope: &str, seconds: f64) -> Answer {
    let body = json!({ "message": "You are being rate limited.", "retry_after": seconds, "global": scope == "global" });
    reply(429, &[("x-ratelimit-scope", scope), ("retry-after", "7777")], &body.to_string())
}

fn times<F>(wire: &Fake<F>) -> Vec<u128> {
    wire.sent.lock().unwrap().iter().map(|sent| sent.at.as_millis()).collect()
}

fn lines<F>(wire: &Fake<F>) -> Vec<String> {
    wire.sent.lock().unwrap().iter().map(|sent| sent.line.clone()).collect()
}

fn get(path: &str) -> Request {
    Request::new(Method::GET, path)
}

fn edit(token: &str) -> Request {
    Request::new(Method::PATCH, format!("/webhooks/1/{token}/messages/@original")).body(json!({ "content": "50%" }))
}

fn acknowledge(token: &str) -> Request {
    Request::new(Method::POST, format!("/interactions/11/{token}/callback")).body(json!({ "type": 5 }))
}

fn refusal(result: Result<Value, RestError>) -> (u16, u64, String) {
    match result {
        Err(RestError::Refused { status, code, message }) => (status, code, message),
        other => panic!("not refused: {other:?}"),
    }
}

fn away(result: Result<Value, RestError>) -> String {
    match result {
        Err(RestError::Away(error)) => format!("{error:#}"),
        other => panic!("not away: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_nothing_twice_is_sent_again() {
    let broken = || Err(anyhow!("connection reset"));
    let nobody = || Err(anyhow::Error::from(std::io::Error::from(ErrorKind::ConnectionRefused)).context("connect"));
    let bad = || reply(502, &[], "<html>");
    let post = |body| Request::new(Method::POST, "/channels/1/messages").body(body);
    let nonce = json!({ "content": "x", "nonce": "7", "enforce_nonce": true });
    type Make<'a> = &'a dyn Fn() -> Answer;
    let table: [(&str, Request, Make, usize); 13] = [
        ("GET", get("/users/@me"), &bad, 3),
        ("GET, broken", get("/users/@me"), &broken, 3),
        ("PATCH", edit("token"), &bad, 3),
        ("PUT", Request::new(Method::PUT, "/applications/1/commands"), &bad, 3),
        ("DELETE", Request::new(Method::DELETE, "/channels/1/messages/2"), &broken, 3),
        ("POST", post(json!({ "content": "x" })), &bad, 1),
        ("POST, broken", post(json!({ "content": "x" })), &broken, 1),
        ("POST with a nonce that is not enforced", post(json!({ "content": "x", "nonce": "7" })), &bad, 1),
        ("POST without the nonce that it enforces", post(json!({ "enforce_nonce": true })), &bad, 1),
        ("POST with a nonce", post(nonce.clone()), &bad, 3),
        ("POST with a nonce, broken", post(nonce), &broken, 3),
        ("POST that nobody took", post(json!({ "content": "x" })), &nobody, 3),
        ("an acknowledgement", acknowledge("token"), &bad, 3),
    ];
    for (name, request, answer, sent) in table {
        let (rest, wire) = scripted(vec![answer(), answer(), reply(200, &[], r#"{"id":"9"}"#)]);
        let result = rest.call(request).await;
        let at = times(&wire);
        assert_eq!(at.len(), sent, "{name}: sent at {at:?}");
        if sent == 1 {
            away(result);
        } else {
            assert_eq!(result.unwrap(), json!({ "id": "9" }), "{name}");
            assert!((250..=500).contains(&at[1]), "{name}: the first pause: {at:?}");
            assert!((500..=1_000).contains(&(at[2] - at[1])), "{name}: the second: {at:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trying_again_has_an_end() {
    let always = |answer: fn() -> Answer| bot(Duration::ZERO, move |_| answer());
    let (rest, wire) = always(|| reply(503, &[], ""));
    assert_eq!(away(rest.call(get("/users/@me")).await), "it answers 503 Service Unavailable");
    assert_eq!(times(&wire).len(), 5);
    let (rest, wire) = always(|| too_many("user", 0.5));
    assert_eq!(away(rest.call(get("/users/@me")).await), "it asks to wait 500ms");
    assert_eq!(times(&wire).len(), 5);
    let start = Instant::now();
    let (rest, wire) = bot(Duration::from_secs(3_600), |_| reply(204, &[], ""));
    assert!(away(rest.call(get("/users/@me")).await).contains("no answer within 10s"));
    assert_eq!((times(&wire).len(), start.elapsed() <= DEADLINE), (5, true));
    let start = Instant::now();
    away(rest.call(acknowledge("token")).await);
    assert!(start.elapsed() <= ACKNOWLEDGE, "later Discord does not take it");
    assert!(times(&wire).len() >= 7, "it is tried again within its 3 s: {:?}", times(&wire));
}

#[tokio::test(start_paused = true)]
async fn an_acknowledgement_that_had_arrived_is_success() {
    let taken = r#"{"code":40060,"message":"Interaction has already been acknowledged."}"#;
    let (rest, _) = scripted(vec![Err(anyhow!("connection reset")), reply(400, &[], taken)]);
    assert_eq!(rest.call(acknowledge("token")).await.unwrap(), Value::Null);
    let (rest, _) = scripted(vec![reply(400, &[], taken)]);
    assert_eq!(refusal(rest.call(acknowledge("token")).await).1, 40060, "somebody else has acknowledged it");
}

#[tokio::test(start_paused = true)]
async fn what_goes_over_the_wire() {
    let (rest, wire) = scripted(Vec::new());
    let upload = Upload { name: "a.txt".to_owned(), bytes: Bytes::from_static(b"text") };
    rest.call(get("/users/@me")).await.unwrap();
    rest.call(edit("token")).await.unwrap();
    rest.call(edit("token").files(vec![upload])).await.unwrap();
    rest.call(acknowledge("token")).await.unwrap();
    let sent = wire.sent.lock().unwrap();
    let bearer = format!("Bot {TOKEN}");
    let table = [
        (Some(bearer.as_str()), None, ""),
        (None, Some("application/json"), r#"{"content":"50%"}"#),
        (None, Some("multipart/form-data; boundary=deckhand-"), r#"{"content":"50%"}"#),
        (None, Some("application/json"), r#"{"type":5}"#),
    ];
    for (sent, (authorization, kind, body)) in sent.iter().zip(table) {
        assert_eq!(sent.header("authorization"), authorization, "{}", sent.line);
        let seen = sent.header("content-type");
        assert!(seen.is_some() == kind.is_some() && seen.unwrap_or("").starts_with(kind.unwrap_or("")), "{seen:?}");
        assert!(String::from_utf8_lossy(sent.request.body()).contains(body), "{}", sent.line);
        let agent = sent.header("user-agent").unwrap();
        assert!(agent.starts_with("DiscordBot (deckhand, ") && agent.ends_with(')'), "{agent}");
    }
    assert_eq!(sent[0].request.uri(), "https://discord.com/api/v10/users/@me");
    assert_eq!(sent.len(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_can_not_be_read() {
    let huge = format!("[{}0]", "0,".repeat(5 << 20));
    let (rest, wire) = bot(Duration::ZERO, move |_| reply(200, &[], &huge));
    assert_eq!(away(rest.call(get("/guilds/1/members")).await), "its answer is cut off, or is no JSON");
    assert_eq!(times(&wire), [0], "another try would bring the same");
    let deep = "[".repeat(100_000);
    let (rest, _) = scripted(vec![reply(400, &[], &deep), reply(400, &[], "<html>"), reply(404, &[], "")]);
    for status in [400, 400, 404] {
        assert_eq!(refusal(rest.call(get("/users/@me")).await), (status, 0, "without a word".to_owned()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_names_the_field() {
    let form = json!({ "code": 50035, "message": "Invalid Form Body", "errors": { "data": { "components": { "0": {
        "_errors": [{ "code": "BASE_TYPE_REQUIRED", "message": "This field is required" }] } } } } });
    let table = [
        (form.to_string(), 50035, "Invalid Form Body: data.components.0: This field is required"),
        (r#"{"code":10008,"message":"Unknown Message"}"#.to_owned(), 10008, "Unknown Message"),
        (r#"{"code":1,"message":"a\nb","errors":{"x":{"_errors":"no list"}}}"#.to_owned(), 1, "a b"),
        (r#"{"code":-1,"message":7,"errors":[]}"#.to_owned(), 0, "without a word"),
    ];
    for (body, code, message) in table {
        let (rest, _) = scripted(vec![reply(400, &[], &body)]);
        assert_eq!(refusal(rest.call(get("/users/@me")).await), (400, code, message.to_owned()), "of {body}");
    }
    let long = json!({ "message": "x".repeat(10_000) }).to_string();
    let (rest, _) = scripted(vec![reply(400, &[], &long)]);
    assert_eq!(refusal(rest.call(get("/users/@me")).await).2.chars().count(), 500);
}

#[tokio::test(start_paused = true)]
async fn no_token_is_ever_told() {
    let token = "hunter2.of.ana";
    let leak = format!("https://discord.com/api/v10/webhooks/1/{token}/messages/@original: Bot {TOKEN}");
    let told = json!({ "message": leak, "code": 1 }).to_string();
    // As long as the words that are kept: what is hidden must not depend on where they are cut.
    let long = json!({ "message": format!("{}{TOKEN}", ". ".repeat(235)) }).to_string();
    let answers = vec![Err(anyhow!(leak.clone()).context("connect")), reply(400, &[], &told), reply(400, &[], &long)];
    let (rest, _) = scripted(answers);
    let post = Request::new(Method::POST, format!("/webhooks/1/{token}")).body(json!({}));
    let mut texts = vec![format!("{:?}", edit(token))];
    for _ in 0..3 {
        let error = rest.call(post.clone()).await.unwrap_err();
        texts.extend([format!("{error}"), format!("{error:?}")]);
    }
    let spoiled = Request::new(Method::POST, format!("/webhooks/1/{token}\u{7f}\u{20}/x"));
    texts.push(format!("{:?}", rest.call(spoiled).await.unwrap_err()));
    for text in &texts {
        assert!(!text.contains("hunter2") && !text.contains(&TOKEN[..12]), "{text}");
    }
    assert!(texts[1].starts_with("Discord is away: connect: https://discord.com/"), "{}", texts[1]);
    assert!(texts[3].starts_with("Discord refuses (400, code 1): https://discord.com/"), "{}", texts[3]);
    assert!(texts[7].contains("POST /webhooks/:/:/x was not sent"), "{}", texts[7]);
}
