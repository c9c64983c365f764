//! What becomes of a deploy that Deckhand was stopped in the middle of: it is looked at, told, and never run again.

use super::Deployer;
use super::afterwards::afterwards;
use super::doubt::Doubt;
use super::driver::{End, Found, Run};
use super::plan::{Plan, Way};
use super::records::{DEPLOYS, Deploy, LIVE, Live, Progress, Release, Target, live, name};
use super::settings::Service;
use super::ship::Outcome;
use super::{artifact, doubt, health, logs, params, plan, ship, show};
use crate::program::Board;
use commands::act::Permit;
use commands::cx::Cx;
use commands::ledger::Entry;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::Versioned;

const INTERRUPTED: &str = "Deckhand was stopped in the middle of this deploy, and has not run it again.";

const WENT_BACK: &str = "Deckhand was stopped while what was live was being put back, and has not begun that again.";

/// How a deploy that was cut off came out.
enum Met {
    /// Its release is live and well.
    Well,
    /// It is not: a sentence or two.
    Bad(String),
    /// Nobody can tell.
    Unknown {
        /// What is known, without the last full stop.
        says: String,
        /// Whether the work surely does not go on.
        over: bool,
    },
}

impl Deployer {
    /// Waits for the program if it is still there, asks the health check what is live, and ends the act with the truth.
    pub(super) async fn find_again(&self, cx: &Cx, doing: Entry) -> Result<Reply> {
        let draft = &doing.draft;
        let target = Target {
            service: draft.service.clone().unwrap_or_default(),
            environment: draft.environment.clone().unwrap_or_default(),
        };
        let noted = DEPLOYS.get(cx.store(), name(&target, doing.seq)).await?;
        let deploy = noted.map_or_else(|| begun(&target, &doing), |noted| noted.value);
        let number = deploy.number;
        let settled = cx.resume(doing, async |permit| {
            let reply = self.settle_run(cx, permit, &target, deploy).await?;
            if let Some(service) = self.settings.services.get(&target.service) {
                logs::tell(cx, permit, service, &target, &reply.text).await?;
            }
            Ok(reply)
        });
        let reply = settled.await?;
        let held = doubt::held(cx.store(), &target).await?.filter(|held| held.value.deploy == number);
        let told = |mut reply: Reply, held: &Versioned<Doubt>| {
            reply.text = format!("{} {}. {}", reply.text, held.value.says, held.value.next(&target));
            doubt::buttons(reply, &target, held)
        };
        Ok(held.iter().fold(reply, told))
    }

