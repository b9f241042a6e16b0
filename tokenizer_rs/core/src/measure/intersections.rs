//! Faces that cross each other, decided exactly on a fine grid.

use crate::measure::bvh::{Aabb, Bvh};
use crate::{Result, TriangleMesh};

/// Steps of the grid along the longest side of the bounding box: with so few, 64 bits hold every determinant.
const STEPS: f64 = (1 << 19) as f64;

type Point = [i64; 3];
type Triangle = [Point; 3];

/// Which faces (F,) cross another one; nothing where more than `max_pairs` pairs of faces have boxes that
/// overlap by more than their borders: only such pairs can cross.
///
/// Two faces cross where they have a segment of some length in common that lies inside one of them and runs
/// through the other: each has corners on both sides of the other's plane. Contacts do not count: a common
/// corner or edge, faces that touch, faces in one plane that overlap. Positions are rounded to 2^19 steps
/// along the longest side first; on that grid the answer is exact (predicates of Guigue and Devillers, "Fast
/// and Robust Triangle-Triangle Overlap Test Using Orientation Predicates", 2003).
pub fn crossing_faces(mesh: &TriangleMesh, max_pairs: usize) -> Result<Option<Vec<bool>>> {
    mesh.check()?;
    let mut crosses = vec![false; mesh.faces.len()];
    let corners = || mesh.faces.as_flattened().iter();
    let bounds = Aabb::around(corners().map(|&v| &mesh.vertices[v as usize]));
    // Halves first, so that no difference of two numbers overflows.
    let half = |axis: usize| bounds.high[axis] / 2.0 - bounds.low[axis] / 2.0;
    let longest = (0..3).map(half).fold(0.0, f64::max);
    if longest <= 0.0 {
        return Ok(Some(crosses));
    }
    let step = |x: f64, axis: usize| {
        let share = (x / 2.0 - bounds.low[axis] / 2.0) / longest;
        (share.clamp(0.0, 1.0) * STEPS).round() as i64
    };
    let on_grid: Vec<Point> = mesh
        .vertices
        .iter()
        .map(|p| [0, 1, 2].map(|axis| step(p[axis], axis)))
        .collect();
    let triangles: Vec<Triangle> = mesh
        .faces
        .iter()
        .map(|face| face.map(|v| on_grid[v as usize]))
        .collect();
    let boxes: Vec<Aabb> = triangles
        .iter()
        .map(|triangle| Aabb::around(&triangle.map(|p| p.map(|x| x as f64))))
        .collect();
    let planes: Vec<Plane> = triangles.iter().map(Plane::of).collect();
    let mut n_pairs = 0;
    Bvh::new(&boxes).overlapping_pairs(&boxes, |f, g| {
        let (f, g) = (f as usize, g as usize);
        n_pairs += 1;
        let (p, q) = ((&triangles[f], &planes[f]), (&triangles[g], &planes[g]));
        if !(crosses[f] && crosses[g]) && do_cross(p, q) {
            crosses[f] = true;
            crosses[g] = true;
        }
        n_pairs <= max_pairs
    });
    Ok((n_pairs <= max_pairs).then_some(crosses))
}

/// The plane of a triangle: where the product with the normal is the offset.
#[derive(Debug, Clone, Copy)]
struct Plane {
    normal: Point,
    offset: i64,
}

impl Plane {
    fn of([a, b, c]: &Triangle) -> Self {
        let from = |p: &Point| [0, 1, 2].map(|axis| p[axis] - a[axis]);
        let normal = vector(&from(b), &from(c));
        Self {
            normal,
            offset: product(&normal, a),
        }
    }

    /// 1 above the plane, where its corners run counterclockwise, -1 below it, 0 on it.
    fn side(&self, p: &Point) -> i64 {
        (product(&self.normal, p) - self.offset).signum()
    }
}

