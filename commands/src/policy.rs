//! Who may do what: rules over role, command, typed arguments, channel and time. What no rule allows is denied.
//!
//! A rule's pattern is a command's name, of which the last word may be `*`, and conditions on its arguments:
//! `deploy ship env=staging,test`, `flag on percent<=10`, `deploy * env!=production`, `* effect=reads`.
//!
//! An argument that was left out fits no condition of a rule that allows, and every condition of one that denies:
//! both ways it fails closed. A command that has no argument of that name is not concerned at all.

use crate::args::Args;
use crate::cx::Who;
use crate::registry::Registry;
use crate::spec::{CommandSpec, Effect, Kind, Need};
use crate::value::Value;
use crate::vocabulary::Vocabulary;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use config::{Approval, During};
use std::collections::BTreeMap;
use std::time::Duration;

/// Every rule, and the roles that people have.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The operator's rules, in their order.
    pub rules: Vec<Rule>,
    /// People's roles, by name.
    pub people: Roles,
    /// The team's time zone, for rules that hold during certain hours.
    pub zone: Tz,
}

/// One rule.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Where it stands, for people: `deckhand.toml:12` or `grant #41`.
    pub source: String,
    /// Whether it allows or denies.
    pub allow: bool,
    /// What it is about.
    pub pattern: Pattern,
    /// To whom it applies: roles, people, or `everyone` that the config knows.
    pub to: Vec<String>,
    /// In which channels; anywhere when empty.
    pub channels: Vec<String>,
    /// During which hours.
    pub during: Option<During>,
    /// Whether a yes is asked for.
    pub confirm: bool,
    /// Whether a one-time code is asked for, and for how long one is good.
    pub code: Option<Duration>,
    /// Whether others have to approve.
    pub approve: Option<Approval>,
    /// Who lends this right to whom it applies: it reaches exactly as far as the lender's own rights of the moment.
    pub lender: Option<String>,
    /// When it ends.
    pub until: Option<DateTime<Utc>>,
}

/// Which commands, with which arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern {
    text: String,
    words: String,
    open: bool,
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, PartialEq)]
struct Condition {
    name: String,
    test: Test,
    values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Test {
    Is,
    IsNot,
    AtMost,
    AtLeast,
}

/// What is asked of the policy.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub who: &'a Who,
    /// For which command.
    pub command: &'a CommandSpec,
    /// With these arguments.
    pub args: &'a Args,
    /// Whether more arguments may still come: then what is missing speaks neither for nor against.
    pub unfinished: bool,
    /// In which channel.
    pub channel: &'a str,
    /// When.
    pub now: DateTime<Utc>,
}

/// The answer, with its reasons.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Whether it may be done.
    pub allowed: bool,
    /// What is asked for before it is done.
    pub asks: Asks,
    /// What each rule about this command said.
    pub trace: Vec<Step>,
}

/// What policy asks for before something is done. Whatever any of the rules that hold asks for is asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asks {
    /// A yes.
    pub confirm: bool,
    /// A one-time code, and for how long one is good.
    pub code: Option<Duration>,
    /// Approvals of others. Each of these has to be had.
    pub approvals: Vec<Needed>,
}

/// The approval that a rule wants, which only people of the config can give: whoever is known by a role of a chat alone may
/// be somebody who is known already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needed {
    /// Of how many, by whom, and for how long it is waited for.
    pub by: Approval,
    /// Whether an approver is asked for a one-time code, and for how long one is good.
    pub code: Option<Duration>,
}

impl Asks {
    fn of(rule: &Rule) -> Asks {
        let approvals = rule.approve.iter().map(|by| Needed { by: by.clone(), code: rule.code }).collect();
        Asks { confirm: rule.confirm, code: rule.code, approvals }
    }

    fn add(&mut self, more: Asks) {
        self.confirm |= more.confirm;
        self.code = stricter(self.code, more.code);
        for needed in more.approvals {
            if !self.approvals.contains(&needed) {
                self.approvals.push(needed);
            }
        }
    }
}

