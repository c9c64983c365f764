//! Drill: a newcomer's first minutes with the demo, in a real browser, from the printed link to a ledger that is proved.

use serde_json::Value;
use std::path::Path;
use tests::browser::{Browser, keys};
use tests::program::{Home, write};

/// The last of Deckhand's answers.
const LAST: &str =
    "[...document.querySelectorAll('#main [data-message]')].filter((each) => each.querySelector('.reply')).at(-1)";

/// A newcomer at the demo.
struct Newcomer {
    browser: Browser,
    /// How many messages there were before the last line was sent.
    before: u64,
}

impl Newcomer {
    /// Types a line at once, and sends it.
    async fn say(&mut self, line: &str) {
        self.before = self.count().await;
        self.browser.script("document.querySelector('#line').focus()").await;
        self.browser.keys(line).await;
        self.browser.wait(&format!("document.querySelector('#line').value === {line:?}")).await;
        // The list of suggestions, if one has just come up, is no reason not to send.
        self.browser.keys(keys::ENTER).await;
        self.browser.wait("document.querySelector('#line').value === ''").await;
    }

    async fn count(&mut self) -> u64 {
        self.browser
            .script("return document.querySelectorAll('#main [data-message]').length")
            .await
            .as_u64()
            .unwrap_or(0)
    }

