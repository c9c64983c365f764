//! Rules against questions: each table is a policy, and what it says to whom.

use super::*;
use crate::parse;
use crate::sample;
use chrono::TimeDelta;

/// A rule that allows, or with a leading `!` denies, this to a role or a person.
fn rule(line: &str, to: &str) -> Rule {
    let pattern = Pattern::parse(line.trim_start_matches('!'), &sample::registry(), &sample::vocabulary()).unwrap();
    Rule {
        source: line.to_owned(),
        allow: !line.starts_with('!'),
        pattern,
        to: vec![to.to_owned()],
        channels: Vec::new(),
        during: None,
        confirm: false,
        code: None,
        approve: None,
        lender: None,
        until: None,
    }
}

fn policy(rules: Vec<Rule>) -> Policy {
    let people = [("ana", "deployer"), ("dan", "developer")];
    let people = people.map(|(name, role)| (name.to_owned(), vec![role.to_owned()])).into();
    Policy { rules, people, zone: Tz::Asia__Seoul }
}

fn who(name: &str) -> Who {
    let roles: &[&str] = match name {
        "ana" => &["deployer"],
        "dan" => &["developer"],
        _ => &[],
    };
    Who {
        name: name.to_owned(),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        known: name != "mallory",
        unproven: None,
    }
}

fn ask(policy: &Policy, grants: &[Rule], name: &str, line: &str, unfinished: bool) -> Decision {
    let invocation = parse::parse(line, &sample::registry(), &sample::vocabulary(), sample::now()).unwrap();
    let question = Question {
        who: &who(name),
        command: invocation.command,
        args: &invocation.args,
        unfinished,
        channel: "ops",
        now: sample::now(),
    };
    policy.decide(&question, grants)
}

fn allowed(policy: &Policy, name: &str, line: &str) -> bool {
    ask(policy, &[], name, line, false).allowed
}

#[test]
fn what_no_rule_allows_is_denied() {
    let nothing = policy(vec![]);
    assert!(!allowed(&nothing, "ana", "changes yesterday"));
    assert!(allowed(&nothing, "mallory", "help"), "what explains Deckhand is open to all");
}

#[test]
fn patterns_over_commands_and_arguments() {
    let ship = "deploy ship hello staging v2";
    let production = "deploy ship hello production v2";
    let rollout = |share: &str| format!("flag rollout set dark-mode {share}");
    let table = [
        ("*", ship, true),
        ("deploy *", ship, true),
        ("deploy *", "changes yesterday", false),
        ("deploy ship", ship, true),
        ("deploy lock", ship, false),
        ("flag *", &rollout("5"), true),
        ("flag rollout *", &rollout("5"), true),
        ("deploy ship env=staging", ship, true),
        ("deploy ship env=staging", production, false),
        ("deploy ship env=staging,production", production, true),
        ("deploy ship env!=production", ship, true),
        ("deploy ship env!=production", production, false),
        ("deploy ship env=staging service=checkout", ship, false),
        ("deploy ship env=staging service=hello,checkout", ship, true),
        ("flag rollout set share<=10", &rollout("10"), true),
        ("flag rollout set share<=10", &rollout("10.5"), false),
        ("flag rollout set share>=50", &rollout("50%"), true),
        ("flag rollout set share>=50", &rollout("49"), false),
        ("flag rollout set share=25", &rollout("25%"), true),
        ("* effect=reads", "changes yesterday", true),
        ("* effect=reads", ship, false),
        ("* effect!=danger", ship, true),
        // An argument that was left out fits no condition of a rule that allows.
        ("flag rollout set sticky=user", &rollout("5"), false),
        ("flag rollout set sticky!=user", &rollout("5"), false),
    ];
    for (pattern, line, expected) in table {
        let policy = policy(vec![rule(pattern, "deployer")]);
        assert_eq!(allowed(&policy, "ana", line), expected, "{pattern} | {line}");
        assert!(!allowed(&policy, "dan", line), "{pattern} is not for dan");
    }
}

#[test]
fn what_denies_goes_before_what_allows_and_fails_closed() {
    let rules = |deny| policy(vec![rule(deny, "everyone"), rule("*", "deployer")]);
    let set = "flag rollout set dark-mode 5";
    let table = [
        ("!flag rollout set share>=50", set, true),
        ("!flag rollout set share>=5", set, false),
        // It may be what is denied: nobody said that it is not.
        ("!flag rollout set sticky=user", set, false),
        // It can not be: the command has no such argument.
        ("!* env=production", set, true),
        ("!* env=production", "deploy ship hello production v2", false),
        ("!* env=production", "deploy ship hello staging v2", true),
    ];
    for (deny, line, expected) in table {
        assert_eq!(allowed(&rules(deny), "ana", line), expected, "{deny} | {line}");
    }
}

