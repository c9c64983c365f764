//! What the renderer makes of replies, as one golden file, and what it never does.

use super::super::message::room;
use super::*;
use commands::reply::{Button, Card, Field};
use std::fmt::Write;
use std::path::Path;

fn live() -> Reply {
    let text = "v2 is live since 09:00:04 UTC.\n\nMind: it is Friday.";
    let mut live = Reply::card(Tone::Good, "hello in staging: v2 is live", text)
        .field("Deploy", "#3")
        .field("Live before", "v1\nsince Monday")
        .file("Log of #3", "deploy-3.log");
    live.buttons = ["Rollback to v1", "Plan"].map(|label| Button::new(label, "deploy plan")).to_vec();
    live
}

fn table(rows: Vec<[String; 2]>) -> Reply {
    Reply::card(Tone::Plain, "What is live", "").table(["Service", "Live"], rows)
}

/// One reply a rule.
fn goldens() -> Vec<(&'static str, Reply)> {
    let cells = |rows: &[[&str; 2]]| rows.iter().map(|row| row.map(str::to_owned)).collect();
    let question =
        Reply::card(Tone::Warn, "Ship v2 of hello to production?", "It is Friday.").outcome(Outcome::Refused);
    let failed = Reply::card(Tone::Bad, "hello: v2 is not live", "The program ended with 1.");
    let picture = Reply::card(Tone::Plain, "Latency of web", "");
    vec![
        ("what is live", live()),
        ("a question", question.button(Button::new("Yes, do it", "confirm")).button(Button::new("No", "decline"))),
        ("a refusal", Reply::refuse("You may not ship to `production`. Ask ben.")),
        ("broken", failed.output("error: no space left\nbye").outcome(Outcome::Broken)),
        ("a table", table(cells(&[["hello", "v1"], ["한국", "–"]]))),
        ("a wide table", table(vec![["hello".to_owned(), "v".repeat(100)], ["web".to_owned(), "v1".to_owned()]])),
        ("Korean", Reply::card(Tone::Working, "배포 기록", "서비스 상태 확인 및 배포 승인 대기 ".repeat(12))),
        ("Korean in one word", Reply::say("배포".repeat(120))),
        ("a family", Reply::say("👨\u{200d}👩\u{200d}👧\u{200d}👦".repeat(20))),
        ("pages", Reply::say("Lines.").output((1..=20).map(|line| format!("line {line}\n")).collect::<String>())),
        ("hostile", Reply::card(Tone::Bad, "a\u{03}4b\u{E000}c\r\nQUIT", "x\u{02}y").output("> \u{1b}[31mred\u{E001}")),
        (
            "a picture of figures",
            picture.clone().picture("p95, ms", "p95.png", vec![12.0, 14.5, 13.0, 90.25, 340.0, 20.0]),
        ),
        ("a picture of one figure", picture.clone().picture("p95, ms", "p95.png", vec![7.0; 300])),
        ("a picture without figures", picture.picture("p95, ms", "a b/p95.png", vec![f64::NAN])),
    ]
}

#[test]
fn replies_look_as_the_golden_file_says() {
    let console = Some("https://deckhand.example".to_owned());
    let looks = [Look::default(), Look { colours: true, console }];
    let room = room("deckhand", "PRIVMSG", "#ops");
    let mut shown = String::new();
    for (name, reply) in goldens() {
        writeln!(shown, "## {name}").unwrap();
        let (plain, coloured) = (
            page(&whole(&reply, &[7, 8], &looks[0]), "ana: ", room),
            page(&whole(&reply, &[7, 8], &looks[1]), "ana: ", room),
        );
        for (kind, (said, rest)) in [("", &plain), ("coloured, and with links", &coloured)] {
            if kind.is_empty() || coloured != plain {
                writeln!(shown, "{kind}").unwrap();
                said.iter().for_each(|line| writeln!(shown, "{:>4} {}", line.len(), escaped(line)).unwrap());
                assert!(said.iter().chain(rest).all(|line| line.len() <= room), "{said:?}");
            }
        }
        shown.push('\n');
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/platforms/irc/render/golden.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &shown).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    let again = "`UPDATE=1 cargo test -p bot --lib irc::render` writes it, for you to look at";
    assert!(shown == golden, "golden.txt differs: {again}. It is now\n{shown}");
}

/// A line with its bytes of control in words.
fn escaped(line: &str) -> String {
    line.chars().map(|c| if c.is_control() { format!("<{:02x}>", u32::from(c)) } else { c.to_string() }).collect()
}

#[test]
fn a_stage_is_one_line_and_its_figures_are_no_other_stage() {
    let at = |seconds: &str| Reply {
        state: State::Progress,
        ..Reply::card(Tone::Working, "hello: shipping v2", format!("Running for {seconds} s.\nMore.")).output("…")
    };
    let look = Look::default();
    assert_eq!(stage(&at("2.0"), &[], &look).lines, ["… hello: shipping v2 – Running for 2.0 s."]);
    assert_eq!(stage_of(&at("2.0")), stage_of(&at("14.5")));
    let v3 = Reply { card: Some(Card { title: "hello: shipping v3".to_owned(), tone: Tone::Working }), ..at("2.0") };
    assert_ne!(stage_of(&at("2.0")), stage_of(&v3));
}

#[test]
fn nothing_is_drawn_that_is_not_there() {
    let empty = Reply { fields: vec![Field { name: "A".to_owned(), value: String::new() }], ..Reply::default() };
    assert_eq!(whole(&empty, &[], &Look::default()).lines, ["A:"]);
    assert!(whole(&Reply::say("Done."), &[1], &Look::default()).choices.is_empty());
}
