//! What commands, groups and arguments are for, in other languages than English: a file a language, `words/ko.toml`.

use crate::registry::{LONGEST_ABOUT, Registry};
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The files, by the language's code.
const FILES: [(&str, &str); 1] = [("ko", include_str!("words/ko.toml"))];

/// The words of one language.
#[derive(Debug, Default)]
pub struct Words(BTreeMap<String, String>);

/// Every language there is, by its code. A file that can not be read has no words, which its checks tell.
pub static ALL: LazyLock<Vec<(&str, Words)>> =
    LazyLock::new(|| FILES.iter().map(|(code, file)| (*code, Words::parse(file).unwrap_or_default())).collect());

impl Words {
    /// Reads a file.
    ///
    /// # Errors
    /// When it is no TOML, holds anything but text, or says the same thing twice.
    pub fn parse(file: &str) -> Result<Words, toml::de::Error> {
        toml::from_str(file).map(Words)
    }

    /// What the command or group of this name, or the argument (`deploy ship env`), is for.
    pub fn of(&self, what: &str) -> Option<&str> {
        self.0.get(what).map(String::as_str)
    }

    /// What is missing, too long, or of no use to anybody, each with the line to write.
    pub fn checks(&self, registry: &Registry) -> Vec<String> {
        let described = described(registry);
        let line = |what: &str, about: &str| format!("write \"{what}\" = \"…\" for: {about}");
        let faults =
            described.iter().filter_map(|(what, about)| match self.of(what).map(|text| text.chars().count()) {
                Some(1..=LONGEST_ABOUT) => None,
                Some(letters) => {
                    Some(format!("`{what}` has {letters} of 1 to {LONGEST_ABOUT} characters: {}", line(what, about)))
                }
                None => Some(format!("`{what}` is missing: {}", line(what, about))),
            });
        let left = self.0.keys().filter(|what| !described.contains_key(*what));
        faults.chain(left.map(|what| format!("`{what}` describes nothing: remove it"))).collect()
    }
}

/// All that has a description, with the English one; of a group, and of what stands in a menu, its name.
fn described(registry: &Registry) -> BTreeMap<String, &'static str> {
    let groups = registry.groups().into_iter().map(|group| (group.to_owned(), group));
    let commands = registry.iter().map(|command| (command.name.to_owned(), command.about));
    let args = registry
        .iter()
        .flat_map(|command| command.args.iter().map(|arg| (format!("{} {}", command.name, arg.name), arg.about)));
    let on_messages = registry.iter().filter_map(|command| command.on_message).map(|label| (label.to_owned(), label));
    groups.chain(commands).chain(args).chain(on_messages).collect()
}

#[cfg(test)]
mod tests {
    use super::{FILES, Words, described};
    use crate::registry::Registry;
    use crate::sample;

    fn sample() -> Registry {
        Registry::new(sample::registry().iter().filter(|command| ["help", "deploy lock"].contains(&command.name)))
    }

    #[test]
    fn every_file_can_be_read() {
        for (code, file) in FILES {
            let words = Words::parse(file);
            assert!(words.as_ref().is_ok_and(|words| !words.0.is_empty()), "{code}: {words:?}");
        }
        assert!(Words::parse("\"help\" = \"a\"\n\"help\" = \"b\"").is_err(), "one of two would quietly win");
    }

    #[test]
    fn commands_groups_and_arguments_have_words() {
        let named: Vec<_> = described(&sample()).into_keys().collect();
        let wanted = [
            "deploy",
            "deploy lock",
            "deploy lock because",
            "deploy lock env",
            "deploy lock for",
            "deploy lock service",
            "help",
            "help command",
            "help page",
        ];
        assert_eq!(named, wanted);
    }

    #[test]
    fn every_fault_is_told_with_the_line_to_write() {
        let full = || Words(described(&sample()).into_keys().map(|what| (what, "말".repeat(100))).collect());
        assert_eq!(full().checks(&sample()), Vec::<String>::new());
        let changes: [(&str, Option<String>, &str); 5] = [
            ("help", None, "`help` is missing: write \"help\" = \"…\" for: Show what you can say"),
            ("deploy", None, "`deploy` is missing: write \"deploy\" = \"…\" for: deploy"),
            (
                "help page",
                Some("말".repeat(101)),
                "`help page` has 101 of 1 to 100 characters: write \"help page\" = \"…\" for: Which page",
            ),
            (
                "help page",
                Some(String::new()),
                "`help page` has 0 of 1 to 100 characters: write \"help page\" = \"…\" for: Which page",
            ),
            ("deploy ship", Some("말".to_owned()), "`deploy ship` describes nothing: remove it"),
        ];
        for (what, text, fault) in changes {
            let mut words = full();
            match text {
                Some(text) => words.0.insert(what.to_owned(), text),
                None => words.0.remove(what),
            };
            assert_eq!(words.checks(&sample()), [fault]);
        }
    }
}
