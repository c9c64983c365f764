//! Flags put into a store as they are, without a word in chat: for tests and measures that begin with many.

use anyhow::Result;
use chrono::DateTime;
use commands::store::Batch;
use plugins::flags::model::{
    FLAGS, Flag, Kind, Life, MARK, SEGMENTS, SETTINGS, Segment, Setting, State, segment_name, setting_name,
};
use unleash_types::client_features::ClientFeatures;

/// Stages features of Unleash's API as flags of one environment, in the project `default`.
///
/// # Errors
/// When one can not be written as JSON.
pub fn stage(batch: &mut Batch, environment: &str, features: &ClientFeatures) -> Result<()> {
    for feature in &features.features {
        let flag = Flag {
            kind: Kind::Release,
            project: "default".to_owned(),
            about: String::new(),
            owner: None,
            service: None,
            created: DateTime::UNIX_EPOCH,
            life: Life::Unsaid,
            tags: Vec::new(),
            impressions: feature.impression_data.unwrap_or_default(),
            needs: feature.dependencies.clone().unwrap_or_default(),
            archived: None,
            act: 0,
        };
        FLAGS.put_in(batch, &feature.name, &flag)?;
        let state = State {
            on: feature.enabled,
            strategies: feature.strategies.clone().unwrap_or_default(),
            variants: feature.variants.clone().unwrap_or_default(),
        };
        SETTINGS.put_in(batch, setting_name(environment, &feature.name), &Setting { state, ..Setting::default() })?;
    }
    for segment in features.segments.iter().flatten() {
        let stored = Segment { name: segment.id.to_string(), constraints: segment.constraints.clone() };
        SEGMENTS.put_in(batch, segment_name(segment.id), &stored)?;
    }
    batch.put(MARK, "staged");
    Ok(())
}
