//! What the operator wrote about applications: how many requests a token is good for, and which pages may ask.

use config::{Section, quoted};

/// Requests a second that a token is good for, where the config does not say.
const RATE: u32 = 1_000;

/// What `[flags.serve]` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Requests a second that each token is good for.
    pub rate: u32,
    /// The origins whose pages may ask from a browser; `*` is any.
    pub origins: Vec<String>,
    /// Where applications reach Deckhand, without a slash at its end, where a proxy stands under a path of its own.
    pub url: Option<String>,
}

impl Settings {
    /// Reads the table `serve` of `[flags]`, noting every mistake.
    pub fn read(section: Option<Section<'_>>) -> Settings {
        let Some(section) = section else { return Settings { rate: RATE, origins: Vec::new(), url: None } };
        let rate = section.integer("rate", 1..=1_000_000).and_then(|rate| u32::try_from(rate).ok());
        let settings = Settings {
            rate: rate.unwrap_or(RATE),
            origins: origins(&section),
            url: section.url("url").map(|url| url.trim_end_matches('/').to_owned()),
        };
        section.finish();
        settings
    }

    /// Whether a page of this origin may ask.
    pub fn allows(&self, origin: &str) -> bool {
        self.origins.iter().any(|allowed| allowed == "*" || allowed.eq_ignore_ascii_case(origin))
    }
}

fn origins(section: &Section<'_>) -> Vec<String> {
    let origins = section.texts("origins");
    for origin in origins.iter().filter(|origin| *origin != "*" && !is_origin(origin)) {
        let what = format!("{} is no origin, which is all that a browser tells of a page", quoted(origin));
        section.problem("origins", what, "write `https://shop.example.com`, without a path, or `*`");
    }
    origins
}

/// Whether this is a scheme, a host and perhaps a port, as browsers send them.
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '[' | ']');
    !host.is_empty() && host.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_what_a_browser_sends() {
        for (text, is) in [
            ("https://shop.example.com", true),
            ("http://localhost:3000", true),
            ("http://[::1]:3000", true),
            ("https://shop.example.com/", false),
            ("https://shop.example.com/cart", false),
            ("shop.example.com", false),
            ("https://", false),
            ("https://a b", false),
            ("null", false),
        ] {
            assert_eq!(is_origin(text), is, "{text}");
        }
    }
}
