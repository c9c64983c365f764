//! The house's own files, read as the rules want them: code without its comments, transcripts without their answers.

use std::fs;
use std::path::{Path, PathBuf};

/// Where the house stands.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// What is in one of its files.
pub fn read(file: &str) -> String {
    fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("{file} can not be read: {error}"))
}

/// All files below a folder of the house that end like this, by their paths in it.
pub fn files(folder: &str, ending: &str) -> Vec<String> {
    let listed = fs::read_dir(root().join(folder)).unwrap_or_else(|error| panic!("{folder} can not be read: {error}"));
    let mut found = Vec::new();
    for item in listed.map(Result::unwrap) {
        let path = format!("{folder}/{}", item.file_name().to_string_lossy());
        if item.path().is_dir() {
            found.extend(files(&path, ending));
        } else if path.ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// A source file without its comments and tests, line by line; nothing of a file that is all tests.
pub fn code(file: &str) -> Vec<(usize, String)> {
    if file.ends_with("/tests.rs") || file.contains("/tests/") || file.ends_with("/sample.rs") {
        return Vec::new();
    }
    let text = read(file);
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//"));
    lines.map(|(number, line)| (number + 1, line.to_owned())).collect()
}

/// Where one of these words stands in the code of a folder, but for the files excepted.
pub fn named(folder: &str, words: &[&[&str]], except: &[&str]) -> Vec<String> {
    let part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let stands = |line: &str, word: &str| {
        line.match_indices(word)
            .any(|(at, _)| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
    };
    let mut found = Vec::new();
    for file in files(folder, ".rs").iter().filter(|file| !except.iter().any(|except| file.contains(except))) {
        for (number, line) in code(file) {
            let words = words.iter().copied().flatten().filter(|word| stands(&line, word));
            found.extend(words.map(|word| format!("{file}:{number} names `{word}`")));
        }
    }
    found
}

/// The lines that a transcript plays: what is said, and for the press of a button the line behind it.
pub fn played(transcript: &str) -> Vec<String> {
    let chat = transcript.split("```chat\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap_or_default();
    let mut shown: Vec<(&str, &str)> = Vec::new();
    let mut lines = Vec::new();
    for line in chat.lines() {
        if line.starts_with(' ') {
            shown.extend(line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("] /")));
        } else if !line.starts_with('*') {
            let said = line.split_once(": ").map_or("", |(_, said)| said);
            let label = said.strip_prefix('[').and_then(|label| label.strip_suffix(']'));
            let pressed = label.and_then(|label| shown.iter().rev().find(|button| button.0 == label));
            lines.push(pressed.map_or(said, |button| button.1).trim_start_matches('/').to_owned());
        }
    }
    lines
}

/// What is longer than one thing usually is.
pub fn long(file: &str, text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().collect();
    let mut long = Vec::new();
    if lines.len() > 500 {
        long.push(format!("{file} has {} lines", lines.len()));
    }
    for (first, line) in lines.iter().enumerate().filter(|(_, line)| line.contains("fn ") && line.ends_with('{')) {
        let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
        let length = lines[first..].iter().position(|line| **line == end).unwrap_or_default() + 1;
        if length > 70 {
            long.push(format!("{file}:{} has {length} lines: {}", first + 1, line.trim()));
        }
    }
    long
}
