"""Codes of the second stage are computed once, and are those that its autoencoder gives."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

from model.meshgpt.modules import MeshAutoencoder
from model.meshgpt.system import SYSTEM
from model.systems import Networks
from tests.model.test_meshgpt_system import SIZES
from tests.training.conftest import make_samples, tiny_config, write_data
from training.batches import held_out_batches, stand_in, training_batches
from training.checkpoints import POSITION, WEIGHTS
from training.config import ExperimentConfig, dump_config, parse_config
from training.data import Failed, Prepared, SampleFailure, ShardDataset
from training.derivation import Derivation
from training.derived_store import DerivedStore, content_key
from training.launch import launch_training
from training.order import Place
from training.reporting import read_metrics

N_TRAIN, N_VAL = 4, 2
CPU = torch.device("cpu")


def config(stage: str = "transformer", **changes: Any) -> ExperimentConfig:
    content = {
        "system": "meshgpt",
        "stage": stage,
        "earlier": {} if stage == "autoencoder" else {"autoencoder": "NOWHERE"},
        "model": {**SIZES, "transformer": {**SIZES["transformer"], "max_tokens": 72}},
        "data": {"augment": {"rotate": False, "scale": False}},
        "schedule": {"steps": 4, "warmup": 0},
        "batch_size": 2,
        "mixed_precision": "no",
        "threads": 1,
        "log_every": 1,
        "evaluate_every": 4,
    }
    return parse_config({**content, **changes})


def autoencoder(seed: int = 0) -> MeshAutoencoder:
    torch.manual_seed(seed)
    built = SYSTEM.stages[0].build(config().model)
    assert isinstance(built, MeshAutoencoder)
    return built.requires_grad_(False).eval()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_data(tmp_path / "data", make_samples(N_TRAIN, N_VAL, 0))


@pytest.fixture
def derived_ids(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of faces of each mesh that codes are computed for."""
    stage, calls = SYSTEM.stages[1], []
    compute = type(stage).derive

    def derive(self: Any, prepared: Mapping[str, NDArray[Any]], earlier: Networks) -> dict[str, NDArray[Any]]:
        calls.append(len(prepared["faces"]))
        return compute(self, prepared, earlier)

    monkeypatch.setattr(type(stage), "derive", derive)
    return calls


def derivation(
    data: Path, network: MeshAutoencoder | None = None, settings: ExperimentConfig | None = None
) -> Derivation:
    earlier = {"autoencoder": network or autoencoder()}
    made = Derivation.of(settings or config(), earlier, CPU, data, data.parent / "run")
    assert made is not None
    return made


def entries(data: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted((data / "cache").rglob("*")) if path.is_file()}


def codes_by_mesh(dataset: ShardDataset, derive: Derivation, steps: int = 2) -> dict[str, list[int]]:
    found = {}
    for batch in training_batches(dataset, 0, steps, derive=derive):
        assert batch.tensors.keys() == {"codes"}
        found |= dict(zip(batch.mesh_ids, batch.tensors["codes"].tolist(), strict=True))
    return found


def test_codes_are_those_of_the_autoencoder(data: Path) -> None:
    dataset, network = ShardDataset(data, "train", config()), autoencoder()
    found = codes_by_mesh(dataset, derivation(data, network))
    assert len(found) == N_TRAIN
    for i in range(N_TRAIN):
        sample = dataset[Place(0, i)]
        assert isinstance(sample, Prepared)
        mesh = [torch.from_numpy(sample.arrays[name]).unsqueeze(0) for name in ("vertices", "faces", "pairs")]
        assert found[sample.mesh_id] == network.tokenize(*mesh).flatten().tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_codes_are_computed_once(data: Path, derived_ids: list[int], workers: int) -> None:
    settings = config(data={"augment": {"rotate": False, "scale": False}, "num_workers": workers})
    dataset = ShardDataset(data, "train", settings)
    first = codes_by_mesh(dataset, derivation(data), steps=6)
    assert len(derived_ids) == N_TRAIN
    kept = entries(data)
    assert len(kept) == N_TRAIN
    assert codes_by_mesh(dataset, derivation(data)) == first  # as another run does it
    assert len(derived_ids) == N_TRAIN
    assert entries(data) == kept


def test_what_is_kept_is_what_is_used(data: Path) -> None:
    dataset, derive = ShardDataset(data, "train", config()), derivation(data)
    codes_by_mesh(dataset, derive)
    sample = dataset[Place(0, 1)]
    assert isinstance(sample, Prepared)
    derive.store.write(content_key(sample.arrays), {"codes": np.arange(6, dtype=np.int32)})
    assert codes_by_mesh(dataset, derivation(data))[sample.mesh_id][:6] == list(range(6))


