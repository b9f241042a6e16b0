//! The nearest of a set of points.

use crate::measure::bvh::{Aabb, Bvh};
use crate::measure::distance::{dot, minus};
use crate::{MeshError, Result};

type Point = [f64; 3];

/// For each point which of the `others` is the nearest; none where none is nearer than `within`.
///
/// # Errors
/// `INVALID_INPUT` for coordinates that are not finite and a length that is not positive.
pub fn nearest_points(points: &[Point], others: &[Point], within: f64) -> Result<Vec<Option<u32>>> {
    check(points)?;
    check(others)?;
    if within.is_nan() || within <= 0.0 {
        return Err(MeshError::InvalidInput(format!(
            "within = {within}; give a length above 0"
        )));
    }
    let tree = tree_of(others);
    let nearest = |point: &Point| {
        let (mut best, mut found) = (within * within, None);
        tree.nearest(point, best, 0.0, |other| {
            let squared = squared_distance(point, &others[other as usize]);
            if squared < best {
                (best, found) = (squared, Some(other));
            }
            squared
        });
        found
    };
    Ok(points.iter().map(nearest).collect())
}

/// For each point the distance of the nearest of the others, infinite for a point alone.
///
/// # Errors
/// `INVALID_INPUT` for coordinates that are not finite.
pub fn point_spacing(points: &[Point]) -> Result<Vec<f64>> {
    check(points)?;
    let tree = tree_of(points);
    let spacing = |(i, point): (u32, &Point)| {
        let squared = tree.nearest(point, f64::INFINITY, 0.0, |other| {
            if other == i {
                return f64::INFINITY;
            }
            squared_distance(point, &points[other as usize])
        });
        squared.sqrt()
    };
    Ok((0..).zip(points).map(spacing).collect())
}

fn check(points: &[Point]) -> Result<()> {
    if points.as_flattened().iter().all(|x| x.is_finite()) {
        return Ok(());
    }
    Err(MeshError::InvalidInput(
        "a coordinate is not finite; leave such points out".into(),
    ))
}

fn tree_of(points: &[Point]) -> Bvh {
    let boxes: Vec<Aabb> = points.iter().map(|point| Aabb::around([point])).collect();
    Bvh::new(&boxes)
}

fn squared_distance(a: &Point, b: &Point) -> f64 {
    let apart = minus(a, b);
    dot(&apart, &apart)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scattered(n: u32) -> Vec<Point> {
        (0..n)
            .map(|i| [i * 7919 % 101, i * 104_729 % 97, i * 31 % 89].map(f64::from))
            .collect()
    }

    #[test]
    fn the_nearest_of_all_within_a_length() {
        let (points, others) = (scattered(40), scattered(300));
        let moved: Vec<Point> = points.iter().map(|p| p.map(|x| x * 0.9 + 0.3)).collect();
        for within in [3.0, 8.0, f64::INFINITY] {
            let found = nearest_points(&moved, &others, within).unwrap();
            for (point, found) in moved.iter().zip(&found) {
                let least = others
                    .iter()
                    .map(|other| squared_distance(point, other))
                    .fold(f64::INFINITY, f64::min);
                let of_found = found.map(|i| squared_distance(point, &others[i as usize]));
                assert_eq!(of_found, (least < within * within).then_some(least));
            }
            assert_eq!(found.iter().all(Option::is_some), within == f64::INFINITY);
        }
        assert_eq!(nearest_points(&points, &[], 1.0).unwrap(), vec![None; 40]);
    }

    #[test]
    fn a_point_on_the_border_is_not_within() {
        let found = nearest_points(&[[0.0; 3]], &[[2.0, 0.0, 0.0]], 2.0).unwrap();
        assert_eq!(found, [None]);
    }

    #[test]
    fn spacing_is_the_distance_to_another_point() {
        let points = [[0.0; 3], [3.0, 4.0, 0.0], [3.0, 4.0, 1.0], [3.0, 4.0, 1.0]];
        assert_eq!(point_spacing(&points).unwrap(), [5.0, 1.0, 0.0, 0.0]);
        assert_eq!(point_spacing(&points[..1]).unwrap(), [f64::INFINITY]);
        assert!(point_spacing(&[]).unwrap().is_empty());
    }

    #[test]
    fn faults_of_the_input() {
        let wrong = [[f64::NAN, 0.0, 0.0]];
        assert!(nearest_points(&wrong, &[], 1.0).is_err());
        assert!(nearest_points(&[], &wrong, 1.0).is_err());
        assert!(point_spacing(&wrong).is_err());
        for within in [0.0, -1.0, f64::NAN] {
            assert!(nearest_points(&[], &[], within).is_err());
        }
    }
}
