//! A rollout: a flag goes up in steps, each told, as the person who began it; it is held or ended by anybody who may.

use super::change::{Target, Wish};
use super::gauge::{self, Look, Watched};
use super::model::{State, setting_name};
use super::{Flags, show, words};
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::{Act, Permit};
use commands::cx::{Cx, Saying};
use commands::ledger::Place;
use commands::reply::{Button, Form, Input, Look as Style, Outcome, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::{Table, Versioned};
use commands::text;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::time::Duration;

/// The rollouts that are under way, by [`setting_name`].
pub const ROLLOUTS: Table<Rollout> = Table::new("flags/rollout/").schema(2, migrate);

/// The first schema knew checks alone.
fn migrate(schema: u32, mut data: Value) -> anyhow::Result<Value> {
    anyhow::ensure!(schema == 1, "there was no schema {schema}");
    if data["watched"] == true {
        data["watches"] = json!(["checks"]);
    }
    Ok(data)
}

/// The shortest time between two steps: they are looked at once a minute.
const SHORTEST: Duration = Duration::from_secs(60);

/// How many steps there may be.
const MOST: usize = 20;

/// A rollout that is under way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rollout {
    /// The act that began it.
    pub act: u64,
    /// Whose it is: its steps are said as them.
    pub who: String,
    /// Where it was begun.
    pub place: Place,
    /// Why.
    pub why: String,
    /// The steps, in percent, each larger than the one before.
    pub steps: Vec<u8>,
    /// How many of them are done.
    pub done: usize,
    /// The time between two.
    pub every: Duration,
    /// When the next one is due.
    pub next: DateTime<Utc>,
    /// How the flag stood before: where `/flag abort` goes.
    pub before: State,
    /// What of the flag's service is looked at all the time, and has to be well for each step that is taken by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub watches: Vec<Watched>,
    /// Whether it goes back by itself when that is not well, instead of being held.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub goes_back: bool,
    /// Who holds it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<(String, String)>,
}

#[derive(Deserialize)]
struct Said {
    flag: String,
    env: String,
    steps: Option<String>,
    every: Option<Duration>,
    hold_on: Option<String>,
    on_bad: Option<String>,
    because: Option<String>,
}

impl Flags {
    pub(super) async fn rollout(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let target = self.target(cx, &said.flag, &said.env).await?;
        let (key, environment) = (&target.found.key, &target.environment);
        if let Some(other) = ROLLOUTS.get(cx.store(), setting_name(environment, key)).await? {
            return Err(Stop::refuse(format!(
                "`{key}` is rolled out in `{environment}` already, by {} (#{}), so none was begun. `/flag abort {key} {environment}` ends that one.",
                text::plain(&other.value.who),
                other.value.act
            )));
        }
        let state = &target.setting.state;
        if state.most() == 100 {
            return Err(Stop::refuse(format!(
                "`{key}` in `{environment}` is {} already, and a rollout only goes up. Nothing was begun. `/flag off {key} {environment}` or `/flag set {key} {environment} percent:5` first.",
                text::plain(&target.stands())
            )));
        }
        let steps = steps(&said.steps.unwrap_or_default(), state.most())?;
        let every = said.every.unwrap_or(SHORTEST);
        if every < SHORTEST {
            return Err(Stop::refuse(
                "A step takes a minute at the least, so nothing was begun. Say `every:1m` or more.",
            ));
        }
        let because = said.because.unwrap_or_default();
        let goes_back = said.on_bad.as_deref() == Some("back");
        let watches = self.watches(cx, &target, said.hold_on.as_deref()).await?;
        if goes_back && watches.is_empty() {
            return Err(Stop::refuse(
                "It is not said what would be bad, so nothing was begun. Add `hold-on:checks`, or leave `on-bad` out.",
            ));
        }
        let Some(after) = state.at(key, steps[0]) else {
            return Err(Stop::refuse(format!(
                "`{key}` goes by strategies of its own in `{environment}`. `/flag set` puts one in their place."
            )));
        };
        let stays = show::stays(&target.setting, &after, cx);
        let words = in_words(&steps, every);
        let act = Act {
            verb: "flags.rollout",
            object: format!("{key}: {words}"),
            service: target.found.flag.service.clone(),
            environment: Some(environment.clone()),
            says: format!(
                "Roll `{key}` out in `{environment}`, from {}: {words}. {}{}",
                text::plain(&target.stands()),
                promise(&watches, goes_back),
                stays.as_deref().unwrap_or_default()
            ),
            facts: vec![("flag", key.clone()), ("before", target.stands()), ("steps", words)],
            why: because.clone(),
            danger: self.settings.production.contains(environment),
            ..Act::default()
        };
        let rollout = Rollout {
            act: 0,
            who: cx.who().to_owned(),
            place: Place { message: String::new(), ..cx.call().place.clone() },
            why: because,
            steps,
            done: 1,
            every,
            next: cx.now() + every,
            before: state.clone(),
            watches,
            goes_back,
            held: None,
        };
        let (mut reply, rollout) = cx
            .act(act, async |permit| {
                let rollout = Rollout { act: permit.act(), ..rollout };
                let wish = Wish { verb: "flags.rollout", after, ..Wish::default() };
                self.stage_state(cx, permit, &target, &wish, None)?;
                let mut now = target.clone();
                now.setting.state = wish.after;
                let mut reply = if rollout.steps.len() > 1 {
                    ROLLOUTS.put(permit, setting_name(environment, key), &rollout)?;
                    permit.undo(Some(line("abort", &target)));
                    card(&now, &rollout, cx)
                } else {
                    ended(&now, &rollout, wish.verb, permit, cx)
                };
                reply.text += &stays.unwrap_or_default();
                self.announce(cx, permit, None, &reply)?;
                Ok((reply, rollout))
            })
            .await?;
        self.live.caught_up(cx.ports()).await?;
        reply = reply.field("Before", text::plain(&target.stands())).field("Because", text::plain(&rollout.why));
        reply.fields.retain(|field| !field.value.is_empty());
        Ok(reply)
    }

