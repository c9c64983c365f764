//! Unleash's own format: what `POST /api/admin/features-batch/export` answers and `…/import` takes, of one environment.
//! <https://docs.getunleash.io/reference/api/unleash/export-features>

use super::{Bundle, Known, named};
use crate::flags::model::{DEFAULT_PROJECT, Flag, Kind, Life, Segment, State};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use unleash_types::client_features::{Constraint, FeatureDependency, Strategy, Variant};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Export {
    features: Vec<Feature>,
    #[serde(default)]
    feature_strategies: Vec<FeatureStrategy>,
    #[serde(default)]
    feature_environments: Vec<FeatureEnvironment>,
    #[serde(default)]
    feature_tags: Vec<FeatureTag>,
    #[serde(default)]
    segments: Vec<ExportedSegment>,
    #[serde(default)]
    dependencies: Vec<Dependencies>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Feature {
    name: String,
    r#type: Option<String>,
    description: Option<String>,
    project: Option<String>,
    #[serde(default)]
    stale: bool,
    #[serde(default)]
    impression_data: Option<bool>,
    created_at: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeatureStrategy {
    feature_name: String,
    #[serde(default)]
    disabled: Option<bool>,
    #[serde(default)]
    sort_order: Option<f64>,
    #[serde(flatten)]
    rest: serde_json::Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeatureEnvironment {
    feature_name: Option<String>,
    /// Older exports call the flag so.
    name: Option<String>,
    environment: Option<String>,
    #[serde(default)]
    enabled: bool,
    #[serde(default)]
    variants: Option<Vec<Variant>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct FeatureTag {
    feature_name: String,
    #[serde(alias = "type")]
    tag_type: Option<String>,
    #[serde(alias = "value")]
    tag_value: String,
}

#[derive(Deserialize)]
struct ExportedSegment {
    id: i32,
    name: String,
    /// Unleash leaves them out; Deckhand writes them.
    constraints: Option<Vec<Constraint>>,
}

#[derive(Deserialize)]
struct Dependencies {
    feature: String,
    #[serde(default)]
    dependencies: Vec<FeatureDependency>,
}

/// Writes what an environment has.
pub fn write(bundle: &Bundle, environment: &str) -> Value {
    let kept: Vec<_> = bundle.flags.iter().filter(|(_, flag)| flag.archived.is_none()).collect();
    let mut strategies = Vec::new();
    let mut environments = Vec::new();
    let mut tags = Vec::new();
    let mut dependencies = Vec::new();
    for (key, flag) in &kept {
        let state = bundle.states.get(&(environment.to_owned(), (*key).clone())).cloned().unwrap_or_default();
        for (at, strategy) in state.strategies.iter().enumerate() {
            let mut written = json!(strategy);
            written["featureName"] = json!(key);
            written["sortOrder"] = json!(at);
            written["disabled"] = json!(false);
            strategies.push(written);
        }
        environments.push(json!({
            "name": key, "featureName": key, "environment": environment, "enabled": state.on, "variants": state.variants,
        }));
        tags.extend(flag.tags.iter().map(|tag| json!({ "featureName": key, "tagType": "simple", "tagValue": tag })));
        if !flag.needs.is_empty() {
            dependencies.push(json!({ "feature": key, "dependencies": flag.needs }));
        }
    }
    let feature = |(key, flag): &(&String, &Flag)| {
        json!({
            "name": key, "type": flag.kind.word(), "description": flag.about, "project": flag.project, "stale": false,
            "impressionData": flag.impressions, "createdAt": flag.created,
        })
    };
    let segment = |(id, known): (&i32, &Known)| match known {
        Known::Whole(segment) => json!({ "id": id, "name": segment.name, "constraints": segment.constraints }),
        Known::Name(name) => json!({ "id": id, "name": name }),
    };
    json!({
        "features": kept.iter().map(feature).collect::<Vec<_>>(),
        "featureStrategies": strategies,
        "featureEnvironments": environments,
        "contextFields": [],
        "featureTags": tags,
        "segments": bundle.segments.iter().map(segment).collect::<Vec<_>>(),
        "tagTypes": if tags.is_empty() { json!([]) } else { json!([{ "name": "simple", "description": "", "icon": "#" }]) },
        "dependencies": dependencies,
    })
}

/// What such a file can not say of these flags: a sentence each.
pub fn lost(bundle: &Bundle) -> Vec<String> {
    let of = |has: &dyn Fn(&Flag) -> bool| -> Vec<&str> {
        bundle.flags.iter().filter(|(_, flag)| has(flag)).map(|(key, _)| key.as_str()).collect()
    };
    let all = [
        ("Left out, because they are archived", of(&|flag| flag.archived.is_some())),
        ("Unleash knows no service, which these have", of(&|flag| flag.service.is_some())),
        ("Unleash knows no end, which these have", of(&|flag| flag.life != Life::Unsaid)),
    ];
    let mut lost: Vec<_> = all
        .into_iter()
        .filter(|(_, keys)| !keys.is_empty())
        .map(|(what, keys)| format!("{what}: {}.", named(keys)))
        .collect();
    if bundle.flags.values().any(|flag| flag.owner.is_some()) {
        lost.push("Unleash takes no owners from a file.".to_owned());
    }
    if !bundle.segments.is_empty() {
        lost.push(format!(
            "Unleash wants these segments to be there already: {}.",
            named(bundle.segments.values().map(Known::name))
        ));
    }
    lost
}

/// Reads such a file, as it stands in the environment that it is of, or in `into`.
///
/// # Errors
/// The rest of a sentence about the file.
pub fn read(file: Value, into: Option<&str>) -> Result<Bundle, String> {
    let file = match file {
        // What Unleash takes has the export as its `data`.
        Value::Object(mut object) if object.get("data").is_some_and(Value::is_object) => {
            object.remove("data").unwrap_or_default()
        }
        file => file,
    };
    let export: Export =
        serde_json::from_value(file).map_err(|error| format!("is neither Deckhand's nor Unleash's: {error}"))?;
    let environments: BTreeSet<_> =
        export.feature_environments.iter().filter_map(|it| it.environment.clone()).collect();
    let environment = match (into, environments.len()) {
        (Some(into), _) => into.to_owned(),
        (None, 1) => environments.into_iter().next().unwrap_or_default(),
        (None, _) => return Err("does not say of which environment it is: add `env:`".to_owned()),
    };
    let mut bundle = Bundle::default();
    let stale: Vec<_> = export.features.iter().filter(|it| it.stale).map(|it| it.name.as_str()).collect();
    if !stale.is_empty() {
        bundle.lost.push(format!("That these are marked as stale is not kept: {}.", named(stale)));
    }
    for segment in export.segments {
        let known = match segment.constraints {
            Some(constraints) => Known::Whole(Segment { name: segment.name, constraints }),
            None => Known::Name(segment.name),
        };
        bundle.segments.insert(segment.id, known);
    }
    let mut strategies = strategies(export.feature_strategies, &mut bundle.lost)?;
    for it in export.features {
        let state =
            State { on: false, strategies: strategies.remove(&it.name).unwrap_or_default(), ..State::default() };
        bundle.states.insert((environment.clone(), it.name.clone()), state);
        let (key, flag) = flag(it, &mut bundle.lost);
        bundle.flags.insert(key, flag);
    }
    for it in export.feature_environments {
        let Some(key) = it.feature_name.or(it.name) else { continue };
        if let Some(state) = bundle.states.get_mut(&(environment.clone(), key.clone())) {
            state.on = it.enabled && !off_by_strategies(&state.strategies);
            state.variants = it.variants.unwrap_or_default();
        }
    }
    // A flag of which every strategy is disabled is off there; one without any is on for everybody.
    bundle.states.values_mut().for_each(|state| state.strategies.retain(|it| it.name != DISABLED));
    for it in export.feature_tags {
        if let Some(flag) = bundle.flags.get_mut(&it.feature_name) {
            let kind = it.tag_type.filter(|kind| kind != "simple").map(|kind| format!("{kind}:")).unwrap_or_default();
            flag.tags.push(kind + &it.tag_value);
        }
    }
    for it in export.dependencies {
        if let Some(flag) = bundle.flags.get_mut(&it.feature) {
            flag.needs = it.dependencies;
        }
    }
    Ok(bundle)
}

/// What stands for a strategy that is switched off, until it is known whether there are others.
const DISABLED: &str = "\0disabled";

fn off_by_strategies(strategies: &[Strategy]) -> bool {
    !strategies.is_empty() && strategies.iter().all(|strategy| strategy.name == DISABLED)
}

fn flag(it: Feature, lost: &mut Vec<String>) -> (String, Flag) {
    let kind = it.r#type.as_deref().map_or(Some(Kind::Release), Kind::of).unwrap_or_else(|| {
        lost.push(format!("There is no kind as that of {}, which becomes a release.", named([it.name.as_str()])));
        Kind::Release
    });
    let flag = Flag {
        kind,
        project: it.project.unwrap_or_else(|| DEFAULT_PROJECT.to_owned()),
        about: it.description.unwrap_or_default(),
        owner: None,
        service: None,
        created: it.created_at.unwrap_or_default(),
        life: Life::Unsaid,
        tags: Vec::new(),
        impressions: it.impression_data.unwrap_or_default(),
        needs: Vec::new(),
        archived: None,
        act: 0,
    };
    (it.name, flag)
}

fn strategies(
    mut all: Vec<FeatureStrategy>,
    lost: &mut Vec<String>,
) -> Result<BTreeMap<String, Vec<Strategy>>, String> {
    all.sort_by(|left, right| left.sort_order.unwrap_or_default().total_cmp(&right.sort_order.unwrap_or_default()));
    let mut strategies: BTreeMap<String, Vec<Strategy>> = BTreeMap::new();
    let mut disabled = BTreeSet::new();
    for mut it in all {
        if let Some(Value::Object(parameters)) = it.rest.get_mut("parameters") {
            // Old exports have bare numbers.
            parameters
                .values_mut()
                .filter(|value| !value.is_string())
                .for_each(|value| *value = json!(value.to_string()));
        }
        let mut strategy: Strategy = serde_json::from_value(Value::Object(it.rest)).map_err(|error| {
            format!("has a strategy of {} that can not be read: {error}", named([it.feature_name.as_str()]))
        })?;
        strategy.segments = strategy.segments.filter(|segments| !segments.is_empty());
        strategy.constraints = strategy.constraints.filter(|constraints| !constraints.is_empty());
        if it.disabled == Some(true) {
            strategy.name = DISABLED.to_owned();
            disabled.insert(it.feature_name.clone());
        }
        strategies.entry(it.feature_name).or_default().push(strategy);
    }
    if !disabled.is_empty() {
        let names = named(disabled.iter().map(String::as_str));
        lost.push(format!("Strategies that are disabled are left out, of {names}."));
    }
    Ok(strategies)
}
