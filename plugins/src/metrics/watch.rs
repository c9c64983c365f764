//! `/metrics watch`: a channel is told when a measure gets worse or well again, and of nothing else.

use super::Metrics;
use super::asked::{Asked, Said};
use super::catalog::Catalog;
use super::chart::Limits;
use super::look::well;
use super::round::{self, LOOKED};
use super::series::Series;
use chrono::{DateTime, Utc};
use commands::act::Act;
use commands::cx::Cx;
use commands::ledger::Place;
use commands::moment;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::store::Read;
use commands::table::{Table, Versioned};
use commands::text;
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::pin::pin;

/// The job that looks.
pub const JOB: &str = "watches";

/// What is watched, by platform, channel and what it is.
const WATCHES: Table<Watch> = Table::new("metrics/watches/");

/// How many are looked at at once.
const AT_ONCE: usize = 32;

/// The most measures that a channel watches.
const MOST: usize = 50;

/// What is watched for a channel.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Watch {
    measure: String,
    said: Said,
    place: Place,
    level: Level,
    /// Since when.
    since: DateTime<Utc>,
    /// From where on it was not well, in words: who changes that makes nothing well.
    #[serde(default)]
    limits: Option<String>,
}

/// What is seen of something that is watched.
struct View {
    /// What it is called.
    title: String,
    level: Level,
    /// The figure, or what is in the way.
    shown: String,
    /// From where on it is not well; nothing where it can not be asked for.
    limits: Option<String>,
    /// The line that draws it, where there is something to draw.
    chart: Option<String>,
    service: Option<String>,
    environment: Option<String>,
}

/// How well a measure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It has reached no limit.
    Well,
    /// Somebody should look.
    Warn,
    /// It is bad.
    Bad,
    /// There is no figure.
    Missing,
}

impl Level {
    fn of(limits: &Limits, figure: Option<f64>) -> Level {
        match figure.filter(|figure| figure.is_finite()) {
            None => Level::Missing,
            Some(figure) if limits.reached(limits.bad, figure) => Level::Bad,
            Some(figure) if limits.reached(limits.warn, figure) => Level::Warn,
            Some(_) => Level::Well,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Level::Well => "well",
            Level::Warn => "worth a look",
            Level::Bad => "bad",
            Level::Missing => "without figures",
        }
    }

    fn tone(self) -> Tone {
        match self {
            Level::Well => Tone::Good,
            Level::Warn | Level::Missing => Tone::Warn,
            Level::Bad => Tone::Bad,
        }
    }
}

/// What was seen at the last look and has not been told: a level counts once it is seen twice, so that nobody is told of what
/// flutters.
pub type Seen = HashMap<String, Level>;

#[derive(Deserialize)]
struct WatchArgs {
    measure: String,
    #[serde(flatten)]
    said: Said,
}

/// The beginning of the names of a channel's watches.
fn channel(place: &Place) -> String {
    format!("{}/{}/", place.platform, place.channel)
}

/// The name of a channel's watch: what was said, whatever comes to be meant by it.
fn name(place: &Place, measure: &str, said: &Said) -> String {
    format!("{}{measure}{}", channel(place), said.line())
}

fn act(verb: &'static str, name: &str, title: &str, service: Option<String>, environment: Option<String>) -> Act {
    Act { verb, object: title.to_owned(), service, environment, state: Some(WATCHES.key(name)), ..Act::default() }
}

impl Metrics {
    /// How it stands now: its level, and the figure in words. What is asked in a round waits no longer than the others of it.
    async fn level(&self, cx: &Cx, asked: &Asked, round: Option<DateTime<Utc>>) -> (Level, String) {
        let measure = &asked.measure;
        let source = &measure.source_name;
        let answer = match round {
            None => Some(asked.at(cx.ports(), cx.now()).await),
            Some(round) => self.rounds.within(source, round, LOOKED, asked.at(cx.ports(), round)).await,
        };
        let (figure, met) = match answer {
            None => (None, Some(round::over(source, LOOKED))),
            Some(Ok(answer)) => {
                let last = answer.series.iter().filter_map(Series::summary).map(|summary| summary.last);
                // Of several series the one that stands worst speaks for all.
                let worse = |one: f64, other: f64| if measure.limits.reached(Some(one), other) { other } else { one };
                (last.reduce(worse), None)
            }
            Some(Err(stop)) => (None, Some(stop.to_string())),
        };
        let shown = figure.map(|figure| measure.unit.show(figure));
        (Level::of(&measure.limits, figure), shown.or(met).unwrap_or_else(|| "no figure".to_owned()))
    }