    /// The next step: said by Deckhand for whoever began the rollout, or by anybody who does not want to wait.
    pub(super) async fn step(&self, cx: &Cx) -> Result<Reply> {
        let (target, rollout) = self.under_way(cx).await?;
        let (key, environment) = (&target.found.key, &target.environment);
        if let Some((who, why)) = &rollout.value.held {
            return Err(Stop::refuse(format!(
                "{} holds the rollout of `{key}` in `{environment}`: {}. Nothing was done; `/flag resume {key} {environment}` lets it go on.",
                text::plain(who),
                text::plain(why)
            )));
        }
        let Some(step) = rollout.value.steps.get(rollout.value.done).copied() else {
            return Err(Stop::refuse(format!("The rollout of `{key}` in `{environment}` has no step left.")));
        };
        let Some(after) = target.setting.state.at(key, step) else {
            return Err(Stop::refuse(format!(
                "`{key}` stands otherwise in `{environment}` now, so no step was taken."
            )));
        };
        let next =
            Rollout { done: rollout.value.done + 1, next: cx.now() + rollout.value.every, ..rollout.value.clone() };
        let (was, is) = words::pair(&target.setting.state, &after, &target.snapshot);
        let says = format!("{was} → {is}");
        let facts = vec![("flag", key.clone()), ("before", was), ("after", is)];
        let act = Act { facts, ..act("flags.step", &target, &says) };
        self.move_on(cx, &target, &rollout, act, Some(after), Some(next)).await
    }

    pub(super) async fn hold(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let (target, rollout) = self.under_way(cx).await?;
        if rollout.value.held.is_some() {
            return Ok(card(&target, &rollout.value, cx));
        }
        let why = said.because.unwrap_or_else(|| "no reason was given".to_owned());
        let next = Rollout { held: Some((cx.who().to_owned(), why.clone())), ..rollout.value.clone() };
        let act = Act { why, undo: Some(line("resume", &target)), ..act("flags.hold", &target, "held") };
        self.move_on(cx, &target, &rollout, act, None, Some(next)).await
    }

    pub(super) async fn resume(&self, cx: &Cx) -> Result<Reply> {
        let (target, rollout) = self.under_way(cx).await?;
        if rollout.value.held.is_none() {
            return Ok(card(&target, &rollout.value, cx));
        }
        // A step that came due meanwhile is not made up for at once: somebody looks first how it goes.
        let next = Rollout { held: None, next: cx.now() + rollout.value.every, ..rollout.value.clone() };
        self.move_on(cx, &target, &rollout, act("flags.resume", &target, "goes on"), None, Some(next)).await
    }

