"""Every published vector of the Silksong tokenizer, array by array."""

import json
from collections import Counter
from functools import cache

import numpy as np
import pytest
import tokenizer_rs

from tests.shared_data import SHARED, shared_path

GOLDEN = SHARED / "golden" / "silksong_tokenizer"
CASES = json.loads((GOLDEN / "index.json").read_text()) if GOLDEN.exists() else []
GOOD = [case for case in CASES if "error" not in case]
EXACT = [case for case in GOOD if not case["order_sensitive"]]
SENSITIVE = [case for case in GOOD if case["order_sensitive"]]
BAD = [case for case in CASES if "error" in case]

CODES = {
    "NM_verts exceed limit": "NM_VERT_LIMIT",
    "mobius cycle": "NON_ORIENTABLE",
    "division by zero": "NO_VALID_COMPONENT",
    "max() arg": "NO_VALID_COMPONENT",
    "edge graph edges exceed": "VALENCE_LIMIT",
    "too many faces_p": "TOO_MANY_FACES",
}


def named(cases):
    return pytest.mark.parametrize("case", cases, ids=[case["name"] for case in cases])


def arrays(case):
    return np.load(shared_path("golden", "silksong_tokenizer", case["name"] + ".npz"))


def normalized(vertices, bound=0.95):
    vertices = vertices.astype(np.float64)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return (vertices - (low + high) / 2) * (2 * bound / (high - low).max())


@cache
def tokenizer(mode=4, resolution=128, limits=()):
    name = {3: "xyz", 4: "block_offset"}[mode]
    return tokenizer_rs.Silksong(resolution, name, conformance="reference", limits=dict(limits))


def encoded(case, mode=4, resolution=128):
    data = arrays(case)
    limits = tuple(case["limits"].items())
    mesh = normalized(data["in_vertices"]), data["in_faces"]
    return tokenizer(mode, resolution, limits).encode(*mesh), data


def triples(positions, faces):
    """Faces by their corner positions, rotated so that the lowest is first: numbering does not matter."""
    out = Counter()
    for face in positions[faces].tolist():
        corners = [tuple(p) for p in face]
        k = corners.index(min(corners))
        out[tuple(corners[k:] + corners[:k])] += 1
    return out


def check_partition(faces, expected):
    """Both number the copies of vertices differently at most: corner by corner, a bijection."""
    pairs = set(zip(faces.ravel().tolist(), expected.ravel().tolist(), strict=True))
    assert len(pairs) == len({a for a, _ in pairs}) == len({b for _, b in pairs})


@named(GOOD)
def test_cleaning(case):
    encoding, data = encoded(case)
    np.testing.assert_array_equal(encoding.vertices[: len(data["quant"])], data["quant"])
    np.testing.assert_array_equal(encoding.clean_faces, data["clean_faces"])


@named(EXACT)
@pytest.mark.parametrize("mode", [3, 4])
def test_tokens(case, mode):
    encoding, data = encoded(case, mode)
    np.testing.assert_array_equal(encoding.tokens, data[f"tokens_m{mode}"])
    assert encoding.tokens.dtype == np.int32


@named(EXACT)
def test_statistics(case):
    encoding, _ = encoded(case)
    found = {key: encoding.statistics[key] for key in case["meta"]}
    # The start edge is named by its vertices; those may be copies, whose numbering is free.
    expected = dict(case["meta"])
    if not np.array_equal(encoding.faces, arrays(case)["final_faces"]):
        assert len(found.pop("start_hes_list")) == len(expected.pop("start_hes_list"))
    assert found == expected
    encoding, _ = encoded(case, mode=3)
    assert encoding.statistics["token_length"] == case["token_length_m3"]
    assert encoding.statistics["compression_rate"] == case["compression_rate_m3"]


@named(EXACT)
def test_repaired_mesh_and_components(case):
    encoding, data = encoded(case)
    check_partition(encoding.repaired_faces, data["repaired_faces"])
    check_partition(encoding.faces, data["final_faces"])
    assert len(encoding.vertices) == len(data["repaired_vertices"])
    np.testing.assert_array_equal(
        encoding.vertices[encoding.faces], data["repaired_vertices"][data["final_faces"]]
    )
    np.testing.assert_array_equal(encoding.component_ids, data["face_component"])
    np.testing.assert_array_equal(encoding.component_valid, data["component_valid"])
    np.testing.assert_array_equal(encoding.face_order, data["face_order"])


@named(EXACT)
def test_sequence(case):
    encoding, data = encoded(case)
    np.testing.assert_array_equal(encoding.sequence_layers, data["seq_layer"])
    np.testing.assert_array_equal(encoding.sequence_components, data["seq_component"])
    np.testing.assert_array_equal(
        encoding.vertices[encoding.sequence_vertices], data["repaired_vertices"][data["seq_vertex"]]
    )
    if np.array_equal(encoding.faces, data["final_faces"]):
        np.testing.assert_array_equal(encoding.sequence_vertices, data["seq_vertex"])


