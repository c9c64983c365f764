//! Sources of figures as plain data with knobs: a Prometheus, a Graphite, and a document of JSON, which all tell the same.

use axum::extract::Query;
use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Method, Request, Response, Uri};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The most points of a series that Prometheus gives at once.
const MOST: i64 = 11_000;

/// What there is to be asked.
#[derive(Debug, Default)]
pub struct Figures {
    /// Each figure by its name, as it was set, and from which second on. The first holds for all time before, too.
    noted: BTreeMap<String, Vec<(i64, Noted)>>,
    /// What the next request is answered with instead.
    fault: Option<Fault>,
    amiss: Vec<String>,
    /// What was marked at Graphite.
    events: Vec<Value>,
    /// How the markers begin that Graphite refuses; with nothing it takes none at all.
    refused: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Noted {
    Figure(f64),
    Nothing,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Html,
    Late,
    Half,
    Status(u16),
}

impl Figures {
    /// Whether one of its sources is asked.
    pub fn is_asked(uri: &Uri) -> bool {
        matches!(uri.host(), Some("prometheus.example" | "graphite.example" | "stats.example"))
    }

    /// Carries out a stage direction; false if it is none of the figures'.
    pub fn direct(&mut self, direction: &str, now: DateTime<Utc>) -> bool {
        if let Some(marked) = direction.strip_prefix("Graphite's events are: ") {
            let is_so = self.are_marked(marked);
            if !is_so {
                self.amiss.push(format!("Graphite's events are {:?}", self.events));
            }
            return true;
        }
        let words: Vec<_> = direction.split(' ').collect();
        match words[..] {
            ["Graphite", "takes", "no", "markers"] => self.refused = Some(String::new()),
            ["Graphite", "takes", "every", "marker"] => self.refused = None,
            ["Graphite", "takes", "every", "marker", "but", act] => self.refused = Some(format!("{act} ")),
            ["the", "figure", name, "is", value] => {
                let noted =
                    if value == "missing" { Some(Noted::Nothing) } else { value.parse().ok().map(Noted::Figure) };
                let Some(noted) = noted else { return false };
                self.noted.entry(name.to_owned()).or_default().push((now.timestamp(), noted));
            }
            ["the", "figures'", "next", "answer", "is", "HTML"] => self.fault = Some(Fault::Html),
            ["the", "figures'", "next", "answer", "is", "cut", "off"] => self.fault = Some(Fault::Half),
            ["the", "figures'", "next", "answer", "is", "late"] => self.fault = Some(Fault::Late),
            ["the", "figures'", "next", "answer", "is", status] => match status.parse() {
                Ok(status) => self.fault = Some(Fault::Status(status)),
                Err(_) => return false,
            },
            _ => return false,
        }
        true
    }

    /// Whether the next answer comes too late; the one after it does not.
    pub fn is_slow(&mut self) -> bool {
        let is_slow = matches!(self.fault, Some(Fault::Late));
        self.fault = self.fault.take().filter(|_| !is_slow);
        is_slow
    }

    /// Answers a request.
    pub fn answer(&mut self, request: &Request<Bytes>) -> Response<Bytes> {
        let asked = Query::<BTreeMap<String, String>>::try_from_uri(request.uri());
        let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
        let text = |name: &str| asked.get(name).cloned().unwrap_or_default();
        let number = |name: &str| text(name).parse::<i64>().unwrap_or_default();
        let (status, body) = match request.uri().path() {
            "/api/v1/query" => self.instant(&text("query"), number("time")),
            "/api/v1/query_range" => self.range(&text("query"), number("start"), number("end"), number("step")),
            "/render" => self.render(&text("target"), number("from"), number("until")),
            "/today.json" => (200, json!({ "orders": { "count": self.now("orders"), "by": "@everyone" } })),
            path @ ("/staging.json" | "/production.json") => {
                let environment = path.trim_start_matches('/').trim_end_matches(".json");
                (200, json!({ "orders": { "count": self.now(&format!("orders.{environment}")) } }))
            }
            "/events/get_data" => (200, self.events(number("from"), number("until"))),
            "/events/" if request.method() == Method::POST => self.mark(request.body()),
            path => {
                self.amiss.push(format!("{path} was asked for"));
                (404, json!({}))
            }
        };
        let (status, body) = match self.fault.take() {
            _ if status == 0 => (400, "<html><body><h1>Bad function</h1><script>x</script></body></html>".to_owned()),
            None | Some(Fault::Late) => (status, body.to_string()),
            Some(Fault::Html) => (502, "<!DOCTYPE html><title>Bad gateway</title>".to_owned()),
            Some(Fault::Half) => (200, body.to_string().chars().take(40).collect()),
            Some(Fault::Status(status)) => (status, String::new()),
        };
        Response::builder().status(status).body(body.into()).unwrap_or_default()
    }

    /// The events between two seconds, both left out.
    fn events(&self, from: i64, until: i64) -> Value {
        let within = |event: &&Value| event["when"].as_i64().is_some_and(|when| from < when && when < until);
        self.events.iter().filter(within).cloned().collect()
    }