    pub(super) async fn abort(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let (target, rollout) = self.under_way(cx).await?;
        let back = rollout.value.before.clone();
        let act = Act {
            why: said.because.unwrap_or_default(),
            ..act("flags.abort", &target, &format!("{} → {}", target.stands(), words::state(&back, &target.snapshot)))
        };
        self.move_on(cx, &target, &rollout, act, Some(back), None).await
    }

    /// Changes a rollout, and the flag where there is something to change, in one act.
    async fn move_on(
        &self,
        cx: &Cx,
        target: &Target,
        rollout: &Versioned<Rollout>,
        act: Act,
        after: Option<State>,
        next: Option<Rollout>,
    ) -> Result<Reply> {
        let name = setting_name(&target.environment, &target.found.key);
        // The last step ends it.
        let next = next.filter(|next| next.done < next.steps.len() || next.held.is_some());
        let (verb, why) = (act.verb, act.why.clone());
        // Whoever began it is called by what nobody has said.
        let calls = cx.invocation().is_none().then(|| rollout.value.who.clone());
        let reply = cx
            .act(act, async |permit| {
                permit.expect(ROLLOUTS.key(&name), rollout.version);
                if let Some(after) = &after {
                    let wish = Wish { verb, after: after.clone(), ..Wish::default() };
                    self.stage_state(cx, permit, target, &wish, None)?;
                }
                match &next {
                    Some(next) => ROLLOUTS.put(permit, &name, next)?,
                    None => permit.delete(ROLLOUTS.key(&name)),
                }
                let mut now = target.clone();
                now.setting.state = after.unwrap_or(now.setting.state);
                let reply = match &next {
                    Some(next) => card(&now, next, cx),
                    None if why.is_empty() => ended(&now, &rollout.value, verb, permit, cx),
                    None => ended(&now, &rollout.value, verb, permit, cx).field("Because", text::plain(&why)),
                };
                let mut told = reply.clone().field("By", text::plain(cx.who()));
                told.calls.extend(calls);
                self.announce(cx, permit, Some(&rollout.value.place), &told)?;
                Ok(reply)
            })
            .await?;
        self.live.caught_up(cx.ports()).await?;
        Ok(reply)
    }

    async fn under_way(&self, cx: &Cx) -> Result<(Target, Versioned<Rollout>)> {
        let said: Said = cx.args()?;
        let target = self.target(cx, &said.flag, &said.env).await?;
        let (key, environment) = (&target.found.key, &target.environment);
        match ROLLOUTS.get(cx.store(), setting_name(environment, key)).await? {
            Some(rollout) => Ok((target, rollout)),
            None => Err(Stop::refuse(format!(
                "`{key}` is not being rolled out in `{environment}`, so nothing was done. `/flag rollout {key} {environment} 5,25,50,100 every:15m` begins it."
            ))),
        }
    }

    /// Takes the steps that are due.
    pub(super) async fn steps_due(&self, cx: &Cx) -> Result<()> {
        for (name, rollout) in ROLLOUTS.scan(cx.store(), "", usize::MAX).await? {
            let Versioned { value: it, version } = rollout;
            let Some((environment, key)) = name.split_once('/').filter(|_| it.held.is_none()) else { continue };
            let is_due = it.next <= cx.now();
            if !is_due && it.watches.is_empty() {
                continue;
            }
            // It goes on after a restore, if there is one.
            let snapshot = self.live.get(cx.ports()).await?;
            if snapshot.find(key).is_none_or(|(_, flag)| flag.archived.is_some()) {
                continue;
            }
            if let Some(amiss) = self.amiss(cx, &it, key, environment).await {
                self.hold_for(cx, &name, version, &amiss, it.goes_back).await?;
                continue;
            }
            let service = snapshot.find(key).and_then(|(_, flag)| flag.service.clone());
            let in_line = |service: &String| !cx.in_line(service, environment).is_empty();
            // Where another change is under way, nothing else is to wait for that: it is looked at again in a minute.
            if !is_due || service.as_ref().is_some_and(in_line) {
                continue;
            }
            let saying = Saying {
                who: it.who.clone(),
                places: vec![it.place.clone()],
                line: format!("flag step flag:{key} env:{environment}"),
                reason: format!("the rollout #{} goes on", it.act),
                once: format!("flags/rollout/{}/{}/{}", it.act, it.done, it.next.timestamp()),
                from: Some((ROLLOUTS.key(&name), version)),
            };
            match cx.say(saying).await {
                Ok(reply) if reply.outcome == Outcome::Done => {}
                // What was in the way was told there. It is held, so that nothing goes on unseen.
                Ok(reply) => {
                    let why = text::line(reply.text.split(". ").next().unwrap_or_default());
                    self.hold_for(cx, &name, version, &why, false).await?;
                }
                Err(Stop::Left(_)) => {}
                // Begun before a restart, and not kept: it is not begun twice, and nobody is left to wonder.
                Err(Stop::Refused(_)) => {
                    self.hold_for(cx, &name, version, "its step was cut off by a restart", false).await?;
                }
                Err(broken) => return Err(broken),
            }
        }
        Ok(())
    }

