//! How a flag looks to clients: each answer that there can be about it, written once, when the flag is built.
//!
//! A request then only asks the engine who gets what, and puts the pieces together.

use crate::flags::snapshot::{Definition, Served};
use serde_json::{Value, json};
use unleash_types::client_features::{ClientFeature, Context, Payload, Strategy};
use unleash_yggdrasil::VariantDef;
use unleash_yggdrasil::state::EnrichedContext;

/// The answers about one flag.
#[derive(Debug)]
pub struct Face {
    off: Answers,
    on: Answers,
    variants: Vec<(VariantDef, Answers)>,
    /// Whether there are variants to be asked for.
    varies: bool,
    /// Whether OpenFeature's clients have to say whom it is for: it is shared out by user, or by session.
    keyed: Option<Keyed>,
    reason: &'static str,
    kind: ValueKind,
}

/// One answer in each protocol.
#[derive(Debug, Clone, PartialEq)]
pub struct Answers {
    /// Unleash's frontend API; it lists no flag that is off.
    pub unleash: Box<str>,
    /// OFREP's.
    pub ofrep: Ofrep,
}

/// OFREP's answer about one flag.
#[derive(Debug, Clone, PartialEq)]
pub enum Ofrep {
    /// A value, or that the application's own is to be used.
    Value(Box<str>),
    /// It can not be told.
    Failure(Box<str>),
}

impl Ofrep {
    /// The JSON.
    pub fn text(&self) -> &str {
        match self {
            Ofrep::Value(text) | Ofrep::Failure(text) => text,
        }
    }
}

/// What users are shared out by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keyed {
    User,
    UserOrSession,
}

/// What the flag's values are to OpenFeature's clients, which ask for a value of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueKind {
    /// On or off: no variant has a payload.
    Boolean,
    /// What the payloads are.
    Payload {
        /// Whether numbers are written as floats, all of them: one is.
        floats: bool,
    },
}

/// What a flag is for somebody.
pub enum Outcome<'a> {
    /// It is off.
    Off(&'a Answers),
    /// It is on, with or without a variant.
    On(&'a Answers),
    /// It is on, with a variant that its definition does not show.
    Other(Box<Answers>),
}

impl Outcome<'_> {
    /// The answers, whatever it is.
    pub fn answers(&self) -> &Answers {
        match self {
            Outcome::Off(answers) | Outcome::On(answers) => answers,
            Outcome::Other(answers) => answers,
        }
    }

    /// Whether it is on.
    pub fn is_on(&self) -> bool {
        !matches!(self, Outcome::Off(_))
    }
}

impl Face {
    /// The answers about a flag, and its definition in Unleash's form.
    pub fn of(flag: &Definition, feature: &ClientFeature) -> Face {
        Face::written(feature, flag.on, flag.targeted, flag.split)
    }

    fn written(feature: &ClientFeature, on: bool, targeted: bool, split: bool) -> Face {
        let reason = match (on, split, targeted) {
            (false, ..) => "DISABLED",
            (_, true, _) => "SPLIT",
            (.., true) => "TARGETING_MATCH",
            _ => "STATIC",
        };
        let variants = variants(feature);
        let payloads: Vec<&Payload> = variants.iter().filter_map(|variant| variant.payload.as_ref()).collect();
        let kind = if payloads.is_empty() {
            ValueKind::Boolean
        } else {
            let number = |payload: &&Payload| payload.payload_type == "number";
            ValueKind::Payload {
                floats: payloads
                    .iter()
                    .copied()
                    .filter(|it| number(it))
                    .any(|it| it.value.trim().parse::<i64>().is_err()),
            }
        };
        let mut face = Face {
            off: Answers { unleash: "".into(), ofrep: Ofrep::Value("".into()) },
            on: Answers { unleash: "".into(), ofrep: Ofrep::Value("".into()) },
            variants: Vec::new(),
            varies: !variants.is_empty(),
            keyed: split.then(|| keyed(feature)).flatten(),
            reason,
            kind,
        };
        let (key, impressions) = (feature.name.as_str(), feature.impression_data.unwrap_or_default());
        face.off.ofrep = face.ofrep(key, false, None);
        face.on = face.answers(key, impressions, None);
        face.variants = variants
            .into_iter()
            .map(|variant| {
                let answers = face.answers(key, impressions, Some(&variant));
                (variant, answers)
            })
            .collect();
        face
    }

