//! Figures in order, in many rows, and the one in their middle: without looking at all of them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Serialize};
use std::sync::OnceLock;

/// How many figures are put in order to find the middle one; more are halved first.
const FEW: usize = 1_024;

/// How many figures are kept in one part of a row: what is looked into is unpacked whole.
const PACKED: usize = 256;

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

/// A part of a row, in order, which is unpacked only where somebody has to look into it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Packed {
    /// The least of its figures, the greatest, and how many there are.
    least: u32,
    most: u32,
    len: usize,
    /// Each as what it is more than the one before, seven bits a byte.
    packed: String,
    #[serde(skip)]
    figures: OnceLock<Vec<u32>>,
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
    /// How many there are.
    pub fn count(&self) -> usize {
        self.figures.len() + self.kept.iter().map(|part| part.len).sum::<usize>()
    }

    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = Part<'_>> {
        self.kept.iter().map(Part::Packed).chain([Part::Plain(&self.figures)])
    }
}

impl Packed {
    /// Figures in order, as they are kept.
    pub fn all(figures: &[u32]) -> Vec<Packed> {
        let part = |figures: &[u32]| {
            let (least, most) = (figures.first().copied()?, figures.last().copied()?);
            Some(Packed { least, most, len: figures.len(), packed: packed(figures), figures: OnceLock::new() })
        };
        figures.chunks(PACKED).filter_map(part).collect()
    }

    /// How many letters they are kept in.
    pub fn letters(&self) -> usize {
        self.packed.len()
    }

    fn figures(&self) -> &[u32] {
        self.figures.get_or_init(|| {
            let mut figures = unpacked(&self.packed).unwrap_or_default();
            // Of what can not be read it is known at least between what it lies.
            figures.resize(self.len, self.most);
            figures
        })
    }
}

impl<'a> Part<'a> {
    fn len(self) -> usize {
        match self {
            Part::Plain(figures) => figures.len(),
            Part::Packed(part) => part.len,
        }
    }

    fn most(self) -> Option<u32> {
        match self {
            Part::Plain(figures) => figures.last().copied(),
            Part::Packed(part) => Some(part.most),
        }
    }

    fn figures(self) -> &'a [u32] {
        match self {
            Part::Plain(figures) => figures,
            Part::Packed(part) => part.figures(),
        }
    }

    /// What of it is no more than this, and what is more.
    fn cut(self, half: u32) -> (Part<'a>, Part<'a>) {
        match self {
            Part::Packed(part) if part.most <= half => (self, Part::Plain(&[])),
            Part::Packed(part) if part.least > half => (Part::Plain(&[]), self),
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
    let n = rows.iter().map(|row| row.len()).sum::<usize>().checked_sub(less.len())?;
    let places = (n.checked_sub(1)? / 2, n / 2);
    let lower = figure_at(rows.clone(), less, places.0);
    let upper = if places.0 == places.1 { lower } else { figure_at(rows, less, places.1) };
    Some(Middle { value: f64::midpoint(lower.into(), upper.into()), n })
}

/// The figure before which there are so many. What is surely before or behind it is halved away, so that no row is looked at
/// whole; of the few that are left it is the one in its place.
fn figure_at(mut rows: Vec<Part<'_>>, mut less: &[u32], mut place: usize) -> u32 {
    let count = |rows: &[Part<'_>]| rows.iter().map(|row| row.len()).sum::<usize>();
    let (mut low, mut high) = (0, rows.iter().filter_map(|row| row.most()).max().unwrap_or(0));
    while low < high && count(&rows) > FEW {
        let half = low + (high - low) / 2;
        let (before, behind): (Vec<_>, Vec<_>) = rows.iter().map(|row| row.cut(half)).unzip();
        let (less_before, less_behind) = less.split_at(less.partition_point(|figure| *figure <= half));
        let skipped = count(&before).saturating_sub(less_before.len());
        if place < skipped {
            (rows, less, high) = (before, less_before, half);
        } else {
            (rows, less, low, place) = (behind, less_behind, half + 1, place - skipped);
        }
        rows.retain(|row| row.len() > 0);
    }
    if low == high {
        return low;
    }
    let mut few: Vec<u32> = rows.iter().flat_map(|row| row.figures()).copied().collect();
    few.sort_unstable();
    let mut gone = less.iter().peekable();
    few.into_iter().filter(|figure| gone.next_if_eq(&figure).is_none()).nth(place).unwrap_or(high)
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
            let kept: Vec<_> = rows.iter().map(|row| Packed::all(row)).collect();
            let kept = kept.iter().flatten().map(Part::Packed).collect();
            assert_eq!(middle_of_sorted(kept, &less), expected, "as they are kept, {sides}");
            let rows = rows.iter().map(|row| Part::Plain(row)).collect();
            assert_eq!(middle_of_sorted(rows, &less), expected, "{sides}");
        }
        for less in [&[3][..], &[3, 3]] {
            assert_eq!(middle_of_sorted(vec![Part::Plain(&[]), Part::Plain(&[3])], less), None);
        }
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
        let parts = Packed::all(&many);
        assert!(parts.len() > 1 && parts.iter().flat_map(Packed::figures).eq(&many), "{parts:?}");
        let odd = Packed { packed: "!".to_owned(), figures: OnceLock::new(), ..parts[0].clone() };
        assert_eq!((odd.figures().len(), odd.figures()[0]), (odd.len, odd.most));
    }
}
