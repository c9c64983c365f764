//! GitHub's REST API: a table of routes, each with the function that answers it.

use super::state::{CheckRun, Repository, Status};
use super::{Answer, Call, issues, logs, refusal, runs};
use crate::routes::{Route, route};
use serde_json::{Value, json};

/// What answers a call.
pub type Handler = fn(&mut Repository, &Call) -> Answer;

/// Every route that the stand-in knows.
pub static ROUTES: &[Route<Handler>] = &[
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/check-runs", check_runs),
    route("GET", "/repos/{owner}/{repo}/commits/{ref}/status", statuses),
    route("GET", "/repos/{owner}/{repo}/deployments", runs::deployments),
    route("POST", "/repos/{owner}/{repo}/deployments", runs::deploy),
    route("POST", "/repos/{owner}/{repo}/deployments/{deployment_id}/statuses", runs::report),
    route("POST", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/dispatches", runs::dispatch),
    route("GET", "/repos/{owner}/{repo}/actions/workflows/{workflow_id}/runs", runs::list),
    route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}", runs::get),
    route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/jobs", runs::jobs),
    route("GET", "/repos/{owner}/{repo}/actions/runs/{run_id}/artifacts", runs::artifacts),
    route("GET", "/repos/{owner}/{repo}/actions/jobs/{job_id}/logs", logs::place),
    route("POST", "/repos/{owner}/{repo}/actions/runs/{run_id}/cancel", runs::cancel),
    route("POST", "/repos/{owner}/{repo}/actions/runs/{run_id}/force-cancel", runs::force_cancel),
    route("GET", "/repos/{owner}/{repo}/issues", issues::list),
    route("POST", "/repos/{owner}/{repo}/issues", issues::open),
    route("GET", "/repos/{owner}/{repo}/issues/{issue_number}", issues::get),
    route("PATCH", "/repos/{owner}/{repo}/issues/{issue_number}", issues::change),
    route("GET", "/repos/{owner}/{repo}/pulls", issues::pulls),
    route("POST", "/repos/{owner}/{repo}/pulls", issues::ask_to_merge),
];

/// The templates of all paths.
pub fn templates() -> Vec<&'static str> {
    let mut templates: Vec<_> = ROUTES.iter().map(|route| route.template).collect();
    templates.sort_unstable();
    templates.dedup();
    templates
}

fn unknown_commit(commit: &str) -> Answer {
    refusal(422, &format!("No commit found for SHA: {commit}"))
}

fn check_runs(repository: &mut Repository, call: &Call) -> Answer {
    let commit = call.at("ref");
    if !repository.commits.iter().any(|known| known == commit) {
        return unknown_commit(commit);
    }
    let all = repository.checks.get(commit).cloned().unwrap_or_default();
    let count = all.len();
    let shown: Vec<_> = call.page(all).iter().map(|run| check_run(run, commit)).collect();
    (200, json!({ "total_count": count, "check_runs": shown }))
}

fn check_run(run: &CheckRun, commit: &str) -> Value {
    let (status, conclusion, at) = match &run.ended {
        None => ("in_progress", Value::Null, Value::Null),
        Some((conclusion, at)) => ("completed", json!(conclusion), json!(at.to_rfc3339())),
    };
    let page = format!("https://github.com/acme/hello/runs/{}", run.name);
    json!({
        "name": run.name, "head_sha": commit, "status": status, "conclusion": conclusion,
        "started_at": at, "completed_at": at, "html_url": page, "details_url": page,
    })
}

fn statuses(repository: &mut Repository, call: &Call) -> Answer {
    let commit = call.at("ref");
    if !repository.commits.iter().any(|known| known == commit) {
        return refusal(404, "Not Found");
    }
    let all = repository.statuses.get(commit).cloned().unwrap_or_default();
    let state = if all.iter().all(|status| status.state == "success") { "success" } else { "pending" };
    let count = all.len();
    let shown: Vec<_> = call.page(all).iter().map(status).collect();
    (200, json!({ "state": state, "sha": commit, "total_count": count, "statuses": shown }))
}

fn status(status: &Status) -> Value {
    let at = status.at.to_rfc3339();
    json!({
        "context": status.context, "state": status.state, "created_at": at, "updated_at": at,
        "target_url": "https://ci.example/acme/hello", "description": null,
    })
}
