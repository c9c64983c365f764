//! What only IRC has: nicks that prove nothing, numbers, lines of 512 bytes, networks that break.

#![allow(clippy::unwrap_used, reason = "a test that can not go on has failed")]

use commands::store::{Read, Record};
use serde_json::Value;
use std::time::Duration;
use tests::irc::{Network, Person, mask};
use tests::stage::on_irc::OnIrc;
use tests::stage::transcript::Line;

const CONFIG: &str = r#"
environments = ["staging", "production"]

[people.ana]
roles = ["deployer"]
[people.ben]
roles = ["deployer"]

[[policy]]
allow = "*"
to = ["deployer"]
[[policy]]
allow = "deploy ship env=production"
to = ["deployer"]
confirm = true

[deploy]

[services.hello]
repository = "/srv/hello"
[services.hello.deploy]
command = ["./ship", "{environment}", "{commit}"]
health = { url = "http://hello.example/{environment}/health", contains = "ok {commit}", tries = 2 }
"#;

async fn stage() -> OnIrc {
    with("", Network::default()).await
}

async fn with(more: &str, network: Network) -> OnIrc {
    let stage = OnIrc::with(CONFIG, &["ops".to_owned()], more, network).await.unwrap();
    ["ana", "ben", "eve"].iter().for_each(|nick| stage.network.arrive(nick));
    stage
}

async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

async fn say(stage: &mut OnIrc, who: &str, what: &str) {
    let line = Line::Said { who: who.to_owned(), channel: "ops".to_owned(), what: what.to_owned() };
    stage.play(line).await.unwrap();
}

/// Whether a line that holds `text` was said to `target`.
fn heard(stage: &OnIrc, target: &str, text: &str) -> bool {
    stage.network.heard_by(target).iter().any(|line| line.contains(text))
}

fn count(stage: &OnIrc, text: &str) -> usize {
    stage.network.state().said.iter().filter(|said| said.text.contains(text)).count()
}

