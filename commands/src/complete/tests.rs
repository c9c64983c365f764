use super::{Choice, Completion, Slot, Spot, choices, spot};
use crate::parse::parse;
use crate::sample;
use crate::spec::Kind;

/// Splits a line at the `|` that stands for the cursor.
fn at_cursor(line: &str) -> (String, usize) {
    let (before, after) = line.split_once('|').expect("a cursor");
    (format!("{before}{after}"), before.chars().count())
}

fn spot_at(line: &str, cursor: usize) -> Spot {
    spot(line, cursor, &sample::registry(), &sample::vocabulary(), sample::now())
}

fn complete_at(line: &str, cursor: usize) -> Completion {
    let spot = spot_at(line, cursor);
    let mut all = spot.kind().map_or(Vec::new(), |kind| choices(kind, &sample::registry(), &sample::vocabulary()));
    if let Some(Kind::Ref) = spot.kind() {
        all.extend(["v1", "v2", "a=b", "--hm"].map(|tag| Choice { value: tag.to_owned(), about: "a tag".to_owned() }));
    }
    spot.complete(&all)
}

fn complete(line: &str) -> Completion {
    let (line, cursor) = at_cursor(line);
    complete_at(&line, cursor)
}

/// What the slot is, what is typed, and which arguments stand elsewhere.
fn shown(line: &str) -> String {
    let (line, cursor) = at_cursor(line);
    let spot = spot_at(&line, cursor);
    let slot = match spot.slot {
        Slot::Nothing => "nothing".to_owned(),
        Slot::Command => "command".to_owned(),
        Slot::Named(arg) => format!("{}:", arg.name),
        Slot::Free(arg) => arg.map_or("option", |arg| arg.name).to_owned(),
        Slot::Text(arg) => format!("{}…", arg.name),
    };
    let given: Vec<_> = spot.given.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("{slot} [{}] {}", spot.typed, given.join(" ")).trim_end().to_owned()
}

#[test]
fn the_spot_is_found() {
    for (line, expected) in [
        ("|", "command []"),
        ("/|", "command []"),
        ("|/", "command []"),
        ("/Dep|", "command [dep]"),
        ("/deploy|", "command [deploy]"),
        ("/deploy |", "command [deploy ]"),
        ("/deploy  sh|", "command [deploy sh]"),
        ("/deploy sh|ip hello", "command [deploy sh]"),
        ("/deploy ship|", "command [deploy ship]"),
        ("flag rollout s|", "command [flag rollout s]"),
        ("|/deploy ship", "nothing []"),
        ("/foo bar baz qux|", "nothing []"),
        ("/deploy env:|", "nothing []"),
        ("/deploy ship |", "service []"),
        ("/deploy ship he|", "service [he]"),
        ("/deploy ship he|llo staging", "service [he] env=staging"),
        ("/deploy ship hello st|", "env [st] service=hello"),
        ("/deploy ship hello | v2", "env [] service=hello ref=v2"),
        ("/deploy ship |env:staging", "service [] env=staging"),
        ("/deploy ship env:staging ref:v2 |", "service [] env=staging ref=v2"),
        ("/deploy ship env:staging he|", "service [he] env=staging"),
        ("/deploy ship env:st|", "env: [st]"),
        ("/deploy ship env:st|aging hello", "env: [st] service=hello"),
        ("/deploy ship ENV:st|", "env: [st]"),
        ("/deploy ship env:\"st|", "env: [st]"),
        ("/deploy ship chekout st|", "env [st]"),
        ("/deploy ship env:staging env:pr|", "nothing [] env=staging"),
        ("/deploy ship evn:pr|", "nothing []"),
        ("/deploy ship --env|", "nothing []"),
        ("/deploy ship hello staging v2 |", "because [] service=hello env=staging ref=v2"),
        ("/deploy ship hello staging v2 the pa|", "because… [pa] service=hello env=staging ref=v2"),
        ("/deploy ship hello staging v2 because:\"the pa|", "because: [the pa] service=hello env=staging ref=v2"),
        ("/deploy ship hello staging v2 because:\"the| page\"", "because: [the] service=hello env=staging ref=v2"),
        ("/deploy ship hello staging v2 'the pa|", "because [the pa] service=hello env=staging ref=v2"),
        ("/deploy ship hello staging v2 “the pa|", "because [the pa] service=hello env=staging ref=v2"),
        ("/deploy ship hello staging v2 note:|", "because [note:] service=hello env=staging ref=v2"),
        ("/deploy ship hello staging v2 because:x y|", "option [y] service=hello env=staging ref=v2 because=x"),
        ("/deploy lock hello staging moving for:|", "for: [] service=hello env=staging because=moving"),
        ("/help |", "command []"),
        ("/help dep|", "command [dep]"),
        ("/help /dep|", "command [dep]"),
        ("/help deploy |", "command [deploy ]"),
        ("/help deploy sh|", "command [deploy sh]"),
        ("/help deploy ship |", "page [] command=deploy ship"),
        ("/help page:2 dep|", "command [dep] page=2"),
        ("/changes 14:|", "since [14:]"),
        ("/changes since:14:00 @b|", "person [b] since=2026-03-05T05:00:00Z"),
        ("/changes 2h ana |", "option [] since=2026-03-05T04:30:00Z person=ana"),
    ] {
        assert_eq!(shown(line), expected, "{line}");
    }
}

