//! What Discord is told of the table.

use super::{LONGEST_COMMAND, Table, checks, registration};
use crate::plugin::{Plugin, Setup};
use crate::policy::{Pattern, Policy, Rule};
use crate::registry::Registry;
use crate::sample;
use crate::spec::{ArgSpec, CommandSpec, Effect, Kind, Need, PluginSpec};
use crate::views::words::Words;
use serde_json::{Value, json};
use std::sync::Arc;

const KOREAN: &str = "\"help\" = \"도움말\"\n\"help page\" = \"쪽\"\n\"flag\" = \"기능 깃발\"\n";

const PLAIN: CommandSpec = CommandSpec {
    name: "plain",
    about: "Do it",
    args: &[],
    need: Need::Rule,
    effect: Effect::Reads,
    urgent: false,
    on_message: None,
    examples: &["plain"],
};

fn table(registry: Registry) -> Value {
    Table { registry, groups: [("flag", "Turns features on and off.")].into(), languages: &[], policy: None }.show()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().and_then(|list| list.iter().find(|each| each["name"] == name));
    found.unwrap_or_else(|| panic!("{name} in {list}"))
}

fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|each| each["name"].as_str()).collect()
}

#[test]
fn commands_groups_and_options_are_nested_as_discord_wants() {
    let all = table(sample::registry());
    assert_eq!(names(&all), ["help", "deploy", "flag", "changes"]);
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
        "default_member_permissions": null,
        "contexts": [0],
        "integration_types": [0],
    });
    let rollout = json!([{
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
                    "min_value": 0.0,
                    "max_value": 100.0,
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
    }]);
    assert_eq!(named(&all, "help"), &help);
    assert_eq!(named(&all, "flag")["options"], rollout);
    assert_eq!(named(&named(&all, "deploy")["options"], "ship")["options"][2]["autocomplete"], true);
}

#[test]
fn bounds_that_discord_can_not_hold_are_left_out() {
    static WIDE: [CommandSpec; 1] = [CommandSpec {
        args: &[
            ArgSpec::required("any", Kind::Integer(i64::MIN, i64::MAX), "Any"),
            ArgSpec::required("up", Kind::Integer(1, i64::MAX), "From one up"),
            ArgSpec::required("edge", Kind::Integer(-super::GREATEST, super::GREATEST), "As far as it goes"),
        ],
        ..PLAIN
    }];
    let all = table(Registry::new(&WIDE));
    let bounds = |name: &str| {
        let option = named(&all[0]["options"], name);
        (option.get("min_value").and_then(Value::as_i64), option.get("max_value").and_then(Value::as_i64))
    };
    assert_eq!(bounds("any"), (None, None));
    assert_eq!(bounds("up"), (Some(1), None));
    assert_eq!(bounds("edge"), (Some(-super::GREATEST), Some(super::GREATEST)));
}

#[test]
fn what_is_secret_is_no_option() {
    static SECRET: CommandSpec = CommandSpec {
        args: &[ArgSpec::optional("open", Kind::Text, "Seen by all"), ArgSpec::secret("code", "Seen by nobody")],
        ..PLAIN
    };
    assert_eq!(names(&table(Registry::new([&SECRET]))[0]["options"]), ["open"]);
}

#[test]
fn what_is_offered_on_messages_stands_there_by_its_name() {
    static OFFERED: CommandSpec = CommandSpec {
        args: &[ArgSpec::required("message", Kind::Text, "Which message"), ArgSpec::optional("n", Kind::Text, "More")],
        on_message: Some("Keep this"),
        ..PLAIN
    };
    let languages = [("ko", Words::parse("\"Keep this\" = \"남기기\"\n").unwrap())];
    let table = |policy| {
        let (registry, groups) = (Registry::new([&OFFERED]), Default::default());
        Table { registry, groups, languages: &languages, policy }.show()
    };
    let offered = &table(None)[1];
    let wanted = json!({
        "type": 3,
        "name": "Keep this",
        "name_localizations": { "ko": "남기기" },
        "default_member_permissions": null,
        "contexts": [0],
        "integration_types": [0],
    });
    assert_eq!(*offered, wanted);
    let hidden = table(Some(Policy::default()));
    assert_eq!(hidden[1]["default_member_permissions"], "0", "it is hidden as the command itself is");
}

#[test]
fn a_plugin_describes_the_group_that_is_called_as_itself() {
    const ONE: CommandSpec = CommandSpec { name: "plain one", examples: &["plain one"], ..PLAIN };
    static COMMANDS: [CommandSpec; 2] = [ONE, CommandSpec { name: "other one", examples: &["other one"], ..ONE }];
    let start: fn(&mut Setup) -> Arc<dyn Plugin> = |_| unreachable!("nothing is started here");
    let plugin = |name, about| PluginSpec { name, about, commands: &COMMANDS, start };
    let long = Box::leak("so long. ".repeat(20).into_boxed_str());
    for (plugin, wanted) in [
        (plugin("plain", "Does plain things."), ["Does plain things", "other: one"]),
        (plugin("other", "Does others."), ["plain: one", "Does others"]),
        (plugin("plain", long), ["plain: one", "other: one"]),
    ] {
        let all = registration([&plugin], None);
        assert_eq!([&all[0]["description"], &all[1]["description"]], wanted, "{} {}", plugin.name, plugin.about);
    }
    let crowd = |words: usize| {
        let words = (0..words).map(|number| CommandSpec { name: format!("group word-{number:02}").leak(), ..ONE });
        table(Registry::new(&*Box::leak(words.collect())))[0]["description"].clone()
    };
    assert_eq!(crowd(2), "group: word-00, word-01");
    assert_eq!(crowd(20), "group: 20 commands");
}

