//! Figures over time, and what can be said of them.

use chrono::{DateTime, TimeDelta, Utc};
use std::ops::Range;

/// One figure. Not every figure is a number: it may be infinite, or none at all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// When.
    pub at: DateTime<Utc>,
    /// What.
    pub value: f64,
}

/// The figures of one thing, oldest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Series {
    /// What tells it from the others of the same measure: `instance="web1"`. Empty where there is only one. It comes from
    /// outside, and is not fit to be shown as it is.
    pub name: String,
    /// The figures.
    pub points: Vec<Point>,
}

/// What a row of figures comes to. Only finite figures count.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    /// The least.
    pub min: f64,
    /// When it was the least, for the first time.
    pub min_at: DateTime<Utc>,
    /// The mean of all.
    pub mean: f64,
    /// The greatest.
    pub max: f64,
    /// When it was the greatest, for the first time.
    pub max_at: DateTime<Utc>,
    /// The newest.
    pub last: f64,
    /// Of how many.
    pub count: usize,
}

impl Series {
    /// The finite figures.
    pub fn finite(&self) -> impl DoubleEndedIterator<Item = Point> + '_ {
        self.points.iter().copied().filter(|point| point.value.is_finite())
    }

    /// What they come to; nothing where there are none.
    pub fn summary(&self) -> Option<Summary> {
        let first = self.finite().next()?;
        let begin = Summary {
            min: first.value,
            min_at: first.at,
            mean: 0.0,
            max: first.value,
            max_at: first.at,
            last: first.value,
            count: 0,
        };
        let summary = self.finite().fold(begin, |so_far, Point { at, value }| {
            let (lower, higher) = (value < so_far.min, value > so_far.max);
            let count = so_far.count + 1;
            Summary {
                min: so_far.min.min(value),
                min_at: if lower { at } else { so_far.min_at },
                // Grown step by step: a sum of great figures could leave the numbers there are.
                mean: so_far.mean + (value - so_far.mean) / count as f64,
                max: so_far.max.max(value),
                max_at: if higher { at } else { so_far.max_at },
                last: value,
                count,
            }
        });
        Some(summary)
    }

    /// The figures within a span of time.
    pub fn within(&self, span: &Range<DateTime<Utc>>) -> Series {
        let points = self.points.iter().copied().filter(|point| span.contains(&point.at)).collect();
        Series { name: self.name.clone(), points }
    }

    /// The same figures at other times.
    pub fn moved(mut self, by: TimeDelta) -> Series {
        self.points.iter_mut().for_each(|point| point.at += by);
        self
    }

    /// The middle of the finite figures, and the middle distance from it (the median, and the median absolute deviation).
    pub fn middle(&self) -> Option<(f64, f64)> {
        let middle = median(self.finite().map(|point| point.value).collect())?;
        let spread = median(self.finite().map(|point| (point.value - middle).abs()).collect())?;
        Some((middle, spread))
    }

    /// The spans within `span` for which there is no finite figure, where one is expected every `step`.
    pub fn gaps(&self, span: &Range<DateTime<Utc>>, step: TimeDelta) -> Vec<Range<DateTime<Utc>>> {
        let mut gaps = Vec::new();
        let mut since = span.start;
        for at in self.finite().map(|point| point.at).chain([span.end]) {
            if is_gap(at - since, step) {
                gaps.push(since..at);
            }
            since = at;
        }
        gaps
    }
}

/// Whether so much time between two figures means that some are missing between them, where one is expected every `step`.
pub fn is_gap(between: TimeDelta, step: TimeDelta) -> bool {
    between > step * 2
}

/// The middle one; of an even number the mean of the two in the middle.
pub fn median(mut figures: Vec<f64>) -> Option<f64> {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    let upper = *figures.get(middle)?;
    Some(if figures.len() % 2 == 1 { upper } else { f64::midpoint(figures[middle - 1], upper) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(values: &[f64]) -> Series {
        let at = |minute: usize| DateTime::from_timestamp(60 * minute as i64, 0).unwrap();
        let points = values.iter().enumerate().map(|(minute, value)| Point { at: at(minute), value: *value });
        Series { name: String::new(), points: points.collect() }
    }

    #[test]
    fn what_is_no_number_does_not_count() {
        let summary = series(&[f64::NAN, 2.0, f64::INFINITY, 4.0, 3.0]).summary().unwrap();
        assert_eq!((summary.min, summary.mean, summary.max, summary.last, summary.count), (2.0, 3.0, 4.0, 3.0, 3));
        assert_eq!(summary.max_at.timestamp(), 180);
        assert_eq!(series(&[f64::NAN, f64::NEG_INFINITY]).summary(), None);
        assert_eq!(series(&[]).summary(), None);
        assert_eq!(series(&[f64::MAX, f64::MAX]).summary().unwrap().mean, f64::MAX);
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        for (figures, middle) in
            [(vec![], None), (vec![3.0], Some(3.0)), (vec![4.0, 1.0], Some(2.5)), (vec![9.0, 1.0, 2.0], Some(2.0))]
        {
            assert_eq!(median(figures), middle);
        }
    }

    #[test]
    fn a_gap_is_more_than_one_missing_figure() {
        let at = |minute: i64| DateTime::from_timestamp(60 * minute, 0).unwrap();
        let step = TimeDelta::minutes(1);
        let row = series(&[1.0, f64::NAN, 1.0, f64::NAN, f64::NAN, 1.0]);
        assert_eq!(row.gaps(&(at(0)..at(6)), step), [at(2)..at(5)]);
        assert_eq!(row.gaps(&(at(-5)..at(9)), step), [at(-5)..at(0), at(2)..at(5), at(5)..at(9)]);
        assert_eq!(series(&[]).gaps(&(at(0)..at(9)), step), [at(0)..at(9)]);
    }
}
