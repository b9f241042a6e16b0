"""Every trap of the corpus is read right or rejected with its reason; everything else agrees with trimesh."""

import json
import struct
import time

import numpy as np
import polars as pl
import pytest
import trimesh

from pipelines.reading import MeshReadError, read_mesh
from pipelines.reasons import Reason
from tests.shared_data import shared_path

REJECTED = {
    Reason.NOT_A_MESH: """derived/glb_all_nul.glb derived/glb_named_obj.obj
        derived/glb_random_bytes.glb derived/glb_wrong_magic.glb
        derived/gzip_named_obj.obj derived/html_login_page.glb
        derived/json_error_body.glb derived/lfs_pointer.glb
        derived/names/._macresource.glb derived/obj_named_glb.glb
        derived/png_named_obj.obj derived/stl_html_error_page.stl""",
    Reason.NEEDS_DECODER: """derived/glb_meshopt_required.glb derived/glb_unknown_required_extension.glb""",
    Reason.MISSING_SIDE_FILE: """assimp/glTF2/MissingBin/BoxTextured.gltf derived/gltf_http_uri.gltf
        derived/gltf_missing_bin.gltf derived/gltf_path_traversal_uri.gltf""",
    Reason.EMPTY_FILE: "assimp/invalid/empty.obj derived/glb_zero_bytes.glb",
    Reason.NON_FINITE: """assimp/glTF2/BoxWithInfinites-glTF-Binary/BoxWithInfinites.glb
        derived/glb_nan_literal_in_json.glb derived/inf_some_vertices.ply
        derived/nan_all_vertices.ply derived/nan_one_coordinate.glb
        derived/nan_some_vertices_0.ply derived/nan_some_vertices_1.stl""",
    Reason.NO_TRIANGLES: """assimp/OBJ/point_cloud.obj assimp/OBJ/testline.obj assimp/PLY/points.ply
        assimp/glTF2/TestNoRootNode/SceneWithoutNodes.gltf
        derived/glb_empty_scene.glb derived/glb_lines_only.glb
        derived/glb_mesh_without_primitives.glb derived/glb_no_meshes.glb
        derived/glb_points_only.glb derived/glb_primitive_without_position.glb
        derived/obj_comment_only.obj derived/obj_lines_only.obj
        derived/obj_vertices_only.obj derived/obj_whitespace_only.obj
        derived/off_no_faces.off derived/ply_edges_only.ply
        derived/ply_empty_elements.ply derived/ply_points_only.ply
        derived/stl_ascii_empty_solid.stl derived/stl_zero_facets.stl
        trimesh/empty_nodes.glb trimesh/emptyIO/ply_points_bin.ply
        trimesh/emptyIO/stl_empty_bin.stl trimesh/points_ascii_with_lists.ply""",
    Reason.LOAD: """assimp/OBJ/number_formats.obj assimp/OFF/invalid.off assimp/PLY/issue623.ply
        assimp/glTF/BoxTextured-glTF-Binary/BoxTextured.glb
        assimp/glTF/TwoBoxes/TwoBoxes.gltf
        assimp/glTF2/IndexOutOfRange/IndexOutOfRange.gltf
        assimp/glTF2/RecursiveNodes/RecursiveNodes.gltf
        assimp/glTF2/TestNoRootNode/NoScene.gltf
        assimp/glTF2/wrongTypes/badArray.gltf assimp/invalid/OutOfMemory.off
        assimp/invalid/malformed.obj derived/glb_accessor_count_too_large.glb
        derived/glb_bufferview_out_of_range.glb derived/glb_cyclic_scene_graph.glb
        derived/glb_index_out_of_range.glb derived/glb_json_garbage.glb
        derived/glb_json_is_list.glb derived/glb_length_field_too_large.glb
        derived/glb_mesh_index_out_of_range.glb derived/glb_negative_count.glb
        derived/glb_node_index_out_of_range.glb derived/glb_node_is_own_child.glb
        derived/glb_node_with_two_parents.glb
        derived/glb_scene_index_out_of_range.glb derived/glb_truncated_header.glb
        derived/glb_truncated_in_bin.glb derived/glb_truncated_in_json.glb
        derived/glb_truncated_last_bytes.glb derived/glb_version_1.glb
        derived/glb_version_99.glb derived/glb_without_bin_chunk.glb
        derived/gltf_bad_base64.gltf derived/obj_decimal_comma.obj
        derived/obj_index_out_of_range.obj derived/obj_zero_index.obj
        derived/off_index_out_of_range.off derived/off_no_magic.off
        derived/off_truncated.off derived/ply_count_too_large.ply
        derived/ply_header_only.ply derived/ply_missing_end_header.ply
        derived/ply_negative_index.ply derived/ply_truncated_ascii.ply
        derived/ply_truncated_binary.ply derived/stl_count_too_large.stl
        derived/stl_count_too_small.stl derived/stl_truncated_ascii.stl
        derived/stl_truncated_binary.stl trimesh/points_emptyascii.ply""",
}
READ_ALTHOUGH_TRIMESH_FAILS = {
    "assimp/OBJ/box_UTF16BE.obj": 12,
    "assimp/OBJ/regr01.obj": 2710,
    "assimp/glTF2/IncorrectVertexArrays/Cube.gltf": 46,
    "assimp/glTF2/glTF-Asset-Generator/Mesh_PrimitiveMode/Mesh_PrimitiveMode_05.gltf": 2,
    "assimp/glTF2/glTF-Asset-Generator/Mesh_PrimitiveMode/Mesh_PrimitiveMode_12.gltf": 2,
    "derived/glb_json_invalid_utf8.glb": 746,
    "derived/glb_json_padding_nul.glb": 746,
    "derived/glb_length_field_zero.glb": 746,
    "derived/glb_no_scene_key.glb": 116,
    "derived/glb_scene_graph_depth_900.glb": 208,
    "derived/glb_triangle_fan_u16.glb": 32,
    "derived/obj_cr_only.obj": 224,
    "derived/obj_latin1_object_name.obj": 224,
    "derived/obj_tabs_and_trailing_space.obj": 224,
    "derived/obj_utf16.obj": 224,
    "derived/obj_utf8_bom.obj": 224,
    "derived/stl_ascii_no_endsolid.stl": 144,
}