#[test]
fn what_is_translated_is_shown_so_and_names_never_are() {
    let languages = [("ko", Words::parse(KOREAN).unwrap()), ("de", Words::default())];
    let (registry, groups) = (sample::registry(), Default::default());
    let all = Table { registry, groups, languages: &languages, policy: None }.show();
    let help = named(&all, "help");
    assert_eq!(help["description"], "Show what you can say");
    assert_eq!(help["description_localizations"], json!({ "ko": "도움말" }));
    assert_eq!(named(&help["options"], "page")["description_localizations"], json!({ "ko": "쪽" }));
    assert!(named(&help["options"], "command").get("description_localizations").is_none());
    assert_eq!(named(&all, "flag")["description_localizations"], json!({ "ko": "기능 깃발" }));
    assert!(!all.to_string().contains("name_localizations"));
}

/// What more than administrators see, under rules of a line (denied with a leading `!`), channels, and a time of the week.
fn seen(rules: &[(&str, &[&str], Option<&str>)]) -> String {
    let registry = sample::registry();
    let rule = |(line, channels, during): &(&str, &[&str], Option<&str>)| Rule {
        source: String::new(),
        allow: !line.starts_with('!'),
        pattern: Pattern::parse(line.trim_start_matches('!'), &registry, &sample::vocabulary()).unwrap(),
        to: vec!["nobody-yet".to_owned()],
        channels: channels.iter().map(|channel| (*channel).to_owned()).collect(),
        during: during.map(|during| during.parse().unwrap()),
        confirm: true,
        approve: None,
        code: None,
        lender: None,
        until: None,
    };
    let policy = Policy { rules: rules.iter().map(rule).collect(), ..Policy::default() };
    let policy = Some(policy.anywhere());
    let all = Table { registry: sample::registry(), groups: Default::default(), languages: &[], policy }.show();
    let all = all.as_array().unwrap();
    assert!(all.iter().all(|command| [Value::Null, "0".into()].contains(&command["default_member_permissions"])));
    let open = all.iter().filter(|command| command["default_member_permissions"].is_null());
    open.filter_map(|command| command["name"].as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn what_no_rule_allows_is_for_administrators() {
    for (rules, wanted) in [
        (&[][..], "help"),
        (&[("deploy ship env=staging", &[][..], None)], "help deploy"),
        (&[("* effect=reads", &[], None)], "help changes"),
        (&[("*", &[], None)], "help deploy flag changes"),
        (&[("changes", &["ops"], Some("Mon-Fri 10:00-17:00"))], "help changes"),
        // A denial may hold for some only, or now and then: it hides nothing.
        (&[("*", &[], None), ("!deploy *", &[], None)], "help deploy flag changes"),
        (&[("!deploy *", &[], None)], "help"),
    ] {
        assert_eq!(seen(rules), wanted, "{rules:?}");
    }
}

#[test]
fn a_command_that_is_too_long_as_a_whole_is_told() {
    let command = |letters: usize| {
        json!([{
            "name": "long",
            "description": "x",
            "description_localizations": { "ko": "말".repeat(10), "de": "y" },
            "options": [{
                "name": "o",
                "description": "z",
                "choices": [{ "name": "c", "value": "말".repeat(letters) }],
            }],
        }])
    };
    // Of `long`, its longest description, `o`, `z` and `c`.
    let rest = LONGEST_COMMAND - (4 + 10 + 1 + 1 + 1);
    assert_eq!(checks(&command(rest)), Vec::<String>::new());
    assert_eq!(checks(&command(rest + 1)), ["\"long\" has 8001 characters, and may have 8000"]);
}

/// The rules of Discord's OpenAPI description for `ApplicationCommandCreateRequest` and what it holds.
fn check(object: &Value, depth: usize) {
    let kind = object["type"].as_u64().expect("a type");
    let name = object["name"].as_str().expect("a name");
    let about = object["description"].as_str().expect("a description");
    assert!((1..=32).contains(&name.chars().count()) && name == name.to_lowercase() && !name.contains(' '), "{name}");
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
    assert!(kind > 2 || options.is_sorted_by_key(|option| !required(option)), "{name}: required options come first");
    let choices = object.get("choices").and_then(Value::as_array);
    assert!(
        choices.is_none_or(|choices| object.get("autocomplete").is_none() && (1..=25).contains(&choices.len())),
        "{name}"
    );
    options.iter().for_each(|option| check(option, depth + 1));
}

#[test]
fn every_rule_of_discord_is_kept() {
    let all = table(sample::registry());
    let all = all.as_array().expect("a list");
    assert!((1..=100).contains(&all.len()));
    all.iter().for_each(|command| check(command, 0));
}
