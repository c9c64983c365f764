//! From figures to the lines that are drawn: broken where figures are missing, and no denser than the picture, without
//! losing the least or the greatest figure of any column.

use crate::metrics::series::{Point, is_gap};
use chrono::TimeDelta;

/// Where a figure stands in the picture.
pub type Spot = (f64, f64);

/// The lines, each an unbroken row of spots. `column` is how wide the narrowest column is that can be told from the next.
pub fn lines(points: &[Point], step: TimeDelta, column: f64, place: impl Fn(Point) -> Spot) -> Vec<Vec<Spot>> {
    unbroken(points, step).into_iter().map(|run| thinned(run, column, &place)).collect()
}

/// The rows of figures in which none is missing.
fn unbroken(points: &[Point], step: TimeDelta) -> Vec<Vec<Point>> {
    let mut runs: Vec<Vec<Point>> = Vec::new();
    for point in points.iter().filter(|point| point.value.is_finite()) {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| !is_gap(point.at - last.at, step)) => run.push(*point),
            _ => runs.push(vec![*point]),
        }
    }
    runs
}

/// Of each column the first, the least, the greatest and the last figure, in the order of time.
fn thinned(run: Vec<Point>, column: f64, place: &impl Fn(Point) -> Spot) -> Vec<Spot> {
    let spots: Vec<Spot> = run.into_iter().map(place).collect();
    let in_column = |spot: &Spot| (spot.0 / column).floor() as i64;
    spots.chunk_by(|one, next| in_column(one) == in_column(next)).flat_map(of_column).collect()
}

fn of_column(spots: &[Spot]) -> Vec<Spot> {
    let by_height = |one: &(usize, &Spot), other: &(usize, &Spot)| one.1.1.total_cmp(&other.1.1);
    let least = spots.iter().enumerate().min_by(by_height).map(|(at, _)| at);
    let greatest = spots.iter().enumerate().max_by(by_height).map(|(at, _)| at);
    let mut kept: Vec<_> = [Some(0), least, greatest, spots.len().checked_sub(1)].into_iter().flatten().collect();
    kept.sort_unstable();
    kept.dedup();
    kept.into_iter().filter_map(|at| spots.get(at).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;

    fn point(second: i64, value: f64) -> Point {
        Point { at: DateTime::from_timestamp(second, 0).unwrap(), value }
    }

    #[test]
    fn a_spike_of_a_minute_survives_a_month() {
        let minutes = 30 * 24 * 60;
        let value = |minute: i64| {
            if minute == 31_415 {
                100.0
            } else if minute == 2_718 {
                -7.0
            } else {
                (minute % 3) as f64
            }
        };
        let points: Vec<_> = (0..minutes).map(|minute| point(60 * minute, value(minute))).collect();
        let place = |point: Point| (point.at.timestamp() as f64 / 60.0 / minutes as f64 * 500.0, point.value);
        let lines = lines(&points, TimeDelta::minutes(1), 0.5, place);
        assert_eq!(lines.len(), 1);
        assert!(lines[0].len() <= 4 * 1_001, "{}", lines[0].len());
        assert!(lines[0].windows(2).all(|pair| pair[0].0 <= pair[1].0), "time goes on");
        let heights: Vec<_> = lines[0].iter().map(|spot| spot.1).collect();
        assert!(heights.contains(&100.0) && heights.contains(&-7.0));
    }

    #[test]
    fn lines_break_where_figures_are_missing() {
        let points = [
            point(0, 1.0),
            point(60, 1.0),
            point(120, f64::NAN),
            point(180, f64::INFINITY),
            point(240, 2.0),
            point(600, 3.0),
            point(660, 3.0),
        ];
        let place = |point: Point| (point.at.timestamp() as f64, point.value);
        let lines = lines(&points, TimeDelta::minutes(1), 0.5, place);
        assert_eq!(lines, [vec![(0.0, 1.0), (60.0, 1.0)], vec![(240.0, 2.0)], vec![(600.0, 3.0), (660.0, 3.0)]]);
    }
}
