use super::*;
use commands::reply::{Button, Card, Field};

fn deploy() -> Reply {
    Reply::card(Tone::Good, "hello in staging: v2 is live", "v2 is live since 09:00:04 UTC.\n\nMind: it is Friday.")
        .field("Deploy", "#3")
        .field("Live before", "v1\nsince Monday")
        .file("Log of #3", "deploy-3.log")
        .button(Button::new("Rollback to v1", "deploy rollback"))
        .button(Button::new("Plan", "deploy plan"))
}

#[test]
fn a_reply_is_drawn_in_words() {
    let drawn = whole(&deploy(), &[7, 8], false);
    assert_eq!(
        drawn.lines,
        [
            "✓ hello in staging: v2 is live",
            "v2 is live since 09:00:04 UTC.",
            "Mind: it is Friday.",
            "Deploy: #3",
            "Live before:",
            "  v1",
            "  since Monday",
            "Log of #3 is on the console, as deploy-3.log.",
        ]
    );
    assert_eq!(drawn.choices, "!7 Rollback to v1 · !8 Plan");
}

#[test]
fn colours_are_ours_alone() {
    let hostile = Reply::card(Tone::Bad, "a\u{03}4b\u{E000}c\r\nQUIT", "x\u{02}y").output("> \u{1b}[31mred\u{E001}");
    assert_eq!(
        whole(&hostile, &[], true).lines,
        ["\u{03}04✗✗\u{0F} \u{02}a\u{FFFD}4bc\u{FFFD}\u{FFFD}QUIT\u{0F}", "x\u{FFFD}y", "> > \u{FFFD}[31mred",]
    );
    assert_eq!(whole(&hostile, &[], false).lines[0], "✗✗ a\u{FFFD}4bc\u{FFFD}\u{FFFD}QUIT");
}

#[test]
fn a_table_stands_in_columns_while_it_is_narrow() {
    let rows = vec![["hello".to_owned(), "v1".to_owned()], ["한국".to_owned(), "–".to_owned()]];
    let table = Reply::card(Tone::Plain, "What is live", "").table(["Service", "Live"], rows);
    assert_eq!(whole(&table, &[], false).lines, ["• What is live", "Service | Live", "hello   | v1", "한국    | –"]);
    let wide = Reply::say("Wide.").table(["a", "b"], vec![["x".repeat(100), "y".to_owned()]]);
    assert_eq!(whole(&wide, &[], false).lines[1..], ["a | b".to_owned(), format!("{} | y", "x".repeat(100))]);
}

#[test]
fn a_stage_is_one_line_and_its_figures_are_no_other_stage() {
    let at = |seconds: &str| Reply {
        state: State::Progress,
        ..Reply::card(Tone::Working, "hello: shipping v2", format!("Running for {seconds} s.\nMore.")).output("…")
    };
    assert_eq!(stage(&at("2.0"), &[], false).lines, ["… hello: shipping v2 – Running for 2.0 s."]);
    assert_eq!(stage_of(&at("2.0")), stage_of(&at("14.5")));
    let v3 = Reply { card: Some(Card { title: "hello: shipping v3".to_owned(), tone: Tone::Working }), ..at("2.0") };
    assert_ne!(stage_of(&at("2.0")), stage_of(&v3));
}

#[test]
fn nothing_is_drawn_that_is_not_there() {
    let empty = Reply { fields: vec![Field { name: "A".to_owned(), value: String::new() }], ..Reply::default() };
    assert_eq!(whole(&empty, &[], false).lines, ["A:"]);
    assert!(whole(&Reply::say("Done."), &[1], false).choices.is_empty());
}
