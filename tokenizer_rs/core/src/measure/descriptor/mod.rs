//! What stays of a mesh when it is moved, scaled, rotated, mirrored or cut into other triangles.
//!
//! The surface is a distribution of mass around its centroid, in units of its root mean square radius. For each
//! of some shells of radius and each degree of the spherical harmonics, the length of the coefficients is the
//! same for every rotation and reflection (Kazhdan, Funkhouser, Rusinkiewicz 2003, "Rotation invariant spherical
//! harmonic representation of 3D shape descriptors"). The directions of the faces add the even degrees of their
//! own distribution. Integrals are sums over small pieces of each triangle: nothing is random.

mod harmonics;

use std::f64::consts::PI;

use crate::measure::bvh::Aabb;
use crate::measure::distance::{cross, dot, minus};
use crate::mesh::compact::used_vertices;
use crate::{Result, TriangleMesh};
pub use harmonics::DEGREES;
use harmonics::{coefficients, Coefficients, Direction};

/// Shells of radius.
pub const SHELLS: usize = 9;
/// Centre of the last shell, which also holds all that is farther out, in root mean square radii.
pub const OUTERMOST: f64 = 2.4;
/// Numbers of a descriptor: every degree of every shell, and the even degrees from 2 of the directions, which do
/// not know inside from outside.
pub const SIZE: usize = SHELLS * DEGREES + (DEGREES - 1) / 2;
/// At most so many vertices are landmarks, the farthest from the centroid.
pub const LANDMARKS: usize = 2048;
/// Of a landmark's coordinates, in root mean square radii.
pub const LANDMARK_UNIT: f64 = 1.0 / 1024.0;
/// A piece is small enough when the square of its longest side is not above four of so many equal parts of the area:
/// a right triangle with two equal sides is then such a part at most.
const PIECES: f64 = 4096.0;
/// Or when its share of the area is not above this: slivers would make many pieces of no weight.
const LIGHT: f64 = 1.0 / 16384.0;
/// Lengths that differ by rounding only count as equal: a turned copy is cut in the same places.
const ROUNDING: f64 = 1.0 + 1e-9;

/// A surface, whatever its place, size, pose and triangles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// `SIZE` lengths, each a share of `u16::MAX`.
    pub lengths: Vec<u16>,
    /// Distinct vertices that a face uses, from the centroid, the farthest first.
    pub landmarks: Vec<[i16; 3]>,
}

/// Describes a mesh; none where it has no area, or one that is lost in double precision.
///
/// # Errors
/// `INVALID_INPUT` for corners that do not exist and coordinates that are not finite.
pub fn descriptor(mesh: &TriangleMesh) -> Result<Option<Descriptor>> {
    mesh.check()?;
    Ok(Surface::of(mesh).map(|surface| {
        let pieces = surface.pieces();
        let squares = pieces.iter().map(|p| p.mass * dot(&p.place, &p.place));
        let radius = squares.sum::<f64>().sqrt();
        let lengths = shell_lengths(&pieces, radius)
            .into_iter()
            .chain(direction_lengths(&surface));
        Descriptor {
            lengths: lengths.map(rounded).collect(),
            landmarks: landmarks(mesh, &surface, radius),
        }
    }))
}

fn rounded(length: f64) -> u16 {
    (length * f64::from(u16::MAX)).round_ties_even() as u16 // `as` stays within 0..=65535
}

/// Triangles with an area, their box centred and scaled to a longest side of 1: no square can overflow.
struct Surface {
    triangles: Vec<[[f64; 3]; 3]>,
    /// Shares of the area.
    masses: Vec<f64>,
    /// Unit vectors.
    normals: Vec<[f64; 3]>,
    middle: [f64; 3],
    longest: f64,
    centroid: [f64; 3],
    area: f64,
}

/// A small part of the surface.
struct Piece {
    /// Its centroid, from that of the surface.
    place: [f64; 3],
    mass: f64,
}

