//! What a run's jobs are at, told line by line.

use super::Seen;
use commands::text;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A page of a run's jobs.
#[derive(Deserialize)]
pub(super) struct Jobs {
    pub jobs: Vec<Job>,
}

/// One of them.
#[derive(Clone, Deserialize)]
pub(super) struct Job {
    pub id: u64,
    pub name: String,
    status: String,
    conclusion: Option<String>,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Clone, Deserialize)]
struct Step {
    name: String,
    status: String,
    conclusion: Option<String>,
}

impl Job {
    /// Whether it has ended otherwise than it should.
    pub fn has_failed(&self) -> bool {
        self.conclusion.as_deref().is_some_and(|how| !["success", "neutral", "skipped"].contains(&how))
    }
}

/// What has been told of a run, so that only news is told.
#[derive(Default)]
pub(super) struct Told {
    says: BTreeMap<String, String>,
    /// Its jobs, as they were seen last.
    jobs: Vec<Job>,
}

impl Told {
    /// The jobs that have ended and said something, those that have failed first.
    pub fn by_need(&self) -> impl Iterator<Item = &Job> {
        let ended = || self.jobs.iter().filter(|job| job.conclusion.as_deref().is_some_and(|how| how != "skipped"));
        ended().filter(|job| job.has_failed()).chain(ended().filter(|job| !job.has_failed()))
    }

    /// The job that failed, and where.
    pub fn failed(&self) -> Option<String> {
        let (name, says) = self.says.iter().find(|(_, says)| says.starts_with("failure"))?;
        let at =
            says.strip_prefix("failure at the step ").map(|step| format!(" failed at the step {}", text::code(step)));
        Some(format!("the job {}{}", text::code(name), at.unwrap_or_else(|| " failed".to_owned())))
    }

    /// A line for each job that stands otherwise than it was told.
    pub fn news(&mut self, seen: &Seen, jobs: Vec<Job>) -> Vec<String> {
        let own = match seen.status.as_deref().unwrap_or("queued") {
            "completed" => None,
            "waiting" => Some("waits for a review at GitHub".to_owned()),
            other => Some(other.replace('_', " ")),
        };
        let job = |job: &Job| {
            let step = job.steps.iter().find(|step| step.status == "in_progress");
            let failed = job.steps.iter().find(|step| step.conclusion.as_deref() == Some("failure"));
            let says = match (&job.conclusion, failed, step) {
                (Some(how), Some(step), _) => format!("{how} at the step {}", step.name),
                (Some(how), None, _) => how.clone(),
                (None, _, Some(step)) => step.name.clone(),
                (None, _, None) => job.status.replace('_', " "),
            };
            (job.name.clone(), says)
        };
        let all = own.map(|says| ("run".to_owned(), says)).into_iter().chain(jobs.iter().map(job));
        let new = all.filter(|(name, says)| self.says.insert(name.clone(), says.clone()).as_ref() != Some(says));
        let new = new.map(|(name, says)| format!("{name}: {says}")).collect();
        self.jobs = jobs;
        new
    }
}
