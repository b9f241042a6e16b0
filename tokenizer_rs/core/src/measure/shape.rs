//! What kind of surface a mesh is, how regular it is, and how well shaped its faces are.

use crate::measure::bvh::Aabb;
use crate::measure::distance::{cross, dot, minus};
use crate::measure::topology::weld;
use crate::mesh::clean::has_repeated_corner;
use crate::mesh::Face;
use crate::repair::union_find::UnionFind;
use crate::{Result, TriangleMesh};

/// Bins of the valence histogram; the last holds all greater valences as well.
pub const VALENCE_BINS: usize = 16;

/// A face is a sliver below this quality: an isosceles triangle of a height of 4.3 % of its base.
pub const SLIVER_QUALITY: f64 = 0.1;

/// What a surface is, from the worst to the best.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SurfaceKind {
    /// No face has three distinct corners.
    #[default]
    Empty,
    /// An edge has three faces or more.
    NonManifold,
    /// Otherwise: an edge has one face.
    Open,
    /// Otherwise: two faces run along an edge in the same direction.
    Twisted,
    /// Otherwise, so closed and consistently wound: the volume enclosed is not positive.
    Inverted,
    /// Otherwise: it encloses a volume.
    Solid,
}

impl SurfaceKind {
    /// As text.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::NonManifold => "nonmanifold",
            Self::Open => "open",
            Self::Twisted => "twisted",
            Self::Inverted => "inverted",
            Self::Solid => "solid",
        }
    }
}

/// Measures of a mesh whose equal positions (in single precision) count as one vertex.
///
/// Edges, fans and loops are those of the faces with three distinct corners, repeated faces included. A fan is
/// what of a vertex's faces hangs together over edges; a vertex with several counts once for each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    /// What the surface is.
    pub kind: SurfaceKind,
    /// Whether faces could be turned so that no two run along an edge of two faces in the same direction.
    pub is_orientable: bool,
    /// Of the edges of two faces those along which they run in opposite directions; 1 without such edges.
    pub consistent_share: f64,
    /// Handles of all components together, holes filled, by Euler's formula; none where an edge has three
    /// faces or more or the surface cannot be oriented, since it says nothing then.
    pub genus: Option<u32>,
    /// Closed walks along edges of one face that hang together.
    pub boundary_loops: usize,
    /// Pieces connected through edges.
    pub components: usize,
    /// Number of vertices with 0, 1, ... edges; the last entry holds those with more.
    pub valences: [u64; VALENCE_BINS],
    /// Share of vertices with six edges among those whose edges all have two faces; none without such.
    pub regular_share: Option<f64>,
    /// Area of all faces, in the squared unit of the positions.
    pub area: f64,
    /// Volume enclosed, in the cubed unit; none unless the kind is `Solid` or `Inverted` (then not positive).
    pub volume: Option<f64>,
    /// Sides of the bounding box of all corners, ascending.
    pub extents: [f64; 3],
    /// Mean over the faces of `face_quality`.
    pub mean_quality: f64,
    /// Share of faces whose quality is below `SLIVER_QUALITY`, those without area among them.
    pub sliver_share: f64,
}

/// Measures a mesh. Cost O(n log n).
pub fn shape(mesh: &TriangleMesh) -> Result<Shape> {
    let (positions, faces) = weld(mesh)?;
    let positions: Vec<[f64; 3]> = positions.iter().map(|p| p.map(f64::from)).collect();
    let mut shape = Shape::default();
    measure_faces(&positions, &faces, &mut shape);
    let proper: Vec<Face> = faces
        .into_iter()
        .filter(|face| !has_repeated_corner(face))
        .collect();
    let edges = Edges::of(&proper);
    edges.measure_loops(&proper, &mut shape);
    edges.measure_valences(positions.len(), &mut shape);
    shape.kind = match () {
        () if proper.is_empty() => SurfaceKind::Empty,
        () if edges.n_crowded > 0 => SurfaceKind::NonManifold,
        () if edges.n_boundary > 0 => SurfaceKind::Open,
        () if edges.n_inconsistent > 0 => SurfaceKind::Twisted,
        () => {
            let volume = volume(&positions, &proper);
            shape.volume = Some(volume);
            if volume > 0.0 {
                SurfaceKind::Solid
            } else {
                SurfaceKind::Inverted
            }
        }
    };
    Ok(shape)
}

