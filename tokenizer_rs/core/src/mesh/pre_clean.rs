//! What a mesh goes through before it is put on a grid: MeshLab's usual cleaning filters, in one pass.

use super::clean::{first_of_equal, has_repeated_corner, sorted};
use super::compact::{keep_vertices, used_vertices};
use super::radix_sort::sort_by_key;
use super::{Face, TriangleMesh};
use crate::measure::bvh::Aabb;
use crate::measure::distance::{cross, dot, minus};
use crate::Result;

/// Vertices merge that are closer than this share of the bounding box's diagonal.
pub const MERGE_SHARE: f64 = 1e-4;

/// Drops unused vertices, merges close ones, drops repeated faces and faces without area.
///
/// In the order of the vertices, each that is still there takes in all others closer than `MERGE_SHARE` of the
/// diagonal, whose place it keeps. Of faces with the same three corners, in any order, the last stays. Vertices
/// that lose all their faces stay. Nothing else changes its order. Cost O(n log n).
///
/// # Errors
/// `INVALID_INPUT` for corners that do not exist and coordinates that are not finite.
pub fn pre_clean(mesh: &TriangleMesh) -> Result<TriangleMesh> {
    mesh.check()?;
    let (mut vertices, mut faces) = (mesh.vertices.clone(), mesh.faces.clone());
    let is_used = used_vertices(vertices.len(), &faces);
    keep_vertices(&mut vertices, &mut faces, &is_used);
    let centre_of = merged(&vertices);
    for v in faces.as_flattened_mut() {
        *v = centre_of[*v as usize];
    }
    faces.retain(|face| !has_repeated_corner(face));
    keep_last_of_equal(&mut faces);
    faces.retain(|face| has_area(&face.map(|v| vertices[v as usize])));
    let is_centre: Vec<bool> = (0..).zip(&centre_of).map(|(v, &c)| v == c).collect();
    keep_vertices(&mut vertices, &mut faces, &is_centre);
    Ok(TriangleMesh { vertices, faces })
}

/// For each vertex the one that takes it in, perhaps itself.
fn merged(vertices: &[[f64; 3]]) -> Vec<u32> {
    let bounds = Aabb::around(vertices);
    let longest = bounds.longest();
    if !(longest > 0.0 && longest.is_finite()) {
        return vec![0; vertices.len()]; // all in one point, or farther apart than numbers reach
    }
    // In units of the longest side no square can overflow or vanish.
    let shares = bounds.extents().map(|x| x / longest);
    let diagonal = dot(&shares, &shares).sqrt();
    let reach = MERGE_SHARE * diagonal;
    let places: Vec<[f64; 3]> = vertices
        .iter()
        .map(|p| minus(p, &bounds.low).map(|x| x / longest))
        .collect();
    let cells = Cells::new(&places, reach);
    let mut centre_of = vec![u32::MAX; vertices.len()];
    for v in 0..vertices.len() {
        if centre_of[v] != u32::MAX {
            continue;
        }
        centre_of[v] = v as u32;
        for w in cells.around(v) {
            let apart = minus(&places[v], &places[w as usize]);
            if centre_of[w as usize] == u32::MAX && dot(&apart, &apart) < reach * reach {
                centre_of[w as usize] = v as u32;
            }
        }
    }
    centre_of
}

/// Bits of a cell's place along an axis: at most 10,000 cells, and one more on either side.
const CELL_BITS: u32 = 15;

/// Points sorted by cubic cells, so wide that what is within reach of a point lies in its cell or around it.
struct Cells {
    /// Cell and point, ascending.
    sorted: Vec<(u64, u32)>,
    /// Cell of each point.
    cell: Vec<u64>,
    /// For each point and each of nine rows of three cells around it, where the row begins in `sorted`.
    rows: Vec<[u32; 9]>,
}

/// From a cell to the middles of the nine rows of cells along the last axis, itself included.
fn row_offsets() -> [i64; 9] {
    std::array::from_fn(|i| {
        let (first, second) = (i as i64 / 3 - 1, i as i64 % 3 - 1);
        (first << (2 * CELL_BITS)) + (second << CELL_BITS)
    })
}

impl Cells {
    /// `places` lie in the unit cube, `reach` is at least a ten thousandth.
    fn new(places: &[[f64; 3]], reach: f64) -> Self {
        let cell_of = |p: &[f64; 3]| {
            p.iter()
                .fold(0, |cell, x| cell << CELL_BITS | ((x / reach) as u64 + 1))
        };
        let cell: Vec<u64> = places.iter().map(cell_of).collect();
        let items = cell.iter().copied().zip(0..).collect();
        let sorted = sort_by_key(items, 3 * CELL_BITS);
        let mut rows = vec![[0; 9]; places.len()];
        for (i, offset) in row_offsets().into_iter().enumerate() {
            let mut start = 0; // rises with the cells
            for &(cell, point) in &sorted {
                let first = cell.wrapping_add_signed(offset - 1);
                while sorted.get(start).is_some_and(|&(other, _)| other < first) {
                    start += 1;
                }
                rows[point as usize][i] = start as u32;
            }
        }
        Self { sorted, cell, rows }
    }

