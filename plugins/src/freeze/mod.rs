//! Freezes: times when nothing changes, from the config, from calendars, or because somebody said so.

mod records;
mod settings;
mod show;
mod window;

use crate::calendar::Span;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::plugin::{Guarded, Plugin};
use commands::reply::Reply;
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, PluginSpec};
use commands::stop::{Result, Stop};
use records::{FREEZES, Freeze, Frozen, LIFTS, Lift, lifts, made, name, prune};
use serde::Deserialize;
use settings::Settings;
use std::sync::Arc;
use std::time::Duration;
use window::{Scope, When};

const BECAUSE: ArgSpec = ArgSpec::required("because", Kind::Text, "Why, for those whom it stops");
const ENVIRONMENT: ArgSpec = ArgSpec::optional("env", Kind::Environment, "Only this environment; all if left out");
const SERVICE: ArgSpec = ArgSpec::optional("service", Kind::Service, "Only this service; all if left out");

/// A command that changes freezes. None of them waits for a deploy that is under way, and no guard is asked.
const FREEZES_ONLY: CommandSpec = CommandSpec { urgent: true, ..CommandSpec::CHANGES };

/// What can be said about freezes.
pub static SPEC: PluginSpec = PluginSpec {
    name: "freeze",
    about: "Keeps everybody from changing anything at certain times, but for going back.",
    commands: &[
        CommandSpec {
            name: "freeze add",
            about: "Let nothing change for a time, but for going back",
            args: &[
                ArgSpec::required("until", Kind::Later, "When it ends"),
                BECAUSE,
                ENVIRONMENT,
                SERVICE,
                ArgSpec::optional("from", Kind::Later, "When it begins; at once if left out"),
            ],
            examples: &[
                "freeze add until:\"monday 8:00\" because:\"the big sale\" env:production from:\"friday 17:00\"",
                "freeze add 2h because:\"we look into the outage\" service:hello",
            ],
            ..FREEZES_ONLY
        },
        CommandSpec {
            name: "freeze remove",
            about: "End a freeze that someone made, before its time",
            args: &[ArgSpec::required("number", Kind::Integer(1, i64::MAX), "The freeze's number")],
            examples: &["freeze remove 41"],
            ..FREEZES_ONLY
        },
        CommandSpec {
            name: "freeze break",
            about: "In an emergency: lift all freezes for yourself, for a while",
            args: &[
                ArgSpec::required("env", Kind::Environment, "Where"),
                ArgSpec::required("because", Kind::Text, "Why it can not wait"),
                ArgSpec::optional("service", Kind::Service, "For which service; all if left out"),
                ArgSpec::optional("for", Kind::Duration, "For how long"),
            ],
            examples: &["freeze break env:production because:\"nobody can log in\" service:hello for:30m"],
            ..FREEZES_ONLY
        },
        CommandSpec {
            name: "freeze check",
            about: "Show what is frozen now, or at a moment to come",
            args: &[ArgSpec::optional("at", Kind::Later, "When; now if left out"), ENVIRONMENT, SERVICE],
            effect: Effect::Reads,
            urgent: false,
            examples: &["freeze check friday 17:00", "freeze check env:production"],
            ..FREEZES_ONLY
        },
        CommandSpec {
            name: "freeze list",
            about: "Show the freezes that hold now, and those to come",
            args: &[ENVIRONMENT, SERVICE],
            effect: Effect::Reads,
            urgent: false,
            examples: &["freeze list", "freeze list production"],
            ..FREEZES_ONLY
        },
    ],
    start: |setup| Arc::new(Freezes { settings: Settings::read(setup) }),
};

/// The plugin at work.
struct Freezes {
    settings: Settings,
}

