"""Every published vector of the EdgeRunner tokenizers, array by array."""

import json
from functools import cache

import numpy as np
import pytest
import tokenizer_rs

from tests.shared_data import SHARED, shared_path

GOLDEN = SHARED / "golden" / "edgerunner_tokenizer"
MESHES = json.loads((GOLDEN / "index.json").read_text())["meshes"] if GOLDEN.exists() else []
RUNS = [(mesh["name"], run) for mesh in MESHES for run in mesh["runs"]]
DAMAGED = json.loads((GOLDEN / "decode_cases.json").read_text()) if GOLDEN.exists() else {}


@cache
def tokenizer(run, sort="reference"):
    engine, resolution = run.lower().rsplit("_", 1)
    return tokenizer_rs.EdgeRunner(int(resolution), engine, sort)


@cache
def arrays(name):
    with np.load(shared_path("golden", "edgerunner_tokenizer", name + ".npz")) as data:
        return dict(data)


every_run = pytest.mark.parametrize(("name", "run"), RUNS, ids=["-".join(run) for run in RUNS])


@every_run
def test_encoding(name, run):
    data = arrays(name)
    encoding = tokenizer(run).encode(data["vertices"], data["faces"])
    np.testing.assert_array_equal(encoding.tokens, data[f"{run.lower()}_tokens"])
    np.testing.assert_array_equal(encoding.face_order, data[f"{run.lower()}_face_order"])
    np.testing.assert_array_equal(encoding.face_type, data[f"{run.lower()}_face_type"])
    np.testing.assert_array_equal(encoding.faces, data["faces"])
    expected = next(mesh for mesh in MESHES if mesh["name"] == name)
    statistics = encoding.statistics
    assert statistics["n_components"] == expected["num_edge_components"]
    assert statistics["n_boundary_edges"] == boundary_edges(data["faces"], expected)
    assert statistics["n_submeshes"] == expected["runs"][run]["sub_meshes"]
    assert statistics["n_visits"] == expected["runs"][run]["faces_coded"]
    assert statistics["n_lost_residuals"] == expected["runs"][run]["out_of_range_tokens"]


def boundary_edges(faces, expected):
    """Half-edges without a twin: of an edge of k faces all but the first two."""
    if not expected["nonmanifold_edges"] and not expected["index_degenerate_faces"]:
        return expected["boundary_edges"]
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    return int(np.where(counts == 1, 1, counts - 2).sum())


@every_run
def test_stable_order(name, run):
    data = arrays(name)
    encoding = tokenizer(run, "stable").encode(data["vertices"], data["faces"])
    for array, found in (("tokens", encoding.tokens), ("face_order", encoding.face_order)):
        key = f"{run.lower()}_{array}"
        np.testing.assert_array_equal(found, data.get(key + "_stable", data[key]))


@every_run
def test_decoding(name, run):
    data = arrays(name)
    key = run.lower()
    vertices, faces, face_type = tokenizer(run).decode_with_face_types(data[f"{key}_tokens"])
    assert vertices.dtype == np.float64
    if len(data["faces"]):
        np.testing.assert_array_equal(face_type, data[f"{key}_face_type"])
    if f"{key}_dec_vertices" in data:
        expected = data[f"{key}_dec_vertices"].reshape(-1, 3)
        np.testing.assert_array_equal(vertices, expected.astype(np.float64))
    if f"{key}_dec_faces" in data:
        np.testing.assert_array_equal(faces, data[f"{key}_dec_faces"].reshape(-1, 3))
    again, same = tokenizer(run).decode(data[f"{key}_tokens"])
    np.testing.assert_array_equal(vertices, again)
    np.testing.assert_array_equal(faces, same)


def triangles(vertices, faces):
    """Positions of every face, lowest corner first, sorted."""
    rows = vertices[faces].tolist()
    return sorted(min(r, r[1:] + r[:1], r[2:] + r[:2]) for r in rows)


@every_run
def test_exact_says_what_a_comparison_of_all_triangles_says(name, run):
    data = arrays(name)
    encoding = tokenizer(run).encode(data["vertices"], data["faces"])
    vertices, faces = tokenizer(run).decode(encoding.tokens)
    resolution = tokenizer(run).resolution
    on_grid = np.round((vertices + 1) * resolution / 2 - 0.5).astype(int)
    same = triangles(on_grid, faces) == triangles(encoding.vertices, encoding.faces)
    assert encoding.exact is same


@pytest.mark.parametrize("name", DAMAGED.get("cases", []))
def test_damaged_sequence(name):
    case = DAMAGED["cases"][name]
    decoder = tokenizer(f"{case['backend']}_{case['bins']}")
    vertices, faces, face_type = decoder.decode_with_face_types(case["tokens"])
    expected = np.array(case["vertices"], dtype=np.float32).astype(np.float64).reshape(-1, 3)
    np.testing.assert_array_equal(vertices, expected)
    np.testing.assert_array_equal(faces, np.array(case["faces"]).reshape(-1, 3))
    assert face_type.tolist() == case["face_type"]


@pytest.mark.parametrize("name", DAMAGED.get("undefined_in_reference", {}).get("cases", []))
def test_sequence_without_meaning(name):
    group = DAMAGED["undefined_in_reference"]
    decoder = tokenizer(f"{group['backend']}_{group['bins']}")
    with pytest.raises(tokenizer_rs.MeshError) as error:
        decoder.decode(group["cases"][name])
    assert error.value.code == "INVALID_TOKENS"
