//! Mesh to tokens: repair, cut what does not fit, walk, check, write.

use super::component::{Difference, Trial};
use super::fit::{check_layers, fit, FittedMesh};
use super::walk::Walk;
use super::OPTION_BITS;
use crate::mesh::clean::sorted;
use crate::mesh::half_edge::NONE;
use crate::mesh::sorted_order::sorted_order;
use crate::mesh::Face;
use crate::repair::{RepairOptions, RepairedGrid, Repairs};
use crate::tokenizer::silksong::encode::Encoding;
use crate::tokenizer::silksong::statistics::{compression_rate, RoundTrip, RowLengths, Statistics};
use crate::tokenizer::silksong::vocabulary::{Vocabulary, COMPONENT, COMPONENT_END, LAYER_END};
use crate::tokenizer::silksong::{between_layer, in_layer, Silksong};
use crate::{MeshError, Result, TriangleMesh};

/// Encodes a mesh; see [`super`].
pub fn encode(tokenizer: &Silksong, repairs: &Repairs) -> Result<Encoding> {
    let mesh = repairs.mesh();
    let limits = tokenizer.limits();
    let vocabulary = tokenizer.vocabulary();
    if limits.max_raw_faces > 0 && mesh.faces.len() > limits.max_raw_faces {
        return Err(MeshError::TooManyFacesRaw {
            found: mesh.faces.len(),
            limit: limits.max_raw_faces,
        });
    }
    let options = RepairOptions {
        drop_collinear: tokenizer.drops_collinear(),
        ..RepairOptions::default()
    };
    let repaired = repairs.on_grid(vocabulary.resolution(), &options)?;
    if repaired.mesh.faces.is_empty() {
        return Err(MeshError::NoValidComponent {
            min_faces: limits.min_component_faces,
        });
    }
    let mut encoding = Encoding {
        statistics: statistics_of_repair(mesh, &repaired, vocabulary.resolution()),
        clean_faces: repaired.mesh.faces.clone(),
        repaired_faces: repaired.mesh.faces.clone(),
        // Most meshes take up to five tokens a face.
        tokens: Vec::with_capacity(5 * mesh.faces.len()),
        ..Encoding::default()
    };
    let n_before = repaired.mesh.vertices.len();
    let fitted = fit(repaired.mesh.clone(), limits)?;
    let n_copies = fitted.vertices.len() - n_before;
    encoding.statistics.vert_num += n_copies;
    encoding.statistics.nonmani_gen += n_copies;
    write_components(tokenizer, &fitted, &mut encoding);

    let FittedMesh {
        vertices,
        faces,
        parts,
        starts,
        ..
    } = fitted;
    let n_tokens = encoding.tokens.len();
    if limits.max_tokens > 0 && n_tokens > limits.max_tokens {
        return Err(MeshError::TokenLimit {
            found: n_tokens,
            limit: limits.max_tokens,
        });
    }
    let statistics = &mut encoding.statistics;
    for (c, start) in starts.iter().enumerate() {
        if start.is_none() {
            statistics.cc_invalid_face_num += parts.faces(c).len();
            statistics.cc_invalid_vert_num += parts.n_vertices[c];
        }
    }
    statistics.vert_num_process = vertices.len() - statistics.cc_invalid_vert_num;
    statistics.face_num_process = faces.len() - statistics.cc_invalid_face_num;
    statistics.cc_num = parts.len();
    statistics.cc_num_pre = parts.len();
    statistics.cc_num_pre_all = parts.len();
    statistics.cc_num_valid = starts.iter().flatten().count();
    statistics.token_length = n_tokens;
    statistics.compression_rate = compression_rate(n_tokens, statistics.face_num_process);
    encoding.component_valid = starts.iter().map(Option::is_some).collect();
    encoding.face_order = order_of_faces(&faces, &encoding.sequence_vertices, vertices.len());
    encoding.component_ids = parts.of_face;
    encoding.vertices = vertices;
    encoding.faces = faces;
    Ok(encoding)
}

/// The columns of the published table that the repair can tell.
fn statistics_of_repair(
    mesh: &TriangleMesh,
    repaired: &RepairedGrid,
    resolution: u32,
) -> Statistics {
    let log = &repaired.log;
    let mut is_welded = vec![false; mesh.vertices.len()];
    for &[vertex, _] in &log.welded_vertices {
        is_welded[vertex as usize] = true;
    }
    let has_welded = |face: &&Face| face.iter().any(|&v| is_welded[v as usize]);
    Statistics {
        vert_num: mesh.vertices.len() + log.n_copies(),
        face_num: mesh.faces.len(),
        flipped_face: log.flipped_faces.len(),
        nonmani_gen: log.n_copies(),
        nonmani_face: log.copied_vertices.len(),
        merge_repeat_verts: log.welded_vertices.len(),
        replace_facevert_num: mesh.faces.iter().filter(has_welded).count(),
        degraded_face_num: log.degenerate_faces.len() + log.collinear_faces.len(),
        move_repeat_face_num: log.duplicate_faces.len(),
        resolution,
        ..Statistics::default()
    }
}

