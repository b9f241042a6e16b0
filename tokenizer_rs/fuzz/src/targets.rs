//! The targets and what each of them claims.

use std::collections::HashSet;

use meshloom_tokenizer_core::measure::descriptor::{LANDMARKS, SIZE};
use meshloom_tokenizer_core::measure::{
    canonical_triangles, crossing_faces, descriptor, measure, quantization_damage, shape,
};
use meshloom_tokenizer_core::mesh::components::over_edges;
use meshloom_tokenizer_core::mesh::pre_clean::pre_clean;
use meshloom_tokenizer_core::read::{read, Format, ReadLimits};
use meshloom_tokenizer_core::repair::{check_guarantees, repair_grid_mesh, RepairOptions};
use meshloom_tokenizer_core::tokenizer::loom::table::SlotTable;
use meshloom_tokenizer_core::tokenizer::merges::Merges;
use meshloom_tokenizer_core::tokenizer::TokenMask;
use meshloom_tokenizer_core::{MeshError, TriangleMesh};

use crate::families::{Family, EDGERUNNER, FACE_SEQUENCE, LOOM, MERGED, SILKSONG};
use crate::{bytes, Target};

/// Every target by name.
pub const TARGETS: &[(&str, Target)] = &[
    ("silksong", |data| tokenizer(&SILKSONG, data)),
    ("edgerunner", |data| tokenizer(&EDGERUNNER, data)),
    ("face_sequence", |data| tokenizer(&FACE_SEQUENCE, data)),
    ("loom", |data| tokenizer(&LOOM, data)),
    ("merged", |data| tokenizer(&MERGED, data)),
    ("json", json),
    ("read_glb", |data| read_bytes(data, Format::Glb)),
    ("read_gltf", |data| read_bytes(data, Format::Gltf)),
    ("read_obj", |data| read_bytes(data, Format::Obj)),
    ("read_off", |data| read_bytes(data, Format::Off)),
    ("read_ply", |data| read_bytes(data, Format::Ply)),
    ("read_stl", |data| read_bytes(data, Format::Stl)),
    ("repair", repair),
    ("measuring", measuring),
    ("cleaning", cleaning),
    ("describing", describing),
];

/// The first byte chooses a member of the family and what is done with the rest.
fn tokenizer(families: &[Family], data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let family = &families[usize::from(choice) / 3 % families.len()];
    match choice % 3 {
        0 => encode(family, rest),
        1 => decode(family, rest),
        _ => grammar(family, rest),
    }
}

/// A mesh is encoded, and what was written decodes; or it is refused.
fn encode(family: &Family, data: &[u8]) {
    let tokenizer = family.tokenizer.as_ref();
    let encoding = match tokenizer.encode(&bytes::triangle_mesh(data)) {
        Ok(encoding) => encoding,
        Err(error) => return assert_no_defect(&error),
    };
    assert!(
        encoding.exact || !family.is_lossless,
        "a lossless family lost something"
    );
    let mesh = tokenizer
        .decode(&encoding.tokens)
        .expect("own tokens decode");
    check_decoded(family, &mesh);
}

/// A sequence is decoded or refused.
fn decode(family: &Family, data: &[u8]) {
    let tokenizer = family.tokenizer.as_ref();
    match tokenizer.decode(&bytes::tokens(data, tokenizer.vocab_size())) {
        Ok(mesh) => check_decoded(family, &mesh),
        Err(error) => assert_no_defect(&error),
    }
}

/// A walk along allowed tokens can always be ended, and what it wrote decodes to a face.
fn grammar(family: &Family, data: &[u8]) {
    let tokenizer = family.tokenizer.as_ref();
    let mut state = tokenizer.grammar();
    let mut tokens = Vec::new();
    for pair in data.chunks_exact(2) {
        let mut mask = TokenMask::new(tokenizer.vocab_size() as usize);
        state.allowed(&mut mask);
        let n_choices = mask.len();
        if n_choices == 0 {
            assert!(
                state.can_end(),
                "nothing is allowed and the sequence cannot end"
            );
            break;
        }
        let choice = usize::from(u16::from_le_bytes([pair[0], pair[1]])) % n_choices;
        let token = mask.iter().nth(choice).expect("counted");
        state.advance(token).expect("an allowed token is taken");
        tokens.push(token);
    }
    let promised = tokens.len() + state.tokens_to_end();
    while let Some(token) = state.closing_token() {
        assert!(
            tokens.len() < promised,
            "the way to the end is longer than promised"
        );
        state.advance(token).expect("the way to the end is allowed");
        tokens.push(token);
    }
    assert!(state.can_end());
    let mesh = tokenizer
        .decode(&tokens)
        .expect("an allowed sequence decodes");
    assert!(
        !mesh.faces.is_empty(),
        "an allowed sequence has at least one face"
    );
    check_decoded(family, &mesh);
}

fn check_decoded(family: &Family, mesh: &TriangleMesh) {
    mesh.check().expect("decoded faces name decoded vertices");
    if family.decodes_manifold {
        check_guarantees(mesh.vertices.len(), &mesh.faces).expect("the decoder gives a manifold");
    }
}

/// Errors that say the library, not its input, is wrong.
fn assert_no_defect(error: &MeshError) {
    assert!(
        !matches!(error.code(), "INTERNAL" | "REPAIR_DEFECT"),
        "{error}"
    );
}

