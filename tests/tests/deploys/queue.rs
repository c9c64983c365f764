//! Drill: Deckhand is killed while people wait in line, and reads a repository that is elsewhere from its mirror.

use serde_json::Value;
use tests::deploys::config;
use tests::program::{Home, Service, until_async};

const SERVICE: &str = r#"
command = ["./ship.sh", "{commit}"]
{more}
health = { url = "{health}", contains = "{commit}", tries = 2, pause = "1s" }
"#;

fn installation() -> (Home, Service) {
    installed("")
}

/// `more` stands in the service's deploys, too.
fn installed(more: &str) -> (Home, Service) {
    let mut home = Home::demo();
    let service = Service::make(&home);
    let repository = format!("file://{}", home.path("app").display());
    let config = config("grace = \"1s\"", &SERVICE.replace("{health}", &service.health).replace("{more}", more));
    home.write_config(&config.replace("repository = \"app\"", &format!("repository = \"{repository}\"")));
    (home, service)
}

/// The answer that says this.
async fn told(home: &Home, what: &str) -> Value {
    let find = async || home.answers().await.into_iter().rfind(|answer| answer.to_string().contains(what));
    until_async(what, find).await
}

#[tokio::test]
async fn who_waited_when_it_was_killed_is_told_that_nothing_was_done() {
    let (home, service) = installation();
    let deckhand = home.start();
    service.how("sleep 3");
    let first = home.begin(&["say", "deploy ship app staging v1"]);
    service.wait_for_runs(1);
    let second = home.begin(&["say", "--as", "ben", "deploy ship app staging v2"]);
    let waiting = told(&home, "You are next in line").await;
    assert!(home.say("queue list").out.contains("ben"));
    deckhand.kill();
    let _ = (first.end(), second.end());
    let deckhand = home.start();
    let cut = told(&home, "Say it again if it is still wanted").await;
    assert_eq!(cut["id"], waiting["id"], "the message in which ben waited tells him");
    told(&home, "Its health check says that").await;
    let ships =
        home.ledger().iter().filter(|entry| entry["verb"] == "deploy.ship" && entry["phase"] == "doing").count();
    assert_eq!((ships, service.runs().len()), (1, 1), "what waited is not begun by itself");
    assert_eq!(home.say("queue list").code, Some(0));
    service.how("");
    assert_eq!(home.run(&["say", "--as", "ben", "deploy ship app staging v2"]).code, Some(0));
    home.assert_sound();
    deckhand.stop();
}

#[tokio::test]
async fn two_who_ship_in_the_same_second_ship_one_after_the_other() {
    let (home, service) = installation();
    let deckhand = home.start();
    service.how("sleep 0.5");
    let both = [("ana", "v1"), ("ben", "v2")].map(|(who, tag)| {
        let line = format!("deploy ship app staging {tag}");
        home.begin(&["say", "--as", who, &line])
    });
    let both = both.map(|one| one.end());
    assert!(both.iter().all(|said| said.code == Some(0)), "{both:?}");
    let phases: Vec<_> = home.ledger().iter().map(|entry| (entry["phase"].clone(), entry["who"].clone())).collect();
    let [first, _, second, _] = &phases[..] else { panic!("{phases:?}") };
    assert_eq!(phases[1], ("did".into(), first.1.clone()), "the second begins when the first has ended: {phases:?}");
    assert_eq!(phases[3], ("did".into(), second.1.clone()));
    assert_ne!(first.1, second.1);
    assert_eq!(service.runs().len(), 2);
    let last = if second.1 == "ana" { "v1" } else { "v2" };
    assert_eq!(service.live(), service.commit(last));
    deckhand.stop();
}

#[tokio::test]
async fn who_waits_for_a_lock_is_next_and_whoever_gives_it_back_hears_so() {
    let (home, _service) = installation();
    let deckhand = home.start();
    let say = |who: &str, line: &str| home.run(&["say", "--as", who, line]);
    assert_eq!(say("ana", "lock take env:staging service:app because:drill").code, Some(0));
    assert_eq!(say("ben", "lock wait env:staging service:app").code, Some(0));
    let back = say("ana", "lock release env:staging service:app");
    assert!(back.out.contains("ben is next in line, and was told"), "{back:?}");
    deckhand.stop();
}

#[tokio::test]
async fn a_repository_that_is_elsewhere_is_read_from_its_mirror() {
    let (home, service) = installed("unsafe_back = [\"rel*\"]");
    let deckhand = home.start();
    assert_eq!(home.say("deploy ship app staging v1").code, Some(0));
    let plan = home.say("deploy plan app staging v3");
    assert!(plan.out.contains("2 commits") && plan.out.contains("Not safe"), "{plan:?}");
    assert_eq!(home.say("deploy ship app staging v3").code, Some(0));
    let third = service.commit("v3");
    // Its server is gone: what the mirror has is known all the same.
    std::fs::rename(home.path("app"), home.path("gone")).unwrap();
    let back = home.say("deploy rollback app staging");
    assert!(back.code == Some(1) && back.out.contains("`release`") && back.out.contains("A yes is needed"), "{back:?}");
    assert_eq!(service.live(), third);
    let mirrors = std::fs::read_dir(home.data().join("mirrors")).unwrap().count();
    assert_eq!(mirrors, 1);
    home.assert_sound();
    deckhand.stop();
}