/// Faces in the order in which their last corner is written; faces that are not written come last.
fn order_of_faces(faces: &[Face], sequence: &[u32], n_vertices: usize) -> Vec<u32> {
    let mut rank = vec![n_vertices as u32; n_vertices];
    for (i, &v) in (0..).zip(sequence) {
        rank[v as usize] = i;
    }
    let last_first = |face: &Face| {
        let [a, b, c] = sorted(&face.map(|v| rank[v as usize]));
        [c, b, a]
    };
    let keys: Vec<Face> = faces.iter().map(last_first).collect();
    sorted_order(&keys)
}

fn write_components(tokenizer: &Silksong, fitted: &FittedMesh, encoding: &mut Encoding) {
    let mut round_trip = RoundTrip {
        n_cuts: fitted.n_cuts,
        ..RoundTrip::default()
    };
    let mut difference = Difference::default();
    let mut rows = RowLengths::default();
    let fits = |walk: &Walk| check_layers(walk, 0, tokenizer.limits()).is_ok();
    let mut rank = vec![NONE; fitted.vertices.len()];
    for (c, start) in fitted.starts.iter().enumerate() {
        let Some(start) = *start else {
            let [a, b, _] = fitted.faces[fitted.parts.faces(c)[0] as usize];
            encoding.statistics.start_half_edges.push([a, b]);
            encoding.statistics.cc_max_layer.push(-1);
            continue;
        };
        let (trial, n_tries) = Trial::best(start, &fitted.rings, &mut rank, fits);
        round_trip.n_tries += n_tries;
        round_trip.n_inexact_components += usize::from(!trial.is_exact());
        round_trip.n_named_rings += trial.options.iter().filter(|&&option| option != 0).count();
        difference.add(&trial.difference);
        let statistics = &mut encoding.statistics;
        let walk = &trial.walk;
        let start_edge = [walk.vertices[0], walk.vertices[1]];
        statistics.start_half_edges.push(start_edge);
        statistics.cc_max_layer.push(walk.n_layers() as i32 - 1);
        statistics.max_l = statistics.max_l.max(walk.n_layers() - 1);
        statistics.max_lv = statistics.max_lv.max(walk.longest_layer());
        let vocabulary = tokenizer.vocabulary();
        write(vocabulary, &trial, c as u32, fitted, &mut rows, encoding);
    }
    round_trip.missing_faces = difference.missing;
    round_trip.extra_faces = difference.extra;
    round_trip.flipped_faces = difference.flipped;
    encoding.statistics.round_trip = Some(round_trip);
    rows.write(&mut encoding.statistics.token_statistic);
}

/// Writes one component.
fn write(
    vocabulary: &Vocabulary,
    trial: &Trial,
    component: u32,
    fitted: &FittedMesh,
    rows: &mut RowLengths,
    out: &mut Encoding,
) {
    let walk = &trial.walk;
    let mut columns = Vec::new();
    out.tokens.push(COMPONENT);
    for k in 0..walk.n_layers() {
        let (start, end) = (walk.layer_starts[k], walk.layer_starts[k + 1]);
        for number in start..end {
            let v = walk.vertices[number];
            out.sequence_vertices.push(v);
            out.sequence_layers.push(k as u32);
            out.sequence_components.push(component);
            vocabulary.push_position(&fitted.vertices[v as usize], &mut out.tokens);
            let neighbours = trial.graph.neighbours(number as u32);
            out.statistics.max_edge_num = out.statistics.max_edge_num.max(neighbours.len());
            if k == 0 {
                continue;
            }
            let n = end - start;
            let in_layer = neighbours.iter().map(|&v| v as usize);
            let mut offsets: Vec<usize> = in_layer
                .filter(|v| (start..end).contains(v))
                .map(|v| (v + n - number + n - 1) % n)
                .collect();
            offsets.sort_unstable();
            let (bits, extra) = in_layer::encode_row(n, &offsets);
            let n_before = out.tokens.len();
            out.tokens.push(vocabulary.head(bits));
            let option = trial.options[number];
            let named = (0..OPTION_BITS).filter(|bit| option >> bit & 1 == 1);
            out.tokens
                .extend(named.chain(extra).map(|d| vocabulary.offset(d)));
            rows.in_layers.count(out.tokens.len() - n_before);

            let previous = walk.layer_starts[k - 1];
            columns.clear();
            let before = neighbours.iter().take_while(|&&v| (v as usize) < start);
            columns.extend(before.map(|&v| v - previous as u32));
            let n_before = out.tokens.len();
            between_layer::encode_row(&columns, |column, code| {
                out.tokens.push(vocabulary.between(column, code));
            });
            rows.between_layers.count(out.tokens.len() - n_before);
        }
        let is_last = k + 1 == walk.n_layers();
        out.tokens
            .push(if is_last { COMPONENT_END } else { LAYER_END });
    }
}
