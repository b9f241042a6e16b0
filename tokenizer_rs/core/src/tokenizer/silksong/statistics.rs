//! What encoding found out about a mesh: one table row.

use std::collections::BTreeMap;

/// Counts of one encoded mesh, named as in the published statistics table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Statistics {
    /// Input vertices and the copies made by the repair.
    pub vert_num: usize,
    /// Input faces.
    pub face_num: usize,
    /// Distinct grid positions and copies, without those of invalid components.
    pub vert_num_process: usize,
    /// Faces of valid components.
    pub face_num_process: usize,
    /// Connected components.
    pub cc_num: usize,
    /// Components with enough faces.
    pub cc_num_valid: usize,
    /// Distinct surface labels after the repair.
    pub cc_num_pre: usize,
    /// Surface labels ever made by the repair.
    pub cc_num_pre_all: usize,
    /// Vertices in the longest layer, layer 0 apart.
    pub max_lv: usize,
    /// Highest layer index.
    pub max_l: usize,
    /// Link edges of the vertex with most; doubled where the first repair pass split the vertex.
    pub max_edge_num: usize,
    /// Number of tokens.
    pub token_length: usize,
    /// Tokens per nine coordinates of each face, as a percentage.
    pub compression_rate: String,
    /// Faces turned to agree with their neighbours.
    pub flipped_face: usize,
    /// Vertex copies made by the repair.
    pub nonmani_gen: usize,
    /// Non-manifold vertices met.
    pub nonmani_face: usize,
    /// Vertices at the grid position of an earlier one.
    pub merge_repeat_verts: usize,
    /// Faces with a corner replaced by an earlier vertex.
    pub replace_facevert_num: usize,
    /// Faces dropped for having no area.
    pub degraded_face_num: usize,
    /// Faces dropped for repeating an earlier one.
    pub move_repeat_face_num: usize,
    /// Vertices of components with too few faces.
    pub cc_invalid_vert_num: usize,
    /// Faces of components with too few faces.
    pub cc_invalid_face_num: usize,
    /// Bins per axis.
    pub resolution: u32,
    /// Highest layer index of each component, -1 where it was not tokenised.
    pub cc_max_layer: Vec<i32>,
    /// How many rows needed more than one in-layer or between-layer token, by kind and number.
    pub token_statistic: BTreeMap<String, usize>,
    /// Start vertex of each component, tokenised or not, and its successor in the first face.
    pub start_half_edges: Vec<[u32; 2]>,
    /// What the search for an exact sequence did; at the extended level only.
    pub round_trip: Option<RoundTrip>,
}

/// What the search for an exact sequence did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoundTrip {
    /// Walks that were replayed, over all components.
    pub n_tries: usize,
    /// Components that do not decode to their faces.
    pub n_inexact_components: usize,
    /// Faces that are not decoded.
    pub missing_faces: usize,
    /// Faces that are decoded and were not encoded.
    pub extra_faces: usize,
    /// Faces that are decoded the wrong way round.
    pub flipped_faces: usize,
    /// Vertices whose ring had to be named among several.
    pub n_named_rings: usize,
    /// Cuts through components whose layers were too long or too many.
    pub n_cuts: usize,
}

