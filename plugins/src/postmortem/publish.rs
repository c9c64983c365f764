//! Publishing a post-mortem: as a file in its thread, and where the config says so as Markdown in a commit on a branch of its
//! own, as a pull request, or as an issue. A team goes on from there as it does with everything that it reads before it counts.

use super::document::markdown;
use super::records::{DOCUMENTS, Document, Published, Stage, name};
use super::settings::{How, Publish};
use super::{Postmortems, Said, act, agree, attached, document, pictures, records, show};
use crate::github::GitHub;
use attached::Attached;
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::ledger::Entry;
use commands::ports::{Publication, Pushed};
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use http::Method;
use serde::Deserialize;
use serde_json::{Value, json};

/// The act's verb: after a restart, it is told by it what was being done.
pub const VERB: &str = "postmortems.publish";

/// The fact of an act that names the files which somebody has agreed to.
const FILES: &str = "files";

/// The longest text of an issue, in characters: GitHub takes 65,536.
const LONGEST: usize = 60_000;

/// The longest title of an issue, in columns.
const ISSUE_TITLE: usize = 200;

impl Postmortems {
    pub(super) async fn publish(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let document = document(cx, said.number).await?.value;
        let number = document.number;
        if document.waits_for_review() {
            return Err(Stop::refuse(format!(
                "Post-mortem #{number} is {}, so it was not published. Once somebody has found it good (`/postmortem approve {number}`), it is.",
                document.stage.predicate()
            )));
        }
        let mut facts = match &self.settings.publish {
            Some(Publish { how: How::Issue(_, repository), .. }) => vec![("repository", repository.clone())],
            Some(publish) => vec![
                ("repository", publish.repository.clone()),
                ("branch", branch(number)),
                ("path", path(publish, &document)),
            ],
            None => Vec::new(),
        };
        let files = match said.files {
            Some(_) => self.wanted(cx, &document).await?,
            None => Vec::new(),
        };
        let (mut says, danger) = (String::new(), !files.is_empty());
        if danger {
            let names: Vec<_> = files.iter().map(|one| one.file.name.as_str()).collect();
            facts.push((FILES, names.join(" ")));
            says = attached::question(&document, &files, &self.readers());
        }
        let publishes = Act { facts, says, danger, ..act(VERB, &document) };
        cx.act(publishes, async |permit| self.push(cx, permit, document, files).await).await
    }

    /// The files that somebody wants to go with it.
    async fn wanted(&self, cx: &Cx, document: &Document) -> Result<Vec<Attached>> {
        if let Some(Publish { how: How::Issue(..), .. }) = &self.settings.publish {
            return Err(Stop::refuse(format!(
                "An issue at GitHub takes no files, so nothing was published. Leave `files` out: `/postmortem publish {}`.",
                document.number
            )));
        }
        let files = attached::read(cx.ports(), attached::all(cx.ports(), document).await?).await?;
        if files.is_empty() {
            return Err(Stop::refuse(format!(
                "There are no files to publish post-mortem #{0} with: none stands in the timeline of its incident. Nothing was published; leave `files` out: `/postmortem publish {0}`.",
                document.number
            )));
        }
        Ok(files)
    }

    /// Who reads what is published.
    fn readers(&self) -> String {
        match &self.settings.publish {
            Some(Publish { repository, .. }) => format!("Whoever reads {}", text::code(repository)),
            None => "Whoever reads the channel".to_owned(),
        }
    }

