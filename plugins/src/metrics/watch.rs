//! `/metrics watch`: a channel is told when a measure gets worse or well again, and of nothing else.

use super::Metrics;
use super::asked::{Asked, Said};
use super::chart::Limits;
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
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The job that looks.
pub const JOB: &str = "watches";

/// What is watched, by platform, channel and what it is.
const WATCHES: Table<Watch> = Table::new("metrics/watches/");

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

/// The name of a channel's watch of this.
fn name(place: &Place, asked: &Asked) -> String {
    format!("{}/{}/{}", place.platform, place.channel, asked.title())
}

fn act(verb: &'static str, name: &str, asked: &Asked) -> Act {
    Act {
        verb,
        object: asked.title(),
        service: asked.service.clone(),
        environment: asked.environment.clone(),
        state: Some(WATCHES.key(name)),
        ..Act::default()
    }
}

impl Metrics {
    /// How it stands now: its level, and the figure in words.
    async fn level(&self, cx: &Cx, asked: &Asked) -> (Level, String) {
        let measure = &asked.measure;
        let (figure, met) = match asked.at(cx.ports(), cx.now()).await {
            Ok(answer) => {
                let last = answer.series.iter().filter_map(Series::summary).map(|summary| summary.last);
                // Of several series the one that stands worst speaks for all.
                let worse = |one: f64, other: f64| if measure.limits.reached(Some(one), other) { other } else { one };
                (last.reduce(worse), None)
            }
            Err(stop) => (None, Some(stop.to_string())),
        };
        let shown = figure.map(|figure| measure.unit.show(figure));
        (Level::of(&measure.limits, figure), shown.or(met).unwrap_or_else(|| "no figure".to_owned()))
    }

    pub(super) async fn watch_it(&self, cx: &Cx) -> Result<Reply> {
        let WatchArgs { measure, said } = cx.args()?;
        let asked = self.asked(cx.ports(), &measure, &said).await?;
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
        let name = name(&place, &asked);
        let channel = format!("{}/{}/", place.platform, place.channel);
        let there = WATCHES.scan(cx.store(), &channel, MOST + 1).await?;
        if there.iter().any(|(other, _)| *other == name) {
            return Err(Stop::refuse(format!("This channel watches {} already.", text::code(&asked.title()))));
        }
        if there.len() >= MOST {
            return Err(Stop::refuse(format!(
                "This channel watches {MOST} measures, and more are not read. Take one out first: `/metrics unwatch`."
            )));
        }
        let (level, shown) = self.level(cx, &asked).await;
        let watch = Watch { measure, said, place, level, since: cx.now() };
        let undo = Some(asked.line("unwatch"));
        cx.act(Act { undo, ..act("metrics.watch", &name, &asked) }, async |permit| {
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

    pub(super) async fn unwatch(&self, cx: &Cx) -> Result<Reply> {
        let WatchArgs { measure, said } = cx.args()?;
        let asked = self.asked(cx.ports(), &measure, &said).await?;
        let name = name(&cx.call().place, &asked);
        let title = text::code(&asked.title());
        let Some(found) = WATCHES.get(cx.store(), &name).await? else {
            return Err(Stop::refuse(format!("This channel does not watch {title}. `/metrics watch` begins it.")));
        };
        let undo = Some(asked.line("watch"));
        cx.act(Act { undo, ..act("metrics.unwatch", &name, &asked) }, async |permit| {
            permit.expect(WATCHES.key(&name), found.version);
            permit.delete(WATCHES.key(&name));
            Ok(())
        })
        .await?;
        Ok(Reply::say(format!("This channel is told of {title} no more.")))
    }

    /// Looks at all that is watched, and tells of what has changed.
    ///
    /// # Errors
    /// When the store can not be read or written.
    pub(super) async fn look_out(&self, cx: &Cx) -> Result<()> {
        let mut seen = self.seen.lock().await;
        let catalog = self.catalog(cx.ports()).await?;
        for (name, found) in WATCHES.scan(cx.store(), "", usize::MAX).await? {
            let Watch { measure, said, .. } = &found.value;
            // What the config does not have any more is watched again once it is back.
            let Ok(asked) = catalog.measure(measure).and_then(|it| Asked::of(it, said, cx.ports())) else { continue };
            let (level, shown) = self.level(cx, &asked).await;
            if level == found.value.level {
                seen.remove(&name);
            } else if seen.insert(name.clone(), level) == Some(level) {
                seen.remove(&name);
                tell(cx, &name, &asked, found, (level, shown)).await?;
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
    let channel = format!("{}/{}/", place.platform, place.channel);
    let watches = WATCHES.scan(store, &channel, MOST).await?;
    Ok(watches.into_iter().map(|(_, it)| (it.value.measure, it.value.said)).collect())
}

/// A sentence that ends.
fn ended(text: &str) -> String {
    format!("{}.", text.trim_end_matches('.'))
}

async fn tell(
    cx: &Cx,
    name: &str,
    asked: &Asked,
    Versioned { value, version }: Versioned<Watch>,
    (level, shown): (Level, String),
) -> Result<()> {
    let since = moment::show(value.since, cx.now(), cx.ports().vocabulary.zone);
    let says = format!("{} It was {} since {since}.", ended(&shown), value.level.word());
    let told = Reply::card(level.tone(), format!("{}: {}", asked.title(), level.word()), says)
        .button(Button::new("Chart", asked.line("chart")));
    let watch = Watch { level, since: cx.now(), ..value };
    let done = cx
        .act(act("metrics.change", name, asked), async |permit| {
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
