"""Mesh files in, triangles out: from paths and bytes, right or refused with a code."""

import json
import os
import pickle
import struct
import threading

import numpy as np
import pytest
import tokenizer_rs
import trimesh

from tests.shared_data import shared_path

OBJ = b"v 9 9 9\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nf 2 3 4 5\n"
SUFFIXES = {".glb", ".gltf", ".obj", ".stl"}


def refused(code, source, *arguments, **options):
    with pytest.raises(tokenizer_rs.MeshError) as error:
        tokenizer_rs.read_mesh(source, *arguments, **options)
    assert error.value.code == code
    assert str(error.value)


def glb(document, binary=b"", kind=b"JSON"):
    text = json.dumps(document).encode() if isinstance(document, dict) else document
    chunks = struct.pack("<I4s", len(text), kind) + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return b"glTF" + struct.pack("<II", 2, 12 + len(chunks)) + chunks


def triangle(**changes):
    """Document and buffer of one triangle."""
    document = {
        "asset": {"version": "2.0"},
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36}],
    }
    return {**document, **changes}, np.eye(3, dtype="<f4").tobytes()


def test_shapes_and_counts():
    mesh = tokenizer_rs.read_mesh(OBJ, "obj")
    assert isinstance(mesh, tokenizer_rs.LoadedMesh)
    assert (mesh.vertices.dtype, mesh.vertices.shape) == (np.float64, (4, 3))
    assert (mesh.faces.dtype, mesh.faces.tolist()) == (np.int32, [[0, 1, 2], [2, 3, 0]])
    assert (mesh.n_geometries, mesh.n_unreferenced) == (1, 1)
    assert mesh.vertices.max() == 1


def test_paths_and_bytes_give_the_same(tmp_path):
    path = tmp_path / "Stück ½.OBJ"
    path.write_bytes(OBJ)
    for source, arguments in [(path, ()), (str(path), ()), (path, ("obj",)), (OBJ, ("OBJ",))]:
        mesh = tokenizer_rs.read_mesh(source, *arguments)
        assert mesh.faces.tolist() == [[0, 1, 2], [2, 3, 0]]
    refused("LOAD", path, "off")


@pytest.mark.parametrize("folder", ["objaverse", "shapenet", "local"])
def test_triangles_are_those_of_trimesh(folder):
    files = [path for path in sorted(shared_path("corpus", folder).rglob("*")) if path.suffix in SUFFIXES]
    for path in files[:: len(files) // 4]:
        mesh = tokenizer_rs.read_mesh(path)
        reference = trimesh.load_scene(path, process=False, skip_materials=True).to_mesh()
        found, expected = (
            np.sort(np.linalg.norm(m.vertices[m.faces], axis=2).ravel()) for m in (mesh, reference)
        )
        assert np.allclose(found, expected, atol=1e-5 * expected.max()), path


@pytest.mark.parametrize(
    ("source", "format", "code"),
    [
        (b"", "obj", "EMPTY_FILE"),
        (OBJ, "fbx", "UNSUPPORTED_FORMAT"),
        (OBJ, "", "UNSUPPORTED_FORMAT"),
        (OBJ, None, "INVALID_INPUT"),
        (b"<html>", "glb", "NOT_A_MESH"),
        (OBJ.split(b"f")[0], "obj", "NO_TRIANGLES"),
        (OBJ.replace(b"1 1 0", b"1 nan 0"), "obj", "NON_FINITE"),
        (OBJ.replace(b"f 2", b"f 0"), "obj", "LOAD"),
        (glb(*triangle(extensionsRequired=["EXT_unknown"])), "glb", "NEEDS_DECODER"),
        (glb(*triangle(buffers=[{"byteLength": 36, "uri": "a.bin"}])), "glb", "MISSING_SIDE_FILE"),
    ],
)
def test_every_code(source, format, code):
    refused(code, source, format)


def test_limits_hold():
    refused("TOO_MANY_FACES_RAW", OBJ, "obj", max_triangles=1)
    refused("TOO_LARGE", OBJ, "obj", max_bytes=len(OBJ) - 1)
    assert len(tokenizer_rs.read_mesh(OBJ, "obj", max_triangles=2, max_bytes=len(OBJ)).faces) == 2


def test_instances_are_counted_before_they_are_made():
    n = 200_000
    document, binary = triangle(nodes=[{"mesh": 0}] * n, scenes=[{"nodes": list(range(n))}])
    refused("TOO_MANY_FACES_RAW", glb(document, binary), "glb", max_triangles=n - 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": [{"children": [0]}]},
        {"nodes": [{"mesh": 0, "children": [1]}, {"children": [2]}, {"children": [1]}]},
        {"accessors": [{"componentType": 5126, "count": 2**63, "type": "VEC3"}]},
        {"accessors": [{"bufferView": 0, "componentType": 5126, "count": 2**62, "type": "VEC3"}]},
        {"bufferViews": [{"buffer": 0, "byteOffset": 2**64 - 1, "byteLength": 2**64 - 1}]},
        {"buffers": [{"byteLength": 2**40}]},
    ],
)
def test_hostile_documents(changes):
    refused("LOAD", glb(*triangle(**changes)), "glb")


