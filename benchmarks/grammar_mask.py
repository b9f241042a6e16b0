"""What the grammar's mask costs in a step of generation.

    python benchmarks/grammar_mask.py [EXPERIMENT] [ROWS] [STEPS]

Random weights of an experiment (default demo, 64 rows, 200 steps) generate with and without the grammar,
on the GPU where there is one. Prints the milliseconds of a step, those spent on the mask in Rust, and their
share.
"""

import sys
import time

import numpy as np
import torch

from model.silksong import SilksongModel
from model.systems import TokenGrammar, Tokenizer
from pipelines.tokenizers import SilksongSettings, build_tokenizer
from training.config import load_config


class Timed:
    """Grammars of single rows that add up the time spent in them."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self.tokenizer, self.seconds = tokenizer, 0.0

    def __call__(self) -> "TimedRow":
        """The grammar of one more row."""
        return TimedRow(self, self.tokenizer.grammar_batch(1))


class TimedRow:
    """See TokenGrammar."""

    def __init__(self, total: Timed, grammar: TokenGrammar) -> None:
        self.total, self.grammar = total, grammar

    def allowed(self, remaining: int) -> np.ndarray:
        """See TokenGrammar."""
        began = time.perf_counter()
        mask = self.grammar.allowed(remaining)
        self.total.seconds += time.perf_counter() - began
        return mask

    def advance(self, tokens: np.ndarray) -> None:
        """See TokenGrammar."""
        began = time.perf_counter()
        self.grammar.advance(tokens)
        self.total.seconds += time.perf_counter() - began


def main(experiment: str = "demo", rows: int = 64, steps: int = 200) -> None:
    """Measure and print."""
    config = load_config(experiment)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    module = SilksongModel(config.model).to(device).eval()
    with torch.no_grad():
        module.head.bias[config.model.eos_id] = -1e9  # all rows run to the last step
    points = torch.randn(rows, config.model.encoder.points, 6, device=device)
    with torch.inference_mode():
        condition = module.condition(points)
    tokenizer = build_tokenizer(SilksongSettings())
    module.generate(condition, 10, 1.0, seed=0)
    seconds = {}
    grammar = Timed(tokenizer)
    for name, chosen in (("free", None), ("constrained", grammar)):
        began = time.perf_counter()
        module.generate(condition, steps, 1.0, seed=0, grammar=chosen)
        seconds[name] = (time.perf_counter() - began) / steps * 1e3
    mask = grammar.seconds / steps * 1e3
    print(
        f"{experiment}, {rows} rows, {steps} steps on {device}: {seconds['free']:.1f} ms a step free, ",
        end="",
    )
    print(f"{seconds['constrained']:.1f} constrained, of it {mask:.2f} in the grammar", end="")
    print(f" ({mask / seconds['constrained']:.1%})")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:4]))
