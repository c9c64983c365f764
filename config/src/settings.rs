//! The file setting by setting, as it stands there: so that what it says now can be told from what it said before.

use crate::duration;
use crate::tree::{Node, Table, Text, Tree, Value, in_quotes};
use crate::{Config, Place};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

/// The longest text that is shown, in bytes.
const LONGEST: usize = 100;

/// The longest word that is taken for one of those that a setting can be, as in `rolling`, in bytes.
const LONGEST_WORD: usize = 24;

/// What the name of a setting has in it that may be a secret, or what goes along with one.
const SECRETIVE: [&str; 12] =
    ["token", "secret", "pass", "pwd", "key", "credential", "auth", "cookie", "header", "salt", "signing", "dsn"];

/// Tables in which people write for programs what these want: anything.
const FOR_OTHERS: [&str; 5] = ["env", "variables", "body", "params", "inputs"];

/// The core's own settings whose texts are names, times and lines of commands: of the file, of a service, of a person, of a
/// rule.
const OF_FILE: [&str; 2] = ["environments", "timezone"];
const OF_SERVICE: [&str; 3] = ["owners", "depends_on", "about"];
const OF_PERSON: [&str; 2] = ["roles", "timezone"];
const OF_RULE: [&str; 7] = ["allow", "deny", "to", "in", "during", "approvers", "within"];

/// Sections whose tables are called as people like.
const NAMED: [&str; 4] = ["people", "roles", "rooms", "channels"];

/// Settings that are a file or a folder of this machine, by the end of their names.
const FILES: [&str; 4] = ["file", "folder", "repository", "directory"];

/// Parts of an address behind its host that are no secret: everything else may be, as with web hooks.
const PLAIN_PARTS: [&str; 9] = ["", "health", "healthz", "live", "ready", "status", "version", "metrics", "api"];

/// One setting of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The service in whose tables it stands.
    pub service: Option<String>,
    /// The names of the tables that it stands in, and its own; of a service's, below the table of the service.
    pub path: Vec<String>,
    /// What it says: each item of a list, and one of everything else. An empty table says `{}`.
    pub says: Vec<Said>,
    /// Whether that is a list.
    pub is_list: bool,
    /// Where it stands.
    pub place: Place,
}

/// A value as it stands in the file; what comes from outside stands there by its name, `${TOKEN}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The value, as TOML has it.
    pub text: String,
    /// Whether it can be shown: a number, a name, a time or a word, and under no name that is one of secrets.
    pub harmless: bool,
}

impl Config {
    /// The file, as it was named.
    pub fn file(&self) -> &Path {
        self.tree.file()
    }

    /// All settings, in the order of their names.
    pub fn settings(&self) -> Vec<Setting> {
        let names = self.environments.iter().chain(self.services.keys()).chain(self.people.keys());
        let names = names.chain(self.roles.keys()).chain(self.rooms.keys()).chain(&self.channels);
        let held = self.people.values().flat_map(|person| &person.roles);
        let names: BTreeSet<_> = names.chain(held).map(String::as_str).collect();
        let reader = Reader { tree: &self.tree, names, of_service: false };
        let mut settings = Vec::new();
        for (name, entry) in &self.tree.root.entries {
            match &entry.node.value {
                Value::Table(services) if name == "services" => {
                    let reader = Reader { names: reader.names.clone(), of_service: true, ..reader };
                    for (service, entry) in &services.entries {
                        reader.collect(Some(service), &mut Vec::new(), entry.key_at, &entry.node, &mut settings);
                    }
                }
                _ => reader.collect(None, &mut vec![name], entry.key_at, &entry.node, &mut settings),
            }
        }
        settings
    }
}

/// Takes the tree apart.
struct Reader<'a> {
    tree: &'a Tree,
    /// What the config gives names to.
    names: BTreeSet<&'a str>,
    /// Whether the paths begin below a service's table.
    of_service: bool,
}

impl<'a> Reader<'a> {
    fn collect(
        &self,
        service: Option<&str>,
        path: &mut Vec<&'a str>,
        at: usize,
        node: &'a Node,
        settings: &mut Vec<Setting>,
    ) {
        if let Value::Table(table) = &node.value
            && !table.entries.is_empty()
        {
            for (name, entry) in &table.entries {
                path.push(name);
                self.collect(service, path, entry.key_at, &entry.node, settings);
                path.pop();
            }
            return;
        }
        let said =
            |value: &Value, listed| Said { text: written(value), harmless: self.is_harmless(path, value, listed) };
        let (says, is_list) = match &node.value {
            Value::List(items) => (items.iter().map(|item| said(&item.value, true)).collect(), true),
            value => (vec![said(value, false)], false),
        };
        let path = path.iter().map(|name| (*name).to_owned()).collect();
        settings.push(Setting { service: service.map(str::to_owned), path, says, is_list, place: self.tree.place(at) });
    }

