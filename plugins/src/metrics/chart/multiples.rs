//! Several charts in one picture, small and side by side: each on its own axis of figures, all over the same time.

use super::picture::{self, Plot, Room, WIDE, dashed, words};
use super::theme::{self, Colours};
use super::{Chart, Theme};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use std::fmt::Write;
use std::ops::Range;

/// The most charts of a sheet: more are not looked at.
pub const MOST: usize = 12;

/// Where the charts begin below the title.
const TOP: f64 = 56.0;
/// How high a chart is, its words included.
const HIGH: f64 = 136.0;
/// How much of that is above its plot, and below it.
const ABOVE: f64 = 24.0;
const BELOW: f64 = 28.0;
/// The room right of a chart.
const RIGHT: f64 = 14.0;

/// Several charts of the same time.
#[derive(Debug, Clone)]
pub struct Sheet {
    /// A few words.
    pub title: String,
    /// The span of time that all show.
    pub span: Range<DateTime<Utc>>,
    /// The zone of its clocks.
    pub zone: Tz,
    /// The charts, each with what it comes to, in a word or two: `152 ms, +4 %`.
    pub charts: Vec<(Chart, String)>,
    /// How many there are besides.
    pub more: usize,
    /// Its colours.
    pub theme: Theme,
}

/// The sheet as SVG.
pub fn svg(sheet: &Sheet) -> String {
    let columns = sheet.charts.len().clamp(1, 2);
    let high = TOP + HIGH * sheet.charts.len().div_ceil(columns) as f64 + 26.0;
    let mut out = picture::begun(high);
    // Writing into a text can not fail.
    let _ = draw(sheet, columns, high, &mut out);
    out + "</svg>\n"
}

fn draw(sheet: &Sheet, columns: usize, high: f64, out: &mut String) -> std::fmt::Result {
    let colours = sheet.theme.colours();
    let Colours { ground, ink, muted, .. } = colours;
    writeln!(out, "<rect width=\"{WIDE}\" height=\"{high}\" fill=\"{ground}\"/>")?;
    picture::head(out, colours, &sheet.title, &sheet.span, sheet.zone)?;
    let wide = (WIDE - RIGHT) / columns as f64;
    let letters = 76 / columns;
    for (number, (chart, comes_to)) in sheet.charts.iter().enumerate() {
        let (left, top) = ((number % columns) as f64 * wide, TOP + (number / columns) as f64 * HIGH);
        let right = left + wide - if columns > 1 { 4.0 } else { 0.0 };
        // What it comes to is cut last: a name is known by its beginning.
        let comes_to = words(comes_to, letters * 2 / 3);
        let name = words(&chart.title, letters.saturating_sub(comes_to.chars().count()));
        writeln!(out, "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{ink}\">{name}</text>", left + 14.0, top + 15.0)?;
        writeln!(
            out,
            "<text x=\"{right:.1}\" y=\"{:.1}\" font-size=\"11\" text-anchor=\"end\" fill=\"{muted}\">{comes_to}</text>",
            top + 15.0
        )?;
        let room = Room { left, right, top: top + ABOVE, bottom: top + HIGH - BELOW, times: 3, figures: 2 };
        Plot::new(chart, room).figures(out)?;
    }
    let y = high - 12.0;
    let more = if sheet.more > 0 { format!("{} more are not drawn", sheet.more) } else { String::new() };
    let was = |chart: &Chart| chart.lines.iter().any(|line| line.faint && line.series.finite().next().is_some());
    if !sheet.charts.iter().any(|(chart, _)| was(chart)) {
        return writeln!(out, "<text x=\"14\" y=\"{y}\" font-size=\"11\" fill=\"{muted}\">{more}</text>");
    }
    let more = if more.is_empty() { more } else { format!(" · {more}") };
    writeln!(
        out,
        "<path d=\"M14 {:.1}h26\" stroke=\"{muted}\" stroke-width=\"1.2\"{}/><text x=\"48\" y=\"{y}\" font-size=\"11\" fill=\"{muted}\">the time before{more}</text>",
        y - 4.0,
        dashed(theme::FAINT)
    )
}
