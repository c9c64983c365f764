//! `/deploy retry`: the last deploy once more, the same commit, to the targets that are not on it yet.

use super::plan::{Plan, Way};
use super::records::{Deploy, Progress, Target, history, live};
use super::settings::{Health, Names, Service};
use super::{Deployer, again, health, plan};
use commands::cx::Cx;
use commands::reply::Reply;
use commands::stop::{Result, Stop};
use futures::future::join_all;
use serde::Deserialize;

/// To which targets it may be shipped again: to those that are left, unless it is said that it is all.
pub(super) const TARGETS: [&str; 2] = ["left", ALL];

const ALL: &str = "all";

#[derive(Deserialize)]
struct RetryArgs {
    service: String,
    env: String,
    because: Option<String>,
    targets: Option<String>,
}

impl Deployer {
    pub(super) async fn retry(&self, cx: &Cx) -> Result<Reply> {
        let RetryArgs { service, env, because, targets } = cx.args()?;
        let target = Target { service, environment: env };
        let service = self.service(&target)?;
        let Target { service: name, environment } = &target;
        let Some(last) = history(cx.store(), &target, 1).await?.pop() else {
            return Err(Stop::refuse(format!(
                "`{name}` was never deployed to `{environment}`, so there is nothing to try again. `/deploy ship` puts something there."
            )));
        };
        let (number, release) = (last.number, last.release.clone());
        match &last.state {
            Progress::Bad { .. } => {}
            Progress::Good { .. } => {
                return Err(Stop::refuse(format!(
                    "The last deploy of `{name}` to `{environment}`, #{number} of {release}, went well, so nothing was tried again. `/deploy ship` ships something else."
                )));
            }
            Progress::Running(_) | Progress::Unknown { .. } => {
                return Err(Stop::refuse(format!(
                    "How deploy #{number} of {release} ended is not known, so it was not tried again. Look at it, then say `/deploy ship`."
                )));
            }
        }
        let release = again(cx, service, &target, release, number)?;
        let release = self.proven(cx, service, &target, release).await?;
        self.check_order(cx, service, &target, &release).await?;
        self.check_ci(cx, service, &target, &release).await?;
        let before = live(cx.store(), &target).await?;
        let on = match targets.as_deref() {
            Some(ALL) => Vec::new(),
            _ => on(cx, service, &target, &last).await,
        };
        let why = because.unwrap_or_default();
        self.carry_out(cx, Plan { service, target, release, before, way: Way::Forward, why, on }).await
    }
}

/// The targets that a deploy that failed has left on its release, as far as that is known: none where the config ships it
/// in another way by now. Where a health check can tell, it is asked.
async fn on(cx: &Cx, service: &Service, target: &Target, last: &Deploy) -> Vec<String> {
    if last.how != service.how || service.strategy.switch().is_some() {
        return Vec::new();
    }
    let tells = |check: &&Health| check.tells_places() && check.tells_releases();
    let check = service.health.as_ref().filter(tells);
    let hosts = service.hosts(&target.environment);
    let asked = hosts.iter().filter(|host| last.on.contains(&host.name)).map(async |host| {
        let names = Names { host: Some(host), ..plan::names(&service.params, target, &last.release) };
        let well = match check {
            Some(check) => health::once(cx.ports(), check, &names).await.is_ok(),
            None => true,
        };
        well.then(|| host.name.clone())
    });
    let on: Vec<_> = join_all(asked).await.into_iter().flatten().collect();
    if on.len() < hosts.len() { on } else { Vec::new() }
}
