//! What the operator wrote about metrics: `[metrics]`, `[metrics.sources.NAME]` and `[metrics.measures.NAME]`.

use super::chart::{Limits, Theme};
use super::definition::{Definition, Mistake, Sources};
use super::dora::Rules;
use super::push::Push;
use super::samples;
use super::source::{self, Query, Source};
use super::unit::Unit;
use super::variable::Variable;
use crate::words;
use commands::offer::Better;
use commands::plugin::Setup;
use commands::vocabulary::Vocabulary;
use config::Section;
use std::sync::Arc;
use std::time::Duration;

/// The longest time between two figures that are kept.
const LONGEST_PAUSE: Duration = Duration::from_secs(86_400);

/// The names in braces that every query may have.
pub const SERVICE: &str = "service";
pub const ENVIRONMENT: &str = "environment";

/// The whole of it.
#[derive(Default)]
pub struct Settings {
    /// The colours of pictures.
    pub theme: Theme,
    /// Who may push figures.
    pub push: Option<Push>,
    /// By which definitions DORA's measures are taken.
    pub rules: Rules,
    /// Where figures come from.
    pub sources: Sources,
    /// Every measure, in the order of the file.
    pub measures: Vec<Arc<Measure>>,
}

/// Something that is measured.
pub struct Measure {
    /// What it is called.
    pub name: String,
    /// What people call it, in whatever script; its name where nobody has said.
    pub title: Option<String>,
    /// What it says, in a few words.
    pub about: String,
    /// What its source is called.
    pub source_name: String,
    /// Where its figures come from.
    pub source: Arc<dyn Source>,
    /// What the source is asked, with `{names}` in it.
    pub query: String,
    /// What it is measured in.
    pub unit: Unit,
    /// From where on it is not well.
    pub limits: Limits,
    /// Whom to ask about it.
    pub owner: String,
    /// The service that it is about.
    pub service: Option<String>,
    /// What else the query leaves open.
    pub variables: Vec<Variable>,
    /// Whether deploys of its service are judged by it.
    pub in_verdicts: bool,
    /// How its figures are kept, where its source forgets them.
    pub keeps: Option<Keeping>,
    /// Who has defined it in chat; nobody where the config does.
    pub defined_by: Option<String>,
}

/// How figures are kept.
#[derive(Debug, Clone)]
pub struct Keeping {
    /// How often they are asked for.
    pub every: Duration,
    /// What their measure is called.
    measure: String,
    /// What the measure leaves open: they are kept apart by it.
    open: Vec<&'static str>,
}

impl Keeping {
    /// Under which name the figures of a query are kept: `failures@production`.
    pub fn name(&self, query: &Query) -> String {
        let value = |open: &&str| query.names.iter().find(|(name, _)| name == open).map(|(_, value)| value.as_str());
        let parts = self.open.iter().filter_map(value);
        parts.fold(self.measure.clone(), |name, part| format!("{name}@{part}"))
    }
}

impl Settings {
    /// Reads it, noting every mistake.
    pub fn read(setup: &Setup<'_>) -> Settings {
        let mut settings = Settings::default();
        let Some(section) = setup.section() else { return settings };
        if section.choice("theme", &["light", "dark"]).as_deref() == Some("dark") {
            settings.theme = Theme::Dark;
        }
        settings.rules = Rules::read(&section);
        settings.push = Push::read(&section);
        for (name, section) in tables(&section, "sources", "a source") {
            let source = source::read(&section, &setup.config.folder);
            source.iter().for_each(|source| check_markers(setup, &section, source.markers()));
            section.finish();
            settings.sources.insert(name, source);
        }
        for (name, one) in tables(&section, "measures", "a measure") {
            settings.measures.extend(measure(setup, &name, &one, &settings.sources).map(Arc::new));
            one.finish();
        }
        section.finish();
        settings
    }

    /// The measure of this name, where the config has it.
    pub fn measure(&self, name: &str) -> Option<&Arc<Measure>> {
        self.measures.iter().find(|measure| measure.name == name)
    }
}

fn tables<'a>(section: &Section<'a>, key: &str, of: &str) -> Vec<(String, Section<'a>)> {
    section.table(key).map(|table| table.named_tables(of)).unwrap_or_default()
}

/// Says which markers there can never be: what a verb begins with is the section of a plugin, but for a few.
fn check_markers(setup: &Setup<'_>, section: &Section<'_>, verbs: &[String]) {
    const OWN: [&str; 4] = ["approval", "config", "enroll", "grant"];
    for verb in verbs {
        let head = match verb.split('.').next().unwrap_or(verb) {
            "voice" => "digest",
            head => head,
        };
        if !OWN.contains(&head) && !setup.config.has(head) {
            let what = format!("nothing is called {} on the ledger", config::quoted(verb));
            let instead = format!("write a section {} too, or take it out", config::quoted(&format!("[{head}]")));
            section.problem("markers", what, instead);
        }
    }
}

