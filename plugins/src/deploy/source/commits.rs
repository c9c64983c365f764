//! The commits between two others, read with git, from the repository or a mirror of it.

use super::git;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use commands::offer::Change;
use commands::ports::Exit;
use commands::text;
use std::collections::{BTreeSet, HashMap};

/// How many commits are read at the most.
pub const MOST: usize = 500;

/// Of how many commits at the most the times are kept: what does not fit into one record is no deploy of one service.
const MOST_CHANGES: usize = 1_000;

/// A commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The whole hash.
    pub hash: String,
    /// Whether it has more than one parent.
    pub merge: bool,
    /// Its author's name, as they wrote it: not fit to be shown as it is.
    pub author: String,
    /// The first line of its message, likewise.
    pub subject: String,
}

/// The commits that `to` has and `from` has not, newest first, at most [`MOST`]; with `patterns`, those alone that change a
/// file that fits one (as git's own `glob` path patterns: `migrations/**`).
///
/// # Errors
/// The end of a sentence that says why they are not known.
pub async fn between(
    ports: &Ports,
    repository: &str,
    from: &str,
    to: &str,
    patterns: &[String],
) -> Result<Vec<Commit>, String> {
    let most = format!("--max-count={MOST}");
    Ok(parse(&log(ports, repository, &[&most, FORMAT], (from, to), patterns).await?))
}

/// The commits that `to` has and `from` has not, without those that only merge, oldest first, at most [`MOST_CHANGES`],
/// with the times at which they were committed (not written: a commit that is rebased is a new one) and came to the branch;
/// nothing where one of the two is gone for good, as after a rebase.
///
/// # Errors
/// As [`between`].
pub async fn changes(ports: &Ports, repository: &str, from: &str, to: &str) -> Result<Option<Vec<Change>>, String> {
    let range = format!("{}..{}", hash(from)?, hash(to)?);
    let most = format!("--max-count={MOST_CHANGES}");
    let arguments = ["log", "--topo-order", "--no-show-signature", &most, TIMES, &range, "--"];
    let Some(folder) = git::folder(ports, repository, &[from, to]).await? else { return Ok(None) };
    match read_in(ports, &folder, &arguments).await {
        Ok(listing) => Ok(Some(merged(&listing, to))),
        Err(_) if is_gone(ports, &folder, from).await || is_gone(ports, &folder, to).await => Ok(None),
        Err(why) => Err(why),
    }
}

/// Whether a repository that can be read does not have a commit: git says 1 then, and 128 where it can not be read.
async fn is_gone(ports: &Ports, folder: &str, commit: &str) -> bool {
    let wanted = format!("{commit}^{{commit}}");
    let arguments = ["-C", folder, "rev-parse", "--verify", "--quiet", "--end-of-options", &wanted];
    git::git(ports, &arguments).await.is_ok_and(|output| output.exit == Exit::Status(1))
}

/// Hash, parents, and the second of the commit.
const TIMES: &str = "--format=%H%x00%P%x00%ct";

/// The changes of such a listing. Each came to the branch with the oldest commit of the branch's own line that has it.
fn merged(listing: &str, tip: &str) -> Vec<Change> {
    let read = |line: &str| {
        let mut parts = line.split('\0');
        let (hash, parents, second) = (parts.next()?.to_owned(), parts.next()?, parts.next()?);
        let parents = parents.split(' ').map(str::to_owned).collect();
        Some((hash, Timed { parents, at: DateTime::from_timestamp(second.parse().ok()?, 0)? }))
    };
    let order: Vec<_> = listing.lines().filter_map(read).collect();
    let commits: HashMap<&str, &Timed> = order.iter().map(|(hash, commit)| (hash.as_str(), commit)).collect();
    let first = |hash: &&str| commits.get(hash).and_then(|commit| commit.parents.first()).map(String::as_str);
    let line: Vec<_> = std::iter::successors(Some(tip), first).filter(|hash| commits.contains_key(hash)).collect();
    let mut came: HashMap<&str, DateTime<Utc>> = HashMap::new();
    for on_line in line.into_iter().rev() {
        let at = commits[on_line].at;
        let mut next = vec![on_line];
        while let Some(hash) = next.pop() {
            if let Some(commit) = commits.get(hash)
                && came.insert(hash, at).is_none()
            {
                next.extend(commit.parents.iter().map(String::as_str).filter(|parent| !came.contains_key(parent)));
            }
        }
    }
    let change = |(hash, commit): &(String, Timed)| Change {
        commit: hash.clone(),
        committed: commit.at,
        merged: came.get(hash.as_str()).copied(),
    };
    order.iter().rev().filter(|(_, commit)| commit.parents.len() < 2).map(change).collect()
}

/// What is read of a commit to tell when it came to the branch.
struct Timed {
    parents: Vec<String>,
    at: DateTime<Utc>,
}

