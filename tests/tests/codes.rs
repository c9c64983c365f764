//! One-time codes and forms under pressure: guesses at once, secrets where none belong, and the program's own terminal.
#![allow(clippy::unwrap_used, reason = "a test that meets an error has failed")]

use bot::gate::buttons::Dresser;
use bot::gate::codes::{self, ENROLLED, Enrolled, Standing};
use bot::gate::{Bot, Said};
use chrono::Utc;
use commands::reply::{Button, Form, Input, Outcome, Reply};
use commands::store::{Batch, Store};
use futures::future::join_all;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;
use tests::alone::{self, hear};
use tests::browser::{Browser, keys};
use tests::memory::MemoryStore;
use tests::program::{Home, client};
use tests::stage::world::World;

const CONFIG: &str = r#"
environments = ["staging"]
[people.ana]
roles = ["deployer"]
[people.eve]
[[policy]]
allow = "*"
to = ["deployer"]
code = "15m"
[deploy]
[services.hello]
repository = "/srv/hello"
[services.hello.deploy]
command = ["./ship"]
"#;

/// The console's settings for the drill, beside the above.
const CONSOLE_CONFIG: &str = "[console]\nlisten = \"{listen}\"\n";

const SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

fn bot() -> (Arc<Bot>, Arc<dyn Store>) {
    let clock = alone::clock();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new(clock.clone()));
    (alone::bot(CONFIG, plugins::ALL, &clock, store.clone(), &Arc::new(World::new())), store)
}

