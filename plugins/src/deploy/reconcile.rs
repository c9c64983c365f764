//! What becomes of a deploy that Deckhand was stopped in the middle of: it is looked at, told, and never run again.

use super::Deployer;
use super::records::{DEPLOYS, Deploy, LIVE, Live, Progress, Release, Target, live, name};
use super::settings::Service;
use super::{health, plan, ship};
use commands::act::Permit;
use commands::cx::Cx;
use commands::ledger::Entry;
use commands::ports::Group;
use commands::reply::{Outcome, Reply, Tone};
use commands::stop::{Result, Stop};
use std::time::Duration;

const INTERRUPTED: &str = "Deckhand was stopped in the middle of this deploy, and has not run it again.";

/// How often a program that was left to itself is looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Deployer {
    /// Waits for the program if it is still there, asks the health check what is live, and ends the act with the truth.
    pub(super) async fn settle(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        let draft = &doing.draft;
        let target = Target {
            service: draft.service.clone().unwrap_or_default(),
            environment: draft.environment.clone().unwrap_or_default(),
        };
        let noted = DEPLOYS.get(cx.store(), name(&target, doing.seq)).await?;
        let deploy = noted.map_or_else(|| begun(&target, &doing), |noted| noted.value);
        cx.resume(doing, async |permit| self.settle_run(cx, permit, &target, deploy).await).await
    }

    async fn settle_run(&self, cx: &Cx, permit: &Permit, target: &Target, mut deploy: Deploy) -> Result<Reply> {
        let number = deploy.number;
        let service = self.settings.services.get(&target.service);
        // The noted group is not all: a kill may have come before the note, or while what was live was being put back.
        let noted = match &deploy.state {
            Progress::Running(group) => Some(group.clone()),
            Progress::Good { .. } | Progress::Bad { .. } => None,
        };
        if let Some(group) = &cx.ports().processes.writing_to(&deploy.log).or(noted)
            && self.wait_out(cx, permit, target, &deploy, group, service).await.is_none()
        {
            return Err(left_again(target, number));
        }
        let found = tokio::select! {
            biased;
            found = self.is_live(cx, target, &deploy.release, service) => found,
            () = cx.stopping().cancelled() => return Err(left_again(target, number)),
        };
        let before = live(cx.store(), target).await?;
        let at = cx.now();
        let reply = match found {
            Some(Ok(())) => {
                deploy.state = Progress::Good { at };
                ship::make_live(permit, target, &deploy.release, &before, at)?;
                permit.note("live: its health check said so after Deckhand was started again");
                let says = format!("{INTERRUPTED} Its health check says that {} is live and well.", deploy.release);
                told(Tone::Good, target, number, says)
            }
            not => {
                let met = not
                    .and_then(Result::err)
                    .map(|met| format!("{} is not live: its health check {met}.", deploy.release));
                let (known, now) = self.what_is_live(cx, target, before.0.as_ref(), service).await;
                let Target { service, environment } = target;
                let mut next =
                    format!("`/deploy ship {service} {environment} {}` tries it again", deploy.release.reference);
                if let (false, Some(live)) = (known, before.0) {
                    let release = &live.release;
                    next +=
                        &format!(", `/deploy ship {service} {environment} {}` puts {release} back", release.reference);
                    LIVE.put(permit, target, &Live { doubt: Some(number), ..live })?;
                }
                let met = met.unwrap_or_else(|| {
                    format!("Whether {} is live is not known: there is no health check.", deploy.release)
                });
                let why = format!("{met} {now}");
                deploy.state = Progress::Bad { at, why: why.clone() };
                permit.failed(format!("Deckhand was stopped in the middle of it. {why}"));
                told(Tone::Bad, target, number, format!("{INTERRUPTED} {why} {next}.")).outcome(Outcome::Broken)
            }
        };
        DEPLOYS.put(permit, name(target, number), &deploy)?;
        Ok(reply.file(format!("Log of #{number}"), deploy.log))
    }

    /// Whether it is known what is live instead, and a sentence that says so.
    async fn what_is_live(
        &self,
        cx: &Cx,
        target: &Target,
        before: Option<&Live>,
        service: Option<&Service>,
    ) -> (bool, String) {
        let Some(Live { release, .. }) = before else { return (true, "Nothing was live before it.".to_owned()) };
        match self.is_live(cx, target, release, service).await {
            Some(Ok(())) => (true, format!("{release} is still live and well.")),
            _ => (false, format!("Whether {release} still is, nobody knows: look at `{}`.", target.environment)),
        }
    }

    /// Waits until the program that was left to itself has ended; at its time limit, or on a cancel, ends it. Nothing
    /// comes of it when Deckhand is to stop meanwhile.
    async fn wait_out(
        &self,
        cx: &Cx,
        permit: &Permit,
        target: &Target,
        deploy: &Deploy,
        group: &Group,
        service: Option<&Service>,
    ) -> Option<()> {
        let registered = self.register(target, deploy.number);
        let limit = service.map_or(Duration::ZERO, |service| service.limit);
        let processes = &cx.ports().processes;
        if processes.alive(group) {
            let says =
                "Deckhand was restarted in the middle of this deploy. Its program is still running, and is waited for.";
            cx.progress(told(Tone::Working, target, deploy.number, says.to_owned()));
        }
        while processes.alive(group) {
            let ran = (cx.now() - deploy.began).to_std().unwrap_or_default();
            if ran > limit || registered.cancel.token.is_cancelled() {
                processes.end(permit, group, self.settings.grace).await;
                break;
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = registered.cancel.token.cancelled() => {}
                () = cx.stopping().cancelled() => return None,
            }
        }
        Some(())
    }

    async fn is_live(
        &self,
        cx: &Cx,
        target: &Target,
        release: &Release,
        service: Option<&Service>,
    ) -> Option<Result<(), String>> {
        let check = service?.health.as_ref()?;
        let never = tokio_util::sync::CancellationToken::new();
        Some(health::check(cx.ports(), check, &plan::names(target, release), &never, |_, _| {}).await)
    }
}

/// A deploy as the ledger alone has it: it was killed before anything else was kept, and its program may never have been
/// started, or be at work all the same.
fn begun(target: &Target, doing: &Entry) -> Deploy {
    let draft = &doing.draft;
    let fact = |name: &str| draft.facts.get(name).and_then(|fact| fact.as_str()).unwrap_or_default().to_owned();
    let log = plan::log_name(target, doing.seq);
    Deploy {
        number: doing.seq,
        release: Release { commit: fact("commit"), reference: fact("ref") },
        who: draft.who.clone(),
        began: draft.at,
        state: Progress::Bad { at: draft.at, why: String::new() },
        log,
    }
}

fn left_again(target: &Target, number: u64) -> Stop {
    let says = "Deckhand is being stopped again, and this still goes on. This message is continued when it is back.";
    Stop::Left(Box::new(told(Tone::Warn, target, number, says.to_owned())))
}

fn told(tone: Tone, target: &Target, number: u64, says: String) -> Reply {
    let Target { service, environment } = target;
    Reply::card(tone, format!("{service} in {environment}: deploy #{number}"), says)
        .field("Deploy", format!("#{number}"))
}
