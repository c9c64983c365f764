//! Drill: the program as an operator meets it: its command line, its doors, its data, and what it says when it can not go on.

use http::StatusCode;
use reqwest::RequestBuilder;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use tests::drill::{self, DiskFile};
use tests::program::{Home, Service, client, read, until, until_async, write};

/// A config with the service `app`, whose program is told when it is ended; `{health}` is filled in.
const CONFIG: &str = r#"
environments = ["staging"]
data = "{data}"

[people.ana]
roles = ["deployer"]

[people.eve]
roles = []

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"
channels = ["ops", "random"]

[deploy]
grace = "1s"

[services.app]
repository = "app"

[services.app.deploy]
command = ["./ship.sh", "{commit}"]
health = { url = "{health}", contains = "{commit}", tries = 2, pause = "1s" }
"#;

/// An installation with a service to deploy.
fn installation() -> (Home, Service) {
    let mut home = Home::demo();
    let service = Service::make(&home);
    home.write_config(&CONFIG.replace("{health}", &service.health));
    (home, service)
}

#[test]
fn check_tells_every_mistake_with_its_line_and_what_to_write() {
    let home = Home::with(
        r#"timezone = "Europe/Pariss"
environments = ["staging"]

[people.ana]
roles = ["deployer"]

[console]
listen = "7878"

[deploy]
grace = "soon"

[services.app]
repository = "app"

[services.app.deploy]
comand = ["./ship.sh", "{commit}"]
"#,
    );
    let told = "\
deckhand.toml:1:12: there is no time zone `Europe/Pariss`; write `Europe/Paris`
deckhand.toml:8:10: `7878` is no address; write an IP address and a port, as in `127.0.0.1:7878`
deckhand.toml:11:9: `soon` is no duration; write numbers with units: `90s`, `15m`, `1h30m`, `7d`
deckhand.toml:16:15: `[services.app.deploy]` has no `command`; write `command = [\"…\"]`
deckhand.toml:17:1: `[services.app.deploy]` has no setting `comand`; write `command`, or take it out
5 mistakes.
";
    for (words, code) in [(&["check"][..], 1), (&[], 2)] {
        let ran = home.run(words);
        let err = ran.err.replace(&format!("{}/", home.path("").display().to_string().trim_end_matches('/')), "");
        assert_eq!((ran.code, &*ran.out, &*err), (Some(code), "", told), "{words:?}");
    }
    assert!(!home.data().exists(), "a config that is wrong has left data");
}

#[tokio::test]
async fn a_second_one_says_so_and_the_first_goes_on() {
    let (mut home, _service) = installation();
    let first = home.start();
    let second = home.run(&["serve"]);
    let said = format!("The process {} is using the data in {}", first.id(), home.data().join("store").display());
    assert_eq!(second.code, Some(2));
    assert!(
        second.err.contains(&said) && second.err.contains("Stop it first, or name another data directory"),
        "{second:?}"
    );

    let elsewhere = home.path("elsewhere").display().to_string();
    let config = fs::read_to_string(home.path("deckhand.toml")).unwrap();
    home.write_config(&config.replace(&home.data().display().to_string(), &elsewhere));
    let third = home.run(&["serve"]);
    assert_eq!(third.code, Some(2));
    let said = format!("another program listens on {} already", home.listen());
    assert!(third.err.contains(&said) && third.err.contains("`listen` under `[console]`"), "{third:?}");
    home.write_config(&config);
    let said = home.say("deploy status");
    assert_eq!((said.code, &*said.err), (Some(0), ""), "{said:?}");
}

