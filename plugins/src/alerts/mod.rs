//! Alerts: what watches services tells Deckhand what is not well; it is told once, listed, and silenced from chat.

mod alertmanager;
mod incoming;
mod records;
mod settings;
mod show;
mod silence;
mod take;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::Entry;
use commands::offer::{Alert, Offers};
use commands::parse::Invocation;
use commands::plugin::{Plugin, nothing_kept};
use commands::reply::Reply;
use commands::route::{Answer, Incoming, Route};
use commands::spec::{ArgSpec, CommandSpec, Kind, PluginSpec};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use commands::value::Value;
use http::{Method, StatusCode};
use records::Firing;
use serde::Deserialize;
use serde_json::json;
use settings::Settings;
use std::sync::Arc;
use take::Taker;
use tokio::sync::Mutex;

const ALERT: ArgSpec = ArgSpec::required("alert", Kind::Text, "Its name, or as much of its fingerprint as tells it");
const UNSILENCES: &str = "alert unsilence";
const BECAUSE: ArgSpec = ArgSpec::required("because", Kind::Text, "Why, for whoever wonders that nothing is told");

/// Neither a deploy that is under way nor a freeze keeps an alert from being silenced.
const SILENCES: CommandSpec = CommandSpec { urgent: true, ..CommandSpec::CHANGES };

/// What can be said about alerts.
pub static SPEC: PluginSpec = PluginSpec {
    name: "alerts",
    about: "Takes alerts in from Alertmanager and other programs, tells each once, and silences them from chat.",
    commands: &[
        CommandSpec {
            name: "alert list",
            about: "Show the alerts that fire",
            args: &[
                ArgSpec::optional("service", Kind::Service, "Only those about this service"),
                ArgSpec::optional("env", Kind::Environment, "Only those about this environment"),
            ],
            examples: &["alert list", "alert list hello", "alert list env:production"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "alert show",
            about: "Show one alert in full",
            args: &[ALERT],
            examples: &["alert show HighErrorRate", "alert show alert:3fa2c1"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "alert silence",
            about: "Let an alert wake nobody for a while",
            args: &[ALERT, ArgSpec::required("for", Kind::Duration, "For how long, from a minute to 30 days"), BECAUSE],
            examples: &[
                "alert silence HighErrorRate 2h the database is being moved",
                "alert silence alert:3fa2c1 for:30m because:\"ben looks after it\"",
            ],
            ..SILENCES
        },
        CommandSpec {
            name: UNSILENCES,
            about: "End the silence of an alert",
            args: &[ALERT],
            examples: &["alert unsilence HighErrorRate"],
            ..SILENCES
        },
    ],
    start: |setup| {
        Arc::new(Alerts { settings: Settings::read(setup), taker: Taker::default(), silencing: Mutex::default() })
    },
};

/// The routes, and the longest body that each takes.
const ALERTMANAGER: &str = "alertmanager";
const PROGRAMS: &str = "programs";
const LONGEST: usize = 4 << 20;

/// The plugin at work.
struct Alerts {
    settings: Settings,
    taker: Taker,
    /// Silences are made and ended one after the other: each rests on the one before.
    silencing: Mutex<()>,
}

#[derive(Deserialize)]
struct ListArgs {
    service: Option<String>,
    env: Option<String>,
}

#[derive(Deserialize)]
struct ShowArgs {
    alert: String,
}

#[async_trait]
impl Plugin for Alerts {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "alert list" => self.list(cx).await,
            "alert show" => self.show(cx).await,
            "alert silence" => self.silence(cx).await,
            UNSILENCES => self.unsilence(cx).await,
            other => Err(anyhow::anyhow!("the alerts plugin does not know `{other}`").into()),
        }
    }

    async fn complete(&self, arg: &ArgSpec, _given: &Args, ports: &Ports) -> Vec<Choice> {
        if arg.name != "alert" {
            return Vec::new();
        }
        let all = records::firing(&*ports.store).await.unwrap_or_default();
        all.into_iter().map(|it| Choice::new(it.value.short().to_owned(), text::plain(&it.value.name))).collect()
    }

    async fn implies(&self, said: &Invocation, ports: &Ports) -> anyhow::Result<Vec<(&'static str, Value)>> {
        let Some(word) = said.args.get("alert").map(ToString::to_string) else { return Ok(Vec::new()) };
        // By the same search as the command's own: what is allowed is what is done.
        let (service, environment) = if said.command.name == UNSILENCES {
            let Ok((_, found)) = silence::silenced_as(&*ports.store, &word, ports.clock.now()).await else {
                return Ok(Vec::new());
            };
            (found.value.service, found.value.environment)
        } else {
            let all = records::firing(&*ports.store).await?;
            let Ok(found) = named(&all, &word) else { return Ok(Vec::new()) };
            (found.value.service.clone(), found.value.environment.clone())
        };
        let service = service.map(|service| ("service", Value::Text(service)));
        Ok(service.into_iter().chain(environment.map(|environment| ("env", Value::Text(environment)))).collect())
    }

    async fn watch(&self, cx: &Cx) {
        self.keep_true(cx).await;
    }

    fn routes(&self) -> Vec<Route> {
        let route = |name, path: &str| Route { name, method: Method::POST, path: path.to_owned(), longest: LONGEST };
        vec![route(ALERTMANAGER, "/hooks/alertmanager"), route(PROGRAMS, "/hooks/alerts")]
    }

    async fn serve(&self, cx: &Cx, route: &str, incoming: Incoming) -> anyhow::Result<Answer> {
        let shown =
            incoming.header("authorization").and_then(|given| given.strip_prefix("Bearer ")).unwrap_or_default();
        if !self.settings.lets_in(shown) {
            let what = "It does not show the `token` of `[alerts]` as `Authorization: Bearer …`, so it was not read.";
            return Ok(Answer::refused(StatusCode::UNAUTHORIZED, what));
        }
        let vocabulary = cx.ports().vocabulary.clone();
        let heard = match route {
            ALERTMANAGER => incoming::of_alertmanager(incoming.request.body()),
            _ => incoming::of_a_program(incoming.request.body(), &vocabulary.services, &vocabulary.environments),
        };
        let heard = match heard {
            Ok(heard) => heard,
            Err(what) => {
                tracing::warn!("alerts came that can not be read: {what}");
                return Ok(Answer::refused(StatusCode::BAD_REQUEST, &what));
            }
        };
        let taken = self.take(cx, heard).await.map_err(|stop| anyhow::anyhow!("{stop}"))?;
        Ok(Answer::json(StatusCode::OK, &json!({ "fire": taken.fire, "over": taken.over, "left out": taken.left_out })))
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }

    async fn reconcile(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        match &*doing.draft.verb {
            silence::SILENCE => self.find_silence(cx, doing).await,
            silence::UNSILENCE => self.find_unsilenced(cx, doing).await,
            _ => nothing_kept(cx, doing).await,
        }
    }
}