impl Needed {
    /// Whether the approval of this person of the config counts.
    pub fn counts(&self, name: &str, people: &Roles) -> bool {
        let held =
            |roles: &Vec<String>| self.by.approvers.iter().any(|to| to == name || to == EVERYONE || roles.contains(to));
        people.get(name).is_some_and(held)
    }

    /// Who could approve what `asker` asks for.
    pub fn approvers<'a>(&self, asker: &str, people: &'a Roles) -> Vec<&'a str> {
        let names = people.keys().map(String::as_str);
        names.filter(|name| *name != asker && self.counts(name, people)).collect()
    }
}

impl std::fmt::Display for Needed {
    /// As in "2 approvals by `release` or `ana`".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} by {}", crate::text::plural(self.by.quorum, "approval"), crate::text::list(&self.by.approvers))
    }
}

/// People's roles, by name.
pub type Roles = BTreeMap<String, Vec<String>>;

/// The word for any person of the config.
const EVERYONE: &str = "everyone";

/// What one rule said.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Where the rule stands.
    pub source: String,
    /// The rule: `allow deploy ship env=staging to deployer`.
    pub rule: String,
    /// Whether it applied, and if not, why.
    pub said: String,
    /// Whether it applied.
    pub applied: bool,
}

impl Pattern {
    /// Reads a pattern, and checks it against the commands and the names that there are: a rule with a mistyped name would
    /// quietly never apply.
    ///
    /// # Errors
    /// A sentence that says what is wrong and what to write instead.
    pub fn parse(text: &str, registry: &Registry, vocabulary: &Vocabulary) -> Result<Pattern, String> {
        let mut words = Vec::new();
        let mut conditions = Vec::new();
        for word in text.trim_start_matches('/').split_whitespace() {
            if word.contains(['=', '<', '>']) {
                conditions.push(Condition::parse(word)?);
            } else if conditions.is_empty() {
                words.push(word);
            } else {
                return Err(format!(
                    "`{word}` stands after a condition. Write the command's name first, then `name=value`."
                ));
            }
        }
        let open = words.last() == Some(&"*");
        if open {
            words.pop();
        }
        let pattern = Pattern { text: text.trim().to_owned(), words: words.join(" "), open, conditions };
        pattern.check(registry, vocabulary).map(|()| pattern)
    }

    fn check(&self, registry: &Registry, vocabulary: &Vocabulary) -> Result<(), String> {
        let about: Vec<_> = registry.iter().filter(|command| self.names(command)).collect();
        if about.is_empty() {
            let names: Vec<_> = registry.iter().map(|command| command.name).collect();
            let instead = match config::suggest::suggest(&self.words, names.iter().copied()) {
                Some(name) => format!("Did you mean `{name}`?"),
                None => "Write a command's name, or `deploy *` for a group, or `*` for all.".to_owned(),
            };
            return Err(format!("There is no command `{}`. {instead}", self.words));
        }
        for condition in self.conditions.iter().filter(|condition| condition.name != "effect") {
            let args = || about.iter().flat_map(|command| command.args);
            let Some(arg) = args().find(|arg| arg.name == condition.name) else {
                let name = &condition.name;
                let mean = config::suggest::suggest(name, args().map(|arg| arg.name));
                let mean = mean.map(|it| format!(" Did you mean `{it}`?"));
                return Err(format!("`{}` has no argument `{name}`.{}", self.words, mean.unwrap_or_default()));
            };
            if matches!(condition.test, Test::Is | Test::IsNot) {
                condition.values.iter().try_for_each(|value| named(arg.kind, value, registry, vocabulary))?;
            }
        }
        Ok(())
    }

