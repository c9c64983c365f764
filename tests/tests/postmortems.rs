//! Drill: the built program publishes a post-mortem with the system's git, is killed while it does, and asks GitHub for one pull
//! request; its action item becomes one issue. Prism holds what GitHub was asked against GitHub's own description.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;
use tests::drill::{rounds, wait_up_to};
use tests::github::prism::Prism;
use tests::github::{Served, TOKEN, templates};
use tests::program::{Home, until};

const CONFIG: &str = r#"
environments = ["production"]
data = "{data}"

[people.ana]
roles = ["deployer"]
[people.ben]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"
channels = ["ops"]

[postmortems]
[postmortems.github]
token = "{token}"
api = "{api}"
issues = "acme/hello"
logins = { ana = "ana-a" }
[postmortems.publish]
repository = "{repository}"
as = "pull-request"
github = "acme/hello"
"#;

fn git(arguments: &[&str]) -> String {
    let output = Command::new("git").args(arguments).output().expect("git is there: run scripts/setup");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_one_pull_request_and_one_issue_wherever_a_kill_comes() {
    let (mut home, served) = (Home::demo(), Served::start().await);
    let repository = home.path("postmortems.git").display().to_string();
    git(&["init", "--quiet", "--bare", "--initial-branch=main", &repository]);
    let config = CONFIG.replace("{token}", TOKEN).replace("{api}", &served.api);
    home.write_config(&config.replace("{repository}", &repository));
    let mut deckhand = home.start();
    for (who, line) in [
        ("ana", "postmortem start title:\"Checkout slow after v2\""),
        ("ana", "postmortem section number:1 section:summary text:\"Payments took 9 s. ben rolled back.\""),
        (
            "ana",
            "postmortem action add number:1 what:\"Alert on the lag\" owner:ana due:7d kind:detect until:\"at 30 s\"",
        ),
        ("ana", "postmortem review 1"),
        ("ben", "postmortem approve 1"),
    ] {
        let said = home.run(&["say", "--as", who, line]);
        assert_eq!(said.code, Some(0), "{line}: {said:?}");
    }
    for _ in 0..rounds(4) {
        let said = home.begin(&["say", "postmortem publish 1"]);
        wait_up_to(Duration::from_millis(900));
        deckhand.kill();
        drop(said.end());
        deckhand = home.start();
        // What was begun comes to its end by itself.
        until("every act has its end", || {
            let count = |phase: &str| home.ledger().iter().filter(|entry| entry["phase"] == phase).count();
            (count("doing") == count("did") + count("failed")).then_some(())
        });
    }
    let said = home.say("postmortem publish 1");
    assert_eq!(said.code, Some(0), "{said:?}");
    // The page changes once, where a minute begins meanwhile: its action item has an issue then. The same is not committed twice.
    let trees = git(&["-C", &repository, "log", "--format=%T", "postmortem/1"]);
    let different: BTreeSet<_> = trees.lines().collect();
    assert!(different.len() == trees.lines().count() && different.len() <= 2, "{trees}");
    let page = git(&["-C", &repository, "ls-tree", "-r", "--name-only", "postmortem/1"]);
    let text = git(&["-C", &repository, "show", &format!("postmortem/1:{page}")]);
    assert!(text.contains("An engineer rolled back.") && text.contains("| `ana-a` |"), "{text}");
    let repository = |served: &Served| served.github().state.repositories["acme/hello"].clone();
    assert_eq!(repository(&served).pulls.len(), 1);
    // Issues are opened once a minute.
    let deadline = std::time::Instant::now() + Duration::from_secs(150);
    while repository(&served).issues.is_empty() && std::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(repository(&served).issues.len(), 1);
    assert_eq!(repository(&served).issues[0].assignees, ["ana-a"]);
    home.assert_sound();
    deckhand.stop();
    let asked = served.github().asked().to_vec();
    for (method, part) in [("GET", "/pulls"), ("POST", "/pulls"), ("GET", "/issues"), ("POST", "/issues")] {
        assert!(asked.iter().any(|it| it.method() == method && it.uri().path().ends_with(part)), "{method} {part}");
    }
    let prism = Prism::start(&home.path(""), &templates());
    let mut wrong = Vec::new();
    for request in &asked {
        wrong.extend(prism.violations(request).await);
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(served.github().amiss(), Vec::<String>::new());
}
