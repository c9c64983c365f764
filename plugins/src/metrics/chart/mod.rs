//! A room of its own for pictures: figures in, a picture out. Nothing here knows where figures come from.

mod columns;
mod multiples;
mod picture;
mod theme;
mod ticks;

use crate::metrics::series::Series;
use crate::metrics::unit::Unit;
use anyhow::Context;
use chrono::{DateTime, TimeDelta, Utc};
use chrono_tz::Tz;
use commands::offer::Better;
use resvg::tiny_skia::{Pixmap, Transform};
use resvg::usvg::{Options, Tree, fontdb};
use std::ops::Range;
use std::sync::{Arc, LazyLock};

pub use multiples::{MOST as MOST_CHARTS, Sheet};
pub use picture::{MARKS, svg};
pub use theme::{MOST, Theme};

/// What is drawn.
#[derive(Debug, Clone)]
pub struct Chart {
    /// A few words.
    pub title: String,
    /// The span of time that it shows.
    pub span: Range<DateTime<Utc>>,
    /// The zone of its clocks.
    pub zone: Tz,
    /// The lines, the most important first.
    pub lines: Vec<Line>,
    /// How far apart two figures of a line usually are.
    pub step: TimeDelta,
    /// The unit of all lines.
    pub unit: Unit,
    /// From where on it is not well.
    pub limits: Limits,
    /// What happened meanwhile, oldest first.
    pub marks: Vec<Mark>,
    /// Its colours.
    pub theme: Theme,
}

/// A line of a chart.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its figures, and what it is called.
    pub series: Series,
    /// Whether it is only there to compare with: the day before.
    pub faint: bool,
}

/// From where on a measure is not well.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Which way is good.
    pub better: Better,
    /// From here on somebody should look.
    pub warn: Option<f64>,
    /// From here on it is bad.
    pub bad: Option<f64>,
}

impl Limits {
    /// Whether a figure has reached a limit.
    pub fn reached(&self, limit: Option<f64>, value: f64) -> bool {
        limit.is_some_and(|limit| match self.better {
            Better::Lower => value >= limit,
            Better::Higher => value <= limit,
        })
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub struct Mark {
    /// When.
    pub at: DateTime<Utc>,
    /// What, in a few words.
    pub says: String,
}

/// NanumSquare by NAVER, under the SIL Open Font License: it has all of Hangul, and pictures look the same on every machine.
static FONT: &[u8] = include_bytes!("font/NanumSquareR.ttf");

static FONTS: LazyLock<Arc<fontdb::Database>> = LazyLock::new(|| {
    let mut fonts = fontdb::Database::new();
    fonts.load_font_data(FONT.to_vec());
    Arc::new(fonts)
});

/// How many dots of the picture there are for one of the drawing: sharp on screens that have many.
const SHARP: f32 = 2.0;

/// The picture as PNG. It takes some milliseconds of the processor.
///
/// # Errors
/// When the drawing can not be read, which is a mistake of ours.
pub fn png(chart: &Chart) -> anyhow::Result<Vec<u8>> {
    dots(&svg(chart))
}

/// The picture of several charts, as PNG.
///
/// # Errors
/// As [`png`].
pub fn sheet(sheet: &Sheet) -> anyhow::Result<Vec<u8>> {
    dots(&multiples::svg(sheet))
}

/// The dots of a drawing.
fn dots(svg: &str) -> anyhow::Result<Vec<u8>> {
    let options = Options { fontdb: FONTS.clone(), font_family: theme::FONT.to_owned(), ..Options::default() };
    let tree = Tree::from_str(svg, &options).context("the drawing is no SVG")?;
    let size = tree.size().to_int_size().scale_by(SHARP).context("the picture has no size")?;
    let mut dots = Pixmap::new(size.width(), size.height()).context("the picture is too large")?;
    resvg::render(&tree, Transform::from_scale(SHARP, SHARP), &mut dots.as_mut());
    Ok(dots.encode_png()?)
}

#[cfg(test)]
mod tests;
