use super::*;

/// Hostile or merely unusual text that no function may stumble over.
fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "`",
        "``",
        "`` ` ``",
        "a",
        "hello",
        "안녕하세요",
        "e\u{301}te\u{301}",
        "👨‍👩‍👧‍👦 family",
        "🏳️‍🌈",
        "1️⃣",
        "مرحبا",
        "\u{202E}evil",
        "\u{FEFF}",
        "a\nb\r\nc\td",
        "\x1b[31mred\x1b[0m",
        "\x1b]0;title\x07x",
        "\0\x01\x02",
        "\u{301}",
        "\u{200D}\u{200D}",
        "\u{FFFD}\u{202E}\u{FFFD}",
        "🏴\u{E0067}\u{E007F}",
    ]
    .map(str::to_owned)
    .into();
    texts.extend(["a", "`", "한", "\t", "👍🏽", "\u{202E}", "a\u{301}", "\r", "\x1b["].map(|unit| unit.repeat(1_000)));
    texts.push(format!("a{}", "\u{301}".repeat(10_000)));
    texts
}

#[test]
fn a_line_to_say_is_shown_whole_and_can_not_break_out() {
    let line = format!("deploy rollback service:hello env:production to:{}", "1".repeat(40));
    assert_eq!(to_say(&line), format!("`/{line}`"));
    assert_eq!(to_say("/help `x`"), "`/help 'x'`");
    assert!(to_say(&"x".repeat(10_000)).chars().count() <= LINE + 2);
}

#[test]
fn code_can_not_be_left() {
    let cases = [
        ("hello", "`hello`"),
        ("a`b` c", "`a'b' c`"),
        ("", "` `"),
        ("a\nb\tc", "`a b c`"),
        ("\u{202E}gpj.exe\u{202C}", "`\u{FFFD}gpj.exe\u{FFFD}`"),
        ("pay\u{200B}\u{200B}\u{2060}load", "`pay\u{FFFD}load`"),
        ("\x1b[31mred", "`\u{FFFD}[31mred`"),
        ("👩‍🚀 한국어 é", "`👩‍🚀 한국어 é`"),
    ];
    for (text, shown) in cases {
        assert_eq!(code(text), shown, "{text:?}");
    }
    assert_eq!(code(&"x".repeat(61)), format!("`{}…`", "x".repeat(59)));
    assert_eq!(code(&"한".repeat(31)), format!("`{}…`", "한".repeat(29)));
    for text in texts() {
        let shown = code(&text);
        let inner = shown.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')).unwrap();
        assert!(!inner.is_empty() && !inner.contains('`') && inner.width() <= 60, "{shown:?}");
        assert!(odd_character(inner).is_none(), "{shown:?}");
    }
}

#[test]
fn plain_text_stays_on_its_line() {
    assert_eq!(plain("no `code`,\n  here"), "no 'code',   here");
    assert_eq!(plain(&"x".repeat(501)), format!("{}…", "x".repeat(499)));
    assert_eq!(plain(&format!("a{}b", "\u{301}".repeat(1_000))), format!("a{}b", "\u{301}".repeat(CLUSTER - 1)));
    for text in texts() {
        let shown = plain(&text);
        assert!(!shown.contains('`') && shown.width() <= 500 && odd_character(&shown).is_none(), "{shown:?}");
    }
}

#[test]
fn output_is_shown_as_a_terminal_would() {
    let cases = [
        ("plain text", "plain text"),
        ("  indented  \r\n", "  indented"),
        ("a\tb\t\tc", "a       b               c"),
        ("한국\tb\tsixteen.", "한국    b       sixteen."),
        ("12345678\tb", "12345678        b"),
        ("\x1b[1;31merror\x1b[0m: \x1b[38;2;1;2;3mno\x1b[K", "error: no"),
        ("\u{9B}31mred", "red"),
        ("\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\ there", "link there"),
        ("\x1b]0;title\x07shell\x1b(B\x1b7", "shell"),
        ("\x1b]0;a title without an end", "0;a title without an end"),
        ("\x1b[31", "31"),
        ("10%\r 20%\r100%\r\n", "100%"),
        ("a\x08b\0\u{202E}c\u{200B}", "a\u{FFFD}b\u{FFFD}c\u{FFFD}"),
        ("`code` stays", "`code` stays"),
        ("\r\n", ""),
        ("\t \t", ""),
    ];
    for (text, shown) in cases {
        assert_eq!(line(text), shown, "{text:?}");
    }
    assert_eq!(line(&"x".repeat(201)), format!("{}…", "x".repeat(199)));
    for text in texts() {
        let shown = line(&text);
        assert!(shown.width() <= 200 && odd_character(&shown).is_none(), "{shown:?}");
    }
}