    /// Waits for the last word on the line that was sent or the button that was pressed last, and returns its text; both
    /// line and answer are one message each, however often the answer has changed.
    async fn answer(&mut self) -> String {
        let (count, last) = ("document.querySelectorAll('#main [data-message]').length", LAST);
        let before = self.before;
        let done =
            format!("{count} >= {before} + 2 && {last}.querySelector('article').getAttribute('aria-busy') === 'false'");
        self.browser.wait(&done).await;
        assert_eq!(self.count().await, before + 2, "a line and its answer are two messages");
        self.browser
            .script(&format!("return {last}.querySelector('.reply').innerText"))
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// What the last answer is like.
    async fn tone(&mut self) -> String {
        self.browser
            .script(&format!("return {LAST}.querySelector('.reply').dataset.tone"))
            .await
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    async fn ask(&mut self, line: &str) -> String {
        self.say(line).await;
        self.answer().await
    }

    /// Presses the button of the last answer that begins with `label`, with the keyboard alone.
    async fn press(&mut self, label: &str) {
        self.before = self.count().await;
        let find = format!(
            "[...{LAST}.querySelectorAll('[data-press]')].find((each) => each.innerText.startsWith({label:?}))"
        );
        self.browser.wait(&find).await;
        self.browser.script("document.querySelector('#line').focus()").await;
        for _ in 0..60 {
            if self.browser.script(&format!("return document.activeElement === {find}")).await == true {
                self.browser.keys(keys::SPACE).await;
                return;
            }
            let back = format!("{}{}", keys::SHIFT, keys::TAB);
            self.browser.keys(&back).await;
        }
        panic!("the button {label} can not be reached with the keyboard");
    }

    /// Speaks as somebody else, who sees only what is theirs.
    async fn speak_as(&mut self, name: &str) {
        self.browser.click(&format!("[data-person={name}]")).await;
        self.browser.wait(&format!("document.querySelector('[data-person={name}]').ariaPressed === 'true'")).await;
        self.browser.wait("document.querySelectorAll('#main [data-message]').length > 0").await;
    }

    /// Asserts that an environment serves this release, looking at it in another tab.
    async fn sees(&mut self, home: &Home, environment: &str, release: &str) {
        let console = self.browser.tab().await;
        self.browser.goto(&home.url(&format!("/demo/{environment}/"))).await;
        assert_eq!(self.browser.texts("#version").await, [release], "{environment}");
        self.browser.close(&console).await;
    }

    /// Asserts that nothing can be scrolled sideways.
    async fn fits(&mut self) {
        let wide = "const page = document.scrollingElement; return [page.scrollWidth, page.clientWidth, \
                    ...[...document.querySelectorAll('body *')].filter((each) => each.getBoundingClientRect().right > innerWidth + 1 \
                    && !each.closest('pre, .output, [hidden], svg')).map((each) => each.outerHTML.slice(0, 100))]";
        let found = self.browser.script(wide).await;
        assert!(found[0] == found[1] && found.get(2).is_none(), "wider than the window: {found:#}");
    }
}

#[tokio::test]
async fn from_the_link_to_a_deploy_and_back() {
    let home = Home::demo();
    let deckhand = home.start();
    let mut me = Newcomer { browser: Browser::start(1280, 800).await, before: 0 };
    signs_in(&mut me, &home, &deckhand.link).await;
    ships_and_goes_back(&mut me, &home).await;
    meets_a_broken_release(&mut me, &home).await;
    picture(&mut me).await;
    meets_the_policy(&mut me, &home).await;
    is_asked_while_writing(&mut me).await;
    finds_it_all_again(&mut me).await;
    let console = me.browser.console().await;
    assert_eq!(console, [""; 0], "the browser complains");
    home.assert_sound();
    let ledger = home.ledger();
    let ended: Vec<_> = ledger.iter().filter(|entry| entry["who"] == "ana" && entry["phase"] != "doing").collect();
    assert_eq!(ended.len(), 6, "{ended:#?}");
}

async fn signs_in(me: &mut Newcomer, home: &Home, link: &str) {
    me.browser.goto(&home.url("/")).await;
    me.browser.wait("document.body.innerText.includes('You are not signed in')").await;
    // The browser itself notes that it was not let in.
    let refused = me.browser.console().await;
    assert!(refused.iter().all(|line| line.contains("401 (Unauthorized)")), "{refused:?}");
    me.browser.goto(link).await;
    assert_eq!(me.browser.url().await.trim_end_matches('#'), home.url("/"));
    me.browser.wait("document.querySelector('#line')").await;
    let cookies = me.browser.cookies().await;
    let [cookie] = cookies.as_array().map_or(&[][..], Vec::as_slice) else { panic!("{cookies:#}") };
    assert_eq!(
        (&cookie["httpOnly"], &cookie["sameSite"], &cookie["path"]),
        (&Value::from(true), &Value::from("Strict"), &Value::from("/"))
    );
    assert_eq!(me.browser.script("return document.cookie").await, "");
    me.browser.wait("document.activeElement?.id === 'line'").await;
}

async fn ships_and_goes_back(me: &mut Newcomer, home: &Home) {
    let first = me.ask("/deploy ship service:hello env:staging ref:v1").await;
    assert!(first.contains("hello in staging: v1 (") && first.contains("is live"), "{first}");
    me.sees(home, "staging", "v1").await;

    completes(me, "/dep", "/deploy ship ").await;
    completes(me, "hel", "/deploy ship hello ").await;
    completes(me, "env:sta", "/deploy ship hello env:staging ").await;
    completes(me, "ref:v2", "/deploy ship hello env:staging ref:v2 ").await;
    me.before = me.count().await;
    me.browser.keys(keys::ENTER).await;
    let second = me.answer().await;
    assert!(second.contains("hello in staging: v2 (") && second.contains("is live"), "{second}");
    assert_eq!(me.tone().await, "good");
    me.sees(home, "staging", "v2").await;

    me.press("Rollback").await;
    let back = me.answer().await;
    assert!(back.contains("hello in staging: v1 (") && back.contains("is live"), "{back}");
    me.sees(home, "staging", "v1").await;
}

/// Types the beginning of a word, takes the first suggestion with the Tab key, and asserts what then stands in the box.
async fn completes(me: &mut Newcomer, typed: &str, line: &str) {
    me.browser.keys(typed).await;
    // Suggestions come a moment after the key: those for what was typed before must not be taken.
    let word = typed.trim_start_matches('/').rsplit(':').next().unwrap_or_default();
    let first = format!("document.querySelector('.choices .label')?.innerText.includes({word:?})");
    me.browser.wait(&first).await;
    me.browser.keys(keys::TAB).await;
    assert_eq!(me.browser.script("return document.querySelector('#line').value").await, line);
}

async fn meets_a_broken_release(me: &mut Newcomer, home: &Home) {
    let broken = me.ask("/deploy ship service:hello env:staging ref:v3").await;
    assert!(
        broken.contains("v3 (") && broken.contains("is not live") && broken.contains("can not reach the database"),
        "{broken}"
    );
    assert!(broken.contains("was put back, and is live and well"), "{broken}");
    assert_eq!(me.tone().await, "bad");
    me.sees(home, "staging", "v1").await;
}

async fn meets_the_policy(me: &mut Newcomer, home: &Home) {
    me.speak_as("dan").await;
    let refused = me.ask("/deploy ship service:hello env:production ref:v1").await;
    assert!(refused.contains("dan may not say") && refused.contains("ask one of them"), "{refused}");
    assert_eq!(me.tone().await, "refused");
    me.speak_as("eve").await;
    let refused = me.ask("/deploy status").await;
    assert!(refused.contains("eve may not say"), "{refused}");

    me.speak_as("ana").await;
    let nobody_elses =
        me.browser.script("return document.querySelector('#main').innerText.includes('may not say')").await;
    assert_eq!(nobody_elses, false, "ana sees what only dan and eve should");
    let question = me.ask("/deploy ship service:hello env:production ref:v2").await;
    assert!(question.contains("A yes is needed") && question.contains("Go on?"), "{question}");
    me.press("Yes").await;
    let live = me.answer().await;
    assert!(live.contains("hello in production: v2 (") && live.contains("is live"), "{live}");
    me.sees(home, "production", "v2").await;
    me.sees(home, "staging", "v1").await;
}

/// A question stands beside a text that is being written, and its other wording takes the text's place.
async fn is_asked_while_writing(me: &mut Newcomer) {
    let started = me.ask("/postmortem start title:\"The disk of staging was full\"").await;
    assert!(started.contains("It is a draft"), "{started}");
    me.press("Write").await;
    me.answer().await;
    let (open, text) = (
        format!("[...{LAST}.querySelectorAll('button')].find((each) => each.innerText === 'Summary')"),
        "form.asks:not([hidden]) textarea",
    );
    me.browser.wait(&open).await;
    me.browser.script(&format!("{open}.click()")).await;
    me.browser.wait(&format!("document.activeElement === document.querySelector('{text}')")).await;
    let before = me.count().await;
    me.browser.keys("The operator forgot to check the lag.").await;
    let asked = "document.querySelector('.advice:not([hidden]) button')";
    me.browser.wait(asked).await;
    let advice = me.browser.script("return document.querySelector('.advice:not([hidden])').innerText").await;
    assert!(advice.as_str().is_some_and(|it| it.contains("What did the tool show at that moment?")), "{advice}");
    me.browser.script(&format!("{asked}.click()")).await;
    let value = format!("document.querySelector('{text}').value");
    me.browser.wait(&format!("{value} === 'Nothing at that moment asked anyone to check the lag.'")).await;
    me.browser.wait("!document.querySelector('.advice:not([hidden])')").await;
    assert_eq!(me.count().await, before, "nobody is told");
    me.browser.keys(keys::ESCAPE).await;
    me.browser.wait(&format!("!document.querySelector('{text}')")).await;
}

async fn finds_it_all_again(me: &mut Newcomer) {
    let audit = me.ask("/audit").await;
    for part in [
        "deploy.ship hello v1",
        "deploy.ship hello v2",
        "deploy.rollback hello v1",
        "deploy.ship hello v3",
        "production",
        "failed",
    ] {
        assert!(audit.contains(part), "{part} is missing: {audit}");
    }
    let shown = "return [...document.querySelectorAll('#main .body')].map((each) => each.innerText)";
    let before = me.browser.script(shown).await;
    assert!(before.as_array().is_some_and(|all| all.len() >= 12), "{before:#}");
    me.browser.reload().await;
    me.browser.wait("document.querySelectorAll('#main [data-message]').length > 0").await;
    me.browser.wait("document.querySelector('#main').innerText.includes('Ledger')").await;
    assert_eq!(me.browser.script(shown).await, before);
    me.browser.size(390, 844).await;
    me.fits().await;
    me.browser.reload().await;
    me.browser.wait("document.querySelector('#main').innerText.includes('Ledger')").await;
    me.fits().await;
}

/// The README's picture is made anew on request only: no two are the same, byte for byte.
async fn picture(me: &mut Newcomer) {
    me.browser.dark(false).await;
    let picture = me.browser.screenshot().await;
    assert!(picture.starts_with(b"\x89PNG"));
    if std::env::var_os("UPDATE").is_some() {
        write(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/console.png"), picture);
    }
}
