//! The verdict on a deploy: for a while after it, what is measured of the service is held against the time before.
//!
//! Nothing is written while it is watched: what is live, since when, and what was measured say how it stands at any
//! moment, after a restart too. Its outcome is an act.

pub mod settings;

use super::records::{self, DEPLOYS, Deploy, LIVE, Release, Target};
use super::{Deployer, plan, show};
use crate::program;
use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use commands::act::Act;
use commands::cx::{Cx, Saying};
use commands::ledger::{self, Entry, Place};
use commands::moment;
use commands::offer::{self, Better, Measure};
use commands::reply::{Button, Look, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Table;
use commands::text;
use config::DECKHAND;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::PoisonError;
use tokio::time::sleep;

/// The last outcome, by target.
const VERDICTS: Table<Outcome> = Table::new("deploy/verdict/");

/// How many samples a measure needs before it says anything: a blip is no verdict.
const ENOUGH: u32 = 3;

/// What was bad just before a deploy is not its fault: "just before" is the smallest of these parts of the time before in
/// which a measure was taken.
const JUST_BEFORE: [u32; 3] = [8, 4, 2];

/// How it came out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Outcome {
    /// Of which deploy.
    deploy: u64,
    what: What,
    at: DateTime<Utc>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    /// Nothing got worse.
    Good,
    /// Nothing was measured, so nobody knows.
    Unmeasured,
    /// Something did, and people were asked.
    Asked,
    /// Something did, and Deckhand goes back by itself.
    Back,
    /// Somebody said that it stays.
    Kept(String),
}

/// A deploy that is being watched, or was.
struct Watched {
    target: Target,
    deploy: u64,
    release: Release,
    /// The version of the record that says that it is live.
    version: u64,
    began: DateTime<Utc>,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    /// The deploy that made live what was live before it.
    back: Option<Deploy>,
    /// Where it was shipped from.
    place: Place,
    outcome: Option<Outcome>,
}

/// What was measured before and since.
struct Compared {
    rows: Vec<[String; 3]>,
    /// What got worse, a few words each.
    worse: Vec<String>,
    /// Whether enough was measured before.
    known: bool,
    /// Whether no share of 100 is below half now.
    well: bool,
}

impl Deployer {
    /// Watches what was shipped, until Deckhand is about to stop.
    pub(super) async fn keep_verdicts(&self, cx: &Cx) {
        let Some(every) = self.verdicts().map(|(_, settings)| settings.every).min() else { return };
        while cx.stopping().run_until_cancelled(sleep(every)).await.is_some() {
            for (target, settings) in self.verdicts() {
                if let Err(stop) = self.judge(cx, target, settings).await {
                    tracing::warn!(service = target.service, "there is no verdict yet: {stop}");
                }
            }
        }
    }

    fn verdicts(&self) -> impl Iterator<Item = (&Target, &settings::Verdict)> {
        self.settings.verdicts.iter()
    }

    /// What is watched there; nothing where nothing was shipped forward.
    async fn watched(&self, cx: &Cx, target: &Target, settings: &settings::Verdict) -> Result<Option<Watched>> {
        let (live, version) = records::live(cx.store(), target).await?;
        let Some(live) = live else { return Ok(None) };
        let entry = cx.store().get(&ledger::key(live.deploy)).await?.context("a deploy has its entry")?;
        let entry = Entry::read(&entry.value)?;
        let deploy = DEPLOYS.get(cx.store(), records::name(target, live.deploy)).await?;
        if entry.draft.verb == plan::BACK {
            return Ok(None);
        }
        let began = deploy.map_or(entry.draft.at, |deploy| deploy.value.began);
        let outcome = VERDICTS.get(cx.store(), target).await?.map(|outcome| outcome.value);
        Ok(Some(Watched {
            deploy: live.deploy,
            version,
            began,
            since: live.since,
            until: live.since + TimeDelta::from_std(settings.lasts).unwrap_or(TimeDelta::MAX),
            back: self.before(cx, target, live.deploy, &live.release).await?,
            release: live.release,
            place: Place { message: String::new(), ..entry.draft.place },
            outcome: outcome.filter(|outcome| outcome.deploy == live.deploy),
            target: target.clone(),
        }))
    }

