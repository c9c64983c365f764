//! Drill: the built program ships by way of GitHub, is killed at any moment of it, and starts nothing twice.

use serde_json::Value;
use std::time::{Duration, Instant};
use tests::drill;
use tests::github::{Served, TOKEN};
use tests::program::{Home, Service, until};

const CONFIG: &str = r#"
environments = ["staging"]
data = "{data}"

[people.ana]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"
channels = ["ops"]

[deploy]
grace = "5s"
[deploy.github]
token = "{token}"
api = "{api}"

[services.app]
repository = "app"

[services.app.deploy]
driver = "github"
github = "acme/hello"
workflow = "deploy.yml"
limit = "2m"
"#;

/// An installation whose service is at GitHub, too, with its commits.
async fn installation() -> (Home, Served, Service) {
    let (mut home, served) = (Home::demo(), Served::start().await);
    let service = Service::make(&home);
    let commits = ["v1", "v2", "v3"].map(|tag| service.commit(tag)).to_vec();
    let hello = |github: &mut tests::github::GitHub| {
        github.state.repositories.values_mut().for_each(|repository| repository.commits.clone_from(&commits));
    };
    hello(&mut served.github());
    home.write_config(&CONFIG.replace("{token}", TOKEN).replace("{api}", &served.api));
    (home, served, service)
}

/// The end of an act on the ledger, once it has one. A run that was never started is looked for for a minute.
fn end_of(home: &Home, act: &Value) -> String {
    let began = Instant::now();
    loop {
        let entries = home.ledger();
        if let Some(end) = entries.iter().find(|entry| entry["of"] == *act && entry["phase"] != "doing") {
            return end["phase"].as_str().unwrap_or_default().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(90), "waited in vain for the end of act {act}");
        std::thread::sleep(Duration::from_millis(200));
    }
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
        let begun = served.github().runs().len() - runs;
        let how = ["the run ends well", "the run ends badly"][(round as usize / 2) % 2];
        served.github().direct(how, chrono::Utc::now());
        // What was planned for a run that never was is not there for the next.
        served.github().forget_scripts();
        deckhand = home.start();
        let end = end_of(&home, &doing["seq"]);
        let what = format!("round {round}: {reference}, {how}, {begun} begun");
        assert_eq!(served.github().runs().len(), runs + begun, "{what}: something was started after the kill");
        assert!(begun <= 1, "{what}");
        assert_eq!(end == "did", begun == 1 && how == "the run ends well", "{what}: it ended as {end}");
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
