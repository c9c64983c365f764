//! What the operator wrote about locks: how long they last.

use commands::plugin::Setup;
use std::time::Duration;

/// The whole of it.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long a lock lasts when nobody says.
    pub lease: Duration,
    /// How long it may last at the most.
    pub longest: Duration,
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let mut settings = Settings { lease: Duration::from_secs(3600), longest: Duration::from_secs(8 * 3600) };
        let Some(section) = setup.section() else { return settings };
        settings.longest = section.duration("longest").unwrap_or(settings.longest);
        settings.lease = section.duration("lease").unwrap_or(settings.lease.min(settings.longest));
        if settings.lease > settings.longest {
            let longest = config::duration::show(settings.longest);
            section.problem(
                "lease",
                format!("a lock lasts {longest} at the most"),
                "write less, or a longer `longest`",
            );
        }
        section.finish();
        settings
    }
}
