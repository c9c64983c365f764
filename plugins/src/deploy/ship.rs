//! One deploy, from its program's first line to the last word on how it went.

use super::afterwards::afterwards;
use super::driver::{Begun, End, Ending, Run};
use super::health;
use super::plan::{self, Plan, Way};
use super::records::{DEPLOYS, Deploy, LIVE, Live, Progress, Release, Target, history, name};
use super::settings::Service;
use super::strategy::Step;
use super::{Deployer, artifact, doubt, logs, show};
use crate::program::{self, Board, Cancel, LINES, Shown};
use chrono::{DateTime, Utc};
use commands::act::Permit;
use commands::cx::Cx;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use futures::future::join_all;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How a deploy came out.
pub(super) enum Outcome {
    Good,
    /// The program or its health check failed.
    Bad {
        /// For this reason; and what is live then.
        why: String,
        /// The last lines of what was said until then: what is put back writes to the same logs.
        said: String,
    },
    /// Nobody knows; it holds its target.
    Unknown,
    /// Deckhand is stopping in the middle of it; this is what becomes of the deploy.
    Left(String),
}

impl Deployer {
    /// Carries out a plan.
    pub(super) async fn carry_out(&self, cx: &Cx, plan: Plan<'_>) -> Result<Reply> {
        let (number, outcome) = cx
            .act(self.act(cx, &plan).await?, async |permit| {
                let registered = self.under_way.register(&plan.target, permit.act());
                let outcome = self.run(cx, permit, &plan, &registered.cancel).await;
                if let Ok(Outcome::Left(how)) = outcome {
                    return Err(Stop::Left(Box::new(show::left(&plan, permit.act(), &how))));
                }
                let outcome = outcome?;
                let why = if let Outcome::Bad { why, .. } = &outcome { why } else { "" };
                logs::tell(cx, permit, plan.service, &plan.target, why).await?;
                Ok((permit.act(), outcome))
            })
            .await?;
        let (live, version) = super::records::live(cx.store(), &plan.target).await?;
        let held = doubt::held(cx.store(), &plan.target).await?.filter(|held| held.value.deploy == number);
        let reply = match outcome {
            Outcome::Unknown => {
                let says = held.iter().map(|held| format!("{}. {}", held.value.says, held.value.next(&plan.target)));
                let says = says.collect::<String>();
                let reply = show::unknown(&plan, number, &says, self.tail(cx, &plan, number, &says).await);
                held.iter().fold(reply, |reply, held| doubt::buttons(reply, &plan.target, held))
            }
            Outcome::Bad { why, said } => show::failed(&plan, number, &why, said),
            _ => {
                let shipped = live.filter(|live| live.deploy == number).map(|live| live.release);
                let zone = cx.ports().vocabulary.zone;
                show::live(
                    &plan,
                    &shipped.unwrap_or_else(|| plan.release.clone()),
                    number,
                    version,
                    cx.now().with_timezone(&zone),
                )
            }
        };
        Ok(with_logs(cx, reply, plan.service, &plan.target, number).await)
    }

    /// The steps of a plan.
    pub(super) async fn steps(&self, cx: &Cx, plan: &Plan<'_>) -> Result<Vec<Step>> {
        let live = plan.before.0.as_ref();
        let kept = live.and_then(|live| live.kept.as_ref()).is_some_and(|kept| kept.commit == plan.release.commit);
        // Whatever was tried since went to the colour that serves nobody.
        let last = history(cx.store(), &plan.target, 1).await?.pop().map(|deploy| deploy.number);
        let kept = plan.way == Way::Back && kept && last == live.map(|live| live.deploy);
        let serving = live.and_then(|live| live.colour.as_deref());
        Ok(plan.service.strategy.steps(&plan.rest(), serving, kept))
    }

    /// The last lines of the logs that `why` is about, as many of each.
    pub(super) async fn tail(&self, cx: &Cx, plan: &Plan<'_>, number: u64, why: &str) -> String {
        let logs = plan::blamed(plan.service, &plan.target, number, why).into_iter().map(async |(place, log)| {
            let tail = cx.ports().files.tail(&log, 2_000).await.ok().flatten()?;
            (!tail.is_empty()).then_some((place, tail))
        });
        let tails: Vec<_> = join_all(logs).await.into_iter().flatten().take(LINES).collect();
        let each = LINES / tails.len().max(1);
        let last = tails.iter().flat_map(|(place, tail)| {
            let lines: Vec<_> = tail.lines().collect();
            let last = lines.len().saturating_sub(each);
            lines.into_iter().skip(last).map(move |line| format!("{place}{line}"))
        });
        program::last_lines(last.collect::<Vec<_>>().iter().map(String::as_str))
    }

