//! Puts a bot together from what the operator wrote, reporting every mistake in it at once.

use crate::builtin::{self, Builtin};
use crate::gate::approval::Desk;
use crate::gate::consent::AskFirst;
use crate::gate::people::People;
use crate::gate::post::Post;
use crate::gate::rooms::Rooms;
use crate::gate::{Bot, Plugged};
use crate::jobs::Schedule;
use crate::meters::{Meters, Timed};
use crate::platforms::{self, discord, irc};
use chrono::DateTime;
use commands::clock::Clock;
use commands::cx::{Ports, Who, World};
use commands::offer::Offered;
use commands::parse::{self, Invocation};
use commands::plugin::{Line, Plugin, Setup};
use commands::policy::{Asks, Pattern, Policy, Question, Rule};
use commands::ports::{Dial, Files, Http, Launcher, Mirrors, Processes, Wire};
use commands::redact::Redactor;
use commands::registry::Registry;
use commands::spec::{CommandSpec, PluginSpec};
use commands::store::Store;
use commands::text;
use commands::vocabulary::Vocabulary;
use config::{Config, DECKHAND, Problem, Problems};
use std::sync::{Arc, OnceLock};

/// The platforms that a person may have an id on, beside the networks of IRC; any other name in a person's section is a
/// mistake. Ids on one that is not connected wait for it.
pub const PLATFORMS: [&str; 2] = [crate::gate::people::CONSOLE, discord::NAME];

/// A bot that has been read from a config and checked, but touches nothing yet.
pub struct Plan {
    registry: Registry,
    plugins: Vec<Plugged>,
    builtin: Arc<Builtin>,
    policy: Policy,
    people: People,
    rooms: Rooms,
    vocabulary: Vocabulary,
    redactor: Redactor,
    /// When the daily backup is made.
    pub backup: Option<Schedule>,
    /// Discord, where it is to be connected.
    pub discord: Option<discord::settings::Settings>,
    /// The networks of IRC that are to be connected.
    pub networks: Vec<irc::settings::Settings>,
}

/// The world that a bot is put into.
pub struct Surroundings {
    /// What time it is.
    pub clock: Clock,
    /// Where it keeps what it knows.
    pub store: Arc<dyn Store>,
    /// HTTP.
    pub wire: Arc<dyn Wire>,
    /// Connections that are only tried.
    pub dial: Arc<dyn Dial>,
    /// Programs.
    pub launcher: Arc<dyn Launcher>,
    /// Kept logs.
    pub files: Arc<dyn Files>,
    /// Mirrors of repositories that are elsewhere.
    pub mirrors: Arc<dyn Mirrors>,
}

/// Reads all of `config`, as the plugins of `all` understand it. What is wrong goes to `problems`; a plan that has any is
/// not to be carried out.
pub fn plan(config: &Config, all: &'static [&'static PluginSpec], problems: &Problems) -> Plan {
    let builtin = Arc::new(Builtin::default());
    let mut plugins = vec![Plugged { spec: &builtin::SPEC, plugin: builtin.clone() }];
    for spec in all.iter().filter(|spec| config.has(spec.name)) {
        let mut setup = Setup { name: spec.name, config, problems: problems.clone() };
        let plugin = (spec.start)(&mut setup);
        plugins.push(Plugged { spec: whole(spec, &*plugin), plugin });
    }
    let discord = discord::settings::read(config, problems);
    let networks = irc::settings::read(config, problems);
    platforms::finish(config, problems);
    let names: Vec<_> = all.iter().map(|spec| spec.name).chain(["chat"]).collect();
    config.unclaimed(&names, problems);
    let platforms = PLATFORMS.into_iter().chain(networks.iter().map(|settings| &*settings.network));
    config.check_platforms(&platforms.collect::<Vec<_>>(), problems);
    let registry = Registry::new(plugins.iter().flat_map(|plugged| plugged.spec.commands));
    let backup = Schedule::parse(&config.backup.at, config.zone);
    if let Err(what) = &backup {
        let instead = "write for example `at = \"30 3 * * *\"`".to_owned();
        problems.push(Problem { place: config.backup.place.clone(), what: what.clone(), instead });
    }
    let vocabulary = Vocabulary::of(config);
    let policy = policy(config, &registry, &vocabulary, problems);
    check_lines(&plugins, &registry, &vocabulary, &policy, problems);
    Plan {
        policy,
        people: People::new(config),
        rooms: Rooms::new(config),
        vocabulary,
        redactor: Redactor::new(config.secrets.clone()),
        backup: backup.ok(),
        discord,
        networks,
        registry,
        plugins,
        builtin,
    }
}