/// `4 sqrt(3) area / (sum of squared sides)`: 1 for an equilateral triangle, 0 for one without area.
pub fn face_quality(corners: &[[f64; 3]; 3]) -> f64 {
    let [a, b, c] = corners;
    let sides = [minus(b, a), minus(c, b), minus(a, c)];
    let normal = cross(&sides[0], &sides[1]);
    let squares: f64 = sides.iter().map(|side| dot(side, side)).sum();
    if squares > 0.0 {
        2.0 * 3_f64.sqrt() * dot(&normal, &normal).sqrt() / squares
    } else {
        0.0
    }
}

fn measure_faces(positions: &[[f64; 3]], faces: &[Face], shape: &mut Shape) {
    let bounds = Aabb::around(faces.as_flattened().iter().map(|&v| &positions[v as usize]));
    shape.extents = bounds.extents();
    shape.extents.sort_by(f64::total_cmp);
    let (mut quality, mut n_slivers) = (0.0, 0);
    for face in faces {
        let corners = face.map(|v| positions[v as usize]);
        let of_face = face_quality(&corners);
        quality += of_face;
        n_slivers += usize::from(of_face < SLIVER_QUALITY);
        let normal = cross(
            &minus(&corners[1], &corners[0]),
            &minus(&corners[2], &corners[0]),
        );
        shape.area += dot(&normal, &normal).sqrt() / 2.0;
    }
    if !faces.is_empty() {
        shape.mean_quality = quality / faces.len() as f64;
        shape.sliver_share = n_slivers as f64 / faces.len() as f64;
    }
}

/// Sum of the signed tetrahedra between a corner of the first face and every face.
fn volume(positions: &[[f64; 3]], faces: &[Face]) -> f64 {
    let origin = positions[faces[0][0] as usize];
    let signed = |face: &Face| {
        let [a, b, c] = face.map(|v| minus(&positions[v as usize], &origin));
        dot(&a, &cross(&b, &c)) / 6.0
    };
    faces.iter().map(signed).sum()
}

/// Sides of faces, grouped by the edge on which they lie.
struct Edges {
    /// Ends, the lower first, and the half-edge `3 f + i` from corner `i` of face `f`; sorted.
    sides: Vec<([u32; 2], u32)>,
    n_edges: usize,
    n_boundary: usize,
    n_paired: usize,
    n_inconsistent: usize,
    n_crowded: usize,
}

impl Edges {
    fn of(faces: &[Face]) -> Self {
        let mut sides: Vec<([u32; 2], u32)> = (0..)
            .zip(faces.as_flattened())
            .map(|(h, &from)| {
                let to = faces[h as usize / 3][next(h) as usize % 3];
                ([from.min(to), from.max(to)], h)
            })
            .collect();
        sides.sort_unstable();
        let mut edges = Self {
            sides,
            n_edges: 0,
            n_boundary: 0,
            n_paired: 0,
            n_inconsistent: 0,
            n_crowded: 0,
        };
        let (mut counts, mut n_inconsistent) = ([0; 4], 0);
        for group in edges.groups() {
            counts[group.len().min(3)] += 1;
            counts[0] += 1;
            n_inconsistent += usize::from(group.len() == 2 && is_same_way(faces, group));
        }
        [
            edges.n_edges,
            edges.n_boundary,
            edges.n_paired,
            edges.n_crowded,
        ] = counts;
        edges.n_inconsistent = n_inconsistent;
        edges
    }

