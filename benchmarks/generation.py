"""Tokens per second of generation beside a plain implementation that works the way the original does.

    .venv/bin/python benchmarks/generation.py [--tokens 2000] [--slots 1 16] [--rounds 3] [--threads 1]
    .venv/bin/python benchmarks/generation.py --device cuda --size release --slots 1 32 --compile
    .venv/bin/python benchmarks/generation.py --run runs/large --draft runs/small --constrained --tokens 500

Random weights, or those of a run, that never end write the same rows in rounds that alternate:

- slots: `model.silksong.generate`, with the rows side by side;
- plain: one row after the other, its cache grown by concatenation, the condition's keys and values projected
  anew at every step. One row a round, since all take the same time;
- draft: like slots, with the network of another run that guesses tokens ahead. What it gains is what the two
  runs agree on, so that only trained ones say something; the last column is tokens a step of the network.

On a CPU the tokens are compared, and must be the same. Prints medians of tokens a second of wall time and of
processor time, which other work on the machine moves less, and their ratios to the plain ones.
"""

import argparse
import datetime
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from model.layers.attention import attend, merge_heads, split_heads, unit_length
from model.layers.sampling import draw, keep_top_k, keep_top_p
from model.silksong import SilksongConfig, SilksongModel
from model.silksong.config import PointEncoderConfig
from model.silksong.decoding import Choice
from model.silksong.generate import stream_rows
from model.silksong.modules import DecoderBlock
from model.silksong.rows import Request, Row
from model.silksong.writers import DraftModel, Speculative
from pipelines.tokenizers import SilksongSettings, build_tokenizer
from training.checkpoints import load_network

SIZES = {
    "cpu": lambda: SilksongConfig(
        width=256,
        depth=6,
        heads=4,
        context_width=256,
        encoder=PointEncoderConfig(width=192, heads=3, layers=2),
    ),
    "small": SilksongConfig.small,
    "release": SilksongConfig.release,
}
CHOICE = Choice(temperature=0.5)
SEED = 3
T = TypeVar("T")


@torch.inference_mode()
def plain_row(model: SilksongModel, condition_SC: Tensor, n_tokens: int, seed: int) -> list[int]:
    """Write one row the plain way."""
    stream, tokens = np.random.default_rng(seed), list[int]()
    caches: list[tuple[Tensor, Tensor] | None] = [None for _ in model.decoder_blocks()]
    for n in range(n_tokens):
        if n == 0:
            x_11D = model.start_vector.expand(1, 1, -1)
        else:
            place = torch.tensor([[n - 1]], device=condition_SC.device)
            x_11D = model.embed(torch.tensor([tokens[-1:]], device=condition_SC.device), place)
        for i, block in enumerate(model.decoder_blocks()):
            x_11D, caches[i] = plain_block(block, x_11D, condition_SC.unsqueeze(0), caches[i])
        logits_1V = model.head(model.final_norm(x_11D[:, 0])).float()
        logits_1V[:, model.config.pad_row] = -torch.inf
        logits_1V = keep_top_p(keep_top_k(logits_1V, CHOICE.top_k or 0), CHOICE.top_p or 1.0)
        probabilities_1V = (logits_1V / CHOICE.temperature).softmax(dim=-1)
        tokens.append(int(draw(probabilities_1V, torch.tensor([stream.random()], device=x_11D.device))))
    return tokens


