//! Figures in order, in many rows, and the one in their middle: without looking at all of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// How many figures are put in order to find the middle one; more are halved first.
const FEW: usize = 1_024;

/// How many figures are kept in one part of a row: what is looked into is read whole.
const PACKED: usize = 512;

/// A middle, and of how many.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Middle {
    /// The median.
    pub value: f64,
    /// Of how many.
    pub n: usize,
}

/// Figures in order: as they come in, or as they were kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Those that came in.
    pub figures: Vec<u32>,
    /// Those that were kept, in as many parts.
    pub kept: Vec<Packed>,
}

/// Between what the figures of a part lie, and how many there are: the least, the greatest, the count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends(u32, u32, usize);

/// A part of a row, in order, whose figures are kept elsewhere, and read only where somebody has to look into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packed {
    ends: Ends,
    /// Its figures, once they are read.
    figures: Vec<u32>,
}

/// A part of a row.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// As it came in.
    Plain(&'a [u32]),
    /// As it was kept.
    Packed(&'a Packed),
}

impl Row {
    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.kept.iter().map(Part::Packed).chain([Part::Plain(&self.figures)])
    }
}

impl Ends {
    fn of(figures: &[u32]) -> Option<Ends> {
        Some(Ends(*figures.first()?, *figures.last()?, figures.len()))
    }
}

impl Packed {
    /// Figures in order, in parts: the ends of each, and what is kept of its figures.
    pub fn all(figures: &[u32]) -> (Vec<Ends>, Vec<String>) {
        figures.chunks(PACKED).filter_map(|part| Some((Ends::of(part)?, packed(part)))).unzip()
    }

    /// A part whose figures are not read.
    pub fn new(ends: Ends) -> Packed {
        Packed { ends, figures: Vec::new() }
    }

    /// Whether one of its figures may lie there.
    pub fn reaches(&self, span: &RangeInclusive<u32>) -> bool {
        let Ends(least, most, _) = self.ends;
        least <= *span.end() && *span.start() <= most
    }

    /// Reads its figures from what was kept of them; nothing where they are others.
    pub fn read(&mut self, kept: &str) -> Option<()> {
        self.figures = unpacked(kept)?;
        (Ends::of(&self.figures)? == self.ends).then_some(())
    }
}

impl<'a> Part<'a> {
    fn ends(self) -> Option<Ends> {
        match self {
            Part::Plain(figures) => Ends::of(figures),
            Part::Packed(part) => Some(part.ends),
        }
    }

    fn len(self) -> usize {
        match self {
            Part::Plain(figures) => figures.len(),
            Part::Packed(Packed { ends: Ends(.., len), .. }) => *len,
        }
    }

    fn figures(self) -> &'a [u32] {
        match self {
            Part::Plain(figures) => figures,
            Part::Packed(part) => &part.figures,
        }
    }

    /// What of it is no more than this, and what is more.
    fn cut(self, half: u32) -> (Part<'a>, Part<'a>) {
        match self {
            Part::Packed(Packed { ends: Ends(_, most, _), .. }) if *most <= half => (self, Part::Plain(&[])),
            Part::Packed(Packed { ends: Ends(least, ..), .. }) if *least > half => (Part::Plain(&[]), self),
            _ => {
                let figures = self.figures();
                let (before, behind) = figures.split_at(figures.partition_point(|figure| *figure <= half));
                (Part::Plain(before), Part::Plain(behind))
            }
        }
    }
}

/// The middle of many rows, each in order, without the figures of `less`, which are in them; nothing where there are too few.
pub fn middle_of_sorted(rows: Vec<Part<'_>>, less: &[u32]) -> Option<Middle> {
    let n = count(&rows).checked_sub(less.len())?;
    let (lower, upper) = figures_at(rows, less, n.checked_sub(1)? / 2, n / 2);
    Some(Middle { value: f64::midpoint(lower.into(), upper.into()), n })
}

