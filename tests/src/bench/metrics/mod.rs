//! Metrics: a chart against the same picture by matplotlib, and a thousand digests that are due at one minute.

mod charts;
mod digests;

use super::Figure;
use anyhow::Result;
pub use charts::draw;
use std::path::Path;

/// Measures charts with the programs in `programs`, and tells each figure; everything is kept under `scratch`.
///
/// # Errors
/// When something can not be started, or is not drawn.
pub fn charts(programs: &Path, scratch: &Path, tell: impl FnMut(Figure) -> Result<()>) -> Result<()> {
    charts::run(programs, scratch)?.into_iter().try_for_each(tell)
}

/// Measures digests with the programs in `programs`, and tells each figure as soon as it is there; everything is kept under
/// `scratch`.
///
/// # Errors
/// When something can not be started, or is not told.
pub async fn digests(programs: &Path, scratch: &Path, mut tell: impl FnMut(Figure) -> Result<()>) -> Result<()> {
    digests::run(programs, scratch, &mut tell).await
}
