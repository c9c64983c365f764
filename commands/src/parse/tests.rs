use super::{Invocation, Mistake, command_in, parse};
use crate::sample;
use crate::value::Value;

fn read(line: &str) -> Result<Invocation, Mistake> {
    parse(line, &sample::registry(), &sample::vocabulary(), sample::now())
}

#[test]
fn lines_are_read_by_name_and_by_position() {
    let ship = "deploy ship service:hello env:staging ref:v2";
    let because = |text: &str| format!("{ship} because:{text}");
    let lock = "deploy lock service:hello env:staging because:";
    for (line, expected) in [
        ("/deploy ship service:hello env:staging ref:v2", ship.to_owned()),
        ("deploy ship hello staging v2", ship.to_owned()),
        ("  /Deploy Ship  HELLO   Env:Staging v2 ", ship.to_owned()),
        ("deploy ship ref:v2 hello staging", ship.to_owned()),
        ("deploy ship staging hello v2", ship.to_owned()),
        ("deploy ship Staging v2 service:hello", ship.to_owned()),
        ("deploy lock hello staging because:\"moving\"", format!("{lock}moving")),
        ("deploy ship env:staging hello v2", ship.to_owned()),
        ("deploy ship \"hello\" 'staging' “v2”", ship.to_owned()),
        ("deploy　ship hello staging v2", ship.to_owned()),
        ("deploy ship hello staging v2 fix", because("fix")),
        ("deploy ship hello staging v2 the  big fix", because("\"the  big fix\"")),
        ("deploy ship hello staging v2 because:\"the \\\"big\\\" fix\"", because(r#""the \"big\" fix""#)),
        ("deploy ship hello staging v2 because:http://x:80/?a=b", because("http://x:80/?a=b")),
        ("deploy ship hello staging v2 \"http://x:80\"", because("http://x:80")),
        ("deploy ship hello staging v2 see http://x:80 and a=b", because("\"see http://x:80 and a=b\"")),
        ("deploy ship hello staging v2 note: don't wait", because("\"note: don't wait\"")),
        ("deploy ship hello staging v2 \"a\" and \"b\"", because(r#""\"a\" and \"b\"""#)),
        ("deploy ship hello staging v2 결제 오류: 급함 👩\u{200d}🚀", because("\"결제 오류: 급함 👩\u{200d}🚀\"")),
        ("deploy lock hello staging it's moving for:2h", format!("{lock}\"it's moving\" for:2h")),
        ("deploy lock hello staging for:90m moving 2h later", format!("{lock}\"moving 2h later\" for:1h30m")),
        ("help deploy ship", "help command:\"deploy ship\"".to_owned()),
        ("help /deploy ship 2", "help command:\"deploy ship\" page:2".to_owned()),
        ("help command:\"deploy ship\"", "help command:\"deploy ship\"".to_owned()),
        ("help deploy", "help command:deploy".to_owned()),
        ("help", "help".to_owned()),
        ("flag rollout set dark-mode 12.5% user", "flag rollout set flag:dark-mode share:12.5 sticky:user".to_owned()),
        ("flag rollout set dark mode share:10", "flag rollout set flag:\"dark mode\" share:10".to_owned()),
        ("help deploy 2", "help command:deploy page:2".to_owned()),
        ("changes 14:00 @Ana", "changes since:2026-03-05T05:00:00Z person:ana".to_owned()),
        ("changes \"2026-03-01 14:00\"", "changes since:2026-03-01T05:00:00Z".to_owned()),
    ] {
        let invocation = read(line).unwrap_or_else(|mistake| panic!("{line}: {mistake:?}"));
        assert_eq!(invocation.line(), expected, "{line}");
        let again = read(&expected).unwrap();
        assert_eq!((again.command.name, &again.args), (invocation.command.name, &invocation.args), "{line}");
    }
}

#[test]
fn an_invocation_names_its_service_and_environment() {
    let ship = read("deploy ship hello staging v2").unwrap();
    assert_eq!((ship.service(), ship.environment()), (Some("hello"), Some("staging")));
    let changes = read("changes 2h ben").unwrap();
    assert_eq!((changes.service(), changes.environment()), (None, None));
    assert_eq!(changes.args.get("person"), Some(&Value::Text("ben".into())));
}

#[test]
fn every_text_survives_being_written_and_read() {
    let texts =
        ["x", "a b", "\"", "\\", "\\\"", "'", "‘a’", "“a b”", "a:b", "env:prod", "--env", " a", "a ", "한글", "…"];
    for text in texts {
        let mut invocation = read("deploy ship hello staging v2").unwrap();
        invocation.args.set(invocation.command, "because", Value::Text(text.to_owned()));
        assert_eq!(read(&invocation.line()).unwrap().args, invocation.args, "{text}");
    }
}

/// Each line with the sentence that refuses it, and the characters that the sentence is about.
fn refused(cases: &[(&str, &str, &str)]) {
    for (line, place, sentence) in cases {
        let mistake = read(line).map(|read| read.line()).expect_err(line);
        assert_eq!(mistake.what, *sentence, "{line}");
        let at: String = line.chars().skip(mistake.at.start).take(mistake.at.len()).collect();
        assert_eq!(at, *place, "{line} at {:?}", mistake.at);
    }
}

#[test]
fn unknown_commands_are_refused() {
    refused(&[
        ("", "", "There is nothing in the line. `/help` shows what you can say."),
        (" / ", "", "There is nothing in the line. `/help` shows what you can say."),
        ("/xyzzy", "xyzzy", "There is no command `xyzzy`. `/help` shows what you can say."),
        ("/hlep", "hlep", "There is no command `hlep`. Did you mean `/help`?"),
        ("/deploi ship hello", "deploi", "There is no command `deploi`. Did you mean `/deploy ship`?"),
        ("/deplyo", "deplyo", "There is no command `deplyo`. Did you mean `/deploy`?"),
        ("/ship hello staging v2", "ship", "There is no command `ship`. Did you mean `/deploy ship`?"),
        ("/deploy", "deploy", "`/deploy` alone does nothing. Say `/deploy ship` or `/deploy lock`."),
        ("/flag rollout", "flag rollout", "`/flag rollout` alone does nothing. Say `/flag rollout set`."),
        ("/deploy shp hello", "shp", "There is no `shp` in `/deploy`. Did you mean `/deploy ship`?"),
        ("/deploy dance", "dance", "There is no `dance` in `/deploy`. Say `/deploy ship` or `/deploy lock`."),
        ("/deploy ship:x", "ship:x", "There is no `x` in `/deploy`. Say `/deploy ship` or `/deploy lock`."),
        (
            "/d\u{435}ploy ship",
            "\u{435}",
            "There is a Cyrillic letter (U+0435) at character 3 in a command's name. Names are in plain letters, a to z: type it again.",
        ),
        (
            "/deploy sh\u{456}p",
            "\u{456}",
            "There is a Cyrillic letter (U+0456) at character 11 in a command's name. Names are in plain letters, a to z: type it again.",
        ),
    ]);
}

#[test]
fn values_that_do_not_fit_are_refused() {
    refused(&[
        ("/deploy ship chekout staging v2", "chekout", "There is no service `chekout`. Did you mean `checkout`?"),
        (
            "/deploy ship service:xyz env:staging ref:v2",
            "service:xyz",
            "There is no service `xyz`. One of `hello`, `checkout`.",
        ),
        ("/deploy ship hello mars v2", "mars", "There is no environment `mars`. One of `staging`, `production`."),
        (
            "/deploy ship service:staging hello v2",
            "service:staging",
            "There is no service `staging`, but the environment `staging`. Write `env:staging`, and `service:…`.",
        ),
        ("/changes 2h @bne", "@bne", "There is no person `bne`. Did you mean `ben`?"),
        (
            "/changes noon",
            "noon",
            "`noon` is no time. Write it like `14:00`, `yesterday`, `monday`, `2026-03-01`, `2026-03-01 14:00` or `2h ago`.",
        ),
        (
            "/flag rollout set x 101",
            "101",
            "`101` is no percentage. Write a number from 0 to 100: `25`, `25%` or `12.5`.",
        ),
        ("/flag rollout set x 5 usr", "usr", "`usr` is not to choose from. Did you mean `user`?"),
        ("/help page:0", "page:0", "`0` does not fit here. Write a whole number from 1 to 1000."),
        ("/help deploy shp", "deploy shp", "There is no command `deploy shp`. Did you mean `deploy ship`?"),
        (
            "/deploy lock hello staging because:x for:15",
            "for:15",
            "`15` is no duration; write its unit too: `15s`, `15m` or `15h`.",
        ),
        (
            "/deploy ship hello staging -rf",
            "-rf",
            "`-rf` is no ref: it begins with `-`. Name a tag, a branch or a commit.",
        ),
        (
            "/deploy ship hello staging ref:\"a b\"",
            "ref:\"a b\"",
            "`a b` is no ref: it has a space in it. Name a tag, a branch or a commit.",
        ),
        (
            "/deploy ship hello staging v2 because:\" \"",
            "because:\" \"",
            "`because` is empty. There is nothing in it. Write a text, or leave it out.",
        ),
        (
            "/deploy ship h\u{435}llo staging v2",
            "\u{435}",
            "There is a Cyrillic letter (U+0435) at character 15 in `service`. Names are in plain letters, a to z: type it again.",
        ),
        (
            "/deploy ship hello env:\"st\u{430}ging\" v2",
            "\u{430}",
            "There is a Cyrillic letter (U+0430) at character 27 in `env`. Names are in plain letters, a to z: type it again.",
        ),
    ]);
}

#[test]
fn options_that_are_unknown_doubled_or_missing_are_refused() {
    let takes = "It takes `service`, `env`, `ref`, `because`.";
    let no_option = |name: &str, meant: &str| format!("`deploy ship` has no option `{name}`.{meant} {takes}");
    let (env, quotes) = (" Did you mean `env`?", " If it is a text, put it in quotes.");
    let misspelt = no_option("evnironment", env);
    let with_quotes = |text: &str| format!("{text}{quotes}");
    refused(&[
        ("/deploy ship hello evnironment:prod v2", "evnironment:prod", &with_quotes(&misspelt)),
        ("/deploy ship hello staging v2 evnironment:prod", "evnironment:prod", &with_quotes(&misspelt)),
        ("/deploy ship hello staging v2 a fix evnironment:prod", "evnironment:prod", &with_quotes(&misspelt)),
        ("/deploy ship hello --evnironment prod v2", "--evnironment", &misspelt),
        ("/deploy ship hello environment=prod v2", "environment=prod", &no_option("environment", env)),
        ("/deploy ship hello --force staging", "--force", &no_option("force", "")),
        ("/deploy ship hello staging --yes", "--yes", &no_option("yes", "")),
        ("/deploy ship hello staging v2 http://x", "http://x", &with_quotes(&no_option("http", ""))),
        ("/deploy ship hello --env staging v2", "--env", "Options are written with a colon. Write `env:staging`."),
        ("/deploy ship hello —env staging v2", "—env", "Options are written with a colon. Write `env:staging`."),
        (
            "/deploy ship hello --env=staging v2",
            "--env=staging",
            "Options are written with a colon. Write `env:staging`.",
        ),
        ("/deploy ship hello env=staging v2", "env=staging", "Options are written with a colon. Write `env:staging`."),
        (
            "/deploy ship hello staging v2 fix --env=production",
            "--env=production",
            "Options are written with a colon. Write `env:production`.",
        ),
        (
            "/deploy ship hello env: staging v2",
            "env:",
            "`env:` is empty. Write its value right behind the colon, without a space.",
        ),
        (
            "/deploy ship hello \u{435}nv:staging",
            "\u{435}",
            "There is a Cyrillic letter (U+0435) at character 20 in an option's name. Names are in plain letters, a to z: type it again.",
        ),
        (
            "/deploy ship hello staging v2 \u{435}nv:production",
            "\u{435}",
            "There is a Cyrillic letter (U+0435) at character 31 in an option's name. Names are in plain letters, a to z: type it again.",
        ),
        (
            "/deploy ship service:hello env:staging env:prod",
            "env:prod",
            "`env` stands twice (characters 40-47). Keep one.",
        ),
        (
            "/deploy ship hello staging v2 because:a b",
            "b",
            "`b` at character 41 is one too many for `deploy ship`. Put all of `because` in quotes: `because:\"…\"`.",
        ),
        ("/help deploy ship 2 3", "3", "`3` at character 21 is one too many for `help`. It takes `command`, `page`."),
        (
            "/deploy ship hello staging v2 because:\"a",
            "because:\"a",
            "The quote at character 39 is not closed. End it with the same, and go on behind a space.",
        ),
        (
            "/deploy ship \"hello\"staging v2",
            "\"hello\"staging",
            "The quote at character 14 is not closed. End it with the same, and go on behind a space.",
        ),
        (
            "/deploy ship",
            "",
            "`deploy ship` needs `service`: which service? One of `hello`, `checkout`. For example: `/deploy ship hello staging v2`",
        ),
        (
            "/deploy ship hello ref:v2",
            "",
            "`deploy ship` needs `env`: which environment? One of `staging`, `production`. For example: `/deploy ship hello staging v2`",
        ),
        (
            "/deploy ship hello staging",
            "",
            "`deploy ship` needs `ref`: which ref? Name a tag, a branch or a commit. For example: `/deploy ship hello staging v2`",
        ),
        (
            "/changes",
            "",
            "`changes` needs `since`: when? Write it like `14:00`, `yesterday`, `2026-03-01 14:00` or `2h ago`. For example: `/changes since:14:00`",
        ),
        (
            "/deploy lock hello staging",
            "",
            "`deploy lock` needs `because`: why? Write a text, in quotes if it has spaces. For example: `/deploy lock hello staging the database moves for:2h`",
        ),
    ]);
}

#[test]
fn lines_that_hide_something_are_refused_by_code_point() {
    refused(&[
        (
            "/deploy ship \u{202e}olleh",
            "\u{202e}",
            "There is a right-to-left override (U+202E) at character 14. Take it out.",
        ),
        (
            "/deploy ship hel\u{200b}lo staging v2",
            "\u{200b}",
            "There is a zero-width space (U+200B) at character 17. Take it out.",
        ),
        (
            "/deploy ship hello staging v2 fine\u{2060}",
            "\u{2060}",
            "There is a word joiner (U+2060) at character 35. Take it out.",
        ),
        (
            "/deploy ship hello\nstaging v2",
            "\n",
            "There is a line break (U+000A) at character 19. A command is one line.",
        ),
        ("/deploy\u{7} ship", "\u{7}", "There is a control character (U+0007) at character 8. Take it out."),
        ("/deploy\tship", "\t", "There is a tab (U+0009) at character 8. Take it out."),
    ]);
    let long = format!("/deploy ship {}", "a".repeat(100_000));
    let mistake = read(&long).expect_err("too long");
    assert_eq!(mistake.what, "The line has 100013 characters, and may have 8000. Say it shorter.");
    assert_eq!(mistake.at, 8_000..100_013);
}

#[test]
fn no_sentence_echoes_much_or_anything_raw() {
    let long = "x".repeat(1_900);
    for line in [
        long.clone(),
        format!("deploy {long}"),
        format!("deploy ship {long}"),
        format!("changes {long}"),
        format!("deploy ship hello staging v2 {long}:y"),
        format!("deploy ship --env={long}"),
        format!("help {long} 1 {long}"),
        format!("deploy ship hello staging ~{long}"),
        "deploy ship `hello``` staging".into(),
    ] {
        let what = read(&line).expect_err(&line).what;
        assert!(what.chars().count() < 320, "{what}");
        assert_eq!(what.matches('`').count() % 2, 0, "{what}");
        assert!(!what.contains(&"x".repeat(61)) && !what.contains("``"), "{what}");
    }
}

#[test]
fn a_message_is_a_command_when_it_begins_with_a_slash_and_a_word() {
    for (message, line) in [
        ("/deploy ship", Some("/deploy ship")),
        ("/deploy ship\n", Some("/deploy ship")),
        ("/배포", Some("/배포")),
        ("hello /deploy", None),
        (" /deploy", None),
        ("> /deploy ship", None),
        ("`/deploy ship`", None),
        ("```\n/deploy ship\n```", None),
        ("/", None),
        ("//", None),
        ("/ deploy", None),
        ("/etc/hosts is gone", None),
        ("/2 of it", None),
        ("", None),
    ] {
        assert_eq!(command_in(message), line, "{message}");
    }
}

#[test]
fn no_line_is_too_strange_to_be_refused() {
    let parts = [
        "/", "deploy", " ", "ship", "hello", "env:", "\"", "'", "“", "\\", ":", "=", "--", "—", "한", "\u{435}",
        "because:", "help", "2", "`",
    ];
    let mut lines: Vec<String> = vec![String::new()];
    // A walk over the parts that meets every two of them side by side, in many neighbourhoods.
    for step in 1..parts.len() {
        let walk: String = (0..60).map(|place| parts[(place * step + place / parts.len()) % parts.len()]).collect();
        lines.extend([
            walk.clone(),
            format!("/deploy ship {walk}"),
            format!("/help {walk}"),
            format!("deploy lock hello staging {walk}"),
        ]);
    }
    for line in &lines {
        let length = line.chars().count();
        for end in 0..=length {
            let line: String = line.chars().take(end).collect();
            match read(&line) {
                Ok(invocation) => assert_eq!(read(&invocation.line()).unwrap().args, invocation.args, "{line}"),
                Err(mistake) => {
                    assert!(mistake.at.start <= mistake.at.end && mistake.at.end <= end, "{line}: {mistake:?}")
                }
            }
        }
    }
}
