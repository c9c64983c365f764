//! What the logs of a deploy are called.

use super::records::Target;

/// The log of a deploy as a whole.
pub(super) fn whole(target: &Target, number: u64) -> String {
    format!("deploy-{number}-{}-{}.log", target.service, target.environment)
}

/// The log of a part of what has this log: of a target, or of its switches.
pub(super) fn part(log: &str, part: &str) -> String {
    format!("{}.{part}.log", log.strip_suffix(".log").unwrap_or(log))
}

/// The part that switches write to. No target is called like that: see [`super::settings`].
pub(super) const SWITCH: &str = "switch";
