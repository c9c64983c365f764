//! How a flag comes to stand otherwise in an environment: one act, told once, served before anybody is told, and with a way
//! back.

use super::model::{self, Changed, FLAGS, Flag, SETTINGS, Setting, State, put_setting, setting_name};
use super::rollout::ROLLOUTS;
use super::schedule::{self, Planned};
use super::snapshot::Snapshot;
use super::{CREATE, Flags, show, words};
use chrono::{DateTime, Utc};
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::ledger::Place;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::table::{Table, Versioned};
use commands::text;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;

/// What goes back by itself, by [`setting_name`].
pub const TIMERS: Table<Timer> = Table::new("flags/timer/");

/// When something goes back by itself, and who is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Timer {
    /// When.
    pub at: DateTime<Utc>,
    /// The act that it takes back.
    pub act: u64,
    /// Where that was said.
    pub place: Place,
}

/// A flag that there is.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its key.
    pub key: String,
    /// What it is.
    pub flag: Flag,
    /// The version of its record.
    pub version: u64,
}

/// A flag in an environment, as it stands when a change of it begins.
#[derive(Clone)]
pub struct Target {
    /// The flag.
    pub found: Found,
    /// The environment.
    pub environment: String,
    /// How it stands there.
    pub setting: Setting,
    /// The version of that record; 0 where there is none yet.
    pub version: u64,
    /// All flags and segments, as of then.
    pub snapshot: Arc<Snapshot>,
}

impl Target {
    /// How it stands, in words.
    pub fn stands(&self) -> String {
        words::state(&self.setting.state, &self.snapshot)
    }
}

/// What is to become of a flag in an environment.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// What the ledger calls it.
    pub verb: &'static str,
    /// How it is to stand.
    pub after: State,
    /// Why, in the asker's words.
    pub because: String,
    /// For how long: it goes back by itself then.
    pub lasts: Option<Duration>,
    /// Where else it is told, for those who are not in the channel of the call.
    pub also: Option<Place>,
    /// The planned change that it is, to which a yes was given when it was planned.
    pub planned: Option<Versioned<Planned>>,
}

impl Flags {
    /// A flag by what somebody typed, archived or not.
    pub(super) async fn any(&self, cx: &Cx, name: &str) -> Result<Found> {
        let snapshot = self.live.get(cx.ports()).await?;
        let key = snapshot.find(name).map_or(name, |(key, _)| key);
        if let Some(found) = FLAGS.get(cx.store(), key).await? {
            let found = Found { key: key.to_owned(), flag: found.value, version: found.version };
            return belongs(cx, &found).map(|()| found);
        }
        if let Some((wrong, fits)) = model::wrong_with_key(name)
            && !snapshot.flags.contains_key(&fits)
        {
            return Err(Stop::refuse(format!(
                "{} is no key of a flag: it {wrong}. Keys have letters, digits, `-`, `_` and `.`, as in `{fits}`; `/flag list` shows all flags.",
                text::code(&text::cut(name, 60))
            )));
        }
        let near = config::suggest::suggest(name, snapshot.flags.keys().map(String::as_str));
        let instead = match near {
            Some(near) => format!("Did you mean `{near}`?"),
            None => format!("`/flag list` shows all flags; `/flag create {name}` makes it."),
        };
        Err(Stop::refuse(format!("There is no flag {}. {instead}", text::code(&text::cut(name, 60)))))
    }

    /// A flag by what somebody typed, which is not archived.
    pub(super) async fn find(&self, cx: &Cx, name: &str) -> Result<Found> {
        let found = self.any(cx, name).await?;
        match found.flag.archived {
            None => Ok(found),
            Some(at) => Err(Stop::refuse(format!(
                "`{key}` is archived since {}: no application sees it, and nothing was changed. `/flag restore {key}` brings it back.",
                show::moment(at, cx),
                key = found.key
            ))),
        }
    }

    /// A flag in an environment.
    pub(super) async fn target(&self, cx: &Cx, name: &str, environment: &str) -> Result<Target> {
        let found = self.find(cx, name).await?;
        self.target_of(cx, found, environment).await
    }

