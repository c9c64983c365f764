//! The drawing itself, as SVG: a title, the figures over time, what happened meanwhile, and what the figures come to.

use super::columns::{self, Spot};
use super::theme::{self, Colours};
use super::{Chart, Limits, Line, Mark, SHARP, ticks};
use crate::metrics::series::Point;
use crate::metrics::unit::trimmed;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use commands::offer::Better;
use commands::text;
use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;

/// The width of a drawing: as wide as is read on a phone without turning it.
pub const WIDE: f64 = 540.0;
/// Where the plot begins below the title.
const TOP: f64 = 62.0;
/// How high the plot is.
const HIGH: f64 = 210.0;
/// The room right of it.
const RIGHT: f64 = 20.0;
/// A line of words below it.
const ROW: f64 = 19.0;
/// The most marks that have a number; the others are counted.
pub const MARKS: usize = 8;
/// About how wide a letter is.
const LETTER: f64 = 7.0;

/// The room that a plot has in a drawing, its axes included, and how many ticks they have at the most.
#[derive(Clone, Copy)]
pub struct Room {
    pub left: f64,
    pub right: f64,
    pub top: f64,
    pub bottom: f64,
    pub times: i64,
    pub figures: u32,
}

/// The room of a chart that has its drawing for itself.
const WHOLE: Room = Room { left: 0.0, right: WIDE - RIGHT, top: TOP, bottom: TOP + HIGH, times: 7, figures: 5 };

/// Where a chart's figures stand in its drawing.
pub struct Plot<'a> {
    chart: &'a Chart,
    colours: &'static Colours,
    room: Room,
    /// Where the axis of figures is.
    left: f64,
    /// The round figures of the axis, the lowest and the highest being its ends.
    ticks: Vec<f64>,
    /// What they are called.
    labels: Vec<String>,
}

/// The chart as SVG.
pub fn svg(chart: &Chart) -> String {
    let plot = Plot::new(chart, WHOLE);
    let marks = chart.marks.len().min(MARKS) + usize::from(chart.marks.len() > MARKS);
    let rows = chart.lines.len() + 1 + marks;
    let high = TOP + HIGH + 46.0 + ROW * rows as f64;
    let mut out = begun(high);
    // Writing into a text can not fail.
    let _ = plot.draw(&mut out, high);
    out + "</svg>\n"
}

/// The first line of a drawing as high as this.
pub fn begun(high: f64) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDE}\" height=\"{high}\" viewBox=\"0 0 {WIDE} {high}\" font-family=\"{}\" font-size=\"12\">\n",
        theme::FONT
    )
}

