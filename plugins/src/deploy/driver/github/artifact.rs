//! What a run has shipped, by the digest that GitHub takes of each artifact that a run uploads.

use super::{Noted, Workflow};
use crate::deploy::artifact::named;
use crate::deploy::driver::{Handle, Unsaid, Work};
use crate::words;
use commands::cx::Ports;
use commands::text;
use serde::Deserialize;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// For how long GitHub is asked, while it can not say.
const PATIENCE: Duration = Duration::from_secs(30);

/// For how long after the end of its run an artifact may not be in GitHub's lists yet.
const APPEARS: Duration = Duration::from_secs(10);

/// How long to wait before it is asked again.
const AGAIN: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
struct Page {
    artifacts: Vec<Artifact>,
}

#[derive(Deserialize)]
struct Artifact {
    id: u64,
    name: String,
    /// `sha256:…`; nothing for what `upload-artifact` before its fourth version has uploaded.
    digest: Option<String>,
}

impl Workflow {
    /// The digest of the run's artifact of this name; of several, which a run has that was run again, of the newest.
    pub(super) async fn built(
        &self,
        ports: &Ports,
        work: &Work<'_>,
        handle: Option<&Handle>,
        name: &str,
    ) -> Result<String, Unsaid> {
        let noted = handle.and_then(Handle::read::<Noted>);
        let began = Instant::now();
        let found = loop {
            match self.uploaded(ports, work, noted.as_ref(), name).await {
                Ok(None) if began.elapsed() < APPEARS => sleep(AGAIN).await,
                Ok(found) => break found,
                Err(_) if began.elapsed() < PATIENCE => sleep(AGAIN).await,
                Err(why) => {
                    return Err(Unsaid::Unheard(format!(
                        "It has ended well, but which artifact it has shipped is not known: {why}"
                    )));
                }
            }
        };
        let name = text::code(name);
        let Some(artifact) = found else {
            return Err(Unsaid::Never(format!("Its run at GitHub has uploaded no artifact {name}")));
        };
        artifact.digest.as_deref().and_then(named).ok_or_else(|| {
            Unsaid::Never(format!(
                "GitHub has no digest of the artifact {name}, which `actions/upload-artifact@v4` or later gives it"
            ))
        })
    }

    async fn uploaded(
        &self,
        ports: &Ports,
        work: &Work<'_>,
        noted: Option<&Noted>,
        name: &str,
    ) -> Result<Option<Artifact>, String> {
        let noted = match noted {
            Some(noted) => noted.clone(),
            // Killed before it was noted, and found again.
            None => self.unnoted(ports, work).await?.ok_or("GitHub has no deployment of it")?,
        };
        let run = match noted.run {
            Some(run) => run,
            None => match self.named(ports, work.act, &noted).await? {
                Some(seen) => seen.id,
                None => return Err("no run at GitHub has this deploy's number in its name".to_owned()),
            },
        };
        let path = format!("{}/actions/runs/{run}/artifacts?name={}", self.path(), words::encoded(name));
        let all = self.github.list(ports, &path, |page: Page| page.artifacts).await?;
        Ok(all.into_iter().filter(|it| it.name == name).max_by_key(|it| it.id))
    }
}
