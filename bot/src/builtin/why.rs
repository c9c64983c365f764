//! `/why`: the trace of the last refusal, or of a line.

use crate::gate::Bot;
use crate::gate::refusal::{stranger, whom};
use commands::cx::Cx;
use commands::parse;
use commands::policy::{Asks, Step};
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;

#[derive(serde::Deserialize)]
struct WhyArgs {
    line: Option<String>,
    person: Option<String>,
}

pub(super) fn why(bot: &Bot, cx: &Cx) -> Result<Reply> {
    let WhyArgs { line, person } = cx.args()?;
    if cx.call().who.is_stranger() {
        return Err(Stop::refuse(stranger(&cx.call().who)));
    }
    let Some(line) = line else {
        let Some(refused) = bot.last_refusal(cx.who()) else {
            return Ok(Reply::say(
                "You were refused nothing since Deckhand was started. To try a line without doing anything, say `/why line:\"…\"`.",
            )
            .only_you());
        };
        let title = format!("Why not {}", text::code(&format!("/{}", refused.line)));
        return Ok(trace(Tone::Bad, title, whom(&refused.who_may), refused.trace).only_you());
    };
    let ports = cx.ports();
    let invocation = parse::parse(&line, &bot.registry, &ports.vocabulary, cx.now())
        .map_err(|mistake| Stop::refuse(mistake.what))?;
    let who = match person {
        Some(name) if name != cx.who() => bot.people.named(&name),
        _ => cx.call().who.clone(),
    };
    let question = bot.question(&who, invocation.command, &invocation.args, &cx.call().place);
    let decision = bot.decide(&question);
    let line = text::code(&format!("/{}", invocation.line()));
    let name = text::plain(&who.name);
    let (tone, says) = match decision.allowed {
        true => (Tone::Good, format!("{name} may say {line}, here and now{}.", asked_for(&decision.asks))),
        false => (Tone::Bad, format!("{name} may not say {line}. {}", whom(&bot.policy.who_may(&question)))),
    };
    Ok(trace(tone, "What the rules say".to_owned(), says, decision.trace).only_you())
}

/// What somebody is asked for who may say a line.
fn asked_for(asks: &Asks) -> String {
    let own = match (asks.confirm, asks.code) {
        (false, None) => "",
        (true, None) => ", and is asked for a yes",
        (_, Some(_)) => ", and is asked for a yes with a one-time code unless one was right just before",
    };
    let others = asks.approvals.iter().map(|needed| format!(", once it has {needed}"));
    std::iter::once(own.to_owned()).chain(others).collect()
}

fn trace(tone: Tone, title: String, says: String, steps: Vec<Step>) -> Reply {
    let reply = Reply::card(tone, title, says);
    if steps.is_empty() {
        return reply.field("Rules", "None is about this command; what no rule allows is denied.");
    }
    let row = |step: Step| {
        let mark = if step.applied { "→" } else { "–" };
        [format!("{mark} {}", step.said), step.rule, step.source]
    };
    reply.table(["It", "Rule", "Where"], steps.into_iter().map(row).collect())
}