    /// What there is to see of a watch now.
    async fn view(&self, cx: &Cx, catalog: &Catalog, watch: &Watch, round: Option<DateTime<Utc>>) -> View {
        let Watch { measure, said, .. } = watch;
        match catalog.measure(measure).and_then(|it| Asked::of(it, said, cx.ports())) {
            Ok(asked) => {
                let (level, shown) = self.level(cx, &asked, round).await;
                View {
                    title: asked.title(),
                    level,
                    shown,
                    limits: Some(well(&asked.measure)),
                    chart: Some(asked.line("chart")),
                    service: asked.service.clone(),
                    environment: asked.environment.clone(),
                }
            }
            Err(stop) => View {
                title: format!("{measure}{}", said.line()),
                level: Level::Missing,
                shown: stop.to_string(),
                limits: None,
                chart: None,
                service: None,
                environment: None,
            },
        }
    }

    pub(super) async fn watch_it(&self, cx: &Cx) -> Result<Reply> {
        let WatchArgs { measure, said } = cx.args()?;
        let catalog = self.catalog(cx.ports()).await?;
        let asked = Asked::of(catalog.measure(&measure)?, &said, cx.ports())?;
        if asked.measure.limits.warn.or(asked.measure.limits.bad).is_none() {
            return Err(Stop::refuse(format!(
                "Nobody has said from where on {} is not well, so there is nothing to watch. {}",
                text::code(&measure),
                match asked.measure.defined_by {
                    None => "The operator writes `warn` or `bad` in its section.".to_owned(),
                    Some(_) => format!("Say it: `/metrics define name:{measure} bad:…`."),
                }
            )));
        }
        let place = Place { message: String::new(), ..cx.call().place.clone() };
        let there = WATCHES.scan(cx.store(), &channel(&place), MOST + 1).await?;
        if there.iter().any(|(_, it)| self.is_the_same(cx, &catalog, &it.value, &measure, &said)) {
            return Err(Stop::refuse(format!("This channel watches {} already.", text::code(&asked.title()))));
        }
        if there.len() >= MOST {
            return Err(Stop::refuse(format!(
                "This channel watches {MOST} measures, and more are not read. Take one out first: `/metrics unwatch`."
            )));
        }
        let (level, shown) = self.level(cx, &asked, None).await;
        let name = name(&place, &measure, &said);
        let undo = Some(format!("metrics unwatch {measure}{}", said.line()));
        let limits = Some(well(&asked.measure));
        let watch = Watch { measure, said, place, level, since: cx.now(), limits };
        let begins = act("metrics.watch", &name, &asked.title(), asked.service.clone(), asked.environment.clone());
        cx.act(Act { undo, ..begins }, async |permit| {
            permit.expect(WATCHES.key(&name), 0);
            Ok(WATCHES.put(permit, &name, &watch)?)
        })
        .await?;
        Ok(Reply::say(format!(
            "This channel is told when {} gets worse or well again. It is {} now: {}",
            text::code(&asked.title()),
            level.word(),
            ended(&shown)
        )))
    }

    /// Whether a watch is what is said now: by its words, or by what they mean.
    fn is_the_same(&self, cx: &Cx, catalog: &Catalog, watch: &Watch, measure: &str, said: &Said) -> bool {
        let title = |said: &Said| {
            let asked = catalog.measure(measure).and_then(|it| Asked::of(it, said, cx.ports()));
            asked.map(|asked| asked.title()).ok()
        };
        watch.measure == measure
            && (watch.said == *said || title(said).is_some_and(|it| title(&watch.said) == Some(it)))
    }

