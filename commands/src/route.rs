//! What programs, not people, may ask of Deckhand over HTTP: the routes that a plugin declares, and the answers it gives.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::sync::mpsc;

/// Something that programs may ask for, declared once, as data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// What it is called, alone of all routes of its plugin.
    pub name: &'static str,
    /// The method. `GET` answers `HEAD`, too.
    pub method: Method,
    /// The path, such as `/hooks/github` or `/flags/{name}`: a part in braces stands for any one part. Where several fit, the
    /// one that was declared first counts.
    pub path: String,
    /// The longest body that is read, in bytes. Whoever asks has proven nothing yet: no more than the protocol needs.
    pub longest: usize,
}

impl Route {
    /// What the parts in braces stand for in `path`, as they were sent; nothing where it is another path.
    pub fn fits<'a>(&self, path: &'a str) -> Option<BTreeMap<String, &'a str>> {
        let (wanted, given) = (self.path.split('/'), path.split('/'));
        if wanted.clone().count() != given.clone().count() {
            return None;
        }
        let mut found = BTreeMap::new();
        for (wanted, given) in wanted.zip(given) {
            match wanted.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !given.is_empty() => _ = found.insert(name.to_owned(), given),
                None if wanted == given => {}
                _ => return None,
            }
        }
        Some(found)
    }
}

/// What a program asks for. Nobody has looked at who it is: that is up to the plugin, before it reads anything else.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// What the parts in braces of the route's path stand for, as they were sent.
    pub parts: BTreeMap<String, String>,
    /// The request, whole. Its body is no longer than the route allows.
    pub request: http::Request<Bytes>,
}

impl Incoming {
    /// A header's value, where it is there and is plain text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.request.headers().get(name)?.to_str().ok()
    }
}

/// The answer to a program.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Body,
}

/// The body of an answer.
#[derive(Debug)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// Piece by piece, as they come; it ends when the sender is dropped. When the program has gone, sending fails.
    Flow(mpsc::Receiver<Bytes>),
}

impl Answer {
    /// Some JSON.
    pub fn json(status: StatusCode, body: &Value) -> Answer {
        let whole = Answer { status, headers: HeaderMap::new(), body: Body::Whole(Bytes::from(body.to_string())) };
        whole.header(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))
    }

    /// What was refused or went wrong, and what to do instead: a sentence or two for whoever looks at the program's log.
    pub fn refused(status: StatusCode, what: &str) -> Answer {
        Answer::json(status, &json!({ "error": what }))
    }

    /// A body that comes piece by piece.
    pub fn flow(kind: &'static str, pieces: mpsc::Receiver<Bytes>) -> Answer {
        let flow = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Body::Flow(pieces) };
        flow.header(header::CONTENT_TYPE, HeaderValue::from_static(kind))
    }

    /// The same with one more header.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Answer {
        self.headers.insert(name, value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_fits_part_by_part() {
        for (pattern, path, found) in [
            ("/hooks/github", "/hooks/github", Some("")),
            ("/hooks/github", "/hooks/github/", None),
            ("/hooks/github", "/hooks/GitHub", None),
            ("/hooks/github", "/hooks", None),
            ("/flags/{name}", "/flags/new-cart", Some("name=new-cart")),
            ("/flags/{name}", "/flags/..%2F", Some("name=..%2F")),
            ("/flags/{name}", "/flags/", None),
            ("/flags/{name}", "/flags/a/b", None),
            ("/{a}/x/{b}", "/1/x/2", Some("a=1 b=2")),
        ] {
            let route = Route { name: "it", method: Method::GET, path: pattern.to_owned(), longest: 0 };
            let told = |found: BTreeMap<String, &str>| {
                found.into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
            };
            assert_eq!(route.fits(path).map(told).as_deref(), found, "{pattern} and {path}");
        }
    }
}
