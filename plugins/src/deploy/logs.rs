//! The logs of a deploy: what they are called, and how they are told in the thread under its message.

use super::plan;
use super::records::Target;
use super::settings::Service;
use crate::program::LINES;
use commands::act::Permit;
use commands::cx::Cx;
use commands::reply::Reply;
use commands::stop::Result;
use commands::text;

/// The most of a log that one message has, in bytes: Discord takes 2,000 characters.
const PAGE: usize = 1_700;

/// The most messages that the logs of one deploy are told in.
const PAGES: usize = 8;

/// The log of a deploy as a whole.
pub(super) fn whole(target: &Target, number: u64) -> String {
    format!("deploy-{number}-{}-{}.log", target.service, target.environment)
}

/// The log of a part of what has this log: of a target, or of its switches.
pub(super) fn part(log: &str, part: &str) -> String {
    format!("{}.{part}.log", log.strip_suffix(".log").unwrap_or(log))
}

/// The part that switches write to. No target is called like that: see [`super::settings`].
pub(super) const SWITCH: &str = "switch";

/// How it is told that a switch failed.
pub(super) const SWITCHING: &str = "The switch to ";

/// Tells the logs in the thread under the message that tells of the deploy, each to its end, those of the targets first that
/// `why` names; one that the message has shown whole is left out.
pub(super) async fn tell(cx: &Cx, permit: &Permit, service: &Service, target: &Target, why: &str) -> Result<()> {
    let (number, files) = (permit.act(), &cx.ports().files);
    let mut logs = Vec::new();
    for (title, log) in plan::logs(service, target, number, why) {
        // What can not be read is a file of the message all the same, or was never written.
        logs.extend(files.tail(&log, 1).await.ok().flatten().map(|_| (title, log)));
    }
    logs.truncate(PAGES);
    let most = PAGES / logs.len().max(1);
    for (title, log) in logs {
        let limit = 2 * most * PAGE;
        let (Ok(Some(end)), Ok(Some(more))) = (files.tail(&log, limit).await, files.tail(&log, 2 * limit).await) else {
            continue;
        };
        let (pages, whole) = pages(&end, most, end.len() == more.len());
        let of = pages.len();
        for (page, output) in pages.into_iter().enumerate() {
            let mut says = if of == 1 { format!("{title}.") } else { format!("{title}, {} of {of}.", page + 1) };
            if page == 0 && !whole {
                says += " What came before is in the file.";
            }
            let place = &permit.entry().draft.place;
            permit.say_under(place, &format!("{target}: #{number}"), Reply::say(says).output(output))?;
        }
    }
    Ok(())
}

/// The end of a log, in as many pages at the most, and whether that is all of it, as far as `log` is `whole`; none where it is
/// so short that it was shown whole.
fn pages(log: &str, most: usize, mut whole: bool) -> (Vec<String>, bool) {
    let lines: Vec<_> = log.lines().map(text::line).collect();
    if whole && lines.len() <= LINES {
        return (Vec::new(), true);
    }
    let mut pages = vec![Vec::<String>::new()];
    let mut room = PAGE;
    for line in lines.into_iter().rev() {
        let is_empty = pages.last().is_none_or(Vec::is_empty);
        if line.len() >= room && !is_empty {
            if pages.len() == most {
                whole = false;
                break;
            }
            pages.push(Vec::new());
            room = PAGE;
        }
        room = room.saturating_sub(line.len() + 1);
        pages.last_mut().into_iter().for_each(|page| page.insert(0, line.clone()));
    }
    pages.retain(|page| !page.is_empty());
    (pages.into_iter().rev().map(|page| page.join("\n")).collect(), whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_told_to_its_end_in_few_pages() {
        let log = |lines: usize| (1..=lines).map(|line| format!("line {line:04}\n")).collect::<String>();
        assert_eq!(pages(&log(LINES), 8, true), (Vec::new(), true));
        let (short, whole) = pages(&log(LINES + 1), 8, true);
        assert_eq!((short.len(), whole), (1, true));
        assert_eq!(short[0].lines().count(), LINES + 1);
        let (long, whole) = pages(&log(500), 8, true);
        assert_eq!((long.join("\n") + "\n", whole), (log(500), true));
        assert!(long.len() > 1 && long.iter().all(|page| page.len() <= PAGE));
        let (cut, whole) = pages(&log(5_000), 3, true);
        assert_eq!((cut.len(), whole), (3, false));
        assert!(cut[2].ends_with("line 5000"));
        // The last lines of a longer log, each as long as the whole rest.
        let (end, whole) = pages(&log(2), 8, false);
        assert_eq!((end.concat().lines().count(), whole), (2, false));
        let wide = format!("{}\n", "👩‍👩‍👧‍👦".repeat(100)).repeat(9);
        let (pages, _) = pages(&wide, 8, true);
        assert!(pages.iter().all(|page| !page.is_empty()) && !pages.is_empty());
    }
}
