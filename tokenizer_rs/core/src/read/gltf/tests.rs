//! glTF documents made by hand, each wrong in one way.

use serde_json::{json, Value};

use super::*;
use crate::TriangleMesh;

const POINTS: [[f32; 3]; 4] = [
    [0.0, 0.0, 0.0],
    [1.0, 0.0, 0.0],
    [0.0, 1.0, 0.0],
    [0.0, 0.0, 1.0],
];
const CORNERS: [u16; 12] = [0, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3];

/// The tetrahedron of `POINTS`, compressed by Google's encoder with 11 bits a coordinate.
const DRACO: &[u8] = &[
    0x44, 0x52, 0x41, 0x43, 0x4f, 0x02, 0x02, 0x01, 0x01, 0x00, 0x00, 0x00, 0x04, 0x04, 0x00, 0x03,
    0x00, 0x00, 0x01, 0x2f, 0x01, 0x01, 0x10, 0x01, 0xff, 0x00, 0x01, 0x01, 0x00, 0x09, 0x03, 0x00,
    0x00, 0x02, 0x01, 0x01, 0x01, 0x00, 0x03, 0x03, 0x01, 0x10, 0x01, 0x30, 0x03, 0x00, 0x50, 0x82,
    0x24, 0x91, 0x04, 0x00, 0x00, 0x00, 0x00, 0xff, 0x07, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80, 0x3f, 0x0b,
];

fn binary() -> Vec<u8> {
    let points = POINTS.iter().flatten().flat_map(|x| x.to_le_bytes());
    points
        .chain(CORNERS.iter().flat_map(|i| i.to_le_bytes()))
        .collect()
}

/// A document of one tetrahedron, its top-level entries replaced by those of `changes`.
fn document(changes: Value) -> Value {
    let mut document = json!({
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1}]}],
        "accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"},
        ],
        "bufferViews": [
            {"buffer": 0, "byteLength": 48},
            {"buffer": 0, "byteOffset": 48, "byteLength": 24},
        ],
        "buffers": [{"byteLength": 72}],
    });
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => document.as_object_mut().unwrap().remove(key),
            value => document
                .as_object_mut()
                .unwrap()
                .insert(key.clone(), value.clone()),
        };
    }
    document
}

fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    [&(data.len() as u32).to_le_bytes()[..], kind, data].concat()
}

fn glb(text: &str, binary: &[u8]) -> Vec<u8> {
    let chunks = [chunk(b"JSON", text.as_bytes()), chunk(b"BIN\0", binary)].concat();
    let size = (HEADER_BYTES + chunks.len()) as u32;
    [&b"glTF\x02\0\0\0"[..], &size.to_le_bytes(), &chunks].concat()
}

fn read_with(changes: Value) -> Result<LoadedMesh> {
    let content = glb(&document(changes).to_string(), &binary());
    read_glb(&content, None, &ReadLimits::default())
}

fn code(result: Result<LoadedMesh>) -> &'static str {
    result.map_or_else(|error| error.code(), |_| "read")
}

fn volume(mesh: &TriangleMesh) -> f64 {
    let determinant = |[a, b, c]: [[f64; 3]; 3]| {
        a[0] * (b[1] * c[2] - b[2] * c[1]) - a[1] * (b[0] * c[2] - b[2] * c[0])
            + a[2] * (b[0] * c[1] - b[1] * c[0])
    };
    let corners = |face: &[u32; 3]| face.map(|v| mesh.vertices[v as usize]);
    mesh.faces
        .iter()
        .map(|f| determinant(corners(f)))
        .sum::<f64>()
        / 6.0
}