    /// What the flag is in this context.
    pub fn outcome<'a>(&'a self, served: &Served, flag: &Definition, context: &Context) -> Outcome<'a> {
        let (engine, enriched) = (served.engine(&flag.key), EnrichedContext::from(context, &flag.key, None));
        if !engine.check_enabled(&enriched).unwrap_or_default() {
            return Outcome::Off(&self.off);
        }
        if !self.varies {
            return Outcome::On(&self.on);
        }
        match engine.check_variant(&enriched).filter(|variant| variant.enabled) {
            None => Outcome::On(&self.on),
            Some(variant) => match self.variants.iter().find(|(known, _)| *known == variant) {
                Some((_, answers)) => Outcome::On(answers),
                None => Outcome::Other(Box::new(self.answers(&flag.key, flag.impressions, Some(&variant)))),
            },
        }
    }

    /// What keeps OpenFeature's clients from being told about the flag in this context: they have to say whom it is for.
    pub fn lacks(&self, key: &str, context: &Context) -> Option<String> {
        let missing = match self.keyed? {
            Keyed::User => context.user_id.is_none(),
            Keyed::UserOrSession => context.user_id.is_none() && context.session_id.is_none(),
        };
        missing.then(|| {
            failure(key, "TARGETING_KEY_MISSING", "The flag is on for a share of the users: set `targetingKey`.")
        })
    }

    fn answers(&self, key: &str, impressions: bool, variant: Option<&VariantDef>) -> Answers {
        let shown = match variant {
            None => json!({ "name": "disabled", "enabled": false, "feature_enabled": true }),
            Some(VariantDef { name, payload: None, .. }) => {
                json!({ "name": name, "enabled": true, "feature_enabled": true })
            }
            Some(VariantDef { name, payload: Some(Payload { payload_type, value }), .. }) => {
                let payload = json!({ "type": payload_type, "value": value });
                json!({ "name": name, "payload": payload, "enabled": true, "feature_enabled": true })
            }
        };
        // Old clients read the second spelling.
        let unleash = json!({
            "name": key, "enabled": true, "variant": shown, "impressionData": impressions, "impression_data": impressions,
        });
        Answers { unleash: unleash.to_string().into(), ofrep: self.ofrep(key, true, variant) }
    }

    fn ofrep(&self, key: &str, on: bool, variant: Option<&VariantDef>) -> Ofrep {
        let name = variant.map_or(if on { "on" } else { "off" }, |variant| variant.name.as_str());
        let mut told = json!({ "key": key, "reason": self.reason, "variant": name });
        let value = match (self.kind, variant.and_then(|variant| variant.payload.as_ref())) {
            (ValueKind::Boolean, _) => Some(Value::Bool(on)),
            // The application's own value is used.
            (ValueKind::Payload { .. }, None) => None,
            (ValueKind::Payload { floats }, Some(payload)) => match value(payload, floats) {
                Ok(value) => Some(value),
                Err(what) => return Ofrep::Failure(failure(key, "PARSE_ERROR", &what).into()),
            },
        };
        value.into_iter().for_each(|value| told["value"] = value);
        Ofrep::Value(told.to_string().into())
    }
}

/// OFREP's words for a flag that can not be told.
pub fn failure(key: &str, code: &str, details: &str) -> String {
    json!({ "key": key, "errorCode": code, "errorDetails": details }).to_string()
}

/// A payload as a value of its type.
///
/// # Errors
/// A sentence that says what it is not.
pub fn value(payload: &Payload, floats: bool) -> Result<Value, String> {
    let text = payload.value.trim();
    let wrong = |what: &str| format!("The variant's payload is no {what}: change it in chat.");
    match payload.payload_type.as_str() {
        "number" => match (floats, text.parse::<i64>()) {
            (false, Ok(whole)) => Ok(whole.into()),
            // Some clients tell 1 from 1.0: a flag with any fraction has floats alone.
            _ => {
                let number = text.parse().ok().and_then(serde_json::Number::from_f64);
                number.map(Value::Number).ok_or_else(|| wrong("number"))
            }
        },
        "json" => match serde_json::from_str(text) {
            Ok(Value::Object(object)) => Ok(Value::Object(object)),
            _ => Err(wrong("JSON object")),
        },
        _ => Ok(payload.value.clone().into()),
    }
}

/// Every variant that the flag may have, of itself and of its strategies.
fn variants(feature: &ClientFeature) -> Vec<VariantDef> {
    let variant = |name: &str, payload: &Option<Payload>| VariantDef {
        name: name.to_owned(),
        payload: payload.clone(),
        enabled: true,
    };
    let strategies = feature.strategies.iter().flatten().flat_map(|strategy| strategy.variants.iter().flatten());
    let own = feature.variants.iter().flatten();
    let mut all: Vec<_> = strategies.map(|it| variant(&it.name, &it.payload)).collect();
    all.extend(own.map(|it| variant(&it.name, &it.payload)));
    all
}

