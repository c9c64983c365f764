//! Strategies, constraints and variants in words.

use super::model::{GRADUAL, Setting, State, share, sticky_by};
use super::snapshot::Snapshot;
use commands::text;
use unleash_types::client_features::{Constraint, Operator, Strategy, Variant};

/// What there is to say of a flag in an environment beside whether it is on: a line each.
pub fn details(environment: &str, setting: &Setting, snapshot: &Snapshot) -> Vec<String> {
    let state = &setting.state;
    let told = |strategy: &&Strategy| state.strategies.len() > 1 || strategy_is_special(strategy);
    let strategies =
        state.strategies.iter().filter(told).map(|it| format!("{environment}: {}", strategy(it, snapshot)));
    let variants = state.variants.iter().map(|variant| {
        let value =
            variant.payload.as_ref().map(|payload| format!(" = {}", text::cut(&text::line(&payload.value), 60)));
        format!(
            "{environment}: variant {}, weight {}{}",
            text::line(&variant.name),
            variant.weight,
            value.unwrap_or_default()
        )
    });
    strategies.chain(variants).collect()
}

fn strategy_is_special(strategy: &Strategy) -> bool {
    strategy.name != GRADUAL || super::model::is_bound(strategy)
}

/// How a flag stands: "off", "on for everybody", "on for 25 % of those with country in kr, jp". It is one line, and has people's
/// own words in it.
pub fn state(state: &State, snapshot: &Snapshot) -> String {
    if state.on { format!("on for {}", whom(state, snapshot)) } else { "off".to_owned() }
}

/// Two of them, told apart where they are both off, or both on for the same people.
pub fn pair(before: &State, after: &State, snapshot: &Snapshot) -> (String, String) {
    let told = |it: &State| match it.on {
        true => state(it, snapshot),
        false => format!("off, and once on, for {}", whom(it, snapshot)),
    };
    match (state(before, snapshot), state(after, snapshot)) {
        (was, is) if was == is => (told(before), told(after)),
        pair => pair,
    }
}

fn whom(state: &State, snapshot: &Snapshot) -> String {
    let strategies: Vec<_> = state.strategies.iter().map(|it| strategy(it, snapshot)).collect();
    let mut words = match &strategies[..] {
        [] => "everybody".to_owned(),
        [all] if all == EVERYBODY => "everybody".to_owned(),
        some => some.join(", and for "),
    };
    let variant = |it: &Variant| format!("{} {} %", text::line(&it.name), f64::from(it.weight) / 10.0);
    let variants: Vec<_> = state.variants.iter().map(variant).collect();
    if let Some(first) = state.variants.first() {
        let by = first.stickiness.as_deref().unwrap_or("default");
        words += &format!("; {}{}", variants.join(", "), told_apart(by));
    }
    text::cut(&words, LONGEST)
}

/// By what people are told apart, where it is not the usual.
fn told_apart(by: &str) -> String {
    if by == "default" { String::new() } else { format!(" by {}", text::cut(&text::line(by), 40)) }
}

/// What a strategy says that lets everybody in.
const EVERYBODY: &str = "all";

/// The longest description, in columns.
const LONGEST: usize = 160;

/// A strategy: "25 % of those with country in kr, jp".
pub fn strategy(strategy: &Strategy, snapshot: &Snapshot) -> String {
    let mut words = match (strategy.name.as_str(), share(strategy)) {
        (_, Some(100)) => EVERYBODY.to_owned(),
        (_, Some(share)) => format!("{share} %{}", told_apart(sticky_by(strategy))),
        (name, None) => {
            let mut parameters: Vec<_> = strategy.parameters.iter().flatten().collect();
            parameters.sort();
            let parameters: Vec<_> =
                parameters.iter().map(|(name, value)| format!("{}={}", text::line(name), text::line(value))).collect();
            format!("{} ({})", text::line(name), text::cut(&parameters.join(", "), 80))
        }
    };
    let constraints = strategy.constraints.iter().flatten().map(constraint);
    let segments = strategy.segments.iter().flatten().map(|number| match snapshot.segments.get(number) {
        Some(segment) => format!("in segment {}", text::line(&segment.name)),
        None => format!("in segment {number}, which is gone"),
    });
    let bounds: Vec<_> = constraints.chain(segments).collect();
    if !bounds.is_empty() {
        words += &format!(" of those {}", bounds.join(" and "));
    }
    words
}

/// A constraint: "with country in kr, jp".
pub fn constraint(constraint: &Constraint) -> String {
    let one = constraint.values.as_ref().is_some_and(|values| values.len() == 1);
    let how = match &constraint.operator {
        Operator::In if one => "=",
        Operator::NotIn if one => "!=",
        Operator::In => "in",
        Operator::NotIn => "not in",
        Operator::StrEndsWith => "ending with",
        Operator::StrStartsWith => "beginning with",
        Operator::StrContains => "containing",
        Operator::NumEq | Operator::SemverEq => "=",
        Operator::NumGt | Operator::SemverGt => ">",
        Operator::NumGte | Operator::SemverGte => ">=",
        Operator::NumLt | Operator::SemverLt => "<",
        Operator::NumLte | Operator::SemverLte => "<=",
        Operator::DateAfter => "after",
        Operator::DateBefore => "before",
        Operator::InCidr => "in the network",
        Operator::RegexMatch => "matching",
        Operator::Unknown(_) => "by an operator that nobody knows, with",
    };
    let not = if constraint.inverted { "not " } else { "" };
    let values = constraint.values.iter().flatten().chain(&constraint.value);
    let values: Vec<_> = values.map(|value| text::line(value)).collect();
    let case = if constraint.case_insensitive { ", in any case" } else { "" };
    let values = text::cut(&values.join(", "), 80);
    format!("with {} {not}{how} {values}{case}", text::line(&constraint.context_name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_told_so_that_two_can_be_told_apart() {
        let off = State::default();
        let at = |percent| off.at("x", percent).unwrap();
        let everybody = State { on: true, ..State::default() };
        let mut koreans = at(50);
        koreans.strategies[0].constraints = super::super::constraint::read("country = kr").ok();
        let asleep = State { on: false, ..koreans.clone() };
        for (before, after, was, is) in [
            (&off, &everybody, "off", "on for everybody"),
            (&at(100), &at(10), "on for everybody", "on for 10 %"),
            (&at(10), &koreans, "on for 10 %", "on for 50 % of those with country = kr"),
            (&koreans, &asleep, "on for 50 % of those with country = kr", "off"),
            (&off, &asleep, "off, and once on, for everybody", "off, and once on, for 50 % of those with country = kr"),
        ] {
            assert_eq!(pair(before, after, &Snapshot::default()), (was.to_owned(), is.to_owned()));
        }
    }
}