    /// What a rollout is to watch; nothing is begun that could never be looked at.
    async fn watches(&self, cx: &Cx, target: &Target, said: Option<&str>) -> Result<Vec<Watched>> {
        let Some(said) = said else { return Ok(Vec::new()) };
        let key = &target.found.key;
        let watches = gauge::read(said).map_err(|wrong| Stop::refuse(format!("{wrong} Nothing was begun.")))?;
        let Some(service) = &target.found.flag.service else {
            return Err(Stop::refuse(format!(
                "`{key}` belongs to no service whose checks could be asked, so nothing was begun. Leave `hold-on` out."
            )));
        };
        match gauge::unknown(cx.ports(), &watches, service, &target.environment).await {
            None => Ok(watches),
            Some(unknown) => Err(Stop::refuse(format!("{unknown} Nothing was begun."))),
        }
    }

    /// What speaks against going on, where that is looked at.
    async fn amiss(&self, cx: &Cx, it: &Rollout, key: &str, environment: &str) -> Option<String> {
        if it.watches.is_empty() {
            return None;
        }
        let snapshot = self.live.get(cx.ports()).await.ok();
        let service = snapshot.as_ref().and_then(|all| all.find(key)).and_then(|(_, flag)| flag.service.as_deref());
        let Some(service) = service else {
            return Some("the flag belongs to no service whose checks could be asked".to_owned());
        };
        // As long as it has stood like this.
        let step = it.next - TimeDelta::from_std(it.every).unwrap_or(TimeDelta::zero());
        let span = (cx.now() - step).to_std().unwrap_or_default();
        let is_due = it.next <= cx.now();
        if !is_due && span < SHORTEST {
            return None;
        }
        gauge::amiss(cx.ports(), &it.watches, &Look { service, environment, span, is_due }).await
    }

    /// Holds a rollout of this version, or takes it back. Whoever has moved it on meanwhile knows better.
    async fn hold_for(&self, cx: &Cx, name: &str, version: u64, why: &str, goes_back: bool) -> Result<()> {
        let found = ROLLOUTS.get(cx.store(), name).await?;
        let Some(rollout) = found.filter(|rollout| rollout.version == version) else { return Ok(()) };
        let Some((environment, key)) = name.split_once('/') else { return Ok(()) };
        let target = self.target(cx, key, environment).await?;
        let (what, after, next) = if goes_back {
            let back = rollout.value.before.clone();
            let what = format!("{} → {}", target.stands(), words::state(&back, &target.snapshot));
            (act("flags.abort", &target, &what), Some(back), None)
        } else {
            let held = Some((cx.who().to_owned(), why.to_owned()));
            (act("flags.hold", &target, "held"), None, Some(Rollout { held, ..rollout.value.clone() }))
        };
        let act = Act { why: why.to_owned(), ..what };
        match self.move_on(cx, &target, &rollout, act, after, next).await {
            Ok(_) | Err(Stop::Refused(_)) => Ok(()),
            Err(stop) => Err(stop),
        }
    }
}

/// What is said of the steps.
fn promise(watches: &[Watched], goes_back: bool) -> String {
    if watches.is_empty() {
        return "Each step is told.".to_owned();
    }
    let watches = watches.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let otherwise = if goes_back { "it goes back by itself" } else { "it is held" };
    format!("Each step is told. These are looked at all the time: {watches}. Where one is not well, {otherwise}.")
}

/// `5 %, 25 %, every 15m`.
fn in_words(steps: &[u8], every: Duration) -> String {
    let words = steps.iter().map(|step| format!("{step} %")).collect::<Vec<_>>().join(", ");
    if steps.len() > 1 { format!("{words}, every {}", config::duration::show(every)) } else { words }
}

