//! A walk through a JSON schema, as far as Discord's description of its commands goes.

use serde_json::{Value, json};

/// Where `value` is not as this schema of an OpenAPI document wants it; it may hold no property that the schema does not know.
pub fn mismatches(api: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut hold = |holds: bool, what: &Value| {
        if !holds {
            wrong.push(format!("{at} is {value}, not {what}"))
        }
    };
    let mut inside = Vec::new();
    for (keyword, want) in schema.as_object().expect("a schema") {
        let most = |length: usize| want.as_u64().is_some_and(|most| length as u64 <= most);
        let least = |length: usize| want.as_u64().is_some_and(|least| length as u64 >= least);
        let text = value.as_str().map(|text| text.chars().count());
        match keyword.as_str() {
            "$ref" => {
                let schema = want.as_str().and_then(|name| api.pointer(name.trim_start_matches('#')));
                inside.extend(mismatches(api, schema.expect("a schema of this name"), value, at));
            }
            "allOf" => want
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|schema| inside.extend(mismatches(api, schema, value, at))),
            "oneOf" => {
                let tried: Vec<_> =
                    want.as_array().into_iter().flatten().map(|schema| mismatches(api, schema, value, at)).collect();
                let fits = tried.iter().filter(|wrong| wrong.is_empty()).count();
                hold(fits == 1, &json!(format!("one of: {tried:?}")));
            }
            "type" => hold(
                want == kind(value)
                    || want.as_array().is_some_and(|all| all.iter().any(|one| one == kind(value)))
                    || (want == "number" && value.is_number()),
                want,
            ),
            "const" => hold(value == want, want),
            "enum" => hold(want.as_array().is_some_and(|all| all.contains(value)), want),
            "minLength" => hold(text.is_none_or(least), want),
            "maxLength" => hold(text.is_none_or(most), want),
            "minItems" => hold(value.as_array().is_none_or(|all| least(all.len())), want),
            "maxItems" => hold(value.as_array().is_none_or(|all| most(all.len())), want),
            "minimum" => hold(value.as_f64() >= want.as_f64(), want),
            "maximum" => hold(value.as_f64() <= want.as_f64(), want),
            "required" => hold(
                value.as_object().is_none_or(|object| {
                    want.as_array()
                        .into_iter()
                        .flatten()
                        .all(|name| object.contains_key(name.as_str().unwrap_or_default()))
                }),
                want,
            ),
            "items" => value
                .as_array()
                .into_iter()
                .flatten()
                .enumerate()
                .for_each(|(number, value)| inside.extend(mismatches(api, want, value, &format!("{at}/{number}")))),
            "properties" => {
                for (name, value) in value.as_object().into_iter().flatten() {
                    match want.get(name) {
                        Some(schema) => inside.extend(mismatches(api, schema, value, &format!("{at}/{name}"))),
                        None => inside.push(format!("{at} has `{name}`, which Discord does not know")),
                    }
                }
            }
            "description" | "title" | "format" => {}
            other => inside.push(format!("{at} is ruled by `{other}`, which this check does not know: teach it")),
        }
    }
    wrong.extend(inside);
    wrong
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