/// Between what the middle of many rows lies, as far as their ends tell: no other part is looked into.
pub fn around_middle(rows: &[Part<'_>]) -> Option<RangeInclusive<u32>> {
    let n = count(rows);
    let (low, high) = around(rows, &[], n.checked_sub(1)? / 2, n / 2);
    Some(low..=high)
}

fn count(rows: &[Part<'_>]) -> usize {
    rows.iter().map(|row| row.len()).sum()
}

/// Between what the figures lie in these places, as far as the ends of the rows tell: no more figures can be up to somewhere than
/// are in rows that begin there, and no fewer than in those that end there.
fn around(rows: &[Part<'_>], less: &[u32], lower: usize, upper: usize) -> (u32, u32) {
    let reached = |end: fn(Ends) -> u32, place: usize| {
        let mut open: Vec<_> = rows.iter().filter_map(|row| row.ends()).map(|ends| (end(ends), ends.2)).collect();
        let (mut low, mut high) = (0, open.iter().map(|(end, _)| *end).max().unwrap_or(0));
        let mut before = 0;
        while low < high {
            let half = low + (high - low) / 2;
            let upto = before + open.iter().filter(|(end, _)| *end <= half).map(|(_, len)| len).sum::<usize>();
            if upto > place + less.partition_point(|figure| *figure <= half) {
                high = half;
                open.retain(|(end, _)| *end <= half);
            } else {
                (low, before) = (half + 1, upto);
                open.retain(|(end, _)| *end > half);
            }
        }
        low
    };
    (reached(|Ends(least, ..)| least, lower), reached(|Ends(_, most, _)| most, upper))
}

/// The figures before which there are so many, of two places beside each other. What is surely before or behind them is cut away, so
/// that no row is looked at whole; of the few that are left they are those in their places.
fn figures_at(mut rows: Vec<Part<'_>>, mut less: &[u32], mut lower: usize, mut upper: usize) -> (u32, u32) {
    let (mut low, mut high) = around(&rows, less, lower, upper);
    // These cuts leave what is in between, and what is likely to be near.
    let ends = [low.checked_sub(1), Some(high)];
    let mut cuts = ends.into_iter().chain(near(&rows, lower)).flatten();
    loop {
        let half = match cuts.next() {
            Some(end) => end,
            None if low < high && count(&rows) > FEW => low + (high - low) / 2,
            None => break,
        };
        let (before, behind): (Vec<_>, Vec<_>) = rows.iter().map(|row| row.cut(half)).unzip();
        let (less_before, less_behind) = less.split_at(less.partition_point(|figure| *figure <= half));
        let skipped = count(&before).saturating_sub(less_before.len());
        if upper < skipped {
            (rows, less, high) = (before, less_before, half.min(high));
        } else if lower >= skipped {
            (rows, less, low) = (behind, less_behind, half + 1);
            (lower, upper) = (lower - skipped, upper - skipped);
        } else {
            let (lower, _) = figures_at(before, less_before, lower, lower);
            let (upper, _) = figures_at(behind, less_behind, upper - skipped, upper - skipped);
            return (lower, upper);
        }
        rows.retain(|row| row.len() > 0);
    }
    if low == high {
        return (low, low);
    }
    let mut few: Vec<u32> = rows.iter().flat_map(|row| row.figures()).copied().collect();
    few.sort_unstable();
    let mut gone = less.iter().peekable();
    few.retain(|figure| gone.next_if_eq(&figure).is_none());
    let at = |place: usize| few.get(place).copied().unwrap_or(high);
    (at(lower), at(upper))
}

/// Between what the figure in a place is likely to lie, by where the longest row has its own: days are much alike.
fn near(rows: &[Part<'_>], place: usize) -> [Option<u32>; 2] {
    let plain = rows.iter().filter_map(|row| match row {
        Part::Plain(figures) => Some(*figures),
        Part::Packed(_) => None,
    });
    let longest = plain.max_by_key(|figures| figures.len()).unwrap_or_default();
    let (at, off) = (place * longest.len() / count(rows).max(1), longest.len().isqrt());
    [longest.get(at.saturating_sub(off)).copied(), longest.get(at + off).copied()]
}

/// Figures in order, in few letters.
fn packed(figures: &[u32]) -> String {
    let (mut bytes, mut before) = (Vec::with_capacity(figures.len() * 2), 0);
    for figure in figures {
        let mut more = figure - before;
        while more >= 0x80 {
            bytes.push((more & 0x7f) as u8 | 0x80);
            more >>= 7;
        }
        bytes.push(more as u8);
        before = *figure;
    }
    BASE64.encode(bytes)
}

fn unpacked(packed: &str) -> Option<Vec<u32>> {
    let bytes = BASE64.decode(packed).ok()?;
    let (mut figures, mut before, mut more, mut shift) = (Vec::with_capacity(bytes.len()), 0_u32, 0_u32, 0);
    for byte in bytes {
        more |= u32::from(byte & 0x7f).checked_shl(shift)?;
        shift += 7;
        if byte < 0x80 {
            before = before.checked_add(more)?;
            figures.push(before);
            (more, shift) = (0, 0);
        }
    }
    (shift == 0).then_some(figures)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_many_rows_is_that_of_one() {
        let mut seed = 7_u64;
        let mut dice = |sides: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % sides
        };
        for (sides, rows, long) in [(2_000_000, 90, 100), (5, 40, 100), (1, 3, 2_000), (1_000, 3, 2), (100, 1, 1)] {
            let rows: Vec<Vec<u32>> = (0..rows)
                .map(|_| {
                    let mut row: Vec<_> = (0..dice(long) + 1).map(|_| dice(sides) as u32).collect();
                    row.sort_unstable();
                    row
                })
                .collect();
            let mut all = rows.concat();
            let mut less: Vec<_> = all.iter().copied().filter(|_| dice(4) == 0).collect();
            less.sort_unstable();
            for figure in &less {
                let at = all.iter().position(|it| it == figure).unwrap();
                all.swap_remove(at);
            }
            let middle = crate::metrics::series::median(all.iter().map(|figure| f64::from(*figure)).collect());
            let expected = middle.map(|value| Middle { value, n: all.len() });
            assert_eq!(middle_of_sorted(rows_of(&rows), &less), expected, "{sides}");
            // Only what has to be looked into is read.
            let mut kept: Vec<_> = rows.iter().flat_map(|row| parts(row)).collect();
            let all: Vec<_> = kept.iter().map(|(part, _)| Part::Packed(part)).collect();
            let (around, whole) = (around_middle(&all).unwrap(), middle_of_sorted(rows_of(&rows), &[]));
            for (part, text) in kept.iter_mut().filter(|(part, _)| part.reaches(&around)) {
                part.read(text).unwrap();
            }
            let all = kept.iter().map(|(part, _)| Part::Packed(part)).collect();
            assert_eq!(middle_of_sorted(all, &[]), whole, "as they are kept, {sides}");
        }
        let apart = vec![Part::Plain(&[0; FEW]), Part::Plain(&[100; FEW])];
        assert_eq!(middle_of_sorted(apart, &[]), Some(Middle { value: 50.0, n: 2 * FEW }), "between two rows");
        for less in [&[3][..], &[3, 3]] {
            assert_eq!(middle_of_sorted(vec![Part::Plain(&[]), Part::Plain(&[3])], less), None);
        }
    }

    /// The parts of a row, and what is kept of them.
    fn parts(row: &[u32]) -> impl Iterator<Item = (Packed, String)> {
        let (parts, kept) = Packed::all(row);
        parts.into_iter().map(Packed::new).zip(kept)
    }

    fn rows_of(rows: &[Vec<u32>]) -> Vec<Part<'_>> {
        rows.iter().map(|row| Part::Plain(row)).collect()
    }

    #[test]
    fn figures_are_packed_and_unpacked() {
        for figures in [&[][..], &[0], &[0, 0, 127, 128, 16_384, 1_000_000, u32::MAX, u32::MAX]] {
            assert_eq!(unpacked(&packed(figures)).as_deref(), Some(figures));
        }
        for odd in ["!", "gA", "/////w8B", "//////////8"] {
            assert_eq!(unpacked(odd), None, "{odd}");
        }
        let many: Vec<_> = (0..1_000).collect();
        let parts: Vec<_> = parts(&many).collect();
        assert!(parts.len() > 1);
        for (part, text) in &parts {
            assert_eq!(part.clone().read(text), Some(()));
            assert_eq!(part.clone().read(&parts[0].1).is_some(), part == &parts[0].0, "those are others");
        }
    }
}
