//! Which choices somebody may be on the way to, and which of them is the likeliest.

use super::{Choice, MOST};
use crate::text;

/// The longest word that is looked at for slips, in characters: comparing costs length times length.
const LONGEST_SLIP: usize = 40;

/// How a choice fits what is typed; the best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Fit {
    Begins,
    HasWords,
    Contains,
}

/// Those of the choices that `typed` may be on its way to, at most 25: first what begins with it, then what has words
/// that do, then what contains it. Where there is none, what is one slip away. Case is no difference; equals keep their
/// order.
pub fn rank<'a>(typed: &str, choices: &'a [Choice]) -> Vec<&'a Choice> {
    let typed = typed.to_lowercase();
    // What hides something no line may hold.
    let sane = choices.iter().filter(|choice| text::odd_character(&choice.value).is_none());
    let lower: Vec<_> = sane.map(|choice| (choice.value.to_lowercase(), choice)).collect();
    let mut fitting: Vec<_> = lower.iter().filter_map(|(value, choice)| Some((fit(&typed, value)?, *choice))).collect();
    fitting.sort_by_key(|(fit, _)| *fit);
    let mut found: Vec<_> = fitting.into_iter().map(|(_, choice)| choice).collect();
    if found.is_empty() {
        found.extend(lower.iter().filter(|(value, _)| is_one_slip(&typed, value)).map(|(_, choice)| *choice));
    }
    found.truncate(MOST);
    found
}

fn fit(typed: &str, value: &str) -> Option<Fit> {
    if value.starts_with(typed) {
        Some(Fit::Begins)
    } else if has_words(typed, value) {
        Some(Fit::HasWords)
    } else {
        value.contains(typed).then_some(Fit::Contains)
    }
}

/// Whether each word of `typed` begins a word of `value`, in the same order: `dep sh` is on its way to `deploy ship`.
fn has_words(typed: &str, value: &str) -> bool {
    let mut words = value.split(|letter: char| !letter.is_alphanumeric());
    typed.split_whitespace().all(|part| words.any(|word| word.starts_with(part)))
}

/// Whether `value` begins with `typed` but for one letter more, less or other, or two that are swapped.
fn is_one_slip(typed: &str, value: &str) -> bool {
    let length = typed.chars().count();
    let begins = |length| value.chars().take(length).collect::<String>();
    (3..=LONGEST_SLIP).contains(&length)
        && (length - 1..=length + 1).any(|length| strsim::osa_distance(typed, &begins(length)) <= 1)
}

#[cfg(test)]
mod tests {
    use super::{Choice, MOST, rank};

    fn ranked(typed: &str, values: &[&str]) -> Vec<String> {
        let choices: Vec<_> = values.iter().map(|value| Choice::new(*value, "")).collect();
        rank(typed, &choices).into_iter().map(|choice| choice.value.clone()).collect()
    }

    #[test]
    fn the_likeliest_comes_first_and_what_does_not_fit_not_at_all() {
        let names = ["old-deploy", "redeploy", "deploy ship", "Deploy status", "epd", "release/1.2", "결제 서버"];
        for (typed, expected) in [
            ("", &names[..]),
            ("dep", &["deploy ship", "Deploy status", "old-deploy", "redeploy"]),
            ("DEPLOY S", &["deploy ship", "Deploy status"]),
            ("ship", &["deploy ship"]),
            ("dep st", &["Deploy status"]),
            ("st dep", &[]),
            ("1", &["release/1.2"]),
            ("ease/1", &["release/1.2"]),
            ("epd", &["epd"]),
            ("dpeloy", &["deploy ship", "Deploy status"]),
            ("depploy", &["deploy ship", "Deploy status"]),
            ("deloy", &["deploy ship", "Deploy status"]),
            ("dxxloy", &[]),
            ("zz", &[]),
            ("결", &["결제 서버"]),
            ("서", &["결제 서버"]),
        ] {
            assert_eq!(ranked(typed, &names), expected, "{typed}");
        }
    }

    #[test]
    fn hostile_choices_are_not_offered_and_many_are_cut() {
        assert_eq!(ranked("v", &["v1", "v\u{202e}2", "v\u{200b}", "v\n", "v3"]), ["v1", "v3"]);
        let many: Vec<_> = (0..100).map(|number| format!("v{number}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(ranked("", &many).len(), MOST);
        assert!(ranked(&"v".repeat(2_000), &many).is_empty());
    }
}
