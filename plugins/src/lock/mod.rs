//! Locks: a service in an environment, or all of it, kept for one person for a while, for a reason.

mod line;
mod records;
mod settings;
mod show;
mod tend;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::cx::{Cx, Ports};
use commands::offer::Offers;
use commands::plugin::{Guarded, Job, Plugin};
use commands::reply::{Reply, Tone};
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, PluginSpec};
use commands::stop::{Result, Stop};
use commands::text;
use config::Schedule;
use records::{Book, LOCKS, Lock, Scope, TOKENS, Token, WAITS, Wait};
use serde::Deserialize;
use settings::Settings;
use std::sync::Arc;
use std::time::Duration;

const ENVIRONMENT: ArgSpec = ArgSpec::required("env", Kind::Environment, "Where");
const BECAUSE: ArgSpec = ArgSpec::required("because", Kind::Text, "Why, for those whom it stops");
const SERVICE: ArgSpec = ArgSpec::optional("service", Kind::Service, "Which service; all of them if left out");
const FOR: ArgSpec = ArgSpec::optional("for", Kind::Duration, "For how long; then it ends by itself");

/// A command that changes locks. None of them waits for a deploy that is under way, and no guard is asked.
const LOCKS_ONLY: CommandSpec = CommandSpec { urgent: true, ..CommandSpec::CHANGES };

/// What can be said about locks.
pub static SPEC: PluginSpec = PluginSpec {
    name: "lock",
    about: "Keeps a service or a whole environment for one person for a while, and everybody else from changing it.",
    commands: &[
        CommandSpec {
            name: "lock take",
            about: "Keep others from changing a service, or a whole environment, for a while",
            args: &[ENVIRONMENT, BECAUSE, SERVICE, FOR],
            examples: &[
                "lock take env:production service:hello because:\"the database moves\" for:2h",
                "lock take env:staging because:\"load test\"",
            ],
            ..LOCKS_ONLY
        },
        CommandSpec {
            name: "lock release",
            about: "Give your lock, or your place in line, back",
            args: &[ENVIRONMENT, SERVICE],
            effect: Effect::GoesBack,
            examples: &["lock release env:production service:hello", "lock release staging"],
            ..LOCKS_ONLY
        },
        CommandSpec {
            name: "lock release-all",
            about: "Give all your locks back",
            effect: Effect::GoesBack,
            examples: &["lock release-all"],
            ..LOCKS_ONLY
        },
        CommandSpec {
            name: "lock wait",
            about: "Stand in line for a lock, and be told when it is your turn",
            args: &[ENVIRONMENT, SERVICE, ArgSpec::optional("because", Kind::Text, "What you need it for")],
            examples: &["lock wait env:production service:hello", "lock wait staging because:\"my turn to test\""],
            ..LOCKS_ONLY
        },
        CommandSpec {
            name: "lock hand-over",
            about: "Offer your lock to someone else",
            args: &[ENVIRONMENT, ArgSpec::required("to", Kind::Person, "To whom"), SERVICE],
            examples: &["lock hand-over env:production to:ben service:hello"],
            ..LOCKS_ONLY
        },
        CommandSpec {
            name: "lock steal",
            about: "Take over a lock that someone else holds; they are told",
            args: &[ENVIRONMENT, BECAUSE, SERVICE, FOR],
            examples: &["lock steal env:production service:hello because:\"ana is on a plane\""],
            ..LOCKS_ONLY
        },
        CommandSpec {
            name: "lock list",
            about: "Show who has locked what, until when and why, and who waits for it",
            args: &[ArgSpec::optional("env", Kind::Environment, "Only this environment"), SERVICE],
            effect: Effect::Reads,
            urgent: false,
            examples: &["lock list", "lock list production"],
            ..LOCKS_ONLY
        },
    ],
    start: |setup| Arc::new(Locks { settings: Settings::read(setup) }),
};

/// The plugin at work.
struct Locks {
    settings: Settings,
}

#[derive(Default, Deserialize)]
struct Said {
    env: Option<String>,
    service: Option<String>,
    because: Option<String>,
    r#for: Option<Duration>,
    to: Option<String>,
}

/// What is asked for, and how the locks of its environment stand.
struct Asked {
    said: Said,
    scope: Scope,
    book: Book,
}