fn measure(setup: &Setup<'_>, name: &str, section: &Section<'_>, sources: &Sources) -> Option<Measure> {
    let definition = Definition {
        about: section.text("about").unwrap_or_default(),
        source: section.required_text("source"),
        query: section.required_text("query"),
        unit: section.text("unit").unwrap_or_default(),
        better: section.choice("better", &["lower", "higher"]).map(|way| better(&way)),
        warn: section.number("warn"),
        bad: section.number("bad"),
        owner: section.text("owner").unwrap_or_default(),
        service: section.text(SERVICE),
        variables: variables(section),
    };
    let vocabulary = Vocabulary::of(setup.config);
    for Mistake { key, variable, what, instead } in definition.mistakes(sources, &vocabulary) {
        match variable.as_ref().and_then(|name| Some((section.table(key)?, name))) {
            Some((table, name)) => table.problem(name, what, instead),
            None => section.problem(key, what, instead),
        }
    }
    let in_verdicts = section.boolean("verdict").unwrap_or(false);
    let title = section.text("title").filter(|title| !title.trim().is_empty());
    let measure = Measure { title, in_verdicts, ..Measure::of(name, &definition, sources)? };
    let measure = keeping(section, measure);
    check_verdict(section, &measure);
    Some(measure)
}

/// Which way is good, by its word.
pub fn better(way: &str) -> Better {
    if way == "higher" { Better::Higher } else { Better::Lower }
}

/// `variables = { quantile = ["0.95", "0.5"], window = { kind = "duration", default = "5m" } }`.
fn variables(section: &Section<'_>) -> Vec<Variable> {
    let Some(table) = section.table("variables") else { return Vec::new() };
    table.keys().filter_map(|name| Variable::read(&table, name)).collect()
}

/// The same, with a source that knows how things stood where its figures are kept.
fn keeping(section: &Section<'_>, measure: Measure) -> Measure {
    let every = section.duration("every");
    if !section.boolean("keep").unwrap_or(false) {
        if every.is_some() {
            section.problem("every", "its figures are not kept", "write `keep = true` as well, or take it out");
        }
        return measure;
    }
    let wrong = match &measure {
        it if it.source.remembers() => Some(("its source knows how things stood", "take it out")),
        it if !it.variables.is_empty() => {
            Some(("its query leaves something open", "write a measure for each that is to be kept"))
        }
        _ => None,
    };
    wrong.into_iter().for_each(|(what, instead)| section.problem("keep", what, instead));
    let every = every.unwrap_or(Duration::from_secs(60));
    if !(samples::SHORTEST..=LONGEST_PAUSE).contains(&every) {
        let what = "figures are not kept at that pace";
        let [least, most] = [samples::SHORTEST, LONGEST_PAUSE].map(config::duration::show);
        section.problem("every", what, format!("write from `{least}` to `{most}`"));
    }
    let own = measure.service.is_some();
    let open = [SERVICE, ENVIRONMENT].into_iter().filter(|name| measure.mentions(name) && !(own && *name == SERVICE));
    let keeping = Keeping { every, measure: measure.name.clone(), open: open.collect() };
    Measure { source: source::kept(measure.source.clone(), keeping.clone()), keeps: Some(keeping), ..measure }
}

/// A deploy can be judged only by what is about a service, and was measured before.
fn check_verdict(section: &Section<'_>, measure: &Measure) {
    let wrong = match measure {
        it if !it.in_verdicts => None,
        it if it.service.is_none() && !it.mentions(SERVICE) => Some((
            "it is about no service, so no deploy can be judged by it",
            "write `service = \"…\"`, or `{service}` in the query",
        )),
        it if !it.source.remembers() => {
            Some(("its source does not know how things stood before a deploy", "take it out, or take another source"))
        }
        _ if !section.has("better") => {
            Some(("it is not said which way is good", "write `better = \"lower\"` or `better = \"higher\"`"))
        }
        _ => None,
    };
    wrong.into_iter().for_each(|(what, instead)| section.problem("verdict", what, instead));
}

impl Measure {
    /// What this definition means, beside these sources; nothing where its source is not to be had.
    pub fn of(name: &str, definition: &Definition, sources: &Sources) -> Option<Measure> {
        let Definition { about, source, query, unit, owner, service, variables, .. } = definition.clone();
        Some(Measure {
            name: name.to_owned(),
            title: None,
            about,
            source: sources.get(&source)?.clone()?,
            source_name: source,
            query,
            unit: Unit::of(&unit),
            limits: definition.limits(),
            owner,
            service,
            variables,
            in_verdicts: false,
            keeps: None,
            defined_by: None,
        })
    }

