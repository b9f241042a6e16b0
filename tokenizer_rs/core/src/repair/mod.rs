//! Makes any triangles an oriented manifold, by index, without moving a vertex.
//!
//! Equal positions are welded, what is no triangle and what is there twice is dropped, and then no face is
//! lost: patches of faces joined two by two are oriented (one-sided loops are cut), at edges of more faces
//! the best pairs stay joined, every vertex gets one copy per further fan of faces, and where two faces
//! still share both ends of an edge one is detached. [`check_guarantees`] looks at every result.
//!
//! ```text
//! weld -> drop -> edges -> orient -> outward -> pair -> fans -> detach -> fans -> guarantee
//! ```
//!
//! With welding the result depends on the set of positions and oriented triangles alone, not on their order in
//! the input, and repairing it again gives it back. All decisions but the last sign of a patch are taken on
//! triangles with ascending corners, blind to directions, or after directions are final.
//!
//! [`silksong`] holds the repair of the published tokenizer.

mod detach;
mod drop;
mod edges;
mod fans;
mod guarantee;
mod layout;
mod log;
mod orient;
mod outward;
mod pair;
mod point;
mod repairs;
pub mod silksong;
pub mod union_find;
mod weld;

pub use guarantee::{check_guarantees, Violation};
pub use log::RepairLog;
pub use repairs::Repairs;

use crate::mesh::quantize::{dequantize, quantize};
use crate::mesh::{Face, GridMesh, GridPoint, TriangleMesh};
use crate::{MeshError, Result};
use drop::Triangles;
use edges::{Contested, Edges};
use fans::Fans;
use layout::Layout;
use point::Point;
use weld::Weld;

/// Resolutions a mesh may be quantised to.
const RESOLUTIONS: std::ops::RangeInclusive<u32> = 2..=65_536;

/// What a repair may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RepairOptions {
    /// Quantise to this many bins per axis first; the result then has the centres of bins as positions.
    pub resolution: Option<u32>,
    /// Make vertices of equal position one. Otherwise vertices and faces keep the order they have in
    /// the input, and copies come after the vertices.
    pub weld: bool,
    /// Drop faces whose corners lie on a line.
    pub drop_collinear: bool,
    /// Turn each part so that its signed volume is not negative. Otherwise the majority of the faces
    /// of a patch decides. With `weld` a part is what hangs together over edges of any number of faces before
    /// any is cut, without it what hangs together afterwards; either way a second repair changes nothing.
    pub outward: bool,
}

impl Default for RepairOptions {
    fn default() -> Self {
        Self {
            resolution: None,
            weld: true,
            drop_collinear: false,
            outward: false,
        }
    }
}

/// A repaired mesh with real coordinates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Repaired {
    /// Positions by y, then z, then x, copies after one another.
    pub vertices: Vec<[f64; 3]>,
    /// Faces that fulfil [`check_guarantees`].
    pub faces: Vec<Face>,
    /// For each vertex the lowest input vertex of its position.
    pub source_vertex: Vec<u32>,
    /// For each face the lowest input face it stands for, of those with the direction that was kept.
    pub source_face: Vec<u32>,
    /// What was done.
    pub log: RepairLog,
}

/// A repaired mesh on the grid; the fields are those of [`Repaired`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairedGrid {
    /// Positions and faces.
    pub mesh: GridMesh,
    /// For each vertex the lowest input vertex of its position.
    pub source_vertex: Vec<u32>,
    /// For each face the lowest input face it stands for, of those with the direction that was kept.
    pub source_face: Vec<u32>,
    /// What was done.
    pub log: RepairLog,
}

/// Repairs a mesh. Cost O(n log n).
///
/// Coordinates must be finite, and with a resolution in `[-1, 1]`.
///
/// ```
/// use meshloom_tokenizer_core::repair::{check_guarantees, repair, RepairOptions};
/// use meshloom_tokenizer_core::TriangleMesh;
///
/// // Two triangles that touch in one vertex.
/// let mesh = TriangleMesh {
///     vertices: vec![[0.0; 3], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]],
///     faces: vec![[0, 1, 2], [0, 3, 4]],
/// };
/// let repaired = repair(&mesh, &RepairOptions::default())?;
/// assert_eq!((repaired.vertices.len(), repaired.faces.len()), (6, 2));
/// assert_eq!(check_guarantees(6, &repaired.faces), Ok(()));
/// assert_eq!(repaired.log.copied_vertices, [[0, 1]]);
/// # Ok::<(), meshloom_tokenizer_core::MeshError>(())
/// ```
pub fn repair(mesh: &TriangleMesh, options: &RepairOptions) -> Result<Repaired> {
    if let Some(resolution) = options.resolution {
        let repaired = repair_on_grid(mesh, resolution, options)?;
        let centre = |p| dequantize(p, resolution);
        return Ok(Repaired {
            vertices: repaired.mesh.vertices.iter().map(centre).collect(),
            faces: repaired.mesh.faces,
            source_vertex: repaired.source_vertex,
            source_face: repaired.source_face,
            log: repaired.log,
        });
    }
    mesh.check()?;
    let parts = repair_points(&mesh.vertices, &mesh.faces, options)?;
    Ok(Repaired {
        vertices: parts.vertices,
        faces: parts.faces,
        source_vertex: parts.source_vertex,
        source_face: parts.source_face,
        log: parts.log,
    })
}

