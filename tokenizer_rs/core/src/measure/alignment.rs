//! Laying one set of points on another by rotation and reflection about the origin.
//!
//! Two anchors of the first set, a point and one well beside it, are brought to each pair of points of the second
//! at the same distances from the origin and with the same angle between them; each such pair gives a rotation and
//! a reflection. A symmetric set has many such pairs, and each is right.

use crate::measure::bvh::Aabb;
use crate::measure::distance::{cross, dot, minus};
use crate::{MeshError, Result};

/// How far an anchor's distance may be off, in the unit of the points: a copy with other vertices has its origin,
/// the centroid, elsewhere.
const SLACK: f64 = 0.03;
const ANCHORS: usize = 8;
/// Pairs of points that are tried for each anchor.
const PAIRS: usize = 96;
/// Points of the first set that are looked for.
const PROBES: usize = 64;
/// Share of the probes that ends the search.
const ENOUGH: f64 = 0.95;

type Point = [f64; 3];
/// Rows; a point is multiplied from the left.
pub type Matrix = [[f64; 3]; 3];

/// The orthogonal matrix that brings most of some of the `points` to within `tolerance` of one of the `others`,
/// of those tried; none where there are no two anchors, or no pair of the others to bring them to.
///
/// Points are in units of their root mean square distance from the origin, the farthest first.
///
/// # Errors
/// `INVALID_INPUT` for coordinates that are not finite and a tolerance that is not positive.
pub fn best_alignment(
    points: &[Point],
    others: &[Point],
    tolerance: f64,
) -> Result<Option<Matrix>> {
    let is_finite = |set: &[Point]| set.as_flattened().iter().all(|x| x.is_finite());
    if !(is_finite(points) && is_finite(others)) {
        return Err(MeshError::InvalidInput(
            "a coordinate is not finite; leave such points out".into(),
        ));
    }
    if !(tolerance > 0.0 && tolerance.is_finite()) {
        return Err(MeshError::InvalidInput(format!(
            "tolerance = {tolerance}; give a length above 0"
        )));
    }
    if points.is_empty() || others.is_empty() {
        return Ok(None);
    }
    Ok(search(points, others, &Cells::new(others, tolerance)))
}

fn search(points: &[Point], others: &[Point], cells: &Cells<'_>) -> Option<Matrix> {
    let last = points.len() - 1;
    let probes: Vec<Point> = spread(last, PROBES.min(points.len()))
        .map(|i| points[i])
        .collect();
    let (mut best, mut most) = (None, 0);
    for anchor in spread(points.len() / 2, ANCHORS).map(|i| &points[i.min(last)]) {
        let Some(partner) = partner_of(anchor, points) else {
            continue;
        };
        for pose in poses(anchor, partner, others) {
            let found = count_near(&probes, &pose, cells, most);
            if found > most {
                (best, most) = (Some(pose), found);
            }
            if found as f64 >= ENOUGH * probes.len() as f64 {
                return best;
            }
        }
    }
    best
}

/// `count` indices spread evenly over `0..=last`, both ends included.
fn spread(last: usize, count: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |i| i * last / (count - 1).max(1))
}

/// The point that, with the anchor and the origin, spans the largest triangle; none where all are beside it.
fn partner_of<'a>(anchor: &Point, points: &'a [Point]) -> Option<&'a Point> {
    let beside = |point: &Point| {
        let across = cross(anchor, point);
        dot(&across, &across)
    };
    let partner = points
        .iter()
        .enumerate()
        .max_by(|(i, a), (j, b)| beside(a).total_cmp(&beside(b)).then(j.cmp(i)))?
        .1;
    (beside(partner) >= SLACK * SLACK).then_some(partner)
}