    fn groups(&self) -> impl Iterator<Item = &[([u32; 2], u32)]> {
        self.sides.chunk_by(|a, b| a.0 == b.0)
    }

    /// Fans, components, loops, orientation and, from their numbers, the genus.
    fn measure_loops(&self, faces: &[Face], shape: &mut Shape) {
        let n_faces = faces.len() as u32;
        let mut fans = UnionFind::new(3 * faces.len());
        let mut pieces = UnionFind::new(faces.len());
        // Each face as it is, and turned.
        let mut turns = UnionFind::new(2 * faces.len());
        for group in self.groups() {
            let [low, _] = group[0].0;
            let ends = |h: u32| {
                let is_from_low = faces.as_flattened()[h as usize] == low;
                if is_from_low {
                    [h, next(h)]
                } else {
                    [next(h), h]
                }
            };
            let (_, first) = group[0];
            for &(_, h) in &group[1..] {
                fans.union(ends(first)[0], ends(h)[0]);
                fans.union(ends(first)[1], ends(h)[1]);
                pieces.union(first / 3, h / 3);
            }
            if group.len() == 2 {
                let (f, g) = (first / 3, group[1].1 / 3);
                let turned = n_faces * u32::from(is_same_way(faces, group));
                turns.union(f, g + turned);
                turns.union(f + n_faces, g + n_faces - turned);
            }
        }
        shape.is_orientable = (0..n_faces).all(|f| turns.find(f) != turns.find(f + n_faces));
        shape.consistent_share = match self.n_paired {
            0 => 1.0,
            n => 1.0 - self.n_inconsistent as f64 / n as f64,
        };
        shape.components = (0..n_faces).filter(|&f| pieces.find(f) == f).count();

        let mut loops = UnionFind::new(3 * faces.len());
        let mut on_boundary = Vec::new();
        for group in self.groups().filter(|group| group.len() == 1) {
            let (_, h) = group[0];
            let ends = [fans.find(h), fans.find(next(h))];
            loops.union(ends[0], ends[1]);
            on_boundary.push(ends[0]);
        }
        let mut found: Vec<u32> = on_boundary.iter().map(|&fan| loops.find(fan)).collect();
        found.sort_unstable();
        found.dedup();
        shape.boundary_loops = found.len();

        let n_fans = (0..3 * n_faces).filter(|&c| fans.find(c) == c).count();
        if self.n_crowded == 0 && shape.is_orientable {
            // V - E + F = 2 C - 2 g - b
            let euler = (n_fans + faces.len()) as i64 - self.n_edges as i64;
            let twice = 2 * shape.components as i64 - shape.boundary_loops as i64 - euler;
            shape.genus = u32::try_from(twice / 2).ok();
        }
    }

    fn measure_valences(&self, n_vertices: usize, shape: &mut Shape) {
        let mut valence = vec![0_u32; n_vertices];
        let mut is_inner = vec![true; n_vertices];
        for group in self.groups() {
            for v in group[0].0 {
                valence[v as usize] += 1;
                is_inner[v as usize] &= group.len() == 2;
            }
        }
        let (mut n_inner, mut n_regular) = (0, 0);
        for (&n, &is_inner) in valence.iter().zip(&is_inner).filter(|(&n, _)| n > 0) {
            shape.valences[(n as usize).min(VALENCE_BINS - 1)] += 1;
            n_inner += usize::from(is_inner);
            n_regular += usize::from(is_inner && n == 6);
        }
        shape.regular_share = (n_inner > 0).then(|| n_regular as f64 / n_inner as f64);
    }
}

/// The half-edge after `h` in its face.
fn next(h: u32) -> u32 {
    h - h % 3 + (h + 1) % 3
}

