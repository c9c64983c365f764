//! Whole files, good and bad: what is read from them, and what is told about them.

mod mistakes;

use super::*;
use chrono_tz::Asia;
use std::{fs, time::Duration};

const GOOD: &str = r##"
data = "state"
timezone = "Asia/Seoul"
environments = ["staging", "production"]

[services.hello]
about = "a small page"
repository = "repositories/hello"
[services.hello.deploy]
run = ["./ship", "--now"]
[services.shop]
repository = "git@git.example:shop.git"

[people.ana]
roles = ["deployer", "lead"]
discord = "1234"
irc = "ana"
[people.dan]

[roles.deployer]
discord = ["77", "78"]
[roles.guest]
discord = ["79"]
[channels.ops]
discord = "501"
irc = "#ops"

[[policy]]
allow = "deploy ship env=staging"
to = ["deployer", "dan", "guest"]
in = ["ops"]
during = "Mon-Fri 09:00-18:00"
confirm = true
code = "15m"
approve = 1
approvers = ["lead", "dan", "guest"]
within = "1h"
[[policy]]
deny = "deploy ship env=production"
to = ["everyone"]

[console]
listen = "127.0.0.1:0"
speak_as = ["dan"]
channels = ["ops", "random"]

[backup]
at = "0 4 * * *"
keep = 30

[deploy]
token = "${TOKEN}"
timeout = "1h30m"
"##;

fn env(name: &str) -> Option<String> {
    let known = [("TOKEN", "hunter2-and-more"), ("ROLE", "Hunter2-And-More"), ("HOME", "/home/ana")];
    known.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into())
}

pub(crate) fn read(text: &str) -> (Config, Problems) {
    parse(text, "deckhand.toml", Path::new("/etc/deckhand"), &env)
}

/// All that is told about a text whose plugins are `deploy` and `flags`.
fn told(text: &str) -> String {
    let (config, problems) = read(text);
    config.section("deploy", &problems);
    config.service_sections("deploy", &problems);
    config.unclaimed(&["deploy", "flags"], &problems);
    config.check_platforms(&["discord", "irc"], &problems);
    problems.to_string().replace("deckhand.toml:", "")
}

#[test]
fn a_good_file_is_read_whole() {
    assert_eq!(told(GOOD), "");
    let (config, _) = read(GOOD);
    assert_eq!(config.data.as_deref(), Some(Path::new("/etc/deckhand/state")));
    assert_eq!(config.zone, Asia::Seoul);
    assert_eq!(config.environments, ["staging", "production"]);
    assert_eq!(config.services["hello"].about, "a small page");
    assert_eq!(config.services["hello"].repository.as_deref(), Some("/etc/deckhand/repositories/hello"));
    assert_eq!(config.services["shop"].repository.as_deref(), Some("git@git.example:shop.git"));
    assert_eq!(config.people["ana"].roles, ["deployer", "lead"]);
    assert_eq!(config.people["ana"].ids["discord"], "1234");
    assert_eq!(config.people["dan"].place.to_string(), "deckhand.toml:18:9");
    assert_eq!(config.roles["deployer"]["discord"], ["77", "78"]);
    assert_eq!((&*config.rooms["ops"]["discord"], &*config.rooms["ops"]["irc"]), ("501", "#ops"));
    let [allow, deny] = &config.policy[..] else { panic!("two rules") };
    assert_eq!((allow.allow, allow.line.as_str(), allow.confirm), (true, "deploy ship env=staging", true));
    assert_eq!(
        (&allow.to[..], &allow.channels[..]),
        (&["deployer".into(), "dan".into(), "guest".into()][..], &["ops".into()][..])
    );
    assert_eq!(allow.during.as_ref().map(ToString::to_string).as_deref(), Some("Mon-Fri 09:00-18:00"));
    assert_eq!(allow.place.to_string(), "deckhand.toml:29:9");
    assert_eq!((allow.code, deny.code), (Some(Duration::from_secs(900)), None));
    let approve = allow.approve.as_ref().expect("somebody has to approve");
    assert_eq!((approve.quorum, approve.approvers.len(), approve.within), (1, 3, Duration::from_secs(3600)));
    assert_eq!((deny.allow, deny.during.is_none(), deny.confirm), (false, true, false));
    assert_eq!(
        config.console,
        Console { listen: ([127, 0, 0, 1], 0).into(), public_url: None, speak_as: vec!["dan".into()] }
    );
    assert_eq!(config.channels, ["ops", "random"]);
    assert_eq!((config.backup.at.as_str(), config.backup.keep), ("0 4 * * *", 30));
    assert_eq!(config.backup.place.to_string(), "deckhand.toml:48:6");
    assert_eq!(config.secrets, ["hunter2-and-more"]);
}