#[tokio::test]
async fn say_has_exit_codes_and_json_for_scripts() {
    let (home, service) = installation();
    let unreachable = home.say("help");
    assert_eq!((unreachable.code, &*unreachable.out), (Some(2), ""));
    assert!(
        unreachable.err.contains("no Deckhand has run here") && unreachable.err.contains("start `deckhand`"),
        "{unreachable:?}"
    );
    let deckhand = home.start();

    service.how("echo packing; sleep 0.7; echo sending");
    let shipped = home.run(&["say", "--json", "deploy ship app staging v1"]);
    assert_eq!((shipped.code, &*shipped.err), (Some(0), ""));
    let replies = shipped.json();
    let (last, before) = replies.split_last().unwrap();
    assert!(!before.is_empty() && before.iter().all(|reply| reply["state"] == "progress"), "{replies:#?}");
    assert!(
        before.iter().any(|reply| reply["output"].as_str().is_some_and(|lines| lines.contains("packing"))),
        "{before:#?}"
    );
    assert_eq!((&last["state"], &last["outcome"]), (&json!("final"), &json!("done")));
    for key in ["text", "card", "fields", "buttons", "files", "state", "outcome"] {
        assert!(replies.iter().all(|reply| reply.get(key).is_some()), "{key} is not always there: {replies:#?}");
    }
    assert_eq!(last["files"][0]["title"], "Log of #1");

    // What fails is 2, what is refused or mistaken is 1; words and one quoted line are the same.
    service.how("exit 3");
    let cases: &[(&[&str], i32, &str)] = &[
        (&["deploy", "ship", "app", "staging", "v2"], 2, "exit status 3"),
        (&["/deploy ship app staging v9"], 1, "v9"),
        (&["deploy", "shup"], 1, "ship"),
        (&["--as", "eve", "deploy status"], 1, "eve may not say"),
        (&["`deploy status`"], 1, "This is no command, and nobody was asked"),
        (&["--as", "zoe", "deploy status"], 1, "Nobody speaks as `zoe` here"),
        (&["--in", "nowhere", "deploy status"], 1, "There is no channel `nowhere`"),
        (&["--in", "random", "deploy status"], 0, "What is live"),
        (&["deploy", "ship", "app", "staging", "v1", "because:two words"], 2, "two words"),
    ];
    for (words, code, part) in cases {
        let ran = home.run(&[&["say"], *words].concat());
        assert_eq!(ran.code, Some(*code), "{words:?}: {ran:?}");
        assert!(format!("{}{}", ran.out, ran.err).contains(part), "{words:?}: {ran:?}");
    }
    deckhand.stop();
    let gone = home.say("help");
    let said = format!("deckhand: Deckhand does not answer at {}: start it with `deckhand`\n", home.listen());
    assert_eq!((gone.code, &*gone.out, gone.err), (Some(2), "", said));
}

#[tokio::test]
async fn the_doors_are_shut_to_everybody_else() {
    let home = Home::demo();
    let deckhand = home.start();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&home.data()), mode(&home.data().join("console.json"))), (0o700, 0o600));

    let http = client();
    let send = async |request: RequestBuilder| request.send().await.unwrap();
    let token = home.token();
    let session = || http.get(home.url("/api/session"));
    let line = || http.post(home.url("/api/ask")).bearer_auth(&token).json(&json!({ "line": "/help" }));
    let own = format!("http://{}", home.listen());
    let foreign = home.listen().port();
    let cases: Vec<(&str, RequestBuilder, u16)> = vec![
        ("no cookie", session(), 401),
        ("a wrong token", session().bearer_auth("0".repeat(64)), 401),
        ("an empty token", session().bearer_auth(""), 401),
        ("a wrong cookie", session().header("cookie", format!("deckhand={token}")), 401),
        ("the token", session().bearer_auth(&token), 200),
        (
            "another name (DNS rebinding)",
            session().bearer_auth(&token).header("host", format!("evil.example:{foreign}")),
            421,
        ),
        ("another port", session().bearer_auth(&token).header("host", "127.0.0.1:1"), 421),
        ("another name for the page", http.get(home.url("/")).header("host", format!("evil.example:{foreign}")), 421),
        ("another name for the demo", http.get(home.url("/demo/staging/")).header("host", "evil.example"), 421),
        ("another site's script", line().header("origin", "http://evil.example"), 403),
        ("a page without origin", line().header("origin", "null"), 403),
        ("the same host over TLS", line().header("origin", own.replace("http:", "https:")), 403),
        ("another site's form", line().header("sec-fetch-site", "cross-site"), 403),
        ("another port's form", line().header("sec-fetch-site", "same-site"), 403),
        ("our own page", line().header("origin", &own).header("sec-fetch-site", "same-origin"), 202),
        ("a form instead of JSON", http.post(home.url("/api/ask")).bearer_auth(&token).body("line=/help"), 415),
        (
            "10 MB",
            http.post(home.url("/api/ask")).bearer_auth(&token).json(&json!({ "line": "x".repeat(10_000_000) })),
            413,
        ),
        ("no such page", http.get(home.url("/nothing")), 404),
    ];
    for (what, request, status) in cases {
        // A body that is too long may be refused before it has been read to its end.
        match request.send().await {
            Ok(answer) => assert_eq!(answer.status().as_u16(), status, "{what}"),
            Err(error) => assert!(status == 413 && error.is_request(), "{what}: {error:?}"),
        }
    }

    let page = send(http.get(home.url("/"))).await;
    let header = |name: &str| page.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    assert!(header("content-security-policy").starts_with("default-src 'none'; script-src 'self';"));
    assert!(header("content-security-policy").contains("frame-ancestors 'none'"));
    assert_eq!((header("x-content-type-options"), header("referrer-policy")), ("nosniff", "no-referrer"));

    let first = send(http.get(&deckhand.link)).await;
    let cookie = first.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Path=/"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    assert_eq!(send(session().header("cookie", cookie)).await.status(), StatusCode::OK);
    let second = send(http.get(&deckhand.link)).await;
    assert!(second.headers().get("set-cookie").is_none(), "the link let somebody in twice");
    let another = home.run(&["link"]);
    assert!(another.out.starts_with(&format!("{own}/signin?word=")), "{another:?}");
    assert!(send(http.get(another.out.trim())).await.headers().contains_key("set-cookie"));
}