/// Quantises a mesh in `[-1, 1]` to `resolution` bins per axis and repairs it there; `options.resolution` is
/// not looked at.
pub fn repair_on_grid(
    mesh: &TriangleMesh,
    resolution: u32,
    options: &RepairOptions,
) -> Result<RepairedGrid> {
    if !RESOLUTIONS.contains(&resolution) {
        return Err(MeshError::InvalidInput(format!(
            "resolution {resolution}; give {} to {} bins per axis",
            RESOLUTIONS.start(),
            RESOLUTIONS.end()
        )));
    }
    mesh.check()?;
    mesh.check_range()?;
    let bins = |p| quantize(p, resolution);
    let points: Vec<GridPoint> = mesh.vertices.iter().map(bins).collect();
    repair_points(&points, &mesh.faces, options).map(RepairedGrid::from)
}

/// Repairs a mesh that is on the grid already; `options.resolution` is not looked at.
///
/// Refuses only faces that name missing vertices.
pub fn repair_grid_mesh(mesh: &GridMesh, options: &RepairOptions) -> Result<RepairedGrid> {
    mesh.check()?;
    repair_points(&mesh.vertices, &mesh.faces, options).map(RepairedGrid::from)
}

/// A result over any kind of position.
struct Parts<P> {
    vertices: Vec<P>,
    faces: Vec<Face>,
    source_vertex: Vec<u32>,
    source_face: Vec<u32>,
    log: RepairLog,
}

impl From<Parts<GridPoint>> for RepairedGrid {
    fn from(parts: Parts<GridPoint>) -> Self {
        Self {
            mesh: GridMesh {
                vertices: parts.vertices,
                faces: parts.faces,
            },
            source_vertex: parts.source_vertex,
            source_face: parts.source_face,
            log: parts.log,
        }
    }
}

fn repair_points<P: Point>(
    points: &[P],
    faces: &[Face],
    options: &RepairOptions,
) -> Result<Parts<P>> {
    let weld = if options.weld {
        Weld::by_position(points)
    } else {
        Weld::none(points.len())
    };
    let n_vertices = weld.source.len();
    let source = |vertex: u32| weld.source[vertex as usize];
    let point = |vertex: u32| points[source(vertex) as usize].normalised();
    let mut log = RepairLog {
        welded_vertices: weld.merged(),
        ..RepairLog::default()
    };

    let is_collinear = |corners: &Face| {
        let [a, b, c] = corners.map(point);
        options.drop_collinear && P::are_collinear(&a, &b, &c)
    };
    let mut triangles = Triangles::new(faces, &weld, is_collinear, &mut log);
    let given = triangles.is_turned.clone();

    let (mut edges, mut contested) = Edges::new(n_vertices, &triangles.corners);
    let n_crowded = contested.iter().count();
    orient::orient(&mut triangles, &mut edges, &mut contested);
    let mut cut = contested
        .iter()
        .map(|half_edges| triangles.ends(half_edges[0]).map(source));
    log.cut_edges = cut.by_ref().take(n_crowded).collect();
    log.cut_loops = cut.collect();

    let unit = power_of_two_near(points.iter().map(|p| p.to_real()));
    let position = |vertex: u32| point(vertex).to_real().map(|x| x / unit);
    if options.outward {
        outward::turn_outward(&mut triangles, &edges, &contested, position);
    }
    pair::pair_contested(&triangles, &mut edges, &contested, position);
    let mut fans = Fans::new(&triangles.corners, &edges);
    let detached = detach::detach(&mut edges, &contested, &fans);
    if !detached.is_empty() {
        fans = Fans::new(&triangles.corners, &edges);
    }
    if options.outward && !options.weld {
        // By index nothing is contested in the result, so that a second repair turns what hangs together now.
        outward::turn_outward(&mut triangles, &edges, &Contested::default(), position);
    }
    drop(edges);
    log.flipped_faces = (0..triangles.len())
        .filter(|&f| triangles.is_turned[f] != given[f])
        .map(|f| triangles.source[f])
        .collect();
    log.detached_faces = detached
        .iter()
        .map(|&corner| {
            let (f, slot) = (corner as usize / 3, corner as usize % 3);
            [triangles.source[f], source(triangles.corners[f][slot])]
        })
        .collect();

    let layout = if options.weld {
        Layout::canonical(&triangles, &fans, n_vertices)
    } else {
        Layout::of_input(&triangles, &fans, n_vertices, faces)
    };
    log.copied_vertices = layout
        .copied
        .iter()
        .map(|&[vertex, n]| [source(vertex), n])
        .collect();
    log.unreferenced_vertices = layout.unreferenced.iter().map(|&v| source(v)).collect();
    let parts = Parts {
        vertices: layout.classes.iter().map(|&v| point(v)).collect(),
        faces: layout.faces(&triangles, &fans),
        source_vertex: layout.classes.iter().map(|&v| source(v)).collect(),
        source_face: layout
            .first_corners
            .iter()
            .map(|&corner| triangles.source[corner as usize / 3])
            .collect(),
        log,
    };
    check_guarantees(parts.vertices.len(), &parts.faces).map_err(MeshError::RepairDefect)?;
    Ok(parts)
}

/// The power of two below the largest coordinate, or 1. Dividing by it is exact and keeps products finite.
fn power_of_two_near(positions: impl Iterator<Item = [f64; 3]>) -> f64 {
    let largest = positions
        .flatten()
        .fold(0.0_f64, |most, x| most.max(x.abs()));
    let power = f64::from_bits(largest.to_bits() & f64::INFINITY.to_bits());
    if power > 0.0 {
        power
    } else {
        1.0
    }
}
