//! How several measures went against the time before: a line of each, and one picture of them all.

use super::Metrics;
use super::asked::{Asked, Said};
use super::chart::{self, Chart, Line, MOST_CHARTS, Sheet};
use super::round::{self, TOLD};
use super::series::{Series, Summary};
use super::settings::SERVICE;
use super::source::Answer;
use super::story::change;
use super::watch;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::cx::Ports;
use commands::ledger::Place;
use commands::offer::chart::Overview;
use commands::reply::FileRef;
use commands::stop::Result;
use commands::text;
use futures::future::{join_all, try_join};
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::OnceCell;

/// The most measures that are told of: who reads more?
const MOST: usize = 20;

/// How long an overview is kept for others who ask for the same.
const KEPT: TimeDelta = TimeDelta::minutes(5);

/// What was found out lately, by the time and the measures: many channels tell of the same at the same minute.
pub type Overviews = HashMap<(Range<DateTime<Utc>>, String), Found>;

/// When it was asked for first, and what was found.
type Found = (DateTime<Utc>, Arc<OnceCell<Overview>>);

/// What a measure that could be asked for came to, and the time before.
struct Went {
    asked: Asked,
    is: Answer,
    was: Answer,
}

impl Metrics {
    /// How the measures went that a channel watches; all that are told without saying anything else, where it watches none.
    ///
    /// # Errors
    /// When the store can not be read, or the picture not be kept.
    pub(super) async fn overview_of(
        &self,
        ports: &Ports,
        place: &Place,
        span: Range<DateTime<Utc>>,
    ) -> anyhow::Result<Option<Overview>> {
        let told = self.told(ports, place).await?;
        if told.is_empty() {
            return Ok(None);
        }
        let titles: Vec<_> = told.iter().map(|(name, it)| it.as_ref().map_or(name.clone(), Asked::title)).collect();
        let titles = titles.join("\n");
        let found = {
            let mut lately = self.overviews.lock().await;
            let now = ports.clock.now();
            lately.retain(|_, (since, _)| now - *since < KEPT);
            let (_, found) = lately.entry((span.clone(), titles.clone())).or_insert_with(|| (now, Arc::default()));
            found.clone()
        };
        let overview = found.get_or_try_init(|| self.find_out(ports, told, &span, &titles)).await?;
        Ok(Some(overview.clone()))
    }

    /// The measures to tell of, each by its name as it is asked for.
    async fn told(&self, ports: &Ports, place: &Place) -> anyhow::Result<Vec<(String, Result<Asked>)>> {
        let catalog = self.catalog(ports).await?;
        let watched = watch::of_channel(&*ports.store, place).await?;
        if !watched.is_empty() {
            let asked = |(name, said): (String, Said)| {
                let asked = catalog.measure(&name).and_then(|it| Asked::of(it, &said, ports));
                (name, asked)
            };
            return Ok(watched.into_iter().map(asked).collect());
        }
        let told = catalog.measures.iter().filter(|it| it.source.remembers() && !it.mentions(SERVICE));
        Ok(told.map(|it| (it.name.clone(), Asked::of(it, &Said::default(), ports))).collect())
    }

    async fn find_out(
        &self,
        ports: &Ports,
        told: Vec<(String, Result<Asked>)>,
        span: &Range<DateTime<Utc>>,
        titles: &str,
    ) -> anyhow::Result<Overview> {
        let more = told.len().saturating_sub(MOST);
        let before = span.start - (span.end - span.start)..span.start;
        let went = told.into_iter().take(MOST).map(async |(name, asked)| {
            let name = text::code(&name);
            let asked = asked.map_err(|stop| format!("{name}: {stop}"))?;
            let source = &asked.measure.source_name;
            let both = try_join(asked.over(ports, span), asked.over(ports, &before));
            let met = match self.rounds.within(source, span.end, TOLD, both).await {
                Some(Ok((is, was))) => return Ok::<_, String>(Went { asked, is, was }),
                Some(Err(stop)) => stop.to_string(),
                None => round::over(source, TOLD),
            };
            Err(format!("{name}: no figures. {met}{}", self.silent_since(ports, source).await))
        });
        let went = join_all(went).await;
        let mut lines: Vec<_> = went.iter().map(|it| it.as_ref().map_or_else(Clone::clone, Went::line)).collect();
        if more > 0 {
            lines.push(format!("And {}: `/metrics list`.", text::plural(more, "measure")));
        }
        let drawn: Vec<_> = went.iter().flatten().filter(|it| it.has_figures()).collect();
        let picture = if drawn.is_empty() { None } else { Some(self.sheet(ports, &drawn, span, titles).await?) };
        Ok(Overview { lines, picture })
    }

