//! Deckhand asks nobody for words that it does not find itself: its own, in every transcript, pass the hints that it gives.

use plugins::postmortem::hints::{Hints, Lists, Part};
use std::path::Path;

/// What repeats a person's words, so that it is not Deckhand's own.
const REPEATED: [&str; 7] = ["Reads now:", "Could read:", "Yours:", "Theirs,", "What:", "Because:", "Summary:"];

#[test]
fn deckhands_own_words_pass() {
    // Whom it is about has to be said where somebody is to do something: names are no judgement.
    let hints = Hints::new(Lists { off: vec!["name".to_owned()], ..Lists::default() });
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts");
    let (mut looked_at, mut wrong) = (0, Vec::new());
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        let text = std::fs::read_to_string(&file).unwrap();
        let (_, chat) = text.split_once("```chat\n").unwrap();
        let (chat, _) = chat.split_once("\n```").unwrap_or((chat, ""));
        // What people have said in this conversation may be told again.
        let said: Vec<_> = chat.lines().filter(|line| !line.starts_with(' ')).flat_map(quoted).collect();
        for line in chat.lines().filter_map(|line| line.strip_prefix("  ")) {
            let own = line.trim_start_matches(|c: char| " ✓•…?!✗".contains(c));
            let is_other = own.starts_with(['>', '|', '[', '›']) || REPEATED.iter().any(|it| own.starts_with(it));
            if is_other || said.iter().any(|said| own.contains(said)) {
                continue;
            }
            looked_at += 1;
            if let Some(hint) = hints.first(own, Part::Story) {
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                wrong.push(format!("{name}: {}: {own}", hint.rule));
            }
        }
    }
    println!("{looked_at} lines of Deckhand's were looked at");
    assert!(looked_at > 3_000, "{looked_at}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What stands in quotes in somebody's line.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('"').skip(1).step_by(2).filter(|text| text.len() > 3)
}
