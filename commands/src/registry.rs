//! Every command there is, looked up by name, and what Discord's rules say about the table.

use crate::message::ARGUMENT;
use crate::parse;
use crate::spec::{CommandSpec, Kind};
use crate::vocabulary::Vocabulary;
use chrono::DateTime;
use std::collections::BTreeSet;

/// The most options, choices, or sub-commands of a group, that Discord takes.
pub const MOST: usize = 25;

/// The most commands and groups of the first level that Discord takes.
const MOST_COMMANDS: usize = 100;

/// The most commands in the menu of a message, and the longest name of one there, in characters, that Discord takes.
const MOST_ON_MESSAGES: usize = 5;
const LONGEST_LABEL: usize = 32;

/// The longest description of a command or an argument that Discord takes.
pub const LONGEST_ABOUT: usize = 100;

/// Every command there is, in the order in which help shows them.
#[derive(Debug, Clone, Default)]
pub struct Registry(Vec<&'static CommandSpec>);

impl Registry {
    /// A registry of these commands.
    pub fn new(specs: impl IntoIterator<Item = &'static CommandSpec>) -> Registry {
        Registry(specs.into_iter().collect())
    }

    /// Every command.
    pub fn iter(&self) -> impl Iterator<Item = &'static CommandSpec> {
        self.0.iter().copied()
    }

    /// The command of exactly this name.
    pub fn find(&self, name: &str) -> Option<&'static CommandSpec> {
        self.iter().find(|spec| spec.name == name)
    }

    /// The command that is offered on messages under this label.
    pub fn on_message(&self, label: &str) -> Option<&'static CommandSpec> {
        self.iter().find(|spec| spec.on_message == Some(label))
    }

    /// Every group, such as `deploy` of `deploy ship`, once.
    pub fn groups(&self) -> BTreeSet<&'static str> {
        let names = self.iter().map(|spec| spec.name);
        names.flat_map(|name| name.match_indices(' ').map(|(space, _)| &name[..space])).collect()
    }

    /// The commands of a group.
    pub fn group(&self, group: &str) -> impl Iterator<Item = &'static CommandSpec> {
        let inside = move |name: &str| name.strip_prefix(group).is_some_and(|rest| rest.starts_with(' '));
        self.iter().filter(move |spec| inside(spec.name))
    }

    /// What is wrong with the table: by Discord's rules, by ours, and by the parser, which must read every example.
    pub fn checks(&self) -> Vec<String> {
        let examples = Vocabulary::of_examples();
        let mut wrong: Vec<_> = self.0.iter().flat_map(|spec| self.wrong_with(spec, &examples)).collect();
        let groups = self.groups();
        for group in &groups {
            if self.find(group).is_some() {
                wrong.push(format!("`{group}` is both a command and a group"));
            }
            let deeper: BTreeSet<_> = self.group(group).filter_map(|spec| word_after(spec.name, group)).collect();
            if deeper.len() > MOST {
                wrong.push(format!("the group `{group}` has {} sub-commands, and may have {MOST}", deeper.len()));
            }
        }
        let first: BTreeSet<_> = self.iter().filter_map(|spec| spec.name.split(' ').next()).collect();
        if first.len() > MOST_COMMANDS {
            wrong.push(format!("there are {} first words, and may be {MOST_COMMANDS}", first.len()));
        }
        let on_messages: Vec<_> = self.iter().filter_map(|spec| spec.on_message).collect();
        let labels: BTreeSet<_> = on_messages.iter().collect();
        if labels.len() < on_messages.len() || labels.len() > MOST_ON_MESSAGES {
            let all = on_messages.len();
            wrong.push(format!(
                "{all} commands are offered on messages: at most {MOST_ON_MESSAGES}, of different names"
            ));
        }
        wrong
    }

    /// What is wrong with one command, whose examples are written with these names.
    pub fn wrong_with(&self, spec: &'static CommandSpec, vocabulary: &Vocabulary) -> Vec<String> {
        let mut wrong = Vec::new();
        let words: Vec<_> = spec.name.split(' ').collect();
        if words.len() > 3 || !words.iter().all(|word| is_name(word)) {
            wrong.push("its name is not one to three words of a-z, 0-9 and `-`".to_owned());
        }
        if self.iter().filter(|other| other.name == spec.name).count() > 1 {
            wrong.push("it stands twice".to_owned());
        }
        if !fits(spec.about) || !spec.about.starts_with(char::is_uppercase) {
            wrong.push(format!("`about` is not 1 to {LONGEST_ABOUT} characters that begin with a capital"));
        }
        if spec.args.len() > MOST {
            wrong.push(format!("it has {} arguments, and may have {MOST}", spec.args.len()));
        }
        if !spec.args.is_sorted_by_key(|arg| !arg.required) {
            wrong.push("an optional argument stands before a required one".to_owned());
        }
        for (place, arg) in spec.args.iter().enumerate() {
            let name = arg.name;
            if !is_name(name) || spec.args[..place].iter().any(|before| before.name == name) {
                wrong.push(format!("`{name}` is no name of an argument, or stands twice"));
            }
            if !fits(arg.about) {
                wrong.push(format!("`about` of `{name}` is not 1 to {LONGEST_ABOUT} characters"));
            }
            if let Some(what) = wrong_with_kind(arg.kind) {
                wrong.push(format!("`{name}` {what}"));
            }
        }
        if let Some(label) = spec.on_message
            && !is_offered_well(spec, label)
        {
            wrong.push(format!(
                "`{label}` has more than {LONGEST_LABEL} characters, or its required argument is not `{ARGUMENT}` alone"
            ));
        }
        if spec.examples.is_empty() {
            wrong.push("it has no example".to_owned());
        }
        for example in spec.examples {
            match parse::parse(example, self, vocabulary, DateTime::UNIX_EPOCH) {
                Ok(read) if read.command.name == spec.name => {}
                Ok(read) => wrong.push(format!("its example `{example}` is one of `{}`", read.command.name)),
                Err(mistake) => wrong.push(format!("its example `{example}` is mistaken: {}", mistake.what)),
            }
        }
        wrong.into_iter().map(|what| format!("{}: {what}", spec.name)).collect()
    }
}

