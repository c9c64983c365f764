//! Which roles of a chat platform are which of ours: for people that the config does not name.

use crate::ids::Ids;
use crate::people::EVERYONE;
use crate::{Person, Section, names};
use std::collections::BTreeMap;

/// The ids of a role on each platform, by the platform's name.
pub(crate) fn read(
    top: &Section,
    people: &BTreeMap<String, Person>,
) -> BTreeMap<String, BTreeMap<String, Vec<String>>> {
    let (mut roles, mut ids) = (BTreeMap::new(), Ids::of("role"));
    for (name, section) in top.tables("roles") {
        let mistake = match name.as_str() {
            EVERYONE => {
                Some((format!("`{EVERYONE}` is what everyone is, not a role"), "take the table out".to_owned()))
            }
            _ if people.contains_key(&name) => {
                Some((format!("`{name}` is both a person and a role"), "choose another name for the role".to_owned()))
            }
            _ => names::mistake("a role", &name),
        };
        mistake.into_iter().for_each(|mistake| section.problem_at_start(mistake));
        let mut platforms = BTreeMap::new();
        for platform in ids.platforms(&section, None) {
            let found = section.texts_each(platform, |id| ids.mistake(platform, id, &name));
            found.iter().for_each(|id| ids.take(platform, id, &name));
            platforms.insert(platform.to_owned(), found);
        }
        roles.insert(name, platforms);
    }
    roles
}