#[test]
fn to_whom() {
    for (to, name, expected) in [
        ("deployer", "ana", true),
        ("ana", "ana", true),
        ("everyone", "eve", true),
        ("everyone", "mallory", false),
        ("deployer", "eve", false),
        // A role that nobody defines is held by nobody, whatever somebody calls themselves.
        ("admin", "mallory", false),
        ("mallory", "eve", false),
    ] {
        assert_eq!(allowed(&policy(vec![rule("*", to)]), name, "changes yesterday"), expected, "{to} | {name}");
    }
}

#[test]
fn where_and_when() {
    // It is Thursday, 15:30 in Seoul, in #ops.
    let line = "changes yesterday";
    let with = |channel: &str, during: Option<&str>, until: Option<i64>| {
        let mut rule = rule("*", "everyone");
        rule.channels.extend((!channel.is_empty()).then(|| channel.to_owned()));
        rule.during = during.map(|during| during.parse().unwrap());
        rule.until = until.map(|minutes| sample::now() + TimeDelta::minutes(minutes));
        allowed(&policy(vec![rule]), "ana", line)
    };
    assert!(with("", None, None) && with("ops", None, None) && !with("random", None, None));
    assert!(with("", Some("Thu 15:00-16:00"), None) && !with("", Some("Thu 06:00-07:00"), None));
    assert!(!with("", Some("Mon-Wed 09:00-18:00"), None));
    assert!(with("", None, Some(1)) && !with("", None, Some(0)));
}

#[test]
fn a_yes_is_wanted_when_any_rule_that_applies_wants_it() {
    let asks = Rule { confirm: true, ..rule("deploy ship env=production", "deployer") };
    let policy = policy(vec![rule("deploy *", "deployer"), asks]);
    assert!(ask(&policy, &[], "ana", "deploy ship hello production v2", false).asks.confirm);
    assert!(!ask(&policy, &[], "ana", "deploy ship hello staging v2", false).asks.confirm);
}

#[test]
fn a_code_is_wanted_as_fresh_as_the_strictest_rule_that_applies_wants_it() {
    let minutes = |minutes: u64| Some(Duration::from_secs(60 * minutes));
    let asks = |line, good| Rule { code: minutes(good), ..rule(line, "deployer") };
    let rules = vec![rule("deploy *", "deployer"), asks("deploy ship", 60), asks("deploy ship env=production", 15)];
    let policy = policy(rules);
    let code = |grants: &[Rule], name, line| ask(&policy, grants, name, line, false).asks.code;
    assert_eq!(code(&[], "ana", "deploy ship hello production v2"), minutes(15));
    assert_eq!(code(&[], "ana", "deploy ship hello staging v2"), minutes(60));
    assert_eq!(code(&[], "ana", "deploy lock hello staging because"), None);
    // What is lent asks for what its giver is asked for, whatever else the borrower may do.
    let lent = Rule { lender: Some("ana".to_owned()), ..rule("deploy ship", "eve") };
    assert_eq!(code(&[lent], "eve", "deploy ship hello production v2"), minutes(15));
    assert_eq!(code(&[], "eve", "deploy ship hello production v2"), None, "it is not for her");
}

#[test]
fn a_grant_reaches_as_far_as_the_right_of_its_giver() {
    let asks = Rule { confirm: true, ..rule("deploy ship env=production", "deployer") };
    let policy = policy(vec![rule("deploy ship env=staging", "deployer"), asks]);
    let lent = |from: &str| vec![Rule { lender: Some(from.to_owned()), ..rule("*", "eve") }];
    let says = |from: &str, line: &str| ask(&policy, &lent(from), "eve", line, false);
    assert!(says("ana", "deploy ship hello staging v2").allowed);
    assert!(!says("ana", "deploy lock hello staging because").allowed, "ana may not either");
    assert!(says("ana", "deploy ship hello production v2").asks.confirm, "and is asked for a yes as ana is");
    assert!(!says("dan", "deploy ship hello staging v2").allowed);
    assert!(!says("frank", "deploy ship hello staging v2").allowed, "who has left lends nothing");
}

