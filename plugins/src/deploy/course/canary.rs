//! Watching a canary while it has its share: its targets have to stay well, and nothing that is measured may get worse.

use super::{Course, Trouble};
use crate::deploy::plan::{Plan, Way};
use crate::deploy::strategy::Place;
use chrono::{DateTime, Utc};
use commands::reply::{Reply, Tone};
use commands::stop;
use commands::text;
use std::time::Duration;
use tokio::time::Instant;

/// How often targets that have to stay well are looked at.
const WATCH: Duration = Duration::from_secs(10);

impl Course<'_> {
    /// Makes sure that the targets stay well for so long, and that nothing that is measured gets worse meanwhile.
    pub(super) async fn hold(&mut self, place: &Place, time: Duration) -> Result<(), Trouble> {
        let (since, until) = (self.cx.now(), Instant::now() + time);
        loop {
            self.check(place).await?;
            self.measure(since).await?;
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            tokio::select! {
                () = tokio::time::sleep(left.min(WATCH)) => {}
                () = self.cancel.cancelled() => return Err(Trouble::Sick("It was cancelled".to_owned())),
                () = self.cx.stopping().cancelled() => return Err(Trouble::Left),
            }
        }
    }

    /// Holds what is measured since then against the time before this deploy, where the config watches what is shipped; what
    /// goes back is not watched.
    async fn measure(&mut self, since: DateTime<Utc>) -> Result<(), Trouble> {
        let Plan { target, way, .. } = self.plan;
        if *way == Way::Back || self.deploy.back.is_some() {
            return Ok(());
        }
        match self.deployer.worse(self.cx, target, self.deploy.began, since).await {
            Ok(worse) if worse.is_empty() => Ok(()),
            Ok(worse) => Err(Trouble::Sick(format!("Measured to be worse than before: {}", worse.join("; ")))),
            Err(stop) => {
                self.unmeasured = Some(text::plain(&stop.to_string()));
                Ok(())
            }
        }
    }

    /// Tells the channel that a canary went through its shares without being measured.
    pub(super) fn tell_unmeasured(&self) -> stop::Result<()> {
        let Some(why) = &self.unmeasured else { return Ok(()) };
        let (release, target) = (&self.deploy.release, &self.plan.target);
        let says = format!("{release} is live, and could not be measured while it had its share: {why}");
        self.permit.say(&self.permit.entry().draft.place, Reply::card(Tone::Warn, format!("{target}: look"), says))
    }
}