impl Surface {
    fn of(mesh: &TriangleMesh) -> Option<Self> {
        let used = || mesh.faces.as_flattened().iter().map(|&v| v as usize);
        let bounds = Aabb::around(used().map(|v| &mesh.vertices[v]));
        let longest = bounds.longest();
        if !(longest > f64::MIN_POSITIVE && longest.is_finite()) {
            return None;
        }
        let middle = bounds.centre();
        let mut surface = Self {
            triangles: Vec::new(),
            masses: Vec::new(),
            normals: Vec::new(),
            middle,
            longest,
            centroid: [0.0; 3],
            area: 0.0,
        };
        for face in &mesh.faces {
            let corners = face.map(|v| surface.in_box(&mesh.vertices[v as usize]));
            let normal = cross(
                &minus(&corners[1], &corners[0]),
                &minus(&corners[2], &corners[0]),
            );
            let doubled = dot(&normal, &normal).sqrt();
            if doubled > 0.0 {
                surface.triangles.push(corners);
                surface.masses.push(doubled);
                surface.normals.push(normal.map(|x| x / doubled));
            }
        }
        let total: f64 = surface.masses.iter().sum();
        surface.masses.iter_mut().for_each(|mass| *mass /= total);
        surface.area = total / 2.0;
        for (corners, mass) in surface.triangles.iter().zip(&surface.masses) {
            for (axis, sum) in surface.centroid.iter_mut().enumerate() {
                *sum += mass * (corners[0][axis] + corners[1][axis] + corners[2][axis]) / 3.0;
            }
        }
        (!surface.triangles.is_empty()).then_some(surface)
    }

    fn in_box(&self, position: &[f64; 3]) -> [f64; 3] {
        minus(position, &self.middle).map(|x| x / self.longest)
    }

    /// Each triangle cut in half across its longest side until the pieces are small or light enough.
    fn pieces(&self) -> Vec<Piece> {
        let small = 4.0 * self.area / PIECES;
        let mut pieces = Vec::with_capacity(PIECES as usize + 2 * self.triangles.len());
        let mut waiting: Vec<([[f64; 3]; 3], f64)> = Vec::new();
        for (corners, &mass) in self.triangles.iter().zip(&self.masses) {
            waiting.push((corners.map(|corner| minus(&corner, &self.centroid)), mass));
            while let Some(([a, b, c], mass)) = waiting.pop() {
                let (squared, [start, end, opposite]) = longest_side(a, b, c);
                if squared <= small * ROUNDING || mass <= LIGHT * ROUNDING {
                    let place = [0, 1, 2].map(|x| (a[x] + b[x] + c[x]) / 3.0);
                    pieces.push(Piece { place, mass });
                } else {
                    let middle = [0, 1, 2].map(|x| (start[x] + end[x]) / 2.0);
                    waiting.push(([start, middle, opposite], mass / 2.0));
                    waiting.push(([middle, end, opposite], mass / 2.0));
                }
            }
        }
        pieces
    }
}

/// The squared length of the longest side, the first of equal ones; its ends, then the other corner.
fn longest_side(a: [f64; 3], b: [f64; 3], c: [f64; 3]) -> (f64, [[f64; 3]; 3]) {
    let mut longest = (0.0, [a, b, c]);
    for corners in [[a, b, c], [b, c, a], [c, a, b]] {
        let side = minus(&corners[1], &corners[0]);
        let squared = dot(&side, &side);
        if squared > longest.0 * ROUNDING {
            longest = (squared, corners);
        }
    }
    longest
}

/// Lengths of every degree, shell by shell; a piece is shared between the two shells around it.
fn shell_lengths(pieces: &[Piece], radius: f64) -> Vec<f64> {
    // Pieces between the same two shells go together, so that their harmonics are summed in one loop.
    let mut between: [Vec<Direction<2>>; SHELLS - 1] = Default::default();
    let last = (SHELLS - 1) as f64;
    for piece in pieces {
        let distance = dot(&piece.place, &piece.place).sqrt();
        let place = (distance / radius * (last / OUTERMOST)).min(last);
        let inner = (place as usize).min(SHELLS - 2);
        let share = (1.0 + cosine_of_half_turns(place - inner as f64)) / 2.0;
        between[inner].push(Direction {
            vector: piece.place.map(|x| x / distance.max(f64::MIN_POSITIVE)),
            weights: [piece.mass * share, piece.mass * (1.0 - share)],
        });
    }
    let mut shells = [Coefficients::default(); SHELLS];
    for (inner, directions) in between.iter().enumerate() {
        let [of_inner, of_outer] = coefficients(directions);
        shells[inner].add(&of_inner);
        shells[inner + 1].add(&of_outer);
    }
    shells.iter().flat_map(Coefficients::lengths).collect()
}

/// Cosine of a share of half a turn, from 0 to 1, by Taylor's series to 1e-11: the same on every system, whose own
/// function took an eighth of the time of a description.
fn cosine_of_half_turns(share: f64) -> f64 {
    /// Steps from one term of the series of the sine to the next, the last one first.
    const STEPS: [f64; 7] = [
        -1.0 / (15.0 * 14.0),
        -1.0 / (13.0 * 12.0),
        -1.0 / (11.0 * 10.0),
        -1.0 / (9.0 * 8.0),
        -1.0 / (7.0 * 6.0),
        -1.0 / (5.0 * 4.0),
        -1.0 / (3.0 * 2.0),
    ];
    // As the sine of at most a quarter turn.
    let x = PI * (0.5 - share);
    let square = x * x;
    let sum = (STEPS.iter()).fold(1.0, |sum, step| 1.0 + step * square * sum);
    x * sum
}

