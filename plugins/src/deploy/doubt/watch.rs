//! Finding out by itself how a deploy came out of which nobody knew: its driver is asked again, and its health check.

use super::{DOUBTS, Doubt, settled};
use crate::deploy::driver::{End, Handle, Unsaid};
use crate::deploy::plan::Way;
use crate::deploy::records::{self, DEPLOYS, Deploy, LIVE, Live, Progress, Target, live, name};
use crate::deploy::settings::Service;
use crate::deploy::{Deployer, artifact, health, plan};
use anyhow::Context;
use commands::act::Act;
use commands::cx::Cx;
use commands::ledger::Place;
use commands::reply::{Reply, Tone};
use commands::stop::Result;
use commands::table::Versioned;
use std::time::Duration;
use tokio::time::sleep;

/// How often it is looked at.
const LOOK: Duration = Duration::from_secs(30);

impl Deployer {
    /// Looks at what is in doubt, until Deckhand is about to stop.
    pub(in crate::deploy) async fn keep_doubts(&self, cx: &Cx) {
        while cx.stopping().run_until_cancelled(sleep(LOOK)).await.is_some() {
            let doubts = match DOUBTS.scan(cx.store(), "", usize::MAX).await {
                Ok(doubts) => doubts,
                Err(error) => {
                    tracing::warn!("deploys in doubt can not be looked at: {error:#}");
                    continue;
                }
            };
            for (name, doubt) in doubts.into_iter().filter(|(_, doubt)| doubt.value.settled.is_none()) {
                let Some((service, environment)) = name.split_once('/') else { continue };
                let target = Target { service: service.to_owned(), environment: environment.to_owned() };
                if let Err(stop) = self.look_again(cx, &target, &doubt).await {
                    tracing::warn!(service, environment, "a deploy in doubt can not be looked at: {stop}");
                }
            }
        }
    }

    /// Settles one, where it can be found out. A deploy of several steps is left to people, and so is one on its way back:
    /// one step that has ended well says nothing of the others.
    async fn look_again(&self, cx: &Cx, target: &Target, doubt: &Versioned<Doubt>) -> Result<()> {
        let Some(service) = self.settings.services.get(&target.service) else { return Ok(()) };
        let noted = DEPLOYS.get(cx.store(), name(target, doubt.value.deploy)).await?;
        let of_one_step = |deploy: &Deploy| deploy.steps.is_empty() && deploy.back.is_none();
        let Some(mut deploy) = noted.map(|noted| noted.value).filter(of_one_step) else { return Ok(()) };
        let Some(found) = self.found_out(cx, service, target, &doubt.value).await else { return Ok(()) };
        let record = records::act(cx.store(), doubt.value.deploy).await?.context("a deploy has its entry")?;
        let mut shipped = doubt.value.clone();
        let found = match found {
            Err(why) => Err(why),
            Ok(how) => {
                let way = if record.draft.verb == plan::BACK { Way::Back } else { Way::Forward };
                let handle = doubt.value.handle.as_ref();
                let work = plan::work(service, target, &doubt.value.release, doubt.value.deploy, self.settings.grace);
                match artifact::take(cx.ports(), &*service.driver, &work, handle, way, &mut shipped.release).await {
                    Ok(()) => Ok(how),
                    Err(Unsaid::Never(why)) => Err(why),
                    Err(Unsaid::Unheard(_)) => return Ok(()),
                }
            }
        };
        let (version, at) = (live(cx.store(), target).await?.1, cx.now());
        let (now, reply) = match &found {
            Ok(how) => {
                deploy.state = Progress::Good { at };
                deploy.release = shipped.release.clone();
                (Some(shipped.live(service, target, at)), good(target, &doubt.value, how))
            }
            Err(why) => {
                deploy.state = Progress::Bad { at, why: why.clone() };
                let now = self.left_live(cx, service, target, &doubt.value).await;
                let reply = bad(target, &doubt.value, why, now.as_ref());
                (now, reply)
            }
        };
        let place = Place { message: String::new(), ..record.draft.place };
        cx.act(settles(target, &doubt.value, found.is_ok()), async |permit| {
            permit.expect(LIVE.key(target), version);
            permit.note(found.unwrap_or_else(|why| why));
            settled(permit, target, doubt, now.as_ref(), Some(deploy), Some(cx.who().to_owned()))?;
            permit.say(&place, reply)
        })
        .await
    }

