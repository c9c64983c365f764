//! What deploys offer to other plugins: what is live where, and which commit a ref is.

use super::Deployer;
use super::records::{self, Target};
use super::source::git;
use async_trait::async_trait;
use commands::cx::Ports;
use commands::offer::{Live, Offers};
use commands::stop::Result;

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
        let (live, _) = records::live(&*ports.store, &target).await?;
        let doubt = live.and_then(|live| live.doubt);
        Ok(doubt.map(|number| format!("Nobody knows how deploy #{number} ended.")).into_iter().collect())
    }
}