#[test]
fn suggestions_stand_in_the_line_where_the_cursor_is() {
    for (line, expected) in [
        ("/|", &["/help |", "/deploy ship |", "/deploy lock |", "/flag rollout set |", "/changes |"][..]),
        ("chan|", &["changes |"]),
        ("/ship|", &["/deploy ship |"]),
        ("/dep lo|", &["/deploy lock |"]),
        ("/deploy sh| hello", &["/deploy ship |hello"]),
        ("/deploy ship h|", &["/deploy ship hello |", "/deploy ship checkout |"]),
        ("/deploy ship service:hel|", &["/deploy ship service:hello |"]),
        ("/deploy ship service:hel| env:staging", &["/deploy ship service:hello |env:staging"]),
        ("/deploy ship hello en|", &["/deploy ship hello env:|"]),
        ("/deploy ship hello evn|", &["/deploy ship hello env:|"]),
        ("/deploy ship STA|", &[]),
        ("/deploy ship hello STA|", &["/deploy ship hello staging |"]),
        (
            "/deploy ship hello staging a|",
            &["/deploy ship hello staging ref:a=b |", "/deploy ship hello staging because:|"],
        ),
        ("/deploy ship hello staging -|", &["/deploy ship hello staging ref:--hm |"]),
        (
            "/deploy ship hello staging ref:\"v|",
            &["/deploy ship hello staging ref:v1 |", "/deploy ship hello staging ref:v2 |"],
        ),
        (
            "/deploy ship |",
            &[
                "/deploy ship hello |",
                "/deploy ship checkout |",
                "/deploy ship service:|",
                "/deploy ship env:|",
                "/deploy ship ref:|",
                "/deploy ship because:|",
            ],
        ),
        ("/deploy ship hello staging v2 the b|", &[]),
        ("/deploy lock hello staging the move f|", &["/deploy lock hello staging the move for:|"]),
        ("/help deploy |", &["/help deploy ship |", "/help deploy lock |", "/help deploy page:|"]),
        ("/help command:flag|", &["/help command:\"flag rollout set\" |"]),
        ("/changes 1|", &["/changes \"1h ago\" |", "/changes \"1w ago\" |"]),
        ("/changes since:y|", &["/changes since:yesterday |"]),
        ("/changes 2h @c|", &["/changes 2h chloe |"]),
        ("/flag rollout set 다크 5|", &["/flag rollout set 다크 5 |", "/flag rollout set 다크 50 |"]),
        (
            "/flag rollout set 다크 5 s|",
            &[
                "/flag rollout set 다크 5 session |",
                "/flag rollout set 다크 5 user |",
                "/flag rollout set 다크 5 sticky:|",
            ],
        ),
        ("/deploy ship hello \u{202e}|", &[]),
    ] {
        let mark =
            |line: &str, at: usize| line.chars().take(at).chain(['|']).chain(line.chars().skip(at)).collect::<String>();
        let lines: Vec<_> = complete(line).suggestions.iter().map(|each| mark(&each.line, each.cursor)).collect();
        assert_eq!(lines, expected, "{line}");
    }
}

#[test]
fn a_problem_is_told_once_typing_on_can_not_mend_it() {
    for (line, expected) in [
        ("|", None),
        ("/|", None),
        ("/dep|", None),
        ("/deploy|", None),
        ("/deploy |", None),
        ("/deplx|", Some("There is no command `/deplx`. Did you mean `/deploy`?")),
        ("/deploy dance|", Some("There is no `dance` in `/deploy`. Say `/deploy lock` or `/deploy ship`.")),
        ("/deploy ship |", None),
        ("/deploy ship chec|", None),
        ("/deploy ship en|", None),
        ("/deploy ship chek|", Some("There is no service `chek`. One of `hello`, `checkout`.")),
        ("/deploy ship chec |", Some("There is no service `chec`. One of `hello`, `checkout`.")),
        ("/deploy ship chec|kout staging", None),
        ("/deploy ship hello env:|", None),
        ("/deploy ship hello env:STAG|", None),
        (
            "/deploy ship hello env: |",
            Some("`env:` is empty. Write its value right behind the colon, without a space."),
        ),
        ("/deploy ship hello staging v2 because:\"the|", None),
        (
            "/deploy ship hello staging v2 because:x y|",
            Some(
                "`y` at character 41 is one too many for `deploy ship`. Put all of `because` in quotes: `because:\"…\"`.",
            ),
        ),
        ("/deploy ship env:staging env:|", Some("`env` stands twice (characters 26-29). Keep one.")),
        ("/changes no|", None),
        (
            "/changes no |",
            Some(
                "`no` is no time. Write it like `14:00`, `yesterday`, `monday`, `2026-03-01`, `2026-03-01 14:00` or `2h ago`.",
            ),
        ),
        ("/deploy ship \u{202e}|", Some("There is a right-to-left override (U+202E) at character 14. Take it out.")),
        (
            "/deploy ship h\u{435}|",
            Some(
                "There is a Cyrillic letter (U+0435) at character 15 in `service`. Names are in plain letters, a to z: type it again.",
            ),
        ),
    ] {
        assert_eq!(complete(line).problem.as_deref(), expected, "{line}");
    }
    let long = "x".repeat(3_000);
    let problem = complete_at(&long, 10).problem;
    assert_eq!(problem.as_deref(), Some("The line has 3000 characters, and may have 2000. Say it shorter."));
}