    /// How it came out: why it is known, or why it did not work; nothing as long as nobody can tell.
    async fn found_out(
        &self,
        cx: &Cx,
        service: &Service,
        target: &Target,
        doubt: &Doubt,
    ) -> Option<std::result::Result<String, String>> {
        let work = plan::work(service, target, &doubt.release, doubt.deploy, self.settings.grace);
        let unnoted = Handle::new(());
        let told = service.driver.outcome(cx.ports(), &work, doubt.handle.as_ref().unwrap_or(&unnoted)).await;
        let told = told.filter(|end| !matches!(end, End::Unknown { .. }));
        match &told {
            Some(End::Failed(why)) => return Some(Err(why.clone())),
            None if !doubt.over => return None,
            _ => {}
        }
        let before = doubt.before.as_ref().map(|live| &live.release);
        let check = service.health.as_ref().filter(|_| plan::tells(service, target, &doubt.release, before));
        let names = plan::names(&service.params, target, &doubt.release);
        let well = match (check, &told) {
            // As long as a deploy that ends well is given: it may only be starting.
            (Some(check), Some(End::Good)) => {
                let well = health::check(cx.ports(), check, &names, cx.stopping(), |_, _| {}).await;
                if cx.stopping().is_cancelled() {
                    return None;
                }
                Some(well)
            }
            (Some(check), _) => Some(health::once(cx.ports(), check, &names).await),
            (None, _) => None,
        };
        match (told, well) {
            (_, Some(Ok(()))) => Some(Ok("its health check says so".to_owned())),
            (Some(End::Good), Some(Err(met))) => {
                Some(Err(format!("Its work has ended well, but its health check {met}")))
            }
            (Some(End::Good), None) => Some(Ok("its work has ended well".to_owned())),
            _ => None,
        }
    }

    /// What is live where the deploy did not work: what was live before, in doubt where its health check does not say so.
    async fn left_live(&self, cx: &Cx, service: &Service, target: &Target, doubt: &Doubt) -> Option<Live> {
        let before = doubt.before.as_ref()?;
        let tells = plan::tells(service, target, &doubt.release, Some(&before.release));
        let check = service.health.as_ref().filter(|_| tells);
        let well = match check {
            Some(check) => {
                health::once(cx.ports(), check, &plan::names(&service.params, target, &before.release)).await.is_ok()
            }
            None => false,
        };
        Some(if well { Live { doubt: None, ..before.clone() } } else { before.in_doubt(doubt.deploy) })
    }
}

fn settles(target: &Target, doubt: &Doubt, good: bool) -> Act {
    let Target { service, environment } = target;
    let how = if good { "is live" } else { "is not live" };
    Act {
        verb: "deploy.settle",
        object: format!("{service} {} {how}", doubt.release),
        service: Some(service.clone()),
        environment: Some(environment.clone()),
        says: format!("Say that {} {how} of `{service}` in `{environment}`.", doubt.release),
        facts: vec![("deploy", doubt.deploy.to_string())],
        undo: Some(super::line(target, super::UNKNOWN)),
        state: Some(DOUBTS.key(target)),
        ..Act::default()
    }
}

fn title(target: &Target, doubt: &Doubt, how: &str) -> String {
    format!("{} in {}: {} {how}", target.service, target.environment, doubt.release)
}

fn good(target: &Target, doubt: &Doubt, how: &str) -> Reply {
    let says = format!("How deploy #{} ended is known now: {how}. What is shipped there goes on.", doubt.deploy);
    Reply::card(Tone::Good, title(target, doubt, "is live"), says)
}

fn bad(target: &Target, doubt: &Doubt, why: &str, now: Option<&Live>) -> Reply {
    let Target { service, environment } = target;
    let stands = match now {
        None => "Nothing was live before it.".to_owned(),
        Some(Live { doubt: None, release, .. }) => format!("{release} is still live and well."),
        Some(Live { release, .. }) => format!(
            "Whether {release} still is, nobody knows: look at `{environment}`. `/deploy rollback {service} {environment}` goes back."
        ),
    };
    let says =
        format!("How deploy #{} ended is known now. {why}. {stands} What is shipped there goes on.", doubt.deploy);
    Reply::card(Tone::Bad, title(target, doubt, "is not live"), says)
}
