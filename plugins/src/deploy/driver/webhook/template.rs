//! A request as the config spells it out, with placeholders that stand for what is shipped.

use crate::deploy::settings::{Names, Placeholders};
use crate::words;
use bytes::Bytes;
use config::Section;
use http::{Method, Request, header};
use serde_json::Value;
use std::collections::BTreeMap;

/// What stands for the run's id in an address.
pub const ID: &str = "{id}";

/// What stands for the address where the service calls back.
pub const CALLBACK: &str = "{callback}";

/// A request, before its placeholders are filled.
#[derive(Clone)]
pub struct Template {
    pub method: Method,
    pub url: String,
    pub headers: BTreeMap<String, String>,
    pub body: Option<Value>,
}

impl std::fmt::Debug for Template {
    // Headers may hold a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {:?} {:?}", self.method, self.url, self.headers.keys(), self.body)
    }
}

/// What stands for something in the requests of one run alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Own<'a> {
    /// The run's id.
    pub id: &'a str,
    /// What the service knows a start by that comes twice.
    pub key: Option<&'a str>,
    /// Where the service calls back.
    pub callback: &'a str,
}

/// Reads a request, in which `own` stand for something beside what always does.
pub fn template(section: &Section<'_>, method: &str, own: &[&str], placeholders: &Placeholders) -> Template {
    let methods = ["GET", "POST", "PUT", "PATCH", "DELETE"];
    let method = section.choice("method", &methods).unwrap_or_else(|| method.to_owned());
    if !section.has("url") {
        section.required_text("url");
    }
    let url = section.url("url").unwrap_or_default();
    let check = |key, text: &str| {
        let text = own.iter().fold(text.to_owned(), |text, own| text.replace(own, ""));
        placeholders.check(section, key, &text);
    };
    check("url", &url);
    let headers = section.text_map("headers");
    for (name, value) in &headers {
        check("headers", value);
        let good = name.parse::<header::HeaderName>().is_ok() && value.parse::<header::HeaderValue>().is_ok();
        if !good {
            section.problem(
                "headers",
                format!("`{name}` can not be sent as a header"),
                "write one as in `Authorization`",
            );
        }
    }
    let body = section.text("body").and_then(|text| {
        let read = serde_json::from_str(&text);
        let refuse = |error: serde_json::Error| {
            section.problem(
                "body",
                format!("this is no JSON: {error}"),
                "write JSON, as in `'{\"commit\": \"{commit}\"}'`",
            );
        };
        let body = read.map_err(refuse).ok()?;
        each_text(&body, &mut |text| check("body", text));
        Some(body)
    });
    Template { method: method.parse().unwrap_or(Method::POST), url, headers, body }
}

impl Template {
    /// All texts but the address.
    pub fn texts(&self) -> Vec<String> {
        let mut texts: Vec<_> = self.headers.values().cloned().collect();
        self.body.iter().for_each(|body| each_text(body, &mut |text| texts.push(text.to_owned())));
        texts
    }

    /// Where it goes; within a part of the address nothing can change its shape.
    pub fn address(&self, names: &Names<'_>, id: &str) -> String {
        let parts: Vec<_> = self.url.split(ID).map(|part| names.fill_address(part)).collect();
        parts.join(&words::encoded(id))
    }

    /// The request. What is put in stays what it is: within a string of the JSON, within a part of the address.
    pub fn fill(&self, names: &Names<'_>, own: Own<'_>) -> http::Result<Request<Bytes>> {
        let Own { id, key, callback } = own;
        // An address of ours has nothing in it that stands for something.
        let fill = |text: &str| names.fill(&text.replace(CALLBACK, callback));
        let mut request = Request::builder().method(self.method.clone()).uri(self.address(names, id));
        for (name, value) in &self.headers {
            request = request.header(name, fill(value));
        }
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        let Some(body) = &self.body else { return request.body(Bytes::new()) };
        let body = filled(body, &|text| if text == ID { id.to_owned() } else { fill(text) });
        request.header(header::CONTENT_TYPE, "application/json").body(Bytes::from(body.to_string()))
    }
}

/// JSON with its texts filled.
pub fn filled(value: &Value, fill: &impl Fn(&str) -> String) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text)),
        Value::Array(list) => list.iter().map(|it| filled(it, fill)).collect(),
        Value::Object(map) => map.iter().map(|(name, it)| (name.clone(), filled(it, fill))).collect(),
        other => other.clone(),
    }
}

fn each_text(value: &Value, tell: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => tell(text),
        Value::Array(list) => list.iter().for_each(|it| each_text(it, tell)),
        Value::Object(map) => map.values().for_each(|it| each_text(it, tell)),
        _ => {}
    }
}
