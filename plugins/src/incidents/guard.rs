//! The guard: while a bad incident is open, what it affects is changed by those alone whom its commander lets.

use super::records::{Allowed, Standing};
use super::settings::Guard;
use super::{Change, Incidents, meant, show};
use chrono::TimeDelta;
use commands::cx::Cx;
use commands::offer::incident::Stage;
use commands::plugin::Guarded;
use commands::reply::Reply;
use commands::spec::Effect;
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use std::time::Duration;

/// For how long somebody is let who does not say, and at the most.
const ALLOWED: Duration = Duration::from_secs(30 * 60);
const LONGEST_ALLOWED: Duration = Duration::from_secs(24 * 3600);

#[derive(Deserialize)]
struct AllowArgs {
    person: String,
    service: Option<String>,
    r#for: Option<Duration>,
    end: Option<String>,
    number: Option<u64>,
}

impl Incidents {
    /// What open incidents have against a call. The way back is open, and so is what is urgent, about which no guard is asked.
    pub(super) async fn guards(&self, cx: &Cx) -> anyhow::Result<Guarded> {
        let Some(invocation) = cx.invocation() else { return Ok(Guarded::Allow) };
        if self.settings.guard == Guard::Off || invocation.command.effect == Effect::GoesBack {
            return Ok(Guarded::Allow);
        }
        let (service, environment) = (invocation.service(), invocation.environment());
        let guards = |it: &Standing| {
            it.incident.severity.is_some_and(|severity| severity <= self.settings.guarded)
                && it.incident.offered(it.number).concerns(service, environment)
        };
        let open = Standing::open(cx.store()).await?.into_iter().filter(guards);
        let mut warned = None;
        for it in open {
            let leads = it.incident.commander() == Some(cx.who());
            let lets = |allowed: &Allowed| {
                let covers = allowed.service.is_none() || allowed.service.as_deref() == service;
                allowed.who == cx.who() && covers && allowed.until > cx.now()
            };
            let passes = leads || it.incident.allowed.iter().any(lets);
            if self.settings.guard == Guard::Refuse && it.incident.stage == Stage::Open && !passes {
                return Ok(Guarded::Deny(Box::new(stopped(cx, &it))));
            }
            warned = Some(format!("{} is not over.", show::named(&it)));
        }
        Ok(warned.map_or(Guarded::Allow, Guarded::Warn))
    }

    pub(super) async fn allow(&self, cx: &Cx) -> Result<Reply> {
        let AllowArgs { person, service, r#for, end, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        let commander = it.incident.commander();
        if it.incident.stage == Stage::Resolved || commander != Some(cx.who()) {
            let why = match commander {
                _ if it.incident.stage == Stage::Resolved => "It is over, and holds nothing up.".to_owned(),
                Some(commander) => format!("{} leads it, and only they do that.", text::plain(commander)),
                None => format!("Whoever leads it does that: `/incident lead number:{}`.", it.number),
            };
            return Err(Stop::refuse(format!("Nobody was let change what #{} affects. {why}", it.number)));
        }
        let lasts = r#for.unwrap_or(ALLOWED);
        if lasts > LONGEST_ALLOWED {
            return Err(Stop::refuse("Somebody is let for 24h at the most, so nobody was. Say `for:24h` or less."));
        }
        let now = cx.now();
        let who = text::plain(&person);
        let what = service.as_ref().map_or_else(|| show::affected(&it.incident), Clone::clone);
        let allowed = &mut it.incident.allowed;
        allowed.retain(|allowed| allowed.until > now);
        let before = allowed.clone();
        let own = |allowed: &Allowed| allowed.who == person;
        let all = before.iter().find(|allowed| own(allowed) && allowed.service.is_none());
        // Who ends it for nothing in particular ends all of it.
        let ends =
            |allowed: &Allowed| own(allowed) && (end.is_some() && service.is_none() || allowed.service == service);
        allowed.retain(|allowed| !ends(allowed));
        let (says, undo) = match (end, all) {
            (Some(_), Some(all)) if service.is_some() => {
                return Err(Stop::refuse(format!(
                    "{who} may change all that #{} affects until {}, so nothing was changed. `/incident allow {who} end:yes number:{0}` ends that.",
                    it.number,
                    show::moment(cx, all.until)
                )));
            }
            (Some(_), _) if *allowed == before => {
                return Err(Stop::refuse(format!("{who} is not let change {what}, so nothing was changed.")));
            }
            (Some(_), _) => (format!("{who} may not change {what} any more"), None),
            (None, all) => {
                let until = now + TimeDelta::from_std(lasts).unwrap_or_default();
                let is_new = *allowed == before && all.is_none();
                allowed.push(Allowed { who: person.clone(), service: service.clone(), until });
                let of = service.as_ref().map_or_else(String::new, |service| format!(" service:{service}"));
                let undo = format!("incident allow person:{person}{of} end:yes number:{}", it.number);
                (format!("{who} may change {what} until {}", show::moment(cx, until)), is_new.then_some(undo))
            }
        };
        let calls = Some(&person).filter(|person| *person != cx.who()).into_iter().cloned().collect();
        let noted = if undo.is_none() { format!("{who}, otherwise than before") } else { who };
        let change = Change { calls, undo, ..Change::now(cx, "incidents.allow", says).noted(noted) };
        self.change(cx, it, change).await
    }
}

/// What somebody is told whom an incident stops.
fn stopped(cx: &Cx, it: &Standing) -> Reply {
    let way = match it.incident.commander() {
        Some(commander) => format!(
            "{} leads it, and lets you with `/incident allow {} number:{}`.",
            text::plain(commander),
            text::plain(cx.who()),
            it.number
        ),
        None => format!("Nobody leads it yet: whoever says `/incident lead number:{}` may.", it.number),
    };
    Reply::refuse(format!(
        "{} is open, and affects {}. Nothing was done. Going back, and turning a flag off, is always open. {way}",
        show::named(it),
        show::affected(&it.incident)
    ))
}
