//! `/metrics define`: measures that are said in chat, each with all that it was before.

use super::Metrics;
use super::definition::{Definition, Mistake};
use super::look::{or_none, well};
use super::settings::{self, Measure, SERVICE};
use super::variable::{read_all, said};
use chrono::{DateTime, Utc};
use commands::act::{Act, Permit};
use commands::cx::Cx;
use commands::offer::Better;
use commands::parse;
use commands::registry::is_name;
use commands::reply::{Button, Form, Input, Look, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::table::{Table, Versioned};
use commands::text;
use serde::{Deserialize, Serialize};

/// The measures that were defined in chat, by their names.
pub const DEFINED: Table<Defined> = Table::new("metrics/defined/");

/// What a measure was before an act, by its name and the act's number; nothing where there was none.
const BEFORE: Table<Option<Defined>> = Table::new("metrics/defined-before/");

/// The most measures that are defined in chat: who finds one among more?
const MOST: usize = 200;

/// How many earlier definitions of a measure are kept.
const KEPT: usize = 100;

/// How many earlier definitions of a measure are shown.
const SHOWN: usize = 10;

/// What is said for what there is not: not every platform lets a part of a form be left empty.
const NONE: &str = "none";

/// The longest query, in characters.
const LONGEST: usize = 1_000;

/// The longest of everything else.
const SHORT: usize = 200;

/// A measure as somebody has defined it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Defined {
    /// What it is.
    pub definition: Definition,
    /// Who has said so.
    pub who: String,
    /// When.
    pub at: DateTime<Utc>,
}

#[derive(Deserialize)]
struct DefineArgs {
    name: String,
    source: Option<String>,
    query: Option<String>,
    unit: Option<String>,
    better: Option<String>,
    warn: Option<String>,
    bad: Option<String>,
    service: Option<String>,
    owner: Option<String>,
    about: Option<String>,
    variables: Option<String>,
}

#[derive(Deserialize)]
struct NameArgs {
    name: String,
}

#[derive(Deserialize)]
struct RestoreArgs {
    name: String,
    number: u64,
}

/// The name of what a measure was before an act.
fn before(name: &str, act: u64) -> String {
    format!("{name}/{act:012}")
}

fn act(verb: &'static str, name: &str, is: Option<&Definition>) -> Act {
    Act {
        verb,
        object: name.to_owned(),
        service: is.and_then(|it| it.service.clone()),
        facts: is.map(facts).unwrap_or_default(),
        state: Some(DEFINED.key(name)),
        ..Act::default()
    }
}

