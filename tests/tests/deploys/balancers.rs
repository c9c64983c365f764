//! Drill: blue-green and canary through a real nginx and a real HAProxy, under load: no request fails, and a canary gets its share.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]
#![allow(clippy::print_stdout, reason = "the figures are for whoever runs it with --nocapture")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tests::deploys::{config, free_port, serve};
use tests::program::{Home, Service, until, write};

const SERVICE: &str = r#"
command = ["sh", "-c", "echo $2 > $1.new; mv $1.new $1", "x", "{colour}", "{commit}"]
switch = ["sh", "./switch.sh", "{colour}", "{weight}"]
strategy = "{strategy}"
health = { url = "http://127.0.0.1:{files}/{colour}", contains = "{commit}", tries = 3 }
balancer = { url = "http://127.0.0.1:{front}/", contains = "{commit}", tries = 5 }
"#;

const NGINX: &str = "daemon off; pid {d}/nginx.pid; error_log {d}/nginx.log; worker_processes 1;
events { worker_connections 512; }
http { access_log off; client_body_temp_path {d}/t1; proxy_temp_path {d}/t2; fastcgi_temp_path {d}/t3; uwsgi_temp_path {d}/t4;
  scgi_temp_path {d}/t5; include {d}/upstream.conf;
  server { listen 127.0.0.1:{front}; location / { proxy_pass http://app; } } }
";

/// Gives `$1` the share `$2`, and the rest to the other.
const SWITCH: &str = r#"
other=green; [ $1 = green ] && other=blue
server() { [ $2 -eq 0 ] || echo "server 127.0.0.1:$(cat $1.port) weight=$2;"; }
{ echo "upstream app {"; server $1 $2; server $other $((100 - $2)); echo "}"; } > upstream.new
mv upstream.new upstream.conf && /usr/sbin/nginx -p . -c "$PWD/nginx.conf" -s reload && echo $2 > weight
"#;

const HAPROXY: &str = "global
  stats socket {d}/haproxy.sock mode 600 level admin
defaults
  mode http
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend front
  bind 127.0.0.1:{front}
  default_backend app
backend app
  balance roundrobin
  server blue 127.0.0.1:{blue} weight 100
  server green 127.0.0.1:{green} weight 0
";

/// The same over HAProxy's runtime socket. Who gets more is told first, so that there is always somebody to answer.
const RUNTIME: &str = r#"
other=green; [ $1 = green ] && other=blue
python3 -c 'import socket, sys
for line in sys.argv[1:]:
    talk = socket.socket(socket.AF_UNIX); talk.connect("haproxy.sock"); talk.sendall(line.encode() + b"\n")
    said = talk.recv(999).strip()
    if said: sys.exit(said.decode())' "set server app/$1 weight $2" "set server app/$other weight $((100 - $2))" && echo $2 > weight
"#;

/// The balancers that are tried.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Nginx,
    Haproxy,
}

/// The body of an answer that came well.
pub fn ask(port: u16) -> Option<String> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    socket.write_all(b"GET / HTTP/1.1\r\nhost: app\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.starts_with("HTTP/1.1 200") && !body.is_empty()).then(|| body.trim().to_owned())
}

/// An answer, and when it came; nothing where the request failed.
type Answer = (Instant, Option<String>);

/// Somebody who asks all the time, and notes what came of it and when.
pub struct Load {
    stop: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<Answer>>>,
    thread: JoinHandle<()>,
    began: Instant,
}

impl Load {
    pub fn on(port: u16) -> Load {
        let (stop, seen) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (stopped, noted) = (stop.clone(), seen.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                let answer = ask(port);
                noted.lock().unwrap().push((Instant::now(), answer));
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        Load { stop, seen, thread, began: Instant::now() }
    }

    /// The share of those who got `commit` between two moments, in percent, and how many there were.
    fn share(&self, commit: &str, from: Instant, to: Instant) -> (f64, usize) {
        let seen = self.seen.lock().unwrap();
        let within: Vec<_> = seen.iter().filter(|(at, _)| (from..to).contains(at)).collect();
        let got = within.iter().filter(|(_, answer)| answer.as_deref() == Some(commit)).count();
        (100.0 * got as f64 / within.len() as f64, within.len())
    }

    pub fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
        let seen = self.seen.lock().unwrap();
        let rate = seen.len() as f64 / self.began.elapsed().as_secs_f64();
        let failed = seen.iter().filter(|(_, answer)| answer.is_none()).count();
        println!("{} requests, {rate:.0} a second, {failed} failed", seen.len());
        assert!(rate >= 50.0, "only {rate:.0} requests a second");
        assert_eq!(failed, 0, "of {} requests", seen.len());
    }
}

/// What stands in front of two colours; it goes with the drill.
pub struct Balancer(Child);

impl Balancer {
    /// Starts it, and waits until it answers at this port.
    pub fn start(mut command: Command, front: u16) -> Balancer {
        let started = command.stdin(Stdio::null()).spawn();
        let balancer = Balancer(started.unwrap_or_else(|error| panic!("{command:?}: {error}: run `scripts/setup`")));
        until("the balancer answers", || ask(front));
        balancer
    }
}

/// HAProxy with the config `haproxy.cfg`.
pub fn haproxy(home: &Home) -> Command {
    let mut command = Command::new("/usr/sbin/haproxy");
    command.arg("-db").arg("-f").arg(home.path("haproxy.cfg")).current_dir(home.path(""));
    command
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // TERM, so that its workers go with it; ended already is what is wanted.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

fn installation(kind: Kind, strategy: &str) -> (Home, Service, Balancer, u16) {
    let mut home = Home::demo();
    let service = Service::make(&home);
    let folder = home.path("");
    for colour in ["blue", "green"] {
        write(&home.path(colour), service.commit("v1"));
        write(&home.path(&format!("{colour}.port")), serve(folder.clone(), Some(colour)).to_string());
    }
    let front = free_port();
    let port = |colour: &str| std::fs::read_to_string(home.path(&format!("{colour}.port"))).expect("it was written");
    let [blue, green] = ["blue", "green"].map(port);
    let fill = |text: &str| {
        let text = text.replace("{d}", folder.to_str().expect("a path")).replace("{front}", &front.to_string());
        text.replace("{blue}", &blue).replace("{green}", &green)
    };
    write(&home.path("nginx.conf"), fill(NGINX));
    write(&home.path("haproxy.cfg"), fill(HAPROXY));
    write(&home.path("upstream.conf"), format!("upstream app {{ server 127.0.0.1:{blue}; }}"));
    let (switch, mut command) = match kind {
        Kind::Nginx => (SWITCH, Command::new("/usr/sbin/nginx")),
        Kind::Haproxy => (RUNTIME, haproxy(&home)),
    };
    write(&home.path("switch.sh"), switch);
    if matches!(kind, Kind::Nginx) {
        command.arg("-p").arg(&folder).arg("-c").arg(home.path("nginx.conf"));
    }
    let files = serve(folder.clone(), None).to_string();
    let keys = fill(SERVICE).replace("{strategy}", strategy).replace("{files}", &files);
    home.write_config(&config("", &keys));
    (home, service, Balancer::start(command, front), front)
}

/// Waits until everybody gets `commit`: after a reload, nginx lets its old workers answer what they have taken already.
pub fn all_get(front: u16, commit: &str) {
    until("all are served by it", || (0..20).all(|_| ask(front).as_deref() == Some(commit)).then_some(()));
}

fn weighs(home: &Home, weight: &str) -> bool {
    let weight_file: &Path = &home.path("weight");
    std::fs::read_to_string(weight_file).is_ok_and(|text| text.trim() == weight)
}

#[test]
fn blue_and_green_are_switched_and_switched_back_without_a_failed_request() {
    [Kind::Nginx, Kind::Haproxy].into_iter().for_each(switched);
}

fn switched(kind: Kind) {
    println!("{kind:?}");
    let (home, service, _balancer, front) = installation(kind, "blue-green");
    let deckhand = home.start();
    let load = Load::on(front);
    for (line, live) in [
        ("deploy ship app staging v1", "v1"),
        ("deploy ship app staging v2", "v2"),
        ("deploy rollback app staging", "v1"),
        ("deploy ship app staging v3", "v3"),
    ] {
        let said = home.say(line);
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
        all_get(front, &service.commit(live));
    }
    load.end();
    deckhand.stop();
}

#[test]
fn a_canary_gets_its_share_and_no_request_fails() {
    [Kind::Nginx, Kind::Haproxy].into_iter().for_each(shared);
}

fn shared(kind: Kind) {
    println!("{kind:?}");
    let (home, service, _balancer, front) =
        installation(kind, "canary\"\nhold = \"8s\"\nweights = [\"5%\", \"25%\", \"50%\", \"100%\"]\nfolder = \".");
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    let load = Load::on(front);
    let said = home.begin(&["say", "deploy ship app staging v2"]);
    for weight in [5, 25, 50] {
        until("the canary has its share", || weighs(&home, &weight.to_string()).then_some(()));
        std::thread::sleep(Duration::from_millis(800));
        let from = Instant::now();
        std::thread::sleep(Duration::from_secs(4));
        let (share, answers) = load.share(&service.commit("v2"), from, Instant::now());
        println!("the canary with {weight} % got {share:.1} % of {answers} requests");
        assert!((share - f64::from(weight)).abs() <= 5.0, "{weight} %: {share:.1} % of {answers}");
    }
    let said = said.end();
    assert_eq!(said.code, Some(0), "{said:?}");
    all_get(front, &service.commit("v2"));
    load.end();
    deckhand.stop();
}
