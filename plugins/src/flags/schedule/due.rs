//! Planned changes whose time has come: each is said once, or it is told why it was not.

use super::{Planned, SCHEDULES, To, act, digest, line, name_of, whose};
use crate::flags::change::Target;
use crate::flags::{Flags, show};
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::{Act, Permit, has_begun};
use commands::cx::{Cx, Saying};
use commands::reply::{Button, Outcome, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Versioned;
use commands::text;
use config::Schedule as Rhythm;

/// How late a flag may still be turned up: after a long stop nobody expects it any more. Off is never too late.
const LATE: TimeDelta = TimeDelta::hours(1);

/// How often one is tried that a restart has cut off, or that others were faster than.
const TRIES: usize = 5;

impl Flags {
    /// Carries out what is due; what turns something off comes first.
    pub(in crate::flags) async fn schedules_due(&self, cx: &Cx) -> Result<()> {
        let mut due = SCHEDULES.scan(cx.store(), "", usize::MAX).await?;
        due.retain(|(_, planned)| planned.value.next <= cx.now());
        due.sort_by_key(|(_, planned)| (planned.value.to != To::Off, planned.value.next));
        let mut done = Ok(());
        for (name, planned) in due {
            let Some((environment, key)) = whose(&name) else { continue };
            // The next start carries it out.
            if cx.stopping().is_cancelled() {
                break;
            }
            // One that breaks does not keep the others waiting.
            done = done.and(self.carry_out(cx, environment, key, &planned).await);
        }
        done
    }

    /// Says a planned change, or tells why it is not done; whatever becomes of it, it does not come due again.
    async fn carry_out(&self, cx: &Cx, environment: &str, key: &str, planned: &Versioned<Planned>) -> Result<()> {
        let it = &planned.value;
        let found = self.any(cx, key).await?;
        let target = self.target_of(cx, found, environment).await?;
        if target.found.flag.archived.is_some() && it.to == To::Off {
            // Off is never too late: it waits for a restore.
            return Ok(());
        }
        let in_line = |service: &String| !cx.in_line(service, environment).is_empty();
        if it.to != To::Off && target.found.flag.service.as_ref().is_some_and(in_line) {
            // Another change is under way there. Nothing else is to wait for that: it is looked at again in a minute.
            return Ok(());
        }
        let mut amiss = self.amiss_with(cx, &target, it).await?;
        if amiss.is_none() && !self.stands_as(&target, it) {
            match self.say_planned(cx, (environment, key), planned).await? {
                Said::Done => {}
                Said::Left => return Ok(()),
                Said::Refused(why) => amiss = Some(Amiss { says: why, cause: 0 }),
            }
        }
        self.move_on_planned(cx, &target, planned, amiss).await
    }

    /// Says it as whoever planned it, anew where somebody else has changed the flag at the same moment, or a restart cut it off.
    async fn say_planned(
        &self,
        cx: &Cx,
        (environment, key): (&str, &str),
        planned: &Versioned<Planned>,
    ) -> Result<Said> {
        let it = &planned.value;
        let line = match it.to {
            // It waits for nothing, as no other way of turning a flag off does.
            To::Off => format!("{} because:\"planned with #{}\"", it.to.line(key, environment), it.act),
            _ => line("run", key, environment, it.act),
        };
        let mut refused = "it was tried several times, and others changed the flag each time".to_owned();
        for time in 0..TRIES {
            let once = format!("flags/schedule/{}/{}/{time}", it.act, it.next.timestamp());
            let saying = Saying {
                who: it.who.clone(),
                places: vec![it.place.clone()],
                line: line.clone(),
                reason: format!("planned with #{}", it.act),
                once: once.clone(),
                from: None,
            };
            match cx.say(saying).await {
                Ok(reply) if reply.outcome == Outcome::Done => return Ok(Said::Done),
                Ok(reply) => {
                    let begun = has_begun(cx.store(), &once).await?;
                    if !begun && cx.stopping().is_cancelled() {
                        return Ok(Said::Left);
                    }
                    refused = text::line(reply.text.split(". ").next().unwrap_or_default());
                    if !begun {
                        return Ok(Said::Refused(refused));
                    }
                }
                Err(Stop::Left(_)) => return Ok(Said::Left),
                Err(Stop::Refused(_)) => {}
                Err(broken) => return Err(broken),
            }
            let found = self.any(cx, key).await?;
            if self.stands_as(&self.target_of(cx, found, environment).await?, it) {
                return Ok(Said::Done);
            }
        }
        Ok(Said::Refused(refused))
    }

    /// Whether the flag stands as planned, and for good.
    fn stands_as(&self, target: &Target, it: &Planned) -> bool {
        let stays = it.to == To::Off || target.setting.until.is_none();
        stays && it.to.state(target).is_some_and(|to| to.same(&target.setting.state))
    }

    /// What keeps a planned change from being carried out.
    pub(super) async fn amiss_with(&self, cx: &Cx, target: &Target, it: &Planned) -> Result<Option<Amiss>> {
        if it.to == To::Off {
            return Ok(None);
        }
        if target.found.flag.archived.is_some() {
            let says = format!("`{}` is in the archive", target.found.key);
            return Ok(Some(Amiss { says, cause: target.found.flag.act }));
        }
        if cx.now() - it.next > LATE {
            let due = show::moment(it.next, cx);
            let says = format!("it was due at {due}, more than an hour ago, and nobody expects it any more");
            return Ok(Some(Amiss { says, cause: 0 }));
        }
        // What a person has turned off stays off until a person turns it on.
        if let Some(off) = target.setting.off.as_ref().filter(|off| off.act > it.act) {
            let says = format!(
                "{} has turned it off since (#{}), and what a person turns off stays off",
                text::plain(&off.who),
                off.act
            );
            return Ok(Some(Amiss { says, cause: off.act }));
        }
        let otherwise =
            it.agreed.as_ref().is_some_and(|agreed| it.to.state(target).map(|to| digest(&to)) != Some(agreed.clone()));
        let says = "it was set otherwise since somebody said yes to it: plan it anew".to_owned();
        Ok(otherwise.then(|| Amiss { says, cause: target.setting.changed.as_ref().map_or(0, |last| last.act) }))
    }

    /// Ends a planned change, or lets it come again; told where it was planned if it was not done, once for each cause.
    async fn move_on_planned(
        &self,
        cx: &Cx,
        target: &Target,
        planned: &Versioned<Planned>,
        amiss: Option<Amiss>,
    ) -> Result<()> {
        let (it, name) = (&planned.value, name_of(target, &planned.value));
        let (key, environment) = (&target.found.key, &target.environment);
        // Carried out, it has moved on already.
        if SCHEDULES.get(cx.store(), &name).await?.is_none_or(|now| now.version != planned.version) {
            return Ok(());
        }
        let act = Act {
            why: amiss.as_ref().map(|amiss| amiss.says.clone()).unwrap_or_default(),
            ..act("flags.schedule-next", target, it.act, if amiss.is_some() { "not done" } else { "done" })
        };
        let done = cx.act(act, async |permit| {
            let cause = amiss.as_ref().map_or(0, |amiss| amiss.cause);
            let moved = Versioned { value: Planned { told: cause, ..it.clone() }, version: planned.version };
            let again = stage_next(cx, permit, &name, &moved)?;
            let Some(Amiss { says, .. }) = amiss.filter(|amiss| amiss.cause == 0 || amiss.cause != it.told) else {
                return Ok(());
            };
            let again = again.map(|next| format!(" It comes again at {}.", show::moment(next, cx))).unwrap_or_default();
            let mut reply = Reply::card(
                Tone::Warn,
                format!("{key}: not {} in {environment}", it.to.words()),
                format!(
                    "What {} planned with #{} was not done: {}.{again}",
                    text::plain(&it.who),
                    it.act,
                    says.trim_end_matches('.')
                ),
            )
            .button(match target.found.flag.archived {
                Some(_) => Button::new("Restore", format!("flag restore flag:{key}")),
                None => Button::new("Do it now", it.to.line(key, environment)),
            });
            reply.calls.push(it.who.clone());
            self.announce(cx, permit, Some(&it.place), &reply)
        });
        match done.await {
            // Somebody has cancelled it at this very moment.
            Ok(()) | Err(Stop::Refused(_)) => Ok(()),
            Err(stop) => Err(stop),
        }
    }
}

/// What became of a line that was said.
enum Said {
    Done,
    /// Deckhand stops: the next start looks again.
    Left,
    /// Why.
    Refused(String),
}

/// What keeps a planned change from being carried out.
pub(super) struct Amiss {
    /// Words for whoever planned it.
    pub(super) says: String,
    /// The act that is the cause, for which they are called once; 0 where there is none.
    cause: u64,
}

/// Stages that a planned change has had its turn: it comes again, or is over. Returns when it comes again.
pub fn stage_next(cx: &Cx, permit: &Permit, name: &str, planned: &Versioned<Planned>) -> Result<Option<DateTime<Utc>>> {
    let it = &planned.value;
    permit.expect(SCHEDULES.key(name), planned.version);
    let rhythm = it.every.as_deref().and_then(|line| Rhythm::parse(line, cx.ports().vocabulary.zone).ok());
    // Counted from the moment that was due, too: clocks that are set back do not bring it twice. Somebody who did not want to
    // wait takes no turn away.
    let next = match it.next > cx.now() {
        true => rhythm.map(|_| it.next),
        false => rhythm.and_then(|rhythm| rhythm.next(it.next.max(cx.now()))),
    };
    match next {
        Some(next) => SCHEDULES.put(permit, name, &Planned { next, ..it.clone() })?,
        None => permit.delete(SCHEDULES.key(name)),
    }
    Ok(next)
}
