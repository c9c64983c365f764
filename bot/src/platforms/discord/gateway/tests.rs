//! The gateway against scripted ones on loopback: the times are short, the sockets real.

use super::*;
use crate::platforms::discord::health::Health;
use async_trait::async_trait;
use bytes::Bytes;
use commands::ports::Wire;
use futures::{SinkExt, StreamExt};
use payload::{Then, closed};
use serde_json::{Value, json};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request as Handshake, Response as Shaken};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// How long a test waits for what must come.
const SOON: Duration = Duration::from_secs(5);

/// A heartbeat interval that no test lives to see the end of.
const LONG: u64 = 40_000;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

fn clock() -> Clock {
    Clock::at(DateTime::from_timestamp(1_800_000_000, 0).unwrap())
}

fn pace() -> Pace {
    Pace {
        starts: millis(1),
        pause: millis(50),
        longest: millis(400),
        settled: SOON,
        invalid: [millis(10), millis(50)],
        patience: SOON,
    }
}

/// Discord's API with one answer to everything; none is a network that is down.
struct Api {
    answer: Mutex<Option<(u16, Value)>>,
    asked: AtomicU32,
}

#[async_trait]
impl Wire for Api {
    async fn send(
        &self,
        request: http::Request<Bytes>,
        _timeout: Duration,
        _limit: usize,
    ) -> anyhow::Result<http::Response<Bytes>> {
        assert_eq!(request.uri().path(), "/gateway/bot");
        self.asked.fetch_add(1, Ordering::Relaxed);
        let (status, answer) = self.answer.lock().unwrap().clone().ok_or(anyhow::anyhow!("no route to host"))?;
        Ok(http::Response::builder().status(status).body(Bytes::from(answer.to_string()))?)
    }
}

fn api(answer: Option<(u16, Value)>) -> (Arc<Api>, Arc<Rest>) {
    let api = Arc::new(Api { answer: Mutex::new(answer), asked: AtomicU32::new(0) });
    (api.clone(), Arc::new(Rest::new(api, "http://discord".to_owned(), "token".to_owned())))
}

fn found(url: &str, shards: u32, max_concurrency: u64) -> Value {
    let limit = json!({ "total": 1000, "remaining": 900, "reset_after": 1_000, "max_concurrency": max_concurrency });
    json!({ "url": url, "shards": shards, "session_start_limit": limit })
}

/// A gateway at work against a scripted Discord.
struct World {
    discord: TcpListener,
    url: String,
    api: Arc<Api>,
    heard: Arc<Mutex<Vec<String>>>,
    gaps: Arc<Mutex<Vec<Gap>>>,
    health: Arc<Health>,
    stop: CancellationToken,
    run: JoinHandle<Result<(), Ended>>,
}

impl World {
    async fn new() -> World {
        World::with(1, 1, pace(), SOON).await
    }

    async fn with(shards: u32, max_concurrency: u64, pace: Pace, silence: Duration) -> World {
        let discord = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", discord.local_addr().unwrap());
        let (api, rest) = api(Some((200, found(&url, shards, max_concurrency))));
        let health = Health::new(clock(), true);
        let settings = Settings { token: "token".to_owned(), messages: false, silence, pace };
        let gateway = Gateway::find(rest, settings, clock(), health.clone()).await.unwrap();
        let (heard, gaps) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
        let (ear, log) = (heard.clone(), gaps.clone());
        let listener = Listener {
            hear: Arc::new(move |raw| {
                ear.lock().unwrap().push(raw.to_owned());
                raw.contains("\"id\"")
            }),
            happens: Arc::new(|_, _| {}),
            away: Arc::new(move |gap| log.lock().unwrap().push(gap)),
        };
        let stop = CancellationToken::new();
        let run = tokio::spawn(gateway.run(listener, stop.clone()));
        World { discord, url, api, heard, gaps, health, stop, run }
    }