    /// What people call it.
    pub fn called(&self) -> &str {
        self.title.as_deref().unwrap_or(&self.name)
    }

    /// Whether it says something about this service.
    pub fn is_about(&self, service: &str) -> bool {
        self.service.as_deref().map_or_else(|| self.mentions(SERVICE), |own| own == service)
    }

    /// Whether its query leaves this open.
    pub fn mentions(&self, name: &str) -> bool {
        words::names(&self.query).contains(&name) || self.source.mentions(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::dora::{Fails, LeadFrom};
    use config::Problems;
    use std::path::Path;

    const SOURCE: &str = "[metrics.sources.p]\nkind = \"prometheus\"\nurl = \"http://p.example:9090/\"\n";

    fn read(text: &str) -> (Settings, Problems) {
        let text = format!("environments = [\"staging\", \"production\"]\n[services.hello]\n[metrics]\n{text}");
        let (config, problems) = config::parse(&text, "deckhand.toml", Path::new("/srv"), &|_| None);
        let settings = Settings::read(&Setup { name: "metrics", config: &config, problems: problems.clone() });
        config.unclaimed(&["metrics"], &problems);
        (settings, problems)
    }

    #[test]
    fn measures_are_read() {
        let (settings, problems) = read(&format!(
            "theme = \"dark\"\n{SOURCE}[metrics.measures.latency]\nsource = \"p\"\nquery = \"q({{quantile}}, x)\"\nunit = \"s\"\nbetter = \"lower\"\nwarn = 0.3\nbad = 1\nservice = \"hello\"\nvariables = {{ quantile = [\"0.95\", \"0.5\"] }}\n"
        ));
        assert!(problems.is_empty(), "{problems}");
        let latency = settings.measure("latency").unwrap();
        assert_eq!((latency.limits.warn, latency.limits.bad), (Some(0.3), Some(1.0)));
        assert_eq!(latency.variables[0].shown(), "`0.95` or `0.5`");
        assert_eq!(settings.theme, Theme::Dark);
    }

    #[test]
    fn a_choice_may_be_a_pattern() {
        let measure = "[metrics.measures.cpu]\nsource = \"p\"\nquery = \"cpu{mode=~'{mode}'}\"\nvariables = { mode = [\"user|system\"] }\n";
        let (settings, problems) = read(&format!("{SOURCE}{measure}"));
        assert!(problems.is_empty(), "{problems}");
        assert_eq!(settings.measure("cpu").unwrap().variables[0].usual(), "user|system");
    }

    #[test]
    fn gitlabs_definitions_begin_at_the_merge_unless_said_otherwise() {
        let rules = |text: &str| read(&format!("[metrics.dora]\n{text}\n")).0.rules;
        let (fails, commit, merge) = (Fails::Incidents, LeadFrom::Commit, LeadFrom::Merge);
        assert_eq!(rules(""), Rules::default());
        assert_eq!(rules("definitions = \"gitlab\""), Rules { fails, lead_from: merge });
        assert_eq!(rules("definitions = \"gitlab\"\nlead-from = \"commit\""), Rules { fails, lead_from: commit });
        assert_eq!(rules("lead-from = \"merge\""), Rules { fails: Fails::Deployments, lead_from: merge });
        let told = read("[metrics.dora]\ndefinitions = \"github\"\n").1.to_string();
        assert!(told.contains("`github` is no `definitions`") && told.contains("deckhand.toml:5:"), "{told}");
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let of_source = [
            ("url = \"http://a/\"", 4, "it is not said what kind of source this is"),
            ("kind = \"grafana\"\nurl = \"http://a/\"", 5, "`grafana` is no `kind`"),
            ("kind = \"prometheus\"", 4, "`[metrics.sources.x]` has no `url`"),
            ("kind = \"prometheus\"\nurl = \"a:9090\"", 6, "`a:9090` is no web address"),
            (
                "kind = \"json\"\nurl = \"http://a/\"\nauthorization = \"Bearer x\"",
                7,
                "it would be sent for everybody to read",
            ),
            ("kind = \"program\"", 4, "`[metrics.sources.x]` has no `program`"),
            ("kind = \"graphite\"\nurl = \"http://a/\"\ninterval = \"1m\"", 7, "has no setting `interval`"),
            (
                "kind = \"graphite\"\nurl = \"http://a/\"\nmarkers = [\"config\", \"deplyo\"]",
                7,
                "nothing is called `deplyo` on the ledger",
            ),
        ];
        let of_measure = [
            ("query = \"up\"", 7, "`[metrics.measures.x]` has no `source`"),
            ("source = \"q\"\nquery = \"up\"", 8, "there is no source `q`"),
            ("source = \"p\"", 7, "`[metrics.measures.x]` has no `query`"),
            ("source = \"p\"\nquery = \"up\"\nservice = \"helo\"", 10, "there is no service `helo`"),
            ("source = \"p\"\nquery = \"up\"\nunit = \"a very long unit\"", 10, "is no unit"),
            ("source = \"p\"\nquery = \"up\"\nbad = 1", 10, "it is not said on which side of this it is well"),
            (
                "source = \"p\"\nquery = \"up\"\nbetter = \"lower\"\nwarn = 2\nbad = 1.5",
                12,
                "what is bad begins before what needs a look",
            ),
            ("source = \"p\"\nquery = \"up\"\nbad = \"1\"", 10, "`bad` is a text, not a number"),
            ("source = \"p\"\nquery = \"up\"\nvariables = { q = [\"1\"] }", 10, "the query does not have it"),
            ("source = \"p\"\nquery = \"{Q}\"\nvariables = { Q = [\"1\"] }", 10, "`Q` is no name for a variable"),
            ("source = \"p\"\nquery = \"{q}\"\nvariables = { q = [\"a,b\"] }", 10, "`a,b` can not be chosen in chat"),
            (
                "source = \"p\"\nquery = \"{service}\"\nvariables = { service = [\"a\"] }",
                10,
                "stands for what the command says",
            ),
            ("source = \"p\"\nquery = \"{q}\"\nvariables = { q = { kind = \"text\" } }", 10, "`text` is no `kind`"),
            ("source = \"p\"\nquery = \"{q}\"\nvariables = { q = { min = 1 } }", 10, "has no `kind`"),
            ("source = \"p\"\nquery = \"{q}\"\nvariables = { q = { kind = \"number\" } }", 10, "where nobody says"),
            (
                "source = \"p\"\nquery = \"{q}\"\n[metrics.measures.x.variables.q]\nkind = \"duration\"\nmin = \"1h\"\nmax = \"1m\"\ndefault = \"5m\"",
                10,
                "`q` can stand for nothing",
            ),
            (
                "source = \"p\"\nquery = \"{q}\"\n[metrics.measures.x.variables.q]\nkind = \"service\"\ndefault = \"helo\"",
                10,
                "`q` can not be `helo`",
            ),
            (
                "source = \"p\"\nquery = \"{q}\"\n[metrics.measures.x.variables.q]\nkind = \"word\"\ndefault = \"a\"\nmax = 5",
                13,
                "has no setting `max`",
            ),
            ("source = \"p\"\nquery = \"up\"\nverdict = true", 10, "it is about no service"),
            (
                "source = \"p\"\nquery = \"up\"\nservice = \"hello\"\nverdict = true",
                11,
                "it is not said which way is good",
            ),
            ("source = \"p\"\nquery = \"up\"\nkeep = true", 10, "its source knows how things stood"),
            ("source = \"p\"\nquery = \"up\"\nevery = \"10s\"", 10, "its figures are not kept"),
            ("source = \"p\"\nquery = \"up\"\nkeep = true\nevery = \"5s\"", 11, "figures are not kept at that pace"),
            ("source = \"p\"\nquery = \"up\"\nunits = \"ms\"", 10, "has no setting `units`"),
        ];
        let source = of_source.map(|(text, line, what)| (format!("[metrics.sources.x]\n{text}\n"), line, what));
        let measure =
            of_measure.map(|(text, line, what)| (format!("{SOURCE}[metrics.measures.x]\n{text}\n"), line, what));
        for (text, line, what) in source.into_iter().chain(measure) {
            let told = read(&text).1.to_string();
            assert!(told.contains(what) && told.contains(&format!("deckhand.toml:{line}:")), "{text}\n{told}");
        }
        let (_, problems) = read(
            "[metrics.sources.j]\nkind = \"json\"\nurl = \"http://j/\"\n[metrics.measures.x]\nsource = \"j\"\nquery = \"orders\"\n",
        );
        assert!(problems.to_string().contains("this leads to nothing in a document"), "{problems}");
        let (_, problems) = read(
            "[metrics.sources.j]\nkind = \"json\"\nurl = \"http://j/\"\n[metrics.measures.x]\nsource = \"j\"\nquery = \"/{shop}.json#/n\"\nvariables = { shop = [\"eu\", \"../us\"] }\n",
        );
        assert!(problems.to_string().contains("with `../us`, this leads to nothing"), "{problems}");
    }
}