def test_another_autoencoder_never_meets_codes_that_are_not_its_own(
    data: Path, derived_ids: list[int]
) -> None:
    dataset = ShardDataset(data, "train", config())
    first = codes_by_mesh(dataset, derivation(data))
    second = codes_by_mesh(dataset, derivation(data, autoencoder(seed=1)))
    assert len(derived_ids) == 2 * N_TRAIN
    assert all(first[name] != second[name] for name in first)
    # Settings that no weight shows.
    sizes = config().model.model_dump()
    sizes["autoencoder"]["area_scale"] = "linear"
    codes_by_mesh(dataset, derivation(data, settings=config(model=sizes)))
    assert len(derived_ids) == 3 * N_TRAIN


def test_meshes_that_move_are_computed_on_every_visit(data: Path, derived_ids: list[int]) -> None:
    settings = config(data={"augment": {"rotate": True, "scale": False}})
    dataset = ShardDataset(data, "train", settings)
    codes_by_mesh(dataset, derivation(data, settings=settings), steps=4)
    assert len(derived_ids) == 2 * N_TRAIN
    assert not entries(data)
    held_out = ShardDataset(data, "val", settings)
    for _ in range(2):
        (batch,) = held_out_batches(held_out, 8, derive=derivation(data, settings=settings))
        assert batch.tensors["codes"].shape == (N_VAL, 72)
    assert len(derived_ids) == 2 * N_TRAIN + N_VAL


def test_codes_do_not_depend_on_the_precision_of_the_step(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes = []

    def derive(*_: Any) -> dict[str, NDArray[Any]]:
        modes.append((torch.is_autocast_enabled("cpu"), torch.is_grad_enabled()))
        return {"codes": np.arange(6)}

    monkeypatch.setattr(type(SYSTEM.stages[1]), "derive", derive)
    with torch.autocast("cpu", torch.bfloat16):
        stand_in(ShardDataset(data, "train", config()), derivation(data))
    assert modes == [(False, False)]


def test_half_a_file_is_computed_again(data: Path, derived_ids: list[int]) -> None:
    dataset = ShardDataset(data, "train", config())
    first = codes_by_mesh(dataset, derivation(data))
    kept = entries(data)
    for path, content in list(kept.items())[:2]:
        path.write_bytes(content[: len(content) // 2])
    assert codes_by_mesh(dataset, derivation(data)) == first
    assert len(derived_ids) == N_TRAIN + 2
    assert entries(data) == kept


def test_a_sample_that_failed_stays_one(data: Path) -> None:
    failed = Failed("mesh", SampleFailure.EMPTY, "")
    assert derivation(data)(failed, True) is failed


def test_a_disk_that_takes_no_more_is_named_once(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file where a folder should be")
    store = DerivedStore(tmp_path / "store")
    arrays = {"codes": np.arange(3, dtype=np.int32)}
    with warnings.catch_warnings(record=True) as said:
        store.write("ab12", arrays)
        store.write("cd34", arrays)
    assert ["computed on every visit" in str(warning.message) for warning in said] == [True]
    assert store.read("ab12") is None


def test_keys_tell_all_that_differs() -> None:
    values = np.arange(6, dtype=np.int32)
    inputs = [
        {"a": values},
        {"b": values},
        {"a": values + 1},
        {"a": values.reshape(2, 3)},
        {"a": values.astype(np.uint32)},
        {"a": values, "b": values},
    ]
    assert len({content_key(arrays) for arrays in inputs}) == len(inputs)
    assert content_key({"b": values, "a": values[::-1]}) == content_key(
        {"a": values[::-1].copy(), "b": values}
    )


def test_a_stage_that_derives_nothing_is_left_alone(data: Path) -> None:
    assert Derivation.of(tiny_config(), {}, CPU, data, data) is None
    assert Derivation.of(config("autoencoder"), {}, CPU, data, data) is None


def test_two_ranks_share_what_they_keep_and_a_later_run_reads_it(data: Path, tmp_path: Path) -> None:
    first, run = tmp_path / "first", tmp_path / "run"
    (first / "checkpoints" / "step-000001").mkdir(parents=True)
    (first / "config.yaml").write_text(dump_config(config("autoencoder")))
    (first / "checkpoints" / "step-000001" / POSITION).write_text("{}")
    save_file(autoencoder().state_dict(), first / "checkpoints" / "step-000001" / WEIGHTS)
    settings = config(earlier={"autoencoder": str(first)}, batch_size=1, processes=2)
    assert launch_training(settings, data, run) == 0
    kept = entries(data)
    assert len(kept) == N_TRAIN + N_VAL
    metrics = read_metrics(run)
    assert metrics["tokens"].to_list() == [2 * 73 * step for step in range(1, 5)]
    assert metrics["validation_loss"].is_finite().any()
    # Alone, these are the same codes: the same entries.
    codes_by_mesh(ShardDataset(data, "train", settings), derivation(data))
    assert entries(data) == kept