    async fn settle_run(&self, cx: &Cx, permit: &Permit, target: &Target, mut deploy: Deploy) -> Result<Reply> {
        let number = deploy.number;
        let service = self.settings.services.get(&target.service);
        if let (Some(service), false) = (service, deploy.steps.is_empty()) {
            return self.go_on(cx, permit, service, target, deploy).await;
        }
        let before = live(cx.store(), target).await?;
        if permit.entry().draft.verb == plan::BACK {
            deploy.over = deploy.over.or(before.0.as_ref().map(|live| live.doubt.unwrap_or(live.deploy)));
        }
        if let (Some(service), Some(why), Some(back)) = (service, deploy.back.clone(), before.0.clone()) {
            let plan = plan_of(permit, service, target, &deploy, before);
            return self.wait_for_back(cx, permit, &plan, deploy, &why, &back.release).await;
        }
        // Said before anything is settled, so that there is a message when Deckhand is killed again before the last word.
        let looks = "Deckhand was restarted in the middle of this deploy, and finds out how it stands.";
        cx.progress(told(Tone::Working, target, number, looks.to_owned()));
        let Some(end) = self.end_of(cx, permit, target, &deploy, service).await else {
            return Err(left_again(target, number));
        };
        let found = tokio::select! {
            biased;
            found = self.met(cx, target, &deploy.release, service, (before.0.as_ref(), end)) => found,
            () = cx.stopping().cancelled() => return Err(left_again(target, number)),
        };
        let found = match (found, service) {
            (Met::Well, Some(service)) => {
                let work = plan::work(service, target, &deploy.release, number, self.settings.grace);
                let handle = deploy.handle();
                let (way, mut release) = (plan::way(permit), deploy.release.clone());
                let taken = artifact::take(cx.ports(), &*service.driver, &work, handle, way, &mut release).await;
                deploy.release = release;
                match taken.map_err(End::from) {
                    Err(End::Unknown { says, settle }) => {
                        Met::Unknown { says: ship::unknown(says, settle), over: false }
                    }
                    Err(End::Failed(why)) => Met::Bad(format!("{why}.")),
                    _ => Met::Well,
                }
            }
            (found, _) => found,
        };
        let at = cx.now();
        let reply = match found {
            Met::Well => {
                deploy.state = Progress::Good { at };
                ship::make_live(permit, target, &deploy.release, &before, at, None)?;
                let (noted, says) = match service.and_then(|service| service.health.as_ref()) {
                    Some(_) => ("its health check said so", "Its health check says that"),
                    None => ("it ended well", "It has ended well:"),
                };
                permit.note(format!("live: {noted} after Deckhand was started again"));
                let says = format!("{INTERRUPTED} {says} {} is live and well.", deploy.release);
                told(Tone::Good, target, number, says)
            }
            Met::Unknown { says, over } => {
                doubt::hold(permit, target, &mut deploy, before.0.as_ref(), says, over, at)?;
                not_known(target, &deploy.release, number, INTERRUPTED)
            }
            Met::Bad(met) => {
                let (known, now) = self.what_is_live(cx, target, before.0.as_ref(), &deploy.release, service).await;
                let Target { service, environment } = target;
                let mut next = match plan::way(permit) {
                    Way::Forward => format!("`/deploy retry {service} {environment}` tries it again"),
                    Way::Back => {
                        let to = deploy.release.short();
                        format!("`/deploy rollback {service} {environment} to:{to}` tries it again")
                    }
                };
                if let (false, Some(live)) = (known, before.0) {
                    let (release, to) = (&live.release, live.release.word(live.deploy));
                    next += &format!(", `/deploy rollback {service} {environment} to:{to}` puts {release} back");
                    LIVE.put(permit, target, &live.in_doubt(number))?;
                }
                let why = format!("{met} {now}");
                deploy.state = Progress::Bad { at, why: why.clone() };
                permit.failed(format!("Deckhand was stopped in the middle of it. {why}"));
                told(Tone::Bad, target, number, format!("{INTERRUPTED} {why} {next}."))
                    .outcome(commands::reply::Outcome::Broken)
            }
        };
        DEPLOYS.put(permit, name(target, number), &deploy)?;
        Ok(match service {
            Some(service) => ship::with_logs(cx, reply, service, target, number).await,
            None => reply.file(format!("Log of #{number}"), deploy.log),
        })
    }

    /// Goes on with a deploy of several steps from the one that it was at.
    async fn go_on(
        &self,
        cx: &Cx,
        permit: &Permit,
        service: &Service,
        target: &Target,
        deploy: Deploy,
    ) -> Result<Reply> {
        let number = deploy.number;
        let registered = self.under_way.register(target, number);
        let (step, all) = (deploy.at + 1, deploy.steps.len());
        let says =
            format!("Deckhand was restarted in the middle of this deploy, and goes on from step {step} of {all}.");
        let plan = plan_of(permit, service, target, &deploy, live(cx.store(), target).await?);
        let told = |tone, says| {
            let reply = told(tone, target, number, says);
            plan.already().into_iter().fold(reply, |reply, on| reply.field("On it already", on))
        };
        let reply = told(Tone::Working, says);
        // What leads back is not cancelled.
        cx.progress(if deploy.back.is_some() { reply } else { reply.button(show::cancel(target, number)) });
        let went_on = "Deckhand was restarted in the middle of this deploy, and went on from where it was.";
        let reply = match self.course(cx, permit, &plan, &registered.cancel, deploy, true).await? {
            Outcome::Left(_) => return Err(left_again(target, number)),
            Outcome::Good => told(Tone::Good, format!("{went_on} {} is live and well.", plan.release)),
            Outcome::Unknown => not_known(target, &plan.release, number, went_on),
            Outcome::Bad { why, .. } => {
                let says = format!("{went_on} {} is not live. {}.", plan.release, why.trim_end_matches('.'));
                told(Tone::Bad, says).outcome(commands::reply::Outcome::Broken)
            }
        };
        Ok(ship::with_logs(cx, reply, service, target, number).await)
    }

