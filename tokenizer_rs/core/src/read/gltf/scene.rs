//! Triangles of a glTF scene in world coordinates.
//!
//! World matrices are computed once, from the roots down, so that a chain of a thousand nodes costs a thousand
//! products. glTF asks for a forest: a node below two parents, or below itself, is an error.
//!
//! A small file can ask for much work, since primitives share accessors and nodes share meshes. Every corner
//! that is read is charged to a budget, every triangle that is kept to the limit.

use std::borrow::Cow;

use super::accessor::{item, Arrays};
use super::document::{Document, Mesh, Node, Object, Primitive, Real};
use super::draco;
use crate::mesh::Face;
use crate::read::triangles::{check_finite, check_indices, max_triangles};
use crate::read::{LoadedMesh, ReadLimits};
use crate::{MeshError, Result, TriangleMesh};

const TRIANGLES: u32 = 4;
const STRIP: u32 = 5;
const FAN: u32 = 6;

/// Rows first, to be applied to column vectors.
type Matrix = [[f64; 4]; 4];

const IDENTITY: Matrix = [
    [1.0, 0.0, 0.0, 0.0],
    [0.0, 1.0, 0.0, 0.0],
    [0.0, 0.0, 1.0, 0.0],
    [0.0, 0.0, 0.0, 1.0],
];

/// Reads the triangles of the default scene. Parts are the distinct primitives in it.
pub fn read(document: &Document, buffers: &[Cow<[u8]>], limits: &ReadLimits) -> Result<LoadedMesh> {
    let meshes = document.meshes.as_deref().unwrap_or_default();
    let mut reader = Reader {
        arrays: Arrays { document, buffers },
        limits,
        max_triangles: max_triangles(limits),
        n_corners_read: 0,
        new_index: Vec::new(),
    };
    let mut parts: Vec<Option<Part>> = Vec::new();
    parts.resize_with(meshes.len(), || None);
    let mut n_geometries = 0;
    let mut n_unreferenced: usize = 0;
    let mut placed = TriangleMesh::default();
    for (mesh_index, world) in placed_meshes(document)? {
        let mesh = item(meshes, mesh_index, "mesh")?;
        let n_left = reader.max_triangles - placed.faces.len();
        let slot = &mut parts[mesh_index as usize];
        let part = match slot {
            Some(part) => part,
            None => {
                let part = reader.part(mesh, n_left)?;
                n_geometries += part.n_primitives;
                slot.insert(part)
            }
        };
        if part.mesh.faces.len() > n_left {
            return Err(reader.too_many());
        }
        n_unreferenced = n_unreferenced.saturating_add(part.n_unreferenced);
        place(&part.mesh, &world, &mut placed);
    }
    if placed.faces.is_empty() {
        return Err(MeshError::NoTriangles {
            n_vertices: n_unreferenced,
        });
    }
    check_finite(&placed.vertices)?;
    Ok(LoadedMesh {
        mesh: placed,
        n_geometries,
        n_unreferenced,
    })
}

/// Appends one instance of a mesh.
fn place(mesh: &TriangleMesh, world: &Matrix, placed: &mut TriangleMesh) {
    // The limit on triangles keeps three times as many vertices within 32 bits.
    let first = placed.vertices.len() as u32;
    let [x, y, z, _] = world;
    let apply =
        |row: &[f64; 4], p: &[f64; 3]| row[0] * p[0] + row[1] * p[1] + row[2] * p[2] + row[3];
    let points = mesh.vertices.iter();
    placed
        .vertices
        .extend(points.map(|p| [apply(x, p), apply(y, p), apply(z, p)]));
    // A mirror turns every face inside out.
    let is_mirrored = determinant(world) < 0.0;
    let faces = mesh.faces.iter().map(|&[a, b, c]| {
        let [a, c] = if is_mirrored { [c, a] } else { [a, c] };
        [a + first, b + first, c + first]
    });
    placed.faces.extend(faces);
}

/// Mesh index and world matrix of every node of the default scene that has a mesh, depth first.
fn placed_meshes(document: &Document) -> Result<Vec<(u32, Matrix)>> {
    let nodes = document.nodes.as_deref().unwrap_or_default();
    let mut placed = Vec::new();
    let mut is_seen = vec![false; nodes.len()];
    let mut waiting = Vec::new();
    push_nodes(
        &roots(document, nodes)?,
        &IDENTITY,
        nodes,
        &mut is_seen,
        &mut waiting,
    )?;
    while let Some((node, world)) = waiting.pop() {
        if let Some(mesh) = node.mesh {
            if node.extensions.gpu_instancing.is_some() {
                return Err(MeshError::NeedsDecoder(
                    "uses EXT_mesh_gpu_instancing".into(),
                ));
            }
            placed.push((mesh, world));
        }
        push_nodes(&node.children, &world, nodes, &mut is_seen, &mut waiting)?;
    }
    Ok(placed)
}

