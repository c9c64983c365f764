//! A small table of commands and a vocabulary, for the tests of the language.

use crate::registry::Registry;
use crate::spec::{ArgSpec, CommandSpec, Effect, Kind, Need};
use crate::vocabulary::Vocabulary;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;

const SERVICE: ArgSpec = ArgSpec::required("service", Kind::Service, "Which service");
const ENV: ArgSpec = ArgSpec::required("env", Kind::Environment, "Where to");
const BECAUSE: ArgSpec = ArgSpec::optional("because", Kind::Text, "Why, for those who read the ledger");

const READS: CommandSpec = CommandSpec {
    name: "",
    about: "",
    args: &[],
    need: Need::Rule,
    effect: Effect::Reads,
    urgent: false,
    on_message: None,
    examples: &[],
};

static COMMANDS: &[CommandSpec] = &[
    CommandSpec {
        name: "help",
        about: "Show what you can say",
        args: &[
            ArgSpec::optional("command", Kind::Command, "The command to explain"),
            ArgSpec::optional("page", Kind::Integer(1, 1_000), "Which page"),
        ],
        need: Need::Nothing,
        examples: &["help", "help deploy ship", "help page:2"],
        ..READS
    },
    CommandSpec {
        name: "deploy ship",
        about: "Put a version of a service somewhere",
        args: &[SERVICE, ENV, ArgSpec::required("ref", Kind::Ref, "A tag, a branch or a commit"), BECAUSE],
        effect: Effect::Changes,
        examples: &["deploy ship hello staging v2", "deploy ship hello production v2 because:\"the fix\""],
        ..READS
    },
    CommandSpec {
        name: "deploy lock",
        about: "Keep everyone from deploying a service",
        args: &[
            SERVICE,
            ENV,
            ArgSpec::required("because", Kind::Text, "Why"),
            ArgSpec::optional("for", Kind::Duration, "For how long"),
        ],
        effect: Effect::Danger,
        examples: &["deploy lock hello staging the database moves for:2h"],
        ..READS
    },
    CommandSpec {
        name: "flag rollout set",
        about: "Set for how many people a flag is on",
        args: &[
            ArgSpec::required("flag", Kind::Text, "The flag"),
            ArgSpec::required("share", Kind::Percent, "How many of a hundred"),
            ArgSpec::optional("sticky", Kind::Choice(&["user", "session"]), "What is counted"),
        ],
        effect: Effect::Changes,
        examples: &["flag rollout set dark-mode 25%"],
        ..READS
    },
    CommandSpec {
        name: "changes",
        about: "Show what has changed since a moment",
        args: &[
            ArgSpec::required("since", Kind::Time, "From this moment on"),
            ArgSpec::optional("person", Kind::Person, "Only what this person did"),
        ],
        examples: &["changes since:14:00", "changes yesterday @ana"],
        ..READS
    },
];

/// The commands `help`, `deploy ship`, `deploy lock`, `flag rollout set` and `changes`.
pub fn registry() -> Registry {
    Registry::new(COMMANDS)
}

/// Two services, two environments, three people.
pub fn vocabulary() -> Vocabulary {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Vocabulary {
        services: names(&["hello", "checkout"]),
        environments: names(&["staging", "production"]),
        people: names(&["ana", "ben", "chloe"]),
        zone: Tz::Asia__Seoul,
    }
}

/// Thursday, 15:30 in Seoul.
pub fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_772_692_200, 0).unwrap_or_default()
}
