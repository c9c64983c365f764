//! `/metrics list` and `/metrics show`: what is measured, and how it stands now.

use super::Metrics;
use super::asked::{Asked, Said};
use super::catalog::NONE;
use super::draw::{cut, empty, tone};
use super::series::Series;
use super::settings::Measure;
use super::source::Answer;
use super::story;
use chrono::TimeDelta;
use commands::cx::Cx;
use commands::offer::Better;
use commands::reply::{Button, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use std::sync::Arc;

/// What stands where there is nothing to say.
pub const NOTHING: &str = "–";

#[derive(Deserialize)]
struct ListArgs {
    service: Option<String>,
}

#[derive(Deserialize)]
struct ShowArgs {
    measure: String,
    #[serde(flatten)]
    said: Said,
}

impl Metrics {
    pub(super) async fn list(&self, cx: &Cx) -> Result<Reply> {
        let ListArgs { service } = cx.args()?;
        let wanted = |it: &&Arc<Measure>| service.as_ref().is_none_or(|service| it.is_about(service));
        let catalog = self.catalog(cx.ports()).await?;
        let measures: Vec<_> = catalog.measures.iter().filter(wanted).collect();
        if measures.is_empty() {
            return Err(Stop::refuse(match service {
                Some(service) => {
                    format!("Nothing about {} is measured. `/metrics list` shows what is.", text::code(&service))
                }
                None => format!("Nothing is measured. {NONE} {}", catalog.lost()).trim_end().to_owned(),
            }));
        }
        let row = |it: &&Arc<Measure>| {
            [
                it.name.clone(),
                or_none(text::cut(&text::plain(&it.about), 60)),
                or_none(it.service.clone().unwrap_or_default()),
                well(it),
                or_none(text::cut(&text::plain(&it.owner), 30)),
                it.defined_by.as_ref().map_or_else(|| "config".to_owned(), |who| text::plain(who)),
            ]
        };
        let rows = measures.iter().map(row).collect();
        let amiss = [catalog.lost(), self.unmarked(cx.ports()).await];
        let amiss: Vec<_> = amiss.into_iter().filter(|it| !it.is_empty()).collect();
        Ok(Reply::card(Tone::Plain, text::plural(measures.len(), "measure"), amiss.join(" "))
            .table(["Measure", "About", "Service", "Well", "Owner", "From"], rows))
    }

    pub(super) async fn show(&self, cx: &Cx) -> Result<Reply> {
        let ShowArgs { measure, said } = cx.args()?;
        let ports = cx.ports();
        let asked = self.asked(ports, &measure, &said).await?;
        let now = cx.now();
        if !asked.measure.source.remembers() {
            return Ok(standing(&asked, &asked.at(ports, now).await?, []));
        }
        let (day, week) = (TimeDelta::days(1), TimeDelta::days(7));
        let (is, a_day, a_week) =
            futures::future::try_join3(asked.at(ports, now), asked.at(ports, now - day), asked.at(ports, now - week))
                .await?;
        let reply = standing(&asked, &is, [("a day ago", &a_day), ("a week ago", &a_week)]);
        Ok(reply.button(Button::new("Chart", asked.line("chart"))))
    }
}

/// How it stands, and how it stood.
fn standing<const N: usize>(asked: &Asked, is: &Answer, was: [(&str, &Answer); N]) -> Reply {
    if is.series.is_empty() {
        return empty(asked);
    }
    let unit = &asked.measure.unit;
    let last = |series: &Series| series.points.last().map(|point| point.value);
    let of = |answer: &Answer, name: &str| answer.series.iter().find(|it| it.name == name).and_then(last);
    let [series] = is.series.as_slice() else { return standings(asked, is) };
    let value = last(series);
    let mut reply = Reply::card(
        tone(asked, value.filter(|value| value.is_finite())),
        format!("{}: {}", asked.title(), value.map_or_else(|| "no figure".to_owned(), |value| unit.show(value))),
        text::plain(&asked.measure.about),
    );
    for (word, answer) in was {
        let said = match (of(answer, &series.name), value) {
            (Some(was), Some(is)) if was.is_finite() && is.is_finite() => {
                format!("{} ({} since)", unit.show(was), story::change(unit, was, is))
            }
            (Some(was), _) => unit.show(was),
            (None, _) => "no figure".to_owned(),
        };
        reply = reply.field(text::capital(word), said);
    }
    match well(&asked.measure) {
        well if well == NOTHING => reply,
        well => reply.field("Well", well),
    }
}

/// How each of several stands.
fn standings(asked: &Asked, is: &Answer) -> Reply {
    let worst = |one: f64, other: f64| match asked.measure.limits.better {
        Better::Lower => one.max(other),
        Better::Higher => one.min(other),
    };
    let values = is.series.iter().filter_map(|series| series.summary().map(|it| it.last));
    let unit = &asked.measure.unit;
    let row = |series: &Series| {
        let value = series.points.last().map_or_else(|| "no figure".to_owned(), |point| unit.show(point.value));
        [text::plain(&series.name), value]
    };
    let rows = is.series.iter().map(row).collect();
    let title = format!("{}: {}", asked.title(), text::plural(is.found, "figure"));
    Reply::card(tone(asked, values.reduce(worst)), title, cut(is).unwrap_or_default()).table(["Of", "Now"], rows)
}

/// From where on it is not well, in words.
pub fn well(measure: &Measure) -> String {
    let limits = measure.limits;
    let way = if limits.better == Better::Lower { "below" } else { "above" };
    let parts = [(limits.warn, ""), (limits.bad, "bad from ")];
    match parts.map(|(limit, word)| limit.map(|limit| format!("{word}{}", measure.unit.show(limit)))) {
        [None, None] => NOTHING.to_owned(),
        [Some(warn), None] => format!("{way} {warn}"),
        [Some(warn), Some(bad)] => format!("{way} {warn}, {bad} on"),
        [None, Some(_)] => format!("{way} {}", limits.bad.map_or_else(String::new, |bad| measure.unit.show(bad))),
    }
}

pub fn or_none(text: String) -> String {
    if text.is_empty() { NOTHING.to_owned() } else { text }
}