/// A file of every kind of glTF, for the mutation tests.
pub fn samples() -> Vec<(crate::read::Format, Vec<u8>)> {
    use crate::read::Format::{Glb, Gltf};
    let plain = glb(&document(json!({})).to_string(), &binary());
    let sparse = glb(&document(sparse()).to_string(), &binary());
    let strip = json!({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": 5}]}],
        "nodes": [{"children": [1, 2]}, {"mesh": 0, "rotation": [0, 1, 0, 1]}, {"mesh": 0, "scale": [2, -2, 2]}]});
    let strip = glb(&document(strip).to_string(), &binary());
    vec![
        (Glb, plain),
        (Glb, sparse),
        (Glb, strip),
        (Glb, draco_glb(json!({}))),
        (Gltf, inline().into_bytes()),
    ]
}

fn sparse() -> Value {
    json!({"accessors": [
        {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3", "sparse": {
            "count": 2,
            "indices": {"bufferView": 1, "byteOffset": 2, "componentType": 5123},
            "values": {"bufferView": 0, "byteOffset": 12}}},
        {"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"},
    ]})
}

fn inline() -> String {
    use base64::prelude::{Engine, BASE64_STANDARD};
    let data = BASE64_STANDARD.encode(binary());
    let uri = format!("data:application/octet-stream;base64,{data}");
    document(json!({"buffers": [{"byteLength": 72, "uri": uri}]})).to_string()
}

fn draco_glb(changes: Value) -> Vec<u8> {
    let mut document = document(json!({
        "extensionsRequired": ["KHR_draco_mesh_compression"],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 1, "extensions": {
            "KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 0}}}}]}],
        "accessors": [
            {"componentType": 5126, "count": 4, "type": "VEC3"},
            {"componentType": 5123, "count": 12, "type": "SCALAR"},
        ],
        "bufferViews": [{"buffer": 0, "byteLength": DRACO.len()}],
        "buffers": [{"byteLength": DRACO.len()}],
    }));
    for (key, value) in changes.as_object().unwrap() {
        document[key] = value.clone();
    }
    glb(&document.to_string(), DRACO)
}

#[test]
fn a_tetrahedron_in_a_glb_and_inline() {
    let loaded = read_with(json!({})).unwrap();
    assert_eq!(loaded.mesh.vertices[3], [0.0, 0.0, 1.0]);
    assert_eq!(loaded.mesh.faces[1], [0, 1, 3]);
    assert_eq!((loaded.n_geometries, loaded.n_unreferenced), (1, 0));
    let inline = read_gltf(inline().as_bytes(), None, &ReadLimits::default());
    assert_eq!(inline.unwrap(), loaded);
}

#[test]
fn a_compressed_tetrahedron() {
    let mesh = read_glb(&draco_glb(json!({})), None, &ReadLimits::default())
        .unwrap()
        .mesh;
    assert_eq!((mesh.vertices.len(), mesh.faces.len()), (4, 4));
    assert!((volume(&mesh) - 1.0 / 6.0).abs() < 1e-3);
    let limits = ReadLimits {
        max_triangles: 3,
        ..ReadLimits::default()
    };
    let refused = read_glb(&draco_glb(json!({})), None, &limits);
    assert_eq!(code(refused), "TOO_MANY_FACES_RAW");
    let short = json!({"bufferViews": [{"buffer": 0, "byteLength": DRACO.len() - 9}]});
    let refused = read_glb(&draco_glb(short), None, &ReadLimits::default());
    assert_eq!(code(refused), "LOAD");
    let other_id = json!({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "extensions": {
        "KHR_draco_mesh_compression": {"bufferView": 0, "attributes": {"POSITION": 7}}}}]}]});
    let refused = read_glb(&draco_glb(other_id), None, &ReadLimits::default());
    assert_eq!(code(refused), "LOAD");
}

#[test]
fn a_mirrored_node_keeps_its_faces_outward() {
    let plain = read_with(json!({})).unwrap().mesh;
    let node = json!({"nodes": [{"mesh": 0, "scale": [-2, 1, 1], "translation": [5, 0, 0]}]});
    let mirrored = read_with(node).unwrap().mesh;
    assert!((volume(&plain) - 1.0 / 6.0).abs() < 1e-12);
    assert!((volume(&mirrored) - 2.0 / 6.0).abs() < 1e-12);
}

