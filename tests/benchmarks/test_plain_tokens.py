"""The baseline's own tokenizers write what `tokenizer_rs` reads, and as many tokens."""

import numpy as np
import plain_tokens
import pytest
import trimesh
from hypothesis import given, settings
from plain_grid import quantize
from plain_loom import FAR_LOOP, FAR_VALENCE, MERGE, encode_loom

from pipelines.sources.builtin import BuiltinSource
from pipelines.tokenizers import FAMILIES, build_tokenizer, tokenizer_named
from tests.tokenizer_rs.manifold_oracle import assert_manifold
from tests.tokenizer_rs.manifold_oracle import triangles as positions_of_faces
from tests.tokenizer_rs.soups import on_grid, soups, sphere, triangles

TOKENIZERS = {name: build_tokenizer(tokenizer_named(name)) for name in FAMILIES}
ENCODE = {
    "silksong": plain_tokens.encode_silksong,
    "edgerunner": plain_tokens.encode_edgerunner,
    "face_sequence": plain_tokens.encode_faces,
    "loom": encode_loom,
}
BINS = {"silksong": 128, "edgerunner": 512, "face_sequence": 128, "loom": 128}


def _shapes():
    ball = sphere(3)
    holes = np.delete(ball[1], [3, 99, 300, 301, 302], axis=0)
    torus = trimesh.creation.torus(1, 0.4, major_sections=24, minor_sections=12)
    fan = np.array([[np.cos(t), 0, np.sin(t)] for t in np.linspace(0, 2 * np.pi, 80, endpoint=False)])
    rim = np.arange(80)
    return {
        "ball": ball,
        "holes": (ball[0], holes),
        "torus": (np.array(torus.vertices), np.array(torus.faces)),
        "sharp": (
            np.concatenate([fan, [[0, 0.3, 0]]]),
            np.stack([np.full(80, 80), np.roll(rim, -1), rim], axis=1),
        ),
        "two": (np.concatenate([ball[0], ball[0] + 3]), np.concatenate([holes, ball[1] + len(ball[0])])),
    }


SHAPES = _shapes()


def _normalized(vertices):
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return (vertices - (low + high) / 2) * (1.9 / (high - low).max())


def _decoded(name, written):
    vertices, faces = TOKENIZERS[name].decode(np.array(written, dtype=np.int32))
    return triangles(on_grid(vertices, BINS[name]), faces)


@pytest.mark.parametrize("shape", SHAPES)
def test_as_many_tokens(shape):
    vertices, faces = SHAPES[shape]
    found = plain_tokens.tokens(vertices, faces)
    wanted = {name: TOKENIZERS[name].encode(_normalized(vertices), faces) for name in FAMILIES}
    for name in ("face_sequence", "loom"):
        mesh = quantize(vertices, faces, BINS[name])
        assert list(ENCODE[name](mesh)) == wanted[name].tokens.tolist()
    for name, encoding in wanted.items():
        n_tokens, _ = found[name]
        assert n_tokens == pytest.approx(len(encoding.tokens), rel=0.03)


@pytest.mark.parametrize("shape", SHAPES)
def test_comes_back(shape):
    found = plain_tokens.tokens(*SHAPES[shape])
    assert all(found[name][1] for name in ("edgerunner", "face_sequence", "loom"))
    # a hole of one face is filled, as published
    assert found["silksong"][1] == (shape in ("ball", "torus", "sharp"))


@settings(max_examples=60, deadline=None)
@given(soups)
def test_soups_are_written_exactly(soup):
    vertices, faces = np.array(soup[0]), np.array(soup[1])
    if np.ptp(vertices, axis=0).max() == 0:
        return
    found = plain_tokens.tokens(vertices, faces)
    for name in ("edgerunner", "face_sequence", "loom"):
        mesh = quantize(vertices, faces, BINS[name])
        assert_manifold(len(mesh.grid), mesh.faces) if not mesh.has_double_edges else None
        assert found[name] is None or found[name][1]
        if found[name]:
            assert _decoded(name, ENCODE[name](mesh)) == triangles(mesh.grid, mesh.faces)