    /// The next connection.
    #[allow(clippy::result_large_err, reason = "the type of a refused handshake is tungstenite's")]
    async fn accept(&self) -> Peer {
        let (stream, _) = timeout(SOON, self.discord.accept()).await.expect("nobody connects").unwrap();
        let mut path = String::new();
        let note = |request: &Handshake, response: Shaken| {
            path = request.uri().to_string();
            Ok(response)
        };
        let socket = accept_hdr_async(stream, note).await.unwrap();
        Peer { socket, path }
    }

    /// The next connection, greeted.
    async fn greet(&self, heartbeat: u64) -> Peer {
        let mut peer = self.accept().await;
        peer.send(json!({ "op": 10, "d": { "heartbeat_interval": heartbeat } })).await;
        peer
    }

    /// The next connection, in a new session that is resumed at `/back`.
    async fn ready(&self, heartbeat: u64) -> Peer {
        let mut peer = self.greet(heartbeat).await;
        assert_eq!(peer.next().await["op"], 2);
        let back = format!("{}/back", self.url);
        let session = json!({ "session_id": "s1", "resume_gateway_url": back, "user": {}, "guilds": [] });
        peer.send(json!({ "op": 0, "t": "READY", "s": 1, "d": session })).await;
        self.until(|world| world.health.ready()).await;
        peer
    }

    async fn until(&self, what: impl Fn(&World) -> bool) {
        let wait = async {
            while !what(self) {
                sleep(millis(1)).await;
            }
        };
        timeout(SOON, wait).await.expect("it does not come");
    }

    async fn end(self) -> Result<(), Ended> {
        timeout(SOON, self.run).await.expect("it does not end").unwrap()
    }
}

/// Discord's side of a connection.
struct Peer {
    socket: WebSocketStream<TcpStream>,
    path: String,
}

impl Peer {
    async fn send(&mut self, payload: Value) {
        self.text(&payload.to_string()).await;
    }

    async fn text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    async fn frame(&mut self) -> Message {
        timeout(SOON, self.socket.next()).await.expect("nothing comes").unwrap().unwrap()
    }

    async fn next(&mut self) -> Value {
        serde_json::from_str(self.frame().await.to_text().unwrap()).unwrap()
    }

    /// The code that the connection is closed with.
    async fn closed(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.frame().await {
                return frame.unwrap().code.into();
            }
        }
    }

    async fn close(mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "as\nscripted".into() };
        self.socket.close(Some(frame)).await.unwrap();
    }
}

