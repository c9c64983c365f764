//! Drill: a rolling deploy takes each target out of a real HAProxy before it ships to it, and no request fails, not even
//! when one in the middle does not come up again.

use super::balancers::{Balancer, Load, all_get, haproxy};
use tests::deploys::{config, free_port, serve};
use tests::program::{Home, Service, write};

const WEBS: [&str; 3] = ["web1", "web2", "web3"];

const SERVICE: &str = r#"
command = ["python3", "roll.py", "{target}", "{commit}"]
strategy = "rolling"
limit = "1m"
health = { url = "http://127.0.0.1:{files}/{target}", contains = "{commit}", tries = 3 }

[services.app.deploy.targets.staging]
web1 = { host = "127.0.0.1" }
web2 = { host = "127.0.0.1" }
web3 = { host = "127.0.0.1" }
"#;

/// Nothing is tried again behind the drill's back.
const HAPROXY: &str = "global
  stats socket {d}/haproxy.sock mode 600 level admin
defaults
  mode http
  retries 0
  timeout connect 5s
  timeout client 10s
  timeout server 10s
frontend front
  bind 127.0.0.1:{front}
  default_backend app
backend app
  balance roundrobin
";

/// Ships to one site, which serves nobody meanwhile: HAProxy gives it no new requests, and those that it has come to an
/// end first. A sick site stays out.
const ROLL: &str = r#"
import os, socket, sys, time
site, commit = sys.argv[1:]
def say(line):
    talk = socket.socket(socket.AF_UNIX)
    talk.connect("haproxy.sock")
    talk.sendall(line.encode() + b"\n")
    return b"".join(iter(lambda: talk.recv(65536), b"")).decode()
def sessions():
    rows = [row.split(",") for row in say("show stat").splitlines()]
    return next(int(row[4]) for row in rows if row[:2] == ["app", site])
open("begun", "a").write(f"{site} {commit}\n")
say(f"set server app/{site} state drain")
while sessions():
    time.sleep(0.02)
if os.path.exists(site):
    os.remove(site)
time.sleep(0.3)
if os.path.exists(f"{site}.{commit}.sick"):
    sys.exit("it does not come up")
open(site, "w").write(commit)
say(f"set server app/{site} state ready")
"#;

fn installation() -> (Home, Service, Balancer, u16) {
    let mut home = Home::demo();
    let service = Service::make(&home);
    let (folder, front) = (home.path(""), free_port());
    let mut balancer = HAPROXY.replace("{d}", &folder.display().to_string()).replace("{front}", &front.to_string());
    for web in WEBS {
        write(&home.path(web), service.commit("v1"));
        balancer += &format!("  server {web} 127.0.0.1:{}\n", serve(folder.clone(), Some(web)));
    }
    write(&home.path("haproxy.cfg"), balancer);
    write(&home.path("roll.py"), ROLL);
    home.write_config(&config("", &SERVICE.replace("{files}", &serve(folder, None).to_string())));
    let balancer = Balancer::start(haproxy(&home), front);
    (home, service, balancer, front)
}

#[test]
fn each_target_is_drained_first_and_no_request_fails() {
    let (home, service, _balancer, front) = installation();
    let deckhand = home.start();
    let load = Load::on(front);
    for reference in ["v1", "v2", "v3"] {
        let said = home.say(&format!("deploy ship app staging {reference}"));
        assert_eq!(said.code, Some(0), "{said:?}");
        all_get(front, &service.commit(reference));
    }
    load.end();
    deckhand.stop();
}

#[test]
fn a_sick_target_stops_it_and_those_before_go_back_without_a_failed_request() {
    let (home, service, _balancer, front) = installation();
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    let [first, second] = ["v1", "v2"].map(|tag| service.commit(tag));
    write(&home.path(&format!("web2.{second}.sick")), "");
    write(&home.path("begun"), "");
    let load = Load::on(front);
    let said = home.say("deploy ship app staging v2");
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.out.contains("was put back on web1, web2, and is well"), "{said:?}");
    let begun = String::from_utf8(tests::program::read(&home.path("begun"))).expect("text");
    let mut begun: Vec<_> = begun.lines().collect();
    // Both go back at once.
    begun[2..].sort_unstable();
    let wanted = [("web1", &second), ("web2", &second), ("web1", &first), ("web2", &first)];
    assert_eq!(begun, wanted.map(|(web, commit)| format!("{web} {commit}")));
    all_get(front, &first);
    load.end();
    deckhand.stop();
}