    /// What was live before a deploy, unless it was the same.
    async fn before(&self, cx: &Cx, target: &Target, deploy: u64, release: &Release) -> Result<Option<Deploy>> {
        let history = records::history(cx.store(), target, 50).await?;
        let good =
            |earlier: &Deploy| earlier.number < deploy && matches!(earlier.state, records::Progress::Good { .. });
        let before = history.into_iter().find(good);
        Ok(before.filter(|before| !before.release.is(release)))
    }

    /// Looks at one deploy that is watched, and says once how it came out.
    async fn judge(&self, cx: &Cx, target: &Target, settings: &settings::Verdict) -> Result<()> {
        if self.under_way.get(target).is_some() {
            return Ok(()); // What comes of that decides whether there is anything left to watch.
        }
        let Some(watched) = self.watched(cx, target, settings).await? else { return Ok(()) };
        match &watched.outcome {
            None => {}
            Some(Outcome { what: What::Back, .. }) => return self.go_back(cx, &watched).await,
            Some(_) => return Ok(()),
        }
        // Deckhand may have been away for all of it: then it says nothing.
        if cx.now() > watched.until + TimeDelta::from_std(settings.lasts).unwrap_or(TimeDelta::MAX) {
            return Ok(());
        }
        let compared = compare(cx, &watched, settings).await?;
        if !compared.worse.is_empty() {
            let by_itself = settings.back && compared.known && watched.back.is_some();
            let what = if by_itself { What::Back } else { What::Asked };
            let note = compared.worse.join("; ");
            let reply = bad(cx, &watched, &compared, by_itself);
            end(cx, &watched, what, note, Some(reply)).await?;
            return if by_itself { self.go_back(cx, &watched).await } else { Ok(()) };
        }
        if cx.now() >= watched.until && compared.rows.is_empty() {
            let says = format!(
                "Nothing was measured of it since {}, so nobody knows whether it is as well as before. Look at it.",
                watched.since_shown(cx)
            );
            let reply = Reply::card(Tone::Warn, watched.title("has no verdict"), says);
            end(cx, &watched, What::Unmeasured, "nothing was measured".to_owned(), Some(reply)).await?;
        } else if cx.now() >= watched.until {
            let (tone, says) = match (compared.well, compared.known) {
                (false, _) => (Tone::Warn, "It is not well, but was not well before it either."),
                (true, true) => (Tone::Good, "Nothing that is measured got worse."),
                (true, false) => (Tone::Good, "It is well. How it was before is not known."),
            };
            let reply = Reply::card(tone, watched.title("keeps"), says);
            end(cx, &watched, What::Good, "nothing got worse".to_owned(), Some(table(reply, &compared))).await?;
        }
        Ok(())
    }

    /// Says the line that goes back, once, bound to what is live now.
    async fn go_back(&self, cx: &Cx, watched: &Watched) -> Result<()> {
        let last = records::history(cx.store(), &watched.target, 1).await?.pop();
        let newer = last.is_none_or(|last| last.number != watched.deploy);
        let back = watched.back.as_ref().filter(|_| !newer);
        // What was refused is not said again and again.
        let untried = || self.tried.lock().unwrap_or_else(PoisonError::into_inner).insert(watched.deploy);
        let Some(back) = back.filter(|_| untried()) else { return Ok(()) };
        let button = show::back(&watched.target, &back.release, back.number, watched.version);
        let saying = Saying {
            who: DECKHAND.to_owned(),
            places: vec![watched.place.clone()],
            line: button.line,
            reason: format!("#{} got worse", watched.deploy),
            once: format!("deploy/verdict/{}", watched.deploy),
            from: button.drawn_from,
        };
        match cx.say(saying).await {
            // What became of it was told. An act that goes on without Deckhand is settled at the next start.
            Ok(_) | Err(Stop::Left(_) | Stop::Refused(_)) => Ok(()),
            Err(broken) => Err(broken),
        }
    }

