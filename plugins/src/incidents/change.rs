//! What changes an incident: how bad it is, what it affects, how far it has come, and its clocks.

use super::records::{Incident, Kind, Standing, Update};
use super::{Change, Incidents, check_moment, meant, show};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use commands::cx::Cx;
use commands::offer::incident::{Clocks, Stage};
use commands::parse::quote;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use std::time::Duration;

/// The most characters of words that everybody is shown.
pub(super) const LONGEST: usize = 450;

/// For how long people are left alone who do not say.
const SNOOZE: Duration = Duration::from_secs(30 * 60);

#[derive(Deserialize)]
struct SeverityArgs {
    sev: u8,
    because: Option<String>,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct AffectArgs {
    service: Option<String>,
    env: Option<String>,
    remove: Option<String>,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct UpdateArgs {
    text: String,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct PhaseArgs {
    phase: String,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct EndArgs {
    how: Option<String>,
    at: Option<DateTime<Utc>>,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct ReopenArgs {
    number: Option<u64>,
    because: Option<String>,
}

#[derive(Deserialize)]
struct ClockArgs {
    clock: String,
    at: DateTime<Utc>,
    because: String,
    number: Option<u64>,
}

#[derive(Deserialize)]
struct SnoozeArgs {
    r#for: Option<Duration>,
    stop: Option<String>,
    number: Option<u64>,
}

impl Incidents {
    pub(super) async fn severity(&self, cx: &Cx) -> Result<Reply> {
        let SeverityArgs { sev, because, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        let before = it.incident.severity;
        if before == Some(sev) {
            return Err(Stop::refuse(format!("Incident #{} is SEV{sev} already, so nothing was changed.", it.number)));
        }
        it.incident.severity = Some(sev);
        it.incident.reminders.update = self.settings.remind.update_after(&it.incident, cx.now());
        let what = match before {
            Some(before) => format!("It is SEV{sev} now; it was SEV{before}"),
            None => format!("It is SEV{sev}"),
        };
        let change = Change::now(cx, "incidents.sev", what).because(because).loud();
        let change = match before {
            Some(before) => change.undo(format!("incident sev sev:{before} number:{}", it.number)),
            None => change,
        };
        self.change(cx, it, change).await
    }

    pub(super) async fn affect(&self, cx: &Cx) -> Result<Reply> {
        let AffectArgs { service, env, remove, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        if service.is_none() && env.is_none() {
            return Err(Stop::refuse(
                "It was not said what it affects, so nothing was changed. Say `service:` or `env:`, or both.",
            ));
        }
        let before = it.incident.clone();
        let changed = [
            alter(&mut it.incident.services, service.as_ref(), remove.is_some()),
            alter(&mut it.incident.environments, env.as_ref(), remove.is_some()),
        ];
        if changed == [false, false] {
            return Err(Stop::refuse(format!(
                "That is how #{} stands already, so nothing was changed: it affects {}.",
                it.number,
                show::affected(&before)
            )));
        }
        check_reach(&it, &before)?;
        let line = [("service", &service), ("env", &env)].into_iter().zip(changed);
        let line = line.filter(|(_, changed)| *changed).filter_map(|((name, value), _)| Some((name, value.as_ref()?)));
        let line = line.fold("incident affect".to_owned(), |line, (name, value)| format!("{line} {name}:{value}"));
        let undo = if remove.is_some() { "" } else { " remove:yes" };
        let added: Vec<_> = service.into_iter().filter(|_| changed[0] && remove.is_none()).collect();
        let mut calls = if added.is_empty() { Vec::new() } else { self.settings.on_call(&added, cx.now()) };
        calls.retain(|person| person != cx.who() && it.incident.stage != Stage::Resolved);
        let what = format!("Affects {} now", show::affected(&it.incident));
        let change = Change::now(cx, "incidents.affect", what).undo(format!("{line}{undo} number:{}", it.number));
        self.change(cx, it, Change { calls, ..change }).await
    }

    pub(super) async fn update(&self, cx: &Cx) -> Result<Reply> {
        let UpdateArgs { text, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        check_length(&text)?;
        it.incident.update = Some(Update { text: text.clone(), who: cx.who().to_owned(), at: cx.now() });
        it.incident.reminders.update = self.settings.remind.update_after(&it.incident, cx.now());
        let change = Change::now(cx, "incidents.update", text::plain(text.trim_end_matches('.'))).loud();
        self.change(cx, it, Change { kind: Some(Kind::Update), ..change }).await
    }

    pub(super) async fn phase(&self, cx: &Cx) -> Result<Reply> {
        let PhaseArgs { phase, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        let undo =
            it.incident.phase.as_ref().map(|before| format!("incident status phase:{before} number:{}", it.number));
        it.incident.phase = Some(phase.clone());
        let change = Change::now(cx, "incidents.status", text::capital(&phase)).loud();
        self.change(cx, it, Change { undo, ..change }).await
    }

    pub(super) async fn mitigate(&self, cx: &Cx) -> Result<Reply> {
        let EndArgs { how, at, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        how.iter().try_for_each(|how| check_length(how))?;
        if it.incident.stage != Stage::Open {
            let since = it.incident.clocks.mitigated.unwrap_or(it.incident.clocks.declared);
            return Err(Stop::refuse(format!(
                "Incident #{} is mitigated since {} already, so nothing was changed. `/incident clock mitigated …` corrects that, `/incident reopen {0}` says that it is not.",
                it.number,
                show::moment(cx, since)
            )));
        }
        at.iter().try_for_each(|at| check_moment(cx, *at))?;
        let at = at.unwrap_or_else(|| now_or_later(cx.now(), &it.incident.clocks));
        it.incident.clocks.mitigated = Some(at);
        check(cx, &it.incident.clocks)?;
        it.incident.stage = Stage::Mitigated;
        let lasted = show::span(at - it.incident.offered(it.number).since());
        let note = how.clone().unwrap_or_default();
        let what = with(format!("Mitigated after {lasted}, nobody suffers from it any more"), how);
        let change = Change::now(cx, "incidents.mitigate", what).noted(note).loud();
        let change = change.undo(format!("incident reopen number:{}", it.number));
        self.change(cx, it, Change { at, ..change }).await
    }

    pub(super) async fn resolve(&self, cx: &Cx) -> Result<Reply> {
        let EndArgs { how, at, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        how.iter().try_for_each(|how| check_length(how))?;
        if let Some(since) = it.incident.clocks.resolved {
            return Err(Stop::refuse(format!(
                "Incident #{} is over since {} already, so nothing was changed. `/incident clock resolved …` corrects that, `/incident reopen {0}` opens it again.",
                it.number,
                show::moment(cx, since)
            )));
        }
        at.iter().try_for_each(|at| check_moment(cx, *at))?;
        let at = at.unwrap_or_else(|| now_or_later(cx.now(), &it.incident.clocks));
        it.incident.clocks.resolved = Some(at);
        it.incident.clocks.mitigated = it.incident.clocks.mitigated.or(Some(at));
        check(cx, &it.incident.clocks)?;
        it.incident.stage = Stage::Resolved;
        it.incident.reminders.update = None;
        let offered = it.incident.offered(it.number);
        let note = how.clone().unwrap_or_default();
        let what = with(format!("Over after {}", show::span(at - offered.since())), how);
        let change = Change::now(cx, "incidents.resolve", what).noted(note).loud();
        let change = change.undo(format!("incident reopen number:{}", it.number));
        let mut reply = self.change(cx, it, Change { at, ..change }).await?;
        let ports = cx.ports();
        // It is over, whatever another plugin can not find out.
        reply.buttons.extend(ports.offered.after_incident(ports, &offered).await.unwrap_or_default());
        Ok(reply)
    }

    /// Takes the last of `mitigate` and `resolve` back: what stood before stands again.
    pub(super) async fn reopen(&self, cx: &Cx) -> Result<Reply> {
        let ReopenArgs { number, because } = cx.args()?;
        let mut it = meant(cx, number).await?;
        let clocks = &mut it.incident.clocks;
        // Where nobody has said when it was mitigated, it was when it was resolved.
        let was_mitigated = clocks.mitigated != clocks.resolved;
        let (verb, ended, stage) = match it.incident.stage {
            Stage::Open => {
                return Err(Stop::refuse(format!("Incident #{} is open, so nothing was changed.", it.number)));
            }
            Stage::Resolved if was_mitigated => ("resolve", clocks.resolved.take(), Stage::Mitigated),
            Stage::Resolved => {
                clocks.mitigated = None;
                ("resolve", clocks.resolved.take(), Stage::Open)
            }
            Stage::Mitigated => ("mitigate", clocks.mitigated.take(), Stage::Open),
        };
        let now = cx.now();
        it.incident.stage = stage;
        it.incident.reminders.update = self.settings.remind.update_after(&it.incident, now);
        it.incident.reminders.open = self.settings.daily.as_ref().and_then(|daily| daily.next(now));
        (it.incident.reminders.lead, it.incident.reminders.severity) = self.settings.remind.first_questions(now);
        let mut calls = match it.incident.commander() {
            Some(commander) => vec![commander.to_owned()],
            None => self.settings.on_call(&it.incident.services, now),
        };
        calls.retain(|person| person != cx.who());
        let what = match stage {
            Stage::Open => "Open again".to_owned(),
            _ => "Not over after all, but mitigated".to_owned(),
        };
        let at =
            ended.map_or_else(String::new, |at| format!(" at:{}", at.to_rfc3339_opts(SecondsFormat::AutoSi, true)));
        let change = Change::now(cx, "incidents.reopen", what).because(because).loud();
        let change = change.undo(format!("incident {verb}{at} number:{}", it.number));
        self.change(cx, it, Change { calls, ..change }).await
    }

    pub(super) async fn clock(&self, cx: &Cx) -> Result<Reply> {
        let ClockArgs { clock, at, because, number } = cx.args()?;
        check_moment(cx, at)?;
        let mut it = meant(cx, number).await?;
        let (clocks, stage) = (&mut it.incident.clocks, it.incident.stage);
        let before = match clock.as_str() {
            "started" => clocks.started.replace(at),
            "detected" => Some(std::mem::replace(&mut clocks.detected, at)),
            "declared" => Some(std::mem::replace(&mut clocks.declared, at)),
            "mitigated" if stage != Stage::Open => clocks.mitigated.replace(at),
            "resolved" if stage == Stage::Resolved => {
                let before = clocks.resolved.replace(at);
                // Where nobody has said when it was mitigated, it was when it was resolved.
                clocks.mitigated =
                    clocks.mitigated.map(|mitigated| if Some(mitigated) == before { at } else { mitigated });
                before
            }
            other => {
                let line = if other == "mitigated" { "mitigate" } else { "resolve" };
                return Err(Stop::refuse(format!(
                    "Incident #{} is not {other}, so its clock was not set. `/incident {line} at:…` says that it is.",
                    it.number
                )));
            }
        };
        check(cx, clocks)?;
        let was =
            before.map_or_else(|| "nobody had said".to_owned(), |before| format!("it was {}", show::both(cx, before)));
        let what = format!("{} at {}; {was}", text::capital(&clock), show::both(cx, at));
        let undo = before.map(|before| {
            let line =
                format!("incident clock clock:{clock} at:{}", before.to_rfc3339_opts(SecondsFormat::AutoSi, true));
            format!("{line} because:{} number:{}", quote("as it was before"), it.number)
        });
        let change = Change::now(cx, "incidents.clock", what).noted(clock.clone()).because(Some(because));
        self.change(cx, it, Change { undo, ..change }).await
    }

    pub(super) async fn snooze(&self, cx: &Cx) -> Result<Reply> {
        let SnoozeArgs { r#for, stop, number } = cx.args()?;
        let mut it = meant(cx, number).await?;
        if it.incident.stage == Stage::Resolved || !matches!(it.incident.severity, Some(1..=3)) {
            return Err(Stop::refuse(format!(
                "Nobody is reminded of updates of #{}, so nothing was changed: {}.",
                it.number,
                if it.incident.stage == Stage::Resolved {
                    "it is over"
                } else {
                    "it is not known to be SEV1, SEV2 or SEV3"
                }
            )));
        }
        let lasts = r#for.unwrap_or(SNOOZE);
        let until = cx.now() + TimeDelta::from_std(lasts).unwrap_or(TimeDelta::hours(1));
        // When the next one was due can not be said again.
        let stopped = it.incident.reminders.stopped;
        let undo = stopped.then(|| format!("incident snooze stop:yes number:{}", it.number));
        it.incident.reminders.stopped = stop.is_some();
        it.incident.reminders.update = stop.is_none().then_some(until);
        let what = match stop {
            Some(_) => "No more reminders of updates".to_owned(),
            None => format!("The next reminder of an update comes at {}", show::moment(cx, until)),
        };
        let note = if stop.is_some() { "no more reminders" } else { "" };
        let change = Change { kind: None, undo, ..Change::now(cx, "incidents.snooze", what).noted(note) };
        self.change(cx, it, change).await
    }
}

/// Adds a name to a list, or takes it out of it; whether that changes the list.
fn alter(list: &mut Vec<String>, name: Option<&String>, remove: bool) -> bool {
    let Some(name) = name else { return false };
    let length = list.len();
    match (list.contains(name), remove) {
        (true, true) => list.retain(|other| other != name),
        (false, false) => list.push(name.clone()),
        _ => {}
    }
    list.len() != length
}

/// Refuses what would say more, or less, than was said: an incident that names no service is about all of them, and so it is
/// with environments.
fn check_reach(it: &Standing, before: &Incident) -> Result<()> {
    let after = &it.incident;
    let lists = [(&before.services, &after.services), (&before.environments, &after.environments)];
    let known = |incident: &Incident| !incident.services.is_empty() || !incident.environments.is_empty();
    if !known(before) || !known(after) || lists.iter().all(|(before, after)| before.is_empty() == after.is_empty()) {
        return Ok(());
    }
    Err(Stop::refuse(format!(
        "It affects {}; then it would be {}, which is something else, so nothing was changed. Name what it affects instead first, and take the rest out then.",
        show::affected(before),
        show::affected(after)
    )))
}

/// Refuses words that could not be shown whole.
fn check_length(words: &str) -> Result<()> {
    let length = words.chars().count();
    if length <= LONGEST {
        return Ok(());
    }
    Err(Stop::refuse(format!(
        "That has {length} characters, and everybody is shown {LONGEST} at the most, so it was not told. Say it shorter; what is longer can stand in notes."
    )))
}

/// The words, and those that somebody added.
fn with(what: String, how: Option<String>) -> String {
    how.iter().fold(what, |what, how| format!("{what}: {}", text::plain(how.trim_end_matches('.'))))
}

/// This moment; or, where the machine's clock was set back, the latest that the incident has: nothing ends before it began.
fn now_or_later(now: DateTime<Utc>, clocks: &Clocks) -> DateTime<Utc> {
    let Clocks { started, detected, mitigated, .. } = clocks;
    [*started, Some(*detected), *mitigated].into_iter().flatten().fold(now, DateTime::max)
}

/// Refuses clocks that no incident can have.
fn check(cx: &Cx, clocks: &Clocks) -> Result<()> {
    let Some([(first, at), (second, then)]) = out_of_order(clocks) else { return Ok(()) };
    Err(Stop::refuse(format!(
        "`{second}` ({}) would be before `{first}` ({}), so nothing was changed. Say another time, or correct the other clock first with `/incident clock`.",
        show::moment(cx, then),
        show::moment(cx, at)
    )))
}

/// Two clocks of which the first is later than the second, though no incident has them so.
fn out_of_order(clocks: &Clocks) -> Option<[(&'static str, DateTime<Utc>); 2]> {
    let Clocks { started, detected, mitigated, resolved, .. } = clocks;
    let in_order = [
        ("started", *started, "detected", Some(*detected)),
        ("started", *started, "mitigated", *mitigated),
        ("started", *started, "resolved", *resolved),
        ("mitigated", *mitigated, "resolved", *resolved),
        ("detected", Some(*detected), "resolved", *resolved),
    ];
    let late = |[(_, first), (_, second)]: &[(_, DateTime<Utc>); 2]| first > second;
    in_order.into_iter().find_map(|(first, at, second, then)| Some([(first, at?), (second, then?)]).filter(late))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_back_ends_nothing_before_it_began() {
        let at = |minutes| DateTime::UNIX_EPOCH + TimeDelta::minutes(minutes);
        let clocks = |detected, mitigated: Option<i64>| Clocks {
            started: Some(at(100)),
            detected: at(detected),
            declared: at(detected),
            mitigated: mitigated.map(at),
            resolved: None,
        };
        for (now, clocks, wanted) in [
            (130, clocks(110, None), 130),
            (60, clocks(110, None), 110),
            (60, clocks(110, Some(120)), 120),
            (60, clocks(100, None), 100),
        ] {
            let ended = now_or_later(at(now), &clocks);
            assert_eq!(ended, at(wanted), "{now} {clocks:?}");
            let ended = Clocks { mitigated: Some(ended), resolved: Some(ended), ..clocks };
            assert_eq!(out_of_order(&ended), None, "it can be resolved");
        }
    }
}