impl<'a> Plot<'a> {
    /// The plot of a chart in this room.
    pub fn new(chart: &'a Chart, room: Room) -> Plot<'a> {
        let (low, high) = reach(chart);
        let rung = chart.unit.rung(low.abs().max(high.abs()));
        let ticks: Vec<f64> = ticks::of_figures(low / rung.size, high / rung.size, room.figures);
        let digits = ticks::digits(&ticks);
        let labels: Vec<_> = ticks.iter().map(|tick| called(*tick, digits) + &rung.suffix).collect();
        let longest = labels.iter().map(|label| label.chars().count()).max().unwrap_or_default();
        let left = room.left + (longest as f64 * LETTER + 14.0).min(WIDE / 4.0);
        let ticks = ticks.into_iter().map(|tick| tick * rung.size).collect();
        Plot { chart, colours: chart.theme.colours(), room, left, ticks, labels }
    }

    fn draw(&self, out: &mut String, high: f64) -> std::fmt::Result {
        let Colours { ground, .. } = self.colours;
        writeln!(out, "<rect width=\"{WIDE}\" height=\"{high}\" fill=\"{ground}\"/>")?;
        self.head(out)?;
        self.figures(out)?;
        self.marks(out)?;
        self.table(out)?;
        self.legend(out)
    }

    /// The figures on their axes.
    pub fn figures(&self, out: &mut String) -> std::fmt::Result {
        self.bands(out)?;
        self.axes(out)?;
        for (number, line) in self.chart.lines.iter().enumerate().rev() {
            self.line(out, number, line)?;
        }
        self.limits(out)
    }

    fn x(&self, at: DateTime<Utc>) -> f64 {
        let span = &self.chart.span;
        let share = |of: chrono::TimeDelta| of.num_milliseconds() as f64;
        let whole = share(span.end - span.start).max(1.0);
        self.left + (share(at - span.start) / whole).clamp(0.0, 1.0) * (self.room.right - self.left)
    }

    fn y(&self, value: f64) -> f64 {
        let (low, high) = ends(&self.ticks);
        // Halved, since the distance of the least and the greatest number there is would be none.
        let share = (value / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
        self.room.top + (1.0 - share.clamp(0.0, 1.0)) * (self.room.bottom - self.room.top)
    }

    /// Whether there is nothing to draw, so that the axis is any.
    fn is_empty(&self) -> bool {
        self.chart.lines.iter().all(|line| line.series.summary().is_none())
    }

    fn head(&self, out: &mut String) -> std::fmt::Result {
        let Chart { title, span, zone, .. } = self.chart;
        head(out, self.colours, title, span, *zone)
    }

    /// The limits, each with where its band ends, and its colour.
    fn all_limits(&self) -> impl Iterator<Item = (f64, f64, &'static str)> {
        let Limits { better, warn, bad } = self.chart.limits;
        let edge = if better == Better::Lower { f64::MAX } else { f64::MIN };
        let limits = [(warn, bad.unwrap_or(edge), self.colours.warn), (bad, edge, self.colours.bad)];
        limits.into_iter().filter_map(|(limit, until, colour)| Some((limit?, until, colour)))
    }

    /// From where on it is not well, behind everything.
    fn bands(&self, out: &mut String) -> std::fmt::Result {
        let (left, wide) = (self.left, self.room.right - self.left);
        let limits = self.all_limits().filter(|_| !self.is_empty());
        for (limit, until, colour) in limits {
            let (one, other) = (self.y(limit), self.y(until));
            let (top, tall) = (one.min(other), (one - other).abs());
            if tall == 0.0 {
                continue;
            }
            writeln!(
                out,
                "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\" fill=\"{colour}\" opacity=\"0.1\"/>"
            )?;
        }
        Ok(())
    }

    /// Where that begins, before everything.
    fn limits(&self, out: &mut String) -> std::fmt::Result {
        let (left, ground) = (self.left, self.colours.ground);
        let (low, high) = ends(&self.ticks);
        for (limit, _, colour) in self.all_limits().filter(|(limit, ..)| (low..=high).contains(limit)) {
            let y = self.y(limit);
            // Beyond the limit, where the band is; within the plot all the same.
            let is_above = match self.chart.limits.better {
                Better::Lower => y - 12.0 >= self.room.top,
                Better::Higher => y + 12.0 > self.room.bottom,
            };
            let words_at = y + if is_above { -3.0 } else { 11.0 };
            writeln!(
                out,
                "<path d=\"M{left:.1} {y:.1}H{}\" stroke=\"{colour}\" stroke-width=\"0.8\"/><text x=\"{:.1}\" y=\"{words_at:.1}\" font-size=\"10\" fill=\"{colour}\" stroke=\"{ground}\" stroke-width=\"2.5\" paint-order=\"stroke\">{}</text>",
                self.room.right,
                left + 4.0,
                words(&self.chart.unit.show(limit), 20),
            )?;
        }
        Ok(())
    }

    fn axes(&self, out: &mut String) -> std::fmt::Result {
        let Colours { muted, grid, .. } = self.colours;
        let (left, Room { right, top, bottom, times, .. }) = (self.left, self.room);
        for (tick, label) in self.ticks.iter().zip(&self.labels) {
            let y = self.y(*tick);
            writeln!(
                out,
                "<path d=\"M{left:.1} {y:.1}H{right}\" stroke=\"{grid}\"/><text x=\"{:.1}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"end\" fill=\"{muted}\">{}</text>",
                left - 6.0,
                y + 4.0,
                words(label, 24)
            )?;
        }
        if self.is_empty() {
            let (x, y) = (f64::midpoint(left, right), f64::midpoint(top, bottom));
            writeln!(out, "<text x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\" fill=\"{muted}\">no figures</text>")?;
        }
        for tick in ticks::of_time(&self.chart.span, self.chart.zone, times) {
            let x = self.x(tick.at);
            writeln!(
                out,
                "<path d=\"M{x:.1} {bottom}v4\" stroke=\"{muted}\"/><text x=\"{x:.1}\" y=\"{}\" font-size=\"11\" text-anchor=\"middle\" fill=\"{muted}\">{}</text>",
                bottom + 17.0,
                words(&tick.label, 12)
            )?;
        }
        Ok(())
    }

    /// What happened, as numbers above lines. Numbers that would cover each other stand one above the other.
    fn marks(&self, out: &mut String) -> std::fmt::Result {
        let (muted, bottom) = (self.colours.muted, TOP + HIGH);
        let places: Vec<_> = self.chart.marks.iter().take(MARKS).map(|mark| self.x(mark.at)).collect();
        for x in &places {
            writeln!(out, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"{muted}\" stroke-dasharray=\"1 3\"/>")?;
        }
        let mut rows: Vec<f64> = Vec::new();
        for (number, x) in places.into_iter().enumerate() {
            let row = rows.iter().position(|last| x - last >= 17.0).unwrap_or(rows.len());
            if row < rows.len() {
                rows[row] = x
            } else {
                rows.push(x)
            }
            self.badge(out, number, x, TOP + 9.0 + 17.0 * row as f64)?;
        }
        Ok(())
    }

    /// The number of something that happened.
    fn badge(&self, out: &mut String, number: usize, x: f64, y: f64) -> std::fmt::Result {
        let Colours { ground, ink, .. } = self.colours;
        writeln!(
            out,
            "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"7.5\" fill=\"{ink}\"/><text x=\"{x:.1}\" y=\"{:.1}\" font-size=\"10\" text-anchor=\"middle\" fill=\"{ground}\">{}</text>",
            y + 3.5,
            number + 1
        )
    }

    fn line(&self, out: &mut String, number: usize, line: &Line) -> std::fmt::Result {
        let (colour, dash) = self.look(number, line);
        let place = |point: Point| (self.x(point.at), self.y(point.value));
        let runs = columns::lines(&line.series.points, self.chart.step, 1.0 / f64::from(SHARP), place);
        let wide = if line.faint { 1.2 } else { 1.8 };
        let (dots, runs): (Vec<_>, Vec<_>) = runs.into_iter().partition(|run| run.len() == 1);
        for (x, y) in dots.into_iter().flatten() {
            writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{wide}\" fill=\"{colour}\"/>")?;
        }
        if runs.is_empty() {
            return Ok(());
        }
        let path: String = runs.iter().map(|run| path(run)).collect();
        writeln!(
            out,
            "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{wide}\" stroke-linejoin=\"round\"{}/>",
            dashed(dash)
        )
    }

    fn look(&self, number: usize, line: &Line) -> (&'static str, &'static str) {
        if line.faint { (self.colours.muted, theme::FAINT) } else { self.colours.line(number) }
    }

    /// What each line comes to.
    fn table(&self, out: &mut String) -> std::fmt::Result {
        let Colours { ink, muted, .. } = self.colours;
        let columns = [("min", 300.0), ("avg", 375.0), ("max", 450.0), ("last", WIDE - RIGHT)];
        let mut y = TOP + HIGH + 40.0;
        for (name, x) in columns {
            writeln!(
                out,
                "<text x=\"{x}\" y=\"{y}\" font-size=\"11\" text-anchor=\"end\" fill=\"{muted}\">{name}</text>"
            )?;
        }
        for (number, line) in self.chart.lines.iter().enumerate() {
            y += ROW;
            let (colour, dash) = self.look(number, line);
            let called = words(&line.series.name, 30);
            writeln!(
                out,
                "<path d=\"M14 {:.1}h26\" stroke=\"{colour}\" stroke-width=\"2\"{}/><text x=\"48\" y=\"{y}\" fill=\"{ink}\">{called}</text>",
                y - 4.0,
                dashed(dash)
            )?;
            let figures = match line.series.summary() {
                Some(it) => [it.min, it.mean, it.max, it.last].map(|figure| self.chart.unit.show(figure)),
                None => ["–", "–", "–", "–"].map(str::to_owned),
            };
            for ((_, x), figure) in columns.iter().zip(figures) {
                writeln!(
                    out,
                    "<text x=\"{x}\" y=\"{y}\" text-anchor=\"end\" fill=\"{ink}\">{}</text>",
                    words(&figure, 20)
                )?;
            }
        }
        Ok(())
    }

    /// What the numbers above the plot mean.
    fn legend(&self, out: &mut String) -> std::fmt::Result {
        let Colours { muted, .. } = self.colours;
        let Chart { marks, span, zone, .. } = self.chart;
        let days = span.start.with_timezone(zone).date_naive() != span.end.with_timezone(zone).date_naive();
        let mut y = TOP + HIGH + 46.0 + ROW * self.chart.lines.len() as f64;
        for (number, Mark { at, says }) in marks.iter().take(MARKS).enumerate() {
            y += ROW;
            let at = at.with_timezone(zone).format(if days { "%-d %b %H:%M" } else { "%H:%M" });
            self.badge(out, number, 21.5, y - 4.0)?;
            let says = words(&format!("{at}  {says}"), 72);
            writeln!(out, "<text x=\"36\" y=\"{y}\" fill=\"{muted}\">{says}</text>")?;
        }
        match marks.len().checked_sub(MARKS) {
            None | Some(0) => Ok(()),
            Some(more) => writeln!(out, "<text x=\"36\" y=\"{}\" fill=\"{muted}\">and {more} more</text>", y + ROW),
        }
    }
}

/// What is shown, and of which time.
pub fn head(
    out: &mut String,
    colours: &Colours,
    title: &str,
    span: &Range<DateTime<Utc>>,
    zone: Tz,
) -> std::fmt::Result {
    let Colours { ink, muted, .. } = colours;
    let (from, to) = (span.start.with_timezone(&zone), span.end.with_timezone(&zone));
    let last = if from.date_naive() == to.date_naive() { "%H:%M %Z" } else { "%a %-d %b %Y, %H:%M %Z" };
    let span = format!("{} to {}", from.format("%a %-d %b %Y, %H:%M"), to.format(last));
    writeln!(out, "<text x=\"14\" y=\"24\" font-size=\"16\" fill=\"{ink}\">{}</text>", words(title, 60))?;
    writeln!(out, "<text x=\"14\" y=\"42\" fill=\"{muted}\">{}</text>", words(&span, 80))
}

/// From where to where the axis of figures has to reach: round nought where that is near, and to a limit that is.
fn reach(chart: &Chart) -> (f64, f64) {
    let summaries = chart.lines.iter().filter_map(|line| line.series.summary());
    let (low, high) =
        summaries.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), it| (low.min(it.min), high.max(it.max)));
    if low > high {
        return (0.0, 1.0);
    }
    // Where the least and the greatest number there is stand in one picture, something is lost: not the picture.
    let bounded = |figure: f64| figure.clamp(-f64::MAX / 4.0, f64::MAX / 4.0);
    let (mut low, mut high) = (bounded(low), bounded(high));
    let room = (high - low).max(high.abs().max(low.abs()) * 0.25);
    for limit in [chart.limits.warn, chart.limits.bad].into_iter().flatten() {
        if (low - room..=high + room).contains(&limit) {
            (low, high) = (low.min(limit), high.max(limit));
        }
    }
    if low > 0.0 && low < high * 0.6 {
        low = 0.0;
    } else if high < 0.0 && high > low * 0.6 {
        high = 0.0;
    }
    match high - low {
        0.0 if high == 0.0 => (0.0, 1.0),
        wide if wide < high.abs() * 1e-6 => (low - high.abs() * 0.1, high + high.abs() * 0.1),
        _ => (low, high),
    }
}