    /// `/deploy verdict`.
    pub(super) async fn verdict(&self, cx: &Cx, target: Target) -> Result<Reply> {
        let settings = self.verdict_of(&target)?;
        let Some(watched) = self.watched(cx, &target, settings).await? else {
            return Err(Stop::refuse(format!(
                "Nothing was shipped forward to `{}` last, so there is no verdict on `{}`. `/deploy live` shows what is live.",
                target.environment, target.service
            )));
        };
        let compared = compare(cx, &watched, settings).await?;
        let zone = cx.ports().vocabulary.zone;
        let (tone, how, says) = match &watched.outcome {
            None if cx.now() < watched.until => {
                let until = moment::show(watched.until, cx.now(), zone);
                let says = match compared.worse.is_empty() {
                    true => format!("Nothing that is measured got worse so far. It is watched until {until}."),
                    false => format!("Worse than before: {}. It is watched until {until}.", compared.worse.join("; ")),
                };
                (Tone::Working, "is watched", says)
            }
            None => (Tone::Plain, "has no verdict", "Deckhand was away, or nothing was measured.".to_owned()),
            Some(Outcome { what, at, .. }) => {
                let at = moment::show(*at, cx.now(), zone);
                match what {
                    What::Unmeasured => (Tone::Warn, "has no verdict", format!("Nothing was measured until {at}.")),
                    What::Good => (Tone::Good, "keeps", format!("Nothing that is measured got worse until {at}.")),
                    What::Kept(who) => (Tone::Good, "was kept", format!("{} said so at {at}.", text::plain(who))),
                    What::Asked => (Tone::Bad, "got worse", format!("That was told at {at}, and nobody has answered.")),
                    What::Back => (Tone::Bad, "got worse", format!("Deckhand has tried to go back at {at}.")),
                }
            }
        };
        let reply = table(Reply::card(tone, watched.title(how), says), &compared);
        Ok(if watched.is_open() { buttons(reply, &watched) } else { reply })
    }

    /// `/deploy keep`.
    pub(super) async fn keep(&self, cx: &Cx, target: Target, number: Option<u64>) -> Result<Reply> {
        let settings = self.verdict_of(&target)?;
        let watched = self.watched(cx, &target, settings).await?;
        let Some(watched) = watched.filter(|watched| watched.is_open() && number.is_none_or(|it| it == watched.deploy))
        else {
            return Err(Stop::refuse(format!(
                "No verdict is open on that deploy of `{}` to `{}`, so nothing was done. `/deploy verdict` shows how it stands.",
                target.service, target.environment
            )));
        };
        end(cx, &watched, What::Kept(cx.who().to_owned()), "kept".to_owned(), None).await?;
        Ok(Reply::card(Tone::Good, watched.title("was kept"), "It is not watched any more."))
    }

    /// What is measured to be worse since a canary has its share, than before its deploy `began`: a few words each. Nothing
    /// where the config does not watch what is shipped there.
    pub(super) async fn worse(
        &self,
        cx: &Cx,
        target: &Target,
        began: DateTime<Utc>,
        since: DateTime<Utc>,
    ) -> Result<Vec<String>> {
        let Some(settings) = self.settings.verdicts.get(target) else { return Ok(Vec::new()) };
        Ok(against_before(cx, target, began, since..cx.now(), settings).await?.worse)
    }

    fn verdict_of(&self, target: &Target) -> Result<&settings::Verdict> {
        self.settings.verdicts.get(target).ok_or_else(|| {
            Stop::refuse(format!(
                "What is shipped of `{0}` to `{1}` is not watched. The operator writes a section `[services.{0}.deploy.verdict]`.",
                target.service, target.environment
            ))
        })
    }
}