    /// Publishes it with an act that has begun, or was cut off: what is there already is not put there again.
    async fn push(&self, cx: &Cx, permit: &Permit, document: Document, files: Vec<Attached>) -> Result<Reply> {
        let items = records::items(cx.store(), Some(document.number)).await?;
        let items: Vec<_> = items.into_iter().map(|(_, item)| item.value).collect();
        let page = |beside| markdown(&document, &items, &self.settings, cx.ports().vocabulary.zone, beside);
        let file = format!("postmortem-{}.md", document.number);
        cx.ports().files.keep_text(&file, page(None)).await?;
        let (published, told) = match &self.settings.publish {
            None => {
                let told = files.iter().fold(as_file(&document), |told, one| {
                    let title = text::plain(&one.file.title);
                    told.file(title, one.file.name.clone())
                });
                (Published { at: cx.now(), ..Published::default() }, told)
            }
            Some(publish @ Publish { how: How::Issue(github, repository), .. }) => {
                let says = format!("It is an issue at GitHub, {}.", publish.of_names());
                let seen = as_issue(cx, permit, github, repository, &document, &page(None)).await?;
                let told = Reply::card(Tone::Good, show::title(&document), says).field("Issue", seen.html_url.clone());
                let (url, issue) = (Some(seen.html_url), Some(seen.number));
                (Published { url, issue, at: cx.now(), ..Published::default() }, told)
            }
            Some(publish) => {
                let stem = stem(&document);
                let page = page(Some(&stem)) + &attached::markdown(&files, &document, &self.settings, &stem);
                as_commit(cx, permit, publish, &document, page, &files).await?
            }
        };
        let told = self.left_out(cx, &document, &files, told).await?;
        // It stands there now, whatever was done to the document meanwhile.
        let Versioned { value: mut document, version } = super::document(cx, Some(document.number)).await?;
        document.published = Some(published);
        permit.expect(DOCUMENTS.key(name(document.number)), version);
        DOCUMENTS.put(permit, name(document.number), &document)?;
        let reply = pictures::shown(cx, &document, told.file(text::plain(&document.title), file)).await?;
        if let Some(told) = agree::elsewhere(cx, &document, &reply) {
            permit.say(&document.place, told.clone())?;
        }
        Ok(reply)
    }

    /// `told`, with the files that stay where they are, and how they come along.
    async fn left_out(&self, cx: &Cx, document: &Document, files: &[Attached], told: Reply) -> Result<Reply> {
        let mut left = attached::all(cx.ports(), document).await?;
        left.retain(|file| files.iter().all(|one| one.file.name != file.name));
        if left.is_empty() {
            return Ok(told);
        }
        let told = told.field("Left out", format!("{}, of the incident's timeline", attached::named(left.iter())));
        let takes_none = matches!(&self.settings.publish, Some(Publish { how: How::Issue(..), .. }));
        Ok(match takes_none || !files.is_empty() {
            true => told,
            false => told.button(Button::new(
                "With its files",
                format!("postmortem publish number:{} files:yes", document.number),
            )),
        })
    }

    /// Ends a publication that an earlier run of Deckhand began, with the files that somebody has agreed to.
    pub(super) async fn settle(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        let number = doing.draft.object.strip_prefix('#').and_then(|rest| rest.split(' ').next()?.parse().ok());
        let found = document(cx, number).await?;
        let agreed = doing.draft.facts.get(FILES).and_then(Value::as_str).unwrap_or_default().to_owned();
        let mut files = attached::all(cx.ports(), &found.value).await?;
        files.retain(|file| agreed.split(' ').any(|name| name == file.name));
        let files = attached::read(cx.ports(), files).await?;
        cx.resume(doing, async |permit| match found.value.stage {
            Stage::Reviewed | Stage::Closed => self.push(cx, permit, found.value, files).await,
            _ => {
                permit.failed("it is not published any more");
                Ok(Reply::say(format!(
                    "Deckhand was stopped while it published post-mortem #{}, which is not to be published any more.",
                    found.value.number
                )))
            }
        })
        .await
    }
}

/// The text with a joiner, which nobody sees, behind what would call somebody or point at another issue.
fn calm(text: &str) -> String {
    let mut calm = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(letter) = rest.next() {
        calm.push(letter);
        let points = letter == '#' && rest.peek().is_some_and(char::is_ascii_digit);
        if letter == '@' || points {
            calm.push('\u{2060}');
        }
    }
    calm
}

fn as_file(document: &Document) -> Reply {
    let says = "It stands here as a file, with roles in the place of names. Where the operator writes `[postmortems.publish]`, it goes into a repository, too.";
    Reply::card(Tone::Good, show::title(document), says)
}

