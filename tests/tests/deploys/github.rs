//! Drill: the built program ships by way of GitHub, is killed at any moment of it, and starts nothing twice; and hears of the
//! end by a webhook.

use std::time::Duration;
use tests::deploys::{config, end_of, last_word};
use tests::drill;
use tests::github::prism::Prism;
use tests::github::state::CheckRun;
use tests::github::webhooks::SECRET;
use tests::github::{Served, TOKEN, templates};
use tests::program::{Home, Service, until};

const GITHUB: &str = r#"
grace = "5s"
[deploy.github]
token = "{token}"
api = "{api}"
secret = "{secret}"

[hooks]
listen = "{hooks}"
"#;

const SERVICE: &str = r#"
driver = "github"
github = "acme/hello"
workflow = "deploy.yml"
artifact = "hello.tar"
limit = "2m"
"#;

fn written(served: &Served) -> String {
    let keys = GITHUB.replace("{token}", TOKEN).replace("{api}", &served.api).replace("{secret}", SECRET);
    config(&keys, SERVICE)
}

/// An installation whose service is at GitHub, too, with its commits.
async fn installation() -> (Home, Served, Service) {
    let (mut home, served) = (Home::demo(), Served::start().await);
    let service = Service::make(&home);
    let commits = ["v1", "v2", "v3"].map(|tag| service.commit(tag)).to_vec();
    let hello = |github: &mut tests::github::GitHub| {
        github.state.repositories.values_mut().for_each(|repository| repository.commits.clone_from(&commits));
        assert!(github.direct("the workflow uploads hello.tar sha256:aaaa", chrono::Utc::now()));
    };
    hello(&mut served.github());
    home.write_config(&written(&served));
    (home, served, service)
}

