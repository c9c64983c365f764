//! How a probe is written in the config.

use super::Probe;
use config::Section;
use std::ops::RangeInclusive;
use std::path::Path;

const KINDS: [&str; 4] = ["icmp", "tcp", "http", "program"];

impl Probe {
    /// Reads it from the keys `kind`, `host`, `address`, `url`, `expect`, `contains` and `program` of a section, noting
    /// every mistake; `folder` is where a program runs. What `kind` does without saying is HTTP.
    pub fn read(section: &Section<'_>, folder: &Path) -> Option<Probe> {
        let kind = match section.has("kind") {
            true => section.choice("kind", &KINDS)?,
            false => "http".to_owned(),
        };
        Some(match kind.as_str() {
            "icmp" => Probe::Icmp { host: host(section)? },
            "tcp" => Probe::Tcp { address: address(section)? },
            "program" => {
                let argv = section.required_texts("program");
                Probe::Program { argv: (!argv.is_empty()).then_some(argv)?, folder: folder.to_owned() }
            }
            _ => Probe::Http { url: url(section)?, expect: statuses(section), contains: section.text("contains") },
        })
    }

    /// The same, with `fill` put over every text of it, and `fill_address` over what is an address of the web.
    pub fn filled(&self, fill: impl Fn(&str) -> String, fill_address: impl Fn(&str) -> String) -> Probe {
        match self {
            Probe::Icmp { host } => Probe::Icmp { host: fill(host) },
            Probe::Tcp { address } => Probe::Tcp { address: fill(address) },
            Probe::Http { url, expect, contains } => {
                Probe::Http { url: fill_address(url), expect: expect.clone(), contains: contains.as_deref().map(fill) }
            }
            Probe::Program { argv, folder } => {
                Probe::Program { argv: argv.iter().map(|word| fill(word)).collect(), folder: folder.clone() }
            }
        }
    }

    /// Where it looks, each text with its key: what tells one place of a service from another.
    pub fn texts(&self) -> Vec<(&'static str, &str)> {
        match self {
            Probe::Icmp { host } => vec![("host", host)],
            Probe::Tcp { address } => vec![("address", address)],
            Probe::Http { url, contains, .. } => {
                let contains = contains.as_deref().map(|text| ("contains", text));
                std::iter::once(("url", url.as_str())).chain(contains).collect()
            }
            Probe::Program { argv, .. } => argv.iter().map(|word| ("program", word.as_str())).collect(),
        }
    }
}

fn host(section: &Section<'_>) -> Option<String> {
    let host = section.required_text("host");
    let good = !host.starts_with('-') && !host.contains(|letter: char| letter.is_whitespace() || letter == '/');
    if !good {
        section.problem("host", "this is no host", "write a name or an address, as in `db.example` or `192.0.2.7`");
    }
    (good && !host.is_empty()).then_some(host)
}

fn address(section: &Section<'_>) -> Option<String> {
    let address = section.required_text("address");
    let good = address.rsplit_once(':').is_some_and(|(host, port)| {
        let bare = !host.contains(':') || (host.starts_with('[') && host.ends_with(']'));
        bare && !host.is_empty() && (port.parse::<u16>().is_ok_and(|port| port > 0) || port.starts_with('{'))
    });
    if !good && !address.is_empty() {
        let instead = "write a host and a port, as in `db.example:5432` or `[2001:db8::7]:5432`";
        section.problem("address", "this is no address to connect to", instead);
    }
    good.then_some(address)
}

fn url(section: &Section<'_>) -> Option<String> {
    let url = section.required_text("url");
    let good = url.starts_with("http://") || url.starts_with("https://");
    if !good && !url.is_empty() {
        section.problem("url", "this is no address that Deckhand can read", "begin it with `http://` or `https://`");
    }
    good.then_some(url)
}

/// `expect = ["200", "300-399"]`.
fn statuses(section: &Section<'_>) -> Vec<RangeInclusive<u16>> {
    let mut good = Vec::new();
    for text in section.texts("expect") {
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        match (first.trim().parse::<u16>(), last.trim().parse::<u16>()) {
            (Ok(first @ 100..=599), Ok(last @ 100..=599)) if first <= last => good.push(first..=last),
            _ => {
                let what = format!("{} is no status of HTTP", config::quoted(&text));
                section.problem("expect", what, "write for example `expect = [\"200\", \"300-399\"]`");
            }
        }
    }
    if good.is_empty() { vec![200..=299] } else { good }
}
