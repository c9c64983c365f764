//! Words with `{names}` in them, and what becomes of them: a program's arguments, its variables, the line that undoes what
//! it did, an address.

use commands::registry::is_name;
use std::borrow::Cow;

/// The names that stand for something in a word, in order.
pub fn names(word: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = word;
    while let Some((_, name, after)) = next(rest) {
        names.push(name);
        rest = after;
    }
    names
}

/// The word with every name replaced, in one pass: what stands in for one is not looked at again. Nothing comes of a word
/// that names what was left out: it is left out, too.
pub fn fill(word: &str, value: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut filled = String::new();
    let mut rest = word;
    while let Some((before, name, after)) = next(rest) {
        filled.push_str(before);
        filled.push_str(&value(name)?);
        rest = after;
    }
    Some(filled + rest)
}

/// The text with every name replaced that stands for something, in one pass; all else stays as it is.
pub fn fill_known<'a>(text: &str, value: impl Fn(&str) -> Option<Cow<'a, str>>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, name, after)) = next(rest) {
        let found = value(name);
        filled.push_str(before);
        filled.push_str(found.as_deref().unwrap_or("{"));
        rest = if found.is_some() { after } else { &rest[before.len() + 1..] };
    }
    filled + rest
}

/// `text` in the characters that RFC 3986 leaves unreserved; all else percent-encoded. `.` alone would be a step in a path.
pub fn encoded(text: &str) -> String {
    let dots = text.bytes().all(|byte| byte == b'.');
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) || (byte == b'.' && !dots);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// What stands before the first name, the name, and what stands behind it. Other braces are letters like others.
fn next(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices('{').find_map(|(at, _)| {
        let (name, after) = text[at + 1..].split_once('}')?;
        is_name(name).then_some((&text[..at], name, after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_in_an_address_is_one_part_of_it() {
        for (text, is) in [("abc-1_2~3.4", "abc-1_2~3.4"), ("a/../b?x=&#", "a%2F..%2Fb%3Fx%3D%26%23"), ("..", "%2E%2E")]
        {
            assert_eq!(encoded(text), is);
        }
        assert_eq!(encoded("ü\u{202e} "), "%C3%BC%E2%80%AE%20");
    }

    #[test]
    fn names_are_replaced_once_and_a_word_without_its_value_is_left_out() {
        let value = |name: &str| match name {
            "env" => Some("staging".to_owned()),
            "evil" => Some("{env} $(rm -rf /)".to_owned()),
            _ => None,
        };
        for (word, filled) in [
            ("", Some("")),
            ("{env}", Some("staging")),
            ("--env={env}/{env}", Some("--env=staging/staging")),
            ("{evil}", Some("{env} $(rm -rf /)")),
            ("--count={count}", None),
            ("{env}{count}", None),
            ("{\"env\": \"{env}\"}", Some("{\"env\": \"staging\"}")),
            ("{ENV} {} {env", Some("{ENV} {} {env")),
        ] {
            assert_eq!(fill(word, value).as_deref(), filled, "{word}");
        }
        assert_eq!(names("{a}-{b}{ c } {a}"), ["a", "b", "a"]);
    }
}
