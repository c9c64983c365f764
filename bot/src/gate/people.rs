//! Who somebody is: one person across platforms, by ids that do not change.

use commands::cx::Who;
use config::Config;
use std::collections::HashMap;

/// The console's own name as a platform: there, a person's id is their name in the config.
pub const CONSOLE: &str = "console";

/// Somebody who says something, as the platform knows them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Speaker {
    /// The platform's name.
    pub platform: String,
    /// Their id there.
    pub id: String,
}

/// All people that the config knows.
#[derive(Debug, Default)]
pub struct People {
    roles: HashMap<String, Vec<String>>,
    names: HashMap<(String, String), String>,
}

impl People {
    /// The config's people.
    pub fn new(config: &Config) -> People {
        let mut people = People::default();
        for (name, person) in &config.people {
            people.roles.insert(name.clone(), person.roles.clone());
            people.names.insert((CONSOLE.to_owned(), name.clone()), name.clone());
            for (platform, id) in &person.ids {
                people.names.insert((platform.clone(), id.clone()), name.clone());
            }
        }
        people
    }

    /// Who `speaker` is. Somebody whom the config does not know has no roles, and a name that no person can have.
    pub fn who(&self, speaker: &Speaker) -> Who {
        match self.names.get(&(speaker.platform.clone(), speaker.id.clone())) {
            Some(name) => Who { name: name.clone(), roles: self.roles[name].clone(), known: true },
            None => Who { name: format!("{}:{}", speaker.platform, speaker.id), roles: Vec::new(), known: false },
        }
    }

    /// The person of this name.
    pub fn named(&self, name: &str) -> Who {
        self.who(&Speaker { platform: CONSOLE.to_owned(), id: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_on_every_platform_by_id_and_never_by_a_name_they_chose() {
        let text = "[people.ana]\nroles = [\"deployer\"]\ndiscord = \"4711\"\nirc = \"ana!ops\"\n[people.dan]\ndiscord = \"4712\"\n";
        let (config, problems) = config::parse(text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
        assert!(problems.is_empty(), "{problems}");
        let people = People::new(&config);
        let table = [
            ("console", "ana", "ana", true),
            ("discord", "4711", "ana", true),
            ("irc", "ana!ops", "ana", true),
            ("discord", "4712", "dan", true),
            // An id belongs to its platform, and a name in the config is an id on the console alone.
            ("irc", "4711", "irc:4711", false),
            ("discord", "ana", "discord:ana", false),
            ("console", "4711", "console:4711", false),
            ("console", "Ana", "console:Ana", false),
        ];
        for (platform, id, name, known) in table {
            let who = people.who(&Speaker { platform: platform.to_owned(), id: id.to_owned() });
            assert_eq!((&*who.name, who.known), (name, known), "{platform} {id}");
            assert_eq!(who.roles, if name == "ana" { vec!["deployer"] } else { vec![] }, "{platform} {id}");
        }
    }
}
