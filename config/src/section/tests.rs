//! One table with every kind of value, good and bad.

use crate::tests::read;
use std::time::Duration;

#[test]
fn a_section_reads_what_it_holds() {
    let text = r#"[deploy]
name = "x"
args = ["a", "a"]
on = true
tries = 3
share = 0.25
wait = "15m"
folder = "~/x"
site = "https://shop.example/a?b"
kind = "rolling"
again = "0 17 * * fri"
zone = "Asia/Seoul"
[deploy.limits]
cpu = 2
[deploy.env]
A = "1"
B = "2"
[deploy.drivers.zed]
[deploy.drivers.abe]
[[deploy.steps]]
run = "one"
[[deploy.steps]]
run = "two"
"#;
    let (config, problems) = read(text);
    let deploy = config.section("deploy", &problems).unwrap();
    assert_eq!((deploy.required_text("name"), deploy.text("none")), ("x".into(), None));
    assert_eq!((deploy.required_texts("args"), deploy.texts("none")), (vec!["a".into(), "a".into()], vec![]));
    assert_eq!((deploy.boolean("on"), deploy.integer("tries", 1..=3)), (Some(true), Some(3)));
    assert_eq!((deploy.number("share"), deploy.number("tries")), (Some(0.25), Some(3.0)));
    assert_eq!(deploy.duration("wait"), Some(Duration::from_secs(900)));
    assert_eq!(deploy.path("folder"), Some("/home/ana/x".into()));
    assert_eq!(deploy.url("site").as_deref(), Some("https://shop.example/a?b"));
    assert_eq!(deploy.choice("kind", &["canary", "rolling"]).as_deref(), Some("rolling"));
    let zone = deploy.zone("zone").unwrap();
    assert_eq!(deploy.schedule("again", zone).unwrap().to_string(), "0 17 * * fri (Asia/Seoul)");
    assert_eq!(deploy.table("limits").and_then(|limits| limits.integer("cpu", 1..=i64::MAX)), Some(2));
    assert_eq!(
        deploy.text_map("env").into_iter().collect::<Vec<_>>(),
        [("A", "1"), ("B", "2")].map(|(a, b)| (a.into(), b.into()))
    );
    assert_eq!(deploy.tables("drivers").iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["zed", "abe"]);
    assert_eq!(deploy.list("steps").iter().map(|step| step.required_text("run")).collect::<Vec<_>>(), ["one", "two"]);
    assert_eq!((deploy.has("wait"), deploy.has("none")), (true, false));
    assert_eq!(deploy.place("wait").to_string(), "deckhand.toml:7:8");
    assert_eq!(deploy.place("none").to_string(), "deckhand.toml:1:2");
    deploy.finish();
    assert_eq!(problems.to_string(), "");
}

#[test]
fn a_section_is_written_in_one_way_whatever_its_order_and_without_what_came_from_outside() {
    let one = "[deploy]\nurl = \"https://${TOKEN}/\"\nb = [1, true]\na = { y = 'x\"\\', x = 1.5 }\nlimit = \"1m\"";
    let other = "# the same\n[deploy]\nlimit = \"2m\"\nb = [ 1,\n  true ]\nurl = 'https://${TOKEN}/'\n[deploy.a]\nx = 1.5\ny = 'x\"\\'";
    let written = |text: &str| {
        let (config, problems) = read(text);
        config.section("deploy", &problems).unwrap().written(&["limit"])
    };
    let told = r#"{"a"={"x"=1.5,"y"="x\"\\"},"b"=[1,true],"url"="https://${TOKEN}/"}"#;
    assert_eq!((written(one), written(other)), (told.to_owned(), told.to_owned()));
}

