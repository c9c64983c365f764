//! flagd's JSON, for `flagd` and the in-process providers of OpenFeature: written only.
//! <https://flagd.dev/reference/flag-definitions/>
//!
//! flagd draws shares by its own hash, and its cores have not always agreed on it: a share strictly between none and all is
//! left out, unless somebody asks for it and takes other users for it.

use super::{Bundle, Known, named};
use crate::flags::model::{State, share};
use crate::flags::serve::face;
use chrono::DateTime;
use serde_json::{Map, Value, json};
use unleash_types::client_features::{Constraint, Operator, Strategy};

/// Writes what an environment has, and why some of it is left out: a sentence each.
pub fn write(bundle: &Bundle, environment: &str, shares: bool) -> (Value, Vec<String>) {
    let (mut flags, mut lost) = (Map::new(), Vec::new());
    let mut left_out = Vec::new();
    for (key, flag) in &bundle.flags {
        let state = bundle.states.get(&(environment.to_owned(), key.clone())).cloned().unwrap_or_default();
        let written = match (flag.archived.is_some(), flag.needs.is_empty()) {
            (true, _) => Err("it is archived".to_owned()),
            (_, false) if state.on => Err("it needs other flags, and flagd knows no such thing".to_owned()),
            _ => one(&state, bundle, shares),
        };
        match written {
            Ok(written) => _ = flags.insert(key.clone(), written),
            Err(why) => left_out.push((key.as_str(), why)),
        }
    }
    left_out.sort_by(|left, right| left.1.cmp(&right.1));
    for same in left_out.chunk_by(|left, right| left.1 == right.1) {
        lost.push(format!("Left out: {}. The reason: {}.", named(same.iter().map(|(key, _)| *key)), same[0].1));
    }
    (json!({ "$schema": "https://flagd.dev/schema/v0/flags.json", "flags": flags }), lost)
}

fn one(state: &State, bundle: &Bundle, shares: bool) -> Result<Value, String> {
    let mut variants = Map::from_iter([("on".to_owned(), json!(true)), ("off".to_owned(), json!(false))]);
    let off = |variants| json!({ "state": "ENABLED", "variants": variants, "defaultVariant": "off" });
    if !state.on {
        return Ok(off(json!(variants)));
    }
    let all_in = match &state.variants[..] {
        [] => json!("on"),
        several => {
            // What a flag has for those who are let in is of one type: theirs, with an empty one for all others.
            variants = Map::new();
            for variant in several {
                let value = match &variant.payload {
                    Some(payload) => {
                        face::value(payload, false).map_err(|wrong| wrong.trim_end_matches('.').to_owned())?
                    }
                    None => json!(variant.name),
                };
                variants.insert(variant.name.clone(), value);
            }
            let first = variants.values().next().cloned().unwrap_or_default();
            variants.insert("off".to_owned(), empty_like(&first));
            let kinds = variants.values().map(std::mem::discriminant).collect::<std::collections::HashSet<_>>();
            if kinds.len() > 1 {
                return Err("its variants have values of several types, and flagd takes one".to_owned());
            }
            match several {
                [only] => json!(only.name),
                several if shares => {
                    json!({ "fractional": several.iter().map(|it| json!([it.name, it.weight])).collect::<Vec<_>>() })
                }
                _ => return Err(format!("its variants are drawn, {DRAWN}")),
            }
        }
    };
    let mut written = off(json!(variants));
    let ways: Vec<_> = state.strategies.iter().map(|it| way(it, bundle)).collect::<Result<_, _>>()?;
    let partly = ways.iter().any(|(_, share)| *share < 100);
    if partly && !shares {
        return Err(format!("a share of its users is drawn, {DRAWN}"));
    }
    if partly && (ways.len() > 1 || !all_in.is_string()) {
        return Err("it draws twice, which flagd's rules can not say".to_owned());
    }
    let whole = ways.is_empty() || ways.iter().any(|(when, share)| when.is_empty() && *share == 100);
    written["targeting"] = if whole {
        all_in
    } else {
        let drawn = match ways.first() {
            Some((_, share)) if *share < 100 => json!({ "fractional": [[all_in, share], ["off", 100 - share]] }),
            _ => all_in,
        };
        let any: Vec<_> = ways.iter().map(|(when, _)| json!({ "and": when })).collect();
        match &ways[..] {
            [(when, _)] if when.is_empty() => drawn,
            _ => json!({ "if": [{ "or": any }, drawn, "off"] }),
        }
    };
    // A rule that is only a name is the default.
    if let Some(name) = written["targeting"].as_str().map(str::to_owned) {
        written["defaultVariant"] = json!(name);
        written.as_object_mut().map(|it| it.remove("targeting"));
    }
    Ok(written)
}

