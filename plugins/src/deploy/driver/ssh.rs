//! The driver `ssh`: the operator's program, run on each target itself, through the system's `ssh`.
//!
//! On a cancel the program has to end over there as well, and killing the local `ssh` does not do that. So a few lines of
//! shell on the target start it in a session of its own and note which, and a second connection ends that session.

use super::command::{self, Command};
use super::{Begun, Driver, Found, Handle, Run, Unsaid, Work};
use crate::deploy::settings::Host;
use crate::deploy::source::Home;
use crate::program;
use async_trait::async_trait;
use commands::cx::Ports;
use commands::plugin::Setup;
use commands::ports::{Exit, Program};
use config::Section;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Starts `$3…` in the folder `$2`, in a session of its own, whose number lies in the file `$1` while it runs.
const BEGIN: &str = r#"umask 077; d=$HOME/.deckhand; mkdir -p "$d" || exit 1; f=$d/$1; cd -- "${2:-$HOME}" || exit 1; shift 2
setsid env "$@" & p=$!; echo "$p" > "$f"; echo '(begun there)'; wait "$p"; s=$?; rm -f "$f"; exit "$s""#;

/// What [`BEGIN`] says once the program runs: without it, a connection that is lost was never one.
pub(super) const BEGUN: &str = "(begun there)";

/// How ssh ends when its connection is lost, or never came about.
pub(super) const LOST: Exit = Exit::Status(255);

/// Ends what [`BEGIN`] has noted in the file `$1`: TERM, and KILL after `$2` fifths of a second.
const END: &str = r#"f=$HOME/.deckhand/$1; [ -s "$f" ] || exit 0; p=$(cat "$f"); kill -s TERM -- "-$p" 2>/dev/null; i=0
while kill -s 0 -- "-$p" 2>/dev/null && [ "$i" -lt "$2" ]; do sleep 0.2; i=$((i+1)); done
kill -s KILL -- "-$p" 2>/dev/null; rm -f "$f""#;

/// How long it may take to reach a target, to end something there.
const REACH: Duration = Duration::from_secs(20);

#[derive(Debug)]
struct OverSsh {
    command: Command,
    /// Where the program runs, over there.
    remote_folder: String,
    ssh: Ssh,
}

/// How targets are reached.
#[derive(Debug)]
pub(super) struct Ssh {
    /// The only keys of hosts that are believed.
    known_hosts: PathBuf,
    user: Option<String>,
    port: Option<i64>,
    identity: Option<PathBuf>,
    folder: PathBuf,
}

/// Reads what the driver `command` has, `remote_folder`, and the table `ssh`.
pub(super) fn read(setup: &Setup<'_>, section: &Section<'_>, home: &Home<'_>) -> Option<Arc<dyn Driver>> {
    let command = command::settings(setup, section, home);
    let environments = Some(section.texts("environments")).filter(|some| !some.is_empty());
    let targets = section.table("targets");
    for environment in environments.unwrap_or_else(|| setup.config.environments.clone()) {
        if targets.as_ref().is_none_or(|targets| targets.tables(&environment).is_empty()) {
            let what = format!("there is no target in `{environment}` to reach by ssh");
            section.problem(
                "driver",
                what,
                format!("write `[….targets.{environment}]` with `web1 = {{ host = \"…\" }}`"),
            );
        }
    }
    let Some(table) = section.table("ssh") else {
        section.problem(
            "driver",
            "it is not said which keys of hosts are believed",
            "write `ssh = { known_hosts = \"known_hosts\" }`",
        );
        return None;
    };
    table.required_text("known_hosts");
    let ssh = Ssh {
        known_hosts: table.path("known_hosts").unwrap_or_default(),
        user: table.text("user"),
        port: table.integer("port", 1..=65535),
        identity: table.path("identity"),
        folder: setup.config.folder.clone(),
    };
    table.finish();
    let remote_folder = section.text("remote_folder").unwrap_or_default();
    Some(Arc::new(OverSsh { command: command?, remote_folder, ssh }))
}

