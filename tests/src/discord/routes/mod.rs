//! Discord's REST API: a table of routes, each with the function that answers it.

mod about;
mod commands;
pub(super) mod interactions;
pub(super) mod messages;

use super::body::File;
use super::refusal::Refusal;
use super::state::State;
use crate::routes::route;
use serde_json::Value;
use std::collections::HashMap;

/// A request that has found its route.
pub struct Call {
    /// The parameters in its path, by their names in the template.
    pub path: HashMap<&'static str, String>,
    /// Those behind the question mark.
    pub query: HashMap<String, String>,
    /// Its JSON body; null without one.
    pub body: Value,
    /// Its files.
    pub files: Vec<File>,
}

/// A good answer.
#[derive(Debug)]
pub enum Answer {
    /// With this status and JSON.
    Json(u16, Value),
    /// 204, with nothing.
    Empty,
}

/// What answers a call.
pub type Handler = fn(&mut State, &Call) -> Result<Answer, Refusal>;

/// A route of Discord's.
pub type Route = crate::routes::Route<Handler>;

const COMMANDS: &str = "/applications/{application_id}/commands";
const COMMAND: &str = "/applications/{application_id}/commands/{command_id}";
const GUILD_COMMANDS: &str = "/applications/{application_id}/guilds/{guild_id}/commands";
const GUILD_COMMAND: &str = "/applications/{application_id}/guilds/{guild_id}/commands/{command_id}";
const WEBHOOK: &str = "/webhooks/{webhook_id}/{webhook_token}";
const ORIGINAL: &str = "/webhooks/{webhook_id}/{webhook_token}/messages/@original";
const FOLLOW_UP: &str = "/webhooks/{webhook_id}/{webhook_token}/messages/{message_id}";
const MESSAGES: &str = "/channels/{channel_id}/messages";
const MESSAGE: &str = "/channels/{channel_id}/messages/{message_id}";

/// Every route that the stand-in knows.
pub static ROUTES: &[Route] = &[
    route("GET", "/gateway", about::gateway),
    route("GET", "/gateway/bot", about::gateway_bot),
    route("GET", "/users/@me", about::me),
    route("GET", "/users/@me/guilds", about::my_guilds),
    route("POST", "/users/@me/channels", about::private_channel),
    route("GET", "/users/{user_id}", about::user),
    route("GET", "/applications/@me", about::application),
    route("GET", "/oauth2/applications/@me", about::application),
    route("GET", "/guilds/{guild_id}", about::guild),
    route("GET", "/guilds/{guild_id}/channels", about::channels),
    route("POST", "/guilds/{guild_id}/channels", about::make_channel),
    route("GET", "/guilds/{guild_id}/roles", about::roles),
    route("GET", "/guilds/{guild_id}/members/{user_id}", about::member),
    route("GET", COMMANDS, commands::list),
    route("POST", COMMANDS, commands::create),
    route("PUT", COMMANDS, commands::replace),
    route("GET", COMMAND, commands::get),
    route("PATCH", COMMAND, commands::edit),
    route("DELETE", COMMAND, commands::delete),
    route("GET", GUILD_COMMANDS, commands::list),
    route("POST", GUILD_COMMANDS, commands::create),
    route("PUT", GUILD_COMMANDS, commands::replace),
    route("GET", GUILD_COMMAND, commands::get),
    route("PATCH", GUILD_COMMAND, commands::edit),
    route("DELETE", GUILD_COMMAND, commands::delete),
    route("POST", "/interactions/{interaction_id}/{interaction_token}/callback", interactions::callback),
    route("POST", WEBHOOK, interactions::follow_up),
    route("GET", ORIGINAL, interactions::get),
    route("PATCH", ORIGINAL, interactions::edit),
    route("DELETE", ORIGINAL, interactions::delete),
    route("GET", FOLLOW_UP, interactions::get),
    route("PATCH", FOLLOW_UP, interactions::edit),
    route("DELETE", FOLLOW_UP, interactions::delete),
    route("GET", "/channels/{channel_id}", messages::channel),
    route("GET", MESSAGES, messages::list),
    route("POST", MESSAGES, messages::create),
    route("GET", MESSAGE, messages::get),
    route("PATCH", MESSAGE, messages::edit),
    route("DELETE", MESSAGE, messages::delete),
    route("GET", "/channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}", messages::marks),
    route("POST", "/channels/{channel_id}/messages/{message_id}/threads", messages::thread_from),
    route("POST", "/channels/{channel_id}/threads", messages::thread),
];

impl Route {
    /// Its name, as in `GET /channels/{channel_id}`.
    pub fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// Whether the path says who asks, so that no bot token is needed.
    pub fn is_open(&self) -> bool {
        self.template.starts_with("/interactions/") || self.template.starts_with("/webhooks/")
    }
}

impl Call {
    /// A parameter of the path; empty where the route has none of this name.
    pub fn id(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// Whether a parameter behind the question mark says yes.
    pub fn asks(&self, name: &str) -> bool {
        self.query.get(name).is_some_and(|value| ["true", "True", "1"].contains(&value.as_str()))
    }

    /// What a rate limit's bucket is kept for: a channel, a guild, or a webhook with its token.
    pub fn major(&self) -> String {
        ["channel_id", "guild_id", "webhook_id", "webhook_token"].map(|name| self.id(name)).join("/")
    }
}

/// 200 with this JSON.
fn ok(body: Value) -> Result<Answer, Refusal> {
    Ok(Answer::Json(200, body))
}