fn ends(ticks: &[f64]) -> (f64, f64) {
    (ticks.first().copied().unwrap_or(0.0), ticks.last().copied().unwrap_or(1.0))
}

/// A round figure of the axis.
fn called(tick: f64, digits: usize) -> String {
    match tick.abs() {
        size if size >= 1e6 => format!("{tick:.2e}"),
        _ => trimmed(&format!("{tick:.digits$}")),
    }
}

fn path(run: &[Spot]) -> String {
    let mut path = String::with_capacity(run.len() * 12);
    for (number, (x, y)) in run.iter().enumerate() {
        let _ = write!(path, "{}{x:.1} {y:.1}", if number == 0 { 'M' } else { 'L' });
    }
    path
}

pub fn dashed(dash: &str) -> String {
    if dash.is_empty() { String::new() } else { format!(" stroke-dasharray=\"{dash}\"") }
}

/// People's text, as it can stand in a drawing: on one line, no wider than `columns`, and with the letters that the font has.
pub fn words(said: &str, columns: usize) -> String {
    let plain = text::cut(&text::plain(said), columns);
    let letter = |letter: char| match letter {
        '&' => Cow::from("&amp;"),
        '<' => Cow::from("&lt;"),
        '>' => Cow::from("&gt;"),
        // The font has the Greek letter, and not the sign.
        'µ' => Cow::from("μ"),
        '\u{FFFD}'..='\u{FFFF}' => Cow::from("?"),
        other => Cow::from(other.to_string()),
    };
    plain.chars().map(letter).collect()
}
