//! Constraints as people type them: `country in kr,jp and version >= 2.1.0`.

use chrono::DateTime;
use commands::text;
use unleash_types::client_features::{ClientFeature, ClientFeatures, Constraint, Operator, Strategy};
use unleash_yggdrasil::EngineState;

/// How many constraints are taken at once, how many values each, and how long a value may be.
const MOST: (usize, usize, usize) = (20, 500, 200);

/// How an operator is typed, and what it means. The longer ones come first.
const OPERATORS: [(&str, How); 14] = [
    ("not in", How::Many(Operator::NotIn)),
    ("in", How::Many(Operator::In)),
    ("starts with", How::Many(Operator::StrStartsWith)),
    ("ends with", How::Many(Operator::StrEndsWith)),
    ("contains", How::Many(Operator::StrContains)),
    ("within", How::Many(Operator::InCidr)),
    ("matches", How::One(Operator::RegexMatch)),
    ("after", How::Date(Operator::DateAfter)),
    ("before", How::Date(Operator::DateBefore)),
    ("!=", How::Many(Operator::NotIn)),
    (">=", How::Order(Operator::NumGte, Operator::SemverGte)),
    ("<=", How::Order(Operator::NumLte, Operator::SemverLte)),
    (">", How::Order(Operator::NumGt, Operator::SemverGt)),
    ("<", How::Order(Operator::NumLt, Operator::SemverLt)),
];

/// What an operator takes.
enum How {
    /// Any of some values.
    Many(Operator),
    /// One value.
    One(Operator),
    /// A moment.
    Date(Operator),
    /// A number, or a version.
    Order(Operator, Operator),
}

/// How they are written, for whoever has not.
pub const EXAMPLE: &str = "`country in kr,jp and version >= 2.1.0`";

/// Reads constraints that all have to be met.
///
/// # Errors
/// A sentence that says what is wrong, and what to write instead.
pub fn read(said: &str) -> Result<Vec<Constraint>, String> {
    let clauses: Vec<_> = said.split(" and ").map(str::trim).collect();
    if clauses.len() > MOST.0 {
        return Err(format!(
            "These are {} conditions, and {} is the most. `/segment create` makes one of some.",
            clauses.len(),
            MOST.0
        ));
    }
    let constraints: Vec<_> = clauses.into_iter().map(one).collect::<Result<_, _>>()?;
    if takes(&constraints) {
        Ok(constraints)
    } else {
        Err(format!("The engine does not take {}. Leave out quotes and backslashes.", text::code(&text::cut(said, 60))))
    }
}

/// Whether the engine takes them: what it does not is off for everybody.
fn takes(constraints: &[Constraint]) -> bool {
    let strategy = Strategy {
        name: "default".to_owned(),
        sort_order: None,
        segments: None,
        variants: None,
        constraints: Some(constraints.to_vec()),
        parameters: None,
    };
    let feature = ClientFeature {
        name: "it".to_owned(),
        enabled: true,
        strategies: Some(vec![strategy]),
        ..ClientFeature::default()
    };
    let all = ClientFeatures { version: 2, features: vec![feature], segments: None, query: None, meta: None };
    EngineState::initial_state(DateTime::UNIX_EPOCH)
        .apply_client_features(all)
        .is_none_or(|warnings| warnings.is_empty())
}

fn one(clause: &str) -> Result<Constraint, String> {
    let shown = text::code(&text::cut(clause, 60));
    let (name, rest) = split(clause).ok_or_else(|| {
        format!("{shown} is no condition. Write a property, how it compares, and to what, as in {EXAMPLE}.")
    })?;
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')) {
        return Err(format!("{} is no name of a property. Use letters, digits, `-`, `_` and `.`.", text::code(name)));
    }
    // `=` is what most people type for one value.
    let rest = rest.strip_prefix('=').map_or_else(|| rest.to_owned(), |value| format!("in {value}"));
    let found = OPERATORS.iter().find_map(|(word, how)| {
        let value = rest.strip_prefix(word)?;
        let is_whole = word.ends_with(['=', '>', '<']) || value.starts_with(char::is_whitespace);
        is_whole.then(|| (how, value.trim()))
    });
    let (how, value) = found.filter(|(_, value)| !value.is_empty()).ok_or_else(|| {
        let known: Vec<_> = OPERATORS.iter().map(|(word, _)| format!("`{word}`")).collect();
        format!("In {shown} it is not clear how to compare. Write `=`, {}, and a value.", known.join(", "))
    })?;
    let name = match name {
        "user" => "userId",
        "session" => "sessionId",
        "ip" => "remoteAddress",
        name => name,
    };
    let (operator, values, value) = match how {
        How::Many(operator @ Operator::InCidr) => (operator, Some(networks(many(value)?)?), None),
        How::Many(operator) => (operator, Some(many(value)?), None),
        How::One(operator) => (operator, None, Some(matching(value)?)),
        How::Date(operator) => (operator, None, Some(date(value)?)),
        How::Order(number, version) => (ordered(value, number, version)?, None, Some(value.to_owned())),
    };
    let (context_name, operator) = (name.to_owned(), operator.clone());
    Ok(Constraint { context_name, operator, case_insensitive: false, inverted: false, values, value })
}

/// The property, and what stands behind it.
fn split(clause: &str) -> Option<(&str, &str)> {
    let end = clause.find(|c: char| c.is_whitespace() || matches!(c, '=' | '!' | '<' | '>'))?;
    let (name, rest) = (&clause[..end], clause[end..].trim_start());
    (!name.is_empty() && !rest.is_empty()).then_some((name, rest))
}

