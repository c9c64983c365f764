//! Digests: what happened, told in a channel at regular times, as every plugin tells it; and what customers say.

mod records;
mod send;
mod show;
mod voice;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::act::Act;
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::Place;
use commands::offer::{Offers, Section};
use commands::plugin::{Job, Plugin, Setup};
use commands::registry::is_name;
use commands::reply::Reply;
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, PluginSpec};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use config::Schedule;
use records::{DIGESTS, Digest};
use serde::Deserialize;
use std::ops::Range;
use std::sync::Arc;

const NAME: ArgSpec = ArgSpec::required("name", Kind::Text, "What it is called");

/// A command about a digest. None of them waits for a change that is under way.
const DIGEST: CommandSpec = CommandSpec { args: &[NAME], urgent: true, ..CommandSpec::CHANGES };

/// What can be said about digests.
pub static SPEC: PluginSpec = PluginSpec {
    name: "digest",
    about: "Tells at regular times what happened, and keeps what customers say.",
    commands: &[
        CommandSpec {
            name: "digest add",
            about: "Tell in this channel, at regular times, what happened since",
            args: &[
                NAME,
                ArgSpec::required("cron", Kind::Text, "When, as a line of crontab: \"0 9 * * mon-fri\""),
                ArgSpec::optional("zone", Kind::Text, "On whose clocks; the team's if left out").by_name(),
            ],
            examples: &["digest add name:morning cron:\"0 9 * * mon-fri\" zone:Asia/Seoul", "digest add week @weekly"],
            ..DIGEST
        },
        CommandSpec {
            name: "digest list",
            about: "List the digests, with where and when",
            args: &[],
            effect: Effect::Reads,
            urgent: false,
            examples: &["digest list"],
            ..DIGEST
        },
        CommandSpec {
            name: "digest show",
            about: "Show what a digest would tell now",
            effect: Effect::Reads,
            urgent: false,
            examples: &["digest show morning"],
            ..DIGEST
        },
        CommandSpec {
            name: "digest pause",
            about: "Keep a digest from being told until it is resumed",
            examples: &["digest pause morning"],
            ..DIGEST
        },
        CommandSpec {
            name: "digest resume",
            about: "Let a digest be told again",
            examples: &["digest resume morning"],
            ..DIGEST
        },
        CommandSpec {
            name: "digest run",
            about: "Tell a digest now, in its channel, and again when it is due",
            examples: &["digest run morning"],
            ..DIGEST
        },
        CommandSpec {
            name: "digest remove",
            about: "Tell a digest no more",
            examples: &["digest remove morning"],
            ..DIGEST
        },
        CommandSpec {
            name: "voice add",
            about: "Keep what a customer says of a service, for the next digest",
            args: &[
                ArgSpec::required("service", Kind::Service, "Of which service"),
                ArgSpec::required("text", Kind::Text, "In their words, without their name"),
            ],
            examples: &["voice add service:hello text:\"the greeting is late\""],
            ..DIGEST
        },
        CommandSpec {
            name: "voice list",
            about: "Show what customers said lately",
            args: &[ArgSpec::optional("service", Kind::Service, "Only of this service")],
            effect: Effect::Reads,
            urgent: false,
            examples: &["voice list", "voice list hello"],
            ..DIGEST
        },
        CommandSpec {
            name: "voice remove",
            about: "Take back what a customer is said to have said",
            args: &[ArgSpec::required("number", Kind::Integer(1, i64::MAX), "Its number, as in /voice list")],
            examples: &["voice remove 41"],
            ..DIGEST
        },
    ],
    start: |setup| {
        finish(setup);
        Arc::new(Digests)
    },
};

/// Its section has no keys.
fn finish(setup: &Setup<'_>) {
    if let Some(section) = setup.section() {
        section.finish();
    }
}

/// The plugin at work.
struct Digests;

#[derive(Deserialize)]
struct AddArgs {
    name: String,
    cron: String,
    zone: Option<String>,
}

#[derive(Deserialize)]
struct NameArgs {
    name: String,
}

#[async_trait]
impl Plugin for Digests {
    async fn run(&self, cx: &Cx) -> Result<Reply> {
        match cx.command() {
            "digest add" => add(cx).await,
            "digest list" => Ok(show::list(&records::all(cx.store()).await?, cx)),
            "voice add" => voice::add(cx).await,
            "voice list" => voice::list(cx).await,
            "voice remove" => voice::remove(cx).await,
            command => {
                let NameArgs { name } = cx.args()?;
                let found = find(cx, &name).await?;
                match command {
                    "digest show" => Ok(send::preview(cx, &name, &found.value).await),
                    "digest pause" => pause(cx, name, found, true).await,
                    "digest resume" => pause(cx, name, found, false).await,
                    "digest run" => send::now(cx, name, found).await,
                    "digest remove" => remove(cx, name, found).await,
                    other => Err(anyhow::anyhow!("the digest plugin does not know `{other}`").into()),
                }
            }
        }
    }

    async fn complete(&self, arg: &ArgSpec, _given: &Args, ports: &Ports) -> Vec<Choice> {
        match arg.name {
            "name" => {
                let all = records::all(&*ports.store).await.unwrap_or_default();
                all.into_iter().map(|(name, digest)| Choice::new(name, digest.value.cron)).collect()
            }
            "cron" => [("0 9 * * mon-fri", "every working day at 9:00"), ("0 9 * * mon", "every Monday at 9:00")]
                .map(|(line, about)| Choice::new(line, about))
                .into(),
            "number" => voice::choices(ports).await,
            _ => Vec::new(),
        }
    }

