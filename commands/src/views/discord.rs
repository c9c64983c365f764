//! The table of commands as Discord registers it: a list of chat-input commands with their sub-commands and options, and
//! of those that are offered in the menu of a message.
//!
//! Names that are typed stay English, for a line is the same on every platform; descriptions are there in every language of [`words`].
//! Discord's limits are checked on the table itself, by [`Registry::checks`], and the one on a command as a whole here,
//! by [`checks`].

use super::words::{self, Words};
use crate::args::Args;
use crate::cx::Who;
use crate::policy::{Policy, Question};
use crate::registry::{LONGEST_ABOUT, Registry, word_after};
use crate::spec::{ArgSpec, CommandSpec, Kind, Need, PluginSpec};
use chrono::DateTime;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The types of a chat-input command and of one in the menu of a message, among application commands.
const CHAT_INPUT: u8 = 1;
const MESSAGE: u8 = 3;
/// The types of options.
const SUB_COMMAND: u8 = 1;
const SUB_COMMAND_GROUP: u8 = 2;
const STRING: u8 = 3;
const INTEGER: u8 = 4;
const NUMBER: u8 = 10;

/// Where a command can be said: in a server, where people have roles and channels have names, and not in private messages.
const IN_SERVERS: [u8; 1] = [0];
/// By whom the bot is installed: by a server, not by a person for themselves.
const BY_SERVERS: [u8; 1] = [0];
/// What hides a command from all but administrators: no permission would be enough. It is text, as Discord documents it and
/// tells it back, although its OpenAPI description of requests asks for a number.
const ADMINISTRATORS_ONLY: &str = "0";

/// The greatest whole number that Discord takes: 2^53 - 1.
const GREATEST: i64 = 9_007_199_254_740_991;

/// How many characters a command may have, with all that is in it.
const LONGEST_COMMAND: usize = 8_000;

/// What to send to `PUT /applications/{id}/commands`: all commands of these plugins, in the order in which their first
/// words come first.
///
/// By `policy`, what no rule allows to anyone is shown to nobody but a server's administrators; without one, everything
/// is shown to all. This only spares people what they would be refused: policy itself is asked at every call.
pub fn registration<'a>(plugins: impl IntoIterator<Item = &'a PluginSpec>, policy: Option<&Policy>) -> Value {
    let plugins: Vec<_> = plugins.into_iter().collect();
    let table = Table {
        registry: Registry::new(plugins.iter().flat_map(|plugin| plugin.commands)),
        groups: plugins.iter().map(|plugin| (plugin.name, plugin.about)).collect(),
        languages: &words::ALL,
        // Discord is not told of times and channels.
        policy: policy.map(Policy::anywhere),
    };
    table.show()
}

/// The commands of a registration that are too long as a whole; a text in several languages counts as its longest.
pub fn checks(registration: &Value) -> Vec<String> {
    let commands = registration.as_array().map_or(&[][..], Vec::as_slice);
    let long = commands.iter().map(|command| (command, size(command))).filter(|(_, size)| *size > LONGEST_COMMAND);
    long.map(|(command, size)| format!("{} has {size} characters, and may have {LONGEST_COMMAND}", command["name"]))
        .collect()
}

fn size(object: &Value) -> usize {
    let letters = |text: &Value| text.as_str().map_or(0, |text| text.chars().count());
    let longest = |field: &str| {
        let others = object[format!("{field}_localizations")].as_object();
        let others = others.into_iter().flat_map(|texts| texts.values());
        others.chain([&object[field]]).map(letters).max().unwrap_or_default()
    };
    let inside = ["options", "choices"].into_iter().filter_map(|list| object[list].as_array()).flatten();
    longest("name") + longest("description") + letters(&object["value"]) + inside.map(size).sum::<usize>()
}

/// All that goes into a registration.
struct Table<'a> {
    registry: Registry,
    /// What groups are for, by name: a plugin describes the group that is called as itself.
    groups: BTreeMap<&'a str, &'a str>,
    languages: &'a [(&'a str, Words)],
    policy: Option<Policy>,
}

