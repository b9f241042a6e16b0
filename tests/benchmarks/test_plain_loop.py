"""The baseline's statistics are those of `tokenizer_rs`."""

import numpy as np
import plain_loop
import pytest
import tokenizer_rs
import trimesh
from plain_topology import topology

from tests.pipelines.quality_meshes import meshes
from tests.tokenizer_rs.soups import sphere

SHAPE = {
    "kind": "kind",
    "genus": "genus",
    "loops": "boundary_loops",
    "edge_components": "components",
    "orientable": "is_orientable",
    "consistent": "consistent_share",
    "valences": "valences",
    "regular": "regular_share",
    "quality": "mean_quality",
    "slivers": "sliver_share",
    "area": "area",
}
COUNTS = {
    "edges": "edges",
    "boundary": "boundary_edges",
    "nonmanifold": "nonmanifold_edges",
    "inconsistent": "inconsistent_edges",
    "nonmanifold_vertices": "nonmanifold_vertices",
    "components": "components",
    "watertight": "watertight",
    "degenerate": "degenerate_faces",
    "duplicate": "duplicate_faces",
}


def _soup(seed):
    random = np.random.default_rng(seed)
    faces = random.integers(12, size=(30, 3))
    return random.random((12, 3)), faces


def _mobius(n=9):
    turn = np.repeat(np.linspace(0, 2 * np.pi, n, endpoint=False), 2)
    side = np.tile([-0.3, 0.3], n)
    radius = 1 + side * np.cos(turn / 2)
    vertices = np.stack([radius * np.cos(turn), side * np.sin(turn / 2), radius * np.sin(turn)], axis=1)
    strip = [(2 * i, 2 * i + 1, 2 * i + 2) for i in range(n - 1)]
    strip += [(2 * i + 1, 2 * i + 3, 2 * i + 2) for i in range(n - 1)]
    return vertices, np.array([*strip, (2 * n - 2, 2 * n - 1, 1), (2 * n - 1, 0, 1)])


def _pinched():
    """Three tetrahedra with one vertex in common."""
    corners = np.eye(3)
    tips = np.concatenate([corners, -corners, corners * [1, 1, -1] - 2 * corners[2], np.zeros((1, 3))])
    faces = [
        face
        for a in (0, 3, 6)
        for face in ((a, a + 1, a + 2), (9, a + 1, a), (9, a + 2, a + 1), (9, a, a + 2))
    ]
    return tips, np.array(faces)


ball = sphere(2)
torus = trimesh.creation.torus(1, 0.4, major_sections=12, minor_sections=6)
MESHES = {
    **meshes(),
    **{f"soup-{seed}": _soup(seed) for seed in range(5)},
    "mobius": _mobius(),
    "torus": (np.array(torus.vertices), np.array(torus.faces)),
    "pinched": _pinched(),
    "inverted": (ball[0], ball[1][:, ::-1]),
}


@pytest.fixture(params=MESHES)
def mesh(request):
    made = trimesh.Trimesh(*MESHES[request.param], process=False)
    made.merge_vertices(merge_tex=True, merge_norm=True)
    return made


def test_shape_and_topology(mesh):
    found = plain_loop.shape(mesh) | topology(mesh.faces, len(mesh.vertices), mesh.volume)
    shape = tokenizer_rs.measure_shape(mesh.vertices, mesh.faces)
    counts = tokenizer_rs.measure(mesh.vertices, mesh.faces)
    for name, value in found.items():
        if name in SHAPE:
            wanted = shape[SHAPE[name]]
            assert value == (pytest.approx(wanted, rel=1e-4) if isinstance(wanted, float) else wanted), name
        if name in COUNTS:
            assert value == counts[COUNTS[name]], name
    assert {*SHAPE, *COUNTS} <= set(found)


def test_quantization(mesh):
    found = plain_loop.quantization(mesh)
    for bits, damage in zip(
        plain_loop.QUANTIZATION_BITS,
        tokenizer_rs.quantization_damage(mesh.vertices, mesh.faces, plain_loop.QUANTIZATION_BITS),
        strict=True,
    ):
        assert found[f"merged_{bits}"] == damage["merged_vertices"]
        assert found[f"dropped_{bits}"] == damage["dropped_faces"]
        assert found[f"distance_{bits}"] == pytest.approx(damage["distance"], rel=0.02)


def test_a_file(tmp_path):
    trimesh.Trimesh(*ball).export(tmp_path / "ball.obj")
    row = plain_loop.load_and_measure(tmp_path / "ball.obj")
    assert (row["faces"], row["genus"], row["crossing"]) == (128, 0, 0)
    assert all(result and result[1] for result in row["tokens"].values())
    (tmp_path / "none.obj").write_text("v 0 0 0\n")
    assert plain_loop.load_and_measure(tmp_path / "none.obj") is None