    async fn run(&self, cx: &Cx, permit: &Permit, plan: &Plan<'_>, cancel: &Cancel) -> Result<Outcome> {
        let work = plan.work(permit.act(), &plan.release, self.settings.grace);
        let mut deploy = Deploy {
            number: permit.act(),
            release: plan.release.clone(),
            who: cx.who().to_owned(),
            began: cx.now(),
            state: Progress::Bad { at: cx.now(), why: String::new() },
            log: work.log_of(work.hosts.first().copied()),
            steps: Vec::new(),
            at: 0,
            taken_at: None,
            back: None,
            on: plan.on.clone(),
            how: plan.service.how.clone(),
            over: plan.over(),
            fared: None,
        };
        if plan.is_course() {
            deploy.steps = self.steps(cx, plan).await?;
            return self.course(cx, permit, plan, cancel, deploy, false).await;
        }
        let run = Run { ports: cx.ports(), permit, work, cancel: cancel.token.clone(), board: Board::default() };
        let begun = plan.service.driver.begin(&run).await;
        let Begun { handle, end } = begun.map_err(|error| {
            anyhow::anyhow!("`{}` could not be shipped, so nothing was done: {error}", plan.target.service)
        })?;
        deploy.state = Progress::Running(handle);
        DEPLOYS.put(permit, name(&plan.target, deploy.number), &deploy)?;
        if let Err(stop) = permit.save().await {
            // Work that nobody would find again after a crash does not go on.
            cancel.token.cancel();
            end.await;
            return Err(stop);
        }
        let draw = |elapsed, shown: &Shown| show::under_way(plan, permit.act(), elapsed, shown);
        let Some(mut end) = self.follow(cx, &run, end, &draw).await else {
            let worker = plan.service.driver.worker();
            return Ok(Outcome::Left(format!("the {worker} goes on without it")));
        };
        let seen = match &end {
            End::Unknown { .. } => self.seen(cx, plan).await,
            _ => Seen::Neither,
        };
        if matches!((&end, &seen), (End::Good, _) | (End::Unknown { settle: None, .. }, Seen::New)) {
            let (driver, handle) = (&*plan.service.driver, deploy.handle());
            let mut release = deploy.release.clone();
            match artifact::take(cx.ports(), driver, &run.work, handle, plan.way, &mut release).await {
                Ok(()) => deploy.release = release,
                Err(unsaid) => end = unsaid.into(),
            }
        }
        let met = match end {
            End::Good => match self.healthy(cx, plan, permit.act(), &cancel.token).await {
                None => return Ok(Outcome::Left("the health check is asked again later".to_owned())),
                Some(met) => met,
            },
            End::Cancelled { left_behind } => Err(cancel.why(plan.service.driver.worker(), left_behind)),
            End::Failed(why) => Err(why),
            End::Unknown { says, settle } => match seen {
                Seen::New if settle.is_none() => Ok(()),
                seen => {
                    let says = if cancel.token.is_cancelled() {
                        cancel.why(plan.service.driver.worker(), Some(says))
                    } else {
                        says
                    };
                    let over = settle.is_none();
                    let says = seen.told(unknown(says, settle), plan);
                    doubt::hold(permit, &plan.target, &mut deploy, plan.before.0.as_ref(), says, over, cx.now())?;
                    DEPLOYS.put(permit, name(&plan.target, deploy.number), &deploy)?;
                    return Ok(Outcome::Unknown);
                }
            },
        };
        let at = cx.now();
        let outcome = match met {
            Ok(()) => {
                deploy.state = Progress::Good { at };
                make_live(permit, &plan.target, &deploy.release, &plan.before, at, None)?;
                let took = (at - deploy.began).to_std().unwrap_or_default();
                permit.note(format!("live after {}", program::seconds(took)));
                Outcome::Good
            }
            Err(why) => {
                let said = self.tail(cx, plan, permit.act(), &why).await;
                let after = self.aftermath(cx, permit, plan, &mut deploy, (&why, cancel)).await?;
                return afterwards(cx, permit, plan, deploy, (&why, said), after);
            }
        };
        DEPLOYS.put(permit, name(&plan.target, deploy.number), &deploy)?;
        Ok(outcome)
    }

