"""FSDP2 against DDP: the same numbers, and one form of checkpoint for both and for any number of ranks."""

import shutil
from pathlib import Path

import pytest
from torch import nn

from model.meshgpt.config import TransformerConfig
from model.meshgpt.transformer import MeshTransformer
from model.silksong import SilksongModel
from tests.training.conftest import STEPS, TINY, assert_same_weights, tiny_config
from training.checkpoints import AVERAGE, checkpoints_of, load_network, read_position
from training.config import parse_config
from training.launch import launch_training
from training.parallel import blocks_of
from training.reporting import read_metrics

TWO = {"batch_size": 2, "processes": 2}
QUANTIZED = {
    "autoencoder": {
        "quantizer": "vq",
        "encoder_widths": [32, 32],
        "decoder_widths": [32, 32],
        "code_width": 16,
        "codebook_size": 64,
        "coordinate_width": 8,
        "normal_width": 8,
        "encoder_attention_blocks": 1,
    },
    "transformer": {"codebook_size": 64, "width": 32, "heads": 2, "head_width": 16, "max_tokens": 600},
}


@pytest.fixture(scope="module")
def fsdp_run(tmp_path_factory: pytest.TempPathFactory, box_data: Path) -> Path:
    """Twelve steps of two ranks that share the network."""
    run = tmp_path_factory.mktemp("fsdp") / "run"
    config = tiny_config(schedule=STEPS, parallel="fsdp", checkpoint_every=4, **TWO)
    assert launch_training(config, box_data, run) == 0
    return run


def test_fsdp_gives_what_ddp_gives(fsdp_run: Path, two_ranks: Path) -> None:
    assert "this one has 50% of the parameters" in (fsdp_run / "log.txt").read_text()
    assert "this one has 100% of the parameters" in (two_ranks / "log.txt").read_text()
    _assert_same_numbers(fsdp_run, two_ranks)
    assert isinstance(load_network(fsdp_run)[0], SilksongModel)


def test_a_network_with_buffers_and_random_codes_goes_on_under_fsdp(box_data: Path, tmp_path: Path) -> None:
    changes = {
        **{"system": "meshgpt", "stage": "autoencoder", "model": QUANTIZED},
        **{"schedule": {"steps": 4, "warmup": 0.2}, "checkpoint_every": 1, "keep_checkpoints": 4},
        "average": {"decay": 0.9, "update_after": 0, "update_every": 1, "power": 99},
        **TWO,
    }
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert launch_training(parse_config({**TINY, **changes}), box_data, whole) == 0
    _copy_with_first_checkpoint(whole, run)
    config = parse_config({**TINY, **changes, "parallel": "fsdp"})
    assert launch_training(config, box_data, run, resume=True) == 0
    _assert_same_numbers(run, whole)
    assert_same_weights(run, whole, 1e-4, AVERAGE)


@pytest.mark.slow
def test_two_ranks_learn_the_codes_that_one_learns(box_data: Path, tmp_path: Path) -> None:
    autoencoder = {**QUANTIZED["autoencoder"], "samples_codes": False}
    changes = {
        **{"system": "meshgpt", "stage": "autoencoder", "model": {**QUANTIZED, "autoencoder": autoencoder}},
        **{"schedule": {"steps": 3, "warmup": 0.2}, "parallel": "fsdp"},
    }
    one, two = tmp_path / "one", tmp_path / "two"
    assert launch_training(parse_config({**TINY, **changes, "batch_size": 4}), box_data, one) == 0
    assert launch_training(parse_config({**TINY, **changes, **TWO}), box_data, two) == 0
    _assert_same_numbers(two, one)


@pytest.mark.parametrize(
    ("start", "changes", "tolerance"),
    [
        ("fsdp_run", {"parallel": "fsdp", **TWO}, None),
        ("fsdp_run", {}, 1e-4),
        pytest.param("long_run", {"parallel": "fsdp", **TWO}, 1e-4, marks=pytest.mark.slow),
    ],
    ids=["two-shares-to-two", "two-shares-to-one-whole", "one-whole-to-two-shares"],
)
def test_a_run_goes_on_with_other_ranks(
    start: str,
    changes: dict[str, object],
    tolerance: float | None,
    request: pytest.FixtureRequest,
    box_data: Path,
    tmp_path: Path,
) -> None:
    whole: Path = request.getfixturevalue(start)
    run = tmp_path / "run"
    _copy_with_first_checkpoint(whole, run)
    config = tiny_config(schedule=STEPS, **changes)
    assert launch_training(config, box_data, run, resume=True) == 0
    assert_same_weights(run, whole, tolerance)


def test_blocks_are_children_of_lists_that_are_called() -> None:
    class Uncalled(nn.Module):
        pass

    network = nn.Module()
    network.inner = nn.Sequential(nn.Linear(2, 2))
    network.layers = nn.ModuleList([nn.Linear(2, 2), Uncalled()])
    assert blocks_of(network) == [network.layers[0]]
    silksong = SilksongModel(tiny_config().model)
    assert {type(block).__name__ for block in blocks_of(silksong)} == {"DecoderBlock", "LatentBlock"}
    transformer = MeshTransformer(TransformerConfig(**QUANTIZED["transformer"]))
    assert {type(block).__name__ for block in blocks_of(transformer)} == {"DecoderLayer", "GateLoop"}


def _assert_same_numbers(run: Path, expected: Path) -> None:
    mine, theirs = read_metrics(run), read_metrics(expected)
    assert mine["step"].equals(theirs["step"])
    for column in ("loss", "validation_loss"):
        assert (mine[column] - theirs[column]).drop_nulls().abs().max() < 1e-4, column
    assert_same_weights(run, expected, tolerance=1e-4)


def _copy_with_first_checkpoint(whole: Path, run: Path) -> None:
    """A run as it was in the middle of an epoch."""
    shutil.copytree(whole, run)
    first, *later = checkpoints_of(run)
    assert read_position(first).samples % 10 > 0  # of the ten meshes of an epoch
    assert later
    for path in later:
        shutil.rmtree(path)