fn many(values: &str) -> Result<Vec<String>, String> {
    let values: Vec<_> =
        values.split(',').map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()).collect();
    if values.is_empty() {
        return Err(format!("There is no value to compare with. Write some, with commas, as in {EXAMPLE}."));
    }
    if values.len() > MOST.1 {
        return Err(format!("These are {} values, and {} is the most for one condition.", values.len(), MOST.1));
    }
    match values.iter().find(|value| value.chars().count() > MOST.2) {
        Some(long) => Err(format!("{} is longer than {} characters.", text::code(&text::cut(long, 30)), MOST.2)),
        None => Ok(values),
    }
}

/// A pattern; the engine reads it in linear time, whatever it is.
fn matching(pattern: &str) -> Result<String, String> {
    if pattern.chars().count() > MOST.2 {
        return Err(format!("A pattern has {} characters at the most.", MOST.2));
    }
    match regex::Regex::new(pattern) {
        Ok(_) => Ok(pattern.to_owned()),
        Err(_) => {
            Err(format!("{} is no pattern. Write a regular expression, as in `^/shop(/|$)`.", text::code(pattern)))
        }
    }
}

/// Networks, each an address with the length of its prefix or without. The engine passes over what it can not read.
fn networks(values: Vec<String>) -> Result<Vec<String>, String> {
    match values.iter().find(|value| !config::address::is_network(value)) {
        Some(wrong) => Err(format!("{} is no network. Write `10.0.0.0/8` or `2001:db8::/32`.", text::code(wrong))),
        None => Ok(values),
    }
}

fn date(value: &str) -> Result<String, String> {
    let read = commands::moment::on_calendar(value, chrono_tz::UTC);
    read.map(|at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string()).ok_or_else(|| {
        format!("{} is no date. Write `2026-12-24` or `2026-12-24 17:00`, which is meant in UTC.", text::code(value))
    })
}

fn ordered<'a>(value: &str, number: &'a Operator, version: &'a Operator) -> Result<&'a Operator, String> {
    // Semantic Versioning 2.0.0. The engine takes it as it stands into the rule that it makes, so nothing else gets there.
    let (core, more) = value.split_at(value.find(['-', '+']).unwrap_or(value.len()));
    let parts: Vec<_> = core.split('.').collect();
    let is_version = parts.len() == 3
        && parts.iter().all(|part| part.parse::<u64>().is_ok() && part.bytes().all(|byte| byte.is_ascii_digit()))
        && more.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '+' | '.'));
    match value.parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(number),
        _ if is_version => Ok(version),
        _ => Err(format!(
            "{} is neither a number nor a version. Write `18` or `2.1.0`.",
            text::code(&text::cut(value, 40))
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_or_it_is_told_what_to_write() {
        for (said, read_as) in [
            ("country in kr,jp", "country IN kr,jp"),
            ("country = kr and plan!=free", "country IN kr; plan NOT_IN free"),
            ("user=42", "userId IN 42"),
            ("country not in us", "country NOT_IN us"),
            ("age >= 18 and version<2.1.0", "age NUM_GTE 18; version SEMVER_LT 2.1.0"),
            ("ip within 10.0.0.0/8", "remoteAddress IN_CIDR 10.0.0.0/8"),
            ("email ends with @example.org", "email STR_ENDS_WITH @example.org"),
            ("path matches ^/(a|b)+$", "path REGEX ^/(a|b)+$"),
            ("currentTime after 2026-12-24", "currentTime DATE_AFTER 2026-12-24T00:00:00Z"),
            ("country", "`country` is no condition"),
            ("", "is no condition"),
            ("country is kr", "it is not clear how to compare"),
            ("country inkr", "it is not clear how to compare"),
            ("country in ,", "There is no value"),
            ("$(id) = 1", "`$(id)` is no name of a property"),
            ("age > many", "`many` is neither a number nor a version"),
            ("age > NaN", "is neither a number nor a version"),
            ("now after soon", "`soon` is no date"),
            ("version >= 2.1.0-rc.1+7", "version SEMVER_GTE 2.1.0-rc.1+7"),
            ("version >= 2.1.x", "`2.1.x` is neither a number nor a version"),
            ("version >= 9.9.9 or user_id in [1]", "is neither a number nor a version"),
            ("path matches (", "`(` is no pattern"),
            ("ip within 10.0.0", "`10.0.0` is no network"),
            ("ip within 10.0.0.0/33", "`10.0.0.0/33` is no network"),
            ("ip within ::1,2001:db8::/32", "remoteAddress IN_CIDR ::1,2001:db8::/32"),
        ] {
            let found = read(said).map(|found| {
                let word = |it: &Constraint| {
                    let operator = serde_json::to_value(&it.operator).unwrap();
                    let values: Vec<_> = it.values.iter().flatten().chain(&it.value).cloned().collect();
                    format!("{} {} {}", it.context_name, operator.as_str().unwrap(), values.join(","))
                };
                found.iter().map(word).collect::<Vec<_>>().join("; ")
            });
            let found = found.unwrap_or_else(|wrong| wrong);
            assert!(found.contains(read_as), "{said}\n{found}");
        }
        assert!(read(&vec!["a = b"; 21].join(" and ")).unwrap_err().contains("20 is the most"));
        assert!(read(&format!("a = {}", "x".repeat(201))).unwrap_err().contains("longer than 200"));
    }
}
