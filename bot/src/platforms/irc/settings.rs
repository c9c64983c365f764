//! `[chat.irc.NETWORK]` of the config: each network is a platform of its own, under its name.

use crate::gate::people::CONSOLE;
use crate::platforms::discord;
use config::{Config, Problems, Section, quoted};
use std::path::PathBuf;
use std::time::Duration;

/// What the operator wrote about one network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The network's name: that of the platform.
    pub network: String,
    /// The server's host.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether the link is encrypted.
    pub tls: bool,
    /// A file with the certificates of authorities to trust instead of the usual ones.
    pub ca: Option<PathBuf>,
    /// Files with our own certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// The nick that is wanted.
    pub nick: String,
    /// The user's name.
    pub user: String,
    /// How to log in to the network's services.
    pub sasl: Option<Sasl>,
    /// The channels to join, with their keys.
    pub channels: Vec<(String, Option<String>)>,
    /// What makes somebody a person.
    pub identity: Identity,
    /// Whether titles are coloured.
    pub colours: bool,
    /// How many lines may be sent at once, and how long one takes after that.
    pub flood: (u32, Duration),
}

/// How to log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sasl {
    /// With an account and its password.
    Plain {
        /// The account.
        account: String,
        /// Its password.
        password: String,
    },
    /// With our own certificate.
    External,
}

/// What makes somebody a person: a nick proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The account that they are logged in to.
    Account,
    /// The fingerprint of their certificate.
    Certificate,
}

impl Identity {
    /// What somebody can do whom the network does not vouch for.
    pub fn way_in(self) -> &'static str {
        match self {
            Identity::Account => {
                "A nick proves nothing, and the network does not say who you are. Log in to its services (`/msg NickServ IDENTIFY …`), and say it again."
            }
            Identity::Certificate => {
                "A nick proves nothing, and the network shows no certificate of yours. Connect with it, and say it again."
            }
        }
    }
}

/// Reads every `[chat.irc.NETWORK]`.
pub fn read(config: &Config, problems: &Problems) -> Vec<Settings> {
    let Some(chat) = config.section("chat", problems) else { return Vec::new() };
    chat.tables(super::SECTION).into_iter().map(|(name, section)| network(config, problems, &name, section)).collect()
}

fn network(config: &Config, problems: &Problems, name: &str, section: Section) -> Settings {
    let reserved = [CONSOLE, discord::NAME, "roles", super::SECTION, "ready"];
    let is_name = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && name.len() <= 30;
    if !is_name || reserved.contains(&name) {
        let what = format!("{} can not be the name of a network", quoted(name));
        section.problem("address", what, "write one of a-z, 0-9 and `-`, as in `[chat.irc.libera]`");
    }
    let tls = section.boolean("tls").unwrap_or(true);
    let (host, port) = address(&section, tls);
    let identity = match section.choice("identity", &["account", "certificate"]).as_deref() {
        Some("certificate") => Identity::Certificate,
        _ => Identity::Account,
    };
    let nick = section.required_text("nick");
    if !nick.is_empty() && !is_nick(&nick) {
        let what = format!("{} is no nick", quoted(&nick));
        section.problem("nick", what, "write up to 30 letters, digits and `_-[]{}|^`, a letter first");
    }
    let certificate = certificate(&section, tls);
    let settings = Settings {
        network: name.to_owned(),
        user: section.text("user").unwrap_or_else(|| nick.to_lowercase().chars().take(10).collect()),
        sasl: sasl(&section, &nick, certificate.is_some(), tls || config::address::is_here(&host)),
        channels: channels(&section),
        colours: section.boolean("colours").unwrap_or(false),
        flood: flood(&section),
        ca: section.path("ca"),
        host,
        port,
        tls,
        certificate,
        nick,
        identity,
    };
    if !settings.user.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') || settings.user.is_empty() {
        section.problem("user", "this is no user's name", "write up to 10 letters and digits");
    }
    section.finish();
    check_ids(config, problems, &settings);
    settings
}