#[derive(Deserialize)]
struct AddArgs {
    until: DateTime<Utc>,
    because: String,
    env: Option<String>,
    service: Option<String>,
    from: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct BreakArgs {
    env: String,
    because: String,
    service: Option<String>,
    r#for: Option<Duration>,
}

#[derive(Deserialize)]
struct LookArgs {
    at: Option<DateTime<Utc>>,
    env: Option<String>,
    service: Option<String>,
}

#[async_trait]
impl Plugin for Freezes {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "freeze add" => add(cx).await,
            "freeze remove" => remove(cx).await,
            "freeze break" => self.lift(cx).await,
            "freeze check" => self.check(cx).await,
            "freeze list" => self.list(cx).await,
            other => Err(anyhow::anyhow!("the freeze plugin does not know `{other}`").into()),
        }
    }

    async fn complete(&self, arg: &ArgSpec, _given: &Args, ports: &Ports) -> Vec<Choice> {
        if arg.name != "number" {
            return Vec::new();
        }
        let now = ports.clock.now();
        let made = made(&*ports.store).await.unwrap_or_default().into_iter().filter(|(_, freeze)| freeze.until > now);
        made.map(|(number, freeze)| Choice::new(number.to_string(), show::about(&freeze))).collect()
    }

    async fn guard(&self, cx: &Cx) -> anyhow::Result<Guarded> {
        let Some(invocation) = cx.invocation() else { return Ok(Guarded::Allow) };
        if invocation.command.effect == Effect::GoesBack {
            return Ok(Guarded::Allow);
        }
        let (service, environment) = (invocation.service(), invocation.environment());
        let bound = |frozen: &Frozen| frozen.scope.covers(service, environment);
        let frozen = self.all(cx, |when| when.at(cx.now())).await?.into_iter().filter(bound);
        let Some(frozen) = frozen.max_by_key(|frozen| frozen.span.until) else { return Ok(Guarded::Allow) };
        // What is lifted for one service is not lifted for a change that may be about others.
        let lifted = |lift: &Lift| {
            let among = |names: &[String], name: Option<&str>| {
                names.is_empty() || name.is_some_and(|name| names.iter().any(|it| it == name))
            };
            lift.who == cx.who() && among(&lift.scope.services, service) && among(&lift.scope.environments, environment)
        };
        Ok(match lifts(cx.store(), cx.now()).await?.into_iter().find(lifted) {
            Some(lift) => Guarded::Warn(show::passes(&frozen, &lift, cx)),
            None => {
                let others = others(cx, service, environment).await;
                Guarded::Deny(Box::new(show::stopped(&frozen, service, environment, others.as_deref(), cx)))
            }
        })
    }
}

/// Who may lift a freeze, where the caller may not, as far as that can be told.
async fn others(cx: &Cx, service: Option<&str>, environment: Option<&str>) -> Option<Vec<String>> {
    let service = service.map(|service| format!(" service:{service}")).unwrap_or_default();
    let line = format!("freeze break env:{}{service} because:why", environment?);
    cx.would(&line).await.ok().filter(|foreseen| !foreseen.allowed).map(|foreseen| foreseen.who_may)
}

impl Freezes {
    /// The freezes for which `find` finds a time.
    async fn all(&self, cx: &Cx, find: impl Fn(&When) -> Option<Span>) -> anyhow::Result<Vec<Frozen>> {
        let made = made(cx.store()).await?;
        let written = self.settings.windows.iter().filter_map(|window| {
            Some(Frozen { scope: window.scope.clone(), span: find(&window.when)?, why: window.why.clone(), made: None })
        });
        let said = made.into_iter().filter_map(|(number, freeze)| {
            let span = find(&freeze.when())?;
            Some(Frozen { scope: freeze.scope.clone(), span, why: freeze.why.clone(), made: Some((number, freeze)) })
        });
        Ok(written.chain(said).collect())
    }

    async fn check(&self, cx: &Cx) -> Result<Reply> {
        let LookArgs { at, env, service } = cx.args()?;
        let at = at.unwrap_or_else(|| cx.now());
        let wanted = |frozen: &Frozen| wanted(frozen, service.as_deref(), env.as_deref());
        let mut frozen = self.all(cx, |when| when.at(at)).await?;
        frozen.retain(wanted);
        frozen.sort_by_key(|frozen| std::cmp::Reverse(frozen.span.until));
        let next = self.all(cx, |when| when.next(at)).await?.into_iter().filter(wanted);
        Ok(show::checked(at, &frozen, next.min_by_key(|frozen| frozen.span.from), cx))
    }

    async fn list(&self, cx: &Cx) -> Result<Reply> {
        let LookArgs { env, service, .. } = cx.args()?;
        let now = cx.now();
        let mut found = self.all(cx, |when| when.at(now).or_else(|| when.next(now))).await?;
        found.retain(|frozen| wanted(frozen, service.as_deref(), env.as_deref()));
        found.sort_by_key(|frozen| frozen.span.from);
        Ok(show::list(&found, &lifts(cx.store(), now).await?, cx))
    }

