//! `/enroll`: one-time codes for whoever asks, with a secret that is shown once.

use crate::gate::Bot;
use crate::gate::codes::{self, ENROLL};
use commands::cx::Cx;
use commands::reply::{Button, Look, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;

#[derive(serde::Deserialize)]
struct EnrollArgs {
    code: Option<String>,
    old: Option<String>,
}

pub(super) async fn enroll(bot: &Bot, cx: &Cx) -> Result<Reply> {
    let EnrollArgs { code, old } = cx.args()?;
    let (store, who) = (&bot.world.store, cx.who());
    if let Some(code) = code {
        return match codes::accept(cx, who, &code, "").await {
            Ok(()) => {
                let text = "Deckhand takes one-time codes of your new secret from now on, each once.";
                Ok(Reply::card(Tone::Good, "One-time codes are set up", text).only_you())
            }
            Err(Stop::Refused(reply)) if codes::offered(cx.store(), who, cx.now()).await? => {
                Err(reply.button(first_code()).into())
            }
            Err(stop) => Err(stop),
        };
    }
    if codes::enrolled(&**store, who).await? {
        let Some(old) = old else { return Err(asks_for_old(who).into()) };
        codes::prove(store, who, &old, cx.now()).await.map_err(|stop| match stop {
            Stop::Refused(reply) => reply.button(old_code()).into(),
            other => other,
        })?;
    }
    let codes::Offer { secret, url } = codes::offer(store, who, cx.now()).await?;
    let text = "Give it to the app that shows your one-time codes: it is shown this once, and to you alone. Then fill in the first code, within 15 minutes. Until then nothing is changed.";
    let reply = Reply::card(Tone::Plain, "Your secret for one-time codes", text)
        .field("To type", text::code(&secret))
        // Whole, however long: there is nothing in it that could end the code.
        .field("To scan or open", format!("`{url}`"))
        .button(first_code());
    Ok(Reply { once: true, ..reply.only_you() })
}

fn first_code() -> Button {
    Button::new("Fill in the first code", ENROLL).look(Look::Main).form(codes::form("code", "The first code"))
}

fn asks_for_old(who: &str) -> Reply {
    let line = text::code(&format!("deckhand enroll {who}"));
    let text = format!(
        "For another secret, fill in a code of the one that you have. If that is lost, the operator runs {line} on the server."
    );
    Reply::card(Tone::Warn, "You have one-time codes already", text).button(old_code()).only_you()
}

fn old_code() -> Button {
    Button::new("Fill in a code", ENROLL).form(codes::form("old", "A code of the old secret"))
}
