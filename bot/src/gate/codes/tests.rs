//! Codes against the clock: the standard's own figures, and what a wrong, old or repeated one comes to.

use super::*;

/// The secret of RFC 6238's test vectors, `12345678901234567890`.
const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(seconds, 0).unwrap()
}

fn code(seconds: i64) -> String {
    code_at(SECRET, at(seconds)).unwrap()
}

#[test]
fn codes_are_those_of_the_standard() {
    // RFC 6238, appendix B, SHA-1: the last six of its eight digits.
    for (seconds, eight) in [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ] {
        assert_eq!(code(seconds), eight[2..], "{seconds}");
    }
}

#[test]
fn a_code_is_right_once_within_a_step_of_now() {
    let now = 1_700_000_010;
    for (off, expected) in [
        (0, Verdict::Right),
        (-30, Verdict::Right),
        (30, Verdict::Right),
        (-60, Verdict::Wrong { left: 4, off: Some(-1) }),
        (90, Verdict::Wrong { left: 4, off: Some(1) }),
        (-600, Verdict::Wrong { left: 4, off: Some(-10) }),
        (-660, Verdict::Wrong { left: 4, off: None }),
    ] {
        let mut enrolled = Enrolled::new(SECRET.to_owned());
        assert_eq!(enrolled.judge(&code(now + off), at(now)).unwrap(), expected, "{off}");
    }
    let mut enrolled = Enrolled::new(SECRET.to_owned());
    assert_eq!(enrolled.judge(&code(now), at(now)).unwrap(), Verdict::Right);
    assert_eq!(enrolled.judge(&code(now), at(now)).unwrap(), Verdict::Used);
    assert_eq!(enrolled.judge(&code(now), at(now + 29)).unwrap(), Verdict::Used);
    assert_eq!(enrolled.judge(&code(now - 30), at(now)).unwrap(), Verdict::Used, "those before it are used up, too");
    assert_eq!(enrolled.judge(&code(now + 30), at(now)).unwrap(), Verdict::Right);
}

#[test]
fn too_many_wrong_codes_lock_for_a_while_and_a_right_one_forgives() {
    let now = 1_700_000_010;
    let wrong = |enrolled: &mut Enrolled, seconds| match enrolled.judge("000000", at(seconds)).unwrap() {
        Verdict::Wrong { left, .. } => left,
        other => panic!("{other:?}"),
    };
    let mut enrolled = Enrolled::new(SECRET.to_owned());
    assert_eq!([0, 1, 2, 3].map(|second| wrong(&mut enrolled, now + second)), [4, 3, 2, 1]);
    assert_eq!(enrolled.judge(&code(now), at(now + 4)).unwrap(), Verdict::Right);
    assert_eq!([5, 6, 7, 8, 9].map(|second| wrong(&mut enrolled, now + second)), [4, 3, 2, 1, 0]);
    // Neither a wrong nor a right code is looked at now.
    assert_eq!(enrolled.judge("000000", at(now + 10)).unwrap(), Verdict::Locked(15));
    assert_eq!(enrolled.judge(&code(now + 600), at(now + 600)).unwrap(), Verdict::Locked(6));
    assert_eq!(enrolled.judge(&code(now + 909), at(now + 909)).unwrap(), Verdict::Right);
    // Wrong ones of long ago do not count.
    let mut slow = Enrolled::new(SECRET.to_owned());
    assert_eq!([0, 300, 600, 899, 1200].map(|second| wrong(&mut slow, now + second)), [4, 3, 2, 1, 2]);
}

#[test]
fn what_is_typed_is_read_kindly_and_told_clearly() {
    for typed in ["123456", " 123 456 ", "123-456", "１２３４５６", "１２３ 456", "\u{2003}123\u{a0}456"] {
        assert_eq!(digits(typed).unwrap(), "123456", "{typed}");
    }
    for (typed, says) in [
        ("1234567", "A one-time code has 6 digits, and this one has 7."),
        ("12345", "A one-time code has 6 digits, and this one has 5."),
        ("", "A one-time code has 6 digits, and this one has 0."),
        ("12345O", "A one-time code is 6 digits, and there is `O` in this one."),
        ("+12345", "A one-time code is 6 digits, and there is `+` in this one."),
        ("١٢٣٤٥٦", "A one-time code is 6 digits, and there is `١` in this one."),
    ] {
        let told = digits(typed).unwrap_err().to_string();
        assert!(told.starts_with(says), "{typed}: {told}");
    }
}

#[test]
fn a_secret_is_offered_as_apps_take_it() {
    let url = totp(SECRET, "discord:4711").unwrap().get_url();
    assert_eq!(url, format!("otpauth://totp/Deckhand:discord%204711?secret={SECRET}&issuer=Deckhand"));
    assert!(totp("not base32 !", "ana").is_err() && totp("GEZDGNBV", "ana").is_err(), "too short a secret is none");
}