    /// Shows how the work stands until it ends; nothing when Deckhand stops and leaves it to itself.
    pub(super) async fn follow(
        &self,
        cx: &Cx,
        run: &Run<'_>,
        end: Ending<'_>,
        draw: &(dyn Fn(Duration, &Shown) -> Reply + Sync),
    ) -> Option<End> {
        let late = async {
            tokio::time::sleep(self.settings.start_within).await;
            run.board.late();
            std::future::pending().await
        };
        let end = async {
            tokio::select! {
                biased;
                end = end => end,
                end = late => end,
            }
        };
        program::follow(cx, &run.board, self.settings.on_stop, &run.cancel, end, draw).await
    }

    /// Asks whether what was shipped is well; nothing comes of it when Deckhand is to stop before it knows. The program has
    /// ended by then, so there is nothing to end: the next start asks again.
    async fn healthy(
        &self,
        cx: &Cx,
        plan: &Plan<'_>,
        number: u64,
        cancel: &CancellationToken,
    ) -> Option<Result<(), String>> {
        let Some(check) = &plan.service.health else { return Some(Ok(())) };
        cx.progress(show::checking(plan, number, None));
        let tell = |attempt, met: &str| cx.progress(show::checking(plan, number, Some((attempt, check.tries, met))));
        let names = plan.names();
        tokio::select! {
            biased;
            checked = health::check(cx.ports(), check, &names, cancel, tell) => {
                Some(checked.map_err(|met| format!("Its health check {met}")))
            }
            () = cx.stopping().cancelled() => None,
        }
    }

    /// What is live, as far as a health check can tell that tells releases apart.
    pub(super) async fn seen(&self, cx: &Cx, plan: &Plan<'_>) -> Seen {
        let Some(check) = plan.service.health.as_ref().filter(|_| plan.tells()) else {
            return Seen::Neither;
        };
        let names = |release| plan.names_of(release);
        if health::once(cx.ports(), check, &names(&plan.release)).await.is_ok() {
            return Seen::New;
        }
        match &plan.before.0 {
            Some(before) if health::once(cx.ports(), check, &names(&before.release)).await.is_ok() => Seen::Before,
            _ => Seen::Neither,
        }
    }
}

/// What the health check sees, where nobody knows how a deploy ended.
pub(super) enum Seen {
    /// What was shipped.
    New,
    /// What was live before.
    Before,
    /// Neither, or it can not tell them apart.
    Neither,
}

impl Seen {
    /// `says`, with what is seen.
    pub fn told(&self, says: String, plan: &Plan<'_>) -> String {
        match (self, &plan.before.0) {
            (Seen::New, _) => format!("{says}. Now {} answers, but what ships it may still go on", plan.release),
            (Seen::Before, Some(before)) => format!("{says}. Now {} answers", before.release),
            _ => says,
        }
    }
}

/// Adds the logs that there are.
pub(super) async fn with_logs(cx: &Cx, mut reply: Reply, service: &Service, target: &Target, number: u64) -> Reply {
    for (title, log) in plan::logs(service, target, number, &reply.text.clone()) {
        if matches!(cx.ports().files.tail(&log, 1).await, Ok(Some(_))) {
            reply = reply.file(title, log);
        }
    }
    reply
}

/// Stages that `release` is live, with the line that leads back to what was live before.
pub(super) fn make_live(
    permit: &Permit,
    target: &Target,
    release: &Release,
    (before, version): &(Option<Live>, u64),
    since: DateTime<Utc>,
    colour: Option<String>,
) -> Result<()> {
    let kept = before.as_ref().filter(|before| colour.is_some() && before.colour.is_some() && before.colour != colour);
    let kept = kept.map(|before| before.release.clone());
    let live = Live { release: release.clone(), deploy: permit.act(), since, colour, kept, doubt: None };
    permit.expect(LIVE.key(target), *version);
    LIVE.put(permit, target, &live)?;
    let Target { service, environment } = target;
    let back = before.as_ref().filter(|before| !before.release.is(release));
    let back = back.map(|back| (service, environment, back.release.word(back.deploy)));
    permit.undo(
        back.map(|(service, environment, to)| format!("deploy rollback service:{service} env:{environment} to:{to}")),
    );
    Ok(())
}

/// That nobody knows how it came out, and how to find out.
pub(super) fn unknown(says: String, settle: Option<String>) -> String {
    settle.into_iter().fold(says, |says, settle| format!("{says}. {settle} tells"))
}