def test_a_deep_chain_and_deep_json():
    n = 100_000
    nodes = [{"children": [i + 1]} for i in range(n)] + [{"mesh": 0}]
    assert len(tokenizer_rs.read_mesh(glb(*triangle(nodes=nodes)), "glb").faces) == 1
    refused("LOAD", glb(b'{"asset": ' + b"[" * n), "glb")


def test_files_that_cannot_be_read(tmp_path):
    refused("UNREADABLE_FILE", tmp_path / "missing.obj")
    (tmp_path / "folder.obj").mkdir()
    refused("UNREADABLE_FILE", tmp_path / "folder.obj")
    os.mkfifo(tmp_path / "pipe.obj")
    refused("UNREADABLE_FILE", tmp_path / "pipe.obj")
    refused("UNSUPPORTED_FORMAT", tmp_path / "mesh.")
    with pytest.raises(TypeError):
        tokenizer_rs.read_mesh(3, "obj")


def test_side_files_are_those_of_the_folder(tmp_path):
    document, binary = triangle(buffers=[{"byteLength": 36, "uri": "sub/a%20b.bin"}])
    content = json.dumps(document).encode()
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a b.bin").write_bytes(binary)
    (tmp_path / "a.gltf").write_bytes(content)
    assert len(tokenizer_rs.read_mesh(tmp_path / "a.gltf").faces) == 1
    assert len(tokenizer_rs.read_mesh(content, "gltf", tmp_path).faces) == 1
    refused("MISSING_SIDE_FILE", content, "gltf")
    refused("MISSING_SIDE_FILE", content, "gltf", tmp_path / "sub")
    assert tokenizer_rs.gltf_side_files(content) == ["sub/a b.bin"]
    assert tokenizer_rs.gltf_side_files(content.replace(b"sub/", b"../")) == []
    assert tokenizer_rs.gltf_side_files(b"{") == []


def test_a_file_beside_the_caller_is_found(tmp_path, monkeypatch):
    document, binary = triangle(buffers=[{"byteLength": 36, "uri": "a.bin"}])
    (tmp_path / "a.bin").write_bytes(binary)
    (tmp_path / "a.gltf").write_text(json.dumps(document))
    monkeypatch.chdir(tmp_path)
    assert len(tokenizer_rs.read_mesh("a.gltf").faces) == 1


def test_threads_read_at_once():
    content = OBJ + b"f 2 3 4\n" * 50_000
    counts = []
    threads = [
        threading.Thread(target=lambda: counts.append(len(tokenizer_rs.read_mesh(content, "obj").faces)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [50_002] * 4


def test_an_error_travels_between_processes():
    with pytest.raises(tokenizer_rs.MeshError) as error:
        tokenizer_rs.read_mesh(b"", "obj")
    assert pickle.loads(pickle.dumps(error.value)).code == "EMPTY_FILE"