/// Matrices that bring anchor and partner to two of the points, the best fit first, each with its mirror image.
fn poses(anchor: &Point, partner: &Point, points: &[Point]) -> Vec<Matrix> {
    let at_distance_of = |vector: &Point| -> Vec<(&Point, f64)> {
        let wanted = dot(vector, vector).sqrt();
        points
            .iter()
            .map(|point| (point, (dot(point, point).sqrt() - wanted).abs()))
            .filter(|&(_, off)| off < SLACK)
            .collect()
    };
    let (firsts, seconds) = (at_distance_of(anchor), at_distance_of(partner));
    let wanted = dot(anchor, partner);
    let by_fit = |a: &(f64, usize, usize), b: &(f64, usize, usize)| {
        a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2)))
    };
    let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
    for (i, (first, off_first)) in firsts.iter().enumerate() {
        for (j, (second, off_second)) in seconds.iter().enumerate() {
            let off = (dot(first, second) - wanted).abs() + off_first + off_second;
            if off < 2.0 * SLACK {
                pairs.push((off, i, j));
            }
        }
        // All points of a sphere are at one distance: of the many pairs only the best are kept.
        if pairs.len() > PAIRS {
            pairs.select_nth_unstable_by(PAIRS - 1, by_fit);
            pairs.truncate(PAIRS);
        }
    }
    pairs.sort_unstable_by(by_fit);
    let Some(ours) = frame(anchor, partner) else {
        return Vec::new();
    };
    let mirrored = [ours[0], ours[1], ours[2].map(|x| -x)];
    pairs
        .iter()
        .filter_map(|&(_, i, j)| frame(firsts[i].0, seconds[j].0))
        .flat_map(|theirs| [between(&ours, &theirs), between(&mirrored, &theirs)])
        .collect()
}

/// Orthonormal rows: along the first vector, in its plane with the second, across it; none for parallel vectors.
fn frame(first: &Point, second: &Point) -> Option<Matrix> {
    let along = unit(first)?;
    let across = unit(&cross(first, second))?;
    Some([along, cross(&across, &along), across])
}

fn unit(vector: &Point) -> Option<Point> {
    let length = dot(vector, vector).sqrt();
    (length > 0.0 && length.is_finite()).then(|| vector.map(|x| x / length))
}

/// The matrix that takes the rows of one frame to those of the other.
fn between(from: &Matrix, to: &Matrix) -> Matrix {
    [0, 1, 2].map(|i| [0, 1, 2].map(|j| (0..3).map(|row| from[row][i] * to[row][j]).sum()))
}

fn moved(point: &Point, pose: &Matrix) -> Point {
    [0, 1, 2].map(|j| (0..3).map(|i| point[i] * pose[i][j]).sum())
}

/// Probes that come to lie on a point; given up, with a lower count, once they cannot be more than `at_least`.
fn count_near(probes: &[Point], pose: &Matrix, cells: &Cells<'_>, at_least: usize) -> usize {
    let mut found = 0;
    for (done, probe) in probes.iter().enumerate() {
        if found + (probes.len() - done) <= at_least {
            break;
        }
        found += usize::from(cells.is_near(&moved(probe, pose)));
    }
    found
}

/// Points by the cell of a regular grid that they lie in.
struct Cells<'a> {
    points: &'a [Point],
    tolerance: f64,
    low: Point,
    size: f64,
    /// Of each cell, where its points begin in `order`; one more at the end.
    starts: Vec<u32>,
    order: Vec<u32>,
}

impl<'a> Cells<'a> {
    /// Cells along an axis.
    const SIDE: usize = 48;

    fn new(points: &'a [Point], tolerance: f64) -> Self {
        let bounds = Aabb::around(points);
        let size = (bounds.longest() / Self::SIDE as f64).max(2.0 * tolerance);
        let mut cells = Self {
            points,
            tolerance,
            low: bounds.low,
            size,
            starts: vec![0; Self::SIDE.pow(3) + 1],
            order: (0..points.len() as u32).collect(),
        };
        let cell_of: Vec<usize> = points
            .iter()
            .map(|p| Self::index([0, 1, 2].map(|axis| cells.along(p[axis], axis))))
            .collect();
        for &cell in &cell_of {
            cells.starts[cell + 1] += 1;
        }
        for cell in 1..cells.starts.len() {
            cells.starts[cell] += cells.starts[cell - 1];
        }
        cells.order.sort_by_key(|&p| cell_of[p as usize]);
        cells
    }

    /// Cell along an axis, the nearest one for a coordinate outside.
    fn along(&self, coordinate: f64, axis: usize) -> usize {
        // `as` takes what is below to 0
        (((coordinate - self.low[axis]) / self.size) as usize).min(Self::SIDE - 1)
    }

    fn index([x, y, z]: [usize; 3]) -> usize {
        (x * Self::SIDE + y) * Self::SIDE + z
    }