/// Files of merges and of slot tables are read or refused.
fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(merges) = Merges::from_json(&text) {
        let again = Merges::from_json(&merges.to_json().expect("read merges are written"));
        assert_eq!(
            again.expect("written merges are read").pairs(),
            merges.pairs()
        );
    }
    if let Ok(table) = SlotTable::from_json(&text) {
        table.to_json().expect("a read table is written");
    }
}

/// A file is read to a mesh within the limits, or refused.
fn read_bytes(data: &[u8], format: Format) {
    let limits = ReadLimits {
        max_triangles: 10_000,
        max_bytes: 1 << 20,
    };
    match read(data, format, None, &limits) {
        Ok(loaded) => {
            loaded.mesh.check().expect("read faces name read vertices");
            assert!((1..=limits.max_triangles).contains(&loaded.mesh.faces.len()));
        }
        Err(error) => assert_no_defect(&error),
    }
}

/// A repair keeps its guarantees, and repairing again changes nothing.
fn repair(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else {
        return;
    };
    let mesh = bytes::grid_mesh(rest, 16);
    let options = RepairOptions {
        weld: choice & 1 == 0,
        drop_collinear: choice & 2 != 0,
        outward: choice & 4 != 0,
        ..RepairOptions::default()
    };
    let repaired = repair_grid_mesh(&mesh, &options).expect("a mesh with valid faces is repaired");
    check_guarantees(repaired.mesh.vertices.len(), &repaired.mesh.faces).expect("guaranteed");
    let n_faces = repaired.mesh.faces.len() + repaired.log.n_dropped_faces();
    assert_eq!(
        n_faces,
        mesh.faces.len(),
        "a face is neither kept nor logged"
    );
    let again = repair_grid_mesh(&repaired.mesh, &options).expect("its own result is repaired");
    assert_eq!(again.mesh, repaired.mesh);
}

/// Counting never fails on a mesh whose faces name its vertices.
fn measuring(data: &[u8]) {
    let mesh = bytes::triangle_mesh(data);
    if let Ok(counts) = measure(&mesh) {
        assert!(counts.boundary_edges <= counts.edges);
        assert!(counts.components <= counts.faces.max(counts.vertices));
    }
    if let Ok(shape) = shape(&mesh) {
        assert!((0.0..=1.0).contains(&shape.sliver_share));
        assert!((0.0..=1.0).contains(&shape.consistent_share));
        assert!(shape.area.is_finite() && shape.extents.is_sorted());
    }
    if let Ok(Some(crossing)) = crossing_faces(&mesh, 10_000) {
        assert_eq!(crossing.len(), mesh.faces.len());
    }
    if let Ok(damage) = quantization_damage(&mesh, &[1, 7]) {
        assert!(damage.iter().all(|d| d.dropped_faces <= mesh.faces.len()));
    }
}

/// Cleaning keeps faces of the input, each once, and numbers its components as they come.
fn cleaning(data: &[u8]) {
    let mesh = bytes::triangle_mesh(data);
    let cleaned = match pre_clean(&mesh) {
        Ok(cleaned) => cleaned,
        Err(error) => return assert_no_defect(&error),
    };
    cleaned.check().expect("its faces name its vertices");
    assert!(cleaned.faces.len() <= mesh.faces.len());
    assert!(cleaned.vertices.iter().all(|p| mesh.vertices.contains(p)));
    let mut seen = HashSet::new();
    for face in &cleaned.faces {
        let mut corners = *face;
        corners.sort_unstable();
        assert!(seen.insert(corners), "a face is there twice");
        assert!(corners[0] < corners[1] && corners[1] < corners[2]);
    }
    for faces in [&mesh.faces, &cleaned.faces] {
        let of_face = over_edges(faces);
        assert_eq!(of_face.len(), faces.len());
        let mut n_components = 0;
        for &component in &of_face {
            assert!(component <= n_components, "a number is left out");
            n_components = n_components.max(component + 1);
        }
    }
}

/// What describes a mesh does not change when its vertices and faces come in another order.
fn describing(data: &[u8]) {
    let mesh = bytes::triangle_mesh(data);
    let turned = reversed(&mesh);
    match (descriptor(&mesh), descriptor(&turned)) {
        (Ok(a), Ok(b)) => {
            assert_eq!(a.is_some(), b.is_some());
            let described = [a, b].into_iter().flatten();
            assert!(described
                .into_iter()
                .all(|d| d.lengths.len() == SIZE && d.landmarks.len() <= LANDMARKS));
        }
        (Err(error), Err(_)) => assert_no_defect(&error),
        _ => panic!("the order of a mesh decides whether it is refused"),
    }
    for mirror_images in [false, true] {
        if let Ok(triangles) = canonical_triangles(&mesh, mirror_images) {
            assert_eq!(triangles.len(), mesh.faces.len());
            assert!(triangles.is_sorted() && triangles.iter().all(|corners| corners.is_sorted()));
            let again = canonical_triangles(&turned, mirror_images);
            assert_eq!(again.expect("the same mesh"), triangles);
        }
    }
}

/// The same mesh with its vertices and faces in reverse.
fn reversed(mesh: &TriangleMesh) -> TriangleMesh {
    let last = mesh.vertices.len() as u32;
    let faces = mesh.faces.iter().rev();
    TriangleMesh {
        vertices: mesh.vertices.iter().rev().copied().collect(),
        faces: faces.map(|face| face.map(|v| last - 1 - v)).collect(),
    }
}
