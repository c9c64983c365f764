//! The body of a request: JSON, or a form with JSON and files.

use serde_json::Value;

/// What a request brings.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Body {
    /// Its JSON; null without one.
    pub json: Value,
    /// Its files, by the number in their fields' names.
    pub files: Vec<File>,
}

/// An uploaded file.
#[derive(Debug, Clone, PartialEq)]
pub struct File {
    /// The number in the name of its field, as in `files[0]`.
    pub number: usize,
    /// Its name.
    pub name: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

/// Reads a body of this content type; nothing when it can not be read.
pub fn read(content_type: &str, bytes: &[u8]) -> Option<Body> {
    if bytes.is_empty() {
        return Some(Body::default());
    }
    match content_type.strip_prefix("multipart/form-data") {
        Some(rest) => form(rest.split_once("boundary=")?.1.trim_matches('"'), bytes),
        None => Some(Body { json: serde_json::from_slice(bytes).ok()?, files: Vec::new() }),
    }
}

/// Reads `multipart/form-data` (RFC 7578).
fn form(boundary: &str, bytes: &[u8]) -> Option<Body> {
    let fence = format!("--{boundary}");
    let mut rest = &bytes[find(bytes, fence.as_bytes())? + fence.len()..];
    let fence = format!("\r\n{fence}");
    let mut body = Body::default();
    while let Some(part) = rest.strip_prefix(b"\r\n") {
        let end = find(part, fence.as_bytes())?;
        let (part, after) = (&part[..end], &part[end + fence.len()..]);
        let head = find(part, b"\r\n\r\n")?;
        let (head, content) = (std::str::from_utf8(&part[..head]).ok()?, &part[head + 4..]);
        let name = parameter(head, "name")?;
        if name == "payload_json" {
            body.json = serde_json::from_slice(content).ok()?;
        } else {
            let number = name.strip_prefix("files[")?.strip_suffix(']')?.parse().ok()?;
            body.files.push(File { number, name: parameter(head, "filename")?, bytes: content.to_vec() });
        }
        rest = after;
    }
    rest.starts_with(b"--").then_some(body)
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

/// A quoted parameter of a part's head.
fn parameter(head: &str, name: &str) -> Option<String> {
    let disposition = head.lines().find(|line| line.to_ascii_lowercase().starts_with("content-disposition:"))?;
    let value = disposition.split("; ").find_map(|part| part.strip_prefix(name)?.strip_prefix('='))?;
    Some(value.trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Body, File, read};
    use serde_json::json;

    #[test]
    fn bodies_are_read() {
        let file = File { number: 0, name: "a.txt".to_owned(), bytes: b"one\r\n--two".to_vec() };
        let form = "--x\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n{\"a\":1}\r\n--x\r\n\
                    Content-Disposition: form-data; name=\"files[0]\"; filename=\"a.txt\"\r\n\
                    Content-Type: text/plain\r\n\r\none\r\n--two\r\n--x--\r\n";
        for (kind, bytes, expected) in [
            ("application/json", "", Some(Body::default())),
            ("application/json", "{\"a\":1}", Some(Body { json: json!({ "a": 1 }), files: Vec::new() })),
            ("application/json", "{", None),
            ("multipart/form-data; boundary=x", form, Some(Body { json: json!({ "a": 1 }), files: vec![file] })),
            ("multipart/form-data; boundary=y", form, None),
            ("multipart/form-data; boundary=x", &form[..form.len() - 20], None),
        ] {
            assert_eq!(read(kind, bytes.as_bytes()), expected, "{kind} {bytes}");
        }
    }
}
