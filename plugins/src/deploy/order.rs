//! The order of environments: what comes before which, and what has to have been live there.

use super::back::LOOKED_BACK;
use super::doubt::held;
use super::plan::{BACK, Plan, Way};
use super::records::{Deploy, Live, Progress, Release, Target, act, history, live};
use super::settings::Service;
use super::{Deployer, with};
use commands::cx::Cx;
use commands::reply::{Button, Reply};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

#[derive(Deserialize)]
struct PromoteArgs {
    service: String,
    env: String,
    because: Option<String>,
    params: Option<String>,
}

/// The environment that a service goes through before this one.
pub(super) fn before<'a>(service: &'a Service, environment: &str) -> Option<&'a str> {
    let place = service.environments.iter().position(|name| name == environment)?;
    service.environments[..place].last().map(String::as_str)
}

/// What speaks against a release at a target: it was never live and well there, the last time it was not, or somebody went
/// back from it. Begins a sentence that ends with the environment.
async fn not_proven(cx: &Cx, target: &Target, release: &Release) -> Result<Option<String>> {
    let environment = &target.environment;
    let deploys = history(cx.store(), target, LOOKED_BACK).await?;
    let good = |deploy: &Deploy| matches!(deploy.state, Progress::Good { .. });
    let Some(last) = deploys.iter().position(|deploy| deploy.release.commit == release.commit) else {
        return Ok(Some(format!("{release} was never live and well in `{environment}`")));
    };
    let (after, number) = (&deploys[..last], deploys[last].number);
    match deploys[last].state {
        Progress::Good { .. } => {}
        Progress::Running(_) => {
            return Ok(Some(format!("{release} is still under way, with #{number}, in `{environment}`")));
        }
        Progress::Unknown { .. } => {
            return Ok(Some(format!("Nobody knows how {release} came out, with #{number}, in `{environment}`")));
        }
        Progress::Bad { .. } => {
            return Ok(Some(format!("{release} was not well the last time, with #{number}, in `{environment}`")));
        }
    }
    let Some(next) = after.iter().rfind(|deploy| good(deploy)) else { return Ok(None) };
    let back = act(cx.store(), next.number).await?.is_some_and(|act| act.draft.verb == BACK);
    let who = text::plain(&next.who);
    Ok(back.then(|| {
        format!("{who} went back from {release} to {}, with #{}, in `{environment}`", next.release, next.number)
    }))
}

impl Deployer {
    /// Refuses a release that did not prove itself in the environment before, where the config wants that. The exact
    /// commit counts, whatever it was called there.
    pub(super) async fn check_order(
        &self,
        cx: &Cx,
        service: &Service,
        target: &Target,
        release: &Release,
    ) -> Result<()> {
        let Some(first) = before(service, &target.environment).filter(|_| self.settings.in_order) else {
            return Ok(());
        };
        let earlier = Target { service: target.service.clone(), environment: first.to_owned() };
        let Some(why) = not_proven(cx, &earlier, release).await? else { return Ok(()) };
        let Target { service, environment } = target;
        let line = format!("deploy ship service:{service} env:{first} ref:{}", release.short());
        Err(Reply::refuse(format!(
            "{why}, which comes before `{environment}`, so nothing was done. Ship it there first, then say `/deploy promote {service} {environment}`."
        ))
        .button(Button::new(format!("Ship to {first}"), line))
        .into())
    }

    /// Ships what is live in the environment before.
    pub(super) async fn promote(&self, cx: &Cx) -> Result<Reply> {
        let PromoteArgs { service, env, because, params } = cx.args()?;
        let target = Target { service, environment: env };
        let service = self.service(&target)?;
        let Target { service: name, environment } = &target;
        let Some(first) = before(service, environment) else {
            return Err(Stop::refuse(format!(
                "`{environment}` is the first environment of `{name}`, so there is nothing to promote from. `/deploy ship` puts something there."
            )));
        };
        let earlier = Target { service: name.clone(), environment: first.to_owned() };
        let Some(found) = live(cx.store(), &earlier).await?.0 else {
            return Err(Stop::refuse(format!(
                "Nothing is live of `{name}` in `{first}`, so there is nothing to promote. `/deploy ship` puts something there."
            )));
        };
        if let Some(held) = held(cx.store(), &earlier).await? {
            return Err(Stop::refuse(format!(
                "Nobody knows how deploy #{} of `{name}` in `{first}` ended, so nothing was promoted. {}",
                held.value.deploy,
                held.value.next(&earlier)
            )));
        }
        if let Some(number) = found.doubt {
            return Err(Stop::refuse(format!(
                "Nobody knows how deploy #{number} of `{name}` in `{first}` ended, so nothing was promoted. Ship or roll back there first."
            )));
        }
        // What it is shipped with there may be of no use here, such as the level of a log.
        let release = with(cx, service, &target, found.release, params.as_deref())?;
        let release = self.proven(cx, service, &target, release).await?;
        let standing = live(cx.store(), &target).await?;
        let same = |live: &Live| live.release.is(&release) && live.doubt.is_none();
        if standing.0.as_ref().is_some_and(same) {
            return Err(Stop::refuse(format!(
                "{release} is live in `{first}` and in `{environment}` already, so nothing was done."
            )));
        }
        self.check_ci(cx, service, &target, &release).await?;
        let why = because.unwrap_or_default();
        self.carry_out(cx, Plan { service, target, release, before: standing, way: Way::Forward, why, on: Vec::new() })
            .await
    }
}
