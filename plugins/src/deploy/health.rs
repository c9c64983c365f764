//! Whether a release is live and well: a check, tried a few times.

use super::settings::{Health, Names};
use crate::probe;
use commands::cx::Ports;
use tokio_util::sync::CancellationToken;

/// Tries the check until it is well, out of tries, or cancelled; `tell` hears what each failed try met.
///
/// # Errors
/// A sentence's end that says what the last try met: `answered 503`.
pub async fn check(
    ports: &Ports,
    health: &Health,
    names: &Names<'_>,
    cancel: &CancellationToken,
    mut tell: impl FnMut(u32, &str),
) -> Result<(), String> {
    let mut met = String::new();
    for attempt in 1..=health.tries {
        match once(ports, health, names).await {
            Ok(()) => return Ok(()),
            Err(error) => met = error,
        }
        if attempt < health.tries {
            tell(attempt, &met);
            tokio::select! {
                () = tokio::time::sleep(health.pause) => {}
                () = cancel.cancelled() => return Err("was cancelled".to_owned()),
            }
        }
    }
    Err(met)
}

/// Tries the check once.
///
/// # Errors
/// As [`check`].
pub async fn once(ports: &Ports, health: &Health, names: &Names<'_>) -> Result<(), String> {
    let probe = health.probe.filled(|text| names.fill(text), |url| names.fill_address(url));
    probe::once(ports, &probe, health.timeout).await.well
}
