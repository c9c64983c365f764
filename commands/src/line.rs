//! Takes a line apart into words, before anything is known about what they mean.

use std::ops::Range;

/// One word of a line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Word {
    /// Where it stands, in characters of the line.
    pub at: Range<usize>,
    /// What stands before its first colon, if that could be an option's name.
    pub key: Option<String>,
    /// The rest, without its quotes.
    pub text: String,
    /// Where the rest begins, behind its quote.
    pub text_at: usize,
    /// Whether the rest stood in quotes.
    pub quoted: bool,
    /// Where a quote begins that is not closed before a space or the end of the line; it is part of the text then.
    pub open: Option<usize>,
}

impl Word {
    /// Whether it is a word as it stands: no option, no quotes.
    pub fn is_plain(&self) -> bool {
        self.key.is_none() && !self.quoted && self.open.is_none()
    }
}

/// The words of `line` from character `from` on.
pub(crate) fn words(line: &[char], from: usize) -> Vec<Word> {
    let mut words = Vec::new();
    let mut at = from;
    while let Some(space) = line[at.min(line.len())..].iter().position(|c| !c.is_whitespace()) {
        let word = word(line, at + space);
        at = word.at.end;
        words.push(word);
    }
    words
}

fn word(line: &[char], start: usize) -> Word {
    let key = key(&line[start..]);
    let value = start + key.as_ref().map_or(0, |key| key.chars().count() + 1);
    if let Some((text, end)) = quoted(line, value) {
        return Word { at: start..end, key, text, text_at: value + 1, quoted: true, open: None };
    }
    let end = line[value..].iter().position(|c| c.is_whitespace()).map_or(line.len(), |space| value + space);
    let open = line.get(value).and_then(|c| closing(*c)).map(|_| value);
    Word { at: start..end, key, text: line[value..end].iter().collect(), text_at: value, quoted: false, open }
}

/// `key` of `key:value`.
fn key(line: &[char]) -> Option<String> {
    let end = line.iter().position(|c| !(c.is_alphanumeric() || matches!(c, '-' | '_')))?;
    let named = line[end] == ':' && line[0].is_alphabetic();
    named.then(|| line[..end].iter().collect())
}

/// The text of the quotes that open at `start`, and where the word ends. A quote inside a word, as in `don't`, is a
/// letter like others.
fn quoted(line: &[char], start: usize) -> Option<(String, usize)> {
    let close = closing(*line.get(start)?)?;
    let escapes = matches!(close, '"' | '”');
    let mut text = String::new();
    let mut rest = line.iter().enumerate().skip(start + 1).peekable();
    while let Some((at, c)) = rest.next() {
        let escaped = rest.peek().filter(|(_, next)| escapes && *c == '\\' && matches!(next, '"' | '”' | '“' | '\\'));
        if let Some((_, next)) = escaped {
            text.push(**next);
            rest.next();
        } else if *c == close {
            let ends = line.get(at + 1).is_none_or(|next| next.is_whitespace());
            return ends.then_some((text, at + 1));
        } else {
            text.push(*c);
        }
    }
    None
}

/// What closes a quote that `open` opens. Phones type curly ones.
fn closing(open: char) -> Option<char> {
    match open {
        '"' | '\'' => Some(open),
        '“' | '”' => Some('”'),
        '‘' | '’' => Some('’'),
        _ => None,
    }
}

/// `text` as a value that reads as this text again: in quotes where it needs them.
pub fn quote(text: &str) -> String {
    let bare = !text.is_empty() && !text.contains(char::is_whitespace) && !text.starts_with(|c| closing(c).is_some());
    if bare { text.to_owned() } else { format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"")) }
}

#[cfg(test)]
mod tests {
    use super::{quote, words};

    #[test]
    fn a_line_is_taken_apart() {
        for (line, expected) in [
            ("", vec![]),
            ("  ", vec![]),
            ("deploy  ship ", vec!["deploy", "ship"]),
            ("env:prod", vec!["env|prod"]),
            ("url:http://x:80", vec!["url|http://x:80"]),
            ("since:14:00", vec!["since|14:00"]),
            ("14:00", vec!["14:00"]),
            (":x", vec![":x"]),
            ("a:", vec!["a|"]),
            (r#"because:"two words" x"#, vec!["because|[two words]", "x"]),
            (r#""env:prod" 'a b'"#, vec!["[env:prod]", "[a b]"]),
            (r#""a \"b\" \\ \c""#, vec![r#"[a "b" \ \c]"#]),
            (r"'a \' b'", vec![r"[a \]", "b'"]),
            ("“a b” ‘c d’ ”e f”", vec!["[a b]", "[c d]", "[e f]"]),
            ("don't 5\"", vec!["don't", "5\""]),
            ("\"open here", vec!["<\"open", "here"]),
            ("\"a\"b c\"", vec!["<\"a\"b", "c\""]),
            ("because:'x", vec!["because|<'x"]),
            ("\"\" x:''", vec!["[]", "x|[]"]),
            ("배포　사유:느림", vec!["배포", "사유|느림"]),
        ] {
            let chars: Vec<char> = line.chars().collect();
            let shown = words(&chars, 0).into_iter().map(|word| {
                let text: String = if word.quoted { format!("[{}]", word.text) } else { word.text.clone() };
                let key = word.key.map_or(String::new(), |key| format!("{key}|"));
                let open = if word.open.is_some() { "<" } else { "" };
                assert!(word.at.end <= chars.len() && word.at.start < word.at.end, "{line}");
                format!("{key}{open}{text}")
            });
            assert_eq!(shown.collect::<Vec<_>>(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_quoted_reads_back() {
        for text in [
            "",
            "a",
            "a b",
            "\"",
            "\\",
            "\\ \"",
            "'x",
            "don't",
            "”",
            "env:x",
            "한글 사유",
            "a\u{3000}b",
            "“",
            "‘a’ \\\"",
        ] {
            let line: Vec<char> = quote(text).chars().collect();
            let read = words(&[&['x', ':'][..], &line].concat(), 0);
            assert_eq!(read.len(), 1, "{text}");
            assert_eq!((read[0].text.as_str(), read[0].open), (text, None));
        }
    }
}
