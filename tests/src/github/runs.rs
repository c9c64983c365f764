//! Deployments and workflow runs of the stand-in: one workflow, `deploy.yml`, whose job ships what it is told to.

use super::state::Repository;
use super::{Answer, Call, refusal};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use serde_json::{Value, json};

/// How long a run waits for a machine, and then works, in seconds.
const QUEUED: i64 = 2;
const WORKS: i64 = 6;

/// A deployment, with what was reported of it.
#[derive(Debug, Clone)]
pub struct Deployment {
    id: u64,
    sha: String,
    environment: String,
    payload: Value,
    at: DateTime<Utc>,
    /// The states that were reported, oldest first.
    pub states: Vec<String>,
}

/// What a run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// It ends badly, having changed nothing.
    Fails,
    /// It goes on until it is told to end.
    Hangs,
    /// It goes on, and does not end when it is cancelled; force helps.
    Clings,
    /// No machine takes it.
    Waits,
    /// Nothing ends it but the stage.
    Undead,
}

/// A run.
#[derive(Debug, Clone)]
pub struct Run {
    pub(super) id: u64,
    inputs: Value,
    script: Option<Script>,
    pub(super) began: DateTime<Utc>,
    /// Whether a machine has taken it.
    works: bool,
    pub(super) ended: Option<String>,
    /// What it uploads, with its digest.
    uploads: Vec<(String, Option<String>)>,
}

impl Repository {
    /// Carries out a stage direction about runs; false if it is none.
    pub(super) fn direct(&mut self, direction: &str, now: DateTime<Utc>) -> bool {
        self.advance(now);
        if let Some(uploads) = direction.strip_prefix("the workflow uploads ") {
            return self.upload(uploads);
        }
        if self.logs.direct(direction) {
            return true;
        }
        match direction {
            "the next run fails" => self.scripts.push_back(Script::Fails),
            "the next run hangs" => self.scripts.push_back(Script::Hangs),
            "the next run finds no runner" => self.scripts.push_back(Script::Waits),
            "the next run clings to life" => self.scripts.push_back(Script::Clings),
            "the next run can not be ended" => self.scripts.push_back(Script::Undead),
            "the run ends well" => self.end("success", now),
            "the run ends badly" => self.end("failure", now),
            "somebody cancels the run at GitHub" => self.end("cancelled", now),
            "the workflow can not be dispatched" => self.undispatchable = true,
            "the workflow can be dispatched" => self.undispatchable = false,
            "GitHub does not say which run it starts" => self.silent = true,
            _ => return false,
        }
        true
    }

    /// Lets the next runs upload what it says: `hello.tar sha256:aaaa`, and, from a run that was run again, what follows
    /// ` then `. False if it can not be understood.
    fn upload(&mut self, says: &str) -> bool {
        let one = |says: &str| match says.split_once(' ')? {
            (name, "without a digest") => Some((name.to_owned(), None)),
            (name, digest) => Some((name.to_owned(), Some(digest.to_owned()))),
        };
        let all: Option<Vec<_>> =
            if says == "nothing" { Some(Vec::new()) } else { says.split(" then ").map(one).collect() };
        let understood = all.is_some();
        self.uploads = all.unwrap_or_default();
        understood
    }

    /// Lets the runs go on to this moment.
    pub(super) fn advance(&mut self, now: DateTime<Utc>) {
        for run in self.runs.iter_mut().filter(|run| run.ended.is_none()) {
            let over = now - run.began > TimeDelta::seconds(QUEUED + WORKS);
            if !run.works && run.is_taken(now) {
                run.works = true;
                self.events.push(run.event("in_progress", now));
            }
            match run.script {
                None if over => run.ended = Some("success".to_owned()),
                Some(Script::Fails) if over => run.ended = Some("failure".to_owned()),
                _ => continue,
            }
            if run.script.is_none() {
                self.shipped.push(run.ships());
            }
            self.events.push(run.event("completed", now));
        }
    }

    fn end(&mut self, conclusion: &str, now: DateTime<Utc>) {
        for run in self.runs.iter_mut().filter(|run| run.ended.is_none()) {
            run.ended = Some(conclusion.to_owned());
            if conclusion == "success" {
                self.shipped.push(run.ships());
            }
            self.events.push(run.event("completed", now));
        }
    }

    fn run(&mut self, call: &Call) -> Option<&mut Run> {
        let id: u64 = call.at("run_id").parse().ok()?;
        self.runs.iter_mut().find(|run| run.id == id)
    }
}

