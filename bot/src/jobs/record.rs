//! What the store holds about a job: its next run, and how far that has come.

use super::{Job, Missed};
use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};

/// The shape of the record, for those who come after.
const SCHEMA: u32 = 1;

/// A clock that goes back by more than this is being corrected, as cron(8) has it: what was written by it is void.
const CORRECTION: TimeDelta = TimeDelta::hours(3);

/// How many runs are counted before other tasks get a turn.
const STRIDE: u32 = 1000;

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Record {
    schema: u32,
    /// The schedule that `due` is from, in its own words.
    schedule: String,
    /// The run that is next, or under way.
    pub due: DateTime<Utc>,
    /// How many earlier ones it stands for.
    pub missed: u32,
    /// How often it has begun.
    pub tries: usize,
    /// When it begins, or begins again.
    pub start: DateTime<Utc>,
    /// When this was written.
    pub written: DateTime<Utc>,
}

impl Record {
    pub fn key(job: &Job) -> String {
        format!("jobs/{}", job.name)
    }

    /// The first run of `job` after `after`.
    pub fn after(job: &Job, after: DateTime<Utc>, now: DateTime<Utc>) -> anyhow::Result<Record> {
        let due = job.schedule.next(after).context("the calendar ends before its next run")?;
        let schedule = job.schedule.to_string();
        Ok(Record { schema: SCHEMA, schedule, due, missed: 0, tries: 0, start: due, written: now })
    }

    /// The record in `value`; nothing when it no longer holds, and the job starts anew from now.
    pub fn read(value: &[u8], job: &Job, now: DateTime<Utc>) -> Option<Record> {
        let record = match serde_json::from_slice::<Record>(value) {
            Ok(record) if record.schema == SCHEMA => record,
            Ok(Record { schema, .. }) => {
                tracing::warn!(job = job.name, schema, "starts anew: another version of Deckhand wrote its next run");
                return None;
            }
            Err(error) => {
                tracing::warn!(job = job.name, "starts anew: its next run can not be read: {error}");
                return None;
            }
        };
        if record.schedule != job.schedule.to_string() {
            tracing::info!(job = job.name, "starts anew: its schedule was {}", record.schedule);
            return None;
        }
        if record.written - now > CORRECTION {
            tracing::warn!(job = job.name, written = %record.written, "starts anew: the clock has gone back");
            return None;
        }
        Some(record)
    }

    /// Moves on to the latest run that has come due, where one stands for all of them, or the others are skipped.
    pub async fn catch_up(&mut self, job: &Job, now: DateTime<Utc>) {
        let mut passed = 0_u32;
        while job.missed != Missed::All
            && let Some(next) = job.schedule.next(self.due).filter(|next| *next <= now)
        {
            self.due = next;
            passed = passed.saturating_add(1);
            if passed.is_multiple_of(STRIDE) {
                tokio::task::yield_now().await;
            }
        }
        self.missed = if job.missed == Missed::Once { passed } else { 0 };
    }
}
