//! A walk through a JSON schema, as far as Discord's description of its commands goes.

use serde_json::Value;

/// Where `value` is not as this schema of an OpenAPI document wants it; it may hold no property that the schema does not
/// know.
pub fn mismatches(api: &Value, schema: &Value, value: &Value, at: &str) -> Vec<String> {
    let rules = schema.as_object().expect("a schema is an object");
    rules.iter().flat_map(|(rule, want)| broken(api, rule, want, value, at)).collect()
}

fn broken(api: &Value, rule: &str, want: &Value, value: &Value, at: &str) -> Vec<String> {
    let against = |schema: &Value| mismatches(api, schema, value, at);
    match rule {
        "$ref" => {
            let name = want.as_str().unwrap_or_default().trim_start_matches('#');
            against(api.pointer(name).unwrap_or_else(|| panic!("there is no schema {name}")))
        }
        "allOf" => list(want).iter().flat_map(against).collect(),
        "oneOf" => {
            let tried: Vec<_> = list(want).iter().map(against).collect();
            let fits = tried.iter().filter(|wrong| wrong.is_empty()).count();
            if fits == 1 { Vec::new() } else { vec![format!("{at} is {fits} of: {tried:?}")] }
        }
        "items" => {
            let items = list(value).iter().enumerate();
            items.flat_map(|(number, value)| mismatches(api, want, value, &format!("{at}/{number}"))).collect()
        }
        "properties" => {
            let properties = value.as_object().into_iter().flatten();
            let check = |(name, value): (&String, &Value)| match want.get(name) {
                Some(schema) => mismatches(api, schema, value, &format!("{at}/{name}")),
                None => vec![format!("{at} has `{name}`, which Discord does not know")],
            };
            properties.flat_map(check).collect()
        }
        "additionalProperties" => {
            let others = value.as_object().into_iter().flatten();
            others.flat_map(|(name, value)| mismatches(api, want, value, &format!("{at}/{name}"))).collect()
        }
        "description" | "title" | "format" => Vec::new(),
        _ => match holds(rule, want, value) {
            Some(true) => Vec::new(),
            Some(false) => vec![format!("{at} is {value}, against `{rule}: {want}`")],
            None => vec![format!("{at} has the rule `{rule}`, which this check does not know: teach it")],
        },
    }
}

/// Whether a rule that looks at one value alone is kept; nothing where it is not known.
fn holds(rule: &str, want: &Value, value: &Value) -> Option<bool> {
    let bound = want.as_u64().unwrap_or_default();
    let letters = value.as_str().map(|text| text.chars().count() as u64);
    let items = value.as_array().map(|items| items.len() as u64);
    Some(match rule {
        "type" => {
            want == kind(value)
                || list(want).iter().any(|one| one == kind(value))
                || want == "number" && value.is_number()
        }
        "const" => value == want,
        "enum" => list(want).contains(value),
        "minLength" => letters.is_none_or(|letters| letters >= bound),
        "maxLength" => letters.is_none_or(|letters| letters <= bound),
        "minItems" => items.is_none_or(|items| items >= bound),
        "maxItems" => items.is_none_or(|items| items <= bound),
        "uniqueItems" => list(value).iter().enumerate().all(|(number, item)| !list(value)[..number].contains(item)),
        "maxProperties" => value.as_object().is_none_or(|properties| properties.len() as u64 <= bound),
        "minimum" => value.as_f64().is_none_or(|number| Some(number) >= want.as_f64()),
        "maximum" => value.as_f64().is_none_or(|number| Some(number) <= want.as_f64()),
        "required" => list(want).iter().all(|name| value.get(name.as_str().unwrap_or_default()).is_some()),
        _ => return None,
    })
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
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