    /// Points of the cells around a point's, its own included.
    fn around(&self, point: usize) -> impl Iterator<Item = u32> + '_ {
        let rows = self.rows[point].into_iter().zip(row_offsets());
        rows.flat_map(move |(start, offset)| {
            let last = self.cell[point].wrapping_add_signed(offset + 1);
            let row = self.sorted[start as usize..].iter();
            row.take_while(move |&&(cell, _)| cell <= last)
                .map(|&(_, point)| point)
        })
    }
}

/// Drops every face whose three corners, in any order, a later one has as well.
fn keep_last_of_equal(faces: &mut Vec<Face>) {
    let last_first: Vec<Face> = faces.iter().rev().map(sorted).collect();
    let first = first_of_equal(&last_first);
    let mut index = faces.len();
    faces.retain(|_| {
        index -= 1;
        first[index] as usize == index
    });
}

fn has_area([a, b, c]: &[[f64; 3]; 3]) -> bool {
    let normal = cross(&minus(b, a), &minus(c, a));
    dot(&normal, &normal) > 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mesh(vertices: &[[f64; 3]], faces: &[Face]) -> TriangleMesh {
        TriangleMesh {
            vertices: vertices.to_vec(),
            faces: faces.to_vec(),
        }
    }

    #[test]
    fn what_goes_and_what_stays() {
        let square = [
            [0.0, 0.0, 0.0],
            [1.0, 0.0, 0.0],
            [1.0, 1.0, 0.0],
            [0.0, 1.0, 0.0],
        ];
        let mut vertices = vec![[9.0; 3]];
        vertices.extend(square);
        vertices.extend([[0.5, 0.5, 0.0], [1.0, 1e-4, 0.0]]);
        let faces = [
            [1, 2, 3], // repeated below
            [1, 3, 4],
            [1, 5, 3], // no area
            [3, 1, 6], // vertex 6 merges into 2
            [2, 6, 4], // collapses
        ];
        let found = pre_clean(&mesh(&vertices, &faces)).unwrap();
        assert_eq!(found.vertices[..4], square);
        assert_eq!(found.vertices.len(), 5); // the middle stays although its face went
        assert_eq!(found.faces, [[0, 2, 3], [2, 0, 1]]);
    }

    #[test]
    fn a_chain_merges_into_its_first_links() {
        // Steps of 0.6 of the reach: each second link is out of reach of the first, and takes in the next.
        let mut vertices = vec![[0.0; 3], [1.0, 0.0, 0.0]];
        vertices.extend((1..6).map(|i| [0.6e-4 * f64::from(i), 0.0, 0.0]));
        vertices.push([0.5, 1e-3, 0.0]);
        let faces: Vec<Face> = (0..6)
            .map(|i| [if i == 0 { 0 } else { i + 1 }, 1, 7])
            .collect();
        let found = pre_clean(&mesh(&vertices, &faces)).unwrap();
        let x: Vec<f64> = found.vertices.iter().map(|p| p[0] / 0.6e-4).collect();
        assert_eq!(x.len(), 5);
        assert!(
            (x[2] - 2.0).abs() < 1e-9 && (x[3] - 4.0).abs() < 1e-9,
            "{x:?}"
        );
        assert_eq!(found.faces.len(), 3);
    }

    #[test]
    fn cells_hold_all_that_is_near() {
        let mut state = 7_u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 40) as f64 / (1_u64 << 24) as f64
        };
        let places: Vec<[f64; 3]> = (0..400)
            .map(|_| [random(), random(), random() * 0.1])
            .collect();
        let cells = Cells::new(&places, 0.05);
        for (v, place) in places.iter().enumerate() {
            let around: Vec<u32> = cells.around(v).collect();
            for (w, other) in (0..).zip(&places) {
                let apart = minus(place, other);
                assert!(dot(&apart, &apart) >= 0.05 * 0.05 || around.contains(&w));
            }
            assert!(around.len() < 100);
        }
    }

    #[test]
    fn extremes() {
        let point = mesh(&[[1.0; 3]; 3], &[[0, 1, 2]]);
        let found = pre_clean(&point).unwrap();
        assert_eq!((found.vertices.len(), found.faces.len()), (1, 0));
        assert!(pre_clean(&mesh(&[], &[])).unwrap().vertices.is_empty());
        for size in [1e-300, 1e300] {
            let triangle = [[0.0; 3], [size, 0.0, 0.0], [0.0, size, 0.0]];
            let found = pre_clean(&mesh(&triangle, &[[0, 1, 2]])).unwrap();
            assert_eq!(found.vertices, triangle);
        }
        assert!(pre_clean(&mesh(&[[f64::NAN; 3]], &[])).is_err());
    }
}
