//! What the jobs of the stand-in's runs say: files in a store of their own, to which the API sends whoever asks.

use super::state::Repository;
use super::{Answer, Call, GitHub, refusal};
use bytes::Bytes;
use http::{Request, Response, header};

/// How the addresses of files begin.
const FILES: &str = "/actions-results/";

/// What the jobs of a repository's runs say, and how that is kept.
#[derive(Debug, Clone, Default)]
pub struct Logs {
    /// Whether runs have another job, which goes well.
    pub others: bool,
    /// How many lines a job says beside the usual.
    lines: usize,
    /// How often a log is not there yet, when it is asked for.
    late: u32,
    /// Whether logs are gone.
    gone: bool,
}

impl Logs {
    /// Carries out a stage direction about logs; false if it is none.
    pub(super) fn direct(&mut self, direction: &str) -> bool {
        match direction.split(' ').collect::<Vec<_>>()[..] {
            ["the", "workflow", "has", "another", "job"] => self.others = true,
            ["the", "jobs", "say", lines, "lines"] => match lines.parse() {
                Ok(lines) => self.lines = lines,
                Err(_) => return false,
            },
            ["the", "next", "log", "is", "late", times, "times"] => match times.parse() {
                Ok(times) => self.late = times,
                Err(_) => return false,
            },
            ["GitHub", "keeps", "no", "logs"] => self.gone = true,
            ["GitHub", "keeps", "logs"] => self.gone = false,
            _ => return false,
        }
        true
    }

    /// What a job says whose run has ended like this.
    fn text(&self, ended: &str) -> String {
        let mut said = vec![
            "##[group]Run make ship".to_owned(),
            "\u{1b}[36;1mmake ship\u{1b}[0m".to_owned(),
            "##[endgroup]".to_owned(),
        ];
        said.extend(
            (1..=self.lines).map(|line| format!("{line} of {}: @everyone ``` <@1> {}", self.lines, "=".repeat(80))),
        );
        if ended != "success" {
            said.push("##[error]Process completed with exit code 2.".to_owned());
        }
        said.push("Cleaning up orphan processes".to_owned());
        let lines = said.iter().map(|line| format!("2026-03-02T09:00:02.1234567Z {line}\r\n")).collect::<String>();
        format!("\u{feff}{lines}")
    }
}

/// `GET …/actions/jobs/{job_id}/logs`
pub fn place(repository: &mut Repository, call: &Call) -> Answer {
    let job: u64 = call.at("job_id").parse().unwrap_or_default();
    let Some(run) = repository.runs.iter().find(|run| run.id == job / 10) else { return refusal(404, "Not Found") };
    if repository.logs.late > 0 || run.ended.is_none() {
        repository.logs.late = repository.logs.late.saturating_sub(1);
        return refusal(404, "Not Found");
    }
    match repository.logs.gone {
        true => refusal(410, "Gone"),
        false => (302, format!("{FILES}{job}?sig=s3cr3t").into()),
    }
}

/// Whether it is a file that is asked for.
pub fn is_file(request: &Request<Bytes>) -> bool {
    request.uri().path().starts_with(FILES)
}

impl GitHub {
    /// A file, or the part of it that is asked for. The store is somebody else's, who is told no token.
    pub(super) fn file(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        if request.headers().contains_key(header::AUTHORIZATION) {
            self.amiss.push("the store of GitHub's files was shown a token".to_owned());
        }
        let job: u64 = request.uri().path().trim_start_matches(FILES).parse().unwrap_or_default();
        let repository = self.state.repositories.values().find(|it| it.runs.iter().any(|run| run.id == job / 10));
        let run = repository.and_then(|it| it.runs.iter().find(|run| run.id == job / 10));
        let (Some(repository), Some(run)) = (repository, run) else { return answer(404, Bytes::new()) };
        let ended = if job.is_multiple_of(10) { run.ended.as_deref().unwrap_or_default() } else { "success" };
        let text = Bytes::from(repository.logs.text(ended));
        let range = request.headers().get(header::RANGE).and_then(|range| range.to_str().ok());
        match range.and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok()) {
            Some(from) => answer(206, text.slice(from.min(text.len())..)),
            None => answer(200, text),
        }
    }
}

fn answer(status: u16, body: Bytes) -> Response<Bytes> {
    let answer = Response::builder().status(status).header(header::CONTENT_LENGTH, body.len());
    answer.body(body).unwrap_or_default()
}
