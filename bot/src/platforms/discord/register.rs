//! Registration: what Discord has of our commands is made what the table says, with as few requests as that takes.

use super::rest::{Request, Rest, RestError};
use anyhow::{Context, Result, anyhow, bail};
use commands::text;
use http::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt;

/// How many new commands are sent one by one; more go in one request that replaces the whole list.
const HANDFUL: usize = 5;

/// How many servers Discord lists at once, at most.
const PAGE: usize = 200;

/// Discord's codes: there is no such server; the bot is not in it, or lacks the scope for commands; 200 new commands have
/// been made there this day.
const UNKNOWN_GUILD: u64 = 10004;
const MISSING_ACCESS: u64 = 50001;
const ENOUGH_FOR_TODAY: u64 = 30034;

/// The fields of commands and options that we decide; all others are Discord's own.
const OURS: [&str; 16] = [
    "type",
    "name",
    "name_localizations",
    "description",
    "description_localizations",
    "options",
    "required",
    "choices",
    "value",
    "autocomplete",
    "min_value",
    "max_value",
    "min_length",
    "max_length",
    "channel_types",
    "default_member_permissions",
];

/// Those that only commands have which are registered for all servers at once.
const OURS_GLOBAL: [&str; 2] = ["contexts", "integration_types"];

/// What Deckhand does in a server: it sees channels, posts in them and in threads that it opens, with embeds and files,
/// and reads its own messages again.
const PERMISSIONS: u64 = 1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 35 | 1 << 38;

/// Where the commands are registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// In each server of the config, at once.
    Guild,
    /// For all servers.
    Global,
}

/// One thing that was changed at Discord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// In which server; nothing for all of them.
    pub guild: Option<String>,
    /// The command.
    pub command: String,
    /// What was done.
    pub done: Done,
}

/// What was done to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Done {
    /// It is new.
    Added,
    /// It was there, and was another.
    Changed,
    /// It is gone.
    Removed,
}

/// The bot's place among Discord's servers.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Servers that the config allows, and that the bot is not in.
    pub missing: Vec<String>,
    /// Servers that the bot is in, and that the config does not allow: their ids and names.
    pub foreign: Vec<(String, String)>,
}

/// Makes the commands of `application` those that are `wanted`, a list as `PUT /applications/{id}/commands` takes it.
/// They are registered in one scope; what stands in the other, of these `guilds`, is removed, for it would show twice.
///
/// # Errors
/// What Discord refuses, with what to do about it, once everything else is done; or that it can not be reached.
pub async fn register(
    rest: &Rest,
    application: &str,
    scope: Scope,
    guilds: &[String],
    wanted: &Value,
) -> Result<Vec<Change>> {
    let wanted = wanted.as_array().context("the commands to register are no list")?;
    let each = || guilds.iter().map(|guild| Some(guild.as_str())).collect::<Vec<_>>();
    let (home, other) = match scope {
        Scope::Guild => (each(), vec![None]),
        Scope::Global => (vec![None], each()),
    };
    let (mut changes, mut refused) = (Vec::new(), Vec::new());
    for guild in home {
        match bring(rest, application, guild, wanted, &mut changes).await {
            Ok(()) => {}
            Err(away @ RestError::Away(_)) => return Err(away.into()),
            Err(error) => refused.push(instead(&error, application, guild)),
        }
    }
    // Whoever has only these commands keeps them until there are others.
    for guild in other.into_iter().filter(|_| refused.is_empty()) {
        match bring(rest, application, guild, &[], &mut changes).await {
            // Where Deckhand may register nothing, nothing of it can be left.
            Ok(()) | Err(RestError::Refused { code: UNKNOWN_GUILD | MISSING_ACCESS, .. }) => {}
            Err(away @ RestError::Away(_)) => return Err(away.into()),
            Err(error) => bail!(instead(&error, application, guild)),
        }
    }
    tracing::info!("commands at Discord: {}", told(&changes));
    if refused.is_empty() { Ok(changes) } else { Err(anyhow!(refused.join("\n"))) }
}