    /// Whether this can be no secret. What is in doubt is one.
    fn is_harmless(&self, path: &[&str], value: &Value, listed: bool) -> bool {
        let is_name = |at: usize| at == 1 && NAMED.contains(&path[0]);
        if path.iter().enumerate().any(|(at, name)| !is_name(at) && is_secretive(name)) {
            return false;
        }
        match value {
            Value::Boolean(_) | Value::Integer(_) | Value::Fraction(_) => true,
            Value::Text(text) => self.is_harmless_text(path, text, listed),
            Value::List(items) => items.iter().all(|item| self.is_harmless(path, &item.value, true)),
            Value::Table(Table { entries }) => entries.iter().all(|(name, entry)| {
                let path: Vec<_> = path.iter().copied().chain([name.as_str()]).collect();
                self.is_harmless(&path, &entry.node.value, false)
            }),
            Value::Other(_) | Value::Unknown => false,
        }
    }

    fn is_harmless_text(&self, path: &[&str], text: &Text, listed: bool) -> bool {
        let written = text.written();
        if text.is_from_outside() {
            // The name of what stands for it, and nothing beside it.
            return written.starts_with("${") && written.find('}') == Some(written.len() - 1);
        }
        // An item of a list may be an argument of a program, and that may be anything.
        let is_word = |text: &str| {
            text.len() <= LONGEST_WORD && text.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'-')
        };
        written.len() <= LONGEST
            && (is_open(path, self.of_service)
                || self.names.contains(written)
                || duration::parse(written).is_ok()
                || (!listed && (is_word(written) || is_file(path, written) || is_plain_place(written))))
    }
}

/// A value as TOML has it, on one line.
fn written(value: &Value) -> String {
    match value {
        Value::List(items) => format!("[{}]", all(items.iter().map(|item| written(&item.value)))),
        Value::Table(Table { entries }) if !entries.is_empty() => {
            format!(
                "{{ {} }}",
                all(entries.iter().map(|(name, entry)| format!("{} = {}", key(name), written(&entry.node.value))))
            )
        }
        other => other.written(),
    }
}

