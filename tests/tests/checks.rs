//! Drill: the built program looks at real listeners and hosts on loopback, with checks of every kind.

use serde_json::Value;
use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tests::program::{Home, until, until_async, write};

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

[checks]
channel = "ops"

[services.app.checks]
page = { url = "http://{web}/page", contains = "all is well", interval = "1s", down_interval = "1s", fall = 2, rise = 2 }
page6 = { url = "http://{web6}/page", contains = "all is well", interval = "1s" }
busy = { url = "http://{web}/busy", interval = "1s" }
busy-is-good = { url = "http://{web}/busy", expect = ["503"], interval = "1s" }
other-words = { url = "http://{web}/page", contains = "something else", interval = "1s" }
silent = { url = "http://{web}/silent", interval = "1s", timeout = "1s" }
endless = { url = "http://{web}/endless", contains = "the end", interval = "2s", timeout = "1s" }
no-name = { url = "http://nothing.invalid/", interval = "1s", timeout = "1s" }
open = { kind = "tcp", address = "{web}", interval = "1s" }
open6 = { kind = "tcp", address = "{web6}", interval = "1s" }
shut = { kind = "tcp", address = "{shut}", interval = "1s" }
host = { kind = "icmp", host = "127.0.0.1", interval = "1s" }
host6 = { kind = "icmp", host = "::1", interval = "1s" }
no-host = { kind = "icmp", host = "nothing.invalid", interval = "1s" }
program = { kind = "program", program = ["./look"], interval = "1s" }
critical = { kind = "program", program = ["./look", "2"], interval = "1s" }
missing = { kind = "program", program = ["./no-such-program"], interval = "1s" }
"#;

/// A web server that is well, busy, silent, or has no end; and all of it busy once it is told so.
fn serve(listener: TcpListener, sick: Arc<AtomicBool>) {
    let answer = |mut socket: TcpStream, sick: bool| {
        let mut asked = [0; 1024];
        let length = socket.read(&mut asked).unwrap_or(0);
        let asked = String::from_utf8_lossy(&asked[..length]).into_owned();
        let page = "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n";
        // Whoever asks gives up on what is silent or endless.
        let _ = match () {
            () if asked.contains(" /silent ") => socket.read(&mut [0; 1]).map(drop),
            () if asked.contains(" /endless ") => {
                let _ = socket.write_all(page.as_bytes());
                loop {
                    if socket.write_all(&[b'x'; 4096]).is_err() {
                        break Ok(());
                    }
                }
            }
            () if sick || asked.contains(" /busy ") => {
                socket.write_all(b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            }
            () => socket.write_all(format!("{page}all is well").as_bytes()),
        };
    };
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let sick = sick.load(Ordering::Relaxed);
            thread::spawn(move || answer(socket, sick));
        }
    });
}

/// What `/status` says of the service.
fn health(home: &Home, line: &str) -> String {
    let told = home.run(&["say", "--json", line]).json().pop().expect("an answer");
    told["table"]["rows"][0][2].as_str().unwrap_or_else(|| panic!("{told}")).to_owned()
}

/// Deckhand's messages whose heading ends like this.
async fn told(home: &Home, ending: &str) -> usize {
    let fits =
        |message: &Value| message["reply"]["card"]["title"].as_str().is_some_and(|title| title.ends_with(ending));
    home.answers().await.iter().filter(|message| fits(message)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn real_listeners_hosts_and_programs_are_looked_at() {
    assert!(
        std::process::Command::new("ping").arg("-V").output().is_ok_and(|ran| ran.status.success()),
        "ping is missing: run `scripts/setup`"
    );
    let (web, web6) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("[::1]:0").unwrap());
    let shut = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = CONFIG
        .replace("{web}", &web.local_addr().unwrap().to_string())
        .replace("{web6}", &web6.local_addr().unwrap().to_string())
        .replace("{shut}", &shut.to_string());
    let sick = Arc::<AtomicBool>::default();
    serve(web, sick.clone());
    serve(web6, Arc::default());
    let mut home = Home::demo();
    home.write_config(&config);
    write(&home.path("look"), "#!/bin/sh\necho \"LOOK | time=0.5s;1;2 wait=3\"\nexit \"${1:-0}\"\n");
    fs::set_permissions(home.path("look"), Permissions::from_mode(0o755)).unwrap();
    let deckhand = home.start();
    let bad = [
        ("busy", "answered 503"),
        ("other-words", "answered, but without `something else`: it says `all is well`"),
        ("silent", "could not be asked: no answer within 1s"),
        ("no-name", "could not be asked: "),
        ("shut", "takes no connection: Connection refused"),
        ("no-host", "could not be asked: `nothing.invalid: "),
        ("critical", "says it is critical: `LOOK`"),
        ("missing", "could not be asked: "),
        ("endless", ""),
    ];
    let says = health(&home, "status now:yes");
    for (name, met) in bad {
        let begins = format!("{name}: just now {met}");
        assert!(says.split("; ").any(|part| part.starts_with(&begins[..begins.len().min(60)])), "{begins}\n{says}");
    }
    let good = ["page", "page6", "busy-is-good", "open", "open6", "host", "host6", "program"];
    for name in good {
        assert!(!says.split("; ").any(|part| part.starts_with(&format!("{name}: "))), "{name}\n{says}");
    }

    // What is bad for good is told as down, once each.
    until("all of them are down", || {
        let says = health(&home, "status");
        bad.iter().all(|(name, _)| says.contains(&format!("{name} is down"))).then_some(())
    });
    sick.store(true, Ordering::Relaxed);
    until_async("the page is down", async || (told(&home, ": page is down").await == 1).then_some(())).await;
    deckhand.kill();

    // A restart does not tell it again; its return is told.
    let deckhand = home.start();
    thread::sleep(Duration::from_secs(4));
    let says = health(&home, "status");
    assert!(says.contains("page is down"), "{says}");
    sick.store(false, Ordering::Relaxed);
    until_async("the page is up again", async || (told(&home, ": page is up again").await == 1).then_some(())).await;
    assert_eq!(told(&home, ": page is down").await, 1);
    assert_eq!(told(&home, ": shut is down").await, 1);
    deckhand.stop();
    home.assert_sound();
}

/// A service of a thousand checks, each every five seconds.
#[test]
fn a_thousand_checks_leave_the_answers_quick() {
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = door.local_addr().unwrap();
    thread::spawn(move || for _ in door.incoming() {});
    let check = |n| {
        format!("c{n} = {{ kind = \"tcp\", address = \"{address}\", interval = \"5s\", down_interval = \"5s\" }}\n")
    };
    let (head, _) = CONFIG.split_once("page = ").unwrap();
    let home = Home::with(&format!("{head}{}", (0..1_000).map(check).collect::<String>()));
    let deckhand = home.start();
    until("all are up", || health(&home, "status").starts_with("all 1000 up").then_some(()));
    let began = std::time::Instant::now();
    assert!(health(&home, "status now:yes").starts_with("all 1000 up"));
    let took = began.elapsed();
    println!("a thousand checks at once: {took:.1?}; memory: {} MiB", deckhand.memory() / 1024);
    assert!(took < Duration::from_secs(10), "{took:?}");
    deckhand.stop();
    assert_eq!(home.ledger().len(), 0, "what is well is no act");
}