/// All that is said of it, for the ledger.
fn facts(it: &Definition) -> Vec<(&'static str, String)> {
    let limit = |limit: Option<f64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let facts = [
        ("source", it.source.clone()),
        ("query", it.query.clone()),
        ("unit", it.unit.clone()),
        ("better", it.better.map(way).unwrap_or_default().to_owned()),
        ("warn", limit(it.warn)),
        ("bad", limit(it.bad)),
        ("owner", it.owner.clone()),
        ("about", it.about.clone()),
        ("variables", said(&it.variables)),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn way(better: Better) -> &'static str {
    if better == Better::Higher { "higher" } else { "lower" }
}

impl Metrics {
    pub(super) async fn define(&self, cx: &Cx) -> Result<Reply> {
        let args: DefineArgs = cx.args()?;
        let name = args.name.clone();
        self.is_free(&name)?;
        let found = DEFINED.get(cx.store(), &name).await?;
        let was = found.as_ref().map(|found| &found.value.definition);
        let definition = with(was.cloned().unwrap_or_default(), args).map_err(|mistakes| refused(&name, &mistakes))?;
        if definition.source.is_empty() || definition.query.is_empty() {
            return Ok(self.incomplete(&name, &definition));
        }
        if was == Some(&definition) {
            return Err(Stop::refuse(format!("{} is that already, so nothing was changed.", text::code(&name))));
        }
        // Who may define what is about one service does not take over what is about another.
        if let Some(was) = was.filter(|was| was.service != definition.service) {
            let about = was.service.as_deref().map_or("no service".to_owned(), text::code);
            return Err(Stop::refuse(format!(
                "{} is about {about}, so nothing was changed. Say `/metrics undefine {name}` first to make it about another.",
                text::code(&name)
            )));
        }
        self.fits(cx, &name, &definition)?;
        if found.is_none() && DEFINED.scan(cx.store(), "", MOST).await?.len() >= MOST {
            return Err(Stop::refuse(format!(
                "{MOST} measures are defined in chat, which is the most, so nothing was defined. `/metrics undefine` takes one out."
            )));
        }
        let is = Defined { definition, who: cx.who().to_owned(), at: cx.now() };
        let said = if found.is_some() { "is defined anew" } else { "is defined" };
        let verb = "metrics.define";
        change(cx, act(verb, &name, Some(&is.definition)), &name, found, Some(is.clone())).await?;
        let measure = Measure::of(&name, &is.definition, &self.settings.sources);
        let reply = Reply::say(format!("{} {said}: {}", text::code(&name), summary(&is.definition, measure.as_ref())));
        Ok(reply.button(Button::new("Show it", format!("metrics show measure:{name}"))))
    }

    pub(super) async fn undefine(&self, cx: &Cx) -> Result<Reply> {
        let NameArgs { name } = cx.args()?;
        let found = self.defined(cx, &name).await?;
        let undefines = Act { service: found.value.definition.service.clone(), ..act("metrics.undefine", &name, None) };
        change(cx, undefines, &name, Some(found), None).await?;
        Ok(Reply::say(format!(
            "{} is no measure any more. Channels that watch it are told of it again once there is one of this name.",
            text::code(&name)
        )))
    }

    pub(super) async fn restore(&self, cx: &Cx) -> Result<Reply> {
        let RestoreArgs { name, number } = cx.args()?;
        self.is_free(&name)?;
        let Some(was) = BEFORE.get(cx.store(), before(&name, number)).await? else {
            return Err(Stop::refuse(format!(
                "#{number} has not changed {}, so nothing was changed. `/metrics definition name:…` shows what has.",
                text::code(&name)
            )));
        };
        let found = DEFINED.get(cx.store(), &name).await?;
        let was = was.value;
        if found.as_ref().map(|found| &found.value.definition) == was.as_ref().map(|was| &was.definition) {
            return Err(Stop::refuse(format!("{} is so already, so nothing was changed.", text::code(&name))));
        }
        if let Some(was) = &was {
            self.fits(cx, &name, &was.definition)?;
        }
        let is = was.map(|was| Defined { who: cx.who().to_owned(), at: cx.now(), ..was });
        let about = is.as_ref().or(found.as_ref().map(|found| &found.value));
        let restores = Act {
            service: about.and_then(|it| it.definition.service.clone()),
            ..act("metrics.restore", &name, is.as_ref().map(|is| &is.definition))
        };
        change(cx, restores, &name, found, is.clone()).await?;
        Ok(Reply::say(match is {
            Some(is) => {
                let measure = Measure::of(&name, &is.definition, &self.settings.sources);
                let is = summary(&is.definition, measure.as_ref());
                format!("{} is again what it was before #{number}: {is}", text::code(&name))
            }
            None => format!("{} is no measure any more, as before #{number}.", text::code(&name)),
        }))
    }

    pub(super) async fn definition(&self, cx: &Cx) -> Result<Reply> {
        let NameArgs { name } = cx.args()?;
        let catalog = self.catalog(cx.ports()).await?;
        let measure = catalog.measure(&name)?;
        let from = match &measure.defined_by {
            None => "The operator has written it in the config.".to_owned(),
            Some(who) => format!("{} has defined it in chat.", text::plain(who)),
        };
        let open = measure.variables.iter().map(|it| format!("{}: {}", it.name, it.shown()));
        let open = open.collect::<Vec<_>>().join("; ");
        // Whoever reads a definition wants all of it, and code is cut early.
        let code = text::code(&measure.query);
        let query = if code.ends_with("…`") { text::plain(&measure.query) } else { code };
        let mut reply = Reply::card(Tone::Plain, name.clone(), or_none(text::plain(&measure.about)))
            .field("From", from)
            .field("Source", measure.source_name.clone())
            .field("Query", query)
            .field("Well", well(measure))
            .field("Owner", or_none(text::plain(&measure.owner)))
            .field("Leaves open", or_none(open));
        let changes = BEFORE.scan_back(cx.store(), &format!("{name}/"), None, SHOWN).await?;
        if measure.defined_by.is_none() || changes.is_empty() {
            return Ok(reply);
        }
        let row = |(key, it): &(String, Versioned<Option<Defined>>)| {
            let number = key.rsplit('/').next().unwrap_or_default().trim_start_matches('0').to_owned();
            let was = it.value.as_ref().map_or_else(
                || "nothing".to_owned(),
                |was| format!("{}, by {}", text::cut(&text::plain(&was.definition.query), 60), text::plain(&was.who)),
            );
            [number, was]
        };
        let rows: Vec<_> = changes.iter().map(row).collect();
        if let Some([number, _]) = rows.first() {
            let line = format!("metrics restore name:{name} number:{number}");
            let version = DEFINED.get(cx.store(), &name).await?.map_or(0, |found| found.version);
            reply =
                reply.button(Button::new(format!("As before #{number}"), line).drawn_from(DEFINED.key(&name), version));
        }
        Ok(reply.table(["Before", "It was"], rows))
    }

    /// Whether there is nothing wrong with a definition, as the config is now.
    fn fits(&self, cx: &Cx, name: &str, definition: &Definition) -> Result<()> {
        let sources = &self.settings.sources;
        let mistakes = definition.mistakes(sources, &cx.ports().vocabulary);
        let told = |mistake: Mistake| match mistake.key {
            // Nobody can say one that there is not: the config has lost it.
            SERVICE => Mistake { instead: format!("say `/metrics undefine {name}`, and define it anew"), ..mistake },
            _ => mistake,
        };
        let mut told: Vec<_> = mistakes.into_iter().map(|mistake| told(mistake).told()).collect();
        let source = sources.get(&definition.source).and_then(Option::as_ref);
        if source.is_some_and(|source| !source.is_open()) {
            told.push(format!(
                "`source`: {} is asked with a password, so that its measures are the operator's; take another, or ask for `define = true` in its section.",
                text::code(&definition.source)
            ));
        }
        if told.is_empty() { Ok(()) } else { Err(refused(name, &told)) }
    }

    /// Whether a measure of this name may be defined in chat: the config's are the operator's.
    fn is_free(&self, name: &str) -> Result<()> {
        if !is_name(name) {
            return Err(Stop::refuse(format!(
                "{} can not be the name of a measure. Write up to 32 of a-z, 0-9 and `-`, a letter first.",
                text::code(name)
            )));
        }
        match self.settings.measure(name) {
            None => Ok(()),
            Some(_) => Err(Stop::refuse(format!(
                "{} stands in the config, which is the operator's to change, so nothing was changed. Take another name.",
                text::code(name)
            ))),
        }
    }

    async fn defined(&self, cx: &Cx, name: &str) -> Result<Versioned<Defined>> {
        if let Some(found) = DEFINED.get(cx.store(), name).await? {
            return Ok(found);
        }
        self.is_free(name)?;
        let all = DEFINED.scan(cx.store(), "", MOST).await?;
        let names: Vec<_> = all.iter().map(|(name, _)| name.as_str()).collect();
        let instead = match (config::suggest::suggest(name, names.iter().copied()), names.is_empty()) {
            (Some(meant), _) => format!("Did you mean {}?", text::code(meant)),
            (None, true) => "None was: `/metrics define` makes one.".to_owned(),
            (None, false) => "`/metrics list` shows what was.".to_owned(),
        };
        Err(Stop::refuse(format!("No measure {} was defined in chat. {instead}", text::code(name))))
    }

    /// What is said to who has not said enough: what is missing, in a form.
    fn incomplete(&self, name: &str, so_far: &Definition) -> Reply {
        let known = self.settings.sources.iter().filter(|(_, source)| source.is_some()).map(|(name, _)| name.as_str());
        let known: Vec<_> = known.collect();
        if known.is_empty() {
            return Reply::refuse(
                "There is no source to ask, so nothing was defined. The operator writes each as a section `[metrics.sources.NAME]`.",
            );
        }
        let input = |name: &str, label: &str, hint: &str, value: &str, most| Input {
            name: name.to_owned(),
            label: label.to_owned(),
            hint: hint.to_owned(),
            value: value.to_owned(),
            most,
            ..Input::default()
        };
        let sources = text::cut(&known.join(", "), 90);
        let source = if so_far.source.is_empty() && known.len() == 1 { known[0] } else { so_far.source.as_str() };
        let bad = so_far.bad.map_or_else(|| NONE.to_owned(), |bad| bad.to_string());
        let inputs = vec![
            input("source", "Source", &sources, source, SHORT),
            Input { long: true, ..input("query", "Query", "sum(rate(requests[5m]))", &so_far.query, LONGEST) },
            input("unit", "Unit", "ms, %, req/s", if so_far.unit.is_empty() { NONE } else { &so_far.unit }, SHORT),
            input("better", "Which way is good: lower or higher", "lower", so_far.better.map_or("lower", way), SHORT),
            input("bad", "From where on it is bad", "500", &bad, SHORT),
        ];
        let form = Form { title: text::cut(&format!("What {name} is"), 45), inputs };
        let missing = if so_far.source.is_empty() { "where its figures come from" } else { "what the source is asked" };
        let rest = [
            ("service", so_far.service.clone().unwrap_or_default()),
            ("warn", so_far.warn.map(|warn| warn.to_string()).unwrap_or_default()),
            ("owner", so_far.owner.clone()),
            ("about", so_far.about.clone()),
            ("variables", said(&so_far.variables)),
        ];
        let rest = rest.into_iter().filter(|(_, value)| !value.is_empty());
        let line = rest.fold(format!("metrics define name:{name}"), |line, (key, value)| {
            format!("{line} {key}:{}", parse::quote(&value))
        });
        Reply::refuse(format!(
            "It is not said {missing}, so nothing was defined. Fill in the form, or say `source:` (there is {}) and `query:`.",
            text::list(&known)
        ))
        .button(Button::new("Fill in the form", line).look(Look::Main).form(form).again())
    }
}

impl Mistake {
    /// It in a sentence of chat.
    fn told(self) -> String {
        let of = self.variable.map(|name| format!(" {}", text::code(&name))).unwrap_or_default();
        format!("`{}`{of}: {}; {}.", self.key, self.what, self.instead)
    }
}

fn refused(name: &str, mistakes: &[String]) -> Stop {
    Stop::refuse(format!("{} was not defined.\n{}", text::code(name), mistakes.join("\n")))
}

/// The definition with what was said in place of what it had; or all that can not be read.
fn with(was: Definition, said: DefineArgs) -> Result<Definition, Vec<String>> {
    let mut mistakes = Vec::new();
    let mut text = |key: &str, said: Option<String>, was: String, most: usize| {
        let value = said.map_or(was, |said| if said.trim() == NONE { String::new() } else { said.trim().to_owned() });
        let letters = value.chars().count();
        if letters > most {
            mistakes.push(format!("`{key}`: it has {letters} characters, and may have {most}; write it shorter."));
        }
        value
    };
    let mut is = Definition {
        about: text("about", said.about, was.about, SHORT),
        source: text("source", said.source, was.source, SHORT),
        query: text("query", said.query, was.query, LONGEST),
        unit: text("unit", said.unit, was.unit, SHORT),
        owner: text("owner", said.owner, was.owner, SHORT),
        better: said.better.map(|way| settings::better(&way)).or(was.better),
        service: said.service.or(was.service),
        warn: was.warn,
        bad: was.bad,
        variables: was.variables,
    };
    for (key, said, limit) in [("warn", said.warn, &mut is.warn), ("bad", said.bad, &mut is.bad)] {
        match said.as_deref().map(str::trim) {
            None => {}
            Some(NONE) => *limit = None,
            Some(said) => match said.parse::<f64>().ok().filter(|figure| figure.is_finite()) {
                Some(figure) => *limit = Some(figure),
                None => mistakes.push(format!(
                    "`{key}`: {} is no number; write one in the measure's unit, as in `{key}:0.3`, or `none`.",
                    text::code(said)
                )),
            },
        }
    }
    match said.variables.as_deref().map(str::trim) {
        None => {}
        Some(NONE) => is.variables = Vec::new(),
        Some(said) => match read_all(said) {
            Ok(variables) => is.variables = variables,
            Err(part) => mistakes.push(format!(
                "`variables`: {} does not say what may be chosen; write `variables:\"quantile=0.95|0.5, window=5m in 1m..1h\"`; behind `in` stands `1m..1h`, `0..1`, `duration`, `number`, `service`, `environment` or `word`.",
                text::code(&part)
            )),
        },
    }
    if mistakes.is_empty() { Ok(is) } else { Err(mistakes) }
}

/// What it is, in a sentence.
fn summary(is: &Definition, measure: Option<&Measure>) -> String {
    let well = measure.map(well).filter(|well| well != super::look::NOTHING);
    let well = well.map(|well| format!(", and it is well {well}")).unwrap_or_default();
    format!("the source {} is asked {}{well}.", text::code(&is.source), text::code(&is.query))
}

/// Puts a definition in the place of another, and keeps what was before.
async fn change(cx: &Cx, act: Act, name: &str, found: Option<Versioned<Defined>>, is: Option<Defined>) -> Result<()> {
    let version = found.as_ref().map_or(0, |found| found.version);
    let was = found.map(|found| found.value);
    let mut old = BEFORE.scan(cx.store(), &format!("{name}/"), usize::MAX).await?;
    old.truncate((old.len() + 1).saturating_sub(KEPT));
    cx.act(act, async |permit: &Permit| {
        permit.expect(DEFINED.key(name), version);
        match &is {
            Some(is) => DEFINED.put(permit, name, is)?,
            None => permit.delete(DEFINED.key(name)),
        }
        BEFORE.put(permit, before(name, permit.act()), &was)?;
        old.iter().for_each(|(name, _)| permit.delete(BEFORE.key(name)));
        permit.undo(Some(format!("metrics restore name:{name} number:{}", permit.act())));
        Ok(())
    })
    .await
}