impl Run {
    /// What it ships: the environment and the commit.
    pub fn ships(&self) -> (String, String) {
        let told = |name: &str| self.inputs[name].as_str().unwrap_or_default().to_owned();
        (told("environment"), told("commit"))
    }

    fn status(&self, now: DateTime<Utc>) -> &'static str {
        let queued = !self.is_taken(now);
        if self.ended.is_some() {
            "completed"
        } else if queued {
            "queued"
        } else {
            "in_progress"
        }
    }

    /// Whether a machine takes it by now.
    fn is_taken(&self, now: DateTime<Utc>) -> bool {
        self.script != Some(Script::Waits) && now - self.began >= TimeDelta::seconds(QUEUED)
    }

    fn page(&self) -> String {
        format!("https://github.com/acme/hello/actions/runs/{}", self.id)
    }

    fn event(&self, action: &str, now: DateTime<Utc>) -> (&'static str, Value) {
        ("workflow_run", json!({ "action": action, "workflow_run": self.json(now) }))
    }

    fn json(&self, now: DateTime<Utc>) -> Value {
        let told = |name: &str| self.inputs[name].as_str().unwrap_or_default();
        json!({
            "id": self.id, "event": "workflow_dispatch", "head_branch": "main", "path": ".github/workflows/deploy.yml",
            "display_title": format!("Deploy to {} (Deckhand #{})", told("environment"), told("deckhand")),
            "status": self.status(now), "conclusion": self.ended, "html_url": self.page(),
            "created_at": stamp(self.began), "run_started_at": stamp(self.began),
        })
    }
}

fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn known(repository: &Repository, commit: &str) -> bool {
    repository.commits.iter().any(|known| known == commit)
}

pub(super) fn deploy(repository: &mut Repository, call: &Call) -> Answer {
    let text = |name: &str| call.body[name].as_str().unwrap_or_default().to_owned();
    if !known(repository, &text("ref")) {
        return refusal(422, &format!("No ref found for: {}", text("ref")));
    }
    let id = 1_000 + u64::try_from(repository.deployments.len()).unwrap_or_default();
    let deployment = Deployment {
        id,
        sha: text("ref"),
        environment: text("environment"),
        payload: call.body["payload"].clone(),
        at: call.now,
        states: Vec::new(),
    };
    repository.deployments.push(deployment.clone());
    (201, deployed(&deployment))
}

fn deployed(deployment: &Deployment) -> Value {
    let Deployment { id, sha, environment, payload, at, .. } = deployment;
    json!({
        "id": id, "sha": sha, "ref": sha, "task": "deploy", "environment": environment, "payload": payload,
        "created_at": stamp(*at), "updated_at": stamp(*at), "description": null,
    })
}

pub(super) fn deployments(repository: &mut Repository, call: &Call) -> Answer {
    let wanted = |name: &str, is: &str| call.query.get(name).is_none_or(|wanted| wanted == is);
    let fits = |it: &&Deployment| wanted("sha", &it.sha) && wanted("environment", &it.environment);
    let all = repository.deployments.iter().rev().filter(fits).map(deployed).collect();
    (200, Value::Array(call.page(all)))
}

pub(super) fn report(repository: &mut Repository, call: &Call) -> Answer {
    let id = call.at("deployment_id");
    let Some(deployment) = repository.deployments.iter_mut().find(|it| it.id.to_string() == id) else {
        return refusal(404, "Not Found");
    };
    let state = call.body["state"].as_str().unwrap_or_default().to_owned();
    let told =
        json!({ "action": "created", "deployment": { "id": deployment.id }, "deployment_status": { "state": state } });
    repository.events.push(("deployment_status", told));
    deployment.states.push(state.clone());
    let count = deployment.states.len();
    (
        201,
        json!({ "id": count, "state": state, "description": call.body["description"], "created_at": stamp(call.now) }),
    )
}

