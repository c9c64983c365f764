//! Changes for later: a flag is turned on, off or to a share at a moment or again and again, as the person who said so, if
//! policy still lets them then.

mod due;

use super::change::{Target, Wish};
use super::model::{State, setting_name};
use super::{Flags, look, show, toggle, words};
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::args::Args;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::ledger::Place;
use commands::policy::Asks;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::{Table, Versioned};
use commands::text;
use config::Schedule as Rhythm;
pub use due::stage_next;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What is to come, by [`name`].
pub const SCHEDULES: Table<Planned> = Table::new("flags/schedule/");

/// How many changes may be planned for a flag in an environment.
const MOST: usize = 20;

/// What changes a flag when its time has come.
pub const VERB: &str = "flags.scheduled";

/// A change that is to come.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Planned {
    /// The act that planned it: its number.
    pub act: u64,
    /// Whose it is: it is carried out as them.
    pub who: String,
    /// Where it was said, and is told.
    pub place: Place,
    /// Why.
    pub why: String,
    /// What is to become of the flag.
    pub to: To,
    /// When, next.
    pub next: DateTime<Utc>,
    /// How it was to stand, where somebody has said yes to that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agreed: Option<String>,
    /// The act for which it was not done, and was told so.
    #[serde(default)]
    pub told: u64,
    /// The line of crontab by which it comes again, on the team's clocks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub every: Option<String>,
}

/// What is to become of a flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum To {
    /// On, as it is set.
    On,
    /// On for this share of the users, in percent.
    Share(u8),
    /// Off.
    Off,
}

impl To {
    fn words(self) -> String {
        match self {
            To::On => "on".to_owned(),
            To::Off => "off".to_owned(),
            To::Share(share) => format!("on for {share} %"),
        }
    }

    /// How the flag stands then; nothing where it is not clear whose share that is.
    fn state(self, target: &Target) -> Option<State> {
        let now = &target.setting.state;
        match self {
            To::On => Some(State { on: true, ..now.clone() }),
            To::Off => Some(State { on: false, ..now.clone() }),
            To::Share(share) => now.at(&target.found.key, share),
        }
    }

    /// The line that does the same now.
    fn line(self, key: &str, environment: &str) -> String {
        match self {
            To::On => format!("flag on flag:{key} env:{environment}"),
            To::Off => format!("flag off flag:{key} env:{environment}"),
            To::Share(share) => format!("flag on flag:{key} env:{environment} percent:{share}"),
        }
    }
}

/// The name of a record: the flag's in its environment, and the number.
fn name(environment: &str, key: &str, act: u64) -> String {
    format!("{}/{act:016x}", setting_name(environment, key))
}

/// The environment and the key of a record's name.
fn whose(name: &str) -> Option<(&str, &str)> {
    let (environment, rest) = name.split_once('/')?;
    Some((environment, rest.split_once('/')?.0))
}

#[derive(Deserialize)]
struct AddArgs {
    flag: String,
    env: String,
    to: Option<String>,
    at: Option<DateTime<Utc>>,
    every: Option<String>,
    because: Option<String>,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct ListArgs {
    flag: Option<String>,
}

impl Flags {
    pub(super) async fn schedule_add(&self, cx: &Cx) -> Result<Reply> {
        let said: AddArgs = cx.args()?;
        let target = self.target(cx, &said.flag, &said.env).await?;
        let (key, environment) = (&target.found.key, &target.environment);
        let to = read_to(said.to.as_deref().unwrap_or_default(), key, environment)?;
        let Some(after) = to.state(&target) else {
            return toggle::at(&target, 100.0).map(|_| Reply::default());
        };
        let (next, every) = when(cx, said.at, said.every)?;
        let confirm = self.may(cx, to, key, environment).await?;
        let danger = to != To::Off && (confirm || self.settings.production.contains(environment));
        let goes = text::plain(&words::state(&after, &target.snapshot));
        let planned = SCHEDULES.scan(cx.store(), &format!("{}/", setting_name(environment, key)), MOST).await?.len();
        if planned >= MOST {
            return Err(Stop::refuse(format!(
                "{MOST} changes of `{key}` in `{environment}` are planned already, and that is the most. Nothing was planned. `/flag schedule list {key}` shows them."
            )));
        }
        let come = in_words(next, every.as_deref(), cx);
        let because = said.because.unwrap_or_default();
        let act = Act {
            verb: "flags.schedule",
            object: format!("{key}: {} {come}", to.words()),
            service: target.found.flag.service.clone(),
            environment: Some(environment.clone()),
            says: format!(
                "Turn `{key}` in `{environment}` {goes} {come}. It is {} now. Policy is asked again then.",
                text::plain(&target.stands())
            ),
            facts: vec![
                ("flag", key.clone()),
                ("to", goes.clone()),
                ("when", come.clone()),
                ("settings", digest(&after)),
            ],
            why: because.clone(),
            danger,
            ..Act::default()
        };
        let place = Place { message: String::new(), ..cx.call().place.clone() };
        let agreed = danger.then(|| digest(&after));
        let who = cx.who().to_owned();
        let plan = Planned { act: 0, who, place, why: because, to, next, agreed, told: 0, every };
        cx.act(act, async |permit| {
            let plan = Planned { act: permit.act(), ..plan };
            SCHEDULES.put(permit, name(environment, key, plan.act), &plan)?;
            let cancel = line("cancel", key, environment, plan.act);
            permit.undo(Some(cancel.clone()));
            let reply = Reply::card(
                Tone::Good,
                format!("{key}: planned in {environment}"),
                format!("`{key}` goes {goes} {come}, and is {} until then.", text::plain(&target.stands())),
            )
            .field("Number", format!("#{}", plan.act))
            .button(Button::new("Cancel", cancel));
            self.announce(cx, permit, None, &reply.clone().field("By", text::plain(cx.who())))?;
            Ok(reply)
        })
        .await
    }

