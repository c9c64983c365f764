//! Any document of JSON over HTTP: a query is a path and a JSON pointer, `/stats/today.json#/orders/count`.

use super::endpoint::Endpoint;
use super::{Answer, Query, Source};
use crate::metrics::series::{Point, Series};
use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use commands::cx::Ports;
use commands::text;
use config::Section;
use serde_json::Value;
use std::path::Path;
use std::sync::Arc;

struct Document {
    endpoint: Endpoint,
    /// Whether measures of it may be defined in chat.
    is_open: bool,
}

/// Reads `url`, `authorization`, `timeout` and `define`.
pub(super) fn read(section: &Section<'_>, _folder: &Path) -> Option<Arc<dyn Source>> {
    // With a password, whoever may define could look at whatever lies there.
    let is_open = section.boolean("define").unwrap_or(!section.has("authorization"));
    Some(Arc::new(Document { endpoint: Endpoint::read(section)?, is_open }))
}

/// The path, and the pointer.
fn parts(query: &str) -> Option<(&str, &str)> {
    let (path, pointer) = query.split_once('#')?;
    let good = (path.is_empty() || path.starts_with('/'))
        && (pointer.is_empty() || pointer.starts_with('/'))
        && path.bytes().all(|byte| byte.is_ascii_graphic())
        // The folder of the address is not left.
        && !path.to_ascii_lowercase().replace("%2e", ".").contains("..");
    good.then_some((path, pointer))
}

#[async_trait]
impl Source for Document {
    fn letters(&self) -> &'static str {
        "-_."
    }

    fn mistake(&self, query: &str) -> Option<(String, String)> {
        let instead = "write a path and a JSON pointer behind a `#`, as in `/stats.json#/orders/count`";
        parts(query).is_none().then(|| ("this leads to nothing in a document".to_owned(), instead.to_owned()))
    }

    fn remembers(&self) -> bool {
        false
    }

    fn is_open(&self) -> bool {
        self.is_open
    }

    async fn at(&self, ports: &Ports, query: &Query, at: DateTime<Utc>) -> Result<Answer, String> {
        let parts = parts(&query.text);
        let (path, pointer) = parts.ok_or_else(|| format!("can not be asked for {}", text::code(&query.text)))?;
        let heard = self.endpoint.get(ports, if path.is_empty() { "/" } else { path }).await?;
        if !heard.status.is_success() {
            return Err(format!("answers {} at {}", heard.status.as_u16(), text::code(path)));
        }
        let document: Value = heard.json("JSON")?;
        let nothing = || format!("has nothing at {} of {}", text::code(pointer), text::code(path));
        let found = document.pointer(pointer).filter(|found| !found.is_null()).ok_or_else(nothing)?;
        let number = found.as_f64().or_else(|| found.as_str()?.trim().parse().ok());
        let value = number.ok_or_else(|| format!("has no number at {}, but {}", text::code(pointer), kind(found)))?;
        let series = Series { name: String::new(), points: vec![Point { at, value }] };
        Ok(Answer::of(vec![series], TimeDelta::minutes(1), query))
    }
}

/// What something is. What it says may be nobody's business here.
fn kind(found: &Value) -> &'static str {
    match found {
        Value::Null => "nothing",
        Value::Bool(_) => "a yes or no",
        Value::Number(_) => "a number too large",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
