//! Feature flags: turned on and off in chat, and served to applications, which ask with the libraries they already have.

mod change;
mod life;
mod look;
pub mod model;
pub mod serve;
mod settings;
mod show;
pub mod snapshot;
mod toggle;
mod words;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::plugin::{Job, Plugin};
use commands::reply::Reply;
use commands::route::{Answer, Incoming, Route};
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, PluginSpec};
use commands::stop::Result;
use commands::text;
use config::Schedule;
use serve::{Serving, issuing};
use settings::Settings;
use snapshot::Live;
use std::sync::Arc;

const FLAG: ArgSpec = ArgSpec::required("flag", Kind::Text, "Which flag");
const ENVIRONMENT: ArgSpec = ArgSpec::required("env", Kind::Environment, "Where");
const BECAUSE: ArgSpec = ArgSpec::optional("because", Kind::Text, "Why, for those who wonder");
const SERVICE: ArgSpec = ArgSpec::optional("service", Kind::Service, "The service that it belongs to");
const YES: Kind = Kind::Choice(&["yes", "no"]);

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
            args: &[FLAG, ENVIRONMENT, BECAUSE],
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
            name: "flag create",
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
            args: &[FLAG, ArgSpec::required("to", Kind::Person, "Who")],
            examples: &["flag owner flag:checkout-v2 to:ben"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag archive",
            about: "Put a flag away: applications do not see it any more, and how it stands is kept",
            args: &[FLAG, BECAUSE],
            examples: &[
                "flag archive checkout-v2",
                "flag archive flag:checkout-v2 because:\"it is in the code for good\"",
            ],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "flag restore",
            about: "Bring a flag back from the archive, as it stood",
            args: &[FLAG],
            examples: &["flag restore checkout-v2"],
            ..CommandSpec::CHANGES
        },
        issuing::MAKE,
        issuing::LIST,
        issuing::REVOKE,
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
            "flag create" => self.create(cx).await,
            "flag owner" => self.owner(cx).await,
            "flag archive" => self.archive(cx).await,
            "flag restore" => self.restore(cx).await,
            "flag token make" | "flag token list" | "flag token revoke" => {
                self.serving.run(cx, &self.settings.projects).await
            }
            other => Err(anyhow::anyhow!("the flags plugin does not know `{other}`").into()),
        }
    }

    async fn complete(&self, arg: &ArgSpec, _given: &Args, ports: &Ports) -> Vec<Choice> {
        let Ok(snapshot) = self.live.get(ports).await else { return Vec::new() };
        let choice =
            |(key, flag): (&String, &Arc<model::Flag>)| Choice::new(key, text::cut(&text::plain(&flag.about), 40));
        match arg.name {
            "flag" => snapshot.flags.iter().map(choice).collect(),
            "which" => self.serving.tokens(ports).await,
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

    fn routes(&self) -> Vec<Route> {
        serve::routes()
    }

    async fn serve(&self, cx: &Cx, route: &str, incoming: Incoming) -> anyhow::Result<Answer> {
        self.serving.answer(cx, &self.live, route, incoming).await
    }

    fn jobs(&self) -> Vec<Job> {
        let every_minute = Schedule::parse("* * * * *", chrono_tz::UTC);
        every_minute.into_iter().map(|schedule| Job { name: "tend", schedule }).collect()
    }

    async fn work(&self, cx: &Cx, _job: &str, _due: DateTime<Utc>) -> Result<()> {
        self.return_due(cx).await
    }
}
