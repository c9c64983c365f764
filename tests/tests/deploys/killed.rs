//! Drill: Deckhand is killed at any moment of a deploy, with every driver and strategy. Nothing is begun twice, nothing
//! stays stuck, and the message that was there tells the truth, or that nobody knows it.
//! `scripts/drill deploys --rounds 200 killed` runs longer.

#![allow(clippy::print_stdout, reason = "the figures are for whoever runs it with --nocapture")]

use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tests::deploys::{config, end_of, last_word, serve};
use tests::drill::{rounds, wait_up_to};
use tests::program::{Deckhand, Home, Service, until, until_async, write};
use tests::sshd::{Sshd, peer};

/// What every driver comes to at last: it notes that it was begun, and when it is over; in between it does what `how.sh`
/// says, and lets its place have the commit.
const TO: &str = r#"place=${DECKHAND_TARGET:-${DECKHAND_COLOUR:-live}}
echo "$place $1" >> begun; trap 'echo "$place" >> over' EXIT
. ./how.sh; echo "$1" > "$place.new"; mv "$place.new" "$place"
"#;

const SWITCH: &str = r#"echo "$1 $2" > serving.new; mv serving.new serving"#;

const PLAYBOOK: &str = r#"
- hosts: web
  gather_facts: false
  tasks:
    - ansible.builtin.raw: "cd {{ home }} && DECKHAND_TARGET={{ inventory_hostname }} sh to.sh {{ deckhand_commit }}"
"#;

const COMMAND: &str = r#"
command = ["sh", "to.sh", "{commit}"]
limit = "1m"
"#;

const WEBS: &str = r#"
[services.app.deploy.targets.staging]
web1 = { host = "127.0.0.1" }
web2 = { host = "127.0.0.1" }
web3 = { host = "127.0.0.1" }
"#;

const COLOURS: &str = r#"
switch = ["sh", "switch.sh", "{colour}", "{weight}"]
health = { url = "{files}/{colour}", contains = "{commit}", tries = 2, pause = "1s" }
"#;

const OVER_SSH: &str = r#"
driver = "ssh"
remote_folder = "{home}"
ssh = { known_hosts = "{known}", port = {port}, identity = "{key}" }
"#;

const ANSIBLE: &str = r#"
driver = "ansible"
program = "{ansible}/bin/ansible-playbook"
playbook = "site.yml"
inventory = "hosts.ini"
limit = "2m"
extra = { home = "{home}" }
variables = { PYTHONPATH = "{ansible}", ANSIBLE_LOCAL_TEMP = "{data}/ansible", ANSIBLE_HOME = "{data}/ansible" }
"#;

const WEBHOOK: &str = r#"
driver = "webhook"
limit = "1m"
start = { url = "{ships}/runs", body = '{"commit": "{commit}"}' }
poll = { url = "{ships}/runs/{id}", every = "1s", good = ["good"], failed = ["failed"] }
log = { url = "{ships}/runs/{id}/log" }
"#;

const HEALTH: &str = r#"
health = { url = "{files}/live", contains = "{commit}", tries = 2, pause = "1s" }
"#;

/// What a program does between its begin and its end: some end before the kill, some while Deckhand is away, some after
/// it is back; and some fail.
const HOWS: [&str; 4] = ["sleep 0.1", "sleep 0.7", "sleep 2; echo late", "sleep 0.4; exit 3"];

/// An installation, and the places that a release has to come to.
struct Rig {
    home: Home,
    service: Service,
    places: &'static [&'static str],
    /// What is live by all that is known.
    live: String,
    _sshd: Option<Sshd>,
}

/// The one place of an environment that is one whole; its targets; and none where colours serve.
const WHOLE: &[&str] = &["live"];
const TARGETS: &[&str] = &["web1", "web2", "web3"];
const SERVING: &[&str] = &[];

