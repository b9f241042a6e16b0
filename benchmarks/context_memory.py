"""Bytes for each token of context, in generation and in training: Silksong's decoder.

    .venv/bin/python benchmarks/context_memory.py [--tokens 1000 2000 4000 8000] [--computed-only]

- Generation: keys and values of all layers, counted in the tensors that `SlotDecoder` takes.
- Training: what autograd keeps of a forward pass for the backward pass, with and without recomputation of
  activations, counted tensor by tensor where autograd saves it. Weights are left out, and so is the head, of
  which at most `CHUNK_POSITIONS` positions exist at a time, however long the sequence is.

Counted on tensors that are computed on this CPU, for a small network; and on tensors that have shapes and no
memory (PyTorch's fake tensors), for the same network, which must give the same number, and for the release.
Prints the bytes of each length, and those of each further token between two lengths: memory is linear where
they stay the same.
"""

import argparse
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch._subclasses import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks

from model.layers.attention import HEAD_WIDTH
from model.layers.packing import Packing
from model.silksong import SilksongConfig, SilksongModel
from model.silksong.config import PointEncoderConfig
from model.silksong.decoding import Choice, SlotDecoder
from model.silksong.loss import CHUNK_POSITIONS

ENCODER = PointEncoderConfig(width=64, heads=2, layers=1)
SMALL = SilksongConfig(width=128, depth=2, heads=2, context_width=128, encoder=ENCODER)
RELEASE = SilksongConfig.release().model_copy(update={"encoder": ENCODER})
"""Of the release's decoder; its point encoder sees a cloud of fixed size."""
N_CONDITION = 257
MIB = 2**20


class OneRow(Packing):
    """A packing of one sequence, of which nothing is left out: its shape is known without its content."""

    def pack(self, x_BND: Tensor) -> Tensor:
        """As it is."""
        return x_BND


def saved_bytes(function: Callable[[], object], without: Sequence[Tensor] = ()) -> int:
    """Bytes of the memory that autograd keeps for the backward pass of `function`, each place once.

    The memory of the tensors `without` is not counted.
    """
    known = {tensor.untyped_storage()._cdata for tensor in without}
    kept: dict[int, torch.UntypedStorage] = {}

    def count(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = storage  # held, so that its place is not given to another
        return tensor

    with saved_tensors_hooks(count, lambda tensor: tensor):
        held = function()
    del held
    return sum(storage.nbytes() for storage in kept.values())


def training_bytes(model: SilksongModel, n_tokens: int, recomputes: bool, dtype: torch.dtype) -> int:
    """Of one sequence through the decoder, in bfloat16 as autocast makes it, or in float32."""
    model.recompute_activations = recomputes
    tokens_1N = torch.zeros(1, n_tokens - 1, dtype=torch.int64)  # and the start vector
    condition_1SC = torch.zeros(1, N_CONDITION, model.config.context_width)
    row = OneRow.of_lengths([n_tokens], tokens_1N.device)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        return saved_bytes(lambda: model.hidden(tokens_1N, condition_1SC, row), list(model.parameters()))


def recomputed_bytes(model: SilksongModel, n_tokens: int, dtype: torch.dtype) -> int:
    """What exists of one block while it is run again, beside its input."""
    block, config = model.decoder_blocks()[0], model.config
    x_1TD = torch.zeros(1, n_tokens, config.width, requires_grad=True)
    condition_1SC = torch.zeros(1, N_CONDITION, config.context_width)
    row = OneRow.of_lengths([n_tokens], x_1TD.device)
    with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
        return saved_bytes(lambda: block(x_1TD, condition_1SC, packing=row), [x_1TD, *model.parameters()])


def cache_bytes(model: SilksongModel, n_slots: int, n_tokens: int) -> int:
    """Of the keys and values that a decoder of slots takes."""
    like_SC = model.start_vector.new_zeros(N_CONDITION, model.config.context_width)
    caches = SlotDecoder(model, n_slots, n_tokens, Choice(), like_SC)._caches
    return sum(tensor.nbytes for cache in caches for tensor in (cache.keys_BHSE, cache.values_BHSE))


def cache_bytes_per_token(config: SilksongConfig, dtype: torch.dtype) -> int:
    """The formula: a key and a value in each head of each layer."""
    return config.depth * config.heads * 2 * HEAD_WIDTH * dtype.itemsize


def straight_line(lengths: Sequence[int], sizes: Sequence[int]) -> tuple[int, int]:
    """Bytes of each further token, and those at no token at all.

    Raises ValueError where the sizes (bytes of two lengths or more) are not on one line.
    """
    pairs = list(pairwise(zip(lengths, sizes, strict=True)))
    slopes = {(after[1] - before[1]) / (after[0] - before[0]) for before, after in pairs}
    if len(slopes) > 1:
        raise ValueError(f"not linear: {sorted(slopes)} bytes a token")
    slope = slopes.pop()
    return round(slope), round(sizes[0] - slope * lengths[0])


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[1000, 2000, 4000, 8000])
    parser.add_argument("--computed-only", action="store_true", help="leave the small network out")
    given = parser.parse_args()
    lengths = sorted(given.tokens)
    torch.set_num_threads(1)
    header = " | ".join(f"{n:,} tokens, MiB" for n in lengths)
    print(f"| | {header} | bytes a further token | fixed, MiB |\n|{' --- |' * (len(lengths) + 3)}")

    def show(name: str, sizes: list[int]) -> None:
        slope, fixed = straight_line(lengths, sizes)
        cells = " | ".join(f"{size / MIB:,.1f}" for size in sizes)
        print(f"| {name} | {cells} | {slope:,} | {fixed / MIB:,.1f} |", flush=True)

    if not given.computed_only:
        model = SilksongModel(SMALL)
        show("small, cache of a slot, float32", [cache_bytes(model, 1, n) for n in lengths])
        for kind, count in KINDS.items():
            for dtype in (torch.float32, torch.bfloat16):
                sizes = [count(model, n, dtype) for n in lengths]
                with FakeTensorMode():
                    fake = SilksongModel(SMALL)
                    computed = [count(fake, n, dtype) for n in lengths]
                if sizes != computed:
                    raise SystemExit(f"{kind}: {sizes} bytes were saved, and {computed} computed")
                show(f"small, {kind}, {_name(dtype)}", sizes)
    with torch.device("meta"):
        for dtype in (torch.float32, torch.bfloat16):
            model = SilksongModel(RELEASE).to(dtype)
            sizes = [cache_bytes(model, 1, n) for n in lengths]
            assert sizes == [n * cache_bytes_per_token(RELEASE, dtype) for n in lengths]
            show(f"release (computed), cache of a slot, {_name(dtype)}", sizes)
    with FakeTensorMode():
        model = SilksongModel(RELEASE)
        for kind, count in KINDS.items():
            show(f"release (computed), {kind}, bfloat16", [count(model, n, torch.bfloat16) for n in lengths])
    logits = CHUNK_POSITIONS * (RELEASE.vocab_size + 2) * torch.float32.itemsize
    print(f"\nlogits of the release's head, float32, at most {CHUNK_POSITIONS} positions:", end=" ")
    print(f"{logits / MIB:.0f} MiB")


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


KINDS: dict[str, Callable[[SilksongModel, int, torch.dtype], int]] = {
    "training": lambda model, n, dtype: training_bytes(model, n, False, dtype),
    "training, recomputing: kept": lambda model, n, dtype: training_bytes(model, n, True, dtype),
    "training, recomputing: the block run again": recomputed_bytes,
}

if __name__ == "__main__":
    main()