    /// One picture of them all, kept.
    async fn sheet(
        &self,
        ports: &Ports,
        drawn: &[&Went],
        span: &Range<DateTime<Utc>>,
        titles: &str,
    ) -> anyhow::Result<FileRef> {
        let (zone, theme) = (ports.vocabulary.zone, self.settings.theme);
        let chart = |it: &&Went| (it.chart(span, zone, theme), it.comes_to());
        let title = "Measures, and the time before".to_owned();
        let sheet = Sheet {
            title: title.clone(),
            span: span.clone(),
            zone,
            charts: drawn.iter().take(MOST_CHARTS).map(chart).collect(),
            more: drawn.len().saturating_sub(MOST_CHARTS),
            theme,
        };
        let digest = format!("{:x}", Sha256::digest(format!("{titles} {span:?}")));
        let name = format!("measures-{}-{}.png", span.end.format("%Y%m%d-%H%M%S"), &digest[..8]);
        self.keep_picture(ports, &name, move || chart::sheet(&sheet)).await?;
        // The lines say what there is to say where there are no pictures.
        Ok(FileRef { title, name, series: Vec::new() })
    }
}

impl Went {
    /// What it came to, and what it came to before, where each is one series.
    fn summaries(&self) -> (Option<Summary>, Option<Summary>) {
        let one = |answer: &Answer| if let [series] = &*answer.series { series.summary() } else { None };
        (one(&self.is), one(&self.was))
    }

    fn has_figures(&self) -> bool {
        self.is.series.iter().any(|series| series.finite().next().is_some())
    }

    /// "`latency`: 152 ms on average, +4 % against the time before; 140 ms to 430 ms."
    fn line(&self) -> String {
        let (asked, unit) = (&self.asked, &self.asked.measure.unit);
        let name = text::code(&asked.title());
        match (self.is.series.len(), self.summaries()) {
            (_, (Some(is), was)) => {
                let against = was.map_or_else(
                    || "none to compare with".to_owned(),
                    |was| format!("{} against the time before", change(unit, was.mean, is.mean)),
                );
                let (mean, least, most) = (unit.show(is.mean), unit.show(is.min), unit.show(is.max));
                format!("{name}: {mean} on average, {against}; {least} to {most}.")
            }
            (2.., _) => format!("{name}: {} series; `/{}` shows them.", self.is.found, asked.line("chart")),
            _ => format!("{name}: no figures in this time."),
        }
    }

    /// The same in a word or two, for the picture: "152 ms, +4 %".
    fn comes_to(&self) -> String {
        let unit = &self.asked.measure.unit;
        match self.summaries() {
            (Some(is), Some(was)) => format!("{}, {}", unit.show(is.mean), change(unit, was.mean, is.mean)),
            (Some(is), None) => unit.show(is.mean),
            (None, _) => format!("{} series", self.is.found),
        }
    }

    fn chart(&self, span: &Range<DateTime<Utc>>, zone: Tz, theme: chart::Theme) -> Chart {
        let line = |series: &Series, faint| Line { series: series.clone(), faint };
        let mut lines: Vec<_> = self.is.series.iter().map(|series| line(series, false)).collect();
        // Of several lines the time before would only be a tangle.
        if let ([_], [was]) = (&*self.is.series, &*self.was.series) {
            lines.push(line(&was.clone().moved(span.end - span.start), true));
        }
        Chart {
            title: self.asked.title(),
            span: span.clone(),
            zone,
            lines,
            step: self.is.step,
            unit: self.asked.measure.unit.clone(),
            limits: self.asked.measure.limits,
            marks: Vec::new(),
            theme,
        }
    }
}
