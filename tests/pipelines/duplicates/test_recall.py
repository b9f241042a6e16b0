"""How many transformed copies are found, and how many pairs that are found are none."""

import re
from itertools import combinations

import numpy as np
import polars as pl

from pipelines.duplicates import Description, describe, neighbours_within, shared_vertices
from pipelines.furniture import FAMILIES, build
from pipelines.reading import read_mesh
from pipelines.stages.duplicates import CANDIDATE_DISTANCE, is_duplicate
from tests.pipelines.duplicates.copies import COPIES, Mesh
from tests.shared_data import shared_path

RECALL, PRECISION = 0.95, 0.99
RECALL_OF_EACH = 0.92
"""Of each kind alone: of a mesh of 30 faces, a tenth is a part that can be seen."""
CORPUS_MESHES = 150
SAME_SHAPE = re.compile(r"KayKit-Dungeon-Remastered-1\.0: banner_(pattern[ABC]_)?[a-z]+\.gltf")
"""Of the corpus meshes that are drawn, seen by eye: names of one model in several colours."""


def found_pairs(meshes: list[Description]) -> set[tuple[int, int]]:
    """Pairs that the search proposes and the comparison confirms, and those of equal geometry."""
    pairs, distances = neighbours_within(np.array([mesh.descriptor for mesh in meshes]), CANDIDATE_DISTANCE)
    confirmed = {
        (i, j)
        for (i, j), distance in zip(pairs.tolist(), distances.tolist(), strict=True)
        if is_duplicate(distance, shared_vertices(meshes[i].landmarks, meshes[j].landmarks))
    }
    by_hash: dict[str, list[int]] = {}
    for index, mesh in enumerate(meshes):
        by_hash.setdefault(mesh.geometry_hash, []).append(index)
    return confirmed | {pair for same in by_hash.values() for pair in combinations(same, 2)}


def judge(originals: dict[str, Mesh]) -> tuple[dict[str, float], float, set[frozenset[str]]]:
    """Recall of each kind of copy, precision of all pairs, and the pairs of names that are wrong.

    A copy is found where it pairs with its original or with another copy of it that does.
    """
    generator = np.random.default_rng(0)
    names, kinds, described = [], [], []
    for name, mesh in originals.items():
        for kind, copy in {"original": lambda mesh, _: mesh, **COPIES}.items():
            names.append(name)
            kinds.append(kind)
            described.append(describe(*copy(mesh, generator)))
    pairs = found_pairs(described)
    is_right = {pair: names[pair[0]] == names[pair[1]] for pair in pairs}
    n_kinds = len(COPIES) + 1
    found: dict[str, list[bool]] = {kind: [] for kind in COPIES}
    for start in range(0, len(names), n_kinds):
        reached, before = {start}, set[int]()
        while reached != before:
            before = set(reached)
            for i, j in pairs:
                if start <= i < start + n_kinds and start <= j < start + n_kinds and {i, j} & reached:
                    reached |= {i, j}
        for index in range(start + 1, start + n_kinds):
            found[kinds[index]].append(index in reached)
    wrong = {frozenset((names[i], names[j])) for (i, j), right in is_right.items() if not right}
    is_same = [bool(SAME_SHAPE.fullmatch(name)) for name in names]
    counted = [right or (is_same[i] and is_same[j]) for (i, j), right in is_right.items()]
    return {kind: float(np.mean(hits)) for kind, hits in found.items()}, float(np.mean(counted)), wrong


def test_copies_of_builtin_meshes_are_found_and_only_they():
    solids = {f"{family} {i}": build(family, i) for family in sorted(FAMILIES) for i in (0, 1)}
    recall, precision, wrong = judge(
        {name: (np.asarray(solid.vertices), np.asarray(solid.faces)) for name, solid in solids.items()}
    )
    assert np.mean(list(recall.values())) >= RECALL, recall
    assert precision >= PRECISION, wrong


def test_copies_of_corpus_meshes_are_found_and_only_they():
    corpus = shared_path("corpus")
    rows = pl.read_parquet(corpus / "manifest.parquet").filter(pl.col("set") != "messy").sort("path")
    drawn = rows.unique("sha256", maintain_order=True).sample(CORPUS_MESHES, seed=1)
    originals = {}
    for row in drawn.iter_rows(named=True):
        mesh = read_mesh(corpus / row["path"], row["format"])
        originals[f"{row['pack']}: {row['name']}"] = (mesh.vertices, mesh.faces.astype(np.int64))
    recall, precision, wrong = judge(originals)
    assert np.mean(list(recall.values())) >= RECALL, recall
    assert min(recall.values()) >= RECALL_OF_EACH, recall
    assert precision >= PRECISION, wrong