#[async_trait]
impl Plugin for Locks {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        if cx.command() == "lock list" {
            return list(cx, &said).await;
        }
        if cx.command() == "lock release-all" {
            return release_all(cx).await;
        }
        let scope = Scope { environment: said.env.clone().unwrap_or_default(), service: said.service.clone() };
        let book = Book::read(cx.store(), &scope.environment).await?;
        let asked = Asked { said, scope, book };
        match cx.command() {
            "lock take" => self.take(cx, asked).await,
            "lock release" => release(cx, asked).await,
            "lock wait" => line::wait(cx, asked).await,
            "lock hand-over" => hand_over(cx, asked).await,
            "lock steal" => self.steal(cx, asked).await,
            other => Err(anyhow::anyhow!("the lock plugin does not know `{other}`").into()),
        }
    }

    async fn guard(&self, cx: &Cx) -> anyhow::Result<Guarded> {
        let Some(invocation) = cx.invocation() else { return Ok(Guarded::Allow) };
        let (service, environment) = (invocation.service(), invocation.environment());
        let locks = LOCKS.scan(cx.store(), "", usize::MAX).await?.into_iter().map(|(_, lock)| lock.value);
        let locks: Vec<_> =
            locks.filter(|lock| lock.scope.covers(service, environment) && lock.until > cx.now()).collect();
        if let Some(lock) = locks.iter().find(|lock| lock.who != cx.who()) {
            return Ok(Guarded::Deny(Box::new(show::stopped(lock, cx))));
        }
        let Some(own) = locks.first() else { return Ok(Guarded::Allow) };
        let name = own.scope.name();
        let version = TOKENS.get(cx.store(), &name).await?.map_or(0, |token| token.version);
        Ok(Guarded::While { key: TOKENS.key(&name), version })
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }

    fn jobs(&self) -> Vec<Job> {
        let every_minute = Schedule::parse("* * * * *", chrono_tz::UTC);
        every_minute.into_iter().map(|schedule| Job { name: "tend", schedule }).collect()
    }

    async fn work(&self, cx: &Cx, _job: &str, _due: DateTime<Utc>) -> Result<()> {
        tend::tend(cx).await
    }
}

#[async_trait]
impl Offers for Locks {
    async fn notes(&self, ports: &Ports, service: &str, environment: &str) -> anyhow::Result<Vec<String>> {
        let book = Book::read(&*ports.store, environment).await?;
        let now = ports.clock.now();
        let stands = |lock: &&Lock| lock.until > now && lock.scope.covers(Some(service), Some(environment));
        Ok(book.locks.iter().filter(stands).map(|lock| show::note(lock, now, ports.vocabulary.zone)).collect())
    }
}

