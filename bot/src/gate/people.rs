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
    /// The ids of the roles that the platform gives them; none where it has no roles.
    pub roles: Vec<String>,
    /// Where the platform can not tell who this is: what they can do so that it can, as a sentence.
    pub unproven: Option<&'static str>,
}

impl Speaker {
    /// A person of the config on the console, where their id is their name.
    pub fn console(name: impl Into<String>) -> Speaker {
        Speaker { platform: CONSOLE.to_owned(), id: name.into(), roles: Vec::new(), unproven: None }
    }
}

/// All people that the config knows.
#[derive(Debug, Default)]
pub struct People {
    roles: HashMap<String, Vec<String>>,
    names: HashMap<(String, String), String>,
    /// The config's role behind the id of a platform's.
    mapped: HashMap<(String, String), String>,
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
        for (role, platforms) in &config.roles {
            for (platform, id) in platforms.iter().flat_map(|(platform, ids)| ids.iter().map(move |id| (platform, id)))
            {
                people.mapped.insert((platform.clone(), id.clone()), role.clone());
            }
        }
        people
    }

    /// Who `speaker` is. A person of the config has the roles that it gives them, and no others. Somebody whom it does not
    /// know has those that it has for their roles on the platform, and a name that no person can have.
    pub fn who(&self, speaker: &Speaker) -> Who {
        let platform = &speaker.platform;
        if let Some(name) = self.names.get(&(platform.clone(), speaker.id.clone())) {
            return Who { name: name.clone(), roles: self.roles[name].clone(), known: true, unproven: None };
        }
        let mapped = |id: &String| self.mapped.get(&(platform.clone(), id.clone())).cloned();
        let mut roles: Vec<_> = speaker.roles.iter().filter_map(mapped).collect();
        roles.sort_unstable();
        roles.dedup();
        Who { name: format!("{platform}:{}", speaker.id), roles, known: false, unproven: speaker.unproven }
    }

    /// The person of this name.
    pub fn named(&self, name: &str) -> Who {
        self.who(&Speaker::console(name))
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
            let who = people.who(&Speaker { platform: platform.to_owned(), id: id.to_owned(), ..Speaker::console("") });
            assert_eq!((&*who.name, who.known), (name, known), "{platform} {id}");
            assert_eq!(who.roles, if name == "ana" { vec!["deployer"] } else { vec![] }, "{platform} {id}");
        }
    }

    #[test]
    fn the_roles_of_a_platform_count_for_those_whom_the_config_does_not_name() {
        let text = "[people.ana]\nroles = [\"deployer\"]\ndiscord = \"4711\"\n[roles.deployer]\ndiscord = [\"77\", \"78\"]\n[roles.guest]\ndiscord = [\"79\"]\n";
        let (config, problems) = config::parse(text, "deckhand.toml", std::path::Path::new("/srv"), &|_| None);
        assert!(problems.is_empty(), "{problems}");
        let people = People::new(&config);
        let table: [(&str, &str, &[&str], &[&str]); 6] = [
            ("discord", "9", &["77", "78", "5"], &["deployer"]),
            ("discord", "9", &["79", "77"], &["deployer", "guest"]),
            ("discord", "9", &["5", "deployer"], &[]),
            // An id of another platform's role is no role here.
            ("irc", "9", &["77"], &[]),
            // A person has what the config says, no more.
            ("discord", "4711", &["79"], &["deployer"]),
            ("discord", "9", &[], &[]),
        ];
        for (platform, id, given, roles) in table {
            let given = given.iter().map(|role| (*role).to_owned()).collect();
            let who =
                people.who(&Speaker { platform: platform.to_owned(), id: id.to_owned(), roles: given, unproven: None });
            assert_eq!(
                (&who.roles[..], who.known),
                (&roles.iter().map(|role| (*role).to_owned()).collect::<Vec<_>>()[..], id == "4711")
            );
            assert_eq!(who.is_stranger(), roles.is_empty());
        }
    }
}
