//! Trains: regular departures that people join with a commit of theirs, and that ship what is ready.

mod depart;
mod records;
mod settings;
mod show;
mod tick;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::{self, Entry as Doing};
use commands::plugin::{Job, Line, Plugin};
use commands::reply::Reply;
use commands::spec::{ArgSpec, CommandSpec, Effect, Kind, PluginSpec};
use commands::stop::{Result, Stop};
use commands::text;
use config::Schedule;
use records::{Entry, Hold, Outcome, State, TRAINS};
use serde::Deserialize;
use settings::{Train, Trains};
use std::sync::Arc;

const TRAIN: ArgSpec = ArgSpec::required("train", Kind::Text, "Which train");
const BECAUSE: ArgSpec = ArgSpec::required("because", Kind::Text, "Why, for those who wait for it");
const ITS_SERVICE: ArgSpec = ArgSpec::optional("service", Kind::Service, "Only this service; all of yours if left out");

/// A command about a train. It waits for no change under way, and no guard is asked: what leaves meets them by itself.
const ABOARD: CommandSpec = CommandSpec { args: &[TRAIN], urgent: true, ..CommandSpec::CHANGES };

/// What can be said about trains.
pub static SPEC: PluginSpec = PluginSpec {
    name: "train",
    about: "Ships at regular times what people have put aboard and called ready, announced before it leaves.",
    commands: &[
        CommandSpec {
            name: "train join",
            about: "Put a tag, branch or commit of a service aboard, to leave with the train",
            args: &[
                TRAIN,
                ArgSpec::required("service", Kind::Service, "Which service"),
                ArgSpec::required("ref", Kind::Ref, "A tag, a branch or a commit; its commit of this moment rides"),
            ],
            examples: &["train join train:weekly service:hello ref:v2", "train join weekly hello v2"],
            ..ABOARD
        },
        CommandSpec {
            name: "train ready",
            about: "Say that what you have put aboard may leave",
            args: &[TRAIN, ITS_SERVICE],
            examples: &["train ready train:weekly", "train ready train:weekly service:hello"],
            ..ABOARD
        },
        CommandSpec {
            name: "train leave",
            about: "Take what you have put aboard off the train",
            args: &[TRAIN, ITS_SERVICE],
            effect: Effect::GoesBack,
            examples: &["train leave train:weekly", "train leave train:weekly service:hello"],
            ..ABOARD
        },
        CommandSpec {
            name: "train hold",
            about: "Keep the train from leaving, out loud, until it is opened again",
            args: &[TRAIN, BECAUSE],
            examples: &["train hold train:weekly because:\"checkout is slow\""],
            ..ABOARD
        },
        CommandSpec {
            name: "train go",
            about: "Let the train leave now, with all that is ready",
            examples: &["train go weekly"],
            ..ABOARD
        },
        CommandSpec {
            name: "train close",
            about: "Let nobody join any more, and the train not leave, until it is opened again",
            args: &[TRAIN, BECAUSE],
            examples: &["train close train:weekly because:\"the office moves\""],
            ..ABOARD
        },
        CommandSpec {
            name: "train open",
            about: "Let a train that was held or closed take people and leave again",
            effect: Effect::GoesBack,
            examples: &["train open weekly"],
            ..ABOARD
        },
        CommandSpec {
            name: "train list",
            about: "Show when trains leave, and what is aboard",
            args: &[ArgSpec::optional("train", Kind::Text, "Only this train")],
            effect: Effect::Reads,
            urgent: false,
            examples: &["train list", "train list weekly"],
            ..ABOARD
        },
    ],
    start: |setup| Arc::new(Station { trains: settings::read(setup) }),
};

/// The plugin at work.
struct Station {
    trains: Trains,
}

#[derive(Deserialize)]
struct Said {
    train: String,
    service: Option<String>,
    r#ref: Option<String>,
    because: Option<String>,
}

#[derive(Deserialize)]
struct ListArgs {
    train: Option<String>,
}

/// A train, and how it stands by a version of its record.
struct Standing<'a> {
    train: &'a Train,
    state: State,
    version: u64,
}

#[async_trait]
impl Plugin for Station {
    fn lines(&self) -> Vec<Line> {
        self.trains.values().flat_map(|train| train.lines.clone()).collect()
    }

