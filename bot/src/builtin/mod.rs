//! Deckhand's own commands: what explains it, and what reads the one ledger.

mod audit;
mod enroll;
mod grant;
mod help;
mod queue;
pub mod why;

use crate::gate::approval::{self, APPROVE, REJECT};
use crate::gate::codes::ENROLL;
use crate::gate::consent::{CONFIRM, DECLINE};
use crate::gate::queue::LEAVE;
use crate::gate::refusal::{unknown, way_in};
use crate::gate::{Bot, Nobody};
use async_trait::async_trait;
use commands::cx::{Cx, Who};
use commands::plugin::Plugin;
use commands::reply::Reply;
use commands::spec::{ArgSpec, CommandSpec, Kind, Need, PluginSpec};
use commands::stop::{Result, Stop};
use commands::text;
use std::sync::{Arc, OnceLock, Weak};

const PAGE: ArgSpec = ArgSpec::optional("page", Kind::Integer(1, 1_000), "Which page");

const REQUEST: ArgSpec = ArgSpec::required(approval::REQUEST, Kind::Text, "The request's name");

/// What Deckhand itself can be asked, whatever plugins are on.
pub static SPEC: PluginSpec = PluginSpec {
    name: "deckhand",
    about: "What explains Deckhand, and what reads the one ledger under everything.",
    commands: &[
        CommandSpec {
            name: "help",
            about: "Show what you can say, or how to say one command",
            args: &[ArgSpec::optional("command", Kind::Command, "The command to explain"), PAGE],
            need: Need::Nothing,
            examples: &["help", "help deploy ship", "help page:2"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "whoami",
            about: "Show who Deckhand takes you for, and your roles",
            need: Need::Nothing,
            examples: &["whoami"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "why",
            about: "Show what each rule says to a line, or to the last thing you were refused",
            args: &[
                ArgSpec::optional("line", Kind::Text, "The line to try; nothing is done"),
                ArgSpec::optional("person", Kind::Person, "As whom to try it; yourself if left out"),
            ],
            need: Need::Nothing,
            examples: &["why", "why line:\"deploy ship hello production v2\"", "why line:\"audit\" person:dan"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "audit",
            about: "Show the ledger: who changed what, when, why, and how to undo it",
            args: &[
                ArgSpec::optional("service", Kind::Service, "Only this service"),
                ArgSpec::optional("env", Kind::Environment, "Only this environment"),
                ArgSpec::optional("person", Kind::Person, "Only what this person did"),
                ArgSpec::optional("verb", Kind::Text, "Only this verb (deploy.ship), or a whole plugin's (deploy)"),
                ArgSpec::optional("since", Kind::Time, "Only from this moment on"),
                ArgSpec::optional("until", Kind::Time, "Only before this moment"),
                ArgSpec::optional("before", Kind::Integer(1, i64::MAX), "Only before this entry: the next page"),
            ],
            examples: &["audit", "audit hello production", "audit person:ana since:yesterday", "audit verb:deploy"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "changes",
            about: "Show what has changed lately, newest first, each with its way back",
            args: &[
                ArgSpec::optional("since", Kind::Time, "From this moment on; the last 24 hours if left out"),
                ArgSpec::optional("service", Kind::Service, "Only this service"),
                ArgSpec::optional("env", Kind::Environment, "Only this environment"),
            ],
            examples: &["changes", "changes since:14:00", "changes 2h", "changes since:yesterday env:production"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "grant",
            about: "Lend someone a right of yours for a while",
            args: &[
                ArgSpec::required("person", Kind::Person, "To whom"),
                ArgSpec::required("may", Kind::Text, "What they may do, as in a rule: deploy ship env=staging"),
                ArgSpec::required("for", Kind::Duration, "For how long, at most 7 days"),
                ArgSpec::required("because", Kind::Text, "Why"),
            ],
            examples: &["grant person:dan may:\"deploy ship env=staging\" for:2h because:\"ana is on a train\""],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "revoke",
            about: "End a grant before its time",
            args: &[ArgSpec::required("grant", Kind::Integer(1, i64::MAX), "The grant's number")],
            examples: &["revoke 41"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: ENROLL,
            about: "Set up the one-time codes that some commands ask you for",
            args: &[
                ArgSpec::secret("code", "The first code of a new secret"),
                ArgSpec::secret("old", "A code of the secret that you have, to get a new one"),
            ],
            examples: &["enroll"],
            ..CommandSpec::CHANGES
        },
        CommandSpec {
            name: "queue list",
            about: "Show what is under way, and who waits in line behind it",
            args: &[
                ArgSpec::optional("service", Kind::Service, "Only this service"),
                ArgSpec::optional("env", Kind::Environment, "Only this environment"),
            ],
            examples: &["queue list", "queue list hello staging"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: LEAVE,
            about: "Leave the line for a service in an environment",
            args: &[
                ArgSpec::required("service", Kind::Service, "Which service"),
                ArgSpec::required("env", Kind::Environment, "Where"),
                ArgSpec::optional("number", Kind::Integer(1, i64::MAX), "Only with this; its button fills it in"),
            ],
            need: Need::Nothing,
            urgent: true,
            examples: &["queue leave hello staging"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: CONFIRM,
            about: "Say yes to a question that was put to you",
            args: &[
                ArgSpec::required("question", Kind::Text, "The question's name"),
                ArgSpec::secret("code", "A one-time code, where the question asks for one"),
            ],
            need: Need::Nothing,
            urgent: true,
            examples: &["confirm 3fa2"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: DECLINE,
            about: "Say no to a question that was put to you",
            args: &[ArgSpec::required("question", Kind::Text, "The question's name")],
            need: Need::Nothing,
            urgent: true,
            examples: &["decline 3fa2"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: "approvals",
            about: "Show what waits for the approval of others, and of whom",
            examples: &["approvals"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: APPROVE,
            about: "Approve what somebody else has asked for",
            args: &[REQUEST, ArgSpec::secret("code", "A one-time code, where policy asks for one")],
            need: Need::Nothing,
            urgent: true,
            examples: &["approve tobe"],
            ..CommandSpec::READS
        },
        CommandSpec {
            name: REJECT,
            about: "Reject what somebody else has asked for, or withdraw what you have",
            args: &[REQUEST, ArgSpec::required("because", Kind::Text, "Why")],
            need: Need::Nothing,
            urgent: true,
            examples: &["reject tobe because:\"the load test is still running\""],
            ..CommandSpec::READS
        },
    ],
    start: |_| Arc::new(Builtin::default()),
};

/// The handler of the built-in commands. It looks at the bot itself, which is made after it.
#[derive(Default)]
pub struct Builtin(OnceLock<Weak<Bot>>);

impl Builtin {
    /// Makes it look at this bot.
    pub fn attach(&self, bot: &Arc<Bot>) {
        // A second call would name the same bot.
        let _ = self.0.set(Arc::downgrade(bot));
    }

    fn bot(&self) -> Result<Arc<Bot>> {
        let bot = self.0.get().and_then(Weak::upgrade);
        bot.ok_or_else(|| Stop::refuse("Deckhand is still starting. Say it again in a moment."))
    }
}

#[async_trait]
impl Plugin for Builtin {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        let bot = self.bot()?;
        match cx.command() {
            "help" => help::help(&bot, cx),
            "whoami" => Ok(whoami(&cx.call().who)),
            "why" => why::why(&bot, cx),
            "audit" => audit::audit(cx).await,
            "changes" => audit::changes(cx).await,
            "grant" => grant::grant(&bot, cx).await,
            "revoke" => grant::revoke(&bot, cx).await,
            "queue list" => queue::list(&bot, cx).await,
            LEAVE => queue::leave(&bot, cx),
            ENROLL => enroll::enroll(&bot, cx).await,
            DECLINE => decline(&bot, cx).await,
            "approvals" => approval::list(cx).await,
            REJECT => reject(&bot, cx).await,
            _ => Nobody.run(cx).await,
        }
    }
}

async fn reject(bot: &Bot, cx: &Cx) -> Result<Reply> {
    #[derive(serde::Deserialize)]
    struct Rejected {
        request: String,
        because: String,
    }
    let Rejected { request, because } = cx.args()?;
    bot.reject(cx, &request, &because).await
}

fn whoami(who: &Who) -> Reply {
    if who.is_stranger() {
        return Reply::say(format!("{} {}", unknown(who), way_in(who))).only_you();
    }
    let name = text::code(&who.name);
    let roles = match &who.roles[..] {
        [] => "no roles".to_owned(),
        roles => format!("the roles {}", roles.iter().map(|role| text::code(role)).collect::<Vec<_>>().join(", ")),
    };
    Reply::say(format!("You are {name}, with {roles}. `/help` shows what you can say.")).only_you()
}

async fn decline(bot: &Bot, cx: &Cx) -> Result<Reply> {
    #[derive(serde::Deserialize)]
    struct Declined {
        question: String,
    }
    let Declined { question } = cx.args()?;
    let question = crate::gate::consent::take(&bot.world.store, &question, &cx.call().who, cx.now()).await?;
    Ok(Reply::say(format!("Nothing was done. You said no to this: {}", question.says)))
}
