//! The driver `ansible`: a playbook, run by `ansible-playbook`, with what became of each host; and played with `--check`
//! for a plan.

use super::command::too_long;
use super::{Begun, Driver, End, Ending, Found, Handle, Run, Work};
use crate::deploy::source::Home;
use crate::program::{self, WaitedOut};
use async_trait::async_trait;
use commands::cx::Ports;
use commands::plugin::Setup;
use commands::ports::{Exit, Group, Program, Running};
use commands::text;
use config::Section;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How much of the end of a log is read for the recap: some thousand hosts.
const TAIL: usize = 512 * 1024;

/// How long a rehearsal may take: somebody waits for the plan.
const REHEARSAL: Duration = Duration::from_secs(120);

/// How many hosts are named in a sentence.
const NAMED: usize = 5;

#[derive(Debug)]
struct Playbook {
    /// `ansible-playbook`, or where it is.
    program: String,
    playbook: String,
    inventory: String,
    folder: PathBuf,
    /// Variables of the playbook, beside the ones that it always has.
    extra: BTreeMap<String, String>,
    /// What is added to the program's environment.
    variables: BTreeMap<String, String>,
}

/// What became of one host, by the recap's names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    ok: u32,
    changed: u32,
    unreachable: u32,
    failed: u32,
}

/// Reads `playbook`, `inventory`, `program`, `folder`, `extra` and `variables`.
pub(super) fn read(setup: &Setup<'_>, section: &Section<'_>, home: &Home<'_>) -> Option<Arc<dyn Driver>> {
    let (playbook, inventory) = (section.required_text("playbook"), section.required_text("inventory"));
    for (key, text) in [("playbook", &playbook), ("inventory", &inventory)] {
        home.placeholders.check(section, key, text);
        if text.starts_with('-') {
            section.problem(key, "ansible-playbook would take this for an option", "write it as in `./site.yml`");
        }
    }
    let (extra, variables) = (section.text_map("extra"), section.text_map("variables"));
    extra.values().for_each(|value| home.placeholders.check(section, "extra", value));
    variables.values().for_each(|value| home.placeholders.check(section, "variables", value));
    let folder = section.path("folder").unwrap_or_else(|| setup.config.folder.clone());
    let program = section.text("program").unwrap_or_else(|| "ansible-playbook".to_owned());
    let there = !playbook.is_empty() && !inventory.is_empty();
    there.then(|| Arc::new(Playbook { program, playbook, inventory, folder, extra, variables }) as Arc<dyn Driver>)
}

impl Playbook {
    fn program(&self, work: &Work<'_>, check: bool) -> Program {
        let names = work.names(None);
        let told = [
            ("deckhand_service", names.service.to_owned()),
            ("deckhand_environment", names.environment.to_owned()),
            ("deckhand_commit", names.commit.to_owned()),
            ("deckhand_ref", names.reference.to_owned()),
            ("deckhand_repository", work.repository.to_owned()),
            ("deckhand_act", work.act.to_string()),
        ];
        let own = self.extra.iter().map(|(name, value)| (name.clone(), names.fill(value)));
        let extra: BTreeMap<_, _> = own.chain(told.into_iter().map(|(name, value)| (name.to_owned(), value))).collect();
        // As JSON, nothing in a ref can end a value or begin another.
        let extra = serde_json::to_string(&extra).unwrap_or_default();
        let mut argv = vec![self.program.clone(), "--inventory".to_owned(), names.fill(&self.inventory)];
        argv.extend(["--extra-vars".to_owned(), extra]);
        if !work.hosts.is_empty() {
            let hosts: Vec<_> = work.hosts.iter().map(|host| &*host.name).collect();
            argv.extend(["--limit".to_owned(), hosts.join(",")]);
        }
        if check {
            argv.extend(["--check".to_owned(), "--diff".to_owned()]);
        }
        argv.push(names.fill(&self.playbook));
        // The recap is read, so it must be Ansible's own, without colours, and not held back in a buffer; and what a task
        // prints must stay on one line, where it can not look like one.
        let fixed = [
            ("ANSIBLE_NOCOLOR", "1"),
            ("ANSIBLE_STDOUT_CALLBACK", "default"),
            ("ANSIBLE_CALLBACK_RESULT_FORMAT", "json"),
            ("PYTHONUNBUFFERED", "1"),
        ];
        let variables = self.variables.iter().map(|(name, value)| (name.clone(), names.fill(value)));
        let environment = variables.chain(fixed.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect();
        let limit = if check { REHEARSAL } else { work.limit };
        Program { argv, folder: self.folder.clone(), environment, limit }
    }

    /// Follows a playbook that was begun now.
    async fn follow(&self, run: &Run<'_>, running: Running) -> End {
        let told = |line: String| match recap_line(&line) {
            Some((host, counts)) => run.board.host(host, counts.to_string()),
            None if line.trim().is_empty() => {}
            None => run.board.line(line),
        };
        let exit = program::ended(running, told).await;
        let recap = recap_of(run).await;
        match exit {
            Exit::Cancelled => End::Cancelled { left_behind: half_done(&recap) },
            Exit::Status(0) if recap.is_empty() => End::Failed(
                "The playbook has ended well, and not one host was in it: look at `hosts` and the inventory".to_owned(),
            ),
            Exit::Status(0) => End::Good,
            exit => End::Failed(failed(&recap).unwrap_or_else(|| unsaid(exit))),
        }
    }

    /// Waits for one that an earlier start began. Its recap tells how it ended.
    async fn wait_out(&self, run: &Run<'_>, group: Group) -> End {
        let Run { ports, permit, work, cancel, .. } = run;
        let how = program::wait_out(ports, permit, vec![group], work.limit, work.grace, cancel).await;
        let recap = recap_of(run).await;
        match how {
            WaitedOut::Ended => by_recap(&recap),
            WaitedOut::Cancelled => End::Cancelled { left_behind: half_done(&recap) },
            WaitedOut::TooLong => too_long(half_done(&recap)),
        }
    }
}

#[async_trait]
impl Driver for Playbook {
    fn worker(&self) -> &'static str {
        "playbook"
    }