#[test]
fn what_is_left_out_has_a_default() {
    let (config, problems) = read("[people.ana]\n[people.dan]\n");
    assert_eq!(problems.to_string(), "");
    assert_eq!((config.zone, config.data), (Tz::UTC, None));
    assert_eq!(
        config.console,
        Console { listen: ([127, 0, 0, 1], 7878).into(), public_url: None, speak_as: vec!["ana".into(), "dan".into()] }
    );
    assert_eq!(config.channels, ["ops"]);
    assert_eq!((config.backup.at.as_str(), config.backup.keep), ("30 3 * * *", 7));
}

#[test]
fn five_mistakes_are_told_at_once() {
    let text = r#"timezone = "Asia/Seol"
environments = ["staging", "Production"]

[people.ana]
roles = ["deployer"]

[[policy]]
allow = "deploy ship env=staging"
to = ["deployr"]

[backup]
keep = 400

[deploi]
driver = "command"
"#;
    assert_eq!(
        told(text),
        "1:12: there is no time zone `Asia/Seol`; write `Asia/Seoul`\n\
         2:28: `Production` can not be the name of an environment; write `production`\n\
         9:7: nobody has the role `deployr`, nor is it a person; write `deployer`\n\
         12:8: `keep` is 400; write a number from 1 to 365\n\
         14:2: nothing reads `deploi`; write `deploy`, or take it out\n"
    );
}

#[test]
fn a_repository_is_a_path_or_an_address_that_git_only_reads_from() {
    let repository = |value: &str| {
        let (mut config, problems) = read(&format!("[services.shop]\nrepository = \"{value}\""));
        assert_eq!(problems.is_empty(), config.services["shop"].repository.is_some(), "{value}");
        config.services.remove("shop").and_then(|shop| shop.repository)
    };
    for (value, read) in [
        ("https://git.example/shop.git", Some("https://git.example/shop.git")),
        ("ssh://git@git.example/shop", Some("ssh://git@git.example/shop")),
        ("git.example:shop", Some("git.example:shop")),
        ("../shop", Some("/etc/deckhand/../shop")),
        ("~/shop", Some("/home/ana/shop")),
        ("/srv/shop", Some("/srv/shop")),
        ("-shop", Some("/etc/deckhand/-shop")),
        ("ext::sh -c reboot", None),
        ("--upload-pack=reboot:x", None),
        ("ssh://-oProxyCommand=reboot/x", None),
        ("gopher://git.example/shop", None),
        ("git.example:a\\nb", None),
        ("", None),
    ] {
        assert_eq!(repository(value).as_deref(), read, "{value}");
    }
}