#[test]
fn transforms_chain_and_instances_expand() {
    let half = std::f64::consts::FRAC_1_SQRT_2;
    let loaded = read_with(json!({"nodes": [
        {"children": [1, 2], "matrix": [2, 0, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 0, 0, 10, 1]},
        {"mesh": 0, "rotation": [0, 0, half, half]},
        {"mesh": 0, "translation": [1, 0, 0]},
    ]}))
    .unwrap();
    assert_eq!((loaded.mesh.faces.len(), loaded.n_geometries), (8, 1));
    // Turned by a quarter about z, then doubled and lifted.
    let turned = loaded.mesh.vertices[1];
    assert!(
        (turned[0]).abs() < 1e-12 && (turned[1] - 2.0).abs() < 1e-12,
        "{turned:?}"
    );
    assert_eq!(loaded.mesh.vertices[5], [4.0, 0.0, 10.0]);
    assert_eq!(loaded.mesh.faces[4], [4, 6, 5]);
}

#[test]
fn a_deep_chain_is_walked_once() {
    let n = 20_000;
    let mut nodes: Vec<Value> = (1..n).map(|child| json!({"children": [child]})).collect();
    nodes.push(json!({"mesh": 0}));
    assert_eq!(
        read_with(json!({"nodes": nodes})).unwrap().mesh.faces.len(),
        4
    );
}

#[test]
fn the_scene_may_be_left_out() {
    for changes in [
        json!({"scene": null}),
        json!({"scene": null, "scenes": null, "nodes": [{"children": [1]}, {"mesh": 0}]}),
    ] {
        assert_eq!(code(read_with(changes)), "read");
    }
}

#[test]
fn strips_fans_and_lists_without_indices() {
    for (mode, faces) in [
        (4, vec![[0, 1, 2]]),
        (5, vec![[0, 1, 2], [2, 1, 3]]),
        (6, vec![[0, 1, 2], [0, 2, 3]]),
    ] {
        let primitive = json!({"attributes": {"POSITION": 0}, "mode": mode});
        let loaded = read_with(json!({"meshes": [{"primitives": [primitive]}]})).unwrap();
        assert_eq!(loaded.mesh.faces, faces);
        assert_eq!(loaded.n_unreferenced, usize::from(mode == 4));
    }
    let points = json!({"attributes": {"POSITION": 0}, "mode": 0});
    assert_eq!(
        code(read_with(json!({"meshes": [{"primitives": [points]}]}))),
        "NO_TRIANGLES"
    );
}

#[test]
fn sparse_rows_replace_those_of_the_buffer() {
    // Rows 2 and 1 become the points 1 and 2.
    let mesh = read_with(sparse()).unwrap().mesh;
    assert_eq!(mesh.vertices[2], [1.0, 0.0, 0.0]);
    assert_eq!(mesh.vertices[1], [0.0, 1.0, 0.0]);
    assert_eq!(mesh.vertices[3], [0.0, 0.0, 1.0]);
    let mut outside = sparse();
    outside["accessors"][0]["sparse"]["indices"] =
        json!({"bufferView": 0, "byteOffset": 12, "componentType": 5125});
    assert_eq!(code(read_with(outside)), "LOAD");
}