    fn says(&self, work: &Work<'_>) -> String {
        let names = work.names(None);
        let on = match work.hosts.len() {
            0 => String::new(),
            n => format!(", limited to {}", text::plural(n, "host")),
        };
        let (playbook, inventory) = (names.fill(&self.playbook), names.fill(&self.inventory));
        format!("runs the playbook {} with the inventory {}{on}", text::code(&playbook), text::code(&inventory))
    }

    async fn rehearse(&self, ports: &Ports, work: &Work<'_>) -> Option<Result<String, String>> {
        let output = match ports.processes.read(self.program(work, true)).await {
            Ok(output) => output,
            Err(error) => return Some(Err(text::plain(&format!("{error:#}")))),
        };
        let recap = recap(&output.stdout);
        Some(match output.exit {
            Exit::Status(0) => Ok(would(&recap)),
            exit => Err(failed(&recap).unwrap_or_else(|| {
                let why = output.stderr.lines().chain(output.stdout.lines()).find(|line| line.contains("ERROR"));
                why.map_or_else(|| unsaid(exit), text::plain)
            })),
        })
    }

    async fn begin<'a>(&'a self, run: &'a Run<'a>) -> Result<Begun<'a>, String> {
        let Run { ports, permit, work, cancel, .. } = run;
        let program = self.program(work, false);
        let running = ports.processes.spawn(permit, program, &work.log, work.grace, cancel.clone()).await;
        let running = running.map_err(|error| format!("{error:#}"))?;
        Ok(Begun { handle: Handle::new(&running.group), end: Box::pin(self.follow(run, running)) })
    }

    async fn find<'a>(&'a self, run: &'a Run<'a>, handle: Option<&Handle>) -> Found<'a> {
        let processes = &run.ports.processes;
        let group = processes.writing_to(&run.work.log).or_else(|| handle.and_then(Handle::read::<Group>));
        match group.filter(|group| processes.alive(group)) {
            Some(group) => Found::Running(Box::pin(self.wait_out(run, group)) as Ending<'a>),
            // The log is made before the program is started.
            None => match run.ports.files.tail(&run.work.log, 1).await {
                Ok(None) => Found::Never,
                _ => Found::Over(by_recap(&recap_of(run).await)),
            },
        }
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Counts { ok, changed, unreachable, failed } = self;
        write!(f, "ok {ok}, changed {changed}")?;
        if *failed > 0 {
            write!(f, ", failed {failed}")?;
        }
        if *unreachable > 0 {
            f.write_str(", not reached")?;
        }
        Ok(())
    }
}

impl Counts {
    fn is_well(self) -> bool {
        self.failed == 0 && self.unreachable == 0
    }
}

/// The recap at the end of what a playbook wrote, by host.
type Recap = BTreeMap<String, Counts>;

async fn recap_of(run: &Run<'_>) -> Recap {
    let tail = run.ports.files.tail(&run.work.log, TAIL).await.ok().flatten();
    recap(&tail.unwrap_or_default())
}

/// Whatever a task prints stands before the last `PLAY RECAP`, so that nothing in it counts.
fn recap(output: &str) -> Recap {
    let Some((_, recap)) = output.rsplit_once("\nPLAY RECAP *") else { return Recap::new() };
    recap.lines().skip(1).map_while(|line| recap_line(line).map(|(host, counts)| (host.to_owned(), counts))).collect()
}

