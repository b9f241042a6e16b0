//! What can happen at the gate.

use crate::mesh::GridPoint;

/// Which node of the active ring closes a face over the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offset {
    /// So many steps after `f`.
    Ahead(u32),
    /// So many steps before `p`.
    Behind(u32),
}

/// One step of building a surface.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// A new vertex: over the gate, or of a component's first face. `valence` counts its edges in scheme V,
    /// those to dummies among them, and is 0 in scheme D.
    Vertex {
        /// Where it lies.
        position: GridPoint,
        /// Number of its edges.
        valence: u32,
    },
    /// The gate lies on a boundary loop of so many edges, whose dummy vertex is now added; scheme V only.
    Loop {
        /// Number of its edges.
        length: u32,
    },
    /// The third corner is the successor of `f`, and `f` is complete; scheme D only.
    CloseAhead,
    /// The third corner is the predecessor of `p`, and `p` is complete; scheme D only.
    CloseBehind,
    /// The gate lies on the boundary; scheme D only.
    Boundary,
    /// All that is left of the ring lies on the boundary.
    Leave,
    /// The third corner stands elsewhere in the ring; `n_free` of its free edges (0 in scheme D) lie on the
    /// side of `f`.
    Split {
        /// Where it stands.
        offset: Offset,
        /// Free edges on the side of `f`.
        n_free: u32,
    },
    /// The third corner stands in another open ring.
    Merge {
        /// How many open rings were stacked after that one.
        depth: u32,
        /// Steps after the end `f` of that ring's gate.
        offset: u32,
        /// Free edges on the side of `f`.
        n_free: u32,
    },
}
