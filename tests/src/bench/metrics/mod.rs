//! Metrics: a chart against the same picture by matplotlib, and a thousand digests that are due at one minute.

mod charts;
mod digests;

use super::Figure;
use anyhow::Result;
pub use charts::draw;
use std::path::Path;

/// Measures both, or `digests` alone, with the programs in `programs`, and tells each figure as soon as it is there; everything is
/// kept under `scratch`.
///
/// # Errors
/// When something can not be started, or is not drawn.
pub async fn run(
    programs: &Path,
    scratch: &Path,
    digests: bool,
    mut tell: impl FnMut(Figure) -> Result<()>,
) -> Result<()> {
    if !digests {
        for figure in charts::run(programs, scratch)? {
            tell(figure)?;
        }
    }
    digests::run(programs, scratch, &mut tell).await
}