    /// Whether one of the points is nearer than the tolerance.
    fn is_near(&self, place: &Point) -> bool {
        let [xs, ys, zs] = [0, 1, 2].map(|axis| {
            let reach = |by: f64| self.along(place[axis] + by, axis);
            reach(-self.tolerance)..=reach(self.tolerance)
        });
        xs.flat_map(|x| ys.clone().map(move |y| (x, y)))
            .any(|(x, y)| {
                // cells along z lie one behind the other
                let first = self.starts[Self::index([x, y, *zs.start()])] as usize;
                let end = self.starts[Self::index([x, y, *zs.end()]) + 1] as usize;
                self.order[first..end].iter().any(|&p| {
                    let apart = minus(&self.points[p as usize], place);
                    dot(&apart, &apart) < self.tolerance * self.tolerance
                })
            })
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;

    /// A helix that widens: no symmetry, and no two points at the same distance.
    fn helix(n: usize) -> Vec<Point> {
        let mut points: Vec<Point> = (0..n)
            .map(|i| {
                let turn = i as f64 * 0.37;
                let radius = 0.4 + i as f64 / n as f64;
                [radius * turn.cos(), radius * turn.sin(), 0.9 - turn / 9.0]
            })
            .collect();
        points.sort_by_key(|p| Reverse((dot(p, p) * 1e9) as u64));
        points
    }

    fn rotation(angle: f64) -> Matrix {
        let (sine, cosine) = angle.sin_cos();
        let about_z = [[cosine, sine, 0.0], [-sine, cosine, 0.0], [0.0, 0.0, 1.0]];
        let about_x = [[1.0, 0.0, 0.0], [0.0, 0.6, 0.8], [0.0, -0.8, 0.6]];
        between(&about_z, &about_x)
    }

    fn largest_difference(a: &Matrix, b: &Matrix) -> f64 {
        let pairs = a.as_flattened().iter().zip(b.as_flattened());
        pairs.map(|(x, y)| (x - y).abs()).fold(0.0, f64::max)
    }

    #[test]
    fn a_turned_and_a_mirrored_set_are_laid_on_the_first() {
        let points = helix(50);
        let mut turned = rotation(0.7);
        for _ in 0..2 {
            let others: Vec<Point> = points.iter().map(|p| moved(p, &turned)).collect();
            let found = best_alignment(&points, &others, 0.02).unwrap().unwrap();
            assert!(largest_difference(&found, &turned) < 1e-9);
            turned = turned.map(|row| [row[0], -row[1], row[2]]);
        }
    }

    #[test]
    fn of_two_poses_the_one_that_lays_more_points_wins() {
        let points = helix(40);
        let right = rotation(1.1);
        let mut others: Vec<Point> = points.iter().map(|p| moved(p, &right)).collect();
        // The farthest point and half of the others lie elsewhere; what is left still says how.
        for (i, other) in others.iter_mut().enumerate() {
            if i % 3 == 1 {
                *other = other.map(|x| 0.5 * x);
            }
        }
        let found = best_alignment(&points, &others, 0.02).unwrap().unwrap();
        assert!(largest_difference(&found, &right) < 1e-9);
    }

    #[test]
    fn near_is_what_a_look_at_every_point_finds() {
        let points = helix(200);
        for tolerance in [0.02, 0.2, 3.0] {
            let cells = Cells::new(&points, tolerance);
            let places = helix(311).into_iter().map(|p| p.map(|x| 1.3 * x - 0.1));
            for place in places.chain([[9.0; 3], [-9.0; 3], [-0.5, 0.1, 9.0]]) {
                let expected = points.iter().any(|p| {
                    let apart = minus(p, &place);
                    dot(&apart, &apart) < tolerance * tolerance
                });
                assert_eq!(cells.is_near(&place), expected, "{place:?} {tolerance}");
            }
        }
    }

    #[test]
    fn no_anchors_no_pose_and_faults_of_the_input() {
        let line = [[1.0, 0.0, 0.0], [-0.5, 0.0, 0.0]];
        let points = helix(9);
        for (first, second) in [
            (&line[..], &points[..]),
            (&points[..], &line[..]),
            (&[], &points[..]),
            (&points[..], &[]),
        ] {
            assert_eq!(best_alignment(first, second, 0.02).unwrap(), None);
        }
        for (first, tolerance) in [
            ([[f64::NAN; 3]], 0.1),
            ([[0.0; 3]], 0.0),
            ([[0.0; 3]], f64::NAN),
        ] {
            let error = best_alignment(&first, &points, tolerance).unwrap_err();
            assert_eq!(error.code(), "INVALID_INPUT");
        }
    }
}
