//! Sorted faces, nine coordinates each (MeshGPT, arXiv 2311.15475; MeshXL, arXiv 2405.20853).
//!
//! Ids are bins. The tokens depend on positions and oriented triangles alone; with repair, which brings the
//! input into one order, they do so for coincident faces too. See [`order`] for what is sorted how.
//!
//! A mesh with repair is on the grid of the repair, which truncates; without, on that of MeshGPT's open
//! implementations, which rounds. They differ only for coordinates on a border between two bins.

pub mod grammar;
pub mod order;
pub mod quantize;

pub use order::Order;

use crate::mesh::grid_mesh::is_same_triangle;
use crate::mesh::quantize::dequantize;
use crate::mesh::{GridMesh, GridPoint};
use crate::repair::{RepairOptions, Repairs};
use crate::tokenizer::{Encoding, Grammar};
use crate::{MeshError, Result, Tokenizer, TriangleMesh};
use grammar::FaceSequenceGrammar;
use order::{order_faces, rank};

/// The tokenizer that writes the coordinates of every face.
#[derive(Debug, Clone)]
pub struct FaceSequence {
    resolution: u32,
    order: Order,
    repair: bool,
    drop_duplicates: bool,
}

impl Default for FaceSequence {
    fn default() -> Self {
        Self {
            resolution: 128,
            order: Order::default(),
            repair: true,
            drop_duplicates: false,
        }
    }
}

impl FaceSequence {
    /// A tokenizer for `resolution` bins per axis; `repair` makes the mesh manifold first, and
    /// `drop_duplicates` keeps one of several faces with the same positions.
    pub fn new(resolution: u32, order: Order, repair: bool, drop_duplicates: bool) -> Result<Self> {
        if !(2..=65_536).contains(&resolution) {
            return Err(MeshError::InvalidInput(format!(
                "resolution {resolution}; give 2 to 65536 bins per axis"
            )));
        }
        Ok(Self {
            resolution,
            order,
            repair,
            drop_duplicates,
        })
    }

    /// In which order vertices and faces are written.
    pub fn order(&self) -> Order {
        self.order
    }

    /// Whether the mesh is repaired first.
    pub fn does_repair(&self) -> bool {
        self.repair
    }

    /// Whether only one of several faces with the same positions is written.
    pub fn drops_duplicates(&self) -> bool {
        self.drop_duplicates
    }

    fn on_grid(&self, repairs: &Repairs) -> Result<GridMesh> {
        if self.repair {
            let repaired = repairs.on_grid(self.resolution, &RepairOptions::default())?;
            return Ok(repaired.mesh.clone());
        }
        let mesh = repairs.mesh();
        mesh.check()?;
        mesh.check_range()?;
        Ok(GridMesh {
            vertices: quantize::quantize(mesh, self.resolution),
            faces: mesh.faces.clone(),
        })
    }

    /// The complete faces before the first id that is no bin, on the axes of the input.
    fn triangles(&self, tokens: &[i32]) -> Vec<[GridPoint; 3]> {
        let bins = 0..self.resolution as i32;
        let end = tokens.iter().position(|id| !bins.contains(id));
        tokens[..end.unwrap_or(tokens.len())]
            .chunks_exact(9)
            .map(|ids| [0, 3, 6].map(|i| self.order.to_input([ids[i], ids[i + 1], ids[i + 2]])))
            .collect()
    }
}

impl Tokenizer for FaceSequence {
    fn encode_sharing(&self, repairs: &Repairs) -> Result<Encoding> {
        let mut mesh = self.on_grid(repairs)?;
        let ordered = order_faces(&mut mesh, self.order, self.drop_duplicates);
        let tokens: Vec<i32> = ordered.triangles.as_flattened().as_flattened().to_vec();
        let given = |f: &u32| mesh.faces[*f as usize].map(|v| mesh.vertices[v as usize]);
        let read = self.triangles(&tokens);
        let exact = read.len() == mesh.faces.len()
            && (ordered.face_order.iter().zip(read))
                .all(|(f, read)| is_same_triangle(read, given(f)));
        Ok(Encoding {
            exact,
            statistics: vec![
                ("n_positions", ordered.n_positions as i64),
                ("n_degenerate_faces", ordered.n_degenerate as i64),
                ("n_duplicate_faces", ordered.n_duplicates as i64),
            ],
            tokens,
            face_order: ordered.face_order,
            mesh,
        })
    }

    /// Equal positions are one vertex; vertices come in the order of the sequence.
    fn decode(&self, tokens: &[i32]) -> Result<TriangleMesh> {
        let corners = self.triangles(tokens).concat();
        let points: Vec<GridPoint> = corners.iter().map(|&p| self.order.to_sequence(p)).collect();
        let ranks = rank(&points);
        Ok(TriangleMesh {
            vertices: ranks
                .positions
                .iter()
                .map(|&p| dequantize(&self.order.to_input(p), self.resolution))
                .collect(),
            faces: ranks
                .of_point
                .chunks_exact(3)
                .map(|face| [face[0], face[1], face[2]])
                .collect(),
        })
    }

    fn resolution(&self) -> u32 {
        self.resolution
    }

    fn vocab_size(&self) -> u32 {
        self.resolution
    }

    fn grammar(&self) -> Box<dyn Grammar> {
        Box::new(FaceSequenceGrammar::new(self.order, self.resolution))
    }

    fn describe(&self, token: i32) -> String {
        if (0..self.resolution as i32).contains(&token) {
            format!("coordinate {token}")
        } else {
            "no id of this vocabulary".to_string()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two_triangles() -> TriangleMesh {
        TriangleMesh {
            vertices: vec![
                [-0.5, 0.0, 0.0],
                [0.5, 0.0, 0.0],
                [0.0, 0.9, 0.0],
                [0.0, -0.9, 0.3],
            ],
            faces: vec![[0, 1, 2], [1, 0, 3], [0, 0, 3]],
        }
    }

    #[test]
    fn what_is_decoded_are_the_same_oriented_triangles() {
        for order in [Order::MeshGpt, Order::MeshXl] {
            for repair in [false, true] {
                let tokenizer = FaceSequence::new(128, order, repair, false).unwrap();
                let encoding = tokenizer.encode(&two_triangles()).unwrap();
                assert!(encoding.exact);
                assert_eq!(encoding.tokens.len(), 18);
                let decoded = tokenizer.decode(&encoding.tokens).unwrap();
                assert_eq!(decoded.vertices.len(), 4);
                assert!(crate::tokenizer::decodes_to(
                    &tokenizer,
                    &encoding.tokens,
                    &encoding.mesh
                ));
                let mut state = tokenizer.grammar();
                encoding
                    .tokens
                    .iter()
                    .for_each(|&token| state.advance(token).unwrap());
                assert!(state.can_end());
            }
        }
    }

    #[test]
    fn a_sequence_that_breaks_off_keeps_its_complete_faces() {
        let tokenizer = FaceSequence::default();
        let tokens = tokenizer.encode(&two_triangles()).unwrap().tokens;
        let n_faces = |tokens: &[i32]| tokenizer.decode(tokens).unwrap().faces.len();
        assert_eq!(n_faces(&tokens[..17]), 1);
        assert_eq!(n_faces(&[&tokens[..9], &[128], &tokens[9..]].concat()), 1);
        assert_eq!(n_faces(&[&[-1], &tokens[..]].concat()), 0);
    }
}
