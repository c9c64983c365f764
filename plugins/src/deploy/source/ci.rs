//! The gate of continuous integration: what goes forward to some environments has to have passed named checks, as that
//! very commit, and not too long ago.

use super::Home;
use crate::deploy::records::{Release, Target};
use crate::deploy::settings::{Names, Service};
use crate::deploy::{Deployer, plan};
use crate::github::GitHub;
use chrono::{DateTime, Utc};
use commands::cx::{Cx, Ports};
use commands::parse::Invocation;
use commands::ports::{Exit, Program};
use commands::reply::{Button, Reply};
use commands::stop::{Result, Stop};
use commands::text;
use config::Section;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What stands for the name of a check in a command.
const CHECK: &str = "{check}";

/// How many pages are linked to.
const LINKS: usize = 3;

/// How long a program may take to say how one check stands.
const LIMIT: Duration = Duration::from_secs(20);

/// What has to be green, and who knows.
#[derive(Debug, Clone)]
pub struct Ci {
    /// The checks, by name.
    required: Vec<String>,
    /// Where it counts.
    environments: Vec<String>,
    /// How long ago a check may have ended.
    newest: Option<Duration>,
    source: Source,
}

/// Who knows how a check stands.
#[derive(Debug, Clone)]
enum Source {
    /// GitHub, in this repository, `owner/name`: its check runs and commit statuses together.
    GitHub(String),
    /// A program: 0 is green, 2 still at work, 3 never ran, and all else red.
    Command { argv: Vec<String>, folder: PathBuf },
}

/// How a check stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Green,
    /// It went well at this time, which is too long ago.
    Old(DateTime<Utc>),
    Pending,
    Missing,
    /// Red, in its own word: `failure`, `cancelled`, `exit status 1`.
    Red(String),
}

/// A required check, as it stands.
#[derive(Debug, Clone)]
struct Check {
    name: String,
    standing: Standing,
    /// Where one can see more.
    page: Option<String>,
}

#[derive(Deserialize)]
struct Runs {
    check_runs: Vec<Run>,
}

/// A check run, of GitHub's Checks API.
#[derive(Deserialize)]
struct Run {
    name: String,
    head_sha: String,
    status: String,
    conclusion: Option<String>,
    completed_at: Option<DateTime<Utc>>,
    html_url: Option<String>,
}

#[derive(Deserialize)]
struct Statuses {
    sha: String,
    statuses: Vec<Status>,
}

/// The last status of a context, of GitHub's commit statuses.
#[derive(Deserialize)]
struct Status {
    context: String,
    state: String,
    updated_at: DateTime<Utc>,
    target_url: Option<String>,
}

impl Ci {
    /// Reads `[services.X.deploy.ci]`. `deployed_to` are the service's environments.
    pub(in crate::deploy) fn read(
        section: Section<'_>,
        deployed_to: &[String],
        at_github: &Home<'_>,
        home: &Path,
    ) -> Option<Ci> {
        let required = section.required_texts("required");
        let environments = section.texts("environments");
        for wrong in environments.iter().filter(|name| !deployed_to.contains(name)) {
            let instead = format!("write some of: {}", deployed_to.join(", "));
            section.problem("environments", format!("this service is not deployed to `{wrong}`"), instead);
        }
        let newest = section.duration("newest");
        let argv = section.texts("command");
        argv.iter().for_each(|word| at_github.placeholders.check(&section, "command", &word.replace(CHECK, "")));
        let folder = section.path("folder").unwrap_or_else(|| home.to_owned());
        let source = match (section.has("command"), at_github.repository) {
            (true, _) => Some(Source::Command { argv, folder }),
            (false, Some(repository)) => {
                if !at_github.github.is_set_up() {
                    let instead = "write a section `[deploy.github]` with `token = \"${GITHUB_TOKEN}\"`";
                    section.problem(
                        "required",
                        "GitHub is to be asked how these checks stand, and there is no token for it",
                        instead,
                    );
                }
                Some(Source::GitHub(repository.to_owned()))
            }
            (false, None) => {
                let instead =
                    "write `github = \"owner/name\"` under `deploy`, or here a `command` that asks another CI system";
                section.problem("required", "nobody is there to ask how these checks stand", instead);
                None
            }
        };
        if newest.is_some() && matches!(source, Some(Source::Command { .. })) {
            let instead = "take it out, and let the command itself answer 1 for what is too old";
            section.problem("newest", "a command does not tell when a check has ended", instead);
        }
        let environments = if environments.is_empty() { deployed_to.to_vec() } else { environments };
        section.finish();
        Some(Ci { required, environments, newest, source: source? })
    }
}