#[test]
fn a_torn_file_tells_its_tears_and_all_else_but_what_may_stand_in_them() {
    let text = r#"data =
timezone = "Asia/Seol"
[people.ana
roles = ["lead"]
[[policy]]
allow = "deploy ship"
to = ["lead"]
[[policy]]
allow = "deploy ship"
[backup]
keep = 0
"#;
    assert_eq!(
        told(text),
        "1:7: this is no TOML: string values must be quoted, expected literal string; correct this line\n\
         2:12: there is no time zone `Asia/Seol`; write `Asia/Seoul`\n\
         3:12: this is no TOML: unclosed table, expected `]`; correct this line\n\
         11:8: `keep` is 0; write a number from 1 to 365\n"
    );
}

#[test]
fn a_file_cut_off_anywhere_is_told_at_places_within_it() {
    for end in (0..GOOD.len()).filter(|end| GOOD.is_char_boundary(*end)) {
        let (config, problems) = read(&GOOD[..end]);
        config.unclaimed(&["deploy"], &problems);
        let lines = GOOD[..end].lines().count() + 1;
        assert!(problems.list().iter().all(|problem| (1..=lines).contains(&problem.place.line)), "{problems}");
    }
}

#[test]
fn a_file_of_another_kind_is_told_soon() {
    let log = "2026-11-21 02:00:00 [info] = nothing here is a config\n".repeat(19_000);
    let start = std::time::Instant::now();
    let (_, problems) = read(&log);
    assert_eq!(problems.list().len(), 19_000);
    assert!(start.elapsed() < Duration::from_secs(20), "a debug build needs a second");
}

#[test]
fn no_secret_is_told() {
    let text = r#"timezone = "${TOKEN}"
environments = ["${ROLE}"]
[people.ana]
roles = ["${ROLE}"]
[[policy]]
allow = "x"
to = ["${TOKEN}"]
during = "${TOKEN}"
[console]
listen = "${TOKEN}"
speak_as = ["${TOKEN}"]
[deploy]
timeout = "${TOKEN}"
kind = "${TOKEN}"
at = "${TOKEN}"
names = "${TOKEN}"
"#;
    let (config, problems) = read(text);
    let deploy = config.section("deploy", &problems).unwrap();
    assert_eq!((deploy.duration("timeout"), deploy.url("at")), (None, None));
    assert_eq!(deploy.choice("kind", &["hunter2-and-mere"]), None);
    assert_eq!(deploy.texts("names"), [""; 0]);
    deploy.problem("at", format!("{} is no host", deploy.text("at").unwrap()), "write another");
    let told = problems.to_string();
    assert_eq!(problems.list().len(), 12, "{told}");
    assert!(!told.to_lowercase().contains("hunter2"), "{told}");
    assert!(told.contains("15:6: [secret] is no host; write another"), "{told}");
    assert!(!format!("{config:?}{problems:?}").contains("hunter2"));
}

#[test]
fn a_file_that_can_not_be_read_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deckhand.toml");
    let told = |path: &Path| load(path, &env).1.to_string().replace(&*folder.path().to_string_lossy(), "");
    assert_eq!(told(&file), "/deckhand.toml: there is no such file; write it, or name another\n");
    assert_eq!(told(folder.path()), ": this is a folder; name the file in it\n");
    fs::write(&file, b"# one\n# two \xff\n").unwrap();
    assert_eq!(told(&file), "/deckhand.toml: line 2 is no UTF-8 text; save the file as UTF-8\n");
    fs::write(&file, "#\n".repeat(LARGEST / 2)).unwrap();
    assert_eq!(told(&file), "");
    fs::write(&file, "#\n".repeat(LARGEST / 2) + "#").unwrap();
    let large = "/deckhand.toml: the file is larger than 1 MiB; name the right file, or keep only the config in it\n";
    assert_eq!(told(&file), large);
}

#[test]
fn paths_start_from_the_folder_of_the_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("deckhand.toml"), "data = \"state\"").unwrap();
    let (config, problems) = load(&folder.path().join("./deckhand.toml"), &env);
    assert_eq!(problems.to_string(), "");
    assert_eq!(config.folder, folder.path());
    assert_eq!(config.data, Some(folder.path().join("state")));
    assert!(load(Path::new("deckhand.toml"), &env).0.folder.is_absolute());
}

#[test]
fn sections_of_services_are_found_and_claimed_by_name() {
    let text = "[deploy]\n[services.b.deploy]\n[services.a.deploy]\n[services.a.flags]\n[services.c]\n";
    let (config, problems) = read(text);
    let names: Vec<_> = config.service_sections("deploy", &problems).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a", "b"]);
    assert!(config.has("deploy") && !config.has("flags"));
    config.unclaimed(&["deploy"], &problems);
    let told: Vec<_> = problems.list().into_iter().map(|problem| problem.what).collect();
    assert_eq!(
        told,
        ["nothing reads `deploy`", "nothing reads `[services.a.flags]`"],
        "[deploy] itself was not asked for"
    );
}

#[test]
fn plugins_may_hold_all_of_it_across_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Config>();
    shared::<Section>();
    shared::<Problems>();
}