    /// Refuses what policy does not let the caller say by itself later, or asks others for: nobody is there then. Returns whether
    /// it asks for a yes.
    async fn may(&self, cx: &Cx, to: To, key: &str, environment: &str) -> Result<bool> {
        let now = to.line(key, environment);
        let own = cx.would(&now).await?;
        // It is said as a command of its own; off is said as it is, and asks nobody.
        let run = line("run", key, environment, 1);
        let later = if to == To::Off { own.clone() } else { cx.would(&run).await? };
        let others = |asks: &Asks| to != To::Off && !asks.approvals.is_empty() || asks.code.is_some();
        let (said, why) = match (own.allowed, later.allowed) {
            (false, _) => (&now, "policy does not let you say it"),
            (_, false) => (&run, "policy does not let you say it, and that is how it is carried out"),
            _ if others(&own.asks) => {
                (&now, "policy asks for the approval of others or a code, and nobody is there to be asked then")
            }
            _ if to != To::Off && (others(&later.asks) || later.asks.confirm) => {
                (&run, "policy asks for a yes or more each time, and nobody is there to be asked then")
            }
            _ => return Ok(own.asks.confirm),
        };
        Err(Stop::refuse(format!(
            "{} can not be said by itself: {why}. Nothing was done. `/why` shows each rule.",
            text::to_say(said)
        )))
    }

    /// Carries out what is planned: said by Deckhand as the person who planned it, or by somebody who does not want to wait.
    pub(super) async fn schedule_run(&self, cx: &Cx) -> Result<Reply> {
        let said: AddArgs = cx.args()?;
        let target = self.target(cx, &said.flag, &said.env).await?;
        let (key, environment) = (&target.found.key, &target.environment);
        let number = said.number.unwrap_or_default();
        let planned = planned(cx, &target, number).await?;
        self.may(cx, planned.value.to, key, environment).await?;
        if cx.saying().is_some()
            && let Some(amiss) = self.amiss_with(cx, &target, &planned.value).await?
        {
            // It waited for something, and the world went on.
            return Err(Stop::refuse(format!("#{number} is not done: {}.", amiss.says)));
        }
        let Some(after) = planned.value.to.state(&target) else {
            return toggle::at(&target, 100.0).map(|_| Reply::default());
        };
        let also = Some(planned.value.place.clone());
        let because = match planned.value.why.is_empty() {
            true => format!("planned with #{number}"),
            false => format!("planned with #{number}: {}", planned.value.why),
        };
        let mut reply = self
            .change(cx, &target, Wish { verb: VERB, after, because, also, planned: Some(planned), ..Wish::default() })
            .await?;
        if let Some(again) = SCHEDULES.get(cx.store(), name(environment, key, number)).await? {
            reply = reply.field("Comes again", show::moment(again.value.next, cx));
        }
        Ok(reply)
    }