    /// Waits for what was being put back, and says what came of it.
    async fn wait_for_back(
        &self,
        cx: &Cx,
        permit: &Permit,
        plan: &Plan<'_>,
        deploy: Deploy,
        why: &str,
        back: &Release,
    ) -> Result<Reply> {
        let (target, number) = (&plan.target, deploy.number);
        let registered = self.under_way.register(target, number);
        registered.cancel.too_late(format!("{} did not work, and {back} is being put back", plan.release));
        let says = format!("Deckhand was restarted while {back} was being put back, and finds out how it stands.");
        cx.progress(told(Tone::Warn, target, number, says));
        let Some(after) = self.back_again(cx, permit, plan, &deploy, back).await? else {
            return Err(left_again(target, number));
        };
        let reply = match afterwards(cx, permit, plan, deploy, (why, String::new()), after)? {
            Outcome::Bad { why, .. } => {
                let why = why.trim_end_matches('.');
                let says = format!("{WENT_BACK} {} is not live. {why}.", plan.release);
                told(Tone::Bad, target, number, says).outcome(commands::reply::Outcome::Broken)
            }
            _ => not_known(target, &plan.release, number, WENT_BACK),
        };
        Ok(ship::with_logs(cx, reply, plan.service, target, number).await)
    }

    /// Whether it is known what is live instead, and a sentence that says so.
    async fn what_is_live(
        &self,
        cx: &Cx,
        target: &Target,
        before: Option<&Live>,
        shipped: &Release,
        service: Option<&Service>,
    ) -> (bool, String) {
        let Some(Live { release, .. }) = before else { return (true, "Nothing was live before it.".to_owned()) };
        let tells = service.is_some_and(|service| plan::tells(service, target, release, Some(shipped)));
        match self.is_live(cx, target, release, service).await {
            Some(Ok(())) if tells => (true, format!("{release} is still live and well.")),
            _ => (false, format!("Whether {release} still is, nobody knows: look at `{}`.", target.environment)),
        }
    }

    /// Waits until the work that was left to itself has ended. Nothing comes of it when Deckhand is to stop meanwhile.
    async fn end_of(
        &self,
        cx: &Cx,
        permit: &Permit,
        target: &Target,
        deploy: &Deploy,
        service: Option<&Service>,
    ) -> Option<Option<End>> {
        let Some(service) = service else { return Some(None) };
        let registered = self.under_way.register(target, deploy.number);
        let mut work = plan::work(service, target, &deploy.release, deploy.number, self.settings.grace);
        work.limit = deploy.left(work.limit, cx.now());
        let cancel = registered.cancel.token.clone();
        let run = Run { ports: cx.ports(), permit, work, cancel, board: Board::default() };
        let handle = deploy.handle();
        let found = tokio::select! {
            found = service.driver.find(&run, handle) => found,
            () = cx.stopping().cancelled() => return None,
        };
        match found {
            Found::Never => Some(None),
            Found::Over(end) => Some(Some(end)),
            Found::Running(end) => {
                let worker = service.driver.worker();
                let says = format!(
                    "Deckhand was restarted in the middle of this deploy. Its {worker} is still running, and is waited for."
                );
                let reply = told(Tone::Working, target, deploy.number, says);
                cx.progress(reply.button(show::cancel(target, deploy.number)));
                let end = tokio::select! {
                    end = end => end,
                    () = cx.stopping().cancelled() => return None,
                };
                Some(Some(match end {
                    End::Cancelled { left_behind } => {
                        End::Cancelled { left_behind: Some(registered.cancel.why(worker, left_behind)) }
                    }
                    end => end,
                }))
            }
        }
    }

