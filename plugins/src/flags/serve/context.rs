//! Whom a flag is evaluated for: the contexts of Unleash's and OpenFeature's clients, as the engine takes them. They come
//! from anybody, and may hold anything.

use serde_json::{Map, Value};
use std::collections::HashMap;
use unleash_types::client_features::Context;

/// OpenFeature's name for whom a flag is evaluated for.
const TARGETING_KEY: &str = "targetingKey";

/// Unleash's context, as it comes in a body: `{"context": {…}}`, or the context itself.
///
/// # Errors
/// What is wrong with it, as a sentence for the client's log.
pub fn of_body(body: &[u8]) -> Result<Context, String> {
    let whole: Value = serde_json::from_slice(body).map_err(|error| format!("The body is no JSON: {error}."))?;
    let Value::Object(mut whole) = whole else { return Err("The body has to be a JSON object.".to_owned()) };
    match whole.remove("context") {
        None | Some(Value::Null) => Ok(of_object(whole)),
        Some(Value::Object(context)) => Ok(of_object(context)),
        Some(_) => Err("`context` has to be a JSON object.".to_owned()),
    }
}

/// Unleash's context, as it comes in a query: `userId=42&properties[country]=kr`. What is no field of it is a property.
pub fn of_query(query: &str) -> Context {
    let mut context = Context::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let property = name.strip_prefix("properties[").and_then(|name| name.strip_suffix(']'));
        put(&mut context, property.unwrap_or(&name), value.into_owned());
    }
    context
}

/// OpenFeature's context: one object of whatever the application has put there.
///
/// # Errors
/// What is wrong with it, as a sentence for the client's log.
pub fn of_openfeature(mut context: Map<String, Value>) -> Result<Context, String> {
    let key = match context.remove(TARGETING_KEY) {
        None | Some(Value::Null) => None,
        Some(Value::Object(_) | Value::Array(_)) => return Err(format!("`{TARGETING_KEY}` has to be a text.")),
        Some(key) => text(key),
    };
    let mut context = of_object(context);
    if let Some(key) = key.filter(|key| !key.is_empty()) {
        context.user_id.get_or_insert_with(|| key.clone());
        // A constraint may go by either name.
        put(&mut context, TARGETING_KEY, key);
    }
    Ok(context)
}

fn of_object(object: Map<String, Value>) -> Context {
    let mut context = Context::default();
    for (name, value) in object {
        match value {
            Value::Object(inner) if name == "properties" => {
                for (name, value) in inner {
                    text(value).into_iter().for_each(|value| put(&mut context, &name, value));
                }
            }
            value => text(value).into_iter().for_each(|value| put(&mut context, &name, value)),
        }
    }
    context
}

/// The engine knows texts only. What has parts is its JSON, which a constraint may look for.
fn text(value: Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    }
}

fn put(context: &mut Context, name: &str, value: String) {
    let field = match name {
        "userId" => &mut context.user_id,
        "sessionId" => &mut context.session_id,
        "environment" => &mut context.environment,
        "appName" => &mut context.app_name,
        "currentTime" => &mut context.current_time,
        "remoteAddress" => &mut context.remote_address,
        _ => {
            context.properties.get_or_insert_with(HashMap::new).insert(name.to_owned(), value);
            return;
        }
    };
    *field = Some(value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::collections::BTreeMap;

    fn shown(context: &Context) -> String {
        let properties: BTreeMap<_, _> = context.properties.iter().flatten().collect();
        format!(
            "{} {} {} {properties:?}",
            context.user_id.as_deref().unwrap_or("-"),
            context.session_id.as_deref().unwrap_or("-"),
            context.remote_address.as_deref().unwrap_or("-")
        )
    }

    #[test]
    fn a_context_is_taken_whatever_it_holds() {
        for (body, wanted) in [
            (r#"{"context":{"userId":"42","properties":{"country":"kr"}}}"#, r#"42 - - {"country": "kr"}"#),
            (r#"{"userId":42,"plan":"gold","vip":true,"none":null}"#, r#"42 - - {"plan": "gold", "vip": "true"}"#),
            (r#"{"context":{"properties":"x","userId":{"a":1}}}"#, r#"{"a":1} - - {"properties": "x"}"#),
            (r#"{"context":null,"sessionId":"s"}"#, "- s - {}"),
            (r#"{"context":{"context":{"userId":"7"}}}"#, r#"- - - {"context": "{\"userId\":\"7\"}"}"#),
            ("{}", "- - - {}"),
            (r#"{"context":[1]}"#, "`context` has to be a JSON object."),
            ("[]", "The body has to be a JSON object."),
            ("", "The body is no JSON: EOF while parsing a value at line 1 column 0."),
        ] {
            let context = of_body(body.as_bytes());
            assert_eq!(context.map_or_else(|what| what, |context| shown(&context)), wanted, "{body}");
        }
        let deep = format!("{}{}", r#"{"context":{"a":"#.repeat(5_000), "1");
        assert!(of_body(deep.as_bytes()).is_err());
    }

    #[test]
    fn a_query_is_a_context_too() {
        for (query, wanted) in [
            ("userId=42&properties[country]=kr&x=%EA%B0%80+b", r#"42 - - {"country": "kr", "x": "가 b"}"#),
            ("userId=1&userId=2&remoteAddress=10.0.0.1", "2 - 10.0.0.1 {}"),
            ("properties[userId]=9&properties[=1", r#"9 - - {"properties[": "1"}"#),
            ("", "- - - {}"),
            ("%zz=%ff&&=", r#"- - - {"": "", "%zz": "�"}"#),
        ] {
            assert_eq!(shown(&of_query(query)), wanted, "{query}");
        }
    }

    #[test]
    fn a_targeting_key_is_the_user() {
        for (context, wanted) in [
            (json!({ "targetingKey": "42", "plan": "gold" }), r#"42 - - {"plan": "gold", "targetingKey": "42"}"#),
            (json!({ "targetingKey": 42, "userId": "7" }), r#"7 - - {"targetingKey": "42"}"#),
            (json!({ "targetingKey": "" }), "- - - {}"),
            (json!({ "targetingKey": [1] }), "`targetingKey` has to be a text."),
        ] {
            let Value::Object(object) = context.clone() else { unreachable!("all of them are objects") };
            let told = of_openfeature(object).map_or_else(|what| what, |context| shown(&context));
            assert_eq!(told, wanted, "{context}");
        }
    }
}
