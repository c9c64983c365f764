//! `/deploy diff`: what lies between what is live in an environment and another environment or ref.

use super::preview;
use crate::deploy::Deployer;
use crate::deploy::order::before;
use crate::deploy::plan::{Plan, Way};
use crate::deploy::records::{Live, Release, Target, live};
use crate::deploy::settings::Service;
use crate::deploy::source::git;
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

#[derive(Deserialize)]
struct DiffArgs {
    service: String,
    env: String,
    against: Option<String>,
}

impl Deployer {
    pub(in crate::deploy) async fn diff(&self, cx: &Cx) -> Result<Reply> {
        let DiffArgs { service, env, against } = cx.args()?;
        let target = Target { service, environment: env };
        let service = self.service(&target)?;
        let standing = live(cx.store(), &target).await?;
        let here = something_live(standing.0.clone(), &target)?;
        let Some(against) = against.or_else(|| before(service, &target.environment).map(str::to_owned)) else {
            return Err(Stop::refuse(format!(
                "`{}` is the first environment of `{}`, so say what to compare it with: `against:` and a tag, a branch, a commit or an environment.",
                target.environment, target.service
            )));
        };
        let other = self.other(cx, service, &target, &against).await?;
        let title = format!("{}: {} against {}", target.service, target.environment, text::code(&against));
        let says = format!("{here} is live in `{}`. What {other} would bring:", target.environment);
        let plan = Plan {
            service,
            target,
            release: other,
            before: standing,
            way: Way::Forward,
            why: String::new(),
            on: Vec::new(),
        };
        Ok(preview::commits(cx, &plan, Reply::card(Tone::Plain, title, says)).await)
    }

    /// What is meant by `against`: what is live in the environment of this name, else the commit of the ref.
    async fn other(&self, cx: &Cx, service: &Service, target: &Target, against: &str) -> Result<Release> {
        if service.environments.iter().any(|name| name == against) {
            let there = Target { service: target.service.clone(), environment: against.to_owned() };
            let found = live(cx.store(), &there).await?.0;
            return something_live(found, &there);
        }
        git::resolve(cx.ports(), &target.service, &service.repository, against).await
    }

    /// What an environment can be compared with.
    pub(in crate::deploy) async fn comparable(&self, target: &Target, ports: &Ports) -> Result<Vec<Choice>> {
        let Some(service) = self.settings.services.get(&target.service) else { return Ok(Vec::new()) };
        let others = service.environments.iter().filter(|name| **name != target.environment);
        let mut choices: Vec<_> =
            others.map(|name| Choice { value: name.clone(), about: "environment".to_owned() }).collect();
        choices.extend(self.refs(&target.service, ports).await?);
        Ok(choices)
    }
}

fn something_live(live: Option<Live>, target: &Target) -> Result<Release> {
    let Target { service, environment } = target;
    live.map(|live| live.release).ok_or_else(|| {
        Stop::refuse(format!(
            "Nothing is live of `{service}` in `{environment}`, so there is nothing to compare. `/deploy status` shows what is live."
        ))
    })
}