def triangles(mesh) -> np.ndarray:
    """Corner positions of all faces, rows in an order that depends on them alone."""
    corners = np.asarray(mesh.vertices)[np.asarray(mesh.faces)]
    first = np.lexsort(corners.transpose(2, 0, 1)[::-1], axis=1)[:, 0]
    rolled = corners[np.arange(len(corners))[:, None], (first[:, None] + np.arange(3)) % 3].reshape(-1, 9)
    return rolled[np.lexsort(rolled.round(6).T[::-1])]


@pytest.mark.parametrize(
    ("file", "reason"), [(file, reason) for reason, files in REJECTED.items() for file in files.split()]
)
def test_traps_are_rejected_with_their_reason(file, reason):
    path = shared_path("corpus", "messy") / file
    with pytest.raises(MeshReadError) as error:
        read_mesh(path, path.suffix[1:].lower())
    assert error.value.reason == reason
    assert error.value.detail


@pytest.mark.parametrize(("file", "n_faces"), READ_ALTHOUGH_TRIMESH_FAILS.items())
def test_traps_are_read_where_they_can_be(file, n_faces):
    path = shared_path("corpus", "messy") / file
    started = time.monotonic()
    assert len(read_mesh(path, path.suffix[1:].lower()).faces) == n_faces
    assert time.monotonic() - started < 2


def test_all_other_counts_are_those_of_trimesh():
    corpus = shared_path("corpus")
    manifest = pl.read_parquet(corpus / "manifest.parquet").filter(pl.col("trimesh_result") == "ok")
    manifest = manifest.filter((pl.col("set") == "messy") | (pl.int_range(pl.len()) % 8 == 0))
    known = {file for files in REJECTED.values() for file in files.split()}
    differing = []
    for row in manifest.iter_rows(named=True):
        if row["path"].removeprefix("messy/") in known:
            continue
        try:
            mesh = read_mesh(corpus / row["path"], row["format"])
        except MeshReadError as error:
            differing.append((row["path"], error.reason))
            continue
        used = mesh.vertices[np.unique(mesh.faces)].astype(np.float32) + np.float32(0)
        if (len(mesh.faces), len(np.unique(used, axis=0))) != (row["faces"], row["vertices"]):
            differing.append((row["path"], len(mesh.faces)))
    rest = {path.removeprefix("messy/") for path, _ in differing}
    # trimesh without a decoder gives compressed triangles whose corners are all at the origin
    compressed = {path for path in rest if path.startswith("draco/")}
    assert rest - compressed == {"assimp/glTF2/IndexOutOfRange/AllIndicesOutOfRange.gltf"}