#[test]
fn an_unfinished_line_is_judged_by_what_it_may_become() {
    let policy = policy(vec![rule("deploy ship env=staging", "developer"), rule("!deploy ship ref=v9", "everyone")]);
    let question = |line: &str| {
        let registry = sample::registry();
        let command = registry.find("deploy ship").unwrap();
        let mut args = Args::default();
        for (name, value) in line.split_whitespace().filter_map(|word| word.split_once(':')) {
            args.set(command, name, Value::Text(value.to_owned()));
        }
        let question =
            Question { who: &who("dan"), command, args: &args, unfinished: true, channel: "ops", now: sample::now() };
        policy.decide(&question, &[]).allowed
    };
    assert!(question("") && question("service:hello") && question("env:staging"));
    assert!(!question("env:production") && !question("ref:v9"));
}

#[test]
fn approvals_add_up_over_the_rules_that_hold_and_are_lent_along() {
    let by = |quorum, who: &str| {
        Some(Approval { quorum, approvers: vec![who.to_owned()], within: Duration::from_secs(3600) })
    };
    let one = Rule { approve: by(1, "deployer"), ..rule("deploy *", "deployer") };
    let two = Rule {
        approve: by(2, "dan"),
        code: Some(Duration::from_secs(60)),
        ..rule("deploy ship env=production", "deployer")
    };
    let again = Rule { source: "another".to_owned(), ..one.clone() };
    let other = Rule { approve: by(3, "everyone"), ..rule("deploy ship", "developer") };
    let policy = policy(vec![one, two, again, other]);
    let grant = Rule { lender: Some("ana".to_owned()), ..rule("deploy ship", "eve") };
    let needs = |name: &str, line: &str| -> Vec<String> {
        let asks = ask(&policy, std::slice::from_ref(&grant), name, line, false).asks;
        asks.approvals.iter().map(ToString::to_string).collect()
    };
    assert_eq!(needs("ana", "deploy ship hello staging v2"), ["1 approval by `deployer`"]);
    assert_eq!(needs("ana", "deploy ship hello production v2"), ["1 approval by `deployer`", "2 approvals by `dan`"]);
    assert_eq!(needs("eve", "deploy ship hello production v2"), ["1 approval by `deployer`", "2 approvals by `dan`"]);
    let asks = ask(&policy, &[], "dan", "deploy ship hello staging v2", false).asks;
    let [needed] = &asks.approvals[..] else { panic!("one rule holds") };
    assert!(
        needed.counts("ana", &policy.people) && !needed.counts("mallory", &policy.people),
        "everyone is of the config"
    );
    assert_eq!(needed.approvers("ana", &policy.people), ["dan"]);
}

#[test]
fn who_may_instead() {
    let policy = policy(vec![rule("deploy *", "deployer"), rule("deploy ship env=staging", "dan")]);
    let who_may = |line: &str| {
        let invocation = parse::parse(line, &sample::registry(), &sample::vocabulary(), sample::now()).unwrap();
        let question = Question {
            who: &who("eve"),
            command: invocation.command,
            args: &invocation.args,
            unfinished: false,
            channel: "ops",
            now: sample::now(),
        };
        policy.who_may(&question)
    };
    assert_eq!(who_may("deploy ship hello staging v2"), ["deployer", "dan"]);
    assert_eq!(who_may("deploy ship hello production v2"), ["deployer"]);
    assert!(who_may("changes yesterday").is_empty());
}

#[test]
fn patterns_that_are_none() {
    for (text, what) in [
        ("deploy shp", "There is no command `deploy shp`. Did you mean `deploy ship`?"),
        ("deploy ship evn=staging", "`deploy ship` has no argument `evn`. Did you mean `env`?"),
        ("deploy ship env=prodction", "There is no environment `prodction`. Did you mean `production`?"),
        ("deploy ship service=hello,chekout", "There is no service `chekout`. Did you mean `checkout`?"),
        ("env=staging deploy", "`deploy` stands after a condition. Write the command's name first, then `name=value`."),
        ("deploy ship env=", "`env=` lacks a name or a value. Write for example `env=staging,production`."),
        ("deploy ship env=a,,b", "`env=a,,b` lacks a name or a value. Write for example `env=staging,production`."),
        (
            "flag rollout set share<10",
            "`share<10` is no condition. Write `name=value`, `name!=value`, `name<=9` or `name>=9`.",
        ),
        (
            "flag rollout set share<=ten",
            "`share<=ten` compares with something that is no number. Write for example `percent<=10`.",
        ),
        ("* effect=writes", "`effect=writes` names no effect. Write `reads`, `changes` or `danger`."),
        ("", "There is no command ``. Write a command's name, or `deploy *` for a group, or `*` for all."),
    ] {
        assert_eq!(Pattern::parse(text, &sample::registry(), &sample::vocabulary()).unwrap_err(), what, "{text}");
    }
}
