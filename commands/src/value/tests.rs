use super::{Value, foreign_character};
use crate::sample;
use crate::spec::Kind;

fn read(kind: Kind, text: &str) -> Result<Value, String> {
    Value::read(kind, text, &sample::registry(), &sample::vocabulary(), sample::now())
}

#[test]
fn a_value_is_shown_as_it_can_be_typed_again() {
    for (kind, text, shown) in [
        (Kind::Service, "Checkout", "checkout"),
        (Kind::Person, "@ana", "ana"),
        (Kind::Command, "/deploy ship", "deploy ship"),
        (Kind::Command, "deploy", "deploy"),
        (Kind::Ref, "feature/결제-1.2", "feature/결제-1.2"),
        (Kind::Ref, "3f786850e387550fdab836ed7e6dc881de23001b", "3f786850e387550fdab836ed7e6dc881de23001b"),
        (Kind::Duration, "90m", "1h30m"),
        (Kind::Time, "14:00", "2026-03-05T05:00:00Z"),
        (Kind::Time, "2026-03-01T00:00:00.25Z", "2026-03-01T00:00:00.250Z"),
        (Kind::Percent, "12.5%", "12.5"),
        (Kind::Percent, "0", "0"),
        (Kind::Percent, "100", "100"),
        (Kind::Integer(-5, 5), "-5", "-5"),
        (Kind::Text, "‘any’ text", "‘any’ text"),
        (Kind::Choice(&["user", "session"]), "SESSION", "session"),
    ] {
        let value = read(kind, text).unwrap();
        assert_eq!(value.to_string(), shown, "{text}");
        assert_eq!(read(kind, shown), Ok(value), "{shown}");
    }
}

#[test]
fn what_is_no_ref_is_refused_with_its_reason() {
    let long = "a".repeat(201);
    for (text, wrong) in [
        ("", "is empty"),
        ("@", "is only `@`"),
        (&long, "is longer than 200 bytes"),
        ("-rf", "begins with `-`"),
        ("--upload-pack=x", "begins with `-`"),
        ("/a", "begins with `/`"),
        ("a/", "ends with `/`"),
        ("a.", "ends with `.`"),
        ("a..b", "has `..` in it"),
        ("a//b", "has `//` in it"),
        ("a@{1}", "has `@{` in it"),
        ("a.lock", "ends with `.lock`"),
        ("a.lock/b", "ends with `.lock`"),
        ("a/.b", "has a part that begins with `.`"),
        ("a b", "has a space in it"),
        ("HEAD~1", "has `~` in it"),
        ("a^", "has `^` in it"),
        ("a:b", "has `:` in it"),
        ("a?", "has `?` in it"),
        ("a*", "has `*` in it"),
        ("a[", "has `[` in it"),
        ("a\\b", "has `\\` in it"),
    ] {
        let sentence = read(Kind::Ref, text).unwrap_err();
        assert!(
            sentence.ends_with(&format!(" is no ref: it {wrong}. Name a tag, a branch or a commit.")),
            "{sentence}"
        );
    }
}

#[test]
fn what_is_no_number_is_refused() {
    for text in ["", "%", "-1", "100.1", "1e1", "inf", "NaN", "+5", "5 %", "1.2.3", "٥"] {
        assert!(read(Kind::Percent, text).is_err(), "{text}");
    }
    for text in ["", "0", "11", "1.0", "1_0", "99999999999999999999", " 1"] {
        let sentence = read(Kind::Integer(1, 10), text).unwrap_err();
        assert!(sentence.ends_with("does not fit here. Write a whole number from 1 to 10."), "{sentence}");
    }
}

#[test]
fn a_value_that_hides_something_is_refused_whatever_its_kind() {
    for kind in [Kind::Text, Kind::Service, Kind::Ref, Kind::Time] {
        let sentence = read(kind, "a\u{202e}b").unwrap_err();
        assert_eq!(sentence, "There is a right-to-left override (U+202E) at character 2 of the value. Take it out.");
    }
    let sentence = read(Kind::Service, "ch\u{435}ckout").unwrap_err();
    let expected = "There is a Cyrillic letter (U+0435) at character 3 of the value. Names are in plain letters, a to z: type it again.";
    assert_eq!(sentence, expected);
}

#[test]
fn letters_that_look_like_others_are_named_by_their_script() {
    for (text, foreign) in [
        ("checkout-2", None),
        ("ch\u{435}ckout", Some((2, "a Cyrillic letter (U+0435)"))),
        ("\u{3bf}", Some((0, "a Greek letter (U+03BF)"))),
        ("ｅnv", Some((0, "a full-width letter (U+FF45)"))),
        ("배포", Some((0, "a letter that is not a to z (U+BC30)"))),
        ("a\u{2011}b", Some((1, "a character that is not on the keyboard (U+2011)"))),
    ] {
        let found = foreign_character(text);
        assert_eq!(found.as_ref().map(|(at, name)| (*at, name.as_str())), foreign, "{text}");
    }
}
