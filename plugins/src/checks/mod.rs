//! Health checks: every service is looked at all the time, changes are told once, and `/status` says it in one glance.

mod settings;
mod show;
mod state;
mod watch;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::cx::{Cx, Ports};
use commands::offer::{Measure, Offers};
use commands::plugin::Plugin;
use commands::reply::Reply;
use commands::spec::{ArgSpec, CommandSpec, Kind, PluginSpec};
use commands::stop::{Result, Stop};
use commands::text;
use futures::future::join_all;
use serde::Deserialize;
use settings::{Check, Settings};
use std::ops::Range;
use std::sync::Arc;
use watch::Watcher;

/// What can be asked about the health of services.
pub static SPEC: PluginSpec = PluginSpec {
    name: "checks",
    about: "Looks at every service all the time, tells once what changes, and shows in one glance how all of them are.",
    commands: &[
        CommandSpec {
            name: "status",
            about: "Show what is live where, and whether it is well",
            args: &[
                ArgSpec::optional("service", Kind::Service, "Only this service"),
                ArgSpec::optional("env", Kind::Environment, "Only this environment"),
                ArgSpec::optional("now", Kind::Choice(&["yes"]), "Run the checks at once"),
            ],
            examples: &["status", "status hello", "status service:hello env:production now:yes"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "service list",
            about: "List the services, and whom to ask about each",
            examples: &["service list"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "service show",
            about: "Show all that is known of a service",
            args: &[ArgSpec::required("service", Kind::Service, "Which service")],
            examples: &["service show hello"],
            ..CommandSpec::READS
        },
    ],
    start: |setup| Arc::new(Checks { watcher: Watcher::default(), settings: Settings::read(setup) }),
};

/// The plugin at work.
struct Checks {
    settings: Settings,
    watcher: Watcher,
}

#[derive(Deserialize)]
struct StatusArgs {
    service: Option<String>,
    env: Option<String>,
    now: Option<String>,
}

#[derive(Deserialize)]
struct ShowArgs {
    service: String,
}

#[async_trait]
impl Plugin for Checks {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "status" => self.status(cx).await,
            "service list" => Ok(show::services(&self.settings)),
            "service show" => self.show(cx).await,
            other => Err(anyhow::anyhow!("the checks plugin does not know `{other}`").into()),
        }
    }

    async fn watch(&self, cx: &Cx) {
        join_all(self.settings.checks.iter().map(|check| self.watcher.follow(cx, check, &self.settings.tell))).await;
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }
}

#[async_trait]
impl Offers for Checks {
    async fn measures(
        &self,
        _ports: &Ports,
        service: &str,
        environment: &str,
        span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Vec<Measure>> {
        Ok(self.of(service, environment).flat_map(|check| self.watcher.measures(check, &span)).collect())
    }
}

impl Checks {
    async fn status(&self, cx: &Cx) -> Result<Reply> {
        let StatusArgs { service, env, now } = cx.args()?;
        let wanted = |check: &&Check| {
            service.as_ref().is_none_or(|only| *only == check.service)
                && env.as_ref().is_none_or(|only| *only == check.environment)
        };
        let looked_now = now.is_some();
        if looked_now {
            let checks: Vec<_> = self.settings.checks.iter().filter(wanted).collect();
            cx.progress(Reply::say(format!("Running {}.", text::plural(checks.len(), "check"))));
            join_all(checks.into_iter().map(|check| self.watcher.look(cx.ports(), check))).await;
        }
        let vocabulary = cx.ports().vocabulary.clone();
        let mut glances = Vec::new();
        for name in vocabulary.services.iter().filter(|name| service.as_ref().is_none_or(|only| only == *name)) {
            for place in vocabulary.environments.iter().filter(|name| env.as_ref().is_none_or(|only| only == *name)) {
                glances.extend(self.glance(cx, name, place, looked_now).await?);
            }
        }
        if glances.is_empty() {
            return Err(Stop::refuse(
                "Nothing is live there, and nothing is checked. `/status` alone shows all; the operator writes checks as sections `[services.NAME.checks.NAME]`.",
            ));
        }
        Ok(show::status(&glances, service.as_deref(), env.as_deref()))
    }

    /// How a service is in one place; nothing where nothing is known of it.
    async fn glance(&self, cx: &Cx, service: &str, environment: &str, now: bool) -> Result<Option<show::Glance>> {
        let live = cx.ports().offered.live(cx.ports(), service, environment).await?;
        let states: Vec<_> = self.of(service, environment).map(|check| self.watcher.state(check)).collect();
        if live.is_none() && states.is_empty() {
            return Ok(None);
        }
        Ok(Some(show::glance(service, environment, live, &states, now, cx.now())))
    }

    async fn show(&self, cx: &Cx) -> Result<Reply> {
        let ShowArgs { service } = cx.args()?;
        let mut glances = Vec::new();
        let mut notes = Vec::new();
        for environment in &cx.ports().vocabulary.environments {
            glances.extend(self.glance(cx, &service, environment, false).await?);
            let said = cx.ports().offered.notes(cx.ports(), &service, environment).await?;
            notes.extend((!said.is_empty()).then(|| (environment.clone(), said.join(" "))));
        }
        let known = self.settings.services.get(&service).cloned().unwrap_or_default();
        let checks: Vec<_> = self.settings.checks.iter().filter(|check| check.service == service).collect();
        Ok(show::service(&service, &known, &checks, &glances, notes))
    }

    fn of(&self, service: &str, environment: &str) -> impl Iterator<Item = &Check> {
        self.settings.checks.iter().filter(move |check| check.service == service && check.environment == environment)
    }
}
