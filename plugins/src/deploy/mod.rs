//! Deploys: a program that ships an exact commit, a health check that says whether it is live, and the way back.

mod afterwards;
mod artifact;
mod back;
mod cancel;
mod carried;
mod course;
mod doubt;
mod driver;
mod health;
mod logs;
mod look;
mod offers;
mod order;
mod over;
mod params;
mod plan;
mod reconcile;
mod records;
mod retry;
mod settings;
mod ship;
mod show;
mod source;
mod strategy;
mod verdict;

use crate::github::webhooks::{self, Webhooks};
use crate::program::UnderWay;
use anyhow::Context;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::Entry;
use commands::offer::Offers;
use commands::parse::Invocation;
use commands::plugin::{Guarded, Job, Plugin, nothing_kept};
use commands::reply::Reply;
use commands::route::{Answer, Incoming, Route};
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, PluginSpec};
use commands::stop::{Result, Stop};
use commands::text;
use config::Schedule;
use look::history;
use plan::{Plan, Way};
use records::{Release, Target};
use serde::Deserialize;
use settings::{Service, Settings};
use source::callbacks::Callbacks;
use source::{callbacks, git};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};

const SERVICE: ArgSpec = ArgSpec::required("service", Kind::Service, "Which service");
const ENVIRONMENT: ArgSpec = ArgSpec::required("env", Kind::Environment, "Where");
const REFERENCE: ArgSpec = ArgSpec::required("ref", Kind::Ref, "A tag, a branch or a commit");
// It is no text, so that the reason still takes the rest of a line.
const PLAN: ArgSpec = ArgSpec::optional("plan", Kind::Ref, "Only if this plan still holds; its button fills this in");
const BECAUSE: ArgSpec = ArgSpec::optional("because", Kind::Text, "Why, for the ledger");

const PARAMS: ArgSpec =
    ArgSpec::optional("params", Kind::Text, "What it is shipped with: `level=debug count=3`").by_name();
const TARGETS: ArgSpec =
    ArgSpec::optional("targets", Kind::Choice(&retry::TARGETS), "`all`, to ship to those that are on it already, too");