/// How many runs stand in the log of a deploy.
fn kept(home: &Home, number: &serde_json::Value) -> usize {
    let log = home.data().join(format!("files/deploy-{number}-app-staging.log"));
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().filter(|line| line.starts_with("== Run https://")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_nothing_is_started_twice_and_the_run_is_found_again() {
    let (home, served, service) = installation().await;
    let mut deckhand = home.start();
    for round in 0..drill::rounds(6) {
        let reference = ["v1", "v2"][round as usize % 2];
        let (entries, runs) = (home.ledger().len(), served.github().runs().len());
        served.github().direct("the next run hangs", chrono::Utc::now());
        let said = home.begin(&["say", &format!("deploy ship app staging {reference}")]);
        let doing = until("it is on the ledger", || home.ledger().into_iter().nth(entries));
        drill::wait_up_to(Duration::from_millis(300));
        deckhand.kill();
        drop(said.end());
        let how = ["the run ends well", "the run ends badly"][(round as usize / 2) % 2];
        let restarted = chrono::Utc::now();
        deckhand = home.start();
        // What was sent before the kill may arrive after it: whatever is under way ends.
        until("the act has an end", || {
            served.github().direct(how, chrono::Utc::now());
            home.ledger().iter().any(|entry| entry["of"] == doing["seq"]).then_some(())
        });
        // What was planned for a run that never was is not there for the next.
        served.github().forget_scripts();
        let (end, begun) = (end_of(&home, &doing["seq"]), served.github().runs().len() - runs);
        let what = format!("round {round}: {reference}, {how}, {begun} begun");
        assert_eq!(served.github().begun_since(restarted), 0, "{what}: something was started after the kill");
        assert!(begun <= 1, "{what}");
        assert_eq!(end == "did", begun == 1 && how == "the run ends well", "{what}: it ended as {end}");
        assert_eq!(kept(&home, &doing["seq"]), begun, "{what}: its log");
        let reply = last_word(&home, &doing["place"]["message"]).await;
        let unknown = reply["text"].as_str().is_some_and(|text| text.contains("/deploy settle"));
        let tone = if end == "did" {
            "good"
        } else if unknown {
            "warn"
        } else {
            "bad"
        };
        assert_eq!(reply["card"]["tone"], tone, "{what}: {reply:#}");
        // A deployment without a run holds the environment until somebody says how it is.
        if unknown {
            assert_eq!(begun, 0, "{what}: {reply:#}");
            let settled = home.say(&format!("deploy settle app staging {reference}"));
            assert_eq!(settled.code, Some(0), "{what}: {settled:?}");
        }
    }
    let (entries, runs) = (home.ledger().len(), served.github().runs().len());
    let last = home.say("deploy ship app staging v3");
    assert_eq!(last.code, Some(0), "{last:?}");
    assert_eq!(served.github().runs().len(), runs + 1);
    assert_eq!(served.github().runs().last(), Some(&("staging".to_owned(), service.commit("v3"))));
    assert_eq!(home.ledger().len(), entries + 2);
    assert_eq!(served.github().amiss(), Vec::<String>::new());
    home.assert_sound();
    deckhand.stop();
}

/// Waits until so many webhooks were answered with this.
fn answered(served: &Served, with: &str, times: usize) {
    let count = || served.answered().iter().filter(|told| told.contains(with)).count();
    until(with, || (count() >= times).then_some(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_wakes_and_nothing_but_github_itself_is_believed() {
    let (home, mut served, _service) = installation().await;
    let direct = |served: &Served, what: &str| assert!(served.github().direct(what, chrono::Utc::now()), "{what}");
    served.send_webhooks(home.hooks());
    direct(&served, "GitHub sends webhooks");
    direct(&served, "the next run hangs");
    let mut deckhand = home.start();
    let said = home.begin(&["say", "deploy ship app staging v1"]);
    // It has begun, a machine has taken it, and its deployment says so.
    answered(&served, "is looked at", 2);
    for (foreign, told) in [
        ("somebody forges a webhook", "401 "),
        ("somebody sends a webhook without a signature", "It is not signed"),
        ("somebody sends the last webhook again", "came before"),
        ("a webhook of another repository comes", "`acme/elsewhere`"),
    ] {
        direct(&served, foreign);
        answered(&served, told, 1);
    }
    assert_eq!(home.ledger().len(), 1, "what they say is not believed");
    let looks = served.answered().iter().filter(|told| told.contains("is looked at")).count();
    direct(&served, "the run ends well");
    answered(&served, "is looked at", looks + 1);
    let said = said.end();
    assert_eq!(said.code, Some(0), "{said:?}");
    // What was remembered is forgotten with a restart: it does nothing again all the same.
    deckhand.stop();
    deckhand = home.start();
    let (entries, unheard) = (home.ledger().len(), "Nothing at `acme/hello` is waited for");
    let before = served.answered().iter().filter(|told| told.contains(unheard)).count();
    direct(&served, "somebody sends the last webhook again");
    answered(&served, unheard, before + 1);
    assert_eq!((home.ledger().len(), served.github().runs().len()), (entries, 1));
    assert_eq!(served.github().amiss(), Vec::<String>::new());
    home.assert_sound();
    deckhand.stop();
}

/// A service whose checks are looked at, too.
const CHECKED: &str = "[services.app.deploy.ci]\nrequired = [\"build\", \"lint\"]\n";

#[tokio::test(flavor = "multi_thread")]
async fn prism_finds_nothing_wrong_with_what_github_is_asked() {
    let (mut home, served, service) = installation().await;
    home.write_config(&(written(&served) + CHECKED));
    let direct = |what: &str| assert!(served.github().direct(what, chrono::Utc::now()), "{what}");
    let green = |tag: &str| {
        let ended = Some(("success".to_owned(), chrono::Utc::now()));
        let checks = ["build", "lint"].map(|name| CheckRun { name: name.to_owned(), ended: ended.clone() });
        let mut github = served.github();
        let repository = github.state.repositories.values_mut().next().expect("it has a repository");
        repository.checks.insert(service.commit(tag), checks.to_vec());
    };
    let deckhand = home.start();
    assert_ne!(home.say("deploy ship app staging v1").code, Some(0), "nothing is green yet");
    green("v1");
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    // One that has to be made to end, of which GitHub does not say which it is.
    green("v2");
    direct("the next run clings to life");
    direct("GitHub does not say which run it starts");
    let said = home.begin(&["say", "deploy ship app staging v2"]);
    until("the run has begun", || (served.github().runs().len() == 2).then_some(()));
    let cancelled = home.say("deploy cancel app staging");
    assert_eq!(cancelled.code, Some(0), "{cancelled:?}");
    said.end();
    deckhand.stop();
    let asked = served.github().asked().to_vec();
    let parts = [
        "check-runs",
        "/status?",
        "dispatches",
        "/runs?",
        "/jobs",
        "/artifacts?",
        "/cancel",
        "/force-cancel",
        "/statuses",
        "/logs",
    ];
    for part in parts {
        assert!(
            asked.iter().any(|it| it.uri().to_string().contains(part) || it.uri().path().ends_with(part)),
            "{part}"
        );
    }
    let prism = Prism::start(&home.path(""), &templates());
    let mut wrong = Vec::new();
    for request in &asked {
        wrong.extend(prism.violations(request).await);
    }
    assert_eq!(wrong, Vec::<String>::new());
    // It would see it.
    let request = http::Request::post("/repos/acme/hello/deployments").header("content-type", "application/json");
    let request = request.body(bytes::Bytes::from(r#"{"auto_merge":"no"}"#)).expect("a request");
    let told = prism.violations(&request).await.expect("prism sees what is wrong");
    assert!(told.contains("'ref'") && told.contains("auto_merge must be boolean"), "{told}");
}