/// Whether a command can be offered on messages under this label.
fn is_offered_well(spec: &CommandSpec, label: &str) -> bool {
    let mut required = spec.args.iter().filter(|arg| arg.required);
    let names_it = required.next().is_some_and(|arg| arg.name == ARGUMENT && arg.kind == Kind::Text);
    names_it && required.next().is_none() && (1..=LONGEST_LABEL).contains(&label.chars().count())
}

/// The word of `name` that follows its first words `group`.
pub(crate) fn word_after<'a>(name: &'a str, group: &str) -> Option<&'a str> {
    name.strip_prefix(group)?.strip_prefix(' ')?.split(' ').next()
}

/// Whether a word may name a command or an argument: Discord's pattern, of which we take the ASCII part,
/// `^[a-z][a-z0-9-]{0,31}$`.
pub fn is_name(word: &str) -> bool {
    let letters = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    letters && word.len() <= 32 && word.starts_with(|c: char| c.is_ascii_lowercase())
}

fn fits(about: &str) -> bool {
    (1..=LONGEST_ABOUT).contains(&about.chars().count())
}

fn wrong_with_kind(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Choice([]) => Some("has nothing to choose from"),
        Kind::Choice(words) if words.iter().any(|word| !fits(word)) => Some("has a choice that is empty or too long"),
        Kind::Choice(words) if words.iter().collect::<BTreeSet<_>>().len() < words.len() => Some("has a choice twice"),
        Kind::Integer(least, most) if least > most => Some("takes no number at all"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::Registry;
    use crate::sample;
    use crate::spec::{ArgSpec, CommandSpec, Effect, Kind, Need};

    const FINE: CommandSpec = CommandSpec {
        name: "fine",
        about: "Do it",
        args: &[],
        need: Need::Rule,
        effect: Effect::Reads,
        urgent: false,
        on_message: None,
        examples: &["fine"],
    };

    #[test]
    fn the_sample_is_without_fault_and_is_looked_up() {
        let registry = sample::registry();
        assert_eq!(registry.checks(), Vec::<String>::new());
        assert_eq!(registry.find("deploy ship").map(|spec| spec.name), Some("deploy ship"));
        assert!(registry.find("deploy").is_none() && registry.find("Deploy ship").is_none());
        assert!(registry.groups().contains("deploy"));
        assert!(registry.group("deploy").all(|spec| spec.name.starts_with("deploy ")));
    }

    #[test]
    fn every_fault_is_told() {
        static LONG: &str = "An explanation that goes on and on until it is longer than the one hundred characters that there are for it";
        static MANY: [ArgSpec; 26] = [const { ArgSpec::optional("same", Kind::Text, "Text") }; 26];
        static NONE: &[&str] = &[];
        static BAD: &[(CommandSpec, &str)] = &[
            (CommandSpec { name: "a b c d", ..FINE }, "its name is not"),
            (CommandSpec { name: "Upper", ..FINE }, "its name is not"),
            (CommandSpec { name: "9lives", ..FINE }, "its name is not"),
            (CommandSpec { about: LONG, ..FINE }, "`about` is not"),
            (CommandSpec { about: "", ..FINE }, "`about` is not"),
            (CommandSpec { about: "lower", ..FINE }, "`about` is not"),
            (CommandSpec { args: &MANY, ..FINE }, "it has 26 arguments"),
            (CommandSpec { args: &MANY, ..FINE }, "stands twice"),
            (
                CommandSpec {
                    args: &[ArgSpec::optional("x", Kind::Text, "X"), ArgSpec::required("y", Kind::Text, "Y")],
                    ..FINE
                },
                "an optional argument stands before",
            ),
            (CommandSpec { args: &[ArgSpec::optional("a_b", Kind::Text, "X")], ..FINE }, "`a_b` is no name"),
            (CommandSpec { args: &[ArgSpec::optional("x", Kind::Text, "")], ..FINE }, "`about` of `x`"),
            (CommandSpec { args: &[ArgSpec::optional("x", Kind::Choice(NONE), "X")], ..FINE }, "nothing to choose"),
            (CommandSpec { args: &[ArgSpec::optional("x", Kind::Choice(&["a", "a"]), "X")], ..FINE }, "a choice twice"),
            (CommandSpec { args: &[ArgSpec::optional("x", Kind::Integer(2, 1), "X")], ..FINE }, "no number at all"),
            (CommandSpec { examples: NONE, ..FINE }, "it has no example"),
            (CommandSpec { examples: &["fine x"], ..FINE }, "its example `fine x` is mistaken"),
        ];
        for (spec, fault) in BAD {
            let told = Registry::new([spec]).checks();
            assert!(told.iter().any(|what| what.starts_with(spec.name) && what.contains(fault)), "{fault}: {told:?}");
        }
        static GROUP: CommandSpec = CommandSpec { name: "fine more", examples: &["fine more"], ..FINE };
        assert_eq!(Registry::new([&FINE, &GROUP]).checks()[0], "`fine` is both a command and a group");
        assert_eq!(Registry::new([&FINE, &FINE]).checks()[0], "fine: it stands twice");
        static OTHER: CommandSpec = CommandSpec { name: "other", examples: &["fine"], ..FINE };
        assert_eq!(Registry::new([&FINE, &OTHER]).checks(), ["other: its example `fine` is one of `fine`"]);
    }
}