#[test]
fn strided_and_normalised_positions() {
    let changes = json!({
        "accessors": [{"bufferView": 0, "byteOffset": 4, "componentType": 5121, "normalized": true,
            "count": 4, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteOffset": 8, "byteLength": 16, "byteStride": 4}],
        "buffers": [{"byteLength": 24}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
    });
    let mut bytes = vec![9; 12];
    bytes.extend([0, 0, 255, 9, 0, 51, 0, 9, 102, 0, 0, 9]);
    let content = glb(&document(changes.clone()).to_string(), &bytes);
    let error = read_glb(&content, None, &ReadLimits::default()).unwrap_err();
    assert_eq!(error.code(), "LOAD", "the fourth row does not fit");
    bytes.extend([0; 4]);
    let mut longer = changes;
    longer["bufferViews"][0]["byteLength"] = json!(20);
    longer["buffers"][0]["byteLength"] = json!(28);
    let content = glb(&document(longer).to_string(), &bytes);
    let mesh = read_glb(&content, None, &ReadLimits::default())
        .unwrap()
        .mesh;
    assert_eq!(
        mesh.vertices,
        [[0.0, 0.0, 1.0], [0.0, 0.2, 0.0], [0.4, 0.0, 0.0]]
    );
}

#[test]
fn malformed_documents_are_refused() {
    let accessor = |changes: Value| {
        let mut accessor =
            json!({"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"});
        for (key, value) in changes.as_object().unwrap() {
            accessor[key] = value.clone();
        }
        let indices =
            json!({"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"});
        json!({"accessors": [accessor, indices]})
    };
    let indices = |component: u32, count: u64| {
        json!({"accessors": [
            {"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"},
            {"bufferView": 1, "componentType": component, "count": count, "type": "SCALAR"}]})
    };
    let view = |view: Value| {
        let of_indices = json!({"buffer": 0, "byteOffset": 48, "byteLength": 24});
        json!({"bufferViews": [view, of_indices]})
    };
    for changes in [
        json!({"scene": 1}),
        json!({"scene": -1}),
        json!({"scenes": "x"}),
        json!({"scenes": [], "scene": 0}),
        json!({"scenes": [{"nodes": [7]}]}),
        json!({"nodes": {"0": {}}}),
        json!({"nodes": [null]}),
        json!({"nodes": [[[], 0]]}),
        json!({"nodes": [{"mesh": 3}]}),
        json!({"nodes": [{"mesh": null}]}),
        json!({"nodes": [{"mesh": 0, "children": [0]}]}),
        json!({"nodes": [{"children": [1, 1]}, {"mesh": 0}]}),
        json!({"nodes": [{"children": [1]}, {"children": [2]}, {"children": [1]}]}),
        json!({"nodes": [{"mesh": 0, "matrix": [1, 2, 3]}]}),
        json!({"nodes": [{"mesh": 0, "scale": [1, 2, 3, 4]}]}),
        json!({"meshes": [{"primitives": [{"attributes": []}]}]}),
        json!({"meshes": [{"primitives": [{"attributes": {"POSITION": 9}}]}]}),
        json!({"meshes": [{"primitives": [{"attributes": {"POSITION": 1}}]}]}),
        json!({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "indices": 0}]}]}),
        json!({"asset": {"version": "1.0"}}),
        json!({"asset": {"version": 3}}),
        json!({"extensionsRequired": [7]}),
        accessor(json!({"componentType": 9})),
        accessor(json!({"count": -4})),
        accessor(json!({"count": 4.5})),
        accessor(json!({"count": 5})),
        accessor(json!({"count": u64::MAX})),
        accessor(json!({"byteOffset": 1})),
        accessor(json!({"byteOffset": u64::MAX})),
        accessor(json!({"type": "VEC2"})),
        accessor(json!({"normalized": true})),
        accessor(json!({"bufferView": 2})),
        indices(5120, 12),
        indices(5126, 6),
        indices(5125, 12),
        indices(5123, 13),
        view(json!({"buffer": 0, "byteLength": 48, "byteStride": 11})),
        view(json!({"buffer": 0, "byteLength": 48, "byteStride": u64::MAX})),
        view(json!({"buffer": 0, "byteLength": 48, "byteStride": -12})),
        view(json!({"buffer": 0, "byteLength": "48"})),
        view(json!({"buffer": 0, "byteLength": 73})),
        view(json!({"buffer": 0, "byteLength": 48, "byteOffset": u64::MAX})),
        view(json!({"buffer": 1, "byteLength": 48})),
        json!({"buffers": [{"byteLength": 73}]}),
        json!({"buffers": [{"byteLength": 1_000_000_000_000_u64}]}),
        json!({"buffers": [{"byteLength": 72, "uri": "data:;base64,!!!!"}]}),
        json!({"buffers": [{"byteLength": 72, "uri": "data:text/plain,abc"}]}),
    ] {
        assert_eq!(code(read_with(changes.clone())), "LOAD", "{changes}");
    }
}

