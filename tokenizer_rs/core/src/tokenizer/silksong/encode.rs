//! Mesh to tokens by the published rules: clean, repair, orient, walk the layers, write.

use super::between_layer;
use super::in_layer;
use super::layers::{walk, Places};
use super::rings::Rings;
use super::statistics::{compression_rate, RowLengths, Statistics};
use super::vocabulary::{Vocabulary, COMPONENT, COMPONENT_END, LAYER_END};
use super::Silksong;
use crate::mesh::clean::clean;
use crate::mesh::components::{components, yzx, Components};
use crate::mesh::half_edge::HalfEdges;
use crate::mesh::{Face, GridPoint};
use crate::repair::silksong::{orient, repair};
use crate::{MeshError, Result, TriangleMesh};

/// Tokens of a mesh, and the repaired mesh they describe.
#[derive(Debug, Clone, Default)]
pub struct Encoding {
    /// Token ids without end or padding.
    pub tokens: Vec<i32>,
    /// What was found on the way.
    pub statistics: Statistics,
    /// Grid positions: one per input vertex, then the copies.
    pub vertices: Vec<GridPoint>,
    /// Faces after cleaning.
    pub clean_faces: Vec<Face>,
    /// Faces after the repair, before any was turned.
    pub repaired_faces: Vec<Face>,
    /// Faces after orienting.
    pub faces: Vec<Face>,
    /// Component of each face.
    pub component_ids: Vec<u32>,
    /// Which components are tokenised.
    pub component_valid: Vec<bool>,
    /// Faces sorted by component, then by centre.
    pub face_order: Vec<u32>,
    /// Vertices in token order.
    pub sequence_vertices: Vec<u32>,
    /// Layer of each vertex in token order.
    pub sequence_layers: Vec<u32>,
    /// Component of each vertex in token order.
    pub sequence_components: Vec<u32>,
}

/// Encodes a mesh as the published tokenizer does.
pub fn encode(tokenizer: &Silksong, mesh: &TriangleMesh) -> Result<Encoding> {
    let limits = tokenizer.limits();
    let vocabulary = tokenizer.vocabulary();
    mesh.check()?;
    mesh.check_range()?;
    if limits.max_raw_faces > 0 && mesh.faces.len() > limits.max_raw_faces {
        return Err(MeshError::TooManyFacesRaw {
            found: mesh.faces.len(),
            limit: limits.max_raw_faces,
        });
    }
    let no_component = MeshError::NoValidComponent {
        min_faces: limits.min_component_faces,
    };
    let cleaned = clean(mesh, vocabulary.resolution());
    if cleaned.faces.is_empty() {
        return Err(no_component);
    }
    let repaired = repair(
        &cleaned.vertices,
        &cleaned.faces,
        cleaned.half_edges,
        limits,
    )?;
    repaired.half_edges.check_manifold(&repaired.faces)?;
    let mut faces = repaired.faces.clone();
    let mut half_edges = repaired.half_edges;
    let n_turned = orient(&mut faces, &mut half_edges)?;
    let parts = components(&repaired.vertices, &faces, repaired.surfaces)?;

    let component_valid: Vec<bool> = (0..parts.len())
        .map(|c| parts.faces(c).len() >= limits.min_component_faces)
        .collect();
    let invalid = || (0..parts.len()).filter(|&c| !component_valid[c]);
    let n_invalid_faces: usize = invalid().map(|c| parts.faces(c).len()).sum();
    let n_invalid_vertices: usize = invalid().map(|c| parts.n_vertices[c]).sum();
    let n_faces = faces.len() - n_invalid_faces;
    if n_faces > limits.max_faces {
        return Err(MeshError::TooManyFaces {
            found: n_faces,
            limit: limits.max_faces,
        });
    }
    if n_faces == 0 {
        return Err(no_component);
    }
    let n_distinct = mesh.vertices.len() - cleaned.n_merged_vertices;
    let mut encoding = Encoding {
        statistics: Statistics {
            vert_num: mesh.vertices.len() + repaired.n_copies,
            face_num: mesh.faces.len(),
            vert_num_process: n_distinct + repaired.n_copies - n_invalid_vertices,
            face_num_process: n_faces,
            cc_num: parts.len(),
            cc_num_valid: component_valid.iter().filter(|&&valid| valid).count(),
            cc_num_pre: repaired.n_labels,
            cc_num_pre_all: repaired.n_label_elements,
            max_edge_num: repaired.max_link_edges,
            flipped_face: n_turned,
            nonmani_gen: repaired.n_copies,
            nonmani_face: repaired.n_non_manifold_vertices,
            merge_repeat_verts: cleaned.n_merged_vertices,
            replace_facevert_num: cleaned.n_replaced_faces,
            degraded_face_num: cleaned.n_degenerate_faces,
            move_repeat_face_num: cleaned.n_repeated_faces,
            cc_invalid_vert_num: n_invalid_vertices,
            cc_invalid_face_num: n_invalid_faces,
            resolution: vocabulary.resolution(),
            ..Statistics::default()
        },
        vertices: repaired.vertices,
        clean_faces: cleaned.faces,
        repaired_faces: repaired.faces,
        faces,
        component_valid,
        ..Encoding::default()
    };
    write_components(tokenizer, &half_edges, &parts, &mut encoding)?;
    encoding.component_ids = parts.of_face;
    encoding.face_order = parts.face_order;
    let n_tokens = encoding.tokens.len();
    if limits.max_tokens > 0 && n_tokens > limits.max_tokens {
        return Err(MeshError::TokenLimit {
            found: n_tokens,
            limit: limits.max_tokens,
        });
    }
    encoding.statistics.token_length = n_tokens;
    encoding.statistics.compression_rate = compression_rate(n_tokens, n_faces);
    Ok(encoding)
}