/// Makes the commands of one server, or those for all of them, these. What was done is noted as it is done.
async fn bring(
    rest: &Rest,
    application: &str,
    guild: Option<&str>,
    wanted: &[Value],
    changes: &mut Vec<Change>,
) -> Result<(), RestError> {
    let list = match guild {
        Some(guild) => format!("/applications/{application}/guilds/{guild}/commands"),
        None => format!("/applications/{application}/commands"),
    };
    let there = rest.call(Request::new(Method::GET, format!("{list}?with_localizations=true"))).await?;
    let Value::Array(there) = there else {
        return Err(RestError::Away(anyhow!("what it says of the registered commands is no list")));
    };
    for step in steps(&list, &there, wanted, guild.is_some()) {
        rest.call(step.request).await?;
        let done = |(command, done)| Change { guild: guild.map(str::to_owned), command, done };
        changes.extend(step.does.into_iter().map(done));
    }
    Ok(())
}

/// One request, and what it does to which commands.
struct Step {
    request: Request,
    does: Vec<(String, Done)>,
}

/// What is to be sent to the address `list`, so that what is `there` becomes what is `wanted`.
fn steps(list: &str, there: &[Value], wanted: &[Value], guild: bool) -> Vec<Step> {
    let counterpart = |command: &Value, among: &[Value]| among.iter().position(|other| same(command, other));
    let mut steps = Vec::new();
    // Room is made first: Discord takes 100 commands.
    for gone in there.iter().filter(|command| counterpart(command, wanted).is_none()) {
        let request = Request::new(Method::DELETE, format!("{list}/{}", word(gone, "id")));
        steps.push(Step { request, does: vec![(word(gone, "name").to_owned(), Done::Removed)] });
    }
    let mut new = 0;
    for command in wanted {
        let (request, done) = match counterpart(command, there).map(|place| &there[place]) {
            Some(old) if meaning(old, guild) == meaning(command, guild) => continue,
            Some(old) => {
                let request = Request::new(Method::PATCH, format!("{list}/{}", word(old, "id")));
                (request.body(change(command, old, guild)), Done::Changed)
            }
            None => {
                new += 1;
                (Request::new(Method::POST, list).body(sent(command, guild)), Done::Added)
            }
        };
        steps.push(Step { request, does: vec![(word(command, "name").to_owned(), done)] });
    }
    if new <= HANDFUL {
        return steps;
    }
    let all = wanted.iter().map(|command| sent(command, guild)).collect();
    let request = Request::new(Method::PUT, list).body(all);
    vec![Step { request, does: steps.into_iter().flat_map(|step| step.does).collect() }]
}

/// Whether both are the same command, as Discord tells commands apart: by type and name.
fn same(one: &Value, other: &Value) -> bool {
    one["type"] == other["type"] && one["name"] == other["name"]
}

fn word<'a>(command: &'a Value, field: &str) -> &'a str {
    command[field].as_str().unwrap_or_default()
}

fn is_ours(field: &str, guild: bool) -> bool {
    OURS.contains(&field) || !guild && OURS_GLOBAL.contains(&field)
}

/// A command as it is sent.
fn sent(command: &Value, guild: bool) -> Value {
    let fields = command.as_object().into_iter().flatten().filter(|(field, _)| is_ours(field, guild));
    Value::Object(fields.map(|(field, value)| (field.clone(), value.clone())).collect())
}

/// What makes the `old` command the wanted one: a field that a change does not name stays, so all are named.
fn change(command: &Value, old: &Value, guild: bool) -> Value {
    let mut body = sent(command, guild);
    for (field, value) in sent(old, guild).as_object().into_iter().flatten() {
        if body.get(field).is_none() && !unset(value) {
            body[field] = Value::Null;
        }
    }
    if let Some(body) = body.as_object_mut() {
        body.shift_remove("type");
    }
    body
}

/// What a command or an option comes to, however it is written: Discord adds fields of its own, and leaves out or spells
/// out those that are not set.
fn meaning(value: &Value, guild: bool) -> Value {
    match value {
        Value::Object(fields) => {
            let set = fields.iter().filter(|(field, _)| is_ours(field, guild)).map(|(field, value)| {
                let value = match value {
                    Value::Object(texts) => {
                        Value::Object(texts.clone().into_iter().filter(|(_, text)| !unset(text)).collect())
                    }
                    Value::Number(bits) if field == "default_member_permissions" => bits.to_string().into(),
                    value => meaning(value, guild),
                };
                (field.clone(), value)
            });
            Value::Object(set.filter(|(_, value)| !unset(value)).collect())
        }
        Value::Array(items) => items.iter().map(|item| meaning(item, guild)).collect(),
        // 0 and 0.0 are one number.
        Value::Number(number) => json!(number.as_f64()),
        other => other.clone(),
    }
}