    /// A flag in an environment, whether it is archived or not.
    pub(super) async fn target_of(&self, cx: &Cx, found: Found, environment: &str) -> Result<Target> {
        let setting = SETTINGS.get(cx.store(), setting_name(environment, &found.key)).await?;
        let (setting, version) = setting.map(|it| (it.value, it.version)).unwrap_or_default();
        let snapshot = self.live.get(cx.ports()).await?;
        Ok(Target { found, environment: environment.to_owned(), setting, version, snapshot })
    }

    /// Makes a flag stand as wished, and returns what everybody is told.
    pub(super) async fn change(&self, cx: &Cx, target: &Target, wish: Wish) -> Result<Reply> {
        let ups = match !wish.after.on && by_hand(cx) {
            true => schedule::ups(cx, &target.environment, &target.found.key).await?,
            false => Vec::new(),
        };
        // What is planned to be on is meant for good.
        let ends_timer = wish.planned.is_some() && wish.after.on && target.setting.until.is_some();
        if wish.after.same(&target.setting.state) && !ends_timer {
            return Ok(schedule::name_ups(show::stands_already(target, cx), target, &ups, cx));
        }
        let until = wish.lasts.map(|lasts| cx.now() + lasts);
        let act = self.act_of(target, &wish, until, cx);
        let rests_on = self.segments_of(cx, target, &wish.after).await?;
        let dependants: Vec<_> = target.snapshot.dependants(&target.found.key).map(str::to_owned).collect();
        let rollout = ROLLOUTS.get(cx.store(), setting_name(&target.environment, &target.found.key)).await?;
        let told = cx
            .act(act, async |permit| {
                // What is off already is not turned off by being set.
                let (dependants, waits) = (&dependants[..], if target.setting.state.on { &ups[..] } else { &[] });
                let told = show::Told { target, wish: &wish, until, act: permit.act(), dependants, rollout, waits };
                self.stage(cx, permit, &told)?;
                rests_on.into_iter().for_each(|(segment, version)| permit.expect(segment, version));
                Ok(show::changed(&told, cx))
            })
            .await?;
        self.live.caught_up(cx.ports()).await?;
        let key = SETTINGS.key(setting_name(&target.environment, &target.found.key));
        let version = cx.store().get(&key).await?.map_or(0, |record| record.version);
        let mut reply = told;
        for button in &mut reply.buttons {
            button.drawn_from = Some((key.clone(), version));
        }
        Ok(reply)
    }

    /// What the ledger has of it, and what somebody who is asked for a yes is told.
    fn act_of(&self, target: &Target, wish: &Wish, until: Option<DateTime<Utc>>, cx: &Cx) -> Act {
        let Target { found, environment, setting, .. } = target;
        let (key, before, after) = (&found.key, &setting.state, &wish.after);
        let (was, is) = words::pair(before, after, &target.snapshot);
        let raises = self.settings.production.contains(environment) && after.raises(before);
        let mut says = format!("Turn `{key}` in `{environment}` from {} to {}.", text::plain(&was), text::plain(&is));
        let jump = after.most().saturating_sub(before.most());
        if raises && jump > self.settings.step {
            says += &format!(
                " That is {jump} % of all users more at once, and {} % is what is usual here: `/flag rollout flag:{key} env:{environment} steps:5,25,50,100 every:15m` goes there in steps.",
                self.settings.step
            );
        }
        match until {
            Some(until) => says += &format!(" It goes back by itself at {}.", show::moment(until, cx)),
            None => says += &show::stays(setting, after, cx).unwrap_or_default(),
        }
        let mut facts = vec![("flag", key.clone()), ("before", was.clone()), ("after", is.clone())];
        facts.extend(wish.lasts.map(|lasts| ("for", config::duration::show(lasts))));
        // Words say how many, and not who: what is agreed to is exactly this.
        let exactly = serde_json::json!([before, after]).to_string();
        facts.push(("settings", format!("{:.8}", format!("{:x}", Sha256::digest(exactly)))));
        Act {
            verb: wish.verb,
            object: format!("{key}: {was} → {is}"),
            service: found.flag.service.clone(),
            environment: Some(environment.clone()),
            says,
            facts,
            state: Some(SETTINGS.key(setting_name(environment, key))),
            why: wish.because.clone(),
            // A yes was given when it was planned, and to just this state; whoever types it now gives their own.
            danger: raises && (wish.planned.is_none() || by_hand(cx)),
            ..Act::default()
        }
    }

