//! `[chat.discord]` of the config.

use config::{Config, Problems, Section};
use std::net::SocketAddr;
use std::time::Duration;

/// Where Discord's API is.
const API: &str = "https://discord.com/api/v10";

/// How long no heartbeat may be acknowledged before the process ends, unless the config says otherwise.
const SILENCE: Duration = Duration::from_secs(300);

/// The shortest time that may be.
const SHORTEST_SILENCE: Duration = Duration::from_secs(120);

/// What the operator wrote about Discord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The bot's token.
    pub token: String,
    /// The application's id.
    pub application: String,
    /// The servers it serves; what comes from others is refused.
    pub guilds: Vec<String>,
    /// Whether the commands are registered for every server at once rather than in each.
    pub global: bool,
    /// Whether it listens to the gateway.
    pub gateway: bool,
    /// The HTTP endpoint for interactions, where there is one.
    pub endpoint: Option<Endpoint>,
    /// Whether Discord lets it read people's messages, so that it follows pins, marks, edits and deletions.
    pub messages: bool,
    /// The API's address, without a slash at its end.
    pub api: String,
    /// How long no heartbeat may be acknowledged before the process ends.
    pub silence: Duration,
    /// The id of the channel for what Deckhand says by itself.
    pub news: Option<String>,
    /// The id of the category in which channels are made; without, that of the channel beside which each is made.
    pub rooms: Option<String>,
}

/// An HTTP endpoint for interactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The application's public key.
    pub public_key: [u8; 32],
}

/// Reads `[chat.discord]`, where it stands.
pub fn read(config: &Config, problems: &Problems) -> Option<Settings> {
    let chat = config.section("chat", problems)?;
    let section = chat.table(super::NAME)?;
    let guilds = section.required_texts("guilds");
    for guild in guilds.iter().filter(|guild| !is_id(guild)) {
        let what = format!("{} is no id of a server", config::quoted(guild));
        section.problem("guilds", what, "copy it from Discord: a number of 17 to 20 digits");
    }
    check_ids(config, problems);
    let application = section.required_text("application");
    if !application.is_empty() && !is_id(&application) {
        section.problem("application", "this is no application id", "copy it from Discord's developer portal");
    }
    let endpoint = endpoint(&section);
    let gateway = section.boolean("gateway").unwrap_or(true);
    if !gateway && endpoint.is_none() {
        let instead = "write `listen` and `public_key`, or take the line out";
        section.problem("gateway", "without it and without an endpoint, nothing would ever be heard", instead);
    }
    let news = section.text("news").and_then(|name| {
        let id = config.rooms.get(&name).and_then(|room| room.get(super::NAME)).cloned();
        if id.is_none() {
            let what = format!("there is no channel {} on Discord", config::quoted(&name));
            section.problem("news", what, format!("write `[channels.{name}]` with `discord = \"its id\"`"));
        }
        id
    });
    let settings = Settings {
        token: section.required_text("token"),
        application,
        guilds,
        global: section.choice("register", &["guild", "global"]).as_deref() == Some("global"),
        gateway,
        endpoint,
        messages: messages(&section, gateway),
        api: section.url("api").map_or_else(|| API.to_owned(), |api| api.trim_end_matches('/').to_owned()),
        silence: silence(&section),
        news,
        rooms: rooms(&section),
    };
    section.finish();
    Some(settings)
}

/// Notes what stands as an id of a person, a role or a channel and is none: it would never be met.
fn check_ids(config: &Config, problems: &Problems) {
    let tables = [
        ("people", config.people.keys().collect::<Vec<_>>()),
        ("roles", config.roles.keys().collect()),
        ("channels", config.rooms.keys().collect()),
    ];
    for (table, name) in tables.into_iter().flat_map(|(table, names)| names.into_iter().map(move |name| (table, name)))
    {
        let Some(section) = config.section(table, problems).and_then(|section| section.table(name)) else { continue };
        let ids =
            if table == "roles" { section.texts(super::NAME) } else { section.text(super::NAME).into_iter().collect() };
        for id in ids.iter().filter(|id| !is_id(id)) {
            let what = format!("{} is no id on Discord", config::quoted(id));
            section.problem(super::NAME, what, "copy it from Discord: a number of 17 to 20 digits");
        }
    }
}

/// Whether messages are read: only the gateway tells of them.
fn messages(section: &Section, gateway: bool) -> bool {
    let messages = section.boolean("messages").unwrap_or(false);
    if messages && !gateway {
        section.problem(
            "messages",
            "without the gateway, Discord tells of no message",
            "take it out, or `gateway = false`",
        );
    }
    messages
}

fn rooms(section: &Section) -> Option<String> {
    let id = section.text("rooms")?;
    if !is_id(&id) {
        section.problem("rooms", "this is no id of a category", "copy it from Discord: a number of 17 to 20 digits");
    }
    Some(id)
}

fn silence(section: &Section) -> Duration {
    let silence = section.duration("silence").unwrap_or(SILENCE);
    if silence < SHORTEST_SILENCE {
        let what = "a heartbeat is acknowledged every 41 seconds or so, and Deckhand would end for nothing";
        section.problem("silence", what, "write `2m` or more");
    }
    silence
}

fn endpoint(section: &Section) -> Option<Endpoint> {
    let (listen, key) = (section.text("listen"), section.text("public_key"));
    let (listen, key) = match (listen, key) {
        (None, None) => return None,
        (Some(listen), Some(key)) => (listen, key),
        (Some(_), None) => {
            let instead = "write the application's `public_key`, from Discord's developer portal";
            section.problem("listen", "an endpoint can not tell Discord from others without its key", instead);
            return None;
        }
        (None, Some(_)) => {
            section.problem("public_key", "it is of no use without an endpoint", "write `listen = \"127.0.0.1:8443\"`");
            return None;
        }
    };
    let address = listen.parse::<SocketAddr>().ok();
    if address.is_none() {
        section.problem("listen", "this is no address", "write an address and a port, as in `127.0.0.1:8443`");
    }
    let public_key = key_of(&key);
    if public_key.is_none() {
        section.problem("public_key", "this is no public key", "copy it from Discord: 64 hexadecimal digits");
    }
    Some(Endpoint { listen: address?, public_key: public_key? })
}

fn key_of(hex: &str) -> Option<[u8; 32]> {
    if hex.len() != 64 || !hex.is_ascii() {
        return None;
    }
    let mut key = [0; 32];
    for (byte, digits) in key.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(key)
}

/// Whether this is an id as Discord gives them.
fn is_id(text: &str) -> bool {
    (17..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit())
}