/// Reads `5,25,50,100`.
fn steps(said: &str, from: u8) -> Result<Vec<u8>> {
    let mut steps: Vec<u8> = Vec::new();
    for word in super::life::words(Some(said)) {
        let step = word.trim_end_matches('%').parse::<u8>().ok().filter(|step| (1..=100).contains(step));
        let least = steps.last().copied().unwrap_or(from);
        match step {
            Some(step) if step > least => steps.push(step),
            Some(step) => {
                return Err(Stop::refuse(format!(
                    "A rollout only goes up, and {step} % is not more than {least} %. Nothing was begun. Say for example `steps:{}`.",
                    if least < 50 { "50,100" } else { "100" }
                )));
            }
            None => {
                return Err(Stop::refuse(format!(
                    "{} is no step. Write whole percents with commas, as in `steps:5,25,50,100`. Nothing was begun.",
                    text::code(&text::cut(&word, 40))
                )));
            }
        }
    }
    match steps.len() {
        0 => Err(Stop::refuse("There is no step. Write whole percents with commas, as in `steps:5,25,50,100`.")),
        many if many > MOST => Err(Stop::refuse(format!("These are {many} steps, and {MOST} is the most."))),
        _ => Ok(steps),
    }
}

fn act(verb: &'static str, target: &Target, what: &str) -> Act {
    let Target { found, environment, .. } = target;
    Act {
        verb,
        object: format!("{}: {what}", found.key),
        service: found.flag.service.clone(),
        environment: Some(environment.clone()),
        says: format!("Change the rollout of `{}` in `{environment}`: {}.", found.key, text::plain(what)),
        facts: vec![("flag", found.key.clone())],
        ..Act::default()
    }
}

fn line(verb: &str, target: &Target) -> String {
    format!("flag {verb} flag:{} env:{}", target.found.key, target.environment)
}

/// A rollout as far as it has come.
fn card(target: &Target, rollout: &Rollout, cx: &Cx) -> Reply {
    let Target { found, environment, .. } = target;
    let now = rollout.steps.get(rollout.done.saturating_sub(1)).copied().unwrap_or_default();
    let left: Vec<_> = rollout.steps.iter().skip(rollout.done).map(|step| format!("{step} %")).collect();
    let (tone, says) = match &rollout.held {
        Some((who, why)) => (
            Tone::Warn,
            format!("It stays at {now} %: {} holds it: {}.", text::plain(who), text::plain(why).trim_end_matches('.')),
        ),
        None => (Tone::Working, format!("It is at {now} %, and goes on at {}.", show::moment(rollout.next, cx))),
    };
    let says = if left.is_empty() { format!("It is at {now} %, which was the last step.") } else { says };
    let mut reply = Reply::card(tone, format!("{}: rollout in {environment}", found.key), says)
        .field("Rollout", format!("#{}", rollout.act))
        .field("Still to come", if left.is_empty() { "nothing".to_owned() } else { left.join(", ") });
    reply = match rollout.held {
        Some(_) => reply.button(Button::new("Resume", line("resume", target))),
        None => {
            let because = Input { name: "because".to_owned(), label: "Why".to_owned(), most: 300, ..Input::default() };
            let form = Form { title: format!("Hold the rollout of {}", found.key), inputs: vec![because] };
            reply.button(Button::new("Hold", line("hold", target)).form(form))
        }
    };
    reply.button(Button::new("Abort", line("abort", target)).look(Style::Danger))
}

/// The last word about a rollout.
fn ended(target: &Target, rollout: &Rollout, verb: &str, permit: &Permit, cx: &Cx) -> Reply {
    let Target { found, environment, .. } = target;
    let (tone, how) = if verb == "flags.abort" { (Tone::Warn, "aborted") } else { (Tone::Good, "done") };
    let title = format!("{}: rollout in {environment} {how}", found.key);
    Reply::card(tone, title, format!("`{}` is {} now.", found.key, text::plain(&target.stands())))
        .field("Rollout", format!("#{}, of {}", rollout.act, text::plain(&rollout.who)))
        .field("Change", format!("#{} by {}", permit.act(), text::plain(cx.who())))
        .button(Button::new("Undo", show::undo_line(target, permit.act())))
}
