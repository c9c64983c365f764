//! What each deploy brought: its commits and their times, kept beside it once it is live, for whoever measures.

use super::Deployer;
use super::records::{DEPLOYS, Deploy, Fared, LIVE, Progress, Target, name};
use super::source::commits;
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::{Cx, Ports};
use commands::offer::{Came, Change, Deployment, Section};
use commands::store::{Batch, Read};
use commands::table::Table;
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// The job that finds it out.
pub(super) const JOB: &str = "carried";

/// What a deploy brought, by target and number. It is found out after the deploy, so that no deploy waits for it.
const CARRIED: Table<Carried> = Table::new("counts/deploy/carried/");

/// How many deploys are read at once.
const PAGE: usize = 128;

/// Of how many deploys of a target it is found out in one run of the job.
const RUN: usize = 500;

/// For so long it is tried to find out what a deploy brought, from the first try on: what is in the way for some minutes, such
/// as a network, loses nothing.
const GIVEN_UP: TimeDelta = TimeDelta::days(1);

/// The deploy that a target's job is stuck at, and since when.
const STUCK: Table<Stuck> = Table::new("counts/deploy/stuck/");

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Stuck {
    deploy: u64,
    since: DateTime<Utc>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Carried {
    /// Nothing where it can not be known: the first deploy of all, or commits that are gone.
    changes: Option<Vec<Change>>,
}

impl Deployer {
    /// Finds out what the deploys brought of which that is not known yet.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub(super) async fn note_carried(&self, cx: &Cx) -> anyhow::Result<()> {
        for target in targets(cx.store()).await? {
            let Some(service) = self.settings.services.get(&target.service) else { continue };
            let mut batch = Batch::default();
            for (deploy, before) in missing(cx.store(), &target).await?.into_iter().take(RUN) {
                let changes = match before {
                    None => None,
                    // What goes back brings nothing new.
                    Some(_) if deploy.over.is_some() => Some(Vec::new()),
                    Some(before) => {
                        let (from, to) = (&before.release.commit, &deploy.release.commit);
                        match commits::changes(cx.ports(), &service.repository, from, to).await {
                            Ok(changes) => changes,
                            Err(why) => {
                                if given_up(cx, &mut batch, &target, deploy.number).await? {
                                    None
                                } else {
                                    tracing::debug!(%target, deploy = deploy.number, "its commits are not known yet: {why}");
                                    break;
                                }
                            }
                        }
                    }
                };
                CARRIED.put_in(&mut batch, name(&target, deploy.number), &Carried { changes })?;
            }
            if !batch.writes.is_empty() {
                cx.keep_counts(batch).await?;
            }
        }
        Ok(())
    }

    /// See [`commands::offer::Offers::deployments`].
    pub(super) async fn ended_within(
        &self,
        ports: &Ports,
        target: &Target,
        span: &Range<DateTime<Utc>>,
    ) -> anyhow::Result<Vec<Deployment>> {
        let store = &*ports.store;
        let (mut found, mut before) = (Vec::new(), None::<String>);
        'pages: loop {
            let page = DEPLOYS.scan_back(store, &format!("{target}/"), before.as_deref(), PAGE).await?;
            let Some((last, _)) = page.last() else { break };
            before = Some(last.clone());
            for (name, deploy) in page {
                let deploy = deploy.value;
                let Some((ended, came)) = ended(&deploy) else { continue };
                // Deploys of one target go one after the other.
                if ended < span.start {
                    break 'pages;
                }
                if ended < span.end {
                    let carried = CARRIED.get(store, &name).await?;
                    found.push(Deployment {
                        act: deploy.number,
                        commit: deploy.release.commit,
                        changes: carried.and_then(|carried| carried.value.changes),
                        began: deploy.began,
                        ended,
                        came,
                        back_over: deploy.over,
                    });
                }
            }
            // Others are answered meanwhile.
            tokio::task::yield_now().await;
        }
        found.reverse();
        Ok(found)
    }

    /// How many deploys there were where, and how they went.
    pub(super) async fn in_short(&self, ports: &Ports, span: &Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
        let mut lines = Vec::new();
        for target in targets(&*ports.store).await? {
            let all = self.ended_within(ports, &target, span).await?;
            let count = |fits: &dyn Fn(&&Deployment) -> bool| all.iter().filter(fits).count();
            let back = count(&|it| it.came == Came::Live && it.back_over.is_some());
            let parts = [
                (count(&|it| it.came == Came::Live) - back, "went live"),
                (back, "rolled back"),
                (count(&|it| it.came == Came::PutBack), "put back at once"),
                (count(&|it| it.came == Came::Left), "not well and left so"),
                (count(&|it| it.came == Came::Failed), "failed"),
                (count(&|it| it.came == Came::Unknown), "ended nobody knows how"),
            ];
            let parts: Vec<_> =
                parts.iter().filter(|(many, _)| *many > 0).map(|(many, what)| format!("{many} {what}")).collect();
            if !parts.is_empty() {
                let Target { service, environment } = &target;
                lines.push(format!("`{service}` in `{environment}`: {}.", parts.join(", ")));
            }
        }
        Ok(if lines.is_empty() { Vec::new() } else { vec![Section { title: "Deploys".to_owned(), lines }] })
    }
}