    fn jobs(&self) -> Vec<Job> {
        let every_minute = Schedule::parse("* * * * *", chrono_tz::UTC);
        every_minute.into_iter().map(|schedule| Job { name: "send", schedule }).collect()
    }

    async fn work(&self, cx: &Cx, _job: &str, _due: DateTime<Utc>) -> Result<()> {
        send::due(cx).await
    }

    fn offers(&self) -> Option<&dyn Offers> {
        Some(self)
    }
}

#[async_trait]
impl Offers for Digests {
    async fn digest(&self, ports: &Ports, span: Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
        voice::section(ports, &span).await
    }
}

async fn add(cx: &Cx) -> Result<Reply> {
    let AddArgs { name, cron, zone } = cx.args()?;
    if !is_name(&name) {
        return Err(Stop::refuse(format!(
            "{} can not be the name of a digest. Write up to 32 of a-z, 0-9 and `-`, a letter first.",
            text::code(&name)
        )));
    }
    if DIGESTS.get(cx.store(), &name).await?.is_some() {
        return Err(Stop::refuse(format!(
            "There is a digest `{name}` already, so nothing was added. Take another name, or say `/digest remove {name}` first."
        )));
    }
    let zone = zone.map_or(Ok(cx.ports().vocabulary.zone), |zone| read_zone(&zone))?;
    let schedule = Schedule::parse(&cron, zone).map_err(Stop::refuse)?;
    let Some(due) = schedule.next(cx.now()) else {
        return Err(Stop::refuse(format!("{} never comes. Write another line.", text::code(&cron))));
    };
    // The first one tells of as much as the others will, and of all that comes before it.
    let apart = schedule.next(due).map_or(TimeDelta::zero(), |next| next - due);
    let place = Place { message: String::new(), ..cx.call().place.clone() };
    let digest = Digest {
        cron: cron.split_whitespace().collect::<Vec<_>>().join(" "),
        zone: zone.to_string(),
        place,
        who: cx.who().to_owned(),
        due,
        until: cx.now().min(due - apart),
        paused: false,
    };
    let act = Act { undo: Some(format!("digest remove name:{name}")), ..act("digest.add", &name) };
    cx.act(act, async |permit| {
        permit.expect(DIGESTS.key(&name), 0);
        Ok(DIGESTS.put(permit, &name, &digest)?)
    })
    .await?;
    Ok(show::added(&name, &digest, cx))
}

/// An act that concerns the digest of this name, by a version of its record.
fn act(verb: &'static str, name: &str) -> Act {
    Act { verb, object: name.to_owned(), state: Some(DIGESTS.key(name)), ..Act::default() }
}

fn read_zone(zone: &str) -> Result<Tz> {
    zone.parse().map_err(|_| {
        let names = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let instead = match config::suggest::suggest(zone, names) {
            Some(meant) => format!("Did you mean `{meant}`?"),
            None => "Write one as in `Asia/Seoul` or `UTC`.".to_owned(),
        };
        Stop::refuse(format!("There is no time zone {}. {instead}", text::code(zone)))
    })
}

async fn find(cx: &Cx, name: &str) -> Result<Versioned<Digest>> {
    if let Some(found) = DIGESTS.get(cx.store(), name).await? {
        return Ok(found);
    }
    let all = records::all(cx.store()).await?;
    let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
    let instead = match config::suggest::suggest(name, names.iter().copied()) {
        Some(meant) => format!("Did you mean `{meant}`?"),
        None if names.is_empty() => "There is none yet: `/digest add` makes one.".to_owned(),
        None => format!("There is {}.", text::list(&names)),
    };
    Err(Stop::refuse(format!("There is no digest {}. {instead}", text::code(name))))
}

async fn pause(cx: &Cx, name: String, Versioned { value, version }: Versioned<Digest>, paused: bool) -> Result<Reply> {
    if value.paused == paused {
        let how = if paused { "is paused already" } else { "is not paused" };
        return Err(Stop::refuse(format!("The digest `{name}` {how}, so nothing was changed.")));
    }
    let (verb, back) = if paused { ("digest.pause", "resume") } else { ("digest.resume", "pause") };
    // What came due meanwhile is not told all at once.
    let due = value.schedule()?.next(cx.now()).unwrap_or(value.due);
    let digest = Digest { paused, due, ..value };
    let act = Act { undo: Some(format!("digest {back} name:{name}")), ..act(verb, &name) };
    cx.act(act, async |permit| {
        permit.expect(DIGESTS.key(&name), version);
        Ok(DIGESTS.put(permit, &name, &digest)?)
    })
    .await?;
    Ok(match paused {
        true => Reply::say(format!("The digest `{name}` is told no more, until `/digest resume {name}`.")),
        false => show::added(&name, &digest, cx),
    })
}

async fn remove(cx: &Cx, name: String, Versioned { value, version }: Versioned<Digest>) -> Result<Reply> {
    cx.act(act("digest.remove", &name), async |permit| {
        permit.expect(DIGESTS.key(&name), version);
        permit.delete(DIGESTS.key(&name));
        // It would be added where the line is said: nowhere else does it lead back.
        let here = value.place.channel == cx.call().place.channel && value.place.platform == cx.call().place.platform;
        let back = format!("digest add name:{name} cron:\"{}\" zone:{}", value.cron, value.zone);
        permit.undo(here.then_some(back));
        Ok(())
    })
    .await?;
    Ok(Reply::say(format!("The digest `{name}` is gone: it was {}.", show::when(&value))))
}
