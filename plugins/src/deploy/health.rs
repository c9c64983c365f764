//! Whether a release is live and well: an HTTP check, tried a few times.

use super::settings::{Health, Names};
use commands::cx::Ports;
use commands::text;
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
    let url = names.fill(&health.url);
    let answer = match ports.http.get(&url, health.timeout).await {
        Ok(answer) => answer,
        Err(error) => return Err(format!("could not be asked: {}", text::plain(&format!("{error:#}")))),
    };
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(format!("answered {status}"));
    }
    let body = String::from_utf8_lossy(answer.body());
    match health.contains.as_ref().map(|text| names.fill(text)) {
        Some(wanted) if !body.contains(&wanted) => {
            let says = body.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
            Err(format!("answered, but without {}: it says {}", text::code(&wanted), text::code(says)))
        }
        _ => Ok(()),
    }
}
