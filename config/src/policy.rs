//! The rules over who may do what. Their lines are the command language's, and are not read here.

use crate::{
    During, Person, Place, Section, names,
    people::{DECKHAND, EVERYONE},
    problem::visible,
    section::Mistake,
    tree::Text,
};
use std::collections::BTreeMap;
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
    /// Whether others have to approve first.
    pub approve: Option<Approval>,
}

/// Who has to approve what a rule allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// How many people.
    pub quorum: usize,
    /// Out of these roles, people, and `everyone`: whom the rule is for, unless it says otherwise.
    pub approvers: Vec<String>,
    /// For how long after it was asked for.
    pub within: Duration,
}

/// How long a one-time code may be good: longer would be no proof of who is there now.
const CODE_GOOD: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(12 * 3600);

/// How many people may have to approve: more is a vote, and no check by another pair of eyes.
const QUORUM: RangeInclusive<i64> = 1..=10;

/// How long an approval may be waited for: after a week nobody knows any more what was meant.
const APPROVE_WITHIN: RangeInclusive<Duration> = Duration::from_secs(60)..=Duration::from_secs(7 * 24 * 3600);

/// How long it is waited for where the rule does not say.
const WITHIN: Duration = Duration::from_secs(2 * 3600);

/// Everybody of the config, by name.
type People = BTreeMap<String, Person>;

/// The rules. `known` are the people and roles that there are.
pub(crate) fn read(top: &Section, known: &[&str], people: &People) -> Vec<Rule> {
    top.list("policy").into_iter().filter_map(|section| rule(section, known, people)).collect()
}

/// A rule without a line is none.
fn rule(section: Section, known: &[&str], people: &People) -> Option<Rule> {
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
    let to = holders(&section, "to", known);
    if !section.has("to") {
        section.missing("to", "[\"everyone\"]");
    }
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
    let approve = approval(&section, known, people, &to);
    section.finish();
    Some(Rule { place, allow, line: line?.value.clone(), to, channels, during, confirm, code, approve })
}

/// Who has to approve, where anybody has to.
fn approval(section: &Section, known: &[&str], people: &People, to: &[String]) -> Option<Approval> {
    let quorum = section.integer("approve", QUORUM);
    let approvers = if section.has("approvers") { holders(section, "approvers", known) } else { to.to_vec() };
    let within = section.duration("within");
    if !section.has("approve") {
        for key in ["approvers", "within"].into_iter().filter(|key| section.has(key)) {
            section.problem_at_key(
                key,
                format!("`{key}` says who approves what, and when, but nobody has to"),
                "write `approve = 1`".into(),
            );
        }
        return None;
    }
    if section.has("deny") {
        section.problem("approve", "what is denied needs no approval", "take the line out");
        return None;
    }
    if within.is_some_and(|within| !APPROVE_WITHIN.contains(&within)) {
        section.problem("within", "an approval can not be waited for this long", "write a time from `1m` to `7d`");
    }
    let approval = Approval { quorum: usize::try_from(quorum?).ok()?, approvers, within: within.unwrap_or(WITHIN) };
    if section.whole() && !approval.approvers.is_empty() {
        check_quorum(section, &approval, people, to);
    }
    Some(approval)
}

/// Whether there is anybody whose call could be approved: nobody approves their own.
fn check_quorum(section: &Section, approval: &Approval, people: &People, to: &[String]) {
    let among = |names: &[String]| -> Vec<&String> {
        let holds = |(name, person): &(&String, &Person)| {
            names.iter().any(|held| held == *name || held == EVERYONE || person.roles.contains(held))
        };
        people.iter().filter(holds).map(|(name, _)| name).collect()
    };
    let (approvers, askers) = (among(&approval.approvers), among(to));
    // A role that only a chat gives has no people here: whoever asks by it is none of the approvers.
    let others = |asker: &&String| approvers.iter().filter(|approver| *approver != asker).count();
    let most = askers.iter().map(others).max().unwrap_or(approvers.len());
    if most >= approval.quorum {
        return;
    }
    let key = if section.has("approvers") { "approvers" } else { "approve" };
    let what = match &approvers[..] {
        [] => "no person of the config could approve this".to_owned(),
        [only] if askers.contains(only) => {
            format!("nobody but {} could approve this, and nobody approves what they ask for", visible(only))
        }
        _ => format!("{} people have to approve this, and {most} could at most", approval.quorum),
    };
    section.problem(key, what, "name more people, or roles that more people have, as `approvers`");
}

/// Whom a rule names. A word that nobody answers to is a problem: it would silently lock people out.
fn holders(section: &Section, key: &str, known: &[&str]) -> Vec<String> {
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
    let named = section.texts_each(key, check);
    if section.is_empty_list(key) {
        let what = if key == "to" { "a rule for nobody never holds" } else { "what nobody may approve is never done" };
        section.problem(key, what, "name a role, a person, or `everyone`");
    }
    named
}
