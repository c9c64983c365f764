//! The ids that chat platforms give to people, roles and channels: each stands for one name only.

use crate::section::Mistake;
use crate::suggest::suggest;
use crate::tree::Text;
use crate::{Section, names, quoted};
use std::collections::BTreeMap;

/// The ids that have been read so far, so that none is given away twice.
pub(crate) struct Ids {
    /// What the ids are of, such as `person`.
    of: &'static str,
    /// The name behind the id of a platform.
    names: BTreeMap<(String, String), String>,
}

impl Ids {
    pub fn of(of: &'static str) -> Ids {
        Ids { of, names: BTreeMap::new() }
    }

    /// The platforms that the section has ids for: every key but `other`, the one that is something else.
    pub fn platforms<'a>(&self, section: &Section<'a>, other: Option<&str>) -> Vec<&'a str> {
        let mut platforms = Vec::new();
        for key in section.keys().filter(|key| Some(*key) != other) {
            if let Some(meant) = suggest(key, other) {
                let what = format!("{} is no key of a {}", quoted(key), self.of);
                section.problem_at_key(key, what, format!("write `{meant}`"));
                continue;
            }
            if let Some((what, instead)) = names::mistake("a platform", key) {
                section.problem_at_key(key, what, instead);
            }
            platforms.push(key);
        }
        platforms
    }

    /// The one id of `name` on each platform of its section.
    pub fn read(&mut self, section: &Section, other: Option<&str>, name: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for platform in self.platforms(section, other) {
            let Some(id) = section.text_node(platform) else { continue };
            if let Some((what, instead)) = self.mistake(platform, id, name) {
                section.problem(platform, what, id.instead(instead));
            }
            self.take(platform, &id.value, name);
            found.insert(platform.to_owned(), id.value.clone());
        }
        found
    }

    /// What is wrong with `id` as one of `name` on `platform`, if anything.
    pub fn mistake(&self, platform: &str, id: &Text, name: &str) -> Option<Mistake> {
        let other = self.names.get(&(platform.to_owned(), id.value.clone())).filter(|other| *other != name);
        names::check_line(id).or_else(|| {
            let what = format!("on {}, {} is also the id of {}", quoted(platform), id.shown(), quoted(other?));
            Some((what, format!("give every {} a different id", self.of)))
        })
    }

    /// Notes that this id is that of `name` from now on; the first name stays.
    pub fn take(&mut self, platform: &str, id: &str, name: &str) {
        self.names.entry((platform.to_owned(), id.to_owned())).or_insert_with(|| name.to_owned());
    }
}
