//! Who may speak to the bot: one record a person, over all platforms.

use crate::ids::Ids;
use crate::{Place, Section, names};
use std::collections::BTreeMap;

/// A person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The roles the person holds.
    pub roles: Vec<String>,
    /// The person's unchangeable id on each platform, by the platform's name.
    pub ids: BTreeMap<String, String>,
    /// Where the person stands in the config.
    pub place: Place,
}

/// The word for any person of the config, which therefore names neither a person nor a role.
pub(crate) const EVERYONE: &str = "everyone";

/// Deckhand itself, which policy allows what it says by itself: on a schedule, or to roll back what went bad.
pub const DECKHAND: &str = "deckhand";

pub(crate) fn read(top: &Section) -> BTreeMap<String, Person> {
    let sections = top.tables("people");
    let is_person = |name: &str| sections.iter().any(|(person, _)| person == name);
    let (mut people, mut ids) = (BTreeMap::new(), Ids::of("person"));
    for (name, section) in &sections {
        if name == EVERYONE {
            section.problem_at_start((format!("`{EVERYONE}` stands for all people"), "choose another name".into()));
        } else if name == DECKHAND {
            section.problem_at_start((format!("`{DECKHAND}` is Deckhand itself"), "choose another name".into()));
        } else if let Some(mistake) = names::mistake("a person", name) {
            section.problem_at_start(mistake);
        }
        let roles = section.texts_each("roles", |role| {
            let taken =
                |why: &str| Some((format!("{} {why}", role.shown()), "choose another name for the role".into()));
            match role.value.as_str() {
                EVERYONE => taken("is what everyone is, not a role"),
                DECKHAND => taken("is Deckhand itself, not a role"),
                name if is_person(name) => taken("is both a person and a role"),
                _ => names::check("a role", role),
            }
        });
        let ids = ids.read(section, Some("roles"), name);
        people.insert(name.clone(), Person { roles, ids, place: section.start() });
    }
    people
}
