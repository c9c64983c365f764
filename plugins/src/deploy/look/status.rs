//! `/deploy status` and `/deploy live`: what is live where, at a glance and in full.

use crate::deploy::doubt::held;
use crate::deploy::order::before;
use crate::deploy::records::{DEPLOYS, Deploy, Live, Target, act, live, name};
use crate::deploy::settings::Service;
use crate::deploy::source::commits;
use crate::deploy::{Deployer, show};
use commands::cx::Cx;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;

#[derive(Deserialize)]
struct StatusArgs {
    service: Option<String>,
    env: Option<String>,
}

#[derive(Deserialize)]
struct LiveArgs {
    service: String,
}

impl Deployer {
    pub(in crate::deploy) async fn status(&self, cx: &Cx) -> Result<Reply> {
        let StatusArgs { service, env } = cx.args()?;
        let mut rows = Vec::new();
        for (name, settings) in
            self.settings.services.iter().filter(|(name, _)| service.as_ref().is_none_or(|only| only == *name))
        {
            for environment in settings.environments.iter().filter(|name| env.as_ref().is_none_or(|only| only == *name))
            {
                let target = Target { service: name.clone(), environment: environment.clone() };
                let (live, _) = live(cx.store(), &target).await?;
                let waiting = cx.in_line(&target.service, &target.environment);
                let held = held(cx.store(), &target).await?.map(|held| held.value);
                let running = self.running(&target);
                rows.push(show::status_row(&target, live.as_ref(), running, held.as_ref(), &waiting, cx.now()));
            }
        }
        if rows.is_empty() {
            return Err(Stop::refuse("No such service is deployed there. `/deploy status` alone shows all that are."));
        }
        Ok(Reply::card(Tone::Plain, "What is live", "").table(["Service", "Live", "Since", "Note"], rows))
    }

    /// Every environment of a service: the exact commit, since when, by whom, how long it took, and how far it is behind
    /// the one before.
    pub(in crate::deploy) async fn live(&self, cx: &Cx) -> Result<Reply> {
        let LiveArgs { service: name } = cx.args()?;
        let Some(service) = self.settings.services.get(&name) else { return Err(crate::deploy::unknown(&name)) };
        let mut reply = Reply::card(Tone::Plain, format!("{name}: what is live"), "");
        for environment in &service.environments {
            let target = Target { service: name.clone(), environment: environment.clone() };
            let (found, _) = live(cx.store(), &target).await?;
            let deploy = match &found {
                Some(live) => made_by(cx, &target, live).await?,
                None => None,
            };
            let mut says = match &found {
                None => vec!["Nothing yet.".to_owned()],
                Some(live) => vec![since(cx, live, deploy.as_ref()).await?],
            };
            says.extend(self.behind(cx, service, &target, found.as_ref()).await?);
            if let Some(held) = held(cx.store(), &target).await? {
                says.push(format!("How #{} ended is not known. {}", held.value.deploy, held.value.next(&target)));
            } else if let Some(number) = found.as_ref().and_then(|live| live.doubt) {
                says.push(format!("How #{number} ended is not known."));
            }
            says.extend(self.running(&target).map(|number| format!("#{number} is under way.")));
            reply = reply.field(environment, says.join(" "));
            if let Some(Deploy { number, .. }) = deploy {
                // A press away: whole logs would make this slow where files are uploaded.
                let line = format!("deploy history service:{name} env:{environment} number:{number}");
                reply = reply.button(Button::new(format!("Log of #{number} ({environment})"), line));
            }
        }
        Ok(reply)
    }

    /// How far what is live is behind the environment before, and ahead of it.
    async fn behind(
        &self,
        cx: &Cx,
        service: &Service,
        target: &Target,
        found: Option<&Live>,
    ) -> Result<Option<String>> {
        let (Some(here), Some(first)) = (found, before(service, &target.environment)) else { return Ok(None) };
        let earlier = Target { service: target.service.clone(), environment: first.to_owned() };
        let Some(there) = live(cx.store(), &earlier).await?.0 else { return Ok(None) };
        let (here, there) = (&here.release.commit, &there.release.commit);
        if here == there {
            return Ok(Some(format!("The same as in `{first}`.")));
        }
        Ok(Some(match commits::apart(cx.ports(), &service.repository, here, there).await {
            Ok((0, behind)) => format!("{} behind `{first}`.", text::plural(behind, "commit")),
            Ok((ahead, 0)) => format!("{} ahead of `{first}`.", text::plural(ahead, "commit")),
            Ok((ahead, behind)) => {
                format!("{} behind `{first}`, and {ahead} that are not there.", text::plural(behind, "commit"))
            }
            Err(why) => format!("How far it is behind `{first}` is not known: {why}."),
        }))
    }

    /// The deploy under way at a target.
    pub(in crate::deploy) fn running(&self, target: &Target) -> Option<u64> {
        self.under_way.get(target).map(|cancel| cancel.number)
    }
}

/// The deploy that made it live, where one did.
async fn made_by(cx: &Cx, target: &Target, live: &Live) -> Result<Option<Deploy>> {
    Ok(DEPLOYS.get(cx.store(), name(target, live.deploy)).await?.map(|deploy| deploy.value))
}

/// What is live, since when, by whom, and how long it took. Where no deploy made it so, somebody has said it.
async fn since(cx: &Cx, live: &Live, deploy: Option<&Deploy>) -> Result<String> {
    let by = match deploy {
        Some(deploy) => {
            let took = show::took(deploy).map(|took| format!(" in {took}")).unwrap_or_default();
            format!(", by {} with #{}{took}", text::plain(&deploy.who), live.deploy)
        }
        None => {
            let act = act(cx.store(), live.deploy).await?;
            act.map(|act| format!(", as {} says with #{}", text::plain(&act.draft.who), live.deploy))
                .unwrap_or_default()
        }
    };
    let at = live.since.with_timezone(&cx.ports().vocabulary.zone).format("%Y-%m-%d %H:%M %Z");
    let (release, commit) = (live.release.full(), text::code(&live.release.commit));
    let artifact = live.release.artifact.iter().map(|artifact| format!(", {}", text::code(artifact)));
    let commit = artifact.fold(commit, |commit, artifact| commit + &artifact);
    Ok(format!("{release}, {commit}, since {at} ({}){by}.", text::ago(live.since, cx.now())))
}
