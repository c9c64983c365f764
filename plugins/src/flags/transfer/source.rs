//! Where files come from: what Deckhand has written itself, and addresses that the operator allows.

use crate::flags::Flags;
use bytes::Bytes;
use commands::cx::Cx;
use commands::stop::{Result, Stop};
use commands::text;
use config::{Section, quoted};
use http::Uri;
use std::time::Duration;

/// The longest file, in bytes.
pub const LONGEST: usize = 8 * 1024 * 1024;

/// How long a file may take to come.
const PATIENCE: Duration = Duration::from_secs(20);

/// Reads the addresses below which files may be fetched, noting every mistake.
pub fn read_places(section: &Section<'_>) -> Vec<String> {
    let places = if section.has("import_from") { section.required_texts("import_from") } else { Vec::new() };
    for place in places.iter().filter(|place| parts(place).is_none() || !place.ends_with('/')) {
        let what = format!("{} is no address of a folder", quoted(place));
        section.problem("import_from", what, "write one with a `/` at its end: \"https://files.example.com/flags/\"");
    }
    places
}

/// The scheme with the host, and the path, of an address that means nothing but what it looks like.
fn parts(address: &str) -> Option<(String, String)> {
    let uri: Uri = address.parse().ok()?;
    let (scheme, host) = (uri.scheme_str()?, uri.authority()?.as_str());
    let odd = ["..", "//", "\\", "%"].iter().any(|odd| uri.path().contains(odd));
    let plain = ["http", "https"].contains(&scheme) && !host.contains('@') && !odd;
    plain.then(|| (format!("{scheme}://{}", host.to_ascii_lowercase()), uri.path().to_owned()))
}

fn is_below(address: &str, place: &str) -> bool {
    let (Some((host, path)), Some((place_host, place_path))) = (parts(address), parts(place)) else { return false };
    host == place_host && path.starts_with(&place_path)
}

impl Flags {
    /// A whole file, by what somebody said.
    pub(super) async fn file(&self, cx: &Cx, from: &str) -> Result<String> {
        let text = match from.contains("://") {
            true => String::from_utf8_lossy(&self.fetched(cx, from).await?).into_owned(),
            false => kept(cx, from).await?,
        };
        if text.len() > LONGEST {
            return Err(Stop::refuse(format!(
                "{} has more than {} MiB, so nothing was read. Split it: `/flag export like:…` writes a part.",
                text::code(&text::cut(from, 60)),
                LONGEST >> 20
            )));
        }
        Ok(text)
    }

    async fn fetched(&self, cx: &Cx, from: &str) -> Result<Bytes> {
        let places = &self.settings.import_from;
        if !places.iter().any(|place| is_below(from, place)) {
            let instead = match &places[..] {
                [] => "The config allows no address yet: `import_from` of `[flags]` names them.".to_owned(),
                some => format!("Files come from {}.", text::list(some)),
            };
            return Err(Stop::refuse(format!(
                "{} is no address that the config allows, so nothing was fetched. {instead}",
                text::code(&text::cut(from, 60))
            )));
        }
        let shown = text::code(&text::cut(from, 60));
        let request = http::Request::get(from).body(Bytes::new()).map_err(anyhow::Error::from)?;
        let answer = cx.ports().http.read(request, PATIENCE, LONGEST + 1).await;
        match answer {
            Ok(answer) if answer.status().is_success() => Ok(answer.into_body()),
            Ok(answer) => {
                Err(Stop::refuse(format!("{shown} answers {}, so nothing was read.", answer.status().as_u16())))
            }
            Err(error) => Err(Stop::refuse(format!(
                "{shown} can not be fetched: {}. Nothing was read.",
                text::plain(&format!("{error:#}"))
            ))),
        }
    }
}

/// A file that an export has written.
async fn kept(cx: &Cx, from: &str) -> Result<String> {
    let plain = from.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.'));
    let found = match plain && from.starts_with("flags-") && from.ends_with(".json") {
        true => cx.ports().files.picture(from).await?,
        false => None,
    };
    let bytes = found.ok_or_else(|| {
        Stop::refuse(format!(
            "There is no file {} of an export, or it is too old. Nothing was read. Say the name of one that `/flag export` has written, or an address.",
            text::code(&text::cut(from, 60))
        ))
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_below_an_allowed_address_is_fetched() {
        let place = "https://files.example.com/flags/";
        for (address, below) in [
            ("https://files.example.com/flags/unleash.json", true),
            ("https://FILES.example.com/flags/a/b.json?x=1", true),
            ("http://files.example.com/flags/a.json", false),
            ("https://files.example.com/other/a.json", false),
            ("https://files.example.com/flags/../secret", false),
            ("https://files.example.com/flags/%2e%2e/secret", false),
            ("https://files.example.com.evil.example/flags/a", false),
            ("https://files.example.com@evil.example/flags/a", false),
            ("https://files.example.com:8443/flags/a", false),
            ("https://169.254.169.254/latest/meta-data", false),
            ("file:///etc/passwd", false),
            ("https:files.example.com/flags/a", false),
        ] {
            assert_eq!(is_below(address, place), below, "{address}");
        }
    }
}