fn address(section: &Section, tls: bool) -> (String, u16) {
    let usual = if tls { 6697 } else { 6667 };
    let address = section.required_text("address");
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.starts_with('[') => (host, port.parse().ok()),
        _ => (&*address, Some(usual)),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let good = !host.is_empty() && !host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
    match port.filter(|port| good && *port > 0) {
        Some(port) => (host, port),
        None => {
            if !address.is_empty() {
                let what = format!("{} is no address of a server", quoted(&address));
                section.problem("address", what, format!("write a host and a port, as in `irc.libera.chat:{usual}`"));
            }
            (host, usual)
        }
    }
}

fn certificate(section: &Section, tls: bool) -> Option<(PathBuf, PathBuf)> {
    match (section.path("certificate"), section.path("key")) {
        (None, None) => None,
        (Some(_), _) if !tls => {
            section.problem("certificate", "without TLS nobody ever sees it", "take it out, or `tls = false`");
            None
        }
        (Some(certificate), key) => Some((certificate.clone(), key.unwrap_or(certificate))),
        (None, Some(_)) => {
            section.problem("key", "it is of no use without a certificate", "write `certificate = \"deckhand.pem\"`");
            None
        }
    }
}

fn sasl(section: &Section, nick: &str, certificate: bool, private: bool) -> Option<Sasl> {
    let (account, password) = (section.text("account"), section.text("password"));
    match section.choice("sasl", &["plain", "external"]).as_deref() {
        Some("plain") => {
            if password.is_none() {
                section.problem("sasl", "it needs a password", "write `password = \"${file:irc.password}\"`");
            }
            if !private {
                section.problem(
                    "sasl",
                    "without TLS everybody on the way could read the password",
                    "take out `tls = false`",
                );
            }
            Some(Sasl::Plain { account: account.unwrap_or_else(|| nick.to_owned()), password: password? })
        }
        Some(_) => {
            if !certificate {
                section.problem("sasl", "it needs a certificate", "write `certificate = \"deckhand.pem\"`");
            }
            Some(Sasl::External)
        }
        None => {
            for (key, given) in [("account", account), ("password", password)] {
                if given.is_some() {
                    section.problem(key, "it is of no use without `sasl`", "write `sasl = \"plain\"`");
                }
            }
            None
        }
    }
}

fn channels(section: &Section) -> Vec<(String, Option<String>)> {
    let mut channels: Vec<(String, Option<String>)> = Vec::new();
    for text in section.required_texts("channels") {
        let (name, key) = text.split_once(' ').map_or((&*text, None), |(name, key)| (name, Some(key.to_owned())));
        if !is_channel(name) {
            let what = format!("{} is no channel", quoted(name));
            section.problem("channels", what, "write one as in `#ops`, with its key after a space where it has one");
        } else if key.as_ref().is_some_and(|key| key.is_empty() || key.contains([' ', ',', ':'])) {
            section.problem(
                "channels",
                format!("the key of {} is none", quoted(name)),
                "write it without spaces and commas",
            );
        } else if channels.iter().any(|(other, _)| other.eq_ignore_ascii_case(name)) {
            section.problem("channels", format!("{} stands there twice", quoted(name)), "take one out");
        }
        channels.push((name.to_owned(), key));
    }
    channels
}

fn flood(section: &Section) -> (u32, Duration) {
    let burst = section.integer("burst", 1..=100).unwrap_or(5);
    let pace = section.duration("pace").unwrap_or(Duration::from_secs(2));
    if pace > Duration::from_secs(10) {
        section.problem("pace", "an answer would take minutes", "write `10s` or less");
    }
    (u32::try_from(burst).unwrap_or(1), pace)
}