    async fn run(&self, cx: &Cx) -> Result<Reply> {
        if cx.command() == "train list" {
            return self.list(cx).await;
        }
        let said: Said = cx.args()?;
        let it = self.standing(cx, &said.train).await?;
        if it.state.leaving.is_some() {
            return Err(Stop::refuse(format!(
                "The train {} is leaving at this moment, so nothing was changed. Say it again when it has left.",
                text::code(it.train.name)
            )));
        }
        match cx.command() {
            "train join" => join(cx, it, &said).await,
            "train ready" => ready(cx, it, &said).await,
            "train leave" => leave(cx, it, &said).await,
            "train hold" | "train close" => stop(cx, it, said.because.unwrap_or_default()).await,
            "train open" => open(cx, it).await,
            "train go" => self.go(cx, it).await,
            other => Err(anyhow::anyhow!("the train plugin does not know `{other}`").into()),
        }
    }

    async fn complete(&self, arg: &ArgSpec, _given: &Args, _ports: &Ports) -> Vec<Choice> {
        let choice =
            |train: &Train| Choice { value: train.name.to_owned(), about: format!("to {}", train.environment) };
        if arg.name == "train" { self.trains.values().map(choice).collect() } else { Vec::new() }
    }

    fn jobs(&self) -> Vec<Job> {
        let every_minute = || Schedule::parse("* * * * *", chrono_tz::UTC).ok();
        let job = |train: &Train| Some(Job { name: train.name, schedule: every_minute()? });
        self.trains.values().filter(|train| train.schedule.is_some()).filter_map(job).collect()
    }

    async fn work(&self, cx: &Cx, job: &str, _due: DateTime<Utc>) -> Result<()> {
        match self.trains.contains_key(job) {
            true => self.tick(cx, job).await,
            false => Ok(()),
        }
    }

    async fn reconcile(&self, cx: &Cx, doing: Doing) -> Result<Reply> {
        let (number, verb, name) = (doing.seq, doing.draft.verb.clone(), doing.draft.object.clone());
        cx.resume(doing, async |permit| match self.trains.get(name.as_str()) {
            Some(train) if verb == "train.depart" => self.depart(cx, permit, train).await,
            _ => {
                permit.failed("Deckhand was stopped in the middle of it, and nothing of it was kept");
                Ok(Reply::say(format!("Deckhand was stopped in the middle of #{number}. Nothing of it was kept.")))
            }
        })
        .await
    }
}

impl Station {
    fn find(&self, name: &str) -> Result<&Train> {
        self.trains.get(name.to_lowercase().as_str()).ok_or_else(|| {
            let names: Vec<_> = self.trains.keys().copied().collect();
            let instead = match config::suggest::suggest(name, names.iter().copied()) {
                Some(meant) => format!("Did you mean `{meant}`?"),
                None if names.is_empty() => {
                    "The config declares none: see `[train.trains.NAME]` in the manual.".to_owned()
                }
                None => format!("Say {}.", text::list(&names)),
            };
            Stop::refuse(format!("There is no train {}. {instead}", text::code(name)))
        })
    }

    async fn standing(&self, cx: &Cx, name: &str) -> Result<Standing<'_>> {
        let train = self.find(name)?;
        let found = TRAINS.get(cx.store(), train.name).await?;
        let (mut state, version) = found.map_or_else(Default::default, |found| (found.value, found.version));
        if let Some(leaving) = state.leaving.take() {
            if ledger::open(cx.store()).await?.iter().any(|entry| entry.seq == leaving.act) {
                state.leaving = Some(leaving);
            } else {
                // Its end could not be written: what has not left is aboard again.
                state.aboard.splice(0..0, stayed(&leaving.entries));
            }
        }
        let mut aboard = Vec::new();
        for entry in std::mem::take(&mut state.aboard) {
            if !is_live(cx, train, &entry).await? {
                aboard.push(entry);
            }
        }
        state.aboard = aboard;
        Ok(Standing { train, state, version })
    }

    async fn list(&self, cx: &Cx) -> Result<Reply> {
        let ListArgs { train } = cx.args()?;
        let only = train.as_deref().or(match self.trains.len() {
            1 => self.trains.keys().next().copied(),
            _ => None,
        });
        if let Some(name) = only {
            let it = self.standing(cx, name).await?;
            return Ok(show::train(cx, it.train, &it.state, ""));
        }
        let mut rows = Vec::new();
        for name in self.trains.keys() {
            let it = self.standing(cx, name).await?;
            rows.push(show::row(cx, it.train, &it.state));
        }
        Ok(show::list(rows))
    }
}