/// Why what is drawn is left out.
const DRAWN: &str = "and flagd draws others than Deckhand does: `shares:yes` takes that";

/// What has the same type, and says nothing.
fn empty_like(value: &Value) -> Value {
    match value {
        Value::Bool(_) => json!(false),
        Value::Number(_) => json!(0),
        Value::Object(_) => json!({}),
        Value::Array(_) => json!([]),
        _ => json!(""),
    }
}

/// The conditions of a strategy, and its share.
fn way(strategy: &Strategy, bundle: &Bundle) -> Result<(Vec<Value>, u8), String> {
    let share =
        share(strategy).ok_or_else(|| format!("it goes by the strategy {}", named([strategy.name.as_str()])))?;
    let mut all: Vec<&Constraint> = strategy.constraints.iter().flatten().collect();
    for number in strategy.segments.iter().flatten() {
        match bundle.segments.get(number) {
            Some(Known::Whole(segment)) => all.extend(&segment.constraints),
            _ => return Err("it goes by a segment that is not there".to_owned()),
        }
    }
    Ok((all.into_iter().map(condition).collect::<Result<_, _>>()?, share))
}

/// A constraint in JsonLogic, with flagd's own operators.
fn condition(constraint: &Constraint) -> Result<Value, String> {
    let cannot = |what: &str| Err(format!("flagd can not compare {what}"));
    if constraint.case_insensitive {
        return cannot("in any case");
    }
    let name = match constraint.context_name.as_str() {
        "userId" => "targetingKey",
        "currentTime" => "$flagd.timestamp",
        name => name,
    };
    let theirs = json!({ "var": name });
    let values = || constraint.values.iter().flatten();
    let value = constraint.value.clone().unwrap_or_default();
    let any = |operator: &str| json!({ "or": values().map(|value| json!({ operator: [theirs, value] })).collect::<Vec<_>>() });
    let number = |operator: &str| value.parse::<f64>().map(|value| json!({ operator: [theirs, value] }));
    let semver = |operator: &str| json!({ "sem_ver": [theirs, operator, value] });
    let moment =
        |operator: &str| DateTime::parse_from_rfc3339(&value).map(|at| json!({ operator: [theirs, at.timestamp()] }));
    let logic = match &constraint.operator {
        Operator::In => json!({ "in": [theirs, values().collect::<Vec<_>>()] }),
        Operator::NotIn => json!({ "!": { "in": [theirs, values().collect::<Vec<_>>()] } }),
        Operator::StrStartsWith => any("starts_with"),
        Operator::StrEndsWith => any("ends_with"),
        // In JsonLogic, the longer text stands behind.
        Operator::StrContains => {
            json!({ "or": values().map(|value| json!({ "in": [value, theirs] })).collect::<Vec<_>>() })
        }
        Operator::NumEq => number("==").map_err(|_| "it compares with what is no number".to_owned())?,
        Operator::NumGt => number(">").map_err(|_| "it compares with what is no number".to_owned())?,
        Operator::NumGte => number(">=").map_err(|_| "it compares with what is no number".to_owned())?,
        Operator::NumLt => number("<").map_err(|_| "it compares with what is no number".to_owned())?,
        Operator::NumLte => number("<=").map_err(|_| "it compares with what is no number".to_owned())?,
        Operator::SemverEq => semver("="),
        Operator::SemverGt => semver(">"),
        Operator::SemverGte => semver(">="),
        Operator::SemverLt => semver("<"),
        Operator::SemverLte => semver("<="),
        Operator::DateAfter if name.starts_with('$') => {
            moment(">").map_err(|_| "it compares with what is no date".to_owned())?
        }
        Operator::DateBefore if name.starts_with('$') => {
            moment("<").map_err(|_| "it compares with what is no date".to_owned())?
        }
        Operator::DateAfter | Operator::DateBefore => return cannot("dates of users"),
        Operator::InCidr => return cannot("networks"),
        Operator::RegexMatch => return cannot("by patterns"),
        Operator::Unknown(_) => return cannot("by that operator"),
    };
    Ok(if constraint.inverted { json!({ "!": logic }) } else { logic })
}