fn write_components(
    tokenizer: &Silksong,
    half_edges: &HalfEdges,
    parts: &Components,
    encoding: &mut Encoding,
) -> Result<()> {
    let limits = tokenizer.limits();
    let faces = std::mem::take(&mut encoding.faces);
    let rings = Rings::new(
        encoding.vertices.len(),
        &faces,
        half_edges,
        &parts.face_order,
        limits.ring_length,
    );
    let mut places = Places::new(encoding.vertices.len());
    let mut walks = Vec::with_capacity(parts.len());
    for c in 0..parts.len() {
        let start = start_half_edge(&faces[parts.faces(c)[0] as usize], &encoding.vertices);
        encoding.statistics.start_half_edges.push(start);
        if !encoding.component_valid[c] {
            encoding.statistics.cc_max_layer.push(-1);
            continue;
        }
        let layers = walk(start[0], c as u32, &rings, &mut places, limits.layer_number)?;
        let statistics = &mut encoding.statistics;
        statistics.cc_max_layer.push(layers.len() as i32 - 1);
        statistics.max_l = statistics.max_l.max(layers.len() - 1);
        let longest = layers.iter().skip(1).map(Vec::len).max().unwrap_or(0);
        statistics.max_lv = statistics.max_lv.max(longest);
        walks.push((c as u32, layers));
    }
    let found = encoding.statistics.max_lv;
    if found > limits.layer_vertices {
        return Err(MeshError::LayerVertexLimit {
            found,
            limit: limits.layer_vertices,
        });
    }
    let mut writer = Writer {
        vocabulary: tokenizer.vocabulary(),
        rings,
        places,
        offsets: Vec::new(),
        columns: Vec::new(),
        rows: RowLengths::default(),
    };
    for (component, layers) in &walks {
        writer.write(*component, layers, encoding)?;
    }
    writer.rows.write(&mut encoding.statistics.token_statistic);
    encoding.faces = faces;
    Ok(())
}

/// The lowest corner (y, then z, then x) of a face and its successor.
fn start_half_edge(face: &Face, vertices: &[GridPoint]) -> [u32; 2] {
    let mut j = 0;
    for k in 1..3 {
        if yzx(&vertices[face[k] as usize]) < yzx(&vertices[face[j] as usize]) {
            j = k;
        }
    }
    [face[j], face[(j + 1) % 3]]
}

struct Writer<'a> {
    vocabulary: &'a Vocabulary,
    rings: Rings,
    places: Places,
    /// In-layer offsets and between-layer columns of the vertex at hand.
    offsets: Vec<usize>,
    columns: Vec<u32>,
    rows: RowLengths,
}

