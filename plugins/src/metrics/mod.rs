//! Metrics that everybody sees: what is measured, how it stands, and pictures of how it went beside what was changed.

mod asked;
mod catalog;
pub mod chart;
mod compare;
mod define;
mod definition;
mod digest;
mod dora;
mod draw;
mod events;
mod look;
mod markers;
mod offers;
mod overview;
mod push;
mod reach;
mod round;
mod samples;
pub mod series;
mod settings;
mod source;
mod story;
pub mod unit;
mod variable;
mod watch;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::{Draft, Entry, Phase, Query};
use commands::offer::Offers;
use commands::plugin::{Job, Plugin};
use commands::reply::Reply;
use commands::route::{Answer, Incoming, Route};
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, PluginSpec};
use commands::stop::Result;
use commands::text;
use commands::value::Value;
use config::Schedule;
use futures::future::join;
use push::Push;
use settings::Settings;
use std::sync::Arc;
use tokio::sync::{Mutex, Semaphore};

const MEASURE: ArgSpec = ArgSpec::required("measure", Kind::Text, "What is measured");
const ENVIRONMENT: ArgSpec =
    ArgSpec::optional("env", Kind::Environment, "Where; the last one in the order if left out");
const SERVICE: ArgSpec =
    ArgSpec::optional("service", Kind::Service, "Of which service, where a measure is there for every one");
const NAME: ArgSpec = ArgSpec::required("name", Kind::Text, "What the measure is called");
const WITH: ArgSpec = ArgSpec::optional("with", Kind::Text, "What the measure leaves open: name=value,name=value");