/// Adds nodes with their world matrices, so that the first is taken first.
fn push_nodes<'a>(
    indices: &[u32],
    above: &Matrix,
    nodes: &'a [Object<Node>],
    is_seen: &mut [bool],
    waiting: &mut Vec<(&'a Node, Matrix)>,
) -> Result<()> {
    for &index in indices.iter().rev() {
        let node: &Node = item(nodes, index, "node")?;
        if std::mem::replace(&mut is_seen[index as usize], true) {
            return Err(MeshError::Load(format!(
                "node {index} lies below two nodes or below itself; export it again"
            )));
        }
        waiting.push((node, product(above, &local_matrix(node))));
    }
    Ok(())
}

/// Nodes of the default scene; of the first where none is named; all roots where there is no scene.
fn roots<'a>(document: &'a Document, nodes: &[Object<Node>]) -> Result<Cow<'a, [u32]>> {
    let scenes = document.scenes.as_deref().unwrap_or_default();
    if !scenes.is_empty() || document.scene.is_some() {
        let scene = item(scenes, document.scene.unwrap_or(0), "scene")?;
        return Ok(Cow::Borrowed(&scene.nodes));
    }
    let mut is_root = vec![true; nodes.len()];
    for &child in nodes.iter().flat_map(|node| &node.children) {
        if let Some(is_root) = is_root.get_mut(child as usize) {
            *is_root = false;
        }
    }
    let indices = (0..).zip(is_root).filter(|&(_, is_root)| is_root);
    Ok(indices.map(|(index, _)| index).collect())
}

/// Matrix of one node, from its matrix or its translation, rotation and scale.
fn local_matrix(node: &Node) -> Matrix {
    if let Some(columns) = &node.matrix {
        let mut matrix = IDENTITY;
        for (i, value) in columns.iter().enumerate() {
            matrix[i % 4][i / 4] = value.0;
        }
        return matrix;
    }
    let values = |of: &Option<Box<[Real; 3]>>, default: f64| {
        of.as_ref().map_or([default; 3], |v| v.map(|x| x.0))
    };
    let scale = values(&node.scale, 1.0);
    let translation = values(&node.translation, 0.0);
    let mut matrix = rotation_matrix(node.rotation.as_ref().map(|v| v.map(|x| x.0)));
    for (row, shift) in matrix.iter_mut().zip(translation) {
        for (entry, factor) in row.iter_mut().zip(scale) {
            *entry *= factor;
        }
        row[3] = shift;
    }
    matrix
}

/// Matrix of a quaternion (x, y, z, w) of any length; one of zeros means no rotation to every viewer.
fn rotation_matrix(quaternion: Option<[f64; 4]>) -> Matrix {
    let Some([x, y, z, w]) = quaternion else {
        return IDENTITY;
    };
    let length = x * x + y * y + z * z + w * w;
    let s = if length == 0.0 { 0.0 } else { 2.0 / length };
    [
        [
            1.0 - s * (y * y + z * z),
            s * (x * y - z * w),
            s * (x * z + y * w),
            0.0,
        ],
        [
            s * (x * y + z * w),
            1.0 - s * (x * x + z * z),
            s * (y * z - x * w),
            0.0,
        ],
        [
            s * (x * z - y * w),
            s * (y * z + x * w),
            1.0 - s * (x * x + y * y),
            0.0,
        ],
        [0.0, 0.0, 0.0, 1.0],
    ]
}

fn product(a: &Matrix, b: &Matrix) -> Matrix {
    let entry = |i: usize, j: usize| (0..4).map(|k| a[i][k] * b[k][j]).sum();
    std::array::from_fn(|i| std::array::from_fn(|j| entry(i, j)))
}

/// Determinant of the linear part.
fn determinant([a, b, c, _]: &Matrix) -> f64 {
    a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
        + a[2] * (b[0] * c[1] - b[1] * c[0])
}

/// The triangles of one mesh of the document, in its own coordinates, without unreferenced vertices.
struct Part {
    mesh: TriangleMesh,
    n_primitives: usize,
    n_unreferenced: usize,
}

struct Reader<'a> {
    arrays: Arrays<'a>,
    limits: &'a ReadLimits,
    max_triangles: usize,
    /// Corners read so far, kept or not.
    n_corners_read: u64,
    /// New index of every vertex of the current primitive, `UNUSED` where it has none; kept between
    /// primitives, since many may share the vertices of which each uses few.
    new_index: Vec<u32>,
}

const UNUSED: u32 = u32::MAX;

