//! Tokens to mesh, by the published rules.
//!
//! Each closed layer gives faces inside itself and faces to the layer before. A sequence that breaks off or
//! stops making sense keeps what was decoded so far.

use super::between_layer;
use super::cycle_basis::triangles;
use super::in_layer::InLayer;
use super::sequence::{Event, Events};
use super::Silksong;
use crate::mesh::clean::{first_of_equal, sorted};
use crate::mesh::quantize::dequantize;
use crate::mesh::{Face, GridPoint};
use crate::{Result, TriangleMesh};

/// Decodes a sequence as the published tokenizer does.
pub fn decode(tokenizer: &Silksong, tokens: &[i32]) -> Result<TriangleMesh> {
    let vocabulary = tokenizer.vocabulary();
    let mut decoder = Decoder {
        vertices: Vec::new(),
        faces: Vec::new(),
        layer: Layer::default(),
        last: Previous::default(),
        layer_index: 0,
        layer_vertices: vocabulary.layer_vertices(),
    };
    for event in Events::new(vocabulary, tokens) {
        match event? {
            Event::Component => decoder.begin_component(),
            Event::LayerEnd => {
                if !decoder.close_layer() {
                    break;
                }
            }
            Event::Vertex(point) => decoder.push_vertex(point),
            Event::InLayer(value) => {
                if let Some(row) = decoder.layer.rows.last_mut() {
                    row.in_layer.push(value);
                }
            }
            Event::BetweenLayer(column, code) => {
                if let Some(row) = decoder.layer.rows.last_mut() {
                    row.between_layers.push((column, code));
                }
            }
        }
    }

    // A triangle may be found both inside a layer and between two: the first stands.
    let keys: Vec<Face> = decoder.faces.iter().map(sorted).collect();
    let first = first_of_equal(&keys);
    let faces = (0..keys.len())
        .filter(|&f| first[f] as usize == f)
        .map(|f| decoder.faces[f]);
    Ok(TriangleMesh {
        faces: faces.collect(),
        vertices: decoder
            .vertices
            .iter()
            .map(|p| dequantize(p, vocabulary.resolution()))
            .collect(),
    })
}

#[derive(Default)]
struct Row {
    in_layer: Vec<usize>,
    between_layers: Vec<(usize, u8)>,
}

/// The layer being read.
#[derive(Default)]
struct Layer {
    vertices: Vec<u32>,
    rows: Vec<Row>,
}

/// The layer before; layer 0 has no edges of its own on record.
#[derive(Default)]
struct Previous {
    vertices: Vec<u32>,
    in_layer: Option<InLayer>,
}

struct Decoder {
    vertices: Vec<GridPoint>,
    faces: Vec<Face>,
    layer: Layer,
    last: Previous,
    layer_index: usize,
    layer_vertices: usize,
}

impl Decoder {
    fn begin_component(&mut self) {
        self.layer_index = 0;
        self.layer = Layer::default();
        self.last = Previous::default();
    }

    fn push_vertex(&mut self, point: GridPoint) {
        self.layer.vertices.push(self.vertices.len() as u32);
        self.layer.rows.push(Row::default());
        self.vertices.push(point);
    }

    /// Emits the faces of the layer; false if its matrices cannot be rebuilt.
    fn close_layer(&mut self) -> bool {
        let layer = std::mem::take(&mut self.layer);
        let mut in_layer = None;
        if self.layer_index > 0 {
            let n = layer.vertices.len();
            if n == 0 || n > self.layer_vertices {
                return false;
            }
            let rows: Vec<Vec<usize>> = layer.rows.iter().map(|row| row.in_layer.clone()).collect();
            let Some(matrix) = InLayer::decode(&rows, self.layer_vertices) else {
                return false;
            };
            let n_columns = self.last.vertices.len();
            let between: Vec<Vec<u32>> = layer
                .rows
                .iter()
                .map(|row| between_layer::decode_row(n_columns, &row.between_layers))
                .collect();
            self.emit(&layer.vertices, &matrix, &between);
            in_layer = Some(matrix);
        }
        self.last = Previous {
            vertices: layer.vertices,
            in_layer,
        };
        self.layer_index += 1;
        true
    }

    /// The published rules for the faces of a layer.
    fn emit(&mut self, current: &[u32], in_layer: &InLayer, between: &[Vec<u32>]) {
        for [i, j, l] in triangles(in_layer) {
            self.faces.push([
                current[i as usize],
                current[l as usize],
                current[j as usize],
            ]);
        }
        let last = &self.last;
        let linked = |a, b| {
            last.in_layer
                .as_ref()
                .is_none_or(|matrix| matrix.linked(a, b))
        };
        for (&u, columns) in current.iter().zip(between) {
            for (a, b) in consecutive(columns, last.vertices.len() as u32) {
                if linked(a, b) {
                    self.faces
                        .push([u, last.vertices[b as usize], last.vertices[a as usize]]);
                }
            }
        }
        let reach = between
            .iter()
            .flatten()
            .max()
            .map_or(0, |&c| c as usize + 1);
        let mut transposed = vec![Vec::new(); reach];
        for (i, columns) in between.iter().enumerate() {
            columns
                .iter()
                .for_each(|&c| transposed[c as usize].push(i as u32));
        }
        for (&p, rows) in last.vertices.iter().zip(&transposed) {
            for (a, b) in consecutive(rows, current.len() as u32) {
                if in_layer.linked(a, b) {
                    self.faces
                        .push([p, current[a as usize], current[b as usize]]);
                }
            }
        }
    }
}

/// Pairs of cyclic neighbours among ascending positions of a layer of `n`; of two positions the pair goes
/// the shorter way round.
fn consecutive(positions: &[u32], n: u32) -> Vec<(u32, u32)> {
    match *positions {
        [] | [_] => Vec::new(),
        [a, b] => {
            let is_longer = b - a > a + n - b;
            vec![if is_longer { (b, a) } else { (a, b) }]
        }
        _ => positions
            .iter()
            .copied()
            .zip(positions.iter().copied().cycle().skip(1))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Tokenizer;

    #[test]
    fn what_ends_early_keeps_what_was_decoded() {
        let tokenizer = Silksong::reference();
        assert_eq!(tokenizer.decode(&[]).unwrap(), TriangleMesh::default());
        assert_eq!(
            tokenizer
                .decode(&[0, 5659, 6990, 1, -1])
                .unwrap()
                .vertices
                .len(),
            1
        );
        assert_eq!(
            tokenizer.decode(&[1, 0]).unwrap_err().code(),
            "INVALID_TOKENS"
        );
        assert_eq!(
            tokenizer.decode(&[0, 208]).unwrap_err().code(),
            "INVALID_TOKENS"
        );
    }

    #[test]
    fn two_positions_go_the_shorter_way_round() {
        assert_eq!(consecutive(&[1, 5], 6), [(5, 1)]);
        assert_eq!(consecutive(&[1, 4], 6), [(1, 4)]);
        assert_eq!(consecutive(&[0, 1, 3], 4), [(0, 1), (1, 3), (3, 0)]);
    }

    #[test]
    fn a_layer_too_long_for_the_vocabulary_ends_the_sequence() {
        let mut tokens = vec![0, 5659, 6990, 1];
        for _ in 0..201 {
            tokens.extend([5659, 6990, 208, 460]);
        }
        tokens.extend([1, 5659, 6990, 208, 460, 2]);
        let mesh = Silksong::reference().decode(&tokens).unwrap();
        assert_eq!((mesh.vertices.len(), mesh.faces.len()), (202, 0));
    }
}