impl Deployer {
    /// Refuses to ship a commit whose required checks are not green; fails closed.
    pub(in crate::deploy) async fn check_ci(
        &self,
        cx: &Cx,
        service: &Service,
        target: &Target,
        release: &Release,
    ) -> Result<()> {
        let Some(found) = self.ci(cx.ports(), service, target, release).await else { return Ok(()) };
        let environment = &target.environment;
        let again = cx.invocation().map(Invocation::line).unwrap_or_default();
        let checks = found.map_err(|why| {
            let line = text::to_say(&again);
            let says = format!(
                "Whether CI is green for {release} is not known, so nothing was shipped to `{environment}`. {why}. Once that is better, say {line}."
            );
            Stop::from(Reply::refuse(says).button(Button::new("Try again", &*again)))
        })?;
        let Some((why, next)) = in_the_way(&checks, cx.now()) else { return Ok(()) };
        let says = format!(
            "{release} is not green in CI, so nothing was shipped to `{environment}`. {why} {next}, then say {}.",
            text::to_say(&again)
        );
        Err(linked(Reply::refuse(says), &checks).button(Button::new("Try again", again)).into())
    }

    /// How CI stands, for a plan: the field, and what is in the way.
    pub(in crate::deploy) async fn ci_previewed(
        &self,
        cx: &Cx,
        service: &Service,
        target: &Target,
        release: &Release,
    ) -> Option<(String, Option<String>)> {
        Some(match self.ci(cx.ports(), service, target, release).await? {
            Err(why) => ("Not known.".to_owned(), Some(format!("Whether CI is green is not known. {why}."))),
            Ok(checks) => {
                let told: Vec<_> = checks.iter().map(|check| told(check, cx.now())).collect();
                let way = in_the_way(&checks, cx.now()).map(|(why, next)| format!("CI is not green. {why} {next}."));
                (told.join(" "), way)
            }
        })
    }

    /// How the required checks of a commit stand; nothing where none are.
    async fn ci(
        &self,
        ports: &Ports,
        service: &Service,
        target: &Target,
        release: &Release,
    ) -> Option<Result<Vec<Check>, String>> {
        let ci = service.ci.as_ref().filter(|ci| ci.environments.contains(&target.environment))?;
        Some(match &ci.source {
            Source::GitHub(repository) => {
                at_github(ports, &self.settings.github, repository, ci, &release.commit).await
            }
            Source::Command { argv, folder } => {
                by_command(ports, argv, folder, ci, &plan::names(&service.params, target, release)).await
            }
        })
    }
}

/// What GitHub knows of the required checks.
async fn at_github(
    ports: &Ports,
    github: &GitHub,
    repository: &str,
    ci: &Ci,
    commit: &str,
) -> Result<Vec<Check>, String> {
    let start = format!("/repos/{repository}/commits/{commit}");
    let [runs, statuses] = [format!("{start}/check-runs?filter=latest"), format!("{start}/status")];
    let (runs, statuses) = tokio::join!(
        github.list(ports, &runs, |page: Runs| page.check_runs),
        github.list(ports, &statuses, |page: Statuses| if page.sha == commit { page.statuses } else { Vec::new() }),
    );
    let mut found: BTreeMap<String, Vec<(Standing, Option<String>)>> = BTreeMap::new();
    for run in runs?.into_iter().filter(|run| run.head_sha == commit) {
        found.entry(run.name.clone()).or_default().push((of_run(&run, ci, ports.clock.now()), run.html_url));
    }
    for status in statuses? {
        let standing = of_status(&status, ci, ports.clock.now());
        found.entry(status.context).or_default().push((standing, status.target_url));
    }
    // Several may have one name, such as a workflow that runs on a push and on a pull request: the worst one counts.
    let check = |name: &String| {
        let worst = found.remove(name).and_then(|all| all.into_iter().max_by(|(a, _), (b, _)| a.cmp(b)));
        let (standing, page) = worst.unwrap_or((Standing::Missing, None));
        Check { name: name.clone(), standing, page: page.filter(|page| page.starts_with("https://")) }
    };
    Ok(ci.required.iter().map(check).collect())
}

