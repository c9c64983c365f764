//! `/queue list` and `/queue leave`: who waits for what, and how to wait no longer.

use crate::gate::{Bot, queue};
use commands::cx::{Cx, InLine};
use commands::offer::Held;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

#[derive(Deserialize)]
struct ListArgs {
    service: Option<String>,
    env: Option<String>,
}

#[derive(Deserialize)]
struct LeaveArgs {
    service: String,
    env: String,
    number: Option<u64>,
}

pub(super) async fn list(bot: &Bot, cx: &Cx) -> Result<Reply> {
    let ListArgs { service, env } = cx.args()?;
    let wanted = |(its_service, its_env): &(String, String)| {
        service.as_ref().is_none_or(|only| only == its_service) && env.as_ref().is_none_or(|only| only == its_env)
    };
    let mut rows = Vec::new();
    for (service, environment) in bot.lines().into_iter().filter(wanted) {
        for (ahead, InLine { who, line, since, .. }) in bot.line(&service, &environment).into_iter().enumerate() {
            let since = text::ago(since, cx.now());
            rows.push([
                format!("{service} / {environment}"),
                queue::place(ahead),
                text::plain(&who),
                text::code(&line),
                since,
            ]);
        }
    }
    for Held { service, environment, since, says } in cx.ports().offered.held(cx.ports()).await? {
        if wanted(&(service.clone(), environment.clone())) {
            let since = text::ago(since, cx.now());
            rows.push([format!("{service} / {environment}"), "held".to_owned(), "–".to_owned(), says, since]);
        }
    }
    if rows.is_empty() {
        return Ok(Reply::say("Nothing is under way there, and nobody waits."));
    }
    Ok(Reply::card(Tone::Plain, "In line", "").table(["Where", "Place", "Who", "What", "Since"], rows))
}

pub(super) fn leave(bot: &Bot, cx: &Cx) -> Result<Reply> {
    let LeaveArgs { service, env, number } = cx.args()?;
    let left = bot.leave(&(service.clone(), env.clone()), cx.who(), number);
    if left.is_empty() {
        let what = if number.is_some() { "That one of yours does not wait" } else { "Nothing of yours waits" };
        return Err(Stop::refuse(format!(
            "{what} for `{service}` in `{env}`, so nothing was done. What is under way is ended with its own command, a deploy with `/deploy cancel`; `/queue list` shows who waits."
        )));
    }
    let left: Vec<_> = left.iter().map(|line| text::to_say(line)).collect();
    Ok(Reply::say(format!("You left the line for `{service}` in `{env}`. Not done: {}.", left.join(", "))).only_you())
}
