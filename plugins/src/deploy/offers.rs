//! What deploys offer to other plugins: what is live where, which commit a ref is, and how deploys went.

use super::Deployer;
use super::doubt;
use super::records::{self, Target};
use super::source::git;
use async_trait::async_trait;
use chrono::{DateTime, Utc};
use commands::cx::Ports;
use commands::offer::{Deployment, Held, Live, Offers, Section};
use commands::stop::Result;
use commands::table::Versioned;
use std::ops::Range;

#[async_trait]
impl Offers for Deployer {
    async fn live(&self, ports: &Ports, service: &str, environment: &str) -> anyhow::Result<Option<Live>> {
        let target = Target { service: service.to_owned(), environment: environment.to_owned() };
        let (live, _) = records::live(&*ports.store, &target).await?;
        Ok(live.map(|live| Live { release: live.release.to_string(), since: live.since, act: live.deploy }))
    }

    async fn commit(&self, ports: &Ports, service: &str, reference: &str) -> Result<Option<String>> {
        let Some(settings) = self.settings.services.get(service) else { return Ok(None) };
        let release = git::resolve(ports, service, &settings.repository, reference).await?;
        Ok(Some(release.commit))
    }

    async fn notes(&self, ports: &Ports, service: &str, environment: &str) -> anyhow::Result<Vec<String>> {
        let target = Target { service: service.to_owned(), environment: environment.to_owned() };
        if let Some(held) = doubt::held(&*ports.store, &target).await? {
            let says = format!("Nobody knows how deploy #{} ended. {}", held.value.deploy, held.value.next(&target));
            return Ok(vec![says]);
        }
        let (live, _) = records::live(&*ports.store, &target).await?;
        let doubt = live.and_then(|live| live.doubt);
        Ok(doubt.map(|number| format!("Nobody knows how deploy #{number} ended.")).into_iter().collect())
    }

    async fn held(&self, ports: &Ports) -> anyhow::Result<Vec<Held>> {
        let doubts = doubt::DOUBTS.scan(&*ports.store, "", usize::MAX).await?.into_iter();
        let held = |(name, doubt): (String, Versioned<doubt::Doubt>)| {
            let (service, environment) = name.split_once('/')?;
            let target = Target { service: service.to_owned(), environment: environment.to_owned() };
            let doubt = doubt.value;
            let says = format!("nobody knows how #{} ended: {}", doubt.deploy, doubt.lines(&target));
            let Target { service, environment } = target;
            doubt.settled.is_none().then_some(Held { service, environment, since: doubt.since, says })
        };
        Ok(doubts.filter_map(held).collect())
    }

    async fn deployments(
        &self,
        ports: &Ports,
        service: &str,
        environment: &str,
        span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Vec<Deployment>> {
        let target = Target { service: service.to_owned(), environment: environment.to_owned() };
        self.ended_within(ports, &target, &span).await
    }

    async fn digest(&self, ports: &Ports, span: Range<DateTime<Utc>>) -> anyhow::Result<Vec<Section>> {
        self.in_short(ports, &span).await
    }
}