    pub(super) async fn schedule_cancel(&self, cx: &Cx) -> Result<Reply> {
        let said: AddArgs = cx.args()?;
        // Of one in the archive, too.
        let found = self.any(cx, &said.flag).await?;
        let target = self.target_of(cx, found, &said.env).await?;
        let number = said.number.unwrap_or_default();
        let planned = planned(cx, &target, number).await?;
        let (key, environment) = (&target.found.key, &target.environment);
        let come = in_words(planned.value.next, planned.value.every.as_deref(), cx);
        let what = planned.value.to.words();
        let act =
            Act { why: said.because.unwrap_or_default(), ..act("flags.schedule-cancel", &target, number, "cancelled") };
        cx.act(act, async |permit| {
            permit.expect(SCHEDULES.key(name(environment, key, number)), planned.version);
            permit.delete(SCHEDULES.key(name(environment, key, number)));
            let reply = Reply::card(
                Tone::Warn,
                format!("{key}: not planned any more in {environment}"),
                format!("`{key}` does not go {what} {come}: #{number} is cancelled."),
            );
            let also = Some(&planned.value.place);
            self.announce(cx, permit, also, &reply.clone().field("By", text::plain(cx.who())))?;
            Ok(reply)
        })
        .await
    }

    pub(super) async fn schedule_list(&self, cx: &Cx) -> Result<Reply> {
        let ListArgs { flag } = cx.args()?;
        let only = match flag {
            Some(flag) => Some(self.any(cx, &flag).await?.key),
            None => None,
        };
        let mut all = SCHEDULES.scan(cx.store(), "", usize::MAX).await?;
        all.retain(|(name, _)| whose(name).is_some_and(|(_, key)| only.as_ref().is_none_or(|only| only == key)));
        all.sort_by_key(|(_, planned)| planned.value.next);
        if all.is_empty() {
            let key = only.as_deref().unwrap_or("checkout-v2");
            return Ok(Reply::say(format!(
                "Nothing is planned. `/flag schedule add {key} staging on at:17:00` plans a change."
            )));
        }
        let row = |(name, planned): &(String, Versioned<Planned>)| {
            let (environment, key) = whose(name).unwrap_or_default();
            let it = &planned.value;
            let (when, who) = (in_words(it.next, it.every.as_deref(), cx), text::plain(&it.who));
            [format!("#{}", it.act), key.to_owned(), environment.to_owned(), it.to.words(), when, who]
        };
        let rows = all.iter().take(look::PAGE).map(row).collect();
        let reply = Reply::card(Tone::Plain, text::plural(all.len(), "planned change"), "")
            .table(["Number", "Flag", "Where", "Goes", "When", "Whose"], rows);
        let cancel = |reply: Reply, (name, planned): &(String, Versioned<Planned>)| {
            let Some((environment, key)) = whose(name) else { return reply };
            let act = planned.value.act;
            reply.button(Button::new(format!("Cancel #{act}"), line("cancel", key, environment, act)))
        };
        Ok(all.iter().take(5).fold(reply, cancel))
    }
}

/// Names exactly how a flag would stand.
fn digest(state: &State) -> String {
    format!("{:.16}", format!("{:x}", Sha256::digest(serde_json::json!(state).to_string())))
}

/// The same, with what is planned to turn the flag on, and the lines that take that back.
pub fn name_ups(mut reply: Reply, target: &Target, ups: &[Planned], cx: &Cx) -> Reply {
    let (key, environment) = (&target.found.key, &target.environment);
    for it in ups {
        let come = in_words(it.next, it.every.as_deref(), cx);
        reply.text += &format!(" #{} turns it {} {come}.", it.act, it.to.words());
        let cancel = line("cancel", key, environment, it.act);
        reply = reply.button(Button::new(format!("Cancel #{}", it.act), cancel));
    }
    reply
}

/// What is planned for a flag in an environment, that may turn it up, in the order of numbers.
pub async fn ups(cx: &Cx, environment: &str, key: &str) -> anyhow::Result<Vec<Planned>> {
    let all = SCHEDULES.scan(cx.store(), &format!("{}/", setting_name(environment, key)), MOST).await?;
    Ok(all.into_iter().map(|(_, planned)| planned.value).filter(|planned| planned.to != To::Off).collect())
}

/// What is planned for a flag in an environment, in words; nothing where nothing is.
pub async fn told(cx: &Cx, environment: &str, key: &str) -> anyhow::Result<Option<String>> {
    let all = SCHEDULES.scan(cx.store(), &format!("{}/", setting_name(environment, key)), MOST).await?;
    let words = |planned: &Planned| {
        format!("{} {} (#{})", planned.to.words(), in_words(planned.next, planned.every.as_deref(), cx), planned.act)
    };
    let all: Vec<_> = all.iter().map(|(_, planned)| words(&planned.value)).collect();
    Ok((!all.is_empty()).then(|| all.join("; ")))
}

/// The name of the record of what is planned for a target.
pub fn name_of(target: &Target, planned: &Planned) -> String {
    name(&target.environment, &target.found.key, planned.act)
}

async fn planned(cx: &Cx, target: &Target, number: u64) -> Result<Versioned<Planned>> {
    let (key, environment) = (&target.found.key, &target.environment);
    SCHEDULES.get(cx.store(), name(environment, key, number)).await?.ok_or_else(|| {
        Stop::refuse(format!(
            "Nothing is planned as #{number} for `{key}` in `{environment}`: it was done or cancelled, or never was. Nothing was done. `/flag schedule list {key}` shows what is."
        ))
    })
}

fn act(verb: &'static str, target: &Target, number: u64, what: &str) -> Act {
    let Target { found, environment, .. } = target;
    Act {
        verb,
        object: format!("{}: #{number} {what}", found.key),
        service: found.flag.service.clone(),
        environment: Some(environment.clone()),
        says: format!("Change what is planned for `{}` in `{environment}`: #{number} {what}.", found.key),
        facts: vec![("flag", found.key.clone()), ("number", number.to_string())],
        ..Act::default()
    }
}

fn line(what: &str, key: &str, environment: &str, number: u64) -> String {
    format!("flag schedule {what} flag:{key} env:{environment} number:{number}")
}

/// Reads `on`, `off` or `25%`.
fn read_to(said: &str, key: &str, environment: &str) -> Result<To> {
    let share = said.trim_end_matches('%').parse::<f64>().ok().filter(|share| (0.0..=100.0).contains(share));
    match (said, share) {
        ("on", _) => Ok(To::On),
        ("off", _) => Ok(To::Off),
        (_, Some(0.0)) => Err(Stop::refuse("On for 0 % is off, so nothing was planned. Say `to:off`.")),
        (_, Some(share)) if share.fract() != 0.0 => Err(Stop::refuse(format!(
            "The libraries of applications share users out by whole percents, so nothing was planned. Say `to:{}%`.",
            share.round().max(1.0)
        ))),
        (_, Some(share)) => toggle::whole(share, key, environment).map(To::Share),
        _ => Err(Stop::refuse(format!(
            "{} is not how a flag can stand, so nothing was planned. Say `to:on`, `to:off`, or a share as in `to:25%`.",
            text::code(&text::cut(said, 40))
        ))),
    }
}

/// When it comes due first, and by which line of crontab it comes again.
fn when(cx: &Cx, at: Option<DateTime<Utc>>, every: Option<String>) -> Result<(DateTime<Utc>, Option<String>)> {
    match (at, every) {
        (Some(at), None) if at > cx.now() => Ok((at, None)),
        (Some(at), None) => Err(Stop::refuse(format!(
            "{} is past, so nothing was planned. Say a time to come, as in `at:17:00` or `at:2h`.",
            show::moment(at, cx)
        ))),
        (None, Some(line)) => {
            let rhythm = Rhythm::parse(&line, cx.ports().vocabulary.zone)
                .map_err(|wrong| Stop::refuse(format!("{wrong} Nothing was planned.")))?;
            let next =
                rhythm.next(cx.now()).ok_or_else(|| Stop::refuse("That never comes, so nothing was planned."))?;
            Ok((next, Some(line)))
        }
        (None, None) => Err(Stop::refuse(
            "It is not said when, so nothing was planned. Add `at:17:00`, or `every:\"0 9 * * 1-5\"` for weekdays at nine.",
        )),
        (Some(_), Some(_)) => Err(Stop::refuse(
            "It can not be once and again and again, so nothing was planned. Leave `at` or `every` out.",
        )),
    }
}

/// "at 17:00 UTC", "by `0 9 * * 1-5`, next at 09:00 UTC".
fn in_words(next: DateTime<Utc>, every: Option<&str>, cx: &Cx) -> String {
    let next = show::moment(next, cx);
    match every {
        None => format!("at {next}"),
        Some(line) => format!("by {}, next at {next}", text::code(line)),
    }
}

/// The numbers of what is planned, for the flag that is typed already.
pub async fn choices(given: &Args, ports: &Ports) -> Vec<Choice> {
    let Ok(all) = SCHEDULES.scan(&*ports.store, "", usize::MAX).await else { return Vec::new() };
    let flag = given.get("flag").map(ToString::to_string);
    let choice = |(name, planned): &(String, Versioned<Planned>)| {
        let (environment, key) = whose(name)?;
        let is_asked = flag.as_ref().is_none_or(|flag| flag.eq_ignore_ascii_case(key));
        let about = format!("{key} {} in {environment}", planned.value.to.words());
        is_asked.then(|| Choice::new(planned.value.act.to_string(), about))
    };
    all.iter().filter_map(choice).collect()
}
