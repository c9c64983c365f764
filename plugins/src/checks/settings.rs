//! What the operator wrote about health checks: `[checks]`, and `[services.X.checks.NAME]`.

use crate::probe::Probe;
use commands::ledger::Place;
use commands::offer::Better;
use commands::plugin::Setup;
use config::{Config, Section};
use std::collections::BTreeMap;
use std::time::Duration;

/// The whole of it.
#[derive(Debug, Default)]
pub struct Settings {
    /// Where changes are told.
    pub tell: Vec<Place>,
    /// Every check, by service, name, and environment in the order of promotion.
    pub checks: Vec<Check>,
    /// What there is to know of each service, by name.
    pub services: BTreeMap<String, config::Service>,
}

/// One check of a service in an environment.
#[derive(Debug, Clone)]
pub struct Check {
    /// The service.
    pub service: String,
    /// The environment.
    pub environment: String,
    /// Its name, alone of all checks of the service.
    pub name: String,
    /// What is tried.
    pub probe: Probe,
    /// How long one try may take.
    pub timeout: Duration,
    /// How it is read.
    pub rule: Rule,
    /// Which figures of a program are measures of the service, and which way each is good.
    pub better: BTreeMap<String, Better>,
}

/// How a row of tries is read.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// How many bad ones in a row mean down; at least 1.
    pub fall: u32,
    /// How many good ones in a row mean up again; at least 1.
    pub rise: u32,
    /// The time between two tries.
    pub interval: Duration,
    /// The same, while it is down.
    pub down_interval: Duration,
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let mut settings = Settings { services: setup.config.services.clone(), ..Settings::default() };
        if let Some(section) = setup.section() {
            settings.tell = setup.places(&section, "channel");
            section.finish();
        }
        for (service, section) in setup.services() {
            for (name, section) in section.named_tables("a check") {
                settings.checks.extend(check(setup.config, &service, &name, section));
            }
        }
        settings
    }
}

/// The check, once for each environment that it is for.
fn check(config: &Config, service: &str, name: &str, section: Section<'_>) -> Vec<Check> {
    let probe = Probe::read(&section, &config.folder);
    let environments = match &probe {
        Some(probe) => environments(config, &section, probe),
        None => section.texts("env"),
    };
    let rule = rule(&section);
    let timeout = section.duration("timeout").unwrap_or(Duration::from_secs(5).min(rule.interval));
    if timeout > rule.interval {
        section.problem("timeout", "a try takes longer than the time to the next", "write less than `interval`");
    }
    let better = better(&section, probe.as_ref());
    section.finish();
    let here = |environment: String| {
        let fill = |text: &str| text.replace("{service}", service).replace("{environment}", &environment);
        let probe = probe.as_ref()?.filled(fill, fill);
        let (service, name) = (service.to_owned(), name.to_owned());
        Some(Check { service, name, probe, timeout, rule, better: better.clone(), environment })
    };
    environments.into_iter().filter_map(here).collect()
}

fn environments(config: &Config, section: &Section<'_>, probe: &Probe) -> Vec<String> {
    let named = section.names("env", "environment", &config.environments);
    if !named.is_empty() {
        return config.environments.iter().filter(|name| named.contains(name)).cloned().collect();
    }
    let everywhere = probe.texts().iter().any(|(_, text)| text.contains("{environment}"));
    if !everywhere && config.environments.len() > 1 {
        let instead = "write `env = [\"…\"]`, or `{environment}` in what is looked at";
        section.problem("env", "it is not said which environment this check looks at", instead);
    }
    config.environments.clone()
}

fn rule(section: &Section<'_>) -> Rule {
    let count = |key, usual| section.integer(key, 1..=100).and_then(|count| u32::try_from(count).ok()).unwrap_or(usual);
    let interval = section.duration("interval").unwrap_or(Duration::from_secs(30));
    let usual = interval.max(Duration::from_secs(120));
    let rule = Rule {
        fall: count("fall", 3),
        rise: count("rise", 2),
        interval,
        down_interval: section.duration("down_interval").unwrap_or(usual),
    };
    if rule.down_interval < rule.interval {
        let instead = "write `interval` or more: what is down is not asked more often";
        section.problem("down_interval", "this is less than `interval`", instead);
    }
    rule
}

