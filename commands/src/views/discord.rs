//! The table of commands as Discord registers it: a list of chat-input commands with their sub-commands and options.
//!
//! Discord's limits are checked on the table itself, by [`Registry::checks`].

use crate::registry::{LONGEST_ABOUT, Registry, word_after};
use crate::spec::{ArgSpec, Kind};
use serde_json::{Value, json};

/// The type of a chat-input command, among application commands.
const CHAT_INPUT: u8 = 1;
/// The types of options.
const SUB_COMMAND: u8 = 1;
const SUB_COMMAND_GROUP: u8 = 2;
const STRING: u8 = 3;
const INTEGER: u8 = 4;
const NUMBER: u8 = 10;

/// The greatest whole number that Discord takes: 2^53 - 1.
const GREATEST: i64 = 9_007_199_254_740_991;

/// What to send to `PUT /applications/{id}/commands`: all commands, in the order in which their first words come first.
pub fn registration(registry: &Registry) -> Value {
    words(registry, "").iter().map(|word| described(registry, word, CHAT_INPUT)).collect()
}

/// The words that go on behind `group` in commands' names, each once; the first words of all behind nothing.
fn words(registry: &Registry, group: &str) -> Vec<&'static str> {
    let mut words = Vec::new();
    for command in registry.iter() {
        let word = if group.is_empty() { command.name.split(' ').next() } else { word_after(command.name, group) };
        if let Some(word) = word.filter(|word| !words.contains(word)) {
            words.push(word);
        }
    }
    words
}

/// A command, or a group with all that is in it, as an object of this type.
fn described(registry: &Registry, name: &str, kind: u8) -> Value {
    let word = name.rsplit(' ').next().unwrap_or(name);
    if let Some(command) = registry.find(name) {
        let options: Vec<_> = command.args.iter().map(option).collect();
        return json!({ "type": kind, "name": word, "description": command.about, "options": options });
    }
    let words = words(registry, name);
    let options = words.iter().map(|word| {
        let name = format!("{name} {word}");
        let kind = if registry.find(&name).is_some() { SUB_COMMAND } else { SUB_COMMAND_GROUP };
        described(registry, &name, kind)
    });
    let options: Vec<_> = options.collect();
    json!({ "type": kind, "name": word, "description": about_group(name, &words), "options": options })
}

/// What a group is for, as far as its words tell; a description Discord must have.
fn about_group(group: &str, words: &[&str]) -> String {
    let all = format!("{group}: {}", words.join(", "));
    if all.len() <= LONGEST_ABOUT { all } else { format!("{group}: {} commands", words.len()) }
}