impl Statistics {
    /// The whole numbers of the table row with their column names.
    pub fn counts(&self) -> Vec<(&'static str, i64)> {
        let n = |value: usize| value as i64;
        let mut counts = vec![
            ("vert_num", n(self.vert_num)),
            ("face_num", n(self.face_num)),
            ("vert_num_process", n(self.vert_num_process)),
            ("face_num_process", n(self.face_num_process)),
            ("CC_num", n(self.cc_num)),
            ("CC_num_valid", n(self.cc_num_valid)),
            ("CC_num_pre", n(self.cc_num_pre)),
            ("CC_num_pre_all", n(self.cc_num_pre_all)),
            ("max_lv", n(self.max_lv)),
            ("max_l", n(self.max_l)),
            ("max_edge_num", n(self.max_edge_num)),
            ("token_length", n(self.token_length)),
            ("flipped_face", n(self.flipped_face)),
            // Three columns of the published table that can only have one value.
            ("1v2cc_gen", 0),
            ("nonmani_process_time", -1),
            ("not_success_flip_face", 0),
            ("nonmani_gen", n(self.nonmani_gen)),
            ("nonmani_face", n(self.nonmani_face)),
            ("merge_repeat_verts", n(self.merge_repeat_verts)),
            ("replace_facevert_num", n(self.replace_facevert_num)),
            ("degraded_face_num", n(self.degraded_face_num)),
            ("move_repeat_face_num", n(self.move_repeat_face_num)),
            ("CC_invalid_vert_num", n(self.cc_invalid_vert_num)),
            ("CC_invalid_face_num", n(self.cc_invalid_face_num)),
            ("resolution", i64::from(self.resolution)),
            ("OP_num", 3),
        ];
        if let Some(round_trip) = &self.round_trip {
            counts.extend([
                ("n_tries", n(round_trip.n_tries)),
                ("n_inexact_components", n(round_trip.n_inexact_components)),
                ("missing_faces", n(round_trip.missing_faces)),
                ("extra_faces", n(round_trip.extra_faces)),
                ("flipped_faces", n(round_trip.flipped_faces)),
                ("n_named_rings", n(round_trip.n_named_rings)),
                ("n_cuts", n(round_trip.n_cuts)),
            ]);
        }
        counts
    }
}

/// Second names under which the published tokenizer keeps some columns in memory.
pub const MEMORY_NAMES: [(&str, &str); 11] = [
    ("vert_num_process", "vert_num_p"),
    ("face_num_process", "face_num_p"),
    ("flipped_face", "flipped_face_cnt"),
    ("1v2cc_gen", "new_generated_verts"),
    ("nonmani_gen", "non_manifold_new_gen"),
    ("nonmani_face", "non_manifold_vert_cnt"),
    ("nonmani_process_time", "non_manifold_process_time"),
    ("merge_repeat_verts", "merge_repeat_verts_num"),
    ("CC_invalid_vert_num", "CC_invalid_verts"),
    ("CC_invalid_face_num", "CC_invalid_faces"),
    ("not_success_flip_face", "not_success_flip_face"),
];

/// Counts rows by their number of tokens.
#[derive(Debug, Clone, Default)]
pub struct Histogram(Vec<usize>);

impl Histogram {
    /// Counts a row.
    pub fn count(&mut self, n_tokens: usize) {
        if n_tokens >= self.0.len() {
            self.0.resize(n_tokens + 1, 0);
        }
        self.0[n_tokens] += 1;
    }

    /// Enters the rows of more than one token as `kind_number`.
    fn write(&self, kind: &str, table: &mut BTreeMap<String, usize>) {
        for (n_tokens, &n_rows) in self.0.iter().enumerate().skip(2) {
            if n_rows > 0 {
                table.insert(format!("{kind}_{n_tokens}"), n_rows);
            }
        }
    }
}

/// How many tokens the rows of a mesh need.
#[derive(Debug, Clone, Default)]
pub struct RowLengths {
    /// Of edges inside a layer.
    pub in_layers: Histogram,
    /// Of edges to the layer before.
    pub between_layers: Histogram,
}

impl RowLengths {
    /// Enters the rows of more than one token as `in_number` and `out_number`.
    pub fn write(&self, table: &mut BTreeMap<String, usize>) {
        self.in_layers.write("in", table);
        self.between_layers.write("out", table);
    }
}

/// Tokens over nine coordinates of each face, as text such as `23.16 %`.
pub fn compression_rate(n_tokens: usize, n_faces: usize) -> String {
    let rate = n_tokens as f64 / (9 * n_faces) as f64;
    format!("{:.2} %", rate * 100.0)
}
