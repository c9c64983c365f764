//! How the service of a flag is, before a rollout goes on: what is not known to be well is not.

use commands::cx::Ports;
use commands::offer::{Better, before};
use std::time::Duration;

/// The least share, in percent, of what should always be so.
const WELL: f64 = 99.0;

/// What speaks against the next step of a rollout: what the other plugins measured of the service since the last one. No
/// measure at all does, too.
pub async fn amiss(ports: &Ports, service: Option<&str>, environment: &str, span: Duration) -> Option<String> {
    let Some(service) = service else {
        return Some("the flag belongs to no service whose checks could be asked".to_owned());
    };
    let span = before(ports.clock.now(), span);
    let measures = match ports.offered.measures(ports, service, environment, span).await {
        Ok(measures) => measures,
        Err(error) => return Some(format!("the checks of `{service}` can not be asked: {error:#}")),
    };
    let mut shares = measures.into_iter().filter(|it| it.better == Better::Higher && it.unit == "%").peekable();
    if shares.peek().is_none() {
        return Some(format!("no check of `{service}` in `{environment}` has measured anything since the last step"));
    }
    shares.find(|share| share.value < WELL).map(|share| format!("{} was at {share} since the last step", share.name))
}