pub(super) fn dispatch(repository: &mut Repository, call: &Call) -> Answer {
    if call.at("workflow_id") != "deploy.yml" {
        return refusal(404, "Not Found");
    }
    if repository.undispatchable {
        return refusal(422, "Workflow does not have 'workflow_dispatch' trigger");
    }
    if call.body["ref"] != "main" {
        return refusal(422, &format!("No ref found for: {}", call.body["ref"].as_str().unwrap_or_default()));
    }
    let known = ["environment", "commit", "deckhand", "artifact"];
    let odd: Vec<_> = call.body["inputs"].as_object().into_iter().flatten().map(|(name, _)| name).collect();
    let odd: Vec<_> = odd.into_iter().filter(|name| !known.contains(&name.as_str())).collect();
    if !odd.is_empty() {
        return refusal(422, &format!("Unexpected inputs provided: {odd:?}"));
    }
    let id = 7_000 + u64::try_from(repository.runs.len()).unwrap_or_default();
    let script = repository.scripts.pop_front();
    let (inputs, uploads) = (call.body["inputs"].clone(), repository.uploads.clone());
    let run = Run { id, inputs, script, began: call.now, works: false, ended: None, uploads };
    let page = run.page();
    repository.events.push(run.event("requested", call.now));
    repository.runs.push(run);
    if repository.silent || call.body["return_run_details"] != true {
        return (204, Value::Null);
    }
    let address = format!("https://api.github.com/repos/acme/hello/actions/runs/{id}");
    (200, json!({ "workflow_run_id": id, "run_url": address, "html_url": page }))
}

pub(super) fn list(repository: &mut Repository, call: &Call) -> Answer {
    let after = call.query.get("created").and_then(|it| it.strip_prefix('>')?.parse::<DateTime<Utc>>().ok());
    let fits = |run: &&Run| after.is_none_or(|after| run.began > after);
    let all: Vec<_> = repository.runs.iter().rev().filter(fits).map(|run| run.json(call.now)).collect();
    (200, json!({ "total_count": all.len(), "workflow_runs": call.page(all) }))
}

pub(super) fn get(repository: &mut Repository, call: &Call) -> Answer {
    match repository.run(call) {
        Some(run) => (200, run.json(call.now)),
        None => refusal(404, "Not Found"),
    }
}

pub(super) fn jobs(repository: &mut Repository, call: &Call) -> Answer {
    let others = repository.logs.others;
    let Some(run) = repository.run(call) else { return refusal(404, "Not Found") };
    let (status, conclusion) = (run.status(call.now), run.ended.as_deref());
    let step = |number: u64, name: &str, status: &str, conclusion: Option<&str>| json!({ "number": number, "name": name, "status": status, "conclusion": conclusion });
    let steps = match status {
        "queued" => Vec::new(),
        _ => vec![step(1, "Set up job", "completed", Some("success")), step(2, "Push", status, conclusion)],
    };
    let job = |place: u64, name: &str, status: &str, conclusion: Option<&str>, steps: Vec<Value>| json!({ "id": 10 * run.id + place, "run_id": run.id, "name": name, "status": status, "conclusion": conclusion, "steps": steps });
    let mut jobs = vec![job(0, "ship", status, conclusion, steps)];
    if others {
        jobs.push(job(1, "tell @everyone", "completed", Some("success"), Vec::new()));
    }
    (200, json!({ "total_count": jobs.len(), "jobs": jobs }))
}

/// What a run has uploaded: it is there once the run has ended.
pub(super) fn artifacts(repository: &mut Repository, call: &Call) -> Answer {
    let Some(run) = repository.run(call) else { return refusal(404, "Not Found") };
    let wanted = |name: &str| run.ended.is_some() && call.query.get("name").is_none_or(|wanted| wanted == name);
    let artifact = |(id, (name, digest)): (usize, &(String, Option<String>))| {
        json!({
            "id": id, "name": name, "digest": digest, "size_in_bytes": 10_240, "expired": false,
            "workflow_run": { "id": run.id, "head_branch": "main" },
        })
    };
    let all: Vec<_> = run.uploads.iter().enumerate().filter(|(_, (name, _))| wanted(name)).map(artifact).collect();
    // GitHub lists the newest first.
    let all: Vec<_> = all.into_iter().rev().collect();
    (200, json!({ "total_count": all.len(), "artifacts": call.page(all) }))
}

pub(super) fn cancel(repository: &mut Repository, call: &Call) -> Answer {
    end(repository, call, &[Script::Clings, Script::Undead])
}

pub(super) fn force_cancel(repository: &mut Repository, call: &Call) -> Answer {
    end(repository, call, &[Script::Undead])
}

fn end(repository: &mut Repository, call: &Call, deaf: &[Script]) -> Answer {
    let Some(run) = repository.run(call) else { return refusal(404, "Not Found") };
    if run.ended.is_some() {
        return refusal(409, "Cannot cancel a workflow run that is completed.");
    }
    if !run.script.is_some_and(|script| deaf.contains(&script)) {
        run.ended = Some("cancelled".to_owned());
        let event = run.event("completed", call.now);
        repository.events.push(event);
    }
    (202, json!({}))
}