impl Writer<'_> {
    fn write(&mut self, component: u32, layers: &[Vec<u32>], out: &mut Encoding) -> Result<()> {
        out.tokens.push(COMPONENT);
        for (k, layer) in layers.iter().enumerate() {
            let n_vertices = out.sequence_vertices.len() + layer.len();
            out.sequence_vertices.extend_from_slice(layer);
            out.sequence_layers.resize(n_vertices, k as u32);
            out.sequence_components.resize(n_vertices, component);
            for (i, &v) in layer.iter().enumerate() {
                self.vocabulary
                    .push_position(&out.vertices[v as usize], &mut out.tokens);
                if k > 0 {
                    self.sort_ring(v, k as u32, i, layer.len())?;
                    self.write_in_layer(layer.len(), &mut out.tokens);
                    self.write_between_layers(&mut out.tokens);
                }
            }
            let is_last = k + 1 == layers.len();
            out.tokens
                .push(if is_last { COMPONENT_END } else { LAYER_END });
        }
        Ok(())
    }

    /// Finds the neighbours of vertex `v`, number `i` of the `n` in layer `k`, in that layer and the one before.
    fn sort_ring(&mut self, v: u32, k: u32, i: usize, n: usize) -> Result<()> {
        self.offsets.clear();
        self.columns.clear();
        for &neighbour in self.rings.ring(v)? {
            let (layer, position) = self.places.of(neighbour);
            if layer == k {
                let ahead = position as usize + n - i - 1;
                self.offsets.push(if ahead < n { ahead } else { ahead - n });
            } else if layer == k - 1 {
                self.columns.push(position);
            }
        }
        self.offsets.sort_unstable();
        self.columns.sort_unstable();
        Ok(())
    }

    fn write_in_layer(&mut self, n: usize, tokens: &mut Vec<i32>) {
        let (bits, extra) = in_layer::encode_row(n, &self.offsets);
        tokens.push(self.vocabulary.head(bits));
        tokens.extend(extra.iter().map(|&d| self.vocabulary.offset(d)));
        self.rows.in_layers.count(1 + extra.len());
    }

    fn write_between_layers(&mut self, tokens: &mut Vec<i32>) {
        let n_before = tokens.len();
        between_layer::encode_row(&self.columns, |c, code| {
            tokens.push(self.vocabulary.between(c, code));
        });
        self.rows.between_layers.count(tokens.len() - n_before);
    }
}

impl Encoding {
    /// Whether every component was found to decode to its faces, and none was left out. The reference level does
    /// not look.
    pub fn is_exact(&self) -> bool {
        let round_trip = self.statistics.round_trip;
        round_trip.is_some_and(|found| found.n_inexact_components == 0)
            && self.component_valid.iter().all(|&valid| valid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repair::Repairs;
    use crate::testing::cube;
    use crate::{Limits, Tokenizer};

    #[test]
    fn the_published_cube() {
        let (vertices, faces) = cube();
        let encoding = Silksong::reference()
            .encode_in_detail(&Repairs::new(&TriangleMesh { vertices, faces }))
            .unwrap();
        assert_eq!(
            encoding.tokens[..9],
            [0, 5659, 6990, 1, 6107, 9294, 208, 460, 5666]
        );
        assert_eq!(encoding.tokens.len(), 34);
        assert_eq!(encoding.statistics.compression_rate, "31.48 %");
        let decoded = Silksong::reference().decode(&encoding.tokens).unwrap();
        assert_eq!((decoded.vertices.len(), decoded.faces.len()), (8, 12));
    }

    #[test]
    fn a_cone_over_a_complete_graph_ends_within_its_budget() {
        // Apex 0 over the complete graph on ten nodes: 45 faces whose link has half a million cycles.
        let mut mesh = TriangleMesh {
            vertices: vec![[0.0, 0.9, 0.0]],
            faces: Vec::new(),
        };
        for i in 0..10_u32 {
            let angle = f64::from(i) * 0.628;
            mesh.vertices
                .push([angle.cos() * 0.9, -0.9, angle.sin() * 0.9]);
            mesh.faces.extend((1..=i).map(|j| [0, i + 1, j]));
        }
        for steps in [0, 1_000, 5_000_000] {
            let mut limits = Limits::default();
            limits.set("cycle_search_steps", steps).unwrap();
            let vertices: Vec<_> = mesh
                .vertices
                .iter()
                .map(|p| crate::mesh::quantize::quantize(p, 128))
                .collect();
            let half_edges = HalfEdges::new(vertices.len(), &mesh.faces);
            match repair(&vertices, &mesh.faces, half_edges, &limits) {
                Ok(repaired) => assert!(repaired.n_copies > 0),
                Err(error) => assert!(error.code().starts_with("NM_"), "{error}"),
            }
        }
    }
}