/// What a flag that is shared out goes by, where that is who asks: other fields are the application's own affair.
fn keyed(feature: &ClientFeature) -> Option<Keyed> {
    let of = |stickiness: Option<&str>| match stickiness {
        None | Some("default") => Some(Keyed::UserOrSession),
        Some("userId") => Some(Keyed::User),
        _ => None,
    };
    let strategy = |strategy: &Strategy| {
        let stickiness = strategy.parameters.as_ref().and_then(|parameters| parameters.get("stickiness"));
        of(stickiness.map(String::as_str))
    };
    let strategies = feature.strategies.iter().flatten().filter(|strategy| strategy.name == "flexibleRollout");
    let mut keyed: Vec<_> = strategies.filter_map(strategy).collect();
    keyed.extend(feature.variants.iter().flatten().filter_map(|variant| of(variant.stickiness.as_deref())));
    let only_user = !keyed.is_empty() && keyed.iter().all(|it| *it == Keyed::User);
    if only_user { Some(Keyed::User) } else { keyed.first().map(|_| Keyed::UserOrSession) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn face(feature: Value, on: bool, targeted: bool, split: bool) -> Face {
        Face::written(&serde_json::from_value(feature).unwrap(), on, targeted, split)
    }

    fn with(payloads: &[(&str, &str)]) -> Face {
        let variant = |(at, (kind, value)): (usize, &(&str, &str))| json!({ "name": format!("v{at}"), "weight": 1, "payload": { "type": kind, "value": value } });
        let variants: Vec<_> = payloads.iter().enumerate().map(variant).collect();
        face(json!({ "name": "f", "enabled": true, "strategies": [], "variants": variants }), true, false, true)
    }

    #[test]
    fn values_have_the_type_of_their_payloads() {
        for (payloads, values) in [
            (&[("string", "red"), ("csv", "a,b")][..], &[r#""value":"red""#, r#""value":"a,b""#][..]),
            (&[("number", "1"), ("number", "-2")], &[r#""value":1}"#, r#""value":-2}"#]),
            (&[("number", "1"), ("number", "0.5")], &[r#""value":1.0}"#, r#""value":0.5}"#]),
            (&[("number", "1e3")], &[r#""value":1000.0}"#]),
            (&[("number", "9223372036854775808")], &[r#""value":9.223372036854776e+18}"#]),
            (&[("number", "many")], &["PARSE_ERROR"]),
            (&[("number", "NaN")], &["PARSE_ERROR"]),
            (&[("json", r#"{"a":[1]}"#)], &[r#""value":{"a":[1]}}"#]),
            (&[("json", "[1]"), ("json", "{")], &["PARSE_ERROR", "PARSE_ERROR"]),
        ] {
            let face = with(payloads);
            for ((_, answers), value) in face.variants.iter().zip(values) {
                assert!(answers.ofrep.text().contains(value), "{payloads:?}: {}", answers.ofrep.text());
            }
            let off = face.off.ofrep.text();
            assert!(!off.contains("value") && off.contains(r#""variant":"off""#), "the application's own: {off}");
        }
    }

    #[test]
    fn what_is_on_or_off_says_why() {
        for (on, targeted, split, reason) in [
            (false, true, true, "DISABLED"),
            (true, false, false, "STATIC"),
            (true, true, false, "TARGETING_MATCH"),
            (true, true, true, "SPLIT"),
        ] {
            let face = face(json!({ "name": "a\"b", "enabled": on }), on, targeted, split);
            let told = |value: bool, variant| {
                json!({ "key": "a\"b", "reason": reason, "variant": variant, "value": value }).to_string()
            };
            assert_eq!(face.off.ofrep.text(), told(false, "off"));
            assert_eq!(face.on.ofrep.text(), told(true, "on"));
        }
    }

    #[test]
    fn who_is_shared_out_has_to_be_named() {
        let of = |stickiness: &str| {
            let parameters = json!({ "rollout": "50", "stickiness": stickiness, "groupId": "f" });
            let strategy = json!({ "name": "flexibleRollout", "parameters": parameters });
            face(json!({ "name": "f", "enabled": true, "strategies": [strategy] }), true, false, true)
        };
        let user = Context { user_id: Some("42".to_owned()), ..Context::default() };
        let session = Context { session_id: Some("42".to_owned()), ..Context::default() };
        let unknown = Context::default();
        for (stickiness, nobody, session_only) in
            [("default", true, false), ("userId", true, true), ("sessionId", false, false), ("random", false, false)]
        {
            let face = of(stickiness);
            let lacks = |context| face.lacks("f", context).is_some();
            assert_eq!((lacks(&unknown), lacks(&session)), (nobody, session_only), "{stickiness}");
            assert!(!lacks(&user), "{stickiness}");
        }
    }
}