impl Watched {
    fn title(&self, how: &str) -> String {
        format!("{} in {}: {} {how}", self.target.service, self.target.environment, self.release)
    }

    /// Since when it is live, as people say it.
    fn since_shown(&self, cx: &Cx) -> String {
        moment::show(self.since, cx.now(), cx.ports().vocabulary.zone)
    }

    /// Whether it waits for an answer, or is still watched.
    fn is_open(&self) -> bool {
        self.outcome.as_ref().is_none_or(|outcome| matches!(outcome.what, What::Asked | What::Back))
    }
}

/// Ends the watch, in an act that tells the channel where it was shipped from.
async fn end(cx: &Cx, watched: &Watched, what: What, note: String, reply: Option<Reply>) -> Result<()> {
    let Target { service, environment } = &watched.target;
    let act = Act {
        verb: if matches!(what, What::Kept(_)) { "deploy.keep" } else { "deploy.verdict" },
        object: format!("{service} {}", watched.release),
        service: Some(service.clone()),
        environment: Some(environment.clone()),
        says: format!("Keep {} of `{service}` in `{environment}`.", watched.release),
        facts: vec![("deploy", watched.deploy.to_string())],
        ..Act::default()
    };
    let bad = matches!(what, What::Asked | What::Back);
    cx.act(act, async |permit| {
        permit.expect(LIVE.key(&watched.target), watched.version);
        VERDICTS.put(permit, &watched.target, &Outcome { deploy: watched.deploy, what, at: cx.now() })?;
        if bad {
            permit.failed(note);
        } else {
            permit.note(note);
        }
        reply.map_or(Ok(()), |reply| permit.say(&watched.place, reply))
    })
    .await
}

fn bad(cx: &Cx, watched: &Watched, compared: &Compared, by_itself: bool) -> Reply {
    let lived = program::seconds((cx.now() - watched.since).to_std().unwrap_or_default());
    let worse = compared.worse.join("; ");
    let next = match (&watched.back, by_itself) {
        (Some(back), true) => format!("Deckhand goes back to {} by itself.", back.release.full()),
        (Some(back), false) => format!("Go back to {}, or keep it?", back.release.full()),
        (None, _) => "Nothing else was live before it to go back to.".to_owned(),
    };
    let unknown = if compared.known { "" } else { " How it was before is not known." };
    let says = format!("Worse than before, {lived} after it went live: {worse}.{unknown} {next}");
    let reply = table(Reply::card(Tone::Bad, watched.title("got worse"), says), compared);
    buttons(reply.field("Deploy", format!("#{}", watched.deploy)), watched)
}

fn buttons(reply: Reply, watched: &Watched) -> Reply {
    let Target { service, environment } = &watched.target;
    let keep = format!("deploy keep service:{service} env:{environment} number:{}", watched.deploy);
    let keep = Button::new("Keep", keep).drawn_from(LIVE.key(&watched.target), watched.version);
    match &watched.back {
        Some(back) => {
            let back = show::back(&watched.target, &back.release, back.number, watched.version);
            reply.button(back.look(Look::Danger)).button(keep)
        }
        None => reply.button(keep),
    }
}

fn table(reply: Reply, compared: &Compared) -> Reply {
    match compared.rows.is_empty() {
        true => reply,
        false => reply.table(["Measure", "Before", "Now"], compared.rows.clone()),
    }
}

/// What was measured since it went live, against as long a time before it was begun.
async fn compare(cx: &Cx, watched: &Watched, settings: &settings::Verdict) -> Result<Compared> {
    let since = watched.since..cx.now().min(watched.until);
    against_before(cx, &watched.target, watched.began, since, settings).await
}