#[tokio::test]
async fn it_says_who_it_is_and_hands_on_what_it_can_not_read() {
    let world = World::new().await;
    let mut peer = world.greet(LONG).await;
    assert_eq!(peer.path, "/?v=10&encoding=json");
    let identify = peer.next().await;
    assert_eq!(identify["d"]["token"], "token");
    assert_eq!(identify["d"]["shard"], json!([0, 1]));
    assert_eq!((&identify["d"]["intents"], &identify["d"]["compress"]), (&json!(0), &json!(false)));
    assert!(!world.health.ready(), "it is not ready before Discord says so");
    let session = json!({ "session_id": "s1", "resume_gateway_url": world.url });
    peer.send(json!({ "op": 0, "t": "READY", "s": 1, "d": session })).await;
    // As it was sent: spaces, a number too large, a key twice.
    let odd = r#"{ "id": 99999999999999999999999, "type": 77, "type": [] }"#;
    peer.text(&format!(r#"{{"op":0,"t":"INTERACTION_CREATE","s":2,"d":{odd}}}"#)).await;
    for garbage in ["", "{", "[]", r#"{"op":"x"}"#, r#"{"op":0,"t":7}"#] {
        peer.text(garbage).await;
    }
    peer.socket.send(Message::binary(vec![0x78, 0x9c])).await.unwrap();
    peer.send(json!({ "op": 0, "t": "INTERACTION_CREATE", "s": 3, "d": null })).await;
    peer.send(json!({ "op": 0, "t": "SOMETHING_NEW", "s": 4, "d": { "id": 1 } })).await;
    peer.send(json!({ "op": 99, "d": 1 })).await;
    peer.send(json!({ "op": 1, "d": null })).await;
    assert_eq!(peer.next().await, json!({ "op": 1, "d": 4 }), "asked for a heartbeat, it sends one at once");
    assert_eq!(*world.heard.lock().unwrap(), [odd, "null"]);
    let counts = world.health.report()["interactions"].clone();
    assert_eq!(counts, json!({ "received": 2, "handled": 1, "unreadable": 7 }));
}

#[tokio::test]
async fn a_heartbeat_that_nobody_acknowledges_leads_to_a_resume_by_the_next_one() {
    let world = World::new().await;
    let mut peer = world.ready(300).await;
    assert_eq!(peer.next().await, json!({ "op": 1, "d": 1 }));
    peer.send(json!({ "op": 11 })).await;
    peer.send(json!({ "op": 0, "t": "INTERACTION_CREATE", "s": 5, "d": { "id": "1" } })).await;
    assert_eq!(peer.next().await, json!({ "op": 1, "d": 5 }));
    let unanswered = Instant::now();
    let mut peer = world.greet(LONG).await;
    assert!((millis(250)..millis(590)).contains(&unanswered.elapsed()), "{:?}", unanswered.elapsed());
    assert_eq!(peer.path, "/back/?v=10&encoding=json", "where Discord wants sessions to be resumed");
    assert_eq!(peer.next().await, json!({ "op": 6, "d": { "token": "token", "session_id": "s1", "seq": 5 } }));
    assert!(!world.health.ready());
    peer.send(json!({ "op": 0, "t": "INTERACTION_CREATE", "s": 6, "d": { "id": "2" } })).await;
    peer.send(json!({ "op": 0, "t": "RESUMED", "s": 7, "d": null })).await;
    world.until(|world| world.health.ready()).await;
    assert_eq!(world.heard.lock().unwrap().len(), 2, "what was sent meanwhile is sent again");
    assert!(world.gaps.lock().unwrap().is_empty());
    assert_eq!(world.health.report()["gateway"]["identifies_today"], 1);
}

#[tokio::test]
async fn who_closes_for_a_resume_leaves_the_session_as_it_is() {
    let world = World::new().await;
    let mut peer = world.ready(LONG).await;
    peer.send(json!({ "op": 7, "d": null })).await;
    assert_eq!(peer.closed().await, 4000, "1000 and 1001 would end the session");
    let mut peer = world.greet(LONG).await;
    assert_eq!(peer.next().await["op"], 6);
}

#[tokio::test]
async fn an_invalid_session_is_resumed_or_begun_anew_after_a_moment_and_the_gap_is_told() {
    let world = World::new().await;
    let mut peer = world.ready(LONG).await;
    let left = Instant::now();
    peer.send(json!({ "op": 9, "d": true })).await;
    let mut peer = world.greet(LONG).await;
    assert!(left.elapsed() >= millis(10), "{:?}", left.elapsed());
    assert_eq!(peer.next().await["op"], 6);
    sleep(millis(20)).await;
    peer.send(json!({ "op": 9, "d": false })).await;
    drop(peer);
    let _peer = world.ready(LONG).await;
    let gaps = world.gaps.lock().unwrap().clone();
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    let length = (gaps[0].until - gaps[0].from).to_std().unwrap();
    assert!(length >= millis(30), "it begins when the lost session was last heard of: {length:?}");
    assert_eq!(world.api.asked.load(Ordering::Relaxed), 2, "before a new session Discord is asked again");
}

#[tokio::test]
async fn where_the_address_for_resuming_is_dead_the_common_one_is_tried() {
    let world = World::new().await;
    let mut peer = world.greet(LONG).await;
    peer.next().await;
    let nobody = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let session = json!({ "session_id": "s1", "resume_gateway_url": format!("ws://{nobody}") });
    peer.send(json!({ "op": 0, "t": "READY", "s": 1, "d": session })).await;
    world.until(|world| world.health.ready()).await;
    drop(peer);
    let mut peer = world.greet(LONG).await;
    assert_eq!(peer.path, "/?v=10&encoding=json");
    assert_eq!(peer.next().await["op"], 6);
}

#[tokio::test]
async fn a_session_that_can_never_be_resumed_is_given_up() {
    let world = World::with(1, 1, Pace { pause: millis(1), ..pace() }, SOON).await;
    drop(world.ready(LONG).await);
    for _ in 0..8 {
        let mut peer = world.greet(LONG).await;
        assert_eq!(peer.next().await["op"], 6);
        drop(peer);
    }
    let mut peer = world.greet(LONG).await;
    assert_eq!(peer.next().await["op"], 2);
}

#[tokio::test]
async fn a_gateway_that_accepts_and_drops_is_left_in_peace() {
    let world = World::new().await;
    let dropped = async {
        let mut count = 0;
        loop {
            let mut peer = world.accept().await;
            count += 1;
            if count % 2 == 0 {
                peer.send(json!({ "op": 10, "d": { "heartbeat_interval": LONG } })).await;
                peer.next().await;
            }
            drop(peer);
            if count == 8 {
                return;
            }
        }
    };
    let start = Instant::now();
    dropped.await;
    // 0, 0, 50, 100, 200, 400, 400 ms, less a half at most.
    assert!(start.elapsed() >= millis(575), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_left() {
    let world = World::with(1, 1, Pace { patience: millis(300), ..pace() }, SOON).await;
    let _mute = world.accept().await;
    let mut never_ready = world.greet(LONG).await;
    assert_eq!(never_ready.next().await["op"], 2);
    assert_eq!(world.greet(LONG).await.next().await["op"], 2);
}

#[tokio::test]
async fn what_discord_refuses_for_good_ends_it() {
    let world = World::new().await;
    let mut peer = world.greet(LONG).await;
    peer.next().await;
    peer.close(4004).await;
    assert_eq!(world.end().await, Err(Ended::Refused(payload::BAD_TOKEN.to_owned())));
}

#[tokio::test]
async fn a_token_that_is_reset_meanwhile_ends_it_too() {
    let world = World::new().await;
    let peer = world.ready(LONG).await;
    *world.api.answer.lock().unwrap() = Some((401, json!({ "message": "401: Unauthorized", "code": 0 })));
    peer.close(4009).await;
    assert_eq!(world.end().await, Err(Ended::Refused(payload::BAD_TOKEN.to_owned())));
}

#[tokio::test]
async fn without_acknowledgements_from_anybody_the_watchdog_ends_it() {
    let world = World::with(1, 1, pace(), millis(800)).await;
    let start = Instant::now();
    let mut peer = world.ready(200).await;
    peer.next().await;
    sleep(millis(20)).await;
    peer.send(json!({ "op": 11 })).await;
    let Err(Ended::Away(why)) = world.end().await else { panic!("it goes on") };
    assert!(start.elapsed() >= millis(820), "the silence begins at the acknowledgement: {:?}", start.elapsed());
    assert!(why.starts_with("Discord has acknowledged no heartbeat"), "{why}");
}

#[tokio::test]
async fn tls_can_be_set_up() {
    let plain = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://{}", plain.local_addr().unwrap());
    let (refused, ()) = tokio::join!(shard::dial(&url, SOON), async { drop(plain.accept().await.unwrap()) });
    assert!(refused.is_err(), "nobody there speaks TLS");
}

#[tokio::test]
async fn it_takes_its_leave() {
    let world = World::new().await;
    let mut peer = world.ready(LONG).await;
    world.stop.cancel();
    assert_eq!(peer.closed().await, 1000);
    assert_eq!(world.end().await, Ok(()));
}

#[tokio::test]
async fn it_stops_while_nobody_can_be_reached() {
    let world = World::with(1, 1, Pace { pause: SOON, longest: SOON * 10, ..pace() }, SOON * 10).await;
    drop(world.accept().await);
    drop(world.accept().await);
    sleep(millis(20)).await;
    world.stop.cancel();
    assert_eq!(world.end().await, Ok(()));
}

#[tokio::test]
async fn shards_of_a_bucket_begin_one_after_the_other() {
    let world = World::with(3, 1, Pace { starts: millis(100), ..pace() }, SOON).await;
    let start = Instant::now();
    let mut seen = Vec::new();
    let mut peers = Vec::new();
    for count in 0..3_u32 {
        let mut peer = world.greet(LONG).await;
        let identify = peer.next().await;
        seen.push((identify["d"]["shard"][0].as_u64().unwrap(), identify["d"]["shard"][1].as_u64().unwrap()));
        peers.push(peer);
        assert!(start.elapsed() >= millis(95) * count, "shard {count} after {:?}", start.elapsed());
    }
    seen.sort_unstable();
    assert_eq!(seen, [(0, 3), (1, 3), (2, 3)]);

    let world = World::with(3, 3, Pace { starts: SOON * 10, ..pace() }, SOON).await;
    for _ in 0..3 {
        world.greet(LONG).await.next().await;
    }
}

#[tokio::test(start_paused = true)]
async fn where_sessions_are_nearly_used_up_it_waits_for_new_ones() {
    let limit = json!({ "total": 1000, "remaining": 11, "reset_after": 7_200_000, "max_concurrency": 1 });
    let starts = Starts::new(&serde_json::from_value(limit).unwrap(), &Pace::default());
    let health = Health::new(clock(), true);
    let start = Instant::now();
    for expected in [0, 7_200, 7_205] {
        let turn = starts.turn(0, &health).await;
        assert_eq!(start.elapsed().as_secs(), expected);
        turn.spend();
    }
    assert!(health.quiet_since() >= start + Duration::from_secs(7_200), "the watchdog waits, too");
    let unspent = starts.turn(0, &health).await;
    drop(unspent);
    let _turn = starts.turn(0, &health).await;
    assert_eq!(start.elapsed().as_secs(), 7_210, "a turn that was not spent costs nothing");
}

#[tokio::test(start_paused = true)]
async fn it_does_not_start_where_discord_does_not_say_how() {
    for (answer, refused, words) in [
        (None, false, "no route to host"),
        (Some((200, json!({ "url": 1 }))), false, "can not be read"),
        (Some((200, json!(null))), false, "can not be read"),
        (Some((403, json!({ "message": "no\nway", "code": 0 }))), false, "403"),
        (Some((500, json!({}))), false, "GET /gateway/bot"),
        (Some((401, json!({ "message": "401: Unauthorized", "code": 0 }))), true, "does not accept Deckhand's token"),
    ] {
        let settings = Settings { token: "token".to_owned(), messages: false, silence: SOON, pace: Pace::default() };
        let shown = format!("{answer:?}");
        let found = Gateway::find(api(answer).1, settings, clock(), Health::new(clock(), true)).await;
        let Err(ended) = found else { panic!("{shown} starts it") };
        assert_eq!(matches!(ended, Ended::Refused(_)), refused, "{shown}");
        assert!(ended.to_string().contains(words) && !ended.to_string().contains('\n'), "{shown}: {ended}");
    }
}

#[test]
fn pauses_double_up_to_a_minute() {
    let pace = Pace::default();
    for (losses, longest) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 4), (7, 32), (8, 60), (9, 60), (u32::MAX, 60)] {
        let longest = Duration::from_secs(longest);
        let pause = pace.pause(losses);
        assert!((longest / 2..=longest).contains(&pause), "{losses}: {pause:?}");
    }
}

#[test]
fn close_codes_mean_what_discord_says() {
    for code in [1000, 1001, 1006, 4000, 4001, 4002, 4003, 4005, 4008, 4999] {
        assert_eq!(closed(code), Then::Resume, "{code}");
    }
    for code in [4007, 4009] {
        assert_eq!(closed(code), Then::Anew, "{code}");
    }
    for code in [4004, 4010, 4012, 4013, 4014] {
        assert!(matches!(closed(code), Then::End(Ended::Refused(_))), "{code}");
    }
    assert!(matches!(closed(4011), Then::End(Ended::Away(_))), "a restart asks for the number of shards");
}