def test_compressed_meshes_fill_the_box_that_their_document_announces():
    files = sorted(shared_path("corpus", "messy", "draco").glob("*.glb"))
    assert len(files) == 12
    for path in files:
        content = path.read_bytes()
        document = json.loads(content[20 : 20 + struct.unpack_from("<I", content, 12)[0]])
        primitives = [primitive for mesh in document["meshes"] for primitive in mesh["primitives"]]
        counts = [document["accessors"][primitive["indices"]]["count"] for primitive in primitives]
        mesh = read_mesh(path, "glb")
        assert len(mesh.faces) == sum(counts) // 3
        if len(primitives) > 1:  # each turned by its own node
            continue
        box = document["accessors"][primitives[0]["attributes"]["POSITION"]]
        extent = np.subtract(box["max"], box["min"])
        assert np.allclose(np.ptp(mesh.vertices, axis=0), extent, rtol=1e-3), path


@pytest.mark.parametrize("kind", ["objaverse", "local", "shapenet", "messy"])
def test_triangles_are_those_of_trimesh(kind):
    corpus = shared_path("corpus")
    manifest = pl.read_parquet(corpus / "manifest.parquet").filter(
        (pl.col("set") == kind) & (pl.col("trimesh_result") == "ok") & pl.col("faces").is_between(1, 3000)
    )
    for row in manifest.gather_every(5 if kind == "messy" else 60).iter_rows(named=True):
        if "/draco/" in row["path"]:  # trimesh has no decoder
            continue
        try:
            mesh = read_mesh(corpus / row["path"], row["format"])
        except MeshReadError:
            continue
        scene = trimesh.load_scene(corpus / row["path"], process=False, skip_materials=True)
        reference = scene.to_mesh()
        reference_triangles = triangles(reference)
        scale = max(1e-30, np.abs(reference_triangles).max())
        found = np.sort(triangles(mesh) / scale, axis=0)
        assert np.allclose(found, np.sort(reference_triangles / scale, axis=0), atol=1e-5), row["path"]


def test_quantised_positions():
    path = shared_path("corpus", "messy", "derived", "glb_quantised_int16_positions.glb")
    mesh, reference = read_mesh(path, "glb"), trimesh.load_scene(path, process=False).to_mesh()
    assert np.allclose(triangles(mesh), triangles(reference), atol=1e-6)


def test_sparse_values_replace_those_of_the_buffer():
    path = shared_path("corpus", "messy", "derived", "glb_sparse_accessor.glb")
    mesh, reference = read_mesh(path, "glb"), trimesh.load_scene(path, process=False).to_mesh()
    moved = (np.abs(mesh.vertices - reference.vertices) > 1e-6).any(axis=1)
    assert moved.sum() == 3  # trimesh leaves them where they were


def test_stray_vertices_are_left_out():
    mesh = read_mesh(b"v 9 9 9\nv 0 0 0\nv 1 0 0\nv nan 0 0\nv 0 1 0\nf 2 3 5\n", "obj")
    assert (mesh.faces.tolist(), mesh.n_unreferenced) == ([[0, 1, 2]], 2)
    assert mesh.vertices.max() == 1


def glb(document: dict, binary: bytes) -> bytes:
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = (
        struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    )
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def tetrahedron(scene_nodes: list[dict], **changes: object) -> bytes:
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]], dtype="<f4")
    corners = np.array([0, 2, 1, 0, 1, 3, 0, 3, 2, 1, 2, 3], dtype="<u2")
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": scene_nodes,
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
    }
    return glb({**document, **changes}, points.tobytes() + corners.tobytes())


def volume(mesh) -> float:
    a, b, c = mesh.vertices[mesh.faces].transpose(1, 0, 2)
    return float((a * np.cross(b, c)).sum() / 6)


def test_a_mirrored_node_keeps_its_faces_outward():
    plain = read_mesh(tetrahedron([{"mesh": 0}]), "glb")
    mirrored = read_mesh(tetrahedron([{"mesh": 0, "scale": [-2, 1, 1], "translation": [5, 0, 0]}]), "glb")
    assert volume(plain) == pytest.approx(1 / 6)
    assert volume(mirrored) == pytest.approx(2 / 6)


def test_transforms_chain_and_instances_expand():
    nodes = [{"children": [1, 2], "scale": [2, 2, 2]}, {"mesh": 0}, {"mesh": 0, "translation": [1, 0, 0]}]
    mesh = read_mesh(tetrahedron(nodes), "glb")
    assert (len(mesh.faces), mesh.n_geometries) == (8, 1)
    assert mesh.vertices.max(axis=0).tolist() == [4, 2, 2]