    /// Stages the change, and the end of a rollout that it cuts short.
    fn stage(&self, cx: &Cx, permit: &Permit, told: &show::Told<'_>) -> Result<()> {
        let name = setting_name(&told.target.environment, &told.target.found.key);
        if let Some(rollout) = &told.rollout {
            // Whoever holds or resumes it at this moment is not in the way of turning it off.
            if told.wish.after.on {
                permit.expect(ROLLOUTS.key(&name), rollout.version);
            }
            permit.delete(ROLLOUTS.key(&name));
        }
        if let Some(planned) = &told.wish.planned {
            schedule::stage_next(cx, permit, &schedule::name_of(told.target, &planned.value), planned)?;
        }
        self.stage_state(cx, permit, told.target, told.wish, told.until)?;
        self.announce(cx, permit, told.wish.also.as_ref(), &show::announced(told, cx))
    }

    /// Stages how a flag stands from now on.
    pub(super) fn stage_state(
        &self,
        cx: &Cx,
        permit: &Permit,
        target: &Target,
        wish: &Wish,
        until: Option<DateTime<Utc>>,
    ) -> Result<()> {
        let Target { found, environment, setting, version, .. } = target;
        let name = setting_name(environment, &found.key);
        permit.expect(FLAGS.key(&found.key), found.version);
        permit.expect(SETTINGS.key(&name), *version);
        let changed = Changed { act: permit.act(), who: cx.who().to_owned(), at: cx.now() };
        let next = Setting { until, ..setting.then(wish.after.clone(), changed, by_hand(cx)) };
        put_setting(permit, environment, &found.key, &next)?;
        match until {
            Some(at) => {
                let timer = Timer { at, act: permit.act(), place: cx.call().place.clone() };
                TIMERS.put(permit, &name, &timer)?;
            }
            None if setting.until.is_some() => permit.delete(TIMERS.key(&name)),
            None => {}
        }
        permit.undo(Some(show::undo_line(target, permit.act())));
        Ok(())
    }

    /// Tells those who are not there to see the answer itself.
    pub(super) fn announce(&self, cx: &Cx, permit: &Permit, also: Option<&Place>, reply: &Reply) -> Result<()> {
        let mut seen: Vec<(&str, &str)> = vec![(&cx.call().place.platform, &cx.call().place.channel)];
        for place in self.settings.tell.iter().chain(also) {
            let here = (place.platform.as_str(), place.channel.as_str());
            if !seen.contains(&here) {
                seen.push(here);
                permit.say(place, reply.clone())?;
            }
        }
        Ok(())
    }
}

/// Whether a person has just typed it.
pub fn by_hand(cx: &Cx) -> bool {
    cx.invocation().is_some() && cx.saying().is_none()
}

/// Makes sure that whoever names a flag's service names the right one: policy and guards have gone by it.
fn belongs(cx: &Cx, found: &Found) -> Result<()> {
    let said = cx.invocation().and_then(|said| said.service());
    // A flag that is about to be made has a service of its own, and may need one of another.
    if said.is_none() || cx.command() == CREATE || said == found.flag.service.as_deref() {
        return Ok(());
    }
    let whose = match &found.flag.service {
        Some(service) => format!("belongs to `{service}`"),
        None => "belongs to no service".to_owned(),
    };
    Err(Stop::refuse(format!("`{}` {whose}, so nothing was done. Leave `service` out: it is known.", found.key)))
}