/// How many commits `here` has that `there` has not, and how many the other way round.
///
/// # Errors
/// As [`between`].
pub async fn apart(ports: &Ports, repository: &str, here: &str, there: &str) -> Result<(usize, usize), String> {
    let range = format!("{}...{}", hash(here)?, hash(there)?);
    let counted =
        read(ports, repository, [here, there], &["rev-list", "--left-right", "--count", &range, "--"]).await?;
    let (ahead, behind) = counted.trim().split_once('\t').unwrap_or_default();
    let number = |count: &str| count.parse().map_err(|_| "git counts them in an unknown way".to_owned());
    Ok((number(ahead)?, number(behind)?))
}

/// The files that fit `patterns` and are changed by the commits that `to` has and `from` has not, in order, each once.
///
/// # Errors
/// As [`between`].
pub async fn files(
    ports: &Ports,
    repository: &str,
    from: &str,
    to: &str,
    patterns: &[String],
) -> Result<BTreeSet<String>, String> {
    // Of a commit that merges, only what is as in none of its parents; `-z` leaves hostile names as they are.
    let how = ["--name-only", "--no-renames", "-c", "-z", "--format="];
    let listing = log(ports, repository, &how, (from, to), patterns).await?;
    Ok(listing.split(['\0', '\n']).filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// What `git log` says of the range, in the way that `how` asks for.
async fn log(
    ports: &Ports,
    repository: &str,
    how: &[&str],
    (from, to): (&str, &str),
    patterns: &[String],
) -> Result<String, String> {
    let range = format!("{}..{}", hash(from)?, hash(to)?);
    let patterns: Vec<_> = patterns.iter().map(|pattern| format!(":(top,glob){pattern}")).collect();
    let mut arguments = vec!["log", "--full-history", "--no-show-signature"];
    arguments.extend(how);
    arguments.extend([&*range, "--"]);
    arguments.extend(patterns.iter().map(String::as_str));
    read(ports, repository, [from, to], &arguments).await
}

/// A whole hash: what is none could be read as an option.
fn hash(text: &str) -> Result<&str, String> {
    let whole = text.len() >= 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    if whole { Ok(text) } else { Err(format!("{} is no commit", text::code(text))) }
}

/// What git says of these commits.
async fn read(ports: &Ports, repository: &str, commits: [&str; 2], arguments: &[&str]) -> Result<String, String> {
    let folder = git::folder(ports, repository, &commits).await?;
    let folder = folder.ok_or_else(|| "the repository does not have them all any more".to_owned())?;
    read_in(ports, &folder, arguments).await
}

/// The same in a repository on this machine.
async fn read_in(ports: &Ports, folder: &str, arguments: &[&str]) -> Result<String, String> {
    let arguments = [&["-C", folder], arguments].concat();
    let output = git::git(ports, &arguments).await.map_err(|stop| text::plain(&stop.to_string()))?;
    if output.exit != Exit::Status(0) {
        let said = output.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("nothing");
        return Err(format!("git says: {}", text::plain(said.trim_end_matches('.'))));
    }
    Ok(output.stdout)
}

/// Hash, parents, author, subject: none of the first three can hold a zero byte or a line break, the last no line break.
const FORMAT: &str = "--format=%H%x00%P%x00%an%x00%s";

fn parse(listing: &str) -> Vec<Commit> {
    let commit = |line: &str| {
        let mut parts = line.splitn(4, '\0').map(str::to_owned);
        let (hash, parents) = (parts.next()?, parts.next()?);
        Some(Commit { hash, merge: parents.contains(' '), author: parts.next()?, subject: parts.next()? })
    };
    listing.lines().filter_map(commit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_came_to_the_branch_with_the_merge_that_brought_it() {
        // d merges b and c into the line a - d - e; f is of another line that was never merged.
        let listing = "e|d|50\nd|a c|40\nc|b|35\nb|0|15\na|0|10\n".replace('|', "\0");
        let told: Vec<_> = merged(&listing, "e")
            .into_iter()
            .map(|it| (it.commit, it.committed.timestamp(), it.merged.map(|at| at.timestamp())))
            .collect();
        let expected = [("a", 10, 10), ("b", 15, 40), ("c", 35, 40), ("e", 50, 50)];
        assert_eq!(told, expected.map(|(hash, at, came)| (hash.to_owned(), at, Some(came))));
        assert_eq!(merged("", "e"), []);
    }

    #[test]
    fn commits_are_read_whatever_people_wrote_in_them() {
        let listing = "aaa\0bbb ccc\0ana\0Merge branch 'x'\nbbb\0ddd\0\0\nccc\0\0eve\tben\0it's\0odd\nno commit\n";
        let found: Vec<_> = parse(listing).into_iter().map(|it| (it.hash, it.merge, it.author, it.subject)).collect();
        let expected =
            [("aaa", true, "ana", "Merge branch 'x'"), ("bbb", false, "", ""), ("ccc", false, "eve\tben", "it's\0odd")];
        let expected = expected
            .map(|(hash, merge, author, subject)| (hash.to_owned(), merge, author.to_owned(), subject.to_owned()));
        assert_eq!(found, expected);
    }
}