/// What can be said about deploys.
pub static SPEC: PluginSpec = PluginSpec {
    name: "deploy",
    about: "Ships an exact commit of a service to an environment, checks that it is well, and leads back.",
    commands: &[
        CommandSpec {
            name: "deploy ship",
            about: "Ship a tag, branch or commit of a service to an environment",
            args: &[SERVICE, ENVIRONMENT, REFERENCE, BECAUSE, PLAN, PARAMS],
            examples: &["deploy ship service:hello env:staging ref:v2", "deploy ship hello staging v2"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "deploy plan",
            about: "Show what a ship would do, and what is in its way, without doing it",
            args: &[SERVICE, ENVIRONMENT, REFERENCE, PARAMS],
            examples: &["deploy plan service:hello env:staging ref:v2", "deploy plan hello staging v2"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "deploy promote",
            about: "Ship what is live in the environment before to this one",
            args: &[SERVICE, ENVIRONMENT, BECAUSE, PARAMS],
            examples: &["deploy promote hello production", "deploy promote service:hello env:production"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "deploy retry",
            about: "Ship the same commit again, where the last deploy failed: to the targets that are not on it yet",
            args: &[SERVICE, ENVIRONMENT, BECAUSE, TARGETS],
            examples: &["deploy retry hello staging", "deploy retry hello staging targets:all"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "deploy rollback",
            about: "Go back to a release that was live and well before",
            args: &[
                SERVICE,
                ENVIRONMENT,
                ArgSpec::optional("to", Kind::Ref, "Which; if left out and there are several, it asks"),
                BECAUSE,
            ],
            effect: Effect::GoesBack,
            examples: &[
                "deploy rollback hello staging",
                "deploy rollback hello staging to:v1 because:\"the page is blank\"",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "deploy cancel",
            about: "End the deploy that is under way",
            args: &[
                SERVICE,
                ENVIRONMENT,
                ArgSpec::optional(
                    "number",
                    Kind::Integer(1, i64::MAX),
                    "Only if it is this one; its button fills this in",
                ),
            ],
            urgent: true,
            examples: &["deploy cancel hello staging"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "deploy settle",
            about: "Say what is live, where nobody knows how the last deploy ended",
            args: &[
                SERVICE,
                ENVIRONMENT,
                ArgSpec::required("live", Kind::Ref, "What is live: a release, or `nothing`; `unknown` takes it back"),
                BECAUSE,
            ],
            urgent: true,
            examples: &[
                "deploy settle hello staging v2",
                "deploy settle service:hello env:staging live:v1 because:\"the run was deleted\"",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "deploy status",
            about: "Show what is live where, and what is under way",
            args: &[
                ArgSpec::optional("service", Kind::Service, "Only this service"),
                ArgSpec::optional("env", Kind::Environment, "Only this environment"),
            ],
            examples: &["deploy status", "deploy status hello"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "deploy live",
            about: "Show what is live of a service everywhere: commit, since when, by whom, and how far behind",
            args: &[SERVICE],
            examples: &["deploy live hello"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "deploy diff",
            about: "Show the commits between what is live and another environment, tag, branch or commit",
            args: &[
                SERVICE,
                ENVIRONMENT,
                ArgSpec::optional("against", Kind::Ref, "An environment or a ref; the environment before if left out"),
            ],
            examples: &["deploy diff hello production", "deploy diff hello staging against:main"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "deploy verdict",
            about: "Show whether what was shipped last is as well as what was there before",
            args: &[SERVICE, ENVIRONMENT],
            examples: &["deploy verdict hello production"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "deploy keep",
            about: "Say that what was shipped last stays, and watch it no longer",
            args: &[
                SERVICE,
                ENVIRONMENT,
                ArgSpec::optional(
                    "number",
                    Kind::Integer(1, i64::MAX),
                    "Only if it is this deploy; its button fills this in",
                ),
            ],
            urgent: true,
            examples: &["deploy keep hello production"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "deploy history",
            about: "Show the last deploys of a service in an environment, or one of them with its log",
            args: &[
                SERVICE,
                ENVIRONMENT,
                ArgSpec::optional("number", Kind::Integer(1, i64::MAX), "Only this one, in full and with its log"),
                ArgSpec::optional("outcome", Kind::Choice(&history::OUTCOMES), "Only those that went like this"),
                ArgSpec::optional("before", Kind::Integer(1, i64::MAX), "Only before this one: the next page"),
            ],
            examples: &["deploy history hello staging", "deploy history hello staging number:41"],
            ..CommandSpec::READS
        },
    ],
    start: |setup| {
        Arc::new(Deployer { settings: Settings::read(setup), under_way: UnderWay::default(), tried: Mutex::default() })
    },
};

/// The commands that ship something new, as it is when their turn comes.
const FORWARD: [&str; 2] = ["deploy ship", "deploy promote"];

/// The commands that ship at all: none does where nobody knows how the last one ended.
const SHIPS: [&str; 4] = ["deploy ship", "deploy promote", "deploy retry", "deploy rollback"];

/// The verbs of their acts.
const SHIPPING: [&str; 2] = ["deploy.ship", plan::BACK];

/// The plugin at work.
pub(crate) struct Deployer {
    settings: Settings,
    under_way: UnderWay<Target>,
    /// The deploys that Deckhand has tried to take back by itself.
    tried: Mutex<HashSet<u64>>,
}

#[derive(Deserialize)]
struct ShipArgs {
    service: String,
    env: String,
    r#ref: String,
    because: Option<String>,
    plan: Option<String>,
    params: Option<String>,
}

#[derive(Deserialize)]
struct VerdictArgs {
    service: String,
    env: String,
    number: Option<u64>,
}

#[async_trait]
impl Plugin for Deployer {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "deploy ship" => self.ship(cx).await,
            "deploy plan" => self.plan(cx).await,
            "deploy promote" => self.promote(cx).await,
            "deploy retry" => self.retry(cx).await,
            "deploy diff" => self.diff(cx).await,
            "deploy rollback" => self.rollback(cx).await,
            "deploy cancel" => self.cancel(cx).await,
            "deploy settle" => self.settle(cx).await,
            "deploy status" => self.status(cx).await,
            "deploy live" => self.live(cx).await,
            "deploy verdict" | "deploy keep" => {
                let VerdictArgs { service, env, number } = cx.args()?;
                let target = Target { service, environment: env };
                match cx.command() {
                    "deploy keep" => self.keep(cx, target, number).await,
                    _ => self.verdict(cx, target).await,
                }
            }
            "deploy history" => self.history(cx).await,
            other => Err(anyhow::anyhow!("the deploy plugin does not know `{other}`").into()),
        }
    }

    async fn complete(&self, arg: &ArgSpec, given: &Args, ports: &Ports) -> Vec<Choice> {
        let text = |name: &str| given.get(name).map(ToString::to_string).unwrap_or_default();
        let target = Target { service: text("service"), environment: text("env") };
        match arg.name {
            "ref" => self.refs(&target.service, ports).await.unwrap_or_default(),
            "against" => self.comparable(&target, ports).await.unwrap_or_default(),
            "params" => self.settings.services.get(&target.service).map(|it| it.params.choices()).unwrap_or_default(),
            "live" => doubt::choices(&target, ports).await.unwrap_or_default(),
            "to" => back::releases(&target, ports).await.unwrap_or_default(),
            "number" => history::numbers(&target, ports).await.unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    async fn guard(&self, cx: &Cx) -> anyhow::Result<Guarded> {
        let Some(invocation) = cx.invocation() else { return Ok(Guarded::Allow) };
        let (Some(service), Some(environment)) = (invocation.service(), invocation.environment()) else {
            return Ok(Guarded::Allow);
        };
        let target = Target { service: service.to_owned(), environment: environment.to_owned() };
        if let Some(held) = doubt::held(cx.store(), &target).await? {
            let deploy = held.value.deploy;
            return Ok(match SHIPS.contains(&invocation.command.name) {
                true => Guarded::Deny(Box::new(doubt::stopped(cx, &target, &held))),
                false => {
                    Guarded::Warn(format!("nobody knows how deploy #{deploy} of `{service}` in `{environment}` ended."))
                }
            });
        }
        let (live, _) = records::live(cx.store(), &target).await?;
        Ok(match live.and_then(|live| live.doubt) {
            Some(number) => {
                Guarded::Warn(format!("nobody knows how deploy #{number} of `{service}` in `{environment}` ended."))
            }
            None => Guarded::Allow,
        })
    }

    fn replaces(&self, newer: &Invocation, waiting: &Invocation) -> bool {
        // Whatever was to be shipped before it would be replaced at once.
        [newer, waiting].iter().all(|said| FORWARD.contains(&said.command.name))
    }

    fn jobs(&self) -> Vec<Job> {
        let often = Schedule::parse("*/5 * * * *", chrono_tz::UTC);
        often.into_iter().map(|schedule| Job { name: carried::JOB, schedule }).collect()
    }

    async fn work(&self, cx: &Cx, _job: &str, _due: DateTime<Utc>) -> Result<()> {
        Ok(self.note_carried(cx).await?)
    }

    async fn watch(&self, cx: &Cx) {
        tokio::join!(self.keep_verdicts(cx), self.keep_doubts(cx));
    }

    fn routes(&self) -> Vec<Route> {
        let webhooks = self.settings.github.webhooks().map(|_| Webhooks::route());
        webhooks.into_iter().chain(self.settings.is_called.then(Callbacks::route)).collect()
    }

    async fn serve(&self, cx: &Cx, route: &str, incoming: Incoming) -> anyhow::Result<Answer> {
        if route == callbacks::NAME {
            return Ok(self.settings.callbacks.take(&incoming));
        }
        let webhooks = self.settings.github.webhooks().filter(|_| route == webhooks::NAME);
        let webhooks = webhooks.with_context(|| format!("the deploy plugin does not know the route `{route}`"))?;
        Ok(webhooks.take(&incoming, |repository, number| cx.ports().offered.issue_closed(repository, number)))
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }

    async fn reconcile(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        match SHIPPING.contains(&&*doing.draft.verb) {
            true => self.find_again(cx, doing).await,
            false => nothing_kept(cx, doing).await,
        }
    }
}

impl Deployer {
    async fn ship(&self, cx: &Cx) -> Result<Reply> {
        let ShipArgs { service, env, r#ref, because, plan: shown, params } = cx.args()?;
        let target = Target { service, environment: env };
        let service = self.service(&target)?;
        let release = git::resolve(cx.ports(), &target.service, &service.repository, &r#ref).await?;
        let release = with(cx, service, &target, release, params.as_deref())?;
        let release = self.proven(cx, service, &target, release).await?;
        let before = records::live(cx.store(), &target).await?;
        let plan = Plan {
            service,
            target,
            release,
            before,
            way: Way::Forward,
            why: because.unwrap_or_default(),
            on: Vec::new(),
        };
        if let Some(shown) = shown {
            self.check_plan(cx, &plan, &shown).await?;
        }
        self.check_order(cx, service, &plan.target, &plan.release).await?;
        self.check_ci(cx, service, &plan.target, &plan.release).await?;
        self.carry_out(cx, plan).await
    }

    /// How the target's service is shipped.
    fn service(&self, target: &Target) -> Result<&Service> {
        let Some(service) = self.settings.services.get(&target.service) else {
            return Err(unknown(&target.service));
        };
        if !service.environments.contains(&target.environment) {
            return Err(Stop::refuse(format!(
                "`{}` is not deployed to `{}`, but to {}.",
                target.service,
                target.environment,
                text::list(&service.environments)
            )));
        }
        Ok(service)
    }

    async fn refs(&self, service: &str, ports: &Ports) -> Result<Vec<Choice>> {
        let Some(settings) = self.settings.services.get(service) else { return Ok(Vec::new()) };
        let found = git::references(ports, service, &settings.repository).await?;
        let choice = |reference: git::Reference| {
            let kind = if reference.tag { "tag" } else { "branch" };
            let about = format!("{kind}, {}", reference.commit.get(..7).unwrap_or_default());
            Choice { value: reference.name, about }
        };
        Ok(found.into_iter().map(choice).collect())
    }
}

/// A release with what it is to be shipped with.
fn with(cx: &Cx, service: &Service, target: &Target, release: Release, given: Option<&str>) -> Result<Release> {
    let params = service.params.take(&target.service, given.unwrap_or_default(), &cx.ports().vocabulary, cx.now())?;
    Ok(Release { params, ..release })
}

/// What was shipped by the deploy `number`, with what it was shipped with then, where the config still takes that.
fn again(cx: &Cx, service: &Service, target: &Target, release: Release, number: u64) -> Result<Release> {
    let then = params::said(&release.params);
    with(cx, service, target, release, Some(&then)).map_err(|stop| match stop {
        Stop::Refused(mut reply) => {
            reply.text = format!(
                "#{number} was shipped with {}, which the config does not take any more. {}",
                text::code(&then),
                reply.text
            );
            Stop::Refused(reply)
        }
        other => other,
    })
}

fn unknown(service: &str) -> Stop {
    Stop::refuse(format!(
        "Deckhand does not know how to ship `{service}`. The operator writes a section `[services.{service}.deploy]` with a `command`."
    ))
}