/// Whether it has been tried long enough to find out what a deploy brought; notes the first try.
async fn given_up(cx: &Cx, batch: &mut Batch, target: &Target, deploy: u64) -> anyhow::Result<bool> {
    match STUCK.get(cx.store(), target).await?.filter(|stuck| stuck.value.deploy == deploy) {
        Some(stuck) => Ok(cx.now() - stuck.value.since > GIVEN_UP),
        None => {
            STUCK.put_in(batch, target, &Stuck { deploy, since: cx.now() })?;
            Ok(false)
        }
    }
}

/// Where anything has ever been live.
async fn targets(store: &dyn Read) -> anyhow::Result<Vec<Target>> {
    let live = LIVE.scan(store, "", usize::MAX).await?.into_iter();
    let target = |(name, _): (String, _)| {
        let (service, environment) = name.split_once('/')?;
        Some(Target { service: service.to_owned(), environment: environment.to_owned() })
    };
    Ok(live.filter_map(target).collect())
}

/// The deploys that went live of which it is not known what they brought, oldest first, each with the one before it.
async fn missing(store: &dyn Read, target: &Target) -> anyhow::Result<Vec<(Deploy, Option<Deploy>)>> {
    let prefix = format!("{target}/");
    let known = CARRIED.scan_back(store, &prefix, None, 1).await?.pop().map(|(name, _)| name);
    let (mut good, mut before) = (Vec::<Deploy>::new(), None::<String>);
    'pages: loop {
        let page = DEPLOYS.scan_back(store, &prefix, before.as_deref(), PAGE).await?;
        let Some((last, _)) = page.last() else { break };
        before = Some(last.clone());
        for (name, deploy) in page {
            if matches!(deploy.value.state, Progress::Good { .. }) {
                let is_known = known.as_ref().is_some_and(|known| name <= *known);
                good.push(deploy.value);
                if is_known {
                    break 'pages;
                }
            }
        }
        tokio::task::yield_now().await;
    }
    let first = if known.is_none() { good.last().cloned().map(|first| (first, None)) } else { None };
    let pairs = good.windows(2).rev().map(|pair| (pair[0].clone(), Some(pair[1].clone())));
    Ok(first.into_iter().chain(pairs).collect())
}

/// When and how it ended; nothing as long as it is under way.
fn ended(deploy: &Deploy) -> Option<(DateTime<Utc>, Came)> {
    match &deploy.state {
        Progress::Running(_) => None,
        Progress::Good { at } => Some((*at, Came::Live)),
        Progress::Bad { at, .. } => {
            let came = match deploy.fared {
                Some(Fared::Back) => Came::PutBack,
                Some(Fared::Left) => Came::Left,
                Some(Fared::Doubt) => Came::Unknown,
                Some(Fared::Nobody) => Came::Failed,
                // Somebody has said later what is live, or it is from before this was kept.
                None if deploy.back.is_some() => Came::PutBack,
                None => Came::Failed,
            };
            Some((*at, came))
        }
        Progress::Unknown { at, .. } => Some((*at, Came::Unknown)),
    }
}
