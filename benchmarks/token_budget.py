"""How evenly ranks are loaded by steps of a token budget beside steps of a fixed number of samples.

    .venv/bin/python benchmarks/token_budget.py --data DATA [--ranks 2 8] [--batch 4] [--longest 10240]

DATA is a curated folder, of which only the index is read: the samples of one epoch in the trainer's order.
The budget is what steps of `batch` samples a rank have in the mean. A step takes as long as its busiest rank,
so nothing is timed, but tokens are counted, for each number of ranks:

- used: tokens over those that all ranks would have if each had as many as the busiest of its step: the share
  of the ranks' time not spent waiting, as far as time goes with tokens;
- largest share: tokens of the busiest rank of all steps, which memory has to hold;
- spread: standard deviation of the tokens of a step, over their mean.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.storage import DataFolder
from training.data import read_index
from training.order import SampleOrder
from training.steps import FixedSize, SharesOfRank, StepRule, TokenBudget


def loads(rule: StepRule, lengths: NDArray[np.int64], ranks: int) -> NDArray[np.int64]:
    """Tokens of each step and rank of the first epoch, (steps, ranks); a step over its end is left out."""
    order = SampleOrder(0, len(lengths))
    count, offset = 0, 0
    while offset + (size := len(rule.take(order.visits(offset)))) <= len(lengths):
        count, offset = count + 1, offset + size
    shares = [SharesOfRank(order.visits, rule, 0, count, rank) for rank in range(ranks)]
    return np.array(
        [
            [sum(lengths[place.sample] for place in share) for share in step]
            for step in zip(*shares, strict=True)
        ]
    )


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--ranks", type=int, nargs="+", default=[2, 8])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--longest", type=int, default=10240)
    given = parser.parse_args()
    lengths = read_index(DataFolder(given.data)).filter(split="train")["n_tokens"].to_numpy() + 1
    lengths = lengths[lengths <= given.longest]
    print(f"{len(lengths)} sequences of {np.mean(lengths):.0f} tokens in the mean, {lengths.max()} at most")
    print("| ranks | steps of | used | largest share | spread |\n| --- | --- | --- | --- | --- |")
    for ranks in given.ranks:
        budget = round(given.batch * ranks * float(np.mean(lengths)))
        sides: dict[str, StepRule] = {
            f"{given.batch} samples a rank": FixedSize(given.batch, ranks),
            f"{budget} tokens": TokenBudget(budget, lengths, ranks),
        }
        for name, rule in sides.items():
            tokens = loads(rule, lengths, ranks)
            busiest, of_steps = tokens.max(axis=1), tokens.sum(axis=1)
            used = of_steps.sum() / ranks / busiest.sum()
            spread = of_steps.std() / of_steps.mean()
            print(f"| {ranks} | {name} | {used:.0%} | {busiest.max()} | {spread:.0%} |")


if __name__ == "__main__":
    main()
