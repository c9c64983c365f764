//! On, off, and back.

use super::change::{TIMERS, Target, Wish};
use super::model::State;
use super::{Flags, show};
use commands::cx::Cx;
use commands::ledger::Place;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use std::time::Duration;

/// How often a flag is turned off that others change at the same moment.
const TRIES: usize = 5;

#[derive(Deserialize)]
struct Said {
    flag: String,
    env: String,
    percent: Option<f64>,
    r#for: Option<Duration>,
    because: Option<String>,
    number: Option<u64>,
}

impl Flags {
    pub(super) async fn on(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let target = self.target(cx, &said.flag, &said.env).await?;
        let state = &target.setting.state;
        let after = match said.percent {
            None => State { on: true, ..state.clone() },
            Some(percent) => at(&target, percent)?,
        };
        let because = said.because.unwrap_or_default();
        self.change(cx, &target, Wish { verb: "flags.on", after, because, lasts: said.r#for, ..Wish::default() }).await
    }

    /// Turns it off. Whoever changes it at the very same moment does not keep it on: it is done again, on what they made.
    pub(super) async fn off(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let because = said.because.unwrap_or_default();
        let mut tries = 0;
        loop {
            tries += 1;
            let target = self.target(cx, &said.flag, &said.env).await?;
            let after = State { on: false, ..target.setting.state.clone() };
            let wish = Wish { verb: "flags.off", after, because: because.clone(), ..Wish::default() };
            match self.change(cx, &target, wish).await {
                Err(Stop::Refused(_)) if tries < TRIES && self.has_moved_on(cx, &target).await? => {}
                done => return done,
            }
        }
    }

    /// Whether somebody has changed the flag there since it was looked at.
    async fn has_moved_on(&self, cx: &Cx, seen: &Target) -> Result<bool> {
        let now = self.target(cx, &seen.found.key, &seen.environment).await?;
        Ok((now.version, now.found.version) != (seen.version, seen.found.version))
    }

    pub(super) async fn undo(&self, cx: &Cx) -> Result<Reply> {
        let said: Said = cx.args()?;
        let target = self.target(cx, &said.flag, &said.env).await?;
        let (key, environment) = (&target.found.key, &target.environment);
        let Some((changed, before)) = target.setting.changed.clone().zip(target.setting.before.clone()) else {
            return Err(Stop::refuse(format!(
                "`{key}` was never changed in `{environment}`, so there is nothing to undo."
            )));
        };
        if let Some(number) = said.number.filter(|number| *number != changed.act) {
            return Err(Stop::refuse(format!(
                "#{number} is not the last change of `{key}` in `{environment}`: that is #{}, by {} at {}. Nothing was undone. `/flag undo {key} {environment}` undoes that one.",
                changed.act,
                text::plain(&changed.who),
                show::moment(changed.at, cx)
            )));
        }
        let because = said.because.unwrap_or_else(|| format!("undoes #{}", changed.act));
        self.change(cx, &target, Wish { verb: "flags.undo", after: before, because, ..Wish::default() }).await
    }

    /// Takes back what was meant for a while, and whose time is over.
    pub(super) async fn return_due(&self, cx: &Cx) -> Result<()> {
        for (name, timer) in TIMERS.scan(cx.store(), "", usize::MAX).await? {
            let Some((environment, key)) = name.split_once('/').filter(|_| timer.value.at <= cx.now()) else {
                continue;
            };
            let target = match self.target(cx, key, environment).await {
                Ok(target) => target,
                // It was archived meanwhile: it goes back once somebody restores it.
                Err(Stop::Refused(_)) => continue,
                Err(broken) => return Err(broken),
            };
            let Some(before) = target.setting.before.clone().filter(|_| target.setting.until.is_some()) else {
                continue;
            };
            let because = format!("the time that #{} was for is over", timer.value.act);
            let also = Some(Place { message: String::new(), ..timer.value.place });
            let wish = Wish { verb: "flags.return", after: before, because, also, ..Wish::default() };
            match self.change(cx, &target, wish).await {
                // Somebody has changed it at this very moment: then it is theirs.
                Ok(_) | Err(Stop::Refused(_)) => {}
                Err(broken) => return Err(broken),
            }
        }
        Ok(())
    }
}

/// How a flag is to stand that is on for this share of the users.
pub(super) fn at(target: &Target, percent: f64) -> Result<State> {
    let (key, environment) = (&target.found.key, &target.environment);
    let percent = whole(percent, key, environment)?;
    target.setting.state.at(key, percent).ok_or_else(|| {
        Stop::refuse(format!(
            "`{key}` goes by more than one strategy in `{environment}`, or by names, so it is not clear whose share that is. Nothing was changed. `/flag show {key}` shows them; `/flag set` puts one in their place."
        ))
    })
}

/// A share that the engine can give, and that is more than nobody.
pub(super) fn whole(percent: f64, key: &str, environment: &str) -> Result<u8> {
    if percent == 0.0 {
        return Err(Stop::refuse(format!("On for 0 % is off: say `/flag off {key} {environment}`.")));
    }
    if percent.fract() != 0.0 {
        let near = percent.round().max(1.0);
        return Err(Stop::refuse(format!(
            "The libraries of applications share users out by whole percents, so nothing was changed. Say `percent:{near}`."
        )));
    }
    // Between 1 and 100: arguments of this kind are.
    Ok(percent as u8)
}
