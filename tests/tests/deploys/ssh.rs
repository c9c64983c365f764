//! Drill: the driver `ssh` ships to three targets over a real sshd, believes no other host key, and leaves nothing behind.

use std::path::Path;
use tests::deploys::config;
use tests::program::{Home, Service, until, write};
use tests::sshd::Sshd;

const SERVICE: &str = r#"
driver = "ssh"
command = ["sh", "-c", "echo ${HOSTILE} > ${SITE}/said; echo $$ > ${SITE}/pid; . ${SITE}/how; echo $1 > ${SITE}/release", "x", "{commit}"]
variables = { HOSTILE = "it's; touch pwned $(touch pwned) `touch pwned`" }
strategy = "rolling"
limit = "1m"
ssh = { known_hosts = "known", port = {port}, identity = "{key}" }

[services.app.deploy.targets.staging]
web1 = { host = "127.0.0.1", variables = { SITE = "{web1}" } }
web2 = { host = "127.0.0.1", variables = { SITE = "{web2}" } }
web3 = { host = "127.0.0.1", variables = { SITE = "{web3}" } }
"#;

const WEBS: [&str; 3] = ["web1", "web2", "web3"];

/// An installation with three targets, all of them this machine, each with a folder of its own.
fn installation() -> (Home, Service, Sshd) {
    let (mut home, sshd) = (Home::demo(), Sshd::start());
    let service = Service::make(&home);
    std::fs::copy(sshd.known_hosts(), home.path("known")).expect("a file");
    let keys = SERVICE.replace("{port}", &sshd.port().to_string()).replace("{key}", &sshd.key().display().to_string());
    // What a program sees in its environment is not for Deckhand to fill in.
    let keys = keys.replace("${HOSTILE}", "\\\"$HOSTILE\\\"").replace("${SITE}", "$SITE");
    let at = |keys: String, web: &&str| keys.replace(&format!("{{{web}}}"), &sshd.site(web).display().to_string());
    home.write_config(&config("grace = \"1s\"", &WEBS.iter().fold(keys, at)));
    WEBS.iter().for_each(|web| write(&sshd.site(web).join("how"), ""));
    (home, service, sshd)
}

fn has(folder: &Path, file: &str) -> String {
    std::fs::read_to_string(folder.join(file)).unwrap_or_default().trim().to_owned()
}

#[test]
fn it_ships_to_each_target_and_what_it_is_told_stays_words() {
    let (home, service, sshd) = installation();
    let deckhand = home.start();
    let shipped = home.say("deploy ship app staging v1");
    assert_eq!(shipped.code, Some(0), "{shipped:?}\n{}", sshd.log());
    for web in WEBS {
        let site = sshd.site(web);
        assert_eq!(has(&site, "release"), service.commit("v1"), "{web}");
        assert_eq!(has(&site, "said"), "it's; touch pwned $(touch pwned) `touch pwned`", "{web}");
    }
    deckhand.stop();
}

#[test]
fn a_host_key_that_is_not_known_is_refused() {
    let (home, _service, sshd) = installation();
    let known = has(&home.path(""), "known").replace("AAAAC3Nza", "AAAAC3Nzb");
    write(&home.path("known"), known);
    let deckhand = home.start();
    let refused = home.say("deploy ship app staging v1");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.out.contains("exit status 255"), "{refused:?}");
    assert_eq!(has(&sshd.site("web1"), "release"), "");
    deckhand.stop();
}

#[test]
fn a_cancel_ends_the_program_over_there() {
    let (home, service, sshd) = installation();
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    let site = sshd.site("web1");
    std::fs::remove_file(site.join("pid")).expect("it ran");
    write(
        &site.join("how"),
        "[ $1 = old ] || { trap '' TERM; sleep 50 & sleep 50; sleep 50; }\n".replace("old", &service.commit("v1")),
    );
    let said = home.begin(&["say", "deploy ship app staging v2"]);
    let pid = until("it runs over there", || Some(has(&site, "pid")).filter(|pid| !pid.is_empty()));
    assert_eq!(home.say("deploy cancel app staging").code, Some(0));
    let told = said.end();
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.out.contains("ana cancelled it") && told.out.contains("was put back on web1"), "{told:?}");
    let running = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "));
    until("nothing is left over there", || (!running()).then_some(()));
    for web in WEBS {
        assert_eq!(has(&sshd.site(web), "release"), service.commit("v1"), "{web}");
    }
    deckhand.stop();
}

/// The number of the process that has started this one.
fn parent(pid: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("PPid:")).expect("it has a parent");
    line.trim().to_owned()
}

/// Ships v1 everywhere, then v2 to `web1`, where it runs for long, and forgets the key by which that could be reached once
/// more. `lose` does what ends the deploy; then the target is held, and what runs there still does.
fn out_of_reach(lose: impl Fn(&Home, &str)) {
    let (home, service, sshd) = installation();
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    let (site, known) = (sshd.site("web1"), has(&home.path(""), "known"));
    std::fs::remove_file(site.join("pid")).expect("it ran");
    write(&site.join("how"), format!("while [ -e {} ]; do sleep 0.1; done\n", site.join("runs").display()));
    write(&site.join("runs"), "");
    let said = home.begin(&["say", "deploy ship app staging v2"]);
    let pid = until("it runs over there", || Some(has(&site, "pid")).filter(|pid| !pid.is_empty()));
    write(&home.path("known"), "");
    lose(&home, &pid);
    let told = said.end();
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.out.contains("may go on on `web1`") && told.out.contains("/deploy settle"), "{told:?}");
    assert!(!told.out.contains("put back"), "{told:?}");
    write(&home.path("known"), known);
    assert_eq!(home.say("deploy ship app staging v1").code, Some(1), "nothing comes between what still goes on");
    std::fs::remove_file(site.join("runs")).expect("it is there");
    until("it ends over there", || (has(&site, "release") == service.commit("v2")).then_some(()));
    assert_eq!(home.say("deploy settle app staging v1").code, Some(0));
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    assert_eq!(has(&site, "release"), service.commit("v1"));
    deckhand.stop();
}

#[test]
fn a_cancel_that_does_not_reach_its_program_holds_the_target() {
    out_of_reach(|home, _| assert_eq!(home.say("deploy cancel app staging").code, Some(0)));
}

#[test]
fn a_connection_that_is_lost_holds_the_target() {
    out_of_reach(|_, pid| {
        let session = parent(&parent(pid));
        let ended = std::process::Command::new("kill").args(["-s", "KILL", "--", &session]).status();
        assert!(ended.is_ok_and(|status| status.success()), "the connection's process is {session}");
    });
}