    pub(super) async fn unwatch(&self, cx: &Cx) -> Result<Reply> {
        let WatchArgs { measure, said } = cx.args()?;
        let catalog = self.catalog(cx.ports()).await?;
        let mut there = WATCHES.scan(cx.store(), &channel(&cx.call().place), usize::MAX).await?;
        there.retain(|(_, it)| it.value.measure == measure);
        // Of what can not be asked for any more the name is enough, where there is one of it.
        let only = said == Said::default() && there.len() == 1;
        let found =
            there.into_iter().find(|(_, it)| only || self.is_the_same(cx, &catalog, &it.value, &measure, &said));
        let title = text::code(&format!("{measure}{}", said.line()));
        let Some((name, Versioned { value, version })) = found else {
            return Err(Stop::refuse(format!("This channel does not watch {title}. `/metrics watch` begins it.")));
        };
        let undo = Some(format!("metrics watch {measure}{}", value.said.line()));
        let View { title, service, environment, .. } = self.view(cx, &catalog, &value, None).await;
        cx.act(Act { undo, ..act("metrics.unwatch", &name, &title, service, environment) }, async |permit| {
            permit.expect(WATCHES.key(&name), version);
            permit.delete(WATCHES.key(&name));
            Ok(())
        })
        .await?;
        Ok(Reply::say(format!("This channel is told of {} no more.", text::code(&title))))
    }

    /// Looks at all that is watched, and tells of what has changed.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub(super) async fn look_out(&self, cx: &Cx) -> Result<()> {
        let mut seen = self.seen.lock().await;
        let (catalog, now) = (self.catalog(cx.ports()).await?, Some(cx.now()));
        let watches = stream::iter(WATCHES.scan(cx.store(), "", usize::MAX).await?);
        let looked = watches.map(async |(name, found)| {
            let view = self.view(cx, &catalog, &found.value, now).await;
            (name, found, view)
        });
        let mut looked = pin!(looked.buffered(AT_ONCE));
        while let Some((name, found, view)) = looked.next().await {
            let was = &found.value;
            if view.limits.is_some() && was.limits.is_some() && view.limits != was.limits {
                seen.remove(&name);
                tell(cx, &name, view, found).await?;
            } else if view.level == was.level {
                seen.remove(&name);
            } else if seen.insert(name.clone(), view.level) == Some(view.level) {
                seen.remove(&name);
                tell(cx, &name, view, found).await?;
            }
        }
        Ok(())
    }
}

/// What a channel watches: each measure's name, and what else was said of it.
///
/// # Errors
/// When the store can not be read.
pub async fn of_channel(store: &dyn Read, place: &Place) -> anyhow::Result<Vec<(String, Said)>> {
    let watches = WATCHES.scan(store, &channel(place), MOST).await?;
    Ok(watches.into_iter().map(|(_, it)| (it.value.measure, it.value.said)).collect())
}

/// A sentence that ends.
fn ended(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

async fn tell(cx: &Cx, name: &str, view: View, Versioned { value, version }: Versioned<Watch>) -> Result<()> {
    let View { title, level, shown, limits, chart, service, environment } = view;
    let since = moment::show(value.since, cx.now(), cx.ports().vocabulary.zone);
    let before = format!("It was {} since {since}", value.level.word());
    let changed = value.limits.clone().filter(|was| limits.as_ref().is_some_and(|is| is != was));
    let told = match (&changed, &limits) {
        // Who moves a limit makes nothing well.
        (Some(was), Some(is)) => {
            let says = format!("{} {before}. Well was {was}, and is {is} now.", ended(&shown));
            Reply::card(Tone::Warn, format!("{title}: its limits were changed"), says)
        }
        _ => Reply::card(level.tone(), format!("{title}: {}", level.word()), format!("{} {before}.", ended(&shown))),
    };
    let told = chart.into_iter().fold(told, |told, line| told.button(Button::new("Chart", line)));
    let limits = limits.or(value.limits.clone());
    let watch = Watch { level, since: cx.now(), limits, ..value };
    let done = cx
        .act(act("metrics.change", name, &title, service, environment), async |permit| {
            permit.expect(WATCHES.key(name), version);
            WATCHES.put(permit, name, &watch)?;
            permit.note(format!("{}: {shown}", level.word()));
            permit.say(&watch.place, told)
        })
        .await;
    match done {
        // Somebody took it out at this moment.
        Err(Stop::Refused(_)) | Ok(()) => Ok(()),
        Err(broken) => Err(broken),
    }
}
