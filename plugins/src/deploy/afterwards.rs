//! After a deploy of one step that did not work: what was live before is put back where it is not well any more.

use super::driver::{Begun, End, Found, Handle, Run, Work};
use super::plan::Plan;
use super::records::{DEPLOYS, Deploy, Fared, LIVE, Progress, Release, name};
use super::ship::{Outcome, unknown};
use super::{Deployer, doubt, health, over, show};
use crate::program::{Board, Cancel};
use commands::act::Permit;
use commands::cx::Cx;
use commands::stop::{Result, Stop};
use tokio_util::sync::CancellationToken;

/// What is live after it. Both are sentences without the last full stop.
pub(super) enum After {
    /// This is known, even where it is that somebody has to look; and what people had of it.
    Known(String, Fared),
    /// What was to be put back may still be on its way.
    Unknown(String),
}

/// Stages how a deploy has ended that did not work, because of `why`; `said` are the last lines of what was said until then.
pub(super) fn afterwards(
    cx: &Cx,
    permit: &Permit,
    plan: &Plan<'_>,
    mut deploy: Deploy,
    (why, said): (&str, String),
    after: After,
) -> Result<Outcome> {
    let at = cx.now();
    let outcome = match after {
        After::Known(says, fared) => {
            deploy.fared = Some(fared);
            let why = format!("{why}. {says}");
            deploy.state = Progress::Bad { at, why: why.clone() };
            permit.failed(&why);
            Outcome::Bad { why, said }
        }
        After::Unknown(says) => {
            let says = format!("{why}. {says}");
            doubt::hold(permit, &plan.target, &mut deploy, plan.before.0.as_ref(), says, false, at)?;
            Outcome::Unknown
        }
    };
    DEPLOYS.put(permit, name(&plan.target, deploy.number), &deploy)?;
    Ok(outcome)
}

impl Deployer {
    /// Puts back what was live where that is not well any more, and says what is live now.
    pub(super) async fn aftermath(
        &self,
        cx: &Cx,
        permit: &Permit,
        plan: &Plan<'_>,
        deploy: &mut Deploy,
        (why, cancel): (&str, &Cancel),
    ) -> Result<After> {
        cancel.too_late(format!("{} did not work, and Deckhand makes sure of what is live", plan.release));
        let Some(before) = &plan.before.0 else {
            return Ok(After::Known("Nothing was live before it".to_owned(), Fared::Nobody));
        };
        let release = &before.release;
        let Some(check) = &plan.service.health else {
            let says = format!(
                "There is no health check to tell whether {release} is still live: look, then ship or roll back"
            );
            return in_doubt(permit, plan, says, Fared::Doubt);
        };
        if health::once(cx.ports(), check, &plan.names_of(release)).await.is_ok() {
            if plan.tells() {
                return Ok(After::Known(format!("{release} is still live and well"), Fared::Nobody));
            }
            let says = format!(
                "What is live is well, but the health check can not tell {} from {}: look which it is",
                release.full(),
                plan.release.full()
            );
            return in_doubt(permit, plan, says, Fared::Doubt);
        }
        if let Err(Stop::Refused(_)) = permit.step().await {
            let says = format!(
                "{release} does not answer as live and well, and was not put back: somebody took over the lock meanwhile"
            );
            return in_doubt(permit, plan, says, Fared::Left);
        }
        if cx.stopping().is_cancelled() {
            let says = format!(
                "{release} does not answer as live and well, and there was no time to put it back. Look at once"
            );
            return in_doubt(permit, plan, says, Fared::Left);
        }
        if let Some(over) = over::in_the_way_back(cx, plan).await {
            let says = format!(
                "{release} does not answer as live and well, and was not put back by itself. {over} `/deploy rollback {} {} to:{}` does it, after your yes. Look at once",
                plan.target.service,
                plan.target.environment,
                release.short()
            );
            return in_doubt(permit, plan, says, Fared::Left);
        }
        deploy.back = Some(why.to_owned());
        cx.progress(show::putting_back(plan, permit.act(), release));
        self.put_back(cx, permit, plan, deploy, release).await
    }