/// GitHub lets `neutral` and `skipped` pass. Here they do not: what was named as required has to have said yes.
fn of_run(run: &Run, ci: &Ci, now: DateTime<Utc>) -> Standing {
    match (&*run.status, run.conclusion.as_deref(), run.completed_at) {
        ("completed", Some("success"), Some(at)) => in_time(at, ci, now),
        ("completed", Some("success"), None) => Standing::Red("success at an unknown time".to_owned()),
        ("completed", conclusion, _) => Standing::Red(conclusion.unwrap_or("no conclusion").to_owned()),
        _ => Standing::Pending,
    }
}

fn of_status(status: &Status, ci: &Ci, now: DateTime<Utc>) -> Standing {
    match &*status.state {
        "success" => in_time(status.updated_at, ci, now),
        "pending" => Standing::Pending,
        other => Standing::Red(other.to_owned()),
    }
}

fn in_time(at: DateTime<Utc>, ci: &Ci, now: DateTime<Utc>) -> Standing {
    let age = (now - at).to_std().unwrap_or_default();
    if ci.newest.is_some_and(|newest| age > newest) { Standing::Old(at) } else { Standing::Green }
}

/// What a program says of the required checks, one after the other.
async fn by_command(
    ports: &Ports,
    argv: &[String],
    folder: &Path,
    ci: &Ci,
    names: &Names<'_>,
) -> Result<Vec<Check>, String> {
    let mut checks = Vec::new();
    for name in &ci.required {
        let fill = |word: &String| if word == CHECK { name.clone() } else { names.fill(word) };
        let program = Program {
            argv: argv.iter().map(fill).collect(),
            folder: folder.to_owned(),
            environment: [("DECKHAND_CHECK", &**name), ("DECKHAND_COMMIT", names.commit)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into(),
            limit: LIMIT,
        };
        let ran = ports.processes.read(program).await;
        let output =
            ran.map_err(|error| format!("The CI command could not be run: {}", text::plain(&format!("{error:#}"))))?;
        let standing = match output.exit {
            Exit::Status(0) => Standing::Green,
            Exit::Status(2) => Standing::Pending,
            Exit::Status(3) => Standing::Missing,
            Exit::Status(status) => Standing::Red(format!("exit status {status}")),
            exit => return Err(format!("The CI command did not come to an end of its own: {exit}")),
        };
        // As in GitHub's own `hub ci-status --verbose`, what it writes is where one can see more.
        let page = output.stdout.lines().next().map(str::trim).filter(|line| line.starts_with("https://"));
        checks.push(Check { name: name.clone(), standing, page: page.map(str::to_owned) });
    }
    Ok(checks)
}

/// What keeps the commit from being shipped, and what to do next; nothing where all is green.
fn in_the_way(checks: &[Check], now: DateTime<Utc>) -> Option<(String, &'static str)> {
    let bad: Vec<_> = checks.iter().filter(|check| check.standing != Standing::Green).collect();
    let worst = bad.iter().map(|check| &check.standing).max()?;
    let next = match worst {
        Standing::Green => return None,
        Standing::Old(_) => "Run what is too old again",
        Standing::Pending => "Wait until it has ended",
        Standing::Missing => "Run what is missing",
        Standing::Red(_) => "Mend it or run it again",
    };
    Some((bad.into_iter().map(|check| told(check, now)).collect::<Vec<_>>().join(" "), next))
}

/// How one check stands, in a sentence.
fn told(check: &Check, now: DateTime<Utc>) -> String {
    let name = text::code(&check.name);
    match &check.standing {
        Standing::Green => format!("{name} is green."),
        Standing::Old(at) => format!("{name} went well {}, which is too long ago.", text::ago(*at, now)),
        Standing::Pending => format!("{name} is still at work."),
        Standing::Missing => format!("{name} never ran for this commit."),
        Standing::Red(word) => format!("{name} is red: {}.", text::code(word)),
    }
}

/// The reply with links to what is not green.
fn linked(reply: Reply, checks: &[Check]) -> Reply {
    let bad = checks.iter().filter(|check| check.standing != Standing::Green);
    let pages: Vec<_> = bad.filter_map(|check| check.page.as_ref()).take(LINKS).map(|page| text::plain(page)).collect();
    if pages.is_empty() { reply } else { reply.field("See", pages.join("\n")) }
}