/// Notes what stands as an id of a person or a channel on this network and is none: it would never be met.
fn check_ids(config: &Config, problems: &Problems, settings: &Settings) {
    let name = &*settings.network;
    let each = |table: &str, key: &str, told: &dyn Fn(&str) -> Option<(String, &'static str)>| {
        let section = config.section(table, problems).and_then(|section| section.table(key));
        if let Some(section) = section
            && let Some((what, instead)) = section.text(name).and_then(|id| told(&id))
        {
            section.problem(name, what, instead);
        }
    };
    for person in config.people.keys() {
        each("people", person, &|id| match settings.identity {
            Identity::Account if !is_account(id) => {
                Some((format!("{} is no account", quoted(id)), "write the account's name alone, as in `ana`"))
            }
            Identity::Certificate if !is_fingerprint(id) => Some((
                format!("{} is no fingerprint", quoted(id)),
                "copy it from `/whois`: 40 to 128 of 0-9 and a-f, in small letters, without colons",
            )),
            _ => None,
        });
    }
    for room in config.rooms.keys() {
        each("channels", room, &|id| {
            let joined = settings.channels.iter().any(|(channel, _)| channel == id);
            (!joined).then(|| {
                (
                    format!("Deckhand is not in {} there", quoted(id)),
                    "write one of the network's `channels`, letter by letter",
                )
            })
        });
    }
}

/// Whether this is a nick: RFC 2812, 2.3.1.
fn is_nick(nick: &str) -> bool {
    let special = |c: char| "[]\\`_^{|}".contains(c);
    nick.len() <= 30
        && nick.starts_with(|c: char| c.is_ascii_alphabetic() || special(c))
        && nick.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || special(c))
}

/// Whether this is a channel. One with a slash in it would look like a thread.
fn is_channel(name: &str) -> bool {
    name.starts_with(['#', '&', '+', '!'])
        && (2..=50).contains(&name.len())
        && !name.contains(|c: char| c.is_control() || c.is_whitespace() || c == ',' || c == ':' || c == '/')
}

/// Whether this can be an account: nothing that a whole mask of somebody without one could be taken for.
fn is_account(id: &str) -> bool {
    !id.contains(|c: char| c.is_whitespace() || c.is_control() || "!@*,:/".contains(c))
}

fn is_fingerprint(id: &str) -> bool {
    (40..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "[people.ana]\nlibera = \"ana\"\n[channels.ops]\nlibera = \"#ops\"\n[chat.irc.libera]\naddress = \"irc.example:6697\"\nnick = \"deckhand\"\nchannels = [\"#ops\", \"#vault k3y\"]\n";

    fn problems(text: &str) -> (Vec<Settings>, String) {
        let (config, problems) = config::parse(text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
        let settings = read(&config, &problems);
        (settings, problems.to_string())
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let (settings, none) = problems(GOOD);
        assert_eq!(none, "");
        assert_eq!((settings[0].port, settings[0].tls, settings[0].flood.0), (6697, true, 5));
        assert_eq!(settings[0].channels[1], ("#vault".to_owned(), Some("k3y".to_owned())));
        let table = [
            ("irc.example:6697", "irc example", "6:"),
            ("\"deckhand\"", "\"9lives\"", "7:"),
            ("#vault k3y", "vault", "8:"),
            ("#vault k3y", "#OPS", "8:"),
            ("libera = \"ana\"", "libera = \"ana!a@b\"", "2:"),
            ("libera = \"#ops\"", "libera = \"#other\"", "4:"),
            ("nick =", "sasl = \"plain\"\nnick =", "7:"),
            ("nick =", "sasl = \"external\"\nnick =", "7:"),
            ("nick =", "identity = \"certificate\"\nnick =", "2:"),
            ("nick =", "tls = false\nsasl = \"plain\"\npassword = \"s3cr3t\"\nnick =", "8:"),
            ("nick =", "key = \"k.pem\"\nnick =", "7:"),
            ("nick =", "nic =", "7:"),
        ];
        for (good, bad, line) in table {
            let (_, told) = problems(&GOOD.replace(good, bad));
            assert!(told.contains(&format!("deckhand.toml:{line}")), "{bad}: {told:?}");
        }
    }
}
