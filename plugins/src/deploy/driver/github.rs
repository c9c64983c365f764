//! The driver `github`: a deployment at GitHub, shipped by a workflow that is dispatched, followed, and cancelled there.

mod artifact;
mod jobs;
mod log;

use super::{Begun, Driver, End, Found, Handle, Run, Unsaid, Work};
use crate::deploy::source::Home;
use crate::github::{Fault, GitHub};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::Ports;
use commands::plugin::Setup;
use commands::text;
use config::Section;
use jobs::{Jobs, Told};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How often a run is looked at, unless webhooks tell of it: with its jobs, 1,440 requests an hour, of the 5,000 that a
/// token has.
const LOOK: Duration = Duration::from_secs(5);

/// How often one that is being cancelled is looked at.
const LOOK_CLOSELY: Duration = Duration::from_secs(2);

/// For how long GitHub may say nothing useful before the run counts as lost from sight.
const BLIND: Duration = Duration::from_secs(10 * 60);

/// For how long after a start GitHub is asked whether there was a deployment at all.
const AWAY: Duration = Duration::from_secs(2 * 60);

/// How long a run that was dispatched may take to appear in GitHub's lists.
const APPEARS: Duration = Duration::from_secs(60);

/// The longest description of a status that GitHub takes.
const DESCRIPTION: usize = 140;

#[derive(Debug)]
struct Workflow {
    github: GitHub,
    /// `owner/name`.
    repository: String,
    /// The workflow's file, or its number.
    workflow: String,
    /// The branch or tag whose workflow file runs.
    branch: String,
    /// What the workflow is told beside the three inputs that it always has.
    inputs: BTreeMap<String, String>,
    /// Which of the artifacts that a run uploads is the one that it has shipped.
    artifact: Option<String>,
}

/// What finds a run again.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Noted {
    deployment: u64,
    /// Nothing as long as GitHub has not said which run it is.
    run: Option<u64>,
    since: DateTime<Utc>,
}

/// A deployment at GitHub.
#[derive(Deserialize)]
struct Deployment {
    id: u64,
    payload: Value,
    created_at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct Dispatched {
    workflow_run_id: u64,
}

#[derive(Deserialize)]
struct Runs {
    workflow_runs: Vec<Seen>,
}

/// A workflow's run, as it stands.
#[derive(Debug, Clone, Deserialize)]
struct Seen {
    id: u64,
    display_title: String,
    status: Option<String>,
    conclusion: Option<String>,
    html_url: String,
}

/// Why a run is ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cut {
    Asked,
    TooLong,
}

/// Reads `workflow`, `branch`, `inputs` and `artifact`.
pub(super) fn read(_setup: &Setup<'_>, section: &Section<'_>, home: &Home<'_>) -> Option<Arc<dyn Driver>> {
    let Home { github, repository, placeholders, .. } = *home;
    if !github.is_set_up() {
        let instead = "write a section `[deploy.github]` with `token = \"${GITHUB_TOKEN}\"`";
        section.problem("driver", "GitHub is to ship it, and there is no token for it", instead);
    }
    if repository.is_none() && !section.has("github") {
        let what = "GitHub is to ship it, and the service's repository is not known there";
        section.problem("driver", what, "write `github = \"owner/name\"`");
    }
    let workflow = section.required_text("workflow");
    if !workflow.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)) {
        section.problem("workflow", "this is no workflow's file", "write its name alone, as in `deploy.yml`");
    }
    let inputs = section.text_map("inputs");
    inputs.values().for_each(|value| placeholders.check(section, "inputs", value));
    let branch = section.text("branch").unwrap_or_else(|| "main".to_owned());
    let artifact = section.text("artifact");
    if let Some(name) = &artifact {
        placeholders.check(section, "artifact", name);
        if name.trim().is_empty() {
            section.problem("artifact", "this is no artifact's name", "write for example `artifact = \"hello.tar\"`");
        }
    }
    let (github, repository) = (github.clone(), repository?.to_owned());
    Some(Arc::new(Workflow { github, repository, workflow, branch, inputs, artifact }))
}