async fn enroll(store: &dyn Store, who: &str) {
    let mut batch = Batch::default();
    ENROLLED.put_in(&mut batch, who, &Enrolled::new(SECRET.to_owned())).unwrap();
    store.commit(batch).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn of_many_codes_at_once_one_right_one_counts_and_five_wrong_ones_lock() {
    let (bot, store) = bot();
    let now = bot.world.ports.clock.now();
    enroll(&*store, "ana").await;
    let code = codes::code_at(SECRET, now).unwrap();
    let given = join_all((0..8).map(|_| codes::prove(&store, "ana", &code, now))).await;
    assert_eq!(given.iter().filter(|told| told.is_ok()).count(), 1, "a code is good once");
    let standing = |who: &'static str| codes::standing(&*store, who, Duration::from_secs(900), now);
    assert_eq!(
        (standing("ana").await.unwrap(), standing("eve").await.unwrap()),
        (Standing::Proven, Standing::NotEnrolled)
    );
    // However many guess at the same moment, none of them is right after the fifth.
    enroll(&*store, "ana").await;
    let guesses: Vec<_> = (0..200).map(|guess| format!("{guess:06}")).collect();
    let told = join_all(guesses.iter().map(|guess| codes::prove(&store, "ana", guess, now))).await;
    let wrong = told.iter().filter(|told| told.as_ref().is_err_and(|stop| stop.to_string().contains("code is wrong")));
    assert!(wrong.count() <= 5, "{told:?}");
    let told = codes::prove(&store, "ana", &code, now).await.unwrap_err().to_string();
    assert!(told.starts_with("There were 5 wrong codes"), "{told}");
    assert_eq!(standing("ana").await.unwrap(), Standing::Due);
}

#[tokio::test(start_paused = true)]
async fn what_is_secret_is_shown_to_nobody_else_and_kept_nowhere() {
    let (bot, store) = bot();
    let line = |text: &str| Said::Line(text.to_owned());
    for (said, shown) in [
        ("/confirm 3fa2 code:123456", "/confirm question:3fa2"),
        ("/confirm 3fa2 123456", "/confirm question:3fa2"),
        ("/confirm code:\"123 456\" question:3fa2", "/confirm question:3fa2"),
        ("/enroll old:123456", "/enroll"),
        // What can not be read may hold one anywhere.
        ("/confirm code:123456", "/confirm (something that is not shown)"),
        ("/confirm 3fa2 cod:123456", "/confirm (something that is not shown)"),
        ("/confirm 3fa2 code:\"123456", "/confirm (something that is not shown)"),
        ("/audit verb:deploy", "/audit verb:deploy"),
        ("it was 123456 yesterday", "it was 123456 yesterday"),
    ] {
        assert_eq!(bot.shown(&line(said)).await.unwrap(), shown, "{said}");
        let told = hear(&bot, "ana", line(said)).await;
        let hides = shown.starts_with("/confirm") || shown.starts_with("/enroll");
        assert!(!hides || !format!("{told:?}").contains("123456"), "{told:?}");
    }
    let offered = hear(&bot, "ana", line("/enroll")).await;
    let secret = offered.fields[0].value.trim_matches('`').to_owned();
    assert!(offered.once && offered.only_you && secret.len() == 32, "{offered:?}");
    // The console's memory is in the store, too: it shows the secret and does not keep it.
    let messages = bot::platforms::console::messages::Messages::new(store.clone(), bot.world.ports.clock.clone());
    let mut live = messages.subscribe();
    messages.show(&mut messages.draft("ops", "deckhand"), offered, "ana").await.unwrap();
    let shown = live.recv().await.unwrap();
    assert!(shown.reply.unwrap().fields[0].value.contains(&secret) && shown.only.as_deref() == Some("ana"));
    let code = codes::code_at(&secret, bot.world.ports.clock.now()).unwrap();
    let done = hear(&bot, "ana", line(&format!("/enroll code:{code}"))).await;
    assert_eq!(done.outcome, Outcome::Done, "{done:?}");
    let holds = |value: &[u8]| String::from_utf8_lossy(value).contains(&secret);
    let kept = store.scan("", None, usize::MAX).await.unwrap();
    let places: Vec<_> = kept.iter().filter(|(_, record)| holds(&record.value)).map(|(key, _)| key.as_str()).collect();
    assert_eq!(places, ["codes/enrolled/ana"]);
}

#[tokio::test(start_paused = true)]
async fn a_form_fills_arguments_by_name_and_each_is_read_like_a_typed_one() {
    let (bot, store) = bot();
    let now = bot.world.ports.clock.now();
    let input = |name: &str| Input { name: name.to_owned(), label: name.to_owned(), most: 12, ..Input::default() };
    let form = Form { title: "Which?".to_owned(), inputs: vec![input("service"), input("verb")] };
    let mut reply = Reply::default().button(Button::new("Look", "audit person:ana").form(form));
    let mut batch = Batch::default();
    Dresser::default().dress(&mut reply, &mut batch, now).unwrap();
    store.commit(batch).await.unwrap();
    let press = |filled: &[(&str, &str)]| Said::Press {
        id: reply.buttons[0].id.clone(),
        filled: filled.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
    };
    for (filled, says) in [
        (&[][..], "`service` is missing"),
        (&[("service", "hello")], "`verb` is missing"),
        (&[("service", "helo"), ("verb", "x")], "There is no service `helo`. Did you mean `hello`?"),
        (&[("service", "hello"), ("verb", "0123456789abc")], "`verb` has 13 characters, and may have 12."),
        (&[("service", "hello"), ("verb", "a\u{202e}b")], "There is"),
        (&[("service", "hello\" env:x"), ("verb", "x")], "There is no service"),
        (&[("service", "hello"), ("verb", "x")], "Nothing on the ledger fits."),
        // Several lines become one, what is empty is left out, and what the form did not ask for counts for nothing.
        (&[("service", " \n"), ("verb", "a\r\nb"), ("person", "eve")], "Nothing on the ledger fits."),
    ] {
        let told = hear(&bot, "ana", press(filled)).await;
        assert!(told.text.starts_with(says), "{filled:?}: {}", told.text);
    }
    let shown = bot.shown(&press(&[("service", ""), ("verb", "a\r\nb"), ("person", "eve")])).await.unwrap();
    assert_eq!(shown, "/audit person:ana verb:\"a b\"");
}

#[tokio::test]
async fn the_operator_sets_up_codes_on_the_server_and_a_line_gives_one() {
    let home = Home::with(&format!("{CONFIG}\n{CONSOLE_CONFIG}"));
    let deckhand = home.start();
    let nobody = home.run(&["enroll", "frank"]);
    assert!(nobody.code == Some(1) && nobody.err.contains("There is no person `frank` in the config."), "{nobody:?}");
    let mut command = home.command(&["enroll", "ana"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let url = lines.by_ref().find_map(|line| line.unwrap().split_once("otpauth://").map(|(_, url)| url.to_owned()));
    let url = url.unwrap();
    let secret = url.split_once("secret=").unwrap().1.split('&').next().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    writeln!(stdin, "12345").unwrap();
    let code = codes::code_at(secret, Utc::now()).unwrap();
    writeln!(stdin, "{} {}", &code[..3], &code[3..]).unwrap();
    drop(stdin);
    let rest: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(child.wait().unwrap().success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("this one has 5")) && rest.last().unwrap().contains("from ana"));
    // A browser that is signed in is not the operator.
    let asked = client().post(home.url("/api/enroll")).json(&json!({ "person": "ana" })).send().await.unwrap();
    assert_eq!(asked.status(), 403);
    let noted: Vec<_> = home.ledger().into_iter().map(|entry| (entry["verb"].clone(), entry["why"].clone())).collect();
    assert!(
        noted.iter().all(|(verb, why)| verb == "enroll" && why == "by the operator, on the server") && noted.len() == 2
    );
    let said = format!("{:?}{}{:?}", home.messages().await, home.log(), home.ledger());
    assert!(!said.contains(secret), "{said}");
    deckhand.stop();
}

#[tokio::test]
async fn on_the_page_a_button_asks_for_a_code_in_its_place_and_shows_no_digit_of_it() {
    let home = Home::with(&format!("{CONFIG}\n{CONSOLE_CONFIG}"));
    let deckhand = home.start();
    let mut page = Browser::start(800, 800).await;
    page.goto(&deckhand.link).await;
    page.wait("document.querySelector('#line')").await;
    page.script("document.querySelector('#line').focus()").await;
    page.keys("/enroll").await;
    page.wait("document.querySelector('#line').value === '/enroll'").await;
    page.keys(keys::ENTER).await;
    page.wait("document.body.innerText.includes('Your secret for one-time codes')").await;
    let secret = page.texts("dd code").await.remove(0);
    page.click(".buttons > button").await;
    page.wait("document.activeElement.matches('.asks input[type=password][name=code]')").await;
    page.keys("000000").await;
    page.keys(keys::ENTER).await;
    page.wait("document.body.innerText.includes('This is no code of the new secret')").await;
    page.wait("document.querySelector('.asks').hidden && !document.querySelector('.asks input').value").await;
    page.script("[...document.querySelectorAll('.buttons > button')].at(-1).click()").await;
    page.wait("document.activeElement.matches('.asks input')").await;
    let code = codes::code_at(&secret, Utc::now()).unwrap();
    page.keys(&code).await;
    page.keys(keys::ENTER).await;
    page.wait("document.body.innerText.includes('One-time codes are set up')").await;
    // Who comes again finds neither the secret nor the code.
    page.reload().await;
    page.wait("document.body.innerText.includes('This was shown once, and is not kept.')").await;
    let text = page.script("return document.body.innerText").await.to_string();
    assert!(!text.contains(&secret) && !text.contains(&code), "{text}");
    assert_eq!(page.console().await, [""; 0], "the browser complains");
}
