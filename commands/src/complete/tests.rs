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
    let live: &[&str] = match spot.kind() {
        Some(Kind::Ref) => &["v1", "v2", "a=b"],
        Some(Kind::Text) => &["--dark", "dark mode", "hidden\u{202e}"],
        _ => &[],
    };
    all.extend(live.iter().map(|value| Choice::new(*value, "")));
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
        ("/deploy lo|ck hello", &["/deploy lock |hello"]),
        ("/dep| ship hello", &["/deploy ship |hello", "/deploy lock |hello"]),
        ("/fl|ag rollout set x", &["/flag rollout set |x"]),
        ("/hel| deploy", &["/help |deploy"]),
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
        ("/flag rollout set da|", &["/flag rollout set \"dark mode\" |", "/flag rollout set flag:--dark |"]),
        ("/flag rollout set flag:|", &["/flag rollout set flag:--dark |", "/flag rollout set flag:\"dark mode\" |"]),
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
        ("/changes since:yes|", &["/changes since:yesterday |"]),
        ("/changes 2h @c|", &["/changes 2h chloe |"]),
        ("/flag rollout set 다크 10|", &["/flag rollout set 다크 10 |", "/flag rollout set 다크 100 |"]),
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
    for (line, is_told) in [
        ("|", false),
        ("/|", false),
        ("/dep|", false),
        ("/deploy|", false),
        ("/deploy |", false),
        ("/deplx|", true),
        ("/deploy dance|", true),
        ("/deploy ship |", false),
        ("/deploy ship chec|", false),
        ("/deploy ship en|", false),
        ("/deploy ship chek|", true),
        ("/deploy ship chec |", true),
        ("/deploy ship chec|kout staging", false),
        ("/deploy ship hello env:|", false),
        ("/deploy ship hello env:STAG|", false),
        ("/deploy ship hello env: |", true),
        ("/deploy ship hello staging v2 because:\"the|", false),
        ("/deploy ship hello staging v2 because:x y|", true),
        ("/deploy ship env:staging env:|", true),
        ("/changes no|", false),
        ("/changes no |", true),
        ("/deploy ship \u{202e}|", true),
        ("/deploy ship h\u{435}|", true),
    ] {
        let (whole, _) = at_cursor(line);
        let mistake = parse(&whole, &sample::registry(), &sample::vocabulary(), sample::now()).expect_err(line);
        assert_eq!(complete(line).problem, is_told.then_some(mistake.what), "{line}");
    }
    let long = "x".repeat(9_000);
    assert!(complete_at(&long, 10).problem.is_some_and(|problem| problem.contains("9000 characters")));
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
fn taking_a_suggestion_never_makes_a_problem() {
    for line in [
        "  /deploy   ship  hello staging v2 because:\"the  page\" ",
        "/deploy lock env:staging “hello” it's moving for:2h",
        "/help deploy ship 2",
        "/flag rollout set 다크모드 25% ",
        "/changes since:14:00 @ana ",
    ] {
        for cursor in 0..=line.chars().count() {
            let typed: String = line.chars().take(cursor).collect();
            let completion = complete_at(&typed, cursor);
            assert_eq!(completion.problem, None, "{typed:?}");
            for suggestion in completion.suggestions {
                let problem = complete_at(&suggestion.line, suggestion.cursor).problem;
                assert_eq!(problem, None, "{typed:?}: {suggestion:?}");
            }
        }
    }
}

#[test]
fn no_cursor_in_any_line_breaks_it() {
    for line in [
        "",
        "/",
        "   ",
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
            for suggestion in complete_at(line, cursor).suggestions {
                assert!(suggestion.cursor <= suggestion.line.chars().count(), "{line:?} at {cursor}: {suggestion:?}");
            }
        }
    }
}
