"""Counts of faces and components from the data set to the meshes that are asked for."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import tokenizer_rs
import torch
from accelerate import Accelerator

from model.silksong.system import DecoderStage, SilksongGenerator
from model.systems import Counts, Draft, RowRequest, Sampling
from pipelines.tokenizers import build_tokenizer
from tests.training.conftest import (
    TINY,
    ShardedMesh,
    assert_same_weights,
    tiny_config,
    write_data,
)
from tests.training.test_generation import conditions
from training.batches import collate
from training.config import ExperimentConfig
from training.data import Prepared, ShardDataset
from training.generation import generate_meshes
from training.loop import Trainer
from training.order import Place
from training.reporting import open_reporter
from training.surface import Mesh

N_STEPS = 200
FEW, MANY, PARTED = Counts(8, 1), Counts(18, 1), Counts(8, 2)


def config(**changes: object) -> ExperimentConfig:
    return tiny_config(model={**TINY["model"], "count_condition": True, "max_tokens": 128}, **changes)


def sheet(columns: int, rows: int, low: float = -0.95, high: float = 0.95) -> Mesh:
    """A flat rectangle of 2 x columns x rows faces, from low to high along x."""
    x, y = np.meshgrid(np.linspace(low, high, columns + 1), np.linspace(-0.95, 0.95, rows + 1))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    corner = (np.arange(rows)[:, None] * (columns + 1) + np.arange(columns)).ravel()
    across, up = corner + 1, corner + columns + 1
    faces = np.concatenate([np.stack([corner, across, up], 1), np.stack([across, up + 1, up], 1)])
    return Mesh(vertices, faces.astype(np.int32))


def meshes() -> dict[Counts, Mesh]:
    """Much the same surface in different numbers of faces and components."""
    left, right = sheet(1, 2, high=-0.1), sheet(1, 2, low=0.1)
    both = Mesh(
        np.concatenate([left.vertices, right.vertices]),
        np.concatenate([left.faces, right.faces + len(left.vertices)]),
    )
    return {FEW: sheet(2, 2), MANY: sheet(3, 3), PARTED: both}


def counts_of(mesh: tuple[np.ndarray, np.ndarray]) -> Counts:
    return Counts(len(mesh[1]), int(tokenizer_rs.edge_components(mesh[1]).max()) + 1)


@pytest.fixture(scope="module")
def generator() -> SilksongGenerator:
    """Three meshes learned by heart, all from the same cloud."""
    stage, settings = DecoderStage(), config()
    tokenizer = build_tokenizer(settings.tokenizer)
    points = torch.randn(64, 6, generator=torch.Generator().manual_seed(0)).numpy()
    samples = [
        Prepared(
            str(i),
            {
                "tokens": np.asarray(tokenizer.encode(mesh.vertices, mesh.faces).tokens),
                "points": points,
                "counts": np.array(counts),
            },
        )
        for i, (counts, mesh) in enumerate(meshes().items())
    ]
    batch = collate(samples).tensors
    torch.manual_seed(0)
    network = stage.build(settings.model)
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3, fused=True)
    for _ in range(N_STEPS):
        optimizer.zero_grad()
        total, n_labels = stage.loss_sum(network, batch, {})
        (total / n_labels).backward()
        optimizer.step()
    return SilksongGenerator(network.eval(), tokenizer)


def written(generator: SilksongGenerator, asked: list[Counts], **options: object) -> list[Counts]:
    """Counts of what is written of the cloud of the training, in two slots."""
    points = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    requests = [RowRequest(i, points, counts=counts) for i, counts in enumerate(asked)]
    rows = dict(generator.generate_each(requests, Sampling(0, 0.0, 128), n_slots=2, **options))  # type: ignore[arg-type]
    return [counts_of(generator.decode(rows[i].tokens, True)) for i in range(len(asked))]


def test_each_row_has_the_counts_that_it_was_asked_for(generator: SilksongGenerator) -> None:
    asked = [MANY, FEW, PARTED, MANY, PARTED, FEW]
    assert written(generator, asked) == asked
    # Of the two with eight faces, components alone tell which; one mesh has so many faces.
    assert written(generator, [Counts(0, 2), Counts(18, 0)]) == [PARTED, MANY]


def test_a_draft_reads_counts_only_if_it_can(generator: SilksongGenerator) -> None:
    torch.manual_seed(1)
    silent = tiny_config(model={**TINY["model"], "max_tokens": 128})
    network = DecoderStage().build(silent.model).eval()
    for draft in (generator, SilksongGenerator(network, generator.tokenizer)):
        assert written(generator, [MANY, PARTED, FEW], draft=Draft(draft)) == [MANY, PARTED, FEW]


def test_what_is_asked_for_is_made_once_and_named_in_the_fingerprint(
    generator: SilksongGenerator, tmp_path: Path
) -> None:
    tables = {
        said: generate_meshes(
            generator, config(), conditions(2), tmp_path / str(i), n_faces=said[0], n_components=said[1]
        )
        for i, said in enumerate([(None, None), (18, None), (None, 2), (18, 2), (2, 18)])
    }
    fingerprints = [key for table in tables.values() for key in table["fingerprint"]]
    assert len(set(fingerprints)) == 10
    again = generate_meshes(generator, config(), conditions(2), tmp_path / "0")
    assert again.equals(tables[None, None])
    for said, table in tables.items():
        assert set(table.select("asked_faces", "asked_components").iter_rows()) == {said}
    assert tables[18, None]["tokens"].to_list() != again["tokens"].to_list()


@pytest.mark.parametrize(("n_faces", "n_components"), [(12, None), (None, 1)])
def test_a_run_that_reads_no_counts_refuses_them(
    n_faces: int | None, n_components: int | None, tmp_path: Path
) -> None:
    silent = tiny_config()
    made = SilksongGenerator(DecoderStage().build(silent.model), build_tokenizer(silent.tokenizer))
    said = {"n_faces": n_faces, "n_components": n_components}
    with pytest.raises(ValueError, match=r"reads no counts .* model\.count_condition=true"):
        generate_meshes(made, silent, conditions(1), tmp_path, **said)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_faces is 0; give at least 1"):
        generate_meshes(made, silent, conditions(1), tmp_path, n_faces=0)
    request = RowRequest(0, torch.zeros(64, 6), counts=Counts(n_faces or 0, n_components or 0))
    with pytest.raises(ValueError, match="reads no counts"):
        list(made.generate_each([request], Sampling(0, 0.0, 8)))


def test_counts_are_those_of_the_mesh_that_the_visit_sees(tmp_path: Path) -> None:
    mesh, tokenizer = sheet(6, 6), tokenizer_rs.Silksong()
    tokens = np.asarray(tokenizer.encode(mesh.vertices, mesh.faces).tokens, dtype=np.uint16)
    stored = Mesh(mesh.vertices.astype(np.float32), mesh.faces)
    data = write_data(tmp_path, [ShardedMesh("sheet", "train", stored, tokens)])
    still, turned = ({"rotate": False, "scale": False}, {"rotate": True, "scale": True})
    fewer = {**still, "decimate": [0.2, 0.5]}
    sizes = {}
    for name, augment in {"still": still, "turned": turned, "fewer": fewer}.items():
        settings = tiny_config(
            model={**TINY["model"], "count_condition": True, "max_tokens": 512}, data={"augment": augment}
        )
        prepared = ShardDataset(data, "train", settings)[Place(0, 0)]
        assert isinstance(prepared, Prepared)
        shown = tokenizer.decode(prepared.arrays["tokens"].astype(np.int32))
        assert tuple(prepared.arrays["counts"].tolist()) == counts_of(shown)
        sizes[name] = int(prepared.arrays["counts"][0])
    assert sizes["still"] == sizes["turned"] == 72
    assert sizes["fewer"] < 40


def test_resumed_it_leaves_out_the_same_counts(box_data: Path, tmp_path: Path) -> None:
    settings = config(schedule={"steps": 4, "warmup": 0}, checkpoint_every=2, evaluate_meshes=0)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    whole.mkdir()
    _train(whole, box_data, settings)
    shutil.copytree(whole, resumed)
    shutil.rmtree(resumed / "checkpoints" / "step-000004")
    _train(resumed, box_data, settings)
    assert "going on from step 2" in (resumed / "log.txt").read_text()
    assert_same_weights(resumed, whole)


def _train(run: Path, data: Path, settings: ExperimentConfig) -> None:
    with open_reporter(run, settings.schedule.steps, is_main=True) as reporter:
        assert Trainer(run, data, settings, Accelerator(cpu=True)).run(reporter)