impl Table<'_> {
    fn show(&self) -> Value {
        let typed = self.words("").into_iter().map(|word| self.command(word));
        let on_messages =
            self.registry.iter().filter_map(|command| Some(self.on_message(command, command.on_message?)));
        typed.chain(on_messages).collect()
    }

    /// A command as it stands in the menu of a message: it has a name, and nothing else that people could read.
    fn on_message(&self, command: &CommandSpec, label: &str) -> Value {
        let mut object = json!({ "type": MESSAGE, "name": label });
        self.translate(&mut object, "name", label);
        self.limit(&mut object, self.open(command));
        object
    }

    /// The words that go on behind `group` in commands' names, each once; the first words of all behind nothing.
    fn words(&self, group: &str) -> Vec<&'static str> {
        let mut words = Vec::new();
        for command in self.registry.iter() {
            let word = if group.is_empty() { command.name.split(' ').next() } else { word_after(command.name, group) };
            if let Some(word) = word.filter(|word| !words.contains(word)) {
                words.push(word);
            }
        }
        words
    }

    fn command(&self, word: &str) -> Value {
        let mut command = self.described(word, CHAT_INPUT);
        let open = match self.registry.find(word) {
            Some(alone) => self.open(alone),
            // Discord knows permissions of whole commands only.
            None => self.registry.group(word).any(|inside| self.open(inside)),
        };
        self.limit(&mut command, open);
        command
    }

    /// Says where a command is, and whether it is for administrators alone.
    fn limit(&self, command: &mut Value, open: bool) {
        command["default_member_permissions"] = if open { Value::Null } else { ADMINISTRATORS_ONLY.into() };
        command["contexts"] = json!(IN_SERVERS);
        command["integration_types"] = json!(BY_SERVERS);
    }

    /// Whether somebody may say the command, with whatever arguments.
    fn open(&self, command: &CommandSpec) -> bool {
        let Some(policy) = self.policy.as_ref().filter(|_| command.need != Need::Nothing) else { return true };
        let question = Question {
            who: &Who::deckhand(),
            command,
            args: &Args::default(),
            unfinished: true,
            channel: "",
            now: DateTime::UNIX_EPOCH,
        };
        !policy.who_may(&question).is_empty()
    }

    /// A command, or a group with all that is in it, as an object of this type.
    fn described(&self, name: &str, kind: u8) -> Value {
        let word = name.rsplit(' ').next().unwrap_or(name);
        let command = self.registry.find(name);
        let about = command.map_or_else(|| self.about_group(name), |command| command.about.to_owned());
        let mut object = json!({ "type": kind, "name": word, "description": about });
        self.translate(&mut object, "description", name);
        object["options"] = match command {
            // A channel sees what was given with a slash command; what is secret is asked for in a form.
            Some(command) => command.args.iter().filter(|arg| !arg.secret).map(|arg| self.option(name, arg)).collect(),
            None => self.words(name).into_iter().map(|word| self.inner(&format!("{name} {word}"))).collect(),
        };
        object
    }

    /// What stands in a group.
    fn inner(&self, name: &str) -> Value {
        let kind = if self.registry.find(name).is_some() { SUB_COMMAND } else { SUB_COMMAND_GROUP };
        self.described(name, kind)
    }

    /// What a group is for; a description Discord must have, so its words stand in for one that is missing or too long.
    fn about_group(&self, group: &str) -> String {
        if let Some(about) = self.groups.get(group).filter(|about| about.chars().count() <= LONGEST_ABOUT) {
            return about.trim_end_matches('.').to_owned();
        }
        let words = self.words(group);
        let all = format!("{group}: {}", words.join(", "));
        if all.len() <= LONGEST_ABOUT { all } else { format!("{group}: {} commands", words.len()) }
    }

    /// Adds a text of the object, its description or its name, in other languages.
    fn translate(&self, object: &mut Value, field: &str, what: &str) {
        let texts = self.languages.iter().filter_map(|(code, words)| Some((*code, words.of(what)?)));
        let texts: BTreeMap<_, _> = texts.collect();
        if !texts.is_empty() {
            object[format!("{field}_localizations")] = json!(texts);
        }
    }

    fn option(&self, command: &str, arg: &ArgSpec) -> Value {
        let mut option = json!({ "type": STRING, "name": arg.name, "description": arg.about });
        self.translate(&mut option, "description", &format!("{command} {}", arg.name));
        option["required"] = arg.required.into();
        narrow(&mut option, arg.kind);
        option
    }
}

/// Says what may be written in an option: all that Discord can check or complete.
fn narrow(option: &mut Value, kind: Kind) {
    match kind {
        Kind::Choice(words) => {
            option["choices"] = words.iter().map(|word| json!({ "name": word, "value": word })).collect();
        }
        Kind::Integer(least, most) => {
            option["type"] = INTEGER.into();
            // A bound that Discord can not write down is left to the parser.
            for (name, bound) in [("min_value", least), ("max_value", most)] {
                if (-GREATEST..=GREATEST).contains(&bound) {
                    option[name] = bound.into();
                }
            }
        }
        Kind::Percent => {
            option["type"] = NUMBER.into();
            option["min_value"] = 0.0.into();
            option["max_value"] = 100.0.into();
        }
        // What can be known of these changes from day to day, or is only an example.
        Kind::Service
        | Kind::Environment
        | Kind::Person
        | Kind::Ref
        | Kind::Command
        | Kind::Duration
        | Kind::Time
        | Kind::Later => {
            option["autocomplete"] = true.into();
        }
        Kind::Text => {}
    }
}

#[cfg(test)]
mod tests;
