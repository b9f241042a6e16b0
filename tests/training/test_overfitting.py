"""The recipes that learn eight meshes of the corpus by heart: what is generated is what was learned."""

from pathlib import Path

import numpy as np
import pytest
import tokenizer_rs

from pipelines.normalizing import normalize
from tests.shared_data import shared_path
from tests.training.conftest import ShardedMesh, write_data
from training.checkpoints import load_generator
from training.config import load_config
from training.data import ShardDataset
from training.generation import Condition, generate_meshes
from training.launch import launch_training
from training.surface import Mesh

NAMES = (
    "box_A",
    "cuttingboard",
    "floor_kitchen",
    "floor_kitchen_small",
    "food_ingredient_potato_mashed",
    "pillar_A",
    "pillar_B",
    "rug_rectangle_A",
)
N_SAMPLED = 96


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    corpus = shared_path("corpus")
    samples = []
    for name in NAMES:
        path = next(iter(sorted(corpus.rglob(f"{name}.obj"))))
        loaded = tokenizer_rs.read_mesh(path.read_bytes(), "obj")
        mesh = Mesh(normalize(loaded.vertices).astype(np.float32), loaded.faces.astype(np.int32))
        tokens = tokenizer_rs.Silksong().encode(mesh.vertices.astype(np.float64), mesh.faces).tokens
        samples.append(ShardedMesh(name, "train", mesh, np.asarray(tokens, dtype=np.uint16)))
    return write_data(tmp_path_factory.mktemp("eight") / "data", samples)


def test_silksong_writes_the_tokens_it_was_shown(data: Path, tmp_path: Path) -> None:
    config = load_config("overfit-silksong")
    assert launch_training(config, data, tmp_path / "run") == 0
    generator, resolved = load_generator(tmp_path / "run")
    shown = ShardDataset(data, "train", resolved)
    meshes = [shown.mesh(i) for i in range(len(shown))]
    conditions = [Condition(shown.mesh_id(i), str(i), *mesh) for i, mesh in enumerate(meshes)]
    table = generate_meshes(generator, resolved, conditions, tmp_path / "out", temperature=0.0)
    assert table["status"].to_list() == ["valid"] * len(NAMES)
    assert table["tokens"].to_list() == [shown.tokens(i).tolist() for i in range(len(shown))]


def test_meshgpt_writes_the_meshes_it_was_shown(data: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "autoencoder", tmp_path / "transformer"
    assert launch_training(load_config("overfit-meshgpt-autoencoder"), data, first) == 0
    config = load_config("overfit-meshgpt-transformer", [f"earlier.autoencoder={first}"])
    assert launch_training(config, data, second) == 0
    generator, resolved = load_generator(second)
    shown = ShardDataset(data, "train", resolved)
    sequence = tokenizer_rs.FaceSequence(128)
    known = {_faces(sequence, *shown.mesh(i)): shown.mesh_id(i) for i in range(len(shown))}
    nothing = [Condition(str(i), str(i), np.zeros((0, 3)), np.zeros((0, 3), int)) for i in range(N_SAMPLED)]
    table = generate_meshes(
        generator, resolved, nothing, tmp_path / "out", temperature=1.0, max_tokens=600, batch_size=N_SAMPLED
    )
    written = [
        known.get(_faces(sequence, *generator.decode(np.array(tokens, dtype=np.int32), constrained=True)))
        for tokens in table["tokens"]
    ]
    assert table["stop_reason"].unique().to_list() == ["ended"]
    assert sum(name is not None for name in written) >= 0.9 * N_SAMPLED
    assert set(written) - {None} == set(NAMES)


def _faces(sequence: tokenizer_rs.FaceSequence, vertices: np.ndarray, faces: np.ndarray) -> bytes:
    """A name for a mesh: its sorted, quantised faces."""
    return np.asarray(sequence.encode(np.asarray(vertices, np.float64), faces).tokens).tobytes()
