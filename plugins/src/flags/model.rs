//! What is kept of feature flags: what each one is, how it stands in each environment, and the segments that they share.
//!
//! Strategies, constraints and variants are stored in the form of Unleash's API, which is what the engine that evaluates
//! them takes, and what applications are served: nothing is translated on the way.

use chrono::{DateTime, Utc};
use commands::act::Permit;
use commands::table::Table;
use serde::{Deserialize, Serialize};
use unleash_types::client_features::{Constraint, FeatureDependency, Strategy, Variant};

/// Where all of the model lies: see [`MARK`].
pub const MODEL: &str = "flags/model/";

/// What every batch that changes the model ends with, in the order of writing as in that of keys: whoever watches the model
/// knows by it that a change is whole.
pub const MARK: &str = "flags/model/~";

/// The flags, by key.
pub const FLAGS: Table<Flag> = Table::new("flags/model/flag/");

/// How flags stand, by [`setting_name`].
pub const SETTINGS: Table<Setting> = Table::new("flags/model/set/");

/// The segments, by [`segment_name`].
pub const SEGMENTS: Table<Segment> = Table::new("flags/model/segment/");

/// Which acts have changed a flag, by its key and the act's number.
pub const TRAIL: &str = "flags/trail/";

/// The project of flags that say nothing else.
pub const DEFAULT_PROJECT: &str = "default";

/// The strategy that shares users out by percent.
pub const GRADUAL: &str = "flexibleRollout";

/// The longest key, as Unleash has it.
const LONGEST_KEY: usize = 100;

/// What a flag is, whatever the environment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Flag {
    /// What it is for.
    pub kind: Kind,
    /// The project that it belongs to: tokens are for one project, or for all.
    pub project: String,
    /// What it does, in people's words; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Who answers for it; nobody where it was imported without an owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// The service that it belongs to: locks and freezes of that service hold it, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// When it was made.
    pub created: DateTime<Utc>,
    /// How long it is meant to live.
    #[serde(default)]
    pub life: Life,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether applications are asked to report each evaluation.
    #[serde(default)]
    pub impressions: bool,
    /// The flags that have to stand in a certain way for this one to be on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<FeatureDependency>,
    /// Since when it is archived: applications do not see it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived: Option<DateTime<Utc>>,
    /// The act that last changed what is here; [`put_flag`] writes it.
    #[serde(default)]
    pub act: u64,
}

/// What a flag is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// To bring out something new, and to go away then.
    #[default]
    Release,
    /// To compare variants.
    Experiment,
    /// To steer what runs.
    Operational,
    /// To switch something off quickly.
    KillSwitch,
    /// To give some people what others do not have.
    Permission,
}

impl Kind {
    /// Their words, as they are typed and stored.
    pub const WORDS: &'static [&'static str] = &["release", "experiment", "operational", "kill-switch", "permission"];

    /// The kind that a word means.
    pub fn of(word: &str) -> Option<Kind> {
        serde_json::from_value(word.into()).ok()
    }

    /// Its word.
    pub fn word(self) -> &'static str {
        Kind::WORDS[self as usize]
    }
}

/// How long a flag is meant to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Life {
    /// Nobody has said.
    #[default]
    Unsaid,
    /// For good.
    Permanent,
    /// Until then.
    Until(DateTime<Utc>),
}

/// How a flag stands in an environment, and how it came to.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Setting {
    /// How it stands.
    pub state: State,
    /// How it stood before the last change: where `/flag undo` goes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<State>,
    /// The last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
    /// When it goes back to how it stood before, by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// The person who has turned it off, as long as it is: nothing that was planned before turns it on again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off: Option<Changed>,
}

impl Setting {
    /// How it stands after a change, which is by hand where a person has just typed it.
    pub fn then(&self, state: State, changed: Changed, by_hand: bool) -> Setting {
        let off = match (self.state.on, state.on) {
            (_, true) => None,
            (true, false) => by_hand.then(|| changed.clone()),
            (false, false) => self.off.clone(),
        };
        Setting { state, before: Some(self.state.clone()), changed: Some(changed), until: None, off }
    }
}

/// Who changed something, when, and in which act.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changed {
    /// The act.
    pub act: u64,
    /// Who.
    pub who: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// Whom a flag is on for.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    /// Whether it is on at all.
    pub on: bool,
    /// It is on for whoever one of these lets in; for everybody where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub strategies: Vec<Strategy>,
    /// What those have who are let in, sorted by name: the order decides who gets which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variants: Vec<Variant>,
}

/// Constraints under a name, for any flag to use.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Segment {
    /// What it is called.
    pub name: String,
    /// Who is in it: whoever meets all of them.
    pub constraints: Vec<Constraint>,
}

