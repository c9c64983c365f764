//! Whole files, good and bad: what is read from them, and what is told about them.

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
fn each_mistake_is_told_with_what_to_write() {
    const PEOPLE: &str = "[people.ana]\nroles = [\"lead\"]\nirc = \"ana\"\n";
    let rule = |lines: &str| format!("{PEOPLE}[[policy]]\n{lines}");
    for (text, expected) in [
        ("timezone = \"seoul\"".into(), "1:12: there is no time zone `seoul`; write `Asia/Seoul`"),
        (
            "timezone = \"here\"".into(),
            "1:12: there is no time zone `here`; write one as in `Asia/Seoul`, `Europe/Paris` or `UTC`",
        ),
        ("data = \"\"".into(), "1:8: `` is no path; write a path without control characters"),
        ("environments = []".into(), "1:16: there are no environments; write at least one, or take the line out"),
        ("environments = [\"a\", \"a\"]".into(), "1:22: `a` stands here twice; keep one of them"),
        (
            "environments = \"staging\"".into(),
            "1:16: `environments` is a text, not a list of texts; write `environments = [\"staging\"]`",
        ),
        ("enviroments = [\"a\"]".into(), "1:1: nothing reads `enviroments`; write `environments`, or take it out"),
        (
            "services = 3".into(),
            "1:12: `services` is a number, not a table; write `[services]` and what belongs to it below",
        ),
        (
            "[services]\nhello = \"x\"".into(),
            "2:9: `hello` is a text, not a table; write `[services.hello]` and what belongs to it below",
        ),
        ("[services.Shop]".into(), "1:11: `Shop` can not be the name of a service; write `shop`"),
        (
            "[services.shop]\nabuot = \"x\"".into(),
            "2:1: `[services.shop]` has no setting `abuot`; write `about`, or take it out",
        ),
        (
            "[services.shop.flags]".into(),
            "1:16: nothing reads `[services.shop.flags]`; write a section `[flags]` too, which turns it on, or take this one out",
        ),
        (
            "[services.shop.deplyo]".into(),
            "1:16: nothing reads `[services.shop.deplyo]`; write `deploy`, or take it out",
        ),
        (
            "[people.аna]".into(),
            "1:9: this is no TOML: invalid unquoted key, expected letters, numbers, `-`, `_`; correct this line",
        ),
        (
            "[people.\"аna\"]".into(),
            "1:9: `аna` can not be the name of a person: it holds U+0430 (looks like `a`); write `ana`",
        ),
        ("[people.everyone]".into(), "1:9: `everyone` stands for all people; choose another name"),
        (
            "[people.ana]\nroles = [\"ana\"]".into(),
            "2:10: `ana` is both a person and a role; choose another name for the role",
        ),
        (
            "[people.ana]\nroles = [\"everyone\"]".into(),
            "2:10: `everyone` is what everyone is, not a role; choose another name for the role",
        ),
        (
            "[people.ana]\ndiscord = 1234".into(),
            "2:11: `discord` is a number, not a text; write it in quotes, `\"1234\"`",
        ),
        (
            "[people.ana]\ndicsord = \"1\"".into(),
            "2:1: there is no platform `dicsord`; write `discord`, or take it out",
        ),
        (
            "[people.ana]\nirc = \" \"".into(),
            "2:7: ` ` can not stand here; write a text that is not empty and has no control characters",
        ),
        (
            format!("{PEOPLE}[people.ben]\nirc = \"ana\""),
            "5:7: on `irc`, `ana` is also the id of `ana`; give every person a different id",
        ),
        (
            format!("{PEOPLE}[roles.boss]\ndiscord = [\"7\"]\n[roles.lead]\ndiscord = [\"8\", \"7\"]"),
            "7:17: on `discord`, `7` is also the id of `boss`; give every role a different id",
        ),
        (
            "[roles.boss]\ndiscord = \"7\"".into(),
            "2:11: `discord` is a text, not a list of texts; write `discord = [\"7\"]`",
        ),
        ("[roles.boss]\nirk = [\"7\"]".into(), "2:1: there is no platform `irk`; write `irc`, or take it out"),
        ("[roles.Boss]".into(), "1:8: `Boss` can not be the name of a role; write `boss`"),
        ("[roles.everyone]".into(), "1:8: `everyone` is what everyone is, not a role; take the table out"),
        (
            "[people.ana]\n[roles.ana]".into(),
            "2:8: `ana` is both a person and a role; choose another name for the role",
        ),
        (
            "[channels.ops]\ndiscord = \"7\"\n[channels.dev]\ndiscord = \"7\"".into(),
            "4:11: on `discord`, `7` is also the id of `ops`; give every channel a different id",
        ),
        (
            "[channels.ops]\nsms = \"7\"".into(),
            "2:1: there is no platform `sms`; take it out, or write one of `discord`, `irc`",
        ),
        ("[channels.ops]\ndiscord = [\"7\"]".into(), "2:11: `discord` is a list, not a text; write `discord = \"…\"`"),
        (rule("deny = \"a\"\nto = [\"lead\"]\ncode = \"15m\""), "7:8: what is denied needs no code; take the line out"),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\ncode = \"30s\""),
            "7:8: a code can not be good for this long; write a time from `1m` to `12h`",
        ),
        (
            "policy = 1".into(),
            "1:10: `policy` is a number, not a list of tables; write `[[policy]]` and what belongs to it below",
        ),
        (
            rule("to = [\"lead\"]"),
            "4:1: this rule neither allows nor denies; write `allow = \"…\"` with a line such as `deploy ship env=staging`",
        ),
        (rule("to = [\"lead\"]\nallow = \"a\"\ndeny = \"b\""), "7:1: one rule both allows and denies; write two rules"),
        (
            rule("deny = \"a\"\nto = [\"lead\"]\nconfirm = true"),
            "7:11: what is denied can not be confirmed; take the line out",
        ),
        (
            rule("allow = \"\"\nto = [\"lead\"]"),
            "5:9: `` can not stand here; write a text that is not empty and has no control characters",
        ),
        (
            rule("deny = \"a\"\nto = [\"lead\"]\napprove = 1"),
            "7:11: what is denied needs no approval; take the line out",
        ),
        (rule("allow = \"a\"\nto = [\"lead\"]\napprove = 0"), "7:11: `approve` is 0; write a number from 1 to 10"),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nwithin = \"1h\""),
            "7:1: `within` says who approves what, and when, but nobody has to; write `approve = 1`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\napprove = 1"),
            "7:11: nobody but ana could approve this, and nobody approves what they ask for; name more people, or roles that more people have, as `approvers`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\napprove = 1\napprovers = [\"dan\"]\nwithin = \"8d\"\n[people.dan]\n"),
            "9:10: an approval can not be waited for this long; write a time from `1m` to `7d`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\napprove = 2\napprovers = [\"everyone\"]\n[people.dan]\n"),
            "8:13: 2 people have to approve this, and 1 could at most; name more people, or roles that more people have, as `approvers`",
        ),
        (
            rule(
                "allow = \"a\"\nto = [\"lead\"]\napprove = 1\napprovers = [\"guest\"]\n[roles.guest]\ndiscord = [\"7\"]",
            ),
            "8:13: no person of the config could approve this; name more people, or roles that more people have, as `approvers`",
        ),
        (rule("allow = \"a\""), "4:1: `[[policy]]` has no `to`; write `to = [\"everyone\"]`"),
        (rule("allow = \"a\"\nto = []"), "6:6: a rule for nobody never holds; name a role, a person, or `everyone`"),
        (
            rule("allow = \"a\"\nto = [\"operator\"]"),
            "6:7: nobody has the role `operator`, nor is it a person; give it to somebody: `roles = [\"operator\"]` under `[people.…]`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nin = []"),
            "7:6: a rule that holds in no channel never holds; name a channel, or take the line out",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nduring = \"9-5\""),
            "7:10: `9-5` is no time of the week; write days and hours as in `Mon-Fri 09:00-18:00`, `Sat,Sun` or `22:00-06:00`",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nconfirm = \"true\""),
            "7:11: `confirm` is a text, not `true` or `false`; write it without quotes",
        ),
        (
            rule("allow = \"a\"\nto = [\"lead\"]\nwhen = \"Mon\""),
            "7:1: `[[policy]]` has no setting `when`; take it out, or write one of `allow`, `approve`, `approvers`, `code`, `confirm`, `deny`, `during`, `in`, `to`, `within`",
        ),
        (
            "[console]\nlisten = \"localhost:80\"".into(),
            "2:10: `localhost:80` is no address; write an IP address and a port, as in `127.0.0.1:7878`",
        ),
        (
            "[console]\npublic_url = \"https://example.com/deckhand\"".into(),
            "2:14: it has more than a host and a port; write it as in `https://deckhand.example.com`",
        ),
        (
            "[console]\npublic_url = \"example.com\"".into(),
            "2:14: `example.com` is no web address; write it as in `https://host/path`",
        ),
        ("[hooks]".into(), "1:2: `[hooks]` has no `listen`; write `listen = \"127.0.0.1:7879\"`"),
        (
            "[hooks]\nlisten = \"everywhere\"".into(),
            "2:10: `everywhere` is no address; write an IP address and a port, as in `127.0.0.1:7879`",
        ),
        (
            "[hooks]\nlisten = \"0.0.0.0:7878\"".into(),
            "2:10: the console listens on the port 7878 already, and programs have no business there; write another port, as in `127.0.0.1:7879`",
        ),
        (format!("{PEOPLE}[console]\nspeak_as = [\"anna\"]"), "5:13: there is no person `anna`; write `ana`"),
        (
            "[console]\nchannels = []".into(),
            "2:12: there are no channels; write `channels = [\"ops\"]`, or take the line out",
        ),
        ("[backup]\nkeep = 1.5".into(), "2:8: `keep` is a fraction, not a whole number; write a number from 1 to 365"),
        ("data = \"a\"\ndata = \"b\"".into(), "2:1: `data` is given twice; keep one of them"),
        (
            "data = \"${NO_SUCH}/x\"".into(),
            "1:8: the environment variable `NO_SUCH` is not set; set it before starting Deckhand",
        ),
        ("[\"de\\nploy\\u202e\"]".into(), r"1:2: nothing reads `de\nploy\u{202e}`; write `deploy`, or take it out"),
    ] {
        assert_eq!(told(&text).trim_end(), expected, "{text}");
    }
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
