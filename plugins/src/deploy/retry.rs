//! `/deploy retry`: the last deploy once more, the same commit, where it failed.

use super::plan::{Plan, Way};
use super::records::{Progress, Target, history, live};
use super::{Deployer, RetryArgs};
use commands::cx::Cx;
use commands::reply::Reply;
use commands::stop::{Result, Stop};

impl Deployer {
    pub(super) async fn retry(&self, cx: &Cx) -> Result<Reply> {
        let RetryArgs { service, env, because } = cx.args()?;
        let target = Target { service, environment: env };
        let service = self.service(&target)?;
        let Target { service: name, environment } = &target;
        let Some(last) = history(cx.store(), &target, 1).await?.pop() else {
            return Err(Stop::refuse(format!(
                "`{name}` was never deployed to `{environment}`, so there is nothing to try again. `/deploy ship` puts something there."
            )));
        };
        let (number, release) = (last.number, last.release);
        match last.state {
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
        self.check_order(cx, service, &target, &release).await?;
        self.check_ci(cx, service, &target, &release).await?;
        let before = live(cx.store(), &target).await?;
        let why = because.unwrap_or_default();
        self.carry_out(cx, Plan { service, target, release, before, way: Way::Forward, why }).await
    }
}
