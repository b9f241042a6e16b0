"""The index against all pairs, and the comparison of two meshes."""

import numpy as np
import polars as pl
import pytest

from pipelines.duplicates import describe, neighbours_within, shared_vertices
from pipelines.duplicates.clusters import assign_clusters, connected, licence_rank
from pipelines.duplicates.descriptor import LANDMARK_UNIT, SIZE, UNIT
from pipelines.duplicates.search import COARSE, NEIGHBOURS
from pipelines.furniture import build
from tests.pipelines.duplicates.copies import decimated, moved

RADIUS = 0.05


def crowd(n: int, spread: float) -> np.ndarray:
    """Descriptors around a few centres, `spread` apart."""
    generator = np.random.default_rng(1)
    centres = generator.random((n // 5, SIZE))
    rows = centres[generator.integers(0, len(centres), n)]
    rows = rows + generator.normal(size=rows.shape) * spread / np.sqrt(SIZE)
    return np.rint(rows.clip(0, 1) / UNIT).astype(np.uint16)


def test_the_index_finds_what_a_comparison_of_all_pairs_finds():
    rows = crowd(600, 0.02)
    pairs, distances = neighbours_within(rows, RADIUS)
    all_distances = np.linalg.norm(rows[:, None].astype(float) - rows[None], axis=2) * UNIT
    expected = {
        tuple(sorted((i, int(j))))
        for i in range(len(rows))
        for j in [j for j in all_distances[i].argsort(kind="stable") if j != i][:NEIGHBOURS]
        if all_distances[i, j] <= RADIUS
    }
    assert set(map(tuple, pairs.tolist())) == expected
    assert len(expected) > 500
    assert distances == pytest.approx(all_distances[pairs[:, 0], pairs[:, 1]], abs=1e-6)


def test_the_number_of_threads_does_not_matter():
    rows = crowd(2000, 0.01)
    one, two = neighbours_within(rows, RADIUS, threads=1), neighbours_within(rows, RADIUS, threads=3)
    assert (one[0] == two[0]).all()
    assert (one[1] == two[1]).all()


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_descriptors(n):
    pairs, distances = neighbours_within(np.zeros((n, SIZE), dtype=np.uint16), RADIUS)
    assert pairs.shape == (max(n - 1, 0), 2)
    assert (distances == 0).all()


def test_a_copy_shares_its_vertices_and_another_chair_does_not():
    generator = np.random.default_rng(0)
    solid, other = build("chair", 3), build("chair", 8)
    mesh = np.asarray(solid.vertices, dtype=float), np.asarray(solid.faces, dtype=np.int64)
    landmarks = describe(*mesh).landmarks
    copy = shared_vertices(landmarks, describe(*moved(mesh, generator)).landmarks)
    assert min(copy) > 0.98
    thinned = shared_vertices(landmarks, describe(*moved(decimated(mesh, 0.1), generator)).landmarks)
    assert min(thinned) > 0.75
    another = shared_vertices(
        landmarks, describe(np.asarray(other.vertices, dtype=float), np.asarray(other.faces)).landmarks
    )
    assert min(another) < 0.6


def test_of_fewer_is_of_the_mesh_with_fewer_vertices():
    generator = np.random.default_rng(5)
    points = generator.normal(size=(60, 3)) * 1024
    points = points[np.argsort(-np.linalg.norm(points, axis=1))].astype(np.int16)
    both = shared_vertices(points, points[:30]), shared_vertices(points[:30], points)
    assert both[0] == both[1]
    assert both[0].of_fewer == 1
    assert both[0].of_more == pytest.approx(0.5, abs=0.1)


def test_landmarks_on_a_line_or_none_share_nothing():
    line = np.array([[1024, 0, 0], [512, 0, 0]], dtype=np.int16)
    assert shared_vertices(line, line) == (0, 0)
    assert shared_vertices(line, line[:0]) == (0, 0)


def test_components_are_joined_through_others():
    found = connected(5, np.array([[0, 1], [3, 1]]))
    assert found[0] == found[1] == found[3]
    assert len({found[0], found[2], found[4]}) == 3
    assert len(set(connected(3, np.zeros((0, 2), dtype=np.int64)).tolist())) == 3


def test_licences_from_open_to_unknown():
    ordered = ["CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "ask me"]
    assert [licence_rank(text) for text in ordered] == [0, 1, 2, 3, 4]
    same = {"cc0": 0, "Public Domain": 0, "by": 1, "MIT": 1, "by-sa": 2, "by-nc-sa": 3, "by-nd": 3, "": 4}
    assert {text: licence_rank(text) for text in same} == same
    assert licence_rank(None) == 4


def test_numbers_that_the_index_leaves_out_count_in_the_end():
    rows = np.full((3, SIZE), 30_000, dtype=np.uint16)
    left_out = np.setdiff1d(np.arange(SIZE), COARSE)[0]
    rows[1, left_out] += int(1.5 * RADIUS / UNIT)
    rows[2, left_out] -= int(0.9 * RADIUS / UNIT)
    pairs, distances = neighbours_within(rows, RADIUS)
    assert pairs.tolist() == [[0, 2]]
    assert distances == pytest.approx([0.9 * RADIUS], abs=2 * UNIT)


def cloud(n: int, n_axes: int = 3) -> np.ndarray:
    """Landmarks without symmetry, in a ball or a disc, the farthest first."""
    points = np.zeros((n, 3))
    points[:, :n_axes] = np.random.default_rng(6).uniform(-1, 1, (n, n_axes))
    return points[np.argsort(-np.linalg.norm(points, axis=1))]


def as_landmarks(points: np.ndarray) -> np.ndarray:
    return np.rint(points / LANDMARK_UNIT).astype(np.int16)


def test_mirror_images_are_laid_on_one_another():
    points = cloud(100)
    found = shared_vertices(as_landmarks(points), as_landmarks(points * [1, 1, -1]))
    assert found == (1, 1)


def test_a_centroid_that_moved_is_moved_back():
    points = cloud(1000, n_axes=2)
    found = shared_vertices(as_landmarks(points), as_landmarks(points * 1.003 + [0.012, 0, 0]))
    assert min(found) > 0.99


def test_dense_vertices_do_not_coincide_by_chance():
    points, others = cloud(1500, n_axes=2), cloud(3000, n_axes=2)[::2]
    assert max(shared_vertices(as_landmarks(points), as_landmarks(others))) < 0.6


def meshes(**columns: list) -> pl.DataFrame:
    """Four meshes of one component, alike but for the columns given."""
    alike = {
        "mesh_id": list("abcd"),
        "uri": [f"file:///{name}" for name in "abcd"],
        "sha256": ["1", "2", "3", "4"],
        "shape": ["s"] * 4,
        "component": [0] * 4,
        "is_kept": [True] * 4,
        "licence": ["MIT"] * 4,
        "exact": [True] * 4,
        "n_faces": [10] * 4,
    }
    return pl.DataFrame({**alike, **columns})


@pytest.mark.parametrize(
    ("columns", "representative"),
    [
        ({}, "a"),
        ({"sha256": ["2", "2", "1", "1"]}, "c"),
        ({"n_faces": [10, None, 10, 12]}, "d"),
        ({"n_faces": [10, 9, 10, 12], "exact": [False, True, None, False]}, "b"),
        ({"exact": [False, False, True, True], "licence": ["cc0", "by", "by", None]}, "a"),
        ({"licence": ["cc0", "by-nc", "by-sa", None], "is_kept": [False, True, True, True]}, "c"),
        ({"is_kept": [False, False, False, True], "licence": ["cc0", "cc0", "cc0", None]}, "d"),
    ],
)
def test_who_stands_for_a_cluster(columns, representative):
    clusters = assign_clusters(meshes(**columns))
    assert clusters["representative"].to_list() == [representative] * 4
    assert clusters["cluster"].to_list() == [min(clusters["sha256"])] * 4
    assert clusters.filter(pl.col("match").is_null())["mesh_id"].to_list() == [representative]


def test_how_copies_are_alike():
    clusters = assign_clusters(meshes(sha256=["1", "1", "2", "3"], shape=["s", "s", "s", "t"]))
    assert clusters["match"].to_list() == [None, "file", "geometry", "near"]
    apart = assign_clusters(meshes(component=[0, 1, 0, 2]))
    assert apart["cluster"].to_list() == ["1", "2", "1", "4"]
    assert apart["n_meshes"].to_list() == [2, 1, 2, 1]