/// Commits it, and asks for it to be merged where that is wanted.
async fn as_commit(
    cx: &Cx,
    permit: &Permit,
    publish: &Publish,
    document: &Document,
    page: String,
    files: &[Attached],
) -> Result<(Published, Reply)> {
    let (branch, path) = (branch(document.number), path(publish, document));
    let folder = path.trim_end_matches(".md");
    let charts = pictures::all(cx.store(), document).await?;
    let charts = (1..).zip(charts).map(|(place, bytes)| (format!("{folder}/{}", pictures::file(place)), bytes));
    let files = (1..)
        .zip(files)
        .map(|(place, one)| (format!("{folder}/{}", attached::path(place, &one.file)), one.bytes.clone()));
    let wanted = Publication {
        repository: publish.repository.clone(),
        base: publish.base.clone(),
        branch: branch.clone(),
        folder: folder.to_owned(),
        files: std::iter::once((path.clone(), page.into())).chain(charts).chain(files).collect(),
        message: format!("Publish post-mortem #{}", document.number),
        author: publish.author.clone(),
        at: permit.entry().draft.at,
    };
    let commit = match cx.ports().mirrors.publish(permit, &wanted).await {
        Ok(Pushed::Commit(commit)) => commit,
        Ok(Pushed::Refused(why)) => {
            return Err(Stop::refuse(format!(
                "The repository has refused it: {}. Nothing was published; say it again once that is mended.",
                text::plain(why.trim_end_matches('.'))
            )));
        }
        Err(error) => {
            return Err(Stop::refuse(format!(
                "The repository can not be written: {}. It is not known whether anything arrived there; say it again once it can be: what is there already is not put there twice.",
                text::plain(format!("{error:#}").trim_end_matches('.'))
            )));
        }
    };
    let short = commit.get(..7).unwrap_or(&commit).to_owned();
    permit.note(format!("{short} on {branch}"));
    let says = format!("It stands on the branch {}, {}.", text::code(&branch), publish.of_names());
    let mut told = Reply::card(Tone::Good, show::title(document), says)
        .field("Commit", text::code(&short))
        .field("File", text::code(&path));
    let mut published = Published { branch, commit, path, at: cx.now(), ..Published::default() };
    if let How::PullRequest(github, repository) = &publish.how {
        let asked = pull_request(cx, permit, github, repository, &publish.base, document).await;
        published.url = asked.map_err(|why| {
            Stop::refuse(format!(
                "It stands on the branch {}, but GitHub opened no pull request: {why}. Say it again once that is mended: nothing is put there twice.",
                text::code(&published.branch)
            ))
        })?;
        told = match &published.url {
            Some(url) => told.field("Pull request", url.clone()),
            None => told.field("Pull request", format!("none is needed: {} has it already", text::code(&publish.base))),
        };
    }
    Ok((published, told))
}

/// A pull request, or an issue, as GitHub tells of it.
#[derive(Deserialize)]
struct Seen {
    number: u64,
    html_url: String,
    #[serde(default)]
    body: Option<String>,
}

/// The open pull request of a post-mortem's branch: the one that there is, or a new one. Nothing where the base has all of
/// it already.
///
/// # Errors
/// What is in the way, without a full stop.
async fn pull_request(
    cx: &Cx,
    permit: &Permit,
    github: &GitHub,
    repository: &str,
    base: &str,
    document: &Document,
) -> Result<Option<String>, String> {
    let owner = repository.split('/').next().unwrap_or_default();
    let branch = branch(document.number);
    let path = format!("/repos/{repository}/pulls");
    let open = format!("{path}?state=open&head={owner}:{branch}&base={base}");
    let found: Vec<Seen> = github.list(cx.ports(), &open, |page| page).await?;
    if let Some(found) = found.into_iter().next() {
        return Ok(Some(found.html_url));
    }
    let body = "A post-mortem, written and reviewed in chat. Whoever merges this has read it.";
    let title = format!("Post-mortem #{}", document.number);
    let asked = json!({ "title": title, "head": branch, "base": base, "body": body });
    match github.post::<Seen>(cx.ports(), permit, &path, &asked).await {
        Ok(made) => Ok(Some(made.html_url)),
        // GitHub's own words for a branch that was merged.
        Err(fault) if fault.status == Some(422) && fault.detail.contains("No commits between") => Ok(None),
        Err(fault) => Err(fault.says),
    }
}