fn unset(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        // So Discord tells back the description that a command in a menu can not have.
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// What was done, in a line for the log.
fn told(changes: &[Change]) -> String {
    if changes.is_empty() {
        return "as they should be".to_owned();
    }
    let mut clauses: BTreeMap<_, Vec<&str>> = BTreeMap::new();
    for change in changes {
        clauses.entry((&change.guild, change.done)).or_default().push(&change.command);
    }
    let clauses = clauses
        .into_iter()
        .map(|((guild, done), commands)| format!("{done} {} {}", commands.join(", "), where_to(guild.as_deref())));
    clauses.collect::<Vec<_>>().join("; ")
}

impl fmt::Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Done::Added => "added",
            Done::Changed => "changed",
            Done::Removed => "removed",
        })
    }
}

fn where_to(guild: Option<&str>) -> String {
    guild.map_or_else(|| "for all servers".to_owned(), |guild| format!("in the server {guild}"))
}

/// What Discord does not let us do, and what to do about it.
fn instead(error: &RestError, application: &str, guild: Option<&str>) -> String {
    let place = where_to(guild);
    match error {
        RestError::Refused { code: UNKNOWN_GUILD | MISSING_ACCESS, .. } => {
            let link = invitation(application, guild);
            format!(
                "Discord takes no commands {place}: Deckhand is not there, or lacks the scope `applications.commands`. \
                 Let somebody who may manage the server open {link}, and start Deckhand again."
            )
        }
        RestError::Refused { code: ENOUGH_FOR_TODAY, .. } => {
            format!(
                "Discord takes no more new commands {place} today: 200 are the most. Start Deckhand again tomorrow."
            )
        }
        error => format!("the commands {place} could not be registered: {error}"),
    }
}

/// The link by which somebody who may manage a server adds Deckhand to it, with the rights that it needs.
pub fn invitation(application: &str, guild: Option<&str>) -> String {
    let guild = guild.map(|guild| format!("&guild_id={guild}")).unwrap_or_default();
    format!(
        "https://discord.com/oauth2/authorize?client_id={application}&scope=bot+applications.commands\
         &permissions={PERMISSIONS}{guild}"
    )
}

/// Looks whether the token is that of `application`, and in which servers the bot is; servers on one side only are warned
/// about.
///
/// # Errors
/// When the token is not good, or belongs to another application; or Discord can not be reached.
pub async fn check(rest: &Rest, application: &str, guilds: &[String]) -> Result<Standing> {
    let own = match rest.call(Request::new(Method::GET, "/applications/@me")).await {
        Err(RestError::Refused { status: 401, .. }) => {
            bail!(
                "Discord does not know the token of `[chat.discord]`: make a new one in its developer portal, under Bot"
            )
        }
        other => other?,
    };
    let id = word(&own, "id");
    if id != application {
        let name = text::code(word(&own, "name"));
        bail!(
            "the token of `[chat.discord]` belongs to the application {id} ({name}), not to {application}: write \
             `application = \"{id}\"`, or the token of the other"
        );
    }
    let mut inside: Vec<(String, String)> = Vec::new();
    loop {
        let after = inside.last().map(|(id, _)| format!("&after={id}")).unwrap_or_default();
        let page = rest.call(Request::new(Method::GET, format!("/users/@me/guilds?limit={PAGE}{after}"))).await?;
        let page = page.as_array().map_or(&[][..], Vec::as_slice);
        inside.extend(page.iter().map(|guild| (word(guild, "id").to_owned(), word(guild, "name").to_owned())));
        if page.len() < PAGE {
            break;
        }
    }
    let missing = guilds.iter().filter(|guild| inside.iter().all(|(id, _)| id != *guild)).cloned().collect();
    let standing = Standing { missing, foreign: inside.into_iter().filter(|(id, _)| !guilds.contains(id)).collect() };
    for guild in &standing.missing {
        let link = invitation(application, Some(guild));
        tracing::warn!("Deckhand is not in the Discord server {guild}, which the config allows: add it by {link}");
    }
    for (id, name) in &standing.foreign {
        let name = text::code(name);
        tracing::warn!(
            "Deckhand is in the Discord server {id} ({name}), which the config does not allow: nobody there is answered. \
             Add \"{id}\" to `guilds`, or take Deckhand out of that server"
        );
    }
    Ok(standing)
}

#[cfg(test)]
mod tests;