impl Locks {
    async fn take(&self, cx: &Cx, asked: Asked) -> Result<Reply> {
        let Asked { said, scope, book } = asked;
        let until = self.until(cx, said.r#for)?;
        let exact = book.exact(&scope, cx.now()).cloned();
        let offered = exact.filter(|lock| lock.who == cx.who() || lock.offered.as_deref() == Some(cx.who()));
        if let Some(other) = book.blocks(&scope, cx.who(), cx.now())
            && offered.as_ref() != Some(other)
        {
            return Err(show::stopped(other, cx).into());
        }
        let lock = new_lock(cx, scope, said.because, until);
        match offered {
            Some(before) if before.who == cx.who() => {
                let lock = Lock { since: before.since, ..lock };
                let number = put(cx, book, "lock.take", &lock, None, None).await?;
                Ok(show::held(&lock, number, format!("You keep {} for longer.", lock.scope), cx))
            }
            Some(before) => {
                let undo = format!("lock hand-over {} to:{}", lock.scope.args(), before.who);
                let number = put(cx, book, "lock.take", &lock, Some(&before), Some(undo)).await?;
                let says = format!("{} has handed {} over to you.", text::plain(&before.who), lock.scope);
                Ok(show::held(&lock, number, says, cx))
            }
            None => {
                let undo = format!("lock release {}", lock.scope.args());
                let number = put(cx, book, "lock.take", &lock, None, Some(undo)).await?;
                let says =
                    format!("Nobody but you changes {} until you give it back, or its time is over.", lock.scope);
                Ok(show::held(&lock, number, says, cx))
            }
        }
    }

    async fn steal(&self, cx: &Cx, asked: Asked) -> Result<Reply> {
        let Asked { said, scope, book } = asked;
        let until = self.until(cx, said.r#for)?;
        let Some(before) = book.exact(&scope, cx.now()).filter(|lock| lock.who != cx.who()).cloned() else {
            let instead = match book.blocks(&scope, cx.who(), cx.now()) {
                Some(other) => format!(
                    "{} has locked {}: `/lock steal {} because:\"…\"` takes that over.",
                    text::plain(&other.who),
                    other.scope,
                    other.scope.args()
                ),
                None => format!("Take it: `/lock take {} because:\"…\"`.", scope.args()),
            };
            return Err(Stop::refuse(format!(
                "Nobody else has locked just {scope}, so nothing was taken over. {instead}"
            )));
        };
        if let Some(other) = book.locks.iter().find(|lock| {
            lock.scope != scope && lock.scope.meets(&scope) && lock.who != cx.who() && lock.until > cx.now()
        }) {
            return Err(show::stopped(other, cx).into());
        }
        let lock = new_lock(cx, scope, said.because, until);
        let undo = format!("lock hand-over {} to:{}", lock.scope.args(), before.who);
        let number = put(cx, book, "lock.steal", &lock, Some(&before), Some(undo)).await?;
        let says = format!(
            "You have taken {} over from {}, who is told. What they have begun goes no further than its next step.",
            lock.scope,
            text::plain(&before.who)
        );
        Ok(show::held(&lock, number, says, cx))
    }

    /// When a lock ends that lasts so long.
    fn until(&self, cx: &Cx, lasts: Option<Duration>) -> Result<DateTime<Utc>> {
        let lasts = lasts.unwrap_or(self.settings.lease);
        if lasts > self.settings.longest {
            let longest = config::duration::show(self.settings.longest);
            return Err(Stop::refuse(format!(
                "A lock lasts {longest} at the most, so it was not taken. Say `for:{longest}` or less; taking it again makes it last longer."
            )));
        }
        Ok(cx.now() + lasts)
    }
}

fn new_lock(cx: &Cx, scope: Scope, why: Option<String>, until: DateTime<Utc>) -> Lock {
    let (who, place) = (cx.who().to_owned(), cx.call().place.clone());
    Lock { scope, who, why: why.unwrap_or_default(), since: cx.now(), until, place, offered: None }
}

fn act(verb: &'static str, scope: &Scope) -> Act {
    Act {
        verb,
        object: scope.name(),
        service: scope.service.clone(),
        environment: Some(scope.environment.clone()),
        state: Some(LOCKS.key(scope.name())),
        ..Act::default()
    }
}

/// Puts `lock` in its place, tells the one who held it `before`, and takes its holder out of the line.
async fn put(
    cx: &Cx,
    book: Book,
    verb: &'static str,
    lock: &Lock,
    before: Option<&Lock>,
    undo: Option<String>,
) -> Result<u64> {
    let scope = &lock.scope;
    let token = TOKENS.get(cx.store(), scope.name()).await?;
    let act = Act {
        says: format!("Lock {scope} until {}.", show::moment(lock.until, cx)),
        facts: vec![("from", before.map_or_else(String::new, |before| before.who.clone()))],
        why: lock.why.clone(),
        undo,
        ..act(verb, scope)
    };
    cx.act(act, async |permit| {
        book.edit(permit)?;
        LOCKS.put(permit, scope.name(), lock)?;
        permit.note(format!("until {}", show::moment(lock.until, cx)));
        if token.is_none_or(|token| token.value.who != lock.who) {
            TOKENS.put(permit, scope.name(), &Token { who: lock.who.clone(), act: permit.act() })?;
        }
        for (name, wait) in book.waits.iter().filter(|(_, wait)| wait.scope.meets(scope)) {
            if wait.who == lock.who {
                permit.delete(WAITS.key(name));
            } else if wait.told.is_some() {
                WAITS.put(permit, name, &Wait { told: None, ..wait.clone() })?;
            }
        }
        if let Some(before) = before {
            let how = match verb {
                "lock.steal" => format!(
                    "was taken over by {}: {}.",
                    text::plain(&lock.who),
                    text::plain(&lock.why).trim_end_matches('.')
                ),
                _ => format!("is {}'s now.", text::plain(&lock.who)),
            };
            permit.say(&before.place, show::lost(before, &how))?;
        }
        Ok(permit.act())
    })
    .await
}

async fn release(cx: &Cx, asked: Asked) -> Result<Reply> {
    let Asked { scope, mut book, .. } = asked;
    let Some(lock) = book.exact(&scope, cx.now()).filter(|lock| lock.who == cx.who()).cloned() else {
        return line::leave(cx, &scope, book).await;
    };
    let act = Act {
        says: format!("Give {scope} back."),
        undo: Some(show::take(&scope, &lock.why)),
        ..act("lock.release", &scope)
    };
    let next = cx
        .act(act, async |permit| {
            book.edit(permit)?;
            permit.delete(LOCKS.key(scope.name()));
            book.locks.retain(|other| *other != lock);
            let before = book.waits.clone();
            tend::call_next(cx, permit, &mut book)?;
            let others = book.waits.iter().filter(|wait| wait.1.scope.meets(&scope));
            let (called, others): (Vec<_>, Vec<_>) = others.partition(|wait| !before.contains(wait));
            Ok([called, others]
                .map(|waits| waits.into_iter().map(|(_, wait)| text::plain(&wait.who)).collect::<Vec<_>>()))
        })
        .await?;
    let next = match next.each_ref().map(Vec::as_slice) {
        [[], []] => "Nobody waits for it.".to_owned(),
        [[], others] => {
            format!("Still waiting, as another lock or somebody's turn comes first: {}.", others.join(", "))
        }
        [[called], _] => format!("{called} is next in line, and was told."),
        [called, _] => format!("{} are next in line, and were told.", called.join(", ")),
    };
    Ok(Reply::say(format!("You have given {scope} back. {next}")))
}

/// Gives back whatever the asker holds, one after the other: what goes wrong with one is told, and the others go on.
async fn release_all(cx: &Cx) -> Result<Reply> {
    let locks = LOCKS.scan(cx.store(), "", usize::MAX).await?.into_iter().map(|(_, lock)| lock.value);
    let mut told = Vec::new();
    for lock in locks.filter(|lock| lock.who == cx.who() && lock.until > cx.now()) {
        let book = Book::read(cx.store(), &lock.scope.environment).await?;
        match release(cx, Asked { said: Said::default(), scope: lock.scope, book }).await {
            Ok(reply) => told.push(reply.text),
            Err(Stop::Refused(reply)) => told.push(reply.text),
            Err(other) => return Err(other),
        }
    }
    if told.is_empty() {
        return Err(Stop::refuse("You hold no lock, so there was nothing to give back. `/lock list` shows all locks."));
    }
    Ok(Reply::say(told.join("\n")))
}

async fn hand_over(cx: &Cx, asked: Asked) -> Result<Reply> {
    let Asked { said, scope, book } = asked;
    let to = said.to.unwrap_or_default();
    let Some(lock) = book.exact(&scope, cx.now()).filter(|lock| lock.who == cx.who()) else {
        return Err(Stop::refuse(format!(
            "You do not hold {scope}, so you can not hand it over. `/lock list` shows who does."
        )));
    };
    if to == cx.who() {
        return Err(Stop::refuse(format!("You hold {scope} already. Say `to:` somebody else.")));
    }
    let lock = Lock { offered: Some(to.clone()), ..lock.clone() };
    let act = Act {
        says: format!("Offer {scope} to {}.", text::plain(&to)),
        facts: vec![("to", to.clone())],
        undo: Some(show::take(&scope, &lock.why)),
        ..act("lock.hand-over", &scope)
    };
    cx.act(act, async |permit| {
        book.edit(permit)?;
        permit.note(format!("offered to {to}"));
        Ok(LOCKS.put(permit, scope.name(), &lock)?)
    })
    .await?;
    let version = LOCKS.get(cx.store(), scope.name()).await?.map_or(0, |lock| lock.version);
    Ok(show::offered(&lock, &to, version, cx))
}

async fn list(cx: &Cx, said: &Said) -> Result<Reply> {
    let wanted = |scope: &Scope| {
        said.env.is_none() && said.service.is_none() || scope.covers(said.service.as_deref(), said.env.as_deref())
    };
    let mut rows = Vec::new();
    for environment in &cx.ports().vocabulary.environments {
        let book = Book::read(cx.store(), environment).await?;
        let locks = book.locks.iter().filter(|lock| lock.until > cx.now() && wanted(&lock.scope));
        rows.extend(locks.map(|lock| show::row(lock, &book, cx)));
    }
    if rows.is_empty() {
        return Ok(Reply::say("Nothing is locked there. `/lock take` locks a service, or a whole environment."));
    }
    let soon = rows.len();
    let title = text::plural(soon, "lock");
    Ok(Reply::card(Tone::Plain, title, "").table(["What", "Who", "Since", "Until", "Why", "Waiting"], rows))
}