    async fn lift(&self, cx: &Cx) -> Result<Reply> {
        let BreakArgs { env, because, service, r#for } = cx.args()?;
        let lasts = r#for.unwrap_or(self.settings.lift);
        if lasts > self.settings.longest_lift {
            let longest = config::duration::show(self.settings.longest_lift);
            return Err(Stop::refuse(format!(
                "A freeze is lifted for {longest} at the most, so it was not. Say `for:{longest}` or less."
            )));
        }
        let (service, env) = (service.as_deref(), Some(env.as_str()));
        let scope = Scope::of(service, env);
        let until = cx.now() + lasts;
        let mut lifted = self.all(cx, |when| when.at(cx.now()).or_else(|| when.next(cx.now()))).await?;
        lifted.retain(|frozen| frozen.scope.covers(service, env) && frozen.span.from < until);
        if lifted.is_empty() {
            return Err(Stop::refuse(format!(
                "Nothing is frozen for {scope} until {}, so there is nothing to lift. Just go on.",
                show::moment(until, cx)
            )));
        }
        let lift = Lift { scope, who: cx.who().to_owned(), until, why: because.clone() };
        let act = Act {
            verb: "freeze.break",
            object: format!("for {}", config::duration::show(lasts)),
            service: service.map(str::to_owned),
            environment: env.map(str::to_owned),
            says: format!("Lift all freezes of {} for yourself until {}.", lift.scope, show::moment(until, cx)),
            facts: vec![("scope", lift.scope.to_string()), ("for", config::duration::show(lasts))],
            why: because,
            ..Act::default()
        };
        let reply = show::broken(&lift, &lifted, cx);
        cx.act(act, async |permit| {
            prune(cx.store(), cx.now(), permit).await?;
            LIFTS.put(permit, name(permit.act()), &lift)?;
            permit.note(format!("until {}", show::moment(until, cx)));
            // Here, everybody sees the answer itself.
            let here = |freeze: &Freeze| freeze.place.channel == cx.call().place.channel;
            for (number, freeze) in lifted.iter().filter_map(|frozen| frozen.made.as_ref()).filter(|it| !here(&it.1)) {
                permit.say(&freeze.place, show::told_of_break(*number, freeze, &lift, cx))?;
            }
            Ok(())
        })
        .await?;
        Ok(reply)
    }
}

/// Whether a freeze is about what was asked for; all are, where nothing was.
fn wanted(frozen: &Frozen, service: Option<&str>, environment: Option<&str>) -> bool {
    service.is_none() && environment.is_none() || frozen.scope.covers(service, environment)
}

async fn add(cx: &Cx) -> Result<Reply> {
    let AddArgs { until, because, env, service, from } = cx.args()?;
    let from = from.unwrap_or_else(|| cx.now());
    if until <= from.max(cx.now()) {
        return Err(Stop::refuse(format!(
            "It would end at {}, before it begins, so nothing was frozen. Say a later `until`, as in `until:\"friday 17:00\"`.",
            show::moment(until, cx)
        )));
    }
    let scope = Scope::of(service.as_deref(), env.as_deref());
    // Whoever takes the end of one back twice has one freeze.
    let same = |it: &Freeze| (&it.scope, it.from, it.until, &it.why) == (&scope, from, until, &because);
    if let Some((number, _)) = made(cx.store()).await?.into_iter().find(|(_, freeze)| same(freeze)) {
        return Err(Stop::refuse(format!(
            "That is freeze #{number} already, so nothing was frozen anew. `/freeze list` shows all."
        )));
    }
    let (who, place) = (cx.who().to_owned(), cx.call().place.clone());
    let freeze = Freeze { scope, from, until, who, why: because.clone(), place };
    let act = Act {
        verb: "freeze.add",
        object: format!("{} until {}", freeze.scope.to_string().replace('`', ""), show::moment(until, cx)),
        service,
        environment: env,
        says: format!("Freeze {} from {} until {}.", freeze.scope, show::moment(from, cx), show::moment(until, cx)),
        facts: vec![("from", from.to_rfc3339()), ("until", until.to_rfc3339())],
        why: because,
        ..Act::default()
    };
    let number = cx
        .act(act, async |permit| {
            prune(cx.store(), cx.now(), permit).await?;
            FREEZES.put(permit, name(permit.act()), &freeze)?;
            permit.undo(Some(format!("freeze remove {}", permit.act())));
            permit.state(FREEZES.key(name(permit.act())));
            Ok(permit.act())
        })
        .await?;
    Ok(show::added(number, &freeze, cx))
}

async fn remove(cx: &Cx) -> Result<Reply> {
    #[derive(Deserialize)]
    struct RemoveArgs {
        number: u64,
    }
    let RemoveArgs { number } = cx.args()?;
    let found = FREEZES.get(cx.store(), name(number)).await?.filter(|freeze| freeze.value.until > cx.now());
    let Some(found) = found else {
        return Err(Stop::refuse(format!(
            "There is no freeze #{number} to remove: it is over, or of the config, which the operator edits. `/freeze list` shows all."
        )));
    };
    let freeze = found.value;
    let act = Act {
        verb: "freeze.remove",
        object: format!("#{number}"),
        service: freeze.scope.services.first().cloned(),
        environment: freeze.scope.environments.first().cloned(),
        says: format!("End the freeze of {} before its time.", freeze.scope),
        facts: vec![("freeze", number.to_string())],
        undo: Some(show::line(&freeze)),
        state: Some(FREEZES.key(name(number))),
        ..Act::default()
    };
    cx.act(act, async |permit| {
        permit.expect(FREEZES.key(name(number)), found.version);
        permit.delete(FREEZES.key(name(number)));
        if freeze.who != cx.who() && freeze.place.channel != cx.call().place.channel {
            permit.say(&freeze.place, show::told_of_end(number, &freeze, cx))?;
        }
        Ok(())
    })
    .await?;
    Ok(Reply::say(format!(
        "Freeze #{number} has ended: {} may change again, as far as nothing else is in the way.",
        freeze.scope
    )))
}