#[tokio::test]
async fn behind_a_proxy_it_is_known_by_that_address_too() {
    let public = "https://deckhand.example.com";
    let config = "data = '{data}'\n[people.ana]\n[console]\nlisten = '{listen}'\npublic_url = ";
    let home = Home::with(&format!("{config}'{public}/'"));
    let deckhand = home.start();
    assert!(deckhand.link.starts_with(&format!("{public}/signin?word=")), "{}", deckhand.link);
    let line = |host: &str, origin: &str| {
        let line = client().post(home.url("/api/ask")).bearer_auth(home.token()).json(&json!({ "line": "/help" }));
        line.header("host", host).header("origin", origin).send()
    };
    let own = home.listen().to_string();
    for (host, origin, status) in [
        ("deckhand.example.com", public, 202),
        (&own, &*format!("http://{own}"), 202),
        ("deckhand.example.com", "http://deckhand.example.com", 403),
        ("deckhand.example.com", "https://evil.example", 403),
        ("deckhand.example.com:1", public, 421),
    ] {
        assert_eq!(line(host, origin).await.unwrap().status(), status, "{host} {origin}");
    }
}

#[tokio::test]
async fn no_path_leads_out_of_the_folders() {
    let home = Home::demo();
    let _deckhand = home.start();
    let token = home.token();
    write(&home.data().join("demo/sites/staging/outside.txt"), "out");
    let out = [
        "..%2fconsole.json",
        "%2e%2e%2fconsole.json",
        "..%5cconsole.json",
        "..%252fconsole.json",
        ".%00",
        "%2fetc%2fpasswd",
    ];
    let files = out.iter().map(|name| format!("/files/{name}"));
    let out = [
        "../outside.txt",
        "..%2foutside.txt",
        "%2e%2e/outside.txt",
        "%2e%2e%2f%2e%2e%2f%2e%2e%2f%2e%2e%2fconsole.json",
    ];
    let sites = out.iter().map(|name| format!("/demo/staging/{name}"));
    for path in files.chain(sites).chain(["/demo/".to_owned(), "/demo/other/".to_owned()]) {
        let answer = raw(&home, &path, &token).await;
        let status = answer.split(' ').nth(1).unwrap_or_default();
        assert!(["400", "404"].contains(&status), "{path}: {answer}");
        assert!(!answer.contains("token") && !answer.contains("root:") && !answer.ends_with("out"), "{path}: {answer}");
    }
}

