//! Tokens to a manifold mesh.

use super::layered_graph::LayeredGraph;
use super::replay::replay;
use super::ring_search::Verdict;
use super::{OPTION_BITS, START_BIT};
use crate::mesh::quantize::dequantize;
use crate::mesh::{GridMesh, GridPoint};
use crate::repair::{check_guarantees, repair_grid_mesh, RepairOptions};
use crate::tokenizer::silksong::between_layer;
use crate::tokenizer::silksong::in_layer::HEAD;
use crate::tokenizer::silksong::sequence::{Event, Events};
use crate::tokenizer::silksong::Silksong;
use crate::{Result, TriangleMesh};

/// Decodes a sequence; see [`super`].
///
/// The mesh is oriented and manifold whatever the tokens are, and has no vertex without a face. A layer that is
/// not closed is left out.
pub fn decode(tokenizer: &Silksong, tokens: &[i32]) -> Result<TriangleMesh> {
    let vocabulary = tokenizer.vocabulary();
    let mut mesh = GridMesh::default();
    let mut component = Component::default();
    for event in Events::new(vocabulary, tokens) {
        match event? {
            Event::Component => std::mem::take(&mut component).append_to(&mut mesh),
            Event::LayerEnd => component.close_layer(),
            Event::Vertex(point) => component.rows.push(Row {
                point,
                ..Row::default()
            }),
            Event::InLayer(value) => {
                if let Some(row) = component.rows.last_mut() {
                    row.push_in_layer(value, vocabulary.layer_vertices());
                }
            }
            Event::BetweenLayer(column, code) => {
                if let Some(row) = component.rows.last_mut() {
                    row.columns.push((column, code));
                }
            }
        }
    }
    component.append_to(&mut mesh);
    if check_guarantees(mesh.vertices.len(), &mesh.faces).is_err() {
        let keep_copies = RepairOptions {
            weld: false,
            ..RepairOptions::default()
        };
        mesh = repair_grid_mesh(&mesh, &keep_copies)?.mesh;
    }
    let resolution = vocabulary.resolution();
    Ok(TriangleMesh {
        vertices: mesh
            .vertices
            .iter()
            .map(|p| dequantize(p, resolution))
            .collect(),
        faces: mesh.faces,
    })
}

/// What is said of one vertex.
#[derive(Debug, Clone, Default)]
struct Row {
    point: GridPoint,
    /// Distances round the layer, less one, to vertices it is joined to.
    offsets: Vec<usize>,
    columns: Vec<(usize, u8)>,
    option: u8,
}

impl Row {
    fn push_in_layer(&mut self, value: usize, layer_vertices: usize) {
        match value.checked_sub(layer_vertices) {
            Some(head) => self
                .offsets
                .extend((0..HEAD).filter(|d| head >> d & 1 == 1)),
            None if value < OPTION_BITS => self.option |= 1 << value,
            None => self.offsets.push(value),
        }
    }
}

/// The component being read.
#[derive(Debug, Clone, Default)]
struct Component {
    points: Vec<GridPoint>,
    options: Vec<u8>,
    layer: Vec<u32>,
    edges: Vec<(u32, u32)>,
    /// First vertex of the last closed layer.
    last_start: usize,
    n_layers: u32,
    /// The layer that is not closed yet.
    rows: Vec<Row>,
}

impl Component {
    fn close_layer(&mut self) {
        let rows = std::mem::take(&mut self.rows);
        let start = self.points.len();
        let n = rows.len();
        let n_columns = start - self.last_start;
        for (i, row) in rows.iter().enumerate() {
            let number = (start + i) as u32;
            for &d in row.offsets.iter().filter(|&&d| d + 1 < n) {
                self.edges.push((number, (start + (i + 1 + d) % n) as u32));
            }
            for column in between_layer::decode_row(n_columns, &row.columns) {
                self.edges.push((number, self.last_start as u32 + column));
            }
            self.points.push(row.point);
            self.options.push(row.option);
            self.layer.push(self.n_layers);
        }
        self.last_start = start;
        self.n_layers += 1;
    }

    fn append_to(mut self, mesh: &mut GridMesh) {
        if let [start, first, ..] = &mut self.options[..] {
            *start = *first >> START_BIT;
            *first &= (1 << START_BIT) - 1;
        }
        let graph = LayeredGraph::new(self.layer, &self.edges);
        let mut n_passed = 0;
        let mut last = None;
        let found = replay(&graph, |vertex, _, _| {
            if last != Some(vertex) {
                last = Some(vertex);
                n_passed = 0;
            }
            n_passed += 1;
            if n_passed > self.options[vertex as usize] as usize {
                Verdict::Take
            } else {
                Verdict::Next
            }
        });
        let first = mesh.vertices.len() as u32;
        let point = |v: u32| self.points[v as usize];
        let has_corners = |&[a, b, c]: &[u32; 3]| {
            point(a) != point(b) && point(b) != point(c) && point(c) != point(a)
        };
        let faces = found.faces.iter().filter(|f| has_corners(f));
        mesh.faces.extend(faces.map(|face| face.map(|v| first + v)));
        mesh.vertices.extend(&self.points);
    }
}
