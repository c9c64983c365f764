//! `/grant` and `/revoke`: lending a right of one's own, and taking it back.

use crate::gate::Bot;
use crate::gate::grants::{self, GRANTS, Grant};
use commands::act::Act;
use commands::cx::Cx;
use commands::policy::Pattern;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use std::time::Duration;

/// Longer than this is no help for a while, but a role.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

#[derive(serde::Deserialize)]
struct GrantArgs {
    person: String,
    may: String,
    r#for: Duration,
    because: String,
}

pub(super) async fn grant(bot: &Bot, cx: &Cx) -> Result<Reply> {
    let GrantArgs { person, may, r#for, because } = cx.args()?;
    if !cx.call().who.known {
        return Err(Stop::refuse(
            "Only a person of the config can lend a right: yours comes from a role of this chat. The operator adds you under `people`.",
        ));
    }
    if person == cx.who() {
        return Err(Stop::refuse("You can not lend a right to yourself: what you may do, you may do already."));
    }
    if r#for > LONGEST {
        return Err(Stop::refuse(
            "A grant lasts 7 days at most, for example `for:2h`. For longer, ask the operator for a role.",
        ));
    }
    let pattern = Pattern::parse(&may, &bot.registry, &cx.ports().vocabulary).map_err(Stop::refuse)?;
    let until = cx.now() + r#for;
    let shown = until.with_timezone(&cx.ports().vocabulary.zone).format("%Y-%m-%d %H:%M %Z").to_string();
    let lends =
        Grant { from: cx.who().to_owned(), to: person.clone(), may: pattern.to_string(), until, why: because.clone() };
    let act = Act {
        verb: "grant",
        object: format!("{person}: {pattern} for {}", config::duration::show(r#for)),
        // For how long, not until when: the time counts from when it is done, after a yes or an approval.
        says: format!("Lend {person} the right to {} for {}.", text::code(&may), config::duration::show(r#for)),
        // Not until when: that would be another grant whenever a yes or an approval comes.
        facts: vec![("person", person.clone()), ("may", pattern.to_string()), ("for", config::duration::show(r#for))],
        why: because,
        ..Act::default()
    };
    let number = cx
        .act(act, async |permit| {
            let name = grants::name(permit.act());
            grants::prune(cx.store(), cx.now(), permit).await?;
            GRANTS.put(permit, name, &lends)?;
            permit.undo(Some(format!("revoke {}", permit.act())));
            Ok(permit.act())
        })
        .await?;
    bot.reload_grants().await?;
    let says = format!(
        "Until {shown}, {} may do {} as far as you may do it yourself.",
        text::code(&person),
        text::code(&pattern.to_string())
    );
    Ok(Reply::card(Tone::Good, format!("Grant #{number}"), says)
        .button(Button::new("Revoke", format!("revoke {number}"))))
}

pub(super) async fn revoke(bot: &Bot, cx: &Cx) -> Result<Reply> {
    #[derive(serde::Deserialize)]
    struct RevokeArgs {
        grant: u64,
    }
    let RevokeArgs { grant: number } = cx.args()?;
    let name = grants::name(number);
    let Some(found) = GRANTS.get(cx.store(), &name).await?.filter(|grant| grant.value.until > cx.now()) else {
        return Err(Stop::refuse(format!(
            "There is no grant #{number} now: it has ended, or never was. `/audit verb:grant` lists them."
        )));
    };
    let Grant { from, to, may, .. } = found.value;
    let act = Act {
        verb: "grant.revoke",
        object: format!("{to}: {may}"),
        says: format!("Take back what {from} lent {to}: {}.", text::code(&may)),
        facts: vec![("grant", number.to_string())],
        ..Act::default()
    };
    cx.act(act, async |permit| {
        permit.expect(GRANTS.key(&name), found.version);
        permit.delete(GRANTS.key(&name));
        Ok(())
    })
    .await?;
    bot.reload_grants().await?;
    Ok(Reply::say(format!(
        "Grant #{number} has ended: {} may no longer do {} by it.",
        text::code(&to),
        text::code(&may)
    )))
}
