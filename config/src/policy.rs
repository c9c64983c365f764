//! The rules over who may do what. Their lines are the command language's, and are not read here.

use crate::{During, Person, Place, Section, names, people::EVERYONE, problem::visible, section::Mistake, tree::Text};
use std::collections::BTreeMap;

/// One rule: to whom a line is allowed or denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where the line stands in the config.
    pub place: Place,
    /// Whether it allows, or denies.
    pub allow: bool,
    /// The commands it is about, such as `deploy ship env=staging`.
    pub line: String,
    /// Role names, person names, and `everyone`, which is any person of the config.
    pub to: Vec<String>,
    /// The channels it holds in; none means all.
    pub channels: Vec<String>,
    /// When it holds; always, without.
    pub during: Option<During>,
    /// Whether the person is asked for a yes before anything is done.
    pub confirm: bool,
}

pub(crate) fn read(top: &Section, people: &BTreeMap<String, Person>) -> Vec<Rule> {
    top.list("policy").into_iter().filter_map(|section| rule(section, people)).collect()
}

/// A rule without a line is none.
fn rule(section: Section, people: &BTreeMap<String, Person>) -> Option<Rule> {
    let (allow, deny) = (section.has("allow"), section.has("deny"));
    if allow && deny {
        section.problem_at_key("deny", "one rule both allows and denies".into(), "write two rules".into());
    } else if !allow && !deny && section.whole() {
        let instead = "write `allow = \"…\"` with a line such as `deploy ship env=staging`";
        section.problem("allow", "this rule neither allows nor denies", instead);
    }
    let key = if allow { "allow" } else { "deny" };
    let line = section.text_node(key);
    if let Some((what, instead)) = line.and_then(names::check_line) {
        section.problem(key, what, instead);
    }
    let place = section.place(key);
    let to = holders(&section, people);
    let channels = section.texts_each("in", names::check_line);
    if section.is_empty_list("in") {
        section.problem("in", "a rule that holds in no channel never holds", "name a channel, or take the line out");
    }
    let during = section.text_node("during").and_then(|text| {
        let refuse = |instead| section.refuse("during", text, "is no time of the week", instead);
        During::read(&text.value).map_err(refuse).ok()
    });
    let confirm = section.boolean("confirm").unwrap_or_default();
    if confirm && deny {
        section.problem("confirm", "what is denied can not be confirmed", "take the line out");
    }
    section.finish();
    Some(Rule { place, allow, line: line?.value.clone(), to, channels, during, confirm })
}

/// Whom the rule is for. A word that nobody answers to is a problem: it would silently lock people out.
fn holders(section: &Section, people: &BTreeMap<String, Person>) -> Vec<String> {
    let roles = || people.values().flat_map(|person| &person.roles).chain(people.keys()).map(String::as_str);
    let known = |text: &Text| -> Option<Mistake> {
        let name = text.value.as_str();
        let nobody = section.whole() && name != EVERYONE && !roles().any(|role| role == name);
        nobody.then(|| {
            let instead = match crate::suggest::suggest(name, roles().chain([EVERYONE])) {
                Some(meant) => format!("write `{meant}`"),
                None => format!("give it to somebody: `roles = [\"{}\"]` under `[people.…]`", visible(name)),
            };
            (format!("nobody has the role {}, nor is it a person", text.shown()), instead)
        })
    };
    let to = section.texts_each("to", known);
    if !section.has("to") {
        section.missing("to", "[\"everyone\"]");
    } else if section.is_empty_list("to") {
        section.problem("to", "a rule for nobody never holds", "name a role, a person, or `everyone`");
    }
    to
}
