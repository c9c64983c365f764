//! The driver `command`: a program of the operator's, run once for the environment or once for each of its targets.

use super::ssh::{self, Ssh};
use super::{Begun, Driver, End, Ending, Found, Handle, Run, Unsaid, Work};
use crate::deploy::artifact;
use crate::deploy::settings::Host;
use crate::deploy::source::Home;
use crate::program::{self, WaitedOut};
use async_trait::async_trait;
use commands::cx::Ports;
use commands::plugin::Setup;
use commands::ports::{Exit, Group, Program, Running};
use commands::text;
use config::Section;
use futures::future::{OptionFuture, join_all};
use futures::stream::{self, StreamExt};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

/// The programs under way, by target; the environment as a whole has no name.
type Groups = BTreeMap<String, Group>;

/// A program of the operator's.
#[derive(Debug)]
pub(super) struct Command {
    /// The program, with its arguments.
    command: Vec<String>,
    /// Where it runs.
    folder: PathBuf,
    /// What is added to its environment.
    variables: BTreeMap<String, String>,
    /// How the line of its output begins that names the artifact that it has shipped.
    artifact: Option<String>,
}

/// How many programs are started at the same time.
const AT_ONCE: usize = 4;

/// How much of the end of a log is searched for the name of an artifact.
const TAIL: usize = 64 << 10;

/// Reads `command`, `folder`, `variables` and `artifact`.
pub(super) fn read(setup: &Setup<'_>, section: &Section<'_>, home: &Home<'_>) -> Option<Arc<dyn Driver>> {
    Some(Arc::new(settings(setup, section, home)?))
}

/// As [`read`], for drivers that run the same program elsewhere.
pub(super) fn settings(setup: &Setup<'_>, section: &Section<'_>, home: &Home<'_>) -> Option<Command> {
    let command = section.required_texts("command");
    command.iter().for_each(|word| home.placeholders.check(section, "command", word));
    let variables = section.text_map("variables");
    variables.values().for_each(|value| home.placeholders.check(section, "variables", value));
    let folder = section.path("folder").unwrap_or_else(|| setup.config.folder.clone());
    let artifact = section.text("artifact");
    if artifact.as_ref().is_some_and(|begins| begins.trim().is_empty()) {
        section.problem("artifact", "every line begins like this", "write for example `artifact = \"artifact: \"`");
    }
    (!command.is_empty()).then_some(Command { command, folder, variables, artifact })
}

impl Command {
    /// The artifact that the programs of all targets say that they have shipped.
    pub(super) async fn shipped(&self, ports: &Ports, work: &Work<'_>) -> Result<Option<String>, String> {
        let Some(begins) = &self.artifact else { return Ok(None) };
        let mut all = BTreeSet::new();
        for host in work.places() {
            let log = ports.files.tail(&work.log_of(host), TAIL).await.ok().flatten().unwrap_or_default();
            let said = log.lines().rev().find_map(|line| line.strip_prefix(begins.as_str()));
            let Some(artifact) = said.and_then(artifact::named) else {
                let begins = text::code(begins);
                return Err(format!(
                    "Its program has not said{} which artifact it has shipped, in a line that begins with {begins}",
                    on(host)
                ));
            };
            all.insert(artifact);
        }
        let mut all = all.into_iter();
        match (all.next(), all.next()) {
            (Some(one), Some(other)) => Err(format!(
                "Its targets have got different artifacts: {} and {}",
                text::code(&one),
                text::code(&other)
            )),
            (one, _) => Ok(one),
        }
    }

    /// The program for one target, or for the environment as a whole.
    pub(super) fn program<'a>(&self, work: &Work<'a>, host: Option<&'a Host>) -> Program {
        let names = work.names(host);
        let own = host.iter().flat_map(|host| &host.variables);
        let written = self.variables.iter().chain(own).map(|(name, value)| (name.clone(), names.fill(value)));
        Program {
            argv: self.command.iter().map(|word| names.fill(word)).collect(),
            folder: self.folder.clone(),
            environment: work.told(host).into_iter().chain(written).collect(),
            limit: work.limit,
        }
    }
}