fn option(arg: &ArgSpec) -> Value {
    let mut option = json!({ "type": STRING, "name": arg.name, "description": arg.about, "required": arg.required });
    match arg.kind {
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
            option["min_value"] = 0.into();
            option["max_value"] = 100.into();
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
    option
}

#[cfg(test)]
mod tests {
    use super::{about_group, registration};
    use crate::registry::Registry;
    use crate::sample;
    use crate::spec::{ArgSpec, CommandSpec, Effect, Kind, Need};
    use serde_json::{Value, json};

    fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
        let found = list.as_array().and_then(|list| list.iter().find(|each| each["name"] == name));
        found.unwrap_or_else(|| panic!("{name} in {list}"))
    }

    #[test]
    fn commands_groups_and_options_are_nested_as_discord_wants() {
        let all = registration(&sample::registry());
        let names: Vec<_> = all.as_array().into_iter().flatten().filter_map(|each| each["name"].as_str()).collect();
        assert_eq!(names, ["help", "deploy", "flag", "changes"]);
        let help = json!({
            "type": 1,
            "name": "help",
            "description": "Show what you can say",
            "options": [
                {
                    "type": 3,
                    "name": "command",
                    "description": "The command to explain",
                    "required": false,
                    "autocomplete": true,
                },
                {
                    "type": 4,
                    "name": "page",
                    "description": "Which page",
                    "required": false,
                    "min_value": 1,
                    "max_value": 1000,
                },
            ],
        });
        let flag = json!({
            "type": 1,
            "name": "flag",
            "description": "flag: rollout",
            "options": [{
                "type": 2,
                "name": "rollout",
                "description": "flag rollout: set",
                "options": [{
                    "type": 1,
                    "name": "set",
                    "description": "Set for how many people a flag is on",
                    "options": [
                        { "type": 3, "name": "flag", "description": "The flag", "required": true },
                        {
                            "type": 10,
                            "name": "share",
                            "description": "How many of a hundred",
                            "required": true,
                            "min_value": 0,
                            "max_value": 100,
                        },
                        {
                            "type": 3,
                            "name": "sticky",
                            "description": "What is counted",
                            "required": false,
                            "choices": [{ "name": "user", "value": "user" }, { "name": "session", "value": "session" }],
                        },
                    ],
                }],
            }],
        });
        assert_eq!(named(&all, "help"), &help);
        assert_eq!(named(&all, "flag"), &flag);
        let deploy = named(&all, "deploy");
        assert_eq!(deploy["description"], "deploy: ship, lock");
        assert_eq!(named(&named(&deploy["options"], "ship")["options"], "ref")["autocomplete"], true);
    }

    #[test]
    fn bounds_that_discord_can_not_hold_are_left_out() {
        static WIDE: [CommandSpec; 1] = [CommandSpec {
            name: "wide",
            about: "Take any number",
            args: &[
                ArgSpec::required("any", Kind::Integer(i64::MIN, i64::MAX), "Any"),
                ArgSpec::required("up", Kind::Integer(1, i64::MAX), "From one up"),
                ArgSpec::required("edge", Kind::Integer(-super::GREATEST, super::GREATEST), "As far as it goes"),
            ],
            need: Need::Nothing,
            effect: Effect::Reads,
            urgent: false,
            examples: &["wide 1 2 3"],
        }];
        let all = registration(&Registry::new(&WIDE));
        let bounds = |name: &str| {
            let option = named(&all[0]["options"], name);
            (option.get("min_value").and_then(Value::as_i64), option.get("max_value").and_then(Value::as_i64))
        };
        assert_eq!(bounds("any"), (None, None));
        assert_eq!(bounds("up"), (Some(1), None));
        assert_eq!(bounds("edge"), (Some(-super::GREATEST), Some(super::GREATEST)));
    }

    #[test]
    fn a_group_has_a_description_that_fits() {
        assert_eq!(about_group("deploy", &["ship", "lock"]), "deploy: ship, lock");
        assert_eq!(about_group("deploy", &["a-rather-long-word"; 25]), "deploy: 25 commands");
    }

    /// The rules of Discord's OpenAPI description for `ApplicationCommandCreateRequest` and what it holds.
    fn check(object: &Value, depth: usize) {
        let kind = object["type"].as_u64().expect("a type");
        let name = object["name"].as_str().expect("a name");
        let about = object["description"].as_str().expect("a description");
        assert!(
            (1..=32).contains(&name.chars().count()) && name == name.to_lowercase() && !name.contains(' '),
            "{name}"
        );
        assert!((1..=100).contains(&about.chars().count()), "{about}");
        let none = Vec::new();
        let options = object.get("options").and_then(Value::as_array).unwrap_or(&none);
        let kinds: Vec<_> = options.iter().filter_map(|option| option["type"].as_u64()).collect();
        assert!(options.len() <= 25, "{name}");
        assert!(
            kinds.iter().all(|kind| *kind <= 2) || kinds.iter().all(|kind| *kind > 2),
            "{name} mixes options and sub-commands"
        );
        match (depth, kind) {
            (0, 1) => {}
            (1, 2) => assert!(kinds.iter().all(|kind| *kind == 1), "{name} holds only sub-commands"),
            (1 | 2, 1) => assert!(kinds.iter().all(|kind| *kind > 2), "{name} holds only options"),
            (1..=3, 3 | 4 | 10) => assert!(object.get("options").is_none(), "{name}"),
            other => panic!("{name} is a {other:?}"),
        }
        let required = |option: &Value| option["required"].as_bool().unwrap_or(false);
        assert!(
            kind > 2 || options.is_sorted_by_key(|option| !required(option)),
            "{name}: required options come first"
        );
        let choices = object.get("choices").and_then(Value::as_array);
        assert!(
            choices.is_none_or(|choices| object.get("autocomplete").is_none() && (1..=25).contains(&choices.len())),
            "{name}"
        );
        options.iter().for_each(|option| check(option, depth + 1));
    }

    #[test]
    fn every_rule_of_discord_is_kept() {
        let all = registration(&sample::registry());
        let all = all.as_array().expect("a list");
        assert!((1..=100).contains(&all.len()));
        all.iter().for_each(|command| check(command, 0));
    }
}