/// What is answered to a path as it stands here: a client would straighten it out.
async fn raw(home: &Home, path: &str, token: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut socket = tokio::net::TcpStream::connect(home.listen()).await.expect("it listens");
    let host = home.listen();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("it is read");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("it is answered");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_repository_that_is_gone_is_told_and_nothing_is_done() {
    let (home, service) = installation();
    let _deckhand = home.start();
    fs::rename(home.path("app"), home.path("moved")).unwrap();
    let refused = home.say("deploy ship app staging v1");
    assert_ne!(refused.code, Some(0));
    assert!(refused.out.contains(&home.path("app").display().to_string()), "{refused:?}");
    assert_eq!((service.runs().len(), home.ledger().len()), (0, 0));
    fs::rename(home.path("moved"), home.path("app")).unwrap();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
}

#[tokio::test]
async fn a_flood_of_output_is_kept_whole_and_memory_stays_flat() {
    let (home, service) = installation();
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    let before = deckhand.memory();
    service.how("i=0; while [ $i -lt 20 ]; do head -c 1048576 /dev/zero | tr '\\0' x | fold -w 99; i=$((i+1)); done; echo; echo the last line; exit 1");
    let ran = home.say("deploy ship app staging v2");
    assert_eq!(ran.code, Some(2));
    assert!(ran.out.contains("  | the last line\n"), "{}", ran.out);
    let after = deckhand.memory();
    assert!(after < before + 30 * 1024, "{before} KiB before, {after} KiB after");
    let logs: Vec<_> = fs::read_dir(home.data().join("files")).unwrap().map(|file| file.unwrap().path()).collect();
    let log = logs.iter().map(|log| read(log)).max_by_key(Vec::len).unwrap();
    assert_eq!(log.iter().filter(|byte| **byte == b'x').count(), 20 << 20);
    assert!(log.ends_with(b"the last line\n"));
}

#[tokio::test]
async fn on_a_full_disk_nothing_is_done_until_there_is_room() {
    let scratch = tempfile::tempdir().unwrap();
    if let Some(why) = drill::why_no_disks(scratch.path()) {
        let line =
            format!("SKIPPED: this drill mounts a disk from a file, which takes root and a loop device: {why}\n");
        // Straight to the terminal: the test harness keeps to itself what a test that passes prints.
        std::io::stderr().write_all(line.as_bytes()).unwrap();
        return;
    }
    let disk = DiskFile::create(&scratch.path().join("disk"), 64).unwrap();
    let (home, service) = installation();
    let mounted = disk.mount(&home.data()).unwrap();
    fs::set_permissions(home.data(), PermissionsExt::from_mode(0o700)).unwrap();
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    let ballast = mounted.path().join("ballast");
    let mut filler = File::create(&ballast).unwrap();
    for size in [65_536, 1] {
        while filler.write_all(&vec![0; size]).is_ok() {}
    }
    drop(filler);
    // The database has some room left in its own file: until that is used up, the program's log is what does not fit.
    let line = format!("deploy ship app staging v2 because:{}", "x".repeat(1_500));
    let mut refusals = 0;
    let runs = until("the ledger can not be written", || {
        let runs = service.runs().len();
        let ran = home.say(&line);
        if ran.code == Some(0) {
            return None;
        }
        assert_eq!(service.runs().len(), runs, "the program ran all the same: {ran:?}");
        let said = format!("{}{}", ran.out, ran.err);
        assert!(said.contains("disk is full") || said.contains("so nothing was done: the log"), "{ran:?}");
        refusals += u32::from(said.contains("The disk is full. Nothing of this was saved. Make room"));
        (refusals == 3).then_some(runs)
    });
    fs::remove_file(&ballast).unwrap();
    deckhand.stop();
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v3").code, Some(0));
    assert_eq!((service.runs().len(), service.live()), (runs + 1, service.commit("v3")));
    home.assert_sound();
    deckhand.stop();
}

#[tokio::test]
async fn a_backup_is_taken_while_it_runs_and_restored_elsewhere() {
    let (mut home, _service) = installation();
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v2").code, Some(0));
    let status = home.run(&["say", "--json", "deploy status"]).json().pop().unwrap();
    let backup = home.path("backup.jsonl").display().to_string();
    let made = home.run(&["backup", &backup]);
    assert!(made.code == Some(0) && made.out.contains("is a whole backup of"), "{made:?}");
    assert_eq!(fs::metadata(&backup).unwrap().permissions().mode() & 0o777, 0o600);
    let ledger = home.ledger();
    let running = home.run(&["restore", &backup]);
    assert!(running.code == Some(2) && running.err.contains("is using the data"), "{running:?}");
    deckhand.stop();
    let over = home.run(&["restore", &backup]);
    assert!(
        over.code == Some(2) && over.err.contains("there is data already") && over.err.contains("nothing was changed"),
        "{over:?}"
    );
    assert_eq!(home.ledger(), ledger);

    let config = fs::read_to_string(home.path("deckhand.toml")).unwrap();
    home.write_config(&config.replace(&home.data().display().to_string(), &home.path("new").display().to_string()));
    let whole = read(Path::new(&backup));
    for (what, bytes) in [("cut", &whole[..whole.len() - 100]), ("empty", &[][..]), ("other", b"hello\n")] {
        let file = home.path(what);
        write(&file, bytes);
        let ran = home.run(&["restore", &file.display().to_string()]);
        assert!(ran.code == Some(2) && ran.err.contains("can not be restored"), "{what}: {ran:?}");
        assert!(!home.path("new/store").exists(), "{what}: something was made of it");
    }
    let restored = home.run(&["restore", &backup]);
    assert!(restored.code == Some(0) && restored.out.contains("the ledger is sound"), "{restored:?}");
    home.assert_sound();
    assert_eq!(home.ledger(), ledger);
    let _deckhand = home.start();
    let again = home.run(&["say", "--json", "deploy status"]).json().pop().unwrap();
    let releases = |reply: &Value| [0, 1].map(|column| reply["table"]["rows"][0][column].clone());
    assert_eq!(releases(&again), releases(&status), "{again:#}");
    assert_eq!(home.say("deploy ship app staging v3").code, Some(0));
}

#[tokio::test]
async fn damaged_data_is_told_and_never_replaced() {
    let (home, _service) = installation();
    let deckhand = home.start();
    for reference in ["v1", "v2", "v3"] {
        assert_eq!(home.say(&format!("deploy ship app staging {reference}")).code, Some(0));
    }
    deckhand.stop();
    let db = home.data().join("store/db");
    let whole = read(&db);
    let refuses = |what: &str| {
        for words in [&["serve"][..], &["audit", "verify"], &["say", "help"]] {
            let ran = home.run(words);
            assert_eq!(ran.code, Some(2), "{what}: {words:?}: {ran:?}");
            if words[0] != "say" {
                let parts =
                    ["can not be opened", "does not start with empty data in its place", "run `deckhand restore FILE`"];
                parts
                    .iter()
                    .for_each(|part| assert!(ran.err.contains(part), "{what}: {words:?}: no {part:?} in {ran:?}"));
            }
        }
    };
    fs::remove_file(&db).unwrap();
    refuses("deleted");
    write(&db, "");
    refuses("emptied");
    let half = u64::try_from(whole.len() / 4).unwrap();
    write(&db, &whole);
    let mut file = OpenOptions::new().write(true).open(&db).unwrap();
    file.seek(SeekFrom::Start(half)).unwrap();
    file.write_all(&vec![0xa5; whole.len() / 2]).unwrap();
    drop(file);
    refuses("overwritten");
    write(&db, &whole);
    let (store, away) = (home.data().join("store"), home.data().join("away"));
    fs::create_dir_all(home.data().join("backups")).unwrap();
    write(&home.data().join("backups/deckhand-2026-03-02-0330.jsonl"), "");
    fs::rename(&store, &away).unwrap();
    let ran = home.run(&["serve"]);
    assert_eq!(ran.code, Some(2), "lost: {ran:?}");
    assert!(ran.err.contains("there is no database in") && ran.err.contains("run `deckhand restore FILE`"), "{ran:?}");
    fs::rename(&away, &store).unwrap();
    let _deckhand = home.start();
    home.assert_sound();
    assert_eq!(home.ledger().len(), 6);
}

#[tokio::test]
async fn nothing_is_proved_or_kept_where_there_is_no_data() {
    let (home, _service) = installation();
    for words in [&["audit", "verify"][..], &["audit", "export"], &["backup", "file"]] {
        let ran = home.run(words);
        assert_eq!((ran.code, &*ran.out), (Some(2), ""), "{words:?}");
        assert!(ran.err.contains("there is no data in"), "{words:?}: {ran:?}");
        assert!(!home.data().exists(), "{words:?} has made data");
    }
}

#[tokio::test]
async fn chat_is_a_terminal_to_the_bot() {
    let (home, _service) = installation();
    let _deckhand = home.start();
    let chat = home.command(&["chat"]);
    let words: Vec<_> =
        std::iter::once(chat.get_program()).chain(chat.get_args()).map(|word| word.to_string_lossy()).collect();
    let mut script = Command::new("script");
    script.args(["--quiet", "--echo", "never", "--command", &words.join(" "), "/dev/null"]);
    script.envs(chat.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
    let mut terminal = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut keys = terminal.stdin.take().unwrap();
    let said =
        async |part: &str| home.answers().await.iter().find(|answer| answer.to_string().contains(part)).map(|_| ());
    keys.write_all(b"deploy sta\t\r").unwrap();
    until_async("the answer is there", async || said("What is live").await).await;
    // What is typed before the prompt is back may be lost.
    let mut left =
        |terminal: &mut Child| terminal.try_wait().unwrap().or_else(|| keys.write_all(b"\x04").ok().and(None));
    until("the terminal is left", || left(&mut terminal));
    let shown = terminal.wait_with_output().unwrap();
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("You are ana in #ops") && shown.contains("What is live"), "{shown}");
}