#[async_trait]
impl Driver for Command {
    fn says(&self, work: &Work<'_>) -> String {
        format!("runs `{}`", self.program(work, work.hosts.first().copied()).argv.join(" "))
    }

    async fn begin<'a>(&'a self, run: &'a Run<'a>) -> Result<Begun<'a>, String> {
        begin(run, None, |host| self.program(&run.work, host)).await
    }

    async fn find<'a>(&'a self, run: &'a Run<'a>, handle: Option<&Handle>) -> Found<'a> {
        find(run, None, handle).await
    }

    async fn artifact(
        &self,
        ports: &Ports,
        work: &Work<'_>,
        _handle: Option<&Handle>,
    ) -> Result<Option<String>, Unsaid> {
        self.shipped(ports, work).await.map_err(Unsaid::Never)
    }
}

/// Starts a program for each target; `ssh` is what ends it over there.
pub(super) async fn begin<'a>(
    run: &'a Run<'a>,
    ssh: Option<&'a Ssh>,
    program: impl Fn(Option<&'a Host>) -> Program,
) -> Result<Begun<'a>, String> {
    let mut starts: VecDeque<_> = run.work.places().into_iter().map(|host| start(run, host, program(host))).collect();
    // Where the first can not be started, none is.
    let mut all = Vec::from_iter(OptionFuture::from(starts.pop_front()).await);
    if let Some((_, Err(error))) = all.first() {
        return Err(format!("{error:#}"));
    }
    all.extend(stream::iter(starts).buffered(AT_ONCE).collect::<Vec<_>>().await);
    let (mut groups, mut ends) = (Groups::new(), Vec::<Ending<'a>>::new());
    for (host, started) in all {
        match started {
            Ok(running) => {
                groups.insert(name(host), running.group.clone());
                ends.push(Box::pin(follow(run, host, ssh, running)));
            }
            Err(error) => {
                let failed = End::Failed(format!("Its program could not be started{}: {error:#}", on(host)));
                ends.push(Box::pin(std::future::ready(failed)));
            }
        }
    }
    Ok(Begun { handle: Handle::new(groups), end: Box::pin(async { together(join_all(ends).await) }) })
}

/// Starts the program for one target.
async fn start<'a>(
    run: &'a Run<'a>,
    host: Option<&'a Host>,
    program: Program,
) -> (Option<&'a Host>, anyhow::Result<Running>) {
    let Run { ports, permit, work, cancel, .. } = run;
    (host, ports.processes.spawn(permit, program, &work.log_of(host), work.grace, cancel.clone()).await)
}

/// Finds the programs that an earlier start began.
pub(super) async fn find<'a>(run: &'a Run<'a>, ssh: Option<&'a Ssh>, handle: Option<&Handle>) -> Found<'a> {
    // The noted groups are not all: a kill may have come before the note, or while what was live was being put back.
    let mut groups = handle.and_then(Handle::read::<Groups>).unwrap_or_default();
    for host in run.work.places() {
        let writing = run.ports.processes.writing_to(&run.work.log_of(host));
        groups.extend(writing.map(|group| (name(host), group)));
    }
    if groups.values().any(|group| run.ports.processes.alive(group)) {
        return Found::Running(Box::pin(wait_out(run, ssh, groups)));
    }
    let files = &run.ports.files;
    let logs = join_all(run.work.places().into_iter().map(|host| {
        let log = run.work.log_of(host);
        async move { files.tail(&log, 1).await }
    }));
    // The log is made before the program is started.
    if logs.await.iter().all(|log| matches!(log, Ok(None))) { Found::Never } else { Found::Over(nobody_saw()) }
}

