//! Searching all post-mortems, in whichever language they are written.
//!
//! Words are looked for as parts of words, since in Korean a particle follows without a space (`커넥션 풀이`), and spaces are
//! put as one likes (`커넥션풀`). So no search library with an index of its own is needed, which would have to be kept
//! in step with the store: a team writes some post-mortems a month, and `scripts/bench find` searches ten thousand.

use super::records::{self, Document};
use super::show;
use commands::cx::Cx;
use commands::reply::{Button, Reply, Tone};
use commands::stop::Result;
use commands::text;
use serde::Deserialize;

/// How many are shown.
const MOST: usize = 10;

/// How many characters are shown around what was found.
const AROUND: usize = 40;

#[derive(Deserialize)]
struct Asked {
    text: String,
}

/// A post-mortem that has it.
#[derive(Debug, PartialEq)]
struct Found {
    document: Document,
    score: usize,
    excerpt: String,
}

pub(super) async fn find(cx: &Cx) -> Result<Reply> {
    let Asked { text: wanted } = cx.args()?;
    let all = records::all(cx.store()).await?;
    let mut found: Vec<_> = all.into_iter().filter_map(|document| look(document.value, &wanted)).collect();
    // The newest stay first among those that fit alike.
    found.sort_by_key(|found| std::cmp::Reverse(found.score));
    let wanted = text::code(&wanted);
    if found.is_empty() {
        return Ok(Reply::say(format!("No post-mortem has {wanted}. Try fewer words, or parts of words.")));
    }
    let more = found.len().saturating_sub(MOST);
    let more = if more > 0 { format!(" {more} more have it too: say more words.") } else { String::new() };
    let row = |found: &Found| {
        let [title, stage, _] = show::row(cx, &found.document.head());
        [title, stage, found.excerpt.clone()]
    };
    let rows = found.iter().take(MOST).map(row).collect();
    let says = format!("What has {wanted}, the best first.{more}");
    let reply = Reply::card(Tone::Plain, text::plural(found.len(), "post-mortem"), says);
    let best = found[0].document.number;
    let open = Button::new(format!("Show #{best}"), format!("postmortem show number:{best}"));
    Ok(reply.table(["Post-mortem", "Stage", "There"], rows).button(open))
}

/// Whether a post-mortem has every word, or all of them without their spaces, and how well.
fn look(document: Document, wanted: &str) -> Option<Found> {
    let wanted = wanted.to_lowercase();
    let words: Vec<_> = wanted.split_whitespace().collect();
    let joined = words.concat();
    let title = document.title.to_lowercase();
    let texts = document.sections.values().map(|wording| wording.text.as_str());
    let whole = std::iter::once(document.title.as_str()).chain(texts).collect::<Vec<_>>().join("\n").to_lowercase();
    let phrase = whole.matches(&wanted).count();
    let each = words.iter().all(|word| whole.contains(word));
    let close = spaced_otherwise(&whole, &joined);
    if joined.is_empty() || !each && close.is_none() {
        return None;
    }
    let in_title = words.iter().filter(|word| title.contains(**word)).count();
    let score = 20 * in_title + 5 * phrase.min(10) + usize::from(each);
    let at = whole.find(&wanted).or(close).or_else(|| words.iter().find_map(|word| whole.find(word)));
    let excerpt = at.map_or_else(String::new, |at| around(&whole, at));
    Some(Found { document, score, excerpt })
}

/// Where the text has these letters, whatever spaces stand between them.
fn spaced_otherwise(text: &str, joined: &str) -> Option<usize> {
    let first = joined.chars().next()?;
    let is_there = |at: usize| {
        let mut letters = text[at..].chars().filter(|letter| !letter.is_whitespace());
        joined.chars().all(|wanted| letters.next() == Some(wanted))
    };
    text.match_indices(first).map(|(at, _)| at).find(|at| is_there(*at))
}

/// What stands around this place, on one line.
fn around(whole: &str, at: usize) -> String {
    let before: String = whole[..at].chars().rev().take(AROUND / 2).collect::<Vec<_>>().into_iter().rev().collect();
    let after: String = whole[at..].chars().take(AROUND * 2).collect();
    let dots = if at > before.len() { "…" } else { "" };
    text::cut(&text::plain(&format!("{dots}{before}{after}")), 80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::postmortem::records::{Stage, Wording};
    use chrono::DateTime;
    use std::collections::BTreeMap;

    fn written(title: &str, text: &str) -> Document {
        let at = DateTime::UNIX_EPOCH;
        let wording = Wording { text: text.to_owned(), version: 1, who: "ana".to_owned(), at };
        Document {
            number: 1,
            title: title.to_owned(),
            service: None,
            environment: None,
            severity: None,
            incident: None,
            stage: Stage::Draft,
            by: "ana".to_owned(),
            place: commands::ledger::Place::default(),
            started: at,
            due: None,
            roles: BTreeMap::new(),
            sections: BTreeMap::from([("summary".to_owned(), wording)]),
            charts: Vec::new(),
            meeting: None,
            approved: None,
            reviewed: None,
            published: None,
            reminded: records::Reminded::default(),
        }
    }

    #[test]
    fn words_are_found_in_any_language_and_with_spaces_as_one_likes() {
        for (text, wanted, is_found) in [
            ("The connection pool was full.", "connection pool", true),
            ("The pool of connections was full.", "connection pool", true),
            ("The pool was full.", "connection pool", false),
            ("커넥션 풀이 가득 찼다.", "커넥션 풀", true),
            ("커넥션풀이 가득 찼다.", "커넥션 풀", true),
            ("커넥션 풀이 가득 찼다.", "커넥션풀", true),
            ("디스크가 가득 찼다.", "커넥션 풀", false),
            ("ISTANBUL `@everyone`\u{202e}", "istanbul", true),
            ("한", "\u{202e}", false),
            ("", " ", false),
        ] {
            assert_eq!(look(written("x", text), wanted).is_some(), is_found, "{text} / {wanted}");
        }
        let score = |title: &str, text: &str| look(written(title, text), "pool").map(|found| found.score);
        assert!(score("The pool", "") > score("x", "pool pool") && score("x", "pool pool") > score("x", "a pool"));
    }

    #[test]
    fn ten_thousand_are_searched() {
        let filler =
            "Traffic moved to the second zone, and the queue grew until the workers were restarted. ".repeat(40);
        let all: Vec<_> =
            (0..10_000).map(|n| written(&format!("No. {n}"), &format!("{filler}{n} 커넥션 풀이"))).collect();
        let began = std::time::Instant::now();
        let found = all.into_iter().filter_map(|it| look(it, "커넥션 풀")).count();
        println!("10,000 post-mortems of 3.5 kB each were searched in {} ms", began.elapsed().as_millis());
        assert_eq!(found, 10_000);
    }
}