#[test]
fn indices_outside_the_vertices_are_refused() {
    let mut bytes = binary();
    bytes[48] = 4;
    let content = glb(&document(json!({})).to_string(), &bytes);
    assert_eq!(
        code(read_glb(&content, None, &ReadLimits::default())),
        "LOAD"
    );
}

#[test]
fn what_needs_a_decoder_says_so() {
    let meshopt = json!({"EXT_meshopt_compression": {"buffer": 0}});
    for changes in [
        json!({"extensionsRequired": ["EXT_meshopt_compression"]}),
        json!({"extensionsRequired": ["KHR_materials_unlit", "ACME_surface"]}),
        json!({"nodes": [{"mesh": 0, "extensions": {"EXT_mesh_gpu_instancing": {}}}]}),
        json!({"buffers": [{"byteLength": 72}, {"byteLength": 48, "extensions": meshopt}]}),
        json!({"buffers": [{"byteLength": 72}, {"byteLength": 0}],
            "bufferViews": [{"buffer": 1, "byteLength": 48, "extensions": meshopt}]}),
    ] {
        assert_eq!(
            code(read_with(changes.clone())),
            "NEEDS_DECODER",
            "{changes}"
        );
    }
    let harmless = json!({"extensionsRequired": ["KHR_materials_unlit", "KHR_mesh_quantization"]});
    assert_eq!(code(read_with(harmless)), "read");
}

#[test]
fn side_files_lie_in_the_folder_or_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("inside");
    std::fs::create_dir(&inside).unwrap();
    std::fs::write(folder.path().join("outside.bin"), binary()).unwrap();
    std::fs::write(inside.join("a b.bin"), binary()).unwrap();
    let with_uri = |uri: &str| {
        let buffers = json!({"buffers": [{"byteLength": 72, "uri": uri}]});
        document(buffers).to_string().into_bytes()
    };
    let limits = ReadLimits::default();
    for uri in ["a b.bin", "a%20b.bin", "./a%20b.bin"] {
        let content = with_uri(uri);
        assert_eq!(
            code(read_gltf(&content, Some(&inside), &limits)),
            "read",
            "{uri}"
        );
        assert_eq!(
            code(read_gltf(&content, None, &limits)),
            "MISSING_SIDE_FILE"
        );
        assert_eq!(side_files(&content).len(), 1);
    }
    let absolute = folder.path().join("outside.bin");
    for uri in [
        "missing.bin",
        "../outside.bin",
        "%2e%2e/outside.bin",
        absolute.to_str().unwrap(),
        "https://example.org/a.bin",
        "//example.org/a.bin",
        "file:a.bin",
        ".",
        "a\0.bin",
    ] {
        let result = read_gltf(&with_uri(uri), Some(&inside), &limits);
        assert_eq!(code(result), "MISSING_SIDE_FILE", "{uri}");
    }
    assert!(side_files(&with_uri("../outside.bin")).is_empty());
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&absolute, inside.join("link.bin")).unwrap();
        let result = read_gltf(&with_uri("link.bin"), Some(&inside), &limits);
        assert_eq!(code(result), "MISSING_SIDE_FILE");
    }
    let content = with_uri("a b.bin");
    let limits = ReadLimits {
        max_bytes: content.len() as u64 + 71,
        ..limits
    };
    assert_eq!(
        code(read_gltf(&content, Some(&inside), &limits)),
        "TOO_LARGE"
    );
}