fn product(a: &Point, b: &Point) -> i64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// The vector product.
fn vector(a: &Point, b: &Point) -> Point {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

/// Whether each triangle has corners on both sides of the other's plane and their sections overlap.
fn do_cross((p, plane_of_p): (&Triangle, &Plane), (q, plane_of_q): (&Triangle, &Plane)) -> bool {
    let Some((p, p_is_above)) = alone_first(p, plane_of_q) else {
        return false;
    };
    let Some((q, q_is_above)) = alone_first(q, plane_of_p) else {
        return false;
    };
    // Turned so that the first corner of each is above the other's plane.
    let turned = |t: Triangle, is_other_above: bool| match is_other_above {
        true => t,
        false => [t[0], t[2], t[1]],
    };
    let (p, q) = (turned(p, q_is_above), turned(q, p_is_above));
    let side = |a: Point, b: Point, c: Point, d: &Point| Plane::of(&[a, b, c]).side(d);
    side(p[0], p[1], q[0], &q[1]) < 0 && side(p[0], p[2], q[2], &q[0]) < 0
}

/// The triangle rotated so that its first corner is alone on its side of the plane, and whether that is the
/// upper side; nothing where not both sides have a corner.
fn alone_first(t: &Triangle, plane: &Plane) -> Option<(Triangle, bool)> {
    let sides = t.map(|p| plane.side(&p));
    let alone = (0..3).find(|&i| {
        let (next, last) = (sides[(i + 1) % 3], sides[(i + 2) % 3]);
        sides[i] != 0 && next != sides[i] && last != sides[i] && (next != 0 || last != 0)
    })?;
    let rotated = [t[alone], t[(alone + 1) % 3], t[(alone + 2) % 3]];
    Some((rotated, sides[alone] > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn do_triangles_cross(p: &Triangle, q: &Triangle) -> bool {
        do_cross((p, &Plane::of(p)), (q, &Plane::of(q)))
    }

    /// Positive where `d` is above the plane of `a`, `b`, `c`, as a determinant.
    fn orientation(a: &Point, b: &Point, c: &Point, d: &Point) -> i64 {
        let from = |p: &Point| [0, 1, 2].map(|axis| p[axis] - a[axis]);
        product(&vector(&from(b), &from(c)), &from(d))
    }

    const FLOOR: Triangle = [[0, 0, 0], [8, 0, 0], [0, 8, 0]];

    #[test]
    fn what_crosses_and_what_only_touches() {
        for (other, expected) in [
            ([[1, 1, -1], [1, 1, 3], [2, 2, 3]], true),
            // Through an edge of the floor, and out.
            ([[3, 3, -2], [3, 3, 2], [9, 9, 2]], true),
            // With a corner in the plane and the others on both sides.
            ([[1, 1, 0], [2, 2, 2], [2, 2, -2]], true),
            ([[9, 9, -1], [9, 9, 3], [7, 9, 3]], false),
            // Touches with a corner, or an edge.
            ([[1, 1, 0], [1, 1, 3], [2, 2, 3]], false),
            ([[1, 1, 0], [2, 2, 0], [2, 2, 3]], false),
            // A common corner, a common edge.
            ([[0, 0, 0], [-1, -1, 3], [-2, -1, -3]], false),
            ([[0, 0, 0], [1, 1, 3], [1, 1, -3]], true),
            ([[0, 0, 0], [8, 0, 0], [3, 3, 3]], false),
            // In the same plane.
            ([[1, 1, 0], [9, 1, 0], [1, 9, 0]], false),
        ] {
            for turn in 0..3 {
                let turned = [other[turn], other[(turn + 1) % 3], other[(turn + 2) % 3]];
                let flipped = [turned[0], turned[2], turned[1]];
                for other in [turned, flipped] {
                    assert_eq!(do_triangles_cross(&FLOOR, &other), expected, "{other:?}");
                    assert_eq!(do_triangles_cross(&other, &FLOOR), expected, "{other:?}");
                }
            }
        }
    }

    /// Section of `t` with the plane of `other` as two parameters along the line of both planes, each a
    /// fraction with positive denominator.
    fn section(t: &Triangle, other: &Triangle, line: &Point) -> Option<[(i128, i128); 2]> {
        let sides = t.map(|p| i128::from(orientation(&other[0], &other[1], &other[2], &p)));
        if !(sides.iter().any(|&s| s > 0) && sides.iter().any(|&s| s < 0)) {
            return None;
        }
        let along = t.map(|p| (0..3).map(|i| i128::from(p[i] * line[i])).sum::<i128>());
        let mut found = Vec::new();
        for (i, j) in [(0, 1), (1, 2), (2, 0)] {
            let (low, high) = if sides[i] < sides[j] { (i, j) } else { (j, i) };
            if sides[low] <= 0 && sides[high] >= 0 && sides[low] != sides[high] {
                let whole = sides[high] - sides[low];
                found.push((along[low] * sides[high] - along[high] * sides[low], whole));
            }
        }
        let is_less = |a: &(i128, i128), b: &(i128, i128)| (a.0 * b.1).cmp(&(b.0 * a.1));
        let least = *found.iter().min_by(|a, b| is_less(a, b))?;
        let most = *found.iter().max_by(|a, b| is_less(a, b))?;
        Some([least, most])
    }

    fn cross_by_sections(p: &Triangle, q: &Triangle) -> bool {
        let normal = |t: &Triangle| {
            let from = |p: &Point| [0, 1, 2].map(|axis| p[axis] - t[0][axis]);
            vector(&from(&t[1]), &from(&t[2]))
        };
        let line = vector(&normal(p), &normal(q));
        let (Some(of_p), Some(of_q)) = (section(p, q, &line), section(q, p, &line)) else {
            return false;
        };
        let before = |a: (i128, i128), b: (i128, i128)| a.0 * b.1 < b.0 * a.1;
        before(of_p[0], of_q[1]) && before(of_q[0], of_p[1])
    }

    #[test]
    fn crossing_is_an_overlap_of_sections() {
        let mut state = 1_u64;
        let mut coordinate = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            ((state >> 33) % 6) as i64
        };
        let mut n_crossing = 0;
        for _ in 0..100_000 {
            let mut triangle = || [(); 3].map(|()| [(); 3].map(|()| coordinate()));
            let (p, q) = (triangle(), triangle());
            let expected = cross_by_sections(&p, &q);
            assert_eq!(do_triangles_cross(&p, &q), expected, "{p:?} {q:?}");
            n_crossing += u32::from(expected);
        }
        assert!((10_000..90_000).contains(&n_crossing), "{n_crossing}");
    }

    #[test]
    fn the_budget_counts_pairs() {
        let mesh = TriangleMesh {
            vertices: [
                [0.0, 0.0, 0.0],
                [8.0, 0.0, 0.0],
                [0.0, 8.0, 0.0],
                [1.0, 1.0, -1.0],
                [1.0, 1.0, 3.0],
                [2.0, 2.0, 3.0],
            ]
            .to_vec(),
            faces: vec![[0, 1, 2], [3, 4, 5], [0, 1, 2]],
        };
        assert_eq!(
            crossing_faces(&mesh, 2).unwrap(),
            Some(vec![true, true, true]),
            "the two in one plane are no pair"
        );
        assert_eq!(crossing_faces(&mesh, 1).unwrap(), None);
    }
}