/// Lengths of the even degrees of the directions in which the faces look.
fn direction_lengths(surface: &Surface) -> impl Iterator<Item = f64> {
    let directions: Vec<Direction<1>> = (surface.normals.iter().zip(&surface.masses))
        .map(|(&vector, &mass)| Direction {
            vector,
            weights: [mass],
        })
        .collect();
    let [sums] = coefficients(&directions);
    sums.lengths().into_iter().skip(2).step_by(2)
}

/// Distinct vertices that a face uses, the farthest first; the same for any order of vertices and faces.
fn landmarks(mesh: &TriangleMesh, surface: &Surface, radius: f64) -> Vec<[i16; 3]> {
    let unit = radius * LANDMARK_UNIT;
    let is_used = used_vertices(mesh.vertices.len(), &mesh.faces);
    let mut points: Vec<[i32; 3]> = (mesh.vertices.iter().zip(is_used))
        .filter(|&(_, is_used)| is_used)
        .map(|(position, _)| {
            let from_centroid = minus(&surface.in_box(position), &surface.centroid);
            let limit = f64::from(i16::MAX);
            from_centroid.map(|x| (x / unit).round_ties_even().clamp(-limit, limit) as i32)
        })
        .collect();
    let squared = |p: &[i32; 3]| p.iter().map(|&x| i64::from(x).pow(2)).sum::<i64>();
    points.sort_unstable_by_key(|p| (std::cmp::Reverse(squared(p)), *p));
    points.dedup();
    points.truncate(LANDMARKS);
    points.into_iter().map(|p| p.map(|x| x as i16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Twelve triangles of a box with three different sides.
    fn brick() -> TriangleMesh {
        let vertices = (0..8)
            .map(|i| [i & 1, i >> 1 & 1, i >> 2].map(f64::from))
            .map(|[x, y, z]| [x, 2.0 * y, 3.5 * z])
            .collect();
        let sides = [
            [0, 2, 3, 1],
            [4, 5, 7, 6],
            [0, 1, 5, 4],
            [2, 6, 7, 3],
            [0, 4, 6, 2],
            [1, 3, 7, 5],
        ];
        let faces = sides
            .iter()
            .flat_map(|&[a, b, c, d]| [[a, b, c], [a, c, d]]);
        TriangleMesh {
            vertices,
            faces: faces.collect(),
        }
    }

    #[test]
    fn a_turned_and_enlarged_copy_has_the_same_lengths() {
        let mesh = brick();
        let mut copy = brick();
        let (sine, cosine) = 0.7_f64.sin_cos();
        for p in &mut copy.vertices {
            let [x, y, z] = *p;
            let turned = [cosine * x - sine * y, sine * x + cosine * y, z];
            *p = [turned[1], turned[2], -turned[0]].map(|x| 40.0 * x + 7.0);
        }
        let [ours, theirs] = [&mesh, &copy].map(|mesh| descriptor(mesh).unwrap().unwrap());
        assert_eq!(ours.lengths.len(), SIZE);
        let differences = ours.lengths.iter().zip(&theirs.lengths);
        assert!(differences.map(|(a, b)| a.abs_diff(*b)).max() <= Some(1));
        assert!(ours.lengths.iter().any(|&length| length > 10_000));
        assert_eq!(ours.landmarks.len(), 8);
    }

    #[test]
    fn the_cosine_is_that_of_the_system() {
        for i in 0..=1000 {
            let share = f64::from(i) / 1000.0;
            assert!((cosine_of_half_turns(share) - (PI * share).cos()).abs() < 1e-11);
        }
    }

    #[test]
    fn neither_a_point_nor_a_line_has_a_surface() {
        let mut mesh = brick();
        mesh.vertices.iter_mut().for_each(|p| *p = [p[2], 0.0, 0.0]);
        assert_eq!(descriptor(&mesh).unwrap(), None);
        mesh.vertices.iter_mut().for_each(|p| *p = [4.0; 3]);
        assert_eq!(descriptor(&mesh).unwrap(), None);
        mesh.faces.clear();
        assert_eq!(descriptor(&mesh).unwrap(), None);
        mesh.vertices[0][0] = f64::NAN;
        assert_eq!(descriptor(&mesh).unwrap_err().code(), "INVALID_INPUT");
    }
}