impl Reader<'_> {
    fn part(&mut self, mesh: &Mesh, n_left: usize) -> Result<Part> {
        let mut part = Part {
            mesh: TriangleMesh::default(),
            n_primitives: 0,
            n_unreferenced: 0,
        };
        for primitive in &mesh.primitives {
            let mode = primitive.mode.unwrap_or(TRIANGLES);
            if ![TRIANGLES, STRIP, FAN].contains(&mode) {
                continue;
            }
            let Some(position) = primitive.attributes.position else {
                continue;
            };
            part.n_primitives += 1;
            self.primitive(primitive, mode, position, &mut part)?;
            if part.mesh.faces.len() > n_left {
                return Err(self.too_many());
            }
        }
        Ok(part)
    }

    fn primitive(
        &mut self,
        primitive: &Primitive,
        mode: u32,
        position: u32,
        part: &mut Part,
    ) -> Result<()> {
        if let Some(draco) = &primitive.extensions.draco {
            // Beside the compressed form there may be a plain one, which is the safer.
            if !self.arrays.is_stored(position)? {
                let (points, corners) =
                    draco::decode(draco, self.arrays, self.max_triangles, self.limits)?;
                self.charge((points.len() + corners.len()) as u64)?;
                return self.append(&corners, points.len(), |row| points[row], part);
            }
        }
        let (n_points, n_sparse) = self.arrays.counts(position)?;
        self.charge(n_sparse)?;
        let rows = self.arrays.positions(position)?;
        let indices = match primitive.indices {
            None => {
                self.charge(n_corners(n_points, mode))?;
                (0..rows.count as u32).collect()
            }
            Some(indices) => {
                let (n_indices, n_sparse) = self.arrays.counts(indices)?;
                self.charge(n_corners(n_indices, mode).saturating_add(n_sparse))?;
                self.arrays.indices(indices)?
            }
        };
        check_indices(&indices, rows.count)?;
        let corners = triangle_corners(indices, mode);
        self.append(&corners, rows.count, |row| rows.point(row), part)
    }

    /// Appends triangles with the vertices that they use, in the order of the file.
    fn append(
        &mut self,
        corners: &[u32],
        n_points: usize,
        point: impl Fn(usize) -> [f64; 3],
        part: &mut Part,
    ) -> Result<()> {
        check_indices(corners, n_points)?;
        let mut used = corners.to_vec();
        if self.new_index.len() < n_points {
            self.new_index.resize(n_points, UNUSED);
        }
        // Sorted without sorting where most are used: marked, then collected.
        if corners.len() >= n_points {
            used.clear();
            for &corner in corners {
                self.new_index[corner as usize] = 0;
            }
            used.extend((0..n_points as u32).filter(|&v| self.new_index[v as usize] == 0));
        } else {
            used.sort_unstable();
            used.dedup();
        }
        let first = part.mesh.vertices.len() as u32;
        for (new, &v) in (first..).zip(&used) {
            self.new_index[v as usize] = new;
        }
        part.mesh
            .vertices
            .extend(used.iter().map(|&v| point(v as usize)));
        let (faces, _) = corners.as_chunks::<3>();
        let renumber = |face: &Face| face.map(|v| self.new_index[v as usize]);
        part.mesh.faces.extend(faces.iter().map(renumber));
        for &v in &used {
            self.new_index[v as usize] = UNUSED;
        }
        part.n_unreferenced = part.n_unreferenced.saturating_add(n_points - used.len());
        Ok(())
    }

    fn charge(&mut self, n_corners: u64) -> Result<()> {
        self.n_corners_read = self.n_corners_read.saturating_add(n_corners);
        if self.n_corners_read > 3 * self.max_triangles as u64 {
            return Err(self.too_many());
        }
        Ok(())
    }

    fn too_many(&self) -> MeshError {
        MeshError::TooManyTriangles {
            limit: self.max_triangles,
        }
    }
}

/// Corners of the triangles that so many indices give.
fn n_corners(n_indices: u64, mode: u32) -> u64 {
    match mode {
        TRIANGLES => n_indices,
        _ => n_indices.saturating_sub(2).saturating_mul(3),
    }
}

/// Corners of the triangles of a list, strip or fan; a rest too short for a triangle is dropped.
fn triangle_corners(mut indices: Vec<u32>, mode: u32) -> Vec<u32> {
    match mode {
        TRIANGLES => {
            indices.truncate(indices.len() / 3 * 3);
            indices
        }
        FAN => {
            let spokes = indices.get(1..).unwrap_or_default().windows(2);
            spokes
                .flat_map(|pair| [indices[0], pair[0], pair[1]])
                .collect()
        }
        _ => {
            let triangles = indices.windows(3).enumerate().map(|(i, window)| {
                let [a, b, c] = [window[0], window[1], window[2]];
                // Every second triangle of a strip is turned over.
                if i % 2 == 0 {
                    [a, b, c]
                } else {
                    [b, a, c]
                }
            });
            // Strips are glued together by triangles without area.
            let is_glue = |[a, b, c]: &Face| a == b || b == c || a == c;
            triangles.filter(|face| !is_glue(face)).flatten().collect()
        }
    }
}
