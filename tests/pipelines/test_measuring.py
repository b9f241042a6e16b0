"""The counts are those of the corpus's own index, and of an independent slow implementation."""

import numpy as np
import polars as pl
import pytest

from pipelines.measuring import MEASURES, bounding_box_diagonal, measure
from pipelines.reading import read_mesh
from tests.pipelines import topology_oracle
from tests.shared_data import shared_path

INDEXED = ("vertices", "faces", "edges", "boundary_edges", "nonmanifold_edges", "components", "watertight")


@pytest.mark.parametrize("kind", ["objaverse", "local", "shapenet"])
def test_counts_are_those_of_the_corpus(kind):
    corpus = shared_path("corpus")
    manifest = pl.read_parquet(corpus / "manifest.parquet").filter(
        (pl.col("set") == kind) & (pl.col("faces") < 3000)
    )
    for row in manifest.gather_every(40).iter_rows(named=True):
        mesh = read_mesh(corpus / row["path"], row["format"])
        measures = measure(mesh.vertices, mesh.faces)
        assert tuple(measures) == MEASURES
        assert {name: measures[name] for name in INDEXED} == {name: row[name] for name in INDEXED}, row[
            "path"
        ]
        expected = topology_oracle.measure(mesh.vertices, mesh.faces)
        assert {name: measures[name] for name in expected} == expected, row["path"]
        assert bounding_box_diagonal(mesh.vertices) == pytest.approx(row["bbox_diagonal"], rel=1e-5)


@pytest.mark.parametrize(
    ("faces", "name", "count"),
    [
        ([[0, 1, 2], [0, 2, 3]], "inconsistent_edges", 0),
        ([[0, 1, 2], [0, 3, 2]], "inconsistent_edges", 1),
        ([[0, 1, 2], [2, 1, 0]], "duplicate_faces", 1),
        ([[0, 1, 2], [0, 1, 3], [0, 1, 4]], "nonmanifold_edges", 1),
        ([[0, 1, 2], [0, 3, 4]], "nonmanifold_vertices", 1),
        ([[0, 1, 2], [0, 3, 4]], "components", 1),
        ([[0, 1, 1], [0, 1, 2]], "degenerate_faces", 1),
    ],
)
def test_each_defect_is_counted(faces, name, count):
    vertices = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0.5], [0, 1, 0], [-1, 0.5, 0.2]], dtype=float)
    assert measure(vertices, np.array(faces))[name] == count


def test_signed_zeros_and_copies_weld():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [-0.0, 0, 0], [1, 0, 0], [0, 0, 1]])
    assert measure(vertices, np.array([[0, 1, 2], [4, 3, 5]]))["vertices"] == 4
