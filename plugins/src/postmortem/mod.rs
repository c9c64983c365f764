//! Post-mortems: what happened, told so that everybody learns and nobody is blamed, and what is done about it.

mod account;
mod agree;
mod attached;
mod calendar;
mod document;
mod find;
mod form;
pub mod hints;
mod issues;
mod items;
mod look;
mod offers;
mod pictures;
mod publish;
mod records;
mod remind;
mod settings;
mod show;
mod which;
mod write;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::Entry;
use commands::offer::Offers;
use commands::plugin::{Advice, Job, Plugin, nothing_kept};
use commands::reply::Reply;
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, PluginSpec};
use commands::stop::{Result, Stop};
use commands::text;
use config::Schedule;
use form::Asked;
use hints::Part;
use issues::Closed;
use records::{DOCUMENTS, Document, Head};
use serde::Deserialize;
use settings::Settings;
use std::sync::Arc;
use which::document;

const NUMBER: ArgSpec = ArgSpec::required("number", Kind::Integer(1, i64::MAX), "Which post-mortem");
/// The same, where it is plain which one is meant: the only one that is open here, or at all.
const MEANT: ArgSpec = ArgSpec::optional("number", Kind::Integer(1, i64::MAX), "Which post-mortem");
const SECTION: ArgSpec = ArgSpec::required("section", Kind::Text, "Which section");
const ITEM: ArgSpec = ArgSpec::required("item", Kind::Integer(1, i64::MAX), "Which action item");
const KINDS: &[&str] = &["prevent", "detect", "mitigate", "repair"];

/// The job that keeps action items and their issues in step.
const ISSUES: &str = "issues";

const SEVERITIES: &[&str] = &["sev1", "sev2", "sev3", "sev4"];

/// A command that changes a document. None of them touches what runs, so that no guard is asked, and none waits.
const WRITES: CommandSpec = CommandSpec { args: &[MEANT], urgent: true, ..CommandSpec::CHANGES };

/// What can be said about post-mortems.
pub static SPEC: PluginSpec = PluginSpec {
    name: "postmortems",
    about: "Post-mortems without blame: written together from chat, reviewed in time, with action items that get done.",
    commands: COMMANDS,
    start: |setup| Arc::new(Postmortems { settings: Settings::read(setup), closed: Closed::default() }),
};

const COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "postmortem start",
        about: "Start a post-mortem: of an incident, a near miss, or a success worth learning from",
        args: &[
            ArgSpec::optional("title", Kind::Text, "What happened, in a few words"),
            ArgSpec::optional("incident", Kind::Integer(1, i64::MAX), "The incident that it is about"),
            ArgSpec::optional("service", Kind::Service, "Which service"),
            ArgSpec::optional("env", Kind::Environment, "Where"),
            ArgSpec::optional("severity", Kind::Choice(SEVERITIES), "How grave it was: it says when the review is due"),
        ],
        examples: &["postmortem start title:\"Checkout slow after v2\" service:hello severity:sev2"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem show",
        about: "Show a post-mortem, or one section of it in full",
        args: &[
            MEANT,
            ArgSpec::optional("section", Kind::Text, "Only this section"),
            ArgSpec::optional("version", Kind::Integer(0, 1_000_000), "As it was in this version"),
        ],
        examples: &["postmortem show 7", "postmortem show number:7 section:impact"],
        ..CommandSpec::READS
    },
    CommandSpec {
        name: "postmortem list",
        about: "Show which post-mortems there are, the newest first",
        args: &[
            ArgSpec::optional("stage", Kind::Choice(&["draft", "in-review", "reviewed", "closed"]), "Only these"),
            ArgSpec::optional("service", Kind::Service, "Only this service's"),
        ],
        examples: &["postmortem list", "postmortem list stage:draft"],
        ..CommandSpec::READS
    },
    CommandSpec {
        name: "postmortem find",
        about: "Search all post-mortems",
        args: &[ArgSpec::required("text", Kind::Text, "Words that it has to hold, in any language")],
        examples: &["postmortem find connection pool"],
        ..CommandSpec::READS
    },
    CommandSpec {
        name: "postmortem edit",
        about: "Write a post-mortem section by section, in forms",
        args: &[MEANT],
        examples: &["postmortem edit 7"],
        ..CommandSpec::READS
    },
    CommandSpec {
        name: "postmortem section",
        about: "Put a text into a section; what others wrote meanwhile is not written over",
        args: &[
            NUMBER,
            SECTION,
            ArgSpec::required("text", Kind::Text, "The whole text; ⏎ begins a new line"),
            ArgSpec::optional("based", Kind::Integer(0, 1_000_000), "The version that you have read").by_name(),
        ],
        examples: &["postmortem section number:7 section:impact text:\"3% of requests failed for 14 minutes.\""],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem restore",
        about: "Put an earlier version of a section back",
        args: &[NUMBER, SECTION, ArgSpec::required("version", Kind::Integer(0, 1_000_000), "Which version")],
        effect: Effect::GoesBack,
        examples: &["postmortem restore number:7 section:impact version:2"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem hint",
        about: "Look for one wording that blames or judges, in a text or in a post-mortem; only you see it",
        args: &[
            ArgSpec::optional("text", Kind::Text, "A text of yours"),
            ArgSpec::optional("number", Kind::Integer(1, i64::MAX), "A post-mortem"),
        ],
        examples: &["postmortem hint text:\"The operator forgot to check the lag.\"", "postmortem hint number:7"],
        ..CommandSpec::READS
    },
    CommandSpec {
        name: "postmortem review",
        about: "Hand a post-mortem over to be reviewed",
        examples: &["postmortem review 7"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem meet",
        about: "Say when it is talked about, and get the date as a file for your calendar",
        args: &[
            NUMBER,
            ArgSpec::required("at", Kind::Later, "When"),
            ArgSpec::optional("with", Kind::Person, "Who leads it: nobody who took part in the response"),
            ArgSpec::optional("for", Kind::Duration, "How long; an hour if left out"),
        ],
        examples: &["postmortem meet number:7 at:\"friday 14:00\" with:chloe"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem approve",
        about: "Say that a post-mortem is good as it stands: somebody else than who started it",
        examples: &["postmortem approve 7"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem publish",
        about: "Publish a post-mortem without people's names: as a file, and in its repository or at GitHub",
        args: &[
            MEANT,
            ArgSpec::optional(
                "files",
                Kind::Choice(&["yes"]),
                "With the files of its incident's timeline; each is named first",
            ),
        ],
        examples: &["postmortem publish 7", "postmortem publish number:7 files:yes"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem close",
        about: "Close a post-mortem whose action items are all done or dropped",
        examples: &["postmortem close 7"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem reopen",
        about: "Take a post-mortem back to an earlier stage",
        args: &[
            MEANT,
            ArgSpec::optional("to", Kind::Choice(&["draft", "in-review", "reviewed"]), "Which; a draft if left out"),
        ],
        effect: Effect::GoesBack,
        examples: &["postmortem reopen 7"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem due",
        about: "Show the reviews and action items that are open, what is late first",
        args: &[
            ArgSpec::optional("owner", Kind::Person, "Only what this person owns"),
            ArgSpec::optional("service", Kind::Service, "Only this service's"),
        ],
        examples: &["postmortem due", "postmortem due owner:ana"],
        ..CommandSpec::READS
    },
    CommandSpec {
        name: "postmortem action add",
        about: "Add something that is to be done, with an owner, a date, and an end that one can see",
        args: &[
            NUMBER,
            ArgSpec::required("what", Kind::Text, "What is to be done"),
            ArgSpec::required("owner", Kind::Person, "Who sees to it"),
            ArgSpec::required("due", Kind::Later, "Until when"),
            ArgSpec::required("kind", Kind::Choice(KINDS), "What it does about it"),
            ArgSpec::required("until", Kind::Text, "By what one can see that it is done"),
        ],
        examples: &[
            "postmortem action add number:7 what:\"Alert on replica lag\" owner:ana due:friday kind:detect until:\"an alert at 30 s\"",
        ],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem action change",
        about: "Give an action item another owner, date or end",
        args: &[
            ITEM,
            ArgSpec::optional("owner", Kind::Person, "Who sees to it from now on"),
            ArgSpec::optional("due", Kind::Later, "Until when"),
            ArgSpec::optional("until", Kind::Text, "By what one can see that it is done"),
        ],
        examples: &["postmortem action change item:12 owner:ben"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem action done",
        about: "Say that an action item is done",
        args: &[ITEM],
        examples: &["postmortem action done 12"],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem action drop",
        about: "Say that an action item will not be done, and why",
        args: &[ITEM, ArgSpec::required("because", Kind::Text, "Why, for who reads it later")],
        examples: &["postmortem action drop item:12 because:\"the service is gone\""],
        ..WRITES
    },
    CommandSpec {
        name: "postmortem action reopen",
        about: "Make an action item one that is to be done again",
        args: &[ITEM],
        effect: Effect::GoesBack,
        examples: &["postmortem action reopen 12"],
        ..WRITES
    },
];

/// The plugin at work.
struct Postmortems {
    settings: Settings,
    closed: Closed,
}

/// What can be said, in whichever command.
#[derive(Default, Deserialize)]
struct Said {
    number: Option<u64>,
    title: Option<String>,
    section: Option<String>,
    text: Option<String>,
    based: Option<u32>,
    version: Option<u32>,
    incident: Option<u64>,
    service: Option<String>,
    env: Option<String>,
    severity: Option<String>,
    to: Option<String>,
    files: Option<String>,
}

#[async_trait]
impl Plugin for Postmortems {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "postmortem start" => self.begin(cx).await,
            "postmortem show" => self.show(cx).await,
            "postmortem list" => self.list(cx).await,
            "postmortem find" => find::find(cx).await,
            "postmortem edit" => self.edit(cx).await,
            "postmortem section" => self.write(cx).await,
            "postmortem restore" => self.restore(cx).await,
            "postmortem hint" => self.hint(cx).await,
            "postmortem review" => self.review(cx).await,
            "postmortem meet" => self.meet(cx).await,
            "postmortem approve" => self.approve(cx).await,
            "postmortem publish" => self.publish(cx).await,
            "postmortem close" => self.close(cx).await,
            "postmortem reopen" => self.reopen(cx).await,
            "postmortem due" => self.due(cx).await,
            "postmortem action add" => self.add(cx).await,
            "postmortem action change" => items::change(cx).await,
            "postmortem action done" => items::done(cx).await,
            "postmortem action drop" => items::drop(cx).await,
            "postmortem action reopen" => items::reopen(cx).await,
            other => Err(anyhow::anyhow!("the plugin of post-mortems does not know `{other}`").into()),
        }
    }

    async fn complete(&self, arg: &ArgSpec, _given: &Args, ports: &Ports) -> Vec<Choice> {
        match arg.name {
            "section" => {
                let choice = |asked: &Asked| Choice { value: asked.name.clone(), about: asked.title.clone() };
                self.settings.sections.iter().map(choice).collect()
            }
            "number" => {
                let found = records::heads(&*ports.store).await.unwrap_or_default();
                let choice = |head: Head| Choice {
                    value: head.number.to_string(),
                    about: format!("{} ({})", text::cut(&text::plain(&head.title), 60), head.stage.words()),
                };
                found.into_iter().map(choice).collect()
            }
            "item" => items::open_ones(ports).await.unwrap_or_default(),
            _ => Vec::new(),
        }
    }

    async fn advise(&self, arg: &ArgSpec, text: &str, given: &Args, ports: &Ports) -> Option<Advice> {
        if arg.name != "text" {
            return None;
        }
        let said: Said = given.read().ok()?;
        let part =
            said.section.as_deref().and_then(|name| self.settings.section(name)).map_or(Part::Story, |it| it.part);
        let found = DOCUMENTS.get(&*ports.store, records::name(said.number?)).await.ok()??;
        let hint = self.look(&found.value, text, part)?;
        let reads = text.get(hint.at.clone())?.to_owned();
        let whole = hint.applied(text);
        Some(Advice { asks: hint.asks.to_owned(), reads, instead: hint.instead, whole })
    }

    async fn reconcile(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        match doing.draft.verb.as_str() {
            publish::VERB => self.settle(cx, doing).await,
            issues::OPENS => self.settle_issue(cx, doing).await,
            _ => nothing_kept(cx, doing).await,
        }
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }

    fn jobs(&self) -> Vec<Job> {
        let job = |(name, often): (&'static str, &str)| {
            let schedule = Schedule::parse(often, chrono_tz::UTC).ok()?;
            Some(Job { name, schedule })
        };
        let all = [("remind", "*/5 * * * *"), (ISSUES, "* * * * *")];
        all.into_iter().filter(|(name, _)| *name != ISSUES || self.settings.tracker.is_some()).filter_map(job).collect()
    }

    async fn watch(&self, cx: &Cx) {
        self.follow_closed(cx).await;
    }

    async fn work(&self, cx: &Cx, job: &str, due: DateTime<Utc>) -> Result<()> {
        if job == ISSUES { self.follow(cx, due).await } else { self.remind(cx).await }
    }
}

impl Postmortems {
    /// The section that somebody names.
    fn section(&self, name: &str) -> Result<&Asked> {
        self.settings.section(name).ok_or_else(|| {
            let names: Vec<_> = self.settings.sections.iter().map(|section| section.name.as_str()).collect();
            let instead = match config::suggest::suggest(name, names.iter().copied()) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None => format!("Say {}.", text::list(&names)),
            };
            Stop::refuse(format!("There is no section {}, so nothing was done. {instead}", text::code(name)))
        })
    }
}

/// An act on a post-mortem.
fn act(verb: &'static str, document: &Document) -> Act {
    Act {
        verb,
        object: format!("#{} {}", document.number, text::cut(&document.title, 80)),
        service: document.service.clone(),
        environment: document.environment.clone(),
        state: Some(DOCUMENTS.key(records::name(document.number))),
        ..Act::default()
    }
}

/// Keeps `document` as an act leaves it, on the condition that nobody else has changed it since it was read.
async fn keep(cx: &Cx, act: Act, version: u64, document: &Document, told: Option<&Reply>) -> Result<u64> {
    let name = records::name(document.number);
    cx.act(act, async |permit| {
        permit.expect(DOCUMENTS.key(&name), version);
        DOCUMENTS.put(permit, &name, document)?;
        if let Some(told) = told {
            permit.say(&document.place, told.clone())?;
        }
        Ok(permit.act())
    })
    .await
}