/// Follows one program to its end.
async fn follow(run: &Run<'_>, host: Option<&Host>, ssh: Option<&Ssh>, running: Running) -> End {
    host.iter().for_each(|host| run.board.host(&host.name, "begun"));
    let mut begun = false;
    let told = |line: String| match host {
        Some(_) if ssh.is_some() && line == ssh::BEGUN => begun = true,
        Some(host) => run.board.line(format!("{}: {line}", host.name)),
        None => run.board.line(line),
    };
    let exit = program::ended(running, told).await;
    let well = exit == Exit::Status(0);
    host.iter().for_each(|host| run.board.host(&host.name, if well { "done".to_owned() } else { exit.to_string() }));
    let goes_on = matches!(exit, Exit::Cancelled | Exit::TimedOut) || begun && exit == ssh::LOST;
    let left_behind = match (ssh, host) {
        (Some(ssh), Some(host)) if goes_on => ssh.end(run, host).await,
        _ => None,
    };
    match (exit, left_behind) {
        (Exit::Status(0), _) => End::Good,
        (Exit::Cancelled, None) => End::Cancelled { left_behind: None },
        (Exit::Cancelled, Some(left)) => may_go_on(left),
        (exit, Some(left)) => may_go_on(format!("Its program failed{}: {exit}. {left}", on(host))),
        (exit, None) => End::Failed(format!("Its program failed{}: {exit}", on(host))),
    }
}

/// Waits until the programs that were left to themselves have ended.
async fn wait_out(run: &Run<'_>, ssh: Option<&Ssh>, groups: Groups) -> End {
    let Run { ports, permit, work, cancel, .. } = run;
    let groups = groups.into_values().collect();
    let how = program::wait_out(ports, permit, groups, work.limit, work.grace, cancel).await;
    if how == WaitedOut::Ended {
        return nobody_saw();
    }
    let over_there = join_all(ssh.iter().flat_map(|ssh| work.hosts.iter().map(|host| ssh.end(run, host)))).await;
    let left: Vec<_> = over_there.into_iter().flatten().collect();
    match (how, left.is_empty()) {
        (_, false) => may_go_on(left.join(". ")),
        (WaitedOut::Cancelled, true) => End::Cancelled { left_behind: None },
        _ => too_long(None),
    }
}

/// Nobody could end a program over there: whatever is shipped now would come between what it still does.
fn may_go_on(says: String) -> End {
    End::Unknown { says, settle: Some("A look there".to_owned()) }
}

/// What an earlier start began took longer than it may, and was ended: it has failed, as if it had been watched.
pub(super) fn too_long(left_behind: Option<String>) -> End {
    let says = format!("Its program failed: {}", Exit::TimedOut);
    End::Failed(left_behind.into_iter().fold(says, |says, left| format!("{says}. {left}")))
}

/// Only who starts a program learns its exit status.
fn nobody_saw() -> End {
    End::Unknown { says: "Its program has ended, and nobody saw how".to_owned(), settle: None }
}

/// The worst of several ends, with all that is said of those like it.
fn together(ends: Vec<End>) -> End {
    let (mut unknown, mut settles, mut cancelled, mut left, mut failed) = (vec![], None, false, vec![], vec![]);
    for end in ends {
        match end {
            End::Good => {}
            End::Failed(why) => failed.push(why),
            End::Cancelled { left_behind } => {
                cancelled = true;
                left.extend(left_behind);
            }
            End::Unknown { says, settle } => {
                unknown.push(says);
                settles = settles.or(settle);
            }
        }
    }
    if !unknown.is_empty() {
        End::Unknown { says: unknown.join(". "), settle: settles }
    } else if cancelled {
        End::Cancelled { left_behind: (!left.is_empty()).then(|| left.join(". ")) }
    } else if !failed.is_empty() {
        End::Failed(failed.join(". "))
    } else {
        End::Good
    }
}

fn name(host: Option<&Host>) -> String {
    host.map(|host| host.name.clone()).unwrap_or_default()
}

fn on(host: Option<&Host>) -> String {
    host.map(|host| format!(" on `{}`", host.name)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_several_ends_counts_and_nothing_that_is_not_known_is_lost() {
        let failed = |why: &str| End::Failed(why.to_owned());
        let cancelled = || End::Cancelled { left_behind: None };
        let unknown = |says: &str| may_go_on(says.to_owned());
        for (ends, end) in [
            (vec![], End::Good),
            (vec![End::Good, End::Good], End::Good),
            (vec![failed("a"), End::Good, failed("b")], failed("a. b")),
            (vec![failed("a"), cancelled()], cancelled()),
            (vec![unknown("a"), cancelled(), End::Good, unknown("b"), failed("c")], unknown("a. b")),
        ] {
            assert_eq!(together(ends), end);
        }
    }
}