/// The spec of a plugin with the commands that it makes of its config. Commands are data that lives as long as Deckhand, so
/// this is leaked, once for each config that is read.
fn whole(spec: &'static PluginSpec, plugin: &dyn Plugin) -> &'static PluginSpec {
    let own = plugin.commands();
    if own.is_empty() {
        return spec;
    }
    let commands: Vec<_> = spec.commands.iter().copied().chain(own).collect();
    Box::leak(Box::new(PluginSpec { commands: commands.leak(), ..*spec }))
}

/// Notes every line that plugins would say or offer and that can not be read, and what policy never lets Deckhand say.
fn check_lines(
    plugins: &[Plugged],
    registry: &Registry,
    vocabulary: &Vocabulary,
    policy: &Policy,
    problems: &Problems,
) {
    let (policy, who, now) = (policy.anywhere(), Who::deckhand(), DateTime::UNIX_EPOCH);
    for Line { text, place, unasked } in plugins.iter().flat_map(|plugged| plugged.plugin.lines()) {
        // What is a time reads at any time, or at none.
        match parse::parse(&text, registry, vocabulary, now) {
            Err(mistake) => {
                let (what, instead) = mistake.what.split_once(". ").unwrap_or((&mistake.what, LISTED));
                let what = format!("{} can not be said: {}", text::code(&text), in_line(what));
                problems.push(Problem { place, what, instead: in_line(instead) });
            }
            Ok(Invocation { command, args }) => {
                let asked = Question { who: &who, command, args: &args, unfinished: false, channel: "", now };
                let decision = policy.decide(&asked, &[]);
                if unasked && !decision.allowed {
                    let what = format!("no rule lets Deckhand say {} by itself", text::code(&text));
                    let instead =
                        format!("write `[[policy]]` with `allow = \"{}\"` and `to = [\"{DECKHAND}\"]`", command.name);
                    problems.push(Problem { place, what, instead });
                } else if unasked && decision.asks != Asks::default() {
                    let what = format!(
                        "a rule asks Deckhand for a yes or an approval before {}, and it can give none",
                        text::code(&text)
                    );
                    let instead = format!("allow it to `{DECKHAND}` in a rule without `confirm`, `code` and `approve`");
                    problems.push(Problem { place, what, instead });
                }
            }
        }
    }
}

/// What to do about a command that there is not.
const LISTED: &str = "`deckhand commands` lists all commands";

fn policy(config: &Config, registry: &Registry, vocabulary: &Vocabulary, problems: &Problems) -> Policy {
    let rule = |rule: &config::Rule| {
        let pattern = Pattern::parse(&rule.line, registry, vocabulary).map_err(|said| {
            let (what, instead) = said.split_once(". ").unwrap_or((&said, LISTED));
            problems.push(Problem { place: rule.place.clone(), what: in_line(what), instead: in_line(instead) });
        });
        let pattern = pattern.ok()?;
        check_asks(rule, &pattern, registry, problems);
        Some(Rule {
            source: format!("rule at line {}", rule.place.line),
            allow: rule.allow,
            pattern,
            to: rule.to.clone(),
            channels: rule.channels.clone(),
            during: rule.during.clone(),
            confirm: rule.confirm,
            code: rule.code,
            approve: rule.approve.clone(),
            lender: None,
            until: None,
        })
    };
    Policy {
        rules: config.policy.iter().filter_map(rule).collect(),
        people: config.people.iter().map(|(name, person)| (name.clone(), person.roles.clone())).collect(),
        zone: config.zone,
    }
}

/// Notes what a rule asks for first and never will: of what ends something, nobody is asked for a yes or an approval.
fn check_asks(rule: &config::Rule, pattern: &Pattern, registry: &Registry, problems: &Problems) {
    let mut about = registry.iter().filter(|command| pattern.names(command));
    let asks = [("confirm", rule.confirm), ("approve", rule.approve.is_some())].into_iter().find(|(_, asks)| *asks);
    if let Some((key, _)) = asks.filter(|_| about.all(CommandSpec::stops)) {
        let what = format!(
            "`{key}` has no effect here: {} ends something, which has no time for questions",
            text::code(&rule.line)
        );
        let instead = format!("take `{key}` out; a `code` is asked for");
        problems.push(Problem { place: rule.place.clone(), what, instead });
    }
}

/// A sentence as a part of one.
fn in_line(sentence: &str) -> String {
    let mut letters = sentence.trim_end_matches('.').chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

impl Plan {
    /// What hides the config's secrets.
    pub fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// What its plugins declare, Deckhand's own commands first.
    pub fn specs(&self) -> Vec<&'static PluginSpec> {
        self.plugins.iter().map(|plugged| plugged.spec).collect()
    }

    /// The commands that there would be.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Who may do what.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Puts the bot into the world.
    pub fn build(self, surroundings: Surroundings) -> Arc<Bot> {
        let Surroundings { clock, store, wire, dial, launcher, files, mirrors } = surroundings;
        let meters = Arc::new(Meters::default());
        let store: Arc<dyn Store> = Arc::new(Timed::new(store, meters.clone()));
        let ports = Ports {
            clock,
            store: store.clone(),
            http: Http::new(wire),
            dial,
            processes: Processes::new(launcher),
            files,
            mirrors,
            vocabulary: Arc::new(self.vocabulary),
            offered: Offered::new(self.plugins.iter().map(|plugged| plugged.plugin.clone())),
        };
        let (people, redactor) = (self.policy.people.clone(), self.redactor.clone());
        let desk = Desk { store: store.clone(), people, redactor };
        let consent = Arc::new(AskFirst { store: store.clone(), desk });
        let outbox = Arc::new(Post { redactor: self.redactor.clone() });
        let world = World {
            ports,
            store,
            redactor: self.redactor,
            consent,
            outbox,
            foresight: OnceLock::new(),
            voice: OnceLock::new(),
        };
        let bot = Bot::new(self.registry, self.plugins, self.policy, self.people, self.rooms, world, meters);
        self.builtin.attach(&bot);
        bot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn a_rule_that_asks_for_what_is_never_asked_for_is_a_mistake() {
        let told = |rule: &str| {
            let text = format!(
                "environments = [\"staging\"]\n[people.ana]\nroles = [\"dev\"]\n[people.ben]\nroles = [\"dev\"]\n[lock]\n[services.hello]\n[[policy]]\n{rule}\nto = [\"dev\"]\n"
            );
            let (config, problems) = config::parse(&text, "deckhand.toml", Path::new("/srv"), &|_| None);
            plan(&config, plugins::ALL, &problems);
            problems.to_string()
        };
        for (rule, key) in [
            ("allow = \"lock release\"\nconfirm = true", "confirm"),
            ("allow = \"lock release env=staging\"\napprove = 1", "approve"),
        ] {
            let said = told(rule);
            assert!(
                said.contains("deckhand.toml:9:9") && said.contains(&format!("`{key}` has no effect here")),
                "{said}"
            );
        }
        for rule in [
            "allow = \"lock *\"\nconfirm = true",
            "allow = \"lock release\"\ncode = \"5m\"",
            "allow = \"lock release\"",
        ] {
            assert_eq!(told(rule), "", "{rule}");
        }
    }
}
