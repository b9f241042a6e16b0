//! What a repair did, by the indices of the input.

/// Every change of a repair. Vertices and faces are named by their index in the input; a vertex or face that
/// stands for several is named by the lowest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RepairLog {
    /// Vertices merged into another one: vertex, the one that stands for it.
    pub welded_vertices: Vec<[u32; 2]>,
    /// Vertices left out because no remaining face uses them.
    pub unreferenced_vertices: Vec<u32>,
    /// Faces dropped because a corner occurs twice.
    pub degenerate_faces: Vec<u32>,
    /// Faces dropped because their corners lie on a line.
    pub collinear_faces: Vec<u32>,
    /// Faces dropped because another has the same corners: face, the one that stays.
    pub duplicate_faces: Vec<[u32; 2]>,
    /// Edges of more than two faces, by their two vertices.
    pub cut_edges: Vec<[u32; 2]>,
    /// Edges of two faces cut because a loop of faces across them turns the surface over.
    pub cut_loops: Vec<[u32; 2]>,
    /// Corners separated from all their neighbours because two faces shared both ends of a cut edge:
    /// face, vertex.
    pub detached_faces: Vec<[u32; 2]>,
    /// Vertices with copies: vertex, number of copies besides itself.
    pub copied_vertices: Vec<[u32; 2]>,
    /// Faces turned over.
    pub flipped_faces: Vec<u32>,
}

impl RepairLog {
    /// Whether nothing was done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Number of faces left out.
    pub fn n_dropped_faces(&self) -> usize {
        self.degenerate_faces.len() + self.collinear_faces.len() + self.duplicate_faces.len()
    }

    /// Number of vertices added.
    pub fn n_copies(&self) -> usize {
        self.copied_vertices.iter().map(|&[_, n]| n as usize).sum()
    }
}