    /// Whether it is about this command, with some arguments or others.
    pub fn names(&self, command: &CommandSpec) -> bool {
        match command.name.strip_prefix(self.words.as_str()) {
            Some("") => true,
            Some(rest) => self.open && (self.words.is_empty() || rest.starts_with(' ')),
            None => false,
        }
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

/// Whether there is anything of this name, for kinds whose names are all known.
fn named(kind: Kind, value: &str, registry: &Registry, vocabulary: &Vocabulary) -> Result<(), String> {
    let known = matches!(kind, Kind::Service | Kind::Environment | Kind::Person | Kind::Choice(_));
    // No time is read here, so no clock is needed.
    let read = || Value::read(kind, value, registry, vocabulary, DateTime::UNIX_EPOCH);
    if known { read().map(|_| ()) } else { Ok(()) }
}

/// How a condition fits a question.
enum Fit {
    Yes,
    /// Not: this is what the argument is.
    No(String),
    /// The command has the argument, but it was left out.
    Missing,
    /// The command has no such argument.
    Foreign,
}

impl Condition {
    fn parse(word: &str) -> Result<Condition, String> {
        let tests = [("!=", Test::IsNot), ("<=", Test::AtMost), (">=", Test::AtLeast), ("=", Test::Is)];
        let found =
            tests.iter().find_map(|(sign, test)| word.split_once(sign).map(|(name, values)| (name, *test, values)));
        let Some((name, test, values)) = found else {
            return Err(format!(
                "`{word}` is no condition. Write `name=value`, `name!=value`, `name<=9` or `name>=9`."
            ));
        };
        let values: Vec<_> = values.split(',').map(str::to_owned).collect();
        if name.is_empty() || values.iter().any(String::is_empty) {
            return Err(format!("`{word}` lacks a name or a value. Write for example `env=staging,production`."));
        }
        if matches!(test, Test::AtMost | Test::AtLeast) && (values.len() != 1 || values[0].parse::<f64>().is_err()) {
            return Err(format!(
                "`{word}` compares with something that is no number. Write for example `percent<=10`."
            ));
        }
        if name == "effect" && !values.iter().all(|value| ["reads", "changes", "danger"].contains(&value.as_str())) {
            return Err(format!("`{word}` names no effect. Write `reads`, `changes` or `danger`."));
        }
        Ok(Condition { name: name.to_owned(), test, values })
    }

    fn fit(&self, question: &Question<'_>) -> Fit {
        if self.name == "effect" {
            let effect = match question.command.effect {
                Effect::Reads => "reads",
                Effect::Changes | Effect::GoesBack => "changes",
                Effect::Danger => "danger",
            };
            return self.compare(&Value::Text(effect.to_owned()));
        }
        match question.args.get(&self.name) {
            Some(value) => self.compare(value),
            None if question.command.args.iter().any(|arg| arg.name == self.name) => Fit::Missing,
            None => Fit::Foreign,
        }
    }

    fn compare(&self, value: &Value) -> Fit {
        let text = value.to_string();
        let number = match value {
            Value::Integer(number) => Some(*number as f64),
            Value::Percent(number) => Some(*number),
            _ => text.parse().ok(),
        };
        let bound = self.values[0].parse::<f64>().ok();
        let listed = self.values.contains(&text);
        let fits = match self.test {
            Test::Is => listed,
            Test::IsNot => !listed,
            Test::AtMost => number.zip(bound).is_some_and(|(number, bound)| number <= bound),
            Test::AtLeast => number.zip(bound).is_some_and(|(number, bound)| number >= bound),
        };
        if fits { Fit::Yes } else { Fit::No(text) }
    }
}

impl Rule {
    /// Why the rule does not apply; nothing if it does.
    fn misses(&self, question: &Question<'_>, zone: Tz) -> Option<String> {
        let who = question.who;
        if !self
            .to
            .iter()
            .any(|to| *to == who.name || who.roles.contains(to) || (to == EVERYONE && who.known && !who.is_deckhand()))
        {
            return Some(format!("is for {}", crate::text::list(&self.to)));
        }
        if self.until.is_some_and(|until| question.now >= until) {
            return Some("has ended".to_owned());
        }
        if !self.channels.is_empty() && !self.channels.iter().any(|channel| channel == question.channel) {
            return Some(format!("holds only in {}", crate::text::list(&self.channels)));
        }
        if let Some(during) = &self.during
            && !during.contains(question.now.with_timezone(&zone))
        {
            return Some(format!("holds only {during}"));
        }
        self.pattern.conditions.iter().find_map(|condition| match condition.fit(question) {
            Fit::Yes => None,
            Fit::Missing if question.unfinished => self.undecided(condition),
            Fit::Missing if !self.allow => None,
            Fit::Missing => Some(format!("wants `{}`, which you left out", condition.name)),
            Fit::Foreign => Some(format!("is about `{}`, which this command does not have", condition.name)),
            Fit::No(is) => {
                Some(format!("is about other values of `{}` than {}", condition.name, crate::text::code(&is)))
            }
        })
    }

    /// What is still missing is taken for what the asker hopes for: help and completion show what can be reached.
    fn undecided(&self, condition: &Condition) -> Option<String> {
        if self.allow { None } else { Some(format!("depends on `{}`", condition.name)) }
    }

    fn show(&self) -> String {
        let verb = if self.allow { "allow" } else { "deny" };
        let asks = Asks::of(self);
        let own = [asks.confirm.then_some("a yes"), asks.code.map(|_| "a one-time code")];
        let own = own.into_iter().flatten().map(str::to_owned);
        let asked: Vec<_> = own.chain(asks.approvals.iter().map(ToString::to_string)).collect();
        let asked = if asked.is_empty() { String::new() } else { format!(", with {}", asked.join(" and ")) };
        format!("{verb} {} to {}{asked}", self.pattern, self.to.join(", "))
    }
}

impl Policy {
    /// What it allows at any time and in any channel: whoever may not even then do something never may.
    pub fn anywhere(&self) -> Policy {
        let allowing = self.rules.iter().filter(|rule| rule.allow);
        let rules = allowing.map(|rule| Rule { channels: Vec::new(), during: None, ..rule.clone() }).collect();
        Policy { rules, ..self.clone() }
    }

    /// Decides, over the operator's rules and these grants.
    pub fn decide(&self, question: &Question<'_>, grants: &[Rule]) -> Decision {
        if question.command.need == Need::Nothing {
            return Decision { allowed: true, asks: Asks::default(), trace: Vec::new() };
        }
        let mut decision = Decision { allowed: false, asks: Asks::default(), trace: Vec::new() };
        let mut denied = false;
        for rule in self.rules.iter().chain(grants).filter(|rule| rule.pattern.names(question.command)) {
            let mut asks = Asks::of(rule);
            let missed = rule.misses(question, self.zone).or_else(|| {
                let lent = self.lent(rule, question)?;
                asks.add(lent.asks);
                (!lent.allowed).then(|| "lends what its giver may not do either".to_owned())
            });
            if missed.is_none() {
                decision.allowed |= rule.allow;
                denied |= !rule.allow;
                decision.asks.add(asks);
            }
            decision.trace.push(Step {
                source: rule.source.clone(),
                rule: rule.show(),
                applied: missed.is_none(),
                said: missed.unwrap_or_else(|| if rule.allow { "allows it" } else { "denies it" }.to_owned()),
            });
        }
        decision.allowed &= !denied;
        decision
    }

    /// What the lender of a right may do themselves; nothing if it is not lent.
    fn lent(&self, rule: &Rule, question: &Question<'_>) -> Option<Decision> {
        let lender = rule.lender.as_ref()?;
        let roles = self.people.get(lender).cloned();
        let who =
            Who { name: lender.clone(), known: roles.is_some(), roles: roles.unwrap_or_default(), unproven: None };
        Some(self.decide(&Question { who: &who, ..*question }, &[]))
    }

    /// To whom of all that the rules name it would be allowed.
    pub fn who_may(&self, question: &Question<'_>) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        for to in self.rules.iter().filter(|rule| rule.allow).flat_map(|rule| &rule.to) {
            let roles = self.people.get(to).cloned().unwrap_or_else(|| vec![to.clone()]);
            let who = Who { name: to.clone(), roles, known: true, unproven: None };
            if !found.contains(to) && self.decide(&Question { who: &who, ..*question }, &[]).allowed {
                found.push(to.clone());
            }
        }
        found
    }
}

/// Of two ages that a code may have, the one that both rules are content with.
fn stricter(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}

#[cfg(test)]
mod tests;
