//! "Did you mean": the known word nearest to a mistaken one.

use strsim::damerau_levenshtein;

/// How many letters of a word say which one is meant.
const BEGINNING: usize = 3;

/// The candidate nearest to `wrong`, if it is near enough to be meant: one slip in up to four letters, two in up to
/// eight, three in more. A slip is a letter missing, added, changed, or swapped with its neighbour; case is no slip.
/// Of equally near candidates the first wins. Where none is near, it is the only one that `wrong` is the beginning of, as in
/// `prod`.
pub fn suggest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong = wrong.to_lowercase();
    let candidates: Vec<_> = candidates.into_iter().collect();
    nearest(&wrong, &candidates).or_else(|| {
        let mut longer = candidates.iter().filter(|candidate| candidate.to_lowercase().starts_with(&wrong));
        longer.next().copied().filter(|_| wrong.chars().count() >= BEGINNING && longer.next().is_none())
    })
}

fn nearest<'a>(wrong: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let letters = wrong.chars().count();
    let slips = match letters {
        0 => return None,
        1..=4 => 1,
        5..=8 => 2,
        _ => 3,
    };
    candidates
        .iter()
        .copied()
        // Comparing costs length times length; words of very different lengths are never near.
        .filter(|candidate| candidate.chars().count().abs_diff(letters) <= slips)
        .map(|candidate| (damerau_levenshtein(wrong, &candidate.to_lowercase()), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::suggest;

    #[test]
    fn the_nearest_word_is_found_within_the_slips_its_length_allows() {
        let known = ["ship", "status", "rollback", "deployer", "production", "프로덕션"];
        for (wrong, meant) in [
            ("shpi", Some("ship")),
            ("SHIP", Some("ship")),
            ("shop", Some("ship")),
            ("chop", None),
            ("prod", Some("production")),
            ("ROLL", Some("rollback")),
            ("ro", None),
            ("s", None),
            ("sttus", Some("status")),
            ("deployr", Some("deployer")),
            ("depolyr", Some("deployer")),
            ("dpeoylr", None),
            ("prodcutoin", Some("production")),
            ("poduktoin", Some("production")),
            ("프로덕선", Some("프로덕션")),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(suggest(wrong, known), meant, "{wrong}");
        }
    }

    #[test]
    fn of_equally_near_words_the_first_wins_and_a_huge_text_costs_nothing() {
        assert_eq!(suggest("bat", ["cat", "hat"]), Some("cat"));
        let huge = "a".repeat(100_000);
        assert_eq!(suggest(&huge, std::iter::repeat_n("ship", 10_000)), None);
    }
}