/// What goes on aboard after a departure: what did not leave, which is not ready any more.
fn stayed(entries: &[(Entry, Option<Outcome>)]) -> Vec<Entry> {
    let stays = entries.iter().filter(|(_, outcome)| *outcome != Some(Outcome::Left));
    stays.map(|(entry, _)| Entry { ready: false, ..entry.clone() }).collect()
}

fn act(verb: &'static str, train: &Train, says: String) -> Act {
    Act {
        verb,
        object: train.name.to_owned(),
        environment: Some(train.environment.clone()),
        says,
        state: Some(TRAINS.key(train.name)),
        ..Act::default()
    }
}

/// Changes the train's record in one act. What is `told` is told in the train's channels, but for the asker's own.
async fn edit(cx: &Cx, it: &Standing<'_>, act: Act, told: Option<Reply>) -> Result<()> {
    let own = &cx.call().place;
    let own = |place: &ledger::Place| place.platform == own.platform && place.channel == own.channel;
    cx.act(act, async |permit| {
        permit.expect(TRAINS.key(it.train.name), it.version);
        TRAINS.put(permit, it.train.name, &it.state)?;
        for place in it.train.places.iter().filter(|place| !own(place)) {
            told.iter().try_for_each(|told| permit.say(place, told.clone()))?;
        }
        Ok(())
    })
    .await
}