#[test]
fn the_usage_shows_what_is_given_and_where_the_cursor_is() {
    let usage = |line: &str| {
        let completion = complete(line);
        let usage = completion.usage.iter().map(|arg| {
            let current = if arg.current { "|" } else { "" };
            let given = if arg.given { "+" } else { "" };
            if arg.required {
                format!("{current}{}{given}", arg.text)
            } else {
                format!("{current}[{}]{given}", arg.text)
            }
        });
        (completion.about, usage.collect::<Vec<_>>().join(" "))
    };
    let about = "Put a version of a service somewhere";
    for (line, expected) in [
        ("/dep|", ("", "")),
        ("/deploy ship|", (about, "service env ref [because]")),
        ("/deploy ship |", (about, "|service env ref [because]")),
        ("/deploy ship he|", (about, "|service+ env ref [because]")),
        ("/deploy ship hello ref:|", (about, "service+ env |ref [because]")),
        ("/deploy ship chekout |", (about, "service+ |env ref [because]")),
        ("/deploy ship hello staging v2 a b|", (about, "service+ env+ ref+ |[because]+")),
    ] {
        let (about, args) = usage(line);
        assert_eq!((about, args.as_str()), expected, "{line}");
    }
}

#[test]
fn what_is_given_elsewhere_is_what_the_parser_reads() {
    for line in [
        "deploy ship hello staging v2",
        "deploy ship ref:v2 hello staging the big  fix",
        "deploy lock hello staging it's moving for:2h",
        "deploy ship hello staging v2 \"a\" and \"b\"",
        "flag rollout set dark mode share:10",
        "help deploy ship 2",
        "help deploy 2",
        "changes \"2026-03-01 14:00\" @ana",
    ] {
        let read = parse(line, &sample::registry(), &sample::vocabulary(), sample::now()).expect(line);
        let ends = line.char_indices().filter(|(at, _)| line[*at..].starts_with(' ') && !line[..*at].ends_with(' '));
        for cursor in ends.map(|(at, _)| line[..at].chars().count()).chain([line.chars().count()]) {
            let spot = spot_at(line, cursor);
            if matches!(spot.slot, Slot::Command) {
                continue;
            }
            let at_cursor = spot.arg().expect("an argument").name;
            let elsewhere: Vec<_> = read.args.iter().filter(|(name, _)| *name != at_cursor).collect();
            assert_eq!(spot.given.iter().collect::<Vec<_>>(), elsewhere, "{line} at {cursor}");
        }
    }
}

#[test]
fn no_cursor_in_any_line_breaks_it_and_no_suggestion_makes_a_line_worse() {
    for line in [
        "",
        "/",
        "   ",
        "  /deploy   ship  hello staging v2 because:\"the  page\" ",
        "/deploy ship \"hello\" 'staging' “v2” it's \"open",
        "/deploy ship hello --env=prod env: evn:x :: http://x:80/?a=b",
        "/help deploy ship 2 3 4",
        "/flag rollout set 다크모드 25% 결제 오류: 급함 👩\u{200d}🚀",
        "/changes since:14:00 @ana @@",
        "/deploy\u{0}ship \u{202e}x\u{200b}",
        "\"\" '' “” : = -- \\ \\\" /",
        "`` ``` > /deploy",
    ] {
        for cursor in 0..=line.chars().count() + 2 {
            let completion = complete_at(line, cursor);
            for suggestion in &completion.suggestions {
                assert!(suggestion.cursor <= suggestion.line.chars().count(), "{line:?} at {cursor}: {suggestion:?}");
                let after = complete_at(&suggestion.line, suggestion.cursor);
                assert!(
                    after.problem.is_none() || completion.problem.is_some(),
                    "{line:?} at {cursor}: {suggestion:?} {after:?}"
                );
            }
        }
    }
}
