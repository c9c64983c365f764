//! `/deploy rollback`: back to a release that was live and well before; where there are several, it asks which.

use super::plan::{Plan, Way, stands};
use super::records::{DEPLOYS, Deploy, Live, Progress, Release, Target, live, name};
use super::source::git;
use super::{Deployer, show};
use commands::complete::Choice;
use commands::cx::{Cx, Ports};
use commands::parse;
use commands::reply::{Reply, Tone};
use commands::stop::{Result, Stop};
use commands::store::Read;
use commands::text;
use serde::Deserialize;

/// How many of a target's last deploys are asked for what was good.
pub(super) const LOOKED_BACK: usize = 200;

/// How many releases to go back to are offered.
const OFFERED: usize = 5;

#[derive(Deserialize)]
struct RollbackArgs {
    service: String,
    env: String,
    to: Option<String>,
    because: Option<String>,
}

impl Deployer {
    pub(super) async fn rollback(&self, cx: &Cx) -> Result<Reply> {
        let RollbackArgs { service, env, to, because } = cx.args()?;
        let target = Target { service, environment: env };
        let service = self.service(&target)?;
        let before = live(cx.store(), &target).await?;
        let Some(live) = &before.0 else {
            return Err(Stop::refuse(format!(
                "Nothing was ever live of `{}` in `{}`, so there is nothing to go back to. `/deploy ship` puts something there.",
                target.service, target.environment
            )));
        };
        let wanted = if to.is_some() { LOOKED_BACK } else { OFFERED };
        // Where a later deploy is in doubt, what was live before it can be put there again.
        let except = live.doubt.is_none().then_some(&live.release);
        let good = good(cx.store(), &target, except, wanted).await?;
        let why = because.unwrap_or_default();
        let mut found = match &to {
            Some(to) => self.named(cx, &target, to, &good, except).await?,
            None => good.clone(),
        };
        // A guess would be wrong half of the time: after one rollback, the last good one is what was left.
        if found.len() > 1 {
            return Err(which(cx, &target, &before, &found, &why).into());
        }
        let Some(Deploy { release, .. }) = found.pop() else {
            return Err(nothing_back(&target, to.as_deref(), live, &good));
        };
        self.carry_out(cx, Plan { service, target, release, before, way: Way::Back, why, on: Vec::new() }).await
    }

    /// The good releases that are meant: by the number of a deploy, the name under which one was shipped or its hash, and by
    /// what else names its commit now. What was live under a name counts, whatever the name has moved to since. They are
    /// several where one commit was shipped with several params.
    async fn named(
        &self,
        cx: &Cx,
        target: &Target,
        to: &str,
        good: &[Deploy],
        except: Option<&Release>,
    ) -> Result<Vec<Deploy>> {
        if let Some(number) = to.strip_prefix('#').and_then(|number| number.parse().ok()) {
            let found = DEPLOYS.get(cx.store(), name(target, number)).await?.map(|found| found.value);
            let found = found.filter(|found| matches!(found.state, Progress::Good { .. }));
            return Ok(found.into_iter().filter(|found| except.is_none_or(|live| !live.is(&found.release))).collect());
        }
        // What was live under a name counts, and only the newest commit of it.
        let called = |deploy: &&Deploy| deploy.release.reference == to || deploy.release.commit.starts_with(to);
        if let Some(newest) = good.iter().find(called) {
            return Ok(good.iter().filter(|it| it.release.commit == newest.release.commit).cloned().collect());
        }
        let service = self.service(target)?;
        // Without git, only what history knows is found.
        let Ok(named) = git::resolve(cx.ports(), &target.service, &service.repository, to).await else {
            return Ok(Vec::new());
        };
        let found = good.iter().filter(|deploy| deploy.release.commit == named.commit).cloned();
        // What it was shipped with then goes with it, and it is called as it is now.
        let renamed = |deploy: Deploy| {
            let release = Release { reference: named.reference.clone(), ..deploy.release };
            Deploy { release, ..deploy }
        };
        Ok(found.map(renamed).collect())
    }
}

/// The last deploys that went well of the target, newest first, each release once, as it was shipped with something: at most
/// `wanted`, and none of the release `except`.
pub(super) async fn good(
    store: &dyn Read,
    target: &Target,
    except: Option<&Release>,
    wanted: usize,
) -> anyhow::Result<Vec<Deploy>> {
    const PAGE: usize = 20;
    let (mut good, mut before) = (Vec::<Deploy>::new(), None::<String>);
    for _ in 0..LOOKED_BACK / PAGE {
        let page = DEPLOYS.scan_back(store, &format!("{target}/"), before.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        before = Some(last.clone());
        for deploy in page.into_iter().map(|(_, deploy)| deploy.value) {
            let mut others = good.iter().map(|other| &other.release).chain(except);
            let known = others.any(|other| other.is(&deploy.release));
            if matches!(deploy.state, Progress::Good { .. }) && !known {
                good.push(deploy);
                if good.len() == wanted {
                    return Ok(good);
                }
            }
        }
    }
    Ok(good)
}

/// What may be written for `to:`.
pub(super) async fn releases(target: &Target, ports: &Ports) -> anyhow::Result<Vec<Choice>> {
    let (live, _) = live(&*ports.store, target).await?;
    let except = live.filter(|live| live.doubt.is_none()).map(|live| live.release);
    let choice = |Deploy { release, number, .. }: Deploy| match release.params.is_empty() {
        true => Choice { about: release.short().to_owned(), value: release.reference },
        false => Choice { about: release.full(), value: release.word(number) },
    };
    let good = good(&*ports.store, target, except.as_ref(), LOOKED_BACK).await?;
    Ok(good.into_iter().map(choice).collect())
}

/// Asks which of several releases is meant.
fn which(cx: &Cx, target: &Target, (live, version): &(Option<Live>, u64), good: &[Deploy], why: &str) -> Reply {
    let Target { service, environment } = target;
    let stands = stands(live.as_ref());
    let says = format!(
        "Of `{service}` in `{environment}`, {stands}. These were live and well before, the latest first. Nothing was done yet."
    );
    let row =
        |deploy: &Deploy| [deploy.release.full(), text::ago(deploy.began, cx.now()), format!("#{}", deploy.number)];
    let rows = good.iter().map(row).collect();
    let reply = Reply::card(Tone::Warn, "Back to which?", says).table(["Release", "Shipped", "Deploy"], rows);
    let because = if why.is_empty() { String::new() } else { format!(" because:{}", parse::quote(why)) };
    good.iter().fold(reply, |reply, deploy| {
        let mut button = show::back(target, &deploy.release, deploy.number, *version);
        button.line.push_str(&because);
        reply.button(button)
    })
}

fn nothing_back(target: &Target, to: Option<&str>, live: &Live, good: &[Deploy]) -> Stop {
    let Target { service, environment } = target;
    let mut names: Vec<_> = good.iter().map(|deploy| deploy.release.reference.clone()).collect();
    names.dedup();
    Stop::refuse(match to {
        Some(to)
            if live.release.reference == to
                || live.release.commit.starts_with(to)
                || to == format!("#{}", live.deploy) =>
        {
            format!("{} is live in `{environment}` already, so nothing was done.", live.release.full())
        }
        Some(to) if !names.is_empty() => {
            format!(
                "{} was never live in `{environment}`. These were: {}. To ship something else, say `/deploy ship`.",
                text::code(to),
                text::list(&names)
            )
        }
        _ => format!(
            "Only {} was ever live of `{service}` in `{environment}`, so there is nothing to go back to.",
            live.release
        ),
    })
}
