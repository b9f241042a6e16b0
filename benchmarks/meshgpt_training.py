"""MeshGPT's second stage: what its codes cost, and its steps packed and padded, on the meshes of a data set.

    .venv/bin/python benchmarks/meshgpt_training.py --data DATA [--experiment corpus-meshgpt-transformer]
    .venv/bin/python benchmarks/meshgpt_training.py --data DATA --experiment meshgpt-transformer --device cuda

DATA is a curated folder, of whose training samples the first few batches are read. The autoencoder has random
weights. Sides, each a whole step with its backward pass:

- packed: `MeshTransformer.token_loss_sum`, what the trainer calls;
- padded: the same network on rows padded on the right, logits and cross-entropy of every position at once.
  (Written for padded rows alone, as it was before, the network took 1.8 s of processor time where this side
  takes 2.4.)

The losses are compared, and must agree to 1e-4. Beside them: milliseconds of a batch's codes, computed and
looked up. Prints medians of wall and of processor time.
"""

import argparse
import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import torch
from generation import timed
from torch import Tensor
from torch.nn import functional

from model.meshgpt.transformer import PADDING, MeshTransformer
from model.systems import load_system
from training.batches import collate
from training.config import load_config
from training.data import Failed, Prepared, ShardDataset
from training.derivation import Derivation
from training.derived_store import DerivedStore
from training.order import Place


def padded_loss(model: MeshTransformer, tokens_BL: Tensor) -> tuple[Tensor, Tensor]:
    """Sum over all labels, computed the plain way."""
    labels_BL = model.labels(tokens_BL)
    logits_BLV = model(labels_BL[:, :-1]).float()
    total = functional.cross_entropy(
        logits_BLV.flatten(0, 1), labels_BL.flatten(), ignore_index=PADDING, reduction="sum"
    )
    return total, (labels_BL != PADDING).sum()


def train(model: MeshTransformer, batches: list[Tensor], is_packed: bool) -> list[float]:
    """The losses of a few steps, which change no weight."""
    losses = []
    for tokens_BL in batches:
        with torch.autocast(tokens_BL.device.type, torch.bfloat16, enabled=tokens_BL.is_cuda):
            total, count = model.token_loss_sum(tokens_BL) if is_packed else padded_loss(model, tokens_BL)
        (total / count).backward()
        model.zero_grad(set_to_none=True)
        losses.append((total / count).detach())
    return [float(loss) for loss in losses]


def derive(derivation: Derivation, batches: list[list[Prepared | Failed]]) -> list[list[Prepared | Failed]]:
    """The codes of all samples."""
    return [[derivation(sample, True) for sample in samples] for samples in batches]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--experiment", default="corpus-meshgpt-transformer")
    parser.add_argument("--steps", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    config = load_config(given.experiment)
    dataset, device = ShardDataset(given.data, "train", config), torch.device(given.device)
    order = np.random.default_rng(0).permutation(len(dataset))[: given.steps * config.batch_size]
    samples = [dataset[Place(0, int(i))] for i in order]
    batches = [samples[i : i + config.batch_size] for i in range(0, len(samples), config.batch_size)]

    torch.manual_seed(0)
    system = load_system(config.system)
    earlier = {
        name: system.stage(name).build(config.model).to(device).eval()
        for name in config.training_stage.earlier
    }
    model = config.training_stage.build(config.model).to(device)
    taken: dict[str, list[tuple[float, float]]] = {}
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            derivation = Derivation(config, earlier, device, DerivedStore(Path(folder)))
            for name in ("codes computed", "codes looked up"):
                derived, wall, processor = timed(partial(derive, derivation, batches), device)
                taken.setdefault(name, []).append((wall, processor))
        codes = [collate(batch).tensors["codes"].to(device) for batch in derived]
        losses = {}
        for name, is_packed in (("padded step", False), ("packed step", True)):
            losses[name], wall, processor = timed(partial(train, model, codes, is_packed), device)
            taken.setdefault(name, []).append((wall, processor))
        if given.device == "cpu" and not np.allclose(*losses.values(), atol=1e-4):
            raise SystemExit(f"the losses differ: {losses}")
    n_tokens = sum(int((tokens >= 0).sum()) for tokens in codes)
    share = n_tokens / sum(tokens.numel() for tokens in codes)
    print(f"{len(codes)} batches of {config.batch_size}, {n_tokens} codes, {share:.0%} of the padded places")
    print("| of a batch | ms wall | ms processor |\n| --- | --- | --- |")
    for name, times in taken.items():
        wall, processor = (
            1000 * statistics.median(values) / len(codes) for values in zip(*times, strict=True)
        )
        print(f"| {name} | {wall:.1f} | {processor:.1f} |")


if __name__ == "__main__":
    main()