async fn join(cx: &Cx, mut it: Standing<'_>, said: &Said) -> Result<Reply> {
    let (service, wanted) = (said.service.clone().unwrap_or_default(), said.r#ref.clone().unwrap_or_default());
    let refuse = |text: String| Err(Stop::refuse(text));
    if !cx.call().who.known {
        return refuse("Only people of the config ride trains, for they ship when nobody asks. Nothing was put aboard. The operator writes `[people.NAME]` for you.".to_owned());
    }
    if let Some(closed) = &it.state.closed {
        return refuse(format!(
            "{} has closed the train `{}`: {}. Nothing was put aboard; `/train open {}` opens it.",
            text::plain(&closed.who),
            it.train.name,
            text::plain(&closed.why),
            it.train.name
        ));
    }
    if !it.train.services.contains(&service) {
        return refuse(format!(
            "The train `{}` takes {}, so `{service}` was not put aboard.",
            it.train.name,
            text::list(&it.train.services)
        ));
    }
    if let Some(other) = it.state.aboard.iter().find(|entry| entry.service == service && entry.who != cx.who()) {
        return refuse(format!(
            "{} has put {} aboard already, so nothing was changed. They take it off with `/train leave {}`.",
            text::plain(&other.who),
            text::code(&other.to_string()),
            it.train.name
        ));
    }
    let commit = cx.ports().offered.commit(cx.ports(), &service, &wanted).await?;
    let Some(commit) = commit else {
        return refuse(format!(
            "Nothing here knows what `{service}` {} is, so it was not put aboard. The operator says how it is shipped.",
            text::code(&wanted)
        ));
    };
    let entry = Entry { service: service.clone(), commit, reference: wanted, who: cx.who().to_owned(), ready: false };
    it.state.aboard.retain(|other| other.service != service);
    it.state.aboard.push(entry.clone());
    let act = Act {
        service: Some(service.clone()),
        facts: vec![("commit", entry.commit.clone()), ("ref", entry.reference.clone())],
        undo: Some(format!("train leave train:{} service:{service}", it.train.name)),
        ..act("train.join", it.train, format!("Put {} aboard.", text::code(&entry.to_string())))
    };
    edit(cx, &it, act, None).await?;
    let ready = commands::reply::Button::new("Ready", format!("train ready train:{} service:{service}", it.train.name));
    let says = format!("{} is aboard, and leaves once you say that it is ready.", text::code(&entry.to_string()));
    Ok(show::train(cx, it.train, &it.state, &says).button(ready.only_for(cx.who())))
}

/// The entries of the asker, all or one service's.
///
/// # Errors
/// A refusal where there are none.
fn own<'a>(cx: &Cx, it: &'a mut Standing<'_>, said: &Said) -> Result<Vec<&'a mut Entry>> {
    let fits =
        |entry: &&mut Entry| entry.who == cx.who() && said.service.as_ref().is_none_or(|it| *it == entry.service);
    let own: Vec<_> = it.state.aboard.iter_mut().filter(fits).collect();
    if own.is_empty() {
        let name = it.train.name;
        return Err(Stop::refuse(format!(
            "Nothing of yours is aboard the train `{name}`, so nothing was changed. `/train join {name}` puts something aboard; who did so alone calls it ready."
        )));
    }
    Ok(own)
}

async fn ready(cx: &Cx, mut it: Standing<'_>, said: &Said) -> Result<Reply> {
    let own: Vec<_> = own(cx, &mut it, said)?
        .into_iter()
        .map(|entry| {
            entry.ready = true;
            entry.to_string()
        })
        .collect();
    let act =
        Act { facts: vec![("ready", own.join("; "))], ..act("train.ready", it.train, "Call it ready.".to_owned()) };
    edit(cx, &it, act, None).await?;
    Ok(show::train(cx, it.train, &it.state, &format!("{} is ready.", text::plain(&own.join(", ")))))
}

async fn leave(cx: &Cx, mut it: Standing<'_>, said: &Said) -> Result<Reply> {
    let own: Vec<_> = own(cx, &mut it, said)?.into_iter().map(|entry| entry.clone()).collect();
    it.state.aboard.retain(|entry| !own.contains(entry));
    let names: Vec<_> = own.iter().map(ToString::to_string).collect();
    let act = Act { facts: vec![("off", names.join("; "))], ..act("train.leave", it.train, "Take it off.".to_owned()) };
    edit(cx, &it, act, None).await?;
    Ok(show::train(cx, it.train, &it.state, &format!("{} is off the train.", text::plain(&names.join(", ")))))
}

/// Holds a train, or closes it.
async fn stop(cx: &Cx, mut it: Standing<'_>, why: String) -> Result<Reply> {
    let hold = Some(Hold { who: cx.who().to_owned(), why: why.clone() });
    let (verb, says) = match cx.command() {
        "train close" => {
            it.state.closed = hold;
            ("train.close", "The train is closed.")
        }
        _ => {
            it.state.hold = hold;
            it.state.told_held = false;
            ("train.hold", "The train is held.")
        }
    };
    let told = show::train(cx, it.train, &it.state, says);
    let undo = format!("train open train:{}", it.train.name);
    let act = Act { why, undo: Some(undo), ..act(verb, it.train, says.to_owned()) };
    edit(cx, &it, act, Some(told.clone())).await?;
    Ok(told.button(show::open_again(it.train)))
}

async fn open(cx: &Cx, mut it: Standing<'_>) -> Result<Reply> {
    if it.state.hold.is_none() && it.state.closed.is_none() {
        return Err(Stop::refuse(format!(
            "The train `{}` is neither held nor closed, so nothing was changed.",
            it.train.name
        )));
    }
    it.state.hold = None;
    it.state.closed = None;
    it.state.told_held = false;
    let told = show::train(cx, it.train, &it.state, "The train is open again.");
    edit(cx, &it, act("train.open", it.train, "Open the train again.".to_owned()), Some(told.clone())).await?;
    Ok(told)
}

/// Whether it is live where the train goes: then it has left, though not with the train; after an approval, say.
async fn is_live(cx: &Cx, train: &Train, entry: &Entry) -> Result<bool> {
    let live = cx.ports().offered.live(cx.ports(), &entry.service, &train.environment).await?;
    let Some(live) = live else { return Ok(false) };
    let act = cx.store().get(&ledger::key(live.act)).await?.map(|record| Doing::read(&record.value)).transpose()?;
    Ok(act.is_some_and(|act| act.draft.facts.get("commit").and_then(|fact| fact.as_str()) == Some(&*entry.commit)))
}
