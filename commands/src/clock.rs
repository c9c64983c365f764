//! The one way to ask what time it is, so that a test owns time.

use chrono::{DateTime, Utc};
use std::sync::{Arc, RwLock};
use tokio::time::Instant;

/// Calendar time carried forward by tokio's clock: where that is paused, so is this.
#[derive(Debug, Clone)]
pub struct Clock(Arc<RwLock<(DateTime<Utc>, Instant)>>);

impl Clock {
    /// A clock that shows `now` at this moment.
    pub fn at(now: DateTime<Utc>) -> Clock {
        Clock(Arc::new(RwLock::new((now, Instant::now()))))
    }

    /// Sets it again: the machine may have slept, or its time may have been corrected.
    pub fn set(&self, now: DateTime<Utc>) {
        *self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner()) = (now, Instant::now());
    }

    /// What time it is.
    pub fn now(&self) -> DateTime<Utc> {
        let (then, since) = *self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner());
        then + since.elapsed()
    }
}