/// Whether two faces run along their edge in the same direction.
fn is_same_way(faces: &[Face], group: &[([u32; 2], u32)]) -> bool {
    let from = |i: usize| faces.as_flattened()[group[i].1 as usize];
    from(0) == from(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mesh(n: u32, faces: Vec<Face>) -> TriangleMesh {
        // On a curve that no plane meets in four points: any three corners make a proper face.
        let vertices = (0..n).map(f64::from).map(|t| [t, t * t, t * t * t]);
        TriangleMesh {
            vertices: vertices.collect(),
            faces,
        }
    }

    const TETRAHEDRON: [Face; 4] = [[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]];

    #[test]
    fn a_torus_of_seven_vertices_has_one_handle() {
        let faces =
            (0..7).flat_map(|i| [[i, (i + 1) % 7, (i + 3) % 7], [i, (i + 3) % 7, (i + 2) % 7]]);
        let found = shape(&mesh(7, faces.collect())).unwrap();
        assert_eq!((found.genus, found.boundary_loops), (Some(1), 0));
        assert_eq!(found.regular_share, Some(1.0));
        assert_eq!(found.valences[6], 7);
        assert!(found.is_orientable);
    }

    #[test]
    fn kinds_from_the_best_to_the_worst() {
        let mut solid = mesh(4, TETRAHEDRON.to_vec());
        let of = |mesh: &TriangleMesh| shape(mesh).unwrap();
        let found = of(&solid);
        let is_solid = found.kind == SurfaceKind::Solid;
        assert_eq!(found.volume.map(f64::abs), Some(2.0));
        if !is_solid {
            assert_eq!(found.kind, SurfaceKind::Inverted);
        }
        solid.faces.iter_mut().for_each(|face| face.reverse());
        assert_eq!(of(&solid).kind == SurfaceKind::Solid, !is_solid);
        solid.faces[0].reverse();
        let found = of(&solid);
        assert_eq!(
            (found.kind, found.is_orientable),
            (SurfaceKind::Twisted, true)
        );
        assert_eq!(found.consistent_share, 0.5);
        assert_eq!(found.genus, Some(0));
        solid.faces.pop();
        let found = of(&solid);
        assert_eq!(found.kind, SurfaceKind::Open);
        assert_eq!((found.genus, found.boundary_loops), (Some(0), 1));
        solid.faces.push(solid.faces[0]);
        assert_eq!(of(&solid).kind, SurfaceKind::NonManifold);
        assert_eq!(of(&solid).genus, None);
        assert_eq!(of(&mesh(2, vec![[0, 1, 1]])).kind, SurfaceKind::Empty);
        assert_eq!(of(&mesh(0, vec![])), {
            let empty = Shape::default();
            Shape {
                is_orientable: true,
                consistent_share: 1.0,
                genus: Some(0),
                ..empty
            }
        });
    }

    #[test]
    fn a_moebius_band_has_no_genus() {
        let faces = (0..5).map(|i| [i, (i + 1) % 5, (i + 2) % 5]).collect();
        let found = shape(&mesh(5, faces)).unwrap();
        assert_eq!((found.is_orientable, found.genus), (false, None));
        assert_eq!(found.boundary_loops, 1);
    }

    #[test]
    fn fans_of_one_vertex_bound_loops_of_their_own() {
        let found = shape(&mesh(5, vec![[0, 1, 2], [0, 3, 4]])).unwrap();
        assert_eq!((found.boundary_loops, found.components), (2, 2));
        assert_eq!(found.genus, Some(0));
    }

    #[test]
    fn quality_of_known_triangles() {
        let quality = |x: f64, y: f64| face_quality(&[[0.0; 3], [1.0, 0.0, 0.0], [x, y, 0.0]]);
        assert!((quality(0.5, 0.75_f64.sqrt()) - 1.0).abs() < 1e-15);
        assert!((quality(0.0, 1.0) - 0.866_025_4).abs() < 1e-7);
        assert!((quality(0.5, 0.05) - 0.115_086_4).abs() < 1e-7);
        assert_eq!(quality(3.0, 0.0), 0.0);
        assert_eq!(face_quality(&[[1.0; 3]; 3]), 0.0);
    }
}
