//! Who does what in an incident: one leads, and hands over out loud; others help.

use super::records::Role;
use super::{Change, Incidents, meant};
use commands::cx::Cx;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

#[derive(Deserialize)]
struct LeadArgs {
    person: Option<String>,
    because: Option<String>,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct HandOffArgs {
    to: String,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct RoleArgs {
    role: String,
    person: String,
    remove: Option<String>,
    number: Option<u64>,
}

impl Incidents {
    pub(super) async fn lead(&self, cx: &Cx) -> Result<Reply> {
        let LeadArgs { person, because, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        let person = person.unwrap_or_else(|| cx.who().to_owned());
        let before = it.incident.commander().map(str::to_owned);
        if before.as_ref() == Some(&person) {
            return Err(Stop::refuse(format!(
                "{} leads #{} already, so nothing was changed.",
                text::plain(&person),
                it.number
            )));
        }
        if let Some(before) = before.as_ref().filter(|before| *before != cx.who() && because.is_none()) {
            return Err(Stop::refuse(format!(
                "{0} leads #{1}, so nothing was changed. {0} hands over with `/incident handoff`. Can they not be reached? Then say why: `/incident lead number:{1} because:\"…\"`.",
                text::plain(before),
                it.number
            )));
        }
        it.incident.give(Role::Commander, &person);
        let what = match &before {
            Some(before) => format!("{} leads now, in place of {}", text::plain(&person), text::plain(before)),
            None => format!("{} leads", text::plain(&person)),
        };
        let calls = before.into_iter().chain([person]).filter(|who| who != cx.who()).collect();
        let change = Change::now(cx, "incidents.lead", what).because(because).loud();
        self.change(cx, it, Change { calls, ..change }).await
    }

    pub(super) async fn hand_off(&self, cx: &Cx) -> Result<Reply> {
        let HandOffArgs { to, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        let refuse = |text: String| Err(Stop::refuse(text));
        match it.incident.commander() {
            None => {
                return refuse(format!(
                    "Nobody leads #{0}, so there was nothing to hand over. `/incident lead {1} number:{0}` lets {1} lead it.",
                    it.number,
                    text::plain(&to)
                ));
            }
            Some(commander) if commander != cx.who() => {
                return refuse(format!(
                    "{} leads #{}, and only they hand it over, so nothing was changed. Can they not be reached? Then say why: `/incident lead person:{} number:{1} because:\"…\"`.",
                    text::plain(commander),
                    it.number,
                    text::plain(&to)
                ));
            }
            Some(commander) if commander == to => {
                return refuse(format!(
                    "You lead #{} yourself, so nothing was changed. Say `to:` somebody else.",
                    it.number
                ));
            }
            Some(_) => {}
        }
        it.incident.give(Role::Commander, &to);
        let what = format!("{} has handed the lead over to {}", text::plain(cx.who()), text::plain(&to));
        let change = Change::now(cx, "incidents.handoff", what).loud();
        self.change(cx, it, Change { calls: vec![to], ..change }).await
    }

    pub(super) async fn role(&self, cx: &Cx) -> Result<Reply> {
        let RoleArgs { role: word, person, remove, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        let Some(role) = Role::of(&word) else { return Err(anyhow::anyhow!("there is no role {word}").into()) };
        let has = it.incident.roles.iter().any(|(other, who)| *other == role && *who == person);
        let shown = text::plain(&person);
        if has != remove.is_some() {
            let how = if has { "is" } else { "is not" };
            return Err(Stop::refuse(format!(
                "{shown} {how} {word} in #{} already, so nothing was changed.",
                it.number
            )));
        }
        let line = format!("incident role role:{word} person:{person}");
        let (what, undo) = match remove {
            Some(_) => (format!("{shown} is {word} no more"), format!("{line} number:{}", it.number)),
            None => (format!("{shown} is {word}"), format!("{line} remove:yes number:{}", it.number)),
        };
        match remove {
            Some(_) => it.incident.take(role, &person),
            None => it.incident.give(role, &person),
        }
        let calls = Some(person).filter(|who| who != cx.who() && remove.is_none()).into_iter().collect();
        let change = Change::now(cx, "incidents.role", what).undo(undo);
        self.change(cx, it, Change { calls, ..change }).await
    }
}