#[test]
fn containers_that_do_not_fit_are_refused() {
    let whole = glb(&document(json!({})).to_string(), &binary());
    let limits = ReadLimits::default();
    for length in 4..whole.len() {
        assert_eq!(code(read_glb(&whole[..length], None, &limits)), "LOAD");
    }
    let with_byte = |position: usize, byte: u8| {
        let mut content = whole.clone();
        content[position] = byte;
        read_glb(&content, None, &limits)
    };
    assert_eq!(code(with_byte(4, 1)), "LOAD");
    assert_eq!(code(with_byte(11, 1)), "LOAD");
    assert_eq!(code(with_byte(15, 1)), "LOAD");
    assert_eq!(code(with_byte(16, b'X')), "LOAD");
}

#[test]
fn texts_that_are_no_gltf() {
    let read_text = |text: &str| code(read_gltf(text.as_bytes(), None, &ReadLimits::default()));
    for text in [
        "{",
        "{\"asset\": {}",
        "[1, 2]",
        "{\"asset\": 3}",
        "{\"nodes\": [}",
    ] {
        assert_eq!(read_text(text), "LOAD", "{text}");
    }
    for text in ["{}", "{\"error\": 404}", "{\"buffers\": 404}"] {
        assert_eq!(read_text(text), "NOT_A_MESH", "{text}");
    }
    let deep = "{\"nodes\": ".to_string() + &"[".repeat(100_000);
    assert_eq!(read_text(&deep), "LOAD");
    let deep = format!("{{\"asset\": {{}}, \"extras\": {}", "[".repeat(100_000));
    assert_eq!(read_text(&deep), "LOAD");
}

#[test]
fn words_that_json_does_not_have() {
    let text = document(json!({"nodes": [{"mesh": 0, "name": "a \" NaN", "scale": [1, 2, 3]}]}));
    let nan = text.to_string().replace("[1,2,3]", "[1,NaN,-Infinity]");
    let read = |text: &str| read_glb(&glb(text, &binary()), None, &ReadLimits::default());
    assert_eq!(code(read(&nan)), "NON_FINITE");
    let elsewhere = text
        .to_string()
        .replacen('{', "{\"extras\": [Infinity],", 1);
    assert_eq!(code(read(&elsewhere)), "read");
}

#[test]
fn small_files_that_ask_for_much_are_refused() {
    let instances: Vec<Value> = (0..3000).map(|_| json!({"mesh": 0})).collect();
    let indices: Vec<usize> = (0..3000).collect();
    let primitive = json!({"attributes": {"POSITION": 0}, "indices": 1});
    let strip = json!({"attributes": {"POSITION": 0}, "indices": 1, "mode": 5});
    let zeros = json!({"componentType": 5123, "count": 1 << 20, "type": "SCALAR"});
    let mut sparse = sparse();
    sparse["accessors"][0]["sparse"]["count"] = json!(30_000);
    for changes in [
        json!({"nodes": instances, "scenes": [{"nodes": indices}]}),
        json!({"meshes": [{"primitives": vec![primitive; 3000]}]}),
        json!({"meshes": [{"primitives": [strip]}], "accessors":
            [{"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"}, zeros]}),
        json!({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}], "accessors":
            [{"componentType": 5126, "count": 1 << 20, "type": "VEC3"}]}),
        sparse,
    ] {
        let content = glb(&document(changes).to_string(), &binary());
        let limits = ReadLimits {
            max_triangles: 5000,
            ..ReadLimits::default()
        };
        assert_eq!(
            code(read_glb(&content, None, &limits)),
            "TOO_MANY_FACES_RAW"
        );
    }
    let virtual_rows = json!({"accessors": [
        {"componentType": 5126, "count": u64::MAX, "type": "VEC3"},
        {"bufferView": 1, "componentType": 5123, "count": 12, "type": "SCALAR"}]});
    assert_eq!(code(read_with(virtual_rows)), "LOAD");
}
