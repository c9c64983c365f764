//! Applications on the real libraries, unmodified, and the built program: each sees what is said in chat, all agree, and
//! none minds when Deckhand is away.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use tests::program::{Home, until};
use tests::sshd::peer;

const CONFIG: &str = r#"
environments = ["staging", "production"]
data = "{data}"
[people.ana]
roles = ["deployer"]
[[policy]]
allow = "*"
to = ["deployer"]
[console]
listen = "{listen}"
channels = ["ops"]
[hooks]
listen = "{hooks}"
[flags]
[flags.serve]
rate = 100000
"#;

/// The libraries: in which language, for which token, and whether they evaluate by themselves or ask each time.
const LIBRARIES: [(&str, &str, &str, Asks); 7] = [
    ("js", "unleash-client", "backend", Asks::Seldom),
    ("js", "unleash-client streaming", "backend", Asks::Seldom),
    ("js", "unleash-proxy-client", "frontend", Asks::Seldom),
    ("js", "@openfeature/ofrep-provider", "backend", Asks::EachTime),
    ("js", "@openfeature/ofrep-web-provider", "frontend", Asks::Seldom),
    ("py", "UnleashClient", "backend", Asks::Seldom),
    ("py", "openfeature-provider-ofrep", "backend", Asks::EachTime),
];

/// How a library finds out what a flag is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    /// It knows, and hears of changes.
    Seldom,
    /// It asks for each evaluation: while nobody answers, the application's own value counts, which is off here.
    EachTime,
}

/// An application, until it is dropped.
struct Application {
    name: &'static str,
    asks: Asks,
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Drop for Application {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Application {
    fn start(
        home: &Home,
        (language, name, kind, asks): (&str, &'static str, &str, Asks),
        tokens: &[String; 2],
    ) -> Application {
        let source = |file: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(file);
        let mut command = match language {
            "js" => {
                // Node looks for packages beside a program.
                let program = home.path("app.mjs");
                std::fs::copy(source("flags_js/app.mjs"), &program).unwrap();
                let packages = home.path("node_modules");
                if !packages.exists() {
                    std::os::unix::fs::symlink(peer("flags_js").join("node_modules"), packages).unwrap();
                }
                let mut command = Command::new("node");
                command.arg(program);
                command
            }
            _ => {
                let mut command = Command::new("python3");
                command.arg(source("flags_py/app.py")).env("PYTHONPATH", peer("flags_py"));
                command
            }
        };
        let scratch: PathBuf = home.path(&name.replace(['/', ' '], "-"));
        std::fs::create_dir_all(&scratch).unwrap();
        let token = &tokens[usize::from(kind == "frontend")];
        command.args([name, &format!("http://{}", home.hooks()), token]).env("SCRATCH", scratch);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run scripts/setup");
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut application = Application { name, asks, child, input, output };
        assert_eq!(application.line(), "ready");
        application
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "{} has ended", self.name);
        line.trim_end().to_owned()
    }

    /// What a flag is for these users.
    fn ask(&mut self, key: &str, users: &[String]) -> String {
        writeln!(self.input, "{key} {}", users.join(" ")).unwrap();
        self.line()
    }

    /// Waits until the flag is on, or off, for somebody.
    fn sees(&mut self, key: &str, on: bool) {
        let wanted = if on { "1" } else { "0" };
        let what = format!("{} sees that {key} is {}", self.name, if on { "on" } else { "off" });
        until(&what, || (self.ask(key, &["user-1".to_owned()]) == wanted).then_some(()));
    }
}

fn say(home: &Home, line: &str) -> String {
    let said = home.say(line);
    assert_eq!(said.code, Some(0), "{line}: {said:?}");
    said.out
}

/// The token that a reply shows.
fn token(home: &Home, kind: &str) -> String {
    let told = say(home, &format!("flag token make {kind} staging {kind}"));
    let token = told.split(['`', ' ', '\n']).find(|word| word.starts_with("*:staging."));
    token.unwrap_or_else(|| panic!("no token in {told}")).to_owned()
}

#[test]
fn every_library_sees_what_is_said_agrees_and_outlives_a_restart() {
    let home = Home::with(CONFIG);
    let deckhand = home.start();
    for line in [
        "flag create half",
        "flag on half staging percent:50",
        "flag create checkout-v2",
        "flag on checkout-v2 staging",
    ] {
        say(&home, line);
    }
    let tokens = ["backend", "frontend"].map(|kind| token(&home, kind));
    let mut applications: Vec<_> =
        LIBRARIES.into_iter().map(|library| Application::start(&home, library, &tokens)).collect();
    let users: Vec<_> = (0..1_000).map(|user| format!("user-{user}")).collect();
    let told: Vec<_> =
        applications.iter_mut().map(|application| (application.name, application.ask("half", &users))).collect();
    let on = told[0].1.matches('1').count();
    assert!((400..600).contains(&on), "about half of them: {on}");
    for (name, told_here) in &told {
        assert_eq!(*told_here, told[0].1, "{name} and {} agree on every user", told[0].0);
    }
    for (line, on) in [("flag off checkout-v2 staging", false), ("flag on checkout-v2 staging", true)] {
        say(&home, line);
        applications.iter_mut().for_each(|application| application.sees("checkout-v2", on));
    }
    deckhand.kill();
    for application in &mut applications {
        let known = application.ask("checkout-v2", &["user-1".to_owned()]);
        let wanted = if application.asks == Asks::EachTime { "0" } else { "1" };
        assert_eq!(known, wanted, "{} while Deckhand is away", application.name);
    }
    let _deckhand = home.start();
    applications.iter_mut().for_each(|application| application.sees("checkout-v2", true));
    say(&home, "flag off checkout-v2 staging");
    applications.iter_mut().for_each(|application| application.sees("checkout-v2", false));
}