fn all(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

/// Whether what stands under this name may be a secret. The core's own names are in small letters.
fn is_secretive(name: &str) -> bool {
    FOR_OTHERS.contains(&name)
        || name.contains(|letter: char| letter.is_uppercase())
        || SECRETIVE.iter().any(|secret| name.contains(secret))
}

/// Whether this is a setting of the core's own whose texts are no secrets.
fn is_open(path: &[&str], of_service: bool) -> bool {
    match *path {
        [key] if of_service => OF_SERVICE.contains(&key),
        [key] => OF_FILE.contains(&key),
        ["people", _, key] => OF_PERSON.contains(&key),
        ["policy", key] => OF_RULE.contains(&key),
        _ => false,
    }
}

/// Whether this is a path of words to a file.
fn is_file(path: &[&str], text: &str) -> bool {
    let rest = ["./", "/"].iter().find_map(|begins| text.strip_prefix(begins));
    let of_file = path.last().is_some_and(|key| FILES.iter().any(|end| key.ends_with(end)));
    of_file && rest.is_some_and(|rest| rest.split('/').all(is_plain))
}

/// Whether this is an address with a port, or a web address: without a password, a query, or a part that could be a secret.
fn is_plain_place(text: &str) -> bool {
    if text.parse::<SocketAddr>().is_ok() {
        return true;
    }
    let Some(rest) = ["https://", "http://"].iter().find_map(|begins| text.strip_prefix(begins)) else { return false };
    let mut parts = rest.split('/');
    parts.next().is_some_and(is_plain) && parts.all(|part| PLAIN_PARTS.contains(&part))
}

/// Whether this is a short word, without so many digits as a token would have.
fn is_plain(part: &str) -> bool {
    let digits = part.bytes().filter(u8::is_ascii_digit).count();
    let is_address = digits > 0 && part.bytes().all(|it| it.is_ascii_digit() || b".:".contains(&it));
    part.len() <= LONGEST_WORD
        && (digits <= 5 || is_address)
        && part.bytes().all(|it| it.is_ascii_lowercase() || it.is_ascii_digit() || b".-_:{}".contains(&it))
}

/// A setting as it is written in its table: `limit = "3m"`.
pub fn line(name: &str, says: &[&str], is_list: bool) -> String {
    let value = match says {
        [one] if !is_list => (*one).to_owned(),
        items => format!("[{}]", items.join(", ")),
    };
    format!("{} = {value}", key(name))
}

/// Where a setting stands, as a table's heading has it: `services.hello.deploy`.
pub fn dotted<S: AsRef<str>>(path: &[S]) -> String {
    path.iter().map(|name| key(name.as_ref())).collect::<Vec<_>>().join(".")
}

/// A key as TOML wants it: in quotes, where it holds more than letters, digits, `_` and `-`.
fn key(name: &str) -> String {
    let bare = !name.is_empty() && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"_-".contains(&it));
    if bare { name.to_owned() } else { in_quotes(name) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each setting, with what can be shown of it.
    fn shown(text: &str) -> Vec<String> {
        let env = |name: &str| (name == "TOKEN").then(|| "hunter2".to_owned());
        let (config, _) = crate::parse(text, "deckhand.toml", Path::new("/srv"), &env);
        let show = |setting: &Setting| {
            let service = setting.service.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            let says = setting.says.iter().map(|said| if said.harmless { &*said.text } else { "(hidden)" });
            format!("{}:{service}{} {}", setting.place.line, dotted(&setting.path), says.collect::<Vec<_>>().join(" "))
        };
        config.settings().iter().map(show).collect()
    }

    #[test]
    fn every_setting_is_told_with_its_line_and_no_secret() {
        for (text, wanted) in [
            ("environments = [\"live\", \"test\"]", "1:environments \"live\" \"test\""),
            ("[incidents]", "1:incidents {}"),
            (
                "[deploy]\nlimit = \"3m\"\ntries = 5\nfast = true",
                "4:deploy.fast true|2:deploy.limit \"3m\"|3:deploy.tries 5",
            ),
            ("[services.\"api.v2\".deploy]\nstrategy = \"blue-green\"", "2:api.v2: deploy.strategy \"blue-green\""),
            ("[services.a.deploy]\ncommand = [\"ship\", \"-pswordfish\"]", "2:a: deploy.command (hidden) (hidden)"),
            ("[services.a.deploy]\ncontains = \"ok {commit}\"", "2:a: deploy.contains (hidden)"),
            (
                "[services.a]\nowners = [\"dan\"]\n[people.dan]\ndiscord = \"123456789012345678\"",
                "4:people.dan.discord (hidden)|2:a: owners \"dan\"",
            ),
            ("[chat.discord]\ntoken = \"swordfish\"", "2:chat.discord.token (hidden)"),
            ("[chat.discord]\ntoken = \"${TOKEN}\"", "2:chat.discord.token (hidden)"),
            ("[metrics]\nsource = \"${TOKEN}\"", "2:metrics.source \"${TOKEN}\""),
            ("[metrics]\nsource = \"hunter${TOKEN}\"", "2:metrics.source (hidden)"),
            ("[m]\npassword = 1234", "2:m.password (hidden)"),
            ("[m.headers]\nx = \"5m\"", "2:m.headers.x (hidden)"),
            ("[m]\nurl = \"http://hello:8080/health\"", "2:m.url \"http://hello:8080/health\""),
            ("[m]\nurl = \"http://127.0.0.1:17971/live\"", "2:m.url \"http://127.0.0.1:17971/live\""),
            ("[console]\nlisten = \"127.0.0.1:17971\"", "2:console.listen \"127.0.0.1:17971\""),
            (
                "[x]\ntoken = \"swordfish\"\n[services.token]\n[roles.token]",
                "4:roles.token {}|3:token:  {}|2:x.token (hidden)",
            ),
            (
                "[services.a.deploy.variables]\nDB_PWD = \"horse\"\nPIN = 4711\nto = \"a b\"",
                "2:a: deploy.variables.DB_PWD (hidden)|3:a: deploy.variables.PIN (hidden)|4:a: deploy.variables.to (hidden)",
            ),
            (
                "[m]\nabout = \"Any Text 9$\"\nSIGN = \"horse\"\ndb_pwd = \"horse\"",
                "3:m.SIGN (hidden)|2:m.about (hidden)|4:m.db_pwd (hidden)",
            ),
            ("[chat.irc]\nchannels = [\"#vault s3cr3t\"]", "2:chat.irc.channels (hidden)"),
            ("[m]\nurl = \"https://ntfy.example/correct-horse\"", "2:m.url (hidden)"),
            ("[m]\npath = \"/correct-horse\"", "2:m.path (hidden)"),
            ("[services.a]\nabout = \"Sells 9 things\"", "2:a: about \"Sells 9 things\""),
            ("[m]\nfile = \"/srv/on-call.ics\"", "2:m.file \"/srv/on-call.ics\""),
            ("[m]\nurl = \"https://ana:swordfish@hello/health\"", "2:m.url (hidden)"),
            ("[m]\nurl = \"https://hooks.example.com/T0123/B0123/x8Gh2kQp9\"", "2:m.url (hidden)"),
            ("[m]\nurl = \"https://hello/health?key=1\"", "2:m.url (hidden)"),
            (
                "[people.dan]\nroles = [\"dev\"]\n[[policy]]\nallow = \"deploy *\"\nto = [\"dev\"]",
                "2:people.dan.roles \"dev\"|3:policy { allow = \"deploy *\", to = [\"dev\"] }",
            ),
        ] {
            assert_eq!(shown(text).join("|"), wanted, "{text}");
        }
    }

    #[test]
    fn a_setting_is_written_as_toml_wants_it() {
        for (name, says, is_list, wanted) in [
            ("limit", &["\"3m\""][..], false, "limit = \"3m\""),
            ("roles", &["\"dev\""], true, "roles = [\"dev\"]"),
            ("roles", &[], true, "roles = []"),
            ("api.v2", &["5"], false, "\"api.v2\" = 5"),
        ] {
            assert_eq!(line(name, says, is_list), wanted);
        }
        assert_eq!(dotted(&["services", "api.v2", "deploy"]), "services.\"api.v2\".deploy");
    }
}
