//! Feature flags: turned on and off in chat, and served to applications, which ask with the libraries they already have.

mod change;
mod constraint;
mod experiments;
mod gauge;
mod life;
mod look;
pub mod model;
mod offers;
mod rollout;
mod schedule;
mod segment;
pub mod serve;
mod set;
mod settings;
mod show;
pub mod snapshot;
mod stale;
mod toggle;
mod transfer;
mod why;
mod words;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::offer::Offers;
use commands::parse::Invocation;
use commands::plugin::{Job, Plugin};
use commands::reply::Reply;
use commands::route::{Answer, Incoming, Route};
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, PluginSpec};
use commands::stop::Result;
use commands::text;
use commands::value::Value;
use config::Schedule;
use serve::{Serving, issuing};
use settings::Settings;
use snapshot::Live;
use std::sync::Arc;

const FLAG: ArgSpec = ArgSpec::required("flag", Kind::Text, "Which flag");
const ENVIRONMENT: ArgSpec = ArgSpec::required("env", Kind::Environment, "Where");
const BECAUSE: ArgSpec = ArgSpec::optional("because", Kind::Text, "Why, for those who wonder");
const SERVICE: ArgSpec = ArgSpec::optional("service", Kind::Service, "The service that it belongs to");
const ITS_SERVICE: ArgSpec = ArgSpec::optional("service", Kind::Service, "Its service, which need not be typed");
const NUMBER: ArgSpec =
    ArgSpec::optional("number", Kind::Integer(1, i64::MAX), "Only if this was the last change of it").by_name();
const PLANNED: ArgSpec =
    ArgSpec::required("number", Kind::Integer(1, i64::MAX), "The number with which it was planned");
const SEGMENT: ArgSpec = ArgSpec::required("segment", Kind::Text, "Which segment");
const YES: Kind = Kind::Choice(&["yes", "no"]);

/// The command that makes a flag: all others are about one that there is.
const CREATE: &str = "flag create";

/// What Deckhand's own exports are called.
const DECKHAND: &str = config::DECKHAND;

