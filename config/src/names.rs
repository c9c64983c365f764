//! What services, environments, people and roles may be called, and what was meant by a name that is none.

use crate::{
    problem::{quoted, quoted_list},
    section::Mistake,
    suggest::suggest,
    tree::Text,
};

/// The length of a DNS label, so that a name may become part of a host's.
const LONGEST: usize = 63;

/// Letters of other scripts and accents that are easily taken for the letter before them.
const LOOK_ALIKES: [(char, &str); 25] = [
    ('a', "аαáàâãäåāɑ"),
    ('b', "вьƅ"),
    ('c', "сçćč"),
    ('d', "ԁ"),
    ('e', "еéèêëēεё"),
    ('g', "ɡğ"),
    ('h', "һн"),
    ('i', "іιíìîïıї"),
    ('j', "ј"),
    ('k', "кκ"),
    ('l', "ӏłⅼ"),
    ('m', "м"),
    ('n', "ñńηп"),
    ('o', "оοσóòôõöøō"),
    ('p', "рρ"),
    ('q', "ԛ"),
    ('r', "гř"),
    ('s', "ѕśš"),
    ('t', "тτ"),
    ('u', "υúùûüūц"),
    ('v', "ν"),
    ('w', "ԝω"),
    ('x', "хχ"),
    ('y', "уýÿγ"),
    ('z', "źžż"),
];

/// What is wrong with a name, if anything; `of` is what it names, such as "a service".
pub(crate) fn mistake(of: &str, name: &str) -> Option<Mistake> {
    let strange: Vec<_> =
        name.chars().filter(|c| !c.is_ascii() || c.is_ascii_control()).take(3).map(described).collect();
    if strange.is_empty() && is_name(name) {
        return None;
    }
    let what = format!("{} can not be the name of {of}", quoted(name));
    let what = if strange.is_empty() { what } else { format!("{what}: it holds {}", strange.join(", ")) };
    let instead = match spelt(name) {
        Some(meant) => format!("write `{meant}`"),
        None => "write up to 63 of a-z, 0-9, `.`, `_` and `-`, a letter or digit first".into(),
    };
    Some((what, instead))
}

/// As [`mistake`], for a name that may have come from outside the file and then is shown as it stands there.
pub(crate) fn check(of: &str, name: &Text) -> Option<Mistake> {
    let (what, instead) = mistake(of, &name.value)?;
    let what = if name.is_from_outside() { format!("{} can not be the name of {of}", name.shown()) } else { what };
    Some((what, instead))
}

/// What is wrong with a text that other systems made, such as an id or a channel, if anything.
pub(crate) fn check_line(text: &Text) -> Option<Mistake> {
    let good = !text.value.trim().is_empty() && !text.value.contains(char::is_control);
    let instead = "write a text that is not empty and has no control characters";
    (!good).then(|| (format!("{} can not stand here", text.shown()), instead.into()))
}

/// What to write instead of a word that is none of the known ones.
pub(crate) fn nearest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    let known: Vec<_> = known.into_iter().collect();
    match (suggest(wrong, known.iter().copied()), known.len()) {
        (Some(meant), _) => format!("write `{meant}`"),
        (None, 1..=12) => format!("write one of {}", quoted_list(known)),
        _ => "write one that there is".into(),
    }
}

fn is_name(text: &str) -> bool {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= LONGEST
        && text.bytes().next().is_some_and(plain)
        && text.bytes().all(|c| plain(c) || matches!(c, b'.' | b'_' | b'-'))
}

/// The nearest allowed spelling.
fn spelt(name: &str) -> Option<String> {
    let plain = |c: char| match c {
        ' ' | '/' | ':' | '‐'..='―' | '−' => Some('-'),
        _ => looks_like(c).or(Some(c)),
    };
    let mut spelt: String = name.chars().take(4 * LONGEST).flat_map(char::to_lowercase).filter_map(plain).collect();
    spelt.retain(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-'));
    let spelt: String = spelt.trim_matches(['.', '_', '-']).chars().take(LONGEST).collect();
    is_name(&spelt).then_some(spelt)
}

/// The plain letter that a lower-case one is easily taken for.
fn looks_like(c: char) -> Option<char> {
    match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(c as u32 - 0xfee0),
        _ => LOOK_ALIKES.iter().find(|(_, others)| others.contains(c)).map(|(plain, _)| *plain),
    }
}

/// A character by its code point, with what makes it a trap.
fn described(c: char) -> String {
    let point = format!("U+{:04X}", c as u32);
    match c {
        '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            format!("{point} (turns the direction of writing)")
        }
        '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200d}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => {
            format!("{point} (can not be seen)")
        }
        _ => match c.to_lowercase().next().and_then(looks_like) {
            Some(plain) => format!("{point} (looks like `{plain}`)"),
            None => point,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, mistake};

    #[test]
    fn names_are_plain() {
        for name in ["a", "7", "ana", "web-1", "api.v2", "snake_case", "a--b", &"x".repeat(LONGEST)] {
            assert_eq!(mistake("a service", name), None, "{name}");
        }
    }

    #[test]
    fn a_name_that_is_none_is_told_with_the_nearest_spelling() {
        let rules = "write up to 63 of a-z, 0-9, `.`, `_` and `-`, a letter or digit first";
        let of = "can not be the name of a person";
        for (name, what, instead) in [
            ("Ana", format!("`Ana` {of}"), "write `ana`"),
            ("ana maria", format!("`ana maria` {of}"), "write `ana-maria`"),
            ("-ana", format!("`-ana` {of}"), "write `ana`"),
            ("@ana!", format!("`@ana!` {of}"), "write `ana`"),
            ("", format!("`` {of}"), rules),
            ("..", format!("`..` {of}"), rules),
            ("../etc", format!("`../etc` {of}"), "write `etc`"),
            ("аna", format!("`аna` {of}: it holds U+0430 (looks like `a`)"), "write `ana`"),
            ("АNA", format!("`АNA` {of}: it holds U+0410 (looks like `a`)"), "write `ana`"),
            ("josé", format!("`josé` {of}: it holds U+00E9 (looks like `e`)"), "write `jose`"),
            ("ａna", format!("`ａna` {of}: it holds U+FF41 (looks like `a`)"), "write `ana`"),
            ("a\u{200b}na", format!(r"`a\u{{200b}}na` {of}: it holds U+200B (can not be seen)"), "write `ana`"),
            (
                "\u{202e}ana",
                format!(r"`\u{{202e}}ana` {of}: it holds U+202E (turns the direction of writing)"),
                "write `ana`",
            ),
            ("ana\n", format!(r"`ana\n` {of}: it holds U+000A"), "write `ana`"),
            ("아나", format!("`아나` {of}: it holds U+C544, U+B098"), rules),
        ] {
            assert_eq!(mistake("a person", name), Some((what, instead.into())));
        }
        let (what, instead) = mistake("a person", &"x".repeat(100_000)).unwrap();
        assert!(what.len() < 120, "{what}");
        assert_eq!(instead, format!("write `{}…`", "x".repeat(LONGEST)).replace('…', ""));
    }
}
