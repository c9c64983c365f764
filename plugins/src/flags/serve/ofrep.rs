//! OpenFeature's remote evaluation protocol, version 0.3: one flag for servers, all of them for pages.
//!
//! Its clients need more than its description asks for: each answer has a reason and a variant, each failure its details.

use super::face::{Ofrep, failure};
use super::usage::{Count, Counter};
use super::{Asked, LONGEST_KEY, context, json_answer};
use bytes::Bytes;
use commands::route::Answer;
use http::StatusCode;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};
use unleash_types::client_features::Context;

/// How long a page's stream is kept open while nobody looks at it, in seconds.
const INACTIVE: u32 = 120;

/// One flag. Its evaluation is counted: the client tells nobody of it.
pub fn one(asked: &Asked<'_>, counter: &Counter) -> Answer {
    let sent = asked.incoming.parts.get("key").map(String::as_str).unwrap_or_default();
    let sent: String = sent.chars().take(LONGEST_KEY).collect();
    let key = percent_decode_str(&sent).decode_utf8_lossy();
    let context = match read(asked.incoming.request.body()) {
        Ok(context) => asked.complete(context),
        Err((code, what)) => return failed(StatusCode::BAD_REQUEST, failure(&key, code, &what)),
    };
    let Some(flag) = asked.served.find(&key) else {
        let token = &asked.known.token;
        let what =
            format!("There is no such flag in `{}` for this token's project, `{}`.", token.environment, token.project);
        return failed(StatusCode::NOT_FOUND, failure(&key, "FLAG_NOT_FOUND", &what));
    };
    if let Some(failure) = flag.face().lacks(&key, &context) {
        return failed(StatusCode::BAD_REQUEST, failure);
    }
    let outcome = flag.face().outcome(&asked.served, flag, &context);
    let count = if outcome.is_on() { Count { yes: 1, no: 0 } } else { Count { yes: 0, no: 1 } };
    let app = context.app_name.as_deref().unwrap_or_default();
    counter.count(&asked.known.token.environment, &key, app, count, asked.ports.clock.now());
    match &outcome.answers().ofrep {
        Ofrep::Value(text) => json_answer(Bytes::copy_from_slice(text.as_bytes())),
        Ofrep::Failure(text) => failed(StatusCode::BAD_REQUEST, text.to_string()),
    }
}

/// All flags, and where to hear when they have changed. `url` is where the application reaches Deckhand, if it is told.
pub fn all(asked: &Asked<'_>, url: Option<&str>) -> Answer {
    let context = match read(asked.incoming.request.body()) {
        Ok(context) => asked.complete(context),
        Err((code, what)) => {
            let body = json!({ "errorCode": code, "errorDetails": what });
            return Answer::json(StatusCode::BAD_REQUEST, &body);
        }
    };
    asked.evaluated(|| {
        let mut body = String::with_capacity(asked.served.flags.len() * 96 + 256);
        body.push_str(r#"{"flags":["#);
        for flag in &asked.served.flags {
            match flag.face().lacks(&flag.key, &context) {
                Some(failure) => body.push_str(&failure),
                None => body.push_str(flag.face().outcome(&asked.served, flag, &context).answers().ofrep.text()),
            }
            body.push(',');
        }
        body.truncate(body.trim_end_matches(',').len());
        body.push_str(r#"],"eventStreams":"#);
        body.push_str(&json!([stream(&asked.known.ticket, url)]).to_string());
        body.push('}');
        Bytes::from(body)
    })
}

/// Where a page hears of changes: at the address that it knows, unless the operator says another.
fn stream(ticket: &str, url: Option<&str>) -> Value {
    let path = format!("/ofrep/v1/stream?ticket={ticket}");
    match url {
        Some(url) => json!({ "type": "sse", "url": format!("{url}{path}"), "inactivityDelaySec": INACTIVE }),
        None => json!({ "type": "sse", "endpoint": { "requestUri": path }, "inactivityDelaySec": INACTIVE }),
    }
}

/// The context of a request, or the code and the sentence for what is wrong with it.
fn read(body: &[u8]) -> Result<Context, (&'static str, String)> {
    let whole: Value =
        serde_json::from_slice(body).map_err(|error| ("PARSE_ERROR", format!("The body is no JSON: {error}.")))?;
    let Value::Object(mut whole) = whole else {
        return Err(("PARSE_ERROR", "The body has to be a JSON object.".to_owned()));
    };
    let context = match whole.remove("context") {
        // Clients leave it out where the application has given none.
        None => Map::new(),
        Some(Value::Object(context)) => context,
        Some(_) => return Err(("INVALID_CONTEXT", "`context` has to be a JSON object.".to_owned())),
    };
    context::of_openfeature(context).map_err(|what| ("INVALID_CONTEXT", what))
}

fn failed(status: StatusCode, failure: String) -> Answer {
    Answer { status, ..json_answer(Bytes::from(failure)) }
}

impl Asked<'_> {
    /// Answers with what was evaluated, or that the client has it already: then nothing is evaluated, unless time alone may
    /// change it.
    pub(super) fn evaluated(&self, evaluate: impl FnOnce() -> Bytes) -> Answer {
        if !self.served.timed() {
            return self.tagged(&self.etag(), evaluate);
        }
        let body = evaluate();
        let etag = format!("\"{:.32}\"", super::tokens::digest_of(&body));
        self.tagged(&etag, || body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_context_is_told_by_its_code() {
        let deep = format!("{}1{}", r#"{"a":"#.repeat(500), "}".repeat(500));
        for (body, wanted) in [
            (r#"{"context":{"targetingKey":"42"}}"#, "42"),
            (r#"{"context":{}}"#, "nobody"),
            ("{}", "nobody"),
            (r#"{"context":null}"#, "INVALID_CONTEXT"),
            (r#"{"context":"42"}"#, "INVALID_CONTEXT"),
            (r#"{"context":{"targetingKey":{}}}"#, "INVALID_CONTEXT"),
            (r#"{"context":"#, "PARSE_ERROR"),
            ("[]", "PARSE_ERROR"),
            ("\u{202e}", "PARSE_ERROR"),
            (&format!(r#"{{"context":{deep}}}"#), "PARSE_ERROR"),
        ] {
            let told = match read(body.as_bytes()) {
                Ok(context) => context.user_id.unwrap_or_else(|| "nobody".to_owned()),
                Err((code, _)) => code.to_owned(),
            };
            assert_eq!(told, wanted, "{}", &body[..body.len().min(60)]);
        }
    }

    #[test]
    fn a_stream_is_where_the_page_reaches_deckhand() {
        let here = json!({ "type": "sse", "endpoint": { "requestUri": "/ofrep/v1/stream?ticket=t" }, "inactivityDelaySec": 120 });
        assert_eq!(stream("t", None), here);
        let there = stream("t", Some("https://flags.example.com/x"));
        assert_eq!(there["url"], "https://flags.example.com/x/ofrep/v1/stream?ticket=t");
    }
}