fn better(section: &Section<'_>, probe: Option<&Probe>) -> BTreeMap<String, Better> {
    if section.has("better") && !matches!(probe, Some(Probe::Program { .. }) | None) {
        section.problem("better", "only a program gives figures", "take it out, or write `kind = \"program\"`");
    }
    let read = |(name, way): (String, String)| match way.as_str() {
        "higher" => Some((name, Better::Higher)),
        "lower" => Some((name, Better::Lower)),
        _ => {
            let what = format!("{} is no way for a figure to be better", config::quoted(&way));
            section.problem("better", what, "write `higher` or `lower`");
            None
        }
    };
    section.text_map("better").into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Problems;
    use std::path::Path;

    fn read(checks: &str) -> (Settings, Problems) {
        let text = format!("environments = [\"staging\", \"production\"]\n[checks]\n[services.hello]\n{checks}");
        let (config, problems) = config::parse(&text, "deckhand.toml", Path::new("/srv"), &|_| None);
        let settings = Settings::read(&Setup { name: "checks", config: &config, problems: problems.clone() });
        config.unclaimed(&["checks"], &problems);
        (settings, problems)
    }

    #[test]
    fn a_check_is_for_every_environment_that_it_names() {
        let (settings, problems) = read(concat!(
            "[services.hello.checks.page]\nurl = \"http://{environment}.example/{service}\"\nexpect = [\"200\", \"300-399\"]\n",
            "[services.hello.checks.port]\nkind = \"tcp\"\naddress = \"[::1]:80\"\nenv = [\"production\"]\ninterval = \"5m\"\n",
        ));
        assert!(problems.is_empty(), "{problems}");
        let found: Vec<_> = settings.checks.iter().map(|check| (&*check.name, &*check.environment)).collect();
        assert_eq!(found, [("page", "staging"), ("page", "production"), ("port", "production")]);
        let url = "http://staging.example/hello".to_owned();
        assert_eq!(settings.checks[0].probe, Probe::Http { url, expect: vec![200..=200, 300..=399], contains: None });
        assert_eq!(settings.checks[2].rule.down_interval, Duration::from_secs(300));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let cases = [
            ("url = \"example.org\"", 5, "this is no address that Deckhand can read"),
            ("kind = \"htp\"", 5, "`htp` is no `kind`"),
            ("kind = \"tcp\"\naddress = \"::1:80\"\nenv = [\"staging\"]", 6, "this is no address to connect to"),
            ("kind = \"tcp\"\naddress = \"db:0\"\nenv = [\"staging\"]", 6, "this is no address to connect to"),
            ("kind = \"icmp\"\nhost = \"-f\"\nenv = [\"staging\"]", 6, "this is no host"),
            ("kind = \"program\"\nenv = [\"staging\"]", 4, "`[services.hello.checks.x]` has no `program`"),
            ("url = \"http://a/\"", 4, "it is not said which environment this check looks at"),
            ("url = \"http://a/\"\nenv = [\"prod\"]", 6, "there is no environment `prod`"),
            ("url = \"http://{environment}/\"\nexpect = [\"20\"]", 6, "`20` is no status of HTTP"),
            ("url = \"http://{environment}/\"\ntimeout = \"1m\"", 6, "a try takes longer than the time to the next"),
            ("url = \"http://{environment}/\"\ndown_interval = \"1s\"", 6, "this is less than `interval`"),
            ("url = \"http://{environment}/\"\nfall = 0", 6, "`fall` is 0"),
            ("url = \"http://{environment}/\"\nbetter = { x = \"lower\" }", 6, "only a program gives figures"),
            ("url = \"http://{environment}/\"\nhost = \"a\"", 6, "`[services.hello.checks.x]` has no setting `host`"),
        ];
        for (text, line, what) in cases {
            let (_, problems) = read(&format!("[services.hello.checks.x]\n{text}\n"));
            let told = problems.to_string();
            assert!(told.contains(what) && told.contains(&format!("deckhand.toml:{line}")), "{text}\n{told}");
        }
        let (_, problems) = read("checks = 3\n");
        assert!(!problems.is_empty());
    }
}