#[async_trait]
impl Offers for Alerts {
    fn takes_alerts(&self) -> bool {
        true
    }

    async fn alerts(
        &self,
        ports: &Ports,
        service: Option<&str>,
        environment: Option<&str>,
    ) -> anyhow::Result<Vec<Alert>> {
        let all = self.firing(ports, service, environment).await?;
        Ok(all.into_iter().map(|(firing, silenced)| firing.offered(silenced)).collect())
    }

    async fn notes(&self, ports: &Ports, service: &str, environment: &str) -> anyhow::Result<Vec<String>> {
        let all = self.firing(ports, Some(service), Some(environment)).await?;
        let loud: Vec<_> = all.into_iter().filter(|(_, silenced)| silenced.is_none()).collect();
        let names: Vec<_> = loud.iter().take(3).map(|(firing, _)| firing.title()).collect();
        Ok(match loud.len() {
            0 => Vec::new(),
            1 => vec![format!("The alert {} fires.", names.join(", "))],
            count => {
                vec![format!("{count} alerts fire: {}. `/alert list` shows them.", names.join(", "))]
            }
        })
    }
}

impl Alerts {
    /// The alerts that fire, newest first, each with until when it is silenced.
    async fn firing(
        &self,
        ports: &Ports,
        service: Option<&str>,
        environment: Option<&str>,
    ) -> anyhow::Result<Vec<(Firing, Option<DateTime<Utc>>)>> {
        let is = |named: &Option<String>, only: Option<&str>| only.is_none_or(|only| named.as_deref() == Some(only));
        let mut found = Vec::new();
        for Versioned { value, .. } in records::firing(&*ports.store).await? {
            if is(&value.service, service) && is(&value.environment, environment) {
                let silenced = self.silenced(ports, &value.fingerprint).await?;
                found.push((value, silenced));
            }
        }
        Ok(found)
    }

    /// Until when an alert is silenced, from here or at Alertmanager.
    async fn silenced(&self, ports: &Ports, fingerprint: &str) -> anyhow::Result<Option<DateTime<Utc>>> {
        let now = ports.clock.now();
        let own = records::silence(&*ports.store, fingerprint, now).await?.map(|silence| silence.value.until);
        Ok(own.max(self.taker.silenced(fingerprint).filter(|until| *until > now)))
    }

    async fn list(&self, cx: &Cx) -> Result<Reply> {
        let ListArgs { service, env } = cx.args()?;
        let all = self.firing(cx.ports(), service.as_deref(), env.as_deref()).await?;
        if all.is_empty() {
            let there = if service.is_none() && env.is_none() { "" } else { " there" };
            return Ok(Reply::say(format!("No alert fires{there}, as far as Deckhand was told.")));
        }
        Ok(show::list(&all, cx.now(), cx.ports().vocabulary.zone))
    }

    async fn show(&self, cx: &Cx) -> Result<Reply> {
        let ShowArgs { alert } = cx.args()?;
        let found = self.named(cx, &alert).await?.value;
        let own = records::silence(cx.store(), &found.fingerprint, cx.now()).await?.map(|silence| silence.value);
        let until = self.silenced(cx.ports(), &found.fingerprint).await?;
        Ok(show::one(&found, own.as_ref(), until, cx.now(), cx.ports().vocabulary.zone))
    }

    /// The alert that a word means.
    async fn named(&self, cx: &Cx, word: &str) -> Result<Versioned<Firing>> {
        named(&records::firing(cx.store()).await?, word).cloned().map_err(Stop::refuse)
    }
}

/// The alert that a word means: by its name, or by the beginning of its fingerprint.
fn named<'a>(all: &'a [Versioned<Firing>], word: &str) -> std::result::Result<&'a Versioned<Firing>, String> {
    let is = |it: &&Versioned<Firing>| {
        it.value.name.eq_ignore_ascii_case(word) || word.len() >= 4 && it.value.fingerprint.starts_with(word)
    };
    let found: Vec<_> = all.iter().filter(is).collect();
    match &found[..] {
        [only] => Ok(*only),
        [] => {
            Err(format!("No alert {} fires, so nothing was done. `/alert list` shows those that do.", text::code(word)))
        }
        [_, ..] => {
            let names: Vec<_> = found.iter().map(|it| it.value.short()).collect();
            Err(format!(
                "{} alerts are called {}, so nothing was done. Say which by its fingerprint: {}.",
                found.len(),
                text::code(word),
                text::list(&names)
            ))
        }
    }
}
