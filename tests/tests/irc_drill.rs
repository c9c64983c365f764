//! Drill: the built program on real networks of IRC, with people on another make of client, and servers that are killed.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use rustix::process::Signal;
use tests::ircd::{Ircd, Make, Person};
use tests::program::{Deckhand, Home, Service, client, until, until_async};
use tests::team::{TEAM, filled};

/// The network as the team's platform.
const NETWORK: &str = r##"
[chat.irc.{platform}]
address = "localhost:{tls}"
ca = "{ca}"
nick = "deckhand"
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

/// An installation on a network of its own.
struct Team {
    home: Home,
    service: Service,
    ircd: Ircd,
}

impl Team {
    fn new(make: Make) -> Team {
        let home = Home::demo();
        let service = Service::make(&home);
        let ircd = Ircd::start(&home, make);
        Team { home, service, ircd }
    }

    /// Starts Deckhand with these further lines in the network's section, where ana has this id.
    async fn start(&mut self, ana: &str, more: &str) -> Deckhand {
        let (tls, ca) = (self.ircd.tls.to_string(), self.ircd.certificate().display().to_string());
        let values = [
            ("platform", "drill"),
            ("ana", ana),
            ("ops", "#ops"),
            ("health", &self.service.health),
            ("tls", &tls),
            ("ca", &ca),
        ];
        self.home.write_config(&filled(&format!("{TEAM}{NETWORK}{more}"), &values));
        let deckhand = self.home.start();
        until_ready(&self.home).await;
        deckhand
    }

    /// What the last word about a release begins with.
    fn live(&self, release: &str) -> String {
        format!("✓ app in staging: {release} ({}) is live", &self.service.commit(release)[..7])
    }

    fn assert_sound(&self, deckhand: Deckhand, acts: usize) {
        let ledger = self.home.ledger();
        assert_eq!(ledger.len(), 2 * acts, "{ledger:?}");
        assert!(
            ledger.iter().all(|entry| entry["who"] == "ana" && entry["place"]["platform"] == "drill"),
            "{ledger:?}"
        );
        deckhand.stop();
        self.home.assert_sound();
    }
}

/// A deploy whose server is killed in the middle of it, by people whom the server's services know.
async fn told_to_its_end(make: Make, more: &str) {
    let mut team = Team::new(make);
    if !more.is_empty() {
        // Deckhand's own account has to be there before it logs in to it.
        drop(team.ircd.person("deckhand", "s3cr3t-w0rd"));
    }
    let deckhand = team.start("ana", more).await;
    let mut ana = team.ircd.person("ana", "passw0rd");
    let mut eve = team.ircd.person("ana_", "-");

    eve.say("#ops", "!deploy ship app staging v1");
    eve.until("A nick proves nothing");
    ana.say("#ops", "!deploy ship app staging v1");
    ana.until(&format!("ana: {}", team.live("v1")));
    ana.say("deckhand", "deploy status");
    ana.until("deckhand ana • What is live");

    team.service.how("sleep 4");
    ana.say("#ops", "deckhand: deploy ship app staging v2");
    ana.until("shipping v2");
    team.service.wait_for_runs(2);
    team.ircd.kill();
    ana.until("ana lost");
    let doctor = team.home.run(&["doctor"]);
    assert!(doctor.out.contains("✗ irc: drill is not connected"), "{doctor:?}");
    // The deploy comes to its end while nobody can hear it, and Deckhand is not back before ana is.
    until("v2 is live", || (team.service.live() == team.service.commit("v2")).then_some(()));
    deckhand.signal(Signal::STOP);
    team.ircd.begin();
    ana.until_times("ana joined", 2);
    deckhand.signal(Signal::CONT);
    ana.until(&team.live("v2"));
    until_ready(&team.home).await;
    ana.say("deckhand", "help");
    ana.until("What you can say");
    let heard = ana.heard();
    assert_eq!(heard.iter().filter(|line| line.contains(&team.live("v2"))).count(), 1, "{heard:#?}");
    assert!(!heard.iter().any(|line| line.contains("perhaps again")), "{heard:#?}");
    let doctor = team.home.run(&["doctor"]);
    assert!(doctor.out.contains("✓ irc: on drill as deckhand"), "{doctor:?}");
    team.assert_sound(deckhand, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_the_middle_of_a_deploy_costs_no_word_of_it() {
    told_to_its_end(Make::Inspircd, "sasl = \"plain\"\npassword = \"s3cr3t-w0rd\"\n").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_does_one_that_can_no_more_than_the_first_servers_could() {
    told_to_its_end(Make::Ngircd, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_an_account_to_log_in_to_and_a_proof() {
    let mut team = Team::new(Make::Inspircd);
    let (own, own_print) = team.ircd.certify("deckhand");
    let (anas, print) = team.ircd.certify("ana");
    let mut account = team.ircd.person("deckhand", "s3cr3t-w0rd");
    account.say("NickServ", &format!("CERT ADD {own_print}"));
    account.until("fingerprint list");
    drop(account);
    let more = format!("sasl = \"external\"\ncertificate = \"{}\"\nidentity = \"certificate\"\n", own.display());
    // It is ready, so it was let in: a login that is refused ends the link.
    let deckhand = team.start(&print, &more).await;
    let mut ana = team.ircd.person_with("whoever", &anas);
    let mut eve = team.ircd.person("ana", "passw0rd");
    eve.say("#ops", "!deploy ship app staging v1");
    eve.until("the network shows no certificate of yours");
    ana.say("#ops", "!deploy ship app staging v1");
    ana.until(&format!("whoever: {}", team.live("v1")));
    team.assert_sound(deckhand, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nobody_is_shown_certificates_one_can_only_read() {
    let mut team = Team::new(Make::Ngircd);
    let (anas, print) = team.ircd.certify("ana");
    let deckhand = team.start(&print, "identity = \"certificate\"\n").await;
    let mut ana: Person = team.ircd.person_with("ana", &anas);
    ana.say("#ops", "!deploy ship app staging v1");
    ana.until("the network shows no certificate of yours");
    ana.say("#ops", "!help");
    ana.until("deckhand ana •");
    team.assert_sound(deckhand, 0);
}
