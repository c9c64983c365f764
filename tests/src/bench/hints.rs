//! The hints on texts of others: each hit in a folder of Markdown is printed, to be judged by hand.

use anyhow::{Context, Result};
use plugins::postmortem::hints::{Hints, Lists, Part};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// What was looked at of one author: whoever a folder below the one that is read is called after.
#[derive(Default)]
struct Seen {
    documents: usize,
    sentences: usize,
    hits: usize,
}

/// A sentence without a hint, and where it stands.
struct Passed {
    place: String,
    sentence: String,
}

/// Looks at each sentence of the Markdown under `folder`, and tells of every hit: its rule, where it stands, the sentence. Then
/// come as many sentences without a hint as `sample` says, evenly spread, in which somebody may look for what is missed.
///
/// # Errors
/// When a file can not be read.
pub fn run(folder: &Path, sample: usize) -> Result<String> {
    // Nobody's config: what begins with an `@` is somebody all the same.
    let hints = Hints::new(Lists::default());
    let (mut told, mut seen, mut passed) = (String::new(), BTreeMap::<String, Seen>::new(), Vec::new());
    for file in files(folder)? {
        let name = file.strip_prefix(folder)?.display().to_string();
        let author = seen.entry(name.split('/').next().unwrap_or_default().to_owned()).or_default();
        author.documents += 1;
        let text = String::from_utf8_lossy(&fs::read(&file)?).into_owned();
        for paragraph in paragraphs(&text) {
            for (at, hint) in hints.each(&paragraph.text, paragraph.part) {
                let sentence = paragraph.text.get(at).unwrap_or_default().to_owned();
                // Headings, cells and single words are none.
                if sentence.split_whitespace().count() < 4 {
                    continue;
                }
                author.sentences += 1;
                let place = format!("{name}:{}", paragraph.line);
                let Some(hint) = hint else {
                    passed.push(Passed { place, sentence });
                    continue;
                };
                author.hits += 1;
                writeln!(told, "{}\t{place}\t{sentence}", hint.rule)?;
            }
        }
    }
    let every = (passed.len() / sample.max(1)).max(1);
    for Passed { place, sentence } in passed.iter().step_by(every).take(sample) {
        writeln!(told, "-\t{place}\t{sentence}")?;
    }
    writeln!(told, "\n| author | documents | sentences | hints |\n|---|---|---|---|")?;
    for (author, Seen { documents, sentences, hits }) in seen {
        writeln!(told, "| {author} | {documents} | {sentences} | {hits} |")?;
    }
    Ok(told)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("{} can not be read", folder.display()))? {
        let path = entry?.path();
        match path.is_dir() {
            true => found.extend(files(&path)?),
            false => found.extend(path.extension().is_some_and(|it| it == "md").then_some(path)),
        }
    }
    found.sort();
    Ok(found)
}

/// What stands together in a document: a paragraph, an item of a list, a row of a table.
struct Paragraph {
    line: usize,
    part: Part,
    text: String,
}

/// What headings of what is to be done have in them, and of where somebody was lucky.
const ACTIONS: [&str; 12] = [
    "action",
    "follow",
    "next step",
    "prevent",
    "improve",
    "recommend",
    "todo",
    "to-do",
    "재발",
    "조치",
    "개선",
    "계획",
];
const LUCK: [&str; 2] = ["luck", "운이 좋"];

fn paragraphs(text: &str) -> Vec<Paragraph> {
    let (mut found, mut part) = (Vec::<Paragraph>::new(), Part::Story);
    let (mut is_code, mut is_open) = (false, false);
    let mut lines = (1..).zip(text.lines()).peekable();
    // What stands between two lines of dashes at the very beginning is about the document.
    if lines.next_if(|(_, line)| *line == "---").is_some() {
        let _ = lines.by_ref().find(|(_, line)| *line == "---");
    }
    for (line, words) in lines {
        let words = words.trim();
        if words.starts_with("```") {
            (is_code, is_open) = (!is_code, false);
        } else if is_code || words.is_empty() {
            is_open = false;
        } else if words.starts_with('#') {
            (is_open, part) = (false, heads(&words.to_lowercase()));
        } else if let Some(last) = found.last_mut().filter(|_| is_open && !begins(words)) {
            last.text.push(' ');
            last.text.push_str(words);
        } else {
            found.push(Paragraph { line, part, text: words.to_owned() });
            is_open = !words.starts_with('|');
        }
    }
    found
}

/// What stands below this heading.
fn heads(heading: &str) -> Part {
    match heading {
        heading if LUCK.iter().any(|word| heading.contains(word)) => Part::Luck,
        heading if ACTIONS.iter().any(|word| heading.contains(word)) => Part::Actions,
        _ => Part::Story,
    }
}

/// Whether a line begins something of its own: an item of a list, a row of a table, a quotation.
fn begins(words: &str) -> bool {
    let bare = words.trim_start_matches(|c: char| c.is_ascii_digit());
    words.starts_with(['-', '*', '+', '|', '>']) || (bare.len() < words.len() && bare.starts_with(['.', ')']))
}
