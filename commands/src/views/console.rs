//! The table of commands as the console's JSON: what its page and its terminal client show of each.

use super::{fits, help};
use crate::spec::{CommandSpec, Effect};
use serde_json::{Value, json};

/// The commands that the asker may say: `{"commands": [{"name", "about", "usage", "effect", "args", "examples"}]}`, an
/// argument being `{"name", "about", "write", "required"}`.
pub fn commands(commands: &[&'static CommandSpec]) -> Value {
    json!({ "commands": commands.iter().map(|spec| command(spec)).collect::<Vec<_>>() })
}

fn command(command: &CommandSpec) -> Value {
    let args = command
        .args
        .iter()
        .map(|arg| json!({ "name": arg.name, "about": arg.about, "write": fits(arg.kind), "required": arg.required }));
    json!({
        "name": command.name,
        "about": command.about,
        "usage": help::usage(command),
        "effect": match command.effect {
            Effect::Reads => "reads",
            Effect::Changes => "changes",
            Effect::GoesBack => "goes-back",
            Effect::Danger => "danger",
        },
        "args": args.collect::<Vec<_>>(),
        "examples": command.examples,
    })
}

#[cfg(test)]
mod tests {
    use super::commands;
    use crate::sample;
    use serde_json::json;

    #[test]
    fn a_command_is_shown_whole() {
        let registry = sample::registry();
        let rollout = registry.find("flag rollout set").expect("a command");
        let expected = json!({ "commands": [{
            "name": "flag rollout set",
            "about": "Set for how many people a flag is on",
            "usage": "flag rollout set flag share [sticky]",
            "effect": "changes",
            "args": [
                { "name": "flag", "about": "The flag", "write": "any text", "required": true },
                {
                    "name": "share",
                    "about": "How many of a hundred",
                    "write": "0 to 100, with or without `%`",
                    "required": true,
                },
                { "name": "sticky", "about": "What is counted", "write": "`user` or `session`", "required": false },
            ],
            "examples": ["flag rollout set dark-mode 25%"],
        }] });
        assert_eq!(commands(&[rollout]), expected);
        assert_eq!(commands(&[]), json!({ "commands": [] }));
    }
}
