//! Drill: the built program on a real network of IRC, with people on another make of client, and a server that is killed.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use tests::ircd::Ircd;
use tests::program::{Home, Service, client, until_async};

/// A config with the service `app`; what stands in braces is filled in.
const CONFIG: &str = r##"
environments = ["staging"]
data = "{data}"

[people.ana]
roles = ["deployer"]
drill = "ana"

[[policy]]
allow = "*"
to = ["deployer"]

[console]
listen = "{listen}"
channels = ["ops"]

[channels.ops]
drill = "#ops"

[deploy]
grace = "1s"

[services.app]
repository = "app"

[services.app.deploy]
command = ["./ship.sh", "{commit}"]
limit = "1m"
health = { url = "{health}", contains = "{commit}", tries = 2, pause = "1s" }

[chat.irc.drill]
address = "localhost:{tls}"
ca = "{ca}"
nick = "deckhand"
sasl = "plain"
password = "s3cr3t-w0rd"
channels = ["#ops"]
"##;

/// Waits until `/readyz` says that Deckhand is on the network.
async fn until_ready(home: &Home) {
    until_async("/readyz answers 200", async || {
        let answer = client().get(home.url("/readyz")).send().await.ok()?;
        (answer.status() == 200).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_the_middle_of_a_deploy_costs_no_word_of_it() {
    let mut home = Home::demo();
    let service = Service::make(&home);
    let mut ircd = Ircd::start(&home);
    // Deckhand's own account has to be there before it logs in to it.
    drop(ircd.person("deckhand", "s3cr3t-w0rd"));
    let config = [
        ("{health}", service.health.clone()),
        ("{tls}", ircd.tls.to_string()),
        ("{ca}", ircd.certificate().display().to_string()),
    ]
    .iter()
    .fold(CONFIG.to_owned(), |config, (name, value)| config.replace(name, value));
    home.write_config(&config);
    let deckhand = home.start();
    until_ready(&home).await;
    let mut ana = ircd.person("ana", "passw0rd");
    let mut eve = ircd.person("ana_", "-");

    eve.say("#ops", "!deploy ship app staging v1");
    eve.until("a nick proves nothing");
    ana.say("#ops", "!deploy ship app staging v1");
    ana.until(&format!("ana: ✓ app in staging: v1 ({}) is live", &service.commit("v1")[..7]));
    ana.say("deckhand", "deploy status");
    ana.until("deckhand ana • What is live");

    service.how("sleep 4");
    ana.say("#ops", "deckhand: deploy ship app staging v2");
    ana.until("shipping v2");
    service.wait_for_runs(2);
    ircd.kill();
    ana.until("ana lost");
    let doctor = home.run(&["doctor"]);
    assert!(doctor.out.contains("✗ irc: drill is not connected"), "{doctor:?}");
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;
    ircd.begin();
    until_ready(&home).await;
    let end = format!("✓ app in staging: v2 ({}) is live", &service.commit("v2")[..7]);
    ana.until(&end);
    tokio::time::sleep(std::time::Duration::from_secs(3)).await;
    assert_eq!(ana.heard().iter().filter(|line| line.contains(&end)).count(), 1, "{:#?}", ana.heard());
    assert_eq!(service.live(), service.commit("v2"));

    let doctor = home.run(&["doctor"]);
    assert!(doctor.out.contains("✓ irc: on drill as deckhand"), "{doctor:?}");
    let places: Vec<_> = home.ledger().iter().map(|entry| entry["place"]["platform"].clone()).collect();
    assert!(places.len() == 4 && places.iter().all(|place| place == "drill"), "{places:?}");
    assert!(home.ledger().iter().all(|entry| entry["who"] == "ana"), "{:?}", home.ledger());
    deckhand.stop();
    home.assert_sound();
}