    fn mark(&mut self, body: &[u8]) -> (u16, Value) {
        let event = serde_json::from_slice::<Value>(body).unwrap_or_default();
        let fits = event["what"].is_string() && event["when"].is_i64() && event["tags"].is_string();
        match self.refused.as_deref() {
            Some("") => return (403, json!({ "detail": "<b>read-only</b> @everyone" })),
            Some(act) if event["what"].as_str().is_some_and(|what| what.starts_with(act)) => return (400, json!({})),
            _ => {}
        }
        if self.events.contains(&event) {
            self.amiss.push(format!("{event} was marked twice"));
        }
        self.events.push(event);
        (if fits { 200 } else { 400 }, json!({}))
    }

    /// Carries out the direction that says what is marked: false if it is something else.
    fn are_marked(&self, marked: &str) -> bool {
        let events: Vec<_> = self.events.iter().filter_map(|event| event["what"].as_str()).collect();
        events.join("; ") == marked
    }

    /// What a figure is at a second: a little more or less by the minute.
    fn at(&self, name: &str, second: i64) -> Option<f64> {
        let rows = self.noted.get(name)?;
        let noted = rows.iter().rev().find(|(since, _)| *since <= second).or(rows.first())?;
        match noted.1 {
            Noted::Figure(figure) => Some(figure * (1.0 + ((second / 60) % 3 - 1) as f64 / 100.0)),
            Noted::Nothing => None,
        }
    }

    /// What it was set to last.
    fn now(&self, name: &str) -> Value {
        match self.noted.get(name).and_then(|rows| rows.last()) {
            Some((_, Noted::Figure(figure))) => json!(figure),
            _ => Value::Null,
        }
    }

    /// The figures that a query means: `latency`, or each of those in `by_server(latency)`.
    fn meant(&self, query: &str) -> Vec<(Value, String)> {
        match query.strip_prefix("by_server(").and_then(|rest| rest.strip_suffix(')')) {
            Some(name) => {
                (1..=7).map(|server| (json!({ "instance": format!("web{server}") }), name.to_owned())).collect()
            }
            None if self.noted.contains_key(query) => vec![(json!({}), query.to_owned())],
            None => Vec::new(),
        }
    }

    fn instant(&self, query: &str, time: i64) -> (u16, Value) {
        if query.ends_with('(') {
            return refused("1:5: parse error: unclosed left parenthesis");
        }
        let one = |(number, (metric, name)): (usize, (Value, String))| {
            let figure = self.at(&name, time)? * (1.0 + number as f64);
            Some(json!({ "metric": metric, "value": [time, shown(figure)] }))
        };
        let result: Vec<_> = self.meant(query).into_iter().enumerate().filter_map(one).collect();
        (200, json!({ "status": "success", "data": { "resultType": "vector", "result": result } }))
    }

    fn range(&self, query: &str, start: i64, end: i64, step: i64) -> (u16, Value) {
        if query.ends_with('(') {
            return refused("1:5: parse error: unclosed left parenthesis");
        }
        if (end - start) / step.max(1) > MOST {
            return refused("exceeded maximum resolution of 11,000 points per timeseries.");
        }
        let steps = || (start..=end).step_by(usize::try_from(step.max(1)).unwrap_or(1));
        let one = |(number, (metric, name)): (usize, (Value, String))| {
            let figure = |at| self.at(&name, at).map(|figure| json!([at, shown(figure * (1.0 + number as f64))]));
            let values: Vec<_> = steps().filter_map(figure).collect();
            (!values.is_empty()).then(|| json!({ "metric": metric, "values": values }))
        };
        let result: Vec<_> = self.meant(query).into_iter().enumerate().filter_map(one).collect();
        (200, json!({ "status": "success", "data": { "resultType": "matrix", "result": result } }))
    }

    /// What Graphite answers; 0 for what it does not understand.
    fn render(&self, target: &str, from: i64, until: i64) -> (u16, Value) {
        if target.contains("nosuch(") {
            return (0, Value::Null);
        }
        let points: Vec<_> =
            (from / 60 * 60 + 60..=until).step_by(60).map(|at| json!([self.at(target, at), at])).collect();
        let found = self.noted.contains_key(target).then(|| json!({ "target": target, "datapoints": points }));
        (200, found.into_iter().collect())
    }

    /// What was asked of it that nobody should ask.
    pub fn amiss(&self) -> Vec<String> {
        self.amiss.clone()
    }
}

/// A figure as Prometheus writes it.
fn shown(figure: f64) -> String {
    match figure {
        figure if figure.is_nan() => "NaN".to_owned(),
        figure if figure.is_infinite() => (if figure > 0.0 { "+Inf" } else { "-Inf" }).to_owned(),
        figure => figure.to_string(),
    }
}

fn refused(error: &str) -> (u16, Value) {
    (400, json!({ "status": "error", "errorType": "bad_data", "error": error }))
}