def plain_block(
    block: DecoderBlock, x_11D: Tensor, context_1SC: Tensor, cache: tuple[Tensor, Tensor] | None
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One token through a block; its longer cache."""
    attention, y_11D = block.self_attention, block.self_norm(x_11D)
    q_1H1E, k_1HTE, v_1HTE = (
        split_heads(project(y_11D), attention.heads)
        for project in (attention.to_q, attention.to_k, attention.to_v)
    )
    q_1H1E, k_1HTE = unit_length(q_1H1E), unit_length(k_1HTE)
    if cache is not None:
        k_1HTE, v_1HTE = torch.cat([cache[0], k_1HTE], dim=2), torch.cat([cache[1], v_1HTE], dim=2)
    seen_1H1E = attend(q_1H1E, k_1HTE, v_1HTE)
    x_11D = x_11D + attention.to_out(merge_heads(seen_1H1E))
    x_11D = x_11D + block.cross_attention(block.cross_norm(x_11D), block.keys_values(context_1SC))
    return x_11D + block.feed_forward(block.feed_forward_norm(x_11D)), (k_1HTE, v_1HTE)


def slot_rows(
    model: SilksongModel,
    conditions: Tensor,
    n_tokens: int,
    is_constrained: bool,
    is_compiled: bool,
    draft: DraftModel | None = None,
    of_draft: Tensor | None = None,
) -> list[list[int]]:
    """Write a row for each condition, side by side."""
    requests = [
        Request(i, condition, draft_condition=None if of_draft is None else of_draft[i])
        for i, condition in enumerate(conditions)
    ]
    grammar = partial(build_tokenizer(SilksongSettings()).grammar_batch, 1) if is_constrained else None
    rows = dict(
        stream_rows(
            model,
            requests,
            n_tokens,
            CHOICE,
            n_slots=len(requests),
            seed=SEED,
            grammar=grammar,
            is_compiled=is_compiled,
            draft=draft,
        )
    )
    return [rows[i].tokens.tolist() for i in range(len(requests))]


def timed(function: Callable[[], T], device: torch.device) -> tuple[T, float, float]:
    """The result, the seconds of wall time and of processor time."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    wall, processor = time.perf_counter(), time.process_time()
    result = function()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return result, time.perf_counter() - wall, time.process_time() - processor


def main() -> None:
    """Measure and print."""
    options = arguments()
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    model = SilksongModel(SIZES[options.size]()) if options.run is None else network_of(options.run)
    model = model.to(device, dtype).eval()
    draft = None if options.draft is None else network_of(options.draft).to(device, dtype).eval()
    with torch.no_grad():
        normals = functional.normalize(torch.randn(max(options.slots), 512, 3), dim=-1)
        radii = torch.rand(max(options.slots), 1, 3) * 0.7 + 0.25
        clouds = torch.cat([normals * radii, normals], dim=-1).to(device, dtype)
        for network in (model, *([] if draft is None else [draft])):
            network.head.bias[network.config.eos_id] = -1e4  # every row is as long as it may be
        conditions = model.condition(clouds)
        of_draft = None if draft is None else draft.condition(clouds)
    steps = counted_steps()
    n_tokens, rates = options.tokens, dict[str, list[tuple[float, float]]]()
    per_step = dict[str, float]()
    for first_round in (True, *[False] * options.rounds):
        # The first round is short, and not counted: it loads, compiles and captures.
        length = min(n_tokens, 16) if first_round and device.type == "cpu" else n_tokens
        measured = dict[str, list[float]]()
        plain, *measured["plain"] = timed(partial(plain_row, model, conditions[0], length, SEED), device)
        n_written = {"plain": len(plain)}
        for n_slots in options.slots:
            work = partial(
                slot_rows, model, conditions[:n_slots], length, options.constrained, options.compile
            )
            rows, *measured[f"slots {n_slots}"] = timed(work, device)
            n_written[f"slots {n_slots}"] = sum(map(len, rows))
            if device.type == "cpu" and not options.constrained and rows[0] != plain:
                raise SystemExit(f"{n_slots} slots wrote other tokens than the plain implementation")
            if draft is None or of_draft is None:
                continue
            guessing = DraftModel(draft, options.draft_tokens)
            steps.clear()
            rows, *measured[name := f"slots {n_slots}, draft"] = timed(
                partial(work, draft=guessing, of_draft=of_draft[:n_slots]), device
            )
            n_written[name] = sum(map(len, rows))
            per_step[name] = statistics.mean(steps)
        if not first_round:
            for name, (wall, processor) in measured.items():
                rates.setdefault(name, []).append((n_written[name] / wall, n_written[name] / processor))
    name = torch.cuda.get_device_name() if device.type == "cuda" else f"CPU, {options.threads} threads"
    print(f"{options.size}, {n_tokens} tokens a row, {name}, {datetime.date.today()}, medians of", end=" ")
    print(f"{options.rounds}\n")
    print("| | tokens/s | times plain | tokens/s of processor time | times plain | tokens/step |")
    print("| --- | --- | --- | --- | --- | --- |")
    medians = {
        name: [statistics.median(of) for of in zip(*rate, strict=True)] for name, rate in rates.items()
    }
    for name, (wall, processor) in medians.items():
        of_plain = [wall / medians["plain"][0], processor / medians["plain"][1]]
        row = f"| {name} | {wall:.0f} | {of_plain[0]:.1f} | {processor:.0f} | {of_plain[1]:.1f} |"
        print(f"{row} {per_step.get(name, 1.0):.2f} |")


def network_of(run: Path) -> SilksongModel:
    """The newest weights of a Silksong run."""
    network, _ = load_network(run)
    assert isinstance(network, SilksongModel)
    return network


def counted_steps() -> list[int]:
    """Tokens of each row and step that is written with a draft, from now on."""
    steps, write = list[int](), Speculative.write

    def counting(self: Speculative, rows: Sequence[Row | None]) -> list[list[int]]:
        tokens = write(self, rows)
        steps.extend(len(of_row) for of_row, row in zip(tokens, rows, strict=True) if row is not None)
        return tokens

    Speculative.write = counting  # type: ignore[method-assign]
    return steps


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--size", default="cpu", choices=SIZES)
    parser.add_argument("--tokens", type=int, default=2000)
    parser.add_argument("--slots", type=int, nargs="+", default=[1, 16])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--constrained", action="store_true", help="slots obey the grammar; not compared")
    parser.add_argument("--run", type=Path, help="run whose weights write")
    parser.add_argument("--draft", type=Path, help="run whose weights guess ahead")
    parser.add_argument("--draft-tokens", type=int, default=4)
    parser.add_argument("--compile", action="store_true", help="compile the step of the slots")
    return parser.parse_args()


if __name__ == "__main__":
    main()