impl Ssh {
    /// The local program that runs `words` on a target. ssh joins what it is given to a line for the shell over there, so
    /// each word is quoted.
    fn program(&self, host: &Host, words: &[String], limit: Duration) -> Program {
        let file = |name: &str, path: &PathBuf| format!("{name}={}", path.display());
        let options = [
            "BatchMode=yes".to_owned(),
            "StrictHostKeyChecking=yes".to_owned(),
            file("UserKnownHostsFile", &self.known_hosts),
            "GlobalKnownHostsFile=/dev/null".to_owned(),
            "UpdateHostKeys=no".to_owned(),
            "ControlMaster=no".to_owned(),
            "ControlPath=none".to_owned(),
            "ForwardAgent=no".to_owned(),
            "ConnectTimeout=10".to_owned(),
            "ServerAliveInterval=15".to_owned(),
        ];
        let mut argv = vec!["ssh".to_owned(), "-T".to_owned()];
        argv.extend(options.into_iter().flat_map(|option| ["-o".to_owned(), option]));
        argv.extend(self.user.iter().flat_map(|user| ["-l".to_owned(), user.clone()]));
        argv.extend(self.port.iter().flat_map(|port| ["-p".to_owned(), port.to_string()]));
        let only = |path: &PathBuf| {
            ["-o".to_owned(), "IdentitiesOnly=yes".to_owned(), "-i".to_owned(), path.display().to_string()]
        };
        argv.extend(self.identity.iter().flat_map(only));
        let line = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        argv.extend(["--".to_owned(), host.address.clone(), format!("exec {line}")]);
        Program { argv, folder: self.folder.clone(), environment: Default::default(), limit }
    }

    /// Ends what runs on a target, and says what is left behind, if anything may be.
    pub(super) async fn end(&self, run: &Run<'_>, host: &Host) -> Option<String> {
        let fifths = run.work.grace.as_millis() / 200;
        let words = script(END, [mark(run, host), fifths.to_string()]);
        let program = self.program(host, &words, run.work.grace + REACH);
        let (log, never) = (run.work.log_of(Some(host)), CancellationToken::new());
        let ended = match run.ports.processes.spawn(run.permit, program, &log, REACH, never).await {
            Ok(running) => program::ended(running, drop).await,
            Err(_) => Exit::Status(-1),
        };
        (ended != Exit::Status(0))
            .then(|| format!("Its program may go on on `{}`, which could not be reached", host.name))
    }
}

impl OverSsh {
    fn program(&self, run: &Run<'_>, host: Option<&Host>) -> Program {
        let work = &run.work;
        // The config makes sure that there are targets.
        let Some(host) = host else { return self.command.program(work, None) };
        let Program { argv, environment, limit, .. } =
            self.command.program(work, work.hosts.iter().copied().find(|it| it.name == host.name));
        let mut words = script(BEGIN, [mark(run, host), self.remote_folder.clone()]);
        words.extend(environment.into_iter().map(|(name, value)| format!("{name}={value}")));
        words.extend(argv);
        self.ssh.program(host, &words, limit)
    }
}

#[async_trait]
impl Driver for OverSsh {
    fn says(&self, work: &Work<'_>) -> String {
        format!("{}, on each target by ssh", self.command.says(work))
    }

    async fn begin<'a>(&'a self, run: &'a Run<'a>) -> Result<Begun<'a>, String> {
        command::begin(run, Some(&self.ssh), |host| self.program(run, host)).await
    }

    async fn find<'a>(&'a self, run: &'a Run<'a>, handle: Option<&Handle>) -> Found<'a> {
        command::find(run, Some(&self.ssh), handle).await
    }

    async fn artifact(
        &self,
        ports: &Ports,
        work: &Work<'_>,
        _handle: Option<&Handle>,
    ) -> Result<Option<String>, Unsaid> {
        self.command.shipped(ports, work).await.map_err(Unsaid::Never)
    }
}

/// A script of ours with its arguments, as words for a shell.
fn script<const N: usize>(script: &str, arguments: [String; N]) -> Vec<String> {
    let shell = ["sh", "-c", script, "deckhand"].map(str::to_owned);
    shell.into_iter().chain(arguments).collect()
}

/// What the program is known by on its target. Numbers of acts are another Deckhand's, too, which may use the same account:
/// the hash of the act's entry is not.
fn mark(run: &Run<'_>, host: &Host) -> String {
    let (Work { target, act, .. }, entry) = (&run.work, run.permit.entry());
    let ours = entry.hash.get(..12).unwrap_or(&entry.hash);
    let text = format!("{}-{}-{act}-{}-{ours}", target.service, target.environment, host.name);
    text.chars().map(|part| if part.is_ascii_alphanumeric() || part == '-' { part } else { '_' }).collect()
}

/// A word for a shell, whatever is in it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_stays_one_word_whatever_is_in_it() {
        for (word, wanted) in [
            ("", "''"),
            ("v1.2", "'v1.2'"),
            ("; rm -rf ~", "'; rm -rf ~'"),
            ("it's $(date) `id`", r"'it'\''s $(date) `id`'"),
            ("a\nb", "'a\nb'"),
        ] {
            assert_eq!(quoted(word), wanted);
        }
    }
}
