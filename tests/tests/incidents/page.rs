//! Drill: an incident on the console's page, in a real browser of a phone's size: the card, the thread under it, its buttons
//! and its form, the timeline, and words that are meant to harm.

use serde_json::Value;
use tests::browser::{Browser, keys};
use tests::program::{Home, until_async};

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

[incidents]

[services.hello]
owners = ["ben"]
"#;

/// What would show that a word of somebody's has become a part of the page.
const HOSTILE: &str = "nobody can pay <img src=x onerror=\"document.title='fooled'\">";

/// The last message of the thread.
const LAST: &str = "[...document.querySelectorAll('#thread [data-message]')].at(-1)";

/// Somebody on call, with the page on their phone.
struct OnCall {
    browser: Browser,
}

impl OnCall {
    /// Types a line into the thread, and waits for what it comes to.
    async fn say(&mut self, line: &str, comes: &str) {
        self.browser.wait("document.querySelector('#thread-line')").await;
        self.browser.script("document.querySelector('#thread-line').focus()").await;
        self.browser.keys(line).await;
        self.browser.wait(&format!("document.querySelector('#thread-line').value === {line:?}")).await;
        self.browser.keys(keys::ENTER).await;
        self.sees(comes).await;
    }

    /// Waits until the last message of the thread says this.
    async fn sees(&mut self, comes: &str) {
        self.browser.wait(&format!("{LAST}?.innerText.includes({comes:?})")).await;
    }

    /// Presses the newest button of this label in the thread.
    async fn press(&mut self, label: &str) {
        let find = format!(
            "[...document.querySelectorAll('#thread button')].filter((each) => each.innerText === {label:?} && each.offsetParent).at(-1)"
        );
        self.browser.wait(&find).await;
        self.browser.script(&format!("{find}.click()")).await;
    }

    /// Asserts that nothing can be scrolled sideways.
    async fn fits(&mut self) {
        let wide = "const page = document.scrollingElement; return [page.scrollWidth, page.clientWidth]";
        let found = self.browser.script(wide).await;
        assert_eq!(found[0], found[1], "wider than the window");
    }
}

#[tokio::test]
async fn an_incident_is_led_from_a_phone() {
    let home = Home::with(CONFIG);
    let deckhand = home.start();
    let opened = home.say(&format!("incident open {} service:hello", quoted(HOSTILE)));
    assert_eq!(opened.code, Some(0), "{opened:?}");
    let card = until_async("the card is posted", async || {
        let answers = home.answers().await;
        answers
            .into_iter()
            .find(|answer| answer["reply"]["card"]["title"].as_str().is_some_and(|it| it.contains("Incident #")))
    })
    .await;
    let id = card["id"].as_str().unwrap().to_owned();
    let mut me = OnCall { browser: Browser::start(390, 844).await };
    me.browser.goto(&deckhand.link).await;
    me.browser.wait("document.querySelectorAll('#main [data-message]').length > 0").await;
    me.browser.goto(&home.url(&format!("/#ops/{id}"))).await;
    leads(&mut me).await;
    me.browser.reload().await;
    me.browser.wait("document.querySelector('#thread')?.innerText.includes('the pool is exhausted')").await;
    me.fits().await;
    // The card says how it stands, in the place where it was posted.
    let card = until_async("the card is drawn anew", async || {
        let all = home.answers().await;
        let card = all.into_iter().find(|answer| answer["id"] == id.as_str())?;
        card["reply"]["text"].as_str().is_some_and(|text| text.contains("Mitigated")).then_some(card)
    })
    .await;
    assert!(card["reply"]["card"]["title"].as_str().unwrap().starts_with("SEV1 #"), "{card:#}");
    assert_ne!(me.browser.script("return document.title").await, "fooled");
    assert_eq!(me.browser.script(r#"return document.querySelectorAll('img[src="x"], [onerror]').length"#).await, 0);
    assert_eq!(me.browser.console().await, [""; 0], "the browser complains");
    home.assert_sound();
    let noted: Vec<Value> = home.ledger().into_iter().filter(|entry| entry["phase"] == "failed").collect();
    assert_eq!(noted, [Value::Null; 0]);
}

/// From the first press to the timeline, all in the thread.
async fn leads(me: &mut OnCall) {
    me.say("/incident lead", "ana leads.").await;
    me.fits().await;
    me.press("SEV1").await;
    me.sees("It is SEV1.").await;
    me.say("/incident note the pool is exhausted", "the pool is exhausted").await;
    me.press("Mitigated").await;
    let field =
        "[...document.querySelectorAll('#thread form.asks textarea')].filter((each) => each.offsetParent).at(-1)";
    me.browser.wait(field).await;
    me.browser.script(&format!("{field}.focus()")).await;
    me.browser.keys("v1 is live again").await;
    me.browser.script(&format!("{field}.form.requestSubmit()")).await;
    me.sees("Mitigated after").await;
    me.say("/incident timeline", "the pool is exhausted").await;
    me.sees("v1 is live again").await;
    me.fits().await;
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