@named(GOOD)
@pytest.mark.parametrize("mode", [3, 4])
def test_decoding(case, mode):
    data = arrays(case)
    vertices, faces = tokenizer(mode).decode(data[f"tokens_m{mode}"])
    np.testing.assert_array_equal(faces, data["dec_faces"])
    np.testing.assert_allclose(vertices, data["dec_vertices"], atol=1e-6)
    np.testing.assert_array_equal(np.round((vertices + 1) * 64 - 0.5), data["dec_vertices_q"])


@named([case for case in EXACT if any(key.startswith("meta_r") for key in case)])
@pytest.mark.parametrize("resolution", [256, 512, 1024])
def test_higher_resolution(case, resolution):
    if f"meta_r{resolution}" not in case:
        pytest.skip("no vector at this resolution")
    encoding, data = encoded(case, 3, resolution)
    np.testing.assert_array_equal(encoding.tokens, data[f"tokens_m3_r{resolution}"])
    _, faces = tokenizer(3, resolution).decode(encoding.tokens)
    np.testing.assert_array_equal(faces, data[f"dec_faces_r{resolution}"])
    expected = case[f"meta_r{resolution}"]
    found = {key: encoding.statistics[key] for key in expected}
    skipped = {"token_length", "compression_rate"}  # these may be of either mode
    assert {k: v for k, v in found.items() if k not in skipped} == {
        k: v for k, v in expected.items() if k not in skipped
    }


@named([case for case in EXACT if case["roundtrip"]["same"]])
def test_what_returns_exactly(case):
    encoding, _ = encoded(case)
    vertices, faces = tokenizer().decode(encoding.tokens)
    valid = encoding.faces[encoding.component_valid[encoding.component_ids]]
    decoded = np.round((vertices + 1) * 64 - 0.5).astype(int)
    assert triples(decoded, faces) == triples(encoding.vertices, valid)


@named(SENSITIVE)
def test_order_sensitive_repair_keeps_its_promises(case):
    encoding, data = encoded(case)
    assert len(encoding.repaired_faces) == len(data["repaired_faces"])
    assert len(encoding.tokens) == encoding.statistics["token_length"]
    assert encoding.tokens.min() >= 0
    assert encoding.tokens.max() < tokenizer().vocab_size
    check_manifold(encoding.faces)
    check_tokens_say_the_edges(encoding)


@named(BAD)
def test_refused(case):
    with pytest.raises(tokenizer_rs.MeshError) as error:
        encoded(case)
    expected = next(code for text, code in CODES.items() if text in case["error"])
    assert error.value.code == expected


def check_manifold(faces):
    """Each edge has at most two faces running in opposite directions; each vertex has one fan."""
    directed = Counter()
    fans = {}
    for a, b, c in faces.tolist():
        directed.update([(a, b), (b, c), (c, a)])
        for v, pair in ((a, (b, c)), (b, (c, a)), (c, (a, b))):
            fans.setdefault(v, []).append(set(pair))
    assert set(directed.values()) <= {1}
    for links in fans.values():
        reached, rest = links[0], links[1:]
        while near := [link for link in rest if link & reached]:
            rest = [link for link in rest if not link & reached]
            reached = reached.union(*near)
        assert not rest


def edges_in_layers(encoding):
    """In-layer and between-layer edges of the repaired mesh as pairs of places in token order."""
    place = {v: i for i, v in enumerate(encoding.sequence_vertices.tolist())}
    layers = encoding.sequence_layers
    edges = set()
    for face in encoding.faces.tolist():
        for a, b in zip(face, face[1:] + face[:1], strict=True):
            i, j = sorted((place.get(a, -1), place.get(b, -1)))
            if i >= 0 and layers[j] >= 1 and layers[j] - layers[i] <= 1:
                edges.add((i, j))
    return edges


def check_tokens_say_the_edges(encoding):
    """Reads the topology ids row by row and compares the edges with those of the mesh."""
    table = {row[10]: row[16:21] for row in tokenizer_rs.silksong_window_table().tolist()}
    edges, previous, current, n = set(), [], {}, 0

    def close():
        members = list(current)
        for position, vertex in enumerate(members):
            head, *extra = current[vertex]["in"] or [203]
            for d in [d for d in range(8) if head - 203 >> d & 1] + [t - 3 for t in extra]:
                other = members[(position + 1 + d) % len(members)]
                edges.add((min(vertex, other), max(vertex, other)))
            row = [0] * (len(previous) + 5)
            for column, code in (divmod(t - 459, 26) for t in current[vertex]["out"]):
                row[column : column + 6] = [1, *table[code]]
            edges.update((previous[c], vertex) for c, one in enumerate(row) if one)
        return members

    for token in encoding.tokens.tolist():
        if token == 0:
            previous, current = [], {}
        elif token <= 2:
            previous, current = close(), {}
        elif token >= 6171:
            current[n] = {"in": [], "out": []}
            n += 1
        elif token < 5659:
            current[n - 1]["in" if token < 459 else "out"].append(token)
    assert n == len(encoding.sequence_vertices)
    assert edges == edges_in_layers(encoding)


@named(EXACT)
def test_tokens_say_the_edges(case):
    check_tokens_say_the_edges(encoded(case)[0])
    check_manifold(encoded(case)[0].faces)