@pytest.mark.parametrize(
    "changes",
    [
        {"scenes": "x"},
        {"nodes": {"0": {}}},
        {"nodes": [None]},
        {"accessors": [{"bufferView": 0, "componentType": 9, "count": 4, "type": "VEC3"}]},
        {"bufferViews": [{"buffer": 0, "byteLength": 48, "byteStride": -12}] * 2},
        {"bufferViews": [{"buffer": 0, "byteLength": "48"}] * 2},
        {"buffers": [{"byteLength": 10**12}]},
        {"meshes": [{"primitives": [{"attributes": []}]}]},
        {"extensionsRequired": [7]},
    ],
)
def test_malformed_documents_are_rejected(changes):
    with pytest.raises(MeshReadError) as error:
        read_mesh(tetrahedron([{"mesh": 0}], **changes), "glb")
    assert error.value.reason == Reason.LOAD


def test_every_cut_of_a_glb_is_rejected_or_complete():
    content = tetrahedron([{"mesh": 0}])
    for length in range(len(content)):
        with pytest.raises(MeshReadError):
            read_mesh(content[:length], "glb")


def ply(header: str, data: bytes, order: str = "binary_little_endian") -> bytes:
    return f"ply\nformat {order} 1.0\n{header}end_header\n".encode() + data


def test_binary_ply_with_polygons_of_mixed_size():
    points = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0], [2, 2, 2]], dtype="<f4").tobytes()
    faces = struct.pack("<B3i", 3, 0, 1, 4) + struct.pack("<B4i", 4, 0, 1, 2, 3)
    header = (
        "element vertex 5\nproperty float x\nproperty float y\nproperty float z\n"
        "element face 2\nproperty list uchar int vertex_indices\n"
    )
    mesh = read_mesh(ply(header, points + faces), "ply")
    assert mesh.faces.tolist() == [[0, 1, 4], [0, 1, 2], [2, 3, 0]]
    with pytest.raises(MeshReadError, match="left over"):
        read_mesh(ply(header, points + faces + b"x"), "ply")
    for length in range(len(points + faces)):
        with pytest.raises(MeshReadError):
            read_mesh(ply(header, (points + faces)[:length]), "ply")


def test_relative_indices_count_from_the_last_vertex_so_far():
    text = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nf -3 -2 -1\nv 0 0 5\nv 1 0 5\nv 0 1 5\nf -3 -2 -1\n"
    assert read_mesh(text, "obj").faces.tolist() == [[0, 1, 2], [3, 4, 5]]


@pytest.mark.parametrize(
    "text", [b"v 1 2\nf 1 1 1\n", b"v 0 0 x\n", b"v 0 0 0\nf 1 1 a\n", b"v 0 0 0\nf 1 1 9\n"]
)
def test_malformed_obj(text):
    with pytest.raises(MeshReadError) as error:
        read_mesh(text, "obj")
    assert error.value.reason == Reason.LOAD


@pytest.mark.parametrize(
    "header", ["OFF\n3 1 0\n", "OFF 3 1 0\n", "OFF3 1 0\n", "COFF\n# x\n\n3 1 0\n", "NOFF\n3 1 0\n"]
)
def test_off_headers(header):
    text = header + "0 0 0 255 0 0 255\n1 0 0 255 0 0 255\n0 1 0 255 0 0 255\n3 0 1 2 0.5 0.5 0.5\n"
    assert read_mesh(text.encode(), "off").faces.tolist() == [[0, 1, 2]]


def test_side_files_are_found_by_their_decoded_name_only_within_the_folder(tmp_path):
    content = tetrahedron([{"mesh": 0}])
    size = struct.unpack_from("<I", content, 12)[0]
    document, binary = json.loads(content[20 : 20 + size]), content[28 + size :]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b c.bin").write_bytes(binary)
    (tmp_path / "outside.bin").write_bytes(binary)
    (tmp_path / "sub" / "link.bin").symlink_to(tmp_path / "outside.bin")
    path = tmp_path / "sub" / "a.gltf"
    for uri, is_readable in [
        ("b%20c.bin", True),
        ("./b c.bin", True),
        ("../outside.bin", False),
        ("link.bin", False),
    ]:
        document["buffers"][0]["uri"] = uri
        path.write_text(json.dumps(document))
        if is_readable:
            assert len(read_mesh(path, "gltf").faces) == 4
        else:
            with pytest.raises(MeshReadError, match="outside") as error:
                read_mesh(path, "gltf")
            assert error.value.reason == Reason.MISSING_SIDE_FILE