/// What can be said about flags.
pub static SPEC: PluginSpec = PluginSpec {
    name: "flags",
    about: "Turns features on and off while applications run, for a share of their users, and tells why.",
    commands: &[
        CommandSpec {
            name: "flag on",
            about: "Turn a flag on, for everybody or a share of the users, for good or for a while",
            args: &[
                FLAG,
                ENVIRONMENT,
                ArgSpec::optional("percent", Kind::Percent, "For which share of the users; as it was set if left out"),
                ArgSpec::optional("for", Kind::Duration, "For how long; then it goes back by itself"),
                BECAUSE,
                ITS_SERVICE,
            ],
            examples: &[
                "flag on checkout-v2 production percent:10 for:2h because:\"the first users\"",
                "flag on flag:checkout-v2 env:staging",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag off",
            about: "Turn a flag off for everybody, at once: nothing waits, and nobody is asked",
            args: &[FLAG, ENVIRONMENT, BECAUSE, ITS_SERVICE],
            effect: Effect::GoesBack,
            urgent: true,
            examples: &["flag off checkout-v2 production", "flag off flag:checkout-v2 env:production because:\"500s\""],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag undo",
            about: "Take the last change of a flag back",
            args: &[
                FLAG,
                ENVIRONMENT,
                ArgSpec::optional("number", Kind::Integer(1, i64::MAX), "Only if this is the last change"),
                BECAUSE,
                ITS_SERVICE,
            ],
            effect: Effect::GoesBack,
            examples: &["flag undo checkout-v2 production", "flag undo flag:checkout-v2 env:production number:17"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag list",
            about: "Show which flags there are, and where they are on",
            args: &[
                ArgSpec::optional("like", Kind::Text, "A part of the key, or a tag"),
                ArgSpec::optional("owner", Kind::Person, "Only this person's"),
                ArgSpec::optional("service", Kind::Service, "Only this service's"),
                ArgSpec::optional("archived", YES, "Those in the archive instead"),
                ArgSpec::optional("page", Kind::Integer(1, 100_000), "Which page"),
            ],
            examples: &["flag list", "flag list checkout", "flag list owner:ana"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "flag show",
            about: "Show how a flag stands everywhere, since when, and by whom",
            args: &[FLAG],
            examples: &["flag show checkout-v2"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "flag history",
            about: "Show what was changed about a flag, by whom and why",
            args: &[FLAG, ArgSpec::optional("env", Kind::Environment, "Only there")],
            examples: &["flag history checkout-v2", "flag history checkout-v2 env:production"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: CREATE,
            about: "Make a flag, off everywhere",
            args: &[
                ArgSpec::required("flag", Kind::Text, "The key by which applications ask for it"),
                SERVICE,
                ArgSpec::optional("about", Kind::Text, "What it does"),
                ArgSpec::optional("owner", Kind::Person, "Who answers for it; you if left out"),
                ArgSpec::optional("kind", Kind::Choice(model::Kind::WORDS), "What it is for; a release if left out"),
                ArgSpec::optional("expires", Kind::Later, "When it should be gone"),
                ArgSpec::optional("permanent", YES, "Whether it is meant to stay for good"),
                ArgSpec::optional("tags", Kind::Text, "Words to find it by, with commas"),
                ArgSpec::optional("needs", Kind::Text, "Flags that have to be on for it, with commas"),
                ArgSpec::optional("project", Kind::Text, "The project; the first of the config if left out"),
            ],
            examples: &[
                "flag create checkout-v2",
                "flag create checkout-v2 about:\"one page instead of four\" service:hello owner:ben expires:2027-03-01",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag owner",
            about: "Make somebody else answer for a flag",
            args: &[FLAG, ArgSpec::required("to", Kind::Person, "Who"), ITS_SERVICE, NUMBER],
            examples: &["flag owner flag:checkout-v2 to:ben"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag archive",
            about: "Put a flag away: applications do not see it any more, and how it stands is kept",
            args: &[FLAG, BECAUSE, ITS_SERVICE, NUMBER],
            examples: &[
                "flag archive checkout-v2",
                "flag archive flag:checkout-v2 because:\"it is in the code for good\"",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag restore",
            about: "Bring a flag back from the archive, as it stood",
            args: &[FLAG, ITS_SERVICE, NUMBER],
            examples: &["flag restore checkout-v2"],
            ..CommandSpec::CHANGES
        },
        issuing::MAKE,
        issuing::LIST,
        issuing::REVOKE,
        CommandSpec {
            name: "flag stale",
            about: "Show flags that somebody should look at: expired, nobody's, or the same for everybody for long",
            args: &[ArgSpec::optional("owner", Kind::Person, "Only this person's")],
            examples: &["flag stale", "flag stale ana"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "flag why",
            about: "Show why a flag is on or off for somebody",
            args: &[
                FLAG,
                ArgSpec::optional("env", Kind::Environment, "Where; everywhere if left out"),
                ArgSpec::optional("user", Kind::Text, "For whom: the user's id"),
                ArgSpec::optional("session", Kind::Text, "The id of their session"),
                ArgSpec::optional("with", Kind::Text, "What else is known of them, such as country=kr,plan=pro"),
            ],
            examples: &["flag why checkout-v2 user:42 with:country=kr", "flag why checkout-v2 env:production user:42"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "flag set",
            about: "Say whom a flag is on for, and what variants they get",
            args: &[
                FLAG,
                ENVIRONMENT,
                ArgSpec::optional("percent", Kind::Percent, "For which share of them"),
                ArgSpec::optional("when", Kind::Text, "Which conditions they meet; none takes them away"),
                ArgSpec::optional(
                    "segment",
                    Kind::Text,
                    "In which segments they are, with commas; none takes them away",
                ),
                ArgSpec::optional("variants", Kind::Text, "Variants and their shares, such as red=50,blue=50"),
                ArgSpec::optional(
                    "sticky",
                    Kind::Text,
                    "By what people are told apart: userId, sessionId, random, a property",
                ),
                BECAUSE,
                ITS_SERVICE,
            ],
            examples: &[
                "flag set checkout-v2 env:production percent:25 when:\"country in kr,jp and version >= 2.1.0\"",
                "flag set flag:checkout-v2 env:staging variants:red=50,blue=50",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag rollout",
            about: "Turn a flag up in steps, each told, that anybody who may can hold",
            args: &[
                FLAG,
                ENVIRONMENT,
                ArgSpec::required("steps", Kind::Text, "Whole percents, with commas"),
                ArgSpec::optional("every", Kind::Duration, "The time between two; a minute at the least"),
                ArgSpec::optional("hold-on", Kind::Text, "What holds it: checks, alerts, measures such as errors < 1"),
                ArgSpec::optional(
                    "on-bad",
                    Kind::Choice(&["hold", "back"]),
                    "Whether it goes back then; held if left out",
                ),
                BECAUSE,
                ITS_SERVICE,
            ],
            examples: &[
                "flag rollout checkout-v2 production 5,25,50,100 every:15m",
                "flag rollout flag:checkout-v2 env:production steps:10,100 every:1h hold-on:checks",
                "flag rollout checkout-v2 env:production steps:5,50,100 every:15m hold-on:\"checks,errors < 1\" on-bad:back",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag step",
            about: "Take the next step of a rollout now, as it does by itself",
            args: &[FLAG, ENVIRONMENT, ITS_SERVICE],
            examples: &["flag step checkout-v2 production"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag hold",
            about: "Keep a rollout from going on, until it is resumed",
            args: &[FLAG, ENVIRONMENT, BECAUSE, ITS_SERVICE],
            effect: Effect::GoesBack,
            urgent: true,
            examples: &["flag hold checkout-v2 production", "flag hold checkout-v2 env:production because:\"500s\""],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag resume",
            about: "Let a rollout go on that was held",
            args: &[FLAG, ENVIRONMENT, ITS_SERVICE],
            examples: &["flag resume checkout-v2 production"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag abort",
            about: "End a rollout, and go back to how the flag stood before it",
            args: &[FLAG, ENVIRONMENT, BECAUSE, ITS_SERVICE],
            effect: Effect::GoesBack,
            urgent: true,
            examples: &["flag abort checkout-v2 production"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag schedule add",
            about: "Plan that a flag goes on, off or to a share, at a moment or again and again",
            args: &[
                FLAG,
                ENVIRONMENT,
                ArgSpec::required("to", Kind::Text, "on, off, or a share such as 25%"),
                ArgSpec::optional("at", Kind::Later, "When"),
                ArgSpec::optional("every", Kind::Text, "Again and again: a line of crontab, such as 0 9 * * 1-5"),
                BECAUSE,
                ITS_SERVICE,
            ],
            examples: &[
                "flag schedule add checkout-v2 production 25% at:\"tomorrow 9:00\" because:\"the launch\"",
                "flag schedule add flag:night-mode env:staging to:on every:\"0 22 * * *\"",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag schedule list",
            about: "Show what is planned for flags, the next first",
            args: &[ArgSpec::optional("flag", Kind::Text, "Only this flag's")],
            examples: &["flag schedule list", "flag schedule list checkout-v2"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "flag schedule run",
            about: "Carry out what is planned now, as it happens by itself",
            args: &[FLAG, ENVIRONMENT, PLANNED, ITS_SERVICE],
            examples: &["flag schedule run checkout-v2 production 17"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag schedule cancel",
            about: "Take back what is planned for a flag",
            args: &[FLAG, ENVIRONMENT, PLANNED, BECAUSE, ITS_SERVICE],
            effect: Effect::GoesBack,
            urgent: true,
            examples: &["flag schedule cancel checkout-v2 production 17"],
            ..CommandSpec::CHANGES
        },
        transfer::EXPORT,
        transfer::PLAN,
        transfer::APPLY,
        transfer::UNDO,
        CommandSpec {
            name: "segment create",
            about: "Give conditions a name, for any flag to use",
            args: &[SEGMENT, ArgSpec::required("when", Kind::Text, "Which conditions those meet who are in it")],
            examples: &["segment create beta plan = beta", "segment create segment:asia when:\"country in kr,jp\""],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "segment show",
            about: "Show who is in a segment, and which flags use it",
            args: &[SEGMENT],
            examples: &["segment show beta"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "segment list",
            about: "Show which segments there are",
            examples: &["segment list"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "segment remove",
            about: "Remove a segment that no flag uses",
            args: &[SEGMENT, NUMBER],
            examples: &["segment remove beta"],
            ..CommandSpec::CHANGES
        },
    ],
    start: |setup| {
        let settings = Settings::read(setup);
        let live = Arc::new(Live::of(&settings.projects));
        Arc::new(Flags { live, serving: Serving::new(settings.serve.clone()), settings })
    },
};

/// The plugin at work.
struct Flags {
    settings: Settings,
    live: Arc<Live>,
    serving: Serving,
}

#[async_trait]
impl Plugin for Flags {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "flag on" => self.on(cx).await,
            "flag off" => self.off(cx).await,
            "flag undo" => self.undo(cx).await,
            "flag list" => self.list(cx).await,
            "flag show" => self.show(cx).await,
            "flag history" => self.history(cx).await,
            "flag stale" => self.stale(cx).await,
            "flag why" => self.why(cx).await,
            "flag set" => self.set(cx).await,
            "flag rollout" => self.rollout(cx).await,
            "flag step" => self.step(cx).await,
            "flag hold" => self.hold(cx).await,
            "flag resume" => self.resume(cx).await,
            "flag abort" => self.abort(cx).await,
            "flag schedule add" => self.schedule_add(cx).await,
            "flag schedule list" => self.schedule_list(cx).await,
            "flag schedule run" => self.schedule_run(cx).await,
            "flag schedule cancel" => self.schedule_cancel(cx).await,
            "flag export" => self.export(cx).await,
            "flag import plan" => self.import_plan(cx).await,
            "flag import apply" => self.import_apply(cx).await,
            "flag import undo" => self.import_undo(cx).await,
            "segment create" => self.segment_create(cx).await,
            "segment show" => self.segment_show(cx).await,
            "segment list" => self.segment_list(cx).await,
            "segment remove" => self.segment_remove(cx).await,
            CREATE => self.create(cx).await,
            "flag owner" => self.owner(cx).await,
            "flag archive" => self.archive(cx).await,
            "flag restore" => self.restore(cx).await,
            "flag token make" | "flag token list" | "flag token revoke" => {
                self.serving.run(cx, &self.settings.projects).await
            }
            other => Err(anyhow::anyhow!("the flags plugin does not know `{other}`").into()),
        }
    }

    async fn implies(&self, said: &Invocation, ports: &Ports) -> anyhow::Result<Vec<(&'static str, Value)>> {
        let Some(Value::Text(key)) = said.args.get("flag").filter(|_| said.command.name != CREATE) else {
            return Ok(Vec::new());
        };
        let found = self.live.get(ports).await?.find(key).and_then(|(_, flag)| flag.service.clone());
        Ok(found.into_iter().map(|service| ("service", Value::Text(service))).collect())
    }

    async fn complete(&self, arg: &ArgSpec, given: &Args, ports: &Ports) -> Vec<Choice> {
        let Ok(snapshot) = self.live.get(ports).await else { return Vec::new() };
        let choice =
            |(key, flag): (&String, &Arc<model::Flag>)| Choice::new(key, text::cut(&text::plain(&flag.about), 40));
        match arg.name {
            "flag" => snapshot.flags.iter().map(choice).collect(),
            "which" => self.serving.tokens(ports).await,
            "segment" => snapshot.segments.values().map(|segment| Choice::new(&segment.name, "")).collect(),
            "to" if arg.kind == Kind::Text => ["on", "off", "25%"].map(|to| Choice::new(to, "")).into(),
            "hold-on" => ["checks", "alerts"].map(|what| Choice::new(what, "")).into(),
            "number" if arg.required => schedule::choices(given, ports).await,
            "project" => self.settings.projects.iter().map(|name| Choice::new(name, "")).collect(),
            _ => Vec::new(),
        }
    }

    async fn watch(&self, cx: &Cx) {
        // Built before anybody asks, and kept up by whoever keeps this watch, not by a thread that answers programs.
        if let Err(error) = self.live.get(cx.ports()).await {
            tracing::warn!("the flags can not be read yet: {error:#}");
        }
        self.serving.keep(cx).await;
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }

    fn routes(&self) -> Vec<Route> {
        serve::routes()
    }

    async fn serve(&self, cx: &Cx, route: &str, incoming: Incoming) -> anyhow::Result<Answer> {
        self.serving.answer(cx, &self.live, route, incoming).await
    }

    fn jobs(&self) -> Vec<Job> {
        let tend = Schedule::parse("* * * * *", chrono_tz::UTC).map(|schedule| Job { name: "tend", schedule });
        let digest = self.settings.digest.clone().map(|schedule| Job { name: "digest", schedule });
        tend.into_iter().chain(digest).collect()
    }

    async fn work(&self, cx: &Cx, job: &str, due: DateTime<Utc>) -> Result<()> {
        if job == "digest" {
            return self.digest(cx, due).await;
        }
        // None waits for another: a step may stand in a line behind a deploy.
        let (returned, planned, stepped) =
            tokio::join!(self.return_due(cx), self.schedules_due(cx), self.steps_due(cx));
        returned.and(planned).and(stepped)
    }
}