/// The name of the record of a flag in an environment.
pub fn setting_name(environment: &str, key: &str) -> String {
    format!("{environment}/{key}")
}

/// The name of the record of a segment: its number, which is what strategies know it by.
pub fn segment_name(number: i32) -> String {
    format!("{number:08}")
}

/// Stages a flag, as of this act.
///
/// # Errors
/// When it can not be written as JSON.
pub fn put_flag(permit: &Permit, key: &str, flag: &Flag) -> anyhow::Result<()> {
    FLAGS.put(permit, key, &Flag { act: permit.act(), ..flag.clone() })?;
    marked(permit, key);
    Ok(())
}

/// Stages how a flag stands in an environment.
///
/// # Errors
/// As [`put_flag`].
pub fn put_setting(permit: &Permit, environment: &str, key: &str, setting: &Setting) -> anyhow::Result<()> {
    SETTINGS.put(permit, setting_name(environment, key), setting)?;
    marked(permit, key);
    Ok(())
}

/// Stages the end of a segment, or what it is from now on.
///
/// # Errors
/// As [`put_flag`].
pub fn put_segment(permit: &Permit, number: i32, segment: Option<&Segment>) -> anyhow::Result<()> {
    match segment {
        Some(segment) => SEGMENTS.put(permit, segment_name(number), segment)?,
        None => permit.delete(SEGMENTS.key(segment_name(number))),
    }
    permit.put(MARK, permit.act().to_string());
    Ok(())
}

/// Stages that the act is one of the flag's, and the mark.
fn marked(permit: &Permit, key: &str) {
    permit.put(format!("{TRAIL}{key}/{:016x}", permit.act()), "");
    permit.put(MARK, permit.act().to_string());
}

/// What keeps `key` from being a flag's, as the rest of a sentence about it, and one that would do.
pub fn wrong_with_key(key: &str) -> Option<(String, String)> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let wrong = match key.chars().find(|c| !fits(*c)) {
        Some(' ') => "has a space in it".to_owned(),
        Some('/') => "has a `/` in it".to_owned(),
        Some(c) if c.is_ascii() => format!("has a `{}` in it", if c == '`' { '\'' } else { c }),
        Some(_) => "has a letter in it that is not a to z".to_owned(),
        None if key.len() > LONGEST_KEY => format!("is longer than {LONGEST_KEY} characters"),
        None if !key.starts_with(|c: char| c.is_ascii_alphanumeric()) => {
            "does not begin with a letter or a digit".to_owned()
        }
        None => return None,
    };
    let words: Vec<_> = key.split(|c: char| !fits(c)).filter(|word| !word.is_empty()).collect();
    let joined = words.join("-");
    let fitting: String = joined.trim_start_matches(['-', '_', '.']).chars().take(LONGEST_KEY).collect();
    Some((wrong, if fitting.is_empty() { "checkout-v2".to_owned() } else { fitting }))
}