impl Rig {
    fn new(places: &'static [&'static str], keys: &str) -> Rig {
        let mut home = Home::demo();
        let service = Service::make(&home);
        write(&home.path("to.sh"), TO);
        write(&home.path("switch.sh"), SWITCH);
        let folder = home.path("");
        let files = format!("http://127.0.0.1:{}", serve(folder.clone(), None));
        let mut keys = keys.replace("{files}", &files).replace("{home}", &folder.display().to_string());
        if keys.contains("{ships}") {
            keys = keys.replace("{ships}", &format!("http://127.0.0.1:{}", ships(folder)));
        }
        let sshd = (keys.contains("{port}") || keys.contains("{ansible}")).then(Sshd::start);
        if let Some(sshd) = &sshd {
            let port = sshd.port().to_string();
            let known = sshd.known_hosts().display().to_string();
            let key = sshd.key().display().to_string();
            keys = keys.replace("{port}", &port).replace("{known}", &known).replace("{key}", &key);
            if keys.contains("{ansible}") {
                keys = keys.replace("{ansible}", &peer("ansible").display().to_string());
                write(&home.path("site.yml"), PLAYBOOK);
                let hosts = TARGETS.join("\n");
                let options = format!("-F none -o UserKnownHostsFile={known} -o StrictHostKeyChecking=yes");
                let vars = format!(
                    "ansible_host=127.0.0.1\nansible_port={port}\nansible_ssh_private_key_file={key}\nansible_ssh_common_args='{options}'\n"
                );
                write(&home.path("hosts.ini"), format!("[web]\n{hosts}\n[web:vars]\n{vars}"));
            }
        }
        home.write_config(&config("grace = \"5s\"", &keys));
        Rig { home, service, places, live: String::new(), _sshd: sshd }
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.home.path(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// What people are served, at each place that serves any.
    fn served(&self) -> BTreeSet<String> {
        let colour = self.lines("serving").pop().unwrap_or_default();
        let colour = colour.split(' ').next().unwrap_or_default();
        let colours = [colour];
        let places = if self.places.is_empty() { &colours[..] } else { self.places };
        places.iter().map(|place| self.lines(place).join("")).collect()
    }

    fn serves(&self, commit: &str) -> bool {
        self.served() == BTreeSet::from([commit.to_owned()])
    }

    /// Ships, undisturbed.
    fn ship(&mut self, reference: &str, what: &str) {
        self.service.how("");
        let shipped = self.home.say(&format!("deploy ship app staging {reference}"));
        assert_eq!(shipped.code, Some(0), "{what}: {shipped:?}\n{}", self.home.log());
        self.live = self.service.commit(reference);
        assert!(self.serves(&self.live), "{what}: {:?}", self.served());
    }

    /// Waits for a moment, which is another one each time.
    fn moment(&self, round: u32, entries: usize, begun: usize) {
        let began = Instant::now();
        let patient = || began.elapsed() < Duration::from_secs(20);
        match round % 3 {
            0 => {}
            1 => {
                while self.lines("begun").len() == begun && patient() {
                    std::thread::sleep(Duration::from_micros(200));
                }
            }
            _ => while self.home.ledger().len() == entries && patient() {},
        }
        wait_up_to(Duration::from_millis([2500, 10, 2500][round as usize % 3]));
    }

    async fn settled(&self, what: &str) {
        let open = || {
            let entries = self.home.ledger();
            let ended: BTreeSet<_> = entries.iter().filter_map(|entry| entry["of"].as_u64()).collect();
            let mut doing = entries.iter().filter(|entry| entry["phase"] == "doing");
            doing.any(|entry| !entry["seq"].as_u64().is_some_and(|number| ended.contains(&number)))
        };
        until(&format!("{what}: every act has an end"), || (!open()).then_some(()));
        let over = async || self.home.answers().await.iter().all(|it| it["reply"]["state"] == "final").then_some(());
        until_async(&format!("{what}: every message has an end"), over).await;
        // What Deckhand has lost sight of ends as well.
        let all_over = || (self.lines("begun").len() == self.lines("over").len()).then_some(());
        until(&format!("{what}: whatever was begun is over"), all_over);
    }

    async fn round(&mut self, mut deckhand: Deckhand, round: u32, name: &str) -> Deckhand {
        let reference = if self.live == self.service.commit("v1") { "v2" } else { "v1" };
        let (commit, how) = (self.service.commit(reference), HOWS[(round / 3) as usize % HOWS.len()]);
        let what = format!("{name}, round {round}: {reference}, `{how}`");
        self.service.how(how);
        let (entries, begun) = (self.home.ledger().len(), self.lines("begun").len());
        let said = self.home.begin(&["say", &format!("deploy ship app staging {reference}")]);
        self.moment(round, entries, begun);
        deckhand.kill();
        drop(said.end());
        if round.is_multiple_of(2) {
            wait_up_to(Duration::from_millis(2000));
        }
        deckhand = self.home.start();
        if round % 4 == 1 {
            // Killed again, while it waits or looks.
            wait_up_to(Duration::from_millis(1000));
            deckhand.kill();
            deckhand = self.home.start();
        }
        self.settled(&what).await;
        if self.judge(&what, reference, &commit, entries, begun).await {
            self.say_what_is_live(&what);
        }
        if !self.serves(&self.live) {
            self.ship("v3", &format!("{what}, and the next one"));
        }
        deckhand
    }

    /// Says what is live, where nobody knows how a deploy ended: nothing is shipped before that.
    fn say_what_is_live(&mut self, what: &str) {
        let begun = self.lines("begun").len();
        let refused = self.home.say("deploy ship app staging v3");
        assert!(refused.code == Some(1) && self.lines("begun").len() == begun, "{what}: {refused:?}");
        let served = self.served();
        let tag = ["v1", "v2"].into_iter().find(|tag| served.contains(&self.service.commit(tag))).unwrap_or("v1");
        let settled = self.home.say(&format!("deploy settle app staging {tag}"));
        assert_eq!(settled.code, Some(0), "{what}: {settled:?}");
        self.live = self.service.commit(tag);
    }

    /// Holds what is said against what is so, and returns whether people have to say what is live.
    async fn judge(&mut self, what: &str, reference: &str, commit: &str, entries: usize, begun: usize) -> bool {
        let begun = &self.lines("begun")[begun..];
        let once: BTreeSet<_> = begun.iter().collect();
        assert_eq!(once.len(), begun.len(), "{what}: something was begun twice: {begun:#?}");
        let new: Vec<_> = self.home.ledger().into_iter().skip(entries).collect();
        let acts: Vec<_> = new.iter().filter(|entry| entry["phase"] == "doing").collect();
        let Some(doing) = acts.first() else {
            assert!(begun.is_empty() && self.serves(&self.live), "{what}: begun, and not on the ledger");
            return false;
        };
        assert_eq!(acts.len(), 1, "{what}: {new:#?}");
        let (id, end) = (&doing["place"]["message"], end_of(&self.home, &doing["seq"]));
        let ended = new.iter().find(|entry| entry["of"] == doing["seq"]);
        let held = ended.is_some_and(|entry| entry["note"].as_str().is_some_and(|note| note.contains("not known: ")));
        let reply = last_word(&self.home, id).await;
        let says = reply.to_string();
        let told = format!("{what}: {end}, {:?} is served, {} was live\n{reply:#}", self.served(), self.live);
        assert_eq!(held, says.contains("/deploy settle"), "{told}");
        let tone = if end == "did" { ["good"; 2] } else { ["bad", "warn"] }[usize::from(held)];
        assert_eq!(reply["card"]["tone"], tone, "{told}");
        let named = format!("\"#{}\"", doing["seq"]);
        let about = self.home.answers().await.iter().filter(|it| it.to_string().contains(&named)).count();
        assert_eq!(about, 1, "{told}: more than one message tells of it");
        let log = self.home.data().join(format!("files/deploy-{}-app-staging.log", doing["seq"]));
        let log = std::fs::read_to_string(log).unwrap_or_default();
        let runs = log.lines().filter(|line| line.starts_with("== Run ")).count();
        assert!(runs <= 1 && (runs == 1 || !what.starts_with("webhook") || end != "did"), "{told}: its log is\n{log}");
        let in_doubt = ["not known", "nobody knows", "Look at once"].iter().any(|doubt| says.contains(doubt));
        if end == "did" {
            assert!(self.serves(commit), "{told}");
            commit.clone_into(&mut self.live);
        } else if !in_doubt {
            assert!(self.serves(&self.live), "{told}");
        }
        let is_not_live = says.contains(&format!("{reference} ({}) is not live", &commit[..7]));
        assert!(!(is_not_live && self.serves(commit)), "{told}");
        let (status, line) = (self.home.say("deploy status").out, self.home.say("queue list").out);
        assert!(!status.contains("under way") && !line.contains("ana"), "{told}: {status} {line}");
        assert!(in_doubt || status.contains(&self.live[..7]), "{told}: {status}");
        held
    }
}

async fn killed(name: &str, usual: u32, mut rig: Rig) {
    let mut deckhand = rig.home.start();
    rig.ship("v1", name);
    // What somebody holds is held all the same.
    let lock = rig.home.say("lock take env:staging service:app because:drill");
    assert_eq!(lock.code, Some(0), "{lock:?}");
    for round in 0..rounds(usual) {
        deckhand = rig.round(deckhand, round, name).await;
    }
    assert_eq!(rig.home.say("lock release env:staging service:app").code, Some(0));
    rig.ship("v3", name);
    rig.home.assert_sound();
    deckhand.stop();
}

#[tokio::test]
async fn with_a_program() {
    killed("a program", 4, Rig::new(WHOLE, &[COMMAND, HEALTH].concat())).await;
}

#[tokio::test]
async fn with_a_program_that_nothing_checks() {
    killed("an unchecked program", 4, Rig::new(WHOLE, COMMAND)).await;
}

#[tokio::test]
async fn with_a_program_for_each_target() {
    killed("a program for each target", 4, Rig::new(TARGETS, &[COMMAND, WEBS].concat())).await;
}

#[tokio::test]
async fn in_batches() {
    let keys = [COMMAND, "strategy = \"rolling\"\n", &HEALTH.replace("live", "{target}"), WEBS].concat();
    killed("rolling", 6, Rig::new(TARGETS, &keys)).await;
}

#[tokio::test]
async fn between_blue_and_green() {
    let keys = [COMMAND, "strategy = \"blue-green\"\n", COLOURS].concat();
    killed("blue-green", 6, Rig::new(SERVING, &keys)).await;
}

#[tokio::test]
async fn with_a_canary() {
    let keys = [COMMAND, "strategy = \"canary\"\nweights = [\"50%\", \"100%\"]\nhold = \"1s\"\n", COLOURS].concat();
    killed("a canary", 6, Rig::new(SERVING, &keys)).await;
}

#[tokio::test]
async fn over_ssh() {
    let keys = [COMMAND, OVER_SSH, &HEALTH.replace("live", "{target}"), WEBS].concat();
    killed("ssh", 4, Rig::new(TARGETS, &keys)).await;
}

#[tokio::test]
async fn with_ansible() {
    killed("ansible", 3, Rig::new(TARGETS, ANSIBLE)).await;
}

#[tokio::test]
async fn over_http() {
    killed("webhook", 4, Rig::new(WHOLE, &[WEBHOOK, HEALTH].concat())).await;
}

/// A service that ships: `POST /runs` starts `to.sh` with the commit of its JSON, and `GET /runs/N` tells how it stands.
/// Returns its port.
fn ships(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = listener.local_addr().expect("it listens").port();
    std::thread::spawn(move || {
        let mut runs = Vec::new();
        for socket in listener.incoming().flatten() {
            // Whoever asks may be killed in the middle of it.
            let _ = answer(socket, &folder, &mut runs);
        }
    });
    port
}

fn answer(mut socket: TcpStream, folder: &Path, runs: &mut Vec<Child>) -> std::io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    let (mut asked, mut chunk) = (String::new(), [0; 4096]);
    while !asked.starts_with("GET ") && !asked.ends_with('}') || !asked.contains("\r\n\r\n") {
        match socket.read(&mut chunk)? {
            0 => return Ok(()),
            read => asked += &String::from_utf8_lossy(&chunk[..read]),
        }
    }
    let said = if asked.starts_with("POST ") {
        let body: Value = serde_json::from_str(asked.split_once("\r\n\r\n").map_or("", |(_, body)| body))?;
        let mut to = Command::new("sh");
        to.args(["to.sh", body["commit"].as_str().unwrap_or_default()]).current_dir(folder).stdin(Stdio::null());
        runs.push(to.spawn()?);
        // It is at work before anybody hears of it.
        std::thread::sleep(Duration::from_millis(50));
        format!("{{\"id\": {}}}", runs.len() - 1)
    } else {
        let id = asked.split([' ', '/']).nth(3).and_then(|id| id.parse::<usize>().ok());
        let run = id.and_then(|id| runs.get_mut(id)).ok_or(std::io::ErrorKind::NotFound)?;
        let state = run.try_wait()?.map_or("running", |status| if status.success() { "good" } else { "failed" });
        match asked.contains("/log ") {
            true => format!("it is {state}\n"),
            false => format!("{{\"state\": \"{state}\"}}"),
        }
    };
    let head = format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", said.len());
    socket.write_all((head + &said).as_bytes())
}
