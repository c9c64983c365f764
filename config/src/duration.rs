//! Spans of time as people write them, `90s` or `1h30m`: in the config and in chat.

use crate::problem::quoted;
use std::time::Duration;

/// The units with their seconds, the greatest first, as they must stand in a text.
const UNITS: [(char, u64); 5] = [('w', 7 * 86_400), ('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// Ten years. Whoever writes more has mistaken the unit.
const LONGEST: u64 = 3_653 * 86_400;

/// Reads `90s`, `15m`, `2h`, `1h30m`, `7d` or `2w`: whole numbers with units, the greatest unit first and each once,
/// from one second to ten years. The error is a sentence that says what to write instead.
pub fn parse(text: &str) -> Result<Duration, String> {
    read(text).map_err(|instead| format!("{} is no duration; {instead}", quoted(text)))
}

/// As [`parse`]; the error is what to write instead, without the text itself.
pub(crate) fn read(text: &str) -> Result<Duration, String> {
    match seconds(text) {
        Some(0) => Err("write at least `1s`".into()),
        Some(seconds) if seconds > LONGEST => Err(format!("write at most `{}`", show(Duration::from_secs(LONGEST)))),
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err(nearest(text)),
    }
}

/// The greatest units that give the duration exactly, such as `1h30m`; weeks only where nothing is left over (`2w`, but
/// `10d`). Parts of a second are dropped, and nothing at all is `0s`. [`parse`] reads it back.
pub fn show(duration: Duration) -> String {
    let mut left = duration.as_secs();
    if left == 0 {
        return "0s".into();
    }
    let mut shown = String::new();
    for (unit, size) in UNITS {
        let count = left / size;
        if count > 0 && (unit != 'w' || left.is_multiple_of(size)) {
            shown += &format!("{count}{unit}");
            left %= size;
        }
    }
    shown
}

/// The seconds of a well-formed text; a number too great to hold counts as the greatest.
fn seconds(text: &str) -> Option<u64> {
    let mut units = UNITS.iter();
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (digits, tail) = rest.split_at(rest.find(|c: char| !c.is_ascii_digit())?);
        let unit = tail.chars().next().filter(|_| !digits.is_empty())?;
        // Going on where the last unit was found keeps them in order and each once.
        let (_, size) = units.find(|(name, _)| *name == unit)?;
        total = total.saturating_add(digits.parse().unwrap_or(u64::MAX).saturating_mul(*size));
        rest = &tail[unit.len_utf8()..];
    }
    (!text.is_empty()).then_some(total)
}

/// What was probably meant: `15` lacks a unit, `1 Hour 30 min` is `1h30m`.
fn nearest(text: &str) -> String {
    let short = text.len() <= 40;
    if short && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
        return format!("write its unit too: `{text}s`, `{text}m` or `{text}h`");
    }
    let mut meant = String::new();
    for c in text.to_lowercase().chars().filter(|c| short && !c.is_whitespace()) {
        // Of a word that stands for a unit only its first letter counts.
        if c.is_ascii_digit() || !meant.ends_with(|last: char| last.is_alphabetic()) {
            meant.push(c);
        }
    }
    let other_unit = ["mo", "ms"].iter().any(|word| text.to_lowercase().contains(word));
    match seconds(&meant) {
        Some(1..=LONGEST) if !other_unit => format!("write `{meant}`"),
        _ => "write numbers with units: `90s`, `15m`, `1h30m`, `7d`".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::{parse, show};
    use std::time::Duration;

    #[test]
    fn durations_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("1s", 1, "1s"),
            ("90s", 90, "1m30s"),
            ("15m", 900, "15m"),
            ("2h", 7_200, "2h"),
            ("1h30m", 5_400, "1h30m"),
            ("1h90m", 9_000, "2h30m"),
            ("7d", 604_800, "1w"),
            ("10d", 864_000, "10d"),
            ("2w", 1_209_600, "2w"),
            ("1w1d1h1m1s", 694_861, "8d1h1m1s"),
            ("007d", 604_800, "1w"),
            ("3653d", 315_619_200, "3653d"),
        ] {
            let duration = parse(text).unwrap();
            assert_eq!(duration.as_secs(), seconds, "{text}");
            assert_eq!(show(duration), shown, "{text}");
            assert_eq!(parse(shown), Ok(duration), "{shown} reads back");
        }
        assert_eq!(show(Duration::from_millis(999)), "0s");
        assert_eq!(show(Duration::from_millis(61_999)), "1m1s");
    }

    #[test]
    fn a_mistake_is_told_with_what_to_write() {
        let numbers = "write numbers with units: `90s`, `15m`, `1h30m`, `7d`";
        for (text, instead) in [
            ("15", "write its unit too: `15s`, `15m` or `15h`"),
            ("1h 30m", "write `1h30m`"),
            ("1 hour 30 Min", "write `1h30m`"),
            ("2H", "write `2h`"),
            ("0s", "write at least `1s`"),
            ("3654d", "write at most `3653d`"),
            ("99999999999999999999w", "write at most `3653d`"),
            ("18446744073709551615w1s", "write at most `3653d`"),
            ("", numbers),
            ("m", numbers),
            ("30m1h", numbers),
            ("1h1h", numbers),
            ("-5m", numbers),
            ("1.5h", numbers),
            ("5m3", numbers),
            ("2 months", numbers),
            ("500ms", numbers),
            ("forever", numbers),
            ("١٥m", numbers),
            ("5м", numbers),
        ] {
            assert_eq!(parse(text), Err(format!("`{text}` is no duration; {instead}")));
        }
    }

    #[test]
    fn hostile_text_is_neither_echoed_whole_nor_raw() {
        let message = parse(&"9".repeat(100_000)).unwrap_err();
        assert!(message.len() < 300, "{message}");
        let message = parse("5\u{202e}m\n").unwrap_err();
        assert!(message.contains(r"5\u{202e}m\n"), "{message}");
    }
}
