"""A thousand meshes from weights that have learned nothing: all of them oriented manifolds."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import trimesh

from model.silksong.system import SilksongGenerator
from tests.tokenizer_rs.manifold_oracle import assert_manifold
from tests.training.conftest import make_box
from tests.training.test_generation import CONFIG, random_generator
from training.generation import Condition, generate_meshes

N_MESHES = 1000
MAX_TOKENS = 60


@pytest.fixture(scope="module")
def generator() -> SilksongGenerator:
    return random_generator()


@pytest.fixture(scope="module", params=[(50, 0.95), (None, None)], ids=["usual", "everything"])
def kept(request: pytest.FixtureRequest) -> tuple[int | None, float | None]:
    """`top_k` and `top_p` of the draw."""
    chosen: tuple[int | None, float | None] = request.param
    return chosen


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory, kept: tuple[int | None, float | None]) -> Path:
    return tmp_path_factory.mktemp("thousand")


@pytest.fixture(scope="module")
def generated(generator: SilksongGenerator, out: Path, kept: tuple[int | None, float | None]) -> pl.DataFrame:
    sides = np.random.default_rng(0).uniform(0.3, 1, (N_MESHES, 3))
    boxes = [make_box(of_box) for of_box in sides.tolist()]
    conditions = [Condition(f"{i}", f"{i}", box.vertices, box.faces) for i, box in enumerate(boxes)]
    return generate_meshes(
        generator,
        CONFIG,
        conditions,
        out,
        temperature=1.0,
        max_tokens=MAX_TOKENS,
        top_k=kept[0],
        top_p=kept[1],
        batch_size=50,
    )


def test_all_of_them_end_and_decode(generated: pl.DataFrame) -> None:
    assert generated["stop_reason"].to_list() == ["ended"] * N_MESHES
    assert generated["status"].to_list() == ["valid"] * N_MESHES
    assert generated["n_tokens"].max() < MAX_TOKENS
    assert generated["tokens"].n_unique() > 0.99 * N_MESHES, "they are not all the same mesh"


def test_all_of_them_are_oriented_manifolds(
    generator: SilksongGenerator, generated: pl.DataFrame, out: Path
) -> None:
    n_faces = 0
    for file, tokens in generated.select("file", "tokens").iter_rows():
        # The file holds what was decoded, in the same order; its faces are the tokens' own.
        mesh = trimesh.load_mesh(out / file, process=False)
        _, faces = generator.decode(np.array(tokens, dtype=np.int32), constrained=True)
        assert np.array_equal(mesh.faces, faces)
        used, corners = np.unique(faces, return_inverse=True)
        assert_manifold(len(used), corners.reshape(-1, 3))
        assert np.bincount(mesh.edges_unique_inverse).max() <= 2
        assert mesh.is_winding_consistent
        n_faces += len(faces)
    assert n_faces > 3 * N_MESHES
