"""What two ranks make of a batch is what one makes of it: losses, gradients and learned codes."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from model.layers.ranks import absent
from model.meshgpt.config import AutoencoderConfig
from model.meshgpt.modules import QUANTIZERS
from model.meshgpt.residual_vq import ResidualVq

BASE = {"code_width": 4, "codebook_size": 16, "samples_codes": False}
CASES: dict[str, dict[str, Any]] = {
    "lfq": {"quantizer": "lfq"},
    "lfq_all_pairs": {"quantizer": "lfq", "lfq_loss": "all_pairs"},
    "vq": {"quantizer": "vq"},
    "fsq": {"quantizer": "fsq", "levels": (4, 4)},
}
STEPS = 3
SPLITS = {"uneven": 13, "one absent": 40}


def tokens() -> torch.Tensor:
    """(steps, tokens, channels)"""
    return torch.randn(STEPS, 40, 4, generator=torch.Generator().manual_seed(1))


def results_of_rank(rank: int, world: int, rows: slice) -> dict[str, list[Any]]:
    """Losses, gradients and buffers after some steps on its rows of each batch; absent without any."""
    found: dict[str, list[Any]] = {}
    for name, options in CASES.items():
        torch.manual_seed(0)
        quantizer = QUANTIZERS[options["quantizer"]](AutoencoderConfig.model_validate({**BASE, **options}))
        network = torch.nn.Sequential(torch.nn.Linear(4, 4), quantizer)
        parallel = DistributedDataParallel(network) if world > 1 else network
        losses = []
        for step, batch in enumerate(tokens()):
            torch.manual_seed(100 * step + rank)
            mine, n = batch[rows], len(batch[rows])
            if n:
                quantized = parallel(mine)
                mean = quantized.losses.sum() + quantized.vectors.square().mean()
            else:
                network.eval()
                with absent():
                    quantized = parallel(batch[:3])
                network.train()
                mean = quantized.losses.sum() + quantized.vectors.square().mean() * 0
            # As the trainer weights it: the mean over the tokens of all ranks.
            (mean * n * world / len(batch)).backward()
            losses.append(quantized.losses.tolist())
        gradients = [p.grad.tolist() for p in network.parameters() if p.grad is not None]
        found[name] = [losses, gradients, [buffer.tolist() for buffer in network.buffers()]]
    return found


def main(folder: str, rank: int) -> None:
    """One of two ranks, which has the rows before or behind each split."""
    store = dist.FileStore(f"{folder}/store", 2)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=2)
    found = {
        split: results_of_rank(rank, 2, slice(0, at) if rank == 0 else slice(at, None))
        for split, at in SPLITS.items()
    }
    Path(folder, f"{rank}.json").write_text(json.dumps(found))
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("ranks")
    script = "import sys; from tests.model.test_ranks import main; main(sys.argv[1], int(sys.argv[2]))"
    command = [sys.executable, "-c", script, str(folder)]
    ranks = [subprocess.Popen([*command, str(rank)]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in ranks] == [0, 0]
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(2)]


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", CASES)
def test_two_ranks_are_one(name: str, split: str, two: list[dict[str, Any]]) -> None:
    alone = results_of_rank(0, 1, slice(None))[name]
    for found in two:
        for mine, theirs in zip(found[split][name], alone, strict=True):
            for part, expected in zip(mine, theirs, strict=True):
                assert _near(part, expected), (part, expected)


def test_a_step_without_any_sample_teaches_nothing() -> None:
    torch.manual_seed(0)
    quantizer = ResidualVq(AutoencoderConfig.model_validate({**BASE, "quantizer": "vq"}))
    for _ in range(2):
        before = {name: buffer.clone() for name, buffer in quantizer.named_buffers()}
        with absent():
            found = quantizer.eval()(tokens()[0])
        assert found.losses.isfinite().all()
        assert all(torch.equal(buffer, before[name]) for name, buffer in quantizer.named_buffers())
        quantizer.train()(tokens()[0])


def _near(found: Any, expected: Any) -> bool:
    return torch.allclose(torch.tensor(found).float(), torch.tensor(expected).float(), rtol=1e-4, atol=1e-5)