/// What can be asked about metrics.
pub static SPEC: PluginSpec = PluginSpec {
    name: "metrics",
    about: "Shows what is measured, in numbers, pictures and sentences, beside what was changed.",
    commands: &[
        CommandSpec {
            name: "metrics list",
            about: "List what is measured",
            args: &[ArgSpec::optional("service", Kind::Service, "Only what is about this service")],
            examples: &["metrics list", "metrics list service:hello"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "metrics show",
            about: "Show how something stands now, and how it stood a day and a week ago",
            args: &[MEASURE, ENVIRONMENT, SERVICE, WITH],
            examples: &["metrics show latency", "metrics show latency env:staging"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "metrics chart",
            about: "Draw how something went, beside what was changed meanwhile",
            args: &[
                MEASURE,
                ArgSpec::optional("last", Kind::Duration, "How far back; 6h if left out"),
                ArgSpec::optional("vs", Kind::Choice(&["yesterday", "last-week", "before"]), "What to compare with"),
                ENVIRONMENT,
                SERVICE,
                WITH,
                ArgSpec::optional("until", Kind::Time, "Until when; now if left out"),
            ],
            examples: &["metrics chart latency last:6h vs:yesterday", "metrics chart latency until:14:00 env:staging"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "metrics compare",
            about: "Compare how something went before and after a change",
            args: &[
                MEASURE,
                ArgSpec::required("number", Kind::Integer(1, i64::MAX), "The number of the change, as in /changes"),
                ArgSpec::optional("within", Kind::Duration, "How long before and after; 30m if left out"),
                ENVIRONMENT,
                SERVICE,
                WITH,
            ],
            examples: &["metrics compare latency 412", "metrics compare latency 412 within:2h"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "metrics watch",
            about: "Tell this channel when something gets worse or well again, and of nothing else",
            args: &[MEASURE, ENVIRONMENT, SERVICE, WITH],
            urgent: true,
            examples: &["metrics watch latency", "metrics watch latency env:staging"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "metrics unwatch",
            about: "Tell this channel no more when something gets worse or well again",
            args: &[MEASURE, ENVIRONMENT, SERVICE, WITH],
            urgent: true,
            examples: &["metrics unwatch latency"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "metrics digest",
            about: "Show how the measures of this channel went, and DORA's figures, as a digest does",
            args: &[ArgSpec::optional("last", Kind::Duration, "How far back; 1d if left out")],
            examples: &["metrics digest", "metrics digest last:7d"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "metrics define",
            about: "Say what a measure is: where its figures come from, and from where on it is not well",
            args: &[
                NAME,
                ArgSpec::optional("source", Kind::Text, "Which source is asked, as the config names it"),
                ArgSpec::optional("query", Kind::Text, "What it is asked; {service} and {environment} may stand in it"),
                ArgSpec::optional("unit", Kind::Text, "In what its figures are: ms, %, req/s"),
                ArgSpec::optional("better", Kind::Choice(&["lower", "higher"]), "Which way is good"),
                ArgSpec::optional("warn", Kind::Text, "From where on somebody should look, in its unit; or none"),
                ArgSpec::optional("bad", Kind::Text, "From where on it is bad, in its unit; or none"),
                ArgSpec::optional("service", Kind::Service, "Which service it is about").by_name(),
                ArgSpec::optional("owner", Kind::Text, "Whom to ask about it").by_name(),
                ArgSpec::optional("about", Kind::Text, "What it says, in a few words").by_name(),
                ArgSpec::optional(
                    "variables",
                    Kind::Text,
                    "What else it leaves open: q=0.95|0.5, w=5m in 1m..1h; or none",
                )
                .by_name(),
            ],
            examples: &[
                "metrics define signups source:shop query:\"/stats.json#/signups\" better:higher",
                "metrics define signups bad:10",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "metrics undefine",
            about: "Take a measure out that was defined in chat",
            args: &[NAME],
            examples: &["metrics undefine signups"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "metrics restore",
            about: "Make a measure again what it was before a change",
            args: &[
                NAME,
                ArgSpec::required("number", Kind::Integer(1, i64::MAX), "The number of the change, as in /changes"),
            ],
            effect: Effect::GoesBack,
            examples: &["metrics restore signups 412"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "metrics definition",
            about: "Show what a measure is, and what it was before",
            args: &[NAME],
            examples: &["metrics definition signups"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "metrics dora",
            about: "Show DORA's five measures of a service, each with its definition",
            args: &[
                ArgSpec::required("service", Kind::Service, "Of which service"),
                ENVIRONMENT,
                ArgSpec::optional("last", Kind::Duration, "How many days back; 90d if left out"),
                ArgSpec::optional("year", Kind::Choice(&dora::YEARS), "Beside what teams were like in this year"),
            ],
            examples: &["metrics dora hello", "metrics dora hello production last:30d year:2024"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "metrics unimport",
            about: "Take back what was imported last for DORA's measures",
            args: &[ArgSpec::required(
                "number",
                Kind::Integer(1, i64::MAX),
                "The number of the import, as in /changes",
            )],
            effect: Effect::GoesBack,
            examples: &["metrics unimport 412"],
            ..CommandSpec::CHANGES
        },
    ],
    start: |setup| {
        Arc::new(Metrics {
            settings: Settings::read(setup),
            books: dora::Books::default(),
            keeping: Mutex::default(),
            seen: Mutex::default(),
            overviews: Mutex::default(),
            rounds: round::Rounds::default(),
            drawing: Semaphore::new(std::thread::available_parallelism().map_or(1, |it| (it.get() - 1).max(1))),
            troubles: Mutex::default(),
        })
    },
};

/// The plugin at work.
struct Metrics {
    settings: Settings,
    books: dora::Books,
    /// Who keeps figures does so one after the other: none is lost to another.
    keeping: Mutex<()>,
    seen: Mutex<watch::Seen>,
    overviews: Mutex<overview::Overviews>,
    /// How long sources are waited for.
    rounds: round::Rounds,
    /// Who draws: a picture takes a processor for a while, and one of them is left for who is answered meanwhile.
    drawing: Semaphore,
    /// The sources that take no markers for now.
    troubles: Mutex<markers::Troubles>,
}

/// How many changes are offered.
const OFFERED: usize = 25;

#[async_trait]
impl Plugin for Metrics {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "metrics list" => self.list(cx).await,
            "metrics show" => self.show(cx).await,
            "metrics chart" => self.chart(cx).await,
            "metrics compare" => self.compare(cx).await,
            "metrics watch" => self.watch_it(cx).await,
            "metrics unwatch" => self.unwatch(cx).await,
            "metrics dora" => self.dora(cx).await,
            "metrics unimport" => dora::take_back(cx).await,
            "metrics digest" => self.digest_now(cx).await,
            "metrics define" => self.define(cx).await,
            "metrics undefine" => self.undefine(cx).await,
            "metrics restore" => self.restore(cx).await,
            "metrics definition" => self.definition(cx).await,
            other => Err(anyhow::anyhow!("the metrics plugin does not know `{other}`").into()),
        }
    }

    fn jobs(&self) -> Vec<Job> {
        let asks = !self.settings.sources.is_empty();
        let marks = self.settings.sources.values().flatten().any(|source| !source.markers().is_empty());
        const EVERY_MINUTE: &str = "* * * * *";
        let all =
            [(markers::JOB, EVERY_MINUTE, marks), (watch::JOB, EVERY_MINUTE, asks), (reach::JOB, reach::EVERY, asks)];
        let job = |(name, line, _)| Some(Job { name, schedule: Schedule::parse(line, chrono_tz::UTC).ok()? });
        all.into_iter().filter(|(.., is_on)| *is_on).filter_map(job).collect()
    }

    async fn work(&self, cx: &Cx, job: &str, _due: DateTime<Utc>) -> Result<()> {
        match job {
            watch::JOB => self.look_out(cx).await,
            markers::JOB => self.mark(cx).await,
            _ => Ok(self.look_at_sources(cx).await?),
        }
    }

    async fn watch(&self, cx: &Cx) {
        join(self.keep_books(cx), self.keep_samples(cx)).await;
    }

    fn routes(&self) -> Vec<Route> {
        self.settings.push.iter().map(|_| Push::route()).collect()
    }

    async fn serve(&self, cx: &Cx, _route: &str, incoming: Incoming) -> anyhow::Result<Answer> {
        self.pushed(cx, &incoming).await
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }

    fn imports(&self) -> &'static [&'static str] {
        &[dora::IMPORT]
    }

    async fn import(&self, cx: &Cx, _what: &str, text: &str) -> Result<Reply> {
        dora::import(cx, text).await
    }

    async fn reconcile(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        match &*doing.draft.verb {
            markers::VERB => markers::cut_off(cx, doing).await,
            verb if dora::VERBS.contains(&verb) => dora::cut_off(cx, doing).await,
            _ => cut_off(cx, doing).await,
        }
    }

    async fn complete(&self, arg: &ArgSpec, given: &Args, ports: &Ports) -> Vec<Choice> {
        match arg.name {
            "measure" => self.chartable(ports).await,
            "with" => self.variables(given, ports).await,
            "number" => changes(ports).await,
            "source" => self.settings.sources.keys().map(|name| choice(name, "")).collect(),
            "name" => self.chartable(ports).await,
            _ => Vec::new(),
        }
    }
}

/// Settles an act that was cut off, all of whose changes are in one batch with its end.
async fn cut_off(cx: &Cx, doing: Entry) -> Result<Reply> {
    let Draft { verb, object, .. } = &doing.draft;
    let text = format!(
        "Deckhand was stopped in the middle of #{} ({verb} {}), so nothing was changed. Say it again.",
        doing.seq,
        text::plain(object)
    );
    let note = text.clone();
    cx.resume(doing, async move |permit| {
        permit.failed(note);
        Ok(())
    })
    .await?;
    Ok(Reply::say(text))
}

/// A choice whose words come from people.
fn choice(value: &str, about: &str) -> Choice {
    Choice::new(value, text::plain(about))
}

impl Metrics {
    /// What may be said for what a measure leaves open.
    async fn variables(&self, given: &Args, ports: &Ports) -> Vec<Choice> {
        let Some(Value::Text(name)) = given.get("measure") else { return Vec::new() };
        let Ok(catalog) = self.catalog(ports).await else { return Vec::new() };
        let variables = catalog.measure(name).map(|measure| &measure.variables).into_iter().flatten();
        let offered = variables.flat_map(|it| {
            let about = format!("{}: {}", it.name, it.shown());
            let offered = it.offers(&ports.vocabulary).into_iter();
            offered.map(move |value| choice(&format!("{}={value}", it.name), &about))
        });
        offered.collect()
    }
}

/// The newest changes, as numbers.
async fn changes(ports: &Ports) -> Vec<Choice> {
    let since = Some(ports.clock.now() - TimeDelta::days(7));
    let newest = Query { since, ..Query::default() }.run(&*ports.store, 8 * OFFERED).await.unwrap_or_default();
    let changed = newest.into_iter().filter(|entry| entry.draft.phase == Phase::Did && entry.draft.service.is_some());
    let offer = |entry: Entry| {
        let about =
            format!("{} {}, {}", entry.draft.verb, entry.draft.object, text::ago(entry.draft.at, ports.clock.now()));
        choice(&entry.act().to_string(), &about)
    };
    changed.take(OFFERED).map(offer).collect()
}
