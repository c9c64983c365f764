//! The hints on sentences of our own: half of them are traps.

use super::*;

const CORPORA: [(&str, &str); 6] = [
    ("English", include_str!("corpus/en.txt")),
    ("Korean", include_str!("corpus/ko.txt")),
    ("English, unseen", include_str!("corpus/en-unseen.txt")),
    ("Korean, unseen", include_str!("corpus/ko-unseen.txt")),
    ("English, as in public", include_str!("corpus/en-public.txt")),
    ("Korean, as in public", include_str!("corpus/ko-public.txt")),
];

fn hints() -> Hints {
    Hints::new(Lists::default())
}

/// The sentences of a corpus: what is expected, the part, the sentence.
fn sentences_of(corpus: &str) -> impl Iterator<Item = (&str, Part, &str)> {
    let lines = corpus.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| {
        let (head, sentence) = line.split_once(' ').unwrap();
        let (part, expected) = head.split_once('/').unwrap_or(("", head));
        let part = match part {
            "actions" => Part::Actions,
            "lucky" => Part::Luck,
            _ => Part::Story,
        };
        (expected, part, sentence)
    })
}

#[test]
fn four_of_five_hints_are_right() {
    let hints = hints();
    for (language, corpus) in CORPORA {
        let (mut right, mut wrong, mut missed, mut traps) = (0_u32, Vec::new(), Vec::new(), 0_u32);
        for (expected, part, sentence) in sentences_of(corpus) {
            traps += u32::from(expected == "ok");
            match hints.first(sentence, part).map(|hint| hint.rule) {
                Some(rule) if rule == expected => right += 1,
                Some(rule) => wrong.push(format!("{rule} instead of {expected}: {sentence}")),
                None if expected == "ok" => {}
                None => missed.push(format!("{expected}: {sentence}")),
            }
        }
        let said = right + u32::try_from(wrong.len()).unwrap();
        let (precision, recall) =
            (f64::from(right) / f64::from(said), f64::from(right) / (f64::from(right) + missed.len() as f64));
        println!(
            "{language}: {right} of {said} hints are right ({precision:.3}), {recall:.3} of what is to be found is"
        );
        println!("wrong:\n  {}\nmissed:\n  {}", wrong.join("\n  "), missed.join("\n  "));
        assert!(traps * 2 >= u32::try_from(sentences_of(corpus).count()).unwrap(), "{language}: half of it are traps");
        assert!(precision >= 0.8 && recall >= 0.6, "{language}: {precision} {recall}");
    }
}

#[test]
fn another_wording_is_no_reason_for_the_same_hint() {
    let hints = hints();
    let mut reworded = 0;
    for (_, part, sentence) in CORPORA.iter().flat_map(|(_, corpus)| sentences_of(corpus)) {
        let Some(hint) = hints.first(sentence, part) else { continue };
        let Some(instead) = hint.applied(sentence) else { continue };
        println!("{sentence}\n  {instead}");
        let again = hints.first(&instead, part).map(|hint| hint.rule);
        assert_ne!(again, Some(hint.rule), "{sentence}\n{instead}");
        reworded += 1;
    }
    assert!(reworded > 100, "{reworded}");
}

#[test]
fn wordings_are_put_in_their_place() {
    let hints = hints();
    for (text, rule, applied) in [
        (
            "At 14:02 UTC the pool was full.\n- The on-call engineer forgot to check the lag.\n- It recovered.",
            "blame",
            "At 14:02 UTC the pool was full.\n- Nothing at that moment asked anyone to check the lag.\n- It recovered.",
        ),
        (
            "We put it down to human error.",
            "human-error",
            "We put it down to an action whose effect the tools did not show.",
        ),
        ("The engineer should have checked it.", "counterfactual", "The engineer had not checked it."),
        ("담당자가 복제 지연을 확인하지 않았다.", "blame", "복제 지연을 확인하라고 알려 주는 것이 없었다."),
        ("The root cause was a full disk.", "root-cause", "One contributing factor was a full disk."),
    ] {
        let hint = hints.first(text, Part::Story).unwrap();
        assert_eq!((hint.rule, hint.applied(text).unwrap().as_str()), (rule, applied));
    }
}

#[test]
fn what_can_not_be_turned_round_as_a_whole_is_asked_about_alone() {
    let hints = hints();
    for text in [
        "The engineer forgot to check the pool and should have known better.",
        "The operator ignored the alert and then restarted the primary.",
        "An engineer saw the level rise but failed to stop the pump.",
        "NOBODY KNEW where the keys were!!!",
    ] {
        let hint = hints.first(text, Part::Story).unwrap();
        assert_eq!(hint.instead, None, "{text}");
    }
    let whole = "The engineer forgot to check the pool and the queue.";
    let instead = "Nothing at that moment asked anyone to check the pool and the queue.";
    assert_eq!(hints.first(whole, Part::Story).and_then(|hint| hint.applied(whole)).as_deref(), Some(instead));
}

#[test]
fn the_gravest_comes_first_and_hostile_text_harms_nobody() {
    let hints = hints();
    let two = "The root cause was a full disk. The operator forgot to look.";
    assert_eq!(hints.first(two, Part::Story).map(|hint| hint.rule), Some("blame"));
    let long = "word ".repeat(800) + "담당자가 " + &"가".repeat(400_000);
    for text in ["", "\n\n", "\u{202e}`\"“", "> The operator forgot to look.", "\"open", "@", &long] {
        assert_eq!(hints.first(text, Part::Story), None, "{}", text.chars().take(40).collect::<String>());
    }
}

#[test]
fn a_team_has_words_of_its_own() {
    let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    let own = Lists {
        people: list(&["vendors?", "hosting crew"]),
        words: list(&["clumsy", "엉망"]),
        off: list(&["root-cause"]),
        names: list(&["ana", "ben"]),
    };
    let hints = Hints::new(own);
    for (text, rule) in [
        ("The hosting crew forgot to tell us.", Some("blame")),
        ("The vendor forgot to tell us.", None),
        ("The clumsy change was rolled back.", Some("judgement")),
        ("설정이 엉망이었다.", Some("judgement")),
        ("The root cause was a full disk.", None),
        ("Ana rolled back at 14:02 UTC.", Some("name")),
        ("ben이 14:02에 롤백했다.", Some("name")),
        ("A bench and a banana.", None),
        ("Write to ops@example.com about @types/node.", None),
        ("@frank wrote to ops@example.com.", Some("name")),
        ("Ben forgot to check the lag.", Some("blame")),
    ] {
        assert_eq!(hints.first(text, Part::Story).map(|hint| hint.rule), rule, "{text}");
    }
}
