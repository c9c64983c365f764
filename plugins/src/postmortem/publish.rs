//! Publishing a post-mortem: as Markdown, in a commit on a branch of its own, from which a team goes on as it does with
//! everything that it reads before it counts.

use super::document::markdown;
use super::records::{DOCUMENTS, Document, Published, Stage, name};
use super::settings::Publish;
use super::{Postmortems, Said, act, document, records, show};
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::ledger::Entry;
use commands::ports::{Publication, Pushed};
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;

/// The act's verb: after a restart, it is told by it what was being done.
pub const VERB: &str = "postmortems.publish";

impl Postmortems {
    pub(super) async fn publish(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let document = document(cx, said.number).await?.value;
        let number = document.number;
        let Some(publish) = &self.settings.publish else {
            return Err(Stop::refuse(format!(
                "It is not said where post-mortems are published, so nothing was done. The operator writes `[postmortems.publish]` with a `repository`; `/postmortem show {number}` has the file."
            )));
        };
        if document.waits_for_review() {
            return Err(Stop::refuse(format!(
                "Post-mortem #{number} is {}, so it was not published. Once somebody has found it good (`/postmortem approve {number}`), it is.",
                document.stage.predicate()
            )));
        }
        let facts = vec![
            ("repository", publish.repository.clone()),
            ("branch", branch(number)),
            ("path", path(publish, &document)),
        ];
        let publishes = Act { facts, ..act(VERB, &document) };
        cx.act(publishes, async |permit| self.push(cx, permit, publish, document).await).await
    }

    /// Publishes it with an act that has begun, or was cut off: what is there already is not committed again.
    async fn push(&self, cx: &Cx, permit: &Permit, publish: &Publish, document: Document) -> Result<Reply> {
        let items = records::items(cx.store(), Some(document.number)).await?;
        let items: Vec<_> = items.into_iter().map(|(_, item)| item.value).collect();
        let page = markdown(&document, &items, &self.settings, cx.ports().vocabulary.zone);
        let (branch, path) = (branch(document.number), path(publish, &document));
        let wanted = Publication {
            repository: publish.repository.clone(),
            base: publish.base.clone(),
            branch: branch.clone(),
            files: vec![(path.clone(), page.clone().into())],
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
        // It stands there now, whatever was done to the document meanwhile.
        let Versioned { value: mut document, version } = super::document(cx, Some(document.number)).await?;
        document.published =
            Some(Published { branch: branch.clone(), commit: commit.clone(), path: path.clone(), at: cx.now() });
        permit.expect(DOCUMENTS.key(name(document.number)), version);
        DOCUMENTS.put(permit, name(document.number), &document)?;
        let short = commit.get(..7).unwrap_or(&commit);
        permit.note(format!("{short} on {branch}"));
        let file = format!("postmortem-{}.md", document.number);
        let kept = cx.ports().files.keep_text(&file, page).await;
        let says = format!("It stands on the branch {}, with roles in the place of names.", text::code(&branch));
        let reply = Reply::card(Tone::Good, show::title(&document), says)
            .field("Commit", text::code(short))
            .field("File", text::code(&path));
        Ok(match kept {
            Ok(()) => reply.file(text::plain(&document.title), file),
            Err(error) => {
                tracing::warn!("the file of what was published can not be kept: {error:#}");
                reply
            }
        })
    }

    /// Ends a publication that an earlier run of Deckhand began.
    pub(super) async fn settle(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        let number = doing.draft.object.strip_prefix('#').and_then(|rest| rest.split(' ').next()?.parse().ok());
        let found = document(cx, number).await?;
        let settings = self.settings.publish.as_ref();
        cx.resume(doing, async |permit| match settings {
            Some(publish) if found.value.stage >= Stage::Reviewed => self.push(cx, permit, publish, found.value).await,
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

fn branch(number: u64) -> String {
    format!("postmortem/{number}")
}

fn path(publish: &Publish, document: &Document) -> String {
    format!("{}/{}-{}.md", publish.folder, document.started.format("%Y-%m-%d"), document.number)
}