/// A strategy for a share of the users, in whole percent: the same users at every step, and other ones for every flag.
pub fn gradual(key: &str, percent: u8) -> Strategy {
    let parameters =
        [("rollout", percent.to_string()), ("stickiness", "default".to_owned()), ("groupId", key.to_owned())];
    Strategy {
        name: GRADUAL.to_owned(),
        sort_order: None,
        segments: None,
        constraints: None,
        parameters: Some(parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        variants: None,
    }
}

/// The share that a strategy lets in of those whom it is for, in percent; nothing where it goes by something else.
pub fn share(strategy: &Strategy) -> Option<u8> {
    match strategy.name.as_str() {
        "default" => Some(100),
        GRADUAL => strategy.parameters.as_ref()?.get("rollout")?.parse().ok(),
        _ => None,
    }
}

/// What a strategy tells people apart by: `default` is their user id, else their session, else chance.
pub fn sticky_by(strategy: &Strategy) -> &str {
    let parameters = strategy.parameters.as_ref();
    parameters.and_then(|parameters| parameters.get("stickiness")).map_or("default", String::as_str)
}

impl State {
    /// Whether both let in the same people to the same.
    pub fn same(&self, other: &State) -> bool {
        // The types' own `==` looks at some of the fields only.
        serde_json::to_value(self).ok() == serde_json::to_value(other).ok()
    }

    /// The most of all users that it may be on for, in percent.
    pub fn most(&self) -> u8 {
        match (self.on, self.strategies.is_empty()) {
            (false, _) => 0,
            (true, true) => 100,
            (true, false) => {
                self.strategies.iter().map(|strategy| share(strategy).unwrap_or(1)).max().unwrap_or(0).min(100)
            }
        }
    }

    /// Whether going from `before` to this may switch something on for anybody.
    pub fn raises(&self, before: &State) -> bool {
        let level = |state: &State| {
            let strategies = state.strategies.iter().cloned().map(|mut strategy| {
                strategy.parameters.iter_mut().for_each(|parameters| _ = parameters.remove("rollout"));
                strategy
            });
            State { strategies: strategies.collect(), ..state.clone() }
        };
        self.on && (!before.on || self.most() > before.most() || !level(self).same(&level(before)))
    }

    /// The same, on for this share of the users, where there is one strategy at most to say so.
    pub fn at(&self, key: &str, percent: u8) -> Option<State> {
        let mut only = self.only(key)?;
        only.parameters.get_or_insert_default().insert("rollout".to_owned(), percent.to_string());
        Some(State { on: true, strategies: vec![only], variants: self.variants.clone() })
    }

    /// The one strategy that it goes by, as one that shares users out; nothing where there are several, or one by names.
    pub fn only(&self, key: &str) -> Option<Strategy> {
        let whole = gradual(key, 100);
        match &self.strategies[..] {
            [] => Some(whole),
            [one] if one.name == GRADUAL => Some(one.clone()),
            [one] if one.name == "default" => {
                Some(Strategy { name: whole.name, parameters: whole.parameters, ..one.clone() })
            }
            _ => None,
        }
    }

    /// The segments that it goes by.
    pub fn segments(&self) -> impl Iterator<Item = i32> {
        self.strategies.iter().flat_map(|strategy| strategy.segments.iter().flatten().copied())
    }

    /// Whether it is on for everybody, and the same for all of them.
    pub fn for_everybody(&self) -> bool {
        let everybody = |strategy: &Strategy| share(strategy) == Some(100) && !is_bound(strategy);
        let strategies = &self.strategies;
        let varied = strategies.iter().any(|strategy| strategy.variants.as_ref().is_some_and(|all| !all.is_empty()));
        self.on && self.variants.is_empty() && !varied && (strategies.is_empty() || strategies.iter().any(everybody))
    }
}

/// Whether a strategy is for some people only.
pub fn is_bound(strategy: &Strategy) -> bool {
    let constrained = strategy.constraints.as_ref().is_some_and(|all| !all.is_empty());
    constrained || strategy.segments.as_ref().is_some_and(|all| !all.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_no_address_can_carry_is_refused_with_one_that_fits() {
        for (key, wrong) in [
            ("checkout-v2", None),
            ("Checkout_2.0", None),
            ("check out", Some(("has a space in it", "check-out"))),
            ("check/out", Some(("has a `/` in it", "check-out"))),
            ("../etc", Some(("has a `/` in it", "etc"))),
            ("..", Some(("does not begin with a letter or a digit", "checkout-v2"))),
            ("-x", Some(("does not begin with a letter or a digit", "x"))),
            ("caſh", Some(("has a letter in it that is not a to z", "ca-h"))),
            ("`rm`", Some(("has a `'` in it", "rm"))),
        ] {
            let wrong = wrong.map(|(what, instead): (&str, &str)| (what.to_owned(), instead.to_owned()));
            assert_eq!(wrong_with_key(key), wrong, "{key}");
        }
        assert_eq!(wrong_with_key(&"x".repeat(101)).map(|(_, fits)| fits.len()), Some(100));
    }

    #[test]
    fn a_state_knows_whether_it_lets_in_more_than_another() {
        let off = State::default();
        let everybody = State { on: true, ..State::default() };
        let at = |percent| off.at("x", percent).unwrap();
        let asleep = State { on: false, ..at(50) };
        for (before, after, raises) in [
            (&off, &everybody, true),
            (&off, &at(1), true),
            (&at(50), &at(10), false),
            (&at(10), &at(50), true),
            (&at(10), &at(10), false),
            (&everybody, &off, false),
            (&asleep, &at(1), true),
            (&at(50), &asleep, false),
        ] {
            assert_eq!(after.raises(before), raises, "{before:?} to {after:?}");
        }
        let mut koreans = at(50);
        let text = r#"{"contextName":"country","operator":"IN","values":["kr"]}"#;
        koreans.strategies[0].constraints = Some(vec![serde_json::from_str(text).unwrap()]);
        assert!(koreans.raises(&at(50)) && at(50).raises(&koreans), "other people are let in");
        assert!(!koreans.at("x", 10).unwrap().raises(&koreans));
    }

    #[test]
    fn every_kind_has_its_word() {
        for word in Kind::WORDS {
            assert_eq!(Kind::of(word).map(Kind::word), Some(*word));
        }
        assert_eq!(Kind::of("toggle"), None);
    }
}