def test_furniture():
    source, exact, kinds = BuiltinSource(), 0, set()
    for family in source.shards():
        file = source.list_files(family)[0]
        loaded = trimesh.load(
            trimesh.util.wrap_as_stream(source.read_bytes(file)), file_type="glb", force="mesh"
        )
        mesh = quantize(np.array(loaded.vertices), np.array(loaded.faces), 128)
        written = encode_loom(mesh)
        assert _decoded("loom", written) == triangles(mesh.grid, mesh.faces)
        kinds |= set(written)
        exact += plain_tokens.silksong(mesh)[1]
    assert exact >= 10
    assert {MERGE} <= kinds, "no handle"


def _cubes(seed, n=8):
    """Surface of random cubes of a grid, which touch in edges and corners and have many handles."""
    is_full = np.pad(np.random.default_rng(seed).random((n, n, n)) < 0.5, 1)
    corners = np.array([[0, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 1]])
    faces = []
    for axis in range(3):
        for step in (0, 1):
            square = np.roll(corners, axis, axis=1)[:: 1 if step else -1] + step * np.eye(3, dtype=int)[axis]
            is_open = is_full & ~np.roll(is_full, 1 - 2 * step, axis=axis)
            for cell in np.argwhere(is_open):
                faces += [(cell + square)[[0, 1, 2]], (cell + square)[[0, 2, 3]]]
    vertices, index = np.unique(np.concatenate(faces), axis=0, return_inverse=True)
    return vertices.astype(float), index.reshape(-1, 3)


@pytest.mark.parametrize("seed", range(3))
def test_many_handles(seed):
    vertices, faces = _cubes(seed)
    mesh = quantize(vertices, faces, 128)
    assert (mesh.twin >= 0).all()
    assert not mesh.has_double_edges
    assert_manifold(len(mesh.grid), mesh.faces)
    written = encode_loom(mesh)
    assert written.count(MERGE) > 3
    assert _decoded("loom", written) == triangles(mesh.grid, mesh.faces)
    assert all(result is not None for result in plain_tokens.tokens(vertices, faces).values())
    assert plain_tokens.loom(mesh)[1]


def test_far_operations():
    """Fans of many faces, long loops and far splits have tokens with numbers."""
    n = 300
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    rim = np.stack([np.cos(angle), 0.1 * np.cos(3 * angle), np.sin(angle)], axis=1)
    ring = np.arange(n)
    cone = np.stack([np.full(n, n), np.roll(ring, -1), ring], axis=1)
    mesh = quantize(np.concatenate([rim, [[0, 1, 0]]]), cone, 512)
    mesh = type(mesh)(mesh.grid // 4, mesh.faces, mesh.twin, mesh.has_double_edges)
    written = encode_loom(mesh)
    assert {FAR_VALENCE, FAR_LOOP} <= set(written)
    assert _decoded("loom", written) == triangles(mesh.grid, mesh.faces)
    with pytest.raises(plain_tokens.RefusedError, match="layer"):
        plain_tokens.encode_silksong(mesh)


@pytest.mark.parametrize("bins", [128, 512])
def test_touching_parts_are_parted(bins):
    """Two tetrahedra with a common edge stay closed; three faces at an edge are cut."""
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, -1, 0], [0, 0, -1]], dtype=float)
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3], [0, 4, 1], [0, 1, 5], [1, 4, 5], [4, 0, 5]])
    mesh = quantize(vertices, faces, bins)
    assert (mesh.twin >= 0).all()
    assert len(mesh.grid) == 8
    cut = quantize(vertices, faces[:5], bins)
    assert_manifold(len(cut.grid), cut.faces)
    assert len(positions_of_faces(cut.grid, cut.faces)) == 5