#[test]
fn text_is_cut_between_characters() {
    let cases = [
        ("hello", 5, "hello"),
        ("hello", 4, "hel…"),
        ("hello", 1, "…"),
        ("", 1, ""),
        ("two words", 5, "two…"),
        ("한국어", 6, "한국어"),
        ("한국어", 5, "한국…"),
        ("한국어", 4, "한…"),
        ("e\u{301}te\u{301}!", 3, "e\u{301}t…"),
        ("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 4, "👨‍👩‍👧‍👦👨‍👩‍👧‍👦"),
        ("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 3, "👨‍👩‍👧‍👦…"),
        ("a\u{200B}\u{200B}\u{200B}", 3, "a\u{200B}…"),
    ];
    for (text, columns, shown) in cases {
        assert_eq!(cut(text, columns), shown, "{text} in {columns}");
    }
    for text in texts() {
        for columns in 1..70 {
            let shown = cut(&text, columns);
            assert!(shown == text || (shown.ends_with('…') && shown.width() <= columns), "{shown:?} in {columns}");
            assert!(text.starts_with(shown.trim_end_matches('…')), "{shown:?}");
        }
    }
}

#[test]
fn odd_characters_are_named() {
    let cases = [
        ("a\u{202E}b", 1, "a right-to-left override (U+202E)"),
        ("한국\u{200B}", 2, "a zero-width space (U+200B)"),
        ("\0", 0, "a null character (U+0000)"),
        ("a\tb", 1, "a tab (U+0009)"),
        ("a\nb", 1, "a line break (U+000A)"),
        ("a\rb", 1, "a carriage return (U+000D)"),
        ("\x1b[0m", 0, "an escape character (U+001B)"),
        ("\x7f", 0, "a control character (U+007F)"),
        ("\u{80}", 0, "a control character (U+0080)"),
        ("in\u{AD}visible", 2, "a soft hyphen (U+00AD)"),
        ("a\u{200F}", 1, "a direction mark (U+200F)"),
        ("a\u{2028}", 1, "a line separator (U+2028)"),
        ("\u{2029}", 0, "a paragraph separator (U+2029)"),
        ("\u{202A}", 0, "a left-to-right embedding (U+202A)"),
        ("\u{202B}", 0, "a right-to-left embedding (U+202B)"),
        ("\u{202D}", 0, "a left-to-right override (U+202D)"),
        ("a\u{2066}b\u{2069}", 1, "a left-to-right isolate (U+2066)"),
        ("\u{2067}", 0, "a right-to-left isolate (U+2067)"),
        ("\u{2068}", 0, "a first strong isolate (U+2068)"),
        ("\u{2069}", 0, "a pop directional isolate (U+2069)"),
        ("a\u{34F}", 1, "a combining grapheme joiner (U+034F)"),
        ("\u{FFFA}", 0, "an annotation mark (U+FFFA)"),
        ("\u{1D173}", 0, "an invisible character (U+1D173)"),
        ("\u{E0FFF}", 0, "an invisible character (U+E0FFF)"),
        ("\u{FEFF}a", 0, "a zero-width no-break space (U+FEFF)"),
        ("a\u{3164}", 1, "a Hangul filler (U+3164)"),
        ("hi\u{E0061}", 2, "a tag character (U+E0061)"),
        ("a\u{2062}b", 1, "an invisible character (U+2062)"),
        ("pro\u{200D}d", 3, "a zero-width joiner (U+200D)"),
        ("pro\u{200C}d", 3, "a zero-width non-joiner (U+200C)"),
        ("\u{200D}👩", 0, "a zero-width joiner (U+200D)"),
        ("👩\u{200D}\u{200D}🚀", 1, "a zero-width joiner (U+200D)"),
        ("👩\u{200D}a", 1, "a zero-width joiner (U+200D)"),
        ("a\u{FE0F}", 1, "a variation selector (U+FE0F)"),
        ("❤\u{FE0F}\u{FE0F}", 2, "a variation selector (U+FE0F)"),
        ("❤\u{E0100}", 1, "a variation selector (U+E0100)"),
    ];
    for (text, place, name) in cases {
        assert_eq!(odd_character(text), Some((place, name.to_owned())), "{text:?}");
    }
}

#[test]
fn every_script_can_be_written() {
    let texts = [
        "",
        "Größe, naïve, Łódź, “quoted” – 1½ €",
        "한국어 메시지와 옛한글 ᄒᆞᆫ",
        "日本語、葛\u{E0100}城市",
        "مرحبا بالعالم",
        "می\u{200C}خواهم",
        "ශ්\u{200D}රී ලංකා",
        "हिन्दी, தமிழ், മലയാളം",
        "עברית",
        "ᠮᠣᠩᠭᠣᠯ\u{180B}",
        "👩‍🚀 👨🏻‍❤️‍💋‍👨🏻 🏳️‍🌈 🇰🇷 1️⃣ ❤️ ☎︎ 🤷🏽‍♀️",
        "∑ ≠ → █ ▒ ✔ \u{A0}",
    ];
    for text in texts {
        assert_eq!(odd_character(text), None, "{text}");
        assert_eq!(plain(text), text);
    }
}

#[test]
fn nouns_are_counted() {
    let cases = [
        (0, "entry", "0 entries"),
        (1, "entry", "1 entry"),
        (3, "entry", "3 entries"),
        (2, "day", "2 days"),
        (2, "key", "2 keys"),
        (2, "branch", "2 branches"),
        (2, "process", "2 processes"),
        (2, "switch", "2 switches"),
        (2, "fix", "2 fixes"),
        (2, "change", "2 changes"),
        (1, "process", "1 process"),
    ];
    for (n, noun, said) in cases {
        assert_eq!(plural(n, noun), said);
    }
}

#[test]
fn spans_are_told_in_their_largest_unit() {
    const MINUTE: i64 = 60;
    const DAY: i64 = 24 * 60 * MINUTE;
    let cases = [
        (0, "just now"),
        (59, "just now"),
        (-59, "just now"),
        (MINUTE, "1 minute ago"),
        (3 * MINUTE + 59, "3 minutes ago"),
        (60 * MINUTE - 1, "59 minutes ago"),
        (60 * MINUTE, "1 hour ago"),
        (DAY - 1, "23 hours ago"),
        (DAY, "1 day ago"),
        (2 * DAY, "2 days ago"),
        (59 * DAY, "59 days ago"),
        (60 * DAY, "2 months ago"),
        (729 * DAY, "24 months ago"),
        (730 * DAY, "2 years ago"),
        (-3 * MINUTE, "in 3 minutes"),
        (-2 * DAY, "in 2 days"),
    ];
    let to = DateTime::from_timestamp(1_767_225_600, 0).unwrap();
    for (seconds, said) in cases {
        assert_eq!(ago(to - chrono::TimeDelta::seconds(seconds), to), said, "{seconds} s");
    }
    assert!(ago(DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC).ends_with("years ago"));
}

#[test]
fn lists_end_with_or() {
    assert_eq!(list::<&str>(&[]), "");
    assert_eq!(list(&["a"]), "`a`");
    assert_eq!(list(&["a", "b"]), "`a` or `b`");
    assert_eq!(list(&["a".to_owned(), "b".to_owned(), "c`".to_owned()]), "`a`, `b` or `c'`");
    let many: Vec<String> = (1..=40).map(|n| n.to_string()).collect();
    assert!(list(&many).ends_with("`24`, `25` or 15 more"), "{}", list(&many));
    assert!(list(&many[..25]).ends_with("`24` or `25`"));
}

#[test]
fn a_text_of_lines_fits_on_one_and_comes_back() {
    for (text, line) in [
        ("one", "one"),
        ("one\n\n- two  \r\n- three\n", "one⏎⏎- two⏎- three"),
        ("  ", ""),
        ("첫 줄\n둘째 줄", "첫 줄⏎둘째 줄"),
        ("- a\n\t- b\tc", "- a⏎    - b    c"),
        ("\u{feff}Pasted\u{200b} by \u{2068}ana\u{2069}\u{200e}.", "Pasted by ana."),
        // A joiner that a script or an emoji needs stays, and what turns text around is still there to be refused.
        ("می\u{200c}خواهم 👩\u{200d}🚀", "می\u{200c}خواهم 👩\u{200d}🚀"),
        ("a\u{202e}b", "a\u{202e}b"),
    ] {
        assert_eq!(as_line(text), line);
        assert_eq!(as_line(&lines_of(line)), line);
    }
    assert_eq!(lines_of("one ⏎ two"), "one\n two");
}