#[test]
fn a_section_notes_what_it_can_not_use_and_reads_on() {
    let text = r#"[deploy]
name = 1
empty = ""
args = [1, "b"]
none = []
on = "true"
tries = 4
wait = "15"
site = "ftp://shop.example"
kind = "roling"
day = 2026-01-01
huge = 99999999999999999999
waits = "1m"
again = "0 25 * * *"
zone = "Atlantis"
file = "lost.ics"
[deploy.env]
A = true
"#;
    let (config, problems) = read(text);
    let deploy = config.section("deploy", &problems).unwrap();
    assert_eq!(
        (deploy.text("name"), deploy.required_text("empty"), deploy.required_text("gone")),
        (None, "".into(), "".into())
    );
    assert_eq!((deploy.texts("args"), deploy.required_texts("none")), (vec!["b".into()], vec![]));
    assert_eq!(
        (deploy.boolean("on"), deploy.integer("tries", 1..=3), deploy.integer("huge", 0..=i64::MAX)),
        (None, None, None)
    );
    assert_eq!((deploy.duration("wait"), deploy.url("site"), deploy.text("day")), (None, None, None));
    assert_eq!(deploy.choice("kind", &["canary", "rolling"]), None);
    assert!(deploy.schedule("again", chrono_tz::UTC).is_none() && deploy.file("file").is_none());
    assert_eq!(deploy.zone("zone"), None);
    assert!(deploy.text_map("env").is_empty() && deploy.required_texts("lost").is_empty());
    deploy.finish();
    assert_eq!(
        problems.to_string().replace("deckhand.toml:", ""),
        "1:2: `[deploy]` has no `gone`; write `gone = \"…\"`\n\
         1:2: `[deploy]` has no `lost`; write `lost = [\"…\"]`\n\
         2:8: `name` is a number, not a text; write it in quotes, `\"1\"`\n\
         3:9: `empty` is empty; write `empty = \"…\"`\n\
         4:9: `args` is a number, not a list of texts; write it in quotes, `\"1\"`\n\
         5:8: `none` is empty; write `none = [\"…\"]`\n\
         6:6: `on` is a text, not `true` or `false`; write it without quotes\n\
         7:9: `tries` is 4; write a number from 1 to 3\n\
         8:8: `15` is no duration; write its unit too: `15s`, `15m` or `15h`\n\
         9:8: `ftp://shop.example` is no web address; write it as in `https://host/path`\n\
         10:8: `roling` is no `kind`; write `rolling`\n\
         11:7: `day` is a date, not a text; write `day = \"…\"`\n\
         12:8: `huge` is a number too great, not a whole number; write at least 0\n\
         13:1: `[deploy]` has no setting `waits`; write `wait`, or take it out\n\
         14:9: In the hour field, `25` is no hour: write 0 to 23; write for example `again = \"0 17 * * fri\"`\n\
         15:8: `Atlantis` is no time zone; write one as in `Asia/Seoul` or `UTC`\n\
         16:8: `/etc/deckhand/lost.ics`: there is no such file; write it, or name another\n\
         18:5: `A` is true or false, not a text; write `A = \"…\"`\n"
    );
}

#[test]
fn another_file_is_read_whole() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("days.ics"), "BEGIN:VCALENDAR").unwrap();
    std::fs::write(folder.path().join("huge.ics"), vec![b'x'; (1 << 20) + 1]).unwrap();
    std::fs::write(folder.path().join("odd.ics"), b"one\n\xff").unwrap();
    let text = "[freeze]\ndays = \"days.ics\"\nhuge = \"huge.ics\"\nodd = \"odd.ics\"\nfolder = \".\"\n";
    let (config, problems) = crate::parse(text, "deckhand.toml", folder.path(), &|_| None);
    let freeze = config.section("freeze", &problems).unwrap();
    assert_eq!(freeze.file("days").as_deref(), Some("BEGIN:VCALENDAR"));
    assert!(["huge", "odd", "folder"].into_iter().all(|key| freeze.file(key).is_none()));
    let told = problems.to_string();
    for wrong in ["is larger than 1 MiB; write a smaller one", "line 2 is no UTF-8 text", "this is a folder"] {
        assert!(told.contains(wrong), "{told}");
    }
}