#[tokio::test(start_paused = true)]
async fn a_deploy_is_a_line_at_each_stage_and_a_choice_goes_back() {
    let mut stage = stage().await;
    say(&mut stage, "ana", "deploy ship hello staging v1").await;
    say(&mut stage, "ana", "deploy ship hello staging v2").await;
    let lines = stage.network.heard_by("#ops");
    let told: Vec<_> = lines.iter().filter(|line| line.contains("v2 (2222222)")).collect();
    assert!(told[0].starts_with("[#") && told[0].contains("] … hello in staging: shipping v2"), "{lines:#?}");
    assert!(told.iter().any(|line| line.contains("] ana: ✓ hello in staging: v2 (2222222) is live")), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.contains("shipping v2")).count(), 1);
    let number = stage.network.choice("ana", "Rollback to v1 (1111111)").unwrap();
    stage.network.say("ana", "#ops", &format!("!{number}"));
    pass(20).await;
    assert!(heard(&stage, "#ops", "✓ hello in staging: v1 (1111111) is live"));
    stage.network.say("ana", "#ops", &format!("!{number}"));
    pass(5).await;
    assert!(heard(&stage, "ana", "pressed this button"));
    stage.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_nick_proves_nothing() {
    for (old, more) in [(false, ""), (true, ""), (false, "identity = \"account\"\n")] {
        let network = Network::default();
        network.state().knobs.old = old;
        let stage = with(more, network).await;
        // Eve calls herself by the name of a deployer, and is logged in to nothing.
        stage.network.state().people.insert("ana".to_owned(), Person::default());
        stage.network.say("ana", "#ops", "!deploy ship hello staging v1");
        pass(20).await;
        assert!(heard(&stage, "ana", "Nothing was done. A nick proves nothing"), "{:?}", stage.network.state().said);
        // Whoever may be known well, and is only not logged in, is not sent to the operator.
        stage.network.say("ana", "#ops", "!whoami");
        pass(5).await;
        assert!(heard(&stage, "ana", "Deckhand does not know you"), "{:?}", stage.network.state().said);
        assert!(heard(&stage, "ana", "Log in to its services"), "{:?}", stage.network.state().said);
        assert!(!heard(&stage, "ana", "The operator adds you"), "{:?}", stage.network.state().said);
        stage
            .network
            .state()
            .people
            .insert("ana".to_owned(), Person { account: Some("eve".to_owned()), fingerprint: None });
        stage.network.say("ana", "#ops", "!deploy ship hello staging v1");
        pass(20).await;
        assert_eq!(stage.ledger().await.unwrap(), "");
        // And ana is ana under any nick.
        stage
            .network
            .state()
            .people
            .insert("anna".to_owned(), Person { account: Some("ana".to_owned()), fingerprint: None });
        stage.network.say("anna", "deckhand", "deploy ship hello staging v1");
        pass(30).await;
        assert!(stage.ledger().await.unwrap().contains("ana deploy.ship hello"), "{:?}", stage.network.state().said);
        assert!(heard(&stage, "anna", "is live"));
        stage.finish().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_certificate_can_be_the_proof() {
    let print = "ab".repeat(32);
    let nobody = ["ana", "ben"].map(|name| format!("[people.{name}]\nroles = [\"deployer\"]\n"));
    let config = nobody.iter().fold(CONFIG.to_owned(), |config, person| config.replace(person, ""));
    let more = format!("identity = \"certificate\"\n[people.dan]\nroles = [\"deployer\"]\nlibera = \"{print}\"\n");
    let stage = OnIrc::with(&config, &["ops".to_owned()], &more, Network::default()).await.unwrap();
    let colons = ["AB"; 32].join(":");
    stage.network.state().people.insert("whoever".to_owned(), Person { account: None, fingerprint: Some(colons) });
    stage.network.state().people.insert("eve".to_owned(), Person { account: Some(print), fingerprint: None });
    for nick in ["eve", "whoever"] {
        stage.network.say(nick, "#ops", "!deploy ship hello staging v1");
        pass(30).await;
    }
    assert!(heard(&stage, "eve", "shows no certificate of yours"));
    assert!(stage.ledger().await.unwrap().contains("dan deploy.ship hello"));
    stage.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_change_of_nick_or_a_netsplit_in_the_middle_of_a_question_voids_it_out_loud() {
    for how in ["nick", "quit", "account", "link"] {
        let mut stage = stage().await;
        say(&mut stage, "ana", "deploy ship hello staging v1").await;
        say(&mut stage, "ana", "deploy ship hello production v1").await;
        let yes = stage.network.state().said.iter().rev().find_map(|said| {
            said.text.split(" · ").find_map(|choice| choice.strip_prefix('!')?.split_once(' ')?.0.parse::<u32>().ok())
        });
        let before = stage.ledger().await.unwrap();
        match how {
            "nick" => stage.network.rename("ana", "ana_"),
            "quit" => stage.network.quit("ana"),
            "account" => stage.network.send(format!(":{} ACCOUNT *", mask("ana"))),
            _ => stage.network.break_link(),
        }
        pass(90).await;
        assert!(heard(&stage, "#ops", "question is void"), "{how}: {:?}", stage.network.state().said);
        stage.network.arrive("ana");
        stage.network.say("ana", "#ops", &format!("!{}", yes.unwrap()));
        pass(20).await;
        assert_eq!(stage.ledger().await.unwrap(), before, "{how}");
        stage.finish().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn the_story_is_told_to_its_end_once_when_the_server_goes_away() {
    let mut stage = stage().await;
    say(&mut stage, "ben", "help").await;
    stage.network.say("ana", "#ops", "!deploy ship hello staging v1");
    until_shipping(&stage).await;
    stage.network.state().knobs.down = true;
    stage.network.break_link();
    pass(60).await;
    stage.network.state().knobs.down = false;
    pass(600).await;
    let ends = ends(&stage);
    assert!(ends.len() == 1 && !ends[0].contains("again"), "{ends:?}");
    stage.finish().await.unwrap();
}

async fn until_shipping(stage: &OnIrc) {
    stage
        .network
        .until("it is shipping", |state| state.said.iter().find(|said| said.text.contains("shipping")).map(drop))
        .await;
}

/// The lines that tell the end of the story.
fn ends(stage: &OnIrc) -> Vec<String> {
    stage.network.heard_by("#ops").into_iter().filter(|line| line.contains("✓ hello in staging: v1")).collect()
}

#[tokio::test(start_paused = true)]
async fn a_last_word_that_may_have_been_heard_is_said_again_and_says_so() {
    // The server reads the last word, and breaks before it has answered the question after it. One that sends back what it
    // takes has told by then that it was heard. A bot that is killed meanwhile knows no less.
    for (echoes, killed) in [(false, false), (false, true), (true, false)] {
        let network = Network::default();
        network.state().knobs.echoes = echoes;
        let mut stage = with("", network).await;
        stage.network.say("ana", "#ops", "!deploy ship hello staging v1");
        until_shipping(&stage).await;
        stage.network.state().knobs.breaks_at_ping = true;
        if killed {
            stage.network.until("it is told", |state| state.knobs.breaks_at_ping.eq(&false).then_some(())).await;
            stage.network.state().knobs.down = true;
            pass(5).await;
            stage.kill();
            stage.network.state().knobs.down = false;
            stage.begin().await.unwrap();
        }
        pass(600).await;
        let ends = ends(&stage);
        match echoes {
            true => assert!(ends.len() == 1 && !ends[0].contains("again"), "{ends:?}"),
            false => assert!(
                ends.len() == 2 && ends[1].starts_with("(perhaps again) [#"),
                "{killed} {:#?}",
                stage.network.state().said
            ),
        }
        stage.finish().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_only_reads_and_is_cut_off_is_told_of() {
    for private in [false, true] {
        let stage = stage().await;
        stage.network.state().knobs.breaks_at_ping = true;
        stage.network.say("ana", if private { "deckhand" } else { "#ops" }, "!deploy status");
        pass(60).await;
        let told = if private { "ana" } else { "#ops" };
        let told = heard(&stage, told, "you may not have seen the answer to `!deploy status`. Say it again.");
        assert!(told, "{private} {:#?}", stage.network.state().said);
        stage.finish().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_channel_does_not_take_waits_and_is_said_once_it_does() {
    for (number, why) in [
        ("471", "it is full"),
        ("473", "by invitation only"),
        ("474", "we are banned"),
        ("475", "it wants another key"),
        ("404", "Cannot send to channel"),
    ] {
        let network = Network::default();
        let shut = |network: &Network, shut: bool| {
            let mut state = network.state();
            state.knobs.closed.clear();
            match number {
                "404" => state.knobs.muted = shut,
                _ if shut => _ = state.knobs.closed.insert("#ops".to_owned(), number.to_owned()),
                _ => {}
            }
        };
        let mut stage = with("", network).await;
        shut(&stage.network, true);
        if number != "404" {
            stage.network.break_link();
            pass(60).await;
        }
        stage.network.say("ana", "deckhand", "deploy status");
        pass(5).await;
        // The channel hears nothing, but ana can be told: she asked there.
        stage.network.say("ana", "#ops", "!deploy ship hello staging v1");
        stage.network.say("ben", "#ops", "!deploy ship hello staging v2");
        pass(120).await;
        assert!(heard(&stage, "ana", "#ops does not take my answer"), "{number} {:?}", stage.network.state().said);
        let health = stage.report();
        assert_eq!((&health["waits"]["#ops"], &health["ready"]), (&2.into(), &false.into()), "{number} {health}");
        // However often it was tried, it has waited since it was written.
        let held = stage.store.scan("irc/held/", None, 9).await.unwrap();
        let since = |record: &Record| serde_json::from_slice::<Value>(&record.value).unwrap()["data"]["at"].to_string();
        let since: Vec<_> = held.iter().map(|(_, record)| since(record)).collect();
        assert!(
            since.len() == 2 && since.iter().all(|at| at.contains("T09:01:") || at.contains("T09:00:")),
            "{since:?}"
        );
        let board = stage.board().await.unwrap();
        assert!(board.len() == 1 && board[0].contains(why), "{number} {board:?}");
        shut(&stage.network, false);
        pass(700).await;
        let ops: Vec<_> = stage.network.heard_by("#ops").into_iter().filter(|line| line.contains("✓ hello")).collect();
        assert!(ops.len() == 2 && ops[0].contains("v1 (1111111)") && ops[1].contains("v2 (2222222)"), "{ops:?}");
        assert_eq!(stage.report()["ready"], true);
        say(&mut stage, "ana", "whoami").await;
        stage.finish().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn what_nobody_was_there_to_hear_is_said_when_they_are_back() {
    let stage = stage().await;
    stage.network.say("ana", "deckhand", "deploy ship hello staging v1");
    pass(1).await;
    stage.network.quit("ana");
    pass(60).await;
    assert_eq!(count(&stage, "✓ hello in staging: v1"), 0);
    assert_eq!(stage.report()["waits"]["@ana"], 1);
    // Somebody else under that nick is told nothing.
    stage.network.state().people.insert("ana".to_owned(), Person::default());
    stage.network.say("ana", "deckhand", "help");
    pass(60).await;
    assert_eq!(count(&stage, "✓ hello in staging: v1"), 0);
    let ana = Person { account: Some("ana".to_owned()), ..Person::default() };
    stage.network.state().people.insert("anna".to_owned(), ana);
    stage.network.say("anna", "deckhand", "help");
    pass(60).await;
    assert!(heard(&stage, "anna", "✓ hello in staging: v1"), "{:?}", stage.network.state().said);
    assert!(stage.report()["waits"]["@ana"].is_null());
    stage.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_what_was_asked_before_a_restart_says_so() {
    let config = CONFIG.replace("confirm = true", "code = \"5m\"");
    let mut stage = OnIrc::with(&config, &["ops".to_owned()], "", Network::default()).await.unwrap();
    let enrolled = "ana has enrolled with the secret JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP".to_owned();
    stage.play(Line::Direction(enrolled)).await.unwrap();
    say(&mut stage, "ana", "deploy ship hello staging v1").await;
    say(&mut stage, "ana", "deploy ship hello production v1").await;
    let yes = stage.network.choice("ana", "Yes, with a code").unwrap();
    stage.network.say("ana", "#ops", &format!("!{yes}"));
    pass(5).await;
    assert!(heard(&stage, "ana", "It is shown to nobody."));
    let before = stage.ledger().await.unwrap();
    stage.kill();
    stage.begin().await.unwrap();
    stage.network.say("ana", "deckhand", "123456");
    pass(10).await;
    assert!(heard(&stage, "ana", &format!("Say `!{yes}` to be asked again.")), "{:?}", stage.network.heard_by("ana"));
    // Once: the next words are a line like any other, and the choice still stands.
    stage.network.say("ana", "deckhand", "deploy status");
    stage.network.say("ana", "#ops", &format!("!{yes}"));
    pass(10).await;
    assert!(heard(&stage, "ana", "What is live"));
    assert_eq!(count(&stage, "It is shown to nobody."), 2);
    assert_eq!(stage.ledger().await.unwrap(), before);
    stage.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn floods_and_noise_are_answered_by_nothing() {
    let mut stage = stage().await;
    let before = stage.network.state().sent.len();
    for _ in 0..200 {
        stage.network.say("eve", "deckhand", "\u{1}VERSION\u{1}");
        stage.network.say("eve", "#ops", "!!! hello everybody");
        stage.network.send(format!(":{} NOTICE deckhand :!help", mask("eve")));
        stage.network.send(":irc.test 999 deckhand :what?");
        stage.network.send("garbage");
        stage.network.send(":");
    }
    pass(20).await;
    assert_eq!(stage.network.state().sent.len(), before);
    for _ in 0..100 {
        stage.network.say("eve", "#ops", "!help");
    }
    pass(30).await;
    assert!(stage.network.state().sent.len() < before + 60, "{}", stage.network.state().sent.len() - before);
    assert_eq!(count(&stage, "You say more than I can take"), 1);
    say(&mut stage, "ana", "deploy ship hello staging v1").await;
    assert!(heard(&stage, "#ops", "is live"));
    stage.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn long_answers_come_in_pages_and_hostile_words_stay_words() {
    let mut stage = stage().await;
    say(&mut stage, "ana", "\u{02}help\u{02}").await;
    assert!(heard(&stage, "ana", "6 more lines: !more"));
    assert!(heard(&stage, "ana", "`!whoami` Show"), "commands are shown as they are typed here");
    let before = stage.network.state().said.len();
    stage.network.say("ana", "#ops", "!more");
    pass(5).await;
    assert!(stage.network.state().said.len() > before);
    stage.network.say("ana", "#ops", &format!("!deploy ship hello staging {}", "한국어".repeat(200)));
    stage.network.say("ana", "#ops", "!deploy ship hello staging v1\u{202e} @everyone `x`");
    stage.network.say("ana", "#ops", "!lock \u{03}04,05nothing; rm -rf /");
    stage.network.say("ana", "#ops", "!deploy ship ?");
    pass(20).await;
    assert_eq!(stage.ledger().await.unwrap(), "");
    assert!(heard(&stage, "ana", "Next:"), "{:?}", stage.network.heard_by("ana"));
    stage.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_page_of_help_keeps_nobody_waiting() {
    let stage = with("burst = 2\npace = \"2s\"\n", Network::default()).await;
    stage.network.say("ben", "deckhand", "help");
    pass(3).await;
    stage.network.say("ana", "#ops", "!deploy ship hello staging v1");
    pass(60).await;
    let said = stage.network.state().said.clone();
    let place = |text: &str| said.iter().position(|said| said.text.contains(text)).unwrap();
    assert!(place("What you can say") < place("is live"), "{said:#?}");
    assert!(place("is live since") < place("more lines: !more"), "{said:#?}");
    stage.finish().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn it_gets_in_and_stays_in() {
    let network = Network::default();
    {
        let mut state = network.state();
        state.knobs.taken = vec!["deckhand".to_owned()];
        state.knobs.password = Some("ZGVja2hhbmQAZGVja2hhbmQAczNjcjN0".to_owned());
    }
    let mut stage = with("sasl = \"plain\"\npassword = \"s3cr3t\"\n", network).await;
    let nick = |stage: &OnIrc| stage.network.state().nick.clone();
    assert_eq!(nick(&stage).as_deref(), Some("deckhand_"));
    stage.network.state().knobs.taken.clear();
    pass(70).await;
    assert_eq!(nick(&stage).as_deref(), Some("deckhand"));
    // Thrown out, it comes back once.
    for (times, back) in [(1, true), (2, false)] {
        stage.network.state().joined.clear();
        stage.network.send(format!(":{} KICK #ops deckhand :out", mask("eve")));
        pass(60).await;
        assert_eq!(!stage.network.state().joined.is_empty(), back, "kick {times}");
    }
    // A server that says nothing more is left for another connection, where a closed channel is tried again and again.
    stage.network.state().knobs.closed.insert("#ops".to_owned(), "475".to_owned());
    stage.network.state().knobs.silent = true;
    pass(120).await;
    stage.network.state().knobs.silent = false;
    assert_eq!(stage.network.state().connections, 2);
    assert!(stage.network.state().joined.is_empty());
    stage.network.state().knobs.closed.clear();
    pass(60).await;
    assert_eq!(stage.network.state().joined, ["#ops"]);
    say(&mut stage, "ana", "whoami").await;
    assert!(heard(&stage, "#ops", "ana") || heard(&stage, "ana", "ana"));
    stage.finish().await.unwrap();
}