#[async_trait]
impl Driver for Workflow {
    fn worker(&self) -> &'static str {
        "workflow"
    }

    fn says(&self, work: &Work<'_>) -> String {
        format!(
            "runs the workflow `{}` of {} at GitHub, for `{}`",
            self.workflow,
            text::code(&self.repository),
            work.target.environment
        )
    }

    async fn begin<'a>(&'a self, run: &'a Run<'a>) -> Result<Begun<'a>, String> {
        let since = run.ports.clock.now();
        let deployment: Deployment =
            self.post(run, "/deployments", &self.deployment(&run.work)).await.map_err(|fault| fault.says)?;
        let deployment = deployment.id;
        let dispatches = format!("/actions/workflows/{}/dispatches", self.workflow);
        let dispatched: Result<Option<Dispatched>, Fault> =
            self.post(run, &dispatches, &self.dispatch(&run.work)).await;
        let id = match dispatched {
            Ok(dispatched) => dispatched.map(|dispatched| dispatched.workflow_run_id),
            Err(fault) if fault.done_nothing => {
                self.report(run, deployment, "error", "The workflow was not started.", None).await;
                return Err(self.refused(fault));
            }
            Err(fault) => {
                run.board.line(format!("{}. Whether the workflow was started is being looked up.", fault.says));
                None
            }
        };
        let noted = Noted { deployment, run: id, since };
        Ok(Begun { handle: Handle::new(&noted), end: Box::pin(self.follow(run, noted)) })
    }

    async fn find<'a>(&'a self, run: &'a Run<'a>, handle: Option<&Handle>) -> Found<'a> {
        if let Some(noted) = handle.and_then(Handle::read::<Noted>) {
            return Found::Running(Box::pin(self.follow(run, noted)));
        }
        let began = Instant::now();
        loop {
            match self.unnoted(run.ports, &run.work).await {
                // The deployment comes first: without it there was no dispatch.
                Ok(None) => return Found::Never,
                Ok(Some(noted)) => return Found::Running(Box::pin(self.follow(run, noted))),
                Err(why) if began.elapsed() > AWAY => return Found::Over(self.not_known(why, None)),
                // What has stopped Deckhand may have cut the network, too.
                Err(_) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn outcome(&self, ports: &Ports, work: &Work<'_>, handle: &Handle) -> Option<End> {
        let noted = match handle.read::<Noted>() {
            Some(noted) => noted,
            None => self.unnoted(ports, work).await.ok()??,
        };
        let seen: Seen = match noted.run {
            Some(id) => self.github.get(ports, &format!("{}/actions/runs/{id}", self.path())).await.ok()?,
            None => self.named(ports, work.act, &noted).await.ok()??,
        };
        let ended = seen.status.as_deref() == Some("completed");
        let conclusion = seen.conclusion.as_deref().filter(|_| ended)?;
        Some(match conclusion {
            "success" => End::Good,
            "cancelled" => End::Failed("Its run was cancelled at GitHub".to_owned()),
            other => End::Failed(format!("Its run at GitHub ended with {}", text::code(other))),
        })
    }

    async fn artifact(
        &self,
        ports: &Ports,
        work: &Work<'_>,
        handle: Option<&Handle>,
    ) -> Result<Option<String>, Unsaid> {
        match &self.artifact {
            Some(name) => self.built(ports, work, handle, &work.names(None).fill(name)).await.map(Some),
            None => Ok(None),
        }
    }
}

impl Workflow {
    fn path(&self) -> String {
        format!("/repos/{}", self.repository)
    }

    /// What GitHub has of work that nothing was noted of, by the number of the act; of several, which a deploy of several
    /// steps has, the last.
    async fn unnoted(&self, ports: &Ports, work: &Work<'_>) -> Result<Option<Noted>, String> {
        let path = format!("{}/deployments?sha={}", self.path(), work.release.commit);
        let all = self.github.list(ports, &path, |page: Vec<Deployment>| page).await?;
        let own = all.into_iter().filter(|it| it.payload["deckhand"] == work.act).max_by_key(|it| it.id);
        Ok(own.map(|it| Noted { deployment: it.id, run: None, since: it.created_at }))
    }

    async fn post<T: serde::de::DeserializeOwned>(&self, run: &Run<'_>, path: &str, body: &Value) -> Result<T, Fault> {
        self.github.post(run.ports, run.permit, &format!("{}{path}", self.path()), body).await
    }

    /// What GitHub is told of the deployment. Its payload finds it again. The gate has looked at the checks already, so
    /// GitHub does not; and what is shipped is this very commit, into which nothing is merged.
    fn deployment(&self, work: &Work<'_>) -> Value {
        json!({
            "ref": work.release.commit,
            "environment": work.target.environment,
            "description": format!("Deckhand #{}", work.act),
            "payload": payload(work),
            "auto_merge": false,
            "required_contexts": [],
        })
    }

    /// What the workflow is told.
    fn dispatch(&self, work: &Work<'_>) -> Value {
        let names = work.names(None);
        let mut inputs: BTreeMap<_, _> =
            self.inputs.iter().map(|(name, value)| (name.clone(), names.fill(value))).collect();
        inputs.insert("environment".to_owned(), names.environment.to_owned());
        inputs.insert("commit".to_owned(), names.commit.to_owned());
        inputs.insert("deckhand".to_owned(), work.act.to_string());
        json!({ "ref": self.branch, "inputs": inputs, "return_run_details": true })
    }

    /// Why the workflow was not started, and what can be done about it.
    fn refused(&self, fault: Fault) -> String {
        match fault.status {
            Some(404) => format!(
                "GitHub knows no workflow `{}` in {}, or the token has no right to it (`Actions: write`)",
                self.workflow,
                text::code(&self.repository)
            ),
            Some(422) => format!(
                "GitHub does not start `{}`: {}. It needs `on: workflow_dispatch` with the inputs `environment`, `commit` and `deckhand`, on the branch {}",
                self.workflow,
                fault.message,
                text::code(&self.branch)
            ),
            _ => fault.says,
        }
    }

    /// Follows the run to its end, or ends it when that is asked for.
    async fn follow(&self, run: &Run<'_>, noted: Noted) -> End {
        let id = match noted.run {
            Some(id) => id,
            None => match self.look_up(run, &noted).await {
                Ok(id) => id,
                Err(end) => return end,
            },
        };
        let began = Instant::now();
        let mut news = self.github.news_of(&self.repository);
        let (mut seen_at, mut last, mut told) = (began, None::<Seen>, Told::default());
        loop {
            match self.look(run, id, &mut told).await {
                Ok(seen) => {
                    if last.is_none() {
                        run.board.link(&*seen.html_url);
                        self.report(run, noted.deployment, "in_progress", "The workflow runs.", Some(&seen)).await;
                    }
                    if seen.status.as_deref() == Some("completed") {
                        return self.ended(run, &noted, &seen, &told, None).await;
                    }
                    (seen_at, last) = (Instant::now(), Some(seen));
                }
                Err(why) if seen_at.elapsed() > BLIND => return self.not_known(why, last.as_ref()),
                Err(why) => run.board.line(why),
            }
            let left = run.work.limit.saturating_sub(began.elapsed());
            let cut = tokio::select! {
                biased;
                () = run.cancel.cancelled() => Cut::Asked,
                () = tokio::time::sleep(left) => Cut::TooLong,
                () = news.wait(LOOK) => continue,
            };
            return self.cancel(run, &noted, id, told, cut).await;
        }
    }

    /// The run as it stands; new about its jobs goes to the board.
    async fn look(&self, run: &Run<'_>, id: u64, told: &mut Told) -> Result<Seen, String> {
        let path = format!("{}/actions/runs/{id}", self.path());
        let seen: Seen = self.github.get(run.ports, &path).await?;
        match seen.status.as_deref() {
            Some("in_progress" | "completed") => run.board.begun(),
            Some("waiting") => run.board.waits("its run waits for a review at GitHub"),
            _ => run.board.waits("no runner at GitHub has taken its run"),
        }
        let page: Jobs = self.github.get(run.ports, &format!("{path}/jobs?per_page=100")).await?;
        told.news(&seen, page.jobs).into_iter().for_each(|line| run.board.line(line));
        Ok(seen)
    }

    /// The run that has the number of the act in its name, where there is one by now.
    async fn named(&self, ports: &Ports, act: u64, noted: &Noted) -> Result<Option<Seen>, String> {
        // Both clocks may be a little off.
        let since = (noted.since - TimeDelta::minutes(2)).format("%Y-%m-%dT%H%%3A%M%%3A%SZ");
        let path = format!(
            "{}/actions/workflows/{}/runs?event=workflow_dispatch&created=%3E{since}",
            self.path(),
            self.workflow
        );
        let all = self.github.list(ports, &path, |page: Runs| page.workflow_runs).await?;
        Ok(all.into_iter().find(|seen| names_act(&seen.display_title, act)))
    }

    /// Finds the run by the number of the act, which the workflow puts into its name.
    async fn look_up(&self, run: &Run<'_>, noted: &Noted) -> Result<u64, End> {
        let began = Instant::now();
        run.board.waits("GitHub shows no run of it");
        loop {
            let why = match self.named(run.ports, run.work.act, noted).await {
                Ok(Some(seen)) => return Ok(seen.id),
                Ok(None) => {
                    "No run at GitHub has this deploy's number in its name, so it is not known whether one was started"
                        .to_owned()
                }
                Err(why) => why,
            };
            if began.elapsed() > APPEARS || run.cancel.is_cancelled() {
                return Err(self.not_known(why, None));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ends the run: GitHub asks it to end, and after the grace makes it.
    async fn cancel(&self, run: &Run<'_>, noted: &Noted, id: u64, mut told: Told, cut: Cut) -> End {
        let mut last = None;
        for how in ["cancel", "force-cancel"] {
            run.board.line(format!("GitHub is asked to end the run ({how})."));
            let asked: Result<Option<Value>, Fault> =
                self.post(run, &format!("/actions/runs/{id}/{how}"), &Value::Null).await;
            // 409: it has ended meanwhile.
            if let Some(fault) = asked.err().filter(|fault| fault.status != Some(409)) {
                run.board.line(fault.says);
            }
            let began = Instant::now();
            while began.elapsed() <= run.work.grace {
                if let Ok(seen) = self.look(run, id, &mut told).await {
                    if seen.status.as_deref() == Some("completed") {
                        return self.ended(run, noted, &seen, &told, Some(cut)).await;
                    }
                    last = Some(seen);
                }
                tokio::time::sleep(LOOK_CLOSELY).await;
            }
        }
        let page = last.as_ref().map_or_else(|| self.page(), |seen| seen.html_url.clone());
        let says = match cut {
            Cut::Asked => "GitHub did not end its run".to_owned(),
            Cut::TooLong => {
                let limit = config::duration::show(run.work.limit);
                format!("Its run at GitHub took longer than {limit}, and GitHub did not end it")
            }
        };
        End::Unknown { says, settle: Some(text::plain(&page)) }
    }

    /// What a run that has ended means, told to GitHub, too.
    async fn ended(&self, run: &Run<'_>, noted: &Noted, seen: &Seen, told: &Told, cut: Option<Cut>) -> End {
        let conclusion = seen.conclusion.as_deref().unwrap_or("no conclusion");
        let limit = config::duration::show(run.work.limit);
        let (state, end) = match (conclusion, cut) {
            ("success", _) => ("success", End::Good),
            ("cancelled", Some(Cut::Asked)) => ("inactive", End::Cancelled { left_behind: None }),
            ("cancelled", Some(Cut::TooLong)) => {
                ("failure", End::Failed(format!("Its run at GitHub took longer than {limit}, and was ended")))
            }
            ("cancelled", None) => ("inactive", End::Failed("Its run was cancelled at GitHub".to_owned())),
            (other, _) => {
                let at = told.failed().map(|at| format!(": {at}")).unwrap_or_default();
                ("failure", End::Failed(format!("Its run at GitHub ended with {}{at}", text::code(other))))
            }
        };
        self.report(run, noted.deployment, state, &format!("The run ended with {conclusion}."), Some(seen)).await;
        self.keep_log(run, seen, told, &end).await;
        end
    }

    /// Writes a status of the deployment, for whoever looks there; it decides nothing.
    async fn report(&self, run: &Run<'_>, deployment: u64, state: &str, says: &str, seen: Option<&Seen>) {
        let mut body = json!({ "state": state, "description": text::cut(says, DESCRIPTION) });
        if let Some(seen) = seen {
            body["log_url"] = json!(seen.html_url);
        }
        let path = format!("/deployments/{deployment}/statuses");
        let told: Result<Option<Value>, Fault> = self.post(run, &path, &body).await;
        if let Err(fault) = told {
            run.board.line(format!("The deployment's status at GitHub was not written: {}.", fault.says));
        }
    }

    fn not_known(&self, says: String, seen: Option<&Seen>) -> End {
        let page = seen.map_or_else(|| self.page(), |seen| seen.html_url.clone());
        End::Unknown { says, settle: Some(text::plain(&page)) }
    }

    /// Where a person sees the workflow's runs.
    fn page(&self) -> String {
        self.github.page(&format!("/{}/actions/workflows/{}", self.repository, self.workflow))
    }
}

/// What finds a deployment again, and which artifact it is of, where that is known: whoever ships it can hold it against
/// what they ship.
fn payload(work: &Work<'_>) -> Value {
    match &work.release.artifact {
        Some(artifact) => json!({ "deckhand": work.act, "artifact": artifact }),
        None => json!({ "deckhand": work.act }),
    }
}

/// Whether a run's name holds `Deckhand #41`, and no longer number.
fn names_act(title: &str, act: u64) -> bool {
    let wanted = format!("Deckhand #{act}");
    title
        .match_indices(&wanted)
        .any(|(at, _)| !title[at + wanted.len()..].starts_with(|next: char| next.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_known_by_its_number_and_no_other() {
        for (title, is) in [
            ("Deploy 2222222 to production (Deckhand #41)", true),
            ("Deckhand #41", true),
            ("Deckhand #410", false),
            ("Deckhand #4", false),
            ("Deckhand #410, after Deckhand #41", true),
            ("", false),
        ] {
            assert_eq!(names_act(title, 41), is, "{title}");
        }
    }
}
