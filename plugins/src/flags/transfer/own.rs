//! Deckhand's own file: everything that is kept of a flag, in every environment.

use super::{Bundle, Known};
use crate::flags::model::{Flag, Segment, State};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// The version of the format.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct File {
    /// That it is one, and its version.
    deckhand: u32,
    flags: BTreeMap<String, Written>,
    #[serde(default)]
    segments: BTreeMap<i32, Segment>,
}

#[derive(Serialize, Deserialize)]
struct Written {
    #[serde(flatten)]
    flag: Flag,
    #[serde(default)]
    environments: BTreeMap<String, State>,
}

/// Whether a file says that it is one.
pub fn is_own(file: &Value) -> bool {
    file.get("deckhand").is_some()
}

/// Writes one.
///
/// # Errors
/// When it can not be written as JSON.
pub fn write(bundle: &Bundle) -> serde_json::Result<Value> {
    let states = |key: &String| {
        let of = |((environment, other), state): (&(String, String), &State)| {
            (other == key).then(|| (environment.clone(), state.clone()))
        };
        bundle.states.iter().filter_map(of).collect()
    };
    let flag = |(key, flag): (&String, &Flag)| {
        (key.clone(), Written { flag: Flag { act: 0, ..flag.clone() }, environments: states(key) })
    };
    let segment = |(number, known): (&i32, &Known)| match known {
        Known::Whole(segment) => Some((*number, segment.clone())),
        Known::Name(_) => None,
    };
    serde_json::to_value(File {
        deckhand: VERSION,
        flags: bundle.flags.iter().map(flag).collect(),
        segments: bundle.segments.iter().filter_map(segment).collect(),
    })
}

/// Reads one.
///
/// # Errors
/// The rest of a sentence about the file.
pub fn read(file: Value) -> Result<Bundle, String> {
    match file.get("deckhand").and_then(Value::as_u64) {
        Some(1) => {}
        Some(other) => return Err(format!("is of version {other}, and this Deckhand reads version {VERSION}")),
        None => return Err("does not say its version: `\"deckhand\": 1`".to_owned()),
    }
    let File { flags, segments, .. } =
        serde_json::from_value(file).map_err(|error| format!("is no export of Deckhand: {error}"))?;
    let mut bundle = Bundle {
        segments: segments.into_iter().map(|(number, segment)| (number, Known::Whole(segment))).collect(),
        ..Bundle::default()
    };
    for (key, Written { flag, environments }) in flags {
        let states = environments.into_iter().map(|(environment, state)| ((environment, key.clone()), state));
        bundle.states.extend(states);
        bundle.flags.insert(key, flag);
    }
    Ok(bundle)
}