/// `web1 : ok=5 changed=2 unreachable=0 failed=0 skipped=0 rescued=0 ignored=0`
fn recap_line(line: &str) -> Option<(&str, Counts)> {
    let (host, counted) = line.split_once(" : ").or_else(|| line.split_once("\t: "))?;
    let host = host.trim();
    if host.is_empty() || host.contains(char::is_whitespace) || !counted.trim_start().starts_with("ok=") {
        return None;
    }
    let mut counts = Counts::default();
    for part in counted.split_whitespace() {
        let (name, number) = part.split_once('=')?;
        let number = number.parse().ok()?;
        match name {
            "ok" => counts.ok = number,
            "changed" => counts.changed = number,
            "unreachable" => counts.unreachable = number,
            "failed" => counts.failed = number,
            _ => {}
        }
    }
    Some((host, counts))
}

/// How a playbook ended of which the exit status is not known.
fn by_recap(recap: &Recap) -> End {
    match failed(recap) {
        Some(why) => End::Failed(why),
        None if !recap.is_empty() => End::Good,
        None => End::Unknown {
            says: "The playbook was ended before it had told what became of the hosts".to_owned(),
            settle: None,
        },
    }
}

/// Which hosts failed; nothing where none did.
fn failed(recap: &Recap) -> Option<String> {
    let bad: Vec<_> = recap.iter().filter(|(_, counts)| !counts.is_well()).collect();
    let named: Vec<_> =
        bad.iter().take(NAMED).map(|(host, counts)| format!("{} ({counts})", text::code(host))).collect();
    let more = if bad.len() > NAMED { format!(" and {} more", bad.len() - NAMED) } else { String::new() };
    (!bad.is_empty()).then(|| {
        format!(
            "The playbook failed on {} of {}: {}{more}",
            bad.len(),
            text::plural(recap.len(), "host"),
            named.join(", ")
        )
    })
}

/// What a rehearsal says would change.
fn would(recap: &Recap) -> String {
    let changed: Vec<_> = recap.iter().filter(|(_, counts)| counts.changed > 0).collect();
    if recap.is_empty() {
        return "Not one host is in it: look at `hosts` and the inventory.".to_owned();
    }
    if changed.is_empty() {
        return format!("Nothing would change on {}.", text::plural(recap.len(), "host"));
    }
    let named: Vec<_> =
        changed.iter().take(NAMED).map(|(host, it)| format!("{} {}", text::code(host), it.changed)).collect();
    let more = if changed.len() > NAMED { format!(" and {} more", changed.len() - NAMED) } else { String::new() };
    let hosts = text::plural(recap.len(), "host");
    format!("Tasks that would change something, on {} of {hosts}: {}{more}.", changed.len(), named.join(", "))
}

/// What a playbook that was ended in the middle has left.
fn half_done(recap: &Recap) -> Option<String> {
    recap.is_empty().then(|| "Some hosts may be changed and others not: its log tells".to_owned())
}

/// What the exit status of `ansible-playbook` means, where no host says more.
fn unsaid(exit: Exit) -> String {
    match exit {
        Exit::Status(4) => "The playbook or the inventory can not be read: its log tells where".to_owned(),
        Exit::Status(5) => "ansible-playbook does not know one of its options".to_owned(),
        exit => format!("The playbook failed: {exit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "PLAY [web] ***\n\nTASK [debug] ***\nok: [web1] => {\"msg\": \"PLAY RECAP *\\nweb9 : ok=1\"}\nweb8 : ok=1 changed=1 unreachable=0 failed=0\n\nPLAY RECAP *********\nweb1                       : ok=3    changed=1    unreachable=0    failed=0    skipped=1    rescued=0    ignored=0   \nweb2                       : ok=1    changed=0    unreachable=0    failed=1    skipped=0    rescued=0    ignored=0   \nweb3 : ok=0    changed=0    unreachable=1    failed=0    skipped=0    rescued=0    ignored=0   \n\n";

    #[test]
    fn the_recap_tells_what_became_of_each_host() {
        let recap = recap(OUTPUT);
        let told: Vec<_> = recap.iter().map(|(host, counts)| format!("{host}: {counts}")).collect();
        assert_eq!(
            told,
            ["web1: ok 3, changed 1", "web2: ok 1, changed 0, failed 1", "web3: ok 0, changed 0, not reached"]
        );
        let why = "The playbook failed on 2 of 3 hosts: `web2` (ok 1, changed 0, failed 1), `web3` (ok 0, changed 0, not reached)";
        assert_eq!(by_recap(&recap), End::Failed(why.to_owned()));
    }

    #[test]
    fn a_playbook_without_a_recap_is_not_known_to_have_ended_well() {
        assert!(matches!(by_recap(&recap("TASK [x] ***\nweb1 : ok=1 changed=0\n")), End::Unknown { .. }));
        assert!(matches!(by_recap(&recap("\nPLAY RECAP ***\n")), End::Unknown { .. }));
        assert_eq!(by_recap(&recap("\nPLAY RECAP ***\nweb1 : ok=1 changed=0 unreachable=0 failed=0\n")), End::Good);
    }
}
