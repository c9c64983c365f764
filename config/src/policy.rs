//! The rules over who may do what. Their lines are the command language's, and are not read here.

use crate::{
    During, Place, Section, names,
    people::{DECKHAND, EVERYONE},
    problem::visible,
    section::Mistake,
    tree::Text,
};
use std::ops::RangeInclusive;
use std::time::Duration;

/// One rule: to whom a line is allowed or denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Where the line stands in the config.
    pub place: Place,
    /// Whether it allows, or denies.
    pub allow: bool,
    /// The commands it is about, such as `deploy ship env=staging`.
    pub line: String,
    /// Role names, person names, `everyone`, which is any person of the config, and `deckhand`, which is Deckhand itself.
    pub to: Vec<String>,
    /// The channels it holds in; none means all.
    pub channels: Vec<String>,
    /// When it holds; always, without.
    pub during: Option<During>,
    /// Whether the person is asked for a yes before anything is done.
    pub confirm: bool,
    /// Whether the person is asked for a one-time code, and for how long one that was right is good.
    pub code: Option<Duration>,
}

/// How long a one-time code may be good: longer would be no proof of who is there now.
const CODE_GOOD: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(12 * 3600);

/// The rules. `known` are the people and roles that there are.
pub(crate) fn read(top: &Section, known: &[&str]) -> Vec<Rule> {
    top.list("policy").into_iter().filter_map(|section| rule(section, known)).collect()
}

/// A rule without a line is none.
fn rule(section: Section, known: &[&str]) -> Option<Rule> {
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
    let to = holders(&section, known);
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
    let code = section.duration("code");
    if code.is_some() && deny {
        section.problem("code", "what is denied needs no code", "take the line out");
    } else if code.is_some_and(|good| !CODE_GOOD.contains(&good)) {
        section.problem("code", "a code can not be good for this long", "write a time from `1m` to `12h`");
    }
    section.finish();
    Some(Rule { place, allow, line: line?.value.clone(), to, channels, during, confirm, code })
}

/// Whom the rule is for. A word that nobody answers to is a problem: it would silently lock people out.
fn holders(section: &Section, known: &[&str]) -> Vec<String> {
    let check = |text: &Text| -> Option<Mistake> {
        let name = text.value.as_str();
        let nobody = section.whole() && ![EVERYONE, DECKHAND].contains(&name) && !known.contains(&name);
        nobody.then(|| {
            let instead = match crate::suggest::suggest(name, known.iter().copied().chain([EVERYONE, DECKHAND])) {
                Some(meant) => format!("write `{meant}`"),
                None => format!("give it to somebody: `roles = [\"{}\"]` under `[people.…]`", visible(name)),
            };
            (format!("nobody has the role {}, nor is it a person", text.shown()), instead)
        })
    };
    let to = section.texts_each("to", check);
    if !section.has("to") {
        section.missing("to", "[\"everyone\"]");
    } else if section.is_empty_list("to") {
        section.problem("to", "a rule for nobody never holds", "name a role, a person, or `everyone`");
    }
    to
}