    /// Ships once more what was live before, and makes sure that it is well. Like any shipping it is noted before it is
    /// begun, so that the next start finds it.
    async fn put_back(
        &self,
        cx: &Cx,
        permit: &Permit,
        plan: &Plan<'_>,
        deploy: &mut Deploy,
        release: &Release,
    ) -> Result<After> {
        let run = self.way_back(cx, permit, plan, release);
        deploy.taken_at = Some(cx.now());
        note(permit, plan, deploy, Handle::new(())).await?;
        let Begun { handle, end } = match plan.service.driver.begin(&run).await {
            Ok(begun) => begun,
            Err(error) => return not_put_back(permit, plan, release, &error),
        };
        if let Err(stop) = note(permit, plan, deploy, handle).await {
            // Work that nobody would find again after a crash does not go on.
            run.cancel.cancel();
            end.await;
            return Err(stop);
        }
        self.came_back(cx, permit, plan, release, end.await).await
    }

    /// Finds what an earlier start was putting back, and waits for it; nothing comes of it when Deckhand is to stop
    /// meanwhile.
    pub(super) async fn back_again(
        &self,
        cx: &Cx,
        permit: &Permit,
        plan: &Plan<'_>,
        deploy: &Deploy,
        release: &Release,
    ) -> Result<Option<After>> {
        let mut run = self.way_back(cx, permit, plan, release);
        run.work.limit = deploy.left(run.work.limit, cx.now());
        let noted = deploy.handle();
        let found = async {
            match plan.service.driver.find(&run, noted).await {
                Found::Running(end) => Some(end.await),
                Found::Over(end) => Some(end),
                Found::Never => None,
            }
        };
        let end = tokio::select! {
            biased;
            end = found => end,
            () = cx.stopping().cancelled() => return Ok(None),
        };
        Ok(Some(match end {
            Some(end) => self.came_back(cx, permit, plan, release, end).await?,
            None => {
                let why = "Deckhand was stopped, and there is no sign that it was ever begun";
                not_put_back(permit, plan, release, why)?
            }
        }))
    }

    /// The work of putting back what was live. Nobody cancels it.
    fn way_back<'a>(&self, cx: &'a Cx, permit: &'a Permit, plan: &'a Plan<'_>, release: &'a Release) -> Run<'a> {
        let work = Work { back: true, ..plan.work(permit.act(), release, self.settings.grace) };
        Run { ports: cx.ports(), permit, work, cancel: CancellationToken::new(), board: Board::default() }
    }

    /// What came of putting a release back, by how its work ended and by its health check.
    async fn came_back(&self, cx: &Cx, permit: &Permit, plan: &Plan<'_>, release: &Release, end: End) -> Result<After> {
        let (says, settle) = match end {
            End::Failed(why) => return not_put_back(permit, plan, release, &why),
            End::Cancelled { .. } => return not_put_back(permit, plan, release, "it was cancelled"),
            End::Good => (None, None),
            End::Unknown { says, settle } => (Some(says), settle),
        };
        let never = CancellationToken::new();
        let check = plan.service.health.as_ref();
        let met = match check {
            Some(check) => health::check(cx.ports(), check, &plan.names_of(release), &never, |_, _| {}).await,
            None => Ok(()),
        };
        let tells = plan.tells();
        match (says, met) {
            (Some(says), met) if settle.is_some() || met.is_ok() && !tells => {
                let says = format!("Whether {release} was put back is not known: {says}");
                Ok(After::Unknown(unknown(says, settle)))
            }
            (Some(says), Err(met)) => {
                let says = format!("Whether {release} was put back is not known ({says}), and its health check {met}");
                in_doubt(permit, plan, format!("{says}. Look at once"), Fared::Left)
            }
            (_, Ok(())) => Ok(After::Known(format!("{release} was put back, and is live and well"), Fared::Back)),
            (None, Err(met)) => {
                let says = format!("{release} was put back, but it is not well: its health check {met}. Look at once");
                in_doubt(permit, plan, says, Fared::Left)
            }
        }
    }
}

/// Saves what finds it again.
async fn note(permit: &Permit, plan: &Plan<'_>, deploy: &mut Deploy, handle: Handle) -> Result<()> {
    deploy.state = Progress::Running(handle);
    DEPLOYS.put(permit, name(&plan.target, deploy.number), deploy)?;
    permit.save().await
}

fn not_put_back(permit: &Permit, plan: &Plan<'_>, release: &Release, why: &str) -> Result<After> {
    in_doubt(permit, plan, format!("{release} could not be put back: {why}. Look at once"), Fared::Left)
}

/// What is known, and that what was live before may not be any more.
fn in_doubt(permit: &Permit, plan: &Plan<'_>, says: String, fared: Fared) -> Result<After> {
    if let Some(before) = &plan.before.0 {
        LIVE.put(permit, &plan.target, &before.in_doubt(permit.act()))?;
    }
    Ok(After::Known(says, fared))
}
