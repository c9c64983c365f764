//! Strategies, constraints and variants in words.

use super::model::{GRADUAL, Setting, share};
use super::snapshot::Snapshot;
use commands::text;
use unleash_types::client_features::{Constraint, Operator, Strategy};

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

/// A strategy: "25 % of those with country in kr, jp".
pub fn strategy(strategy: &Strategy, snapshot: &Snapshot) -> String {
    let mut words = match (strategy.name.as_str(), share(strategy)) {
        (_, Some(100)) => "all".to_owned(),
        (_, Some(share)) => format!("{share} %"),
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
    let how = match &constraint.operator {
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
