"""Tokens per second of training beside right-padded batches, on the lengths of a data set.

    .venv/bin/python benchmarks/packing.py --data DATA [--batch 8] [--steps 8] [--rounds 3] [--longest 2000]
    .venv/bin/python benchmarks/packing.py --data DATA --device cuda --size release --longest 10000

DATA is a curated folder; of its training samples, drawn by chance as the trainer does, only the lengths are
read. Both sides do whole steps of AdamW with the same network on the same random tokens and conditions:

- packed: `SilksongModel.loss`, what the trainer calls;
- padded: the rows padded on the right, logits and cross-entropy of every position at once.

The losses are compared, and must agree to 1e-4. Prints medians of tokens a second of wall time and of
processor time, and their ratios.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from generation import SIZES, timed
from torch import Tensor
from torch.nn import functional

from model.silksong import SilksongModel
from model.silksong.loss import PADDING, labels_of
from pipelines.storage import DataFolder
from training.data import read_index

Loss = Callable[[SilksongModel, Tensor, Tensor], Tensor]


def padded_loss(model: SilksongModel, tokens_BN: Tensor, condition_BSC: Tensor) -> Tensor:
    """Mean over all labels, computed the plain way."""
    labels_BT = labels_of(tokens_BN, model.config.eos_id)
    logits_BTV = model(labels_BT[:, :-1], condition_BSC).float()
    return functional.cross_entropy(logits_BTV.transpose(1, 2), labels_BT, ignore_index=PADDING)


def batches_of(data: Path, given: argparse.Namespace, n_ids: int) -> list[Tensor]:
    """Random tokens (B, N) in the lengths of samples of the data set, padded with -1."""
    index = read_index(DataFolder(data))
    lengths = index.filter(split="train")["n_tokens"].to_numpy()
    lengths = lengths[lengths <= given.longest]
    random = np.random.default_rng(0)
    batches = []
    for _ in range(given.steps):
        drawn = random.choice(lengths, given.batch, replace=False)
        tokens = np.full((given.batch, drawn.max()), PADDING)
        for row, length in zip(tokens, drawn, strict=True):
            row[:length] = random.integers(0, n_ids, length)
        batches.append(torch.from_numpy(tokens).to(given.device))
    return batches


def train(model: SilksongModel, batches: list[Tensor], condition: Tensor, loss_of: Loss) -> list[float]:
    """The losses of a few steps, which change no weight."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.0)
    losses = []
    for tokens_BN in batches:
        with torch.autocast(tokens_BN.device.type, torch.bfloat16, enabled=tokens_BN.is_cuda):
            loss = loss_of(model, tokens_BN, condition)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.detach())
    return [float(loss) for loss in losses]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--longest", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--size", choices=SIZES, default="cpu")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    model = SilksongModel(SIZES[given.size]()).to(given.device)
    batches = batches_of(given.data, given, model.config.vocab_size)
    points = torch.randn(given.batch, model.config.encoder.points, 6, device=given.device)
    condition = model.condition(points).detach()
    sides: dict[str, Loss] = {"packed": SilksongModel.loss, "padded": padded_loss}
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(given.rounds):
        losses = {}
        for name, loss_of in sides.items():
            work = partial(train, model, batches, condition, loss_of)
            losses[name], wall, processor = timed(work, condition.device)
            taken[name].append((wall, processor))
        if given.device == "cpu" and not np.allclose(losses["packed"], losses["padded"], atol=1e-4):
            raise SystemExit(f"the losses differ: {losses}")
    n_tokens = sum(int((tokens >= 0).sum()) for tokens in batches)
    share = n_tokens / sum(tokens.numel() for tokens in batches)
    print(f"{given.steps} steps of {given.batch} rows, {n_tokens} tokens, {share:.0%} of the padded places")
    print("| | tokens/s wall | tokens/s processor |\n| --- | --- | --- |")
    rates = {}
    for name, times in taken.items():
        rates[name] = [n_tokens / statistics.median(values) for values in zip(*times, strict=True)]
        print(f"| {name} | {rates[name][0]:.0f} | {rates[name][1]:.0f} |")
    wall, processor = (ours / plain for ours, plain in zip(*rates.values(), strict=True))
    print(f"packed: {wall:.1f} times by wall time, {processor:.1f} by processor time")


if __name__ == "__main__":
    main()