    /// How it came out, as far as its driver and its health check tell, by what was live before and how its work ended.
    async fn met(
        &self,
        cx: &Cx,
        target: &Target,
        release: &Release,
        service: Option<&Service>,
        (before, end): (Option<&Live>, Option<End>),
    ) -> Met {
        if let Some(End::Failed(why)) = &end {
            // It may have come far enough to be live all the same, so only what is seen is said.
            return Met::Bad(format!("{why}."));
        }
        let checked = self.is_live(cx, target, release, service).await;
        let cancelled = match &end {
            Some(End::Cancelled { left_behind: Some(how) }) => format!("{how}. "),
            _ => String::new(),
        };
        let tells =
            service.is_some_and(|service| plan::tells(service, target, release, before.map(|live| &live.release)));
        match (checked, end) {
            // A check that would say the same of any release settles nothing, and none does while the work may go on.
            (checked, Some(End::Unknown { says, settle }))
                if settle.is_some() || !(tells && matches!(checked, Some(Ok(())))) =>
            {
                let over = settle.is_none();
                match checked.filter(|_| over) {
                    Some(Err(met)) => Met::Bad(format!("{release} is not live: its health check {met}. {says}.")),
                    _ => Met::Unknown { says: ship::unknown(says, settle), over },
                }
            }
            (Some(Ok(())), Some(End::Cancelled { .. })) if !tells => Met::Bad(format!(
                "{cancelled}Whether {release} is live is not known: the health check can not tell it from what was live before."
            )),
            (Some(Ok(())), Some(_)) | (None, Some(End::Good)) => Met::Well,
            (Some(Ok(())), None) if tells => Met::Well,
            (_, None) if service.is_some() => {
                let worker = service.map_or("program", |service| service.driver.worker());
                Met::Bad(format!("{release} is not live: there is no sign that its {worker} was ever started."))
            }
            (Some(Err(met)), _) => Met::Bad(format!("{cancelled}{release} is not live: its health check {met}.")),
            (Some(Ok(())) | None, _) => {
                Met::Bad(format!("{cancelled}Whether {release} is live is not known: there is no health check."))
            }
        }
    }

    async fn is_live(
        &self,
        cx: &Cx,
        target: &Target,
        release: &Release,
        service: Option<&Service>,
    ) -> Option<Result<(), String>> {
        let service = service?;
        let check = service.health.as_ref()?;
        let never = tokio_util::sync::CancellationToken::new();
        Some(health::check(cx.ports(), check, &plan::names(&service.params, target, release), &never, |_, _| {}).await)
    }
}

/// A deploy as the ledger alone has it: it was killed before anything else was kept, and its program may never have been
/// started, or be at work all the same.
fn begun(target: &Target, doing: &Entry) -> Deploy {
    let draft = &doing.draft;
    let fact = |name: &str| draft.facts.get(name).and_then(|fact| fact.as_str()).unwrap_or_default().to_owned();
    let params = params::split(&fact("params")).unwrap_or_default().into_iter().collect();
    let log = logs::whole(target, doing.seq);
    Deploy {
        number: doing.seq,
        release: Release {
            commit: fact("commit"),
            reference: fact("ref"),
            params,
            artifact: Some(fact("artifact")).filter(|artifact| !artifact.is_empty()),
        },
        who: draft.who.clone(),
        began: draft.at,
        state: Progress::Bad { at: draft.at, why: String::new() },
        log,
        steps: Vec::new(),
        at: 0,
        taken_at: None,
        back: None,
        on: Vec::new(),
        how: String::new(),
        over: None,
        fared: None,
    }
}

/// The plan of a deploy that was cut off, as far as its steps and its messages need it.
fn plan_of<'a>(
    permit: &Permit,
    service: &'a Service,
    target: &Target,
    deploy: &Deploy,
    before: (Option<Live>, u64),
) -> Plan<'a> {
    let draft = &permit.entry().draft;
    let way = plan::way(permit);
    Plan {
        service,
        target: target.clone(),
        release: deploy.release.clone(),
        before,
        way,
        why: draft.why.clone(),
        on: plan::on_already(draft),
    }
}

fn left_again(target: &Target, number: u64) -> Stop {
    let says = "Deckhand is being stopped again, and this still goes on. This message is continued when it is back.";
    Stop::Left(Box::new(told(Tone::Warn, target, number, says.to_owned())))
}

/// What is known, and what is to be said, is added once it is written down.
fn not_known(target: &Target, release: &Release, number: u64, how: &str) -> Reply {
    told(Tone::Warn, target, number, format!("{how} Whether {release} is live is not known."))
        .outcome(commands::reply::Outcome::Broken)
}

fn told(tone: Tone, target: &Target, number: u64, says: String) -> Reply {
    let Target { service, environment } = target;
    Reply::card(tone, format!("{service} in {environment}: deploy #{number}"), says)
        .field("Deploy", format!("#{number}"))
}
