//! What a run's jobs have said: GitHub keeps a file for each, which is there once the job has ended.

use super::jobs::{Job, Told};
use super::{Seen, Workflow};
use crate::deploy::driver::said::{self, Again, Unfetched};
use crate::deploy::driver::{End, Run};
use chrono::DateTime;
use commands::cx::Ports;
use commands::text;
use http::Request;
use tokio::time::{Instant, timeout_at};

/// How many jobs' logs are fetched at the most, those of failed ones first.
const JOBS: usize = 10;

/// How GitHub marks what is folded on its page, and what went wrong.
const MARKS: [(&str, &str); 4] =
    [("##[group]", ""), ("##[command]", ""), ("##[error]", ERROR), ("##[warning]", "Warning: ")];
const FOLDED: &str = "##[endgroup]";
const ERROR: &str = "Error: ";

impl Workflow {
    /// Keeps what the jobs of a run that has ended have said. What can not be fetched is said in its place.
    pub(super) async fn keep_log(&self, run: &Run<'_>, seen: &Seen, told: &Told, end: &End) {
        let until = said::until(end);
        let mut parts = Vec::<String>::new();
        for (number, job) in told.by_need().enumerate() {
            if number == JOBS || parts.iter().map(String::len).sum::<usize>() > said::LOG {
                parts.push(format!("What other jobs have said is at {}\n", seen.html_url));
                break;
            }
            let fetched = timeout_at(until, self.log_of(run.ports, job, until)).await;
            let fetched = fetched.unwrap_or_else(|_| Err("GitHub took too long".to_owned()));
            parts.push(match fetched {
                Ok(log) => part(job, &log),
                Err(why) => {
                    let name = text::code(&job.name);
                    format!("The log of the job {name} could not be fetched: {why}. It is at {}\n", seen.html_url)
                }
            });
        }
        // Whoever reads a log begins at its end, and what went wrong is there.
        parts.reverse();
        said::keep(run, &seen.html_url, &parts.concat()).await;
    }

    async fn log_of(&self, ports: &Ports, job: &Job, until: Instant) -> Result<String, String> {
        let again = Again::until(until);
        loop {
            match self.fetch(ports, job).await {
                Ok(log) => return Ok(log),
                Err(why) => again.after(why).await?,
            }
        }
    }

    async fn fetch(&self, ports: &Ports, job: &Job) -> Result<String, Unfetched> {
        let path = format!("{}/actions/jobs/{}/logs", self.path(), job.id);
        let place = self.github.elsewhere(ports, &path).await.map_err(|fault| match fault.status {
            // It has not been put there yet.
            Some(404 | 500..) | None => Unfetched::Yet(fault.says),
            Some(_) => Unfetched::Ever(fault.says),
        })?;
        let request = Request::get(place).body(());
        let request = request.map_err(|_| Unfetched::Ever("GitHub has said no address where it is".to_owned()))?;
        said::end_of(&ports.http, &request, "GitHub").await
    }
}

/// What a job has said, under its name. What it does after an error is told before that: the last lines are to tell what went
/// wrong, and not how its machine was cleaned up.
fn part(job: &Job, log: &str) -> String {
    let lines: Vec<_> = log.lines().filter_map(clean).collect();
    let error = lines.iter().rposition(|line| line.starts_with(ERROR)).filter(|_| job.has_failed());
    let (work, after) = lines.split_at(error.map_or(lines.len(), |error| error + 1));
    let name = text::plain(&job.name);
    let told = |heading: String, lines: &[String]| format!("== {heading}\n{}\n", lines.join("\n"));
    let after = if after.is_empty() { String::new() } else { told(format!("{name}, after its error"), after) };
    after + &told(name, work)
}

/// A line without the time before it, and without what only GitHub's page has a use for.
fn clean(line: &str) -> Option<String> {
    let line = line.trim_start_matches('\u{feff}');
    let said = match line.split_once(' ') {
        Some((at, said)) if DateTime::parse_from_rfc3339(at).is_ok() => said,
        None if DateTime::parse_from_rfc3339(line).is_ok() => "",
        _ => line,
    };
    let said = text::without_sequences(said);
    let marked = MARKS.iter().find_map(|(mark, means)| Some(format!("{means}{}", said.strip_prefix(mark)?)));
    (said != FOLDED).then(|| marked.unwrap_or_else(|| said.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_what_the_job_has_said() {
        for (line, said) in [
            ("\u{feff}2026-03-02T09:00:02.1234567Z ##[group]Run make ship", Some("Run make ship")),
            ("2026-03-02T09:00:02.1234567Z ##[endgroup]", None),
            ("2026-03-02T09:00:02.1234567Z ", Some("")),
            ("2026-03-02T09:00:02.1234567Z", Some("")),
            (
                "2026-03-02T09:00:02.1234567Z \u{1b}[31mred\u{1b}[0m 2026-03-02T09:00:02Z",
                Some("red 2026-03-02T09:00:02Z"),
            ),
            (
                "2026-03-02T09:00:02.1234567Z ##[error]Process completed with exit code 1.",
                Some("Error: Process completed with exit code 1."),
            ),
            ("no time at all", Some("no time at all")),
        ] {
            assert_eq!(clean(line).as_deref(), said, "{line}");
        }
    }
}
