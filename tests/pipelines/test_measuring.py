"""The counts are those of the corpus's own index, and of an independent slow implementation."""

import numpy as np
import polars as pl
import pytest

from pipelines.measuring import (
    MEASURES,
    bounding_box_diagonal,
    edge_components,
    edge_defects,
    measure,
    measure_by_index,
)
from pipelines.reading import read_mesh
from tests.pipelines import topology_oracle
from tests.shared_data import shared_path

INDEXED = ("vertices", "faces", "edges", "boundary_edges", "nonmanifold_edges", "components", "watertight")


DEFECTS = ("boundary_edges", "nonmanifold_edges", "inconsistent_edges")


def n_defects(vertices, faces):
    """Edges at fault, counted from the edges themselves."""
    defects = edge_defects(vertices, faces)
    found = (defects.boundary, defects.nonmanifold, defects.inconsistent)
    return {name: len(edges) for name, edges in zip(DEFECTS, found, strict=True)}


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
        assert n_defects(mesh.vertices, mesh.faces) == {name: measures[name] for name in DEFECTS}
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
    measures = measure(vertices, np.array(faces))
    assert measures[name] == count
    assert n_defects(vertices, np.array(faces)) == {name: measures[name] for name in DEFECTS}


def test_signed_zeros_and_copies_weld():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [-0.0, 0, 0], [1, 0, 0], [0, 0, 1]])
    assert measure(vertices, np.array([[0, 1, 2], [4, 3, 5]]))["vertices"] == 4


def test_edges_at_fault_are_named_by_their_ends():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0.0], [1, 0, 0], [0, -1, 0]])
    defects = edge_defects(vertices, np.array([[0, 1, 2], [5, 4, 3], [0, 1, 6]]))
    assert defects.nonmanifold.tolist() == [[0, 1]]
    assert sorted(map(sorted, defects.boundary.tolist())) == [[0, 2], [0, 3], [0, 6], [1, 2], [1, 3], [1, 6]]
    assert defects.inconsistent.tolist() == []


@pytest.mark.parametrize(
    ("faces", "labels"),
    [
        ([[0, 1, 2], [3, 4, 5], [2, 1, 6], [0, 3, 6]], [0, 1, 0, 2]),
        ([[0, 1, 2], [2, 3, 4]], [0, 1]),
        ([[0, 1, 2], [1, 0, 3], [3, 0, 4]], [0, 0, 0]),
        (np.zeros((0, 3), dtype=int), []),
    ],
)
def test_components_are_joined_by_edges_not_by_vertices(faces, labels):
    assert edge_components(np.array(faces)).tolist() == labels


def test_copies_stay_apart_by_index():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 0.0], [1, 0, 0], [2, 0, 0]])
    faces = np.array([[0, 1, 2], [4, 5, 3], [1, 0, 6]])
    assert measure(vertices, faces)["nonmanifold_edges"] == 1
    found = measure_by_index(vertices, faces)
    assert (found["nonmanifold_edges"], found["vertices"], found["components"]) == (0, 7, 2)
    assert found["degenerate_faces"] == 1
