//! What the stand-in knows as Discord writes it in JSON.

use super::state::{Channel, State};
use serde_json::{Value, json};

/// All permissions that a bot needs to work: to see a channel, to write, to attach, to embed, to open threads.
const PERMISSIONS: &str = "397284598848";

/// The types of channels.
const TEXT: u8 = 0;
const PRIVATE: u8 = 1;
const PUBLIC_THREAD: u8 = 11;

/// A moment as Discord writes it.
pub fn moment(state: &State) -> String {
    state.clock.now().format("%Y-%m-%dT%H:%M:%S%.6f+00:00").to_string()
}

/// A person, or the bot.
pub fn user(state: &State, id: &str) -> Value {
    let name = state.users.get(id).map_or("deleted_user", String::as_str);
    let mut user = json!({
        "id": id, "username": name, "global_name": name, "discriminator": "0", "avatar": null,
        "public_flags": 0, "flags": 0, "primary_guild": null,
    });
    if id == state.application {
        user["bot"] = true.into();
    }
    user
}

/// A person in a guild.
pub fn member(state: &State, guild: &str, id: &str) -> Value {
    let roles = state.guilds.get(guild).and_then(|guild| guild.members.get(id));
    json!({
        "user": user(state, id), "roles": roles, "nick": null, "avatar": null, "banner": null,
        "communication_disabled_until": null, "flags": 0, "joined_at": "2026-01-01T00:00:00.000000+00:00",
        "pending": false, "premium_since": null, "mute": false, "deaf": false,
    })
}

/// A person in a guild, as an interaction tells of them.
pub fn acting_member(state: &State, guild: &str, id: &str) -> Value {
    let mut member = member(state, guild, id);
    member["permissions"] = PERMISSIONS.into();
    member
}

/// The roles of a guild.
pub fn roles(state: &State, guild: &str) -> Value {
    let roles = state.guilds.get(guild).into_iter().flat_map(|guild| &guild.roles).enumerate();
    let role = |(position, (id, name)): (usize, (&String, &String))| {
        json!({
            "id": id, "name": name, "permissions": PERMISSIONS, "position": position, "color": 0,
            "colors": { "primary_color": 0, "secondary_color": null, "tertiary_color": null },
            "hoist": false, "managed": false, "mentionable": false, "icon": null, "unicode_emoji": null, "flags": 0,
        })
    };
    roles.map(role).collect()
}

/// A guild, as REST gives it.
pub fn guild(state: &State, id: &str) -> Value {
    let name = state.guilds.get(id).map_or("", |guild| guild.name.as_str());
    json!({
        "id": id, "name": name, "icon": null, "description": null, "home_header": null, "splash": null,
        "discovery_splash": null, "features": [], "banner": null, "owner_id": state.application,
        "application_id": null, "region": "deprecated", "afk_channel_id": null, "afk_timeout": 300,
        "system_channel_id": null, "system_channel_flags": 0, "widget_enabled": false, "widget_channel_id": null,
        "verification_level": 0, "roles": roles(state, id), "default_message_notifications": 0, "mfa_level": 0,
        "explicit_content_filter": 0, "max_presences": null, "max_members": 250_000,
        "max_stage_video_channel_users": 50, "max_video_channel_users": 25, "vanity_url_code": null,
        "premium_tier": 0, "premium_subscription_count": 0, "preferred_locale": "en-US", "rules_channel_id": null,
        "safety_alerts_channel_id": null, "public_updates_channel_id": null, "premium_progress_bar_enabled": false,
        "nsfw": false, "nsfw_level": 0, "emojis": [], "stickers": [], "incidents_data": null,
    })
}

/// A guild, as the gateway tells of it at the beginning.
pub fn guild_create(state: &State, id: &str) -> Value {
    let mut guild = guild(state, id);
    let of = |thread: bool| -> Value {
        let here = state.channels.iter().filter(|(_, it)| it.guild == id && it.parent.is_some() == thread);
        here.map(|(id, it)| channel(state, id, it)).collect()
    };
    let members = state.guilds.get(id).into_iter().flat_map(|guild| guild.members.keys());
    let members: Vec<_> = members.map(|user| member(state, id, user)).collect();
    let more = json!({
        "joined_at": "2026-01-01T00:00:00.000000+00:00", "large": false, "unavailable": false,
        "member_count": members.len(), "members": members, "channels": of(false), "threads": of(true),
        "voice_states": [], "presences": [], "stage_instances": [], "guild_scheduled_events": [],
        "soundboard_sounds": [],
    });
    if let (Value::Object(guild), Value::Object(more)) = (&mut guild, more) {
        guild.extend(more);
    }
    guild
}

/// A channel, or a thread.
pub fn channel(state: &State, id: &str, channel: &Channel) -> Value {
    if let Some(whom) = channel.name.strip_prefix('@').and_then(|name| state.user(name)) {
        let recipients = [user(state, whom)];
        return json!({ "id": id, "type": PRIVATE, "flags": 0, "last_message_id": null, "recipients": recipients });
    }
    let Some(parent) = &channel.parent else {
        return json!({
            "id": id, "type": TEXT, "flags": 0, "guild_id": channel.guild, "name": channel.name, "position": 0,
            "parent_id": channel.made["parent_id"], "topic": channel.made["topic"], "nsfw": false,
            "rate_limit_per_user": 0, "last_message_id": null,
            "permission_overwrites": channel.made["permission_overwrites"].as_array().cloned().unwrap_or_default(),
        });
    };
    json!({
        "id": id, "type": PUBLIC_THREAD, "flags": 0, "guild_id": channel.guild, "name": channel.name,
        "parent_id": parent, "owner_id": state.application, "rate_limit_per_user": 0, "last_message_id": null,
        "message_count": 0, "member_count": 1, "total_message_sent": 0,
        "thread_metadata": {
            "archived": false, "archive_timestamp": moment(state), "auto_archive_duration": 4320,
            "locked": false, "create_timestamp": moment(state),
        },
    })
}

/// A channel, or a thread, as an interaction tells of it.
pub fn acting_channel(state: &State, id: &str) -> Value {
    let mut value = state.channels.get(id).map_or(Value::Null, |it| channel(state, id, it));
    value["permissions"] = PERMISSIONS.into();
    value
}

/// The application, as its own bot sees it.
pub fn application(state: &State, public_key: &str) -> Value {
    json!({
        "id": state.application, "name": "Deckhand", "icon": null, "description": "", "type": null,
        "bot": user(state, &state.application), "bot_public": false, "bot_require_code_grant": false,
        "verify_key": public_key, "flags": 0, "flags_new": "0", "redirect_uris": [],
        "interactions_endpoint_url": null, "role_connections_verification_url": null,
        "owner": user(state, &state.application), "approximate_guild_count": state.guilds.len(),
        "approximate_user_install_count": 0, "approximate_user_authorization_count": 0,
        "explicit_content_filter": 0, "team": null, "eligible_oauth2_scopes": [],
    })
}

/// What an interaction tells of the application's permissions.
pub fn app_permissions() -> &'static str {
    PERMISSIONS
}