/// Makes an issue of it, or writes the one that there is anew.
async fn as_issue(
    cx: &Cx,
    permit: &Permit,
    github: &GitHub,
    repository: &str,
    document: &Document,
    page: &str,
) -> Result<Seen> {
    let seen = issue(cx, permit, github, repository, document, page).await.map_err(|why| {
        Stop::refuse(format!(
            "GitHub has not taken it as an issue of {}: {why}. Say it again once that is mended: nothing is put there twice.",
            text::code(repository)
        ))
    })?;
    permit.note(format!("{repository}#{}", seen.number));
    Ok(seen)
}

async fn issue(
    cx: &Cx,
    permit: &Permit,
    github: &GitHub,
    repository: &str,
    document: &Document,
    page: &str,
) -> Result<Seen, String> {
    let (mark, since) =
        records::mark(cx.store(), document.number).await.map_err(|it| text::plain(&format!("{it:#}")))?;
    let (path, ports) = (format!("/repos/{repository}/issues"), cx.ports());
    let here = format!("/{repository}/issues/");
    let is_here = |published: &&Published| published.url.as_ref().is_some_and(|url| url.contains(&here));
    let known = match document.published.as_ref().filter(is_here).and_then(|published| published.issue) {
        Some(number) => Some(number),
        // It may be there all the same: opened, and the answer lost.
        None => {
            let all: Vec<Seen> = github.list(ports, &format!("{path}?state=all&since={since}"), |page| page).await?;
            let has_mark = |seen: &Seen| seen.body.as_ref().is_some_and(|body| body.contains(&mark));
            all.into_iter().find(has_mark).map(|seen| seen.number)
        }
    };
    let title = text::cut(page.lines().next().unwrap_or_default().trim_start_matches("# "), ISSUE_TITLE);
    let asked: Value = json!({ "title": title, "body": issue_body(page, &mark) });
    let made = match known {
        Some(number) => github.send(ports, permit, Method::PATCH, &format!("{path}/{number}"), &asked).await,
        None => github.post(ports, permit, &path, &asked).await,
    };
    made.map_err(|fault| fault.says)
}

/// The text of an issue: nobody is called by it, nothing is linked to by accident, and GitHub takes all of it.
fn issue_body(page: &str, mark: &str) -> String {
    let (_, rest) = page.split_once('\n').unwrap_or_default();
    let calm = calm(rest);
    let mut body: String = calm.chars().take(LONGEST).collect();
    if body.len() < calm.len() {
        body.push_str("\n\n… and more, for which an issue has no room.");
    }
    // What is quoted of people must not open a comment around the mark.
    format!("{}\n\n<!-- {mark} -->\n", body.replace("<!--", "&lt;!--").trim())
}

fn branch(number: u64) -> String {
    format!("postmortem/{number}")
}

fn path(publish: &Publish, document: &Document) -> String {
    format!("{}/{}.md", publish.folder, stem(document))
}

/// What its file is called, without its ending; the folder of its charts, beside it, is called the same.
fn stem(document: &Document) -> String {
    format!("{}-{}", document.started.format("%Y-%m-%d"), document.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issue_calls_nobody_and_keeps_its_mark() {
        let page = "# Slow\n\n## Summary\n\n@ops/team and ops@example.com, #12 of acme/hello#3. <!-- x\n";
        let expected = "## Summary\n\n@\u{2060}ops/team and ops@\u{2060}example.com, #\u{2060}12 of acme/hello#\u{2060}3. \
                        &lt;!-- x\n\n<!-- deckhand 1 -->\n";
        assert_eq!(issue_body(page, "deckhand 1"), expected);
        let long = issue_body(&format!("# Slow\n{}", "결제 지연. ".repeat(20_000)), "deckhand 1");
        assert!(long.chars().count() < 65_536 && long.ends_with("no room.\n\n<!-- deckhand 1 -->\n"), "{}", long.len());
    }
}
