"""Counted operations against numbers made by hand, and against what torch sees while it computes."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import trimesh
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from model.layers.flops import n_matrix_weights
from model.meshgpt.config import AutoencoderConfig, MeshgptConfig, TransformerConfig
from model.silksong import SilksongConfig, SilksongModel
from model.systems import Sample, load_system


def test_silksong_by_hand() -> None:
    stage = load_system("silksong").stage("decoder")
    # Per block q, k, v, out of 32 x 128, cross q and out, feed-forward 32 -> 256, 128 -> 32; then the head.
    of_tokens = 2 * (4 * 4096 + 2 * 4096 + 8192 + 4096) + 32 * 10269
    of_context = 2 * 2 * 4096  # keys and values of 17 rows
    of_points = 54 * 32 + 32 * 64
    of_rows = (2 * 1024 + 2 * 4096) + (3 * 1024 + 1024 + 2 * 4096) + 32 * 32
    once_a_row = 6 * (17 * of_context + 256 * of_points + 17 * of_rows) + 12 * 32 * (17 * 256 + 17 * 17)
    expected = 6 * of_tokens + 12 * (2 * 128) * (100 / 2 + 17) + once_a_row / 100
    assert stage.flops_per_label(SilksongModel(SilksongConfig.tiny()), 100) == pytest.approx(expected)


def test_any_system_counts_six_a_weight() -> None:
    network = nn.Sequential(nn.Embedding(50, 8), nn.Linear(8, 3), nn.LayerNorm(3), nn.Conv1d(3, 4, 5))
    assert n_matrix_weights(network) == 8 * 3 + 3 * 4 * 5
    assert n_matrix_weights(nn.MultiheadAttention(8, 2)) == 4 * 8 * 8


def test_silksong_counts_what_torch_computes() -> None:
    network = SilksongModel(SilksongConfig.tiny())
    tokens_1N = torch.arange(20).unsqueeze(0)
    seen, n = _counted(lambda: network.token_loss_sum(tokens_1N, network.condition(torch.rand(1, 256, 6))))
    stage = load_system("silksong").stage("decoder")
    assert stage.flops_per_label(network, n) * n == pytest.approx(seen, rel=0.02)


@pytest.mark.parametrize(("name", "tolerance"), [("autoencoder", 0.03), ("transformer", 0.1)])
def test_meshgpt_counts_what_torch_computes(name: str, tolerance: float) -> None:
    transformer = TransformerConfig(codebook_size=64, width=32, depth=2, fine_depth=1, heads=2, head_width=16)
    autoencoder = AutoencoderConfig(
        codebook_size=64, encoder_widths=(32, 32), decoder_widths=(32, 48), code_width=24
    )
    config = MeshgptConfig(autoencoder=autoencoder, transformer=transformer)
    stage = load_system("meshgpt").stage(name)
    network = stage.build(config)
    ball = trimesh.creation.icosphere(subdivisions=1)
    arrays = stage.prepare(Sample("ball", ball.vertices * 0.9, ball.faces, None, None), config)
    batch = {key: torch.from_numpy(np.asarray(array)).unsqueeze(0) for key, array in arrays.items()}
    batch["codes"] = torch.arange(80 * transformer.tokens_per_face).remainder(64).unsqueeze(0)
    seen, n = _counted(lambda: stage.loss_sum(network, batch, {}))
    assert stage.flops_per_label(network, n) * n == pytest.approx(seen, rel=tolerance)


def _counted(loss_sum: Callable[[], tuple[Tensor, Tensor]]) -> tuple[float, int]:
    """Operations of a step as torch counts them, attention in whole squares and its backward as twice, and
    the number of labels."""
    with FlopCounterMode(display=False) as counter:
        loss, n_labels = loss_sum()
        loss.backward()
    counts = {str(kernel): n for kernel, n in counter.get_flop_counts()["Global"].items()}
    backward = sum(n for kernel, n in counts.items() if "attention" in kernel and "backward" in kernel)
    forward = sum(n for kernel, n in counts.items() if "attention" in kernel) - backward
    return sum(counts.values()) - backward + 2 * forward, int(n_labels)
