//! Issues and pull requests of the stand-in.

use super::state::{Repository, State};
use super::{Answer, Call, refusal};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

/// Who can not be assigned, whatever the repository: GitHub knows nobody of this name.
const NOBODY: &str = "nobody-a";

/// An issue.
#[derive(Debug, Clone)]
pub struct Issue {
    /// What stands above it.
    pub title: String,
    /// What it says.
    pub body: String,
    /// Who is to see to it.
    pub assignees: Vec<String>,
    /// When it was closed, and why.
    pub closed: Option<(DateTime<Utc>, String)>,
    at: DateTime<Utc>,
}

/// A pull request.
#[derive(Debug, Clone)]
pub struct Pull {
    /// From which branch, and into which.
    pub head: String,
    /// Into which branch.
    pub base: String,
    /// Whether it was merged.
    pub merged: bool,
}

impl Repository {
    /// Carries out a stage direction about issues and pull requests; false if it is none.
    pub(super) fn direct_issues(&mut self, direction: &str, now: DateTime<Utc>) -> bool {
        let words: Vec<_> = direction.split(' ').collect();
        let reason = match words[..] {
            ["issues", "are", "turned", on] => {
                self.issueless = on == "off";
                return true;
            }
            ["the", "pull", "request", "is", "merged"] => {
                self.pulls.iter_mut().for_each(|pull| pull.merged = true);
                return true;
            }
            ["somebody", "closes", "the", "issue", _] => "completed",
            ["somebody", "closes", "the", "issue", _, "as", "not", "planned"] => "not_planned",
            _ => return false,
        };
        let Ok(number) = words[4].parse::<usize>() else { return false };
        let Some(issue) = number.checked_sub(1).and_then(|place| self.issues.get_mut(place)) else { return false };
        issue.closed = Some((now, reason.to_owned()));
        self.events.push(("issues", json!({ "action": "closed", "issue": shown(number, issue) })));
        true
    }
}

impl State {
    /// An issue of `acme/hello` as people read it.
    pub fn issue(&self, number: usize) -> Option<Vec<String>> {
        let issue = self.repositories.get("acme/hello")?.issues.get(number.checked_sub(1)?)?;
        let state = issue.closed.as_ref().map_or("open", |(_, reason)| reason.as_str());
        let mut lines = vec![format!("{} ({state})", issue.title)];
        lines.extend((!issue.assignees.is_empty()).then(|| format!("assigned: {}", issue.assignees.join(", "))));
        lines.extend(issue.body.lines().map(|line| format!("| {line}")));
        Some(lines)
    }
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_default().to_owned()
}

fn at(when: DateTime<Utc>) -> String {
    when.to_rfc3339_opts(SecondsFormat::Secs, true)
}

fn shown(number: usize, issue: &Issue) -> Value {
    let closed = issue.closed.as_ref();
    json!({
        "number": number, "title": issue.title, "body": issue.body,
        "html_url": format!("https://github.com/acme/hello/issues/{number}"),
        "state": if closed.is_some() { "closed" } else { "open" },
        "state_reason": closed.map(|(_, reason)| reason), "closed_at": closed.map(|(when, _)| at(*when)),
        "created_at": at(issue.at), "updated_at": at(issue.at),
    })
}

/// What GitHub says of a request that is well made and asks for what can not be.
fn invalid(errors: Value) -> Answer {
    let (status, mut body) = refusal(422, "Validation Failed");
    body.as_object_mut().map(|parts| parts.remove("status"));
    body["errors"] = errors;
    (status, body)
}

/// `GET …/issues`
pub fn list(repository: &mut Repository, call: &Call) -> Answer {
    let state = call.query.get("state").map_or("open", String::as_str);
    let fits = |issue: &Issue| state == "all" || (state == "closed") == issue.closed.is_some();
    let all = repository.issues.iter().enumerate().filter(|(_, issue)| fits(issue));
    (200, Value::Array(call.page(all.map(|(place, issue)| shown(place + 1, issue)).collect())))
}

/// `POST …/issues`
pub fn open(repository: &mut Repository, call: &Call) -> Answer {
    if repository.issueless {
        return refusal(410, "Issues has been disabled in this repository.");
    }
    let assignees = call.body["assignees"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let assignees: Vec<_> = assignees.map(str::to_owned).collect();
    if assignees.iter().any(|name| name == NOBODY) {
        return invalid(json!([{ "resource": "Issue", "field": "assignees", "code": "invalid" }]));
    }
    let (title, body) = (text(&call.body, "title"), text(&call.body, "body"));
    repository.issues.push(Issue { title, body, assignees, closed: None, at: call.now });
    let number = repository.issues.len();
    (201, shown(number, &repository.issues[number - 1]))
}

fn found<'a>(repository: &'a mut Repository, call: &Call) -> Option<(usize, &'a mut Issue)> {
    let number: usize = call.at("issue_number").parse().ok()?;
    Some((number, repository.issues.get_mut(number.checked_sub(1)?)?))
}

/// `GET …/issues/{issue_number}`
pub fn get(repository: &mut Repository, call: &Call) -> Answer {
    match found(repository, call) {
        Some((number, issue)) => (200, shown(number, issue)),
        None => refusal(404, "Not Found"),
    }
}

/// `PATCH …/issues/{issue_number}`
pub fn change(repository: &mut Repository, call: &Call) -> Answer {
    let Some((number, issue)) = found(repository, call) else { return refusal(404, "Not Found") };
    match call.body["state"].as_str() {
        Some("closed") => issue.closed = Some((call.now, text(&call.body, "state_reason"))),
        Some(_) => issue.closed = None,
        None => (issue.title, issue.body) = (text(&call.body, "title"), text(&call.body, "body")),
    }
    (200, shown(number, issue))
}

fn pull(number: usize) -> Value {
    json!({ "number": number, "html_url": format!("https://github.com/acme/hello/pull/{number}"), "state": "open" })
}

/// `GET …/pulls`
pub fn pulls(repository: &mut Repository, call: &Call) -> Answer {
    let wanted = call.query.get("head").and_then(|head| head.split_once(':')).map(|(_, branch)| branch);
    let all = repository.pulls.iter().enumerate();
    let open = all.filter(|(_, pull)| !pull.merged && wanted.is_none_or(|branch| pull.head == branch));
    (200, Value::Array(call.page(open.map(|(place, _)| pull(place + 1)).collect())))
}

/// `POST …/pulls`
pub fn ask_to_merge(repository: &mut Repository, call: &Call) -> Answer {
    let (head, base) = (text(&call.body, "head"), text(&call.body, "base"));
    if repository.pulls.iter().any(|pull| pull.head == head && pull.merged) {
        let message = format!("No commits between {base} and {head}");
        return invalid(json!([{ "resource": "PullRequest", "code": "custom", "message": message }]));
    }
    repository.pulls.push(Pull { head, base, merged: false });
    (201, pull(repository.pulls.len()))
}
