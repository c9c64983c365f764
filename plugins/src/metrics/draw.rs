//! `/metrics chart`: a picture of how something went, and the sentences below it.

use super::Metrics;
use super::asked::{Asked, Said};
use super::chart::{self, Chart, Line, Mark};
use super::events::{self, Event, Events};
use super::series::{Series, Summary};
use super::source::Answer;
use super::story;
use anyhow::Context;
use chrono::{DateTime, Days, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::cx::{Cx, Ports};
use commands::offer::Better;
use commands::offer::chart::Chart as Told;
use commands::reply::{Button, FileRef, Reply, Tone};
use commands::stop::{Result, Stop};
use commands::text;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use std::ops::Range;
use std::time::Duration;

/// How far back a chart goes where nobody says.
const USUAL: Duration = Duration::from_secs(6 * 3_600);

/// The shortest span that is drawn.
const SHORTEST: Duration = Duration::from_secs(60);

/// The longest: sources forget.
const LONGEST: Duration = Duration::from_secs(400 * 86_400);

/// The most figures that go with a picture for where there are none.
const FIGURES: usize = 120;

#[derive(Deserialize)]
struct ChartArgs {
    measure: String,
    last: Option<Duration>,
    vs: Option<String>,
    until: Option<DateTime<Utc>>,
    #[serde(flatten)]
    said: Said,
}

/// What a picture is made of.
pub struct Drawing<'a> {
    pub asked: &'a Asked,
    pub span: Range<DateTime<Utc>>,
    /// How it went.
    pub answer: Answer,
    /// How it went at another time, moved into this one, and what that time is called.
    pub earlier: Option<(&'static str, Answer)>,
    /// What happened meanwhile.
    pub events: Events,
}

impl Metrics {
    pub(super) async fn chart(&self, cx: &Cx) -> Result<Reply> {
        let ChartArgs { measure, last, vs, until, said } = cx.args()?;
        let ports = cx.ports();
        let asked = self.asked(ports, &measure, &said).await?;
        if !asked.measure.source.remembers() {
            return Err(Stop::refuse(format!(
                "The source `{}` knows how things stand now, and not how they stood before. Say `/{}`.",
                asked.measure.source_name,
                asked.line("show")
            )));
        }
        let span = span(last, until, cx.now())?;
        let back = vs.as_deref().and_then(|vs| back(vs, &span, ports.vocabulary.zone));
        let before = back.map(|(word, by)| (word, by, span.start - by..span.end - by));
        let earlier = async {
            let Some((word, by, span)) = &before else { return Ok(None) };
            let answer = asked.over(ports, span).await?;
            let series = answer.series.into_iter().map(|series| series.moved(*by)).collect();
            Result::Ok(Some((*word, Answer { series, ..answer })))
        };
        let (answer, earlier) = futures::future::try_join(asked.over(ports, &span), earlier).await?;
        if answer.series.is_empty() {
            return Ok(empty(&asked));
        }
        let events =
            events::within(&*ports.store, &span, asked.service.as_deref(), asked.environment.as_deref()).await?;
        let drawing = Drawing { asked: &asked, span, answer, earlier, events };
        let reply = with(drawing.reply(ports), self.picture(ports, &drawing).await?);
        Ok(drawing.buttons(reply, vs.is_some(), until))
    }

    /// The picture, kept.
    ///
    /// # Errors
    /// When it can not be drawn or kept.
    pub(super) async fn picture(&self, ports: &Ports, drawing: &Drawing<'_>) -> anyhow::Result<FileRef> {
        let chart = drawing.chart(self.settings.theme, ports.vocabulary.zone);
        let name = drawing.file();
        self.keep_picture(ports, &name, move || chart::png(&chart)).await?;
        Ok(FileRef { title: drawing.asked.title(), name, series: drawing.figures() })
    }

    /// Draws a picture and keeps it under this name.
    ///
    /// # Errors
    /// When it can not be drawn or kept.
    pub(super) async fn keep_picture(
        &self,
        ports: &Ports,
        name: &str,
        draw: impl FnOnce() -> anyhow::Result<Vec<u8>> + Send + 'static,
    ) -> anyhow::Result<()> {
        let _turn = self.drawing.acquire().await?;
        let drawn = tokio::task::spawn_blocking(draw).await.context("nothing was drawn")??;
        ports.files.keep_picture(name, drawn.into()).await
    }

    /// What others are told of a measure, with its picture.
    ///
    /// # Errors
    /// When the ledger can not be read, or the picture not be kept.
    pub(super) async fn charted(&self, ports: &Ports, asked: &Asked, span: &Range<DateTime<Utc>>) -> Result<Told> {
        let title = asked.title();
        let told = |says: String| Ok(Told { title: title.clone(), says, picture: None });
        if !asked.measure.source.remembers() {
            return told(format!("The source `{}` does not know how things stood before.", asked.measure.source_name));
        }
        let answer = match asked.over(ports, span).await {
            Ok(answer) if answer.series.is_empty() => return told(empty(asked).text),
            Ok(answer) => answer,
            Err(stop) => return told(stop.to_string()),
        };
        let events =
            events::within(&*ports.store, span, asked.service.as_deref(), asked.environment.as_deref()).await?;
        let drawing = Drawing { asked, span: span.clone(), answer, earlier: None, events };
        let says = drawing.reply(ports).text;
        Ok(Told { title, says, picture: Some(self.picture(ports, &drawing).await?) })
    }
}

/// The same reply, with a picture.
pub fn with(mut reply: Reply, picture: FileRef) -> Reply {
    reply.files.push(picture);
    reply
}

/// The span that is asked for.
fn span(last: Option<Duration>, until: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Result<Range<DateTime<Utc>>> {
    let last = last.unwrap_or(USUAL);
    if !(SHORTEST..=LONGEST).contains(&last) {
        return Err(Stop::refuse(format!(
            "A chart of {} can not be drawn. Write `last` from `1m` to `400d`.",
            config::duration::show(last)
        )));
    }
    let until = until.unwrap_or(now).min(now);
    Ok(until - TimeDelta::from_std(last).context("a span of time is too long")?..until)
}

/// What a time to compare with is called, and how far back it is: yesterday is at the same time of the clocks.
fn back(word: &str, span: &Range<DateTime<Utc>>, zone: Tz) -> Option<(&'static str, TimeDelta)> {
    let days = |days| {
        let there = span.end.with_timezone(&zone).checked_sub_days(Days::new(days));
        there.map_or(TimeDelta::days(days as i64), |there| span.end - there.to_utc())
    };
    match word {
        "yesterday" => Some(("yesterday", days(1))),
        "last-week" => Some(("last week", days(7))),
        "before" => Some(("the same time before", span.end - span.start)),
        _ => None,
    }
}

/// What is said where a source answers, and has nothing.
pub fn empty(asked: &Asked) -> Reply {
    Reply::card(
        Tone::Warn,
        format!("{}: no figures", asked.title()),
        format!("The source `{}` {}", asked.measure.source_name, asked.measure.source.nothing(&asked.query)),
    )
}

impl Drawing<'_> {
    /// What a line is called: one alone is the measure.
    fn called(&self, series: &Series) -> String {
        let alone = series.name.is_empty() || self.answer.found == 1;
        if alone { self.asked.measure.called().to_owned() } else { series.name.clone() }
    }

    /// The line that matters most: the one that stands worst.
    fn worst(&self) -> Option<&Series> {
        let last = |series: &&Series| {
            series.summary().map_or(f64::NEG_INFINITY, |summary| match self.better() {
                Better::Lower => summary.last,
                Better::Higher => -summary.last,
            })
        };
        self.answer.series.iter().max_by(|one, other| last(one).total_cmp(&last(other)))
    }

    fn better(&self) -> Better {
        self.asked.measure.limits.better
    }

    /// What the same line came to at the other time.
    fn earlier_of(&self, series: &Series) -> Option<(&'static str, Option<Summary>)> {
        let (word, answer) = self.earlier.as_ref()?;
        Some((word, answer.series.iter().find(|it| it.name == series.name).and_then(Series::summary)))
    }

    /// The card, and what is said of the line that matters most.
    pub fn reply(&self, ports: &Ports) -> Reply {
        let Drawing { asked, span, answer, events, .. } = self;
        let Some(series) = self.worst() else { return empty(asked) };
        let (now, zone) = (ports.clock.now(), ports.vocabulary.zone);
        let told = story::Told {
            series,
            earlier: self.earlier_of(series),
            span,
            step: answer.step,
            unit: &asked.measure.unit,
            limits: asked.measure.limits,
            events: &events.all,
            now,
            zone,
        };
        let mut said = Vec::new();
        if answer.found > 1 {
            said.push(format!("{} says:", text::code(&self.called(series))));
        }
        said.extend(told.sentences());
        said.extend(cut(answer));
        said.extend(events.cut(now, zone));
        // What has stopped to be measured is not well.
        let tone = tone(asked, series.summary().filter(|_| told.is_current()).map(|summary| summary.last));
        let mut reply = Reply::card(tone, asked.title(), said.join(" "));
        if answer.series.len() > 1 {
            let unit = &asked.measure.unit;
            let row = |series: &Series| {
                let figures = series.summary().map(|it| [it.min, it.mean, it.max, it.last].map(|it| unit.show(it)));
                let [min, mean, max, last] = figures.unwrap_or_else(|| ["–", "–", "–", "–"].map(str::to_owned));
                [text::plain(&self.called(series)), min, mean, max, last]
            };
            reply = reply.table(["Of", "Min", "Avg", "Max", "Last"], answer.series.iter().map(row).collect());
        }
        reply
    }

    fn chart(&self, theme: chart::Theme, zone: Tz) -> Chart {
        let Drawing { asked, span, answer, earlier, events } = self;
        let line = |series: &Series, faint: Option<&str>| {
            let name = self.called(series);
            let name = faint.map_or(name.clone(), |word| format!("{name}, {word}"));
            Line { series: Series { name, points: series.points.clone() }, faint: faint.is_some() }
        };
        let mut lines: Vec<_> = answer.series.iter().map(|series| line(series, None)).collect();
        // Of several lines the other time would only be a tangle: the sentence and the figures say it.
        if let (Some((word, earlier)), [_]) = (earlier, answer.series.as_slice()) {
            lines.extend(earlier.series.first().map(|series| line(series, Some(word))));
        }
        let mark = |event: &Event| Mark { at: event.ended, says: format!("#{} {}", event.act, event.what) };
        Chart {
            title: asked.title(),
            span: span.clone(),
            zone,
            lines,
            step: answer.step,
            unit: asked.measure.unit.clone(),
            limits: asked.measure.limits,
            marks: events.all.iter().map(mark).collect(),
            theme,
        }
    }

    /// The name of the picture: the same for the same question, and for no other.
    fn file(&self) -> String {
        let against = self.earlier.as_ref().map_or("", |(word, _)| word);
        let asked = format!("{} {} {:?} {against}", self.asked.query.text, self.asked.title(), self.span);
        let digest = format!("{:x}", Sha256::digest(asked));
        format!("{}-{}-{}.png", self.asked.measure.name, self.span.end.format("%Y%m%d-%H%M%S"), &digest[..8])
    }

    /// The figures that matter most, the worst of each part of the span.
    fn figures(&self) -> Vec<f64> {
        let values: Vec<f64> = self.worst().into_iter().flat_map(Series::finite).map(|point| point.value).collect();
        let worst = |part: &[f64]| match self.better() {
            Better::Lower => part.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            Better::Higher => part.iter().copied().fold(f64::INFINITY, f64::min),
        };
        values.chunks(values.len().div_ceil(FIGURES).max(1)).map(worst).collect()
    }

    fn buttons(&self, reply: Reply, compared: bool, until: Option<DateTime<Utc>>) -> Reply {
        let long = (self.span.end - self.span.start).to_std().unwrap_or(USUAL);
        let mut line = self.asked.line("chart");
        line.extend(until.map(|until| format!(" until:{}", until.to_rfc3339_opts(SecondsFormat::Secs, true))));
        let mut reply = reply;
        if !compared {
            let days = long.as_secs().div_ceil(86_400);
            let (label, vs) = match days {
                ..=1 => ("Against yesterday", "yesterday"),
                2..=7 => ("Against last week", "last-week"),
                _ => ("Against the time before", "before"),
            };
            let line = format!("{line} last:{} vs:{vs}", config::duration::show(long));
            reply = reply.button(Button::new(label, line));
        }
        if long * 4 <= LONGEST {
            let wider = config::duration::show(long * 4);
            reply = reply.button(Button::new(format!("Last {wider}"), format!("{line} last:{wider}")));
        }
        if let Some(event) = self.events.all.last() {
            let label = format!("Before and after #{}", event.act);
            reply = reply.button(Button::new(label, format!("{} number:{}", self.asked.line("compare"), event.act)));
        }
        reply
    }
}

/// What is said where there are more lines than can be told apart.
pub fn cut(answer: &Answer) -> Option<String> {
    let shown = answer.series.len();
    (answer.found > shown).then(|| {
        format!(
            "There are {} series, and {shown} are shown, those that stand worst. The operator narrows the query, or sums over what does not matter.",
            answer.found
        )
    })
}

/// How well a figure is.
pub fn tone(asked: &Asked, value: Option<f64>) -> Tone {
    let limits = asked.measure.limits;
    match value {
        None => Tone::Warn,
        Some(value) if limits.reached(limits.bad, value) => Tone::Bad,
        Some(value) if limits.reached(limits.warn, value) => Tone::Warn,
        Some(_) if limits.warn.or(limits.bad).is_some() => Tone::Good,
        Some(_) => Tone::Plain,
    }
}
