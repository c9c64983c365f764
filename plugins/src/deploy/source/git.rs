//! The refs of a service's repository, read with `git`, on this machine or over the network.

use crate::deploy::params::Params;
use crate::deploy::records::Release;
use commands::cx::Ports;
use commands::ports::{Exit, Output, Program};
use commands::stop::{Result, Stop};
use commands::text;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How long git may take to answer.
const LIMIT: Duration = Duration::from_secs(20);

/// A tag or a branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    /// Its short name.
    pub name: String,
    /// Whether it is a tag.
    pub tag: bool,
    /// The commit.
    pub commit: String,
}

/// The tags and branches of the repository, tags first, the latest version first.
///
/// # Errors
/// A refusal that names the repository, when git can not read it.
pub async fn references(ports: &Ports, service: &str, repository: &str) -> Result<Vec<Reference>> {
    let output = git(ports, &["ls-remote", "--tags", "--heads", "--sort=-v:refname", "--", repository]).await?;
    if output.exit != Exit::Status(0) {
        let said = output.stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("git said nothing");
        return Err(Stop::refuse(format!(
            "The repository of `{service}` can not be read, so nothing was done. git says: {}. Check `repository` in the config.",
            text::plain(said.trim_end_matches('.'))
        )));
    }
    Ok(parse(&output.stdout))
}

/// The lines of `git ls-remote`. An annotated tag stands twice: as itself, and with `^{}` as the commit it points to.
fn parse(listing: &str) -> Vec<Reference> {
    let (mut tags, mut branches) = (Vec::<Reference>::new(), Vec::new());
    let mut peeled = BTreeMap::new();
    for (commit, name) in listing.lines().filter_map(|line| line.split_once('\t')) {
        if let Some(tag) = name.strip_prefix("refs/tags/") {
            match tag.strip_suffix("^{}") {
                Some(tag) => _ = peeled.insert(tag.to_owned(), commit.to_owned()),
                None => tags.push(Reference { name: tag.to_owned(), tag: true, commit: commit.to_owned() }),
            }
        } else if let Some(branch) = name.strip_prefix("refs/heads/") {
            branches.push(Reference { name: branch.to_owned(), tag: false, commit: commit.to_owned() });
        }
    }
    for tag in &mut tags {
        tag.commit = peeled.remove(&tag.name).unwrap_or_else(|| tag.commit.clone());
    }
    tags.append(&mut branches);
    tags
}

/// The exact commit that `wanted` means now: a tag, a branch, or a commit's hash of at least seven digits.
///
/// # Errors
/// A refusal that names what there is, when it means nothing.
pub async fn resolve(ports: &Ports, service: &str, repository: &str, wanted: &str) -> Result<Release> {
    let references = references(ports, service, repository).await?;
    // Tags come first: where a tag and a branch share a name, the tag is meant, as git itself has it.
    if let Some(found) = references.iter().find(|reference| reference.name == wanted) {
        return Ok(Release {
            commit: found.commit.clone(),
            reference: wanted.to_owned(),
            params: Params::new(),
            artifact: None,
        });
    }
    if wanted.len() >= 7 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let hash = wanted.to_ascii_lowercase();
        if let Some(found) = references.iter().find(|reference| reference.commit.starts_with(&hash)) {
            return Ok(Release {
                commit: found.commit.clone(),
                // A tag says more to people, and stays with its commit as a branch does not.
                reference: if found.tag { found.name.clone() } else { hash },
                params: Params::new(),
                artifact: None,
            });
        }
        if let Some(commit) = local(ports, service, repository, &hash).await? {
            return Ok(Release { commit, reference: hash, params: Params::new(), artifact: None });
        }
    }
    let names = || references.iter().map(|reference| reference.name.as_str());
    let instead = match config::suggest::suggest(wanted, names()) {
        Some(name) => format!("Did you mean {}?", text::code(name)),
        None => match &names().take(5).map(str::to_owned).collect::<Vec<_>>()[..] {
            [] => "It has no tags and no branches yet.".to_owned(),
            some => format!("There are {}.", text::list(some)),
        },
    };
    Err(Stop::refuse(format!("`{service}` has no tag, branch or commit {}. {instead}", text::code(wanted))))
}

/// Where the repository, or a mirror of it that has these commits, lies on this machine; nothing where an address does not
/// have them all.
///
/// # Errors
/// The end of a sentence that says why that is not known.
pub(super) async fn folder(ports: &Ports, repository: &str, commits: &[&str]) -> Result<Option<String>, String> {
    // An address is `https://…` or `host:path`; all else is a path.
    if !repository.contains(':') {
        return Ok(Some(repository.to_owned()));
    }
    match ports.mirrors.mirror(repository, commits).await {
        Ok(folder) => Ok(folder.map(|folder| folder.to_string_lossy().into_owned())),
        Err(why) => Err(format!("the repository is elsewhere, and {}", text::plain(&format!("{why:#}")))),
    }
}

/// A commit that is the tip of no ref: a server can not be asked for it, but a repository on this machine can.
async fn local(ports: &Ports, service: &str, repository: &str, hash: &str) -> Result<Option<String>> {
    let folder = folder(ports, repository, &[hash]).await.map_err(|why| {
        Stop::refuse(format!(
            "Whether `{service}` has a commit {} is not known, so nothing was done: {why}. Say it again later, or name a tag or a branch.",
            text::code(hash)
        ))
    })?;
    let Some(folder) = folder else { return Ok(None) };
    let wanted = format!("{hash}^{{commit}}");
    let output = git(ports, &["-C", &folder, "rev-parse", "--verify", "--quiet", "--end-of-options", &wanted]).await?;
    let commit = output.stdout.trim();
    Ok((output.exit == Exit::Status(0) && commit.len() >= 40).then(|| commit.to_owned()))
}

pub(super) async fn git(ports: &Ports, arguments: &[&str]) -> Result<Output> {
    let program = Program {
        argv: std::iter::once("git").chain(arguments.iter().copied()).map(str::to_owned).collect(),
        folder: PathBuf::from("/"),
        // Nobody is there to type a password; without this git would wait for one. An address runs no program.
        environment: BTreeMap::from([
            ("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned()),
            ("GIT_ALLOW_PROTOCOL".to_owned(), "file:git:http:https:ssh".to_owned()),
        ]),
        limit: LIMIT,
    };
    Ok(ports.processes.read(program).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotated_tags_mean_the_commit_they_point_to() {
        let listing = "\
            aaa\trefs/heads/main\n\
            bbb\trefs/tags/v2\n\
            ccc\trefs/tags/v2^{}\n\
            ddd\trefs/tags/v1\n\
            eee\trefs/pull/1/head\n\
            no tab here\n";
        let found: Vec<_> = parse(listing).into_iter().map(|it| (it.name, it.tag, it.commit)).collect();
        let expected = [("v2", true, "ccc"), ("v1", true, "ddd"), ("main", false, "aaa")];
        assert_eq!(found, expected.map(|(name, tag, commit)| (name.to_owned(), tag, commit.to_owned())));
    }
}