/// What was measured in a while, against the time before a deploy that `began` then.
async fn against_before(
    cx: &Cx,
    target: &Target,
    began: DateTime<Utc>,
    since: Range<DateTime<Utc>>,
    settings: &settings::Verdict,
) -> Result<Compared> {
    let Target { service, environment } = target;
    let ports = cx.ports();
    let measures = async |span| ports.offered.measures(ports, service, environment, span).await;
    let before = measures(offer::before(began, settings.lasts)).await?;
    let now = measures(since).await?;
    let mut just_before = Vec::new();
    for part in JUST_BEFORE {
        just_before.extend(measures(offer::before(began, settings.lasts / part)).await?);
    }
    let well =
        now.iter().all(|measure| measure.unit != "%" || measure.better == Better::Lower || measure.value >= 50.0);
    let mut compared = Compared { well, rows: Vec::new(), worse: Vec::new(), known: before.iter().any(is_enough) };
    for measure in &now {
        let earlier = before.iter().find(|earlier| earlier.name == measure.name);
        let already = just_before.iter().find(|earlier| earlier.name == measure.name);
        let (name, was) = (text::plain(&measure.name), earlier.map_or_else(|| "not known".to_owned(), show_value));
        if is_worse(earlier, measure, settings.worse)
            && already.is_none_or(|already| is_worse_than(already.value, measure, settings.worse))
        {
            compared.worse.push(format!("{name} {}, before {was}", show_value(measure)));
        }
        compared.rows.push([name, was, show_value(measure)]);
    }
    Ok(compared)
}

fn show_value(measure: &Measure) -> String {
    text::plain(&measure.to_string())
}

/// Whether a measure got worse by more than `worse` percent of what it was, and by more than its noise. A share of 100 that
/// nobody knows from before is held against 100.
fn is_worse(before: Option<&Measure>, now: &Measure, worse: f64) -> bool {
    match before {
        Some(before) if is_enough(before) => is_worse_than(before.value, now, worse),
        None if now.unit == "%" && now.better == Better::Higher => is_worse_than(100.0, now, worse),
        _ => false,
    }
}

fn is_enough(measure: &Measure) -> bool {
    measure.samples >= ENOUGH
}

fn is_worse_than(before: f64, now: &Measure, worse: f64) -> bool {
    let by = match now.better {
        Better::Higher => before - now.value,
        Better::Lower => now.value - before,
    };
    is_enough(now) && by > now.noise && by > before.abs() * worse / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worse_is_more_than_a_blip_and_more_than_noise() {
        let measure = |value, better, samples| Measure {
            name: "x".to_owned(),
            unit: if better == Better::Higher { "%" } else { "ms" }.to_owned(),
            better,
            value,
            samples,
            noise: 10.0,
        };
        let up = |value, samples| measure(value, Better::Higher, samples);
        let time = |value, samples| measure(value, Better::Lower, samples);
        let cases = [
            (Some(up(100.0, 20)), up(40.0, 5), true),
            (Some(up(100.0, 20)), up(60.0, 5), false),
            // Two samples are not enough, before or since.
            (Some(up(100.0, 20)), up(0.0, 2), false),
            (Some(up(100.0, 2)), up(0.0, 5), false),
            // It was bad before already.
            (Some(up(0.0, 20)), up(0.0, 5), false),
            (None, up(0.0, 5), true),
            (None, time(900.0, 5), false),
            (Some(time(100.0, 20)), time(151.0, 5), true),
            (Some(time(100.0, 20)), time(149.0, 5), false),
            // Twice as long, and nobody feels it.
            (Some(time(1.0, 20)), time(9.0, 5), false),
        ];
        for (before, now, worse) in cases {
            assert_eq!(is_worse(before.as_ref(), &now, 50.0), worse, "{before:?} {now:?}");
        }
    }

    #[test]
    fn the_time_before_is_as_long_as_the_verdict() {
        let at = DateTime::UNIX_EPOCH + TimeDelta::hours(2);
        assert_eq!(offer::before(at, std::time::Duration::from_secs(3_600)).start, at - TimeDelta::hours(1));
    }
}
